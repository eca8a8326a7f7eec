//! Products with sums and scales, and special matrices.

use crate::ops::matmul::cpp_name;
use crate::shape::{axis, broadcast, size_text};
use crate::{Category, DType, Scalar, Tensor, bug};
use std::borrow::Borrow;
use wengert_tensor_macros::{composed, profiled};

/// Whether an element may be taken again in [`Tensor::combinations`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// It may.
    Yes,
    /// It may not.
    No,
}

#[composed(compose_linalg)]
#[profiled]
impl Tensor {
    /// `beta * self + alpha * mat1·mat2` (`torch.addmm`).
    #[track_caller]
    pub fn addmm_scaled(&self, mat1: &Self, mat2: &Self, beta: impl Into<Scalar>, alpha: impl Into<Scalar>) -> Self {
        if self.dtype() != mat2.dtype() {
            let (a, b) = (self.dtype().legacy_name(), mat2.dtype().legacy_name());
            bug!("", "self and mat2 must have the same dtype, but got {a} and {b}");
        }
        self.accumulated(mat1.mm(mat2), beta.into(), alpha.into())
    }

    /// `beta * self + alpha * batch1·batch2` (`torch.baddbmm`).
    #[track_caller]
    pub fn baddbmm(&self, batch1: &Self, batch2: &Self, beta: impl Into<Scalar>, alpha: impl Into<Scalar>) -> Self {
        let dtype = self.dtype();
        if batch1.dtype() != dtype || batch2.dtype() != dtype {
            let [x, a, b] = [self, batch1, batch2].map(|x| cpp_name(x.dtype()));
            bug!("", "Input dtypes must be the same, got: input {x}, batch1: {a}, batch2: {b}");
        }
        // Halves are rounded once.
        let [x, a, b] = [self, batch1, batch2].map(|x| x.to(dtype.unrounded()));
        x.accumulated(a.bmm(&b), beta.into(), alpha.into()).to(dtype)
    }

    /// `beta * self + alpha * Σ batch1·batch2` over the batch (`torch.addbmm`).
    #[track_caller]
    pub fn addbmm(&self, batch1: &Self, batch2: &Self, beta: impl Into<Scalar>, alpha: impl Into<Scalar>) -> Self {
        if self.dtype() != batch2.dtype() {
            let (a, b) = (self.dtype().legacy_name(), batch2.dtype().legacy_name());
            bug!("", "self and mat2 must have the same dtype, but got {a} and {b}");
        }
        let (beta, alpha) = (beta.into(), alpha.into());
        let half = matches!(batch1.dtype(), DType::F16 | DType::BF16);
        if half && batch1.rank() == 3 && batch2.rank() == 3 && batch1.size(0) == batch2.size(0) {
            // PyTorch adds one product after the other, and rounds after each.
            let single = |x: &Self| x.to(DType::F32);
            return (0..batch1.size(0)).fold(self.clone(), |sum, i| {
                let product = single(&batch1.select(0, i as isize)).mm(&single(&batch2.select(0, i as isize)));
                let beta = if i == 0 { beta } else { Scalar::Int(1) };
                single(&sum).accumulated(product, beta, alpha).to(batch1.dtype())
            });
        }
        self.accumulated(batch1.bmm(batch2).sum(0).to(batch1.dtype()), beta, alpha)
    }

    /// `beta * self + alpha * mat·vec` (`torch.addmv`).
    #[track_caller]
    pub fn addmv(&self, mat: &Self, vec: &Self, beta: impl Into<Scalar>, alpha: impl Into<Scalar>) -> Self {
        let dtype = self.dtype();
        if mat.dtype() != dtype || vec.dtype() != dtype {
            let [x, a, b] = [self, mat, vec].map(|x| x.dtype().legacy_name());
            bug!("", "addmv input tensors must have the same dtype, but got {x}, {a}, and {b}");
        }
        self.accumulated(mat.mv(vec), beta.into(), alpha.into())
    }

