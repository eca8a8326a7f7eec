//! Recurrent layers on packed sequences and with dropout, as PyTorch (xtask/golden/sequence.py), and errors.

use serde_json::Value as Json;
use wengert_nn::tensor::{DType, Tensor, manual_seed};
use wengert_nn::{
    Axes, GRU, GRUCell, LSTM, LSTMCell, Module, Order, RNN, RNNNonlinearity, RecurrentOptions, Var,
    pack_padded_sequence, pack_sequence, pad_packed_sequence, pad_sequence, unpack_sequence,
};

fn waves(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    Tensor::from_vec((0..count).map(|i| (i as f64 * 0.7).sin()).collect(), shape)
}

fn numbers(json: &Json) -> Vec<f64> {
    json.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

fn close(what: &str, own: &Tensor, json: &Json) {
    let (own, want) = (own.to_vec::<f64>(), numbers(json));
    assert_eq!(own.len(), want.len(), "{what}");
    for (i, (a, b)) in own.iter().zip(&want).enumerate() {
        assert!((a - b).abs() <= 1e-10 + 1e-9 * b.abs(), "{what} [{i}]: {a} instead of {b}");
    }
}

/// Output and states of one layer on one input.
type Outcome = (Var, Vec<Var>);

fn run(class: &str, options: RecurrentOptions, x: &Var, lengths: Option<&[usize]>) -> (Box<dyn Module>, Outcome) {
    let axes = if options.batch_first { Axes::BatchFirst } else { Axes::TimeFirst };
    macro_rules! single {
        ($Layer:ident) => {{
            let net = $Layer::with(options);
            net.to(DType::F64);
            manual_seed(12);
            let outcome = match lengths {
                None => {
                    let (y, h) = net.run(x, None);
                    (y, vec![h])
                }
                Some(lengths) => {
                    let (y, h) = net.run_packed(&pack_padded_sequence(x, lengths, axes, Order::Any), None);
                    let (y, found) = pad_packed_sequence(&y, axes, -1.5, Some(6));
                    assert_eq!(found, lengths);
                    (y, vec![h])
                }
            };
            (Box::new(net) as Box<dyn Module>, outcome)
        }};
    }
    match class {
        "RNN" => single!(RNN),
        "GRU" => single!(GRU),
        _ => {
            let net = LSTM::with(options);
            net.to(DType::F64);
            manual_seed(12);
            let outcome = match lengths {
                None => {
                    let (y, (h, c)) = net.run(x, None);
                    (y, vec![h, c])
                }
                Some(lengths) => {
                    let (y, (h, c)) = net.run_packed(&pack_padded_sequence(x, lengths, axes, Order::Any), None);
                    (pad_packed_sequence(&y, axes, -1.5, Some(6)).0, vec![h, c])
                }
            };
            (Box::new(net), outcome)
        }
    }
}

#[test]
fn layers_agree_with_pytorch_on_packed_sequences_and_with_dropout() {
    let golden: Json = serde_json::from_str(include_str!("golden/sequence.json")).expect("valid JSON");
    let lengths: Vec<usize> = numbers(&golden["lengths"]).into_iter().map(|n| n as usize).collect();
    for row in golden["rows"].as_array().expect("rows") {
        let (class, o) = (row["class"].as_str().expect("a class"), &row["options"]);
        let size = |name: &str, default: usize| o[name].as_u64().map_or(default, |n| n as usize);
        let flag = |name: &str, default: bool| o[name].as_bool().unwrap_or(default);
        let options = RecurrentOptions {
            num_layers: size("num_layers", 1),
            bias: flag("bias", true),
            batch_first: flag("batch_first", false),
            dropout: o["dropout"].as_f64().unwrap_or(0.0),
            bidirectional: flag("bidirectional", false),
            proj_size: size("proj_size", 0),
            nonlinearity: if o["nonlinearity"] == "relu" { RNNNonlinearity::ReLU } else { RNNNonlinearity::Tanh },
            ..RecurrentOptions::new(3, 4)
        };
        manual_seed(11);
        let x = Var::leaf(waves(if options.batch_first { &[4, 5, 3] } else { &[5, 4, 3] }));
        let packed = row["packed"].as_bool().expect("a bool");
        let (net, (y, states)) = run(class, options, &x, packed.then_some(&lengths));
        assert_eq!(net.to_string(), row["text"].as_str().expect("a text"));
        close(&format!("{class} output"), y.value(), &row["output"]);
        let mut total = (&y * waves(y.shape())).sum(());
        for (state, want) in states.iter().zip(row["states"].as_array().expect("states")) {
            close(&format!("{class} state"), state.value(), want);
            total = total + state.square().sum(());
        }
        total.backward();
        close(&format!("{class} input"), &x.grad().expect("it has one"), &row["input_grad"]);
        for ((name, param), pair) in net.named_parameters().into_iter().zip(row["grads"].as_array().expect("gradients"))
        {
            assert_eq!(name, pair[0]);
            close(&name, &param.grad().expect("it has one"), &pair[1]);
        }
    }
}

#[test]
fn sequences_pack_and_come_back() {
    let parts: Vec<Var> = [3, 1, 4].iter().map(|&n| Var::from(waves(&[n, 2]))).collect();
    let packed = pack_sequence(&parts, Order::Any);
    assert_eq!(packed.batch_sizes, [3, 2, 2, 1]);
    assert_eq!(packed.sorted_indices.as_ref().expect("they were put in order").to_vec::<i64>(), [2, 0, 1]);
    for (part, back) in parts.iter().zip(unpack_sequence(&packed)) {
        assert!(part.value().equal(back.value()));
    }
    assert_eq!(pad_sequence(&parts, Axes::BatchFirst, 9.0).shape(), [3, 4, 2]);
    assert_eq!(pad_sequence(&parts, Axes::TimeFirst, 9.0).value().to_vec::<f64>()[2 * 2 * 3 + 2], 9.0);
}

fn message(f: impl FnOnce() + std::panic::UnwindSafe) -> String {
    *std::panic::catch_unwind(f).expect_err("it panics").downcast::<String>().expect("with a text")
}

#[test]
fn mistakes_are_told_in_pytorchs_words() {
    let zeros = |shape: &[usize]| Var::from(Tensor::zeros(shape, DType::F32));
    let says = |text: String, want: &str| assert!(text.contains(want), "{text}");
    says(
        message(move || drop(LSTM::new(3, 4).run(&zeros(&[3]), None))),
        "LSTM: Expected input to be 2D or 3D, got 1D instead",
    );
    says(
        message(move || drop(GRU::new(3, 4).run(&zeros(&[2, 1, 5]), None))),
        "input.size(-1) must be equal to input_size. Expected 3, got 5",
    );
    says(
        message(move || drop(RNN::new(3, 4).run(&zeros(&[2, 1, 3]), Some(&zeros(&[1, 2, 4]))))),
        "Expected hidden size (1, 1, 4), got [1, 2, 4]",
    );
    says(
        message(move || drop(RNN::new(3, 4).run(&zeros(&[2, 1, 3]), Some(&zeros(&[1, 4]))))),
        "For batched 3-D input, hx should also be 3-D but got 2-D tensor",
    );
    says(
        message(|| drop(GRU::with(RecurrentOptions { proj_size: 1, ..RecurrentOptions::new(3, 4) }))),
        "only supported for LSTM",
    );
    says(
        message(move || drop(GRUCell::new(3, 4).step(&zeros(&[2, 5]), None))),
        "input has inconsistent input_size: got 5 expected 3",
    );
    let (h, c) = LSTMCell::new(3, 4).step(&zeros(&[3]), None);
    assert_eq!((h.shape(), c.shape()), (&[4][..], &[4][..]));
    says(
        message(move || drop(pack_padded_sequence(&zeros(&[3, 2, 1]), &[1, 3], Axes::TimeFirst, Order::Sorted))),
        "must be sorted in decreasing order",
    );
}
