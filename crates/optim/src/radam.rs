//! RAdam (`torch.optim.RAdam`): Liu et al. 2019.

use crate::Error;
use crate::optimizer::{IntoParams, Optimizer};
use crate::rule::{Moments, Rule, Slots, Update, apply, int_if_zero, lerp};
use wengert_tensor::{Dict, Tensor, Value};

/// Options of [`RAdam`], with PyTorch's defaults.
#[derive(Clone, Debug)]
pub struct RAdamOptions {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the averages of the gradient and of its size.
    pub betas: (f64, f64),
    /// Added to the denominator.
    pub eps: f64,
    /// L2 penalty, or the decay factor if decoupled.
    pub weight_decay: f64,
    /// Decays the weights apart from the gradient, as AdamW.
    pub decoupled_weight_decay: bool,
    /// Ascends instead of descending.
    pub maximize: bool,
}

impl Default for RAdamOptions {
    fn default() -> RAdamOptions {
        RAdamOptions {
            lr: 0.001,
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.0,
            decoupled_weight_decay: false,
            maximize: false,
        }
    }
}

impl From<RAdamOptions> for Dict {
    fn from(options: RAdamOptions) -> Dict {
        Dict::from_iter([
            ("lr", Value::Float(options.lr)),
            ("betas", Value::Tuple(vec![Value::Float(options.betas.0), Value::Float(options.betas.1)])),
            ("eps", Value::Float(options.eps)),
            ("weight_decay", int_if_zero(options.weight_decay)),
            ("maximize", Value::Bool(options.maximize)),
            ("foreach", Value::None),
            ("capturable", Value::Bool(false)),
            ("decoupled_weight_decay", Value::Bool(options.decoupled_weight_decay)),
            ("differentiable", Value::Bool(false)),
        ])
    }
}

/// Makes an [`Optimizer`] that runs RAdam.
pub struct RAdam;

impl RAdam {
    /// Optimizes all parameters with the same options.
    ///
    /// # Panics
    /// If the list is empty, a parameter occurs in two groups, or an option is out of range, in PyTorch's words.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every rule")]
    #[track_caller]
    pub fn new(params: impl IntoParams, options: RAdamOptions) -> Optimizer {
        Optimizer::with_rule(RAdam, params, options.into())
    }
}

impl Rule for RAdam {
    fn name(&self) -> &'static str {
        "RAdam"
    }

    fn defaults(&self) -> Dict {
        RAdamOptions::default().into()
    }

    fn prepare(&self, group: &Dict) -> Result<Update, Error> {
        let Moments { lr, beta1, beta2, eps, sign, shrink, penalty } = Moments::new(group)?;
        Ok(Box::new(move |param: &mut Tensor, grad: &Tensor, slots: &mut Slots| {
            let step = slots.count_step();
            let correction = 1.0 - beta1.powf(step);
            let correction2 = 1.0 - beta2.powf(step);
            let root = correction2.sqrt();
            // The length of the moving average; while it is short the variance is unknown and the step a plain one.
            let longest = 2.0 / (1.0 - beta2) - 1.0;
            let length = longest - 2.0 * step * beta2.powf(step) / correction2;
            let rectified = length > 5.0;
            let factor =
                ((length - 4.0) * (length - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * length)).sqrt();
            macro_rules! formula {
                ($t:ty) => {
                    move |[p, m, v]: [$t; 3], g: $t| {
                        let g = sign as $t * g;
                        let p = if shrink != 1.0 { shrink as $t * p } else { p };
                        let g = if penalty != 0.0 { g + penalty as $t * p } else { g };
                        let m = lerp!($t, m, g, 1.0 - beta1);
                        let v = beta2 as $t * v + (1.0 - beta2) as $t * g * g;
                        let mean = m / correction as $t * lr as $t;
                        let size = if rectified { root as $t / (v.sqrt() + eps as $t) * factor as $t } else { 1.0 };
                        [p - mean * size, m, v]
                    }
                };
            }
            let [m, v] = slots.zeros(["exp_avg", "exp_avg_sq"], param);
            apply([param, m, v], grad, formula!(f32), formula!(f64));
        }))
    }
}
