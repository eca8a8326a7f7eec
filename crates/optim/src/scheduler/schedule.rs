//! What a scheduler is made of: a [`Schedule`] that gives a group's learning rate at an epoch.

use crate::{Error, Optimizer, ParamGroup};
use wengert_tensor::{Dict, DictKind, Tensor, Value, bug};

/// A schedule: its name and the learning rate of a group at an epoch.
///
/// This is all that a new one has to provide; stepping, state and loading are [`Scheduler`](crate::Scheduler)'s.
pub trait Schedule: Send + Sync {
    /// PyTorch's class name, such as `StepLR`.
    fn name(&self) -> &'static str;

    /// The learning rate of a group at the epoch that a step leads to. May change other options, such as the momentum.
    ///
    /// # Errors
    /// If there is none, in PyTorch's words.
    fn lr(&self, now: &Now<'_>, options: &mut Dict) -> Result<f64, Error>;

    /// The learning rate from the first one alone, if the schedule has such a formula.
    ///
    /// # Errors
    /// If a constant is wrong.
    fn closed_form(&self, _now: &Now<'_>) -> Result<Option<f64>, Error> {
        Ok(None)
    }

    /// Whether the constants are in range.
    ///
    /// # Errors
    /// If not, in PyTorch's words.
    fn check(&self, _attributes: &Dict) -> Result<(), Error> {
        Ok(())
    }

    /// Moves counters of its own, for the next epoch or the one given, and says which epoch it is; none if it has no
    /// counters and epochs go up by one.
    ///
    /// # Errors
    /// If there is no such epoch.
    fn advance(&self, _attributes: &mut Dict, _last_epoch: i64, _to: Option<f64>) -> Result<Option<i64>, Error> {
        Ok(None)
    }

    /// Entries that the state has at its end and that say nothing, such as `lr_lambdas`.
    fn tail(&self, _groups: usize) -> Dict {
        Dict::new()
    }
}

/// Where a schedule is when it is asked for a group's learning rate.
pub struct Now<'a> {
    /// The schedule's constants and counters by PyTorch's names.
    pub attributes: &'a Dict,
    /// The epoch.
    pub last_epoch: i64,
    /// Steps so far, this one included; the constructor's is the first.
    pub step_count: i64,
    /// Whether this is the constructor's step.
    pub initial: bool,
    /// The group.
    pub index: usize,
    /// The group's `initial_lr`.
    pub base_lr: f64,
    /// The group's learning rate before.
    pub lr: f64,
}

impl Now<'_> {
    /// A constant.
    pub(super) fn number(&self, key: &str) -> Result<f64, Error> {
        number(self.attributes, key)
    }

    /// The group's entry in a list of constants.
    pub(super) fn of_group(&self, key: &str) -> Result<f64, Error> {
        let list = self.attributes.get(key).and_then(Value::as_slice);
        let found = list.and_then(|list| list.get(self.index)).and_then(Value::as_float);
        found.ok_or_else(|| Error::BadOption { key: key.to_owned(), expected: "a list of numbers" })
    }
}

/// A number among the constants.
pub(super) fn number(attributes: &Dict, key: &str) -> Result<f64, Error> {
    let found = attributes.get(key).and_then(Value::as_float);
    found.ok_or_else(|| Error::BadOption { key: key.to_owned(), expected: "a number" })
}

/// A text among the constants.
pub(super) fn text<'a>(attributes: &'a Dict, key: &str) -> Result<&'a str, Error> {
    let found = attributes.get(key).and_then(Value::as_str);
    found.ok_or_else(|| Error::BadOption { key: key.to_owned(), expected: "a text" })
}

/// Python's answer to a division by zero.
pub(super) fn nonzero(attributes: &Dict, key: &str) -> Result<(), Error> {
    match number(attributes, key)? {
        0.0 => Err(Error::InvalidOption("integer modulo by zero".to_owned())),
        _ => Ok(()),
    }
}

/// Sets an option to a number; one that is a tensor stays one.
pub(super) fn set_number(options: &mut Dict, key: &str, number: f64) {
    let value = match options.get(key).and_then(Value::as_tensor) {
        Some(old) => Value::from(Tensor::from_vec(vec![number], ()).to(old.dtype()).reshape(old.shape())),
        None => Value::Float(number),
    };
    options.insert(key, value);
}

/// Sets the momentum: the option of that name, or the first of `betas`.
pub(super) fn set_momentum(options: &mut Dict, use_beta1: bool, momentum: f64) {
    if use_beta1 {
        let rest = options.get("betas").and_then(Value::as_slice).map_or(&[][..], |betas| &betas[1.min(betas.len())..]);
        let betas = [&[Value::Float(momentum)], rest].concat();
        options.insert("betas", Value::Tuple(betas));
    } else {
        options.insert("momentum", momentum);
    }
}

