//! Padding of images: [`ZeroPad`], [`ConstantPad`], [`ReflectionPad`], [`ReplicationPad`], [`CircularPad`].

use crate::conv::class_name;
use crate::setting::{Setting, tuple};
use crate::{Mode, Module, PaddingMode, Parts, Rebuild, SpecError, Tree, Var};
use wengert_autograd::PadMode;
use wengert_tensor::{Dict, Value, bug};

/// How much is added before and behind each of `N` axes, given as one number for all, or as PyTorch does: the last axis
/// first. Negative numbers cut off.
///
/// # Examples
/// ```
/// use wengert_nn::Pads;
/// assert_eq!(Pads::from(1), Pads::<2>::from([1, 1, 1, 1]));
/// assert_eq!(Pads::from([1, 2, 3, 4]).to_array(), [[3, 4], [1, 2]]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pads<const N: usize>([[isize; 2]; N]);

impl<const N: usize> Pads<N> {
    /// Before and behind each axis, the last axis last.
    pub const fn to_array(self) -> [[isize; 2]; N] {
        self.0
    }

    /// As PyTorch has it: the last axis first.
    fn flat(self) -> impl Iterator<Item = i64> {
        self.0.into_iter().rev().flatten().map(|pad| pad as i64)
    }

    fn text(self) -> String {
        tuple(self.flat()).to_string()
    }
}

impl<const N: usize> From<isize> for Pads<N> {
    fn from(pad: isize) -> Pads<N> {
        Pads([[pad; 2]; N])
    }
}
impl From<[isize; 2]> for Pads<1> {
    fn from(pads: [isize; 2]) -> Pads<1> {
        Pads([pads])
    }
}
impl From<[isize; 4]> for Pads<2> {
    fn from([left, right, top, bottom]: [isize; 4]) -> Pads<2> {
        Pads([[top, bottom], [left, right]])
    }
}
impl From<[isize; 6]> for Pads<3> {
    fn from([left, right, top, bottom, front, back]: [isize; 6]) -> Pads<3> {
        Pads([[front, back], [top, bottom], [left, right]])
    }
}

impl<const N: usize> Setting for Pads<N> {
    fn from_value(value: &Value) -> Option<Pads<N>> {
        if let Some(pad) = isize::from_value(value) {
            return Some(Pads::from(pad));
        }
        let flat = Vec::<isize>::from_value(value).filter(|flat| flat.len() == 2 * N)?;
        Some(Pads(std::array::from_fn(|i| [flat[2 * (N - 1 - i)], flat[2 * (N - 1 - i) + 1]])))
    }
}

/// The input with so much more before and behind its last axes.
#[track_caller]
pub(crate) fn pad<const N: usize>(input: &Var, pads: &[[isize; 2]; N], mode: PaddingMode, value: f64) -> Var {
    // The last axis first, as the function has it.
    let widths: Vec<isize> = pads.iter().rev().flatten().copied().collect();
    match mode {
        PaddingMode::Zeros => input.pad(&widths, value),
        PaddingMode::Reflect => input.pad_from_inside(&widths, PadMode::Reflect),
        PaddingMode::Replicate => input.pad_from_inside(&widths, PadMode::Replicate),
        PaddingMode::Circular => input.pad_from_inside(&widths, PadMode::Circular),
    }
}

/// Zeros around sequences, images or volumes.
///
/// # Examples
/// ```
/// use wengert_nn::{Module, Var, ZeroPad2d, tensor::{DType, Tensor}};
/// let pad = ZeroPad2d::new([1, 0, 0, 2]);
/// assert_eq!(pad.to_string(), "ZeroPad2d((1, 0, 0, 2))");
/// assert_eq!(pad.forward(&Var::from(Tensor::ones([1, 3, 4, 4], DType::F32))).shape(), [1, 3, 6, 5]);
/// ```
#[derive(Tree)]
#[tree(name = Self::name, extra_repr = Self::text)]
pub struct ZeroPad<const AXES: usize> {
    #[tree(skip)]
    padding: Pads<AXES>,
    mode: Mode,
}
/// Zeros around sequences (`torch.nn.ZeroPad1d`).
pub type ZeroPad1d = ZeroPad<1>;
/// Zeros around images (`torch.nn.ZeroPad2d`).
pub type ZeroPad2d = ZeroPad<2>;
/// Zeros around volumes (`torch.nn.ZeroPad3d`).
pub type ZeroPad3d = ZeroPad<3>;

/// A number around sequences, images or volumes.
///
/// # Examples
/// ```
/// use wengert_nn::ConstantPad1d;
/// assert_eq!(ConstantPad1d::new(2, 3.5).to_string(), "ConstantPad1d(padding=(2, 2), value=3.5)");
/// ```
#[derive(Tree)]
#[tree(name = Self::name, extra_repr = Self::text)]
pub struct ConstantPad<const AXES: usize> {
    #[tree(skip)]
    padding: Pads<AXES>,
    value: f64,
    mode: Mode,
}
/// A number around sequences (`torch.nn.ConstantPad1d`).
pub type ConstantPad1d = ConstantPad<1>;
/// A number around images (`torch.nn.ConstantPad2d`).
pub type ConstantPad2d = ConstantPad<2>;
/// A number around volumes (`torch.nn.ConstantPad3d`).
pub type ConstantPad3d = ConstantPad<3>;

/// The image mirrored at its edges, these once.
#[derive(Tree)]
#[tree(name = Self::name, extra_repr = Self::text)]
pub struct ReflectionPad<const AXES: usize> {
    #[tree(skip)]
    padding: Pads<AXES>,
    mode: Mode,
}
/// Sequences mirrored at their ends (`torch.nn.ReflectionPad1d`).
pub type ReflectionPad1d = ReflectionPad<1>;
/// Images mirrored at their edges (`torch.nn.ReflectionPad2d`).
pub type ReflectionPad2d = ReflectionPad<2>;
/// Volumes mirrored at their faces (`torch.nn.ReflectionPad3d`).
pub type ReflectionPad3d = ReflectionPad<3>;

