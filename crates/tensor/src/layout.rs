//! The checked description of a view: shape, strides and offset into a storage.
//!
//! Every [`Layout`] satisfies, for the storage length it was made for:
//!
//! 1. `shape.len() == strides.len()`, at most [`MAX_RANK`].
//! 2. The product of the non-zero sizes fits in `isize`.
//! 3. If no size is zero, `offset + Σ (size-1)·stride`, taken over the negative and over the positive strides apart,
//!    lies in `0..len`: every element that an index can name is in the storage.
//! 4. If a size is zero, `offset <= len`.
//!
//! [`Layout::new`] checks them; the view methods keep them.

use crate::bug;
use crate::error::Error;
use crate::shape::{Shape, Strides, contiguous_strides};

/// The largest rank, as in PyTorch.
pub const MAX_RANK: usize = 64;

/// Shape, strides (in elements, possibly zero or negative) and offset of a view.
#[derive(Clone)]
pub struct Layout {
    /// Sizes and strides of up to four axes, which are copied as they lie: clones of two `SmallVec`s are a tenth of the cost of
    /// a small operation, and an enum's copies are of odd lengths, which stalls the reads that follow.
    shape: [usize; FEW],
    strides: [isize; FEW],
    /// Those of more axes.
    many: Option<Box<(Shape, Strides)>>,
    offset: usize,
    numel: usize,
    /// How many axes lie in place.
    few: u32,
    contiguous: bool,
    /// Whether the strides are those of a fresh tensor, also where an axis has size 1.
    plain: bool,
}

/// Up to so many axes live in place.
const FEW: usize = 4;

impl Layout {
    /// A view, checked against a storage of `len` elements (the invariants in the module's page).
    ///
    /// # Errors
    /// [`Error::TooLarge`] or [`Error::OutOfStorage`].
    pub fn new(shape: Shape, strides: Strides, offset: usize, len: usize) -> Result<Layout, Error> {
        let fail = |shape: &Shape, strides: &Strides| Error::OutOfStorage {
            shape: shape.to_vec(),
            strides: strides.to_vec(),
            offset,
            len,
        };
        if shape.len() != strides.len() || shape.len() > MAX_RANK {
            return Err(fail(&shape, &strides));
        }
        let product = shape.iter().filter(|&&s| s != 0).try_fold(1usize, |a, &s| a.checked_mul(s));
        if product.is_none_or(|p| p > isize::MAX as usize) {
            return Err(Error::TooLarge(shape.to_vec()));
        }
        let inside = if shape.contains(&0) {
            offset <= len
        } else {
            let reach =
                shape.iter().zip(&strides).try_fold((offset as i128, offset as i128), |(low, high), (&s, &st)| {
                    let span = (s as i128 - 1) * st as i128;
                    Some(if span < 0 { (low + span, high) } else { (low, high + span) })
                });
            reach.is_some_and(|(low, high)| low >= 0 && high < len as i128)
        };
        if inside { Ok(Layout::of(&shape, &strides, offset)) } else { Err(fail(&shape, &strides)) }
    }

    /// The layout of a fresh tensor in C order.
    ///
    /// # Panics
    /// If the shape has more elements than memory can hold.
    #[inline]
    #[track_caller]
    pub fn contiguous(shape: &[usize]) -> Layout {
        let few = shape.len() <= FEW;
        let (mut sizes, mut strides) = ([1; FEW], [1; FEW]);
        // The product of the sizes that are not zero, and whether it fits.
        let (mut next, mut fits, mut empty) = (1usize, true, false);
        if few {
            for i in (0..shape.len()).rev() {
                (sizes[i], strides[i]) = (shape[i], next as isize);
                empty |= shape[i] == 0;
                let (product, over) = next.overflowing_mul(shape[i].max(1));
                (next, fits) = (product, fits && !over);
            }
        } else {
            let product = shape.iter().filter(|&&s| s != 0).try_fold(1usize, |a, &s| a.checked_mul(s));
            (next, fits, empty) = (product.unwrap_or(0), product.is_some(), shape.contains(&0));
        }
        if !fits || next > isize::MAX as usize / 8 || shape.len() > MAX_RANK {
            bug!("", "a tensor of shape {shape:?} is too large for this machine's address space");
        }
        let numel = if empty { 0 } else { next };
        let many = (!few).then(|| Box::new((Shape::from_slice(shape), contiguous_strides(shape))));
        let few = if few { shape.len() as u32 } else { 0 };
        Layout { shape: sizes, strides, many, offset: 0, numel, few, contiguous: true, plain: true }
    }

