//! Convolution with channels side by side: register tiles of positions times output channels, which read the image where
//! it lies, so that no patch is ever copied.

use super::conv::{Filter, Geometry};
use super::conv_dots;
use super::conv_layout::Layout;
use super::par;
use super::simd::prefetch;
use super::tile::{Finish, Rows, Size, Start, Tiled};
use crate::storage::Storage;
use std::ops::Range;

/// Taps summed in one chain of multiply-adds at most: 48 columns of so many fit in the first cache.
const KC: usize = 160;
/// Numbers read beyond an operand's end at most.
const STEP: usize = 16;
/// Elements of the sums kept at a time: an eighth of the second cache.
const SUMS: usize = 1 << 15;
/// Positions per thread's piece of images that are divided by them, and of an image, at least.
const LARGE: usize = 96;
/// Positions of an image that tiles along its rows would mostly miss, at most.
const FEW: usize = 64;
/// Tiles of positions that use a panel of the weight one after another.
const SOME: usize = 8;
/// Elements of the weight packed at a time: half of the first cache.
const LINES: usize = 1 << 12;
/// Elements of images laid out at a time, if more than one is.
const CHUNK: usize = 1 << 17;

/// Whether enough channels lie side by side to fill vectors: three quarters; two thirds where an image would otherwise be taken
/// apart by a wide stride; half where positions are as few as a vector's numbers.
pub(super) fn suits(g: &Geometry) -> bool {
    let lanes = g.out.next_multiple_of(16);
    let full = match g.out {
        9.. if g.positions() <= FEW && !conv_dots::pays(g) => lanes <= g.out * 2,
        _ if g.stride[1] > 2 => lanes * 2 <= g.out * 3,
        _ => g.out >= 12 && lanes * 3 <= g.out * 4,
    };
    full && g.batch * g.depth > 0
}

