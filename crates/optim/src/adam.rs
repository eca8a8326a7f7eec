//! Adam and AdamW (`torch.optim.Adam`, `torch.optim.AdamW`): Kingma and Ba 2014, Loshchilov and Hutter 2017.

use crate::Error;
use crate::optimizer::{IntoParams, Optimizer};
use crate::rule::{Moments, Options, Rule, Slots, Update, apply, int_if_zero, lerp};
use wengert_tensor::{Dict, Tensor, Value};

/// Options of [`Adam`], with PyTorch's defaults.
#[derive(Clone, Debug)]
pub struct AdamOptions {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the averages of the gradient and of its square.
    pub betas: (f64, f64),
    /// Added to the denominator.
    pub eps: f64,
    /// L2 penalty, or the decay factor if decoupled.
    pub weight_decay: f64,
    /// Uses the maximum of all second moments so far.
    pub amsgrad: bool,
    /// Ascends instead of descending.
    pub maximize: bool,
    /// Decays the weights apart from the gradient, as AdamW.
    pub decoupled_weight_decay: bool,
}

impl Default for AdamOptions {
    fn default() -> AdamOptions {
        AdamOptions {
            lr: 0.001,
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.0,
            amsgrad: false,
            maximize: false,
            decoupled_weight_decay: false,
        }
    }
}

impl From<AdamOptions> for Dict {
    fn from(options: AdamOptions) -> Dict {
        let betas = Value::Tuple(vec![Value::Float(options.betas.0), Value::Float(options.betas.1)]);
        Dict::from_iter([
            ("lr", Value::Float(options.lr)),
            ("betas", betas),
            ("eps", Value::Float(options.eps)),
            ("weight_decay", int_if_zero(options.weight_decay)),
            ("amsgrad", Value::Bool(options.amsgrad)),
            ("maximize", Value::Bool(options.maximize)),
            ("foreach", Value::None),
            ("capturable", Value::Bool(false)),
            ("differentiable", Value::Bool(false)),
            ("fused", Value::None),
            ("decoupled_weight_decay", Value::Bool(options.decoupled_weight_decay)),
        ])
    }
}

/// Makes an [`Optimizer`] that runs Adam.
pub struct Adam;

impl Adam {
    /// Optimizes all parameters with the same options.
    ///
    /// # Panics
    /// If the list is empty, a parameter occurs in two groups, or an option is out of range, in PyTorch's words.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every rule")]
    #[track_caller]
    pub fn new(params: impl IntoParams, options: AdamOptions) -> Optimizer {
        Optimizer::with_rule(AdamRule { decoupled: false }, params, options.into())
    }
}

/// Options of [`AdamW`], with PyTorch's defaults: those of [`AdamOptions`] but a weight decay of 0.01.
#[derive(Clone, Debug)]
pub struct AdamWOptions {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the averages of the gradient and of its square.
    pub betas: (f64, f64),
    /// Added to the denominator.
    pub eps: f64,
    /// The weights shrink by `lr * weight_decay` per step.
    pub weight_decay: f64,
    /// Uses the maximum of all second moments so far.
    pub amsgrad: bool,
    /// Ascends instead of descending.
    pub maximize: bool,
}

impl Default for AdamWOptions {
    fn default() -> AdamWOptions {
        AdamWOptions { lr: 0.001, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.01, amsgrad: false, maximize: false }
    }
}

/// Makes an [`Optimizer`] that runs Adam with decoupled weight decay.
pub struct AdamW;

impl AdamW {
    /// Optimizes all parameters with the same options.
    ///
    /// # Panics
    /// As [`Adam::new`].
    #[expect(clippy::new_ret_no_self, reason = "one type runs every rule")]
    #[track_caller]
    pub fn new(params: impl IntoParams, options: AdamWOptions) -> Optimizer {
        let AdamWOptions { lr, betas, eps, weight_decay, amsgrad, maximize } = options;
        let options = AdamOptions { lr, betas, eps, weight_decay, amsgrad, maximize, decoupled_weight_decay: true };
        Optimizer::with_rule(AdamRule { decoupled: true }, params, options.into())
    }
}

/// The rule of both.
struct AdamRule {
    /// Whether this is AdamW, which differs in name and defaults only.
    decoupled: bool,
}

impl Rule for AdamRule {
    fn name(&self) -> &'static str {
        if self.decoupled { "AdamW" } else { "Adam" }
    }

    fn defaults(&self) -> Dict {
        let weight_decay = if self.decoupled { 0.01 } else { 0.0 };
        AdamOptions { weight_decay, decoupled_weight_decay: self.decoupled, ..AdamOptions::default() }.into()
    }

    fn prepare(&self, group: &Dict) -> Result<Update, Error> {
        let Moments { lr, beta1, beta2, eps, sign, shrink, penalty } = Moments::new(group)?;
        let amsgrad = group.flag("amsgrad")?;
        Ok(Box::new(move |param: &mut Tensor, grad: &Tensor, slots: &mut Slots| {
            let step = slots.count_step();
            // As PyTorch: the corrections are Python floats, the tensors are the parameter's dtype.
            let step_size = lr / (1.0 - beta1.powf(step));
            let root = (1.0 - beta2.powf(step)).sqrt();
            macro_rules! moments {
                ($t:ty, $p:ident, $m:ident, $v:ident, $g:ident) => {{
                    let g = sign as $t * $g;
                    let p = if shrink != 1.0 { shrink as $t * $p } else { $p };
                    let g = if penalty != 0.0 { g + penalty as $t * p } else { g };
                    let m = lerp!($t, $m, g, 1.0 - beta1);
                    let v = beta2 as $t * $v + (1.0 - beta2) as $t * g * g;
                    (p, m, v)
                }};
            }
            macro_rules! plain {
                ($t:ty) => {
                    move |[p, m, v]: [$t; 3], g: $t| {
                        let (p, m, v) = moments!($t, p, m, v, g);
                        let denom = v.sqrt() / root as $t + eps as $t;
                        [p - step_size as $t * m / denom, m, v]
                    }
                };
            }
            macro_rules! with_max {
                ($t:ty) => {
                    move |[p, m, v, max]: [$t; 4], g: $t| {
                        let (p, m, v) = moments!($t, p, m, v, g);
                        let max = if v > max || v.is_nan() { v } else { max };
                        let denom = max.sqrt() / root as $t + eps as $t;
                        [p - step_size as $t * m / denom, m, v, max]
                    }
                };
            }
            if amsgrad {
                let [m, v, max] = slots.zeros(["exp_avg", "exp_avg_sq", "max_exp_avg_sq"], param);
                apply([param, m, v, max], grad, with_max!(f32), with_max!(f64));
            } else {
                let [m, v] = slots.zeros(["exp_avg", "exp_avg_sq"], param);
                apply([param, m, v], grad, plain!(f32), plain!(f64));
            }
        }))
    }
}
