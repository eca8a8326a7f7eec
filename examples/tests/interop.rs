//! Training that PyTorch began goes on here as it would have gone on there (`golden/torch_*.pt`, `golden/interop.json`).

use nets::nets::lenet_bn;
use serde_json::Value as Json;
use wengert_autograd::{Var, functional::cross_entropy, no_grad};
use wengert_nn::{Linear, Module, ReLU, sequential};
use wengert_optim::{Adam, AdamOptions, Optimizer, Sgd, SgdOptions};
use wengert_tensor::{DType, Tensor, Value, manual_seed, rand, set_rng_state};

fn numbers(list: &Json) -> Vec<f64> {
    list.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

fn continues(name: &str, net: &dyn Module, optimizer: &mut Optimizer, x: Tensor, classes: i64, rtol: f64) {
    let golden: Json = serde_json::from_str(include_str!("golden/interop.json")).expect("valid JSON");
    let reference = &golden["cases"][name];
    let path = format!("{}/tests/golden/torch_{name}.pt", env!("CARGO_MANIFEST_DIR"));
    let checkpoint = wengert_io::load(path).expect("written by PyTorch");
    assert_eq!(checkpoint.get("epoch").and_then(Value::as_int), Some(3));
    net.load_state_dict(&checkpoint.get("model").and_then(Value::to_state_dict).expect("a state dict")).expect("fits");
    optimizer.load_state_dict(checkpoint.get("optimizer").expect("there")).expect("fits");

    let close = |ours: &[f64], theirs: &[f64], what: &str| {
        assert_eq!(ours.len(), theirs.len());
        for (a, b) in ours.iter().zip(theirs) {
            assert!((a - b).abs() <= rtol * b.abs().max(1e-2), "{name} {what}: {ours:?} instead of {theirs:?}");
        }
    };
    let y = Tensor::from_vec((0..x.size(0) as i64).map(|i| i % classes).collect(), [x.size(0)]);
    let x = Var::from(x);
    net.eval();
    let logits = no_grad(|| net.forward(&x).value().select(0, 0)).to_vec::<f64>();
    close(&logits, &numbers(&reference["logits"]), "logits");
    net.train();
    let mut losses = Vec::new();
    for _ in 0..4 {
        let loss = cross_entropy(&net.forward(&x), &y);
        optimizer.zero_grad();
        loss.backward();
        optimizer.step();
        losses.push(loss.item::<f64>());
    }
    close(&losses, &numbers(&reference["after"]), "losses");

    set_rng_state(checkpoint.get("rng_state").and_then(Value::as_tensor).expect("a tensor")).expect("valid");
    let expected: Vec<f32> = numbers(&reference["next_random"]).iter().map(|&v| v as f32).collect();
    assert_eq!(rand([4]).to_vec::<f32>(), expected);
}

#[test]
fn adam_on_lenet_continues_in_f32() {
    let net = lenet_bn();
    let mut optimizer = Adam::new(net.parameters(), AdamOptions { lr: 0.5, ..AdamOptions::default() });
    manual_seed(1);
    continues("lenet_bn_f32", &net, &mut optimizer, rand([16, 1, 28, 28]), 10, 1e-5);
}

#[test]
fn adam_and_sgd_continue_in_f64() {
    // The learning rates and options are wrong on purpose: the checkpoint's replace them.
    for name in ["mlp_adam_f64", "mlp_sgd_f64"] {
        let net = sequential![Linear::new(8, 16), ReLU::new(), Linear::new(16, 4)];
        net.to(DType::F64);
        let mut optimizer = match name {
            "mlp_adam_f64" => Adam::new(net.parameters(), AdamOptions::default()),
            _ => Sgd::new(net.parameters(), SgdOptions::default()),
        };
        manual_seed(1);
        continues(name, &net, &mut optimizer, rand([16, 8]).to(DType::F64), 4, 1e-12);
    }
}
