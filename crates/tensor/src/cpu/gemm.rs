//! Matrix products of strided matrices, alone and in batches.
//!
//! The plan is BLIS's: blocks of the right factor are packed into strips of a tile's width that stay in the second
//! cache, rows of the left one are read where they lie (or packed too, if they lie badly), and register tiles run over both.
//!
//! Each element of a result is a chain of fused multiply-adds over [`KC`] steps at a time, and the chains are added in
//! order. No cut of rows or columns changes that, so results do not depend on the number of threads, although the cuts do.

use super::floor::{Lowest, raise};
use super::par;
use super::simd::{Real, fma, multiversion};
use super::thin::{self, NARROW, SHORT};
use super::tile::{Finish, Grid, Size, Start, Tiled};
use crate::Element;
use crate::storage::Storage;

/// Steps of the inner axis per block at most: 6 rows of them take 6 KB, an eighth of the first cache.
pub(super) const KC: usize = 256;
/// Columns per block: with [`KC`] steps 512 KB of f32, half of the second cache or less.
const NC: usize = 512;

/// Numbers of the left factor that some rows of tiles read again for each strip of the right one.
const IN_CACHE: usize = 2048;

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

    /// Columns `start..start + count`.
    pub(crate) fn cols(self, start: usize, count: usize) -> Mat<'a, T> {
        self.t().rows(start, count).t()
    }

    /// The slice from element `(i, j)` on.
    #[inline(always)]
    fn from(&self, i: usize, j: usize) -> &'a [T] {
        &self.data[self.index(i, j)..]
    }

    /// Whether a product reads it where it lies, if it is the left factor: rows one after another, or steps, unless these are
    /// so far apart that most fall into few sets of the caches.
    fn in_place(&self) -> bool {
        const FAR: usize = 2048;
        let near = self.cs >= 0 && self.cs as usize * size_of::<T>() <= FAR;
        self.rs >= 0 && (self.cs == 1 || self.rs == 1 && near)
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

    fn cols(self, start: usize, count: usize) -> Self {
        match self {
            Init::From(mat) => Init::From(mat.cols(start, count)),
            other => other,
        }
    }

    fn t(self) -> Self {
        match self {
            Init::From(mat) => Init::From(mat.t()),
            other => other,
        }
    }
}

/// An element type that has a matrix product.
pub(crate) trait Gemm: Lowest {
    /// `c = init + a·b`, raised to `floor` where it is less, on the calling thread; row `i` of `c` is at `c + i·ldc`. If `vector` is set, one of the
    /// outer sizes is 1 and the product is one of a matrix and a vector, which has its own order of summation.
    ///
    /// # Safety
    /// Each row of `c` has `b.cols` numbers that may be written and that nothing else reads or writes meanwhile.
    unsafe fn gemm_at(
        a: Mat<'_, Self>,
        b: Mat<'_, Self>,
        init: Init<'_, Self>,
        floor: Self,
        c: *mut Self,
        ldc: usize,
        way: Way,
    );

    /// The product of two elements; integers wrap.
    fn times(self, other: Self) -> Self;
}

/// Writes the initial value of the output.
///
/// # Safety
/// As [`Gemm::gemm_at`].
unsafe fn begin<T: Element>(init: Init<'_, T>, (m, n): (usize, usize), c: *mut T, ldc: usize) {
    // Rows one after another are one.
    let (m, n) = if matches!(init, Init::Zero) && ldc == n { (1, m * n) } else { (m, n) };
    for i in 0..m {
        // SAFETY: the caller's promise is about exactly these rows.
        let row = unsafe { std::slice::from_raw_parts_mut(c.add(i * ldc), n) };
        match init {
            Init::Zero => row.fill(T::ZERO),
            Init::Keep => {}
            Init::From(mat) if mat.cs == 0 => row.fill(mat.get(i, 0)),
            Init::From(mat) => row.iter_mut().enumerate().for_each(|(j, o)| *o = mat.get(i, j)),
        }
    }
}

