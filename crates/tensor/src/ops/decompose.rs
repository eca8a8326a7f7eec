//! Factors of (batches of) small matrices: QR by reflections, eigenvalues of symmetric matrices and singular values by rotations
//! (Golub and Van Loan, *Matrix Computations*, 5.2, 8.5 and 8.6), in `f64`.

use super::linalg::{batch, elements, square};
use crate::shape::Shape;
use crate::{DType, Tensor, bug};
use wengert_tensor_macros::profiled;

/// How many columns the orthogonal factors of [`Tensor::qr`] and [`Tensor::svd`] have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Factors {
    /// As many as the smaller side of the matrix (`mode='reduced'`, `full_matrices=False`).
    #[default]
    Reduced,
    /// As many as rows: square factors (`mode='complete'`, `full_matrices=True`).
    Complete,
}

/// A most of so many rounds of rotations; small matrices take less than ten.
const ROUNDS: usize = 60;

/// A matrix as its columns.
struct Columns {
    rows: usize,
    data: Vec<f64>,
}

impl Columns {
    /// The columns of a matrix that lies row after row.
    fn new(a: &[f64], rows: usize, columns: usize) -> Columns {
        Columns { rows, data: (0..rows * columns).map(|at| a[at % rows * columns + at / rows]).collect() }
    }

    fn unit(n: usize) -> Columns {
        Columns { rows: n, data: (0..n * n).map(|at| f64::from(u8::from(at % n == at / n))).collect() }
    }

    fn column(&self, j: usize) -> &[f64] {
        &self.data[j * self.rows..][..self.rows]
    }

    fn dot(&self, i: usize, j: usize) -> f64 {
        self.column(i).iter().zip(self.column(j)).map(|(a, b)| a * b).sum()
    }

