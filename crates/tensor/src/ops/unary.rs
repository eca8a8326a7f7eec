//! Functions of one tensor, element by element: one table row each.

use crate::cpu::elementary::TURN_LIMIT;
use crate::cpu::half;
use crate::cpu::kernel::{self, Map, UnaryOp, map, map_int};
use crate::cpu::map;
use crate::cpu::math::{Int, Math};
use crate::layout::Layout;
use crate::shape::Axes;
use crate::{DType, Element, Tensor, bug, match_dtype};
use wengert_tensor_macros::profiled;

/// The kernels of one row, and what the dispatch must know.
pub(crate) struct Unary {
    name: &'static str,
    /// Work per element, in additions.
    cost: usize,
    f64: Map<f64>,
    f32: Map<f32>,
    /// For functions that keep integers: i64, i32, i16, i8, u8.
    ints: Option<IntMaps>,
}

type IntMaps = (Map<i64>, Map<i32>, Map<i16>, Map<i8>, Map<u8>);

/// The kernels of one function: `Name name cost float |x, p| …` for functions of floats (integers and booleans become
/// `f32` first), with `, int |x| …` added for those that PyTorch also computes on integers.
///
/// `, rare limit f` calls `f` in `f64` for elements beyond `limit`; `, keeps positive` says that those above 0 stay. `T` is the type computed in, `FMA` says whether it has fused multiply-add, and `p` holds two parameters.
macro_rules! kernel {
    ($Op:ident $name:ident $cost:literal float |$x:ident, $p:ident| $float:expr $(, int |$i:ident| $int:expr)?
        $(, rare $limit:path, $exact:path)? $(, keeps $kept:ident)?) => {
        struct $Op;
        impl UnaryOp for $Op {
            #[inline(always)]
            fn float<T: Math, const FMA: bool>($x: T, $p: [T; 2]) -> T {
                let _ = &$p;
                $float
            }
            #[inline(always)]
            fn int<I: Int>(x: I) -> I {
                $(let x = { let $i = x; $int };)?
                x
            }
            const RARE: kernel::Rare = kernel!(@rare $($limit, $exact)?);
            const KEEPS_POSITIVE: bool = kernel!(@keeps $($kept)?);
        }
        impl $Op {
            const KERNELS: Unary = Unary {
                name: stringify!($name),
                cost: $cost,
                f64: map::<f64, $Op>,
                f32: map::<f32, $Op>,
                ints: kernel!(@ints $Op $($i)?),
            };
        }
    };
    (@ints $Op:ident $i:ident) => {
        Some((map_int::<i64, $Op>, map_int::<i32, $Op>, map_int::<i16, $Op>, map_int::<i8, $Op>, map_int::<u8, $Op>))
    };
    (@ints $Op:ident) => {
        None
    };
    (@rare $limit:path, $exact:path) => {
        Some(($limit, $exact))
    };
    (@rare) => {
        None
    };
    (@keeps positive) => {
        true
    };
    (@keeps) => {
        false
    };
}

/// One row: `/// doc` then `name` and what [`kernel!`] takes.
///
/// `exp Exp 8 float |x| x.exp::<FMA>();` makes `Tensor::exp`, a row of [`UNARY`] and the kernels for every instruction
/// set.
macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident $Op:ident $cost:literal float |$x:ident| $float:expr $(, int |$i:ident| $int:expr)?
        $(, rare $limit:path, $exact:path)?;)*) => {
        $(kernel!($Op $name $cost float |$x, _p| $float $(, int |$i| $int)? $(, rare $limit, $exact)?);)*
        #[profiled]
        impl Tensor {
            $(
                $(#[$doc])*
                #[track_caller]
                pub fn $name(&self) -> Tensor {
                    apply(&$Op::KERNELS, self, [0.0; 2])
                }
            )*
        }
        /// Every row of the table by name, for tests that cover all.
        #[doc(hidden)]
        pub const UNARY: &[(&str, fn(&Tensor) -> Tensor)] = &[$((stringify!($name), |x| x.$name())),*];
    };
}

