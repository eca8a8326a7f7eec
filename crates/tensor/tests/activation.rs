//! Gradients of activations: in place, copied and of halves the same, and those of difference quotients.

use wengert_tensor::activation::{
    celu_backward, elu_backward, gelu_backward, gelu_tanh_backward, hardsigmoid_backward, hardswish_backward,
    hardtanh_backward, leaky_relu_backward, logsigmoid_backward, mish_backward, relu_backward, shrink_backward,
    sigmoid_backward, silu_backward, softplus_backward, tanh_backward,
};
use wengert_tensor::{DType, Generator, Tensor};

type Row = (&'static str, fn(&Tensor) -> Tensor, fn(Tensor, &Tensor, &Tensor) -> Tensor);

/// Name, function, and gradient from that of the result, the operand and the result.
const ROWS: [Row; 17] = [
    ("relu", |x| x.relu(), |g, _, y| relu_backward(g, y)),
    ("sigmoid", |x| x.sigmoid(), |g, _, y| sigmoid_backward(g, y)),
    ("tanh", |x| x.tanh(), |g, _, y| tanh_backward(g, y)),
    ("silu", |x| x.silu(), |g, x, _| silu_backward(g, x)),
    ("gelu", |x| x.gelu(), |g, x, _| gelu_backward(g, x)),
    ("leaky_relu", |x| x.leaky_relu(0.1), |g, x, _| leaky_relu_backward(g, x, 0.1)),
    ("elu", |x| x.elu(0.7), |g, x, _| elu_backward(g, x, 0.7)),
    ("softplus", |x| x.softplus(2.0, 3.01), |g, x, _| softplus_backward(g, x, 2.0, 3.01)),
    ("hardtanh", |x| x.hardtanh(-1.003, 2.007), |g, x, _| hardtanh_backward(g, x, -1.003, 2.007)),
    ("hardsigmoid", |x| x.hardsigmoid(), |g, x, _| hardsigmoid_backward(g, x)),
    ("hardswish", |x| x.hardswish(), |g, x, _| hardswish_backward(g, x)),
    ("hardshrink", |x| x.hardshrink(0.503), |g, x, _| shrink_backward(g, x, 0.503)),
    ("softshrink", |x| x.softshrink(0.503), |g, x, _| shrink_backward(g, x, 0.503)),
    ("celu", |x| x.celu(0.7), |g, x, _| celu_backward(g, x, 0.7)),
    ("logsigmoid", |x| x.logsigmoid(), |g, x, _| logsigmoid_backward(g, x)),
    ("mish", |x| x.mish(), |g, x, _| mish_backward(g, x)),
    ("gelu_tanh", |x| x.gelu_tanh(), |g, x, _| gelu_tanh_backward(g, x)),
];

#[test]
fn gradients_are_difference_quotients_in_every_dtype_and_place() {
    let mut g = Generator::new(5);
    for (name, f, backward) in ROWS {
        // Halves, so that none gets to the other side of a kink in bf16, and none at a kink.
        let x = g.normal([37, 71], 0.0, 2.0, DType::F64).to(DType::BF16).to(DType::F64);
        let x = x.masked_fill(&x.abs().eq(3.0), 2.5);
        let dy = g.randn([37, 71], DType::F64);
        let want = &dy * (f(&(&x + 1e-6)) - f(&(&x - 1e-6))) / 2e-6;
        let y = f(&x);
        let copied = backward(dy.clone(), &x, &y);
        assert!(copied.allclose(&want, 1e-6, 1e-6), "{name}");
        let alone = dy.copy();
        let memory = alone.storage().as_slice::<f64>().as_ptr();
        let in_place = backward(alone, &x, &y);
        assert_eq!(in_place.storage().as_slice::<f64>().as_ptr(), memory, "{name}");
        assert!(in_place.equal(&copied), "{name}");
        let across = backward(dy.t().copy().t(), &x.t().copy().t(), &y);
        assert!(across.equal(&copied), "{name}");
        for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::BF16, 0.05)] {
            let [dy, x, y] = [&dy, &x, &y].map(|t| t.to(dtype));
            let narrow = backward(dy, &x, &y);
            assert_eq!(narrow.dtype(), dtype);
            assert!(narrow.to(DType::F64).allclose(&want, tolerance, tolerance), "{name} {dtype}");
        }
    }
}

#[test]
fn large_operands_give_no_nan() {
    for (name, f, backward) in ROWS {
        let x = Tensor::from_vec(vec![-200.0f32, 200.0], [2]);
        let grad = backward(x.ones_like(), &x, &f(&x)).to_vec::<f32>();
        assert!(grad.iter().all(|g| g.is_finite()), "{name}: {grad:?}");
    }
}

#[test]
#[should_panic(expected = "relu_backward: expected a gradient of shape [2] and dtype")]
fn a_gradient_of_another_shape_is_refused() {
    drop(relu_backward(Tensor::zeros([3], DType::F32), &Tensor::zeros([2], DType::F32)));
}
