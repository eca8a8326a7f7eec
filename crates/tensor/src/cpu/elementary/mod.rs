//! Vectorisable elementary functions: no branches, only selects.
//!
//! Largest errors, in units of the last place, over the sweeps of the tests: `exp`, `exp2`, `ln`, `log2` and `log10` 1, `expm1` 2,
//! `ln_1p` 2, `tanh` 3 for both types; `pow` 0.51, `erf` 3, `sin` and `cos` 2 (`f32` only).

mod error;
mod exponential;
mod power;
#[cfg(test)]
mod tests;
mod trigonometric;

pub(super) use error::{erf_f32, gelu_f32};
pub(super) use exponential::{double, single};
pub(super) use power::pow_f32;
pub(crate) use trigonometric::TURN_LIMIT;
pub(super) use trigonometric::{cos_f32, sin_f32};

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