unary! {
    /// Absolute value. Integers stay integers; the smallest one wraps to itself.
    #[doc(alias = "absolute")]
    abs Abs 1 float |x| x.abs(), int |i| i.abs();
    /// The negative. Integers stay integers and wrap. Booleans have none.
    #[doc(alias = "negative")]
    neg Neg 1 float |x| -x, int |i| i.neg();
    /// The square, `x * x`. Integers stay integers and wrap.
    square Square 1 float |x| x * x, int |i| i.mul(i);
    /// -1, 0 or 1 by sign; 0 for NaN, as PyTorch. Integers stay integers.
    sign Sign 1 float |x| T::of((x > T::ZERO) as u8 as f64) - T::of((x < T::ZERO) as u8 as f64), int |i| i.sign();
    /// The largest whole number not above. Integers stay as they are.
    floor Floor 1 float |x| x.floor(), int |i| i;
    /// The smallest whole number not below. Integers stay as they are.
    ceil Ceil 1 float |x| x.ceil(), int |i| i;
    /// The nearest whole number, ties to even. Integers stay as they are.
    round Round 1 float |x| x.round_even(), int |i| i;
    /// The whole part, towards zero. Integers stay as they are.
    #[doc(alias = "fix")]
    trunc Trunc 1 float |x| x.trunc(), int |i| i;
    /// What [`Tensor::trunc`] cuts off, with the sign of the element.
    frac Frac 1 float |x| x - x.trunc();
    /// The positive part: 0 below 0, and NaN stays NaN. Integers stay integers.
    relu Relu 1 float |x| if x < T::ZERO { T::ZERO } else { x }, int |i| if i < I::ZERO { I::ZERO } else { i };
    /// `1 / x`.
    reciprocal Reciprocal 1 float |x| T::ONE / x;
    /// Square root.
    sqrt Sqrt 2 float |x| x.sqrt();
    /// `1 / sqrt(x)`.
    rsqrt Rsqrt 3 float |x| T::ONE / x.sqrt();
    /// `e^x`.
    exp Exp 8 float |x| x.exp::<FMA>();
    /// `2^x`.
    exp2 Exp2 8 float |x| x.exp2::<FMA>();
    /// `e^x - 1`, accurate near 0.
    expm1 Expm1 16 float |x| x.expm1::<FMA>();
    /// Natural logarithm.
    log Log 16 float |x| x.ln::<FMA>();
    /// Logarithm to base 2.
    log2 Log2 20 float |x| x.log2::<FMA>();
    /// Logarithm to base 10.
    log10 Log10 20 float |x| x.log10::<FMA>();
    /// `ln(1 + x)`, accurate near 0.
    log1p Log1p 16 float |x| x.ln_1p::<FMA>();
    /// Sine.
    sin Sin 14 float |x| x.sin::<FMA>(), rare TURN_LIMIT, f64::sin;
    /// Cosine.
    cos Cos 14 float |x| x.cos::<FMA>(), rare TURN_LIMIT, f64::cos;
    /// Tangent.
    tan Tan 24 float |x| x.tan::<FMA>(), rare TURN_LIMIT, f64::tan;
    /// Inverse sine.
    #[doc(alias = "arcsin")]
    asin Asin 20 float |x| x.asin::<FMA>();
    /// Inverse cosine.
    #[doc(alias = "arccos")]
    acos Acos 24 float |x| x.acos::<FMA>();
    /// Inverse tangent.
    #[doc(alias = "arctan")]
    atan Atan 36 float |x| x.atan::<FMA>();
    /// Hyperbolic sine.
    sinh Sinh 20 float |x| x.sinh::<FMA>();
    /// Hyperbolic cosine.
    cosh Cosh 20 float |x| x.cosh::<FMA>();
    /// Degrees to radians.
    deg2rad Deg2rad 1 float |x| x * T::of(std::f64::consts::PI / 180.0);
    /// Radians to degrees.
    rad2deg Rad2deg 1 float |x| x * T::of(180.0 / std::f64::consts::PI);
    /// Hyperbolic tangent.
    tanh Tanh 12 float |x| x.tanh::<FMA>();
    /// Inverse hyperbolic sine.
    #[doc(alias = "arcsinh")]
    asinh Asinh 36 float |x| x.asinh::<FMA>();
    /// Inverse hyperbolic cosine.
    #[doc(alias = "arccosh")]
    acosh Acosh 36 float |x| x.acosh::<FMA>();
    /// Inverse hyperbolic tangent.
    #[doc(alias = "arctanh")]
    atanh Atanh 30 float |x| x.atanh::<FMA>();
    /// The error function.
    erf Erf 16 float |x| x.erf::<FMA>();
    /// `1 - erf(x)`, accurate where it is small.
    erfc Erfc 36 float |x| x.erfc::<FMA>();
    /// The logistic function, `1 / (1 + e^-x)`.
    #[doc(alias = "expit")]
    sigmoid Sigmoid 10 float |x| x.sigmoid::<FMA>();
    /// `x * sigmoid(x)`.
    silu Silu 10 float |x| x / (T::ONE + (-x).exp_normal::<FMA>());
    /// `x * Φ(x)` with the normal distribution function Φ (PyTorch's `approximate='none'`).
    gelu Gelu 12 float |x| x.gelu::<FMA>();
}

