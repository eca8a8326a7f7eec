//! Elementary functions that kernels call: the [`Math`] of `f32` and `f64`, and the wrapping arithmetic of integers.

use super::elementary::{double, single};
use super::simd::Real;
use crate::Element;

/// Declares [`Math`] with its functions of both types: doc, name, and the operands besides `self`.
macro_rules! math {
    ($($(#[$doc:meta])* $name:ident($($other:ident),*);)*) => {
        /// The functions behind the unary and binary tables.
        ///
        /// `FMA` says whether fused multiply-add is one instruction where the function is compiled (see `simd`).
        pub(crate) trait Math: Real {
            $($(#[$doc])* fn $name<const FMA: bool>(self $(, $other: Self)*) -> Self;)*
            /// The larger; NaN if either is.
            #[inline(always)]
            fn larger(self, other: Self) -> Self {
                // Not `max`, which drops NaN. `self` wins ties and if it is NaN.
                let picked = if other > self { other } else { self };
                if other.is_nan() { other } else { picked }
            }
            /// The smaller; NaN if either is.
            #[inline(always)]
            fn smaller(self, other: Self) -> Self {
                let picked = if other < self { other } else { self };
                if other.is_nan() { other } else { picked }
            }
            /// Whether this is not a number.
            #[inline(always)]
            #[allow(clippy::eq_op)]
            fn is_nan(self) -> bool {
                self != self
            }
            /// `1 / (1 + e^-self)`.
            #[inline(always)]
            fn sigmoid<const FMA: bool>(self) -> Self {
                Self::ONE / (Self::ONE + (-self).exp_normal::<FMA>())
            }
        }
        math!(@impl f32 single $($name($($other),*))*);
        math!(@impl f64 double $($name($($other),*))*);
    };
    (@impl $ty:ident $module:ident $($name:ident($($other:ident),*))*) => {
        impl Math for $ty {
            $(
                #[inline(always)]
                fn $name<const FMA: bool>(self $(, $other: Self)*) -> Self { $module::$name::<FMA>(self $(, $other)*) }
            )*
        }
    };
}
math! {
    /// `e^self`.
    exp();
    /// `e^self`, or a number near the smallest normal one where it would be less: as good as `exp` beside 1.
    exp_normal();
    /// `e^self` of what is not above 0.
    exp_below();
    /// `2^self`.
    exp2();
    /// `e^self - 1`.
    expm1();
    /// Natural logarithm.
    ln();
    /// `ln(1 + self)`.
    ln_1p();
    /// Logarithm to base 2.
    log2();
    /// Logarithm to base 10.
    log10();
    /// `self^exponent`.
    pow(exponent);
    /// The remainder of truncating division, up to [`QUOTIENT_LIMIT`](super::elementary::QUOTIENT_LIMIT).
    fmod(divisor);
    /// Sine.
    sin();
    /// Cosine.
    cos();
    /// Tangent.
    tan();
    /// Inverse sine.
    asin();
    /// Inverse cosine.
    acos();
    /// Inverse tangent.
    atan();
    /// The angle of the point `(x, self)`.
    atan2(x);
    /// Hyperbolic sine.
    sinh();
    /// Hyperbolic cosine.
    cosh();
    /// Hyperbolic tangent.
    tanh();
    /// Inverse hyperbolic sine.
    asinh();
    /// Inverse hyperbolic cosine.
    acosh();
    /// Inverse hyperbolic tangent.
    atanh();
    /// Error function.
    erf();
    /// `1 - erf(self)`.
    erfc();
    /// `x·(1 + erf(x / √2)) / 2`.
    gelu();
}

/// Integers as PyTorch computes with them: arithmetic wraps, division by zero is an error found before.
pub(crate) trait Int: Element + Ord {
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn neg(self) -> Self;
    fn abs(self) -> Self;
    fn sign(self) -> Self;
    /// Division rounded to negative infinity. The divisor is not zero.
    fn div_floor(self, other: Self) -> Self;
    /// Division rounded towards 0. The divisor is not zero.
    fn div_trunc(self, other: Self) -> Self;
    /// The remainder with the divisor's sign. The divisor is not zero.
    fn modulo(self, other: Self) -> Self;
    /// The remainder with the dividend's sign. The divisor is not zero.
    fn rem(self, other: Self) -> Self;
    /// Power; a negative exponent gives the truncated reciprocal (0 for a base of 0, as PyTorch).
    fn pow(self, exponent: Self) -> Self;
}

macro_rules! int {
    ($($ty:ident),*) => { $(
        impl Int for $ty {
            #[inline(always)]
            fn add(self, other: Self) -> Self { self.wrapping_add(other) }
            #[inline(always)]
            fn sub(self, other: Self) -> Self { self.wrapping_sub(other) }
            #[inline(always)]
            fn mul(self, other: Self) -> Self { self.wrapping_mul(other) }
            #[inline(always)]
            fn neg(self) -> Self { self.wrapping_neg() }
            #[inline(always)]
            #[allow(unused_comparisons)]
            fn abs(self) -> Self { if self < 0 { self.wrapping_neg() } else { self } }
            #[inline(always)]
            #[allow(unused_comparisons)]
            fn sign(self) -> Self { if self > 0 { 1 } else if self < 0 { Self::ZERO.wrapping_sub(1) } else { 0 } }
            #[inline(always)]
            fn div_floor(self, other: Self) -> Self {
                let quotient = self.wrapping_div(other);
                let rest = self.wrapping_rem(other);
                if rest != 0 && (rest ^ other) < Self::ZERO { quotient.wrapping_sub(1) } else { quotient }
            }
            #[inline(always)]
            fn div_trunc(self, other: Self) -> Self { self.wrapping_div(other) }
            #[inline(always)]
            fn modulo(self, other: Self) -> Self {
                let rest = self.wrapping_rem(other);
                if rest != 0 && (rest ^ other) < Self::ZERO { rest.wrapping_add(other) } else { rest }
            }
            #[inline(always)]
            fn rem(self, other: Self) -> Self { self.wrapping_rem(other) }
            #[inline(always)]
            #[allow(unused_comparisons)]
            fn pow(self, exponent: Self) -> Self {
                if exponent < 0 {
                    let odd = exponent & 1 == 1;
                    return match self {
                        1 => 1,
                        x if x == Self::ZERO.wrapping_sub(1) => if odd { x } else { 1 },
                        _ => 0,
                    };
                }
                let (mut result, mut base, mut left) = (1 as $ty, self, exponent);
                while left > 0 {
                    if left & 1 == 1 {
                        result = result.wrapping_mul(base);
                    }
                    base = base.wrapping_mul(base);
                    left >>= 1;
                }
                result
            }
        }
    )* };
}
int!(i64, i32, i16, i8, u8);
