//! Pooling in any number of dimensions, adaptive, by powers and fractional, and its inverse.
//!
//! Maxima are elements taken at positions, so they differentiate like `gather`. Means over several axes are means over each in
//! turn.

use crate::pool::AvgPool2dOptions;
use crate::shape::size_text;
use crate::windows::{Window, largest};
use crate::{DType, Tensor, bug, with_generator};
use wengert_tensor_macros::{composed, profiled};

/// How windows of a maximum lie in `N` dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPoolOptions<const N: usize> {
    /// The sizes of a window.
    pub kernel: [usize; N],
    /// Steps between windows; the kernel's sizes if `None`.
    pub stride: Option<[usize; N]>,
    /// How far windows reach beyond each side: at most half of the kernel.
    pub padding: [usize; N],
    /// Steps between the elements of a window.
    pub dilation: [usize; N],
    /// Keeps windows that begin inside and end outside.
    pub ceil_mode: bool,
}

impl<const N: usize> MaxPoolOptions<N> {
    /// Windows side by side.
    pub const fn new(kernel: [usize; N]) -> MaxPoolOptions<N> {
        MaxPoolOptions { kernel, stride: None, padding: [0; N], dilation: [1; N], ceil_mode: false }
    }
}

/// How windows of a mean lie in `N` dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvgPoolOptions<const N: usize> {
    /// The sizes of a window.
    pub kernel: [usize; N],
    /// Steps between windows; the kernel's sizes if `None`.
    pub stride: Option<[usize; N]>,
    /// Zeros on each side: at most half of the kernel.
    pub padding: [usize; N],
    /// Keeps windows that begin inside and end outside.
    pub ceil_mode: bool,
    /// Counts padded zeros as elements.
    pub count_include_pad: bool,
    /// Divides by this instead of the number of elements.
    pub divisor_override: Option<i64>,
}

impl<const N: usize> AvgPoolOptions<N> {
    /// Windows side by side.
    pub const fn new(kernel: [usize; N]) -> AvgPoolOptions<N> {
        AvgPoolOptions {
            kernel,
            stride: None,
            padding: [0; N],
            ceil_mode: false,
            count_include_pad: true,
            divisor_override: None,
        }
    }
}

/// The windows of a pool, axis by axis.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct PoolWindows<const N: usize> {
    pub kernel: [usize; N],
    pub stride: [usize; N],
    pub padding: [usize; N],
    pub dilation: [usize; N],
    pub ceil: bool,
}

#[doc(hidden)]
impl<const N: usize> PoolWindows<N> {
    fn reach(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1) * self.dilation[axis] + 1
    }

    /// The number of windows along each of the last axes of `x`, by PyTorch's rule.
    ///
    /// # Panics
    /// If there are none, or the windows are nonsense.
    #[track_caller]
    pub fn counts(&self, op: &str, shape: &[usize]) -> [usize; N] {
        self.check(op);
        let first = shape.len() - N;
        let lens: [usize; N] = std::array::from_fn(|i| shape[first + i]);
        let counts: [isize; N] = std::array::from_fn(|i| {
            let (step, room) =
                (self.stride[i] as isize, (lens[i] + 2 * self.padding[i]) as isize - self.reach(i) as isize);
            let count = (room + if self.ceil { step - 1 } else { 0 }).div_euclid(step) + 1;
            // No window begins in the padding at the end.
            let beyond = self.ceil && (count - 1) * step >= (lens[i] + self.padding[i]) as isize;
            count - isize::from(beyond)
        });
        let Some(bad) = counts.iter().find(|&&count| count < 1) else { return counts.map(|count| count as usize) };
        let times = |sizes: &mut dyn Iterator<Item = String>| sizes.collect::<Vec<_>>().join("x");
        match op {
            "max_pool1d" => bug!("", "max_pool1d() Invalid computed output size: {bad}"),
            "avg_pool3d" => bug!(
                "",
                "input image (T: {} H: {} W: {}) smaller than kernel size (kT: {} kH: {} kW: {})",
                lens[0],
                lens[1],
                lens[2],
                self.kernel[0],
                self.kernel[1],
                self.kernel[2]
            ),
            _ => {
                // A sequence is an image of height 1 there.
                let channels = [shape[first - 1]].into_iter().chain((N == 1).then_some(1));
                let before = times(&mut channels.clone().chain(lens).map(|n| n.to_string()));
                let counts = counts.map(|count| count.max(0) as usize);
                let after = times(&mut channels.chain(counts).map(|n| n.to_string()));
                bug!("", "Given input size: ({before}). Calculated output size: ({after}). Output size is too small")
            }
        }
    }

    #[track_caller]
    fn check(&self, op: &str) {
        let zero = |sizes: [usize; N]| sizes.contains(&0);
        let wide = (0..N).find(|&i| !zero(self.kernel) && self.padding[i] > self.reach(i) / 2);
        if op == "max_pool1d" {
            for (name, sizes) in [("kernel_size", self.kernel), ("stride", self.stride), ("dilation", self.dilation)] {
                if zero(sizes) {
                    bug!("", "max_pool1d() {name} must be greater than zero, but got 0");
                }
            }
            if let Some(i) = wide {
                bug!(
                    "",
                    "max_pool1d() padding should be at most half of kernel size, but got padding={} and kernel_size={}",
                    self.padding[i],
                    self.kernel[i]
                );
            }
        }
        if zero(self.stride) {
            bug!("", "stride should not be zero");
        }
        if zero(self.kernel) || zero(self.dilation) {
            let (what, sizes) =
                if zero(self.kernel) { ("kernel size", self.kernel) } else { ("dilation", self.dilation) };
            bug!("", "{what} should be greater than zero, but got {sizes:?}");
        }
        if let Some(i) = wide {
            bug!(
                "",
                "pad should be at most half of effective kernel size, but got pad={}, kernel_size={} and dilation={}",
                self.padding[i],
                self.kernel[i],
                self.dilation[i]
            );
        }
    }
}

