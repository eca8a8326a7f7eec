//! Reductions: folds along rows and down columns of dense memory, in an order that depends on sizes only.
//!
//! Long sums are added in blocks whose results are joined pairwise, so the rounding error grows with the logarithm of
//! the length, and so threads may take blocks without changing a bit of the result.

use super::copy::Cast;
use super::math::{Int, Math};
use super::par;
use super::simd::{fma, multiversion};
use super::sums::RowSums;
use crate::{Element, Tensor, bf16, f16, match_dtype};
use std::any::TypeId;
use std::marker::PhantomData;

/// What reductions compute in: `f32`, `f64` and `i64`.
pub(crate) trait Number: Element + RowSums {
    /// Not above any number.
    const LOWEST: Self;
    /// Not below any number.
    const HIGHEST: Self;
    /// Lanes of the vectors, of 32 bytes, in which PyTorch adds up, on wider machines too.
    const VECTOR: usize = 32 / size_of::<Self>();
    fn plus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    fn larger_of(self, other: Self) -> Self;
    fn smaller_of(self, other: Self) -> Self;
    /// Converts the elements of a contiguous tensor of any dtype, from `start` on.
    fn load(x: &Tensor, start: usize, out: &mut [Self]);
    /// [`rows_body`], for the instruction set that there is.
    fn rows<F: Fold<Self>>(x: &[Self], len: usize, params: &[Self], out: &mut [Self]) {
        rows_as(PhantomData::<F>, x, len, params, out);
    }
    /// [`columns_body`], for the instruction set that there is.
    fn columns<F: Fold<Self>>(x: &[Self], stride: usize, rows: usize, params: &[Self], out: &mut [Self]) {
        columns_as(PhantomData::<F>, x, stride, rows, params, out);
    }
}
macro_rules! number {
    (float $($ty:ty),*) => { $(
        impl Number for $ty {
            const LOWEST: Self = <$ty>::NEG_INFINITY;
            const HIGHEST: Self = <$ty>::INFINITY;
            #[inline(always)]
            fn plus(self, other: Self) -> Self { self + other }
            #[inline(always)]
            fn times(self, other: Self) -> Self { self * other }
            #[inline(always)]
            fn larger_of(self, other: Self) -> Self { self.larger(other) }
            #[inline(always)]
            fn smaller_of(self, other: Self) -> Self { self.smaller(other) }
            fn load(x: &Tensor, start: usize, out: &mut [Self]) { load(x, start, out); }
        }
    )* };
}
number!(float f32, f64);
impl Number for i64 {
    const LOWEST: Self = i64::MIN;
    const HIGHEST: Self = i64::MAX;
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Int::add(self, other)
    }
    #[inline(always)]
    fn times(self, other: Self) -> Self {
        Int::mul(self, other)
    }
    #[inline(always)]
    fn larger_of(self, other: Self) -> Self {
        self.max(other)
    }
    #[inline(always)]
    fn smaller_of(self, other: Self) -> Self {
        self.min(other)
    }
    fn load(x: &Tensor, start: usize, out: &mut [Self]) {
        load(x, start, out);
    }
    // Folds of integers are seldom what a program waits for: one version of each does.
    fn rows<F: Fold<Self>>(x: &[Self], len: usize, params: &[Self], out: &mut [Self]) {
        rows_body::<Self, F, false>(x, len, params, out);
    }
    fn columns<F: Fold<Self>>(x: &[Self], stride: usize, rows: usize, params: &[Self], out: &mut [Self]) {
        columns_body::<Self, F, false>(x, stride, rows, params, out);
    }
}

/// Converts elements `start..` of a contiguous tensor.
fn load<T>(x: &Tensor, start: usize, out: &mut [T])
where
    f64: Cast<T>,
    f32: Cast<T>,
    f16: Cast<T>,
    bf16: Cast<T>,
    i64: Cast<T>,
    i32: Cast<T>,
    i16: Cast<T>,
    i8: Cast<T>,
    u8: Cast<T>,
    bool: Cast<T>,
{
    let first = x.layout().offset() + start;
    match_dtype!(x.dtype(), S => S::cast_all(&x.data::<S>()[first..][..out.len()], out));
}

