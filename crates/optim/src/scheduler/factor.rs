//! Schedules that multiply the learning rate: steps, lines, powers.

use super::schedule::{nonzero, number};
use super::{Now, Schedule, Scheduler, Start};
use crate::Error;
use wengert_tensor::{Dict, DictKind, Value};

/// Makes a [`Scheduler`] that multiplies by `gamma` every `step_size` epochs.
pub struct StepLR;

impl StepLR {
    /// PyTorch's default for `gamma` is 0.1.
    ///
    /// # Panics
    /// If `step_size` is zero.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every schedule")]
    #[track_caller]
    pub fn new<'a>(start: impl Into<Start<'a>>, step_size: usize, gamma: f64) -> Scheduler {
        let attributes = [("step_size", Value::from(step_size)), ("gamma", Value::Float(gamma))];
        Scheduler::with_schedule(StepLR, start, attributes.into_iter().collect())
    }
}

impl Schedule for StepLR {
    fn name(&self) -> &'static str {
        "StepLR"
    }

    fn check(&self, attributes: &Dict) -> Result<(), Error> {
        nonzero(attributes, "step_size")
    }

    fn lr(&self, now: &Now<'_>, _options: &mut Dict) -> Result<f64, Error> {
        let due = now.last_epoch != 0 && now.last_epoch as f64 % now.number("step_size")? == 0.0;
        Ok(if due { now.lr * now.number("gamma")? } else { now.lr })
    }

    fn closed_form(&self, now: &Now<'_>) -> Result<Option<f64>, Error> {
        let times = (now.last_epoch as f64 / now.number("step_size")?).floor();
        Ok(Some(now.base_lr * now.number("gamma")?.powf(times)))
    }
}

/// Makes a [`Scheduler`] that multiplies by `gamma` at each milestone, as often as it is listed.
pub struct MultiStepLR;

impl MultiStepLR {
    /// PyTorch's default for `gamma` is 0.1.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every schedule")]
    #[track_caller]
    pub fn new<'a>(start: impl Into<Start<'a>>, milestones: impl IntoIterator<Item = usize>, gamma: f64) -> Scheduler {
        let mut counts = Dict { kind: DictKind::Counter, ..Dict::default() };
        for milestone in milestones {
            let before = counts.get_int(milestone as i64).and_then(Value::as_int).unwrap_or(0);
            counts.insert(milestone, before + 1);
        }
        let attributes = [("milestones", Value::Dict(counts)), ("gamma", Value::Float(gamma))];
        Scheduler::with_schedule(MultiStepLR, start, attributes.into_iter().collect())
    }
}

/// How many milestones are at an epoch, or until then.
fn milestones(now: &Now<'_>, counts: impl Fn(i64) -> bool) -> Result<f64, Error> {
    let bad = || Error::BadOption { key: "milestones".to_owned(), expected: "a counter of epochs" };
    let all = now.attributes.get("milestones").and_then(Value::as_dict).ok_or_else(bad)?;
    let at = |(key, times): (&Value, &Value)| key.as_int().filter(|m| counts(*m)).and(times.as_float());
    Ok(all.iter().filter_map(at).sum())
}

impl Schedule for MultiStepLR {
    fn name(&self) -> &'static str {
        "MultiStepLR"
    }

    fn lr(&self, now: &Now<'_>, _options: &mut Dict) -> Result<f64, Error> {
        let times = milestones(now, |milestone| milestone == now.last_epoch)?;
        Ok(if times == 0.0 { now.lr } else { now.lr * now.number("gamma")?.powf(times) })
    }

    fn closed_form(&self, now: &Now<'_>) -> Result<Option<f64>, Error> {
        let times = milestones(now, |milestone| milestone <= now.last_epoch)?;
        Ok(Some(now.base_lr * now.number("gamma")?.powf(times)))
    }
}

/// An error in PyTorch's words unless a condition holds.
fn ensure(holds: bool, text: &str) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::InvalidOption(text.to_owned())) }
}

/// Makes a [`Scheduler`] that multiplies by a factor until `total_iters`.
pub struct ConstantLR;

impl ConstantLR {
    /// PyTorch's defaults are a `factor` of 1/3 and 5 for `total_iters`.
    ///
    /// # Panics
    /// If the factor is not within 0 and 1, in PyTorch's words.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every schedule")]
    #[track_caller]
    pub fn new<'a>(start: impl Into<Start<'a>>, factor: f64, total_iters: usize) -> Scheduler {
        let attributes = [("factor", Value::Float(factor)), ("total_iters", Value::from(total_iters))];
        Scheduler::with_schedule(ConstantLR, start, attributes.into_iter().collect())
    }
}

impl Schedule for ConstantLR {
    fn name(&self) -> &'static str {
        "ConstantLR"
    }

    fn check(&self, attributes: &Dict) -> Result<(), Error> {
        let factor = number(attributes, "factor")?;
        ensure((0.0..=1.0).contains(&factor), "Constant multiplicative factor expected to be between 0 and 1.")
    }

    fn lr(&self, now: &Now<'_>, _options: &mut Dict) -> Result<f64, Error> {
        let factor = now.number("factor")?;
        Ok(if now.last_epoch == 0 {
            now.lr * factor
        } else if now.last_epoch as f64 == now.number("total_iters")? {
            now.lr * (1.0 / factor)
        } else {
            now.lr
        })
    }

    fn closed_form(&self, now: &Now<'_>) -> Result<Option<f64>, Error> {
        let factor = now.number("factor")?;
        let over = now.last_epoch as f64 >= now.number("total_iters")?;
        Ok(Some(now.base_lr * (factor + f64::from(over) * (1.0 - factor))))
    }
}

