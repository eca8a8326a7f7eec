//! Pooling: [`MaxPool2d`], [`AvgPool2d`], [`AdaptiveAvgPool2d`], [`GlobalAvgPool2d`].

use crate::setting::{optional, tuple};
use crate::{Mode, Module, Pair, Parts, Rebuild, SpecError, Tree, Var};
use wengert_tensor::pool::{AvgPool2dOptions as AvgWindow, Pool2dOptions as MaxWindow};
use wengert_tensor::{Dict, Value};

/// The maximum of every window of images (N, C, H, W) or (C, H, W) (`torch.nn.MaxPool2d`).
///
/// # Examples
/// ```
/// use wengert_nn::{MaxPool2d, Module, Var, tensor::Tensor};
/// let pool = MaxPool2d::new(2);
/// assert_eq!(pool.to_string(), "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)");
/// let x = Var::from(Tensor::from_vec(vec![1.0f32, 5.0, 2.0, 3.0], [1, 2, 2]));
/// assert_eq!(pool.forward(&x).value().to_vec::<f32>(), [5.0]);
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
    /// Size of a window.
    pub kernel_size: Pair,
    /// Distance of windows: the kernel size.
    pub stride: Option<Pair>,
    /// Border that counts as minus infinity: 0.
    pub padding: Pair,
    /// Distance of elements within a window: 1.
    pub dilation: Pair,
    /// Whether windows that end outside count: no.
    pub ceil_mode: bool,
}

impl MaxPool2dOptions {
    /// The defaults.
    pub fn new(kernel_size: impl Into<Pair>) -> MaxPool2dOptions {
        MaxPool2dOptions {
            kernel_size: kernel_size.into(),
            stride: None,
            padding: Pair::all(0),
            dilation: Pair::all(1),
            ceil_mode: false,
        }
    }
}

impl MaxPool2d {
    /// Windows side by side.
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
impl Module for MaxPool2d {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        let o = &self.options;
        input.max_pool2d(&MaxWindow {
            kernel: o.kernel_size.to_array(),
            stride: o.stride.map(Pair::to_array),
            padding: o.padding.to_array(),
            dilation: o.dilation.to_array(),
            ceil_mode: o.ceil_mode,
        })
    }
}

/// The mean of every window of images (N, C, H, W) or (C, H, W) (`torch.nn.AvgPool2d`).
///
/// # Examples
/// ```
/// use wengert_nn::AvgPool2d;
/// assert_eq!(AvgPool2d::new((3, 2)).to_string(), "AvgPool2d(kernel_size=(3, 2), stride=(3, 2), padding=0)");
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
    /// Size of a window.
    pub kernel_size: Pair,
    /// Distance of windows: the kernel size.
    pub stride: Option<Pair>,
    /// Border of zeros: 0.
    pub padding: Pair,
    /// Whether windows that end outside count: no.
    pub ceil_mode: bool,
    /// Whether the border counts in the number that sums are divided by: yes.
    pub count_include_pad: bool,
    /// Divides sums by this instead.
    pub divisor_override: Option<i64>,
}

impl AvgPool2dOptions {
    /// The defaults.
    pub fn new(kernel_size: impl Into<Pair>) -> AvgPool2dOptions {
        AvgPool2dOptions {
            kernel_size: kernel_size.into(),
            stride: None,
            padding: Pair::all(0),
            ceil_mode: false,
            count_include_pad: true,
            divisor_override: None,
        }
    }
}

impl AvgPool2d {
    /// Windows side by side.
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
        let o = &self.options;
        let stride = o.stride.unwrap_or(o.kernel_size);
        format!("kernel_size={}, stride={stride}, padding={}", o.kernel_size, o.padding)
    }
}

#[wengert_nn_derive::module]
impl Module for AvgPool2d {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        let o = &self.options;
        input.avg_pool2d(&AvgWindow {
            kernel: o.kernel_size.to_array(),
            stride: o.stride.map(Pair::to_array),
            padding: o.padding.to_array(),
            ceil_mode: o.ceil_mode,
            count_include_pad: o.count_include_pad,
            divisor_override: o.divisor_override,
        })
    }
}

/// Means over as many windows as asked for, whatever the size of the image (`torch.nn.AdaptiveAvgPool2d`).
///
/// # Examples
/// ```
/// use wengert_nn::{AdaptiveAvgPool2d, Module, Var, tensor::{DType, Tensor}};
/// let pool = AdaptiveAvgPool2d::new((1, 2));
/// assert_eq!(pool.to_string(), "AdaptiveAvgPool2d(output_size=(1, 2))");
/// assert_eq!(pool.forward(&Var::from(Tensor::ones([4, 3, 7, 5], DType::F32))).shape(), [4, 3, 1, 2]);
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct AdaptiveAvgPool2d {
    #[tree(skip)]
    output_size: [Option<usize>; 2],
    /// Whether one number was given for both axes, which shows in the text.
    one: bool,
    mode: Mode,
}

