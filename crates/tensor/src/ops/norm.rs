//! Normalisation. Here batch normalisation and its gradients: shape rules and error texts.

pub use super::group_norm::{group_norm, group_norm_backward};
pub use super::layer_norm::{LayerNorm, LayerNormGrads, layer_norm, layer_norm_backward};

use crate::cpu::floor::Activation;
use crate::cpu::norm::{self as kernels, Gradients, Statistics};
use crate::ops::matmul::has_epilogue;
use crate::{DType, Element, Tensor, bug, match_dtype};
use wengert_tensor_macros::profiled;

/// What [`batch_norm`] returns.
#[derive(Clone)]
pub struct BatchNorm {
    /// The normalised tensor.
    pub output: Tensor,
    /// The mean of each channel; `f32` for halves.
    pub mean: Tensor,
    /// The biased variance of each channel; `f32` for halves.
    pub var: Tensor,
}

/// Gradients of a batch normalisation.
#[derive(Clone)]
pub struct BatchNormGrads {
    /// With respect to the input.
    pub input: Tensor,
    /// With respect to the weight; `f32` for halves.
    pub weight: Tensor,
    /// With respect to the bias; `f32` for halves.
    pub bias: Tensor,
}

/// Normalises each channel (axis 1) by the mean and the biased variance of the batch, then scales and shifts:
/// `(x - mean) / √(var + eps) · weight + bias`. Sums are kept in f64.
///
/// Running statistics take `var·n / (n - 1)`, where `n` is the number of elements per channel.
///
/// # Panics
/// In PyTorch's words if there is no channel axis, sizes do not fit or the dtype is not a floating one.
///
/// # Examples
/// ```
/// use wengert_tensor::{Tensor, norm::batch_norm};
/// let x = Tensor::from_vec(vec![1.0f64, 10.0, 3.0, 10.0], [2, 2]);
/// let y = batch_norm(&x, None, None, 0.0);
/// assert_eq!(y.mean.to_vec::<f64>(), [2.0, 10.0]);
/// assert_eq!(y.output.select(1, 0).to_vec::<f64>(), [-1.0, 1.0]);
/// ```
#[profiled]
#[track_caller]
pub fn batch_norm(x: &Tensor, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64) -> BatchNorm {
    train(x, weight, bias, eps, Activation::None)
}

/// [`batch_norm`] whose output goes through [`Tensor::relu`], in one pass where elements are `f32` or `f64`; the same to the
/// bit. PyTorch's module for it is `torch.ao.nn.intrinsic.BNReLU2d`.
///
/// # Panics
/// As [`batch_norm`].
#[profiled]
#[track_caller]
pub fn batch_norm_relu(x: &Tensor, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64) -> BatchNorm {
    if has_epilogue(x) {
        return train(x, weight, bias, eps, Activation::Relu);
    }
    let BatchNorm { output, mean, var } = batch_norm(x, weight, bias, eps);
    BatchNorm { output: output.relu(), mean, var }
}

/// [`batch_norm`] and an activation.
#[track_caller]
fn train(x: &Tensor, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64, activation: Activation) -> BatchNorm {
    let Planes { dense, sizes, compute, dtype } = Planes::of(x);
    let channels = sizes.0;
    let [weight, bias] =
        [("weight", weight), ("bias", bias)].map(|(name, p)| p.map(|p| vector(name, p, channels, compute)));
    match_dtype!(compute compute, T => {
        let (mut mean, mut var) = (vec![T::ZERO; channels], vec![T::ZERO; channels]);
        let (weight, bias) = (weight.map(|p| p.to_vec::<T>()), bias.map(|p| p.to_vec::<T>()));
        let affine = |c: usize| (at(&weight, c, T::ONE), at(&bias, c, T::ZERO));
        let output = Tensor::build(dense.shape(), |out: &mut [T]| {
            let statistics = Statistics { mean: &mut mean, var: &mut var };
            kernels::train(dense.as_slice::<T>().expect("contiguous"), sizes, affine, eps, activation.floor(), statistics, out);
        });
        BatchNorm {
            output: output.to(dtype),
            mean: Tensor::from_vec(mean, [channels]),
            var: Tensor::from_vec(var, [channels]),
        }
    }, other => unreachable!("{other} was converted"))
}

/// Normalises each channel by given statistics, such as running ones.
///
/// # Panics
/// As [`batch_norm`].
#[profiled]
#[track_caller]
pub fn batch_norm_eval(
    x: &Tensor,
    mean: &Tensor,
    var: &Tensor,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f64,
) -> Tensor {
    eval(x, mean, var, weight, bias, eps, Activation::None)
}

/// [`batch_norm_eval`] followed by [`Tensor::relu`], as [`batch_norm_relu`].
///
/// # Panics
/// As [`batch_norm`].
#[profiled]
#[track_caller]
pub fn batch_norm_eval_relu(
    x: &Tensor,
    mean: &Tensor,
    var: &Tensor,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f64,
) -> Tensor {
    if has_epilogue(x) {
        return eval(x, mean, var, weight, bias, eps, Activation::Relu);
    }
    batch_norm_eval(x, mean, var, weight, bias, eps).relu()
}

