//! Vectorisable elementary functions: no branches, only selects.
//!
//! Largest errors, in units of the last place, over the sweeps of the tests:
//!
//! | | `f32` | `f64` |
//! |---|---|---|
//! | `exp`, `exp2`, `ln`, `log2`, `log10` | 1 | 1 |
//! | `expm1`, `ln_1p` | 2 | 2 |
//! | `tanh` | 3 | 3 |
//! | `pow`, `tan`, `asin`, `acos`, `atan`, `atan2` | 0.51 | 1 |
//! | `sin`, `cos` | 2 | 1 |
//! | `sinh`, `cosh` | 0.51 | 2 |
//! | `asinh`, `acosh`, `atanh` | 0.51 | 3 |
//! | `erf` | 3 | 2 |
//! | `erfc` | 0.51 | 3 |
//!
//! The tests allow `f64` more: a library's results, which they are held against, are off themselves.

mod error;
mod exponential;
mod hyperbolic;
mod inverse;
mod modulo;
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
    pub(crate) use super::error::{erf_f64 as erf, erfc_f64 as erfc, gelu_f64 as gelu};
    pub(crate) use super::exponential::double::*;
    pub(crate) use super::hyperbolic::{
        acosh_f64 as acosh, asinh_f64 as asinh, atanh_f64 as atanh, cosh_f64 as cosh, sinh_f64 as sinh,
    };
    pub(crate) use super::inverse::{acos_f64 as acos, asin_f64 as asin, atan_f64 as atan, atan2_f64 as atan2};
    pub(crate) use super::modulo::fmod_f64 as fmod;
    pub(crate) use super::power::pow_f64 as pow;
    pub(crate) use super::trigonometric::{cos_f64 as cos, sin_f64 as sin, tan_f64 as tan};
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
