//! Sine and cosine.

use super::poly;
use crate::cpu::simd::fma;

/// `x = n π/2 + r`, in `f64` so that no digits cancel up to [`TURN_LIMIT`]; `n` modulo 4 and `r`.
#[inline(always)]
fn turn<const FMA: bool>(x: f32) -> (u64, f64) {
    const ROUND: f64 = 1.5 * (1u64 << 52) as f64;
    let x = x as f64;
    let shifted = fma::<FMA, f64>(x, std::f64::consts::FRAC_2_PI, ROUND);
    let n = shifted - ROUND;
    // π/2 in a part of 33 bits, so that n times it is exact, and the rest.
    let r = fma::<FMA, f64>(n, -6.077_100_506_506_192e-11, fma::<FMA, f64>(n, -1.570_796_326_734_125_6, x));
    (shifted.to_bits(), r)
}

/// Beyond this magnitude [`sin_f32`] and [`cos_f32`] must not be used.
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
