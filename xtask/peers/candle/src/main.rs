//! candle's workloads for `cargo xtask bench --against candle`, built from the names in xtask/benches/cases.

mod nets;
#[path = "../../../benches/serve.rs"]
mod serve;
#[path = "../../../benches/cases/size.rs"]
mod size;
#[path = "../../../benches/timing.rs"]
mod timing;

use candle_core::{Device, Result, Tensor, Var};
use candle_nn::ops;
use size::{letter, numbers};
use std::hint::black_box;

type Run = Box<dyn FnMut()>;

pub(crate) fn randn(shape: &[usize]) -> Tensor {
    Tensor::randn(0f32, 1.0, shape, &Device::Cpu).expect("a shape")
}

pub(crate) fn run(mut f: impl FnMut() -> Result<Tensor> + 'static) -> Option<Run> {
    Some(Box::new(move || {
        black_box(f().expect("the workload is right"));
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
        ("file", _) => file(part(1), part(2)),
        ("tape", &[nodes]) => tape(nodes, part(2)),
        ("conv", &[n, c, h]) => conv([n, c, h, h], part(2), part(3)),
        ("matmul", &[m, k, n]) => {
            let (a, b) = (randn(&[m, k]), randn(&[k, n]));
            run(move || a.matmul(&b))
        }
        (_, &[n]) => elementwise(family, n),
        (_, &[rows, columns]) => matrix(family, randn(&[rows, columns])),
        (_, &[n, c, h]) => image(family, part(2), randn(&[n, c, h, h])),
        _ => None,
    }
}

fn elementwise(family: &str, n: usize) -> Option<Run> {
    let [x, y] = [0; 2].map(|_| Tensor::rand(-1f32, 1.0, n, &Device::Cpu).expect("a shape"));
    match family {
        "add" => run(move || &x + &y),
        "mul" => run(move || &x * &y),
        "relu" => run(move || x.relu()),
        "exp" => run(move || x.exp()),
        "tanh" => run(move || x.tanh()),
        "sigmoid" => run(move || ops::sigmoid(&x)),
        "gelu" => run(move || x.gelu_erf()),
        "chain" => run(move || x.affine(2.0, 1.0)?.relu()?.exp()),
        _ => None,
    }
}

fn matrix(family: &str, x: Tensor) -> Option<Run> {
    let bias = randn(&x.dims()[1..]);
    match family {
        "softmax" => run(move || ops::softmax_last_dim(&x)),
        "log_softmax" => run(move || ops::log_softmax(&x, 1)),
        "argmax" => run(move || x.argmax(1)),
        "transpose" => run(move || x.t()?.contiguous()),
        "sum_last" => run(move || x.sum(1)),
        "sum_first" => run(move || x.sum(0)),
        "sum_all" => run(move || x.sum_all()),
        "mean_last" => run(move || x.mean(1)),
        "max_last" => run(move || x.max(1)),
        "bias_add" => run(move || x.broadcast_add(&bias)),
        _ => None,
    }
}

fn image(family: &str, what: &str, x: Tensor) -> Option<Run> {
    match (family, what) {
        ("global_avg_pool", _) => run(move || x.mean((2, 3))),
        ("cat", _) => {
            let parts = [0; 4].map(|_| randn(x.dims()));
            run(move || Tensor::cat(&parts, 1))
        }
        ("max_pool", kernel) => {
            let kernel: usize = kernel.parse().ok()?;
            run(move || x.max_pool2d(kernel))
        }
        ("batch_norm", "eval" | "train") => {
            let (norm, train) = (nets::Params::default().batch_norm(x.dims()[1]), what == "train");
            run(move || x.apply_t(&norm, train))
        }
        ("batch_norm", "step") => {
            let norm = nets::Params::default().batch_norm(x.dims()[1]);
            let (upstream, x) = (randn(x.dims()), Var::from_tensor(&x).ok()?);
            gradients(move || x.apply_t(&norm, true)? * &upstream)
        }
        _ => None,
    }
}

/// candle's backward pass begins at a number: the sum of the outputs times their gradients.
fn gradients(mut f: impl FnMut() -> Result<Tensor> + 'static) -> Option<Run> {
    Some(Box::new(move || {
        let loss = f().and_then(|y| y.sum_all()).expect("the workload is right");
        black_box(loss.backward().expect("the workload has gradients"));
    }))
}

fn conv(image: [usize; 4], kernel: &str, what: &str) -> Option<Run> {
    let [_, inputs, ..] = image;
    let outputs = *numbers(kernel).first()?;
    let (k, s, p) = (letter(kernel, 'k')?, letter(kernel, 's')?, letter(kernel, 'p')?);
    let (d, g) = (letter(kernel, 'd').unwrap_or(1), letter(kernel, 'g').unwrap_or(1));
    let (x, w, b) = (randn(&image), randn(&[outputs, inputs / g, k, k]), randn(&[1, outputs, 1, 1]));
    let (x, w, b) = (Var::from_tensor(&x).ok()?, Var::from_tensor(&w).ok()?, Var::from_tensor(&b).ok()?);
    let forward = |x: &Tensor, w: &Tensor, b: &Tensor| x.conv2d(w, p, s, d, g)?.broadcast_add(b);
    if what == "forward" {
        let [x, w, b] = [x, w, b].map(|v| v.as_detached_tensor());
        return run(move || x.conv2d(&w, p, s, d, g)?.broadcast_add(&b));
    }
    let upstream = randn(forward(&x, &w, &b).ok()?.dims());
    gradients(move || x.conv2d(&w, p, s, d, g)?.broadcast_add(&b)? * &upstream)
}

fn tape(nodes: usize, what: &str) -> Option<Run> {
    let number = |v: f32| Tensor::full(v, 1, &Device::Cpu).expect("a shape");
    let (start, c, d, w) = (number(0.5), number(1.0001), number(1e-4), number(0.999));
    let chain = move |y: &Tensor, c: &Tensor, d: &Tensor| {
        let mut y = y.clone();
        for _ in 0..nodes / 2 {
            y = ((&y * c)? + d)?;
        }
        Ok(y)
    };
    match what {
        "untracked" => run(move || chain(&start, &c, &d)),
        "one" => gradients(move || {
            let x = Var::from_tensor(&start)?;
            chain(&x, &c, &d)
        }),
        "two" => gradients(move || {
            let (x, w) = (Var::from_tensor(&start)?, Var::from_tensor(&w)?);
            chain(&x, &w, &x)
        }),
        _ => None,
    }
}

/// candle writes safetensors only.
fn file(name: &str, what: &str) -> Option<Run> {
    let name = name.strip_suffix(".safetensors")?;
    let folder = std::env::var_os("BENCH_DATA").map_or_else(std::env::temp_dir, Into::into);
    std::fs::create_dir_all(&folder).ok()?;
    let path = folder.join(format!("candle-{name}.safetensors"));
    let shapes = match name {
        "vgg16" => nets::vgg16_shapes(),
        count => (0..count.parse::<usize>().ok()?).map(|i| (format!("layer{i}.weight"), vec![256])).collect(),
    };
    let full = |shape: Vec<usize>| Tensor::full(0.5f32, shape, &Device::Cpu).expect("a shape");
    let state: std::collections::HashMap<String, Tensor> = shapes.into_iter().map(|(n, s)| (n, full(s))).collect();
    match what {
        "write" => Some(Box::new(move || candle_core::safetensors::save(&state, &path).expect("a folder"))),
        "load" => {
            candle_core::safetensors::save(&state, &path).ok()?;
            Some(Box::new(move || {
                black_box(candle_core::safetensors::load(&path, &Device::Cpu).expect("just saved"));
            }))
        }
        _ => None,
    }
}
