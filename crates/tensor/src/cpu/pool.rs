//! Pooling over planes: maxima with their positions, and means over windows.

use super::par;
use super::simd::{Real, multiversion};

/// Where max pooling looks: sizes of the planes and the window.
#[derive(Clone, Copy)]
pub(crate) struct MaxWindow {
    pub(crate) input: [usize; 2],
    pub(crate) output: [usize; 2],
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) padding: [usize; 2],
    pub(crate) dilation: [usize; 2],
}

impl MaxWindow {
    /// Whether windows of 2x2 lie side by side, the usual case.
    pub(crate) fn halves(&self) -> bool {
        self.kernel == [2, 2]
            && self.stride == [2, 2]
            && self.padding == [0, 0]
            && self.dilation == [1, 1]
            && self.output[0] * 2 <= self.input[0]
            && self.output[1] * 2 <= self.input[1]
    }
}

/// Runs `f(x, out, positions)` for every plane, in parallel if the whole is worth it.
fn planes<T: Real>(
    x: &[T],
    w: &MaxWindow,
    out: &mut [T],
    at: &mut [i32],
    f: impl Fn(&[T], &mut [T], &mut [i32]) + Sync,
) {
    let (inner, outer) = (w.input[0] * w.input[1], w.output[0] * w.output[1]);
    if inner == 0 || outer == 0 {
        return;
    }
    if !par::worth(x.len()) {
        return x
            .chunks_exact(inner)
            .zip(out.chunks_exact_mut(outer))
            .zip(at.chunks_exact_mut(outer))
            .for_each(|((x, o), a)| f(x, o, a));
    }
    // Whole planes, so many that a task is worth its start.
    let group = par::GRAIN.div_ceil(inner);
    let pieces = x.chunks(inner * group).zip(out.chunks_mut(outer * group)).zip(at.chunks_mut(outer * group));
    par::share(pieces, x.len(), &|_, ((x, o), a)| {
        x.chunks_exact(inner)
            .zip(o.chunks_exact_mut(outer))
            .zip(a.chunks_exact_mut(outer))
            .for_each(|((x, o), a)| f(x, o, a));
    });
}

/// The largest element of every window and its position in the plane. The first of equals wins; a NaN wins over all.
pub(crate) fn max<T: Real>(x: &[T], w: &MaxWindow, out: &mut [T], at: &mut [i32]) {
    if w.halves() {
        planes(x, w, out, at, |x, out, at| max_halving(x, w.input[1], w.output[1], out, at));
    } else {
        planes(x, w, out, at, |x, out, at| max_plane(x, w, out, at));
    }
}

/// [`max`] without the positions, for windows that [halve](MaxWindow::halves) the planes.
pub(crate) fn max_of_halves<T: Real>(x: &[T], w: &MaxWindow, out: &mut [T]) {
    let (inner, cols) = (w.input[0] * w.input[1], w.output[1]);
    let outer = w.output[0] * cols;
    par::chunks(out, outer.max(1), 4, |start, out| {
        let x = &x[start / outer * inner..];
        for (x, out) in x.chunks_exact(inner).zip(out.chunks_exact_mut(outer)) {
            largest_of_four(x, w.input[1], cols, out);
        }
    });
}

/// Whether `new` replaces `old` as the largest.
#[inline(always)]
#[allow(clippy::eq_op)]
fn beats<T: Real>(new: T, old: T) -> bool {
    (new > old) | (new != new)
}

