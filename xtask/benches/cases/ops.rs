//! Products, elementwise functions, reductions, and layers without weights to learn.

use super::{Case, Name, numbers};
use wengert_autograd::{GradOptions, Var, grad, no_grad};
use wengert_nn::{BatchNorm2d, Module};
use wengert_tensor::pool::Pool2dOptions;
use wengert_tensor::{DType, Tensor, rand, randn};

pub(super) fn find(name: &Name<'_>) -> Option<Case> {
    let sizes = numbers(name.part(0));
    match (name.family, sizes.as_slice()) {
        ("matmul", &[m, k, n]) => {
            let (a, b) = (randn([m, k]).to(name.dtype), randn([k, n]).to(name.dtype));
            Some(Case::new(move || a.matmul(&b)).flops(2 * m * k * n))
        }
        (family, &[n]) => elementwise(family, n, name.dtype),
        (family, &[rows, columns]) if name.part(1).is_empty() => matrix(family, randn([rows, columns]).to(name.dtype)),
        (family, &[batch, channels, size]) => {
            image(family, name.part(1), randn([batch, channels, size, size]).to(name.dtype))
        }
        _ => None,
    }
}

fn elementwise(family: &str, n: usize, dtype: DType) -> Option<Case> {
    let [mut x, y] = [0, 1].map(|_| (rand([n]) * 2.0 - 1.0).to(dtype));
    if family == "add_inplace" {
        let run = move || {
            x.add_scaled_(1e-9, &y);
        };
        return Some(Case::new(run).bytes(3 * n * dtype.size()));
    }
    type Op = fn(&Tensor, &Tensor) -> Tensor;
    let (operands, op): (usize, Op) = match family {
        "add" => (3, |x, y| x.add(y)),
        "mul" => (3, |x, y| x.mul(y)),
        "relu" => (2, |x, _| x.relu()),
        "exp" => (2, |x, _| x.exp()),
        "tanh" => (2, |x, _| x.tanh()),
        "sigmoid" => (2, |x, _| x.sigmoid()),
        "gelu" => (2, |x, _| x.gelu()),
        "chain" => (2, |x, _| (x * 2.0 + 1.0).relu().exp()),
        _ => return None,
    };
    Some(Case::new(move || op(&x, &y)).bytes(operands * n * dtype.size()))
}

fn matrix(family: &str, x: Tensor) -> Option<Case> {
    let bytes = x.numel() * x.dtype().size();
    let bias = randn([x.shape()[1]]).to(x.dtype());
    type Op = fn(&Tensor, &Tensor) -> Tensor;
    let (passes, op): (usize, Op) = match family {
        "softmax" => (2, |x, _| x.softmax(-1)),
        "log_softmax" => (2, |x, _| x.log_softmax(-1)),
        "argmax" => (1, |x, _| x.argmax(-1)),
        "transpose" => (2, |x, _| x.t().contiguous()),
        "sum_last" => (1, |x, _| x.sum(-1)),
        "sum_first" => (1, |x, _| x.sum(0)),
        "sum_all" => (1, |x, _| x.sum(())),
        "mean_last" => (1, |x, _| x.mean(-1)),
        "max_last" => (1, |x, _| x.max_dim(-1).0),
        "bias_add" => (2, |x, bias| x.add(bias)),
        _ => return None,
    };
    Some(Case::new(move || op(&x, &bias)).bytes(passes * bytes))
}

fn image(family: &str, what: &str, x: Tensor) -> Option<Case> {
    let bytes = x.numel() * x.dtype().size();
    match (family, what) {
        ("global_avg_pool", _) => Some(Case::new(move || x.adaptive_avg_pool2d([Some(1); 2])).bytes(bytes)),
        ("cat", _) => {
            let parts = [0; 4].map(|_| randn(x.shape()).to(x.dtype()));
            Some(Case::new(move || Tensor::cat(&parts, 1)).bytes(8 * bytes))
        }
        ("max_pool", kernel) => {
            let kernel: usize = kernel.parse().ok()?;
            let (x, options) = (Var::from(x), Pool2dOptions::new([kernel; 2]));
            Some(Case::new(move || no_grad(|| x.max_pool2d(&options))).bytes(bytes))
        }
        ("batch_norm", "eval" | "train") => {
            let (norm, x) = (batch_norm(&x), Var::from(x));
            if what == "eval" {
                norm.eval();
            }
            Some(Case::new(move || no_grad(|| norm.forward(&x))).bytes(2 * bytes))
        }
        ("batch_norm", "step") => {
            let (norm, upstream) = (batch_norm(&x), Var::from(randn(x.shape()).to(x.dtype())));
            let x = Var::leaf(x);
            let run = move || {
                let [weight, bias] = [&norm.weight, &norm.bias].map(|p| p.as_ref().expect("affine").var());
                let options = GradOptions { grad_outputs: vec![Some(upstream.clone())], ..GradOptions::default() };
                grad(&[&norm.forward(&x)], &[&x, &weight, &bias], &options)
            };
            Some(Case::new(run).bytes(6 * bytes))
        }
        _ => None,
    }
}

fn batch_norm(x: &Tensor) -> BatchNorm2d {
    let norm = BatchNorm2d::new(x.shape()[1]);
    norm.parameters().iter().for_each(|p| p.set(p.value().to(x.dtype())));
    norm
}
