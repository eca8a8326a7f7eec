//! Transformers (Vaswani et al. 2017): layers of encoders and decoders, stacks of them, and the whole.

use crate::attention::{Attend, MultiheadAttention, MultiheadAttentionOptions};
use crate::{
    Dropout, GELU, LayerNorm, LayerNormOptions, Linear, LinearOptions, Mode, Module, ModuleList, Parts, ReLU, Rebuild,
    Setting, SpecError, Tree, Var, init, watch,
};
use std::sync::Arc;
use wengert_tensor::{DType, Dict, Object, Tensor, Value, bug, get_rng_state, set_rng_state};

/// The function between the two linear layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransformerActivation {
    /// max(x, 0).
    #[default]
    ReLU,
    /// x Φ(x).
    GELU,
}

impl TransformerActivation {
    fn apply(self, x: &Var) -> Var {
        match self {
            TransformerActivation::ReLU => x.relu(),
            TransformerActivation::GELU => x.gelu(),
        }
    }
}

/// What the layers take; the defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TransformerOptions {
    /// Size of inputs and outputs.
    pub d_model: usize,
    /// How many heads of attention.
    pub nhead: usize,
    /// Size between the two linear layers: 2048.
    pub dim_feedforward: usize,
    /// The probability of dropping: 0.1.
    pub dropout: f64,
    /// The function between the two linear layers: ReLU.
    pub activation: TransformerActivation,
    /// What layer norms add to the variance: 1e-5.
    pub layer_norm_eps: f64,
    /// Whether inputs and outputs are `[batch, time, …]` instead of `[time, batch, …]`: no.
    pub batch_first: bool,
    /// Whether to normalise before instead of after attention and linear layers: no.
    pub norm_first: bool,
    /// Whether linear layers and norms have biases: yes.
    pub bias: bool,
}

impl TransformerOptions {
    /// The defaults.
    pub const fn new(d_model: usize, nhead: usize) -> TransformerOptions {
        TransformerOptions {
            d_model,
            nhead,
            dim_feedforward: 2048,
            dropout: 0.1,
            activation: TransformerActivation::ReLU,
            layer_norm_eps: 1e-5,
            batch_first: false,
            norm_first: false,
            bias: true,
        }
    }

    fn attention(&self) -> MultiheadAttention {
        MultiheadAttention::with(MultiheadAttentionOptions {
            dropout: self.dropout,
            bias: self.bias,
            batch_first: self.batch_first,
            ..MultiheadAttentionOptions::new(self.d_model, self.nhead)
        })
    }

    fn linear(&self, from: usize, to: usize) -> Linear {
        Linear::with(LinearOptions { bias: self.bias, ..LinearOptions::new(from, to) })
    }

    fn norm(&self) -> LayerNorm {
        LayerNorm::with(LayerNormOptions {
            normalized_shape: vec![self.d_model],
            eps: self.layer_norm_eps,
            elementwise_affine: true,
            bias: self.bias,
        })
    }
}

/// Masks for one side of a layer. Masks of `bool` are true where a position must not be seen; masks of floats are added to
/// the scores.
#[derive(Clone, Debug, Default)]
pub struct Masks {
    /// For each query, positions to ignore: `[queries, keys]`, or `[batch · heads, queries, keys]`.
    pub mask: Option<Tensor>,
    /// For each sequence, positions to ignore: `[batch, keys]`.
    pub key_padding_mask: Option<Tensor>,
    /// Says that `mask` is that of a causal attention.
    pub is_causal: bool,
}

impl Masks {
    fn attend(&self) -> Attend {
        Attend {
            attn_mask: self.mask.clone(),
            key_padding_mask: self.key_padding_mask.clone(),
            need_weights: false,
            is_causal: self.is_causal,
            ..Attend::default()
        }
    }
}

/// The mask with which a position sees only those up to itself: -∞ above the diagonal
/// (`Transformer.generate_square_subsequent_mask`).
pub fn generate_square_subsequent_mask(size: usize) -> Tensor {
    Tensor::full([size, size], f64::NEG_INFINITY, DType::F32).triu(1)
}

