//! Losses that are negative logarithms of likelihoods: [`PoissonNLLLoss`], [`GaussianNLLLoss`], and
//! [`LinearCrossEntropyLoss`], which has the layer before it.

use crate::loss::rebuild;
use crate::setting::{optional, reduction, tuple};
use crate::{Buffer, Linear, LinearOptions, Mode, Module, Parts, Rebuild, Reduction, SpecError, Tree, Var};
use std::sync::Arc;
use wengert_autograd::functional::{self, CrossEntropyOptions};
pub use wengert_autograd::functional::{CtcOptions, GaussianNLLOptions, PoissonNLLOptions, ZeroInfinity};
use wengert_tensor::{Dict, Object, Tensor, Value, bug};

/// The loss of a rate, or of its logarithm, for a count that Poisson's distribution gave (`torch.nn.PoissonNLLLoss`).
#[derive(Default, Tree)]
pub struct PoissonNLLLoss {
    #[tree(skip)]
    options: PoissonNLLOptions,
    mode: Mode,
}

impl PoissonNLLLoss {
    /// The mean, for logarithms of rates.
    pub fn new() -> PoissonNLLLoss {
        PoissonNLLLoss::default()
    }

    /// With options.
    pub fn with(options: PoissonNLLOptions) -> PoissonNLLLoss {
        PoissonNLLLoss { options, mode: Mode::default() }
    }

    /// The loss of an input for counts.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn forward(&self, input: &Var, target: impl Into<Var>) -> Var {
        functional::poisson_nll_loss(input, target, &self.options)
    }
}

#[wengert_nn_derive::module]
impl Module for PoissonNLLLoss {}

/// The loss of a mean and a variance for a value that the normal distribution gave (`torch.nn.GaussianNLLLoss`).
#[derive(Default, Tree)]
pub struct GaussianNLLLoss {
    #[tree(skip)]
    options: GaussianNLLOptions,
    mode: Mode,
}

impl GaussianNLLLoss {
    /// The mean.
    pub fn new() -> GaussianNLLLoss {
        GaussianNLLLoss::default()
    }

    /// With options.
    pub fn with(options: GaussianNLLOptions) -> GaussianNLLLoss {
        GaussianNLLLoss { options, mode: Mode::default() }
    }

    /// The loss of means for values and variances: these of the means' shape, or without the last axis, or with one axis of
    /// size 1.
    ///
    /// # Panics
    /// If the shapes do not fit or a variance is negative.
    #[track_caller]
    pub fn forward(&self, input: &Var, target: impl Into<Var>, variance: impl Into<Var>) -> Var {
        functional::gaussian_nll_loss(input, target, variance, &self.options)
    }
}

#[wengert_nn_derive::module]
impl Module for GaussianNLLLoss {}

/// The loss of sequences of labels that may stand anywhere in a longer one, with blanks between them (`torch.nn.CTCLoss`).
///
/// # Examples
/// ```
/// use wengert_nn::{CTCLoss, Var, tensor::{DType, Tensor}};
/// let log_probs = Var::from(Tensor::full([2, 1, 2], 0.5f64.ln(), DType::F64));
/// let [target, steps, length] = [1i64, 2, 1].map(|n| Tensor::from_vec(vec![n], [1]));
/// let loss = CTCLoss::new().forward(&log_probs, &target, &steps, &length);
/// assert!((loss.item::<f64>() + 0.75f64.ln()).abs() < 1e-12);
/// ```
#[derive(Default, Tree)]
pub struct CTCLoss {
    #[tree(skip)]
    options: CtcOptions,
    mode: Mode,
}

impl CTCLoss {
    /// The mean, with blank 0.
    pub fn new() -> CTCLoss {
        CTCLoss::default()
    }

    /// With options.
    pub fn with(options: CtcOptions) -> CTCLoss {
        CTCLoss { options, mode: Mode::default() }
    }

