//! Elementary functions that kernels call: the [`Math`] of `f32` and `f64`, and the wrapping arithmetic of integers.

use super::simd::Real;
use crate::Element;

/// The functions behind the unary and binary tables.
///
/// `FMA` says whether fused multiply-add is one instruction where the function is compiled (see `simd`).
pub(crate) trait Math: Real {
    /// `e^self`.
    fn exp<const FMA: bool>(self) -> Self;
    /// `e^self`, or a number near the smallest normal one where it would be less: as good as `exp` beside 1.
    fn exp_normal<const FMA: bool>(self) -> Self;
    /// `e^self` of what is not above 0.
    fn exp_below<const FMA: bool>(self) -> Self;
    /// `2^self`.
    fn exp2<const FMA: bool>(self) -> Self;
    /// Natural logarithm.
    fn ln<const FMA: bool>(self) -> Self;
    /// Logarithm to base 2.
    fn log2<const FMA: bool>(self) -> Self;
    /// Logarithm to base 10.
    fn log10<const FMA: bool>(self) -> Self;
    /// `self^exponent`.
    fn powf<const FMA: bool>(self, exponent: Self) -> Self;
    /// Hyperbolic tangent.
    fn tanh<const FMA: bool>(self) -> Self;
    /// Error function.
    fn erf<const FMA: bool>(self) -> Self;
    /// `x·(1 + erf(x / √2)) / 2`.
    fn gelu<const FMA: bool>(self) -> Self;
    /// Sine.
    fn sin<const FMA: bool>(self) -> Self;
    /// Cosine.
    fn cos<const FMA: bool>(self) -> Self;
    /// `e^self - 1`.
    fn expm1<const FMA: bool>(self) -> Self;
    /// `ln(1 + self)`.
    fn ln_1p<const FMA: bool>(self) -> Self;
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

/// Functions that are rarely used, called one element at a time.
pub(crate) trait Plain: Real {
    fn tan(self) -> Self;
    fn asin(self) -> Self;
    fn acos(self) -> Self;
    fn atan(self) -> Self;
    fn sinh(self) -> Self;
    fn cosh(self) -> Self;
    fn asinh(self) -> Self;
    fn acosh(self) -> Self;
    fn atanh(self) -> Self;
    fn erfc(self) -> Self;
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    fn trunc(self) -> Self;
    fn round_even(self) -> Self;
    fn atan2(self, other: Self) -> Self;
    fn copysign(self, other: Self) -> Self;
    /// The remainder of truncating division, C's `fmod`.
    fn fmod(self, other: Self) -> Self;
}

macro_rules! plain {
    ($($ty:ident, $erfc:path);*) => { $(
        impl Plain for $ty {
            #[inline(always)]
            fn tan(self) -> Self { $ty::tan(self) }
            #[inline(always)]
            fn asin(self) -> Self { $ty::asin(self) }
            #[inline(always)]
            fn acos(self) -> Self { $ty::acos(self) }
            #[inline(always)]
            fn atan(self) -> Self { $ty::atan(self) }
            #[inline(always)]
            fn sinh(self) -> Self { $ty::sinh(self) }
            #[inline(always)]
            fn cosh(self) -> Self { $ty::cosh(self) }
            #[inline(always)]
            fn asinh(self) -> Self { $ty::asinh(self) }
            #[inline(always)]
            fn acosh(self) -> Self { $ty::acosh(self) }
            #[inline(always)]
            fn atanh(self) -> Self { $ty::atanh(self) }
            #[inline(always)]
            fn erfc(self) -> Self { $erfc(self) }
            #[inline(always)]
            fn floor(self) -> Self { $ty::floor(self) }
            #[inline(always)]
            fn ceil(self) -> Self { $ty::ceil(self) }
            #[inline(always)]
            fn trunc(self) -> Self { $ty::trunc(self) }
            #[inline(always)]
            fn round_even(self) -> Self { $ty::round_ties_even(self) }
            #[inline(always)]
            fn atan2(self, other: Self) -> Self { $ty::atan2(self, other) }
            #[inline(always)]
            fn copysign(self, other: Self) -> Self { $ty::copysign(self, other) }
            #[inline(always)]
            fn fmod(self, other: Self) -> Self { self % other }
        }
    )* };
}
plain!(f32, libm::erfcf; f64, libm::erfc);

macro_rules! math {
    ($($ty:ident $module:ident: pow $pow:path, sin $sin:path, cos $cos:path, erf $erf:expr, gelu $gelu:expr;)*) => { $(
        impl Math for $ty {
            #[inline(always)]
            fn exp<const FMA: bool>(self) -> Self { super::elementary::$module::exp::<FMA>(self) }
            #[inline(always)]
            fn exp_normal<const FMA: bool>(self) -> Self { super::elementary::$module::exp_normal::<FMA>(self) }
            #[inline(always)]
            fn exp_below<const FMA: bool>(self) -> Self { super::elementary::$module::exp_below::<FMA>(self) }
            #[inline(always)]
            fn exp2<const FMA: bool>(self) -> Self { super::elementary::$module::exp2::<FMA>(self) }
            #[inline(always)]
            fn log2<const FMA: bool>(self) -> Self { super::elementary::$module::log2::<FMA>(self) }
            #[inline(always)]
            fn log10<const FMA: bool>(self) -> Self { super::elementary::$module::log10::<FMA>(self) }
            #[inline(always)]
            fn powf<const FMA: bool>(self, exponent: Self) -> Self { $pow(self, exponent) }
            #[inline(always)]
            fn ln<const FMA: bool>(self) -> Self { super::elementary::$module::ln::<FMA>(self) }
            #[inline(always)]
            fn tanh<const FMA: bool>(self) -> Self { super::elementary::$module::tanh::<FMA>(self) }
            #[inline(always)]
            fn expm1<const FMA: bool>(self) -> Self { super::elementary::$module::expm1::<FMA>(self) }
            #[inline(always)]
            fn ln_1p<const FMA: bool>(self) -> Self { super::elementary::$module::ln_1p::<FMA>(self) }
            #[inline(always)]
            fn erf<const FMA: bool>(self) -> Self { $erf(self) }
            #[inline(always)]
            fn gelu<const FMA: bool>(self) -> Self { $gelu(self) }
            #[inline(always)]
            fn sin<const FMA: bool>(self) -> Self { $sin(self) }
            #[inline(always)]
            fn cos<const FMA: bool>(self) -> Self { $cos(self) }
        }
    )* };
}
math! {
    f32 single: pow super::elementary::pow_f32::<FMA>, sin super::elementary::sin_f32::<FMA>, cos super::elementary::cos_f32::<FMA>, erf super::elementary::erf_f32::<FMA>,
        gelu super::elementary::gelu_f32::<FMA>;
    f64 double: pow f64::powf, sin f64::sin, cos f64::cos, erf libm::erf,
        gelu |x: f64| x * 0.5 * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2));
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
