//! The operations that have no derivative: this list is all of them, and a test holds it against the sources. They give
//! tensors, which have no history, so no graph is cut in silence.

use crate::operand::Operand;
use crate::{Var, tensor::Tensor};
use wengert_tensor::{IntoDims, Unique};

/// Tables of methods that [`Tensor`] has too. Rows in parentheses say arguments, `operands` takes a tensor or a number, `sets`
/// finds different values, `axes` reduces over axes. All of them are in [`NON_DIFFERENTIABLE`].
macro_rules! untracked {
    (
        plain { $($name:ident($($arg:ident: $ty:ty),*);)* }
        operands { $($compare:ident)* }
        sets { $($set:ident($($place:ident: $kind:ty),*);)* }
        axes { $($reduce:ident)* }
        functions { $($function:ident)* }
    ) => {
        impl Var {
            $(
                #[doc = concat!("[`Tensor::", stringify!($name), "`]; not differentiable.")]
                #[track_caller]
                pub fn $name(&self $(, $arg: $ty)*) -> Tensor {
                    self.value.$name($($arg),*)
                }
            )*
            $(
                #[doc = concat!("[`Tensor::", stringify!($compare), "`]; not differentiable.")]
                #[track_caller]
                pub fn $compare(&self, other: impl Operand) -> Tensor {
                    self.value.$compare(other.into_arg())
                }
            )*
            $(
                #[doc = concat!("[`Tensor::", stringify!($set), "`]; not differentiable.")]
                #[track_caller]
                pub fn $set(&self $(, $place: $kind)*) -> Unique {
                    self.value.$set($($place),*)
                }
            )*
            $(
                #[doc = concat!("[`Tensor::", stringify!($reduce), "`]; not differentiable.")]
                #[track_caller]
                pub fn $reduce(&self, dims: impl IntoDims) -> Tensor {
                    self.value.$reduce(dims)
                }
            )*
        }

        /// The operations without a derivative: all others are in [`catalog`](crate::catalog()).
        #[doc(hidden)]
        pub const NON_DIFFERENTIABLE: &[&str] = &[
            $(stringify!($name),)* $(stringify!($compare),)* $(stringify!($set),)* $(stringify!($reduce),)*
            $(stringify!($function),)*
        ];
    };
}
untracked! {
    plain {
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
        matrix_rank(atol: impl Into<Option<f64>>, rtol: impl Into<Option<f64>>);
        one_hot(classes: impl Into<Option<usize>>);
    }
    operands {
        eq ne lt le gt ge floor_divide logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor bitwise_left_shift
        bitwise_right_shift gcd lcm heaviside
    }
    sets {
        unique();
        unique_dim(dim: isize);
        unique_consecutive();
        unique_consecutive_dim(dim: isize);
    }
    axes { all any count_nonzero }
    functions { embedding_renorm }
}
