//! Floors: what results are raised to where they are stored, so that a ReLU after a kernel is no pass of its own.

use super::simd::{Real, multiversion};
use crate::Element;

/// What becomes of a kernel's results.
#[derive(Clone, Copy)]
pub(crate) enum Activation {
    /// They stay.
    None,
    /// What `Tensor::relu` makes of them, to the bit.
    Relu,
}

impl Activation {
    /// What results are raised to where they are less; NaN stays.
    pub(crate) fn floor<T: Lowest>(self) -> T {
        match self {
            Activation::None => T::LOWEST,
            Activation::Relu => T::ZERO,
        }
    }
}

/// A type of numbers of which none is below [`Lowest::LOWEST`].
pub(crate) trait Lowest: Element {
    /// The floor that changes nothing.
    const LOWEST: Self;
}

macro_rules! lowest {
    ($($ty:ident $lowest:ident),*) => {$(
        impl Lowest for $ty {
            const LOWEST: Self = $ty::$lowest;
        }
    )*};
}
lowest!(f64 NEG_INFINITY, f32 NEG_INFINITY, i64 MIN, i32 MIN, i16 MIN, i8 MIN, u8 MIN);

/// Raises what is below the floor to it.
pub(crate) fn raise<T: Real>(floor: T, out: &mut [T]) {
    if floor > T::NEG_INFINITY {
        raise_all(floor, out);
    }
}

multiversion! {
    /// [`raise`] where the floor may be above something.
    fn raise_all[T: Real](floor: T, out: &mut [T]) {
        for o in out {
            *o = if *o < floor { floor } else { *o };
        }
    }
}
