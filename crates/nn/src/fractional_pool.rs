//! Pooling of windows at random places: [`FractionalMaxPool2d`], [`FractionalMaxPool3d`].

use crate::conv::class_name;
use crate::setting::tuple;
use crate::{Buffer, Mode, Module, Parts, Rebuild, Size, SpecError, Tensor, Tree, Var};
use wengert_tensor::{Dict, Value, bug};

/// Fractional pooling of images (N, C, H, W) or (C, H, W) (`torch.nn.FractionalMaxPool2d`).
pub type FractionalMaxPool2d = FractionalMaxPool<2>;
/// Fractional pooling of volumes (N, C, D, H, W) or (C, D, H, W) (`torch.nn.FractionalMaxPool3d`).
pub type FractionalMaxPool3d = FractionalMaxPool<3>;

/// Maxima of overlapping windows whose places are drawn in each pass (Graham, *Fractional Max-Pooling*, 2014).
///
/// # Examples
/// ```
/// use wengert_nn::{FractionalMaxPool2d, Module, Var, tensor::{DType, Tensor}};
/// let x = Var::from(Tensor::ones([1, 3, 8, 10], DType::F32));
/// assert_eq!(FractionalMaxPool2d::size(2, (5, 7)).forward(&x).shape(), [1, 3, 5, 7]);
/// assert_eq!(FractionalMaxPool2d::ratio(2, [0.5, 0.7]).forward(&x).shape(), [1, 3, 4, 7]);
/// ```
#[derive(Tree)]
#[tree(name = Self::name)]
pub struct FractionalMaxPool<const AXES: usize> {
    /// Numbers between 0 and 1, (N, C, axes), that stand for the draws: none.
    #[tree(rename = "_random_samples")]
    pub random_samples: Option<Buffer>,
    #[tree(skip)]
    kernel_size: Size<AXES>,
    #[tree(skip)]
    output: Output<AXES>,
    mode: Mode,
}

/// What says how large the output is.
#[derive(Clone, Copy)]
enum Output<const AXES: usize> {
    Size([usize; AXES]),
    Ratio([f64; AXES]),
}

impl<const AXES: usize> FractionalMaxPool<AXES> {
    /// To a size.
    pub fn size(kernel_size: impl Into<Size<AXES>>, output_size: impl Into<Size<AXES>>) -> Self {
        Self::make(kernel_size.into(), Output::Size(output_size.into().to_array()))
    }

    /// To a share of the input's size, rounded down.
    ///
    /// # Panics
    /// If it is not between 0 and 1.
    #[track_caller]
    pub fn ratio(kernel_size: impl Into<Size<AXES>>, output_ratio: [f64; AXES]) -> Self {
        if output_ratio.iter().any(|&ratio| ratio <= 0.0 || ratio >= 1.0) {
            bug!("", "output_ratio must be between 0 and 1 (got {})", tuple(output_ratio));
        }
        Self::make(kernel_size.into(), Output::Ratio(output_ratio))
    }

    fn make(kernel_size: Size<AXES>, output: Output<AXES>) -> Self {
        FractionalMaxPool { random_samples: None, kernel_size, output, mode: Mode::default() }
    }

    /// Maxima and their positions.
    ///
    /// # Panics
    /// If the input has another rank or is too small for the kernel.
    #[track_caller]
    pub fn with_indices(&self, input: &Var) -> (Var, Tensor) {
        let (kernel, rank) = (self.kernel_size.to_array(), input.rank());
        let output = match self.output {
            Output::Size(size) => size,
            Output::Ratio(ratio) if rank >= AXES => {
                std::array::from_fn(|i| (input.shape()[rank - AXES + i] as f64 * ratio[i]) as usize)
            }
            Output::Ratio(_) => [1; AXES],
        };
        let samples = self.random_samples.as_ref().map(Buffer::value);
        input.fractional_max_pool(kernel, output, samples.as_ref())
    }

    fn name(&self) -> &str {
        class_name(Self::CLASS)
    }
}

#[wengert_nn_derive::module]
impl<const AXES: usize> Module for FractionalMaxPool<AXES> {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        self.with_indices(input).0
    }
}

impl<const AXES: usize> Rebuild for FractionalMaxPool<AXES> {
    const CLASS: &'static str = match AXES {
        2 => "torch.nn.modules.pooling.FractionalMaxPool2d",
        3 => "torch.nn.modules.pooling.FractionalMaxPool3d",
        _ => "wengert.FractionalMaxPool",
    };
    const BUFFERS: &'static [&'static str] = &["_random_samples"];
    fn config(&self) -> Dict {
        let (size, ratio) = match self.output {
            Output::Size(size) => (tuple(size), Value::None),
            Output::Ratio(ratio) => (Value::None, tuple(ratio)),
        };
        [
            ("kernel_size", tuple(self.kernel_size.to_array())),
            ("return_indices", Value::from(false)),
            ("output_size", size),
            ("output_ratio", ratio),
        ]
        .into_iter()
        .collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<Self, SpecError> {
        parts.only("return_indices", false)?;
        let output = match (parts.get("output_size")?, parts.get("output_ratio")?) {
            (Some(size), None) => Output::Size(size),
            (None, Some(ratio)) => Output::Ratio(ratio),
            _ => return parts.invalid("only one of output_size and output_ratio may be specified"),
        };
        let random_samples = parts.any_buffer("_random_samples")?;
        Ok(FractionalMaxPool { random_samples, kernel_size: parts.get("kernel_size")?, output, mode: parts.mode() })
    }
}
