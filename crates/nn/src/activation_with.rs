//! Activations that are made with numbers, as layers.

use crate::activation::{inplace, rebuild};
use crate::setting::optional;
use crate::{Mode, Module, Parts, Rebuild, SpecError, Tree, Var};
use wengert_tensor::{Dict, Scalar, Value, bug};

/// x where positive, else `negative_slope` · x (`torch.nn.LeakyReLU`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct LeakyReLU {
    negative_slope: Scalar,
    mode: Mode,
}

impl LeakyReLU {
    /// With that slope; PyTorch's default is 0.01.
    pub fn new(negative_slope: impl Into<Scalar>) -> LeakyReLU {
        LeakyReLU { negative_slope: negative_slope.into(), mode: Mode::default() }
    }

    fn text(&self) -> String {
        self.mode.inplace_text(format!("negative_slope={}", Value::from(self.negative_slope)))
    }
}

impl Default for LeakyReLU {
    fn default() -> LeakyReLU {
        LeakyReLU::new(0.01)
    }
}

#[wengert_nn_derive::module]
impl Module for LeakyReLU {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.leaky_relu(self.negative_slope.to_f64())
    }
}

/// x where positive, else `alpha` · (eˣ − 1) (`torch.nn.ELU`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct ELU {
    alpha: Scalar,
    mode: Mode,
}

impl ELU {
    /// With that factor; PyTorch's default is 1.
    pub fn new(alpha: impl Into<Scalar>) -> ELU {
        ELU { alpha: alpha.into(), mode: Mode::default() }
    }

    fn text(&self) -> String {
        self.mode.inplace_text(format!("alpha={}", Value::from(self.alpha)))
    }
}

impl Default for ELU {
    fn default() -> ELU {
        ELU::new(1.0)
    }
}

#[wengert_nn_derive::module]
impl Module for ELU {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.elu(self.alpha.to_f64())
    }
}

/// x where positive, else `alpha` · (e^(x / `alpha`) − 1) (`torch.nn.CELU`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct CELU {
    alpha: Scalar,
    mode: Mode,
}

impl CELU {
    /// With that factor, which is not 0; PyTorch's default is 1.
    pub fn new(alpha: impl Into<Scalar>) -> CELU {
        CELU { alpha: alpha.into(), mode: Mode::default() }
    }

    fn text(&self) -> String {
        self.mode.inplace_text(format!("alpha={}", Value::from(self.alpha)))
    }
}

impl Default for CELU {
    fn default() -> CELU {
        CELU::new(1.0)
    }
}

#[wengert_nn_derive::module]
impl Module for CELU {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.celu(self.alpha.to_f64())
    }
}

/// log(1 + e^(`beta` · x)) / `beta`, and x itself where `beta` · x exceeds `threshold` (`torch.nn.Softplus`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Softplus {
    beta: Scalar,
    threshold: Scalar,
    mode: Mode,
}

impl Softplus {
    /// With that steepness and threshold; PyTorch's defaults are 1 and 20.
    pub fn new(beta: impl Into<Scalar>, threshold: impl Into<Scalar>) -> Softplus {
        Softplus { beta: beta.into(), threshold: threshold.into(), mode: Mode::default() }
    }

    fn text(&self) -> String {
        format!("beta={}, threshold={}", Value::from(self.beta), Value::from(self.threshold))
    }
}

impl Default for Softplus {
    fn default() -> Softplus {
        Softplus::new(1.0, 20.0)
    }
}

#[wengert_nn_derive::module]
impl Module for Softplus {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.softplus(self.beta.to_f64(), self.threshold.to_f64())
    }
}

/// x between two numbers, else the nearer of them (`torch.nn.Hardtanh`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Hardtanh {
    min_val: Scalar,
    max_val: Scalar,
    mode: Mode,
}

impl Hardtanh {
    /// Between these; PyTorch's defaults are −1 and 1.
    ///
    /// # Panics
    /// If the second is not greater than the first.
    #[track_caller]
    pub fn new(min_val: impl Into<Scalar>, max_val: impl Into<Scalar>) -> Hardtanh {
        let (min_val, max_val) = (min_val.into(), max_val.into());
        if max_val.to_f64() <= min_val.to_f64() {
            bug!("", "max_val ({}) must be greater than min_val ({})", Value::from(max_val), Value::from(min_val));
        }
        Hardtanh { min_val, max_val, mode: Mode::default() }
    }

    fn text(&self) -> String {
        self.mode.inplace_text(format!("min_val={}, max_val={}", Value::from(self.min_val), Value::from(self.max_val)))
    }
}