kernel!(ClampTo clamp 1 float |x, p| x.larger(p[0]).smaller(p[1]));
kernel!(LeakyRelu leaky_relu 1 float |x, p| if x < T::ZERO { x * p[0] } else { x });
kernel!(Elu elu 8 float |x, p| if x > T::ZERO { x } else { p[0] * x.expm1::<FMA>() }, keeps positive);
kernel!(Softplus softplus 48 float |x, p| {
    if x * p[0] > p[1] { x } else { (x * p[0]).exp::<FMA>().ln_1p::<FMA>() / p[0] }
});
kernel!(Hardsigmoid hardsigmoid 2 float |x, _p| (x + T::of(3.0)).larger(T::ZERO).smaller(T::of(6.0)) / T::of(6.0));
kernel!(Hardswish hardswish 2 float |x, _p| x * (x + T::of(3.0)).larger(T::ZERO).smaller(T::of(6.0)) / T::of(6.0));
kernel!(Hardshrink hardshrink 1 float |x, p| if x >= -p[0] && x <= p[0] { T::ZERO } else { x });
kernel!(Softshrink softshrink 1 float |x, p| {
    let outside = if x > T::ZERO { x - p[0] } else { x + p[0] };
    // A product, which keeps NaN.
    if x >= -p[0] && x <= p[0] { x * T::ZERO } else { outside }
});
kernel!(Celu celu 8 float |x, p| if x > T::ZERO { x } else { p[0] * (x / p[0]).expm1::<FMA>() }, keeps positive);
kernel!(Selu selu 16 float |x, p| if x > T::ZERO { x * p[1] } else { p[0] * x.expm1::<FMA>() });
kernel!(LogSigmoid logsigmoid 48 float |x, _p| x.smaller(T::ZERO) - (-x.abs()).exp::<FMA>().ln_1p::<FMA>());
// tanh(ln(1 + n)) with n = e^x is n (n + 2) / (n (n + 2) + 2), and 1 beyond.
kernel!(Mish mish 12 float |x, _p| {
    let n = x.smaller(T::of(20.0)).exp::<FMA>();
    let w = n * (n + T::of(2.0));
    if x > T::of(20.0) { x } else { x * (w / (w + T::of(2.0))) }
});
kernel!(GeluTanh gelu_tanh 16 float |x, _p| {
    let inner = T::of((2.0 / std::f64::consts::PI).sqrt()) * (x + T::of(0.044715) * x * x * x);
    T::of(0.5) * x * (T::ONE + inner.tanh::<FMA>())
});
kernel!(Cube pow 1 float |x, p| x * x * x);

/// `x³`, for [`Tensor::pow`].
pub(crate) fn cube(x: &Tensor) -> Tensor {
    apply(&Cube::KERNELS, x, [0.0; 2])
}