multiversion! {
    /// Windows of 2x2 side by side, the usual case. Which of the four won is found in the lanes of the values and turned
    /// into a position afterwards, so that both loops vectorise.
    fn max_halving[T: Real](x: &[T], width: usize, cols: usize, out: &mut [T], at: &mut [i32]) {
        let mut codes = [0u32; 64];
        for (i, (out, at)) in out.chunks_exact_mut(cols).zip(at.chunks_exact_mut(cols)).enumerate() {
            let start = 2 * i * width;
            let upper = x[start..start + 2 * cols].as_chunks::<2>().0;
            let lower = x[start + width..start + width + 2 * cols].as_chunks::<2>().0;
            for (block, (out, at)) in out.chunks_mut(64).zip(at.chunks_mut(64)).enumerate() {
                let first = 64 * block;
                let (upper, lower) = (&upper[first..first + out.len()], &lower[first..first + out.len()]);
                for ((o, code), (u, l)) in out.iter_mut().zip(&mut codes).zip(upper.iter().zip(lower)) {
                    let (mut best, mut place) = (u[0], 0);
                    for (value, code) in [(u[1], 1), (l[0], 2), (l[1], 3)] {
                        let wins = beats(value, best);
                        best = if wins { value } else { best };
                        place = if wins { code } else { place };
                    }
                    (*o, *code) = (best, place);
                }
                let corner = (start + 2 * first) as i32;
                for (j, (at, &code)) in at.iter_mut().zip(&codes).enumerate() {
                    *at = corner + 2 * j as i32 + (code & 1) as i32 + (code >> 1) as i32 * width as i32;
                }
            }
        }
    }
}

multiversion! {
    /// The largest elements of windows of 2x2 side by side.
    fn largest_of_four[T: Real](x: &[T], width: usize, cols: usize, out: &mut [T]) {
        for (i, out) in out.chunks_exact_mut(cols).enumerate() {
            let start = 2 * i * width;
            let upper = x[start..start + 2 * cols].as_chunks::<2>().0;
            let lower = x[start + width..start + width + 2 * cols].as_chunks::<2>().0;
            for (o, (u, l)) in out.iter_mut().zip(upper.iter().zip(lower)) {
                *o = [u[1], l[0], l[1]].into_iter().fold(u[0], |best, x| if beats(x, best) { x } else { best });
            }
        }
    }
}

/// A horizontal stride that the compiler knows; 0 for one that it does not.
struct Stride<const STRIDE: usize>;

fn max_plane<T: Real>(x: &[T], w: &MaxWindow, out: &mut [T], at: &mut [i32]) {
    match w.stride[1] {
        1 => max_rows(Stride::<1>, x, w, out, at),
        2 => max_rows(Stride::<2>, x, w, out, at),
        _ => max_rows(Stride::<0>, x, w, out, at),
    }
}

multiversion! {
    /// First along the rows of the input, then down the columns of what they gave: of equal elements the first of the
    /// window, row by row, stays the winner. Every loop runs over a whole row of outputs, so that it vectorises.
    fn max_rows[T: Real, const STRIDE: usize](_stride: Stride<STRIDE>, x: &[T], w: &MaxWindow, out: &mut [T], at: &mut [i32]) {
        let (rows, cols) = (Axis::of(w, 0), Axis::of(w, 1));
        let (width, count) = (w.input[1], w.output[1]);
        let step = if STRIDE == 0 { w.stride[1] } else { STRIDE };
        let taps: Vec<(usize, usize, usize)> = (0..w.kernel[1]).map(|tap| cols.outputs(tap, count)).collect();
        let firsts: Vec<u32> = (0..count).map(|j| cols.taps(j).0 as u32).collect();
        let windows: Vec<(usize, usize)> = (0..w.output[0]).map(|i| rows.taps(i)).collect();
        // The best element of each window's part of a row, and its position.
        let mut best = vec![T::NEG_INFINITY; w.input[0] * count];
        let mut places = vec![0u32; w.input[0] * count];
        let mut values = vec![T::ZERO; count];
        let mut done = vec![false; w.input[0]];
        for &(first_row, row_count) in &windows {
            for y in (0..row_count).map(|r| first_row + r * w.dilation[0]) {
                if std::mem::replace(&mut done[y], true) {
                    continue;
                }
                let row = &x[y * width..][..width];
                let (best, places) = (&mut best[y * count..][..count], &mut places[y * count..][..count]);
                places.iter_mut().zip(&firsts).for_each(|(place, &first)| *place = (y * width) as u32 + first);
                for &(from, to, first) in &taps {
                    let values = side_by_side::<T, STRIDE>(&row[first..], step, &mut values[..to - from]);
                    let mut position = (y * width + first) as u32;
                    for ((o, place), &value) in best[from..to].iter_mut().zip(&mut places[from..to]).zip(values) {
                        let wins = beats(value, *o);
                        *o = if wins { value } else { *o };
                        *place = if wins { position } else { *place };
                        position = position.wrapping_add(step as u32);
                    }
                }
            }
        }
        let outputs = out.chunks_exact_mut(count).zip(at.chunks_exact_mut(count));
        for ((out, at), &(first_row, row_count)) in outputs.zip(&windows) {
            out.fill(T::NEG_INFINITY);
            for (at, &first) in at.iter_mut().zip(&firsts) {
                *at = ((first_row * width) as u32 + first) as i32;
            }
            for y in (0..row_count).map(|r| first_row + r * w.dilation[0]) {
                let (best, places) = (&best[y * count..][..count], &places[y * count..][..count]);
                for ((o, at), (&value, &place)) in out.iter_mut().zip(at.iter_mut()).zip(best.iter().zip(places)) {
                    let wins = beats(value, *o);
                    *o = if wins { value } else { *o };
                    *at = if wins { place as i32 } else { *at };
                }
            }
        }
    }
}

