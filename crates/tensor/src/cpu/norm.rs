//! Batch normalisation of planes (of points: `norm_points`): channel by channel, so that a channel read for its statistics is still in cache for its output.

use super::simd::{Real, fma, multiversion};
use super::{norm_points, par};

/// Accumulators side by side, in f64: sums lose nothing over millions of elements.
const LANES: usize = 16;

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
fn join(lanes: [f64; LANES]) -> f64 {
    let eight: [f64; 8] = std::array::from_fn(|j| lanes[j] + lanes[j + 8]);
    let four: [f64; 4] = std::array::from_fn(|j| eight[j] + eight[j + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

multiversion! {
    /// `Σ (x - shift)` and `Σ (x - shift)²`, in f64.
    fn moments[T: Real](x: &[T], shift: f64) -> (f64, f64) {
        let (mut sum, mut squares) = ([0.0; LANES], [0.0; LANES]);
        let (chunks, rest) = x.as_chunks::<LANES>();
        for x in chunks {
            for j in 0..LANES {
                let x = x[j].to_f64() - shift;
                sum[j] += x;
                squares[j] = fma::<FMA, f64>(x, x, squares[j]);
            }
        }
        let (mut sum, mut squares) = (join(sum), join(squares));
        for x in rest {
            let x = x.to_f64() - shift;
            sum += x;
            squares += x * x;
        }
        (sum, squares)
    }
}

multiversion! {
    /// `Σ dy` and `Σ dy·(x - mean)`, in f64.
    pub(super) fn products[T: Real](dy: &[T], x: &[T], mean: f64) -> (f64, f64) {
        let (mut sum, mut along) = ([0.0; LANES], [0.0; LANES]);
        let ((dys, dy_rest), (xs, x_rest)) = (dy.as_chunks::<LANES>(), x.as_chunks::<LANES>());
        for (dy, x) in dys.iter().zip(xs) {
            for j in 0..LANES {
                let dy = dy[j].to_f64();
                sum[j] += dy;
                along[j] = fma::<FMA, f64>(dy, x[j].to_f64() - mean, along[j]);
            }
        }
        let (mut sum, mut along) = (join(sum), join(along));
        for (dy, x) in dy_rest.iter().zip(x_rest) {
            sum += dy.to_f64();
            along += dy.to_f64() * (x.to_f64() - mean);
        }
        (sum, along)
    }
}

/// The mean and the biased variance of `count` elements that lie in pieces, of which they are read once.
///
/// They are shifted by the first, which is near the mean in any but odd cases: then the difference of the two sums
/// loses nothing, and it is exact where all elements are the same.
#[inline]
pub(super) fn mean_and_var<'a, T: Real>(pieces: impl Iterator<Item = &'a [T]>, count: f64) -> (f64, f64) {
    let mut shift = None;
    let (mut sum, mut squares) = (0.0, 0.0);
    for x in pieces {
        let shift = *shift.get_or_insert_with(|| x.first().map_or(0.0, |x| x.to_f64()));
        let (more, more_squares) = moments(x, shift);
        sum += more;
        squares += more_squares;
    }
    let mean = sum / count;
    // A NaN stays one.
    let var = squares / count - mean * mean;
    (shift.unwrap_or(0.0) + mean, if var < 0.0 { 0.0 } else { var })
}

multiversion! {
    /// `out = (x - mean)·scale + shift`, raised to `floor` where it is less.
    pub(super) fn affine[T: Real](x: &[T], mean: T, scale: T, shift: T, floor: T, out: &mut [T]) {
        for (o, &x) in out.iter_mut().zip(x) {
            let y = fma::<FMA, T>(x - mean, scale, shift);
            *o = if y < floor { floor } else { y };
        }
    }
}

multiversion! {
    /// `out = dy·scale - (x - mean)·slope - shift`.
    pub(super) fn pull[T: Real](dy: &[T], x: &[T], mean: T, scale: T, slope: T, shift: T, out: &mut [T]) {
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

/// `out = (x - mean) / √(var + eps) · weight + bias` per channel, raised to `floor` where it is less, with the batch's own statistics, which are returned.
pub(crate) fn train<T: Real>(
    x: &[T],
    (channels, plane): (usize, usize),
    affine_of: impl Fn(usize) -> (T, T) + Sync + Send,
    eps: f64,
    floor: T,
    statistics: Statistics<'_, T>,
    out: &mut [T],
) {
    if plane == 1 && !x.is_empty() {
        return norm_points::train(x, channels, affine_of, eps, floor, statistics, out);
    }
    let count = (x.len() / channels.max(1)) as f64;
    let cells = statistics.mean.iter_mut().zip(statistics.var.iter_mut());
    let work: Vec<_> = by_channel(out, channels, plane.max(1)).into_iter().zip(cells).collect();
    par::items(work, 4 * count as usize, |c, (out, (mean_out, var_out))| {
        let planes = || channel(x, channels, plane.max(1), c);
        let (mean, var) = mean_and_var(planes(), count);
        (*mean_out, *var_out) = (T::of(mean), T::of(var));
        let (weight, bias) = affine_of(c);
        let scale = T::of(weight.to_f64() / (var + eps).sqrt());
        for (x, out) in planes().zip(out) {
            affine(x, *mean_out, scale, bias, floor, out);
        }
    });
}

/// The same with given statistics.
pub(crate) fn eval<T: Real>(
    x: &[T],
    (channels, plane): (usize, usize),
    of: impl Fn(usize) -> (T, T, T) + Sync,
    floor: T,
    out: &mut [T],
) {
    if plane == 1 && !x.is_empty() {
        return norm_points::eval(x, channels, of, floor, out);
    }
    let plane = plane.max(1);
    par::chunks(out, plane, 2, |start, out| {
        for (i, out) in out.chunks_exact_mut(plane).enumerate() {
            let at = start / plane + i;
            let (mean, scale, shift) = of(at % channels);
            affine(&x[at * plane..][..plane], mean, scale, shift, floor, out);
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
    if plane == 1 && !x.is_empty() {
        return norm_points::backward(dy, x, channels, of, eps, fixed, gradients, out);
    }
    let count = (x.len() / channels.max(1)) as f64;
    let cells = gradients.weight.iter_mut().zip(gradients.bias.iter_mut());
    let work: Vec<_> = by_channel(out, channels, plane.max(1)).into_iter().zip(cells).collect();
    par::items(work, 4 * count as usize, |c, (out, (dweight, dbias))| {
        let planes = || channel(dy, channels, plane.max(1), c).zip(channel(x, channels, plane.max(1), c));
        let (mean, var, weight) = of(c);
        let inverse = 1.0 / (var.to_f64() + eps).sqrt();
        let (mut total, mut along) = (0.0, 0.0);
        for (dy, x) in planes() {
            let (sum, product) = products(dy, x, mean.to_f64());
            total += sum;
            along += product;
        }
        (*dweight, *dbias) = (T::of(along * inverse), T::of(total));
        let scale = weight.to_f64() * inverse;
        let moving = if fixed { 0.0 } else { scale / count };
        let (slope, shift) = (T::of(moving * along * inverse * inverse), T::of(moving * total));
        for ((dy, x), out) in planes().zip(out) {
            pull(dy, x, mean, T::of(scale), slope, shift, out);
        }
    });
}
