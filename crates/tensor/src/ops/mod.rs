//! Operations on tensors: shape and dtype rules, error texts, and the choice of kernel.

pub mod conv;
pub(crate) mod matmul;
pub(crate) mod view;
