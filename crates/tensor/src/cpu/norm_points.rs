//! Batch normalisation of points, `[n, channels]`: along the rows as they lie, all channels side by side.

use super::norm::{Gradients, Statistics};
use super::par;
use super::simd::{Real, fma, multiversion};

/// Elements whose sums are taken by one thread, in whole rows; what their sums are joined to does not depend on who does it.
const SECTION: usize = 1 << 15;

multiversion! {
    /// Adds `Σ (x - first)` and `Σ (x - first)²` of each channel over rows, in f64.
    fn moments[T: Real](x: &[T], first: &[T], sum: &mut [f64], squares: &mut [f64]) {
        for x in x.chunks_exact(first.len()) {
            for (((sum, squares), x), first) in sum.iter_mut().zip(squares.iter_mut()).zip(x).zip(first) {
                let x = x.to_f64() - first.to_f64();
                *sum += x;
                *squares = fma::<FMA, f64>(x, x, *squares);
            }
        }
    }
}

multiversion! {
    /// Adds `Σ dy` and `Σ dy·(x - mean)` of each channel over rows, in f64.
    fn products[T: Real](dy: &[T], x: &[T], mean: &[T], sum: &mut [f64], along: &mut [f64]) {
        for (dy, x) in dy.chunks_exact(mean.len()).zip(x.chunks_exact(mean.len())) {
            let cells = sum.iter_mut().zip(along.iter_mut());
            for ((((sum, along), dy), x), mean) in cells.zip(dy).zip(x).zip(mean) {
                *sum += dy.to_f64();
                *along = fma::<FMA, f64>(dy.to_f64(), x.to_f64() - mean.to_f64(), *along);
            }
        }
    }
}

multiversion! {
    /// `out = (x - mean)·scale + shift` row by row, raised to `floor` where it is less.
    fn affine[T: Real](x: &[T], mean: &[T], scale: &[T], shift: &[T], floor: T, out: &mut [T]) {
        for (out, x) in out.chunks_exact_mut(mean.len()).zip(x.chunks_exact(mean.len())) {
            for ((((o, &x), &mean), &scale), &shift) in out.iter_mut().zip(x).zip(mean).zip(scale).zip(shift) {
                let y = fma::<FMA, T>(x - mean, scale, shift);
                *o = if y < floor { floor } else { y };
            }
        }
    }
}

/// What a channel's gradient is made of.
struct Pull<T> {
    mean: Vec<T>,
    scale: Vec<T>,
    slope: Vec<T>,
    shift: Vec<T>,
}

multiversion! {
    /// `out = dy·scale - (x - mean)·slope - shift`, row by row.
    fn pull[T: Real](dy: &[T], x: &[T], by: &Pull<T>, out: &mut [T]) {
        let channels = by.mean.len();
        let (scale, slope, shift) = (&by.scale[..channels], &by.slope[..channels], &by.shift[..channels]);
        for ((out, dy), x) in out.chunks_exact_mut(channels).zip(dy.chunks_exact(channels)).zip(x.chunks_exact(channels)) {
            let of = by.mean.iter().zip(scale).zip(slope).zip(shift);
            for (((o, &dy), &x), (((&mean, &scale), &slope), &shift)) in out.iter_mut().zip(dy).zip(x).zip(of) {
                *o = fma::<FMA, T>(dy, scale, -fma::<FMA, T>(x - mean, slope, shift));
            }
        }
    }
}

/// Two sums of every channel, which `f` adds up for the rows from `start` on that it gets the number of.
fn sums(rows: usize, channels: usize, f: impl Fn(usize, usize, &mut [f64], &mut [f64]) + Sync + Send) -> [Vec<f64>; 2] {
    let section = (SECTION / channels).max(1);
    let mut parts = vec![0.0; 2 * channels * rows.div_ceil(section)];
    par::items(parts.chunks_exact_mut(2 * channels).collect(), 4 * section * channels, |i, part| {
        let (sum, more) = part.split_at_mut(channels);
        f(i * section, section.min(rows - i * section), sum, more);
    });
    let (mut total, mut more) = (vec![0.0; channels], vec![0.0; channels]);
    for part in parts.chunks_exact(2 * channels) {
        let joined = total.iter_mut().chain(&mut more);
        joined.zip(part).for_each(|(total, part)| *total += part);
    }
    [total, more]
}