/// [`batch_norm_eval`] and an activation.
#[track_caller]
fn eval(
    x: &Tensor,
    mean: &Tensor,
    var: &Tensor,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f64,
    activation: Activation,
) -> Tensor {
    let Planes { dense, sizes, compute, dtype } = Planes::of(x);
    let channels = sizes.0;
    let named = [("running_mean", Some(mean)), ("running_var", Some(var)), ("weight", weight), ("bias", bias)];
    let [mean, var, weight, bias] = named.map(|(name, p)| p.map(|p| vector(name, p, channels, compute)));
    match_dtype!(compute compute, T => {
        let [mean, var, weight, bias] = [mean, var, weight, bias].map(|p| p.map(|p| p.to_vec::<T>()));
        let of = |c: usize| {
            let scale = at(&weight, c, T::ONE).to_f64() / (at(&var, c, T::ONE).to_f64() + eps).sqrt();
            (at(&mean, c, T::ZERO), T::from_f64(scale), at(&bias, c, T::ZERO))
        };
        let output = Tensor::build(dense.shape(), |out: &mut [T]| {
            kernels::eval(dense.as_slice::<T>().expect("contiguous"), sizes, of, activation.floor(), out);
        });
        output.to(dtype)
    }, other => unreachable!("{other} was converted"))
}

/// The gradients of [`batch_norm`] from that of its output; `mean` and `var` are those that it returned.
///
/// # Panics
/// If sizes or dtypes do not fit.
#[profiled]
#[track_caller]
pub fn batch_norm_backward(
    grad: &Tensor,
    x: &Tensor,
    mean: &Tensor,
    var: &Tensor,
    weight: Option<&Tensor>,
    eps: f64,
) -> BatchNormGrads {
    backward(grad, x, mean, var, weight, eps, false)
}

/// The gradients of [`batch_norm_eval`], whose statistics do not depend on the input.
///
/// # Panics
/// If sizes or dtypes do not fit.
#[profiled]
#[track_caller]
pub fn batch_norm_eval_backward(
    grad: &Tensor,
    x: &Tensor,
    mean: &Tensor,
    var: &Tensor,
    weight: Option<&Tensor>,
    eps: f64,
) -> BatchNormGrads {
    backward(grad, x, mean, var, weight, eps, true)
}

#[track_caller]
fn backward(
    grad: &Tensor,
    x: &Tensor,
    mean: &Tensor,
    var: &Tensor,
    weight: Option<&Tensor>,
    eps: f64,
    fixed: bool,
) -> BatchNormGrads {
    if grad.shape() != x.shape() || grad.dtype() != x.dtype() {
        bug!(
            "batch_norm_backward",
            "expected a gradient of shape {:?} and dtype {}, but got {:?} and {}",
            x.shape(),
            x.dtype(),
            grad.shape(),
            grad.dtype()
        );
    }
    let Planes { dense, sizes, compute, dtype } = Planes::of(x);
    let grad = Planes::of(grad).dense;
    let channels = sizes.0;
    let named = [("running_mean", Some(mean)), ("running_var", Some(var)), ("weight", weight)];
    let [mean, var, weight] = named.map(|(name, p)| p.map(|p| vector(name, p, channels, compute)));
    match_dtype!(compute compute, T => {
        let [mean, var, weight] = [mean, var, weight].map(|p| p.map(|p| p.to_vec::<T>()));
        let of = |c: usize| (at(&mean, c, T::ZERO), at(&var, c, T::ONE), at(&weight, c, T::ONE));
        let (mut dweight, mut dbias) = (vec![T::ZERO; channels], vec![T::ZERO; channels]);
        let input = Tensor::build(dense.shape(), |out: &mut [T]| {
            let gradients = Gradients { weight: &mut dweight, bias: &mut dbias };
            let (dy, x) = (grad.as_slice::<T>().expect("contiguous"), dense.as_slice::<T>().expect("contiguous"));
            kernels::backward(dy, x, sizes, of, eps, fixed, gradients, out);
        });
        BatchNormGrads {
            input: input.to(dtype),
            weight: Tensor::from_vec(dweight, [channels]),
            bias: Tensor::from_vec(dbias, [channels]),
        }
    }, other => unreachable!("{other} was converted"))
}

/// A tensor as the kernels take it.
struct Planes {
    /// Contiguous, in the dtype that is computed in: `[n, channels, plane]`.
    dense: Tensor,
    /// Channels, and elements of a plane.
    sizes: (usize, usize),
    compute: DType,
    dtype: DType,
}

impl Planes {
    #[track_caller]
    fn of(x: &Tensor) -> Planes {
        let dtype = x.dtype();
        if !dtype.is_float() {
            bug!("", "\"batch_norm\" not implemented for '{}'", dtype.legacy_name());
        }
        if x.rank() < 2 {
            crate::shape::axis("batch_norm", 1, x.rank());
        }
        let compute = if dtype == DType::F64 { dtype } else { DType::F32 };
        let sizes = (x.shape()[1], x.shape()[2..].iter().product());
        Planes { dense: x.to(compute).contiguous(), sizes, compute, dtype }
    }
}

/// One number per channel, checked.
#[track_caller]
fn vector(name: &str, p: &Tensor, channels: usize, compute: DType) -> Tensor {
    if p.numel() != channels {
        bug!("", "{name} should contain {channels} elements not {}", p.numel());
    }
    p.to(compute)
}

/// Channel `c`'s number, or a default.
fn at<T: Element>(values: &Option<Vec<T>>, c: usize, default: T) -> T {
    values.as_ref().map_or(default, |v| v[c])
}
