//! Shapes: numpy's stacks and splits, axes moved and turned, windows; put together from `cat`, `narrow` and `permute`.

use crate::shape::{Shape, Strides, axis, broadcast, size_text};
use crate::{IntoDims, Layout, Tensor, bug};
use std::borrow::Borrow;
use wengert_tensor_macros::profiled;

/// The shape that shapes broadcast to: `torch.broadcast_shapes`.
///
/// # Panics
/// If they do not broadcast.
///
/// # Examples
/// ```
/// use wengert_tensor::broadcast_shapes;
/// assert_eq!(broadcast_shapes(&[&[3, 1], &[4]])[..], [3, 4]);
/// ```
#[profiled]
#[track_caller]
pub fn broadcast_shapes(shapes: &[&[usize]]) -> Shape {
    shapes.iter().fold(Shape::new(), |all, shape| broadcast("broadcast_shapes", &all, shape))
}

/// Joining and splitting.
#[profiled]
impl Tensor {
    /// Views of the tensors, broadcast to their common shape.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn broadcast_tensors(parts: &[impl Borrow<Tensor>]) -> Vec<Tensor> {
        let shape = parts
            .iter()
            .fold(Shape::new(), |shape, part| broadcast("broadcast_tensors", &shape, part.borrow().shape()));
        parts.iter().map(|part| part.borrow().expand(&shape)).collect()
    }

    /// The tensor with at least one axis.
    pub fn atleast_1d(&self) -> Tensor {
        if self.rank() == 0 { self.reshape([1usize]) } else { self.clone() }
    }

    /// The tensor with at least two axes: a vector becomes a row.
    pub fn atleast_2d(&self) -> Tensor {
        if self.rank() < 2 { self.atleast_1d().unsqueeze(0) } else { self.clone() }
    }

    /// The tensor with at least three axes: a vector becomes `[1, n, 1]`, a matrix `[n, m, 1]`.
    pub fn atleast_3d(&self) -> Tensor {
        if self.rank() < 3 { self.atleast_2d().unsqueeze(-1) } else { self.clone() }
    }

    /// Tensors side by side: along the second axis, vectors along the first.
    ///
    /// # Panics
    /// As [`Tensor::cat`].
    #[track_caller]
    pub fn hstack(parts: &[impl Borrow<Tensor>]) -> Tensor {
        if parts.is_empty() {
            bug!("", "hstack expects a non-empty TensorList");
        }
        let parts: Vec<Tensor> = parts.iter().map(|part| part.borrow().atleast_1d()).collect();
        let dim = parts.first().is_some_and(|part| part.rank() > 1) as isize;
        Tensor::cat(&parts, dim)
    }

    /// Tensors one below the other: along the first axis, vectors as rows.
    ///
    /// # Panics
    /// As [`Tensor::cat`].
    #[doc(alias = "row_stack")]
    #[track_caller]
    pub fn vstack(parts: &[impl Borrow<Tensor>]) -> Tensor {
        if parts.is_empty() {
            bug!("", "vstack expects a non-empty TensorList");
        }
        let parts: Vec<Tensor> = parts.iter().map(|part| part.borrow().atleast_2d()).collect();
        Tensor::cat(&parts, 0)
    }

    /// Tensors one behind the other, along the third axis.
    ///
    /// # Panics
    /// As [`Tensor::cat`].
    #[track_caller]
    pub fn dstack(parts: &[impl Borrow<Tensor>]) -> Tensor {
        if parts.is_empty() {
            bug!("", "dstack expects a non-empty TensorList");
        }
        let parts: Vec<Tensor> = parts.iter().map(|part| part.borrow().atleast_3d()).collect();
        Tensor::cat(&parts, 2)
    }

    /// Vectors as the columns of a matrix, other tensors side by side.
    ///
    /// # Panics
    /// As [`Tensor::cat`].
    #[track_caller]
    pub fn column_stack(parts: &[impl Borrow<Tensor>]) -> Tensor {
        if parts.is_empty() {
            bug!("", "column_stack expects a non-empty TensorList");
        }
        let column = |part: &Tensor| if part.rank() < 2 { part.reshape([part.numel(), 1]) } else { part.clone() };
        let parts: Vec<Tensor> = parts.iter().map(|part| column(part.borrow())).collect();
        Tensor::cat(&parts, 1)
    }

    /// `sections` parts along an axis, of which the first are one longer where it does not divide evenly.
    ///
    /// # Panics
    /// If `sections` is 0, the rank is 0 or the axis is out of range.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// let parts = tensor![1, 2, 3, 4, 5].tensor_split(2, 0);
    /// assert_eq!(parts[0].to_vec::<i64>(), [1, 2, 3]);
    /// ```
    #[track_caller]
    pub fn tensor_split(&self, sections: usize, dim: isize) -> Vec<Tensor> {
        let len = split_axis(self, dim);
        if sections == 0 {
            bug!("", "number of sections must be larger than 0, got 0");
        }
        let sizes: Vec<usize> = (0..sections).map(|i| len / sections + usize::from(i < len % sections)).collect();
        self.split_with_sizes(&sizes, dim)
    }

    /// The parts of an axis between indices, as the slices `x[..i0]`, `x[i0..i1]`, …, `x[in..]`.
    ///
    /// # Panics
    /// If the rank is 0 or the axis is out of range.
    #[track_caller]
    pub fn tensor_split_at(&self, indices: &[isize], dim: isize) -> Vec<Tensor> {
        split_axis(self, dim);
        let starts = [None].into_iter().chain(indices.iter().map(|&i| Some(i)));
        let ends = indices.iter().map(|&i| Some(i)).chain([None]);
        starts.zip(ends).map(|(start, end)| self.slice(dim, start, end, 1)).collect()
    }

    /// Parts of equal size along the second axis, of a vector along the first.
    ///
    /// # Panics
    /// If the axis does not divide evenly, or the rank is 0.
    #[track_caller]
    pub fn hsplit(&self, sections: usize) -> Vec<Tensor> {
        if self.rank() == 0 {
            bug!("", "torch.hsplit requires a tensor with at least 1 dimension, but got a tensor with 0 dimensions!");
        }
        self.split_evenly("hsplit", sections, (self.rank() > 1) as isize)
    }

    /// Parts of equal size along the first axis.
    ///
    /// # Panics
    /// If the axis does not divide evenly, or the rank is below 2.
    #[track_caller]
    pub fn vsplit(&self, sections: usize) -> Vec<Tensor> {
        let rank = self.rank();
        if rank < 2 {
            bug!(
                "",
                "torch.vsplit requires a tensor with at least 2 dimension, but got a tensor with {rank} dimensions!"
            );
        }
        self.split_evenly("vsplit", sections, 0)
    }

    /// Parts of equal size along the third axis.
    ///
    /// # Panics
    /// If the axis does not divide evenly, or the rank is below 3.
    #[track_caller]
    pub fn dsplit(&self, sections: usize) -> Vec<Tensor> {
        let rank = self.rank();
        if rank < 3 {
            bug!(
                "",
                "torch.dsplit requires a tensor with at least 3 dimension, but got a tensor with {rank} dimensions!"
            );
        }
        self.split_evenly("dsplit", sections, 2)
    }

    #[track_caller]
    fn split_evenly(&self, op: &str, sections: usize, dim: isize) -> Vec<Tensor> {
        let len = self.size(dim);
        if sections == 0 || !len.is_multiple_of(sections) {
            bug!(
                "",
                "torch.{op} attempted to split along dimension {dim}, but the size of the dimension {len} is not divisible by \
                 the split_size {sections}!"
            );
        }
        self.tensor_split(sections, dim)
    }
}

