//! [`OneCycleLR`]: one way up and down over all of training (Smith and Topin 2017).

use super::schedule::{number, set_momentum, start_momentum, text, uses_beta1};
use super::{Now, PerGroup, Schedule, Scheduler, Start};
use crate::Error;
use std::f64::consts::PI;
use wengert_tensor::{Dict, Value, bug};

/// The form of the way from one value to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anneal {
    /// A half cosine.
    #[default]
    Cos,
    /// A line.
    Linear,
}

impl Anneal {
    /// PyTorch's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Anneal::Cos => "cos",
            Anneal::Linear => "linear",
        }
    }
}

/// Checks that a text names a form.
pub(super) fn check_strategy(name: &str) -> Result<(), Error> {
    match name {
        "cos" | "linear" => Ok(()),
        _ => Err(Error::InvalidOption(format!("anneal_strategy must be one of 'cos' or 'linear', instead got {name}"))),
    }
}

/// Options of [`OneCycleLR`], with PyTorch's defaults.
#[derive(Clone, Debug)]
pub struct OneCycleLROptions {
    /// The part of the steps that goes up.
    pub pct_start: f64,
    /// The form of the ways.
    pub anneal_strategy: Anneal,
    /// Whether the momentum goes the other way; the optimizer must have one, or `betas`.
    pub cycle_momentum: bool,
    /// The least momentum.
    pub base_momentum: PerGroup,
    /// The largest momentum.
    pub max_momentum: PerGroup,
    /// The first learning rate is the largest over this.
    pub div_factor: f64,
    /// The last learning rate is the first over this.
    pub final_div_factor: f64,
    /// Whether the way down is as long as that up, and a third one goes on to the last learning rate.
    pub three_phase: bool,
}

impl Default for OneCycleLROptions {
    fn default() -> OneCycleLROptions {
        OneCycleLROptions {
            pct_start: 0.3,
            anneal_strategy: Anneal::Cos,
            cycle_momentum: true,
            base_momentum: PerGroup::All(0.85),
            max_momentum: PerGroup::All(0.95),
            div_factor: 25.0,
            final_div_factor: 1e4,
            three_phase: false,
        }
    }
}

/// Makes a [`Scheduler`] that goes up once and down; it is stepped after each batch.
pub struct OneCycleLR;

impl OneCycleLR {
    /// Reaches the learning rates given, of all groups or of each, in `total_steps` (epochs times batches).
    ///
    /// # Panics
    /// If an option is out of range or the optimizer has no momentum to cycle, and at a step beyond the last, in
    /// PyTorch's words.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every schedule")]
    #[track_caller]
    pub fn new<'a>(
        start: impl Into<Start<'a>>,
        max_lr: impl Into<PerGroup>,
        total_steps: usize,
        options: OneCycleLROptions,
    ) -> Scheduler {
        let mut start = start.into();
        if total_steps == 0 {
            bug!("", "Expected positive integer total_steps, but got {total_steps}");
        }
        if !(0.0..=1.0).contains(&options.pct_start) {
            let shown = Value::Float(options.pct_start);
            bug!("", "Expected float between 0 and 1 pct_start, but got {shown}");
        }
        let total = total_steps as f64;
        let phase = |end_step: Value, start_lr: &str, end_lr: &str, start_momentum: &str, end_momentum: &str| {
            let names = [
                ("start_lr", start_lr),
                ("end_lr", end_lr),
                ("start_momentum", start_momentum),
                ("end_momentum", end_momentum),
            ];
            Value::dict([("end_step", end_step)].into_iter().chain(names.map(|(key, name)| (key, Value::from(name)))))
        };
        let (first, last) = (Value::Float(options.pct_start * total - 1.0), Value::from(total_steps - 1));
        let up = phase(first, "initial_lr", "max_lr", "max_momentum", "base_momentum");
        let phases = if options.three_phase {
            let second = Value::Float(2.0 * options.pct_start * total - 2.0);
            let down = phase(second, "max_lr", "initial_lr", "base_momentum", "max_momentum");
            vec![up, down, phase(last, "initial_lr", "min_lr", "max_momentum", "max_momentum")]
        } else {
            vec![up, phase(last, "max_lr", "min_lr", "base_momentum", "max_momentum")]
        };
        let mut attributes = Dict::from_iter([
            ("total_steps", Value::from(total_steps)),
            ("_schedule_phases", Value::List(phases)),
            ("_anneal_func_type", Value::from(options.anneal_strategy.name())),
        ]);
        let groups = start.optimizer.param_groups();
        let max_lrs = max_lr.into().expand("max_lr", groups);
        let max_momentums = options.max_momentum.expand("max_momentum", groups);
        let base_momentums = options.base_momentum.expand("base_momentum", groups);
        if start.last_epoch == -1 {
            for (group, max_lr) in start.optimizer.param_groups_mut().iter_mut().zip(max_lrs) {
                group.options.insert("initial_lr", max_lr / options.div_factor);
                group.options.insert("max_lr", max_lr);
                group.options.insert("min_lr", max_lr / options.div_factor / options.final_div_factor);
            }
        }
        attributes.insert("cycle_momentum", options.cycle_momentum);
        if options.cycle_momentum {
            let use_beta1 = uses_beta1(start.optimizer);
            start_momentum(&mut start, use_beta1, &base_momentums, &max_momentums);
            attributes.insert("use_beta1", use_beta1);
        }
        Scheduler::with_schedule(OneCycleLR, start, attributes)
    }
}

