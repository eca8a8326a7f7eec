//! Indexing by tensors: lists of positions and masks, as `x[index, mask]` and `x[index] = values` in PyTorch.

use super::index::wrapped;
use crate::cpu::index::{self as kernel, Combine, Inner, Positions, chosen, offsets};
use crate::shape::{Axes, Shape, axis, broadcast, numel};
use crate::{DType, Element, Tensor, bug, match_dtype};
use wengert_tensor_macros::profiled;

#[profiled]
impl Tensor {
    /// This index with negative entries counted from the end of an axis of `size`.
    #[doc(hidden)]
    pub fn from_end(&self, size: usize) -> Tensor {
        let negative = self.lt(0);
        if negative.any(()).item::<bool>() { negative.where_(self.add(size as i64), self) } else { self.clone() }
    }
}

#[profiled]
impl Tensor {
    /// Elements at the positions that index tensors name, `None` for a whole axis: `x[i, :, j]` in PyTorch.
    ///
    /// Integer tensors (`i64`, `i32`, negative counts from the end) are broadcast against each other; a mask (`bool`,
    /// `u8`) covers as many axes as it has and stands for the positions where it is true. The axes of the broadcast
    /// index come where the first index is if the indices are side by side, else in front.
    ///
    /// # Panics
    /// If there are too many indices, one is out of range, a mask has another shape than the axes it covers, or the
    /// indices do not broadcast.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// let x = tensor![[1, 2, 3], [4, 5, 6]];
    /// assert_eq!(x.index(&[Some(&tensor![1, 0]), Some(&tensor![2, -1])]).to_vec::<i64>(), [6, 3]);
    /// assert_eq!(x.index(&[None, Some(&tensor![true, false, true])]).shape(), [2, 2]);
    /// ```
    #[track_caller]
    pub fn index(&self, indices: &[Option<&Tensor>]) -> Tensor {
        let Some(target) = Target::new("index", self, indices) else { return self.clone() };
        match_dtype!(bits self.dtype(), T => {
            Tensor::build_bits(self.dtype(), target.shape, |out: &mut [T]| {
                kernel::read(self.bits(), &target.positions, out);
            })
        })
    }

    /// A copy with `values`, broadcast, at the positions that [`Tensor::index`] would read. Where a position occurs
    /// twice, the later value stays.
    ///
    /// # Panics
    /// As [`Tensor::index`], and if dtypes differ or `values` does not broadcast.
    #[track_caller]
    pub fn index_put(&self, indices: &[Option<&Tensor>], values: &Tensor) -> Tensor {
        same_dtype(self, values);
        let mut out = self.clone();
        out.put_at(|x| Target::new("index_put", x, indices), values);
        out
    }

    /// A copy with `values`, broadcast, added at the positions that [`Tensor::index`] would read: the gradient of it.
    ///
    /// # Panics
    /// As [`Tensor::index_put`].
    #[track_caller]
    pub fn index_put_accumulate(&self, indices: &[Option<&Tensor>], values: &Tensor) -> Tensor {
        same_dtype(self, values);
        let mut out = self.clone();
        out.own();
        if let Some(target) = Target::new("index_put", &out, indices) {
            match_dtype!(self.dtype(), T => out.write::<T>(&target, values, |slot, v| *slot = slot.plus(v)));
        } else {
            return self.add(values);
        }
        out
    }

    /// The elements where a mask is true, as a vector; both are broadcast.
    ///
    /// # Panics
    /// If the mask is not `bool` or the shapes do not broadcast.
    #[track_caller]
    pub fn masked_select(&self, mask: &Tensor) -> Tensor {
        if mask.dtype() != DType::Bool {
            bug!("", "masked_select: expected BoolTensor for mask");
        }
        let shape = broadcast("masked_select", mask.shape(), self.shape());
        let (mask, x) = (mask.expand(&shape).contiguous(), self.expand(&shape).contiguous());
        let mask = mask.as_slice::<bool>().expect("just made contiguous");
        let count = mask.iter().filter(|m| **m).count();
        match_dtype!(bits self.dtype(), T => Tensor::build_bits(self.dtype(), [count], |out: &mut [T]| {
            let (x, mut rest) = (x.bits_slice::<T>(), out);
            chosen(mask, |m| m, |start, places| {
                let (head, tail) = std::mem::take(&mut rest).split_at_mut(places.len());
                head.iter_mut().zip(places).for_each(|(slot, &i)| *slot = x[start + i as usize]);
                rest = tail;
            });
        }))
    }

