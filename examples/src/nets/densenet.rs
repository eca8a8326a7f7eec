//! DenseNet: section 5.12, in which each block sees the outputs of all before it.

use wengert_autograd::Var;
use wengert_nn::{
    AvgPool2d, BatchNorm2d, Conv2d, Conv2dOptions, Flatten, GlobalAvgPool2d, Linear, MaxPool2d, MaxPool2dOptions,
    Module, ReLU, Sequential, Tree, module, sequential,
};

/// Convolutions whose outputs join the channels of their input.
#[derive(Tree)]
pub struct DenseBlock {
    net: Vec<Sequential>,
}

impl DenseBlock {
    /// So many convolutions, each of which adds `growth` channels.
    pub fn new(convs: usize, inputs: usize, growth: usize) -> DenseBlock {
        let block = |inputs| {
            let conv = Conv2dOptions { padding: 1.into(), ..Conv2dOptions::new(inputs, growth, 3) };
            sequential![BatchNorm2d::new(inputs), ReLU::new(), Conv2d::with(conv)]
        };
        DenseBlock { net: (0..convs).map(|i| block(inputs + i * growth)).collect() }
    }
}

#[module]
impl Module for DenseBlock {
    fn forward(&self, x: &Var) -> Var {
        self.net.iter().fold(x.clone(), |x, block| Var::cat(&[&x, &block.forward(&x)], 1))
    }
}

/// DenseNet for grey images and 10 classes: `first` channels (64 in the book), `growth` more per convolution (32), and the
/// convolutions of each block (four times 4).
pub fn densenet(first: usize, growth: usize, blocks: &[usize]) -> Sequential {
    let mut net = sequential![
        Conv2d::with(Conv2dOptions { stride: 2.into(), padding: 3.into(), ..Conv2dOptions::new(1, first, 7) }),
        BatchNorm2d::new(first),
        ReLU::new(),
        MaxPool2d::with(MaxPool2dOptions { stride: Some(2.into()), padding: 1.into(), ..MaxPool2dOptions::new(3) }),
    ];
    let mut channels = first;
    for (i, &convs) in blocks.iter().enumerate() {
        net.add_module(format!("DenseBlock_{i}"), DenseBlock::new(convs, channels, growth));
        channels += convs * growth;
        if i + 1 < blocks.len() {
            let half = channels / 2;
            net.add_module(
                format!("transition_block_{i}"),
                sequential![BatchNorm2d::new(channels), ReLU::new(), Conv2d::new(channels, half, 1), AvgPool2d::new(2)],
            );
            channels = half;
        }
    }
    net.add_module("BN", BatchNorm2d::new(channels));
    net.add_module("relu", ReLU::new());
    net.add_module("global_avg_pool", GlobalAvgPool2d::new());
    net.add_module("fc", sequential![Flatten::new(), Linear::new(channels, 10)]);
    net
}
