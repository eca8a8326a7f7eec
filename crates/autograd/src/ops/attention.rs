//! Attention, and bags of embeddings.

use crate::catalog::Entry;
use crate::functional::dropout;
use crate::ops::embedding::embedding_renorm;
use crate::{Var, op};
use wengert_tensor::{DType, Tensor, bug, cpp_name};

/// What [`Var::scaled_dot_product_attention`] does besides multiplying.
#[derive(Clone, Debug, Default)]
pub struct AttentionOptions {
    /// Added to the scores, or where `bool`, says which take part; broadcasts to `[.., queries, keys]`.
    pub mask: Option<Var>,
    /// Drops attention weights with this probability.
    pub dropout: f64,
    /// A query sees the keys up to its own position.
    pub causal: bool,
    /// What scores are multiplied by; `1/√d` if `None`.
    pub scale: Option<f64>,
    /// Fewer heads of keys and values than of queries, each shared by several (`enable_gqa`).
    pub grouped: bool,
}

impl Var {
    /// `softmax(self·keyᵀ·scale + mask)·value` (`torch.nn.functional.scaled_dot_product_attention`): queries `[.., l, d]`, keys
    /// `[.., s, d]`, values `[.., s, e]`.
    ///
    /// # Panics
    /// If the shapes do not fit, or both a mask and `causal` are given.
    #[track_caller]
    pub fn scaled_dot_product_attention(&self, key: &Var, value: &Var, options: &AttentionOptions) -> Var {
        if options.causal && options.mask.is_some() {
            bug!("", "scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True");
        }
        if key.dtype() != self.dtype() || value.dtype() != self.dtype() {
            let [q, k, v] = [self, key, value].map(|x| cpp_name(x.dtype()));
            bug!(
                "",
                "Expected query, key, and value to have the same dtype, but got query.dtype: {q} key.dtype: {k} and value.dtype: \
                 {v} instead."
            );
        }
        if matches!(self.dtype(), DType::F16 | DType::BF16) {
            // As PyTorch: only the result is rounded.
            let single = |x: &Var| x.to(DType::F32);
            let mask =
                options.mask.as_ref().map(|mask| if mask.dtype().is_float() { single(mask) } else { mask.clone() });
            let options = AttentionOptions { mask, ..options.clone() };
            let attended = single(self).scaled_dot_product_attention(&single(key), &single(value), &options);
            return attended.to(self.dtype());
        }
        let (queries, keys) = (self.size(-2), key.size(-2));
        let (key, value) = match options.grouped && self.rank() > 2 {
            true => (shared(key, self.size(-3)), shared(value, self.size(-3))),
            false => (key.clone(), value.clone()),
        };
        let scale = options.scale.unwrap_or(1.0 / (self.size(-1) as f64).sqrt());
        // Both by the root, as PyTorch, which keeps large products in range.
        let root = scale.abs().sqrt();
        let scores = (self * (root * scale.signum())).matmul(&(&key * root).transpose(-1, -2));
        let masked = match &options.mask {
            _ if options.causal => {
                let seen = Tensor::ones([queries, keys], DType::Bool).tril(0);
                scores.masked_fill(&seen.logical_not(), f64::NEG_INFINITY)
            }
            Some(mask) if mask.dtype() == DType::Bool => {
                scores.masked_fill(&mask.value().logical_not(), f64::NEG_INFINITY)
            }
            Some(mask) => scores + mask,
            None => scores,
        };
        let weights = masked.softmax(-1);
        // A query that sees no key gets zeros. Its weights are all NaN, so that of the first key tells where to look.
        let suspect = keys > 0 && weights.value().select(-1, 0).isnan().any(()).item::<bool>();
        let weights = match suspect {
            true => weights.masked_fill(&masked.value().eq(f64::NEG_INFINITY).all_keepdim(-1), 0.0),
            false => weights,
        };
        let weights = if options.dropout > 0.0 { dropout(&weights, options.dropout) } else { weights };
        weights.matmul(&value)
    }
}

/// Heads (the third axis from the end) repeated up to `heads`.
fn shared(x: &Var, heads: usize) -> Var {
    let own = x.size(-3);
    if own == heads || own == 0 { x.clone() } else { x.repeat_interleave(heads / own, -3) }
}

/// How [`Var::embedding_bag`] makes one vector of a bag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BagMode {
    /// The sum.
    Sum,
    /// The mean.
    #[default]
    Mean,
    /// The largest of each element.
    Max,
}

/// Options of [`Var::embedding_bag`].
#[derive(Clone, Debug)]
pub struct BagOptions {
    /// How a bag becomes one vector.
    pub mode: BagMode,
    /// Entries of this index count for nothing.
    pub padding_idx: Option<usize>,
    /// The last of the offsets is the end of the last bag.
    pub include_last_offset: bool,
    /// Divides the gradient of a row by how often it occurs.
    pub scale_grad_by_freq: bool,
    /// What the norm of a row may not exceed: longer ones are scaled when they are looked up.
    pub max_norm: Option<f64>,
    /// The order of that norm: 2.
    pub norm_type: f64,
}

impl Default for BagOptions {
    fn default() -> BagOptions {
        BagOptions {
            mode: BagMode::Mean,
            padding_idx: None,
            include_last_offset: false,
            scale_grad_by_freq: false,
            max_norm: None,
            norm_type: 2.0,
        }
    }
}

