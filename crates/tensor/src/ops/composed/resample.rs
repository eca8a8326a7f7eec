//! Images at other sizes and other places: `interpolate`, `grid_sample`, `affine_grid`.
//!
//! Interpolation is separable: along each axis an output is a sum of a few inputs with fixed weights.

use crate::shape::size_text;
use crate::{DType, Tensor, bug};
use wengert_tensor_macros::{composed, profiled};

/// How [`Tensor::interpolate`] finds values between elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resample {
    /// The element at the corner, as old PyTorch and OpenCV.
    #[default]
    Nearest,
    /// The element whose centre is nearest.
    NearestExact,
    /// In proportion along every axis: `linear`, `bilinear` and `trilinear`.
    Linear,
    /// Cubic convolution with A = -0.75, of images.
    Bicubic,
    /// Means of windows, as adaptive pooling.
    Area,
}

/// The size that [`Tensor::interpolate`] gives.
#[derive(Clone, Debug)]
pub enum OutputSize {
    /// These sizes.
    Size(Vec<usize>),
    /// The sizes times these factors (one for each axis), rounded down; positions are computed with the factors themselves.
    Scale(Vec<f64>),
    /// The sizes times these factors, rounded down; positions are computed with the sizes (`recompute_scale_factor=True`).
    RecomputedScale(Vec<f64>),
}

/// What decides where the outputs lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// The outer edges of the pixels at the border coincide (`align_corners=False`).
    Edges,
    /// The centres of the pixels at the corners coincide (`align_corners=True`).
    Corners,
}

/// How [`Tensor::grid_sample`] finds values between pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sampling {
    /// In proportion along every axis.
    #[default]
    Bilinear,
    /// The nearest pixel.
    Nearest,
    /// Cubic convolution along every axis.
    Bicubic,
}

/// What lies outside of an image for [`Tensor::grid_sample`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outside {
    /// Zeros.
    #[default]
    Zeros,
    /// The pixels at the border.
    Border,
    /// The mirror image.
    Reflection,
}

/// For each output along an axis, positions and weights.
#[doc(hidden)]
pub type Taps = Vec<Vec<(usize, f64)>>;

