//! Lazy layers: what they are before the first forward pass, what they become, and what stays.

use wengert_nn::*;
use wengert_tensor::{manual_seed, rand};

fn message(f: impl FnOnce() + std::panic::UnwindSafe) -> String {
    *std::panic::catch_unwind(f).expect_err("a panic").downcast::<String>().expect("a text")
}

#[test]
fn the_draws_are_those_of_the_layer_and_come_with_the_first_pass() {
    manual_seed(3);
    let net = sequential![LazyLinear::new(4), ReLU::new(), LazyConv1d::new(2, 1)];
    let x = rand([3, 5]);
    manual_seed(4);
    net.forward(&Var::from(x));
    manual_seed(4);
    let (linear, conv) = (Linear::new(5, 4), Conv1d::new(3, 2, 1));
    let bytes = |m: &dyn Module| m.state_dict().iter().map(|(_, v)| v.to_bytes()).collect::<Vec<_>>();
    assert_eq!(bytes(&net), [bytes(&linear), bytes(&conv)].concat());
}

#[test]
fn an_optimizer_made_before_trains_the_parameters() {
    let net = sequential![LazyLinear::new(2)];
    let before = net.parameters();
    assert!(before.iter().all(Param::is_uninitialized));
    net.forward(&Var::from(rand([3, 5]))).sum(()).backward();
    assert_eq!(net.parameters(), before);
    assert_eq!(before[0].grad().unwrap().shape(), [2, 5]);
}

#[test]
fn dtype_mode_hooks_and_frozen_parameters_are_kept() {
    use std::sync::{Arc, Mutex};
    let net = sequential![LazyBatchNorm1d::new(), LazyLinear::new(2)];
    net.to(DType::F64);
    net.freeze();
    net.eval();
    let calls = Arc::new(Mutex::new(0));
    let seen = calls.clone();
    net[0].register_forward_hook(Arc::new(move |_, _, _| {
        *seen.lock().unwrap() += 1;
        None
    }));
    let x = Var::from(rand([3, 5]).to(DType::F64));
    assert_eq!(net.forward(&x).dtype(), DType::F64);
    net.forward(&x);
    assert_eq!(*calls.lock().unwrap(), 2);
    assert!(!net[0].training());
    assert!(net.parameters().iter().all(|p| !p.requires_grad() && p.dtype() == DType::F64));
    assert!(net.buffers()[0].value().dtype() == DType::F64);
}

#[test]
fn a_state_dict_gives_shapes_and_nothing_is_drawn_then() {
    let (lazy, plain) = (LazyLinear::new(2), Linear::new(3, 2));
    assert_eq!(lazy.state_dict().keys().collect::<Vec<_>>(), ["weight", "bias"]);
    lazy.load_state_dict(&LazyLinear::new(2).state_dict()).unwrap();
    lazy.load_state_dict(&plain.state_dict()).unwrap();
    assert_eq!(lazy.to_string(), "LazyLinear(in_features=0, out_features=2, bias=True)");
    let x = Var::from(rand([4, 3]));
    manual_seed(1);
    let y = lazy.forward(&x);
    assert_eq!(rand([1]).to_bytes(), {
        manual_seed(1);
        rand([1]).to_bytes()
    });
    assert_eq!(y.value().to_bytes(), plain.forward(&x).value().to_bytes());
    assert_eq!(lazy.to_string(), plain.to_string());
    let error = LazyLinear::new(2).load_state_dict(&StateDict::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Error(s) in loading state_dict for LazyLinear:\n\tMissing key(s) in state_dict: \"weight\", \"bias\". "
    );
    assert!(plain.load_state_dict(&LazyLinear::new(2).state_dict()).is_err());
}

#[test]
fn errors_are_pytorchs_and_say_where() {
    let net = sequential! { "conv" => LazyConv2d::new(4, 3), "norm" => LazyBatchNorm2d::new() };
    let text = message(std::panic::AssertUnwindSafe(|| assert_eq!(net.num_parameters(), 0)));
    assert!(text.starts_with("Attempted to use an uninitialized parameter in numel. This error happens"), "{text}");
    let text = message(std::panic::AssertUnwindSafe(|| init::zeros_(&net.parameters()[0])));
    assert!(text.starts_with("Can't access the shape of an uninitialized parameter or buffer."), "{text}");
    let text = message(std::panic::AssertUnwindSafe(|| drop(net.forward(&Var::from(rand([3, 4]))))));
    assert_eq!(
        text,
        "in conv (LazyConv2d): Expected 3D (unbatched) or 4D (batched) input to LazyConv2d, but got input of size: \
         torch.Size([3, 4])"
    );
    // A pass that failed changed nothing.
    net.forward(&Var::from(rand([2, 3, 5, 5])));
    assert!(net["norm"].is::<BatchNorm2d>());
}

#[test]
fn a_summary_makes_the_layers_and_leaves_the_modes() {
    let net = sequential![LazyConv2d::new(4, 3), LazyBatchNorm2d::new(), Flatten::new(), LazyLinear::new(2)];
    net.eval();
    net[1].train();
    let found = summary(&net, rand([1, 3, 6, 6]));
    assert_eq!(found.total_parameters(), 4 * 28 + 8 + 2 * (4 * 16) + 2);
    assert_eq!(found.rows[4].class, "Linear");
    assert_eq!([0, 1, 3].map(|i: i32| net[i].training()), [false, true, false]);
}

#[test]
fn a_lazy_field_of_a_net_becomes_the_layer() {
    #[derive(Tree)]
    struct Net {
        hidden: LazyLinear,
        output: LazyLinear,
    }
    #[module]
    impl Module for Net {
        fn forward(&self, x: &Var) -> Var {
            self.output.forward(&self.hidden.forward(x).relu())
        }
    }
    let net = Net { hidden: LazyLinear::new(4), output: LazyLinear::new(1) };
    assert!(net.hidden.layer().is_none());
    net.forward(&Var::from(rand([2, 3])));
    assert_eq!(net.hidden.layer().unwrap().weight.shape()[..], [4, 3]);
    let registry = Registry::new();
    assert_eq!(registry.describe(&net.output).unwrap().class(), "torch.nn.modules.linear.Linear");
    assert_eq!(
        net.to_string(),
        "Net(\n  (hidden): Linear(in_features=3, out_features=4, bias=True)\n  \
         (output): Linear(in_features=4, out_features=1, bias=True)\n)"
    );
}
