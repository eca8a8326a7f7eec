//! Pooling layers over images.

use crate::{Mode, Module, Pair, Tree, Var};
use wengert_tensor::pool as kernels;
use wengert_tensor::{Value, bug};

/// The largest value under a moving window (`torch.nn.MaxPool2d`): (N, C, H, W) to (N, C, H', W'), or without N.
///
/// # Examples
/// ```
/// use wengert_nn::{MaxPool2d, MaxPool2dOptions};
/// let pool = MaxPool2d::with(MaxPool2dOptions { stride: Some(2.into()), padding: 1.into(), ..MaxPool2dOptions::new(3) });
/// assert_eq!(pool.to_string(), "MaxPool2d(kernel_size=3, stride=2, padding=1, dilation=1, ceil_mode=False)");
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct MaxPool2d {
    #[tree(skip)]
    options: MaxPool2dOptions,
    mode: Mode,
}

/// What [`MaxPool2d::with`] takes.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool2dOptions {
    /// Size of the window.
    pub kernel_size: Pair,
    /// Step of the window: its size.
    pub stride: Option<Pair>,
    /// Padding on each side, which never is the largest: 0.
    pub padding: Pair,
    /// Distance of the window's elements: 1.
    pub dilation: Pair,
    /// Whether a window may hang over the end: no.
    pub ceil_mode: bool,
}

impl MaxPool2dOptions {
    /// The defaults.
    pub fn new(kernel_size: impl Into<Pair>) -> MaxPool2dOptions {
        MaxPool2dOptions {
            kernel_size: kernel_size.into(),
            stride: None,
            padding: Pair::Both(0),
            dilation: Pair::Both(1),
            ceil_mode: false,
        }
    }
}

impl MaxPool2d {
    /// With a stride of the window's size and no padding.
    pub fn new(kernel_size: impl Into<Pair>) -> MaxPool2d {
        MaxPool2d::with(MaxPool2dOptions::new(kernel_size))
    }

    /// With options.
    pub fn with(options: MaxPool2dOptions) -> MaxPool2d {
        MaxPool2d { options, mode: Mode::default() }
    }

    /// How it was made.
    pub fn options(&self) -> &MaxPool2dOptions {
        &self.options
    }

    fn text(&self) -> String {
        let MaxPool2dOptions { kernel_size, stride, padding, dilation, ceil_mode } = self.options;
        let (stride, ceil_mode) = (stride.unwrap_or(kernel_size), Value::from(ceil_mode));
        format!(
            "kernel_size={kernel_size}, stride={stride}, padding={padding}, dilation={dilation}, ceil_mode={ceil_mode}"
        )
    }
}

impl Module for MaxPool2d {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        let options = &self.options;
        input.max_pool2d(&kernels::Pool2dOptions {
            kernel: options.kernel_size.to_array(),
            stride: options.stride.unwrap_or(options.kernel_size).to_array(),
            padding: options.padding.to_array(),
            dilation: options.dilation.to_array(),
            ceil_mode: options.ceil_mode,
        })
    }
}

/// The mean under a moving window (`torch.nn.AvgPool2d`): (N, C, H, W) to (N, C, H', W'), or without N.
///
/// # Examples
/// ```
/// use wengert_nn::AvgPool2d;
/// assert_eq!(AvgPool2d::new((2, 3)).to_string(), "AvgPool2d(kernel_size=(2, 3), stride=(2, 3), padding=0)");
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct AvgPool2d {
    #[tree(skip)]
    options: AvgPool2dOptions,
    mode: Mode,
}

/// What [`AvgPool2d::with`] takes.
#[derive(Clone, Copy, Debug)]
pub struct AvgPool2dOptions {
    /// Size of the window.
    pub kernel_size: Pair,
    /// Step of the window: its size.
    pub stride: Option<Pair>,
    /// Zeros on each side: 0.
    pub padding: Pair,
    /// Whether a window may hang over the end: no.
    pub ceil_mode: bool,
    /// Whether the padding counts in the mean: yes.
    pub count_include_pad: bool,
    /// What to divide by instead of the number of elements.
    pub divisor_override: Option<usize>,
}

impl AvgPool2dOptions {
    /// The defaults.
    pub fn new(kernel_size: impl Into<Pair>) -> AvgPool2dOptions {
        AvgPool2dOptions {
            kernel_size: kernel_size.into(),
            stride: None,
            padding: Pair::Both(0),
            ceil_mode: false,
            count_include_pad: true,
            divisor_override: None,
        }
    }
}

impl AvgPool2d {
    /// With a stride of the window's size and no padding.
    pub fn new(kernel_size: impl Into<Pair>) -> AvgPool2d {
        AvgPool2d::with(AvgPool2dOptions::new(kernel_size))
    }

    /// With options.
    pub fn with(options: AvgPool2dOptions) -> AvgPool2d {
        AvgPool2d { options, mode: Mode::default() }
    }

    /// How it was made.
    pub fn options(&self) -> &AvgPool2dOptions {
        &self.options
    }

    fn text(&self) -> String {
        let AvgPool2dOptions { kernel_size, stride, padding, .. } = self.options;
        format!("kernel_size={kernel_size}, stride={}, padding={padding}", stride.unwrap_or(kernel_size))
    }
}

impl Module for AvgPool2d {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        let options = &self.options;
        input.avg_pool2d(&kernels::AvgPool2dOptions {
            kernel: options.kernel_size.to_array(),
            stride: options.stride.unwrap_or(options.kernel_size).to_array(),
            padding: options.padding.to_array(),
            ceil_mode: options.ceil_mode,
            count_include_pad: options.count_include_pad,
            divisor_override: options.divisor_override,
        })
    }
}

/// The means over a grid of so many windows as there shall be outputs (`torch.nn.AdaptiveAvgPool2d`).
///
/// # Examples
/// ```
/// use wengert_nn::AdaptiveAvgPool2d;
/// assert_eq!(AdaptiveAvgPool2d::new((1, 1)).to_string(), "AdaptiveAvgPool2d(output_size=(1, 1))");
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct AdaptiveAvgPool2d {
    #[tree(skip)]
    output_size: Pair,
    mode: Mode,
}

impl AdaptiveAvgPool2d {
    /// To images of that size.
    pub fn new(output_size: impl Into<Pair>) -> AdaptiveAvgPool2d {
        AdaptiveAvgPool2d { output_size: output_size.into(), mode: Mode::default() }
    }

    fn text(&self) -> String {
        format!("output_size={}", self.output_size)
    }
}

impl Module for AdaptiveAvgPool2d {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.adaptive_avg_pool2d(self.output_size.to_array())
    }
}

/// The mean of each whole feature map: (N, C, H, W) to (N, C, 1, 1). The book's layer; PyTorch itself has
/// `AdaptiveAvgPool2d(1)`.
#[derive(Default, Tree)]
pub struct GlobalAvgPool2d {
    mode: Mode,
}

impl GlobalAvgPool2d {
    /// The layer.
    pub fn new() -> GlobalAvgPool2d {
        GlobalAvgPool2d::default()
    }
}

impl Module for GlobalAvgPool2d {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        if input.shape().len() < 2 {
            bug!("GlobalAvgPool2d", "expected an input of 2 or more dimensions, but got shape {:?}", input.shape());
        }
        input.adaptive_avg_pool2d([1, 1])
    }
}