/// Attention to itself, then two linear layers (`torch.nn.TransformerEncoderLayer`).
///
/// # Examples
/// ```
/// use wengert_nn::{Module, TransformerEncoderLayer, TransformerOptions, Var, tensor::{DType, Tensor}};
/// let layer = TransformerEncoderLayer::new(TransformerOptions { dim_feedforward: 32, ..TransformerOptions::new(8, 2) });
/// assert_eq!(layer.forward(&Var::from(Tensor::ones([5, 3, 8], DType::F32))).shape(), [5, 3, 8]);
/// ```
#[derive(Tree)]
pub struct TransformerEncoderLayer {
    self_attn: MultiheadAttention,
    linear1: Linear,
    dropout: Dropout,
    linear2: Linear,
    norm1: LayerNorm,
    norm2: LayerNorm,
    dropout1: Dropout,
    dropout2: Dropout,
    #[tree(skip)]
    options: TransformerOptions,
    mode: Mode,
}

impl TransformerEncoderLayer {
    /// The layer.
    ///
    /// # Panics
    /// If the heads do not divide the size.
    #[track_caller]
    pub fn new(options: TransformerOptions) -> TransformerEncoderLayer {
        let o = options;
        TransformerEncoderLayer {
            self_attn: o.attention(),
            linear1: o.linear(o.d_model, o.dim_feedforward),
            dropout: Dropout::new(o.dropout),
            linear2: o.linear(o.dim_feedforward, o.d_model),
            norm1: o.norm(),
            norm2: o.norm(),
            dropout1: Dropout::new(o.dropout),
            dropout2: Dropout::new(o.dropout),
            options,
            mode: Mode::default(),
        }
    }

    /// Encodes `[time, batch, size]` (with `batch_first`, `[batch, time, size]`; of one sequence, `[time, size]`).
    ///
    /// # Panics
    /// In PyTorch's words if shapes do not fit.
    #[track_caller]
    pub fn encode(&self, src: &Var, masks: &Masks) -> Var {
        watch(self, src, |src| (self.encoded(src, masks), ())).0
    }

    #[track_caller]
    fn encoded(&self, src: &Var, masks: &Masks) -> Var {
        let attend = |x: &Var| self.dropout1.forward(&self.self_attn.attend(x, x, x, &masks.attend()).0);
        let feed = |x: &Var| {
            let inner = self.options.activation.apply(&self.linear1.forward(x));
            self.dropout2.forward(&self.linear2.forward(&self.dropout.forward(&inner)))
        };
        if self.options.norm_first {
            let x = src + attend(&self.norm1.forward(src));
            &x + feed(&self.norm2.forward(&x))
        } else {
            let x = self.norm1.forward(&(src + attend(src)));
            self.norm2.forward(&(&x + feed(&x)))
        }
    }
}

/// Attention to itself, attention to what was encoded, then two linear layers (`torch.nn.TransformerDecoderLayer`).
#[derive(Tree)]
pub struct TransformerDecoderLayer {
    self_attn: MultiheadAttention,
    multihead_attn: MultiheadAttention,
    linear1: Linear,
    dropout: Dropout,
    linear2: Linear,
    norm1: LayerNorm,
    norm2: LayerNorm,
    norm3: LayerNorm,
    dropout1: Dropout,
    dropout2: Dropout,
    dropout3: Dropout,
    #[tree(skip)]
    options: TransformerOptions,
    mode: Mode,
}

impl TransformerDecoderLayer {
    /// The layer.
    ///
    /// # Panics
    /// If the heads do not divide the size.
    #[track_caller]
    pub fn new(options: TransformerOptions) -> TransformerDecoderLayer {
        let o = options;
        TransformerDecoderLayer {
            self_attn: o.attention(),
            multihead_attn: o.attention(),
            linear1: o.linear(o.d_model, o.dim_feedforward),
            dropout: Dropout::new(o.dropout),
            linear2: o.linear(o.dim_feedforward, o.d_model),
            norm1: o.norm(),
            norm2: o.norm(),
            norm3: o.norm(),
            dropout1: Dropout::new(o.dropout),
            dropout2: Dropout::new(o.dropout),
            dropout3: Dropout::new(o.dropout),
            options,
            mode: Mode::default(),
        }
    }

