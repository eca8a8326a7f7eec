//! Functions of one operand, element by element: one table row each, the rule beside the name.

use crate::catalog::{Entry, domain};
use crate::op::Context;
use crate::{Var, is_grad_enabled, op};
use std::f64::consts::{FRAC_1_SQRT_2, LN_2, LN_10, PI};
use wengert_tensor::{Tensor, activation};

/// One row: method, PyTorch's `grad_fn`, what the rule saves (`x` the operand, `y` the result, `-` nothing), the rule
/// (gradient `g` of the result to gradient of the operand), a kernel of [`activation`] that does the same where no graph
/// of the pass is made, if there is one, and where samples for tests lie.
///
/// `exp "ExpBackward0" y |g, y| g * y, -2.0..2.0;` makes `Var::exp` and a row of the catalog.
macro_rules! unary {
    ($($name:ident $grad_fn:literal $save:tt |$g:ident $(, $v:ident)?| $rule:expr $(, fused $fused:path)?,
        $low:literal..$high:literal;)*) => {
        impl Var {
            $(
                #[doc = concat!("[`Tensor::", stringify!($name), "`](wengert_tensor::Tensor::", stringify!($name), ").")]
                #[track_caller]
                pub fn $name(&self) -> Var {
                    unary!(@record self, $name, $grad_fn, $save, |$g $(, $v)?| $rule $(, $fused)?)
                }
            )*
        }

        /// The rows, for tests of every operation.
        pub(crate) fn catalog() -> Vec<Entry> {
            let mut rows = vec![$(Entry::unary(stringify!($name), $grad_fn, domain($low, $high), |x| x.$name())),*];
            rows.extend(with_parameters());
            rows
        }
    };
    (@record $x:ident, $name:ident, $grad_fn:literal, x, |$g:ident, $v:ident| $rule:expr) => {
        op::record($grad_fn, $x.value.$name(), [$x], || {
            let saved = $x.clone();
            move |_: &Context<'_>, $g: &Var| {
                let $v = &saved;
                [Some($rule)]
            }
        })
    };
    (@record $x:ident, $name:ident, $grad_fn:literal, y, |$g:ident, $v:ident| $rule:expr) => {{
        let value = $x.value.$name();
        // Cloned only if it will be saved.
        let saved = op::records(&[$x]).then(|| value.clone());
        op::record($grad_fn, value, [$x], || {
            let saved = saved.expect("made under the same condition");
            move |ctx: &Context<'_>, $g: &Var| {
                let $v = &ctx.output(&saved);
                [Some($rule)]
            }
        })
    }};
    (@record $x:ident, $name:ident, $grad_fn:literal, x, |$g:ident, $v:ident| $rule:expr, $fused:path) => {
        with_kernel($grad_fn, $x.value.$name(), $x, |grad, x| $fused(grad, x), |$g, $v| $rule)
    };
    (@record $x:ident, $name:ident, $grad_fn:literal, y, |$g:ident, $v:ident| $rule:expr, $fused:path) => {{
        let value = $x.value.$name();
        let saved = op::records(&[$x]).then(|| value.clone());
        op::record_consuming($grad_fn, value, $x, || {
            let saved = saved.expect("made under the same condition");
            move |ctx: &Context<'_>, grad: Var| {
                if !is_grad_enabled() {
                    return Var::from($fused(grad.value, &saved));
                }
                let ($g, $v) = (&grad, &ctx.output(&saved));
                $rule
            }
        })
    }};
    (@record $x:ident, $name:ident, $grad_fn:literal, -, |$g:ident| $rule:expr) => {
        op::record($grad_fn, $x.value.$name(), [$x], || move |_: &Context<'_>, $g: &Var| [Some($rule)])
    };
}

