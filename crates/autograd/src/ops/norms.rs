//! Norms, distances, and differences along an axis.

use super::reduce::Keep;
use crate::catalog::Entry;
use crate::op::Context;
use crate::{Var, op};
use wengert_tensor::shape::{axes, axis};
use wengert_tensor::{IntoDims, Tensor, bug};

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
            f64::INFINITY => return self.abs().amax_keepdim(dims),
            f64::NEG_INFINITY => return self.abs().amin_keepdim(dims),
            _ => {}
        }
        let value = self.value.vector_norm_keepdim(dims, p);
        let saved = op::records(&[self]).then(|| value.clone());
        op::record("LinalgVectorNormBackward0", value, [self], || {
            let x = self.clone();
            let value = saved.expect("made under the same condition");
            move |ctx: &Context<'_>, grad: &Var| {
                if p == 0.0 {
                    return [Some(Var::from(x.value().zeros_like()))];
                }
                let y = ctx.output(&value);
                let powers = x.abs().pow(p - 1.0);
                let powers = if p < 2.0 { powers.masked_fill(&x.value().eq(0.0), 0.0) } else { powers };
                let scale = y.pow(1.0 - p).masked_fill(&y.value().eq(0.0), 0.0);
                [Some(x.sign() * powers * (grad * scale))]
            }
        })
    }

    /// The norm of the matrices in two axes (`torch.linalg.matrix_norm`).
    ///
    /// # Panics
    /// If an axis is out of range or both are the same, or a norm of singular values is asked for and the dtype is not floating.
    #[track_caller]
    pub fn matrix_norm(&self, kind: MatrixNorm, dims: [isize; 2]) -> Var {
        self.matrix_norm_keepdim(kind, dims).squeeze(dims)
    }

    /// As [`Var::matrix_norm`]; the axes stay, with size 1.
    ///
    /// # Panics
    /// As [`Var::matrix_norm`].
    #[track_caller]
    pub fn matrix_norm_keepdim(&self, kind: MatrixNorm, dims: [isize; 2]) -> Var {
        if self.rank() < 2 {
            bug!("", "linalg.matrix_norm: The input tensor A must have at least 2 dimensions.");
        }
        let [row, column] = dims.map(|d| axis("", d, self.rank()) as isize);
        if row == column {
            bug!("", "linalg.matrix_norm: dims must be different. Got ({}, {})", dims[0], dims[1]);
        }
        match kind {
            MatrixNorm::Fro => self.norm_keepdim([row, column]),
            MatrixNorm::Inf => self.abs().sum_keepdim(column).amax_keepdim(row),
            MatrixNorm::NegInf => self.abs().sum_keepdim(column).amin_keepdim(row),
            MatrixNorm::One => self.abs().sum_keepdim(row).amax_keepdim(column),
            MatrixNorm::NegOne => self.abs().sum_keepdim(row).amin_keepdim(column),
            MatrixNorm::Two | MatrixNorm::NegTwo | MatrixNorm::Nuc => {
                let values = self.movedim([row, column], [-2, -1]).svdvals();
                let value = match kind {
                    MatrixNorm::Nuc => values.sum_keepdim(-1),
                    _ if values.size(-1) == 0 => values.sum_keepdim(-1),
                    MatrixNorm::Two => values.amax_keepdim(-1),
                    _ => values.amin_keepdim(-1),
                };
                value.unsqueeze(-1).movedim([-2, -1], [row, column])
            }
        }
    }

    /// The norm of order `p` of the difference.
    #[track_caller]
    pub fn dist(&self, other: &Var, p: f64) -> Var {
        (self - other).vector_norm((), p)
    }

    /// The distances of order `p` between the rows of two (batches of) matrices, `[.., n, m]` and `[.., k, m]` to `[.., n, k]`.
    ///
    /// # Panics
    /// If an operand has less than two axes, the rows differ in length, or `p` is negative.
    #[track_caller]
    pub fn cdist(&self, other: &Var, p: f64) -> Var {
        if self.rank() < 2 || other.rank() < 2 {
            let (which, rank) = if self.rank() < 2 { ("X1", self.rank()) } else { ("X2", other.rank()) };
            bug!("", "cdist only supports at least 2D tensors, {which} got: {rank}D");
        }
        if self.size(-1) != other.size(-1) {
            bug!("", "X1 and X2 must have the same number of columns. X1: {} X2: {}", self.size(-1), other.size(-1));
        }
        if p < 0.0 {
            bug!("", "cdist only supports non-negative p values");
        }
        let differences = self.unsqueeze(-2) - other.unsqueeze(-3);
        if self.size(-1) == 0 {
            return differences.sum(-1);
        }
        differences.vector_norm(-1, p)
    }

    /// The distances of order `p` between all pairs of rows (`torch.pdist`).
    ///
    /// # Panics
    /// If the operand is not a matrix.
    #[track_caller]
    pub fn pdist(&self, p: f64) -> Var {
        if self.rank() != 2 {
            bug!("", "pdist only supports 2D tensors, got: {}D", self.rank());
        }
        let n = self.size(0) as i64;
        let pairs: (Vec<i64>, Vec<i64>) = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j))).unzip();
        let count = pairs.0.len();
        let [a, b] = [pairs.0, pairs.1].map(|at| self.index_select(0, &Tensor::from_vec(at, [count])));
        let differences = a - b;
        if self.size(1) == 0 { differences.sum(-1) } else { differences.vector_norm(-1, p) }
    }

    /// The cosine of the angle between vectors along an axis; norms below `eps` count as `eps`.
    #[track_caller]
    pub fn cosine_similarity(&self, other: &Var, dim: isize, eps: f64) -> Var {
        let norm = |x: &Var| {
            let n = x.norm_keepdim(dim);
            let small = n.value().lt(eps);
            x / n.masked_fill(&small, eps)
        };
        let shape = wengert_tensor::shape::broadcast("cosine_similarity", self.shape(), other.shape());
        let (a, b) = (self.expand(&shape[..]), other.expand(&shape[..]));
        (norm(&a) * norm(&b)).sum(dim)
    }

    /// The norm of order `p` of `self - other + eps` along the last axis.
    #[track_caller]
    pub fn pairwise_distance(&self, other: &Var, p: f64, eps: f64) -> Var {
        (self - other + eps).vector_norm(-1, p)
    }

    /// [`Var::pairwise_distance`]; the last axis stays, with size 1.
    #[track_caller]
    pub fn pairwise_distance_keepdim(&self, other: &Var, p: f64, eps: f64) -> Var {
        (self - other + eps).vector_norm_keepdim(-1, p)
    }

    /// Scales the slices along an axis whose norm of order `p` is above `maxnorm` down to it.
    ///
    /// # Panics
    /// If there are less than two axes, the axis is out of range, `p` is not positive or `maxnorm` is negative.
    #[track_caller]
    pub fn renorm(&self, p: f64, dim: isize, maxnorm: f64) -> Var {
        if self.rank() < 2 {
            bug!("", "renorm: input needs at least 2 dimensions, got {} dimensions", self.rank());
        }
        if p <= 0.0 {
            bug!("", "renorm: non-positive-norm not supported");
        }
        if maxnorm < 0.0 {
            bug!("", "renorm: expected maxnorm to be >= 0 but got {maxnorm}");
        }
        let d = axis("", dim, self.rank());
        let others: Vec<isize> = (0..self.rank()).filter(|&i| i != d).map(|i| i as isize).collect();
        let norm = self.vector_norm_keepdim(&others[..], p);
        let above = norm.value().gt(maxnorm);
        self * Var::where_(&above, maxnorm / (norm + 1e-7), 1.0)
    }

    /// The differences of neighbours along an axis, `n` times, after `prepend` and before `append`.
    ///
    /// # Panics
    /// If the operand is 0-d or what is joined does not fit.
    #[track_caller]
    pub fn diff(&self, n: usize, dim: isize, prepend: Option<&Var>, append: Option<&Var>) -> Var {
        if self.rank() == 0 {
            bug!("", "diff expects input to be at least one-dimensional");
        }
        if n == 0 {
            return self.clone();
        }
        let parts: Vec<&Var> = [prepend, Some(self), append].into_iter().flatten().collect();
        let mut x = if parts.len() == 1 { self.clone() } else { Var::cat(&parts, dim) };
        for _ in 0..n {
            let len = x.size(dim);
            if len == 0 {
                break;
            }
            let (after, before) = (x.narrow(dim, 1, len - 1), x.narrow(dim, 0, len - 1));
            x = match x.dtype() {
                wengert_tensor::DType::Bool => Var::from(after.logical_xor(&before)),
                _ => after - before,
            };
        }
        x
    }

    /// The integral along an axis by the trapezoidal rule, with spacing `dx` or positions `x`.
    #[track_caller]
    pub fn trapezoid(&self, spacing: Spacing<'_>, dim: isize) -> Var {
        self.trapezoids(spacing, dim).map_or_else(|| self.sum(dim) * 0.0, |parts| parts.sum(dim))
    }

    /// The running integral along an axis by the trapezoidal rule.
    #[track_caller]
    pub fn cumulative_trapezoid(&self, spacing: Spacing<'_>, dim: isize) -> Var {
        let parts = self.trapezoids(spacing, dim);
        parts.map_or_else(|| self.narrow(dim, 0, 0) * 1.0, |parts| parts.cumsum(dim))
    }

    /// The areas between neighbours; `None` where there are none.
    #[track_caller]
    fn trapezoids(&self, spacing: Spacing<'_>, dim: isize) -> Option<Var> {
        let len = self.size(dim);
        if len == 0 {
            return None;
        }
        let sums = self.narrow(dim, 1, len - 1) + self.narrow(dim, 0, len - 1);
        Some(match spacing {
            Spacing::Dx(dx) => sums * (dx / 2.0),
            Spacing::X(x) => {
                // One axis of positions belongs to `dim`; more are those of the values.
                let at = if x.rank() == 1 && self.rank() > 1 {
                    let d = axis("trapezoid", dim, self.rank());
                    let mut shape = vec![1; self.rank()];
                    shape[d] = x.numel();
                    x.reshape(&shape[..])
                } else {
                    x.clone()
                };
                sums * at.diff(1, dim, None, None) / 2.0
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

/// Where the values of [`Var::trapezoid`] lie.
#[derive(Clone, Copy)]
pub enum Spacing<'a> {
    /// At equal distances.
    Dx(f64),
    /// At these positions.
    X(&'a Var),
}

/// A norm of matrices for [`Var::matrix_norm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatrixNorm {
    /// The root of the sum of squares.
    Fro,
    /// The largest sum of magnitudes in a row.
    Inf,
    /// The smallest sum of magnitudes in a row.
    NegInf,
    /// The largest sum of magnitudes in a column.
    One,
    /// The smallest sum of magnitudes in a column.
    NegOne,
    /// The largest singular value.
    Two,
    /// The smallest singular value.
    NegTwo,
    /// The sum of the singular values.
    Nuc,
}

pub(crate) fn catalog() -> Vec<Entry> {
    let one: &[&[usize]] = &[&[3, 4]];
    let two: &[&[usize]] = &[&[3, 4], &[2, 4]];
    vec![
        Entry::shaped("vector_norm 3", "", one, |x| x[0].vector_norm(1, 3.0)).sizes("n m"),
        Entry::shaped("vector_norm 1.5", "LinalgVectorNormBackward0", one, |x| x[0].vector_norm_keepdim((), 1.5))
            .sizes("...+"),
        Entry::shaped("vector_norm inf", "AmaxBackward0", one, |x| x[0].vector_norm_keepdim(0, f64::INFINITY))
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