/// Input per output along an axis.
fn ratio(input: usize, output: usize, factor: Option<f64>, align: Align) -> f64 {
    match (align, factor) {
        (Align::Corners, _) if output > 1 => (input as f64 - 1.0) / (output as f64 - 1.0),
        (Align::Corners, _) => 0.0,
        (Align::Edges, Some(factor)) if factor > 0.0 => 1.0 / factor,
        (Align::Edges, _) => input as f64 / output as f64,
    }
}
#[doc(hidden)]
pub fn taps(mode: Resample, input: usize, output: usize, factor: Option<f64>, align: Align, dtype: DType) -> Taps {
    let scale = ratio(input, output, factor, align);
    // PyTorch computes positions in f32, but for doubles.
    let rounded = |x: f64| if dtype == DType::F64 { x } else { x as f32 as f64 };
    let source = |i: usize| match align {
        Align::Corners => rounded(rounded(scale) * i as f64),
        Align::Edges => rounded(rounded(rounded(scale) * (i as f64 + 0.5)) - 0.5),
    };
    let last = input - 1;
    (0..output)
        .map(|i| match mode {
            // Always in f32, whatever the dtype.
            Resample::Nearest => vec![(((i as f32 * scale as f32).floor() as usize).min(last), 1.0)],
            Resample::NearestExact => vec![((((i as f32 + 0.5) * scale as f32).floor() as usize).min(last), 1.0)],
            Resample::Bicubic => {
                let at = source(i);
                let (base, t) = (at.floor(), at - at.floor());
                cubic(t)
                    .into_iter()
                    .enumerate()
                    .map(|(k, w)| ((base as isize - 1 + k as isize).clamp(0, last as isize) as usize, w))
                    .collect()
            }
            _ => {
                let at = source(i).max(0.0);
                let low = (at as usize).min(last);
                let high = (low + 1).min(last);
                let t = (at - low as f64).clamp(0.0, 1.0);
                vec![(low, 1.0 - t), (high, t)]
            }
        })
        .collect()
}
/// Bytes at other places along an axis, in PyTorch's whole numbers: weights have as many bits behind the point as 16-bit numbers
/// hold of the largest, and of two bytes as near the upper one is taken.
#[doc(hidden)]
pub fn bytes_between(x: &Tensor, dim: usize, taps: &Taps) -> Tensor {
    let size = x.shape()[dim];
    if taps.len() == size {
        return x.clone();
    }
    // A position that is met twice, at a border, has one weight.
    let mut places: Taps = Vec::with_capacity(taps.len());
    for of_one in taps {
        let mut joined: Vec<(usize, f64)> = Vec::with_capacity(of_one.len());
        for &(at, weight) in of_one {
            match joined.iter_mut().find(|(place, _)| *place == at) {
                Some((_, sum)) => *sum += weight,
                None => joined.push((at, weight)),
            }
        }
        places.push(joined);
    }
    let largest = places.iter().flatten().fold(0.0, |largest: f64, (_, weight)| largest.max(*weight));
    let fits = |bits: &i32| 0.5 + largest * f64::from(1 << (bits + 1)) < f64::from(1 << 15);
    let bits = (0..22).take_while(fits).count() as i32;
    let whole = |weight: f64| (weight * f64::from(1 << bits) + 0.5f64.copysign(weight)) as i32;
    let places: Vec<Vec<(usize, i32)>> =
        places.iter().map(|of_one| of_one.iter().map(|&(at, weight)| (at, whole(weight))).collect()).collect();
    let x = x.contiguous();
    let data = x.as_slice::<u8>().expect("just made contiguous");
    let inner: usize = x.shape()[dim + 1..].iter().product();
    let mut shape = x.shape().to_vec();
    shape[dim] = places.len();
    Tensor::build(&shape[..], |out: &mut [u8]| {
        let planes = data.chunks_exact((size * inner).max(1));
        for (from, to) in planes.zip(out.chunks_exact_mut((places.len() * inner).max(1))) {
            for (of_one, row) in places.iter().zip(to.chunks_exact_mut(inner.max(1))) {
                for (i, slot) in row.iter_mut().enumerate() {
                    let sum: i32 = of_one.iter().map(|&(at, weight)| weight * i32::from(from[at * inner + i])).sum();
                    *slot = ((sum + (1 << bits >> 1)) >> bits).clamp(0, 255) as u8;
                }
            }
        }
    })
}

/// The weights of cubic convolution (Keys 1981) for the four neighbours of a point at `t`.
fn cubic(t: f64) -> [f64; 4] {
    const A: f64 = -0.75;
    let inner = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let outer = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    [outer(t + 1.0), inner(t), inner(1.0 - t), outer(2.0 - t)]
}

