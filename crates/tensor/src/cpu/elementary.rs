//! Vectorisable `exp`, `ln`, `tanh`, `erf`, `sin` and their kin: no branches, only selects.
//!
//! Largest errors, in units of the last place, over the sweeps of this file's tests: `exp` 1, `expm1` 2, `ln` 1, `ln_1p`
//! 2, `tanh` 3 for both types; `erf` 3, `sin` and `cos` 2 (`f32` only).

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

/// Twice each coefficient.
macro_rules! twice {
    ($ty:ident $c:expr) => {{
        let mut c = $c;
        let mut k = 0;
        while k < c.len() {
            c[k] *= 2.0;
            k += 1;
        }
        c
    }};
}

/// One set of formulas for both types; `ln2` in a part short enough that small multiples are exact and a rest, the
/// coefficients of `(e^r - 1 - r) / r²` (fits whose relative error in `e^r` is a thirtieth of the last place), those for
/// `exp_below`, and of fdlibm's logarithm, and the arguments beyond which `exp` is 0, near the smallest normal number, or infinite.
///
/// In `f32` the coefficients for `exp_below` are Cephes's, one more than needed: losses of training rest on it, and some curves
/// fork on a last bit, so that it keeps those that were held against PyTorch's curves.
macro_rules! elementary {
    ($module:ident $ty:ident, bits $bits:ident $int:ident $mantissa:literal $bias:literal, ln2 $high:literal $low:literal,
     range $lowest:literal $normal:literal $highest:literal, exp $exp:expr, below $below:expr, ln $ln:expr) => {
        pub(super) mod $module {
            use super::{bound, fma, poly};

            /// Adding it rounds to a whole number `n`, and leaves the exponent of `2^(n - 1)` in the low bits.
            const ROUND: $ty = 1.5 * (1u64 << $mantissa) as $ty + ($bias - 1) as $ty;

            /// `x = n ln 2 + r`: bits for [`half_power`], and `r`.
            #[inline(always)]
            fn reduce<const FMA: bool>(x: $ty) -> ($bits, $ty) {
                let shifted = fma::<FMA, $ty>(x, std::$ty::consts::LOG2_E, ROUND);
                let n = shifted - ROUND;
                let r = fma::<FMA, $ty>(n, -$low, fma::<FMA, $ty>(n, -$high, x));
                (shifted.to_bits(), r)
            }

            /// `2^(n - 1)`, if that is a normal number.
            #[inline(always)]
            fn half_power(bits: $bits) -> $ty {
                $ty::from_bits(bits << $mantissa)
            }

            /// `e^r - 1` for `|r| <= ln(2) / 2`.
            #[inline(always)]
            fn small<const FMA: bool>(r: $ty) -> $ty {
                fma::<FMA, $ty>(r * r, poly::<FMA, $ty, _>(r, $exp), r)
            }

            /// `2 e^r` for `|r| <= ln(2) / 2`.
            #[inline(always)]
            fn twice<const FMA: bool>(r: $ty) -> $ty {
                let sum = poly::<FMA, $ty, _>(r, const { twice!($ty $exp) });
                if FMA {
                    return fma::<FMA, $ty>(fma::<FMA, $ty>(sum, r, 2.0), r, 2.0);
                }
                // Products that are rounded lose less apart from the larger terms.
                r * r * sum + (r + r) + 2.0
            }

            /// Lifts the exponents of subnormal results to those of normal numbers.
            const LIFT: $bits = 64;

            #[inline(always)]
            pub(crate) fn exp<const FMA: bool>(x: $ty) -> $ty {
                let (bits, r) = reduce::<FMA>(bound(x, $lowest, $highest));
                let tiny = x < $normal;
                let bits = if tiny { bits.wrapping_add(LIFT) } else { bits };
                let y = twice::<FMA>(r) * half_power(bits);
                if tiny { y * (1.0 / (1u128 << LIFT) as $ty) } else { y }
            }

            /// [`exp`] of what is not above 0.
            #[inline(always)]
            pub(crate) fn exp_below<const FMA: bool>(x: $ty) -> $ty {
                let (bits, r) = reduce::<FMA>(if x < $lowest { $lowest } else { x });
                let tiny = x < $normal;
                let bits = bits.wrapping_add(if tiny { LIFT + 1 } else { 1 });
                let y = (fma::<FMA, $ty>(r * r, poly::<FMA, $ty, _>(r, $below), r) + 1.0) * half_power(bits);
                if tiny { y * (1.0 / (1u128 << LIFT) as $ty) } else { y }
            }

            /// [`exp`] of what is not below the logarithm of the smallest normal number.
            #[inline(always)]
            pub(crate) fn exp_normal<const FMA: bool>(x: $ty) -> $ty {
                let (bits, r) = reduce::<FMA>(bound(x, $normal, $highest));
                twice::<FMA>(r) * half_power(bits)
            }

            #[inline(always)]
            pub(crate) fn expm1<const FMA: bool>(x: $ty) -> $ty {
                let y = half_expm1::<FMA>(bound(x, -($mantissa as $ty), $highest)) * 2.0;
                // Keeps the sign of zero.
                if x == 0.0 { x } else { y }
            }

            /// `(e^x - 1) / 2`, which the largest results do not overflow, for `x` within the bounds of [`expm1`].
            #[inline(always)]
            fn half_expm1<const FMA: bool>(x: $ty) -> $ty {
                let (bits, r) = reduce::<FMA>(x);
                let scale = half_power(bits);
                fma::<FMA, $ty>(small::<FMA>(r), scale, scale - 0.5)
            }

            /// Natural logarithm, by fdlibm's series in `f / (2 + f)` for `x = 2^e (1 + f)`, `1 + f` in `[√½, √2)`.
            #[inline(always)]
            pub(crate) fn ln<const FMA: bool>(x: $ty) -> $ty {
                let tiny = x < $ty::MIN_POSITIVE;
                let scaled = if tiny { x * (1u64 << $mantissa) as $ty } else { x };
                let root = std::$ty::consts::FRAC_1_SQRT_2.to_bits();
                let bits = scaled.to_bits().wrapping_sub(root) as $int;
                let e = (bits >> $mantissa) as i32 as $ty - if tiny { $mantissa as $ty } else { 0.0 };
                let fraction = bits as $bits & (((1 as $bits) << $mantissa) - 1);
                let f = $ty::from_bits(fraction.wrapping_add(root)) - 1.0;

                let s = f / (2.0 + f);
                let z = s * s;
                let half = 0.5 * f * f;
                let r = fma::<FMA, $ty>(z, poly::<FMA, $ty, _>(z, $ln), half);
                let y = fma::<FMA, $ty>(e, $high, f - (half - fma::<FMA, $ty>(s, r, e * $low)));
                let y = if x == $ty::INFINITY { x } else { y };
                let y = if x == 0.0 { $ty::NEG_INFINITY } else { y };
                if x >= 0.0 { y } else { $ty::NAN }
            }

            #[inline(always)]
            pub(crate) fn ln_1p<const FMA: bool>(x: $ty) -> $ty {
                let u = 1.0 + x;
                // What rounding 1 + x lost; it adds lost / u to the logarithm, to first order.
                let lost = if x > 1.0 { 1.0 - (u - x) } else { x - (u - 1.0) };
                let whole = ln::<FMA>(u);
                let y = if whole.abs() < $ty::INFINITY { whole + lost / u } else { whole };
                if u == 1.0 { x } else { y }
            }

            #[inline(always)]
            pub(crate) fn tanh<const FMA: bool>(x: $ty) -> $ty {
                // Beyond the bound the result is 1 to the last bit.
                let twice = x.abs() * 2.0;
                let half = half_expm1::<FMA>(if twice > $mantissa as $ty { $mantissa as $ty } else { twice });
                (half / (half + 1.0)).copysign(x)
            }
        }
    };
}

