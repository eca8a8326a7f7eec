//! Whole models in files: ours, and those that PyTorch wrote with `torch.save(net)`.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use wengert_nn::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models").join(name)
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("models-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn assert_close(found: &Tensor, expected: &Tensor) {
    assert_eq!(found.shape(), expected.shape());
    for (a, b) in found.to_vec::<f32>().iter().zip(expected.to_vec::<f32>()) {
        assert!((a - b).abs() <= 1e-5 + 1.3e-6 * b.abs(), "{a} is not {b}");
    }
}

#[test]
fn models_of_pytorch_are_rebuilt_and_run() {
    for name in ["images", "tied", "shared"] {
        let net = load_model(fixture(&format!("{name}.pt"))).unwrap_or_else(|e| panic!("{e}"));
        let expected = wengert_io::load(fixture(&format!("{name}.expected.pt"))).unwrap();
        let tensor = |key: &str| expected.get(key).and_then(Value::as_tensor).unwrap().clone();
        let text = expected.get("text").and_then(Value::as_str).unwrap();
        assert_eq!(net.to_string(), text);
        assert_close(net.forward(&Var::from(tensor("input"))).value(), &tensor("output"));
    }
    let tied = load_model(fixture("tied.pt")).unwrap();
    assert_eq!((tied.parameters().len(), tied.state_dict().len()), (1, 2));
    for name in ["shared.pt", "legacy.pt"] {
        let shared = load_model(fixture(name)).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((shared.parameters().len(), shared.modules().len()), (2, 3));
        assert_eq!(shared.parameters().iter().map(Param::requires_grad).collect::<Vec<_>>(), [true, false]);
    }
    assert!(!load_model(fixture("images.pt")).unwrap().training());
}

#[test]
fn models_with_unknown_classes_can_still_be_read() {
    let error = load_model(fixture("unknown.pt")).err().unwrap().to_string();
    assert!(error.contains("module '1': class __main__.Block is not known"), "{error}");
    let error = wengert_io::load(fixture("unknown.pt")).err().unwrap().to_string();
    assert!(error.contains("whole-model"), "{error}");
    let spec = Spec::try_from(wengert_io::load_module_tree(fixture("unknown.pt")).unwrap()).unwrap();
    let state = spec.state_dict();
    assert_eq!(
        state.keys().collect::<Vec<_>>(),
        ["0.weight", "0.bias", "1.scale", "1.offset", "1.body.0.weight", "1.body.0.bias"]
    );
    assert_eq!(state["1.offset"].to_vec::<f32>(), [0.0, 1.0, 2.0]);
    let text = spec.to_string();
    assert!(text.contains("(1): Block(") && text.contains("torch.nn.functional.relu"), "{text}");
    assert!(text.contains("settings={'depth': 2, 'names': ['a', 'b']}"), "{text}");
    let lstm = Spec::try_from(wengert_io::load_module_tree(fixture("lstm.pt")).unwrap()).unwrap();
    assert_eq!(lstm.state_dict().len(), 4);
}

fn network() -> Sequential {
    tensor::manual_seed(5);
    let mut output = Linear::new(6, 6);
    output.bias = None;
    let first = Linear::new(6, 6);
    output.weight = first.weight.clone();
    let net = sequential! {
        "conv" => Conv2d::with(Conv2dOptions { padding: Padding::Same, ..Conv2dOptions::new(1, 2, 3) }),
        "norm" => BatchNorm2d::new(2),
        "act" => ReLU::new(),
        "pool" => MaxPool2d::new(2),
        "more" => sequential![AvgPool2d::new((2, 1)), AdaptiveAvgPool2d::new((1, 3)), Flatten::new()],
        "first" => first,
        "drop" => Dropout::new(0.5),
        "layer" => LayerNorm::new([6]),
        "output" => output,
    };
    net["drop"].eval();
    net
}

#[test]
fn models_are_saved_and_loaded_whole() {
    let folder = Folder::new("whole");
    let net = network();
    let x = Var::from(tensor::with_generator(|g| g.normal([4, 1, 8, 8], 0.0, 1.0, DType::F32)));
    net.forward(&x);
    for name in ["net.wgt", "net.pt", "without_ending"] {
        let path = folder.0.join(name);
        save_model(&path, &net).unwrap();
        let again = load_model(&path).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(again.to_string(), net.to_string(), "{name}");
        assert_eq!(again.parameters().len(), net.parameters().len());
        assert!(again.training() && !again.get("drop").unwrap().training());
        for (key, tensor) in net.state_dict().iter() {
            assert_eq!(tensor.to_bytes(), again.state_dict()[key].to_bytes(), "{name} {key}");
        }
        // In training both move their running statistics alike.
        assert_eq!(again.forward(&x).value().to_bytes(), network_output(&net, &x), "{name}");
    }
    let error = save_model(folder.0.join("x.pt"), &sequential![GlobalAvgPool2d::new()]).err().unwrap().to_string();
    assert!(error.contains("PyTorch has no class wengert.GlobalAvgPool2d"), "{error}");
    let error = load_model(fixture("tied.expected.pt")).err().unwrap().to_string();
    assert!(error.contains("no model"), "{error}");
    if let Ok(keep) = std::env::var("WENGERT_KEEP_MODELS") {
        save_model(Path::new(&keep).join("net.pt"), &net).unwrap();
        net.eval();
        let run = Value::dict([
            ("input", Value::from(x.value())),
            ("output", Value::from(net.forward(&x).value())),
            ("text", Value::from(net.to_string())),
        ]);
        wengert_io::save(Path::new(&keep).join("expected.pt"), run).unwrap();
    }
}

