//! Views: other shapes, orders and parts of the same memory. Nothing here copies, except `reshape` where it must and
//! `flip`, which PyTorch copies too.

use crate::shape::{Axes, IntoShape, Shape, axis, numel};
use crate::{Tensor, bug};
use wengert_tensor_macros::profiled;

/// Target sizes that may hold one `-1`, "what is left".
pub trait IntoSizes {
    /// The sizes as given.
    fn into_sizes(self) -> smallvec::SmallVec<[isize; 6]>;
}
macro_rules! into_sizes {
    ($($ty:ty),*) => {
        $(
            impl<const N: usize> IntoSizes for [$ty; N] {
                fn into_sizes(self) -> smallvec::SmallVec<[isize; 6]> { self.iter().map(|&s| s as isize).collect() }
            }
            impl IntoSizes for &[$ty] {
                fn into_sizes(self) -> smallvec::SmallVec<[isize; 6]> { self.iter().map(|&s| s as isize).collect() }
            }
            impl IntoSizes for Vec<$ty> {
                fn into_sizes(self) -> smallvec::SmallVec<[isize; 6]> { self.iter().map(|&s| s as isize).collect() }
            }
        )*
    };
}
into_sizes!(usize, isize, i32);
impl IntoSizes for Shape {
    fn into_sizes(self) -> smallvec::SmallVec<[isize; 6]> {
        self.iter().map(|&s| s as isize).collect()
    }
}
impl IntoSizes for &Shape {
    fn into_sizes(self) -> smallvec::SmallVec<[isize; 6]> {
        self.iter().map(|&s| s as isize).collect()
    }
}
impl IntoSizes for () {
    fn into_sizes(self) -> smallvec::SmallVec<[isize; 6]> {
        smallvec::SmallVec::new()
    }
}

/// Replaces a `-1` among target sizes by what is left of `count` elements.
#[track_caller]
fn infer(sizes: &[isize], count: usize) -> Shape {
    let shown = || format!("{sizes:?}");
    let mut hole = None;
    let mut known = 1usize;
    for (i, &size) in sizes.iter().enumerate() {
        match size {
            -1 if hole.is_some() => bug!("", "only one dimension can be inferred"),
            -1 => hole = Some(i),
            s if s < 0 => bug!("", "invalid shape dimension {s}"),
            s => known = known.saturating_mul(s as usize),
        }
    }
    let mut shape: Shape = sizes.iter().map(|&s| s.max(0) as usize).collect();
    match hole {
        Some(_) if known == 0 && count == 0 => bug!(
            "",
            "cannot reshape tensor of 0 elements into shape {} because the unspecified dimension size -1 can be any value \
             and is ambiguous",
            shown()
        ),
        Some(i) if known > 0 && count.is_multiple_of(known) => shape[i] = count / known,
        None if known == count => {}
        _ => bug!("", "shape '{}' is invalid for input of size {count}", shown()),
    }
    shape
}

#[profiled]
impl Tensor {
    /// The same elements under another shape, without a copy. One size may be `-1`.
    ///
    /// # Panics
    /// If the sizes do not fit, or if strides cannot express the view; then use [`Tensor::reshape`].
    #[track_caller]
    pub fn view(&self, sizes: impl IntoSizes) -> Tensor {
        let shape = infer(&sizes.into_sizes(), self.numel());
        match self.layout().view(&shape) {
            Some(layout) => self.with_layout(layout),
            None => bug!(
                "",
                "view size is not compatible with input tensor's size and stride (at least one dimension spans across \
                 two contiguous subspaces). Use .reshape(...) instead."
            ),
        }
    }

    /// The same elements under another shape; a view where possible, else a copy. One size may be `-1`.
    ///
    /// # Panics
    /// If the sizes do not fit.
    #[track_caller]
    pub fn reshape(&self, sizes: impl IntoSizes) -> Tensor {
        let shape = infer(&sizes.into_sizes(), self.numel());
        match self.layout().view(&shape) {
            Some(layout) => self.with_layout(layout),
            None => {
                let copy = self.copy();
                let layout = copy.layout().view(&shape).expect("a contiguous tensor has every view");
                copy.with_layout(layout)
            }
        }
    }