#[composed(compose_resample)]
#[profiled]
impl Tensor {
    /// Images (or lines or volumes) `[n, c, …]` at another size (`torch.nn.functional.interpolate`).
    ///
    /// # Panics
    /// If the rank is not 3, 4 or 5, a size is 0, or the mode does not fit the rank.
    #[track_caller]
    pub fn interpolate(&self, size: &OutputSize, mode: Resample, align: Align) -> Self {
        let rank = self.rank();
        if !(3..=5).contains(&rank) {
            bug!(
                "",
                "Input Error: Only 3D, 4D and 5D input Tensors supported (got {rank}D) for the modes: nearest | linear | bicubic | area"
            );
        }
        let pictures = rank == 4 && self.dtype() == DType::U8 && matches!(mode, Resample::Linear | Resample::Bicubic);
        if !pictures && !self.dtype().is_float() && !matches!(mode, Resample::Nearest | Resample::NearestExact) {
            let kernel = match mode {
                Resample::Bicubic => "compute_indices_weights_cubic",
                Resample::Area => "adaptive_avg_pool2d",
                _ => "compute_indices_weights_linear",
            };
            bug!("", "\"{kernel}\" not implemented for '{}'", self.dtype().legacy_name());
        }
        let lens = &self.shape()[2..];
        let full =
            |list: &[f64]| -> Vec<f64> { if list.len() == 1 { vec![list[0]; lens.len()] } else { list.to_vec() } };
        let scaled = |factors: &[f64]| -> Vec<usize> {
            lens.iter().zip(factors).map(|(&n, f)| (n as f64 * f).floor() as usize).collect()
        };
        let (out, factors) = match size {
            OutputSize::Size(sizes) if sizes.len() == 1 => (vec![sizes[0]; lens.len()], None),
            OutputSize::Size(sizes) => (sizes.clone(), None),
            OutputSize::Scale(factors) => (scaled(&full(factors)), Some(full(factors))),
            OutputSize::RecomputedScale(factors) => (scaled(&full(factors)), None),
        };
        if out.len() != lens.len() {
            bug!(
                "",
                "Input and output must have the same number of spatial dimensions, but got input with spatial dimensions of {lens:?} and \
                 output size of {out:?}."
            );
        }
        if lens.contains(&0) || out.contains(&0) {
            bug!(
                "",
                "Input and output sizes should be greater than 0, but got input (H: {lens:?}) output (H: {out:?})"
            );
        }
        match mode {
            _ if pictures => {
                let factor = |i: usize| factors.as_ref().map(|f| f[i]);
                // Columns first, as PyTorch rounds in between.
                let wide = bytes_between(self.value(), 3, &taps(mode, lens[1], out[1], factor(1), align, DType::F64));
                let taps = taps(mode, lens[0], out[0], factor(0), align, DType::F64);
                Self::from(bytes_between(&wide, 2, &taps))
            }
            Resample::Bicubic if lens.len() != 2 => bug!("", "bicubic interpolation needs images: got {}D input", rank),
            Resample::Area => match out[..] {
                [w] => self.adaptive_avg_pool1d(w),
                [h, w] => self.adaptive_avg_pool2d([Some(h), Some(w)]),
                _ => self.adaptive_avg_pool3d([Some(out[0]), Some(out[1]), Some(out[2])]),
            },
            _ => (0..lens.len()).rev().fold(self.clone(), |x, i| {
                let factor = factors.as_ref().map(|f| f[i]);
                Self::resampled(&x, 2 + i, &taps(mode, lens[i], out[i], factor, align, self.dtype()))
            }),
        }
    }

    /// Values of images `[n, c, h, w]` or volumes `[n, c, d, h, w]` at the places of a grid, `[n, …, 2]` or `[n, …, 3]`, whose
    /// coordinates come in the order x, y, z and go from -1 to 1 (`torch.nn.functional.grid_sample`).
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn grid_sample(&self, grid: &Self, mode: Sampling, outside: Outside, align: Align) -> Self {
        let axes = self.rank().wrapping_sub(2);
        if !(2..=3).contains(&axes) || grid.rank() != self.rank() {
            bug!(
                "",
                "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes {} and grid with \
                 sizes {}",
                size_text(self.shape()),
                size_text(grid.shape())
            );
        }
        if self.shape()[0] != grid.shape()[0] || grid.size(-1) != axes {
            bug!(
                "",
                "grid_sampler(): expected grid and input to have same batch size, and the grid {axes} in its last dimension, but got input \
                 with sizes {} and grid with sizes {}",
                size_text(self.shape()),
                size_text(grid.shape())
            );
        }
        let (n, c) = (self.shape()[0], self.shape()[1]);
        let lens = self.shape()[2..].to_vec();
        let shape = grid.shape()[1..=axes].to_vec();
        let count: usize = shape.iter().product();
        let image = self.reshape([n, c, lens.iter().product()]);
        let points = grid.reshape([n, count, axes]);
        // The axes of the image in their order; the grid has them the other way round.
        let raw: Vec<Self> = (0..axes)
            .map(|i| Self::grid_position(&points.select(-1, (axes - 1 - i) as isize), lens[i], align))
            .collect();
        let out = if mode == Sampling::Bicubic {
            Self::grid_bicubic(&image, &lens, &raw, outside, align)
        } else {
            let at: Vec<Self> =
                raw.iter().zip(&lens).map(|(x, &len)| Self::grid_inside(x, len, outside, align)).collect();
            match mode {
                Sampling::Nearest => {
                    let near: Vec<Tensor> = at.iter().map(|x| x.value().round()).collect();
                    Self::grid_pixels(&image, &lens, &near)
                }
                _ => Self::grid_bilinear(&image, &lens, &at),
            }
        };
        let full: Vec<usize> = [n, c].into_iter().chain(shape).collect();
        out.reshape(&full[..])
    }

