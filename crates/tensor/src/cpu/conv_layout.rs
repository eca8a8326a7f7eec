//! Images laid out for convolution with channels side by side, so that what a row of the kernel meets at one position is
//! one run of memory.

use super::conv::Geometry;
use super::tile::Tiled;
use crate::storage::Storage;

/// Images with channels side by side.
pub(super) struct Layout<'a> {
    pub(super) g: &'a Geometry,
    /// Elements between columns, between rows, and in an image.
    depth: usize,
    row: usize,
    pub(super) image: usize,
    pub(super) runs: Vec<Run>,
    /// The length of the shorter runs that these are put together from, if they are, and where those start.
    pub(super) short: Option<(usize, Vec<usize>)>,
}

/// Taps that lie side by side.
pub(super) struct Run {
    /// Offset of the first tap, or if the run is put together from shorter ones, how many of theirs are before it.
    pub(super) at: usize,
    pub(super) len: usize,
}

impl Layout<'_> {
    pub(super) fn new(g: &Geometry) -> Layout<'_> {
        Layout::spaced(g, g.depth)
    }

    /// With room for `depth` channels, of which the last may be zeros.
    pub(super) fn spaced(g: &Geometry, depth: usize) -> Layout<'_> {
        let padded = [0, 1].map(|a| g.size[a] + 2 * g.padding[a]);
        let row = padded[1] * depth;
        let [high, wide] = g.kernel;
        let down = g.dilation[0] * row;
        let runs = if g.dilation[1] > 1 {
            let at = |i: usize| i / wide * down + i % wide * g.dilation[1] * depth;
            (0..high * wide).map(|i| Run { at: at(i), len: depth }).collect()
        } else {
            (0..high).map(|i| Run { at: i * down, len: wide * depth }).collect()
        };
        Layout { g, depth, row, image: padded[0] * row, runs, short: None }
    }

    /// Elements between rows.
    pub(super) fn row(&self) -> usize {
        self.row
    }

    /// Puts short runs together, if they would waste vectors, to as many runs as wanted of whole vectors.
    pub(super) fn join_short_runs(mut self, lanes: usize, wanted: usize) -> Self {
        let (len, count) = (self.runs[0].len, self.runs.len());
        let wasted = (len.next_multiple_of(lanes) - len) * count;
        if len < 4 * lanes && wasted >= lanes {
            self.short = Some((len, self.runs.iter().map(|run| run.at).collect()));
            let (all, vectors) = (count * len, (count * len).div_ceil(lanes));
            let pieces = wanted.min(vectors);
            let start = |i: usize| (i * vectors / pieces * lanes).min(all);
            self.runs = (0..pieces).map(|i| Run { at: start(i), len: start(i + 1) - start(i) }).collect();
        }
        self
    }

    /// The offsets of all taps, in the order of a filter or, if that is turned, of one turned back.
    pub(super) fn taps(&self, turned: bool) -> Vec<usize> {
        let (g, [high, wide]) = (self.g, self.g.kernel);
        let place = |i: usize| i / wide * g.dilation[0] * self.row + i % wide * g.dilation[1] * self.depth;
        let mut places: Vec<usize> = (0..high * wide).map(place).collect();
        if turned {
            places.reverse();
        }
        (0..g.depth).flat_map(|c| places.iter().map(move |place| place + c)).collect()
    }

    /// Lays out an image; `out` is zero where nothing is written.
    pub(super) fn lay<T: Tiled>(&self, image: &[T], out: &mut [T]) {
        self.lay_band(image, 0, out);
    }

    /// Lays out the rows of an image that are rows `first` and on of the padded one, as many as `out` has.
    pub(super) fn lay_band<T: Tiled>(&self, image: &[T], first: usize, out: &mut [T]) {
        let (g, depth) = (self.g, self.depth);
        let [height, width] = g.size;
        let (plane, padding) = (height * width, g.padding[0]);
        let count = out.len() / self.row.max(1);
        let own = first.max(padding)..(first + count).min(padding + height);
        if own.is_empty() || width * depth == 0 {
            return;
        }
        let start = (own.start - first) * self.row + g.padding[1] * depth;
        let from = &image[(own.start - padding) * width..];
        if width >= 32 {
            for y in 0..own.len() {
                T::transpose(&from[y * width..], plane, (g.depth, width), depth, &mut out[start + y * self.row..]);
            }
        } else {
            let len = own.len() * width;
            let mut memory = match depth == g.depth {
                true => Storage::stale(T::DTYPE, len * depth),
                false => Storage::zeroed(T::DTYPE, len * depth),
            };
            let turned = memory.as_mut_slice::<T>();
            T::transpose(from, plane, (g.depth, len), depth, turned);
            for (y, row) in turned.chunks_exact(width * depth).enumerate() {
                out[start + y * self.row..][..row.len()].copy_from_slice(row);
            }
        }
    }

    /// Where the positions from `first` on, of image after image, find their first tap.
    pub(super) fn positions(&self, first: usize, at: &mut [usize]) {
        let (g, [high, wide]) = (self.g, self.g.out_size);
        let (mut image, mut y, mut x) = (first / (high * wide), first / wide % high, first % wide);
        for at in at {
            *at = image * self.image + y * g.stride[0] * self.row + x * g.stride[1] * self.depth;
            x += 1;
            if x == wide {
                (x, y) = (0, y + 1);
            }
            if y == high {
                (y, image) = (0, image + 1);
            }
        }
    }

    /// Brings the sums of an output channel into the order of the weight.
    pub(super) fn order<T: Tiled>(&self, sums: &[T], channel: usize, out: &mut [T]) {
        let g = self.g;
        let places = g.kernel[0] * g.kernel[1];
        // [place in the kernel][input channel]
        let mut all = vec![T::ZERO; out.len()];
        let (mut from, mut to) = (0, 0);
        for run in &self.runs {
            all[to..][..run.len].copy_from_slice(&sums[from + channel * run.len..][..run.len]);
            (from, to) = (from + g.out * run.len, to + run.len);
        }
        T::transpose(&all, g.depth, (places, g.depth), places, out);
    }
}

/// Widths of tiles for `len` columns: as even as can be, in whole vectors.
pub(super) fn even_width(len: usize, most: usize, lanes: usize) -> usize {
    len.div_ceil(len.div_ceil(most)).next_multiple_of(lanes)
}
