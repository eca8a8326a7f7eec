//! Layers with parameters, pools, norms and paddings.

use crate::Row;
use crate::case::{Arguments, Case, call, layer};
use wengert_nn::tensor::Scalar;
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
    ("Embedding", |a| layer(Embedding::with(table(a)))),
    ("EmbeddingBag", |a| {
        let mode = match a.value("mode").as_str() {
            Some("sum") => BagMode::Sum,
            Some("max") => BagMode::Max,
            _ => BagMode::Mean,
        };
        let include_last_offset = a.get("include_last_offset");
        call(EmbeddingBag::with(EmbeddingBagOptions { table: table(a), mode, include_last_offset }), |net, i| {
            vec![net.run(i.x(0).value(), i.opt(1).as_ref().map(Var::value), i.opt(2).as_ref())]
        })
    }),
    ("LazyBatchNorm1d", |a| layer(LazyBatchNorm1d::with(batch_options(a)))),
    ("LazyBatchNorm2d", |a| layer(LazyBatchNorm2d::with(batch_options(a)))),
    ("LazyBatchNorm3d", |a| layer(LazyBatchNorm3d::with(batch_options(a)))),
    ("LazyInstanceNorm1d", |a| layer(LazyInstanceNorm1d::with(instance_options(a)))),
    ("LazyInstanceNorm2d", |a| layer(LazyInstanceNorm2d::with(instance_options(a)))),
    ("LazyInstanceNorm3d", |a| layer(LazyInstanceNorm3d::with(instance_options(a)))),
    ("LazyLinear", |a| {
        layer(LazyLinear::with(LinearOptions { bias: a.get("bias"), ..LinearOptions::new(0, a.get("out_features")) }))
    }),
    ("AlphaDropout", |a| layer(AlphaDropout::new(a.get::<Scalar>("p")))),
    ("Dropout", |a| layer(Dropout::new(a.get::<Scalar>("p")))),
    ("Dropout1d", |a| layer(Dropout1d::new(a.get::<Scalar>("p")))),
    ("Dropout2d", |a| layer(Dropout2d::new(a.get::<Scalar>("p")))),
    ("Dropout3d", |a| layer(Dropout3d::new(a.get::<Scalar>("p")))),
    ("FeatureAlphaDropout", |a| layer(FeatureAlphaDropout::new(a.get::<Scalar>("p")))),
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

fn table(a: &Arguments) -> EmbeddingOptions {
    EmbeddingOptions {
        num_embeddings: a.get("num_embeddings"),
        embedding_dim: a.get("embedding_dim"),
        padding_idx: a.get("padding_idx"),
        max_norm: a.get("max_norm"),
        norm_type: a.get("norm_type"),
        scale_grad_by_freq: a.get("scale_grad_by_freq"),
    }
}

/// The features of a norm, unless it is lazy.
fn features(a: &Arguments) -> usize {
    a.0.get("num_features").map_or(0, |_| a.get("num_features"))
}

fn batch_options(a: &Arguments) -> BatchNormOptions {
    BatchNormOptions {
        num_features: features(a),
        eps: a.get("eps"),
        momentum: a.get("momentum"),
        affine: a.get("affine"),
        bias: a.get("bias"),
        track_running_stats: a.get("track_running_stats"),
    }
}

fn instance_options(a: &Arguments) -> InstanceNormOptions {
    InstanceNormOptions {
        num_features: features(a),
        eps: a.get("eps"),
        momentum: a.get("momentum"),
        affine: a.get("affine"),
        bias: a.get("bias"),
        track_running_stats: a.get("track_running_stats"),
    }
}

fn batch_norm<const AXES: usize>(a: &Arguments) -> Case {
    layer(BatchNorm::<AXES>::with(batch_options(a)))
}

fn instance_norm<const AXES: usize>(a: &Arguments) -> Case {
    layer(InstanceNorm::<AXES>::with(instance_options(a)))
}
