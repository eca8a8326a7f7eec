//! Trees of modules: names, sharing, modes, state dicts and what loading them says.

use std::sync::Arc;
use wengert_nn::{
    BatchNorm1d, Conv2d, DType, Dropout, Flatten, Linear, LinearOptions, Mode, Module, ModuleDict, ModuleList, Param,
    ReLU, Sequential, StateDict, Tensor, Tree, Var, init, sequential,
};

fn names<T>(named: Vec<(String, T)>) -> Vec<String> {
    named.into_iter().map(|(name, _)| name).collect()
}

fn keys(module: &dyn Module) -> Vec<String> {
    module.state_dict().keys().map(str::to_owned).collect()
}

/// The message of a panic.
fn panic_text<R>(f: impl FnOnce() -> R) -> String {
    let error = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).err().expect("a panic");
    error.downcast_ref::<String>().cloned().or(error.downcast_ref::<&str>().map(|s| s.to_string())).expect("text")
}

#[derive(Tree)]
#[tree(name = "MLP")]
struct Mlp {
    hidden: Linear,
    act: ReLU,
    output: Linear,
}
impl Module for Mlp {
    fn forward(&self, x: &Var) -> Var {
        self.output.forward(&self.act.forward(&self.hidden.forward(x)))
    }
}
fn mlp() -> Mlp {
    Mlp { hidden: Linear::new(3, 2), act: ReLU::new(), output: Linear::new(2, 1) }
}

#[test]
fn named_modules_lists_the_root_first_and_goes_depth_first() {
    let net = sequential![mlp(), ReLU::new()];
    assert_eq!(names(net.named_modules()), ["", "0", "0.hidden", "0.act", "0.output", "1"]);
    assert_eq!(net.modules().len(), 6);
    assert_eq!(names(net.named_children()), ["0", "1"]);
    assert_eq!(net.children()[1].type_name(), "ReLU");
    assert_eq!(net.num_parameters(), 11);
}

#[test]
fn children_can_be_walked_and_run() {
    let net = sequential! { "conv" => Conv2d::new(1, 2, 3), "act" => ReLU::new(), "flat" => Flatten::new() };
    let mut x = Var::from(Tensor::zeros([1, 1, 6, 6], DType::F32));
    let mut shapes = Vec::new();
    for (name, block) in net.named_children() {
        x = block.forward(&x);
        shapes.push(format!("{name} {:?}", x.shape()));
    }
    assert_eq!(shapes, ["conv [1, 2, 4, 4]", "act [1, 2, 4, 4]", "flat [1, 32]"]);
}

#[test]
fn a_module_used_twice_is_saved_twice_and_trained_once() {
    let linear = Arc::new(Linear::with(LinearOptions { bias: false, ..LinearOptions::new(1, 1) }));
    let net = sequential![linear.clone(), linear];
    assert_eq!(names(net.named_parameters()), ["0.weight"]);
    assert_eq!(names(net.named_children()), ["0"]);
    assert_eq!(names(net.named_modules()), ["", "0"]);
    assert_eq!(keys(&net), ["0.weight", "1.weight"]);
    assert_eq!(net.state_dict().metadata.keys().collect::<Vec<_>>(), ["", "0", "1"]);

    init::constant_(&net.parameters()[0], 3.0);
    let y = net.forward(&Var::from(Tensor::ones([1, 1], DType::F32))).sum(());
    assert_eq!(y.item::<f32>(), 9.0);
    y.backward();
    assert_eq!(net.parameters()[0].grad().unwrap().item::<f32>(), 6.0);
    net.zero_grad();
    assert!(net.parameters()[0].grad().is_none());

    let mut state = net.state_dict();
    state.insert("1.weight", Tensor::full([1, 1], 5.0, DType::F32));
    net.load_state_dict(&state).unwrap();
    assert_eq!(net.parameters()[0].value().item::<f32>(), 5.0, "the last of two names wins");
}

#[test]
fn a_parameter_in_two_modules_is_listed_under_its_first_name() {
    let a = Linear::new(2, 2);
    let mut b = Linear::new(2, 2);
    b.weight = a.weight.clone();
    let net = sequential![a, b];
    assert_eq!(names(net.named_parameters()), ["0.weight", "0.bias", "1.bias"]);
    assert_eq!(keys(&net), ["0.weight", "0.bias", "1.weight", "1.bias"]);
}

