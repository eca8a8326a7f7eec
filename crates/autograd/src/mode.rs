//! The grad mode: whether operations record, per thread.

use std::cell::Cell;

thread_local! {
    static ENABLED: Cell<bool> = const { Cell::new(true) };
}

/// Whether operations on this thread record a graph (`torch.is_grad_enabled`).
#[inline]
pub fn is_grad_enabled() -> bool {
    ENABLED.get()
}

/// Runs `f` without recording, as `with torch.no_grad():`.
///
/// The mode before is restored afterwards, also if `f` panics.
///
/// # Examples
/// ```
/// use wengert_autograd::{Var, no_grad, tensor::Tensor};
/// let x = Var::leaf(Tensor::from_vec(vec![1.0f32, 2.0], [2]));
/// assert!(!no_grad(|| x.reshape([2, 1])).requires_grad());
/// assert!(x.reshape([2, 1]).requires_grad());
/// ```
pub fn no_grad<R>(f: impl FnOnce() -> R) -> R {
    let _guard = GradMode::set(false);
    f()
}

/// Runs `f` with recording, as `with torch.enable_grad():`; of use inside [`no_grad`].
pub fn enable_grad<R>(f: impl FnOnce() -> R) -> R {
    let _guard = GradMode::set(true);
    f()
}

/// Records or does not until the guard is dropped: `torch.set_grad_enabled(mode)` as a context.
///
/// # Examples
/// ```
/// use wengert_autograd::{is_grad_enabled, set_grad_enabled};
/// let training = false;
/// let _mode = set_grad_enabled(training);
/// assert!(!is_grad_enabled());
/// ```
pub fn set_grad_enabled(mode: bool) -> GradMode {
    GradMode::set(mode)
}

/// Sets the grad mode of this thread until it is dropped.
///
/// # Examples
/// ```
/// use wengert_autograd::{GradMode, is_grad_enabled};
/// {
///     let _off = GradMode::disabled();
///     assert!(!is_grad_enabled());
/// }
/// assert!(is_grad_enabled());
/// ```
#[must_use = "the mode is restored when the guard is dropped"]
#[derive(Debug)]
pub struct GradMode {
    before: bool,
    // The mode belongs to a thread; its guard must stay there.
    _thread: std::marker::PhantomData<*const ()>,
}

impl GradMode {
    /// Stops recording until the guard is dropped.
    pub fn disabled() -> GradMode {
        GradMode::set(false)
    }

    /// Records until the guard is dropped.
    pub fn enabled() -> GradMode {
        GradMode::set(true)
    }

    pub(crate) fn set(enabled: bool) -> GradMode {
        GradMode { before: ENABLED.replace(enabled), _thread: std::marker::PhantomData }
    }
}

impl Drop for GradMode {
    fn drop(&mut self) {
        ENABLED.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_is_restored_after_a_panic() {
        assert!(std::panic::catch_unwind(|| no_grad(|| panic!("on purpose"))).is_err());
        assert!(is_grad_enabled());
        no_grad(|| {
            enable_grad(|| assert!(is_grad_enabled()));
            assert!(!is_grad_enabled());
        });
    }

    #[test]
    fn the_mode_is_per_thread() {
        let _off = GradMode::disabled();
        assert!(std::thread::spawn(is_grad_enabled).join().expect("no panic"));
    }
}
