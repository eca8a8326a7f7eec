//! Indexing syntax: `x.i((0, 1..3, Ellipsis))` for `x[0, 1:3, ...]`, and `x.set(…, &v)` for `x[…] = v`.

use super::advanced::Target;
use crate::{DType, Scalar, Tensor, bug};
use smallvec::SmallVec;
use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};
use wengert_tensor_macros::profiled;

/// As many whole axes as are left: `...` in Python.
#[derive(Clone, Copy, Debug)]
pub struct Ellipsis;

/// A new axis of size 1: `None` in Python.
#[derive(Clone, Copy, Debug)]
pub struct NewAxis;

/// Every `step`-th element of a range: `Step(1..9, 2)` is `1:9:2` in Python.
#[derive(Clone, Copy, Debug)]
pub struct Step<R>(
    /// The range.
    pub R,
    /// The distance, at least 1.
    pub usize,
);

/// One item between the brackets of `x[…]`. Made by `From` from integers, ranges (bounds may be negative), [`Step`],
/// [`Ellipsis`], [`NewAxis`], tensors, and lists of integers, which stand for tensors.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Index {
    /// One position; the axis disappears.
    At(isize),
    /// A range as Python's slices: bounds are clamped, negative ones count from the end.
    Slice {
        /// The first element, by default 0.
        start: Option<isize>,
        /// The end, not included, by default the axis's.
        end: Option<isize>,
        /// The distance.
        step: usize,
    },
    /// As many whole axes as are left.
    Ellipsis,
    /// A new axis of size 1.
    NewAxis,
    /// Positions or a mask; see [`Tensor::index`].
    Tensor(Tensor),
}

macro_rules! index_from {
    (integers $($ty:ty),*) => { $(
        impl From<$ty> for Index {
            fn from(at: $ty) -> Index { Index::At(at as isize) }
        }
        impl From<&[$ty]> for Index {
            fn from(list: &[$ty]) -> Index {
                Index::Tensor(Tensor::from_vec(list.iter().map(|&i| i as i64).collect(), [list.len()]))
            }
        }
        impl From<Vec<$ty>> for Index {
            fn from(list: Vec<$ty>) -> Index { Index::from(&list[..]) }
        }
        impl<const N: usize> From<[$ty; N]> for Index {
            fn from(list: [$ty; N]) -> Index { Index::from(&list[..]) }
        }
        index_from! { ranges
            Range<$ty>, |r| Some(r.start as isize), Some(r.end as isize);
            RangeFrom<$ty>, |r| Some(r.start as isize), None;
            RangeTo<$ty>, |r| None, Some(r.end as isize);
            RangeInclusive<$ty>, |r| Some(*r.start() as isize), after(*r.end() as isize);
            RangeToInclusive<$ty>, |r| None, after(r.end as isize);
        }
    )* };
    (ranges $($ty:ty, |$r:ident| $start:expr, $end:expr;)*) => { $(
        impl From<$ty> for Index {
            fn from($r: $ty) -> Index { Index::Slice { start: $start, end: $end, step: 1 } }
        }
    )* };
}
index_from!(integers isize, usize, i32, i64);

/// The end of a range that includes `last`; -1 is the last element, and nothing comes after it.
fn after(last: isize) -> Option<isize> {
    (last != -1).then_some(last + 1)
}

impl From<RangeFull> for Index {
    fn from(_: RangeFull) -> Index {
        Index::Slice { start: None, end: None, step: 1 }
    }
}
impl From<Ellipsis> for Index {
    fn from(_: Ellipsis) -> Index {
        Index::Ellipsis
    }
}
impl From<NewAxis> for Index {
    fn from(_: NewAxis) -> Index {
        Index::NewAxis
    }
}
impl From<Tensor> for Index {
    fn from(tensor: Tensor) -> Index {
        Index::Tensor(tensor)
    }
}
impl From<&Tensor> for Index {
    fn from(tensor: &Tensor) -> Index {
        Index::Tensor(tensor.clone())
    }
}
impl<R: Into<Index>> From<Step<R>> for Index {
    /// # Panics
    /// If the step is around something that is no range.
    #[track_caller]
    fn from(Step(range, by): Step<R>) -> Index {
        match range.into() {
            Index::Slice { start, end, step } => Index::Slice { start, end, step: step * by },
            _ => bug!("", "a step needs a range"),
        }
    }
}