unary! {
    abs "AbsBackward0" x |g, x| g * x.sign(), -2.0..2.0;
    neg "NegBackward0" - |g| -g, -2.0..2.0;
    square "PowBackward0" x |g, x| g * (x * 2.0), -2.0..2.0;
    sign "SignBackward0" - |g| zeros(g), -2.0..2.0;
    floor "FloorBackward0" - |g| zeros(g), -2.0..2.0;
    ceil "CeilBackward0" - |g| zeros(g), -2.0..2.0;
    round "RoundBackward0" - |g| zeros(g), -2.0..2.0;
    trunc "TruncBackward0" - |g| zeros(g), -2.0..2.0;
    frac "FracBackward0" - |g| g.clone(), -2.0..2.0;
    relu "ReluBackward0" y |g, y| g.masked_fill(&y.value.le(0.0), 0.0), fused activation::relu_backward, -2.0..2.0;
    reciprocal "ReciprocalBackward0" y |g, y| -g * (y * y), 0.5..2.0;
    sqrt "SqrtBackward0" y |g, y| g / (y * 2.0), 0.5..2.0;
    rsqrt "RsqrtBackward0" y |g, y| g * -0.5 * y.pow(3), 0.5..2.0;
    exp "ExpBackward0" y |g, y| g * y, -2.0..2.0;
    exp2 "Exp2Backward0" y |g, y| g * y * LN_2, -2.0..2.0;
    expm1 "Expm1Backward0" y |g, y| g * (y + 1.0), -2.0..2.0;
    log "LogBackward0" x |g, x| g / x, 0.5..2.0;
    log2 "Log2Backward0" x |g, x| g / (x * LN_2), 0.5..2.0;
    log10 "Log10Backward0" x |g, x| g / (x * LN_10), 0.5..2.0;
    log1p "Log1PBackward0" x |g, x| g / (x + 1.0), -0.5..2.0;
    sin "SinBackward0" x |g, x| g * x.cos(), -2.0..2.0;
    cos "CosBackward0" x |g, x| g * -x.sin(), -2.0..2.0;
    tan "TanBackward0" y |g, y| g * (y * y + 1.0), -1.0..1.0;
    asin "AsinBackward0" x |g, x| g * (1.0 - x * x).rsqrt(), -0.8..0.8;
    acos "AcosBackward0" x |g, x| -g * (1.0 - x * x).rsqrt(), -0.8..0.8;
    atan "AtanBackward0" x |g, x| g / (x * x + 1.0), -2.0..2.0;
    sinh "SinhBackward0" x |g, x| g * x.cosh(), -2.0..2.0;
    cosh "CoshBackward0" x |g, x| g * x.sinh(), -2.0..2.0;
    tanh "TanhBackward0" y |g, y| g * (1.0 - y * y), fused activation::tanh_backward, -2.0..2.0;
    asinh "AsinhBackward0" x |g, x| g * (x * x + 1.0).rsqrt(), -2.0..2.0;
    acosh "AcoshBackward0" x |g, x| g * (x * x - 1.0).rsqrt(), 1.5..3.0;
    atanh "AtanhBackward0" x |g, x| g / (1.0 - x * x), -0.8..0.8;
    erf "ErfBackward0" x |g, x| g * (x * x).neg().exp() * (2.0 / PI.sqrt()), -2.0..2.0;
    erfc "ErfcBackward0" x |g, x| g * (x * x).neg().exp() * (-2.0 / PI.sqrt()), -2.0..2.0;
    deg2rad "Deg2RadBackward0" - |g| g * (PI / 180.0), -2.0..2.0;
    rad2deg "Rad2DegBackward0" - |g| g * (180.0 / PI), -2.0..2.0;
    sinc "SincBackward0" x |g, x| {
        let t = &(x * PI);
        let square = t * x;
        // Also where the square of a small number vanishes.
        let flat = &square.value.eq(0.0);
        (g * ((t * t.cos() - t.sin()) / square.masked_fill(flat, 1.0))).masked_fill(flat, 0.0)
    }, 0.2..1.8;
    lgamma "LgammaBackward0" x |g, x| g * x.digamma(), 0.5..3.0;
    digamma "DigammaBackward0" x |g, x| g * x.polygamma(1), 0.5..3.0;
    erfinv "ErfinvBackward0" y |g, y| g * (y * y).exp() * (PI.sqrt() / 2.0), -0.8..0.8;
    erfcx "SpecialErfcxBackward0" x |g, x| g * (x * x.erfcx() * 2.0 - 2.0 / PI.sqrt()), -1.0..2.0;
    ndtr "SpecialNdtrBackward0" x |g, x| g * (x * x * -0.5).exp() * (1.0 / (2.0 * PI).sqrt()), -2.0..2.0;
    log_ndtr "SpecialLogNdtrBackward0" x |g, x| g / (x * -FRAC_1_SQRT_2).erfcx() * (2.0 / PI).sqrt(), -2.0..2.0;
    ndtri "SpecialNdtriBackward0" y |g, y| g * (y * y * 0.5).exp() * (2.0 * PI).sqrt(), 0.1..0.9;
    entr "SpecialEntrBackward0" x |g, x| g * (-x.log() - 1.0), 0.5..2.0;
    i0 "I0Backward0" x |g, x| g * x.i1(), -2.0..2.0;
    i0e "SpecialI0EBackward0" x |g, x| g * (x.i1e() - x.sign() * x.i0e()), 0.2..2.0;
    i1 "SpecialI1Backward0" x |g, x| {
        let flat = &x.value.eq(0.0);
        g * (x.i0() - Var::where_(flat, 0.5, x.i1() / x.masked_fill(flat, 1.0)))
    }, 0.2..2.0;
    i1e "SpecialI1EBackward0" x |g, x| {
        let flat = &x.value.eq(0.0);
        let ratio = Var::where_(flat, 0.5, x.i1e() / x.masked_fill(flat, 1.0));
        g * (x.i0e() - x.i1e() * x.sign() - ratio)
    }, 0.2..2.0;
    sigmoid "SigmoidBackward0" y |g, y| g * (y * (1.0 - y)), fused activation::sigmoid_backward, -2.0..2.0;
    silu "SiluBackward0" x |g, x| silu_rule(g, x), fused activation::silu_backward, -2.0..2.0;
    gelu "GeluBackward0" x |g, x| gelu_rule(g, x), fused activation::gelu_backward, -2.0..2.0;
}

