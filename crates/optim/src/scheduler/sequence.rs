//! Schedulers of schedulers: [`SequentialLR`], one after another, and [`ChainedScheduler`], all at once.

use super::{Kind, Scheduler, State, lrs};
use crate::Optimizer;
use wengert_tensor::{Dict, Value, bug};

/// Makes a [`Scheduler`] that runs one scheduler after another, such as a warm-up and what follows it.
pub struct SequentialLR;

impl SequentialLR {
    /// Goes on to the next scheduler at each milestone; all belong to the optimizer.
    ///
    /// # Panics
    /// If there is no scheduler, or not one milestone less than schedulers, in PyTorch's words; and at a milestone
    /// where a scheduler of other schedulers comes, as there.
    ///
    /// # Examples
    /// ```
    /// use wengert_autograd::{Param, tensor::Tensor};
    /// use wengert_optim::{ConstantLR, ExponentialLR, Sgd, SgdOptions, SequentialLR};
    /// let w = Param::new(Tensor::from_vec(vec![3.0f32], [1]));
    /// let mut optimizer = Sgd::new([w], SgdOptions { lr: 0.5, ..SgdOptions::default() });
    /// let warm_up = ConstantLR::new(&mut optimizer, 0.5, 2);
    /// let decay = ExponentialLR::new(&mut optimizer, 0.9);
    /// let mut scheduler = SequentialLR::new(&mut optimizer, [warm_up, decay], [2]);
    /// let lrs: Vec<f64> = (0..3).map(|_| { scheduler.step(&mut optimizer); optimizer.param_groups()[0].lr() }).collect();
    /// assert_eq!(lrs, [0.25, 0.5, 0.45]);
    /// ```
    #[expect(clippy::new_ret_no_self, reason = "one type runs every schedule")]
    #[track_caller]
    pub fn new(
        optimizer: &mut Optimizer,
        schedulers: impl Into<Vec<Scheduler>>,
        milestones: impl IntoIterator<Item = usize>,
    ) -> Scheduler {
        let mut schedulers: Vec<Scheduler> = schedulers.into();
        let milestones: Vec<Value> = milestones.into_iter().map(Value::from).collect();
        if schedulers.is_empty() {
            bug!("", "SequentialLR expects at least one scheduler, but got no scheduler.");
        }
        if milestones.len() != schedulers.len() - 1 {
            bug!(
                "",
                "Sequential Schedulers expects number of schedulers provided to be one more than the number of milestone \
                 points, but got number of schedulers {} and the number of milestones to be equal to {}",
                schedulers.len(),
                milestones.len()
            );
        }
        // The schedulers took their first steps when they were made: all but the first one's are undone.
        for group in optimizer.param_groups_mut() {
            if let Some(initial) = group.options.get("initial_lr").and_then(Value::as_float) {
                super::schedule::set_number(&mut group.options, "lr", initial);
            }
        }
        schedulers.iter_mut().for_each(undo);
        let mut state = State { attributes: Dict::from_iter([("_milestones", milestones)]), ..State::default() };
        let first = &mut schedulers[present(&state)];
        first.initial_step(optimizer);
        state.last_lr = first.state.last_lr.clone();
        Scheduler { kind: Kind::Sequence(schedulers), state }
    }
}

/// Takes back the first step's epoch.
fn undo(scheduler: &mut Scheduler) {
    match &mut scheduler.kind {
        Kind::Single(_) => scheduler.state.last_epoch -= 1,
        Kind::Sequence(inner) | Kind::Chain(inner) => inner.iter_mut().for_each(undo),
    }
}

/// The milestones.
fn milestones(state: &State) -> impl Iterator<Item = i64> + '_ {
    let list = state.attributes.get("_milestones").and_then(Value::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_int)
}

/// Which scheduler the epoch belongs to.
fn present(state: &State) -> usize {
    milestones(state).take_while(|milestone| *milestone <= state.last_epoch).count()
}

/// Steps the scheduler whose turn it is; gives the learning rates.
#[track_caller]
pub(super) fn step(schedulers: &mut [Scheduler], state: &State, optimizer: &mut Optimizer) -> Vec<f64> {
    let index = present(state);
    let scheduler = &mut schedulers[index.min(schedulers.len() - 1)];
    if index > 0 && milestones(state).nth(index - 1) == Some(state.last_epoch) {
        scheduler.state.last_epoch = 0;
        scheduler.update(optimizer, true, false);
    } else {
        scheduler.step(optimizer);
    }
    scheduler.state.last_lr.clone()
}

/// Makes a [`Scheduler`] that steps several schedulers at once, so that their factors multiply.
pub struct ChainedScheduler;

impl ChainedScheduler {
    /// Steps all of them, in order; all belong to the optimizer.
    ///
    /// # Panics
    /// If there is no scheduler, in PyTorch's words.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every schedule")]
    #[track_caller]
    pub fn new(optimizer: &Optimizer, schedulers: impl Into<Vec<Scheduler>>) -> Scheduler {
        let schedulers: Vec<Scheduler> = schedulers.into();
        if schedulers.is_empty() {
            bug!("", "ChainedScheduler expects at least one scheduler to be chained, but got no scheduler.");
        }
        let state = State { last_lr: lrs(optimizer), ..State::default() };
        Scheduler { kind: Kind::Chain(schedulers), state }
    }
}
