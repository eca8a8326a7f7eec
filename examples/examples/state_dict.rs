//! The note's first two listings: `net.state_dict()` and `optimizer.state_dict()`, as IPython shows them.

use nets::nets::Mlp;
use wengert_nn::Module;
use wengert_optim::{Sgd, SgdOptions};
use wengert_tensor::Tensor;

fn main() {
    let net = Mlp::new(3, 2, 1);
    // The weights that the note shows.
    net.hidden.weight.set(Tensor::from_vec(vec![-0.1291f32, -0.4541, -0.0159, -0.5555, -0.3319, 0.4285], [2, 3]));
    net.hidden
        .bias
        .as_ref()
        .expect("Linear has a bias by default")
        .set(Tensor::from_vec(vec![-0.3046f32, -0.0209], [2]));
    net.output.weight.set(Tensor::from_vec(vec![-0.4204f32, 0.4508], [1, 2]));
    net.output.bias.as_ref().expect("Linear has a bias by default").set(Tensor::from_vec(vec![-0.5094f32], [1]));
    println!("{}", net.state_dict().pretty());

    let optimizer = Sgd::new(net.parameters(), SgdOptions { lr: 0.001, momentum: 0.9, ..SgdOptions::default() });
    println!("{}", optimizer.state_dict().pretty());
}
