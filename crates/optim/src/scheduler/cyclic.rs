//! [`CyclicLR`]: up and down between two learning rates (Smith 2015).

use super::schedule::{floats, set_momentum, set_number, start_momentum, text, uses_beta1};
use super::{Now, PerGroup, Schedule, Scheduler, Start};
use crate::Error;
use std::sync::Arc;
use wengert_tensor::{Dict, Value};

/// How the height of a cycle changes from one to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CyclicMode {
    /// Not at all.
    #[default]
    Triangular,
    /// It halves with each cycle.
    Triangular2,
    /// It is times `gamma` with each iteration.
    ExpRange,
}

/// What a scale function of one's own takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScaleMode {
    /// The number of the cycle, from 1.
    #[default]
    Cycle,
    /// The number of iterations.
    Iterations,
}

/// Options of [`CyclicLR`], with PyTorch's defaults.
#[derive(Clone)]
pub struct CyclicLROptions {
    /// Iterations of the way up.
    pub step_size_up: usize,
    /// Iterations of the way down; as many as up if none.
    pub step_size_down: Option<usize>,
    /// How the height changes.
    pub mode: CyclicMode,
    /// The factor of [`CyclicMode::ExpRange`].
    pub gamma: f64,
    /// A scale of the height of one's own, instead of `mode`. It is not saved.
    pub scale_fn: Option<Arc<dyn Fn(f64) -> f64 + Send + Sync>>,
    /// What `scale_fn` takes.
    pub scale_mode: ScaleMode,
    /// Whether the momentum goes the other way; the optimizer must have one, or `betas`.
    pub cycle_momentum: bool,
    /// The least momentum.
    pub base_momentum: PerGroup,
    /// The largest momentum.
    pub max_momentum: PerGroup,
}

impl Default for CyclicLROptions {
    fn default() -> CyclicLROptions {
        CyclicLROptions {
            step_size_up: 2000,
            step_size_down: None,
            mode: CyclicMode::Triangular,
            gamma: 1.0,
            scale_fn: None,
            scale_mode: ScaleMode::Cycle,
            cycle_momentum: true,
            base_momentum: PerGroup::All(0.8),
            max_momentum: PerGroup::All(0.9),
        }
    }
}

/// Makes a [`Scheduler`] that goes up and down between two learning rates; it is stepped after each batch.
pub struct CyclicLR {
    scale_fn: Option<Arc<dyn Fn(f64) -> f64 + Send + Sync>>,
}

impl CyclicLR {
    /// Goes between the learning rates given, of all groups or of each.
    ///
    /// # Panics
    /// If the optimizer has no momentum to cycle, or a list has another length than the groups, in PyTorch's words.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every schedule")]
    #[track_caller]
    pub fn new<'a>(
        start: impl Into<Start<'a>>,
        base_lr: impl Into<PerGroup>,
        max_lr: impl Into<PerGroup>,
        options: CyclicLROptions,
    ) -> Scheduler {
        let mut start = start.into();
        let groups = start.optimizer.param_groups();
        let base_lrs = base_lr.into().expand("base_lr", groups);
        let max_lrs = max_lr.into().expand("max_lr", groups);
        let base_momentums = options.base_momentum.expand("base_momentum", groups);
        let max_momentums = options.max_momentum.expand("max_momentum", groups);
        if start.last_epoch == -1 {
            for (group, lr) in start.optimizer.param_groups_mut().iter_mut().zip(&base_lrs) {
                set_number(&mut group.options, "lr", *lr);
            }
        }
        let up = options.step_size_up as f64;
        let total = up + options.step_size_down.map_or(up, |down| down as f64);
        let mode = match options.mode {
            CyclicMode::Triangular => "triangular",
            CyclicMode::Triangular2 => "triangular2",
            CyclicMode::ExpRange => "exp_range",
        };
        let by_iterations = match options.scale_fn {
            Some(_) => options.scale_mode == ScaleMode::Iterations,
            None => options.mode == CyclicMode::ExpRange,
        };
        let mut attributes = Dict::from_iter([
            ("max_lrs", floats(&max_lrs)),
            ("total_size", Value::Float(total)),
            ("step_ratio", Value::Float(up / total)),
            ("mode", Value::from(mode)),
            ("gamma", Value::Float(options.gamma)),
            ("scale_mode", Value::from(if by_iterations { "iterations" } else { "cycle" })),
            ("cycle_momentum", Value::Bool(options.cycle_momentum)),
        ]);
        if options.cycle_momentum {
            let use_beta1 = uses_beta1(start.optimizer);
            start_momentum(&mut start, use_beta1, &base_momentums, &max_momentums);
            attributes.insert("use_beta1", use_beta1);
            attributes.insert("base_momentums", floats(&base_momentums));
            attributes.insert("max_momentums", floats(&max_momentums));
        }
        let schedule = CyclicLR { scale_fn: options.scale_fn };
        let mut scheduler = Scheduler::with_schedule(schedule, start, attributes);
        // As in PyTorch, the first step saw `initial_lr`, which may be another scheduler's.
        scheduler.state.base_lrs = base_lrs;
        scheduler
    }

    /// The height of a cycle.
    fn scale(&self, attributes: &Dict, at: f64) -> Result<f64, Error> {
        if let Some(scale) = &self.scale_fn {
            return Ok(scale(at));
        }
        Ok(match text(attributes, "mode")? {
            "triangular2" => 1.0 / 2f64.powf(at - 1.0),
            "exp_range" => super::schedule::number(attributes, "gamma")?.powf(at),
            _ => 1.0,
        })
    }
}

impl Schedule for CyclicLR {
    fn name(&self) -> &'static str {
        "CyclicLR"
    }

    fn check(&self, attributes: &Dict) -> Result<(), Error> {
        let mode = text(attributes, "mode")?;
        if self.scale_fn.is_none() && !["triangular", "triangular2", "exp_range"].contains(&mode) {
            return Err(Error::InvalidOption("mode is invalid and scale_fn is None".to_owned()));
        }
        Ok(())
    }

    fn lr(&self, now: &Now<'_>, options: &mut Dict) -> Result<f64, Error> {
        let (total, ratio) = (now.number("total_size")?, now.number("step_ratio")?);
        let epoch = now.last_epoch as f64;
        let cycle = (1.0 + epoch / total).floor();
        let x = 1.0 + epoch / total - cycle;
        let height = if x <= ratio { x / ratio } else { (x - 1.0) / (ratio - 1.0) };
        let at = if text(now.attributes, "scale_mode")? == "cycle" { cycle } else { epoch };
        let scale = self.scale(now.attributes, at)?;
        let lr = now.base_lr + (now.of_group("max_lrs")? - now.base_lr) * height * scale;
        if now.attributes.get("cycle_momentum").and_then(Value::as_bool) == Some(true) {
            let (base, max) = (now.of_group("base_momentums")?, now.of_group("max_momentums")?);
            let use_beta1 = now.attributes.get("use_beta1").and_then(Value::as_bool) == Some(true);
            set_momentum(options, use_beta1, max - (max - base) * height * scale);
        }
        Ok(lr)
    }

    fn tail(&self, _groups: usize) -> Dict {
        Dict::from_iter([("_scale_fn_custom", Value::None)])
    }
}
