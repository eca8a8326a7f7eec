//! The crate's error type, and the one way in which a caller's mistake panics.

use crate::{DType, Device};

/// What can go wrong with data that the program did not make itself.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The device exists in the API but not in this build.
    #[error("device {0} is not available: this build computes on the CPU only; use Device::Cpu")]
    DeviceUnavailable(Device),
    /// A device name that is none.
    #[error("unknown device '{0}': expected cpu, cuda or cuda:N")]
    UnknownDevice(String),
    /// Data and shape do not fit together.
    #[error("shape '{shape:?}' is invalid for input of size {size}")]
    InvalidShape {
        /// The shape asked for.
        shape: Vec<usize>,
        /// The number of elements there are.
        size: usize,
    },
    /// A view would reach outside its storage.
    #[error(
        "a view of shape {shape:?}, strides {strides:?} and offset {offset} reaches outside a storage of {len} elements"
    )]
    OutOfStorage {
        /// Sizes of the view.
        shape: Vec<usize>,
        /// Strides of the view, in elements.
        strides: Vec<isize>,
        /// First element of the view.
        offset: usize,
        /// Elements in the storage.
        len: usize,
    },
    /// The product of the sizes does not fit in memory.
    #[error("a tensor of shape {0:?} is too large for this machine's address space")]
    TooLarge(Vec<usize>),
    /// A byte buffer of the wrong length for its dtype.
    #[error("{bytes} bytes are not a whole number of {dtype} elements")]
    PartialElement {
        /// Bytes given.
        bytes: usize,
        /// Element type asked for.
        dtype: DType,
    },
    /// A saved generator state that is none.
    #[error("invalid generator state: {0}")]
    InvalidGeneratorState(&'static str),
}

/// Panics with `op: message`: a mistake that only editing the program can mend.
///
/// `bug!("cat", "expected size {} but got {}", a, b)`. All panics of the workspace go through here, so that their
/// wording is PyTorch's and their location is the caller's (`#[track_caller]` on the way).
#[macro_export]
#[doc(hidden)]
macro_rules! bug {
    ($op:expr, $($message:tt)+) => {
        $crate::error::fail($op, format_args!($($message)+))
    };
}

/// The function behind [`bug!`].
///
/// # Panics
/// Always.
#[doc(hidden)]
#[track_caller]
#[cold]
#[inline(never)]
pub fn fail(op: &str, message: std::fmt::Arguments<'_>) -> ! {
    let message = if op.is_empty() { message.to_string() } else { format!("{op}: {message}") };
    if cfg!(panic = "unwind") && SILENT.get() {
        // Unwinds without the panic hook: who catches it adds where it was, and panics.
        std::panic::resume_unwind(Box::new(Silenced { message }));
    }
    panic!("{message}")
}

thread_local! {
    static SILENT: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// What a panic carries that was not shown, because its catcher will panic with more to say.
#[doc(hidden)]
#[derive(Debug)]
pub struct Silenced {
    /// The message as it would have been.
    pub message: String,
}

/// Until it is dropped, [`bug!`] on this thread unwinds with [`Silenced`].
#[doc(hidden)]
pub struct Silent(bool);

impl Silent {
    /// From now on.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Silent {
        Silent(SILENT.replace(true))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        SILENT.set(self.0);
    }
}
