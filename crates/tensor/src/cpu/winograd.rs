//! 3x3 and 5x5 convolutions of stride 1 by Winograd's minimal filtering: F(4x4, 3x3), 36 products for 16 outputs instead
//! of 144, and F(2x2, 5x5), 36 for 4 instead of 100.
//!
//! Input tiles of 6x6 and filters are brought to the values of two-dimensional polynomials at six points per axis, where
//! convolution is multiplication; sums over channels are then 36 matrix products, and the outputs of a tile are read off.
//! (A. Lavin and S. Gray, "Fast algorithms for convolutional neural networks", 2015.)
//!
//! The points are 0, ±3/4, ±3/2 and infinity. The usual 0, ±1, ±2 lose four times as much precision: over images of 16
//! to 512 channels the largest error, relative to the largest output, is 0.8e-6 to 1.7e-6 here and 2.8e-6 to 8.3e-6
//! there (3x3; of 5x5 it is no larger); that of a direct sum is 0.3e-6.
//!
//! [`precision`] turns the method off. No element's value depends on how tiles are divided into blocks, or blocks over threads.

use super::conv::{Filter, Geometry};
use super::floor::raise;
use super::par;
use super::simd::{Real, multiversion, prefetch};
use super::tile::{Rows, Size, Start, Tiled};
use super::winograd_filter::{Filters, place_len};
use super::winograd_values::{input_values, outputs};
use crate::precision;
use crate::storage::Storage;
use std::ops::Range;

/// Numbers that loops handle at once; lengths of scratch rows are multiples of it.
const STEP: usize = 16;
/// Rows and columns of a tile, and of what it is transformed to.
pub(super) const SIDE: usize = 6;
/// Places of a transformed tile.
pub(super) const PLACES: usize = SIDE * SIDE;

/// Tiles of a block at most.
const MOST: usize = 384;
/// Elements of a block's transformed tiles.
const BLOCK: usize = 1 << 18;
/// Filters whose values are twice the second cache.
const FILTERS: usize = 1 << 15;
/// Multiply-adds in the time that it takes to transform a tile of a channel, for each row of its outputs, and a filter.
const TILE: usize = 175;
const FILTER: usize = 500;
/// Input channels summed in one chain of multiply-adds at most: 48 columns of so many are half of the first cache. Half as
/// many where tiles are few: the filters of a part are then transformed, and used, in the second cache.
const CHAIN: usize = 128;
/// Output channels of a part: tiles come from the third cache once for each.
const CHANNELS: usize = 64;

/// Sizes of a convolution and how it is cut.
struct Plan {
    batch: usize,
    groups: usize,
    /// Input and output channels per group.
    inner: usize,
    outer: usize,
    /// Height and width of a filter: 3 or 5.
    kernel: usize,
    /// Height and width of a tile's outputs.
    step: usize,
    size: [usize; 2],
    out_size: [usize; 2],
    padding: [usize; 2],
    /// Rows and columns of tiles of an image.
    tiles: [usize; 2],
    /// Blocks of rows of tiles, counted through all images.
    blocks: usize,
    /// Distance between rows of a block's transformed tiles.
    stride: usize,
    /// Input channels that are summed in one chain.
    chain: usize,
    /// Whether each block is one thread's; else the parts are divided.
    alone: bool,
    /// Output channels whose sums are kept at a time: a part.
    channels: usize,
}

/// Whether the method is worth its transforms; by sizes only, so that results do not depend on the machine.
pub(super) fn suits(g: &Geometry) -> bool {
    let [kernel, wide] = g.kernel;
    if (kernel != 3 && kernel != 5) || wide != kernel || g.stride != [1, 1] || g.dilation != [1, 1] {
        return false;
    }
    let fits = (0..2).all(|a| g.padding[a] < kernel) && g.depth >= 32 && g.out >= 32;
    fits && takes_less(g) && precision::allows_transforms()
}

/// Whether the multiply-adds that it saves take longer than the transforms of the tiles and of the filters. Few channels make
/// little of a tile's values, few images little of a filter's, and small outputs leave parts of their tiles unused.
fn takes_less(g: &Geometry) -> bool {
    let step = SIDE + 1 - g.kernel[0];
    let tiles = g.out_size.map(|n| n.div_ceil(step));
    let Some(saved) = (g.positions() * g.kernel[0] * g.kernel[1]).checked_sub(PLACES * tiles[0] * tiles[1]) else {
        return false;
    };
    // As `transform_tiles` lays them out, with what reaches beyond.
    let [high, wide] = tiles.map(|n| n + (SIDE - 1) / step);
    let pairs = g.depth * g.out;
    g.batch * saved * pairs >= g.batch * high * wide * step * TILE * (g.depth + g.out) + FILTER * pairs
}

