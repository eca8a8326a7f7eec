//! Operations that write into a tensor: its memory is made its own first, so no other tensor sees the change.

use super::binary::{Add, Binary, Div, Mul, Sub, binary};
use super::operand::{Operand, OperandRef, result_type};
use crate::cpu::map::{self, Zip};
use crate::cpu::math::Math;
use crate::cpu::par;
use crate::shape::{Shape, broadcast, same};
use crate::{DType, Scalar, ScatterReduce, Tensor, bug};
use std::sync::Arc;
use wengert_tensor_macros::profiled;

#[profiled]
impl Tensor {
    /// `self += other`, with broadcasting of `other`.
    ///
    /// # Panics
    /// If `other` does not broadcast to this shape, or its category is above this dtype's.
    #[track_caller]
    pub fn add_(&mut self, other: impl Operand) -> &mut Tensor {
        update(self, &Add::KERNELS, other.operand())
    }

    /// `self -= other`, with broadcasting of `other`.
    ///
    /// # Panics
    /// As [`Tensor::add_`].
    #[track_caller]
    pub fn sub_(&mut self, other: impl Operand) -> &mut Tensor {
        update(self, &Sub::KERNELS, other.operand())
    }

    /// `self *= other`, with broadcasting of `other`.
    ///
    /// # Panics
    /// As [`Tensor::add_`].
    #[track_caller]
    pub fn mul_(&mut self, other: impl Operand) -> &mut Tensor {
        update(self, &Mul::KERNELS, other.operand())
    }

    /// `self /= other`, with broadcasting of `other`.
    ///
    /// # Panics
    /// As [`Tensor::add_`], and for tensors of integers.
    #[track_caller]
    pub fn div_(&mut self, other: impl Operand) -> &mut Tensor {
        if !self.dtype().is_float() {
            cannot_cast(DType::F32, self.dtype());
        }
        update(self, &Div::KERNELS, other.operand())
    }

    /// `self += alpha * x`, with broadcasting of `x`: PyTorch's `add_(x, alpha=alpha)`.
    ///
    /// # Panics
    /// As [`Tensor::add_`].
    #[track_caller]
    pub fn add_scaled_(&mut self, alpha: f64, x: &Tensor) -> &mut Tensor {
        check(self, &Add::KERNELS, OperandRef::Tensor(x));
        match self.dtype() {
            DType::F32 if x.dtype() == DType::F32 => add_scaled::<f32>(self, alpha as f32, x),
            DType::F64 if x.dtype() == DType::F64 => add_scaled::<f64>(self, alpha, x),
            dtype @ (DType::F16 | DType::BF16) => {
                // In f32, rounded once.
                let mut wide = self.to(DType::F32);
                wide.add_scaled_(alpha, &x.to(DType::F32));
                *self = wide.to(dtype);
            }
            _ => {
                let scaled =
                    x.mul(if alpha.trunc() == alpha { Scalar::Int(alpha as i64) } else { Scalar::Float(alpha) });
                update(self, &Add::KERNELS, OperandRef::Tensor(&scaled));
            }
        }
        self
    }

    /// Sets every element to `value`, converted to this dtype.
    pub fn fill_(&mut self, value: impl Into<Scalar>) -> &mut Tensor {
        let value = value.into();
        *self = Tensor::full(self.shape(), value, self.dtype());
        self
    }

    /// Sets every element to zero.
    pub fn zero_(&mut self) -> &mut Tensor {
        self.fill_(0)
    }

    /// Sets the diagonal of a matrix, or of a tensor whose axes all have one size; with `wrap`, a tall matrix gets another one
    /// behind each row that is left out (`fill_diagonal_`).
    ///
    /// # Panics
    /// If there is one axis or none, or several sizes on more than two axes.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::{DType, Tensor};
    /// let mut x = Tensor::zeros([2, 3], DType::I64);
    /// assert_eq!(x.fill_diagonal_(7, false).to_vec::<i64>(), [7, 0, 0, 0, 7, 0]);
    /// ```
    #[track_caller]
    pub fn fill_diagonal_(&mut self, value: impl Into<Scalar>, wrap: bool) -> &mut Tensor {
        let places = diagonal(self.shape(), wrap);
        *self = self.reshape([-1isize]).index_fill(0, &places, value).reshape(self.shape());
        self
    }

