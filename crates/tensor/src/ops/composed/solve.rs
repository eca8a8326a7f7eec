//! Least squares, conditions, the matrix exponential, and systems with a Cholesky factor.

use super::norms::MatrixNorm;
use crate::{DType, Tensor, TriangularOptions, bug};
use wengert_tensor_macros::{composed, profiled};

/// A half of a square matrix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Triangle {
    /// Below the diagonal, with it.
    #[default]
    Lower,
    /// Above the diagonal, with it.
    Upper,
}

/// What [`Tensor::lu_solve`] solves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LuSolveOptions {
    /// `X A = B`, not `A X = B` (`left=False`).
    pub right: bool,
    /// The transpose of `A` takes its place.
    pub adjoint: bool,
}

// Not shared: their gradient is PyTorch's formula, not that of the systems they solve.
#[profiled]
impl Tensor {
    /// The solutions `X` of `A·X = self`, given the Cholesky factor of `A`: the lower one, or the upper one
    /// (`torch.cholesky_solve`).
    ///
    /// # Panics
    /// As [`Tensor::solve_triangular`].
    #[track_caller]
    pub fn cholesky_solve(&self, factor: &Tensor, triangle: Triangle) -> Tensor {
        let upper = TriangularOptions { upper: true, ..Default::default() };
        let lower = TriangularOptions::default();
        match triangle {
            Triangle::Lower => factor.mt().solve_triangular(&factor.solve_triangular(self, lower), upper),
            Triangle::Upper => factor.solve_triangular(&factor.mt().solve_triangular(self, lower), upper),
        }
    }

    /// The inverse of a matrix given its Cholesky factor (`torch.cholesky_inverse`).
    ///
    /// # Panics
    /// As [`Tensor::solve_triangular`].
    #[track_caller]
    pub fn cholesky_inverse(&self, triangle: Triangle) -> Tensor {
        let unit = Tensor::eye(self.size(-1), self.dtype()).expand(self.shape());
        unit.cholesky_solve(self, triangle)
    }
}

#[composed(compose_solve)]
#[profiled]
impl Tensor {
    /// The solutions `X` of least norm that make `|self·X - other|` least (the first result of `torch.linalg.lstsq`).
    ///
    /// # Panics
    /// If the rows are not as many, or as [`Tensor::svd`].
    #[track_caller]
    pub fn lstsq(&self, other: &Self) -> Self {
        if self.rank() < 2 {
            bug!("", "torch.linalg.lstsq: input must have at least 2 dimensions.");
        }
        let vector = other.rank() + 1 == self.rank();
        let b = if vector { other.unsqueeze(-1) } else { other.clone() };
        if b.rank() < 2 || b.size(-2) != self.size(-2) {
            let what = if vector { "other.size(-1)" } else { "other.size(-2)" };
            bug!("", "torch.linalg.lstsq: input.size(-2) should match {what}");
        }
        let x = self.pinv(None).matmul(&b);
        if vector { x.squeeze([-1]) } else { x }
    }

    /// The condition of matrices in a norm, by default the spectral one: how much it multiplies relative errors
    /// (`torch.linalg.cond`).
    ///
    /// # Panics
    /// If a matrix is not square and the norm is not spectral.
    #[track_caller]
    pub fn cond(&self, norm: impl Into<Option<MatrixNorm>>) -> Self {
        match norm.into().unwrap_or(MatrixNorm::Two) {
            kind @ (MatrixNorm::Two | MatrixNorm::NegTwo) => {
                let s = self.svdvals();
                let (largest, least) = (s.select(-1, 0), s.select(-1, -1));
                if kind == MatrixNorm::Two { largest / least } else { least / largest }
            }
            kind => {
                if self.rank() < 2 || self.size(-1) != self.size(-2) {
                    bug!("", "linalg.cond: A must be batches of square matrices, but they are {:?}", self.shape());
                }
                self.matrix_norm(kind, [-2, -1]) * self.inv().matrix_norm(kind, [-2, -1])
            }
        }
    }

    /// The permutation `P`, and the factors `L` and `U`, that stand in one matrix as [`Tensor::lu_factor`] gives it with its pivots
    /// (`torch.lu_unpack`).
    ///
    /// # Panics
    /// If a pivot is out of range.
    #[track_caller]
    pub fn lu_unpack(&self, pivots: &Tensor) -> (Tensor, Self, Self) {
        let [.., m, n] = *self.shape() else {
            bug!("", "torch.lu_unpack: Expected tensor with 2 or more dimensions. Got size: {:?} instead", self.shape())
        };
        let k = m.min(n);
        let unit = Tensor::eye(m, self.dtype()).narrow(1, 0, k);
        let lower = self.narrow(-1, 0, k).tril(-1) + unit;
        (pivots.permutations(m, self.dtype()), lower, self.narrow(-2, 0, k).triu(0))
    }

