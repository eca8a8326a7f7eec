//! Weight gradients of the convolutions that [`winograd`](super::winograd) computes, by the same method: F(3x3, 4x4) and
//! F(5x5, 2x2), where tiles of the output's gradient take the place of filters.
//!
//! Channels lie side by side here, so that for each of the 36 places of a tile a product over all tiles, output channels
//! times input channels, is what register tiles compute; weights are read off the sums of all.

use super::conv::Geometry;
use super::conv_layout::even_width;
use super::par;
use super::tile::{Rows, Size, Start, Tiled};
use super::winograd::{self, PLACES, SIDE, every, segments};
use super::winograd_values::{outputs, values};
use crate::storage::Storage;
use std::ops::Range;

/// Tiles summed in one chain of multiply-adds.
const CHAIN: usize = 128;
/// Elements of transformed tiles, of inputs and gradients together, and the fewest tiles for them.
const CHUNK: usize = 1 << 17;
const FEWEST: usize = 32;
/// Sums of so many elements are better not kept in memory between tiles.
const SUMS: usize = 1 << 20;
/// So few tiles are better summed as they are, unless their channels are many.
const FEW: usize = 40;
/// Output channels of a block at most.
const HIGH: usize = 32;

/// One of the two operands: images whose tiles are transformed.
struct Operand<'a, T> {
    data: &'a [T],
    /// Per group.
    channels: usize,
    size: [usize; 2],
    padding: [usize; 2],
    /// Rows and columns of a tile.
    extent: usize,
    /// Channels of a block, and blocks.
    width: usize,
    blocks: usize,
}

impl<T> Operand<'_, T> {
    fn channels(&self, block: usize) -> Range<usize> {
        block * self.width..((block + 1) * self.width).min(self.channels)
    }
}

struct Plan {
    groups: usize,
    /// The distance between tiles.
    step: usize,
    /// Rows and columns of tiles of an image.
    tiles: [usize; 2],
    /// Rows of tiles, counted through all images, that are transformed at a time.
    rows: usize,
}

/// Whether the method is worth its transforms; by sizes only.
///
/// Over few pixels, most of them 0 after ReLU and pooling, many weights' gradients are sums of zeros alone. The transforms
/// leave rounding noise there, of which Adam makes full steps. What they would save of so small a sum is not worth that.
pub(super) fn suits(g: &Geometry) -> bool {
    let filled = g.out_size.iter().all(|&n| n >= 4);
    winograd::suits(g) && filled && (winograd::tiles(g) > FEW || g.depth * g.out > 64 * 64)
}

