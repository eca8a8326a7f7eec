//! The networks of examples/src/nets in burn, and its checkpoints.

use crate::{Run, device, randn, run};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::prelude::*;
use burn::store::{ModuleSnapshot, SafetensorsStore};
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::module::adaptive_avg_pool2d;

pub(crate) fn pool(kernel: usize, stride: usize, p: usize) -> MaxPool2d {
    let config = MaxPool2dConfig::new([kernel; 2]).with_strides([stride; 2]);
    config.with_padding(PaddingConfig2d::Explicit(p, p, p, p)).init()
}

fn conv(inputs: usize, outputs: usize, k: usize, stride: usize, p: usize, d: &Device) -> Conv2d {
    let config = Conv2dConfig::new([inputs, outputs], [k, k]).with_stride([stride; 2]);
    config.with_padding(PaddingConfig2d::Explicit(p, p, p, p)).init(d)
}

fn linear(inputs: usize, outputs: usize, d: &Device) -> Linear {
    LinearConfig::new(inputs, outputs).init(d)
}

trait Net: Module {
    fn forward(&self, x: Tensor<4>) -> Tensor<2>;
}

#[derive(Module, Debug)]
struct Mlp {
    hidden: Linear,
    output: Linear,
}

impl Net for Mlp {
    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x: Tensor<2> = x.flatten(1, 3);
        self.output.forward(relu(self.hidden.forward(x)))
    }
}

#[derive(Module, Debug)]
struct LeNet {
    convs: Vec<Conv2d>,
    fc: Vec<Linear>,
    pool: MaxPool2d,
}

impl Net for LeNet {
    fn forward(&self, mut x: Tensor<4>) -> Tensor<2> {
        for conv in &self.convs {
            x = self.pool.forward(sigmoid(conv.forward(x)));
        }
        let x: Tensor<2> = x.flatten(1, 3);
        let x = sigmoid(self.fc[0].forward(x));
        self.fc[2].forward(sigmoid(self.fc[1].forward(x)))
    }
}

#[derive(Module, Debug)]
struct Vgg {
    blocks: Vec<Vec<Conv2d>>,
    fc: Vec<Linear>,
    pool: MaxPool2d,
    dropout: Dropout,
}

impl Vgg {
    fn new(ratio: usize, d: &Device) -> Vgg {
        let w = |channels: usize| channels / ratio;
        let arch = [(1, 1, w(64)), (1, w(64), w(128)), (2, w(128), w(256)), (2, w(256), w(512)), (2, w(512), w(512))];
        let block = |(convs, inputs, outputs): (usize, usize, usize)| -> Vec<Conv2d> {
            (0..convs).map(|i| conv(if i == 0 { inputs } else { outputs }, outputs, 3, 1, 1, d)).collect()
        };
        let fc = vec![linear(w(512) * 49, w(4096), d), linear(w(4096), w(4096), d), linear(w(4096), 10, d)];
        Vgg { blocks: arch.map(block).to_vec(), fc, pool: pool(2, 2, 0), dropout: DropoutConfig::new(0.5).init() }
    }
}

impl Net for Vgg {
    fn forward(&self, mut x: Tensor<4>) -> Tensor<2> {
        for block in &self.blocks {
            for conv in block {
                x = relu(conv.forward(x));
            }
            x = self.pool.forward(x);
        }
        let x: Tensor<2> = x.flatten(1, 3);
        let x = self.dropout.forward(relu(self.fc[0].forward(x)));
        let x = self.dropout.forward(relu(self.fc[1].forward(x)));
        self.fc[2].forward(x)
    }
}

#[derive(Module, Debug)]
struct Residual {
    conv1: Conv2d,
    norm1: BatchNorm,
    conv2: Conv2d,
    norm2: BatchNorm,
    project: Option<Conv2d>,
}

#[derive(Module, Debug)]
struct ResNet {
    conv: Conv2d,
    norm: BatchNorm,
    pool: MaxPool2d,
    blocks: Vec<Residual>,
    fc: Linear,
}

impl ResNet {
    fn new(d: &Device) -> ResNet {
        let norm = |channels| BatchNormConfig::new(channels).init(d);
        let mut blocks = Vec::new();
        for (inputs, outputs, first) in [(64, 64, true), (64, 128, false), (128, 256, false), (256, 512, false)] {
            for i in 0..2 {
                let (inputs, stride) = if i == 0 { (inputs, if first { 1 } else { 2 }) } else { (outputs, 1) };
                let project = i == 0 && !first;
                blocks.push(Residual {
                    conv1: conv(inputs, outputs, 3, stride, 1, d),
                    norm1: norm(outputs),
                    conv2: conv(outputs, outputs, 3, 1, 1, d),
                    norm2: norm(outputs),
                    project: project.then(|| conv(inputs, outputs, 1, stride, 0, d)),
                });
            }
        }
        ResNet { conv: conv(1, 64, 7, 2, 3, d), norm: norm(64), pool: pool(3, 2, 1), blocks, fc: linear(512, 10, d) }
    }
}