#[test]
fn equal_modules_that_are_not_shared_are_all_listed() {
    #[derive(Tree)]
    struct Outer(Inner);
    #[derive(Tree)]
    struct Inner(ReLU);
    impl Module for Outer {}
    impl Module for Inner {}
    #[derive(Tree)]
    struct Empty;
    impl Module for Empty {}
    // A struct has its first field's address, and types without size may all have one address.
    let net = sequential![Outer(Inner(ReLU::new())), Empty, Empty];
    assert_eq!(names(net.named_modules()), ["", "0", "0.0", "0.0.0", "1", "2"]);
}

#[test]
fn modules_are_found_by_path_and_type() {
    let net = sequential![mlp(), ReLU::new()];
    assert_eq!(net.get("0.hidden").unwrap().to_string(), "Linear(in_features=3, out_features=2, bias=True)");
    assert!(net.get("").unwrap().is::<Sequential>());
    assert!(net.get("0.hiden").is_none() && net.get("0.hidden.weight").is_none());
    let mut linears = 0;
    net.apply(&mut |module| {
        if let Some(linear) = module.downcast_ref::<Linear>() {
            init::constant_(&linear.weight, 0.5);
            linears += 1;
        }
    });
    assert_eq!(linears, 2);
    assert!(net.state_dict()["0.hidden.weight"].to_vec::<f32>().iter().all(|&x| x == 0.5));
}

#[test]
fn apply_calls_children_before_their_parent() {
    let net = sequential![mlp(), ReLU::new()];
    let mut order = Vec::new();
    net.apply(&mut |module| order.push(module.type_name().to_owned()));
    assert_eq!(order, ["Linear", "ReLU", "Linear", "MLP", "ReLU", "Sequential"]);
}

#[test]
fn train_and_eval_reach_every_module() {
    let net = sequential![Linear::new(2, 2), sequential![Dropout::new(0.5), BatchNorm1d::new(2)], mlp()];
    assert!(net.modules().into_iter().all(|m| m.training()));
    net.eval();
    assert!(net.modules().into_iter().all(|m| !m.training()));
    net[1].train();
    assert!(net[1].modules().into_iter().all(|m| m.training()) && !net.training());
}

#[test]
fn frozen_parameters_get_no_gradient() {
    let net = sequential! { "features" => sequential![Linear::new(2, 2)], "head" => Linear::new(2, 1) };
    assert_eq!(net.freeze_matching("features.*"), 2);
    net.forward(&Var::from(Tensor::ones([1, 2], DType::F32))).sum(()).backward();
    let with_grad: Vec<_> =
        net.named_parameters().into_iter().filter(|(_, p)| p.grad().is_some()).map(|(name, _)| name).collect();
    assert_eq!(with_grad, ["head.weight", "head.bias"]);
    assert_eq!(net.unfreeze_matching("*.bias"), 2);
    assert!(net.parameters()[1].requires_grad() && !net.parameters()[0].requires_grad());
    net.freeze();
    assert!(net.parameters().iter().all(|p| !p.requires_grad()));
    net.unfreeze();
    assert!(net.parameters().iter().all(Param::requires_grad));
}

#[test]
fn to_converts_floating_state_only() {
    let net = sequential![Linear::new(2, 3), BatchNorm1d::new(3)];
    net.to(DType::F64);
    let dtypes: Vec<_> = net.state_dict().values().map(Tensor::dtype).collect();
    assert_eq!(dtypes, [[DType::F64; 6].as_slice(), &[DType::I64]].concat());
    assert!(panic_text(|| net.to(DType::I64)).contains("only accepts floating point"));
}

#[test]
fn a_state_dict_is_a_snapshot() {
    let net = Linear::new(2, 1);
    let state = net.state_dict();
    let before = state["weight"].to_vec::<f32>();
    init::zeros_(&net.weight);
    assert_eq!(state["weight"].to_vec::<f32>(), before);
    assert_ne!(before, [0.0, 0.0]);
    net.load_state_dict(&state).unwrap();
    assert_eq!(net.weight.value().to_vec::<f32>(), before);
}

