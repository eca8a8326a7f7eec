//! Hooks on modules, summaries, and the path of a module in an error.

use std::sync::{Arc, Mutex};
use wengert_nn::tensor::{DType, Tensor};
use wengert_nn::{
    Attend, BatchNorm2d, Conv2d, Dropout, Flatten, LSTM, Linear, Masks, MaxPool2d, Mode, Module, MultiheadAttention,
    ReLU, Sequential, TransformerEncoderLayer, TransformerOptions, Tree, Var, module, sequential, summary,
};

#[derive(Tree)]
struct Block {
    first: Linear,
    second: Linear,
    mode: Mode,
}

#[module]
impl Module for Block {
    #[track_caller]
    fn forward(&self, x: &Var) -> Var {
        self.second.forward(&self.first.forward(x).relu()) + x
    }
}

fn block(width: usize) -> Block {
    Block { first: Linear::new(width, width), second: Linear::new(width, width), mode: Mode::default() }
}

fn input(shape: &[usize]) -> Var {
    Var::from(Tensor::ones(shape, DType::F32))
}

fn message(f: impl FnOnce()) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).expect_err("it panics");
    *panic.downcast::<String>().expect("with a text")
}

#[test]
fn hooks_run_around_a_module_wherever_it_is() {
    let net = sequential! { "a" => Linear::new(2, 3), "b" => block(3), "c" => Linear::new(3, 1) };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = |text: &'static str| {
        let seen = seen.clone();
        move |module: &dyn Module| seen.lock().expect("unpoisoned").push(format!("{text} {}", module.type_name()))
    };
    let (before, after, inner) = (note("before"), note("after"), note("inner"));
    let b = net.get("b").expect("it is there");
    let hooks = [
        b.register_forward_pre_hook(Arc::new(move |m, _| {
            before(m);
            None
        })),
        b.register_forward_hook(Arc::new(move |m, x, y| {
            assert_eq!((x.shape(), y.shape()), (&[4, 3][..], &[4, 3][..]));
            after(m);
            None
        })),
        net.get("b.second").expect("it is there").register_forward_hook(Arc::new(move |m, _, _| {
            inner(m);
            None
        })),
    ];
    let x = input(&[4, 2]);
    net.forward(&x);
    assert_eq!(*seen.lock().expect("unpoisoned"), ["before Block", "inner Linear", "after Block"]);
    hooks.into_iter().for_each(|hook| hook.remove());
    net.forward(&x);
    assert_eq!(seen.lock().expect("unpoisoned").len(), 3);
}

#[test]
fn hooks_replace_inputs_outputs_and_gradients() {
    let net = sequential![Linear::new(2, 2), ReLU::new()];
    let plain = net.forward(&input(&[1, 2]));
    let zero = net[0].register_forward_pre_hook(Arc::new(|_, x| Some(x * 0.0)));
    let double = net[1].register_forward_hook(Arc::new(|_, _, y| Some(y * 2.0)));
    let bias = net[0].parameters()[1].value().relu();
    assert!(net.forward(&input(&[1, 2])).value().allclose(&(bias * 2.0).reshape([1, 2]), 1e-6, 1e-6));
    zero.remove();
    assert!(net.forward(&input(&[1, 2])).value().equal(&(plain.value() * 2.0)));
    double.remove();

    let gradients = Arc::new(Mutex::new(Vec::new()));
    let seen = gradients.clone();
    let hook = net[1].register_full_backward_hook(Arc::new(move |of_input, of_output| {
        seen.lock().expect("unpoisoned").push((of_input.map(|g| g.shape().to_vec()), of_output.to_vec::<f32>()));
        of_input.map(|g| g * 0.0)
    }));
    net.forward(&input(&[1, 2])).sum(()).backward();
    assert_eq!(*gradients.lock().expect("unpoisoned"), [(Some(vec![1, 2]), vec![1.0, 1.0])]);
    assert_eq!(net.parameters()[0].grad().expect("there is one").to_vec::<f32>(), [0.0; 4]);
    hook.remove();
    net.zero_grad();
    net.forward(&input(&[1, 2])).sum(()).backward();
    assert_eq!(gradients.lock().expect("unpoisoned").len(), 1);
}

