//! Layers that rearrange or resample: [`PixelShuffle`], [`PixelUnshuffle`], [`ChannelShuffle`], [`Upsample`], [`Unfold`], [`Fold`],
//! and the inverses of pooling by maxima.

use crate::conv::class_name;
use crate::setting::{optional, tuple};
use crate::{Mode, Module, Pair, Parts, Rebuild, Size, Sizes, SpecError, Tree, Var};
use wengert_autograd::{Align, OutputSize, Resample};
use wengert_tensor::{Conv2dOptions, Dict, Tensor, Value, bug};

/// A layer of one number, by which a method of `Var` goes.
macro_rules! by_number {
    ($(#[$doc:meta])* $Layer:ident, $class:literal, $name:literal, $method:ident) => {
        $(#[$doc])*
        #[derive(Tree)]
        #[tree(extra_repr = Self::text)]
        pub struct $Layer {
            number: usize,
            mode: Mode,
        }

        impl $Layer {
            #[doc = concat!("With PyTorch's `", $name, "`.")]
            pub fn new(number: usize) -> $Layer {
                $Layer { number, mode: Mode::default() }
            }

            fn text(&self) -> String {
                format!(concat!($name, "={}"), self.number)
            }
        }

        #[wengert_nn_derive::module]
        impl Module for $Layer {
            #[track_caller]
            fn forward(&self, input: &Var) -> Var {
                input.$method(self.number)
            }
        }

        impl Rebuild for $Layer {
            const CLASS: &'static str = $class;
            fn config(&self) -> Dict {
                [($name, self.number)].into_iter().collect()
            }
            fn rebuild(parts: &mut Parts<'_>) -> Result<$Layer, SpecError> {
                Ok($Layer { number: parts.get($name)?, mode: parts.mode() })
            }
        }
    };
}
by_number!(
    /// Channels to pixels: (…, C·r², H, W) to (…, C, H·r, W·r) (`torch.nn.PixelShuffle`).
    ///
    /// # Examples
    /// ```
    /// use wengert_nn::PixelShuffle;
    /// assert_eq!(PixelShuffle::new(3).to_string(), "PixelShuffle(upscale_factor=3)");
    /// ```
    PixelShuffle, "torch.nn.modules.pixelshuffle.PixelShuffle", "upscale_factor", pixel_shuffle
);
by_number!(
    /// Pixels to channels: the inverse of [`PixelShuffle`] (`torch.nn.PixelUnshuffle`).
    PixelUnshuffle, "torch.nn.modules.pixelshuffle.PixelUnshuffle", "downscale_factor", pixel_unshuffle
);

/// Deals the channels of groups out in turn (`torch.nn.ChannelShuffle`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct ChannelShuffle {
    groups: usize,
    mode: Mode,
}

impl ChannelShuffle {
    /// With so many groups.
    pub fn new(groups: usize) -> ChannelShuffle {
        ChannelShuffle { groups, mode: Mode::default() }
    }

    fn text(&self) -> String {
        format!("groups={}", self.groups)
    }
}

#[wengert_nn_derive::module]
impl Module for ChannelShuffle {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.channel_shuffle(self.groups)
    }
}

impl Rebuild for ChannelShuffle {
    const CLASS: &'static str = "torch.nn.modules.channelshuffle.ChannelShuffle";
    fn config(&self) -> Dict {
        [("groups", self.groups)].into_iter().collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<ChannelShuffle, SpecError> {
        Ok(ChannelShuffle { groups: parts.get("groups")?, mode: parts.mode() })
    }
}

/// Sequences, images or volumes at another size (`torch.nn.Upsample`).
///
/// # Examples
/// ```
/// use wengert_nn::{Module, Upsample, Var, tensor::{DType, Tensor}};
/// let layer = Upsample::scale(2.0, "bilinear");
/// assert_eq!(layer.to_string(), "Upsample(scale_factor=2.0, mode='bilinear')");
/// assert_eq!(layer.forward(&Var::from(Tensor::ones([1, 3, 4, 5], DType::F32))).shape(), [1, 3, 8, 10]);
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Upsample {
    size: Option<Vec<usize>>,
    scale_factor: Option<f64>,
    mode_name: String,
    align_corners: Option<bool>,
    mode: Mode,
}

impl Upsample {
    /// To a size; `mode` is `nearest`, `linear`, `bilinear`, `bicubic` or `trilinear`.
    ///
    /// # Panics
    /// If the mode is another.
    #[track_caller]
    pub fn size(size: impl Sizes, mode: &str) -> Upsample {
        Upsample::with(Some(size.into_sizes()), None, mode, None)
    }

