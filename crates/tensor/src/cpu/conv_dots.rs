//! Convolution of many channels to few: sums of products along the channels of an image, which lie side by side. Vectors
//! are full however few the output channels and positions are.

use super::conv::Geometry;
use super::conv_layout::Layout;
use super::conv_lines;
use super::par;
use super::tile::Tiled;
use crate::storage::Storage;

/// Vectors of terms that are added up in one chain per lane at most.
const CHAIN: usize = 256;
/// Elements of images laid out at a time, if more than one is.
const CHUNK: usize = 1 << 17;

/// Whether this is the way: it pays, and output channels do not fill vectors.
pub(super) fn suits(g: &Geometry) -> bool {
    pays(g) && !conv_lines::suits(g)
}

/// Whether channels fill vectors, and adding up the lanes of a sum costs little beside its terms or what tiles of few positions
/// waste.
pub(super) fn pays(g: &Geometry) -> bool {
    let (taps, positions) = (g.taps(), g.positions());
    let long = taps >= 2048 || taps >= 1024 && positions <= 256 || taps >= 96 && positions <= 64;
    let full = g.depth.next_multiple_of(16) * 3 <= g.depth * 4;
    // Of a kernel of one place, laying out planes leaves out what no output sees.
    long && full && g.kernel != [1, 1]
}

/// Pieces of the sums: where their terms start in the filter and after a position's first tap, and how many segments of
/// how many vectors they take.
struct Piece {
    filter: usize,
    image: usize,
    segments: usize,
    steps: usize,
}

struct Plan<'a, T> {
    g: &'a Geometry,
    layout: Layout<'a>,
    /// `[group][output channel][row][column][input channel]`, channels with zeros up to whole vectors.
    filter: Storage,
    pieces: Vec<Piece>,
    /// Elements between segments in an image and in the filter.
    steps: [usize; 2],
    bias: Option<&'a [T]>,
    floor: T,
    /// Output channels and positions of a tile.
    tile: [usize; 2],
}

/// The convolution of `x` with `w`, plus a bias per channel, raised to `floor` where it is less.
pub(super) fn convolve<T: Tiled>(x: &[T], w: &[T], bias: Option<&[T]>, floor: T, g: &Geometry, out: &mut [T]) {
    let plan = Plan::new(w, bias, floor, g);
    let work = out.len() * g.taps() / 8;
    let threads = if par::worth(work) { par::num_threads() } else { 1 };
    let unit = g.out * g.positions();
    for group in 0..g.groups {
        let mut images: Vec<&mut [T]> =
            out.chunks_mut(g.groups * unit).map(|i| &mut i[group * unit..][..unit]).collect();
        let few = threads > 1 && g.batch < 2 * threads;
        let joined = (CHUNK / plan.layout.image).clamp(1, (g.batch / (2 * threads)).max(1));
        let image = |index: usize| &x[(index * g.groups + group) * g.image()..][..g.image()];
        if few {
            // Few images: positions are divided.
            for (index, out) in images.iter_mut().enumerate() {
                plan.some_images(group, &|_| image(index), std::slice::from_mut(out), work);
            }
        } else {
            par::share(images.chunks_mut(joined), work, &|index, out: &mut [&mut [T]]| {
                plan.some_images(group, &|i| image(index * joined + i), out, 0);
            });
        }
    }
}

