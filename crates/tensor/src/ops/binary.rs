//! Functions of two tensors with broadcasting and PyTorch's promotion: one table row each.

use super::unary::memory_order_of;
use crate::cpu::half;
use crate::cpu::map::{self, BinaryOp, CompareOp, Zip, compare, compare_plain, zip, zip_bool, zip_int};
use crate::cpu::math::{Int, Math, Plain};
use crate::cpu::par;
use crate::dtype::Category;
use crate::layout::Layout;
use crate::shape::{Axes, Shape, broadcast, same};
use crate::{DType, Element, Scalar, Tensor, bf16, bug, f16, match_dtype};
use wengert_tensor_macros::profiled;

/// What may stand beside a tensor in an operation: tensors, references to them, and Rust numbers.
///
/// A number adapts to the tensor's dtype as far as its category (boolean, integer, float) allows; a 0-d tensor yields
/// to tensors with dimensions in the same way.
pub trait Operand {
    /// The operand, borrowed.
    fn operand(&self) -> OperandRef<'_>;
}

/// A borrowed [`Operand`].
#[derive(Clone, Copy)]
pub enum OperandRef<'a> {
    /// A tensor.
    Tensor(&'a Tensor),
    /// A number.
    Scalar(Scalar),
}

impl Operand for Tensor {
    #[inline]
    fn operand(&self) -> OperandRef<'_> {
        OperandRef::Tensor(self)
    }
}
impl<T: Operand + ?Sized> Operand for &T {
    #[inline]
    fn operand(&self) -> OperandRef<'_> {
        (**self).operand()
    }
}
impl Operand for Scalar {
    fn operand(&self) -> OperandRef<'_> {
        OperandRef::Scalar(*self)
    }
}
macro_rules! operand {
    ($($ty:ty),*) => { $(
        impl Operand for $ty {
            #[inline]
            fn operand(&self) -> OperandRef<'_> { OperandRef::Scalar((*self).into()) }
        }
    )* };
}
operand!(f64, f32, i64, i32, i16, i8, u8, usize, bool, f16, bf16);

impl OperandRef<'_> {
    fn shape(&self) -> &[usize] {
        match self {
            OperandRef::Tensor(t) => t.shape(),
            OperandRef::Scalar(_) => &[],
        }
    }

    /// The dtype, and who prevails: 0 for numbers, 1 for 0-d tensors, 2 for tensors with dimensions.
    fn rank_and_dtype(&self) -> (u8, DType) {
        match self {
            OperandRef::Tensor(t) => (if t.rank() == 0 { 1 } else { 2 }, t.dtype()),
            OperandRef::Scalar(s) => (0, s.default_dtype()),
        }
    }

    /// As a tensor; a number becomes a 0-d tensor.
    pub(crate) fn to_tensor(self, dtype: DType) -> Tensor {
        match self {
            OperandRef::Tensor(t) => t.to(dtype),
            OperandRef::Scalar(s) => Tensor::full((), s, dtype),
        }
    }
}

/// The dtype of a result, as `torch.result_type`.
pub(crate) fn result_type(a: OperandRef<'_>, b: OperandRef<'_>) -> DType {
    let ((rank_a, a), (rank_b, b)) = (a.rank_and_dtype(), b.rank_and_dtype());
    if a == b {
        return a;
    }
    let (high, low) = match rank_a.cmp(&rank_b) {
        std::cmp::Ordering::Equal => return a.promote(b),
        std::cmp::Ordering::Greater => (a, b),
        std::cmp::Ordering::Less => (b, a),
    };
    // The lower operand counts only if its category is higher.
    if low.category() > high.category() { high.promote(low) } else { high }
}

/// The dtype of a result of several tensors: 0-d ones count only if their category is higher.
#[doc(hidden)]
pub fn common_dtype(all: &[&Tensor]) -> DType {
    let of = |scalars: bool| {
        all.iter().filter(|x| (x.rank() == 0) == scalars).map(|x| x.dtype()).reduce(|a, b| a.promote(b))
    };
    match (of(false), of(true)) {
        (Some(high), Some(low)) if low.category() > high.category() => high.promote(low),
        (Some(dtype), _) | (None, Some(dtype)) => dtype,
        (None, None) => unreachable!("there is an operand"),
    }
}

