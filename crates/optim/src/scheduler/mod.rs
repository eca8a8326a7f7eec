//! [`Scheduler`]: learning rates over the epochs, with state in PyTorch's layout (`torch.optim.lr_scheduler`).

mod cosine;
mod cyclic;
mod factor;
mod lambda;
mod one_cycle;
mod plateau;
mod schedule;
mod sequence;
mod swa;

use crate::rule::Options;
use crate::{Error, Optimizer};
pub use cosine::{CosineAnnealingLR, CosineAnnealingWarmRestarts};
pub use cyclic::{CyclicLR, CyclicLROptions, CyclicMode, ScaleMode};
pub use factor::{ConstantLR, ExponentialLR, LinearLR, LinearLROptions, MultiStepLR, PolynomialLR, StepLR};
pub use lambda::{LambdaLR, MultiplicativeLR};
pub use one_cycle::{Anneal, OneCycleLR, OneCycleLROptions};
pub use plateau::{PlateauMode, ReduceLROnPlateau, ReduceLROnPlateauOptions, ThresholdMode};
pub use schedule::{Now, PerGroup, Schedule, Start};
pub use sequence::{ChainedScheduler, SequentialLR};
pub use swa::{SWALR, SWALROptions};
use wengert_tensor::{Dict, Value, bug};

/// Moves an optimizer's learning rates along a schedule; the constructors are [`StepLR::new`] and its like.
///
/// A scheduler does not hold the optimizer: each step names it. As in PyTorch, it is made after the optimizer, notes
/// `initial_lr` in each group, and is stepped after the optimizer, mostly once an epoch. To resume, make both anew and
/// load both states.
///
/// # Examples
/// ```
/// use wengert_autograd::{Param, tensor::Tensor};
/// use wengert_optim::{Sgd, SgdOptions, StepLR};
/// let w = Param::new(Tensor::from_vec(vec![3.0f32], [1]));
/// let mut optimizer = Sgd::new([w], SgdOptions { lr: 0.5, ..SgdOptions::default() });
/// let mut scheduler = StepLR::new(&mut optimizer, 2, 0.1);
/// for epoch in 0..4 {
///     optimizer.step(); // for each batch of the epoch
///     scheduler.step(&mut optimizer);
/// }
/// assert_eq!(scheduler.get_last_lr(), [0.5 * 0.1 * 0.1]);
/// assert_eq!(optimizer.param_groups()[0].lr(), scheduler.get_last_lr()[0]);
/// ```
pub struct Scheduler {
    kind: Kind,
    state: State,
}

/// What a scheduler moves.
enum Kind {
    /// The learning rates, by a schedule.
    Single(Box<dyn Schedule>),
    /// One scheduler after another.
    Sequence(Vec<Scheduler>),
    /// Several schedulers at once.
    Chain(Vec<Scheduler>),
}

/// What changes, and the constants of the schedule.
#[derive(Clone, Default)]
struct State {
    /// The schedule's constants and counters, in PyTorch's order.
    attributes: Dict,
    /// `initial_lr` of each group.
    base_lrs: Vec<f64>,
    last_epoch: i64,
    /// Calls of `step`, the first of them by the constructor. A scheduler of others has it only within another.
    step_count: Option<i64>,
    last_lr: Vec<f64>,
}

/// A saved state that has been found to fit, with those of inner schedulers.
struct Loaded(State, Vec<Loaded>);

