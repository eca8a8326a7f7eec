//! Vectorisable elementary functions: no branches, only selects.
//!
//! Largest errors, in units of the last place, over the sweeps of the tests: `exp`, `exp2`, `ln`, `log2` and `log10` 1, `expm1` 2,
//! `ln_1p` 2, `tanh` 3 for both types; of `f32` alone `erf` 3, `sin` and `cos` 2, and 0.51 what computes in `f64`: `pow`, `tan`, the inverse
//! trigonometric functions, the other hyperbolic ones and `erfc`.

mod error;
mod exponential;
mod hyperbolic;
mod inverse;
mod modulo;
mod plain;
mod power;
#[cfg(test)]
mod tests;
mod trigonometric;

/// The functions of `f32`.
pub(super) mod single {
    pub(crate) use super::error::{erf_f32 as erf, erfc_f32 as erfc, gelu_f32 as gelu};
    pub(crate) use super::exponential::single::*;
    pub(crate) use super::hyperbolic::{
        acosh_f32 as acosh, asinh_f32 as asinh, atanh_f32 as atanh, cosh_f32 as cosh, sinh_f32 as sinh,
    };
    pub(crate) use super::inverse::{acos_f32 as acos, asin_f32 as asin, atan_f32 as atan, atan2_f32 as atan2};
    pub(crate) use super::modulo::fmod_f32 as fmod;
    pub(crate) use super::power::pow_f32 as pow;
    pub(crate) use super::trigonometric::{cos_f32 as cos, sin_f32 as sin, tan_f32 as tan};
}

/// The functions of `f64`.
pub(super) mod double {
    pub(crate) use super::exponential::double::*;
    pub(crate) use super::modulo::fmod_f64 as fmod;
    pub(crate) use super::plain::*;
}

pub(crate) use modulo::QUOTIENT_LIMIT;
pub(crate) use trigonometric::TURN_LIMIT;

use super::simd::{Real, fma};

/// `c[0] + c[1] x + c[2] x² + …`, by Horner's rule.
#[inline(always)]
fn poly<const FMA: bool, T: Real, const N: usize>(x: T, c: [T; N]) -> T {
    let mut sum = c[N - 1];
    for k in (0..N - 1).rev() {
        sum = fma::<FMA, T>(sum, x, c[k]);
    }
    sum
}

/// Bounds `x`; NaN passes.
#[inline(always)]
fn bound<T: Real>(x: T, low: T, high: T) -> T {
    let x = if x > high { high } else { x };
    if x < low { low } else { x }
}