    /// A copy in which the positions where `mask` (broadcast) is true hold the first elements of `source`, in order.
    ///
    /// # Panics
    /// If the mask is not `bool`, dtypes differ, or `source` has too few elements.
    #[track_caller]
    pub fn masked_scatter(&self, mask: &Tensor, source: &Tensor) -> Tensor {
        if self.dtype() != source.dtype() {
            bug!(
                "",
                "masked_scatter: expected self and source to have same dtypes but got {} and {}",
                self.dtype().legacy_name(),
                source.dtype().legacy_name()
            );
        }
        if mask.dtype() != DType::Bool {
            bug!(
                "",
                "masked_scatter_ only supports boolean masks, but got mask with dtype {}",
                mask.dtype().legacy_name()
            );
        }
        let shape = broadcast("masked_scatter", self.shape(), mask.shape());
        let mut out = self.expand(&shape).copy();
        let mask = mask.expand(&shape).contiguous();
        let mask = mask.as_slice::<bool>().expect("just made contiguous");
        let count = mask.iter().filter(|m| **m).count();
        if source.numel() < count {
            bug!("masked_scatter", "Number of elements of source < number of ones in mask");
        }
        let source = source.contiguous();
        match_dtype!(bits self.dtype(), T => {
            let slots = out.bits_mut::<T>().iter_mut().zip(mask).filter(|(_, m)| **m);
            let values = source.bits_slice::<T>();
            slots.zip(values).for_each(|((slot, _), &v)| *slot = v);
        });
        out
    }

    /// The positions of all elements that are not zero, one row of indices each, in C order.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// assert_eq!(tensor![[0, 5], [7, 0]].nonzero().to_vec::<i64>(), [0, 1, 1, 0]);
    /// ```
    pub fn nonzero(&self) -> Tensor {
        let rank = self.rank();
        let x = self.contiguous();
        let mut found = Vec::new();
        let mut count = 0;
        // The index on all axes but the last, along which a row goes.
        let mut outer = vec![0i64; rank.saturating_sub(1)];
        let width = x.shape().last().copied().unwrap_or(1).max(1);
        match_dtype!(self.dtype(), T => {
            for row in x.as_slice::<T>().expect("just made contiguous").chunks(width) {
                chosen(row, |v| v != T::ZERO, |start, places| {
                    for &i in places {
                        found.extend_from_slice(&outer);
                        found.push((start + i as usize) as i64);
                    }
                    count += places.len();
                });
                for (i, &size) in outer.iter_mut().zip(x.shape()).rev() {
                    *i += 1;
                    if *i < size as i64 {
                        break;
                    }
                    *i = 0;
                }
            }
        });
        if rank == 0 {
            found.clear();
        }
        Tensor::from_vec(found, [count, rank])
    }

    /// The elements at flat positions in C order; negative ones count from the end.
    ///
    /// # Panics
    /// If a position is out of range or the index is not of integers.
    #[track_caller]
    pub fn take(&self, index: &Tensor) -> Tensor {
        if !matches!(index.dtype(), DType::I64 | DType::I32) {
            bug!("", "take(): Expected a long tensor for index, but got {}", index.dtype().legacy_name());
        }
        let size = self.numel() as i64;
        if size == 0 && index.numel() != 0 {
            bug!("", "take(): tried to take from an empty tensor");
        }
        if let Some(i) = index.to_vec::<i64>().into_iter().find(|&i| i < -size || i >= size) {
            bug!("take", "out of range: tried to access index {i} on a tensor of {size} elements.");
        }
        let flat = index.reshape([-1isize]);
        self.reshape([size as usize]).index(&[Some(&flat)]).reshape(index.shape())
    }

    /// As [`Tensor::gather`], but the other axes are broadcast: `x.take_along_dim(&x.argsort(1), 1)` sorts.
    ///
    /// # Panics
    /// If ranks differ, other axes do not broadcast, or an entry is out of range.
    #[track_caller]
    pub fn take_along_dim(&self, index: &Tensor, dim: isize) -> Tensor {
        if self.rank() != index.rank() {
            bug!(
                "",
                "torch.take_along_dim(): input and indices should have the same number of dimensions, but got {} dimensions \
                 for input, and {} dimensions for indices",
                self.rank(),
                index.rank()
            );
        }
        if !matches!(index.dtype(), DType::I64 | DType::I32) {
            bug!("", "torch.take_along_dim(): dtype of indices should be Long but got {}", index.dtype().legacy_name());
        }
        let d = axis("take_along_dim", dim, self.rank());
        if self.rank() == 0 {
            return self.gather(0, index);
        }
        let index = &index.from_end(self.shape()[d]);
        let with = |shape: &[usize], size: usize| {
            let mut out = Shape::from_slice(shape);
            out[d] = size;
            out
        };
        let shape = broadcast("take_along_dim", &with(self.shape(), 1), &with(index.shape(), 1));
        let index = index.expand(with(&shape, index.shape()[d]));
        self.expand(with(&shape, self.shape()[d])).gather(d as isize, &index)
    }