    /// Copies `source`'s elements, broadcast to this shape and converted to this dtype.
    ///
    /// # Panics
    /// If `source` does not broadcast to this shape.
    #[track_caller]
    pub fn copy_(&mut self, source: &Tensor) -> &mut Tensor {
        *self = source.to(self.dtype()).expand_as(self).contiguous();
        self
    }
}

/// One row: the method that writes its result into the tensor, and the one that computes it.
macro_rules! in_place {
    ($($name:ident $of:ident($($arg:ident: $ty:ty),*);)*) => {
        #[profiled]
        impl Tensor { $(
            #[doc = concat!("Becomes what [`Tensor::", stringify!($of), "`] gives, converted to this dtype.")]
            ///
            /// # Panics
            #[doc = concat!("As [`Tensor::", stringify!($of), "`], and if the result has another shape or a category above this dtype's.")]
            #[inline]
            #[track_caller]
            pub fn $name(&mut self, $($arg: $ty),*) -> &mut Tensor {
                let result = self.$of($($arg),*);
                self.take_result(result)
            }
        )* }
    };
}
in_place! {
    abs_ abs();
    neg_ neg();
    sqrt_ sqrt();
    rsqrt_ rsqrt();
    square_ square();
    reciprocal_ reciprocal();
    exp_ exp();
    log_ log();
    log1p_ log1p();
    expm1_ expm1();
    sin_ sin();
    cos_ cos();
    tanh_ tanh();
    sigmoid_ sigmoid();
    relu_ relu();
    sign_ sign();
    floor_ floor();
    ceil_ ceil();
    round_ round();
    trunc_ trunc();
    frac_ frac();
    erfinv_ erfinv();
    pow_ pow(exponent: impl Operand);
    remainder_ remainder(other: impl Operand);
    clamp_ clamp(min: impl Into<Option<f64>>, max: impl Into<Option<f64>>);
    lerp_ lerp(end: &Tensor, weight: impl Operand);
    masked_fill_ masked_fill(mask: &Tensor, value: impl Into<Scalar>);
    index_fill_ index_fill(dim: isize, index: &Tensor, value: impl Into<Scalar>);
    index_add_ index_add(dim: isize, index: &Tensor, source: &Tensor);
    index_copy_ index_copy(dim: isize, index: &Tensor, source: &Tensor);
    scatter_ scatter(dim: isize, index: &Tensor, source: &Tensor);
    scatter_add_ scatter_add(dim: isize, index: &Tensor, source: &Tensor);
    tril_ tril(diagonal: isize);
    triu_ triu(diagonal: isize);
    cumsum_ cumsum(dim: isize);
    nan_to_num_ nan_to_num(nan: Option<f64>, posinf: Option<f64>, neginf: Option<f64>);
    logical_not_ logical_not();
    logical_and_ logical_and(other: impl Operand);
    logical_or_ logical_or(other: impl Operand);
    logical_xor_ logical_xor(other: impl Operand);
    exp2_ exp2();
    log2_ log2();
    log10_ log10();
    tan_ tan();
    asin_ asin();
    acos_ acos();
    atan_ atan();
    sinh_ sinh();
    cosh_ cosh();
    asinh_ asinh();
    acosh_ acosh();
    atanh_ atanh();
    erf_ erf();
    erfc_ erfc();
    lgamma_ lgamma();
    digamma_ digamma();
    sinc_ sinc();
    logit_ logit(eps: Option<f64>);
    fmod_ fmod(other: impl Operand);
    floor_divide_ floor_divide(other: impl Operand);
    atan2_ atan2(other: impl Operand);
    hypot_ hypot(other: impl Operand);
    copysign_ copysign(other: impl Operand);
    xlogy_ xlogy(other: impl Operand);
    leaky_relu_ leaky_relu(slope: f64);
    elu_ elu(alpha: f64);
    celu_ celu(alpha: f64);
    selu_ selu();
    hardtanh_ hardtanh(min: f64, max: f64);
    threshold_ threshold(threshold: f64, value: f64);
    cumprod_ cumprod(dim: isize);
    addcmul_ addcmul(a: &Tensor, b: &Tensor, value: impl Into<Scalar>);
    addcdiv_ addcdiv(a: &Tensor, b: &Tensor, value: impl Into<Scalar>);
    masked_scatter_ masked_scatter(mask: &Tensor, source: &Tensor);
    index_put_ index_put(indices: &[Option<&Tensor>], values: &Tensor);
    put_ put(index: &Tensor, source: &Tensor);
    scatter_reduce_ scatter_reduce(dim: isize, index: &Tensor, source: &Tensor, reduce: ScatterReduce);
    renorm_ renorm(p: f64, dim: isize, maxnorm: f64);
}

