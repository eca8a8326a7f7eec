//! Adadelta (`torch.optim.Adadelta`): Zeiler 2012.

use crate::Error;
use crate::optimizer::{IntoParams, Optimizer};
use crate::rule::{Options, Rule, Slots, Update, apply, int_if_zero, shown};
use wengert_tensor::{Dict, Tensor, Value};

/// Options of [`Adadelta`], with PyTorch's defaults.
#[derive(Clone, Debug)]
pub struct AdadeltaOptions {
    /// Scales the step that the rule proposes.
    pub lr: f64,
    /// Decay of the averages of the squared gradient and of the squared step.
    pub rho: f64,
    /// Added under both roots.
    pub eps: f64,
    /// L2 penalty: adds `weight_decay * param` to the gradient.
    pub weight_decay: f64,
    /// Ascends instead of descending.
    pub maximize: bool,
}

impl Default for AdadeltaOptions {
    fn default() -> AdadeltaOptions {
        AdadeltaOptions { lr: 1.0, rho: 0.9, eps: 1e-6, weight_decay: 0.0, maximize: false }
    }
}

impl From<AdadeltaOptions> for Dict {
    fn from(options: AdadeltaOptions) -> Dict {
        Dict::from_iter([
            ("lr", Value::Float(options.lr)),
            ("rho", Value::Float(options.rho)),
            ("eps", Value::Float(options.eps)),
            ("weight_decay", int_if_zero(options.weight_decay)),
            ("maximize", Value::Bool(options.maximize)),
            ("capturable", Value::Bool(false)),
            ("foreach", Value::None),
            ("differentiable", Value::Bool(false)),
        ])
    }
}

/// Makes an [`Optimizer`] that runs Adadelta.
pub struct Adadelta;

impl Adadelta {
    /// Optimizes all parameters with the same options.
    ///
    /// # Panics
    /// If the list is empty, a parameter occurs in two groups, or an option is out of range, in PyTorch's words.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every rule")]
    #[track_caller]
    pub fn new(params: impl IntoParams, options: AdadeltaOptions) -> Optimizer {
        Optimizer::with_rule(Adadelta, params, options.into())
    }
}

impl Rule for Adadelta {
    fn name(&self) -> &'static str {
        "Adadelta"
    }

    fn defaults(&self) -> Dict {
        AdadeltaOptions::default().into()
    }

    fn prepare(&self, group: &Dict) -> Result<Update, Error> {
        let lr = group.at_least_zero("lr", "learning rate")?;
        let rho = group.number("rho")?;
        if !(0.0..=1.0).contains(&rho) {
            return Err(Error::InvalidOption(format!("Invalid rho value: {}", shown(group, "rho"))));
        }
        let eps = group.at_least_zero("eps", "epsilon value")?;
        let weight_decay = group.at_least_zero("weight_decay", "weight_decay value")?;
        let sign = if group.flag("maximize")? { -1.0 } else { 1.0 };
        macro_rules! formula {
            ($t:ty) => {
                move |[p, square, acc]: [$t; 3], g: $t| {
                    let g = sign as $t * g;
                    let g = if weight_decay != 0.0 { g + weight_decay as $t * p } else { g };
                    let square = rho as $t * square + (1.0 - rho) as $t * g * g;
                    let delta = (acc + eps as $t).sqrt() / (square + eps as $t).sqrt() * g;
                    let acc = rho as $t * acc + (1.0 - rho) as $t * delta * delta;
                    [p - lr as $t * delta, square, acc]
                }
            };
        }
        Ok(Box::new(move |param: &mut Tensor, grad: &Tensor, slots: &mut Slots| {
            slots.count_step();
            let [square, acc] = slots.zeros(["square_avg", "acc_delta"], param);
            apply([param, square, acc], grad, formula!(f32), formula!(f64));
        }))
    }
}
