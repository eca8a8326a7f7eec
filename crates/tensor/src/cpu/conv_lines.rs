//! Convolution with channels side by side: register tiles of positions times output channels, which read the image where
//! it lies, so that no patch is ever copied.

use super::conv::{Filter, Geometry};
use super::conv_layout::{Layout, even_width};
use super::par;
use super::tile::{Finish, Rows, Size, Start, Tiled};
use crate::storage::Storage;
use std::ops::Range;

/// Taps summed in one chain of multiply-adds at most: 48 columns of so many fit in the first cache.
const KC: usize = 160;
/// Numbers read beyond an operand's end at most.
const STEP: usize = 16;
/// Elements of the sums kept at a time: an eighth of the second cache.
const SUMS: usize = 1 << 15;
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
    let panels = Panels::new::<T>(g.out);
    let taps = layout.taps(filter.turned);
    for group in 0..g.groups {
        let weight = Weight::new(filter, group, g, &panels);
        let bias = bias.map(|bias| &bias[group * g.out..][..g.out]);
        let lay = |first: usize, count: usize| {
            let mut memory = Storage::zeroed(T::DTYPE, count * layout.image + STEP);
            for (i, laid) in memory.as_mut_slice().chunks_exact_mut(layout.image.max(1)).take(count).enumerate() {
                layout.lay(&x[((first + i) * g.groups + group) * g.image()..][..g.image()], laid);
            }
            memory
        };
        let mut images: Vec<&mut [T]> =
            out.chunks_mut(g.groups * unit).map(|i| &mut i[group * unit..][..unit]).collect();
        if threads > 1 && g.batch < 2 * threads {
            // Few images: channels are divided.
            let some = panels.count.div_ceil(2 * threads);
            for (index, image) in images.into_iter().enumerate() {
                let laid = lay(index, 1);
                par::share(image.chunks_mut(some * panels.width * g.positions()), work, &|i, out| {
                    let own = i * some..((i + 1) * some).min(panels.count);
                    positions(&layout, &taps, &weight, &panels, own, laid.as_slice(), bias, floor, &mut [out]);
                });
            }
            continue;
        }
        let joined = (CHUNK / layout.image.max(1)).clamp(1, (g.batch / (2 * threads)).max(1));
        par::share(images.chunks_mut(joined), work, &|index, out: &mut [&mut [T]]| {
            let laid = lay(index * joined, out.len());
            positions(&layout, &taps, &weight, &panels, 0..panels.count, laid.as_slice(), bias, floor, out);
        });
    }
}

/// How output channels are divided into the columns of tiles.
struct Panels {
    width: usize,
    count: usize,
}

impl Panels {
    fn new<T: Tiled>(out: usize) -> Panels {
        let width = even_width(out, T::kernels().nr(), T::kernels().lanes);
        Panels { width, count: out.div_ceil(width) }
    }
}

/// The weight of a group: for each panel of output channels `[tap][channel]`, taps in the order of the filter: input
/// channels, then rows and columns of the kernel.
struct Weight {
    data: Storage,
}

impl Weight {
    fn new<T: Tiled>(filter: Filter<'_, T>, group: usize, g: &Geometry, panels: &Panels) -> Weight {
        let (places, taps) = (g.kernel[0] * g.kernel[1], g.taps());
        let w = &filter.data[group * g.out * taps..][..g.out * taps];
        let panel = panels.width * taps;
        let mut data = Storage::stale(T::DTYPE, panels.count * panel);
        // Pieces of some input channels, since large panels are few.
        let piece = |wide: usize| (1 << 14) / (wide * places) + 1;
        let mut pieces = Vec::new();
        for (index, panel) in data.as_mut_slice::<T>().chunks_exact_mut(panel).enumerate() {
            let first = index * panels.width;
            let count = panels.width.min(g.out - first);
            let row = T::kernels().read(count);
            let some = piece(row);
            let parts = panel[..row * taps].chunks_mut(some * places * row).enumerate();
            pieces.extend(parts.map(|(i, out)| (first, count, row, i * some, out)));
        }
        par::share(pieces.into_iter(), 2 * g.out * taps, &|_, (first, count, row, channel, out)| {
            if filter.turned {
                for (i, out) in out.chunks_exact_mut(places * row).enumerate() {
                    let from = &w[((channel + i) * g.out + first) * places..];
                    T::transpose(from, places, (count, places), row, out);
                }
            } else {
                let len = out.len() / row;
                T::transpose(&w[first * taps + channel * places..], taps, (count, len), row, out);
            }
        });
        Weight { data }
    }
}

/// The output channels of the panels `own`, for some images: `out` holds them image by image.
fn positions<T: Tiled>(
    layout: &Layout<'_>,
    taps_at: &[usize],
    weight: &Weight,
    panels: &Panels,
    own: Range<usize>,
    images: &[T],
    bias: Option<&[T]>,
    floor: T,
    out: &mut [&mut [T]],
) {
    let (g, kernels) = (layout.g, T::kernels());
    let (mr, taps, positions, width) = (kernels.mr, g.taps(), g.positions(), panels.width);
    let first = own.start * width;
    let channels = (own.end * width).min(g.out) - first;
    let weight = weight.data.as_slice::<T>();
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
                    let j = panel * width - first;
                    let wide = width.min(channels - j);
                    let row = kernels.read(wide);
                    let w = &weight[panel * width * taps + tap * row..][..terms * row];
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