#[test]
fn metadata_has_a_version_per_module() {
    let net = sequential![Linear::new(2, 3), sequential![BatchNorm1d::new(3)]];
    let metadata: Vec<_> = net.state_dict().metadata.iter().map(|(path, &v)| (path.clone(), v)).collect();
    let expected = [("", 1), ("0", 1), ("1", 1), ("1.0", 2)];
    assert_eq!(metadata, expected.map(|(path, v)| (path.to_owned(), v)));
}

#[test]
fn load_reports_every_problem_at_once_and_changes_nothing() {
    let net = mlp();
    let before = net.state_dict();
    let mut state = before.clone();
    state.remove("hidden.bias");
    state.remove("output.weight");
    state.insert("foo", Tensor::zeros([1], DType::F32));
    state.insert("hidden.weight", Tensor::zeros([2, 2], DType::F32));
    state.insert("output.bias", Tensor::zeros([1], DType::F32));
    let error = net.load_state_dict(&state).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Error(s) in loading state_dict for MLP:\n\
         \tMissing key(s) in state_dict: \"hidden.bias\", \"output.weight\". \n\
         \tUnexpected key(s) in state_dict: \"foo\". \n\
         \tsize mismatch for hidden.weight: copying a param with shape torch.Size([2, 2]) from checkpoint, \
         the shape in current model is torch.Size([2, 3])."
    );
    assert_eq!(error.missing_keys, ["hidden.bias", "output.weight"]);
    assert_eq!(error.size_mismatches[0].expected, [2, 3]);
    for (name, tensor) in before.iter() {
        assert_eq!(net.state_dict()[name].to_vec::<f32>(), tensor.to_vec::<f32>(), "{name}");
    }
}

#[test]
fn unexpected_keys_come_in_pytorchs_order() {
    // The root's own first, then those of each child as the walk reaches it.
    let net = sequential![mlp(), Linear::new(1, 1)];
    let mut state = StateDict::new();
    for key in ["1.weight.x", "0.hidden.foo", "0.foo", "2.weight", "1.w", "0.act.x.y", "bar"] {
        state.insert(key, Tensor::zeros([1], DType::F32));
    }
    let report = net.load_state_dict_partial(&state).unwrap();
    assert_eq!(
        report.to_string(),
        "_IncompatibleKeys(missing_keys=['0.hidden.weight', '0.hidden.bias', '0.output.weight', '0.output.bias', \
         '1.weight', '1.bias'], unexpected_keys=['2.weight', 'bar', '0.foo', '0.hidden.foo', '0.act.x.y', \
         '1.weight.x', '1.w'])"
    );
}

#[test]
fn a_partial_load_takes_what_fits_and_still_refuses_other_shapes() {
    let net = mlp();
    let mut state = net.state_dict();
    state.remove("output.bias");
    state.insert("extra", Tensor::zeros([1], DType::F32));
    state.insert("hidden.bias", Tensor::full([2], 7.0, DType::F64));
    let report = net.load_state_dict_partial(&state).unwrap();
    assert_eq!(report.to_string(), "_IncompatibleKeys(missing_keys=['output.bias'], unexpected_keys=['extra'])");
    assert_eq!(net.state_dict()["hidden.bias"].to_vec::<f32>(), [7.0, 7.0]);
    assert_eq!(net.state_dict()["hidden.bias"].dtype(), DType::F32, "the parameter's dtype stays");

    state.insert("hidden.bias", Tensor::zeros([3], DType::F32));
    let error = net.load_state_dict_partial(&state).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Error(s) in loading state_dict for MLP:\n\tsize mismatch for hidden.bias: copying a param with shape \
         torch.Size([3]) from checkpoint, the shape in current model is torch.Size([2])."
    );
}

#[test]
fn a_full_load_says_so() {
    let net = mlp();
    assert_eq!(net.load_state_dict(&net.state_dict()).unwrap().to_string(), "<All keys matched successfully>");
}

