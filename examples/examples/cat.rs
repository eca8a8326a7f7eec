//! `cat` joins tensors along an axis; all other axes must agree. GoogLeNet's four paths meet this way.

use nets::nets::Inception;
use wengert_autograd::Var;
use wengert_nn::Module;
use wengert_tensor::{Tensor, rand, shape::size_text};

fn main() {
    let a = Tensor::arange(0.0, 6.0, 1.0).view([2, 3]);
    let b = -Tensor::arange(0.0, 9.0, 1.0).view([3, 3]);
    println!("{}", Tensor::cat(&[&a, &b], 0)); // below each other
    let b = -Tensor::arange(0.0, 4.0, 1.0).view([2, 2]);
    println!("{}", Tensor::cat(&[&a, &b], 1)); // side by side

    let inception = Inception::new(192, 64, (96, 128), (16, 32), 32);
    let y = inception.forward(&Var::from(rand([1, 192, 12, 12])));
    println!("inception: 64 + 128 + 32 + 32 channels: {}", size_text(y.shape()));
}
