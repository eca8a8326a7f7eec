//! [`EmbeddingBag`].

use crate::embedding::{EmbeddingOptions, normed, padding_row, table};
use crate::setting::optional;
use crate::{Mode, Module, Param, Parts, Rebuild, SpecError, Tree, Var};
use wengert_autograd::{BagMode, BagOptions};
use wengert_tensor::{Dict, Tensor, Value};

/// Sums, means or maxima of the rows of a table over bags of indices (`torch.nn.EmbeddingBag`).
///
/// `weight` is (embeddings, embedding), drawn from N(0, 1); the row of `padding_idx` is 0 and counts for nothing.
///
/// # Examples
/// ```
/// use wengert_nn::{EmbeddingBag, Module, Var, tensor::Tensor};
/// let bags = EmbeddingBag::new(10, 3);
/// assert_eq!(bags.to_string(), "EmbeddingBag(10, 3, mode='mean')");
/// let words = Tensor::from_vec(vec![1i64, 2, 4, 5, 4, 3, 2, 9], [8]);
/// assert_eq!(bags.run(&words, Some(&Tensor::from_vec(vec![0i64, 4], [2])), None).shape(), [2, 3]);
/// assert_eq!(bags.forward(&Var::from(words.reshape([2, 4]))).shape(), [2, 3]);
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct EmbeddingBag {
    /// (embeddings, embedding).
    pub weight: Param,
    #[tree(skip)]
    options: EmbeddingBagOptions,
    mode: Mode,
}

/// What [`EmbeddingBag::with`] takes.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddingBagOptions {
    /// The table: `padding_idx` is the row that counts for nothing.
    pub table: EmbeddingOptions,
    /// How a bag becomes one vector: by the mean.
    pub mode: BagMode,
    /// Whether the last of the offsets is the end of the last bag: no.
    pub include_last_offset: bool,
}

impl EmbeddingBagOptions {
    /// The defaults.
    pub const fn new(num_embeddings: usize, embedding_dim: usize) -> EmbeddingBagOptions {
        let table = EmbeddingOptions::new(num_embeddings, embedding_dim);
        EmbeddingBagOptions { table, mode: BagMode::Mean, include_last_offset: false }
    }
}

fn mode_name(mode: BagMode) -> &'static str {
    match mode {
        BagMode::Sum => "sum",
        BagMode::Mean => "mean",
        BagMode::Max => "max",
    }
}

impl EmbeddingBag {
    /// Means.
    pub fn new(num_embeddings: usize, embedding_dim: usize) -> EmbeddingBag {
        EmbeddingBag::with(EmbeddingBagOptions::new(num_embeddings, embedding_dim))
    }

    /// With options.
    ///
    /// # Panics
    /// If the padding row is not one of the table's.
    #[track_caller]
    pub fn with(mut options: EmbeddingBagOptions) -> EmbeddingBag {
        padding_row(&mut options.table, "padding_idx must be within num_embeddings");
        EmbeddingBag { weight: table(&options.table), options, mode: Mode::default() }
    }

    /// One vector per bag: of the rows of a matrix of indices, or of the parts of a vector of them that begin at `offsets`; with
    /// `per_sample_weights` (sums only) each row counts that much.
    ///
    /// # Panics
    /// In PyTorch's words if an index is out of range, offsets are missing or needless, or weights do not fit.
    #[track_caller]
    pub fn run(&self, input: &Tensor, offsets: Option<&Tensor>, per_sample_weights: Option<&Var>) -> Var {
        let EmbeddingBagOptions { table, mode, include_last_offset } = self.options;
        normed(&self.weight, input, &table);
        let options = BagOptions {
            mode,
            padding_idx: table.padding_idx.map(|row| row as usize),
            include_last_offset,
            scale_grad_by_freq: table.scale_grad_by_freq,
            ..BagOptions::default()
        };
        self.weight.var().embedding_bag(input, offsets, per_sample_weights, &options)
    }

    fn text(&self) -> String {
        let EmbeddingBagOptions { table, mode, .. } = &self.options;
        let padding = table.padding_idx.map_or_else(String::new, |row| format!(", padding_idx={row}"));
        let (rows, size, norm) = (table.num_embeddings, table.embedding_dim, table.norm_text());
        format!("{rows}, {size}{norm}, mode='{}'{padding}", mode_name(*mode))
    }
}

#[wengert_nn_derive::module]
impl Module for EmbeddingBag {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        self.run(input.value(), None, None)
    }
}

impl Rebuild for EmbeddingBag {
    const CLASS: &'static str = "torch.nn.modules.sparse.EmbeddingBag";
    const PARAMS: &'static [&'static str] = &["weight"];
    fn config(&self) -> Dict {
        let EmbeddingBagOptions { table, mode, include_last_offset } = &self.options;
        [
            ("num_embeddings", Value::from(table.num_embeddings)),
            ("embedding_dim", Value::from(table.embedding_dim)),
            ("max_norm", optional(table.max_norm)),
            ("norm_type", Value::from(table.norm_type)),
            ("scale_grad_by_freq", Value::from(table.scale_grad_by_freq)),
            ("padding_idx", optional(table.padding_idx.map(|row| row as i64))),
            ("mode", Value::from(mode_name(*mode))),
            ("sparse", Value::from(false)),
            ("include_last_offset", Value::from(*include_last_offset)),
        ]
        .into_iter()
        .collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<EmbeddingBag, SpecError> {
        let table = EmbeddingOptions::rebuild(parts)?;
        let mode: String = parts.get("mode")?;
        let Some(mode) = [BagMode::Sum, BagMode::Mean, BagMode::Max].into_iter().find(|&m| mode_name(m) == mode) else {
            return parts.invalid(format!("mode '{mode}' is not one of sum, mean, max"));
        };
        let options =
            EmbeddingBagOptions { table, mode, include_last_offset: parts.get_or("include_last_offset", false)? };
        let weight = parts.param("weight", &[table.num_embeddings, table.embedding_dim])?;
        Ok(EmbeddingBag { weight, options, mode: parts.mode() })
    }
}
