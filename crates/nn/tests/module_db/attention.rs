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
