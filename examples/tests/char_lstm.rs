//! A language model of characters learns as PyTorch's, and goes on with the text as PyTorch's (`golden/char_lstm.json`).

use nets::nets::{CharLstm, States, TIME_MACHINE, Vocabulary, lines};
use serde_json::Value as Json;
use wengert_autograd::functional::cross_entropy;
use wengert_nn::Module;
use wengert_optim::{Adam, AdamOptions, clip_grad_norm_};
use wengert_tensor::{DType, manual_seed};

/// Trains for 40 epochs; holds each loss to PyTorch's.
fn check(dtype: DType, name: &str, rtol: impl Fn(usize) -> f64) -> (String, String) {
    let golden: Json = serde_json::from_str(include_str!("golden/char_lstm.json")).expect("valid JSON");
    let losses = golden[name]["losses"].as_array().expect("a list");
    let mut losses = losses.iter().map(|x| x.as_f64().expect("a number")).enumerate();

    let text = TIME_MACHINE.trim_end();
    let vocabulary = Vocabulary::new(text);
    manual_seed(0);
    let net = CharLstm::new(vocabulary.size());
    assert_eq!(net.to_string(), golden[name]["repr"].as_str().expect("text"));
    net.to(dtype);
    let mut optimizer = Adam::new(net.parameters(), AdamOptions { lr: 0.01, ..AdamOptions::default() });
    let (x, y) = lines(&vocabulary, text, 4);
    for _ in 0..40 {
        let mut states: Option<States> = None;
        for start in (0..x.size(0) - 15).step_by(16) {
            let (scores, (h, c)) = net.run(&x.narrow(0, start as isize, 16), states.as_ref());
            states = Some((h.detach(), c.detach()));
            let loss = cross_entropy(&scores.flatten(0, 1), y.narrow(0, start as isize, 16).reshape([-1isize]));
            optimizer.zero_grad();
            loss.backward();
            clip_grad_norm_(&net.parameters(), 1.0, 2.0);
            optimizer.step();
            let (step, theirs) = losses.next().expect("as many steps");
            let ours = loss.value().to(DType::F64).item::<f64>();
            let off = (ours - theirs).abs() / theirs;
            assert!(off <= rtol(step), "{name} step {step}: {ours} instead of {theirs}, off by {off:e}");
        }
    }
    assert!(losses.next().is_none(), "as many losses");
    net.eval();
    let own = net.continue_text(&vocabulary, "the time", 40);
    (own, golden[name]["text"].as_str().expect("text").to_owned())
}

#[test]
fn a_character_model_in_f64_has_pytorchs_curve_and_text() {
    let (own, theirs) = check(DType::F64, "float64", |_| 1e-10);
    assert_eq!(own, theirs);
}

#[test]
fn a_character_model_in_f32_has_pytorchs_curve() {
    // Rounding grows through the steps of Adam: PyTorch's own losses in f32 are up to 3e-6 off those in f64.
    check(DType::F32, "float32", |step| if step < 20 { 1.3e-6 } else { 1e-4 });
}
