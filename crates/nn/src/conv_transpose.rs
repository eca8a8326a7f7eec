//! Transposed convolutions: [`ConvTranspose1d`], [`ConvTranspose2d`], [`ConvTranspose3d`].

use crate::conv::{axes, check_groups, class_name, rebuilt_channels, text};
use crate::setting::tuple;
use crate::{Mode, Module, Param, Parts, Rebuild, Size, SpecError, Tree, Var, init};
use wengert_autograd::functional::ConvTransposeOptions as Window;
use wengert_tensor::{Dict, Value, bug};

/// A transposed convolution over sequences (N, in, L), or the same without N (`torch.nn.ConvTranspose1d`).
pub type ConvTranspose1d = ConvTranspose<1>;
/// A transposed convolution over images (N, in, H, W), or the same without N (`torch.nn.ConvTranspose2d`).
pub type ConvTranspose2d = ConvTranspose<2>;
/// A transposed convolution over volumes (N, in, D, H, W), or the same without N (`torch.nn.ConvTranspose3d`).
pub type ConvTranspose3d = ConvTranspose<3>;

/// A transposed convolution over images of `AXES` axes: the gradient of a convolution with respect to its input.
///
/// `weight` is (in, out / groups, kernel sizes…), `bias` (out); both are drawn from U(−b, b) with
/// b = 1/√(out / groups · size of the kernel).
///
/// # Examples
/// ```
/// use wengert_nn::{ConvTranspose2d, ConvTransposeOptions, Module, Var, tensor::{DType, Tensor}};
/// let double = ConvTranspose2d::with(ConvTransposeOptions { stride: 2.into(), ..ConvTransposeOptions::new(6, 3, 2) });
/// assert_eq!(double.to_string(), "ConvTranspose2d(6, 3, kernel_size=(2, 2), stride=(2, 2))");
/// assert_eq!(double.forward(&Var::from(Tensor::ones([1, 6, 5, 4], DType::F32))).shape(), [1, 3, 10, 8]);
/// ```
#[derive(Tree)]
#[tree(name = Self::name, extra_repr = Self::text)]
pub struct ConvTranspose<const AXES: usize> {
    /// (in, out / groups, kernel sizes…).
    pub weight: Param,
    /// (out).
    pub bias: Option<Param>,
    #[tree(skip)]
    pub(crate) options: ConvTransposeOptions<AXES>,
    mode: Mode,
}

/// What [`ConvTranspose::with`] takes.
#[derive(Clone, Copy, Debug)]
pub struct ConvTransposeOptions<const AXES: usize> {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Size of the kernel.
    pub kernel_size: Size<AXES>,
    /// Step of the kernel over the output: 1.
    pub stride: Size<AXES>,
    /// Values cut off on each side of the output: 0.
    pub padding: Size<AXES>,
    /// Values more at the end of each axis of the output, fewer than the stride or dilation: 0.
    pub output_padding: Size<AXES>,
    /// Groups of channels that do not see one another: 1.
    pub groups: usize,
    /// Whether to add a bias: yes.
    pub bias: bool,
    /// Distance of the kernel's elements: 1.
    pub dilation: Size<AXES>,
}

impl<const AXES: usize> ConvTransposeOptions<AXES> {
    /// The defaults.
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: impl Into<Size<AXES>>) -> Self {
        ConvTransposeOptions {
            in_channels,
            out_channels,
            kernel_size: kernel_size.into(),
            stride: Size::all(1),
            padding: Size::all(0),
            output_padding: Size::all(0),
            groups: 1,
            bias: true,
            dilation: Size::all(1),
        }
    }

    /// What is printed of a transposed convolution.
    pub(crate) fn text(&self) -> String {
        let shown = |size: Size<AXES>| (size != Size::all(0)).then(|| size.tuple_text());
        let (inputs, outputs, kernel) = (self.in_channels, self.out_channels, self.kernel_size);
        let mut text = text(inputs, outputs, kernel, self.stride, shown(self.padding), self.dilation);
        if let Some(more) = shown(self.output_padding) {
            text += &format!(", output_padding={more}");
        }
        if self.groups != 1 {
            text += &format!(", groups={}", self.groups);
        }
        if !self.bias {
            text += ", bias=False";
        }
        text
    }
}

