//! Convolution and its adjoints by register tiles over images laid out so that no patch matrix is built, but for the smallest.

use super::conv_planes::{Planes, STEP};
use super::floor::raise;
use super::gemm::{Gemm, Init, Mat, batched, pack_columns};
use super::par;
use super::tile::{Finish, Rows, Size, Start, Tiled};
use super::{conv_back, conv_depthwise, conv_dots, conv_lines, conv_patches, conv_side, conv_spread, winograd};
use crate::Tensor;
use crate::storage::Storage;

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
    pub(super) fn taps(&self) -> usize {
        self.depth * self.kernel[0] * self.kernel[1]
    }

    /// Positions of an output image.
    pub(super) fn positions(&self) -> usize {
        self.out_size[0] * self.out_size[1]
    }

    /// Elements of one group's input image.
    pub(super) fn image(&self) -> usize {
        self.depth * self.size[0] * self.size[1]
    }

    /// Images times groups: the independent products.
    pub(super) fn units(&self) -> usize {
        self.batch * self.groups
    }

    /// The geometry of the adjoint of a convolution of stride 1, which is a convolution too, unless its padding would be
    /// negative, or most of what it multiplies.
    fn adjoint(&self) -> Option<Geometry> {
        let reach = [0, 1].map(|a| (self.kernel[a] - 1) * self.dilation[a]);
        let fits = self.stride == [1, 1] && (0..2).all(|a| self.padding[a] <= reach[a]);
        let most = self.size[0] * self.size[1] > 3 * self.positions();
        (fits && !most).then(|| Geometry {
            depth: self.out,
            out: self.depth,
            size: self.out_size,
            out_size: self.size,
            padding: [0, 1].map(|a| reach[a] - self.padding[a]),
            ..*self
        })
    }

    /// What a kernel of one place sees through its stride is a convolution of stride 1, of the image that [`thin`] gives: if
    /// that is a product, it takes less time than laying out the whole image does.
    fn thinned(&self) -> Option<Geometry> {
        let apart = self.kernel == [1, 1] && self.stride != [1, 1] && self.padding == [0, 0];
        let thinned = Geometry { size: self.out_size, stride: [1, 1], ..*self };
        (apart && thinned.is_product()).then_some(thinned)
    }

    /// Whether every output is a product of the inputs at its place, in images that it is not worth laying out anew: a single
    /// one, or of few channels, which make little of it, or such as fill a tile's columns.
    fn is_product(&self) -> bool {
        let alone = self.kernel == [1, 1] && self.stride == [1, 1] && self.padding == [0, 0];
        let few = self.positions() >= 32 && self.depth.min(self.out) <= 32;
        let worth = self.batch == 1 || few || self.positions() >= 64 || !conv_lines::suits(self);
        alone && worth && self.depth > 0
    }
}

/// A filter bank `[output channel][input channel][height][width]`, for each group.
#[derive(Clone, Copy)]
pub(super) struct Filter<'a, T> {
    pub(super) data: &'a [T],
    /// Whether it is `[input channel][output channel][height][width]` instead, and each filter turned by half a turn: the
    /// adjoint's.
    pub(super) turned: bool,
}

/// Taps summed in one chain of multiply-adds where output channels are few. Shorter chains round less: with 256, Adam's
/// training of a small residual network left PyTorch's curve by 2e-5 at its third step.
const CHAIN: usize = 32;

/// The convolution of `x` with `w`, plus a bias per channel, raised to `floor` where it is less.
pub(crate) fn forward<T: Tiled + Gemm>(
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    floor: T,
    g: &Geometry,
) -> Tensor {
    let (x, w, bias) = (x.contiguous(), w.contiguous(), bias.map(Tensor::contiguous));
    let (x_data, w_data) = (x.as_slice::<T>().expect("contiguous"), w.as_slice::<T>().expect("contiguous"));
    let bias = bias.as_ref().map(|b| b.as_slice::<T>().expect("contiguous"));
    Tensor::build(g.output_shape(x.rank()), |out| match winograd::suits(g) {
        true => winograd::forward(x_data, w_data, bias, floor, g, out),
        false => direct(x_data, Filter { data: w_data, turned: false }, bias, floor, g, out),
    })
}

