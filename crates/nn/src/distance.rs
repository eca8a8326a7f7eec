//! Distances of vectors and losses of them: [`CosineSimilarity`], [`PairwiseDistance`], [`CosineEmbeddingLoss`],
//! [`MarginRankingLoss`], [`TripletMarginLoss`], [`TripletMarginWithDistanceLoss`].

use crate::loss::rebuild;
use crate::setting::reduction;
use crate::{Mode, Module, Parts, Rebuild, Reduction, SpecError, Tree, Var};
use wengert_autograd::functional;
pub use wengert_autograd::functional::TripletMarginOptions;
use wengert_tensor::{Dict, Value, bug};

/// The cosine of the angle between vectors along an axis (`torch.nn.CosineSimilarity`).
///
/// # Examples
/// ```
/// use wengert_nn::{CosineSimilarity, Var, tensor::Tensor};
/// let (a, b) = (Tensor::new([[1.0f32, 0.0]]), Tensor::new([[3.0f32, 4.0]]));
/// let cosine = CosineSimilarity::default().forward(&Var::from(a), &Var::from(b));
/// assert_eq!(cosine.to_vec::<f32>(), [0.6]);
/// ```
#[derive(Tree)]
pub struct CosineSimilarity {
    dim: isize,
    eps: f64,
    mode: Mode,
}

impl CosineSimilarity {
    /// Along axis `dim`, with norms of at least `eps`; PyTorch's defaults are 1 and 1e-8.
    pub fn new(dim: isize, eps: f64) -> CosineSimilarity {
        CosineSimilarity { dim, eps, mode: Mode::default() }
    }

    /// The similarity of tensors that broadcast.
    ///
    /// # Panics
    /// If they do not, or lack the axis.
    #[track_caller]
    pub fn forward(&self, a: &Var, b: &Var) -> Var {
        a.cosine_similarity(b, self.dim, self.eps)
    }
}

impl Default for CosineSimilarity {
    fn default() -> CosineSimilarity {
        CosineSimilarity::new(1, 1e-8)
    }
}

#[wengert_nn_derive::module]
impl Module for CosineSimilarity {}

/// The p-norm of differences along the last axis (`torch.nn.PairwiseDistance`).
///
/// # Examples
/// ```
/// use wengert_nn::{PairwiseDistance, PairwiseDistanceOptions, Var, tensor::Tensor};
/// let (a, b) = (Var::from(Tensor::new([[0.0f32, 0.0]])), Var::from(Tensor::new([[3.0f32, 4.0]])));
/// let distance = PairwiseDistance::with(PairwiseDistanceOptions { eps: 0.0, ..Default::default() });
/// assert_eq!(distance.forward(&a, &b).to_vec::<f32>(), [5.0]);
/// ```
#[derive(Default, Tree)]
pub struct PairwiseDistance {
    #[tree(skip)]
    options: PairwiseDistanceOptions,
    mode: Mode,
}

/// What [`PairwiseDistance::with`] takes.
#[derive(Clone, Copy, Debug)]
pub struct PairwiseDistanceOptions {
    /// The norm's power: 2.
    pub p: f64,
    /// Added to each difference: 1e-6.
    pub eps: f64,
    /// Whether the last axis is kept, with size 1: no.
    pub keepdim: bool,
}

impl Default for PairwiseDistanceOptions {
    fn default() -> PairwiseDistanceOptions {
        PairwiseDistanceOptions { p: 2.0, eps: 1e-6, keepdim: false }
    }
}

impl PairwiseDistance {
    /// Euclid's distance.
    pub fn new() -> PairwiseDistance {
        PairwiseDistance::default()
    }

    /// With options.
    pub fn with(options: PairwiseDistanceOptions) -> PairwiseDistance {
        PairwiseDistance { options, mode: Mode::default() }
    }

