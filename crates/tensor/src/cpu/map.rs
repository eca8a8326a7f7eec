//! Elementwise loops: operands of any layout are cut into blocks of plain slices, on which kernels work.

use super::math::Math;
use super::par;
use super::simd::{fma, multiversion};
use super::walk::Walk;
use crate::Element;
use crate::layout::Layout;
use std::hint::select_unpredictable;

/// Elements per block where operands are gathered or converted first: scratch stays in the first-level cache.
const BLOCK: usize = 512;
/// Rows shorter than this are gathered several at a time.
const SHORT: usize = 24;
/// Elements in a block of rows of which some operand repeats one: a part of the first-level cache.
const REPEATED: usize = 2048;
/// Elements after which the widest vectors begin anew.
const VECTOR: usize = 16;

/// What is done to slices of equal length, `N` operands and a result.
pub(crate) type Kernel<'k, S, O, const N: usize> = dyn Fn([&[S]; N], &mut [O]) + Sync + 'k;
/// A binary kernel on slices of equal length.
pub(crate) type Zip<T, O> = fn(&[T], &[T], &mut [O]);

/// `out[i] = kernel(x[0][i], x[1][i], …)` over `N` operands that have `shape` after broadcasting, in C order.
///
/// The kernel gets slices of equal length; how the elements are cut into slices is not specified.
pub(crate) fn run<S: Element, O: Element, const N: usize>(
    shape: &[usize],
    operands: [(&[S], &Layout); N],
    out: &mut [O],
    cost: usize,
    kernel: &Kernel<'_, S, O, N>,
) {
    if out.is_empty() {
        return;
    }
    let (data, offsets, strides) = parts(&operands);
    if operands.iter().all(|(_, layout)| layout.is_contiguous()) {
        return par::chunks(out, 1, cost, |start, piece| kernel(slices(data, offsets, start, piece.len()), piece));
    }
    let walk = Walk::new(shape, strides);
    let len = walk.row_len();
    if repeated_rows(&walk, data, offsets, out, cost, kernel) {
        return;
    }
    par::chunks(out, len, cost + 1, |start, piece| {
        let rows = start / len..(start + piece.len()) / len;
        if len < SHORT {
            short_rows(&walk, rows, data, offsets, piece, kernel);
        } else {
            long_rows(&walk, rows, data, offsets, piece, kernel);
        }
    });
}

/// Data, offset and strides of each operand.
fn parts<'a, S, const N: usize>(operands: &[(&'a [S], &'a Layout); N]) -> ([&'a [S]; N], [usize; N], [&'a [isize]; N]) {
    let (mut data, mut offsets, mut strides) = ([&[][..]; N], [0; N], [&[][..]; N]);
    for (k, &(own, layout)) in operands.iter().enumerate() {
        (data[k], offsets[k], strides[k]) = (own, layout.offset(), layout.strides());
    }
    (data, offsets, strides)
}

/// `len` elements of each operand, from its own place and `start` on.
fn slices<S, const N: usize>(data: [&[S]; N], at: [usize; N], start: usize, len: usize) -> [&[S]; N] {
    let mut out = data;
    for k in 0..N {
        out[k] = &data[k][at[k] + start..][..len];
    }
    out
}

/// Blocks of several rows, where each operand either lies in rows that follow each other or has one row for all, such as a bias:
/// that is written down as often as it is needed. Says whether it is so.
///
/// A call per row costs 20 ns, and vectors would lie across cache lines in most rows.
fn repeated_rows<S: Element, O: Element, const N: usize>(
    walk: &Walk<N>,
    data: [&[S]; N],
    offsets: [usize; N],
    out: &mut [O],
    cost: usize,
    kernel: &Kernel<'_, S, O, N>,
) -> bool {
    let (len, steps) = (walk.row_len(), walk.row_strides());
    // So many rows end where a vector does.
    let whole = VECTOR >> len.trailing_zeros().min(VECTOR.trailing_zeros());
    let fit = REPEATED / len;
    let count = if fit > whole { fit / whole * whole } else { fit }.min(walk.rows());
    let dense = std::array::from_fn::<bool, N, _>(|k| steps[k] == 1 && walk.is_dense(k));
    let repeated = |k: usize| walk.strides[k][..walk.shape.len() - 1].iter().all(|&stride| stride == 0);
    if count < 2 || !(0..N).all(|k| dense[k] || repeated(k)) {
        return false;
    }
    let size = count * len;
    let blocks: [Vec<S>; N] = std::array::from_fn(|k| {
        let mut block = vec![S::ZERO; if dense[k] { 0 } else { size }];
        if let Some(row) = block.get_mut(..len) {
            gather(data[k], offsets[k] as isize, steps[k], row);
            (1..count).for_each(|i| block.copy_within(..len, i * len));
        }
        block
    });
    par::chunks(out, size, cost, |start, out| {
        for (i, out) in out.chunks_mut(size).enumerate() {
            let rows = std::array::from_fn(|k| {
                if dense[k] { &data[k][offsets[k] + start + i * size..][..out.len()] } else { &blocks[k][..out.len()] }
            });
            kernel(rows, out);
        }
    });
    true
}

