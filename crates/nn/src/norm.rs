//! Normalisation: [`BatchNorm1d`], [`BatchNorm2d`], [`LayerNorm`].

use crate::activation::Then;
use crate::setting::optional;
use crate::{Buffer, Mode, Module, Param, Parts, Rebuild, SpecError, Tree, Var};
use std::sync::atomic::{AtomicBool, Ordering};
use wengert_autograd::functional::BatchNorm as BatchNormed;
use wengert_tensor::shape::size_text;
use wengert_tensor::{DType, Dict, Tensor, Value, bug};

/// Batch normalisation of (N, C) or (N, C, L) (`torch.nn.BatchNorm1d`).
pub type BatchNorm1d = BatchNorm<1>;
/// Batch normalisation of images (N, C, H, W) (`torch.nn.BatchNorm2d`).
pub type BatchNorm2d = BatchNorm<2>;
/// Batch normalisation of volumes (N, C, D, H, W) (`torch.nn.BatchNorm3d`).
pub type BatchNorm3d = BatchNorm<3>;
/// Batch normalisation of (N, C, …) with any axes after the channels (`torch.nn.SyncBatchNorm`, with the one process there is).
pub type SyncBatchNorm = BatchNorm<0>;

/// Gives every channel mean 0 and variance 1, then scales and shifts it by `weight` and `bias`.
///
/// In training the statistics are the batch's, with the biased variance, and move the running ones (with the unbiased
/// variance); in evaluation they are the running ones. `AXES` is the number of axes of an image, 0 if any will do: see [`BatchNorm2d`].
///
/// # Examples
/// ```
/// use wengert_nn::{BatchNorm2d, Module};
/// let norm = BatchNorm2d::new(6);
/// let names = norm.state_dict().keys().map(str::to_owned).collect::<Vec<_>>();
/// assert_eq!(names, ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]);
/// assert_eq!(
///     norm.to_string(),
///     "BatchNorm2d(6, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)"
/// );
/// ```
#[derive(Tree)]
#[tree(name = Self::name, extra_repr = Self::text, version = 2)]
pub struct BatchNorm<const AXES: usize> {
    /// Scale per channel, at first 1.
    pub weight: Option<Param>,
    /// Shift per channel, at first 0.
    pub bias: Option<Param>,
    /// Mean per channel of the batches so far, at first 0.
    pub running_mean: Option<Buffer>,
    /// Variance per channel of the batches so far, at first 1.
    pub running_var: Option<Buffer>,
    /// Batches seen in training, an `i64`.
    #[tree(since = 2)]
    pub num_batches_tracked: Option<Buffer>,
    #[tree(skip)]
    pub(crate) options: BatchNormOptions,
    /// Whether all batches have the same share for now, whatever the options say.
    #[tree(skip)]
    cumulative: AtomicBool,
    mode: Mode,
}

/// What [`BatchNorm::with`] takes.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormOptions {
    /// Channels.
    pub num_features: usize,
    /// Added to the variance: 1e-5.
    pub eps: f64,
    /// Share of a batch in the running statistics: 0.1. `None` gives each batch the same share.
    pub momentum: Option<f64>,
    /// Whether to scale and shift: yes.
    pub affine: bool,
    /// Whether to shift, if `affine`: yes.
    pub bias: bool,
    /// Whether to keep running statistics: yes. If not, evaluation too uses the batch's.
    pub track_running_stats: bool,
}

impl BatchNormOptions {
    /// The defaults.
    pub const fn new(num_features: usize) -> BatchNormOptions {
        BatchNormOptions {
            num_features,
            eps: 1e-5,
            momentum: Some(0.1),
            affine: true,
            bias: true,
            track_running_stats: true,
        }
    }
}

impl<const AXES: usize> BatchNorm<AXES> {
    /// With the defaults.
    pub fn new(num_features: usize) -> Self {
        Self::with(BatchNormOptions::new(num_features))
    }

