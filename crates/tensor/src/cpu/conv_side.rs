//! Depthwise convolutions of small images: channels side by side, since a row of one plane would fill no vector.

use super::conv::Geometry;
use super::floor::raise;
use super::par;
use super::simd::{Real, fma, multiversion};
use super::tile::Tiled;
use crate::storage::Storage;

/// Channels side by side.
const WIDE: usize = 16;
/// One place of that many channels.
type Place<T> = [T; WIDE];
/// Places of the largest padded image that is laid out so: beyond, planes have rows long enough.
const LARGEST: usize = 1 << 10;
/// Outputs whose sums stay in registers.
const SUMS: usize = 6;
/// Taps of which the gradients do.
const TAPS: usize = 9;
/// Products added in one chain.
const CHAIN: usize = 256;
/// Places that are worth a task of their own.
const TASK: usize = 1 << 9;

/// Whether groups are single channels, of small images.
pub(super) fn suits(g: &Geometry) -> bool {
    let padded = (g.size[0] + 2 * g.padding[0]) * (g.size[1] + 2 * g.padding[1]);
    g.depth == 1 && g.out == 1 && g.groups >= WIDE / 2 && padded <= LARGEST
}

/// Padded images of [`WIDE`] channels.
struct Side<'a> {
    g: &'a Geometry,
    /// Places in a row, and in an image.
    row: usize,
    image: usize,
    /// Where the taps are.
    taps: Vec<usize>,
    /// Places between outputs, by axis.
    steps: [usize; 2],
}

impl Side<'_> {
    fn new(g: &Geometry) -> Side<'_> {
        let row = g.size[1] + 2 * g.padding[1];
        let [high, wide] = g.kernel;
        let place = |i: usize| i / wide * g.dilation[0] * row + i % wide * g.dilation[1];
        Side {
            g,
            row,
            image: (g.size[0] + 2 * g.padding[0]) * row,
            taps: (0..high * wide).map(place).collect(),
            steps: [g.stride[0] * row, g.stride[1]],
        }
    }

    /// Elements of a channel's image, and of its output.
    fn planes(&self) -> [usize; 2] {
        [self.g.size[0] * self.g.size[1], self.g.positions()]
    }

    /// The rows of the image within the padding: where each begins, and its places.
    fn rows(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let [height, width] = self.g.size;
        let first = self.g.padding[0] * self.row + self.g.padding[1];
        (0..height).map(move |y| first + y * self.row..first + y * self.row + width)
    }

    /// Lays planes side by side; what pads them stays as it is.
    fn lay<T: Tiled>(&self, x: &[T], laid: &mut [Place<T>]) {
        let plane = self.planes()[0];
        let mut memory = Storage::stale(T::DTYPE, plane * WIDE);
        let turned = memory.as_mut_slice::<T>();
        T::transpose(x, plane, (x.len() / plane, plane), WIDE, turned);
        for (from, to) in turned.as_chunks::<WIDE>().0.chunks_exact(self.g.size[1]).zip(self.rows()) {
            laid[to].copy_from_slice(from);
        }
    }

    /// The inverse of [`Side::lay`].
    fn gather<T: Tiled>(&self, laid: &[Place<T>], x: &mut [T]) {
        let plane = self.planes()[0];
        let mut memory = Storage::stale(T::DTYPE, plane * WIDE);
        let turned = memory.as_mut_slice::<T>();
        for (to, from) in turned.as_chunks_mut::<WIDE>().0.chunks_exact_mut(self.g.size[1]).zip(self.rows()) {
            to.copy_from_slice(&laid[from]);
        }
        T::transpose(turned, WIDE, (plane, x.len() / plane), plane, x);
    }

    /// The weights of channels from `16·block` on, side by side tap by tap.
    fn weights<T: Tiled>(&self, w: &[T], block: usize) -> Vec<Place<T>> {
        let taps = self.taps.len();
        let w = &w[block * WIDE * taps..];
        let count = (w.len() / taps).min(WIDE);
        let mut side = vec![[T::ZERO; WIDE]; taps];
        T::transpose(w, taps, (count, taps), WIDE, side.as_flattened_mut());
        side
    }
}

/// Pieces of `out` of some channels of one image each, in tasks of some pieces.
fn pieces<'a, T>(out: &'a mut [T], g: &Geometry, plane: usize) -> (Vec<&'a mut [T]>, usize) {
    let pieces = out.chunks_mut(g.groups * plane).flat_map(|image| image.chunks_mut(WIDE * plane)).collect();
    (pieces, (TASK / plane).max(1))
}

