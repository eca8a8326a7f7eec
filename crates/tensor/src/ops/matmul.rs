//! Matrix products: PyTorch's rank rules and error texts over one batched kernel.

use crate::cpu::dot;
use crate::cpu::floor::Activation;
use crate::cpu::gemm::{Init, Mat, batched};
use crate::cpu::simd::Real;
use crate::shape::{Shape, broadcast, numel};
use crate::{DType, Scalar, Tensor, bug, profile};
use smallvec::SmallVec;
use wengert_tensor_macros::profiled;

/// Binds `$T` to the type of a dtype that has a product; halves and `bool` have been dealt with before.
macro_rules! match_gemm {
    ($dtype:expr, $T:ident => $body:expr) => {
        $crate::match_dtype!(@arms $dtype, $T => $body,
            [(F64, f64), (F32, f32), (I64, i64), (I32, i32), (I16, i16), (I8, i8), (U8, u8)],
            other => unreachable!("{other} is computed as another dtype"))
    };
}
#[profiled]
impl Tensor {
    /// The matrix product with PyTorch's rank rules: vector·vector is a dot product, matrices multiply, more axes are
    /// batch axes and broadcast.
    ///
    /// Gradients: with `c = a·b` and matrices, `da = dc·bᵀ` and `db = aᵀ·dc`.
    ///
    /// # Panics
    /// If an operand is a scalar, sizes do not agree, dtypes differ or are `bool`.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::Tensor;
    /// let a = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0], [2, 2]);
    /// let v = Tensor::from_vec(vec![10.0f32, 1.0], [2]);
    /// assert_eq!(a.matmul(&v).to_vec::<f32>(), [12.0, 34.0]);
    /// assert_eq!(a.matmul(&a.t()).to_vec::<f32>(), [5.0, 11.0, 11.0, 25.0]);
    /// ```
    #[track_caller]
    pub fn matmul(&self, other: &Tensor) -> Tensor {
        match (self.rank(), other.rank()) {
            (0, _) | (_, 0) => bug!(
                "",
                "both arguments to matmul need to be at least 1D, but they are {}D and {}D",
                self.rank(),
                other.rank()
            ),
            (1, 1) => self.dot(other),
            (2, 1) => self.mv(other),
            (1, 2) => {
                let row = self.unsqueeze(0).mm(other);
                row.select(0, 0)
            }
            (2, 2) => self.mm(other),
            (_, 1) => {
                let shape = Shape::from_slice(&self.shape()[..self.rank() - 1]);
                self.reshape([numel(&shape), self.shape()[self.rank() - 1]]).mv(other).reshape(shape)
            }
            (_, 2) => {
                let mut shape = Shape::from_slice(self.shape());
                let inner = shape.pop().expect("rank is at least 3");
                let rows = numel(&shape);
                shape.push(other.shape()[1]);
                self.reshape([rows, inner]).mm(other).reshape(shape)
            }
            (1, _) => {
                let product = self.unsqueeze(0).matmul(other);
                product.squeeze([-2])
            }
            _ => batched_matmul(self, other),
        }
    }

    /// The product of two matrices.
    ///
    /// # Panics
    /// If an operand is no matrix, the inner sizes differ, dtypes differ or are `bool`.
    #[track_caller]
    pub fn mm(&self, other: &Tensor) -> Tensor {
        mm(self, other, Activation::None)
    }

    /// `self + mat1·mat2`, where `self` (a bias) broadcasts to the product's shape.
    ///
    /// # Panics
    /// As [`Tensor::mm`], or if `self` does not expand to the product's shape.
    #[track_caller]
    pub fn addmm(&self, mat1: &Tensor, mat2: &Tensor) -> Tensor {
        addmm(self, mat1, mat2, Activation::None)
    }

    /// Products of the matrices of two batches, `[b, m, k]` and `[b, k, n]`.
    ///
    /// # Panics
    /// If an operand has not three axes, sizes do not agree (nothing broadcasts here), dtypes differ or are `bool`.
    #[track_caller]
    pub fn bmm(&self, other: &Tensor) -> Tensor {
        for (x, name) in [(self, "batch1"), (other, "batch2")] {
            if x.rank() != 3 {
                bug!("", "{name} must be a 3D tensor");
            }
        }
        check_batches([self.shape()[0], self.shape()[2]], [other.shape()[0], other.shape()[1]]);
        same_dtype(self, other, |a, b| {
            format!("expected scalar type {} but found {}", a.legacy_name(), b.legacy_name())
        });
        no_bool(self, "bmm");
        product(self, other, None, Activation::None)
    }

