//! Parametrised modules train, save, print and come back as PyTorch's (`golden/parametrizations.json`).

use serde_json::Value as Json;
use wengert_nn::parametrizations::{
    OrthogonalMap, OrthogonalOptions, SpectralNormOptions, WeightNormOptions, orthogonal, spectral_norm, weight_norm,
};
use wengert_nn::parametrize::{
    Leave, Parametrization, assign, is_parametrized, register_parametrization, remove_parametrizations,
};
use wengert_nn::tensor::{DType, Tensor, manual_seed, rand};
use wengert_nn::{
    Conv2d, ConvTranspose2d, Linear, Module, Registry, Sequential, StateDict, Tanh, Tree, Var, sequential,
};

/// The net of a row, as `xtask/golden/parametrizations.py` makes it, and the name of its parametrised parameter.
fn net(row: &str) -> (Sequential, &'static str) {
    let name = if row.ends_with("bias") { "bias" } else { "weight" };
    let net = match row {
        _ if row.contains("conv") => sequential![Conv2d::new(2, 3, 2), Tanh::new()],
        _ if row.contains("transposed") => sequential![ConvTranspose2d::new(2, 3, 2), Tanh::new()],
        "orthogonal linear, tall" | "orthogonal linear, cayley" => sequential![Linear::new(4, 6), Tanh::new()],
        "orthogonal linear, square" => sequential![Linear::new(4, 4), Tanh::new()],
        _ => sequential![Linear::new(4, 3), Tanh::new()],
    };
    if row.starts_with("orthogonal") {
        let orthogonal_map = match row {
            "orthogonal linear, exponential" => Some(OrthogonalMap::MatrixExp),
            "orthogonal linear, cayley" => Some(OrthogonalMap::Cayley),
            _ => None,
        };
        orthogonal(&net[0], OrthogonalOptions { orthogonal_map, ..Default::default() });
    }
    if row.starts_with("weight_norm") || row == "both" {
        let dim = match row {
            "weight_norm linear, all" => None,
            "weight_norm linear, columns" => Some(1),
            _ => Some(0),
        };
        weight_norm(&net[0], WeightNormOptions { name: name.to_owned(), dim });
    }
    if row.starts_with("spectral_norm") || row == "both" {
        let n_power_iterations = if row == "spectral_norm conv" { 2 } else { 1 };
        spectral_norm(&net[0], SpectralNormOptions { name: name.to_owned(), n_power_iterations, ..Default::default() });
    }
    (net, name)
}

fn numbers(json: &Json) -> Vec<f64> {
    json.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

fn near(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-5 + 1.3e-6 * expected.abs(), "{what}: {found} {expected}");
    }
}

fn check_state(state: &StateDict, expected: &Json, what: &str) {
    for entry in expected.as_array().expect("a list") {
        let key = entry[0].as_str().expect("a name");
        let tensor = state.get(key).unwrap_or_else(|| panic!("{what}: no {key}"));
        let shape: Vec<f64> = tensor.shape().iter().map(|&size| size as f64).collect();
        assert_eq!(shape, numbers(&entry[1]), "{what}: {key}");
        near(&tensor.to_vec::<f64>(), &numbers(&entry[2]), &format!("{what}: {key}"));
    }
}

#[test]
fn parametrised_layers_are_those_of_pytorch() {
    let golden: Json = serde_json::from_str(include_str!("golden/parametrizations.json")).expect("valid JSON");
    for (row, expected) in golden.as_object().expect("rows") {
        manual_seed(0);
        let (net, name) = net(row);
        let shape: &[usize] = if row.contains("conv") || row.contains("transposed") { &[1, 2, 3, 3] } else { &[2, 4] };
        let x = Var::from(rand(shape));
        let mut losses = Vec::new();
        for _ in 0..3 {
            net.zero_grad();
            let loss = net.forward(&x).square().sum(());
            loss.backward();
            losses.push(loss.item::<f64>());
            for param in net.parameters() {
                let step = param.grad().expect("every parameter is used") * 0.1;
                param.update(|value| *value = &*value - &step);
            }
        }
        near(&losses, &numbers(&expected["losses"]), row);
        net.eval();
        assert_eq!(net.to_string(), expected["text"].as_str().expect("text"), "{row}");
        let names: Vec<_> = net.named_parameters().into_iter().map(|(name, _)| Json::from(name)).collect();
        assert_eq!(Json::from(names), expected["parameters"], "{row}");
        let state = net.state_dict();
        let keys: Vec<_> = state.keys().collect();
        let wanted: Vec<_> =
            expected["state"].as_array().expect("a list").iter().map(|e| e[0].as_str().unwrap()).collect();
        assert_eq!(keys, wanted, "{row}");
        check_state(&state, &expected["state"], row);
        near(&net.forward(&x).to_vec::<f64>(), &numbers(&expected["output"]), row);

        // Into another net of the same kind, whose parameters start elsewhere.
        let (other, _) = self::net(row);
        other.eval();
        other.load_state_dict(&state).expect("the keys are the same");
        near(&other.forward(&x).to_vec::<f64>(), &numbers(&expected["output"]), row);

        remove_parametrizations(&net[0], name, Leave::Computed);
        assert_eq!(net.to_string(), expected["removed text"].as_str().expect("text"), "{row}");
        assert_eq!(net.state_dict().len(), expected["removed"].as_array().expect("a list").len(), "{row}");
        check_state(&net.state_dict(), &expected["removed"], row);
        near(&net.forward(&x).to_vec::<f64>(), &numbers(&expected["output"]), row);
    }
}

