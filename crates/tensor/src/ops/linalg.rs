//! Linear systems, inverses, determinants and Cholesky factors of (batches of) small matrices: plain elimination with partial
//! pivoting (Golub and Van Loan, *Matrix Computations*, 3.4 and 4.2), in `f64`.

use crate::shape::Shape;
use crate::{DType, Tensor, bug};
use wengert_tensor_macros::profiled;

/// A matrix, factored: `P A = L U`, with both factors in one, and the row that each step took.
struct Lu {
    /// The number of columns.
    n: usize,
    factors: Vec<f64>,
    pivots: Vec<usize>,
    /// The sign of the permutation.
    sign: f64,
}

impl Lu {
    /// The factors of a square matrix.
    fn new(a: &[f64], n: usize) -> Lu {
        Lu::rectangular(a, n, n)
    }

    fn rectangular(a: &[f64], rows: usize, n: usize) -> Lu {
        let count = rows.min(n);
        let mut lu = Lu { n, factors: a.to_vec(), pivots: (0..count).collect(), sign: 1.0 };
        let m = &mut lu.factors;
        for k in 0..count {
            // The first of equals, as LAPACK.
            let larger = |best: usize, i: usize| if m[i * n + k].abs() > m[best * n + k].abs() { i } else { best };
            let pivot = (k + 1..rows).fold(k, larger);
            lu.pivots[k] = pivot;
            if pivot != k {
                lu.sign = -lu.sign;
                (0..n).for_each(|j| m.swap(k * n + j, pivot * n + j));
            }
            if m[k * n + k] == 0.0 {
                continue;
            }
            for i in k + 1..rows {
                let factor = m[i * n + k] / m[k * n + k];
                m[i * n + k] = factor;
                for j in k + 1..n {
                    m[i * n + j] -= factor * m[k * n + j];
                }
            }
        }
        lu
    }

    fn diagonal(&self) -> impl Iterator<Item = f64> {
        (0..self.n).map(|k| self.factors[k * self.n + k])
    }

    /// Solves for `columns` right sides, which lie as an `[n, columns]` matrix, in place.
    fn solve(&self, b: &mut [f64], columns: usize) {
        let (n, m) = (self.n, &self.factors);
        for k in 0..n {
            let pivot = self.pivots[k];
            if pivot != k {
                (0..columns).for_each(|c| b.swap(k * columns + c, pivot * columns + c));
            }
        }
        for i in 0..n {
            for k in 0..i {
                let factor = m[i * n + k];
                (0..columns).for_each(|c| b[i * columns + c] -= factor * b[k * columns + c]);
            }
        }
        for i in (0..n).rev() {
            for k in i + 1..n {
                let factor = m[i * n + k];
                (0..columns).for_each(|c| b[i * columns + c] -= factor * b[k * columns + c]);
            }
            (0..columns).for_each(|c| b[i * columns + c] /= m[i * n + i]);
        }
    }
}

/// Which triangle of a matrix [`Tensor::solve_triangular`] looks at, and on which side it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TriangularOptions {
    /// The upper triangle, not the lower one.
    pub upper: bool,
    /// `X A = B`, not `A X = B`.
    pub right: bool,
    /// The diagonal is taken as ones.
    pub unitriangular: bool,
}

/// Panics unless the last two axes are square matrices of floats; their size.
#[track_caller]
pub(super) fn square(op: &str, x: &Tensor) -> usize {
    match x.shape() {
        [.., n, m] if n == m => {}
        [.., n, m] => bug!("", "{op}: A must be batches of square matrices, but they are {n} by {m} matrices"),
        _ => bug!("", "{op}: The input tensor A must have at least 2 dimensions."),
    }
    if !x.dtype().is_float() {
        bug!("", "{op}: Expected a floating point or complex tensor as input. Got {}", x.dtype().legacy_name());
    }
    x.shape()[x.rank() - 1]
}

/// The matrices of a batch in `f64`, row after row.
pub(super) fn elements(x: &Tensor) -> Vec<f64> {
    x.to(DType::F64).to_vec::<f64>()
}