/// An associative function with a neutral element, and what is done to elements before.
pub(crate) trait Fold<T: Number>: 'static {
    /// The neutral element.
    const INIT: T;
    /// Whether `pre` uses its parameter, one number per result (such as a mean).
    const PARAM: bool = false;
    /// The work per element, in additions.
    const COST: usize = 1;
    /// The fold of partial results: the same without `pre`.
    type Join: Fold<T>;
    /// Applied to each element.
    #[inline(always)]
    fn pre<const FMA: bool>(x: T, _: T) -> T {
        x
    }
    /// Joins two values.
    fn join(a: T, b: T) -> T;
    /// Joins an element to a value: `join(total, pre(x, param))`.
    #[inline(always)]
    fn step<const FMA: bool>(total: T, x: T, param: T) -> T {
        Self::join(total, Self::pre::<FMA>(x, param))
    }
}

/// One row: name, neutral element, `join`.
macro_rules! folds {
    ($($(#[$doc:meta])* $Fold:ident $init:expr, |$a:ident, $b:ident| $join:expr;)*) => { $(
        $(#[$doc])*
        pub(crate) struct $Fold;
        impl<T: Number> Fold<T> for $Fold {
            const INIT: T = $init;
            type Join = $Fold;
            #[inline(always)]
            fn join($a: T, $b: T) -> T { $join }
        }
    )* };
}
folds! {
    /// Sum.
    Sum T::ZERO, |a, b| a.plus(b);
    /// Product.
    Product T::ONE, |a, b| a.times(b);
    /// Largest; NaN if one is.
    Largest T::LOWEST, |a, b| a.larger_of(b);
    /// Smallest; NaN if one is.
    Smallest T::HIGHEST, |a, b| a.smaller_of(b);
}

/// Sum of squares.
pub(crate) struct Squares;
impl<T: Number + Math> Fold<T> for Squares {
    const INIT: T = T::ZERO;
    type Join = Sum;
    #[inline(always)]
    fn join(a: T, b: T) -> T {
        a + b
    }
    #[inline(always)]
    fn step<const FMA: bool>(total: T, x: T, _: T) -> T {
        fma::<FMA, T>(x, x, total)
    }
}

/// Sum of squared differences from the parameter.
pub(crate) struct Deviations;
impl<T: Number + Math> Fold<T> for Deviations {
    const INIT: T = T::ZERO;
    const PARAM: bool = true;
    const COST: usize = 2;
    type Join = Sum;
    #[inline(always)]
    fn join(a: T, b: T) -> T {
        a + b
    }
    #[inline(always)]
    fn step<const FMA: bool>(total: T, x: T, mean: T) -> T {
        let d = x - mean;
        fma::<FMA, T>(d, d, total)
    }
}

/// Sum of `e^(x - parameter)`.
pub(crate) struct Exponentials;
impl<T: Number + Math> Fold<T> for Exponentials {
    const INIT: T = T::ZERO;
    const PARAM: bool = true;
    const COST: usize = 8;
    type Join = Sum;
    #[inline(always)]
    fn pre<const FMA: bool>(x: T, largest: T) -> T {
        (x - largest).exp::<FMA>()
    }
    #[inline(always)]
    fn join(a: T, b: T) -> T {
        a + b
    }
}

/// Accumulators side by side in a row: four vectors of the narrowest type that is folded.
const LANES: usize = 32;
/// Elements of a row that one kernel call folds.
const BLOCK: usize = 4096;
/// Columns that are folded together: their totals stay in the first-level cache.
const TILE: usize = 512;
/// Up to so many columns, rows are folded side by side.
const NARROW: usize = 64;
/// Rows that are folded into one set of totals.
const ROWS: usize = 128;

/// A fold as a value: its kernels and what the loops around them must know, so that these are compiled once per element type.
#[derive(Clone, Copy)]
pub(crate) struct Folder<T> {
    init: T,
    param: bool,
    cost: usize,
    join: fn(T, T) -> T,
    /// [`fold_rows`].
    rows: fn(&[T], usize, &[T], &mut [T]),
    /// [`columns_body`].
    columns: fn(&[T], usize, usize, &[T], &mut [T]),
    /// The fold of partial results.
    partial: fn() -> Folder<T>,
}

impl<T> Folder<T> {
    pub(crate) fn partial(&self) -> Folder<T> {
        (self.partial)()
    }

    /// The parameters of some results, if there are any.
    fn params<'a>(&self, params: &'a [T], start: usize, len: usize) -> &'a [T] {
        if self.param { &params[start..][..len] } else { params }
    }
}

