//! Every layer becomes data and again a layer: same text, same tensors, same output.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use wengert_nn::tensor::with_generator;
use wengert_nn::*;

/// One module or more of every class in the registry, with an input that its forward pass takes, if it has one.
fn samples() -> Vec<(Box<dyn Module>, Option<Tensor>)> {
    let image = || Some(normal(&[2, 4, 8, 8]));
    let flat = || Some(normal(&[3, 4]));
    let weights = || CrossEntropyOptions {
        weight: Some(Tensor::from_vec(vec![1.0f32, 2.0], [2])),
        label_smoothing: 0.0,
        ..CrossEntropyOptions::default()
    };
    let mut dict = ModuleDict::new();
    dict.insert("a", Linear::new(2, 3)).insert("b", Tanh::new());
    let mut list = ModuleList::new();
    list.push(Linear::new(2, 3)).push(Linear::new(2, 3));
    let mut params = ParameterDict::new();
    params.insert("x", Param::new(normal(&[2]))).insert("y", Param::new(normal(&[3, 1])));
    vec![
        (Box::new(Identity::new()), flat()),
        (Box::new(LazyLinear::new(3)), None),
        (Box::new(LazyConv1d::new(4, 3)), None),
        (
            Box::new(LazyConv2d::with(Conv2dOptions {
                padding: Padding::Same,
                bias: false,
                ..Conv2dOptions::new(0, 4, 3)
            })),
            None,
        ),
        (Box::new(LazyConv3d::new(4, 3)), None),
        (Box::new(LazyConvTranspose1d::new(4, 3)), None),
        (Box::new(LazyConvTranspose2d::new(4, (3, 1))), None),
        (Box::new(LazyConvTranspose3d::new(4, 3)), None),
        (Box::new(LazyBatchNorm1d::new()), None),
        (Box::new(LazyBatchNorm2d::with(BatchNormOptions { affine: false, ..BatchNormOptions::new(0) })), None),
        (Box::new(LazyBatchNorm3d::new()), None),
        (Box::new(LazyInstanceNorm1d::new()), None),
        (Box::new(LazyInstanceNorm2d::new()), None),
        (Box::new(LazyInstanceNorm3d::new()), None),
        (Box::new(PixelShuffle::new(2)), image()),
        (Box::new(PixelUnshuffle::new(2)), image()),
        (Box::new(ChannelShuffle::new(2)), image()),
        (Box::new(Upsample::scale(1.5, "bicubic")), image()),
        (Box::new(Upsample::size([5, 6], "nearest")), image()),
        (Box::new(Unfold::new(FoldOptions { stride: 2.into(), ..FoldOptions::new((2, 3)) })), image()),
        (Box::new(Fold::new(4, FoldOptions::new(2))), Some(normal(&[2, 8, 9]))),
        (
            Box::new(Transformer::new(
                TransformerOptions {
                    dim_feedforward: 6,
                    activation: TransformerActivation::GELU,
                    ..TransformerOptions::new(4, 2)
                },
                1,
                2,
            )),
            None,
        ),
        (Box::new(Linear::new(4, 3)), flat()),
        (Box::new(Linear::with(LinearOptions { bias: false, ..LinearOptions::new(4, 3) })), flat()),
        (Box::new(Conv1d::new(4, 6, 3)), Some(normal(&[2, 4, 9]))),
        (
            Box::new(Conv1d::with(Conv1dOptions {
                stride: 2.into(),
                padding: 1.into(),
                dilation: 2.into(),
                groups: 2,
                bias: false,
                ..Conv1dOptions::new(4, 6, 3)
            })),
            Some(normal(&[2, 4, 9])),
        ),
        (Box::new(Conv2d::new(4, 6, (3, 2))), image()),
        (
            Box::new(Conv2d::with(Conv2dOptions {
                padding: Padding::Same,
                padding_mode: PaddingMode::Reflect,
                groups: 2,
                ..Conv2dOptions::new(4, 6, 3)
            })),
            image(),
        ),
        (
            Box::new(Conv2d::with(Conv2dOptions {
                padding: (1, 2).into(),
                stride: 2.into(),
                bias: false,
                ..Conv2dOptions::new(4, 6, 3)
            })),
            image(),
        ),
        (Box::new(Conv2d::with(Conv2dOptions { padding: Padding::Valid, ..Conv2dOptions::new(4, 2, 3) })), image()),
        (Box::new(BatchNorm1d::new(4)), flat()),
        (Box::new(BatchNorm2d::new(4)), image()),
        (
            Box::new(BatchNorm2d::with(BatchNormOptions {
                momentum: None,
                affine: false,
                track_running_stats: false,
                eps: 1e-3,
                ..BatchNormOptions::new(4)
            })),
            image(),
        ),
        (Box::new(BatchNorm3d::new(4)), Some(normal(&[2, 4, 3, 3, 3]))),
        (Box::new(LayerNorm::new([8, 8])), image()),
        (Box::new(LayerNorm::with(LayerNormOptions { bias: false, ..LayerNormOptions::new([4]) })), flat()),
        (Box::new(Dropout::new(0.25)), flat()),
        (Box::new(Embedding::new(5, 3)), Some(Tensor::from_vec(vec![0i64, 4, 2], [3]))),
        (
            Box::new(Embedding::with(EmbeddingOptions { padding_idx: Some(-1), ..EmbeddingOptions::new(5, 3) })),
            Some(Tensor::from_vec(vec![0i64, 4, 2], [3])),
        ),
        (Box::new(Flatten::new()), image()),
        (Box::new(Flatten::dims(0, -2)), image()),
        (Box::new(Unflatten::new(1, [2, -1])), flat()),
        (Box::new(MaxPool2d::new(2)), image()),
        (
            Box::new(MaxPool2d::with(MaxPool2dOptions {
                stride: Some((2, 1).into()),
                padding: 1.into(),
                ceil_mode: true,
                ..MaxPool2dOptions::new((3, 2))
            })),
            image(),
        ),
        (Box::new(AvgPool2d::new(2)), image()),
        (
            Box::new(AvgPool2d::with(AvgPool2dOptions {
                padding: 1.into(),
                count_include_pad: false,
                divisor_override: Some(3),
                ..AvgPool2dOptions::new(2)
            })),
            image(),
        ),
        (Box::new(AdaptiveAvgPool2d::new(3)), image()),
        (Box::new(AdaptiveAvgPool2d::keeping(None, Some(2))), image()),
        (Box::new(GlobalAvgPool2d::new()), image()),
        (Box::new(ReLU::new()), flat()),
        (Box::new(Sigmoid::new()), flat()),
        (Box::new(Tanh::new()), flat()),
        (Box::new(SiLU::new()), flat()),
        (Box::new(GELU::new()), flat()),
        (Box::new(LeakyReLU::new(0.2)), flat()),
        (Box::new(ELU::new(0.5)), flat()),
        (Box::new(Softplus::new(2.0, 1.0)), flat()),
        (Box::new(Softmax::new(-1)), flat()),
        (Box::new(Softmax::default()), flat()),
        (Box::new(LogSoftmax::default()), flat()),
        (Box::new(Softmin::default()), flat()),
        (Box::new(ReLU::new().inplace()), flat()),
        (Box::new(Hardswish::new().inplace()), flat()),
        (Box::new(Dropout::new(0.25).inplace()), flat()),
        (Box::new(LPPool2d::new(2, 3)), image()),
        (Box::new(MaxUnpool1d::new(2)), None),
        (Box::new(MaxUnpool2d::with((2, 3), 1, (0, 1))), None),
        (Box::new(MaxUnpool3d::new(2)), None),
        (Box::new(SyncBatchNorm::new(4)), image()),
        (Box::new(LogSoftmax::new(0)), flat()),
        (
            Box::new(sequential! { "a" => Linear::new(4, 3), "b" => sequential![ReLU::new(), Linear::new(3, 2)] }),
            flat(),
        ),
        (Box::new(list), None),
        (Box::new(dict), None),
        (Box::new((0..3).map(|i| Param::new(normal(&[i + 1]))).collect::<ParameterList>()), None),
        (Box::new(params), None),
        (Box::new(CrossEntropyLoss::with(CrossEntropyOptions { label_smoothing: 0.1, ..weights() })), None),
        (Box::new(NLLLoss::with(weights())), None),
        (Box::new(MSELoss::with(Reduction::Sum)), None),
        (Box::new(L1Loss::new()), None),
        (Box::new(BCELoss::with(Reduction::None)), None),
        (Box::new(BCEWithLogitsLoss::new()), None),
        (Box::new(SmoothL1Loss::with(0.5, Reduction::Mean)), None),
        (Box::new(HuberLoss::with(2.0, Reduction::Sum)), None),
        (Box::new(KLDivLoss::with(KlDivOptions { batch_mean: true, ..KlDivOptions::default() })), None),
    ]
}

