//! Losses of scores, similarities and distances that keep a margin.

use crate::Var;
use crate::catalog::Entry;
use crate::ops::loss::Reduction;
use wengert_tensor::shape::size_text;
use wengert_tensor::{DType, Tensor, Value, bug};

/// The mean of `x` where the target is 1 and of `max(0, margin - x)` where it is -1 (PyTorch's default margin is 1).
#[track_caller]
pub fn hinge_embedding_loss(input: &Var, target: impl Into<Var>, margin: f64, reduction: Reduction) -> Var {
    let target = target.into();
    let far = (margin - input).clamp(0.0, None);
    let losses = Var::where_(&target.value.ne(1), far, 0.0) + Var::where_(&target.value.ne(-1), input, 0.0);
    reduction.apply(losses)
}

/// The mean of `ln(1 + e^(-target x))`, for targets of 1 and -1.
#[track_caller]
pub fn soft_margin_loss(input: &Var, target: impl Into<Var>, reduction: Reduction) -> Var {
    reduction.apply((-target.into() * input).exp().log1p())
}

/// What [`multi_margin_loss`] takes besides input and target; the default is PyTorch's.
#[derive(Clone, Debug)]
pub struct MultiMarginOptions {
    /// The power, 1 or 2: 1.
    pub p: usize,
    /// The margin: 1.
    pub margin: f64,
    /// A weight per class: none.
    pub weight: Option<Tensor>,
    /// How losses become one: by their mean.
    pub reduction: Reduction,
}

impl Default for MultiMarginOptions {
    fn default() -> MultiMarginOptions {
        MultiMarginOptions { p: 1, margin: 1.0, weight: None, reduction: Reduction::Mean }
    }
}

/// The mean over samples of Σ max(0, margin - score of the right class + score)ᵖ over the wrong classes, divided by the
/// number of classes; for scores `[n, classes]` or `[classes]` and class indices `[n]` or `[]`.
///
/// # Panics
/// If shapes do not fit, a class is out of range, or the power is not 1 or 2.
#[track_caller]
pub fn multi_margin_loss(input: &Var, target: impl Into<Var>, options: &MultiMarginOptions) -> Var {
    let target = target.into().into_value();
    let MultiMarginOptions { p, margin, weight, reduction } = options;
    if !matches!(p, 1 | 2) {
        bug!("", "only p == 1 and p == 2 supported");
    }
    let (scores, batched) = rows("", input);
    let [n, classes] = [scores.size(0), scores.size(1)];
    if target.rank() > 1 || target.numel() != n {
        bug!(
            "",
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples (batch size). \
             Expected target size [{n}], but got {:?}. Input has shape {:?}.",
            target.shape(),
            input.shape()
        );
    }
    let index = long(&target).reshape([-1, 1]);
    if index.to_vec::<i64>().iter().any(|&class| class < 0 || class >= classes as i64) {
        bug!("", "target out of range");
    }
    let losses = *margin - scores.gather(1, &index) + &scores;
    let mut losses = losses.masked_fill(&losses.value.gt(0.0).logical_not(), 0.0);
    if *p == 2 {
        losses = losses.square();
    }
    if let Some(weight) = weight {
        if weight.rank() != 1 {
            bug!("", "weight must be one-dimensional");
        }
        if weight.numel() != classes {
            bug!("", "inconsistent weight size, expected {classes} but got {:?}", weight.shape());
        }
        losses = losses * weight.to(input.dtype()).index_select(0, &index.reshape([-1])).unsqueeze(1);
    }
    // Not the right class itself.
    let losses = losses.scatter_value(1, &index, 0.0).sum(1) / classes as f64;
    reduction.apply(if batched || target.rank() == 1 { losses } else { losses.squeeze([0]) })
}

