//! Dropout: [`Dropout`], of whole channels [`Dropout1d`], [`Dropout2d`], [`Dropout3d`], and [`AlphaDropout`],
//! [`FeatureAlphaDropout`].

use crate::{Mode, Module, Parts, Rebuild, SpecError, Tree, Var};
use wengert_autograd::functional;
use wengert_tensor::{Dict, Scalar, Value, bug, with_generator};

/// In training, zeroes each value with probability `p` and divides the others by 1 − `p` (`torch.nn.Dropout`); in
/// evaluation, returns its input.
///
/// # Examples
/// ```
/// use wengert_nn::{Dropout, Module, Var, tensor::Tensor};
/// let dropout = Dropout::new(0.5);
/// assert_eq!(dropout.to_string(), "Dropout(p=0.5, inplace=False)");
/// dropout.eval();
/// let x = Var::from(Tensor::from_vec(vec![1.0f32, 2.0], [2]));
/// assert_eq!(dropout.forward(&x).value().to_vec::<f32>(), [1.0, 2.0]);
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Dropout {
    p: Scalar,
    mode: Mode,
}

/// In training, zeroes each channel of (N, C, L) or (C, L) with probability `p` and divides the others by 1 − `p`
/// (`torch.nn.Dropout1d`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Dropout1d {
    p: Scalar,
    mode: Mode,
}

/// In training, zeroes each channel of (N, C, H, W) with probability `p` and divides the others by 1 − `p`
/// (`torch.nn.Dropout2d`). An input of three axes is (N, C, L), as in PyTorch.
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Dropout2d {
    p: Scalar,
    mode: Mode,
}

/// In training, zeroes each channel of (N, C, D, H, W) or (C, D, H, W) with probability `p` and divides the others by
/// 1 − `p` (`torch.nn.Dropout3d`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Dropout3d {
    p: Scalar,
    mode: Mode,
}

/// In training, sets each value with probability `p` to the least that SELU gives, and scales and shifts all so that mean
/// and variance stay (`torch.nn.AlphaDropout`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct AlphaDropout {
    p: Scalar,
    mode: Mode,
}

/// As [`AlphaDropout`], with whole channels of (N, C, …) (`torch.nn.FeatureAlphaDropout`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct FeatureAlphaDropout {
    p: Scalar,
    mode: Mode,
}

/// What all have in common: the probability, and what is done in training.
macro_rules! dropouts {
    ($($Dropout:ident, |$input:ident, $p:ident| $train:expr;)*) => {$(
        impl $Dropout {
            /// With that probability; PyTorch's default is 0.5.
            ///
            /// # Panics
            /// If it is not between 0 and 1.
            #[track_caller]
            pub fn new(p: impl Into<Scalar>) -> $Dropout {
                let p = p.into();
                if !(0.0..=1.0).contains(&p.to_f64()) {
                    bug!("", "dropout probability has to be between 0 and 1, but got {}", Value::from(p));
                }
                $Dropout { p, mode: Mode::default() }
            }

            fn text(&self) -> String {
                format!("p={}, inplace={}", Value::from(self.p), Value::from(self.mode.inplace))
            }
        }

        crate::activation::inplace!($Dropout);

        impl Default for $Dropout {
            /// With probability 0.5.
            fn default() -> $Dropout {
                $Dropout::new(0.5)
            }
        }

        #[wengert_nn_derive::module]
        impl Module for $Dropout {
            #[track_caller]
            fn forward(&self, $input: &Var) -> Var {
                let $p = self.p.to_f64();
                if self.mode.is_training() { $train } else { $input.clone() }
            }
        }

        impl Rebuild for $Dropout {
            const CLASS: &'static str = concat!("torch.nn.modules.dropout.", stringify!($Dropout));
            fn config(&self) -> Dict {
                [("p", Value::from(self.p)), ("inplace", Value::from(self.mode.inplace))].into_iter().collect()
            }
            fn rebuild(parts: &mut Parts<'_>) -> Result<$Dropout, SpecError> {
                let p: Scalar = parts.get("p")?;
                if !(0.0..=1.0).contains(&p.to_f64()) {
                    let p = Value::from(p);
                    return parts.invalid(format!("dropout probability has to be between 0 and 1, but got {p}"));
                }
                Ok($Dropout { p, mode: parts.mode() })
            }
        }
    )*};
}
dropouts! {
    Dropout, |input, p| functional::dropout(input, p);
    Dropout1d, |input, p| {
        if !matches!(input.rank(), 2 | 3) {
            bug!("", "dropout1d: Expected 2D or 3D input, but received a {}D input.", input.rank());
        }
        samples(input, 3, |input| drop_channels(input, p))
    };
    Dropout2d, |input, p| drop_channels(input, p);
    Dropout3d, |input, p| samples(input, 5, |input| drop_channels(input, p));
    AlphaDropout, |input, p| drop_to_least(input, input.shape(), p);
    FeatureAlphaDropout, |input, p| drop_to_least(input, &channels(input), p);
}

/// What `f` gives for (N, …) of so many axes, also without N.
#[track_caller]
fn samples(input: &Var, rank: usize, f: impl Fn(&Var) -> Var) -> Var {
    if input.rank() == rank { f(input) } else { f(&input.unsqueeze(0)).squeeze([0]) }
}

/// The shape of noise that is one number for each channel.
#[track_caller]
fn channels(input: &Var) -> Vec<usize> {
    if input.rank() < 2 {
        bug!("", "Feature dropout requires at least 2 dimensions in the input");
    }
    let mut shape = vec![1; input.rank()];
    shape[..2].copy_from_slice(&input.shape()[..2]);
    shape
}

#[track_caller]
fn drop_channels(input: &Var, p: f64) -> Var {
    let shape = channels(input);
    if p == 0.0 || input.numel() == 0 {
        return input.clone();
    }
    if p == 1.0 {
        return input * 0.0;
    }
    input * with_generator(|g| g.bernoulli(shape, 1.0 - p, input.dtype())).div(1.0 - p)
}

fn drop_to_least(input: &Var, noise: &[usize], p: f64) -> Var {
    // α′ = λα of SELU, after Klambauer et al. (2017), with PyTorch's digits.
    const ALPHA: f64 = 1.758_099_340_847_376_6;
    if p == 0.0 || input.numel() == 0 {
        return input.clone();
    }
    if p == 1.0 {
        return input * 0.0;
    }
    let scale = 1.0 / ((ALPHA * ALPHA * p + 1.0) * (1.0 - p)).sqrt();
    let keep = with_generator(|g| g.bernoulli(noise, 1.0 - p, input.dtype()));
    let shift = keep.sub(1.0).mul(ALPHA * scale).add(ALPHA * scale * p);
    input * keep.mul(scale) + shift
}
