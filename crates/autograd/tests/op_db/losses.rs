//! Losses of `torch.nn.functional`.

use crate::sample::{KEYWORD, Sample, Value};
use crate::{Row, one};
use wengert_autograd::Var;
use wengert_autograd::functional::*;
use wengert_autograd::tensor::Tensor;

pub(crate) const ROWS: &[Row] = &[
    ("nn.functional.mse_loss", |s| one(mse_loss_with(&s.x(0), s.x(1), reduction(s)))),
    ("nn.functional.l1_loss", |s| one(l1_loss_with(&s.x(0), s.x(1), reduction(s)))),
    ("nn.functional.smooth_l1_loss", |s| {
        one(smooth_l1_loss(&s.x(0), s.x(1), s.float_or(KEYWORD, "beta", 1.0), reduction(s)))
    }),
    ("nn.functional.huber_loss", |s| one(huber_loss(&s.x(0), s.x(1), s.float_or(KEYWORD, "delta", 1.0), reduction(s)))),
    ("nn.functional.kl_div", |s| {
        let batchmean = s.text(KEYWORD, "reduction", "mean") == "batchmean";
        let reduction = if batchmean { Reduction::Mean } else { reduction(s) };
        let log_target = s.flag(KEYWORD, "log_target", false);
        one(kl_div(&s.x(0), s.x(1), &KlDivOptions { reduction, batch_mean: batchmean, log_target }))
    }),
    ("nn.functional.binary_cross_entropy", |s| {
        let weight = s.opt_var(2, "weight");
        one(binary_cross_entropy(&s.x(0), s.x(1), weight.as_ref().map(Var::value), reduction(s)))
    }),
    ("nn.functional.binary_cross_entropy_with_logits", |s| {
        let (weight, positive) = (s.opt_var(2, "weight"), s.opt_var(KEYWORD, "pos_weight"));
        let (weight, positive) = (weight.as_ref().map(Var::value), positive.as_ref().map(Var::value));
        one(binary_cross_entropy_with_logits(&s.x(0), s.x(1), weight, positive, reduction(s)))
    }),
    ("nn.functional.cross_entropy", |s| one(cross_entropy_with(&s.x(0), s.x(1), &classes(s)))),
    ("nn.functional.nll_loss", |s| one(nll_loss_with(&s.x(0), s.x(1).value(), &classes(s)))),
    ("nn.functional.hinge_embedding_loss", |s| {
        one(hinge_embedding_loss(&s.x(0), s.x(1), s.float_or(2, "margin", 1.0), reduction(s)))
    }),
    ("nn.functional.soft_margin_loss", |s| one(soft_margin_loss(&s.x(0), s.x(1), reduction(s)))),
    ("nn.functional.multi_margin_loss", |s| {
        let (p, margin) = (s.int_or(2, "p", 1) as usize, s.float_or(3, "margin", 1.0));
        let weight = s.opt_var(4, "weight").map(Var::into_value);
        one(multi_margin_loss(&s.x(0), s.x(1), &MultiMarginOptions { p, margin, weight, reduction: reduction(s) }))
    }),
    ("nn.functional.multilabel_margin_loss", |s| one(multilabel_margin_loss(&s.x(0), s.x(1), reduction(s)))),
    ("nn.functional.multilabel_soft_margin_loss", |s| {
        let weight = s.opt_var(2, "weight").map(Var::into_value);
        one(multilabel_soft_margin_loss(&s.x(0), s.x(1), weight.as_ref(), reduction(s)))
    }),
    ("nn.functional.cosine_embedding_loss", |s| {
        one(cosine_embedding_loss(&s.x(0), &s.x(1), s.x(2), s.float_or(3, "margin", 0.0), reduction(s)))
    }),
    ("nn.functional.margin_ranking_loss", |s| {
        one(margin_ranking_loss(&s.x(0), &s.x(1), s.x(2), s.float_or(3, "margin", 0.0), reduction(s)))
    }),
    ("nn.functional.triplet_margin_loss", |s| one(triplet_margin_loss(&s.x(0), &s.x(1), &s.x(2), &triplet(s)))),
    ("nn.functional.triplet_margin_with_distance_loss", |s| {
        // The module that PyTorch's samples have.
        s.get(KEYWORD, "distance_function");
        let distance = |a: &Var, b: &Var| a.pairwise_distance(b, 2.0, 1e-6);
        one(triplet_margin_with_distance_loss(&s.x(0), &s.x(1), &s.x(2), distance, &triplet(s)))
    }),
    ("nn.functional.poisson_nll_loss", |s| {
        let options = PoissonNLLOptions {
            log_input: s.flag(2, "log_input", true),
            full: s.flag(3, "full", false),
            eps: s.float_or(5, "eps", 1e-8),
            reduction: reduction(s),
        };
        one(poisson_nll_loss(&s.x(0), s.x(1), &options))
    }),
    ("nn.functional.gaussian_nll_loss", |s| {
        let (full, eps) = (s.flag(3, "full", false), s.float_or(4, "eps", 1e-6));
        one(gaussian_nll_loss(&s.x(0), s.x(1), s.x(2), &GaussianNLLOptions { full, eps, reduction: reduction(s) }))
    }),
    ("nn.functional.ctc_loss", |s| {
        let options = CtcOptions {
            blank: s.int_or(4, "blank", 0) as usize,
            reduction: reduction(s),
            zero_infinity: if s.flag(KEYWORD, "zero_infinity", false) { ZeroInfinity::Yes } else { ZeroInfinity::No },
        };
        let lengths = |position| match s.get(position, "") {
            Some(Value::List(list)) => {
                Tensor::from_vec(list.iter().map(|n| n.int() as i64).collect::<Vec<_>>(), [list.len()])
            }
            _ => s.x(position).into_value(),
        };
        one(ctc_loss(&s.x(0), s.x(1).value(), &lengths(2), &lengths(3), &options))
    }),
    ("nn.functional.linear_cross_entropy", linear_classes),
    ("nn.functional.linear_cross_entropy.chunked", linear_classes),
    ("nn.functional.linear_cross_entropy.chunked_none", linear_classes),
];

/// Cross entropy after a linear layer; PyTorch's options only say how to save memory.
fn linear_classes(s: &Sample) -> Vec<Var> {
    s.get(KEYWORD, "options");
    let mut options = classes(s);
    options.weight = s.opt_var(KEYWORD, "weight").map(Var::into_value);
    one(linear_cross_entropy(&s.x(0), &s.x(1), s.x(2), s.opt_var(KEYWORD, "linear_bias").as_ref(), &options))
}

fn triplet(s: &Sample) -> TripletMarginOptions {
    TripletMarginOptions {
        margin: s.float_or(3, "margin", 1.0),
        p: s.float_or(4, "p", 2.0),
        eps: s.float_or(5, "eps", 1e-6),
        swap: s.flag(6, "swap", false),
        reduction: reduction(s),
    }
}

fn reduction(s: &Sample) -> Reduction {
    match &*s.text(KEYWORD, "reduction", "mean") {
        "none" => Reduction::None,
        "sum" => Reduction::Sum,
        _ => Reduction::Mean,
    }
}

fn classes(s: &Sample) -> CrossEntropyOptions {
    let weight: Option<Tensor> = match s.get(2, "weight") {
        Some(Value::Var(weight)) => Some(weight.value().clone()),
        _ => None,
    };
    CrossEntropyOptions {
        weight,
        ignore_index: s.int_or(KEYWORD, "ignore_index", -100) as i64,
        reduction: reduction(s),
        label_smoothing: s.float_or(KEYWORD, "label_smoothing", 0.0),
    }
}