/// The tensor with its axes in memory order and the way back, if it fills its memory without gaps but not in C order.
pub(crate) fn memory_order(x: &Tensor) -> Option<(Tensor, Axes)> {
    let (order, back) = memory_order_of(x.layout())?;
    Some((x.with_layout(x.layout().permute(&order)), back))
}

/// The order of a layout's axes in memory and the way back, if it has no gaps but another order than C's.
pub(crate) fn memory_order_of(x: &Layout) -> Option<(Axes, Axes)> {
    if x.rank() < 2 || x.is_contiguous() {
        return None;
    }
    let (order, back) = memory_axes(x.strides());
    x.permute(&order).is_contiguous().then_some((order, back))
}

/// The axes by falling stride, equal ones in their own order, and the permutation back.
pub(crate) fn memory_axes(strides: &[isize]) -> (Axes, Axes) {
    let mut order: Axes = (0..strides.len()).collect();
    // A handful of axes: insertion, which costs less to compile than a call of `sort_by_key`.
    for end in 1..order.len() {
        let mut at = end;
        while at > 0 && strides[order[at]].unsigned_abs() > strides[order[at - 1]].unsigned_abs() {
            order.swap(at, at - 1);
            at -= 1;
        }
    }
    let mut back = Axes::from_elem(0, order.len());
    order.iter().enumerate().for_each(|(to, &from)| back[from] = to);
    (order, back)
}

/// `kernel` over all elements. A dense tensor in another order than C keeps its strides, as in PyTorch.
pub(crate) fn elementwise<S: Element, O: Element>(
    x: &Tensor,
    cost: usize,
    kernel: &map::Kernel<'_, S, O, 1>,
) -> Tensor {
    if let Some((dense, back)) = memory_order(x) {
        let out = elementwise(&dense, cost, kernel);
        return out.with_layout(out.layout().permute(&back));
    }
    x.build_like(|out: &mut [O]| map::run(x.shape(), [(x.data(), x.layout())], out, cost, kernel))
}

#[track_caller]
fn apply(op: &Unary, x: &Tensor, p: [f64; 2]) -> Tensor {
    let narrow = p.map(|p| p as f32);
    match (x.dtype(), &op.ints) {
        (DType::F64, _) => elementwise(x, 2 * op.cost, &|[x], out| (op.f64)(x, out, p)),
        (DType::F32, _) => elementwise(x, op.cost, &|[x], out| (op.f32)(x, out, narrow)),
        (DType::F16, _) => elementwise(x, op.cost + 1, &|[x], out| {
            half::half_map::<crate::f16>(x, out, |x, out| (op.f32)(x, out, narrow));
        }),
        (DType::BF16, _) => elementwise(x, op.cost + 1, &|[x], out| {
            half::half_map::<crate::bf16>(x, out, |x, out| (op.f32)(x, out, narrow));
        }),
        (DType::I64, Some(ints)) => elementwise(x, op.cost, &|[x], out| (ints.0)(x, out, [0; 2])),
        (DType::I32, Some(ints)) => elementwise(x, op.cost, &|[x], out| (ints.1)(x, out, [0; 2])),
        (DType::I16, Some(ints)) => elementwise(x, op.cost, &|[x], out| (ints.2)(x, out, [0; 2])),
        (DType::I8, Some(ints)) => elementwise(x, op.cost, &|[x], out| (ints.3)(x, out, [0; 2])),
        (DType::U8, Some(ints)) => elementwise(x, op.cost, &|[x], out| (ints.4)(x, out, [0; 2])),
        (DType::Bool, Some(_)) => match op.name {
            "neg" => bug!(
                "",
                "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the \
                 `~` or `logical_not()` operator instead."
            ),
            "sign" => x.clone(),
            "square" => apply(op, &x.to(DType::I64), p),
            name => bug!(name, "not implemented for 'Bool'"),
        },
        _ => {
            // Activations that PyTorch has for floats only.
            let kernel = match op.name {
                "gelu" => "GeluKernelImpl",
                "silu" => "silu_cpu",
                "elu" => "elu_cpu",
                "leaky_relu" => "leaky_relu_cpu",
                "softplus" => "softplus_cpu",
                _ => return apply(op, &x.to(DType::F32), p),
            };
            bug!("", "\"{kernel}\" not implemented for '{}'", x.dtype().legacy_name());
        }
    }
}

