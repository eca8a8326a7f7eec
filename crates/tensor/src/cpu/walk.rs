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

    /// The number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.shape[..self.shape.len() - 1].iter().product()
    }

    /// The innermost stride of each operand.
    pub(crate) fn row_strides(&self) -> [isize; N] {
        std::array::from_fn(|k| self.strides[k][self.shape.len() - 1])
    }

    /// Calls `f` with each operand's index of the first element of rows `range`, given the operands' offsets.
    #[inline]
    pub(crate) fn each_row(&self, range: std::ops::Range<usize>, offsets: [usize; N], mut f: impl FnMut([usize; N])) {
        let outer = &self.shape[..self.shape.len() - 1];
        let mut index: SmallVec<[usize; 6]> = SmallVec::from_elem(0, outer.len());
        let mut position = offsets.map(|o| o as isize);
        let mut rest = range.start;
        for d in (0..outer.len()).rev() {
            index[d] = rest % outer[d];
            rest /= outer[d];
            for k in 0..N {
                position[k] += index[d] as isize * self.strides[k][d];
            }
        }
        for _ in range {
            f(position.map(|p| p as usize));
            for d in (0..outer.len()).rev() {
                index[d] += 1;
                for k in 0..N {
                    position[k] += self.strides[k][d];
                }
                if index[d] < outer[d] {
                    break;
                }
                for k in 0..N {
                    position[k] -= self.strides[k][d] * outer[d] as isize;
                }
                index[d] = 0;
            }
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