    /// By a factor; modes as for [`Upsample::size`].
    ///
    /// # Panics
    /// If the mode is another.
    #[track_caller]
    pub fn scale(factor: f64, mode: &str) -> Upsample {
        Upsample::with(None, Some(factor), mode, None)
    }

    /// With a size or a factor, and whether the corners' centres stay where they are.
    ///
    /// # Panics
    /// If the mode is unknown, or there are both or neither of size and factor.
    #[track_caller]
    pub fn with(
        size: Option<Vec<usize>>,
        scale_factor: Option<f64>,
        mode: &str,
        align_corners: Option<bool>,
    ) -> Upsample {
        resample(mode).unwrap_or_else(|| {
            bug!(
                "",
                "Upsample: mode '{mode}' is not one of nearest, linear, bilinear, bicubic, trilinear, nearest-exact"
            )
        });
        if size.is_some() == scale_factor.is_some() {
            bug!("", "only one of size or scale_factor should be defined");
        }
        Upsample { size, scale_factor, mode_name: mode.to_owned(), align_corners, mode: Mode::default() }
    }

    fn text(&self) -> String {
        let to = match (&self.size, self.scale_factor) {
            (Some(size), _) => format!("size={}", sizes(size)),
            (None, factor) => format!("scale_factor={}", Value::from(factor.unwrap_or(1.0))),
        };
        format!("{to}, mode='{}'", self.mode_name)
    }
}

/// One size as a number, several as a tuple.
fn sizes(size: &[usize]) -> Value {
    match size {
        [one] => Value::from(*one),
        _ => tuple(size.iter().copied()),
    }
}

fn resample(mode: &str) -> Option<Resample> {
    Some(match mode {
        "nearest" => Resample::Nearest,
        "nearest-exact" => Resample::NearestExact,
        "linear" | "bilinear" | "trilinear" => Resample::Linear,
        "bicubic" => Resample::Bicubic,
        _ => return None,
    })
}

#[wengert_nn_derive::module]
impl Module for Upsample {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        let size = match (&self.size, self.scale_factor) {
            (Some(size), _) => OutputSize::Size(size.clone()),
            (None, factor) => OutputSize::Scale(vec![factor.unwrap_or(1.0)]),
        };
        let needs = match self.mode_name.as_str() {
            "linear" => Some(3),
            "bilinear" | "bicubic" => Some(4),
            "trilinear" => Some(5),
            _ => None,
        };
        let (rank, mode) = (input.rank(), &self.mode_name);
        if let Some(needs) = needs.filter(|&needs| needs != rank) {
            bug!("", "Got {rank}D input, but {mode} mode needs {needs}D input");
        }
        let align = if self.align_corners == Some(true) { Align::Corners } else { Align::Edges };
        input.interpolate(&size, resample(&self.mode_name).expect("checked when it was made"), align)
    }
}

