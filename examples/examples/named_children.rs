//! Walks a VGG-11 child by child, running each and printing the shape that comes out.

use nets::nets::vgg11;
use wengert_autograd::{Var, no_grad};
use wengert_nn::Module;
use wengert_tensor::{rand, shape::size_text};

fn main() {
    let net = vgg11(1);
    let mut x = Var::from(rand([1, 1, 224, 224]));
    no_grad(|| {
        for (name, blk) in net.named_children() {
            x = blk.forward(&x);
            println!("{name} output shape:  {}", size_text(x.shape()));
        }
    });
}