macro_rules! real {
    ($($ty:ty),*) => { $(
        impl Gemm for $ty {
            #[inline(always)]
            fn times(self, other: Self) -> Self { self * other }

            unsafe fn gemm_at(a: Mat<'_, Self>, b: Mat<'_, Self>, init: Init<'_, Self>, floor: Self, c: *mut Self, ldc: usize, way: Way) {
                // SAFETY: the promise is passed on.
                unsafe {
                    match way {
                        Way::Dots => dots(a, b, init, floor, c, ldc),
                        Way::Vector { narrow } if a.rows == 1 => row_times_matrix(a, b, init, floor, c, narrow),
                        Way::Vector { narrow } if ldc == 1 => row_times_matrix(b.t(), a.t(), init.t(), floor, c, narrow),
                        _ => blocks(a, b, init, floor, c, ldc),
                    }
                }
            }
        }
    )* };
}
real!(f32, f64);

macro_rules! integer {
    ($($ty:ty),*) => { $(
        impl Gemm for $ty {
            #[inline(always)]
            fn times(self, other: Self) -> Self { self.wrapping_mul(other) }

            /// Wraps on overflow, as PyTorch's integer products do.
            unsafe fn gemm_at(a: Mat<'_, Self>, b: Mat<'_, Self>, init: Init<'_, Self>, floor: Self, c: *mut Self, ldc: usize, _: Way) {
                let (m, k, n) = (a.rows, a.cols, b.cols);
                // SAFETY: the promise is passed on.
                unsafe { begin(init, (m, n), c, ldc) };
                for i in 0..m {
                    // SAFETY: the promise is about exactly these rows.
                    let row = unsafe { std::slice::from_raw_parts_mut(c.add(i * ldc), n) };
                    for p in 0..k {
                        let x = a.get(i, p);
                        for (j, o) in row.iter_mut().enumerate() {
                            *o = o.wrapping_add(x.wrapping_mul(b.get(p, j)));
                        }
                    }
                    row.iter_mut().for_each(|o| *o = floor.max(*o));
                }
            }
        }
    )* };
}
integer!(i64, i32, i16, i8, u8);

/// How a product is computed; by its sizes and strides as a whole, before it is cut.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    /// Few rows times a matrix whose columns lie side by side, or the transpose of that: sums along both operands.
    Dots,
    /// One row or one column otherwise, and whether the sums of all others stay in registers.
    Vector { narrow: bool },
    /// Packed blocks.
    Blocks,
}

impl Way {
    fn of<T: Copy>(a: &Mat<'_, T>, b: &Mat<'_, T>) -> Way {
        let (m, k, n) = (a.rows, a.cols, b.cols);
        let vector = m == 1 || n == 1;
        // A sum of less is hardly worth its end.
        let least = if vector { SHORT + 1 } else { 128 };
        let (along, few) = (k >= least && a.cs == 1 && b.rs == 1, m.min(n) <= FEW);
        match vector {
            _ if along && few && a.rs >= 0 && b.cs >= 0 => Way::Dots,
            true => Way::Vector { narrow: m.max(n) <= NARROW },
            false => Way::Blocks,
        }
    }
}

/// Rows for which packing the other factor does not pay.
const FEW: usize = 12;

/// The product as sums along rows of `a` and columns of `b`, both of which lie side by side.
///
/// # Safety
/// As [`Gemm::gemm_at`].
unsafe fn dots<T: Tiled>(a: Mat<'_, T>, b: Mat<'_, T>, init: Init<'_, T>, floor: T, c: *mut T, ldc: usize) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    if m == 0 || n == 0 {
        return;
    }
    let kernels = T::kernels();
    // SAFETY: the promise is passed on.
    unsafe { begin(init, (m, n), c, ldc) };
    // The tile is wider than high.
    let (a, b, m, n, rs, cs) = if n < m { (b.t(), a.t(), n, m, 1, ldc) } else { (a, b, m, n, ldc, 1) };
    let (width, high) = (kernels.dot_width + 1, kernels.dot_rows());
    for j in (0..n).step_by(width) {
        let wide = width.min(n - j);
        for i in (0..m).step_by(high) {
            let count = high.min(m - i);
            let mut sums = [T::ZERO; 32];
            let (x, d) = ((b.from(0, j), wide, b.cs as usize), (a.from(i, 0), count, a.rs as usize));
            kernels.dots_of_rows(x, d, k, &mut sums);
            for (r, sums) in sums.chunks_exact(width).take(count).enumerate() {
                for (t, &sum) in sums[..wide].iter().enumerate() {
                    // SAFETY: row i + r and column j + t are among the promised; `begin` gave the element a value.
                    let out = unsafe { &mut *c.add((i + r) * rs + (j + t) * cs) };
                    *out += sum;
                    if *out < floor {
                        *out = floor;
                    }
                }
            }
        }
    }
}

