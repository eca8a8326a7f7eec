//! Layer normalisation: row by row, each read from memory once; the parameters' gradients are summed block by block.

use super::norm::{Gradients, mean_and_var};
use super::par;
use super::simd::{Real, fma, multiversion};

/// Rows whose contributions to the parameters' gradients are added up before they join those of other blocks.
const ROWS: usize = 32;
/// Blocks at most, so that their sums stay small beside the input.
const BLOCKS: usize = 64;

multiversion! {
    /// `out = (x - mean)·rstd·weight + bias`.
    fn affine[T: Real](x: &[T], mean: T, rstd: T, weight: &[T], bias: &[T], out: &mut [T]) {
        for (o, (&x, (&w, &b))) in out.iter_mut().zip(x.iter().zip(weight.iter().zip(bias))) {
            *o = fma::<FMA, T>((x - mean) * rstd, w, b);
        }
    }
}

/// Accumulators side by side.
const LANES: usize = 32;

multiversion! {
    /// `Σ dy·weight` and `Σ dy·weight·(x - mean)·rstd`.
    fn sums[T: Real](dy: &[T], x: &[T], weight: &[T], mean: T, rstd: T) -> (T, T) {
        let (mut plain, mut along) = ([T::ZERO; LANES], [T::ZERO; LANES]);
        let (dys, xs, ws) = (dy.as_chunks::<LANES>(), x.as_chunks::<LANES>(), weight.as_chunks::<LANES>());
        for ((dy, x), w) in dys.0.iter().zip(xs.0).zip(ws.0) {
            for j in 0..LANES {
                let g = dy[j] * w[j];
                plain[j] += g;
                along[j] = fma::<FMA, T>(g, x[j] - mean, along[j]);
            }
        }
        let (mut plain, mut along) = (join(plain), join(along));
        for ((&dy, &x), &w) in dys.1.iter().zip(xs.1).zip(ws.1) {
            plain += dy * w;
            along = fma::<FMA, T>(dy * w, x - mean, along);
        }
        (plain, along * rstd)
    }
}

/// Joins lanes pairwise.
#[inline(always)]
fn join<T: Real>(lanes: [T; LANES]) -> T {
    let sixteen: [T; 16] = std::array::from_fn(|j| lanes[j] + lanes[j + 16]);
    let eight: [T; 8] = std::array::from_fn(|j| sixteen[j] + sixteen[j + 8]);
    let four: [T; 4] = std::array::from_fn(|j| eight[j] + eight[j + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

multiversion! {
    /// One row's `dx = (dy·weight - shift - n·slope)·rstd`, and what it adds to the parameters' gradients; `n` is the
    /// normalised input.
    fn pull[T: Real](dy: &[T], x: &[T], weight: &[T], row: Row<T>, out: &mut [T], dweight: &mut [T], dbias: &mut [T]) {
        let Row { mean, rstd, shift, slope } = row;
        let given = dy.iter().zip(x).zip(weight);
        for ((o, ((&dy, &x), &w)), (dw, db)) in out.iter_mut().zip(given).zip(dweight.iter_mut().zip(dbias)) {
            let normal = (x - mean) * rstd;
            *o = rstd * (fma::<FMA, T>(dy, w, -shift) - normal * slope);
            *dw = fma::<FMA, T>(dy, normal, *dw);
            *db += dy;
        }
    }
}

/// The numbers of one row that [`pull`] takes.
#[derive(Clone, Copy)]
struct Row<T> {
    mean: T,
    rstd: T,
    shift: T,
    slope: T,
}

/// The mean and the inverse deviation of each row.
pub(crate) struct Moments<'a, T> {
    pub(crate) mean: &'a mut [T],
    pub(crate) rstd: &'a mut [T],
}

/// `out = (x - mean) / √(var + eps) · weight + bias` for every row of `weight.len()` elements.
pub(crate) fn forward<T: Real>(x: &[T], weight: &[T], bias: &[T], eps: f64, moments: Moments<'_, T>, out: &mut [T]) {
    let len = weight.len();
    if out.is_empty() {
        return;
    }
    let block = (par::GRAIN / len / 4).max(1);
    let cells = moments.mean.chunks_mut(block).zip(moments.rstd.chunks_mut(block));
    let work: Vec<_> = out.chunks_mut(block * len).zip(cells).collect();
    par::items(work, 4 * block * len, |i, (out, (means, rstds))| {
        let x = x[i * block * len..].chunks_exact(len);
        for ((x, out), (mean_out, rstd_out)) in x.zip(out.chunks_exact_mut(len)).zip(means.iter_mut().zip(rstds)) {
            let (mean, var) = mean_and_var(std::iter::once(x), len as f64);
            (*mean_out, *rstd_out) = (T::of(mean), T::of(1.0 / (var + eps).sqrt()));
            affine(x, *mean_out, *rstd_out, weight, bias, out);
        }
    });
}

/// The gradients of [`forward`], from the means and inverse deviations that it gave.
pub(crate) fn backward<T: Real>(
    dy: &[T],
    x: &[T],
    weight: &[T],
    (mean, rstd): (&[T], &[T]),
    gradients: Gradients<'_, T>,
    out: &mut [T],
) {
    let len = weight.len();
    if out.is_empty() {
        return;
    }
    let block = ROWS.max(mean.len().div_ceil(BLOCKS));
    let count = mean.len().div_ceil(block);
    let mut partial = vec![T::ZERO; count * 2 * len];
    let work: Vec<_> = out.chunks_mut(block * len).zip(partial.chunks_mut(2 * len)).collect();
    par::items(work, 6 * block * len, |i, (out, partial)| {
        let (dweight, dbias) = partial.split_at_mut(len);
        for (j, out) in out.chunks_exact_mut(len).enumerate() {
            let row = i * block + j;
            let (dy, x) = (&dy[row * len..][..len], &x[row * len..][..len]);
            let (plain, along) = sums(dy, x, weight, mean[row], rstd[row]);
            let n = T::of(len as f64);
            let row = Row { mean: mean[row], rstd: rstd[row], shift: plain / n, slope: along / n };
            pull(dy, x, weight, row, out, dweight, dbias);
        }
    });
    for (at, (dweight, dbias)) in gradients.weight.iter_mut().zip(gradients.bias).enumerate() {
        let total = |first: usize| partial.chunks_exact(2 * len).map(|p| p[first + at].to_f64()).sum::<f64>();
        (*dweight, *dbias) = (T::of(total(0)), T::of(total(len)));
    }
}
