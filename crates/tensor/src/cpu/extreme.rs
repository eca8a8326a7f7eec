//! The largest or the smallest of rows and columns, and where it is.

use super::par;
use super::short_rows::{ROWS, turn};
use super::simd::multiversion;
use crate::{DType, Element};

/// The extreme of `x[o, ..., j]` and its first index; the largest or the smallest, NaN before all.
pub(crate) fn extreme<T: Element, const LARGEST: bool>(
    x: &[T],
    len: usize,
    inner: usize,
    values: &mut [T],
    indices: &mut [i64],
) {
    if values.is_empty() {
        return;
    }
    if len == 1 {
        values.copy_from_slice(x);
        return indices.fill(0);
    }
    if inner > COLUMNS {
        // Some columns at a time, whose extremes stay in the first-level cache.
        let rows = values.chunks_mut(inner).zip(indices.chunks_mut(inner));
        let pieces = rows.enumerate().flat_map(|(o, (values, indices))| {
            let tiles = values.chunks_mut(COLUMNS).zip(indices.chunks_mut(COLUMNS));
            tiles.enumerate().map(move |(t, (values, indices))| (o * len * inner + t * COLUMNS, values, indices))
        });
        return par::items(pieces.collect(), 2 * len * COLUMNS, |_, (at, values, indices)| {
            extreme_of_columns(Which::<LARGEST>, &x[at..], (len, inner), values, indices);
        });
    }
    let short = inner == 1 && len <= SHORT && compiles_short_rows::<T>();
    // The end of a long row takes as long as some hundred elements, and an element of a short one as long as some.
    let work = match inner {
        1 if short => 4 * x.len(),
        1 => x.len() + 256 * values.len(),
        _ => x.len(),
    };
    let group = (par::GRAIN / (work / (values.len() / inner))).max(1);
    let pieces = values.chunks_mut(group * inner).zip(indices.chunks_mut(group * inner));
    par::share(pieces, work, &|i, (values, indices)| {
        let x = &x[i * group * len * inner..];
        if const { compiles_short_rows::<T>() } && short {
            return extremes_of_short_rows(Which::<LARGEST>, x, len, values, indices);
        }
        let x = x.chunks_exact(len * inner);
        let mut lanes = Lanes { best: [T::ZERO; EXTREMES], unordered: [0; EXTREMES] };
        for ((x, values), indices) in x.zip(values.chunks_exact_mut(inner)).zip(indices.chunks_exact_mut(inner)) {
            if inner == 1 {
                (values[0], indices[0]) = extreme_of_row(Which::<LARGEST>, x, &mut lanes);
            } else {
                extreme_of_columns(Which::<LARGEST>, x, (len, inner), values, indices);
            }
        }
    });
}

/// Whether there are kernels for short rows: other types are too rare to be compiled for.
const fn compiles_short_rows<T: Element>() -> bool {
    matches!(T::DTYPE, DType::F32 | DType::F64)
}

/// Whether `x` beats `best`: it is larger (or smaller), or the first NaN.
#[inline(always)]
#[allow(clippy::eq_op)]
fn beats<T: PartialOrd + Copy, const LARGEST: bool>(x: T, best: T) -> bool {
    (if LARGEST { x > best } else { x < best }) | ((x != x) & (best == best))
}

multiversion! {
    /// The extremes down as many columns as there are `values`; `rows` are their number and how far they are apart.
    fn extreme_of_columns[T: Element, const LARGEST: bool](
        _which: Which<LARGEST>, x: &[T], rows: (usize, usize), values: &mut [T], indices: &mut [i64],
    ) {
        let ((len, step), width) = (rows, values.len());
        let indices = &mut indices[..width];
        values.copy_from_slice(&x[..width]);
        indices.fill(0);
        for r in 1..len {
            let row = &x[r * step..][..width];
            for j in 0..width {
                let wins = beats::<T, LARGEST>(row[j], values[j]);
                values[j] = if wins { row[j] } else { values[j] };
                indices[j] = if wins { r as i64 } else { indices[j] };
            }
        }
    }
}

multiversion! {
    /// The extremes of rows of at most [`SHORT`] elements, some rows side by side.
    #[allow(clippy::eq_op)]
    fn extremes_of_short_rows[T: Element, const LARGEST: bool](
        _which: Which<LARGEST>, x: &[T], len: usize, values: &mut [T], indices: &mut [i64],
    ) {
        let mut turned = [[T::ZERO; ROWS]; SHORT];
        let rows = x.chunks(ROWS * len).zip(values.chunks_mut(ROWS)).zip(indices.chunks_mut(ROWS));
        for ((x, values), indices) in rows {
            turn(&x[..values.len() * len], len, &mut turned);
            // As in `extreme_of_row` two passes, the second from the end, so that the first place wins.
            let (columns, mut unordered) = (&turned[..len], [0; ROWS]);
            let mut best = columns[0];
            for column in columns {
                best = std::array::from_fn(|r| further::<T, LARGEST>(column[r], best[r]));
                unordered = std::array::from_fn(|r| unordered[r] | u32::from(column[r] != column[r]));
            }
            let mut at = [0; ROWS];
            for (j, column) in columns.iter().enumerate().rev() {
                at = std::array::from_fn(|r| if column[r] == best[r] { j as i32 } else { at[r] });
            }
            if unordered.iter().fold(0, |any, n| any | n) != 0 {
                for r in 0..ROWS {
                    if let Some(j) = columns.iter().position(|column| column[r] != column[r]) {
                        (best[r], at[r]) = (columns[j][r], j as i32);
                    }
                }
            }
            values.copy_from_slice(&best[..values.len()]);
            indices.iter_mut().zip(at).for_each(|(index, at)| *index = i64::from(at));
        }
    }
}