/// Every `step`-th element of a row: the row itself, or copies in `out`, whose length says how many.
#[inline(always)]
fn side_by_side<'a, T: Real, const STRIDE: usize>(row: &'a [T], step: usize, out: &'a mut [T]) -> &'a [T] {
    let count = out.len();
    if STRIDE == 1 {
        return &row[..count];
    }
    let mut done = 0;
    if STRIDE == 2 {
        let pairs = row.as_chunks::<2>().0;
        done = count.min(pairs.len());
        out[..done].iter_mut().zip(&pairs[..done]).for_each(|(o, pair)| *o = pair[0]);
    }
    for j in done..count {
        out[j] = row[j * step];
    }
    out
}

/// One axis of a max window.
struct Axis {
    size: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
}

impl Axis {
    fn of(w: &MaxWindow, d: usize) -> Axis {
        Axis {
            size: w.input[d],
            kernel: w.kernel[d],
            stride: w.stride[d],
            padding: w.padding[d],
            dilation: w.dilation[d],
        }
    }

    /// The outputs (from, to) of `count` whose tap `tap` is inside the plane, and the element that the first of them sees.
    fn outputs(&self, tap: usize, count: usize) -> (usize, usize, usize) {
        let shift = tap * self.dilation;
        let from = self.padding.saturating_sub(shift).div_ceil(self.stride);
        let to = (self.size + self.padding).saturating_sub(shift).div_ceil(self.stride).min(count);
        if from >= to { (0, 0, 0) } else { (from, to, from * self.stride + shift - self.padding) }
    }

    /// The first element of window `i` inside the plane, and how many follow at the dilation's distance.
    fn taps(&self, i: usize) -> (usize, usize) {
        let start = i * self.stride;
        let skipped = self.padding.saturating_sub(start).div_ceil(self.dilation);
        let first = start + skipped * self.dilation - self.padding;
        let fitting = self.size.saturating_sub(first).div_ceil(self.dilation);
        (first, fitting.min(self.kernel - skipped.min(self.kernel)))
    }
}

/// Adds every gradient to its position in its plane: the adjoint of taking elements at positions.
pub(crate) fn scatter<T: Real>(grad: &[T], at: &[i32], outer: usize, inner: usize, out: &mut [T]) {
    if inner == 0 {
        return;
    }
    par::chunks(out, inner, 1, |start, piece| {
        piece.fill(T::ZERO);
        let plane = start / inner;
        for (k, target) in piece.chunks_exact_mut(inner).enumerate() {
            let range = (plane + k) * outer..(plane + k + 1) * outer;
            grad[range.clone()].iter().zip(&at[range]).for_each(|(&g, &i)| target[i as usize] += g);
        }
    });
}

