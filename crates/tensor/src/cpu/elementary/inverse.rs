//! Inverse trigonometric functions. `f32` computes in `f64`, as powers do.

use super::{bound, poly};
use crate::cpu::simd::fma;

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

/// `atan t` for `0 <= t <= 1`, to 6e-11.
#[inline(always)]
fn arc<const FMA: bool>(t: f64) -> f64 {
    t * poly::<FMA, f64, _>(
        t * t,
        [
            0.999_999_999_941_238,
            -0.333_333_315_712_119_1,
            0.199_999_120_512_317_39,
            -0.142_839_807_580_367_5,
            0.110_932_412_664_965_2,
            -0.089_802_391_976_903_03,
            0.072_457_187_159_280_69,
            -0.054_279_116_234_491_64,
            0.034_209_619_370_624_04,
            -0.016_111_688_704_716_506,
            0.004_850_936_918_538_333,
            -0.000_684_793_007_056_249_3,
        ],
    )
}

#[inline(always)]
pub(crate) fn atan_f32<const FMA: bool>(x: f32) -> f32 {
    let a = f64::from(x.abs());
    let steep = a > 1.0;
    let y = arc::<FMA>(if steep { 1.0 / a } else { a });
    ((if steep { FRAC_PI_2 - y } else { y }) as f32).copysign(x)
}

/// The angle of the point `(x, y)`.
#[inline(always)]
pub(crate) fn atan2_f32<const FMA: bool>(y: f32, x: f32) -> f32 {
    let (a, b) = (f64::from(y.abs()), f64::from(x.abs()));
    let steep = a > b;
    let (above, below) = if steep { (b, a) } else { (a, b) };
    let t = above / below;
    // Also of two infinities and two zeros.
    let t = if a == b { if a == 0.0 { 0.0 } else { 1.0 } } else { t };
    let y0 = arc::<FMA>(t);
    let y1 = if steep { FRAC_PI_2 - y0 } else { y0 };
    ((if x.is_sign_negative() { PI - y1 } else { y1 }) as f32).copysign(y)
}

/// `asin √z / √z` for `z <= 1/4`, to 2e-11.
#[inline(always)]
fn arc_sine<const FMA: bool>(z: f64) -> f64 {
    poly::<FMA, f64, _>(
        z,
        [
            0.999_999_999_984_903_2,
            0.166_666_674_216_762_46,
            0.074_999_381_984_630_35,
            0.044_662_035_685_189_04,
            0.030_092_207_653_818_485,
            0.024_711_552_241_056_232,
            0.007_223_800_477_310_229,
            0.034_951_586_243_869_744,
        ],
    )
}

/// The half or the whole of an angle whose sine or, beyond 1/2, cosine is `a`; NaN beyond 1.
#[inline(always)]
fn halved<const FMA: bool>(a: f64) -> f64 {
    // asin a = π/2 - 2 asin √((1 - a)/2)
    let half = (1.0 - a) * 0.5;
    let z = if a > 0.5 { half } else { a * a };
    let s = if a > 0.5 { half.sqrt() } else { a };
    s * arc_sine::<FMA>(z)
}

#[inline(always)]
pub(crate) fn asin_f32<const FMA: bool>(x: f32) -> f32 {
    let a = f64::from(x.abs());
    let y = halved::<FMA>(a);
    ((if a > 0.5 { FRAC_PI_2 - 2.0 * y } else { y }) as f32).copysign(x)
}

#[inline(always)]
pub(crate) fn acos_f32<const FMA: bool>(x: f32) -> f32 {
    let a = f64::from(x.abs());
    let y = halved::<FMA>(a);
    let inner = if x < 0.0 { FRAC_PI_2 + y } else { FRAC_PI_2 - y };
    let outer = if x < 0.0 { PI - 2.0 * y } else { 2.0 * y };
    (if a > 0.5 { outer } else { inner }) as f32
}

/// What is lost of π/2 and π as `f64`.
const FRAC_PI_2_LOST: f64 = 6.123_233_995_736_766e-17;