/// So many windows along an axis, without what lies in the padding.
#[doc(hidden)]
pub fn windows_of(count: usize, len: usize, [kernel, stride, pad, dilation]: [usize; 4]) -> Vec<Window> {
    (0..count)
        .map(|i| {
            let begin = (i * stride) as isize - pad as isize;
            let end = begin + ((kernel - 1) * dilation + 1) as isize;
            let skip = ((-begin).max(0) as usize).div_ceil(dilation) as isize * dilation as isize;
            Window { start: (begin + skip) as usize, end: (end.min(len as isize)) as usize, step: dilation }
        })
        .collect()
}

/// Windows that divide an axis evenly.
#[doc(hidden)]
pub fn even_windows(len: usize, parts: usize) -> Vec<Window> {
    let part = |i: usize| Window { start: i * len / parts, end: ((i + 1) * len).div_ceil(parts), step: 1 };
    (0..parts).map(part).collect()
}

/// Panics unless there are `axes` axes behind the channels, with or without a batch; all of them not empty.
#[doc(hidden)]
#[track_caller]
pub fn check_pool_rank(op: &str, shape: &[usize], axes: usize) {
    let rank = shape.len();
    let (low, high) = (axes + 1, axes + 2);
    let fits = rank == low || rank == high;
    let empty = (rank.saturating_sub(low)..rank).find(|&d| fits && shape[d] == 0);
    match op {
        "max_pool1d" if !fits || empty.is_some() => bug!(
            "",
            "{op}: Expected {low}D or {high}D (batch mode) tensor with optional 0 dim batch size for input, but got:{:?}",
            shape
        ),
        "avg_pool1d" if !fits => bug!(
            "",
            "Expected {low} to {high} dimensions, but got {rank}-dimensional tensor for argument #1 'self' (while checking \
             arguments for {op})"
        ),
        "avg_pool1d" if empty.is_some() => {
            let mut shape = shape.to_vec();
            shape.insert(rank - 1, 1);
            bug!(
                "",
                "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got:{shape:?}"
            )
        }
        _ if !fits => bug!("", "non-empty {low}D or {high}D (batch mode) tensor expected for input"),
        _ => {}
    }
    if let Some(d) = empty {
        bug!(
            "",
            "{op}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes {:?} with dimension {d} \
             being empty",
            shape
        );
    }
}

#[composed(compose_pool_nd)]
#[profiled]
impl Tensor {
    /// The maxima of windows of `[n, c, l]` or `[c, l]` and their positions.
    #[track_caller]
    pub fn max_pool1d(&self, options: &MaxPoolOptions<1>) -> (Self, Tensor) {
        self.max_pool("max_pool1d", options)
    }