    /// Decodes a target given what the encoder made of the source, its memory.
    ///
    /// # Panics
    /// In PyTorch's words if shapes do not fit.
    #[track_caller]
    pub fn decode(&self, target: &Var, memory: &Var, target_masks: &Masks, memory_masks: &Masks) -> Var {
        watch(self, target, |target| (self.decoded(target, memory, target_masks, memory_masks), ())).0
    }

    #[track_caller]
    fn decoded(&self, target: &Var, memory: &Var, target_masks: &Masks, memory_masks: &Masks) -> Var {
        let own = |x: &Var| self.dropout1.forward(&self.self_attn.attend(x, x, x, &target_masks.attend()).0);
        let other =
            |x: &Var| self.dropout2.forward(&self.multihead_attn.attend(x, memory, memory, &memory_masks.attend()).0);
        let feed = |x: &Var| {
            let inner = self.options.activation.apply(&self.linear1.forward(x));
            self.dropout3.forward(&self.linear2.forward(&self.dropout.forward(&inner)))
        };
        if self.options.norm_first {
            let x = target + own(&self.norm1.forward(target));
            let x = &x + other(&self.norm2.forward(&x));
            &x + feed(&self.norm3.forward(&x))
        } else {
            let x = self.norm1.forward(&(target + own(target)));
            let x = self.norm2.forward(&(&x + other(&x)));
            self.norm3.forward(&(&x + feed(&x)))
        }
    }
}

/// `count` layers with the values of the first: as PyTorch, which copies one, and so draws for one only.
fn copies<M: Module>(first: M, count: usize, make: impl Fn() -> M) -> Vec<M> {
    let state = get_rng_state();
    let values = first.parameters();
    let copy = |_| {
        let layer = make();
        layer.parameters().iter().zip(&values).for_each(|(own, value)| own.set(value.value().copy()));
        layer
    };
    let rest: Vec<M> = (1..count).map(copy).collect();
    set_rng_state(&state).expect("a state that the generator gave");
    if count == 0 { Vec::new() } else { [first].into_iter().chain(rest).collect() }
}

/// Encoder layers on top of each other (`torch.nn.TransformerEncoder`).
#[derive(Tree)]
pub struct TransformerEncoder {
    layers: ModuleList,
    norm: Option<LayerNorm>,
    mode: Mode,
}

impl TransformerEncoder {
    /// Layers with equal values, and a norm behind them if there is one.
    #[track_caller]
    pub fn new(options: TransformerOptions, num_layers: usize, norm: Option<LayerNorm>) -> TransformerEncoder {
        let first = TransformerEncoderLayer::new(options);
        let layers = copies(first, num_layers, || TransformerEncoderLayer::new(options));
        TransformerEncoder { layers: layers.into_iter().collect(), norm, mode: Mode::default() }
    }

    /// Runs all layers with the same masks.
    ///
    /// # Panics
    /// In PyTorch's words if shapes do not fit.
    #[track_caller]
    pub fn encode(&self, src: &Var, masks: &Masks) -> Var {
        watch(self, src, |src| (self.encoded(src, masks), ())).0
    }

    #[track_caller]
    fn encoded(&self, src: &Var, masks: &Masks) -> Var {
        let out =
            self.layers.iter().fold(src.clone(), |x, layer| match layer.downcast_ref::<TransformerEncoderLayer>() {
                Some(layer) => layer.encode(&x, masks),
                // One of the user's, put in a file.
                None => layer.forward(&x),
            });
        self.norm.as_ref().map_or(out.clone(), |norm| norm.forward(&out))
    }
}