impl Rebuild for Upsample {
    const CLASS: &'static str = "torch.nn.modules.upsampling.Upsample";
    fn config(&self) -> Dict {
        [
            ("name", Value::from("Upsample")),
            ("size", self.size.as_ref().map_or(Value::None, |size| sizes(size))),
            ("scale_factor", optional(self.scale_factor)),
            ("mode", Value::from(self.mode_name.as_str())),
            ("align_corners", optional(self.align_corners)),
            ("recompute_scale_factor", Value::None),
        ]
        .into_iter()
        .collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<Upsample, SpecError> {
        let size = match parts.get::<usize>("size") {
            Ok(one) => Some(vec![one]),
            Err(_) => parts.get::<Option<Vec<usize>>>("size")?,
        };
        let mode_name: String = parts.get("mode")?;
        if resample(&mode_name).is_none() {
            return parts.invalid(format!("mode '{mode_name}' is not supported"));
        }
        Ok(Upsample {
            size,
            scale_factor: parts.get("scale_factor")?,
            mode_name,
            align_corners: parts.get_or("align_corners", None)?,
            mode: parts.mode(),
        })
    }
}

/// An [`Upsample`] of images with a name and a mode of its own, row by row.
macro_rules! upsampling {
    ($($(#[$doc:meta])* $Layer:ident, $mode:literal, $align:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Tree)]
        #[tree(extra_repr = Self::text)]
        pub struct $Layer {
            #[tree(flatten)]
            layer: Upsample,
        }

        impl $Layer {
            /// To a size.
            pub fn size(size: impl Into<Pair>) -> $Layer {
                $Layer { layer: Upsample::with(Some(size.into().to_array().to_vec()), None, $mode, $align) }
            }

            /// By a factor.
            pub fn scale(factor: f64) -> $Layer {
                $Layer { layer: Upsample::with(None, Some(factor), $mode, $align) }
            }

            fn text(&self) -> String {
                self.layer.text()
            }
        }

        #[wengert_nn_derive::module]
        impl Module for $Layer {
            #[track_caller]
            fn forward(&self, input: &Var) -> Var {
                self.layer.forward(input)
            }
        }

        impl Rebuild for $Layer {
            const CLASS: &'static str = concat!("torch.nn.modules.upsampling.", stringify!($Layer));
            fn config(&self) -> Dict {
                let mut config = self.layer.config();
                config.insert("name", Value::from(stringify!($Layer)));
                config
            }
            fn rebuild(parts: &mut Parts<'_>) -> Result<$Layer, SpecError> {
                Ok($Layer { layer: Upsample::rebuild(parts)? })
            }
        }
    )*};
}
upsampling! {
    /// Images at another size, each pixel repeated (`torch.nn.UpsamplingNearest2d`).
    UpsamplingNearest2d, "nearest", None;
    /// Images at another size, between pixels whose corners stay where they are (`torch.nn.UpsamplingBilinear2d`).
    UpsamplingBilinear2d, "bilinear", Some(true);
}

/// What [`Unfold`] and [`Fold`] move over an image.
#[derive(Clone, Copy, Debug)]
pub struct FoldOptions {
    /// Size of a patch.
    pub kernel_size: Pair,
    /// Distance of elements within a patch: 1.
    pub dilation: Pair,
    /// Border of zeros: 0.
    pub padding: Pair,
    /// Distance of patches: 1.
    pub stride: Pair,
}

impl FoldOptions {
    /// The defaults.
    pub fn new(kernel_size: impl Into<Pair>) -> FoldOptions {
        FoldOptions {
            kernel_size: kernel_size.into(),
            dilation: Size::all(1),
            padding: Size::all(0),
            stride: Size::all(1),
        }
    }

    fn window(&self) -> Conv2dOptions {
        Conv2dOptions {
            stride: self.stride.to_array(),
            padding: self.padding.to_array(),
            dilation: self.dilation.to_array(),
            groups: 1,
        }
    }

    fn text(&self) -> String {
        format!(
            "kernel_size={}, dilation={}, padding={}, stride={}",
            self.kernel_size, self.dilation, self.padding, self.stride
        )
    }

    fn config(&self) -> [(&'static str, Value); 4] {
        [
            ("kernel_size", Value::from(self.kernel_size)),
            ("dilation", Value::from(self.dilation)),
            ("padding", Value::from(self.padding)),
            ("stride", Value::from(self.stride)),
        ]
    }

    fn rebuild(parts: &mut Parts<'_>) -> Result<FoldOptions, SpecError> {
        Ok(FoldOptions {
            kernel_size: parts.get("kernel_size")?,
            dilation: parts.get("dilation")?,
            padding: parts.get("padding")?,
            stride: parts.get("stride")?,
        })
    }
}

/// The patches of images as columns: (N, C, H, W) to (N, C·kh·kw, L) (`torch.nn.Unfold`).
///
/// # Examples
/// ```
/// use wengert_nn::{FoldOptions, Unfold};
/// assert_eq!(Unfold::new(FoldOptions::new(3)).to_string(), "Unfold(kernel_size=3, dilation=1, padding=0, stride=1)");
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Unfold {
    #[tree(skip)]
    options: FoldOptions,
    mode: Mode,
}

impl Unfold {
    /// The layer.
    pub fn new(options: FoldOptions) -> Unfold {
        Unfold { options, mode: Mode::default() }
    }

    fn text(&self) -> String {
        self.options.text()
    }
}

#[wengert_nn_derive::module]
impl Module for Unfold {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.im2col(self.options.kernel_size.to_array(), &self.options.window())
    }
}

impl Rebuild for Unfold {
    const CLASS: &'static str = "torch.nn.modules.fold.Unfold";
    fn config(&self) -> Dict {
        self.options.config().into_iter().collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<Unfold, SpecError> {
        Ok(Unfold { options: FoldOptions::rebuild(parts)?, mode: parts.mode() })
    }
}

/// Columns put back as patches of images and summed: (N, C·kh·kw, L) to (N, C, H, W) (`torch.nn.Fold`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Fold {
    #[tree(skip)]
    output_size: Pair,
    #[tree(skip)]
    options: FoldOptions,
    mode: Mode,
}

impl Fold {
    /// To images of that size.
    pub fn new(output_size: impl Into<Pair>, options: FoldOptions) -> Fold {
        Fold { output_size: output_size.into(), options, mode: Mode::default() }
    }

    fn text(&self) -> String {
        format!("output_size={}, {}", self.output_size, self.options.text())
    }
}

#[wengert_nn_derive::module]
impl Module for Fold {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.col2im(self.output_size.to_array(), self.options.kernel_size.to_array(), &self.options.window())
    }
}

impl Rebuild for Fold {
    const CLASS: &'static str = "torch.nn.modules.fold.Fold";
    fn config(&self) -> Dict {
        [("output_size", Value::from(self.output_size))].into_iter().chain(self.options.config()).collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<Fold, SpecError> {
        Ok(Fold { output_size: parts.get("output_size")?, options: FoldOptions::rebuild(parts)?, mode: parts.mode() })
    }
}

/// Puts maxima back at their positions among zeros (`torch.nn.MaxUnpool1d`, `2d`, `3d`).
#[derive(Tree)]
#[tree(name = Self::name, extra_repr = Self::text)]
pub struct MaxUnpool<const N: usize> {
    #[tree(skip)]
    kernel_size: Size<N>,
    #[tree(skip)]
    stride: Size<N>,
    #[tree(skip)]
    padding: Size<N>,
    mode: Mode,
}

impl<const N: usize> MaxUnpool<N> {
    /// For windows side by side.
    pub fn new(kernel_size: impl Into<Size<N>>) -> MaxUnpool<N> {
        let kernel_size = kernel_size.into();
        MaxUnpool::with(kernel_size, kernel_size, 0)
    }