/// The fold `F` as a value.
pub(crate) fn folder<T: Number, F: Fold<T>>() -> Folder<T> {
    Folder {
        init: F::INIT,
        param: F::PARAM,
        cost: F::COST,
        join: F::join,
        rows: fold_rows::<T, F>,
        columns: T::columns::<F>,
        partial: folder::<T, F::Join>,
    }
}

/// `out[i]` = fold of row `i`, by [`RowSums`] where it can.
fn fold_rows<T: Number, F: Fold<T>>(x: &[T], len: usize, params: &[T], out: &mut [T]) {
    if TypeId::of::<F>() != TypeId::of::<Sum>() || !T::sum_rows(x, len, out) {
        T::rows::<F>(x, len, params, out);
    }
}

multiversion! {
    /// [`rows_body`] for each instruction set.
    fn rows_as[T: Number, F: Fold<T>](_op: PhantomData<F>, x: &[T], len: usize, params: &[T], out: &mut [T]) {
        rows_body::<T, F, FMA>(x, len, params, out);
    }
}

/// `out[i]` = fold of row `i`; rows of `len` elements lie one after the other, `len` at most [`BLOCK`].
///
/// The order is that of PyTorch's cascade sum, so that sums have its last bits: four vectors of
/// [`Number::VECTOR`] lanes side by side, folded into a second set of totals every sixteen steps; then the vectors
/// that are left, into the first; then the four into one, the elements that are left, and lane by lane.
#[inline(always)]
fn rows_body<T: Number, F: Fold<T>, const FMA: bool>(x: &[T], len: usize, params: &[T], out: &mut [T]) {
    let vector = T::VECTOR;
    let step = 4 * vector;
    for (i, (o, row)) in out.iter_mut().zip(x.chunks_exact(len)).enumerate() {
        let param = if F::PARAM { params[i] } else { T::ZERO };
        if len < vector {
            *o = fold_short::<T, F>(row, |total, x| F::step::<FMA>(total, x, param));
            continue;
        }
        let mut low = [F::INIT; LANES];
        let mut high = [F::INIT; LANES];
        let (low, high) = (&mut low[..step], &mut high[..step]);
        let (whole, rest) = row.split_at(len / step * step);
        // A loop of its own, without a condition inside, keeps the totals in registers.
        for steps in whole.chunks(16 * step) {
            for chunk in steps.chunks_exact(step) {
                for (total, &x) in low.iter_mut().zip(chunk) {
                    *total = F::step::<FMA>(*total, x, param);
                }
            }
            if steps.len() == 16 * step {
                for (high, low) in high.iter_mut().zip(low.iter_mut()) {
                    *high = F::join(*high, *low);
                    *low = F::INIT;
                }
            }
        }
        for (low, high) in low.iter_mut().zip(high.iter()) {
            *low = F::join(*low, *high);
        }
        let mut vectors = rest.chunks_exact(vector);
        for chunk in &mut vectors {
            for (total, &x) in low.iter_mut().zip(chunk) {
                *total = F::step::<FMA>(*total, x, param);
            }
        }
        for k in 1..4 {
            for j in 0..vector {
                low[j] = F::join(low[j], low[k * vector + j]);
            }
        }
        let mut total = F::INIT;
        for &x in vectors.remainder() {
            total = F::step::<FMA>(total, x, param);
        }
        for &lane in &low[..vector] {
            total = F::join(total, lane);
        }
        *o = total;
    }
}

