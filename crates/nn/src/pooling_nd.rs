//! Pooling of sequences and volumes, adaptive maxima, and pooling by powers.

use crate::setting::{optional, tuple};
use crate::{Mode, Module, Parts, Rebuild, Single, Size, SpecError, Tree, Triple, Var};
use wengert_autograd::{AvgPoolOptions, MaxPoolOptions};
use wengert_tensor::{Dict, Scalar, Value};

/// A class of PyTorch's pooling layers, by the number of axes.
macro_rules! class {
    ($name:literal) => {
        concat!("torch.nn.modules.pooling.", $name)
    };
}

/// Pooling by maxima in one number of axes.
macro_rules! max_pool {
    ($(#[$doc:meta])* $Layer:ident, $Options:ident, $class:literal, $axes:literal, $Sizes:ty, $method:ident) => {
        $(#[$doc])*
        #[derive(Tree)]
        #[tree(extra_repr = Self::text)]
        pub struct $Layer {
            #[tree(skip)]
            options: $Options,
            mode: Mode,
        }

        #[doc = concat!("What [`", stringify!($Layer), "::with`] takes.")]
        #[derive(Clone, Copy, Debug)]
        pub struct $Options {
            /// Size of a window.
            pub kernel_size: $Sizes,
            /// Distance of windows: the kernel size.
            pub stride: Option<$Sizes>,
            /// Border that counts as minus infinity: 0.
            pub padding: $Sizes,
            /// Distance of elements within a window: 1.
            pub dilation: $Sizes,
            /// Whether windows that end outside count: no.
            pub ceil_mode: bool,
        }

        impl $Options {
            /// The defaults.
            pub fn new(kernel_size: impl Into<$Sizes>) -> $Options {
                $Options {
                    kernel_size: kernel_size.into(),
                    stride: None,
                    padding: Size::all(0),
                    dilation: Size::all(1),
                    ceil_mode: false,
                }
            }
        }

        impl $Layer {
            /// Windows side by side.
            pub fn new(kernel_size: impl Into<$Sizes>) -> $Layer {
                $Layer::with($Options::new(kernel_size))
            }

            /// With options.
            pub fn with(options: $Options) -> $Layer {
                $Layer { options, mode: Mode::default() }
            }

            /// Maxima and their positions, which `MaxUnpool` takes.
            #[track_caller]
            pub fn with_indices(&self, input: &Var) -> (Var, crate::Tensor) {
                let o = &self.options;
                input.$method(&MaxPoolOptions {
                    kernel: o.kernel_size.to_array(),
                    stride: o.stride.map(Size::to_array),
                    padding: o.padding.to_array(),
                    dilation: o.dilation.to_array(),
                    ceil_mode: o.ceil_mode,
                })
            }

            fn text(&self) -> String {
                let o = &self.options;
                format!(
                    "kernel_size={}, stride={}, padding={}, dilation={}, ceil_mode={}",
                    o.kernel_size,
                    o.stride.unwrap_or(o.kernel_size),
                    o.padding,
                    o.dilation,
                    Value::from(o.ceil_mode)
                )
            }
        }

        #[wengert_nn_derive::module]
        impl Module for $Layer {
            #[track_caller]
            fn forward(&self, input: &Var) -> Var {
                self.with_indices(input).0
            }
        }

        impl Rebuild for $Layer {
            const CLASS: &'static str = class!($class);
            fn config(&self) -> Dict {
                let o = &self.options;
                [
                    ("kernel_size", Value::from(o.kernel_size)),
                    ("stride", Value::from(o.stride.unwrap_or(o.kernel_size))),
                    ("padding", Value::from(o.padding)),
                    ("dilation", Value::from(o.dilation)),
                    ("return_indices", Value::from(false)),
                    ("ceil_mode", Value::from(o.ceil_mode)),
                ]
                .into_iter()
                .collect()
            }
            fn rebuild(parts: &mut Parts<'_>) -> Result<$Layer, SpecError> {
                parts.only("return_indices", false)?;
                let options = $Options {
                    kernel_size: parts.get("kernel_size")?,
                    stride: parts.get("stride")?,
                    padding: parts.get("padding")?,
                    dilation: parts.get("dilation")?,
                    ceil_mode: parts.get("ceil_mode")?,
                };
                Ok($Layer { options, mode: parts.mode() })
            }
        }
    };
}
max_pool!(
    /// The maximum of every window of sequences (N, C, L) or (C, L) (`torch.nn.MaxPool1d`).
    MaxPool1d, MaxPool1dOptions, "MaxPool1d", 1, Single, max_pool1d
);
max_pool!(
    /// The maximum of every window of volumes (N, C, D, H, W) or (C, D, H, W) (`torch.nn.MaxPool3d`).
    MaxPool3d, MaxPool3dOptions, "MaxPool3d", 3, Triple, max_pool3d
);

/// The mean of every window of sequences (N, C, L) or (C, L) (`torch.nn.AvgPool1d`).
///
/// # Examples
/// ```
/// use wengert_nn::AvgPool1d;
/// assert_eq!(AvgPool1d::new(3).to_string(), "AvgPool1d(kernel_size=(3,), stride=(3,), padding=(0,))");
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct AvgPool1d {
    #[tree(skip)]
    options: AvgPoolOptions<1>,
    mode: Mode,
}

impl AvgPool1d {
    /// Windows side by side.
    pub fn new(kernel_size: usize) -> AvgPool1d {
        AvgPool1d::with(AvgPoolOptions::new([kernel_size]))
    }

    /// With options (`divisor_override` is not PyTorch's here).
    pub fn with(options: AvgPoolOptions<1>) -> AvgPool1d {
        AvgPool1d { options, mode: Mode::default() }
    }

    fn text(&self) -> String {
        let o = &self.options;
        let one = |n: usize| format!("({n},)");
        format!(
            "kernel_size={}, stride={}, padding={}",
            one(o.kernel[0]),
            one(o.stride.unwrap_or(o.kernel)[0]),
            one(o.padding[0])
        )
    }
}

#[wengert_nn_derive::module]
impl Module for AvgPool1d {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.avg_pool1d(&self.options)
    }
}

impl Rebuild for AvgPool1d {
    const CLASS: &'static str = class!("AvgPool1d");
    fn config(&self) -> Dict {
        let o = &self.options;
        [
            ("kernel_size", tuple(o.kernel)),
            ("stride", tuple(o.stride.unwrap_or(o.kernel))),
            ("padding", tuple(o.padding)),
            ("ceil_mode", Value::from(o.ceil_mode)),
            ("count_include_pad", Value::from(o.count_include_pad)),
        ]
        .into_iter()
        .collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<AvgPool1d, SpecError> {
        let size = |parts: &mut Parts<'_>, name: &str| parts.get::<Single>(name).map(Size::to_array);
        let options = AvgPoolOptions {
            stride: Some(size(parts, "stride")?),
            padding: size(parts, "padding")?,
            ceil_mode: parts.get("ceil_mode")?,
            count_include_pad: parts.get("count_include_pad")?,
            ..AvgPoolOptions::new(size(parts, "kernel_size")?)
        };
        Ok(AvgPool1d { options, mode: parts.mode() })
    }
}

/// The mean of every window of volumes (N, C, D, H, W) or (C, D, H, W) (`torch.nn.AvgPool3d`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct AvgPool3d {
    #[tree(skip)]
    options: AvgPool3dOptions,
    mode: Mode,
}

/// What [`AvgPool3d::with`] takes.
#[derive(Clone, Copy, Debug)]
pub struct AvgPool3dOptions {
    /// Size of a window.
    pub kernel_size: Triple,
    /// Distance of windows: the kernel size.
    pub stride: Option<Triple>,
    /// Border of zeros: 0.
    pub padding: Triple,
    /// Whether windows that end outside count: no.
    pub ceil_mode: bool,
    /// Whether the border counts in the number that sums are divided by: yes.
    pub count_include_pad: bool,
    /// Divides sums by this instead.
    pub divisor_override: Option<i64>,
}

impl AvgPool3dOptions {
    /// The defaults.
    pub fn new(kernel_size: impl Into<Triple>) -> AvgPool3dOptions {
        AvgPool3dOptions {
            kernel_size: kernel_size.into(),
            stride: None,
            padding: Size::all(0),
            ceil_mode: false,
            count_include_pad: true,
            divisor_override: None,
        }
    }
}

impl AvgPool3d {
    /// Windows side by side.
    pub fn new(kernel_size: impl Into<Triple>) -> AvgPool3d {
        AvgPool3d::with(AvgPool3dOptions::new(kernel_size))
    }

    /// With options.
    pub fn with(options: AvgPool3dOptions) -> AvgPool3d {
        AvgPool3d { options, mode: Mode::default() }
    }

    fn text(&self) -> String {
        let o = &self.options;
        format!("kernel_size={}, stride={}, padding={}", o.kernel_size, o.stride.unwrap_or(o.kernel_size), o.padding)
    }
}

#[wengert_nn_derive::module]
impl Module for AvgPool3d {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        let o = &self.options;
        input.avg_pool3d(&AvgPoolOptions {
            kernel: o.kernel_size.to_array(),
            stride: o.stride.map(Size::to_array),
            padding: o.padding.to_array(),
            ceil_mode: o.ceil_mode,
            count_include_pad: o.count_include_pad,
            divisor_override: o.divisor_override,
        })
    }
}

