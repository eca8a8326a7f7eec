//! [`Conv2d`] and [`Conv1d`].

use crate::setting::tuple;
use crate::{Mode, Module, Padding, PaddingMode, Pair, Param, Parts, Rebuild, SpecError, Tree, Var, init};
use wengert_tensor::{Dict, Tensor, Value, bug, conv};

/// A convolution over images (`torch.nn.Conv2d`): (N, in, H, W) to (N, out, H', W'), or the same without N.
///
/// `weight` is (out, in / groups, kernel height, kernel width), `bias` (out); both are drawn from U(−b, b) with
/// b = 1/√(in / groups · kernel area).
///
/// # Examples
/// ```
/// use wengert_nn::{Conv2d, Conv2dOptions};
/// let conv = Conv2d::new(1, 6, 5);
/// assert_eq!(conv.to_string(), "Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))");
/// let padded = Conv2d::with(Conv2dOptions { padding: 1.into(), stride: (2, 1).into(), ..Conv2dOptions::new(1, 6, 3) });
/// assert_eq!(padded.to_string(), "Conv2d(1, 6, kernel_size=(3, 3), stride=(2, 1), padding=(1, 1))");
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Conv2d {
    /// (out, in / groups, kernel height, kernel width).
    pub weight: Param,
    /// (out).
    pub bias: Option<Param>,
    #[tree(skip)]
    options: Conv2dOptions,
    mode: Mode,
}

/// What [`Conv2d::with`] takes.
#[derive(Clone, Copy, Debug)]
pub struct Conv2dOptions {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Size of the kernel.
    pub kernel_size: Pair,
    /// Step of the kernel: 1.
    pub stride: Pair,
    /// Padding on each side: 0.
    pub padding: Padding,
    /// Distance of the kernel's elements: 1.
    pub dilation: Pair,
    /// Groups of channels that do not see one another: 1.
    pub groups: usize,
    /// Whether to add a bias: yes.
    pub bias: bool,
    /// What is padded with: zeros.
    pub padding_mode: PaddingMode,
}

impl Conv2dOptions {
    /// The defaults.
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: impl Into<Pair>) -> Conv2dOptions {
        Conv2dOptions {
            in_channels,
            out_channels,
            kernel_size: kernel_size.into(),
            stride: Pair::Both(1),
            padding: Padding::Size(Pair::Both(0)),
            dilation: Pair::Both(1),
            groups: 1,
            bias: true,
            padding_mode: PaddingMode::Zeros,
        }
    }

    /// Rows above and below, and columns left and right, that are added.
    fn pads(&self) -> [[usize; 2]; 2] {
        match self.padding {
            Padding::Size(size) => size.to_array().map(|pad| [pad, pad]),
            Padding::Valid => [[0, 0]; 2],
            Padding::Same => {
                let (kernel, dilation) = (self.kernel_size.to_array(), self.dilation.to_array());
                [0, 1].map(|i| {
                    let total = dilation[i] * kernel[i].saturating_sub(1);
                    [total / 2, total - total / 2]
                })
            }
        }
    }

    #[track_caller]
    fn check(&self) {
        check_groups(self.in_channels, self.out_channels, self.groups);
        if self.padding == Padding::Same && self.stride != Pair::Both(1) {
            bug!("", "padding='same' is not supported for strided convolutions");
        }
    }
}

