//! Powers.
//!
//! Functions of `f32` that need more digits than it has compute in `f64`, to about 1e-11: the result is then the nearest `f32`
//! but in one case of several hundred, and costs two vectors instead of one, less than carrying rests along.

use super::{bound, poly};
use crate::cpu::simd::fma;

/// Adding it rounds to a whole number `n`, and leaves the exponent of `2^n` in the low bits.
pub(super) const ROUND: f64 = 1.5 * (1u64 << 52) as f64 + 1023.0;

/// `2^t` for `t` within ±1000, to 4e-11; NaN passes.
#[inline(always)]
pub(super) fn exp2_wide<const FMA: bool>(t: f64) -> f64 {
    let shifted = t + ROUND;
    let r = t - (shifted - ROUND);
    let power = poly::<FMA, f64, _>(
        r,
        [
            0.999_999_999_961_681_5,
            0.693_147_180_728_447,
            0.240_226_511_981_588_7,
            0.055_504_103_534_496_73,
            0.009_618_027_253_517_68,
            0.001_333_392_256_128_011_2,
            0.000_154_692_911_866_864_4,
            1.520_192_224_872_053_1e-5,
        ],
    );
    power * f64::from_bits(shifted.to_bits() << 52)
}

/// `e` and `1 + f` of `x = 2^e (1 + f)`, `1 + f` in `[√½, √2)`, for positive normal `x`.
#[inline(always)]
fn split(x: f64) -> (f64, f64) {
    const ROOT: u64 = std::f64::consts::FRAC_1_SQRT_2.to_bits();
    const WHOLE: f64 = (1u64 << 52) as f64;
    let bits = x.to_bits().wrapping_add(1f64.to_bits() - ROOT);
    // As the mantissa of a number from 2^52 on: all instruction sets have that, but not the conversion of 64-bit integers.
    let e = f64::from_bits(WHOLE.to_bits() | (bits >> 52)) - (WHOLE + 1023.0);
    (e, f64::from_bits((bits & ((1 << 52) - 1)) + ROOT))
}

/// `log₂ x` to a relative error of 4e-12, for positive normal `x`.
#[inline(always)]
pub(super) fn log2_wide<const FMA: bool>(x: f64) -> f64 {
    let (e, m) = split(x);
    let s = (m - 1.0) / (m + 1.0);
    // 2 atanh(s) / ln 2
    let series = [
        2.885_390_081_790_08,
        0.961_796_673_350_07,
        0.577_083_583_268_89,
        0.411_672_826_911_497_5,
        0.340_728_008_151_542_64,
    ];
    fma::<FMA, f64>(s, poly::<FMA, f64, _>(s * s, series), e)
}

/// `x^y` in C's special cases, which are PyTorch's.
#[inline(always)]
pub(crate) fn pow_f32<const FMA: bool>(x: f32, y: f32) -> f32 {
    let (x, y) = (f64::from(x), f64::from(y));
    let (a, b) = (x.abs(), y.abs());
    let log = log2_wide::<FMA>(a);
    let log = if a == 0.0 { f64::NEG_INFINITY } else { log };
    // An infinity or NaN is its own.
    let log = if a < f64::INFINITY { log } else { a };
    // Also where -1 is raised to an infinity.
    let t = if a == 1.0 && b == f64::INFINITY { 0.0 } else { y * log };
    let power = exp2_wide::<FMA>(bound(t, -200.0, 200.0));

    // Rounds to a whole number, whose last bit says whether it is odd; all of f32 from 2^24 on are even.
    const WHOLE: f64 = (1u64 << 52) as f64;
    let shifted = b + WHOLE;
    let large = b >= (1 << 24) as f64;
    let odd = if large { 0 } else { shifted.to_bits() << 63 };
    let whole = shifted - WHOLE == b || large;
    let power = f64::from_bits(power.to_bits() ^ if x.is_sign_negative() && whole { odd } else { 0 });
    let power = if x < 0.0 && a < f64::INFINITY && !whole { f64::NAN } else { power };
    (if x == 1.0 || y == 0.0 { 1.0 } else { power }) as f32
}
