//! Losses. Each is one operation, reduction included, unless PyTorch composes it too.

use crate::catalog::Entry;
use crate::op::Context;
use crate::{Var, is_grad_enabled, op};
use wengert_tensor::shape::size_text;
use wengert_tensor::{DType, Tensor, bug, profile, softmax};

/// How the losses of samples or elements become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Their mean (weighted, where classes have weights).
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// They stay apart.
    None,
}

impl Reduction {
    /// The reduced value of losses of elements or samples.
    #[track_caller]
    pub(crate) fn apply(self, losses: Var) -> Var {
        match self {
            Reduction::Mean => losses.mean(()),
            Reduction::Sum => losses.sum(()),
            Reduction::None => losses,
        }
    }

    /// The reduced value of losses whose mean is their sum divided by `count`.
    fn value(self, losses: Tensor, count: f64) -> Tensor {
        match self {
            Reduction::Mean => losses.sum(()).div(count),
            Reduction::Sum => losses.sum(()),
            Reduction::None => losses,
        }
    }

    /// The adjoint of [`Reduction::value`].
    fn spread(self, grad: &Var, shape: &[usize], count: f64) -> Var {
        match self {
            Reduction::Mean => (grad / count).expand(shape),
            Reduction::Sum => grad.expand(shape),
            Reduction::None => grad.clone(),
        }
    }
}

/// What [`cross_entropy_with`] and [`nll_loss_with`] take besides input and target; the default is PyTorch's.
#[derive(Clone, Debug)]
pub struct CrossEntropyOptions {
    /// A weight for each class; none weighs all alike.
    pub weight: Option<Tensor>,
    /// The class index whose samples count nothing: -100.
    pub ignore_index: i64,
    /// How losses become one.
    pub reduction: Reduction,
    /// The share of the target that is spread evenly over all classes: 0.
    pub label_smoothing: f64,
}

impl Default for CrossEntropyOptions {
    fn default() -> CrossEntropyOptions {
        CrossEntropyOptions { weight: None, ignore_index: -100, reduction: Reduction::Mean, label_smoothing: 0.0 }
    }
}

/// The cross entropy of `logits` (`[n, classes, d..]` or `[classes]`) and `target`, its mean over samples.
///
/// The target is class indices (`[n, d..]`, `i64` or `u8`) or probabilities (of the logits' shape).
///
/// # Panics
/// If shapes do not agree or a class is out of range, in PyTorch's words.
///
/// # Examples
/// ```
/// use wengert_autograd::{Var, functional::cross_entropy, tensor::Tensor};
/// let logits = Var::leaf(Tensor::from_vec(vec![0.0f64, 0.0], [1, 2]));
/// let loss = cross_entropy(&logits, &Tensor::from_vec(vec![1i64], [1]));
/// loss.backward();
/// assert_eq!(loss.item::<f64>(), std::f64::consts::LN_2);
/// assert_eq!(logits.grad().unwrap().to_vec::<f64>(), [0.5, -0.5]);
/// ```
#[track_caller]
pub fn cross_entropy(logits: &Var, target: impl Into<Var>) -> Var {
    cross_entropy_with(logits, target, &CrossEntropyOptions::default())
}

/// [`cross_entropy`] with options.
///
/// # Panics
/// As [`cross_entropy`], and if the number of weights is not that of the classes or the smoothing is not in `[0, 1]`.
#[track_caller]
pub fn cross_entropy_with(logits: &Var, target: impl Into<Var>, options: &CrossEntropyOptions) -> Var {
    let _span = profile::span("cross_entropy_loss");
    let target = target.into();
    let smoothing = options.label_smoothing;
    if !(0.0..=1.0).contains(&smoothing) {
        bug!("", "label_smoothing must be between 0.0 and 1.0. Got: {smoothing}");
    }
    if target.dtype().is_float() && target.shape() == logits.shape() {
        return probabilities(logits, &target, options);
    }
    if options.weight.is_none() && smoothing == 0.0 {
        return plain_cross_entropy(logits, &target.value, options);
    }
    let log = logits.log_softmax(class_axis(logits));
    let picked = nll_loss_with(&log, &target.value, options);
    if smoothing == 0.0 {
        return picked;
    }
    let classes = Classes::new(&log, &target.value, options);
    let weighted = match &options.weight {
        Some(weight) => &log * along(weight, &log),
        None => log.clone(),
    };
    let losses = -weighted.sum(class_axis(&log)).masked_fill(&classes.ignored, 0.0);
    let smooth = match options.reduction {
        Reduction::Mean => losses.sum(()) / classes.total,
        Reduction::Sum => losses.sum(()),
        Reduction::None => losses,
    };
    picked * (1.0 - smoothing) + smooth * (smoothing / log.size(class_axis(&log)) as f64)
}