pub(super) fn batch(x: &Tensor) -> &[usize] {
    &x.shape()[..x.rank() - 2]
}

#[profiled]
impl Tensor {
    /// The determinants of (a batch of) square matrices.
    ///
    /// # Panics
    /// If the last two axes are not square, or the dtype is not floating.
    #[track_caller]
    pub fn det(&self) -> Tensor {
        let n = square("linalg.det", self);
        let values: Vec<f64> = if n == 0 {
            vec![1.0; batch(self).iter().product()]
        } else {
            elements(self)
                .chunks_exact(n * n)
                .map(|a| {
                    let lu = Lu::new(a, n);
                    lu.sign * lu.diagonal().product::<f64>()
                })
                .collect()
        };
        Tensor::from_vec(values, batch(self)).to(self.dtype())
    }

    /// The signs of the determinants and the logarithms of their magnitudes.
    ///
    /// # Panics
    /// As [`Tensor::det`].
    #[track_caller]
    pub fn slogdet(&self) -> (Tensor, Tensor) {
        let n = square("linalg.slogdet", self);
        let count: usize = batch(self).iter().product();
        let data = elements(self);
        let (signs, logs): (Vec<f64>, Vec<f64>) = (0..count)
            .map(|i| {
                let lu = Lu::new(&data[i * n * n..][..n * n], n);
                let sign = |x: f64| if x == 0.0 { 0.0 } else { x.signum() };
                (lu.sign * lu.diagonal().map(sign).product::<f64>(), lu.diagonal().map(|x| x.abs().ln()).sum::<f64>())
            })
            .unzip();
        let tensor = |values: Vec<f64>| Tensor::from_vec(values, batch(self)).to(self.dtype());
        (tensor(signs), tensor(logs))
    }

    /// The solutions `X` of `self X = other` for (batches of) square matrices; the batches broadcast. A vector (an operand with
    /// one axis less than `self`, of its batch) is one right side.
    ///
    /// # Panics
    /// If the shapes do not fit, the dtype is not floating, or a matrix is singular.
    #[track_caller]
    pub fn solve(&self, other: &Tensor) -> Tensor {
        let n = square("linalg.solve", self);
        let vector =
            other.rank() == 1 || (other.rank() + 1 == self.rank() && other.shape() == &self.shape()[..other.rank()]);
        let b = if vector { other.unsqueeze(-1) } else { other.clone() };
        if b.rank() < 2 || b.shape()[b.rank() - 2] != n {
            bug!(
                "",
                "linalg.solve: Incompatible shapes of A and B for the equation AX = B ({}x{} and {})",
                n,
                n,
                crate::shape::size_text(other.shape())
            );
        }
        let columns = b.shape()[b.rank() - 1];
        let lead = crate::shape::broadcast("linalg.solve", batch(self), batch(&b));
        let full = |x: &Tensor, rows: usize, columns: usize| {
            let shape: Shape = lead.iter().copied().chain([rows, columns]).collect();
            elements(&x.expand(&shape[..]))
        };
        let (a, mut x) = (full(self, n, n), full(&b, n, columns));
        let count: usize = lead.iter().product();
        for i in 0..count {
            let lu = Lu::new(&a[i * n * n..][..n * n], n);
            if lu.diagonal().any(|x| x == 0.0) {
                bug!("", "linalg.solve: The solver failed because the input matrix is singular.");
            }
            lu.solve(&mut x[i * n * columns..][..n * columns], columns);
        }
        let shape: Shape = lead.iter().copied().chain([n, columns]).collect();
        let x = Tensor::from_vec(x, &shape[..]).to(self.dtype());
        if vector { x.squeeze([-1]) } else { x }
    }