    /// The maxima of windows of `[n, c, d, h, w]` or `[c, d, h, w]` and their positions.
    #[track_caller]
    pub fn max_pool3d(&self, options: &MaxPoolOptions<3>) -> (Self, Tensor) {
        self.max_pool("max_pool3d", options)
    }

    #[track_caller]
    fn max_pool<const N: usize>(&self, op: &str, options: &MaxPoolOptions<N>) -> (Self, Tensor) {
        check_pool_rank(op, self.shape(), N);
        let lens = &self.shape()[self.rank() - N..];
        let MaxPoolOptions { kernel, padding, dilation, ceil_mode: ceil, .. } = *options;
        let stride = options.stride.unwrap_or(kernel);
        let counts = PoolWindows { kernel, stride, padding, dilation, ceil }.counts(op, self.shape());
        let along = |i: usize| windows_of(counts[i], lens[i], [kernel[i], stride[i], padding[i], dilation[i]]);
        Self::largest_of(self, (0..N).map(along).collect())
    }

    /// The means of windows of `[n, c, l]` or `[c, l]`.
    #[track_caller]
    pub fn avg_pool1d(&self, options: &AvgPoolOptions<1>) -> Self {
        self.avg_pool("avg_pool1d", options)
    }

    /// The means of windows of `[n, c, d, h, w]` or `[c, d, h, w]`.
    #[track_caller]
    pub fn avg_pool3d(&self, options: &AvgPoolOptions<3>) -> Self {
        self.avg_pool("avg_pool3d", options)
    }

    #[track_caller]
    fn avg_pool<const N: usize>(&self, op: &str, options: &AvgPoolOptions<N>) -> Self {
        check_pool_rank(op, self.shape(), N);
        if self.dtype().is_int() {
            return Self::from(self.to(DType::F64).avg_pool(op, options).value().trunc().to(self.dtype()));
        }
        if options.divisor_override == Some(0) {
            bug!("", "divisor must be not zero");
        }
        let first = self.rank() - N;
        let stride = options.stride.unwrap_or(options.kernel);
        let (kernel, padding, ceil) = (options.kernel, options.padding, options.ceil_mode);
        let counts = PoolWindows { kernel, stride, padding, dilation: [1; N], ceil }.counts(op, self.shape());
        let mut x = self.clone();
        // How many elements the windows along each axis have, as an array to broadcast.
        let mut divisor = Tensor::ones((), DType::F64);
        for i in 0..N {
            let (kernel, step, pad) = (options.kernel[i], stride[i], options.padding[i]);
            let len = self.shape()[first + i];
            let parts = counts[i];
            let sizes: Vec<f64> = (0..parts)
                .map(|w| {
                    let begin = (w * step) as isize - pad as isize;
                    let end = (begin + kernel as isize).min((len + pad) as isize);
                    match options.count_include_pad {
                        true => (end - begin) as f64,
                        false => (end.min(len as isize) - begin.max(0)) as f64,
                    }
                })
                .collect();
            let mut at = vec![1; N];
            at[i] = parts;
            divisor = divisor.mul(Tensor::from_vec(sizes, &at[..]));
            let (outer, inner): (usize, usize) =
                (x.shape()[..first + i].iter().product(), x.shape()[first + i + 1..].iter().product());
            let mut shape = x.shape().to_vec();
            shape[first + i] = parts;
            x = Self::sums_along(&x.reshape([outer, 1, len, inner]), [kernel, step, pad], options.ceil_mode)
                .reshape(&shape[..]);
        }
        match options.divisor_override {
            Some(divisor) => x / divisor as f64,
            None => x / divisor.to(self.dtype()),
        }
    }

    /// `(Σ xᵖ)^(1/p)` over windows of the last axes: `kernel` and `stride` have one number for each.
    #[track_caller]
    pub fn lp_pool<const N: usize>(
        &self,
        p: f64,
        kernel: [usize; N],
        stride: Option<[usize; N]>,
        ceil_mode: bool,
    ) -> Self {
        let options = AvgPoolOptions { stride, ceil_mode, ..AvgPoolOptions::new(kernel) };
        let means = self.pow(p).avg_pool("lp_pool", &options);
        let area: usize = kernel.iter().product();
        ((means.sign() * means.abs().relu()) * area as f64).pow(1.0 / p)
    }

