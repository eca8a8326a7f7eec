//! Joining and repeating: `cat`, `stack`, `repeat`, `repeat_interleave`, `tile`, `roll`.

use crate::shape::{Shape, axis};
use crate::{DType, IntoDims, Tensor, bug};
use std::borrow::Borrow;
use wengert_tensor_macros::profiled;

#[profiled]
impl Tensor {
    /// Joins tensors along an axis. Dtypes promote; sizes agree on all other axes, except that tensors of shape `[0]`
    /// are skipped, as PyTorch does for old programs.
    ///
    /// # Panics
    /// If there are none, one has rank 0, or ranks or sizes differ.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::{Tensor, tensor};
    /// let (a, b) = (tensor![[1, 2]], tensor![[3, 4], [5, 6]]);
    /// assert_eq!(Tensor::cat(&[&a, &b], 0).shape(), [3, 2]);
    /// ```
    #[doc(alias = "concat")]
    #[doc(alias = "concatenate")]
    #[track_caller]
    pub fn cat(tensors: &[impl Borrow<Tensor>], dim: isize) -> Tensor {
        let tensors: Vec<&Tensor> = tensors.iter().map(Borrow::borrow).collect();
        Tensor::cat_of(&tensors, dim)
    }

    #[track_caller]
    fn cat_of(tensors: &[&Tensor], dim: isize) -> Tensor {
        if tensors.is_empty() {
            bug!("", "torch.cat(): expected a non-empty list of Tensors");
        }
        let mut dtype = tensors[0].dtype();
        for (i, x) in tensors.iter().enumerate() {
            if x.rank() == 0 {
                bug!("cat", "zero-dimensional tensor (at position {i}) cannot be concatenated");
            }
            dtype = dtype.promote(x.dtype());
        }
        let skipped = |x: &Tensor| x.shape() == [0];
        let Some(first) = tensors.iter().find(|x| !skipped(x)) else {
            return Tensor::zeros([0], dtype);
        };
        let d = axis("cat", dim, first.rank());
        let mut parts = Vec::with_capacity(tensors.len());
        let mut total = 0;
        for (i, x) in tensors.iter().enumerate().filter(|(_, x)| !skipped(x)) {
            if x.rank() != first.rank() {
                bug!("cat", "Tensors must have same number of dimensions: got {} and {}", first.rank(), x.rank());
            }
            for k in (0..x.rank()).filter(|&k| k != d) {
                let (expected, found) = (first.shape()[k], x.shape()[k]);
                if expected != found {
                    bug!(
                        "cat",
                        "Sizes of tensors must match except in dimension {d}. Expected size {expected} but got size \
                         {found} for tensor number {i} in the list."
                    );
                }
            }
            total += x.shape()[d];
            parts.push(x.to(dtype));
        }
        let mut shape = Shape::from_slice(first.shape());
        shape[d] = total;
        crate::cpu::index::join(&parts, d, shape)
    }

    /// Joins tensors of one shape along a new axis. Dtypes promote.
    ///
    /// # Panics
    /// If there are none or their shapes differ.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::{Tensor, tensor};
    /// assert_eq!(Tensor::stack(&[tensor![1, 2], tensor![3, 4]], 1).to_vec::<i64>(), [1, 3, 2, 4]);
    /// ```
    #[track_caller]
    pub fn stack(tensors: &[impl Borrow<Tensor>], dim: isize) -> Tensor {
        let Some(first) = tensors.first().map(Borrow::borrow) else {
            bug!("", "stack expects a non-empty TensorList");
        };
        let d = axis("stack", dim, first.rank() + 1) as isize;
        for (i, x) in tensors.iter().map(Borrow::borrow).enumerate() {
            if x.shape() != first.shape() {
                bug!(
                    "",
                    "stack expects each tensor to be equal size, but got {:?} at entry 0 and {:?} at entry {i}",
                    first.shape(),
                    x.shape()
                );
            }
        }
        let parts: Vec<Tensor> = tensors.iter().map(|x| x.borrow().unsqueeze(d)).collect();
        Tensor::cat(&parts, d)
    }

    /// The tensor over again, `repeats[i]` times along axis `i`; more repeats than axes add leading axes.
    ///
    /// # Panics
    /// If there are fewer repeats than axes.
    #[track_caller]
    pub fn repeat(&self, repeats: &[usize]) -> Tensor {
        let Some(lead) = repeats.len().checked_sub(self.rank()) else {
            bug!(
                "repeat",
                "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor"
            );
        };
        // Each axis becomes a pair (repeat, size); the copy at the end lays them out one behind the other.
        let mut pairs = Shape::new();
        let mut view = Shape::new();
        let mut shape = Shape::new();
        for (i, &times) in repeats.iter().enumerate() {
            let size = if i < lead { 1 } else { self.shape()[i - lead] };
            view.extend([1, size]);
            pairs.extend([times, size]);
            shape.push(times * size);
        }
        self.reshape(view).expand(pairs).copy().reshape(shape)
    }

