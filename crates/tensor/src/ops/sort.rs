//! Order: `sort`, `argsort`, `topk`, `kthvalue`, `median`, `unique`, `searchsorted`.
//!
//! NaN is larger than all numbers, as in PyTorch. All sorts are stable, and where elements are equal `topk` and
//! `kthvalue` name the first ones; PyTorch leaves that open.

use crate::cpu::sort::{Part, SortKey, order, pick};
use crate::shape::{Shape, axis};
use crate::{DType, Tensor, bug, match_dtype};
use wengert_tensor_macros::profiled;

/// What [`Tensor::unique`] finds.
#[derive(Clone, Debug)]
pub struct Unique {
    /// The different values in ascending order.
    pub values: Tensor,
    /// For each element of the tensor, in its shape, where it stands in `values`.
    pub inverse: Tensor,
    /// How often each value occurs.
    pub counts: Tensor,
}

#[profiled]
impl Tensor {
    /// The elements along an axis in ascending order, and where each was. Equal elements keep their order.
    ///
    /// # Panics
    /// If the axis is out of range.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// let (values, indices) = tensor![3.0, f64::NAN, 1.0].sort(0);
    /// assert_eq!(values.to_string(), "tensor([1., 3., nan])");
    /// assert_eq!(indices.to_vec::<i64>(), [2, 0, 1]);
    /// ```
    #[track_caller]
    pub fn sort(&self, dim: isize) -> (Tensor, Tensor) {
        let d = axis("sort", dim, self.rank());
        ordered(self, d, Part::First(size(self, d)), false)
    }

    /// The elements along an axis in descending order, and where each was. Equal elements keep their order.
    ///
    /// # Panics
    /// If the axis is out of range.
    #[track_caller]
    pub fn sort_descending(&self, dim: isize) -> (Tensor, Tensor) {
        let d = axis("sort", dim, self.rank());
        ordered(self, d, Part::First(size(self, d)), true)
    }

    /// The positions along an axis that sort it in ascending order.
    ///
    /// # Panics
    /// If the axis is out of range.
    #[track_caller]
    pub fn argsort(&self, dim: isize) -> Tensor {
        self.sort(dim).1
    }

    /// The `k` largest elements along an axis, largest first, and where each was.
    ///
    /// # Panics
    /// If there are fewer than `k`, or the axis is out of range.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// let (values, indices) = tensor![1, 9, 4, 7].topk(2, 0);
    /// assert_eq!((values.to_vec::<i64>(), indices.to_vec::<i64>()), (vec![9, 7], vec![1, 3]));
    /// ```
    #[track_caller]
    pub fn topk(&self, k: usize, dim: isize) -> (Tensor, Tensor) {
        top(self, k, dim, true)
    }

    /// The `k` smallest elements along an axis, smallest first, and where each was: `topk(k, largest=False)`.
    ///
    /// # Panics
    /// If there are fewer than `k`, or the axis is out of range.
    #[track_caller]
    pub fn topk_smallest(&self, k: usize, dim: isize) -> (Tensor, Tensor) {
        top(self, k, dim, false)
    }

    /// The `k`-th smallest element along an axis, counted from 1, and where it was.
    ///
    /// # Panics
    /// If there is none, or the axis is out of range.
    #[track_caller]
    pub fn kthvalue(&self, k: usize, dim: isize) -> (Tensor, Tensor) {
        let d = axis("kthvalue", dim, self.rank());
        let n = size(self, d);
        if n == 0 {
            bug!("", "kthvalue(): Expected reduction dim {d} to have non-zero size.");
        }
        if k == 0 || k > n {
            bug!("", "kthvalue(): selected number k out of range for dimension {d}");
        }
        without(d, ordered(self, d, Part::At(k - 1), false))
    }

    /// The median of all elements; of two in the middle, the lower. NaN if one is NaN or there are none.
    ///
    /// # Panics
    /// If there are no elements and the dtype has no NaN.
    #[track_caller]
    pub fn median(&self) -> Tensor {
        if self.numel() == 0 {
            if !self.dtype().is_float() {
                bug!("median", "a tensor of {} without elements has no median", self.dtype());
            }
            return Tensor::full((), f64::NAN, self.dtype());
        }
        self.reshape([-1isize]).median_dim(0).0
    }

