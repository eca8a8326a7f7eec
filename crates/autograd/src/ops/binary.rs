//! Functions of two operands with broadcasting. Rules give gradients of the broadcast shape and the promoted dtype; the
//! backward pass sums and converts them.

use crate::catalog::{Entry, domain};
use crate::op::Context;
use crate::operand::{Arg, Given, Operand};
use crate::{Var, op};
use std::f64::consts::LN_2;
use wengert_tensor::{DType, Scalar, Tensor};

/// Which operands a rule looks at.
#[derive(Clone, Copy, PartialEq)]
enum Saves {
    /// None, and the gradient of both is that of the result.
    Passes,
    /// None.
    Nothing,
    /// For the gradient of one, the other.
    Other,
    /// Both.
    Both,
}

/// What stands for an operand that a rule will not look at.
const NOTHING: &Arg = &Arg::Scalar(Scalar::Int(0));

type Side = fn(&Var, &Arg, &Arg) -> Var;

#[track_caller]
fn record(name: &'static str, value: Tensor, x: &Var, y: Given<'_>, saves: Saves, left: Side, right: Side) -> Var {
    let nodes = [x.node.as_ref(), y.node()];
    if !op::due(&nodes, &value) {
        return Var::from(value);
    }
    let (of_x, of_y) = (nodes[0].is_some(), nodes[1].is_some());
    let edges = op::edges(nodes);
    match saves {
        Saves::Passes => {
            op::record_passing(name, value, edges, |ctx: &Context<'_>, grad: Var| match (ctx.needs(0), ctx.needs(1)) {
                (true, true) => [Some(grad.clone()), Some(grad)],
                (true, false) => [Some(grad), None],
                (false, needed) => [None, needed.then_some(grad)],
            })
        }
        Saves::Nothing => op::record_edges(name, value, edges, move |ctx: &Context<'_>, grad: &Var| {
            [ctx.needs(0).then(|| left(grad, NOTHING, NOTHING)), ctx.needs(1).then(|| right(grad, NOTHING, NOTHING))]
        }),
        Saves::Other if !of_y => {
            let y = y.into_arg();
            op::record_edges(name, value, edges, move |_: &Context<'_>, grad: &Var| {
                [Some(left(grad, NOTHING, &y)), None]
            })
        }
        Saves::Other if !of_x => {
            let x = Arg::Var(x.clone());
            op::record_edges(name, value, edges, move |_: &Context<'_>, grad: &Var| {
                [None, Some(right(grad, &x, NOTHING))]
            })
        }
        Saves::Other | Saves::Both => {
            let (x, y) = (Arg::Var(x.clone()), y.into_arg());
            op::record_edges(name, value, edges, move |ctx: &Context<'_>, grad: &Var| {
                [ctx.needs(0).then(|| left(grad, &x, &y)), ctx.needs(1).then(|| right(grad, &x, &y))]
            })
        }
    }
}

/// One row: method, PyTorch's `grad_fn`, what the rules save, the gradients of the left and of the right operand (`g` is
/// the gradient of the result), and where samples for tests lie.
macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident $grad_fn:literal $saves:ident |$g:ident, $x:ident, $y:ident| $left:expr, $right:expr,
       $low:literal..$high:literal;)*) => {
        impl Var {
            $(
                #[doc = concat!("[`Tensor::", stringify!($name), "`](wengert_tensor::Tensor::", stringify!($name), ").")]
                $(#[$doc])*
                #[track_caller]
                pub fn $name(&self, other: impl Operand) -> Var {
                    let other = other.given();
                    let value = self.value.$name(&other);
                    record($grad_fn, value, self, other, Saves::$saves,
                        |$g, $x, $y| { let _ = ($x, $y); $left }, |$g, $x, $y| { let _ = ($x, $y); $right })
                }
            )*
        }

        /// The rows, for tests of every operation.
        pub(crate) fn catalog() -> Vec<Entry> {
            vec![
                $(Entry::binary(stringify!($name), $grad_fn, domain($low, $high), |x, y| x.$name(y)),)*
                Entry::binary("pow", "PowBackward1", domain(0.5, 2.0), |x, y| x.pow(y)),
                Entry::unary("pow with a number", "PowBackward0", domain(0.5, 2.0), |x| x.pow(2.5)),
                Entry::binary("where_", "WhereBackward0", domain(-2.0, 2.0), |x, y| {
                    Var::where_(&x.value.gt(0.0), x, y)
                }),
            ]
        }
    };
}

