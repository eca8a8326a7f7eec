//! Margin losses of scores and labels: [`HingeEmbeddingLoss`], [`SoftMarginLoss`], [`MultiMarginLoss`],
//! [`MultiLabelMarginLoss`], [`MultiLabelSoftMarginLoss`].

use crate::loss::rebuild;
use crate::setting::reduction;
use crate::{Buffer, Mode, Module, Parts, Rebuild, Reduction, SpecError, Tree, Var};
use wengert_autograd::functional;
pub use wengert_autograd::functional::MultiMarginOptions;
use wengert_tensor::{Dict, Tensor, Value, bug};

/// x where the target is 1, max(0, margin − x) where it is −1 (`torch.nn.HingeEmbeddingLoss`).
///
/// # Examples
/// ```
/// use wengert_nn::{HingeEmbeddingLoss, Reduction, Var, tensor::Tensor};
/// let (x, y) = (Var::from(Tensor::new([0.5f32, 0.25])), Tensor::new([1.0f32, -1.0]));
/// assert_eq!(HingeEmbeddingLoss::with(1.0, Reduction::None).forward(&x, y).to_vec::<f32>(), [0.5, 0.75]);
/// ```
#[derive(Tree)]
pub struct HingeEmbeddingLoss {
    margin: f64,
    #[tree(skip)]
    reduction: Reduction,
    mode: Mode,
}

impl HingeEmbeddingLoss {
    /// The mean, with margin 1.
    pub fn new() -> HingeEmbeddingLoss {
        HingeEmbeddingLoss::with(1.0, Reduction::Mean)
    }

    /// With another margin and reduction.
    pub fn with(margin: f64, reduction: Reduction) -> HingeEmbeddingLoss {
        HingeEmbeddingLoss { margin, reduction, mode: Mode::default() }
    }

    /// The loss of distances for targets 1 and −1.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn forward(&self, input: &Var, target: impl Into<Var>) -> Var {
        functional::hinge_embedding_loss(input, target, self.margin, self.reduction)
    }
}

impl Default for HingeEmbeddingLoss {
    fn default() -> HingeEmbeddingLoss {
        HingeEmbeddingLoss::new()
    }
}

#[wengert_nn_derive::module]
impl Module for HingeEmbeddingLoss {}

/// log(1 + e^(−y x)) for targets y of 1 and −1 (`torch.nn.SoftMarginLoss`).
#[derive(Default, Tree)]
pub struct SoftMarginLoss {
    #[tree(skip)]
    reduction: Reduction,
    mode: Mode,
}

impl SoftMarginLoss {
    /// The mean.
    pub fn new() -> SoftMarginLoss {
        SoftMarginLoss::default()
    }

    /// With another reduction.
    pub fn with(reduction: Reduction) -> SoftMarginLoss {
        SoftMarginLoss { reduction, mode: Mode::default() }
    }

    /// The loss of scores for targets 1 and −1.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn forward(&self, input: &Var, target: impl Into<Var>) -> Var {
        functional::soft_margin_loss(input, target, self.reduction)
    }
}

#[wengert_nn_derive::module]
impl Module for SoftMarginLoss {}

/// The mean over the wrong classes of max(0, margin − score of the right class + score)ᵖ (`torch.nn.MultiMarginLoss`), for
/// scores (N, C) or (C) and class numbers (N) or ().
#[derive(Tree)]
pub struct MultiMarginLoss {
    /// A weight per class.
    pub weight: Option<Buffer>,
    #[tree(skip)]
    options: MultiMarginOptions,
    mode: Mode,
}

impl MultiMarginLoss {
    /// The mean over the batch.
    pub fn new() -> MultiMarginLoss {
        MultiMarginLoss::with(MultiMarginOptions::default())
    }

    /// With options.
    ///
    /// # Panics
    /// If the power is not 1 or 2, or the weights are not one axis.
    #[track_caller]
    pub fn with(mut options: MultiMarginOptions) -> MultiMarginLoss {
        if !matches!(options.p, 1 | 2) {
            bug!("", "only p == 1 and p == 2 supported");
        }
        if let Some(rank) = options.weight.as_ref().map(Tensor::rank).filter(|&rank| rank != 1) {
            bug!("", "MultiMarginLoss: expected weight to be None or 1D tensor, got {rank}D instead");
        }
        MultiMarginLoss { weight: options.weight.take().map(Buffer::new), options, mode: Mode::default() }
    }

