//! Padding.

use crate::{DType, Tensor, bug};
use wengert_tensor_macros::{composed, profiled};

/// Where the values of [`Tensor::pad_from_inside`] come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PadMode {
    /// The mirror image; the element at the edge is not repeated.
    Reflect,
    /// The element at the edge.
    Replicate,
    /// The other end.
    Circular,
}

#[composed(compose_pad)]
#[profiled]
impl Tensor {
    /// Padding by a number in front of and behind the last axes: `(last front, last behind, second last front, …)`; negative
    /// numbers cut (`torch.nn.functional.pad`, mode `constant`).
    ///
    /// # Panics
    /// If there is an odd number of them, more than two for each axis, or more is cut than there is.
    #[track_caller]
    pub fn pad(&self, widths: &[isize], value: f64) -> Self {
        if widths.len() % 2 == 1 {
            bug!("", "Padding length must be divisible by 2");
        }
        if widths.len() / 2 > self.rank() {
            bug!(
                "",
                "Padding length should be less than or equal to two times the input dimension but got padding length {} and input of \
                 dimension {}",
                widths.len(),
                self.rank()
            );
        }
        let mut x = self.clone();
        let mut shape = self.shape().to_vec();
        let mut starts = vec![0isize; self.rank()];
        for (i, pair) in widths.chunks_exact(2).enumerate() {
            let d = self.rank() - 1 - i;
            let new = shape[d] as isize + pair[0] + pair[1];
            if new < 0 {
                bug!(
                    "",
                    "The input size {}, plus negative padding {} and {} resulted in a negative output size, which is invalid. Check \
                     dimension {d} of your input.",
                    shape[d],
                    pair[0],
                    pair[1]
                );
            }
            let (cut_front, cut_behind) = ((-pair[0]).max(0), (-pair[1]).max(0));
            let left = (shape[d] as isize - cut_front - cut_behind).max(0);
            if cut_front + cut_behind > 0 {
                x = x.narrow(d as isize, cut_front.min(shape[d] as isize), left as usize);
            }
            starts[d] = pair[0].max(0);
            shape[d] = new as usize;
        }
        let inner = x.shape().to_vec();
        if shape == inner {
            return x.copy();
        }
        let view = move |t: &Tensor| {
            inner.iter().enumerate().fold(t.clone(), |t, (d, &len)| t.narrow(d as isize, starts[d], len))
        };
        if value == 0.0 {
            return x.embedded(&shape, view);
        }
        let mask = Tensor::ones(x.shape(), DType::Bool).embed(&shape, &view).logical_not();
        x.embedded(&shape, view).masked_fill(&mask, value)
    }

    /// Padding of the last axes by what lies inside them: widths as for [`Self::pad`]; `mode` says how
    /// (`torch.nn.functional.pad`, modes `reflect`, `replicate` and `circular`).
    ///
    /// # Panics
    /// If an axis is too short, or there are more widths than axes allow.
    #[track_caller]
    pub fn pad_from_inside(&self, widths: &[isize], mode: PadMode) -> Self {
        if widths.len() % 2 == 1 || widths.len() / 2 > self.rank() {
            bug!(
                "",
                "Padding length must be divisible by 2 and at most twice the number of axes, got {}",
                widths.len()
            );
        }
        let mut x = self.clone();
        for (i, pair) in widths.chunks_exact(2).enumerate() {
            let d = self.rank() - 1 - i;
            let len = self.shape()[d] as isize;
            let limit = match mode {
                PadMode::Reflect => len - 1,
                PadMode::Circular => len,
                PadMode::Replicate => isize::MAX,
            };
            if pair.iter().any(|&w| w > limit) || (len == 0 && pair.iter().any(|&w| w > 0)) {
                match mode {
                    PadMode::Circular => bug!("", "Padding value causes wrapping around more than once."),
                    _ => bug!(
                        "",
                        "Padding size should be less than the corresponding input dimension, but got: padding ({}, {}) at dimension {d} \
                         of input {:?}",
                        pair[0],
                        pair[1],
                        self.shape()
                    ),
                }
            }
            if pair == [0, 0] {
                continue;
            }
            // What is cut off does not come round again.
            let (first, rest) = ((-pair[0]).max(0), len - (-pair[0]).max(0) - (-pair[1]).max(0));
            let source = |i: isize| match mode {
                PadMode::Replicate => i.clamp(0, len - 1),
                PadMode::Circular => first + (i - first).rem_euclid(rest.max(1)),
                PadMode::Reflect if i < 0 => -i,
                PadMode::Reflect if i >= len => 2 * (len - 1) - i,
                PadMode::Reflect => i,
            };
            let index: Vec<i64> = (-pair[0]..len + pair[1]).map(|i| source(i) as i64).collect();
            let count = index.len();
            x = x.index_select(d as isize, &Tensor::from_vec(index, [count]));
        }
        x
    }

    /// Only what broadcasting from `shape` to this tensor's shape added is summed (`Tensor.sum_to_size`): [`Self::sum_to`].
    #[track_caller]
    pub fn sum_to_size(&self, sizes: &[usize]) -> Self {
        // Integers and booleans are summed as integers of 64 bits, unless there is nothing to sum.
        let counts = !self.dtype().is_float() && (self.rank() == 0 || self.shape() != sizes);
        let x = if counts { self.to(DType::I64) } else { self.clone() };
        x.sum_to(sizes)
    }
}
