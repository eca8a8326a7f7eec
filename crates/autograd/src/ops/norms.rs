//! Norms, distances, and differences along an axis.

use super::reduce::Keep;
use crate::catalog::Entry;
use crate::op::Context;
use crate::{Var, op};
use wengert_tensor::shape::axes;
use wengert_tensor::{IntoDims, MatrixNorm, Spacing, Tensor};

impl Var {
    /// The norm `(Σ |x|^p)^(1/p)` over axes (`torch.linalg.vector_norm`); `p` may be 0 or infinite. The gradient is 0 where
    /// the norm is, and equal extremes share it.
    ///
    /// # Panics
    /// If the dtype is not floating, an axis is out of range, or an extreme of no elements is asked for.
    #[track_caller]
    pub fn vector_norm(&self, dims: impl IntoDims, p: f64) -> Var {
        let dims = dims.into_dims();
        let reduced = axes("", &dims, self.rank());
        let shape: Vec<usize> = (0..self.rank()).filter(|i| !reduced.contains(i)).map(|i| self.shape()[i]).collect();
        self.vector_norm_keepdim(&dims[..], p).reshape(&shape[..])
    }

    /// As [`Var::vector_norm`]; the reduced axes stay, with size 1.
    ///
    /// # Panics
    /// As [`Var::vector_norm`].
    #[track_caller]
    pub fn vector_norm_keepdim(&self, dims: impl IntoDims, p: f64) -> Var {
        let dims = dims.into_dims();
        let dims = &dims[..];
        match p {
            2.0 => return self.norm_keepdim(dims),
            1.0 => return self.abs().sum_keepdim(dims),
            _ => {}
        }
        let value = self.value.vector_norm_keepdim(dims, p);
        let saved = op::records(&[self]).then(|| value.clone());
        op::record("LinalgVectorNormBackward0", value, [self], || {
            let (x, reduced) =
                (self.clone(), axes("", dims, self.rank()).iter().map(|&d| d as isize).collect::<Vec<_>>());
            let value = saved.expect("made under the same condition");
            move |ctx: &Context<'_>, grad: &Var| {
                if p == 0.0 {
                    return [Some(Var::from(x.value().zeros_like()))];
                }
                let y = ctx.output(&value);
                if p.is_infinite() {
                    // Equal extremes share it; a NaN has no sign.
                    let extreme = x.value.abs().eq(y.value()).logical_or(x.value.isnan()).to(x.dtype());
                    let count = extreme.sum_keepdim(&reduced[..]);
                    return [Some(Var::from(x.value.sign().mul(extreme.div(count))) * grad)];
                }
                let powers = x.abs().pow(p - 1.0);
                let powers = if p < 2.0 { powers.masked_fill(&x.value().eq(0.0), 0.0) } else { powers };
                let zero = &y.value().eq(0.0);
                let scale = y.masked_fill(zero, 1.0).pow(1.0 - p).masked_fill(zero, 0.0);
                [Some(x.sign() * powers * (grad * scale))]
            }
        })
    }

    /// Running largest elements along an axis, and where they were.
    #[track_caller]
    pub fn cummax(&self, dim: isize) -> (Var, Tensor) {
        let (values, indices) = self.value.cummax(dim);
        (self.picked("CummaxBackward0", values, &indices, dim, Keep::Yes), indices)
    }

    /// Running smallest elements along an axis, and where they were.
    #[track_caller]
    pub fn cummin(&self, dim: isize) -> (Var, Tensor) {
        let (values, indices) = self.value.cummin(dim);
        (self.picked("CumminBackward0", values, &indices, dim, Keep::Yes), indices)
    }

    /// Running [`Var::logsumexp`] along an axis.
    #[track_caller]
    pub fn logcumsumexp(&self, dim: isize) -> Var {
        let value = self.value.logcumsumexp(dim);
        let saved = op::records(&[self]).then(|| value.clone());
        op::record("LogcumsumexpBackward0", value, [self], || {
            let x = self.clone();
            let value = saved.expect("made under the same condition");
            move |ctx: &Context<'_>, grad: &Var| {
                if x.rank() == 0 || x.numel() == 0 {
                    return [Some(grad.clone())];
                }
                // Σ g exp(x - y) over later y, in logarithms, apart for each sign of g.
                // Where all so far was -∞, whatever takes its place is multiplied by 0.
                let y = &ctx.output(&value).masked_fill(&value.eq(f64::NEG_INFINITY), 0.0);
                let part = |g: &Var| {
                    let none = g.value().le(0.0);
                    let logs = g.masked_fill(&none, 1.0).log().masked_fill(&none, f64::NEG_INFINITY);
                    ((logs - y).flip([dim]).logcumsumexp(dim).flip([dim]) + &x).exp()
                };
                [Some(part(grad) - part(&-grad))]
            }
        })
    }
}