    /// With options.
    pub fn with(options: BatchNormOptions) -> Self {
        let filled = |value: f64| Tensor::full([options.num_features], value, DType::F32);
        let tracked = |tensor: Tensor| options.track_running_stats.then(|| Buffer::new(tensor));
        BatchNorm {
            weight: options.affine.then(|| Param::new(filled(1.0))),
            bias: (options.affine && options.bias).then(|| Param::new(filled(0.0))),
            running_mean: tracked(filled(0.0)),
            running_var: tracked(filled(1.0)),
            num_batches_tracked: tracked(Tensor::zeros((), DType::I64)),
            options,
            cumulative: AtomicBool::new(false),
            mode: Mode::default(),
        }
    }

    /// Gives all batches the same share from now on, or the one of the options again.
    pub(crate) fn accumulate(&self, cumulative: bool) {
        self.cumulative.store(cumulative, Ordering::Relaxed);
    }

    /// How it was made.
    pub fn options(&self) -> &BatchNormOptions {
        &self.options
    }

    /// Forgets the batches so far.
    pub fn reset_running_stats(&self) {
        for (buffer, value) in [(&self.running_mean, 0), (&self.running_var, 1), (&self.num_batches_tracked, 0)] {
            if let Some(buffer) = buffer {
                buffer.update(|tensor| {
                    tensor.fill_(value);
                });
            }
        }
    }

    fn name(&self) -> &'static str {
        match AXES {
            0 => "SyncBatchNorm",
            1 => "BatchNorm1d",
            2 => "BatchNorm2d",
            3 => "BatchNorm3d",
            _ => "BatchNorm",
        }
    }

    fn text(&self) -> String {
        let BatchNormOptions { num_features, eps, momentum, affine, track_running_stats, .. } = self.options;
        format!(
            "{num_features}, eps={}, momentum={}, affine={}, bias={}, track_running_stats={}",
            Value::from(eps),
            momentum.map_or(Value::None, Value::from),
            Value::from(affine),
            Value::from(self.bias.is_some()),
            Value::from(track_running_stats)
        )
    }

    #[track_caller]
    fn check(&self, shape: &[usize], batch_statistics: bool) {
        let rank = shape.len();
        if AXES == 0 && rank < 2 {
            bug!("", "expected at least 2D input (got {rank}D input)");
        }
        if AXES == 1 && rank != 2 && rank != 3 {
            bug!("", "expected 2D or 3D input (got {rank}D input)");
        }
        if AXES > 1 && rank != AXES + 2 {
            bug!("", "expected {}D input (got {rank}D input)", AXES + 2);
        }
        if batch_statistics && shape[0] * shape[2..].iter().product::<usize>() == 1 {
            bug!("", "Expected more than 1 value per channel when training, got input size {}", size_text(shape));
        }
        if shape[1] != self.options.num_features {
            let name = if self.running_mean.is_some() { "running_mean" } else { "weight" };
            bug!("", "{name} should contain {} elements not {}", shape[1], self.options.num_features);
        }
    }

    /// Counts the batch and moves the running statistics towards its mean and unbiased variance; an empty batch has none.
    fn track(&self, mean: &Tensor, variance: &Tensor, count: usize) {
        let (Some(running_mean), Some(running_var)) = (&self.running_mean, &self.running_var) else {
            return;
        };
        let share = self.momentum();
        if count == 0 {
            return;
        }
        let variance = &(variance * (count as f64 / (count as f64 - 1.0)));
        for (running, batch) in [(running_mean, mean), (running_var, variance)] {
            running.update(|value| {
                let dtype = value.dtype();
                value.mul_(1.0 - share).add_scaled_(share, &batch.to(dtype));
            });
        }
    }

    /// The share of this batch in the running statistics, after counting it.
    fn momentum(&self) -> f64 {
        let count = self.num_batches_tracked.as_ref().map(|count| {
            count.update(|count| {
                count.add_(1);
                count.item::<f64>()
            })
        });
        let momentum = self.options.momentum.filter(|_| !self.cumulative.load(Ordering::Relaxed));
        momentum.unwrap_or_else(|| count.map_or(0.0, |count| 1.0 / count))
    }

    #[track_caller]
    fn normalise(&self, input: &Var, then: Then) -> Var {
        let training = self.mode.is_training();
        let batch_statistics = training || self.running_mean.is_none();
        self.check(input.shape(), batch_statistics);
        let [weight, bias] = [&self.weight, &self.bias].map(|p| p.as_ref().map(Param::var));
        let (weight, bias, eps) = (weight.as_ref(), bias.as_ref(), self.options.eps);
        if let (Some(mean), Some(variance), false) = (&self.running_mean, &self.running_var, batch_statistics) {
            let (mean, variance) = (&mean.value(), &variance.value());
            return match then {
                Then::Nothing => input.batch_norm_eval(mean, variance, weight, bias, eps),
                Then::Relu => input.batch_norm_eval_relu(mean, variance, weight, bias, eps),
            };
        }
        let BatchNormed { output, mean, var } = match then {
            Then::Nothing => input.batch_norm(weight, bias, eps),
            Then::Relu => input.batch_norm_relu(weight, bias, eps),
        };
        if training {
            self.track(&mean, &var, input.numel() / input.shape()[1].max(1));
        }
        output
    }
}

