//! [`MultiheadAttention`].

use crate::{Linear, LinearOptions, Mode, Module, Param, Parts, Rebuild, SpecError, Tree, Var, init, watch};
use wengert_autograd::functional::{MultiheadOptions, multi_head_attention_forward};
use wengert_tensor::{DType, Dict, Tensor, Value, bug};

/// What [`MultiheadAttention::with`] takes; the defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MultiheadAttentionOptions {
    /// Size of queries and outputs.
    pub embed_dim: usize,
    /// How many heads share that size.
    pub num_heads: usize,
    /// The probability with which attention weights are dropped in training: 0.
    pub dropout: f64,
    /// Whether the projections have biases: yes.
    pub bias: bool,
    /// Whether a learnt key and value are added: no.
    pub add_bias_kv: bool,
    /// Whether a key and a value of zeros are added: no.
    pub add_zero_attn: bool,
    /// Size of keys, if another.
    pub kdim: Option<usize>,
    /// Size of values, if another.
    pub vdim: Option<usize>,
    /// Whether inputs and outputs are `[batch, time, …]` instead of `[time, batch, …]`: no.
    pub batch_first: bool,
}

impl MultiheadAttentionOptions {
    /// The defaults.
    pub const fn new(embed_dim: usize, num_heads: usize) -> MultiheadAttentionOptions {
        MultiheadAttentionOptions {
            embed_dim,
            num_heads,
            dropout: 0.0,
            bias: true,
            add_bias_kv: false,
            add_zero_attn: false,
            kdim: None,
            vdim: None,
            batch_first: false,
        }
    }
}

/// The output projection: a linear layer that PyTorch calls by another name.
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct NonDynamicallyQuantizableLinear {
    #[tree(flatten)]
    linear: Linear,
}

impl NonDynamicallyQuantizableLinear {
    fn text(&self) -> String {
        Tree::extra_repr(&self.linear)
    }
}

/// What one call of [`MultiheadAttention::attend`] takes besides queries, keys and values. Masks of `bool` are true where a key
/// must not be seen; masks of floats are added to the scores.
#[derive(Clone, Debug)]
pub struct Attend {
    /// For each sequence, keys to ignore: `[batch, keys]`, or `[keys]`.
    pub key_padding_mask: Option<Tensor>,
    /// For each query, keys to ignore: `[queries, keys]`, or for each head `[batch · heads, queries, keys]`.
    pub attn_mask: Option<Tensor>,
    /// Whether to return the attention weights: yes. Without, one faster operation computes all.
    pub need_weights: bool,
    /// Whether the weights returned are means over the heads: yes.
    pub average_attn_weights: bool,
    /// Says that `attn_mask` is that of a causal attention: no.
    pub is_causal: bool,
}

impl Default for Attend {
    fn default() -> Attend {
        Attend {
            key_padding_mask: None,
            attn_mask: None,
            need_weights: true,
            average_attn_weights: true,
            is_causal: false,
        }
    }
}

/// Attention in several heads (`torch.nn.MultiheadAttention`; Vaswani et al. 2017).
///
/// # Examples
/// ```
/// use wengert_nn::{Attend, MultiheadAttention, Var, tensor::{DType, Tensor}};
/// let attention = MultiheadAttention::new(8, 2);
/// let x = Var::from(Tensor::ones([5, 3, 8], DType::F32));
/// let (output, weights) = attention.attend(&x, &x, &x, &Attend::default());
/// assert_eq!((output.shape(), weights.unwrap().shape()), (&[5, 3, 8][..], &[3, 5, 5][..]));
/// ```
#[derive(Tree)]
pub struct MultiheadAttention {
    /// (3·embed, embed): for queries, keys and values, if all have one size.
    pub in_proj_weight: Option<Param>,
    /// (embed, embed), if sizes differ.
    pub q_proj_weight: Option<Param>,
    /// (embed, kdim), if sizes differ.
    pub k_proj_weight: Option<Param>,
    /// (embed, vdim), if sizes differ.
    pub v_proj_weight: Option<Param>,
    /// (3·embed).
    pub in_proj_bias: Option<Param>,
    /// (1, 1, embed).
    pub bias_k: Option<Param>,
    /// (1, 1, embed).
    pub bias_v: Option<Param>,
    /// Projects what the heads give.
    pub out_proj: NonDynamicallyQuantizableLinear,
    #[tree(skip)]
    options: MultiheadAttentionOptions,
    mode: Mode,
}

