//! Normalisation of groups of channels, of single channels, by the root mean square, and across channels.

use super::norm::{pull, wanted};
use crate::catalog::Entry;
use crate::op::Context;
use crate::{Var, is_grad_enabled, op};
use wengert_tensor::{DType, bug, norm};

/// A parameter of each channel (axis 1), to broadcast over `rank` axes.
fn per_channel(p: &Var, rank: usize) -> Var {
    let mut shape = vec![1; rank];
    shape[1] = p.numel();
    p.reshape(&shape[..])
}

/// The gradients of [`Var::group_norm`] in operations that can be differentiated: statistics are computed anew from `x`.
#[track_caller]
fn group_rule(
    ctx: &Context<'_>,
    grad: &Var,
    x: &Var,
    groups: usize,
    weight: Option<&Var>,
    eps: f64,
) -> [Option<Var>; 3] {
    let rows = x.shape()[0] * groups;
    let by_group = |x: &Var| x.reshape([rows, x.numel() / rows]);
    let grouped = by_group(x);
    let centred = &grouped - grouped.mean_keepdim(1);
    let inverse = (centred.square().mean_keepdim(1) + eps).rsqrt();
    let normal = centred * &inverse;
    let axes: Vec<isize> = (0..x.rank() as isize).filter(|&axis| axis != 1).collect();
    let input = ctx.needs(0).then(|| {
        let upstream = weight.map_or_else(|| grad.clone(), |weight| grad * per_channel(weight, x.rank()));
        pull(&by_group(&upstream), &normal, &inverse, &[1]).reshape(x.shape())
    });
    let along = |parameter: Var| parameter.sum(&axes[..]);
    [input, ctx.needs(1).then(|| along(grad * normal.reshape(x.shape()))), ctx.needs(2).then(|| along(grad.clone()))]
}

impl Var {
    fn affine(self, weight: Option<&Var>, bias: Option<&Var>) -> Var {
        let rank = self.rank();
        let scaled = weight.map_or(self.clone(), |w| self * per_channel(w, rank));
        bias.map_or(scaled.clone(), |b| scaled + per_channel(b, rank))
    }

