//! Pooling of images: `max_pool2d`, `avg_pool2d`, `adaptive_avg_pool2d`, and their adjoints.

use crate::cpu::pool::{self as kernels, MaxWindow, MeanWindow, Span};
use crate::ops::matmul::through_f32;
use crate::shape::{Shape, numel};
use crate::{DType, Tensor, bug, match_dtype};
use wengert_tensor_macros::profiled;

/// Windows of `max_pool2d`.
#[derive(Clone, Copy, Debug)]
pub struct Pool2dOptions {
    /// Height and width of a window.
    pub kernel: [usize; 2],
    /// Distance of windows; `None` for the kernel's size.
    pub stride: Option<[usize; 2]>,
    /// Border that counts as minus infinity.
    pub padding: [usize; 2],
    /// Distance of elements within a window.
    pub dilation: [usize; 2],
    /// Whether windows that begin inside and end outside count.
    pub ceil_mode: bool,
}

impl Pool2dOptions {
    /// PyTorch's defaults: windows side by side, no padding.
    pub const fn new(kernel: [usize; 2]) -> Pool2dOptions {
        Pool2dOptions { kernel, stride: None, padding: [0, 0], dilation: [1, 1], ceil_mode: false }
    }
}

/// Windows of `avg_pool2d`.
#[derive(Clone, Copy, Debug)]
pub struct AvgPool2dOptions {
    /// Height and width of a window.
    pub kernel: [usize; 2],
    /// Distance of windows; `None` for the kernel's size.
    pub stride: Option<[usize; 2]>,
    /// Border of zeros.
    pub padding: [usize; 2],
    /// Whether windows that begin inside and end outside count.
    pub ceil_mode: bool,
    /// Whether the border counts in the number that sums are divided by.
    pub count_include_pad: bool,
    /// Divides sums by this instead.
    pub divisor_override: Option<i64>,
}

impl AvgPool2dOptions {
    /// PyTorch's defaults: windows side by side, no padding.
    pub const fn new(kernel: [usize; 2]) -> AvgPool2dOptions {
        let (padding, ceil_mode) = ([0, 0], false);
        AvgPool2dOptions { kernel, stride: None, padding, ceil_mode, count_include_pad: true, divisor_override: None }
    }
}

/// The shape `[planes, h, w]` of images with or without a batch axis, and the axes before the image's two.
#[track_caller]
fn image(shape: &[usize]) -> (usize, [usize; 2], Shape) {
    let rank = shape.len();
    if rank != 3 && rank != 4 {
        bug!("", "non-empty 3D or 4D (batch mode) tensor expected for input");
    }
    if shape[rank - 3..].contains(&0) {
        bug!("", "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got:{shape:?}");
    }
    (numel(&shape[..rank - 2]), [shape[rank - 2], shape[rank - 1]], Shape::from_slice(&shape[..rank - 2]))
}

fn with_image(lead: &Shape, size: [usize; 2]) -> Shape {
    let mut shape = lead.clone();
    shape.extend_from_slice(&size);
    shape
}

/// Sizes of the output of windows, by PyTorch's rule.
#[track_caller]
fn output_size(
    shape: &[usize],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
    ceil: bool,
) -> [usize; 2] {
    let (_, input, lead) = image(shape);
    if stride.contains(&0) {
        bug!("", "stride should not be zero");
    }
    if kernel.contains(&0) {
        bug!("", "kernel size should be greater than zero, but got kH: {} kW: {}", kernel[0], kernel[1]);
    }
    if dilation.contains(&0) {
        bug!("", "dilation should be greater than zero, but got dilationH: {} dilationW: {}", dilation[0], dilation[1]);
    }
    for d in 0..2 {
        let effective = (kernel[d] - 1) * dilation[d] + 1;
        if padding[d] > effective / 2 {
            bug!(
                "",
                "pad should be at most half of effective kernel size, but got pad={}, kernel_size={} and dilation={}",
                padding[d],
                kernel[d],
                dilation[d]
            );
        }
    }
    let size: [isize; 2] = std::array::from_fn(|d| {
        let room = (input[d] + 2 * padding[d]) as isize - ((kernel[d] - 1) * dilation[d] + 1) as isize;
        let step = stride[d] as isize;
        let mut size = (room + if ceil { step - 1 } else { 0 }).div_euclid(step) + 1;
        if ceil && (size - 1) * step >= (input[d] + padding[d]) as isize {
            size -= 1;
        }
        size
    });
    if size[0] < 1 || size[1] < 1 {
        let planes = lead.last().copied().unwrap_or(1);
        bug!(
            "",
            "Given input size: ({planes}x{}x{}). Calculated output size: ({planes}x{}x{}). Output size is too small",
            input[0],
            input[1],
            size[0].max(0),
            size[1].max(0)
        );
    }
    size.map(|s| s as usize)
}