fn normal(shape: &[usize]) -> Tensor {
    with_generator(|g| g.normal(shape, 0.0, 1.0, DType::F32))
}

fn same_bits(a: &StateDict, b: &StateDict) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    assert_eq!(a.metadata, b.metadata);
    for (name, tensor) in a.iter() {
        assert_eq!((tensor.shape(), tensor.dtype()), (b[name].shape(), b[name].dtype()), "{name}");
        assert_eq!(tensor.to_bytes(), b[name].to_bytes(), "{name}");
    }
}

/// The classes of a spec and of all below.
fn note(spec: &Spec, seen: &mut Vec<String>) {
    seen.push(spec.class().to_owned());
    spec.children().iter().for_each(|(_, child)| note(child, seen));
}

#[test]
fn every_registered_layer_is_described_and_rebuilt() {
    let registry = Registry::new();
    let mut seen = Vec::new();
    for (module, input) in samples() {
        if let Some(input) = &input {
            // Moves running statistics, so that they are not what a new layer has.
            module.forward(&Var::from(input.clone()));
        }
        module.eval();
        let spec = registry.describe(&*module).unwrap();
        note(&spec, &mut seen);
        let again = registry.build(&spec).unwrap_or_else(|e| panic!("{}: {e}", spec.class()));
        assert_eq!(again.to_string(), module.to_string());
        same_bits(&again.state_dict(), &module.state_dict());
        assert_eq!(spec.state_dict().keys().collect::<Vec<_>>(), module.state_dict().keys().collect::<Vec<_>>());
        assert!(!module.training() && !again.training(), "{}", spec.class());
        if let Some(input) = input {
            let outputs = [&*module, &*again].map(|m| m.forward(&Var::from(input.clone())).value().to_bytes());
            assert_eq!(outputs[0], outputs[1], "{}", spec.class());
        }
        let second = Value::from(registry.describe(&*again).unwrap()).to_string();
        assert_eq!(second, Value::from(&spec).to_string(), "the configuration is kept whole");
    }
    // The classes of which module_db.rs checks the same with every sample.
    let others: Vec<&str> = include_str!("golden/modules.txt").lines().collect();
    for class in registry.classes().filter(|class| !others.contains(class)) {
        assert!(seen.iter().any(|s| s == class), "{class} has no sample here");
    }
}

