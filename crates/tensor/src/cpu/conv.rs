//! Convolution and its adjoints by register tiles over images laid out so that no patch matrix is ever built.

use super::floor::raise;
use super::gemm::{Gemm, Init, KC, Mat, batched, pack_columns};
use super::par;
use super::tile::{Finish, Rows, Size, Start, Tiled};
use super::{conv_back, conv_depthwise, conv_dots, conv_lines, conv_side, winograd};
use crate::storage::Storage;
use crate::{Element, Tensor};

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
    /// negative.
    fn adjoint(&self) -> Option<Geometry> {
        let reach = [0, 1].map(|a| (self.kernel[a] - 1) * self.dilation[a]);
        let fits = self.stride == [1, 1] && (0..2).all(|a| self.padding[a] <= reach[a]);
        fits.then(|| Geometry {
            depth: self.out,
            out: self.depth,
            size: self.out_size,
            out_size: self.size,
            padding: [0, 1].map(|a| reach[a] - self.padding[a]),
            ..*self
        })
    }

    /// What a kernel of one place sees through its stride is a convolution of stride 1, of the image that [`thin`] gives; if
    /// that is a product of so few steps that it takes less time than laying out the whole image does.
    fn thinned(&self) -> Option<Geometry> {
        let apart = self.kernel == [1, 1] && self.stride != [1, 1] && self.padding == [0, 0];
        let short = self.depth <= 16 && self.positions() >= 128 && conv_lines::suits(self);
        (apart && short).then_some(Geometry { size: self.out_size, stride: [1, 1], ..*self })
    }

    /// Whether every output is a product of the inputs at its place, in images large enough to fill a tile's columns.
    fn is_product(&self) -> bool {
        let alone = self.kernel == [1, 1] && self.stride == [1, 1] && self.padding == [0, 0];
        alone && (self.positions() >= 128 || !conv_lines::suits(self)) && self.depth > 0
    }

    /// Units whose columns are worth joining: a block of columns should be some hundred wide, and every thread should
    /// get something. Where columns are joined and where not makes no difference to any element's sum.
    fn joined(&self, columns: usize) -> usize {
        if self.groups > 1 {
            return 1;
        }
        (BLOCK / columns.max(1)).min(self.batch / (2 * par::num_threads())).max(1)
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
/// Columns of a block: with [`KC`] rows half of the second cache.
const BLOCK: usize = 480;
/// Numbers copied at a time, some of them too many: copies of a fixed size are single instructions.
pub(super) const STEP: usize = 16;

/// `out[i] = from[S·i]`.
fn take_apart<T: Element, const S: usize>(from: &[T], out: &mut [T]) {
    let (groups, rest) = from.as_chunks::<S>();
    let count = groups.len().min(out.len());
    let (most, last) = out.split_at_mut(count);
    most.iter_mut().zip(groups).for_each(|(o, group)| *o = group[0]);
    last.iter_mut().zip(rest).for_each(|(o, &x)| *o = x);
}

/// `out[S·i] = from[i]`.
fn put_apart<T: Element, const S: usize>(from: &[T], out: &mut [T]) {
    let (groups, rest) = out.as_chunks_mut::<S>();
    let count = groups.len().min(from.len());
    let (most, last) = from.split_at(count);
    groups.iter_mut().zip(most).for_each(|(group, &x)| group[0] = x);
    rest.iter_mut().zip(last).for_each(|(o, &x)| *o = x);
}

/// An image laid out for the taps of a kernel: padded, and split into one plane per phase of the stride, so that what
/// one tap reads for neighbouring outputs are neighbours.
///
/// With stride `s` and dilation `d`, output `o` and tap `k` meet at `o·s + k·d` of the padded image, which is element
/// `o + (k·d) / s` of the plane that holds every `s`-th element from `(k·d) mod s` on. So a tap is an offset, an output
/// is an offset, and their sum is where they meet.
pub(super) struct Planes<'a> {
    pub(super) g: &'a Geometry,
    /// The phases that taps read, by axis.
    phases: [Vec<usize>; 2],
    /// Height and width of a plane.
    pub(super) plane: [usize; 2],
    /// Offset of each tap, in the order of the weight.
    pub(super) taps: Vec<usize>,
}