/// The convolution by its definition.
fn direct<T: Tiled + Gemm>(x: &[T], filter: Filter<'_, T>, bias: Option<&[T]>, floor: T, g: &Geometry, out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    if let Some(thinned) = g.thinned() {
        let x = thin(x, g);
        return direct(x.as_slice(), filter, bias, floor, &thinned, out);
    }
    if g.is_product() {
        return product(x, filter, bias, floor, g, out);
    }
    if !filter.turned && conv_patches::suits(g) {
        let patches = conv_patches::copy(x, g);
        return product(patches.as_slice(), filter, bias, floor, &Geometry { depth: g.taps(), ..*g }, out);
    }
    if conv_lines::suits(g) {
        return conv_lines::convolve(x, filter, bias, floor, g, out);
    }
    if conv_dots::suits(g) {
        let turned = filter.turned.then(|| turn_over(filter.data, g));
        let w = turned.as_ref().map_or(filter.data, |turned| turned.as_slice());
        return conv_dots::convolve(x, w, bias, floor, g, out);
    }
    if conv_depthwise::suits(g) {
        let turned = filter.turned.then(|| turn_over(filter.data, g));
        let w = turned.as_ref().map_or(filter.data, |turned| turned.as_slice());
        return match conv_side::suits(g) {
            true => conv_side::convolve(x, w, bias, floor, g, out),
            false => conv_depthwise::convolve(x, w, bias, floor, g, out),
        };
    }
    let planes = Planes::new(g);
    let weight = match filter.turned {
        true => PackedWeight::new::<T>(turn_over(filter.data, g).as_slice(), g),
        false => PackedWeight::new(filter.data, g),
    };
    let (positions, threads) = (g.positions(), par::num_threads());
    let unit = g.out * positions;
    let task = |planes: &Planes<'_>, i: usize, channels: std::ops::Range<usize>, out: &mut [&mut [T]]| {
        let bias = bias.map(|b| &b[i % g.groups * g.out..][..g.out]);
        columns(planes, &weight, i % g.groups, &x[i * g.image()..][..g.image()], bias, floor, channels, out);
    };
    let work = g.units() * (unit * g.taps() / 8 + planes.cost());
    if !par::worth(work) || g.units() >= 2 * threads {
        return par::share(out.chunks_mut(unit), work, &|i, out| {
            task(&planes, i, 0..g.out, &mut Vec::from_iter(out.chunks_mut(positions)));
        });
    }
    // Few images: bands of their rows, of which each sees some of the next one's too, or else channels.
    let reach = planes.plane[0] - g.out_size[0];
    let most = (g.out_size[0] / reach.max(4)).min(positions / (2 * T::kernels().nr()));
    let bands = (2 * threads).div_ceil(g.units()).min(most);
    if bands > 1 {
        let first = |band: usize| band * g.out_size[0] / bands;
        let of_band = |band| Geometry { out_size: [first(band + 1) - first(band), g.out_size[1]], ..*g };
        let sizes = Vec::from_iter((0..bands).map(of_band));
        let planes = Vec::from_iter(sizes.iter().enumerate().map(|(band, g)| Planes::band(g, first(band))));
        let mut tasks = Vec::new();
        for (i, image) in out.chunks_mut(unit).enumerate() {
            let mut parts = Vec::from_iter(planes.iter().map(|planes| (i, planes, Vec::new())));
            for mut channel in image.chunks_mut(positions) {
                for (_, planes, rows) in &mut parts {
                    let (own, rest) = channel.split_at_mut(planes.g.positions());
                    rows.push(own);
                    channel = rest;
                }
            }
            tasks.append(&mut parts);
        }
        return par::share(tasks.into_iter(), work, &|_, (i, planes, mut rows)| task(planes, i, 0..g.out, &mut rows));
    }
    let high = g.out.div_ceil(2 * threads).next_multiple_of(T::kernels().mr);
    for (i, image) in out.chunks_mut(unit).enumerate() {
        par::share(image.chunks_mut(high * positions), work, &|c, out| {
            let channels = c * high..((c + 1) * high).min(g.out);
            task(&planes, i, channels, &mut Vec::from_iter(out.chunks_mut(positions)));
        });
    }
}

/// The elements that a kernel of one place meets.
fn thin<T: Tiled>(x: &[T], g: &Geometry) -> Storage {
    let planes = Planes::new(g);
    let unit = planes.image();
    let mut data = Storage::stale(T::DTYPE, g.units() * unit);
    par::chunks(data.as_mut_slice::<T>(), unit.max(1), 2, |start, out| {
        for (i, out) in out.chunks_exact_mut(unit.max(1)).enumerate() {
            planes.lay(&x[(start / unit + i) * g.image()..][..g.image()], out);
        }
    });
    data
}

