//! [`Linear`] and [`Identity`].

use crate::{Mode, Module, Param, Parts, Rebuild, SpecError, Tree, Var, init};
use wengert_tensor::{Dict, Value};

/// `y = x Wᵀ + b` over the last axis (`torch.nn.Linear`): (…, in) to (…, out).
///
/// `weight` is (out, in) and `bias` (out), both drawn from U(−1/√in, 1/√in).
///
/// # Examples
/// ```
/// use wengert_nn::{Linear, LinearOptions};
/// assert_eq!(Linear::new(3, 2).to_string(), "Linear(in_features=3, out_features=2, bias=True)");
/// let plain = Linear::with(LinearOptions { bias: false, ..LinearOptions::new(3, 2) });
/// assert!(plain.bias.is_none());
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Linear {
    /// (out, in).
    pub weight: Param,
    /// (out).
    pub bias: Option<Param>,
    pub(crate) in_features: usize,
    pub(crate) out_features: usize,
    mode: Mode,
}

/// What [`Linear::with`] takes.
#[derive(Clone, Copy, Debug)]
pub struct LinearOptions {
    /// Size of the input's last axis.
    pub in_features: usize,
    /// Size of the output's last axis.
    pub out_features: usize,
    /// Whether to add a bias: yes.
    pub bias: bool,
}

impl LinearOptions {
    /// The defaults.
    pub const fn new(in_features: usize, out_features: usize) -> LinearOptions {
        LinearOptions { in_features, out_features, bias: true }
    }
}

impl Linear {
    /// With a bias.
    pub fn new(in_features: usize, out_features: usize) -> Linear {
        Linear::with(LinearOptions::new(in_features, out_features))
    }

    /// With options.
    pub fn with(options: LinearOptions) -> Linear {
        let LinearOptions { in_features, out_features, bias } = options;
        let (weight, bias) = init::affine(&[out_features, in_features], bias);
        Linear { weight, bias, in_features, out_features, mode: Mode::default() }
    }

    /// One of the same sizes, in the same mode, with a bias and parameters of its own.
    pub(crate) fn with_parameters(&self, weight: Param, bias: Param) -> Linear {
        let mode = Mode::default();
        mode.inherit(&self.mode);
        Linear { weight, bias: Some(bias), in_features: self.in_features, out_features: self.out_features, mode }
    }

    fn text(&self) -> String {
        let bias = Value::from(self.bias.is_some());
        format!("in_features={}, out_features={}, bias={bias}", self.in_features, self.out_features)
    }
}

#[wengert_nn_derive::module]
impl Module for Linear {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.linear(&self.weight.var(), self.bias.as_ref().map(Param::var).as_ref())
    }
    #[track_caller]
    fn forward_relu(&self, input: &Var) -> Var {
        input.linear_relu(&self.weight.var(), self.bias.as_ref().map(Param::var).as_ref())
    }
}

/// Returns its input (`torch.nn.Identity`).
#[derive(Default, Tree)]
pub struct Identity {
    mode: Mode,
}

impl Identity {
    /// The layer.
    pub fn new() -> Identity {
        Identity::default()
    }
}

#[wengert_nn_derive::module]
impl Module for Identity {
    fn forward(&self, input: &Var) -> Var {
        input.clone()
    }
}

impl Rebuild for Linear {
    const CLASS: &'static str = "torch.nn.modules.linear.Linear";
    const PARAMS: &'static [&'static str] = &["weight", "bias"];
    fn config(&self) -> Dict {
        [("in_features", self.in_features), ("out_features", self.out_features)].into_iter().collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<Linear, SpecError> {
        let (in_features, out_features) = (parts.get("in_features")?, parts.get("out_features")?);
        Ok(Linear {
            weight: parts.param("weight", &[out_features, in_features])?,
            bias: parts.optional_param("bias", &[out_features])?,
            in_features,
            out_features,
            mode: parts.mode(),
        })
    }
}

impl Rebuild for Identity {
    const CLASS: &'static str = "torch.nn.modules.linear.Identity";
    fn rebuild(parts: &mut Parts<'_>) -> Result<Identity, SpecError> {
        Ok(Identity { mode: parts.mode() })
    }
}