    /// The solutions `X` of `self X = other` (or `X self = other`) for (batches of) triangular matrices; the batches broadcast.
    /// What is not in the triangle is not looked at, and a 0 on the diagonal gives infinities (`torch.linalg.solve_triangular`).
    ///
    /// # Panics
    /// If the shapes do not fit or the dtype is not floating.
    #[track_caller]
    pub fn solve_triangular(&self, other: &Tensor, options: TriangularOptions) -> Tensor {
        let n = square("linalg.solve_triangular", self);
        if options.right {
            let turned = TriangularOptions { upper: !options.upper, right: false, ..options };
            if other.rank() < 2 {
                bug!("", "linalg.solve_triangular: The input tensor B must have at least 2 dimensions.");
            }
            return self
                .transpose(-1, -2)
                .solve_triangular(&other.transpose(-1, -2), turned)
                .transpose(-1, -2)
                .contiguous();
        }
        let &[.., rows, columns] = other.shape() else {
            bug!("", "linalg.solve_triangular: The input tensor B must have at least 2 dimensions.")
        };
        if rows != n {
            bug!(
                "",
                "linalg.solve_triangular: Incompatible shapes of A and B for the equation AX = B ({n}x{n} and {rows}x{columns})"
            );
        }
        let lead = crate::shape::broadcast("linalg.solve_triangular", batch(self), batch(other));
        let full = |x: &Tensor, columns: usize| {
            let shape: Shape = lead.iter().copied().chain([n, columns]).collect();
            elements(&x.expand(&shape[..]))
        };
        let (a, mut x) = (full(self, n), full(other, columns));
        for (a, x) in a.chunks_exact((n * n).max(1)).zip(x.chunks_exact_mut((n * columns).max(1))) {
            for step in 0..n {
                let (i, known) = if options.upper { (n - 1 - step, n - step..n) } else { (step, 0..step) };
                for c in 0..columns {
                    let sum: f64 = known.clone().map(|k| a[i * n + k] * x[k * columns + c]).sum();
                    let rest = x[i * columns + c] - sum;
                    x[i * columns + c] = if options.unitriangular { rest } else { rest / a[i * n + i] };
                }
            }
        }
        let shape: Shape = lead.iter().copied().chain([n, columns]).collect();
        Tensor::from_vec(x, &shape[..]).to(self.dtype())
    }

    /// The factors of (a batch of) matrices by elimination with partial pivoting, both in one: below the diagonal `L`, whose
    /// diagonal is 1, else `U`; and the row, counted from 1 (i32), that each was swapped with (`torch.linalg.lu_factor`).
    ///
    /// # Panics
    /// If there are less than two axes or the dtype is not floating.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// let (factors, pivots) = tensor![[1.0, 2.0], [4.0, 4.0]].lu_factor();
    /// assert_eq!((factors.to_vec::<f32>(), pivots.to_vec::<i32>()), (vec![4.0, 4.0, 0.25, 1.0], vec![2, 2]));
    /// ```
    #[track_caller]
    pub fn lu_factor(&self) -> (Tensor, Tensor) {
        let &[.., m, n] = self.shape() else {
            bug!("", "linalg.lu_factor: The input tensor A must have at least 2 dimensions.")
        };
        if !self.dtype().is_float() {
            let got = self.dtype().legacy_name();
            bug!("", "linalg.lu_factor: Expected a floating point or complex tensor as input. Got {got}");
        }
        let (mut factors, mut pivots) = (Vec::with_capacity(self.numel()), Vec::new());
        let data = elements(self);
        let count: usize = batch(self).iter().product();
        for i in 0..count {
            let lu = Lu::rectangular(&data[i * m * n..][..m * n], m, n);
            factors.extend(lu.factors);
            pivots.extend(lu.pivots.iter().map(|&row| row as i32 + 1));
        }
        let steps: Shape = batch(self).iter().copied().chain([m.min(n)]).collect();
        (Tensor::from_vec(factors, self.shape()).to(self.dtype()), Tensor::from_vec(pivots, steps))
    }

