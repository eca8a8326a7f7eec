//! Convolutions and paddings of one to three axes.

use crate::Row;
use crate::case::{Arguments, Case, layer};
use wengert_nn::*;

pub(crate) const ROWS: &[Row] = &[
    ("CircularPad1d", |a| layer(CircularPad1d::new(pads(a)))),
    ("CircularPad2d", |a| layer(CircularPad2d::new(pads(a)))),
    ("CircularPad3d", |a| layer(CircularPad3d::new(pads(a)))),
    ("ConstantPad1d", |a| layer(ConstantPad1d::new(pads(a), a.get("value")))),
    ("ConstantPad2d", |a| layer(ConstantPad2d::new(pads(a), a.get("value")))),
    ("ConstantPad3d", |a| layer(ConstantPad3d::new(pads(a), a.get("value")))),
    ("Conv1d", |a| layer(Conv1d::with(conv(a)))),
    ("Conv2d", |a| layer(Conv2d::with(conv(a)))),
    ("Conv3d", |a| layer(Conv3d::with(conv(a)))),
    ("ConvTranspose1d", conv_transpose::<1>),
    ("ConvTranspose2d", conv_transpose::<2>),
    ("ConvTranspose3d", conv_transpose::<3>),
    ("LazyConv1d", |a| layer(LazyConv1d::with(conv(a)))),
    ("LazyConv2d", |a| layer(LazyConv2d::with(conv(a)))),
    ("LazyConv3d", |a| layer(LazyConv3d::with(conv(a)))),
    ("LazyConvTranspose1d", |a| layer(LazyConvTranspose1d::with(transposed(a)))),
    ("LazyConvTranspose2d", |a| layer(LazyConvTranspose2d::with(transposed(a)))),
    ("LazyConvTranspose3d", |a| layer(LazyConvTranspose3d::with(transposed(a)))),
    ("UpsamplingBilinear2d", |a| {
        layer(match a.get::<Option<Pair>>("size") {
            Some(size) => UpsamplingBilinear2d::size(size),
            None => UpsamplingBilinear2d::scale(a.get("scale_factor")),
        })
    }),
    ("UpsamplingNearest2d", |a| {
        layer(match a.get::<Option<Pair>>("size") {
            Some(size) => UpsamplingNearest2d::size(size),
            None => UpsamplingNearest2d::scale(a.get("scale_factor")),
        })
    }),
    ("ReflectionPad1d", |a| layer(ReflectionPad1d::new(pads(a)))),
    ("ReflectionPad2d", |a| layer(ReflectionPad2d::new(pads(a)))),
    ("ReflectionPad3d", |a| layer(ReflectionPad3d::new(pads(a)))),
    ("ReplicationPad1d", |a| layer(ReplicationPad1d::new(pads(a)))),
    ("ReplicationPad2d", |a| layer(ReplicationPad2d::new(pads(a)))),
    ("ReplicationPad3d", |a| layer(ReplicationPad3d::new(pads(a)))),
    ("ZeroPad1d", |a| layer(ZeroPad1d::new(pads(a)))),
    ("ZeroPad2d", |a| layer(ZeroPad2d::new(pads(a)))),
    ("ZeroPad3d", |a| layer(ZeroPad3d::new(pads(a)))),
];

fn pads<const AXES: usize>(a: &Arguments) -> Pads<AXES> {
    a.get("padding")
}

/// The options of a convolution, whose input has so many channels if it is not lazy.
pub(crate) fn conv<const AXES: usize>(a: &Arguments) -> ConvOptions<AXES> {
    let padding = match a.value("padding").as_str() {
        Some("same") => Padding::Same,
        Some(_) => Padding::Valid,
        None => Padding::Size(a.get("padding")),
    };
    ConvOptions {
        in_channels: a.0.get("in_channels").map_or(0, |_| a.get("in_channels")),
        out_channels: a.get("out_channels"),
        kernel_size: a.get("kernel_size"),
        stride: a.get("stride"),
        padding,
        dilation: a.get("dilation"),
        groups: a.get("groups"),
        bias: a.get("bias"),
        padding_mode: PaddingMode::from_name(a.value("padding_mode").as_str().expect("a text")).expect("a mode"),
    }
}

/// The options of a transposed convolution, whose input has so many channels if it is not lazy.
pub(crate) fn transposed<const AXES: usize>(a: &Arguments) -> ConvTransposeOptions<AXES> {
    ConvTransposeOptions {
        in_channels: a.0.get("in_channels").map_or(0, |_| a.get("in_channels")),
        out_channels: a.get("out_channels"),
        kernel_size: a.get("kernel_size"),
        stride: a.get("stride"),
        padding: a.get("padding"),
        output_padding: a.get("output_padding"),
        groups: a.get("groups"),
        bias: a.get("bias"),
        dilation: a.get("dilation"),
    }
}

fn conv_transpose<const AXES: usize>(a: &Arguments) -> Case {
    crate::case::call(ConvTranspose::<AXES>::with(transposed(a)), |conv, inputs| {
        vec![match inputs.value(1) {
            Some(sizes) => conv.forward_to_size(&inputs.x(0), Setting::from_value(sizes).expect("sizes")),
            None => conv.forward(&inputs.x(0)),
        }]
    })
}
