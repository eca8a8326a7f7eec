//! Adafactor (`torch.optim.Adafactor`): Shazeer and Stern 2018.

use crate::Error;
use crate::optimizer::{IntoParams, Optimizer};
use crate::rule::{Options, Rule, Slots, Update, should};
use wengert_tensor::{DType, Dict, Tensor, Value};

/// Options of [`Adafactor`], with PyTorch's defaults.
#[derive(Clone, Debug)]
pub struct AdafactorOptions {
    /// Largest relative step.
    pub lr: f64,
    /// The power of the step by which the averages of the squared gradient decay.
    pub beta2_decay: f64,
    /// Added to the squares (the dtype's machine epsilon if none), and the least size of a parameter.
    pub eps: (Option<f64>, f64),
    /// The largest root mean square of an update.
    pub d: f64,
    /// The weights shrink by `lr * weight_decay` per step.
    pub weight_decay: f64,
    /// Ascends instead of descending.
    pub maximize: bool,
}

impl Default for AdafactorOptions {
    fn default() -> AdafactorOptions {
        let eps = (None, 1e-3);
        AdafactorOptions { lr: 0.01, beta2_decay: -0.8, eps, d: 1.0, weight_decay: 0.0, maximize: false }
    }
}

impl From<AdafactorOptions> for Dict {
    fn from(options: AdafactorOptions) -> Dict {
        let eps = vec![options.eps.0.map_or(Value::None, Value::Float), Value::Float(options.eps.1)];
        Dict::from_iter([
            ("lr", Value::Float(options.lr)),
            ("beta2_decay", Value::Float(options.beta2_decay)),
            ("eps", Value::Tuple(eps)),
            ("d", Value::Float(options.d)),
            ("weight_decay", Value::Float(options.weight_decay)),
            ("foreach", Value::None),
            ("maximize", Value::Bool(options.maximize)),
        ])
    }
}

/// Makes an [`Optimizer`] that runs Adafactor, whose state for a matrix is a row and a column.
pub struct Adafactor;

impl Adafactor {
    /// Optimizes all parameters with the same options.
    ///
    /// # Panics
    /// If the list is empty, a parameter occurs in two groups, or an option is out of range, in PyTorch's words.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every rule")]
    #[track_caller]
    pub fn new(params: impl IntoParams, options: AdafactorOptions) -> Optimizer {
        Optimizer::with_rule(Adafactor, params, options.into())
    }
}

/// The root of the mean square.
fn size(tensor: &Tensor) -> f64 {
    tensor.vector_norm((), 2.0).item::<f64>() / (tensor.numel() as f64).sqrt()
}

/// The shape with one entry along a dim.
fn without(shape: &[usize], dim: usize) -> Vec<usize> {
    let mut shape = shape.to_vec();
    shape[dim] = 1;
    shape
}

impl Rule for Adafactor {
    fn name(&self) -> &'static str {
        "Adafactor"
    }

    fn defaults(&self) -> Dict {
        AdafactorOptions::default().into()
    }

    fn slot_shape(&self, slot: &str, param: &[usize]) -> Vec<usize> {
        match (slot, param.len()) {
            ("step", _) => Vec::new(),
            ("row_var", rank @ 2..) => without(param, rank - 1),
            ("col_var", rank @ 2..) => without(param, rank - 2),
            _ => param.to_vec(),
        }
    }

    fn prepare(&self, group: &Dict) -> Result<Update, Error> {
        let lr = should(group, "lr", "Learning rate should be >= 0", |lr| lr >= 0.0)?;
        let beta2_decay = should(group, "beta2_decay", "beta2_decay should be <= 0", |power| power <= 0.0)?;
        let (first, second) = match group.get("eps").and_then(Value::as_slice) {
            Some([first, second]) => (first, second),
            _ => return Err(Error::BadOption { key: "eps".to_owned(), expected: "a pair of numbers" }),
        };
        let check = |value: &Value, name: &str| match value.as_float() {
            Some(eps) if eps < 0.0 => Err(Error::InvalidOption(format!("{name} should be >= 0 but is: {value}"))),
            eps => Ok(eps),
        };
        let (eps1, eps2) = (check(first, "epsilon1")?, check(second, "epsilon2")?.unwrap_or(0.0));
        let d = should(group, "d", "Clipping threshold d should be >= 1", |d| d >= 1.0)?;
        let weight_decay = should(group, "weight_decay", "weight_decay should be >= 0", |decay| decay >= 0.0)?;
        let maximize = group.flag("maximize")?;
        Ok(Box::new(move |param: &mut Tensor, grad: &Tensor, slots: &mut Slots| {
            let grad = if maximize { grad.neg() } else { grad.clone() };
            let step = slots.count_step();
            let weight = step.powf(beta2_decay);
            let eps1 = eps1.unwrap_or(match param.dtype() {
                DType::F64 => f64::EPSILON,
                DType::F32 => f64::from(f32::EPSILON),
                DType::F16 => 0.000_976_562_5,
                _ => 0.007_812_5,
            });
            let alpha = eps2.max(size(param)) * lr.min(1.0 / step.sqrt());
            if weight_decay != 0.0 {
                param.mul_(1.0 - lr * weight_decay);
            }
            let mut average = |name: &str, shape: Vec<usize>, value: Tensor| {
                let before = slots.get(name).cloned().unwrap_or_else(|| Tensor::zeros(shape, value.dtype()));
                let after = before.lerp(&value, weight);
                slots.insert(name, after.clone());
                after
            };
            let variance = match grad.rank() {
                0 | 1 => average("variance", grad.shape().to_vec(), grad.mul(&grad)),
                rank => {
                    let mean = |dim: usize| {
                        let norm = grad.vector_norm_keepdim(dim as isize, 2.0);
                        norm.mul(&norm).div(grad.shape()[dim] as f64)
                    };
                    let row = average("row_var", without(grad.shape(), rank - 1), mean(rank - 1));
                    let column = average("col_var", without(grad.shape(), rank - 2), mean(rank - 2));
                    row.matmul(&column).div(row.mean_keepdim(-2).clamp(eps1, None))
                }
            };
            let update = variance.clamp(eps1 * eps1, None).rsqrt().mul(&grad);
            param.add_scaled_(-alpha / (size(&update) / d).max(1.0), &update);
        }))
    }
}