    /// The product of a matrix and a vector.
    ///
    /// # Panics
    /// If ranks are not 2 and 1, the inner sizes differ, dtypes differ or are `bool`.
    #[track_caller]
    pub fn mv(&self, vec: &Tensor) -> Tensor {
        if self.rank() != 2 || vec.rank() != 1 {
            bug!("", "vector + matrix @ vector expected, got 1, {}, {}", self.rank(), vec.rank());
        }
        let [m, k] = [self.shape()[0], self.shape()[1]];
        if k != vec.shape()[0] {
            bug!("", "size mismatch, got input ({m}), mat ({m}x{k}), vec ({})", vec.shape()[0]);
        }
        same_dtype(self, vec, |a, b| {
            let (a, b) = (a.legacy_name(), b.legacy_name());
            format!("addmv input tensors must have the same dtype, but got {b}, {a}, and {b}")
        });
        no_bool(self, "addmv_impl_cpu");
        product(self, &vec.unsqueeze(1), None, Activation::None).select(1, 0)
    }

    /// The sum of the products of two vectors' elements.
    ///
    /// # Panics
    /// If an operand is no vector, lengths differ, dtypes differ or are `bool`.
    #[track_caller]
    pub fn dot(&self, other: &Tensor) -> Tensor {
        if self.rank() != 1 || other.rank() != 1 {
            bug!("", "1D tensors expected, but got {}D and {}D tensors", self.rank(), other.rank());
        }
        same_dtype(self, other, |a, b| {
            format!(
                "dot : expected both vectors to have same dtype, but found {} and {}",
                a.legacy_name(),
                b.legacy_name()
            )
        });
        let (a, b) = (self.numel(), other.numel());
        if a != b {
            bug!(
                "",
                "inconsistent tensor size, expected tensor [{a}] and src [{b}] to have the same number of elements, but \
                 got {a} and {b} elements respectively"
            );
        }
        no_bool(self, "dot");
        let long = match self.dtype() {
            DType::F32 if dot::long(a) => long_dot::<f32>(self, other),
            DType::F64 if dot::long(a) => long_dot::<f64>(self, other),
            _ => None,
        };
        if let Some(sum) = long {
            profile::flops(|| 2 * a);
            return sum;
        }
        product(&self.unsqueeze(0), &other.unsqueeze(1), None, Activation::None).reshape(())
    }

    /// The outer product of two vectors: `out[i, j] = self[i]·other[j]`, in the dtype that holds both.
    ///
    /// # Panics
    /// If an operand is no vector.
    #[doc(alias = "ger")]
    #[track_caller]
    pub fn outer(&self, other: &Tensor) -> Tensor {
        for (x, name) in [(self, "self"), (other, "vec2")] {
            if x.rank() != 1 {
                bug!("outer", "Expected 1-D argument {name}, but got {}-D", x.rank());
            }
        }
        let dtype = self.dtype().promote(other.dtype());
        let shape = [self.numel(), other.numel()];
        crate::profile::flops(|| shape[0] * shape[1]);
        if dtype == DType::Bool {
            // On truth values the product is `and`, which the product of u8 computes.
            return self.to(DType::U8).outer(&other.to(DType::U8)).to(DType::Bool);
        }
        let (a, b) = (self.to(dtype), other.to(dtype));
        through_f32([&a, &b], |[a, b]| {
            match_gemm!(a.dtype(), T => {
                let (a, b) = (a.to_vec::<T>(), b.to_vec::<T>());
                Tensor::build(shape, |out: &mut [T]| crate::cpu::gemm::outer(&a, &b, out))
            })
        })
    }

    /// The affine map of a layer: `self·weightᵀ + bias` over the last axis, with `weight` of shape `[out, in]`.
    ///
    /// Gradients: `dself = dout·weight`, `dweight = doutᵀ·self`, `dbias` the sum of `dout` over all axes but the last.
    ///
    /// # Panics
    /// If sizes do not agree or dtypes differ.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::Tensor;
    /// let x = Tensor::from_vec(vec![1.0f32, 2.0, 3.0], [1, 3]);
    /// let w = Tensor::from_vec(vec![1.0f32, 0.0, 0.0, 0.0, 1.0, 1.0], [2, 3]);
    /// let b = Tensor::from_vec(vec![0.5f32, -1.0], [2]);
    /// assert_eq!(x.linear(&w, Some(&b)).to_vec::<f32>(), [1.5, 4.0]);
    /// ```
    #[track_caller]
    pub fn linear(&self, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
        affine(self, weight, bias, Activation::None)
    }

