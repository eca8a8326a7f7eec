//! Products of a vector and a matrix that are no sums along both.

use super::gemm::Mat;
use super::simd::{Real, fma, multiversion};
use super::tile::Tiled;

/// Elements of the longest row for which turning rows pays.
pub(super) const SHORT: usize = 64;
/// Columns of the widest matrix whose sums over rows stay in registers.
pub(super) const NARROW: usize = 64;
/// Rows that are turned together.
const ROWS: usize = 32;
/// Columns that are added up together.
const WIDE: usize = 16;

/// `out += a·b` for `a` of one row; if `narrow` is set, sums over the rows of `b` stay in registers.
pub(super) fn add_row_times_matrix<T: Tiled>(a: Mat<'_, T>, b: Mat<'_, T>, out: &mut [T], narrow: bool) {
    let (k, n) = (a.cols, b.cols);
    if k == 0 || n == 0 {
        return;
    }
    let dense: Vec<T>;
    let row = if a.cs == 1 {
        &a.from(0, 0)[..k]
    } else {
        dense = (0..k).map(|p| a.get(0, p)).collect();
        &dense
    };
    if narrow && b.cs == 1 && b.rs >= 0 {
        vector_times_rows(row, b.from(0, 0), b.rs as usize, out);
    } else if b.rs == 1 && b.cs >= 0 && k <= SHORT {
        rows_times_vector(b.from(0, 0), b.cs as usize, row, out);
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

/// `out[r] += Σ_j x[r·stride + j]·v[j]` for `v` of at most [`SHORT`] numbers: rows are turned, some at a time, so that their sums
/// lie side by side.
fn rows_times_vector<T: Tiled>(x: &[T], stride: usize, v: &[T], out: &mut [T]) {
    let mut columns = [T::ZERO; ROWS * SHORT];
    for (first, out) in (0..).step_by(ROWS).zip(out.chunks_mut(ROWS)) {
        T::transpose(&x[first * stride..], stride, (out.len(), v.len()), ROWS, &mut columns);
        add_columns(&columns, v, out);
    }
}

multiversion! {
    /// `out[r] += Σ_j columns[j·ROWS + r]·v[j]` for up to [`ROWS`] sums.
    fn add_columns[T: Real](columns: &[T], v: &[T], out: &mut [T]) {
        let mut sums = [T::ZERO; ROWS];
        for (column, &v) in columns.as_chunks::<ROWS>().0.iter().zip(v) {
            sums = std::array::from_fn(|r| fma::<FMA, T>(column[r], v, sums[r]));
        }
        out.iter_mut().zip(sums).for_each(|(o, sum)| *o += sum);
    }
}

multiversion! {
    /// `out[j] += Σ_p v[p]·x[p·stride + j]`, some columns after another, whose sums stay in registers: those over even rows and
    /// those over odd ones.
    fn vector_times_rows[T: Real](v: &[T], x: &[T], stride: usize, out: &mut [T]) {
        for (block, out) in out.chunks_mut(WIDE).enumerate() {
            let x = &x[block * WIDE..];
            let mut sums = [[T::ZERO; WIDE]; 2];
            // Rows of which so many columns can be read, where the matrix has fewer too.
            let whole = (v.len() & !1).min((x.len() + stride).saturating_sub(WIDE) / stride.max(1)) & !1;
            let (most, rest) = v.split_at(whole);
            for (p, v) in most.as_chunks::<2>().0.iter().enumerate() {
                let rows: [&[T; WIDE]; 2] = [0, 1].map(|i| x[(2 * p + i) * stride..].first_chunk().expect("a whole row"));
                let [even, odd] = sums;
                sums = [
                    std::array::from_fn(|j| fma::<FMA, T>(v[0], rows[0][j], even[j])),
                    std::array::from_fn(|j| fma::<FMA, T>(v[1], rows[1][j], odd[j])),
                ];
            }
            for (p, &v) in (whole..).zip(rest) {
                for (sum, &x) in sums[p % 2].iter_mut().zip(&x[p * stride..][..out.len()]) {
                    *sum = fma::<FMA, T>(v, x, *sum);
                }
            }
            for (j, o) in out.iter_mut().enumerate() {
                *o += sums[0][j] + sums[1][j];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small whole numbers, so that sums are exact in any order.
    fn numbers(seed: usize, len: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 7 + seed * 5) % 11) as f32 - 5.0).collect()
    }

    #[test]
    fn rows_of_any_length_and_number_are_summed() {
        for len in [1, 2, 3, 7, 8, 17, SHORT] {
            for (rows, apart) in [(1, 0), (ROWS - 1, 2), (2 * ROWS + 3, 0)] {
                let stride = len + apart;
                let (x, v) = (numbers(1, (rows - 1) * stride + len), numbers(2, len));
                let mut out = numbers(3, rows);
                let sum = |r: usize| (0..len).map(|j| x[r * stride + j] * v[j]).sum::<f32>();
                let expected: Vec<f32> = out.iter().enumerate().map(|(r, o)| o + sum(r)).collect();
                rows_times_vector(&x, stride, &v, &mut out);
                assert_eq!(out, expected, "{rows} rows of {len}, {stride} apart");
            }
        }
    }

    #[test]
    fn sums_over_rows_do_not_depend_on_what_lies_behind_them() {
        for len in [1, 5, WIDE, WIDE + 1, NARROW] {
            for (rows, stride) in [(1, len), (2, len + 3), (5, len), (40, len), (9, 0)] {
                // Sums that rounding makes depend on their order.
                let x: Vec<f32> = (0..rows * stride + len + 40).map(|i| (i as f32).sin()).collect();
                let v: Vec<f32> = (0..rows).map(|i| (i as f32 + 0.5).sin()).collect();
                let sums = |x: &[f32]| {
                    let mut out = vec![0.0; len];
                    vector_times_rows(&v, x, stride, &mut out);
                    out
                };
                let tight = sums(&x[..(rows - 1) * stride + len]);
                assert_eq!(tight, sums(&x), "{rows} rows of {len}, {stride} apart");
                for (j, &found) in tight.iter().enumerate() {
                    let sum: f32 = (0..rows).map(|p| v[p] * x[p * stride + j]).sum();
                    assert!((found - sum).abs() < 1e-5, "{found} for {sum}");
                }
            }
        }
    }
}
