//! VGG: section 5.7.

use wengert_nn::{Conv2d, Conv2dOptions, Dropout, Flatten, Linear, MaxPool2d, ReLU, Sequential, sequential};

/// One block: `convs` times 3x3 convolution and ReLU, then pooling that halves the image.
fn vgg_block(convs: usize, inputs: usize, outputs: usize) -> Sequential {
    let mut block = Sequential::new();
    for i in 0..convs {
        let from = if i == 0 { inputs } else { outputs };
        block.push(Conv2d::with(Conv2dOptions { padding: 1.into(), ..Conv2dOptions::new(from, outputs, 3) }));
        block.push(ReLU::new());
    }
    block.push(MaxPool2d::new(2));
    block
}

/// `vgg_block_1`, … for `(convolutions, input channels, output channels)`, then `fc` with dropout `p`.
pub fn vgg(arch: &[(usize, usize, usize)], features: usize, hidden: usize, p: f64) -> Sequential {
    let mut net = Sequential::new();
    for (i, &(convs, inputs, outputs)) in arch.iter().enumerate() {
        net.add_module(format!("vgg_block_{}", i + 1), vgg_block(convs, inputs, outputs));
    }
    net.add_module(
        "fc",
        sequential![
            Flatten::new(),
            Linear::new(features, hidden),
            ReLU::new(),
            Dropout::new(p),
            Linear::new(hidden, hidden),
            ReLU::new(),
            Dropout::new(p),
            Linear::new(hidden, 10),
        ],
    );
    net
}

/// VGG-11 for 224x224 grey images, its widths divided by `ratio` (the book trains with 8).
pub fn vgg11(ratio: usize) -> Sequential {
    let w = |channels: usize| channels / ratio;
    let arch = [(1, 1, w(64)), (1, w(64), w(128)), (2, w(128), w(256)), (2, w(256), w(512)), (2, w(512), w(512))];
    vgg(&arch, w(512) * 7 * 7, w(4096), 0.5)
}
