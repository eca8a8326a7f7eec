//! Schedules by a function of the epoch: [`LambdaLR`] and [`MultiplicativeLR`].

use super::{Now, Schedule, Scheduler, Start};
use crate::Error;
use wengert_tensor::{Dict, Value, bug};

/// A factor at an epoch.
type Factor = Box<dyn Fn(i64) -> f64 + Send + Sync>;

/// Makes a [`Scheduler`] whose learning rate is the initial one times a function of the epoch.
pub struct LambdaLR {
    factors: Vec<Factor>,
}

/// Makes a [`Scheduler`] that multiplies the learning rate by a function of the epoch.
pub struct MultiplicativeLR {
    factors: Vec<Factor>,
}

/// One function for each group.
///
/// # Panics
/// If their number is another, in PyTorch's words.
#[track_caller]
fn counted(start: &Start<'_>, factors: Vec<Factor>) -> Vec<Factor> {
    let groups = start.optimizer.param_groups().len();
    if factors.len() != groups {
        bug!("", "Expected {groups} lr_lambdas, but got {}", factors.len());
    }
    factors
}

/// The group's function at an epoch; a single function is for all groups.
fn factor(factors: &[Factor], now: &Now<'_>) -> f64 {
    factors[now.index.min(factors.len() - 1)](now.last_epoch)
}

/// The functions are not saved, as in PyTorch.
fn unsaved(groups: usize) -> Dict {
    Dict::from_iter([("lr_lambdas", vec![Value::None; groups])])
}

impl LambdaLR {
    /// One function for all groups.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every schedule")]
    #[track_caller]
    pub fn new<'a>(start: impl Into<Start<'a>>, lambda: impl Fn(i64) -> f64 + Send + Sync + 'static) -> Scheduler {
        Scheduler::with_schedule(LambdaLR { factors: vec![Box::new(lambda)] }, start, Dict::new())
    }

    /// A function for each group.
    ///
    /// # Panics
    /// If there are more or fewer functions than groups.
    #[track_caller]
    pub fn per_group<'a>(start: impl Into<Start<'a>>, lambdas: Vec<Factor>) -> Scheduler {
        let start = start.into();
        Scheduler::with_schedule(LambdaLR { factors: counted(&start, lambdas) }, start, Dict::new())
    }
}

impl Schedule for LambdaLR {
    fn name(&self) -> &'static str {
        "LambdaLR"
    }

    fn lr(&self, now: &Now<'_>, _options: &mut Dict) -> Result<f64, Error> {
        Ok(now.base_lr * factor(&self.factors, now))
    }

    fn tail(&self, groups: usize) -> Dict {
        unsaved(groups)
    }
}

impl MultiplicativeLR {
    /// One function for all groups.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every schedule")]
    #[track_caller]
    pub fn new<'a>(start: impl Into<Start<'a>>, lambda: impl Fn(i64) -> f64 + Send + Sync + 'static) -> Scheduler {
        Scheduler::with_schedule(MultiplicativeLR { factors: vec![Box::new(lambda)] }, start, Dict::new())
    }

    /// A function for each group.
    ///
    /// # Panics
    /// If there are more or fewer functions than groups.
    #[track_caller]
    pub fn per_group<'a>(start: impl Into<Start<'a>>, lambdas: Vec<Factor>) -> Scheduler {
        let start = start.into();
        Scheduler::with_schedule(MultiplicativeLR { factors: counted(&start, lambdas) }, start, Dict::new())
    }
}

impl Schedule for MultiplicativeLR {
    fn name(&self) -> &'static str {
        "MultiplicativeLR"
    }

    fn lr(&self, now: &Now<'_>, _options: &mut Dict) -> Result<f64, Error> {
        Ok(if now.initial { now.lr } else { now.lr * factor(&self.factors, now) })
    }

    fn tail(&self, groups: usize) -> Dict {
        unsaved(groups)
    }
}
