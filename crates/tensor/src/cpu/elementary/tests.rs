//! Every function against a wider or a library's one.

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
    let special = [
        0.0,
        1.0,
        f64::INFINITY,
        f64::NAN,
        f32::MAX as f64,
        1e-40,
        1.4e-45,
        5e-324,
        88.7,
        89.1,
        103.9,
        104.1,
        709.7,
        745.0,
    ];
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
        "exp2" 1.0 single::exp2::<true>, f64::exp2;
        "exp2 without fma" 1.0 single::exp2::<false>, f64::exp2;
        "log2" 1.0 single::log2::<true>, f64::log2;
        "log2 without fma" 1.0 single::log2::<false>, f64::log2;
        "log10" 1.0 single::log10::<true>, f64::log10;
        "log10 without fma" 1.0 single::log10::<false>, f64::log10;
        "ln_1p" 2.0 single::ln_1p::<true>, f64::ln_1p;
        "ln_1p without fma" 2.0 single::ln_1p::<false>, f64::ln_1p;
        "tanh" 3.0 single::tanh::<true>, f64::tanh;
        "tanh without fma" 3.0 single::tanh::<false>, f64::tanh;
        "asin" 0.51 single::asin::<true>, f64::asin;
        "asin without fma" 0.51 single::asin::<false>, f64::asin;
        "acos" 0.51 single::acos::<true>, f64::acos;
        "acos without fma" 0.51 single::acos::<false>, f64::acos;
        "atan" 0.51 single::atan::<true>, f64::atan;
        "atan without fma" 0.51 single::atan::<false>, f64::atan;
        "sinh" 0.51 single::sinh::<true>, f64::sinh;
        "sinh without fma" 0.51 single::sinh::<false>, f64::sinh;
        "cosh" 0.51 single::cosh::<true>, f64::cosh;
        "cosh without fma" 0.51 single::cosh::<false>, f64::cosh;
        "asinh" 0.51 single::asinh::<true>, libm::asinh;
        "asinh without fma" 0.51 single::asinh::<false>, libm::asinh;
        "acosh" 0.51 |x: f32| single::acosh::<true>(x.abs()), |x: f64| libm::acosh(x.abs());
        "acosh without fma" 0.51 |x: f32| single::acosh::<false>(x.abs()), |x: f64| libm::acosh(x.abs());
        "atanh" 0.51 single::atanh::<true>, libm::atanh;
        "atanh without fma" 0.51 single::atanh::<false>, libm::atanh;
        "erfc" 0.51 single::erfc::<true>, libm::erfc;
        "erfc without fma" 0.51 single::erfc::<false>, libm::erfc;
        "tan" 0.51 single::tan::<true>, |x: f64| if x.abs() > TURN_LIMIT { single::tan::<true>(x as f32) as f64 } else { x.tan() };
        "tan without fma" 0.51 single::tan::<false>, |x: f64| if x.abs() > TURN_LIMIT { single::tan::<false>(x as f32) as f64 } else { x.tan() };
        "erf" 3.0 single::erf::<true>, libm::erf;
        "erf without fma" 3.0 single::erf::<false>, libm::erf;
        "sin" 2.0 single::sin::<true>, |x: f64| if x.abs() > TURN_LIMIT { single::sin::<true>(x as f32) as f64 } else { x.sin() };
        "sin without fma" 2.0 single::sin::<false>, |x: f64| if x.abs() > TURN_LIMIT { single::sin::<false>(x as f32) as f64 } else { x.sin() };
        "cos" 2.0 single::cos::<true>, |x: f64| if x.abs() > TURN_LIMIT { single::cos::<true>(x as f32) as f64 } else { x.cos() };
    }
}

#[test]
fn gelu_is_within_its_bound() {
    for i in -80_000..80_000 {
        let x = i as f32 * 1e-4;
        let exact = x as f64 * 0.5 * libm::erfc(-(x as f64) * std::f64::consts::FRAC_1_SQRT_2);
        for got in [single::gelu::<true>(x), single::gelu::<false>(x)] {
            assert!((got as f64 - exact).abs() < 1e-7 + 1e-7 * x.abs() as f64, "gelu({x}) is {exact}, not {got}");
        }
    }
    assert_eq!(single::gelu::<true>(f32::INFINITY), f32::INFINITY);
    assert!(single::gelu::<true>(f32::NAN).is_nan() && single::gelu::<true>(f32::NEG_INFINITY).is_nan());
}