/// Options of [`LinearLR`], with PyTorch's defaults.
#[derive(Clone, Debug)]
pub struct LinearLROptions {
    /// The first factor, above 0 and at most 1.
    pub start_factor: f64,
    /// The last factor, within 0 and 1.
    pub end_factor: f64,
    /// Epochs that the way takes.
    pub total_iters: usize,
}

impl Default for LinearLROptions {
    fn default() -> LinearLROptions {
        LinearLROptions { start_factor: 1.0 / 3.0, end_factor: 1.0, total_iters: 5 }
    }
}

/// Makes a [`Scheduler`] whose factor goes along a line, as for a warm-up.
pub struct LinearLR;

impl LinearLR {
    /// Goes from one factor to the other.
    ///
    /// # Panics
    /// If a factor is out of range, in PyTorch's words.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every schedule")]
    #[track_caller]
    pub fn new<'a>(start: impl Into<Start<'a>>, options: LinearLROptions) -> Scheduler {
        let attributes = [
            ("start_factor", Value::Float(options.start_factor)),
            ("end_factor", Value::Float(options.end_factor)),
            ("total_iters", Value::from(options.total_iters)),
        ];
        Scheduler::with_schedule(LinearLR, start, attributes.into_iter().collect())
    }
}

impl Schedule for LinearLR {
    fn name(&self) -> &'static str {
        "LinearLR"
    }

    fn check(&self, attributes: &Dict) -> Result<(), Error> {
        let (start, end) = (number(attributes, "start_factor")?, number(attributes, "end_factor")?);
        let text = "Starting multiplicative factor expected to be greater than 0 and less or equal to 1.";
        ensure(start > 0.0 && start <= 1.0, text)?;
        ensure((0.0..=1.0).contains(&end), "Ending multiplicative factor expected to be between 0 and 1.")
    }

    fn lr(&self, now: &Now<'_>, _options: &mut Dict) -> Result<f64, Error> {
        let (start, total) = (now.number("start_factor")?, now.number("total_iters")?);
        let epoch = now.last_epoch as f64;
        if now.last_epoch == 0 {
            return Ok(now.lr * start);
        }
        if now.initial || epoch > total {
            return Ok(now.lr);
        }
        let way = now.number("end_factor")? - start;
        Ok(now.lr * (1.0 + way / (total * start + (epoch - 1.0) * way)))
    }

    fn closed_form(&self, now: &Now<'_>) -> Result<Option<f64>, Error> {
        let (start, total) = (now.number("start_factor")?, now.number("total_iters")?);
        let way = now.number("end_factor")? - start;
        Ok(Some(now.base_lr * (start + way * total.min(now.last_epoch as f64) / total)))
    }
}

/// Makes a [`Scheduler`] that multiplies by `gamma` each epoch.
pub struct ExponentialLR;

impl ExponentialLR {
    /// Multiplies by `gamma` each epoch.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every schedule")]
    #[track_caller]
    pub fn new<'a>(start: impl Into<Start<'a>>, gamma: f64) -> Scheduler {
        Scheduler::with_schedule(ExponentialLR, start, [("gamma", Value::Float(gamma))].into_iter().collect())
    }
}

impl Schedule for ExponentialLR {
    fn name(&self) -> &'static str {
        "ExponentialLR"
    }

    fn lr(&self, now: &Now<'_>, _options: &mut Dict) -> Result<f64, Error> {
        Ok(if now.initial { now.lr } else { now.lr * now.number("gamma")? })
    }

    fn closed_form(&self, now: &Now<'_>) -> Result<Option<f64>, Error> {
        Ok(Some(now.base_lr * now.number("gamma")?.powf(now.last_epoch as f64)))
    }
}

/// Makes a [`Scheduler`] that goes to zero along a power of what remains.
pub struct PolynomialLR;

impl PolynomialLR {
    /// PyTorch's defaults are 5 for `total_iters` and a `power` of 1.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every schedule")]
    #[track_caller]
    pub fn new<'a>(start: impl Into<Start<'a>>, total_iters: usize, power: f64) -> Scheduler {
        let attributes = [("total_iters", Value::from(total_iters)), ("power", Value::Float(power))];
        Scheduler::with_schedule(PolynomialLR, start, attributes.into_iter().collect())
    }
}

impl Schedule for PolynomialLR {
    fn name(&self) -> &'static str {
        "PolynomialLR"
    }

    fn lr(&self, now: &Now<'_>, _options: &mut Dict) -> Result<f64, Error> {
        let (epoch, total) = (now.last_epoch as f64, now.number("total_iters")?);
        if now.initial || epoch > total {
            return Ok(now.lr);
        }
        let remains = (1.0 - epoch / total) / (1.0 - (epoch - 1.0) / total);
        Ok(now.lr * remains.powf(now.number("power")?))
    }

    fn closed_form(&self, now: &Now<'_>) -> Result<Option<f64>, Error> {
        let total = now.number("total_iters")?;
        let remains = 1.0 - total.min(now.last_epoch as f64) / total;
        Ok(Some(now.base_lr * remains.powf(now.number("power")?)))
    }
}