impl Conv2d {
    /// With stride 1, no padding and a bias.
    ///
    /// # Panics
    /// See [`Conv2d::with`].
    #[track_caller]
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: impl Into<Pair>) -> Conv2d {
        Conv2d::with(Conv2dOptions::new(in_channels, out_channels, kernel_size))
    }

    /// With options.
    ///
    /// # Panics
    /// If the groups do not divide the channels, or "same" padding is asked for with a stride.
    #[track_caller]
    pub fn with(options: Conv2dOptions) -> Conv2d {
        options.check();
        let [height, width] = options.kernel_size.to_array();
        let shape = [options.out_channels, options.in_channels / options.groups, height, width];
        let (weight, bias) = init::affine(&shape, options.bias);
        Conv2d { weight, bias, options, mode: Mode::default() }
    }

    /// How it was made.
    pub fn options(&self) -> &Conv2dOptions {
        &self.options
    }

    fn text(&self) -> String {
        let o = &self.options;
        let mut text = format!(
            "{}, {}, kernel_size={}, stride={}",
            o.in_channels,
            o.out_channels,
            o.kernel_size.tuple_text(),
            o.stride.tuple_text()
        );
        match o.padding {
            Padding::Size(size) if size.to_array() == [0, 0] => {}
            Padding::Size(size) => text += &format!(", padding={}", size.tuple_text()),
            Padding::Same => text += ", padding=same",
            Padding::Valid => text += ", padding=valid",
        }
        if o.dilation != Pair::Both(1) {
            text += &format!(", dilation={}", o.dilation.tuple_text());
        }
        if o.groups != 1 {
            text += &format!(", groups={}", o.groups);
        }
        if !o.bias {
            text += ", bias=False";
        }
        if o.padding_mode != PaddingMode::Zeros {
            text += &format!(", padding_mode={}", o.padding_mode.name());
        }
        text
    }
}

impl Module for Conv2d {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        let options = &self.options;
        let [rows, columns] = options.pads();
        let even = rows[0] == rows[1] && columns[0] == columns[1];
        let (input, padding) = if options.padding_mode == PaddingMode::Zeros && even {
            (input.clone(), [rows[0], columns[0]])
        } else {
            (pad(&pad(input, -2, rows, options.padding_mode), -1, columns, options.padding_mode), [0, 0])
        };
        let bias = self.bias.as_ref().map(Param::var);
        let settings = conv::Conv2dOptions {
            stride: options.stride.to_array(),
            padding,
            dilation: options.dilation.to_array(),
            groups: options.groups,
        };
        input.conv2d(&self.weight.var(), bias.as_ref(), &settings)
    }
}

/// The input with so many rows before and after along an axis.
#[track_caller]
fn pad(input: &Var, dim: isize, [before, after]: [usize; 2], mode: PaddingMode) -> Var {
    if before + after == 0 {
        return input.clone();
    }
    let size = input.value().size(dim);
    if mode == PaddingMode::Zeros {
        let zeros = |count: usize| {
            let mut shape = input.value().shape().to_vec();
            let axis = wengert_tensor::shape::axis("pad", dim, shape.len());
            shape[axis] = count;
            Var::from(Tensor::zeros(shape, input.value().dtype()))
        };
        return Var::cat(&[zeros(before), input.clone(), zeros(after)], dim);
    }
    let most = before.max(after);
    if mode == PaddingMode::Reflect && most >= size {
        bug!(
            "",
            "Padding size should be less than the corresponding input dimension, but got: padding ({before}, {after}) \
             at dimension {} of input {:?}",
            wengert_tensor::shape::axis("pad", dim, input.rank()),
            input.shape()
        );
    }
    if mode == PaddingMode::Circular && most > size {
        bug!("", "Padding value causes wrapping around more than once.");
    }
    let last = size as i64 - 1;
    let source = |at: i64| match mode {
        PaddingMode::Reflect => last - (last - at.abs()).abs(),
        PaddingMode::Circular => at.rem_euclid(last + 1),
        _ => at.clamp(0, last),
    };
    let index: Vec<i64> = (-(before as i64)..size as i64 + after as i64).map(source).collect();
    let count = index.len();
    input.index_select(dim, &Tensor::from_vec(index, [count]))
}

/// A convolution over sequences (`torch.nn.Conv1d`): (N, in, L) to (N, out, L'), or the same without N.
///
/// `weight` is (out, in / groups, kernel); values are drawn as those of [`Conv2d`].
///
/// # Examples
/// ```
/// use wengert_nn::Conv1d;
/// assert_eq!(Conv1d::new(2, 3, 3).to_string(), "Conv1d(2, 3, kernel_size=(3,), stride=(1,))");
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Conv1d {
    /// (out, in / groups, kernel).
    pub weight: Param,
    /// (out).
    pub bias: Option<Param>,
    #[tree(skip)]
    options: Conv1dOptions,
    mode: Mode,
}

