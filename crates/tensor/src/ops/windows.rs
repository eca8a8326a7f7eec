//! The largest elements of windows in up to three dimensions, wherever the windows lie: what pooling in one and three dimensions,
//! adaptive and fractional pooling have in common.

use crate::cpu::par;
use crate::{Element, Tensor, bug, match_dtype};
use wengert_tensor_macros::profiled;

/// A window along one axis: the first position, the position behind the last, and the step between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first position.
    pub start: usize,
    /// Behind the last.
    pub end: usize,
    /// From one to the next.
    pub step: usize,
}

/// For every plane `[d, h, w]` (the last three axes of `x`) and every window, the position of the largest element in the flattened
/// plane: the first of equal ones, the last NaN if there is one, as PyTorch.
///
/// The result has the leading axes of `x` and one axis for each list of windows.
///
/// # Panics
/// If `x` has fewer than three axes or a window is empty.
#[profiled]
#[track_caller]
pub fn largest(x: &Tensor, windows: &[Vec<Window>; 3]) -> Tensor {
    let rank = x.rank();
    if rank < 3 {
        bug!("", "windows need planes of three axes, got {:?}", x.shape());
    }
    if windows.iter().flatten().any(|w| w.start >= w.end) {
        bug!("", "a window is empty: check that padding is at most half of the kernel size");
    }
    let [_, h, w] = [x.shape()[rank - 3], x.shape()[rank - 2], x.shape()[rank - 1]];
    let plane: usize = x.shape()[rank - 3..].iter().product();
    let counts = [windows[0].len(), windows[1].len(), windows[2].len()];
    let shape: Vec<usize> = x.shape()[..rank - 3].iter().copied().chain(counts).collect();
    let x = x.contiguous();
    match_dtype!(x.dtype(), T => Tensor::build(shape.as_slice(), |out: &mut [i64]| {
        let data = x.as_slice::<T>().expect("made contiguous");
        let size = counts.iter().product::<usize>().max(1);
        par::chunks(out, size, plane / size + 1, |start, out| {
            for (k, out) in out.chunks_exact_mut(size).enumerate() {
                let image = &data[(start / size + k) * plane..][..plane];
                planes(image, [h, w], windows, out);
            }
        });
    }))
}

/// Whether this is not a number.
#[allow(clippy::eq_op)]
fn nan<T: PartialEq>(x: &T) -> bool {
    x != x
}

fn planes<T: Element>(image: &[T], [h, w]: [usize; 2], windows: &[Vec<Window>; 3], out: &mut [i64]) {
    let mut places = out.iter_mut();
    for a in &windows[0] {
        for b in &windows[1] {
            for c in &windows[2] {
                let mut best = (a.start * h + b.start) * w + c.start;
                for i in (a.start..a.end).step_by(a.step) {
                    for j in (b.start..b.end).step_by(b.step) {
                        for k in (c.start..c.end).step_by(c.step) {
                            let at = (i * h + j) * w + k;
                            if image[at] > image[best] || nan(&image[at]) {
                                best = at;
                            }
                        }
                    }
                }
                *places.next().expect("one place for each window") = best as i64;
            }
        }
    }
}
