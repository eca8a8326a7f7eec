//! Softmax, its logarithm and the cross entropy: one pass for the largest, one for the exponentials, both in cache.

use super::math::Math;
use super::par;
use super::short_rows::{Columns, ROWS, SHORT, turn, turn_back};
use super::simd::multiversion;
use smallvec::SmallVec;
use std::hint::black_box;

/// Accumulators side by side: enough for the widest vectors and for their latency.
const LANES: usize = 32;
/// Columns worked on together where the axis is not the last.
const TILE: usize = 128;
/// The work per element, in additions.
const COST: usize = 12;

/// What is computed along the axis.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// `e^x / Σ e^x`
    Softmax,
    /// `x - ln Σ e^x`
    LogSoftmax,
}

/// `out = kind(x)` along the middle axis of `[outer, len, inner]`.
pub(crate) fn forward<T: Math>(kind: Kind, x: &[T], len: usize, inner: usize, out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    if inner > 1 {
        return by_tiles((len, inner), out, |block, at, out| {
            columns(kind, &x[block * len * inner..][..len * inner], inner, at, out);
        });
    }
    par::chunks(out, len, COST, |start, out| {
        let x = &x[start..][..out.len()];
        match kind {
            _ if len <= SHORT => short_rows(kind, x, len, out),
            Kind::LogSoftmax => log_softmax_rows(x, len, out),
            Kind::Softmax => {
                x.chunks_exact(len).zip(out.chunks_exact_mut(len)).for_each(|(x, out)| softmax_row(x, out));
            }
        }
    });
}

/// The gradient from that of the output `dy` and the output `y`.
pub(crate) fn backward<T: Math>(kind: Kind, y: &[T], dy: &[T], len: usize, inner: usize, out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    if inner > 1 {
        return by_tiles((len, inner), out, |block, at, out| {
            let range = block * len * inner..(block + 1) * len * inner;
            columns_backward(kind, &y[range.clone()], &dy[range], inner, at, out);
        });
    }
    par::chunks(out, len, COST, |start, out| {
        let range = start..start + out.len();
        let (y, dy) = (&y[range.clone()], &dy[range]);
        if len <= SHORT {
            return short_rows_backward(kind, y, dy, len, out);
        }
        for (i, out) in out.chunks_exact_mut(len).enumerate() {
            let (y, dy) = (&y[i * len..][..len], &dy[i * len..][..len]);
            match kind {
                Kind::Softmax => softmax_row_backward(y, dy, out),
                Kind::LogSoftmax => log_softmax_row_backward(y, dy, out),
            }
        }
    });
}

/// Calls `f(block, at, rows)` for the columns of blocks `[len, inner]`, at most [`TILE`] at a time: `rows` are those of the
/// block's output, from column `at` on.
fn by_tiles<T: Send>((len, inner): (usize, usize), out: &mut [T], f: impl Fn(usize, usize, &mut [&mut [T]]) + Sync) {
    let block = len * inner;
    let (blocks, work) = (out.len() / block, out.len() * COST);
    // Two pieces per thread even out; a piece is no narrower than some vectors.
    let threads = if par::worth(work) { par::num_threads() } else { 1 };
    if threads == 1 || blocks >= 2 * threads {
        return par::chunks(out, block, COST, |start, out| {
            for (i, out) in out.chunks_exact_mut(block).enumerate() {
                for at in (0..inner).step_by(TILE) {
                    let columns = at..inner.min(at + TILE);
                    let rows = out.chunks_exact_mut(inner).map(|row| &mut row[columns.clone()]);
                    f(start / block + i, at, &mut rows.collect::<SmallVec<[_; 32]>>());
                }
            }
        });
    }
    let pieces = (2 * threads).div_ceil(blocks);
    let tile = inner.div_ceil(pieces).next_multiple_of(LANES).min(TILE);
    let mut tasks = Vec::new();
    for (i, out) in out.chunks_exact_mut(block).enumerate() {
        let first = tasks.len();
        tasks.extend((0..inner).step_by(tile).map(|at| (i, at, Vec::with_capacity(len))));
        for row in out.chunks_exact_mut(inner) {
            tasks[first..].iter_mut().zip(row.chunks_mut(tile)).for_each(|((.., rows), part)| rows.push(part));
        }
    }
    par::share(tasks.into_iter(), work, &|_, (block, at, mut rows)| f(block, at, &mut rows));
}

