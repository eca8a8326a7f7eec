//! Norms, distances, and differences along an axis.

use crate::shape::{axis, broadcast};
use crate::{DType, IntoDims, Tensor, bug};
use wengert_tensor_macros::{composed, profiled};

/// Where the values of [`Tensor::trapezoid`] lie.
#[derive(Clone, Copy, Debug)]
pub enum Spacing<'a, T = Tensor> {
    /// At equal distances.
    Dx(f64),
    /// At these positions.
    X(&'a T),
}

/// A norm of matrices for [`Tensor::matrix_norm`].
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

#[composed(compose_norms)]
#[profiled]
impl Tensor {
    /// The norm of the matrices in two axes (`torch.linalg.matrix_norm`).
    ///
    /// # Panics
    /// If an axis is out of range or both are the same, or a norm of singular values is asked for and the dtype is not floating.
    #[track_caller]
    pub fn matrix_norm(&self, kind: MatrixNorm, dims: [isize; 2]) -> Self {
        self.matrix_norm_keepdim(kind, dims).squeeze(dims)
    }

    /// As [`Self::matrix_norm`]; the axes stay, with size 1.
    ///
    /// # Panics
    /// As [`Self::matrix_norm`].
    #[track_caller]
    pub fn matrix_norm_keepdim(&self, kind: MatrixNorm, dims: [isize; 2]) -> Self {
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
    pub fn dist(&self, other: &Self, p: f64) -> Self {
        (self - other).vector_norm((), p)
    }

    /// The distances of order `p` between the rows of two (batches of) matrices, `[.., n, m]` and `[.., k, m]` to `[.., n, k]`.
    ///
    /// # Panics
    /// If an operand has less than two axes, the rows differ in length, or `p` is negative.
    #[track_caller]
    pub fn cdist(&self, other: &Self, p: f64) -> Self {
        if self.rank() < 2 || other.rank() < 2 {
            let (which, rank) = if self.rank() < 2 { ("X1", self.rank()) } else { ("X2", other.rank()) };
            bug!("", "cdist only supports at least 2D tensors, {which} got: {rank}D");
        }
        for (which, x) in [("X1", self), ("X2", other)] {
            if !x.dtype().is_float() {
                bug!("", "cdist only supports floating-point dtypes, {which} got: {}", x.dtype().legacy_name());
            }
        }
        if self.size(-1) != other.size(-1) {
            bug!("", "X1 and X2 must have the same number of columns. X1: {} X2: {}", self.size(-1), other.size(-1));
        }
        if p < 0.0 {
            bug!("", "cdist only supports non-negative p values");
        }
        if p == 2.0 && self.size(-2).max(other.size(-2)) > 25 {
            return self.euclidean(other);
        }
        let differences = self.unsqueeze(-2) - other.unsqueeze(-3);
        if self.size(-1) == 0 {
            return differences.sum(-1);
        }
        differences.vector_norm(-1, p)
    }

    /// The Euclidean distances between rows by one product, as PyTorch has them for many rows: `|a|² - 2 a·b + |b|²`.
    fn euclidean(&self, other: &Self) -> Self {
        let square = |x: &Self| x.square().sum_keepdim(-1);
        let squares = square(self) + square(other).mt() - self.matmul(&other.mt()) * 2.0;
        // Also what rounding made negative; nothing flows back from there.
        let zero = &squares.value().le(0.0);
        squares.masked_fill(zero, 1.0).sqrt().masked_fill(zero, 0.0)
    }

    /// The distances of order `p` between all pairs of rows (`torch.pdist`).
    ///
    /// # Panics
    /// If the operand is not a matrix.
    #[track_caller]
    pub fn pdist(&self, p: f64) -> Self {
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
    pub fn cosine_similarity(&self, other: &Self, dim: isize, eps: f64) -> Self {
        let dtype = self.dtype().promote(other.dtype());
        if !dtype.is_float() {
            bug!("", "expected common dtype to be floating point, yet common dtype is {}", dtype.legacy_name());
        }
        let norm = |x: &Self| {
            let x = x.to(dtype);
            let n = x.norm_keepdim(dim);
            let small = n.value().lt(eps);
            x / n.masked_fill(&small, eps)
        };
        let shape = broadcast("cosine_similarity", self.shape(), other.shape());
        let (a, b) = (self.expand(&shape[..]), other.expand(&shape[..]));
        (norm(&a) * norm(&b)).sum(dim)
    }

    /// Divides by the norm of order `p` over axes, which counts as `eps` where it is less.
    #[track_caller]
    pub fn normalize(&self, p: f64, dims: impl IntoDims, eps: f64) -> Self {
        self / self.vector_norm_keepdim(dims, p).clamp(eps, None).expand(self.shape())
    }

    /// The norm of order `p` of `self - other + eps` along the last axis.
    #[track_caller]
    pub fn pairwise_distance(&self, other: &Self, p: f64, eps: f64) -> Self {
        (self - other + eps).vector_norm(-1, p)
    }

    /// [`Self::pairwise_distance`]; the last axis stays, with size 1.
    #[track_caller]
    pub fn pairwise_distance_keepdim(&self, other: &Self, p: f64, eps: f64) -> Self {
        (self - other + eps).vector_norm_keepdim(-1, p)
    }

    /// Scales the slices along an axis whose norm of order `p` is above `maxnorm` down to it.
    ///
    /// # Panics
    /// If there are less than two axes, the axis is out of range, `p` is not positive or `maxnorm` is negative.
    #[track_caller]
    pub fn renorm(&self, p: f64, dim: isize, maxnorm: f64) -> Self {
        if self.rank() < 2 {
            bug!("", "renorm: input needs at least 2 dimensions, got {} dimensions", self.rank());
        }
        if p <= 0.0 {
            bug!("", "renorm: non-positive-norm not supported");
        }
        if maxnorm.is_nan() || maxnorm < 0.0 {
            bug!("", "renorm: expected maxnorm to be >= 0 but got {maxnorm}");
        }
        let d = axis("", dim, self.rank());
        let others: Vec<isize> = (0..self.rank()).filter(|&i| i != d).map(|i| i as isize).collect();
        let above = self.value().vector_norm_keepdim(&others[..], p).gt(maxnorm);
        // The other slices take no part, so that what flows back to them is not touched by an infinity or NaN in them.
        let long = self.masked_fill(&above.logical_not(), 0.0);
        let scaled = &long * (maxnorm / (long.vector_norm_keepdim(&others[..], p) + 1e-7));
        Self::where_(&above, scaled, self)
    }

    /// The differences of neighbours along an axis, `n` times, after `prepend` and before `append`.
    ///
    /// # Panics
    /// If the operand is 0-d or what is joined does not fit.
    #[track_caller]
    pub fn diff(&self, n: usize, dim: isize, prepend: Option<&Self>, append: Option<&Self>) -> Self {
        if self.rank() == 0 {
            bug!("", "diff expects input to be at least one-dimensional");
        }
        if n == 0 {
            return self.clone();
        }
        let parts: Vec<&Self> = [prepend, Some(self), append].into_iter().flatten().collect();
        let mut x = if parts.len() == 1 { self.clone() } else { Self::cat(&parts, dim) };
        for _ in 0..n {
            let len = x.size(dim);
            if len == 0 {
                break;
            }
            let (after, before) = (x.narrow(dim, 1, len - 1), x.narrow(dim, 0, len - 1));
            x = match x.dtype() {
                DType::Bool => Self::from(after.logical_xor(&before)),
                _ => after - before,
            };
        }
        x
    }

    /// The integral along an axis by the trapezoidal rule, with spacing `dx` or positions `x`.
    #[doc(alias = "trapz")]
    #[track_caller]
    pub fn trapezoid(&self, spacing: Spacing<'_, Self>, dim: isize) -> Self {
        // Nothing to add up is 0 of the dtype, also for integers.
        let none = || self.narrow(dim, 0, 0).sum(dim).to(self.dtype());
        self.trapezoids(spacing, dim).map_or_else(none, |parts| parts.sum(dim))
    }

    /// The running integral along an axis by the trapezoidal rule.
    #[track_caller]
    pub fn cumulative_trapezoid(&self, spacing: Spacing<'_, Self>, dim: isize) -> Self {
        let parts = self.trapezoids(spacing, dim);
        parts.map_or_else(|| self.narrow(dim, 0, 0) * 1.0, |parts| parts.cumsum(dim))
    }

    /// The areas between neighbours; `None` where there are none.
    #[track_caller]
    fn trapezoids(&self, spacing: Spacing<'_, Self>, dim: isize) -> Option<Self> {
        let len = self.size(dim);
        if len == 0 {
            return None;
        }
        let sums = self.narrow(dim, 1, len - 1) + self.narrow(dim, 0, len - 1);
        Some(match spacing {
            Spacing::Dx(dx) => sums * (dx / 2.0),
            Spacing::X(x) => {
                if x.rank() == 1 && x.numel() != len {
                    bug!("", "trapezoid: There must be one `x` value for each sample point");
                }
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
}
