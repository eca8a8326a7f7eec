//! Operations as functions, as in `torch.nn.functional`.

use crate::Var;
use wengert_tensor::{Conv2dOptions, bug, with_generator};

pub use crate::ops::conv_nd::{ConvOptions, ConvTransposeOptions};
pub use crate::ops::loss::{
    CrossEntropyOptions, KlDivOptions, Reduction, binary_cross_entropy, binary_cross_entropy_with_logits,
    cross_entropy, cross_entropy_with, huber_loss, kl_div, l1_loss, l1_loss_with, mse_loss, mse_loss_with, nll_loss,
    nll_loss_with, smooth_l1_loss,
};
pub use crate::ops::norm::BatchNorm;

/// [`Var::linear`].
#[track_caller]
pub fn linear(input: &Var, weight: &Var, bias: Option<&Var>) -> Var {
    input.linear(weight, bias)
}

/// [`Var::conv2d`].
#[track_caller]
pub fn conv2d(input: &Var, weight: &Var, bias: Option<&Var>, options: &Conv2dOptions) -> Var {
    input.conv2d(weight, bias, options)
}

/// Zeroes each element with probability `p` and multiplies the others by `1 / (1 - p)`; draws from the default generator
/// as `torch.nn.functional.dropout` does in training.
///
/// # Panics
/// If `p` is not in `[0, 1]`.
#[track_caller]
pub fn dropout(input: &Var, p: f64) -> Var {
    if !(0.0..=1.0).contains(&p) {
        bug!("", "dropout probability has to be between 0 and 1, but got {p}");
    }
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
