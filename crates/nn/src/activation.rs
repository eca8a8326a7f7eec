//! Activations as layers.

use crate::{Mode, Module, Parts, Rebuild, SpecError, Tree, Var};
use wengert_tensor::{Dict, Value};

/// max(x, 0); its gradient at 0 is 0 (`torch.nn.ReLU`).
#[derive(Default, Tree)]
pub struct ReLU {
    mode: Mode,
}

impl ReLU {
    /// The layer.
    pub fn new() -> ReLU {
        ReLU::default()
    }
}

impl Module for ReLU {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.relu()
    }
}

/// 1 / (1 + e⁻ˣ) (`torch.nn.Sigmoid`).
#[derive(Default, Tree)]
pub struct Sigmoid {
    mode: Mode,
}

impl Sigmoid {
    /// The layer.
    pub fn new() -> Sigmoid {
        Sigmoid::default()
    }
}

impl Module for Sigmoid {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.sigmoid()
    }
}

/// The hyperbolic tangent (`torch.nn.Tanh`).
#[derive(Default, Tree)]
pub struct Tanh {
    mode: Mode,
}

impl Tanh {
    /// The layer.
    pub fn new() -> Tanh {
        Tanh::default()
    }
}

impl Module for Tanh {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.tanh()
    }
}

/// x · sigmoid(x) (`torch.nn.SiLU`).
#[derive(Default, Tree)]
pub struct SiLU {
    mode: Mode,
}

impl SiLU {
    /// The layer.
    pub fn new() -> SiLU {
        SiLU::default()
    }
}

impl Module for SiLU {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.silu()
    }
}

/// x · Φ(x) with the normal distribution's Φ (`torch.nn.GELU`).
#[derive(Default, Tree)]
#[tree(extra_repr = Self::text)]
pub struct GELU {
    mode: Mode,
}

impl GELU {
    /// The exact form; PyTorch's `approximate='tanh'` is not here.
    pub fn new() -> GELU {
        GELU::default()
    }

    fn text(&self) -> String {
        "approximate='none'".to_owned()
    }
}

impl Module for GELU {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.gelu()
    }
}

/// x where positive, else `negative_slope` · x (`torch.nn.LeakyReLU`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct LeakyReLU {
    negative_slope: f64,
    mode: Mode,
}

impl LeakyReLU {
    /// With that slope; PyTorch's default is 0.01.
    pub fn new(negative_slope: f64) -> LeakyReLU {
        LeakyReLU { negative_slope, mode: Mode::default() }
    }

    fn text(&self) -> String {
        format!("negative_slope={}", Value::from(self.negative_slope))
    }
}

impl Default for LeakyReLU {
    /// With slope 0.01.
    fn default() -> LeakyReLU {
        LeakyReLU::new(0.01)
    }
}

impl Module for LeakyReLU {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.leaky_relu(self.negative_slope)
    }
}

/// x where positive, else `alpha` · (eˣ − 1) (`torch.nn.ELU`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct ELU {
    alpha: f64,
    mode: Mode,
}

impl ELU {
    /// With that factor; PyTorch's default is 1.
    pub fn new(alpha: f64) -> ELU {
        ELU { alpha, mode: Mode::default() }
    }

    fn text(&self) -> String {
        format!("alpha={}", Value::from(self.alpha))
    }
}

impl Default for ELU {
    /// With factor 1.
    fn default() -> ELU {
        ELU::new(1.0)
    }
}

impl Module for ELU {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.elu(self.alpha)
    }
}

/// log(1 + e^(`beta` · x)) / `beta`, and x itself where `beta` · x exceeds `threshold` (`torch.nn.Softplus`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Softplus {
    beta: f64,
    threshold: f64,
    mode: Mode,
}

impl Softplus {
    /// With that steepness and threshold; PyTorch's defaults are 1 and 20.
    pub fn new(beta: f64, threshold: f64) -> Softplus {
        Softplus { beta, threshold, mode: Mode::default() }
    }

    fn text(&self) -> String {
        format!("beta={}, threshold={}", Value::from(self.beta), Value::from(self.threshold))
    }
}

impl Default for Softplus {
    /// With steepness 1 and threshold 20.
    fn default() -> Softplus {
        Softplus::new(1.0, 20.0)
    }
}

impl Module for Softplus {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.softplus(self.beta, self.threshold)
    }
}

/// eˣ over its sum along an axis (`torch.nn.Softmax`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Softmax {
    dim: isize,
    mode: Mode,
}

impl Softmax {
    /// Along axis `dim`, negative from the end.
    pub fn new(dim: isize) -> Softmax {
        Softmax { dim, mode: Mode::default() }
    }

    fn text(&self) -> String {
        format!("dim={}", self.dim)
    }
}

impl Module for Softmax {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.softmax(self.dim)
    }
}

/// The logarithm of the softmax along an axis (`torch.nn.LogSoftmax`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct LogSoftmax {
    dim: isize,
    mode: Mode,
}

impl LogSoftmax {
    /// Along axis `dim`, negative from the end.
    pub fn new(dim: isize) -> LogSoftmax {
        LogSoftmax { dim, mode: Mode::default() }
    }

    fn text(&self) -> String {
        format!("dim={}", self.dim)
    }
}

impl Module for LogSoftmax {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.log_softmax(self.dim)
    }
}

/// The specs of layers that are made of numbers alone: `Softplus { beta, threshold }` has these two, and PyTorch's
/// `also` has fixed values here.
macro_rules! rebuild {
    ($($Layer:ident { $($field:ident $(as $ty:ty)?),* } $(also $name:literal = $value:expr)?;)*) => {$(
        impl Rebuild for $Layer {
            const CLASS: &'static str = concat!("torch.nn.modules.activation.", stringify!($Layer));
            fn config(&self) -> Dict {
                let mut pairs: Vec<(&str, Value)> = vec![$((stringify!($field), (self.$field $(as $ty)?).into())),*];
                pairs.extend([$(($name, Value::from($value)))?]);
                pairs.into_iter().collect()
            }
            fn rebuild(parts: &mut Parts<'_>) -> Result<$Layer, SpecError> {
                Ok($Layer { $($field: parts.get(stringify!($field))?,)* mode: parts.mode() })
            }
        }
    )*};
}
rebuild! {
    ReLU {} also "inplace" = false;
    Sigmoid {};
    Tanh {};
    SiLU {} also "inplace" = false;
    LeakyReLU { negative_slope } also "inplace" = false;
    ELU { alpha } also "inplace" = false;
    Softplus { beta, threshold };
    Softmax { dim as i64 };
    LogSoftmax { dim as i64 };
}

impl Rebuild for GELU {
    const CLASS: &'static str = "torch.nn.modules.activation.GELU";
    fn config(&self) -> Dict {
        [("approximate", "none")].into_iter().collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<GELU, SpecError> {
        parts.only("approximate", "none".to_owned())?;
        Ok(GELU { mode: parts.mode() })
    }
}