/// Tiles of all images.
pub(super) fn tiles(g: &Geometry) -> usize {
    let step = SIDE + 1 - g.kernel[0];
    g.batch * g.out_size[0].div_ceil(step) * g.out_size[1].div_ceil(step)
}

impl Plan {
    fn new<T: Tiled>(g: &Geometry, channels: [usize; 2], sizes: [[usize; 2]; 2], padding: [usize; 2]) -> Plan {
        let ([inner, outer], [size, out_size]) = (channels, sizes);
        let (batch, groups, kernel) = (g.batch, g.groups, g.kernel[0]);
        let step = SIDE + 1 - kernel;
        let tiles = out_size.map(|n| n.div_ceil(step));
        let total = batch * tiles[0];
        // More tiles make more of a filter read, which matters where all of them do not fit in the second cache.
        let fitting = if inner * outer > FILTERS { MOST } else { (BLOCK / (PLACES * inner)).clamp(192, MOST) };
        let rows = (fitting / tiles[1]).clamp(1, total);
        let blocks = total.div_ceil(rows);
        let chain = if total.div_ceil(blocks) * tiles[1] < 128 { CHAIN / 2 } else { CHAIN };
        let chain = inner.div_ceil(inner.div_ceil(chain));
        // Neither blocks nor parts make a difference to any element. Threads get as many of them each, if these are few.
        let threads = par::num_threads();
        let fewer = blocks / threads * threads;
        let blocks = match blocks {
            _ if fewer > 0 && total.div_ceil(fewer) * tiles[1] <= MOST => fewer,
            _ if blocks >= 2 * threads => blocks.next_multiple_of(threads).min(total),
            // What one thread transforms and another reads goes from cache to cache: so tiles that are many stay with one.
            _ if blocks < threads && total >= threads && total * tiles[1] >= (outer / 2).max(14 * threads) => threads,
            _ => blocks,
        };
        let alone = blocks.is_multiple_of(threads) || blocks > 2 * threads;
        let steps = (total.div_ceil(blocks) * tiles[1]).div_ceil(STEP);
        // Where a tile takes a part of a row, an odd number of steps keeps rows from falling into the same cache sets.
        let stride = STEP * if steps > 3 { steps | 1 } else { steps };
        let mut parts = outer.div_ceil(CHANNELS);
        if !alone {
            parts = parts.max((2 * threads).div_ceil(blocks));
            parts = (parts..).find(|parts| (blocks * parts).is_multiple_of(threads)).expect("a multiple");
        }
        let channels = outer.div_ceil(parts).next_multiple_of(T::kernels().mr);
        Plan {
            batch,
            groups,
            inner,
            outer,
            kernel,
            step,
            size,
            out_size,
            padding,
            tiles,
            blocks,
            stride,
            chain,
            alone,
            channels,
        }
    }

    /// The rows of tiles of a block.
    fn rows(&self, block: usize) -> Range<usize> {
        let first = |block: usize| block * self.batch * self.tiles[0] / self.blocks;
        first(block)..first(block + 1)
    }

    /// The block that a row of tiles belongs to.
    fn block(&self, row: usize) -> usize {
        ((row + 1) * self.blocks - 1) / (self.batch * self.tiles[0])
    }

    /// The parts of images in a block: image, rows of tiles.
    fn segments(&self, block: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
        segments(self.rows(block), self.tiles[0])
    }
}

/// The images that rows of tiles belong to, counted through all images, and their rows, `high` to an image.
pub(super) fn segments(rows: Range<usize>, high: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
    (rows.start / high..rows.end.div_ceil(high)).map(move |image| {
        let first = image * high;
        (image, rows.start.max(first) - first..rows.end.min(first + high) - first)
    })
}

/// The convolution of `x` with `w`, plus a bias per channel, raised to `floor` where it is less.
pub(super) fn forward<T: Tiled>(x: &[T], w: &[T], bias: Option<&[T]>, floor: T, g: &Geometry, out: &mut [T]) {
    let plan = Plan::new::<T>(g, [g.depth, g.out], [g.size, g.out_size], g.padding);
    convolve(&plan, x, Filter { data: w, turned: false }, bias, floor, out);
}