    /// The loss of log-probabilities `[steps, n, classes]` or `[steps, classes]` for targets `[n, length]`, or all labels one
    /// after the other; lengths are `[n]`, or `[]` for one sample.
    ///
    /// # Panics
    /// If shapes or lengths do not fit, in PyTorch's words.
    #[track_caller]
    pub fn forward(&self, log_probs: &Var, targets: &Tensor, input_lengths: &Tensor, target_lengths: &Tensor) -> Var {
        functional::ctc_loss(log_probs, targets, input_lengths, target_lengths, &self.options)
    }
}

#[wengert_nn_derive::module]
impl Module for CTCLoss {}

/// Cross entropy of the classes that a linear layer gives (`torch.nn.LinearCrossEntropyLoss`): inputs are (N, in) or (in),
/// targets as those of [`CrossEntropyLoss`](crate::CrossEntropyLoss) for logits (N, C, out…) or (C).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct LinearCrossEntropyLoss {
    /// A weight per class.
    pub weight: Option<Buffer>,
    /// From inputs to logits.
    pub linear: Linear,
    #[tree(skip)]
    options: LinearCrossEntropyLossOptions,
    mode: Mode,
}

/// What [`LinearCrossEntropyLoss::with`] takes.
#[derive(Clone)]
pub struct LinearCrossEntropyLossOptions {
    /// Size of the input's last axis.
    pub in_features: usize,
    /// Number of classes.
    pub num_classes: usize,
    /// Sizes of the axes after the classes: none.
    pub out_features: Vec<usize>,
    /// Whether the layer adds a bias: no.
    pub bias: bool,
    /// A weight per class: none.
    pub weight: Option<Tensor>,
    /// How elements become one: by their mean.
    pub reduction: Reduction,
    /// The class number that does not count: none, which is −100.
    pub ignore_index: Option<i64>,
    /// Share of the target that goes to all classes alike: 0.
    pub label_smoothing: f64,
    /// How PyTorch divides the batch: not at all.
    pub options: Option<LinearCrossEntropyOptions>,
}

/// How PyTorch divides a batch so that the logits take less memory. Here they are computed at once, with the same result;
/// the options are kept in the text and in whole-model files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinearCrossEntropyOptions {
    /// Whether a backward pass can be repeated: no. (Here it can.)
    pub allow_retain_graph: bool,
    /// Samples at a time: by the method.
    pub batch_chunk_size: Option<usize>,
    /// How that number is found: `auto`.
    pub chunking_method: String,
    /// Where sums are kept: `auto`.
    pub acc_policy: String,
}

impl Default for LinearCrossEntropyOptions {
    fn default() -> LinearCrossEntropyOptions {
        LinearCrossEntropyOptions {
            allow_retain_graph: false,
            batch_chunk_size: None,
            chunking_method: "auto".to_owned(),
            acc_policy: "auto".to_owned(),
        }
    }
}

impl LinearCrossEntropyOptions {
    const CLASS: &'static str = "torch.nn.modules.linear_cross_entropy_options.LinearCrossEntropyOptions";