#[track_caller]
fn not_float(op: &str, dtype: DType) -> ! {
    bug!(op, "not implemented for '{}'", dtype.legacy_name())
}

#[profiled]
impl Tensor {
    /// The maximum of every window of images `[N, C, H, W]` or `[C, H, W]`, and its position `row * W + column` in its
    /// plane, as i64. The first of equal elements is taken; a NaN is larger than all numbers.
    ///
    /// # Panics
    /// In PyTorch's words if the rank, the padding or the sizes do not fit.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::{Tensor, pool::Pool2dOptions};
    /// let x = Tensor::from_vec(vec![1.0f32, 5.0, 2.0, 3.0], [1, 2, 2]);
    /// let (values, positions) = x.max_pool2d(&Pool2dOptions::new([2, 2]));
    /// assert_eq!((values.item::<f32>(), positions.item::<i64>()), (5.0, 1));
    /// ```
    #[track_caller]
    pub fn max_pool2d(&self, options: &Pool2dOptions) -> (Tensor, Tensor) {
        let (values, positions) = max_pool2d(self, options);
        (values, positions.to(DType::I64))
    }

    /// The mean of every window of images `[N, C, H, W]` or `[C, H, W]`.
    ///
    /// # Panics
    /// In PyTorch's words if the rank, the padding or the sizes do not fit.
    #[track_caller]
    pub fn avg_pool2d(&self, options: &AvgPool2dOptions) -> Tensor {
        if self.dtype().is_int() {
            return self.to(DType::F64).avg_pool2d(options).trunc().to(self.dtype());
        }
        mean(self, &avg_windows(self.shape(), options))
    }

    /// Means over `[rows, columns]` windows that divide the image as evenly as can be; `None` keeps a size.
    ///
    /// Window `i` of `n` over a size `s` begins at `⌊i·s/n⌋` and ends at `⌈(i+1)·s/n⌉`.
    ///
    /// # Panics
    /// In PyTorch's words if the rank does not fit or a size is 0.
    #[track_caller]
    pub fn adaptive_avg_pool2d(&self, output: [Option<usize>; 2]) -> Tensor {
        if output == [Some(1), Some(1)] && matches!(self.rank(), 3 | 4) && self.dtype().is_float() && self.numel() > 0 {
            return self.mean_keepdim([-2, -1]);
        }
        mean(self, &adaptive_windows(self.shape(), output))
    }
}

/// Planes, windows and the output's shape of [`max_pool2d`].
#[track_caller]
fn max_windows(shape: &[usize], options: &Pool2dOptions) -> (usize, MaxWindow, Shape) {
    let (planes, input, lead) = image(shape);
    let Pool2dOptions { kernel, padding, dilation, ceil_mode, .. } = *options;
    let stride = options.stride.unwrap_or(kernel);
    let output = output_size(shape, kernel, stride, padding, dilation, ceil_mode);
    if input[0] * input[1] > i32::MAX as usize {
        bug!("max_pool2d", "planes of {} x {} elements are too large", input[0], input[1]);
    }
    (planes, MaxWindow { input, output, kernel, stride, padding, dilation }, with_image(&lead, output))
}

/// The maxima of [`max_pool2d`] alone, which windows of 2x2 side by side give in less time.
///
/// # Panics
/// As that.
#[profiled]
#[track_caller]
pub fn max_pool2d_values(x: &Tensor, options: &Pool2dOptions) -> Tensor {
    let (_, window, shape) = max_windows(x.shape(), options);
    if !window.halves() || !x.dtype().is_float() {
        return max_pool2d(x, options).0;
    }
    through_f32([x], |[x]| {
        let x = x.contiguous();
        match_dtype!(compute x.dtype(), T => Tensor::build(&shape, |out: &mut [T]| {
            kernels::max_of_halves(x.as_slice::<T>().expect("contiguous"), &window, out);
        }), other => not_float("max_pool2d", other))
    })
}

