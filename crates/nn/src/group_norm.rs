//! Normalisation over groups of channels or the last axes: [`GroupNorm`], [`RMSNorm`], [`LocalResponseNorm`].

use crate::padding::pad;
use crate::setting::{optional, tuple};
use crate::{Mode, Module, PaddingMode, Param, Parts, Rebuild, Sizes, SpecError, Tree, Var};
use wengert_tensor::{DType, Dict, Tensor, Value, bug};

/// Gives every group of channels of every sample mean 0 and variance 1, then scales and shifts each channel
/// (`torch.nn.GroupNorm`): (N, C, …).
///
/// # Examples
/// ```
/// use wengert_nn::GroupNorm;
/// assert_eq!(GroupNorm::new(3, 6).to_string(), "GroupNorm(3, 6, eps=1e-05, affine=True, bias=True)");
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct GroupNorm {
    /// Scale per channel, at first 1.
    pub weight: Option<Param>,
    /// Shift per channel, at first 0.
    pub bias: Option<Param>,
    #[tree(skip)]
    options: GroupNormOptions,
    mode: Mode,
}

/// What [`GroupNorm::with`] takes.
#[derive(Clone, Copy, Debug)]
pub struct GroupNormOptions {
    /// Groups of channels.
    pub num_groups: usize,
    /// Channels, a multiple of the groups.
    pub num_channels: usize,
    /// Added to the variance: 1e-5.
    pub eps: f64,
    /// Whether to scale and shift: yes.
    pub affine: bool,
    /// Whether to shift, if `affine`: yes.
    pub bias: bool,
}

impl GroupNormOptions {
    /// The defaults.
    pub const fn new(num_groups: usize, num_channels: usize) -> GroupNormOptions {
        GroupNormOptions { num_groups, num_channels, eps: 1e-5, affine: true, bias: true }
    }
}

impl GroupNorm {
    /// With the defaults.
    ///
    /// # Panics
    /// If the groups do not divide the channels.
    #[track_caller]
    pub fn new(num_groups: usize, num_channels: usize) -> GroupNorm {
        GroupNorm::with(GroupNormOptions::new(num_groups, num_channels))
    }

    /// With options.
    ///
    /// # Panics
    /// If the groups do not divide the channels.
    #[track_caller]
    pub fn with(options: GroupNormOptions) -> GroupNorm {
        let GroupNormOptions { num_groups, num_channels, affine, bias, .. } = options;
        if num_groups == 0 || !num_channels.is_multiple_of(num_groups) {
            bug!("", "num_channels ({num_channels}) must be divisible by num_groups ({num_groups})");
        }
        let filled = |value: f64| Param::new(Tensor::full([num_channels], value, DType::F32));
        let (weight, bias) = (affine.then(|| filled(1.0)), (affine && bias).then(|| filled(0.0)));
        GroupNorm { weight, bias, options, mode: Mode::default() }
    }

    /// How it was made.
    pub fn options(&self) -> &GroupNormOptions {
        &self.options
    }

    fn text(&self) -> String {
        let GroupNormOptions { num_groups, num_channels, eps, affine, .. } = self.options;
        let [affine, bias] = [affine, self.bias.is_some()].map(Value::from);
        format!("{num_groups}, {num_channels}, eps={}, affine={affine}, bias={bias}", Value::from(eps))
    }
}

#[wengert_nn_derive::module]
impl Module for GroupNorm {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        let GroupNormOptions { num_groups, num_channels, eps, .. } = self.options;
        if input.rank() < 2 || input.shape()[1] != num_channels {
            bug!(
                "group_norm",
                "Expected weight to be a vector of size equal to the number of channels in input, but got weight of shape \
                 [{num_channels}] and input of shape {:?}",
                input.shape()
            );
        }
        channels_normalised(input, num_groups, self.weight.as_ref(), self.bias.as_ref(), eps)
    }
}

/// Every group of channels (axis 1) of every sample with mean 0 and variance 1, then each channel scaled and shifted.
#[track_caller]
pub(crate) fn channels_normalised(
    input: &Var,
    groups: usize,
    weight: Option<&Param>,
    bias: Option<&Param>,
    eps: f64,
) -> Var {
    if input.numel() == 0 {
        return scaled(input.clone(), weight, bias);
    }
    let [weight, bias] = [weight, bias].map(|param| param.map(Param::var));
    input.group_norm(groups, weight.as_ref(), bias.as_ref(), eps)
}

