//! Layer normalisation and its gradients: shape rules and error texts.

use crate::cpu::layer_norm::{self as kernels, Moments};
use crate::cpu::norm::Gradients;
use crate::shape::list;
use crate::{DType, Element, Tensor, bug, match_dtype};
use wengert_tensor_macros::profiled;

/// What [`layer_norm`] returns.
#[derive(Clone)]
pub struct LayerNorm {
    /// The normalised tensor.
    pub output: Tensor,
    /// The mean of each sample, in C order; `f32` for halves.
    pub mean: Tensor,
    /// `1 / √(var + eps)` of each sample, with the biased variance; `f32` for halves.
    pub rstd: Tensor,
}

/// Gradients of a layer normalisation.
#[derive(Clone)]
pub struct LayerNormGrads {
    /// With respect to the input.
    pub input: Tensor,
    /// With respect to the weight; `f32` for halves.
    pub weight: Tensor,
    /// With respect to the bias; `f32` for halves.
    pub bias: Tensor,
}

/// Normalises over the last axes, whose sizes are `normalized_shape`, by the mean and the biased variance of each
/// sample, then scales and shifts: `(x - mean) / √(var + eps) · weight + bias`. Sums are kept in f64.
///
/// # Panics
/// In PyTorch's words if sizes do not fit or the dtype is not a floating one.
///
/// # Examples
/// ```
/// use wengert_tensor::{Tensor, norm::layer_norm};
/// let x = Tensor::from_vec(vec![1.0f64, 3.0, 10.0, 20.0], [2, 2]);
/// let y = layer_norm(&x, &[2], None, None, 0.0);
/// assert_eq!(y.output.to_vec::<f64>(), [-1.0, 1.0, -1.0, 1.0]);
/// assert_eq!(y.mean.to_vec::<f64>(), [2.0, 15.0]);
/// ```
#[profiled]
#[track_caller]
pub fn layer_norm(
    x: &Tensor,
    normalized_shape: &[usize],
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f64,
) -> LayerNorm {
    if normalized_shape.is_empty() {
        bug!(
            "",
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got \
             normalized_shape = []"
        );
    }
    for (name, p) in [("weight", weight), ("bias", bias)] {
        if let Some(p) = p.filter(|p| p.shape() != normalized_shape) {
            bug!(
                "",
                "Expected {name} to be of same shape as normalized_shape, but got {name} of shape {} and \
                 normalized_shape = {}",
                list(p.shape()),
                list(normalized_shape)
            );
        }
    }
    if !x.shape().ends_with(normalized_shape) {
        let sizes: Vec<_> = normalized_shape.iter().map(usize::to_string).collect();
        bug!(
            "",
            "Given normalized_shape={}, expected input with shape [*, {}], but got input of size{}",
            list(normalized_shape),
            sizes.join(", "),
            list(x.shape())
        );
    }
    let Rows { dense, rows, len, compute } = Rows::of(x, normalized_shape.len());
    match_dtype!(compute compute, T => {
        let (mut mean, mut rstd) = (vec![T::ZERO; rows], vec![T::ZERO; rows]);
        let [weight, bias] = [(weight, T::ONE), (bias, T::ZERO)].map(|(p, d)| p.map_or(vec![d; len], |p| p.to_vec::<T>()));
        let output = Tensor::build(x.shape(), |out: &mut [T]| {
            let moments = Moments { mean: &mut mean, rstd: &mut rstd };
            kernels::forward(dense.as_slice::<T>().expect("contiguous"), &weight, &bias, eps, moments, out);
        });
        LayerNorm {
            output: output.to(x.dtype()),
            mean: Tensor::from_vec(mean, [rows]),
            rstd: Tensor::from_vec(rstd, [rows]),
        }
    }, other => unreachable!("{other} was converted"))
}

/// The gradients of [`layer_norm`] over the last `axes` axes from that of its output; `mean` and `rstd` are those that
/// it returned.
///
/// # Panics
/// If sizes or dtypes do not fit.
#[profiled]
#[track_caller]
pub fn layer_norm_backward(
    grad: &Tensor,
    x: &Tensor,
    axes: usize,
    mean: &Tensor,
    rstd: &Tensor,
    weight: Option<&Tensor>,
) -> LayerNormGrads {
    if grad.shape() != x.shape() || grad.dtype() != x.dtype() || axes > x.rank() {
        bug!(
            "layer_norm_backward",
            "expected a gradient of shape {:?} and dtype {}, but got {:?} and {}",
            x.shape(),
            x.dtype(),
            grad.shape(),
            grad.dtype()
        );
    }
    let shape = &x.shape()[x.rank() - axes..];
    let Rows { dense, rows, len, compute } = Rows::of(x, axes);
    let fits = [(mean, rows), (rstd, rows)].into_iter().chain(weight.map(|w| (w, len))).all(|(p, n)| p.numel() == n);
    if !fits {
        bug!("layer_norm_backward", "expected {rows} means and inverse deviations, and {len} weights");
    }
    let grad = grad.to(compute).contiguous();
    match_dtype!(compute compute, T => {
        let weight = weight.map_or(vec![T::ONE; len], |p| p.to_vec::<T>());
        let (mean, rstd) = (mean.to_vec::<T>(), rstd.to_vec::<T>());
        let (mut dweight, mut dbias) = (vec![T::ZERO; len], vec![T::ZERO; len]);
        let input = Tensor::build(x.shape(), |out: &mut [T]| {
            let gradients = Gradients { weight: &mut dweight, bias: &mut dbias };
            let (dy, x) = (grad.as_slice::<T>().expect("contiguous"), dense.as_slice::<T>().expect("contiguous"));
            kernels::backward(dy, x, &weight, (&mean, &rstd), gradients, out);
        });
        LayerNormGrads {
            input: input.to(x.dtype()),
            weight: Tensor::from_vec(dweight, shape),
            bias: Tensor::from_vec(dbias, shape),
        }
    }, other => unreachable!("{other} was converted"))
}

/// A tensor as the kernels take it: contiguous rows in the dtype that is computed in.
struct Rows {
    dense: Tensor,
    rows: usize,
    len: usize,
    compute: DType,
}

impl Rows {
    #[track_caller]
    fn of(x: &Tensor, axes: usize) -> Rows {
        let dtype = x.dtype();
        if !dtype.is_float() {
            bug!("", "\"LayerNormKernelImpl\" not implemented for '{}'", dtype.legacy_name());
        }
        let compute = if dtype == DType::F64 { dtype } else { DType::F32 };
        let (outer, inner) = x.shape().split_at(x.rank() - axes);
        let (rows, len) = (outer.iter().product(), inner.iter().product());
        Rows { dense: x.to(compute).contiguous(), rows, len, compute }
    }
}