impl<const AXES: usize> ConvTranspose<AXES> {
    /// With stride 1, nothing cut off and a bias.
    ///
    /// # Panics
    /// See [`ConvTranspose::with`].
    #[track_caller]
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: impl Into<Size<AXES>>) -> Self {
        Self::with(ConvTransposeOptions::new(in_channels, out_channels, kernel_size))
    }

    /// With options.
    ///
    /// # Panics
    /// If the groups do not divide the channels.
    #[track_caller]
    pub fn with(options: ConvTransposeOptions<AXES>) -> Self {
        check_groups(options.in_channels, options.out_channels, options.groups);
        let channels = [options.in_channels, options.out_channels / options.groups];
        let shape = [&channels, &options.kernel_size.to_array()[..]].concat();
        let (weight, bias) = init::affine_with(&shape, options.bias.then_some(options.out_channels));
        ConvTranspose { weight, bias, options, mode: Mode::default() }
    }

    /// How it was made.
    pub fn options(&self) -> &ConvTransposeOptions<AXES> {
        &self.options
    }

    /// The output of the sizes asked for, instead of those that `output_padding` gives (`forward(…, output_size=…)`).
    ///
    /// # Panics
    /// If the stride does not leave these sizes open.
    #[track_caller]
    pub fn forward_to_size(&self, input: &Var, output_size: [usize; AXES]) -> Var {
        let o = &self.options;
        let rank = input.rank();
        if rank < AXES {
            bug!("", "expected at least {AXES} axes, but got input of size: {:?}", input.shape());
        }
        let sizes = &input.shape()[rank - AXES..];
        let [kernel, stride, padding, dilation] = [o.kernel_size, o.stride, o.padding, o.dilation].map(Size::to_array);
        let least: [usize; AXES] = std::array::from_fn(|i| {
            let full = sizes[i].saturating_sub(1) * stride[i] + dilation[i] * kernel[i].saturating_sub(1) + 1;
            full.saturating_sub(2 * padding[i])
        });
        let most: [usize; AXES] = std::array::from_fn(|i| least[i] + stride[i].saturating_sub(1));
        if (0..AXES).any(|i| output_size[i] < least[i] || output_size[i] > most[i]) {
            bug!(
                "",
                "requested an output size of {output_size:?}, but valid sizes range from {least:?} to {most:?} (for an \
                 input of {sizes:?})"
            );
        }
        self.run(input, std::array::from_fn(|i| output_size[i] - least[i]))
    }

    #[track_caller]
    fn run(&self, input: &Var, more: [usize; AXES]) -> Var {
        let o = &self.options;
        let (weight, bias) = (self.weight.var(), self.bias.as_ref().map(Param::var));
        let (bias, groups) = (bias.as_ref(), o.groups);
        let [stride, padding, dilation] = [o.stride, o.padding, o.dilation].map(Size::to_array);
        macro_rules! on {
            ($conv:ident) => {{
                let window = Window {
                    stride: axes(stride),
                    padding: axes(padding),
                    output_padding: axes(more),
                    dilation: axes(dilation),
                    groups,
                };
                input.$conv(&weight, bias, &window)
            }};
        }
        match AXES {
            1 => on!(conv_transpose1d),
            2 => on!(conv_transpose2d),
            3 => on!(conv_transpose3d),
            _ => bug!("conv_transpose", "images have one, two or three axes, not {AXES}"),
        }
    }

    fn name(&self) -> &str {
        class_name(Self::CLASS)
    }

    fn text(&self) -> String {
        self.options.text()
    }
}

#[wengert_nn_derive::module]
impl<const AXES: usize> Module for ConvTranspose<AXES> {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        self.run(input, self.options.output_padding.to_array())
    }
}

impl<const AXES: usize> Rebuild for ConvTranspose<AXES> {
    const CLASS: &'static str = match AXES {
        1 => "torch.nn.modules.conv.ConvTranspose1d",
        2 => "torch.nn.modules.conv.ConvTranspose2d",
        3 => "torch.nn.modules.conv.ConvTranspose3d",
        _ => "wengert.ConvTranspose",
    };
    const PARAMS: &'static [&'static str] = &["weight", "bias"];
    fn config(&self) -> Dict {
        let o = &self.options;
        let twice = o.padding.to_array().into_iter().rev().flat_map(|pad| [pad, pad]);
        [
            ("in_channels", Value::from(o.in_channels)),
            ("out_channels", Value::from(o.out_channels)),
            ("kernel_size", tuple(o.kernel_size.to_array())),
            ("stride", tuple(o.stride.to_array())),
            ("padding", tuple(o.padding.to_array())),
            ("dilation", tuple(o.dilation.to_array())),
            ("transposed", Value::from(true)),
            ("output_padding", tuple(o.output_padding.to_array())),
            ("groups", Value::from(o.groups)),
            ("padding_mode", Value::from("zeros")),
            ("_reversed_padding_repeated_twice", tuple(twice)),
        ]
        .into_iter()
        .collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<Self, SpecError> {
        parts.only("transposed", true)?;
        parts.only("padding_mode", "zeros".to_owned())?;
        let (kernel_size, groups): (Size<AXES>, usize) = (parts.get("kernel_size")?, parts.get("groups")?);
        let (in_channels, out_channels) = rebuilt_channels(parts, groups)?;
        let channels = [in_channels, out_channels / groups];
        let weight = parts.param("weight", &[&channels, &kernel_size.to_array()[..]].concat())?;
        let bias = parts.optional_param("bias", &[out_channels])?;
        let options = ConvTransposeOptions {
            in_channels,
            out_channels,
            kernel_size,
            stride: parts.get("stride")?,
            padding: parts.get("padding")?,
            output_padding: parts.get("output_padding")?,
            groups,
            bias: bias.is_some(),
            dilation: parts.get("dilation")?,
        };
        Ok(ConvTranspose { weight, bias, options, mode: parts.mode() })
    }
}