#[test]
fn old_batch_norm_states_may_lack_the_batch_count() {
    let net = sequential![BatchNorm1d::new(2)];
    let mut state = net.state_dict();
    state.remove("0.num_batches_tracked");
    assert_eq!(net.load_state_dict(&state).unwrap_err().missing_keys, ["0.num_batches_tracked"]);
    state.metadata.insert("0".to_owned(), 1);
    assert!(net.load_state_dict(&state).is_ok());
    state.metadata.clear();
    assert!(net.load_state_dict(&state).is_ok());
    state.remove("0.running_mean");
    assert_eq!(net.load_state_dict(&state).unwrap_err().missing_keys, ["0.running_mean"]);
    // Files from before PyTorch 0.4 hold one number as a list of one.
    let mut state = net.state_dict();
    state.insert("0.num_batches_tracked", Tensor::from_vec(vec![4i64], [1]));
    net.load_state_dict(&state).unwrap();
    assert_eq!(net.state_dict()["0.num_batches_tracked"].item::<i64>(), 4);
}

#[test]
fn containers_are_indexed_by_position_and_name() {
    let mut net = sequential![Linear::new(4, 3), ReLU::new()];
    net.add_module("out", Linear::new(3, 1));
    assert!(net[0].is::<Linear>() && net[-2].is::<ReLU>() && net["out"].is::<Linear>() && net[1usize].is::<ReLU>());
    assert_eq!(panic_text(|| net[5].to_string()), "index 5 is out of range");
    assert_eq!(panic_text(|| net[-4].to_string()), "index -4 is out of range");
    assert!(panic_text(|| net["on"].to_string()).starts_with("'Sequential' object has no attribute 'on'"));
    assert_eq!(panic_text(|| net.add_module("a.b", ReLU::new()).len()), "module name can't contain \".\", got: a.b");
    assert_eq!(panic_text(|| net.add_module("", ReLU::new()).len()), "module name can't be empty string \"\"");
    assert_eq!(net.len(), 3);
    assert_eq!(keys(&net.slice(1..)), ["out.weight", "out.bias"]);
}

#[test]
fn containers_can_be_changed() {
    let mut net = sequential![Linear::new(4, 3), ReLU::new()];
    net.replace(0, Linear::new(4, 2));
    net.insert(-1, Flatten::new()).insert(3, Dropout::new(0.1));
    let kinds = |net: &Sequential| net.named_children().iter().map(|(n, m)| format!("{n} {}", m.type_name())).collect();
    let all: Vec<String> = kinds(&net);
    assert_eq!(all, ["0 Linear", "1 Flatten", "2 ReLU", "3 Dropout"]);
    assert!(net.remove(1).is::<Flatten>());
    let left: Vec<String> = kinds(&net);
    assert_eq!(left, ["0 Linear", "1 ReLU", "2 Dropout"]);
    assert_eq!(panic_text(|| net.insert(9, ReLU::new()).len()), "Index out of range: 9");

    let mut list: ModuleList = (1..4).map(|n| Linear::new(n, n)).collect();
    list.insert(0, ReLU::new());
    assert_eq!(names(list.named_children()), ["0", "1", "2", "3"]);
    assert!(list[0].is::<ReLU>() && list.remove(-1).is::<Linear>() && list.len() == 3);
    let x = Var::from(Tensor::zeros([1], DType::F32));
    assert_eq!(panic_text(|| list.forward(&x)), "Module [ModuleList] is missing the required \"forward\" function");

    let mut dict = ModuleDict::new();
    dict.insert("a", Linear::new(1, 1)).insert("b", ReLU::new()).insert("a", ReLU::new());
    assert_eq!(dict.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert!(dict["a"].is::<ReLU>() && dict.remove("c").is_none() && dict.remove("b").is_some() && dict.len() == 1);
}

#[test]
fn an_own_mode_is_the_modules() {
    #[derive(Tree)]
    struct Noise {
        inner: ReLU,
        mode: Mode,
    }
    impl Module for Noise {}
    let noise = Noise { inner: ReLU::new(), mode: Mode::default() };
    noise.inner.eval();
    assert!(noise.training() && noise.mode.is_training() && !noise.inner.training());
}