impl Rebuild for AvgPool3d {
    const CLASS: &'static str = class!("AvgPool3d");
    fn config(&self) -> Dict {
        let o = &self.options;
        [
            ("kernel_size", Value::from(o.kernel_size)),
            ("stride", Value::from(o.stride.unwrap_or(o.kernel_size))),
            ("padding", Value::from(o.padding)),
            ("ceil_mode", Value::from(o.ceil_mode)),
            ("count_include_pad", Value::from(o.count_include_pad)),
            ("divisor_override", optional(o.divisor_override)),
        ]
        .into_iter()
        .collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<AvgPool3d, SpecError> {
        let options = AvgPool3dOptions {
            kernel_size: parts.get("kernel_size")?,
            stride: parts.get("stride")?,
            padding: parts.get("padding")?,
            ceil_mode: parts.get("ceil_mode")?,
            count_include_pad: parts.get("count_include_pad")?,
            divisor_override: parts.get_or("divisor_override", None)?,
        };
        Ok(AvgPool3d { options, mode: parts.mode() })
    }
}

/// Pooling to a size asked for, in one number of axes.
macro_rules! adaptive {
    ($(#[$doc:meta])* $Layer:ident, $class:literal, $axes:literal, |$x:ident, $size:ident| $run:expr $(, indices $indices:literal)?) => {
        $(#[$doc])*
        #[derive(Tree)]
        #[tree(extra_repr = Self::text)]
        pub struct $Layer {
            #[tree(skip)]
            output_size: [Option<usize>; $axes],
            /// Whether one number was given for all axes, which shows in the text.
            one: bool,
            mode: Mode,
        }

        impl $Layer {
            /// So many windows along each axis.
            pub fn new(output_size: impl Into<Size<$axes>>) -> $Layer {
                let size = output_size.into();
                let one = size.one().is_some();
                $Layer { output_size: size.to_array().map(Some), one, mode: Mode::default() }
            }

            /// So many windows along each axis, of which `None` keeps the input's size.
            pub fn keeping(output_size: [Option<usize>; $axes]) -> $Layer {
                $Layer { output_size, one: false, mode: Mode::default() }
            }

            fn text(&self) -> String {
                match self.output_size[0] {
                    Some(size) if self.one => format!("output_size={size}"),
                    _ => format!("output_size={}", tuple(self.output_size.map(optional))),
                }
            }
        }

        #[wengert_nn_derive::module]
        impl Module for $Layer {
            #[track_caller]
            fn forward(&self, input: &Var) -> Var {
                let ($x, $size) = (input, self.output_size);
                $run
            }
        }

        impl Rebuild for $Layer {
            const CLASS: &'static str = class!($class);
            fn config(&self) -> Dict {
                let size = match self.output_size[0] {
                    Some(n) if self.one => Value::from(n),
                    _ => tuple(self.output_size.map(optional)),
                };
                let config: Dict = [("output_size", size)].into_iter().collect();
                $(let mut config = config; config.insert("return_indices", Value::from($indices));)?
                config
            }
            fn rebuild(parts: &mut Parts<'_>) -> Result<$Layer, SpecError> {
                $(parts.only("return_indices", $indices)?;)?
                let one = parts.get::<usize>("output_size").ok();
                let output_size = match one {
                    Some(n) => [Some(n); $axes],
                    None => parts.get("output_size")?,
                };
                Ok($Layer { output_size, one: one.is_some(), mode: parts.mode() })
            }
        }
    };
}
adaptive!(
    /// Means over as many windows as asked for of sequences (N, C, L) or (C, L) (`torch.nn.AdaptiveAvgPool1d`).
    AdaptiveAvgPool1d, "AdaptiveAvgPool1d", 1, |x, size| x.adaptive_avg_pool1d(size[0].unwrap_or(x.size(-1)))
);
adaptive!(
    /// Means over as many windows as asked for of volumes (`torch.nn.AdaptiveAvgPool3d`).
    AdaptiveAvgPool3d, "AdaptiveAvgPool3d", 3, |x, size| x.adaptive_avg_pool3d(size)
);
adaptive!(
    /// Maxima of as many windows as asked for of sequences (N, C, L) or (C, L) (`torch.nn.AdaptiveMaxPool1d`).
    AdaptiveMaxPool1d, "AdaptiveMaxPool1d", 1, |x, size| x.adaptive_max_pool(size).0, indices false
);
adaptive!(
    /// Maxima of as many windows as asked for of images (`torch.nn.AdaptiveMaxPool2d`).
    AdaptiveMaxPool2d, "AdaptiveMaxPool2d", 2, |x, size| x.adaptive_max_pool(size).0, indices false
);
adaptive!(
    /// Maxima of as many windows as asked for of volumes (`torch.nn.AdaptiveMaxPool3d`).
    AdaptiveMaxPool3d, "AdaptiveMaxPool3d", 3, |x, size| x.adaptive_max_pool(size).0, indices false
);

/// Pooling by powers in one number of axes.
macro_rules! lp_pool {
    ($(#[$doc:meta])* $Layer:ident, $class:literal, $axes:literal) => {
        $(#[$doc])*
        #[derive(Tree)]
        #[tree(extra_repr = Self::text)]
        pub struct $Layer {
            norm_type: Scalar,
            #[tree(skip)]
            kernel_size: Size<$axes>,
            #[tree(skip)]
            stride: Option<Size<$axes>>,
            ceil_mode: bool,
            mode: Mode,
        }

        impl $Layer {
            /// `(Σ xᵖ)^(1/p)` over windows side by side.
            pub fn new(norm_type: impl Into<Scalar>, kernel_size: impl Into<Size<$axes>>) -> $Layer {
                $Layer::with(norm_type, kernel_size, None, false)
            }

            /// With a stride, and windows that end outside or not.
            pub fn with(
                norm_type: impl Into<Scalar>,
                kernel_size: impl Into<Size<$axes>>,
                stride: Option<Size<$axes>>,
                ceil_mode: bool,
            ) -> $Layer {
                $Layer {
                    norm_type: norm_type.into(),
                    kernel_size: kernel_size.into(),
                    stride,
                    ceil_mode,
                    mode: Mode::default(),
                }
            }

            fn text(&self) -> String {
                let stride = self.stride.map_or("None".to_owned(), |stride| stride.to_string());
                format!(
                    "norm_type={}, kernel_size={}, stride={stride}, ceil_mode={}",
                    Value::from(self.norm_type),
                    self.kernel_size,
                    Value::from(self.ceil_mode)
                )
            }
        }

        #[wengert_nn_derive::module]
        impl Module for $Layer {
            #[track_caller]
            fn forward(&self, input: &Var) -> Var {
                let stride = self.stride.map(Size::to_array);
                input.lp_pool(self.norm_type.to_f64(), self.kernel_size.to_array(), stride, self.ceil_mode)
            }
        }

        impl Rebuild for $Layer {
            const CLASS: &'static str = class!($class);
            fn config(&self) -> Dict {
                [
                    ("norm_type", Value::from(self.norm_type)),
                    ("kernel_size", Value::from(self.kernel_size)),
                    ("stride", self.stride.map_or(Value::None, Value::from)),
                    ("ceil_mode", Value::from(self.ceil_mode)),
                ]
                .into_iter()
                .collect()
            }
            fn rebuild(parts: &mut Parts<'_>) -> Result<$Layer, SpecError> {
                Ok($Layer {
                    norm_type: parts.get("norm_type")?,
                    kernel_size: parts.get("kernel_size")?,
                    stride: parts.get("stride")?,
                    ceil_mode: parts.get("ceil_mode")?,
                    mode: parts.mode(),
                })
            }
        }
    };
}
lp_pool!(
    /// Sums of powers over windows of sequences (`torch.nn.LPPool1d`).
    LPPool1d, "LPPool1d", 1
);
lp_pool!(
    /// Sums of powers over windows of images (`torch.nn.LPPool2d`).
    LPPool2d, "LPPool2d", 2
);
lp_pool!(
    /// Sums of powers over windows of volumes (`torch.nn.LPPool3d`).
    LPPool3d, "LPPool3d", 3
);
