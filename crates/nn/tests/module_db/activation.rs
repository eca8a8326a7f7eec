//! Activations.

use crate::Row;
use crate::case::layer;
use wengert_nn::*;

pub(crate) const ROWS: &[Row] = &[
    ("ELU", |a| layer(ELU::new(a.get("alpha")))),
    ("GELU", |_| layer(GELU::new())),
    ("LeakyReLU", |a| layer(LeakyReLU::new(a.get("negative_slope")))),
    ("LogSoftmax", |a| layer(LogSoftmax::new(a.get("dim")))),
    ("ReLU", |_| layer(ReLU::new())),
    ("SiLU", |_| layer(SiLU::new())),
    ("Sigmoid", |_| layer(Sigmoid::new())),
    ("Softmax", |a| layer(Softmax::new(a.get("dim")))),
    ("Softplus", |a| layer(Softplus::new(a.get("beta"), a.get("threshold")))),
    ("Tanh", |_| layer(Tanh::new())),
];