#[test]
fn what_is_shared_stays_shared_and_what_is_not_does_not() {
    let registry = Registry::new();
    let shared = Arc::new(Linear::new(3, 3));
    let mut tied = Linear::new(3, 3);
    tied.weight = shared.weight.clone();
    let equal = Linear::new(3, 3);
    equal.weight.set(shared.weight.value());
    equal.bias.as_ref().unwrap().requires_grad_(false);
    let net = sequential![shared.clone(), ReLU::new(), shared, tied, equal];
    let again = registry.build(&registry.describe(&net).unwrap()).unwrap();
    assert_eq!(again.num_parameters(), net.num_parameters());
    let names = |m: &dyn Module| m.named_parameters().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(&*again), names(&net));
    assert_eq!(again.modules().len(), net.modules().len());
    let frozen = |m: &dyn Module| m.parameters().iter().map(Param::requires_grad).collect::<Vec<_>>();
    assert_eq!(frozen(&*again), frozen(&net));
    same_bits(&again.state_dict(), &net.state_dict());
    let first = again.parameters()[0].clone();
    first.update(|w| {
        w.fill_(7.0);
    });
    let state = again.state_dict();
    assert_eq!(state["3.weight"].to_vec::<f32>(), [7.0; 9]);
    assert_ne!(state["4.weight"].to_vec::<f32>(), [7.0; 9]);
    assert_ne!(net.state_dict()["0.weight"].to_vec::<f32>(), [7.0; 9], "a spec is a snapshot");
}