    /// Names and values, in the order of the constructor's arguments.
    fn fields(&self) -> [(&'static str, Value); 5] {
        [
            ("allow_retain_graph", Value::from(self.allow_retain_graph)),
            ("batch_chunk_size", optional(self.batch_chunk_size)),
            ("chunking_method", Value::from(self.chunking_method.as_str())),
            ("acc_policy", Value::from(self.acc_policy.as_str())),
            ("acc_dtype", Value::None),
        ]
    }

    fn text(&self) -> String {
        let field = |(name, value): (&str, Value)| match value.as_str() {
            Some(text) => format!("{name}='{text}'"),
            None => format!("{name}={value}"),
        };
        format!("LinearCrossEntropyOptions({})", self.fields().map(field).join(", "))
    }

    fn value(&self) -> Value {
        let arguments = Some(self.fields().map(|(_, value)| value).to_vec());
        Value::Object(Arc::new(Object { class: Self::CLASS.to_owned(), arguments, ..Object::default() }))
    }
}

impl LinearCrossEntropyLossOptions {
    /// The defaults.
    pub fn new(in_features: usize, num_classes: usize) -> LinearCrossEntropyLossOptions {
        LinearCrossEntropyLossOptions {
            in_features,
            num_classes,
            out_features: Vec::new(),
            bias: false,
            weight: None,
            reduction: Reduction::Mean,
            ignore_index: None,
            label_smoothing: 0.0,
            options: None,
        }
    }
}

impl LinearCrossEntropyLoss {
    /// The mean, without a bias.
    pub fn new(in_features: usize, num_classes: usize) -> LinearCrossEntropyLoss {
        LinearCrossEntropyLoss::with(LinearCrossEntropyLossOptions::new(in_features, num_classes))
    }

    /// With options.
    ///
    /// # Panics
    /// If the weights are not one per class or the label smoothing is not between 0 and 1.
    #[track_caller]
    pub fn with(mut options: LinearCrossEntropyLossOptions) -> LinearCrossEntropyLoss {
        let classes = options.num_classes;
        if let Some(weight) = options.weight.as_ref().filter(|weight| weight.shape() != [classes]) {
            bug!("", "expected weight shape to be ({classes},), got {}", tuple(weight.shape().iter().copied()));
        }
        if !(0.0..=1.0).contains(&options.label_smoothing) {
            bug!("", "expected label_smoothing to be in range [0, 1], got {}", Value::from(options.label_smoothing));
        }
        let out = options.out_features.iter().product::<usize>() * classes;
        let linear = Linear::with(LinearOptions { bias: options.bias, ..LinearOptions::new(options.in_features, out) });
        LinearCrossEntropyLoss {
            weight: options.weight.take().map(Buffer::new),
            linear,
            options,
            mode: Mode::default(),
        }
    }

    /// The loss of an input for class numbers or probabilities.
    ///
    /// # Panics
    /// If the shapes do not fit, or a class number to ignore is given for probabilities.
    #[track_caller]
    pub fn forward(&self, input: &Var, target: impl Into<Var>) -> Var {
        let (target, options) = (target.into(), &self.options);
        if !matches!(input.rank(), 1 | 2) {
            bug!("", "expected input with dimensionality 1 or 2, got {}", input.rank());
        }
        let batch = &input.shape()[..input.rank() - 1];
        if batch.is_empty() && !options.out_features.is_empty() {
            bug!(
                "",
                "a loss of several axes requires batched input, got unbatched input with shape {:?}",
                input.shape()
            );
        }
        let shape = [batch, &[options.num_classes], &options.out_features].concat();
        if target.shape() == shape && options.ignore_index.is_some() {
            bug!("", "ignore_index cannot be specified when target contains probabilities");
        }
        let logits = self.linear.forward(input).reshape(shape.iter().map(|&n| n as isize).collect::<Vec<_>>());
        let options = CrossEntropyOptions {
            weight: self.weight.as_ref().map(Buffer::value),
            ignore_index: options.ignore_index.unwrap_or(-100),
            reduction: options.reduction,
            label_smoothing: options.label_smoothing,
        };
        functional::cross_entropy_with(&logits, target, &options)
    }