/// Each channel (axis 1) scaled and shifted.
#[track_caller]
pub(crate) fn scaled(input: Var, weight: Option<&Param>, bias: Option<&Param>) -> Var {
    let behind = vec![1isize; input.rank() - 2];
    let channels = |param: &Param| param.var().reshape([vec![-1], behind.clone()].concat());
    let input = weight.map_or(input.clone(), |weight| input * channels(weight));
    bias.map_or(input.clone(), |bias| input + channels(bias))
}

/// Divides the last axes of every sample by the root of their mean square, then scales them (`torch.nn.RMSNorm`).
///
/// # Examples
/// ```
/// use wengert_nn::RMSNorm;
/// assert_eq!(RMSNorm::new([4]).to_string(), "RMSNorm((4,), eps=None, elementwise_affine=True)");
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct RMSNorm {
    /// Scale, at first 1.
    pub weight: Option<Param>,
    #[tree(skip)]
    options: RMSNormOptions,
    mode: Mode,
}

/// What [`RMSNorm::with`] takes.
#[derive(Clone, Debug)]
pub struct RMSNormOptions {
    /// Sizes of the last axes.
    pub normalized_shape: Vec<usize>,
    /// Added to the mean square: by default the distance from 1 to the next number of the input's dtype.
    pub eps: Option<f64>,
    /// Whether to scale: yes.
    pub elementwise_affine: bool,
}

impl RMSNormOptions {
    /// The defaults.
    pub fn new(normalized_shape: impl Sizes) -> RMSNormOptions {
        RMSNormOptions { normalized_shape: normalized_shape.into_sizes(), eps: None, elementwise_affine: true }
    }
}

impl RMSNorm {
    /// Over the last axes, which have these sizes.
    pub fn new(normalized_shape: impl Sizes) -> RMSNorm {
        RMSNorm::with(RMSNormOptions::new(normalized_shape))
    }

    /// With options.
    pub fn with(options: RMSNormOptions) -> RMSNorm {
        let ones = || Param::new(Tensor::ones(options.normalized_shape.clone(), DType::F32));
        RMSNorm { weight: options.elementwise_affine.then(ones), options, mode: Mode::default() }
    }

    /// How it was made.
    pub fn options(&self) -> &RMSNormOptions {
        &self.options
    }

    fn text(&self) -> String {
        let RMSNormOptions { normalized_shape, eps, elementwise_affine } = &self.options;
        let (shape, affine) = (tuple(normalized_shape.iter().copied()), Value::from(*elementwise_affine));
        format!("{shape}, eps={}, elementwise_affine={affine}", optional(*eps))
    }
}

#[wengert_nn_derive::module]
impl Module for RMSNorm {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        let shape = &self.options.normalized_shape;
        let axes = shape.len();
        if !input.shape().ends_with(shape) || axes == 0 {
            bug!(
                "",
                "Given normalized_shape={shape:?}, expected input with shape [*, {}], but got input of size{:?}",
                wengert_tensor::shape::list(shape).trim_matches(['[', ']']),
                input.shape()
            );
        }
        // The distance from 1 to the next number.
        let eps = self.options.eps.unwrap_or(match input.dtype() {
            DType::F64 => f64::EPSILON,
            DType::F16 => 2f64.powi(-10),
            DType::BF16 => 2f64.powi(-7),
            _ => f64::from(f32::EPSILON),
        });
        let dims: Vec<isize> = (1..=axes as isize).map(|i| -i).collect();
        let scale = (input.square().mean_keepdim(&dims[..]) + eps).rsqrt();
        let normed = input * scale;
        self.weight.as_ref().map_or(normed.clone(), |weight| normed * weight.var())
    }
}

/// Divides each value by (k + α · mean of the squares of `size` channels around it)^β (`torch.nn.LocalResponseNorm`):
/// (N, C, …).
///
/// # Examples
/// ```
/// use wengert_nn::LocalResponseNorm;
/// assert_eq!(LocalResponseNorm::new(5).to_string(), "LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=1.0)");
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct LocalResponseNorm {
    #[tree(skip)]
    options: LocalResponseNormOptions,
    mode: Mode,
}

/// What [`LocalResponseNorm::with`] takes.
#[derive(Clone, Copy, Debug)]
pub struct LocalResponseNormOptions {
    /// Channels that count.
    pub size: usize,
    /// Factor of the mean square: 1e-4.
    pub alpha: f64,
    /// The power: 0.75.
    pub beta: f64,
    /// What is added: 1.
    pub k: f64,
}

impl LocalResponseNormOptions {
    /// The defaults.
    pub const fn new(size: usize) -> LocalResponseNormOptions {
        LocalResponseNormOptions { size, alpha: 1e-4, beta: 0.75, k: 1.0 }
    }
}

impl LocalResponseNorm {
    /// With the defaults.
    pub fn new(size: usize) -> LocalResponseNorm {
        LocalResponseNorm::with(LocalResponseNormOptions::new(size))
    }

