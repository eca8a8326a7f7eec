//! [`SWALR`]: the way to the constant learning rate of averaged models (`torch.optim.swa_utils.SWALR`).

use super::one_cycle::check_strategy;
use super::schedule::{number, text};
use super::{Anneal, Now, PerGroup, Schedule, Scheduler, Start};
use crate::Error;
use std::f64::consts::PI;
use wengert_tensor::{Dict, Value};

/// Options of [`SWALR`], with PyTorch's defaults.
#[derive(Clone, Debug)]
pub struct SWALROptions {
    /// Epochs that the way takes.
    pub anneal_epochs: usize,
    /// The form of the way.
    pub anneal_strategy: Anneal,
}

impl Default for SWALROptions {
    fn default() -> SWALROptions {
        SWALROptions { anneal_epochs: 10, anneal_strategy: Anneal::Cos }
    }
}

/// Makes a [`Scheduler`] that goes to a learning rate and stays there, for averaged models.
pub struct SWALR;

impl SWALR {
    /// Goes to the learning rates given, of all groups or of each.
    ///
    /// # Panics
    /// If a list has another length than the groups, in PyTorch's words.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every schedule")]
    #[track_caller]
    pub fn new<'a>(start: impl Into<Start<'a>>, swa_lr: impl Into<PerGroup>, options: SWALROptions) -> Scheduler {
        let start = start.into();
        let swa_lrs = swa_lr.into().expand("swa_lr", start.optimizer.param_groups());
        for (group, lr) in start.optimizer.param_groups_mut().iter_mut().zip(swa_lrs) {
            group.options.insert("swa_lr", lr);
        }
        let attributes = [
            ("_anneal_strategy", Value::from(options.anneal_strategy.name())),
            ("anneal_epochs", Value::from(options.anneal_epochs)),
        ];
        Scheduler::with_schedule(SWALR, start, attributes.into_iter().collect())
    }
}

impl Schedule for SWALR {
    fn name(&self) -> &'static str {
        "SWALR"
    }

    fn check(&self, attributes: &Dict) -> Result<(), Error> {
        check_strategy(text(attributes, "_anneal_strategy")?)
    }

    fn lr(&self, now: &Now<'_>, options: &mut Dict) -> Result<f64, Error> {
        let (epochs, swa_lr) = (now.number("anneal_epochs")?, number(options, "swa_lr")?);
        let step = now.step_count.saturating_sub(1) as f64;
        let step = if epochs == 0.0 { step.max(1.0) } else { step };
        let cos = text(now.attributes, "_anneal_strategy")? == "cos";
        let part = |step: f64| {
            let part = (step / epochs.max(1.0)).clamp(0.0, 1.0);
            if cos { (1.0 - (PI * part).cos()) / 2.0 } else { part }
        };
        // The learning rate without the way so far, so that another scheduler may change it meanwhile.
        let before = part(step - 1.0);
        let initial = if before == 1.0 { swa_lr } else { (now.lr - before * swa_lr) / (1.0 - before) };
        let alpha = part(step);
        Ok(swa_lr * alpha + initial * (1.0 - alpha))
    }
}
