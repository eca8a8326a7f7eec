//! The workloads that PyTorch and the Rust peers are measured on: products, elementwise, reductions, layers, whole steps.
#![expect(missing_docs, reason = "criterion's macros make undocumented functions")]

use criterion::{Criterion, criterion_group, criterion_main};
use nets::nets::{lenet_bn, mlp};
use std::hint::black_box;
use std::time::Duration;
use wengert_autograd::{Var, functional::cross_entropy};
use wengert_nn::{Conv2d, Flatten, Linear, MaxPool2d, Module, Sequential, Sigmoid, sequential};
use wengert_optim::{Sgd, SgdOptions};
use wengert_tensor::pool::Pool2dOptions;
use wengert_tensor::{Conv2dOptions, Tensor, manual_seed, randint, randn};

fn products(c: &mut Criterion) {
    for (m, k, n) in [(64, 64, 64), (256, 256, 256), (512, 512, 512), (1024, 1024, 1024), (256, 784, 256)] {
        let (a, b) = (randn([m, k]), randn([k, n]));
        c.bench_function(&format!("matmul/{m}x{k}x{n}"), |bench| bench.iter(|| black_box(a.matmul(&b))));
    }
}

fn elementwise(c: &mut Criterion) {
    for n in [1_000, 1_000_000] {
        let (x, y) = (randn([n]), randn([n]));
        type Op = fn(&Tensor, &Tensor) -> Tensor;
        let ops: [(&str, Op); 6] = [
            ("add", |x, y| x.add(y)),
            ("relu", |x, _| x.relu()),
            ("exp", |x, _| x.exp()),
            ("tanh", |x, _| x.tanh()),
            ("sigmoid", |x, _| x.sigmoid()),
            ("chain", |x, _| (x * 2.0 + 1.0).relu().exp()),
        ];
        for (name, op) in ops {
            c.bench_function(&format!("{name}/{n}"), |bench| bench.iter(|| black_box(op(&x, &y))));
        }
    }
}

fn reductions(c: &mut Criterion) {
    let x = randn([256, 1000]);
    c.bench_function("sum_last/256x1000", |b| b.iter(|| black_box(x.sum(1))));
    c.bench_function("sum_first/256x1000", |b| b.iter(|| black_box(x.sum(0))));
    c.bench_function("softmax/256x1000", |b| b.iter(|| black_box(x.softmax(1))));
    c.bench_function("argmax/256x1000", |b| b.iter(|| black_box(x.argmax(1))));
    let x = randn([1024, 1024]);
    c.bench_function("transpose_contiguous/1024", |b| b.iter(|| black_box(x.t().contiguous())));
}

fn layers(c: &mut Criterion) {
    let x = randn([32, 64, 56, 56]);
    c.bench_function("max_pool2d/32x64x56x56", |b| b.iter(|| black_box(x.max_pool2d(&Pool2dOptions::new([2, 2])))));
    let cases = [
        ("3x3_64_56", 64, 56, 64, 3, 1, 1),
        ("3x3_256_14", 256, 14, 256, 3, 1, 1),
        ("1x1_256_28", 256, 28, 64, 1, 1, 0),
    ];
    for (name, input, size, output, kernel, stride, padding) in cases {
        let (x, w) = (randn([8, input, size, size]), randn([output, input, kernel, kernel]));
        let options = Conv2dOptions { stride: [stride; 2], padding: [padding; 2], ..Conv2dOptions::default() };
        c.bench_function(&format!("conv2d/{name}"), |b| b.iter(|| black_box(x.conv2d(&w, None, &options))));
    }
}

fn tape(c: &mut Criterion) {
    let one = Tensor::from_vec(vec![1.0f32], [1]);
    c.bench_function("tape/1000_nodes", |b| {
        b.iter(|| {
            let x = Var::leaf(one.clone());
            let mut y = x.clone();
            for _ in 0..1000 {
                y = y * 1.0001;
            }
            y.backward();
            black_box(x.grad())
        });
    });
}

fn lenet() -> Sequential {
    sequential![
        Conv2d::new(1, 6, 5),
        Sigmoid::new(),
        MaxPool2d::new(2),
        Conv2d::new(6, 16, 5),
        Sigmoid::new(),
        MaxPool2d::new(2),
        Flatten::new(),
        Linear::new(256, 120),
        Sigmoid::new(),
        Linear::new(120, 84),
        Sigmoid::new(),
        Linear::new(84, 10),
    ]
}

fn steps(c: &mut Criterion) {
    manual_seed(0);
    for (name, net) in [("mlp", mlp()), ("lenet", lenet()), ("lenet_bn", lenet_bn())] {
        let (x, y) = (Var::from(randn([256, 1, 28, 28])), randint(0, 10, [256]));
        let mut optimizer = Sgd::new(net.parameters(), SgdOptions { lr: 0.01, momentum: 0.9, ..SgdOptions::default() });
        c.bench_function(&format!("step/{name}"), |b| {
            b.iter(|| {
                optimizer.zero_grad();
                cross_entropy(&net.forward(&x), &y).backward();
                optimizer.step();
            });
        });
    }
}

fn configured() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! {
    name = workloads;
    config = configured();
    targets = products, elementwise, reductions, layers, tape, steps
}
criterion_main!(workloads);
