//! Elements of one tensor or another, by a mask.

use super::operand::{Operand, OperandRef, result_type};
use crate::cpu::map;
use crate::shape::broadcast;
use crate::{DType, Element, Scalar, Tensor, bug, match_dtype};
use wengert_tensor_macros::profiled;

#[profiled]
impl Tensor {
    /// Elements of `a` where `self` is `true`, elements of `b` elsewhere; all three broadcast.
    ///
    /// # Panics
    /// If `self` is not a tensor of `bool`, or the shapes do not fit.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::Tensor;
    /// let x = Tensor::from_vec(vec![-1.0f32, 2.0], [2]);
    /// assert_eq!(x.gt(0.0).where_(&x, 0.0).to_vec::<f32>(), [0.0, 2.0]);
    /// ```
    #[track_caller]
    pub fn where_(&self, a: impl Operand, b: impl Operand) -> Tensor {
        if self.dtype() == DType::U8 {
            return self.ne(0).where_(a, b);
        }
        if self.dtype() != DType::Bool {
            bug!(
                "",
                "where expected condition to be a boolean tensor, but got a tensor with dtype {}",
                self.dtype().legacy_name()
            );
        }
        let (a, b) = (a.operand(), b.operand());
        select(self, a, b, result_type(a, b))
    }

    /// A copy in which elements are `value` where `mask` is `true`; the shapes broadcast, the dtype stays.
    ///
    /// # Panics
    /// If `mask` is not a tensor of `bool`, or the shapes do not fit.
    #[track_caller]
    pub fn masked_fill(&self, mask: &Tensor, value: impl Into<Scalar>) -> Tensor {
        if mask.dtype() != DType::Bool {
            bug!(
                "",
                "masked_fill_ only supports boolean masks, but got mask with dtype {}",
                super::matmul::cpp_name(mask.dtype())
            );
        }
        select(mask, OperandRef::Scalar(value.into()), OperandRef::Tensor(self), self.dtype())
    }
}

/// `condition ? a : b` in `dtype`.
#[track_caller]
fn select(condition: &Tensor, a: OperandRef<'_>, b: OperandRef<'_>, dtype: DType) -> Tensor {
    let shape = broadcast("where", &broadcast("where", condition.shape(), a.shape()), b.shape());
    let dense = |x: &Tensor| x.broadcast_to(shape.clone()).contiguous();
    let mask = dense(condition);
    let mask: &[bool] = mask.as_slice().expect("contiguous");
    match_dtype!(dtype, T => {
        let tensor = |x: OperandRef<'_>| match x {
            OperandRef::Tensor(t) if t.rank() > 0 => Ok(dense(&t.to(dtype))),
            OperandRef::Tensor(t) => Err(t.item::<T>()),
            OperandRef::Scalar(s) => Err(s.to::<T>()),
        };
        let (a, b) = (tensor(a), tensor(b));
        Tensor::build(shape.clone(), |out: &mut [T]| map::select(mask, source(&a), source(&b), out))
    })
}

fn source<T: Element>(x: &Result<Tensor, T>) -> map::Source<'_, T> {
    match x {
        Ok(tensor) => map::Source::Slice(tensor.as_slice().expect("made contiguous")),
        Err(number) => map::Source::Number(*number),
    }
}