/// The product by packed blocks and register tiles.
///
/// # Safety
/// As [`Gemm::gemm_at`].
unsafe fn blocks<T: Tiled>(a: Mat<'_, T>, b: Mat<'_, T>, init: Init<'_, T>, floor: T, c: *mut T, ldc: usize) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    let kernels = T::kernels();
    let (mr, nr) = kernels.product_size();
    let whole = match init {
        Init::From(mat) => !(matches!(mat.cs, 0 | 1) && mat.rs >= 0),
        _ => k == 0,
    };
    if whole || k == 0 {
        // SAFETY: the promise is passed on.
        unsafe { begin(init, (m, n), c, ldc) };
    }
    if k == 0 {
        for i in 0..m {
            // SAFETY: the promise is about exactly these rows, to which `begin` gave values.
            raise(floor, unsafe { std::slice::from_raw_parts_mut(c.add(i * ldc), n) });
        }
    }
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    let init = if whole { Init::Keep } else { init };
    let (steps, high, wide) = (even(k, KC, 1), even(m, mr, 2), even(n, nr, kernels.lanes));
    // Few rows of the left factor do not pay for packing those of the right one, if they lie well. Where they are not many,
    // each strip is used up while it is in the first cache, unless all of them are small.
    let (in_place, direct) = (a.in_place(), b.cs == 1 && b.rs >= 0 && m <= 32);
    let by_strips = in_place && m <= 128 && steps * n > 4 * IN_CACHE;
    let block = if by_strips { wide } else { n.min(NC / wide * wide).next_multiple_of(kernels.lanes) };
    // Whole vectors of all rows are there to be read where they lie, unless the last one ends its slice.
    let strips = if direct && kernels.read(n) == n { 0 } else { steps * block };
    let mut memory = Storage::stale(T::DTYPE, strips + if in_place { 0 } else { steps * high });
    let (packed_b, packed_a) = memory.as_mut_slice::<T>().split_at_mut(strips);
    for jc in (0..n).step_by(block) {
        let nc = block.min(n - jc);
        for pc in (0..k).step_by(steps) {
            let kc = steps.min(k - pc);
            let floor = if pc + kc == k { floor } else { T::NEG_INFINITY };
            let lies = direct && b.index(pc + kc - 1, jc) + nc.next_multiple_of(kernels.lanes) <= b.data.len();
            if !lies {
                pack_strips(
                    b.rows(pc, kc).cols(jc, nc),
                    wide,
                    &mut packed_b[..kc * nc.next_multiple_of(kernels.lanes)],
                );
            }
            // As many rows of tiles at a time as leave room for the right factor in the first cache; packed ones one by one.
            let some = match in_place {
                true if nc <= wide => m,
                true => (IN_CACHE / (kc * high)).max(1) * high,
                false => high,
            };
            let mut i = 0;
            while i < m {
                // The last rows are fewer than a tile has.
                let rows = if m - i < high { m - i } else { some.min((m - i) / high * high) };
                let tall = rows.min(high);
                let left = if in_place {
                    (a.from(i, pc), a.rs as usize, a.cs as usize)
                } else {
                    pack_columns(a.t(), pc..pc + kc, i, rows, &mut packed_a[..rows * kc]);
                    (&packed_a[..rows * kc], 1, rows)
                };
                // Whole tiles side by side, and what is left.
                let whole = nc / wide * wide;
                for (j, cols, across) in [(0, wide, nc / wide), (whole, nc - whole, 1)] {
                    if cols == 0 || across == 0 {
                        continue;
                    }
                    let at = jc + j;
                    let start = match init {
                        _ if pc > 0 => Start::Keep,
                        Init::Zero => Start::Zero,
                        Init::Keep => Start::Keep,
                        Init::From(mat) if mat.cs == 0 => Start::Splat(mat.from(i, at), mat.rs as usize),
                        Init::From(mat) => Start::Rows(mat.from(i, at), mat.rs as usize),
                    };
                    let (right, apart) = match lies {
                        true => ((b.from(pc, at), b.rs as usize), wide),
                        false => ((&packed_b[j * kc..], kernels.read(cols)), wide * kc),
                    };
                    let size = Size { m: tall, n: cols, step: ldc };
                    let grid = Grid { down: rows / tall, across, apart };
                    // SAFETY: rows i.. and columns at.. of c, as many as the grid has, are among the promised.
                    unsafe {
                        let ends = Finish { start, floor };
                        kernels.product_at(left, right, kc, (c.add(i * ldc + at), size), grid, ends);
                    }
                }
                i += rows;
            }
        }
    }
}

