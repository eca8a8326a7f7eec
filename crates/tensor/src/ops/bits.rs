//! Operations on the bits of integers, and greatest common divisors.

use super::operand::{Operand, OperandRef, result_type};
use crate::shape::broadcast;
use crate::{Category, DType, Element, Tensor, bug, match_dtype};
use wengert_tensor_macros::profiled;

/// `f` of operands that broadcast, both of dtype `T`.
#[track_caller]
fn zip<T: Element>(a: &Tensor, b: OperandRef<'_>, f: impl Fn(T, T) -> T) -> Tensor {
    let b = b.to_tensor(T::DTYPE);
    let shape = broadcast("", a.shape(), b.shape());
    let dense = |x: &Tensor| x.to(T::DTYPE).broadcast_to(shape.clone()).contiguous();
    let (a, b) = (dense(a), dense(&b));
    let (a, b) = (a.as_slice::<T>().expect("contiguous"), b.as_slice::<T>().expect("contiguous"));
    Tensor::build(shape, |out: &mut [T]| {
        out.iter_mut().zip(a.iter().zip(b)).for_each(|(o, (&a, &b))| *o = f(a, b));
    })
}

/// The dtype in which an operation on integers computes.
#[track_caller]
fn integers(name: &str, a: &Tensor, b: OperandRef<'_>) -> DType {
    let dtype = result_type(OperandRef::Tensor(a), b);
    if dtype.is_float() {
        bug!("", "\"{name}_cpu\" not implemented for '{}'", dtype.legacy_name());
    }
    dtype
}

/// One row: what is done with integers and, where PyTorch has it, with booleans.
macro_rules! bits {
    ($($(#[$doc:meta])* $name:ident int |$a:ident, $b:ident| $int:expr $(, bool |$p:ident, $q:ident| $bool:expr)?;)*) => {
        #[profiled]
        impl Tensor { $(
            $(#[$doc])*
            ///
            /// # Panics
            /// If an operand is of a floating dtype, or the shapes do not broadcast.
            #[track_caller]
            pub fn $name(&self, other: impl Operand) -> Tensor {
                let other = other.operand();
                let dtype = integers(stringify!($name), self, other);
                match_dtype!(int dtype, T => zip::<T>(self, other, |$a, $b| $int), _bool => {
                    $(return zip::<bool>(self, other, |$p, $q| $bool);)?
                    #[allow(unreachable_code)] {
                        bug!("", "\"{}_cpu\" not implemented for 'Bool'", stringify!($name))
                    }
                })
            }
        )* }
    };
}

/// The absolute value of an integer, signed or not.
macro_rules! magnitude {
    ($x:expr) => {{
        let x = $x;
        #[allow(unused_comparisons)]
        if x < 0 { x.wrapping_neg() } else { x }
    }};
}

bits! {
    /// The bits that both have; "and" of booleans.
    bitwise_and int |a, b| a & b, bool |a, b| a & b;
    /// The bits that at least one has; "or" of booleans.
    bitwise_or int |a, b| a | b, bool |a, b| a | b;
    /// The bits that exactly one has; "exclusive or" of booleans.
    bitwise_xor int |a, b| a ^ b, bool |a, b| a ^ b;
    /// The bits moved up; 0 where the shift is negative or not below the width.
    bitwise_left_shift int |a, b| if (b as i64) < 0 || b as i64 >= i64::from(T::BITS) { 0 } else { a.wrapping_shl(b as u32) };
    /// The bits moved down, with the sign; a shift that is negative or too large leaves the sign alone.
    bitwise_right_shift int |a, b| {
        let last = T::BITS - 1;
        a >> (if (b as i64) < 0 || b as i64 > i64::from(last) { last } else { b as u32 })
    };
    /// The greatest common divisor, not negative.
    gcd int |a, b| {
        let (mut a, mut b) = (a, b);
        while b != 0 {
            (a, b) = (b, a.wrapping_rem(b));
        }
        magnitude!(a)
    };
    /// The least common multiple, not negative; 0 where either is 0.
    lcm int |a, b| {
        let (mut x, mut y) = (a, b);
        while y != 0 {
            (x, y) = (y, x.wrapping_rem(y));
        }
        if x == 0 { 0 } else { magnitude!((a.wrapping_div(x)).wrapping_mul(b)) }
    };
}

#[profiled]
impl Tensor {
    /// Every bit turned; "not" of booleans.
    ///
    /// # Panics
    /// If the dtype is floating.
    #[track_caller]
    pub fn bitwise_not(&self) -> Tensor {
        match self.dtype().category() {
            Category::Bool => self.logical_not(),
            Category::Int => self.bitwise_xor(-1i64),
            Category::Float => bug!("", "\"bitwise_not_cpu\" not implemented for '{}'", self.dtype().legacy_name()),
        }
    }
}