/// The size of an axis that is to be split.
#[track_caller]
fn split_axis(x: &Tensor, dim: isize) -> usize {
    if x.rank() == 0 {
        bug!("", "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims");
    }
    x.shape()[axis("tensor_split", dim, x.rank())]
}

/// Other orders of the axes and elements.
#[profiled]
impl Tensor {
    /// Axes moved to other places; the rest keep their order.
    ///
    /// # Panics
    /// If there are not as many places as axes, or an axis occurs twice or is out of range.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::{DType, Tensor};
    /// assert_eq!(Tensor::zeros([2, 3, 4], DType::F32).movedim(0, -1).shape(), [3, 4, 2]);
    /// ```
    #[doc(alias = "moveaxis")]
    #[track_caller]
    pub fn movedim(&self, from: impl IntoDims, to: impl IntoDims) -> Tensor {
        self.permute(moved(self.rank(), &from.into_dims(), &to.into_dims()))
    }

    /// [`Tensor::transpose`] under numpy's name.
    #[track_caller]
    pub fn swapaxes(&self, axis0: isize, axis1: isize) -> Tensor {
        self.transpose(axis0, axis1)
    }

    /// The last two axes exchanged: `x.mT`, and for the dtypes here `x.mH` and `x.adjoint()` too.
    ///
    /// # Panics
    /// If the rank is below 2.
    #[track_caller]
    pub fn mt(&self) -> Tensor {
        if self.rank() < 2 {
            bug!("", "tensor.mT is only supported on matrices or batches of matrices. Got {}-D tensor.", self.rank());
        }
        self.transpose(-1, -2)
    }

