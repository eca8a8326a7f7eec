//! Operations that write into a tensor: its memory is made its own first, so no other tensor sees the change.

use super::binary::{Add, Binary, Div, Mul, Operand, OperandRef, Sub, binary, result_type};
use crate::dtype::Category;
use crate::shape::broadcast;
use crate::{DType, Scalar, Tensor, bug};

impl Tensor {
    /// `self += other`, with broadcasting of `other`.
    ///
    /// # Panics
    /// If `other` does not broadcast to this shape, or its category is above this dtype's.
    #[track_caller]
    pub fn add_(&mut self, other: impl Operand) -> &mut Tensor {
        update(self, &Add::KERNELS, other.operand())
    }

    /// `self -= other`, with broadcasting of `other`.
    ///
    /// # Panics
    /// As [`Tensor::add_`].
    #[track_caller]
    pub fn sub_(&mut self, other: impl Operand) -> &mut Tensor {
        update(self, &Sub::KERNELS, other.operand())
    }

    /// `self *= other`, with broadcasting of `other`.
    ///
    /// # Panics
    /// As [`Tensor::add_`].
    #[track_caller]
    pub fn mul_(&mut self, other: impl Operand) -> &mut Tensor {
        update(self, &Mul::KERNELS, other.operand())
    }

    /// `self /= other`, with broadcasting of `other`.
    ///
    /// # Panics
    /// As [`Tensor::add_`], and for tensors of integers.
    #[track_caller]
    pub fn div_(&mut self, other: impl Operand) -> &mut Tensor {
        if !self.dtype().is_float() {
            cannot_cast(DType::F32, self.dtype());
        }
        update(self, &Div::KERNELS, other.operand())
    }

    /// `self += alpha * x`, with broadcasting of `x`: PyTorch's `add_(x, alpha=alpha)`.
    ///
    /// # Panics
    /// As [`Tensor::add_`].
    #[track_caller]
    pub fn add_scaled_(&mut self, alpha: f64, x: &Tensor) -> &mut Tensor {
        let scaled = x.mul(alpha);
        update(self, &Add::KERNELS, OperandRef::Tensor(&scaled))
    }

    /// Sets every element to `value`, converted to this dtype.
    pub fn fill_(&mut self, value: impl Into<Scalar>) -> &mut Tensor {
        let value = value.into();
        *self = Tensor::full(self.shape(), value, self.dtype());
        self
    }

    /// Sets every element to zero.
    pub fn zero_(&mut self) -> &mut Tensor {
        self.fill_(0)
    }

    /// Copies `source`'s elements, broadcast to this shape and converted to this dtype.
    ///
    /// # Panics
    /// If `source` does not broadcast to this shape.
    #[track_caller]
    pub fn copy_(&mut self, source: &Tensor) -> &mut Tensor {
        *self = source.to(self.dtype()).expand_as(self).contiguous();
        self
    }
}

#[track_caller]
fn cannot_cast(from: DType, to: DType) -> ! {
    bug!("", "result type {} can't be cast to the desired output type {}", from.legacy_name(), to.legacy_name())
}

#[track_caller]
fn update<'a>(x: &'a mut Tensor, op: &Binary, other: OperandRef<'_>) -> &'a mut Tensor {
    let dtype = result_type(OperandRef::Tensor(x), other);
    if dtype.category() > x.dtype().category() && !(x.dtype().category() == Category::Float) {
        cannot_cast(dtype, x.dtype());
    }
    if let OperandRef::Tensor(y) = other {
        let shape = broadcast("", x.shape(), y.shape());
        if shape[..] != *x.shape() {
            bug!("", "output with shape {:?} doesn't match the broadcast shape {:?}", x.shape(), &shape[..]);
        }
    }
    let out = binary(op, OperandRef::Tensor(x), other).to(x.dtype());
    *x = out;
    x
}
