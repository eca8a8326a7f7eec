//! Powers.
//!
//! Functions of `f32` that need more digits than it has compute in `f64`, to about 1e-11: the result is then the nearest `f32`
//! but in one case of several hundred, and costs two vectors instead of one, less than carrying rests along.

use super::{bound, exponential::double, poly};
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
    const EVEN: f64 = (1u64 << 24) as f64;
    let b = if b > EVEN { EVEN } else { b };
    let shifted = b + WHOLE;
    finish(x, y, power, shifted - WHOLE == b, shifted.to_bits() << 63) as f32
}

/// `x^y` from that of the magnitudes; whether `y` is a whole number, and its oddness as a sign's bit.
#[inline(always)]
fn finish(x: f64, y: f64, power: f64, whole: bool, odd: u64) -> f64 {
    let sign = if x.is_sign_negative() & whole { odd } else { 0 };
    let power = f64::from_bits(power.to_bits() ^ sign);
    let power = if (x < 0.0) & (x > f64::NEG_INFINITY) & !whole { f64::NAN } else { power };
    if (x == 1.0) | (y == 0.0) { 1.0 } else { power }
}

/// [`log2_wide`] with a rest: to a relative error of 2^-64, for positive `x`. `FMA` only.
#[inline(always)]
fn log2_twofold(x: f64) -> (f64, f64) {
    // 2/ln 2 and 2/(3 ln 2), with what they lose.
    const FIRST: [f64; 2] = [2.885_390_081_777_926_8, 4.071_054_748_186_206_6e-17];
    const SECOND: [f64; 2] = [0.961_796_693_925_975_6, 5.057_761_664_812_590_7e-17];
    let tiny = x < f64::MIN_POSITIVE;
    let (e, m) = split(if tiny { x * (1u64 << 54) as f64 } else { x });
    let e = if tiny { e - 54.0 } else { e };
    // Each quantity is a sum of two numbers, the second what rounding took from the first.
    let below = m + 1.0;
    let inverse = 1.0 / below;
    let s = (m - 1.0) * inverse;
    let s_lost = s.mul_add(-((1.0 - below) + m), s.mul_add(-below, m - 1.0)) * inverse;
    let z = s * s;
    let z_lost = (2.0 * s).mul_add(s_lost, s.mul_add(s, -z));
    let rest = z * poly::<true, f64, _>(
        z,
        [
            0.577_078_016_355_585_3,
            0.412_198_583_111_143_9,
            0.320_598_897_967_140_25,
            0.262_308_191_471_098_2,
            0.221_952_788_299_109_6,
            0.192_380_580_282_140_42,
            0.168_884_938_998_312_4,
            0.169_133_134_837_492_8,
        ],
    );
    let inner = SECOND[0] + rest;
    let inner_lost = (SECOND[0] - inner) + rest + SECOND[1];
    let product = z * inner;
    let product_lost = z.mul_add(inner, -product) + z.mul_add(inner_lost, z_lost * inner);
    let outer = FIRST[0] + product;
    let outer_lost = (FIRST[0] - outer) + product + (product_lost + FIRST[1]);
    let log = s * outer;
    let log_lost = s.mul_add(outer, -log) + s.mul_add(outer_lost, s_lost * outer);
    let sum = e + log;
    (sum, (e - sum) + log + log_lost)
}

/// `x^y` in C's special cases, which are PyTorch's. Without products that are known, one element at a time.
#[inline(always)]
pub(crate) fn pow_f64<const FMA: bool>(x: f64, y: f64) -> f64 {
    if !FMA {
        return x.powf(y);
    }
    let (a, b) = (x.abs(), y.abs());
    let (log, log_lost) = log2_twofold(a);
    let log = if a == 0.0 { f64::NEG_INFINITY } else { log };
    // An infinity or NaN is its own.
    let log = if a < f64::INFINITY { log } else { a };
    let t = y * log;
    let lost = y.mul_add(log_lost, y.mul_add(log, -t));
    // Beyond, results are 0 or infinite.
    let lost = if t > -1100.0 && t <= 1024.0 { lost } else { 0.0 };
    // Also where -1 is raised to an infinity.
    let t = if a == 1.0 && b == f64::INFINITY { 0.0 } else { t };
    let power = double::exp2_sum::<FMA>(t, lost);
    let half = 0.5 * b;
    finish(x, y, power, b.trunc() == b, if half.trunc() == half { 0 } else { 1 << 63 })
}
