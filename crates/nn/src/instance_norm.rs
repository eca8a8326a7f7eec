//! [`InstanceNorm1d`], [`InstanceNorm2d`], [`InstanceNorm3d`].

use crate::conv::class_name;
use crate::group_norm::{channels_normalised, scaled};
use crate::setting::optional;
use crate::{Buffer, Mode, Module, Param, Parts, Rebuild, SpecError, Tree, Var};
use wengert_tensor::shape::size_text;
use wengert_tensor::{DType, Dict, Tensor, Value, bug};

/// Instance normalisation of sequences (N, C, L) or (C, L) (`torch.nn.InstanceNorm1d`).
pub type InstanceNorm1d = InstanceNorm<1>;
/// Instance normalisation of images (N, C, H, W) or (C, H, W) (`torch.nn.InstanceNorm2d`).
pub type InstanceNorm2d = InstanceNorm<2>;
/// Instance normalisation of volumes (N, C, D, H, W) or (C, D, H, W) (`torch.nn.InstanceNorm3d`).
pub type InstanceNorm3d = InstanceNorm<3>;

/// Gives every channel of every sample mean 0 and variance 1, then scales and shifts it, if asked to.
///
/// With running statistics, these move in training by the means of the samples' and stand for the sample's own in
/// evaluation. `AXES` is the number of axes of an image.
///
/// # Examples
/// ```
/// use wengert_nn::InstanceNorm2d;
/// assert_eq!(
///     InstanceNorm2d::new(6).to_string(),
///     "InstanceNorm2d(6, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=False)"
/// );
/// ```
#[derive(Tree)]
#[tree(name = Self::name, extra_repr = Self::text, version = 2)]
pub struct InstanceNorm<const AXES: usize> {
    /// Scale per channel, at first 1.
    pub weight: Option<Param>,
    /// Shift per channel, at first 0.
    pub bias: Option<Param>,
    /// Mean per channel of the samples so far, at first 0.
    pub running_mean: Option<Buffer>,
    /// Variance per channel of the samples so far, at first 1.
    pub running_var: Option<Buffer>,
    /// Always 0: PyTorch has it and does not count.
    #[tree(since = 2)]
    pub num_batches_tracked: Option<Buffer>,
    #[tree(skip)]
    pub(crate) options: InstanceNormOptions,
    mode: Mode,
}

/// What [`InstanceNorm::with`] takes.
#[derive(Clone, Copy, Debug)]
pub struct InstanceNormOptions {
    /// Channels.
    pub num_features: usize,
    /// Added to the variance: 1e-5.
    pub eps: f64,
    /// Share of a batch in the running statistics: 0.1.
    pub momentum: Option<f64>,
    /// Whether to scale and shift: no.
    pub affine: bool,
    /// Whether to shift, if `affine`: yes.
    pub bias: bool,
    /// Whether to keep running statistics: no.
    pub track_running_stats: bool,
}

impl InstanceNormOptions {
    /// The defaults.
    pub const fn new(num_features: usize) -> InstanceNormOptions {
        InstanceNormOptions {
            num_features,
            eps: 1e-5,
            momentum: Some(0.1),
            affine: false,
            bias: true,
            track_running_stats: false,
        }
    }

    /// What is printed.
    pub(crate) fn text(&self) -> String {
        let InstanceNormOptions { num_features, eps, momentum, affine, bias, track_running_stats } = *self;
        format!(
            "{num_features}, eps={}, momentum={}, affine={}, bias={}, track_running_stats={}",
            Value::from(eps),
            optional(momentum),
            Value::from(affine),
            Value::from(affine && bias),
            Value::from(track_running_stats)
        )
    }
}

impl<const AXES: usize> InstanceNorm<AXES> {
    /// With the defaults.
    pub fn new(num_features: usize) -> Self {
        Self::with(InstanceNormOptions::new(num_features))
    }

    /// With options.
    pub fn with(options: InstanceNormOptions) -> Self {
        let filled = |value: f64| Tensor::full([options.num_features], value, DType::F32);
        let tracked = |tensor: Tensor| options.track_running_stats.then(|| Buffer::new(tensor));
        InstanceNorm {
            weight: options.affine.then(|| Param::new(filled(1.0))),
            bias: (options.affine && options.bias).then(|| Param::new(filled(0.0))),
            running_mean: tracked(filled(0.0)),
            running_var: tracked(filled(1.0)),
            num_batches_tracked: tracked(Tensor::zeros((), DType::I64)),
            options,
            mode: Mode::default(),
        }
    }

