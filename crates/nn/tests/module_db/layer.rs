//! Layers with parameters, pools, norms and paddings.

use crate::Row;
use crate::case::{Arguments, Case, layer};
use wengert_nn::*;

pub(crate) const ROWS: &[Row] = &[
    ("AdaptiveAvgPool2d", |a| match a.value("output_size") {
        Value::Int(n) => layer(AdaptiveAvgPool2d::new(*n as usize)),
        _ => {
            let [rows, columns] = a.get("output_size");
            layer(AdaptiveAvgPool2d::keeping(rows, columns))
        }
    }),
    ("AvgPool2d", |a| {
        layer(AvgPool2d::with(AvgPool2dOptions {
            kernel_size: a.get("kernel_size"),
            stride: a.get("stride"),
            padding: a.get("padding"),
            ceil_mode: a.get("ceil_mode"),
            count_include_pad: a.get("count_include_pad"),
            divisor_override: a.get("divisor_override"),
        }))
    }),
    ("BatchNorm1d", batch_norm::<1>),
    ("BatchNorm2d", batch_norm::<2>),
    ("BatchNorm3d", batch_norm::<3>),
    ("Embedding", |a| {
        layer(Embedding::with(EmbeddingOptions {
            num_embeddings: a.get("num_embeddings"),
            embedding_dim: a.get("embedding_dim"),
            padding_idx: a.get("padding_idx"),
        }))
    }),
    ("AlphaDropout", |a| layer(AlphaDropout::new(a.get("p")))),
    ("Dropout", |a| layer(Dropout::new(a.get("p")))),
    ("Dropout1d", |a| layer(Dropout1d::new(a.get("p")))),
    ("Dropout2d", |a| layer(Dropout2d::new(a.get("p")))),
    ("Dropout3d", |a| layer(Dropout3d::new(a.get("p")))),
    ("FeatureAlphaDropout", |a| layer(FeatureAlphaDropout::new(a.get("p")))),
    ("GroupNorm", |a| {
        layer(GroupNorm::with(GroupNormOptions {
            num_groups: a.get("num_groups"),
            num_channels: a.get("num_channels"),
            eps: a.get("eps"),
            affine: a.get("affine"),
            bias: a.get("bias"),
        }))
    }),
    ("InstanceNorm1d", instance_norm::<1>),
    ("InstanceNorm2d", instance_norm::<2>),
    ("InstanceNorm3d", instance_norm::<3>),
    ("LocalResponseNorm", |a| {
        let (size, alpha, beta, k) = (a.get("size"), a.get("alpha"), a.get("beta"), a.get("k"));
        layer(LocalResponseNorm::with(LocalResponseNormOptions { size, alpha, beta, k }))
    }),
    ("RMSNorm", |a| {
        layer(RMSNorm::with(RMSNormOptions {
            normalized_shape: a.get("normalized_shape"),
            eps: a.get("eps"),
            elementwise_affine: a.get("elementwise_affine"),
        }))
    }),
    ("LayerNorm", |a| {
        layer(LayerNorm::with(LayerNormOptions {
            normalized_shape: a.get("normalized_shape"),
            eps: a.get("eps"),
            elementwise_affine: a.get("elementwise_affine"),
            bias: a.get("bias"),
        }))
    }),
    ("Linear", |a| {
        layer(Linear::with(LinearOptions {
            in_features: a.get("in_features"),
            out_features: a.get("out_features"),
            bias: a.get("bias"),
        }))
    }),
];

fn batch_norm<const AXES: usize>(a: &Arguments) -> Case {
    layer(BatchNorm::<AXES>::with(BatchNormOptions {
        num_features: a.get("num_features"),
        eps: a.get("eps"),
        momentum: a.get("momentum"),
        affine: a.get("affine"),
        bias: a.get("bias"),
        track_running_stats: a.get("track_running_stats"),
    }))
}

fn instance_norm<const AXES: usize>(a: &Arguments) -> Case {
    layer(InstanceNorm::<AXES>::with(InstanceNormOptions {
        num_features: a.get("num_features"),
        eps: a.get("eps"),
        momentum: a.get("momentum"),
        affine: a.get("affine"),
        bias: a.get("bias"),
        track_running_stats: a.get("track_running_stats"),
    }))
}
