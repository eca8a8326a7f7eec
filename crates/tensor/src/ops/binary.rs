//! Functions of two tensors with broadcasting and PyTorch's promotion: one table row each.

use super::operand::{Operand, OperandRef, result_type};
use super::pair::{paired, tensors};
use crate::cpu::kernel::{BinaryOp, zip, zip_bool, zip_int};
use crate::cpu::lerp;
use crate::cpu::map::{self, Zip};
use crate::cpu::math::{Int, Math};
use crate::cpu::par;
use crate::dtype::Category;
use crate::shape::{broadcast, same};
use crate::{DType, Element, Scalar, Tensor, bf16, bug, f16, match_dtype};
use wengert_tensor_macros::profiled;

type IntZips = (Zip<i64, i64>, Zip<i32, i32>, Zip<i16, i16>, Zip<i8, i8>, Zip<u8, u8>);

/// The kernels of one row, and what the dispatch must know.
pub(crate) struct Binary {
    pub(crate) name: &'static str,
    /// Work per element, in additions.
    pub(crate) cost: usize,
    pub(crate) f64: Zip<f64, f64>,
    pub(crate) f32: Zip<f32, f32>,
    /// `None` for functions of floats only; integers then become `f32`.
    ints: Option<IntZips>,
    bool: Option<Zip<bool, bool>>,
}

impl Binary {
    /// The kernels of a function of floats that is no row of the table.
    pub(crate) const fn of_floats<F: BinaryOp>(name: &'static str, cost: usize) -> Binary {
        Binary { name, cost, f64: zip::<f64, F>, f32: zip::<f32, F>, ints: None, bool: None }
    }
}

