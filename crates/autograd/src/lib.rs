//! Reverse-mode differentiation over `wengert-tensor`, to any order.
//!
//! A [`Var`] is a tensor with its history; a [`Param`] is a leaf whose value changes. Operations on them have PyTorch's
//! names and record themselves; [`Var::backward`] and [`grad()`] run the record in reverse.
#![forbid(unsafe_code)]
// Without the feature nothing lists what the operations' own files say for the tests.
#![cfg_attr(not(feature = "catalog"), allow(dead_code))]

mod anomaly;
mod backward;
mod catalog;
mod checkpoint;
mod derivatives;
mod display;
pub mod functional;
mod gradcheck;
mod hook;
mod mode;
mod node;
pub mod op;
mod operand;
mod ops;
mod param;
mod sizes;
mod var;

pub use anomaly::detect_anomaly;
pub use backward::{BackwardOptions, GradOptions, grad, grad_or_none};
#[doc(hidden)]
#[cfg(feature = "catalog")]
pub use catalog::catalog;
pub use catalog::{Domain, Entry, Function, sample};
pub use checkpoint::{checkpoint, checkpoint_sequential};
pub use derivatives::{DerivativeOptions, Outputs, hessian, hvp, jacobian, jvp, vhp, vjp};
pub use gradcheck::{GradcheckError, GradcheckOptions, Mismatch, gradcheck, gradgradcheck};
pub use hook::HookHandle;
pub use mode::{GradMode, enable_grad, is_grad_enabled, no_grad, set_grad_enabled};
pub use operand::{Arg, Operand};
pub use ops::attention::{AttentionOptions, BagMode, BagOptions};
#[doc(hidden)]
pub use ops::untracked::NON_DIFFERENTIABLE;
#[doc(hidden)]
pub use param::Compute;
pub use param::Param;
#[doc(hidden)]
pub use sizes::Sizes;
pub use var::Var;
pub use wengert_tensor as tensor;
pub use wengert_tensor::{
    Align, AvgPoolOptions, Factors, Interpolation, LuSolveOptions, MatrixNorm, MaxPoolOptions, OutputSize, Outside,
    PadMode, Replacement, Resample, Sampling, Spacing, Triangle, TriangularOptions,
};