    /// Columns `p` and `q`, `p` before `q`, turned by an angle with that cosine and sine.
    fn rotate(&mut self, p: usize, q: usize, cosine: f64, sine: f64) {
        let (before, after) = self.data.split_at_mut(q * self.rows);
        let p = &mut before[p * self.rows..][..self.rows];
        for (a, b) in p.iter_mut().zip(&mut after[..self.rows]) {
            (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
        }
    }
}

/// The angle, as cosine and sine, that makes the symmetric `[[p, r], [r, q]]` diagonal.
fn angle(p: f64, q: f64, r: f64) -> (f64, f64) {
    let tau = (q - p) / (2.0 * r);
    let tangent = tau.signum() / (tau.abs() + tau.hypot(1.0));
    let cosine = tangent.hypot(1.0).recip();
    (cosine, tangent * cosine)
}

/// LAPACK's reflections: `a`, row after row, becomes `R`; the result is `Q` with `columns` columns, row after row.
fn householder(a: &mut [f64], m: usize, n: usize, columns: usize) -> Vec<f64> {
    let count = m.min(n);
    let mut vectors: Vec<(Vec<f64>, f64)> = Vec::with_capacity(count);
    for k in 0..count {
        let below = (k + 1..m).map(|i| a[i * n + k]).fold(0.0, f64::hypot);
        let head = a[k * n + k];
        let (mut v, mut tau) = (vec![0.0; m], 0.0);
        v[k] = 1.0;
        if below != 0.0 {
            let beta = -head.hypot(below).copysign(head);
            tau = (beta - head) / beta;
            (k + 1..m).for_each(|i| v[i] = a[i * n + k] / (head - beta));
            for j in k..n {
                let sum: f64 = tau * (k..m).map(|i| v[i] * a[i * n + j]).sum::<f64>();
                (k..m).for_each(|i| a[i * n + j] -= sum * v[i]);
            }
        }
        (k + 1..m).for_each(|i| a[i * n + k] = 0.0);
        vectors.push((v, tau));
    }
    let mut q = vec![0.0; m * columns];
    (0..m.min(columns)).for_each(|i| q[i * columns + i] = 1.0);
    for (k, (v, tau)) in vectors.iter().enumerate().rev() {
        for j in 0..columns {
            let sum: f64 = tau * (k..m).map(|i| v[i] * q[i * columns + j]).sum::<f64>();
            (k..m).for_each(|i| q[i * columns + j] -= sum * v[i]);
        }
    }
    q
}

/// Eigenvalues in ascending order and eigenvectors, as rows, of the symmetric matrix in the lower triangle.
fn symmetric(a: &[f64], n: usize) -> (Vec<f64>, Vec<Vec<f64>>) {
    let mut m: Vec<f64> = (0..n * n).map(|at| a[(at / n).max(at % n) * n + (at / n).min(at % n)]).collect();
    let mut vectors = Columns::unit(n);
    let small = m.iter().copied().fold(0.0, f64::hypot) * f64::EPSILON * 1e-3;
    for _ in 0..ROUNDS {
        let mut turned = false;
        for p in 0..n {
            for q in p + 1..n {
                let r = m[p * n + q];
                if r.abs() <= small {
                    continue;
                }
                turned = true;
                let (cosine, sine) = angle(m[p * n + p], m[q * n + q], r);
                for k in 0..n {
                    let (a, b) = (m[k * n + p], m[k * n + q]);
                    (m[k * n + p], m[k * n + q]) = (cosine * a - sine * b, sine * a + cosine * b);
                }
                for k in 0..n {
                    let (a, b) = (m[p * n + k], m[q * n + k]);
                    (m[p * n + k], m[q * n + k]) = (cosine * a - sine * b, sine * a + cosine * b);
                }
                (m[p * n + q], m[q * n + p]) = (0.0, 0.0);
                vectors.rotate(p, q, cosine, sine);
            }
        }
        if !turned {
            break;
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| m[i * n + i].total_cmp(&m[j * n + j]));
    let values = order.iter().map(|&i| m[i * n + i]).collect();
    (values, order.iter().map(|&i| vectors.column(i).to_vec()).collect())
}

/// Singular values in descending order with left and right vectors, of a matrix with no more columns than rows: one-sided
/// rotations make the columns orthogonal. A value of 0 has a left vector of zeros.
fn singular(a: &[f64], m: usize, n: usize) -> Vec<(f64, Vec<f64>, Vec<f64>)> {
    let (mut left, mut right) = (Columns::new(a, m, n), Columns::unit(n));
    for _ in 0..ROUNDS {
        let mut turned = false;
        for p in 0..n {
            for q in p + 1..n {
                let (pp, qq, pq) = (left.dot(p, p), left.dot(q, q), left.dot(p, q));
                if pq == 0.0 || pq.abs() <= f64::EPSILON * (pp * qq).sqrt() {
                    continue;
                }
                turned = true;
                let (cosine, sine) = angle(pp, qq, pq);
                left.rotate(p, q, cosine, sine);
                right.rotate(p, q, cosine, sine);
            }
        }
        if !turned {
            break;
        }
    }
    let mut found: Vec<(f64, Vec<f64>, Vec<f64>)> = (0..n)
        .map(|j| {
            let norm = left.column(j).iter().copied().fold(0.0, f64::hypot);
            let scale = if norm > 0.0 { norm.recip() } else { 0.0 };
            (norm, left.column(j).iter().map(|x| x * scale).collect(), right.column(j).to_vec())
        })
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found
}

/// `vectors` of length `n` completed to `count` orthonormal ones; those of (almost) no length are replaced.
fn completed(mut vectors: Vec<Vec<f64>>, n: usize, count: usize, sound: usize) -> Vec<Vec<f64>> {
    vectors.truncate(sound);
    let mut axis = 0;
    while vectors.len() < count {
        let mut v = vec![0.0; n];
        v[axis] = 1.0;
        axis += 1;
        // Twice is enough (Parlett).
        for _ in 0..2 {
            for u in &vectors {
                let dot: f64 = u.iter().zip(&v).map(|(a, b)| a * b).sum();
                v.iter_mut().zip(u).for_each(|(v, u)| *v -= dot * u);
            }
        }
        let norm = v.iter().copied().fold(0.0, f64::hypot);
        if norm > 1e-3 / (n as f64).sqrt() {
            v.iter_mut().for_each(|v| *v /= norm);
            vectors.push(v);
        }
    }
    vectors
}

/// Panics unless the last two axes are matrices of floats; their rows and columns.
#[track_caller]
fn matrices(op: &str, x: &Tensor) -> (usize, usize) {
    let &[.., m, n] = x.shape() else { bug!("", "{op}: The input tensor A must have at least 2 dimensions.") };
    if !x.dtype().is_float() {
        bug!("", "{op}: Expected a floating point or complex tensor as input. Got {}", x.dtype().legacy_name());
    }
    (m, n)
}

/// Panics if an element is infinite or no number.
#[track_caller]
fn check_finite(op: &str, data: &[f64]) {
    if data.iter().any(|x| !x.is_finite()) {
        bug!("", "{op}: The algorithm failed to converge because the input matrix contained non-finite values.");
    }
}

/// A tensor with the batch's axes of `x` and those of one matrix or vector.
fn assembled(x: &Tensor, data: Vec<f64>, axes: &[usize]) -> Tensor {
    let shape: Shape = batch(x).iter().chain(axes).copied().collect();
    Tensor::from_vec(data, shape).to(x.dtype())
}

#[profiled]
impl Tensor {
    /// The factors `Q` and `R` of (a batch of) matrices, `self = Q R`: `Q` has orthonormal columns, `R` is an upper triangle with
    /// LAPACK's signs (`torch.linalg.qr`).
    ///
    /// # Panics
    /// If there are less than two axes or the dtype is not floating.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::{Factors, Tensor};
    /// let a = Tensor::from_vec(vec![3.0f64, 1.0, 4.0, 2.0], [2, 2]);
    /// let (q, r) = a.qr(Factors::Reduced);
    /// assert!(q.matmul(&r).allclose(&a, 1e-12, 1e-12));
    /// ```
    #[track_caller]
    pub fn qr(&self, factors: Factors) -> (Tensor, Tensor) {
        let (m, n) = matrices("linalg.qr", self);
        let columns = if factors == Factors::Complete { m } else { m.min(n) };
        let count: usize = batch(self).iter().product();
        let (mut all, mut q, mut r) = (elements(self), vec![], vec![]);
        for i in 0..count {
            let a = &mut all[i * m * n..][..m * n];
            q.extend(householder(a, m, n, columns));
            r.extend_from_slice(&a[..columns * n]);
        }
        (assembled(self, q, &[m, columns]), assembled(self, r, &[columns, n]))
    }

    /// The eigenvalues, in ascending order, and eigenvectors, as columns, of (a batch of) symmetric matrices, of which only the
    /// lower triangle is looked at (`torch.linalg.eigh`). The sign of an eigenvector means nothing.
    ///
    /// # Panics
    /// If the last two axes are not square or the dtype is not floating.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::Tensor;
    /// let (values, vectors) = Tensor::from_vec(vec![2.0f64, 1.0, 1.0, 2.0], [2, 2]).eigh();
    /// assert!(values.allclose(&Tensor::from_vec(vec![1.0f64, 3.0], [2]), 1e-12, 1e-12));
    /// assert!(vectors.mt().matmul(&vectors).allclose(&Tensor::eye(2, vectors.dtype()), 1e-12, 1e-12));
    /// ```
    #[track_caller]
    pub fn eigh(&self) -> (Tensor, Tensor) {
        let n = square("linalg.eigh", self);
        let (mut values, mut vectors) = (Vec::with_capacity(self.numel()), Vec::with_capacity(self.numel()));
        let all = elements(self);
        check_finite("linalg.eigh", &all);
        for a in all.chunks_exact((n * n).max(1)) {
            let (found, rows) = symmetric(a, n);
            values.extend(found);
            vectors.extend((0..n * n).map(|at| rows[at % n][at / n]));
        }
        (assembled(self, values, &[n]), assembled(self, vectors, &[n, n]))
    }

    /// The eigenvalues of symmetric matrices, in ascending order (`torch.linalg.eigvalsh`).
    ///
    /// # Panics
    /// As [`Tensor::eigh`].
    #[track_caller]
    pub fn eigvalsh(&self) -> Tensor {
        self.eigh().0
    }

    /// The singular value decomposition of (a batch of) matrices, `self = U diag(S) Vh`: singular values in descending order, the
    /// columns of `U` and the rows of `Vh` orthonormal (`torch.linalg.svd`, whose default is [`Factors::Complete`]). The sign of
    /// a pair of vectors means nothing.
    ///
    /// # Panics
    /// If there are less than two axes or the dtype is not floating.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::{Factors, Tensor};
    /// let a = Tensor::from_vec(vec![3.0f64, 1.0, 4.0, 2.0, 0.0, 1.0], [3, 2]);
    /// let (u, s, vh) = a.svd(Factors::Reduced);
    /// assert_eq!((u.shape(), s.shape(), vh.shape()), (&[3, 2][..], &[2][..], &[2, 2][..]));
    /// assert!((u * s).matmul(&vh).allclose(&a, 1e-12, 1e-12));
    /// ```
    #[track_caller]
    pub fn svd(&self, factors: Factors) -> (Tensor, Tensor, Tensor) {
        let (m, n) = matrices("linalg.svd", self);
        if m < n {
            let (v, s, uh) = self.transpose(-1, -2).svd(factors);
            return (uh.transpose(-1, -2).contiguous(), s, v.transpose(-1, -2).contiguous());
        }
        let columns = if factors == Factors::Complete { m } else { n };
        let count: usize = batch(self).iter().product();
        let (all, mut u, mut s, mut vh) = (elements(self), vec![], vec![], vec![]);
        check_finite("linalg.svd", &all);
        for i in 0..count {
            let found = singular(&all[i * m * n..][..m * n], m, n);
            // Left vectors of values that are nothing but rounding are noise.
            let largest = found.first().map_or(0.0, |f| f.0);
            let sound = found.iter().take_while(|f| f.0 > largest * f64::EPSILON * m as f64).count();
            let left = completed(found.iter().map(|f| f.1.clone()).collect(), m, columns, sound);
            u.extend((0..m * columns).map(|at| left[at % columns][at / columns]));
            s.extend(found.iter().map(|f| f.0));
            found.iter().for_each(|f| vh.extend_from_slice(&f.2));
        }
        (assembled(self, u, &[m, columns]), assembled(self, s, &[n]), assembled(self, vh, &[n, n]))
    }

    /// The singular values of matrices, in descending order (`torch.linalg.svdvals`).
    ///
    /// # Panics
    /// As [`Tensor::svd`].
    #[track_caller]
    pub fn svdvals(&self) -> Tensor {
        self.svd(Factors::Reduced).1
    }

    /// The pseudo-inverse of matrices: singular values up to `rtol` times the largest, by default the machine epsilon times the
    /// larger side, count as 0 (`torch.linalg.pinv`).
    ///
    /// # Panics
    /// As [`Tensor::svd`].
    #[track_caller]
    pub fn pinv(&self, rtol: impl Into<Option<f64>>) -> Tensor {
        let (m, n) = matrices("linalg.pinv", self);
        if self.numel() == 0 {
            return self.transpose(-1, -2).contiguous();
        }
        let (u, s, vh) = self.svd(Factors::Reduced);
        let rtol = rtol.into().unwrap_or_else(|| self.dtype().eps() * m.max(n) as f64);
        let small = s.le(s.narrow(-1, 0, 1).mul(rtol));
        let inverse = s.reciprocal().masked_fill(&small, 0.0);
        vh.mt().mul(inverse.unsqueeze(-2)).matmul(&u.mt())
    }

    /// How many singular values are above `atol` and above `rtol` times the largest; where neither is given, `rtol` is the machine
    /// epsilon times the larger side (`torch.linalg.matrix_rank`).
    ///
    /// # Panics
    /// As [`Tensor::svd`].
    #[track_caller]
    pub fn matrix_rank(&self, atol: impl Into<Option<f64>>, rtol: impl Into<Option<f64>>) -> Tensor {
        let &[.., m, n] = self.shape() else {
            bug!("", "torch.linalg.matrix_rank: The input tensor input must have at least 2 dimensions.")
        };
        if m.min(n) == 0 {
            return Tensor::zeros(batch(self), DType::I64);
        }
        let atol = atol.into().unwrap_or(0.0);
        let usual = if atol > 0.0 { 0.0 } else { self.dtype().eps() * m.max(n) as f64 };
        let rtol = rtol.into().unwrap_or(usual);
        let values = self.svdvals();
        values.gt(values.narrow(-1, 0, 1).mul(rtol).clamp(atol, None)).sum(-1)
    }
}
