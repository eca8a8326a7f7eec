//! Losses.

use crate::Row;
use crate::case::{Arguments, call};
use wengert_nn::*;

/// A loss of an input and a target.
macro_rules! loss {
    ($name:literal, |$a:ident| $make:expr) => {
        ($name, |$a| call($make, |loss, inputs| vec![loss.forward(&inputs.x(0), inputs.x(1))]))
    };
}

pub(crate) const ROWS: &[Row] = &[
    loss!("CrossEntropyLoss", |a| CrossEntropyLoss::with(classes(a))),
    loss!("HuberLoss", |a| HuberLoss::with(a.get("delta"), a.get("reduction"))),
    loss!("KLDivLoss", |a| {
        let batch_mean = a.value("reduction").as_str() == Some("batchmean");
        let reduction = if batch_mean { Reduction::Mean } else { a.get("reduction") };
        KLDivLoss::with(KlDivOptions { reduction, batch_mean, log_target: a.get("log_target") })
    }),
    loss!("L1Loss", |a| L1Loss::with(a.get("reduction"))),
    loss!("MSELoss", |a| MSELoss::with(a.get("reduction"))),
    loss!("NLLLoss", |a| NLLLoss::with(CrossEntropyOptions { label_smoothing: 0.0, ..classes(a) })),
    loss!("SmoothL1Loss", |a| SmoothL1Loss::with(a.get("beta"), a.get("reduction"))),
];

fn classes(a: &Arguments) -> CrossEntropyOptions {
    CrossEntropyOptions {
        weight: a.tensor("weight"),
        ignore_index: a.get("ignore_index"),
        reduction: a.get("reduction"),
        label_smoothing: a.0.get("label_smoothing").and_then(Value::as_float).unwrap_or(0.0),
    }
}