    /// How it was made.
    pub fn options(&self) -> &InstanceNormOptions {
        &self.options
    }

    fn name(&self) -> &str {
        class_name(Self::CLASS)
    }

    fn text(&self) -> String {
        self.options.text()
    }

    #[track_caller]
    fn check(&self, input: &Var, own_statistics: bool) {
        let rank = input.rank();
        if rank != AXES + 1 && rank != AXES + 2 {
            bug!("", "expected {}D or {}D input (got {rank}D input)", AXES + 1, AXES + 2);
        }
        let axis = rank - AXES - 1;
        let (have, want) = (input.shape()[axis], self.options.num_features);
        if have != want && (self.options.affine || self.running_mean.is_some()) {
            bug!("", "expected input's size at dim={axis} to match num_features ({want}), but got: {have}.");
        }
        if own_statistics && input.shape()[axis + 1..].iter().product::<usize>() == 1 {
            let size = size_text(input.shape());
            bug!("", "Expected more than 1 spatial element when training, got input size {size}");
        }
    }

    /// Moves the running statistics towards the samples' means and unbiased variances.
    fn track(&self, input: &Var) {
        let (Some(running_mean), Some(running_var)) = (&self.running_mean, &self.running_var) else {
            return;
        };
        let share = self.options.momentum.unwrap_or(0.0);
        let values = input.value().flatten(2, -1);
        for (running, batch) in [(running_mean, values.mean(-1)), (running_var, values.var(-1, 1.0))] {
            running.update(|value| {
                let dtype = value.dtype();
                value.mul_(1.0 - share).add_scaled_(share, &batch.mean(0).to(dtype));
            });
        }
    }
}

#[wengert_nn_derive::module]
impl<const AXES: usize> Module for InstanceNorm<AXES> {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        let own_statistics = self.mode.is_training() || self.running_mean.is_none();
        self.check(input, own_statistics);
        if input.rank() == AXES + 1 {
            return self.forward(&input.unsqueeze(0)).squeeze([0]);
        }
        let (weight, bias, eps) = (self.weight.as_ref(), self.bias.as_ref(), self.options.eps);
        if let (Some(mean), Some(variance), false) = (&self.running_mean, &self.running_var, own_statistics) {
            return scaled(input.batch_norm_eval(&mean.value(), &variance.value(), None, None, eps), weight, bias);
        }
        if input.numel() > 0 {
            self.track(input);
        }
        channels_normalised(input, input.size(1).max(1), weight, bias, eps)
    }
}

impl<const AXES: usize> Rebuild for InstanceNorm<AXES> {
    const CLASS: &'static str = match AXES {
        1 => "torch.nn.modules.instancenorm.InstanceNorm1d",
        2 => "torch.nn.modules.instancenorm.InstanceNorm2d",
        3 => "torch.nn.modules.instancenorm.InstanceNorm3d",
        _ => "wengert.InstanceNorm",
    };
    const PARAMS: &'static [&'static str] = &["weight", "bias"];
    const BUFFERS: &'static [&'static str] = &["running_mean", "running_var", "num_batches_tracked"];
    fn config(&self) -> Dict {
        let InstanceNormOptions { num_features, eps, momentum, affine, track_running_stats, .. } = self.options;
        [
            ("num_features", Value::from(num_features)),
            ("eps", Value::from(eps)),
            ("momentum", optional(momentum)),
            ("affine", Value::from(affine)),
            ("track_running_stats", Value::from(track_running_stats)),
        ]
        .into_iter()
        .collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<Self, SpecError> {
        let num_features = parts.get("num_features")?;
        let weight = parts.optional_param("weight", &[num_features])?;
        let bias = parts.optional_param("bias", &[num_features])?;
        let running_mean = parts.optional_buffer("running_mean", &[num_features])?;
        let running_var = parts.optional_buffer("running_var", &[num_features])?;
        let num_batches_tracked = parts.optional_buffer("num_batches_tracked", &[])?;
        if running_mean.is_some() != running_var.is_some() {
            return parts.invalid("one of running_mean and running_var is missing");
        }
        let options = InstanceNormOptions {
            num_features,
            eps: parts.get("eps")?,
            momentum: parts.get("momentum")?,
            affine: parts.get("affine")?,
            bias: bias.is_some(),
            track_running_stats: parts.get("track_running_stats")?,
        };
        Ok(InstanceNorm { weight, bias, running_mean, running_var, num_batches_tracked, options, mode: parts.mode() })
    }
}
