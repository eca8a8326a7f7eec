//! How the sums of a register tile become the output: added to what was there or to a bias, raised to a floor, stored.

// Indices run over several arrays of registers at once.
#![allow(clippy::needless_range_loop)]

use super::lanes::Lanes;
use super::simd::Real;
use super::tile_args::{Finish, Size, Start};

/// Stores the sums of a tile, finished by `ends`.
///
/// # Safety
/// `m <= MR` rows of `c`, at `c + i·step`, have `n <= NV·N` writable numbers, and the rows of `ends.start` likewise.
#[inline(always)]
pub(super) unsafe fn finish<V: Lanes, const MR: usize, const NV: usize>(
    acc: [[V; NV]; MR],
    (c, size): (*mut V::T, Size),
    ends: Finish<'_, V::T>,
) {
    let Size { m, n, step } = size;
    // SAFETY: the pointers are in bounds as the caller promises: row i < m of c at i·step, n numbers each, and of start.
    unsafe {
        if m < MR || n < NV * V::N {
            // A copy, so that the sums of whole tiles need not be in memory.
            let sums = acc;
            return V::finish_part(sums.as_ptr().cast(), NV, (c, size), ends);
        }
        match ends.start {
            Start::Zero => store(acc, c, step, |_, _, sum| sum),
            Start::Keep | Start::Rows(..) => {
                let (data, stride) = ends.start.rows().unwrap_or((c, step));
                store(acc, c, step, |i, v, sum| V::load(data.add(i * stride + v * V::N)).add(sum));
            }
            Start::Splat(data, stride) => {
                store(acc, c, step, |i, _, sum| V::splat(*data.as_ptr().add(i * stride)).add(sum));
            }
        }
        // Apart, on what is in the first cache, since most tiles have no floor.
        if ends.floor > V::T::NEG_INFINITY {
            let floor = V::splat(ends.floor);
            for i in 0..MR {
                for v in 0..NV {
                    let at = c.add(i * step + v * V::N);
                    floor.max(V::load(at)).store(at);
                }
            }
        }
    }
}

/// Stores `f(row, vector, sum)` for the sums of a whole tile.
///
/// # Safety
/// `MR` rows of `c`, `step` apart, have `NV·N` writable numbers.
#[inline(always)]
unsafe fn store<V: Lanes, const MR: usize, const NV: usize>(
    acc: [[V; NV]; MR],
    c: *mut V::T,
    step: usize,
    f: impl Fn(usize, usize, V) -> V,
) {
    for i in 0..MR {
        for v in 0..NV {
            // SAFETY: row i and vector v are among the promised.
            unsafe { f(i, v, acc[i][v]).store(c.add(i * step + v * V::N)) }
        }
    }
}

/// [`finish`] for a tile at an edge, which has fewer rows or columns: only the last vector of a row may be a part of one.
///
/// # Safety
/// As [`finish`], with `sums` those of `m` rows of `NV = vectors`, and `n > (NV - 1)·N`.
#[inline(always)]
pub(super) unsafe fn finish_part<V: Lanes>(
    sums: *const V,
    vectors: usize,
    (c, size): (*mut V::T, Size),
    ends: Finish<'_, V::T>,
) {
    let store = (sums, vectors, c, size);
    // SAFETY: the pointers are in bounds as the caller promises: row i < m of c at i·step, n numbers each, and of start.
    unsafe {
        match ends.start {
            Start::Zero => store_part(store, |_, _, _, sum| sum),
            Start::Keep | Start::Rows(..) => {
                let (data, stride) = ends.start.rows().unwrap_or((c, size.step));
                store_part(store, |i, j, count, sum| V::load_some(data.add(i * stride + j), count).add(sum));
            }
            Start::Splat(data, stride) => {
                store_part(store, |i, _, _, sum| V::splat(*data.as_ptr().add(i * stride)).add(sum));
            }
        }
        if ends.floor > V::T::NEG_INFINITY {
            for i in 0..size.m {
                let row = std::slice::from_raw_parts_mut(c.add(i * size.step), size.n);
                row.iter_mut().for_each(|value| *value = if *value < ends.floor { ends.floor } else { *value });
            }
        }
    }
}

/// Stores `f(row, column, count, sum)`, the first `count` numbers of it, for the sums of a tile at an edge.
///
/// # Safety
/// `m` rows of `sums` have `vectors`, and `m` rows of `c`, at `c + i·step`, `n` writable numbers, more than `(vectors - 1)·N`.
#[inline(always)]
unsafe fn store_part<V: Lanes>(
    (sums, vectors, c, size): (*const V, usize, *mut V::T, Size),
    f: impl Fn(usize, usize, usize, V) -> V,
) {
    let last = (vectors - 1) * V::N;
    let rest = size.n - last;
    for i in 0..size.m {
        // SAFETY: row i and its columns up to last + rest are among the promised.
        unsafe {
            let (sums, row) = (sums.add(i * vectors), c.add(i * size.step));
            for v in 0..vectors - 1 {
                f(i, v * V::N, V::N, *sums.add(v)).store(row.add(v * V::N));
            }
            f(i, last, rest, *sums.add(vectors - 1)).store_some(row.add(last), rest);
        }
    }
}
