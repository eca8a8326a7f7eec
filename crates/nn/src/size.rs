//! [`Size`] and [`Padding`]: sizes per image axis, one for all or one each.

use std::fmt;

/// A number for each of `N` axes, given as one for all, `2`, or one each, `(3, 2)`. Prints as it was given, as PyTorch's
/// layers do.
///
/// # Examples
/// ```
/// use wengert_nn::{Pair, Triple};
/// assert_eq!(Pair::from(2).to_array(), [2, 2]);
/// assert_eq!(Pair::from((3, 2)).to_string(), "(3, 2)");
/// assert_eq!(Triple::from(4).to_string(), "4");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Size<const N: usize> {
    sizes: [usize; N],
    /// Whether one number was given for all axes.
    one: bool,
}

/// A length.
pub type Single = Size<1>;
/// A height and a width.
pub type Pair = Size<2>;
/// A depth, a height and a width.
pub type Triple = Size<3>;

impl<const N: usize> Size<N> {
    /// The same for all axes.
    pub const fn all(size: usize) -> Size<N> {
        Size { sizes: [size; N], one: true }
    }

    /// One each, the last axis last.
    pub const fn each(sizes: [usize; N]) -> Size<N> {
        Size { sizes, one: false }
    }

    /// One each, the last axis last.
    pub const fn to_array(self) -> [usize; N] {
        self.sizes
    }

    /// The number that was given for all axes.
    pub(crate) const fn one(self) -> Option<usize> {
        if self.one { Some(self.sizes[0]) } else { None }
    }

    /// As a tuple, however it was given.
    pub(crate) fn tuple_text(self) -> String {
        crate::setting::tuple(self.sizes).to_string()
    }
}

impl<const N: usize> PartialEq for Size<N> {
    /// Whether the numbers are equal.
    fn eq(&self, other: &Size<N>) -> bool {
        self.sizes == other.sizes
    }
}
impl<const N: usize> Eq for Size<N> {}

impl<const N: usize> From<usize> for Size<N> {
    fn from(size: usize) -> Size<N> {
        Size::all(size)
    }
}
impl<const N: usize> From<[usize; N]> for Size<N> {
    fn from(sizes: [usize; N]) -> Size<N> {
        Size::each(sizes)
    }
}
impl From<(usize, usize)> for Pair {
    fn from((height, width): (usize, usize)) -> Pair {
        Size::each([height, width])
    }
}
impl From<(usize, usize, usize)> for Triple {
    fn from((depth, height, width): (usize, usize, usize)) -> Triple {
        Size::each([depth, height, width])
    }
}

impl<const N: usize> fmt::Display for Size<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.one() {
            Some(size) => write!(f, "{size}"),
            None => f.write_str(&self.tuple_text()),
        }
    }
}

/// How a convolution pads its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Padding<const N: usize> {
    /// So many values before and behind, for each axis.
    Size(Size<N>),
    /// As many as keep the size of the image, for a stride of 1; an odd one goes behind.
    Same,
    /// None.
    Valid,
}

impl<const N: usize, T: Into<Size<N>>> From<T> for Padding<N> {
    fn from(size: T) -> Padding<N> {
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

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<PaddingMode> {
        let all = [PaddingMode::Zeros, PaddingMode::Reflect, PaddingMode::Replicate, PaddingMode::Circular];
        all.into_iter().find(|mode| mode.name() == name)
    }
}

/// Any number of sizes: one number for one, an array, a slice or a vector for several.
pub trait Sizes {
    /// The sizes.
    fn into_sizes(self) -> Vec<usize>;
}

impl Sizes for usize {
    fn into_sizes(self) -> Vec<usize> {
        vec![self]
    }
}
impl<const N: usize> Sizes for [usize; N] {
    fn into_sizes(self) -> Vec<usize> {
        self.to_vec()
    }
}
impl Sizes for &[usize] {
    fn into_sizes(self) -> Vec<usize> {
        self.to_vec()
    }
}
impl Sizes for Vec<usize> {
    fn into_sizes(self) -> Vec<usize> {
        self
    }
}
