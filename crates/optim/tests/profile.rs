//! A profile of a training step: forward, backward and the optimizer under PyTorch's names.

use wengert_autograd::{Param, Var, functional::cross_entropy};
use wengert_optim::{Sgd, SgdOptions};
use wengert_tensor::{Conv2dOptions, Tensor, manual_seed, pool::Pool2dOptions, profile, randn};

#[test]
fn a_step_has_pytorchs_names_and_its_rules_hold_their_operations() {
    manual_seed(0);
    let params = [randn([6, 1, 5, 5]), randn([6]), randn([10, 864]), randn([10])].map(Param::new);
    let mut optimizer = Sgd::new(params.to_vec(), SgdOptions::default());
    let (x, y) = (Var::from(randn([32, 1, 28, 28])), Tensor::from_vec(vec![3i64; 32], [32]));
    let ((), report) = profile(|| {
        optimizer.zero_grad();
        let [w, b, v, c] = [0, 1, 2, 3].map(|i| params[i].var());
        let image = x.conv2d(&w, Some(&b), &Conv2dOptions::default()).relu().max_pool2d(&Pool2dOptions::new([2, 2]));
        cross_entropy(&image.flatten(1, -1).linear(&v, Some(&c)), &y).backward();
        optimizer.step();
    });
    // As `torch.profiler` names them, less `aten::`.
    let forward = ["conv2d", "relu", "max_pool2d", "flatten", "linear", "addmm", "cross_entropy_loss"];
    let backward = ["NllLossBackward0", "AddmmBackward0", "MaxPool2DWithIndicesBackward0", "ReluBackward0"];
    let update = ["ConvolutionBackward0", "Optimizer.step#SGD.step", "Optimizer.zero_grad#SGD.zero_grad"];
    for name in forward.iter().chain(&backward).chain(&update) {
        assert_eq!(report.row(name).map(|row| row.calls), Some(1), "{name}:\n{report}");
    }
    // Both gradients of the products; the image needs none, so the convolution has one.
    let flops = |name| report.row(name).expect("ran").flops;
    assert!(flops("AddmmBackward0") >= 2 * 552_960);
    assert!((5_529_600..5_600_000).contains(&flops("ConvolutionBackward0")));
    let inside = |name: &str| {
        let outer = report.events().iter().position(|event| event.name == name);
        report.events().iter().filter(|event| event.parent == outer).count()
    };
    assert!(inside("AddmmBackward0") >= 3 && inside("ConvolutionBackward0") >= 1);
}
