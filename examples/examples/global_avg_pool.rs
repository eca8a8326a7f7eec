//! Global average pooling: every feature map becomes its mean.

use wengert_autograd::Var;
use wengert_nn::{Flatten, GlobalAvgPool2d, Module};
use wengert_tensor::{Tensor, rand, shape::size_text};

fn main() {
    let x = Var::from(Tensor::arange(0.0, 360.0, 1.0).view([1, 10, 6, 6]));
    let pooled = GlobalAvgPool2d::new().forward(&x);
    println!("{} -> {}", size_text(x.shape()), size_text(pooled.shape()));
    println!("{}", Flatten::new().forward(&pooled));
    let x = Var::from(rand([4, 512, 7, 7]));
    println!("{} -> {}", size_text(x.shape()), size_text(GlobalAvgPool2d::new().forward(&x).shape()));
}
