//! Normalisation of groups of channels: group by group, so that one read for its statistics is still in cache for its output.

use super::layer_norm::Moments;
use super::norm::{Gradients, affine, mean_and_var, products, pull};
use super::par;
use super::simd::Real;

/// How a contiguous tensor divides: `[n, groups, channels, plane]`.
#[derive(Clone, Copy)]
pub(crate) struct Groups {
    pub(crate) groups: usize,
    /// Channels of one group.
    pub(crate) channels: usize,
    pub(crate) plane: usize,
}

impl Groups {
    /// Elements of one group.
    fn len(&self) -> usize {
        self.channels * self.plane
    }

    /// The first channel of the group with this number among those of all samples.
    fn first(&self, at: usize) -> usize {
        at % self.groups * self.channels
    }
}

/// `out = (x - mean) / √(var + eps) · weight + bias` with the statistics of each group, which are returned; `of(c)` is the weight and
/// the bias of a channel.
pub(crate) fn forward<T: Real>(
    x: &[T],
    sizes: Groups,
    of: impl Fn(usize) -> (T, T) + Sync + Send,
    eps: f64,
    moments: Moments<'_, T>,
    out: &mut [T],
) {
    let len = sizes.len();
    let cells = moments.mean.iter_mut().zip(moments.rstd);
    let work: Vec<_> = out.chunks_exact_mut(len).zip(cells).collect();
    par::items(work, 4 * len, |at, (out, (mean_out, rstd_out))| {
        let x = &x[at * len..][..len];
        let (mean, var) = mean_and_var(std::iter::once(x), len as f64);
        let rstd = 1.0 / (var + eps).sqrt();
        (*mean_out, *rstd_out) = (T::of(mean), T::of(rstd));
        let planes = x.chunks_exact(sizes.plane).zip(out.chunks_exact_mut(sizes.plane));
        for (c, (x, out)) in planes.enumerate() {
            let (weight, bias) = of(sizes.first(at) + c);
            affine(x, *mean_out, T::of(weight.to_f64() * rstd), bias, T::NEG_INFINITY, out);
        }
    });
}

/// The gradients of [`forward`], from the means and inverse deviations that it gave; `of(c)` is the weight of a channel.
pub(crate) fn backward<T: Real>(
    dy: &[T],
    x: &[T],
    sizes: Groups,
    of: impl Fn(usize) -> T + Sync + Send,
    (mean, rstd): (&[T], &[T]),
    gradients: Gradients<'_, T>,
    out: &mut [T],
) {
    let (len, count) = (sizes.len(), sizes.channels);
    // What each group adds to the gradients of the weights and biases of its channels.
    let mut partial = vec![(0.0, 0.0); mean.len() * count];
    let work: Vec<_> = out.chunks_exact_mut(len).zip(partial.chunks_exact_mut(count)).collect();
    par::items(work, 6 * len, |at, (out, partial)| {
        let (dy, x) = (&dy[at * len..][..len], &x[at * len..][..len]);
        let (mean, rstd) = (mean[at], rstd[at].to_f64());
        let (mut total, mut along) = (0.0, 0.0);
        for (c, (dy, x)) in dy.chunks_exact(sizes.plane).zip(x.chunks_exact(sizes.plane)).enumerate() {
            let (sum, product) = products(dy, x, mean.to_f64());
            let weight = of(sizes.first(at) + c).to_f64();
            total += weight * sum;
            along += weight * product;
            partial[c] = (product * rstd, sum);
        }
        let moving = rstd / len as f64;
        let (slope, shift) = (T::of(moving * along * rstd * rstd), T::of(moving * total));
        let given = dy.chunks_exact(sizes.plane).zip(x.chunks_exact(sizes.plane));
        for (c, ((dy, x), out)) in given.zip(out.chunks_exact_mut(sizes.plane)).enumerate() {
            let scale = T::of(of(sizes.first(at) + c).to_f64() * rstd);
            pull(dy, x, mean, scale, slope, shift, out);
        }
    });
    for (c, (dweight, dbias)) in gradients.weight.iter_mut().zip(gradients.bias).enumerate() {
        let of_samples = partial.iter().skip(c).step_by(sizes.groups * count);
        let (weight, bias) = of_samples.fold((0.0, 0.0), |(w, b), more| (w + more.0, b + more.1));
        (*dweight, *dbias) = (T::of(weight), T::of(bias));
    }
}