/// What may stand between the brackets of `x[…]`: one [`Index`] or a tuple of up to six.
pub trait Indices {
    /// The items in order.
    fn indices(self) -> SmallVec<[Index; 6]>;
}
impl<T: Into<Index>> Indices for T {
    fn indices(self) -> SmallVec<[Index; 6]> {
        SmallVec::from_iter([self.into()])
    }
}
impl Indices for &[Index] {
    fn indices(self) -> SmallVec<[Index; 6]> {
        self.iter().cloned().collect()
    }
}
macro_rules! tuples {
    ($(($($T:ident)+))*) => { $(
        impl<$($T: Into<Index>),+> Indices for ($($T,)+) {
            #[allow(non_snake_case)]
            fn indices(self) -> SmallVec<[Index; 6]> {
                let ($($T,)+) = self;
                SmallVec::from_iter([$($T.into()),+])
            }
        }
    )* };
}
tuples!((A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F));

/// One view method, or one look-up by tensors, of those that an index comes down to.
#[doc(hidden)]
#[derive(Debug)]
pub enum IndexStep {
    Select { dim: isize, index: isize },
    Slice { dim: isize, start: Option<isize>, end: Option<isize>, step: usize },
    Unsqueeze { dim: isize },
    Index(Vec<Option<Tensor>>),
}

/// The steps that `x[…]` takes for an `x` of this shape. The look-up by tensors, if any, is the last.
///
/// # Panics
/// If there are too many indices or one is out of range.
#[doc(hidden)]
#[track_caller]
pub fn steps(shape: &[usize], indices: impl Indices) -> Vec<IndexStep> {
    steps_of(shape, indices.indices())
}

/// [`steps`], compiled once.
#[track_caller]
fn steps_of(shape: &[usize], indices: SmallVec<[Index; 6]>) -> Vec<IndexStep> {
    let rank = shape.len();
    let covers = |index: &Index| match index {
        Index::At(_) | Index::Slice { .. } => 1,
        Index::Ellipsis | Index::NewAxis => 0,
        Index::Tensor(t) if matches!(t.dtype(), DType::Bool | DType::U8) => t.rank(),
        Index::Tensor(_) => 1,
    };
    let covered: usize = indices.iter().map(covers).sum();
    if covered > rank {
        if rank == 0 {
            bug!("", "invalid index of a 0-dim tensor. Use `tensor.item()` to convert a 0-dim tensor to a number");
        }
        bug!("", "too many indices for tensor of dimension {rank}");
    }
    let mut out = Vec::new();
    let mut tensors: Vec<Option<Tensor>> = Vec::new();
    // `dim` counts axes of the result of the steps so far, `real` axes of `x`.
    let (mut dim, mut real, mut rest) = (0, 0, rank - covered);
    // Axes of the result that `tensors` covers; a mask covers several.
    let mut reached = 0;
    let select = |at: isize, dim: usize, real: usize| {
        let size = shape[real] as isize;
        if at < -size || at >= size {
            bug!("", "index {at} is out of bounds for dimension {real} with size {size}");
        }
        IndexStep::Select { dim: dim as isize, index: at }
    };
    for index in indices {
        match index {
            Index::At(at) => {
                out.push(select(at, dim, real));
                real += 1;
            }
            Index::Slice { step: 0, .. } => bug!("", "slice step cannot be zero"),
            Index::Slice { start, end, step } => {
                if (start, end, step) != (None, None, 1) {
                    out.push(IndexStep::Slice { dim: dim as isize, start, end, step });
                }
                (dim, real) = (dim + 1, real + 1);
            }
            Index::Ellipsis => {
                (dim, real) = (dim + rest, real + rest);
                rest = 0;
            }
            Index::NewAxis => {
                out.push(IndexStep::Unsqueeze { dim: dim as isize });
                dim += 1;
            }
            Index::Tensor(t) if t.rank() == 0 && t.dtype().is_int() && t.dtype() != DType::U8 => {
                out.push(select(t.item::<i64>() as isize, dim, real));
                real += 1;
            }
            Index::Tensor(t) => {
                let mask = matches!(t.dtype(), DType::Bool | DType::U8);
                let axes = if mask { t.rank() } else { 1 };
                tensors.resize(tensors.len() + dim - reached, None);
                if mask && axes == 0 {
                    // A truth value is an axis of one element, or of none.
                    out.push(IndexStep::Unsqueeze { dim: dim as isize });
                    tensors.push(Some(t.reshape([1usize])));
                    dim += 1;
                } else {
                    tensors.push(Some(t));
                    (dim, real) = (dim + axes, real + axes);
                }
                reached = dim;
            }
        }
    }
    if !tensors.is_empty() {
        out.push(IndexStep::Index(tensors));
    }
    out
}

