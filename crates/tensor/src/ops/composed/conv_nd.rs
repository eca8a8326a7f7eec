//! Convolutions of sequences and volumes, and transposed ones, made of the two-dimensional kernel.

use crate::{Conv2dOptions, DType, Tensor, bug};
use wengert_tensor_macros::{composed, profiled};

/// How a kernel moves over an image of `N` axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvOptions<const N: usize> {
    /// Steps between neighbouring outputs.
    pub stride: [usize; N],
    /// Zeros added on each side.
    pub padding: [usize; N],
    /// Steps between the taps of the kernel.
    pub dilation: [usize; N],
    /// Parts that channels are divided into; each output channel sees the inputs of its part only.
    pub groups: usize,
}

impl<const N: usize> Default for ConvOptions<N> {
    /// Stride 1, no padding, dilation 1, one group.
    fn default() -> ConvOptions<N> {
        ConvOptions { stride: [1; N], padding: [0; N], dilation: [1; N], groups: 1 }
    }
}

/// How a transposed convolution moves its kernel over its output, an image of `N` axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvTransposeOptions<const N: usize> {
    /// Steps of the kernel between neighbouring inputs.
    pub stride: [usize; N],
    /// Values cut off on each side of the output.
    pub padding: [usize; N],
    /// Values more at the end of each axis of the output: which of the sizes that the stride leaves open.
    pub output_padding: [usize; N],
    /// Steps between the taps of the kernel.
    pub dilation: [usize; N],
    /// Parts that channels are divided into.
    pub groups: usize,
}

impl<const N: usize> Default for ConvTransposeOptions<N> {
    /// Stride 1, no padding, dilation 1, one group.
    fn default() -> ConvTransposeOptions<N> {
        ConvTransposeOptions { stride: [1; N], padding: [0; N], output_padding: [0; N], dilation: [1; N], groups: 1 }
    }
}

#[composed(compose_conv_nd)]
#[profiled]
impl Tensor {
    /// `torch.nn.functional.conv1d`: input `[n, c, l]` or `[c, l]`, weight `[out, c/groups, k]`, bias `[out]`.
    ///
    /// # Panics
    /// In PyTorch's words if ranks or channels do not agree or the kernel is larger than the padded input.
    #[track_caller]
    pub fn conv1d(&self, weight: &Self, bias: Option<&Self>, options: &ConvOptions<1>) -> Self {
        check_conv_rank(self.shape(), 1, "conv1d");
        check_conv(
            self.shape(),
            weight.shape(),
            bias.map(|b| b.shape()),
            &options.stride,
            &options.padding,
            &options.dilation,
            options.groups,
        );
        let settings = Conv2dOptions {
            stride: [1, options.stride[0]],
            padding: [0, options.padding[0]],
            dilation: [1, options.dilation[0]],
            groups: options.groups,
        };
        // An image of height 1 under a kernel of height 1.
        self.unsqueeze(-2).conv2d(&weight.unsqueeze(-2), bias, &settings).squeeze([-2])
    }

    /// `torch.nn.functional.conv3d`: input `[n, c, d, h, w]` or `[c, d, h, w]`, weight `[out, c/groups, kd, kh, kw]`, bias
    /// `[out]`.
    ///
    /// # Panics
    /// In PyTorch's words if ranks or channels do not agree or the kernel is larger than the padded input.
    #[track_caller]
    pub fn conv3d(&self, weight: &Self, bias: Option<&Self>, options: &ConvOptions<3>) -> Self {
        check_conv_rank(self.shape(), 3, "conv3d");
        if let Some(dtype) = wider(self.dtype()) {
            let wide = |x: &Self| x.to(dtype);
            return wide(self).conv3d(&wide(weight), bias.map(wide).as_ref(), options).to(self.dtype());
        }
        if self.rank() == 4 {
            return self.unsqueeze(0).conv3d(weight, bias, options).squeeze([0]);
        }
        check_conv(
            self.shape(),
            weight.shape(),
            bias.map(|b| b.shape()),
            &options.stride,
            &options.padding,
            &options.dilation,
            options.groups,
        );
        let [stride, padding, dilation] = [options.stride[0], options.padding[0], options.dilation[0]];
        let (plane, [batch, _, depth]) = (options.plane(), sizes_of(self.shape()));
        let [out, _, kernel] = sizes_of(weight.shape());
        let reach = dilation * kernel.saturating_sub(1) + 1;
        // One convolution of planes for each tap along the depth.
        let frames = self.transpose(1, 2);
        let frames = if padding == 0 { frames } else { Self::pad_frames(&frames, padding) };
        let count = (depth + 2 * padding - reach) / stride + 1;
        let taps = (0..kernel).map(|tap| {
            let first = tap * dilation;
            let seen = frames.slice(1, Some(first as isize), Some((first + (count - 1) * stride + 1) as isize), stride);
            let bias = bias.filter(|_| tap == 0);
            Self::flat_frames(&seen).conv2d(&weight.select(2, tap as isize), bias, &plane)
        });
        let sum = taps.reduce(|a, b| a + b).expect("a kernel has a tap");
        let [_, _, height, width] = sizes_of(sum.shape());
        Self::as_volume(&sum, [batch, count, out, height, width])
    }

