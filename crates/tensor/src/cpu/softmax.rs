//! Softmax, its logarithm and the cross entropy: one pass for the largest, one for the exponentials, both in cache.

use super::math::Math;
use super::par;
use super::simd::multiversion;

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
    let block = len * inner;
    par::chunks(out, block, COST, |start, out| {
        for (i, out) in out.chunks_exact_mut(block).enumerate() {
            let x = &x[start + i * block..][..block];
            match (kind, inner) {
                (Kind::Softmax, 1) => softmax_row(x, out),
                (Kind::LogSoftmax, 1) => log_softmax_row(x, out),
                _ => (0..inner).step_by(TILE).for_each(|at| columns(kind, x, inner, at, out)),
            }
        }
    });
}

/// The gradient from that of the output `dy` and the output `y`.
pub(crate) fn backward<T: Math>(kind: Kind, y: &[T], dy: &[T], len: usize, inner: usize, out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    let block = len * inner;
    par::chunks(out, block, COST, |start, out| {
        for (i, out) in out.chunks_exact_mut(block).enumerate() {
            let range = start + i * block..start + (i + 1) * block;
            let (y, dy) = (&y[range.clone()], &dy[range]);
            match (kind, inner) {
                (Kind::Softmax, 1) => softmax_row_backward(y, dy, out),
                (Kind::LogSoftmax, 1) => log_softmax_row_backward(y, dy, out),
                _ => (0..inner).step_by(TILE).for_each(|at| columns_backward(kind, y, dy, inner, at, out)),
            }
        }
    });
}

/// `out[i] = ln Σ e^x[i, ..] - x[i, target[i]]`, zero where the target is `None`.
pub(crate) fn cross_entropy<T: Math>(
    x: &[T],
    len: usize,
    target: impl Fn(usize) -> Option<usize> + Sync,
    out: &mut [T],
) {
    par::chunks(out, 1, len * COST, |start, out| {
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
    for (m, &x) in lanes.iter_mut().zip(rest) {
        *m = if x > *m { x } else { *m };
    }
    fold(lanes, |a, b| if b > a { b } else { a })
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
        let ((xc, xr), (oc, or)) = (x.as_chunks::<LANES>(), out.as_chunks_mut::<LANES>());
        for (x, o) in xc.iter().zip(oc) {
            for j in 0..LANES {
                o[j] = (x[j] - top).exp::<FMA>();
                lanes[j] += o[j];
            }
        }
        for (t, (&x, o)) in lanes.iter_mut().zip(xr.iter().zip(or)) {
            *o = (x - top).exp::<FMA>();
            *t += *o;
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
        (top, sum2(x, x, |x, _| (x - top).exp::<FMA>()).ln::<FMA>())
    }
}

multiversion! {
    fn log_softmax_row[T: Math](x: &[T], out: &mut [T]) {
        let top = largest(x);
        let ln_sum = sum2(x, x, |x, _| (x - top).exp::<FMA>()).ln::<FMA>();
        for (o, &x) in out.iter_mut().zip(x) {
            *o = (x - top) - ln_sum;
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
        for (o, (&y, &dy)) in out.iter_mut().zip(y.iter().zip(dy)) {
            *o = dy - y.exp::<FMA>() * total;
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
    /// Columns `at..at + TILE` of one `[len, inner]` block.
    fn columns[T: Math](kind: Kind, x: &[T], inner: usize, at: usize, out: &mut [T]) {
        let width = TILE.min(inner - at);
        let mut top = [T::NEG_INFINITY; TILE];
        let mut sum = [T::ZERO; TILE];
        for row in x.chunks_exact(inner) {
            for (m, &x) in top.iter_mut().zip(&row[at..at + width]) {
                *m = if x > *m { x } else { *m };
            }
        }
        for (row, out) in x.chunks_exact(inner).zip(out.chunks_exact_mut(inner)) {
            let (row, out) = (&row[at..at + width], &mut out[at..at + width]);
            for ((o, &x), (&m, s)) in out.iter_mut().zip(row).zip(top.iter().zip(&mut sum)) {
                *o = (x - m).exp::<FMA>();
                *s += *o;
            }
        }
        match kind {
            Kind::Softmax => {
                for s in &mut sum {
                    *s = T::ONE / *s;
                }
                for out in out.chunks_exact_mut(inner) {
                    for (o, &s) in out[at..at + width].iter_mut().zip(&sum) {
                        *o *= s;
                    }
                }
            }
            Kind::LogSoftmax => {
                for s in &mut sum {
                    *s = s.ln::<FMA>();
                }
                for (row, out) in x.chunks_exact(inner).zip(out.chunks_exact_mut(inner)) {
                    let (row, out) = (&row[at..at + width], &mut out[at..at + width]);
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
    fn columns_backward[T: Math](kind: Kind, y: &[T], dy: &[T], inner: usize, at: usize, out: &mut [T]) {
        let width = TILE.min(inner - at);
        let log = matches!(kind, Kind::LogSoftmax);
        let mut total = [T::ZERO; TILE];
        for (y, dy) in y.chunks_exact(inner).zip(dy.chunks_exact(inner)) {
            for (t, (&y, &dy)) in total.iter_mut().zip(y[at..at + width].iter().zip(&dy[at..at + width])) {
                *t += if log { dy } else { y * dy };
            }
        }
        for ((y, dy), out) in y.chunks_exact(inner).zip(dy.chunks_exact(inner)).zip(out.chunks_exact_mut(inner)) {
            let (y, dy, out) = (&y[at..at + width], &dy[at..at + width], &mut out[at..at + width]);
            for ((o, &t), (&y, &dy)) in out.iter_mut().zip(&total).zip(y.iter().zip(dy)) {
                *o = if log { dy - y.exp::<FMA>() * t } else { y * (dy - t) };
            }
        }
    }
}