#[test]
fn f64_functions_are_within_their_bounds() {
    within! { ulps_f64, f64,
        "exp" 1.0 double::exp::<true>, |x: f64| x.exp();
        "exp of what is not above 0" 1.0 |x: f64| double::exp_below::<true>(-x.abs()), |x: f64| (-x.abs()).exp();
        "expm1" 2.0 double::expm1::<true>, |x: f64| x.exp_m1();
        "ln" 1.0 double::ln::<true>, |x: f64| x.ln();
        "ln without fma" 1.0 double::ln::<false>, |x: f64| x.ln();
        "exp2" 1.0 double::exp2::<true>, f64::exp2;
        "exp2 without fma" 1.0 double::exp2::<false>, f64::exp2;
        "log2" 1.0 double::log2::<true>, f64::log2;
        "log2 without fma" 1.0 double::log2::<false>, f64::log2;
        "log10" 1.0 double::log10::<true>, libm::log10;
        "log10 without fma" 1.0 double::log10::<false>, libm::log10;
        "ln_1p" 2.0 double::ln_1p::<true>, |x: f64| x.ln_1p();
        "sin" 1.0 |x: f64| turned(x, double::sin::<true>), |x: f64| turned(x, f64::sin);
        "sin without fma" 1.0 |x: f64| turned(x, double::sin::<false>), |x: f64| turned(x, f64::sin);
        "cos" 1.0 |x: f64| turned(x, double::cos::<true>), |x: f64| turned(x, f64::cos);
        "cos without fma" 1.0 |x: f64| turned(x, double::cos::<false>), |x: f64| turned(x, f64::cos);
        "tan" 1.0 |x: f64| turned(x, double::tan::<true>), |x: f64| turned(x, f64::tan);
        "tan without fma" 1.0 |x: f64| turned(x, double::tan::<false>), |x: f64| turned(x, f64::tan);
        "asin" 1.0 double::asin::<true>, f64::asin;
        "asin without fma" 1.0 double::asin::<false>, f64::asin;
        "acos" 1.0 double::acos::<true>, f64::acos;
        "acos without fma" 1.0 double::acos::<false>, f64::acos;
        "atan" 1.0 double::atan::<true>, f64::atan;
        "atan without fma" 1.0 double::atan::<false>, f64::atan;
        "sinh" 2.0 double::sinh::<true>, f64::sinh;
        "sinh without fma" 2.0 double::sinh::<false>, f64::sinh;
        "cosh" 2.0 double::cosh::<true>, f64::cosh;
        "cosh without fma" 2.0 double::cosh::<false>, f64::cosh;
        "asinh" 3.0 double::asinh::<true>, libm::asinh;
        "asinh without fma" 3.0 double::asinh::<false>, libm::asinh;
        "acosh" 3.0 |x: f64| double::acosh::<true>(x.abs()), |x: f64| libm::acosh(x.abs());
        "acosh without fma" 3.0 |x: f64| double::acosh::<false>(x.abs()), |x: f64| libm::acosh(x.abs());
        "atanh" 3.0 double::atanh::<true>, libm::atanh;
        "atanh without fma" 3.0 double::atanh::<false>, libm::atanh;
        "erf" 2.0 double::erf::<true>, libm::erf;
        "erf without fma" 2.0 double::erf::<false>, libm::erf;
        "erfc" 5.0 double::erfc::<true>, libm::erfc;
        "erfc without fma" 5.0 double::erfc::<false>, libm::erfc;
        "tanh" 3.0 double::tanh::<true>, |x: f64| x.tanh();
    }
}

/// Numbers of two arguments: all pairs of special ones, and a sweep of ordinary ones.
fn pairs() -> impl Iterator<Item = (f32, f32)> {
    const SPECIAL: [f32; 24] = [
        0.0,
        0.5,
        1.0,
        1.000_000_1,
        1.5,
        2.0,
        2.5,
        3.0,
        33.0,
        127.0,
        128.0,
        149.0,
        8_388_607.0,
        8_388_608.0,
        16_777_215.0,
        16_777_216.0,
        1e20,
        3e31,
        f32::MAX,
        f32::INFINITY,
        f32::NAN,
        f32::MIN_POSITIVE,
        1e-40,
        1e-45,
    ];
    let signed = || SPECIAL.into_iter().flat_map(|x| [x, -x]);
    let special = signed().flat_map(move |x| signed().map(move |y| (x, y)));
    let near = (0..100_000).map(|i| ((i % 317) as f32 * 0.0131 - 1.0, i as f32 * 1e-3 - 50.0));
    // Any bits, by a multiplicative hash.
    let far = (0..200_000u32).map(|i| {
        let bits = |k: u32| f32::from_bits((2 * i + k).wrapping_mul(2_654_435_761));
        (bits(0), bits(1))
    });
    special.chain(near).chain(far)
}