    /// `torch.nn.functional.conv_transpose1d`: input `[n, c, l]` or `[c, l]`, weight `[c, out/groups, k]`, bias `[out]`.
    ///
    /// # Panics
    /// In PyTorch's words if ranks or channels do not agree.
    #[track_caller]
    pub fn conv_transpose1d(&self, weight: &Self, bias: Option<&Self>, options: &ConvTransposeOptions<1>) -> Self {
        check_conv_rank(self.shape(), 1, "conv_transpose1d");
        let settings = ConvTransposeOptions {
            stride: [1, options.stride[0]],
            padding: [0, options.padding[0]],
            output_padding: [0, options.output_padding[0]],
            dilation: [1, options.dilation[0]],
            groups: options.groups,
        };
        self.unsqueeze(-2).conv_transpose2d(&weight.unsqueeze(-2), bias, &settings).squeeze([-2])
    }

    /// `torch.nn.functional.conv_transpose2d`: input `[n, c, h, w]` or `[c, h, w]`, weight `[c, out/groups, kh, kw]`, bias
    /// `[out]`. It is the gradient of a convolution with respect to its input.
    ///
    /// # Panics
    /// In PyTorch's words if ranks or channels do not agree.
    #[track_caller]
    pub fn conv_transpose2d(&self, weight: &Self, bias: Option<&Self>, options: &ConvTransposeOptions<2>) -> Self {
        check_conv_rank(self.shape(), 2, "conv_transpose2d");
        if let Some(dtype) = wider(self.dtype()) {
            let wide = |x: &Self| x.to(dtype);
            return wide(self).conv_transpose2d(&wide(weight), bias.map(wide).as_ref(), options).to(self.dtype());
        }
        if self.rank() == 3 {
            return self.unsqueeze(0).conv_transpose2d(weight, bias, options).squeeze([0]);
        }
        let [batch, _, height, width] = sizes_of(self.shape());
        let [_, part, kh, kw] = sizes_of(weight.shape());
        check_conv_transposed(
            self.shape(),
            weight.shape(),
            &options.stride,
            &options.output_padding,
            &options.dilation,
        );
        let size = |axis: usize, size: usize, kernel: usize| transposed_size(options.at(axis), size, kernel);
        let wanted = [size(0, height, kh), size(1, width, kw)];
        // The gradient of a convolution has room for `stride - 1` rows more: with more, nothing is cut before the end.
        if (0..2).any(|i| options.output_padding[i] >= options.stride[i]) {
            let whole = ConvTransposeOptions { padding: [0, 0], output_padding: [0, 0], ..*options };
            let full = self.conv_transpose2d(weight, None, &whole);
            let rest = |i: usize| (options.padding[i] + wanted[i]).saturating_sub(full.size(2 + i as isize)) as isize;
            let [top, left] = options.padding.map(|p| p as isize);
            let output = full.pad(&[0, rest(1), 0, rest(0)], 0.0).narrow(2, top, wanted[0]).narrow(3, left, wanted[1]);
            return bias.map_or(output.clone(), |bias| output + bias.reshape([-1, 1, 1]));
        }
        let [height, width] = wanted;
        let shape = [batch, part * options.groups, height, width];
        let settings = Conv2dOptions {
            stride: options.stride,
            padding: options.padding,
            dilation: options.dilation,
            groups: options.groups,
        };
        let output = match self.numel() {
            0 => Self::from(Tensor::zeros(shape, self.dtype())) + self.sum(()) * weight.sum(()),
            _ => self.conv2d_input(&shape, weight, &settings),
        };
        bias.map_or(output.clone(), |bias| output + bias.reshape([-1, 1, 1]))
    }