fn zeros(shape: &[usize]) -> Param {
    Param::new(Tensor::zeros(shape, DType::F32))
}

impl MultiheadAttention {
    /// With the defaults.
    ///
    /// # Panics
    /// If the heads do not divide the size.
    #[track_caller]
    pub fn new(embed_dim: usize, num_heads: usize) -> MultiheadAttention {
        MultiheadAttention::with(MultiheadAttentionOptions::new(embed_dim, num_heads))
    }

    /// With options.
    ///
    /// # Panics
    /// As [`MultiheadAttention::new`].
    #[track_caller]
    pub fn with(options: MultiheadAttentionOptions) -> MultiheadAttention {
        let o = options;
        let e = o.embed_dim;
        if e == 0 || o.num_heads == 0 {
            bug!(
                "",
                "embed_dim and num_heads must be greater than 0, got embed_dim={e} and num_heads={} instead",
                o.num_heads
            );
        }
        if !e.is_multiple_of(o.num_heads) {
            bug!("", "embed_dim must be divisible by num_heads");
        }
        let (k, v) = (o.kdim.unwrap_or(e), o.vdim.unwrap_or(e));
        let same = k == e && v == e;
        let new = |there: bool, shape: &[usize]| there.then(|| zeros(shape));
        // The layer below draws first, as PyTorch's.
        let linear = Linear::with(LinearOptions { bias: o.bias, ..LinearOptions::new(e, e) });
        let net = MultiheadAttention {
            in_proj_weight: new(same, &[3 * e, e]),
            q_proj_weight: new(!same, &[e, e]),
            k_proj_weight: new(!same, &[e, k]),
            v_proj_weight: new(!same, &[e, v]),
            in_proj_bias: new(o.bias, &[3 * e]),
            bias_k: new(o.add_bias_kv, &[1, 1, e]),
            bias_v: new(o.add_bias_kv, &[1, 1, e]),
            out_proj: NonDynamicallyQuantizableLinear { linear },
            options,
            mode: Mode::default(),
        };
        for weight in
            [&net.in_proj_weight, &net.q_proj_weight, &net.k_proj_weight, &net.v_proj_weight].into_iter().flatten()
        {
            init::xavier_uniform_(weight, 1.0);
        }
        if let Some(bias) = &net.out_proj.linear.bias {
            init::constant_(bias, 0.0);
        }
        for bias in [&net.bias_k, &net.bias_v].into_iter().flatten() {
            init::xavier_normal_(bias, 1.0);
        }
        net
    }

    /// What it was made with.
    pub fn options(&self) -> &MultiheadAttentionOptions {
        &self.options
    }

    /// What the queries `[queries, batch, embed]` see of the values (of one sequence, `[queries, embed]`), and unless
    /// `need_weights` is off, the attention weights `[batch, queries, keys]` (with `average_attn_weights` off,
    /// `[batch, heads, queries, keys]`).
    ///
    /// # Panics
    /// In PyTorch's words if shapes do not fit.
    #[track_caller]
    pub fn attend(&self, query: &Var, key: &Var, value: &Var, how: &Attend) -> (Var, Option<Var>) {
        watch(self, query, |query| self.attention(query, key, value, how))
    }

    #[track_caller]
    fn attention(&self, query: &Var, key: &Var, value: &Var, how: &Attend) -> (Var, Option<Var>) {
        let o = &self.options;
        let rank = query.rank();
        if (rank == 2 || rank == 3) && query.size(-1) != o.embed_dim {
            bug!("", "was expecting embedding dimension of {}, but got {}", o.embed_dim, query.size(-1));
        }
        let var = |param: &Option<Param>| param.as_ref().map(Param::var);
        let apart = [&self.q_proj_weight, &self.k_proj_weight, &self.v_proj_weight].map(var);
        let options = MultiheadOptions {
            num_heads: o.num_heads,
            in_proj_weight: var(&self.in_proj_weight),
            proj_weights: match apart {
                [Some(q), Some(k), Some(v)] => Some([q, k, v]),
                _ => None,
            },
            in_proj_bias: var(&self.in_proj_bias),
            bias_k: var(&self.bias_k),
            bias_v: var(&self.bias_v),
            add_zero_attn: o.add_zero_attn,
            dropout: if self.mode.is_training() { o.dropout } else { 0.0 },
            out_proj_weight: self.out_proj.linear.weight.var(),
            out_proj_bias: var(&self.out_proj.linear.bias),
            key_padding_mask: how.key_padding_mask.as_ref().map(Var::from),
            attn_mask: how.attn_mask.as_ref().map(Var::from),
            is_causal: how.is_causal,
            need_weights: how.need_weights,
            average_attn_weights: how.average_attn_weights,
            static_k: None,
            static_v: None,
        };
        // The function has time first.
        let turned = |x: &Var| if o.batch_first && x.rank() == 3 { x.transpose(0, 1) } else { x.clone() };
        let [query, key, value] = [query, key, value].map(turned);
        let (output, weights) = multi_head_attention_forward(&query, &key, &value, &options);
        (turned(&output), weights)
    }
}

