//! Two-dimensional convolution and its two adjoints: shape rules and error texts.

use crate::cpu::conv::{self, Geometry};
use crate::cpu::conv_weight;
use crate::cpu::floor::Activation;
use crate::ops::matmul::{has_epilogue, through_f32};
use crate::shape::{IntoShape, Shape};
use crate::{DType, Tensor, bug, match_dtype};
use wengert_tensor_macros::profiled;

/// How a kernel moves over an image; heights come before widths.
///
/// # Examples
/// ```
/// use wengert_tensor::conv::Conv2dOptions;
/// let same = Conv2dOptions { padding: [1, 1], ..Default::default() };
/// assert_eq!(same.stride, [1, 1]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conv2dOptions {
    /// Steps between neighbouring outputs.
    pub stride: [usize; 2],
    /// Zeros added on each side.
    pub padding: [usize; 2],
    /// Steps between the taps of the kernel.
    pub dilation: [usize; 2],
    /// Parts that channels are divided into; each output channel sees the inputs of its part only.
    pub groups: usize,
}

impl Default for Conv2dOptions {
    /// Stride 1, no padding, dilation 1, one group.
    fn default() -> Conv2dOptions {
        Conv2dOptions { stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 }
    }
}

#[profiled]
impl Tensor {
    /// Two-dimensional cross-correlation, as `torch.nn.functional.conv2d`: input `[n, c, h, w]` or `[c, h, w]`, weight
    /// `[out, c/groups, kh, kw]`, bias `[out]`.
    ///
    /// Gradients: [`conv2d_input_grad`], [`conv2d_weight_grad`], and for the bias the sum over all axes but the channel's.
    ///
    /// # Panics
    /// In PyTorch's words if ranks, channels or dtypes do not agree or the kernel is larger than the padded input.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::{Tensor, conv::Conv2dOptions};
    /// let x = Tensor::from_vec((0..9).map(|i| i as f32).collect(), [1, 1, 3, 3]);
    /// let w = Tensor::from_vec(vec![0.0f32, 1.0, 2.0, 3.0], [1, 1, 2, 2]);
    /// let y = x.conv2d(&w, None, &Conv2dOptions::default());
    /// assert_eq!(y.to_vec::<f32>(), [19.0, 25.0, 37.0, 43.0]);
    /// ```
    #[track_caller]
    pub fn conv2d(&self, weight: &Tensor, bias: Option<&Tensor>, options: &Conv2dOptions) -> Tensor {
        convolve(self, weight, bias, options, Activation::None)
    }

    /// [`Tensor::conv2d`] followed by [`Tensor::relu`], in one pass over the result where elements are `f32` or `f64`; the same
    /// to the bit. PyTorch's module for it is `torch.ao.nn.intrinsic.ConvReLU2d`.
    ///
    /// # Panics
    /// As [`Tensor::conv2d`].
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::{conv::Conv2dOptions, tensor};
    /// let (x, w) = (tensor![[[1.0, -2.0]]], tensor![[[[3.0]]]]);
    /// assert_eq!(x.conv2d_relu(&w, None, &Conv2dOptions::default()).to_vec::<f32>(), [3.0, 0.0]);
    /// ```
    #[track_caller]
    pub fn conv2d_relu(&self, weight: &Tensor, bias: Option<&Tensor>, options: &Conv2dOptions) -> Tensor {
        if has_epilogue(self) {
            return convolve(self, weight, bias, options, Activation::Relu);
        }
        self.conv2d(weight, bias, options).relu()
    }
}

/// [`Tensor::conv2d`] and an activation, which must be none on integers.
#[track_caller]
fn convolve(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    options: &Conv2dOptions,
    activation: Activation,
) -> Tensor {
    let geometry = Geometry::check(x.shape(), weight.shape(), options);
    if let Some(bias) = bias.filter(|bias| bias.dtype() != x.dtype()) {
        bug!(
            "",
            "Input type ({}) and bias type ({}) should be the same",
            super::matmul::cpp_name(x.dtype()),
            super::matmul::cpp_name(bias.dtype())
        );
    }
    check_dtypes(x, weight);
    if let Some(bias) = bias {
        let out = weight.shape()[0];
        if bias.shape() != [out] {
            bug!(
                "",
                "Given weight of size {:?}, expected bias to be 1-dimensional with {out} elements, but got bias of \
                 size {:?} instead",
                weight.shape(),
                bias.shape()
            );
        }
    }
    geometry.count_flops();
    if x.dtype().is_int() {
        // Integers have no fast path; sums wrap alike in i64 and in the narrow type.
        let wide = |x: &Tensor| x.to(DType::I64).contiguous();
        let (x, w, b) = (wide(x), wide(weight), bias.map(wide));
        return conv::forward_integer(&x, &w, b.as_ref(), &geometry).to(x.dtype());
    }
    through_f32(
        [x, weight, bias.unwrap_or(weight)],
        |[x, w, b]| match_dtype!(compute x.dtype(), T => conv::forward::<T>(&x, &w, bias.map(|_| &b), activation.floor(), &geometry), other => unreachable!("{other} was converted")),
    )
}