/// `test` of every element, on `f32` or `f64`; integers and booleans are tested as if they were `f32`.
fn test(x: &Tensor, test32: impl Fn(f32) -> bool + Sync, test64: impl Fn(f64) -> bool + Sync) -> Tensor {
    let narrow = |x: &[f32], out: &mut [bool]| x.iter().zip(out).for_each(|(&x, o)| *o = test32(x));
    match x.dtype() {
        DType::F64 => elementwise(x, 1, &|[x]: [&[f64]; 1], out: &mut [bool]| {
            x.iter().zip(out).for_each(|(&x, o)| *o = test64(x));
        }),
        DType::F16 => elementwise(x, 2, &|[x], out| half::half_test::<crate::f16, _>(x, out, &narrow)),
        DType::BF16 => elementwise(x, 2, &|[x], out| half::half_test::<crate::bf16, _>(x, out, &narrow)),
        DType::F32 => elementwise(x, 1, &|[x], out| narrow(x, out)),
        _ => test(&x.to(DType::F32), test32, test64),
    }
}

#[profiled]
impl Tensor {
    /// `true` where an element is zero (`false`).
    pub fn logical_not(&self) -> Tensor {
        match_dtype!(self.dtype(), T => elementwise(self, 1, &|[x]: [&[T]; 1], out: &mut [bool]| {
            x.iter().zip(out).for_each(|(&x, o)| *o = x == T::ZERO);
        }))
    }

    /// `true` where an element is not a number.
    pub fn isnan(&self) -> Tensor {
        test(self, |x| x.is_nan(), |x| x.is_nan())
    }

    /// `true` where an element is infinite, of either sign.
    pub fn isinf(&self) -> Tensor {
        test(self, |x| x.is_infinite(), |x| x.is_infinite())
    }

    /// NaN becomes `nan` (0 if `None`), the infinities `posinf` and `neginf` (the largest and smallest finite number of the
    /// dtype if `None`).
    pub fn nan_to_num(&self, nan: Option<f64>, posinf: Option<f64>, neginf: Option<f64>) -> Tensor {
        if !self.dtype().is_float() {
            return self.clone();
        }
        let largest = match self.dtype() {
            DType::F64 => f64::MAX,
            DType::F32 => f64::from(f32::MAX),
            DType::F16 => crate::f16::MAX.to_f64(),
            _ => crate::bf16::MAX.to_f64(),
        };
        let (high, low) = (posinf.unwrap_or(largest), neginf.unwrap_or(-largest));
        let finite = self.masked_fill(&self.isnan(), nan.unwrap_or(0.0));
        finite.masked_fill(&self.isposinf(), high).masked_fill(&self.isneginf(), low)
    }

    /// `true` where an element is positive infinity.
    pub fn isposinf(&self) -> Tensor {
        test(self, |x| x == f32::INFINITY, |x| x == f64::INFINITY)
    }

    /// `true` where an element is negative infinity.
    pub fn isneginf(&self) -> Tensor {
        test(self, |x| x == f32::NEG_INFINITY, |x| x == f64::NEG_INFINITY)
    }

    /// `true` where the sign bit is set: also for `-0.0`.
    pub fn signbit(&self) -> Tensor {
        test(self, |x| x.is_sign_negative(), |x| x.is_sign_negative())
    }

    /// `true` where an element is neither infinite nor NaN.
    pub fn isfinite(&self) -> Tensor {
        test(self, |x| x.is_finite(), |x| x.is_finite())
    }

