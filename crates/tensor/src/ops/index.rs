//! Selecting and updating along one axis: `index_select`, `gather`, `scatter` and their relatives.
//!
//! Indices are `i64` or `i32` and count from 0. Where one position is written twice, the later element of the index
//! comes later: results do not depend on threads.

use crate::cpu::index::{
    self as kernel, Along, Combine, Inner, Larger, Plus, Positions, Replace, Scatter, Smaller, Times, scatter_with,
};
use crate::shape::{Shape, axis, numel};
use crate::{DType, Element, Scalar, Tensor, bug, match_dtype};
use wengert_tensor_macros::profiled;

/// How [`Tensor::scatter_reduce`] combines the elements that meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ScatterReduce {
    /// Their sum.
    #[default]
    Sum,
    /// Their product.
    Prod,
    /// Their mean; integers round down.
    Mean,
    /// The largest.
    Amax,
    /// The smallest.
    Amin,
}

/// Options of [`Tensor::scatter_reduce_with`].
#[derive(Clone, Copy, Debug)]
pub struct ScatterReduceOptions {
    /// How elements combine.
    pub reduce: ScatterReduce,
    /// Whether the value that was there takes part.
    pub include_self: bool,
}

impl Default for ScatterReduceOptions {
    fn default() -> ScatterReduceOptions {
        ScatterReduceOptions { reduce: ScatterReduce::Sum, include_self: true }
    }
}

/// The index as contiguous `i64` after checking that each entry lies in `0..size`.
#[track_caller]
pub(crate) fn checked(op: &str, note: &str, index: &Tensor, dim: usize, size: usize) -> Tensor {
    checked_once(op, note, index, dim, size).contiguous()
}

/// [`checked`], but entries that are repeated along an axis still are one in memory.
#[track_caller]
fn checked_once(op: &str, note: &str, index: &Tensor, dim: usize, size: usize) -> Tensor {
    let mut once = index.clone();
    for d in 0..index.rank() {
        if index.strides()[d] == 0 && index.shape()[d] > 1 {
            once = once.narrow(d as isize, 0, 1);
        }
    }
    let once = once.to(DType::I64).contiguous();
    let entries = once.as_slice::<i64>().expect("just made contiguous");
    if !kernel::within(entries, size)
        && let Some(i) = entries.iter().find(|&&i| i as u64 >= size as u64)
    {
        bug!(op, "{note}index {i} is out of bounds for dimension {dim} with size {size}");
    }
    once.expand(index.shape())
}

fn entries(index: &Tensor) -> &[i64] {
    index.as_slice().expect("`checked` made it contiguous")
}

/// A tensor of rank 0 as a vector of one element; others as they are.
fn at_least_1d(x: &Tensor) -> Tensor {
    if x.rank() == 0 { x.reshape([1usize]) } else { x.clone() }
}

fn is_index(dtype: DType) -> bool {
    matches!(dtype, DType::I64 | DType::I32)
}

#[profiled]
impl Tensor {
    /// The elements of an axis at the given indices, in their order; `index` is a vector.
    ///
    /// # Panics
    /// If an index is out of range, or `index` is no vector of `i64` or `i32`.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// let x = tensor![[1, 2], [3, 4], [5, 6]];
    /// assert_eq!(x.index_select(0, &tensor![2, 0]).to_vec::<i64>(), [5, 6, 1, 2]);
    /// ```
    #[track_caller]
    pub fn index_select(&self, dim: isize, index: &Tensor) -> Tensor {
        const OP: &str = "index_select";
        let d = axis(OP, dim, self.rank());
        if index.rank() > 1 {
            bug!("", "index_select(): Index is supposed to be a vector");
        }
        if !is_index(index.dtype()) {
            bug!("", "index_select(): Expected dtype int32 or int64 for index");
        }
        if self.rank() == 0 {
            if index.numel() != 1 {
                bug!("", "index_select(): Index to scalar can have only 1 value, got {} value(s)", index.numel());
            }
            checked(OP, "index out of range in self: ", index, 0, 1);
            return self.copy();
        }
        let index = checked(OP, "index out of range in self: ", index, d, self.shape()[d]);
        let mut shape = Shape::from_slice(self.shape());
        shape[d] = index.numel();
        let mut positions = Positions::along(self.layout(), d);
        positions.middle = entries(&index).iter().map(|&i| i as isize * self.strides()[d]).collect();
        match_dtype!(bits self.dtype(), T => {
            Tensor::build_bits(self.dtype(), shape, |out: &mut [T]| kernel::read(self.bits(), &positions, out))
        })
    }

