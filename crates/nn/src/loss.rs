//! Losses: how far an output is from its target.

use crate::{Buffer, Mode, Module, Tree, Var};
use wengert_tensor::{Tensor, bug};

/// How the losses of single elements become the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// Their mean, weighted if there are weights.
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// They stay as they are.
    None,
}

impl Reduction {
    fn apply(self, losses: Var) -> Var {
        match self {
            Reduction::Mean => losses.mean(()),
            Reduction::Sum => losses.sum(()),
            Reduction::None => losses,
        }
    }
}

/// The negative logarithm of the probability that the softmax of the logits gives to the right class
/// (`torch.nn.CrossEntropyLoss`).
///
/// Logits are (N, C), (C) or (N, C, d…), targets the class numbers (N), () or (N, d…), or probabilities of the
/// logits' shape.
///
/// # Examples
/// ```
/// use wengert_nn::{CrossEntropyLoss, Var, tensor::Tensor};
/// let logits = Var::from(Tensor::from_vec(vec![0.1f32, 0.3, 0.6, 0.3, 0.2, 0.5], [2, 3]));
/// let loss = CrossEntropyLoss::new().forward(&logits, Tensor::from_vec(vec![0i64, 2], [2]));
/// assert_eq!(format!("{:.6}", loss.item::<f64>()), "1.146559");
/// ```
#[derive(Tree)]
pub struct CrossEntropyLoss {
    /// A weight per class.
    pub weight: Option<Buffer>,
    #[tree(skip)]
    options: CrossEntropyOptions,
    mode: Mode,
}

/// What [`CrossEntropyLoss::with`] takes.
#[derive(Clone, Debug)]
pub struct CrossEntropyOptions {
    /// A weight per class: all 1.
    pub weight: Option<Tensor>,
    /// The class number that does not count: -100.
    pub ignore_index: i64,
    /// Mean.
    pub reduction: Reduction,
    /// The share of the target that is spread evenly over the classes: 0.
    pub label_smoothing: f64,
}

impl Default for CrossEntropyOptions {
    fn default() -> CrossEntropyOptions {
        CrossEntropyOptions { weight: None, ignore_index: -100, reduction: Reduction::Mean, label_smoothing: 0.0 }
    }
}

impl CrossEntropyLoss {
    /// The mean over the batch.
    pub fn new() -> CrossEntropyLoss {
        CrossEntropyLoss::with(CrossEntropyOptions::default())
    }

    /// With options.
    ///
    /// # Panics
    /// If the label smoothing is not between 0 and 1.
    #[track_caller]
    pub fn with(mut options: CrossEntropyOptions) -> CrossEntropyLoss {
        if !(0.0..=1.0).contains(&options.label_smoothing) {
            bug!("", "label_smoothing must be between 0.0 and 1.0. Got: {}", options.label_smoothing);
        }
        CrossEntropyLoss { weight: options.weight.take().map(Buffer::new), options, mode: Mode::default() }
    }

    /// The loss of logits for a target.
    ///
    /// # Panics
    /// If the target's shape does not fit or a class is out of bounds.
    #[track_caller]
    pub fn forward(&self, input: &Var, target: impl Into<Var>) -> Var {
        let target = target.into();
        let (reduction, smoothing) = (self.options.reduction, self.options.label_smoothing);
        let dim = class_axis(input);
        let logs = crate::activation::log_softmax(input, dim);
        let weight = self.weight.as_ref().map(Buffer::value);
        if target.dtype().is_float() {
            return probabilities(&logs, dim, &target, weight.as_ref(), smoothing, reduction);
        }
        let picked = Picked::new(&logs, dim, target.value(), weight.as_ref(), self.options.ignore_index);
        let hard = picked.reduce(-&picked.logs * &picked.weights, reduction);
        if smoothing == 0.0 {
            return hard;
        }
        let rows = match &weight {
            Some(weight) => &picked.rows * weight.to(input.dtype()),
            None => picked.rows.clone(),
        };
        let classes = picked.rows.shape()[1] as f64;
        let spread = picked.reduce(-rows.sum([1]) * &picked.counted, reduction);
        hard * (1.0 - smoothing) + spread * (smoothing / classes)
    }
}

impl Default for CrossEntropyLoss {
    fn default() -> CrossEntropyLoss {
        CrossEntropyLoss::new()
    }
}

impl Module for CrossEntropyLoss {}

/// The negative of the logarithm that the input gives for the right class (`torch.nn.NLLLoss`): for inputs that a
/// log-softmax made. Shapes are those of [`CrossEntropyLoss`].
#[derive(Tree)]
pub struct NLLLoss {
    /// A weight per class.
    pub weight: Option<Buffer>,
    #[tree(skip)]
    options: NLLOptions,
    mode: Mode,
}

