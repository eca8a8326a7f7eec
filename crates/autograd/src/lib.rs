//! Reverse-mode differentiation over `wengert-tensor`, to any order.
//!
//! A [`Var`] is a tensor with its history; a [`Param`] is a leaf whose value changes. Operations on them have PyTorch's
//! names and record themselves; [`Var::backward`] and [`grad()`] run the record in reverse.
#![forbid(unsafe_code)]

mod backward;
mod catalog;
mod display;
pub mod functional;
mod gradcheck;
mod mode;
mod node;
pub mod op;
mod operand;
mod ops;
mod param;
mod var;

pub use backward::{BackwardOptions, GradOptions, grad, grad_or_none};
#[doc(hidden)]
pub use catalog::{Domain, Entry, Function, catalog, sample};
pub use gradcheck::{GradcheckError, GradcheckOptions, Mismatch, gradcheck, gradgradcheck};
pub use mode::{GradMode, enable_grad, is_grad_enabled, no_grad};
pub use operand::{Arg, Operand};
pub use ops::attention::{AttentionOptions, BagMode, BagOptions};
pub use ops::linalg::{Replacement, TriangularOptions};
pub use ops::norms::{MatrixNorm, Spacing};
pub use ops::pool_nd::{AvgPoolOptions, MaxPoolOptions};
pub use ops::resample::{Align, OutputSize, Outside, Resample, Sampling};
pub use ops::shape::PadMode;
pub use ops::stats::Interpolation;
pub use param::Param;
pub use var::Var;
pub use wengert_tensor as tensor;
