//! Softmax, log-softmax and cross entropy along an axis: shape and dtype rules, error texts.

use crate::cpu::softmax::{self as kernels, Kind};
use crate::ops::matmul::through_f32;
use crate::shape::{Shape, axis, numel};
use crate::{DType, Tensor, bug, match_dtype};
use wengert_tensor_macros::profiled;

#[profiled]
impl Tensor {
    /// `e^x / Σ e^x` along an axis: numbers in `[0, 1]` that add up to 1.
    ///
    /// Gradient: [`softmax_backward`].
    ///
    /// # Panics
    /// If the axis is out of range or the dtype is not a floating one.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::Tensor;
    /// let x = Tensor::from_vec(vec![1.0f32, 1.0, 1.0, 1.0], [2, 2]);
    /// assert_eq!(x.softmax(1).to_vec::<f32>(), [0.5; 4]);
    /// ```
    #[track_caller]
    pub fn softmax(&self, dim: isize) -> Tensor {
        along(Kind::Softmax, "softmax", self, dim)
    }

    /// `x - ln Σ e^x` along an axis: the logarithm of [`Tensor::softmax`], without its underflow.
    ///
    /// Gradient: [`log_softmax_backward`].
    ///
    /// # Panics
    /// If the axis is out of range or the dtype is not a floating one.
    #[track_caller]
    pub fn log_softmax(&self, dim: isize) -> Tensor {
        along(Kind::LogSoftmax, "log_softmax", self, dim)
    }
}

/// The gradient of [`Tensor::softmax`] from that of its output, `grad`, and the output: `y·(grad - Σ grad·y)`.
///
/// # Panics
/// If shapes or dtypes differ or the axis is out of range.
#[profiled]
#[track_caller]
pub fn softmax_backward(grad: &Tensor, output: &Tensor, dim: isize) -> Tensor {
    back(Kind::Softmax, "softmax_backward", grad, output, dim)
}

/// The gradient of [`Tensor::log_softmax`] from that of its output, `grad`, and the output: `grad - e^y·Σ grad`.
///
/// # Panics
/// If shapes or dtypes differ or the axis is out of range.
#[profiled]
#[track_caller]
pub fn log_softmax_backward(grad: &Tensor, output: &Tensor, dim: isize) -> Tensor {
    back(Kind::LogSoftmax, "log_softmax_backward", grad, output, dim)
}

/// The negative log-likelihood of class indices under the softmax of `logits`, one loss per sample.
///
/// `logits` is `[n, classes, d..]` (or `[classes]`), `target` is `[n, d..]` of `i64` or `u8`; the losses have the target's
/// shape, and are 0 where the target is `ignore` (PyTorch's default is -100).
///
/// # Panics
/// In PyTorch's words if shapes do not agree, a target is out of range or a dtype does not fit.
///
/// # Examples
/// ```
/// use wengert_tensor::{Tensor, softmax::cross_entropy};
/// let logits = Tensor::from_vec(vec![0.0f64, 0.0, 0.0, 0.0], [2, 2]);
/// let losses = cross_entropy(&logits, &Tensor::from_vec(vec![1i64, 0], [2]), -100);
/// assert_eq!(losses.to_vec::<f64>(), [std::f64::consts::LN_2; 2]);
/// ```
#[profiled]
#[track_caller]
pub fn cross_entropy(logits: &Tensor, target: &Tensor, ignore: i64) -> Tensor {
    let (len, classes) = check_target(logits, target, ignore);
    through_f32([logits], |[x]| {
        let x = rows(&x);
        match_dtype!(compute x.dtype(), T => Tensor::build(target.shape(), |out: &mut [T]| {
            kernels::cross_entropy(x.as_slice::<T>().expect("contiguous"), len, |i| classes[i], out);
        }), other => not_float("log_softmax", other))
    })
}

/// The gradient of [`cross_entropy`] with respect to the logits, from that of the losses: `(softmax - one-hot)·grad`.
///
/// # Panics
/// As [`cross_entropy`], or if `grad` does not have the target's shape.
#[profiled]
#[track_caller]
pub fn cross_entropy_backward(grad: &Tensor, logits: &Tensor, target: &Tensor, ignore: i64) -> Tensor {
    let (len, classes) = check_target(logits, target, ignore);
    if grad.shape() != target.shape() || grad.dtype() != logits.dtype() {
        bug!(
            "cross_entropy_backward",
            "expected a gradient of shape {:?} and dtype {}, but got {:?} and {}",
            target.shape(),
            logits.dtype(),
            grad.shape(),
            grad.dtype()
        );
    }
    through_f32([logits, grad], |[x, grad]| {
        let (x, grad) = (rows(&x), grad.contiguous());
        let out = match_dtype!(compute x.dtype(), T => Tensor::build(x.shape(), |out: &mut [T]| {
            let (x, grad) = (x.as_slice::<T>().expect("contiguous"), grad.as_slice::<T>().expect("contiguous"));
            kernels::cross_entropy_backward(x, len, |i| classes[i], grad, out);
        }), other => not_float("log_softmax", other));
        // Classes back to their axis.
        let axis = class_axis(logits);
        let rank = logits.rank();
        let order: Vec<usize> = (0..rank)
            .map(|d| {
                if d < axis {
                    d
                } else if d == axis {
                    rank - 1
                } else {
                    d - 1
                }
            })
            .collect();
        out.with_layout(out.layout().permute(&order)).contiguous()
    })
}