/// [`Tensor::max_pool2d`] with positions as i32, which take half the memory.
///
/// # Panics
/// As that, and if a plane has more than 2³¹ - 1 elements.
#[profiled]
#[track_caller]
pub fn max_pool2d(x: &Tensor, options: &Pool2dOptions) -> (Tensor, Tensor) {
    let (planes, window, shape) = max_windows(x.shape(), options);
    let MaxWindow { input, output, .. } = window;
    if x.dtype().is_int() {
        // The positions from f64, the elements as they are.
        let (_, positions) = max_pool2d(&x.to(DType::F64), options);
        let at = positions.to(DType::I64).reshape([planes, output[0] * output[1]]);
        let values = x.reshape([planes, input[0] * input[1]]).gather(1, &at);
        return (values.reshape(&*shape), positions);
    }
    let mut values = None;
    let positions = Tensor::build(&shape, |at: &mut [i32]| {
        debug_assert_eq!(at.len(), planes * output[0] * output[1]);
        values = Some(through_f32([x], |[x]| {
            let x = x.contiguous();
            match_dtype!(compute x.dtype(), T => Tensor::build(&shape, |out: &mut [T]| {
                kernels::max(x.as_slice::<T>().expect("contiguous"), &window, out, at);
            }), other => not_float("max_pool2d", other))
        }));
    });
    (values.expect("filled with the positions"), positions)
}

/// The elements of `x`'s planes at the positions that [`Tensor::max_pool2d`] gave: the maxima again, if `x` is its input.
///
/// # Panics
/// If the leading axes differ or a position is outside its plane.
#[profiled]
#[track_caller]
pub fn max_pool2d_gather(x: &Tensor, positions: &Tensor) -> Tensor {
    let (_, input, lead) = image(x.shape());
    let inner = input[0] * input[1];
    let outer = check_positions("max_pool2d_gather", positions, &lead, inner);
    let at = positions.to(DType::I32).contiguous();
    through_f32([x], |[x]| {
        let x = x.contiguous();
        match_dtype!(compute x.dtype(), T => Tensor::build(positions.shape(), |out: &mut [T]| {
            let at = at.as_slice::<i32>().expect("contiguous");
            kernels::gather(x.as_slice::<T>().expect("contiguous"), at, outer, inner, out);
        }), other => not_float("max_pool2d_gather", other))
    })
}

/// Adds every element of `grad` to its position in a zero image of the given height and width: the gradient of
/// [`Tensor::max_pool2d`], and the adjoint of [`max_pool2d_gather`].
///
/// # Panics
/// If the shapes of gradient and positions differ or a position is outside its plane.
#[profiled]
#[track_caller]
pub fn max_pool2d_backward(grad: &Tensor, positions: &Tensor, input: [usize; 2]) -> Tensor {
    if grad.shape() != positions.shape() {
        bug!("max_pool2d_backward", "gradient {:?} and positions {:?}", grad.shape(), positions.shape());
    }
    let lead = Shape::from_slice(&grad.shape()[..grad.rank() - 2]);
    let inner = input[0] * input[1];
    let outer = check_positions("max_pool2d_backward", positions, &lead, inner);
    let at = positions.to(DType::I32).contiguous();
    through_f32([grad], |[grad]| {
        let grad = grad.contiguous();
        match_dtype!(compute grad.dtype(), T => Tensor::build(with_image(&lead, input), |out: &mut [T]| {
            let at = at.as_slice::<i32>().expect("contiguous");
            kernels::scatter(grad.as_slice::<T>().expect("contiguous"), at, outer, inner, out);
        }), other => not_float("max_pool2d_backward", other))
    })
}

/// Checks that positions belong to planes of `inner` elements; returns how many each plane has.
#[track_caller]
fn check_positions(op: &str, positions: &Tensor, lead: &Shape, inner: usize) -> usize {
    let rank = positions.rank();
    let integer = matches!(positions.dtype(), DType::I32 | DType::I64);
    if rank < 2 || positions.shape()[..rank - 2] != lead[..] || !integer {
        bug!(op, "positions of shape {:?} and dtype {} do not fit", positions.shape(), positions.dtype());
    }
    let dense = positions.contiguous();
    let outside = match dense.dtype() {
        // As unsigned numbers, negative ones are large. All are looked at, so that the loop vectorises.
        DType::I32 => dense.as_slice::<i32>().expect("contiguous").iter().fold(0, |m: u32, &i| m.max(i as u32)) as u64,
        _ => dense.as_slice::<i64>().expect("contiguous").iter().fold(0, |m: u64, &i| m.max(i as u64)),
    };
    if dense.numel() > 0 && outside >= inner as u64 {
        bug!(op, "position {} is outside a plane of {inner} elements", outside as i64);
    }
    numel(&positions.shape()[rank - 2..])
}

