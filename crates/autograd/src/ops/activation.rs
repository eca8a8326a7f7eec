//! The other activations of `torch.nn.functional`: made of simpler operations, recorded as one where PyTorch has one.

use super::unary::with_kernel;
use crate::catalog::{Entry, domain, seeded};
use crate::op::Context;
use crate::{Var, is_grad_enabled, op};
use wengert_tensor::{Tensor, activation};

/// PyTorch's scale and alpha of [`Var::selu`].
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

impl Var {
    /// `min` and `max` where the element is beyond them; the gradient is 0 there and at the bounds
    /// (`torch.nn.functional.hardtanh`, whose defaults are -1 and 1). Integers stay integers.
    ///
    /// # Panics
    /// If `min` is above `max`, or the dtype is `bool`.
    #[track_caller]
    pub fn hardtanh(&self, min: f64, max: f64) -> Var {
        let fused = move |grad, x: &Tensor| activation::hardtanh_backward(grad, x, min, max);
        with_kernel("HardtanhBackward0", self.value.hardtanh(min, max), self, fused, move |grad, x| {
            grad.masked_fill(&outside(&x.value, min, max), 0.0)
        })
    }

    /// [`Var::hardtanh`] between 0 and 6.
    #[track_caller]
    pub fn relu6(&self) -> Var {
        self.hardtanh(0.0, 6.0)
    }

    /// `x / 6 + 1/2` between -3 and 3, else 0 or 1.
    #[track_caller]
    pub fn hardsigmoid(&self) -> Var {
        let fused = activation::hardsigmoid_backward;
        with_kernel("HardsigmoidBackward0", self.value.hardsigmoid(), self, fused, |grad, x| {
            // PyTorch asks whether an element is inside, which NaN is not.
            let inside = x.value.gt(-3.0).logical_and(x.value.lt(3.0));
            (grad / 6.0).masked_fill(&inside.logical_not(), 0.0)
        })
    }

    /// `x` times [`Var::hardsigmoid`].
    #[track_caller]
    pub fn hardswish(&self) -> Var {
        let fused = activation::hardswish_backward;
        with_kernel("HardswishBackward0", self.value.hardswish(), self, fused, |grad, x| {
            let rise = (grad * (x / 3.0 + 0.5)).masked_fill(&x.value.le(-3.0), 0.0);
            Var::where_(&x.value.ge(3.0), grad, rise)
        })
    }

    /// 0 where the element is between `-lambd` and `lambd`, else the element.
    #[track_caller]
    pub fn hardshrink(&self, lambd: f64) -> Var {
        self.shrunk("HardshrinkBackward0", self.value.hardshrink(lambd), lambd)
    }

    /// 0 where the element is between `-lambd` and `lambd`, else nearer to 0 by `lambd`.
    ///
    /// # Panics
    /// If `lambd` is negative.
    #[track_caller]
    pub fn softshrink(&self, lambd: f64) -> Var {
        self.shrunk("SoftshrinkBackward0", self.value.softshrink(lambd), lambd)
    }

    #[track_caller]
    fn shrunk(&self, name: &'static str, value: Tensor, lambd: f64) -> Var {
        let fused = move |grad, x: &Tensor| activation::shrink_backward(grad, x, lambd);
        with_kernel(name, value, self, fused, move |grad, x| {
            grad.masked_fill(&x.value.lt(-lambd).logical_or(x.value.gt(lambd)).logical_not(), 0.0)
        })
    }

    /// [`Tensor::threshold`].
    #[track_caller]
    pub fn threshold(&self, threshold: f64, value: f64) -> Var {
        op::record("ThresholdBackward0", self.value.threshold(threshold, value), [self], || {
            let low = self.value.le(threshold);
            move |_: &Context<'_>, grad: &Var| [Some(grad.masked_fill(&low, 0.0))]
        })
    }

