//! burn's workloads for `cargo xtask bench --against burn`, built from the names in xtask/benches/cases.
#![recursion_limit = "256"]

mod nets;
#[path = "../../../benches/serve.rs"]
mod serve;
#[path = "../../../benches/cases/size.rs"]
mod size;
#[path = "../../../benches/timing.rs"]
mod timing;

use burn::nn::BatchNormConfig;
use burn::prelude::*;
use burn::tensor::Distribution;
use burn::tensor::activation::{gelu, log_softmax, relu, sigmoid, softmax};
use burn::tensor::module::{adaptive_avg_pool2d, conv2d};
use burn::tensor::ops::ConvOptions;
use size::{letter, numbers};
use std::hint::black_box;

type Run = Box<dyn FnMut()>;

/// The CPU, without gradients or with them.
pub(crate) fn device(tracked: bool) -> Device {
    if tracked { Device::flex().autodiff() } else { Device::flex() }
}

pub(crate) fn randn<const N: usize>(shape: [usize; N], tracked: bool) -> Tensor<N> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &device(tracked))
}

pub(crate) fn run<R>(mut f: impl FnMut() -> R + 'static) -> Option<Run> {
    Some(Box::new(move || {
        black_box(f());
    }))
}

fn main() -> std::io::Result<()> {
    serve::serve(|name| Some((find(name)?, 0.0, 0.0)))
}

fn find(name: &str) -> Option<Run> {
    let parts: Vec<&str> = name.split('/').collect();
    let (family, part) = (parts[0], |i: usize| parts.get(i).copied().unwrap_or(""));
    let sizes = numbers(part(1));
    if name.ends_with("/f64") {
        return None;
    }
    match (family, sizes.as_slice()) {
        ("net", _) => nets::find(part(1), &numbers(part(2)), part(3)),
        ("file", _) => nets::file(part(1), part(2)),
        ("tape", &[nodes]) => tape(nodes, part(2)),
        ("conv", &[n, c, h]) => conv([n, c, h, h], part(2), part(3)),
        ("matmul", &[m, k, n]) => {
            let (a, b) = (randn([m, k], false), randn([k, n], false));
            run(move || a.clone().matmul(b.clone()))
        }
        (_, &[n]) => elementwise(family, n),
        (_, &[rows, columns]) => matrix(family, randn([rows, columns], false)),
        (_, &[n, c, h]) => image(family, part(2), randn([n, c, h, h], part(2) == "step")),
        _ => None,
    }
}

fn elementwise(family: &str, n: usize) -> Option<Run> {
    let [x, y] = [0; 2].map(|_| Tensor::<1>::random([n], Distribution::Uniform(-1.0, 1.0), &device(false)));
    match family {
        "add" => run(move || x.clone() + y.clone()),
        "mul" => run(move || x.clone() * y.clone()),
        "relu" => run(move || relu(x.clone())),
        "exp" => run(move || x.clone().exp()),
        "tanh" => run(move || x.clone().tanh()),
        "sigmoid" => run(move || sigmoid(x.clone())),
        "gelu" => run(move || gelu(x.clone())),
        "chain" => run(move || relu(x.clone().mul_scalar(2.0).add_scalar(1.0)).exp()),
        _ => None,
    }
}

fn matrix(family: &str, x: Tensor<2>) -> Option<Run> {
    let bias = randn([1, x.dims()[1]], false);
    match family {
        "softmax" => run(move || softmax(x.clone(), 1)),
        "log_softmax" => run(move || log_softmax(x.clone(), 1)),
        "argmax" => run(move || x.clone().argmax(1)),
        // Nothing makes a tensor contiguous; reading it does.
        "transpose" => run(move || x.clone().transpose().into_data()),
        "sum_last" => run(move || x.clone().sum_dim(1)),
        "sum_first" => run(move || x.clone().sum_dim(0)),
        "sum_all" => run(move || x.clone().sum()),
        "mean_last" => run(move || x.clone().mean_dim(1)),
        "max_last" => run(move || x.clone().max_dim(1)),
        "bias_add" => run(move || x.clone() + bias.clone()),
        _ => None,
    }
}

fn image(family: &str, what: &str, x: Tensor<4>) -> Option<Run> {
    match (family, what) {
        ("global_avg_pool", _) => run(move || adaptive_avg_pool2d(x.clone(), [1, 1])),
        ("cat", _) => {
            let parts: Vec<_> = (0..4).map(|_| x.random_like(Distribution::Default)).collect();
            run(move || Tensor::cat(parts.clone(), 1))
        }
        ("max_pool", kernel) => {
            let pool = nets::pool(kernel.parse().ok()?, kernel.parse().ok()?, 0);
            run(move || pool.forward(x.clone()))
        }
        // Only a tensor with gradients is normalised by its own statistics.
        ("batch_norm", "eval") => {
            let norm = BatchNormConfig::new(x.dims()[1]).init(&x.device());
            run(move || norm.forward(x.clone()))
        }
        ("batch_norm", "step") => {
            let norm = BatchNormConfig::new(x.dims()[1]).init(&x.device());
            let upstream = randn(x.dims(), true);
            run(move || (norm.forward(x.clone().detach().require_grad()) * upstream.clone()).sum().backward())
        }
        _ => None,
    }
}

fn conv(image: [usize; 4], kernel: &str, what: &str) -> Option<Run> {
    let outputs = *numbers(kernel).first()?;
    let (k, s, p) = (letter(kernel, 'k')?, letter(kernel, 's')?, letter(kernel, 'p')?);
    let (d, g) = (letter(kernel, 'd').unwrap_or(1), letter(kernel, 'g').unwrap_or(1));
    let options = move || ConvOptions::new([s, s], [p, p], [d, d], g);
    let tracked = what == "step";
    let x = randn(image, tracked);
    let (w, b) = (randn([outputs, image[1] / g, k, k], tracked), randn([outputs], tracked));
    if !tracked {
        return run(move || conv2d(x.clone(), w.clone(), Some(b.clone()), options()));
    }
    let upstream = randn(conv2d(x.clone(), w.clone(), None, options()).dims(), true);
    run(move || {
        let (x, w, b) = (x.clone().require_grad(), w.clone().require_grad(), b.clone().require_grad());
        // The backward pass begins at a number: the sum of the outputs times their gradients.
        (conv2d(x, w, Some(b), options()) * upstream.clone()).sum().backward()
    })
}

fn tape(nodes: usize, what: &str) -> Option<Run> {
    let tracked = what != "untracked";
    let number = |v: f32| Tensor::<1>::from_data(TensorData::new(vec![v], [1]), &device(tracked));
    let (start, c, d, w) = (number(0.5), number(1.0001), number(1e-4), number(0.999));
    let chain = move |mut y: Tensor<1>, c: &Tensor<1>, d: &Tensor<1>| {
        for _ in 0..nodes / 2 {
            y = y * c.clone() + d.clone();
        }
        y
    };
    match what {
        "untracked" => run(move || chain(start.clone(), &c, &d)),
        "one" => run(move || {
            let x = start.clone().detach().require_grad();
            x.grad(&chain(x.clone(), &c, &d).backward())
        }),
        "two" => run(move || {
            let (x, w) = (start.clone().detach().require_grad(), w.clone().detach().require_grad());
            w.grad(&chain(x.clone(), &w, &x).backward())
        }),
        _ => None,
    }
}
