//! AlexNet: section 5.6.

use wengert_autograd::Var;
use wengert_nn::{
    Conv2d, Conv2dOptions, Dropout, Linear, MaxPool2d, MaxPool2dOptions, Module, ReLU, Sequential, Tree, module,
    sequential,
};

/// Five convolutions, then three linear layers with dropout.
#[derive(Tree)]
pub struct AlexNet {
    conv: Sequential,
    fc: Sequential,
}

impl AlexNet {
    /// For 224x224 grey images and 10 classes, as in the book.
    pub fn new() -> AlexNet {
        AlexNet::narrower(1)
    }

    /// With so many times fewer channels and hidden units.
    pub fn narrower(by: usize) -> AlexNet {
        let conv = |inputs, outputs, kernel, stride: usize, padding: usize| {
            Conv2d::with(Conv2dOptions {
                stride: stride.into(),
                padding: padding.into(),
                ..Conv2dOptions::new(inputs, outputs, kernel)
            })
        };
        let pool = || MaxPool2d::with(MaxPool2dOptions { stride: Some(2.into()), ..MaxPool2dOptions::new(3) });
        let [first, second, third, hidden] = [96, 256, 384, 4096].map(|size| size / by);
        AlexNet {
            conv: sequential![
                conv(1, first, 11, 4, 0),
                ReLU::new(),
                pool(),
                conv(first, second, 5, 1, 2),
                ReLU::new(),
                pool(),
                conv(second, third, 3, 1, 1),
                ReLU::new(),
                conv(third, third, 3, 1, 1),
                ReLU::new(),
                conv(third, second, 3, 1, 1),
                ReLU::new(),
                pool(),
            ],
            fc: sequential![
                Linear::new(second * 5 * 5, hidden),
                ReLU::new(),
                Dropout::new(0.5),
                Linear::new(hidden, hidden),
                ReLU::new(),
                Dropout::new(0.5),
                Linear::new(hidden, 10),
            ],
        }
    }
}

impl Default for AlexNet {
    fn default() -> AlexNet {
        AlexNet::new()
    }
}

#[module]
impl Module for AlexNet {
    fn forward(&self, x: &Var) -> Var {
        self.fc.forward(&self.conv.forward(x).flatten(1, -1))
    }
}