/// Rows that are worth a kernel call each: slices where memory allows, scratch elsewhere.
fn long_rows<S: Element, O: Element, const N: usize>(
    walk: &Walk<N>,
    rows: std::ops::Range<usize>,
    data: [&[S]; N],
    offsets: [usize; N],
    out: &mut [O],
    kernel: &Kernel<'_, S, O, N>,
) {
    let len = walk.row_len();
    let steps = walk.row_strides();
    let mut scratch = [[S::ZERO; BLOCK]; N];
    let mut out = out.chunks_exact_mut(len);
    let direct = steps.iter().all(|&s| s == 1);
    walk.each_row(rows, offsets, |at| {
        let row = out.next().expect("one chunk per row");
        if direct {
            return kernel(slices(data, at, 0, len), row);
        }
        for k in 0..N {
            if steps[k] == 0 {
                scratch[k][..len.min(BLOCK)].fill(data[k][at[k]]);
            }
        }
        for (block, piece) in row.chunks_mut(BLOCK).enumerate() {
            let start = block * BLOCK;
            for k in 0..N {
                if steps[k] != 0 && steps[k] != 1 {
                    gather(
                        data[k],
                        at[k] as isize + start as isize * steps[k],
                        steps[k],
                        &mut scratch[k][..piece.len()],
                    );
                }
            }
            let mut slices = [&[][..]; N];
            for k in 0..N {
                slices[k] = if steps[k] == 1 { &data[k][at[k] + start..] } else { &scratch[k][..] };
                slices[k] = &slices[k][..piece.len()];
            }
            kernel(slices, piece);
        }
    });
}

/// Rows too short for a kernel call each: several are gathered into one block.
fn short_rows<S: Element, O: Element, const N: usize>(
    walk: &Walk<N>,
    rows: std::ops::Range<usize>,
    data: [&[S]; N],
    offsets: [usize; N],
    out: &mut [O],
    kernel: &Kernel<'_, S, O, N>,
) {
    let len = walk.row_len();
    let steps = walk.row_strides();
    let last = walk.shape.len() - 1;
    // An operand whose rows follow each other is used where it lies; one whose rows are all the same fills its block
    // once. Only the others need the walk.
    let (mut dense, mut same) = ([false; N], [false; N]);
    for k in 0..N {
        dense[k] = steps[k] == 1 && walk.is_dense(k);
        same[k] = walk.strides[k][..last].iter().all(|&s| s == 0);
    }
    let mut scratch = [[S::ZERO; BLOCK]; N];
    let per_block = BLOCK / len;
    for k in (0..N).filter(|&k| same[k]) {
        scratch[k]
            .chunks_exact_mut(len)
            .take(rows.len())
            .for_each(|row| gather(data[k], offsets[k] as isize, steps[k], row));
    }
    let first = rows.start;
    let emit = |scratch: &[[S; BLOCK]; N], row: usize, piece: &mut [O]| {
        let mut slices = [&[][..]; N];
        for k in 0..N {
            slices[k] = if dense[k] { &data[k][offsets[k] + row * len..] } else { &scratch[k][..] };
            slices[k] = &slices[k][..piece.len()];
        }
        kernel(slices, piece);
    };
    let mut out = out.chunks_mut(per_block * len).enumerate();
    let mut filled = 0;
    let mut left = rows.len();
    walk.each_row(rows, offsets, |at| {
        for k in (0..N).filter(|&k| !dense[k] && !same[k]) {
            gather(data[k], at[k] as isize, steps[k], &mut scratch[k][filled..filled + len]);
        }
        filled += len;
        left -= 1;
        if filled == per_block * len || left == 0 {
            let (block, piece) = out.next().expect("one chunk per block");
            emit(&scratch, first + block * per_block, piece);
            filled = 0;
        }
    });
}

/// `to[i] = data[first + i * step]`, compiled once per element type: a call is little beside the rest of a row's work.
#[inline(never)]
pub(crate) fn gather<S: Copy>(data: &[S], first: isize, step: isize, to: &mut [S]) {
    let (len, at) = (to.len(), first as usize);
    match step {
        _ if len == 0 => {}
        0 => to.fill(data[at]),
        1 => super::copy::run(&data[at..][..len], to),
        -1 => backwards(&data[at + 1 - len..][..len], to),
        2 => every_other(&data[at..][..2 * len - 1], to),
        3.. => spaced(&data[at..][..(len - 1) * step as usize + 1], step as usize, to),
        _ => {
            let mut index = first;
            for o in to {
                *o = data[index as usize];
                index += step;
            }
        }
    }
}

