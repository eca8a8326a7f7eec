//! Patches of images as columns and back, and the exchange of channels and positions.

use crate::shape::size_text;
use crate::{Conv2dOptions, Tensor, bug};
use wengert_tensor_macros::{composed, profiled};

/// The positions that the taps of a kernel visit along an axis, tap by tap.
#[doc(hidden)]
#[track_caller]
pub fn places(len: usize, kernel: usize, axis: usize, options: &Conv2dOptions) -> (Tensor, usize) {
    let (stride, dilation) = (options.stride[axis], options.dilation[axis]);
    let reach = dilation * (kernel.max(1) - 1) + 1;
    if len < reach || stride == 0 {
        bug!(
            "",
            "the calculated shape of the array of sliding blocks is too small: a padded size of {len} and a kernel that spans {reach}"
        );
    }
    let steps = (len - reach) / stride + 1;
    let index: Vec<i64> =
        (0..kernel).flat_map(|k| (0..steps).map(move |i| (i * stride + k * dilation) as i64)).collect();
    (Tensor::from_vec(index, [kernel * steps]), steps)
}

#[composed(compose_fold)]
#[profiled]
impl Tensor {
    /// The patches under a moving kernel as columns: `[n, c, h, w]` to `[n, c·kh·kw, l]`, or without `n`
    /// (`torch.nn.functional.unfold`).
    ///
    /// # Panics
    /// If the rank is not 3 or 4 or the kernel is larger than the padded image.
    #[track_caller]
    pub fn im2col(&self, kernel: [usize; 2], options: &Conv2dOptions) -> Self {
        if self.rank() == 3 {
            return self.unsqueeze(0).im2col(kernel, options).squeeze([0]);
        }
        if self.rank() != 4 {
            bug!(
                "",
                "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size, but got: {}",
                size_text(self.shape())
            );
        }
        let [ph, pw] = options.padding.map(|p| p as isize);
        let x = if options.padding == [0, 0] { self.clone() } else { self.pad(&[pw, pw, ph, ph], 0.0) };
        let (n, c) = (x.shape()[0], x.shape()[1]);
        let (rows, down) = places(x.shape()[2], kernel[0], 0, options);
        let (columns, across) = places(x.shape()[3], kernel[1], 1, options);
        x.index_select(2, &rows)
            .index_select(3, &columns)
            .reshape([n, c, kernel[0], down, kernel[1], across])
            .permute([0, 1, 2, 4, 3, 5])
            .reshape([n, c * kernel[0] * kernel[1], down * across])
    }

    /// The sums of patches put back at their places: the adjoint of [`Self::im2col`] (`torch.nn.functional.fold`).
    ///
    /// # Panics
    /// If the rank is not 2 or 3 or the sizes do not fit.
    #[track_caller]
    pub fn col2im(&self, output: [usize; 2], kernel: [usize; 2], options: &Conv2dOptions) -> Self {
        if self.rank() == 2 {
            return self.unsqueeze(0).col2im(output, kernel, options).squeeze([0]);
        }
        if self.rank() != 3 {
            bug!("", "Expected 2D or 3D (batch mode) tensor for input, but got: {}", size_text(self.shape()));
        }
        let area = kernel[0] * kernel[1];
        let (n, planes, count) = (self.shape()[0], self.shape()[1], self.shape()[2]);
        if area == 0 || !planes.is_multiple_of(area) {
            bug!(
                "",
                "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got input.size(1)={planes} and \
                 kernel_size={kernel:?}."
            );
        }
        let [ph, pw] = options.padding;
        let (h, w) = (output[0] + 2 * ph, output[1] + 2 * pw);
        let (rows, down) = places(h, kernel[0], 0, options);
        let (columns, across) = places(w, kernel[1], 1, options);
        if down * across != count {
            bug!(
                "",
                "Given output_size={output:?}, kernel_size={kernel:?}, expected size of input's dimension 2 to match the calculated number \
                 of sliding blocks {down} * {across} = {}, but got input.size(2)={count}.",
                down * across
            );
        }
        let c = planes / area;
        let spread = self.reshape([n, c, kernel[0], kernel[1], down, across]).permute([0, 1, 2, 4, 3, 5]).reshape([
            n,
            c,
            kernel[0] * down,
            kernel[1] * across,
        ]);
        let wide = Self::from(Tensor::zeros([n, c, kernel[0] * down, w], self.dtype())).index_add(3, &columns, &spread);
        let full = Self::from(Tensor::zeros([n, c, h, w], self.dtype())).index_add(2, &rows, &wide);
        full.narrow(2, ph as isize, output[0]).narrow(3, pw as isize, output[1])
    }

    /// Channels to pixels: `[.., c·r², h, w]` to `[.., c, h·r, w·r]`.
    ///
    /// # Panics
    /// If there are fewer than three axes or the channels do not divide.
    #[track_caller]
    pub fn pixel_shuffle(&self, r: usize) -> Self {
        let rank = self.rank();
        if rank < 3 || r == 0 || !self.shape()[rank - 3].is_multiple_of(r * r) {
            bug!(
                "",
                "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but input.size(-3)={} \
                 is not divisible by {}",
                if rank < 3 { 0 } else { self.shape()[rank - 3] },
                r * r
            );
        }
        let lead = &self.shape()[..rank - 3];
        let [c, h, w] = [self.shape()[rank - 3] / (r * r), self.shape()[rank - 2], self.shape()[rank - 1]];
        let n: usize = lead.iter().product();
        let shape: Vec<usize> = lead.iter().copied().chain([c, h * r, w * r]).collect();
        self.reshape([n, c, r, r, h, w]).permute([0, 1, 4, 2, 5, 3]).reshape(&shape[..])
    }

    /// Pixels to channels: the inverse of [`Self::pixel_shuffle`].
    ///
    /// # Panics
    /// If there are fewer than three axes or the sizes do not divide.
    #[track_caller]
    pub fn pixel_unshuffle(&self, r: usize) -> Self {
        let rank = self.rank();
        let divides = rank >= 3 && r > 0 && self.shape()[rank - 2..].iter().all(|n| n.is_multiple_of(r));
        if !divides {
            bug!(
                "",
                "pixel_unshuffle expects height and width to be divisible by downscale_factor, but got input of size {} and {r}",
                size_text(self.shape())
            );
        }
        let lead = &self.shape()[..rank - 3];
        let [c, h, w] = [self.shape()[rank - 3], self.shape()[rank - 2] / r, self.shape()[rank - 1] / r];
        let n: usize = lead.iter().product();
        let shape: Vec<usize> = lead.iter().copied().chain([c * r * r, h, w]).collect();
        self.reshape([n, c, h, r, w, r]).permute([0, 1, 3, 5, 2, 4]).reshape(&shape[..])
    }

    /// The channels (axis 1) of `groups` groups dealt out in turn.
    ///
    /// # Panics
    /// If there are fewer than three axes or the channels do not divide.
    #[track_caller]
    pub fn channel_shuffle(&self, groups: usize) -> Self {
        if self.rank() < 3 || groups == 0 || !self.shape()[1].is_multiple_of(groups) {
            bug!(
                "",
                "Number of channels must be divisible by groups. Got a tensor of size {} and {groups} groups.",
                size_text(self.shape())
            );
        }
        let (n, c) = (self.shape()[0], self.shape()[1]);
        let rest: usize = self.shape()[2..].iter().product();
        self.reshape([n, groups, c / groups, rest]).transpose(1, 2).reshape(self.shape())
    }
}