/// The convolution of `x` with `w`, plus a bias per channel, raised to `floor` where it is less.
pub(super) fn convolve<T: Tiled>(
    x: &[T],
    filter: Filter<'_, T>,
    bias: Option<&[T]>,
    floor: T,
    g: &Geometry,
    out: &mut [T],
) {
    let layout = Layout::new(g);
    let work = out.len() * g.taps() / 8;
    let threads = if par::worth(work) { par::num_threads() } else { 1 };
    let unit = g.out * g.positions();
    // Where the weight is larger than all images, these are read again for each panel, and not it for each image.
    let heavy = g.out * g.taps() >= g.batch * layout.image;
    // Few images are divided: large ones by positions, others by channels.
    let few = threads > 1 && g.batch < 2 * threads;
    let large = g.batch * g.positions() >= 2 * threads * LARGE && g.positions() >= LARGE;
    let panels = Panels::new::<T>(g.out, if heavy || few && !large { threads } else { 1 });
    let taps = layout.taps(filter.turned);
    let image = |index: usize| &x[index * g.image()..][..g.image()];
    for group in 0..g.groups {
        let weight = Weight { filter, group, g };
        let bias = bias.map(|bias| &bias[group * g.out..][..g.out]);
        let sums = Sums { layout: &layout, taps: &taps, panels: &panels, bias, floor };
        let lay = |first: usize, count: usize, work: usize| {
            let mut memory = Storage::zeroed(T::DTYPE, count * layout.image + STEP);
            let images = memory.as_mut_slice().chunks_exact_mut(layout.image.max(1)).take(count);
            par::share(images, work, &|i, laid| layout.lay(image((first + i) * g.groups + group), laid));
            memory
        };
        let mut images: Vec<&mut [T]> =
            out.chunks_mut(g.groups * unit).map(|i| &mut i[group * unit..][..unit]).collect();
        if heavy {
            let laid = lay(0, g.batch, 4 * g.batch * layout.image);
            let tasks = panels.divide(images, panels.count, g.positions());
            par::share(tasks.into_iter(), work, &|_, (own, mut out)| {
                let mut packed = Storage::stale(T::DTYPE, panels.packed_len(own.clone(), g.taps()));
                weight.pack(panels.channels(own.start), 0..g.depth, packed.as_mut_slice());
                sums.of_images(packed.as_slice(), own, laid.as_slice(), &mut out);
            });
            continue;
        }
        let packed = weight.pack_all(&panels);
        let weight = |own: &Range<usize>| &packed.as_slice::<T>()[panels.packed_len(0..own.start, g.taps())..];
        if few && large {
            for (index, out) in images.into_iter().enumerate() {
                let mut memory = Storage::zeroed(T::DTYPE, layout.image + STEP);
                let laid = memory.as_mut_slice::<T>();
                let band = (layout.image / layout.row()).div_ceil(2 * threads) * layout.row();
                par::share(laid[..layout.image].chunks_mut(band), 4 * layout.image, &|i, laid| {
                    layout.lay_band(image(index * g.groups + group), i * band / layout.row(), laid);
                });
                let some = g.positions().div_ceil(2 * threads);
                let mut tasks = Vec::from_iter((0..g.positions()).step_by(some).map(|first| (first, Vec::new())));
                for channel in out.chunks_exact_mut(g.positions()) {
                    tasks.iter_mut().zip(channel.chunks_mut(some)).for_each(|((_, rows), row)| rows.push(row));
                }
                let laid = &*laid;
                par::share(tasks.into_iter(), work, &|_, (first, mut rows)| {
                    sums.of_positions(weight(&(0..0)), laid, first, &mut rows);
                });
            }
            continue;
        }
        if few {
            let pieces = panels.count.min(2 * threads);
            for (index, image) in images.into_iter().enumerate() {
                let laid = lay(index, 1, 0);
                let tasks = panels.divide(vec![image], pieces, g.positions());
                par::share(tasks.into_iter(), work, &|_, (own, mut out)| {
                    sums.of_images(weight(&own), own, laid.as_slice(), &mut out);
                });
            }
            continue;
        }
        let joined = (CHUNK / layout.image.max(1)).clamp(1, (g.batch / (2 * threads)).max(1));
        par::share(images.chunks_mut(joined), work, &|index, out: &mut [&mut [T]]| {
            let laid = lay(index * joined, out.len(), 0);
            sums.of_images(weight(&(0..0)), 0..panels.count, laid.as_slice(), out);
        });
    }
}

/// How output channels are divided into the columns of tiles: as evenly as whole vectors can be.
struct Panels {
    out: usize,
    lanes: usize,
    vectors: usize,
    count: usize,
}

impl Panels {
    /// As few panels as possible, but as many for each of so many threads.
    fn new<T: Tiled>(out: usize, threads: usize) -> Panels {
        let kernels = T::kernels();
        let vectors = out.div_ceil(kernels.lanes);
        let count = vectors.div_ceil(kernels.nr() / kernels.lanes).next_multiple_of(threads).min(vectors);
        Panels { out, lanes: kernels.lanes, vectors, count }
    }

    /// The first channel of a panel.
    fn first(&self, panel: usize) -> usize {
        (panel * self.vectors / self.count * self.lanes).min(self.out)
    }

    /// The channels of a panel.
    fn channels(&self, panel: usize) -> Range<usize> {
        self.first(panel)..self.first(panel + 1)
    }

    /// Elements of the packed weight of some panels.
    fn packed_len(&self, panels: Range<usize>, taps: usize) -> usize {
        (self.first(panels.end) - self.first(panels.start)).next_multiple_of(self.lanes) * taps
    }

    /// Pieces of some panels each, and for each the rows of the images that it computes.
    fn divide<'a, T>(
        &self,
        images: Vec<&'a mut [T]>,
        pieces: usize,
        positions: usize,
    ) -> Vec<(Range<usize>, Vec<&'a mut [T]>)> {
        let own = |i: usize| i * self.count / pieces..(i + 1) * self.count / pieces;
        let mut tasks = Vec::from_iter((0..pieces).map(|i| (own(i), Vec::new())));
        for mut image in images {
            for (panels, rows) in &mut tasks {
                let channels = self.first(panels.end) - self.first(panels.start);
                let (now, later) = image.split_at_mut(channels * positions);
                rows.push(now);
                image = later;
            }
        }
        tasks
    }
}

