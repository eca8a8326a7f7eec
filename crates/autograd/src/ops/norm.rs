//! Normalisation. Where no graph of the pass is made, all gradients of a layer are one fused kernel.

use crate::catalog::Entry;
use crate::op::Context;
use crate::ops::activation::through_relu;
use crate::{Var, is_grad_enabled, op};
use wengert_tensor::{DType, Tensor, norm};

/// What [`Var::batch_norm`] returns.
#[derive(Clone)]
pub struct BatchNorm {
    /// The normalised `Var`.
    pub output: Var,
    /// The mean of each channel; `f32` for halves.
    pub mean: Tensor,
    /// The biased variance of each channel; `f32` for halves.
    pub var: Tensor,
}

/// Scale, shift and what is added to the variance: the same for every kind of normalisation.
#[derive(Clone, Copy)]
struct Affine<'a> {
    weight: Option<&'a Var>,
    bias: Option<&'a Var>,
    eps: f64,
}

impl Var {
    /// Normalises each channel (axis 1) by the batch's own statistics, then scales and shifts it
    /// ([`norm::batch_norm`]): `torch.nn.functional.batch_norm` in training.
    ///
    /// # Panics
    /// As [`norm::batch_norm`].
    #[track_caller]
    pub fn batch_norm(&self, weight: Option<&Var>, bias: Option<&Var>, eps: f64) -> BatchNorm {
        let [w, b] = [weight, bias].map(|p| p.map(Var::value));
        let norm::BatchNorm { output, mean, var } = norm::batch_norm(&self.value, w, b, eps);
        let output = self.channels_normalised(output, false, (&mean, &var), Affine { weight, bias, eps });
        BatchNorm { output, mean, var }
    }

    /// [`Var::batch_norm`] whose output goes through [`Var::relu`], in one pass ([`norm::batch_norm_relu`]). Values, gradients
    /// and graph are the same.
    ///
    /// # Panics
    /// As [`norm::batch_norm`].
    #[track_caller]
    pub fn batch_norm_relu(&self, weight: Option<&Var>, bias: Option<&Var>, eps: f64) -> BatchNorm {
        let [w, b] = [weight, bias].map(|p| p.map(Var::value));
        let norm::BatchNorm { output, mean, var } = norm::batch_norm_relu(&self.value, w, b, eps);
        let output = self.channels_normalised(output, false, (&mean, &var), Affine { weight, bias, eps });
        BatchNorm { output: through_relu(&output), mean, var }
    }

    /// Normalises each channel by given statistics ([`norm::batch_norm_eval`]): `torch.nn.functional.batch_norm` in
    /// evaluation.
    ///
    /// # Panics
    /// As [`norm::batch_norm_eval`].
    #[track_caller]
    pub fn batch_norm_eval(
        &self,
        mean: &Tensor,
        var: &Tensor,
        weight: Option<&Var>,
        bias: Option<&Var>,
        eps: f64,
    ) -> Var {
        let [w, b] = [weight, bias].map(|p| p.map(Var::value));
        let output = norm::batch_norm_eval(&self.value, mean, var, w, b, eps);
        self.channels_normalised(output, true, (mean, var), Affine { weight, bias, eps })
    }

    /// [`Var::batch_norm_eval`] followed by [`Var::relu`], in one pass ([`norm::batch_norm_eval_relu`]). Values, gradients and
    /// graph are the same.
    ///
    /// # Panics
    /// As [`norm::batch_norm_eval`].
    #[track_caller]
    pub fn batch_norm_eval_relu(
        &self,
        mean: &Tensor,
        var: &Tensor,
        weight: Option<&Var>,
        bias: Option<&Var>,
        eps: f64,
    ) -> Var {
        let [w, b] = [weight, bias].map(|p| p.map(Var::value));
        let output = norm::batch_norm_eval_relu(&self.value, mean, var, w, b, eps);
        through_relu(&self.channels_normalised(output, true, (mean, var), Affine { weight, bias, eps }))
    }

