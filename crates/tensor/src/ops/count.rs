//! Small constructions over integers and matrices: `one_hot`, `bincount`, `tril`, `triu`, `diag`, `trace`, `meshgrid`.

use crate::cpu::index::clip_rows;
use crate::shape::Shape;
use crate::{DType, Element, Tensor, bug, match_dtype};
use std::borrow::Borrow;
use std::ops::Range;
use wengert_tensor_macros::profiled;

#[profiled]
impl Tensor {
    /// For each class number a row of `classes` numbers that are 0, but 1 at the class; `i64`, one axis more. `None` stands
    /// for as many classes as the largest number needs.
    ///
    /// # Panics
    /// If a class is negative or not below `classes`, the dtype is not `i64`, or there is no class to count by.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// assert_eq!(tensor![2, 0].one_hot(3).to_vec::<i64>(), [0, 0, 1, 1, 0, 0]);
    /// assert_eq!(tensor![1, 0].one_hot(None).shape(), [2, 2]);
    /// ```
    #[track_caller]
    pub fn one_hot(&self, classes: impl Into<Option<usize>>) -> Tensor {
        const OP: &str = "one_hot";
        if self.dtype() != DType::I64 {
            bug!("", "one_hot is only applicable to index tensor of type LongTensor.");
        }
        let targets = self.to_vec::<i64>();
        if let Some(class) = targets.iter().find(|c| **c < 0) {
            bug!(OP, "Class values must be non-negative. Got {class}");
        }
        let classes = classes.into().unwrap_or_else(|| match targets.iter().max() {
            Some(&largest) => largest as usize + 1,
            None => bug!("", "Can not infer total number of classes from empty tensor."),
        });
        if let Some(class) = targets.iter().find(|c| **c >= classes as i64) {
            bug!(OP, "Class values must be smaller than num_classes. Got {class} with {classes} classes");
        }
        let mut shape = Shape::from_slice(self.shape());
        shape.push(classes);
        Tensor::build(shape, |out: &mut [i64]| {
            out.fill(0);
            targets.iter().enumerate().for_each(|(i, &class)| out[i * classes + class as usize] = 1);
        })
    }

    /// How often each of `0, 1, …` occurs in a vector of integers, up to the largest, and at least `minlength` counts.
    ///
    /// # Panics
    /// If this is no vector of integers, or one is negative.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// assert_eq!(tensor![1, 3, 1].bincount(0).to_vec::<i64>(), [0, 2, 0, 1]);
    /// ```
    #[track_caller]
    pub fn bincount(&self, minlength: usize) -> Tensor {
        let (bins, len) = bins(self, minlength);
        Tensor::build([len], |out: &mut [i64]| {
            out.fill(0);
            bins.iter().for_each(|&i| out[i as usize] += 1);
        })
    }

    /// As [`Tensor::bincount`], but each element counts for its weight: `f32` if the weights are, else `f64`.
    ///
    /// # Panics
    /// As [`Tensor::bincount`], and if there are not as many weights as elements.
    #[track_caller]
    pub fn bincount_weighted(&self, weights: &Tensor, minlength: usize) -> Tensor {
        let (bins, len) = bins(self, minlength);
        if weights.shape() != self.shape() {
            bug!("bincount", "weights should be 1-d and have the same length as input");
        }
        let dtype = if weights.dtype() == DType::F32 { DType::F32 } else { DType::F64 };
        match_dtype!(compute dtype, T => {
            let weights = weights.to_vec::<T>();
            Tensor::build([len], |out: &mut [T]| {
                out.fill(T::ZERO);
                bins.iter().zip(weights).for_each(|(&i, w)| out[i as usize] += w);
            })
        }, other => unreachable!("chosen above, not {other}"))
    }

    /// The lower triangle of each matrix, with the first `k` diagonals above the main one (fewer, if negative); the rest
    /// is zero.
    ///
    /// # Panics
    /// If the rank is below 2.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// assert_eq!(tensor![[1, 2], [3, 4]].tril(0).to_vec::<i64>(), [1, 0, 3, 4]);
    /// ```
    #[track_caller]
    pub fn tril(&self, k: isize) -> Tensor {
        triangle("tril", self, |row, columns| 0..row.saturating_add(k).saturating_add(1).clamp(0, columns))
    }

    /// The upper triangle of each matrix, without the first `k` diagonals from the main one on (with more, if negative);
    /// the rest is zero.
    ///
    /// # Panics
    /// If the rank is below 2.
    #[track_caller]
    pub fn triu(&self, k: isize) -> Tensor {
        triangle("triu", self, |row, columns| row.saturating_add(k).clamp(0, columns)..columns)
    }