    /// [`Var::elu`] with a slope that is continuous: `alpha (e^(x / alpha) - 1)` below 0 (PyTorch's default `alpha` is 1).
    ///
    /// # Panics
    /// If `alpha` is 0.
    #[track_caller]
    pub fn celu(&self, alpha: f64) -> Var {
        let fused = move |grad, x: &Tensor| activation::celu_backward(grad, x, alpha);
        with_kernel("CeluBackward0", self.value.celu(alpha), self, fused, move |grad, x| {
            let below = x.value.le(0.0);
            let low = (x.masked_fill(&x.value.ge(0.0), 0.0) / alpha).exp();
            Var::where_(&below, grad * low, grad)
        })
    }

    /// The scaled [`Var::elu`] that keeps mean 0 and variance 1: `λ x` above 0, `λ α (e^x - 1)` below.
    #[track_caller]
    pub fn selu(&self) -> Var {
        let fused = |grad: Tensor, x: &Tensor| activation::elu_backward(grad, x, SELU_ALPHA).mul(SELU_SCALE);
        with_kernel("EluBackward0", self.value.selu(), self, fused, |grad, x| {
            let below = x.value.le(0.0);
            let low = x.masked_fill(&x.value.ge(0.0), 0.0).exp() * SELU_ALPHA;
            Var::where_(&below, grad * low, grad) * SELU_SCALE
        })
    }

    /// The logarithm of [`Var::sigmoid`], exact far out.
    #[track_caller]
    pub fn logsigmoid(&self) -> Var {
        let fused = activation::logsigmoid_backward;
        with_kernel("LogSigmoidBackward0", self.value.logsigmoid(), self, fused, |grad, x| grad * (-x).sigmoid())
    }

    /// `x tanh(softplus(x))` (Misra, 2019).
    #[track_caller]
    pub fn mish(&self) -> Var {
        with_kernel("MishBackward0", self.value.mish(), self, activation::mish_backward, |grad, x| {
            let tanh = x.softplus(1.0, 40.0).tanh();
            grad * (&tanh + x * x.sigmoid() * (1.0 - &tanh * &tanh))
        })
    }

    /// [`Tensor::prelu`].
    #[track_caller]
    pub fn prelu(&self, weight: &Var) -> Var {
        let value = self.value.prelu(&weight.value);
        // One weight for all, or along the axis of channels.
        let weight = match weight.numel() {
            1 => weight.reshape([0isize; 0]),
            count => {
                let mut along = vec![1; self.rank().max(2) - 1];
                along[0] = count as isize;
                weight.reshape(along)
            }
        };
        let weight = weight.expand_as(self);
        op::record("PreluKernelBackward0", value, [self, &weight], || {
            let (x, weight) = (self.clone(), weight.clone());
            // Each element has its share in one of both only, so that a NaN of the other does not reach it.
            move |ctx: &Context<'_>, grad: &Var| {
                let above = x.value.gt(0.0);
                [
                    ctx.needs(0).then(|| Var::where_(&above, grad, grad * &weight)),
                    ctx.needs(1).then(|| (grad * &x).masked_fill(&above, 0.0)),
                ]
            }
        })
    }

    /// [`Tensor::rrelu`]; the gradient has the same slopes.
    #[track_caller]
    pub fn rrelu(&self, lower: f64, upper: f64) -> Var {
        let slopes = self.value.rrelu_slopes(lower, upper);
        op::record("RreluWithNoiseBackward0", self.value.mul(&slopes), [self], || {
            move |_: &Context<'_>, grad: &Var| [Some(grad * &slopes)]
        })
    }

    /// A sample of classes that can be differentiated: the softmax of logits with Gumbel's noise, as
    /// `torch.nn.functional.gumbel_softmax` draws it (Jang, Gu and Poole, 2017).
    #[track_caller]
    pub fn gumbel_softmax(&self, options: &GumbelOptions) -> Var {
        let mut noise = self.value.contiguous().zeros_like();
        noise.exponential_(1.0);
        let soft = ((self - noise.log()) / options.tau).softmax(options.dim);
        if !options.hard {
            return soft;
        }
        let (_, index) = soft.value.max_dim_keepdim(options.dim);
        let hard = soft.value.zeros_like().scatter_value(options.dim, &index, 1.0);
        // Ones and zeros with the gradient of the soft sample.
        Var::from(hard.sub(&soft.value)) + soft
    }
}