    /// The layout of a fresh tensor of this shape.
    #[inline]
    pub(crate) fn fresh(&self) -> Layout {
        if self.plain { Layout { offset: 0, ..self.clone() } } else { Layout::contiguous(self.shape()) }
    }

    /// What the caller has checked.
    fn of(shape: &[usize], strides: &[isize], offset: usize) -> Layout {
        debug_assert_eq!(shape.len(), strides.len());
        let few = if shape.len() <= FEW { shape.len() } else { 0 };
        let (mut sizes, mut steps) = ([1; FEW], [1; FEW]);
        sizes[..few].copy_from_slice(&shape[..few]);
        steps[..few].copy_from_slice(&strides[..few]);
        let many = (shape.len() > FEW).then(|| Box::new((Shape::from_slice(shape), Strides::from_slice(strides))));
        let numel = if shape.contains(&0) { 0 } else { shape.iter().fold(1usize, |a, &s| a.wrapping_mul(s)) };
        let mut next = 1isize;
        let (mut contiguous, mut plain) = (true, numel > 0);
        for (&size, &stride) in shape.iter().zip(strides).rev() {
            contiguous &= stride == next || size == 1;
            plain &= stride == next;
            next = next.wrapping_mul(size as isize);
        }
        let contiguous = contiguous || numel == 0;
        Layout { shape: sizes, strides: steps, many, offset, numel, few: few as u32, contiguous, plain }
    }

    /// Sizes per axis.
    #[inline]
    pub fn shape(&self) -> &[usize] {
        match &self.many {
            None => &self.shape[..self.few as usize],
            Some(both) => &both.0,
        }
    }

    /// Strides per axis, in elements.
    #[inline]
    pub fn strides(&self) -> &[isize] {
        match &self.many {
            None => &self.strides[..self.few as usize],
            Some(both) => &both.1,
        }
    }

    /// The storage index of the first element.
    #[inline]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The number of axes.
    #[inline]
    pub fn rank(&self) -> usize {
        match &self.many {
            None => self.few as usize,
            Some(both) => both.0.len(),
        }
    }

    /// The number of elements.
    #[inline]
    pub fn numel(&self) -> usize {
        self.numel
    }

