//! Rprop (`torch.optim.Rprop`): Riedmiller and Braun 1993.

use crate::Error;
use crate::optimizer::{IntoParams, Optimizer};
use crate::rule::{Options, Rule, Slots, Update, apply, int_if_whole};
use wengert_tensor::{Dict, Tensor, Value};

/// Options of [`Rprop`], with PyTorch's defaults.
#[derive(Clone, Debug)]
pub struct RpropOptions {
    /// Learning rate.
    pub lr: f64,
    /// Factors of the step size after a change of sign and after none.
    pub etas: (f64, f64),
    /// Least and largest step size.
    pub step_sizes: (f64, f64),
    /// Ascends instead of descending.
    pub maximize: bool,
}

impl Default for RpropOptions {
    fn default() -> RpropOptions {
        RpropOptions { lr: 0.01, etas: (0.5, 1.2), step_sizes: (1e-6, 50.0), maximize: false }
    }
}

impl From<RpropOptions> for Dict {
    fn from(options: RpropOptions) -> Dict {
        Dict::from_iter([
            ("lr", Value::Float(options.lr)),
            ("etas", Value::Tuple(vec![Value::Float(options.etas.0), Value::Float(options.etas.1)])),
            ("step_sizes", Value::Tuple(vec![Value::Float(options.step_sizes.0), int_if_whole(options.step_sizes.1)])),
            ("foreach", Value::None),
            ("maximize", Value::Bool(options.maximize)),
            ("differentiable", Value::Bool(false)),
            ("capturable", Value::Bool(false)),
        ])
    }
}

/// Makes an [`Optimizer`] that runs Rprop.
pub struct Rprop;

impl Rprop {
    /// Optimizes all parameters with the same options.
    ///
    /// # Panics
    /// If the list is empty, a parameter occurs in two groups, or an option is out of range, in PyTorch's words.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every rule")]
    #[track_caller]
    pub fn new(params: impl IntoParams, options: RpropOptions) -> Optimizer {
        Optimizer::with_rule(Rprop, params, options.into())
    }
}

impl Rule for Rprop {
    fn name(&self) -> &'static str {
        "Rprop"
    }

    fn defaults(&self) -> Dict {
        RpropOptions::default().into()
    }

    fn prepare(&self, group: &Dict) -> Result<Update, Error> {
        let lr = group.at_least_zero("lr", "learning rate")?;
        let (minus, plus) = group.pair("etas")?;
        if !(0.0 < minus && minus < 1.0 && 1.0 < plus) {
            let text = format!("Invalid eta values: {}, {}", Value::Float(minus), Value::Float(plus));
            return Err(Error::InvalidOption(text));
        }
        let (least, most) = group.pair("step_sizes")?;
        let sign = if group.flag("maximize")? { -1.0 } else { 1.0 };
        macro_rules! formula {
            ($t:ty) => {
                move |[p, prev, size]: [$t; 3], g: $t| {
                    let g = sign as $t * g;
                    let same = g * prev;
                    let turned = same < 0.0;
                    let size = size
                        * if same > 0.0 {
                            plus as $t
                        } else if turned {
                            minus as $t
                        } else {
                            1.0
                        };
                    let size = if size < least as $t { least as $t } else { size };
                    let size = if size > most as $t { most as $t } else { size };
                    let g = if turned { 0.0 } else { g };
                    let step = if g > 0.0 {
                        size
                    } else if g < 0.0 {
                        -size
                    } else {
                        0.0
                    };
                    [p - step, g, size]
                }
            };
        }
        Ok(Box::new(move |param: &mut Tensor, grad: &Tensor, slots: &mut Slots| {
            slots.count_step();
            if slots.get("step_size").is_none() {
                slots.zeros(["prev"], param);
                slots.insert("step_size", Tensor::full(param.shape(), lr, param.dtype()));
            }
            let [prev, size] = slots.zeros(["prev", "step_size"], param);
            apply([param, prev, size], grad, formula!(f32), formula!(f64));
        }))
    }
}