#[wengert_nn_derive::module]
impl Module for NonDynamicallyQuantizableLinear {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        self.linear.forward(input)
    }
}

#[wengert_nn_derive::module]
impl Module for MultiheadAttention {
    /// What the input sees of itself.
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        self.attend(input, input, input, &Attend { need_weights: false, ..Attend::default() }).0
    }
}

impl Rebuild for NonDynamicallyQuantizableLinear {
    const CLASS: &'static str = "torch.nn.modules.linear.NonDynamicallyQuantizableLinear";
    const PARAMS: &'static [&'static str] = &["weight", "bias"];
    fn config(&self) -> Dict {
        self.linear.config()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<NonDynamicallyQuantizableLinear, SpecError> {
        Ok(NonDynamicallyQuantizableLinear { linear: Linear::rebuild(parts)? })
    }
}

impl Rebuild for MultiheadAttention {
    const CLASS: &'static str = "torch.nn.modules.activation.MultiheadAttention";
    const PARAMS: &'static [&'static str] =
        &["in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight", "in_proj_bias"];
    fn config(&self) -> Dict {
        let o = &self.options;
        let pairs: [(&str, Value); 9] = [
            ("embed_dim", o.embed_dim.into()),
            ("kdim", o.kdim.unwrap_or(o.embed_dim).into()),
            ("vdim", o.vdim.unwrap_or(o.embed_dim).into()),
            ("_qkv_same_embed_dim", self.in_proj_weight.is_some().into()),
            ("num_heads", o.num_heads.into()),
            ("dropout", o.dropout.into()),
            ("batch_first", o.batch_first.into()),
            ("head_dim", (o.embed_dim / o.num_heads).into()),
            ("add_zero_attn", o.add_zero_attn.into()),
        ];
        let mut config: Dict = pairs.into_iter().collect();
        if self.bias_k.is_none() {
            // PyTorch has no empty places for these among the parameters.
            config.insert("bias_k", Value::None);
            config.insert("bias_v", Value::None);
        }
        config
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<MultiheadAttention, SpecError> {
        let (e, heads): (usize, usize) = (parts.get("embed_dim")?, parts.get("num_heads")?);
        let (k, v): (usize, usize) = (parts.get("kdim")?, parts.get("vdim")?);
        if heads == 0 || e == 0 || !e.is_multiple_of(heads) {
            return parts.invalid(format!("{heads} heads do not divide {e}"));
        }
        let same = k == e && v == e;
        let mut need = |there: bool, name: &str, shape: &[usize]| match there {
            true => parts.param(name, shape).map(Some),
            false => Ok(None),
        };
        let in_proj_weight = need(same, "in_proj_weight", &[3 * e, e])?;
        let q_proj_weight = need(!same, "q_proj_weight", &[e, e])?;
        let k_proj_weight = need(!same, "k_proj_weight", &[e, k])?;
        let v_proj_weight = need(!same, "v_proj_weight", &[e, v])?;
        let in_proj_bias = parts.optional_param("in_proj_bias", &[3 * e])?;
        let bias_k = parts.optional_param("bias_k", &[1, 1, e])?;
        let bias_v = parts.optional_param("bias_v", &[1, 1, e])?;
        let options = MultiheadAttentionOptions {
            embed_dim: e,
            num_heads: heads,
            dropout: parts.get("dropout")?,
            bias: in_proj_bias.is_some(),
            add_bias_kv: bias_k.is_some(),
            add_zero_attn: parts.get("add_zero_attn")?,
            kdim: Some(k),
            vdim: Some(v),
            batch_first: parts.get_or("batch_first", false)?,
        };
        let out_proj = parts.child("out_proj")?;
        let mode = parts.mode();
        Ok(MultiheadAttention {
            in_proj_weight,
            q_proj_weight,
            k_proj_weight,
            v_proj_weight,
            in_proj_bias,
            bias_k,
            bias_v,
            out_proj,
            options,
            mode,
        })
    }
}