    /// Elements below `min` become `min`, those above `max` become `max`; `None` is no bound, and NaN stays NaN.
    ///
    /// Integers stay integers if both bounds are whole numbers, else they become `f32`, as PyTorch does by the bounds'
    /// types.
    ///
    /// # Panics
    /// If both bounds are `None`.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::Tensor;
    /// let x = Tensor::from_vec(vec![-2.0f32, 0.5, 3.0], [3]);
    /// assert_eq!(x.clamp(-1.0, 1.0).to_vec::<f32>(), [-1.0, 0.5, 1.0]);
    /// assert_eq!(x.clamp(0.0, None).to_vec::<f32>(), [0.0, 0.5, 3.0]);
    /// ```
    #[doc(alias = "clip")]
    #[doc(alias = "clamp_min")]
    #[doc(alias = "clamp_max")]
    #[track_caller]
    pub fn clamp(&self, min: impl Into<Option<f64>>, max: impl Into<Option<f64>>) -> Tensor {
        let (min, max) = (min.into(), max.into());
        if min.is_none() && max.is_none() {
            bug!("clamp", "At least one of 'min' or 'max' must not be None");
        }
        let whole = |bound: Option<f64>| bound.is_none_or(|b| b.trunc() == b);
        let bounds = [min.unwrap_or(f64::NEG_INFINITY), max.unwrap_or(f64::INFINITY)];
        if self.dtype().is_float() || !whole(min) || !whole(max) {
            return apply(&ClampTo::KERNELS, self, bounds);
        }
        match_dtype!(int self.dtype(), T => elementwise(self, 1, &|[x]: [&[T]; 1], out: &mut [T]| {
            let low = min.map_or(T::MIN, |b| b as T);
            let high = max.map_or(T::MAX, |b| b as T);
            x.iter().zip(out).for_each(|(&x, o)| *o = x.max(low).min(high));
        }), _other => self.to(DType::I64).clamp(min, max))
    }

    /// `x` above 0, `slope * x` below (PyTorch's default slope is 0.01).
    ///
    /// # Panics
    /// As [`Tensor::hardsigmoid`].
    #[track_caller]
    pub fn leaky_relu(&self, slope: f64) -> Tensor {
        apply(&LeakyRelu::KERNELS, self, [slope, 0.0])
    }

    /// `x` above 0, `alpha * (e^x - 1)` below.
    ///
    /// # Panics
    /// As [`Tensor::hardsigmoid`].
    #[track_caller]
    pub fn elu(&self, alpha: f64) -> Tensor {
        apply(&Elu::KERNELS, self, [alpha, 0.0])
    }

    /// `ln(1 + e^(beta x)) / beta`, a smooth [`Tensor::relu`]; `x` itself where `beta x > threshold`.
    ///
    /// PyTorch's defaults are `beta` 1 and `threshold` 20.
    ///
    /// # Panics
    /// As [`Tensor::hardsigmoid`].
    #[track_caller]
    pub fn softplus(&self, beta: f64, threshold: f64) -> Tensor {
        apply(&Softplus::KERNELS, self, [beta, threshold])
    }

    /// `x / 6 + 1/2` between -3 and 3, else 0 or 1.
    ///
    /// # Panics
    /// Like the activations below, if the dtype is not floating.
    #[track_caller]
    pub fn hardsigmoid(&self) -> Tensor {
        activation(&Hardsigmoid::KERNELS, self, "hardsigmoid_cpu", [0.0; 2])
    }

    /// `x` times [`Tensor::hardsigmoid`].
    #[track_caller]
    pub fn hardswish(&self) -> Tensor {
        activation(&Hardswish::KERNELS, self, "hardswish_cpu", [0.0; 2])
    }

    /// 0 where the element is between `-lambd` and `lambd`, else the element (PyTorch's default is 0.5).
    #[track_caller]
    pub fn hardshrink(&self, lambd: f64) -> Tensor {
        activation(&Hardshrink::KERNELS, self, "hardshrink_cpu", [lambd, 0.0])
    }