    /// The median along an axis, of two in the middle the lower, and where it was; the first NaN if there is one.
    ///
    /// # Panics
    /// If the axis is empty or out of range.
    #[track_caller]
    pub fn median_dim(&self, dim: isize) -> (Tensor, Tensor) {
        let d = axis("median", dim, self.rank());
        let n = size(self, d);
        if n == 0 {
            bug!("", "median(): Expected reduction dim {d} to have non-zero size.");
        }
        let (values, indices) = without(d, ordered(self, d, Part::At((n - 1) / 2), false));
        if !self.dtype().is_float() {
            return (values, indices);
        }
        // A NaN comes last in order, and first here.
        let nan = without(d, ordered(self, d, Part::At(n - 1), false)).0.isnan();
        if nan.any(()).item::<bool>() {
            let at = nan.where_(first_nan(self, d), &indices);
            return (nan.where_(f64::NAN, &values).to(self.dtype()), at);
        }
        (values, indices)
    }

    /// The different elements in ascending order, where each element went, and how often each occurs. Every NaN is
    /// different from the others.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// let found = tensor![3, 1, 3].unique();
    /// assert_eq!(found.values.to_vec::<i64>(), [1, 3]);
    /// assert_eq!(found.inverse.to_vec::<i64>(), [1, 0, 1]);
    /// assert_eq!(found.counts.to_vec::<i64>(), [1, 2]);
    /// ```
    pub fn unique(&self) -> Unique {
        let (sorted, order) = self.reshape([-1isize]).sort(0);
        let order = order.to_vec::<i64>();
        let mut inverse = vec![0i64; order.len()];
        let mut counts: Vec<i64> = Vec::new();
        let values = match_dtype!(self.dtype(), T => {
            let mut values: Vec<T> = Vec::new();
            for (&v, &at) in sorted.as_slice::<T>().expect("sort gives contiguous tensors").iter().zip(&order) {
                if values.last() == Some(&v) {
                    *counts.last_mut().expect("one count per value") += 1;
                } else {
                    values.push(v);
                    counts.push(1);
                }
                inverse[at as usize] = values.len() as i64 - 1;
            }
            let len = values.len();
            Tensor::from_vec(values, [len])
        });
        let len = counts.len();
        Unique { values, inverse: Tensor::from_vec(inverse, self.shape()), counts: Tensor::from_vec(counts, [len]) }
    }

    /// For each value the first position in this ascending sequence that is not below it: where it would go to keep the
    /// order, in front of its equals. The sequence is a vector, or has one row for each row of `values`.
    ///
    /// # Panics
    /// If the leading axes differ.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// let bounds = tensor![1.0, 2.0, 2.0, 3.0];
    /// assert_eq!(bounds.searchsorted(&tensor![2.0, 9.0]).to_vec::<i64>(), [1, 4]);
    /// assert_eq!(bounds.searchsorted_right(&tensor![2.0, 9.0]).to_vec::<i64>(), [3, 4]);
    /// ```
    #[track_caller]
    pub fn searchsorted(&self, values: &Tensor) -> Tensor {
        search(self, values, Side::Left)
    }

    /// As [`Tensor::searchsorted`], but behind its equals.
    ///
    /// # Panics
    /// If the leading axes differ.
    #[track_caller]
    pub fn searchsorted_right(&self, values: &Tensor) -> Tensor {
        search(self, values, Side::Right)
    }
}

/// The size of an axis; 1 for rank 0.
fn size(x: &Tensor, d: usize) -> usize {
    x.shape().get(d).copied().unwrap_or(1)
}

/// Drops axis `d` of size 1 from both.
fn without(d: usize, (values, indices): (Tensor, Tensor)) -> (Tensor, Tensor) {
    if values.rank() == 0 {
        return (values, indices);
    }
    (values.select(d as isize, 0), indices.select(d as isize, 0))
}

#[track_caller]
fn top(x: &Tensor, k: usize, dim: isize, largest: bool) -> (Tensor, Tensor) {
    let d = axis("topk", dim, x.rank());
    if k > size(x, d) {
        bug!("topk", "selected index k out of range");
    }
    ordered(x, d, Part::First(k), largest)
}

