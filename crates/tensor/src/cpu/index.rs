//! Moving elements to and from computed positions: select, gather, scatter, joins.
//!
//! All of it sees an operand as `outer × axis × inner`. Positions are storage offsets that were checked against the
//! operand's shape by `ops`; reads and writes are bounds-checked slices all the same.

use super::copy::{SHORT, run, short_run};
use super::par;
use super::simd::multiversion;
use super::walk::Walk;
use crate::layout::Layout;
use crate::shape::{Shape, numel};
use crate::{DType, Element, Tensor, bf16, f16, match_dtype};
use std::ops::Range;

/// The offsets of all elements of a shape in C order, from the first.
pub(crate) fn offsets(shape: &[usize], strides: &[isize]) -> Vec<isize> {
    let mut out = Vec::with_capacity(numel(shape));
    if shape.contains(&0) {
        return out;
    }
    out.push(0);
    // Each axis repeats what the axes after it gave.
    for (&size, &stride) in shape.iter().zip(strides).rev() {
        let block = out.len();
        for i in 1..size {
            for j in 0..block {
                out.push(out[j] + i as isize * stride);
            }
        }
    }
    out
}

/// The elements that lie behind one position of an axis.
#[derive(Clone)]
pub(crate) enum Inner {
    /// This many, one behind the other.
    Dense(usize),
    /// At these offsets.
    At(Vec<isize>),
}

impl Inner {
    pub(crate) fn new(shape: &[usize], strides: &[isize]) -> Inner {
        let mut expected = 1;
        for (&size, &stride) in shape.iter().zip(strides).rev() {
            if size != 1 && stride != expected {
                return Inner::At(offsets(shape, strides));
            }
            expected *= size as isize;
        }
        Inner::Dense(numel(shape))
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Inner::Dense(len) => *len,
            Inner::At(offsets) => offsets.len(),
        }
    }

    #[inline]
    fn at(&self, i: usize) -> isize {
        match self {
            Inner::Dense(_) => i as isize,
            Inner::At(offsets) => offsets[i],
        }
    }
}

/// Elements `first + outer[o] + middle[j] + inner[i]` of a storage, in the order of `(o, j, i)`.
#[derive(Clone)]
pub(crate) struct Positions {
    pub(crate) first: usize,
    pub(crate) outer: Vec<isize>,
    pub(crate) middle: Vec<isize>,
    pub(crate) inner: Inner,
}

impl Positions {
    /// All of a layout, split at `axis`.
    pub(crate) fn along(layout: &Layout, axis: usize) -> Positions {
        let (shape, strides) = (layout.shape(), layout.strides());
        Positions {
            first: layout.offset(),
            outer: offsets(&shape[..axis], &strides[..axis]),
            middle: (0..shape[axis] as isize).map(|i| i * strides[axis]).collect(),
            inner: Inner::new(&shape[axis + 1..], &strides[axis + 1..]),
        }
    }

    /// All of a layout, as long runs of neighbours as it has.
    pub(crate) fn all(layout: &Layout) -> Positions {
        let (shape, strides) = (layout.shape(), layout.strides());
        let mut split = shape.len().saturating_sub(1);
        while split > 0 && matches!(Inner::new(&shape[split - 1..], &strides[split - 1..]), Inner::Dense(_)) {
            split -= 1;
        }
        Positions {
            first: layout.offset(),
            outer: offsets(&shape[..split], &strides[..split]),
            middle: vec![0],
            inner: Inner::new(&shape[split..], &strides[split..]),
        }
    }

    /// The same in memory that begins at `start`.
    pub(crate) fn from(&self, start: usize) -> Positions {
        Positions { first: self.first - start, ..self.clone() }
    }

    /// Calls `f(storage index of the run's first element, range of the output)` for the runs of `inner` elements.
    #[inline]
    fn runs(&self, range: std::ops::Range<usize>, mut f: impl FnMut(usize)) {
        if range.is_empty() {
            return;
        }
        let per = self.middle.len();
        let (mut o, mut j) = (range.start / per, range.start % per);
        for _ in range {
            f((self.first as isize + self.outer[o] + self.middle[j]) as usize);
            j += 1;
            if j == per {
                (o, j) = (o + 1, 0);
            }
        }
    }
}

