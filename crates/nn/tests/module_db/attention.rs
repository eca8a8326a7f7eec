//! Attention and transformers.

use crate::Row;
use crate::case::{Arguments, Inputs, call};
use wengert_nn::*;

pub(crate) const ROWS: &[Row] = &[
    ("MultiheadAttention", |a| {
        let net = MultiheadAttention::with(MultiheadAttentionOptions {
            embed_dim: a.get("embed_dim"),
            num_heads: a.get("num_heads"),
            dropout: a.get("dropout"),
            bias: a.get("bias"),
            add_bias_kv: a.get("add_bias_kv"),
            add_zero_attn: a.get("add_zero_attn"),
            kdim: a.get("kdim"),
            vdim: a.get("vdim"),
            batch_first: a.get("batch_first"),
        });
        call(net, |net, x| {
            let how = Attend {
                key_padding_mask: tensor(x, "key_padding_mask"),
                attn_mask: tensor(x, "attn_mask"),
                need_weights: flag(x, "need_weights", true),
                average_attn_weights: flag(x, "average_attn_weights", true),
                is_causal: flag(x, "is_causal", false),
            };
            let (y, weights) = net.attend(&x.x(0), &x.x(1), &x.x(2), &how);
            [y].into_iter().chain(weights).collect()
        })
    }),
    ("TransformerEncoderLayer", |a| {
        call(TransformerEncoderLayer::new(options(a)), |net, x| {
            vec![net.encode(&x.x(0), &masks(x, "src_mask", "src_key_padding_mask"))]
        })
    }),
    ("TransformerEncoder", |a| {
        call(TransformerEncoder::new(of_layer(a), a.get("num_layers"), None), |net, x| {
            vec![net.encode(&x.x(0), &masks(x, "mask", "src_key_padding_mask"))]
        })
    }),
    ("TransformerDecoderLayer", |a| {
        call(TransformerDecoderLayer::new(options(a)), |net, x| {
            let (own, other) =
                (masks(x, "tgt_mask", "tgt_key_padding_mask"), masks(x, "memory_mask", "memory_key_padding_mask"));
            vec![net.decode(&x.x(0), &x.x(1), &own, &other)]
        })
    }),
    ("Transformer", |a| {
        let net = Transformer::new(options(a), a.get("num_encoder_layers"), a.get("num_decoder_layers"));
        call(net, |net, x| {
            let all = TransformerMasks {
                src: masks(x, "src_mask", "src_key_padding_mask"),
                target: masks(x, "tgt_mask", "tgt_key_padding_mask"),
                memory: masks(x, "memory_mask", "memory_key_padding_mask"),
            };
            vec![net.run(&x.x(0), &x.x(1), &all)]
        })
    }),
];

fn tensor(x: &Inputs, name: &str) -> Option<Tensor> {
    x.named(name).map(Var::into_value)
}

fn flag(x: &Inputs, name: &str, default: bool) -> bool {
    x.named_value(name).and_then(bool::from_value).unwrap_or(default)
}

fn masks(x: &Inputs, mask: &str, padding: &str) -> Masks {
    Masks { mask: tensor(x, mask), key_padding_mask: tensor(x, padding), is_causal: false }
}

/// The options with which the layer in the arguments was made, from its text and the configuration of its parts.
fn of_layer(a: &Arguments) -> TransformerOptions {
    let layer = a.value("encoder_layer").as_slice().expect("a text and parts");
    let (text, parts) = (layer[0].as_str().expect("a text"), layer[1].as_dict().expect("parts"));
    let of = |part: &str, name: &str| parts.get(part).and_then(|p| p.as_dict()?.get(name)).expect("it has it").clone();
    let size = |part: &str, name: &str| usize::from_value(&of(part, name)).expect("a size");
    let flag = |part: &str, name: &str| bool::from_value(&of(part, name)).expect("a bool");
    let gelu = size("", "activation_relu_or_gelu") == 2;
    TransformerOptions {
        d_model: size("linear1", "in_features"),
        nhead: size("self_attn", "num_heads"),
        dim_feedforward: size("linear1", "out_features"),
        dropout: f64::from_value(&of("dropout", "p")).expect("a share"),
        activation: if gelu { TransformerActivation::GELU } else { TransformerActivation::ReLU },
        layer_norm_eps: f64::from_value(&of("norm1", "eps")).expect("a number"),
        batch_first: flag("self_attn", "batch_first"),
        norm_first: flag("", "norm_first"),
        bias: !text.contains("bias=False"),
    }
}

fn options(a: &Arguments) -> TransformerOptions {
    let activation = a.value("activation").to_string();
    TransformerOptions {
        d_model: a.get("d_model"),
        nhead: a.get("nhead"),
        dim_feedforward: a.get("dim_feedforward"),
        dropout: a.get("dropout"),
        activation: if activation.contains("gelu") { TransformerActivation::GELU } else { TransformerActivation::ReLU },
        layer_norm_eps: a.get("layer_norm_eps"),
        batch_first: a.get("batch_first"),
        norm_first: a.get("norm_first"),
        bias: a.get("bias"),
    }
}
