//! Filters of [`winograd`](super::winograd), brought to the values that its products take.

use super::conv::Filter;
use super::par;
use super::simd::{multiversion, prefetch};
use super::tile::Tiled;
use super::winograd::{PLACES, SIDE, every};
use super::winograd_values::values;
use crate::Element;
use crate::storage::Storage;
use std::ops::Range;

/// Numbers copied at a time, some of them too many.
const STEP: usize = 16;
/// Input channels whose filters are transformed at a time: with 8 output channels, taps, halves and values take 40 KB.
const SOME: usize = 16;

/// The filters of a group, and what they are to become.
pub(super) struct Filters<'a, T> {
    /// `[output channel][input channel]`, unless turned.
    data: &'a [T],
    turned: bool,
    /// Input and output channels.
    inner: usize,
    outer: usize,
    /// Height and width of a filter.
    side: usize,
    /// Rows of a register tile.
    high: usize,
}

/// Elements of a place of a panel. They are more than needed, since places a multiple of 4 KB apart share cache sets.
pub(super) fn place_len<T: Tiled>(inner: usize) -> usize {
    inner * T::kernels().mr + STEP
}

impl<'a, T: Tiled> Filters<'a, T> {
    pub(super) fn new(filter: Filter<'a, T>, group: usize, [inner, outer]: [usize; 2], side: usize) -> Self {
        let len = outer * inner * side * side;
        let data = &filter.data[group * len..][..len];
        Filters { data, turned: filter.turned, inner, outer, side, high: T::kernels().mr }
    }

    /// Elements of the panels of so many output channels and some input channels.
    pub(super) fn packed_len(&self, outer: usize, inner: usize) -> usize {
        outer.div_ceil(self.high) * PLACES * place_len::<T>(inner)
    }

    /// The values of the filters of some output channels, the first of which starts a panel, and some input channels: for
    /// each panel of a register tile's height `[place][input channel][output channel]`.
    pub(super) fn transform(&self, outer: Range<usize>, inner: Range<usize>, out: &mut [T]) {
        let (high, side, area) = (self.high, self.side, self.side * self.side);
        let panel = PLACES * place_len::<T>(inner.len());
        let panels = outer.len().div_ceil(high);
        // Elements of a tap and of all taps of a panel.
        let row = SOME * high + STEP;
        let all = area * row;
        // Turned filters of neighbouring panels lie side by side, and are read together.
        let together = if self.turned { panels } else { 1 };
        let lengths = [SOME * high * area + STEP, together * all, SIDE * side * SOME * high];
        let mut memory = Storage::zeroed(T::DTYPE, lengths.iter().sum());
        let (lines, rest) = memory.as_mut_slice::<T>().split_at_mut(lengths[0]);
        let (taps, half) = rest.split_at_mut(lengths[1]);
        let starts = || inner.clone().step_by(SOME).map(|start| start..(start + SOME).min(inner.end));
        if self.turned {
            for some in starts() {
                for (i, c) in some.clone().enumerate() {
                    for (p, taps) in taps.chunks_exact_mut(all).enumerate() {
                        let first = outer.start + p * high;
                        let count = high.min(outer.end - first);
                        let from = &self.data[(c * self.outer + first) * area..];
                        T::transpose(from, area, (count, area), row, &mut taps[i * high..]);
                    }
                }
                for (p, (taps, out)) in taps.chunks_exact(all).zip(out.chunks_exact_mut(panel)).enumerate() {
                    let at = (some.start - inner.start) * high;
                    let first = outer.start + p * high;
                    for c in some.end..(some.end + SOME).min(self.inner) {
                        prefetch(&self.data[(c * self.outer + first) * area..][..high.min(outer.end - first) * area]);
                    }
                    self.values(taps, row, half, some.len() * high, at, out);
                }
            }
        } else {
            for (p, out) in out.chunks_exact_mut(panel).enumerate() {
                let first = outer.start + p * high;
                let count = high.min(outer.end - first);
                for some in starts() {
                    let from = &self.data[(first * self.inner + some.start) * area..];
                    T::transpose(from, self.inner * area, (count, some.len() * area), high, lines);
                    spread(lines, (some.len(), area), high, taps, row);
                    let (next, start) = match some.end < inner.end {
                        true => (first, some.end),
                        false => (first + high, inner.start),
                    };
                    for o in next..(next + high).min(self.outer) {
                        let len = SOME.min(self.inner - start) * area;
                        prefetch(&self.data[(o * self.inner + start) * area..][..len]);
                    }
                    let at = (some.start - inner.start) * high;
                    self.values(taps, row, half, some.len() * high, at, out);
                }
            }
        }
    }

    /// The values of `len` filters, at `at` of each place of a panel, from their taps.
    fn values(&self, taps: &[T], row: usize, half: &mut [T], len: usize, at: usize, out: &mut [T]) {
        let side = self.side;
        let tap = |place: usize| {
            let place = if self.turned { side * side - 1 - place } else { place };
            &taps[place * row..][..len]
        };
        let half = &mut half[..SIDE * side * len];
        for column in 0..side {
            values(side, |row| tap(row * side + column), every(half, column, side, len));
        }
        let place = out.len() / PLACES;
        let mut places = out.chunks_exact_mut(place);
        for row in half.chunks_exact(side * len) {
            let to = std::array::from_fn(|_| &mut places.next().expect("36 places")[at..][..len]);
            values(side, |column| &row[column * len..][..len], to);
        }
    }

    /// The values of all filters: [`transform`](Self::transform) of all output channels for one chunk of input channels
    /// after the other.
    pub(super) fn transform_all(&self, chunk: usize) -> Storage {
        let mut data = Storage::stale(T::DTYPE, self.inner.div_ceil(chunk) * self.packed_len(self.outer, chunk));
        let mut tasks = Vec::new();
        let mut rest = data.as_mut_slice::<T>();
        for start in (0..self.inner).step_by(chunk) {
            let inner = start..(start + chunk).min(self.inner);
            let (own, later) = rest.split_at_mut(self.packed_len(self.outer, inner.len()));
            // Some panels at a time, since turned filters lie side by side.
            let some = 2 * self.high;
            for (i, out) in own.chunks_mut(self.packed_len(some, inner.len())).enumerate() {
                tasks.push((i * some..((i + 1) * some).min(self.outer), inner.clone(), out));
            }
            rest = later;
        }
        let work = 4 * self.packed_len(self.outer, self.inner);
        par::share(tasks.into_iter(), work, &|_, (outer, inner, out)| self.transform(outer, inner, out));
        data
    }
}

multiversion! {
    /// `out[tap·row + i·width ..][..width] = from[(i·taps + tap)·width ..][..width]`, in whole steps of which the next
    /// overwrites what is too much.
    fn spread[T: Element](from: &[T], size: (usize, usize), width: usize, out: &mut [T], row: usize) {
        let (count, taps) = size;
        for i in 0..count {
            for tap in 0..taps {
                let to: &mut [T; STEP] = out[tap * row + i * width..].first_chunk_mut().expect("a step longer");
                *to = *from[(i * taps + tap) * width..].first_chunk().expect("a step longer");
            }
        }
    }
}