    /// Exchanges two axes.
    ///
    /// # Panics
    /// If an axis is out of range.
    #[doc(alias = "swapdims")]
    #[track_caller]
    pub fn transpose(&self, dim0: isize, dim1: isize) -> Tensor {
        let (a, b) = (axis("transpose", dim0, self.rank()), axis("transpose", dim1, self.rank()));
        if self.rank() == 0 {
            return self.clone();
        }
        let mut order: Axes = (0..self.rank()).collect();
        order.swap(a, b);
        self.with_layout(self.layout().permute(&order))
    }

    /// The transpose of a matrix; a vector or scalar is itself.
    ///
    /// # Panics
    /// If the rank is above 2.
    #[track_caller]
    pub fn t(&self) -> Tensor {
        match self.rank() {
            0 | 1 => self.clone(),
            2 => self.transpose(0, 1),
            rank => bug!("", "t() expects a tensor with <= 2 dimensions, but self is {rank}D"),
        }
    }

    /// Axes in another order.
    ///
    /// # Panics
    /// If `dims` is not a permutation of the axes.
    #[track_caller]
    pub fn permute(&self, dims: impl AsRef<[isize]>) -> Tensor {
        let dims = dims.as_ref();
        if dims.len() != self.rank() {
            bug!(
                "",
                "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired \
                 ordering of dimensions i.e. input.dim() = {} is not equal to len(dims) = {}",
                self.rank(),
                dims.len()
            );
        }
        let mut order = Axes::new();
        for &dim in dims {
            let index = axis("permute", dim, self.rank());
            if order.contains(&index) {
                bug!("", "permute(): duplicate dims are not allowed.");
            }
            order.push(index);
        }
        self.with_layout(self.layout().permute(&order))
    }

    /// Repeats axes of size 1 to the given sizes, and adds leading axes, without a copy. `-1` keeps a size.
    ///
    /// # Panics
    /// If a size other than 1 would change.
    #[track_caller]
    pub fn expand(&self, sizes: impl IntoSizes) -> Tensor {
        self.expand_to(&sizes.into_sizes())
    }

    #[track_caller]
    fn expand_to(&self, sizes: &[isize]) -> Tensor {
        if sizes.len() < self.rank() {
            bug!(
                "",
                "expand(torch.{}Tensor{{{:?}}}, size={:?}): the number of sizes provided ({}) must be greater or equal \
                 to the number of dimensions in the tensor ({})",
                self.dtype().legacy_name(),
                self.shape(),
                sizes,
                sizes.len(),
                self.rank()
            );
        }
        let lead = sizes.len() - self.rank();
        let mut shape = Shape::new();
        for (i, &size) in sizes.iter().enumerate() {
            let own = i.checked_sub(lead).map(|j| self.shape()[j]);
            let target = match (size, own) {
                (-1, Some(own)) => own,
                (-1, None) => bug!(
                    "",
                    "The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension {i}"
                ),
                (s, _) if s < 0 => bug!("", "invalid shape dimension {s}"),
                (s, Some(own)) if own != 1 && own != s as usize => bug!(
                    "",
                    "The expanded size of the tensor ({s}) must match the existing size ({own}) at non-singleton \
                     dimension {i}.  Target sizes: {:?}.  Tensor sizes: {:?}",
                    sizes,
                    self.shape()
                ),
                (s, _) => s as usize,
            };
            shape.push(target);
        }
        let layout = self.layout().expand(&shape).expect("sizes were checked above");
        self.with_layout(layout)
    }

    /// Repeats to another tensor's shape; see [`Tensor::expand`].
    #[track_caller]
    pub fn expand_as(&self, other: &Tensor) -> Tensor {
        self.expand(other.shape())
    }

    /// Repeats to the given shape by the broadcasting rule; see [`Tensor::expand`].
    #[track_caller]
    pub fn broadcast_to(&self, shape: impl IntoShape) -> Tensor {
        self.expand(shape.into_shape())
    }

