//! How much precision `f32` convolutions may give up for speed: PyTorch's knob.

use std::sync::atomic::{AtomicBool, Ordering};

/// What sums of products in `f32` may be computed by, as the names that `torch.set_float32_matmul_precision` takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MatmulPrecision {
    /// Every sum by its definition: the largest error of a convolution is some 0.5e-6 of its largest output.
    Highest,
    /// Convolutions of 3x3 and 5x5 kernels, and their gradients, by Winograd's method where it is faster: 2e-6 to 4e-6 of
    /// the largest output. The training references of this repository are met either way.
    #[default]
    High,
}

static HIGHEST: AtomicBool = AtomicBool::new(false);

/// Chooses between speed and precision for all threads, as `torch.set_float32_matmul_precision`.
///
/// Unlike PyTorch's, the default is [`MatmulPrecision::High`], which means another thing here: no product is ever computed
/// in a narrower type. Matrix products do not depend on it, nor do results on the number of threads.
///
/// # Examples
/// ```
/// use wengert_tensor::{MatmulPrecision, float32_matmul_precision, set_float32_matmul_precision};
/// set_float32_matmul_precision(MatmulPrecision::Highest);
/// assert_eq!(float32_matmul_precision(), MatmulPrecision::Highest);
/// ```
pub fn set_float32_matmul_precision(precision: MatmulPrecision) {
    HIGHEST.store(precision == MatmulPrecision::Highest, Ordering::Relaxed);
}

/// What [`set_float32_matmul_precision`] chose, as `torch.get_float32_matmul_precision`.
pub fn float32_matmul_precision() -> MatmulPrecision {
    match HIGHEST.load(Ordering::Relaxed) {
        true => MatmulPrecision::Highest,
        false => MatmulPrecision::High,
    }
}

/// Whether sums may be computed through transforms.
pub(crate) fn allows_transforms() -> bool {
    !HIGHEST.load(Ordering::Relaxed)
}
