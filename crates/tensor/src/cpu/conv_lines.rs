//! Convolution with channels side by side: register tiles of positions times output channels, which read the image where
//! it lies, so that no patch is ever copied.

use super::conv::{Filter, Geometry};
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
/// Elements of the weight packed at a time: half of the first cache.
const LINES: usize = 1 << 12;
/// Elements of images laid out at a time, if more than one is.
const CHUNK: usize = 1 << 17;

/// Whether enough channels lie side by side to fill vectors.
pub(super) fn suits(g: &Geometry) -> bool {
    g.out >= 12 && g.out.next_multiple_of(16) * 3 <= g.out * 4 && g.batch * g.depth > 0
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
    // Few images: channels are divided.
    let few = threads > 1 && g.batch < 2 * threads;
    let panels = Panels::new::<T>(g.out, if heavy || few { threads } else { 1 });
    let taps = layout.taps(filter.turned);
    for group in 0..g.groups {
        let weight = Weight { filter, group, g };
        let bias = bias.map(|bias| &bias[group * g.out..][..g.out]);
        let lay = |first: usize, count: usize, work: usize| {
            let mut memory = Storage::zeroed(T::DTYPE, count * layout.image + STEP);
            let images = memory.as_mut_slice().chunks_exact_mut(layout.image.max(1)).take(count);
            par::share(images, work, &|i, laid| {
                layout.lay(&x[((first + i) * g.groups + group) * g.image()..][..g.image()], laid);
            });
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
                positions(&layout, &taps, packed.as_slice(), &panels, own, laid.as_slice(), bias, floor, &mut out);
            });
            continue;
        }
        let packed = weight.pack_all(&panels);
        let weight = |own: &Range<usize>| &packed.as_slice::<T>()[panels.packed_len(0..own.start, g.taps())..];
        if few {
            let pieces = panels.count.min(2 * threads);
            for (index, image) in images.into_iter().enumerate() {
                let laid = lay(index, 1, 0);
                let tasks = panels.divide(vec![image], pieces, g.positions());
                par::share(tasks.into_iter(), work, &|_, (own, mut out)| {
                    positions(&layout, &taps, weight(&own), &panels, own, laid.as_slice(), bias, floor, &mut out);
                });
            }
            continue;
        }
        let joined = (CHUNK / layout.image.max(1)).clamp(1, (g.batch / (2 * threads)).max(1));
        par::share(images.chunks_mut(joined), work, &|index, out: &mut [&mut [T]]| {
            let (laid, own) = (lay(index * joined, out.len(), 0), 0..panels.count);
            positions(&layout, &taps, weight(&own), &panels, own, laid.as_slice(), bias, floor, out);
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

/// The output channels of the panels `own`, for some images: `out` holds them image by image.
fn positions<T: Tiled>(
    layout: &Layout<'_>,
    taps_at: &[usize],
    weight: &[T],
    panels: &Panels,
    own: Range<usize>,
    images: &[T],
    bias: Option<&[T]>,
    floor: T,
    out: &mut [&mut [T]],
) {
    let (g, kernels) = (layout.g, T::kernels());
    let (mr, taps, positions) = (kernels.mr, g.taps(), g.positions());
    let first = panels.first(own.start);
    let channels = panels.first(own.end) - first;
    let total = out.len() * positions;
    let high = (SUMS / channels / mr * mr).max(6 * mr).min(total.next_multiple_of(mr));
    let mut memory = Storage::stale(T::DTYPE, high * channels);
    let sums = memory.as_mut_slice::<T>();
    let mut at = vec![0; high];
    let most = taps.div_ceil(taps.div_ceil(KC));
    let blocks: Vec<Rows<'_>> = taps_at.chunks(most).map(Rows::new).collect();
    for start in (0..total).step_by(high) {
        let at = &mut at[..high.min(total - start)];
        layout.positions(start, at);
        let starts: Vec<Rows<'_>> = at.chunks(mr).map(Rows::new).collect();
        for (block, &rows) in blocks.iter().enumerate() {
            let (tap, terms) = (block * most, rows.len());
            let floor = if tap + terms == taps { floor } else { T::NEG_INFINITY };
            for (i, &at) in starts.iter().enumerate() {
                for panel in own.clone() {
                    let (j, wide) = (panels.first(panel) - first, panels.channels(panel).len());
                    let row = kernels.read(wide);
                    let w = &weight[j * taps + tap * row..][..terms * row];
                    let start = match bias {
                        _ if tap > 0 => Start::Keep,
                        Some(bias) => Start::Rows(&bias[first + j..], 0),
                        None => Start::Zero,
                    };
                    let to = &mut sums[i * mr * channels + j..];
                    let size = Size { m: at.len(), n: wide, step: channels };
                    kernels.lines((images, at, rows), w, to, size, Finish { start, floor });
                }
            }
        }
        let (mut done, mut index) = (0, start);
        while done < at.len() {
            let (image, position) = (index / positions, index % positions);
            let count = (positions - position).min(at.len() - done);
            let from = &sums[done * channels..];
            T::transpose(from, channels, (count, channels), positions, &mut out[image][position..]);
            (done, index) = (done + count, index + count);
        }
    }
}