multiversion! {
    /// The extreme of a row and its first index; a NaN is more extreme than any number.
    ///
    /// Two passes, since a comparison and a selection per element and then a search take less than keeping positions does.
    #[allow(clippy::eq_op)]
    fn extreme_of_row[T: Element, const LARGEST: bool](
        _which: Which<LARGEST>, x: &[T], lanes: &mut Lanes<T>,
    ) -> (T, i64) {
        let Lanes { best, unordered } = lanes;
        (*best, *unordered) = ([x[0]; EXTREMES], [0; EXTREMES]);
        extreme_of_chunks::<T, LARGEST>(x, best, unordered);
        // What is left, with some that are not; a row that has no others is filled up.
        match x.last_chunk::<EXTREMES>() {
            _ if x.len().is_multiple_of(EXTREMES) => {}
            Some(last) => extreme_of_chunks::<T, LARGEST>(last, best, unordered),
            None => {
                let mut last = [x[0]; EXTREMES];
                last[..x.len()].copy_from_slice(x);
                extreme_of_chunks::<T, LARGEST>(&last, best, unordered);
            }
        }
        let mut width = EXTREMES / 2;
        while width > 0 {
            let (low, high) = best.split_at_mut(width);
            for (old, &x) in low.iter_mut().zip(&*high) {
                *old = further::<T, LARGEST>(x, *old);
            }
            width /= 2;
        }
        let nan = unordered.iter().fold(0, |any, n| any | n) != 0;
        let value = best[0];
        let index = if nan { first(x, |x| x != x) } else { first(x, |x| x == value) };
        (x[index], index as i64)
    }
}

/// The first place whose element is looked for; one is.
#[inline(always)]
fn first<T: Element>(x: &[T], found: impl Fn(T) -> bool) -> usize {
    // Whole chunks first: a search that ends within one is not vectorised.
    let any = |chunk: &[T; EXTREMES]| chunk.iter().fold(0, |any, &x| any | u32::from(found(x))) != 0;
    let (chunks, _) = x.as_chunks::<EXTREMES>();
    let start = chunks.iter().position(any).unwrap_or(chunks.len()) * EXTREMES;
    start + x[start..].iter().position(|&x| found(x)).expect("one is")
}

/// The larger, or the smaller; `old` if one is NaN or both are equal.
#[inline(always)]
fn further<T: PartialOrd, const LARGEST: bool>(x: T, old: T) -> T {
    if if LARGEST { x > old } else { x < old } { x } else { old }
}

/// Goes on with whole chunks of a row.
///
/// The lanes are copied in and out, and belong to a caller that is not compiled into this: otherwise they stay in memory.
#[inline(always)]
#[allow(clippy::eq_op)]
fn extreme_of_chunks<T: Element, const LARGEST: bool>(
    x: &[T],
    best: &mut [T; EXTREMES],
    unordered: &mut [u32; EXTREMES],
) {
    let (mut own, mut nan) = (*best, *unordered);
    for chunk in x.as_chunks::<EXTREMES>().0 {
        own = std::array::from_fn(|lane| further::<T, LARGEST>(chunk[lane], own[lane]));
        nan = std::array::from_fn(|lane| nan[lane] | u32::from(chunk[lane] != chunk[lane]));
    }
    (*best, *unordered) = (own, nan);
}

/// The extremes of a row's elements in each lane, and whether one there is NaN; as wide as most elements, so that it is a
/// vector of the same length.
struct Lanes<T> {
    best: [T; EXTREMES],
    unordered: [u32; EXTREMES],
}

/// Whether the largest or the smallest is looked for.
struct Which<const LARGEST: bool>;

/// Elements of the longest row of which some are turned.
const SHORT: usize = EXTREMES;
/// Columns whose extremes are looked for together.
const COLUMNS: usize = 512;
/// Lanes that look for an extreme side by side.
const EXTREMES: usize = 64;

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    #[test]
    fn columns_are_searched_as_rows_are() {
        for shape in
            [[1, 5, 1300], [3, 40, 600], [2, 7, 512], [2, 900, 3], [3, 1, 40], [3, 2, 7], [1, 6, 70], [2, 32, 33]]
        {
            let count = shape.iter().product::<usize>() as i64;
            let x = Tensor::arange(0, count, 1).mul(7919).remainder(101).to(DType::F32).reshape(shape);
            let x = x.masked_fill(&x.eq(50), f64::NAN);
            let turned = x.transpose(1, 2).contiguous();
            for (columns, rows) in [(x.max_dim(1), turned.max_dim(2)), (x.min_dim(1), turned.min_dim(2))] {
                assert_eq!(columns.1.to_vec::<i64>(), rows.1.to_vec::<i64>(), "{shape:?}");
                let bits = |x: &Tensor| x.to_vec::<f32>().into_iter().map(f32::to_bits).collect::<Vec<_>>();
                assert_eq!(bits(&columns.0), bits(&rows.0), "{shape:?}");
            }
        }
    }
}
