//! Remainders of quotients that are not large, exact as C's `fmod` is.

/// Where the dividend is larger than this many divisors, or infinite, these functions must not be used.
pub(crate) const QUOTIENT_LIMIT: f64 = (1u64 << 28) as f64;

/// The whole part of what is not negative and below 2^52.
#[inline(always)]
fn whole<const FMA: bool>(x: f64) -> f64 {
    if FMA {
        return x.trunc();
    }
    // Not an instruction of SSE2.
    const WHOLE: f64 = (1u64 << 52) as f64;
    let nearest = (x + WHOLE) - WHOLE;
    if nearest > x { nearest - 1.0 } else { nearest }
}

/// The remainder of truncating division. In `f64` the quotient is not rounded to a whole number that it is not, and its product with
/// the divisor is exact.
#[inline(always)]
pub(crate) fn fmod_f32<const FMA: bool>(a: f32, b: f32) -> f32 {
    let (x, y) = (f64::from(a.abs()), f64::from(b.abs()));
    let rest = x - whole::<FMA>(x / y) * y;
    // Also of infinite divisors.
    ((if x < y { x } else { rest }) as f32).copysign(a)
}

/// The remainder of truncating division. A quotient that was rounded to the next whole number leaves one divisor too little, and both
/// differences are exact.
#[inline(always)]
pub(crate) fn fmod_f64<const FMA: bool>(a: f64, b: f64) -> f64 {
    if !FMA {
        return a % b;
    }
    let (x, y) = (a.abs(), b.abs());
    let rest = whole::<FMA>(x / y).mul_add(-y, x);
    let rest = if rest < 0.0 { rest + y } else { rest };
    (if x < y { x } else { rest }).copysign(a)
}