/// The negative log-likelihood of class indices, given logarithms of probabilities; its mean over samples.
///
/// # Panics
/// As [`cross_entropy`].
#[track_caller]
pub fn nll_loss(log_probabilities: &Var, target: &Tensor) -> Var {
    nll_loss_with(log_probabilities, target, &CrossEntropyOptions::default())
}

/// [`nll_loss`] with options; the label smoothing is not looked at.
///
/// # Panics
/// As [`cross_entropy`].
#[track_caller]
pub fn nll_loss_with(log_probabilities: &Var, target: &Tensor, options: &CrossEntropyOptions) -> Var {
    let _span = profile::span("nll_loss");
    let x = log_probabilities;
    let classes = Classes::new(x, target, options);
    let (axis, reduction) = (class_axis(x), options.reduction);
    let index = classes.index.unsqueeze(axis);
    let picked = x.value.gather(axis, &index).mul(classes.scale.unsqueeze(axis)).reshape(target.shape());
    // Also where it is infinite.
    let losses = picked.masked_fill(&classes.ignored, 0.0);
    let value = reduction.value(losses, classes.total);
    op::record(nll_name(x), value, [x], || {
        move |ctx: &Context<'_>, grad: &Var| {
            let zeros = Var::from(Tensor::zeros(ctx.shape(0), grad.dtype()));
            let grad = reduction.spread(grad, classes.scale.shape(), classes.total);
            let grad = (grad * &classes.scale).masked_fill(&classes.ignored, 0.0);
            [Some(zeros.scatter_add(axis, &index, &grad.unsqueeze(axis)))]
        }
    })
}

fn nll_name(x: &Var) -> &'static str {
    if x.rank() > 2 { "NllLoss2DBackward0" } else { "NllLossBackward0" }
}

/// The axis of classes.
fn class_axis(x: &Var) -> isize {
    (x.rank() > 1) as isize
}

/// A weight per class, shaped to lie along the classes of `x`.
#[track_caller]
fn along(weight: &Tensor, x: &Var) -> Tensor {
    let mut shape = vec![1; x.rank()];
    shape[class_axis(x) as usize] = weight.numel();
    weight.to(x.dtype()).reshape(&shape[..])
}

/// Checked class indices and what each sample counts.
struct Classes {
    /// The class of each sample; 0 where it is ignored.
    index: Tensor,
    ignored: Tensor,
    /// Less the weight of each sample's class; 0 where it is ignored.
    scale: Tensor,
    /// The sum of the weights.
    total: f64,
}

impl Classes {
    #[track_caller]
    fn new(x: &Var, target: &Tensor, options: &CrossEntropyOptions) -> Classes {
        let axis = class_axis(x) as usize;
        let classes = x.size(axis as isize);
        if !matches!(target.dtype(), DType::I64 | DType::U8) {
            bug!("", "expected target dtype to be Long or Byte, but got {}", target.dtype().legacy_name());
        }
        let mut expected = x.shape().to_vec();
        expected.remove(axis);
        if target.shape() != expected {
            match (expected.first(), target.shape().first()) {
                (Some(want), Some(have)) if want != have => {
                    bug!("", "Expected input batch_size ({want}) to match target batch_size ({have}).")
                }
                _ => bug!("", "expected a target of shape {expected:?} but got {:?}", target.shape()),
            }
        }
        if let Some(weight) = options.weight.as_ref().filter(|w| w.shape() != [classes]) {
            bug!(
                "",
                "weight tensor should be defined either for all {classes} classes or no classes but got weight tensor of \
                 shape: {:?}",
                weight.shape()
            );
        }
        let target = target.to(DType::I64);
        let ignored = target.eq(options.ignore_index);
        let index = target.masked_fill(&ignored, 0);
        if let Some(bad) = index.to_vec::<i64>().iter().find(|&&class| class < 0 || class >= classes as i64) {
            bug!("", "Target {bad} is out of bounds.");
        }
        let weights = match &options.weight {
            Some(weight) => weight.to(x.dtype()).index_select(0, &index.reshape([-1])).reshape(index.shape()),
            None => Tensor::ones(index.shape(), x.dtype()),
        };
        let scale = weights.neg().masked_fill(&ignored, 0.0);
        let total = -scale.sum(()).item::<f64>();
        Classes { index, ignored, scale, total }
    }
}