/// The weight of a group: packed, it is for each panel of output channels `[tap][channel]`, taps in the order of the filter:
/// input channels, then rows and columns of the kernel.
struct Weight<'a, T> {
    filter: Filter<'a, T>,
    group: usize,
    g: &'a Geometry,
}

impl<T: Tiled> Weight<'_, T> {
    fn pack_all(&self, panels: &Panels) -> Storage {
        let g = self.g;
        let (places, taps) = (g.kernel[0] * g.kernel[1], g.taps());
        let mut data = Storage::stale(T::DTYPE, panels.packed_len(0..panels.count, taps));
        // Pieces of some input channels, since large panels are few.
        let mut pieces = Vec::new();
        let mut rest = data.as_mut_slice::<T>();
        for panel in 0..panels.count {
            let (own, later) = rest.split_at_mut(panels.packed_len(panel..panel + 1, taps));
            let row = own.len() / taps.max(1);
            let some = (1 << 14) / (row * places).max(1) + 1;
            for (i, out) in own.chunks_mut((some * places * row).max(1)).enumerate() {
                pieces.push((panel, i * some..((i + 1) * some).min(g.depth), out));
            }
            rest = later;
        }
        par::share(pieces.into_iter(), 2 * g.out * taps, &|_, (panel, inputs, out)| {
            self.pack(panels.channels(panel), inputs, out);
        });
        data
    }

    /// Some input channels of a panel.
    fn pack(&self, channels: Range<usize>, inputs: Range<usize>, out: &mut [T]) {
        let g = self.g;
        let (places, taps) = (g.kernel[0] * g.kernel[1], g.taps());
        let w = &self.filter.data[self.group * g.out * taps..][..g.out * taps];
        let row = T::kernels().read(channels.len());
        if channels.len() < row {
            // Columns that no channel has: subnormal numbers there would slow products down.
            out.fill(T::ZERO);
        }
        // What is written stays in the first cache; what comes next is asked for.
        let some = LINES / (row * places) + 1;
        for (start, out) in inputs.clone().step_by(some).zip(out.chunks_mut(some * places * row)) {
            let next = (start + some).min(inputs.end)..(start + 2 * some).min(inputs.end);
            if self.filter.turned {
                let from = |c: usize| &w[(c * g.out + channels.start) * places..];
                next.for_each(|c| prefetch(&from(c)[..channels.len() * places]));
                for (c, out) in (start..).zip(out.chunks_exact_mut(places * row)) {
                    T::transpose(from(c), places, (channels.len(), places), row, out);
                }
            } else {
                let from = |o: usize, c: usize| &w[o * taps + c * places..];
                channels.clone().for_each(|o| prefetch(&from(o, next.start)[..next.len() * places]));
                T::transpose(from(channels.start, start), taps, (channels.len(), out.len() / row), row, out);
            }
        }
    }
}

/// Takes the sums of a block: the first position, the sums, and the width and number of their rows.
type Store<'a, T> = dyn FnMut(usize, &[T], (usize, usize)) + 'a;

/// What all tasks of a group have in common.
struct Sums<'a, T> {
    layout: &'a Layout<'a>,
    taps: &'a [usize],
    panels: &'a Panels,
    bias: Option<&'a [T]>,
    floor: T,
}