    /// The solutions `X` of `A X = other`, where `self` and `pivots` are what [`Tensor::lu_factor`] made of `A`
    /// (`torch.linalg.lu_solve`); the batches broadcast.
    ///
    /// # Panics
    /// If the factors are not square or the sizes do not fit.
    #[track_caller]
    pub fn lu_solve(&self, pivots: &Tensor, other: &Self, options: LuSolveOptions) -> Self {
        let [.., m, n] = *self.shape() else {
            bug!(
                "",
                "torch.linalg.lu_solve: Expected tensor with 2 or more dimensions. Got size: {:?} instead",
                self.shape()
            )
        };
        if m != n {
            bug!("", "torch.linalg.lu_solve: A must be batches of square matrices, but they are {m} by {n} matrices");
        }
        if options.right {
            let turned = LuSolveOptions { right: false, adjoint: !options.adjoint };
            return self.lu_solve(pivots, &other.mt(), turned).mt();
        }
        let permutation = Self::from(pivots.permutations(n, self.dtype()));
        let lower = TriangularOptions { unitriangular: true, ..Default::default() };
        let upper = TriangularOptions { upper: true, ..Default::default() };
        if options.adjoint {
            // Of transposed factors, the lower one is the upper one.
            let turned = self.mt();
            let half = turned.solve_triangular(other, TriangularOptions { upper: false, ..upper });
            return permutation.matmul(&turned.solve_triangular(&half, TriangularOptions { upper: true, ..lower }));
        }
        self.solve_triangular(&self.solve_triangular(&permutation.mt().matmul(other), lower), upper)
    }

    /// The exponential of square matrices, `Σ self^k / k!` (`torch.linalg.matrix_exp`).
    ///
    /// # Panics
    /// If the last two axes are not square or the dtype is not floating.
    #[track_caller]
    pub fn matrix_exp(&self) -> Self {
        match self.shape() {
            [.., n, m] if n == m => {}
            [.., n, m] => {
                bug!("", "linalg.matrix_exp: A must be batches of square matrices, but they are {n} by {m} matrices")
            }
            _ => bug!("", "linalg.matrix_exp: The input tensor A must have at least 2 dimensions."),
        }
        if !self.dtype().is_float() {
            let got = self.dtype().legacy_name();
            bug!("", "linalg.matrix_exp: Expected a floating point or complex tensor as input. Got {got}");
        }
        if self.numel() == 0 {
            return self.copy();
        }
        // Halved until small, where 18 terms are exact in f64, then squared as often (Higham, Functions of Matrices, 10.3).
        let sizes = self.value().to(DType::F64).abs().sum(-1);
        // An infinity or NaN spoils its own matrix only.
        let size = sizes.masked_fill(&sizes.isfinite().logical_not(), 0.0).max().item::<f64>();
        let halvings = size.log2().ceil().clamp(0.0, 1023.0) as i32;
        let x = self.to(DType::F64) * 0.5f64.powi(halvings);
        let unit = Self::from(Tensor::eye(self.size(-1), DType::F64));
        let series = (1..=18).rev().fold(&unit + &x * 0.0, |sum, k| &unit + x.matmul(&sum) / f64::from(k));
        (0..halvings).fold(series, |power, _| power.matmul(&power)).to(self.dtype())
    }

    /// The inverse with respect to a product over axes: what `tensordot` over `ind` axes undoes (`torch.linalg.tensorinv`).
    ///
    /// # Panics
    /// If `ind` is 0, or the first `ind` axes have not as many elements as the others.
    #[track_caller]
    pub fn tensorinv(&self, ind: usize) -> Self {
        if ind == 0 {
            bug!("", "Expected a strictly positive integer for 'ind'");
        }
        let (rows, columns) = self.shape().split_at(ind.min(self.rank()));
        let (n, m): (usize, usize) = (rows.iter().product(), columns.iter().product());
        if n != m {
            bug!(
                "",
                "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got {m} != {n}"
            );
        }
        let shape = [columns, rows].concat();
        self.reshape([n, m]).inv().reshape(&shape[..])
    }

    /// The solution `X` of `tensordot(self, X, rank of X) = other`, with the axes `dims` of `self` moved to the end before
    /// (`torch.linalg.tensorsolve`).
    ///
    /// # Panics
    /// If the sizes do not make a square system.
    #[track_caller]
    pub fn tensorsolve(&self, other: &Self, dims: &[isize]) -> Self {
        let ends: Vec<isize> = (0..dims.len() as isize).map(|i| i - dims.len() as isize).collect();
        let a = if dims.is_empty() { self.clone() } else { self.movedim(dims, &ends[..]) };
        let shape = a.shape()[other.rank().min(a.rank())..].to_vec();
        let (n, m) = (other.numel(), shape.iter().product::<usize>());
        if n != m || a.numel() != n * m {
            bug!(
                "",
                "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), but got \
                 {m} != {n}"
            );
        }
        a.reshape([n, m]).solve(&other.reshape([n])).reshape(&shape[..])
    }
}
