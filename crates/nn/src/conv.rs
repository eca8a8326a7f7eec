//! Convolutions: [`Conv1d`], [`Conv2d`], [`Conv3d`].

use crate::activation::Then;
use crate::padding::pad;
use crate::setting::tuple;
use crate::{Mode, Module, Padding, PaddingMode, Param, Parts, Rebuild, Size, SpecError, Tree, Var, init};
use wengert_autograd::functional::ConvOptions as Window;
use wengert_tensor::{Conv2dOptions as PlaneWindow, Dict, Value, bug};

/// A convolution over sequences (N, in, L), or the same without N (`torch.nn.Conv1d`).
pub type Conv1d = Conv<1>;
/// A convolution over images (N, in, H, W), or the same without N (`torch.nn.Conv2d`).
pub type Conv2d = Conv<2>;
/// A convolution over volumes (N, in, D, H, W), or the same without N (`torch.nn.Conv3d`).
pub type Conv3d = Conv<3>;
/// What [`Conv1d`] is made with.
pub type Conv1dOptions = ConvOptions<1>;
/// What [`Conv2d`] is made with.
pub type Conv2dOptions = ConvOptions<2>;
/// What [`Conv3d`] is made with.
pub type Conv3dOptions = ConvOptions<3>;

/// A convolution over images of `AXES` axes: (N, in, sizes…) to (N, out, sizes…), or the same without N.
///
/// `weight` is (out, in / groups, kernel sizes…), `bias` (out); both are drawn from U(−b, b) with
/// b = 1/√(in / groups · size of the kernel).
///
/// # Examples
/// ```
/// use wengert_nn::{Conv1d, Conv2d, Conv2dOptions};
/// let conv = Conv2d::new(1, 6, 5);
/// assert_eq!(conv.to_string(), "Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))");
/// let padded = Conv2d::with(Conv2dOptions { padding: 1.into(), stride: (2, 1).into(), ..Conv2dOptions::new(1, 6, 3) });
/// assert_eq!(padded.to_string(), "Conv2d(1, 6, kernel_size=(3, 3), stride=(2, 1), padding=(1, 1))");
/// assert_eq!(Conv1d::new(2, 3, 3).to_string(), "Conv1d(2, 3, kernel_size=(3,), stride=(1,))");
/// ```
#[derive(Tree)]
#[tree(name = Self::name, extra_repr = Self::text)]
pub struct Conv<const AXES: usize> {
    /// (out, in / groups, kernel sizes…).
    pub weight: Param,
    /// (out).
    pub bias: Option<Param>,
    #[tree(skip)]
    pub(crate) options: ConvOptions<AXES>,
    mode: Mode,
}

/// What [`Conv::with`] takes.
#[derive(Clone, Copy, Debug)]
pub struct ConvOptions<const AXES: usize> {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Size of the kernel.
    pub kernel_size: Size<AXES>,
    /// Step of the kernel: 1.
    pub stride: Size<AXES>,
    /// Padding on each side: 0.
    pub padding: Padding<AXES>,
    /// Distance of the kernel's elements: 1.
    pub dilation: Size<AXES>,
    /// Groups of channels that do not see one another: 1.
    pub groups: usize,
    /// Whether to add a bias: yes.
    pub bias: bool,
    /// What is padded with: zeros.
    pub padding_mode: PaddingMode,
}

impl<const AXES: usize> ConvOptions<AXES> {
    /// The defaults.
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: impl Into<Size<AXES>>) -> ConvOptions<AXES> {
        ConvOptions {
            in_channels,
            out_channels,
            kernel_size: kernel_size.into(),
            stride: Size::all(1),
            padding: Padding::Size(Size::all(0)),
            dilation: Size::all(1),
            groups: 1,
            bias: true,
            padding_mode: PaddingMode::Zeros,
        }
    }

    /// What is added before and behind each axis.
    fn pads(&self) -> [[usize; 2]; AXES] {
        match self.padding {
            Padding::Size(size) => size.to_array().map(|pad| [pad, pad]),
            Padding::Valid => [[0, 0]; AXES],
            Padding::Same => {
                let (kernel, dilation) = (self.kernel_size.to_array(), self.dilation.to_array());
                std::array::from_fn(|i| {
                    let total = dilation[i] * kernel[i].saturating_sub(1);
                    [total / 2, total - total / 2]
                })
            }
        }
    }

    #[track_caller]
    fn check(&self) {
        check_groups(self.in_channels, self.out_channels, self.groups);
        if self.padding == Padding::Same && self.stride != Size::all(1) {
            bug!("", "padding='same' is not supported for strided convolutions");
        }
    }

    /// What is printed of a convolution.
    pub(crate) fn text(&self) -> String {
        let padding = match self.padding {
            Padding::Size(size) if size == Size::all(0) => None,
            Padding::Size(size) => Some(size.tuple_text()),
            Padding::Same => Some("same".to_owned()),
            Padding::Valid => Some("valid".to_owned()),
        };
        let mut text = text(self.in_channels, self.out_channels, self.kernel_size, self.stride, padding, self.dilation);
        if self.groups != 1 {
            text += &format!(", groups={}", self.groups);
        }
        if !self.bias {
            text += ", bias=False";
        }
        if self.padding_mode != PaddingMode::Zeros {
            text += &format!(", padding_mode={}", self.padding_mode.name());
        }
        text
    }
}