    /// The grid of an affine transformation: `self` is `[n, 2, 3]` for images of size `[n, c, h, w]` or `[n, 3, 4]` for volumes
    /// (`torch.nn.functional.affine_grid`).
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn affine_grid(&self, size: &[usize], align: Align) -> Self {
        let axes = size.len().wrapping_sub(2);
        if !(2..=3).contains(&axes)
            || self.rank() != 3
            || self.shape()[1..] != [axes, axes + 1]
            || self.shape()[0] != size[0]
        {
            bug!(
                "",
                "Expected a batch of 2D affine matrices of shape Nx2x3 for size {size:?}, or of 3D ones of shape Nx3x4. Got {}.",
                size_text(self.shape())
            );
        }
        let lens = &size[2..];
        let count: usize = lens.iter().product();
        let line = |len: usize| -> Tensor {
            let whole = if len <= 1 {
                Tensor::zeros([len], DType::F64)
            } else {
                Tensor::linspace_of(-1.0, 1.0, len, DType::F64)
            };
            match align {
                Align::Corners => whole,
                Align::Edges => whole.mul((len as f64 - 1.0) / len as f64),
            }
        };
        let coordinates = (0..axes).rev().map(|i| {
            let mut at = vec![1; axes];
            at[i] = lens[i];
            line(lens[i]).reshape(&at[..]).expand(lens).reshape([count])
        });
        let columns: Vec<Tensor> = coordinates.chain([Tensor::ones([count], DType::F64)]).collect();
        let base = Self::from(Tensor::stack(&columns, 1).to(self.dtype()));
        let grid = base.expand([size[0], count, axes + 1]).bmm(&self.transpose(1, 2));
        let shape: Vec<usize> = [size[0]].into_iter().chain(lens.iter().copied()).chain([axes]).collect();
        grid.reshape(&shape[..])
    }

    /// Sums of elements along an axis with weights.
    fn resampled(x: &Self, dim: usize, taps: &Taps) -> Self {
        let count = taps.first().map_or(0, Vec::len);
        let mut at = vec![1; x.rank()];
        at[dim] = taps.len();
        let mut sum: Option<Self> = None;
        for k in 0..count {
            let index: Vec<i64> = taps.iter().map(|t| t[k].0 as i64).collect();
            let taken = x.index_select(dim as isize, &Tensor::from_vec(index, [taps.len()]));
            let part = if count == 1 {
                taken
            } else {
                let weights: Vec<f64> = taps.iter().map(|t| t[k].1).collect();
                taken * Tensor::from_vec(weights, &at[..]).to(x.dtype())
            };
            sum = Some(sum.map_or(part.clone(), |sum| sum + part));
        }
        sum.expect("an output has an input")
    }

    /// A grid coordinate in `-1..=1` as a position in pixels.
    fn grid_position(x: &Self, len: usize, align: Align) -> Self {
        match align {
            Align::Corners => (x + 1.0) * ((len as f64 - 1.0) / 2.0),
            Align::Edges => ((x + 1.0) * len as f64 - 1.0) / 2.0,
        }
    }

    /// A position brought inside, as `outside` says.
    fn grid_inside(x: &Self, len: usize, outside: Outside, align: Align) -> Self {
        let last = len as f64 - 1.0;
        match outside {
            Outside::Zeros => x.clone(),
            Outside::Border => Self::grid_clip(x, last),
            Outside::Reflection => {
                let (low, span) = match align {
                    Align::Corners => (0.0, last),
                    Align::Edges => (-0.5, len as f64),
                };
                if span == 0.0 {
                    return x * 0.0;
                }
                let from = (x - low).abs();
                let turns = from.value().div(span).floor();
                let rest = &from - turns.mul(span);
                let odd = turns.remainder(2.0).eq(1.0);
                let folded = Self::where_(&odd, (-&rest) + (span + low), &rest + low);
                Self::grid_clip(&folded, last)
            }
        }
    }