    /// The distance of tensors that broadcast.
    ///
    /// # Panics
    /// If they do not.
    #[track_caller]
    pub fn forward(&self, a: &Var, b: &Var) -> Var {
        let PairwiseDistanceOptions { p, eps, keepdim } = self.options;
        if keepdim { a.pairwise_distance_keepdim(b, p, eps) } else { a.pairwise_distance(b, p, eps) }
    }
}

#[wengert_nn_derive::module]
impl Module for PairwiseDistance {}

/// 1 − cos of the angle between vectors where the target is 1, and max(0, cos − margin) where it is −1
/// (`torch.nn.CosineEmbeddingLoss`), for vectors (N, D) or (D) and targets (N) or ().
#[derive(Default, Tree)]
pub struct CosineEmbeddingLoss {
    margin: f64,
    #[tree(skip)]
    reduction: Reduction,
    mode: Mode,
}

/// max(0, margin − y (a − b)), where y is 1 if `a` should be the greater and −1 if `b` (`torch.nn.MarginRankingLoss`).
#[derive(Default, Tree)]
pub struct MarginRankingLoss {
    margin: f64,
    #[tree(skip)]
    reduction: Reduction,
    mode: Mode,
}

/// What losses of two inputs and a target share.
macro_rules! pairs {
    ($($Loss:ident, $function:ident;)*) => {$(
        impl $Loss {
            /// The mean, with margin 0.
            pub fn new() -> $Loss {
                $Loss::default()
            }

            /// With another margin and reduction.
            pub fn with(margin: f64, reduction: Reduction) -> $Loss {
                $Loss { margin, reduction, mode: Mode::default() }
            }

            /// The loss of two inputs for a target of 1 and −1.
            ///
            /// # Panics
            /// If the shapes do not fit.
            #[track_caller]
            pub fn forward(&self, a: &Var, b: &Var, target: impl Into<Var>) -> Var {
                functional::$function(a, b, target, self.margin, self.reduction)
            }
        }

        #[wengert_nn_derive::module]
        impl Module for $Loss {}
    )*};
}
pairs! {
    CosineEmbeddingLoss, cosine_embedding_loss;
    MarginRankingLoss, margin_ranking_loss;
}

/// max(0, margin + distance of anchor and positive − distance of anchor and negative) (`torch.nn.TripletMarginLoss`).
#[derive(Default, Tree)]
pub struct TripletMarginLoss {
    #[tree(skip)]
    options: TripletMarginOptions,
    mode: Mode,
}

impl TripletMarginLoss {
    /// The mean, with margin 1.
    pub fn new() -> TripletMarginLoss {
        TripletMarginLoss::default()
    }

    /// With options.
    ///
    /// # Panics
    /// If the margin is not positive.
    #[track_caller]
    pub fn with(options: TripletMarginOptions) -> TripletMarginLoss {
        check_margin("TripletMarginLoss", options.margin);
        TripletMarginLoss { options, mode: Mode::default() }
    }

    /// The loss of vectors along the last axis.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn forward(&self, anchor: &Var, positive: &Var, negative: &Var) -> Var {
        functional::triplet_margin_loss(anchor, positive, negative, &self.options)
    }
}

#[wengert_nn_derive::module]
impl Module for TripletMarginLoss {}

/// The loss of [`TripletMarginLoss`] by any distance (`torch.nn.TripletMarginWithDistanceLoss`).
///
/// # Examples
/// ```
/// use wengert_nn::{TripletMarginOptions, TripletMarginWithDistanceLoss, Var, tensor::Tensor};
/// let largest = |a: &Var, b: &Var| (a - b).abs().amax(1);
/// let loss = TripletMarginWithDistanceLoss::new(largest, TripletMarginOptions::default());
/// let x = |values: [f32; 2]| Var::from(Tensor::new([values]));
/// assert_eq!(loss.forward(&x([0.0, 0.0]), &x([1.0, 2.0]), &x([0.5, 0.0])).item::<f32>(), 2.5);
/// ```
#[derive(Tree)]
pub struct TripletMarginWithDistanceLoss {
    #[tree(skip)]
    distance: Box<Distance>,
    #[tree(skip)]
    options: TripletMarginOptions,
    mode: Mode,
}