#[derive(Tree)]
struct Bare {
    layer: Linear,
}
#[module]
impl Module for Bare {
    fn forward(&self, x: &Var) -> Var {
        self.layer.forward(x)
    }
}

#[test]
fn a_module_without_a_mode_says_what_it_lacks() {
    let net = Bare { layer: Linear::new(1, 1) };
    let text = message(|| drop(net.register_forward_hook(Arc::new(|_, _, _| None))));
    assert!(text.starts_with("Bare has no field of type `Mode`"), "{text}");
}

#[test]
fn errors_name_the_module_that_failed() {
    let net = sequential! {
        "features" => sequential![Conv2d::new(3, 4, 3), ReLU::new(), MaxPool2d::new(2), Conv2d::new(5, 6, 3)],
        "head" => Linear::new(6, 2),
    };
    let text = message(|| drop(net.forward(&input(&[1, 3, 12, 12]))));
    assert!(text.starts_with("in features.3 (Conv2d): "), "{text}");
    assert!(text.contains("to have 5 channels"), "{text}");
    // In a struct of one's own, and below it.
    let net = sequential! { "in" => Linear::new(2, 3), "block" => Block { first: Linear::new(3, 3), second: Linear::new(4, 3), mode: Mode::default() } };
    let text = message(|| drop(net.forward(&input(&[1, 2]))));
    assert!(text.starts_with("in block.second (Linear): addmm: mat1 and mat2 shapes cannot be multiplied"), "{text}");
    // The net's own mistakes, a single layer's, and panics that are not ours keep their text.
    assert!(message(|| drop(Linear::new(2, 3).forward(&input(&[1, 4])))).starts_with("addmm: mat1 and mat2"));
    #[derive(Tree)]
    struct Fails {
        layer: Linear,
    }
    #[module]
    impl Module for Fails {
        fn forward(&self, x: &Var) -> Var {
            let number = self.layer.forward(x).numel();
            panic!("mine {number}")
        }
    }
    assert_eq!(message(|| drop(Fails { layer: Linear::new(1, 1) }.forward(&input(&[1, 1])))), "mine 1");
    // Afterwards all is as before.
    assert_eq!(sequential![Linear::new(2, 3)].forward(&input(&[1, 2])).shape(), [1, 3]);
}

fn lenet() -> Sequential {
    sequential![
        Conv2d::new(1, 6, 5),
        ReLU::new(),
        MaxPool2d::new(2),
        Conv2d::new(6, 16, 5),
        BatchNorm2d::new(16),
        ReLU::new(),
        MaxPool2d::new(2),
        Flatten::new(),
        Dropout::new(0.5),
        Linear::new(256, 10),
    ]
}

#[test]
fn a_summary_counts_parameters_and_products() {
    let net = lenet();
    net.parameters()[0].requires_grad_(false);
    let state = net.state_dict();
    let found = summary(&net, input(&[2, 1, 28, 28]));
    let shapes: Vec<_> = found.rows.iter().map(|row| row.output.clone().expect("it ran")).collect();
    assert_eq!(shapes[0], [2, 10]);
    assert_eq!(shapes[4], [2, 16, 8, 8]);
    assert_eq!(shapes[8], [2, 256]);
    assert_eq!(found.rows[4].path, "3");
    assert_eq!(found.total_parameters(), 156 + 2416 + 32 + 2570);
    assert_eq!(found.trainable_parameters(), 6 + 2416 + 32 + 2570);
    // (weights and biases) x positions of the output x batch
    assert_eq!(found.total_mult_adds(), 2 * (156 * 24 * 24 + 2416 * 8 * 8 + 32 + 2570));
    assert!(net.training(), "the mode is restored");
    assert_eq!(net.state_dict().keys().collect::<Vec<_>>(), state.keys().collect::<Vec<_>>());
    let text = found.to_string();
    assert!(text.contains("  Conv2d (3)"), "{text}");
    assert!(text.contains("[2, 16, 8, 8]"), "{text}");
    assert!(text.contains("Total params: 5,174"), "{text}");
    assert!(text.contains("Non-trainable params: 150"), "{text}");
}