/// What is printed of convolutions and transposed ones, as far as it is the same.
pub(crate) fn text<const AXES: usize>(
    in_channels: usize,
    out_channels: usize,
    kernel_size: Size<AXES>,
    stride: Size<AXES>,
    padding: Option<String>,
    dilation: Size<AXES>,
) -> String {
    let (kernel_size, stride) = (kernel_size.tuple_text(), stride.tuple_text());
    let mut text = format!("{in_channels}, {out_channels}, kernel_size={kernel_size}, stride={stride}");
    if let Some(padding) = padding {
        text += &format!(", padding={padding}");
    }
    if dilation != Size::all(1) {
        text += &format!(", dilation={}", dilation.tuple_text());
    }
    text
}

impl<const AXES: usize> Conv<AXES> {
    /// With stride 1, no padding and a bias.
    ///
    /// # Panics
    /// See [`Conv::with`].
    #[track_caller]
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: impl Into<Size<AXES>>) -> Self {
        Self::with(ConvOptions::new(in_channels, out_channels, kernel_size))
    }

    /// With options.
    ///
    /// # Panics
    /// If the groups do not divide the channels, or "same" padding is asked for with a stride.
    #[track_caller]
    pub fn with(options: ConvOptions<AXES>) -> Self {
        options.check();
        let channels = [options.out_channels, options.in_channels / options.groups];
        let (weight, bias) = init::affine(&[&channels, &options.kernel_size.to_array()[..]].concat(), options.bias);
        Conv { weight, bias, options, mode: Mode::default() }
    }

    /// One that moves alike, in the same mode, with a bias and parameters of its own.
    pub(crate) fn with_parameters(&self, weight: Param, bias: Param) -> Self {
        let mode = Mode::default();
        mode.inherit(&self.mode);
        Conv { weight, bias: Some(bias), options: ConvOptions { bias: true, ..self.options }, mode }
    }

    /// How it was made.
    pub fn options(&self) -> &ConvOptions<AXES> {
        &self.options
    }

    fn name(&self) -> &str {
        class_name(Self::CLASS)
    }

    fn text(&self) -> String {
        self.options.text()
    }

    /// The output, and what follows where images have two axes.
    #[track_caller]
    fn convolve(&self, input: &Var, then: Then) -> Var {
        let options = &self.options;
        if AXES == 1 && input.rank() == 3 && input.size(1) != options.in_channels {
            // Below, a sequence is an image of one row, and the message would show that.
            let (weight, groups) = (self.weight.shape(), options.groups);
            bug!(
                "",
                "Given groups={groups}, weight of size {weight:?}, expected input{:?} to have {} channels, but got {} channels \
                 instead",
                input.shape(),
                options.in_channels,
                input.size(1)
            );
        }
        let pads = options.pads();
        let even = pads.iter().all(|[before, behind]| before == behind);
        let (padded, padding);
        if options.padding_mode == PaddingMode::Zeros && even {
            (padded, padding) = (input.clone(), pads.map(|[before, _]| before));
        } else {
            let pads = pads.map(|pair| pair.map(usize::cast_signed));
            (padded, padding) = (pad(input, &pads, options.padding_mode, 0.0), [0; AXES]);
        }
        let (weight, bias) = (self.weight.var(), self.bias.as_ref().map(Param::var));
        let (bias, groups) = (bias.as_ref(), options.groups);
        let (stride, dilation) = (options.stride.to_array(), options.dilation.to_array());
        macro_rules! on {
            ($conv:ident, $Options:ident) => {{
                let settings =
                    $Options { stride: axes(stride), padding: axes(padding), dilation: axes(dilation), groups };
                padded.$conv(&weight, bias, &settings)
            }};
        }
        match AXES {
            1 => on!(conv1d, Window),
            2 if then == Then::Relu => on!(conv2d_relu, PlaneWindow),
            2 => on!(conv2d, PlaneWindow),
            3 => on!(conv3d, Window),
            _ => bug!("conv", "images have one, two or three axes, not {AXES}"),
        }
    }
}