/// The adjoint of [`forward`]: the gradient with respect to its input.
pub(super) fn input_grad<T: Tiled>(w: &[T], dy: &[T], g: &Geometry, dx: &mut [T]) {
    let padding = g.padding.map(|p| g.kernel[0] - 1 - p);
    let plan = Plan::new::<T>(g, [g.out, g.depth], [g.out_size, g.size], padding);
    convolve(&plan, dy, Filter { data: w, turned: true }, None, T::NEG_INFINITY, dx);
}

fn convolve<T: Tiled>(plan: &Plan, x: &[T], filter: Filter<'_, T>, bias: Option<&[T]>, floor: T, out: &mut [T]) {
    let [height, width] = plan.out_size;
    let (blocks, groups_of_channels) = (plan.blocks, plan.outer.div_ceil(plan.channels));
    let threads = par::num_threads();
    for group in 0..plan.groups {
        // parts[block][channels] are the rows of the output that a task writes, image by image and channel by channel.
        let mut parts: Vec<Vec<Vec<&mut [T]>>> = Vec::new();
        parts.resize_with(blocks, || Vec::from_iter((0..groups_of_channels).map(|_| Vec::new())));
        for (image, planes) in out.chunks_mut(plan.groups * plan.outer * height * width).enumerate() {
            let own = &mut planes[group * plan.outer * height * width..][..plan.outer * height * width];
            for (channel, mut plane) in own.chunks_mut(height * width).enumerate() {
                let mut row = 0;
                while row < plan.tiles[0] {
                    let block = plan.block(image * plan.tiles[0] + row);
                    let end = (plan.rows(block).end - image * plan.tiles[0]).min(plan.tiles[0]);
                    let (part, rest) =
                        plane.split_at_mut((plan.step * end).min(height) * width - plan.step * row * width);
                    parts[block][channel / plan.channels].push(part);
                    (plane, row) = (rest, end);
                }
            }
        }
        let bias = bias.map(|b| &b[group * plan.outer..][..plan.outer]);
        let filters = Filters::new(filter, group, [plan.inner, plan.outer], plan.kernel);
        // A few filters each thread rather transforms for its own block.
        let shared = blocks > threads || blocks > 1 && plan.inner * plan.outer > FILTERS;
        let packed = shared.then(|| filters.transform_all(plan.chain));
        let packed = packed.as_ref().map(|packed| packed.as_slice());
        if plan.alone {
            par::share(parts.into_iter(), usize::MAX, &|block, parts| {
                let mut tiles = Tiles::new::<T>(plan, 1);
                tiles.pieces(plan).for_each(|(piece, out)| transform_tiles(plan, x, group, block, piece, out));
                for (i, parts) in parts.into_iter().enumerate() {
                    sums(plan, &tiles, block, &filters, packed, i, bias, floor, parts);
                }
            });
        } else if threads * plan.stride <= 2 * plan.outer {
            // Few blocks: the output channels of each are divided. That every thread transforms all tiles for itself takes less
            // time than to fetch them from another processor's cache.
            let shares = threads.div_ceil(blocks).min(groups_of_channels);
            let mut tasks = Vec::new();
            for (block, parts) in parts.into_iter().enumerate() {
                let mut own = Vec::from_iter((0..shares).map(|_| (block, Vec::new())));
                for (i, parts) in parts.into_iter().enumerate() {
                    own[i * shares / groups_of_channels].1.push((i, parts));
                }
                tasks.append(&mut own);
            }
            par::share(tasks.into_iter(), usize::MAX, &|_, (block, own)| {
                let mut tiles = Tiles::new::<T>(plan, 1);
                tiles.pieces(plan).for_each(|(piece, out)| transform_tiles(plan, x, group, block, piece, out));
                for (i, parts) in own {
                    sums(plan, &tiles, block, &filters, packed, i, bias, floor, parts);
                }
            });
        } else {
            // The input channels are divided too.
            let mut tiles = Vec::from_iter((0..blocks).map(|_| Tiles::new::<T>(plan, 2 * threads)));
            let pieces = tiles
                .iter_mut()
                .enumerate()
                .flat_map(|(block, tiles)| tiles.pieces(plan).map(move |(piece, out)| (block, piece, out)));
            par::share(Vec::from_iter(pieces).into_iter(), usize::MAX, &|_, (block, piece, out)| {
                transform_tiles(plan, x, group, block, piece, out);
            });
            let mut tasks = Vec::new();
            for (block, parts) in parts.into_iter().enumerate() {
                tasks.extend(parts.into_iter().enumerate().map(|(i, parts)| (block, i, parts)));
            }
            par::share(tasks.into_iter(), usize::MAX, &|_, (block, i, parts)| {
                sums(plan, &tiles[block], block, &filters, packed, i, bias, floor, parts);
            });
        }
    }
}