/// `arctan(y / x)` of what is not negative, as `sum` and what rounding took from it, with `x` turned over if `left`:
/// `k π/4 ± arctan t` for `|t| <= 1/2`.
#[inline(always)]
fn arc_f64<const FMA: bool>(y: f64, x: f64, left: bool) -> f64 {
    let flat = 2.0 * y < x;
    let steep = y > 2.0 * x;
    let above = if steep { -x } else { y - x };
    let above = if flat { y } else { above };
    let (wide, wide_lost) = {
        let sum = y + x;
        let larger = if y > x { y } else { x };
        let smaller = if y > x { x } else { y };
        (sum, (larger - sum) + smaller)
    };
    let below = if steep { y } else { wide };
    let below = if flat { x } else { below };
    let t = above / below;
    // What division and the sum took is known where products are.
    let lost = if FMA {
        let below_lost = if flat || steep { 0.0 } else { wide_lost };
        t.mul_add(-below_lost, t.mul_add(-below, above)) / below
    } else {
        0.0
    };
    let z = t * t;
    let curve = poly::<FMA, f64, _>(
        z,
        [
            -0.333_333_333_333_333_3,
            0.199_999_999_999_995_02,
            -0.142_857_142_856_015_97,
            0.111_111_111_010_931_63,
            -0.090_909_086_269_595_36,
            0.076_922_948_604_817_66,
            -0.066_664_377_686_664_29,
            0.058_795_978_989_697_635,
            -0.052_402_204_431_230_4,
            0.046_285_211_204_773_98,
            -0.038_079_451_925_672_57,
            0.025_025_813_808_583_163,
            -0.009_228_423_762_944_013,
        ],
    );
    let rest = fma::<FMA, f64>(z * t, curve, lost);
    // π/4, and halves of what it lost.
    let quarters = if steep { 2.0 } else { 1.0 };
    let quarters = if flat { 0.0 } else { quarters };
    let (quarters, t, rest) = if left { (4.0 - quarters, -t, -rest) } else { (quarters, t, rest) };
    let base = quarters * FRAC_PI_4;
    let sum = base + t;
    sum + (((base - sum) + t) + fma::<FMA, f64>(quarters, 0.5 * FRAC_PI_2_LOST, rest))
}

#[inline(always)]
pub(crate) fn atan_f64<const FMA: bool>(x: f64) -> f64 {
    // Beyond the bound it is π/2.
    arc_f64::<FMA>(bound(x.abs(), 0.0, 1e20), 1.0, false).copysign(x)
}

/// The angle of the point `(x, y)`.
#[inline(always)]
pub(crate) fn atan2_f64<const FMA: bool>(y: f64, x: f64) -> f64 {
    let (a, b) = (y.abs(), x.abs());
    let larger = if a > b { a } else { b };
    // Sums that overflow and quotients that lose digits.
    let scale = if larger > 1e300 { 1e-30 } else { 1.0 };
    let scale = if larger < 1e-250 { 1e250 } else { scale };
    // Of infinities only the number counts, and of two zeros the second's sign.
    let infinite = larger == f64::INFINITY;
    let counted = |x: f64| if x == f64::INFINITY { 1.0 } else { x * 0.0 };
    let (above, below) = if infinite { (counted(a), counted(b)) } else { (a * scale, b * scale) };
    let below = if a == 0.0 && b == 0.0 { 1.0 } else { below };
    arc_f64::<FMA>(above, below, x.is_sign_negative()).copysign(y)
}

/// An angle `s + rest` whose sine is `a` up to 1/2, half of the angle whose cosine it is beyond; NaN beyond 1.
#[inline(always)]
fn halved_f64<const FMA: bool>(a: f64) -> (f64, f64) {
    let large = a > 0.5;
    let half = (1.0 - a) * 0.5;
    let z = if large { half } else { a * a };
    let s = if large { half.sqrt() } else { a };
    // What the root lost.
    let lost = if FMA {
        s.mul_add(-s, half)
    } else {
        let high = f64::from_bits(s.to_bits() & (!0 << 27));
        (half - high * high) - (s - high) * (s + high)
    };
    let lost = if large && s > 0.0 { lost * 0.5 / s } else { 0.0 };
    let curve = poly::<FMA, f64, _>(
        z,
        [
            0.166_666_666_666_666_69,
            0.074_999_999_999_983_37,
            0.044_642_857_146_541_01,
            0.030_381_944_124_554_8,
            0.022_372_173_485_280_193,
            0.017_352_380_280_992_664,
            0.013_971_393_436_442_964,
            0.011_477_455_339_595_318,
            0.010_333_769_979_776_294,
            0.005_411_494_024_235_969,
            0.017_523_379_397_993_637,
            -0.015_039_171_674_951_106,
            0.028_883_084_824_017_9,
        ],
    );
    (s, fma::<FMA, f64>(z * s, curve, lost))
}

#[inline(always)]
pub(crate) fn asin_f64<const FMA: bool>(x: f64) -> f64 {
    let a = x.abs();
    let (s, rest) = halved_f64::<FMA>(a);
    let base = FRAC_PI_2 - 2.0 * s;
    let far = base + (((FRAC_PI_2 - base) - 2.0 * s) + (FRAC_PI_2_LOST - 2.0 * rest));
    (if a > 0.5 { far } else { s + rest }).copysign(x)
}

#[inline(always)]
pub(crate) fn acos_f64<const FMA: bool>(x: f64) -> f64 {
    let a = x.abs();
    let (s, rest) = halved_f64::<FMA>(a);
    // π/2 ∓ asin a, or from π twice what is halved.
    let large = a > 0.5;
    let base = if large { PI } else { FRAC_PI_2 };
    let base_lost = if large { 2.0 * FRAC_PI_2_LOST } else { FRAC_PI_2_LOST };
    let (s, rest) = if large { (2.0 * s, 2.0 * rest) } else { (s, rest) };
    let (step, step_rest) = if large || x > 0.0 { (-s, -rest) } else { (s, rest) };
    let sum = base + step;
    let far = sum + (((base - sum) + step) + (base_lost + step_rest));
    if large && x > 0.0 { s + rest } else { far }
}
