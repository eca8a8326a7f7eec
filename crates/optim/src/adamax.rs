//! Adamax (`torch.optim.Adamax`): Kingma and Ba 2014, section 7.

use crate::Error;
use crate::optimizer::{IntoParams, Optimizer};
use crate::rule::{Moments, Rule, Slots, Update, apply, int_if_zero, lerp};
use wengert_tensor::{Dict, Tensor, Value};

/// Options of [`Adamax`], with PyTorch's defaults.
#[derive(Clone, Debug)]
pub struct AdamaxOptions {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the averages of the gradient and of its size.
    pub betas: (f64, f64),
    /// Added to the denominator.
    pub eps: f64,
    /// L2 penalty: adds `weight_decay * param` to the gradient.
    pub weight_decay: f64,
    /// Ascends instead of descending.
    pub maximize: bool,
}

impl Default for AdamaxOptions {
    fn default() -> AdamaxOptions {
        AdamaxOptions { lr: 0.002, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, maximize: false }
    }
}

impl From<AdamaxOptions> for Dict {
    fn from(options: AdamaxOptions) -> Dict {
        Dict::from_iter([
            ("lr", Value::Float(options.lr)),
            ("betas", Value::Tuple(vec![Value::Float(options.betas.0), Value::Float(options.betas.1)])),
            ("eps", Value::Float(options.eps)),
            ("weight_decay", int_if_zero(options.weight_decay)),
            ("foreach", Value::None),
            ("maximize", Value::Bool(options.maximize)),
            ("differentiable", Value::Bool(false)),
            ("capturable", Value::Bool(false)),
        ])
    }
}

/// Makes an [`Optimizer`] that runs Adamax.
pub struct Adamax;

impl Adamax {
    /// Optimizes all parameters with the same options.
    ///
    /// # Panics
    /// If the list is empty, a parameter occurs in two groups, or an option is out of range, in PyTorch's words.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every rule")]
    #[track_caller]
    pub fn new(params: impl IntoParams, options: AdamaxOptions) -> Optimizer {
        Optimizer::with_rule(Adamax, params, options.into())
    }
}

impl Rule for Adamax {
    fn name(&self) -> &'static str {
        "Adamax"
    }

    fn defaults(&self) -> Dict {
        AdamaxOptions::default().into()
    }

    fn prepare(&self, group: &Dict) -> Result<Update, Error> {
        let Moments { lr, beta1, beta2, eps, sign, penalty, .. } = Moments::new(group)?;
        Ok(Box::new(move |param: &mut Tensor, grad: &Tensor, slots: &mut Slots| {
            let rate = lr / (1.0 - beta1.powf(slots.count_step()));
            macro_rules! formula {
                ($t:ty) => {
                    move |[p, m, u]: [$t; 3], g: $t| {
                        let g = sign as $t * g;
                        let g = if penalty != 0.0 { g + penalty as $t * p } else { g };
                        let m = lerp!($t, m, g, 1.0 - beta1);
                        let (old, new) = (beta2 as $t * u, g.abs() + eps as $t);
                        let u = if new > old || new.is_nan() { new } else { old };
                        [p - rate as $t * m / u, m, u]
                    }
                };
            }
            let [m, u] = slots.zeros(["exp_avg", "exp_inf"], param);
            apply([param, m, u], grad, formula!(f32), formula!(f64));
        }))
    }
}