/// From two batches of vectors to their distances.
pub type Distance = dyn Fn(&Var, &Var) -> Var + Send + Sync;

impl TripletMarginWithDistanceLoss {
    /// With a distance and the options of [`TripletMarginLoss`], of which power and `eps` say nothing here.
    ///
    /// # Panics
    /// If the margin is not positive.
    #[track_caller]
    pub fn new(
        distance: impl Fn(&Var, &Var) -> Var + Send + Sync + 'static,
        options: TripletMarginOptions,
    ) -> TripletMarginWithDistanceLoss {
        check_margin("TripletMarginWithDistanceLoss", options.margin);
        TripletMarginWithDistanceLoss { distance: Box::new(distance), options, mode: Mode::default() }
    }

    /// The loss of three batches.
    ///
    /// # Panics
    /// If the ranks differ.
    #[track_caller]
    pub fn forward(&self, anchor: &Var, positive: &Var, negative: &Var) -> Var {
        functional::triplet_margin_with_distance_loss(anchor, positive, negative, &self.distance, &self.options)
    }
}

#[wengert_nn_derive::module]
impl Module for TripletMarginWithDistanceLoss {}

#[track_caller]
fn check_margin(name: &str, margin: f64) {
    if margin <= 0.0 {
        bug!("", "{name}: expected margin to be greater than 0, got {} instead", Value::from(margin));
    }
}

impl Rebuild for CosineSimilarity {
    const CLASS: &'static str = "torch.nn.modules.distance.CosineSimilarity";
    fn config(&self) -> Dict {
        [("dim", Value::from(self.dim as i64)), ("eps", Value::from(self.eps))].into_iter().collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<CosineSimilarity, SpecError> {
        Ok(CosineSimilarity { dim: parts.get("dim")?, eps: parts.get("eps")?, mode: parts.mode() })
    }
}

impl Rebuild for PairwiseDistance {
    const CLASS: &'static str = "torch.nn.modules.distance.PairwiseDistance";
    fn config(&self) -> Dict {
        let PairwiseDistanceOptions { p, eps, keepdim } = self.options;
        [("norm", Value::from(p)), ("eps", Value::from(eps)), ("keepdim", Value::from(keepdim))].into_iter().collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<PairwiseDistance, SpecError> {
        let (p, eps, keepdim) = (parts.get("norm")?, parts.get("eps")?, parts.get_or("keepdim", false)?);
        Ok(PairwiseDistance { options: PairwiseDistanceOptions { p, eps, keepdim }, mode: parts.mode() })
    }
}

rebuild! {
    CosineEmbeddingLoss [] |loss| ["reduction" = reduction(loss.reduction), "margin" = loss.margin], |parts|
        CosineEmbeddingLoss { margin: parts.get("margin")?, reduction: parts.get("reduction")?, mode: parts.mode() };
    MarginRankingLoss [] |loss| ["reduction" = reduction(loss.reduction), "margin" = loss.margin], |parts|
        MarginRankingLoss { margin: parts.get("margin")?, reduction: parts.get("reduction")?, mode: parts.mode() };
    TripletMarginLoss [] |loss| [
        "reduction" = reduction(loss.options.reduction),
        "margin" = loss.options.margin,
        "p" = loss.options.p,
        "eps" = loss.options.eps,
        "swap" = loss.options.swap
    ], |parts| {
        let options = TripletMarginOptions {
            margin: parts.get("margin")?,
            p: parts.get("p")?,
            eps: parts.get("eps")?,
            swap: parts.get("swap")?,
            reduction: parts.get("reduction")?,
        };
        if options.margin <= 0.0 {
            return parts.invalid("TripletMarginLoss: expected margin to be greater than 0");
        }
        TripletMarginLoss { options, mode: parts.mode() }
    };
}