    /// The loss of scores for class numbers.
    ///
    /// # Panics
    /// If the shapes do not fit or a class is out of bounds.
    #[track_caller]
    pub fn forward(&self, input: &Var, target: impl Into<Var>) -> Var {
        let weight = self.weight.as_ref().map(Buffer::value);
        functional::multi_margin_loss(input, target, &MultiMarginOptions { weight, ..self.options.clone() })
    }
}

impl Default for MultiMarginLoss {
    fn default() -> MultiMarginLoss {
        MultiMarginLoss::new()
    }
}

#[wengert_nn_derive::module]
impl Module for MultiMarginLoss {}

/// The sum over right and wrong classes of max(0, 1 − right score + wrong score), by the number of classes
/// (`torch.nn.MultiLabelMarginLoss`), for scores (N, C) or (C) and right classes of that shape, of which those from the
/// first −1 on do not count.
#[derive(Default, Tree)]
pub struct MultiLabelMarginLoss {
    #[tree(skip)]
    reduction: Reduction,
    mode: Mode,
}

impl MultiLabelMarginLoss {
    /// The mean over the batch.
    pub fn new() -> MultiLabelMarginLoss {
        MultiLabelMarginLoss::default()
    }

    /// With another reduction.
    pub fn with(reduction: Reduction) -> MultiLabelMarginLoss {
        MultiLabelMarginLoss { reduction, mode: Mode::default() }
    }

    /// The loss of scores for lists of right classes.
    ///
    /// # Panics
    /// If the shapes do not fit or a class is out of bounds.
    #[track_caller]
    pub fn forward(&self, input: &Var, target: impl Into<Var>) -> Var {
        functional::multilabel_margin_loss(input, target, self.reduction)
    }
}

#[wengert_nn_derive::module]
impl Module for MultiLabelMarginLoss {}

/// Binary cross entropy of the sigmoid of scores (…, C) and labels 0 and 1, averaged over the classes
/// (`torch.nn.MultiLabelSoftMarginLoss`).
#[derive(Default, Tree)]
pub struct MultiLabelSoftMarginLoss {
    /// A weight per class.
    pub weight: Option<Buffer>,
    #[tree(skip)]
    reduction: Reduction,
    mode: Mode,
}

impl MultiLabelSoftMarginLoss {
    /// The mean over the batch.
    pub fn new() -> MultiLabelSoftMarginLoss {
        MultiLabelSoftMarginLoss::default()
    }

    /// With a weight per class and another reduction.
    pub fn with(weight: Option<Tensor>, reduction: Reduction) -> MultiLabelSoftMarginLoss {
        MultiLabelSoftMarginLoss { weight: weight.map(Buffer::new), reduction, mode: Mode::default() }
    }

    /// The loss of scores for labels.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn forward(&self, input: &Var, target: impl Into<Var>) -> Var {
        let weight = self.weight.as_ref().map(Buffer::value);
        functional::multilabel_soft_margin_loss(input, target, weight.as_ref(), self.reduction)
    }
}

#[wengert_nn_derive::module]
impl Module for MultiLabelSoftMarginLoss {}

/// The weights per class of a loss that is made from a file.
fn weight(parts: &mut Parts<'_>) -> Result<Option<Buffer>, SpecError> {
    parts.any_buffer("weight")
}

rebuild! {
    HingeEmbeddingLoss [] |loss| ["reduction" = reduction(loss.reduction), "margin" = loss.margin], |parts|
        HingeEmbeddingLoss { margin: parts.get("margin")?, reduction: parts.get("reduction")?, mode: parts.mode() };
    SoftMarginLoss [] |loss| ["reduction" = reduction(loss.reduction)],
        |parts| SoftMarginLoss { reduction: parts.get("reduction")?, mode: parts.mode() };
    MultiMarginLoss ["weight"] |loss| [
        "reduction" = reduction(loss.options.reduction),
        "p" = loss.options.p,
        "margin" = loss.options.margin
    ], |parts| {
        let (p, margin, reduction) = (parts.get("p")?, parts.get("margin")?, parts.get("reduction")?);
        if !matches!(p, 1 | 2) {
            return parts.invalid("only p == 1 and p == 2 supported");
        }
        let options = MultiMarginOptions { p, margin, reduction, weight: None };
        MultiMarginLoss { weight: weight(parts)?, options, mode: parts.mode() }
    };
    MultiLabelMarginLoss [] |loss| ["reduction" = reduction(loss.reduction)],
        |parts| MultiLabelMarginLoss { reduction: parts.get("reduction")?, mode: parts.mode() };
    MultiLabelSoftMarginLoss ["weight"] |loss| ["reduction" = reduction(loss.reduction)], |parts|
        MultiLabelSoftMarginLoss { weight: weight(parts)?, reduction: parts.get("reduction")?, mode: parts.mode() };
}