    /// Makes the memory this tensor's own and contiguous, before positions in it are computed.
    pub(super) fn own(&mut self) {
        self.make_own();
    }

    /// Writes `values`, broadcast, to the positions that `find` gives for this tensor; to all, if it gives none.
    #[track_caller]
    pub(super) fn put_at(&mut self, find: impl FnOnce(&Tensor) -> Option<Target>, values: &Tensor) {
        self.own();
        let target = find(self).unwrap_or_else(|| Target::view(self));
        let values = values.to(self.dtype());
        match_dtype!(bits self.dtype(), T => self.write::<T>(&target, &values, |slot, v| *slot = v));
    }

    /// Updates positions of this tensor, whose memory is its own and contiguous, in order.
    #[track_caller]
    fn write<T: Combine>(&mut self, target: &Target, values: &Tensor, f: impl Fn(&mut T, T)) {
        let values = target.spread(values);
        if values.numel() == 0 {
            return;
        }
        let positions = target.positions.from(self.layout().offset());
        // One value for all is not laid out.
        let (values, step) = match values.numel() > 0 && values.strides().iter().all(|&s| s == 0) {
            true => (values, 0),
            false => (values.contiguous(), 1),
        };
        let data = &values.bits::<T>()[values.layout().offset()..];
        kernel::write(self.bits_mut::<T>(), &positions, |slot, k| f(slot, data[k * step]));
    }
}

impl Target {
    /// Values in the shape of what they are written to.
    #[track_caller]
    fn spread(&self, values: &Tensor) -> Tensor {
        // Axes of size 1 in front do not count.
        let rank = values.rank();
        let extra = values.shape().iter().take(rank.saturating_sub(self.shape.len())).take_while(|s| **s == 1).count();
        let values = values.reshape(&values.shape()[extra..]);
        if self.by_tensors && try_broadcast(values.shape(), &self.shape).as_ref() != Some(&self.shape) {
            bug!(
                "",
                "shape mismatch: value tensor of shape {:?} cannot be broadcast to indexing result of shape {:?}",
                values.shape(),
                &self.shape[..]
            );
        }
        values.expand(&self.shape)
    }
}

#[track_caller]
fn same_dtype(x: &Tensor, values: &Tensor) {
    if x.dtype() != values.dtype() {
        bug!(
            "",
            "Index put requires the source and destination dtypes match, got {} for the destination and {} for the source.",
            x.dtype().legacy_name(),
            values.dtype().legacy_name()
        );
    }
}

/// Checked positions in a storage and the shape of what is read there.
pub(super) struct Target {
    pub(super) positions: Positions,
    pub(super) shape: Shape,
    /// Whether index tensors named them, which PyTorch's error for a wrong value depends on.
    by_tensors: bool,
}

impl Target {
    /// All elements of a tensor.
    pub(super) fn view(x: &Tensor) -> Target {
        Target { positions: Positions::all(x.layout()), shape: Shape::from_slice(x.shape()), by_tensors: false }
    }

    /// The common case of one mask for all of a contiguous tensor, whose positions need no coordinates.
    fn of_mask(x: &Tensor, indices: &[Option<&Tensor>]) -> Option<Target> {
        let [Some(mask)] = indices else { return None };
        if mask.dtype() != DType::Bool || mask.rank() == 0 || mask.shape() != x.shape() || !x.is_contiguous() {
            return None;
        }
        let mask = mask.contiguous();
        let entries = mask.as_slice::<bool>().expect("just made contiguous").iter().enumerate();
        let middle: Vec<isize> = entries.filter(|(_, m)| **m).map(|(i, _)| i as isize).collect();
        let shape = Shape::from_slice(&[middle.len()]);
        let positions = Positions { first: x.layout().offset(), outer: vec![0], middle, inner: Inner::Dense(1) };
        Some(Target { positions, shape, by_tensors: true })
    }

