//! The one walker under elementwise kernels: axes that lie alike in all operands are joined, then rows are visited.

use crate::shape::{Shape, Strides};
use smallvec::SmallVec;

/// Joined axes of `N` operands of one shape, innermost last, never empty.
pub(crate) struct Walk<const N: usize> {
    /// Sizes, outermost first; at least one axis.
    pub(crate) shape: Shape,
    /// Strides of each operand, same axes.
    pub(crate) strides: [Strides; N],
}

impl<const N: usize> Walk<N> {
    /// Joins what can be joined. All strides have the shape's length.
    pub(crate) fn new(shape: &[usize], operands: [&[isize]; N]) -> Walk<N> {
        let mut out = Walk { shape: Shape::new(), strides: std::array::from_fn(|_| Strides::new()) };
        for (i, &size) in shape.iter().enumerate() {
            if size == 1 {
                continue;
            }
            let last = out.shape.len().wrapping_sub(1);
            let joins = !out.shape.is_empty()
                && (0..N).all(|k| out.strides[k][last] == operands[k][i].wrapping_mul(size as isize));
            if joins {
                out.shape[last] *= size;
                for k in 0..N {
                    out.strides[k][last] = operands[k][i];
                }
            } else {
                out.shape.push(size);
                for k in 0..N {
                    out.strides[k].push(operands[k][i]);
                }
            }
        }
        if out.shape.is_empty() {
            out.shape.push(1);
            for k in 0..N {
                out.strides[k].push(1);
            }
        }
        out
    }

    /// Elements per row: the size of the innermost joined axis.
    pub(crate) fn row_len(&self) -> usize {
        self.shape[self.shape.len() - 1]
    }

    /// Whether the rows of operand `k` follow each other without gaps.
    pub(crate) fn is_dense(&self, k: usize) -> bool {
        let mut next = self.row_len();
        for d in (0..self.shape.len() - 1).rev() {
            if self.strides[k][d] != next as isize {
                return false;
            }
            next *= self.shape[d];
        }
        true
    }

    /// The walk without its innermost axis: its rows are steps from row to row.
    pub(crate) fn outer(&self) -> Walk<N> {
        let outer = self.shape.len() - 1;
        if outer == 0 {
            return Walk { shape: [1].as_slice().into(), strides: std::array::from_fn(|_| [1].as_slice().into()) };
        }
        Walk { shape: self.shape[..outer].into(), strides: std::array::from_fn(|k| self.strides[k][..outer].into()) }
    }

    /// The number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.shape[..self.shape.len() - 1].iter().product()
    }

    /// The innermost stride of each operand.
    pub(crate) fn row_strides(&self) -> [isize; N] {
        let mut out = [0; N];
        for k in 0..N {
            out[k] = self.strides[k][self.shape.len() - 1];
        }
        out
    }

    /// Calls `f` with each operand's index of the first element of rows `range`, given the operands' offsets.
    #[inline]
    pub(crate) fn each_row(&self, range: std::ops::Range<usize>, offsets: [usize; N], mut f: impl FnMut([usize; N])) {
        let mut row = Row::new(self, range.start, offsets);
        for _ in range {
            f(row.at);
            row.advance();
        }
    }
}

/// A row of a walk. Apart from [`Walk::each_row`], so that it is compiled once and not for each caller's closure.
struct Row<'a, const N: usize> {
    walk: &'a Walk<N>,
    index: SmallVec<[usize; 6]>,
    /// Each operand's index of the first element; on the way to the next row it may wrap.
    at: [usize; N],
}

impl<'a, const N: usize> Row<'a, N> {
    fn new(walk: &'a Walk<N>, number: usize, offsets: [usize; N]) -> Row<'a, N> {
        let outer = walk.shape.len() - 1;
        let mut row = Row { walk, index: SmallVec::from_elem(0, outer), at: offsets };
        let mut rest = number;
        for d in (0..outer).rev() {
            let size = walk.shape[d];
            row.index[d] = rest % size;
            rest /= size;
            row.step(d, row.index[d] as isize);
        }
        row
    }

    #[inline]
    fn step(&mut self, d: usize, steps: isize) {
        for k in 0..N {
            self.at[k] = self.at[k].wrapping_add_signed(steps.wrapping_mul(self.walk.strides[k][d]));
        }
    }

    #[inline]
    fn advance(&mut self) {
        for d in (0..self.index.len()).rev() {
            self.index[d] += 1;
            self.step(d, 1);
            let size = self.walk.shape[d];
            if self.index[d] < size {
                break;
            }
            self.step(d, -(size as isize));
            self.index[d] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_visited_in_order_from_any_start() {
        let walk = Walk::new(&[2, 3, 4], [&[12, 4, 1], &[1, 2, 6]]);
        assert_eq!(walk.rows(), 6);
        let mut all = Vec::new();
        walk.each_row(0..6, [0, 5], |p| all.push(p));
        assert_eq!(all[4], [16, 5 + 1 + 2]);
        let mut tail = Vec::new();
        walk.each_row(3..6, [0, 5], |p| tail.push(p));
        assert_eq!(tail, all[3..]);
        assert_eq!(Walk::new(&[2, 3, 4], [&[12, 4, 1]]).rows(), 1);
    }
}