impl Default for Hardtanh {
    fn default() -> Hardtanh {
        Hardtanh::new(-1.0, 1.0)
    }
}

#[wengert_nn_derive::module]
impl Module for Hardtanh {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.hardtanh(self.min_val.to_f64(), self.max_val.to_f64())
    }
}

/// x where it exceeds `threshold`, else `value` (`torch.nn.Threshold`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Threshold {
    threshold: Scalar,
    value: Scalar,
    mode: Mode,
}

impl Threshold {
    /// With these numbers.
    pub fn new(threshold: impl Into<Scalar>, value: impl Into<Scalar>) -> Threshold {
        Threshold { threshold: threshold.into(), value: value.into(), mode: Mode::default() }
    }

    fn text(&self) -> String {
        self.mode.inplace_text(format!("threshold={}, value={}", Value::from(self.threshold), Value::from(self.value)))
    }
}

#[wengert_nn_derive::module]
impl Module for Threshold {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.threshold(self.threshold.to_f64(), self.value.to_f64())
    }
}

/// x where |x| > `lambd`, else 0 (`torch.nn.Hardshrink`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Hardshrink {
    lambd: Scalar,
    mode: Mode,
}

impl Hardshrink {
    /// With that half width; PyTorch's default is 0.5.
    pub fn new(lambd: impl Into<Scalar>) -> Hardshrink {
        Hardshrink { lambd: lambd.into(), mode: Mode::default() }
    }

    fn text(&self) -> String {
        Value::from(self.lambd).to_string()
    }
}

impl Default for Hardshrink {
    fn default() -> Hardshrink {
        Hardshrink::new(0.5)
    }
}

#[wengert_nn_derive::module]
impl Module for Hardshrink {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.hardshrink(self.lambd.to_f64())
    }
}

/// x nearer to 0 by `lambd`, and 0 where |x| ≤ `lambd` (`torch.nn.Softshrink`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Softshrink {
    lambd: Scalar,
    mode: Mode,
}

impl Softshrink {
    /// With that shift, which is not negative; PyTorch's default is 0.5.
    ///
    /// # Panics
    /// If it is negative.
    #[track_caller]
    pub fn new(lambd: impl Into<Scalar>) -> Softshrink {
        let lambd = lambd.into();
        if lambd.to_f64() < 0.0 {
            bug!("", "lambda must be greater or equal to 0, but found to be {}.", Value::from(lambd));
        }
        Softshrink { lambd, mode: Mode::default() }
    }

    fn text(&self) -> String {
        Value::from(self.lambd).to_string()
    }
}

impl Default for Softshrink {
    fn default() -> Softshrink {
        Softshrink::new(0.5)
    }
}

#[wengert_nn_derive::module]
impl Module for Softshrink {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.softshrink(self.lambd.to_f64())
    }
}

/// x · Φ(x) with the normal distribution's Φ (`torch.nn.GELU`).
#[derive(Default, Tree)]
#[tree(extra_repr = Self::text)]
pub struct GELU {
    /// Whether Φ is approximated by a tanh.
    tanh: bool,
    mode: Mode,
}

impl GELU {
    /// The exact form.
    pub fn new() -> GELU {
        GELU::default()
    }

    /// x · (1 + tanh(√(2/π) · (x + 0.044715 x³))) / 2, after Hendrycks and Gimpel (2016): `GELU(approximate='tanh')`.
    pub fn tanh() -> GELU {
        GELU { tanh: true, mode: Mode::default() }
    }

    fn name(&self) -> &'static str {
        if self.tanh { "tanh" } else { "none" }
    }

    fn text(&self) -> String {
        format!("approximate='{}'", self.name())
    }
}

#[wengert_nn_derive::module]
impl Module for GELU {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        if self.tanh { input.gelu_tanh() } else { input.gelu() }
    }
}

/// eˣ over its sum along an axis (`torch.nn.Softmax`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Softmax {
    dim: Option<isize>,
    mode: Mode,
}

impl Softmax {
    /// Along axis `dim`, negative from the end.
    pub fn new(dim: isize) -> Softmax {
        Softmax { dim: Some(dim), mode: Mode::default() }
    }

    fn text(&self) -> String {
        dim_text(self.dim)
    }
}

impl Default for Softmax {
    /// Along the axis that PyTorch chooses when it is given none: the first of 0, 1 or 3 axes, else the second.
    fn default() -> Softmax {
        Softmax { dim: None, mode: Mode::default() }
    }
}