    /// `torch.nn.functional.conv_transpose3d`: input `[n, c, d, h, w]` or `[c, d, h, w]`, weight
    /// `[c, out/groups, kd, kh, kw]`, bias `[out]`.
    ///
    /// # Panics
    /// In PyTorch's words if ranks or channels do not agree.
    #[track_caller]
    pub fn conv_transpose3d(&self, weight: &Self, bias: Option<&Self>, options: &ConvTransposeOptions<3>) -> Self {
        check_conv_rank(self.shape(), 3, "conv_transpose3d");
        if let Some(dtype) = wider(self.dtype()) {
            let wide = |x: &Self| x.to(dtype);
            return wide(self).conv_transpose3d(&wide(weight), bias.map(wide).as_ref(), options).to(self.dtype());
        }
        if self.rank() == 4 {
            return self.unsqueeze(0).conv_transpose3d(weight, bias, options).squeeze([0]);
        }
        let [batch, channels, depth] = sizes_of(self.shape());
        let [_, part, kernel] = sizes_of(weight.shape());
        check_conv_transposed(
            self.shape(),
            weight.shape(),
            &options.stride,
            &options.output_padding,
            &options.dilation,
        );
        let plane = ConvTransposeOptions {
            stride: last_two(options.stride),
            padding: last_two(options.padding),
            output_padding: last_two(options.output_padding),
            dilation: last_two(options.dilation),
            groups: options.groups,
        };
        let size = transposed_size(options.at(0), depth, kernel);
        let [stride, padding, dilation] = [options.stride[0], options.padding[0], options.dilation[0]];
        if kernel == 0 {
            bug!("conv_transpose3d", "kernel size should be greater than zero");
        }
        // All taps along the depth at once, as channels of one image.
        let [_, _, _, kh, kw] = sizes_of(weight.shape());
        let taps = weight.reshape([channels, part * kernel, kh, kw]);
        let images = Self::flat_frames(&self.transpose(1, 2)).conv_transpose2d(&taps, None, &plane);
        let [_, _, height, width] = sizes_of(images.shape());
        let out = part * options.groups;
        let images = images.reshape([batch, depth, out, kernel, height, width]);
        let images = images.transpose(2, 3).reshape([batch, depth * kernel, out, height, width]);
        // Frame d of the input reaches frame d · stride + tap · dilation of the output before it is cut.
        let place = |i: usize| (i / kernel * stride + i % kernel * dilation) as i64;
        let places = Tensor::from_vec((0..depth * kernel).map(place).collect(), [depth * kernel]);
        let zeros = Self::from(Tensor::zeros([batch, size + 2 * padding, out, height, width], self.dtype()));
        let sum = zeros.index_add(1, &places, &images);
        let output = sum.narrow(1, padding as isize, size).transpose(1, 2);
        debug_assert_eq!(output.size(1), part * options.groups);
        bias.map_or(output.clone(), |bias| output + bias.reshape([-1, 1, 1, 1]))
    }

    /// Frames (n, d, c, h, w) as images (n d, c, h, w).
    fn flat_frames(frames: &Self) -> Self {
        let [batch, depth, channels, height, width] = sizes_of(frames.shape());
        frames.reshape([batch * depth, channels, height, width])
    }

    /// Images (n d, c, h, w) as a volume (n, c, d, h, w).
    fn as_volume(images: &Self, shape: [usize; 5]) -> Self {
        images.reshape(shape).transpose(1, 2)
    }

    /// Frames (n, d, c, h, w) with so many of zeros before and behind.
    fn pad_frames(frames: &Self, padding: usize) -> Self {
        let [batch, _, channels, height, width] = sizes_of(frames.shape());
        let zeros = Self::from(Tensor::zeros([batch, padding, channels, height, width], frames.dtype()));
        Self::cat(&[&zeros, frames, &zeros], 1)
    }
}

/// The dtype in which sums of products are exact or rounded once: integers as long as they are below 2⁵³.
#[doc(hidden)]
pub fn wider(dtype: DType) -> Option<DType> {
    match dtype {
        DType::F16 | DType::BF16 => Some(DType::F32),
        dtype if dtype.is_int() => Some(DType::F64),
        _ => None,
    }
}

/// The first sizes of a shape, which has so many.
#[doc(hidden)]
pub fn sizes_of<const N: usize>(shape: &[usize]) -> [usize; N] {
    std::array::from_fn(|axis| shape[axis])
}

#[doc(hidden)]
pub fn last_two(sizes: [usize; 3]) -> [usize; 2] {
    [sizes[1], sizes[2]]
}

#[doc(hidden)]
impl ConvOptions<3> {
    /// How the kernel moves over planes.
    pub fn plane(&self) -> Conv2dOptions {
        Conv2dOptions {
            stride: last_two(self.stride),
            padding: last_two(self.padding),
            dilation: last_two(self.dilation),
            groups: self.groups,
        }
    }
}

