//! Losses as modules: how far an output is from its target. The functions are in `autograd::functional`.

use crate::setting::reduction;
use crate::{Buffer, Mode, Module, Parts, Rebuild, SpecError, Tree, Var};
use wengert_autograd::functional::{self, CrossEntropyOptions, KlDivOptions, Reduction};
use wengert_tensor::{Dict, Tensor, Value, bug};

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

/// The negative of the logarithm that the input gives for the right class (`torch.nn.NLLLoss`): for inputs that a
/// log-softmax made. Shapes are those of [`CrossEntropyLoss`], and so are the options; it smoothes no labels.
#[derive(Tree)]
pub struct NLLLoss {
    /// A weight per class.
    pub weight: Option<Buffer>,
    #[tree(skip)]
    options: CrossEntropyOptions,
    mode: Mode,
}

/// What the losses over classes share: `new`, `with`, and the call of their function.
macro_rules! classes {
    ($($Loss:ident, |$input:ident, $target:ident, $options:ident| $loss:expr;)*) => {$(
        impl $Loss {
            /// The mean over the batch.
            pub fn new() -> $Loss {
                $Loss::with(CrossEntropyOptions::default())
            }

            /// With options.
            ///
            /// # Panics
            /// If the label smoothing is not between 0 and 1.
            #[track_caller]
            pub fn with(mut options: CrossEntropyOptions) -> $Loss {
                let smoothing = options.label_smoothing;
                if !(0.0..=1.0).contains(&smoothing) {
                    bug!("", "label_smoothing must be between 0.0 and 1.0. Got: {smoothing}");
                }
                $Loss { weight: options.weight.take().map(Buffer::new), options, mode: Mode::default() }
            }

            /// The loss of an input for a target.
            ///
            /// # Panics
            /// If the target's shape does not fit or a class is out of bounds.
            #[track_caller]
            pub fn forward(&self, $input: &Var, target: impl Into<Var>) -> Var {
                let $target = target.into();
                let weight = self.weight.as_ref().map(Buffer::value);
                let $options = &CrossEntropyOptions { weight, ..self.options.clone() };
                $loss
            }
        }

        impl Default for $Loss {
            fn default() -> $Loss {
                $Loss::new()
            }
        }

        #[wengert_nn_derive::module]
        impl Module for $Loss {}
    )*};
}
classes! {
    CrossEntropyLoss, |input, target, options| functional::cross_entropy_with(input, target, options);
    NLLLoss, |input, target, options| functional::nll_loss_with(input, target.value(), options);
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

/// Cross entropy of probabilities and probabilities (`torch.nn.BCELoss`).
#[derive(Default, Tree)]
pub struct BCELoss {
    /// Weights that broadcast to the input's shape.
    pub weight: Option<Buffer>,
    #[tree(skip)]
    reduction: Reduction,
    mode: Mode,
}

/// Cross entropy of probabilities and the sigmoid of the input (`torch.nn.BCEWithLogitsLoss`).
#[derive(Default, Tree)]
pub struct BCEWithLogitsLoss {
    /// Weights that broadcast to the input's shape.
    pub weight: Option<Buffer>,
    /// Weights of the positive part, which broadcast to the input's shape.
    pub pos_weight: Option<Buffer>,
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

/// d² / 2 where |d| ≤ δ, else δ (|d| − δ/2) (`torch.nn.HuberLoss`).
#[derive(Tree)]
pub struct HuberLoss {
    delta: f64,
    #[tree(skip)]
    reduction: Reduction,
    mode: Mode,
}

/// The Kullback-Leibler divergence of a distribution from one whose logarithms are the input (`torch.nn.KLDivLoss`).
#[derive(Default, Tree)]
pub struct KLDivLoss {
    #[tree(skip)]
    options: KlDivOptions,
    mode: Mode,
}

/// What all losses over elements share: the call of their function.
macro_rules! elements {
    ($($Loss:ident, |$loss:ident, $input:ident, $target:ident| $call:expr;)*) => {$(
        impl $Loss {
            /// The loss of an input for a target of its shape.
            ///
            /// # Panics
            /// If the shapes do not fit.
            #[track_caller]
            pub fn forward(&self, $input: &Var, $target: impl Into<Var>) -> Var {
                let $loss = self;
                $call
            }
        }

        #[wengert_nn_derive::module]
        impl Module for $Loss {}
    )*};
}
elements! {
    MSELoss, |loss, input, target| functional::mse_loss_with(input, target, loss.reduction);
    L1Loss, |loss, input, target| functional::l1_loss_with(input, target, loss.reduction);
    BCELoss, |loss, input, target| {
        let weight = loss.weight.as_ref().map(Buffer::value);
        functional::binary_cross_entropy(input, target, weight.as_ref(), loss.reduction)
    };
    BCEWithLogitsLoss, |loss, input, target| {
        let [weight, positive] = [&loss.weight, &loss.pos_weight].map(|w| w.as_ref().map(Buffer::value));
        functional::binary_cross_entropy_with_logits(input, target, weight.as_ref(), positive.as_ref(), loss.reduction)
    };
    SmoothL1Loss, |loss, input, target| functional::smooth_l1_loss(input, target, loss.beta, loss.reduction);
    HuberLoss, |loss, input, target| functional::huber_loss(input, target, loss.delta, loss.reduction);
    KLDivLoss, |loss, input, target| functional::kl_div(input, target, &loss.options);
}

/// What those share that have a reduction and nothing else.
macro_rules! plain {
    ($($Loss:ident),*) => {$(
        impl $Loss {
            /// The mean over all elements.
            pub fn new() -> $Loss {
                $Loss::default()
            }

            /// With another reduction.
            pub fn with(reduction: Reduction) -> $Loss {
                $Loss { reduction, ..$Loss::default() }
            }
        }
    )*};
}
plain!(MSELoss, L1Loss, BCELoss, BCEWithLogitsLoss);

impl BCELoss {
    /// With weights that broadcast to the input's shape.
    pub fn weighted(weight: Option<Tensor>, reduction: Reduction) -> BCELoss {
        BCELoss { weight: weight.map(Buffer::new), ..BCELoss::with(reduction) }
    }
}

impl BCEWithLogitsLoss {
    /// With weights of all and of the positive part, which broadcast to the input's shape.
    pub fn weighted(weight: Option<Tensor>, pos_weight: Option<Tensor>, reduction: Reduction) -> BCEWithLogitsLoss {
        let [weight, pos_weight] = [weight, pos_weight].map(|w| w.map(Buffer::new));
        BCEWithLogitsLoss { weight, pos_weight, ..BCEWithLogitsLoss::with(reduction) }
    }
}

impl SmoothL1Loss {
    /// The mean over all elements, with β = 1.
    pub fn new() -> SmoothL1Loss {
        SmoothL1Loss::with(1.0, Reduction::Mean)
    }

    /// With another β, which may be 0, and reduction.
    pub fn with(beta: f64, reduction: Reduction) -> SmoothL1Loss {
        SmoothL1Loss { beta, reduction, mode: Mode::default() }
    }
}

impl Default for SmoothL1Loss {
    fn default() -> SmoothL1Loss {
        SmoothL1Loss::new()
    }
}

impl HuberLoss {
    /// The mean over all elements, with δ = 1.
    pub fn new() -> HuberLoss {
        HuberLoss::with(1.0, Reduction::Mean)
    }

    /// With another δ, which is positive, and reduction.
    pub fn with(delta: f64, reduction: Reduction) -> HuberLoss {
        HuberLoss { delta, reduction, mode: Mode::default() }
    }
}

impl Default for HuberLoss {
    fn default() -> HuberLoss {
        HuberLoss::new()
    }
}

impl KLDivLoss {
    /// The mean over all elements, as PyTorch's default; `batch_mean` is the divergence itself.
    pub fn new() -> KLDivLoss {
        KLDivLoss::default()
    }

    /// With options.
    pub fn with(options: KlDivOptions) -> KLDivLoss {
        KLDivLoss { options, mode: Mode::default() }
    }
}

/// The specs of losses: the fields that PyTorch's have, in its order, and those that have one value here.
macro_rules! rebuild {
    ($($Loss:ident [$($buffer:literal),*] |$loss:ident| [$($name:literal = $value:expr),*], |$parts:ident| $build:expr;)*)
    => {$(
        impl Rebuild for $Loss {
            const CLASS: &'static str = concat!("torch.nn.modules.loss.", stringify!($Loss));
            const BUFFERS: &'static [&'static str] = &[$($buffer),*];
            fn config(&self) -> Dict {
                let $loss = self;
                [$(($name, Value::from($value))),*].into_iter().collect()
            }
            fn rebuild($parts: &mut Parts<'_>) -> Result<$Loss, SpecError> {
                Ok($build)
            }
        }
    )*};
}
pub(crate) use rebuild;
rebuild! {
    CrossEntropyLoss ["weight"] |loss| [
        "reduction" = reduction(loss.options.reduction),
        "ignore_index" = loss.options.ignore_index,
        "label_smoothing" = loss.options.label_smoothing
    ], |parts| {
        let (weight, options) = rebuilt_classes(parts)?;
        CrossEntropyLoss { weight, options, mode: parts.mode() }
    };
    NLLLoss ["weight"] |loss| [
        "reduction" = reduction(loss.options.reduction),
        "ignore_index" = loss.options.ignore_index
    ], |parts| {
        let (weight, options) = rebuilt_classes(parts)?;
        NLLLoss { weight, options, mode: parts.mode() }
    };
    MSELoss [] |loss| ["reduction" = reduction(loss.reduction)],
        |parts| MSELoss { reduction: parts.get("reduction")?, mode: parts.mode() };
    L1Loss [] |loss| ["reduction" = reduction(loss.reduction)],
        |parts| L1Loss { reduction: parts.get("reduction")?, mode: parts.mode() };
    BCELoss ["weight"] |loss| ["reduction" = reduction(loss.reduction)], |parts|
        BCELoss { weight: parts.any_buffer("weight")?, reduction: parts.get("reduction")?, mode: parts.mode() };
    BCEWithLogitsLoss ["weight", "pos_weight"] |loss| ["reduction" = reduction(loss.reduction)], |parts| {
        let (weight, pos_weight) = (parts.any_buffer("weight")?, parts.any_buffer("pos_weight")?);
        BCEWithLogitsLoss { weight, pos_weight, reduction: parts.get("reduction")?, mode: parts.mode() }
    };
    SmoothL1Loss [] |loss| ["reduction" = reduction(loss.reduction), "beta" = loss.beta],
        |parts| SmoothL1Loss { reduction: parts.get("reduction")?, beta: parts.get("beta")?, mode: parts.mode() };
    HuberLoss [] |loss| ["reduction" = reduction(loss.reduction), "delta" = loss.delta],
        |parts| HuberLoss { reduction: parts.get("reduction")?, delta: parts.get("delta")?, mode: parts.mode() };
    KLDivLoss [] |loss| [
        "reduction" = if loss.options.batch_mean { "batchmean".into() } else { reduction(loss.options.reduction) },
        "log_target" = loss.options.log_target
    ], |parts| {
        let batch_mean = parts.get::<String>("reduction")? == "batchmean";
        let reduction = if batch_mean { Reduction::Mean } else { parts.get("reduction")? };
        let log_target = parts.get_or("log_target", false)?;
        KLDivLoss { options: KlDivOptions { reduction, batch_mean, log_target }, mode: parts.mode() }
    };
}

/// The weights and options of a loss over classes.
fn rebuilt_classes(parts: &mut Parts<'_>) -> Result<(Option<Buffer>, CrossEntropyOptions), SpecError> {
    let options = CrossEntropyOptions {
        weight: None,
        ignore_index: parts.get("ignore_index")?,
        reduction: parts.get("reduction")?,
        label_smoothing: parts.get_or("label_smoothing", 0.0)?,
    };
    if !(0.0..=1.0).contains(&options.label_smoothing) {
        return parts.invalid("label_smoothing must be between 0.0 and 1.0");
    }
    Ok((parts.any_buffer("weight")?, options))
}
