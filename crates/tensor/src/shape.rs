//! Shapes: sizes per axis, axis arguments, broadcasting, and their printed form.

use crate::bug;
use smallvec::SmallVec;

/// Sizes, one per axis; up to four live without an allocation.
pub type Shape = SmallVec<[usize; 4]>;
/// Strides in elements, one per axis.
pub type Strides = SmallVec<[isize; 4]>;
/// A list of axes.
pub type Axes = SmallVec<[usize; 4]>;

/// Sizes as Python prints a list: `[2, 3]`.
pub fn list(sizes: &[usize]) -> String {
    format!("{sizes:?}")
}

/// Sizes as `torch.Size` prints: `torch.Size([2, 3])`.
pub fn size_text(sizes: &[usize]) -> String {
    format!("torch.Size({sizes:?})")
}

/// The number of elements of a shape.
pub fn numel(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// The sizes as a list of their own. Up to four are moved without a call, which `SmallVec::from_slice` makes.
#[inline]
pub fn copied(shape: &[usize]) -> Shape {
    let mut buffer = [0; 4];
    if shape.len() > buffer.len() {
        return Shape::from_slice(shape);
    }
    buffer.iter_mut().zip(shape).for_each(|(to, &size)| *to = size);
    Shape::from_buf_and_len(buffer, shape.len())
}

/// Whether two lists of sizes are equal; they are short, and a comparison of memory would be a call.
#[inline]
pub fn same(a: &[usize], b: &[usize]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b)
}

/// Strides of a contiguous (C order) tensor, as PyTorch computes them: axes of size 0 count as 1.
#[inline]
pub fn contiguous_strides(shape: &[usize]) -> Strides {
    if shape.len() <= 4 {
        let mut buffer = [1; 4];
        let mut next = 1isize;
        for i in (0..shape.len()).rev() {
            buffer[i] = next;
            next = next.saturating_mul(shape[i].max(1) as isize);
        }
        return Strides::from_buf_and_len(buffer, shape.len());
    }
    let mut strides = Strides::from_elem(1, shape.len());
    let mut next = 1isize;
    for (stride, &size) in strides.iter_mut().zip(shape).rev() {
        *stride = next;
        next = next.saturating_mul(size.max(1) as isize);
    }
    strides
}

/// An axis argument as PyTorch takes it, negative counts from the end, to an index.
///
/// A tensor of rank 0 accepts -1 and 0, as in PyTorch.
///
/// # Panics
/// If out of range, in PyTorch's words.
#[track_caller]
pub fn axis(op: &str, dim: isize, rank: usize) -> usize {
    let range = rank.max(1) as isize;
    if dim < -range || dim >= range {
        bug!(op, "Dimension out of range (expected to be in range of [{}, {}], but got {})", -range, range - 1, dim);
    }
    if dim < 0 { (dim + range) as usize } else { dim as usize }
}

/// Several axis arguments; an empty list means all axes. Sorted and checked for duplicates.
///
/// # Panics
/// If one is out of range or occurs twice, in PyTorch's words.
#[track_caller]
pub fn axes(op: &str, dims: &[isize], rank: usize) -> Axes {
    if dims.is_empty() {
        return (0..rank).collect();
    }
    let mut out = Axes::new();
    for &dim in dims {
        let index = axis(op, dim, rank);
        if out.contains(&index) {
            bug!(op, "dim {index} appears multiple times in the list of dims");
        }
        if rank > 0 {
            out.push(index);
        }
    }
    out.sort_unstable();
    out
}

/// The shape that two shapes broadcast to.
///
/// # Panics
/// If they do not, in PyTorch's words.
#[track_caller]
pub fn broadcast(op: &str, a: &[usize], b: &[usize]) -> Shape {
    let rank = a.len().max(b.len());
    let size = |s: &[usize], i: usize| if i + s.len() < rank { 1 } else { s[i + s.len() - rank] };
    let mut out = Shape::from_elem(1, rank);
    // From the back, as PyTorch, which reports the last axis that does not fit.
    for i in (0..rank).rev() {
        out[i] = match (size(a, i), size(b, i)) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            (x, y) => bug!(
                op,
                "The size of tensor a ({x}) must match the size of tensor b ({y}) at non-singleton dimension {i}"
            ),
        };
    }
    out
}

/// Axis sizes given by the caller: arrays, slices and vectors of `usize`.
pub trait IntoShape {
    /// The sizes.
    fn into_shape(self) -> Shape;
}
impl<const N: usize> IntoShape for [usize; N] {
    #[inline]
    fn into_shape(self) -> Shape {
        copied(&self)
    }
}
impl<const N: usize> IntoShape for &[usize; N] {
    fn into_shape(self) -> Shape {
        Shape::from_slice(self)
    }
}
impl IntoShape for &[usize] {
    #[inline]
    fn into_shape(self) -> Shape {
        copied(self)
    }
}
impl IntoShape for Vec<usize> {
    fn into_shape(self) -> Shape {
        Shape::from_vec(self)
    }
}
impl IntoShape for &Vec<usize> {
    fn into_shape(self) -> Shape {
        Shape::from_slice(self)
    }
}
impl IntoShape for Shape {
    fn into_shape(self) -> Shape {
        self
    }
}
impl IntoShape for &Shape {
    fn into_shape(self) -> Shape {
        self.clone()
    }
}
impl IntoShape for usize {
    fn into_shape(self) -> Shape {
        Shape::from_slice(&[self])
    }
}
impl IntoShape for () {
    fn into_shape(self) -> Shape {
        Shape::new()
    }
}

/// Axis arguments given by the caller: one `isize`, an array, slice or vector of them, or `()` for all axes.
pub trait IntoDims {
    /// The axes, negative counts from the end; empty for all.
    fn into_dims(self) -> SmallVec<[isize; 6]>;
}
impl IntoDims for () {
    fn into_dims(self) -> SmallVec<[isize; 6]> {
        SmallVec::new()
    }
}
impl IntoDims for isize {
    fn into_dims(self) -> SmallVec<[isize; 6]> {
        SmallVec::from_slice(&[self])
    }
}
impl IntoDims for i32 {
    fn into_dims(self) -> SmallVec<[isize; 6]> {
        SmallVec::from_slice(&[self as isize])
    }
}
impl<const N: usize> IntoDims for [isize; N] {
    fn into_dims(self) -> SmallVec<[isize; 6]> {
        SmallVec::from_slice(&self)
    }
}
impl<const N: usize> IntoDims for &[isize; N] {
    fn into_dims(self) -> SmallVec<[isize; 6]> {
        SmallVec::from_slice(self)
    }
}
impl IntoDims for &[isize] {
    fn into_dims(self) -> SmallVec<[isize; 6]> {
        SmallVec::from_slice(self)
    }
}
impl IntoDims for Vec<isize> {
    fn into_dims(self) -> SmallVec<[isize; 6]> {
        SmallVec::from_vec(self)
    }
}
impl IntoDims for &Vec<isize> {
    fn into_dims(self) -> SmallVec<[isize; 6]> {
        SmallVec::from_slice(self)
    }
}
