//! Operations on `Var`, each with its rule.

pub(crate) mod activation;
pub(crate) mod attention;
pub(crate) mod bilinear;
mod binary;
mod composed;
mod conv;
pub(crate) mod conv_nd;
pub(crate) mod ctc;
pub(crate) mod decompose;
pub(crate) mod dropout;
mod einsum;
pub(crate) mod embedding;
mod fold;
mod group_norm;
mod index;
pub(crate) mod likelihood;
pub(crate) mod linalg;
pub(crate) mod loss;
pub(crate) mod margin;
mod matmul;
pub(crate) mod multihead;
pub(crate) mod norm;
pub(crate) mod norms;
mod pool;
pub(crate) mod pool_nd;
mod reduce;
mod resample;
mod select;
pub(crate) mod shape;
mod softmax;
pub(crate) mod stats;
mod ternary;
mod unary;
pub(crate) mod untracked;
mod view;

#[cfg(feature = "catalog")]
use crate::catalog::Entry;

/// Every differentiable operation.
#[cfg(feature = "catalog")]
pub(crate) fn catalog() -> Vec<Entry> {
    let files = [
        unary::catalog(),
        activation::catalog(),
        binary::catalog(),
        ternary::catalog(),
        stats::catalog(),
        einsum::catalog(),
        linalg::catalog(),
        decompose::catalog(),
        norms::catalog(),
        reduce::catalog(),
        matmul::catalog(),
        view::catalog(),
        index::catalog(),
        embedding::catalog(),
        dropout::catalog(),
        conv::catalog(),
        conv_nd::catalog(),
        pool::catalog(),
        norm::catalog(),
        select::catalog(),
        shape::catalog(),
        group_norm::catalog(),
        resample::catalog(),
        attention::catalog(),
        pool_nd::catalog(),
        fold::catalog(),
        softmax::catalog(),
        loss::catalog(),
        margin::catalog(),
        ctc::catalog(),
        multihead::catalog(),
        bilinear::catalog(),
        likelihood::catalog(),
    ];
    files.into_iter().flatten().collect()
}
