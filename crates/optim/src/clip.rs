//! Gradient clipping over all parameters at once (`torch.nn.utils.clip_grad_norm_`, `clip_grad_value_`).

use crate::Error;
use wengert_autograd::Param;
use wengert_tensor::{DType, Tensor, Value};

/// Scales all gradients by one factor so that their joint norm is at most `max_norm`; returns the norm before.
///
/// `norm_type` is 2 for the Euclidean norm, `f64::INFINITY` for the largest entry, or any other order. The factor is
/// `max_norm / (norm + 1e-6)`, capped at 1, as in PyTorch. Parameters without a gradient do not count.
pub fn clip_grad_norm_(params: &[Param], max_norm: f64, norm_type: f64) -> f64 {
    let norm = get_total_norm(&grads(params), norm_type);
    clip_grads_with_norm_(params, max_norm, norm);
    norm
}

/// As [`clip_grad_norm_`], but leaves the gradients as they are if their norm is infinite or not a number: PyTorch's
/// `error_if_nonfinite=True`.
///
/// # Errors
/// In that case, in PyTorch's words.
pub fn try_clip_grad_norm_(params: &[Param], max_norm: f64, norm_type: f64) -> Result<f64, Error> {
    let norm = get_total_norm(&grads(params), norm_type);
    if !norm.is_finite() {
        return Err(Error::NonFiniteNorm(Value::Float(norm_type).to_string()));
    }
    clip_grads_with_norm_(params, max_norm, norm);
    Ok(norm)
}

/// The gradients that there are.
fn grads(params: &[Param]) -> Vec<Tensor> {
    params.iter().filter_map(Param::grad).collect()
}

/// The norm of all tensors together (`torch.nn.utils.get_total_norm`), computed in their dtype.
pub fn get_total_norm(tensors: &[Tensor], norm_type: f64) -> f64 {
    let Some(dtype) = tensors.iter().map(Tensor::dtype).reduce(DType::promote) else { return 0.0 };
    let norms = tensors.iter().map(|t| t.vector_norm((), norm_type).item::<f64>()).collect();
    Tensor::from_vec::<f64>(norms, [tensors.len()]).to(dtype).vector_norm((), norm_type).item()
}

/// Scales all gradients so that a norm of `total_norm` becomes at most `max_norm`
/// (`torch.nn.utils.clip_grads_with_norm_`).
pub fn clip_grads_with_norm_(params: &[Param], max_norm: f64, total_norm: f64) {
    // The norm has the gradients' dtype, and so has the factor.
    let Some(dtype) = grads(params).iter().map(Tensor::dtype).reduce(DType::promote) else { return };
    let norm = Tensor::from_vec(vec![total_norm], ()).to(dtype);
    let factor = Tensor::full((), max_norm, dtype).div(norm.add(1e-6)).to(DType::F64).item::<f64>();
    if factor < 1.0 || factor.is_nan() {
        for param in params {
            param.update_grad(|grad| {
                grad.mul_(factor);
            });
        }
    }
}

/// Clamps every entry of every gradient to `-clip_value..=clip_value`.
pub fn clip_grad_value_(params: &[Param], clip_value: f64) {
    for param in params {
        if let Some(grad) = param.grad() {
            param.set_grad(Some(grad.clamp(-clip_value, clip_value)));
        }
    }
}
