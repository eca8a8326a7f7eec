//! Clipping is over all gradients at once, as PyTorch's.

use wengert_autograd::Param;
use wengert_optim::{clip_grad_norm_, clip_grad_value_, get_total_norm, try_clip_grad_norm_};
use wengert_tensor::{DType, Tensor};

/// Two parameters with gradients and one without.
fn params() -> [Param; 3] {
    let params = [[3, 1], [2, 2], [1, 1]].map(|shape| Param::new(Tensor::zeros(shape, DType::F32)));
    params[0].set_grad(Some(Tensor::from_vec(vec![3.0f32, -4.0, 12.0], [3, 1])));
    params[1].set_grad(Some(Tensor::from_vec(vec![1.0f32, 2.0, -5.0, 0.5], [2, 2])));
    params
}

fn grads(params: &[Param]) -> Vec<f32> {
    params.iter().filter_map(Param::grad).flat_map(|g| g.to_vec::<f32>()).collect()
}

#[test]
fn the_norm_is_that_of_all_gradients_together() {
    // torch.nn.utils.clip_grad_norm_(params, 2.0, norm_type): norm, then the first and the last clipped entry.
    let rows = [
        (2.0, 14.115593910217285, 0.42506176, 0.07084363),
        (1.0, 27.5, 0.21818182, 0.036363635),
        (f64::INFINITY, 12.0, 0.49999997, 0.08333333),
        (3.0, 12.500001907348633, 0.4799999, 0.07999998),
        (0.5, 157.59140014648438, 0.03807314, 0.006345524),
        (-1.0, 0.22900763154029846, 3.0, 0.5),
        (0.0, 2.0, 2.9999986, 0.49999976),
        (f64::NEG_INFINITY, 0.5, 3.0, 0.5),
    ];
    for (norm_type, want, first, last) in rows {
        let params = params();
        let norm = clip_grad_norm_(&params, 2.0, norm_type);
        assert!((norm - want).abs() < 1e-6 * want, "{norm_type}: {norm}");
        let clipped = grads(&params);
        assert!((clipped[0] - first).abs() < 1e-6 && (clipped[6] - last).abs() < 1e-6, "{norm_type}: {clipped:?}");
        assert!(params[2].grad().is_none());
    }
}

#[test]
fn small_gradients_stay_as_they_are() {
    let params = params();
    clip_grad_norm_(&params, 100.0, 2.0);
    assert_eq!(grads(&params), [3.0, -4.0, 12.0, 1.0, 2.0, -5.0, 0.5]);
    assert_eq!(clip_grad_norm_(&[], 1.0, 2.0), 0.0);
}

#[test]
fn values_are_clamped() {
    let params = params();
    clip_grad_value_(&params, 2.5);
    assert_eq!(grads(&params), [2.5, -2.5, 2.5, 1.0, 2.0, -2.5, 0.5]);
}

#[test]
fn a_norm_that_is_no_number_spoils_the_gradients_or_is_refused() {
    let entries = |entry: f32| {
        let params = params();
        params[0].set_grad(Some(Tensor::from_vec(vec![3.0f32, entry, 12.0], [3, 1])));
        params
    };
    let infinite = entries(f32::INFINITY);
    let refused = try_clip_grad_norm_(&infinite, 2.0, 2.0).expect_err("the norm is infinite");
    assert_eq!(
        refused.to_string(),
        "The total norm of order 2.0 for gradients from `parameters` is non-finite, so it cannot be clipped. To disable \
         this error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
    );
    assert_eq!(grads(&infinite)[0], 3.0);
    assert_eq!(clip_grad_norm_(&infinite, 2.0, 2.0), f64::INFINITY);
    assert!(grads(&infinite).iter().enumerate().all(|(i, g)| if i == 1 { g.is_nan() } else { *g == 0.0 }));
    for norm_type in [2.0, f64::INFINITY] {
        let params = entries(f32::NAN);
        assert!(clip_grad_norm_(&params, 2.0, norm_type).is_nan());
        assert!(grads(&params).iter().all(|g| g.is_nan()));
    }
    let fine = params();
    assert_eq!(try_clip_grad_norm_(&fine, 2.0, 2.0), Ok(14.115593910217285));
    assert_eq!(grads(&fine)[0], 0.42506176);
}

#[test]
fn half_gradients_have_a_half_norm() {
    let param = Param::new(Tensor::zeros([3], DType::F16));
    param.set_grad(Some(Tensor::from_vec(vec![300.0f32, 400.0, 1.0], [3]).to(DType::F16)));
    assert_eq!(clip_grad_norm_(std::slice::from_ref(&param), 1.0, 2.0), 500.0);
    assert_eq!(grads(&[param]), [0.60009766, 0.80029297, 0.0020008087]);
    assert_eq!(get_total_norm(&[], 2.0), 0.0);
}
