//! Network in network: section 5.8, which ends in global average pooling instead of linear layers.

use wengert_nn::{
    Conv2d, Conv2dOptions, Dropout, Flatten, GlobalAvgPool2d, MaxPool2d, MaxPool2dOptions, ReLU, Sequential, sequential,
};

/// A convolution followed by two 1x1 convolutions, each with ReLU.
fn nin_block(inputs: usize, outputs: usize, kernel: usize, stride: usize, padding: usize) -> Sequential {
    let first =
        Conv2dOptions { stride: stride.into(), padding: padding.into(), ..Conv2dOptions::new(inputs, outputs, kernel) };
    sequential![
        Conv2d::with(first),
        ReLU::new(),
        Conv2d::new(outputs, outputs, 1),
        ReLU::new(),
        Conv2d::new(outputs, outputs, 1),
        ReLU::new(),
    ]
}

/// NiN for 224x224 grey images and 10 classes.
pub fn nin() -> Sequential {
    let pool = || MaxPool2d::with(MaxPool2dOptions { stride: Some(2.into()), ..MaxPool2dOptions::new(3) });
    sequential![
        nin_block(1, 96, 11, 4, 0),
        pool(),
        nin_block(96, 256, 5, 1, 2),
        pool(),
        nin_block(256, 384, 3, 1, 1),
        pool(),
        Dropout::new(0.5),
        nin_block(384, 10, 3, 1, 1),
        GlobalAvgPool2d::new(),
        Flatten::new(),
    ]
}
