//! A layer and the ReLU behind it run as one where nothing watches them, and no bit of a result shows it.

use std::sync::{Arc, Mutex};
use wengert_nn::tensor::{DType, Tensor, profile};
use wengert_nn::{
    BatchNorm1d, BatchNorm2d, BatchNormOptions, Conv1d, Conv2d, Conv2dOptions, Flatten, LazyLinear, Linear,
    LinearOptions, Mode, Module, ReLU, Sequential, Tree, Var, module, sequential, summary,
};

fn noise(seed: usize, shape: &[usize], dtype: DType) -> Var {
    let number = |i: usize| ((i * 7919 + seed * 104_729) % 2003) as f64 / 1001.0 - 1.0;
    Var::from(Tensor::from_vec((0..shape.iter().product()).map(number).collect(), shape).to(dtype))
}

/// Fills parameters, so that two nets of one form are the same.
fn fill(net: &dyn Module, dtype: DType) {
    net.to(dtype);
    for (seed, param) in net.parameters().iter().enumerate() {
        param.set(noise(seed, &param.shape(), dtype).value().clone());
    }
}

/// A net's children one by one, as a loop of one's own would run them.
fn one_by_one(net: &Sequential, input: &Var) -> Var {
    net.iter().fold(input.clone(), |value, module| module.forward(&value))
}

fn bits(x: &Tensor) -> (Vec<usize>, DType, Vec<u64>) {
    (x.shape().to_vec(), x.dtype(), x.to_vec::<f64>().into_iter().map(f64::to_bits).collect())
}

/// Output, gradients and state of two passes.
fn results(
    net: &Sequential,
    run: impl Fn(&Var) -> Var,
    shape: &[usize],
    dtype: DType,
) -> Vec<(Vec<usize>, DType, Vec<u64>)> {
    fill(net, dtype);
    net.train();
    let input = Var::leaf(noise(50, shape, dtype).value().clone());
    let first = run(&input);
    (&first * &noise(51, first.shape(), dtype)).sum(()).backward();
    net.eval();
    let second = run(&input);
    assert_eq!((first.grad_fn(), second.grad_fn()), (Some("ReluBackward0"), Some("ReluBackward0")));
    let mut all = vec![bits(first.value()), bits(second.value()), bits(&input.grad().expect("a gradient"))];
    all.extend(net.parameters().iter().map(|param| bits(&param.grad().expect("a gradient"))));
    all.extend(net.state_dict().values().map(bits));
    net.zero_grad();
    all
}

fn nets() -> Vec<(Sequential, Vec<usize>)> {
    let strided = Conv2dOptions { stride: 2.into(), padding: 1.into(), bias: false, ..Conv2dOptions::new(32, 8, 3) };
    let padded = Conv2dOptions { padding: 1.into(), ..Conv2dOptions::new(3, 32, 3) };
    let grouped = Conv2dOptions { groups: 32, ..Conv2dOptions::new(32, 32, 3) };
    let alone = BatchNormOptions { affine: false, track_running_stats: false, ..BatchNormOptions::new(8) };
    let images = sequential![
        Conv2d::with(padded),
        ReLU::new(),
        Conv2d::with(grouped),
        BatchNorm2d::new(32),
        ReLU::new().inplace(),
        Conv2d::with(strided),
        BatchNorm2d::with(alone),
        ReLU::new(),
        sequential![Conv2d::new(8, 4, 1), ReLU::new()],
        Flatten::new(),
        ReLU::new(),
        Linear::new(4 * 4 * 4, 5),
        ReLU::new(),
    ];
    let shared = Arc::new(Linear::new(6, 6));
    let rows = sequential! {
        "relu" => ReLU::new(), "relu again" => ReLU::new(), "a" => shared.clone(), "act" => ReLU::new(), "b" => shared,
        "norm" => BatchNorm1d::new(6), "last" => Arc::new(ReLU::new()),
    };
    let plain = Linear::with(LinearOptions { bias: false, ..LinearOptions::new(5, 3) });
    let lines = sequential![Conv1d::new(2, 4, 3), ReLU::new(), plain, ReLU::new()];
    vec![(images, vec![2, 3, 9, 10]), (rows, vec![7, 6]), (lines, vec![3, 2, 7])]
}

/// While one test has hooks, no net of another runs layers together.
static HOOKS: Mutex<()> = Mutex::new(());

#[test]
fn values_gradients_and_states_are_those_of_the_children_one_by_one() {
    let _none = HOOKS.lock().expect("unpoisoned");
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
        for ((fused, shape), (net, _)) in nets().into_iter().zip(nets()) {
            let together = results(&fused, |x| fused.forward(x), &shape, dtype);
            assert_eq!(together, results(&net, |x| one_by_one(&net, x), &shape, dtype), "{dtype}, {net}");
        }
    }
}

/// The names of the operations of a pass.
fn operations(net: &dyn Module, input: &Var) -> Vec<String> {
    let (_, report) = profile(|| net.forward(input));
    report.rows().iter().map(|row| row.name.clone()).collect()
}

#[test]
fn a_relu_is_a_pass_of_its_own_only_where_something_watches() {
    let _own = HOOKS.lock().expect("unpoisoned");
    let net = sequential![LazyLinear::new(3), ReLU::new(), Box::new(Linear::new(3, 2)), ReLU::new()];
    let x = noise(1, &[4, 5], DType::F32);
    net.forward(&x);
    let plain = net.forward(&x);
    assert!(!operations(&net, &x).contains(&"relu".to_owned()));

    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = seen.clone();
    let hook = net[0].register_forward_hook(Arc::new(move |_, _, y| {
        note.lock().expect("unpoisoned").push(y.value().lt(0.0).any(()).item::<bool>());
        None
    }));
    assert_eq!(bits(net.forward(&x).value()), bits(plain.value()));
    assert_eq!(bits(net[0].forward_relu(&x).value()), bits(net[0].forward(&x).relu().value()));
    assert!(!operations(&net, &x).contains(&"linear_relu".to_owned()));
    hook.remove();
    // The layer's own output, before the ReLU.
    assert_eq!(*seen.lock().expect("unpoisoned"), [true; 4]);
    assert!(operations(&net, &x).contains(&"linear_relu".to_owned()));

    let rows = summary(&net, x.clone()).rows;
    assert_eq!(rows.iter().filter(|row| row.class == "ReLU" && row.output.is_some()).count(), 2);
}

#[derive(Tree)]
struct Positive {
    mode: Mode,
}

#[module]
impl Module for Positive {
    fn forward(&self, x: &Var) -> Var {
        Var::from(x.value().gt(0.0))
    }
}

#[test]
fn an_error_names_the_layer_or_the_relu_by_whose_fault_it_is() {
    let message = |net: &Sequential| {
        let run = std::panic::AssertUnwindSafe(|| net.forward(&noise(1, &[2, 3], DType::F32)));
        *std::panic::catch_unwind(run).expect_err("it panics").downcast::<String>().expect("with a text")
    };
    let text = message(&sequential![Linear::new(4, 2), ReLU::new()]);
    assert!(
        text.starts_with("in 0 (Linear): addmm: mat1 and mat2 shapes cannot be multiplied (2x3 and 4x2)"),
        "{text}"
    );
    let text = message(&sequential![Positive { mode: Mode::default() }, ReLU::new()]);
    assert!(text.starts_with("in 1 (ReLU): "), "{text}");
}