    /// The maxima, and their positions, of windows that divide the last `N` axes evenly; `None` leaves an axis as it is.
    #[track_caller]
    pub fn adaptive_max_pool<const N: usize>(&self, output: [Option<usize>; N]) -> (Self, Tensor) {
        let op = "adaptive_max_pool";
        let rank = self.rank();
        if rank != N + 1 && rank != N + 2 {
            bug!("", "{op}{N}d(): Expected {}D or {}D tensor, but got: {:?}", N + 1, N + 2, self.shape());
        }
        let lens = &self.shape()[rank - N..];
        let parts: Vec<usize> = (0..N).map(|i| output[i].unwrap_or(lens[i])).collect();
        if let Some(d) = (rank - N..rank).find(|&d| self.shape()[d] == 0 && !parts.contains(&0)) {
            bug!(
                "",
                "{op}{N}d(): Expected input to have non-zero size for non-batch dimensions, but input has sizes {:?} with \
                 dimension {d} being empty",
                self.shape()
            );
        }
        if parts.contains(&0) {
            let shape: Vec<usize> = self.shape()[..rank - N].iter().copied().chain(parts).collect();
            let none = Tensor::zeros(&shape[..], DType::I64);
            return (Self::from(Tensor::zeros(&shape[..], self.dtype())), none);
        }
        Self::largest_of(self, (0..N).map(|i| even_windows(lens[i], parts[i])).collect())
    }

    /// The maxima, and their positions, of windows at random places (Graham, *Fractional Max-Pooling*); `samples` are uniform
    /// numbers `[n, c, N]`, drawn from the default generator if `None`.
    #[track_caller]
    pub fn fractional_max_pool<const N: usize>(
        &self,
        kernel: [usize; N],
        output: [usize; N],
        samples: Option<&Tensor>,
    ) -> (Self, Tensor) {
        check_pool_rank("fractional_max_pool", self.shape(), N);
        let batched = self.rank() == N + 2;
        let x = if batched { self.clone() } else { self.unsqueeze(0) };
        let (n, c) = (x.shape()[0], x.shape()[1]);
        for i in 0..N {
            if output[i] + kernel[i] - 1 > x.shape()[2 + i] {
                bug!(
                    "",
                    "fractional_max_pool{N}d(): pool size {} too large relative to input size {}",
                    kernel[i],
                    x.shape()[2 + i]
                );
            }
        }
        let samples = match samples {
            Some(samples) => samples.to(DType::F64),
            None => with_generator(|g| g.rand([n, c, N], x.dtype())).to(DType::F64),
        };
        let shape: Vec<usize> = [n, c].into_iter().chain(output).collect();
        if n * c == 0 {
            let none = Tensor::zeros(&shape[..], DType::I64);
            return (Self::from(Tensor::zeros(&shape[..], x.dtype())), none);
        }
        let numbers = samples.to_vec::<f64>();
        let (mut values, mut places) = (Vec::new(), Vec::new());
        for plane in 0..n * c {
            let (i, j) = (plane / c, plane % c);
            let image = x.select(0, i as isize).select(0, j as isize).unsqueeze(0);
            // The sample of the last axis comes first in two dimensions and in three, as in PyTorch.
            let along = |axis: usize| {
                let u = numbers[plane * N + if N == 2 { 1 - axis } else { axis }];
                fractional_windows(u, x.shape()[2 + axis], output[axis], kernel[axis], x.dtype())
            };
            let (v, p) = Self::largest_of(&image, (0..N).map(along).collect());
            values.push(v.squeeze([0]));
            places.push(p.squeeze([0]));
        }
        let (values, places) =
            (Self::stack(&values, 0).reshape(&shape[..]), Tensor::stack(&places, 0).reshape(&shape[..]));
        if batched { (values, places) } else { (values.squeeze([0]), places.squeeze([0])) }
    }