    /// What index tensors name; `None` if there are none.
    #[track_caller]
    pub(super) fn new(op: &str, x: &Tensor, indices: &[Option<&Tensor>]) -> Option<Target> {
        if let Some(target) = Target::of_mask(x, indices) {
            return Some(target);
        }
        let mut x = x.clone();
        let mut found: Vec<(usize, Tensor)> = Vec::new();
        let mut dim = 0;
        let rank = x.rank();
        let covered: usize = indices
            .iter()
            .map(|i| i.filter(|t| matches!(t.dtype(), DType::Bool | DType::U8)).map_or(1, |mask| mask.rank()))
            .sum();
        if covered > rank {
            bug!("", "too many indices for tensor of dimension {rank} (got {covered})");
        }
        for index in indices {
            let Some(index) = index else {
                dim += 1;
                continue;
            };
            match index.dtype() {
                DType::Bool | DType::U8 if index.rank() == 0 => {
                    // A truth value is an axis of one element, or of none.
                    x = x.unsqueeze(dim as isize);
                    found.push((dim, index.reshape([1usize]).nonzero().select(1, 0)));
                    dim += 1;
                }
                DType::Bool | DType::U8 => {
                    for (k, (&have, &want)) in index.shape().iter().zip(&x.shape()[dim..]).enumerate() {
                        if have != want {
                            bug!(
                                "",
                                "The shape of the mask {:?} at index {k} does not match the shape of the indexed tensor {:?} \
                                 at index {}",
                                index.shape(),
                                x.shape(),
                                dim + k
                            );
                        }
                    }
                    let columns = index.nonzero();
                    for k in 0..index.rank() {
                        found.push((dim, columns.select(1, k as isize)));
                        dim += 1;
                    }
                }
                DType::I64 | DType::I32 => {
                    found.push((dim, wrapped(op, index, dim, x.shape()[dim])));
                    dim += 1;
                }
                _ => bug!("", "tensors used as indices must be long, int, byte or bool tensors"),
            }
        }
        let (first, last) = (found.first()?.0, found.last()?.0);
        let shape = found.iter().try_fold(Shape::new(), |shape, (_, i)| try_broadcast(&shape, i.shape()));
        let Some(shape) = shape else {
            let shapes: Vec<_> = found.iter().map(|(_, i)| format!("{:?}", i.shape())).collect();
            bug!(
                "",
                "shape mismatch: indexing tensors could not be broadcast together with shapes {}",
                shapes.join(", ")
            );
        };
        let mut middle = vec![0isize; numel(&shape)];
        for (d, index) in &found {
            let index = index.expand(&shape).contiguous();
            let entries = index.as_slice::<i64>().expect("just made contiguous");
            let stride = x.strides()[*d];
            middle.iter_mut().zip(entries).for_each(|(at, &i)| *at += i as isize * stride);
        }
        let adjacent = last - first + 1 == found.len();
        let free = |d: &usize| found.iter().all(|(used, _)| used != d);
        let before: Axes = if adjacent { (0..first).collect() } else { Axes::new() };
        let after: Axes = (before.len()..x.rank()).filter(free).collect();
        let pick =
            |axes: &Axes| -> (Vec<usize>, Vec<isize>) { axes.iter().map(|&d| (x.shape()[d], x.strides()[d])).unzip() };
        let ((outer_shape, outer_strides), (inner_shape, inner_strides)) = (pick(&before), pick(&after));
        let mut result = Shape::from_vec(outer_shape.clone());
        result.extend_from_slice(&shape);
        result.extend_from_slice(&inner_shape);
        let positions = Positions {
            first: x.layout().offset(),
            outer: offsets(&outer_shape, &outer_strides),
            middle,
            inner: Inner::new(&inner_shape, &inner_strides),
        };
        Some(Target { positions, shape: result, by_tensors: true })
    }
}

/// The shape that two shapes broadcast to, if they do.
fn try_broadcast(a: &[usize], b: &[usize]) -> Option<Shape> {
    let rank = a.len().max(b.len());
    let size = |s: &[usize], i: usize| if i + s.len() < rank { 1 } else { s[i + s.len() - rank] };
    (0..rank)
        .map(|i| match (size(a, i), size(b, i)) {
            (x, y) if x == y || y == 1 => Some(x),
            (1, y) => Some(y),
            _ => None,
        })
        .collect()
}
