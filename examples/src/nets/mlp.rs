//! The multilayer perceptrons of sections 3.10 and 4.1.

use wengert_autograd::Var;
use wengert_nn::{Flatten, Linear, Module, ReLU, Sequential, Tree, module, sequential};

/// The book's `MLP` with named layers: `hidden`, `act`, `output`.
#[derive(Tree)]
#[tree(name = "MLP")]
pub struct Mlp {
    /// Inputs to hidden units.
    pub hidden: Linear,
    /// Their activation.
    pub act: ReLU,
    /// Hidden units to outputs.
    pub output: Linear,
}

impl Mlp {
    /// A perceptron with one hidden layer.
    pub fn new(inputs: usize, hidden: usize, outputs: usize) -> Mlp {
        Mlp { hidden: Linear::new(inputs, hidden), act: ReLU::new(), output: Linear::new(hidden, outputs) }
    }
}

#[module]
impl Module for Mlp {
    fn forward(&self, x: &Var) -> Var {
        self.output.forward(&self.act.forward(&self.hidden.forward(x)))
    }
}

/// Section 3.10: 28x28 images through 256 hidden units to 10 classes.
pub fn mlp() -> Sequential {
    sequential![Flatten::new(), Linear::new(784, 256), ReLU::new(), Linear::new(256, 10)]
}
