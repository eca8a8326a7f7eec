//! Attention in several heads, with its projections.

use crate::catalog::Entry;
use crate::functional::dropout;
use crate::{AttentionOptions, Var};
use wengert_tensor::{DType, Tensor, bug};

/// Weights and options of [`multi_head_attention_forward`]. Masks of `bool` are true where a key must not be seen; masks of
/// floats are added to the scores.
#[derive(Clone)]
pub struct MultiheadOptions {
    /// How many heads share the embedding.
    pub num_heads: usize,
    /// `[3·embed, embed]`: projects queries, keys and values.
    pub in_proj_weight: Option<Var>,
    /// Three projections in its place, for keys and values of other sizes.
    pub proj_weights: Option<[Var; 3]>,
    /// `[3·embed]`.
    pub in_proj_bias: Option<Var>,
    /// A key that is added to those of each sequence.
    pub bias_k: Option<Var>,
    /// And its value.
    pub bias_v: Option<Var>,
    /// Whether a key and a value of zeros are added: no.
    pub add_zero_attn: bool,
    /// Drops attention weights with this probability: 0, as PyTorch when it does not train.
    pub dropout: f64,
    /// `[embed, embed]`: projects what the heads give.
    pub out_proj_weight: Var,
    /// `[embed]`.
    pub out_proj_bias: Option<Var>,
    /// For each sequence, keys to ignore: `[batch, keys]`, or `[keys]`.
    pub key_padding_mask: Option<Var>,
    /// For each query, keys to ignore: `[queries, keys]`, or for each head `[batch·heads, queries, keys]`.
    pub attn_mask: Option<Var>,
    /// Says that `attn_mask` is that of a causal attention: no.
    pub is_causal: bool,
    /// Whether to return the attention weights: yes. Without, one faster operation computes all.
    pub need_weights: bool,
    /// Whether the weights returned are means over the heads: yes.
    pub average_attn_weights: bool,
    /// Keys `[batch·heads, keys, width]` in place of the projected ones.
    pub static_k: Option<Var>,
    /// Values in place of the projected ones.
    pub static_v: Option<Var>,
}

impl MultiheadOptions {
    /// PyTorch's defaults, with all input projections in one matrix.
    pub fn new(num_heads: usize, in_proj_weight: Var, out_proj_weight: Var) -> MultiheadOptions {
        MultiheadOptions {
            num_heads,
            in_proj_weight: Some(in_proj_weight),
            proj_weights: None,
            in_proj_bias: None,
            bias_k: None,
            bias_v: None,
            add_zero_attn: false,
            dropout: 0.0,
            out_proj_weight,
            out_proj_bias: None,
            key_padding_mask: None,
            attn_mask: None,
            is_causal: false,
            need_weights: true,
            average_attn_weights: true,
            static_k: None,
            static_v: None,
        }
    }
}