#[wengert_nn_derive::module]
impl<const AXES: usize> Module for BatchNorm<AXES> {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        self.normalise(input, Then::Nothing)
    }
    #[track_caller]
    fn forward_relu(&self, input: &Var) -> Var {
        self.normalise(input, Then::Relu)
    }
}

impl<const AXES: usize> Rebuild for BatchNorm<AXES> {
    const CLASS: &'static str = match AXES {
        0 => "torch.nn.modules.batchnorm.SyncBatchNorm",
        1 => "torch.nn.modules.batchnorm.BatchNorm1d",
        2 => "torch.nn.modules.batchnorm.BatchNorm2d",
        3 => "torch.nn.modules.batchnorm.BatchNorm3d",
        _ => "wengert.BatchNorm",
    };
    const PARAMS: &'static [&'static str] = &["weight", "bias"];
    const BUFFERS: &'static [&'static str] = &["running_mean", "running_var", "num_batches_tracked"];
    fn config(&self) -> Dict {
        let BatchNormOptions { num_features, eps, momentum, affine, track_running_stats, .. } = self.options;
        [
            ("num_features", Value::from(num_features)),
            ("eps", Value::from(eps)),
            ("momentum", optional(momentum)),
            ("affine", Value::from(affine)),
            ("track_running_stats", Value::from(track_running_stats)),
        ]
        .into_iter()
        .chain((AXES == 0).then_some(("process_group", Value::None)))
        .collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<Self, SpecError> {
        let num_features = parts.get("num_features")?;
        let bias = parts.optional_param("bias", &[num_features])?;
        let running_mean = parts.optional_buffer("running_mean", &[num_features])?;
        let running_var = parts.optional_buffer("running_var", &[num_features])?;
        let num_batches_tracked = parts.optional_buffer("num_batches_tracked", &[])?;
        if running_mean.is_some() != running_var.is_some() {
            return parts.invalid("one of running_mean and running_var is missing");
        }
        let options = BatchNormOptions {
            num_features,
            eps: parts.get("eps")?,
            momentum: parts.get("momentum")?,
            affine: parts.get("affine")?,
            bias: bias.is_some(),
            track_running_stats: parts.get("track_running_stats")?,
        };
        let weight = parts.optional_param("weight", &[num_features])?;
        let (cumulative, mode) = (AtomicBool::new(false), parts.mode());
        Ok(BatchNorm { weight, bias, running_mean, running_var, num_batches_tracked, options, cumulative, mode })
    }
}
