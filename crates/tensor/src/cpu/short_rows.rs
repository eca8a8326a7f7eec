//! Rows much shorter than some vectors, turned block by block so that columns lie side by side: what works along rows then
//! works down columns, a vector of rows at a time.

use super::simd::multiversion;
use crate::Element;

/// Elements of the longest row for which this pays, if rows are turned back too.
pub(super) const SHORT: usize = 32;
/// Rows of a block.
pub(super) const ROWS: usize = 16;
/// Columns that are turned together.
const SOME: usize = 8;

/// A block: column `j` is `[j]`.
pub(super) type Columns<T> = [[T; ROWS]; SHORT];

multiversion! {
    /// `to[j][r] = x[r·len + j]` for up to [`ROWS`] rows of `1 <= len <= to.len()` elements; what `to` holds of other rows stays.
    ///
    /// A kernel of its own, since this is far more code than what is then done with the columns.
    pub(super) fn turn[T: Element](x: &[T], len: usize, to: &mut [[T; ROWS]]) {
        if x.len() < ROWS * len || matches!(len, 1 | 3) {
            for (r, row) in x.chunks_exact(len).take(ROWS).enumerate() {
                for (column, &x) in to.iter_mut().zip(row) {
                    column[r] = x;
                }
            }
            return;
        }
        // Columns by the constant number: the last ones may overlap those before. No closures, which would be compiled for the
        // baseline.
        if len == 2 {
            return turn_some::<T, 2>(x, 2, 0, to);
        }
        if len < SOME {
            turn_some::<T, 4>(x, len, 0, to);
            return turn_some::<T, 4>(x, len, len - 4, to);
        }
        for some in 0..len.div_ceil(SOME) {
            turn_some::<T, SOME>(x, len, (some * SOME).min(len - SOME), to);
        }
    }
}

/// [`turn`] of `N` columns from `at` on.
#[inline(always)]
fn turn_some<T: Element, const N: usize>(x: &[T], len: usize, at: usize, to: &mut [[T; ROWS]]) {
    let to: &mut [[T; ROWS]; N] = to[at..].first_chunk_mut().expect("columns");
    for r in 0..ROWS {
        let row: &[T; N] = x[r * len + at..].first_chunk().expect("a row");
        for j in 0..N {
            to[j][r] = row[j];
        }
    }
}

multiversion! {
    /// `out[r·len + j] = from[j][r]`, the reverse of [`turn`].
    pub(super) fn turn_back[T: Element](from: &Columns<T>, len: usize, out: &mut [T]) {
        if out.len() < ROWS * len || matches!(len, 1 | 3) {
            for (r, row) in out.chunks_exact_mut(len).take(ROWS).enumerate() {
                for (column, o) in from.iter().zip(row) {
                    *o = column[r];
                }
            }
            return;
        }
        if len == 2 {
            return turn_some_back::<T, 2>(from, 2, 0, out);
        }
        if len < SOME {
            turn_some_back::<T, 4>(from, len, 0, out);
            return turn_some_back::<T, 4>(from, len, len - 4, out);
        }
        for some in 0..len.div_ceil(SOME) {
            turn_some_back::<T, SOME>(from, len, (some * SOME).min(len - SOME), out);
        }
    }
}

/// [`turn_back`] of `N` columns from `at` on.
#[inline(always)]
fn turn_some_back<T: Element, const N: usize>(from: &Columns<T>, len: usize, at: usize, out: &mut [T]) {
    let from: &[[T; ROWS]; N] = from[at..].first_chunk().expect("columns");
    for r in 0..ROWS {
        let row: &mut [T; N] = out[r * len + at..].first_chunk_mut().expect("a row");
        for j in 0..N {
            row[j] = from[j][r];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ROWS, SHORT, turn, turn_back};

    #[test]
    fn rows_of_any_length_become_columns_and_rows_again() {
        for len in 1..=SHORT {
            for rows in [1, ROWS - 1, ROWS] {
                let x: Vec<f32> = (0..rows * len).map(|i| i as f32).collect();
                let mut columns = [[-1.0; ROWS]; SHORT];
                turn(&x, len, &mut columns);
                for (j, column) in columns.iter().enumerate() {
                    for (r, &found) in column.iter().enumerate() {
                        let expected = if j < len && r < rows { x[r * len + j] } else { -1.0 };
                        assert_eq!(found, expected, "row {r} of {rows}, column {j} of {len}");
                    }
                }
                let mut back = vec![0.0; x.len()];
                turn_back(&columns, len, &mut back);
                assert_eq!(back, x, "{rows}x{len}");
            }
        }
    }
}
