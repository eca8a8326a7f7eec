//! Functions of three operands: bounds, interpolation, and products or quotients added.

use crate::catalog::Entry;
use crate::op::Context;
use crate::operand::{Arg, Operand};
use crate::{Var, op};
use wengert_tensor::{DType, Scalar, Tensor};

impl Var {
    /// [`Var::clamp`] with bounds element by element, which broadcast. The bounds get the gradient of the elements that
    /// they replaced.
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
                let below = min.as_ref().map(|min| x.lt(min));
                let above = max.as_ref().map(|max| x.gt(max));
                let crossed = min.as_ref().zip(max.as_ref()).map(|(min, max)| max.lt(min));
                let outside = [&below, &above]
                    .into_iter()
                    .flatten()
                    .fold(None::<Tensor>, |all, mask| Some(all.map_or(mask.clone(), |all| all.logical_or(mask))));
                let kept = |mask: Tensor| Var::where_(&mask, grad, 0.0);
                [
                    ctx.needs(0).then(|| outside.map_or(grad.clone(), |mask| kept(mask.logical_not()))),
                    below.filter(|_| ctx.needs(1)).map(|below| {
                        kept(match min.as_ref().zip(max.as_ref()) {
                            Some((min, max)) => below.logical_and(min.lt(max)),
                            None => below,
                        })
                    }),
                    above
                        .filter(|_| ctx.needs(2))
                        .map(|above| kept(crossed.map_or(above.clone(), |crossed| above.logical_or(crossed)))),
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

    /// `self + value * a * b`.
    #[track_caller]
    pub fn addcmul(&self, a: &Var, b: &Var, value: impl Into<Scalar>) -> Var {
        let product = a * b;
        self + match value.into() {
            Scalar::Int(1) => product,
            value => product * value,
        }
    }

    /// `self + value * a / b`.
    ///
    /// # Panics
    /// If `a` and `b` are integers, as in PyTorch.
    #[track_caller]
    pub fn addcdiv(&self, a: &Var, b: &Var, value: impl Into<Scalar>) -> Var {
        if !a.dtype().is_float() && !b.dtype().is_float() {
            wengert_tensor::bug!(
                "",
                "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a true \
                 division of tensor1 and tensor2. Convert the operands to a floating dtype first"
            );
        }
        let quotient = a / b;
        self + match value.into() {
            Scalar::Int(1) => quotient,
            value => quotient * value,
        }
    }

    /// The power in `f64` (`torch.float_power`).
    #[track_caller]
    pub fn float_power(&self, exponent: impl Operand) -> Var {
        match exponent.into_arg() {
            Arg::Var(exponent) => self.to(DType::F64).pow(exponent.to(DType::F64)),
            Arg::Scalar(exponent) => self.to(DType::F64).pow(exponent),
        }
    }

    /// `self * 2^other`.
    #[track_caller]
    pub fn ldexp(&self, other: &Var) -> Var {
        self * Var::pow_of(2.0, &other.to(other.dtype().to_float()))
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
        Entry::shaped("ldexp", "MulBackward0", &[&[2, 3], &[3]], |x| x[0].ldexp(&x[1])).sizes("*, *"),
    ]
}