/// `out[i] = ln Σ e^x[i, ..] - x[i, target[i]]`, zero where the target is `None`.
pub(crate) fn cross_entropy<T: Math>(
    x: &[T],
    len: usize,
    target: impl Fn(usize) -> Option<usize> + Sync,
    out: &mut [T],
) {
    par::chunks(out, 1, len * COST, |start, out| {
        if (1..=SHORT).contains(&len) {
            return short_rows_cross_entropy(&x[start * len..][..out.len() * len], len, |i| target(start + i), out);
        }
        for (i, out) in out.iter_mut().enumerate() {
            *out = target(start + i).map_or(T::ZERO, |class| {
                let row = &x[(start + i) * len..][..len];
                let (largest, ln_sum) = log_sum_exp(row);
                ln_sum - (row[class] - largest)
            });
        }
    });
}

/// `out[i, j] = (softmax(x[i, ..])[j] - [j == target[i]])·grad[i]`, zero where the target is `None`.
pub(crate) fn cross_entropy_backward<T: Math>(
    x: &[T],
    len: usize,
    target: impl Fn(usize) -> Option<usize> + Sync,
    grad: &[T],
    out: &mut [T],
) {
    if out.is_empty() {
        return;
    }
    par::chunks(out, len, COST, |start, out| {
        if len <= SHORT {
            let (x, first) = (&x[start..][..out.len()], start / len);
            let grad = &grad[first..][..out.len() / len];
            return short_rows_cross_entropy_backward(x, len, |i| target(first + i), grad, out);
        }
        for (i, out) in out.chunks_exact_mut(len).enumerate() {
            let row = start / len + i;
            let Some(class) = target(row) else {
                out.fill(T::ZERO);
                continue;
            };
            softmax_row(&x[row * len..][..len], out);
            out[class] = out[class] - T::ONE;
            scale(out, grad[row]);
        }
    });
}

/// The largest element; NaN is passed over (sums of exponentials find it).
#[inline(always)]
fn largest<T: Math>(x: &[T]) -> T {
    let mut lanes = [T::NEG_INFINITY; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for (m, &x) in lanes.iter_mut().zip(chunk) {
            *m = if x > *m { x } else { *m };
        }
    }
    if !rest.is_empty() {
        let (last, _) = window(x, T::NEG_INFINITY);
        for (m, x) in lanes.iter_mut().zip(last) {
            *m = if x > *m { x } else { *m };
        }
    }
    fold(lanes, |a, b| if b > a { b } else { a })
}

/// The last elements of a row that whole chunks leave over, behind some that they do not or, in a row that has no more,
/// behind copies of `with`; and how many of these come first. What a short loop would compute one by one, vectors do.
#[inline(always)]
fn window<T: Math>(x: &[T], with: T) -> ([T; LANES], usize) {
    match x.last_chunk() {
        Some(last) => (*last, LANES - x.len() % LANES),
        None => {
            let mut last = [with; LANES];
            last[LANES - x.len()..].copy_from_slice(x);
            (last, LANES - x.len())
        }
    }
}

/// `Σ e^(x - top)`.
#[inline(always)]
fn sum_exp<T: Math, const FMA: bool>(x: &[T], top: T) -> T {
    let mut lanes = [T::ZERO; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for j in 0..LANES {
            lanes[j] += (chunk[j] - top).exp_below::<FMA>();
        }
    }
    if !rest.is_empty() {
        let (last, others) = window(x, top);
        for j in 0..LANES {
            let exp = (last[j] - top).exp_below::<FMA>();
            lanes[j] += if j as u32 >= others as u32 { exp } else { T::ZERO };
        }
    }
    fold(lanes, |a, b| a + b)
}