/// Every so many elements; four at a time, whose places are checked together.
fn spaced<S: Copy>(data: &[S], step: usize, to: &mut [S]) {
    let (fours, rest) = to.as_chunks_mut::<4>();
    let done = 4 * fours.len();
    for (four, x) in fours.iter_mut().zip(data.chunks(4 * step)) {
        let x = &x[..3 * step + 1];
        *four = [x[0], x[step], x[2 * step], x[3 * step]];
    }
    rest.iter_mut().enumerate().for_each(|(i, o)| *o = data[(done + i) * step]);
}

multiversion! {
    /// The elements from the last to the first.
    fn backwards[S: Copy](data: &[S], to: &mut [S]) {
        to.iter_mut().zip(data.iter().rev()).for_each(|(o, &x)| *o = x);
    }
}
multiversion! {
    /// Elements 0, 2, and so on; the last is the end of the data.
    fn every_other[S: Copy](data: &[S], to: &mut [S]) {
        let (pairs, last) = data.as_chunks::<2>();
        to.iter_mut().zip(pairs).for_each(|(o, &[x, _])| *o = x);
        to[pairs.len()] = last[0];
    }
}

/// Applies a binary kernel to a slice and a number: `out = kernel(x, c)`, or `kernel(c, x)` if `first` is set.
#[inline]
pub(crate) fn with_scalar<T: Copy, O>(x: &[T], c: T, first: bool, out: &mut [O], kernel: Zip<T, O>) {
    // The number becomes a block: a load from the first-level cache per vector costs less than a second copy of
    // every kernel for this case would cost in compile time and size.
    let block = [c; BLOCK];
    for (x, out) in x.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
        let c = &block[..x.len()];
        if first { kernel(c, x, out) } else { kernel(x, c, out) }
    }
}

/// `out[i] = kernel(out[i], y[i])` where both have equal length.
pub(crate) fn zip_in_place<T: Element>(y: &[T], out: &mut [T], kernel: Zip<T, T>) {
    if out.len() <= 16 {
        // To clear a whole block would take longer than the rest.
        let mut before = [T::ZERO; 16];
        before[..out.len()].copy_from_slice(out);
        return kernel(&before[..out.len()], y, out);
    }
    let mut before = [T::ZERO; BLOCK];
    for (y, out) in y.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
        let before = &mut before[..out.len()];
        before.copy_from_slice(out);
        kernel(before, y, out);
    }
}

/// `out[i] = kernel(out[i], c)`.
pub(crate) fn number_in_place<T: Element>(c: T, out: &mut [T], kernel: Zip<T, T>) {
    let (number, mut before) = ([c; BLOCK], [T::ZERO; BLOCK]);
    for out in out.chunks_mut(BLOCK) {
        let before = &mut before[..out.len()];
        before.copy_from_slice(out);
        kernel(before, &number[..out.len()], out);
    }
}

multiversion! {
    /// `out[i] += number`.
    pub(crate) fn shift[T: Math](number: T, out: &mut [T]) {
        for o in out {
            *o += number;
        }
    }
}

multiversion! {
    /// `out[i] *= factor`.
    pub(crate) fn scale[T: Math](factor: T, out: &mut [T]) {
        for o in out {
            *o *= factor;
        }
    }
}

multiversion! {
    /// `out[i] += alpha * x[i]`, fused where the processor can.
    pub(crate) fn add_scaled[T: Math](alpha: T, x: &[T], out: &mut [T]) {
        for (o, &x) in out.iter_mut().zip(x) {
            *o = fma::<FMA, T>(alpha, x, *o);
        }
    }
}

/// One side of a [`select`].
#[derive(Clone, Copy)]
pub(crate) enum Source<'a, T> {
    /// An element each.
    Slice(&'a [T]),
    /// The same for all.
    Number(T),
}

impl<'a, T: Copy> Source<'a, T> {
    fn part(self, start: usize, len: usize) -> Source<'a, T> {
        match self {
            Source::Slice(x) => Source::Slice(&x[start..][..len]),
            number => number,
        }
    }
}

/// `out[i] = if mask[i] { a[i] } else { b[i] }`, without branches: masks are seldom foreseen, and so the loop is vectorised.
pub(crate) fn select<T: Element>(mask: &[bool], a: Source<'_, T>, b: Source<'_, T>, out: &mut [T]) {
    use Source::{Number, Slice};
    par::chunks(out, 1, 1, |start, out| {
        let len = out.len();
        let each = out.iter_mut().zip(&mask[start..][..len]);
        match (a.part(start, len), b.part(start, len)) {
            (Slice(a), Slice(b)) => {
                each.zip(a.iter().zip(b)).for_each(|((o, &m), (&a, &b))| *o = select_unpredictable(m, a, b))
            }
            (Slice(a), Number(b)) => each.zip(a).for_each(|((o, &m), &a)| *o = select_unpredictable(m, a, b)),
            (Number(a), Slice(b)) => each.zip(b).for_each(|((o, &m), &b)| *o = select_unpredictable(m, a, b)),
            (Number(a), Number(b)) => each.for_each(|(o, &m)| *o = select_unpredictable(m, a, b)),
        }
    });
}
