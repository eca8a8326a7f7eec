//! Inverse trigonometric functions. `f32` computes in `f64`, as powers do.

use super::poly;

use std::f64::consts::{FRAC_PI_2, PI};

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