    /// With options.
    pub fn with(options: LocalResponseNormOptions) -> LocalResponseNorm {
        LocalResponseNorm { options, mode: Mode::default() }
    }

    fn text(&self) -> String {
        let LocalResponseNormOptions { size, alpha, beta, k } = self.options;
        let [alpha, beta, k] = [alpha, beta, k].map(Value::from);
        format!("{size}, alpha={alpha}, beta={beta}, k={k}")
    }
}

#[wengert_nn_derive::module]
impl Module for LocalResponseNorm {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        let LocalResponseNormOptions { size, alpha, beta, k } = self.options;
        if input.rank() < 3 {
            bug!("", "Expected 3D or higher dimensionality input (got {} dimensions)", input.rank());
        }
        if input.numel() == 0 {
            return input.clone();
        }
        let channels = input.size(1);
        let squares = input.square().flatten(2, -1);
        let padded = pad(
            &squares,
            &[[size / 2, size.saturating_sub(1) / 2].map(usize::cast_signed), [0, 0]],
            PaddingMode::Zeros,
            0.0,
        );
        let windows = (0..size).map(|first| padded.narrow(1, first as isize, channels));
        let Some(sum) = windows.reduce(|a, b| a + b) else {
            bug!("local_response_norm", "size must be greater than 0");
        };
        let scale = (sum * (alpha / size as f64) + k).pow(beta);
        input / scale.reshape(input.shape().iter().map(|&n| n as isize).collect::<Vec<_>>())
    }
}

impl Rebuild for GroupNorm {
    const CLASS: &'static str = "torch.nn.modules.normalization.GroupNorm";
    const PARAMS: &'static [&'static str] = &["weight", "bias"];
    fn config(&self) -> Dict {
        let GroupNormOptions { num_groups, num_channels, eps, affine, .. } = self.options;
        [
            ("num_groups", Value::from(num_groups)),
            ("num_channels", Value::from(num_channels)),
            ("eps", Value::from(eps)),
            ("affine", Value::from(affine)),
        ]
        .into_iter()
        .collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<GroupNorm, SpecError> {
        let (num_groups, num_channels): (usize, usize) = (parts.get("num_groups")?, parts.get("num_channels")?);
        if num_groups == 0 || !num_channels.is_multiple_of(num_groups) {
            return parts
                .invalid(format!("num_channels ({num_channels}) must be divisible by num_groups ({num_groups})"));
        }
        let weight = parts.optional_param("weight", &[num_channels])?;
        let bias = parts.optional_param("bias", &[num_channels])?;
        let (eps, affine) = (parts.get("eps")?, parts.get("affine")?);
        let options = GroupNormOptions { num_groups, num_channels, eps, affine, bias: bias.is_some() };
        Ok(GroupNorm { weight, bias, options, mode: parts.mode() })
    }
}

impl Rebuild for RMSNorm {
    const CLASS: &'static str = "torch.nn.modules.normalization.RMSNorm";
    const PARAMS: &'static [&'static str] = &["weight"];
    fn config(&self) -> Dict {
        let RMSNormOptions { normalized_shape, eps, elementwise_affine } = &self.options;
        [
            ("normalized_shape", tuple(normalized_shape.iter().copied())),
            ("eps", optional(*eps)),
            ("elementwise_affine", Value::from(*elementwise_affine)),
        ]
        .into_iter()
        .collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<RMSNorm, SpecError> {
        let normalized_shape: Vec<usize> = parts.get("normalized_shape")?;
        let weight = parts.optional_param("weight", &normalized_shape)?;
        let (eps, elementwise_affine) = (parts.get("eps")?, weight.is_some());
        let options = RMSNormOptions { normalized_shape, eps, elementwise_affine };
        Ok(RMSNorm { weight, options, mode: parts.mode() })
    }
}

impl Rebuild for LocalResponseNorm {
    const CLASS: &'static str = "torch.nn.modules.normalization.LocalResponseNorm";
    fn config(&self) -> Dict {
        let LocalResponseNormOptions { size, alpha, beta, k } = self.options;
        let numbers = [("alpha", alpha), ("beta", beta), ("k", k)].map(|(name, x)| (name, Value::from(x)));
        [("size", Value::from(size))].into_iter().chain(numbers).collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<LocalResponseNorm, SpecError> {
        let options = LocalResponseNormOptions {
            size: parts.get("size")?,
            alpha: parts.get("alpha")?,
            beta: parts.get("beta")?,
            k: parts.get("k")?,
        };
        Ok(LocalResponseNorm { options, mode: parts.mode() })
    }
}
