//! Convolution and its adjoints as matrix products over patches, one image at a time.

use super::gemm::{Gemm, Init, Mat, gemm};
use super::simd::Real;
use crate::Tensor;
use rayon::prelude::*;

/// Sizes of a convolution, checked by `ops::conv`.
pub(crate) struct Geometry {
    pub(crate) batch: usize,
    pub(crate) groups: usize,
    /// Input channels per group.
    pub(crate) depth: usize,
    /// Output channels per group.
    pub(crate) out: usize,
    /// Height and width of an input image.
    pub(crate) size: [usize; 2],
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) padding: [usize; 2],
    pub(crate) dilation: [usize; 2],
    /// Height and width of an output image.
    pub(crate) out_size: [usize; 2],
}

impl Geometry {
    /// Taps per output channel.
    fn taps(&self) -> usize {
        self.depth * self.kernel[0] * self.kernel[1]
    }

    /// Positions of an output image.
    fn positions(&self) -> usize {
        self.out_size[0] * self.out_size[1]
    }

    /// Elements of one group's input image.
    fn image(&self) -> usize {
        self.depth * self.size[0] * self.size[1]
    }

    /// Calls `f(tap, position, index)` for runs of taps that lie inside the image: element `index + i·stride` of the
    /// group's image is tap `tap` of output position `position + i`, for `i` in `0..count`.
    fn each_run(&self, mut f: impl FnMut(usize, usize, usize, usize)) {
        let [height, width] = self.size;
        for tap in 0..self.taps() {
            let (kx, ky) = (tap % self.kernel[1], tap / self.kernel[1] % self.kernel[0]);
            let channel = tap / (self.kernel[0] * self.kernel[1]);
            for oy in 0..self.out_size[0] {
                let y = (oy * self.stride[0] + ky * self.dilation[0]).wrapping_sub(self.padding[0]);
                if y >= height {
                    continue;
                }
                let shift = kx * self.dilation[1];
                // Outputs whose tap falls left of the image, and outputs up to its right edge.
                let first = self.padding[1].saturating_sub(shift).div_ceil(self.stride[1]);
                let last =
                    (width + self.padding[1]).saturating_sub(shift).div_ceil(self.stride[1]).min(self.out_size[1]);
                if first < last {
                    let x = first * self.stride[1] + shift - self.padding[1];
                    f(tap, oy * self.out_size[1] + first, (channel * height + y) * width + x, last - first);
                }
            }
        }
    }

    /// Writes the patches of one group's image: row `tap`, column `position`.
    fn patches<T: Copy + Default>(&self, image: &[T], patches: &mut [T]) {
        let columns = self.positions();
        patches.fill(T::default());
        self.each_run(|tap, position, index, count| {
            let row = &mut patches[tap * columns + position..][..count];
            row.iter_mut().zip(image[index..].iter().step_by(self.stride[1])).for_each(|(p, &x)| *p = x);
        });
    }
}

/// The convolution of `x` with `w`, plus a bias per channel.
pub(crate) fn forward<T: Gemm + Real>(x: &Tensor, w: &Tensor, bias: Option<&Tensor>, g: &Geometry) -> Tensor {
    product::<T>(x, w, bias, g)
}

/// [`forward`] on `i64`.
pub(crate) fn forward_integer(x: &Tensor, w: &Tensor, bias: Option<&Tensor>, g: &Geometry) -> Tensor {
    product::<i64>(x, w, bias, g)
}

