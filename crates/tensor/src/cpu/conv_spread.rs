//! The gradient of a strided convolution with respect to its input, plane by plane.
//!
//! The gradients of an image are laid out like the planes, zeros where a row of the planes has no output; then a tap's
//! contribution to all inputs is one contiguous addition, done where a tile stores its sums.

use super::conv::Geometry;
use super::conv_planes::Planes;
use super::gemm::{Gemm, Init, KC, Mat, batched};
use super::par;
use super::simd::{Real, multiversion};
use super::tile::{Rows, Size, Start, Tiled};
use crate::storage::Storage;
use std::ops::Range;

/// Columns of a block: with [`KC`] rows half of the second cache.
const BLOCK: usize = 480;

/// Input channels that would leave rows of most tiles empty.
const FEW: usize = 4;
/// Elements of the products of [`of_few_channels`] kept at a time: an eighth of the second cache.
const PRODUCTS: usize = 1 << 15;

/// Whether input channels are few, and output channels so many that their products take longer than adding those up.
pub(super) fn few_channels(g: &Geometry) -> bool {
    g.depth <= FEW && g.out >= 16.max(12 * g.depth)
}

/// The gradient with respect to the input.
pub(super) fn input_grad<T: Tiled + Gemm>(w: &[T], dy: &[T], g: &Geometry, dx: &mut [T]) {
    if dx.is_empty() {
        return;
    }
    let planes = Planes::new(g);
    if few_channels(g) {
        let work = g.units() * (g.out * g.positions() * g.taps() / 8 + planes.cost());
        return par::share(dx.chunks_mut(g.image()), work, &|i, dx| {
            let w = &w[i % g.groups * g.out * g.taps()..][..g.out * g.taps()];
            of_few_channels(&planes, w, &dy[i * g.out * g.positions()..][..g.out * g.positions()], dx);
        });
    }
    let weight = PackedTaps::new(w, g);
    let joined = joined(g, planes.position(g.positions() - 1) + 1);
    let task = |i: usize, channels: Range<usize>, dx: &mut [T]| {
        let count = dx.len() / (channels.len() * g.size[0] * g.size[1]);
        let grads = &dy[i * g.out * g.positions()..][..count * g.out * g.positions()];
        spread(&planes, &weight, i % g.groups, grads, channels, dx);
    };
    let unit = joined * g.image();
    let work = g.units() * (g.out * g.positions() * g.taps() / 8 + planes.cost());
    if !par::worth(work) || g.units() >= 2 * par::num_threads() {
        par::share(dx.chunks_mut(unit), work, &|i, dx| task(i * joined, 0..g.depth, dx));
    } else {
        // Few images: channels are divided too.
        let high = g.depth.div_ceil(2 * par::num_threads()).next_multiple_of(T::kernels().mr);
        for (i, dx) in dx.chunks_mut(g.image()).enumerate() {
            par::share(dx.chunks_mut(high * g.size[0] * g.size[1]), work, &|c, dx| {
                task(i, c * high..((c + 1) * high).min(g.depth), dx);
            });
        }
    }
}

/// The input gradients of an image of few channels: for some rows of outputs all taps are one product, whose rows are then added
/// to the planes.
fn of_few_channels<T: Tiled + Gemm>(planes: &Planes<'_>, w: &[T], grads: &[T], dx: &mut [T]) {
    let g = planes.g;
    let ([high, wide], taps, positions) = (g.out_size, g.taps(), g.positions());
    let some = (PRODUCTS / (taps * wide)).clamp(1, high);
    let lengths = [planes.image(), taps * some * wide];
    let mut memory = Storage::zeroed(T::DTYPE, lengths.iter().sum());
    let (sums, products) = memory.as_mut_slice::<T>().split_at_mut(lengths[0]);
    for first in (0..high).step_by(some) {
        let count = some.min(high - first) * wide;
        let products = &mut products[..taps * count];
        let left = Mat::dense(w, g.out, taps).t();
        let right = Mat::new(grads, first * wide, (g.out, count), (positions as isize, 1));
        batched((taps, count, g.out), |_| (left, right, Init::Zero), T::LOWEST, products);
        for (products, &at) in products.chunks_exact(count).zip(&planes.taps) {
            add_rows(products, wide, &mut sums[at + first * planes.plane[1]..], planes.plane[1]);
        }
    }
    planes.gather(g.depth, sums, dx);
}

multiversion! {
    /// `out[y·step + x] += rows[y·wide + x]`.
    fn add_rows[T: Real](rows: &[T], wide: usize, out: &mut [T], step: usize) {
        for (row, out) in rows.chunks_exact(wide).zip(out.chunks_mut(step)) {
            out.iter_mut().zip(row).for_each(|(o, &x)| *o += x);
        }
    }
}

/// Units whose columns are worth joining: a block of columns should be some hundred wide, and every thread should
/// get something. Where columns are joined and where not makes no difference to any element's sum.
fn joined(g: &Geometry, columns: usize) -> usize {
    if g.groups > 1 {
        return 1;
    }
    (BLOCK / columns.max(1)).min(g.batch / (2 * par::num_threads())).max(1)
}