/// The edges, repeated.
#[derive(Tree)]
#[tree(name = Self::name, extra_repr = Self::text)]
pub struct ReplicationPad<const AXES: usize> {
    #[tree(skip)]
    padding: Pads<AXES>,
    mode: Mode,
}
/// The ends of sequences, repeated (`torch.nn.ReplicationPad1d`).
pub type ReplicationPad1d = ReplicationPad<1>;
/// The edges of images, repeated (`torch.nn.ReplicationPad2d`).
pub type ReplicationPad2d = ReplicationPad<2>;
/// The faces of volumes, repeated (`torch.nn.ReplicationPad3d`).
pub type ReplicationPad3d = ReplicationPad<3>;

/// The opposite edges, as if the image were a torus.
#[derive(Tree)]
#[tree(name = Self::name, extra_repr = Self::text)]
pub struct CircularPad<const AXES: usize> {
    #[tree(skip)]
    padding: Pads<AXES>,
    mode: Mode,
}
/// Sequences as if they were rings (`torch.nn.CircularPad1d`).
pub type CircularPad1d = CircularPad<1>;
/// Images as if they were tori (`torch.nn.CircularPad2d`).
pub type CircularPad2d = CircularPad<2>;
/// Volumes as if they were tori (`torch.nn.CircularPad3d`).
pub type CircularPad3d = CircularPad<3>;

/// What the paddings share that are made with nothing but their sizes.
macro_rules! pads {
    ($($Pad:ident $mode:ident;)*) => {$(
        impl<const AXES: usize> $Pad<AXES> {
            /// So much on each side: one number, or two per axis, the last axis first.
            pub fn new(padding: impl Into<Pads<AXES>>) -> Self {
                $Pad { padding: padding.into(), mode: Mode::default() }
            }

            fn name(&self) -> &str {
                class_name(Self::CLASS)
            }

            fn text(&self) -> String {
                self.padding.text()
            }
        }

        #[wengert_nn_derive::module]
        impl<const AXES: usize> Module for $Pad<AXES> {
            #[track_caller]
            fn forward(&self, input: &Var) -> Var {
                check_rank(input, AXES, PaddingMode::$mode);
                pad(input, &self.padding.0, PaddingMode::$mode, 0.0)
            }
        }
    )*};
}
pads! {
    ZeroPad Zeros;
    ReflectionPad Reflect;
    ReplicationPad Replicate;
    CircularPad Circular;
}

impl<const AXES: usize> ConstantPad<AXES> {
    /// So much on each side: one number, or two per axis, the last axis first.
    pub fn new(padding: impl Into<Pads<AXES>>, value: f64) -> Self {
        ConstantPad { padding: padding.into(), value, mode: Mode::default() }
    }

    fn name(&self) -> &str {
        class_name(Self::CLASS)
    }

    fn text(&self) -> String {
        format!("padding={}, value={}", self.padding.text(), Value::from(self.value))
    }
}

#[wengert_nn_derive::module]
impl<const AXES: usize> Module for ConstantPad<AXES> {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        check_rank(input, AXES, PaddingMode::Zeros);
        pad(input, &self.padding.0, PaddingMode::Zeros, self.value)
    }
}

#[track_caller]
fn check_rank(input: &Var, axes: usize, mode: PaddingMode) {
    let rank = input.rank();
    if mode == PaddingMode::Zeros && rank < axes {
        bug!(
            "",
            "Length of pad should be no more than twice the number of dimensions of the input. Pad length is {} while \
             the input has {rank} dimensions.",
            2 * axes
        );
    }
    if mode != PaddingMode::Zeros && rank != axes + 1 && rank != axes + 2 {
        bug!("", "expected {}D or {}D input (got {rank}D input)", axes + 1, axes + 2);
    }
}

/// The specs: the classes' names for one, two and three axes, and what there is besides the sizes.
macro_rules! rebuild {
    ($($Pad:ident [$($name:literal),*] |$own:ident| [$($key:literal = $value:expr),*], |$parts:ident| {$($field:ident: $read:expr)?};)*) => {$(
        impl<const AXES: usize> Rebuild for $Pad<AXES> {
            const CLASS: &'static str = {
                let names = [$(concat!("torch.nn.modules.padding.", $name)),*];
                assert!(AXES >= 1 && AXES <= 3, "images have one, two or three axes");
                names[AXES - 1]
            };
            fn config(&self) -> Dict {
                let $own = self;
                [("padding", tuple($own.padding.flat())), $(($key, Value::from($value))),*].into_iter().collect()
            }
            fn rebuild($parts: &mut Parts<'_>) -> Result<Self, SpecError> {
                Ok($Pad { padding: $parts.get("padding")?, $($field: $read,)? mode: $parts.mode() })
            }
        }
    )*};
}
rebuild! {
    ZeroPad ["ZeroPad1d", "ZeroPad2d", "ZeroPad3d"] |own| ["value" = 0.0], |parts| {};
    ConstantPad ["ConstantPad1d", "ConstantPad2d", "ConstantPad3d"] |own| ["value" = own.value],
        |parts| {value: parts.get("value")?};
    ReflectionPad ["ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d"] |own| [], |parts| {};
    ReplicationPad ["ReplicationPad1d", "ReplicationPad2d", "ReplicationPad3d"] |own| [], |parts| {};
    CircularPad ["CircularPad1d", "CircularPad2d", "CircularPad3d"] |own| [], |parts| {};
}