    /// The factors of (a batch of) matrices: a permutation `P`, `L` with ones on its diagonal, and `U`, whose product the matrix
    /// is (`torch.linalg.lu`).
    ///
    /// # Panics
    /// As [`Tensor::lu_factor`].
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// let a = tensor![[1.0, 2.0], [4.0, 4.0], [0.0, 3.0]];
    /// let (p, l, u) = a.lu();
    /// assert_eq!(p.matmul(&l).matmul(&u).to_vec::<f32>(), a.to_vec::<f32>());
    /// ```
    #[track_caller]
    pub fn lu(&self) -> (Tensor, Tensor, Tensor) {
        let (factors, pivots) = self.lu_factor();
        factors.lu_unpack(&pivots)
    }

    /// The inverses of (a batch of) square matrices.
    ///
    /// # Panics
    /// If the last two axes are not square, the dtype is not floating, or a matrix is singular.
    #[doc(alias = "inverse")]
    #[track_caller]
    pub fn inv(&self) -> Tensor {
        let n = square("linalg.inv", self);
        let one = Tensor::eye(n, self.dtype());
        let mut data = Vec::with_capacity(self.numel());
        let unit = elements(&one);
        for a in elements(self).chunks_exact((n * n).max(1)) {
            let lu = Lu::new(a, n);
            if lu.diagonal().any(|x| x == 0.0) {
                bug!(
                    "",
                    "linalg.inv: The diagonal element of a factor is zero, the inversion could not be completed because the input matrix is singular."
                );
            }
            let mut x = unit.clone();
            lu.solve(&mut x, n);
            data.extend(x);
        }
        Tensor::from_vec(data, self.shape()).to(self.dtype())
    }

    /// The lower Cholesky factors `L`, `L Lᵀ = self`, of (a batch of) symmetric positive definite matrices.
    ///
    /// # Panics
    /// If the last two axes are not square, the dtype is not floating, or a matrix is not positive definite.
    #[track_caller]
    pub fn cholesky(&self) -> Tensor {
        let n = square("linalg.cholesky", self);
        let mut data = elements(self);
        for a in data.chunks_exact_mut((n * n).max(1)) {
            for j in 0..n {
                for i in j..n {
                    let dot: f64 = (0..j).map(|k| a[i * n + k] * a[j * n + k]).sum();
                    let rest = a[i * n + j] - dot;
                    if i == j {
                        if rest <= 0.0 || rest.is_nan() {
                            bug!(
                                "",
                                "linalg.cholesky: The factorization could not be completed because the input is not positive-definite \
                                 (the leading minor of order {} is not positive-definite).",
                                j + 1
                            );
                        }
                        a[j * n + j] = rest.sqrt();
                    } else {
                        a[i * n + j] = rest / a[j * n + j];
                    }
                }
                (0..j).for_each(|i| a[i * n + j] = 0.0);
            }
        }
        Tensor::from_vec(data, self.shape()).to(self.dtype())
    }
}

#[doc(hidden)]
impl Tensor {
    /// The permutation matrices of `size` rows that pivots of [`Tensor::lu_factor`] stand for.
    #[track_caller]
    pub fn permutations(&self, size: usize, dtype: DType) -> Tensor {
        let Some((&steps, lead)) = self.shape().split_last() else { bug!("", "pivots must have an axis") };
        let pivots = self.to(DType::I64).to_vec::<i64>();
        let count: usize = lead.iter().product();
        let mut data = vec![0.0f64; count * size * size];
        for i in 0..count {
            let mut rows: Vec<usize> = (0..size).collect();
            for (k, &row) in pivots[i * steps..][..steps].iter().enumerate() {
                if row < 1 || row > size as i64 || k >= size {
                    bug!(
                        "",
                        "pivots passed to lu_unpack must be between 1 and LU.size(-2) inclusive. Did you properly pass the result of lu_factor?"
                    );
                }
                rows.swap(k, row as usize - 1);
            }
            rows.iter().enumerate().for_each(|(k, row)| data[(i * size + row) * size + k] = 1.0);
        }
        let shape: Shape = lead.iter().copied().chain([size, size]).collect();
        Tensor::from_vec(data, shape).to(dtype)
    }
}
