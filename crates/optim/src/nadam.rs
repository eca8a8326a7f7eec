//! NAdam (`torch.optim.NAdam`): Dozat 2016.

use crate::Error;
use crate::optimizer::{IntoParams, Optimizer};
use crate::rule::{Moments, Options, Rule, Slots, Update, apply, int_if_zero, lerp};
use wengert_tensor::{DType, Dict, Tensor, Value};

/// Options of [`NAdam`], with PyTorch's defaults.
#[derive(Clone, Debug)]
pub struct NAdamOptions {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the averages of the gradient and of its size.
    pub betas: (f64, f64),
    /// Added to the denominator.
    pub eps: f64,
    /// L2 penalty, or the decay factor if decoupled.
    pub weight_decay: f64,
    /// How fast the momentum approaches its final value.
    pub momentum_decay: f64,
    /// Decays the weights apart from the gradient, as AdamW.
    pub decoupled_weight_decay: bool,
    /// Ascends instead of descending.
    pub maximize: bool,
}

impl Default for NAdamOptions {
    fn default() -> NAdamOptions {
        NAdamOptions {
            lr: 0.002,
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.0,
            momentum_decay: 0.004,
            decoupled_weight_decay: false,
            maximize: false,
        }
    }
}

impl From<NAdamOptions> for Dict {
    fn from(options: NAdamOptions) -> Dict {
        Dict::from_iter([
            ("lr", Value::Float(options.lr)),
            ("betas", Value::Tuple(vec![Value::Float(options.betas.0), Value::Float(options.betas.1)])),
            ("eps", Value::Float(options.eps)),
            ("weight_decay", int_if_zero(options.weight_decay)),
            ("momentum_decay", Value::Float(options.momentum_decay)),
            ("decoupled_weight_decay", Value::Bool(options.decoupled_weight_decay)),
            ("maximize", Value::Bool(options.maximize)),
            ("foreach", Value::None),
            ("capturable", Value::Bool(false)),
            ("differentiable", Value::Bool(false)),
        ])
    }
}

/// Makes an [`Optimizer`] that runs NAdam.
pub struct NAdam;

impl NAdam {
    /// Optimizes all parameters with the same options.
    ///
    /// # Panics
    /// If the list is empty, a parameter occurs in two groups, or an option is out of range, in PyTorch's words.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every rule")]
    #[track_caller]
    pub fn new(params: impl IntoParams, options: NAdamOptions) -> Optimizer {
        Optimizer::with_rule(NAdam, params, options.into())
    }
}

impl Rule for NAdam {
    fn name(&self) -> &'static str {
        "NAdam"
    }

    fn defaults(&self) -> Dict {
        NAdamOptions::default().into()
    }

    fn slot_shape(&self, slot: &str, param: &[usize]) -> Vec<usize> {
        if ["step", "mu_product"].contains(&slot) { Vec::new() } else { param.to_vec() }
    }

    fn prepare(&self, group: &Dict) -> Result<Update, Error> {
        let Moments { lr, beta1, beta2, eps, sign, shrink, penalty } = Moments::new(group)?;
        let momentum_decay = group.at_least_zero("momentum_decay", "momentum_decay value")?;
        Ok(Box::new(move |param: &mut Tensor, grad: &Tensor, slots: &mut Slots| {
            let step = slots.count_step();
            let correction = 1.0 - beta2.powf(step);
            let mu = beta1 * (1.0 - 0.5 * 0.96f64.powf(step * momentum_decay));
            let mu_next = beta1 * (1.0 - 0.5 * 0.96f64.powf((step + 1.0) * momentum_decay));
            // PyTorch keeps the product as f32 until it is loaded.
            let before = slots.number("mu_product").unwrap_or(1.0);
            let wide = slots.get("mu_product").is_some_and(|t| t.dtype() == DType::F64);
            slots.set_number("mu_product", if wide { before * mu } else { f64::from(before as f32 * mu as f32) });
            let product = slots.number("mu_product").expect("just set");
            let by_grad = -lr * (1.0 - mu) / (1.0 - product);
            let by_mean = -lr * mu_next / (1.0 - product * mu_next);
            macro_rules! formula {
                ($t:ty) => {
                    move |[p, m, v]: [$t; 3], g: $t| {
                        let g = sign as $t * g;
                        let p = if shrink != 1.0 { shrink as $t * p } else { p };
                        let g = if penalty != 0.0 { g + penalty as $t * p } else { g };
                        let m = lerp!($t, m, g, 1.0 - beta1);
                        let v = beta2 as $t * v + (1.0 - beta2) as $t * g * g;
                        let denom = (v / correction as $t).sqrt() + eps as $t;
                        [p + by_grad as $t * g / denom + by_mean as $t * m / denom, m, v]
                    }
                };
            }
            let [m, v] = slots.zeros(["exp_avg", "exp_avg_sq"], param);
            apply([param, m, v], grad, formula!(f32), formula!(f64));
        }))
    }
}