    /// `len` elements of an axis from `start` on; a negative start counts from the end.
    ///
    /// # Panics
    /// If the range leaves the axis.
    #[track_caller]
    pub fn narrow(&self, dim: isize, start: isize, len: usize) -> Tensor {
        if self.rank() == 0 {
            bug!("", "narrow() cannot be applied to a 0-dim tensor.");
        }
        let d = axis("narrow", dim, self.rank());
        let size = self.shape()[d];
        if start < -(size as isize) || start > size as isize {
            bug!("", "start out of range (expected to be in range of [{}, {size}], but got {start})", -(size as isize));
        }
        let from = if start < 0 { (start + size as isize) as usize } else { start as usize };
        if from.checked_add(len).is_none_or(|end| end > size) {
            bug!("", "start ({from}) + length ({len}) exceeds dimension size ({size}).");
        }
        self.with_layout(self.layout().slice(d, from, len, 1))
    }

    /// Elements `start, start+step, …` of an axis below `end`, as Python's `x[start:end:step]`: bounds are clamped,
    /// negative ones count from the end.
    ///
    /// # Panics
    /// If `step` is 0.
    #[track_caller]
    pub fn slice(&self, dim: isize, start: Option<isize>, end: Option<isize>, step: usize) -> Tensor {
        if self.rank() == 0 {
            bug!("", "slice() cannot be applied to a 0-dim tensor.");
        }
        if step == 0 {
            bug!("", "slice step must be positive");
        }
        let d = axis("slice", dim, self.rank());
        let size = self.shape()[d] as isize;
        let clamp = |x: isize| (if x < 0 { x + size } else { x }).clamp(0, size);
        let from = clamp(start.unwrap_or(0));
        let to = clamp(end.unwrap_or(size)).max(from);
        let len = (to - from) as usize;
        self.with_layout(self.layout().slice(d, from as usize, len.div_ceil(step), step as isize))
    }

    /// One index of an axis, which disappears; negative counts from the end.
    ///
    /// # Panics
    /// If the index or the axis is out of range.
    #[track_caller]
    pub fn select(&self, dim: isize, index: isize) -> Tensor {
        if self.rank() == 0 {
            bug!("", "select() cannot be applied to a 0-dim tensor.");
        }
        let d = axis("select", dim, self.rank());
        let size = self.shape()[d] as isize;
        if index < -size || index >= size {
            bug!("", "index {index} is out of bounds for dimension {d} with size {size}");
        }
        self.with_layout(self.layout().select(d, (if index < 0 { index + size } else { index }) as usize))
    }

    /// The parts along the first axis, as iterating over a tensor gives them in Python.
    ///
    /// # Panics
    /// If the rank is 0.
    #[track_caller]
    pub fn unbind(&self, dim: isize) -> Vec<Tensor> {
        if self.rank() == 0 {
            bug!("", "Dimension specified as {dim} but tensor has no dimensions");
        }
        let d = axis("unbind", dim, self.rank());
        (0..self.shape()[d]).map(|i| self.with_layout(self.layout().select(d, i))).collect()
    }

    /// Drops the axes of size 1 among `dims`, or all of them if `dims` is empty.
    ///
    /// # Panics
    /// If an axis is out of range.
    #[track_caller]
    pub fn squeeze(&self, dims: impl AsRef<[isize]>) -> Tensor {
        let chosen = crate::shape::axes("squeeze", dims.as_ref(), self.rank());
        let mut layout = self.layout().clone();
        for &d in chosen.iter().rev() {
            if layout.shape()[d] == 1 {
                layout = layout.squeeze(d);
            }
        }
        self.with_layout(layout)
    }

    /// Inserts an axis of size 1 at `dim`.
    ///
    /// # Panics
    /// If `dim` is out of range.
    #[track_caller]
    pub fn unsqueeze(&self, dim: isize) -> Tensor {
        let d = axis("unsqueeze", dim, self.rank() + 1);
        self.with_layout(self.layout().unsqueeze(d))
    }

    /// Joins the axes from `start` to `end` (inclusive) into one; a scalar becomes a vector of one element.
    ///
    /// # Panics
    /// If an axis is out of range or `start` comes after `end`.
    #[track_caller]
    pub fn flatten(&self, start: isize, end: isize) -> Tensor {
        let (a, b) = (axis("flatten", start, self.rank()), axis("flatten", end, self.rank()));
        if a > b {
            bug!("", "flatten() has invalid args: start_dim cannot come after end_dim");
        }
        if self.rank() == 0 {
            return self.reshape([1usize]);
        }
        let mut shape = Shape::from_slice(&self.shape()[..a]);
        shape.push(numel(&self.shape()[a..=b]));
        shape.extend_from_slice(&self.shape()[b + 1..]);
        self.reshape(shape)
    }