impl AdaptiveAvgPool2d {
    /// So many rows and columns of windows.
    pub fn new(output_size: impl Into<Pair>) -> AdaptiveAvgPool2d {
        let size = output_size.into();
        let one = size.one().is_some();
        AdaptiveAvgPool2d { output_size: size.to_array().map(Some), one, mode: Mode::default() }
    }

    /// Rows and columns, of which `None` keeps the image's size.
    pub fn keeping(rows: Option<usize>, columns: Option<usize>) -> AdaptiveAvgPool2d {
        AdaptiveAvgPool2d { output_size: [rows, columns], one: false, mode: Mode::default() }
    }

    fn text(&self) -> String {
        let size = |n: Option<usize>| n.map_or("None".to_owned(), |n| n.to_string());
        let [rows, columns] = self.output_size.map(size);
        if self.one { format!("output_size={rows}") } else { format!("output_size=({rows}, {columns})") }
    }
}

#[wengert_nn_derive::module]
impl Module for AdaptiveAvgPool2d {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.adaptive_avg_pool2d(self.output_size)
    }
}

/// The mean of every plane: (N, C, H, W) to (N, C, 1, 1). The book's layer, which PyTorch writes
/// `AdaptiveAvgPool2d(1)`.
///
/// # Examples
/// ```
/// use wengert_nn::{GlobalAvgPool2d, Module, Var, tensor::{DType, Tensor}};
/// let x = Var::from(Tensor::ones([2, 512, 7, 7], DType::F32));
/// assert_eq!(GlobalAvgPool2d::new().forward(&x).shape(), [2, 512, 1, 1]);
/// ```
#[derive(Tree, Default)]
pub struct GlobalAvgPool2d {
    mode: Mode,
}

impl GlobalAvgPool2d {
    /// There is nothing to choose.
    pub fn new() -> GlobalAvgPool2d {
        GlobalAvgPool2d::default()
    }
}

#[wengert_nn_derive::module]
impl Module for GlobalAvgPool2d {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.adaptive_avg_pool2d([Some(1), Some(1)])
    }
}

impl Rebuild for MaxPool2d {
    const CLASS: &'static str = "torch.nn.modules.pooling.MaxPool2d";
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
    fn rebuild(parts: &mut Parts<'_>) -> Result<MaxPool2d, SpecError> {
        parts.only("return_indices", false)?;
        let options = MaxPool2dOptions {
            kernel_size: parts.get("kernel_size")?,
            stride: parts.get("stride")?,
            padding: parts.get("padding")?,
            dilation: parts.get("dilation")?,
            ceil_mode: parts.get("ceil_mode")?,
        };
        Ok(MaxPool2d { options, mode: parts.mode() })
    }
}

impl Rebuild for AvgPool2d {
    const CLASS: &'static str = "torch.nn.modules.pooling.AvgPool2d";
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
    fn rebuild(parts: &mut Parts<'_>) -> Result<AvgPool2d, SpecError> {
        let options = AvgPool2dOptions {
            kernel_size: parts.get("kernel_size")?,
            stride: parts.get("stride")?,
            padding: parts.get("padding")?,
            ceil_mode: parts.get("ceil_mode")?,
            count_include_pad: parts.get("count_include_pad")?,
            divisor_override: parts.get_or("divisor_override", None)?,
        };
        Ok(AvgPool2d { options, mode: parts.mode() })
    }
}

impl Rebuild for AdaptiveAvgPool2d {
    const CLASS: &'static str = "torch.nn.modules.pooling.AdaptiveAvgPool2d";
    fn config(&self) -> Dict {
        let size = match self.output_size {
            [Some(n), _] if self.one => Value::from(n),
            sizes => tuple(sizes.map(optional)),
        };
        [("output_size", size)].into_iter().collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<AdaptiveAvgPool2d, SpecError> {
        let one = parts.get::<usize>("output_size").ok();
        let output_size = match one {
            Some(n) => [Some(n); 2],
            None => parts.get("output_size")?,
        };
        Ok(AdaptiveAvgPool2d { output_size, one: one.is_some(), mode: parts.mode() })
    }
}

impl Rebuild for GlobalAvgPool2d {
    const CLASS: &'static str = "wengert.GlobalAvgPool2d";
    fn rebuild(parts: &mut Parts<'_>) -> Result<GlobalAvgPool2d, SpecError> {
        Ok(GlobalAvgPool2d { mode: parts.mode() })
    }
}
