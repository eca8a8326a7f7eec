//! The error function and GELU.

use super::exponential::{double, single};
use super::power::exp2_wide;
use super::{bound, poly};
use crate::cpu::simd::fma;
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

/// `erf a / a - 1` for `a² <= 1`.
#[inline(always)]
fn erf_near<const FMA: bool>(z: f64) -> f64 {
    poly::<FMA, f64, _>(
        z,
        [
            0.128_379_167_095_512_57,
            -0.376_126_389_031_835_2,
            0.112_837_916_709_441_85,
            -0.026_866_170_643_111_406,
            0.005_223_977_606_117_845,
            -0.000_854_832_592_928_724_2,
            0.000_120_552_935_762_596_2,
            -1.492_471_229_334_333_1e-5,
            1.644_713_150_631_154_7e-6,
            -1.620_631_353_997_355_7e-7,
            1.371_098_045_722_452_5e-8,
            -7.779_470_111_648_537e-10,
        ],
    )
}

/// The error function: a polynomial in `x²` up to 1, `1 - e^poly(x)` beyond, a fit of `ln erfc` whose error weighs as `erfc`.
#[inline(always)]
pub(crate) fn erf_f64<const FMA: bool>(x: f64) -> f64 {
    // Beyond the bound it is 1 to the last bit.
    let a = bound(x.abs(), 0.0, 5.95);
    let power = poly::<FMA, f64, _>(
        a,
        [
            -1.815_463_391_720_961e-7,
            -1.128_377_261_432_766_7,
            -0.636_629_040_341_968_8,
            -0.102_744_958_652_272_97,
            0.019_072_118_125_630_002,
            0.000_291_568_850_888_845_9,
            -0.001_783_955_750_291_918_7,
            0.000_656_500_961_594_470_1,
            -5.698_924_089_599_405e-5,
            -6.280_256_027_765_366e-5,
            4.133_552_942_795_083e-5,
            -1.508_845_563_243_180_9e-5,
            3.897_728_696_543_163e-6,
            -7.507_085_399_055_497e-7,
            1.081_405_839_566_582_3e-7,
            -1.137_112_490_929_645_6e-8,
            8.264_040_022_995_305e-10,
            -3.714_152_132_556_556_4e-11,
            7.779_007_941_585_934e-13,
        ],
    );
    let outer = 1.0 - double::exp_normal::<FMA>(power);
    (if a < 1.0 { fma::<FMA, f64>(a, erf_near::<FMA>(a * a), a) } else { outer }).copysign(x)
}

/// `x (1 + erf(x / √2)) / 2`.
#[inline(always)]
pub(crate) fn gelu_f64<const FMA: bool>(x: f64) -> f64 {
    x * 0.5 * (1.0 + erf_f64::<FMA>(x * std::f64::consts::FRAC_1_SQRT_2))
}

/// `1 - erf(x)`: by [`erf_near`] up to 1/2, beyond `e^(-a²) p(t) / (a + 4)` with `t = (a - 4) / (a + 4)`.
#[inline(always)]
pub(crate) fn erfc_f64<const FMA: bool>(x: f64) -> f64 {
    // Beyond the bound it is 0.
    let a = bound(x.abs(), 0.0, 27.5);
    let sum = a + 4.0;
    let series = poly::<FMA, f64, _>(
        (a - 4.0) / sum,
        [
            1.095_995_661_000_491,
            -0.976_548_729_080_882_1,
            0.773_208_702_265_236_7,
            -0.540_853_831_313_224_7,
            0.330_851_587_878_029_4,
            -0.174_010_937_240_295_54,
            0.076_381_514_909_014_96,
            -0.026_370_053_334_570_32,
            0.006_112_055_658_305_378,
            -0.000_280_958_915_813_409,
            -0.000_455_052_698_900_797_43,
            0.000_176_813_083_112_675_46,
            -3.635_109_785_692_914_4e-6,
            -1.886_175_948_399_797_8e-5,
            4.694_235_632_698_578e-6,
            1.426_006_551_050_236_2e-6,
            -8.458_769_434_671_102e-7,
            -7.781_688_897_968_71e-8,
            1.238_569_310_194_746_5e-7,
            2.452_384_784_196_817_4e-9,
            -1.539_610_126_458_928_3e-8,
            -3.195_576_697_255_01e-10,
            1.039_421_761_995_384_1e-9,
        ],
    );
    // The square, whose last digits count in the exponential.
    let z = a * a;
    let lost = if FMA {
        a.mul_add(a, -z)
    } else {
        let high = f64::from_bits(a.to_bits() & (!0 << 27));
        (high * high - z) + (a - high) * (a + high)
    };
    let factor = series / sum;
    // What division and the sum took.
    let sum_lost = if a > 4.0 { (a - sum) + 4.0 } else { (4.0 - sum) + a };
    let more = -factor * sum_lost;
    let more = if FMA { factor.mul_add(-sum, series) + more } else { more };
    let far = double::times_exp::<FMA>(factor, more / sum, -z, -lost);
    let near = fma::<FMA, f64>(x, erf_near::<FMA>(x * x), x);
    if a < 0.5 {
        1.0 - near
    } else if x < 0.0 {
        2.0 - far
    } else {
        far
    }
}
