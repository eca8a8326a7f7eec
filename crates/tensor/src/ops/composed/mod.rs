//! Operations that are put together from others, written once for tensors and for what remembers how it was computed.
//!
//! `#[composed]` exports each block as a macro; `wengert-autograd` calls it to write the same methods for its own type, whose
//! operations record themselves.

// A tensor in itself is nothing new; in another type it is a constant.
#![allow(clippy::useless_conversion)]

mod activation;
pub mod conv_nd;
pub mod einsum;
pub mod fold;
pub mod linalg;
pub mod norms;
pub mod pad;
mod pool;
pub mod pool_nd;
pub mod resample;
pub mod solve;
pub mod stats;
mod ternary;

use crate::Tensor;

#[doc(hidden)]
impl Tensor {
    /// The tensor itself: what others have in them.
    #[inline]
    pub fn value(&self) -> &Tensor {
        self
    }

    /// Zeros of a shape with this tensor where `view` looks.
    pub fn embedded(&self, shape: &[usize], view: impl Fn(&Tensor) -> Tensor) -> Tensor {
        self.embed(shape, view)
    }
}

impl From<&Tensor> for Tensor {
    fn from(tensor: &Tensor) -> Tensor {
        tensor.clone()
    }
}