/// One row: `/// doc` then `name Name cost float |a, b| …`, followed by `, int |a, b| …` if PyTorch keeps integers
/// (else they become `f32`) and by `, bool |a, b| …` if it computes on booleans. `, far |a, b| …` is what `float` does where the quotient
/// is large.
///
/// `add Add 1 float |a, b| a + b, int |a, b| a.add(b), bool |a, b| a | b;` makes the kernels, `Tensor::add` and a row
/// of [`BINARY`].
macro_rules! binary {
    ($($(#[$doc:meta])* $vis:vis $name:ident as $method:ident $Op:ident $cost:literal
        float |$a:ident, $b:ident| $float:expr $(, far |$c:ident, $d:ident| $far:expr)? $(, int |$i:ident, $j:ident| $int:expr)? $(, bool |$p:ident, $q:ident| $bool:expr)?;)*) => {
        $(
            pub(crate) struct $Op;
            impl BinaryOp for $Op {
                #[inline(always)]
                fn float<T: Math, const FMA: bool>($a: T, $b: T) -> T { $float }
                #[inline(always)]
                fn int<I: Int>(a: I, b: I) -> I {
                    $(let ($i, $j) = (a, b); return $int;)?
                    #[allow(unreachable_code)] { let _ = b; a }
                }
                #[inline(always)]
                fn bool(a: bool, b: bool) -> bool {
                    $(let ($p, $q) = (a, b); return $bool;)?
                    #[allow(unreachable_code)] { let _ = b; a }
                }
                const FAR: bool = binary!(@far $($c)?);
                fn far<T: Math>(a: T, b: T) -> T {
                    $(let ($c, $d) = (a, b); return $far;)?
                    #[allow(unreachable_code)] { let _ = b; a }
                }
            }
            impl $Op {
                pub(crate) const KERNELS: Binary = Binary {
                    name: stringify!($name),
                    cost: $cost,
                    f64: zip::<f64, $Op>,
                    f32: zip::<f32, $Op>,
                    ints: binary!(@ints $Op $($i)?),
                    bool: binary!(@bool $Op $($p)?),
                };
            }
            #[profiled]
            impl Tensor {
                $(#[$doc])*
                #[track_caller]
                $vis fn $method(&self, other: impl Operand) -> Tensor {
                    binary(&$Op::KERNELS, OperandRef::Tensor(self), other.operand())
                }
            }
        )*
        /// Every row of the table by name, for tests that cover all.
        #[doc(hidden)]
        pub const BINARY: &[(&str, fn(&Tensor, &Tensor) -> Tensor)] =
            &[$((stringify!($name), |a, b| a.$name(b))),*];
    };
    (@far $c:ident) => { true };
    (@far) => { false };
    (@ints $Op:ident $i:ident) => {
        Some((zip_int::<i64, $Op>, zip_int::<i32, $Op>, zip_int::<i16, $Op>, zip_int::<i8, $Op>, zip_int::<u8, $Op>))
    };
    (@ints $Op:ident) => { None };
    (@bool $Op:ident $i:ident) => { Some(zip_bool::<$Op>) };
    (@bool $Op:ident) => { None };
}

binary! {
    /// The sum, with broadcasting. Integers wrap; booleans give "or".
    pub add as add Add 1 float |a, b| a + b, int |a, b| a.add(b), bool |a, b| a | b;
    /// The difference, with broadcasting. Integers wrap.
    #[doc(alias = "subtract")]
    pub sub as sub Sub 1 float |a, b| a - b, int |a, b| a.sub(b);
    /// The product, with broadcasting. Integers wrap; booleans give "and".
    #[doc(alias = "multiply")]
    pub mul as mul Mul 1 float |a, b| a * b, int |a, b| a.mul(b), bool |a, b| a & b;
    /// True division: integers become `f32` first, as in PyTorch.
    #[doc(alias = "divide")]
    #[doc(alias = "true_divide")]
    pub div as div Div 1 float |a, b| a / b;
    /// Division rounded to negative infinity.
    pub floor_divide as floor_divide FloorDivide 16 float |a, b| floor_divide(a, b, a.fmod::<FMA>(b)), far |a, b| floor_divide(a, b, a.rem(b)),
        int |a, b| a.div_floor(b);
    /// Division rounded to negative infinity (`torch.div(…, rounding_mode="floor")`).
    pub div_floor as div_floor DivFloor 16 float |a, b| floor_divide(a, b, a.fmod::<FMA>(b)), far |a, b| floor_divide(a, b, a.rem(b)),
        int |a, b| a.div_floor(b);
    /// Division rounded towards 0 (`torch.div(…, rounding_mode="trunc")`).
    pub div_trunc as div_trunc DivTrunc 2 float |a, b| (a / b).trunc(), int |a, b| a.div_trunc(b);
    /// The remainder with the divisor's sign, Python's `%`.
    pub remainder as remainder Remainder 12 float |a, b| remainder(b, a.fmod::<FMA>(b)), far |a, b| remainder(b, a.rem(b)), int |a, b| a.modulo(b);
    /// The remainder with the dividend's sign, C's `fmod`.
    pub fmod as fmod Fmod 10 float |a, b| a.fmod::<FMA>(b), far |a, b| a.rem(b), int |a, b| a.rem(b);
    /// The larger of two elements; NaN if either is.
    pub maximum as maximum Maximum 1 float |a, b| a.larger(b), int |a, b| a.max(b), bool |a, b| a | b;
    /// The smaller of two elements; NaN if either is.
    pub minimum as minimum Minimum 1 float |a, b| a.smaller(b), int |a, b| a.min(b), bool |a, b| a & b;
    /// The angle of the point `(other, self)`, in `-π..=π`.
    #[doc(alias = "arctan2")]
    pub atan2 as atan2 Atan2 32 float |a, b| a.atan2::<FMA>(b);
    /// The larger of two elements; the other one where one is NaN.
    pub fmax as fmax Fmax 2 float |a, b| if b > a || a.is_nan() { b } else { a }, int |a, b| a.max(b), bool |a, b| a | b;
    /// The smaller of two elements; the other one where one is NaN.
    pub fmin as fmin Fmin 2 float |a, b| if b < a || a.is_nan() { b } else { a }, int |a, b| a.min(b), bool |a, b| a & b;
    /// The magnitude of `self` with the sign of `other`.
    pub copysign as copysign Copysign 1 float |a, b| a.copysign(b);
    /// 0 below 0, 1 above, and `other` at 0. NaN gives 0, as in PyTorch.
    pub heaviside as heaviside Heaviside 2 float |a, b| if a == T::ZERO { b } else { T::of((a > T::ZERO) as u8 as f64) },
        int |a, b| if a == I::ZERO { b } else { a.sign().max(I::ZERO) }, bool |a, b| a | b;
    pow as pow_tensor Pow 48 float |a, b| a.pow::<FMA>(b), int |a, b| a.pow(b);
}

/// Python's `//` on floats from the remainder of truncating division, step by step as PyTorch's `div_floor_floating`.
#[inline(always)]
fn floor_divide<T: Math>(a: T, b: T, rest: T) -> T {
    let quotient = (a - rest) / b;
    let below = rest != T::ZERO && (b < T::ZERO) != (rest < T::ZERO);
    let quotient = if below { quotient - T::ONE } else { quotient };
    let floor = quotient.floor();
    let floor = if quotient - floor > T::of(0.5) { floor + T::ONE } else { floor };
    let exact = a / b;
    let floor = if quotient == T::ZERO { T::ZERO.copysign(exact) } else { floor };
    if b == T::ZERO { exact } else { floor }
}

/// Python's `%` on floats from the remainder of truncating division.
#[inline(always)]
fn remainder<T: Math>(b: T, rest: T) -> T {
    if rest != T::ZERO && (b < T::ZERO) != (rest < T::ZERO) { rest + b } else { rest }
}

/// The dtype that a row computes in for a promoted dtype.
#[track_caller]
fn compute_dtype(op: &Binary, dtype: DType) -> DType {
    match dtype.category() {
        Category::Float => dtype,
        _ if op.ints.is_none() => DType::F32,
        Category::Bool if op.bool.is_none() => match op.name {
            "sub" => bug!(
                "",
                "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator \
                 instead."
            ),
            name => bug!(name, "not implemented for 'Bool'"),
        },
        _ => dtype,
    }
}

/// The result for two tensors in C order that have one shape and one dtype, `f32` or `f64`: nothing is to be converted,
/// broadcast or gathered, so that small ones cost little.
fn alike(op: &Binary, x: &Tensor, y: &Tensor) -> Option<Tensor> {
    if x.dtype() != y.dtype()
        || !x.is_contiguous()
        || !y.is_contiguous()
        || !same(x.shape(), y.shape())
        || x.rank() == 0
    {
        return None;
    }
    let out = match x.dtype() {
        DType::F64 => zip_alike(op.cost, op.f64, x, y),
        DType::F32 => zip_alike(op.cost, op.f32, x, y),
        _ => return None,
    };
    crate::profile::flops(|| out.numel());
    Some(out)
}

#[inline]
fn zip_alike<T: Element>(cost: usize, kernel: Zip<T, T>, x: &Tensor, y: &Tensor) -> Tensor {
    let (a, b) = (&x.data::<T>()[x.layout().offset()..], &y.data::<T>()[y.layout().offset()..]);
    x.build_like(|out: &mut [T]| {
        let len = out.len();
        if par::much(len.saturating_mul(cost)) {
            par::chunks(out, 1, cost, |at, out| kernel(&a[at..][..out.len()], &b[at..][..out.len()], out));
        } else {
            kernel(&a[..len], &b[..len], out);
        }
    })
}

#[track_caller]
pub(crate) fn binary(op: &Binary, a: OperandRef<'_>, b: OperandRef<'_>) -> Tensor {
    if let (OperandRef::Tensor(x), OperandRef::Tensor(y)) = (a, b)
        && let Some(out) = alike(op, x, y)
    {
        return out;
    }
    let dtype = compute_dtype(op, result_type(a, b));
    if dtype.is_int() && matches!(op.name, "floor_divide" | "div_floor" | "div_trunc" | "remainder" | "fmod") {
        check_divisor(b, dtype);
    }
    let out = paired(op.name, a, b, dtype, |pair| match (dtype, &op.ints) {
        (DType::F64, _) => pair.run(op.cost, op.f64),
        (DType::F32, _) => pair.run(op.cost, op.f32),
        (DType::F16, _) => pair.run_half::<f16>(op),
        (DType::BF16, _) => pair.run_half::<bf16>(op),
        (DType::I64, Some(ints)) => pair.run(op.cost, ints.0),
        (DType::I32, Some(ints)) => pair.run(op.cost, ints.1),
        (DType::I16, Some(ints)) => pair.run(op.cost, ints.2),
        (DType::I8, Some(ints)) => pair.run(op.cost, ints.3),
        (DType::U8, Some(ints)) => pair.run(op.cost, ints.4),
        _ => pair.run(op.cost, op.bool.expect("`compute_dtype` lets booleans pass only with a kernel")),
    });
    crate::profile::flops(|| out.numel());
    out
}

/// Integer division by zero is an error, as in PyTorch.
#[track_caller]
fn check_divisor(divisor: OperandRef<'_>, dtype: DType) {
    let zero = match divisor {
        OperandRef::Scalar(s) => match_dtype!(dtype, T => s.to::<T>() == T::ZERO),
        OperandRef::Tensor(t) => t.numel() > 0 && t.to(dtype).logical_not().any(()).item(),
    };
    if zero {
        bug!("", "ZeroDivisionError");
    }
}
#[profiled]
impl Tensor {
    /// `self` to the power of `other`, with broadcasting.
    ///
    /// Integers stay integers: negative exponents in a tensor give the truncated reciprocal, as in PyTorch.
    ///
    /// # Panics
    /// If integers are raised to a negative integer number.
    #[track_caller]
    pub fn pow(&self, other: impl Operand) -> Tensor {
        let exponent = other.operand();
        let OperandRef::Scalar(scalar) = exponent else { return self.pow_tensor(other) };
        let dtype = result_type(OperandRef::Tensor(self), exponent);
        if dtype.is_int() && scalar.to_i64() < 0 {
            bug!("", "Integers to negative integer powers are not allowed.");
        }
        if !dtype.is_float() {
            return match scalar.to_i64() {
                0 => Tensor::full(self.shape(), 1, dtype),
                1 => self.to(dtype),
                2 => self.to(dtype).square(),
                _ => self.pow_tensor(other),
            };
        }
        // PyTorch's shortcuts, which differ from `pow` in the last bit and at infinities.
        let x = self.to(dtype);
        match scalar.to_f64() {
            0.5 => x.sqrt(),
            2.0 => x.square(),
            3.0 => super::unary::cube(&x),
            -0.5 => x.rsqrt(),
            -1.0 => x.reciprocal(),
            -2.0 => x.square().reciprocal(),
            1.0 => x,
            _ => x.pow_tensor(other),
        }
    }

    /// A number to the power of a tensor: `base ** exponent` (`torch.pow(base, exponent)`).
    #[track_caller]
    pub fn pow_of(base: impl Into<Scalar>, exponent: &Tensor) -> Tensor {
        binary(&Pow::KERNELS, OperandRef::Scalar(base.into()), OperandRef::Tensor(exponent))
    }

    /// [`Tensor::clamp`] with bounds element by element, with broadcasting; the upper one wins where they cross.
    ///
    /// # Panics
    /// If both bounds are `None`, or the shapes do not broadcast.
    #[track_caller]
    pub fn clamp_tensor(&self, min: Option<&Tensor>, max: Option<&Tensor>) -> Tensor {
        match (min, max) {
            (None, None) => bug!("clamp", "At least one of 'min' or 'max' must not be None"),
            (Some(min), None) => self.maximum(min),
            (None, Some(max)) => self.minimum(max),
            (Some(min), Some(max)) => self.maximum(min).minimum(max),
        }
    }

    /// `self + weight * (end - self)`, computed from the nearer end, with broadcasting.
    ///
    /// # Panics
    /// If the dtypes differ (a weight without axes may be of any) or are none of floats, or the shapes do not broadcast.
    #[track_caller]
    pub fn lerp(&self, end: &Tensor, weight: impl Operand) -> Tensor {
        let dtype = self.dtype();
        let check = |x: &Tensor, name: &str| {
            if x.dtype() != dtype {
                bug!("", "expected dtype {} for `{name}` but got dtype {}", dtype.name(), x.dtype().name());
            }
        };
        check(end, "end");
        let weight = match weight.operand() {
            OperandRef::Tensor(w) if w.rank() == 0 => OperandRef::Scalar(w.scalar_at(w.layout().offset())),
            weight => weight,
        };
        let kind = match weight {
            OperandRef::Tensor(w) => {
                check(w, "weight");
                "tensor"
            }
            OperandRef::Scalar(_) => "scalar",
        };
        match dtype {
            DType::F64 => lerp_as::<f64>(self, end, weight),
            DType::F32 => lerp_as::<f32>(self, end, weight),
            // Rounded once.
            DType::F16 | DType::BF16 => {
                let [from, to] = [self, end].map(Tensor::float);
                match weight {
                    OperandRef::Tensor(w) => lerp_as::<f32>(&from, &to, OperandRef::Tensor(&w.float())),
                    weight => lerp_as::<f32>(&from, &to, weight),
                }
                .to(dtype)
            }
            _ => bug!("", "\"lerp_kernel_{kind}\" not implemented for '{}'", dtype.legacy_name()),
        }
    }
}

/// [`Tensor::lerp`] of tensors of `T`.
#[track_caller]
fn lerp_as<T: Math>(from: &Tensor, to: &Tensor, weight: OperandRef<'_>) -> Tensor {
    let shape = broadcast("lerp", from.shape(), to.shape());
    let weight = match weight {
        OperandRef::Tensor(weight) => weight,
        OperandRef::Scalar(weight) => {
            let weight: T = weight.to();
            return tensors(from, to, &shape, 1, &|[a, b], out: &mut [T]| lerp::by_one(a, b, weight, out));
        }
    };
    let shape = broadcast("lerp", &shape, weight.shape());
    let layouts = [from, to, weight].map(|x| x.layout().expand(&shape).expect("shapes were broadcast"));
    let operands = [(from.data::<T>(), &layouts[0]), (to.data(), &layouts[1]), (weight.data(), &layouts[2])];
    Tensor::build(&shape, |out: &mut [T]| {
        map::run(&shape, operands, out, 1, &|[a, b, w], out| lerp::by_each(a, b, w, out))
    })
}