    /// As [`Tensor::repeat`], but with fewer repeats than axes allowed: they count from the last axis.
    #[track_caller]
    pub fn tile(&self, repeats: &[usize]) -> Tensor {
        let mut all = vec![1; self.rank().saturating_sub(repeats.len())];
        all.extend_from_slice(repeats);
        self.repeat(&all)
    }

    /// Each element of an axis `repeats` times in a row.
    ///
    /// # Panics
    /// If the axis is out of range.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// assert_eq!(tensor![1, 2].repeat_interleave(2, 0).to_vec::<i64>(), [1, 1, 2, 2]);
    /// ```
    #[track_caller]
    pub fn repeat_interleave(&self, repeats: usize, dim: isize) -> Tensor {
        let d = axis("repeat_interleave", dim, self.rank());
        let x = if self.rank() == 0 { self.reshape([1usize]) } else { self.clone() };
        let mut shape = Shape::from_slice(x.shape());
        let mut spread = shape.clone();
        shape[d] *= repeats;
        spread.insert(d + 1, repeats);
        x.unsqueeze(d as isize + 1).expand(spread).copy().reshape(shape)
    }

    /// Element `i` of an axis `repeats[i]` times in a row; one repeat serves all.
    ///
    /// # Panics
    /// If `repeats` is not a vector of integers, not negative, one per element of the axis.
    #[track_caller]
    pub fn repeat_interleave_each(&self, repeats: &Tensor, dim: isize) -> Tensor {
        const OP: &str = "repeat_interleave";
        let x = if self.rank() == 0 { self.reshape([1usize]) } else { self.clone() };
        let d = axis(OP, dim, x.rank());
        if repeats.rank() > 1 {
            bug!(OP, "repeats must be 0-dim or 1-dim tensor");
        }
        if !matches!(repeats.dtype(), DType::I64 | DType::I32) {
            bug!(OP, "repeats has to be Long or Int tensor");
        }
        let mut times = repeats.to_vec::<i64>();
        let size = x.shape()[d];
        if times.len() == 1 {
            times = vec![times[0]; size];
        }
        if times.len() != size {
            bug!(
                OP,
                "repeats must have the same size as input along dim, but got repeats.size(0) = {} and input.size({d}) = \
                 {size}",
                times.len()
            );
        }
        if times.iter().any(|&t| t < 0) {
            bug!(OP, "repeats can not be negative");
        }
        let index: Vec<i64> =
            times.iter().enumerate().flat_map(|(i, &t)| std::iter::repeat_n(i as i64, t as usize)).collect();
        let len = index.len();
        x.index_select(d as isize, &Tensor::from_vec(index, [len]))
    }

    /// The elements moved on by `shifts[i]` places along axis `dims[i]`; what leaves at the end comes in at the start.
    /// Without axes there is one shift, of the elements in C order.
    ///
    /// # Panics
    /// If there are not as many shifts as axes, or an axis is out of range.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// assert_eq!(tensor![1, 2, 3].roll(1, 0).to_vec::<i64>(), [3, 1, 2]);
    /// ```
    #[track_caller]
    pub fn roll(&self, shifts: impl IntoDims, dims: impl IntoDims) -> Tensor {
        self.roll_by(&shifts.into_dims(), &dims.into_dims())
    }

    #[track_caller]
    fn roll_by(&self, shifts: &[isize], dims: &[isize]) -> Tensor {
        if shifts.len() == 1 && dims.is_empty() {
            return self.reshape([-1isize]).roll(shifts[0], 0).reshape(self.shape());
        }
        if shifts.len() != dims.len() || shifts.is_empty() {
            bug!("roll", "shifts and dimensions must align. shifts: {}, dims:{}", shifts.len(), dims.len());
        }
        if self.rank() == 0 {
            bug!("roll", "Dimension specified as {} but tensor has no dimensions", dims[0]);
        }
        let mut out = self.clone();
        for (&shift, &dim) in shifts.iter().zip(dims) {
            let d = axis("roll", dim, self.rank());
            let size = self.shape()[d];
            if size > 0 {
                let cut = (-shift).rem_euclid(size as isize) as usize;
                let parts = [out.narrow(dim, cut as isize, size - cut), out.narrow(dim, 0, cut)];
                out = Tensor::cat(&parts, d as isize);
            }
        }
        // PyTorch gives memory of its own even where nothing moves; here values cannot tell.
        out
    }
}