#[doc(hidden)]
impl Tensor {
    /// The transposed convolution of images with a batch axis to a shape, exact also beside infinities and NaN.
    #[track_caller]
    pub fn conv2d_input(&self, shape: &[usize], weight: &Tensor, options: &Conv2dOptions) -> Tensor {
        let value = conv2d_input_grad(shape, weight, self, options);
        let odd = value.sum(()).isnan().item::<bool>();
        if odd { apart(shape, weight, self, options) } else { value }
    }
}

/// A transposed convolution as PyTorch computes it, by a product whose rows are put in their places: no zero of a border meets an
/// infinity or NaN of an operand, so these stay where they belong.
fn apart(shape: &[usize], weight: &Tensor, grad: &Tensor, options: &Conv2dOptions) -> Tensor {
    let &[channels, part, kh, kw] = weight.shape() else { unreachable!("checked by the kernel") };
    let (own, groups) = (channels / options.groups, options.groups);
    let (n, places) = (grad.size(0), grad.size(2) * grad.size(3));
    let columns: Vec<Tensor> = (0..groups)
        .map(|group| {
            let of = |x: &Tensor, dim| x.narrow(dim, (group * own) as isize, own);
            of(weight, 0).reshape([own, part * kh * kw]).t().matmul(&of(grad, 1).reshape([n, own, places]))
        })
        .collect();
    Tensor::cat(&columns, 1).col2im([shape[2], shape[3]], [kh, kw], options)
}

/// The gradient of [`Tensor::conv2d`] with respect to its input, from that of its output, as
/// `torch.nn.grad.conv2d_input`.
///
/// It is the transposed convolution of `grad` with `weight`.
///
/// # Panics
/// If shapes or dtypes do not agree.
#[profiled]
#[track_caller]
pub fn conv2d_input_grad(
    input_shape: impl IntoShape,
    weight: &Tensor,
    grad: &Tensor,
    options: &Conv2dOptions,
) -> Tensor {
    input_grad(&input_shape.into_shape(), weight, grad, options)
}

/// [`conv2d_input_grad`], compiled once and not for each type of shape.
#[track_caller]
fn input_grad(input_shape: &[usize], weight: &Tensor, grad: &Tensor, options: &Conv2dOptions) -> Tensor {
    let geometry = Geometry::check(input_shape, weight.shape(), options);
    check_grad(grad, &geometry, input_shape);
    check_dtypes(grad, weight);
    geometry.count_flops();
    through_f32(
        [weight, grad],
        |[w, dy]| match_dtype!(compute w.dtype(), T => conv::input_grad::<T>(&w, &dy, &geometry, input_shape), other => no_gradient(other)),
    )
}

/// The gradient of [`Tensor::conv2d`] with respect to its weight, from that of its output, as
/// `torch.nn.grad.conv2d_weight`.
///
/// # Panics
/// If shapes or dtypes do not agree.
#[profiled]
#[track_caller]
pub fn conv2d_weight_grad(
    input: &Tensor,
    weight_shape: impl IntoShape,
    grad: &Tensor,
    options: &Conv2dOptions,
) -> Tensor {
    weight_grad(input, &weight_shape.into_shape(), grad, options)
}

/// [`conv2d_weight_grad`], compiled once and not for each type of shape.
#[track_caller]
fn weight_grad(input: &Tensor, weight_shape: &[usize], grad: &Tensor, options: &Conv2dOptions) -> Tensor {
    let geometry = Geometry::check(input.shape(), weight_shape, options);
    check_grad(grad, &geometry, input.shape());
    check_dtypes(input, grad);
    geometry.count_flops();
    through_f32(
        [input, grad],
        |[x, dy]| match_dtype!(compute x.dtype(), T => conv_weight::weight_grad::<T>(&x, &dy, &geometry, weight_shape), other => no_gradient(other)),
    )
}