/// Cross entropy with class indices that weigh alike: one fused kernel forward and one backward.
#[track_caller]
fn plain_cross_entropy(logits: &Var, target: &Tensor, options: &CrossEntropyOptions) -> Var {
    let (ignore, reduction) = (options.ignore_index, options.reduction);
    let losses = softmax::cross_entropy(&logits.value, target, ignore);
    let count = match reduction {
        Reduction::Mean => target.ne(ignore).sum(()).item::<f64>(),
        _ => 1.0,
    };
    op::record(nll_name(logits), reduction.value(losses, count), [logits], || {
        let (x, target, options) = (logits.clone(), target.clone(), options.clone());
        move |_: &Context<'_>, grad: &Var| {
            let grad = reduction.spread(grad, target.shape(), count);
            if !is_grad_enabled() {
                return [Some(Var::from(softmax::cross_entropy_backward(&grad.value, &x.value, &target, ignore)))];
            }
            let (axis, classes) = (class_axis(&x), Classes::new(&x, &target, &options));
            let hot = x.value.zeros_like().scatter_value(axis, &classes.index.unsqueeze(axis), 1.0);
            let grad = grad.masked_fill(&classes.ignored, 0.0).unsqueeze(axis);
            [Some((x.softmax(axis) - hot) * grad)]
        }
    })
}

/// Cross entropy with probabilities as target.
#[track_caller]
fn probabilities(logits: &Var, target: &Var, options: &CrossEntropyOptions) -> Var {
    let axis = class_axis(logits);
    let classes = logits.size(axis) as f64;
    let smoothing = options.label_smoothing;
    let target = if smoothing > 0.0 { target * (1.0 - smoothing) + smoothing / classes } else { target.clone() };
    let log = logits.log_softmax(axis);
    let weighted = match &options.weight {
        Some(weight) => log * target * along(weight, logits),
        None => log * target,
    };
    match options.reduction {
        Reduction::Mean => -weighted.sum(()) / (logits.numel() as f64 / classes),
        Reduction::Sum => -weighted.sum(()),
        Reduction::None => -weighted.sum(axis),
    }
}

/// A loss of the difference of input and target, element by element: its value and its slope.
#[track_caller]
fn difference(
    name: &'static str,
    input: &Var,
    target: &Var,
    reduction: Reduction,
    value: impl Fn(&Tensor) -> Tensor,
    slope: impl Fn(&Var) -> Var + Send + Sync + 'static,
) -> Var {
    let losses = value(&input.value.sub(&target.value));
    let count = losses.numel() as f64;
    let shape = wengert_tensor::Shape::from_slice(losses.shape());
    op::record(name, reduction.value(losses, count), [input, target], || {
        let (x, t) = (input.clone(), target.clone());
        move |ctx: &Context<'_>, grad: &Var| {
            let grad = slope(&(&x - &t)) * reduction.spread(grad, &shape, count);
            [ctx.needs(0).then(|| grad.clone()), ctx.needs(1).then(|| -&grad)]
        }
    })
}

/// The mean of squared differences.
#[track_caller]
pub fn mse_loss(input: &Var, target: impl Into<Var>) -> Var {
    mse_loss_with(input, target, Reduction::Mean)
}