    /// Whether the elements lie in C order without gaps. Strides of axes of size 1 do not matter.
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        self.contiguous
    }

    /// Sizes and strides to change.
    fn parts(&self) -> (Shape, Strides) {
        (Shape::from_slice(self.shape()), Strides::from_slice(self.strides()))
    }

    /// Axes in another order: axis `i` of the result is axis `order[i]` of `self`. The caller has checked `order`.
    pub(crate) fn permute(&self, order: &[usize]) -> Layout {
        let shape: Shape = order.iter().map(|&i| self.shape()[i]).collect();
        let strides: Strides = order.iter().map(|&i| self.strides()[i]).collect();
        Layout::of(&shape, &strides, self.offset)
    }

    /// Elements `start, start+step, …` along an axis, `len` of them. The caller has checked that they exist;
    /// `step` may be negative.
    pub(crate) fn slice(&self, axis: usize, start: usize, len: usize, step: isize) -> Layout {
        let (mut shape, mut strides) = self.parts();
        let mut offset = self.offset;
        if len > 0 && self.numel > 0 {
            debug_assert!(start < shape[axis]);
            debug_assert!((start as isize + (len as isize - 1) * step) >= 0);
            debug_assert!(((start as isize + (len as isize - 1) * step) as usize) < shape[axis]);
            offset = (self.offset as isize + start as isize * strides[axis]) as usize;
        }
        shape[axis] = len;
        strides[axis] *= step;
        Layout::of(&shape, &strides, offset)
    }

    /// Drops an axis of any size after choosing `index` on it. The caller has checked `index`.
    pub(crate) fn select(&self, axis: usize, index: usize) -> Layout {
        self.slice(axis, index, 1, 1).squeeze(axis)
    }

    /// Drops an axis of size 1.
    pub(crate) fn squeeze(&self, axis: usize) -> Layout {
        debug_assert_eq!(self.shape()[axis], 1);
        let (mut shape, mut strides) = self.parts();
        shape.remove(axis);
        strides.remove(axis);
        Layout::of(&shape, &strides, self.offset)
    }

    /// Inserts an axis of size 1 before `axis`, with the stride that PyTorch gives it.
    pub(crate) fn unsqueeze(&self, axis: usize) -> Layout {
        let (mut shape, mut strides) = self.parts();
        let stride = if axis < self.rank() { shape[axis] as isize * strides[axis] } else { 1 };
        shape.insert(axis, 1);
        strides.insert(axis, stride);
        Layout::of(&shape, &strides, self.offset)
    }

    /// Repeats axes of size 1 (and new leading axes) by stride 0. `None` if a size does not fit.
    pub(crate) fn expand(&self, shape: &[usize]) -> Option<Layout> {
        let lead = shape.len().checked_sub(self.rank())?;
        let mut strides = Strides::from_elem(0, shape.len());
        for (i, (&size, &stride)) in self.shape().iter().zip(self.strides()).enumerate() {
            if size == shape[lead + i] {
                strides[lead + i] = stride;
            } else if size != 1 {
                return None;
            }
        }
        Some(Layout::of(shape, &strides, self.offset))
    }

    /// The same elements under another shape without a copy, or `None` if strides cannot express it.
    ///
    /// The rule is PyTorch's `computeStride`: walk both shapes from the back and match runs of axes that are
    /// contiguous among themselves. The caller has checked that the numbers of elements agree.
    pub(crate) fn view(&self, shape: &[usize]) -> Option<Layout> {
        if self.contiguous || shape.contains(&0) {
            return Some(Layout::of(shape, &contiguous_strides(shape), self.offset));
        }
        let (sizes, steps) = (self.shape(), self.strides());
        let mut strides = Strides::from_elem(0, shape.len());
        let mut next = shape.len() as isize - 1;
        let (mut run, mut seen) = (1usize, 1usize);
        let mut base = steps.last().copied().unwrap_or(1);
        for d in (0..sizes.len()).rev() {
            run *= sizes[d];
            let ends = d == 0 || (sizes[d - 1] != 1 && steps[d - 1] != run as isize * base);
            if ends {
                while next >= 0 && (seen < run || shape[next as usize] == 1) {
                    strides[next as usize] = seen as isize * base;
                    seen *= shape[next as usize];
                    next -= 1;
                }
                if seen != run {
                    return None;
                }
                if d > 0 {
                    base = steps[d - 1];
                    (run, seen) = (1, 1);
                }
            }
        }
        (next == -1).then(|| Layout::of(shape, &strides, self.offset))
    }
}

impl PartialEq for Layout {
    fn eq(&self, other: &Layout) -> bool {
        self.shape() == other.shape() && self.strides() == other.strides() && self.offset == other.offset
    }
}
impl Eq for Layout {}

impl std::fmt::Debug for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (shape, strides) = (self.shape(), self.strides());
        f.debug_struct("Layout")
            .field("shape", &shape)
            .field("strides", &strides)
            .field("offset", &self.offset)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_outside_its_storage_is_refused() {
        let make = |shape: &[usize], strides: &[isize], offset, len| {
            Layout::new(Shape::from_slice(shape), Strides::from_slice(strides), offset, len)
        };
        assert!(make(&[2, 3], &[3, 1], 0, 6).is_ok());
        assert!(make(&[2, 3], &[3, 1], 1, 6).is_err());
        assert!(make(&[3], &[-1], 2, 3).is_ok());
        assert!(make(&[3], &[-1], 1, 3).is_err());
        assert!(make(&[0, usize::MAX], &[1, 1], 0, 0).is_err());
        assert!(make(&[1 << 40, 1 << 40], &[0, 0], 0, 1).is_err());
        assert!(make(&[0], &[1], 1, 0).is_err());
        assert!(make(&[2], &[isize::MAX], 0, 6).is_err());
    }
}