/// What queries `[queries, batch, embed]` see of values (of one sequence, `[queries, embed]`), and unless `need_weights` is
/// off, the attention weights `[batch, queries, keys]`, or `[batch, heads, queries, keys]` with `average_attn_weights` off
/// (`torch.nn.functional.multi_head_attention_forward`).
///
/// # Panics
/// In PyTorch's words if shapes do not fit.
#[track_caller]
pub fn multi_head_attention_forward(
    query: &Var,
    key: &Var,
    value: &Var,
    options: &MultiheadOptions,
) -> (Var, Option<Var>) {
    let o = options;
    let batched = ranks(query, key, value);
    if o.is_causal && o.attn_mask.is_none() {
        bug!(
            "",
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method \
             `generate_square_subsequent_mask` to create this mask."
        );
    }
    let arranged = |x: &Var| if batched { x.clone() } else { x.unsqueeze(1) };
    let [query, key, value] = [query, key, value].map(arranged);
    let (time, batch, embed, heads) = (query.size(0), query.size(1), query.size(2), o.num_heads);
    if heads == 0 || !embed.is_multiple_of(heads) {
        bug!("", "embed_dim {embed} not divisible by num_heads {heads}");
    }
    let width = embed / heads;
    let [q, mut k, mut v] = project([&query, &key, &value], embed, o);
    let mut mask = o.attn_mask.as_ref().map(|m| added("attn_mask", m, q.dtype()));
    let mut padding = o.key_padding_mask.as_ref().map(|m| {
        let m = added("key_padding_mask", m, q.dtype());
        if batched { m } else { m.unsqueeze(0) }
    });
    if let Some(m) = &mask {
        let (rank, keys) = (m.rank(), key.size(0));
        let want: &[usize] = match rank {
            2 => &[time, keys],
            3 => &[batch * heads, time, keys],
            _ => bug!("", "attn_mask's dimension {rank} is not supported"),
        };
        if m.shape() != want {
            bug!("", "The shape of the {rank}D attn_mask is {:?}, but should be {want:?}.", m.shape());
        }
    }
    let open = |m: &mut Option<Var>| *m = m.take().map(|m| m.pad(&[0, 1], 0.0));
    match (&o.bias_k, &o.bias_v) {
        (Some(bias_k), Some(bias_v)) => {
            let row = |x: &Var| x.reshape([1, 1, embed]).repeat(&[1, batch, 1]);
            k = Var::cat(&[k, row(bias_k)], 0);
            v = Var::cat(&[v, row(bias_v)], 0);
            open(&mut mask);
            open(&mut padding);
        }
        (Some(_), None) => bug!("", "bias_k is set but bias_v is None"),
        (None, Some(_)) => bug!("", "bias_v is set but bias_k is None"),
        (None, None) => {}
    }
    // `[batch · heads, time, width]`.
    let split = |x: &Var| x.reshape([x.size(0), batch * heads, width]).transpose(0, 1);
    let given = |name: &str, x: &Option<Var>, own: &Var| match x {
        None => split(own),
        Some(x) if x.rank() == 3 && x.size(0) == batch * heads && x.size(2) == width => x.clone(),
        Some(x) => bug!("", "expecting {name} of {} heads of size {width}, but got {:?}", batch * heads, x.shape()),
    };
    let (q, mut k, mut v) = (split(&q), given("static_k", &o.static_k, &k), given("static_v", &o.static_v, &v));
    if o.add_zero_attn {
        let none = Var::from(Tensor::zeros([batch * heads, 1, width], q.dtype()));
        (k, v) = (Var::cat(&[&k, &none], 1), Var::cat(&[&v, &none], 1));
        open(&mut mask);
        open(&mut padding);
    }
    let keys = k.size(1);
    if let Some(p) = padding {
        if p.shape() != [batch, keys] {
            bug!("", "expecting key_padding_mask shape of {:?}, but got {:?}", (batch, keys), p.shape());
        }
        let p = p.reshape([batch, 1, 1, keys]).expand([batch, heads, 1, keys]).reshape([batch * heads, 1, keys]);
        mask = Some(mask.map_or(p.clone(), |m| m + p));
    }
    let joined = |x: Var| {
        let x = x.transpose(0, 1).reshape([time * batch, embed]);
        let x = x.linear(&o.out_proj_weight, o.out_proj_bias.as_ref());
        let size = x.size(1);
        x.reshape([time, batch, size])
    };
    let (output, weights) = if o.need_weights {
        let scores = (q * (1.0 / width as f64).sqrt()).bmm(&k.transpose(1, 2));
        let weights = mask.map_or(scores.clone(), |m| scores + m).softmax(-1);
        let weights = if o.dropout > 0.0 { dropout(&weights, o.dropout) } else { weights };
        let output = joined(weights.bmm(&v));
        let weights = weights.reshape([batch, heads, time, keys]);
        (output, Some(if o.average_attn_weights { weights.mean(1) } else { weights }))
    } else {
        let apart = |x: &Var| x.reshape([batch, heads, x.size(1), width]);
        let mask = mask.map(|m| match m.rank() {
            2 => m,
            _ => m.reshape([batch, heads, m.size(1), keys]),
        });
        let options = AttentionOptions { mask, dropout: o.dropout, ..Default::default() };
        let seen = apart(&q).scaled_dot_product_attention(&apart(&k), &apart(&v), &options);
        (joined(seen.reshape([batch * heads, time, width])), None)
    };
    match batched {
        true => (output, weights),
        false => (output.squeeze([1]), weights.map(|w| w.squeeze([0]))),
    }
}

/// Whether inputs are of a batch; they must agree.
#[track_caller]
fn ranks(query: &Var, key: &Var, value: &Var) -> bool {
    let kind = match query.rank() {
        3 => "batched (3-D)",
        2 => "unbatched (2-D)",
        rank => bug!("", "query should be unbatched 2D or batched 3D tensor but received {rank}-D query tensor"),
    };
    if key.rank() != query.rank() || value.rank() != query.rank() {
        bug!(
            "",
            "For {kind} `query`, expected `key` and `value` to be {}-D but found {}-D and {}-D tensors respectively",
            query.rank(),
            key.rank(),
            value.rank()
        );
    }
    query.rank() == 3
}

/// Queries, keys and values projected.
#[track_caller]
fn project(inputs: [&Var; 3], embed: usize, o: &MultiheadOptions) -> [Var; 3] {
    let part = |x: &Var, i: usize| x.narrow(0, (i * embed) as isize, embed);
    let [_, key, value] = inputs;
    match &o.proj_weights {
        None if key.shape() != value.shape() => {
            bug!("", "key shape {:?} does not match value shape {:?}", key.shape(), value.shape())
        }
        Some(_) if key.shape()[..2] != value.shape()[..2] => bug!(
            "",
            "key's sequence and batch dims {:?} do not match value's {:?}",
            &key.shape()[..2],
            &value.shape()[..2]
        ),
        _ => {}
    }
    std::array::from_fn(|i| {
        let weight = match (&o.proj_weights, &o.in_proj_weight) {
            (Some(weights), _) => weights[i].clone(),
            (None, Some(weight)) => part(weight, i),
            (None, None) => bug!("", "use_separate_proj_weight is False but in_proj_weight is None"),
        };
        inputs[i].linear(&weight, o.in_proj_bias.as_ref().map(|b| part(b, i)).as_ref())
    })
}

/// A mask as numbers to add.
#[track_caller]
fn added(name: &str, mask: &Var, dtype: DType) -> Var {
    match mask.dtype() {
        DType::Bool => Var::from(Tensor::zeros(mask.shape(), dtype).masked_fill(&mask.value, f64::NEG_INFINITY)),
        d if d.is_float() => mask.to(dtype),
        _ => bug!("", "only bool and floating types of {name} are supported"),
    }
}

pub(crate) fn catalog() -> Vec<Entry> {
    let shapes: &[&[usize]] = &[&[2, 1, 4], &[3, 1, 4], &[12, 4], &[4, 4]];
    vec![Entry::shaped("multi_head_attention_forward", "", shapes, |x| {
        let options = MultiheadOptions::new(2, x[2].clone(), x[3].clone());
        multi_head_attention_forward(&x[0], &x[1], &x[1], &options).0
    })]
}
