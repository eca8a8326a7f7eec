//! Operations on tensors: shape and dtype rules, error texts, and the choice of kernel.

pub mod activation;
pub(crate) mod advanced;
pub(crate) mod arith;
pub(crate) mod binary;
mod bits;
pub mod conv;
pub(crate) mod count;
pub(crate) mod embed;
pub(crate) mod index;
pub(crate) mod indexing;
pub(crate) mod inplace;
pub(crate) mod join;
mod layer_norm;
mod linalg;
pub(crate) mod matmul;
pub mod norm;
pub mod pool;
pub(crate) mod reduce;
mod sets;
pub(crate) mod shape;
pub mod softmax;
pub(crate) mod sort;
mod special;
mod stats;
pub(crate) mod unary;
pub(crate) mod view;
pub mod windows;