/// The size of pieces of at most `most` that divide `len` as evenly as can be in multiples of `unit`.
fn even(len: usize, most: usize, unit: usize) -> usize {
    len.div_ceil(len.div_ceil(most)).next_multiple_of(unit)
}

/// Copies a matrix in strips of `width` columns, one after another: in each, rows lie one after another, padded to whole
/// vectors.
fn pack_strips<T: Tiled>(mat: Mat<'_, T>, width: usize, out: &mut [T]) {
    let (steps, whole) = (mat.rows, if mat.cs == 1 && mat.rs >= 0 { mat.cols / width } else { 0 });
    let (strips, rest) = out.split_at_mut(whole * width * steps);
    if whole > 0 {
        let (from, stride) = (mat.from(0, 0), mat.rs as usize);
        match T::kernels().lanes {
            16 => pack_rows([(); 16], from, stride, width, steps, strips),
            8 => pack_rows([(); 8], from, stride, width, steps, strips),
            _ => pack_rows([(); 4], from, stride, width, steps, strips),
        }
    }
    for (j, strip) in (whole * width..mat.cols).step_by(width).zip(rest.chunks_mut(width * steps)) {
        pack_columns(mat, 0..steps, j, strip.len() / steps, strip);
    }
}

multiversion! {
    /// `out[(s·steps + p)·width + j] = from[p·stride + s·width + j]` for `j < width`, a multiple of `L`: row by row, since
    /// memory is read fastest as it lies.
    fn pack_rows[T: Element, const L: usize](
        _vector: [(); L], from: &[T], stride: usize, width: usize, steps: usize, out: &mut [T],
    ) {
        let (vectors, apart) = (width / L, steps * width);
        for p in 0..steps {
            let row = from[p * stride..].as_chunks::<L>().0;
            let mut at = p * width;
            let mut first = 0;
            while at < out.len() {
                let to = out[at..][..width].as_chunks_mut::<L>().0;
                for (to, from) in to.iter_mut().zip(&row[first..][..vectors]) {
                    *to = *from;
                }
                (at, first) = (at + apart, first + vectors);
            }
        }
    }
}

/// Copies columns `j..j + width` of the steps `steps` of a matrix side by side, `out[p·width + i] = mat[steps.start + p, j + i]`,
/// zeros where the matrix has ended.
pub(super) fn pack_columns<T: Tiled>(
    mat: Mat<'_, T>,
    steps: std::ops::Range<usize>,
    j: usize,
    width: usize,
    out: &mut [T],
) {
    let count = width.min(mat.cols - j);
    if count < width {
        out.fill(T::ZERO);
    }
    if mat.cs == 1 {
        // A fixed number at a time: what is too much, the next step overwrites.
        const SOME: usize = 8;
        for (p, at) in steps.zip((0..).step_by(width)) {
            let (from, out) = (mat.from(p, j), &mut out[at..]);
            match (from.first_chunk::<SOME>(), out.first_chunk_mut::<SOME>()) {
                (Some(from), Some(out)) if count <= SOME && count == width => *out = *from,
                _ => out[..count].copy_from_slice(&from[..count]),
            }
        }
    } else if mat.rs == 1 && mat.cs >= 0 && !steps.is_empty() && count > 0 {
        T::transpose(mat.from(steps.start, j), mat.cs as usize, (count, steps.len()), width, out);
    } else {
        for (p, out) in steps.zip(out.chunks_exact_mut(width)) {
            out[..count].iter_mut().enumerate().for_each(|(i, o)| *o = mat.get(p, j + i));
        }
    }
}