#[doc(hidden)]
impl<const N: usize> ConvTransposeOptions<N> {
    /// Stride, padding, padding of the output and dilation along an axis.
    pub fn at(&self, axis: usize) -> [usize; 4] {
        [self.stride[axis], self.padding[axis], self.output_padding[axis], self.dilation[axis]]
    }
}

#[doc(hidden)]
#[track_caller]
pub fn check_conv_rank(input: &[usize], axes: usize, name: &str) {
    if input.len() != axes + 1 && input.len() != axes + 2 {
        bug!(
            "",
            "Expected {}D (unbatched) or {}D (batched) input to {name}, but got input of size: {:?}",
            axes + 1,
            axes + 2,
            input
        );
    }
}

/// PyTorch's checks of a convolution, in its order.
#[doc(hidden)]
#[track_caller]
pub fn check_conv(
    input: &[usize],
    weight: &[usize],
    bias: Option<&[usize]>,
    stride: &[usize],
    padding: &[usize],
    dilation: &[usize],
    groups: usize,
) {
    let n = stride.len();
    if stride.contains(&0) {
        bug!("", "non-positive stride is not supported");
    }
    if dilation.contains(&0) {
        bug!("", "non-positive dilation is not supported");
    }
    if weight.len() < 3 {
        bug!("", "weight should have at least three dimensions");
    }
    let batched: Vec<usize> = (input.len() == n + 1).then_some(1).into_iter().chain(input.iter().copied()).collect();
    let out = weight[0];
    if weight.len() != n + 2 {
        bug!(
            "",
            "Expected {}-dimensional input for {}-dimensional weight{:?}, but got {}-dimensional input of size {batched:?} instead",
            weight.len(),
            weight.len(),
            weight,
            batched.len()
        );
    }
    if out < groups {
        bug!(
            "",
            "Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size {:?} instead",
            weight
        );
    }
    if !out.is_multiple_of(groups) {
        bug!(
            "",
            "Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of size [{:?}] \
             instead",
            weight
        );
    }
    let (channels, wanted) = (batched[1], weight[1] * groups);
    if channels != wanted {
        bug!(
            "",
            "Given groups={groups}, weight of size {:?}, expected input{batched:?} to have {wanted} channels, but got {channels} \
             channels instead",
            weight
        );
    }
    if let Some(bias) = bias.filter(|bias| *bias != [out]) {
        bug!(
            "",
            "Given weight of size {:?}, expected bias to be 1-dimensional with {out} elements, but got bias of size {:?} instead",
            weight,
            bias
        );
    }
    let padded: Vec<usize> = (0..n).map(|i| batched[2 + i] + 2 * padding[i]).collect();
    let reach: Vec<usize> = (0..n).map(|i| dilation[i] * weight[2 + i].saturating_sub(1) + 1).collect();
    if (0..n).any(|i| reach[i] > padded[i] || weight[2 + i] == 0) {
        let times = |sizes: &[usize]| sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
        bug!(
            "",
            "Calculated padded input size per channel: ({}). Kernel size: ({}). Kernel size can't be greater than actual input size",
            times(&padded),
            times(&reach)
        );
    }
}

#[doc(hidden)]
#[track_caller]
pub fn check_conv_transposed(
    input: &[usize],
    weight: &[usize],
    stride: &[usize],
    output_padding: &[usize],
    dilation: &[usize],
) {
    let (channels, expected) = (input[1], weight[0]);
    if channels != expected {
        bug!(
            "",
            "Given transposed=1, weight of size {:?}, expected input{:?} to have {expected} channels, but got {channels} \
             channels instead",
            weight,
            input
        );
    }
    for axis in 0..stride.len() {
        let more = output_padding[axis];
        if more >= stride[axis].max(dilation[axis]) && more > 0 {
            bug!(
                "",
                "output padding must be smaller than either stride or dilation, but got output_padding {output_padding:?}, \
                 stride {stride:?}, dilation {dilation:?}"
            );
        }
    }
}

/// The size of an axis of the output.
#[doc(hidden)]
#[track_caller]
pub fn transposed_size([stride, padding, more, dilation]: [usize; 4], size: usize, kernel: usize) -> usize {
    let full = size.saturating_sub(1) * stride + dilation * kernel.saturating_sub(1) + more + 1;
    if full <= 2 * padding {
        bug!("conv_transpose", "padding {padding} leaves nothing of an axis of size {full}");
    }
    full - 2 * padding
}