    /// Normalises groups of channels (axis 1) of each sample, then scales and shifts each channel.
    ///
    /// # Panics
    /// If the channels do not divide into `groups`.
    #[track_caller]
    pub fn group_norm(&self, groups: usize, weight: Option<&Var>, bias: Option<&Var>, eps: f64) -> Var {
        if self.rank() < 2 {
            bug!("", "Expected at least 2 dimensions for input tensor but received {}", self.rank());
        }
        let c = self.shape()[1];
        if groups == 0 || !c.is_multiple_of(groups) {
            bug!(
                "",
                "Expected number of channels in input to be divisible by num_groups, but got input of shape {:?} and num_groups={groups}",
                self.shape()
            );
        }
        for (name, p) in [("weight", weight), ("bias", bias)] {
            if let Some(p) = p.filter(|p| p.shape() != [c]) {
                bug!(
                    "",
                    "Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of shape {:?} and \
                     input of shape {:?}",
                    p.shape(),
                    self.shape()
                );
            }
        }
        let inner: usize = self.shape()[2..].iter().product();
        if c == 0 {
            bug!("", "Expected number of channels to be greater than 0, got 0");
        }
        if inner == 0 {
            bug!("", "Expected HxW to be greater than 0, got 0");
        }
        if self.numel() == 0 {
            return self.clone().affine(weight, bias);
        }
        if self.dtype() != self.dtype().unrounded() {
            // Halves are rounded once.
            let wide = |x: &Var| x.to(DType::F32);
            let (weight, bias) = (weight.map(wide), bias.map(wide));
            return wide(self).group_norm(groups, weight.as_ref(), bias.as_ref(), eps).to(self.dtype());
        }
        let [w, b] = [weight, bias].map(|p| p.map(Var::value));
        let norm::LayerNorm { output, mean, rstd } = norm::group_norm(&self.value, groups, w, b, eps);
        let nodes = [Some(self), weight, bias].map(|x| x.and_then(|x| x.node.as_ref()));
        op::record_nodes("NativeGroupNormBackward0", output, nodes, || {
            let (x, weight) = (self.clone(), weight.cloned());
            move |ctx: &Context<'_>, grad: &Var| {
                if is_grad_enabled() {
                    return group_rule(ctx, grad, &x, groups, weight.as_ref(), eps);
                }
                let w = weight.as_ref().map(Var::value);
                let grads = norm::group_norm_backward(&grad.value, &x.value, groups, &mean, &rstd, w);
                wanted(ctx, [grads.input, grads.weight, grads.bias])
            }
        })
    }

    /// Normalises each channel (axis 1) of each sample by its own statistics, then scales and shifts it.
    ///
    /// # Panics
    /// If there are no axes behind the channels, or one element only.
    #[track_caller]
    pub fn instance_norm(&self, weight: Option<&Var>, bias: Option<&Var>, eps: f64) -> Var {
        if self.rank() < 3 {
            bug!("", "instance_norm: expected at least 3 dimensions, got {}", self.rank());
        }
        let (n, c) = (self.shape()[0], self.shape()[1]);
        let size: usize = self.shape()[2..].iter().product();
        if size == 1 {
            bug!("", "Expected more than 1 spatial element when training, got input size {:?}", self.shape());
        }
        if self.dtype() != self.dtype().unrounded() {
            let wide = |x: &Var| x.to(DType::F32);
            let (weight, bias) = (weight.map(wide), bias.map(wide));
            return wide(self).instance_norm(weight.as_ref(), bias.as_ref(), eps).to(self.dtype());
        }
        self.reshape([n * c, size]).layer_norm(&[size], None, None, eps).reshape(self.shape()).affine(weight, bias)
    }

    /// Divides by the root of the mean square over the last axes, which must have the sizes of `shape`, then scales
    /// (`torch.nn.functional.rms_norm`). `eps` is the dtype's smallest difference from 1 if `None`.
    ///
    /// # Panics
    /// If the shapes do not agree.
    #[track_caller]
    pub fn rms_norm(&self, shape: &[usize], weight: Option<&Var>, eps: Option<f64>) -> Var {
        if shape.is_empty() {
            bug!(
                "",
                "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got \
                 normalized_shape = []"
            );
        }
        if let Some(weight) = weight.filter(|w| w.shape() != shape) {
            bug!(
                "",
                "Expected weight to be of same shape as normalized_shape, but got weight of shape {:?} and normalized_shape = \
                 {shape:?}",
                weight.shape()
            );
        }
        if !self.shape().ends_with(shape) {
            let sizes: Vec<String> = shape.iter().map(|n| format!(", {n}")).collect();
            bug!(
                "",
                "Given normalized_shape={shape:?}, expected input with shape [*{}], but got input of size{:?}",
                sizes.concat(),
                self.shape()
            );
        }
        let eps = eps.unwrap_or(match self.dtype() {
            DType::F64 => f64::EPSILON,
            _ => f64::from(f32::EPSILON),
        });
        let axes: Vec<isize> = (1..=shape.len() as isize).map(|i| -i).collect();
        // Halves are summed in f32.
        let x = if self.dtype() == DType::F64 { self.clone() } else { self.to(DType::F32) };
        let normal = (&x * (x.square().mean_keepdim(&axes[..]) + eps).rsqrt()).to(self.dtype());
        weight.map_or(normal.clone(), |w| normal * w)
    }

    /// Divides by `(k + alpha · mean)^beta`, the mean of squares over `size` neighbouring channels (axis 1).
    ///
    /// # Panics
    /// If there are fewer than three axes.
    #[track_caller]
    pub fn local_response_norm(&self, size: usize, alpha: f64, beta: f64, k: f64) -> Var {
        if self.rank() < 3 {
            bug!("", "Expected 3D or higher dimensionality input (got {} dimensions)", self.rank());
        }
        if self.numel() == 0 {
            return self.clone();
        }
        let mut widths = vec![0; 2 * (self.rank() - 2)];
        widths.extend([(size / 2) as isize, ((size - 1) / 2) as isize]);
        let padded = self.square().pad(&widths, 0.0);
        let channels = self.shape()[1];
        let sum = (0..size).map(|i| padded.narrow(1, i as isize, channels)).reduce(|a, b| a + b);
        let means = sum.expect("the size is not 0") / size as f64;
        self / (means * alpha + k).pow(beta)
    }
}

pub(crate) fn catalog() -> Vec<Entry> {
    let channels: &[&[usize]] = &[&[2, 4, 3], &[4], &[4]];
    vec![
        Entry::shaped("group_norm", "NativeGroupNormBackward0", channels, |x| {
            x[0].group_norm(2, Some(&x[1]), Some(&x[2]), 1e-5)
        })
        .sizes("n 2c l2, 2c, 2c"),
        Entry::shaped("instance_norm", "", channels, |x| x[0].instance_norm(Some(&x[1]), Some(&x[2]), 1e-5))
            .sizes("n c l2, c, c"),
        Entry::shaped("rms_norm", "", &[&[2, 3], &[3]], |x| x[0].rms_norm(&[3], Some(&x[1]), Some(1e-5)))
            .sizes("... 3, 3"),
        Entry::shaped("local_response_norm", "", &[&[2, 4, 3]], |x| x[0].local_response_norm(3, 0.1, 0.75, 1.0))
            .sizes("n c l"),
        Entry::shaped("normalize", "", &[&[2, 3]], |x| x[0].normalize(2.0, 1, 1e-12)).sizes("n c l"),
    ]
}
