//! The gradient of a convolution with respect to its weight.

use super::conv::Geometry;
use super::conv_layout::{Layout, Run, even_width};
use super::conv_planes::Planes;
use super::gemm::{Mat, pack_columns};
use super::par;
use super::simd::multiversion;
use super::tile::{Rows, Size, Start, Tiled};
use super::{conv_side, winograd_weight};
use crate::storage::Storage;
use crate::{Element, Tensor};
use std::ops::Range;

/// The gradient with respect to the weight.
pub(crate) fn weight_grad<T: Tiled>(x: &Tensor, dy: &Tensor, g: &Geometry, shape: &[usize]) -> Tensor {
    let (x, dy) = (x.contiguous(), dy.contiguous());
    let (x_data, dy_data) = (x.as_slice::<T>().expect("contiguous"), dy.as_slice::<T>().expect("contiguous"));
    Tensor::build(shape, |dw: &mut [T]| match (g.batch, dw.len()) {
        (0, _) | (_, 0) => dw.fill(T::ZERO),
        _ if conv_side::suits(g) => conv_side::weight_grad(x_data, dy_data, g, dw),
        _ if g.out <= 32 && g.depth * g.kernel[1] < 16 || g.taps() <= 32 => {
            dw.fill(T::ZERO);
            weight_grad_dots(&Planes::new(g), x_data, dy_data, dw);
        }
        _ if winograd_weight::suits(g) => winograd_weight::weight_grad(g, x_data, dy_data, dw),
        _ => weight_grad_tiles(g, x_data, dy_data, dw),
    })
}

/// For few output channels or taps: each weight's gradient is a sum of products along the planes and the output gradients, laid
/// out alike. Nothing is packed. Images are summed in chunks that depend on the sizes only.
fn weight_grad_dots<T: Tiled>(planes: &Planes<'_>, x: &[T], dy: &[T], dw: &mut [T]) {
    let (g, kernels) = (planes.g, T::kernels());
    let (taps, unit) = (g.taps(), g.out * g.positions());
    let row = (planes.position(g.positions() - 1) + 1).next_multiple_of(kernels.lanes);
    // A chunk's images and gradients stay in the second cache.
    let chunk = ((1 << 16) / (planes.image() + g.out * row)).clamp(1, g.batch);
    let chunks = g.batch.div_ceil(chunk);
    let share = chunks.div_ceil(16);
    let tasks = chunks.div_ceil(share);
    let work = g.units() * (unit * taps / 8 + planes.cost());
    // With few images, groups are divided too, and output channels by whole tiles.
    let wanted = if par::worth(work) { (2 * par::num_threads()).div_ceil(tasks) } else { 1 };
    let by_group = wanted.min(g.groups);
    let panels = g.out.div_ceil(kernels.dot_rows());
    let by_channel = (wanted / by_group).min(panels);
    let task = |index: usize, groups: Range<usize>, channels: Range<usize>| {
        let mut sum = vec![T::ZERO; groups.len() * channels.len() * taps];
        let lengths = [chunk * planes.image() + kernels.lanes, chunk * channels.len() * row];
        let mut memory = Storage::zeroed(T::DTYPE, lengths.iter().sum());
        let (laid, rows) = memory.as_mut_slice::<T>().split_at_mut(lengths[0]);
        for first in (index * share..((index + 1) * share).min(chunks)).map(|c| c * chunk) {
            let count = chunk.min(g.batch - first);
            for (group, sum) in groups.clone().zip(sum.chunks_exact_mut(channels.len() * taps)) {
                for i in 0..count {
                    let at = (first + i) * g.groups + group;
                    planes.lay(&x[at * g.image()..][..g.image()], &mut laid[i * planes.image()..]);
                    let own = &dy[at * unit..][channels.start * g.positions()..channels.end * g.positions()];
                    for (j, from) in own.chunks_exact(g.out_size[1]).enumerate() {
                        let (channel, y) = (j / g.out_size[0], j % g.out_size[0]);
                        let to = (i * channels.len() + channel) * row + y * planes.plane[1];
                        rows[to..][..from.len()].copy_from_slice(from);
                    }
                }
                let size = (count, row / kernels.lanes);
                dots_of_chunk((laid, &planes.taps, planes.image()), (rows, row, channels.len() * row), size, sum);
            }
        }
        sum
    };
    let of_groups = |i: usize| i * g.groups / by_group..(i + 1) * g.groups / by_group;
    let first = |i: usize| (i * panels / by_channel * kernels.dot_rows()).min(g.out);
    let parts = (0..tasks * by_group * by_channel).map(|i| {
        let (own, channel) = (i / by_channel % by_group, i % by_channel);
        (i / by_channel / by_group, of_groups(own), first(channel)..first(channel + 1))
    });
    let mut parts = Vec::from_iter(parts.map(|part| (part, Vec::new())));
    par::share(parts.iter_mut(), work, &|_, ((index, groups, channels), sum)| {
        *sum = task(*index, groups.clone(), channels.clone());
    });
    for ((_, groups, channels), sum) in parts {
        for (group, sum) in groups.zip(sum.chunks_exact(channels.len() * taps)) {
            let dw = &mut dw[(group * g.out + channels.start) * taps..];
            dw.iter_mut().zip(sum).for_each(|(d, p)| *d += *p);
        }
    }
}

