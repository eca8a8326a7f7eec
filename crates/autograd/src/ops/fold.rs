//! Patches of images as columns and back, and the exchange of channels and positions.

use crate::catalog::Entry;
use wengert_tensor::Conv2dOptions;

pub(crate) fn catalog() -> Vec<Entry> {
    let options = Conv2dOptions { stride: [1, 2], padding: [1, 0], dilation: [1, 1], groups: 1 };
    vec![
        Entry::shaped("im2col", "", &[&[1, 2, 3, 4]], move |x| x[0].im2col([2, 2], &options)).sizes("n c h w2"),
        Entry::shaped("col2im", "", &[&[1, 8, 8]], move |x| x[0].col2im([3, 4], [2, 2], &options)).sizes("n 4c 8"),
        Entry::shaped("pixel_shuffle", "", &[&[1, 4, 2, 1]], |x| x[0].pixel_shuffle(2)).sizes("... 4c h w"),
        Entry::shaped("pixel_unshuffle", "", &[&[1, 2, 4]], |x| x[0].pixel_unshuffle(2)).sizes("... c 2h 2w"),
        Entry::shaped("channel_shuffle", "", &[&[1, 4, 2]], |x| x[0].channel_shuffle(2)).sizes("n 2c l"),
    ]
}