#[doc(hidden)]
impl Tensor {
    /// Takes a result in place of the elements.
    #[track_caller]
    fn take_result(&mut self, result: Tensor) -> &mut Tensor {
        if result.dtype().category() > self.dtype().category() {
            cannot_cast(result.dtype(), self.dtype());
        }
        if result.shape() != self.shape() {
            bug!("", "output with shape {:?} doesn't match the broadcast shape {:?}", self.shape(), result.shape());
        }
        *self = result.to(self.dtype());
        self
    }
}

/// Where the diagonal lies, counted in C order.
#[track_caller]
fn diagonal(shape: &[usize], wrap: bool) -> Tensor {
    let rank = shape.len();
    if rank < 2 {
        bug!("", "dimensions must larger than 1");
    }
    if rank > 2 && shape.iter().any(|&size| size != shape[0]) {
        bug!("", "all dimensions of input must be of equal length");
    }
    let step: usize = crate::shape::contiguous_strides(shape).iter().map(|&s| s as usize).sum();
    let least = shape.iter().copied().min().unwrap_or(0);
    let wrapped = wrap && rank == 2 && shape[0] > shape[1];
    let count = if wrapped { (shape[0] * shape[1]).div_ceil(step) } else { least };
    Tensor::from_vec((0..count).map(|k| (k * step) as i64).collect::<Vec<i64>>(), [count])
}

#[track_caller]
fn cannot_cast(from: DType, to: DType) -> ! {
    bug!("", "result type {} can't be cast to the desired output type {}", from.legacy_name(), to.legacy_name())
}

/// Panics as PyTorch unless the result of `op` fits into `x`.
#[track_caller]
fn check(x: &Tensor, op: &Binary, other: OperandRef<'_>) {
    let dtype = result_type(OperandRef::Tensor(x), other);
    if dtype.category() > x.dtype().category() {
        cannot_cast(dtype, x.dtype());
    }
    if let OperandRef::Tensor(y) = other
        && y.shape() != x.shape()
    {
        let shape = broadcast(op.name, x.shape(), y.shape());
        if shape[..] != *x.shape() {
            bug!("", "output with shape {:?} doesn't match the broadcast shape {:?}", x.shape(), &shape[..]);
        }
    }
}

/// `x = op(x, other)`: in `x`'s memory if nobody shares it, else in new memory, which spares a copy.
#[track_caller]
fn update<'a>(x: &'a mut Tensor, op: &Binary, other: OperandRef<'_>) -> &'a mut Tensor {
    if let OperandRef::Tensor(y) = other
        && update_alike(x, op, y)
    {
        return x;
    }
    check(x, op, other);
    let same = result_type(OperandRef::Tensor(x), other) == x.dtype();
    let unique = same && Arc::strong_count(x.storage()) == 1 && x.is_contiguous();
    match x.dtype() {
        DType::F32 if unique => in_place::<f32>(x, op, op.f32, other),
        DType::F64 if unique => in_place::<f64>(x, op, op.f64, other),
        dtype => *x = binary(op, OperandRef::Tensor(x), other).to(dtype),
    }
    x
}