    /// `beta * self + alpha * vec1⊗vec2` (`torch.addr`).
    #[track_caller]
    pub fn addr(&self, vec1: &Self, vec2: &Self, beta: impl Into<Scalar>, alpha: impl Into<Scalar>) -> Self {
        self.accumulated(vec1.outer(vec2), beta.into(), alpha.into())
    }

    /// The products along the last axes of both (`torch.inner`).
    #[track_caller]
    pub fn inner(&self, other: &Self) -> Self {
        if self.rank() == 0 || other.rank() == 0 {
            return self * other;
        }
        if self.size(-1) != other.size(-1) {
            bug!(
                "",
                "inner() the last dimension must match on both input tensors but got shapes {} and {}",
                size_text(self.shape()),
                size_text(other.shape())
            );
        }
        self.tensordot_axes(other, &[-1], &[-1])
    }

    /// The products along one axis of both, which broadcast (`torch.linalg.vecdot`).
    #[track_caller]
    pub fn vecdot(&self, other: &Self, dim: isize) -> Self {
        (self * other).sum(dim)
    }

    /// The product of matrices in the order that takes the fewest multiplications (`torch.linalg.multi_dot`); the first and the
    /// last may be vectors.
    ///
    /// # Panics
    /// If there are fewer than two, or the shapes do not fit.
    #[track_caller]
    pub fn multi_dot(matrices: &[impl Borrow<Self>]) -> Self {
        let mut all: Vec<Self> = matrices.iter().map(|m| m.borrow().clone()).collect();
        let count = all.len();
        if count < 2 {
            bug!("", "multi_dot(): expected at least 2 tensors but got {count}");
        }
        let (first, last) = (all[0].rank() == 1, all[count - 1].rank() == 1);
        if first {
            all[0] = all[0].unsqueeze(0);
        }
        if last {
            all[count - 1] = all[count - 1].unsqueeze(1);
        }
        if let Some(at) = all.iter().position(|m| m.rank() != 2) {
            bug!("", "multi_dot(): tensor {at} must be 2D but got {}D", all[at].rank());
        }
        // The cheapest way to multiply matrices i..=j, and where it splits (Cormen et al., 14.2).
        let sizes: Vec<usize> = all.iter().map(|m| m.size(0)).chain([all[count - 1].size(1)]).collect();
        let mut cost = vec![vec![0usize; count]; count];
        let mut split = vec![vec![0usize; count]; count];
        for length in 1..count {
            for i in 0..count - length {
                let j = i + length;
                let way = |k: usize| cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1];
                let best = (i..j).min_by_key(|&k| way(k)).expect("there are at least two");
                (cost[i][j], split[i][j]) = (way(best), best);
            }
        }
        let mut out = Self::chain(&all, &split, 0, count - 1);
        if last {
            out = out.squeeze([-1]);
        }
        if first { out.squeeze([0]) } else { out }
    }

    /// The power of square matrices (`torch.linalg.matrix_power`), by repeated squaring; a negative one is that of the inverse.
    #[track_caller]
    pub fn matrix_power(&self, n: i64) -> Self {
        if self.rank() < 2 || self.size(-1) != self.size(-2) {
            bug!("", "linalg.matrix_power: A must be batches of square matrices, but they are {:?}", self.shape());
        }
        if n < 0 {
            return self.inv().matrix_power(-n);
        }
        if n == 0 {
            let unit = Tensor::eye(self.size(-1), self.dtype()).expand(self.shape()).copy();
            return Self::from(unit) + self * 0.0;
        }
        let (mut square, mut left, mut out) = (self.clone(), n, None::<Self>);
        loop {
            if left & 1 == 1 {
                out = Some(out.map_or(square.clone(), |out| out.matmul(&square)));
            }
            left >>= 1;
            if left == 0 {
                return out.expect("the power is positive");
            }
            square = square.matmul(&square);
        }
    }

    /// The Kronecker product.
    pub fn kron(&self, other: &Self) -> Self {
        let rank = self.rank().max(other.rank());
        let padded = |x: &Self| -> Vec<usize> { [vec![1; rank - x.rank()], x.shape().to_vec()].concat() };
        let (a, b) = (padded(self), padded(other));
        let (left, right): (Vec<usize>, Vec<usize>) =
            ((0..rank).flat_map(|i| [a[i], 1]).collect(), (0..rank).flat_map(|i| [1, b[i]]).collect());
        let shape: Vec<usize> = (0..rank).map(|i| a[i] * b[i]).collect();
        (self.reshape(&left[..]) * other.reshape(&right[..])).reshape(&shape[..])
    }

    /// The cross product of vectors of three elements along an axis; the operands broadcast.
    ///
    /// # Panics
    /// If the axis does not have 3 elements.
    #[track_caller]
    pub fn cross(&self, other: &Self, dim: isize) -> Self {
        if self.rank() != other.rank() {
            bug!("", "linalg.cross: inputs must have the same number of dimensions.");
        }
        let (n, m) = (self.size(dim), other.size(dim));
        if n != 3 || m != 3 {
            bug!("", "linalg.cross: inputs dimension {dim} must have length 3. Got {n} and {m}");
        }
        let shape = broadcast("linalg.cross", self.shape(), other.shape());
        let (a, b) = (self.expand(&shape[..]), other.expand(&shape[..]));
        let turned = |x: &Self, by: isize| x.roll([by], [dim]);
        turned(&a, -1) * turned(&b, -2) - turned(&a, -2) * turned(&b, -1)
    }

    /// Matrices with the last axis on a diagonal; the diagonal lies in axes `dim1` and `dim2` of the result.
    #[track_caller]
    pub fn diag_embed(&self, offset: isize, dim1: isize, dim2: isize) -> Self {
        let rank = self.rank() + 1;
        let (d1, d2) = (axis("diag_embed", dim1, rank), axis("diag_embed", dim2, rank));
        if d1 == d2 {
            bug!("", "diagonal dimensions cannot be identical {dim1}, {dim2}");
        }
        let n = self.size(-1) + offset.unsigned_abs();
        let mut shape: Vec<usize> = self.shape()[..self.rank() - 1].to_vec();
        let (low, high) = (d1.min(d2), d1.max(d2));
        shape.insert(low, n);
        shape.insert(high, n);
        // With the axes exchanged the diagonal is on the other side.
        self.embedded(&shape, move |x| x.diagonal(offset, d1 as isize, d2 as isize))
    }

    /// A matrix with all elements on a diagonal.
    #[track_caller]
    pub fn diagflat(&self, offset: isize) -> Self {
        self.reshape([self.numel()]).diag_embed(offset, 0, 1)
    }

    /// The Vandermonde matrices of vectors: powers 0 to `n - 1` along a new last axis (`torch.linalg.vander`).
    #[track_caller]
    pub fn vander(&self, n: usize) -> Self {
        if self.rank() == 0 {
            return self.reshape([1]).vander(n);
        }
        let ones = Self::from(self.value().ones_like()).unsqueeze(-1);
        if n <= 1 {
            return ones.narrow(-1, 0, n);
        }
        let mut shape = self.shape().to_vec();
        shape.push(n - 1);
        let powers = self.unsqueeze(-1).expand(&shape[..]).cumprod(-1);
        Self::cat(&[ones.to(powers.dtype()), powers], -1)
    }

    /// A matrix with the matrices along its diagonal; vectors are rows, numbers matrices of one element.
    #[track_caller]
    pub fn block_diag(parts: &[impl Borrow<Self>]) -> Self {
        let parts: Vec<Self> = parts
            .iter()
            .map(|p| {
                let p: &Self = p.borrow();
                match p.rank() {
                    0 => p.reshape([1, 1]),
                    1 => p.unsqueeze(0),
                    2 => p.clone(),
                    rank => bug!(
                        "",
                        "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input has {rank} dimensions"
                    ),
                }
            })
            .collect();
        let dtype = parts.iter().map(Self::dtype).reduce(DType::promote).unwrap_or(DType::F32);
        let columns: usize = parts.iter().map(|p| p.size(1)).sum();
        let mut start = 0;
        let rows: Vec<Self> = parts
            .iter()
            .map(|p| {
                let (from, width) = (start, p.size(1));
                start += width;
                p.to(dtype).embedded(&[p.size(0), columns], move |x| x.narrow(1, from as isize, width))
            })
            .collect();
        if rows.is_empty() { Self::from(Tensor::zeros([1, 0], dtype)) } else { Self::cat(&rows, 0) }
    }

    /// All combinations of one element of each vector, as rows.
    #[track_caller]
    pub fn cartesian_prod(parts: &[impl Borrow<Self>]) -> Self {
        let parts: Vec<&Self> = parts.iter().map(Borrow::borrow).collect();
        if let Some(p) = parts.iter().find(|p| p.rank() != 1) {
            bug!("", "meshgrid: Expected 1D tensors, but got a tensor of rank {}", p.rank());
        }
        let sizes: Vec<usize> = parts.iter().map(|p| p.numel()).collect();
        if let [only] = parts[..] {
            return only.clone();
        }
        let columns: Vec<Self> = parts
            .iter()
            .enumerate()
            .map(|(i, p)| {
                let mut shape = vec![1; parts.len()];
                shape[i] = sizes[i];
                p.reshape(&shape[..]).expand(&sizes[..]).reshape([-1isize])
            })
            .collect();
        Self::stack(&columns, 1)
    }

    /// Every way to take `r` elements of a vector, in order, as rows; with `replacement` an element may be taken again.
    #[track_caller]
    pub fn combinations(&self, r: usize, replacement: Replacement) -> Self {
        if self.rank() != 1 {
            bug!("", "Expect a 1D vector, but got shape {}", size_text(self.shape()));
        }
        let n = self.numel();
        let mut rows: Vec<Vec<i64>> = vec![vec![]];
        for _ in 0..r {
            rows = rows
                .into_iter()
                .flat_map(|row| {
                    let start = match (row.last(), replacement) {
                        (None, _) => 0,
                        (Some(&last), Replacement::Yes) => last as usize,
                        (Some(&last), Replacement::No) => last as usize + 1,
                    };
                    (start..n).map(move |i| [row.clone(), vec![i as i64]].concat())
                })
                .collect();
        }
        let count = rows.len();
        let index = Tensor::from_vec(rows.concat(), [count * r]);
        if r == 0 { self.narrow(0, 0, 0) } else { self.index_select(0, &index).reshape([count, r]) }
    }

    /// The logarithms of the determinants of square matrices; NaN where they are negative (`torch.logdet`).
    #[track_caller]
    pub fn logdet(&self) -> Self {
        let (sign, log) = self.slogdet();
        log.masked_fill(&sign.lt(0.0), f64::NAN)
    }

    /// `beta * self + alpha * product`; where `beta` is 0, `self` is ignored, NaN and all.
    #[track_caller]
    fn accumulated(&self, product: Self, beta: Scalar, alpha: Scalar) -> Self {
        // Of integers and booleans the factors are too, as in PyTorch.
        let whole = |factor: Scalar| match product.dtype().category() {
            Category::Float => factor,
            Category::Int => Scalar::Int(factor.to_i64()),
            Category::Bool => Scalar::Bool(factor.to_f64() != 0.0),
        };
        let (beta, alpha) = (whole(beta), whole(alpha));
        // Only the first operand broadcasts.
        let x = self.expand(product.shape());
        let product = if alpha.to_f64() == 1.0 { product } else { product * alpha };
        match beta.to_f64() {
            0.0 => product,
            1.0 => x + product,
            _ => x * beta + product,
        }
    }

    /// Matrices `i..=j` multiplied as the table says.
    #[track_caller]
    fn chain(all: &[Self], split: &[Vec<usize>], i: usize, j: usize) -> Self {
        if i == j {
            return all[i].clone();
        }
        let k = split[i][j];
        Self::chain(all, split, i, k).mm(&Self::chain(all, split, k + 1, j))
    }
}
