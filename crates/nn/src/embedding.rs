//! [`Embedding`].

use crate::setting::optional;
use crate::{Mode, Module, Param, Parts, Rebuild, SpecError, Tree, Var, init};
use wengert_autograd::functional;
use wengert_tensor::{DType, Dict, Tensor, Value, bug};

/// A table whose rows are looked up by integers (`torch.nn.Embedding`): indices (…) to (…, embedding).
///
/// `weight` is (embeddings, embedding), drawn from N(0, 1); the row of `padding_idx` is 0 and stays so.
///
/// # Examples
/// ```
/// use wengert_nn::{Embedding, Module, Var, tensor::Tensor};
/// let table = Embedding::new(5, 3);
/// assert_eq!(table.forward(&Var::from(Tensor::from_vec(vec![1i64, 4], [2]))).shape(), [2, 3]);
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Embedding {
    /// (embeddings, embedding).
    pub weight: Param,
    #[tree(skip)]
    options: EmbeddingOptions,
    mode: Mode,
}

/// What [`Embedding::with`] takes.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddingOptions {
    /// Number of rows.
    pub num_embeddings: usize,
    /// Length of a row.
    pub embedding_dim: usize,
    /// The row, negative from the end, that stands for nothing: it is 0 and gets no gradient.
    pub padding_idx: Option<isize>,
    /// What the norm of a row may not exceed: longer ones are scaled down, in the table, when they are looked up. None.
    pub max_norm: Option<f64>,
    /// The order of that norm: 2.
    pub norm_type: f64,
    /// Whether the gradient of a row is divided by how often it was looked up: no.
    pub scale_grad_by_freq: bool,
}

impl EmbeddingOptions {
    /// The defaults.
    pub const fn new(num_embeddings: usize, embedding_dim: usize) -> EmbeddingOptions {
        EmbeddingOptions {
            num_embeddings,
            embedding_dim,
            padding_idx: None,
            max_norm: None,
            norm_type: 2.0,
            scale_grad_by_freq: false,
        }
    }

    /// What is printed of norms and frequencies.
    pub(crate) fn norm_text(&self) -> String {
        let mut text = self.max_norm.map_or_else(String::new, |norm| format!(", max_norm={}", Value::from(norm)));
        if self.norm_type != 2.0 {
            text += &format!(", norm_type={}", Value::from(self.norm_type));
        }
        if self.scale_grad_by_freq {
            text += ", scale_grad_by_freq=True";
        }
        text
    }

    pub(crate) fn rebuild(parts: &Parts<'_>) -> Result<EmbeddingOptions, SpecError> {
        let (num_embeddings, embedding_dim) = (parts.get("num_embeddings")?, parts.get("embedding_dim")?);
        let padding_idx: Option<isize> = parts.get_or("padding_idx", None)?;
        if padding_idx.is_some_and(|row| row < 0 || row as usize >= num_embeddings) {
            return parts.invalid("padding_idx must be within num_embeddings");
        }
        Ok(EmbeddingOptions {
            num_embeddings,
            embedding_dim,
            padding_idx,
            max_norm: parts.get_or("max_norm", None)?,
            norm_type: parts.get_or("norm_type", 2.0)?,
            scale_grad_by_freq: parts.get_or("scale_grad_by_freq", false)?,
        })
    }
}

/// Counts the padding row from the start.
#[track_caller]
pub(crate) fn padding_row(options: &mut EmbeddingOptions, message: &str) {
    let rows = options.num_embeddings as isize;
    if let Some(padding) = &mut options.padding_idx {
        if *padding < -rows || *padding >= rows {
            bug!("", "{message}");
        }
        *padding = padding.rem_euclid(rows);
    }
}

