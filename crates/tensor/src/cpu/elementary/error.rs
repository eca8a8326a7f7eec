//! The error function and GELU.

use super::power::exp2_wide;
use super::{bound, exponential::single, poly};
use std::f64::consts::LOG2_E;

/// The error function: a polynomial in `x²` up to 1, `1 - e^poly(x)` beyond (Chebyshev fits of `erf(√z)/√z` on `[0, 1]`
/// and of `ln erfc` on `[0.9, 4]`).
#[inline(always)]
pub(crate) fn erf_f32<const FMA: bool>(x: f32) -> f32 {
    let a = bound(x.abs(), 0.0, 4.0);
    let inner = a * poly::<FMA, f32, _>(
        a * a,
        [
            std::f32::consts::FRAC_2_SQRT_PI,
            -0.376_126_27,
            0.112_835_95,
            -0.026_854_212,
            0.005_189_087_4,
            -0.000_801_686_43,
            7.875_875e-5,
        ],
    );
    let power = poly::<FMA, f32, _>(
        a,
        [
            0.000_318_539_66,
            -1.130_231,
            -0.631_823_9,
            -0.110_087_17,
            0.026_427_638,
            -0.004_762_626,
            0.000_597_585_8,
            -4.616_386e-5,
            1.643_063_7e-6,
        ],
    );
    let outer = 1.0 - single::exp::<FMA>(power);
    (if a < 1.0 { inner } else { outer }).copysign(x)
}

/// `x Φ(x)` with the normal distribution function Φ, to an absolute error of 1e-7 and a unit of the last place of `x`:
/// `2^poly(a)` is `Φ(-a)` up to where it is below the last bit of 1 (a fit of its logarithm, weighted so that the largest
/// error of the product is smallest).
#[inline(always)]
pub(crate) fn gelu_f32<const FMA: bool>(x: f32) -> f32 {
    /// Added and taken away again, it rounds to a whole number, which the last bits of the sum hold.
    const ROUND: f32 = 1.5 * (1 << 23) as f32;
    let a = x.abs();
    let power = poly::<FMA, f32, _>(
        a,
        [
            -0.999_999_6,
            -1.151_113_2,
            -0.459_163_13,
            -0.052_609_514,
            0.007_210_718_5,
            -0.000_242_450_8,
            -0.000_144_388_57,
            3.084_882_3e-5,
            -2.138_470_4e-6,
        ],
    );
    // The exponential by itself would also guard against powers that do not occur here.
    let shifted = power + ROUND;
    let fraction = power - (shifted - ROUND);
    let mantissa = poly::<FMA, f32, _>(
        fraction,
        [1.000_000_1, 0.693_146_94, 0.240_221_2, 0.055_507_135, 0.009_675_541, 0.001_327_646_7],
    );
    let tail = f32::from_bits(mantissa.to_bits().wrapping_add(shifted.to_bits() << 23));
    let tail = if a < 5.6 { tail } else { 0.0 };
    x * if x < 0.0 { tail } else { 1.0 - tail }
}

/// `1 - erf(x)`, in `f64` up to the result: `e^(-a²) p(t) / (a + 3)` with `t = (a - 3) / (a + 3)`.
#[inline(always)]
pub(crate) fn erfc_f32<const FMA: bool>(x: f32) -> f32 {
    // Beyond the bound it is 0.
    let a = bound(f64::from(x.abs()), 0.0, 10.3);
    let inverse = 1.0 / (a + 3.0);
    let series = poly::<FMA, f64, _>(
        (a - 3.0) * inverse,
        [
            1.074_006_907_085_133_5,
            -0.883_394_453_883_768_4,
            0.590_228_358_047_462_7,
            -0.310_467_223_913_519_6,
            0.119_527_743_039_490_42,
            -0.026_827_814_593_190_166,
            -0.001_212_480_523_402_324_5,
            0.003_037_781_620_180_983,
            -0.000_546_051_971_131_116_5,
            -0.000_287_257_361_109_058_5,
            9.630_575_951_037_57e-5,
            3.975_031_173_669_120_7e-5,
        ],
    );
    let y = exp2_wide::<FMA>(a * a * -LOG2_E) * (series * inverse);
    (if x < 0.0 { 2.0 - y } else { y }) as f32
}
