//! What a register tile is told: where its operands' rows start, how large it is, and what becomes of its sums.

use super::simd::Real;

/// What a tile is added to, before it is stored.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a, T> {
    /// Nothing.
    Zero,
    /// What the output holds.
    Keep,
    /// Row `i` is `data[i·stride..]`.
    Rows(&'a [T], usize),
    /// All of row `i` is `data[i·stride]`.
    Splat(&'a [T], usize),
}

impl<T> Start<'_, T> {
    /// Where [`Start::Rows`] begin, and how far apart they are.
    #[inline(always)]
    pub(super) fn rows(&self) -> Option<(*const T, usize)> {
        match *self {
            Start::Rows(data, stride) => Some((data.as_ptr(), stride)),
            _ => None,
        }
    }

    /// Panics unless `m` rows of `n` numbers are there.
    pub(super) fn check(&self, m: usize, n: usize) {
        match *self {
            Start::Zero | Start::Keep => {}
            Start::Rows(data, stride) => assert!((m - 1) * stride + n <= data.len(), "an addend is too small"),
            Start::Splat(data, stride) => assert!((m - 1) * stride < data.len(), "an addend is too small"),
        }
    }
}

/// How the sums of a tile become what is stored.
#[derive(Clone, Copy)]
pub(crate) struct Finish<'a, T> {
    /// What they are added to first.
    pub(crate) start: Start<'a, T>,
    /// What they are then raised to where they are less; NaN stays. Zero makes it a ReLU.
    pub(crate) floor: T,
}

impl<T> Finish<'_, T> {
    /// What is told of the tile `rows` and `columns` further.
    #[inline(always)]
    pub(super) fn from(self, rows: usize, columns: usize) -> Self {
        let start = match self.start {
            Start::Rows(data, stride) => Start::Rows(&data[rows * stride + columns..], stride),
            Start::Splat(data, stride) => Start::Splat(&data[rows * stride..], stride),
            whole => whole,
        };
        Finish { start, ..self }
    }
}

impl<'a, T: Real> From<Start<'a, T>> for Finish<'a, T> {
    /// Nothing is below the floor.
    fn from(start: Start<'a, T>) -> Finish<'a, T> {
        Finish { start, floor: T::NEG_INFINITY }
    }
}

/// The rows and columns of a tile, and how far apart its rows are in the output.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) step: usize,
}

impl Size {
    /// Where the last row ends.
    pub(super) fn end(self) -> usize {
        self.m.saturating_sub(1).saturating_mul(self.step).saturating_add(self.n)
    }
}

/// Tiles of one size below and beside each other.
#[derive(Clone, Copy)]
pub(crate) struct Grid {
    pub(crate) down: usize,
    pub(crate) across: usize,
    /// How far apart columns of tiles are in the right factor.
    pub(crate) apart: usize,
}

/// Where the rows of an operand start in its slice.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    at: &'a [usize],
    last: usize,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(at: &'a [usize]) -> Rows<'a> {
        Rows { at, last: at.iter().copied().max().unwrap_or(0) }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.at.len()
    }

    pub(super) fn at(&self) -> &'a [usize] {
        self.at
    }

    /// The largest of [`Rows::at`].
    pub(super) fn last(&self) -> usize {
        self.last
    }
}