    /// Turned by `k` quarters, from the first of the axes towards the second.
    ///
    /// # Panics
    /// If the axes are the same or out of range.
    #[track_caller]
    pub fn rot90(&self, k: i64, dims: [isize; 2]) -> Tensor {
        let [a, b] = dims;
        if self.rank() < 2 {
            bug!("", "expected total dims >= 2, but got total dims = {}", self.rank());
        }
        if a == b || (a - b).unsigned_abs() == self.rank() {
            bug!("", "expected rotation dims to be different, but got dim0 = {a} and dim1 = {b}");
        }
        for (i, dim) in dims.into_iter().enumerate() {
            let rank = self.rank() as isize;
            if dim < -rank || dim >= rank {
                bug!("", "Rotation dim{i} out of range, dim{i} = {dim}");
            }
        }
        match k.rem_euclid(4) {
            1 => self.flip([b]).transpose(a, b),
            2 => self.flip([a, b]),
            3 => self.flip([a]).transpose(a, b),
            _ => self.copy(),
        }
    }

    /// Reversed along the second axis.
    ///
    /// # Panics
    /// If the rank is below 2.
    #[track_caller]
    pub fn fliplr(&self) -> Tensor {
        if self.rank() < 2 {
            bug!("", "Input must be >= 2-d.");
        }
        self.flip([1])
    }

    /// Reversed along the first axis.
    ///
    /// # Panics
    /// If the rank is 0.
    #[track_caller]
    pub fn flipud(&self) -> Tensor {
        if self.rank() == 0 {
            bug!("", "Input must be >= 1-d.");
        }
        self.flip([0])
    }

    /// All elements as a vector.
    pub fn ravel(&self) -> Tensor {
        self.reshape([self.numel()])
    }

    /// [`Tensor::reshape`] to the shape of another.
    ///
    /// # Panics
    /// If that has another number of elements.
    #[track_caller]
    pub fn reshape_as(&self, other: &Tensor) -> Tensor {
        self.reshape(other.shape())
    }

    /// [`Tensor::view`] in the shape of another.
    ///
    /// # Panics
    /// As [`Tensor::view`].
    #[track_caller]
    pub fn view_as(&self, other: &Tensor) -> Tensor {
        self.view(other.shape())
    }

