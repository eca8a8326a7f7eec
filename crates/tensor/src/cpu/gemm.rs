//! Matrix products of strided matrices, alone and in batches.
//!
//! Work is cut into row panels whose boundaries depend on the sizes only, and every element of a result is summed in
//! one order, so results do not depend on the number of threads.

use super::par;
use crate::Element;
use rayon::prelude::*;

/// A matrix inside a slice: element `(i, j)` is `data[at + i·rs + j·cs]`.
///
/// Invariant, checked by [`Mat::new`] and kept by the views: every element is inside `data`.
#[derive(Clone, Copy)]
pub(crate) struct Mat<'a, T> {
    data: &'a [T],
    at: usize,
    rows: usize,
    cols: usize,
    rs: isize,
    cs: isize,
}

impl<'a, T: Copy> Mat<'a, T> {
    /// A matrix of `rows × cols` elements with the given strides, starting at `data[at]`.
    ///
    /// # Panics
    /// If an element would lie outside `data`.
    pub(crate) fn new(data: &'a [T], at: usize, (rows, cols): (usize, usize), (rs, cs): (isize, isize)) -> Mat<'a, T> {
        if rows > 0 && cols > 0 {
            let span = |n: usize, s: isize| (n as i128 - 1) * s as i128;
            let (r, c) = (span(rows, rs), span(cols, cs));
            let low = at as i128 + r.min(0) + c.min(0);
            let high = at as i128 + r.max(0) + c.max(0);
            assert!(low >= 0 && high < data.len() as i128, "a matrix reaches outside its memory");
        }
        Mat { data, at, rows, cols, rs, cs }
    }

    /// A matrix in C order that starts at `data[0]`.
    pub(crate) fn dense(data: &'a [T], rows: usize, cols: usize) -> Mat<'a, T> {
        Mat::new(data, 0, (rows, cols), (cols as isize, 1))
    }

    /// The transpose.
    pub(crate) fn t(self) -> Mat<'a, T> {
        Mat { rows: self.cols, cols: self.rows, rs: self.cs, cs: self.rs, ..self }
    }

    /// Rows `start..start + count`.
    pub(crate) fn rows(self, start: usize, count: usize) -> Mat<'a, T> {
        assert!(start + count <= self.rows, "rows outside the matrix");
        let at = if count > 0 && self.cols > 0 { self.index(start, 0) } else { self.at };
        Mat { at, rows: count, ..self }
    }

    #[inline(always)]
    fn index(&self, i: usize, j: usize) -> usize {
        (self.at as isize + i as isize * self.rs + j as isize * self.cs) as usize
    }

    /// Element `(i, j)`.
    #[inline(always)]
    pub(crate) fn get(&self, i: usize, j: usize) -> T {
        self.data[self.index(i, j)]
    }
}

/// What a product is added to.
#[derive(Clone, Copy)]
pub(crate) enum Init<'a, T> {
    /// Nothing: what the output held before is overwritten.
    Zero,
    /// What the output holds.
    Keep,
    /// A matrix of the output's size, often with stride 0: a bias.
    From(Mat<'a, T>),
}

impl<T: Copy> Init<'_, T> {
    fn rows(self, start: usize, count: usize) -> Self {
        match self {
            Init::From(mat) => Init::From(mat.rows(start, count)),
            other => other,
        }
    }
}

