//! Muon (`torch.optim.Muon`): momentum whose update is made orthogonal, for the matrices of hidden layers (Jordan 2024).

use crate::Error;
use crate::optimizer::{IntoParams, Optimizer};
use crate::rule::{Options, Rule, Slots, Update, apply, should};
use wengert_tensor::{DType, Dict, Tensor, Value};

/// How [`Muon`] adjusts the learning rate to a matrix of `A` rows and `B` columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdjustLr {
    /// Times `sqrt(max(1, A / B))`.
    Original,
    /// Times `0.2 * sqrt(max(A, B))`, so that AdamW's learning rates serve.
    MatchRmsAdamW,
    /// Times `sqrt(A / B)`.
    SpectralUnclamped,
}

/// Options of [`Muon`], with PyTorch's defaults.
#[derive(Clone, Debug)]
pub struct MuonOptions {
    /// Learning rate.
    pub lr: f64,
    /// The weights shrink by `lr * weight_decay` per step.
    pub weight_decay: f64,
    /// Decay of the average of the gradient.
    pub momentum: f64,
    /// Nesterov momentum.
    pub nesterov: bool,
    /// Coefficients of the Newton-Schulz polynomial.
    pub ns_coefficients: (f64, f64, f64),
    /// The least norm that is divided by.
    pub eps: f64,
    /// Newton-Schulz steps.
    pub ns_steps: usize,
    /// How the learning rate is adjusted to the matrix; as [`AdjustLr::Original`] if none.
    pub adjust_lr_fn: Option<AdjustLr>,
}

impl Default for MuonOptions {
    fn default() -> MuonOptions {
        MuonOptions {
            lr: 0.001,
            weight_decay: 0.1,
            momentum: 0.95,
            nesterov: true,
            ns_coefficients: (3.4445, -4.775, 2.0315),
            eps: 1e-7,
            ns_steps: 5,
            adjust_lr_fn: None,
        }
    }
}

impl From<MuonOptions> for Dict {
    fn from(options: MuonOptions) -> Dict {
        let (a, b, c) = options.ns_coefficients;
        let adjust = options.adjust_lr_fn.map(|adjust| match adjust {
            AdjustLr::Original => "original",
            AdjustLr::MatchRmsAdamW => "match_rms_adamw",
            AdjustLr::SpectralUnclamped => "spectral_unclamped",
        });
        Dict::from_iter([
            ("lr", Value::Float(options.lr)),
            ("weight_decay", Value::Float(options.weight_decay)),
            ("momentum", Value::Float(options.momentum)),
            ("nesterov", Value::Bool(options.nesterov)),
            ("ns_coefficients", Value::Tuple([a, b, c].map(Value::Float).to_vec())),
            ("eps", Value::Float(options.eps)),
            ("ns_steps", Value::from(options.ns_steps)),
            ("adjust_lr_fn", adjust.map_or(Value::None, Value::from)),
        ])
    }
}

/// Makes an [`Optimizer`] that runs Muon. It takes matrices only; other parameters go to another optimizer, as AdamW.
pub struct Muon;

impl Muon {
    /// Optimizes all parameters with the same options.
    ///
    /// # Panics
    /// If the list is empty, a parameter is no matrix or occurs in two groups, or an option is out of range, in PyTorch's
    /// words.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every rule")]
    #[track_caller]
    pub fn new(params: impl IntoParams, options: MuonOptions) -> Optimizer {
        Optimizer::with_rule(Muon, params, options.into())
    }
}

/// An f32 rounded to bf16.
fn rounded(x: f32) -> f32 {
    let bits = x.to_bits();
    if x.is_nan() { x } else { f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000) }
}

/// `beta * base + alpha * product`, where the last sum is fused with its product, rounded to bf16.
fn combine(mut base: Tensor, beta: f64, product: &Tensor, alpha: f64) -> Tensor {
    let (beta, alpha) = (f64::from(beta as f32), alpha as f32);
    let formula = move |base: f32, product: f32| rounded((f64::from(base) * beta + f64::from(alpha * product)) as f32);
    let wide = move |[base]: [f64; 1], product: f64| [f64::from(formula(base as f32, product as f32))];
    apply([&mut base], product, move |[base]: [f32; 1], product: f32| [formula(base, product)], wide);
    base
}