/// The fold of a row shorter than a vector, again in PyTorch's order: four totals side by side.
#[inline(always)]
fn fold_short<T: Number, F: Fold<T>>(row: &[T], step: impl Fn(T, T) -> T) -> T {
    let mut totals = [F::INIT; 4];
    let mut chunks = row.chunks_exact(4);
    for chunk in &mut chunks {
        for (total, &x) in totals.iter_mut().zip(chunk) {
            *total = step(*total, x);
        }
    }
    for &x in chunks.remainder() {
        totals[0] = step(totals[0], x);
    }
    F::join(F::join(F::join(totals[0], totals[1]), totals[2]), totals[3])
}

multiversion! {
    /// [`columns_body`] for each instruction set.
    fn columns_as[T: Number, F: Fold<T>](_op: PhantomData<F>, x: &[T], stride: usize, rows: usize, params: &[T], out: &mut [T]) {
        columns_body::<T, F, FMA>(x, stride, rows, params, out);
    }
}

/// `out[j] = fold(out[j], x[0·stride + j], x[1·stride + j], …)` for `rows` rows.
#[inline(always)]
fn columns_body<T: Number, F: Fold<T>, const FMA: bool>(
    x: &[T],
    stride: usize,
    rows: usize,
    params: &[T],
    out: &mut [T],
) {
    let width = out.len();
    let mut row = 0;
    // Four rows in one pass over the totals, each total in the order of the rows.
    while !F::PARAM && row + 4 <= rows {
        let [a, b, c, d] = std::array::from_fn(|i| &x[(row + i) * stride..][..width]);
        for j in 0..width {
            let total = F::step::<FMA>(F::step::<FMA>(out[j], a[j], T::ZERO), b[j], T::ZERO);
            out[j] = F::step::<FMA>(F::step::<FMA>(total, c[j], T::ZERO), d[j], T::ZERO);
        }
        row += 4;
    }
    for row in row..rows {
        let x = &x[row * stride..][..width];
        if F::PARAM {
            for ((o, &x), &param) in out.iter_mut().zip(x).zip(params) {
                *o = F::step::<FMA>(*o, x, param);
            }
        } else {
            for (o, &x) in out.iter_mut().zip(x) {
                *o = F::step::<FMA>(*o, x, T::ZERO);
            }
        }
    }
}

/// Joins the results of a row's blocks pairwise.
fn join_blocks<T: Number>(f: &Folder<T>, blocks: &[T]) -> T {
    match blocks {
        [] => f.init,
        [one] => *one,
        _ => {
            let (left, right) = blocks.split_at(blocks.len() / 2);
            (f.join)(join_blocks(f, left), join_blocks(f, right))
        }
    }
}

/// `out[o] = fold of x[o, ..]` for rows of `len`.
fn rows<T: Number>(f: &Folder<T>, x: &[T], len: usize, params: &[T], out: &mut [T]) {
    if len <= BLOCK {
        return par::chunks(out, 1, len * f.cost, |start, out| {
            (f.rows)(&x[start * len..][..out.len() * len], len, f.params(params, start, out.len()), out);
        });
    }
    let blocks = len.div_ceil(BLOCK);
    let mut partial = vec![f.init; blocks * out.len()];
    par::chunks(&mut partial, 1, BLOCK * f.cost, |start, partial| {
        for (i, o) in partial.iter_mut().enumerate() {
            let (row, block) = ((start + i) / blocks, (start + i) % blocks);
            let size = BLOCK.min(len - block * BLOCK);
            let x = &x[row * len + block * BLOCK..][..size];
            (f.rows)(x, size, f.params(params, row, 1), std::slice::from_mut(o));
        }
    });
    for (o, partial) in out.iter_mut().zip(partial.chunks_exact(blocks)) {
        *o = join_blocks(f, partial);
    }
}