    /// 0 where the element is between `-lambd` and `lambd`, else nearer to 0 by `lambd` (PyTorch's default is 0.5).
    ///
    /// # Panics
    /// If `lambd` is negative, or the dtype is not floating.
    #[track_caller]
    pub fn softshrink(&self, lambd: f64) -> Tensor {
        if lambd < 0.0 && self.dtype().is_float() {
            bug!(
                "",
                "lambda must be in range [0, {}] for input dtype {}, but found {lambd}",
                limit(self.dtype()),
                self.dtype().legacy_name()
            );
        }
        activation(&Softshrink::KERNELS, self, "softshrink_cpu", [lambd, 0.0])
    }

    /// [`Tensor::elu`] with a slope that is continuous: `alpha (e^(x / alpha) - 1)` below 0 (PyTorch's default is 1).
    ///
    /// # Panics
    /// If `alpha` is 0, or the dtype is not floating.
    #[track_caller]
    pub fn celu(&self, alpha: f64) -> Tensor {
        if alpha == 0.0 {
            bug!("", "ZeroDivisionError: alpha cannot be 0 for CELU");
        }
        activation(&Celu::KERNELS, self, "elu_cpu", [alpha, 0.0])
    }

    /// The scaled [`Tensor::elu`] that keeps mean 0 and variance 1: `λ x` above 0, `λ α (e^x - 1)` below (Klambauer et al., 2017).
    #[track_caller]
    pub fn selu(&self) -> Tensor {
        activation(&Selu::KERNELS, self, "elu_cpu", [SELU_SCALE * SELU_ALPHA, SELU_SCALE])
    }

    /// The logarithm of [`Tensor::sigmoid`], exact far out.
    #[track_caller]
    pub fn logsigmoid(&self) -> Tensor {
        activation(&LogSigmoid::KERNELS, self, "log_sigmoid_cpu", [0.0; 2])
    }

    /// `x tanh(softplus(x))` (Misra, 2019).
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// assert_eq!(tensor![0.0, 100.0].mish().to_vec::<f32>(), [0.0, 100.0]);
    /// ```
    #[track_caller]
    pub fn mish(&self) -> Tensor {
        activation(&Mish::KERNELS, self, "mish_cpu", [0.0; 2])
    }

    /// [`Tensor::gelu`] with the hyperbolic tangent in place of the error function (`approximate='tanh'`).
    #[track_caller]
    pub fn gelu_tanh(&self) -> Tensor {
        activation(&GeluTanh::KERNELS, self, "GeluKernelImpl", [0.0; 2])
    }

    /// `min` and `max` where the element is beyond them (`torch.nn.functional.hardtanh`, whose defaults are -1 and 1).
    /// Integers stay integers.
    ///
    /// # Panics
    /// If `min` is above `max`, or the dtype is `bool`.
    #[track_caller]
    pub fn hardtanh(&self, min: f64, max: f64) -> Tensor {
        if self.dtype() == DType::Bool {
            bug!("", "Bool inputs not supported for hardtanh");
        }
        if min > max {
            bug!("", "min_val cannot be greater than max_val");
        }
        // As a number of an integer dtype, bounds lose their fractions.
        let whole = |bound: f64| if self.dtype().is_float() { bound } else { bound.trunc() };
        self.clamp(whole(min), whole(max))
    }

    /// [`Tensor::hardtanh`] between 0 and 6.
    #[track_caller]
    pub fn relu6(&self) -> Tensor {
        self.hardtanh(0.0, 6.0)
    }
}

/// PyTorch's scale and alpha of [`Tensor::selu`].
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

/// [`apply`] where PyTorch has a kernel for floats only.
#[track_caller]
fn activation(op: &Unary, x: &Tensor, kernel: &str, p: [f64; 2]) -> Tensor {
    if !x.dtype().is_float() {
        bug!("", "\"{kernel}\" not implemented for '{}'", x.dtype().legacy_name());
    }
    apply(op, x, p)
}

/// The largest number of a dtype, as C++ prints it.
fn limit(dtype: DType) -> &'static str {
    match dtype {
        DType::F64 => "1.79769e+308",
        DType::F16 => "65504",
        DType::BF16 => "3.38953e+38",
        _ => "3.40282e+38",
    }
}
