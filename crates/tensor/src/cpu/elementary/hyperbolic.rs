//! Hyperbolic functions and their inverses. `f32` computes in `f64`, as powers do.

use super::power::{ROUND, log2_wide};
use super::{bound, poly};
use crate::cpu::simd::fma;

use std::f64::consts::{LN_2, LOG2_E};

/// `sinh r`, `cosh r` and `2^(n - 1)` ± `2^(-n - 1)` of `|x| = n ln 2 + r`: sums of their products are `sinh |x|` and `cosh |x|`, and
/// nothing cancels.
#[inline(always)]
fn parts<const FMA: bool>(x: f32) -> [f64; 4] {
    let a = bound(f64::from(x.abs()), 0.0, 100.0);
    let shifted = fma::<FMA, f64>(a, LOG2_E, ROUND);
    let r = fma::<FMA, f64>(shifted - ROUND, -LN_2, a);
    let z = r * r;
    let odd = [0.999_999_999_995_533_5, 0.166_666_667_860_321_1, 0.008_333_283_580_187_57, 0.000_199_075_573_578_522_9];
    let even =
        [0.999_999_999_960_558_8, 0.500_000_010_630_841_3, 0.041_666_221_300_696_92, 0.001_394_842_266_318_829_3];
    let half = |bits: u64| 0.5 * f64::from_bits(bits << 52);
    // The low bits of `ROUND` are 1023, the exponent of 1.
    let up = half(shifted.to_bits());
    let down = half((2 * 1023u64).wrapping_sub(shifted.to_bits()));
    [r * poly::<FMA, f64, _>(z, odd), poly::<FMA, f64, _>(z, even), up + down, up - down]
}

#[inline(always)]
pub(crate) fn sinh_f32<const FMA: bool>(x: f32) -> f32 {
    let [sinh, cosh, sum, difference] = parts::<FMA>(x);
    (fma::<FMA, f64>(sinh, sum, cosh * difference) as f32).copysign(x)
}

#[inline(always)]
pub(crate) fn cosh_f32<const FMA: bool>(x: f32) -> f32 {
    let [sinh, cosh, sum, difference] = parts::<FMA>(x);
    fma::<FMA, f64>(cosh, sum, sinh * difference) as f32
}

/// `ln x` of what is not below 1.
#[inline(always)]
fn ln_wide<const FMA: bool>(x: f64) -> f64 {
    // An infinity or NaN is its own.
    if x < f64::INFINITY { log2_wide::<FMA>(x) * LN_2 } else { x }
}

#[inline(always)]
pub(crate) fn asinh_f32<const FMA: bool>(x: f32) -> f32 {
    let a = f64::from(x.abs());
    let z = a * a;
    let y = ln_wide::<FMA>(a + (z + 1.0).sqrt());
    // Where adding 1 loses digits, the next term would be 1e-13 of the sum.
    let small = fma::<FMA, f64>(a * z, -1.0 / 6.0, a);
    ((if a < 1e-3 { small } else { y }) as f32).copysign(x)
}

#[inline(always)]
pub(crate) fn acosh_f32<const FMA: bool>(x: f32) -> f32 {
    let x = f64::from(x);
    let y = ln_wide::<FMA>(x + (x * x - 1.0).sqrt());
    (if x >= 1.0 { y } else { f64::NAN }) as f32
}

/// `ln((1 + x) / (1 - x)) / 2` as `atanh(s) + e ln(2) / 2`, with `2^e` next to the quotient: `s` is `x` itself where that is small.
#[inline(always)]
pub(crate) fn atanh_f32<const FMA: bool>(x: f32) -> f32 {
    let a = f64::from(x.abs());
    let quotient = (1.0 + a).to_bits().wrapping_sub((1.0 - a).to_bits());
    // Rounded, as an exponent; of 1 - a = 0 or less it does not matter.
    let bits = quotient.wrapping_add(1f64.to_bits() + (1 << 51)) >> 52;
    let scale = f64::from_bits(bits << 52);
    const WHOLE: f64 = (1u64 << 52) as f64;
    let e = f64::from_bits(WHOLE.to_bits() | bits) - (WHOLE + 1023.0);
    let s = fma::<FMA, f64>(a, 1.0 + scale, 1.0 - scale) / fma::<FMA, f64>(a, 1.0 - scale, 1.0 + scale);
    let series = [
        0.999_999_999_999_816_3,
        0.333_333_333_659_506_2,
        0.199_999_906_272_652_7,
        0.142_866_971_920_716_5,
        0.110_647_223_710_598_9,
        0.100_888_818_643_318_1,
    ];
    let y = fma::<FMA, f64>(s, poly::<FMA, f64, _>(s * s, series), e * (LN_2 / 2.0));
    let y = if a == 1.0 { f64::INFINITY } else { y };
    ((if a <= 1.0 { y } else { f64::NAN }) as f32).copysign(x)
}
