//! [`Pair`] and [`Padding`]: sizes per image axis, one for both or one each.

use std::fmt;

/// A number for the height and one for the width: `2` or `(3, 2)`. Prints as it was given, as PyTorch's layers do.
///
/// # Examples
/// ```
/// use wengert_nn::Pair;
/// assert_eq!(Pair::from(2).to_array(), [2, 2]);
/// assert_eq!(Pair::from((3, 2)).to_string(), "(3, 2)");
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Pair {
    /// The same for both.
    Both(usize),
    /// Height and width.
    Each(usize, usize),
}

impl Pair {
    /// `[height, width]`.
    pub const fn to_array(self) -> [usize; 2] {
        match self {
            Pair::Both(n) => [n, n],
            Pair::Each(h, w) => [h, w],
        }
    }

    /// As a tuple, however it was given.
    pub(crate) fn tuple_text(self) -> String {
        let [h, w] = self.to_array();
        format!("({h}, {w})")
    }
}

impl PartialEq for Pair {
    /// Whether the numbers are equal.
    fn eq(&self, other: &Pair) -> bool {
        self.to_array() == other.to_array()
    }
}
impl Eq for Pair {}

impl From<usize> for Pair {
    fn from(n: usize) -> Pair {
        Pair::Both(n)
    }
}
impl From<(usize, usize)> for Pair {
    fn from((h, w): (usize, usize)) -> Pair {
        Pair::Each(h, w)
    }
}
impl From<[usize; 2]> for Pair {
    fn from([h, w]: [usize; 2]) -> Pair {
        Pair::Each(h, w)
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pair::Both(n) => write!(f, "{n}"),
            Pair::Each(..) => f.write_str(&self.tuple_text()),
        }
    }
}

/// How a convolution pads its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Padding {
    /// So many rows and columns on each side.
    Size(Pair),
    /// As many as keep the size of the image, for a stride of 1; an odd one goes below and to the right.
    Same,
    /// None.
    Valid,
}

impl<T: Into<Pair>> From<T> for Padding {
    fn from(size: T) -> Padding {
        Padding::Size(size.into())
    }
}

/// What a convolution pads with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PaddingMode {
    /// Zeros.
    #[default]
    Zeros,
    /// The image mirrored at its edge, the edge itself once.
    Reflect,
    /// The edge, repeated.
    Replicate,
    /// The opposite edge, as if the image were a torus.
    Circular,
}

impl PaddingMode {
    /// PyTorch's name.
    pub const fn name(self) -> &'static str {
        match self {
            PaddingMode::Zeros => "zeros",
            PaddingMode::Reflect => "reflect",
            PaddingMode::Replicate => "replicate",
            PaddingMode::Circular => "circular",
        }
    }
}