/// What [`Conv1d::with`] takes.
#[derive(Clone, Copy, Debug)]
pub struct Conv1dOptions {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Size of the kernel.
    pub kernel_size: usize,
    /// Step of the kernel: 1.
    pub stride: usize,
    /// Zeros on each side: 0.
    pub padding: usize,
    /// Distance of the kernel's elements: 1.
    pub dilation: usize,
    /// Groups of channels that do not see one another: 1.
    pub groups: usize,
    /// Whether to add a bias: yes.
    pub bias: bool,
}

impl Conv1dOptions {
    /// The defaults.
    pub const fn new(in_channels: usize, out_channels: usize, kernel_size: usize) -> Conv1dOptions {
        Conv1dOptions {
            in_channels,
            out_channels,
            kernel_size,
            stride: 1,
            padding: 0,
            dilation: 1,
            groups: 1,
            bias: true,
        }
    }
}

impl Conv1d {
    /// With stride 1, no padding and a bias.
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: usize) -> Conv1d {
        Conv1d::with(Conv1dOptions::new(in_channels, out_channels, kernel_size))
    }

    /// With options.
    ///
    /// # Panics
    /// If the groups do not divide the channels.
    #[track_caller]
    pub fn with(options: Conv1dOptions) -> Conv1d {
        check_groups(options.in_channels, options.out_channels, options.groups);
        let shape = [options.out_channels, options.in_channels / options.groups, options.kernel_size];
        let (weight, bias) = init::affine(&shape, options.bias);
        Conv1d { weight, bias, options, mode: Mode::default() }
    }

    /// How it was made.
    pub fn options(&self) -> &Conv1dOptions {
        &self.options
    }

    fn text(&self) -> String {
        let o = &self.options;
        let mut text =
            format!("{}, {}, kernel_size=({},), stride=({},)", o.in_channels, o.out_channels, o.kernel_size, o.stride);
        if o.padding != 0 {
            text += &format!(", padding=({},)", o.padding);
        }
        if o.dilation != 1 {
            text += &format!(", dilation=({},)", o.dilation);
        }
        if o.groups != 1 {
            text += &format!(", groups={}", o.groups);
        }
        if !o.bias {
            text += ", bias=False";
        }
        text
    }
}

impl Module for Conv1d {
    /// An image of height 1 under a kernel of height 1.
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        let options = &self.options;
        if !matches!(input.rank(), 2 | 3) {
            bug!(
                "",
                "Expected 2D (unbatched) or 3D (batched) input to conv1d, but got input of size: {:?}",
                input.shape()
            );
        }
        let settings = conv::Conv2dOptions {
            stride: [1, options.stride],
            padding: [0, options.padding],
            dilation: [1, options.dilation],
            groups: options.groups,
        };
        let bias = self.bias.as_ref().map(Param::var);
        let weight = self.weight.var().unsqueeze(-2);
        input.unsqueeze(-2).conv2d(&weight, bias.as_ref(), &settings).squeeze([-2])
    }
}

#[track_caller]
fn check_groups(in_channels: usize, out_channels: usize, groups: usize) {
    if groups == 0 {
        bug!("", "groups must be a positive integer");
    }
    if !in_channels.is_multiple_of(groups) {
        bug!("", "in_channels must be divisible by groups");
    }
    if !out_channels.is_multiple_of(groups) {
        bug!("", "out_channels must be divisible by groups");
    }
}