/// `out[k] = x[position k]`.
pub(crate) fn read<T: Element>(x: &[T], positions: &Positions, out: &mut [T]) {
    let len = positions.inner.len();
    if out.is_empty() {
        return;
    }
    par::chunks(out, len, 2, |start, piece| {
        let range = start / len..(start + piece.len()) / len;
        match &positions.inner {
            Inner::Dense(1) => {
                // Element by element along the middle axis, what is left of it or what is asked for.
                let (mut rest, mut k) = (piece, start);
                while !rest.is_empty() {
                    let (o, j) = (k / positions.middle.len(), k % positions.middle.len());
                    let len = rest.len().min(positions.middle.len() - j);
                    let (row, next) = rest.split_at_mut(len);
                    let first = positions.first as isize + positions.outer[o];
                    let middle = &positions.middle[j..];
                    row.iter_mut().zip(middle).for_each(|(slot, &at)| *slot = x[(first + at) as usize]);
                    (rest, k) = (next, k + len);
                }
            }
            Inner::Dense(len) => {
                let mut rows = piece.chunks_exact_mut(*len);
                positions.runs(range, |at| {
                    run(&x[at..at + len], rows.next().expect("one row per run"));
                });
            }
            Inner::At(offsets) => {
                let mut rows = piece.chunks_exact_mut(len);
                positions.runs(range, |at| {
                    let row = rows.next().expect("one row per run");
                    row.iter_mut().zip(offsets).for_each(|(slot, off)| *slot = x[(at as isize + off) as usize]);
                });
            }
        }
    });
}

/// `f(&mut out[position k], k)`, in order: where positions repeat, the later element comes later.
pub(crate) fn write<T: Element>(out: &mut [T], positions: &Positions, mut f: impl FnMut(&mut T, usize)) {
    let len = positions.inner.len();
    let mut k = 0;
    positions.runs(0..positions.outer.len() * positions.middle.len(), |at| {
        match &positions.inner {
            Inner::Dense(len) => out[at..at + len].iter_mut().enumerate().for_each(|(i, slot)| f(slot, k + i)),
            Inner::At(offsets) => {
                offsets.iter().enumerate().for_each(|(i, off)| f(&mut out[(at as isize + off) as usize], k + i));
            }
        }
        k += len;
    });
}

/// `out[outer, index[k], inner] = f(…, k)` over rows of `inner` elements, in order of `k` for each row of `out`.
///
/// `out` is `outer × size × inner`; `f(row, outer, k)` updates one row. Rows are shared out among threads, each of
/// which goes through the whole index.
pub(crate) fn update_rows<T: Element>(
    out: &mut [T],
    size: usize,
    inner: usize,
    index: &[i64],
    f: impl Fn(&mut [T], usize, usize) + Sync,
) {
    if out.is_empty() {
        return;
    }
    // A piece goes through the whole index, which short rows do not pay for, and many pieces neither.
    let rows = out.len() / inner;
    let unit = if inner >= 32 { rows.div_ceil(8) * inner } else { size * inner };
    par::chunks(out, unit, 2, |start, piece| {
        let rows = start / inner..(start + piece.len()) / inner;
        for o in rows.start / size..rows.end.div_ceil(size) {
            for (k, &i) in index.iter().enumerate() {
                let row = o * size + i as usize;
                if rows.contains(&row) {
                    f(&mut piece[(row - rows.start) * inner..][..inner], o, k);
                }
            }
        }
    });
}

/// The geometry of gather and scatter: an operand, and an index whose sizes may be smaller but along the axis.
pub(crate) struct Along {
    /// The operand's offsets for the index's outer positions.
    pub(crate) outer: Vec<isize>,
    /// Elements of the index along the axis.
    pub(crate) len: usize,
    /// The operand's stride along the axis.
    pub(crate) step: isize,
    /// The operand's offsets for the index's inner positions.
    pub(crate) inner: Inner,
}

impl Along {
    pub(crate) fn new(layout: &Layout, axis: usize, index_shape: &[usize]) -> Along {
        let strides = layout.strides();
        Along {
            outer: offsets(&index_shape[..axis], &strides[..axis]),
            len: index_shape[axis],
            step: strides[axis],
            inner: Inner::new(&index_shape[axis + 1..], &strides[axis + 1..]),
        }
    }
}

