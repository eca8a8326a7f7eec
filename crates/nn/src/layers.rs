//! What layers compute, forward and backward, in training and evaluation, against PyTorch's numbers in f64.

use serde_json::{Map, Value};
use wengert_nn::*;
use wengert_tensor::{manual_seed, rand};

/// The layer of a row of golden/layers.json, made as xtask/golden/nn.py makes it.
fn layer(name: &str) -> (Box<dyn Module>, Vec<usize>) {
    fn on(shape: &[usize], module: impl Module) -> (Box<dyn Module>, Vec<usize>) {
        (Box::new(module), shape.to_vec())
    }
    let image: &[usize] = &[2, 3, 2, 3];
    match name {
        "linear" => on(&[2, 4], Linear::new(4, 3)),
        "linear_no_bias" => on(&[2, 4], Linear::with(LinearOptions { bias: false, ..LinearOptions::new(4, 3) })),
        "linear_3d" => on(&[2, 2, 4], Linear::new(4, 3)),
        "linear_1d" => on(&[4], Linear::new(4, 3)),
        "identity" => on(&[2, 3], Identity::new()),
        "conv1d" => {
            on(&[2, 2, 7], Conv1d::with(Conv1dOptions { stride: 2, padding: 1, ..Conv1dOptions::new(2, 3, 3) }))
        }
        "conv2d" => on(&[2, 2, 5, 6], Conv2d::new(2, 3, 3)),
        "conv2d_unbatched" => {
            on(&[2, 4, 4], Conv2d::with(Conv2dOptions { padding: 1.into(), ..Conv2dOptions::new(2, 3, 3) }))
        }
        "conv2d_options" => {
            let options = Conv2dOptions {
                stride: (2, 1).into(),
                padding: (1, 2).into(),
                dilation: (1, 2).into(),
                groups: 2,
                bias: false,
                ..Conv2dOptions::new(4, 6, (3, 2))
            };
            on(&[1, 4, 7, 6], Conv2d::with(options))
        }
        "conv2d_same" => on(
            &[1, 1, 5, 6],
            Conv2d::with(Conv2dOptions { padding: Padding::Same, ..Conv2dOptions::new(1, 2, (4, 3)) }),
        ),
        "conv2d_valid" => {
            on(&[1, 1, 5, 4], Conv2d::with(Conv2dOptions { padding: Padding::Valid, ..Conv2dOptions::new(1, 2, 3) }))
        }
        "conv2d_reflect" => padded(&[1, 1, 4, 5], (2, 1).into(), PaddingMode::Reflect),
        "conv2d_replicate" => padded(&[1, 1, 3, 4], 2.into(), PaddingMode::Replicate),
        "conv2d_circular" => padded(&[1, 1, 4, 4], (1, 2).into(), PaddingMode::Circular),
        "max_pool2d" => on(&[2, 2, 5, 6], MaxPool2d::new(2)),
        "max_pool2d_options" => {
            let options = MaxPool2dOptions {
                stride: Some((2, 1).into()),
                padding: 1.into(),
                ceil_mode: true,
                ..MaxPool2dOptions::new((3, 2))
            };
            on(&[1, 2, 6, 5], MaxPool2d::with(options))
        }
        "max_pool2d_dilated" => {
            let options =
                MaxPool2dOptions { stride: Some(1.into()), dilation: 2.into(), ..MaxPool2dOptions::new(2) };
            on(&[1, 2, 5, 5], MaxPool2d::with(options))
        }
        "avg_pool2d" => on(&[2, 2, 5, 6], AvgPool2d::new(2)),
        "avg_pool2d_options" => {
            let options = AvgPool2dOptions {
                stride: Some((2, 1).into()),
                padding: 1.into(),
                ceil_mode: true,
                count_include_pad: false,
                ..AvgPool2dOptions::new((3, 2))
            };
            on(&[1, 2, 6, 5], AvgPool2d::with(options))
        }
        "avg_pool2d_divisor" => {
            let options = AvgPool2dOptions { padding: 1.into(), divisor_override: Some(3), ..AvgPool2dOptions::new(2) };
            on(&[1, 1, 4, 4], AvgPool2d::with(options))
        }
        "adaptive_avg_pool2d" => on(&[2, 2, 7, 5], AdaptiveAvgPool2d::new((3, 2))),
        "global_avg_pool2d" => on(&[2, 3, 4, 5], GlobalAvgPool2d::new()),
        "flatten" => on(&[2, 3, 2], Flatten::new()),
        "unflatten" => on(&[2, 6], Unflatten::new(1, [2, 3])),
        "batch_norm1d" => on(&[4, 3], BatchNorm1d::new(3)),
        "batch_norm1d_3d" => on(&[2, 3, 4], BatchNorm1d::new(3)),
        "batch_norm2d" => on(image, BatchNorm2d::new(3)),
        "batch_norm2d_momentum" => normed(BatchNormOptions { eps: 1e-3, momentum: Some(0.3), ..BatchNormOptions::new(3) }),
        "batch_norm2d_cumulative" => normed(BatchNormOptions { momentum: None, ..BatchNormOptions::new(3) }),
        "batch_norm2d_plain" => normed(BatchNormOptions { affine: false, ..BatchNormOptions::new(3) }),
        "batch_norm2d_no_bias" => normed(BatchNormOptions { bias: false, ..BatchNormOptions::new(3) }),
        "batch_norm2d_untracked" => normed(BatchNormOptions { track_running_stats: false, ..BatchNormOptions::new(3) }),
        "layer_norm" => on(&[2, 3, 4], LayerNorm::new([4])),
        "layer_norm_2d" => {
            let options = LayerNormOptions { eps: 1e-3, bias: false, ..LayerNormOptions::new([3, 4]) };
            on(&[2, 3, 4], LayerNorm::with(options))
        }
        "layer_norm_plain" => {
            on(&[2, 4], LayerNorm::with(LayerNormOptions { elementwise_affine: false, ..LayerNormOptions::new([4]) }))
        }
        "dropout" => on(&[3, 5], Dropout::new(0.3)),
        "relu" => on(&[2, 5], ReLU::new()),
        "sigmoid" => on(&[2, 5], Sigmoid::new()),
        "tanh" => on(&[2, 5], Tanh::new()),
        "gelu" => on(&[2, 5], GELU::new()),
        "silu" => on(&[2, 5], SiLU::new()),
        "leaky_relu" => on(&[2, 5], LeakyReLU::new(0.2)),
        "elu" => on(&[2, 5], ELU::new(0.5)),
        "softplus" => on(&[2, 5], Softplus::new(2.0, 3.0)),
        "softmax" => on(&[2, 5], Softmax::new(1)),
        "log_softmax" => on(&[3, 4], LogSoftmax::new(0)),
        "sequential" => on(
            &[5, 4],
            sequential![Linear::new(4, 3), BatchNorm1d::new(3), sequential![ReLU::new(), Linear::new(3, 2)]],
        ),
        _ => panic!("no such layer: {name}"),
    }
}

