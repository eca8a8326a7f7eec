//! Operations on `Var`, each with its rule.

mod binary;
mod conv;
pub(crate) mod conv_nd;
mod einsum;
mod index;
pub(crate) mod linalg;
pub(crate) mod loss;
mod matmul;
pub(crate) mod norm;
pub(crate) mod norms;
mod pool;
mod reduce;
mod select;
pub(crate) mod shape;
mod softmax;
pub(crate) mod stats;
mod ternary;
mod unary;
mod untracked;
mod view;

use crate::catalog::Entry;

/// Every differentiable operation.
pub(crate) fn catalog() -> Vec<Entry> {
    let files = [
        unary::catalog(),
        binary::catalog(),
        ternary::catalog(),
        stats::catalog(),
        einsum::catalog(),
        linalg::catalog(),
        norms::catalog(),
        reduce::catalog(),
        matmul::catalog(),
        view::catalog(),
        index::catalog(),
        conv::catalog(),
        conv_nd::catalog(),
        pool::catalog(),
        norm::catalog(),
        select::catalog(),
        shape::catalog(),
        softmax::catalog(),
        loss::catalog(),
    ];
    files.into_iter().flatten().collect()
}