/// The convolution of `x` with `w`, plus a bias per channel, raised to `floor` where it is less.
pub(super) fn convolve<T: Tiled>(x: &[T], w: &[T], bias: Option<&[T]>, floor: T, g: &Geometry, out: &mut [T]) {
    let (side, blocks) = (Side::new(g), g.groups.div_ceil(WIDE));
    let [plane, positions] = side.planes();
    let weights: Vec<_> = (0..blocks).map(|block| side.weights(w, block)).collect();
    let work = out.len() * (side.taps.len() + 4) / 4;
    let (mut pieces, some) = pieces(out, g, positions);
    par::share(pieces.chunks_mut(some), work, &|task, pieces| {
        let mut memory = Storage::zeroed(T::DTYPE, side.image * WIDE);
        let laid = memory.as_mut_slice::<T>().as_chunks_mut::<WIDE>().0;
        let mut memory = Storage::stale(T::DTYPE, positions * WIDE);
        let sums = memory.as_mut_slice::<T>().as_chunks_mut::<WIDE>().0;
        for (i, out) in pieces.iter_mut().enumerate() {
            let out: &mut [T] = out;
            let (image, block) = ((task * some + i) / blocks, (task * some + i) % blocks);
            let (first, count) = (block * WIDE, out.len() / positions);
            side.lay(&x[(image * g.groups + first) * plane..][..count * plane], laid);
            let start = std::array::from_fn(|lane| match bias {
                Some(bias) if lane < count => bias[first + lane],
                _ => T::ZERO,
            });
            outputs(laid, side.steps, &side.taps, &weights[block], start, g.out_size[1], sums);
            raise(floor, sums.as_flattened_mut());
            T::transpose(sums.as_flattened(), WIDE, (positions, count), positions, out);
        }
    });
}

/// The gradient with respect to the input: each output's gradient, spread by the taps over what it was computed from.
pub(super) fn input_grad<T: Tiled>(w: &[T], dy: &[T], g: &Geometry, dx: &mut [T]) {
    let (side, blocks) = (Side::new(g), g.groups.div_ceil(WIDE));
    let [plane, positions] = side.planes();
    let weights: Vec<_> = (0..blocks).map(|block| side.weights(w, block)).collect();
    let work = dy.len() * (side.taps.len() + 4) / 2;
    let (mut pieces, some) = pieces(dx, g, plane);
    par::share(pieces.chunks_mut(some), work, &|task, pieces| {
        let mut memory = Storage::stale(T::DTYPE, (side.image + positions) * WIDE);
        let (laid, grads) = memory.as_mut_slice::<T>().as_chunks_mut::<WIDE>().0.split_at_mut(side.image);
        for (i, dx) in pieces.iter_mut().enumerate() {
            let dx: &mut [T] = dx;
            let (image, block) = ((task * some + i) / blocks, (task * some + i) % blocks);
            let count = dx.len() / plane;
            let dy = &dy[(image * g.groups + block * WIDE) * positions..][..count * positions];
            T::transpose(dy, positions, (count, positions), WIDE, grads.as_flattened_mut());
            laid.fill([T::ZERO; WIDE]);
            spread(grads, side.steps, &side.taps, &weights[block], g.out_size[1], laid);
            side.gather(laid, dx);
        }
    });
}

/// The gradient with respect to the weight. Images are summed in sections that sizes decide.
pub(super) fn weight_grad<T: Tiled>(x: &[T], dy: &[T], g: &Geometry, dw: &mut [T]) {
    let (side, blocks, taps) = (Side::new(g), g.groups.div_ceil(WIDE), g.taps());
    let [plane, positions] = side.planes();
    let section = g.batch.div_ceil((2 * WIDE / blocks).max(1));
    let sections = g.batch.div_ceil(section);
    let mut parts = vec![[T::ZERO; WIDE]; blocks * sections * taps];
    par::share(parts.chunks_mut(taps), dy.len() * (taps + 8) / 4, &|task, part| {
        let (block, first) = (task / sections, task % sections * section);
        let count = WIDE.min(g.groups - block * WIDE);
        let mut memory = Storage::zeroed(T::DTYPE, (side.image + positions) * WIDE);
        let (laid, grads) = memory.as_mut_slice::<T>().as_chunks_mut::<WIDE>().0.split_at_mut(side.image);
        let rows = (CHAIN / g.out_size[1]).max(1);
        for image in first..(first + section).min(g.batch) {
            let channel = image * g.groups + block * WIDE;
            side.lay(&x[channel * plane..][..count * plane], laid);
            let dy = &dy[channel * positions..][..count * positions];
            T::transpose(dy, positions, (count, positions), WIDE, grads.as_flattened_mut());
            for (i, grads) in grads.chunks(rows * g.out_size[1]).enumerate() {
                let laid = &laid[i * rows * side.steps[0]..];
                for (taps, part) in side.taps.chunks(TAPS).zip(part.chunks_mut(TAPS)) {
                    products(laid, side.steps, taps, grads, g.out_size[1], part);
                }
            }
        }
    });
    for (index, dw) in dw.chunks_exact_mut(taps).enumerate() {
        let parts = parts[index / WIDE * sections * taps..][..sections * taps].chunks_exact(taps);
        dw.fill(T::ZERO);
        for part in parts {
            dw.iter_mut().zip(part).for_each(|(dw, part)| *dw += part[index % WIDE]);
        }
    }
}

