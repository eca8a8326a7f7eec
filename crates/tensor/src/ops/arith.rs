//! The operators `+ - * /` and unary `-`, for every mix of owned and borrowed tensors and numbers.

use super::binary::{Add as AddOp, Binary, Div as DivOp, Mul as MulOp, Sub as SubOp, binary};
use super::inplace::reuse;
use super::operand::{Operand, OperandRef};
use crate::Tensor;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// One row per operator: trait, method, kernels.
macro_rules! operators {
    ($($Trait:ident $method:ident $Op:ident;)*) => { $(
        impl<R: Operand> $Trait<R> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: R) -> Tensor { Tensor::$method(self, other) }
        }
        impl<R: Operand> $Trait<R> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(mut self, other: R) -> Tensor {
                if reuse(&mut self, &$Op::KERNELS, other.operand()) { self } else { Tensor::$method(&self, other) }
            }
        }
        // One float and one integer type only: with two, a literal on the left would be ambiguous.
        operators!(@numbers $Trait $method $Op f64 i64);
    )* };
    (@numbers $Trait:ident $method:ident $Op:ident $($number:ty)*) => { $(
        impl $Trait<&Tensor> for $number {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: &Tensor) -> Tensor { number_first(&$Op::KERNELS, self, other) }
        }
        impl $Trait<Tensor> for $number {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: Tensor) -> Tensor { number_first(&$Op::KERNELS, self, &other) }
        }
    )* };
}
operators! {
    Add add AddOp;
    Sub sub SubOp;
    Mul mul MulOp;
    Div div DivOp;
}

#[track_caller]
fn number_first(op: &Binary, number: impl Operand, tensor: &Tensor) -> Tensor {
    binary(op, number.operand(), OperandRef::Tensor(tensor))
}

impl Neg for &Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        Tensor::neg(self)
    }
}
impl Neg for Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        Tensor::neg(&self)
    }
}
