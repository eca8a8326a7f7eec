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
}

impl EmbeddingOptions {
    /// The defaults.
    pub const fn new(num_embeddings: usize, embedding_dim: usize) -> EmbeddingOptions {
        EmbeddingOptions { num_embeddings, embedding_dim, padding_idx: None }
    }
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
        let rows = options.num_embeddings as isize;
        if let Some(padding) = &mut options.padding_idx {
            if *padding < -rows || *padding >= rows {
                bug!("", "Padding_idx must be within num_embeddings");
            }
            *padding = padding.rem_euclid(rows);
        }
        let weight = Param::new(Tensor::zeros([options.num_embeddings, options.embedding_dim], DType::F32));
        init::normal_(&weight, 0.0, 1.0);
        if let Some(padding) = options.padding_idx {
            weight.update(|weight| {
                let row = padding as usize * options.embedding_dim;
                weight.as_mut_slice::<f32>()[row..row + options.embedding_dim].fill(0.0);
            });
        }
        Embedding { weight, options, mode: Mode::default() }
    }

    fn text(&self) -> String {
        let EmbeddingOptions { num_embeddings, embedding_dim, padding_idx } = self.options;
        let padding = padding_idx.map_or_else(String::new, |padding| format!(", padding_idx={padding}"));
        format!("{num_embeddings}, {embedding_dim}{padding}")
    }
}

#[wengert_nn_derive::module]
impl Module for Embedding {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        let options = functional::EmbeddingOptions { padding_idx: self.options.padding_idx, ..Default::default() };
        functional::embedding(input.value(), &self.weight.var(), &options)
    }
}

impl Rebuild for Embedding {
    const CLASS: &'static str = "torch.nn.modules.sparse.Embedding";
    const PARAMS: &'static [&'static str] = &["weight"];
    fn config(&self) -> Dict {
        let EmbeddingOptions { num_embeddings, embedding_dim, padding_idx } = self.options;
        [
            ("num_embeddings", Value::from(num_embeddings)),
            ("embedding_dim", Value::from(embedding_dim)),
            ("padding_idx", optional(padding_idx.map(|row| row as i64))),
            ("max_norm", Value::None),
            ("norm_type", Value::from(2.0)),
            ("scale_grad_by_freq", Value::from(false)),
            ("sparse", Value::from(false)),
        ]
        .into_iter()
        .collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<Embedding, SpecError> {
        let (num_embeddings, embedding_dim) = (parts.get("num_embeddings")?, parts.get("embedding_dim")?);
        let padding_idx: Option<isize> = parts.get_or("padding_idx", None)?;
        if padding_idx.is_some_and(|row| row < 0 || row as usize >= num_embeddings) {
            return parts.invalid("padding_idx must be within num_embeddings");
        }
        parts.only("max_norm", None::<f64>)?;
        parts.only("scale_grad_by_freq", false)?;
        Ok(Embedding {
            weight: parts.param("weight", &[num_embeddings, embedding_dim])?,
            options: EmbeddingOptions { num_embeddings, embedding_dim, padding_idx },
            mode: parts.mode(),
        })
    }
}