/// `f` of what its range reduction covers.
fn turned(x: f64, f: fn(f64) -> f64) -> f64 {
    if x.abs() > TURN_LIMIT { f64::NAN } else { f(x) }
}

/// One row per function of two: the bound in ulp, ours with and without fused multiply-add, and the reference in `f64`.
macro_rules! within_of_two {
    ($($name:literal $bound:literal $fused:expr, $apart:expr, $exact:expr;)*) => { $(
        for (x, y) in pairs() {
            let exact = $exact(f64::from(x), f64::from(y));
            for got in [$fused(x, y), $apart(x, y)] {
                let off = ulps_f32(got, exact);
                assert!(off <= $bound, "{}({x:e}, {y:e}) = {exact:e}, not {got:e}: {off} ulp", $name);
                assert!(got != 0.0 || got.to_bits() == (exact as f32).to_bits(), "{}({x:e}, {y:e}): sign of 0", $name);
            }
        }
    )* };
}

#[test]
fn f32_functions_of_two_are_within_their_bounds() {
    within_of_two! {
        "atan2" 0.51 single::atan2::<true>, single::atan2::<false>, f64::atan2;
        "pow" 0.51 single::pow::<true>, single::pow::<false>, f64::powf;
    }
}

#[test]
fn fmod_is_exact_up_to_its_limit() {
    for (a, b) in pairs().filter(|(a, b)| f64::from(a.abs()) <= f64::from(b.abs()) * QUOTIENT_LIMIT) {
        for got in [single::fmod::<true>(a, b), single::fmod::<false>(a, b)] {
            let want = a % b;
            assert!(
                got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(),
                "{a:e} % {b:e}: {got:e}, not {want:e}"
            );
        }
        // More digits than f32 has, so that quotients are rounded to whole numbers.
        for b in [f64::from(b), f64::from(b) * (1.0 / 3.0), f64::from(b) / 49.0] {
            for a in [f64::from(a) / 7.0, b * f64::from(a).trunc(), (b * 1001.0).next_down(), (b * 3.0).next_up()] {
                let (got, want) = (double::fmod::<true>(a, b), a % b);
                let same = got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
                assert!(same || a.abs() > b.abs() * QUOTIENT_LIMIT, "{a:e} % {b:e}: {got:e}, not {want:e}");
            }
        }
    }
}

#[test]
fn f64_functions_of_two_are_within_their_bounds() {
    type Function = fn(f64, f64) -> f64;
    let functions: [(&str, [Function; 2], Function); 2] = [
        ("atan2", [double::atan2::<true>, double::atan2::<false>], f64::atan2),
        ("pow", [double::pow::<true>, double::pow::<false>], f64::powf),
    ];
    const LARGE: [f64; 9] =
        [1e300, 1.7e308, 5e-324, 1e-310, 4_503_599_627_370_497.0, 9_007_199_254_740_991.0, 1023.5, 1e-200, -3.0];
    let far = LARGE.into_iter().flat_map(|x| LARGE.into_iter().flat_map(move |y| [(x, y), (-x, y), (x, -y), (y, x)]));
    for (x, y) in pairs().map(|(x, y)| (f64::from(x), f64::from(y))).chain(far) {
        for (name, ours, exact) in functions {
            let exact = exact(x, y);
            for got in ours.map(|f| f(x, y)) {
                let off = ulps_f64(got, exact);
                // Below the normal numbers what is lost is more than one unit.
                let bound = if exact.abs() < f64::MIN_POSITIVE { 2.0 } else { 1.0 };
                assert!(off <= bound, "{name}({x:e}, {y:e}) = {exact:e}, not {got:e}: {off} ulp");
                assert!(got != 0.0 || got.to_bits() == exact.to_bits(), "{name}({x:e}, {y:e}): sign of 0");
            }
        }
    }
}

#[test]
fn gelu_of_f64_follows_its_definition() {
    for i in -80_000..80_000 {
        let x = i as f64 * 1e-4;
        let want = x * 0.5 * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2));
        for got in [double::gelu::<true>(x), double::gelu::<false>(x)] {
            assert!((got - want).abs() <= 2.0 * f64::EPSILON * x.abs(), "gelu({x}) is {want}, not {got}");
        }
    }
}