binary! {
    add "AddBackward0" Passes |g, x, y| g.clone(), g.clone(), -2.0..2.0;
    sub "SubBackward0" Nothing |g, x, y| g.clone(), -g, -2.0..2.0;
    mul "MulBackward0" Other |g, x, y| g * y, g * x, -2.0..2.0;
    div "DivBackward0" Both |g, x, y| g / y, -g * (var(x) / y / y), 0.5..2.0;
    /// At ties both get half.
    maximum "MaximumBackward0" Both |g, x, y| extreme(g, var(x), y, |x, y| x.lt(y)), extreme(g, var(x), y, |x, y| x.gt(y)), -2.0..2.0;
    /// At ties both get half.
    minimum "MinimumBackward0" Both |g, x, y| extreme(g, var(x), y, |x, y| x.gt(y)), extreme(g, var(x), y, |x, y| x.lt(y)), -2.0..2.0;
    /// At ties both get half; where one is NaN the other gets all, where both are the left one.
    fmax "FmaxBackward0" Both |g, x, y| of_left(g, var(x), y, |x, y| x.gt(y)), of_right(g, var(x), y, |x, y| x.gt(y)), -2.0..2.0;
    /// At ties both get half; where one is NaN the other gets all, where both are the left one.
    fmin "FminBackward0" Both |g, x, y| of_left(g, var(x), y, |x, y| x.lt(y)), of_right(g, var(x), y, |x, y| x.lt(y)), -2.0..2.0;
    copysign "CopysignBackward0" Both |g, x, y| {
        let ratio = var(x).value.copysign(y).div(&var(x).value).masked_fill(&var(x).value.eq(0.0), 0.0);
        g * ratio
    }, none(g), 0.5..2.0;
    hypot "HypotBackward0" Both |g, x, y| g * (var(x) / var(x).hypot(y)), g * (right(y) / var(x).hypot(y)), 0.5..2.0;
    xlogy "XlogyBackward0" Both |g, x, y| {
        let y = right(y);
        (g * y.log()).masked_fill(&var(x).value.eq(0.0).logical_and(y.value.isnan().logical_not()), 0.0)
    }, g * (var(x) / y), 0.5..2.0;
    xlog1py "SpecialXlog1PyBackward0" Both |g, x, y| {
        let y = right(y);
        (g * y.log1p()).masked_fill(&var(x).value.eq(0.0).logical_and(y.value.le(-1.0)), 0.0)
    }, g * (var(x) / (right(y) + 1.0)), 0.5..2.0;
    logaddexp "LogaddexpBackward0" Both |g, x, y| g * (var(x) - y).sigmoid(), g * (right(y) - var(x)).sigmoid(), -2.0..2.0;
    logaddexp2 "Logaddexp2Backward0" Both |g, x, y| g * ((var(x) - y) * LN_2).sigmoid(),
        g * ((right(y) - var(x)) * LN_2).sigmoid(), -2.0..2.0;
    /// Where the operands are equal the gradient is 0.
    nextafter "NextafterBackward0" Both |g, x, y| keep(g, var(x).value.ne(y)), none(g), -2.0..2.0;
    /// The quotient rounded to negative infinity, of which the gradient is 0 (`torch.div(…, rounding_mode="floor")`).
    div_floor "DivBackward1" Nothing |g, x, y| none(g), none(g), 1.1..1.9;
    /// The quotient rounded towards 0, of which the gradient is 0 (`torch.div(…, rounding_mode="trunc")`).
    div_trunc "DivBackward1" Nothing |g, x, y| none(g), none(g), 1.1..1.9;
    atan2 "Atan2Backward0" Both |g, x, y| g * y * inverse_squares(var(x), y), -g * x * inverse_squares(var(x), y), 0.5..2.0;
    fmod "FmodBackward1" Both |g, x, y| g.clone(), -g * (var(x) / y).trunc(), 1.1..1.9;
    remainder "RemainderBackward1" Both |g, x, y| g.clone(), -g * var(x).div_floor(y), 1.1..1.9;
}

/// The left operand, which is always a `Var`.
fn var(x: &Arg) -> &Var {
    match x {
        Arg::Var(x) => x,
        Arg::Scalar(_) => unreachable!("the left operand is saved by rows that look at it"),
    }
}