/// As `norm::train`, of `[n, channels]`.
pub(super) fn train<T: Real>(
    x: &[T],
    channels: usize,
    affine_of: impl Fn(usize) -> (T, T),
    eps: f64,
    floor: T,
    statistics: Statistics<'_, T>,
    out: &mut [T],
) {
    let rows = x.len() / channels;
    let first = &x[..channels];
    let [sum, squares] = sums(rows, channels, |start, rows, sum, squares| {
        moments(&x[start * channels..][..rows * channels], first, sum, squares);
    });
    let (mut scales, mut shifts) = (vec![T::ZERO; channels], vec![T::ZERO; channels]);
    for c in 0..channels {
        let mean = sum[c] / rows as f64;
        let var = squares[c] / rows as f64 - mean * mean;
        // A NaN stays one.
        let var = if var < 0.0 { 0.0 } else { var };
        (statistics.mean[c], statistics.var[c]) = (T::of(first[c].to_f64() + mean), T::of(var));
        let (weight, bias) = affine_of(c);
        (scales[c], shifts[c]) = (T::of(weight.to_f64() / (var + eps).sqrt()), bias);
    }
    spread(x, (statistics.mean, &scales, &shifts), floor, out);
}

/// As `norm::eval`, of `[n, channels]`.
pub(super) fn eval<T: Real>(x: &[T], channels: usize, of: impl Fn(usize) -> (T, T, T), floor: T, out: &mut [T]) {
    let (mut means, mut scales, mut shifts) =
        (vec![T::ZERO; channels], vec![T::ZERO; channels], vec![T::ZERO; channels]);
    for c in 0..channels {
        (means[c], scales[c], shifts[c]) = of(c);
    }
    spread(x, (&means, &scales, &shifts), floor, out);
}

fn spread<T: Real>(x: &[T], of: (&[T], &[T], &[T]), floor: T, out: &mut [T]) {
    par::chunks(out, of.0.len(), 2, |start, out| affine(&x[start..][..out.len()], of.0, of.1, of.2, floor, out));
}

/// As `norm::backward`, of `[n, channels]`.
pub(super) fn backward<T: Real>(
    dy: &[T],
    x: &[T],
    channels: usize,
    of: impl Fn(usize) -> (T, T, T),
    eps: f64,
    fixed: bool,
    gradients: Gradients<'_, T>,
    out: &mut [T],
) {
    let rows = x.len() / channels;
    let mean: Vec<T> = (0..channels).map(|c| of(c).0).collect();
    let [total, along] = sums(rows, channels, |start, rows, sum, along| {
        let (start, end) = (start * channels, (start + rows) * channels);
        products(&dy[start..end], &x[start..end], &mean, sum, along);
    });
    let none = || vec![T::ZERO; channels];
    let mut by = Pull { mean, scale: none(), slope: none(), shift: none() };
    for c in 0..channels {
        let (_, var, weight) = of(c);
        let inverse = 1.0 / (var.to_f64() + eps).sqrt();
        (gradients.weight[c], gradients.bias[c]) = (T::of(along[c] * inverse), T::of(total[c]));
        let scale = weight.to_f64() * inverse;
        let moving = if fixed { 0.0 } else { scale / rows as f64 };
        by.scale[c] = T::of(scale);
        (by.slope[c], by.shift[c]) = (T::of(moving * along[c] * inverse * inverse), T::of(moving * total[c]));
    }
    par::chunks(out, channels, 3, |start, out| pull(&dy[start..][..out.len()], &x[start..][..out.len()], &by, out));
}
