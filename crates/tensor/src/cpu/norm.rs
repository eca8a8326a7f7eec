//! Batch normalisation: channel by channel, so that a channel read for its statistics is still in cache for its output.

use super::par;
use super::simd::{Real, fma, multiversion};

/// Accumulators side by side, in f64: sums lose nothing over millions of elements.
const LANES: usize = 32;

/// The planes of a tensor of shape `[n, channels, plane]`, by channel: `planes[c][i]` is image `i`'s.
fn by_channel<T>(out: &mut [T], channels: usize, plane: usize) -> Vec<Vec<&mut [T]>> {
    let mut planes: Vec<Vec<&mut [T]>> = (0..channels).map(|_| Vec::new()).collect();
    for (i, piece) in out.chunks_exact_mut(plane).enumerate() {
        planes[i % channels].push(piece);
    }
    planes
}

/// The planes of channel `c`.
fn channel<T>(x: &[T], channels: usize, plane: usize, c: usize) -> impl Iterator<Item = &[T]> {
    x.chunks_exact(plane).skip(c).step_by(channels)
}

/// Joins lanes pairwise.
#[inline(always)]
fn join(mut lanes: [f64; LANES]) -> f64 {
    let mut width = LANES / 2;
    while width > 0 {
        for j in 0..width {
            lanes[j] += lanes[j + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// `Σ f(a[i], b[i])`, in f64.
#[inline(always)]
fn total<T: Real>(a: &[T], b: &[T], f: impl Fn(f64, f64) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let ((ac, ar), (bc, br)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in ac.iter().zip(bc) {
        for j in 0..LANES {
            lanes[j] += f(a[j].to_f64(), b[j].to_f64());
        }
    }
    for (lane, (a, b)) in lanes.iter_mut().zip(ar.iter().zip(br)) {
        *lane += f(a.to_f64(), b.to_f64());
    }
    join(lanes)
}

multiversion! {
    pub(super) fn sum[T: Real](x: &[T]) -> f64 {
        total(x, x, |x, _| x)
    }
}

multiversion! {
    /// `Σ (x - mean)²`.
    pub(super) fn deviation[T: Real](x: &[T], mean: f64) -> f64 {
        total(x, x, |x, _| (x - mean) * (x - mean))
    }
}

multiversion! {
    /// `Σ dy·(x - mean)`.
    fn covariance[T: Real](dy: &[T], x: &[T], mean: f64) -> f64 {
        total(dy, x, |dy, x| dy * (x - mean))
    }
}

multiversion! {
    /// `out = (x - mean)·scale + shift`.
    fn affine[T: Real](x: &[T], mean: T, scale: T, shift: T, out: &mut [T]) {
        for (o, &x) in out.iter_mut().zip(x) {
            *o = fma::<FMA, T>(x - mean, scale, shift);
        }
    }
}

multiversion! {
    /// `out = dy·scale - (x - mean)·slope - shift`.
    fn pull[T: Real](dy: &[T], x: &[T], mean: T, scale: T, slope: T, shift: T, out: &mut [T]) {
        for (o, (&dy, &x)) in out.iter_mut().zip(dy.iter().zip(x)) {
            *o = fma::<FMA, T>(dy, scale, -fma::<FMA, T>(x - mean, slope, shift));
        }
    }
}

/// The mean and the biased variance of each channel of `[n, channels, plane]`.
pub(crate) struct Statistics<'a, T> {
    pub(crate) mean: &'a mut [T],
    pub(crate) var: &'a mut [T],
}

/// `out = (x - mean) / √(var + eps) · weight + bias` per channel, with the batch's own statistics, which are returned.
pub(crate) fn train<T: Real>(
    x: &[T],
    (channels, plane): (usize, usize),
    affine_of: impl Fn(usize) -> (T, T) + Sync + Send,
    eps: f64,
    statistics: Statistics<'_, T>,
    out: &mut [T],
) {
    let count = (x.len() / channels.max(1)) as f64;
    let cells = statistics.mean.iter_mut().zip(statistics.var.iter_mut());
    let work: Vec<_> = by_channel(out, channels, plane.max(1)).into_iter().zip(cells).collect();
    par::items(work, 4 * count as usize, |c, (out, (mean_out, var_out))| {
        let planes = || channel(x, channels, plane.max(1), c);
        let mean = planes().map(sum).sum::<f64>() / count;
        let var = planes().map(|x| deviation(x, mean)).sum::<f64>() / count;
        (*mean_out, *var_out) = (T::of(mean), T::of(var));
        let (weight, bias) = affine_of(c);
        let scale = T::of(weight.to_f64() / (var + eps).sqrt());
        for (x, out) in planes().zip(out) {
            affine(x, *mean_out, scale, bias, out);
        }
    });
}

/// The same with given statistics.
pub(crate) fn eval<T: Real>(
    x: &[T],
    (channels, plane): (usize, usize),
    of: impl Fn(usize) -> (T, T, T) + Sync,
    out: &mut [T],
) {
    let plane = plane.max(1);
    par::chunks(out, plane, 2, |start, out| {
        for (i, out) in out.chunks_exact_mut(plane).enumerate() {
            let at = start / plane + i;
            let (mean, scale, shift) = of(at % channels);
            affine(&x[at * plane..][..plane], mean, scale, shift, out);
        }
    });
}

/// What the gradients of a channel's parameters are, and how the input's follows.
pub(crate) struct Gradients<'a, T> {
    pub(crate) weight: &'a mut [T],
    pub(crate) bias: &'a mut [T],
}

/// The gradients of [`train`] (or, with `fixed` statistics, of [`eval`]); `of(c)` is mean, biased variance and weight.
pub(crate) fn backward<T: Real>(
    dy: &[T],
    x: &[T],
    (channels, plane): (usize, usize),
    of: impl Fn(usize) -> (T, T, T) + Sync + Send,
    eps: f64,
    fixed: bool,
    gradients: Gradients<'_, T>,
    out: &mut [T],
) {
    let count = (x.len() / channels.max(1)) as f64;
    let cells = gradients.weight.iter_mut().zip(gradients.bias.iter_mut());
    let work: Vec<_> = by_channel(out, channels, plane.max(1)).into_iter().zip(cells).collect();
    par::items(work, 4 * count as usize, |c, (out, (dweight, dbias))| {
        let planes = || channel(dy, channels, plane.max(1), c).zip(channel(x, channels, plane.max(1), c));
        let (mean, var, weight) = of(c);
        let inverse = 1.0 / (var.to_f64() + eps).sqrt();
        let total = planes().map(|(dy, _)| sum(dy)).sum::<f64>();
        let along = planes().map(|(dy, x)| covariance(dy, x, mean.to_f64())).sum::<f64>();
        (*dweight, *dbias) = (T::of(along * inverse), T::of(total));
        let scale = weight.to_f64() * inverse;
        let moving = if fixed { 0.0 } else { scale / count };
        let (slope, shift) = (T::of(moving * along * inverse * inverse), T::of(moving * total));
        for ((dy, x), out) in planes().zip(out) {
            pull(dy, x, mean, T::of(scale), slope, shift, out);
        }
    });
}
