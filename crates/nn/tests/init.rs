//! Initial values for a seed: the bytes that PyTorch draws.

use serde_json::Value;
use sha2::{Digest, Sha256};
use wengert_nn::init::{self, FanMode, Nonlinearity};
use wengert_nn::*;
use wengert_tensor::manual_seed;

fn digest(tensor: &Tensor) -> String {
    Sha256::digest(tensor.to_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn module(name: &str) -> Option<Box<dyn Module>> {
    Some(match name {
        "linear" => Box::new(Linear::new(4, 3)),
        "linear_large" => Box::new(Linear::with(LinearOptions { bias: false, ..LinearOptions::new(784, 256) })),
        "conv1d" => Box::new(Conv1d::new(2, 3, 3)),
        "conv2d" => Box::new(Conv2d::new(6, 16, 5)),
        "conv2d_groups" => Box::new(Conv2d::with(Conv2dOptions { groups: 2, ..Conv2dOptions::new(4, 6, (3, 1)) })),
        "batch_norm2d" => Box::new(BatchNorm2d::new(3)),
        "layer_norm" => Box::new(LayerNorm::new([2, 3])),
        "embedding_small" => Box::new(Embedding::new(3, 4)),
        "embedding" => {
            Box::new(Embedding::with(EmbeddingOptions { padding_idx: Some(2), ..EmbeddingOptions::new(5, 7) }))
        }
        "sequential" => {
            Box::new(sequential![Linear::new(3, 4), ReLU::new(), sequential![Linear::new(4, 4), Linear::new(4, 1)]])
        }
        _ => return None,
    })
}

fn filled(name: &str) -> Tensor {
    let param = |shape: &[usize]| Param::new(Tensor::zeros(shape, DType::F32));
    let (matrix, kernel) = (param(&[5, 7]), param(&[4, 2, 3, 3]));
    let leaky = Nonlinearity::LeakyReLU(0.0);
    match name {
        "uniform_" => init::uniform_(&matrix, -0.3, 0.7),
        "normal_" => init::normal_(&matrix, 0.5, 0.01),
        "xavier_uniform_" => init::xavier_uniform_(&matrix, 1.0),
        "xavier_normal_" => init::xavier_normal_(&matrix, 1.0),
        "kaiming_uniform_" => init::kaiming_uniform_(&matrix, FanMode::FanIn, leaky),
        "kaiming_normal_" => init::kaiming_normal_(&matrix, FanMode::FanIn, leaky),
        "trunc_normal_" => init::trunc_normal_(&matrix, 0.0, 0.02, -0.03, 0.03),
        "trunc_normal_tail" => init::trunc_normal_(&matrix, 0.5, 2.0, 4.0, 6.0),
        "kaiming_normal_tanh" => init::kaiming_normal_(&matrix, FanMode::FanIn, Nonlinearity::Tanh),
        _ => {
            let other = match name {
                "normal_small" => param(&[3, 4]),
                "constant_" | "ones_" | "zeros_" => param(&[3]),
                "eye_" | "trunc_normal_default" => param(&[3, 4]),
                "trunc_normal_narrow" => param(&[3, 3]),
                "dirac_1d" => param(&[4, 2, 3]),
                "dirac_2d_groups" => param(&[4, 3, 3, 4]),
                "dirac_3d" => param(&[2, 3, 3, 1, 2]),
                "sparse_" => param(&[10, 7]),
                _ => kernel,
            };
            match name {
                "normal_small" => init::normal_(&other, 0.0, 0.01),
                "constant_" => init::constant_(&other, 0.1),
                "ones_" => init::ones_(&other),
                "zeros_" => init::zeros_(&other),
                "eye_" => init::eye_(&other),
                "xavier_uniform_gain" => init::xavier_uniform_(&other, init::calculate_gain(Nonlinearity::ReLU)),
                "kaiming_uniform_out" => init::kaiming_uniform_(&other, FanMode::FanOut, Nonlinearity::ReLU),
                "kaiming_normal_out" => {
                    init::kaiming_normal_(&other, FanMode::FanOut, Nonlinearity::LeakyReLU(0.2));
                }
                "trunc_normal_default" => init::trunc_normal_(&other, 0.0, 1.0, -2.0, 2.0),
                "trunc_normal_narrow" => init::trunc_normal_(&other, 0.0, 1.0, -0.1, 0.2),
                "dirac_1d" | "dirac_3d" => init::dirac_(&other, 1),
                "dirac_2d_groups" => init::dirac_(&other, 2),
                "sparse_" => init::sparse_(&other, 0.25, 0.01),
                _ => panic!("no such function: {name}"),
            }
            return other.value();
        }
    }
    matrix.value()
}

#[test]
fn a_seed_gives_pytorchs_initial_values() {
    let golden: Value = serde_json::from_str(include_str!("golden/init.json")).unwrap();
    for (name, digests) in golden.as_object().unwrap() {
        manual_seed(3);
        let state: Vec<(String, Tensor)> = match module(name) {
            Some(module) => module.state_dict().into_iter().collect(),
            None => vec![(String::new(), filled(name))],
        };
        let digests = digests.as_object().unwrap();
        assert_eq!(state.len(), digests.len(), "{name}");
        for (key, tensor) in &state {
            assert_eq!(digest(tensor), digests[key].as_str().unwrap(), "{name} {key}");
        }
    }
}

#[test]
fn fans_need_two_axes() {
    let bias = Param::new(Tensor::zeros([3], DType::F32));
    let text = std::panic::catch_unwind(|| init::xavier_normal_(&bias, 1.0)).unwrap_err();
    assert_eq!(
        *text.downcast::<String>().unwrap(),
        "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
    );
}

#[test]
fn orthogonal_matrices_are_pytorchs_to_rounding() {
    let golden: Value = serde_json::from_str(include_str!("golden/orthogonal.json")).unwrap();
    for (name, row) in golden.as_object().unwrap() {
        manual_seed(3);
        let shape: Vec<usize> = serde_json::from_value(row["shape"].clone()).unwrap();
        let param = Param::new(Tensor::zeros(shape.clone(), DType::F32));
        init::orthogonal_(&param, row["gain"].as_f64().unwrap());
        assert_eq!(param.shape()[..], shape[..], "{name}");
        let expected: Vec<f64> = serde_json::from_value(row["values"].clone()).unwrap();
        for (own, expected) in param.value().to_vec::<f64>().iter().zip(expected) {
            assert!((own - expected).abs() <= 1e-5 + 1.3e-6 * expected.abs(), "{name}: {own} is not {expected}");
        }
    }
}

#[test]
fn empty_parameters_draw_nothing() {
    let empty = Param::new(Tensor::zeros([3, 0], DType::F32));
    manual_seed(1);
    init::kaiming_uniform_(&empty, FanMode::FanIn, Nonlinearity::ReLU);
    init::kaiming_normal_(&empty, FanMode::FanIn, Nonlinearity::ReLU);
    init::orthogonal_(&empty, 1.0);
    let after = wengert_tensor::rand([2]).to_vec::<f32>();
    manual_seed(1);
    assert_eq!(after, wengert_tensor::rand([2]).to_vec::<f32>());
}