fn padded(shape: &[usize], padding: Padding, padding_mode: PaddingMode) -> (Box<dyn Module>, Vec<usize>) {
    let options = Conv2dOptions { padding, padding_mode, ..Conv2dOptions::new(1, 2, 3) };
    (Box::new(Conv2d::with(options)), shape.to_vec())
}

fn normed(options: BatchNormOptions) -> (Box<dyn Module>, Vec<usize>) {
    (Box::new(BatchNorm2d::with(options)), vec![2, 3, 2, 3])
}

/// A gradient for an output of that shape: cos(0), cos(1), …
fn cotangent(shape: &[usize]) -> Tensor {
    let numel: usize = shape.iter().product();
    Tensor::from_vec((0..numel).map(|i| (i as f64).cos()).collect::<Vec<f64>>(), shape)
}

fn golden(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap()
}

#[track_caller]
fn assert_close(what: &str, actual: &Tensor, expected: &Value) {
    let (actual, expected) = (actual.to_vec::<f64>(), expected.as_array().unwrap());
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        let e = e.as_f64().unwrap();
        assert!((a - e).abs() <= 1e-10 + 1e-10 * e.abs(), "{what}[{i}]: {a} is not {e}");
    }
}

#[test]
fn layers_compute_what_pytorch_computes() {
    check(include_str!("golden/layers.json"));
}

#[test]
fn pools_compute_what_pytorch_computes() {
    check(include_str!("golden/pools.json"));
}

fn check(text: &str) {
    for (name, row) in golden(text) {
        manual_seed(0);
        let (module, shape) = layer(&name);
        module.to(DType::F64);
        manual_seed(1);
        let x = Var::leaf((rand(shape) * 4.0 - 2.0).to(DType::F64));
        manual_seed(2);
        let y = module.forward(&x);
        assert_eq!(serde_json::json!(y.shape()), row["shape"], "{name}");
        assert_close(&format!("{name} y"), y.value(), &row["y"]);
        y.backward_with(&cotangent(y.shape()));
        assert_close(&format!("{name} dx"), &x.grad().unwrap(), &row["dx"]);
        let params = module.named_parameters();
        assert_eq!(params.len(), row["grads"].as_object().unwrap().len(), "{name}");
        for (key, param) in params {
            assert_close(&format!("{name} {key}"), &param.grad().unwrap(), &row["grads"][&key]);
        }
        module.forward(&Var::from(x.value() * 2.0 + 1.0));
        let buffers = module.named_buffers();
        assert_eq!(buffers.len(), row["buffers"].as_object().unwrap().len(), "{name}");
        for (key, buffer) in buffers {
            assert_close(&format!("{name} {key}"), &buffer.value(), &row["buffers"][&key]);
        }
        module.eval();
        assert_close(&format!("{name} eval"), module.forward(&x).value(), &row["eval"]);
    }
}
