//! `exp`, `ln`, `tanh` and their kin, by one set of formulas for both types.

use super::{bound, poly};
use crate::cpu::simd::fma;

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
     range $lowest:literal $normal:literal $highest:literal, exp $exp:expr, below $below:expr, exp2 $exp2:expr, ln $ln:expr,
     log2 $log2:expr, log10 $log10:expr, $log10_2:expr) => {
        pub(crate) mod $module {
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

            /// `(factor + more) · e^(x + rest)`, for `x` not above 0 and small `more` and `rest`.
            #[inline(always)]
            #[allow(dead_code, reason = "of use to f64 only")]
            pub(crate) fn times_exp<const FMA: bool>(factor: $ty, more: $ty, x: $ty, rest: $ty) -> $ty {
                let (bits, r) = reduce::<FMA>(if x < $lowest { $lowest } else { x });
                let tiny = x < $normal;
                let bits = bits.wrapping_add(if tiny { LIFT + 1 } else { 1 });
                let rise = fma::<FMA, $ty>(r * r, poly::<FMA, $ty, _>(r, $below), r);
                let rise = rise + fma::<FMA, $ty>(rest, rise, rest);
                let y = (factor + fma::<FMA, $ty>(factor, rise, more)) * half_power(bits);
                if tiny { y * (1.0 / (1u128 << LIFT) as $ty) } else { y }
            }

            /// [`exp`] of what is not below the logarithm of the smallest normal number.
            #[inline(always)]
            pub(crate) fn exp_normal<const FMA: bool>(x: $ty) -> $ty {
                let (bits, r) = reduce::<FMA>(bound(x, $normal, $highest));
                twice::<FMA>(r) * half_power(bits)
            }

            /// `2^x` by what gives `2^(r + 1)` for `|r| <= 1/2`.
            #[inline(always)]
            fn exp2_by(x: $ty, twice: impl Fn($ty) -> $ty) -> $ty {
                let x = bound(x, -($bias + $mantissa + 1) as $ty, ($bias + 1) as $ty);
                let shifted = x + ROUND;
                let r = x - (shifted - ROUND);
                let tiny = x < 2.0 - $bias as $ty;
                let bits = shifted.to_bits().wrapping_add(if tiny { LIFT } else { 0 });
                let y = twice(r) * half_power(bits);
                if tiny { y * (1.0 / (1u128 << LIFT) as $ty) } else { y }
            }

            /// `2^(r + 1)` less 2 and `r`, divided by `r`: less than 1 is lost in the product if a whole `r` is added apart.
            #[inline(always)]
            fn steepness<const FMA: bool>(r: $ty) -> $ty {
                let mut c = const { twice!($ty $exp2) };
                c[0] -= 1.0;
                poly::<FMA, $ty, _>(r, c)
            }

            /// `2^x`.
            #[inline(always)]
            pub(crate) fn exp2<const FMA: bool>(x: $ty) -> $ty {
                exp2_by(x, |r| fma::<FMA, $ty>(r, steepness::<FMA>(r), r) + 2.0)
            }

            /// `2^(x + rest)` for a small `rest`.
            #[inline(always)]
            #[allow(dead_code, reason = "of use to f64 only")]
            pub(crate) fn exp2_sum<const FMA: bool>(x: $ty, rest: $ty) -> $ty {
                exp2_by(x, |whole| {
                    let r = whole + rest;
                    let lost = (whole - r) + rest;
                    fma::<FMA, $ty>(r, steepness::<FMA>(r), lost) + r + 2.0
                })
            }

            #[inline(always)]
            pub(crate) fn expm1<const FMA: bool>(x: $ty) -> $ty {
                let y = half_expm1::<FMA>(bound(x, -($mantissa as $ty), $highest)) * 2.0;
                // The nearest number, whose half may be none.
                if x.abs() < 0.25 * $ty::EPSILON { x } else { y }
            }

            /// `(e^x - 1) / 2`, which the largest results do not overflow, for `x` within the bounds of [`expm1`].
            #[inline(always)]
            fn half_expm1<const FMA: bool>(x: $ty) -> $ty {
                let (bits, r) = reduce::<FMA>(x);
                let scale = half_power(bits);
                fma::<FMA, $ty>(small::<FMA>(r), scale, scale - 0.5)
            }

            /// `e` and `f` of a positive `x = 2^e (1 + f)`, `1 + f` in `[√½, √2)`.
            #[inline(always)]
            fn split(x: $ty) -> ($ty, $ty) {
                let tiny = x < $ty::MIN_POSITIVE;
                let scaled = if tiny { x * (1u64 << $mantissa) as $ty } else { x };
                let root = std::$ty::consts::FRAC_1_SQRT_2.to_bits();
                let bits = scaled.to_bits().wrapping_sub(root) as $int;
                let e = (bits >> $mantissa) as i32 as $ty - if tiny { $mantissa as $ty } else { 0.0 };
                let fraction = bits as $bits & (((1 as $bits) << $mantissa) - 1);
                (e, $ty::from_bits(fraction.wrapping_add(root)) - 1.0)
            }

            /// `f²/2` and `r` of `ln(1 + f) = f - f²/2 + r`, by fdlibm's series in `f / (2 + f)`.
            #[inline(always)]
            fn series<const FMA: bool>(f: $ty) -> ($ty, $ty) {
                let s = f / (2.0 + f);
                let z = s * s;
                let half = 0.5 * f * f;
                (half, s * fma::<FMA, $ty>(z, poly::<FMA, $ty, _>(z, $ln), half))
            }

            /// A logarithm of `x`: `y`, but that of 0, of infinity and of what has none.
            #[inline(always)]
            fn logarithm(x: $ty, y: $ty) -> $ty {
                let y = if x == $ty::INFINITY { x } else { y };
                let y = if x == 0.0 { $ty::NEG_INFINITY } else { y };
                if x >= 0.0 { y } else { $ty::NAN }
            }

            /// Natural logarithm.
            #[inline(always)]
            pub(crate) fn ln<const FMA: bool>(x: $ty) -> $ty {
                let (e, f) = split(x);
                let s = f / (2.0 + f);
                let z = s * s;
                let half = 0.5 * f * f;
                let r = fma::<FMA, $ty>(z, poly::<FMA, $ty, _>(z, $ln), half);
                logarithm(x, fma::<FMA, $ty>(e, $high, f - (half - fma::<FMA, $ty>(s, r, e * $low))))
            }

            /// A logarithm to another base: `e unit + ln(1 + f) / ln base`, both factors in a part of half the digits and the rest, as
            /// FreeBSD's `log2` and `log10` do.
            #[inline(always)]
            fn scaled<const FMA: bool>(x: $ty, unit: [$ty; 2], factor: [$ty; 2]) -> $ty {
                let (e, f) = split(x);
                let (half, r) = series::<FMA>(f);
                let high = $ty::from_bits((f - half).to_bits() & (!0 << ($mantissa / 2 + 1)));
                let low = (f - high) - half + r;
                let (whole, part) = (e * unit[0], high * factor[0]);
                let sum = whole + part;
                let rest = fma::<FMA, $ty>(low, factor[0], fma::<FMA, $ty>(low + high, factor[1], e * unit[1]));
                logarithm(x, sum + (rest + ((whole - sum) + part)))
            }

            /// Logarithm to base 2.
            #[inline(always)]
            pub(crate) fn log2<const FMA: bool>(x: $ty) -> $ty {
                scaled::<FMA>(x, [1.0, 0.0], $log2)
            }

            /// Logarithm to base 10.
            #[inline(always)]
            pub(crate) fn log10<const FMA: bool>(x: $ty) -> $ty {
                scaled::<FMA>(x, $log10_2, $log10)
            }

            /// [`ln`] of `1 + x`; what rounding the sum lost is added to `f`.
            #[inline(always)]
            pub(crate) fn ln_1p<const FMA: bool>(x: $ty) -> $ty {
                let u = 1.0 + x;
                let lost = if x > 1.0 { 1.0 - (u - x) } else { x - (u - 1.0) };
                let root = std::$ty::consts::FRAC_1_SQRT_2.to_bits();
                // e, where exponents have their place; of 0 and infinity it does not matter.
                let exponent = u.to_bits().wrapping_sub(root) & (!0 << $mantissa);
                let e = (exponent as $int >> $mantissa) as i32 as $ty;
                // 2^(1 - e), or 0 where e is so large that nothing lost would count.
                let scale = $ty::from_bits((2.0 as $ty).to_bits().wrapping_sub(exponent));
                let f = fma::<FMA, $ty>(0.5 * lost, scale, $ty::from_bits(u.to_bits().wrapping_sub(exponent)) - 1.0);
                let (half, r) = series::<FMA>(f);
                let y = fma::<FMA, $ty>(e, $high, f - (half - fma::<FMA, $ty>(e, $low, r)));
                // Keeps the sign of zero.
                if x == 0.0 { x } else { logarithm(u, y) }
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
    exp2 [std::f32::consts::LN_2, 0.240_226_49, 5.550_358_4e-2, 9.618_442_5e-3, 1.339_036_6e-3, 1.533_758e-4],
    ln [0.666_666_6, 0.400_009_72, 0.284_987_87, 0.242_790_8],
    log2 [1.442_871_1, -1.760_528_5e-4], log10 [0.434_326_17, -3.168_997e-5], [0.301_029_2, 7.903_415e-7]);
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
exp2 [
    std::f64::consts::LN_2, 0.240_226_506_959_100_97, 5.550_410_866_482_082e-2, 9.618_129_107_607_535e-3,
    1.333_355_814_666_567_3e-3, 1.540_353_044_080_311_6e-4, 1.525_273_355_033_130_6e-5, 1.321_544_308_616_978_1e-6,
    1.017_819_053_519_157_6e-7, 7.072_497_281_567_315e-9, 4.434_426_960_845_079_5e-10
],
ln [
    6.666_666_666_666_735e-1, 3.999_999_999_940_942e-1, 2.857_142_874_366_239e-1, 2.222_219_843_214_978_4e-1,
    1.818_357_216_161_805e-1, 1.531_383_769_920_937_3e-1, 1.479_819_860_511_658_6e-1
],
log2 [1.442_695_051_431_655_9, -1.054_269_247_642_913_8e-8],
log10 [0.434_294_484_555_721_3, -2.652_469_455_307_855_3e-9], [0.301_029_995_663_611_77, 3.694_239_077_158_931e-13]);