/// What [`Var::gumbel_softmax`] takes; the default is PyTorch's.
#[derive(Clone, Copy, Debug)]
pub struct GumbelOptions {
    /// The temperature: 1.
    pub tau: f64,
    /// Whether samples are ones and zeros with the gradient of soft ones: no.
    pub hard: bool,
    /// The axis of classes: -1.
    pub dim: isize,
}

impl Default for GumbelOptions {
    fn default() -> GumbelOptions {
        GumbelOptions { tau: 1.0, hard: false, dim: -1 }
    }
}

/// Where elements are not between the bounds, as NaN is not.
fn outside(x: &Tensor, min: f64, max: f64) -> Tensor {
    x.gt(min).logical_and(x.lt(max)).logical_not()
}

/// Records a ReLU that the value of `x` has been through already. The node of `x` must not be one whose rule needs its output.
///
/// Were the operation before and the ReLU one node, the mask would be held while the operation's gradients are computed: 10 MB
/// more at the peak of a small VGG's step.
#[track_caller]
pub(crate) fn through_relu(x: &Var) -> Var {
    let y = &x.value;
    op::record_consuming("ReluBackward0", y.clone(), x, || {
        let y = y.clone();
        move |_: &Context<'_>, grad: Var| match is_grad_enabled() {
            true => grad.masked_fill(&y.le(0.0), 0.0),
            false => Var::from(activation::relu_backward(grad.value, &y)),
        }
    })
}

pub(crate) fn catalog() -> Vec<Entry> {
    type F = fn(&Var) -> Var;
    let rows: &[(&'static str, &'static str, F)] = &[
        ("hardtanh", "HardtanhBackward0", |x| x.hardtanh(-0.5, 0.9)),
        ("relu6", "HardtanhBackward0", |x| (x * 5.0).relu6()),
        ("hardsigmoid", "HardsigmoidBackward0", |x| (x * 2.5).hardsigmoid()),
        ("hardswish", "HardswishBackward0", |x| (x * 2.5).hardswish()),
        ("hardshrink", "HardshrinkBackward0", |x| x.hardshrink(0.5)),
        ("softshrink", "SoftshrinkBackward0", |x| x.softshrink(0.5)),
        ("tanhshrink", "SubBackward0", |x| x.tanhshrink()),
        ("threshold", "ThresholdBackward0", |x| x.threshold(0.1, 2.0)),
        ("celu", "CeluBackward0", |x| x.celu(0.7)),
        ("selu", "EluBackward0", |x| x.selu()),
        ("logsigmoid", "LogSigmoidBackward0", |x| x.logsigmoid()),
        ("mish", "MishBackward0", |x| x.mish()),
        ("softsign", "DivBackward0", |x| x.softsign()),
    ];
    let unary = rows.iter().map(|&(name, grad_fn, f)| Entry::unary(name, grad_fn, domain(-2.0, 2.0), f));
    let shaped = [
        Entry::shaped("softmin", "SoftmaxBackward0", &[&[2, 3]], |x| x[0].softmin(1)).sizes("n m l0"),
        Entry::shaped("glu", "", &[&[2, 4, 3]], |x| x[0].glu(1)).sizes("n 2m l0"),
        Entry::shaped("prelu", "", &[&[2, 3, 2], &[3]], |x| x[0].prelu(&x[1])).sizes("n c l0, c"),
        // Drawn anew from the same seed at each call, so that it is a function.
        Entry::shaped("rrelu", "RreluWithNoiseBackward0", &[&[2, 3]], |x| seeded(|| x[0].contiguous().rrelu(0.1, 0.4)))
            .sizes("..."),
        Entry::shaped("gumbel_softmax", "SoftmaxBackward0", &[&[2, 3]], |x| {
            seeded(|| x[0].gumbel_softmax(&GumbelOptions { tau: 0.7, ..Default::default() }))
        })
        .sizes("... n"),
    ];
    unary.chain(shaped).collect()
}