/// `N` rows of `len` elements: of the rows of `data` from `first` on, every `step`-th.
pub(super) fn every<T, const N: usize>(data: &mut [T], first: usize, step: usize, len: usize) -> [&mut [T]; N] {
    let mut rows = data.chunks_exact_mut(len).skip(first).step_by(step);
    std::array::from_fn(|_| rows.next().expect("as many rows as asked for"))
}

multiversion! {
    /// `o[q][i] = from[S·i + q]`, for an `S` of 2 or 4.
    fn split[T: Real, const S: usize](from: &[[T; S]], o0: &mut [T], o1: &mut [T], o2: &mut [T], o3: &mut [T]) {
        let n = o0.len();
        let (o1, from) = (&mut o1[..n], &from[..n]);
        if S == 2 {
            for i in 0..n {
                (o0[i], o1[i]) = (from[i][0], from[i][1]);
            }
        } else {
            let (o2, o3) = (&mut o2[..n], &mut o3[..n]);
            for i in 0..n {
                (o0[i], o1[i], o2[i], o3[i]) = (from[i][0], from[i][1], from[i][2 % S], from[i][3 % S]);
            }
        }
    }
}

multiversion! {
    /// `out[i][q] = d[q][i]`.
    fn merge[T: Real, const S: usize](d: [&[T]; S], out: &mut [[T; S]]) {
        let d = d.map(|d| &d[..out.len()]);
        for i in 0..out.len() {
            out[i] = std::array::from_fn(|q| d[q][i]);
        }
    }
}

multiversion! {
    /// Copies `width` elements from each place `at` to the next `width` elements of `out`; whole steps, of which the
    /// next row overwrites what is too much.
    fn close_up[T: Real](from: &[T], at: &[usize], width: usize, out: &mut [T]) {
        for (row, &at) in at.iter().enumerate() {
            let (from, to) = (&from[at..], &mut out[row * width..]);
            if width <= STEP {
                let to: &mut [T; STEP] = to.first_chunk_mut().expect("a step longer");
                *to = *from.first_chunk().expect("a step longer");
            } else {
                to[..width].copy_from_slice(&from[..width]);
            }
        }
        // What products read beyond the end: subnormal numbers there would slow them down.
        let end: &mut [T; STEP] = out[at.len() * width..].first_chunk_mut().expect("a step longer");
        *end = [T::ZERO; STEP];
    }
}

/// The transformed input tiles of a block: in pieces of some channels, `[place][channel][tile]`.
struct Tiles {
    data: Storage,
    /// Channels of a piece.
    piece: usize,
    /// Elements of a place of a piece. They are more than needed: places a multiple of 4 KB apart share cache sets.
    place: usize,
}

impl Tiles {
    fn new<T: Tiled>(plan: &Plan, pieces: usize) -> Tiles {
        let piece = plan.inner.div_ceil(pieces);
        let place = piece * plan.stride + STEP;
        Tiles { data: Storage::stale(T::DTYPE, plan.inner.div_ceil(piece) * PLACES * place), piece, place }
    }

    /// The channels of each piece, and where their tiles are written.
    fn pieces<T: Tiled>(&mut self, plan: &Plan) -> impl Iterator<Item = (Range<usize>, &mut [T])> {
        let (piece, inner) = (self.piece, plan.inner);
        let parts = self.data.as_mut_slice().chunks_exact_mut(PLACES * self.place);
        parts.enumerate().map(move |(i, out)| (i * piece..((i + 1) * piece).min(inner), out))
    }

    /// Where row `c` of place 0 starts.
    fn row(&self, plan: &Plan, c: usize) -> usize {
        c / self.piece * PLACES * self.place + c % self.piece * plan.stride
    }
}