    /// `out[i][j] = self[index[i][j]][j]` (for `dim` 0): one element for each entry of `index`.
    ///
    /// # Panics
    /// If ranks differ, `index` is larger than the tensor on another axis, or an entry is out of range.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// let x = tensor![[1, 2], [3, 4]];
    /// assert_eq!(x.gather(1, &tensor![[0], [1]]).to_vec::<i64>(), [1, 4]);
    /// ```
    #[track_caller]
    pub fn gather(&self, dim: isize, index: &Tensor) -> Tensor {
        const OP: &str = "gather";
        let d = axis(OP, dim, self.rank());
        // PyTorch looks at the dtype of an index only if it names something.
        if index.numel() == 0 {
            return Tensor::zeros(index.shape(), self.dtype());
        }
        if !is_index(index.dtype()) {
            bug!("", "gather(): Expected dtype int32/int64 for index");
        }
        let (x, at) = (at_least_1d(self), at_least_1d(index));
        if x.rank() != at.rank() {
            bug!(OP, "Index tensor must have the same number of dimensions as input tensor");
        }
        for k in (0..x.rank()).filter(|&k| k != d) {
            if at.shape()[k] > x.shape()[k] {
                bug!(
                    OP,
                    "Size does not match at dimension {k} expected index {:?} to be no larger than self {:?} apart from \
                     dimension {d}",
                    index.shape(),
                    self.shape()
                );
            }
        }
        let along = Along::new(x.layout(), d, at.shape());
        let mut at = checked_once(OP, "", &at, d, x.shape()[d]);
        if !matches!(Inner::new(&at.shape()[d..], &at.strides()[d..]), Inner::Dense(_)) {
            at = at.contiguous();
        }
        let blocks = kernel::offsets(&at.shape()[..d], &at.strides()[..d]);
        let at = &at.data::<i64>()[at.layout().offset()..];
        match_dtype!(bits x.dtype(), T => Tensor::build_bits(x.dtype(), index.shape(), |out: &mut [T]| {
            kernel::gather(x.bits(), x.layout().offset(), &along, (at, &blocks), out);
        }))
    }

    /// A copy in which `out[index[i][j]][j] = source[i][j]` (for `dim` 0).
    ///
    /// # Panics
    /// If ranks or dtypes differ, `index` is larger than `source`, or larger than the tensor on another axis, or an entry
    /// is out of range.
    #[track_caller]
    pub fn scatter(&self, dim: isize, index: &Tensor, source: &Tensor) -> Tensor {
        let plan = ScatterPlan::new("scatter", self, dim, index, source);
        match_dtype!(bits self.dtype(), T => plan.run::<T>(scatter_with::<T, Replace>))
    }

    /// A copy in which `out[index[i][j]][j] = value` (for `dim` 0).
    ///
    /// # Panics
    /// As [`Tensor::scatter`].
    #[track_caller]
    pub fn scatter_value(&self, dim: isize, index: &Tensor, value: impl Into<Scalar>) -> Tensor {
        let source = Tensor::full((), value, self.dtype()).expand(index.shape());
        let plan = ScatterPlan::new("scatter", self, dim, index, &source);
        match_dtype!(bits self.dtype(), T => plan.run::<T>(scatter_with::<T, Replace>))
    }

    /// A copy in which `out[index[i][j]][j] += source[i][j]` (for `dim` 0).
    ///
    /// # Panics
    /// As [`Tensor::scatter`].
    #[track_caller]
    pub fn scatter_add(&self, dim: isize, index: &Tensor, source: &Tensor) -> Tensor {
        let plan = ScatterPlan::new("scatter_add", self, dim, index, source);
        match_dtype!(self.dtype(), T => plan.run::<T>(scatter_with::<T, Plus>))
    }

