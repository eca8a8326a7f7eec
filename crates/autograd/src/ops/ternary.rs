//! Functions of three operands: bounds, interpolation, and products or quotients added.

use crate::catalog::Entry;
use crate::op::Context;
use crate::operand::{Arg, Operand};
use crate::{Var, op};
use wengert_tensor::{DType, Tensor};

impl Var {
    /// [`Var::clamp`] with bounds element by element, which broadcast. The bounds get the gradient of the elements that
    /// they replaced, and half of it where they are equal to the element and not to each other.
    ///
    /// # Panics
    /// If both bounds are `None`, or the shapes do not broadcast.
    #[track_caller]
    pub fn clamp_tensor(&self, min: Option<&Var>, max: Option<&Var>) -> Var {
        let value = self.value.clamp_tensor(min.map(|m| &m.value), max.map(|m| &m.value));
        let nodes = [self.node.as_ref(), min.and_then(|m| m.node.as_ref()), max.and_then(|m| m.node.as_ref())];
        op::record_nodes("ClampBackward0", value, nodes, || {
            let (x, min, max) = (self.value.clone(), min.map(|m| m.value.clone()), max.map(|m| m.value.clone()));
            move |ctx: &Context<'_>, grad: &Var| {
                let both = min.as_ref().zip(max.as_ref());
                let no = || Tensor::scalar(false);
                let below = min.as_ref().map_or_else(no, |min| x.lt(min));
                let above = max.as_ref().map_or_else(no, |max| x.gt(max));
                // Where two bounds are equal, nothing is shared; where they cross, the upper one wins.
                let apart = both.map_or(Tensor::scalar(true), |(min, max)| min.lt(max));
                let at_min = min.as_ref().map_or_else(no, |min| x.eq(min)).logical_and(&apart);
                let at_max = max.as_ref().map_or_else(no, |max| x.eq(max)).logical_and(&apart);
                // NaN on either side counts for a bound that is alone, and for none of two.
                let of_min = || match both {
                    Some((min, max)) => below.logical_and(min.le(max)),
                    None => x.gt(min.as_ref().expect("its gradient is wanted")).logical_not(),
                };
                let of_max = || match both {
                    Some((min, max)) => above.logical_and(min.le(max)).logical_or(min.gt(max)),
                    None => x.lt(max.as_ref().expect("its gradient is wanted")).logical_not(),
                };
                let shares = |all: Tensor, half: &Tensor| Var::where_(half, grad * 0.5, Var::where_(&all, grad, 0.0));
                [
                    ctx.needs(0).then(|| shares(below.logical_or(&above).logical_not(), &at_min.logical_or(&at_max))),
                    ctx.needs(1).then(|| shares(of_min(), &at_min)),
                    ctx.needs(2).then(|| shares(of_max(), &at_max)),
                ]
            }
        })
    }

    /// `self + weight * (end - self)`; the weight is a number or broadcasts.
    #[track_caller]
    pub fn lerp(&self, end: &Var, weight: impl Operand) -> Var {
        let weight = weight.into_arg();
        let value = self.value.lerp(&end.value, &weight);
        op::record_nodes("LerpBackward0", value, [self.node.as_ref(), end.node.as_ref(), weight.node()], || {
            let (start, end, weight) = (self.clone(), end.clone(), weight.clone());
            move |ctx: &Context<'_>, grad: &Var| {
                [
                    ctx.needs(0).then(|| match &weight {
                        Arg::Var(w) => grad * (1.0 - w),
                        Arg::Scalar(w) => grad * (1.0 - w.to_f64()),
                    }),
                    ctx.needs(1).then(|| grad * &weight),
                    ctx.needs(2).then(|| grad * (&end - &start)),
                ]
            }
        })
    }

    /// The power in `f64` (`torch.float_power`).
    #[track_caller]
    pub fn float_power(&self, exponent: impl Operand) -> Var {
        match exponent.into_arg() {
            Arg::Var(exponent) => self.to(DType::F64).pow(exponent.to(DType::F64)),
            Arg::Scalar(exponent) => self.to(DType::F64).pow(exponent),
        }
    }
}

pub(crate) fn catalog() -> Vec<Entry> {
    let three: &[&[usize]] = &[&[2, 3], &[3], &[2, 1]];
    vec![
        Entry::shaped("clamp_tensor", "ClampBackward0", three, |x| {
            x[0].clamp_tensor(Some(&(&x[1] - 1.5)), Some(&(&x[2] + 1.5)))
        })
        .sizes("*, *, *"),
        Entry::shaped("clamp_tensor above", "ClampBackward0", &[&[2, 3], &[3]], |x| {
            x[0].clamp_tensor(None, Some(&x[1]))
        })
        .sizes("*, *"),
        Entry::shaped("lerp", "LerpBackward0", three, |x| x[0].lerp(&x[1], &x[2])).sizes("*, *, *"),
        Entry::shaped("lerp by a number", "LerpBackward0", &[&[2, 3], &[3]], |x| x[0].lerp(&x[1], 0.7)).sizes("*, *"),
        Entry::shaped("addcmul", "AddBackward0", three, |x| x[0].addcmul(&x[1], &x[2], 0.5)).sizes("*, *, *"),
        Entry::shaped("addcdiv", "AddBackward0", three, |x| x[0].addcdiv(&x[1], &(&x[2] + 4.0), 0.5)).sizes("*, *, *"),
        Entry::shaped("float_power", "PowBackward0", &[&[2, 3]], |x| (&x[0] + 3.0).float_power(1.5)).sizes("*"),
        Entry::shaped("mvlgamma", "AddBackward0", &[&[2, 3]], |x| (&x[0] + 4.0).mvlgamma(3)).sizes("*"),
        Entry::shaped("ldexp", "MulBackward0", &[&[2, 3], &[3]], |x| x[0].ldexp(&x[1])).sizes("*, *"),
    ]
}
