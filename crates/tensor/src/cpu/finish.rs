//! How the sums of a register tile become the output: added to what was there or to a bias, raised to a floor, stored.

// Indices run over several arrays of registers at once.
#![allow(clippy::needless_range_loop)]

use super::lanes::Lanes;
use super::simd::Real;
use super::tile_args::{Finish, Size, Start};
use crate::Element;

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
            let mut sums = [V::T::ZERO; 24 * 16];
            store(acc, sums.as_mut_ptr(), NV * V::N, |_, _, sum| sum);
            return finish_part(&sums, NV * V::N, (c, size), ends);
        }
        match ends.start {
            Start::Zero => store(acc, c, step, |_, _, sum| sum),
            Start::Keep => store(acc, c, step, |i, v, sum| V::load(c.add(i * step + v * V::N)).add(sum)),
            Start::Rows(data, stride) => {
                store(acc, c, step, |i, v, sum| V::load(data.as_ptr().add(i * stride + v * V::N)).add(sum));
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

/// [`finish`] for a tile at an edge, which has fewer rows or columns than the `sums`, of which rows have `width` numbers.
///
/// # Safety
/// As [`finish`].
#[inline(never)]
unsafe fn finish_part<T: Real>(sums: &[T], width: usize, (c, size): (*mut T, Size), ends: Finish<'_, T>) {
    for (i, sums) in sums.chunks_exact(width).take(size.m).enumerate() {
        // SAFETY: row i < m of c has n writable numbers, and of start, which may be the same, as many to be read.
        unsafe {
            let out = c.add(i * size.step);
            // Nothing changes when -0 is added.
            let (from, first) = match ends.start {
                Start::Zero => (std::ptr::null(), -T::ZERO),
                Start::Keep => (out.cast_const(), T::ZERO),
                Start::Rows(data, stride) => (data.as_ptr().add(i * stride), T::ZERO),
                Start::Splat(data, stride) => (std::ptr::null(), *data.as_ptr().add(i * stride)),
            };
            // A loop for each, without a choice inside, so that the compiler makes vectors of it.
            let sums = sums.iter().take(size.n).enumerate();
            if from.is_null() {
                sums.for_each(|(j, &sum)| *out.add(j) = first + sum);
            } else {
                sums.for_each(|(j, &sum)| *out.add(j) = *from.add(j) + sum);
            }
            if ends.floor > T::NEG_INFINITY {
                let row = std::slice::from_raw_parts_mut(out, size.n);
                row.iter_mut().for_each(|value| *value = if *value < ends.floor { ends.floor } else { *value });
            }
        }
    }
}