impl Scheduler {
    /// A scheduler that follows a schedule, which may be your own, with its constants by name.
    ///
    /// # Panics
    /// If a constant is out of range, or the start is after an epoch and a group has no `initial_lr`, in PyTorch's words.
    #[track_caller]
    pub fn with_schedule<'a>(
        schedule: impl Schedule + 'static,
        start: impl Into<Start<'a>>,
        attributes: Dict,
    ) -> Scheduler {
        let Start { optimizer, last_epoch } = start.into();
        if let Err(error) = schedule.check(&attributes) {
            bug!("", "{error}");
        }
        for (i, group) in optimizer.param_groups_mut().iter_mut().enumerate() {
            if group.options.get("initial_lr").is_none() {
                if last_epoch != -1 {
                    bug!(
                        "",
                        "param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with \
                         last_epoch >= 0.\nThis typically happens when:\n1. You're trying to resume training from a \
                         checkpoint but haven't properly loaded the optimizer state\n2. You're using last_epoch >= 0 \
                         for a fresh training run (not recommended)"
                    );
                }
                let lr = group.options.get("lr").cloned().unwrap_or_default();
                group.options.insert("initial_lr", lr);
            }
        }
        let base = |group: &crate::ParamGroup| group.options.number("initial_lr").unwrap_or_else(|_| group.lr());
        let base_lrs = optimizer.param_groups().iter().map(base).collect();
        let state = State { attributes, base_lrs, last_epoch, ..State::default() };
        let mut scheduler = Scheduler { kind: Kind::Single(Box::new(schedule)), state };
        scheduler.initial_step(optimizer);
        scheduler
    }

    /// Goes to the next epoch.
    ///
    /// # Panics
    /// If the optimizer has another number of groups than when the scheduler was made, or the schedule is at its end.
    #[track_caller]
    pub fn step(&mut self, optimizer: &mut Optimizer) {
        match &mut self.kind {
            Kind::Single(_) => self.step_single(optimizer, None, false),
            Kind::Sequence(schedulers) => {
                self.state.last_epoch = self.state.last_epoch.saturating_add(1);
                self.state.last_lr = sequence::step(schedulers, &self.state, optimizer);
            }
            Kind::Chain(schedulers) => {
                schedulers.iter_mut().for_each(|scheduler| scheduler.step(optimizer));
                self.state.last_lr = lrs(optimizer);
            }
        }
    }

    /// Goes to an epoch at once: by a closed form where the schedule has one, as PyTorch's deprecated `step(epoch)`.
    /// [`CosineAnnealingWarmRestarts`] takes fractions, to be called after each batch.
    ///
    /// # Panics
    /// As [`step`](Scheduler::step), and for schedulers of other schedulers.
    #[track_caller]
    pub fn step_to(&mut self, optimizer: &mut Optimizer, epoch: f64) {
        match &self.kind {
            Kind::Single(_) => self.step_single(optimizer, Some(epoch), false),
            _ => bug!(self.name(), "a scheduler of other schedulers has no step to an epoch"),
        }
    }

    /// The learning rate of each group after the last step.
    pub fn get_last_lr(&self) -> &[f64] {
        &self.state.last_lr
    }

    /// The epoch: the number of steps so far, unless [`step_to`](Scheduler::step_to) went elsewhere.
    pub fn last_epoch(&self) -> i64 {
        self.state.last_epoch
    }

    /// The state as PyTorch's `scheduler.state_dict()`.
    pub fn state_dict(&self) -> Value {
        let floats = |list: &[f64]| Value::List(list.iter().copied().map(Value::Float).collect());
        let State { attributes, base_lrs, last_epoch, step_count, last_lr } = &self.state;
        let mut out = attributes.clone();
        match &self.kind {
            Kind::Single(schedule) => {
                out.insert("base_lrs", floats(base_lrs));
                out.insert("last_epoch", *last_epoch);
                out.insert("_step_count", step_count.unwrap_or(0));
                out.insert("_is_initial", false);
                out.insert("_get_lr_called_within_step", false);
                out.insert("_last_lr", floats(last_lr));
                schedule.tail(base_lrs.len()).iter().for_each(|(key, value)| out.insert(key, value));
            }
            Kind::Sequence(schedulers) | Kind::Chain(schedulers) => {
                if matches!(self.kind, Kind::Sequence(_)) {
                    out.insert("last_epoch", *last_epoch);
                }
                out.insert("_last_lr", floats(last_lr));
                if let Some(count) = step_count {
                    out.insert("_step_count", *count);
                    out.insert("_is_initial", false);
                }
                out.insert("_schedulers", schedulers.iter().map(Scheduler::state_dict).collect::<Vec<_>>());
            }
        }
        Value::Dict(out)
    }

    /// Takes over a saved state, PyTorch's or ours: constants too, as there. All or nothing. The optimizer's learning
    /// rates come with the optimizer's own state.
    ///
    /// # Errors
    /// If the value is not the state of such a scheduler.
    pub fn load_state_dict(&mut self, value: &Value) -> Result<(), Error> {
        let loaded = self.parse(value)?;
        self.accept(loaded);
        Ok(())
    }

    /// The state that a saved one describes, over what it does not name.
    fn parse(&self, value: &Value) -> Result<Loaded, Error> {
        let saved = value.as_dict().ok_or_else(|| Error::NotASchedule(format!("{} needs a dict", self.name())))?;
        let wrong = |key: &str| Error::NotASchedule(format!("entry '{key}' of {} is missing or wrong", self.name()));
        let mut state = self.state.clone();
        for (key, own) in &mut state.attributes.entries {
            let key = key.as_str().expect("attributes have names");
            if let Some(new) = saved.get(key) {
                if !schedule::same_kind(own, new) {
                    return Err(wrong(key));
                }
                *own = new.clone();
            }
        }
        if let Kind::Single(schedule) = &self.kind {
            schedule.check(&state.attributes)?;
        }
        let int = |key: &str| saved.get(key).and_then(Value::as_int).ok_or_else(|| wrong(key));
        let floats = |key: &str| {
            let list = saved.get(key).and_then(Value::as_slice).ok_or_else(|| wrong(key))?;
            let list: Option<Vec<f64>> = list.iter().map(Value::as_float).collect();
            list.filter(|list| list.len() == state.last_lr.len()).ok_or_else(|| wrong(key))
        };
        let last_lr = floats("_last_lr")?;
        let children = match &self.kind {
            Kind::Single(_) => {
                state.base_lrs = floats("base_lrs")?;
                state.step_count = Some(int("_step_count")?);
                Vec::new()
            }
            Kind::Sequence(own) | Kind::Chain(own) => {
                if state.step_count.is_some() && saved.get("_step_count").is_some() {
                    state.step_count = Some(int("_step_count")?);
                }
                let list = saved.get("_schedulers").and_then(Value::as_slice).filter(|list| list.len() == own.len());
                let list = list.ok_or_else(|| wrong("_schedulers"))?;
                own.iter().zip(list).map(|(scheduler, value)| scheduler.parse(value)).collect::<Result<_, _>>()?
            }
        };
        if !matches!(self.kind, Kind::Chain(_)) {
            state.last_epoch = int("last_epoch")?;
        }
        Ok(Loaded(State { last_lr, ..state }, children))
    }

    /// Puts a state in place.
    fn accept(&mut self, Loaded(state, children): Loaded) {
        self.state = state;
        if let Kind::Sequence(own) | Kind::Chain(own) = &mut self.kind {
            own.iter_mut().zip(children).for_each(|(scheduler, loaded)| scheduler.accept(loaded));
        }
    }

    /// PyTorch's class name.
    fn name(&self) -> &'static str {
        match &self.kind {
            Kind::Single(schedule) => schedule.name(),
            Kind::Sequence(_) => "SequentialLR",
            Kind::Chain(_) => "ChainedScheduler",
        }
    }

    /// The step that constructors take.
    #[track_caller]
    fn initial_step(&mut self, optimizer: &mut Optimizer) {
        self.state.step_count = Some(0);
        match self.kind {
            Kind::Single(_) => self.step_single(optimizer, None, true),
            _ => self.step(optimizer),
        }
    }

    /// A step of a schedule, to the next epoch or to the one given.
    #[track_caller]
    fn step_single(&mut self, optimizer: &mut Optimizer, to: Option<f64>, initial: bool) {
        let Kind::Single(schedule) = &self.kind else { unreachable!("asked before") };
        match schedule.advance(&mut self.state.attributes, self.state.last_epoch, to) {
            Ok(Some(epoch)) => {
                self.state.last_epoch = epoch;
                self.update(optimizer, false, initial);
            }
            Ok(None) => {
                self.state.step_count = Some(self.state.step_count.unwrap_or(0).saturating_add(1));
                self.state.last_epoch = to.map_or(self.state.last_epoch.saturating_add(1), |epoch| epoch as i64);
                self.update(optimizer, to.is_some(), initial);
            }
            Err(error) => bug!("", "{error}"),
        }
    }

    /// Sets the learning rates of the present epoch.
    #[track_caller]
    fn update(&mut self, optimizer: &mut Optimizer, closed: bool, initial: bool) {
        let Kind::Single(schedule) = &self.kind else {
            bug!(self.name(), "a scheduler of other schedulers can only come first in a sequence");
        };
        let groups = optimizer.param_groups_mut();
        if groups.len() != self.state.base_lrs.len() {
            bug!(
                schedule.name(),
                "made for {} parameter groups, there are {}",
                self.state.base_lrs.len(),
                groups.len()
            );
        }
        for (index, group) in groups.iter_mut().enumerate() {
            let now = Now {
                attributes: &self.state.attributes,
                last_epoch: self.state.last_epoch,
                step_count: self.state.step_count.unwrap_or(0),
                initial,
                index,
                base_lr: self.state.base_lrs[index],
                lr: group.lr(),
            };
            let closed_form = if closed { schedule.closed_form(&now) } else { Ok(None) };
            let lr = closed_form.and_then(|lr| match lr {
                Some(lr) => Ok(lr),
                None => schedule.lr(&now, &mut group.options),
            });
            match lr {
                Ok(lr) => schedule::set_number(&mut group.options, "lr", lr),
                Err(error) => bug!("", "{error}"),
            }
        }
        self.state.last_lr = lrs(optimizer);
    }
}

/// The learning rate of each group.
#[track_caller]
fn lrs(optimizer: &Optimizer) -> Vec<f64> {
    optimizer.param_groups().iter().map(crate::ParamGroup::lr).collect()
}

impl std::fmt::Debug for Scheduler {
    /// The name and the state.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({})", self.name(), self.state_dict())
    }
}
