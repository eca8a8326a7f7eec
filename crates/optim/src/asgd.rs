//! Averaged stochastic gradient descent (`torch.optim.ASGD`): Polyak and Juditsky 1992.

use crate::Error;
use crate::optimizer::{IntoParams, Optimizer};
use crate::rule::{Options, Rule, Slots, Update, apply, int_if_zero};
use wengert_tensor::{Dict, Tensor, Value};

/// Options of [`Asgd`], with PyTorch's defaults.
#[derive(Clone, Debug)]
pub struct AsgdOptions {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the weights and of the learning rate.
    pub lambd: f64,
    /// Power of the decay of the learning rate.
    pub alpha: f64,
    /// The step at which averaging starts.
    pub t0: f64,
    /// L2 penalty: adds `weight_decay * param` to the gradient.
    pub weight_decay: f64,
    /// Ascends instead of descending.
    pub maximize: bool,
}

impl Default for AsgdOptions {
    fn default() -> AsgdOptions {
        AsgdOptions { lr: 0.01, lambd: 1e-4, alpha: 0.75, t0: 1e6, weight_decay: 0.0, maximize: false }
    }
}

impl From<AsgdOptions> for Dict {
    fn from(options: AsgdOptions) -> Dict {
        Dict::from_iter([
            ("lr", Value::Float(options.lr)),
            ("lambd", Value::Float(options.lambd)),
            ("alpha", Value::Float(options.alpha)),
            ("t0", Value::Float(options.t0)),
            ("weight_decay", int_if_zero(options.weight_decay)),
            ("foreach", Value::None),
            ("maximize", Value::Bool(options.maximize)),
            ("differentiable", Value::Bool(false)),
            ("capturable", Value::Bool(false)),
        ])
    }
}

/// Makes an [`Optimizer`] that runs ASGD.
pub struct Asgd;

impl Asgd {
    /// Optimizes all parameters with the same options.
    ///
    /// # Panics
    /// If the list is empty, a parameter occurs in two groups, or an option is out of range, in PyTorch's words.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every rule")]
    #[track_caller]
    pub fn new(params: impl IntoParams, options: AsgdOptions) -> Optimizer {
        Optimizer::with_rule(Asgd, params, options.into())
    }
}

impl Rule for Asgd {
    fn name(&self) -> &'static str {
        "ASGD"
    }

    fn defaults(&self) -> Dict {
        AsgdOptions::default().into()
    }

    fn slot_shape(&self, slot: &str, param: &[usize]) -> Vec<usize> {
        if ["step", "eta", "mu"].contains(&slot) { Vec::new() } else { param.to_vec() }
    }

    fn prepare(&self, group: &Dict) -> Result<Update, Error> {
        let lr = group.at_least_zero("lr", "learning rate")?;
        let lambd = group.at_least_zero("lambd", "lambd value")?;
        let alpha = group.at_least_zero("alpha", "alpha value")?;
        let t0 = group.number("t0")?;
        let weight_decay = group.at_least_zero("weight_decay", "weight_decay value")?;
        let sign = if group.flag("maximize")? { -1.0 } else { 1.0 };
        Ok(Box::new(move |param: &mut Tensor, grad: &Tensor, slots: &mut Slots| {
            let step = slots.count_step();
            // The rate and the weight of this step were computed at the end of the one before, and rounded to f32.
            let eta = slots.number("eta").unwrap_or(f64::from(lr as f32));
            let mu = slots.number("mu").unwrap_or(1.0);
            slots.set_number("eta", f64::from((lr / (1.0 + lambd * lr * step).powf(alpha)) as f32));
            slots.set_number("mu", f64::from((1.0 / (step - t0).max(1.0)) as f32));
            let shrink = 1.0 - lambd * eta;
            macro_rules! formula {
                ($t:ty) => {
                    move |[p, ax]: [$t; 2], g: $t| {
                        let g = sign as $t * g;
                        let g = if weight_decay != 0.0 { g + weight_decay as $t * p } else { g };
                        let p = p * shrink as $t - eta as $t * g;
                        [p, if mu == 1.0 { p } else { ax + (p - ax) * mu as $t }]
                    }
                };
            }
            let [ax] = slots.zeros(["ax"], param);
            apply([param, ax], grad, formula!(f32), formula!(f64));
        }))
    }
}
