//! GoogLeNet: section 5.9, whose four paths meet in `cat`.

use wengert_autograd::Var;
use wengert_nn::{
    Conv2d, Conv2dOptions, Flatten, GlobalAvgPool2d, Linear, MaxPool2d, MaxPool2dOptions, Module, ReLU, Sequential,
    Tree, module, sequential,
};

fn padded(inputs: usize, outputs: usize, kernel: usize, padding: usize) -> Conv2d {
    Conv2d::with(Conv2dOptions { padding: padding.into(), ..Conv2dOptions::new(inputs, outputs, kernel) })
}

fn pool(stride: usize) -> MaxPool2d {
    MaxPool2d::with(MaxPool2dOptions { stride: Some(stride.into()), padding: 1.into(), ..MaxPool2dOptions::new(3) })
}

/// Four parallel paths over the same input, joined along the channels.
#[derive(Tree)]
pub struct Inception {
    p1_1: Conv2d,
    p2_1: Conv2d,
    p2_2: Conv2d,
    p3_1: Conv2d,
    p3_2: Conv2d,
    p4_1: MaxPool2d,
    p4_2: Conv2d,
}

impl Inception {
    /// Channels of the paths: 1x1; 1x1 then 3x3; 1x1 then 5x5; 3x3 pooling then 1x1.
    pub fn new(inputs: usize, c1: usize, c2: (usize, usize), c3: (usize, usize), c4: usize) -> Inception {
        Inception {
            p1_1: Conv2d::new(inputs, c1, 1),
            p2_1: Conv2d::new(inputs, c2.0, 1),
            p2_2: padded(c2.0, c2.1, 3, 1),
            p3_1: Conv2d::new(inputs, c3.0, 1),
            p3_2: padded(c3.0, c3.1, 5, 2),
            p4_1: pool(1),
            p4_2: Conv2d::new(inputs, c4, 1),
        }
    }
}

#[module]
impl Module for Inception {
    fn forward(&self, x: &Var) -> Var {
        let p1 = self.p1_1.forward_relu(x);
        let p2 = self.p2_2.forward_relu(&self.p2_1.forward_relu(x));
        let p3 = self.p3_2.forward_relu(&self.p3_1.forward_relu(x));
        let p4 = self.p4_2.forward_relu(&self.p4_1.forward(x));
        Var::cat(&[p1, p2, p3, p4], 1)
    }
}

/// GoogLeNet for grey images (the book uses 96x96) and 10 classes.
pub fn googlenet() -> Sequential {
    let b1 = sequential![
        Conv2d::with(Conv2dOptions { stride: 2.into(), padding: 3.into(), ..Conv2dOptions::new(1, 64, 7) }),
        ReLU::new(),
        pool(2),
    ];
    let b2 = sequential![Conv2d::new(64, 64, 1), padded(64, 192, 3, 1), pool(2)];
    let b3 = sequential![
        Inception::new(192, 64, (96, 128), (16, 32), 32),
        Inception::new(256, 128, (128, 192), (32, 96), 64),
        pool(2),
    ];
    let b4 = sequential![
        Inception::new(480, 192, (96, 208), (16, 48), 64),
        Inception::new(512, 160, (112, 224), (24, 64), 64),
        Inception::new(512, 128, (128, 256), (24, 64), 64),
        Inception::new(512, 112, (144, 288), (32, 64), 64),
        Inception::new(528, 256, (160, 320), (32, 128), 128),
        pool(2),
    ];
    let b5 = sequential![
        Inception::new(832, 256, (160, 320), (32, 128), 128),
        Inception::new(832, 384, (192, 384), (48, 128), 128),
        GlobalAvgPool2d::new(),
    ];
    sequential![b1, b2, b3, b4, b5, Flatten::new(), Linear::new(1024, 10)]
}
