//! Special functions of one or two numbers, in `f64`, by series and continued fractions from *Numerical Recipes*, Abramowitz and
//! Stegun (A&S) and the NIST handbook (DLMF). Where the last digits matter less than a short program: about 1e-14.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, LN_2, PI};

/// `sin(πx) / (πx)`.
pub(crate) fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// `ln |Γ(x)|`; infinite at the poles and at infinity of either sign.
pub(crate) fn lgamma(x: f64) -> f64 {
    if x.is_infinite() { f64::INFINITY } else { libm::lgamma(x) }
}

/// `Γ'(x) / Γ(x)`: reflection (A&S 6.3.7), recurrence up to 10, then the asymptotic series (A&S 6.3.18).
pub(crate) fn digamma(x: f64) -> f64 {
    if x == 0.0 {
        return f64::INFINITY.copysign(-x);
    }
    if x < 0.0 {
        if x == x.trunc() {
            return f64::NAN;
        }
        return digamma(1.0 - x) - PI / (PI * x.fract()).tan();
    }
    let (mut x, mut shift) = (x, 0.0);
    while x < 10.0 {
        shift -= 1.0 / x;
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    const SERIES: [f64; 7] =
        [1.0 / 12.0, -1.0 / 120.0, 1.0 / 252.0, -1.0 / 240.0, 1.0 / 132.0, -691.0 / 32760.0, 1.0 / 12.0];
    let tail = SERIES.iter().rev().fold(0.0, |sum, c| (sum + c) * y);
    x.ln() - 0.5 / x - tail + shift
}

/// The first derivative of [`digamma`] in PyTorch's steps: a reflection, six of its recurrence, then the asymptotic series.
/// At whole numbers below 0, where it has no value, what rounding leaves of `sin πx` decides.
macro_rules! trigamma {
    ($($(#[$doc:meta])* $name:ident $t:ty;)*) => { $(
        $(#[$doc])*
        pub(crate) fn $name(mut x: $t) -> $t {
            const PI: $t = std::f64::consts::PI as $t;
            let (mut sign, mut sum) = (1.0, 0.0);
            if x < 0.5 {
                let sine = (PI * x).sin();
                sign = -1.0;
                sum -= (PI * PI) / (sine * sine);
                x = 1.0 - x;
            }
            for _ in 0..6 {
                sum += 1.0 / (x * x);
                x += 1.0;
            }
            let y = 1.0 / (x * x);
            sum += (1.0 + 1.0 / (2.0 * x) + y * (1.0 / 6.0 - y * (1.0 / 30.0 - y * (1.0 / 42.0)))) / x;
            sign * sum
        }
    )* };
}
trigamma! {
    /// In `f64`.
    trigamma f64;
    /// In `f32`.
    trigamma_single f32;
}

/// The derivative of order `n` of [`digamma`]: `(-1)^(n+1) n! ζ(n+1, x)`.
pub(crate) fn polygamma(n: u32, x: f64) -> f64 {
    match n {
        0 => return digamma(x),
        1 => return trigamma(x),
        _ => {}
    }
    let factorial: f64 = (1..=n).map(f64::from).product();
    let value = factorial * hurwitz_zeta(f64::from(n) + 1.0, x);
    if n % 2 == 1 { value } else { -value }
}

/// `Σ (x + k)^-s` over `k ≥ 0`, by Euler and Maclaurin (DLMF 25.11.43). For whole `s` also at negative `x`.
fn hurwitz_zeta(s: f64, x: f64) -> f64 {
    if x <= 0.0 && x == x.trunc() {
        return f64::INFINITY;
    }
    if x == f64::INFINITY {
        // As what PyTorch's powers of an infinity give.
        return f64::NAN;
    }
    let (mut sum, mut x) = (0.0, x);
    while x < 10.0 {
        sum += x.powf(-s);
        x += 1.0;
    }
    // B_2k / (2k)!
    const BERNOULLI: [f64; 8] = [
        1.0 / 12.0,
        -1.0 / 720.0,
        1.0 / 30240.0,
        -1.0 / 1_209_600.0,
        1.0 / 47_900_160.0,
        -691.0 / 1_307_674_368_000.0,
        1.0 / 74_724_249_600.0,
        -3617.0 / 10_670_622_842_880_000.0,
    ];
    sum += x.powf(1.0 - s) / (s - 1.0) + 0.5 * x.powf(-s);
    let (mut factor, mut power) = (s, x.powf(-s - 1.0));
    for (k, b) in BERNOULLI.iter().enumerate() {
        sum += b * factor * power;
        let k = 2.0 * k as f64;
        factor *= (s + k + 1.0) * (s + k + 2.0);
        power /= x * x;
    }
    sum
}

/// The inverse of `erf`: a rational start (as PyTorch's), then two steps of Newton.
pub(crate) fn erfinv(y: f64) -> f64 {
    if y.abs() >= 1.0 {
        return if y.abs() == 1.0 { f64::INFINITY.copysign(y) } else { f64::NAN };
    }
    let mut x = if y.abs() <= 0.7 {
        let z = y * y;
        let above = ((-0.140543331 * z + 0.914624893) * z - 1.645349621) * z + 0.886226899;
        let below = (((0.012229801 * z - 0.329097515) * z + 1.442710462) * z - 2.118377725) * z + 1.0;
        y * above / below
    } else {
        let z = (-((1.0 - y.abs()) / 2.0).ln()).sqrt();
        let above = ((1.641345311 * z + 3.429567803) * z - 1.624906493) * z - 1.970840454;
        (above / ((1.637067800 * z + 3.543889200) * z + 1.0)).copysign(y)
    };
    for _ in 0..2 {
        x -= (libm::erf(x) - y) / (FRAC_2_SQRT_PI * (-x * x).exp());
    }
    x
}

/// `e^(x²) erfc(x)`; beyond 25 by its continued fraction (DLMF 7.9.2).
pub(crate) fn erfcx(x: f64) -> f64 {
    if x < 25.0 {
        return (x * x).exp() * libm::erfc(x);
    }
    let fraction = (1..=10).rev().fold(x, |below, k| x + f64::from(k) / 2.0 / below);
    FRAC_2_SQRT_PI / 2.0 / fraction
}

/// The normal distribution function.
pub(crate) fn ndtr(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// The logarithm of [`ndtr`], accurate far below 0.
pub(crate) fn log_ndtr(x: f64) -> f64 {
    if x < -1.0 {
        (erfcx(-x * FRAC_1_SQRT_2) / 2.0).ln() - x * x / 2.0
    } else {
        (-0.5 * libm::erfc(x * FRAC_1_SQRT_2)).ln_1p()
    }
}

/// The inverse of [`ndtr`]: Newton's steps on `ln ndtr`, which is concave, from the side where they cannot overshoot.
pub(crate) fn ndtri(p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p == 0.0 || p == 1.0 {
        return if p == 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    if p > 0.5 {
        return 2f64.sqrt() * erfinv(2.0 * p - 1.0);
    }
    if p > 0.1 {
        return -(2f64.sqrt()) * erfinv(1.0 - 2.0 * p);
    }
    let log = p.ln();
    let mut x = -(-2.0 * log).sqrt();
    for _ in 0..20 {
        // d ln Φ / dx = √(2/π) / erfcx(-x/√2)
        let slope = (2.0 / PI).sqrt() / erfcx(-x * FRAC_1_SQRT_2);
        let step = (log_ndtr(x) - log) / slope;
        x -= step;
        if step.abs() < 1e-15 * x.abs() {
            break;
        }
    }
    x
}

/// `-x ln x`; 0 at 0 and -∞ below.
pub(crate) fn entr(x: f64) -> f64 {
    if x.is_nan() {
        x
    } else if x > 0.0 {
        -x * x.ln()
    } else if x == 0.0 {
        0.0
    } else {
        f64::NEG_INFINITY
    }
}

/// `e^-|x| I_n(x)` for orders 0 and 1: the power series (A&S 9.6.10), whose terms are all positive, or the asymptotic one
/// (A&S 9.7.1).
fn bessel_scaled(n: u32, x: f64) -> f64 {
    let z = x.abs();
    let value = if z < 30.0 {
        let quarter = z * z / 4.0;
        let (mut term, mut sum, mut k) = (if n == 0 { 1.0 } else { z / 2.0 }, 0.0, 0.0);
        while term > sum * 1e-17 {
            sum += term;
            k += 1.0;
            term *= quarter / (k * (k + f64::from(n)));
        }
        sum * (-z).exp()
    } else {
        let mu = f64::from(4 * n * n);
        let (mut term, mut sum) = (1.0, 1.0);
        for k in 1..30 {
            let odd = f64::from(2 * k - 1);
            term *= -(mu - odd * odd) / (f64::from(k) * 8.0 * z);
            sum += term;
        }
        sum / (2.0 * PI * z).sqrt()
    };
    if n == 1 && x < 0.0 { -value } else { value }
}

/// The modified Bessel function `I₀`.
pub(crate) fn i0(x: f64) -> f64 {
    bessel_scaled(0, x) * x.abs().exp()
}

/// `e^-|x| I₀(x)`.
pub(crate) fn i0e(x: f64) -> f64 {
    bessel_scaled(0, x)
}

/// The modified Bessel function `I₁`.
pub(crate) fn i1(x: f64) -> f64 {
    bessel_scaled(1, x) * x.abs().exp()
}

/// `e^-|x| I₁(x)`.
pub(crate) fn i1e(x: f64) -> f64 {
    bessel_scaled(1, x)
}

/// `x ln y`, 0 where `x` is 0 (but NaN where `y` is).
pub(crate) fn xlogy(x: f64, y: f64) -> f64 {
    if y.is_nan() {
        y
    } else if x == 0.0 {
        0.0
    } else {
        x * y.ln()
    }
}

/// `x ln(1 + y)`, 0 where `x` is 0 (but NaN where `y` is).
pub(crate) fn xlog1py(x: f64, y: f64) -> f64 {
    if y.is_nan() {
        y
    } else if x == 0.0 {
        0.0
    } else {
        x * y.ln_1p()
    }
}

/// `ln(e^a + e^b)`.
pub(crate) fn logaddexp(a: f64, b: f64) -> f64 {
    if a.is_infinite() && a == b { a } else { a.max(b) + (-(a - b).abs()).exp().ln_1p() }
}

/// `log2(2^a + 2^b)`.
pub(crate) fn logaddexp2(a: f64, b: f64) -> f64 {
    if a.is_infinite() && a == b { a } else { a.max(b) + (-(a - b).abs()).exp2().ln_1p() / LN_2 }
}

/// The regularised lower incomplete gamma function `P(a, x)`: its series, or the continued fraction of `Q` (DLMF 8.7.1, 8.9.2).
pub(crate) fn igamma(a: f64, x: f64) -> f64 {
    incomplete_gamma(a, x).0
}

/// The regularised upper incomplete gamma function `Q(a, x) = 1 - P(a, x)`.
pub(crate) fn igammac(a: f64, x: f64) -> f64 {
    incomplete_gamma(a, x).1
}

fn incomplete_gamma(a: f64, x: f64) -> (f64, f64) {
    let undefined = (f64::NAN, f64::NAN);
    // In PyTorch's order, which decides what an infinity beside a NaN gives.
    if a < 0.0 || x < 0.0 {
        return undefined;
    }
    if a == 0.0 {
        return if x > 0.0 { (1.0, 0.0) } else { undefined };
    }
    if x == 0.0 || a.is_infinite() {
        return if x.is_infinite() { undefined } else { (0.0, 1.0) };
    }
    if x.is_infinite() {
        return (1.0, 0.0);
    }
    if a.is_nan() || x.is_nan() {
        return undefined;
    }
    let front = (a * x.ln() - x - libm::lgamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        while term > sum * 1e-17 {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        let lower = front * sum;
        (lower, 1.0 - lower)
    } else {
        // Lentz's method.
        let tiny = 1e-300;
        let mut b = x + 1.0 - a;
        let (mut c, mut d) = (1.0 / tiny, 1.0 / b);
        let mut h = d;
        for i in 1..10_000 {
            let i = f64::from(i);
            let an = -i * (i - a);
            b += 2.0;
            d = 1.0 / (an * d + b);
            c = b + an / c;
            let change = d * c;
            h *= change;
            if (change - 1.0).abs() < 1e-16 {
                break;
            }
        }
        let upper = front * h;
        (1.0 - upper, upper)
    }
}

/// The next number of the `f64` kind from `x` towards `y`.
pub(crate) fn next_after(x: f64, y: f64) -> f64 {
    libm::nextafter(x, y)
}