/// The elements of each plane at positions.
pub(crate) fn gather<T: Real>(x: &[T], at: &[i32], outer: usize, inner: usize, out: &mut [T]) {
    if outer == 0 {
        return;
    }
    par::chunks(out, outer, 2, |start, piece| {
        let plane = start / outer;
        for (k, target) in piece.chunks_exact_mut(outer).enumerate() {
            let source = &x[(plane + k) * inner..(plane + k + 1) * inner];
            let places = &at[(plane + k) * outer..(plane + k + 1) * outer];
            target.iter_mut().zip(places).for_each(|(o, &i)| *o = source[i as usize]);
        }
    });
}

/// A window of a mean along one axis: its elements, and the size that it counts for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) size: usize,
}

/// Windows of a mean along both axes; `divisor` replaces the product of their sizes.
pub(crate) struct MeanWindow {
    pub(crate) input: [usize; 2],
    pub(crate) rows: Vec<Span>,
    pub(crate) cols: Vec<Span>,
    pub(crate) divisor: Option<f64>,
}

impl MeanWindow {
    fn scale<T: Real>(&self, row: &Span, col: &Span) -> T {
        T::of(self.divisor.unwrap_or((row.size * col.size) as f64))
    }
}

multiversion! {
    /// The sum of a slice in sixteen lanes, added up in a fixed order.
    fn sum[T: Real](x: &[T]) -> T {
        let mut lanes = [T::ZERO; 16];
        let chunks = x.chunks_exact(16);
        let mut rest = T::ZERO;
        chunks.remainder().iter().for_each(|&v| rest += v);
        for chunk in chunks {
            lanes.iter_mut().zip(chunk).for_each(|(l, &v)| *l += v);
        }
        let mut width = 8;
        while width > 0 {
            for i in 0..width {
                lanes[i] += lanes[i + width];
            }
            width /= 2;
        }
        lanes[0] + rest
    }
}

/// The mean of every window.
pub(crate) fn mean<T: Real>(x: &[T], w: &MeanWindow, out: &mut [T]) {
    let inner = w.input[0] * w.input[1];
    let outer = w.rows.len() * w.cols.len();
    if outer == 0 {
        return;
    }
    par::chunks(out, outer, (inner / outer).max(1), |start, piece| {
        for (k, target) in piece.chunks_exact_mut(outer).enumerate() {
            let plane = &x[(start / outer + k) * inner..][..inner];
            for (i, row) in w.rows.iter().enumerate() {
                for (j, col) in w.cols.iter().enumerate() {
                    let total = if col.start == 0 && col.end == w.input[1] {
                        sum(&plane[row.start * w.input[1]..row.end * w.input[1]])
                    } else {
                        let mut total = T::ZERO;
                        for r in row.start..row.end {
                            plane[r * w.input[1] + col.start..r * w.input[1] + col.end]
                                .iter()
                                .for_each(|&v| total += v);
                        }
                        total
                    };
                    let empty = row.start >= row.end || col.start >= col.end;
                    target[i * w.cols.len() + j] = if empty { T::ZERO } else { total / w.scale(row, col) };
                }
            }
        }
    });
}

/// Spreads every gradient evenly over its window: the adjoint of [`mean`].
pub(crate) fn spread<T: Real>(grad: &[T], w: &MeanWindow, out: &mut [T]) {
    let inner = w.input[0] * w.input[1];
    let outer = w.rows.len() * w.cols.len();
    if inner == 0 {
        return;
    }
    par::chunks(out, inner, 2, |start, piece| {
        piece.fill(T::ZERO);
        for (k, target) in piece.chunks_exact_mut(inner).enumerate() {
            let grad = &grad[(start / inner + k) * outer..][..outer];
            for (i, row) in w.rows.iter().enumerate() {
                for (j, col) in w.cols.iter().enumerate() {
                    let share = grad[i * w.cols.len() + j] / w.scale(row, col);
                    for r in row.start..row.end {
                        target[r * w.input[1] + col.start..r * w.input[1] + col.end]
                            .iter_mut()
                            .for_each(|v| *v += share);
                    }
                }
            }
        }
    });
}