    /// Of a vector, the square matrix with it on diagonal `k`; of a matrix, diagonal `k`.
    ///
    /// # Panics
    /// If the rank is neither 1 nor 2.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// assert_eq!(tensor![1, 2].diag(0).to_vec::<i64>(), [1, 0, 0, 2]);
    /// assert_eq!(tensor![[1, 2], [3, 4]].diag(1).to_vec::<i64>(), [2]);
    /// ```
    #[track_caller]
    pub fn diag(&self, k: isize) -> Tensor {
        match self.rank() {
            1 => {
                let len = self.numel();
                let side = len + k.unsigned_abs();
                let (row, col) = ((-k).max(0) as usize, k.max(0) as usize);
                match_dtype!(self.dtype(), T => {
                    let values = self.to_vec::<T>();
                    Tensor::build([side, side], |out: &mut [T]| {
                        out.fill(T::ZERO);
                        values.iter().enumerate().for_each(|(i, &v)| out[(row + i) * side + col + i] = v);
                    })
                })
            }
            2 => self.diagonal(k, 0, 1).copy(),
            rank => bug!("", "diag(): Supports 1D or 2D tensors. Got {rank}D"),
        }
    }

    /// The sum of the main diagonal of a matrix; integers add up in `i64`.
    ///
    /// # Panics
    /// If this is no matrix, or of `bool`.
    #[track_caller]
    pub fn trace(&self) -> Tensor {
        if self.rank() != 2 {
            bug!("", "trace: expected a matrix, but got tensor with dim {}", self.rank());
        }
        if self.dtype() == DType::Bool {
            bug!("", "\"trace\" not implemented for 'Bool'");
        }
        self.diagonal(0, 0, 1).sum(())
    }

    /// For vectors of lengths `n, m, …`, one tensor of shape `[n, m, …]` for each, that repeats it along the others'
    /// axes: `torch.meshgrid(…, indexing='ij')`. Nothing is copied.
    ///
    /// # Panics
    /// If there are none, one has rank above 1, or dtypes differ.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::{Tensor, tensor};
    /// let grid = Tensor::meshgrid(&[tensor![1, 2], tensor![3, 4, 5]]);
    /// assert_eq!(grid[0].to_vec::<i64>(), [1, 1, 1, 2, 2, 2]);
    /// assert_eq!(grid[1].to_vec::<i64>(), [3, 4, 5, 3, 4, 5]);
    /// ```
    #[track_caller]
    pub fn meshgrid(tensors: &[impl Borrow<Tensor>]) -> Vec<Tensor> {
        const OP: &str = "torch.meshgrid";
        let Some(first) = tensors.first().map(Borrow::borrow) else {
            bug!("", "meshgrid expects a non-empty TensorList");
        };
        let mut shape = Shape::new();
        for x in tensors.iter().map(Borrow::borrow) {
            if x.rank() > 1 {
                bug!(OP, "Expected 0D or 1D tensor in the tensor list but got a tensor of shape {:?}", x.shape());
            }
            if x.dtype() != first.dtype() {
                bug!("", "meshgrid expects all tensors to have the same dtype");
            }
            shape.push(x.numel());
        }
        let spread = |(i, x): (usize, &Tensor)| {
            let mut own = Shape::from_elem(1, shape.len());
            own[i] = x.numel();
            x.reshape(own).expand(&shape)
        };
        tensors.iter().map(Borrow::borrow).enumerate().map(spread).collect()
    }

    /// As [`Tensor::meshgrid`] with the first two axes exchanged: `torch.meshgrid(…, indexing='xy')`.
    ///
    /// # Panics
    /// As [`Tensor::meshgrid`].
    #[track_caller]
    pub fn meshgrid_xy(tensors: &[impl Borrow<Tensor>]) -> Vec<Tensor> {
        let grid = Tensor::meshgrid(tensors);
        if grid.len() < 2 { grid } else { grid.iter().map(|x| x.transpose(0, 1)).collect() }
    }
}

/// The elements of a vector of integers from 0 up, and how many bins they need.
#[track_caller]
fn bins(x: &Tensor, minlength: usize) -> (Vec<i64>, usize) {
    if !x.dtype().is_int() {
        bug!("", "\"bincount_cpu\" not implemented for '{}'", x.dtype().legacy_name());
    }
    let bins = x.to_vec::<i64>();
    if x.rank() != 1 || bins.iter().any(|&i| i < 0) {
        bug!("", "bincount only supports 1-d non-negative integral inputs.");
    }
    let len = bins.iter().max().map_or(0, |&i| i as usize + 1).max(minlength);
    (bins, len)
}

/// The elements of each matrix in the columns that `kept` gives for a row and the number of columns, zero elsewhere.
#[track_caller]
fn triangle(op: &str, x: &Tensor, kept: impl Fn(isize, isize) -> Range<isize> + Sync) -> Tensor {
    let &[.., rows, columns] = x.shape() else {
        bug!("", "{op}: input tensor must have at least 2 dimensions");
    };
    let x = x.contiguous();
    let kept = |row: usize| {
        let Range { start, end } = kept(row as isize, columns as isize);
        start as usize..end as usize
    };
    match_dtype!(bits x.dtype(), T => {
        Tensor::build_bits(x.dtype(), x.shape(), |out: &mut [T]| clip_rows(x.bits_slice(), (rows, columns), kept, out))
    })
}
