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
use crate::shape::{Shape, Strides, contiguous_strides, copied, numel};

/// The largest rank, as in PyTorch.
pub const MAX_RANK: usize = 64;

/// Shape, strides (in elements, possibly zero or negative) and offset of a view.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    shape: Shape,
    strides: Strides,
    offset: usize,
}

impl Clone for Layout {
    /// A clone without the loop and the calls of `SmallVec`'s own, which are a tenth of the cost of a small operation.
    #[inline]
    fn clone(&self) -> Layout {
        Layout { shape: copied(&self.shape, 0), strides: copied(&self.strides, 0), offset: self.offset }
    }
}

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
        if inside { Ok(Layout { shape, strides, offset }) } else { Err(fail(&shape, &strides)) }
    }

    /// The layout of a fresh tensor in C order.
    ///
    /// # Panics
    /// If the shape has more elements than memory can hold.
    #[track_caller]
    pub fn contiguous(shape: Shape) -> Layout {
        let product = shape.iter().filter(|&&s| s != 0).try_fold(1usize, |a, &s| a.checked_mul(s));
        if product.is_none_or(|p| p > isize::MAX as usize / 8) || shape.len() > MAX_RANK {
            bug!("", "a tensor of shape {shape:?} is too large for this machine's address space");
        }
        let strides = contiguous_strides(&shape);
        Layout { shape, strides, offset: 0 }
    }

    /// Sizes per axis.
    #[inline]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Strides per axis, in elements.
    #[inline]
    pub fn strides(&self) -> &[isize] {
        &self.strides
    }

    /// The storage index of the first element.
    #[inline]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The number of axes.
    #[inline]
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    #[inline]
    pub fn numel(&self) -> usize {
        numel(&self.shape)
    }

    /// Whether the elements lie in C order without gaps. Strides of axes of size 1 do not matter.
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1isize;
        for (&size, &stride) in self.shape.iter().zip(&self.strides).rev() {
            if size == 0 {
                return true;
            }
            if size != 1 {
                if stride != expected {
                    return false;
                }
                expected *= size as isize;
            }
        }
        true
    }

    /// Axes in another order: axis `i` of the result is axis `order[i]` of `self`. The caller has checked `order`.
    pub(crate) fn permute(&self, order: &[usize]) -> Layout {
        Layout {
            shape: order.iter().map(|&i| self.shape[i]).collect(),
            strides: order.iter().map(|&i| self.strides[i]).collect(),
            offset: self.offset,
        }
    }

    /// Elements `start, start+step, …` along an axis, `len` of them. The caller has checked that they exist;
    /// `step` may be negative.
    pub(crate) fn slice(&self, axis: usize, start: usize, len: usize, step: isize) -> Layout {
        let mut out = self.clone();
        if len > 0 && numel(&self.shape) > 0 {
            debug_assert!(start < self.shape[axis]);
            debug_assert!((start as isize + (len as isize - 1) * step) >= 0);
            debug_assert!(((start as isize + (len as isize - 1) * step) as usize) < self.shape[axis]);
            out.offset = (self.offset as isize + start as isize * self.strides[axis]) as usize;
        }
        out.shape[axis] = len;
        out.strides[axis] = self.strides[axis] * step;
        out
    }

    /// Drops an axis of any size after choosing `index` on it. The caller has checked `index`.
    pub(crate) fn select(&self, axis: usize, index: usize) -> Layout {
        let mut out = self.slice(axis, index, 1, 1);
        out.shape.remove(axis);
        out.strides.remove(axis);
        out
    }

    /// Drops an axis of size 1.
    pub(crate) fn squeeze(&self, axis: usize) -> Layout {
        debug_assert_eq!(self.shape[axis], 1);
        let mut out = self.clone();
        out.shape.remove(axis);
        out.strides.remove(axis);
        out
    }

    /// Inserts an axis of size 1 before `axis`, with the stride that PyTorch gives it.
    pub(crate) fn unsqueeze(&self, axis: usize) -> Layout {
        let mut out = self.clone();
        let stride = if axis < self.rank() { self.shape[axis] as isize * self.strides[axis] } else { 1 };
        out.shape.insert(axis, 1);
        out.strides.insert(axis, stride);
        out
    }

    /// Repeats axes of size 1 (and new leading axes) by stride 0. `None` if a size does not fit.
    pub(crate) fn expand(&self, shape: &[usize]) -> Option<Layout> {
        let lead = shape.len().checked_sub(self.rank())?;
        let mut strides = Strides::from_elem(0, shape.len());
        for (i, (&size, &stride)) in self.shape.iter().zip(&self.strides).enumerate() {
            if size == shape[lead + i] {
                strides[lead + i] = stride;
            } else if size != 1 {
                return None;
            }
        }
        Some(Layout { shape: Shape::from_slice(shape), strides, offset: self.offset })
    }

    /// The same elements under another shape without a copy, or `None` if strides cannot express it.
    ///
    /// The rule is PyTorch's `computeStride`: walk both shapes from the back and match runs of axes that are
    /// contiguous among themselves. The caller has checked that the numbers of elements agree.
    pub(crate) fn view(&self, shape: &[usize]) -> Option<Layout> {
        if self.is_contiguous() || numel(shape) == 0 {
            return Some(Layout {
                shape: Shape::from_slice(shape),
                strides: contiguous_strides(shape),
                offset: self.offset,
            });
        }
        let mut strides = Strides::from_elem(0, shape.len());
        let mut next = shape.len() as isize - 1;
        let (mut run, mut seen) = (1usize, 1usize);
        let mut base = self.strides.last().copied().unwrap_or(1);
        for d in (0..self.rank()).rev() {
            run *= self.shape[d];
            let ends = d == 0 || (self.shape[d - 1] != 1 && self.strides[d - 1] != run as isize * base);
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
                    base = self.strides[d - 1];
                    (run, seen) = (1, 1);
                }
            }
        }
        (next == -1).then(|| Layout { shape: Shape::from_slice(shape), strides, offset: self.offset })
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