    /// For windows with a stride and a border.
    pub fn with(
        kernel_size: impl Into<Size<N>>,
        stride: impl Into<Size<N>>,
        padding: impl Into<Size<N>>,
    ) -> MaxUnpool<N> {
        MaxUnpool {
            kernel_size: kernel_size.into(),
            stride: stride.into(),
            padding: padding.into(),
            mode: Mode::default(),
        }
    }

    /// The maxima at the positions that pooling gave, in an image of the size that it must have had, or of the one given.
    ///
    /// # Panics
    /// If shapes do not fit or a position is outside.
    #[track_caller]
    pub fn unpool(&self, input: &Var, indices: &Tensor, output_size: Option<[usize; N]>) -> Var {
        let lens = &input.shape()[input.rank().saturating_sub(N)..];
        let size = output_size.unwrap_or_else(|| {
            let [kernel, stride, padding] = [self.kernel_size, self.stride, self.padding].map(Size::to_array);
            std::array::from_fn(|i| ((lens[i] - 1) * stride[i] + kernel[i]).saturating_sub(2 * padding[i]))
        });
        input.max_unpool(indices, size)
    }

    fn name(&self) -> &'static str {
        class_name(Self::CLASS)
    }

    /// The configuration, in which PyTorch writes out every axis.
    fn settings(&self) -> [(&'static str, Value); 3] {
        [("kernel_size", self.kernel_size), ("stride", self.stride), ("padding", self.padding)]
            .map(|(name, size)| (name, tuple(size.to_array())))
    }

    fn text(&self) -> String {
        self.settings().map(|(name, value)| format!("{name}={value}")).join(", ")
    }
}

#[wengert_nn_derive::module]
impl<const N: usize> Module for MaxUnpool<N> {}

impl<const N: usize> Rebuild for MaxUnpool<N> {
    const CLASS: &'static str = match N {
        1 => "torch.nn.modules.pooling.MaxUnpool1d",
        2 => "torch.nn.modules.pooling.MaxUnpool2d",
        3 => "torch.nn.modules.pooling.MaxUnpool3d",
        _ => "wengert.MaxUnpool",
    };
    fn config(&self) -> Dict {
        self.settings().into_iter().collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<Self, SpecError> {
        Ok(MaxUnpool {
            kernel_size: parts.get("kernel_size")?,
            stride: parts.get("stride")?,
            padding: parts.get("padding")?,
            mode: parts.mode(),
        })
    }
}

/// The inverse of pooling sequences.
pub type MaxUnpool1d = MaxUnpool<1>;
/// The inverse of pooling images.
pub type MaxUnpool2d = MaxUnpool<2>;
/// The inverse of pooling volumes.
pub type MaxUnpool3d = MaxUnpool<3>;
