//! Modules, parameters and buffers by path, and other modules in the place of children.

use std::sync::Arc;
use wengert_nn::*;
use wengert_tensor::rand;

#[derive(Tree)]
struct Net {
    features: Sequential,
    head: Linear,
    any: Box<dyn Module>,
    blocks: Vec<Linear>,
    extra: Option<ReLU>,
    mode: Mode,
}

#[module]
impl Module for Net {
    fn forward(&self, x: &Var) -> Var {
        self.any.forward(&self.head.forward(&self.features.forward(x)))
    }
}

fn net() -> Net {
    Net {
        features: sequential! { "conv" => Conv2d::new(1, 2, 3), "norm" => BatchNorm2d::new(2), "flat" => Flatten::new() },
        head: Linear::new(8, 3),
        any: Box::new(ReLU::new()),
        blocks: vec![Linear::new(1, 1), Linear::new(2, 2)],
        extra: Some(ReLU::new()),
        mode: Mode::default(),
    }
}

fn message(f: impl FnOnce()) -> String {
    let f = std::panic::AssertUnwindSafe(f);
    *std::panic::catch_unwind(f).expect_err("a panic").downcast::<String>().expect("a text")
}

#[test]
fn paths_name_modules_parameters_and_buffers() {
    let net = net();
    assert_eq!(net.get_submodule("features.flat").to_string(), "Flatten(start_dim=1, end_dim=-1)");
    assert_eq!(net.get_submodule("").type_name(), "Net");
    assert_eq!(net.get_parameter("blocks.1.bias").shape()[..], [2]);
    assert_eq!(net.get_buffer("features.norm.running_var").value().shape(), [2]);
    for (text, f) in [
        ("Net has no attribute `feature`", (|net: &Net| _ = net.get_submodule("feature.conv")) as fn(&Net)),
        ("`weight` is not an nn.Module", |net| _ = net.get_submodule("features.conv.weight")),
        ("`running_var` is not an nn.Parameter", |net| drop(net.get_parameter("features.norm.running_var"))),
        ("`weight` is not a buffer", |net| drop(net.get_buffer("head.weight"))),
        ("Linear has no attribute `w`", |net| drop(net.get_parameter("head.w"))),
    ] {
        assert_eq!(message(|| f(&net)), text);
    }
}

#[test]
fn a_child_gives_way_to_another_wherever_it_is() {
    let mut net = net();
    net.set_submodule("features.conv", Conv2d::new(1, 4, 3));
    net.set_submodule("features.norm", Identity::new());
    net.set_submodule("head", Linear::new(16, 5));
    net.set_submodule("any", Softmax::new(1));
    net.set_submodule("blocks.0", Linear::new(7, 7));
    net.set_submodule("extra", ReLU::new());
    assert_eq!(net.forward(&Var::from(rand([3, 1, 4, 4]))).shape(), [3, 5]);
    assert_eq!(net.get_parameter("blocks.0.weight").shape()[..], [7, 7]);
    let mut dynamic: Arc<dyn Module> = Arc::new(net);
    dynamic.set_submodule("features.norm", Tanh::new());
    assert_eq!(dynamic.get_submodule("features.norm").to_string(), "Tanh()");
}

#[test]
fn what_has_no_place_is_refused_with_the_reason() {
    let mut net = net();
    let shared: Arc<dyn Module> = Arc::new(sequential![ReLU::new()]);
    net.set_submodule("any", shared.clone());
    for (path, text) in [
        ("head", "`head` is a field of type Linear, in which a ReLU has no place: make it a `Box<dyn Module>`"),
        ("body", "`Net` has no attribute `body` that can be replaced (a shared module cannot)"),
        ("any.0", "`Sequential` has no attribute `0` that can be replaced (a shared module cannot)"),
        ("", "Cannot set the submodule without a target name!"),
    ] {
        assert_eq!(message(|| net.set_submodule(path, ReLU::new())), text);
    }
}

#[test]
fn hooks_that_would_never_run_are_refused() {
    #[derive(Tree)]
    struct Unseen {
        mode: Mode,
    }
    impl Module for Unseen {
        fn forward(&self, x: &Var) -> Var {
            x.clone()
        }
    }
    let text = message(|| drop(Unseen { mode: Mode::default() }.register_forward_hook(Arc::new(|_, _, _| None))));
    assert_eq!(
        text,
        "hooks of Unseen would never run: put `#[module]` on its `impl Module`, so that its forward pass is seen"
    );
}