/// The gradient of [`Tensor::avg_pool2d`]: its adjoint, since it is linear.
///
/// # Panics
/// If `grad` does not have the shape that pooling `shape` gives.
#[profiled]
#[track_caller]
pub fn avg_pool2d_backward(grad: &Tensor, shape: &[usize], options: &AvgPool2dOptions) -> Tensor {
    spread(grad, shape, &avg_windows(shape, options))
}

/// The gradient of [`Tensor::adaptive_avg_pool2d`]: its adjoint, since it is linear.
///
/// # Panics
/// If `grad` does not have the shape that pooling `shape` gives.
#[profiled]
#[track_caller]
pub fn adaptive_avg_pool2d_backward(grad: &Tensor, shape: &[usize]) -> Tensor {
    let output = &grad.shape()[grad.rank().saturating_sub(2)..];
    let [rows, cols] = output else { bug!("adaptive_avg_pool2d_backward", "a gradient of shape {:?}", grad.shape()) };
    spread(grad, shape, &adaptive_windows(shape, [Some(*rows), Some(*cols)]))
}

#[track_caller]
fn avg_windows(shape: &[usize], options: &AvgPool2dOptions) -> MeanWindow {
    if options.divisor_override == Some(0) {
        bug!("", "divisor must be not zero");
    }
    let (kernel, padding) = (options.kernel, options.padding);
    let stride = options.stride.unwrap_or(kernel);
    let output = output_size(shape, kernel, stride, padding, [1, 1], options.ceil_mode);
    let (_, input, _) = image(shape);
    let spans = |d: usize| -> Vec<Span> {
        (0..output[d])
            .map(|i| {
                // Positions are counted from the beginning of the padding.
                let begin = i * stride[d];
                let stop = (begin + kernel[d]).min(input[d] + 2 * padding[d]);
                let start = begin.max(padding[d]) - padding[d];
                let end = stop.saturating_sub(padding[d]).min(input[d]);
                let inside = end.saturating_sub(start);
                Span { start, end, size: if options.count_include_pad { stop - begin } else { inside } }
            })
            .collect()
    };
    MeanWindow { input, rows: spans(0), cols: spans(1), divisor: options.divisor_override.map(|d| d as f64) }
}

#[track_caller]
fn adaptive_windows(shape: &[usize], output: [Option<usize>; 2]) -> MeanWindow {
    let rank = shape.len();
    if rank != 3 && rank != 4 {
        bug!("", "adaptive_avg_pool2d(): Expected 3D or 4D tensor, but got {shape:?}");
    }
    if let Some(d) = (rank - 2..rank).find(|&d| shape[d] == 0) {
        bug!(
            "",
            "adaptive_avg_pool2d(): Expected input to have non-zero size for non-batch dimensions, but input has sizes \
             {shape:?} with dimension {d} being empty"
        );
    }
    let input = [shape[rank - 2], shape[rank - 1]];
    let spans = |d: usize| -> Vec<Span> {
        let count = output[d].unwrap_or(input[d]);
        (0..count)
            .map(|i| {
                let (start, end) = (i * input[d] / count, ((i + 1) * input[d]).div_ceil(count));
                Span { start, end, size: end - start }
            })
            .collect()
    };
    MeanWindow { input, rows: spans(0), cols: spans(1), divisor: None }
}

#[track_caller]
fn mean(x: &Tensor, windows: &MeanWindow) -> Tensor {
    let lead = Shape::from_slice(&x.shape()[..x.rank() - 2]);
    through_f32([x], |[x]| {
        let x = x.contiguous();
        let shape = with_image(&lead, [windows.rows.len(), windows.cols.len()]);
        match_dtype!(compute x.dtype(), T => Tensor::build(shape, |out: &mut [T]| {
            kernels::mean(x.as_slice::<T>().expect("contiguous"), windows, out);
        }), other => not_float("avg_pool2d", other))
    })
}

#[track_caller]
fn spread(grad: &Tensor, shape: &[usize], windows: &MeanWindow) -> Tensor {
    let lead = Shape::from_slice(&shape[..shape.len() - 2]);
    let expected = with_image(&lead, [windows.rows.len(), windows.cols.len()]);
    if grad.shape() != &expected[..] {
        bug!("avg_pool2d_backward", "a gradient of shape {:?}, where {expected:?} is expected", grad.shape());
    }
    through_f32([grad], |[grad]| {
        let grad = grad.contiguous();
        match_dtype!(compute grad.dtype(), T => Tensor::build(shape, |out: &mut [T]| {
            kernels::spread(grad.as_slice::<T>().expect("contiguous"), windows, out);
        }), other => not_float("avg_pool2d_backward", other))
    })
}