/// The axis of classes.
fn class_axis(logits: &Tensor) -> usize {
    usize::from(logits.rank() > 1)
}

/// Logits with the classes last, contiguous.
fn rows(logits: &Tensor) -> Tensor {
    let axis = class_axis(logits);
    let order: Vec<usize> = (0..logits.rank()).filter(|&d| d != axis).chain([axis]).collect();
    logits.with_layout(logits.layout().permute(&order)).contiguous()
}

/// The number of classes, and the class of each sample in C order.
#[track_caller]
fn check_target(logits: &Tensor, target: &Tensor, ignore: i64) -> (usize, Vec<Option<usize>>) {
    if logits.rank() == 0 {
        bug!("cross_entropy", "expected logits of at least one dimension, but got a 0-d tensor");
    }
    if !logits.dtype().is_float() {
        not_float("log_softmax", logits.dtype());
    }
    let axis = class_axis(logits);
    let expected: Shape = logits.shape().iter().enumerate().filter(|&(d, _)| d != axis).map(|(_, &s)| s).collect();
    if target.shape() != &expected[..] {
        if let (Some(&want), Some(&have)) = (expected.first(), target.shape().first())
            && want != have
        {
            bug!("", "Expected input batch_size ({want}) to match target batch_size ({have}).");
        }
        if expected.len() < 2 {
            bug!(
                "cross_entropy",
                "0D or 1D target tensor expected, multi-target not supported (expected {expected:?}, got {:?})",
                target.shape()
            );
        }
        bug!("", "Expected target size {expected:?}, got {:?}", target.shape());
    }
    if !matches!(target.dtype(), DType::I64 | DType::U8) {
        bug!("", "expected target dtype to be Long or Byte, but got {}", target.dtype().legacy_name());
    }
    let len = logits.shape()[axis];
    let mut classes = Vec::with_capacity(target.numel());
    for class in target.to_vec::<i64>() {
        if class == ignore {
            classes.push(None);
        } else if class < 0 || class >= len as i64 {
            bug!("cross_entropy", "Target {class} is out of bounds. There are {len} classes.");
        } else {
            classes.push(Some(class as usize));
        }
    }
    (len, classes)
}

#[track_caller]
fn not_float(op: &str, dtype: DType) -> ! {
    bug!("", "\"{op}_lastdim_kernel_impl\" not implemented for '{}'", dtype.legacy_name())
}

/// Sizes of the axis and of what lies inside it.
fn split(shape: &[usize], dim: usize) -> (usize, usize) {
    (shape.get(dim).copied().unwrap_or(1), shape.iter().skip(dim + 1).product())
}

#[track_caller]
fn along(kind: Kind, op: &str, x: &Tensor, dim: isize) -> Tensor {
    let dim = axis(op, dim, x.rank());
    let (len, inner) = split(x.shape(), dim);
    if !x.dtype().is_float() {
        not_float(op, x.dtype());
    }
    if narrow(len, inner) {
        return by_rows([x], (len, inner), |[x]| along(kind, op, x, -1));
    }
    through_f32([x], |[x]| {
        let x = x.contiguous();
        match_dtype!(compute x.dtype(), T => Tensor::build(x.shape(), |out: &mut [T]| {
            kernels::forward(kind, x.as_slice::<T>().expect("contiguous"), len, inner, out);
        }), other => unreachable!("{other} was converted"))
    })
}

#[track_caller]
fn back(kind: Kind, op: &str, grad: &Tensor, output: &Tensor, dim: isize) -> Tensor {
    let dim = axis(op, dim, output.rank());
    if grad.shape() != output.shape() || grad.dtype() != output.dtype() {
        bug!(
            op,
            "expected a gradient of shape {:?} and dtype {}, but got {:?} and {}",
            output.shape(),
            output.dtype(),
            grad.shape(),
            grad.dtype()
        );
    }
    if !output.dtype().is_float() {
        not_float(op, output.dtype());
    }
    let (len, inner) = split(output.shape(), dim);
    if narrow(len, inner) {
        return by_rows([grad, output], (len, inner), |[grad, output]| back(kind, op, grad, output, -1));
    }
    through_f32([output, grad], |[y, dy]| {
        let (y, dy) = (y.contiguous(), dy.contiguous());
        match_dtype!(compute y.dtype(), T => Tensor::build(y.shape(), |out: &mut [T]| {
            let (y, dy) = (y.as_slice::<T>().expect("contiguous"), dy.as_slice::<T>().expect("contiguous"));
            kernels::backward(kind, y, dy, len, inner, out);
        }), other => unreachable!("{other} was converted"))
    })
}

/// Whether so few columns lie behind the axis that they do not fill vectors.
fn narrow(len: usize, inner: usize) -> bool {
    (2..24).contains(&inner) && len >= 64
}

/// Computes along rows what is asked for along the columns of matrices of the given size.
fn by_rows<const N: usize>(
    x: [&Tensor; N],
    (len, inner): (usize, usize),
    compute: impl FnOnce([&Tensor; N]) -> Tensor,
) -> Tensor {
    let shape = x[0].shape();
    let size = [numel(shape) / (len * inner), len, inner];
    let turned = x.map(|x| x.reshape(size).mt().contiguous());
    compute(turned.each_ref()).mt().contiguous().reshape(shape)
}