    /// A copy in which the elements of `source` that go to one position are combined with what is there.
    ///
    /// # Panics
    /// As [`Tensor::scatter`].
    #[track_caller]
    pub fn scatter_reduce(&self, dim: isize, index: &Tensor, source: &Tensor, reduce: ScatterReduce) -> Tensor {
        self.scatter_reduce_with(dim, index, source, &ScatterReduceOptions { reduce, ..Default::default() })
    }

    /// As [`Tensor::scatter_reduce`], and the options say whether the value that was there takes part.
    ///
    /// # Panics
    /// As [`Tensor::scatter`].
    #[track_caller]
    pub fn scatter_reduce_with(
        &self,
        dim: isize,
        index: &Tensor,
        source: &Tensor,
        options: &ScatterReduceOptions,
    ) -> Tensor {
        const OP: &str = "scatter_reduce";
        let plan = ScatterPlan::new(OP, self, dim, index, source);
        // How many elements each position receives: 0 leaves it alone, the first may replace what was there.
        let zeros = Tensor::zeros(self.shape(), DType::I64);
        let ones = Tensor::ones((), DType::I64).expand(index.shape());
        let counts = ScatterPlan::new(OP, &zeros, dim, index, &ones).run::<i64>(scatter_with::<i64, Plus>);
        let start = if options.include_self {
            self.clone()
        } else {
            let mut start = self.clone();
            match_dtype!(self.dtype(), T => {
                let (low, high) = bounds::<T>();
                let identity = match options.reduce {
                    ScatterReduce::Sum | ScatterReduce::Mean => T::ZERO,
                    ScatterReduce::Prod => T::ONE,
                    ScatterReduce::Amax => low,
                    ScatterReduce::Amin => high,
                };
                let counts = counts.as_slice::<i64>().expect("scatter gives contiguous tensors");
                let slots = start.as_mut_slice::<T>().iter_mut().zip(counts);
                slots.filter(|(_, n)| **n > 0).for_each(|(slot, _)| *slot = identity);
            });
            start
        };
        let plan = ScatterPlan { target: start, ..plan };
        match_dtype!(self.dtype(), T => {
            let mut out = plan.run::<T>(match options.reduce {
                ScatterReduce::Sum | ScatterReduce::Mean => scatter_with::<T, Plus>,
                ScatterReduce::Prod => scatter_with::<T, Times>,
                ScatterReduce::Amax => scatter_with::<T, Larger>,
                ScatterReduce::Amin => scatter_with::<T, Smaller>,
            });
            if options.reduce == ScatterReduce::Mean {
                let own = options.include_self as i64;
                let counts = counts.as_slice::<i64>().expect("scatter gives contiguous tensors");
                let slots = out.as_mut_slice::<T>().iter_mut().zip(counts);
                slots.filter(|(_, n)| **n > 0).for_each(|(slot, n)| *slot = slot.over(n + own));
            }
            out
        })
    }

    /// A copy in which slice `index[k]` of an axis has slice `k` of `source` added: the gradient of `index_select`.
    ///
    /// # Panics
    /// If `index` is no vector with an entry for each slice of `source`, other sizes or dtypes differ, or an entry is out
    /// of range.
    #[track_caller]
    pub fn index_add(&self, dim: isize, index: &Tensor, source: &Tensor) -> Tensor {
        const OP: &str = "index_add";
        let d = axis(OP, dim, self.rank());
        if index.rank() > 1 {
            bug!(
                "",
                "index_add_(): Index is supposed to be a vector, but got dim: {} with type: {} and size: {:?}",
                index.rank(),
                index.dtype().legacy_name(),
                index.shape()
            );
        }
        if !is_index(index.dtype()) {
            bug!("", "index_add_(): Expected dtype int32/int64 for index but got: {}", index.dtype().legacy_name());
        }
        if self.dtype() != source.dtype() {
            bug!(
                "",
                "index_add_(): self ({}) and source ({}) must have the same scalar type",
                self.dtype().legacy_name(),
                source.dtype().legacy_name()
            );
        }
        let (x, from) = (at_least_1d(self), at_least_1d(source));
        if index.numel() != from.shape().get(d).copied().unwrap_or(1) {
            bug!(
                "",
                "index_add_(): Number of indices ({}) should be equal to source.size(dim): ({}), for dim: {d}",
                index.numel(),
                from.shape().get(d).copied().unwrap_or(1)
            );
        }
        let fits = x.rank() == from.rank() && (0..x.rank()).all(|k| k == d || x.shape()[k] == from.shape()[k]);
        if !fits {
            bug!(
                OP,
                "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = \
                 {:?} source.shape = {:?}",
                self.shape(),
                source.shape()
            );
        }
        let index = checked(OP, "", index, d, x.shape()[d]);
        match_dtype!(self.dtype(), T => x.update_rows::<T>(d, &index, &from, |slot, v| *slot = slot.plus(v)))
            .reshape(self.shape())
    }

