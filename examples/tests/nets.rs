//! The book's other networks, made from a seed and trained in f64, have PyTorch's names, shapes and losses (`golden/nets.json`).

use nets::nets::transformer::{Bert, Sizes, TransformerDecoder, TransformerEncoder};
use nets::nets::{AlexNet, BiRnn, Decoder, Encoder, Recurrent, RnnModel, TextCnn, densenet, resnet18};
use serde_json::{Value as Json, json};
use wengert_autograd::Var;
use wengert_autograd::functional::cross_entropy;
use wengert_nn::{GRU, Module, RNN, Tree, summary};
use wengert_optim::{Sgd, SgdOptions};
use wengert_tensor::{DType, Tensor, manual_seed, rand};

/// Makes a net, and a loss of it, as the row of that name in `xtask/golden/nets.py`.
fn check<M: Module, X>(name: &str, make: impl Fn() -> M, inputs: impl Fn() -> X, loss: impl Fn(&M, &X) -> Var) {
    let golden: Json = serde_json::from_str(include_str!("golden/nets.json")).expect("valid JSON");
    manual_seed(0);
    let net = make();
    net.to(DType::F64);
    let parameters: Vec<_> = net.named_parameters().iter().map(|(name, p)| json!([name, p.shape()[..]])).collect();
    assert_eq!(json!(parameters), golden[name]["parameters"], "{name}");
    manual_seed(1);
    let inputs = inputs();
    manual_seed(2);
    let mut optimizer = Sgd::new(net.parameters(), SgdOptions { lr: 0.1, ..SgdOptions::default() });
    for (step, theirs) in golden[name]["losses"].as_array().expect("a list").iter().enumerate() {
        let loss = loss(&net, &inputs);
        optimizer.zero_grad();
        loss.backward();
        optimizer.step();
        let (ours, theirs) = (loss.item::<f64>(), theirs.as_f64().expect("a number"));
        let off = (ours - theirs).abs() / theirs;
        assert!(off <= 1e-10, "{name} step {step}: {ours} instead of {theirs}, off by {off:e}");
    }
}

/// Numbers of words, the same without a generator.
fn words(rows: usize, columns: usize) -> Tensor {
    let numbers = (0..(rows * columns) as i64).map(|i| (i * 7 + i / 3) % 11).collect();
    Tensor::from_vec(numbers, [rows, columns])
}

fn numbers<const N: usize>(numbers: [i64; N]) -> Tensor {
    Tensor::from_vec(numbers.to_vec(), [N])
}

fn images(batch: usize, size: usize) -> (Var, Tensor) {
    let x = rand([batch, 1, size, size]).to(DType::F64);
    (x.into(), Tensor::arange(0, batch as i64, 1))
}

#[test]
fn alexnet() {
    check("AlexNet", || AlexNet::narrower(16), || images(2, 224), |net, (x, y)| cross_entropy(&net.forward(x), y));
}

#[test]
fn densenets() {
    check("DenseNet", || densenet(8, 4, &[2, 3]), || images(4, 32), |net, (x, y)| cross_entropy(&net.forward(x), y));
}

fn language<L: Recurrent>(name: &str) {
    let loss = |net: &RnnModel<L>, (): &()| {
        let (x, y) = (words(3, 6), words(3, 7).narrow(1, 1, 6));
        let (first, state) = net.run(&x, None, DType::F64);
        let (second, _) = net.run(&y, Some(&state.detach()), DType::F64);
        let row = |words: &Tensor| words.t().reshape([-1]);
        cross_entropy(&first, row(&y)) + cross_entropy(&second, row(&x))
    };
    check(name, || RnnModel::<L>::new(11, 8), || (), loss);
}

#[test]
fn language_models() {
    language::<RNN>("RNN");
    language::<GRU>("GRU");
}

#[test]
fn classifiers_of_texts() {
    let inputs = || (Var::from(words(4, 9)), numbers([0, 1, 1, 0]));
    check("BiRNN", || BiRnn::new(11, 6, 5, 2), inputs, |net, (x, y)| cross_entropy(&net.forward(x), y));
    let kernels = [(3, 4), (4, 4), (5, 4)];
    check("TextCNN", || TextCnn::new(11, 6, &kernels), inputs, |net, (x, y)| cross_entropy(&net.forward(x), y));
}

/// Two nets that are trained together.
#[derive(Tree)]
struct Pair<A, B>(A, B);

impl<A: Module, B: Module> Module for Pair<A, B> {}

#[test]
fn translation_with_attention() {
    let make = || Pair(Encoder::new(11, 6, 8, 2), Decoder::new(11, 6, 8, 2, 10));
    let loss = |net: &Pair<Encoder, Decoder>, (): &()| {
        let (encoded, mut state) = net.0.run(&words(3, 5), None);
        let target = words(3, 4);
        let mut x = numbers([1, 1, 1]);
        let mut losses = Vec::new();
        for t in 0..4 {
            let (scores, next) = net.1.step(&x, &state, &encoded);
            x = target.select(1, t);
            losses.push(cross_entropy(&scores, &x));
            state = next;
        }
        Var::stack(&losses, 0).sum(()) / 4.0
    };
    check("attention", make, || (), loss);
}

const SIZES: Sizes =
    Sizes { vocab_size: 11, num_hiddens: 8, ffn_num_hiddens: 16, num_heads: 4, num_layers: 2, dropout: 0.1 };

#[test]
fn the_transformer() {
    let make = || Pair(TransformerEncoder::new(&SIZES), TransformerDecoder::new(&SIZES));
    let loss = |net: &Pair<TransformerEncoder, TransformerDecoder>, (): &()| {
        let lens = numbers([5, 3, 2]);
        let scores = net.1.run(&words(3, 4), &net.0.run(&words(3, 5), Some(&lens)), Some(&lens));
        cross_entropy(&scores.flatten(0, 1), words(1, 12).reshape([-1]))
    };
    check("Transformer", make, || (), loss);
}

#[test]
fn bert() {
    let loss = |net: &Bert, (): &()| {
        let positions = numbers([1, 4, 2, 3, 0, 5]).reshape([3, 2]);
        let (masked, next) = net.run(&words(3, 8), &words(3, 8).remainder(2), Some(&numbers([8, 5, 6])), &positions);
        cross_entropy(&masked.flatten(0, 1), words(1, 6).reshape([-1])) + cross_entropy(&next, numbers([0, 1, 0]))
    };
    check("BERT", || Bert::new(&SIZES, 20), || (), loss);
}

#[test]
fn a_summary_of_resnet18_has_the_known_numbers() {
    let found = summary(&resnet18(64), Tensor::zeros([1, 1, 224, 224], DType::F32));
    assert_eq!(found.total_parameters(), 11_178_378);
    // 1.814 billion for images of three channels and 1,000 classes; two channels and 990 classes fewer.
    assert_eq!(found.total_mult_adds(), 1_737_382_026);
}
