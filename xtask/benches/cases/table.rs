//! The rows of the comparison: which workloads, and how much faster than PyTorch each must be.

/// A row: its workload, and its budget.
pub(crate) struct Row {
    /// The workload's name.
    pub(crate) name: &'static str,
    /// The least ratio of PyTorch's time to ours.
    pub(crate) budget: f64,
    /// The largest ratio of our peak memory to PyTorch's, where memory is compared.
    pub(crate) memory: Option<f64>,
}

const fn row(name: &'static str, budget: f64) -> Row {
    Row { name, budget, memory: None }
}

/// A row whose peak memory is compared too.
const fn step(name: &'static str, budget: f64) -> Row {
    Row { name, budget, memory: Some(0.8) }
}

/// What nothing may fall below, and the budget of rows that have none of their own.
pub(crate) const FLOOR: f64 = 0.9;

/// All rows, in the order of the table.
pub(crate) const ROWS: &[Row] = &[
    row("matmul/64x64x64", FLOOR),
    row("matmul/256x256x256", 1.0),
    row("matmul/512x512x512", 1.0),
    row("matmul/1024x1024x1024", 1.0),
    row("matmul/256x784x256", 1.0),
    row("matmul/512x512x512/f64", 1.0),
    row("tape/1000/one", 12.0),
    row("tape/1000/two", 12.0),
    row("tape/1000/untracked", 5.0),
    row("add/1000", 5.0),
    row("relu/1000", 5.0),
    row("exp/1000", 5.0),
    row("tanh/1000", FLOOR),
    row("sigmoid/1000", FLOOR),
    row("add_inplace/1000", FLOOR),
    row("chain/1000", FLOOR),
    row("add/1000000", 1.0),
    row("relu/1000000", 1.0),
    row("mul/1000000", 1.0),
    row("add_inplace/1000000", 1.0),
    row("exp/1000000", 1.0),
    row("tanh/1000000", 1.0),
    row("sigmoid/1000000", 1.0),
    row("gelu/1000000", 1.0),
    row("exp/1000000/f64", 1.0),
    row("chain/1000000", 2.0),
    row("softmax/256x1000", 1.2),
    row("log_softmax/256x1000", 1.2),
    row("argmax/256x1000", 5.0),
    row("transpose/1024x1024", 2.0),
    row("sum_last/256x1000", 1.0),
    row("sum_first/256x1000", 1.0),
    row("sum_all/256x1000", 1.0),
    row("mean_last/256x1000", 1.0),
    row("bias_add/256x1000", 1.0),
    row("global_avg_pool/32x512x7", 1.0),
    row("cat/32x64x28", 1.0),
    row("max_pool/32x64x56/2", 8.0),
    row("batch_norm/32x64x56/eval", FLOOR),
    row("batch_norm/32x64x56/train", 2.0),
    row("batch_norm/32x64x56/step", FLOOR),
    row("conv/8x64x56/64k3s1p1/forward", 1.4),
    row("conv/8x128x28/128k3s1p1/forward", 1.4),
    row("conv/8x256x14/256k3s1p1/forward", 1.4),
    row("conv/8x512x7/512k3s1p1/forward", 1.4),
    row("conv/8x64x56/64k3s1p1/step", 1.2),
    row("conv/8x128x28/128k3s1p1/step", 1.2),
    row("conv/8x256x14/256k3s1p1/step", 1.2),
    row("conv/8x512x7/512k3s1p1/step", 1.2),
    row("conv/8x128x28/128k3s1p1/forward/f64", FLOOR),
    row("conv/8x128x28/128k3s1p1/step/f64", FLOOR),
    row("conv/8x256x28/64k1s1p0/forward", 1.0),
    row("conv/8x256x28/64k1s1p0/step", 1.0),
    row("conv/8x3x112/64k7s2p3/forward", FLOOR),
    row("conv/8x3x112/64k7s2p3/step", 1.5),
    row("conv/8x96x26/256k5s1p2/forward", 0.9),
    row("conv/8x96x26/256k5s1p2/step", 0.9),
    row("conv/8x1x224/96k11s4p0/forward", 0.9),
    row("conv/8x1x224/96k11s4p0/step", 0.9),
    row("net/mlp/256x28/step", 1.2),
    row("net/mlp/256x28/forward", FLOOR),
    row("net/lenet/256x28/step", 1.5),
    row("net/lenet/256x28/forward", FLOOR),
    row("net/lenet/256x28/step/f64", FLOOR),
    row("net/vgg11/1x224/forward", 1.4),
    step("net/vgg11_small/16x224/step", 1.5),
    row("net/vgg11_small/16x224/forward", FLOOR),
    row("net/resnet18/8x96/forward", 1.2),
    step("net/resnet18/8x96/step", 1.0),
    row("net/googlenet/8x96/forward", 1.0),
    row("net/googlenet/8x96/step", FLOOR),
    row("net/nin/8x96/forward", 1.0),
    row("net/nin/8x96/step", FLOOR),
    row("file/vgg16/write", 1.3),
    row("file/vgg16/save", FLOOR),
    row("file/vgg16/load", 1.5),
    row("file/vgg16/lazy", 1.0),
    row("file/vgg16.safetensors/write", 1.0),
    row("file/vgg16.safetensors/save", FLOOR),
    row("file/vgg16.safetensors/load", 1.0),
    row("file/vgg16.safetensors/mapped", FLOOR),
    row("file/10000/write", 10.0),
    row("file/10000/load", 20.0),
    row("file/10000.safetensors/write", FLOOR),
    row("file/10000.safetensors/load", FLOOR),
];