/// A table as it is drawn.
pub(crate) fn table(options: &EmbeddingOptions) -> Param {
    let weight = Param::new(Tensor::zeros([options.num_embeddings, options.embedding_dim], DType::F32));
    init::normal_(&weight, 0.0, 1.0);
    if let Some(padding) = options.padding_idx {
        weight.update(|weight| {
            let row = padding as usize * options.embedding_dim;
            weight.as_mut_slice::<f32>()[row..row + options.embedding_dim].fill(0.0);
        });
    }
    weight
}

/// Scales the rows that are looked up to the largest norm that the options allow.
#[track_caller]
pub(crate) fn normed(weight: &Param, index: &Tensor, options: &EmbeddingOptions) {
    if options.max_norm.is_none() || index.numel() == 0 {
        return;
    }
    let (max_norm, norm_type) = (options.max_norm, options.norm_type);
    let flat = index.to(DType::I64).reshape([-1isize]);
    let table = weight.value();
    let how = functional::EmbeddingOptions { max_norm, norm_type, ..Default::default() };
    let rows = functional::embedding(&flat, &Var::from(&table), &how);
    weight.set(table.index_copy(0, &flat, rows.value()));
}

impl Embedding {
    /// Without a padding row.
    pub fn new(num_embeddings: usize, embedding_dim: usize) -> Embedding {
        Embedding::with(EmbeddingOptions::new(num_embeddings, embedding_dim))
    }

    /// With options.
    ///
    /// # Panics
    /// If the padding row is not one of the table's.
    #[track_caller]
    pub fn with(mut options: EmbeddingOptions) -> Embedding {
        padding_row(&mut options, "Padding_idx must be within num_embeddings");
        Embedding { weight: table(&options), options, mode: Mode::default() }
    }

    /// A table of given rows (`Embedding.from_pretrained`); it gets no gradient until
    /// [`requires_grad_`](Module::requires_grad_) says so.
    ///
    /// # Panics
    /// If it is no matrix.
    #[track_caller]
    pub fn from_pretrained(rows: Tensor) -> Embedding {
        if rows.rank() != 2 {
            bug!("", "Embeddings parameter is expected to be 2-dimensional");
        }
        let options = EmbeddingOptions::new(rows.shape()[0], rows.shape()[1]);
        let weight = Param::new(rows);
        weight.requires_grad_(false);
        Embedding { weight, options, mode: Mode::default() }
    }

    fn text(&self) -> String {
        let EmbeddingOptions { num_embeddings, embedding_dim, padding_idx, .. } = self.options;
        let padding = padding_idx.map_or_else(String::new, |padding| format!(", padding_idx={padding}"));
        format!("{num_embeddings}, {embedding_dim}{padding}{}", self.options.norm_text())
    }
}

#[wengert_nn_derive::module]
impl Module for Embedding {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        let EmbeddingOptions { padding_idx, scale_grad_by_freq, .. } = self.options;
        normed(&self.weight, input.value(), &self.options);
        let options = functional::EmbeddingOptions { padding_idx, scale_grad_by_freq, ..Default::default() };
        functional::embedding(input.value(), &self.weight.var(), &options)
    }
}

impl Rebuild for Embedding {
    const CLASS: &'static str = "torch.nn.modules.sparse.Embedding";
    const PARAMS: &'static [&'static str] = &["weight"];
    fn config(&self) -> Dict {
        let EmbeddingOptions { num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq } =
            self.options;
        [
            ("num_embeddings", Value::from(num_embeddings)),
            ("embedding_dim", Value::from(embedding_dim)),
            ("padding_idx", optional(padding_idx.map(|row| row as i64))),
            ("max_norm", optional(max_norm)),
            ("norm_type", Value::from(norm_type)),
            ("scale_grad_by_freq", Value::from(scale_grad_by_freq)),
            ("sparse", Value::from(false)),
        ]
        .into_iter()
        .collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<Embedding, SpecError> {
        let options = EmbeddingOptions::rebuild(parts)?;
        let weight = parts.param("weight", &[options.num_embeddings, options.embedding_dim])?;
        Ok(Embedding { weight, options, mode: parts.mode() })
    }
}
