//! Functions of `f64` that are called one element at a time.

/// One row per function: its name in `f64`'s methods.
macro_rules! plain {
    ($($name:ident)*) => { $(
        #[inline(always)]
        pub(crate) fn $name<const FMA: bool>(x: f64) -> f64 {
            x.$name()
        }
    )* };
}
plain!(sin cos tan asin acos atan sinh cosh asinh acosh atanh);

#[inline(always)]
pub(crate) fn erf<const FMA: bool>(x: f64) -> f64 {
    libm::erf(x)
}

#[inline(always)]
pub(crate) fn erfc<const FMA: bool>(x: f64) -> f64 {
    libm::erfc(x)
}

#[inline(always)]
pub(crate) fn gelu<const FMA: bool>(x: f64) -> f64 {
    x * 0.5 * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2))
}

#[inline(always)]
pub(crate) fn atan2<const FMA: bool>(y: f64, x: f64) -> f64 {
    y.atan2(x)
}

#[inline(always)]
pub(crate) fn pow<const FMA: bool>(x: f64, y: f64) -> f64 {
    x.powf(y)
}