fn zeros(grad: &Var) -> Var {
    Var::from(grad.value.zeros_like())
}

/// `s + x s (1 - s)` with `s` the logistic function.
fn silu_rule(grad: &Var, x: &Var) -> Var {
    let s = x.sigmoid();
    grad * (&s * (x * (1.0 - &s) + 1.0))
}

/// `Φ(x) + x φ(x)` with the normal distribution function and density.
fn gelu_rule(grad: &Var, x: &Var) -> Var {
    let distribution = ((x * FRAC_1_SQRT_2).erf() + 1.0) * 0.5;
    let density = (x * x * -0.5).exp() * (1.0 / (2.0 * PI).sqrt());
    grad * (distribution + x * density)
}

impl Var {
    /// [`Tensor::polygamma`](wengert_tensor::Tensor::polygamma).
    #[track_caller]
    pub fn polygamma(&self, n: u32) -> Var {
        op::record("PolygammaBackward0", self.value.polygamma(n), [self], || {
            let x = self.clone();
            move |_: &Context<'_>, grad: &Var| [Some(grad * x.polygamma(n + 1))]
        })
    }

    /// [`Tensor::logit`](wengert_tensor::Tensor::logit). Nothing flows back from outside `eps..=1-eps`.
    #[track_caller]
    pub fn logit(&self, eps: impl Into<Option<f64>>) -> Var {
        let eps = eps.into();
        op::record("LogitBackward0", self.value.logit(eps), [self], || {
            let x = self.clone();
            move |_: &Context<'_>, grad: &Var| {
                let low = eps.unwrap_or(0.0);
                let outside = x.value.ge(low).logical_and(x.value.le(1.0 - low)).logical_not();
                let fill = if eps.is_some() { 0.0 } else { f64::NAN };
                [Some((grad / (&x * (1.0 - &x))).masked_fill(&outside, fill))]
            }
        })
    }

    /// [`Var::gelu`] with the hyperbolic tangent in place of the error function (`approximate='tanh'`).
    #[track_caller]
    pub fn gelu_tanh(&self) -> Var {
        with_kernel("GeluBackward0", self.value.gelu_tanh(), self, activation::gelu_tanh_backward, |grad, x| {
            let t = ((x + x.pow(3) * 0.044715) * (2.0 / PI).sqrt()).tanh();
            let inner = (x * x * (3.0 * 0.044715) + 1.0) * (2.0 / PI).sqrt();
            grad * 0.5 * (&t + 1.0 + x * (1.0 - &t * &t) * inner)
        })
    }

    /// `self` itself (`torch.positive`).
    pub fn positive(&self) -> Var {
        self.clone()
    }

    /// [`Var::sign`]; the name that PyTorch has for complex numbers too.
    #[track_caller]
    pub fn sgn(&self) -> Var {
        self.sign()
    }

    /// Rounds to `decimals` places after the point, or before it if negative (`torch.round(x, decimals=d)`).
    #[track_caller]
    pub fn round_decimals(&self, decimals: i32) -> Var {
        let ten = 10f64.powi(decimals.abs());
        let value = match decimals {
            0 => self.value.round(),
            d if d > 0 => self.value.mul(ten).round().div(ten),
            _ => self.value.div(ten).round().mul(ten),
        };
        op::record("RoundBackward1", value, [self], || move |_: &Context<'_>, grad: &Var| [Some(zeros(grad))])
    }

    /// NaN becomes `nan` (0 if `None`), the infinities the largest and smallest finite number unless given.
    #[track_caller]
    pub fn nan_to_num(&self, nan: Option<f64>, posinf: Option<f64>, neginf: Option<f64>) -> Var {
        let value = self.value.nan_to_num(nan, posinf, neginf);
        op::record("NanToNumBackward0", value, [self], || {
            let finite = self.value.isfinite();
            move |_: &Context<'_>, grad: &Var| [Some(grad.masked_fill(&finite.logical_not(), 0.0))]
        })
    }

    /// [`Tensor::clamp`](wengert_tensor::Tensor::clamp). The gradient passes where the element is between the bounds; at a bound
    /// it is 0.
    #[track_caller]
    pub fn clamp(&self, min: impl Into<Option<f64>>, max: impl Into<Option<f64>>) -> Var {
        let (min, max) = (min.into(), max.into());
        op::record("ClampBackward1", self.value.clamp(min, max), [self], || {
            let x = self.value.clone();
            move |_: &Context<'_>, grad: &Var| {
                let mut grad = grad.clone();
                if let Some(min) = min {
                    grad = grad.masked_fill(&x.gt(min).logical_not(), 0.0);
                }
                if let Some(max) = max {
                    grad = grad.masked_fill(&x.lt(max).logical_not(), 0.0);
                }
                [Some(grad)]
            }
        })
    }

    /// [`Tensor::leaky_relu`](wengert_tensor::Tensor::leaky_relu). At 0 the gradient is that below 0.
    #[track_caller]
    pub fn leaky_relu(&self, slope: f64) -> Var {
        let fused = move |grad, x: &Tensor| activation::leaky_relu_backward(grad, x, slope);
        with_kernel("LeakyReluBackward0", self.value.leaky_relu(slope), self, fused, move |grad, x| {
            Var::where_(&x.value.gt(0.0), grad, grad * slope)
        })
    }

    /// [`Tensor::elu`](wengert_tensor::Tensor::elu). At 0 the gradient is that below 0.
    #[track_caller]
    pub fn elu(&self, alpha: f64) -> Var {
        let fused = move |grad, x: &Tensor| activation::elu_backward(grad, x, alpha);
        with_kernel("EluBackward0", self.value.elu(alpha), self, fused, move |grad, x| {
            let below = &x.value.le(0.0);
            // Zero above, where e^x may overflow, and at 0, where PyTorch has no second derivative.
            let low = x.masked_fill(&x.value.ge(0.0), 0.0).exp() * alpha;
            Var::where_(below, grad * low, grad)
        })
    }

    /// [`Tensor::softplus`](wengert_tensor::Tensor::softplus).
    #[track_caller]
    pub fn softplus(&self, beta: f64, threshold: f64) -> Var {
        let fused = move |grad, x: &Tensor| activation::softplus_backward(grad, x, beta, threshold);
        with_kernel("SoftplusBackward0", self.value.softplus(beta, threshold), self, fused, move |grad, x| {
            let scaled = x * beta;
            let linear = &scaled.value.gt(threshold);
            Var::where_(linear, grad, grad * scaled.sigmoid())
        })
    }
}

