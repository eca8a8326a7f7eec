//! Parameters as one vector, and layers with a batch norm folded into them (`torch.nn.utils`).

use crate::{BatchNorm, Conv, Linear, Module, Param, Var};
use wengert_autograd::no_grad;
use wengert_tensor::{Tensor, bug};

/// All elements of all parameters in one row, tracked as they are (`torch.nn.utils.parameters_to_vector`).
///
/// # Panics
/// If there are no parameters.
///
/// # Examples
/// ```
/// use wengert_nn::{Linear, Module, utils::{parameters_to_vector, vector_to_parameters}};
/// let layer = Linear::new(3, 2);
/// let vector = parameters_to_vector(&layer.parameters());
/// assert_eq!(vector.shape(), [8]);
/// vector_to_parameters(&(vector.value() * 0.0), &layer.parameters());
/// assert_eq!(layer.weight.value().to_vec::<f32>(), [0.0; 6]);
/// ```
#[track_caller]
pub fn parameters_to_vector(params: &[Param]) -> Var {
    let flat: Vec<Var> = params.iter().map(|param| param.own_var().reshape([-1])).collect();
    Var::cat(&flat, 0)
}

/// Sets all parameters from the elements of a vector in turn (`torch.nn.utils.vector_to_parameters`).
///
/// # Panics
/// If the vector does not have as many elements as the parameters.
#[track_caller]
pub fn vector_to_parameters(vector: &Tensor, params: &[Param]) {
    let total: usize = params.iter().map(Param::numel).sum();
    if vector.rank() != 1 || vector.numel() != total {
        bug!("vector_to_parameters", "expected a vector of {total} elements, but got shape {:?}", vector.shape());
    }
    let mut start = 0;
    for param in params {
        let part = vector.narrow(0, start as isize, param.numel());
        start += param.numel();
        param.set(part.reshape(&param.shape()[..]).to(param.dtype()).copy());
    }
}

/// A convolution that does what the given one and the batch norm behind it do in evaluation (`torch.nn.utils.fuse_conv_bn_eval`).
///
/// # Panics
/// If one of them is in training mode, or the batch norm has no running statistics.
///
/// # Examples
/// ```
/// use wengert_nn::{BatchNorm2d, Conv2d, Module, Var, utils::fuse_conv_bn_eval, tensor::{DType, Tensor}};
/// let (conv, norm) = (Conv2d::new(1, 4, 3), BatchNorm2d::new(4));
/// norm.running_mean.as_ref().unwrap().set(Tensor::full([4], 0.5, DType::F32));
/// conv.eval();
/// norm.eval();
/// let fused = fuse_conv_bn_eval(&conv, &norm);
/// let x = Var::from(Tensor::ones([1, 1, 5, 5], DType::F32));
/// assert!(fused.forward(&x).value().allclose(norm.forward(&conv.forward(&x)).value(), 1e-4, 1e-5));
/// ```
#[track_caller]
pub fn fuse_conv_bn_eval<const AXES: usize, const NORM: usize>(
    conv: &Conv<AXES>,
    norm: &BatchNorm<NORM>,
) -> Conv<AXES> {
    let Folded { scale, mean, rsqrt, weight, bias } = Folded::of(conv.training(), norm);
    let old = no_grad(|| (conv.weight.var(), conv.bias.as_ref().map(Param::var)));
    let mut along = vec![1; AXES + 2];
    along[0] = scale.numel();
    let fused = old.0.value().mul(scale.reshape(&along[..])).to(old.0.dtype());
    let start = old.1.map_or_else(|| mean.zeros_like(), Var::into_value);
    let shift = start.sub(&mean).mul(&rsqrt).mul(&weight).add(&bias).to(start.dtype());
    conv.with_parameters(param_like(fused, &conv.weight), param_like(shift, conv.bias.as_ref().unwrap_or(&conv.weight)))
}

/// A linear layer that does what the given one and the batch norm behind it do in evaluation
/// (`torch.nn.utils.fuse_linear_bn_eval`).
///
/// # Panics
/// If one of them is in training mode, the batch norm has no running statistics, or it has neither as many channels as the layer
/// outputs nor one.
#[track_caller]
pub fn fuse_linear_bn_eval<const NORM: usize>(linear: &Linear, norm: &BatchNorm<NORM>) -> Linear {
    let Folded { scale, mean, bias, .. } = Folded::of(linear.training(), norm);
    if linear.weight.shape()[0] != scale.numel() && scale.numel() != 1 {
        bug!("", "To fuse, linear.out_features == bn.num_features or bn.num_features == 1");
    }
    let old = no_grad(|| (linear.weight.var(), linear.bias.as_ref().map(Param::var)));
    let fused = old.0.value().mul(scale.unsqueeze(-1).to(old.0.dtype()));
    let start = old.1.map_or_else(|| mean.zeros_like(), Var::into_value);
    let shift = start.sub(&mean).mul(&scale).add(&bias).to(start.dtype());
    linear.with_parameters(
        param_like(fused, &linear.weight),
        param_like(shift, linear.bias.as_ref().unwrap_or(&linear.weight)),
    )
}

/// A parameter that is tracked as another is.
fn param_like(value: Tensor, other: &Param) -> Param {
    let param = Param::new(value);
    param.requires_grad_(other.requires_grad());
    param
}

/// What a batch norm does in evaluation.
struct Folded {
    scale: Tensor,
    mean: Tensor,
    rsqrt: Tensor,
    weight: Tensor,
    bias: Tensor,
}

impl Folded {
    #[track_caller]
    fn of<const NORM: usize>(training: bool, norm: &BatchNorm<NORM>) -> Folded {
        if training || norm.training() {
            bug!("", "Fusion only for eval!");
        }
        let (Some(mean), Some(var)) = (&norm.running_mean, &norm.running_var) else {
            bug!("", "bn.running_mean and bn.running_var must not be None");
        };
        let mean = mean.value();
        let rsqrt = var.value().add(norm.options().eps).rsqrt();
        let value = |param: &Option<Param>| param.as_ref().map(|param| no_grad(|| param.var()).into_value());
        let weight = value(&norm.weight).unwrap_or_else(|| mean.ones_like());
        let bias = value(&norm.bias).unwrap_or_else(|| mean.zeros_like());
        Folded { scale: weight.mul(&rsqrt), mean, rsqrt, weight, bias }
    }
}
