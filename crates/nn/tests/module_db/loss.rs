//! Losses.

use crate::Row;
use crate::case::{Arguments, Inputs, call};
use wengert_nn::*;

/// A loss of an input and a target.
macro_rules! loss {
    ($name:literal, |$a:ident| $make:expr) => {
        ($name, |$a| call($make, |loss, inputs| vec![loss.forward(&inputs.x(0), inputs.x(1))]))
    };
}

/// A loss of two inputs and a target.
macro_rules! pair {
    ($name:literal, |$a:ident| $make:expr) => {
        ($name, |$a| call($make, |loss, inputs| vec![loss.forward(&inputs.x(0), &inputs.x(1), inputs.x(2))]))
    };
}

pub(crate) const ROWS: &[Row] = &[
    ("AdaptiveLogSoftmaxWithLoss", |a| {
        let net = AdaptiveLogSoftmaxWithLoss::new(AdaptiveLogSoftmaxOptions {
            in_features: a.get("in_features"),
            n_classes: a.get("n_classes"),
            cutoffs: a.get("cutoffs"),
            div_value: a.get("div_value"),
            head_bias: a.get("head_bias"),
        });
        call(net, |net, i| {
            let (output, loss) = net.forward(&i.x(0), i.x(1).value());
            vec![output, loss]
        })
    }),
    ("CTCLoss", |a| {
        let loss = CTCLoss::with(CtcOptions {
            blank: a.get("blank"),
            reduction: a.get("reduction"),
            zero_infinity: if a.get("zero_infinity") { ZeroInfinity::Yes } else { ZeroInfinity::No },
        });
        call(loss, |loss, i| vec![loss.forward(&i.x(0), i.x(1).value(), &lengths(i, 2), &lengths(i, 3))])
    }),
    loss!("BCELoss", |a| BCELoss::weighted(a.tensor("weight"), a.get("reduction"))),
    loss!("BCEWithLogitsLoss", |a| {
        BCEWithLogitsLoss::weighted(a.tensor("weight"), a.tensor("pos_weight"), a.get("reduction"))
    }),
    pair!("CosineEmbeddingLoss", |a| CosineEmbeddingLoss::with(a.get("margin"), a.get("reduction"))),
    ("CosineSimilarity", |a| {
        call(CosineSimilarity::new(a.get("dim"), a.get("eps")), |m, i| vec![m.forward(&i.x(0), &i.x(1))])
    }),
    loss!("CrossEntropyLoss", |a| CrossEntropyLoss::with(classes(a))),
    ("GaussianNLLLoss", |a| {
        let (full, eps, reduction) = (a.get("full"), a.get("eps"), a.get("reduction"));
        let loss = GaussianNLLLoss::with(GaussianNLLOptions { full, eps, reduction });
        call(loss, |loss, i| vec![loss.forward(&i.x(0), i.x(1), i.x(2))])
    }),
    loss!("HingeEmbeddingLoss", |a| HingeEmbeddingLoss::with(a.get("margin"), a.get("reduction"))),
    loss!("HuberLoss", |a| HuberLoss::with(a.get("delta"), a.get("reduction"))),
    loss!("KLDivLoss", |a| {
        let batch_mean = a.value("reduction").as_str() == Some("batchmean");
        let reduction = if batch_mean { Reduction::Mean } else { a.get("reduction") };
        KLDivLoss::with(KlDivOptions { reduction, batch_mean, log_target: a.get("log_target") })
    }),
    loss!("L1Loss", |a| L1Loss::with(a.get("reduction"))),
    loss!("LinearCrossEntropyLoss", |a| {
        LinearCrossEntropyLoss::with(LinearCrossEntropyLossOptions {
            in_features: a.get("in_features"),
            num_classes: a.get("num_classes"),
            out_features: a.get("out_features"),
            bias: a.get("bias"),
            weight: a.tensor("weight"),
            reduction: a.get("reduction"),
            ignore_index: a.get("ignore_index"),
            label_smoothing: a.get("label_smoothing"),
            options: a.get("options"),
        })
    }),
    loss!("MSELoss", |a| MSELoss::with(a.get("reduction"))),
    pair!("MarginRankingLoss", |a| MarginRankingLoss::with(a.get("margin"), a.get("reduction"))),
    loss!("MultiLabelMarginLoss", |a| MultiLabelMarginLoss::with(a.get("reduction"))),
    loss!("MultiLabelSoftMarginLoss", |a| MultiLabelSoftMarginLoss::with(a.tensor("weight"), a.get("reduction"))),
    loss!("MultiMarginLoss", |a| {
        let (p, margin, reduction) = (a.get("p"), a.get("margin"), a.get("reduction"));
        MultiMarginLoss::with(MultiMarginOptions { p, margin, reduction, weight: a.tensor("weight") })
    }),
    loss!("NLLLoss", |a| NLLLoss::with(CrossEntropyOptions { label_smoothing: 0.0, ..classes(a) })),
    ("PairwiseDistance", |a| {
        let (p, eps, keepdim) = (a.get("p"), a.get("eps"), a.get("keepdim"));
        let distance = PairwiseDistance::with(PairwiseDistanceOptions { p, eps, keepdim });
        call(distance, |m, i| vec![m.forward(&i.x(0), &i.x(1))])
    }),
    loss!("PoissonNLLLoss", |a| {
        PoissonNLLLoss::with(PoissonNLLOptions {
            log_input: a.get("log_input"),
            full: a.get("full"),
            eps: a.get("eps"),
            reduction: a.get("reduction"),
        })
    }),
    loss!("SmoothL1Loss", |a| SmoothL1Loss::with(a.get("beta"), a.get("reduction"))),
    loss!("SoftMarginLoss", |a| SoftMarginLoss::with(a.get("reduction"))),
    ("TripletMarginLoss", |a| {
        let loss = TripletMarginLoss::with(TripletMarginOptions {
            margin: a.get("margin"),
            p: a.get("p"),
            eps: a.get("eps"),
            swap: a.get("swap"),
            reduction: a.get("reduction"),
        });
        call(loss, |loss, i| vec![loss.forward(&i.x(0), &i.x(1), &i.x(2))])
    }),
];

/// Lengths, given as a tensor, a tuple or a number.
fn lengths(inputs: &Inputs, position: usize) -> Tensor {
    inputs.opt(position).map(Var::into_value).unwrap_or_else(|| {
        let value = inputs.value(position).expect("lengths");
        match i64::from_value(value) {
            Some(one) => Tensor::scalar(one),
            None => {
                let all: Vec<usize> = Setting::from_value(value).expect("numbers");
                Tensor::from_vec(all.iter().map(|&n| n as i64).collect(), [all.len()])
            }
        }
    })
}

fn classes(a: &Arguments) -> CrossEntropyOptions {
    CrossEntropyOptions {
        weight: a.tensor("weight"),
        ignore_index: a.get("ignore_index"),
        reduction: a.get("reduction"),
        label_smoothing: a.0.get("label_smoothing").and_then(Value::as_float).unwrap_or(0.0),
    }
}