    /// [`Tensor::linear`] followed by [`Tensor::relu`], in one pass over the result where elements are `f32` or `f64`; the same
    /// to the bit. PyTorch's module for it is `torch.ao.nn.intrinsic.LinearReLU`.
    ///
    /// # Panics
    /// As [`Tensor::linear`].
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// let (x, w) = (tensor![[1.0, 2.0]], tensor![[1.0, 1.0], [1.0, -1.0]]);
    /// assert_eq!(x.linear_relu(&w, None).to_vec::<f32>(), [3.0, 0.0]);
    /// ```
    #[track_caller]
    pub fn linear_relu(&self, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
        if has_epilogue(self) && weight.rank() == 2 {
            return affine(self, weight, bias, Activation::Relu);
        }
        self.linear(weight, bias).relu()
    }
}

/// Whether kernels compute in the dtype of `x`, so that a ReLU on their sums is one on the rounded results: halves are
/// rounded after it, which may leave a zero of the other sign.
pub(crate) fn has_epilogue(x: &Tensor) -> bool {
    matches!(x.dtype(), DType::F32 | DType::F64)
}

/// [`Tensor::linear`] and an activation.
#[track_caller]
fn affine(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, activation: Activation) -> Tensor {
    let (rank, weight_rank) = (x.rank(), weight.rank());
    if rank == 0 || weight_rank == 0 {
        bug!("", "both arguments to linear need to be at least 1D, but they are {rank}D and {weight_rank}D");
    }
    let weight = weight.t();
    let mut shape = Shape::from_slice(x.shape());
    let inner = shape.pop().expect("rank is at least 1");
    let rows = x.reshape([numel(&shape), inner]);
    let out = match bias {
        None if weight_rank == 1 => return x.matmul(&weight),
        None => {
            let _span = profile::span("mm");
            mm(&rows, &weight, activation)
        }
        Some(bias) => {
            let _span = profile::span("addmm");
            addmm(bias, &rows, &weight, activation)
        }
    };
    shape.push(weight.shape()[1]);
    out.reshape(shape)
}

/// [`Tensor::mm`] and an activation.
#[track_caller]
fn mm(a: &Tensor, b: &Tensor, activation: Activation) -> Tensor {
    check_matrices("mm", a, b);
    same_dtype(a, b, |a, b| {
        format!("expected m1 and m2 to have the same dtype, but got: {} != {}", cpp_name(a), cpp_name(b))
    });
    no_bool(a, "addmm_impl_cpu_");
    product(a, b, None, activation)
}

/// [`Tensor::addmm`] and an activation.
#[track_caller]
fn addmm(bias: &Tensor, a: &Tensor, b: &Tensor, activation: Activation) -> Tensor {
    check_matrices("addmm", a, b);
    same_dtype(bias, b, |a, b| {
        format!("self and mat2 must have the same dtype, but got {} and {}", a.legacy_name(), b.legacy_name())
    });
    same_dtype(a, b, |a, b| {
        format!("mat1 and mat2 must have the same dtype, but got {} and {}", a.legacy_name(), b.legacy_name())
    });
    no_bool(a, "addmm_impl_cpu_");
    let bias = bias.expand([a.shape()[0], b.shape()[1]]);
    product(a, b, Some(&bias), activation)
}

/// The last case of [`Tensor::matmul`]: at least one operand has batch axes, and they broadcast.
#[track_caller]
fn batched_matmul(a: &Tensor, b: &Tensor) -> Tensor {
    let split = |x: &Tensor| (Shape::from_slice(&x.shape()[..x.rank() - 2]), [x.size(-2), x.size(-1)]);
    let ((batch_a, [m, k]), (batch_b, [inner, n])) = (split(a), split(b));
    let batch = broadcast("", &batch_a, &batch_b);
    check_batches([numel(&batch), k], [numel(&batch), inner]);
    same_dtype(a, b, |a, b| format!("expected scalar type {} but found {}", a.legacy_name(), b.legacy_name()));
    no_bool(a, "bmm");
    let full = |x: &Tensor, rows: usize, cols: usize| {
        let mut shape = batch.clone();
        shape.extend_from_slice(&[rows, cols]);
        x.expand(shape)
    };
    product(&full(a, m, k), &full(b, k, n), None, Activation::None)
}

#[track_caller]
fn check_matrices(op: &str, a: &Tensor, b: &Tensor) {
    for (x, name) in [(a, "self"), (b, "mat2")] {
        if x.rank() != 2 {
            bug!(op, "{name} must be a matrix, got {}-D tensor", x.rank());
        }
    }
    let ([m, k], [inner, n]) = ([a.shape()[0], a.shape()[1]], [b.shape()[0], b.shape()[1]]);
    if k != inner {
        bug!(op, "mat1 and mat2 shapes cannot be multiplied ({m}x{k} and {inner}x{n})");
    }
}

