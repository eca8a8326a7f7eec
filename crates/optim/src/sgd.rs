//! Stochastic gradient descent with momentum (`torch.optim.SGD`).

use crate::Error;
use crate::optimizer::{IntoParams, Optimizer};
use crate::rule::{Options, Rule, Slots, Update, apply, int_if_zero};
use wengert_tensor::{Dict, Tensor, Value};

/// Options of [`Sgd`], with PyTorch's defaults.
#[derive(Clone, Debug)]
pub struct SgdOptions {
    /// Learning rate.
    pub lr: f64,
    /// Momentum factor; 0 keeps no state.
    pub momentum: f64,
    /// Dampening of the gradient in the momentum; the first buffer is the undamped gradient.
    pub dampening: f64,
    /// L2 penalty: adds `weight_decay * param` to the gradient.
    pub weight_decay: f64,
    /// Nesterov momentum; needs a momentum and no dampening.
    pub nesterov: bool,
    /// Ascends instead of descending.
    pub maximize: bool,
}

impl Default for SgdOptions {
    fn default() -> SgdOptions {
        SgdOptions { lr: 0.001, momentum: 0.0, dampening: 0.0, weight_decay: 0.0, nesterov: false, maximize: false }
    }
}

impl From<SgdOptions> for Dict {
    fn from(options: SgdOptions) -> Dict {
        Dict::from_iter([
            ("lr", Value::Float(options.lr)),
            ("momentum", int_if_zero(options.momentum)),
            ("dampening", int_if_zero(options.dampening)),
            ("weight_decay", int_if_zero(options.weight_decay)),
            ("nesterov", Value::Bool(options.nesterov)),
            ("maximize", Value::Bool(options.maximize)),
            ("foreach", Value::None),
            ("differentiable", Value::Bool(false)),
            ("fused", Value::None),
        ])
    }
}

/// Makes an [`Optimizer`] that does stochastic gradient descent.
pub struct Sgd;

impl Sgd {
    /// Optimizes all parameters with the same options.
    ///
    /// # Panics
    /// If the list is empty, a parameter occurs in two groups, or an option is out of range, in PyTorch's words.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every rule")]
    #[track_caller]
    pub fn new(params: impl IntoParams, options: SgdOptions) -> Optimizer {
        Optimizer::with_rule(Sgd, params, options.into())
    }
}

impl Rule for Sgd {
    fn name(&self) -> &'static str {
        "SGD"
    }

    fn defaults(&self) -> Dict {
        SgdOptions::default().into()
    }

    fn prepare(&self, group: &Dict) -> Result<Update, Error> {
        let lr = group.at_least_zero("lr", "learning rate")?;
        let momentum = group.at_least_zero("momentum", "momentum value")?;
        let weight_decay = group.at_least_zero("weight_decay", "weight_decay value")?;
        let dampening = group.number("dampening")?;
        let nesterov = group.flag("nesterov")?;
        let sign = if group.flag("maximize")? { -1.0 } else { 1.0 };
        if nesterov && (momentum <= 0.0 || dampening != 0.0) {
            let text = "Nesterov momentum requires a momentum and zero dampening";
            return Err(Error::InvalidOption(text.to_owned()));
        }
        macro_rules! plain {
            ($t:ty) => {
                move |[p]: [$t; 1], g: $t| {
                    let g = sign as $t * g;
                    let g = if weight_decay != 0.0 { g + weight_decay as $t * p } else { g };
                    [p - lr as $t * g]
                }
            };
        }
        macro_rules! heavy {
            ($t:ty, $first:expr) => {
                move |[p, buf]: [$t; 2], g: $t| {
                    let g = sign as $t * g;
                    let g = if weight_decay != 0.0 { g + weight_decay as $t * p } else { g };
                    let buf = if $first { g } else { momentum as $t * buf + (1.0 - dampening) as $t * g };
                    let g = if nesterov { g + momentum as $t * buf } else { buf };
                    [p - lr as $t * g, buf]
                }
            };
        }
        Ok(Box::new(move |param: &mut Tensor, grad: &Tensor, slots: &mut Slots| {
            if momentum == 0.0 {
                return apply([param], grad, plain!(f32), plain!(f64));
            }
            let first = slots.get("momentum_buffer").is_none();
            let [buf] = slots.zeros(["momentum_buffer"], param);
            apply([param, buf], grad, heavy!(f32, first), heavy!(f64, first));
        }))
    }
}
