//! Networks of the book, forward or as a whole training step: `net/NAME/BATCHxSIZE/step`.

use super::{Case, Name, numbers};
use nets::nets;
use wengert_autograd::{Var, functional::cross_entropy, no_grad};
use wengert_nn::{Conv2d, Conv2dOptions, Flatten, GlobalAvgPool2d, Linear, Module, ReLU, Sequential};
use wengert_optim::{Sgd, SgdOptions};
use wengert_tensor::{randint, randn};

fn net(name: &str) -> Option<(Box<dyn Module>, f64)> {
    let boxed = |net: Sequential| Box::new(net) as Box<dyn Module>;
    if let Some(depth) = name.strip_prefix("deep") {
        return Some((boxed(deep(depth.parse().ok()?)), 0.001));
    }
    Some(match name {
        "mlp" => (boxed(nets::mlp()), 0.01),
        "lenet" => (Box::new(nets::LeNet::new()), 0.01),
        "vgg11" => (boxed(nets::vgg11(1)), 0.001),
        "vgg11_small" => (boxed(nets::vgg11(8)), 0.001),
        "resnet18" => (boxed(nets::resnet18(64)), 0.001),
        "googlenet" => (boxed(nets::googlenet()), 0.001),
        "nin" => (boxed(nets::nin()), 0.001),
        _ => return None,
    })
}

/// So many 3x3 convolutions of 32 channels, to see what depth costs.
fn deep(depth: usize) -> Sequential {
    let mut net = Sequential::new();
    for i in 0..depth {
        let inputs = if i == 0 { 1 } else { 32 };
        net.push(Conv2d::with(Conv2dOptions { padding: 1.into(), ..Conv2dOptions::new(inputs, 32, 3) }));
        net.push(ReLU::new());
    }
    net.push(GlobalAvgPool2d::new());
    net.push(Flatten::new());
    net.push(Linear::new(32, 10));
    net
}

pub(super) fn find(name: &Name<'_>) -> Option<Case> {
    let ("net", &[batch, size]) = (name.family, numbers(name.part(1)).as_slice()) else { return None };
    let (net, lr) = net(name.part(0))?;
    net.parameters().iter().for_each(|p| p.set(p.value().to(name.dtype)));
    let x = Var::from(randn([batch, 1, size, size]).to(name.dtype));
    match name.part(2) {
        "forward" => {
            net.eval();
            Some(Case::new(move || no_grad(|| net.forward(&x))))
        }
        "step" => {
            let target = randint(0, 10, [batch]);
            let mut optimizer = Sgd::new(net.parameters(), SgdOptions { lr, momentum: 0.9, ..SgdOptions::default() });
            net.train();
            Some(Case::new(move || {
                optimizer.zero_grad();
                let loss = cross_entropy(&net.forward(&x), &target);
                loss.backward();
                optimizer.step();
                loss
            }))
        }
        _ => None,
    }
}
