//! Anomaly mode: the operation that made the first NaN, and where it was called.

use crate::Var;
use std::cell::Cell;
use std::panic::Location;
use wengert_tensor::bug;

thread_local! {
    static ON: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` so that the first operation whose result, or whose gradient, has a NaN panics with its name and the place of its call
/// (`torch.autograd.detect_anomaly`, which looks at gradients only). Every result is looked at, so this is slow.
///
/// # Panics
/// If a NaN is made. An operation that passes on a NaN of its operands counts as having made it, unless they were checked too.
///
/// # Examples
/// ```
/// use wengert_autograd::{Var, detect_anomaly, tensor::Tensor};
/// let caught = std::panic::catch_unwind(|| {
///     let x = Var::leaf(Tensor::from_vec(vec![0.0f32], [1]));
///     detect_anomaly(|| (x.sqrt() * 0.0).sum(()).backward());
/// });
/// let text = *caught.unwrap_err().downcast::<String>().unwrap();
/// assert!(text.starts_with("Function 'SqrtBackward0' returned nan values in its 0th output."));
/// ```
pub fn detect_anomaly<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            ON.set(self.0);
        }
    }
    let _restore = Restore(ON.replace(true));
    f()
}

/// Whether this thread is in anomaly mode.
#[inline]
pub(crate) fn is_on() -> bool {
    ON.get()
}

pub(crate) fn has_nan(x: &Var) -> bool {
    x.dtype().is_float() && x.value().isnan().any(()).item::<bool>()
}

/// Panics if the result of an operation has a NaN.
#[cold]
#[track_caller]
pub(crate) fn check_forward(name: &str, location: &Location<'_>, value: &Var) {
    if has_nan(value) {
        bug!("", "Function '{name}' made nan values in the forward pass; it was called at {location}");
    }
}

/// Panics if a gradient that an operation gave to an input has a NaN.
#[cold]
#[track_caller]
pub(crate) fn check_backward(name: &str, location: &Location<'_>, index: usize, grad: &Var) {
    if has_nan(grad) {
        bug!(
            "",
            "Function '{name}' returned nan values in its {index}th output. The operation whose gradient this is was called at \
             {location}"
        );
    }
}
