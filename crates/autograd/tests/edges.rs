//! What PyTorch 2.15 gives at infinities, NaN, ties and between dtypes: values and gradients read off it.

use wengert_autograd::tensor::{DType, Tensor, tensor};
use wengert_autograd::{GradOptions, Var, grad_or_none};

const NAN: f32 = f32::NAN;
const INF: f32 = f32::INFINITY;

/// Asserts that the sum of what `f` makes of the operands has the given gradients; NaN is NaN.
#[track_caller]
fn gradients(inputs: &[&[f32]], f: impl Fn(&[Var]) -> Var, expected: &[&[f32]]) {
    let leaves: Vec<Var> = inputs.iter().map(|x| Var::leaf(Tensor::from_slice(x, [x.len()]))).collect();
    for create_graph in [false, true] {
        let sum = f(&leaves).sum(());
        let options = GradOptions { create_graph, ..Default::default() };
        let found = grad_or_none(&[&sum], &leaves.iter().collect::<Vec<_>>(), &options);
        for (found, expected) in found.iter().zip(expected) {
            let found = found.as_ref().expect("a gradient").value().to_vec::<f32>();
            let same = |a: f32, b: f32| (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() <= 1e-5 * b.abs();
            let all = found.len() == expected.len() && found.iter().zip(*expected).all(|(&a, &b)| same(a, b));
            assert!(all, "{found:?}, PyTorch has {expected:?}");
        }
    }
}

#[test]
fn bounds_of_clamp_share_gradients_as_in_pytorch() {
    let x: &[f32] = &[NAN, 1.0, 2.0, 1.0];
    gradients(
        &[x, &[1.0, NAN, 1.0, 1.0]],
        |v| v[0].clamp_tensor(Some(&v[1]), None),
        &[&[1.0, 1.0, 1.0, 0.5], &[1.0, 1.0, 0.0, 0.5]],
    );
    gradients(
        &[x, &[2.0, 3.0, NAN, 1.0], &[1.0, 3.0, 1.0, 2.0]],
        |v| v[0].clamp_tensor(Some(&v[1]), Some(&v[2])),
        &[&[1.0, 0.0, 0.0, 0.5], &[0.0, 1.0, 0.0, 0.5], &[1.0, 0.0, 0.0, 0.0]],
    );
}

#[test]
fn gradients_at_infinities_and_nan_are_pytorchs() {
    gradients(&[&[INF, 1.0]], |v| v[0].logsumexp(0), &[&[NAN, 0.0]]);
    gradients(&[&[NAN, 1.0, 2.0]], |v| v[0].vector_norm((), f64::INFINITY), &[&[0.0; 3]]);
    gradients(&[&[INF, INF, 1.0]], |v| v[0].vector_norm((), f64::INFINITY), &[&[0.5, 0.5, 0.0]]);
    gradients(&[&[NAN, 1.0, 3.0, 4.0]], |v| v[0].reshape([2, 2]).renorm(2.0, 0, 1.0), &[&[1.0, 1.0, 0.032, -0.024]]);
    gradients(&[&[INF, 0.0], &[1.0, 0.0]], |v| v[0].atan2(&v[1]), &[&[0.0, 0.0], &[NAN, 0.0]]);
    gradients(
        &[&[0.0, 0.0, NAN], &[-1.0, NAN, 2.0]],
        |v| v[0].xlogy(&v[1]),
        &[&[0.0, NAN, 2f32.ln()], &[0.0, NAN, NAN]],
    );
    gradients(&[&[NAN, 2.0]], |v| v[0].hardswish(), &[&[NAN, 7.0 / 6.0]]);
    gradients(&[&[NAN, 0.5]], |v| v[0].hardtanh(-1.0, 1.0), &[&[0.0, 1.0]]);
    gradients(&[&[INF, 5.0], &[2.0, INF]], |v| v[0].remainder(&v[1]), &[&[1.0, 1.0], &[NAN, 0.0]]);
    gradients(&[&[1e-30]], |v| v[0].sinc(), &[&[0.0]]);
    gradients(&[&[0.0]], |v| v[0].cumprod(0), &[&[1.0]]);
    let singular = |v: &[Var]| v[0].reshape([2, 2]).logdet();
    gradients(&[&[1.0, 2.0, 2.0, 4.0]], singular, &[&[-INF, INF, INF, -INF]]);
    let twice = |v: &[Var]| v[0].sum(()).gather(0, &tensor![0, 0]);
    gradients(&[&[3.0]], twice, &[&[2.0]]);
}

#[test]
fn operands_of_two_dtypes_have_gradients() {
    let x = Var::leaf(tensor![1.5, 2.0]);
    let sum = Var::from(tensor![1, 2, 3].to(DType::I32)).outer(&x).sum(());
    assert_eq!(wengert_autograd::grad(&[&sum], &[&x], &Default::default())[0].value().to_vec::<f32>(), [6.0, 6.0]);
}

#[test]
fn values_at_infinities_and_nan_are_pytorchs() {
    let sorted = tensor![1.0, 2.0, 3.0, NAN];
    assert_eq!(sorted.searchsorted(&tensor![NAN, 2.0]).to_vec::<i64>(), [4, 1]);
    assert_eq!(tensor![-1.0].polygamma(1).item::<f32>(), 1_291_369_695_936_512.0);
    assert!(tensor![INF].polygamma(2).item::<f32>().is_nan());
    assert_eq!(tensor![INF].igamma(tensor![NAN]).item::<f32>(), 0.0);
    // A matrix of NaN leaves the others of its batch alone.
    let a = Tensor::from_vec(vec![9.0f32, -7.0, 5.0, 8.0], [2, 2]);
    let batch = Tensor::stack(&[&a, &Tensor::full([2, 2], f64::NAN, DType::F32)], 0);
    assert!(batch.matrix_exp().select(0, 0).allclose(&a.matrix_exp(), 1e-6, 0.0));
}

#[test]
fn sums_of_integers_by_einsum_become_i64() {
    let x = tensor![1, 2, 3].to(DType::I32);
    assert_eq!(Tensor::einsum("i->", &[&x]).dtype(), DType::I64);
    assert_eq!(Tensor::einsum("i,i->", &[&x, &x]).dtype(), DType::I32);
}

#[test]
fn halves_are_rounded_once() {
    let half = |x: f64| Tensor::full([1], x, DType::BF16);
    let (x, a, b) = (half(-8.5), half(-1.7656), half(-4.3125));
    assert_eq!(x.addcmul(&a, &b, 1).to(DType::F32).item::<f32>(), -0.88671875);
    let square = |x: &Tensor| x.reshape([1, 1, 1]);
    assert_eq!(x.baddbmm(&square(&a), &square(&b), 1, 1).to(DType::F32).item::<f32>(), -0.88671875);
    let x = Tensor::arange(0, 12, 1).to(DType::F32).mul(0.37).sin().reshape([1, 3, 4]).to(DType::F16);
    let weight = tensor![-8.5, -1.75, 2.0].to(DType::F16);
    let (of_half, single) = (Var::from(&x), Var::from(x.to(DType::F32)));
    let (scale, wide) = (Var::from(&weight), Var::from(weight.to(DType::F32)));
    let once = single.group_norm(1, Some(&wide), Some(&wide), 1e-5).to(DType::F16);
    assert!(of_half.group_norm(1, Some(&scale), Some(&scale), 1e-5).value().equal(once.value()));
    // The variance is no f16.
    let x = tensor![300.0, -300.0, 0.0].to(DType::F16);
    assert_eq!(x.std((), 1.0).to(DType::F32).item::<f32>(), 300.0);
}
