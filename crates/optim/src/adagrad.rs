//! Adagrad (`torch.optim.Adagrad`): Duchi, Hazan and Singer 2011.

use crate::Error;
use crate::optimizer::{IntoParams, Optimizer};
use crate::rule::{Options, Rule, Slots, Update, apply, int_if_zero};
use wengert_tensor::{Dict, Tensor, Value};

/// Options of [`Adagrad`], with PyTorch's defaults.
#[derive(Clone, Debug)]
pub struct AdagradOptions {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the learning rate: step `n`, from 0, takes `lr / (1 + n * lr_decay)`.
    pub lr_decay: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// L2 penalty: adds `weight_decay * param` to the gradient.
    pub weight_decay: f64,
    /// What the sum of squares starts from.
    pub initial_accumulator_value: f64,
    /// Ascends instead of descending.
    pub maximize: bool,
}

impl Default for AdagradOptions {
    fn default() -> AdagradOptions {
        AdagradOptions {
            lr: 0.01,
            lr_decay: 0.0,
            eps: 1e-10,
            weight_decay: 0.0,
            initial_accumulator_value: 0.0,
            maximize: false,
        }
    }
}

impl From<AdagradOptions> for Dict {
    fn from(options: AdagradOptions) -> Dict {
        Dict::from_iter([
            ("lr", Value::Float(options.lr)),
            ("lr_decay", int_if_zero(options.lr_decay)),
            ("eps", Value::Float(options.eps)),
            ("weight_decay", int_if_zero(options.weight_decay)),
            ("initial_accumulator_value", int_if_zero(options.initial_accumulator_value)),
            ("foreach", Value::None),
            ("maximize", Value::Bool(options.maximize)),
            ("differentiable", Value::Bool(false)),
            ("fused", Value::None),
        ])
    }
}

/// Makes an [`Optimizer`] that runs Adagrad.
pub struct Adagrad;

impl Adagrad {
    /// Optimizes all parameters with the same options.
    ///
    /// # Panics
    /// If the list is empty, a parameter occurs in two groups, or an option is out of range, in PyTorch's words.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every rule")]
    #[track_caller]
    pub fn new(params: impl IntoParams, options: AdagradOptions) -> Optimizer {
        Optimizer::with_rule(Adagrad, params, options.into())
    }
}

impl Rule for Adagrad {
    fn name(&self) -> &'static str {
        "Adagrad"
    }

    fn defaults(&self) -> Dict {
        AdagradOptions::default().into()
    }

    fn initial_state(&self, group: &Dict, param: &Tensor) -> Slots {
        let start = group.number("initial_accumulator_value").unwrap_or(0.0);
        let mut slots = Slots::default();
        slots.insert("step", Tensor::from_vec(vec![0.0f32], ()));
        slots.insert("sum", Tensor::full(param.shape(), start, param.dtype()));
        slots
    }

    fn prepare(&self, group: &Dict) -> Result<Update, Error> {
        let lr = group.at_least_zero("lr", "learning rate")?;
        let lr_decay = group.at_least_zero("lr_decay", "lr_decay value")?;
        let weight_decay = group.at_least_zero("weight_decay", "weight_decay value")?;
        group.at_least_zero("initial_accumulator_value", "initial_accumulator_value value")?;
        let eps = group.at_least_zero("eps", "epsilon value")?;
        let sign = if group.flag("maximize")? { -1.0 } else { 1.0 };
        Ok(Box::new(move |param: &mut Tensor, grad: &Tensor, slots: &mut Slots| {
            let step = slots.count_step();
            let rate = lr / (1.0 + (step - 1.0) * lr_decay);
            macro_rules! formula {
                ($t:ty) => {
                    move |[p, sum]: [$t; 2], g: $t| {
                        let g = sign as $t * g;
                        let g = if weight_decay != 0.0 { g + weight_decay as $t * p } else { g };
                        let sum = sum + g * g;
                        [p - rate as $t * g / (sum.sqrt() + eps as $t), sum]
                    }
                };
            }
            let [sum] = slots.zeros(["sum"], param);
            apply([param, sum], grad, formula!(f32), formula!(f64));
        }))
    }
}