/// [`mse_loss`] with a reduction.
#[track_caller]
pub fn mse_loss_with(input: &Var, target: impl Into<Var>, reduction: Reduction) -> Var {
    let _span = profile::span("mse_loss");
    difference("MseLossBackward0", input, &target.into(), reduction, Tensor::square, |d| d * 2.0)
}

/// The mean of absolute differences.
#[track_caller]
pub fn l1_loss(input: &Var, target: impl Into<Var>) -> Var {
    l1_loss_with(input, target, Reduction::Mean)
}

/// [`l1_loss`] with a reduction.
#[track_caller]
pub fn l1_loss_with(input: &Var, target: impl Into<Var>, reduction: Reduction) -> Var {
    let _span = profile::span("l1_loss");
    reduction.apply((input - target.into()).abs())
}

/// The mean of losses that are quadratic, `d²/(2 beta)`, where differences are below `beta`, and `|d| - beta/2` above
/// (PyTorch's default `beta` is 1).
///
/// # Panics
/// If `beta` is negative.
#[track_caller]
pub fn smooth_l1_loss(input: &Var, target: impl Into<Var>, beta: f64, reduction: Reduction) -> Var {
    let _span = profile::span("smooth_l1_loss");
    if beta < 0.0 {
        bug!("", "smooth_l1_loss does not support negative values for beta.");
    }
    if beta == 0.0 {
        return l1_loss_with(input, target, reduction);
    }
    let value = move |d: &Tensor| {
        let size = d.abs();
        size.lt(beta).where_(d.square().mul(0.5 / beta), size.sub(0.5 * beta))
    };
    difference("SmoothL1LossBackward0", input, &target.into(), reduction, value, move |d| (d / beta).clamp(-1.0, 1.0))
}

/// The mean of losses that are quadratic, `d²/2`, where differences are up to `delta`, and `delta (|d| - delta/2)` above
/// (PyTorch's default `delta` is 1).
///
/// # Panics
/// If `delta` is not positive.
#[track_caller]
pub fn huber_loss(input: &Var, target: impl Into<Var>, delta: f64, reduction: Reduction) -> Var {
    let _span = profile::span("huber_loss");
    if delta <= 0.0 {
        bug!("", "huber_loss does not support non-positive values for delta.");
    }
    let value = move |d: &Tensor| {
        let size = d.abs();
        size.le(delta).where_(d.square().mul(0.5), size.sub(0.5 * delta).mul(delta))
    };
    difference("HuberLossBackward0", input, &target.into(), reduction, value, move |d| d.clamp(-delta, delta))
}

/// The mean binary cross entropy of probabilities and targets in `[0, 1]`; logarithms are cut off at -100.
///
/// # Panics
/// If shapes differ or an input is not in `[0, 1]`.
#[track_caller]
pub fn binary_cross_entropy(input: &Var, target: impl Into<Var>, weight: Option<&Tensor>, reduction: Reduction) -> Var {
    let _span = profile::span("binary_cross_entropy");
    let target = target.into();
    if input.shape() != target.shape() {
        bug!(
            "",
            "Using a target size ({}) that is different to the input size ({}) is deprecated. Please ensure they have the \
             same size.",
            size_text(target.shape()),
            size_text(input.shape())
        );
    }
    let (x, t) = (&input.value, &target.value);
    let inside = x.ge(0.0).logical_and(x.le(1.0)).all(()).item::<bool>();
    if !inside {
        bug!("", "all elements of input should be between 0 and 1");
    }
    let weigh = |losses: Tensor, weight: Option<&Tensor>| weight.map_or(losses.clone(), |w| losses.mul(w));
    let yes = x.log().clamp(-100.0, None);
    let no = x.neg().log1p().clamp(-100.0, None);
    let losses = weigh(t.sub(1.0).mul(&no).sub(t.mul(&yes)), weight);
    let count = losses.numel() as f64;
    op::record("BinaryCrossEntropyBackward0", reduction.value(losses, count), [input, &target], || {
        let (x, t, weight) = (input.clone(), target.clone(), weight.cloned());
        move |ctx: &Context<'_>, grad: &Var| {
            let grad = reduction.spread(grad, x.shape(), count);
            let grad = weight.as_ref().map_or(grad.clone(), |w| &grad * w);
            [
                ctx.needs(0).then(|| &grad * ((&x - &t) / (&x * (1.0 - &x)).clamp(1e-12, None))),
                ctx.needs(1).then(|| &grad * ((1.0 - &x).log() - x.log())),
            ]
        }
    })
}

