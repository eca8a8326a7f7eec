//! Softmax and its logarithm. Where no graph of the pass is made, their gradients are one fused kernel.

use crate::catalog::Entry;
use crate::op::Context;
use crate::{Var, is_grad_enabled, op};
use wengert_tensor::{Tensor, softmax};

impl Var {
    /// [`Tensor::softmax`].
    #[track_caller]
    pub fn softmax(&self, dim: isize) -> Var {
        let rule = |y: &Var, grad: &Var, dim: isize| y * (grad - (grad * y).sum_keepdim(dim));
        self.normalised("SoftmaxBackward0", self.value.softmax(dim), dim, softmax::softmax_backward, rule)
    }

    /// [`Tensor::log_softmax`].
    #[track_caller]
    pub fn log_softmax(&self, dim: isize) -> Var {
        let rule = |y: &Var, grad: &Var, dim: isize| grad - y.exp() * grad.sum_keepdim(dim);
        self.normalised("LogSoftmaxBackward0", self.value.log_softmax(dim), dim, softmax::log_softmax_backward, rule)
    }

    #[track_caller]
    fn normalised(
        &self,
        name: &'static str,
        value: Tensor,
        dim: isize,
        fused: fn(&Tensor, &Tensor, isize) -> Tensor,
        rule: fn(&Var, &Var, isize) -> Var,
    ) -> Var {
        let saved = op::records(&[self]).then(|| value.clone());
        op::record(name, value, [self], || {
            let value = saved.expect("made under the same condition");
            move |ctx: &Context<'_>, grad: &Var| {
                [Some(if is_grad_enabled() {
                    rule(&ctx.output(&value), grad, dim)
                } else {
                    Var::from(fused(&grad.value, &value, dim))
                })]
            }
        })
    }
}

pub(crate) fn catalog() -> Vec<Entry> {
    let shape: &[&[usize]] = &[&[2, 3, 2]];
    vec![
        Entry::shaped("softmax", "SoftmaxBackward0", shape, |x| x[0].softmax(1)).sizes("a b0 c"),
        Entry::shaped("log_softmax", "LogSoftmaxBackward0", shape, |x| x[0].log_softmax(-1)).sizes("... n"),
    ]
}
