//! What an optimizer is made of: a [`Rule`] that turns a group's options into an update of one parameter.

use crate::Error;
use wengert_autograd::{Param, Var};
use wengert_tensor::{DType, Dict, Tensor, Value};

/// The per-parameter update with the new values of its slots.
pub type Update = Box<dyn Fn(&mut Tensor, &Tensor, &mut Slots)>;

/// An optimization algorithm: its name, its options, and the update of one parameter.
///
/// This is all that a new optimizer has to provide; groups, stepping, state, printing and loading are
/// [`Optimizer`](crate::Optimizer)'s.
pub trait Rule: Send + Sync {
    /// PyTorch's class name, such as `SGD`.
    fn name(&self) -> &'static str;

    /// Every option with its default, in PyTorch's order. Options that a loaded group lacks are taken from here.
    fn defaults(&self) -> Dict;

    /// The update under a group's options.
    ///
    /// # Errors
    /// If an option is missing, of the wrong kind or out of range, in PyTorch's words.
    fn prepare(&self, group: &Dict) -> Result<Update, Error>;

    /// The shape of a slot: the parameter's, but for the number of steps and what the rule says.
    fn slot_shape(&self, slot: &str, param: &[usize]) -> Vec<usize> {
        if slot == "step" { Vec::new() } else { param.to_vec() }
    }

    /// The state that a parameter has before its first step; most have none.
    fn initial_state(&self, _group: &Dict, _param: &Tensor) -> Slots {
        Slots::default()
    }

    /// Why the rule does not take a parameter, in PyTorch's words; most take all.
    ///
    /// # Errors
    /// If it does not.
    fn accepts(&self, _param: &Tensor) -> Result<(), Error> {
        Ok(())
    }

    /// The step over all parameters at once, of an algorithm that has no update of one parameter.
    fn joint(&self) -> Option<&dyn Joint> {
        None
    }
}

/// The step of an algorithm that moves all parameters at once and evaluates the loss as often as it needs to.
pub trait Joint {
    /// Takes a step of the only group and gives the loss before it. The closure sets the gradients.
    ///
    /// # Errors
    /// If an option is missing, of the wrong kind or out of range, in PyTorch's words.
    fn step(
        &self,
        group: &Dict,
        params: &[Param],
        state: &mut Dict,
        closure: &mut dyn FnMut() -> Var,
    ) -> Result<Var, Error>;

    /// Whether a saved state, with tensors in the parameters' dtype, can be gone on from.
    ///
    /// # Errors
    /// If not.
    fn check(&self, state: &Dict, params: &[Param]) -> Result<(), Error>;
}

/// The named tensors that a rule keeps for one parameter, in PyTorch's order.
#[derive(Clone, Default)]
pub struct Slots {
    entries: Vec<(String, Tensor)>,
}

impl Slots {
    /// Whether nothing is kept yet.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.entries.iter().find_map(|(n, t)| (n == name).then_some(t))
    }

    /// Names and tensors in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.entries.iter().map(|(n, t)| (n.as_str(), t))
    }

    /// Sets a tensor; a new name goes to the end.
    pub fn insert(&mut self, name: &str, tensor: Tensor) {
        match self.entries.iter_mut().find(|(n, _)| n == name) {
            Some(entry) => entry.1 = tensor,
            None => self.entries.push((name.to_owned(), tensor)),
        }
    }

    /// Counts a step: adds one to the 0-d f32 tensor `step` and gives the new count.
    pub fn count_step(&mut self) -> f64 {
        let step = self.number("step").unwrap_or(0.0) + 1.0;
        self.set_number("step", step);
        step
    }

    /// The number that a scalar slot holds.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.get(name).map(Tensor::item::<f64>)
    }

    /// Sets a scalar slot: a 0-d f32 tensor, unless a loaded one has the parameter's dtype.
    pub fn set_number(&mut self, name: &str, value: f64) {
        let dtype = self.get(name).map_or(DType::F32, Tensor::dtype);
        self.insert(name, Tensor::from_vec(vec![value], ()).to(dtype));
    }

    /// The tensors of those names for writing; zeros of `like`'s shape and dtype where there are none yet.
    pub fn zeros<const N: usize>(&mut self, names: [&str; N], like: &Tensor) -> [&mut Tensor; N] {
        for name in names {
            if self.get(name).is_none() {
                self.insert(name, Tensor::zeros(like.shape(), like.dtype()));
            }
        }
        let mut found: [Option<&mut Tensor>; N] = std::array::from_fn(|_| None);
        for (name, tensor) in &mut self.entries {
            if let Some(i) = names.iter().position(|n| n == name) {
                found[i] = Some(tensor);
            }
        }
        found.map(|slot| slot.expect("inserted above"))
    }
}

