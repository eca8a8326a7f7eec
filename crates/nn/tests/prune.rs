//! Pruning and folding of batch norms: masks, gradients and weights that PyTorch 2.15 prints for the same seeds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use wengert_nn::prune::{self, Unstructured};
use wengert_nn::tensor::{DType, Tensor, manual_seed};
use wengert_nn::utils::{fuse_conv_bn_eval, fuse_linear_bn_eval};
use wengert_nn::{BatchNorm1d, BatchNorm2d, Conv2d, Linear, LinearOptions, Module, Var, sequential};

#[track_caller]
fn same(ours: &Tensor, theirs: &[f32]) {
    let ours = ours.to_vec::<f32>();
    let close = ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() <= 2e-6);
    assert!(ours.len() == theirs.len() && close, "{ours:?}, PyTorch has {theirs:?}");
}

#[track_caller]
fn mask(module: &dyn Module, bits: &str) {
    let expected: Vec<f32> = bits.chars().map(|c| if c == '1' { 1.0 } else { 0.0 }).collect();
    same(&module.state_dict()["weight_mask"], &expected);
}

#[test]
fn pruning_again_takes_from_what_is_left() {
    manual_seed(0);
    let layer = Linear::new(4, 3);
    prune::l1_unstructured(&layer, "weight", 3, None);
    mask(&layer, "011111010111");
    prune::l1_unstructured(&layer, "weight", 0.5, None);
    mask(&layer, "011110010000");
    prune::ln_structured(&layer, "weight", 1, 2.0, 0);
    mask(&layer, "011100000000");
    assert_eq!(layer.state_dict().keys().collect::<Vec<_>>(), ["bias", "weight_orig", "weight_mask"]);
    manual_seed(1);
    prune::random_structured(&layer, "weight", 0.5, 1);
    mask(&layer, "010000000000");
    layer.forward(&Var::from(Tensor::ones([1, 4], DType::F32))).sum(()).backward();
    same(&layer.weight.grad().expect("a gradient"), &[0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    prune::remove(&layer, "weight");
    same(&layer.weight.value(), &[-0.0, 0.268222, -0.0, -0.0, -0.0, 0.0, -0.0, 0.0, -0.0, 0.0, -0.0, -0.0]);
    assert_eq!(layer.state_dict().keys().collect::<Vec<_>>(), ["weight", "bias"]);
}

#[test]
fn entries_are_drawn_and_compared_as_in_pytorch() {
    manual_seed(2);
    let conv = Conv2d::new(2, 3, 2);
    prune::random_unstructured(&conv, "weight", 0.25);
    mask(&conv, "111111011011111011001110");
    manual_seed(3);
    let (a, b) = (Linear::new(2, 2), Linear::new(2, 3));
    let both: [(&dyn Module, &str); 2] = [(&a, "weight"), (&b, "weight")];
    prune::global_unstructured(&both, Unstructured::L1, 0.4);
    mask(&a, "1101");
    mask(&b, "100101");
    prune::global_unstructured(&both, Unstructured::L1, 2);
    mask(&a, "1101");
    mask(&b, "000100");
    assert!(prune::is_pruned(&sequential![a]) && !prune::is_pruned(&sequential![Linear::new(2, 2)]));
}

#[test]
fn mistakes_get_pytorchs_words() {
    let layer = Linear::new(4, 3);
    let says = |f: &dyn Fn(), words: &str| {
        let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("a mistake");
        let text = panic.downcast_ref::<String>().expect("words");
        assert!(text.contains(words), "{text}");
    };
    says(
        &|| prune::l1_unstructured(&layer, "weight", 99, None),
        "amount=99 should be smaller than the number of parameters to prune=12",
    );
    says(
        &|| prune::l1_unstructured(&layer, "weight", 1.5, None),
        "amount=1.5 should either be a float in the range [0, 1] or a non-negative integer",
    );
    says(
        &|| prune::ln_structured(&layer, "bias", 1, 2.0, 0),
        "Structured pruning can only be applied to multidimensional tensors. Found tensor of shape torch.Size([3]) with 1 dims",
    );
    says(
        &|| prune::remove(&layer, "weight"),
        "Parameter 'weight' of module Linear(in_features=4, out_features=3, bias=True) has to be pruned before pruning can be removed",
    );
    assert!(!prune::is_pruned(&layer));
    let norm = BatchNorm2d::new(2);
    says(&|| drop(fuse_conv_bn_eval(&Conv2d::new(1, 2, 2), &norm)), "Fusion only for eval!");
}

#[test]
fn batch_norms_are_folded_into_layers() {
    let set = |mean: &wengert_nn::Buffer, to: f64| mean.set(Tensor::full([2], to, DType::F32));
    manual_seed(4);
    let (conv, norm) = (Conv2d::new(1, 2, 2), BatchNorm2d::new(2));
    set(norm.running_mean.as_ref().expect("statistics"), 0.5);
    set(norm.running_var.as_ref().expect("statistics"), 2.0);
    norm.weight.as_ref().expect("affine").set(Tensor::full([2], 1.5, DType::F32));
    norm.bias.as_ref().expect("affine").set(Tensor::full([2], -0.25, DType::F32));
    conv.eval();
    norm.eval();
    let fused = fuse_conv_bn_eval(&conv, &norm);
    same(&fused.weight.value(), &[0.063256, 0.062677, -0.433324, -0.307587, -0.522698, -0.489004, 0.522792, 0.438172]);
    same(&fused.bias.as_ref().expect("a bias").value(), &[-0.654557, -0.277165]);
    let (linear, norm) = (Linear::with(LinearOptions { bias: false, ..LinearOptions::new(2, 2) }), BatchNorm1d::new(2));
    set(norm.running_mean.as_ref().expect("statistics"), 0.5);
    set(norm.running_var.as_ref().expect("statistics"), 2.0);
    linear.eval();
    norm.eval();
    let fused = fuse_linear_bn_eval(&linear, &norm);
    same(&fused.weight.value(), &[-0.181087, -0.285171, 0.426259, -0.026483]);
    same(&fused.bias.as_ref().expect("a bias").value(), &[-0.353552, -0.353552]);
}