/// `c = init + a·b` for `a` of one row.
///
/// # Safety
/// `c` points to `b.cols` numbers as in [`Gemm::gemm_at`].
unsafe fn row_times_matrix<T: Tiled>(
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    init: Init<'_, T>,
    floor: T,
    c: *mut T,
    narrow: bool,
) {
    let (k, n) = (a.cols, b.cols);
    // SAFETY: the promise is passed on, and is about this slice, initialised by `begin` or by who gave it.
    let out = unsafe {
        begin(init, (1, n), c, n);
        std::slice::from_raw_parts_mut(c, n)
    };
    let dense: Vec<T>;
    let row = if a.cs == 1 && k > 0 {
        &a.from(0, 0)[..k]
    } else {
        dense = (0..k).map(|p| a.get(0, p)).collect();
        &dense
    };
    if k == 0 || n == 0 {
        // Nothing to add.
    } else if narrow && b.cs == 1 && b.rs >= 0 {
        thin::vector_times_rows(row, b.from(0, 0), b.rs as usize, out);
    } else if b.rs == 1 && b.cs >= 0 && k <= SHORT {
        thin::rows_times_vector(b.from(0, 0), b.cs as usize, row, out);
    } else if b.cs == 1 {
        // Eight rows at a time: one pass over the output serves them all.
        let mut p = 0;
        while p + 8 <= k {
            let rows: [&[T]; 8] = std::array::from_fn(|i| &b.from(p + i, 0)[..n]);
            let factors: [T; 8] = std::array::from_fn(|i| row[p + i]);
            add_scaled(out, &factors, &rows);
            p += 8;
        }
        for (&factor, p) in row[p..].iter().zip(p..) {
            add_scaled(out, &[factor], &[&b.from(p, 0)[..n]]);
        }
    } else {
        for (j, o) in out.iter_mut().enumerate() {
            *o += row.iter().enumerate().fold(T::ZERO, |sum, (p, &x)| sum + x * b.get(p, j));
        }
    }
    raise(floor, out);
}

multiversion! {
    /// `out[j] += Σ_i factors[i]·rows[i][j]`; the rows have the length of `out`.
    fn add_scaled[T: Real, const N: usize](out: &mut [T], factors: &[T; N], rows: &[&[T]; N]) {
        let rows: [&[T]; N] = std::array::from_fn(|i| &rows[i][..out.len()]);
        for j in 0..out.len() {
            let mut sum = out[j];
            for i in 0..N {
                sum = fma::<FMA, T>(factors[i], rows[i][j], sum);
            }
            out[j] = sum;
        }
    }
}

/// An output that tasks write parts of.
#[derive(Clone, Copy)]
struct Shared<T>(*mut T);
// SAFETY: who uses the pointer in several threads sees to it that they write different elements.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn pointer(self) -> *mut T {
        self.0
    }
}

/// `c[i] = init(i) + a(i)·b(i)`, raised to `floor` where it is less, for a batch of products of one size, in parallel; `c`
/// holds them one after another.
pub(crate) fn batched<'a, T: Gemm>(
    (m, n, k): (usize, usize, usize),
    operands: impl Fn(usize) -> (Mat<'a, T>, Mat<'a, T>, Init<'a, T>) + Sync,
    floor: T,
    c: &mut [T],
) {
    if m == 0 || n == 0 || c.is_empty() {
        return;
    }
    let batch = c.len() / (m * n);
    assert_eq!(c.len(), batch * m * n, "whole products");
    let work = (m * n).saturating_mul(k.max(1));
    // Short sums and narrow rows take longer than their multiply-adds do.
    let long = work.saturating_add(work / k.max(1) * 8);
    let (rows, cols) = cut(batch, (m, n), long, || operands(0).0.in_place());
    let (down, across) = (m.div_ceil(rows), n.div_ceil(cols));
    let c = Shared(c.as_mut_ptr());
    let piece = |index: usize| {
        let (which, i, j) = (index / (down * across), index / across % down * rows, index % across * cols);
        let (a, b, init) = operands(which);
        assert!(a.rows == m && a.cols == k && b.rows == k && b.cols == n, "sizes of a product");
        let (high, wide) = (rows.min(m - i), cols.min(n - j));
        // SAFETY: product `which` is c[which·m·n..][..m·n], and this piece is its rows i.. and columns j.., inside it.
        // Pieces are different parts, so no other task touches these.
        unsafe {
            let at = c.pointer().add(which * m * n + i * n + j);
            let way = Way::of(&a, &b);
            T::gemm_at(a.rows(i, high), b.cols(j, wide), init.rows(i, high).cols(j, wide), floor, at, n, way);
        }
    };
    let pieces = batch * down * across;
    par::each(pieces, (long / (per_element(m, n) * down * across)).max(1), piece);
}

