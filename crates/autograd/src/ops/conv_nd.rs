//! Rows of the catalog for convolutions of sequences and volumes, and transposed ones.

use crate::catalog::Entry;
use wengert_tensor::{ConvOptions, ConvTransposeOptions};

pub(crate) fn catalog() -> Vec<Entry> {
    let volume = ConvOptions { stride: [2, 1, 1], padding: [1, 0, 1], dilation: [1, 2, 1], groups: 1 };
    let one = ConvTransposeOptions { stride: [2], padding: [1], output_padding: [1], ..Default::default() };
    let two = ConvTransposeOptions { stride: [2, 1], dilation: [1, 2], groups: 2, ..Default::default() };
    let three = ConvTransposeOptions { stride: [2, 1, 1], padding: [1, 0, 0], ..Default::default() };
    vec![
        Entry::shaped("conv1d", "SqueezeBackward1", &[&[2, 2, 4], &[3, 2, 2], &[3]], |x| {
            x[0].conv1d(&x[1], x.get(2), &ConvOptions::default())
        })
        .sizes("n c l2, o c 2, o"),
        Entry::shaped("conv3d", "TransposeBackward0", &[&[1, 2, 3, 3, 2], &[2, 2, 2, 2, 1], &[2]], move |x| {
            x[0].conv3d(&x[1], x.get(2), &volume)
        })
        .sizes("n c d h3 w, o c 2 2 1, o"),
        Entry::shaped("conv_transpose1d", "SqueezeBackward1", &[&[2, 2, 3], &[2, 1, 3], &[1]], move |x| {
            x[0].conv_transpose1d(&x[1], x.get(2), &one)
        })
        .sizes("n c l, c o 3, o"),
        Entry::shaped("conv_transpose2d", "AddBackward0", &[&[1, 4, 2, 2], &[4, 1, 2, 2], &[2]], move |x| {
            x[0].conv_transpose2d(&x[1], x.get(2), &two)
        })
        .sizes("n 2c h w, 2c o 2 2, 2o"),
        Entry::shaped("conv_transpose3d", "AddBackward0", &[&[1, 2, 2, 2, 1], &[2, 1, 2, 1, 2], &[1]], move |x| {
            x[0].conv_transpose3d(&x[1], x.get(2), &three)
        })
        .sizes("n c d2 h w, c o 2 1 2, o"),
    ]
}