/// The weight turned over, in panels of a tile's height: for each group, each `mr` input channels and each place in the
/// kernel, `[output channel][input channel]`.
///
/// The channels of a panel write to different planes, so its rows never wait for each other's stores.
struct PackedTaps {
    data: Storage,
}

impl PackedTaps {
    fn new<T: Tiled>(w: &[T], g: &Geometry) -> PackedTaps {
        let (mr, taps, places) = (T::kernels().mr, g.taps(), g.kernel[0] * g.kernel[1]);
        let mut data = Storage::stale(T::DTYPE, g.groups * turned(g));
        if g.depth > 0 {
            for (group, panels) in data.as_mut_slice::<T>().chunks_mut(turned(g)).enumerate() {
                let w = &w[group * g.out * taps..][..g.out * taps];
                let panel = mr * g.out * places;
                par::chunks(panels, panel, 2, |start, panels| {
                    for (i, out) in panels.chunks_mut(panel).enumerate() {
                        turn(w, g, (start / panel + i) * mr, out);
                    }
                });
            }
        }
        PackedTaps { data }
    }
}

/// The panel of [`PackedTaps`] that starts at input channel `first`.
fn turn<T: Tiled>(w: &[T], g: &Geometry, first: usize, panel: &mut [T]) {
    let places = g.kernel[0] * g.kernel[1];
    let high = panel.len() / (g.out * places);
    let count = high.min(g.depth - first);
    if count < high {
        panel.fill(T::ZERO);
    }
    for (channel, row) in w.chunks_exact(g.taps()).enumerate() {
        let out = &mut panel[channel * high..];
        T::transpose(&row[first * places..], places, (count, places), g.out * high, out);
    }
}

/// The input gradients of some images of one group: `dx` holds their channels `channels`, image after image.
fn spread<T: Tiled>(
    planes: &Planes<'_>,
    weight: &PackedTaps,
    group: usize,
    grads: &[T],
    channels: Range<usize>,
    dx: &mut [T],
) {
    let (g, kernels) = (planes.g, T::kernels());
    let (nr, mr, positions) = (kernels.nr(), kernels.mr, g.positions());
    let places = g.kernel[0] * g.kernel[1];
    let weight = &weight.data.as_slice::<T>()[group * turned(g)..][..turned(g)];
    let image = channels.len() * planes.channel();
    let count = grads.len() / (g.out * positions);
    let total = planes.position(positions - 1) + 1;
    let panels = total.div_ceil(nr);
    let lengths = [count * image, count * panels * g.out * nr];
    let mut memory = Storage::zeroed(T::DTYPE, lengths.iter().sum());
    let (sums, packed) = memory.as_mut_slice::<T>().split_at_mut(lengths[0]);
    // packed[image][panel][output channel][column]
    for (i, row) in grads.chunks_exact(g.out_size[1]).enumerate() {
        let (image, channel, y) = (i / g.out_size[0] / g.out, i / g.out_size[0] % g.out, i % g.out_size[0]);
        let mut at = y * planes.plane[1];
        let mut row = row;
        while !row.is_empty() {
            let (panel, column) = (at / nr, at % nr);
            let (now, later) = row.split_at(row.len().min(nr - column));
            packed[((image * panels + panel) * g.out + channel) * nr + column..][..now.len()].copy_from_slice(now);
            at += now.len();
            row = later;
        }
    }
    let panel_rows: Vec<usize> = (0..g.out.min(KC)).map(|p| p * nr).collect();
    let block = (BLOCK / nr).max(1);
    for pc in (0..g.out).step_by(KC) {
        let kc = KC.min(g.out - pc);
        let rows = Rows::new(&panel_rows[..kc]);
        for first in (0..count * panels).step_by(block) {
            let some = first..(first + block).min(count * panels);
            for place in 0..places {
                for c in channels.clone().step_by(mr) {
                    let high = mr.min(channels.end - c);
                    // Panels start at multiples of mr; all but the last of a group are mr high.
                    let padded = kernels.padded(mr.min(g.depth - c));
                    let left = &weight[(c * places + place * padded) * g.out + pc * padded..][..kc * padded];
                    for panel in some.clone() {
                        let (which, j) = (panel / panels, panel % panels * nr);
                        let right = &packed[(panel * g.out + pc) * nr..][..kc * nr];
                        let at = which * image + (c - channels.start) * planes.channel() + planes.taps[place] + j;
                        let size = Size { m: high, n: nr.min(total - j), step: planes.channel() };
                        kernels.tile(left, right, rows, &mut sums[at..], size, Start::Keep);
                    }
                }
            }
        }
    }
    for (sums, dx) in sums.chunks_exact(image).zip(dx.chunks_exact_mut(channels.len() * g.size[0] * g.size[1])) {
        planes.gather(channels.len(), sums, dx);
    }
}

/// Elements of [`PackedTaps`] per group.
fn turned(g: &Geometry) -> usize {
    g.depth.next_multiple_of(2) * g.out * g.kernel[0] * g.kernel[1]
}