impl Planes<'_> {
    pub(super) fn new(g: &Geometry) -> Planes<'_> {
        let phases = [0, 1].map(|a| {
            let mut used: Vec<usize> = (0..g.kernel[a]).map(|k| k * g.dilation[a] % g.stride[a]).collect();
            used.sort_unstable();
            used.dedup();
            used
        });
        let plane = [0, 1].map(|a| (g.kernel[a] - 1) * g.dilation[a] / g.stride[a] + g.out_size[a]);
        let mut planes = Planes { g, phases, plane, taps: Vec::new() };
        let along = |a: usize, k: usize| {
            let at = k * g.dilation[a];
            let phase = planes.phases[a].iter().position(|&p| p == at % g.stride[a]).expect("listed above");
            (phase, at / g.stride[a])
        };
        let mut taps = Vec::with_capacity(g.taps());
        for channel in 0..g.depth {
            for ky in 0..g.kernel[0] {
                for kx in 0..g.kernel[1] {
                    let ((py, y), (px, x)) = (along(0, ky), along(1, kx));
                    let plane = (channel * planes.phases[0].len() + py) * planes.phases[1].len() + px;
                    taps.push((plane * planes.plane[0] + y) * planes.plane[1] + x);
                }
            }
        }
        planes.taps = taps;
        planes
    }

    /// Elements per channel.
    pub(super) fn channel(&self) -> usize {
        self.phases[0].len() * self.phases[1].len() * self.plane[0] * self.plane[1]
    }

    /// Elements per image of a group.
    pub(super) fn image(&self) -> usize {
        self.g.depth * self.channel()
    }

    /// Offset of an output position.
    pub(super) fn position(&self, index: usize) -> usize {
        index / self.g.out_size[1] * self.plane[1] + index % self.g.out_size[1]
    }

    /// Calls `f(at, index, count)` for the parts of rows of the first planes that lie in the image: element `at + i` of
    /// the planes is element `index + i·stride` of the image, for `i < count`.
    fn each_run(&self, channels: usize, mut f: impl FnMut(usize, usize, usize)) {
        let g = self.g;
        let [height, width] = g.size;
        let mut row = 0;
        for channel in 0..channels {
            for &py in &self.phases[0] {
                for &px in &self.phases[1] {
                    // Columns c with 0 <= c·stride + px - padding < width.
                    let first = g.padding[1].saturating_sub(px).div_ceil(g.stride[1]).min(self.plane[1]);
                    let last =
                        (width + g.padding[1]).saturating_sub(px).div_ceil(g.stride[1]).clamp(first, self.plane[1]);
                    for r in 0..self.plane[0] {
                        let y = (r * g.stride[0] + py).wrapping_sub(g.padding[0]);
                        if y < height && first < last {
                            let x = first * g.stride[1] + px - g.padding[1];
                            f(row + first, (channel * height + y) * width + x, last - first);
                        }
                        row += self.plane[1];
                    }
                }
            }
        }
    }

    /// Lays out an image. `out` is longer than the planes by at least [`STEP`]; it is zero where nothing is written, if
    /// it was zero before or held another image.
    pub(super) fn lay<T: Element>(&self, image: &[T], out: &mut [T]) {
        let stride = self.g.stride[1];
        self.each_run(self.g.depth, |at, index, count| {
            let out = &mut out[at..][..count];
            match stride {
                1 => out.copy_from_slice(&image[index..][..count]),
                2 => take_apart::<T, 2>(&image[index..], out),
                4 => take_apart::<T, 4>(&image[index..], out),
                _ => out.iter_mut().zip(image[index..].iter().step_by(stride)).for_each(|(o, &x)| *o = x),
            }
        });
    }

    /// The inverse of [`Planes::lay`], for some channels; elements that no tap reads become zero.
    pub(super) fn gather<T: Element>(&self, channels: usize, planes: &[T], image: &mut [T]) {
        let stride = self.g.stride[1];
        image.fill(T::ZERO);
        self.each_run(channels, |at, index, count| {
            let from = &planes[at..][..count];
            match stride {
                1 => image[index..][..count].copy_from_slice(from),
                2 => put_apart::<T, 2>(from, &mut image[index..]),
                4 => put_apart::<T, 4>(from, &mut image[index..]),
                _ => image[index..].iter_mut().step_by(stride).zip(from).for_each(|(o, &x)| *o = x),
            }
        });
    }
}

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
    let unit = g.out * g.positions();
    let task = |i: usize, channels: std::ops::Range<usize>, out: &mut [T]| {
        let bias = bias.map(|b| &b[i % g.groups * g.out..][..g.out]);
        columns(&planes, &weight, i % g.groups, &x[i * g.image()..][..g.image()], bias, floor, channels, out);
    };
    let work = g.units() * unit * g.taps() / 8;
    if !par::worth(work) || g.units() >= 2 * par::num_threads() {
        par::share(out.chunks_mut(unit), work, &|i, out| task(i, 0..g.out, out));
    } else {
        // Few images: channels are divided too.
        let high = g.out.div_ceil(2 * par::num_threads()).next_multiple_of(8);
        for (i, out) in out.chunks_mut(unit).enumerate() {
            par::share(out.chunks_mut(high * g.positions()), work, &|c, out| {
                task(i, c * high..((c + 1) * high).min(g.out), out);
            });
        }
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

/// The convolution by a kernel of one place: for each image and group a product with it as it lies.
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
    out: &mut [T],
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
    for (i, out) in channels.clone().step_by(mr).zip(out.chunks_mut(mr * positions)) {
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
        let rows = out.chunks_exact_mut(g.out_size[1]);
        for (index, row) in rows.enumerate() {
            let (r, y) = (index / g.out_size[0], index % g.out_size[0]);
            row.copy_from_slice(&sums[r * total + y * planes.plane[1]..][..row.len()]);
        }
    }
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

/// The gradient with respect to the input: each output's gradient, spread by the taps over what it was computed from.
///
/// The gradients of an image are laid out like the planes, zeros where a row of the planes has no output; then a tap's
/// contribution to all inputs is one contiguous addition, done where a tile stores its sums.
pub(crate) fn input_grad<T: Tiled + Gemm>(w: &Tensor, dy: &Tensor, g: &Geometry, shape: &[usize]) -> Tensor {
    let (w, dy) = (w.contiguous(), dy.contiguous());
    let (w_data, dy_data) = (w.as_slice::<T>().expect("contiguous"), dy.as_slice::<T>().expect("contiguous"));
    if winograd::suits(g) {
        return Tensor::build(shape, |dx| winograd::input_grad(w_data, dy_data, g, dx));
    }
    if let Some(adjoint) = g.adjoint() {
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
    let planes = Planes::new(g);
    let weight = PackedTaps::new(w_data, g);
    Tensor::build(shape, |dx: &mut [T]| {
        if dx.is_empty() {
            return;
        }
        let joined = g.joined(planes.position(g.positions() - 1) + 1);
        let task = |i: usize, channels: std::ops::Range<usize>, dx: &mut [T]| {
            let count = dx.len() / (channels.len() * g.size[0] * g.size[1]);
            let grads = &dy_data[i * g.out * g.positions()..][..count * g.out * g.positions()];
            spread(&planes, &weight, i % g.groups, grads, channels, dx);
        };
        let unit = joined * g.image();
        let work = g.units() * g.out * g.positions() * g.taps() / 8;
        if !par::worth(work) || g.units() >= 2 * par::num_threads() {
            par::share(dx.chunks_mut(unit), work, &|i, dx| task(i * joined, 0..g.depth, dx));
        } else {
            // Few images: channels are divided too.
            let high = g.depth.div_ceil(2 * par::num_threads()).next_multiple_of(8);
            for (i, dx) in dx.chunks_mut(g.image()).enumerate() {
                par::share(dx.chunks_mut(high * g.size[0] * g.size[1]), work, &|c, dx| {
                    task(i, c * high..((c + 1) * high).min(g.depth), dx);
                });
            }
        }
    })
}

/// The weight turned over, in panels of a tile's height: for each group, each `mr` input channels and each place in the
/// kernel, `[output channel][input channel]`.
///
/// The channels of a panel write to different planes, so its rows never wait for each other's stores.
struct PackedTaps {
    data: Storage,
}

impl PackedTaps {
    fn new<T: Tiled>(w: &[T], g: &Geometry) -> PackedTaps {
        let (mr, taps, places) = (T::kernels().mr, g.taps(), g.kernel[0] * g.kernel[1]);
        let mut data = Storage::stale(T::DTYPE, g.groups * turned(g));
        if g.depth > 0 {
            for (group, panels) in data.as_mut_slice::<T>().chunks_mut(turned(g)).enumerate() {
                let w = &w[group * g.out * taps..][..g.out * taps];
                let panel = mr * g.out * places;
                par::chunks(panels, panel, 2, |start, panels| {
                    for (i, out) in panels.chunks_mut(panel).enumerate() {
                        turn(w, g, (start / panel + i) * mr, out);
                    }
                });
            }
        }
        PackedTaps { data }
    }
}

/// The panel of [`PackedTaps`] that starts at input channel `first`.
fn turn<T: Tiled>(w: &[T], g: &Geometry, first: usize, panel: &mut [T]) {
    let places = g.kernel[0] * g.kernel[1];
    let high = panel.len() / (g.out * places);
    let count = high.min(g.depth - first);
    if count < high {
        panel.fill(T::ZERO);
    }
    for (channel, row) in w.chunks_exact(g.taps()).enumerate() {
        let out = &mut panel[channel * high..];
        T::transpose(&row[first * places..], places, (count, places), g.out * high, out);
    }
}

/// The input gradients of some images of one group: `dx` holds their channels `channels`, image after image.
fn spread<T: Tiled>(
    planes: &Planes<'_>,
    weight: &PackedTaps,
    group: usize,
    grads: &[T],
    channels: std::ops::Range<usize>,
    dx: &mut [T],
) {
    let (g, kernels) = (planes.g, T::kernels());
    let (nr, mr, positions) = (kernels.nr(), kernels.mr, g.positions());
    let places = g.kernel[0] * g.kernel[1];
    let weight = &weight.data.as_slice::<T>()[group * turned(g)..][..turned(g)];
    let image = channels.len() * planes.channel();
    let count = grads.len() / (g.out * positions);
    let total = planes.position(positions - 1) + 1;
    let panels = total.div_ceil(nr);
    let lengths = [count * image, count * panels * g.out * nr];
    let mut memory = Storage::zeroed(T::DTYPE, lengths.iter().sum());
    let (sums, packed) = memory.as_mut_slice::<T>().split_at_mut(lengths[0]);
    // packed[image][panel][output channel][column]
    for (i, row) in grads.chunks_exact(g.out_size[1]).enumerate() {
        let (image, channel, y) = (i / g.out_size[0] / g.out, i / g.out_size[0] % g.out, i % g.out_size[0]);
        let mut at = y * planes.plane[1];
        let mut row = row;
        while !row.is_empty() {
            let (panel, column) = (at / nr, at % nr);
            let (now, later) = row.split_at(row.len().min(nr - column));
            packed[((image * panels + panel) * g.out + channel) * nr + column..][..now.len()].copy_from_slice(now);
            at += now.len();
            row = later;
        }
    }
    let panel_rows: Vec<usize> = (0..g.out.min(KC)).map(|p| p * nr).collect();
    let block = (BLOCK / nr).max(1);
    for pc in (0..g.out).step_by(KC) {
        let kc = KC.min(g.out - pc);
        let rows = Rows::new(&panel_rows[..kc]);
        for first in (0..count * panels).step_by(block) {
            let some = first..(first + block).min(count * panels);
            for place in 0..places {
                for c in channels.clone().step_by(mr) {
                    let high = mr.min(channels.end - c);
                    // Panels start at multiples of mr; all but the last of a group are mr high.
                    let padded = kernels.padded(mr.min(g.depth - c));
                    let left = &weight[(c * places + place * padded) * g.out + pc * padded..][..kc * padded];
                    for panel in some.clone() {
                        let (which, j) = (panel / panels, panel % panels * nr);
                        let right = &packed[(panel * g.out + pc) * nr..][..kc * nr];
                        let at = which * image + (c - channels.start) * planes.channel() + planes.taps[place] + j;
                        let size = Size { m: high, n: nr.min(total - j), step: planes.channel() };
                        kernels.tile(left, right, rows, &mut sums[at..], size, Start::Keep);
                    }
                }
            }
        }
    }
    for (sums, dx) in sums.chunks_exact(image).zip(dx.chunks_exact_mut(channels.len() * g.size[0] * g.size[1])) {
        planes.gather(channels.len(), sums, dx);
    }
}

/// Elements of [`PackedTaps`] per group.
fn turned(g: &Geometry) -> usize {
    g.depth.next_multiple_of(2) * g.out * g.kernel[0] * g.kernel[1]
}