#[profiled]
impl Tensor {
    /// `x[…]`: positions, ranges, [`Step`], [`Ellipsis`], [`NewAxis`] and tensors, one or a tuple. A view, unless a
    /// tensor is among them.
    ///
    /// # Panics
    /// If there are more indices than axes or one is out of range.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::{Ellipsis, NewAxis, Step, Tensor, tensor};
    /// let x = Tensor::arange(0, 24, 1).view([2, 3, 4]);
    /// assert_eq!(x.i((1, 0, -1)).item::<i64>(), 15);
    /// assert_eq!(x.i((.., 1..)).shape(), [2, 2, 4]);
    /// assert_eq!(x.i((Ellipsis, -2..)).shape(), [2, 3, 2]);
    /// assert_eq!(x.i((0, NewAxis, Step(.., 2))).shape(), [1, 2, 4]);
    /// assert_eq!(x.i((.., tensor![0, 2, 2], 1)).to_vec::<i64>(), [1, 9, 9, 13, 21, 21]);
    /// ```
    #[track_caller]
    pub fn i(&self, index: impl Indices) -> Tensor {
        let mut out = self.clone();
        for step in steps(self.shape(), index) {
            out = match step {
                IndexStep::Index(tensors) => out.index(&as_refs(&tensors)),
                view => out.apply_view(&view),
            };
        }
        out
    }

    /// `x[…] = value`: writes a tensor, broadcast and converted to this dtype. Where a position occurs twice, the later
    /// value stays.
    ///
    /// # Panics
    /// As [`Tensor::i`], and if `value` does not broadcast to what is written.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::{DType, Tensor, tensor};
    /// let mut x = Tensor::zeros([2, 3], DType::F32);
    /// x.set((.., 1), &tensor![5.0, 7.0]);
    /// assert_eq!(x.to_vec::<f32>(), [0.0, 5.0, 0.0, 0.0, 7.0, 0.0]);
    /// ```
    #[track_caller]
    pub fn set(&mut self, index: impl Indices, value: &Tensor) -> &mut Tensor {
        let steps = steps(self.shape(), index);
        self.put_at(
            |x| {
                let mut view = x.clone();
                for step in &steps {
                    match step {
                        IndexStep::Index(tensors) => return Target::new("index_put", &view, &as_refs(tensors)),
                        step => view = view.apply_view(step),
                    }
                }
                Some(Target::view(&view))
            },
            value,
        );
        self
    }

    /// `x[…] = number`.
    ///
    /// # Panics
    /// As [`Tensor::i`].
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// let mut x = tensor![3, -1, 4, -1];
    /// let negative = x.lt(0);
    /// x.fill_at(negative, 0);
    /// assert_eq!(x.to_vec::<i64>(), [3, 0, 4, 0]);
    /// ```
    #[track_caller]
    pub fn fill_at(&mut self, index: impl Indices, value: impl Into<Scalar>) -> &mut Tensor {
        let value = Tensor::full((), value, self.dtype());
        self.set(index, &value)
    }

    #[track_caller]
    fn apply_view(&self, step: &IndexStep) -> Tensor {
        match step {
            IndexStep::Select { dim, index } => self.select(*dim, *index),
            IndexStep::Slice { dim, start, end, step } => self.slice(*dim, *start, *end, *step),
            IndexStep::Unsqueeze { dim } => self.unsqueeze(*dim),
            IndexStep::Index(_) => unreachable!("the caller looks up by tensors itself"),
        }
    }
}

fn as_refs(tensors: &[Option<Tensor>]) -> Vec<Option<&Tensor>> {
    tensors.iter().map(Option::as_ref).collect()
}
