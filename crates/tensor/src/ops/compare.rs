//! Comparisons and tests of truth of two tensors, element by element and of the whole.

use super::operand::{Operand, OperandRef, result_type};
use super::pair::paired;
use crate::cpu::kernel::{CompareOp, compare, compare_plain};
use crate::cpu::map::Zip;
use crate::{DType, Tensor, bug};
use wengert_tensor_macros::profiled;

type IntTests = (Zip<i64, bool>, Zip<i32, bool>, Zip<i16, bool>, Zip<i8, bool>, Zip<u8, bool>);

/// The kernels of one comparison.
pub(crate) struct Compare {
    name: &'static str,
    f64: Zip<f64, bool>,
    f32: Zip<f32, bool>,
    ints: IntTests,
    bool: Zip<bool, bool>,
}

/// One row: `/// doc` then `name Name |a, b| …`; `lt Lt |a, b| a < b;` makes the kernels, `Tensor::lt` and a row of
/// [`COMPARE`].
macro_rules! compare {
    ($($(#[$doc:meta])* $name:ident $Op:ident |$a:ident, $b:ident| $test:expr;)*) => {
        $(
            struct $Op;
            impl CompareOp for $Op {
                #[inline(always)]
                fn test<T: PartialOrd>($a: T, $b: T) -> bool { $test }
            }
            impl $Op {
                const KERNELS: Compare = Compare {
                    name: stringify!($name),
                    f64: compare::<f64, $Op>,
                    f32: compare::<f32, $Op>,
                    ints: (
                        compare_plain::<i64, $Op>,
                        compare_plain::<i32, $Op>,
                        compare_plain::<i16, $Op>,
                        compare_plain::<i8, $Op>,
                        compare_plain::<u8, $Op>,
                    ),
                    bool: compare_plain::<bool, $Op>,
                };
            }
            #[profiled]
            impl Tensor {
                $(#[$doc])*
                #[track_caller]
                pub fn $name(&self, other: impl Operand) -> Tensor {
                    comparison(&$Op::KERNELS, OperandRef::Tensor(self), other.operand())
                }
            }
        )*
        /// Every comparison by name, for tests that cover all.
        #[doc(hidden)]
        pub const COMPARE: &[(&str, fn(&Tensor, &Tensor) -> Tensor)] =
            &[$((stringify!($name), |a, b| a.$name(b))),*];
    };
}

compare! {
    /// `true` where elements are equal (NaN never is), with broadcasting. For whole tensors see [`Tensor::equal`].
    eq Eq |a, b| a == b;
    /// `true` where elements differ (NaN always does), with broadcasting.
    ne Ne |a, b| a != b;
    /// `true` where the element is less, with broadcasting.
    lt Lt |a, b| a < b;
    /// `true` where the element is less or equal, with broadcasting.
    le Le |a, b| a <= b;
    /// `true` where the element is greater, with broadcasting.
    gt Gt |a, b| a > b;
    /// `true` where the element is greater or equal, with broadcasting.
    ge Ge |a, b| a >= b;
}

#[track_caller]
fn comparison(op: &Compare, a: OperandRef<'_>, b: OperandRef<'_>) -> Tensor {
    let dtype = result_type(a, b);
    if let DType::F16 | DType::BF16 = dtype {
        // Exact in f32, once numbers are rounded as the tensor's elements are.
        let widen = |x: OperandRef<'_>| x.to_tensor(dtype).to(DType::F32);
        let (a, b) = (widen(a), widen(b));
        return comparison(op, OperandRef::Tensor(&a), OperandRef::Tensor(&b));
    }
    paired(op.name, a, b, dtype, |pair| match dtype {
        DType::F64 => pair.run(1, op.f64),
        DType::I64 => pair.run(1, op.ints.0),
        DType::I32 => pair.run(1, op.ints.1),
        DType::I16 => pair.run(1, op.ints.2),
        DType::I8 => pair.run(1, op.ints.3),
        DType::U8 => pair.run(1, op.ints.4),
        DType::Bool => pair.run(1, op.bool),
        _ => pair.run(1, op.f32),
    })
}

#[profiled]
impl Tensor {
    /// Where elements are close: `|self - other| <= atol + rtol * |other|`, with broadcasting (PyTorch's defaults are
    /// `rtol = 1e-5` and `atol = 1e-8`). NaN is close to nothing, an infinity to itself.
    #[track_caller]
    pub fn isclose(&self, other: &Tensor, rtol: f64, atol: f64) -> Tensor {
        for (name, tolerance) in [("rtol", rtol), ("atol", atol)] {
            if tolerance < 0.0 {
                bug!("", "{name} must be greater than or equal to zero, but got {tolerance}");
            }
        }
        if self.dtype() != other.dtype() {
            bug!("", "{} did not match {}", self.dtype().legacy_name(), other.dtype().legacy_name());
        }
        let (a, b) = (self.to(DType::F64), other.to(DType::F64));
        let near = a.sub(&b).abs().le(b.abs().mul(rtol).add(atol)).logical_and(a.isfinite()).logical_and(b.isfinite());
        near.logical_or(a.eq(&b))
    }

    /// `true` where both are not zero, with broadcasting.
    #[track_caller]
    pub fn logical_and(&self, other: impl Operand) -> Tensor {
        self.to(DType::Bool).mul(other.operand().to_tensor(DType::Bool))
    }

    /// `true` where at least one is not zero, with broadcasting.
    #[track_caller]
    pub fn logical_or(&self, other: impl Operand) -> Tensor {
        self.to(DType::Bool).add(other.operand().to_tensor(DType::Bool))
    }

    /// `true` where exactly one is not zero, with broadcasting.
    #[track_caller]
    pub fn logical_xor(&self, other: impl Operand) -> Tensor {
        self.to(DType::Bool).ne(other.operand().to_tensor(DType::Bool))
    }

    /// Whether shape and all elements are equal.
    pub fn equal(&self, other: &Tensor) -> bool {
        self.shape() == other.shape() && self.eq(other).all(()).item::<bool>()
    }

    /// Whether all elements are close: `|self - other| <= atol + rtol * |other|`, with broadcasting. NaN is close to
    /// nothing.
    #[track_caller]
    pub fn allclose(&self, other: &Tensor, rtol: f64, atol: f64) -> bool {
        let (a, b) = (self.to(DType::F64), other.to(DType::F64));
        let near = a.sub(&b).abs().le(b.abs().mul(rtol).add(atol)).logical_and(a.isfinite()).logical_and(b.isfinite());
        near.logical_or(a.eq(&b)).all(()).item::<bool>()
    }
}