    /// [`Self::clamp`] to `0..=last` whose gradient is 0 at the bounds too, as PyTorch has it here.
    fn grid_clip(x: &Self, last: f64) -> Self {
        let (low, high) = (x.value().le(0.0), x.value().ge(last));
        x.masked_fill(&low, 0.0).masked_fill(&high, last)
    }

    /// The pixels of `[n, c, s]` at positions along each axis: 0 where one is outside. `at` holds whole numbers of shape `[n, p]`.
    fn grid_pixels(image: &Self, lens: &[usize], at: &[Tensor]) -> Self {
        let (n, c) = (image.shape()[0], image.shape()[1]);
        let mut flat: Option<Tensor> = None;
        let mut within: Option<Tensor> = None;
        for (position, &len) in at.iter().zip(lens) {
            let ok = position.ge(0.0).logical_and(position.le(len as f64 - 1.0));
            let index = position.masked_fill(&ok.logical_not(), 0.0).to(DType::I64);
            flat = Some(flat.map_or(index.clone(), |flat| flat.mul(len as i64).add(&index)));
            within = Some(within.map_or(ok.clone(), |all| all.logical_and(&ok)));
        }
        let (flat, within) = (flat.expect("there is an axis"), within.expect("there is an axis"));
        let count = flat.shape()[1];
        let index = flat.unsqueeze(1).expand([n, c, count]);
        let outside = within.logical_not().unsqueeze(1).expand([n, c, count]);
        image.gather(-1, &index).masked_fill(&outside, 0.0)
    }

    fn grid_bilinear(image: &Self, lens: &[usize], at: &[Self]) -> Self {
        let low: Vec<Tensor> = at.iter().map(|x| x.value().floor()).collect();
        let mut sum: Option<Self> = None;
        for corner in 0..1usize << at.len() {
            let mut weight: Option<Self> = None;
            let mut places = Vec::new();
            for (axis, x) in at.iter().enumerate() {
                let upper = corner >> axis & 1 == 1;
                let share = x - &low[axis];
                let share = if upper { share } else { 1.0 - share };
                places.push(if upper { low[axis].add(1.0) } else { low[axis].clone() });
                weight = Some(weight.map_or(share.clone(), |w| w * share));
            }
            let part = Self::grid_pixels(image, lens, &places) * weight.expect("there is an axis").unsqueeze(1);
            sum = Some(sum.map_or(part.clone(), |sum| sum + part));
        }
        sum.expect("there is a corner")
    }

    fn grid_bicubic(image: &Self, lens: &[usize], raw: &[Self], outside: Outside, align: Align) -> Self {
        const A: f64 = -0.75;
        let weights = |t: &Self| -> [Self; 4] {
            let inner = |x: Self| ((&x * (A + 2.0) - (A + 3.0)) * &x) * &x + 1.0;
            let outer = |x: Self| ((&x * A - 5.0 * A) * &x + 8.0 * A) * &x - 4.0 * A;
            [outer(t + 1.0), inner(t.clone()), inner(1.0 - t), outer(2.0 - t)]
        };
        let low: Vec<Tensor> = raw.iter().map(|x| x.value().floor()).collect();
        let shares: Vec<[Self; 4]> = raw.iter().zip(&low).map(|(x, low)| weights(&(x - low))).collect();
        let mut sum: Option<Self> = None;
        for neighbour in 0..4usize.pow(raw.len() as u32) {
            let mut weight: Option<Self> = None;
            let mut places = Vec::new();
            for axis in 0..raw.len() {
                let k = neighbour / 4usize.pow(axis as u32) % 4;
                let place = Self::from(low[axis].add(k as f64 - 1.0));
                places.push(Self::grid_inside(&place, lens[axis], outside, align).value().clone());
                let share = &shares[axis][k];
                weight = Some(weight.map_or(share.clone(), |w| w * share));
            }
            let part = Self::grid_pixels(image, lens, &places) * weight.expect("there is an axis").unsqueeze(1);
            sum = Some(sum.map_or(part.clone(), |sum| sum + part));
        }
        sum.expect("there are neighbours")
    }
}