    fn text(&self) -> String {
        let o = &self.options;
        format!(
            "in_features={}, num_classes={}, out_features={}, bias={}, reduction={}, ignore_index={}, label_smoothing={}, \
             options={}",
            o.in_features,
            o.num_classes,
            tuple(o.out_features.iter().copied()),
            Value::from(o.bias),
            reduction(o.reduction).as_str().unwrap_or_default(),
            optional(o.ignore_index),
            Value::from(o.label_smoothing),
            o.options.as_ref().map_or("None".to_owned(), LinearCrossEntropyOptions::text)
        )
    }
}

#[wengert_nn_derive::module]
impl Module for LinearCrossEntropyLoss {}

rebuild! {
    CTCLoss [] |loss| [
        "reduction" = reduction(loss.options.reduction),
        "blank" = loss.options.blank,
        "zero_infinity" = loss.options.zero_infinity == ZeroInfinity::Yes
    ], |parts| CTCLoss {
        options: CtcOptions {
            blank: parts.get("blank")?,
            reduction: parts.get("reduction")?,
            zero_infinity: if parts.get("zero_infinity")? { ZeroInfinity::Yes } else { ZeroInfinity::No },
        },
        mode: parts.mode(),
    };
    PoissonNLLLoss [] |loss| [
        "reduction" = reduction(loss.options.reduction),
        "log_input" = loss.options.log_input,
        "full" = loss.options.full,
        "eps" = loss.options.eps
    ], |parts| {
        let options = PoissonNLLOptions {
            log_input: parts.get("log_input")?,
            full: parts.get("full")?,
            eps: parts.get("eps")?,
            reduction: parts.get("reduction")?,
        };
        PoissonNLLLoss { options, mode: parts.mode() }
    };
    GaussianNLLLoss [] |loss| [
        "reduction" = reduction(loss.options.reduction),
        "full" = loss.options.full,
        "eps" = loss.options.eps
    ], |parts| {
        let (full, eps, reduction) = (parts.get("full")?, parts.get("eps")?, parts.get("reduction")?);
        GaussianNLLLoss { options: GaussianNLLOptions { full, eps, reduction }, mode: parts.mode() }
    };
    LinearCrossEntropyLoss ["weight"] |loss| [
        "reduction" = reduction(loss.options.reduction),
        "num_classes" = loss.options.num_classes,
        "out_features" = tuple(loss.options.out_features.iter().copied()),
        "ignore_index" = optional(loss.options.ignore_index),
        "label_smoothing" = loss.options.label_smoothing,
        "options" = optional(loss.options.options.as_ref().map(LinearCrossEntropyOptions::value))
    ], |parts| {
        let linear: Linear = parts.child("linear")?;
        let (num_classes, out_features): (usize, Vec<usize>) = (parts.get("num_classes")?, parts.get("out_features")?);
        let sizes = linear.weight.shape();
        if out_features.iter().try_fold(num_classes, |all, &n| all.checked_mul(n)) != Some(sizes[0]) {
            return parts.invalid("num_classes and out_features do not agree with the layer");
        }
        let options = LinearCrossEntropyLossOptions {
            in_features: sizes[1],
            num_classes,
            out_features,
            bias: linear.bias.is_some(),
            weight: None,
            reduction: parts.get("reduction")?,
            ignore_index: parts.get("ignore_index")?,
            label_smoothing: parts.get("label_smoothing")?,
            options: parts.get("options")?,
        };
        if !(0.0..=1.0).contains(&options.label_smoothing) {
            return parts.invalid("expected label_smoothing to be in range [0, 1]");
        }
        LinearCrossEntropyLoss { weight: parts.optional_buffer("weight", &[num_classes])?, linear, options, mode: parts.mode() }
    };
}

impl crate::Setting for LinearCrossEntropyOptions {
    fn from_value(value: &Value) -> Option<LinearCrossEntropyOptions> {
        let object = value.as_object().filter(|object| object.class == LinearCrossEntropyOptions::CLASS)?;
        let [allow_retain_graph, batch_chunk_size, chunking_method, acc_policy, Value::None] =
            object.arguments.as_deref()?
        else {
            return None;
        };
        Some(LinearCrossEntropyOptions {
            allow_retain_graph: allow_retain_graph.as_bool()?,
            batch_chunk_size: Option::from_value(batch_chunk_size)?,
            chunking_method: chunking_method.as_str()?.to_owned(),
            acc_policy: acc_policy.as_str()?.to_owned(),
        })
    }
}
