//! Convolution. It is bilinear, so its two adjoints are each other's and its own derivatives, to any order.

use crate::catalog::Entry;
use crate::op::Context;
use crate::ops::activation::through_relu;
use crate::{Var, op};
use wengert_tensor::{Conv2dOptions, Tensor, conv};

impl Var {
    /// [`Tensor::conv2d`](wengert_tensor::Tensor::conv2d).
    #[track_caller]
    pub fn conv2d(&self, weight: &Var, bias: Option<&Var>, options: &Conv2dOptions) -> Var {
        let value = self.value.conv2d(&weight.value, bias.map(|b| &b.value), options);
        self.convolved(value, weight, bias, options)
    }

    /// [`Tensor::conv2d_relu`](wengert_tensor::Tensor::conv2d_relu): [`Var::conv2d`] followed by [`Var::relu`], in one pass over
    /// the result. Values, gradients and graph are the same.
    #[track_caller]
    pub fn conv2d_relu(&self, weight: &Var, bias: Option<&Var>, options: &Conv2dOptions) -> Var {
        let value = self.value.conv2d_relu(&weight.value, bias.map(|b| &b.value), options);
        through_relu(&self.convolved(value, weight, bias, options))
    }

    /// Records `value` as the result of [`Var::conv2d`].
    #[track_caller]
    fn convolved(&self, value: Tensor, weight: &Var, bias: Option<&Var>, options: &Conv2dOptions) -> Var {
        let options = *options;
        let nodes = [self.node.as_ref(), weight.node.as_ref(), bias.and_then(|b| b.node.as_ref())];
        op::record_nodes("ConvolutionBackward0", value, nodes, || {
            let x = weight.node.is_some().then(|| self.clone());
            let w = self.node.is_some().then(|| weight.clone());
            move |ctx: &Context<'_>, grad: &Var| {
                let input = w.as_ref().filter(|_| ctx.needs(0)).map(|w| input_grad(ctx.shape(0), w, grad, &options));
                let weight = x.as_ref().filter(|_| ctx.needs(1)).map(|x| weight_grad(x, ctx.shape(1), grad, &options));
                let bias = ctx.needs(2).then(|| if grad.rank() == 4 { grad.sum([0, 2, 3]) } else { grad.sum([1, 2]) });
                [input, weight, bias]
            }
        })
    }

    /// [`Tensor::conv2d_input`].
    #[doc(hidden)]
    #[track_caller]
    pub fn conv2d_input(&self, shape: &[usize], weight: &Var, options: &Conv2dOptions) -> Var {
        input_grad_of(self.value.conv2d_input(shape, &weight.value, options), weight, self, options)
    }
}

/// The gradient of a convolution with respect to its input: the transposed convolution.
#[track_caller]
fn input_grad(shape: &[usize], weight: &Var, grad: &Var, options: &Conv2dOptions) -> Var {
    let value = conv::conv2d_input_grad(shape, &weight.value, &grad.value, options);
    input_grad_of(value, weight, grad, options)
}

#[track_caller]
fn input_grad_of(value: Tensor, weight: &Var, grad: &Var, options: &Conv2dOptions) -> Var {
    let options = *options;
    op::record("ConvolutionBackwardBackward0", value, [weight, grad], || {
        let (w, g) = (weight.clone(), grad.clone());
        move |ctx: &Context<'_>, h: &Var| {
            [
                ctx.needs(0).then(|| weight_grad(h, w.shape(), &g, &options)),
                ctx.needs(1).then(|| h.conv2d(&w, None, &options)),
            ]
        }
    })
}

#[track_caller]
fn weight_grad(x: &Var, shape: &[usize], grad: &Var, options: &Conv2dOptions) -> Var {
    let options = *options;
    let value = conv::conv2d_weight_grad(&x.value, shape, &grad.value, &options);
    op::record("ConvolutionBackwardBackward0", value, [x, grad], || {
        let (x, g) = (x.clone(), grad.clone());
        move |ctx: &Context<'_>, h: &Var| {
            [
                ctx.needs(0).then(|| input_grad(x.shape(), h, &g, &options)),
                ctx.needs(1).then(|| x.conv2d(h, None, &options)),
            ]
        }
    })
}

pub(crate) fn catalog() -> Vec<Entry> {
    let row = |name, sizes: &str, shapes: &[&[usize]], options: Conv2dOptions| {
        Entry::shaped(name, "ConvolutionBackward0", shapes, move |x| x[0].conv2d(&x[1], x.get(2), &options))
            .sizes(sizes)
    };
    let fused = |name, sizes: &str, shapes: &[&[usize]], options: Conv2dOptions| {
        Entry::shaped(name, "ReluBackward0", shapes, move |x| x[0].conv2d_relu(&x[1], x.get(2), &options)).sizes(sizes)
    };
    let plain = Conv2dOptions::default();
    vec![
        fused("conv2d_relu", "n c h2 w2, o c 2 2, o", &[&[2, 2, 3, 4], &[3, 2, 2, 2], &[3]], plain),
        fused("conv2d_relu of one image, without bias", "c h4 w4, o c a b", &[&[1, 3, 3], &[2, 1, 2, 2]], plain),
        row("conv2d", "n c h2 w2, o c 2 2, o", &[&[2, 2, 3, 4], &[3, 2, 2, 2], &[3]], plain),
        row("conv2d of one image", "c h4 w4, o c a b", &[&[1, 3, 3], &[2, 1, 2, 2]], plain),
        row(
            "conv2d with stride, padding and dilation",
            "n c h2 w3, o c 2 2, o",
            &[&[1, 1, 5, 4], &[1, 1, 2, 2], &[1]],
            Conv2dOptions { stride: [2, 1], padding: [1, 0], dilation: [1, 2], groups: 1 },
        ),
        row(
            "conv2d in groups",
            "n 2c h2 w2, 2o c 2 2, 2o",
            &[&[1, 4, 3, 3], &[2, 2, 2, 2], &[2]],
            Conv2dOptions { groups: 2, ..plain },
        ),
    ]
}
