//! Activations without parameters or numbers, as layers; those with numbers are in `activation_with`.

use crate::{Mode, Module, Parts, Rebuild, SpecError, Tree, Var};
use wengert_tensor::{Dict, Value, bug};

/// What a layer does to its output, in the same pass.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Then {
    Nothing,
    Relu,
}

/// max(x, 0); its gradient at 0 is 0 (`torch.nn.ReLU`).
#[derive(Default, Tree)]
#[tree(extra_repr = Self::text)]
pub struct ReLU {
    mode: Mode,
}

/// x between 0 and 6, else the nearer of them (`torch.nn.ReLU6`).
#[derive(Default, Tree)]
#[tree(extra_repr = Self::text)]
pub struct ReLU6 {
    mode: Mode,
}

/// 1 / (1 + e⁻ˣ) (`torch.nn.Sigmoid`).
#[derive(Default, Tree)]
pub struct Sigmoid {
    mode: Mode,
}

/// The logarithm of the sigmoid, exact far out (`torch.nn.LogSigmoid`).
#[derive(Default, Tree)]
pub struct LogSigmoid {
    mode: Mode,
}

/// x / 6 + 1/2 between −3 and 3, else 0 or 1 (`torch.nn.Hardsigmoid`).
#[derive(Default, Tree)]
pub struct Hardsigmoid {
    mode: Mode,
}

/// The hyperbolic tangent (`torch.nn.Tanh`).
#[derive(Default, Tree)]
pub struct Tanh {
    mode: Mode,
}

/// x − tanh x (`torch.nn.Tanhshrink`).
#[derive(Default, Tree)]
pub struct Tanhshrink {
    mode: Mode,
}

/// x · sigmoid(x) (`torch.nn.SiLU`).
#[derive(Default, Tree)]
#[tree(extra_repr = Self::text)]
pub struct SiLU {
    mode: Mode,
}

/// x · tanh(softplus(x)) (`torch.nn.Mish`).
#[derive(Default, Tree)]
#[tree(extra_repr = Self::text)]
pub struct Mish {
    mode: Mode,
}

/// x · hardsigmoid(x) (`torch.nn.Hardswish`).
#[derive(Default, Tree)]
pub struct Hardswish {
    mode: Mode,
}

/// The self-normalising exponential unit: λ · x where positive, else λα · (eˣ − 1) (`torch.nn.SELU`).
#[derive(Default, Tree)]
#[tree(extra_repr = Self::text)]
pub struct SELU {
    mode: Mode,
}

/// x / (1 + |x|) (`torch.nn.Softsign`).
#[derive(Default, Tree)]
pub struct Softsign {
    mode: Mode,
}

/// eˣ over its sum along the channels of (N, C, H, W) or (C, H, W) (`torch.nn.Softmax2d`).
#[derive(Default, Tree)]
pub struct Softmax2d {
    mode: Mode,
}

/// What these layers share: `new` and the forward pass.
macro_rules! plain {
    ($($Layer:ident, |$input:ident| $forward:expr;)*) => {$(
        impl $Layer {
            /// The layer.
            pub fn new() -> $Layer {
                $Layer::default()
            }
        }

        #[wengert_nn_derive::module]
        impl Module for $Layer {
            #[track_caller]
            fn forward(&self, $input: &Var) -> Var {
                $forward
            }
        }
    )*};
}
plain! {
    ReLU, |input| input.relu();
    ReLU6, |input| input.relu6();
    Sigmoid, |input| input.sigmoid();
    LogSigmoid, |input| input.logsigmoid();
    Hardsigmoid, |input| input.hardsigmoid();
    Tanh, |input| input.tanh();
    Tanhshrink, |input| input.tanhshrink();
    SiLU, |input| input.silu();
    Mish, |input| input.mish();
    Hardswish, |input| input.hardswish();
    SELU, |input| input.selu();
    Softsign, |input| input.softsign();
    Softmax2d, |input| softmax2d(input);
}

#[track_caller]
fn softmax2d(input: &Var) -> Var {
    if !matches!(input.rank(), 3 | 4) {
        bug!("", "Softmax2d: expected input to be 3D or 4D, got {}D instead", input.rank());
    }
    input.softmax(-3)
}

/// `inplace` for layers that have it in PyTorch.
macro_rules! inplace {
    ($($Layer:ident),*) => {$(
        impl $Layer {
            /// As if made with `inplace=True`: the text and files say so. Nothing else differs, since tensors are values.
            pub fn inplace(mut self) -> $Layer {
                self.mode.inplace = true;
                self
            }
        }
    )*};
}
pub(crate) use inplace;
inplace!(ReLU, ReLU6, Hardsigmoid, SiLU, Mish, Hardswish, SELU);

/// The text of layers that print `inplace=True` and nothing else; Hardsigmoid and Hardswish do not even that.
macro_rules! text {
    ($($Layer:ident),*) => {$(
        impl $Layer {
            fn text(&self) -> String {
                self.mode.inplace_text(String::new())
            }
        }
    )*};
}
text!(ReLU, ReLU6, SiLU, Mish, SELU);

/// The specs of layers that are made of numbers alone: `Softplus { beta, threshold }` has these two; some are `inplace`.
macro_rules! rebuild {
    ($($Layer:ident { $($field:ident $(as $ty:ty)?),* } $(also $flag:ident)?;)*) => {$(
        impl Rebuild for $Layer {
            const CLASS: &'static str = concat!("torch.nn.modules.activation.", stringify!($Layer));
            fn config(&self) -> Dict {
                let mut pairs: Vec<(&str, Value)> = vec![$((stringify!($field), (self.$field $(as $ty)?).into())),*];
                pairs.extend([$((stringify!($flag), Value::from(self.mode.$flag)))?]);
                pairs.into_iter().collect()
            }
            fn rebuild(parts: &mut Parts<'_>) -> Result<$Layer, SpecError> {
                Ok($Layer { $($field: parts.get(stringify!($field))?,)* mode: parts.mode() })
            }
        }
    )*};
}
pub(crate) use rebuild;
rebuild! {
    ReLU {} also inplace;
    Sigmoid {};
    LogSigmoid {};
    Hardsigmoid {} also inplace;
    Tanh {};
    Tanhshrink {};
    SiLU {} also inplace;
    Mish {} also inplace;
    Hardswish {} also inplace;
    SELU {} also inplace;
    Softsign {};
    Softmax2d {};
}

impl Rebuild for ReLU6 {
    const CLASS: &'static str = "torch.nn.modules.activation.ReLU6";
    fn config(&self) -> Dict {
        [("min_val", Value::from(0.0)), ("max_val", Value::from(6.0)), ("inplace", Value::from(self.mode.inplace))]
            .into_iter()
            .collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<ReLU6, SpecError> {
        Ok(ReLU6 { mode: parts.mode() })
    }
}