#[track_caller]
fn check_batches(expected: [usize; 2], found: [usize; 2]) {
    if expected != found {
        bug!("", "Expected size for first two dimensions of batch2 tensor to be: {expected:?} but got: {found:?}.");
    }
}

/// Panics with `text` if the dtypes differ.
#[track_caller]
fn same_dtype(a: &Tensor, b: &Tensor, text: impl Fn(DType, DType) -> String) {
    if a.dtype() != b.dtype() {
        bug!("", "{}", text(a.dtype(), b.dtype()));
    }
}

#[track_caller]
fn no_bool(x: &Tensor, kernel: &str) {
    if x.dtype() == DType::Bool {
        bug!("", "\"{kernel}\" not implemented for 'Bool'");
    }
}

/// C++'s name of a dtype, which PyTorch prints in some errors.
#[doc(hidden)]
pub fn cpp_name(dtype: DType) -> &'static str {
    match dtype {
        DType::F64 => "double",
        DType::F32 => "float",
        DType::F16 => "c10::Half",
        DType::BF16 => "c10::BFloat16",
        DType::I64 => "long int",
        DType::I32 => "int",
        DType::I16 => "short int",
        DType::I8 => "signed char",
        DType::U8 => "unsigned char",
        DType::Bool => "bool",
    }
}

/// Runs `f` on the operands, halves as `f32`, and gives the result in their dtype.
pub(crate) fn through_f32<const N: usize>(operands: [&Tensor; N], f: impl FnOnce([Tensor; N]) -> Tensor) -> Tensor {
    let dtype = operands[0].dtype();
    match dtype {
        DType::F16 | DType::BF16 => f(operands.map(|x| x.to(DType::F32))).to(dtype),
        _ => f(operands.map(Tensor::clone)),
    }
}

/// `a·b (+ bias)` for `a` of shape `[batch.., m, k]` and `b` of shape `[batch.., k, n]`, whatever their strides, and an
/// activation.
fn product(a: &Tensor, b: &Tensor, bias: Option<&Tensor>, activation: Activation) -> Tensor {
    if matches!(a.dtype(), DType::F16 | DType::BF16) {
        let bias = bias.map(|x| x.to(DType::F32));
        return product(&a.to(DType::F32), &b.to(DType::F32), bias.as_ref(), activation).to(a.dtype());
    }
    let rank = a.rank();
    let (m, k, n) = (a.shape()[rank - 2], a.shape()[rank - 1], b.shape()[rank - 1]);
    let mut shape = Shape::from_slice(&a.shape()[..rank - 2]);
    let starts = Starts::new(&shape, a, b);
    shape.extend_from_slice(&[m, n]);
    crate::profile::flops(|| 2 * numel(&shape) * k);
    match_gemm!(a.dtype(), T => Tensor::build(shape, |out: &mut [T]| {
        let mat = |x: &Tensor, at: usize, rows: usize, cols: usize, data| {
            Mat::new(data, at, (rows, cols), (x.strides()[x.rank() - 2], x.strides()[x.rank() - 1]))
        };
        let (left, right) = (a.data::<T>(), b.data::<T>());
        let init = bias.map_or(Init::Zero, |x| Init::From(mat(x, x.layout().offset(), m, n, x.data::<T>())));
        batched((m, n, k), |i| {
            let (at, bt) = starts.get(i);
            (mat(a, at, m, k, left), mat(b, bt, k, n, right), init)
        }, activation.floor(), out);
    }))
}

/// The sum of products of vectors that are one piece of memory each.
fn long_dot<T: Real + Into<Scalar>>(x: &Tensor, y: &Tensor) -> Option<Tensor> {
    Some(Tensor::full((), dot::dot(x.as_slice::<T>()?, y.as_slice()?), T::DTYPE))
}

/// Where the matrices of a batch start in the storages of two operands.
struct Starts {
    first: (usize, usize),
    /// Size and both strides of each batch axis, innermost first.
    axes: SmallVec<[(usize, isize, isize); 4]>,
}

impl Starts {
    fn new(batch: &[usize], a: &Tensor, b: &Tensor) -> Starts {
        let axes = (0..batch.len()).rev().map(|d| (batch[d], a.strides()[d], b.strides()[d])).collect();
        Starts { first: (a.layout().offset(), b.layout().offset()), axes }
    }

    fn get(&self, mut index: usize) -> (usize, usize) {
        let (mut a, mut b) = (self.first.0 as isize, self.first.1 as isize);
        for &(size, sa, sb) in &self.axes {
            let i = (index % size) as isize;
            index /= size;
            (a, b) = (a + i * sa, b + i * sb);
        }
        (a as usize, b as usize)
    }
}