/// Runs a one-pass update over a parameter, some slots of its shape and the gradient.
///
/// `f64` computes in f64 and `f32` in f32; halves go through f32. The two closures are the same formula in both types:
/// write it once as a macro or a generic function.
pub(crate) fn apply<const N: usize>(
    tensors: [&mut Tensor; N],
    grad: &Tensor,
    f32s: impl Fn([f32; N], f32) -> [f32; N] + Sync + Send + Copy,
    f64s: impl Fn([f64; N], f64) -> [f64; N] + Sync + Send + Copy,
) {
    let dtype = tensors[0].dtype();
    let grad = grad.to(dtype).contiguous();
    match dtype {
        DType::F64 => wengert_tensor::update(
            tensors.map(|t| t.as_mut_slice::<f64>()),
            grad.as_slice::<f64>().expect("contiguous"),
            f64s,
        ),
        DType::F32 => wengert_tensor::update(
            tensors.map(|t| t.as_mut_slice::<f32>()),
            grad.as_slice::<f32>().expect("contiguous"),
            f32s,
        ),
        _ => {
            let mut wide = tensors.each_ref().map(|t| t.to(DType::F32));
            let grad = grad.to_vec::<f32>();
            wengert_tensor::update(wide.each_mut().map(|t| t.as_mut_slice::<f32>()), &grad, f32s);
            for (tensor, wide) in tensors.into_iter().zip(wide) {
                *tensor = wide.to(dtype);
            }
        }
    }
}

/// Typed access to a group's options.
pub(crate) trait Options {
    /// A number.
    fn number(&self, key: &str) -> Result<f64, Error>;
    /// A non-negative number, or PyTorch's text for one that is not: `Invalid {what}: {value}`.
    fn at_least_zero(&self, key: &str, what: &str) -> Result<f64, Error>;
    /// A flag; `None` counts as false, as in Python.
    fn flag(&self, key: &str) -> Result<bool, Error>;
    /// A pair of numbers.
    fn pair(&self, key: &str) -> Result<(f64, f64), Error>;
}

impl Options for Dict {
    fn number(&self, key: &str) -> Result<f64, Error> {
        let bad = || Error::BadOption { key: key.to_owned(), expected: "a number" };
        let value = self.get(key).ok_or_else(bad)?;
        if key == "lr" && value.as_tensor().is_some_and(|lr| lr.numel() != 1) {
            return Err(Error::InvalidOption("Tensor lr must be 1-element".to_owned()));
        }
        // PyTorch lets `lr` be a tensor of one number.
        let tensor = || value.as_tensor().filter(|t| t.numel() == 1).map(Tensor::item::<f64>);
        value.as_float().or_else(tensor).ok_or_else(bad)
    }

    fn at_least_zero(&self, key: &str, what: &str) -> Result<f64, Error> {
        let value = self.number(key)?;
        // NaN is refused too.
        if value >= 0.0 {
            Ok(value)
        } else {
            Err(Error::InvalidOption(format!("Invalid {what}: {}", shown(self, key))))
        }
    }