#[test]
fn a_shared_module_is_counted_once_and_run_twice() {
    let shared = Arc::new(Linear::new(3, 3));
    let net = sequential![shared.clone(), ReLU::new(), shared];
    let found = summary(&net, input(&[1, 3]));
    assert_eq!((found.total_parameters(), found.total_mult_adds()), (12, 24));
}

/// A net whose layers are run by methods of their own.
#[derive(Tree)]
struct Tagger {
    lstm: LSTM,
    attention: MultiheadAttention,
    output: Linear,
    mode: Mode,
}

#[module]
impl Module for Tagger {
    fn forward(&self, x: &Var) -> Var {
        let (outputs, _) = self.lstm.run(x, None);
        let how = Attend { need_weights: false, ..Attend::default() };
        self.output.forward(&self.attention.attend(&outputs, &outputs, &outputs, &how).0)
    }
}

fn tagger() -> Tagger {
    Tagger {
        lstm: LSTM::new(3, 8),
        attention: MultiheadAttention::new(8, 2),
        output: Linear::new(8, 5),
        mode: Mode::default(),
    }
}

#[test]
fn layers_with_methods_of_their_own_are_watched_too() {
    let net = tagger();
    let calls = Arc::new(Mutex::new(Vec::new()));
    for layer in ["lstm", "attention"] {
        let seen = calls.clone();
        net.get_submodule(layer).register_forward_hook(Arc::new(move |module, _, output| {
            seen.lock().unwrap().push((module.type_name().to_owned(), output.shape().to_vec()));
            None
        }));
    }
    net.forward(&input(&[4, 2, 3]));
    let expected = [("LSTM", vec![4, 2, 8]), ("MultiheadAttention", vec![4, 2, 8])];
    assert_eq!(*calls.lock().unwrap(), expected.map(|(name, shape)| (name.to_owned(), shape)));
    let forward = std::panic::AssertUnwindSafe(|| net.forward(&input(&[4, 2, 7])));
    let error = std::panic::catch_unwind(forward).unwrap_err();
    assert_eq!(
        *error.downcast::<String>().unwrap(),
        "in lstm (LSTM): input.size(-1) must be equal to input_size. Expected 3, got 7"
    );
}

#[test]
fn a_summary_counts_recurrent_layers_and_attention_row_by_row() {
    let found = summary(&tagger(), input(&[4, 2, 3]));
    let (lstm, attention, output) = (4 * 8 * (3 + 8 + 2), 4 * (8 * 8 + 8), 8 * 5 + 5);
    assert_eq!(found.total_parameters(), lstm + attention + output);
    assert_eq!(found.rows[1].output, Some(vec![4, 2, 8]));
    assert_eq!(found.total_mult_adds(), 4 * 2 * (lstm + attention + output) as u64);
}

#[test]
fn a_method_called_by_a_forward_pass_of_its_own_module_is_one_pass() {
    let layer = TransformerEncoderLayer::new(TransformerOptions::new(8, 2));
    let calls = Arc::new(Mutex::new(0));
    let seen = calls.clone();
    layer.register_forward_hook(Arc::new(move |_, _, _| {
        *seen.lock().unwrap() += 1;
        None
    }));
    layer.forward(&input(&[4, 2, 8]));
    layer.encode(&input(&[4, 2, 8]), &Masks::default());
    assert_eq!(*calls.lock().unwrap(), 2);
}
