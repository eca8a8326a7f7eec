//! Matrices inside slices, as products take them.

/// A matrix inside a slice: element `(i, j)` is `data[at + i·rs + j·cs]`.
///
/// Invariant, checked by [`Mat::new`] and kept by the views: every element is inside `data`.
#[derive(Clone, Copy)]
pub(crate) struct Mat<'a, T> {
    pub(super) data: &'a [T],
    at: usize,
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) rs: isize,
    pub(super) cs: isize,
}

impl<'a, T: Copy> Mat<'a, T> {
    /// A matrix of `rows × cols` elements with the given strides, starting at `data[at]`.
    ///
    /// # Panics
    /// If an element would lie outside `data`.
    pub(crate) fn new(data: &'a [T], at: usize, (rows, cols): (usize, usize), (rs, cs): (isize, isize)) -> Mat<'a, T> {
        if rows > 0 && cols > 0 {
            let span = |n: usize, s: isize| (n as i128 - 1) * s as i128;
            let (r, c) = (span(rows, rs), span(cols, cs));
            let low = at as i128 + r.min(0) + c.min(0);
            let high = at as i128 + r.max(0) + c.max(0);
            assert!(low >= 0 && high < data.len() as i128, "a matrix reaches outside its memory");
        }
        Mat { data, at, rows, cols, rs, cs }
    }

    /// A matrix in C order that starts at `data[0]`.
    pub(crate) fn dense(data: &'a [T], rows: usize, cols: usize) -> Mat<'a, T> {
        Mat::new(data, 0, (rows, cols), (cols as isize, 1))
    }

    /// The transpose.
    pub(crate) fn t(self) -> Mat<'a, T> {
        Mat { rows: self.cols, cols: self.rows, rs: self.cs, cs: self.rs, ..self }
    }

    /// Rows `start..start + count`.
    pub(crate) fn rows(self, start: usize, count: usize) -> Mat<'a, T> {
        assert!(start + count <= self.rows, "rows outside the matrix");
        let at = if count > 0 && self.cols > 0 { self.index(start, 0) } else { self.at };
        Mat { at, rows: count, ..self }
    }

    /// Where element `(i, j)` is in the slice.
    #[inline(always)]
    pub(super) fn index(&self, i: usize, j: usize) -> usize {
        (self.at as isize + i as isize * self.rs + j as isize * self.cs) as usize
    }

    /// Columns `start..start + count`.
    pub(crate) fn cols(self, start: usize, count: usize) -> Mat<'a, T> {
        self.t().rows(start, count).t()
    }

    /// The slice from element `(i, j)` on.
    #[inline(always)]
    pub(super) fn from(&self, i: usize, j: usize) -> &'a [T] {
        &self.data[self.index(i, j)..]
    }

    /// Whether a product reads it where it lies, if it is the left factor: rows one after another, or steps, unless these are
    /// so far apart that most fall into few sets of the caches.
    pub(super) fn in_place(&self) -> bool {
        const FAR: usize = 2048;
        let near = self.cs >= 0 && self.cs as usize * size_of::<T>() <= FAR;
        self.rs >= 0 && (self.cs == 1 || self.rs == 1 && near)
    }

    /// Element `(i, j)`.
    #[inline(always)]
    pub(crate) fn get(&self, i: usize, j: usize) -> T {
        self.data[self.index(i, j)]
    }
}

/// What a product is added to.
#[derive(Clone, Copy)]
pub(crate) enum Init<'a, T> {
    /// Nothing: what the output held before is overwritten.
    Zero,
    /// What the output holds.
    Keep,
    /// A matrix of the output's size, often with stride 0: a bias.
    From(Mat<'a, T>),
}

impl<T: Copy> Init<'_, T> {
    pub(super) fn rows(self, start: usize, count: usize) -> Self {
        match self {
            Init::From(mat) => Init::From(mat.rows(start, count)),
            other => other,
        }
    }

    pub(super) fn cols(self, start: usize, count: usize) -> Self {
        match self {
            Init::From(mat) => Init::From(mat.cols(start, count)),
            other => other,
        }
    }

    pub(super) fn t(self) -> Self {
        match self {
            Init::From(mat) => Init::From(mat.t()),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "reaches outside")]
    fn a_matrix_outside_its_memory_is_refused() {
        Mat::new(&[0.0f32; 6], 1, (2, 3), (3, 1));
    }
}