fn product<T: Gemm>(x: &Tensor, w: &Tensor, bias: Option<&Tensor>, g: &Geometry) -> Tensor {
    let (x, w, bias) = (x.contiguous(), w.contiguous(), bias.map(Tensor::contiguous));
    let (x_data, w_data) = (x.as_slice::<T>().expect("contiguous"), w.as_slice::<T>().expect("contiguous"));
    let bias = bias.as_ref().map(|b| b.as_slice::<T>().expect("contiguous"));
    let (taps, positions) = (g.taps(), g.positions());
    Tensor::build(g.output_shape(x.rank()), |out: &mut [T]| {
        if out.is_empty() {
            return;
        }
        out.par_chunks_mut(g.out * positions).enumerate().for_each_init(
            || vec![T::ZERO; taps * positions],
            |patches, (i, out)| {
                let first = i % g.groups * g.out;
                g.patches(&x_data[i * g.image()..][..g.image()], patches);
                let init = bias.map_or(Init::Zero, |b| Init::From(Mat::new(b, first, (g.out, positions), (1, 0))));
                let kernel = Mat::dense(&w_data[first * taps..][..g.out * taps], g.out, taps);
                gemm(kernel, Mat::dense(patches, taps, positions), init, out, positions);
            },
        );
    })
}

/// The gradient with respect to the input: each output's gradient, spread over the patch that it came from.
pub(crate) fn input_grad<T: Gemm + Real>(w: &Tensor, dy: &Tensor, g: &Geometry, shape: &[usize]) -> Tensor {
    let (w, dy) = (w.contiguous(), dy.contiguous());
    let (w_data, dy_data) = (w.as_slice::<T>().expect("contiguous"), dy.as_slice::<T>().expect("contiguous"));
    let (taps, positions) = (g.taps(), g.positions());
    Tensor::build(shape, |dx: &mut [T]| {
        if dx.is_empty() {
            return;
        }
        dx.par_chunks_mut(g.image()).enumerate().for_each_init(
            || vec![T::ZERO; taps * positions],
            |patches, (i, dx)| {
                let kernel = Mat::dense(&w_data[i % g.groups * g.out * taps..][..g.out * taps], g.out, taps);
                let grad = Mat::dense(&dy_data[i * g.out * positions..][..g.out * positions], g.out, positions);
                gemm(kernel.t(), grad, Init::Zero, patches, positions);
                dx.fill(T::ZERO);
                g.each_run(|tap, position, index, count| {
                    let row = &patches[tap * positions + position..][..count];
                    dx[index..].iter_mut().step_by(g.stride[1]).zip(row).for_each(|(d, &p)| *d += p);
                });
            },
        );
    })
}

/// The gradient with respect to the weight: products of output gradients and patches, summed over images in chunks
/// that depend on the sizes only.
pub(crate) fn weight_grad<T: Gemm + Real>(x: &Tensor, dy: &Tensor, g: &Geometry, shape: &[usize]) -> Tensor {
    let (x, dy) = (x.contiguous(), dy.contiguous());
    let (x_data, dy_data) = (x.as_slice::<T>().expect("contiguous"), dy.as_slice::<T>().expect("contiguous"));
    let (taps, positions) = (g.taps(), g.positions());
    let chunk = g.batch.div_ceil(16).max(1);
    let partial: Vec<Vec<T>> = (0..g.batch.div_ceil(chunk))
        .into_par_iter()
        .map(|c| {
            let mut sum = vec![T::ZERO; g.groups * g.out * taps];
            let mut patches = vec![T::ZERO; taps * positions];
            for i in c * chunk * g.groups..((c + 1) * chunk).min(g.batch) * g.groups {
                g.patches(&x_data[i * g.image()..][..g.image()], &mut patches);
                let grad = Mat::dense(&dy_data[i * g.out * positions..][..g.out * positions], g.out, positions);
                let sum = &mut sum[i % g.groups * g.out * taps..][..g.out * taps];
                gemm(grad, Mat::dense(&patches, taps, positions).t(), Init::Keep, sum, taps);
            }
            sum
        })
        .collect();
    Tensor::build(shape, |dw: &mut [T]| {
        dw.fill(T::ZERO);
        for part in &partial {
            dw.iter_mut().zip(part).for_each(|(d, &p)| *d += p);
        }
    })
}