/// The right operand; a number as a 0-d constant.
fn right(y: &Arg) -> Var {
    match y {
        Arg::Var(y) => y.clone(),
        Arg::Scalar(y) => Var::from(Tensor::full((), *y, y.default_dtype())),
    }
}

fn none(grad: &Var) -> Var {
    Var::from(grad.value.zeros_like())
}

/// `grad` where `mask`, 0 elsewhere.
fn keep(grad: &Var, mask: Tensor) -> Var {
    Var::where_(&mask, grad, 0.0)
}

/// What the left operand of `fmax` or `fmin` gets, which wins by `test` or if the right one is NaN.
fn of_left(grad: &Var, x: &Var, y: &Arg, test: impl Fn(&Tensor, &Arg) -> Tensor) -> Var {
    let tie = &x.value.eq(y);
    Var::where_(tie, grad * 0.5, keep(grad, test(&x.value, y).logical_or(right(y).value.isnan())))
}

/// What the right operand gets: the rest.
fn of_right(grad: &Var, x: &Var, y: &Arg, test: impl Fn(&Tensor, &Arg) -> Tensor) -> Var {
    let tie = &x.value.eq(y);
    let lost = test(&x.value, y).logical_or(right(y).value.isnan());
    Var::where_(tie, grad * 0.5, keep(grad, lost.logical_not()))
}

/// `1 / (x² + y²)`, 0 where both are.
fn inverse_squares(x: &Var, y: &Arg) -> Var {
    let squares = match y {
        Arg::Var(y) => x * x + y * y,
        Arg::Scalar(y) => x * x + y.to_f64() * y.to_f64(),
    };
    let zero = &squares.value.eq(0.0);
    squares.masked_fill(zero, 1.0).reciprocal().masked_fill(zero, 0.0)
}

/// Half at ties, nothing to the one that `loses`.
fn extreme(grad: &Var, x: &Var, y: &Arg, loses: impl Fn(&Tensor, &Arg) -> Tensor) -> Var {
    let tie = &x.value.eq(y);
    Var::where_(tie, grad / 2.0, grad).masked_fill(&loses(&x.value, y), 0.0)
}

impl Var {
    /// [`Tensor::pow`].
    ///
    /// The gradients at 0 are PyTorch's: `x⁰` has gradient 0, and the gradient by the exponent is 0 where the base is 0
    /// and the exponent not negative.
    #[track_caller]
    pub fn pow(&self, exponent: impl Operand) -> Var {
        match exponent.into_arg() {
            Arg::Scalar(exponent) => self.pow_scalar(exponent),
            Arg::Var(exponent) => self.pow_var(&exponent),
        }
    }

