//! Sine, cosine and tangent.

use super::poly;
use crate::cpu::simd::fma;
use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

/// `x = n π/2 + r`, in `f64` so that no digits cancel up to [`TURN_LIMIT`]; `n` modulo 4 and `r`.
#[inline(always)]
fn turn<const FMA: bool>(x: f32) -> (u64, f64) {
    const ROUND: f64 = 1.5 * (1u64 << 52) as f64;
    let x = x as f64;
    let shifted = fma::<FMA, f64>(x, FRAC_2_PI, ROUND);
    let n = shifted - ROUND;
    // π/2 in a part of 33 bits, so that n times it is exact, and the rest.
    let r = fma::<FMA, f64>(n, -6.077_100_506_506_192e-11, fma::<FMA, f64>(n, -1.570_796_326_734_125_6, x));
    (shifted.to_bits(), r)
}

/// Beyond this magnitude the functions of this file must not be used.
pub(crate) const TURN_LIMIT: f64 = 1e6;

/// `sin(r + n π/2)` for `|r| <= π/4`.
#[inline(always)]
fn wave<const FMA: bool>(n: u32, r: f32) -> f32 {
    let z = r * r;
    let sin = fma::<FMA, f32>(r * z, poly::<FMA, f32, _>(z, [-1.666_665_5e-1, 8.332_161e-3, -1.951_529_6e-4]), r);
    let cos = poly::<FMA, f32, _>(z, [1.0, -0.5, 4.166_664_6e-2, -1.388_731_6e-3, 2.443_315_7e-5]);
    let y = if n & 1 == 0 { sin } else { cos };
    f32::from_bits(y.to_bits() ^ ((n & 2) << 30))
}

#[inline(always)]
pub(crate) fn sin_f32<const FMA: bool>(x: f32) -> f32 {
    let (n, r) = turn::<FMA>(x);
    // Keeps the sign of zero.
    if x == 0.0 { x } else { wave::<FMA>(n as u32, r as f32) }
}

#[inline(always)]
pub(crate) fn cos_f32<const FMA: bool>(x: f32) -> f32 {
    let (n, r) = turn::<FMA>(x);
    wave::<FMA>((n as u32).wrapping_add(1), r as f32)
}

/// Tangent, in `f64` up to the result.
#[inline(always)]
pub(crate) fn tan_f32<const FMA: bool>(x: f32) -> f32 {
    let (n, r) = turn::<FMA>(x);
    let z = r * r;
    let sin = r * poly::<FMA, f64, _>(
        z,
        [
            0.999_999_999_995_427_4,
            -0.166_666_666_303_003_2,
            0.008_333_328_676_160_394,
            -0.000_198_391_741_644_893_82,
            2.717_114_282_986_127_8e-6,
        ],
    );
    let cos = poly::<FMA, f64, _>(
        z,
        [
            0.999_999_999_943_647_2,
            -0.499_999_995_697_950_56,
            0.041_666_613_069_613_07,
            -0.001_388_652_434_713_362_5,
            2.437_224_538_911_339_4e-5,
        ],
    );
    let even = n & 1 == 0;
    let y = if even { sin } else { -cos } / if even { cos } else { sin };
    // Keeps the sign of zero.
    if x == 0.0 { x } else { y as f32 }
}

/// `x = n π/2 + r`, up to [`TURN_LIMIT`]: `n` modulo 4, `r`, and what rounding took from it.
#[inline(always)]
fn turn_f64<const FMA: bool>(x: f64) -> (u64, f64, f64) {
    const ROUND: f64 = 1.5 * (1u64 << 52) as f64;
    let shifted = fma::<FMA, f64>(x, FRAC_2_PI, ROUND);
    let n = shifted - ROUND;
    // The first difference is exact in both ways: its digits begin below π/4 and end with those of x or of the part of π/2.
    if FMA {
        let first = n.mul_add(-FRAC_PI_2, x);
        let r = n.mul_add(-6.123_233_995_736_766e-17, first);
        let lost = n.mul_add(-6.123_233_995_736_766e-17, first - r);
        return (shifted.to_bits(), r, n.mul_add(1.497_384_904_859_183_3e-33, lost));
    }
    // fdlibm's parts of 33 bits, so that products are exact.
    let first = x - n * 1.570_796_326_734_125_6;
    let product = n * 6.077_100_506_303_966e-11;
    let second = first - product;
    let rest = ((first - second) - product) - n * 2.022_266_248_711_166_5e-21;
    let r = second + rest;
    (shifted.to_bits(), r, ((second - r) + rest) - n * 8.478_427_660_368_899e-32)
}

/// Sine and cosine of `r + lost` for `|r| <= π/4`, each in two parts, of which the second is below a quarter of the first.
#[inline(always)]
fn waves<const FMA: bool>(r: f64, lost: f64) -> [(f64, f64); 2] {
    let z = r * r;
    let half = 0.5 * z;
    let sin = poly::<FMA, f64, _>(
        z,
        [
            -0.166_666_666_666_666_66,
            0.008_333_333_333_330_913,
            -0.000_198_412_698_367_097_2,
            2.755_731_607_923_558e-6,
            -2.505_112_731_392_035_8e-8,
            1.591_782_178_804_798_5e-10,
        ],
    );
    let sin = fma::<FMA, f64>(z * r, sin, fma::<FMA, f64>(-half, lost, lost));
    let cos = poly::<FMA, f64, _>(
        z,
        [
            0.041_666_666_666_666_664,
            -0.001_388_888_888_888_738,
            2.480_158_729_874_190_8e-5,
            -2.755_731_726_020_998_6e-7,
            2.087_614_400_047_819_5e-9,
            -1.138_247_671_587_692_4e-11,
        ],
    );
    let near = 1.0 - half;
    let cos = ((1.0 - near) - half) + fma::<FMA, f64>(z * z, cos, -r * lost);
    [(r, sin), (near, cos)]
}

/// `sin(x + n π/2)`.
#[inline(always)]
fn wave_f64<const FMA: bool>(x: f64, ahead: u64) -> f64 {
    let (n, r, lost) = turn_f64::<FMA>(x);
    let n = n.wrapping_add(ahead);
    let [sin, cos] = waves::<FMA>(r, lost);
    let y = if n & 1 == 0 { sin.0 + sin.1 } else { cos.0 + cos.1 };
    f64::from_bits(y.to_bits() ^ ((n & 2) << 62))
}

#[inline(always)]
pub(crate) fn sin_f64<const FMA: bool>(x: f64) -> f64 {
    // Keeps the sign of zero.
    if x == 0.0 { x } else { wave_f64::<FMA>(x, 0) }
}

#[inline(always)]
pub(crate) fn cos_f64<const FMA: bool>(x: f64) -> f64 {
    wave_f64::<FMA>(x, 1)
}

#[inline(always)]
pub(crate) fn tan_f64<const FMA: bool>(x: f64) -> f64 {
    let (n, r, lost) = turn_f64::<FMA>(x);
    let [sin, cos] = waves::<FMA>(r, lost).map(|(first, second)| {
        let sum = first + second;
        (sum, (first - sum) + second)
    });
    let even = n & 1 == 0;
    let (above, above_lost) = if even { sin } else { (-cos.0, -cos.1) };
    let (below, below_lost) = if even { cos } else { sin };
    let y = above / below;
    let rest = fma::<FMA, f64>(-y, below_lost, above_lost);
    // What division took is known where products are.
    let rest = if FMA { y.mul_add(-below, above) + rest } else { rest };
    let y = y + rest / below;
    if x == 0.0 { x } else { y }
}