/// The mean binary cross entropy of logits and targets; `pos_weight` weighs the positive part, `weight` the whole.
///
/// # Panics
/// If shapes differ.
#[track_caller]
pub fn binary_cross_entropy_with_logits(
    input: &Var,
    target: impl Into<Var>,
    weight: Option<&Tensor>,
    pos_weight: Option<&Tensor>,
    reduction: Reduction,
) -> Var {
    let _span = profile::span("binary_cross_entropy_with_logits");
    let target = target.into();
    if input.shape() != target.shape() {
        bug!(
            "",
            "Target size ({}) must be the same as input size ({})",
            size_text(target.shape()),
            size_text(input.shape())
        );
    }
    // ln(1 + e^-x), without overflow.
    let soft = |x: &Tensor| x.abs().neg().exp().log1p().add(x.neg().relu());
    let (x, t) = (&input.value, &target.value);
    let positive = match pos_weight {
        Some(p) => p.sub(1.0).mul(t).add(1.0).mul(soft(x)),
        None => soft(x),
    };
    let losses = t.neg().add(1.0).mul(x).add(positive);
    let losses = weight.map_or(losses.clone(), |w| losses.mul(w));
    let count = losses.numel() as f64;
    op::record("BinaryCrossEntropyWithLogitsBackward0", reduction.value(losses, count), [input, &target], || {
        let (x, t, weight, p) = (input.clone(), target.clone(), weight.cloned(), pos_weight.cloned());
        move |ctx: &Context<'_>, grad: &Var| {
            let grad = reduction.spread(grad, x.shape(), count);
            let grad = weight.as_ref().map_or(grad.clone(), |w| &grad * w);
            let input = ctx.needs(0).then(|| match &p {
                None => &grad * (x.sigmoid() - &t),
                Some(p) => &grad * ((1.0 - &t) - (&t * p.sub(1.0) + 1.0) * (-&x).sigmoid()),
            });
            let target = ctx.needs(1).then(|| match &p {
                None => -&grad * &x,
                Some(p) => &grad * ((-&x).softplus(1.0, 40.0) * p.sub(1.0) - &x),
            });
            [input, target]
        }
    })
}

/// What [`kl_div`] does; the default is PyTorch's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KlDivOptions {
    /// How elements become one. `Mean` divides by the number of elements, as PyTorch.
    pub reduction: Reduction,
    /// Divides the sum by the batch size instead (`reduction='batchmean'`).
    pub batch_mean: bool,
    /// Whether the target is logarithms, too.
    pub log_target: bool,
}

/// The Kullback-Leibler divergence of targets from inputs, which are logarithms of probabilities.
#[track_caller]
pub fn kl_div(input: &Var, target: impl Into<Var>, options: &KlDivOptions) -> Var {
    let _span = profile::span("kl_div");
    let target = target.into();
    let losses = if options.log_target {
        target.exp() * (&target - input)
    } else {
        let zero = &target.value.eq(0.0);
        let own = &target * target.masked_fill(zero, 1.0).log();
        own - &target * input
    };
    if options.batch_mean {
        return losses.sum(()) / input.shape().first().map_or(1.0, |&batch| batch as f64);
    }
    options.reduction.apply(losses)
}