/// Joins lanes pairwise.
#[inline(always)]
fn fold<T: Math>(mut lanes: [T; LANES], join: impl Fn(T, T) -> T) -> T {
    let mut width = LANES / 2;
    while width > 0 {
        for j in 0..width {
            lanes[j] = join(lanes[j], lanes[j + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// `Σ f(a[i], b[i])` in lanes.
#[inline(always)]
fn sum2<T: Math>(a: &[T], b: &[T], f: impl Fn(T, T) -> T) -> T {
    let mut lanes = [T::ZERO; LANES];
    let ((ac, ar), (bc, br)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in ac.iter().zip(bc) {
        for j in 0..LANES {
            lanes[j] += f(a[j], b[j]);
        }
    }
    for (t, (&a, &b)) in lanes.iter_mut().zip(ar.iter().zip(br)) {
        *t += f(a, b);
    }
    fold(lanes, |a, b| a + b)
}

multiversion! {
    fn softmax_row[T: Math](x: &[T], out: &mut [T]) {
        let top = largest(x);
        let mut lanes = [T::ZERO; LANES];
        let (chunks, rest) = x.as_chunks::<LANES>();
        for (x, o) in chunks.iter().zip(out.as_chunks_mut::<LANES>().0) {
            for j in 0..LANES {
                o[j] = (x[j] - top).exp_below::<FMA>();
                lanes[j] += o[j];
            }
        }
        if !rest.is_empty() {
            let (mut last, others) = window(x, top);
            for j in 0..LANES {
                last[j] = (last[j] - top).exp_below::<FMA>();
                lanes[j] += if j as u32 >= others as u32 { last[j] } else { T::ZERO };
            }
            let count = x.len().min(LANES);
            out[x.len() - count..].copy_from_slice(&last[LANES - count..]);
        }
        let inverse = T::ONE / fold(lanes, |a, b| a + b);
        for o in out {
            *o *= inverse;
        }
    }
}

multiversion! {
    /// The largest element `m`, and `ln Σ e^(x - m)`.
    fn log_sum_exp[T: Math](x: &[T]) -> (T, T) {
        let top = largest(x);
        (top, sum_exp::<T, FMA>(x, top).ln::<FMA>())
    }
}

multiversion! {
    /// Rows of `len`.
    fn log_softmax_rows[T: Math](x: &[T], len: usize, out: &mut [T]) {
        for (x, out) in x.chunks(ROWS * len).zip(out.chunks_mut(ROWS * len)) {
            let (mut top, mut sum) = ([T::ZERO; ROWS], [T::ONE; ROWS]);
            for (row, (top, sum)) in x.chunks_exact(len).zip(top.iter_mut().zip(&mut sum)) {
                *top = largest(row);
                *sum = sum_exp::<T, FMA>(row, *top);
            }
            for sum in &mut sum {
                *sum = sum.ln::<FMA>();
            }
            for (i, (row, out)) in x.chunks_exact(len).zip(out.chunks_exact_mut(len)).enumerate() {
                let (top, ln_sum) = (top[i], sum[i]);
                for (o, &x) in out.iter_mut().zip(row) {
                    *o = (x - top) - ln_sum;
                }
            }
        }
    }
}

/// For some rows that were turned, `Σ e^(x - m)` with the largest element `m` of each. What is added up takes the place of `x`,
/// or if `log` is set, `x - m` does.
#[inline(always)]
fn sums_of_exp<T: Math, const FMA: bool>(columns: &mut [[T; ROWS]], log: bool) -> [T; ROWS] {
    let (mut top, mut sum) = ([T::NEG_INFINITY; ROWS], [T::ZERO; ROWS]);
    for x in &*columns {
        for r in 0..ROWS {
            top[r] = if x[r] > top[r] { x[r] } else { top[r] };
        }
    }
    for x in columns {
        for r in 0..ROWS {
            let below = x[r] - top[r];
            let exp = below.exp_below::<FMA>();
            x[r] = if log { below } else { exp };
            sum[r] += exp;
        }
    }
    sum
}

/// `columns[j][r] = f(r, columns[j][r])` for the first `len` columns.
///
/// Column after column, which the compiler must not see through: it would take columns, instead of rows, for what is to be side
/// by side in AVX-512's vectors, and gather and scatter them.
#[inline(always)]
fn each<T: Math>(columns: &mut Columns<T>, len: usize, mut f: impl FnMut(usize, T) -> T) {
    for j in 0..len {
        let column = &mut columns[black_box(j)];
        for r in 0..ROWS {
            column[r] = f(r, column[r]);
        }
    }
}

/// [`each`] of `f(r, columns[j][r], others[j][r])`.
#[inline(always)]
fn each2<T: Math>(columns: &mut Columns<T>, others: &Columns<T>, len: usize, mut f: impl FnMut(usize, T, T) -> T) {
    for j in 0..len {
        let j = black_box(j);
        let (column, other) = (&mut columns[j], &others[j]);
        for r in 0..ROWS {
            column[r] = f(r, column[r], other[r]);
        }
    }
}

multiversion! {
    /// Rows of at most [`SHORT`] elements.
    fn short_rows[T: Math](kind: Kind, x: &[T], len: usize, out: &mut [T]) {
        let mut columns: Columns<T> = [[T::ZERO; ROWS]; SHORT];
        for (x, out) in x.chunks(ROWS * len).zip(out.chunks_mut(ROWS * len)) {
            turn(x, len, &mut columns);
            match kind {
                Kind::Softmax => {
                    let inverse = sums_of_exp::<T, FMA>(&mut columns[..len], false).map(|sum| T::ONE / sum);
                    each(&mut columns, len, |r, x| x * inverse[r]);
                }
                Kind::LogSoftmax => {
                    let ln_sum = sums_of_exp::<T, FMA>(&mut columns[..len], true).map(|sum| sum.ln::<FMA>());
                    each(&mut columns, len, |r, x| x - ln_sum[r]);
                }
            }
            turn_back(&columns, len, out);
        }
    }
}

multiversion! {
    fn short_rows_backward[T: Math](kind: Kind, y: &[T], dy: &[T], len: usize, out: &mut [T]) {
        let log = matches!(kind, Kind::LogSoftmax);
        let mut ys: Columns<T> = [[T::ZERO; ROWS]; SHORT];
        let mut grads = ys;
        let size = ROWS * len;
        for ((y, dy), out) in y.chunks(size).zip(dy.chunks(size)).zip(out.chunks_mut(size)) {
            turn(y, len, &mut ys);
            turn(dy, len, &mut grads);
            let mut total = [T::ZERO; ROWS];
            if log {
                each(&mut grads, len, |r, dy| {
                    total[r] += dy;
                    dy
                });
                each2(&mut ys, &grads, len, |r, y, dy| dy - y.exp_below::<FMA>() * total[r]);
            } else {
                each2(&mut ys, &grads, len, |r, y, dy| {
                    total[r] += y * dy;
                    y
                });
                each2(&mut ys, &grads, len, |r, y, dy| y * (dy - total[r]));
            }
            turn_back(&ys, len, out);
        }
    }
}

multiversion! {
    fn short_rows_cross_entropy[T: Math, F: Fn(usize) -> Option<usize>](x: &[T], len: usize, target: F, out: &mut [T]) {
        let mut columns: Columns<T> = [[T::ZERO; ROWS]; SHORT];
        for (block, (x, out)) in x.chunks(ROWS * len).zip(out.chunks_mut(ROWS)).enumerate() {
            turn(x, len, &mut columns);
            let ln_sum = sums_of_exp::<T, FMA>(&mut columns[..len], true).map(|sum| sum.ln::<FMA>());
            for (r, out) in out.iter_mut().enumerate() {
                *out = target(block * ROWS + r).map_or(T::ZERO, |class| ln_sum[r] - columns[class][r]);
            }
        }
    }
}

multiversion! {
    fn short_rows_cross_entropy_backward[T: Math, F: Fn(usize) -> Option<usize>](
        x: &[T], len: usize, target: F, grad: &[T], out: &mut [T],
    ) {
        let mut columns: Columns<T> = [[T::ZERO; ROWS]; SHORT];
        let blocks = x.chunks(ROWS * len).zip(grad.chunks(ROWS)).zip(out.chunks_mut(ROWS * len));
        for (block, ((x, grad), out)) in blocks.enumerate() {
            turn(x, len, &mut columns);
            let inverse = sums_of_exp::<T, FMA>(&mut columns[..len], false).map(|sum| T::ONE / sum);
            let mut factor = [T::ZERO; ROWS];
            factor[..grad.len()].copy_from_slice(grad);
            each(&mut columns, len, |r, x| x * inverse[r]);
            for r in 0..grad.len() {
                match target(block * ROWS + r) {
                    Some(class) => columns[class][r] = columns[class][r] - T::ONE,
                    None => {
                        factor[r] = T::ZERO;
                        columns[..len].iter_mut().for_each(|column| column[r] = T::ZERO);
                    }
                }
            }
            each(&mut columns, len, |r, x| x * factor[r]);
            turn_back(&columns, len, out);
        }
    }
}

multiversion! {
    fn softmax_row_backward[T: Math](y: &[T], dy: &[T], out: &mut [T]) {
        let total = sum2(y, dy, |y, dy| y * dy);
        for (o, (&y, &dy)) in out.iter_mut().zip(y.iter().zip(dy)) {
            *o = y * (dy - total);
        }
    }
}

multiversion! {
    fn log_softmax_row_backward[T: Math](y: &[T], dy: &[T], out: &mut [T]) {
        let total = sum2(dy, dy, |dy, _| dy);
        let ((chunks, rest), (others, _)) = (y.as_chunks::<LANES>(), dy.as_chunks::<LANES>());
        for (o, (y, dy)) in out.as_chunks_mut::<LANES>().0.iter_mut().zip(chunks.iter().zip(others)) {
            for j in 0..LANES {
                o[j] = dy[j] - y[j].exp_below::<FMA>() * total;
            }
        }
        if !rest.is_empty() {
            let (mut last, _) = window(y, T::ZERO);
            let (grads, _) = window(dy, T::ZERO);
            for j in 0..LANES {
                last[j] = grads[j] - last[j].exp_below::<FMA>() * total;
            }
            let count = y.len().min(LANES);
            out[y.len() - count..].copy_from_slice(&last[LANES - count..]);
        }
    }
}

multiversion! {
    fn scale[T: Math](x: &mut [T], factor: T) {
        for x in x {
            *x *= factor;
        }
    }
}

multiversion! {
    /// Some columns of one `[len, inner]` block, from `at` on: as many, of at most [`TILE`], as the rows of `out` have.
    fn columns[T: Math](kind: Kind, x: &[T], inner: usize, at: usize, out: &mut [&mut [T]]) {
        let width = out.first().map_or(0, |row| row.len());
        let mut top = [T::NEG_INFINITY; TILE];
        let mut sum = [T::ZERO; TILE];
        for row in x.chunks_exact(inner) {
            for (m, &x) in top.iter_mut().zip(&row[at..at + width]) {
                *m = if x > *m { x } else { *m };
            }
        }
        for (row, out) in x.chunks_exact(inner).zip(&mut *out) {
            let (row, out) = (&row[at..at + width], &mut out[..width]);
            for ((o, &x), (&m, s)) in out.iter_mut().zip(row).zip(top.iter().zip(&mut sum)) {
                *o = (x - m).exp_below::<FMA>();
                *s += *o;
            }
        }
        match kind {
            Kind::Softmax => {
                for s in &mut sum {
                    *s = T::ONE / *s;
                }
                for out in out {
                    for (o, &s) in out[..width].iter_mut().zip(&sum) {
                        *o *= s;
                    }
                }
            }
            Kind::LogSoftmax => {
                for s in &mut sum {
                    *s = s.ln::<FMA>();
                }
                for (row, out) in x.chunks_exact(inner).zip(out) {
                    let (row, out) = (&row[at..at + width], &mut out[..width]);
                    for ((o, &x), (&m, &s)) in out.iter_mut().zip(row).zip(top.iter().zip(&sum)) {
                        *o = (x - m) - s;
                    }
                }
            }
        }
    }
}

multiversion! {
    /// The same for the gradient.
    fn columns_backward[T: Math](kind: Kind, y: &[T], dy: &[T], inner: usize, at: usize, out: &mut [&mut [T]]) {
        let width = out.first().map_or(0, |row| row.len());
        let log = matches!(kind, Kind::LogSoftmax);
        let mut total = [T::ZERO; TILE];
        for (y, dy) in y.chunks_exact(inner).zip(dy.chunks_exact(inner)) {
            for (t, (&y, &dy)) in total.iter_mut().zip(y[at..at + width].iter().zip(&dy[at..at + width])) {
                *t += if log { dy } else { y * dy };
            }
        }
        for ((y, dy), out) in y.chunks_exact(inner).zip(dy.chunks_exact(inner)).zip(out) {
            let (y, dy, out) = (&y[at..at + width], &dy[at..at + width], &mut out[..width]);
            for ((o, &t), (&y, &dy)) in out.iter_mut().zip(&total).zip(y.iter().zip(dy)) {
                *o = if log { dy - y.exp_below::<FMA>() * t } else { y * (dy - t) };
            }
        }
    }
}