#[wengert_nn_derive::module]
impl Module for Softmax {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.softmax(dim_or_chosen(self.dim, input))
    }
}

/// The logarithm of the softmax along an axis (`torch.nn.LogSoftmax`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct LogSoftmax {
    dim: Option<isize>,
    mode: Mode,
}

impl LogSoftmax {
    /// Along axis `dim`, negative from the end.
    pub fn new(dim: isize) -> LogSoftmax {
        LogSoftmax { dim: Some(dim), mode: Mode::default() }
    }

    fn text(&self) -> String {
        dim_text(self.dim)
    }
}

impl Default for LogSoftmax {
    /// Along the axis that PyTorch chooses when it is given none: the first of 0, 1 or 3 axes, else the second.
    fn default() -> LogSoftmax {
        LogSoftmax { dim: None, mode: Mode::default() }
    }
}

#[wengert_nn_derive::module]
impl Module for LogSoftmax {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.log_softmax(dim_or_chosen(self.dim, input))
    }
}

/// e⁻ˣ over its sum along an axis (`torch.nn.Softmin`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Softmin {
    dim: Option<isize>,
    mode: Mode,
}

impl Softmin {
    /// Along axis `dim`, negative from the end.
    pub fn new(dim: isize) -> Softmin {
        Softmin { dim: Some(dim), mode: Mode::default() }
    }

    fn text(&self) -> String {
        dim_text(self.dim)
    }
}

impl Default for Softmin {
    /// Along the axis that PyTorch chooses when it is given none: the first of 0, 1 or 3 axes, else the second.
    fn default() -> Softmin {
        Softmin { dim: None, mode: Mode::default() }
    }
}

#[wengert_nn_derive::module]
impl Module for Softmin {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.softmin(dim_or_chosen(self.dim, input))
    }
}

/// The first half of an axis times the sigmoid of the second (`torch.nn.GLU`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct GLU {
    dim: isize,
    mode: Mode,
}

impl GLU {
    /// Along axis `dim`, negative from the end; PyTorch's default is the last.
    pub fn new(dim: isize) -> GLU {
        GLU { dim, mode: Mode::default() }
    }

    fn text(&self) -> String {
        format!("dim={}", self.dim)
    }
}

impl Default for GLU {
    fn default() -> GLU {
        GLU::new(-1)
    }
}

#[wengert_nn_derive::module]
impl Module for GLU {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.glu(self.dim)
    }
}

inplace!(LeakyReLU, ELU, CELU, Hardtanh, Threshold);
rebuild! {
    LeakyReLU { negative_slope } also inplace;
    ELU { alpha } also inplace;
    CELU { alpha } also inplace;
    Softplus { beta, threshold };
    Hardtanh { min_val, max_val } also inplace;
    Threshold { threshold, value } also inplace;
    Hardshrink { lambd };
    Softshrink { lambd };
    GLU { dim as i64 };
}

fn dim_text(dim: Option<isize>) -> String {
    format!("dim={}", dim_value(dim))
}

fn dim_value(dim: Option<isize>) -> Value {
    optional(dim.map(|dim| dim as i64))
}

/// The axis, or the one that PyTorch takes for reasons of history.
fn dim_or_chosen(dim: Option<isize>, input: &Var) -> isize {
    dim.unwrap_or(if matches!(input.rank(), 0 | 1 | 3) { 0 } else { 1 })
}

/// The specs of layers that have an axis or none.
macro_rules! rebuild_axis {
    ($($Layer:ident),*) => {$(
        impl Rebuild for $Layer {
            const CLASS: &'static str = concat!("torch.nn.modules.activation.", stringify!($Layer));
            fn config(&self) -> Dict {
                [("dim", dim_value(self.dim))].into_iter().collect()
            }
            fn rebuild(parts: &mut Parts<'_>) -> Result<$Layer, SpecError> {
                Ok($Layer { dim: parts.get("dim")?, mode: parts.mode() })
            }
        }
    )*};
}
rebuild_axis!(Softmax, LogSoftmax, Softmin);

impl Rebuild for GELU {
    const CLASS: &'static str = "torch.nn.modules.activation.GELU";
    fn config(&self) -> Dict {
        [("approximate", self.name())].into_iter().collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<GELU, SpecError> {
        let approximate: String = parts.get_or("approximate", "none".to_owned())?;
        match approximate.as_str() {
            "none" | "tanh" => Ok(GELU { tanh: approximate == "tanh", mode: parts.mode() }),
            _ => parts.invalid(format!("approximate='{approximate}' is not supported")),
        }
    }
}