/// Decoder layers on top of each other (`torch.nn.TransformerDecoder`).
#[derive(Tree)]
pub struct TransformerDecoder {
    layers: ModuleList,
    norm: Option<LayerNorm>,
    mode: Mode,
}

impl TransformerDecoder {
    /// Layers with equal values, and a norm behind them if there is one.
    #[track_caller]
    pub fn new(options: TransformerOptions, num_layers: usize, norm: Option<LayerNorm>) -> TransformerDecoder {
        let first = TransformerDecoderLayer::new(options);
        let layers = copies(first, num_layers, || TransformerDecoderLayer::new(options));
        TransformerDecoder { layers: layers.into_iter().collect(), norm, mode: Mode::default() }
    }

    /// Runs all layers with the same memory and masks.
    ///
    /// # Panics
    /// In PyTorch's words if shapes do not fit.
    #[track_caller]
    pub fn decode(&self, target: &Var, memory: &Var, target_masks: &Masks, memory_masks: &Masks) -> Var {
        watch(self, target, |target| (self.decoded(target, memory, target_masks, memory_masks), ())).0
    }

    #[track_caller]
    fn decoded(&self, target: &Var, memory: &Var, target_masks: &Masks, memory_masks: &Masks) -> Var {
        let out =
            self.layers.iter().fold(target.clone(), |x, layer| match layer.downcast_ref::<TransformerDecoderLayer>() {
                Some(layer) => layer.decode(&x, memory, target_masks, memory_masks),
                None => bug!("", "{} is no TransformerDecoderLayer", layer.type_name()),
            });
        self.norm.as_ref().map_or(out.clone(), |norm| norm.forward(&out))
    }
}

/// An encoder and a decoder (`torch.nn.Transformer`).
#[derive(Tree)]
pub struct Transformer {
    encoder: TransformerEncoder,
    decoder: TransformerDecoder,
    d_model: usize,
    nhead: usize,
    batch_first: bool,
    mode: Mode,
}

impl Transformer {
    /// With so many layers on both sides, each side with a norm at its end; matrices are drawn by Xavier's rule.
    #[track_caller]
    pub fn new(options: TransformerOptions, encoder_layers: usize, decoder_layers: usize) -> Transformer {
        let net = Transformer {
            encoder: TransformerEncoder::new(options, encoder_layers, Some(options.norm())),
            decoder: TransformerDecoder::new(options, decoder_layers, Some(options.norm())),
            d_model: options.d_model,
            nhead: options.nhead,
            batch_first: options.batch_first,
            mode: Mode::default(),
        };
        for param in net.parameters().iter().filter(|param| param.shape().len() > 1) {
            init::xavier_uniform_(param, 1.0);
        }
        net
    }

    /// Encodes the source and decodes the target.
    ///
    /// # Panics
    /// In PyTorch's words if shapes do not fit.
    #[track_caller]
    pub fn run(&self, src: &Var, target: &Var, masks: &TransformerMasks) -> Var {
        watch(self, src, |src| (self.translated(src, target, masks), ())).0
    }

    #[track_caller]
    fn translated(&self, src: &Var, target: &Var, masks: &TransformerMasks) -> Var {
        let batch = if self.batch_first { 0 } else { 1 };
        if src.rank() == 3 && target.rank() == 3 && src.size(batch) != target.size(batch) {
            bug!("", "the batch number of src and tgt must be equal");
        }
        if src.size(-1) != self.d_model || target.size(-1) != self.d_model {
            bug!("", "the feature number of src and tgt must be equal to d_model");
        }
        let memory = self.encoder.encode(src, &masks.src);
        self.decoder.decode(target, &memory, &masks.target, &masks.memory)
    }
}

/// The masks of a [`Transformer`].
#[derive(Clone, Debug, Default)]
pub struct TransformerMasks {
    /// Of the source for itself.
    pub src: Masks,
    /// Of the target for itself.
    pub target: Masks,
    /// Of the encoded source for the target.
    pub memory: Masks,
}