/// Adds the sums of a chunk: operands are `(data, offsets of the taps, step per image)` and
/// `(data, length of a channel's row, step per image)`, sizes `(images, vectors of a row)`.
fn dots_of_chunk<T: Tiled>(
    (x, taps, x_step): (&[T], &[usize], usize),
    (rows, row, row_step): (&[T], usize, usize),
    size: (usize, usize),
    sum: &mut [T],
) {
    let kernels = T::kernels();
    let channels = row_step / row;
    // The taller of two tile widths unless the other wastes less; heights as even as can be.
    let (narrow, wide) = (kernels.dot_width, kernels.dot_width + 1);
    let width = if taps.len().next_multiple_of(narrow) < taps.len().next_multiple_of(wide) { narrow } else { wide };
    let high = channels.div_ceil(channels.div_ceil(kernels.dot_rows()));
    for t in (0..taps.len()).step_by(width) {
        // Beyond the last tap, the last is computed again and dropped.
        let x_at: [usize; 8] = std::array::from_fn(|i| taps[(t + i).min(taps.len() - 1)]);
        for c in (0..channels).step_by(high) {
            let count = high.min(channels - c);
            let d_at: [usize; 8] = std::array::from_fn(|i| (c + i) * row);
            let mut sums = [T::ZERO; 32];
            kernels.dots((x, &x_at[..width], x_step), (rows, &d_at[..count], row_step), size, &mut sums);
            for i in 0..count {
                let out = &mut sum[(c + i) * taps.len() + t..];
                out.iter_mut().zip(&sums[i * width..][..width.min(taps.len() - t)]).for_each(|(o, &s)| *o += s);
            }
        }
    }
}

/// Output positions summed at a time: their inputs, of 48 taps, are half of the first cache.
const POSITIONS: usize = 128;
/// Positions that a strip of the sums stays in the second cache for.
const SPAN: usize = 8 * POSITIONS;
/// Elements of images and gradients laid out at a time.
const CHUNK: usize = 1 << 19;
/// Numbers copied at a time, some of them too many.
const STEP: usize = 16;

/// Otherwise: images are laid out with channels side by side, so that what a row of the kernel meets at one position is
/// one run of memory; register tiles then sum output channels times that run over positions. Nothing is unfolded, except
/// where runs are shorter than vectors.
///
/// The sums of an element go over images and positions in order, whatever the threads, which divide the elements.
fn weight_grad_tiles<T: Tiled>(g: &Geometry, x: &[T], dy: &[T], dw: &mut [T]) {
    let kernels = T::kernels();
    let work = g.units() * g.out * g.positions() * g.taps() / 8;
    let threads = if par::worth(work) { par::num_threads() } else { 1 };
    let layout = Layout::new(g).join_short_runs(kernels.lanes, threads);
    let (mr, positions, taps) = (kernels.mr, g.positions(), g.taps());
    let panels = g.out.div_ceil(mr);
    let unit = layout.image + panels * mr * positions;
    let chunk = (CHUNK / unit).clamp(1, g.batch);
    let mut memory = Storage::zeroed(T::DTYPE, chunk * layout.image + STEP);
    let images = memory.as_mut_slice::<T>();
    let mut memory = Storage::zeroed(T::DTYPE, chunk * panels * mr * positions);
    let grads = memory.as_mut_slice::<T>();
    for group in 0..g.groups {
        // sums[run][output channel][place in the run]
        let mut memory = Storage::stale(T::DTYPE, g.out * taps);
        let sums = memory.as_mut_slice::<T>();
        for first in (0..g.batch).step_by(chunk) {
            let count = chunk.min(g.batch - first);
            let at = |i: usize| (first + i) * g.groups + group;
            par::chunks(&mut images[..count * layout.image], layout.image, 2, |start, images| {
                for (i, out) in images.chunks_exact_mut(layout.image).enumerate() {
                    layout.lay(&x[at(start / layout.image + i) * g.image()..][..g.image()], out);
                }
            });
            // grads[panel of output channels][image][position][channel]
            let panel = count * positions * mr;
            par::chunks(&mut grads[..panels * panel], panel, 2, |start, grads| {
                for (i, out) in grads.chunks_exact_mut(panel).enumerate() {
                    let channel = (start / panel + i) * mr;
                    let high = kernels.padded(mr.min(g.out - channel));
                    for (i, out) in out.chunks_exact_mut(positions * high).take(count).enumerate() {
                        let from = Mat::dense(&dy[at(i) * g.out * positions..][..g.out * positions], g.out, positions);
                        pack_columns(from.t(), 0..positions, channel, high, out);
                    }
                }
            });
            // Threads divide the output channels, and if these are few the runs.
            let wanted = if layout.short.is_some() { threads } else { 2 * threads };
            let pieces = wanted.div_ceil(layout.runs.len()).min(panels);
            let high = if threads == 1 { g.out } else { panels.div_ceil(pieces) * mr };
            let mut tasks = Vec::new();
            let mut rest = &mut *sums;
            for run in &layout.runs {
                let (own, later) = rest.split_at_mut(g.out * run.len);
                tasks.extend(own.chunks_mut(high * run.len).enumerate().map(|(i, sums)| (run, i * high, sums)));
                rest = later;
            }
            let (images, grads) = (&*images, &*grads);
            par::share(tasks.into_iter(), work, &|_, (run, channel, sums)| {
                let before = if first == 0 { Start::Zero } else { Start::Keep };
                add_products(&layout, run, channel, images, grads, count, before, sums);
            });
        }
        let dw = &mut dw[group * g.out * taps..][..g.out * taps];
        par::chunks(dw, taps, 2, |start, dw| {
            for (i, out) in dw.chunks_exact_mut(taps).enumerate() {
                layout.order(sums, start / taps + i, out);
            }
        });
    }
}

