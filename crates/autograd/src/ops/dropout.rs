//! The forms of dropout, drawn from the default generator as PyTorch draws.

use crate::Var;
use crate::catalog::{Entry, seeded};
use wengert_tensor::{Tensor, bug, with_generator};

/// Zeroes each element with probability `p` and multiplies the others by `1 / (1 - p)`; draws from the default generator
/// as `torch.nn.functional.dropout` does in training.
///
/// # Panics
/// If `p` is not in `[0, 1]`.
#[track_caller]
pub fn dropout(input: &Var, p: f64) -> Var {
    check(p);
    if p == 0.0 {
        return input.clone();
    }
    if p == 1.0 {
        // No draws, as in PyTorch.
        return input * 0.0;
    }
    let mask = with_generator(|generator| generator.dropout_mask_like(input.value(), p));
    input * mask
}

/// [`dropout`] of whole channels, of `[n, channels, length]` or `[channels, length]`.
///
/// # Panics
/// If `p` is not in `[0, 1]` or the rank is not 2 or 3.
#[track_caller]
pub fn dropout1d(input: &Var, p: f64) -> Var {
    check(p);
    match input.rank() {
        3 => feature_dropout(input, p),
        2 => feature_dropout(&input.unsqueeze(0), p).squeeze([0]),
        rank => bug!(
            "",
            "dropout1d: Expected 2D or 3D input, but received a {rank}D input. Note that dropout1d exists to provide \
             channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an optional batch dimension \
             (i.e. 2D or 3D inputs)."
        ),
    }
}

/// [`dropout`] of whole channels, which are axis 1: of `[n, channels, height, width]`. Three axes are taken for
/// `[n, channels, length]`, as PyTorch does.
///
/// # Panics
/// If `p` is not in `[0, 1]` or there are less than two axes.
#[track_caller]
pub fn dropout2d(input: &Var, p: f64) -> Var {
    check(p);
    feature_dropout(input, p)
}

/// [`dropout`] of whole channels, of `[n, channels, depth, height, width]`, or of four axes without `n`.
///
/// # Panics
/// If `p` is not in `[0, 1]` or there are less than two axes.
#[track_caller]
pub fn dropout3d(input: &Var, p: f64) -> Var {
    check(p);
    match input.rank() {
        4 => feature_dropout(&input.unsqueeze(0), p).squeeze([0]),
        _ => feature_dropout(input, p),
    }
}

/// Sets each element with probability `p` to the lowest value of [`Var::selu`], then scales and shifts so that mean and
/// variance stay (`torch.nn.functional.alpha_dropout` in training; its default `p` is 0.5).
///
/// # Panics
/// If `p` is not in `[0, 1]`.
#[track_caller]
pub fn alpha_dropout(input: &Var, p: f64) -> Var {
    check(p);
    alpha(input, p, |input, keep| {
        let mut noise = input.value().zeros_like();
        noise.bernoulli_(keep);
        noise
    })
}

/// [`alpha_dropout`] of whole channels, which are axis 1.
///
/// # Panics
/// If `p` is not in `[0, 1]` or there are less than two axes.
#[track_caller]
pub fn feature_alpha_dropout(input: &Var, p: f64) -> Var {
    check(p);
    alpha(input, p, channels)
}

#[track_caller]
fn check(p: f64) {
    if !(0.0..=1.0).contains(&p) {
        bug!("", "dropout probability has to be between 0 and 1, but got {}", wengert_tensor::Value::from(p));
    }
}

/// Ones with probability `keep`, one for each channel of each sample.
#[track_caller]
fn channels(input: &Var, keep: f64) -> Tensor {
    let [n, c, rest @ ..] = input.shape() else {
        bug!("", "Feature dropout requires at least 2 dimensions in the input")
    };
    let shape = [&[*n, *c], &vec![1; rest.len()][..]].concat();
    with_generator(|generator| generator.bernoulli(&shape[..], keep, input.dtype()))
}

#[track_caller]
fn feature_dropout(input: &Var, p: f64) -> Var {
    if p == 0.0 || input.numel() == 0 {
        return input.clone();
    }
    if p == 1.0 {
        return input * 0.0;
    }
    input * channels(input, 1.0 - p).div(1.0 - p)
}

#[track_caller]
fn alpha(input: &Var, p: f64, draw: impl FnOnce(&Var, f64) -> Tensor) -> Var {
    // λα of selu, with PyTorch's digits.
    const ALPHA: f64 = 1.758_099_340_847_376_6;
    if p == 0.0 || input.numel() == 0 {
        return input.clone();
    }
    if p == 1.0 {
        return input * 0.0;
    }
    let scale = 1.0 / ((ALPHA * ALPHA * p + 1.0) * (1.0 - p)).sqrt();
    let noise = draw(input, 1.0 - p);
    let shift = noise.sub(1.0).mul(ALPHA * scale).add(ALPHA * scale * p);
    input * noise.mul(scale) + shift
}

pub(crate) fn catalog() -> Vec<Entry> {
    type F = fn(&Var, f64) -> Var;
    let rows: [(&str, &str, F); 6] = [
        ("dropout", "...", dropout),
        ("dropout1d", "n c l0", dropout1d),
        ("dropout2d", "n c h w", dropout2d),
        ("dropout3d", "n c d h w", dropout3d),
        ("alpha_dropout", "...", alpha_dropout),
        ("feature_alpha_dropout", "n c h w", feature_alpha_dropout),
    ];
    let row = |(name, sizes, f): (&'static str, &str, F)| {
        let shape: &[usize] = if name == "dropout3d" { &[2, 2, 1, 2, 1] } else { &[2, 2, 3] };
        Entry::shaped(name, "", &[shape], move |x| seeded(|| f(&x[0].contiguous(), 0.4))).sizes(sizes)
    };
    rows.map(row).into()
}