/// The convolution by a kernel of one place: for each image and group a product with it as it lies. An image of patches has a
/// channel for each tap.
fn product<T: Tiled + Gemm>(x: &[T], filter: Filter<'_, T>, bias: Option<&[T]>, floor: T, g: &Geometry, out: &mut [T]) {
    let (depth, positions) = (g.depth, g.positions());
    batched(
        (g.out, positions, depth),
        |i| {
            let first = i % g.groups * g.out;
            let start = match bias {
                Some(bias) => Init::From(Mat::new(bias, first, (g.out, positions), (1, 0))),
                None => Init::Zero,
            };
            let data = &filter.data[first * depth..][..g.out * depth];
            let weight = match filter.turned {
                true => Mat::dense(data, depth, g.out).t(),
                false => Mat::dense(data, g.out, depth),
            };
            (weight, Mat::dense(&x[i * depth * positions..][..depth * positions], depth, positions), start)
        },
        floor,
        out,
    );
}

/// A turned filter as it is meant: input and output channels change places, kernels are turned by half a turn.
fn turn_over<T: Tiled>(w: &[T], g: &Geometry) -> Storage {
    let (places, taps) = (g.kernel[0] * g.kernel[1], g.taps());
    let mut turned = Storage::stale(T::DTYPE, w.len());
    if taps == 0 {
        return turned;
    }
    // turned[group][out][channel], and w[group][channel][out].
    par::chunks(turned.as_mut_slice::<T>(), taps, 4, |start, turned| {
        for (index, kernel) in turned.chunks_exact_mut(places).enumerate() {
            let (row, channel) = ((start / places + index) / g.depth, index % g.depth);
            let from = &w[((row / g.out * g.depth + channel) * g.out + row % g.out) * places..][..places];
            kernel.iter_mut().rev().zip(from).for_each(|(t, &w)| *t = w);
        }
    });
    turned
}

/// The weight in panels of a tile's height: for each group and each `mr` output channels, `[tap][channel]`.
struct PackedWeight {
    data: Storage,
    group: usize,
}

impl PackedWeight {
    fn new<T: Tiled>(w: &[T], g: &Geometry) -> PackedWeight {
        let (kernels, taps) = (T::kernels(), g.taps());
        let group = g.out.next_multiple_of(2) * taps;
        let mut data = Storage::stale(T::DTYPE, g.groups * group);
        let packed = data.as_mut_slice::<T>();
        for group_index in 0..g.groups {
            let mat = Mat::dense(&w[group_index * g.out * taps..][..g.out * taps], g.out, taps);
            let panels = &mut packed[group_index * group..][..group];
            let panel = kernels.mr * taps;
            par::chunks(panels, panel, 2, |start, panels| {
                for (i, out) in panels.chunks_mut(panel.max(1)).enumerate() {
                    let first = (start / panel + i) * kernels.mr;
                    pack_columns(mat.t(), 0..taps, first, out.len() / taps, out);
                }
            });
        }
        PackedWeight { data, group }
    }
}