    #[track_caller]
    fn pow_scalar(&self, exponent: Scalar) -> Var {
        op::record("PowBackward0", self.value.pow(exponent), [self], || {
            let x = self.clone();
            move |_: &Context<'_>, grad: &Var| {
                let y = exponent.to_f64();
                [Some(if y == 0.0 {
                    Var::from(grad.value.zeros_like())
                } else if y == 2.0 {
                    grad * (&x * 2.0)
                } else {
                    grad * (x.pow(y - 1.0) * y)
                })]
            }
        })
    }

    #[track_caller]
    fn pow_var(&self, exponent: &Var) -> Var {
        let value = self.value.pow(&exponent.value);
        let saved = op::records(&[self, exponent]).then(|| value.clone());
        op::record("PowBackward1", value, [self, exponent], || {
            let (x, y) = (self.clone(), exponent.clone());
            let value = saved.expect("made under the same condition");
            move |ctx: &Context<'_>, grad: &Var| {
                let base = ctx.needs(0).then(|| {
                    let zero = &y.value.eq(0.0);
                    grad * Var::where_(zero, 0.0, &y * x.pow(&y - 1.0))
                });
                let power = ctx.needs(1).then(|| {
                    let flat = &x.value.eq(0.0).logical_and(y.value.ge(0.0));
                    grad * Var::where_(flat, 0.0, ctx.output(&value) * x.masked_fill(flat, 1.0).log())
                });
                [base, power]
            }
        })
    }

    /// A number to the power of a `Var`: `base ** x` in Python.
    #[track_caller]
    pub fn pow_of(base: impl Into<Scalar>, exponent: &Var) -> Var {
        let base = base.into();
        let value = Tensor::pow_of(base, &exponent.value);
        let saved = op::records(&[exponent]).then(|| value.clone());
        op::record("PowBackward2", value, [exponent], || {
            let exponent = exponent.value.clone();
            let value = saved.expect("made under the same condition");
            move |ctx: &Context<'_>, grad: &Var| {
                let slope = ctx.output(&value) * base.to_f64().ln();
                [Some(if base.to_f64() == 0.0 {
                    grad * Var::where_(&exponent.ge(0.0), 0.0, slope)
                } else {
                    grad * slope
                })]
            }
        })
    }

    /// `number - self`.
    #[track_caller]
    pub(crate) fn rsub(&self, number: impl Into<Scalar>) -> Var {
        let number = number.into();
        let value = Tensor::full((), number, number_dtype(number, self.dtype())).sub(&self.value);
        op::record("RsubBackward1", value, [self], || |_: &Context<'_>, grad: &Var| [Some(-grad)])
    }

    /// [`Tensor::where_`]: elements of `a` where `condition` is true, of `b` elsewhere. The condition is a constant.
    #[track_caller]
    pub fn where_(condition: &Tensor, a: impl Operand, b: impl Operand) -> Var {
        let (a, b) = (a.into_arg(), b.into_arg());
        // Beside a number, a 0-d tensor has a dtype of its own, which a result of `where` takes.
        let value = condition.where_(&a, &b);
        op::record_nodes("WhereBackward0", value, [a.node(), b.node()], || {
            let condition = condition.clone();
            move |ctx: &Context<'_>, grad: &Var| {
                [
                    ctx.needs(0).then(|| Var::where_(&condition, grad, 0.0)),
                    ctx.needs(1).then(|| Var::where_(&condition, 0.0, grad)),
                ]
            }
        })
    }

    /// [`Tensor::masked_fill`]. Nothing flows back to what was filled.
    #[track_caller]
    pub fn masked_fill(&self, mask: &Tensor, value: impl Into<Scalar>) -> Var {
        op::record("MaskedFillBackward0", self.value.masked_fill(mask, value), [self], || {
            let mask = mask.clone();
            move |_: &Context<'_>, grad: &Var| [Some(grad.masked_fill(&mask, 0.0))]
        })
    }
}

/// The dtype in which a number meets a 0-d or larger tensor of `dtype`.
fn number_dtype(number: Scalar, dtype: DType) -> DType {
    match number {
        Scalar::Float(_) => dtype.to_float(),
        Scalar::Int(_) if dtype == DType::Bool => DType::I64,
        _ => dtype,
    }
}

/// The operators, for every mix of owned and borrowed `Var`s, tensors and numbers on the right, and numbers on the left.
mod operators {
    use super::{Operand, Var};
    use std::ops::{Add, Div, Mul, Neg, Sub};

    macro_rules! operators {
        ($($Trait:ident $method:ident |$number:ident, $x:ident| $reversed:expr;)*) => { $(
            impl<R: Operand> $Trait<R> for &Var {
                type Output = Var;
                #[track_caller]
                fn $method(self, other: R) -> Var { Var::$method(self, other) }
            }
            impl<R: Operand> $Trait<R> for Var {
                type Output = Var;
                #[track_caller]
                fn $method(self, other: R) -> Var { Var::$method(&self, other) }
            }
            operators!(@number $Trait $method |$number, $x| $reversed; f64 i64);
        )* };
        (@number $Trait:ident $method:ident |$number:ident, $x:ident| $reversed:expr; $($ty:ty)*) => { $(
            impl $Trait<&Var> for $ty {
                type Output = Var;
                #[track_caller]
                fn $method(self, $x: &Var) -> Var { let $number = self; $reversed }
            }
            impl $Trait<Var> for $ty {
                type Output = Var;
                #[track_caller]
                fn $method(self, $x: Var) -> Var { let ($number, $x) = (self, &$x); $reversed }
            }
        )* };
    }
    operators! {
        Add add |number, x| x.add(number);
        Sub sub |number, x| x.rsub(number);
        Mul mul |number, x| x.mul(number);
        Div div |number, x| x.reciprocal().mul(number);
    }

    impl Neg for &Var {
        type Output = Var;
        #[track_caller]
        fn neg(self) -> Var {
            Var::neg(self)
        }
    }
    impl Neg for Var {
        type Output = Var;
        #[track_caller]
        fn neg(self) -> Var {
            Var::neg(&self)
        }
    }
}
