//! Activations.

use crate::Row;
use crate::case::layer;
use wengert_nn::tensor::Scalar;
use wengert_nn::*;

pub(crate) const ROWS: &[Row] = &[
    ("CELU", |a| layer(CELU::new(a.get::<Scalar>("alpha")))),
    ("ELU", |a| layer(ELU::new(a.get::<Scalar>("alpha")))),
    ("GELU", |a| layer(if a.value("approximate").as_str() == Some("tanh") { GELU::tanh() } else { GELU::new() })),
    ("GLU", |a| layer(GLU::new(a.get("dim")))),
    ("Hardshrink", |a| layer(Hardshrink::new(a.get::<Scalar>("lambd")))),
    ("Hardsigmoid", |_| layer(Hardsigmoid::new())),
    ("Hardswish", |_| layer(Hardswish::new())),
    ("Hardtanh", |a| layer(Hardtanh::new(a.get::<Scalar>("min_val"), a.get::<Scalar>("max_val")))),
    ("LeakyReLU", |a| layer(LeakyReLU::new(a.get::<Scalar>("negative_slope")))),
    ("LogSigmoid", |_| layer(LogSigmoid::new())),
    ("LogSoftmax", |a| layer(LogSoftmax::new(a.get("dim")))),
    ("Mish", |_| layer(Mish::new())),
    ("PReLU", |a| layer(PReLU::new(a.get("num_parameters"), a.get("init")))),
    ("RReLU", |a| layer(RReLU::new(a.get("lower"), a.get("upper")))),
    ("ReLU", |_| layer(ReLU::new())),
    ("ReLU6", |_| layer(ReLU6::new())),
    ("SELU", |_| layer(SELU::new())),
    ("SiLU", |_| layer(SiLU::new())),
    ("Sigmoid", |_| layer(Sigmoid::new())),
    ("Softmax", |a| layer(Softmax::new(a.get("dim")))),
    ("Softmax2d", |_| layer(Softmax2d::new())),
    ("Softmin", |a| layer(Softmin::new(a.get("dim")))),
    ("Softplus", |a| layer(Softplus::new(a.get::<Scalar>("beta"), a.get::<Scalar>("threshold")))),
    ("Softshrink", |a| layer(Softshrink::new(a.get::<Scalar>("lambd")))),
    ("Softsign", |_| layer(Softsign::new())),
    ("Tanh", |_| layer(Tanh::new())),
    ("Tanhshrink", |_| layer(Tanhshrink::new())),
    ("Threshold", |a| layer(Threshold::new(a.get::<Scalar>("threshold"), a.get::<Scalar>("value")))),
];
