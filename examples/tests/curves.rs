//! Same seed, same weights, same curve: the training references that PyTorch 2.15 computed (`golden/curves.json`).

use nets::nets::{LeNet, lenet_bn, mlp, resnet18, vgg};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use wengert_autograd::{Var, functional::cross_entropy, no_grad};
use wengert_nn::Module;
use wengert_optim::{Adam, AdamOptions, Optimizer, Sgd, SgdOptions};
use wengert_tensor::{DType, Tensor, manual_seed, rand};

fn golden() -> Json {
    serde_json::from_str(include_str!("golden/curves.json")).expect("valid JSON")
}

fn numbers(list: &Json) -> Vec<f64> {
    list.as_array().expect("a list").iter().map(|x| x.as_str().expect("text").parse().expect("a number")).collect()
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

fn build(name: &str) -> Box<dyn Module> {
    let small = |w: usize| [(1, 1, w), (1, w, 2 * w), (2, 2 * w, 4 * w), (2, 4 * w, 8 * w), (2, 8 * w, 8 * w)];
    match name {
        "mlp" => Box::new(mlp()),
        "lenet" => Box::new(LeNet::new()),
        "lenet_bn" => Box::new(lenet_bn()),
        "vgg_small_224_drop" => Box::new(vgg(&small(8), 64 * 7 * 7, 512, 0.5)),
        "vgg_small_32_nodrop" => Box::new(vgg(&small(8), 64, 64, 0.0)),
        "resnet18_small" => Box::new(resnet18(8)),
        _ => panic!("unknown net {name}"),
    }
}

fn optimizer(name: &str, net: &dyn Module) -> Optimizer {
    let lr =
        |text: &str| text.split("lr=").nth(1).and_then(|t| t.split([',', ')']).next()).expect("a rate").parse::<f64>();
    let rate = lr(name).expect("a number");
    if name.starts_with("Adam") {
        return Adam::new(net.parameters(), AdamOptions { lr: rate, ..AdamOptions::default() });
    }
    let momentum = name.split("momentum=").nth(1).map_or(0.0, |t| t.trim_end_matches(')').parse().expect("a number"));
    Sgd::new(net.parameters(), SgdOptions { lr: rate, momentum, ..SgdOptions::default() })
}

/// The 20 losses of a run, the logits of the first row before training, and the loss in eval mode after it.
fn run(name: &str, reference: &Json, optimizer_name: &str, dtype: DType) -> (Vec<f64>, Vec<f64>, f64) {
    manual_seed(0);
    let net = build(name);
    let mut state = Sha256::new();
    net.state_dict().values().for_each(|tensor| state.update(tensor.to_bytes()));
    assert_eq!(hex(state.finalize()), reference["state_sha256"].as_str().expect("text"), "{name}: initial state");
    manual_seed(1);
    let (b, h) = (reference["B"].as_u64().expect("int") as usize, reference["H"].as_u64().expect("int") as usize);
    let x = rand([b, 1, h, h]);
    assert_eq!(hex(Sha256::digest(x.to_bytes())), reference["X"]["sha256"].as_str().expect("text"), "{name}: input");
    let y = Tensor::from_vec((0..b as i64).map(|i| i % 10).collect(), [b]);
    manual_seed(2);
    net.to(dtype);
    let x = Var::from(x.to(dtype));
    let mut optimizer = optimizer(optimizer_name, &net);
    let mut losses = Vec::new();
    let mut logits = Vec::new();
    for step in 0..20 {
        let output = net.forward(&x);
        if step == 0 {
            logits = output.value().select(0, 0).to_vec::<f64>();
        }
        let loss = cross_entropy(&output, &y);
        optimizer.zero_grad();
        loss.backward();
        optimizer.step();
        losses.push(loss.item::<f64>());
    }
    net.eval();
    let after = no_grad(|| cross_entropy(&net.forward(&x), &y)).item::<f64>();
    (losses, logits, after)
}

/// Whether multiply-adds are fused here: they were where the references come from.
fn fused() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::is_x86_feature_detected!("fma") && std::env::var("TENSOR_ISA").as_deref() != Ok("baseline");
    #[cfg(not(target_arch = "x86_64"))]
    return cfg!(target_arch = "aarch64");
}

fn check(name: &str, run_name: &str) {
    let all = golden();
    let reference = &all["nets"][name];
    let run_reference = &reference["runs"][run_name];
    let optimizer_name = run_reference["optimizer"].as_str().expect("text");
    let close = |ours: f64, theirs: f64, rtol: f64, what: &str| {
        assert!((ours - theirs).abs() <= rtol * theirs.abs(), "{name} {run_name} {what}: {ours} instead of {theirs}");
    };

    // f64 is the strong test: PyTorch's own curve moves by 5e-15 under noise of 1e-15.
    let (losses, _, _) = run(name, reference, optimizer_name, DType::F64);
    for (i, (ours, theirs)) in losses.iter().zip(numbers(&run_reference["loss_f64"])).enumerate() {
        close(*ours, theirs, 1e-10, &format!("f64 loss {i}"));
    }

    // In f32, correct implementations drift apart once a ReLU or a pooling choice flips: strict only until then.
    let (losses, logits, after) = run(name, reference, optimizer_name, DType::F32);
    let strict = run_reference["strict_steps"].as_u64().expect("int") as usize;
    let loose: f64 = run_reference["suggested_rtol_20steps"]
        .as_f64()
        .unwrap_or_else(|| run_reference["suggested_rtol_20steps"].as_str().expect("text").parse().expect("a number"));
    // With products and sums rounded apart, PyTorch's own curves (its kernels without AVX) leave the references of Adam by
    // 1.5e-3 for the small ResNet and 1.9e-2 for the VGG with dropout.
    let least = if fused() { 1e-5 } else { 2e-2 };
    for (i, (ours, theirs)) in losses.iter().zip(numbers(&run_reference["loss"])).enumerate() {
        close(*ours, theirs, if i < strict { 1e-5 } else { loose.max(least) }, &format!("f32 loss {i}"));
    }
    for (i, (ours, theirs)) in logits.iter().zip(numbers(&run_reference["logits0"])).enumerate() {
        assert!((ours - theirs).abs() <= 1e-5 * theirs.abs() + 1e-6, "{name} logit {i}: {ours} instead of {theirs}");
    }
    if strict == 20 {
        let theirs = run_reference["eval_loss_after"]
            .as_f64()
            .unwrap_or_else(|| run_reference["eval_loss_after"].as_str().expect("text").parse().expect("a number"));
        close(after, theirs, 1e-4, "eval loss after");
    }
}

macro_rules! curves {
    ($($test:ident: $net:literal, $run:literal;)*) => {
        $(#[test] fn $test() { check($net, $run); })*
    };
}
curves! {
    mlp_with_sgd: "mlp", "sgd";
    mlp_with_momentum: "mlp", "sgdm";
    mlp_with_adam: "mlp", "adam";
    lenet_with_momentum: "lenet", "sgdm";
    lenet_with_adam: "lenet", "adam";
    lenet_bn_with_sgd: "lenet_bn", "sgd";
    lenet_bn_with_adam: "lenet_bn", "adam";
    small_vgg_with_momentum: "vgg_small_32_nodrop", "sgdm";
    small_vgg_with_adam: "vgg_small_32_nodrop", "adam";
    small_resnet_with_sgd: "resnet18_small", "sgd";
    small_resnet_with_adam: "resnet18_small", "adam";
    small_vgg_with_dropout: "vgg_small_224_drop", "adam";
}
