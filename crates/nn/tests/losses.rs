//! Losses and their gradients against PyTorch's numbers in f64, and what they say of wrong targets.

use serde_json::{Map, Value};
use wengert_nn::*;
use wengert_tensor::{manual_seed, rand};

/// Class numbers 0, 2, 1, 0, …
fn classes(count: usize) -> Tensor {
    Tensor::from_vec((0..count as i64).map(|i| i * 2 % 3).collect::<Vec<i64>>(), [count])
}

/// Numbers in [0, 1).
fn reals(shape: [usize; 2]) -> Tensor {
    Tensor::from_vec((0..shape[0] * shape[1]).map(|i| (i * 5 % 7) as f64 / 7.0).collect::<Vec<f64>>(), shape)
}

/// The loss of a row of golden/losses.json, as xtask/golden/nn.py has it.
fn loss(name: &str, x: &Var) -> Var {
    let entropy = |options: CrossEntropyOptions| CrossEntropyLoss::with(options).forward(x, classes(4));
    let defaults = CrossEntropyOptions::default;
    match name {
        "cross_entropy" => CrossEntropyLoss::new().forward(x, classes(4)),
        "cross_entropy_none" => entropy(CrossEntropyOptions { reduction: Reduction::None, ..defaults() }),
        "cross_entropy_sum" => entropy(CrossEntropyOptions { reduction: Reduction::Sum, ..defaults() }),
        "cross_entropy_weight" => {
            let weight = Some(Tensor::from_vec(vec![1.0f32, 2.0, 0.5], [3]));
            entropy(CrossEntropyOptions { weight, ignore_index: 0, ..defaults() })
        }
        "cross_entropy_smooth" => entropy(CrossEntropyOptions { label_smoothing: 0.1, ..defaults() }),
        "cross_entropy_weight_smooth" => {
            let weight = Some(Tensor::from_vec(vec![1.0f32, 2.0, 0.5], [3]));
            entropy(CrossEntropyOptions { weight, ignore_index: 2, label_smoothing: 0.3, ..defaults() })
        }
        "cross_entropy_probabilities" => {
            let options = CrossEntropyOptions { label_smoothing: 0.2, ..defaults() };
            CrossEntropyLoss::with(options).forward(x, reals([2, 3]))
        }
        "cross_entropy_images" => CrossEntropyLoss::new().forward(x, classes(8).reshape([2, 4])),
        "cross_entropy_single" => CrossEntropyLoss::new().forward(x, Tensor::from_vec(vec![1i64], ())),
        "nll" => NLLLoss::new().forward(x, classes(4)),
        "mse" => MSELoss::new().forward(x, reals([2, 3])),
        "mse_none" => MSELoss::with(Reduction::None).forward(x, reals([2, 3])),
        "l1" => L1Loss::new().forward(x, reals([2, 3])),
        "smooth_l1" => SmoothL1Loss::with(0.5, Reduction::Mean).forward(x, reals([2, 3])),
        "bce_with_logits" => BCEWithLogitsLoss::new().forward(x, reals([2, 3])),
        "huber" => HuberLoss::with(0.7, Reduction::Sum).forward(x, reals([2, 3])),
        "bce" => BCELoss::new().forward(&x.sigmoid(), reals([2, 3])),
        "kl_div" => {
            KLDivLoss::with(KlDivOptions { batch_mean: true, ..KlDivOptions::default() }).forward(x, reals([2, 3]))
        }
        _ => panic!("no such loss: {name}"),
    }
}

#[track_caller]
fn assert_close(what: &str, actual: &Tensor, expected: &Value) {
    let (actual, expected) = (actual.to_vec::<f64>(), expected.as_array().expect("a list"));
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        let e = e.as_f64().expect("a number");
        assert!((a - e).abs() <= 1e-10 + 1e-10 * e.abs(), "{what}[{i}]: {a} is not {e}");
    }
}

#[test]
fn losses_compute_what_pytorch_computes() {
    let golden: Map<String, Value> = serde_json::from_str(include_str!("golden/losses.json")).expect("the golden file");
    assert!(golden.len() > 10);
    for (name, row) in golden {
        manual_seed(1);
        let shape: Vec<usize> = serde_json::from_value(row["input"].clone()).expect("a shape");
        let x = Var::leaf((rand(shape) * 4.0 - 2.0).to(DType::F64));
        let y = loss(&name, &x);
        assert_eq!(serde_json::json!(y.shape()), row["shape"], "{name}");
        assert_close(&format!("{name} y"), y.value(), &row["y"]);
        let cotangent: Vec<f64> = (0..y.numel()).map(|i| (i as f64).cos()).collect();
        y.backward_with(Tensor::from_vec(cotangent, y.shape()));
        assert_close(&format!("{name} dx"), &x.grad().expect("a gradient"), &row["dx"]);
    }
}

#[test]
fn wrong_targets_are_named() {
    let logits = Var::from(Tensor::zeros([4, 3], DType::F32));
    let text = |target: Tensor| {
        let loss = CrossEntropyLoss::new();
        let error = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| loss.forward(&logits, target)));
        *error.expect_err("a panic").downcast::<String>().expect("a text")
    };
    assert_eq!(text(classes(3)), "Expected input batch_size (4) to match target batch_size (3).");
    let far = text(Tensor::full([4], 5, DType::I64));
    assert!(far.contains("Target 5 is out of bounds."), "{far}");
}

#[test]
fn the_logistic_loss_is_exact_far_out_and_smooth_at_zero() {
    let x = Var::leaf(Tensor::from_vec(vec![0.0f32, 200.0, -200.0], [3]));
    let y = BCEWithLogitsLoss::with(Reduction::Sum).forward(&x, Tensor::from_vec(vec![1.0f32, 1.0, 1.0], [3]));
    assert_eq!(y.item::<f32>(), 2f32.ln() + 200.0);
    y.backward();
    assert_eq!(x.grad().expect("a gradient").to_vec::<f32>(), [-0.5, 0.0, -1.0]);
}