/// The tiles of some channels.
///
/// A channel's padded image is divided into planes, one for each place modulo the tiles' step, so that a place of the tiles
/// is a plane and an offset, and neighbouring tiles are neighbours. The parts of several images stand one below the other.
fn transform_tiles<T: Tiled>(plan: &Plan, x: &[T], group: usize, block: usize, channels: Range<usize>, out: &mut [T]) {
    let ([height, width], step, place) = (plan.size, plan.step, out.len() / PLACES);
    // Tiles that reach into the next one's step, or into two.
    let beyond = (SIDE - 1) / step;
    let across = plan.tiles[1] + beyond;
    let high: usize = plan.segments(block).map(|(_, rows)| rows.len() + beyond).sum();
    let len = (high * across).next_multiple_of(STEP);
    // What is read beyond a plane's end.
    let plane = len + (beyond * (across + 1)).next_multiple_of(STEP);
    let line = step * across;
    let lengths = [step * step * plane, step * step * plane, SIDE * step * plane, SIDE * plane];
    let mut memory = Storage::zeroed(T::DTYPE, lengths.iter().sum());
    let (lines, rest) = memory.as_mut_slice::<T>().split_at_mut(lengths[0]);
    let (planes, rest) = rest.split_at_mut(lengths[1]);
    let (half, whole) = rest.split_at_mut(lengths[2]);
    // (line of a channel's image, place in `lines`), and where each row of tiles starts in a plane.
    let (mut copies, mut starts) = (Vec::new(), Vec::new());
    let mut top = 0;
    for (image, rows) in plan.segments(block) {
        let channel = (image * plan.groups + group) * plan.inner;
        for i in 0..step * rows.len() + SIDE - step {
            let y = (step * rows.start + i).wrapping_sub(plan.padding[0]);
            if y < height {
                let to = i % step * step * plane + (top + i / step) * line + plan.padding[1];
                copies.push((channel * height * width + y * width, to));
            }
        }
        starts.extend((0..rows.len()).map(|r| (top + r) * across));
        top += rows.len() + beyond;
    }
    let visible = width.min(line - plan.padding[1]);
    for (index, c) in channels.enumerate() {
        for &(from, to) in &copies {
            lines[to..][..visible].copy_from_slice(&x[c * height * width + from..][..visible]);
        }
        for (lines, planes) in lines.chunks_exact(step * plane).zip(planes.chunks_exact_mut(step * plane)) {
            let mut rows = planes.chunks_exact_mut(plane).map(|row| &mut row[..len]);
            let [p0, p1, p2, p3] = std::array::from_fn(|_| rows.next().unwrap_or_default());
            match step {
                2 => split(lines.as_chunks::<2>().0, p0, p1, p2, p3),
                _ => split(lines.as_chunks::<4>().0, p0, p1, p2, p3),
            }
        }
        for column in 0..step {
            let d = std::array::from_fn(|i| &planes[(i % step * step + column) * plane + i / step * across..]);
            let [o0, o1, o2, o3, o4, o5] = every(half, column, step, plane).map(|row: &mut [T]| &mut row[..len]);
            input_values(d, o0, o1, o2, o3, o4, o5);
        }
        for row in 0..SIDE {
            let d = std::array::from_fn(|j| &half[(row * step + j % step) * plane + j / step..]);
            let [o0, o1, o2, o3, o4, o5] = every(whole, 0, 1, plane).map(|row: &mut [T]| &mut row[..len]);
            input_values(d, o0, o1, o2, o3, o4, o5);
            for (column, values) in whole.chunks_exact(plane).enumerate() {
                let to = (row * SIDE + column) * place + index * plan.stride;
                close_up(values, &starts, plan.tiles[1], &mut out[to..][..plan.stride + STEP]);
            }
        }
    }
}