/// The matrix with all singular values near one, by a polynomial iteration in bf16. Its numbers are bf16's, in f32: so
/// products need no conversion.
fn orthogonal(matrix: &Tensor, (a, b, c): (f64, f64, f64), steps: usize, eps: f64) -> Tensor {
    let tall = matrix.shape()[0] > matrix.shape()[1];
    let half = |x: &Tensor| x.to(DType::BF16).to(DType::F32);
    let mut x = half(matrix);
    if tall {
        x = x.t().contiguous();
    }
    let norm = half(&half(&x.vector_norm((), 2.0)).clamp(eps, None));
    x = half(&x.div(&norm));
    for _ in 0..steps {
        let gram = half(&x.matmul(&x.t()));
        let square = gram.matmul(&gram);
        let update = combine(gram, b, &square, c);
        let product = update.matmul(&x);
        x = combine(x, a, &product, 1.0);
    }
    if tall { x.t() } else { x }
}

impl Rule for Muon {
    fn name(&self) -> &'static str {
        "Muon"
    }

    fn defaults(&self) -> Dict {
        MuonOptions::default().into()
    }

    fn accepts(&self, param: &Tensor) -> Result<(), Error> {
        if param.rank() == 2 {
            return Ok(());
        }
        let size = Value::Size(param.shape().to_vec());
        let text = format!("Muon only supports 2D parameters whereas we found a parameter with size: {size}");
        Err(Error::InvalidOption(text))
    }

    fn prepare(&self, group: &Dict) -> Result<Update, Error> {
        let lr = should(group, "lr", "Learning rate should be >= 0", |lr| lr >= 0.0)?;
        let momentum = should(group, "momentum", "momentum should be >= 0", |momentum| momentum >= 0.0)?;
        let weight_decay = should(group, "weight_decay", "weight decay should be >= 0", |decay| decay >= 0.0)?;
        let nesterov = group.flag("nesterov")?;
        // Arithmetic with a learning rate that is a tensor rounds to its dtype.
        let single = group.get("lr").and_then(Value::as_tensor).is_some_and(|lr| lr.dtype() == DType::F32);
        let round = move |x: f64| if single { f64::from(x as f32) } else { x };
        let eps = group.number("eps")?;
        let steps = group.number("ns_steps")?;
        if steps >= 100.0 {
            let text = "Number of steps must be less than 100 for computational efficiency";
            return Err(Error::InvalidOption(text.to_owned()));
        }
        let coefficients = match group.get("ns_coefficients").and_then(Value::as_slice) {
            Some([a, b, c]) => a.as_float().zip(b.as_float()).zip(c.as_float()).map(|((a, b), c)| (a, b, c)),
            _ => None,
        };
        let coefficients = coefficients
            .ok_or_else(|| Error::InvalidOption("Coefficients must be a tuple of exactly 3 values".to_owned()))?;
        let adjust: fn(f64, f64) -> f64 = match group.get("adjust_lr_fn") {
            None | Some(Value::None) => |a, b| (a / b).max(1.0).sqrt(),
            Some(name) => match name.as_str() {
                Some("original") => |a, b| (a / b).max(1.0).sqrt(),
                Some("match_rms_adamw") => |a, b| 0.2 * a.max(b).sqrt(),
                Some("spectral_unclamped") => |a, b| (a / b).sqrt(),
                _ => {
                    let name = name.as_str().map_or_else(|| name.to_string(), str::to_owned);
                    let text = format!("Adjust learning rate function {name} is not supported");
                    return Err(Error::InvalidOption(text));
                }
            },
        };
        Ok(Box::new(move |param: &mut Tensor, grad: &Tensor, slots: &mut Slots| {
            let [buffer] = slots.zeros(["momentum_buffer"], grad);
            *buffer = buffer.lerp(grad, 1.0 - momentum);
            let update = if nesterov { grad.lerp(buffer, momentum) } else { buffer.clone() };
            let update = orthogonal(&update, coefficients, steps as usize, eps).to(param.dtype());
            let rate = round(lr * adjust(param.shape()[0] as f64, param.shape()[1] as f64));
            param.mul_(round(1.0 - round(lr * weight_decay)));
            param.add_scaled_(-rate, &update);
        }))
    }
}
