//! The networks of examples/src/nets that candle can build: it pools without padding and has no momentum.

use crate::{Run, randn, run};
use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::{BatchNorm, Conv2d, Conv2dConfig, Linear, loss::cross_entropy, ops};

/// The variables of a network, in the order in which its layers were made.
#[derive(Default)]
pub(crate) struct Params(Vec<Var>);

impl Params {
    fn add(&mut self, value: Tensor) -> Tensor {
        let var = Var::from_tensor(&value).expect("a tensor");
        self.0.push(var.clone());
        var.as_tensor().clone()
    }

    fn linear(&mut self, inputs: usize, outputs: usize) -> Linear {
        let weight = (randn(&[outputs, inputs]) / (inputs as f64).sqrt()).expect("a number");
        let weight = self.add(weight);
        Linear::new(weight, Some(self.add(Tensor::zeros(outputs, DType::F32, &Device::Cpu).expect("a shape"))))
    }

    fn conv(&mut self, inputs: usize, outputs: usize, k: usize, stride: usize, padding: usize) -> Conv2d {
        let weight = (randn(&[outputs, inputs, k, k]) / ((inputs * k * k) as f64).sqrt()).expect("a number");
        let weight = self.add(weight);
        let bias = self.add(Tensor::zeros(outputs, DType::F32, &Device::Cpu).expect("a shape"));
        Conv2d::new(weight, Some(bias), Conv2dConfig { stride, padding, ..Conv2dConfig::default() })
    }

    pub(crate) fn batch_norm(&mut self, channels: usize) -> BatchNorm {
        let zeros = Tensor::zeros(channels, DType::F32, &Device::Cpu).expect("a shape");
        let ones = zeros.ones_like().expect("a tensor");
        let (weight, bias) = (self.add(ones.clone()), self.add(zeros.clone()));
        BatchNorm::new(channels, zeros, ones, weight, bias, 1e-5).expect("sizes agree")
    }
}

/// Stochastic gradient descent with momentum, which candle lacks.
struct Sgd {
    vars: Vec<Var>,
    momenta: Vec<Tensor>,
    lr: f64,
}

impl Sgd {
    fn step(&mut self, loss: &Tensor) -> Result<()> {
        let grads = loss.backward()?;
        for (var, momentum) in self.vars.iter().zip(&mut self.momenta) {
            if let Some(grad) = grads.get(var) {
                *momentum = ((&*momentum * 0.9)? + grad)?.detach();
                var.set(&var.as_detached_tensor().sub(&(&*momentum * self.lr)?)?)?;
            }
        }
        Ok(())
    }
}

type Net = Box<dyn Fn(&Tensor, bool) -> Result<Tensor>>;

pub(crate) fn find(name: &str, sizes: &[usize], what: &str) -> Option<Run> {
    let &[batch, size] = sizes else { return None };
    let mut params = Params::default();
    let (net, lr): (Net, f64) = match name {
        "mlp" => (mlp(&mut params), 0.01),
        "lenet" => (lenet(&mut params), 0.01),
        "vgg11" => (vgg11(&mut params, 1), 0.001),
        "vgg11_small" => (vgg11(&mut params, 8), 0.001),
        "resnet18" => (resnet18(&mut params), 0.001),
        _ => return None,
    };
    let x = randn(&[batch, 1, size, size]);
    if what == "forward" {
        return run(move || net(&x, false));
    }
    let target = Tensor::from_vec((0..batch as u32).map(|i| i % 10).collect(), batch, &Device::Cpu).ok()?;
    let momenta = params.0.iter().map(|v| v.zeros_like().expect("a tensor")).collect();
    let mut optimizer = Sgd { vars: params.0, momenta, lr };
    run(move || {
        let loss = cross_entropy(&net(&x, true)?, &target)?;
        optimizer.step(&loss)?;
        Ok(loss)
    })
}

fn mlp(p: &mut Params) -> Net {
    let (a, b) = (p.linear(784, 256), p.linear(256, 10));
    Box::new(move |x, _| x.flatten_from(1)?.apply(&a)?.relu()?.apply(&b))
}