/// The mean over samples of Σ max(0, 1 - score of a right class + score of a wrong one) over both, divided by the number
/// of classes; for scores `[n, classes]` or `[classes]` and lists of right classes of that shape, which end at the first -1.
///
/// # Panics
/// If shapes do not fit or a class is out of range.
#[track_caller]
pub fn multilabel_margin_loss(input: &Var, target: impl Into<Var>, reduction: Reduction) -> Var {
    let target = target.into().into_value();
    let (scores, batched) = rows("", input);
    if target.shape() != input.shape() && !(input.rank() == 0 && target.numel() == 1) {
        bug!("", "inconsistent target size: {:?} for input of size: {:?}", target.shape(), input.shape());
    }
    let [n, classes] = [scores.size(0), scores.size(1)];
    let target = long(&target);
    let indices = target.to_vec::<i64>();
    if indices.iter().any(|&class| class < -1 || class >= classes as i64) {
        bug!("", "argument #2 'target' is out of range");
    }
    // Lists are short, so pairs are made of their longest, not of all classes.
    let lists: Vec<&[i64]> = indices
        .chunks_exact(classes.max(1))
        .map(|row| &row[..row.iter().position(|&class| class < 0).unwrap_or(classes)])
        .collect();
    let most = lists.iter().map(|list| list.len()).max().unwrap_or(0);
    let (mut listed, mut wrong) = (vec![false; n * most], vec![true; n * classes]);
    let mut right = vec![0i64; n * most];
    for (row, list) in lists.iter().enumerate() {
        for (place, &class) in list.iter().enumerate() {
            listed[row * most + place] = true;
            right[row * most + place] = class;
            wrong[row * classes + class as usize] = false;
        }
    }
    let mask = |values: Vec<bool>, columns: usize| Tensor::from_vec(values, [n, columns]);
    let own = scores.gather(1, &Tensor::from_vec(right, [n, most]));
    let pairs = 1.0 - own.unsqueeze(2) + scores.unsqueeze(1);
    // Only what is above 0, which NaN is not.
    let counted = mask(listed, most).unsqueeze(2).logical_and(mask(wrong, classes).unsqueeze(1));
    let counted = counted.logical_and(pairs.value.gt(0.0));
    let losses = pairs.masked_fill(&counted.logical_not(), 0.0).sum([1, 2]) / classes as f64;
    reduction.apply(if batched { losses } else { losses.squeeze([0]) })
}

/// The mean over samples of the binary cross entropy of logits `[.., classes]` and labels 0 and 1, averaged over classes.
#[track_caller]
pub fn multilabel_soft_margin_loss(
    input: &Var,
    target: impl Into<Var>,
    weight: Option<&Tensor>,
    reduction: Reduction,
) -> Var {
    let target = target.into();
    let mut losses = -(&target * input.logsigmoid() + (1 - &target) * (-input).logsigmoid());
    if let Some(weight) = weight {
        losses = losses * weight;
    }
    reduction.apply(losses.sum(-1) / input.size(-1) as f64)
}

/// The mean of `1 - cos` of the angle between vectors where the target is 1, and of `max(0, cos - margin)` where it is -1
/// (PyTorch's default margin is 0); for vectors `[n, d]` or `[d]` and targets `[n]` or `[]`.
///
/// # Panics
/// If shapes do not fit.
#[track_caller]
pub fn cosine_embedding_loss(a: &Var, b: &Var, target: impl Into<Var>, margin: f64, reduction: Reduction) -> Var {
    let target = target.into();
    let rank = target.rank();
    if rank > 1 {
        bug!("", "0D or 1D target tensor expected, multi-target not supported");
    }
    if a.rank() != rank + 1 || b.rank() != rank + 1 {
        bug!(
            "",
            "{rank}D target tensor expects {}D input tensors, but found inputs with sizes {:?} and {:?}.",
            rank + 1,
            a.shape(),
            b.shape()
        );
    }
    // Under the roots, not beside them.
    const EPSILON: f64 = 1e-12;
    let squares = ((a * a).sum(-1) + EPSILON) * ((b * b).sum(-1) + EPSILON);
    let cosine = (a * b).sum(-1) / squares.sqrt();
    let near = Var::where_(&target.value.eq(1), 1 - &cosine, 0);
    reduction.apply(near + Var::where_(&target.value.eq(-1), (cosine - margin).clamp(0.0, None), 0))
}

/// The mean of `max(0, margin - target (a - b))`, where the target is 1 if `a` should be the greater and -1 if `b`
/// (PyTorch's default margin is 0).
///
/// # Panics
/// If ranks differ or shapes do not broadcast.
#[track_caller]
pub fn margin_ranking_loss(a: &Var, b: &Var, target: impl Into<Var>, margin: f64, reduction: Reduction) -> Var {
    let target = target.into();
    if a.rank() != b.rank() || a.rank() != target.rank() {
        bug!(
            "",
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: {}, input2: {}, target: {} ",
            size_text(a.shape()),
            size_text(b.shape()),
            size_text(target.shape())
        );
    }
    reduction.apply((-target * (a - b) + margin).clamp(0.0, None))
}

/// What [`triplet_margin_loss`] takes besides its inputs; the default is PyTorch's.
#[derive(Clone, Copy, Debug)]
pub struct TripletMarginOptions {
    /// The margin: 1.
    pub margin: f64,
    /// The norm's power: 2.
    pub p: f64,
    /// Added to each difference: 1e-6.
    pub eps: f64,
    /// Whether the distance of positive and negative counts where it is smaller than the anchor's to the negative: no.
    pub swap: bool,
    /// How losses become one: by their mean.
    pub reduction: Reduction,
}

impl Default for TripletMarginOptions {
    fn default() -> TripletMarginOptions {
        TripletMarginOptions { margin: 1.0, p: 2.0, eps: 1e-6, swap: false, reduction: Reduction::Mean }
    }
}