/// `x = op(x, other)` in the memory of an operand that is given away, if that spares much and changes nothing else: a large one
/// of floats that fills memory of its own, beside a number or a tensor of its shape and dtype.
#[inline]
pub(crate) fn reuse(x: &mut Tensor, op: &Binary, other: OperandRef<'_>) -> bool {
    if x.nbytes() < par::CACHED {
        return false;
    }
    let own = Arc::strong_count(x.storage()) == 1 && !x.storage().is_shown() && x.storage().len() == x.numel();
    let fits = match other {
        OperandRef::Tensor(y) => y.dtype() == x.dtype() && same(y.shape(), x.shape()),
        OperandRef::Scalar(_) => result_type(OperandRef::Tensor(x), other) == x.dtype(),
    };
    if !(own && fits && x.is_contiguous() && matches!(x.dtype(), DType::F32 | DType::F64)) {
        return false;
    }
    let _span = crate::profile::span(op.name);
    crate::profile::flops(|| x.numel());
    update(x, op, other);
    true
}

/// `x = op(x, y)` in place, if both lie in C order with one shape and dtype, `f32` or `f64`, and nobody shares `x`'s memory.
fn update_alike(x: &mut Tensor, op: &Binary, y: &Tensor) -> bool {
    if x.dtype() != y.dtype() || !x.is_contiguous() || !y.is_contiguous() || !same(x.shape(), y.shape()) {
        return false;
    }
    if Arc::strong_count(x.storage()) != 1 {
        return false;
    }
    match x.dtype() {
        DType::F64 => zip_alike(op, op.f64, x, y),
        DType::F32 => zip_alike(op, op.f32, x, y),
        _ => return false,
    }
    true
}

#[inline]
fn zip_alike<T: Math>(op: &Binary, kernel: Zip<T, T>, x: &mut Tensor, y: &Tensor) {
    let out = x.as_mut_slice::<T>();
    let y = &y.data::<T>()[y.layout().offset()..][..out.len()];
    if par::much(out.len().saturating_mul(op.cost)) {
        par::chunks(out, 1, op.cost, |at, out| with_tensor(op, kernel, &y[at..][..out.len()], out));
    } else {
        with_tensor(op, kernel, y, out);
    }
}

/// `out[i] = op(out[i], y[i])`. The commonest ones spare the copy of `out` that `kernel` needs, with the same result.
#[inline]
fn with_tensor<T: Math>(op: &Binary, kernel: Zip<T, T>, y: &[T], out: &mut [T]) {
    match op.name {
        "add" => map::add_scaled(T::ONE, y, out),
        "sub" => map::add_scaled(-T::ONE, y, out),
        _ => map::zip_in_place(y, out, kernel),
    }
}

/// `out[i] = op(out[i], c)`, like [`with_tensor`].
fn with_number<T: Math>(op: &Binary, kernel: Zip<T, T>, c: T, out: &mut [T]) {
    match op.name {
        "add" => map::shift(c, out),
        "sub" => map::shift(-c, out),
        "mul" => map::scale(c, out),
        _ => map::number_in_place(c, out, kernel),
    }
}

fn in_place<T: Math>(x: &mut Tensor, op: &Binary, kernel: Zip<T, T>, other: OperandRef<'_>) {
    let number = match other {
        OperandRef::Scalar(s) => Some(s),
        OperandRef::Tensor(t) if t.rank() == 0 => Some(t.scalar_at(t.layout().offset())),
        OperandRef::Tensor(_) => None,
    };
    if let Some(number) = number {
        let number: T = number.to();
        return par::chunks(x.as_mut_slice::<T>(), 1, op.cost, |_, out| {
            with_number(op, kernel, number, out);
        });
    }
    let y = other.to_tensor(T::DTYPE);
    let layout = y.layout().expand(x.shape()).expect("checked to broadcast");
    let shape = Shape::from_slice(x.shape());
    map::run(&shape, [(y.data::<T>(), &layout)], x.as_mut_slice(), op.cost, &|[y], out| {
        with_tensor(op, kernel, y, out);
    });
}

fn add_scaled<T: Math>(x: &mut Tensor, alpha: T, y: &Tensor) {
    let layout = y.layout().expand(x.shape()).expect("checked to broadcast");
    let shape = Shape::from_slice(x.shape());
    map::run(&shape, [(y.data::<T>(), &layout)], x.as_mut_slice(), 1, &|[y], out| map::add_scaled(alpha, y, out));
}