fn lenet(p: &mut Params) -> Net {
    let (c1, c2) = (p.conv(1, 6, 5, 1, 0), p.conv(6, 16, 5, 1, 0));
    let (l1, l2, l3) = (p.linear(256, 120), p.linear(120, 84), p.linear(84, 10));
    Box::new(move |x, _| {
        let x = ops::sigmoid(&x.apply(&c1)?)?.max_pool2d(2)?;
        let x = ops::sigmoid(&x.apply(&c2)?)?.max_pool2d(2)?;
        let x = ops::sigmoid(&x.flatten_from(1)?.apply(&l1)?)?;
        ops::sigmoid(&x.apply(&l2)?)?.apply(&l3)
    })
}

fn vgg11(p: &mut Params, ratio: usize) -> Net {
    let w = |channels: usize| channels / ratio;
    let arch = [(1, 1, w(64)), (1, w(64), w(128)), (2, w(128), w(256)), (2, w(256), w(512)), (2, w(512), w(512))];
    let mut blocks = Vec::new();
    for (convs, inputs, outputs) in arch {
        blocks.push(
            (0..convs).map(|i| p.conv(if i == 0 { inputs } else { outputs }, outputs, 3, 1, 1)).collect::<Vec<_>>(),
        );
    }
    let fc = [p.linear(w(512) * 49, w(4096)), p.linear(w(4096), w(4096)), p.linear(w(4096), 10)];
    Box::new(move |x, train| {
        let mut x = x.clone();
        for block in &blocks {
            for conv in block {
                x = x.apply(conv)?.relu()?;
            }
            x = x.max_pool2d(2)?;
        }
        let dropout = |x: Tensor| if train { ops::dropout(&x, 0.5) } else { Ok(x) };
        let x = dropout(x.flatten_from(1)?.apply(&fc[0])?.relu()?)?;
        dropout(x.apply(&fc[1])?.relu()?)?.apply(&fc[2])
    })
}

fn resnet18(p: &mut Params) -> Net {
    let stem = (p.conv(1, 64, 7, 2, 3), p.batch_norm(64));
    let mut blocks = Vec::new();
    for (inputs, outputs, first) in [(64, 64, true), (64, 128, false), (128, 256, false), (256, 512, false)] {
        for i in 0..2 {
            let (inputs, stride) = if i == 0 { (inputs, if first { 1 } else { 2 }) } else { (outputs, 1) };
            let project = i == 0 && !first;
            blocks.push((
                p.conv(inputs, outputs, 3, stride, 1),
                p.batch_norm(outputs),
                p.conv(outputs, outputs, 3, 1, 1),
                p.batch_norm(outputs),
                project.then(|| p.conv(inputs, outputs, 1, stride, 0)),
            ));
        }
    }
    let fc = p.linear(512, 10);
    Box::new(move |x, train| {
        let x = x.apply(&stem.0)?.apply_t(&stem.1, train)?.relu()?;
        // No padded pool, and no gradient of one whose windows overlap: training pools 2x2.
        let mut x = if train {
            x.max_pool2d(2)?
        } else {
            x.pad_with_zeros(2, 1, 1)?.pad_with_zeros(3, 1, 1)?.max_pool2d_with_stride(3, 2)?
        };
        for (conv1, norm1, conv2, norm2, project) in &blocks {
            let y = x.apply(conv1)?.apply_t(norm1, train)?.relu()?;
            let y = y.apply(conv2)?.apply_t(norm2, train)?;
            let shortcut = match project {
                Some(conv) => x.apply(conv)?,
                None => x.clone(),
            };
            x = (y + shortcut)?.relu()?;
        }
        x.mean(D::Minus1)?.mean(D::Minus1)?.apply(&fc)
    })
}

/// The shapes of torchvision's VGG-16.
pub(crate) fn vgg16_shapes() -> Vec<(String, Vec<usize>)> {
    let (mut shapes, mut inputs, mut index) = (Vec::new(), 3, 0);
    for (convs, outputs) in [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)] {
        for _ in 0..convs {
            shapes.push((format!("features.{index}.weight"), vec![outputs, inputs, 3, 3]));
            shapes.push((format!("features.{index}.bias"), vec![outputs]));
            (inputs, index) = (outputs, index + 2);
        }
        index += 1;
    }
    for (index, outputs, inputs) in [(0, 4096, 25088), (3, 4096, 4096), (6, 1000, 4096)] {
        shapes.push((format!("classifier.{index}.weight"), vec![outputs, inputs]));
        shapes.push((format!("classifier.{index}.bias"), vec![outputs]));
    }
    shapes
}