    fn flag(&self, key: &str) -> Result<bool, Error> {
        match self.get(key) {
            Some(Value::Bool(b)) => Ok(*b),
            Some(Value::None) | None => Ok(false),
            Some(Value::Int(i)) => Ok(*i != 0),
            _ => Err(Error::BadOption { key: key.to_owned(), expected: "True or False" }),
        }
    }

    fn pair(&self, key: &str) -> Result<(f64, f64), Error> {
        let bad = || Error::BadOption { key: key.to_owned(), expected: "a pair of numbers" };
        match self.get(key).and_then(Value::as_slice) {
            Some([a, b]) => Ok((a.as_float().ok_or_else(bad)?, b.as_float().ok_or_else(bad)?)),
            _ => Err(bad()),
        }
    }
}

/// An option within a range, or PyTorch's text for one that is not: `{what} but is: {value}`.
pub(crate) fn should(group: &Dict, key: &str, what: &str, holds: impl Fn(f64) -> bool) -> Result<f64, Error> {
    let value = group.number(key)?;
    if holds(value) { Ok(value) } else { Err(Error::InvalidOption(format!("{what} but is: {}", shown(group, key)))) }
}

/// An option as Python shows it.
pub(crate) fn shown(group: &Dict, key: &str) -> String {
    group.get(key).map(Value::to_string).unwrap_or_default()
}

/// A number that PyTorch's default shows as an integer if it is zero: `weight_decay: 0`.
pub(crate) fn int_if_zero(value: f64) -> Value {
    if value == 0.0 { Value::Int(0) } else { Value::Float(value) }
}

/// A number that PyTorch's default shows as an integer: `step_sizes: (1e-06, 50)`.
pub(crate) fn int_if_whole(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 { Value::Int(value as i64) } else { Value::Float(value) }
}

/// The option `betas`, each within `0..1`.
fn betas(group: &Dict) -> Result<(f64, f64), Error> {
    let (beta1, beta2) = group.pair("betas")?;
    for (i, beta) in [beta1, beta2].into_iter().enumerate() {
        if !(0.0..1.0).contains(&beta) {
            let shown = Value::Float(beta);
            return Err(Error::InvalidOption(format!("Invalid beta parameter at index {i}: {shown}")));
        }
    }
    Ok((beta1, beta2))
}

/// The options that the kin of Adam share.
#[derive(Clone, Copy)]
pub(crate) struct Moments {
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    /// -1 to ascend.
    pub sign: f64,
    /// What the weights are multiplied by, if their decay is apart from the gradient.
    pub shrink: f64,
    /// The L2 penalty, if it is not.
    pub penalty: f64,
}

impl Moments {
    /// Reads and checks them, in PyTorch's order.
    pub(crate) fn new(group: &Dict) -> Result<Moments, Error> {
        let lr = group.at_least_zero("lr", "learning rate")?;
        let eps = group.at_least_zero("eps", "epsilon value")?;
        let (beta1, beta2) = betas(group)?;
        let weight_decay = group.at_least_zero("weight_decay", "weight_decay value")?;
        let sign = if group.flag("maximize")? { -1.0 } else { 1.0 };
        let decoupled = group.flag("decoupled_weight_decay")?;
        let shrink = if decoupled { 1.0 - lr * weight_decay } else { 1.0 };
        let penalty = if decoupled { 0.0 } else { weight_decay };
        Ok(Moments { lr, beta1, beta2, eps, sign, shrink, penalty })
    }
}

/// `torch.lerp`: a weight of at least a half interpolates from the other end. For example `lerp!(f32, m, g, 0.1)`.
macro_rules! lerp {
    ($t:ty, $start:expr, $end:expr, $weight:expr) => {{
        let (start, end, weight) = ($start, $end, ($weight) as $t);
        if weight < 0.5 { start + weight * (end - start) } else { end - (end - start) * (1.0 - weight) }
    }};
}
pub(crate) use lerp;