/// `sums[channel - first][place in the run]`: the products of `count` images, added to what was there `before`.
fn add_products<T: Tiled>(
    layout: &Layout<'_>,
    run: &Run,
    first: usize,
    images: &[T],
    grads: &[T],
    count: usize,
    before: Start<'_, T>,
    sums: &mut [T],
) {
    let (g, kernels) = (layout.g, T::kernels());
    let (mr, positions) = (kernels.mr, g.positions());
    let width = even_width(run.len, kernels.nr(), kernels.lanes);
    let packed_len = if layout.short.is_some() { SPAN.min(count * positions) * run.len + STEP } else { 0 };
    let mut memory = Storage::stale(T::DTYPE, packed_len);
    let packed = memory.as_mut_slice::<T>();
    let mut at = vec![0; SPAN];
    let total = count * positions;
    for start in (0..total).step_by(SPAN) {
        let at = &mut at[..SPAN.min(total - start)];
        layout.positions(start, at);
        let right = match &layout.short {
            Some((len, starts)) => {
                unfold(images, at, (*len, starts), run.at..run.at + run.len, packed);
                at.iter_mut().enumerate().for_each(|(i, at)| *at = i * run.len);
                &*packed
            }
            None => {
                at.iter_mut().for_each(|at| *at += run.at);
                images
            }
        };
        let blocks: Vec<Rows<'_>> = at.chunks(POSITIONS).map(Rows::new).collect();
        for j in (0..run.len).step_by(width) {
            let wide = width.min(run.len - j);
            for (block, &rows) in blocks.iter().enumerate() {
                let position = start + block * POSITIONS;
                let from = if position == 0 { before } else { Start::Keep };
                for (i, sums) in sums.chunks_mut(mr * run.len).enumerate() {
                    let high = sums.len() / run.len;
                    let padded = kernels.padded(high);
                    let left = &grads[(first + i * mr) * total + position * padded..][..rows.len() * padded];
                    let size = Size { m: high, n: wide, step: run.len };
                    kernels.tile(left, &right[j..], rows, &mut sums[j..], size, from);
                }
            }
        }
    }
}

multiversion! {
    /// Puts runs of so many elements from so many places on together, of which those in `taps` are wanted, for each place
    /// `at`: in whole steps, of which the next run overwrites what is too much.
    fn unfold[T: Element](from: &[T], at: &[usize], parts: (usize, &[usize]), taps: Range<usize>, out: &mut [T]) {
        let (len, starts) = parts;
        let mut to = 0;
        for &at in at {
            for i in taps.start / len..taps.end.div_ceil(len) {
                let (first, last) = ((i * len).max(taps.start), ((i + 1) * len).min(taps.end));
                let from = &from[at + starts[i] + (first - i * len)..];
                for k in (0..last - first).step_by(STEP) {
                    let out: &mut [T; STEP] = out[to + k..].first_chunk_mut().expect("a step longer");
                    *out = *from[k..].first_chunk().expect("a step longer");
                }
                to += last - first;
            }
        }
    }
}