/// A symmetric matrix from its upper triangle.
#[derive(Tree)]
struct Symmetric;
impl Module for Symmetric {
    fn forward(&self, x: &Var) -> Var {
        x.triu(0) + x.triu(1).t()
    }
}
impl Parametrization for Symmetric {
    fn right_inverse(&self, value: &Tensor) -> Vec<Tensor> {
        vec![value.triu(0)]
    }
}

#[test]
fn a_parametrised_parameter_stays_the_same_parameter_to_an_optimizer() {
    let layer = Linear::new(3, 3);
    let (before, id) = (layer.weight.value(), layer.weight.id());
    register_parametrization(&layer, "weight", Symmetric);
    assert!(is_parametrized(&layer, "weight") && !is_parametrized(&layer, "bias"));
    let named = layer.named_parameters();
    assert_eq!((named[1].0.as_str(), named[1].1.id()), ("parametrizations.weight.original", id));
    assert!(layer.weight.value().equal(&before.triu(0)));

    let wanted = Tensor::from_vec(vec![1f32, 2.0, 3.0, 2.0, 4.0, 5.0, 3.0, 5.0, 6.0], [3, 3]);
    assign(&layer, "weight", &wanted);
    assert!(layer.weight.var().value().equal(&wanted));
    layer.weight.var().sum(()).backward();
    assert_eq!(layer.weight.grad().expect("tracked").to_vec::<f32>(), [1.0, 2.0, 2.0, 0.0, 1.0, 2.0, 0.0, 0.0, 1.0]);

    remove_parametrizations(&layer, "weight", Leave::Original);
    assert!(layer.weight.var().value().equal(&wanted.triu(0)) && !is_parametrized(&layer, "weight"));
    register_parametrization(&layer, "weight", Symmetric);
    remove_parametrizations(&layer, "weight", Leave::Computed);
    assert!(layer.weight.value().equal(&wanted));
    assert_eq!(layer.to_string(), "Linear(in_features=3, out_features=3, bias=True)");
}

#[test]
fn conversion_freezing_and_modes_reach_parametrisations() {
    let net = sequential! { "a" => Linear::new(3, 2), "b" => Linear::new(2, 1) };
    spectral_norm(&net["a"], Default::default());
    weight_norm(&net["b"], Default::default());
    net.to(DType::F64);
    assert_eq!(net.forward(&Var::from(Tensor::ones([1, 3], DType::F64))).dtype(), DType::F64);
    net.eval();
    let u = || net.state_dict()["a.parametrizations.weight.0._u"].to_vec::<f64>();
    let before = u();
    net.forward(&Var::from(Tensor::ones([1, 3], DType::F64)));
    assert_eq!(u(), before);
    net.train();
    net.forward(&Var::from(Tensor::ones([1, 3], DType::F64)));
    assert_ne!(u(), before);
    assert_eq!(net.freeze_matching("b.parametrizations.*"), 2);
    let names: Vec<_> = net.named_parameters().into_iter().filter(|(_, p)| p.requires_grad()).map(|(n, _)| n).collect();
    assert_eq!(names, ["a.bias", "a.parametrizations.weight.original", "b.bias"]);
}

fn message(f: impl FnOnce()) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).expect_err("it panics");
    *panic.downcast::<String>().expect("with a text")
}

#[test]
fn mistakes_are_named() {
    let layer = Linear::new(3, 2);
    let text = message(|| register_parametrization(&layer, "wait", Symmetric));
    assert!(text.contains("does not have a parameter, a buffer, or a parametrized element with name 'wait'"), "{text}");
    let text = message(|| remove_parametrizations(&layer, "weight", Leave::Computed));
    assert!(text.contains("does not have a parametrization on weight"), "{text}");
    weight_norm(&layer, Default::default());
    let text = message(|| remove_parametrizations(&layer, "weight", Leave::Original));
    assert!(text.starts_with("Cannot leave unparametrized (`leave_parametrized=False`)"), "{text}");
    let error = Registry::new().describe(&layer).err().expect("as in PyTorch").to_string();
    assert!(error.contains("state_dict only"), "{error}");
    let error = layer.load_state_dict(&Linear::new(3, 2).state_dict()).unwrap_err().to_string();
    assert!(error.starts_with("Error(s) in loading state_dict for ParametrizedLinear:"), "{error}");
}