/// The chosen part of an axis in order, and its positions, in the place of the axis.
fn ordered(x: &Tensor, d: usize, part: Part, descending: bool) -> (Tensor, Tensor) {
    if x.rank() == 0 {
        return (x.copy(), Tensor::zeros((), DType::I64));
    }
    // The axis goes to the end, where its elements lie side by side.
    let last = x.rank() as isize - 1;
    let rows = x.transpose(d as isize, last).contiguous();
    let (n, len) = (x.shape()[d], part.len());
    let mut shape = Shape::from_slice(rows.shape());
    shape[last as usize] = len;
    match_dtype!(x.dtype(), T => {
        let data = rows.as_slice::<T>().expect("just made contiguous");
        let indices = Tensor::build(&shape, |out: &mut [i64]| order(data, n, part, descending, out));
        let places = indices.as_slice::<i64>().expect("just built");
        let values = Tensor::build(&shape, |out: &mut [T]| pick(data, n, places, len, out));
        (values.transpose(d as isize, last).contiguous(), indices.transpose(d as isize, last).contiguous())
    })
}

/// The position of the first NaN of each row along an axis, 0 where there is none.
fn first_nan(x: &Tensor, d: usize) -> Tensor {
    let rows = if x.rank() == 0 { x.reshape([1usize]) } else { x.transpose(d as isize, -1).contiguous() };
    let n = rows.shape()[rows.rank() - 1];
    let mut shape = Shape::from_slice(&rows.shape()[..rows.rank() - 1]);
    shape.push(1);
    let found = match_dtype!(x.dtype(), T => Tensor::build(shape, |out: &mut [i64]| {
        let data = rows.as_slice::<T>().expect("just made contiguous").chunks_exact(n);
        out.iter_mut().zip(data).for_each(|(place, row)| {
            *place = row.iter().position(|v| v.is_nan()).unwrap_or(0) as i64;
        });
    }));
    if x.rank() == 0 { found.reshape(()) } else { found.transpose(d as isize, -1).select(d as isize, 0) }
}

/// On which side of its equals a value goes.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Left,
    Right,
}

#[track_caller]
fn search(bounds: &Tensor, values: &Tensor, side: Side) -> Tensor {
    const OP: &str = "torch.searchsorted()";
    if values.rank() == 0 && bounds.rank() != 1 {
        bug!(
            OP,
            "input value can be a scalar only when boundaries tensor dimension is 1, but we got boundaries tensor dim({}) \
             and input value's dim(0) numel(1)",
            bounds.rank()
        );
    }
    if bounds.rank() == 0 {
        bug!(OP, "boundaries tensor should have positive dimension, but got 0 dimension");
    }
    let lead = |x: &Tensor| Shape::from_slice(&x.shape()[..x.rank() - 1]);
    if bounds.rank() != 1 && (bounds.rank() != values.rank() || lead(bounds) != lead(values)) {
        bug!(
            OP,
            "boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and input value tensor \
             must match, but we got boundaries tensor {:?} and input value tensor {:?}",
            bounds.shape(),
            values.shape()
        );
    }
    let dtype = bounds.dtype().promote(values.dtype());
    let (bounds, values) = (bounds.to(dtype).contiguous(), values.to(dtype).contiguous());
    let n = bounds.shape()[bounds.rank() - 1];
    let per_row = if bounds.rank() == 1 { usize::MAX } else { values.shape()[values.rank() - 1] };
    match_dtype!(dtype, T => Tensor::build(values.shape(), |out: &mut [i64]| {
        let bounds = bounds.as_slice::<T>().expect("just made contiguous");
        let values = values.as_slice::<T>().expect("just made contiguous");
        for (k, (place, v)) in out.iter_mut().zip(values).enumerate() {
            let row = &bounds[k / per_row * n..][..n];
            // A NaN is above all, and `>=` says so for none: hence the negations. Halving as PyTorch does, which shows where
            // the sequence is not sorted.
            let (mut start, mut end) = (0, n);
            while start < end {
                let middle = start + (end - start) / 2;
                let before = match side {
                    Side::Left => row[middle].partial_cmp(v).is_none_or(|o| o.is_lt()),
                    Side::Right => row[middle].partial_cmp(v).is_none_or(|o| o.is_le()),
                };
                if before { start = middle + 1 } else { end = middle }
            }
            *place = start as i64;
        }
    }))
}
