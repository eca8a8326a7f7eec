//! Losses that are negative logarithms of likelihoods, but for those of classes.

use crate::Var;
use crate::catalog::Entry;
use crate::ops::loss::{CrossEntropyOptions, Reduction, cross_entropy_with};
use std::f64::consts::PI;
use wengert_tensor::bug;

/// What [`poisson_nll_loss`] takes besides input and target; the default is PyTorch's.
#[derive(Clone, Copy, Debug)]
pub struct PoissonNLLOptions {
    /// Whether inputs are logarithms of rates: yes.
    pub log_input: bool,
    /// Whether to add Stirling's approximation of what does not depend on the input: no.
    pub full: bool,
    /// Added to rates before their logarithm is taken: 1e-8.
    pub eps: f64,
    /// How losses become one: by their mean.
    pub reduction: Reduction,
}

impl Default for PoissonNLLOptions {
    fn default() -> PoissonNLLOptions {
        PoissonNLLOptions { log_input: true, full: false, eps: 1e-8, reduction: Reduction::Mean }
    }
}

/// The mean loss of rates, or of their logarithms, for counts that Poisson's distribution gave.
#[track_caller]
pub fn poisson_nll_loss(input: &Var, target: impl Into<Var>, options: &PoissonNLLOptions) -> Var {
    let target = target.into();
    let mut losses = match options.log_input {
        true => input.exp() - &target * input,
        false => input - &target * (input + options.eps).log(),
    };
    if options.full {
        let stirling = &target * target.log() - &target + (&target * (2.0 * PI)).log() * 0.5;
        losses = losses + stirling.masked_fill(&target.value.le(1), 0.0);
    }
    options.reduction.apply(losses)
}

/// What [`gaussian_nll_loss`] takes besides mean, value and variance; the default is PyTorch's.
#[derive(Clone, Copy, Debug)]
pub struct GaussianNLLOptions {
    /// Whether to add the constant `ln(2π) / 2`: no.
    pub full: bool,
    /// The least variance: 1e-6.
    pub eps: f64,
    /// How losses become one: by their mean.
    pub reduction: Reduction,
}

impl Default for GaussianNLLOptions {
    fn default() -> GaussianNLLOptions {
        GaussianNLLOptions { full: false, eps: 1e-6, reduction: Reduction::Mean }
    }
}

/// The mean loss of means (`input`) and variances for values that normal distributions gave. The variance has the means'
/// shape, or lacks its last axis, or has one axis of size 1.
///
/// # Panics
/// If shapes do not fit or a variance is negative.
#[track_caller]
pub fn gaussian_nll_loss(
    input: &Var,
    target: impl Into<Var>,
    variance: impl Into<Var>,
    options: &GaussianNLLOptions,
) -> Var {
    let (target, mut variance) = (target.into(), variance.into());
    if variance.value.lt(0).any(()).item::<bool>() {
        bug!("", "var has negative entry/entries");
    }
    if variance.shape() != input.shape() {
        let pairs = input.shape().iter().zip(variance.shape());
        let odd: usize = pairs.filter(|(a, b)| a != b).map(|(_, b)| b).sum();
        if input.shape().split_last().is_some_and(|(_, rest)| rest == variance.shape()) {
            variance = variance.unsqueeze(-1);
        } else if input.rank() != variance.rank() || odd != 1 {
            bug!("", "var is of incorrect size");
        }
    }
    // Raised to the least variance, with the gradient of what it was.
    let lack = variance.value.neg().add(options.eps).clamp(0.0, None);
    let variance = variance + lack;
    let mut losses = (variance.log() + (input - target).square() / variance) * 0.5;
    if options.full {
        losses = losses + (2.0 * PI).ln() * 0.5;
    }
    options.reduction.apply(losses)
}

/// [`cross_entropy_with`] of what a linear layer gives: for inputs `[n, in]` or `[in]` and weights `[classes, out.., in]`
/// the logits are `[n, classes, out..]`, and a bias is `[classes, out..]`.
///
/// # Panics
/// If shapes do not fit, and as [`cross_entropy_with`].
#[track_caller]
pub fn linear_cross_entropy(
    input: &Var,
    weight: &Var,
    target: impl Into<Var>,
    bias: Option<&Var>,
    options: &CrossEntropyOptions,
) -> Var {
    if !matches!(input.rank(), 1 | 2) {
        bug!("", "expected input with dimensionality 1 or 2, got {}", input.rank());
    }
    if weight.rank() < 2 {
        bug!("", "expected linear_weight with dimensionality at least 2, got {}", weight.rank());
    }
    let (&inner, outer) = weight.shape().split_last().expect("two axes");
    let (&own, batch) = input.shape().split_last().expect("an axis");
    if own != inner {
        bug!(
            "",
            "expected equal input and linear_weight last dimensions (in_features), got {own} and {inner}, respectively"
        );
    }
    if let Some(bias) = bias.filter(|bias| bias.shape() != outer) {
        bug!("", "expected linear_bias shape {}, got {}", tuple(outer), tuple(bias.shape()));
    }
    if outer.len() > 1 && batch.is_empty() {
        bug!(
            "",
            "K-dimensional loss defined by linear_weight shape {} requires batched input, (N, {inner}), got unbatched input with \
             shape {}",
            tuple(weight.shape()),
            tuple(input.shape())
        );
    }
    let count: usize = outer.iter().product();
    let bias = bias.map(|bias| bias.reshape([count]));
    let logits = input.linear(&weight.reshape([count, inner]), bias.as_ref());
    cross_entropy_with(&logits.reshape([batch, outer].concat()), target, options)
}

/// A shape as Python shows a tuple.
fn tuple(shape: &[usize]) -> String {
    match shape {
        [only] => format!("({only},)"),
        _ => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

pub(crate) fn catalog() -> Vec<Entry> {
    let two: &[&[usize]] = &[&[2, 3], &[2, 3]];
    let three: &[&[usize]] = &[&[2, 3], &[2, 3], &[2, 1]];
    let linear: &[&[usize]] = &[&[2, 3], &[4, 2, 3], &[4, 2]];
    let classes = wengert_tensor::Tensor::from_vec(vec![1i64, 0, 3, 2], [2, 2]);
    vec![
        Entry::shaped("poisson_nll_loss", "MeanBackward0", two, |x| {
            poisson_nll_loss(&x[0], &x[1], &PoissonNLLOptions::default())
        }),
        Entry::shaped("poisson_nll_loss, full", "SumBackward0", two, |x| {
            let reduction = Reduction::Sum;
            let options = PoissonNLLOptions { log_input: false, full: true, reduction, ..Default::default() };
            poisson_nll_loss(&x[0], &x[1], &options)
        })
        .within(0.5, 2.5),
        Entry::shaped("gaussian_nll_loss", "MeanBackward0", three, |x| {
            gaussian_nll_loss(&x[0], &x[1], &x[2], &GaussianNLLOptions { full: true, ..Default::default() })
        })
        .within(0.5, 2.0),
        Entry::shaped("linear_cross_entropy", "NllLoss2DBackward0", linear, move |x| {
            linear_cross_entropy(&x[0], &x[1], &classes, Some(&x[2]), &CrossEntropyOptions::default())
        }),
    ]
}