pub(crate) fn catalog() -> Vec<Entry> {
    let one: &[&[usize]] = &[&[3, 4]];
    let two: &[&[usize]] = &[&[3, 4], &[2, 4]];
    vec![
        Entry::shaped("vector_norm 3", "", one, |x| x[0].vector_norm(1, 3.0)).sizes("n m"),
        Entry::shaped("vector_norm 1.5", "LinalgVectorNormBackward0", one, |x| x[0].vector_norm_keepdim((), 1.5))
            .sizes("...+"),
        Entry::shaped("vector_norm inf", "LinalgVectorNormBackward0", one, |x| {
            x[0].vector_norm_keepdim(0, f64::INFINITY)
        })
        .sizes("n m"),
        Entry::shaped("matrix_norm one", "AmaxBackward0", one, |x| x[0].matrix_norm_keepdim(MatrixNorm::One, [0, 1]))
            .sizes("n m"),
        Entry::shaped("vector_norm_keepdim", "LinalgVectorNormBackward0", one, |x| x[0].vector_norm_keepdim(0, 3.0))
            .sizes("n m"),
        Entry::shaped("matrix_norm_keepdim", "AmaxBackward0", one, |x| {
            x[0].matrix_norm_keepdim(MatrixNorm::Inf, [-1, 0])
        })
        .sizes("n m"),
        Entry::shaped("dist", "", &[&[3, 4], &[4]], |x| x[0].dist(&x[1], 3.0)).sizes("n m, m"),
        Entry::shaped("cdist", "", two, |x| x[0].cdist(&x[1], 2.0)).sizes("... p d, ... r d"),
        Entry::shaped("cdist of many", "MaskedFillBackward0", &[&[2, 3], &[26, 3]], |x| x[0].cdist(&x[1], 2.0)),
        Entry::shaped("pdist", "", one, |x| x[0].pdist(2.0)).sizes("n2 d"),
        Entry::shaped("cosine_similarity", "", &[&[3, 4], &[3, 4]], |x| x[0].cosine_similarity(&x[1], 1, 1e-8))
            .sizes("n m, n m"),
        Entry::shaped("pairwise_distance", "", &[&[3, 4], &[4]], |x| x[0].pairwise_distance(&x[1], 2.0, 1e-6))
            .sizes("n m, m"),
        Entry::shaped("matrix_norm", "SqueezeBackward2", one, |x| x[0].matrix_norm(MatrixNorm::Nuc, [0, 1]))
            .sizes("n m"),
        Entry::shaped("matrix_norm two", "SqueezeBackward2", &[&[3, 2, 4]], |x| {
            x[0].matrix_norm(MatrixNorm::Two, [-1, 0])
        })
        .sizes("n k m"),
        Entry::shaped("pairwise_distance_keepdim", "LinalgVectorNormBackward0", &[&[3, 4], &[4]], |x| {
            x[0].pairwise_distance_keepdim(&x[1], 3.0, 1e-6)
        })
        .sizes("n m, m"),
        Entry::shaped("renorm", "", one, |x| x[0].renorm(2.0, 0, 1.0)).sizes("n m l"),
        Entry::shaped("diff", "", one, |x| x[0].diff(2, 1, None, None)).sizes("n m2"),
        Entry::shaped("trapezoid", "", &[&[3, 4], &[4]], |x| x[0].trapezoid(Spacing::X(&x[1]), 1)).sizes("n m2, m"),
        Entry::shaped("cumulative_trapezoid", "", one, |x| x[0].cumulative_trapezoid(Spacing::Dx(0.3), 0))
            .sizes("n2 m"),
        Entry::shaped("cummax", "CummaxBackward0", one, |x| x[0].cummax(1).0).sizes("n m"),
        Entry::shaped("cummin", "CumminBackward0", one, |x| x[0].cummin(0).0).sizes("n m"),
        Entry::shaped("logcumsumexp", "LogcumsumexpBackward0", one, |x| x[0].logcumsumexp(1)).sizes("n m"),
    ]
}