/// `out[o] = fold of x[o, ..]` for rows of `len` elements that `load` converts block by block, in the order of [`fold`].
pub(crate) fn fold_loaded<T: Number>(f: &Folder<T>, x: &Tensor, len: usize, out: &mut [T]) {
    if len == 0 {
        return out.fill(f.init);
    }
    if len <= BLOCK {
        let group = BLOCK / len;
        return par::chunks(out, group, len * f.cost, |start, out| {
            let mut scratch = [T::ZERO; BLOCK];
            for (g, out) in out.chunks_mut(group).enumerate() {
                let scratch = &mut scratch[..out.len() * len];
                T::load(x, (start + g * group) * len, scratch);
                (f.rows)(scratch, len, &[], out);
            }
        });
    }
    let blocks = len.div_ceil(BLOCK);
    let mut partial = vec![f.init; blocks * out.len()];
    par::chunks(&mut partial, 1, BLOCK * f.cost, |start, partial| {
        let mut scratch = [T::ZERO; BLOCK];
        for (i, o) in partial.iter_mut().enumerate() {
            let (row, block) = ((start + i) / blocks, (start + i) % blocks);
            let scratch = &mut scratch[..BLOCK.min(len - block * BLOCK)];
            T::load(x, row * len + block * BLOCK, scratch);
            (f.rows)(scratch, scratch.len(), &[], std::slice::from_mut(o));
        }
    });
    for (o, partial) in out.iter_mut().zip(partial.chunks_exact(blocks)) {
        *o = join_blocks(f, partial);
    }
}

/// Folds `rows` rows of `x` down the columns of one tile, pairwise over blocks of [`ROWS`] rows.
fn tile<T: Number>(f: &Folder<T>, x: &[T], stride: usize, rows: usize, params: &[T], out: &mut [T]) {
    if rows <= ROWS {
        out.fill(f.init);
        return (f.columns)(x, stride, rows, params, out);
    }
    let half = rows.div_ceil(ROWS) / 2 * ROWS;
    tile(f, x, stride, half, params, out);
    let mut other = [f.init; TILE];
    let other = &mut other[..out.len()];
    tile(f, &x[half * stride..], stride, rows - half, params, other);
    (f.partial().columns)(other, other.len(), 1, &[], out);
}

/// `out[o, j] = fold over r of x[o, r, j]`.
fn columns<T: Number>(f: &Folder<T>, x: &[T], len: usize, inner: usize, params: &[T], out: &mut [T]) {
    if inner <= NARROW && len >= 4 * (TILE / inner) {
        return par::chunks(out, inner, len * f.cost, |start, out| {
            for (i, out) in out.chunks_exact_mut(inner).enumerate() {
                let o = start / inner + i;
                narrow(f, &x[o * len * inner..][..len * inner], len, f.params(params, o * inner, inner), out);
            }
        });
    }
    // Few results from many rows: cut the rows, so that threads have work. The cut depends on sizes only.
    let outer = out.len() / inner;
    if out.len() < 8 * TILE && len >= 64 * ROWS {
        let groups = len / (8 * ROWS);
        let size = len.div_ceil(groups);
        let groups = len.div_ceil(size);
        for o in 0..outer {
            let x = &x[o * len * inner..][..len * inner];
            let params = f.params(params, o * inner, inner);
            let mut partial = vec![f.init; groups * inner];
            par::chunks(&mut partial, inner, size * f.cost, |start, partial| {
                for (g, partial) in partial.chunks_exact_mut(inner).enumerate() {
                    let first = (start / inner + g) * size;
                    let size = size.min(len - first);
                    tiles(f, &x[first * inner..], size, inner, params, partial);
                }
            });
            columns(&f.partial(), &partial, groups, inner, &[], &mut out[o * inner..][..inner]);
        }
        return;
    }
    if outer == 1 {
        return par::chunks(out, TILE, len * f.cost, |start, out| {
            tiles(f, &x[start..], len, inner, f.params(params, start, out.len()), out);
        });
    }
    par::chunks(out, inner, len * f.cost, |start, out| {
        for (i, out) in out.chunks_exact_mut(inner).enumerate() {
            let o = start / inner + i;
            tiles(f, &x[o * len * inner..][..len * inner], len, inner, f.params(params, o * inner, inner), out);
        }
    });
}

/// Columns of a matrix with few: several rows side by side count as one, so that whole vectors are filled.
fn narrow<T: Number>(f: &Folder<T>, x: &[T], len: usize, params: &[T], out: &mut [T]) {
    let inner = out.len();
    let group = TILE / inner;
    let (wide, rows) = (group * inner, len / group);
    let repeated = if f.param { params.repeat(group) } else { Vec::new() };
    let mut totals = vec![f.init; wide];
    columns(f, &x[..rows * wide], rows, wide, &repeated, &mut totals);
    out.fill(f.init);
    (f.partial().columns)(&totals, inner, group, &[], out);
    (f.columns)(&x[rows * wide..], inner, len - rows * group, params, out);
}