/// The output of a network, whose statistics are put back.
fn network_output(net: &Sequential, x: &Var) -> Vec<u8> {
    let before = net.state_dict();
    let output = net.forward(x).value().to_bytes();
    net.load_state_dict(&before).unwrap();
    output
}

#[test]
fn damaged_models_are_errors_and_never_panic() {
    let folder = Folder::new("damaged");
    let path = folder.0.join("net.wgt");
    save_model(&path, &sequential![Linear::new(2, 2), BatchNorm1d::new(2), Dropout::new(0.1)]).unwrap();
    for source in [path.clone(), fixture("tied.pt"), fixture("legacy.pt")] {
        let bytes = std::fs::read(source).unwrap();
        let mut seed = 3u32;
        let mut draw = |below: usize| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as usize % below
        };
        for _ in 0..400 {
            let mut damaged = bytes.clone();
            for _ in 0..=draw(3) {
                let at = draw(damaged.len());
                damaged[at] = draw(256) as u8;
            }
            if draw(4) == 0 {
                damaged.truncate(draw(bytes.len()));
            }
            std::fs::write(&path, &damaged).unwrap();
            let _ = load_model(&path);
        }
    }
}

#[test]
fn transformers_keep_the_function_that_pytorch_keeps() {
    let registry = Registry::new();
    let function = |spec: &Spec| {
        let (_, value) = spec.config().find(|(name, _)| *name == "activation").expect("there");
        value.as_object().expect("a function").class.clone()
    };
    let with = |spec: &Spec, activation: Value, modules: Option<Value>| {
        let Value::Object(object) = Value::from(spec) else { panic!("a spec is an object") };
        let mut object = tensor::Object::clone(&object);
        object.attributes.insert("activation", activation);
        if let Some(child) = modules {
            let mut children = object.attributes.get("_modules").and_then(Value::as_dict).expect("there").clone();
            children.insert("activation", child);
            object.attributes.insert("_modules", Value::Dict(children));
        }
        Spec::try_from(Value::Object(std::sync::Arc::new(object))).expect("a module")
    };
    for (activation, class) in
        [(TransformerActivation::ReLU, "torch.nn.functional.relu"), (TransformerActivation::GELU, "torch._C._nn.gelu")]
    {
        let options = TransformerOptions { activation, ..TransformerOptions::new(4, 2) };
        for spec in [
            registry.describe(&TransformerEncoderLayer::new(options)).expect("known"),
            registry.describe(&TransformerDecoderLayer::new(options)).expect("known"),
        ] {
            assert_eq!(function(&spec), class);
            let again = registry.build(&spec).expect("just described");
            assert_eq!(function(&registry.describe(&*again).expect("known")), class);
            // A function that is not known here is not taken for another.
            let other = Value::Object(std::sync::Arc::new(tensor::Object {
                class: "torch.nn.functional.silu".to_owned(),
                ..Default::default()
            }));
            let error = registry.build(&with(&spec, other.clone(), None)).err().unwrap().to_string();
            assert!(error.contains("'activation' cannot be"), "{error}");
            // A module may stand in the function's place.
            let gelu = registry.describe(&GELU::new()).expect("known").into();
            let module = registry.build(&with(&spec, Value::None, Some(gelu))).expect("known");
            assert_eq!(function(&registry.describe(&*module).expect("known")), "torch._C._nn.gelu");
            let tanh = registry.describe(&Tanh::new()).expect("known").into();
            assert!(registry.build(&with(&spec, Value::None, Some(tanh))).is_err());
        }
    }
}

#[test]
fn models_that_have_seen_no_input_yet_are_rebuilt_and_learn_their_sizes() {
    let folder = Folder::new("lazy");
    let net = load_model(fixture("lazy.pt")).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(net.to_string(), std::fs::read_to_string(fixture("lazy.txt")).unwrap());
    let path = folder.0.join("lazy.wgt");
    save_model(&path, &*net).unwrap();
    let again = load_model(&path).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(again.to_string(), net.to_string());
    let error = save_model(folder.0.join("lazy.pt"), &*net).err().unwrap().to_string();
    assert!(error.contains("module '0'") && error.contains("run the model once"), "{error}");
    for net in [net, again] {
        let trained: Vec<bool> = net.parameters().iter().map(Param::requires_grad).collect();
        assert_eq!(trained, [true, true, true, true, false]);
        assert_eq!(net.forward(&Var::from(Tensor::ones([2, 1, 4, 4], DType::F32))).shape(), [2, 4]);
        let text = net.to_string();
        assert!(text.contains("Conv2d(1, 3, kernel_size=(3, 1)") && text.contains("Linear(in_features=24"), "{text}");
        save_model(folder.0.join("ready.pt"), &*net).unwrap();
        assert_eq!(load_model(folder.0.join("ready.pt")).unwrap().to_string(), text);
    }
    // Layers that are not lazy have shapes.
    let linear = wengert_io::load_module_tree(fixture("shared.pt")).unwrap();
    let Value::Object(sequential) = &linear else { panic!("a module") };
    let mut broken = (**sequential).clone();
    let Some((_, Value::Dict(children))) =
        broken.attributes.entries.iter_mut().find(|(k, _)| k.as_str() == Some("_modules"))
    else {
        panic!("children");
    };
    let mut child = (**children.entries[0].1.as_object().unwrap()).clone();
    let class = "torch.nn.parameter.UninitializedParameter".to_owned();
    let object = tensor::Object { class, arguments: Some(vec![Value::from(true)]), ..Default::default() };
    child.attributes.insert("_parameters", Value::dict([("weight", Value::Object(object.into()))]));
    children.entries[0].1 = Value::Object(child.into());
    let error =
        Registry::new().build(&Spec::try_from(Value::Object(broken.into())).unwrap()).err().unwrap().to_string();
    assert!(error.contains("parameter 'weight' has no shape"), "{error}");
}
