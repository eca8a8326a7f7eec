//! Convolutions of sequences and volumes, and transposed ones, made of the two-dimensional kernel.

use super::conv::transposed;
use crate::Var;
use crate::catalog::Entry;
use wengert_tensor::{Conv2dOptions, DType, Tensor, bug};

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

impl Var {
    /// `torch.nn.functional.conv1d`: input `[n, c, l]` or `[c, l]`, weight `[out, c/groups, k]`, bias `[out]`.
    ///
    /// # Panics
    /// In PyTorch's words if ranks or channels do not agree or the kernel is larger than the padded input.
    #[track_caller]
    pub fn conv1d(&self, weight: &Var, bias: Option<&Var>, options: &ConvOptions<1>) -> Var {
        check_rank(self, 1, "conv1d");
        check(self, weight, bias, options);
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
    pub fn conv3d(&self, weight: &Var, bias: Option<&Var>, options: &ConvOptions<3>) -> Var {
        check_rank(self, 3, "conv3d");
        if let Some(dtype) = wider(self.dtype()) {
            let wide = |x: &Var| x.to(dtype);
            return wide(self).conv3d(&wide(weight), bias.map(wide).as_ref(), options).to(self.dtype());
        }
        if self.rank() == 4 {
            return self.unsqueeze(0).conv3d(weight, bias, options).squeeze([0]);
        }
        check(self, weight, bias, options);
        let [stride, padding, dilation] = [options.stride[0], options.padding[0], options.dilation[0]];
        let (plane, [batch, _, depth]) = (plane(options), sizes(self));
        let [out, _, kernel] = sizes(weight);
        let reach = dilation * kernel.saturating_sub(1) + 1;
        // One convolution of planes for each tap along the depth.
        let frames = self.transpose(1, 2);
        let frames = if padding == 0 { frames } else { pad_depth(&frames, padding) };
        let count = (depth + 2 * padding - reach) / stride + 1;
        let taps = (0..kernel).map(|tap| {
            let first = tap * dilation;
            let seen = frames.slice(1, Some(first as isize), Some((first + (count - 1) * stride + 1) as isize), stride);
            let bias = bias.filter(|_| tap == 0);
            flat(&seen).conv2d(&weight.select(2, tap as isize), bias, &plane)
        });
        let sum = taps.reduce(|a, b| a + b).expect("a kernel has a tap");
        let [_, _, height, width] = sizes(&sum);
        volume(&sum, [batch, count, out, height, width])
    }

    /// `torch.nn.functional.conv_transpose1d`: input `[n, c, l]` or `[c, l]`, weight `[c, out/groups, k]`, bias `[out]`.
    ///
    /// # Panics
    /// In PyTorch's words if ranks or channels do not agree.
    #[track_caller]
    pub fn conv_transpose1d(&self, weight: &Var, bias: Option<&Var>, options: &ConvTransposeOptions<1>) -> Var {
        check_rank(self, 1, "conv_transpose1d");
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
    pub fn conv_transpose2d(&self, weight: &Var, bias: Option<&Var>, options: &ConvTransposeOptions<2>) -> Var {
        check_rank(self, 2, "conv_transpose2d");
        if let Some(dtype) = wider(self.dtype()) {
            let wide = |x: &Var| x.to(dtype);
            return wide(self).conv_transpose2d(&wide(weight), bias.map(wide).as_ref(), options).to(self.dtype());
        }
        if self.rank() == 3 {
            return self.unsqueeze(0).conv_transpose2d(weight, bias, options).squeeze([0]);
        }
        let [batch, channels, height, width] = sizes(self);
        let [_, part, kh, kw] = sizes(weight);
        check_transposed(self, weight, channels, options);
        let size = |axis: usize, size: usize, kernel: usize| transposed_size(options, axis, size, kernel);
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
            0 => Var::from(Tensor::zeros(shape, self.dtype())) + self.sum(()) * weight.sum(()),
            _ => transposed(&shape, weight, self, &settings),
        };
        bias.map_or(output.clone(), |bias| output + bias.reshape([-1, 1, 1]))
    }

    /// `torch.nn.functional.conv_transpose3d`: input `[n, c, d, h, w]` or `[c, d, h, w]`, weight
    /// `[c, out/groups, kd, kh, kw]`, bias `[out]`.
    ///
    /// # Panics
    /// In PyTorch's words if ranks or channels do not agree.
    #[track_caller]
    pub fn conv_transpose3d(&self, weight: &Var, bias: Option<&Var>, options: &ConvTransposeOptions<3>) -> Var {
        check_rank(self, 3, "conv_transpose3d");
        if let Some(dtype) = wider(self.dtype()) {
            let wide = |x: &Var| x.to(dtype);
            return wide(self).conv_transpose3d(&wide(weight), bias.map(wide).as_ref(), options).to(self.dtype());
        }
        if self.rank() == 4 {
            return self.unsqueeze(0).conv_transpose3d(weight, bias, options).squeeze([0]);
        }
        let [batch, channels, depth] = sizes(self);
        let [_, part, kernel] = sizes(weight);
        check_transposed(self, weight, channels, options);
        let plane = ConvTransposeOptions {
            stride: behind(options.stride),
            padding: behind(options.padding),
            output_padding: behind(options.output_padding),
            dilation: behind(options.dilation),
            groups: options.groups,
        };
        let size = transposed_size(options, 0, depth, kernel);
        let [stride, padding, dilation] = [options.stride[0], options.padding[0], options.dilation[0]];
        if kernel == 0 {
            bug!("conv_transpose3d", "kernel size should be greater than zero");
        }
        // All taps along the depth at once, as channels of one image.
        let [_, _, _, kh, kw] = sizes(weight);
        let taps = weight.reshape([channels, part * kernel, kh, kw].map(|n| n as isize));
        let images = flat(&self.transpose(1, 2)).conv_transpose2d(&taps, None, &plane);
        let [_, _, height, width] = sizes(&images);
        let out = part * options.groups;
        let images = images.reshape([batch, depth, out, kernel, height, width].map(|n| n as isize));
        let images = images.transpose(2, 3).reshape([batch, depth * kernel, out, height, width].map(|n| n as isize));
        // Frame d of the input reaches frame d · stride + tap · dilation of the output before it is cut.
        let place = |i: usize| (i / kernel * stride + i % kernel * dilation) as i64;
        let places = Tensor::from_vec((0..depth * kernel).map(place).collect(), [depth * kernel]);
        let zeros = Var::from(Tensor::zeros([batch, size + 2 * padding, out, height, width], self.dtype()));
        let sum = zeros.index_add(1, &places, &images);
        let output = sum.narrow(1, padding as isize, size).transpose(1, 2);
        debug_assert_eq!(output.size(1), part * options.groups);
        bias.map_or(output.clone(), |bias| output + bias.reshape([-1, 1, 1, 1]))
    }
}

/// The dtype in which sums of products are exact or rounded once: integers as long as they are below 2⁵³.
fn wider(dtype: DType) -> Option<DType> {
    match dtype {
        DType::F16 | DType::BF16 => Some(DType::F32),
        dtype if dtype.is_int() => Some(DType::F64),
        _ => None,
    }
}

/// The first sizes of a `Var`, which has so many axes.
fn sizes<const N: usize>(x: &Var) -> [usize; N] {
    std::array::from_fn(|axis| x.shape()[axis])
}

fn behind(sizes: [usize; 3]) -> [usize; 2] {
    [sizes[1], sizes[2]]
}

fn plane(options: &ConvOptions<3>) -> Conv2dOptions {
    Conv2dOptions {
        stride: behind(options.stride),
        padding: behind(options.padding),
        dilation: behind(options.dilation),
        groups: options.groups,
    }
}

/// Frames (n, d, c, h, w) as images (n d, c, h, w).
fn flat(frames: &Var) -> Var {
    let [batch, depth, channels, height, width] = sizes(frames);
    frames.reshape([batch * depth, channels, height, width].map(|n| n as isize))
}

/// Images (n d, c, h, w) as a volume (n, c, d, h, w).
fn volume(images: &Var, shape: [usize; 5]) -> Var {
    images.reshape(shape.map(|n| n as isize)).transpose(1, 2)
}

/// Frames (n, d, c, h, w) with so many of zeros before and behind.
fn pad_depth(frames: &Var, padding: usize) -> Var {
    let [batch, _, channels, height, width] = sizes(frames);
    let zeros = Var::from(Tensor::zeros([batch, padding, channels, height, width], frames.dtype()));
    Var::cat(&[&zeros, frames, &zeros], 1)
}

#[track_caller]
fn check_rank(input: &Var, axes: usize, name: &str) {
    if input.rank() != axes + 1 && input.rank() != axes + 2 {
        bug!(
            "",
            "Expected {}D (unbatched) or {}D (batched) input to {name}, but got input of size: {:?}",
            axes + 1,
            axes + 2,
            input.shape()
        );
    }
}

/// PyTorch's checks of a convolution, in its order.
#[track_caller]
fn check<const N: usize>(input: &Var, weight: &Var, bias: Option<&Var>, options: &ConvOptions<N>) {
    if options.stride.contains(&0) {
        bug!("", "non-positive stride is not supported");
    }
    if options.dilation.contains(&0) {
        bug!("", "non-positive dilation is not supported");
    }
    if weight.rank() < 3 {
        bug!("", "weight should have at least three dimensions");
    }
    let batched: Vec<usize> =
        (input.rank() == N + 1).then_some(1).into_iter().chain(input.shape().iter().copied()).collect();
    let (groups, out) = (options.groups, weight.shape()[0]);
    if weight.rank() != N + 2 {
        bug!(
            "",
            "Expected {}-dimensional input for {}-dimensional weight{:?}, but got {}-dimensional input of size {batched:?} instead",
            weight.rank(),
            weight.rank(),
            weight.shape(),
            batched.len()
        );
    }
    if out < groups {
        bug!(
            "",
            "Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size {:?} instead",
            weight.shape()
        );
    }
    if !out.is_multiple_of(groups) {
        bug!(
            "",
            "Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of size [{:?}] \
             instead",
            weight.shape()
        );
    }
    let (channels, wanted) = (batched[1], weight.shape()[1] * groups);
    if channels != wanted {
        bug!(
            "",
            "Given groups={groups}, weight of size {:?}, expected input{batched:?} to have {wanted} channels, but got {channels} \
             channels instead",
            weight.shape()
        );
    }
    if let Some(bias) = bias.filter(|bias| bias.shape() != [out]) {
        bug!(
            "",
            "Given weight of size {:?}, expected bias to be 1-dimensional with {out} elements, but got bias of size {:?} instead",
            weight.shape(),
            bias.shape()
        );
    }
    let padded: [usize; N] = std::array::from_fn(|i| batched[2 + i] + 2 * options.padding[i]);
    let reach: [usize; N] = std::array::from_fn(|i| options.dilation[i] * weight.shape()[2 + i].saturating_sub(1) + 1);
    if (0..N).any(|i| reach[i] > padded[i] || weight.shape()[2 + i] == 0) {
        let times = |sizes: &[usize]| sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
        bug!(
            "",
            "Calculated padded input size per channel: ({}). Kernel size: ({}). Kernel size can't be greater than actual input size",
            times(&padded),
            times(&reach)
        );
    }
}

#[track_caller]
fn check_transposed<const N: usize>(input: &Var, weight: &Var, channels: usize, options: &ConvTransposeOptions<N>) {
    let expected = weight.shape()[0];
    if channels != expected {
        bug!(
            "",
            "Given transposed=1, weight of size {:?}, expected input{:?} to have {expected} channels, but got {channels} \
             channels instead",
            weight.shape(),
            input.shape()
        );
    }
    for axis in 0..N {
        let (more, stride, dilation) = (options.output_padding[axis], options.stride[axis], options.dilation[axis]);
        if more >= stride.max(dilation) && more > 0 {
            bug!(
                "",
                "output padding must be smaller than either stride or dilation, but got output_padding {:?}, stride {:?}, \
                 dilation {:?}",
                options.output_padding,
                options.stride,
                options.dilation
            );
        }
    }
}

/// The size of an axis of the output.
#[track_caller]
fn transposed_size<const N: usize>(
    options: &ConvTransposeOptions<N>,
    axis: usize,
    size: usize,
    kernel: usize,
) -> usize {
    let [stride, padding] = [options.stride[axis], options.padding[axis]];
    let reach = options.dilation[axis] * kernel.saturating_sub(1) + options.output_padding[axis] + 1;
    let full = size.saturating_sub(1) * stride + reach;
    if full <= 2 * padding {
        bug!("conv_transpose", "padding {padding} leaves nothing of an axis of size {full}");
    }
    full - 2 * padding
}

pub(crate) fn catalog() -> Vec<Entry> {
    let volume = ConvOptions { stride: [2, 1, 1], padding: [1, 0, 1], dilation: [1, 2, 1], groups: 1 };
    let one = ConvTransposeOptions { stride: [2], padding: [1], output_padding: [1], ..Default::default() };
    let two = ConvTransposeOptions { stride: [2, 1], dilation: [1, 2], groups: 2, ..Default::default() };
    let three = ConvTransposeOptions { stride: [2, 1, 1], padding: [1, 0, 0], ..Default::default() };
    vec![
        Entry::shaped("conv1d", "SqueezeBackward1", &[&[2, 2, 4], &[3, 2, 2], &[3]], |x| {
            x[0].conv1d(&x[1], x.get(2), &ConvOptions::default())
        })
        .sizes("n c l2, o c 2, o"),
        Entry::shaped("conv3d", "TransposeBackward0", &[&[1, 2, 3, 3, 2], &[2, 2, 2, 2, 1], &[2]], move |x| {
            x[0].conv3d(&x[1], x.get(2), &volume)
        })
        .sizes("n c d h3 w, o c 2 2 1, o"),
        Entry::shaped("conv_transpose1d", "SqueezeBackward1", &[&[2, 2, 3], &[2, 1, 3], &[1]], move |x| {
            x[0].conv_transpose1d(&x[1], x.get(2), &one)
        })
        .sizes("n c l, c o 3, o"),
        Entry::shaped("conv_transpose2d", "AddBackward0", &[&[1, 4, 2, 2], &[4, 1, 2, 2], &[2]], move |x| {
            x[0].conv_transpose2d(&x[1], x.get(2), &two)
        })
        .sizes("n 2c h w, 2c o 2 2, 2o"),
        Entry::shaped("conv_transpose3d", "AddBackward0", &[&[1, 2, 2, 2, 1], &[2, 1, 2, 1, 2], &[1]], move |x| {
            x[0].conv_transpose3d(&x[1], x.get(2), &three)
        })
        .sizes("n c d2 h w, c o 2 1 2, o"),
    ]
}