elementary!(single f32, bits u32 i32 23 127, ln2 6.931_381e-1 9.058_001e-6, range -104.0 -86.0 89.0,
    exp [0.499_999_94, 0.166_665_21, 4.166_848_2e-2, 8.368_672e-3, 1.380_908_4e-3],
    below [0.5, 1.666_666_5e-1, 4.166_579_6e-2, 8.333_452e-3, 1.398_199_9e-3, 1.987_569_2e-4],
    ln [0.666_666_6, 0.400_009_72, 0.284_987_87, 0.242_790_8]);
elementary!(double f64, bits u64 i64 52 1023, ln2 6.931_471_803_691_238e-1 1.908_214_929_270_587_7e-10,
range -746.0 -707.0 710.0,
exp [
    0.500_000_000_000_001_1, 0.166_666_666_666_664_24, 4.166_666_666_653_031e-2, 8.333_333_333_486_102e-3,
    1.388_888_894_360_968_5e-3, 1.984_126_952_513_869_5e-4, 2.480_149_311_778_523e-5, 2.755_756_973_116_61e-6,
    2.763_024_041_358_169e-7, 2.500_529_116_982_393e-8
],
below [
    0.500_000_000_000_001_1, 0.166_666_666_666_664_24, 4.166_666_666_653_031e-2, 8.333_333_333_486_102e-3,
    1.388_888_894_360_968_5e-3, 1.984_126_952_513_869_5e-4, 2.480_149_311_778_523e-5, 2.755_756_973_116_61e-6,
    2.763_024_041_358_169e-7, 2.500_529_116_982_393e-8
],
ln [
    6.666_666_666_666_735e-1, 3.999_999_999_940_942e-1, 2.857_142_874_366_239e-1, 2.222_219_843_214_978_4e-1,
    1.818_357_216_161_805e-1, 1.531_383_769_920_937_3e-1, 1.479_819_860_511_658_6e-1
]);

