//! RMSprop (`torch.optim.RMSprop`): Hinton's lecture 6 of 2012, centred as Graves 2013.

use crate::Error;
use crate::optimizer::{IntoParams, Optimizer};
use crate::rule::{Options, Rule, Slots, Update, apply, int_if_zero, lerp};
use wengert_tensor::{Dict, Tensor, Value};

/// Options of [`RmsProp`], with PyTorch's defaults.
#[derive(Clone, Debug)]
pub struct RmsPropOptions {
    /// Learning rate.
    pub lr: f64,
    /// Momentum factor; 0 keeps no buffer.
    pub momentum: f64,
    /// Decay of the average of the squared gradient.
    pub alpha: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// Divides by the deviation from the average gradient instead of by the root mean square.
    pub centered: bool,
    /// L2 penalty: adds `weight_decay * param` to the gradient.
    pub weight_decay: f64,
    /// Ascends instead of descending.
    pub maximize: bool,
}

impl Default for RmsPropOptions {
    fn default() -> RmsPropOptions {
        RmsPropOptions {
            lr: 0.01,
            momentum: 0.0,
            alpha: 0.99,
            eps: 1e-8,
            centered: false,
            weight_decay: 0.0,
            maximize: false,
        }
    }
}

impl From<RmsPropOptions> for Dict {
    fn from(options: RmsPropOptions) -> Dict {
        Dict::from_iter([
            ("lr", Value::Float(options.lr)),
            ("momentum", int_if_zero(options.momentum)),
            ("alpha", Value::Float(options.alpha)),
            ("eps", Value::Float(options.eps)),
            ("centered", Value::Bool(options.centered)),
            ("weight_decay", int_if_zero(options.weight_decay)),
            ("capturable", Value::Bool(false)),
            ("foreach", Value::None),
            ("maximize", Value::Bool(options.maximize)),
            ("differentiable", Value::Bool(false)),
        ])
    }
}

/// Makes an [`Optimizer`] that runs RMSprop.
pub struct RmsProp;

impl RmsProp {
    /// Optimizes all parameters with the same options.
    ///
    /// # Panics
    /// If the list is empty, a parameter occurs in two groups, or an option is out of range, in PyTorch's words.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every rule")]
    #[track_caller]
    pub fn new(params: impl IntoParams, options: RmsPropOptions) -> Optimizer {
        Optimizer::with_rule(RmsProp, params, options.into())
    }
}

impl Rule for RmsProp {
    fn name(&self) -> &'static str {
        "RMSprop"
    }

    fn defaults(&self) -> Dict {
        RmsPropOptions::default().into()
    }

    fn prepare(&self, group: &Dict) -> Result<Update, Error> {
        let lr = group.at_least_zero("lr", "learning rate")?;
        let eps = group.at_least_zero("eps", "epsilon value")?;
        let momentum = group.at_least_zero("momentum", "momentum value")?;
        let weight_decay = group.at_least_zero("weight_decay", "weight_decay value")?;
        let alpha = group.at_least_zero("alpha", "alpha value")?;
        let centered = group.flag("centered")?;
        let sign = if group.flag("maximize")? { -1.0 } else { 1.0 };
        // Parameter, mean square, momentum buffer and mean gradient; what is not kept goes in as 0 and is dropped.
        macro_rules! formula {
            ($t:ty) => {
                move |p: $t, v: $t, buf: $t, m: $t, g: $t| {
                    let g = sign as $t * g;
                    let g = if weight_decay != 0.0 { g + weight_decay as $t * p } else { g };
                    let v = alpha as $t * v + (1.0 - alpha) as $t * g * g;
                    let m = lerp!($t, m, g, 1.0 - alpha);
                    let denom = if centered { v - m * m } else { v }.sqrt() + eps as $t;
                    if momentum > 0.0 {
                        let buf = momentum as $t * buf + g / denom;
                        (p - lr as $t * buf, v, buf, m)
                    } else {
                        (p - lr as $t * g / denom, v, buf, m)
                    }
                }
            };
        }
        let (single, double) = (formula!(f32), formula!(f64));
        Ok(Box::new(move |param: &mut Tensor, grad: &Tensor, slots: &mut Slots| {
            slots.count_step();
            // One closure for each set of slots that is kept.
            match (momentum > 0.0, centered) {
                (false, false) => {
                    let [v] = slots.zeros(["square_avg"], param);
                    let single = move |[p, v]: [f32; 2], g: f32| {
                        let (p, v, _, _) = single(p, v, 0.0, 0.0, g);
                        [p, v]
                    };
                    let double = move |[p, v]: [f64; 2], g: f64| {
                        let (p, v, _, _) = double(p, v, 0.0, 0.0, g);
                        [p, v]
                    };
                    apply([param, v], grad, single, double);
                }
                (true, false) => {
                    let [v, buf] = slots.zeros(["square_avg", "momentum_buffer"], param);
                    let single = move |[p, v, buf]: [f32; 3], g: f32| {
                        let (p, v, buf, _) = single(p, v, buf, 0.0, g);
                        [p, v, buf]
                    };
                    let double = move |[p, v, buf]: [f64; 3], g: f64| {
                        let (p, v, buf, _) = double(p, v, buf, 0.0, g);
                        [p, v, buf]
                    };
                    apply([param, v, buf], grad, single, double);
                }
                (false, true) => {
                    let [v, m] = slots.zeros(["square_avg", "grad_avg"], param);
                    let single = move |[p, v, m]: [f32; 3], g: f32| {
                        let (p, v, _, m) = single(p, v, 0.0, m, g);
                        [p, v, m]
                    };
                    let double = move |[p, v, m]: [f64; 3], g: f64| {
                        let (p, v, _, m) = double(p, v, 0.0, m, g);
                        [p, v, m]
                    };
                    apply([param, v, m], grad, single, double);
                }
                (true, true) => {
                    let [v, buf, m] = slots.zeros(["square_avg", "momentum_buffer", "grad_avg"], param);
                    let single = move |[p, v, buf, m]: [f32; 4], g: f32| {
                        let (p, v, buf, m) = single(p, v, buf, m, g);
                        [p, v, buf, m]
                    };
                    let double = move |[p, v, buf, m]: [f64; 4], g: f64| {
                        let (p, v, buf, m) = double(p, v, buf, m, g);
                        [p, v, buf, m]
                    };
                    apply([param, v, buf, m], grad, single, double);
                }
            }
        }))
    }
}
