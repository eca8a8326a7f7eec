//! Flattening: from feature maps to the vectors that a linear layer takes.

use wengert_autograd::Var;
use wengert_nn::{Flatten, Module};
use wengert_tensor::{rand, shape::size_text};

fn main() {
    let net = Flatten::new();
    println!("{}", size_text(net.forward(&Var::from(rand([1, 512, 1, 1]))).shape()));
    println!("{}", size_text(net.forward(&Var::from(rand([2, 3, 4, 5]))).shape()));
}