/// What [`NLLLoss::with`] takes.
#[derive(Clone, Debug)]
pub struct NLLOptions {
    /// A weight per class: all 1.
    pub weight: Option<Tensor>,
    /// The class number that does not count: -100.
    pub ignore_index: i64,
    /// Mean.
    pub reduction: Reduction,
}

impl Default for NLLOptions {
    fn default() -> NLLOptions {
        NLLOptions { weight: None, ignore_index: -100, reduction: Reduction::Mean }
    }
}

impl NLLLoss {
    /// The mean over the batch.
    pub fn new() -> NLLLoss {
        NLLLoss::with(NLLOptions::default())
    }

    /// With options.
    pub fn with(mut options: NLLOptions) -> NLLLoss {
        NLLLoss { weight: options.weight.take().map(Buffer::new), options, mode: Mode::default() }
    }

    /// The loss of logarithms for a target.
    ///
    /// # Panics
    /// If the target's shape does not fit or a class is out of bounds.
    #[track_caller]
    pub fn forward(&self, input: &Var, target: impl Into<Var>) -> Var {
        let weight = self.weight.as_ref().map(Buffer::value);
        let target = target.into();
        let picked = Picked::new(input, class_axis(input), target.value(), weight.as_ref(), self.options.ignore_index);
        picked.reduce(-&picked.logs * &picked.weights, self.options.reduction)
    }
}

impl Default for NLLLoss {
    fn default() -> NLLLoss {
        NLLLoss::new()
    }
}

impl Module for NLLLoss {}

/// The axis of the classes: 1, or 0 for a single sample.
#[track_caller]
fn class_axis(input: &Var) -> isize {
    match input.rank() {
        0 => bug!("cross_entropy", "expected an input of 1 or more dimensions, but got a number"),
        1 => 0,
        _ => 1,
    }
}

/// The logarithms for the right classes, and what they count.
struct Picked {
    /// (samples, classes).
    rows: Var,
    /// (samples).
    logs: Var,
    /// The weight of each sample's class, 0 where it is ignored.
    weights: Tensor,
    /// 1, and 0 where the class is ignored.
    counted: Tensor,
    /// The target's shape.
    shape: Vec<usize>,
}

impl Picked {
    #[track_caller]
    fn new(logs: &Var, dim: isize, target: &Tensor, weight: Option<&Tensor>, ignore: i64) -> Picked {
        let axis = dim as usize;
        let classes = logs.shape()[axis];
        let mut shape = logs.shape().to_vec();
        shape.remove(axis);
        if axis == 1 && target.rank() > 0 && target.shape()[0] != shape[0] {
            let (input, target) = (shape[0], target.shape()[0]);
            bug!("", "Expected input batch_size ({input}) to match target batch_size ({target}).");
        }
        if target.shape() != shape {
            bug!("", "Expected target size {shape:?}, got {:?}", target.shape());
        }
        let dtype = logs.dtype();
        let classes_of = target.to_vec::<i64>();
        if let Some(wrong) = classes_of.iter().find(|&&class| class != ignore && !(0..classes as i64).contains(&class))
        {
            bug!("", "Target {wrong} is out of bounds.");
        }
        let samples = classes_of.len();
        let kept: Vec<f64> = classes_of.iter().map(|&class| f64::from(u8::from(class != ignore))).collect();
        let index: Vec<i64> = classes_of.iter().map(|&class| if class == ignore { 0 } else { class }).collect();
        let (counted, index) = (Tensor::from_vec(kept, [samples]).to(dtype), Tensor::from_vec(index, [samples]));
        let weights = match weight {
            Some(weight) => weight.to(dtype).index_select(0, &index) * &counted,
            None => counted.clone(),
        };
        let mut order: Vec<isize> = (0..logs.rank() as isize).filter(|&other| other != dim).collect();
        order.push(dim);
        let rows = logs.permute(&order).reshape([samples as isize, classes as isize]);
        let logs = rows.gather(1, &index.unsqueeze(1)).squeeze([1]);
        Picked { rows, logs, weights, counted, shape }
    }

    /// The losses per sample as the reduction has them; the mean is that of the weights that count.
    fn reduce(&self, losses: Var, reduction: Reduction) -> Var {
        match reduction {
            Reduction::Mean => losses.sum(()) / self.weights.sum(()),
            Reduction::Sum => losses.sum(()),
            Reduction::None => losses.reshape(self.shape.iter().map(|&n| n as isize).collect::<Vec<_>>()),
        }
    }
}