/// Sizes of so many axes as sizes of `M`, which is the same number.
pub(crate) fn axes<const AXES: usize, const M: usize>(sizes: [usize; AXES]) -> [usize; M] {
    std::array::from_fn(|i| sizes[i])
}

/// The last part of a class's name.
pub(crate) fn class_name(class: &str) -> &str {
    class.rsplit('.').next().unwrap_or(class)
}

#[wengert_nn_derive::module]
impl<const AXES: usize> Module for Conv<AXES> {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        self.convolve(input, Then::Nothing)
    }
    #[track_caller]
    fn forward_relu(&self, input: &Var) -> Var {
        let output = self.convolve(input, Then::Relu);
        if AXES == 2 { output } else { output.relu() }
    }
}

#[track_caller]
pub(crate) fn check_groups(in_channels: usize, out_channels: usize, groups: usize) {
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

impl<const AXES: usize> Rebuild for Conv<AXES> {
    const CLASS: &'static str = match AXES {
        1 => "torch.nn.modules.conv.Conv1d",
        2 => "torch.nn.modules.conv.Conv2d",
        3 => "torch.nn.modules.conv.Conv3d",
        _ => "wengert.Conv",
    };
    const PARAMS: &'static [&'static str] = &["weight", "bias"];
    fn config(&self) -> Dict {
        let o = &self.options;
        let padding = match o.padding {
            Padding::Size(size) => tuple(size.to_array()),
            Padding::Same => "same".into(),
            Padding::Valid => "valid".into(),
        };
        // The last axis first, as torch.nn.functional.pad takes it.
        let twice = o.pads().into_iter().rev().flatten();
        let twice = match o.padding {
            Padding::Size(_) => tuple(twice),
            _ => Value::List(twice.map(Value::from).collect()),
        };
        [
            ("in_channels", Value::from(o.in_channels)),
            ("out_channels", Value::from(o.out_channels)),
            ("kernel_size", tuple(o.kernel_size.to_array())),
            ("stride", tuple(o.stride.to_array())),
            ("padding", padding),
            ("dilation", tuple(o.dilation.to_array())),
            ("transposed", Value::from(false)),
            ("output_padding", tuple([0usize; AXES])),
            ("groups", Value::from(o.groups)),
            ("padding_mode", Value::from(o.padding_mode.name())),
            ("_reversed_padding_repeated_twice", twice),
        ]
        .into_iter()
        .collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<Self, SpecError> {
        let padding = match parts.get::<String>("padding").as_deref() {
            Ok("same") => Padding::Same,
            Ok("valid") => Padding::Valid,
            _ => Padding::Size(parts.get("padding")?),
        };
        let mode: String = parts.get_or("padding_mode", "zeros".to_owned())?;
        let Some(padding_mode) = PaddingMode::from_name(&mode) else {
            return parts.invalid(format!("padding_mode='{mode}' is not supported"));
        };
        parts.only("transposed", false)?;
        let (kernel_size, groups): (Size<AXES>, usize) = (parts.get("kernel_size")?, parts.get("groups")?);
        let (in_channels, out_channels) = rebuilt_channels(parts, groups)?;
        let channels = [out_channels, in_channels / groups];
        let weight = parts.param("weight", &[&channels, &kernel_size.to_array()[..]].concat())?;
        let bias = parts.optional_param("bias", &[out_channels])?;
        let options = ConvOptions {
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
        if padding == Padding::Same && options.stride != Size::all(1) {
            return parts.invalid("padding='same' is not supported for strided convolutions");
        }
        Ok(Conv { weight, bias, options, mode: parts.mode() })
    }
}

/// Channels that the groups divide.
pub(crate) fn rebuilt_channels(parts: &Parts<'_>, groups: usize) -> Result<(usize, usize), SpecError> {
    let (inputs, outputs): (usize, usize) = (parts.get("in_channels")?, parts.get("out_channels")?);
    if groups == 0 || !inputs.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
        return parts.invalid(format!("{groups} groups do not divide {inputs} and {outputs} channels"));
    }
    Ok((inputs, outputs))
}
