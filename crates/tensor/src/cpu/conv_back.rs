//! The gradient of a strided convolution with respect to its input, with channels side by side: each place of the kernel
//! adds a product of neighbouring outputs' gradients and the filters to an image laid out so.

use super::conv::Geometry;
use super::conv_layout::Layout;
use super::gemm::KC;
use super::par;
use super::tile::{Rows, Size, Start, Tiled};
use crate::storage::Storage;

/// Elements of an image laid out at a time: half of the second cache.
const CHUNK: usize = 1 << 17;

/// Whether channels fill vectors, and images are small: planes of larger ones fill them too, and are faster laid out.
pub(super) fn suits(g: &Geometry) -> bool {
    let full = g.depth.next_multiple_of(16) * 3 <= g.depth * 4;
    full && g.positions() <= 256 && g.depth * g.out > 0
}

/// The gradient with respect to the input.
pub(super) fn input_grad<T: Tiled>(w: &[T], dy: &[T], g: &Geometry, dx: &mut [T]) {
    let kernels = T::kernels();
    let plane = g.size[0] * g.size[1];
    let filter = pack(w, g);
    let area = (g.size[0] + 2 * g.padding[0]) * (g.size[1] + 2 * g.padding[1]);
    // Panels of input channels of a task: as many as fit, but enough tasks for all threads. No sum depends on that.
    let panels = g.depth.div_ceil(kernels.nr());
    let wanted = (2 * par::num_threads()).div_ceil(g.units().max(1));
    let some = (CHUNK / (area * kernels.nr())).min(panels.div_ceil(wanted)).max(1) * kernels.nr();
    let mut tasks = Vec::new();
    for (unit, dx) in dx.chunks_exact_mut(g.image()).enumerate() {
        tasks.extend(dx.chunks_mut(some * plane).enumerate().map(|(i, dx)| (unit, i * some, dx)));
    }
    let work = g.units() * g.out * g.positions() * g.taps() / 8;
    par::share(tasks.into_iter(), work, &|_, (unit, first, dx)| {
        let grads = &dy[unit * g.out * g.positions()..][..g.out * g.positions()];
        let len = filter_len::<T>(g);
        let filter = &filter.as_slice::<T>()[unit % g.groups * len..][..len];
        channels(filter, grads, g, first, dx);
    });
}

/// Elements of the filters of a group: padded to whole vectors of input channels.
fn filter_len<T: Tiled>(g: &Geometry) -> usize {
    T::kernels().read(g.depth) * g.out * g.kernel[0] * g.kernel[1]
}

/// The filters: for each group and each panel of input channels `[place in the kernel][output channel][input channel]`.
fn pack<T: Tiled>(w: &[T], g: &Geometry) -> Storage {
    let (kernels, places) = (T::kernels(), g.kernel[0] * g.kernel[1]);
    let mut data = Storage::zeroed(T::DTYPE, g.groups * filter_len::<T>(g));
    let panel = kernels.nr() * g.out * places;
    for (w, filters) in w.chunks_exact(g.out * g.taps()).zip(data.as_mut_slice::<T>().chunks_mut(filter_len::<T>(g))) {
        par::chunks(filters, panel, 2, |start, filters| {
            for (i, out) in filters.chunks_mut(panel).enumerate() {
                let channel = (start / panel + i) * kernels.nr();
                let row = out.len() / (g.out * places);
                for (o, w) in w.chunks_exact(g.taps()).enumerate() {
                    let count = row.min(g.depth - channel);
                    T::transpose(&w[channel * places..], places, (count, places), g.out * row, &mut out[o * row..]);
                }
            }
        });
    }
    data
}

/// Some input channels, from `first` on, of an image.
fn channels<T: Tiled>(filter: &[T], grads: &[T], g: &Geometry, first: usize, dx: &mut [T]) {
    let kernels = T::kernels();
    let [height, width] = g.size;
    let [rows, columns] = g.out_size;
    let count = dx.len() / (height * width);
    let depth = kernels.read(count);
    let layout = Layout::spaced(g, depth);
    let mut memory = Storage::zeroed(T::DTYPE, layout.image);
    let laid = memory.as_mut_slice::<T>();
    // Neighbouring outputs of a row are a tile's rows: heights as even as can be.
    let high = columns.div_ceil(columns.div_ceil(kernels.mr));
    // packed[row of outputs][tile][output channel][output]
    let tiles: Vec<(usize, usize)> = (0..columns).step_by(high).map(|x| (x, high.min(columns - x))).collect();
    let wide: usize = tiles.iter().map(|&(_, m)| kernels.padded(m)).sum();
    let mut memory = Storage::zeroed(T::DTYPE, rows * wide * g.out);
    let packed = memory.as_mut_slice::<T>();
    for (y, packed) in packed.chunks_exact_mut(wide * g.out).enumerate() {
        let mut rest = packed;
        for &(x, m) in &tiles {
            let (own, later) = rest.split_at_mut(kernels.padded(m) * g.out);
            for (out, grads) in own.chunks_exact_mut(kernels.padded(m)).zip(grads.chunks_exact(rows * columns)) {
                out[..m].copy_from_slice(&grads[y * columns + x..][..m]);
            }
            rest = later;
        }
    }
    let places = g.kernel[0] * g.kernel[1];
    let mut at = vec![0; g.positions()];
    layout.positions(0, &mut at);
    for j in (0..depth).step_by(kernels.nr()) {
        let panel = kernels.nr().min(depth - j);
        let filter = &filter[(first + j) * g.out * places..][..panel * g.out * places];
        let steps: Vec<usize> = (0..g.out.min(KC)).map(|o| o * panel).collect();
        for (place, filter) in filter.chunks_exact(panel * g.out).enumerate() {
            let (ky, kx) = (place / g.kernel[1], place % g.kernel[1]);
            let offset = ky * g.dilation[0] * layout.row() + kx * g.dilation[1] * depth + j;
            for o in (0..g.out).step_by(KC) {
                let steps = Rows::new(&steps[..KC.min(g.out - o)]);
                let mut left = &packed[..];
                for at in at.chunks_exact(columns) {
                    for &(x, m) in &tiles {
                        let (own, later) = left.split_at(kernels.padded(m) * g.out);
                        let size = Size { m, n: panel, step: g.stride[1] * depth };
                        let sums = &mut laid[at[x] + offset..];
                        kernels.tile(
                            &own[o * kernels.padded(m)..],
                            &filter[o * panel..],
                            steps,
                            sums,
                            size,
                            Start::Keep,
                        );
                        left = later;
                    }
                }
            }
        }
    }
    // The image without its padding, then with rows side by side.
    let start = g.padding[0] * layout.row() + g.padding[1] * depth;
    for y in 0..height {
        let from = start + y * layout.row();
        laid.copy_within(from..from + width * depth, y * width * depth);
    }
    T::transpose(laid, depth, (height * width, count), height * width, dx);
}