/// The mean of `max(0, margin + distance of anchor and positive - distance of anchor and negative)`.
///
/// # Panics
/// If ranks differ, shapes do not broadcast or the margin is not positive.
#[track_caller]
pub fn triplet_margin_loss(anchor: &Var, positive: &Var, negative: &Var, options: &TripletMarginOptions) -> Var {
    let TripletMarginOptions { p, eps, .. } = *options;
    triplet_margin_with_distance_loss(anchor, positive, negative, |a, b| a.pairwise_distance(b, p, eps), options)
}

/// [`triplet_margin_loss`] by any distance; the options' power and `eps` say nothing here.
///
/// # Panics
/// As [`triplet_margin_loss`].
#[track_caller]
pub fn triplet_margin_with_distance_loss(
    anchor: &Var,
    positive: &Var,
    negative: &Var,
    distance: impl Fn(&Var, &Var) -> Var,
    options: &TripletMarginOptions,
) -> Var {
    let TripletMarginOptions { margin, swap, reduction, .. } = *options;
    if margin <= 0.0 {
        bug!("", "margin must be greater than 0, got {}", Value::from(margin));
    }
    let ranks = [anchor, positive, negative].map(Var::rank);
    if ranks[0] != ranks[1] || ranks[1] != ranks[2] {
        bug!(
            "",
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: anchor \
             {}D, positive {}D, and negative {}D inputs",
            ranks[0],
            ranks[1],
            ranks[2]
        );
    }
    let near = distance(anchor, positive);
    let mut far = distance(anchor, negative);
    if swap {
        far = far.minimum(distance(positive, negative));
    }
    reduction.apply((margin + near - far).clamp(0.0, None))
}

/// Scores `[n, classes]`, also of one sample, and whether there was an `n`.
#[track_caller]
fn rows(op: &str, input: &Var) -> (Var, bool) {
    if input.rank() > 2 {
        bug!(op, "Expected non-empty vector or matrix with optional 0-dim batch size, but got: {:?}", input.shape());
    }
    match input.rank() {
        2 => (input.clone(), true),
        _ => (input.reshape([1, input.numel()]), false),
    }
}

/// Class indices.
#[track_caller]
fn long(target: &Tensor) -> Tensor {
    if target.dtype() != DType::I64 {
        bug!("", "expected scalar type Long but found {}", target.dtype().legacy_name());
    }
    target.clone()
}

pub(crate) fn catalog() -> Vec<Entry> {
    let two: &[&[usize]] = &[&[3, 4], &[3, 4]];
    let three: &[&[usize]] = &[&[3, 4], &[3, 4], &[3, 4]];
    let signs = || Tensor::from_vec(vec![1.0f64, -1.0, 1.0], [3]);
    let index = Tensor::from_vec(vec![1i64, 0, 3], [3]);
    let lists = Tensor::from_vec(vec![1i64, 3, -1, 0, 0, -1, 1, 1, -1, 2, 2, 2], [3, 4]);
    let weight = Tensor::from_vec(vec![0.5f64, 2.0, 1.0, 1.5], [4]);
    let (w1, w2) = (weight.clone(), weight);
    vec![
        Entry::shaped("hinge_embedding_loss", "MeanBackward0", &[&[4, 3]], move |x| {
            hinge_embedding_loss(&x[0], signs(), 0.7, Reduction::Mean)
        }),
        Entry::shaped("soft_margin_loss", "MeanBackward0", two, |x| soft_margin_loss(&x[0], &x[1], Reduction::Mean)),
        Entry::shaped("multi_margin_loss", "MeanBackward0", &[&[3, 4]], move |x| {
            let options = MultiMarginOptions { p: 2, weight: Some(w1.clone()), ..Default::default() };
            multi_margin_loss(&x[0], &index, &options)
        }),
        Entry::shaped("multilabel_margin_loss", "SumBackward0", &[&[3, 4]], move |x| {
            multilabel_margin_loss(&x[0], &lists, Reduction::Sum)
        }),
        Entry::shaped("multilabel_soft_margin_loss", "MeanBackward0", two, move |x| {
            multilabel_soft_margin_loss(&x[0], &x[1], Some(&w2), Reduction::Mean)
        }),
        Entry::shaped("cosine_embedding_loss", "", two, move |x| {
            cosine_embedding_loss(&x[0], &x[1], signs(), 0.1, Reduction::None)
        }),
        Entry::shaped("margin_ranking_loss", "MeanBackward0", three, |x| {
            margin_ranking_loss(&x[0], &x[1], &x[2], 0.5, Reduction::Mean)
        }),
        Entry::shaped("triplet_margin_loss", "MeanBackward0", three, |x| {
            triplet_margin_loss(&x[0], &x[1], &x[2], &TripletMarginOptions { swap: true, ..Default::default() })
        }),
        Entry::shaped("triplet_margin_with_distance_loss", "MeanBackward0", three, |x| {
            let distance = |a: &Var, b: &Var| (a - b).square().sum(-1);
            triplet_margin_with_distance_loss(&x[0], &x[1], &x[2], distance, &TripletMarginOptions::default())
        })
        .sizes("n m, n m, n m"),
    ]
}