    /// Splits one axis into several; one of `sizes` may be `-1`.
    ///
    /// # Panics
    /// If the sizes do not multiply to the axis.
    #[track_caller]
    pub fn unflatten(&self, dim: isize, sizes: impl IntoSizes) -> Tensor {
        let d = axis("unflatten", dim, self.rank());
        let (sizes, own) = (sizes.into_sizes(), self.shape()[d]);
        if sizes.is_empty() {
            bug!("unflatten", "sizes must be non-empty");
        }
        let known: isize = sizes.iter().filter(|&&size| size != -1).product();
        let left = sizes.iter().filter(|&&size| size == -1).count();
        if left == 0 && known != own as isize || left == 1 && (known <= 0 || own as isize % known != 0) {
            bug!(
                "unflatten",
                "Provided sizes {:?} don't multiply up to the size of dim {d} ({own}) in the input tensor",
                &sizes[..]
            );
        }
        let parts = infer(&sizes, own);
        let mut shape = Shape::from_slice(&self.shape()[..d]);
        shape.extend_from_slice(&parts);
        shape.extend_from_slice(&self.shape()[d + 1..]);
        self.reshape(shape)
    }

    /// Reverses the order along the given axes; a copy, as in PyTorch.
    ///
    /// # Panics
    /// If an axis is out of range or occurs twice.
    #[track_caller]
    pub fn flip(&self, dims: impl AsRef<[isize]>) -> Tensor {
        let mut layout = self.layout().clone();
        if !dims.as_ref().is_empty() {
            for &d in &crate::shape::axes("flip", dims.as_ref(), self.rank()) {
                let size = layout.shape()[d];
                layout = layout.slice(d, size.saturating_sub(1), size, -1);
            }
        }
        self.with_layout(layout).copy()
    }

    /// Parts of `size` along an axis; the last may be shorter.
    ///
    /// # Panics
    /// If `size` is 0 (unless the axis is empty) or the axis is out of range.
    #[track_caller]
    pub fn split(&self, size: usize, dim: isize) -> Vec<Tensor> {
        if self.rank() == 0 {
            bug!("", "split expects at least a 1-dimensional tensor");
        }
        let d = axis("split", dim, self.rank());
        let total = self.shape()[d];
        if size == 0 && total != 0 {
            bug!("", "split_size can only be 0 if dimension size is 0, but got dimension size of {total}");
        }
        let count = if size == 0 { 1 } else { total.div_ceil(size).max(1) };
        (0..count)
            .map(|i| self.with_layout(self.layout().slice(d, (i * size).min(total), size.min(total - i * size), 1)))
            .collect()
    }

    /// Parts of the given sizes along an axis.
    ///
    /// # Panics
    /// If the sizes do not add up to the axis.
    #[track_caller]
    pub fn split_with_sizes(&self, sizes: &[usize], dim: isize) -> Vec<Tensor> {
        if self.rank() == 0 {
            bug!("", "split expects at least a 1-dimensional tensor");
        }
        let d = axis("split", dim, self.rank());
        let total = self.shape()[d];
        if sizes.iter().sum::<usize>() != total {
            bug!(
                "",
                "split_with_sizes expects split_sizes to sum exactly to {total} (input tensor's size at dimension {d}), \
                 but got split_sizes={sizes:?}"
            );
        }
        let mut start = 0;
        sizes
            .iter()
            .map(|&size| {
                let part = self.with_layout(self.layout().slice(d, start, size, 1));
                start += size;
                part
            })
            .collect()
    }

