//! Rows much shorter than some vectors, turned block by block so that columns lie side by side: what works along rows then
//! works down columns, a vector of rows at a time.

use super::transpose;
use crate::Element;

/// Elements of the longest row for which this pays, if rows are turned back too.
pub(super) const SHORT: usize = 32;
/// Rows of a block.
pub(super) const ROWS: usize = 16;
/// A block: column `j` is `[j]`.
pub(super) type Columns<T> = [[T; ROWS]; SHORT];

/// `to[j][r] = x[r·len + j]` for up to [`ROWS`] rows of `1 <= len <= to.len()` elements; what `to` holds of other rows stays.
pub(super) fn turn<T: Element>(x: &[T], len: usize, to: &mut [[T; ROWS]]) {
    match len {
        2 => turn_few::<T, 2>(x, to),
        3 => turn_few::<T, 3>(x, to),
        _ => transpose::elements(x, len, ((x.len() / len).min(ROWS), len), ROWS, to.as_flattened_mut()),
    }
}

fn turn_few<T: Element, const LEN: usize>(x: &[T], to: &mut [[T; ROWS]]) {
    let to: &mut [[T; ROWS]; LEN] = to.first_chunk_mut().expect("columns");
    for (r, row) in x.as_chunks::<LEN>().0.iter().take(ROWS).enumerate() {
        for j in 0..LEN {
            to[j][r] = row[j];
        }
    }
}

/// `out[r·len + j] = from[j][r]`, the reverse of [`turn`].
pub(super) fn turn_back<T: Element>(from: &Columns<T>, len: usize, out: &mut [T]) {
    match len {
        2 => turn_few_back::<T, 2>(from, out),
        3 => turn_few_back::<T, 3>(from, out),
        _ => transpose::elements(from.as_flattened(), ROWS, (len, (out.len() / len).min(ROWS)), len, out),
    }
}

fn turn_few_back<T: Element, const LEN: usize>(from: &Columns<T>, out: &mut [T]) {
    for (r, row) in out.as_chunks_mut::<LEN>().0.iter_mut().take(ROWS).enumerate() {
        *row = std::array::from_fn(|j| from[j][r]);
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