/// The products of a block's tiles with the filters of a part of the channels, and the outputs from them. What is not
/// packed is transformed here, and used from the second cache.
fn sums<T: Tiled>(
    plan: &Plan,
    tiles: &Tiles,
    block: usize,
    filters: &Filters<'_, T>,
    packed: Option<&[T]>,
    part: usize,
    bias: Option<&[T]>,
    floor: T,
    mut out: Vec<&mut [T]>,
) {
    let kernels = T::kernels();
    let (mr, nr) = (kernels.mr, kernels.nr());
    let channels = part * plan.channels..((part + 1) * plan.channels).min(plan.outer);
    let (right, stride) = (tiles.data.as_slice::<T>(), plan.stride);
    // sums[place][channel][tile]
    let len = (plan.rows(block).len() * plan.tiles[1]).next_multiple_of(STEP);
    let sum_place = channels.len().next_multiple_of(mr) * stride;
    let length = PLACES * sum_place;
    let mut memory = Storage::stale(T::DTYPE, length + (SIDE + 2) * plan.step * len);
    let (sums, scratch) = memory.as_mut_slice::<T>().split_at_mut(length);
    let own_len = if packed.is_some() { 0 } else { filters.packed_len(channels.len(), plan.chain) };
    let mut own = Storage::stale(T::DTYPE, own_len);
    let at: Vec<usize> = (0..plan.inner).map(|c| tiles.row(plan, c)).collect();
    for (i, rows) in at.chunks(plan.chain).map(Rows::new).enumerate() {
        let first = i * plan.chain;
        let start = if first == 0 { Start::Zero } else { Start::Keep };
        let left = match packed {
            Some(packed) => {
                let before =
                    i * filters.packed_len(plan.outer, plan.chain) + filters.packed_len(channels.start, rows.len());
                &packed[before..][..filters.packed_len(channels.len(), rows.len())]
            }
            None => {
                let own = &mut own.as_mut_slice()[..filters.packed_len(channels.len(), rows.len())];
                filters.transform(channels.clone(), first..first + rows.len(), own);
                own
            }
        };
        let own_place = place_len::<T>(rows.len());
        let panels = left.chunks_exact(PLACES * own_place);
        let share = rows.len().div_ceil(panels.len());
        for place in 0..PLACES {
            for j in (0..len).step_by(nr) {
                let here = place * tiles.place + j;
                let next = if j + nr < len { here + nr } else { here - j + tiles.place };
                for (i, panel) in panels.clone().enumerate() {
                    for at in at[first..][..rows.len()].iter().skip(i * share).take(share) {
                        prefetch(right.get(next + at..next + at + nr.min(len)).unwrap_or_default());
                    }
                    let panel = &panel[place * own_place..][..rows.len() * mr];
                    let size = Size { m: mr, n: nr.min(len - j), step: stride };
                    let to = &mut sums[place * sum_place + i * mr * stride + j..];
                    kernels.tile(panel, &right[here..], rows, to, size, start);
                }
            }
        }
    }
    let (count, bias) = (channels.len(), bias.map(|bias| &bias[channels]));
    match plan.step {
        2 => write_outputs::<T, 2>(plan, sums, count, bias, floor, scratch, &mut out),
        _ => write_outputs::<T, 4>(plan, sums, count, bias, floor, scratch, &mut out),
    }
}

/// The outputs, `M` to a tile's side, from `sums[place][channel][tile]`: `out` holds the rows that a task writes, image by
/// image and channel by channel, of as many channels as there are sums.
fn write_outputs<T: Tiled, const M: usize>(
    plan: &Plan,
    sums: &[T],
    channels: usize,
    bias: Option<&[T]>,
    floor: T,
    scratch: &mut [T],
    out: &mut [&mut [T]],
) {
    let (stride, width) = (plan.stride, plan.out_size[1]);
    let len = scratch.len() / ((SIDE + 2) * M);
    let (half, rest) = scratch.split_at_mut(SIDE * M * len);
    let (part, line) = rest.split_at_mut(M * len);
    let place = sums.len() / PLACES;
    for c in 0..channels {
        let values = &sums[c * stride..];
        for column in 0..SIDE {
            let m = std::array::from_fn(|row| &values[(row * SIDE + column) * place..]);
            outputs::<T, M>(m, T::ZERO, every(half, column, SIDE, len));
        }
        for row in 0..M {
            let m = std::array::from_fn(|column| &half[(row * SIDE + column) * len..]);
            outputs::<T, M>(m, bias.map_or(T::ZERO, |bias| bias[c]), every(part, 0, 1, len));
            merge(std::array::from_fn::<_, M, _>(|q| &part[q * len..]), line.as_chunks_mut().0);
            raise(floor, line);
            let mut top = 0;
            for part in out.iter_mut().skip(c).step_by(channels) {
                for (y, to) in part.chunks_exact_mut(width).enumerate().skip(row).step_by(M) {
                    to.copy_from_slice(&line[(top + y / M) * plan.tiles[1] * M..][..width]);
                }
                top += part.len().div_ceil(M * width);
            }
        }
    }
}
