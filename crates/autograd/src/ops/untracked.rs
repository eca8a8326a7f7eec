//! The operations that have no derivative: this list is all of them. They give tensors, which have no history, so no
//! graph is cut in silence.

use crate::operand::Operand;
use crate::{Var, tensor::Tensor};

/// One row per method of the same name on [`Tensor`], with its arguments.
macro_rules! untracked {
    ($($name:ident($($arg:ident: $ty:ty),*);)*) => {
        impl Var { $(
            #[doc = concat!("[`Tensor::", stringify!($name), "`]; not differentiable.")]
            #[track_caller]
            pub fn $name(&self $(, $arg: $ty)*) -> Tensor {
                self.value.$name($($arg),*)
            }
        )* }
    };
}
untracked! {
    argmax(dim: isize);
    argmax_keepdim(dim: isize);
    argmax_all();
    argmin(dim: isize);
    argmin_keepdim(dim: isize);
    argmin_all();
    argsort(dim: isize);
    isnan();
    isinf();
    isfinite();
    isposinf();
    isneginf();
    signbit();
    bitwise_not();
    logical_not();
    nonzero();
    argwhere();
    nonzero_static(size: usize, fill: i64);
    isin(set: &Tensor);
    bincount(minlength: usize);
    histc(bins: usize, min: f64, max: f64);
    bucketize(boundaries: &Tensor);
    bucketize_right(boundaries: &Tensor);
    searchsorted(values: &Tensor);
    searchsorted_right(values: &Tensor);
    one_hot(classes: impl Into<Option<usize>>);
}

macro_rules! comparisons {
    ($($name:ident)*) => {
        impl Var { $(
            #[doc = concat!("[`Tensor::", stringify!($name), "`]; not differentiable.")]
            #[track_caller]
            pub fn $name(&self, other: impl Operand) -> Tensor {
                self.value.$name(other.into_arg())
            }
        )* }
    };
}
comparisons! {
    eq ne lt le gt ge floor_divide logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor bitwise_left_shift
    bitwise_right_shift gcd lcm heaviside
}

/// One row per method of the same name on [`Tensor`] that finds different values.
macro_rules! sets {
    ($($name:ident($($arg:ident: $ty:ty),*);)*) => {
        impl Var { $(
            #[doc = concat!("[`Tensor::", stringify!($name), "`]; not differentiable.")]
            #[track_caller]
            pub fn $name(&self $(, $arg: $ty)*) -> wengert_tensor::Unique {
                self.value.$name($($arg),*)
            }
        )* }
    };
}
sets! {
    unique();
    unique_dim(dim: isize);
    unique_consecutive();
    unique_consecutive_dim(dim: isize);
}

impl Var {
    /// [`Tensor::all`].
    #[track_caller]
    pub fn all(&self, dims: impl wengert_tensor::IntoDims) -> Tensor {
        self.value.all(dims)
    }

    /// [`Tensor::count_nonzero`].
    #[track_caller]
    pub fn count_nonzero(&self, dims: impl wengert_tensor::IntoDims) -> Tensor {
        self.value.count_nonzero(dims)
    }

    /// [`Tensor::any`].
    #[track_caller]
    pub fn any(&self, dims: impl wengert_tensor::IntoDims) -> Tensor {
        self.value.any(dims)
    }
}