/// Columns of a matrix of `inner` columns, the first of `x` on, tile by tile.
fn tiles<T: Number>(f: &Folder<T>, x: &[T], rows: usize, inner: usize, params: &[T], out: &mut [T]) {
    for (t, out) in out.chunks_mut(TILE).enumerate() {
        tile(f, &x[t * TILE..], inner, rows, f.params(params, t * TILE, out.len()), out);
    }
}

/// `out[o, j] = fold over r of x[o, r, j]`, with `params[o, j]` where the fold has a parameter.
///
/// `x` is dense, of `outer * len * inner` elements, and `out` has `outer * inner`.
pub(crate) fn fold<T: Number>(f: &Folder<T>, x: &[T], len: usize, inner: usize, params: &[T], out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    if len == 0 {
        return out.fill(f.init);
    }
    if inner == 1 { rows(f, x, len, params, out) } else { columns(f, x, len, inner, params, out) }
}

/// Running folds of `N` rows.
#[inline(always)]
fn scan_rows<T: Element, A: Element, const N: usize>(
    x: &[T],
    len: usize,
    out: &mut [T],
    widen: impl Fn(T) -> A,
    narrow: impl Fn(A) -> T,
    join: impl Fn(A, A) -> A,
) {
    let rows: [&[T]; N] = std::array::from_fn(|r| &x[r * len..][..len]);
    let mut parts = out.chunks_exact_mut(len);
    let mut outs: [&mut [T]; N] = std::array::from_fn(|_| parts.next().expect("as many rows as x"));
    let mut totals = rows.map(|row| widen(row[0]));
    for (out, &total) in outs.iter_mut().zip(&totals) {
        out[0] = narrow(total);
    }
    for i in 1..len {
        for r in 0..N {
            totals[r] = join(totals[r], widen(rows[r][i]));
            outs[r][i] = narrow(totals[r]);
        }
    }
}

/// Running folds: `out[o, r, j] = join(x[o, 0, j], …, x[o, r, j])`, kept in `A` (wider than `T` for `f32`, as PyTorch).
pub(crate) fn scan<T: Element, A: Element>(
    x: &[T],
    len: usize,
    inner: usize,
    out: &mut [T],
    widen: impl Fn(T) -> A + Sync,
    narrow: impl Fn(A) -> T + Sync,
    join: impl Fn(A, A) -> A + Sync,
) {
    if out.is_empty() {
        return;
    }
    par::chunks(out, len * inner, 4, |start, out| {
        let x = &x[start..][..out.len()];
        if inner == 1 {
            // Some rows at a time, since each step of one waits for the last.
            const ROWS: usize = 4;
            let mut blocks = out.chunks_exact_mut(ROWS * len);
            for (x, out) in x.chunks_exact(ROWS * len).zip(&mut blocks) {
                scan_rows::<T, A, ROWS>(x, len, out, &widen, &narrow, &join);
            }
            let rest = blocks.into_remainder();
            let x = &x[x.len() - rest.len()..];
            for (x, out) in x.chunks_exact(len).zip(rest.chunks_exact_mut(len)) {
                scan_rows::<T, A, 1>(x, len, out, &widen, &narrow, &join);
            }
            return;
        }
        for (x, out) in x.chunks_exact(len * inner).zip(out.chunks_exact_mut(len * inner)) {
            // Row by row, as memory runs, with one total per column.
            let mut totals: Vec<A> = x[..inner].iter().map(|&x| widen(x)).collect();
            out[..inner].copy_from_slice(&x[..inner]);
            for (row, out) in x.chunks_exact(inner).zip(out.chunks_exact_mut(inner)).skip(1) {
                for ((total, &x), o) in totals.iter_mut().zip(row).zip(out) {
                    *total = join(*total, widen(x));
                    *o = narrow(*total);
                }
            }
        }
    });
}