    /// Windows of `size` elements along an axis, `step` apart, as a new last axis; a view.
    ///
    /// # Panics
    /// If the axis is shorter than a window or out of range, or `step` is 0.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// assert_eq!(tensor![1, 2, 3, 4].unfold(0, 2, 1).to_vec::<i64>(), [1, 2, 2, 3, 3, 4]);
    /// ```
    #[track_caller]
    pub fn unfold(&self, dim: isize, size: usize, step: usize) -> Tensor {
        let d = axis("unfold", dim, self.rank());
        let len = self.shape().get(d).copied().unwrap_or(1);
        if size > len {
            bug!("", "maximum size for tensor at dimension {d} is {len} but size is {size}");
        }
        if step == 0 {
            bug!("", "step is 0 but must be > 0");
        }
        let mut shape = Shape::from_slice(self.shape());
        let mut strides = Strides::from_slice(self.strides());
        shape.push(size);
        strides.push(strides.get(d).copied().unwrap_or(1));
        if self.rank() > 0 {
            shape[d] = (len - size) / step + 1;
            strides[d] *= step as isize;
        }
        let layout = Layout::new(shape, strides, self.layout().offset(), self.storage().len())
            .expect("windows stay inside their tensor");
        self.with_layout(layout)
    }

    /// The elements along the first axis in ascending order: `x.sort(0).0`.
    pub fn msort(&self) -> Tensor {
        self.sort(0).0
    }
}

/// Axes moved to other places, as an order for `permute`.
#[doc(hidden)]
#[track_caller]
pub fn moved(rank: usize, from: &[isize], to: &[isize]) -> Vec<isize> {
    if from.len() != to.len() {
        bug!(
            "movedim",
            "Invalid source or destination dims: source ({from:?} dims) should contain the same number of dims as destination \
             ({to:?} dims)"
        );
    }
    let axes = |what: &str, dims: &[isize]| -> Vec<usize> {
        let axes: Vec<usize> = dims.iter().map(|&d| axis("movedim", d, rank)).collect();
        if (1..axes.len()).any(|i| axes[..i].contains(&axes[i])) {
            bug!("movedim", "repeated dim in `{what}` ({dims:?})");
        }
        axes
    };
    if rank == 0 {
        return Vec::new();
    }
    let (from, to) = (axes("source", from), axes("destination", to));
    let mut order: Vec<Option<usize>> = vec![None; rank];
    to.iter().zip(&from).for_each(|(&t, &f)| order[t] = Some(f));
    let mut rest = (0..rank).filter(|i| !from.contains(i));
    order.into_iter().map(|i| i.or_else(|| rest.next()).expect("as many places as axes") as isize).collect()
}

/// Parts replaced.
#[profiled]
impl Tensor {
    /// A copy in which one position of an axis holds `source`.
    ///
    /// # Panics
    /// If `source` has another shape than the part, or the position is out of range.
    #[track_caller]
    pub fn select_scatter(&self, source: &Tensor, dim: isize, index: isize) -> Tensor {
        self.with_part(source, |x| x.select(dim, index))
    }

    /// A copy in which a slice of an axis holds `source`.
    ///
    /// # Panics
    /// If `source` has another shape than the slice, or the axis is out of range.
    #[track_caller]
    pub fn slice_scatter(
        &self,
        source: &Tensor,
        dim: isize,
        start: Option<isize>,
        end: Option<isize>,
        step: usize,
    ) -> Tensor {
        self.with_part(source, |x| x.slice(dim, start, end, step))
    }

    /// A copy in which a diagonal holds `source`.
    ///
    /// # Panics
    /// If `source` has another shape than the diagonal, or an axis is out of range.
    #[track_caller]
    pub fn diagonal_scatter(&self, source: &Tensor, offset: isize, dim1: isize, dim2: isize) -> Tensor {
        self.with_part(source, |x| x.diagonal(offset, dim1, dim2))
    }

    #[track_caller]
    fn with_part(&self, source: &Tensor, view: impl Fn(&Tensor) -> Tensor) -> Tensor {
        let part = view(self);
        if part.shape() != source.shape() {
            bug!(
                "",
                "expected src to have a size equal to the slice of self. src size = {}, slice size = {}",
                size_text(source.shape()),
                size_text(part.shape())
            );
        }
        let mask = Tensor::ones(part.shape(), crate::DType::Bool).embed(self.shape(), &view);
        mask.where_(source.to(self.dtype()).embed(self.shape(), view), self)
    }