/// A value on the way from one to another.
fn anneal(form: &str, start: f64, end: f64, part: f64) -> f64 {
    match form {
        "cos" => end + (start - end) / 2.0 * ((PI * part).cos() + 1.0),
        _ => (end - start) * part + start,
    }
}

impl Schedule for OneCycleLR {
    fn name(&self) -> &'static str {
        "OneCycleLR"
    }

    fn check(&self, attributes: &Dict) -> Result<(), Error> {
        check_strategy(text(attributes, "_anneal_func_type")?)?;
        for phase in attributes.get("_schedule_phases").and_then(Value::as_slice).unwrap_or_default() {
            let ends = ["start_lr", "end_lr", "start_momentum", "end_momentum"];
            let known = ["initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum"];
            let name = |end: &str| phase.get(end).and_then(Value::as_str).is_some_and(|name| known.contains(&name));
            if let Some(end) = ends.into_iter().find(|end| !name(end)) {
                return Err(Error::BadOption { key: end.to_owned(), expected: "an option of OneCycleLR" });
            }
        }
        Ok(())
    }

    fn lr(&self, now: &Now<'_>, options: &mut Dict) -> Result<f64, Error> {
        let (step, total) = (now.last_epoch as f64, now.number("total_steps")?);
        if step > total {
            let text = format!("Tried to step {step} times. The specified number of total steps is {total}");
            return Err(Error::InvalidOption(text));
        }
        let bad = || Error::BadOption { key: "_schedule_phases".to_owned(), expected: "a list of dicts" };
        let phases = now.attributes.get("_schedule_phases").and_then(Value::as_slice).ok_or_else(bad)?;
        let mut from = 0.0;
        for (i, phase) in phases.iter().enumerate() {
            let phase = phase.as_dict().ok_or_else(bad)?;
            let end = number(phase, "end_step")?;
            if step > end && i + 1 < phases.len() {
                from = end;
                continue;
            }
            if end == from {
                return Err(Error::InvalidOption("float division by zero".to_owned()));
            }
            let part = (step - from) / (end - from);
            let form = text(now.attributes, "_anneal_func_type")?;
            let at = |options: &Dict, key: &str| number(options, text(phase, key)?);
            let lr = anneal(form, at(options, "start_lr")?, at(options, "end_lr")?, part);
            if now.attributes.get("cycle_momentum").and_then(Value::as_bool) == Some(true) {
                let (start, end) = (at(options, "start_momentum")?, at(options, "end_momentum")?);
                let use_beta1 = now.attributes.get("use_beta1").and_then(Value::as_bool) == Some(true);
                set_momentum(options, use_beta1, anneal(form, start, end, part));
            }
            return Ok(lr);
        }
        Err(bad())
    }
}