/// The gradient with respect to the weight.
pub(super) fn weight_grad<T: Tiled>(g: &Geometry, x: &[T], dy: &[T], dw: &mut [T]) {
    let (kernels, kernel) = (T::kernels(), g.kernel[0]);
    let step = SIDE + 1 - kernel;
    let tiles = g.out_size.map(|n| n.div_ceil(step));
    let total = g.batch * tiles[0];
    let some = (CHUNK / (PLACES * (g.depth + g.out))).clamp(FEWEST, CHAIN);
    let at_once = if PLACES * g.depth * g.out < SUMS { CHAIN } else { 2 * CHAIN };
    let rows = if total * tiles[1] <= at_once { total } else { (some / tiles[1]).clamp(1, total) };
    let rows = total.div_ceil(total.div_ceil(rows));
    // Threads wait for each other less often if more is transformed at a time, which makes no difference to any chain.
    let unit = rows * tiles[1];
    let threads = par::num_threads();
    let rows = if threads > 1 { (rows * 3 * threads).min(total) } else { rows };
    let plan = Plan { groups: g.groups, step, tiles, rows };
    let width = even_width(g.depth, kernels.nr(), kernels.lanes);
    let high = even_width(g.out, HIGH, kernels.mr);
    let inputs = Operand {
        data: x,
        channels: g.depth,
        size: g.size,
        padding: g.padding,
        extent: SIDE,
        width,
        blocks: g.depth.div_ceil(width),
    };
    let grads = Operand {
        data: dy,
        channels: g.out,
        size: g.out_size,
        padding: [0, 0],
        extent: step,
        width: high,
        blocks: g.out.div_ceil(high),
    };
    let most = plan.rows * tiles[1];
    let work = g.batch * g.out * g.positions() * g.depth * 2;
    let lengths = [inputs.blocks * width * PLACES * most, grads.blocks * high * PLACES * most];
    let mut memory = Storage::stale(T::DTYPE, lengths.iter().sum());
    let (left, right) = memory.as_mut_slice::<T>().split_at_mut(lengths[1]);
    // Sums wait in memory for the next tiles, if there are more.
    let region = PLACES * high * width;
    let once = plan.rows >= total;
    let mut sums = Storage::stale(T::DTYPE, if once { 0 } else { grads.blocks * inputs.blocks * region });
    let filter = kernel * kernel;
    for (group, dw) in dw.chunks_exact_mut(g.out * g.depth * filter).enumerate() {
        for first in (0..total).step_by(plan.rows) {
            let chunk = first..(first + plan.rows).min(total);
            let count = chunk.len() * tiles[1];
            let (left_block, right_block) = (high * PLACES * count, width * PLACES * count);
            let blocks = left.chunks_exact_mut(left_block).take(grads.blocks).map(|out| (true, out));
            let others = right.chunks_exact_mut(right_block).take(inputs.blocks).map(|out| (false, out));
            let blocks = Vec::from_iter(blocks.chain(others));
            par::share(blocks.into_iter(), work, &|i, (left, out)| match left {
                true => transform(&plan, &grads, (group, i), chunk.clone(), out),
                false => transform(&plan, &inputs, (group, i - grads.blocks), chunk.clone(), out),
            });
            let last = chunk.end == total;
            // For each block of output channels and block of input channels the sums and the rows of the result.
            let mut regions = sums.as_mut_slice::<T>().chunks_exact_mut(region);
            let mut tasks = Vec::new();
            let mut parts: Vec<Vec<&mut [T]>> = Vec::new();
            parts.resize_with(if last { grads.blocks * inputs.blocks } else { 0 }, Vec::new);
            if last {
                for (channel, row) in dw.chunks_exact_mut(g.depth * filter).enumerate() {
                    for (block, part) in row.chunks_mut(width * filter).enumerate() {
                        parts[channel / high * inputs.blocks + block].push(part);
                    }
                }
            }
            let mut parts = parts.into_iter();
            for pair in 0..grads.blocks * inputs.blocks {
                tasks.push((pair, regions.next(), parts.next().unwrap_or_default()));
            }
            let (left, right) = (&*left, &*right);
            par::share(tasks.into_iter(), work, &|_, (pair, region_sums, mut parts)| {
                let mut own = Storage::stale(T::DTYPE, if once { region } else { 0 });
                let sums = region_sums.unwrap_or_else(|| own.as_mut_slice());
                let (block, other) = (pair / inputs.blocks, pair % inputs.blocks);
                let (channels, wide) = (grads.channels(block).len(), inputs.channels(other).len());
                let left = &left[block * left_block..][..left_block];
                let right = &right[other * right_block..][..right_block];
                let start = if first == 0 { Start::Zero } else { Start::Keep };
                add_products((left, high), (right, kernels.read(wide)), (channels, wide), unit, start, sums, width);
                match kernel {
                    _ if !last => {}
                    3 => read_off::<T, 3>(sums, (high, width), wide, &mut parts),
                    _ => read_off::<T, 5>(sums, (high, width), wide, &mut parts),
                }
            });
        }
    }
}

