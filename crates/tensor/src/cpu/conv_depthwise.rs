//! Depthwise convolutions: groups of one input channel, where a register tile would have a single row.
//!
//! Images are laid out in [`Planes`], where a tap is an offset; an output plane is then a sum of as many shifted planes as
//! there are taps, some of them added in one pass.

use super::conv::Geometry;
use super::conv_planes::{Planes, STEP};
use super::floor::raise;
use super::par;
use super::simd::{Real, fma, multiversion};
use super::tile::Tiled;
use crate::storage::Storage;

/// Taps added in one pass at most.
const TAPS: usize = 8;
/// Elements of outputs that are computed with the same scratch memory.
const PIECE: usize = 1 << 12;

/// Whether groups have one input channel each, and few output channels.
pub(super) fn suits(g: &Geometry) -> bool {
    g.depth == 1 && g.groups > 1 && g.out < 8
}

/// The convolution of `x` with `w`, plus a bias per channel, raised to `floor` where it is less.
pub(super) fn convolve<T: Tiled>(x: &[T], w: &[T], bias: Option<&[T]>, floor: T, g: &Geometry, out: &mut [T]) {
    let (planes, taps, positions) = (Planes::new(g), g.taps(), g.positions());
    let total = planes.position(positions - 1) + 1;
    let unit = g.out * positions;
    let some = (PIECE / unit).max(1);
    par::share(out.chunks_mut(some * unit), g.units() * unit * taps / 4, &|piece, out| {
        let mut memory = Storage::zeroed(T::DTYPE, planes.image() + STEP);
        let laid = memory.as_mut_slice::<T>();
        let mut memory = Storage::stale(T::DTYPE, total);
        let sums = memory.as_mut_slice::<T>();
        for (i, out) in out.chunks_exact_mut(unit).enumerate() {
            let index = piece * some + i;
            planes.lay(&x[index * g.image()..][..g.image()], laid);
            for (channel, out) in out.chunks_exact_mut(positions).enumerate() {
                let channel = index % g.groups * g.out + channel;
                sums.fill(bias.map_or(T::ZERO, |bias| bias[channel]));
                add_taps(laid, &planes.taps, &w[channel * taps..][..taps], sums);
                raise(floor, sums);
                for (y, row) in out.chunks_exact_mut(g.out_size[1]).enumerate() {
                    row.copy_from_slice(&sums[y * planes.plane[1]..][..row.len()]);
                }
            }
        }
    });
}

/// The gradient with respect to the input: each output's gradient, spread by the taps over what it was computed from.
pub(super) fn input_grad<T: Tiled>(w: &[T], dy: &[T], g: &Geometry, dx: &mut [T]) {
    let (planes, taps, positions) = (Planes::new(g), g.taps(), g.positions());
    let total = planes.position(positions - 1) + 1;
    let some = (PIECE / g.image()).max(1);
    par::share(dx.chunks_mut(some * g.image()), g.units() * g.out * positions * taps / 2, &|piece, dx| {
        let mut memory = Storage::stale(T::DTYPE, planes.image());
        let sums = memory.as_mut_slice::<T>();
        // Zero where a row of the planes has no output.
        let mut memory = Storage::zeroed(T::DTYPE, total);
        let grads = memory.as_mut_slice::<T>();
        for (i, dx) in dx.chunks_exact_mut(g.image()).enumerate() {
            let index = piece * some + i;
            sums.fill(T::ZERO);
            for channel in 0..g.out {
                let from = &dy[(index * g.out + channel) * positions..][..positions];
                for (y, row) in from.chunks_exact(g.out_size[1]).enumerate() {
                    grads[y * planes.plane[1]..][..row.len()].copy_from_slice(row);
                }
                let w = &w[(index % g.groups * g.out + channel) * taps..][..taps];
                for (&at, &w) in planes.taps.iter().zip(w) {
                    add_scaled(grads, w, &mut sums[at..][..total]);
                }
            }
            planes.gather(1, sums, dx);
        }
    });
}

/// `sums[j] += Σ_t w[t]·x[at[t] + j]`.
fn add_taps<T: Tiled>(x: &[T], at: &[usize], w: &[T], sums: &mut [T]) {
    // As even as can be.
    let some = at.len().div_ceil(at.len().div_ceil(TAPS));
    for (at, w) in at.chunks(some).zip(w.chunks(some)) {
        match at.len() {
            1 => add_some::<T, 1>(x, at, w, sums),
            2 => add_some::<T, 2>(x, at, w, sums),
            3 => add_some::<T, 3>(x, at, w, sums),
            4 => add_some::<T, 4>(x, at, w, sums),
            5 => add_some::<T, 5>(x, at, w, sums),
            6 => add_some::<T, 6>(x, at, w, sums),
            7 => add_some::<T, 7>(x, at, w, sums),
            _ => add_some::<T, 8>(x, at, w, sums),
        }
    }
}

/// [`add_taps`] for `N` taps.
fn add_some<T: Tiled, const N: usize>(x: &[T], at: &[usize], w: &[T], sums: &mut [T]) {
    add_rows(std::array::from_fn::<_, N, _>(|t| &x[at[t]..]), std::array::from_fn(|t| w[t]), sums);
}

multiversion! {
    /// `sums[j] += Σ_t w[t]·rows[t][j]`.
    fn add_rows[T: Real, const N: usize](rows: [&[T]; N], w: [T; N], sums: &mut [T]) {
        let rows = rows.map(|row| &row[..sums.len()]);
        for (j, sum) in sums.iter_mut().enumerate() {
            let mut total = *sum;
            for t in 0..N {
                total = fma::<FMA, T>(w[t], rows[t][j], total);
            }
            *sum = total;
        }
    }
}

multiversion! {
    /// `sums[j] += w·x[j]`.
    fn add_scaled[T: Real](x: &[T], w: T, sums: &mut [T]) {
        for (sum, &x) in sums.iter_mut().zip(x) {
            *sum = fma::<FMA, T>(w, x, *sum);
        }
    }
}
