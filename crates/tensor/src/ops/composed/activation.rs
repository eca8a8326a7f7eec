//! Activations that are put together from others.

use crate::{Tensor, bug, shape::axis};
use wengert_tensor_macros::{composed, profiled};

#[composed(compose_activation)]
#[profiled]
impl Tensor {
    /// `x - tanh x`.
    #[track_caller]
    pub fn tanhshrink(&self) -> Self {
        self - self.tanh()
    }

    /// `x / (1 + |x|)`.
    #[track_caller]
    pub fn softsign(&self) -> Self {
        self / (self.abs() + 1)
    }

    /// [`Self::softmax`] of the negative.
    #[track_caller]
    pub fn softmin(&self, dim: isize) -> Self {
        (-self).softmax(dim)
    }

    /// The first half along an axis times the sigmoid of the second (PyTorch's default axis is -1).
    ///
    /// # Panics
    /// If the size of the axis is odd.
    #[track_caller]
    pub fn glu(&self, dim: isize) -> Self {
        if self.rank() == 0 {
            bug!("", "glu does not support scalars because halving size must be even");
        }
        let at = axis("glu", dim, self.rank());
        let size = self.shape()[at];
        if !size.is_multiple_of(2) {
            bug!("", "Halving dimension must be even, but dimension {at} is size {size}");
        }
        let half = size / 2;
        self.narrow(dim, 0, half) * self.narrow(dim, half as isize, half).sigmoid()
    }
}