/// The error function: a polynomial in `x²` up to 1, `1 - e^poly(x)` beyond (Chebyshev fits of `erf(√z)/√z` on `[0, 1]`
/// and of `ln erfc` on `[0.9, 4]`).
#[inline(always)]
pub(super) fn erf_f32<const FMA: bool>(x: f32) -> f32 {
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
pub(super) fn gelu_f32<const FMA: bool>(x: f32) -> f32 {
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

/// `x = n π/2 + r`, in `f64` so that no digits cancel up to [`TURN_LIMIT`]; `n` modulo 4 and `r`.
#[inline(always)]
fn turn<const FMA: bool>(x: f32) -> (u32, f32) {
    const ROUND: f64 = 1.5 * (1u64 << 52) as f64;
    let x = x as f64;
    let shifted = fma::<FMA, f64>(x, std::f64::consts::FRAC_2_PI, ROUND);
    let n = shifted - ROUND;
    // π/2 in a part of 33 bits, so that n times it is exact, and the rest.
    let r = fma::<FMA, f64>(n, -6.077_100_506_506_192e-11, fma::<FMA, f64>(n, -1.570_796_326_734_125_6, x));
    (shifted.to_bits() as u32, r as f32)
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
pub(super) fn sin_f32<const FMA: bool>(x: f32) -> f32 {
    let (n, r) = turn::<FMA>(x);
    // Keeps the sign of zero.
    if x == 0.0 { x } else { wave::<FMA>(n, r) }
}

#[inline(always)]
pub(super) fn cos_f32<const FMA: bool>(x: f32) -> f32 {
    let (n, r) = turn::<FMA>(x);
    wave::<FMA>(n.wrapping_add(1), r)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distance in units of the last place of the exact value, given in the next wider precision.
    fn ulps_f32(got: f32, exact: f64) -> f64 {
        if (exact as f32).to_bits() == got.to_bits() || (got.is_nan() && exact.is_nan()) {
            return 0.0;
        }
        let unit = (exact.abs() as f32).next_up() as f64 - exact.abs() as f32 as f64;
        (got as f64 - exact).abs() / unit
    }

    fn ulps_f64(got: f64, want: f64) -> f64 {
        if got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan()) {
            return 0.0;
        }
        (got - want).abs() / (want.abs().next_up() - want.abs())
    }

    /// Arguments of all magnitudes and both signs, and the special ones.
    fn sweep() -> impl Iterator<Item = f64> {
        let special =
            [0.0, 1.0, f64::INFINITY, f64::NAN, f32::MAX as f64, 1e-40, 88.7, 89.1, 103.9, 104.1, 709.7, 745.0];
        let even = (0..200_000).map(|i| i as f64 * 1e-3);
        let small = (0..200_000).map(|i| (-(i as f64) * 4e-4).exp());
        special.into_iter().chain(even).chain(small).flat_map(|x| [x, -x])
    }

    /// One row per function: the bound in ulp, ours with and without fused multiply-add, and the reference in `f64`.
    macro_rules! within {
        ($ulps:ident, $ty:ty, $($name:literal $bound:literal $ours:expr, $exact:expr;)*) => { $(
            let mut worst = (0.0, 0.0);
            for x in sweep() {
                let x = x as $ty;
                let off = $ulps($ours(x), $exact(x as f64));
                if off > worst.0 || off.is_nan() {
                    worst = (off, x);
                }
            }
            assert!(worst.0 <= $bound, "{}: {} ulp at {:e}", $name, worst.0, worst.1);
        )* };
    }

    #[test]
    fn f32_functions_are_within_their_bounds() {
        within! { ulps_f32, f32,
            "exp" 1.0 single::exp::<true>, f64::exp;
            "exp without fma" 1.0 single::exp::<false>, f64::exp;
            "exp of what is not above 0" 1.0 |x: f32| single::exp_below::<true>(-x.abs()), |x: f64| (-x.abs()).exp();
            "the same without fma" 1.0 |x: f32| single::exp_below::<false>(-x.abs()), |x: f64| (-x.abs()).exp();
            "expm1" 2.0 single::expm1::<true>, f64::exp_m1;
            "expm1 without fma" 2.0 single::expm1::<false>, f64::exp_m1;
            "ln" 1.0 single::ln::<true>, f64::ln;
            "ln without fma" 1.0 single::ln::<false>, f64::ln;
            "ln_1p" 2.0 single::ln_1p::<true>, f64::ln_1p;
            "ln_1p without fma" 2.0 single::ln_1p::<false>, f64::ln_1p;
            "tanh" 3.0 single::tanh::<true>, f64::tanh;
            "tanh without fma" 3.0 single::tanh::<false>, f64::tanh;
            "erf" 3.0 erf_f32::<true>, libm::erf;
            "erf without fma" 3.0 erf_f32::<false>, libm::erf;
            "sin" 2.0 sin_f32::<true>, |x: f64| if x.abs() > TURN_LIMIT { sin_f32::<true>(x as f32) as f64 } else { x.sin() };
            "sin without fma" 2.0 sin_f32::<false>, |x: f64| if x.abs() > TURN_LIMIT { sin_f32::<false>(x as f32) as f64 } else { x.sin() };
            "cos" 2.0 cos_f32::<true>, |x: f64| if x.abs() > TURN_LIMIT { cos_f32::<true>(x as f32) as f64 } else { x.cos() };
        }
    }

    #[test]
    fn gelu_is_within_its_bound() {
        for i in -80_000..80_000 {
            let x = i as f32 * 1e-4;
            let exact = x as f64 * 0.5 * libm::erfc(-(x as f64) * std::f64::consts::FRAC_1_SQRT_2);
            for got in [gelu_f32::<true>(x), gelu_f32::<false>(x)] {
                assert!((got as f64 - exact).abs() < 1e-7 + 1e-7 * x.abs() as f64, "gelu({x}) is {exact}, not {got}");
            }
        }
        assert_eq!(gelu_f32::<true>(f32::INFINITY), f32::INFINITY);
        assert!(gelu_f32::<true>(f32::NAN).is_nan() && gelu_f32::<true>(f32::NEG_INFINITY).is_nan());
    }

    #[test]
    fn f64_functions_are_within_their_bounds() {
        within! { ulps_f64, f64,
            "exp" 1.0 double::exp::<true>, |x: f64| x.exp();
            "exp of what is not above 0" 1.0 |x: f64| double::exp_below::<true>(-x.abs()), |x: f64| (-x.abs()).exp();
            "expm1" 2.0 double::expm1::<true>, |x: f64| x.exp_m1();
            "ln" 1.0 double::ln::<true>, |x: f64| x.ln();
            "ln without fma" 1.0 double::ln::<false>, |x: f64| x.ln();
            "ln_1p" 2.0 double::ln_1p::<true>, |x: f64| x.ln_1p();
            "tanh" 3.0 double::tanh::<true>, |x: f64| x.tanh();
        }
    }
}