    /// Zeros with the elements put at positions, as a maximum over windows named them: `output` are the sizes of the last axes.
    #[track_caller]
    pub fn max_unpool<const N: usize>(&self, positions: &Tensor, output: [usize; N]) -> Self {
        if positions.shape() != self.shape() {
            bug!(
                "",
                "Expected shape of indices to be same as that of the input tensor ({}) but got indices tensor with shape: {}",
                size_text(self.shape()),
                size_text(positions.shape())
            );
        }
        check_pool_rank("max_unpool", self.shape(), N);
        let lead = &self.shape()[..self.rank() - N];
        let plane: usize = output.iter().product();
        let window: usize = self.shape()[self.rank() - N..].iter().product();
        let flat = |last: usize| -> Vec<usize> { lead.iter().copied().chain([last]).collect() };
        if let Some(&bad) = positions.to(DType::I64).to_vec::<i64>().iter().find(|&&p| p < 0 || p >= plane as i64) {
            bug!("", "Found an invalid max index: {bad} (output volumes are of size {output:?})");
        }
        let zeros = Self::from(Tensor::zeros(&flat(plane)[..], self.dtype()));
        let index = positions.reshape(&flat(window)[..]);
        let out = zeros.scatter(-1, &index, &self.reshape(&flat(window)[..]));
        let shape: Vec<usize> = lead.iter().copied().chain(output).collect();
        out.reshape(&shape[..])
    }

    /// Values and positions of the largest elements of windows over the last axes.
    #[track_caller]
    fn largest_of(x: &Self, windows: Vec<Vec<Window>>) -> (Self, Tensor) {
        let axes = windows.len();
        let lead = &x.shape()[..x.rank() - axes];
        let planes: Vec<usize> = [lead, &vec![1; 3 - axes], &x.shape()[x.rank() - axes..]].concat();
        let mut full: Vec<Vec<Window>> = vec![vec![Window { start: 0, end: 1, step: 1 }]; 3 - axes];
        full.extend(windows);
        let [a, b, c]: [Vec<Window>; 3] = full.try_into().expect("three axes");
        let counts: Vec<usize> = [&a, &b, &c][3 - axes..].iter().map(|w| w.len()).collect();
        let found = largest(&x.value().reshape(&planes[..]), &[a, b, c]);
        let shape: Vec<usize> = lead.iter().copied().chain(counts).collect();
        let positions = found.reshape(&shape[..]);
        (Self::taken_at(x, &positions, axes), positions)
    }

    /// The elements of the last `axes` axes, flattened, at positions.
    #[track_caller]
    fn taken_at(x: &Self, positions: &Tensor, axes: usize) -> Self {
        let lead = &x.shape()[..x.rank() - axes];
        let plane: usize = x.shape()[x.rank() - axes..].iter().product();
        let window: usize = positions.shape()[positions.rank() - axes..].iter().product();
        let flat = |last: usize| -> Vec<usize> { lead.iter().copied().chain([last]).collect() };
        let index = positions.reshape(&flat(window)[..]);
        x.reshape(&flat(plane)[..]).gather(-1, &index).reshape(positions.shape())
    }

    /// The means of windows along one axis of many lines: `x` is `[.., len, inner]`.
    #[track_caller]
    fn sums_along(x: &Self, [kernel, stride, pad]: [usize; 3], ceil: bool) -> Self {
        x.avg_pool2d(&AvgPool2dOptions {
            stride: Some([stride, 1]),
            padding: [pad, 0],
            ceil_mode: ceil,
            divisor_override: Some(1),
            ..AvgPool2dOptions::new([kernel, 1])
        })
    }
}

/// PyTorch's windows of fractional pooling along an axis, in the arithmetic of the dtype.
#[doc(hidden)]
pub fn fractional_windows(sample: f64, len: usize, parts: usize, kernel: usize, dtype: DType) -> Vec<Window> {
    let window = |start: usize| Window { start, end: start + kernel, step: 1 };
    let mut out = Vec::with_capacity(parts);
    if parts > 1 {
        let single = dtype != DType::F64;
        let (a, u) = ((len - kernel) as f64 / (parts - 1) as f64, sample);
        let (a32, u32) = ((len - kernel) as f32 / (parts - 1) as f32, sample as f32);
        for i in 0..parts - 1 {
            let start = match single {
                true => ((i as f32 + u32) * a32) as i64 - (u32 * a32) as i64,
                false => ((i as f64 + u) * a) as i64 - (u * a) as i64,
            };
            out.push(window(start.clamp(0, (len - kernel) as i64) as usize));
        }
    }
    if parts > 0 {
        out.push(window(len - kernel));
    }
    out
}
