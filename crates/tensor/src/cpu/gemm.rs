//! Matrix products of strided matrices, alone and in batches.
//!
//! The plan is BLIS's: blocks of the right factor are packed into strips of a tile's width that stay in the second
//! cache, rows of the left one are read where they lie (or packed too, if they lie badly), and register tiles run over both.
//!
//! Each element of a result is a chain of fused multiply-adds over [`KC`] steps at a time, and the chains are added in
//! order. No cut of rows or columns changes that, so results do not depend on the number of threads, although the cuts do.

use super::floor::{Lowest, raise};
pub(crate) use super::mat::{Init, Mat};
use super::par;
use super::simd::multiversion;
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
                        Way::Vector { narrow } if a.rows == 1 => vector(a, b, init, floor, c, narrow),
                        Way::Vector { narrow } if ldc == 1 => vector(b.t(), a.t(), init.t(), floor, c, narrow),
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

/// The product of one row and a matrix.
///
/// # Safety
/// `c` points to `b.cols` numbers as in [`Gemm::gemm_at`].
unsafe fn vector<T: Tiled>(a: Mat<'_, T>, b: Mat<'_, T>, init: Init<'_, T>, floor: T, c: *mut T, narrow: bool) {
    // SAFETY: the promise is passed on, and is about this slice, initialised by `begin` or by who gave it.
    let out = unsafe {
        begin(init, (1, b.cols), c, b.cols);
        std::slice::from_raw_parts_mut(c, b.cols)
    };
    thin::add_row_times_matrix(a, b, out, narrow);
    raise(floor, out);
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
    // Still several strips are packed at a time: one alone meets a cache line of each row, and rows are far apart.
    let most = if by_strips { NC / 4 } else { NC };
    let block = n.min(most / wide * wide).next_multiple_of(kernels.lanes);
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
            let (data, stride) = if lies {
                (b.from(pc, jc), Some(b.rs as usize))
            } else {
                let packed = &mut packed_b[..kc * nc.next_multiple_of(kernels.lanes)];
                pack_strips(b.rows(pc, kc).cols(jc, nc), wide, packed);
                (&*packed, None)
            };
            let right = Right { data, stride, wide, steps: pc..pc + kc, first: jc };
            // All rows meet one strip after another, or else some rows all strips, and then the next.
            for columns in pieces(nc, if by_strips { wide } else { nc }) {
                // SAFETY: columns jc.. of c are among the promised.
                unsafe { right.times(a, columns, high, init, floor, packed_a, c, ldc) };
            }
        }
    }
}

/// A block of a right factor.
struct Right<'a, T> {
    /// Strips of `wide` columns one after another, or the factor's rows where they lie, `stride` apart.
    data: &'a [T],
    /// None for strips.
    stride: Option<usize>,
    wide: usize,
    /// Rows of the factor.
    steps: std::ops::Range<usize>,
    /// The first column of the factor.
    first: usize,
}

impl<T: Tiled> Right<'_, T> {
    /// All rows of `a` times some columns of the block, which start with a strip, by tiles of `high` rows. The left factor is
    /// packed to `packed` if it does not lie well.
    ///
    /// # Safety
    /// As [`Gemm::gemm_at`], for these columns.
    unsafe fn times(
        &self,
        a: Mat<'_, T>,
        columns: std::ops::Range<usize>,
        high: usize,
        init: Init<'_, T>,
        floor: T,
        packed: &mut [T],
        c: *mut T,
        ldc: usize,
    ) {
        let (kernels, m, wide) = (T::kernels(), a.rows, self.wide);
        let (pc, kc, in_place) = (self.steps.start, self.steps.len(), a.in_place());
        // As many rows of tiles at a time as leave room for the right factor in the first cache; packed ones one by one.
        let some = match in_place {
            true if columns.len() <= wide => m,
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
                pack_columns(a.t(), self.steps.clone(), i, rows, &mut packed[..rows * kc]);
                (&packed[..rows * kc], 1, rows)
            };
            // Whole tiles side by side, and what is left.
            let whole = columns.len() / wide * wide;
            let rest = columns.len() - whole;
            for (j, cols, across) in [(columns.start, wide, whole / wide), (columns.start + whole, rest, 1)] {
                if cols == 0 || across == 0 {
                    continue;
                }
                let at = self.first + j;
                let start = match init {
                    _ if pc > 0 => Start::Keep,
                    Init::Zero => Start::Zero,
                    Init::Keep => Start::Keep,
                    Init::From(mat) if mat.cs == 0 => Start::Splat(mat.from(i, at), mat.rs as usize),
                    Init::From(mat) => Start::Rows(mat.from(i, at), mat.rs as usize),
                };
                let (right, apart) = match self.stride {
                    None => ((&self.data[j * kc..], kernels.read(cols)), wide * kc),
                    Some(stride) => ((&self.data[j..], stride), wide),
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

/// Pieces of `0..len`, `size` each but for the last.
fn pieces(len: usize, size: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..len).step_by(size).map(move |start| start..len.min(start + size))
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

/// The rows and columns per piece of a product, given how many there are: one or two pieces per thread, if they are worth it,
/// as evenly as whole tiles can be. Each piece packs all of the right factor that it needs, and of the left one unless that is
/// read in place: then pieces of columns pack nothing twice.
fn cut(batch: usize, (m, n): (usize, usize), work: usize, in_place: impl Fn() -> bool) -> (usize, usize) {
    // Multiply-adds per piece: some 4 µs.
    let worth = if m.min(n) == 1 { 50_000 } else { 200_000 };
    let threads = if work < 2 * worth { 1 } else { par::num_threads() };
    if threads == 1 {
        return (m, n);
    }
    let in_place = in_place();
    let pieces_of = |each: usize| (each * threads).div_ceil(batch).min(work / worth);
    let choice = |pieces: usize| match pieces {
        0 | 1 => (m, n),
        _ if n >= 64 * pieces && (n >= m || in_place) || m < 12 * pieces => {
            (m, n.div_ceil(pieces).next_multiple_of(16))
        }
        _ => (m.div_ceil(pieces).next_multiple_of(12), n),
    };
    // What a thread does in the end.
    let load = |&(rows, cols): &(usize, usize)| {
        (batch * m.div_ceil(rows) * n.div_ceil(cols)).div_ceil(threads) * rows.min(m) * cols.min(n)
    };
    // Two each even out, where they are long.
    let two = (in_place && work >= 32 * worth * threads).then(|| choice(pieces_of(2)));
    two.into_iter().chain([choice(pieces_of(1))]).min_by_key(load).expect("one at least")
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
}