/// An element type that has a matrix product.
pub(crate) trait Gemm: Element {
    /// `c = init + a·b` on the calling thread, where row `i` of `c` is `c[i * ldc..][..b.cols]`.
    fn gemm(a: Mat<'_, Self>, b: Mat<'_, Self>, init: Init<'_, Self>, c: &mut [Self], ldc: usize);
    /// The product of two elements; integers wrap.
    fn times(self, other: Self) -> Self;
}

/// Writes the initial value of the output.
fn start<T: Element>(init: Init<'_, T>, (m, n): (usize, usize), c: &mut [T], ldc: usize) {
    for i in 0..m {
        let row = &mut c[i * ldc..][..n];
        match init {
            Init::Zero => row.fill(T::ZERO),
            Init::Keep => {}
            Init::From(mat) if mat.cs == 0 => row.fill(mat.get(i, 0)),
            Init::From(mat) => row.iter_mut().enumerate().for_each(|(j, o)| *o = mat.get(i, j)),
        }
    }
}

macro_rules! real {
    ($($ty:ty, $kernel:path);*) => { $(
        impl Gemm for $ty {
            #[inline(always)]
            fn times(self, other: Self) -> Self { self * other }

            fn gemm(a: Mat<'_, Self>, b: Mat<'_, Self>, init: Init<'_, Self>, c: &mut [Self], ldc: usize) {
                let (m, k, n) = (a.rows, a.cols, b.cols);
                assert!(b.rows == k && ldc >= n, "sizes of a product");
                if m == 0 || n == 0 {
                    return;
                }
                assert!((m - 1) * ldc + n <= c.len(), "the output of a product is too small");
                let beta = if matches!(init, Init::Zero) { 0.0 } else { 1.0 };
                if k == 0 || !matches!(init, Init::Zero | Init::Keep) {
                    start(init, (m, n), c, ldc);
                }
                if k == 0 {
                    return;
                }
                // SAFETY: `Mat`'s invariant puts every element of a (m × k) and b (k × n), neither empty, inside its
                // slice, and the assertions above put row i of c, i < m, at c[i * ldc..][..n]; rows do not overlap since
                // ldc >= n. c is borrowed exclusively, so it overlaps neither a nor b.
                unsafe {
                    $kernel(
                        m, k, n, 1.0,
                        a.data.as_ptr().add(a.at), a.rs, a.cs,
                        b.data.as_ptr().add(b.at), b.rs, b.cs,
                        beta, c.as_mut_ptr(), ldc as isize, 1,
                    )
                }
            }
        }
    )* };
}
real!(f32, matrixmultiply::sgemm; f64, matrixmultiply::dgemm);

macro_rules! integer {
    ($($ty:ty),*) => { $(
        impl Gemm for $ty {
            #[inline(always)]
            fn times(self, other: Self) -> Self { self.wrapping_mul(other) }

            /// Wraps on overflow, as PyTorch's integer products do.
            fn gemm(a: Mat<'_, Self>, b: Mat<'_, Self>, init: Init<'_, Self>, c: &mut [Self], ldc: usize) {
                let (m, k, n) = (a.rows, a.cols, b.cols);
                assert!(b.rows == k && ldc >= n, "sizes of a product");
                start(init, (m, n), c, ldc);
                for i in 0..m {
                    let row = &mut c[i * ldc..][..n];
                    for p in 0..k {
                        let x = a.get(i, p);
                        for (j, o) in row.iter_mut().enumerate() {
                            *o = o.wrapping_add(x.wrapping_mul(b.get(p, j)));
                        }
                    }
                }
            }
        }
    )* };
}
integer!(i64, i32, i16, i8, u8);

/// Rows per panel of an `m × n` product over `k`, a function of the sizes alone: enough work to be worth a thread.
fn panel(m: usize, n: usize, k: usize) -> usize {
    const WORK: usize = 1 << 20;
    let row = n.saturating_mul(k).max(1);
    // A multiple of 8 rows keeps the register tiles whole.
    WORK.div_ceil(row).next_multiple_of(8).min(m).max(1)
}

/// `c[i] = init(i) + a(i)·b(i)` for a batch of products of one size, in parallel; `c` holds them one after another.
pub(crate) fn batched<'a, T: Gemm>(
    (m, n, k): (usize, usize, usize),
    operands: impl Fn(usize) -> (Mat<'a, T>, Mat<'a, T>, Init<'a, T>) + Sync,
    c: &mut [T],
) {
    if m == 0 || n == 0 {
        return;
    }
    debug_assert_eq!(c.len() % (m * n), 0);
    let rows = panel(m, n, k);
    let pieces = m.div_ceil(rows);
    let work = |index: usize, c: &mut [T]| {
        let (a, b, init) = operands(index / pieces);
        let start = index % pieces * rows;
        let count = rows.min(m - start);
        T::gemm(a.rows(start, count), b, init.rows(start, count), c, n);
    };
    if !par::worth(c.len().saturating_mul(k) / 8) {
        c.chunks_mut(m * n).flat_map(|one| one.chunks_mut(rows * n)).enumerate().for_each(|(i, piece)| work(i, piece));
    } else if pieces == 1 {
        // Small products: some of them per task.
        let group = (1 << 18) / (m * n * k).max(1) + 1;
        c.par_chunks_mut(group * m * n).enumerate().for_each(|(g, chunk)| {
            chunk.chunks_mut(m * n).enumerate().for_each(|(i, piece)| work(g * group + i, piece));
        });
    } else {
        let all: Vec<(usize, &mut [T])> =
            c.chunks_mut(m * n).flat_map(|one| one.chunks_mut(rows * n)).enumerate().collect();
        all.into_par_iter().for_each(|(i, piece)| work(i, piece));
    }
}

/// `out[i·b.len() + j] = a[i]·b[j]`.
pub(crate) fn outer<T: Gemm>(a: &[T], b: &[T], out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    par::chunks(out, b.len(), 1, |start, piece| {
        for (row, &x) in piece.chunks_exact_mut(b.len()).zip(&a[start / b.len()..]) {
            row.iter_mut().zip(b).for_each(|(o, &y)| *o = x.times(y));
        }
    });
}
