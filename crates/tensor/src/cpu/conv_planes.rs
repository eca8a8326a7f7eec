//! Images laid out for convolution plane by plane, so that each tap reads runs of memory along the rows of an output.

use super::conv::Geometry;
use crate::Element;

/// Numbers copied at a time, some of them too many: copies of a fixed size are single instructions.
pub(super) const STEP: usize = 16;

/// An image laid out for the taps of a kernel: padded, and split into one plane per phase of the stride, so that what
/// one tap reads for neighbouring outputs are neighbours.
///
/// With stride `s` and dilation `d`, output `o` and tap `k` meet at `o·s + k·d` of the padded image, which is element
/// `o + (k·d) / s` of the plane that holds every `s`-th element from `(k·d) mod s` on. So a tap is an offset, an output
/// is an offset, and their sum is where they meet.
pub(super) struct Planes<'a> {
    pub(super) g: &'a Geometry,
    /// Rows of the image's output that come before those of `g`.
    first: usize,
    /// The phases that taps read, by axis.
    phases: [Vec<usize>; 2],
    /// Height and width of a plane.
    pub(super) plane: [usize; 2],
    /// Offset of each tap, in the order of the weight.
    pub(super) taps: Vec<usize>,
}

impl Planes<'_> {
    pub(super) fn new(g: &Geometry) -> Planes<'_> {
        Planes::band(g, 0)
    }

    /// What the rows of the output from `first` on see; `g` has as many.
    pub(super) fn band(g: &Geometry, first: usize) -> Planes<'_> {
        let phases = [0, 1].map(|a| {
            let mut used: Vec<usize> = (0..g.kernel[a]).map(|k| k * g.dilation[a] % g.stride[a]).collect();
            used.sort_unstable();
            used.dedup();
            used
        });
        let plane = [0, 1].map(|a| (g.kernel[a] - 1) * g.dilation[a] / g.stride[a] + g.out_size[a]);
        let mut planes = Planes { g, first, phases, plane, taps: Vec::new() };
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

    /// What it takes to lay out an image, in cheap operations: elements that are taken apart take six times as long as those that
    /// are copied in rows.
    pub(super) fn cost(&self) -> usize {
        self.image() * if self.g.stride[1] == 1 { 1 } else { 6 }
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
                        let y = ((self.first + r) * g.stride[0] + py).wrapping_sub(g.padding[0]);
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
                3 => take_apart::<T, 3>(&image[index..], out),
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
                3 => put_apart::<T, 3>(from, &mut image[index..]),
                4 => put_apart::<T, 4>(from, &mut image[index..]),
                _ => image[index..].iter_mut().step_by(stride).zip(from).for_each(|(o, &x)| *o = x),
            }
        });
    }
}

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