impl<'a, T: Tiled> Plan<'a, T> {
    fn new(w: &[T], bias: Option<&'a [T]>, floor: T, g: &'a Geometry) -> Plan<'a, T> {
        let kernels = T::kernels();
        let depth = g.depth.next_multiple_of(kernels.lanes);
        let layout = Layout::spaced(g, depth);
        let [high, wide] = g.kernel;
        let mut filter = Storage::zeroed(T::DTYPE, g.groups * g.out * high * wide * depth);
        par::chunks(filter.as_mut_slice::<T>(), high * wide * depth, 2, |start, filters| {
            let first = start / (high * wide * depth);
            for (filter, w) in filters.chunks_exact_mut(high * wide * depth).zip(w.chunks_exact(g.taps()).skip(first)) {
                T::transpose(w, high * wide, (g.depth, high * wide), depth, filter);
            }
        });
        // What one row of the kernel meets lies side by side, unless it is dilated.
        let (parts, vectors) = if g.dilation[1] == 1 { (1, wide * depth) } else { (wide, depth) };
        let vectors = vectors / kernels.lanes;
        let together = (CHAIN / vectors).clamp(1, high);
        let steps = [g.dilation[0] * layout.row(), wide * depth];
        let mut pieces = Vec::new();
        for y in (0..high).step_by(together) {
            for x in 0..parts {
                for vector in (0..vectors).step_by(CHAIN) {
                    let at = vector * kernels.lanes;
                    pieces.push(Piece {
                        filter: y * steps[1] + x * depth + at,
                        image: y * steps[0] + x * g.dilation[1] * depth + at,
                        segments: together.min(high - y),
                        steps: CHAIN.min(vectors - vector),
                    });
                }
            }
        }
        // The taller of two tile widths unless the other wastes less; heights as even as can be.
        let channels = g.out.div_ceil(g.out.div_ceil(kernels.dot_rows()));
        let waste = |width: usize| g.positions().next_multiple_of(width);
        let (narrow, broad) = (kernels.dot_width, kernels.dot_width + 1);
        let width = if waste(narrow) < waste(broad) { narrow } else { broad };
        Plan { g, layout, filter, pieces, steps, bias, floor, tile: [channels, width] }
    }

    /// The outputs of some images of a group, with as many threads as so much work is worth.
    fn some_images(&self, group: usize, x: &(dyn Fn(usize) -> &'a [T] + Sync), out: &mut [&mut [T]], work: usize) {
        let (g, layout) = (self.g, &self.layout);
        let [high, width] = self.tile;
        let parts = if par::worth(work) { 4 * par::num_threads() } else { 1 };
        let mut memory = Storage::zeroed(T::DTYPE, out.len() * layout.image);
        let images = memory.as_mut_slice::<T>();
        let band = (layout.image / layout.row()).div_ceil(parts) * layout.row();
        for (i, image) in images.chunks_exact_mut(layout.image).enumerate() {
            let x = x(i);
            par::share(image.chunks_mut(band), work, &|part, laid| {
                layout.lay_band(x, part * band / layout.row(), laid)
            });
        }
        let images = &*images;
        let positions = out.len() * g.positions();
        // [tile of positions][panel of channels][channel][position]
        let (panels, tiles) = (g.out.div_ceil(high), positions.div_ceil(width));
        let tile = panels * high * width;
        let mut memory = Storage::stale(T::DTYPE, tiles * tile);
        let sums = memory.as_mut_slice::<T>();
        let some = tiles.div_ceil(parts);
        par::share(sums.chunks_mut(some * tile), work, &|part, sums| {
            self.tiles(group, images, positions, part * some * width, sums);
        });
        for (image, out) in out.iter_mut().enumerate() {
            for (channel, out) in out.chunks_exact_mut(g.positions()).enumerate() {
                for (position, out) in (image * g.positions()..).zip(out) {
                    let sum = sums[position / width * tile + channel * width + position % width];
                    *out = if sum < self.floor { self.floor } else { sum };
                }
            }
        }
    }

    /// The sums of tiles of positions from `first` on. Beyond the last position, the last is computed again.
    fn tiles(&self, group: usize, images: &[T], positions: usize, first: usize, sums: &mut [T]) {
        let (g, kernels) = (self.g, T::kernels());
        let [high, width] = self.tile;
        let filter_len = g.kernel[0] * self.steps[1];
        let filters = &self.filter.as_slice::<T>()[group * g.out * filter_len..][..g.out * filter_len];
        let tile = g.out.div_ceil(high) * high * width;
        let mut at = vec![0; sums.len() / tile * width];
        let count = at.len().min(positions - first);
        self.layout.positions(first, &mut at[..count]);
        let last = at[count - 1];
        at[count..].fill(last);
        for sums in sums.chunks_exact_mut(tile) {
            for (channel, sums) in sums.chunks_exact_mut(width).enumerate() {
                let bias = self.bias.map_or(T::ZERO, |b| b[group * g.out + channel.min(g.out - 1)]);
                sums.fill(bias);
            }
        }
        for piece in &self.pieces {
            for (panel, channel) in (0..g.out).step_by(high).enumerate() {
                let rows: [usize; 8] = std::array::from_fn(|i| piece.filter + (channel + i) * filter_len);
                let rows = &rows[..high.min(g.out - channel)];
                for (at, sums) in at.chunks_exact(width).zip(sums.chunks_exact_mut(tile)) {
                    let (x, size) = (&images[piece.image..], (piece.segments, piece.steps));
                    let sums = &mut sums[panel * high * width..];
                    kernels.dots((x, at, self.steps[0]), (filters, rows, self.steps[1]), size, sums);
                }
            }
        }
    }
}