/// Records a function of `x` whose gradient is `fused` where no graph of the pass is made, else `rule`.
#[inline]
#[track_caller]
pub(super) fn with_kernel(
    name: &'static str,
    value: Tensor,
    x: &Var,
    fused: impl Fn(Tensor, &Tensor) -> Tensor + Send + Sync + 'static,
    rule: impl Fn(&Var, &Var) -> Var + Send + Sync + 'static,
) -> Var {
    op::record_consuming(name, value, x, || {
        let x = x.clone();
        move |_: &Context<'_>, grad: Var| {
            if is_grad_enabled() { rule(&grad, &x) } else { Var::from(fused(grad.value, &x.value)) }
        }
    })
}

/// The rows of operations with parameters.
fn with_parameters() -> Vec<Entry> {
    type F = fn(&Var) -> Var;
    let rows: &[(&'static str, &'static str, F)] = &[
        ("clamp", "ClampBackward1", |x| x.clamp(-0.5, 0.9)),
        ("clamp below", "ClampBackward1", |x| x.clamp(0.1, None)),
        ("leaky_relu", "LeakyReluBackward0", |x| x.leaky_relu(0.1)),
        ("elu", "EluBackward0", |x| x.elu(0.7)),
        ("softplus", "SoftplusBackward0", |x| x.softplus(2.0, 3.0)),
        ("rsub", "RsubBackward1", |x| 1.5 - x),
        ("division of a number", "MulBackward0", |x| 1.5 / (x + 3.0)),
        ("polygamma", "PolygammaBackward0", |x| (x + 3.0).polygamma(2)),
        ("logit", "LogitBackward0", |x| ((x + 3.0) / 6.0).logit(None)),
        ("round_decimals", "RoundBackward1", |x| x.round_decimals(2)),
        ("gelu_tanh", "GeluBackward0", |x| x.gelu_tanh()),
        ("positive", "NegBackward0", |x| (-x).positive()),
        ("sgn", "SignBackward0", |x| x.sgn()),
        ("pow_of", "PowBackward2", |x| Var::pow_of(2.5, x)),
        ("nan_to_num", "NanToNumBackward0", |x| x.nan_to_num(None, None, None)),
        ("masked_fill", "MaskedFillBackward0", |x| x.masked_fill(&x.value.gt(0.0), 0.5)),
    ];
    rows.iter().map(|&(name, grad_fn, f)| Entry::unary(name, grad_fn, domain(-2.0, 2.0), f)).collect()
}