/// Whether the optimizer's momentum is the first of `betas`.
///
/// # Panics
/// If it has no momentum.
#[track_caller]
pub(super) fn uses_beta1(optimizer: &Optimizer) -> bool {
    let has = |key: &str| optimizer.defaults().get(key).is_some();
    if !has("momentum") && !has("betas") {
        bug!("", "optimizer must support momentum or beta1 with `cycle_momentum` option enabled");
    }
    has("betas")
}

/// Notes the momenta between which a schedule goes in each group, and starts at the larger.
#[track_caller]
pub(super) fn start_momentum(start: &mut Start<'_>, use_beta1: bool, base: &[f64], max: &[f64]) {
    if start.last_epoch == -1 {
        for (group, (base, max)) in start.optimizer.param_groups_mut().iter_mut().zip(base.iter().zip(max)) {
            set_momentum(&mut group.options, use_beta1, *max);
            group.options.insert("max_momentum", *max);
            group.options.insert("base_momentum", *base);
        }
    }
}

/// Whether a saved constant can stand for one of ours.
pub(super) fn same_kind(own: &Value, new: &Value) -> bool {
    match (own, new) {
        (Value::Int(_) | Value::Float(_), _) => new.as_float().is_some(),
        (Value::Str(_), Value::Str(_)) | (Value::Bool(_), Value::Bool(_)) | (Value::None, Value::None) => true,
        (Value::List(own), Value::List(new) | Value::Tuple(new)) => match own.first() {
            // The phases of a cycle are two or three; other lists are as long as before.
            Some(first @ Value::Dict(_)) => !new.is_empty() && new.iter().all(|value| same_kind(first, value)),
            first => own.len() == new.len() && new.iter().all(|value| first.is_some_and(|f| same_kind(f, value))),
        },
        (Value::Dict(own), Value::Dict(new)) if own.kind == DictKind::Counter => {
            new.iter().all(|(key, value)| key.as_int().is_some() && value.as_int().is_some())
        }
        (Value::Dict(own), Value::Dict(new)) => own
            .iter()
            .all(|(key, own)| key.as_str().and_then(|key| new.get(key)).is_some_and(|value| same_kind(own, value))),
        _ => false,
    }
}

/// What a scheduler starts with: an optimizer, and the epoch that is done if it is not fresh.
pub struct Start<'a> {
    pub(super) optimizer: &'a mut Optimizer,
    pub(super) last_epoch: i64,
}

impl<'a> Start<'a> {
    /// A start after an epoch, PyTorch's argument `last_epoch`: the groups must have `initial_lr`, as they do in a
    /// loaded state. Loading the scheduler's state instead is more exact.
    pub fn after(optimizer: &'a mut Optimizer, last_epoch: i64) -> Start<'a> {
        Start { optimizer, last_epoch }
    }
}

impl<'a> From<&'a mut Optimizer> for Start<'a> {
    fn from(optimizer: &'a mut Optimizer) -> Start<'a> {
        Start { optimizer, last_epoch: -1 }
    }
}

/// A constant that is the same for all groups or has a value for each.
#[derive(Clone, Debug, PartialEq)]
pub enum PerGroup {
    /// The same for all.
    All(f64),
    /// One for each.
    Each(Vec<f64>),
}

impl PerGroup {
    /// The values of all groups.
    ///
    /// # Panics
    /// If their number is another, in PyTorch's words.
    #[track_caller]
    pub(super) fn expand(&self, name: &str, groups: &[ParamGroup]) -> Vec<f64> {
        match self {
            PerGroup::All(value) => vec![*value; groups.len()],
            PerGroup::Each(values) if values.len() == groups.len() => values.clone(),
            PerGroup::Each(values) => bug!(
                "",
                "{name} must have the same length as optimizer.param_groups. {name} has {} values, param_groups has {}.",
                values.len(),
                groups.len()
            ),
        }
    }
}

impl From<f64> for PerGroup {
    fn from(value: f64) -> PerGroup {
        PerGroup::All(value)
    }
}
impl From<Vec<f64>> for PerGroup {
    fn from(values: Vec<f64>) -> PerGroup {
        PerGroup::Each(values)
    }
}
impl<const N: usize> From<[f64; N]> for PerGroup {
    fn from(values: [f64; N]) -> PerGroup {
        PerGroup::Each(values.into())
    }
}

/// A list of floats.
pub(super) fn floats(list: &[f64]) -> Value {
    Value::List(list.iter().copied().map(Value::Float).collect())
}