impl<T: Tiled> Sums<'_, T> {
    /// The output channels of the panels `own` of some images: `out` holds them image by image.
    fn of_images(&self, weight: &[T], own: Range<usize>, images: &[T], out: &mut [&mut [T]]) {
        let positions = self.layout.g.positions();
        let channels = self.panels.first(own.end) - self.panels.first(own.start);
        self.each_block(weight, own, images, 0..out.len() * positions, &mut |first, sums, (width, count)| {
            let mut done = 0;
            while done < count {
                let (image, position) = ((first + done) / positions, (first + done) % positions);
                let some = (positions - position).min(count - done);
                T::transpose(&sums[done * width..], width, (some, channels), positions, &mut out[image][position..]);
                done += some;
            }
        });
    }

    /// All output channels at some positions of an image from `first` on: `out` holds them channel by channel.
    fn of_positions(&self, weight: &[T], image: &[T], first: usize, out: &mut [&mut [T]]) {
        let positions = first..first + out[0].len();
        let mut memory = Storage::stale(T::DTYPE, 0);
        self.each_block(weight, 0..self.panels.count, image, positions, &mut |start, sums, (width, count)| {
            if memory.len() < out.len() * count {
                memory = Storage::stale(T::DTYPE, out.len() * count);
            }
            let turned = &mut memory.as_mut_slice::<T>()[..out.len() * count];
            T::transpose(sums, width, (count, out.len()), count, turned);
            for (to, from) in out.iter_mut().zip(turned.chunks_exact(count)) {
                to[start - first..][..count].copy_from_slice(from);
            }
        });
    }

    /// Calls `store(first, sums, (width, count))` for blocks of positions, counted through all images: for `count` of them,
    /// from `first` on, rows of `width` elements, of which the first are the output channels of the panels `own`.
    fn each_block(
        &self,
        weight: &[T],
        own: Range<usize>,
        images: &[T],
        positions: Range<usize>,
        store: &mut Store<'_, T>,
    ) {
        let (g, kernels, panels) = (self.layout.g, T::kernels(), self.panels);
        let (mr, taps) = (kernels.mr, g.taps());
        let first = panels.first(own.start);
        let channels = panels.first(own.end) - first;
        // Tiles are always whole: where channels or positions end, they compute some that nobody reads.
        let width = channels.next_multiple_of(kernels.lanes);
        let high = (SUMS / width / mr * mr).max(6 * mr).min(positions.len().next_multiple_of(mr));
        let mut memory = Storage::stale(T::DTYPE, high * width);
        let sums = memory.as_mut_slice::<T>();
        let mut at = vec![0; high];
        let bias = self.bias.map(|bias| {
            let mut row = vec![T::ZERO; width];
            row[..channels].copy_from_slice(&bias[first..][..channels]);
            row
        });
        let most = taps.div_ceil(taps.div_ceil(KC));
        let blocks: Vec<Rows<'_>> = self.taps.chunks(most).map(Rows::new).collect();
        for start in positions.clone().step_by(high) {
            let count = high.min(positions.end - start);
            self.layout.positions(start, &mut at[..count]);
            let last = at[count - 1];
            let at = &mut at[..count.next_multiple_of(mr)];
            at[count..].fill(last);
            let starts: Vec<Rows<'_>> = at.chunks(mr).map(Rows::new).collect();
            for (block, &rows) in blocks.iter().enumerate() {
                let (tap, terms) = (block * most, rows.len());
                let floor = if tap + terms == taps { self.floor } else { T::NEG_INFINITY };
                // A panel stays in the first cache while some tiles use it, and so does what they see of the image.
                for (group, starts) in starts.chunks(SOME).enumerate() {
                    for panel in own.clone() {
                        let (j, row) = (panels.first(panel) - first, kernels.read(panels.channels(panel).len()));
                        let w = &weight[j * taps + tap * row..][..terms * row];
                        let start = match &bias {
                            _ if tap > 0 => Start::Keep,
                            Some(bias) => Start::Rows(&bias[j..], 0),
                            None => Start::Zero,
                        };
                        let size = Size { m: mr, n: row, step: width };
                        for (i, &at) in (group * SOME..).zip(starts) {
                            let to = &mut sums[i * mr * width + j..];
                            kernels.lines((images, at, rows), w, to, size, Finish { start, floor });
                        }
                    }
                }
            }
            store(start, sums, (width, count));
        }
    }
}
