//! Hyperbolic functions and their inverses. `f32` computes in `f64`, as powers do.

use super::power::{ROUND, log2_wide};
use super::{bound, exponential::double, poly};
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

/// A whole number `e` and a small `s` of `atanh a = atanh s + e ln(2) / 2`: `2^e` is next to the quotient of `1 + a` and `1 - a`, and `s`
/// is `a` itself where that is small. Only up to 1.
#[inline(always)]
fn octaves<const FMA: bool>(a: f64) -> (f64, f64) {
    const WHOLE: f64 = (1u64 << 52) as f64;
    let (above, below) = (1.0 + a, 1.0 - a);
    // As an exponent, rounded up from 3/4 on: a negative s is added to more than it.
    let bits = above.to_bits().wrapping_sub(below.to_bits()).wrapping_add(1f64.to_bits() + (1 << 50)) >> 52;
    let scale = f64::from_bits(bits << 52);
    // 1 - a is exact from 1/2 on, 1 ± 2^e below.
    let part = |sign: f64| {
        let near = fma::<FMA, f64>(a, 1.0 - sign * scale, 1.0 + sign * scale);
        if a < 0.5 { near } else { fma::<FMA, f64>(sign * below, scale, above) }
    };
    (f64::from_bits(WHOLE.to_bits() | bits) - (WHOLE + 1023.0), part(-1.0) / part(1.0))
}

/// Inverse hyperbolic tangent.
#[inline(always)]
pub(crate) fn atanh_f32<const FMA: bool>(x: f32) -> f32 {
    let a = f64::from(x.abs());
    let (e, s) = octaves::<FMA>(a);
    let series = [
        1.000_000_000_000_194_5,
        0.333_333_333_091_899_33,
        0.200_000_048_877_624_54,
        0.142_853_441_972_256_05,
        0.111_243_909_936_197_45,
        0.088_486_730_970_927_13,
        0.098_296_674_459_128_26,
    ];
    let y = fma::<FMA, f64>(s, poly::<FMA, f64, _>(s * s, series), e * (LN_2 / 2.0));
    let y = if a == 1.0 { f64::INFINITY } else { y };
    ((if a <= 1.0 { y } else { f64::NAN }) as f32).copysign(x)
}

/// [`parts`] in `f64`, with `cosh r - 1` and halves of the powers, which do not overflow.
#[inline(always)]
fn parts_f64<const FMA: bool>(x: f64) -> [f64; 4] {
    // Beyond the bound it is infinite.
    let a = bound(x.abs(), 0.0, 710.5);
    // Rounded up from 0.78 on: sinh r is added to more than it.
    let shifted = fma::<FMA, f64>(a, LOG2_E, -0.28) + ROUND;
    let n = shifted - ROUND;
    let r = fma::<FMA, f64>(n, -1.908_214_929_270_587_7e-10, fma::<FMA, f64>(n, -6.931_471_803_691_238e-1, a));
    let z = r * r;
    let odd = poly::<FMA, f64, _>(
        z,
        [
            0.166_666_666_666_666_66,
            0.008_333_333_333_333_415,
            0.000_198_412_698_409_665_17,
            2.755_731_963_709_478_3e-6,
            2.505_185_418_047_498_2e-8,
            1.613_110_038_921_720_4e-10,
        ],
    );
    let even = poly::<FMA, f64, _>(
        z,
        [
            0.5,
            0.041_666_666_666_667_886,
            0.001_388_888_888_843_480_8,
            2.480_158_792_051_999_2e-5,
            2.755_693_813_353_214e-7,
            2.098_482_673_015_522e-9,
        ],
    );
    // 2^(n - 2) is a finite number for all n, and 2^(-n - 2) does not count beside it in the end.
    let power = |exponent: u64| f64::from_bits(exponent << 52);
    let up = power(shifted.to_bits().wrapping_sub(2));
    let down = if n < 60.0 { power((2 * 1023u64 - 2).wrapping_sub(shifted.to_bits())) } else { 0.0 };
    [fma::<FMA, f64>(z * r, odd, r), z * even, up + down, up - down]
}

#[inline(always)]
pub(crate) fn sinh_f64<const FMA: bool>(x: f64) -> f64 {
    let [sinh, cosh, sum, difference] = parts_f64::<FMA>(x);
    let y = 2.0 * (difference + fma::<FMA, f64>(cosh, difference, sinh * sum));
    // Half of the smallest numbers is not exact.
    (if x.abs() < 1e-10 { x } else { y }).copysign(x)
}

#[inline(always)]
pub(crate) fn cosh_f64<const FMA: bool>(x: f64) -> f64 {
    let [sinh, cosh, sum, difference] = parts_f64::<FMA>(x);
    2.0 * (sum + fma::<FMA, f64>(cosh, sum, sinh * difference))
}

#[inline(always)]
pub(crate) fn asinh_f64<const FMA: bool>(x: f64) -> f64 {
    let a = x.abs();
    // Beyond, the square is all of the sum, and overflows in the end.
    let large = a > 1e18;
    let z = a * a;
    let y = double::ln_1p::<FMA>(if large { a } else { a + z / (1.0 + (z + 1.0).sqrt()) });
    (if large { y + LN_2 } else { y }).copysign(x)
}

#[inline(always)]
pub(crate) fn acosh_f64<const FMA: bool>(x: f64) -> f64 {
    let d = x - 1.0;
    let large = x > 1e18;
    let y = double::ln_1p::<FMA>(if large { x } else { d + (d * (d + 2.0)).sqrt() });
    let y = if large { y + LN_2 } else { y };
    if x >= 1.0 { y } else { f64::NAN }
}

/// Inverse hyperbolic tangent.
#[inline(always)]
pub(crate) fn atanh_f64<const FMA: bool>(x: f64) -> f64 {
    let a = x.abs();
    let (e, s) = octaves::<FMA>(a);
    let z = s * s;
    let series = poly::<FMA, f64, _>(
        z,
        [
            0.333_333_333_333_333_3,
            0.200_000_000_000_002_73,
            0.142_857_142_856_002_82,
            0.111_111_111_296_283_87,
            0.090_909_075_662_404_18,
            0.076_923_796_126_111_98,
            0.066_646_096_069_992_04,
            0.059_185_166_468_564_775,
            0.048_841_949_747_595_72,
            0.068_855_869_198_795_95,
        ],
    );
    let rest = fma::<FMA, f64>(z * s, series, e * (0.5 * 1.908_214_929_270_587_7e-10));
    let y = fma::<FMA, f64>(e, 0.5 * 6.931_471_803_691_238e-1, s) + rest;
    let y = if a == 1.0 { f64::INFINITY } else { y };
    (if a <= 1.0 { y } else { f64::NAN }).copysign(x)
}