pub(crate) fn catalog() -> Vec<Entry> {
    let two: &[&[usize]] = &[&[2, 3], &[2, 3]];
    let class = |shape: &[usize]| Tensor::from_vec([2i64, 0, -100, 1][..shape.iter().product()].to_vec(), shape);
    let (flat, grid) = (class(&[3]), class(&[2, 2]));
    let weighted = CrossEntropyOptions {
        weight: Some(Tensor::from_vec(vec![0.5f64, 2.0, 1.0], [3])),
        label_smoothing: 0.1,
        ..Default::default()
    };
    let weight = Tensor::from_vec(vec![0.5f64, 2.0, 1.0], [3]);
    let (t1, t2, t3, t4) = (flat.clone(), flat.clone(), flat.clone(), flat);
    let (w1, w2, w3) = (weighted.clone(), weighted.clone(), weighted);
    let (p1, p2) = (weight.clone(), weight);
    vec![
        Entry::shaped("cross_entropy", "NllLossBackward0", &[&[3, 3]], move |x| cross_entropy(&x[0], &t1))
            .sizes("3 c3"),
        Entry::shaped("cross_entropy of images", "NllLoss2DBackward0", &[&[2, 3, 2]], move |x| {
            cross_entropy_with(&x[0], &grid, &CrossEntropyOptions { reduction: Reduction::None, ..Default::default() })
        })
        .sizes("2 c3 2"),
        Entry::shaped("cross_entropy_with weights", "AddBackward0", &[&[3, 3]], move |x| {
            cross_entropy_with(&x[0], &t2, &w1)
        })
        .sizes("3 3"),
        Entry::shaped("cross_entropy of probabilities", "DivBackward0", two, move |x| {
            cross_entropy_with(&x[0], &x[1], &w2)
        })
        .sizes("n 3, n 3"),
        Entry::shaped("nll_loss_with", "NllLossBackward0", &[&[3, 3]], move |x| nll_loss_with(&x[0], &t3, &w3))
            .sizes("3 3"),
        Entry::shaped("nll_loss", "NllLossBackward0", &[&[3, 3]], move |x| nll_loss(&x[0], &t4)).sizes("3 3"),
        Entry::shaped("mse_loss", "MseLossBackward0", two, |x| mse_loss(&x[0], &x[1])).sizes("..., ..."),
        Entry::shaped("mse_loss_with", "MseLossBackward0", two, |x| mse_loss_with(&x[0], &x[1], Reduction::Sum))
            .sizes("..., ..."),
        Entry::shaped("l1_loss_with", "AbsBackward0", two, |x| l1_loss_with(&x[0], &x[1], Reduction::None))
            .sizes("..., ..."),
        Entry::shaped("l1_loss", "MeanBackward0", two, |x| l1_loss(&x[0], &x[1])).sizes("..., ..."),
        Entry::shaped("smooth_l1_loss", "SmoothL1LossBackward0", two, |x| {
            smooth_l1_loss(&x[0], &x[1], 0.7, Reduction::Sum)
        })
        .sizes("..., ..."),
        Entry::shaped("huber_loss", "HuberLossBackward0", two, |x| huber_loss(&x[0], &x[1], 0.7, Reduction::None))
            .sizes("..., ..."),
        Entry::shaped("binary_cross_entropy", "BinaryCrossEntropyBackward0", two, move |x| {
            binary_cross_entropy(&x[0], &x[1], Some(&p1), Reduction::Mean)
        })
        .sizes("... 3, ... 3")
        .within(0.2, 0.8),
        Entry::shaped("binary_cross_entropy_with_logits", "BinaryCrossEntropyWithLogitsBackward0", two, move |x| {
            binary_cross_entropy_with_logits(&x[0], &x[1], None, Some(&p2), Reduction::Mean)
        })
        .sizes("... 3, ... 3"),
        Entry::shaped("binary_cross_entropy_with_logits, plain", "BinaryCrossEntropyWithLogitsBackward0", two, |x| {
            binary_cross_entropy_with_logits(&x[0], &x[1], None, None, Reduction::Sum)
        })
        .sizes("..., ..."),
        Entry::shaped("kl_div", "MeanBackward0", two, |x| kl_div(&x[0], &x[1], &KlDivOptions::default()))
            .sizes("..., ...")
            .within(0.2, 0.8),
        Entry::shaped("kl_div of logarithms", "DivBackward0", two, |x| {
            let options = KlDivOptions { batch_mean: true, log_target: true, ..Default::default() };
            kl_div(&x[0], &x[1], &options)
        })
        .sizes("n m, n m"),
    ]
}