/// Output channels `channels` of an image of one group.
///
/// Tiles run over the planes as they lie, ends of rows that are no output included; these are dropped.
fn columns<T: Tiled>(
    planes: &Planes<'_>,
    weight: &PackedWeight,
    group: usize,
    image: &[T],
    bias: Option<&[T]>,
    floor: T,
    channels: std::ops::Range<usize>,
    out: &mut [&mut [T]],
) {
    let (g, kernels) = (planes.g, T::kernels());
    let (nr, mr, taps, positions) = (kernels.nr(), kernels.mr, g.taps(), g.positions());
    let weight = &weight.data.as_slice::<T>()[group * weight.group..][..weight.group];
    let total = planes.position(positions - 1) + 1;
    let mut laid = Storage::zeroed(T::DTYPE, planes.image() + STEP);
    let laid = laid.as_mut_slice::<T>();
    planes.lay(image, laid);
    let mut memory = Storage::stale(T::DTYPE, mr * total);
    let sums = memory.as_mut_slice::<T>();
    let blocks: Vec<Rows<'_>> = planes.taps.chunks(CHAIN).map(Rows::new).collect();
    for (i, out) in channels.clone().step_by(mr).zip(out.chunks_mut(mr)) {
        let high = mr.min(channels.end - i);
        // Panels start at multiples of mr; all but the last of a group are mr high.
        let panel = kernels.padded((g.out - i).min(mr));
        for (block, &rows) in blocks.iter().enumerate() {
            let left = &weight[i * taps + block * CHAIN * panel..][..rows.len() * panel];
            let floor = if block + 1 == blocks.len() { floor } else { T::NEG_INFINITY };
            for j in (0..total).step_by(nr) {
                let start = match bias {
                    _ if block > 0 => Start::Keep,
                    None => Start::Zero,
                    Some(bias) => Start::Splat(&bias[i..], 1),
                };
                let size = Size { m: high, n: nr.min(total - j), step: total };
                kernels.tile(left, &laid[j..], rows, &mut sums[j..], size, Finish { start, floor });
            }
        }
        if taps == 0 {
            sums.chunks_exact_mut(total)
                .enumerate()
                .for_each(|(r, row)| row.fill(bias.map_or(T::ZERO, |b| b[(i + r).min(g.out - 1)])));
            raise(floor, sums);
        }
        for (out, sums) in out.iter_mut().zip(sums.chunks_exact(total)) {
            for (y, row) in out.chunks_exact_mut(g.out_size[1]).enumerate() {
                row.copy_from_slice(&sums[y * planes.plane[1]..][..row.len()]);
            }
        }
    }
}

/// The gradient with respect to the input: each output's gradient, spread by the taps over what it was computed from.
pub(crate) fn input_grad<T: Tiled + Gemm>(w: &Tensor, dy: &Tensor, g: &Geometry, shape: &[usize]) -> Tensor {
    let (w, dy) = (w.contiguous(), dy.contiguous());
    let (w_data, dy_data) = (w.as_slice::<T>().expect("contiguous"), dy.as_slice::<T>().expect("contiguous"));
    if winograd::suits(g) {
        return Tensor::build(shape, |dx| winograd::input_grad(w_data, dy_data, g, dx));
    }
    if let Some(adjoint) = g.adjoint()
        && (g.kernel == [1, 1] || !conv_spread::few_channels(g))
    {
        let filter = Filter { data: w_data, turned: true };
        return Tensor::build(shape, |dx| direct(dy_data, filter, None, T::LOWEST, &adjoint, dx));
    }
    if conv_depthwise::suits(g) {
        return Tensor::build(shape, |dx: &mut [T]| match conv_side::suits(g) {
            _ if dx.is_empty() => {}
            true => conv_side::input_grad(w_data, dy_data, g, dx),
            false => conv_depthwise::input_grad(w_data, dy_data, g, dx),
        });
    }
    if conv_back::suits(g) {
        return Tensor::build(shape, |dx| conv_back::input_grad(w_data, dy_data, g, dx));
    }
    Tensor::build(shape, |dx| conv_spread::input_grad(w_data, dy_data, g, dx))
}

/// [`forward`] on `i64`, by the definition.
pub(crate) fn forward_integer(x: &Tensor, w: &Tensor, bias: Option<&Tensor>, g: &Geometry) -> Tensor {
    let (x_data, w_data) = (x.as_slice::<i64>().expect("contiguous"), w.as_slice::<i64>().expect("contiguous"));
    let bias = bias.map(|b| b.as_slice::<i64>().expect("contiguous"));
    let planes = Planes::new(g);
    Tensor::build(g.output_shape(x.rank()), |out: &mut [i64]| {
        if out.is_empty() {
            return;
        }
        let mut laid = vec![0; planes.image() + STEP];
        for (i, out) in out.chunks_mut(g.out * g.positions()).enumerate() {
            planes.lay(&x_data[i * g.image()..][..g.image()], &mut laid);
            for (c, out) in out.chunks_mut(g.positions()).enumerate() {
                let channel = i % g.groups * g.out + c;
                let taps = &w_data[channel * g.taps()..][..g.taps()];
                for (position, o) in out.iter_mut().enumerate() {
                    let at = planes.position(position);
                    let start = bias.map_or(0, |b| b[channel]);
                    *o = taps
                        .iter()
                        .zip(&planes.taps)
                        .fold(start, |sum, (&w, &tap)| sum.wrapping_add(w.wrapping_mul(laid[tap + at])));
                }
            }
        }
    })
}