/// Cross entropy with a distribution over the classes as target; its mean is over the samples.
#[track_caller]
fn probabilities(
    logs: &Var,
    dim: isize,
    target: &Var,
    weight: Option<&Tensor>,
    smoothing: f64,
    reduction: Reduction,
) -> Var {
    if target.shape() != logs.shape() {
        bug!("", "Expected floating point target with shape {:?}, got {:?}", logs.shape(), target.shape());
    }
    let classes = logs.shape()[dim as usize];
    let mut products = logs * (target * (1.0 - smoothing) + smoothing / classes as f64);
    if let Some(weight) = weight {
        let mut shape = vec![1; logs.rank()];
        shape[dim as usize] = -1;
        products = products * weight.to(logs.dtype()).reshape(shape);
    }
    reduction.apply(-products.sum(dim))
}

/// The squared distance (`torch.nn.MSELoss`).
///
/// # Examples
/// ```
/// use wengert_nn::{MSELoss, Var, tensor::Tensor};
/// let x = Var::from(Tensor::from_vec(vec![1.0f32, 2.0], [2]));
/// assert_eq!(MSELoss::new().forward(&x, Tensor::from_vec(vec![1.0f32, 4.0], [2])).item::<f32>(), 2.0);
/// ```
#[derive(Default, Tree)]
pub struct MSELoss {
    #[tree(skip)]
    reduction: Reduction,
    mode: Mode,
}

/// The absolute distance (`torch.nn.L1Loss`); its gradient at 0 is 0.
#[derive(Default, Tree)]
pub struct L1Loss {
    #[tree(skip)]
    reduction: Reduction,
    mode: Mode,
}

/// Cross entropy of probabilities and the sigmoid of the input (`torch.nn.BCEWithLogitsLoss`).
#[derive(Default, Tree)]
pub struct BCEWithLogitsLoss {
    #[tree(skip)]
    reduction: Reduction,
    mode: Mode,
}

/// d² / 2β where |d| < β, else |d| − β/2 (`torch.nn.SmoothL1Loss`).
#[derive(Tree)]
pub struct SmoothL1Loss {
    beta: f64,
    #[tree(skip)]
    reduction: Reduction,
    mode: Mode,
}

impl SmoothL1Loss {
    /// The mean over all elements, with β = 1.
    pub fn new() -> SmoothL1Loss {
        SmoothL1Loss::with(1.0, Reduction::Mean)
    }

    /// With another β, which may be 0, and reduction.
    ///
    /// # Panics
    /// If β is negative.
    #[track_caller]
    pub fn with(beta: f64, reduction: Reduction) -> SmoothL1Loss {
        if beta.is_nan() || beta < 0.0 {
            bug!("", "smooth_l1_loss does not support negative values for beta.");
        }
        SmoothL1Loss { beta, reduction, mode: Mode::default() }
    }

    fn losses(&self, input: &Var, target: &Var) -> Var {
        let distance = (input - target).abs();
        if self.beta == 0.0 {
            return distance;
        }
        let near = distance.value().lt(self.beta);
        Var::where_(&near, distance.square() * (0.5 / self.beta), &distance - 0.5 * self.beta)
    }
}

impl Default for SmoothL1Loss {
    fn default() -> SmoothL1Loss {
        SmoothL1Loss::new()
    }
}

impl MSELoss {
    fn losses(&self, input: &Var, target: &Var) -> Var {
        (input - target).square()
    }
}

impl L1Loss {
    fn losses(&self, input: &Var, target: &Var) -> Var {
        (input - target).abs()
    }
}

impl BCEWithLogitsLoss {
    fn losses(&self, input: &Var, target: &Var) -> Var {
        // log(1 + eˣ) is x itself in every dtype long before eˣ overflows at 88 in f32.
        input.softplus(1.0, 50.0) - input * target
    }
}

/// What the losses of one element each share.
macro_rules! elementwise {
    ($($Loss:ident),*) => {$(
        impl $Loss {
            /// The loss of an input for a target of its shape.
            ///
            /// # Panics
            /// If the shapes do not fit.
            #[track_caller]
            pub fn forward(&self, input: &Var, target: impl Into<Var>) -> Var {
                self.reduction.apply(self.losses(input, &target.into()))
            }
        }

        impl Module for $Loss {}
    )*};
}
elementwise!(MSELoss, L1Loss, BCEWithLogitsLoss, SmoothL1Loss);

/// What those without options share.
macro_rules! plain {
    ($($Loss:ident),*) => {$(
        impl $Loss {
            /// The mean over all elements.
            pub fn new() -> $Loss {
                $Loss::default()
            }

            /// With another reduction.
            pub fn with(reduction: Reduction) -> $Loss {
                $Loss { reduction, mode: Mode::default() }
            }
        }
    )*};
}
plain!(MSELoss, L1Loss, BCEWithLogitsLoss);
