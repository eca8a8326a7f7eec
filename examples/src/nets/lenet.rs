//! LeNet: section 5.5, and 5.10.3 with batch normalisation.

use wengert_autograd::Var;
use wengert_nn::{
    BatchNorm1d, BatchNorm2d, Conv2d, Flatten, Linear, MaxPool2d, Module, Sequential, Sigmoid, Tree, module, sequential,
};

/// Section 5.5: `conv` (features) and `fc` (classifier).
#[derive(Tree)]
pub struct LeNet {
    /// Two convolutions with pooling.
    pub conv: Sequential,
    /// Three linear layers.
    pub fc: Sequential,
}

impl LeNet {
    /// For 28x28 grey images and 10 classes.
    #[expect(clippy::new_without_default, reason = "drawing random weights is no default")]
    pub fn new() -> LeNet {
        LeNet {
            conv: sequential![
                Conv2d::new(1, 6, 5),
                Sigmoid::new(),
                MaxPool2d::new(2),
                Conv2d::new(6, 16, 5),
                Sigmoid::new(),
                MaxPool2d::new(2),
            ],
            fc: sequential![
                Linear::new(16 * 4 * 4, 120),
                Sigmoid::new(),
                Linear::new(120, 84),
                Sigmoid::new(),
                Linear::new(84, 10),
            ],
        }
    }
}

#[module]
impl Module for LeNet {
    fn forward(&self, img: &Var) -> Var {
        self.fc.forward(&self.conv.forward(img).flatten(1, -1))
    }
}

/// Section 5.10.3: LeNet with `nn.BatchNorm` after each layer but the last.
pub fn lenet_bn() -> Sequential {
    sequential![
        Conv2d::new(1, 6, 5),
        BatchNorm2d::new(6),
        Sigmoid::new(),
        MaxPool2d::new(2),
        Conv2d::new(6, 16, 5),
        BatchNorm2d::new(16),
        Sigmoid::new(),
        MaxPool2d::new(2),
        Flatten::new(),
        Linear::new(16 * 4 * 4, 120),
        BatchNorm1d::new(120),
        Sigmoid::new(),
        Linear::new(120, 84),
        BatchNorm1d::new(84),
        Sigmoid::new(),
        Linear::new(84, 10),
    ]
}