#[test]
fn modes_are_kept_for_each_module() {
    let registry = Registry::new();
    let net = sequential![Dropout::new(0.5), BatchNorm1d::new(3)];
    net[1].eval();
    let again = registry.build(&registry.describe(&net).unwrap()).unwrap();
    assert!(again.get("0").unwrap().training() && !again.get("1").unwrap().training());
}

#[derive(Tree)]
struct Mine {
    inner: Linear,
    factor: f64,
}
impl Module for Mine {
    fn forward(&self, x: &Var) -> Var {
        self.inner.forward(x) * self.factor
    }
}
impl Rebuild for Mine {
    const CLASS: &'static str = "tests.Mine";
    fn config(&self) -> Dict {
        [("factor", self.factor)].into_iter().collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<Mine, SpecError> {
        Ok(Mine { inner: parts.child("inner")?, factor: parts.get("factor")? })
    }
}

#[test]
fn types_of_others_are_registered_by_name() {
    let net = sequential![Mine { inner: Linear::new(2, 2), factor: 3.0 }, ReLU::new()];
    let mut registry = Registry::new();
    let error = registry.describe(&net).err().unwrap().to_string();
    assert!(error.contains("module '0'") && error.contains("Mine") && error.contains("register"), "{error}");
    registry.register::<Mine>();
    let spec = registry.describe(&net).unwrap();
    let x = Var::from(normal(&[4, 2]));
    let again = registry.build(&spec).unwrap();
    assert_eq!(again.forward(&x).value().to_bytes(), net.forward(&x).value().to_bytes());
    let error = Registry::new().build(&spec).err().unwrap().to_string();
    assert!(error.contains("tests.Mine is not known"), "{error}");
    assert_eq!(spec.state_dict().len(), 2, "the tensors of unknown classes can be read");
}

/// A net with every kind of field that `#[derive(Rebuild)]` knows.
#[derive(Tree, Rebuild)]
#[rebuild(class = "tests.Derived")]
struct Derived {
    #[tree(rename = "0")]
    first: Linear,
    norm: Option<LayerNorm>,
    lost: Option<Linear>,
    any: Arc<dyn Module>,
    scale: Param,
    shift: Option<Param>,
    seen: Buffer,
    hidden: Option<Buffer>,
    mode: Mode,
    factor: f64,
    name: String,
    deep: bool,
    count: usize,
    sizes: Vec<usize>,
    #[tree(skip)]
    cache: Vec<f32>,
}

impl Module for Derived {
    fn forward(&self, x: &Var) -> Var {
        self.any.forward(&self.first.forward(x)) * &self.scale.var() * self.factor
    }
}

#[test]
fn a_derived_type_comes_back_with_every_field() {
    let net = Derived {
        first: Linear::new(3, 2),
        norm: Some(LayerNorm::new([2])),
        lost: None,
        any: Arc::new(Tanh::new()),
        scale: Param::new(normal(&[2])),
        shift: None,
        seen: Buffer::new(normal(&[3])),
        hidden: Some(Buffer::non_persistent(normal(&[1]))),
        mode: Mode::default(),
        factor: 0.5,
        name: "é".to_owned(),
        deep: true,
        count: 7,
        sizes: vec![4, 5],
        cache: vec![1.0],
    };
    net.eval();
    net.scale.requires_grad_(false);
    let mut registry = Registry::new();
    registry.register::<Derived>();
    let spec = registry.describe(&net).unwrap();
    let again = registry.build(&spec).unwrap();
    assert_eq!(again.to_string(), net.to_string());
    let x = Var::from(normal(&[4, 3]));
    assert_eq!(again.forward(&x).value().to_bytes(), net.forward(&x).value().to_bytes());
    let again = again.downcast_ref::<Derived>().unwrap();
    assert!(again.lost.is_none() && again.shift.is_none() && again.norm.is_some() && again.cache.is_empty());
    assert!(!again.mode.is_training() && !again.scale.requires_grad());
    assert!(!again.hidden.as_ref().unwrap().is_persistent() && again.seen.is_persistent());
    let config = (again.factor, again.name.as_str(), again.deep, again.count, &again.sizes[..]);
    assert_eq!(config, (0.5, "é", true, 7, &[4, 5][..]));
    // What is missing is said.
    let mut object = (**Value::from(&spec).as_object().unwrap()).clone();
    object.attributes.entries.retain(|(key, _)| key.as_str() != Some("count"));
    let error = registry.build(&Spec::try_from(Value::Object(Arc::new(object))).unwrap()).err().unwrap().to_string();
    assert_eq!(error, "the model: 'count' is missing");
}

/// The spec of a Linear with one attribute changed.
fn broken(name: &str, value: Value) -> String {
    let registry = Registry::new();
    let spec = Value::from(registry.describe(&sequential![Linear::new(3, 2), Conv2d::new(2, 2, 1)]).unwrap());
    fn change(value: &Value, name: &str, to: &Value) -> Value {
        match value {
            Value::Object(object) => {
                let mut object = (**object).clone();
                for (key, value) in &mut object.attributes.entries {
                    *value = if key.as_str() == Some(name) { to.clone() } else { change(value, name, to) };
                }
                Value::Object(Arc::new(object))
            }
            Value::Dict(dict) => {
                let mut dict = dict.clone();
                dict.entries.iter_mut().for_each(|(_, value)| *value = change(value, name, to));
                Value::Dict(dict)
            }
            other => other.clone(),
        }
    }
    registry.build(&Spec::try_from(change(&spec, name, &value)).unwrap()).expect_err("it is broken").to_string()
}

#[test]
fn specs_that_do_not_fit_together_are_errors_that_name_the_module() {
    for (name, value, expected) in [
        ("in_features", Value::from(4), "module '0': parameter 'weight' has shape [2, 3], not [2, 4]"),
        ("in_features", Value::from(-1), "module '0': 'in_features' cannot be -1"),
        ("in_features", Value::from("3"), "module '0': 'in_features' cannot be '3'"),
        ("groups", Value::from(0), "module '1': 0 groups do not divide 2 and 2 channels"),
        ("padding_mode", Value::from("mirror"), "module '1': padding_mode='mirror' is not supported"),
        ("transposed", Value::from(true), "module '1': transposed=True is not supported"),
        ("_parameters", Value::None, "module '0': parameter 'weight' is missing"),
        ("_forward_hooks", Value::dict([("0", Value::None)]), "the model: it has _forward_hooks"),
    ] {
        let error = broken(name, value);
        assert!(error.starts_with(expected), "{name}: {error}");
    }
    assert!(Spec::try_from(Value::from(1)).is_err());
}