    /// The elements at `offset + Σ i·stride` of this tensor's elements in C order: `torch.as_strided` of a contiguous
    /// tensor. (A tensor here is a value: there is no other memory to see.)
    ///
    /// # Panics
    /// If there are not as many strides as sizes, or an element would lie outside.
    #[track_caller]
    pub fn as_strided(&self, shape: &[usize], strides: &[usize], offset: usize) -> Tensor {
        self.contiguous().ravel().strided(shape, strides, offset)
    }

    /// A copy in which the elements that [`Tensor::as_strided`] names hold `source`.
    ///
    /// # Panics
    /// As [`Tensor::as_strided`], and if `source` has another shape, or an element is named twice.
    #[track_caller]
    pub fn as_strided_scatter(&self, source: &Tensor, shape: &[usize], strides: &[usize], offset: usize) -> Tensor {
        let (shape, strides) = (shape.to_vec(), strides.to_vec());
        self.ravel().with_part(source, |x| x.strided(&shape, &strides, offset)).reshape(self.shape())
    }

    /// Elements of a contiguous vector.
    #[track_caller]
    fn strided(&self, shape: &[usize], strides: &[usize], offset: usize) -> Tensor {
        if shape.len() != strides.len() {
            bug!("", "mismatch in length of strides and shape");
        }
        let reach: usize = offset + shape.iter().zip(strides).map(|(n, s)| n.saturating_sub(1) * s).sum::<usize>();
        if !shape.contains(&0) && reach >= self.numel() {
            bug!(
                "",
                "setStorage: sizes {shape:?}, strides {strides:?}, storage offset {offset}, and itemsize {size} requiring a \
                 storage size of {} are out of bounds for storage of size {}",
                (reach + 1) * self.dtype().size(),
                self.numel() * self.dtype().size(),
                size = self.dtype().size()
            );
        }
        let strides = strides.iter().map(|&s| s as isize).collect();
        let at = self.layout().offset() + if shape.contains(&0) { 0 } else { offset };
        let layout = Layout::new(Shape::from_slice(shape), strides, at, self.storage().len()).expect("checked above");
        self.with_layout(layout)
    }

    /// A copy in which the elements at flat positions in C order hold those of `source`; negative positions count from the
    /// end. Where a position occurs twice, the later element stays.
    ///
    /// # Panics
    /// If dtypes or numbers of elements differ, or a position is out of range.
    #[track_caller]
    pub fn put(&self, index: &Tensor, source: &Tensor) -> Tensor {
        match self.put_parts(index, source) {
            Some([flat, index, source]) => flat.index_put(&[Some(&index)], &source).reshape(self.shape()),
            None => self.clone(),
        }
    }

    /// A copy in which the elements of `source` are added at flat positions in C order.
    ///
    /// # Panics
    /// As [`Tensor::put`].
    #[track_caller]
    pub fn put_accumulate(&self, index: &Tensor, source: &Tensor) -> Tensor {
        match self.put_parts(index, source) {
            Some([flat, index, source]) => flat.index_put_accumulate(&[Some(&index)], &source).reshape(self.shape()),
            None => self.clone(),
        }
    }

    /// This tensor, index and source as vectors, checked; `None` if nothing is put.
    #[track_caller]
    fn put_parts(&self, index: &Tensor, source: &Tensor) -> Option<[Tensor; 3]> {
        if !matches!(index.dtype(), crate::DType::I64 | crate::DType::I32) {
            bug!("", "put_(): Expected a long tensor for index, but got {}", index.dtype().legacy_name());
        }
        if source.dtype() != self.dtype() {
            bug!(
                "",
                "put_(): self and source expected to have the same dtype, but got self.dtype = {} and source.dtype = {}",
                self.dtype().legacy_name(),
                source.dtype().legacy_name()
            );
        }
        if index.numel() != source.numel() {
            bug!(
                "",
                "put_(): Expected source and index to have the same number of elements, but got source.numel() = {}, \
                 index.numel() = {}",
                source.numel(),
                index.numel()
            );
        }
        (index.numel() > 0).then(|| [self.ravel(), index.ravel(), source.ravel()])
    }
}