type IntZips = (Zip<i64, i64>, Zip<i32, i32>, Zip<i16, i16>, Zip<i8, i8>, Zip<u8, u8>);
type IntTests = (Zip<i64, bool>, Zip<i32, bool>, Zip<i16, bool>, Zip<i8, bool>, Zip<u8, bool>);

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
/// (else they become `f32`) and by `, bool |a, b| …` if it computes on booleans.
///
/// `add Add 1 float |a, b| a + b, int |a, b| a.add(b), bool |a, b| a | b;` makes the kernels, `Tensor::add` and a row
/// of [`BINARY`].
macro_rules! binary {
    ($($(#[$doc:meta])* $vis:vis $name:ident as $method:ident $Op:ident $cost:literal
        float |$a:ident, $b:ident| $float:expr $(, int |$i:ident, $j:ident| $int:expr)? $(, bool |$p:ident, $q:ident| $bool:expr)?;)*) => {
        $(
            pub(crate) struct $Op;
            impl BinaryOp for $Op {
                #[inline(always)]
                fn float<T: Math + Plain, const FMA: bool>($a: T, $b: T) -> T { $float }
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
    pub floor_divide as floor_divide FloorDivide 8 float |a, b| floor_divide::<T>(a, b), int |a, b| a.div_floor(b);
    /// Division rounded to negative infinity (`torch.div(…, rounding_mode="floor")`).
    pub div_floor as div_floor DivFloor 8 float |a, b| floor_divide::<T>(a, b), int |a, b| a.div_floor(b);
    /// Division rounded towards 0 (`torch.div(…, rounding_mode="trunc")`).
    pub div_trunc as div_trunc DivTrunc 2 float |a, b| (a / b).trunc(), int |a, b| a.div_trunc(b);
    /// The remainder with the divisor's sign, Python's `%`.
    pub remainder as remainder Remainder 8 float |a, b| remainder::<T>(a, b), int |a, b| a.modulo(b);
    /// The remainder with the dividend's sign, C's `fmod`.
    pub fmod as fmod Fmod 8 float |a, b| a.fmod(b), int |a, b| a.rem(b);
    /// The larger of two elements; NaN if either is.
    pub maximum as maximum Maximum 1 float |a, b| a.larger(b), int |a, b| a.max(b), bool |a, b| a | b;
    /// The smaller of two elements; NaN if either is.
    pub minimum as minimum Minimum 1 float |a, b| a.smaller(b), int |a, b| a.min(b), bool |a, b| a & b;
    /// The angle of the point `(other, self)`, in `-π..=π`.
    #[doc(alias = "arctan2")]
    pub atan2 as atan2 Atan2 20 float |a, b| a.atan2(b);
    /// The larger of two elements; the other one where one is NaN.
    pub fmax as fmax Fmax 2 float |a, b| if b > a || a.is_nan() { b } else { a }, int |a, b| a.max(b), bool |a, b| a | b;
    /// The smaller of two elements; the other one where one is NaN.
    pub fmin as fmin Fmin 2 float |a, b| if b < a || a.is_nan() { b } else { a }, int |a, b| a.min(b), bool |a, b| a & b;
    /// The magnitude of `self` with the sign of `other`.
    pub copysign as copysign Copysign 1 float |a, b| a.copysign(b);
    /// 0 below 0, 1 above, and `other` at 0. NaN gives 0, as in PyTorch.
    pub heaviside as heaviside Heaviside 2 float |a, b| if a == T::ZERO { b } else { T::of((a > T::ZERO) as u8 as f64) },
        int |a, b| if a == I::ZERO { b } else { a.sign().max(I::ZERO) }, bool |a, b| a | b;
    pow as pow_tensor Pow 20 float |a, b| a.powf(b), int |a, b| a.pow(b);
}

/// Python's `//` on floats, step by step as PyTorch's `div_floor_floating`.
#[inline(always)]
fn floor_divide<T: Math + Plain>(a: T, b: T) -> T {
    if b == T::ZERO {
        return a / b;
    }
    let rest = a.fmod(b);
    let mut quotient = (a - rest) / b;
    if rest != T::ZERO && (b < T::ZERO) != (rest < T::ZERO) {
        quotient = quotient - T::ONE;
    }
    if quotient == T::ZERO {
        return T::ZERO.copysign(a / b);
    }
    let floor = quotient.floor();
    if quotient - floor > T::of(0.5) { floor + T::ONE } else { floor }
}

/// Python's `%` on floats.
#[inline(always)]
fn remainder<T: Math + Plain>(a: T, b: T) -> T {
    let rest = a.fmod(b);
    if rest != T::ZERO && (b < T::ZERO) != (rest < T::ZERO) { rest + b } else { rest }
}

/// Two operands of one dtype, ready for kernels.
enum Pair<'a> {
    Tensors(&'a Tensor, &'a Tensor, Shape),
    /// A tensor and a number; the flag says that the number comes first.
    Scalar(&'a Tensor, Scalar, bool),
}

/// Promotes and pairs two operands, then calls `f`.
#[track_caller]
fn paired<R>(name: &str, a: OperandRef<'_>, b: OperandRef<'_>, dtype: DType, f: impl FnOnce(Pair<'_>) -> R) -> R {
    let (store_a, store_b);
    let cast = |x: OperandRef<'_>| match x {
        OperandRef::Tensor(t) if t.dtype() == dtype => None,
        x => Some(x.to_tensor(dtype)),
    };
    // A 0-d tensor beside another tensor is a number to the kernels.
    let number = |x: OperandRef<'_>| match x {
        OperandRef::Scalar(s) => Some(s),
        OperandRef::Tensor(t) if t.rank() == 0 => Some(t.scalar_at(t.layout().offset())),
        _ => None,
    };
    match (a, b) {
        (OperandRef::Tensor(x), _) if number(b).is_some() => {
            store_a = cast(a);
            f(Pair::Scalar(store_a.as_ref().unwrap_or(x), number(b).expect("just seen"), false))
        }
        (_, OperandRef::Tensor(y)) if number(a).is_some() => {
            store_b = cast(b);
            f(Pair::Scalar(store_b.as_ref().unwrap_or(y), number(a).expect("just seen"), true))
        }
        (OperandRef::Tensor(x), OperandRef::Tensor(y)) => {
            (store_a, store_b) = (cast(a), cast(b));
            let (x, y) = (store_a.as_ref().unwrap_or(x), store_b.as_ref().unwrap_or(y));
            let shape = if x.shape() == y.shape() {
                Shape::from_slice(x.shape())
            } else {
                broadcast(name, x.shape(), y.shape())
            };
            f(Pair::Tensors(x, y, shape))
        }
        (a, b) => {
            let (x, y) = (a.to_tensor(dtype), b.to_tensor(dtype));
            f(Pair::Tensors(&x, &y, Shape::new()))
        }
    }
}

impl Pair<'_> {
    /// Runs a kernel on elements of type `T`.
    fn run<T: Element, O: Element>(&self, cost: usize, kernel: Zip<T, O>) -> Tensor {
        match self {
            Pair::Tensors(x, y, shape) => tensors(x, y, shape, cost, &|[x, y], out| kernel(x, y, out)),
            Pair::Scalar(x, c, first) => {
                let c: T = c.to();
                super::unary::elementwise(x, cost, &|[x], out| map::with_scalar(x, c, *first, out, kernel))
            }
        }
    }

    /// Runs an `f32` kernel on halves. For arithmetic a number is not rounded to half first, as in PyTorch.
    fn run_half<H: half::Half>(&self, op: &Binary) -> Tensor {
        let (cost, kernel) = (op.cost, op.f32);
        match self {
            Pair::Tensors(x, y, shape) => {
                tensors(x, y, shape, cost + 2, &|[x, y], out| half::half_zip::<H>(x, y, out, kernel))
            }
            Pair::Scalar(x, c, first) => {
                let exact = matches!(op.name, "add" | "sub" | "mul" | "div" | "pow");
                let c: f32 = if exact { c.to() } else { c.to::<H>().to_f64() as f32 };
                super::unary::elementwise(x, cost + 2, &|[x], out| {
                    half::half_map::<H>(x, out, |x, out| map::with_scalar(x, c, *first, out, kernel));
                })
            }
        }
    }
}

fn tensors<T: Element, O: Element>(
    x: &Tensor,
    y: &Tensor,
    shape: &Shape,
    cost: usize,
    kernel: &map::Kernel<'_, T, O, 2>,
) -> Tensor {
    let Lined { layouts: [at_x, at_y], shape, back } = lined(x.layout(), y.layout(), shape);
    let out = Tensor::build(&shape, |out: &mut [O]| {
        map::run(&shape, [(x.data(), &at_x), (y.data(), &at_y)], out, cost, kernel);
    });
    match back {
        Some(back) => out.with_layout(out.layout().permute(&back)),
        None => out,
    }
}

/// Two operands as the kernels go through them.
struct Lined {
    layouts: [Layout; 2],
    shape: Shape,
    /// The way back to the order of the axes, if that was changed.
    back: Option<Axes>,
}

/// Lines two operands up: the axes in memory order if both fill their memory in the same one, else broadcast.
fn lined(x: &Layout, y: &Layout, shape: &Shape) -> Lined {
    if x.shape() == y.shape() {
        if x.strides() == y.strides()
            && let Some((order, back)) = memory_order_of(x)
        {
            let layouts = [x.permute(&order), y.permute(&order)];
            let shape = Shape::from_slice(layouts[0].shape());
            return Lined { layouts, shape, back: Some(back) };
        }
        return Lined { layouts: [x.clone(), y.clone()], shape: shape.clone(), back: None };
    }
    let expand = |x: &Layout| x.expand(shape).expect("shapes were broadcast");
    Lined { layouts: [expand(x), expand(y)], shape: shape.clone(), back: None }
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

/// The kernels of one comparison.
pub(crate) struct Compare {
    name: &'static str,
    f64: Zip<f64, bool>,
    f32: Zip<f32, bool>,
    ints: IntTests,
    bool: Zip<bool, bool>,
}

/// One row: `/// doc` then `name Name |a, b| …`; `lt Lt |a, b| a < b;` makes the kernels, `Tensor::lt` and a row of
/// [`COMPARE`].
macro_rules! compare {
    ($($(#[$doc:meta])* $name:ident $Op:ident |$a:ident, $b:ident| $test:expr;)*) => {
        $(
            struct $Op;
            impl CompareOp for $Op {
                #[inline(always)]
                fn test<T: PartialOrd>($a: T, $b: T) -> bool { $test }
            }
            impl $Op {
                const KERNELS: Compare = Compare {
                    name: stringify!($name),
                    f64: compare::<f64, $Op>,
                    f32: compare::<f32, $Op>,
                    ints: (
                        compare_plain::<i64, $Op>,
                        compare_plain::<i32, $Op>,
                        compare_plain::<i16, $Op>,
                        compare_plain::<i8, $Op>,
                        compare_plain::<u8, $Op>,
                    ),
                    bool: compare_plain::<bool, $Op>,
                };
            }
            #[profiled]
            impl Tensor {
                $(#[$doc])*
                #[track_caller]
                pub fn $name(&self, other: impl Operand) -> Tensor {
                    comparison(&$Op::KERNELS, OperandRef::Tensor(self), other.operand())
                }
            }
        )*
        /// Every comparison by name, for tests that cover all.
        #[doc(hidden)]
        pub const COMPARE: &[(&str, fn(&Tensor, &Tensor) -> Tensor)] =
            &[$((stringify!($name), |a, b| a.$name(b))),*];
    };
}

compare! {
    /// `true` where elements are equal (NaN never is), with broadcasting. For whole tensors see [`Tensor::equal`].
    eq Eq |a, b| a == b;
    /// `true` where elements differ (NaN always does), with broadcasting.
    ne Ne |a, b| a != b;
    /// `true` where the element is less, with broadcasting.
    lt Lt |a, b| a < b;
    /// `true` where the element is less or equal, with broadcasting.
    le Le |a, b| a <= b;
    /// `true` where the element is greater, with broadcasting.
    gt Gt |a, b| a > b;
    /// `true` where the element is greater or equal, with broadcasting.
    ge Ge |a, b| a >= b;
}

#[track_caller]
fn comparison(op: &Compare, a: OperandRef<'_>, b: OperandRef<'_>) -> Tensor {
    let dtype = result_type(a, b);
    if let DType::F16 | DType::BF16 = dtype {
        // Exact in f32, once numbers are rounded as the tensor's elements are.
        let widen = |x: OperandRef<'_>| x.to_tensor(dtype).to(DType::F32);
        let (a, b) = (widen(a), widen(b));
        return comparison(op, OperandRef::Tensor(&a), OperandRef::Tensor(&b));
    }
    paired(op.name, a, b, dtype, |pair| match dtype {
        DType::F64 => pair.run(1, op.f64),
        DType::I64 => pair.run(1, op.ints.0),
        DType::I32 => pair.run(1, op.ints.1),
        DType::I16 => pair.run(1, op.ints.2),
        DType::I8 => pair.run(1, op.ints.3),
        DType::U8 => pair.run(1, op.ints.4),
        DType::Bool => pair.run(1, op.bool),
        _ => pair.run(1, op.f32),
    })
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

    /// Where elements are close: `|self - other| <= atol + rtol * |other|`, with broadcasting (PyTorch's defaults are
    /// `rtol = 1e-5` and `atol = 1e-8`). NaN is close to nothing, an infinity to itself.
    #[track_caller]
    pub fn isclose(&self, other: &Tensor, rtol: f64, atol: f64) -> Tensor {
        for (name, tolerance) in [("rtol", rtol), ("atol", atol)] {
            if tolerance < 0.0 {
                bug!("", "{name} must be greater than or equal to zero, but got {tolerance}");
            }
        }
        if self.dtype() != other.dtype() {
            bug!("", "{} did not match {}", self.dtype().legacy_name(), other.dtype().legacy_name());
        }
        let (a, b) = (self.to(DType::F64), other.to(DType::F64));
        let near = a.sub(&b).abs().le(b.abs().mul(rtol).add(atol)).logical_and(a.isfinite()).logical_and(b.isfinite());
        near.logical_or(a.eq(&b))
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
    /// If the dtypes differ or the shapes do not broadcast.
    #[track_caller]
    pub fn lerp(&self, end: &Tensor, weight: impl Operand) -> Tensor {
        if self.dtype() != end.dtype() {
            bug!("", "expected dtype {} for `end` but got dtype {}", self.dtype().name(), end.dtype().name());
        }
        let distance = end.sub(self);
        match weight.operand() {
            OperandRef::Scalar(w) if w.to_f64().abs() < 0.5 => self.add(distance.mul(w)),
            OperandRef::Scalar(w) => end.sub(distance.mul(1.0 - w.to_f64())),
            OperandRef::Tensor(w) => {
                let rest = Tensor::full((), 1, w.dtype()).sub(w);
                w.abs().lt(0.5).where_(self.add(distance.mul(w)), end.sub(distance.mul(rest)))
            }
        }
    }

    /// `true` where both are not zero, with broadcasting.
    #[track_caller]
    pub fn logical_and(&self, other: impl Operand) -> Tensor {
        self.to(DType::Bool).mul(other.operand().to_tensor(DType::Bool))
    }

    /// `true` where at least one is not zero, with broadcasting.
    #[track_caller]
    pub fn logical_or(&self, other: impl Operand) -> Tensor {
        self.to(DType::Bool).add(other.operand().to_tensor(DType::Bool))
    }

    /// `true` where exactly one is not zero, with broadcasting.
    #[track_caller]
    pub fn logical_xor(&self, other: impl Operand) -> Tensor {
        self.to(DType::Bool).ne(other.operand().to_tensor(DType::Bool))
    }

    /// Elements of `a` where `self` is `true`, elements of `b` elsewhere; all three broadcast.
    ///
    /// # Panics
    /// If `self` is not a tensor of `bool`, or the shapes do not fit.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::Tensor;
    /// let x = Tensor::from_vec(vec![-1.0f32, 2.0], [2]);
    /// assert_eq!(x.gt(0.0).where_(&x, 0.0).to_vec::<f32>(), [0.0, 2.0]);
    /// ```
    #[track_caller]
    pub fn where_(&self, a: impl Operand, b: impl Operand) -> Tensor {
        if self.dtype() == DType::U8 {
            return self.ne(0).where_(a, b);
        }
        if self.dtype() != DType::Bool {
            bug!(
                "",
                "where expected condition to be a boolean tensor, but got a tensor with dtype {}",
                self.dtype().legacy_name()
            );
        }
        let (a, b) = (a.operand(), b.operand());
        select(self, a, b, result_type(a, b))
    }

    /// A copy in which elements are `value` where `mask` is `true`; the shapes broadcast, the dtype stays.
    ///
    /// # Panics
    /// If `mask` is not a tensor of `bool`, or the shapes do not fit.
    #[track_caller]
    pub fn masked_fill(&self, mask: &Tensor, value: impl Into<Scalar>) -> Tensor {
        if mask.dtype() != DType::Bool {
            bug!(
                "",
                "masked_fill_ only supports boolean masks, but got mask with dtype {}",
                super::matmul::cpp_name(mask.dtype())
            );
        }
        select(mask, OperandRef::Scalar(value.into()), OperandRef::Tensor(self), self.dtype())
    }

    /// Whether shape and all elements are equal.
    pub fn equal(&self, other: &Tensor) -> bool {
        self.shape() == other.shape() && self.eq(other).all(()).item::<bool>()
    }

    /// Whether all elements are close: `|self - other| <= atol + rtol * |other|`, with broadcasting. NaN is close to
    /// nothing.
    #[track_caller]
    pub fn allclose(&self, other: &Tensor, rtol: f64, atol: f64) -> bool {
        let (a, b) = (self.to(DType::F64), other.to(DType::F64));
        let near = a.sub(&b).abs().le(b.abs().mul(rtol).add(atol)).logical_and(a.isfinite()).logical_and(b.isfinite());
        near.logical_or(a.eq(&b)).all(()).item::<bool>()
    }
}

/// `condition ? a : b` in `dtype`.
#[track_caller]
fn select(condition: &Tensor, a: OperandRef<'_>, b: OperandRef<'_>, dtype: DType) -> Tensor {
    let shape = broadcast("where", &broadcast("where", condition.shape(), a.shape()), b.shape());
    let dense = |x: &Tensor| x.broadcast_to(shape.clone()).contiguous();
    let mask = dense(condition);
    let mask: &[bool] = mask.as_slice().expect("contiguous");
    match_dtype!(dtype, T => {
        let tensor = |x: OperandRef<'_>| match x {
            OperandRef::Tensor(t) if t.rank() > 0 => Ok(dense(&t.to(dtype))),
            OperandRef::Tensor(t) => Err(t.item::<T>()),
            OperandRef::Scalar(s) => Err(s.to::<T>()),
        };
        let (a, b) = (tensor(a), tensor(b));
        Tensor::build(shape.clone(), |out: &mut [T]| map::select(mask, source(&a), source(&b), out))
    })
}

fn source<T: Element>(x: &Result<Tensor, T>) -> map::Source<'_, T> {
    match x {
        Ok(tensor) => map::Source::Slice(tensor.as_slice().expect("made contiguous")),
        Err(number) => map::Source::Number(*number),
    }
}
