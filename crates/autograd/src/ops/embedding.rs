//! Rows looked up in a table.

use crate::catalog::Entry;
use crate::op::Context;
use crate::{Var, op};
use wengert_tensor::{DType, Tensor, bug};

/// Options of [`Var::embedding`].
#[derive(Clone, Copy, Debug)]
pub struct EmbeddingOptions {
    /// The row, negative from the end, that gets no gradient.
    pub padding_idx: Option<isize>,
    /// What the norm of a row may not exceed: longer ones are scaled when they are looked up.
    pub max_norm: Option<f64>,
    /// The order of that norm.
    pub norm_type: f64,
    /// Whether the gradient of a row is divided by how often it was looked up.
    pub scale_grad_by_freq: bool,
}

impl Default for EmbeddingOptions {
    fn default() -> EmbeddingOptions {
        EmbeddingOptions { padding_idx: None, max_norm: None, norm_type: 2.0, scale_grad_by_freq: false }
    }
}

impl Var {
    /// The rows of this table `[n, d]` at the positions that `index` (of any shape, `i64` or `i32`) names, in its shape and
    /// `d` more: `torch.nn.functional.embedding(index, self)`. (With `max_norm` PyTorch changes the table itself; here only
    /// the result is scaled. Gradients flow as if it were not, in both.)
    ///
    /// # Panics
    /// If this is no matrix, `index` is not of integers, or a position or the padding row is out of range.
    #[track_caller]
    pub fn embedding(&self, index: &Tensor, options: &EmbeddingOptions) -> Var {
        if self.rank() != 2 {
            bug!("", "'weight' must be 2-D");
        }
        if !matches!(index.dtype(), DType::I64 | DType::I32) {
            bug!(
                "",
                "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got \
                 torch.{}Tensor instead (while checking arguments for embedding)",
                index.dtype().legacy_name()
            );
        }
        let [rows, width] = [self.shape()[0], self.shape()[1]];
        let padding = options.padding_idx.map(|row| {
            if row >= rows as isize || row < -(rows as isize) {
                bug!("", "Padding_idx must be within num_embeddings");
            }
            row.rem_euclid(rows as isize)
        });
        let flat = index.ravel();
        let mut value = self.value.index_select(0, &flat);
        if let Some(max) = options.max_norm {
            let norm = value.vector_norm_keepdim(1, options.norm_type);
            let scale = norm.gt(max).where_(norm.add(1e-7).reciprocal().mul(max), 1.0);
            value = value.mul(&scale);
        }
        let shape: Vec<usize> = index.shape().iter().copied().chain([width]).collect();
        op::record("EmbeddingBackward0", value.reshape(&shape[..]), [self], || {
            let scaled = options.scale_grad_by_freq;
            move |_: &Context<'_>, grad: &Var| {
                let mut grad = grad.reshape([flat.numel(), width]);
                if let Some(padding) = padding {
                    grad = grad.masked_fill(&flat.eq(padding as i64).unsqueeze(1), 0.0);
                }
                if scaled {
                    let counts = flat.bincount(rows).index_select(0, &flat).to(grad.dtype());
                    grad = grad / counts.unsqueeze(1);
                }
                [Some(Var::from(Tensor::zeros([rows, width], grad.dtype())).index_add(0, &flat, &grad))]
            }
        })
    }
}

/// The table with those rows that indices name and whose norm is above `max_norm` scaled down to it: what PyTorch's
/// `embedding` with a `max_norm` writes into its table (`torch.embedding_renorm_`).
///
/// # Panics
/// If an index is out of range.
#[track_caller]
pub fn embedding_renorm(weight: &Tensor, index: &Tensor, max_norm: f64, norm_type: f64) -> Tensor {
    let norms = weight.vector_norm_keepdim(1, norm_type);
    let used = index.to(DType::I64).ravel().bincount(weight.size(0)).gt(0).unsqueeze(1);
    let above = norms.gt(max_norm).logical_and(used);
    above.where_(weight.mul(norms.add(1e-7).reciprocal().mul(max_norm)), weight)
}

pub(crate) fn catalog() -> Vec<Entry> {
    let index = Tensor::from_vec(vec![2i64, 0, 2, 1], [2, 2]);
    vec![Entry::shaped("embedding", "EmbeddingBackward0", &[&[3, 2]], move |x| {
        x[0].embedding(&index, &EmbeddingOptions::default())
    })]
}