impl Net for ResNet {
    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let mut x = self.pool.forward(relu(self.norm.forward(self.conv.forward(x))));
        for block in &self.blocks {
            let y = relu(block.norm1.forward(block.conv1.forward(x.clone())));
            let y = block.norm2.forward(block.conv2.forward(y));
            x = relu(y + block.project.as_ref().map_or(x.clone(), |conv| conv.forward(x.clone())));
        }
        let x: Tensor<2> = adaptive_avg_pool2d(x, [1, 1]).flatten(1, 3);
        self.fc.forward(x)
    }
}

pub(crate) fn find(name: &str, sizes: &[usize], what: &str) -> Option<Run> {
    let &[batch, size] = sizes else { return None };
    let tracked = what == "step";
    let (d, x) = (device(tracked), randn([batch, 1, size, size], tracked));
    match name {
        "mlp" => case(Mlp { hidden: linear(784, 256, &d), output: linear(256, 10, &d) }, x, tracked),
        "lenet" => {
            let fc = vec![linear(256, 120, &d), linear(120, 84, &d), linear(84, 10, &d)];
            let convs = vec![conv(1, 6, 5, 1, 0, &d), conv(6, 16, 5, 1, 0, &d)];
            case(LeNet { convs, fc, pool: pool(2, 2, 0) }, x, tracked)
        }
        "vgg11" => case(Vgg::new(1, &d), x, tracked),
        "vgg11_small" => case(Vgg::new(8, &d), x, tracked),
        "resnet18" => case(ResNet::new(&d), x, tracked),
        _ => None,
    }
}

fn case<M: Net + 'static>(net: M, x: Tensor<4>, tracked: bool) -> Option<Run> {
    if !tracked {
        return run(move || net.forward(x.clone()));
    }
    let labels: Vec<i64> = (0..x.dims()[0] as i64).map(|i| i % 10).collect();
    let target = Tensor::<1, Int>::from_data(TensorData::new(labels, [x.dims()[0]]), &x.device());
    let loss = CrossEntropyLossConfig::new().init(&x.device());
    let mut optimizer = SgdConfig::new().with_momentum(Some(MomentumConfig::new().with_momentum(0.9))).init();
    let mut net = Some(net);
    run(move || {
        let before = net.take().expect("put back below");
        let grads = loss.forward(before.forward(x.clone()), target.clone()).backward();
        let grads = GradientsParams::from_grads(grads, &before);
        net = Some(optimizer.step(0.001, before, grads));
    })
}

#[derive(Module, Debug)]
struct Weights {
    convs: Vec<Conv2d>,
    linears: Vec<Linear>,
}

/// burn's safetensors store. Its load takes time with the square of the number of tensors: 10,000 do not end.
pub(crate) fn file(name: &str, what: &str) -> Option<Run> {
    let name = name.strip_suffix(".safetensors")?;
    let folder = std::env::var_os("BENCH_DATA").map_or_else(std::env::temp_dir, Into::into);
    std::fs::create_dir_all(&folder).ok()?;
    let path = folder.join(format!("burn-{name}.safetensors"));
    let d = device(false);
    let mut weights = Weights { convs: Vec::new(), linears: Vec::new() };
    if name == "vgg16" {
        let mut inputs = 3;
        for (convs, outputs) in [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)] {
            for _ in 0..convs {
                weights.convs.push(conv(inputs, outputs, 3, 1, 1, &d));
                inputs = outputs;
            }
        }
        weights.linears = vec![linear(25088, 4096, &d), linear(4096, 4096, &d), linear(4096, 1000, &d)];
    } else {
        let count = name.parse::<usize>().ok()?;
        let one = || LinearConfig::new(16, 16).with_bias(false).init(&d);
        weights.linears = (0..count).map(|_| one()).collect();
    }
    let save = move |weights: &Weights, path: &std::path::Path| {
        let _ = std::fs::remove_file(path);
        weights.save_into(&mut SafetensorsStore::from_file(path)).expect("a folder");
    };
    match (what, name) {
        ("write", _) => run(move || save(&weights, &path)),
        ("load", "vgg16") => {
            save(&weights, &path);
            run(move || weights.load_from(&mut SafetensorsStore::from_file(&path)).expect("just saved"))
        }
        _ => None,
    }
}
