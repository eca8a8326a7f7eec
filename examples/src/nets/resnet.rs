//! ResNet-18: section 5.11.

use wengert_autograd::Var;
use wengert_nn::{
    BatchNorm2d, Conv2d, Conv2dOptions, Flatten, GlobalAvgPool2d, Linear, MaxPool2d, MaxPool2dOptions, Module, ReLU,
    Sequential, Tree, module, sequential,
};

/// Two 3x3 convolutions with batch norm, added to their input (through `conv3` where the shape changes).
#[derive(Tree)]
pub struct Residual {
    conv1: Conv2d,
    conv2: Conv2d,
    conv3: Option<Conv2d>,
    bn1: BatchNorm2d,
    bn2: BatchNorm2d,
}

impl Residual {
    /// `project` adds the 1x1 convolution on the shortcut; `stride` halves the image if 2.
    pub fn new(inputs: usize, outputs: usize, project: bool, stride: usize) -> Residual {
        let conv = |from, kernel, stride: usize, padding: usize| {
            Conv2d::with(Conv2dOptions {
                stride: stride.into(),
                padding: padding.into(),
                ..Conv2dOptions::new(from, outputs, kernel)
            })
        };
        Residual {
            conv1: conv(inputs, 3, stride, 1),
            conv2: conv(outputs, 3, 1, 1),
            conv3: project.then(|| conv(inputs, 1, stride, 0)),
            bn1: BatchNorm2d::new(outputs),
            bn2: BatchNorm2d::new(outputs),
        }
    }
}

#[module]
impl Module for Residual {
    fn forward(&self, x: &Var) -> Var {
        let y = self.bn1.forward_relu(&self.conv1.forward(x));
        let y = self.bn2.forward(&self.conv2.forward(&y));
        match &self.conv3 {
            Some(conv3) => (&y + &conv3.forward(x)).relu(),
            None => (&y + x).relu(),
        }
    }
}

/// ResNet-18 for grey images and 10 classes; `width` is the number of channels of the first stage (64 in the book).
pub fn resnet18(width: usize) -> Sequential {
    let mut net = sequential![
        Conv2d::with(Conv2dOptions { stride: 2.into(), padding: 3.into(), ..Conv2dOptions::new(1, width, 7) }),
        BatchNorm2d::new(width),
        ReLU::new(),
        MaxPool2d::with(MaxPool2dOptions { stride: Some(2.into()), padding: 1.into(), ..MaxPool2dOptions::new(3) }),
    ];
    for stage in 0..4 {
        let (inputs, outputs) = if stage == 0 { (width, width) } else { (width << (stage - 1), width << stage) };
        let first = Residual::new(inputs, outputs, stage > 0, if stage > 0 { 2 } else { 1 });
        net.add_module(
            format!("resnet_block{}", stage + 1),
            sequential![first, Residual::new(outputs, outputs, false, 1)],
        );
    }
    net.add_module("global_avg_pool", GlobalAvgPool2d::new());
    net.add_module("fc", sequential![Flatten::new(), Linear::new(width << 3, 10)]);
    net
}
