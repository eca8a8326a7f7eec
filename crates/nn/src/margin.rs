//! Margin losses of scores and labels: [`HingeEmbeddingLoss`], [`SoftMarginLoss`], [`MultiMarginLoss`],
//! [`MultiLabelMarginLoss`], [`MultiLabelSoftMarginLoss`].

use crate::activation::log_sigmoid;
use crate::loss::{rebuild, reduced};
use crate::setting::reduction;
use crate::{Buffer, Mode, Module, Parts, Rebuild, Reduction, SpecError, Tree, Var};
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
        let target = target.into();
        let far = (self.margin - input).clamp(0.0, None);
        let losses = Var::where_(&target.ne(1), far, 0.0) + Var::where_(&target.ne(-1), input, 0.0);
        reduced(losses, self.reduction)
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
        reduced((-target.into() * input).exp().log1p(), self.reduction)
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

/// What [`MultiMarginLoss::with`] takes.
#[derive(Clone)]
pub struct MultiMarginOptions {
    /// The power, 1 or 2: 1.
    pub p: usize,
    /// The margin: 1.
    pub margin: f64,
    /// A weight per class: none.
    pub weight: Option<Tensor>,
    /// How elements become one: by their mean.
    pub reduction: Reduction,
}

impl Default for MultiMarginOptions {
    fn default() -> MultiMarginOptions {
        MultiMarginOptions { p: 1, margin: 1.0, weight: None, reduction: Reduction::Mean }
    }
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
        let target = target.into().into_value();
        let (input, target, batched) = batch("multi_margin_loss", input, &target, 0);
        let count = input.size(1);
        if let Some(wrong) = target.to_vec::<i64>().into_iter().find(|&class| class < 0 || class >= count as i64) {
            bug!("multi_margin_loss", "Target {wrong} is out of bounds: there are {count} classes");
        }
        let index = target.reshape([-1, 1]);
        let right = input.gather(1, &index);
        let mut losses = (self.options.margin - right + &input).clamp(0.0, None);
        if self.options.p == 2 {
            losses = losses.square();
        }
        if let Some(weight) = &self.weight {
            losses = losses * weight.value().index_select(0, &target.reshape([-1])).unsqueeze(1);
        }
        // Not the right class itself.
        let losses = losses.scatter_value(1, &index, 0.0).sum(1) / count as f64;
        reduced(if batched { losses } else { losses.squeeze([0]) }, self.options.reduction)
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
        let target = target.into().into_value();
        let (input, target, batched) = batch("multilabel_margin_loss", input, &target, 1);
        let (rows, count) = (input.size(0), input.size(1));
        let classes = target.to_vec::<i64>();
        let (mut listed, mut right) = (vec![0.0; rows * count], vec![0.0; rows * count]);
        for (row, classes) in classes.chunks_exact(count.max(1)).enumerate() {
            for (place, &class) in classes.iter().take_while(|&&class| class >= 0).enumerate() {
                if class >= count as i64 {
                    bug!("multilabel_margin_loss", "argument target is out of range: class {class} of {count}");
                }
                listed[row * count + place] = 1.0;
                right[row * count + class as usize] = 1.0;
            }
        }
        let factor = |values: Vec<f64>| Tensor::from_vec(values, [rows, count]).to(input.dtype());
        let scores = input.gather(1, &target.clamp(0.0, None).reshape([rows as isize, count as isize]));
        let pairs = (1.0 - scores.unsqueeze(2) + input.unsqueeze(1)).clamp(0.0, None);
        let wrong = factor(right).mul(-1.0).add(1.0);
        let losses = (pairs * factor(listed).unsqueeze(2) * wrong.unsqueeze(1)).sum([1, 2]) / count as f64;
        reduced(if batched { losses } else { losses.squeeze([0]) }, self.reduction)
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
        let target = target.into();
        let mut losses = -(&target * log_sigmoid(input) + (1 - &target) * log_sigmoid(&-input));
        if let Some(weight) = &self.weight {
            losses = losses * weight.value();
        }
        reduced(losses.sum(-1) / input.size(-1) as f64, self.reduction)
    }
}

#[wengert_nn_derive::module]
impl Module for MultiLabelSoftMarginLoss {}

/// Scores (N, C) and targets with N, also of scores (C), and whether there was an N. `axes` is the rank of one target.
#[track_caller]
fn batch(name: &str, input: &Var, target: &Tensor, axes: usize) -> (Var, Tensor, bool) {
    let batched = input.rank() == 2;
    let rows = if batched { input.size(0) } else { 1 };
    let fits = match axes {
        0 => target.rank() < 2 && target.numel() == rows,
        _ => target.shape() == input.shape() || (input.rank() == 0 && target.numel() == 1),
    };
    if input.rank() > 2 || !fits {
        bug!(name, "inconsistent target size: {:?} for input of size {:?}", target.shape(), input.shape());
    }
    let columns = if batched { input.size(1) as isize } else { input.numel() as isize };
    (input.reshape([rows as isize, columns]), target.clone(), batched)
}

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