#[wengert_nn_derive::module]
impl Module for TransformerEncoderLayer {
    /// [`TransformerEncoderLayer::encode`] without masks.
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        self.encode(input, &Masks::default())
    }
}

#[wengert_nn_derive::module]
impl Module for TransformerDecoderLayer {}

#[wengert_nn_derive::module]
impl Module for TransformerEncoder {
    /// [`TransformerEncoder::encode`] without masks.
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        self.encode(input, &Masks::default())
    }
}

#[wengert_nn_derive::module]
impl Module for TransformerDecoder {}

#[wengert_nn_derive::module]
impl Module for Transformer {}

/// The function that PyTorch keeps in a layer, by its name in Python.
fn function(activation: TransformerActivation) -> Value {
    let class = match activation {
        TransformerActivation::GELU => "torch._C._nn.gelu",
        _ => "torch.nn.functional.relu",
    };
    Value::Object(Arc::new(Object { class: class.to_owned(), ..Object::default() }))
}

fn layer_config(options: &TransformerOptions) -> Dict {
    let norm_first = Value::from(options.norm_first);
    [("norm_first", norm_first), ("activation", function(options.activation))].into_iter().collect()
}

impl Setting for TransformerActivation {
    fn from_value(value: &Value) -> Option<TransformerActivation> {
        match value.as_object().map(|object| object.class.as_str()).or_else(|| value.as_str())? {
            "torch.nn.functional.relu" => Some(TransformerActivation::ReLU),
            "torch._C._nn.gelu" | "gelu" => Some(TransformerActivation::GELU),
            _ => None,
        }
    }
}

/// The function of a layer, or the module that PyTorch takes for one as well.
fn activation(parts: &mut Parts<'_>) -> Result<TransformerActivation, SpecError> {
    if !parts.has_child("activation") {
        return parts.get_or("activation", TransformerActivation::ReLU);
    }
    if parts.child::<ReLU>("activation").is_ok() {
        return Ok(TransformerActivation::ReLU);
    }
    match parts.child::<GELU>("activation") {
        Ok(gelu) if gelu.to_string() == GELU::new().to_string() => Ok(TransformerActivation::GELU),
        _ => parts.invalid("its activation is neither ReLU nor GELU"),
    }
}

/// The options of a layer, as far as its parts do not have them.
fn layer_options(
    parts: &mut Parts<'_>,
    attention: &MultiheadAttention,
    linear1: &Linear,
    norm: &LayerNorm,
) -> Result<TransformerOptions, SpecError> {
    let a = attention.options();
    let activation = activation(parts)?;
    Ok(TransformerOptions {
        dim_feedforward: linear1.weight.shape()[0],
        dropout: a.dropout,
        activation,
        layer_norm_eps: norm.options().eps,
        batch_first: a.batch_first,
        norm_first: parts.get_or("norm_first", false)?,
        bias: a.bias,
        ..TransformerOptions::new(a.embed_dim, a.num_heads)
    })
}