    /// Records `output`, which is this normalised by `statistics`: given ones if `fixed`, else the batch's own.
    #[track_caller]
    fn channels_normalised(
        &self,
        output: Tensor,
        fixed: bool,
        (mean, var): (&Tensor, &Tensor),
        Affine { weight, bias, eps }: Affine<'_>,
    ) -> Var {
        let nodes = [Some(self), weight, bias].map(|x| x.and_then(|x| x.node.as_ref()));
        op::record_nodes("NativeBatchNormBackward0", output, nodes, || {
            let (x, weight) = (self.clone(), weight.cloned());
            let (mean, var) = (mean.clone(), var.clone());
            move |ctx: &Context<'_>, grad: &Var| {
                if is_grad_enabled() {
                    let statistics = fixed.then_some((&mean, &var));
                    return batch_rule(ctx, grad, &x, weight.as_ref(), statistics, eps);
                }
                let fused = if fixed { norm::batch_norm_eval_backward } else { norm::batch_norm_backward };
                let grads = fused(&grad.value, &x.value, &mean, &var, weight.as_ref().map(Var::value), eps);
                wanted(ctx, [grads.input, grads.weight, grads.bias])
            }
        })
    }

    /// Normalises over the last axes, which must have the sizes of `shape`, then scales and shifts
    /// ([`norm::layer_norm`]): `torch.nn.functional.layer_norm`.
    ///
    /// # Panics
    /// As [`norm::layer_norm`].
    #[track_caller]
    pub fn layer_norm(&self, shape: &[usize], weight: Option<&Var>, bias: Option<&Var>, eps: f64) -> Var {
        let [w, b] = [weight, bias].map(|p| p.map(Var::value));
        let norm::LayerNorm { output, mean, rstd } = norm::layer_norm(&self.value, shape, w, b, eps);
        let nodes = [Some(self), weight, bias].map(|x| x.and_then(|x| x.node.as_ref()));
        let axes = shape.len();
        op::record_nodes("NativeLayerNormBackward0", output, nodes, || {
            let (x, weight) = (self.clone(), weight.cloned());
            move |ctx: &Context<'_>, grad: &Var| {
                if is_grad_enabled() {
                    return layer_rule(ctx, grad, &x, weight.as_ref(), axes, eps);
                }
                let w = weight.as_ref().map(Var::value);
                let grads = norm::layer_norm_backward(&grad.value, &x.value, axes, &mean, &rstd, w);
                wanted(ctx, [grads.input, grads.weight, grads.bias])
            }
        })
    }
}

/// The gradients that are asked for.
pub(super) fn wanted(ctx: &Context<'_>, grads: [Tensor; 3]) -> [Option<Var>; 3] {
    let mut index = 0;
    grads.map(|grad| {
        index += 1;
        ctx.needs(index - 1).then(|| Var::from(grad))
    })
}

/// The gradients in operations that can be differentiated: statistics of the batch are computed anew from `x`.
#[track_caller]
fn batch_rule(
    ctx: &Context<'_>,
    grad: &Var,
    x: &Var,
    weight: Option<&Var>,
    fixed: Option<(&Tensor, &Tensor)>,
    eps: f64,
) -> [Option<Var>; 3] {
    let axes: Vec<isize> = (0..x.rank() as isize).filter(|&axis| axis != 1).collect();
    let mut shape = vec![1; x.rank()];
    shape[1] = x.shape()[1];
    let along = |values: &Var| values.to(x.dtype()).reshape(shape.as_slice());
    let (centred, inverse) = match fixed {
        Some((mean, var)) => (x - along(&mean.into()), (along(&var.into()) + eps).rsqrt()),
        None => {
            let centred = x - x.mean_keepdim(axes.as_slice());
            let inverse = (centred.square().mean_keepdim(axes.as_slice()) + eps).rsqrt();
            (centred, inverse)
        }
    };
    let normal = centred * &inverse;
    let input = ctx.needs(0).then(|| {
        let upstream = weight.map_or_else(|| grad.clone(), |weight| grad * along(weight));
        match fixed {
            Some(_) => &upstream * &inverse,
            None => pull(&upstream, &normal, &inverse, &axes),
        }
    });
    [
        input,
        ctx.needs(1).then(|| (grad * &normal).sum(axes.as_slice())),
        ctx.needs(2).then(|| grad.sum(axes.as_slice())),
    ]
}

