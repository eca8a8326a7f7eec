//! Distances of vectors and losses of them: [`CosineSimilarity`], [`PairwiseDistance`], [`CosineEmbeddingLoss`],
//! [`MarginRankingLoss`], [`TripletMarginLoss`], [`TripletMarginWithDistanceLoss`].

use crate::loss::{rebuild, reduced};
use crate::setting::reduction;
use crate::{Mode, Module, Parts, Rebuild, Reduction, SpecError, Tree, Var};
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
    ($($Loss:ident, |$loss:ident, $a:ident, $b:ident, $target:ident| $losses:expr;)*) => {$(
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
            pub fn forward(&self, $a: &Var, $b: &Var, target: impl Into<Var>) -> Var {
                let ($loss, $target) = (self, target.into());
                reduced($losses, self.reduction)
            }
        }

        #[wengert_nn_derive::module]
        impl Module for $Loss {}
    )*};
}
pairs! {
    CosineEmbeddingLoss, |loss, a, b, target| {
        if !(a.shape() == b.shape() && a.rank() == target.rank() + 1 && a.rank() <= 2) {
            bug!(
                "cosine_embedding_loss",
                "inputs of sizes {:?} and {:?} do not fit a target of size {:?}", a.shape(), b.shape(), target.shape()
            );
        }
        // As PyTorch: under the roots, not beside them.
        let eps = 1e-12;
        let squares = (a.square().sum(-1) + eps) * (b.square().sum(-1) + eps);
        let cosine = (a * b).sum(-1) / squares.sqrt();
        let near = Var::where_(&target.eq(1), 1.0 - &cosine, 0.0);
        near + Var::where_(&target.eq(-1), (cosine - loss.margin).clamp(0.0, None), 0.0)
    };
    MarginRankingLoss, |loss, a, b, target| {
        if a.rank() != b.rank() || a.rank() != target.rank() {
            bug!(
                "",
                "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: {:?}, \
                 input2: {:?}, target: {:?} ",
                a.shape(), b.shape(), target.shape()
            );
        }
        (-target * (a - b) + loss.margin).clamp(0.0, None)
    };
}

/// max(0, margin + distance of anchor and positive − distance of anchor and negative) (`torch.nn.TripletMarginLoss`).
#[derive(Default, Tree)]
pub struct TripletMarginLoss {
    #[tree(skip)]
    options: TripletMarginOptions,
    mode: Mode,
}

/// What [`TripletMarginLoss::with`] takes.
#[derive(Clone, Copy, Debug)]
pub struct TripletMarginOptions {
    /// The margin: 1.
    pub margin: f64,
    /// The norm's power: 2.
    pub p: f64,
    /// Added to each difference: 1e-6.
    pub eps: f64,
    /// Whether the distance of positive and negative counts, where it is smaller than the anchor's to the negative: no.
    pub swap: bool,
    /// How elements become one: by their mean.
    pub reduction: Reduction,
}

impl Default for TripletMarginOptions {
    fn default() -> TripletMarginOptions {
        TripletMarginOptions { margin: 1.0, p: 2.0, eps: 1e-6, swap: false, reduction: Reduction::Mean }
    }
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
        let TripletMarginOptions { margin, p, eps, swap, reduction } = self.options;
        let distance = |a: &Var, b: &Var| a.pairwise_distance(b, p, eps);
        reduced(triplet([anchor, positive, negative], distance, margin, swap), reduction)
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
        let TripletMarginOptions { margin, swap, reduction, .. } = self.options;
        reduced(triplet([anchor, positive, negative], &self.distance, margin, swap), reduction)
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

#[track_caller]
fn triplet(
    [anchor, positive, negative]: [&Var; 3],
    distance: impl Fn(&Var, &Var) -> Var,
    margin: f64,
    swap: bool,
) -> Var {
    let ranks = [anchor, positive, negative].map(Var::rank);
    if ranks[0] != ranks[1] || ranks[1] != ranks[2] {
        bug!(
            "",
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: \
             anchor {}D, positive {}D, and negative {}D inputs",
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
    (margin + near - far).clamp(0.0, None)
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
