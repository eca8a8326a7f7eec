//! Pooling, and the layer of two inputs.

use crate::Row;
use crate::case::{Arguments, Case, call, layer};
use wengert_nn::tensor::Scalar;
use wengert_nn::*;

pub(crate) const ROWS: &[Row] = &[
    ("AdaptiveAvgPool1d", |a| layer(AdaptiveAvgPool1d::new(a.get::<usize>("output_size")))),
    ("AdaptiveAvgPool3d", |a| {
        layer(match a.value("output_size") {
            Value::Int(n) => AdaptiveAvgPool3d::new(*n as usize),
            _ => AdaptiveAvgPool3d::keeping(a.get("output_size")),
        })
    }),
    ("AdaptiveMaxPool1d", |a| layer(AdaptiveMaxPool1d::new(a.get::<usize>("output_size")))),
    ("AdaptiveMaxPool2d", |a| {
        layer(match a.value("output_size") {
            Value::Int(n) => AdaptiveMaxPool2d::new(*n as usize),
            _ => AdaptiveMaxPool2d::keeping(a.get("output_size")),
        })
    }),
    ("AdaptiveMaxPool3d", |a| {
        layer(match a.value("output_size") {
            Value::Int(n) => AdaptiveMaxPool3d::new(*n as usize),
            _ => AdaptiveMaxPool3d::keeping(a.get("output_size")),
        })
    }),
    ("AvgPool1d", |a| {
        let array = |name: &str| a.get::<Single>(name).to_array();
        layer(AvgPool1d::with(AvgPoolOptions {
            stride: a.get::<Option<Single>>("stride").map(Single::to_array),
            padding: array("padding"),
            ceil_mode: a.get("ceil_mode"),
            count_include_pad: a.get("count_include_pad"),
            ..AvgPoolOptions::new(array("kernel_size"))
        }))
    }),
    ("AvgPool3d", |a| {
        layer(AvgPool3d::with(AvgPool3dOptions {
            kernel_size: a.get("kernel_size"),
            stride: a.get("stride"),
            padding: a.get("padding"),
            ceil_mode: a.get("ceil_mode"),
            count_include_pad: a.get("count_include_pad"),
            divisor_override: a.get("divisor_override"),
        }))
    }),
    ("FractionalMaxPool2d", fractional::<2>),
    ("FractionalMaxPool3d", fractional::<3>),
    ("LPPool1d", |a| {
        layer(LPPool1d::with(
            a.get::<Scalar>("norm_type"),
            a.get::<Single>("kernel_size"),
            a.get("stride"),
            a.get("ceil_mode"),
        ))
    }),
    ("LPPool2d", |a| {
        layer(LPPool2d::with(
            a.get::<Scalar>("norm_type"),
            a.get::<Pair>("kernel_size"),
            a.get("stride"),
            a.get("ceil_mode"),
        ))
    }),
    ("LPPool3d", |a| {
        layer(LPPool3d::with(
            a.get::<Scalar>("norm_type"),
            a.get::<Triple>("kernel_size"),
            a.get("stride"),
            a.get("ceil_mode"),
        ))
    }),
    ("MaxPool1d", |a| {
        layer(MaxPool1d::with(MaxPool1dOptions {
            kernel_size: a.get("kernel_size"),
            stride: a.get("stride"),
            padding: a.get("padding"),
            dilation: a.get("dilation"),
            ceil_mode: a.get("ceil_mode"),
        }))
    }),
    ("MaxPool2d", max_pool2d),
    ("MaxPool3d", |a| {
        layer(MaxPool3d::with(MaxPool3dOptions {
            kernel_size: a.get("kernel_size"),
            stride: a.get("stride"),
            padding: a.get("padding"),
            dilation: a.get("dilation"),
            ceil_mode: a.get("ceil_mode"),
        }))
    }),
    ("Bilinear", |a| {
        let net = Bilinear::with(a.get("in1_features"), a.get("in2_features"), a.get("out_features"), a.get("bias"));
        call(net, |net, x| vec![net.apply_to(&x.x(0), &x.x(1))])
    }),
];

fn fractional<const AXES: usize>(a: &Arguments) -> Case {
    let kernel: Size<AXES> = a.get("kernel_size");
    let mut net = match (a.get::<Option<Size<AXES>>>("output_size"), a.value("output_ratio").as_float()) {
        (Some(size), _) => FractionalMaxPool::size(kernel, size),
        (None, Some(ratio)) => FractionalMaxPool::ratio(kernel, [ratio; AXES]),
        (None, None) => FractionalMaxPool::ratio(kernel, a.get("output_ratio")),
    };
    net.random_samples = a.tensor("_random_samples").map(Buffer::new);
    layer(net)
}

fn max_pool2d(a: &Arguments) -> Case {
    layer(MaxPool2d::with(MaxPool2dOptions {
        kernel_size: a.get("kernel_size"),
        stride: a.get("stride"),
        padding: a.get("padding"),
        dilation: a.get("dilation"),
        ceil_mode: a.get("ceil_mode"),
    }))
}
