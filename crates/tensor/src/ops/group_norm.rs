//! Normalisation of groups of channels and its gradients: shape rules and error texts.

use super::layer_norm::{LayerNorm, LayerNormGrads};
use crate::cpu::group_norm::{self as kernels, Groups};
use crate::cpu::layer_norm::Moments;
use crate::cpu::norm::Gradients;
use crate::{DType, Element, Tensor, bug, match_dtype};
use wengert_tensor_macros::profiled;

/// Normalises groups of channels (axis 1) of each sample by their mean and biased variance, then scales and shifts each channel:
/// `(x - mean) / √(var + eps) · weight + bias`. Sums are kept in f64; there is a mean and an inverse deviation for each group of
/// each sample, `[n·groups]`.
///
/// # Panics
/// In PyTorch's words if the channels do not divide into `groups` or sizes do not fit, and if the dtype is not a floating one or
/// there are no elements.
///
/// # Examples
/// ```
/// use wengert_tensor::{Tensor, norm::group_norm};
/// let x = Tensor::from_vec(vec![1.0f64, 3.0, 10.0, 20.0], [1, 4]);
/// let y = group_norm(&x, 2, None, None, 0.0);
/// assert_eq!(y.output.to_vec::<f64>(), [-1.0, 1.0, -1.0, 1.0]);
/// assert_eq!(y.mean.to_vec::<f64>(), [2.0, 15.0]);
/// ```
#[profiled]
#[track_caller]
pub fn group_norm(x: &Tensor, groups: usize, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64) -> LayerNorm {
    let (sizes, channels) = divide(x, groups);
    for (name, p) in [("weight", weight), ("bias", bias)] {
        if let Some(p) = p.filter(|p| p.shape() != [channels]) {
            bug!(
                "",
                "Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of shape {:?} and \
                 input of shape {:?}",
                p.shape(),
                x.shape()
            );
        }
    }
    let rows = x.shape()[0] * groups;
    match_dtype!(compute computed(x), T => {
        let dense = x.to(T::DTYPE).contiguous();
        let [weight, bias] = [weight, bias].map(|p| p.map(|p| p.to(T::DTYPE).to_vec::<T>()));
        let of = |c: usize| (weight.as_ref().map_or(T::ONE, |w| w[c]), bias.as_ref().map_or(T::ZERO, |b| b[c]));
        let (mut mean, mut rstd) = (vec![T::ZERO; rows], vec![T::ZERO; rows]);
        let output = Tensor::build(x.shape(), |out: &mut [T]| {
            let moments = Moments { mean: &mut mean, rstd: &mut rstd };
            kernels::forward(dense.as_slice::<T>().expect("contiguous"), sizes, of, eps, moments, out);
        });
        LayerNorm {
            output: output.to(x.dtype()),
            mean: Tensor::from_vec(mean, [rows]),
            rstd: Tensor::from_vec(rstd, [rows]),
        }
    }, other => unreachable!("{other} was converted"))
}

/// The gradients of [`group_norm`] from that of its output; `mean` and `rstd` are those that it returned.
///
/// # Panics
/// If sizes or dtypes do not fit.
#[profiled]
#[track_caller]
pub fn group_norm_backward(
    grad: &Tensor,
    x: &Tensor,
    groups: usize,
    mean: &Tensor,
    rstd: &Tensor,
    weight: Option<&Tensor>,
) -> LayerNormGrads {
    let (sizes, channels) = divide(x, groups);
    let rows = x.shape()[0] * groups;
    let fits = mean.numel() == rows && rstd.numel() == rows && weight.is_none_or(|w| w.numel() == channels);
    if grad.shape() != x.shape() || grad.dtype() != x.dtype() || !fits {
        let (shape, dtype) = (x.shape(), x.dtype());
        bug!(
            "group_norm_backward",
            "expected a gradient of shape {shape:?} and dtype {dtype}, {rows} means and inverse deviations, and {channels} weights"
        );
    }
    match_dtype!(compute computed(x), T => {
        let [dense, grad] = [x, grad].map(|x| x.to(T::DTYPE).contiguous());
        let weight = weight.map(|p| p.to(T::DTYPE).to_vec::<T>());
        let of = |c: usize| weight.as_ref().map_or(T::ONE, |w| w[c]);
        let (mean, rstd) = (mean.to(T::DTYPE).to_vec::<T>(), rstd.to(T::DTYPE).to_vec::<T>());
        let (mut dweight, mut dbias) = (vec![T::ZERO; channels], vec![T::ZERO; channels]);
        let input = Tensor::build(x.shape(), |out: &mut [T]| {
            let gradients = Gradients { weight: &mut dweight, bias: &mut dbias };
            let (dy, x) = (grad.as_slice::<T>().expect("contiguous"), dense.as_slice::<T>().expect("contiguous"));
            kernels::backward(dy, x, sizes, of, (&mean, &rstd), gradients, out);
        });
        LayerNormGrads {
            input: input.to(x.dtype()),
            weight: Tensor::from_vec(dweight, [channels]),
            bias: Tensor::from_vec(dbias, [channels]),
        }
    }, other => unreachable!("{other} was converted"))
}

/// The dtype that is computed in.
fn computed(x: &Tensor) -> DType {
    if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 }
}

/// How the tensor divides, and the number of its channels.
#[track_caller]
fn divide(x: &Tensor, groups: usize) -> (Groups, usize) {
    if x.rank() < 2 {
        bug!("", "Expected at least 2 dimensions for input tensor but received {}", x.rank());
    }
    let channels = x.shape()[1];
    if groups == 0 || !channels.is_multiple_of(groups) {
        bug!(
            "",
            "Expected number of channels in input to be divisible by num_groups, but got input of shape {:?} and num_groups={groups}",
            x.shape()
        );
    }
    if !x.dtype().is_float() {
        bug!("", "\"GroupNormKernelImpl\" not implemented for '{}'", x.dtype().legacy_name());
    }
    if x.numel() == 0 {
        bug!("", "Expected a tensor with elements, got input of shape {:?}", x.shape());
    }
    let plane = x.shape()[2..].iter().product();
    (Groups { groups, channels: channels / groups, plane }, channels)
}
