//! Gradient clipping over all parameters at once (`torch.nn.utils.clip_grad_norm_`, `clip_grad_value_`).

use wengert_autograd::Param;
use wengert_tensor::Tensor;

/// Scales all gradients by one factor so that their joint norm is at most `max_norm`; returns the norm before.
///
/// `norm_type` is 2 for the Euclidean norm, `f64::INFINITY` for the largest entry, or any other order. The factor is
/// `max_norm / (norm + 1e-6)`, capped at 1, as in PyTorch. Parameters without a gradient do not count.
pub fn clip_grad_norm_(params: &[Param], max_norm: f64, norm_type: f64) -> f64 {
    let grads: Vec<(&Param, Tensor)> = params.iter().filter_map(|p| Some((p, p.grad()?))).collect();
    let norm = |values: &mut dyn Iterator<Item = f64>| {
        if norm_type == f64::INFINITY {
            values.fold(0.0f64, |a, b| if b.is_nan() || b > a { b } else { a })
        } else {
            values.map(|v| v.powf(norm_type)).sum::<f64>().powf(1.0 / norm_type)
        }
    };
    let each: Vec<f64> = grads.iter().map(|(_, g)| norm(&mut g.to_vec::<f64>().into_iter().map(f64::abs))).collect();
    let total = norm(&mut each.into_iter());
    let factor = max_norm / (total + 1e-6);
    if factor < 1.0 || factor.is_nan() {
        for (param, grad) in grads {
            param.set_grad(Some(grad.mul(factor)));
        }
    }
    total
}

/// Clamps every entry of every gradient to `-clip_value..=clip_value`.
pub fn clip_grad_value_(params: &[Param], clip_value: f64) {
    for param in params {
        if let Some(grad) = param.grad() {
            param.set_grad(Some(grad.clamp(-clip_value, clip_value)));
        }
    }
}