/// Calls a function with a constant `N`, from 1 to 9, that equals a number.
macro_rules! with_constant {
    ($n:expr, $f:ident :: <$T:ident, $FMA:ident>($($arg:expr),*)) => {
        match $n {
            1 => $f::<$T, $FMA, 1>($($arg),*),
            2 => $f::<$T, $FMA, 2>($($arg),*),
            3 => $f::<$T, $FMA, 3>($($arg),*),
            4 => $f::<$T, $FMA, 4>($($arg),*),
            5 => $f::<$T, $FMA, 5>($($arg),*),
            6 => $f::<$T, $FMA, 6>($($arg),*),
            7 => $f::<$T, $FMA, 7>($($arg),*),
            8 => $f::<$T, $FMA, 8>($($arg),*),
            _ => $f::<$T, $FMA, 9>($($arg),*),
        }
    };
}

multiversion! {
    /// `out[y][x] = start + Σ_t w[t]·laid[y·steps[0] + x·steps[1] + at[t]]`, for rows of `width`.
    fn outputs[T: Real](
        laid: &[Place<T>],
        steps: [usize; 2],
        at: &[usize],
        w: &[Place<T>],
        start: Place<T>,
        width: usize,
        out: &mut [Place<T>],
    ) {
        // As even as can be.
        let some = width.div_ceil(width.div_ceil(SUMS));
        for (y, out) in out.chunks_exact_mut(width).enumerate() {
            for (i, out) in out.chunks_mut(some).enumerate() {
                let laid = &laid[y * steps[0] + i * some * steps[1]..];
                with_constant!(out.len(), some_outputs::<T, FMA>(laid, steps[1], at, w, start, out));
            }
        }
    }
}

#[inline(always)]
fn some_outputs<T: Real, const FMA: bool, const N: usize>(
    laid: &[Place<T>],
    step: usize,
    at: &[usize],
    w: &[Place<T>],
    start: Place<T>,
    out: &mut [Place<T>],
) {
    let mut sums = [start; N];
    for (&at, w) in at.iter().zip(w) {
        let x: [&Place<T>; N] = std::array::from_fn(|n| &laid[at + n * step]);
        for n in 0..N {
            for lane in 0..WIDE {
                sums[n][lane] = fma::<FMA, T>(w[lane], x[n][lane], sums[n][lane]);
            }
        }
    }
    out.copy_from_slice(&sums);
}

multiversion! {
    /// `laid[y·steps[0] + x·steps[1] + at[t]] += w[t]·grads[y][x]`, for rows of `width`.
    fn spread[T: Real](
        grads: &[Place<T>],
        steps: [usize; 2],
        at: &[usize],
        w: &[Place<T>],
        width: usize,
        laid: &mut [Place<T>],
    ) {
        for (y, grads) in grads.chunks_exact(width).enumerate() {
            for (&at, w) in at.iter().zip(w) {
                let laid = laid[y * steps[0] + at..].iter_mut().step_by(steps[1]);
                for (laid, grad) in laid.zip(grads) {
                    for lane in 0..WIDE {
                        laid[lane] = fma::<FMA, T>(w[lane], grad[lane], laid[lane]);
                    }
                }
            }
        }
    }
}

multiversion! {
    /// `sums[t] += Σ grads[y][x]·laid[y·steps[0] + x·steps[1] + at[t]]`, for rows of `width` and at most [`TAPS`] taps.
    fn products[T: Real](
        laid: &[Place<T>],
        steps: [usize; 2],
        at: &[usize],
        grads: &[Place<T>],
        width: usize,
        sums: &mut [Place<T>],
    ) {
        with_constant!(at.len(), some_products::<T, FMA>(laid, steps, at, grads, width, sums));
    }
}

#[inline(always)]
fn some_products<T: Real, const FMA: bool, const N: usize>(
    laid: &[Place<T>],
    steps: [usize; 2],
    at: &[usize],
    grads: &[Place<T>],
    width: usize,
    sums: &mut [Place<T>],
) {
    let mut chains = [[T::ZERO; WIDE]; N];
    for (y, grads) in grads.chunks_exact(width).enumerate() {
        for (x, grad) in grads.iter().enumerate() {
            let laid = &laid[y * steps[0] + x * steps[1]..];
            for n in 0..N {
                let x = &laid[at[n]];
                for lane in 0..WIDE {
                    chains[n][lane] = fma::<FMA, T>(grad[lane], x[lane], chains[n][lane]);
                }
            }
        }
    }
    for (sum, chain) in sums.iter_mut().zip(&chains) {
        sum.iter_mut().zip(chain).for_each(|(sum, &more)| *sum += more);
    }
}
