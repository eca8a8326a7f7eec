//! Pooling. Means are linear, so their adjoints differentiate them to any order; maxima go by positions.

use crate::catalog::Entry;
use crate::op::Context;
use crate::{Var, op};
use wengert_tensor::pool::{self, AvgPool2dOptions, Pool2dOptions};
use wengert_tensor::shape::Shape;
use wengert_tensor::{Conv2dOptions, Tensor};

impl Var {
    /// The maxima of [`Tensor::max_pool2d`]. The gradient goes to the first maximum of each window.
    #[track_caller]
    pub fn max_pool2d(&self, options: &Pool2dOptions) -> Var {
        if !op::records(&[self]) {
            return Var::from(pool::max_pool2d_values(&self.value, options));
        }
        let (value, positions) = pool::max_pool2d(&self.value, options);
        let rank = self.rank();
        let size = [self.shape()[rank - 2], self.shape()[rank - 1]];
        op::record("MaxPool2DWithIndicesBackward0", value, [self], || {
            move |_: &Context<'_>, grad: &Var| [Some(scatter(grad, &positions, size))]
        })
    }

    /// [`Tensor::avg_pool2d`].
    #[track_caller]
    pub fn avg_pool2d(&self, options: &AvgPool2dOptions) -> Var {
        let (options, shape) = (*options, Shape::from_slice(self.shape()));
        op::record("AvgPool2DBackward0", self.value.avg_pool2d(&options), [self], || {
            move |_: &Context<'_>, grad: &Var| {
                let value = pool::avg_pool2d_backward(&grad.value, &shape, &options);
                [Some(op::record("AvgPool2DBackwardBackward0", value, [grad], || {
                    move |_: &Context<'_>, h: &Var| [Some(h.avg_pool2d(&options))]
                }))]
            }
        })
    }

    /// [`Tensor::adaptive_avg_pool2d`]. As in PyTorch, one window is a mean over both axes.
    #[track_caller]
    pub fn adaptive_avg_pool2d(&self, output: [Option<usize>; 2]) -> Var {
        if output == [Some(1), Some(1)] && (self.rank() == 3 || self.rank() == 4) && self.numel() > 0 {
            return self.mean_keepdim([-2, -1]);
        }
        let shape = Shape::from_slice(self.shape());
        op::record("AdaptiveAvgPool2DBackward0", self.value.adaptive_avg_pool2d(output), [self], || {
            move |_: &Context<'_>, grad: &Var| {
                let value = pool::adaptive_avg_pool2d_backward(&grad.value, &shape);
                [Some(op::record("AdaptiveAvgPool2DBackwardBackward0", value, [grad], || {
                    move |_: &Context<'_>, h: &Var| [Some(h.adaptive_avg_pool2d(output))]
                }))]
            }
        })
    }
}

/// Gradients put at positions of zero images; its own adjoint takes them from there.
#[track_caller]
fn scatter(grad: &Var, positions: &Tensor, size: [usize; 2]) -> Var {
    let value = pool::max_pool2d_backward(&grad.value, positions, size);
    op::record("MaxPool2DWithIndicesBackwardBackward0", value, [grad], || {
        let positions = positions.clone();
        move |_: &Context<'_>, h: &Var| [Some(gather(h, &positions))]
    })
}

#[track_caller]
fn gather(x: &Var, positions: &Tensor) -> Var {
    let rank = x.rank();
    let size = [x.shape()[rank - 2], x.shape()[rank - 1]];
    op::record("GatherBackward0", pool::max_pool2d_gather(&x.value, positions), [x], || {
        let positions = positions.clone();
        move |_: &Context<'_>, grad: &Var| [Some(scatter(grad, &positions, size))]
    })
}

pub(crate) fn catalog() -> Vec<Entry> {
    let max = |name, sizes: &str, shape: &[usize], options: Pool2dOptions| {
        Entry::shaped(name, "MaxPool2DWithIndicesBackward0", &[shape], move |x| x[0].max_pool2d(&options)).sizes(sizes)
    };
    let avg = |name, sizes: &str, shape: &[usize], options: AvgPool2dOptions| {
        Entry::shaped(name, "AvgPool2DBackward0", &[shape], move |x| x[0].avg_pool2d(&options)).sizes(sizes)
    };
    let two = Pool2dOptions::new([2, 2]);
    let overlapping =
        Pool2dOptions { stride: Some([2, 1]), padding: [1, 1], ceil_mode: true, ..Pool2dOptions::new([3, 2]) };
    let means = AvgPool2dOptions::new([2, 2]);
    let inner = AvgPool2dOptions { padding: [1, 1], count_include_pad: false, stride: Some([1, 2]), ..means };
    vec![
        max("max_pool2d", "n c h2 w2", &[2, 2, 4, 4], two),
        max("max_pool2d with overlap and padding", "c h w", &[2, 5, 4], overlapping),
        max("max_pool2d with dilation", "n c h3 w3", &[1, 1, 5, 5], Pool2dOptions { dilation: [2, 2], ..two }),
        avg("avg_pool2d", "n c h2 w2", &[2, 2, 4, 5], means),
        avg("avg_pool2d without the border", "c h w", &[1, 3, 4], inner),
        avg(
            "avg_pool2d with a divisor",
            "n c h2 w2",
            &[1, 1, 4, 4],
            AvgPool2dOptions { divisor_override: Some(3), ..means },
        ),
        Entry::shaped("adaptive_avg_pool2d", "AdaptiveAvgPool2DBackward0", &[&[1, 2, 5, 4]], |x| {
            x[0].adaptive_avg_pool2d([Some(3), None])
        })
        .sizes("n c h w"),
        Entry::shaped("adaptive_avg_pool2d to one", "MeanBackward1", &[&[2, 2, 3, 4]], |x| {
            x[0].adaptive_avg_pool2d([Some(1), Some(1)])
        })
        .sizes("n c h w"),
        // A pooled convolution: positions and values change together.
        Entry::shaped(
            "max_pool2d of conv2d",
            "MaxPool2DWithIndicesBackward0",
            &[&[1, 1, 5, 5], &[2, 1, 2, 2]],
            move |x| x[0].conv2d(&x[1], None, &Conv2dOptions::default()).max_pool2d(&two),
        )
        .sizes("n c h3 w3, o c 2 2"),
    ]
}