/// `out[o, j, i] = x[o, index[o, j, i], i]`; `out` is contiguous, and so is the part of the index for each `o`, at `at[o]`.
pub(crate) fn gather<T: Element>(x: &[T], first: usize, along: &Along, (index, at): (&[i64], &[isize]), out: &mut [T]) {
    let inner = along.inner.len();
    if out.is_empty() {
        return;
    }
    if inner == 1 {
        let unit = along.len;
        par::chunks(out, unit, 2, |start, piece| {
            for (o, block) in (start / unit..).zip(piece.chunks_exact_mut(unit)) {
                let base = first as isize + along.outer[o];
                let pairs = block.iter_mut().zip(&index[at[o] as usize..][..unit]);
                if along.step == 1 {
                    let row = &x[base as usize..];
                    pairs.for_each(|(slot, &i)| *slot = row[i as usize]);
                } else {
                    pairs.for_each(|(slot, &i)| *slot = x[(base + i as isize * along.step) as usize]);
                }
            }
        });
    } else {
        par::chunks(out, inner, 2, |start, piece| {
            for (r, row) in (start / inner..).zip(piece.chunks_exact_mut(inner)) {
                let (o, j) = (r / along.len, r % along.len);
                let base = first as isize + along.outer[o];
                let index = &index[at[o] as usize + j * inner..][..inner];
                row.iter_mut().zip(index).enumerate().for_each(|(k, (slot, &i))| {
                    *slot = x[(base + i as isize * along.step + along.inner.at(k)) as usize];
                });
            }
        });
    }
}

multiversion! {
    /// Whether all lie in `0..size`.
    pub(crate) fn within(index: &[i64], size: usize) -> bool {
        index.iter().fold(true, |all, &i| all & (i >= 0) & (i < size as i64))
    }
}

/// `out[index[j, i], i] = update(…, source[j, i])` for one outer position, in the order of the index.
pub(crate) type Scatter<T> = fn(out: &mut [T], along: &Along, index: &[i64], source: &[T]);

/// A [`Scatter`] that computes with `U`.
pub(crate) fn scatter_with<T: Combine, U: Update>(out: &mut [T], along: &Along, index: &[i64], source: &[T]) {
    let inner = along.inner.len();
    if inner == 1 {
        for (&i, &v) in index.iter().zip(source) {
            let slot = &mut out[(i as isize * along.step) as usize];
            *slot = U::update(*slot, v);
        }
        return;
    }
    for (index, source) in index.chunks_exact(inner).zip(source.chunks_exact(inner)) {
        for (k, (&i, &v)) in index.iter().zip(source).enumerate() {
            let slot = &mut out[(i as isize * along.step + along.inner.at(k)) as usize];
            *slot = U::update(*slot, v);
        }
    }
}

/// What becomes of an element that receives another.
pub(crate) trait Update {
    fn update<T: Combine>(old: T, new: T) -> T;
}

