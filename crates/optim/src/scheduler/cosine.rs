//! Schedules along a cosine: [`CosineAnnealingLR`], and [`CosineAnnealingWarmRestarts`] (Loshchilov and Hutter 2016).

use super::schedule::{nonzero, number};
use super::{Now, Schedule, Scheduler, Start};
use crate::Error;
use std::f64::consts::PI;
use wengert_tensor::{Dict, Value};

/// Makes a [`Scheduler`] that goes down along a cosine, and up again.
pub struct CosineAnnealingLR;

impl CosineAnnealingLR {
    /// Goes to `eta_min` (0 by default in PyTorch) in `t_max` epochs.
    ///
    /// # Panics
    /// If `t_max` is zero.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every schedule")]
    #[track_caller]
    pub fn new<'a>(start: impl Into<Start<'a>>, t_max: usize, eta_min: f64) -> Scheduler {
        let attributes = [("T_max", Value::from(t_max)), ("eta_min", Value::Float(eta_min))];
        Scheduler::with_schedule(CosineAnnealingLR, start, attributes.into_iter().collect())
    }
}

impl Schedule for CosineAnnealingLR {
    fn name(&self) -> &'static str {
        "CosineAnnealingLR"
    }

    fn check(&self, attributes: &Dict) -> Result<(), Error> {
        nonzero(attributes, "T_max")
    }

    fn lr(&self, now: &Now<'_>, _options: &mut Dict) -> Result<f64, Error> {
        let (epoch, t_max, eta_min) = (now.last_epoch as f64, now.number("T_max")?, now.number("eta_min")?);
        Ok(if now.initial {
            now.lr
        } else if now.step_count == 1 && now.last_epoch > 0 {
            eta_min + (now.base_lr - eta_min) * (1.0 + (epoch * PI / t_max).cos()) / 2.0
        } else if (epoch - 1.0 - t_max) % (2.0 * t_max) == 0.0 {
            // The quotient below would be 0 / 0 after the lowest point.
            now.lr + (now.base_lr - eta_min) * (1.0 - (PI / t_max).cos()) / 2.0
        } else {
            (1.0 + (PI * epoch / t_max).cos()) / (1.0 + (PI * (epoch - 1.0) / t_max).cos()) * (now.lr - eta_min)
                + eta_min
        })
    }

    fn closed_form(&self, now: &Now<'_>) -> Result<Option<f64>, Error> {
        let (t_max, eta_min) = (now.number("T_max")?, now.number("eta_min")?);
        Ok(Some(eta_min + (now.base_lr - eta_min) * (1.0 + (PI * now.last_epoch as f64 / t_max).cos()) / 2.0))
    }
}

/// Makes a [`Scheduler`] that goes down along a cosine and then starts again from above.
///
/// [`Scheduler::step_to`] takes fractions of epochs: `scheduler.step_to(&mut optimizer, epoch + batch / batches)`.
pub struct CosineAnnealingWarmRestarts;

impl CosineAnnealingWarmRestarts {
    /// The first way down takes `t_0` epochs, each one `t_mult` times the one before; PyTorch's defaults are 1 for
    /// `t_mult` and 0 for `eta_min`.
    ///
    /// # Panics
    /// If `t_0` or `t_mult` is zero, in PyTorch's words.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every schedule")]
    #[track_caller]
    pub fn new<'a>(start: impl Into<Start<'a>>, t_0: usize, t_mult: usize, eta_min: f64) -> Scheduler {
        let start = start.into();
        let attributes = [
            ("T_0", Value::from(t_0)),
            ("T_i", Value::from(t_0)),
            ("T_mult", Value::from(t_mult)),
            ("eta_min", Value::Float(eta_min)),
            ("T_cur", Value::Int(start.last_epoch)),
        ];
        Scheduler::with_schedule(CosineAnnealingWarmRestarts, start, attributes.into_iter().collect())
    }
}

impl Schedule for CosineAnnealingWarmRestarts {
    fn name(&self) -> &'static str {
        "CosineAnnealingWarmRestarts"
    }

    fn check(&self, attributes: &Dict) -> Result<(), Error> {
        let int = |key: &str| attributes.get(key).and_then(Value::as_int).unwrap_or(0);
        if int("T_0") <= 0 {
            return Err(Error::InvalidOption(format!("Expected positive integer T_0, but got {}", int("T_0"))));
        }
        if int("T_mult") < 1 {
            return Err(Error::InvalidOption(format!("Expected integer T_mult >= 1, but got {}", int("T_mult"))));
        }
        nonzero(attributes, "T_i")
    }

    fn lr(&self, now: &Now<'_>, _options: &mut Dict) -> Result<f64, Error> {
        let (at, length, eta_min) = (now.number("T_cur")?, now.number("T_i")?, now.number("eta_min")?);
        Ok(eta_min + (now.base_lr - eta_min) * (1.0 + (PI * at / length).cos()) / 2.0)
    }

    /// As there: whole epochs count integers, so that the state keeps their kind.
    fn advance(&self, attributes: &mut Dict, last_epoch: i64, to: Option<f64>) -> Result<Option<i64>, Error> {
        let (first, mult) = (number(attributes, "T_0")?, number(attributes, "T_mult")?);
        let like = |value: f64, kind: Option<&Value>| match kind {
            Some(Value::Int(_)) => Value::Int(value as i64),
            _ => Value::Float(value),
        };
        let Some(epoch) = to.or(if last_epoch < 0 { Some(0.0) } else { None }) else {
            let length = number(attributes, "T_i")?;
            let at = number(attributes, "T_cur")? + 1.0;
            let (now, next) = if at >= length { (at % length, length * mult) } else { (at, length) };
            let (now, next) = (like(now, attributes.get("T_cur")), like(next, attributes.get("T_i")));
            attributes.insert("T_cur", now);
            attributes.insert("T_i", next);
            return Ok(Some(last_epoch.saturating_add(1)));
        };
        if epoch < 0.0 {
            return Err(Error::InvalidOption(format!("Expected non-negative epoch, but got {}", Value::Float(epoch))));
        }
        let whole = |value: f64| if to.is_none() { Value::Int(value as i64) } else { Value::Float(value) };
        if epoch < first {
            attributes.insert("T_i", first as i64);
            attributes.insert("T_cur", whole(epoch));
        } else if mult == 1.0 {
            attributes.insert("T_cur", whole(epoch % first));
        } else {
            let restarts = ((epoch / first * (mult - 1.0) + 1.0).ln() / mult.ln()).trunc();
            attributes.insert("T_cur", epoch - first * (mult.powf(restarts) - 1.0) / (mult - 1.0));
            attributes.insert("T_i", (first * mult.powf(restarts)) as i64);
        }
        Ok(Some(epoch.floor() as i64))
    }
}
