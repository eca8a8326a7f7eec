//! Special functions, element by element. They compute in `f64` whatever the dtype, one element at a time: they are asked for
//! seldom, and so an f32 result is the nearest f32 in nearly all cases.

use super::operand::{Operand, OperandRef, result_type};
use super::unary::elementwise;
use crate::cpu::special;
use crate::shape::{Shape, broadcast};
use crate::{DType, Element, Scalar, Tensor, bf16, f16};
use wengert_tensor_macros::profiled;

/// How much a special function costs, in additions.
const COST: usize = 60;

/// `f` of every element; integers and booleans become `f32`.
fn map(x: &Tensor, f: &(dyn Fn(f64) -> f64 + Sync)) -> Tensor {
    match x.dtype() {
        DType::F64 => elementwise(x, COST, &|[x]: [&[f64]; 1], out: &mut [f64]| {
            x.iter().zip(out).for_each(|(&x, o)| *o = f(x));
        }),
        DType::F32 => elementwise(x, COST, &|[x]: [&[f32]; 1], out: &mut [f32]| {
            x.iter().zip(out).for_each(|(&x, o)| *o = f(f64::from(x)) as f32);
        }),
        dtype => map(&x.to(DType::F32), f).to(dtype.to_float()),
    }
}

/// The bits of the number next to `x`, whose bits are given, towards `y`; `sign` is the sign's bit.
fn neighbour(bits: u16, sign: u16, x: f64, y: f64) -> u16 {
    if x.is_nan() || y.is_nan() {
        sign - 1
    } else if x == y {
        // Zeros of two signs are equal; the second is taken.
        if x == 0.0 && y.is_sign_negative() { sign } else { bits & if x == 0.0 { 0 } else { u16::MAX } }
    } else if x == 0.0 {
        if y < 0.0 { sign | 1 } else { 1 }
    } else if (x < y) == (x > 0.0) {
        bits + 1
    } else {
        bits - 1
    }
}

/// `f` of two operands that broadcast; integers and booleans become `f32`.
#[track_caller]
fn zip(a: &Tensor, b: OperandRef<'_>, f: &(dyn Fn(f64, f64) -> f64 + Sync)) -> Tensor {
    let dtype = result_type(OperandRef::Tensor(a), b).to_float();
    let wide = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    let number = |s: Scalar| s.to_f64();
    let (a, b) = match b {
        OperandRef::Scalar(s) => {
            let s = number(s);
            return map(&a.to(wide), &|x| f(x, s)).to(dtype);
        }
        OperandRef::Tensor(b) => (a.to(wide), b.to(wide)),
    };
    let shape = broadcast("", a.shape(), b.shape());
    let (a, b) = (a.broadcast_to(shape.clone()).contiguous(), b.broadcast_to(shape.clone()).contiguous());
    let out = if wide == DType::F64 {
        pairs::<f64>(&a, &b, shape, f)
    } else {
        pairs::<f32>(&a, &b, shape, &|a, b| f(f64::from(a), f64::from(b)) as f32)
    };
    out.to(dtype)
}

/// `f` of contiguous tensors of one shape.
fn pairs<T: Element>(a: &Tensor, b: &Tensor, shape: Shape, f: &dyn Fn(T, T) -> T) -> Tensor {
    let (a, b) = (a.as_slice::<T>().expect("contiguous"), b.as_slice::<T>().expect("contiguous"));
    Tensor::build(shape, |out: &mut [T]| {
        out.iter_mut().zip(a.iter().zip(b)).for_each(|(o, (&a, &b))| *o = f(a, b));
    })
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        #[profiled]
        impl Tensor { $(
            $(#[$doc])*
            pub fn $name(&self) -> Tensor {
                map(self, &special::$name)
            }
        )* }
    };
}
functions! {
    /// `sin(πx) / (πx)`, 1 at 0.
    sinc;
    /// The logarithm of the absolute value of the gamma function.
    lgamma;
    /// The logarithmic derivative of the gamma function.
    digamma;
    /// The inverse of the error function.
    erfinv;
    /// `e^(x²) erfc(x)`.
    erfcx;
    /// The distribution function of the standard normal distribution.
    ndtr;
    /// The logarithm of [`Tensor::ndtr`], accurate far below 0.
    log_ndtr;
    /// The inverse of [`Tensor::ndtr`].
    ndtri;
    /// `-x ln x`: 0 at 0, -∞ below.
    entr;
    /// The modified Bessel function of the first kind, order 0.
    i0;
    /// `e^-|x|` times [`Tensor::i0`].
    i0e;
    /// The modified Bessel function of the first kind, order 1.
    i1;
    /// `e^-|x|` times [`Tensor::i1`].
    i1e;
}

macro_rules! functions_of_two {
    ($($(#[$doc:meta])* $name:ident $f:expr;)*) => {
        #[profiled]
        impl Tensor { $(
            $(#[$doc])*
            #[track_caller]
            pub fn $name(&self, other: impl Operand) -> Tensor {
                zip(self, other.operand(), &$f)
            }
        )* }
    };
}
functions_of_two! {
    /// `x ln y`, 0 where `x` is 0.
    xlogy special::xlogy;
    /// `x ln(1 + y)`, 0 where `x` is 0.
    xlog1py special::xlog1py;
    /// `ln(e^x + e^y)` without overflow.
    logaddexp special::logaddexp;
    /// `log2(2^x + 2^y)` without overflow.
    logaddexp2 special::logaddexp2;
    /// The length of the hypotenuse, `√(x² + y²)`.
    hypot f64::hypot;
    /// The regularised lower incomplete gamma function `P(x, y)`.
    igamma special::igamma;
    /// The regularised upper incomplete gamma function `Q(x, y)`.
    igammac special::igammac;
}

#[profiled]
impl Tensor {
    /// The derivative of order `n` of [`Tensor::digamma`].
    pub fn polygamma(&self, n: u32) -> Tensor {
        if n == 1 && self.dtype() != DType::F64 {
            return map(self, &|x| f64::from(special::trigamma_single(x as f32)));
        }
        map(self, &|x| special::polygamma(n, x))
    }

    /// `ln(x / (1 - x))`; with `eps`, of `x` held within `eps..=1-eps`.
    pub fn logit(&self, eps: Option<f64>) -> Tensor {
        map(self, &|x| {
            let x = eps.map_or(x, |eps| {
                if x < eps {
                    eps
                } else if x > 1.0 - eps {
                    1.0 - eps
                } else {
                    x
                }
            });
            (x / (1.0 - x)).ln()
        })
    }

    /// The next number of the dtype from each element towards that of `other`.
    ///
    /// # Panics
    /// If the dtype is not floating.
    #[track_caller]
    pub fn nextafter(&self, other: impl Operand) -> Tensor {
        match self.dtype() {
            DType::F64 => zip(self, other.operand(), &special::next_after),
            DType::F32 => zip(self, other.operand(), &|x, y| f64::from(libm::nextafterf(x as f32, y as f32))),
            DType::F16 => zip(self, other.operand(), &|x, y| {
                let next = neighbour(f16::from_f64(x).to_bits(), f16::NEG_ZERO.to_bits(), x, y);
                f16::from_bits(next).to_f64()
            }),
            DType::BF16 => zip(self, other.operand(), &|x, y| {
                let next = neighbour(bf16::from_f64(x).to_bits(), bf16::NEG_ZERO.to_bits(), x, y);
                bf16::from_bits(next).to_f64()
            }),
            dtype => crate::bug!("nextafter", "not implemented for '{}'", dtype.legacy_name()),
        }
    }
}