#[track_caller]
fn no_gradient(dtype: DType) -> ! {
    bug!("conv2d", "only floating-point tensors have gradients, but got {dtype}")
}

#[track_caller]
fn check_dtypes(a: &Tensor, b: &Tensor) {
    if a.dtype() != b.dtype() {
        bug!("", "expected scalar type {} but found {}", a.dtype().legacy_name(), b.dtype().legacy_name());
    }
    if a.dtype() == DType::Bool {
        bug!("", "\"slow_conv2d_cpu\" not implemented for 'Bool'");
    }
}

/// Panics unless `grad` has the shape of the output.
#[track_caller]
fn check_grad(grad: &Tensor, geometry: &Geometry, input_shape: &[usize]) {
    let expected = geometry.output_shape(input_shape.len());
    if grad.rank() != expected.len() {
        bug!("", "Expected a tensor of dimension {} but got: dimension {}", expected.len(), grad.rank());
    }
    for (d, (&want, &have)) in expected.iter().zip(grad.shape()).enumerate().skip(expected.len() - 3) {
        if want != have {
            bug!(
                "",
                "Expected a tensor of dimension {rank} and tensor.size[{d}] == {want} but got: dimension {rank} and \
                 tensor.size[{d}] = {have}",
                rank = grad.rank()
            );
        }
    }
    if expected[0] != grad.shape()[0] {
        bug!("conv2d", "Expected a gradient of shape {expected:?}, but got {:?}", grad.shape());
    }
}

impl Geometry {
    /// Sizes of a convolution, checked.
    #[track_caller]
    fn check(input: &[usize], weight: &[usize], options: &Conv2dOptions) -> Geometry {
        let Conv2dOptions { stride, padding, dilation, groups } = *options;
        if !matches!(input.len(), 3 | 4) {
            bug!("", "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: {input:?}");
        }
        if stride.contains(&0) {
            bug!("", "non-positive stride is not supported");
        }
        if dilation.contains(&0) {
            bug!("", "dilation should be greater than zero, but got {dilation:?}");
        }
        if groups == 0 {
            bug!("", "non-positive groups is not supported");
        }
        let &[out, depth, kh, kw] = weight else {
            bug!(
                "conv2d",
                "expected a 4-D weight [out_channels, in_channels/groups, height, width], but got weight of size {weight:?}"
            );
        };
        if out < groups {
            bug!(
                "",
                "Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size {weight:?} instead"
            );
        }
        if out % groups != 0 {
            bug!(
                "",
                "Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of size [{weight:?}] instead"
            );
        }
        let (batch, image) = if let [batch, image @ ..] = input
            && image.len() == 3
        {
            (*batch, image)
        } else {
            (1, input)
        };
        let [channels, height, width] = [image[0], image[1], image[2]];
        if channels != depth * groups {
            bug!(
                "",
                "Given groups={groups}, weight of size {weight:?}, expected input{:?} to have {} channels, but got \
                 {channels} channels instead",
                [batch, channels, height, width],
                depth * groups
            );
        }
        if kh == 0 || kw == 0 {
            bug!("", "kernel size should be greater than zero, but got kernel_height: {kh} kernel_width: {kw}");
        }
        let padded = [height + 2 * padding[0], width + 2 * padding[1]];
        let reach = [dilation[0] * (kh - 1) + 1, dilation[1] * (kw - 1) + 1];
        if reach[0] > padded[0] || reach[1] > padded[1] {
            bug!(
                "",
                "Calculated padded input size per channel: ({} x {}). Kernel size: ({} x {}). Kernel size can't be greater \
                 than actual input size",
                padded[0],
                padded[1],
                reach[0],
                reach[1]
            );
        }
        Geometry {
            batch,
            groups,
            depth,
            out: out / groups,
            size: [height, width],
            kernel: [kh, kw],
            stride,
            padding,
            dilation,
            out_size: [(padded[0] - reach[0]) / stride[0] + 1, (padded[1] - reach[1]) / stride[1] + 1],
        }
    }

    /// Counts the operations of the plain algorithm, the same for the output and both gradients.
    fn count_flops(&self) {
        crate::profile::flops(|| {
            let output: usize = self.output_shape(4).iter().product();
            2 * output * self.depth * self.kernel[0] * self.kernel[1]
        });
    }

    /// The output's shape for an input of rank 3 or 4.
    pub(crate) fn output_shape(&self, rank: usize) -> Shape {
        let all = [self.batch, self.groups * self.out, self.out_size[0], self.out_size[1]];
        Shape::from_slice(&all[4 - rank..])
    }
}