    /// A copy in which slice `index[k]` of an axis is slice `k` of `source`.
    ///
    /// # Panics
    /// As [`Tensor::index_add`].
    #[track_caller]
    pub fn index_copy(&self, dim: isize, index: &Tensor, source: &Tensor) -> Tensor {
        const OP: &str = "index_copy";
        let d = axis(OP, dim, self.rank());
        if index.rank() > 1 {
            bug!("", "index_copy_(): Index should have dimension 1 or 0 (got {})", index.rank());
        }
        if !is_index(index.dtype()) {
            bug!("", "index_copy_(): Expected a long tensor for index, but got {}", index.dtype().legacy_name());
        }
        if self.dtype() != source.dtype() {
            bug!(
                "",
                "index_copy_(): self and source expected to have the same dtype, but got (self) {} and (source) {}",
                self.dtype().legacy_name(),
                source.dtype().legacy_name()
            );
        }
        let (x, from) = (at_least_1d(self), at_least_1d(source));
        let without = |t: &Tensor| {
            let mut shape = Shape::from_slice(t.shape());
            shape.remove(d);
            shape
        };
        if x.rank() != from.rank() || without(&x) != without(&from) {
            bug!(
                "",
                "index_copy_(): Source/destination tensor must have same slice shapes. Destination shape: {:?} and source \
                 shape: {:?} at dimension {d}.",
                self.shape(),
                source.shape()
            );
        }
        if index.numel() != from.shape()[d] {
            bug!(
                "",
                "index_copy_(): Number of indices ({}) should be equal to source.size(dim) ({})",
                index.numel(),
                from.shape()[d]
            );
        }
        let index = checked(OP, "", index, d, x.shape()[d]);
        match_dtype!(bits self.dtype(), T => x.update_rows::<T>(d, &index, &from, |slot, v| *slot = v))
            .reshape(self.shape())
    }

    /// A copy in which the slices of an axis at the given indices hold `value`; negative indices count from the end.
    ///
    /// # Panics
    /// If `index` is no vector of `i64` or `i32`, or an entry is out of range.
    #[track_caller]
    pub fn index_fill(&self, dim: isize, index: &Tensor, value: impl Into<Scalar>) -> Tensor {
        const OP: &str = "index_fill";
        let d = axis(OP, dim, self.rank());
        if index.rank() > 1 {
            bug!(OP, "Index has to be a vector/scalar");
        }
        if !is_index(index.dtype()) {
            bug!("", "index_fill_(): Expected dtype int64 for index.");
        }
        let x = at_least_1d(self);
        let index = wrapped(OP, index, d, x.shape()[d]);
        let mut shape = Shape::from_slice(x.shape());
        shape[d] = index.numel();
        let from = Tensor::full((), value, self.dtype()).expand(shape);
        match_dtype!(bits self.dtype(), T => x.update_rows::<T>(d, &index, &from, |slot, v| *slot = v))
            .reshape(self.shape())
    }

    /// A copy whose slices `index[k]` of axis `d` are updated, element by element, with slice `k` of `source`.
    fn update_rows<T: Combine>(
        &self,
        d: usize,
        index: &Tensor,
        source: &Tensor,
        f: impl Fn(&mut T, T) + Sync,
    ) -> Tensor {
        let source = source.contiguous();
        let from = source.bits_slice::<T>();
        let index = entries(index);
        let inner = numel(&self.shape()[d + 1..]);
        let size = self.shape()[d];
        let mut out = self.clone();
        kernel::update_rows(out.bits_mut::<T>(), size, inner, index, |row, o, k| {
            let source = &from[(o * index.len() + k) * inner..][..inner];
            row.iter_mut().zip(source).for_each(|(slot, &v)| f(slot, v));
        });
        out
    }
}