impl Var {
    /// Sums, means or maxima of rows of a table (`self`, `[rows, d]`) over bags of indices: the rows of a matrix, or the parts of a
    /// vector that begin at `offsets` (`torch.nn.functional.embedding_bag`). (With `max_norm` PyTorch changes the table itself;
    /// here only what is looked up is scaled. Gradients flow as if it were not, in both.)
    ///
    /// # Panics
    /// If an index is out of range, offsets are missing or needless, or weights do not fit the indices or the mode.
    #[track_caller]
    pub fn embedding_bag(
        &self,
        indices: &Tensor,
        offsets: Option<&Tensor>,
        weights: Option<&Var>,
        options: &BagOptions,
    ) -> Var {
        if weights.is_some() && options.mode != BagMode::Sum {
            bug!(
                "",
                "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum'"
            );
        }
        let flat = indices.to(DType::I64).reshape([-1isize]).to_vec::<i64>();
        let ends: Vec<usize> = match (indices.rank(), offsets) {
            (2, None) => (0..=indices.shape()[0]).map(|i| i * indices.shape()[1]).collect(),
            (1, Some(offsets)) => {
                let mut starts: Vec<usize> =
                    offsets.to(DType::I64).to_vec::<i64>().iter().map(|&i| i as usize).collect();
                if starts.first().is_some_and(|&first| first != 0) {
                    bug!(
                        "",
                        "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0."
                    );
                }
                if !options.include_last_offset {
                    starts.push(flat.len());
                }
                starts
            }
            (2, Some(_)) => bug!(
                "",
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length sequences"
            ),
            (1, None) => bug!("", "offsets has to be a 1D Tensor but got None"),
            _ => bug!("", "input has to be 1D or 2D Tensor, but got Tensor of dimension {}", indices.rank()),
        };
        let (bags, d) = (ends.len().saturating_sub(1), self.size(-1));
        // What counts: the rows, and the bag of each.
        let (mut rows, mut bag, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        for b in 0..bags {
            for i in ends[b]..ends[b + 1] {
                if options.padding_idx != Some(flat[i] as usize) {
                    rows.push(flat[i]);
                    bag.push(b as i64);
                    kept.push(i as i64);
                }
            }
        }
        let count = rows.len();
        let vector = |data: Vec<i64>| Tensor::from_vec(data, [count]);
        let (rows, bag, kept) = (vector(rows), vector(bag), vector(kept));
        let table = match options.max_norm {
            Some(max) => {
                let scaled = embedding_renorm(&self.value, indices, max, options.norm_type);
                op::record("EmbeddingRenormBackward", scaled, [self], || {
                    |_: &op::Context<'_>, grad: &Var| [Some(grad.clone())]
                })
            }
            None => self.clone(),
        };
        let table = if options.scale_grad_by_freq && count > 0 {
            let seen = rows.bincount(self.size(0)).clamp(1.0, None).to(self.dtype()).unsqueeze(1);
            // The value as it is, the gradient divided.
            let share = &table / &seen;
            share.clone() + (&table - &share).detach()
        } else {
            table
        };
        let mut taken = table.index_select(0, &rows);
        if let Some(weights) = weights {
            if weights.shape() != indices.shape() {
                bug!(
                    "",
                    "embedding_bag: If per_sample_weights is not None, then it must have the same shape as the input"
                );
            }
            taken = taken * weights.reshape([flat.len()]).index_select(0, &kept).unsqueeze(1);
        }
        let zeros = Var::from(Tensor::zeros([bags, d], self.dtype()));
        match options.mode {
            BagMode::Sum => zeros.index_add(0, &bag, &taken),
            BagMode::Mean => {
                let sizes = bag.bincount(bags).clamp(1.0, None).to(self.dtype()).unsqueeze(1);
                zeros.index_add(0, &bag, &taken) / sizes
            }
            BagMode::Max => {
                // The first of equal ones, as PyTorch, so by positions.
                let mut best = vec![-1i64; bags * d];
                let values = taken.value().to(DType::F64).to_vec::<f64>();
                let bag = bag.to_vec::<i64>();
                for i in 0..count {
                    for j in 0..d {
                        let slot = &mut best[bag[i] as usize * d + j];
                        if *slot < 0 || values[i * d + j] > values[*slot as usize * d + j] {
                            *slot = i as i64;
                        }
                    }
                }
                let best = Tensor::from_vec(best, [bags, d]);
                if count == 0 {
                    return zeros;
                }
                let none = best.lt(0);
                taken.gather(0, &best.masked_fill(&none, 0)).masked_fill(&none, 0.0)
            }
        }
    }
}

pub(crate) fn catalog() -> Vec<Entry> {
    let qkv: &[&[usize]] = &[&[2, 3, 4], &[2, 3, 4], &[2, 3, 2]];
    let bags = Tensor::from_vec(vec![0i64, 2, 1, 2], [2, 2]);
    vec![
        Entry::shaped("scaled_dot_product_attention", "", qkv, |x| {
            x[0].scaled_dot_product_attention(&x[1], &x[2], &AttentionOptions { causal: true, ..Default::default() })
        })
        .sizes("... l d, ... s d, ... s v"),
        Entry::shaped("embedding_bag", "", &[&[3, 2]], move |x| {
            x[0].embedding_bag(&bags, None, None, &BagOptions { mode: BagMode::Sum, ..Default::default() })
        })
        .sizes("n3 d"),
    ]
}