    /// At most `chunks` parts of equal size along an axis; the last may be shorter, and there may be fewer.
    ///
    /// # Panics
    /// If `chunks` is 0 or the axis is out of range.
    #[track_caller]
    pub fn chunk(&self, chunks: usize, dim: isize) -> Vec<Tensor> {
        if self.rank() == 0 {
            bug!("", "chunk expects at least a 1-dimensional tensor");
        }
        if chunks == 0 {
            bug!("", "chunk expects `chunks` to be greater than 0, got: 0");
        }
        let d = axis("chunk", dim, self.rank());
        let total = self.shape()[d];
        if total == 0 {
            return vec![self.clone(); chunks];
        }
        self.split(total.div_ceil(chunks), dim)
    }

    /// The diagonal of the last two of the chosen axes as a view: elements `x[i, i + offset]`, appended as last axis.
    ///
    /// # Panics
    /// If an axis is out of range or both are the same.
    #[track_caller]
    pub fn diagonal(&self, offset: isize, dim1: isize, dim2: isize) -> Tensor {
        let (a, b) = (axis("diagonal", dim1, self.rank()), axis("diagonal", dim2, self.rank()));
        if a == b {
            bug!("", "diagonal dimensions cannot be identical {dim1}, {dim2}");
        }
        let (rows, cols) = (self.shape()[a] as isize, self.shape()[b] as isize);
        let (skip_rows, skip_cols) = ((-offset).max(0), offset.max(0));
        let len = (rows - skip_rows).min(cols - skip_cols).max(0) as usize;
        let cut = if len == 0 {
            self.layout().clone()
        } else {
            self.layout().slice(a, skip_rows as usize, len, 1).slice(b, skip_cols as usize, len, 1)
        };
        let mut shape = Shape::new();
        let mut strides = crate::shape::Strides::new();
        for i in (0..self.rank()).filter(|&i| i != a && i != b) {
            shape.push(cut.shape()[i]);
            strides.push(cut.strides()[i]);
        }
        shape.push(len);
        strides.push(cut.strides()[a] + cut.strides()[b]);
        let layout = crate::Layout::new(shape, strides, cut.offset(), self.storage().len())
            .expect("a diagonal stays inside its tensor");
        self.with_layout(layout)
    }
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    fn iota(shape: &[usize]) -> Tensor {
        let n: usize = shape.iter().product();
        Tensor::from_vec((0..n as i64).collect(), shape)
    }

    #[test]
    fn views_name_the_right_elements() {
        let x = iota(&[2, 3, 4]);
        assert_eq!(x.permute([2, 0, 1]).to_vec::<i64>()[..4], [0, 4, 8, 12]);
        assert_eq!(x.select(1, -1).to_vec::<i64>(), [8, 9, 10, 11, 20, 21, 22, 23]);
        assert_eq!(x.slice(2, Some(1), None, 2).to_vec::<i64>()[..4], [1, 3, 5, 7]);
        assert_eq!(x.flip([0, 2]).to_vec::<i64>()[..4], [15, 14, 13, 12]);
        assert_eq!(x.transpose(0, 1).reshape([6, 4]).select(0, 1).to_vec::<i64>(), [12, 13, 14, 15]);
        assert_eq!(x.diagonal(1, 0, 2).shape(), [3, 2]);
        assert_eq!(x.diagonal(1, 0, 2).to_vec::<i64>(), [1, 14, 5, 18, 9, 22]);
        assert_eq!(x.flatten(1, -1).shape(), [2, 12]);
        assert_eq!(x.split(2, 1)[1].shape(), [2, 1, 4]);
        assert_eq!(x.chunk(3, 2).len(), 2);
    }

    #[test]
    fn view_needs_compatible_strides() {
        let x = iota(&[4, 6]).transpose(0, 1);
        assert_eq!(x.view([3, 2, 4]).strides(), [2, 1, 6]);
        assert!(std::panic::catch_unwind(|| iota(&[2, 3]).t().view([6])).is_err());
    }

    #[test]
    fn no_write_shows_through_another_tensor() {
        let x = iota(&[2, 3]);
        let mut y = x.select(0, 0);
        y.as_mut_slice::<i64>()[0] = 100;
        assert_eq!(x.to_vec::<i64>()[0], 0);
        let mut z = x.clone();
        z.as_mut_slice::<i64>().fill(7);
        assert_eq!(x.to_vec::<i64>(), [0, 1, 2, 3, 4, 5]);
    }
}