macro_rules! updates {
    ($($(#[$doc:meta])* $Update:ident |$old:ident, $new:ident| $result:expr;)*) => { $(
        $(#[$doc])*
        pub(crate) struct $Update;
        impl Update for $Update {
            #[inline(always)]
            fn update<T: Combine>($old: T, $new: T) -> T { $result }
        }
    )* };
}
updates! {
    /// The new one.
    Replace |_old, new| new;
    /// Their sum.
    Plus |old, new| old.plus(new);
    /// Their product.
    Times |old, new| old.times(new);
    /// The larger.
    Larger |old, new| old.larger(new);
    /// The smaller.
    Smaller |old, new| old.smaller(new);
}

/// `out[o, index[o, j, i], i] = update(…, source[o, j, i])`, in the index's order within each outer position.
///
/// `out` is contiguous with `block` elements per outer position, and so are `index` and `source`, of one length.
pub(crate) fn scatter<T: Element>(
    out: &mut [T],
    block: usize,
    along: &Along,
    index: &[i64],
    source: &[T],
    update: Scatter<T>,
) {
    let count = along.len * along.inner.len();
    if index.is_empty() {
        return;
    }
    let one = |out: &mut [T], o: usize| {
        let range = o * count..(o + 1) * count;
        update(out, along, &index[range.clone()], &source[range]);
    };
    // Where every outer position of `out` occurs, each is a block of its own and may go to a thread of its own.
    if along.outer.len() * block == out.len() {
        par::chunks(out, block, 4, |start, piece| {
            piece.chunks_exact_mut(block).enumerate().for_each(|(i, piece)| one(piece, start / block + i));
        });
    } else {
        along.outer.iter().enumerate().for_each(|(o, &at)| one(&mut out[at as usize..], o));
    }
}

/// Puts tensors of one dtype side by side along an axis of `shape`.
pub(crate) fn join(parts: &[Tensor], axis: usize, shape: Shape) -> Tensor {
    fn fill<T: Element>(parts: &[Part<'_, T>], outer: usize, out: &mut [T]) {
        if out.is_empty() {
            return;
        }
        if outer == 1 {
            let mut rest = out;
            for part in parts {
                let (head, tail) = rest.split_at_mut(part.share);
                par::chunks(head, 1, 1, |start, piece| piece.copy_from_slice(&part.row(0)[start..][..piece.len()]));
                rest = tail;
            }
            return;
        }
        let width = out.len() / outer;
        // Part by part in some rows at a time, which stay in the first-level cache until they are full.
        let rows = (JOINED / (width * size_of::<T>())).max(1);
        par::chunks(out, width, 1, |start, piece| {
            for (block, first) in piece.chunks_mut(rows * width).zip((start / width..).step_by(rows)) {
                let mut at = 0;
                for part in parts {
                    let each = (first..).zip(block.chunks_exact_mut(width));
                    match part.share {
                        1 => each.for_each(|(o, row)| row[at] = part.row(o)[0]),
                        share if share <= SHORT => {
                            each.for_each(|(o, row)| short_run(part.row(o), &mut row[at..][..share]))
                        }
                        share => each.for_each(|(o, row)| run(part.row(o), &mut row[at..][..share])),
                    }
                    at += part.share;
                }
            }
        });
    }
    // A part's share of a row must be one run of memory.
    let dense = |x: &Tensor| matches!(Inner::new(&x.shape()[axis..], &x.strides()[axis..]), Inner::Dense(_));
    let own = parts.iter().filter(|x| x.numel() > 0);
    let own: Vec<Tensor> = own.map(|x| if dense(x) { x.clone() } else { x.contiguous() }).collect();
    let dtype = parts.first().map_or(DType::F32, Tensor::dtype);
    match_dtype!(bits dtype, T => {
        let parts: Vec<Part<'_, T>> = own.iter().map(|x| Part::new(x, axis)).collect();
        Tensor::build_bits(dtype, shape.clone(), |out: &mut [T]| fill(&parts, numel(&shape[..axis]), out))
    })
}

/// Bytes of rows that are joined at a time.
const JOINED: usize = 1 << 14;

/// A tensor that is joined to others.
struct Part<'a, T> {
    data: &'a [T],
    /// Elements that it adds to a row.
    share: usize,
    /// Where the first row's are, and how far apart those of rows are.
    first: usize,
    step: isize,
    /// The offsets of rows that are not evenly apart.
    offsets: Option<Vec<isize>>,
}

impl<'a, T: Element> Part<'a, T> {
    fn new(x: &'a Tensor, axis: usize) -> Part<'a, T> {
        let (shape, strides) = (&x.shape()[..axis], &x.strides()[..axis]);
        let walk = Walk::new(shape, [strides]);
        let [step] = walk.row_strides();
        let offsets = (walk.shape.len() > 1).then(|| offsets(shape, strides));
        Part { data: x.bits(), share: numel(&x.shape()[axis..]), first: x.layout().offset(), step, offsets }
    }

    #[inline]
    fn row(&self, o: usize) -> &[T] {
        let offset = self.offsets.as_ref().map_or(o as isize * self.step, |offsets| offsets[o]);
        &self.data[self.first.wrapping_add_signed(offset)..][..self.share]
    }
}

/// Copies a part of each row of some matrices and clears the rest; `kept` gives the columns to copy by the row's number.
pub(crate) fn clip_rows<T: Element>(
    x: &[T],
    (rows, columns): (usize, usize),
    kept: impl Fn(usize) -> Range<usize> + Sync,
    out: &mut [T],
) {
    if out.is_empty() {
        return;
    }
    par::chunks(out, columns, 1, |start, piece| {
        let len = piece.len();
        let mut end = |part: Range<usize>, copied: bool| match copied {
            true => run(&x[start..][part.clone()], &mut piece[part]),
            false => piece[part].fill(T::ZERO),
        };
        // A part of elements that are kept, or are not, goes on through rows.
        let (mut part, mut copied) = (0..0, false);
        let mut row = start / columns % rows;
        for at in (0..len).step_by(columns) {
            let kept = kept(row);
            row = if row + 1 == rows { 0 } else { row + 1 };
            let [first, last] = [kept.start, kept.end].map(|column| at + column);
            for (next, own) in [(at..first, false), (first..last, true), (last..at + columns, false)] {
                if own != copied && !next.is_empty() {
                    end(part, copied);
                    (part, copied) = (next.start..next.start, own);
                }
                part.end = next.end.max(part.end);
            }
        }
        end(part, copied);
    });
}

/// Elements whose choice is noted at a time.
const CHOSEN: usize = 256;

/// Calls `f(start, places)` for each so many elements of `x`, with the places of those that are chosen, counted from `start`.
///
/// The place is written down for each and kept for those chosen: a branch would be foreseen for half of random ones.
pub(crate) fn chosen<T: Element>(x: &[T], choose: impl Fn(T) -> bool, mut f: impl FnMut(usize, &[u8])) {
    let mut places = [0; CHOSEN];
    for (x, start) in x.chunks(CHOSEN).zip((0..).step_by(CHOSEN)) {
        let mut count = 0;
        for (i, &x) in x.iter().enumerate() {
            places[count] = i as u8;
            count += choose(x) as usize;
        }
        f(start, &places[..count]);
    }
}

/// What scatters combine with, in the element's own arithmetic: integers wrap, halves round after each step, booleans
/// add by `or` and multiply by `and`.
pub(crate) trait Combine: Element {
    fn plus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    /// The larger; NaN if one is NaN.
    fn larger(self, other: Self) -> Self;
    /// The smaller; NaN if one is NaN.
    fn smaller(self, other: Self) -> Self;
    /// The quotient by a count; integers round down.
    fn over(self, count: i64) -> Self;
}

macro_rules! combine {
    ($($ty:ty: |$a:ident, $b:ident| $plus:expr, $times:expr, |$x:ident, $n:ident| $over:expr;)*) => {
        $(impl Combine for $ty {
            #[inline(always)]
            fn plus(self, other: Self) -> Self { let ($a, $b) = (self, other); $plus }
            #[inline(always)]
            fn times(self, other: Self) -> Self { let ($a, $b) = (self, other); $times }
            // `x != x` is true for NaN only.
            #[inline(always)]
            #[allow(clippy::eq_op)]
            fn larger(self, other: Self) -> Self { if self > other || self != self { self } else { other } }
            #[inline(always)]
            #[allow(clippy::eq_op)]
            fn smaller(self, other: Self) -> Self { if self < other || self != self { self } else { other } }
            #[inline(always)]
            fn over(self, count: i64) -> Self { let ($x, $n) = (self, count); $over }
        })*
    };
}
combine! {
    f64: |a, b| a + b, a * b, |x, n| x / n as f64;
    f32: |a, b| a + b, a * b, |x, n| x / n as f32;
    f16: |a, b| f16::from_f32(a.to_f32() + b.to_f32()), f16::from_f32(a.to_f32() * b.to_f32()), |x, n| f16::from_f32(x.to_f32() / n as f32);
    bf16: |a, b| bf16::from_f32(a.to_f32() + b.to_f32()), bf16::from_f32(a.to_f32() * b.to_f32()), |x, n| bf16::from_f32(x.to_f32() / n as f32);
    i64: |a, b| a.wrapping_add(b), a.wrapping_mul(b), |x, n| x.div_euclid(n);
    i32: |a, b| a.wrapping_add(b), a.wrapping_mul(b), |x, n| (x as i64).div_euclid(n) as i32;
    i16: |a, b| a.wrapping_add(b), a.wrapping_mul(b), |x, n| (x as i64).div_euclid(n) as i16;
    i8: |a, b| a.wrapping_add(b), a.wrapping_mul(b), |x, n| (x as i64).div_euclid(n) as i8;
    u8: |a, b| a.wrapping_add(b), a.wrapping_mul(b), |x, n| (x as i64).div_euclid(n) as u8;
    bool: |a, b| a | b, a & b, |x, n| x && n != 0;
}