impl Rebuild for Conv2d {
    const CLASS: &'static str = "torch.nn.modules.conv.Conv2d";
    const PARAMS: &'static [&'static str] = &["weight", "bias"];
    fn config(&self) -> Dict {
        let o = &self.options;
        let padding = match o.padding {
            Padding::Size(size) => tuple(size.to_array()),
            Padding::Same => "same".into(),
            Padding::Valid => "valid".into(),
        };
        // The last axis first, as torch.nn.functional.pad takes it.
        let [rows, columns] = o.pads();
        let twice = [columns[0], columns[1], rows[0], rows[1]];
        let twice = match o.padding {
            Padding::Size(_) => tuple(twice),
            _ => Value::List(twice.map(Value::from).to_vec()),
        };
        [
            ("in_channels", Value::from(o.in_channels)),
            ("out_channels", Value::from(o.out_channels)),
            ("kernel_size", tuple(o.kernel_size.to_array())),
            ("stride", tuple(o.stride.to_array())),
            ("padding", padding),
            ("dilation", tuple(o.dilation.to_array())),
            ("transposed", Value::from(false)),
            ("output_padding", tuple([0usize, 0])),
            ("groups", Value::from(o.groups)),
            ("padding_mode", Value::from(o.padding_mode.name())),
            ("_reversed_padding_repeated_twice", twice),
        ]
        .into_iter()
        .collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<Conv2d, SpecError> {
        let padding = match parts.get::<String>("padding").as_deref() {
            Ok("same") => Padding::Same,
            Ok("valid") => Padding::Valid,
            _ => Padding::Size(parts.get("padding")?),
        };
        let mode: String = parts.get_or("padding_mode", "zeros".to_owned())?;
        let modes = [PaddingMode::Zeros, PaddingMode::Reflect, PaddingMode::Replicate, PaddingMode::Circular];
        let Some(padding_mode) = modes.into_iter().find(|known| known.name() == mode) else {
            return parts.invalid(format!("padding_mode='{mode}' is not supported"));
        };
        let (kernel_size, groups): (Pair, usize) = (parts.get("kernel_size")?, parts.get("groups")?);
        let (in_channels, out_channels) = rebuilt_channels(parts, groups)?;
        let [height, width] = kernel_size.to_array();
        let weight = parts.param("weight", &[out_channels, in_channels / groups, height, width])?;
        let bias = parts.optional_param("bias", &[out_channels])?;
        let options = Conv2dOptions {
            in_channels,
            out_channels,
            kernel_size,
            stride: parts.get("stride")?,
            padding,
            dilation: parts.get("dilation")?,
            groups,
            bias: bias.is_some(),
            padding_mode,
        };
        if padding == Padding::Same && options.stride != Pair::Both(1) {
            return parts.invalid("padding='same' is not supported for strided convolutions");
        }
        Ok(Conv2d { weight, bias, options, mode: parts.mode() })
    }
}

impl Rebuild for Conv1d {
    const CLASS: &'static str = "torch.nn.modules.conv.Conv1d";
    const PARAMS: &'static [&'static str] = &["weight", "bias"];
    fn config(&self) -> Dict {
        let o = &self.options;
        [
            ("in_channels", Value::from(o.in_channels)),
            ("out_channels", Value::from(o.out_channels)),
            ("kernel_size", tuple([o.kernel_size])),
            ("stride", tuple([o.stride])),
            ("padding", tuple([o.padding])),
            ("dilation", tuple([o.dilation])),
            ("transposed", Value::from(false)),
            ("output_padding", tuple([0usize])),
            ("groups", Value::from(o.groups)),
            ("padding_mode", Value::from("zeros")),
            ("_reversed_padding_repeated_twice", tuple([o.padding, o.padding])),
        ]
        .into_iter()
        .collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<Conv1d, SpecError> {
        parts.only("padding_mode", "zeros".to_owned())?;
        let one = |parts: &Parts<'_>, name: &str| match parts.get::<Vec<usize>>(name)?[..] {
            [n] => Ok(n),
            _ => parts.invalid(format!("'{name}' is not one number")),
        };
        let (kernel_size, groups) = (one(parts, "kernel_size")?, parts.get("groups")?);
        let (in_channels, out_channels) = rebuilt_channels(parts, groups)?;
        let weight = parts.param("weight", &[out_channels, in_channels / groups, kernel_size])?;
        let bias = parts.optional_param("bias", &[out_channels])?;
        let options = Conv1dOptions {
            in_channels,
            out_channels,
            kernel_size,
            stride: one(parts, "stride")?,
            padding: one(parts, "padding")?,
            dilation: one(parts, "dilation")?,
            groups,
            bias: bias.is_some(),
        };
        Ok(Conv1d { weight, bias, options, mode: parts.mode() })
    }
}

/// Channels that the groups divide, of a convolution that is not transposed.
fn rebuilt_channels(parts: &Parts<'_>, groups: usize) -> Result<(usize, usize), SpecError> {
    parts.only("transposed", false)?;
    let (inputs, outputs): (usize, usize) = (parts.get("in_channels")?, parts.get("out_channels")?);
    if groups == 0 || !inputs.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
        return parts.invalid(format!("{groups} groups do not divide {inputs} and {outputs} channels"));
    }
    Ok((inputs, outputs))
}