impl Rebuild for TransformerEncoderLayer {
    const CLASS: &'static str = "torch.nn.modules.transformer.TransformerEncoderLayer";
    fn config(&self) -> Dict {
        let mut config = layer_config(&self.options);
        let code = if self.options.activation == TransformerActivation::GELU { 2 } else { 1 };
        config.insert("activation_relu_or_gelu", Value::Int(code));
        config
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<TransformerEncoderLayer, SpecError> {
        let self_attn: MultiheadAttention = parts.child("self_attn")?;
        let (linear1, dropout, linear2) = (parts.child("linear1")?, parts.child("dropout")?, parts.child("linear2")?);
        let (norm1, norm2) = (parts.child("norm1")?, parts.child("norm2")?);
        let (dropout1, dropout2) = (parts.child("dropout1")?, parts.child("dropout2")?);
        let options = layer_options(parts, &self_attn, &linear1, &norm1)?;
        let mode = parts.mode();
        Ok(TransformerEncoderLayer {
            self_attn,
            linear1,
            dropout,
            linear2,
            norm1,
            norm2,
            dropout1,
            dropout2,
            options,
            mode,
        })
    }
}

impl Rebuild for TransformerDecoderLayer {
    const CLASS: &'static str = "torch.nn.modules.transformer.TransformerDecoderLayer";
    fn config(&self) -> Dict {
        layer_config(&self.options)
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<TransformerDecoderLayer, SpecError> {
        let self_attn: MultiheadAttention = parts.child("self_attn")?;
        let multihead_attn = parts.child("multihead_attn")?;
        let (linear1, dropout, linear2) = (parts.child("linear1")?, parts.child("dropout")?, parts.child("linear2")?);
        let (norm1, norm2, norm3) = (parts.child("norm1")?, parts.child("norm2")?, parts.child("norm3")?);
        let (dropout1, dropout2, dropout3) =
            (parts.child("dropout1")?, parts.child("dropout2")?, parts.child("dropout3")?);
        let options = layer_options(parts, &self_attn, &linear1, &norm1)?;
        let mode = parts.mode();
        Ok(TransformerDecoderLayer {
            self_attn,
            multihead_attn,
            linear1,
            dropout,
            linear2,
            norm1,
            norm2,
            norm3,
            dropout1,
            dropout2,
            dropout3,
            options,
            mode,
        })
    }
}

/// The norm at the end of a stack, if there is one.
fn last_norm(parts: &mut Parts<'_>) -> Result<Option<LayerNorm>, SpecError> {
    if parts.has_child("norm") { parts.child("norm").map(Some) } else { Ok(None) }
}

/// What a stack of layers was made with: a norm that is none stands among the attributes, not the modules.
fn stack_config(layers: &ModuleList, norm: &Option<LayerNorm>) -> Dict {
    let mut config: Dict = [("num_layers", Value::from(layers.len()))].into_iter().collect();
    if norm.is_none() {
        config.insert("norm", Value::None);
    }
    config
}

impl Rebuild for TransformerEncoder {
    const CLASS: &'static str = "torch.nn.modules.transformer.TransformerEncoder";
    fn config(&self) -> Dict {
        let mut config = stack_config(&self.layers, &self.norm);
        // PyTorch's faster path for padded batches, which depends on how the layers are made.
        let first =
            (!self.layers.is_empty()).then(|| self.layers[0].downcast_ref::<TransformerEncoderLayer>()).flatten();
        let nested = first
            .map(|layer| &layer.options)
            .is_some_and(|o| o.batch_first && o.bias && !o.norm_first && o.nhead.is_multiple_of(2));
        config.insert("enable_nested_tensor", true);
        config.insert("use_nested_tensor", nested);
        config.insert("mask_check", true);
        config
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<TransformerEncoder, SpecError> {
        Ok(TransformerEncoder { layers: parts.child("layers")?, norm: last_norm(parts)?, mode: parts.mode() })
    }
}

impl Rebuild for TransformerDecoder {
    const CLASS: &'static str = "torch.nn.modules.transformer.TransformerDecoder";
    fn config(&self) -> Dict {
        stack_config(&self.layers, &self.norm)
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<TransformerDecoder, SpecError> {
        Ok(TransformerDecoder { layers: parts.child("layers")?, norm: last_norm(parts)?, mode: parts.mode() })
    }
}

impl Rebuild for Transformer {
    const CLASS: &'static str = "torch.nn.modules.transformer.Transformer";
    fn config(&self) -> Dict {
        let pairs: [(&str, Value); 3] =
            [("d_model", self.d_model.into()), ("nhead", self.nhead.into()), ("batch_first", self.batch_first.into())];
        pairs.into_iter().collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<Transformer, SpecError> {
        Ok(Transformer {
            encoder: parts.child("encoder")?,
            decoder: parts.child("decoder")?,
            d_model: parts.get("d_model")?,
            nhead: parts.get("nhead")?,
            batch_first: parts.get("batch_first")?,
            mode: parts.mode(),
        })
    }
}