/// As [`checked`], but negative entries count from the end.
#[track_caller]
pub(crate) fn wrapped(op: &str, index: &Tensor, dim: usize, size: usize) -> Tensor {
    let index = index.to(DType::I64).contiguous();
    let entries = index.as_slice::<i64>().expect("just made contiguous");
    let limit = size as i64;
    if let Some(i) = entries.iter().find(|&&i| i < -limit || i >= limit) {
        bug!(op, "index {i} is out of bounds for dimension {dim} with size {size}");
    }
    if entries.iter().all(|&i| i >= 0) {
        return index;
    }
    Tensor::build(index.shape(), |out: &mut [i64]| {
        out.iter_mut().zip(entries).for_each(|(o, &i)| *o = if i < 0 { i + limit } else { i });
    })
}

/// The smallest and the largest value of a type.
fn bounds<T: Combine>() -> (T, T) {
    match T::DTYPE {
        DType::Bool => (T::ZERO, T::ONE),
        DType::I64 => (T::from_i64(i64::MIN), T::from_i64(i64::MAX)),
        DType::U8 => (T::ZERO, T::from_i64(255)),
        d if d.is_int() => {
            let half = 1i64 << (8 * d.size() - 1);
            (T::from_i64(-half), T::from_i64(half - 1))
        }
        _ => (T::from_f64(f64::NEG_INFINITY), T::from_f64(f64::INFINITY)),
    }
}

/// A scatter whose arguments were checked.
struct ScatterPlan {
    target: Tensor,
    /// The index, contiguous and in range, of the target's rank.
    index: Tensor,
    /// Contiguous, one element per entry of the index.
    source: Tensor,
    dim: usize,
}

impl ScatterPlan {
    #[track_caller]
    fn new(op: &str, target: &Tensor, dim: isize, index: &Tensor, source: &Tensor) -> ScatterPlan {
        let (d, shape) = (axis(op, dim, target.rank()), source.shape());
        if !is_index(index.dtype()) {
            bug!("", "{op}(): Expected dtype int32/int64 for index");
        }
        if source.dtype() != target.dtype() {
            bug!("", "scatter(): Expected self.dtype to be equal to src.dtype");
        }
        if index.numel() == 0 {
            let (index, source) = (Tensor::zeros([0], DType::I64), Tensor::zeros([0], target.dtype()));
            return ScatterPlan { target: target.clone(), index, source, dim: d };
        }
        let (x, at) = (at_least_1d(target), at_least_1d(index));
        if x.rank() != at.rank() {
            bug!(op, "Index tensor must have the same number of dimensions as self tensor");
        }
        let mut source = at_least_1d(source);
        if source.rank() != at.rank() {
            bug!(op, "Index tensor must have the same number of dimensions as src tensor");
        }
        let fits =
            (0..x.rank()).all(|k| (k == d || at.shape()[k] <= x.shape()[k]) && at.shape()[k] <= source.shape()[k]);
        if !fits {
            bug!(
                op,
                "Expected index {:?} to be no larger than self {:?} apart from dimension {d} and to be no larger size than \
                 src {:?}",
                index.shape(),
                target.shape(),
                shape
            );
        }
        for (k, &size) in at.shape().iter().enumerate() {
            source = source.narrow(k as isize, 0, size);
        }
        let index = checked(op, "", &at, d, x.shape()[d]);
        ScatterPlan { target: target.clone(), index, source: source.contiguous(), dim: d }
    }

    fn run<T: Combine>(&self, update: Scatter<T>) -> Tensor {
        let mut out = self.target.copy();
        if self.index.numel() == 0 {
            return out;
        }
        let flat = at_least_1d(&out);
        let along = Along::new(flat.layout(), self.dim, self.index.shape());
        let block = numel(&flat.shape()[self.dim..]);
        drop(flat);
        let (index, source) = (entries(&self.index), self.source.bits_slice::<T>());
        let slots = out.bits_mut::<T>();
        kernel::scatter(slots, block, &along, index, source, update);
        out
    }
}