/// The transformed tiles of a block of channels: `out[place][tile][channel]`.
///
/// Images are laid out with channels side by side, and with columns in groups of those alike modulo the tiles' step, so
/// that a place of neighbouring tiles is one run of memory.
fn transform<T: Tiled>(
    plan: &Plan,
    operand: &Operand<'_, T>,
    (group, block): (usize, usize),
    chunk: Range<usize>,
    out: &mut [T],
) {
    let (channels, [height, width]) = (operand.channels(block), operand.size);
    let (step, across, plane) = (plan.step, plan.tiles[1], height * width);
    let apart = if operand.extent == SIDE { T::kernels().read(channels.len()) } else { operand.width };
    // Elements of a group of columns, of a row, and of a row of tiles at one place.
    let columns = (across + (operand.extent - 1) / step) * apart;
    let (line, run) = (step * columns, across * apart);
    let visible = width.min(step * columns / apart - operand.padding[1]);
    let place = chunk.len() * run;
    let mut first = 0;
    for (image, rows) in segments(chunk, plan.tiles[0]) {
        let high = step * (rows.len() - 1) + operand.extent;
        let top = (step * rows.start).saturating_sub(operand.padding[0]);
        let end = (step * rows.start + high - operand.padding[0]).min(height);
        let seen = end.saturating_sub(top);
        let lengths = [seen * width * apart, high * line, SIDE * line];
        let mut turned = Storage::stale(T::DTYPE, lengths[0]);
        let mut memory = Storage::zeroed(T::DTYPE, lengths[1]);
        let mut half = Storage::stale(T::DTYPE, lengths[2]);
        let (turned, half) = (turned.as_mut_slice::<T>(), half.as_mut_slice::<T>());
        let laid = memory.as_mut_slice::<T>();
        if seen > 0 {
            let channel = (image * plan.groups + group) * operand.channels + channels.start;
            let from = &operand.data[channel * plane + top * width..];
            T::transpose(from, plane, (channels.len(), seen * width), apart, turned);
        }
        for (i, row) in turned.chunks_exact(width * apart).enumerate() {
            let y = top + i + operand.padding[0] - step * rows.start;
            for (x, from) in row.chunks_exact(apart).take(visible).enumerate() {
                let x = x + operand.padding[1];
                laid[y * line + x % step * columns + x / step * apart..][..apart].copy_from_slice(from);
            }
        }
        for r in 0..rows.len() {
            values(operand.extent, |i| &laid[(step * r + i) * line..][..line], every(half, 0, 1, line));
            for (row, half) in half.chunks_exact(line).enumerate() {
                let mut places = out.chunks_exact_mut(place).skip(row * SIDE);
                let to = std::array::from_fn(|_| &mut places.next().expect("36 places")[(first + r) * run..][..run]);
                values(operand.extent, |j| &half[j % step * columns + j / step * apart..][..run], to);
            }
        }
        first += rows.len();
    }
}

/// `sums[place][output channel][input channel]`: the products of the tiles `left[place][tile][output channel]` and
/// `right[place][tile][input channel]`, of which the rows' lengths are given, added to what was there before, if so.
fn add_products<T: Tiled>(
    (left, high): (&[T], usize),
    (right, row): (&[T], usize),
    (channels, wide): (usize, usize),
    unit: usize,
    start: Start<'_, T>,
    sums: &mut [T],
    width: usize,
) {
    let kernels = T::kernels();
    let count = left.len() / (PLACES * high);
    let at: Vec<usize> = (0..CHAIN.min(count)).map(|tile| tile * high).collect();
    let x_at: [usize; 8] = std::array::from_fn(|i| i);
    for place in 0..PLACES {
        let (left, right) = (&left[place * count * high..], &right[place * count * row..]);
        let sums = &mut sums[place * high * width..];
        let chains = (0..count).step_by(unit).flat_map(|first| {
            let last = (first + unit).min(count);
            (first..last).step_by(CHAIN).map(move |tile| (tile, CHAIN.min(last - tile)))
        });
        for (tile, len) in chains {
            let rows = Rows::new(&at[..len]);
            let from = if tile == 0 { start } else { Start::Keep };
            for channel in (0..channels).step_by(kernels.mr) {
                let some = kernels.mr.min(channels - channel);
                let x = &left[tile * high + channel..];
                let to = &mut sums[channel * width..];
                let size = Size { m: some, n: wide, step: width };
                kernels.lines((x, Rows::new(&x_at[..some]), rows), &right[tile * row..], to, size, from);
            }
        }
    }
}

/// The weights, `M` to a side, from the sums of a block: `out[output channel]` holds those of its input channels.
fn read_off<T: Tiled, const M: usize>(sums: &[T], (high, width): (usize, usize), wide: usize, out: &mut [&mut [T]]) {
    // Some output channels together.
    const SOME: usize = 8;
    let most = SOME * width;
    let mut memory = Storage::stale(T::DTYPE, (SIDE * M + M * M) * most);
    let (half, weights) = memory.as_mut_slice::<T>().split_at_mut(SIDE * M * most);
    for (i, rows) in out.chunks_mut(SOME).enumerate() {
        let len = rows.len() * width;
        for column in 0..SIDE {
            let m = std::array::from_fn(|row| &sums[(row * SIDE + column) * high * width + i * most..][..len]);
            outputs::<T, M>(m, T::ZERO, every(half, column, SIDE, len));
        }
        for row in 0..M {
            let m = std::array::from_fn(|column| &half[(row * SIDE + column) * len..][..len]);
            outputs::<T, M>(m, T::ZERO, every(&mut weights[row * M * len..], 0, 1, len));
        }
        for (r, row) in rows.iter_mut().enumerate() {
            T::transpose(&weights[r * width..], len, (M * M, wide), M * M, row);
        }
    }
}