/// Multiply-adds that take as long as an element of `par`'s cheap memory-bound work: products with few rows or columns are
/// bound by memory too.
fn per_element(m: usize, n: usize) -> usize {
    m.min(n).min(8)
}

/// The rows and columns per piece of a product, given how many there are: one or two pieces per thread, if they are
/// worth it. Each piece packs all of the right factor that it needs, and of the left one unless that is read in place: then
/// pieces of columns pack nothing twice.
fn cut(batch: usize, (m, n): (usize, usize), work: usize, in_place: impl Fn() -> bool) -> (usize, usize) {
    // Multiply-adds per piece: some 4 µs.
    let worth = if m.min(n) == 1 { 50_000 } else { 200_000 };
    let threads = if work < 2 * worth { 1 } else { par::num_threads() };
    let in_place = threads == 1 || in_place();
    // Two each even out, where they are long.
    let each = if in_place && work >= 32 * worth * threads { 2 } else { 1 };
    let pieces = (each * threads).div_ceil(batch).min(work / worth);
    if threads == 1 || pieces < 2 {
        return (m, n);
    }
    if n >= 64 * pieces && (n >= m || in_place) || m < 12 * pieces {
        (m, n.div_ceil(pieces).next_multiple_of(16))
    } else {
        (m.div_ceil(pieces).next_multiple_of(12), n)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Small whole numbers, so that sums are exact in any order.
    fn numbers(seed: usize, len: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 7 + seed * 5) % 11) as f32 - 5.0).collect()
    }

    #[test]
    fn every_path_gives_the_product() {
        let big = if cfg!(miri) { 9 } else { 300 };
        let small = [(1, 5, 9), (6, 1, 17), (3, 4, 2), (20, 5, 3), (big, 50, 4), (9, 50, big), (2, big, 3), (4, 3, 0)];
        // Strips one by one or together, packed or not, several blocks of steps, several pieces.
        let large = [(40, 70, 300), (140, 81, 20), (257, 600, 129), (40, 900, 70)];
        for (m, n, k) in small.into_iter().chain(large.into_iter().filter(|_| !cfg!(miri))) {
            let (a, b, bias) = (numbers(1, m * k), numbers(2, k * n), numbers(3, m * n));
            let (at, bt): (Vec<f32>, Vec<f32>) = (
                (0..m * k).map(|i| a[i % m * k + i / m]).collect(),
                (0..k * n).map(|i| b[i % k * n + i / k]).collect(),
            );
            let product = |i: usize| (0..k).map(|p| a[i / n * k + p] * b[p * n + i % n]).sum::<f32>();
            let old = numbers(4, m * n);
            type Addend<'a> = (Init<'a, f32>, &'a dyn Fn(usize) -> f32);
            let added: [Addend<'_>; 5] = [
                (Init::Zero, &|_| 0.0),
                (Init::Keep, &|i| old[i]),
                (Init::From(Mat::dense(&bias, m, n)), &|i| bias[i]),
                (Init::From(Mat::new(&bias, 0, (m, n), (0, 1))), &|i| bias[i % n]),
                (Init::From(Mat::new(&bias, 0, (m, n), (1, 0))), &|i| bias[i / n]),
            ];
            for left in [Mat::dense(&a, m, k), Mat::dense(&at, k, m).t()] {
                for right in [Mat::dense(&b, k, n), Mat::dense(&bt, n, k).t()] {
                    for (init, first) in &added {
                        for floor in [f32::NEG_INFINITY, 0.0] {
                            let mut c = old.clone();
                            batched((m, n, k), |_| (left, right, *init), floor, &mut c);
                            let expected: Vec<f32> = (0..m * n).map(|i| floor.max(first(i) + product(i))).collect();
                            assert_eq!(c, expected, "{m}x{n}x{k}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "reaches outside")]
    fn a_matrix_outside_its_memory_is_refused() {
        Mat::new(&[0.0f32; 6], 1, (2, 3), (3, 1));
    }
}
