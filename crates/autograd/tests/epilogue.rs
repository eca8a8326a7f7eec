//! An operation with a ReLU in it is to the bit what the two are one after the other: its value, gradients and their gradients.

use wengert_autograd::tensor::{Conv2dOptions, DType, Tensor};
use wengert_autograd::{GradOptions, Var, grad, grad_or_none, no_grad};

type F<'a> = &'a dyn Fn(&[Var]) -> Var;

/// Numbers in [-1, 1) that depend on the seed alone.
fn noise(seed: u64, shape: &[usize], dtype: DType) -> Tensor {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let number = |_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as f64 / (1u64 << 30) as f64 - 1.0
    };
    Tensor::from_vec((0..shape.iter().product()).map(number).collect(), shape).to(dtype)
}

/// The value, the gradients as `backward` computes them, as a graph of them computes them, and the gradients of these.
fn results(f: F<'_>, shapes: &[&[usize]], dtype: DType) -> Vec<Tensor> {
    let leaves: Vec<Var> = shapes.iter().zip(1..).map(|(shape, seed)| Var::leaf(noise(seed, shape, dtype))).collect();
    let y = f(&leaves);
    assert_eq!(y.grad_fn(), Some("ReluBackward0"));
    let mut all = vec![y.value().clone()];
    let weights = Var::from(noise(9, y.shape(), dtype));
    let inputs: Vec<&Var> = leaves.iter().collect();
    let plain = GradOptions::default();
    all.extend(grad(&[&(&y * &weights).sum(())], &inputs, &plain).iter().map(|g| g.value().clone()));
    let graph = GradOptions { create_graph: true, ..Default::default() };
    let first = grad(&[&(&f(&leaves) * &weights).sum(())], &inputs, &graph);
    all.extend(first.iter().map(|g| g.value().clone()));
    let squares = first.iter().map(|g| g.square().sum(())).reduce(|a, b| &a + &b).expect("an operand");
    if squares.requires_grad() {
        let again = grad_or_none(&[&squares], &inputs, &plain);
        all.extend(again.into_iter().flatten().map(|g| g.value().clone()));
    }
    all.push(no_grad(|| f(&leaves)).value().clone());
    all
}

fn assert_same(what: &str, shapes: &[&[usize]], fused: F<'_>, apart: F<'_>) {
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
        let (fused, apart) = (results(fused, shapes, dtype), results(apart, shapes, dtype));
        assert_eq!(fused.len(), apart.len(), "{what}");
        for (i, (fused, apart)) in fused.iter().zip(&apart).enumerate() {
            assert_eq!((fused.shape(), fused.dtype()), (apart.shape(), apart.dtype()), "{what}");
            let bits = |x: &Tensor| x.to_vec::<f64>().into_iter().map(f64::to_bits).collect::<Vec<_>>();
            assert_eq!(bits(fused), bits(apart), "{what}, {dtype}, result {i}");
        }
    }
}

#[test]
fn linear() {
    let rows: [&[&[usize]]; 7] = [
        &[&[5, 7], &[6, 7], &[6]],
        &[&[33, 300], &[50, 300], &[50]],
        &[&[2, 3, 4], &[5, 4]],
        &[&[7], &[3, 7], &[3]],
        &[&[0, 4], &[3, 4], &[3]],
        &[&[3, 0], &[4, 0], &[4]],
        &[&[5, 7], &[7]],
    ];
    for shapes in rows {
        let fused: F<'_> = &|x| x[0].linear_relu(&x[1], x.get(2));
        assert_same(&format!("{shapes:?}"), shapes, fused, &|x| x[0].linear(&x[1], x.get(2)).relu());
    }
}

#[test]
fn convolution() {
    let plain = Conv2dOptions::default();
    let padded = Conv2dOptions { padding: [1, 1], ..plain };
    let rows: [(&[&[usize]], Conv2dOptions); 9] = [
        (&[&[2, 32, 9, 10], &[33, 32, 3, 3], &[33]], padded),
        (&[&[1, 32, 10, 9], &[32, 32, 5, 5]], Conv2dOptions { padding: [2, 2], ..plain }),
        (&[&[2, 20, 12, 11], &[9, 20, 1, 1], &[9]], plain),
        (&[&[2, 5, 9, 9], &[24, 5, 3, 3], &[24]], Conv2dOptions { stride: [2, 1], ..padded }),
        (&[&[2, 6, 9, 8], &[6, 1, 3, 3], &[6]], Conv2dOptions { groups: 6, ..padded }),
        (&[&[3, 1, 12, 12], &[6, 1, 5, 5], &[6]], Conv2dOptions { padding: [2, 2], ..plain }),
        (&[&[4, 8, 8], &[6, 2, 2, 3]], Conv2dOptions { groups: 2, dilation: [2, 1], ..padded }),
        (&[&[0, 3, 6, 6], &[4, 3, 3, 3], &[4]], plain),
        (&[&[2, 0, 3, 3], &[4, 0, 2, 2], &[4]], plain),
    ];
    for (shapes, options) in &rows {
        let fused: F<'_> = &|x| x[0].conv2d_relu(&x[1], x.get(2), options);
        assert_same(&format!("{shapes:?}"), shapes, fused, &|x| x[0].conv2d(&x[1], x.get(2), options).relu());
    }
}

#[test]
fn batch_normalisation() {
    let rows: [&[&[usize]]; 4] =
        [&[&[3, 4, 5, 6], &[4], &[4]], &[&[20, 3], &[3], &[3]], &[&[2, 3, 7]], &[&[0, 2, 3], &[2], &[2]]];
    for shapes in rows {
        let what = format!("{shapes:?}");
        let fused: F<'_> = &|x| x[0].batch_norm_relu(x.get(1), x.get(2), 1e-5).output;
        assert_same(&what, shapes, fused, &|x| x[0].batch_norm(x.get(1), x.get(2), 1e-5).output.relu());
        let channels = &shapes[0][1..2];
        let (mean, var) = (noise(7, channels, DType::F32), noise(8, channels, DType::F32));
        let fused: F<'_> = &|x| x[0].batch_norm_eval_relu(&mean, &var, x.get(1), x.get(2), 2.0);
        assert_same(&what, shapes, fused, &|x| x[0].batch_norm_eval(&mean, &var, x.get(1), x.get(2), 2.0).relu());
    }
}
