//! Recurrent layers and their cells.

use crate::Row;
use crate::case::{Arguments, call};
use wengert_nn::*;

pub(crate) const ROWS: &[Row] = &[
    ("RNNCell", |a| {
        let cell = RNNCell::with(a.get("input_size"), a.get("hidden_size"), a.get("bias"), nonlinearity(a));
        call(cell, |cell, x| vec![cell.step(&x.x(0), x.opt(1).as_ref())])
    }),
    ("GRUCell", |a| {
        let cell = GRUCell::with(a.get("input_size"), a.get("hidden_size"), a.get("bias"));
        call(cell, |cell, x| vec![cell.step(&x.x(0), x.opt(1).as_ref())])
    }),
    ("LSTMCell", |a| {
        let cell = LSTMCell::with(a.get("input_size"), a.get("hidden_size"), a.get("bias"));
        call(cell, |cell, x| {
            let states = x.many(1);
            let (h, c) = cell.step(&x.x(0), states.as_ref().map(|s| (&s[0], &s[1])));
            vec![h, c]
        })
    }),
    ("RNN", |a| {
        call(RNN::with(RecurrentOptions { nonlinearity: nonlinearity(a), ..options(a) }), |rnn, x| {
            let (y, h) = rnn.run(&x.x(0), x.opt(1).as_ref());
            vec![y, h]
        })
    }),
    ("GRU", |a| {
        call(GRU::with(options(a)), |gru, x| {
            let (y, h) = gru.run(&x.x(0), x.opt(1).as_ref());
            vec![y, h]
        })
    }),
    ("LSTM", |a| {
        call(LSTM::with(options(a)), |lstm, x| {
            let states = x.many(1);
            let (y, (h, c)) = lstm.run(&x.x(0), states.as_ref().map(|s| (&s[0], &s[1])));
            vec![y, h, c]
        })
    }),
];

fn nonlinearity(a: &Arguments) -> RNNNonlinearity {
    if a.get::<String>("nonlinearity") == "relu" { RNNNonlinearity::ReLU } else { RNNNonlinearity::Tanh }
}

/// An argument that the samples give only where PyTorch's constructor names it.
fn optional<T: Setting>(a: &Arguments, name: &str, default: T) -> T {
    a.0.get(name).map_or(default, |value| T::from_value(value).expect("of its type"))
}

fn options(a: &Arguments) -> RecurrentOptions {
    RecurrentOptions {
        num_layers: a.get("num_layers"),
        bias: a.get("bias"),
        batch_first: a.get("batch_first"),
        dropout: optional(a, "dropout", 0.0),
        bidirectional: a.get("bidirectional"),
        proj_size: optional(a, "proj_size", 0),
        ..RecurrentOptions::new(a.get("input_size"), a.get("hidden_size"))
    }
}