/// The same for [`Var::layer_norm`] over the last `count` axes.
#[track_caller]
fn layer_rule(
    ctx: &Context<'_>,
    grad: &Var,
    x: &Var,
    weight: Option<&Var>,
    count: usize,
    eps: f64,
) -> [Option<Var>; 3] {
    let rank = x.rank();
    let axes: Vec<isize> = ((rank - count) as isize..rank as isize).collect();
    let centred = x - x.mean_keepdim(axes.as_slice());
    let inverse = (centred.square().mean_keepdim(axes.as_slice()) + eps).rsqrt();
    let normal = centred * &inverse;
    let input = ctx.needs(0).then(|| {
        let upstream = weight.map_or_else(|| grad.clone(), |weight| grad * weight.to(x.dtype()));
        pull(&upstream, &normal, &inverse, &axes)
    });
    // The pass sums what is left over the axes along which they were broadcast.
    [input, ctx.needs(1).then(|| grad * &normal), ctx.needs(2).then(|| grad.clone())]
}

/// `(g - mean(g) - n·mean(g n))·inverse`: the gradient through a normalisation over `axes` whose result is `n`.
#[track_caller]
pub(super) fn pull(grad: &Var, normal: &Var, inverse: &Var, axes: &[isize]) -> Var {
    let centred = grad - grad.mean_keepdim(axes);
    let along = (grad * normal).mean_keepdim(axes);
    (centred - normal * along) * inverse
}

pub(crate) fn catalog() -> Vec<Entry> {
    let batch = |name, sizes: &str, shapes: &[&[usize]]| {
        Entry::shaped(name, "NativeBatchNormBackward0", shapes, |x| x[0].batch_norm(x.get(1), x.get(2), 0.1).output)
            .sizes(sizes)
    };
    let fixed = |name, sizes: &str, shapes: &[&[usize]]| {
        Entry::shaped(name, "NativeBatchNormBackward0", shapes, |x| {
            let channels = x[0].shape()[1];
            let of = |low: f64, step: f64| -> Tensor {
                Tensor::from_vec((0..channels).map(|c| low + step * c as f64).collect(), [channels])
            };
            x[0].batch_norm_eval(&of(-0.2, 0.3), &of(0.7, 0.5), x.get(1), x.get(2), 0.1)
        })
        .sizes(sizes)
    };
    let layer = |name, sizes: &str, shapes: &[&[usize]], count: usize| {
        Entry::shaped(name, "NativeLayerNormBackward0", shapes, move |x| {
            let shape = &x[0].shape()[x[0].rank() - count..];
            x[0].layer_norm(shape, x.get(1), x.get(2), 0.1)
        })
        .sizes(sizes)
    };
    let raised = |x: &[Var]| x[0].batch_norm_relu(x.get(1), x.get(2), 0.1).output;
    let fixed_raised = |x: &[Var]| {
        let of = |value: f64| Tensor::full([x[0].shape()[1]], value, DType::F64);
        x[0].batch_norm_eval_relu(&of(-0.2), &of(0.7), x.get(1), x.get(2), 0.1)
    };
    vec![
        Entry::shaped("batch_norm_relu", "ReluBackward0", &[&[3, 2, 2, 2], &[2], &[2]], raised).sizes("n2 c l m, c, c"),
        Entry::shaped("batch_norm_eval_relu", "ReluBackward0", &[&[2, 3, 2], &[3], &[3]], fixed_raised)
            .sizes("n c l, c, c"),
        batch("batch_norm", "n2 c l m, c, c", &[&[3, 2, 2, 2], &[2], &[2]]),
        batch("batch_norm of points", "n2 c, c, c", &[&[4, 3], &[3], &[3]]),
        batch("batch_norm without shift", "n2 c l, c", &[&[2, 2, 3], &[2]]),
        batch("batch_norm alone", "n2 c 1 d 1", &[&[2, 2, 1, 2, 1]]),
        fixed("batch_norm_eval", "n c l, c, c", &[&[2, 3, 2], &[3], &[3]]),
        fixed("batch_norm_eval alone", "n c", &[&[3, 2]]),
        layer("layer_norm", "... k2, k, k", &[&[2, 2, 3], &[3], &[3]], 1),
        layer("layer_norm over two axes", "... m k2, m k, m k", &[&[2, 2, 3], &[2, 3], &[2, 3]], 2),
        layer("layer_norm without shift", "... k2, k", &[&[3, 4], &[4]], 1),
        layer("layer_norm alone", "... k2", &[&[2, 5]], 1),
    ]
}
