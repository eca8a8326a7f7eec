//! [`ReduceLROnPlateau`]: smaller learning rates when a figure no longer improves.

use super::schedule::{floats, set_number};
use super::{PerGroup, lrs};
use crate::rule::int_if_zero;
use crate::{Error, Optimizer};
use wengert_tensor::{Value, bug};

/// Which figures are better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlateauMode {
    /// Smaller ones, as of a loss.
    #[default]
    Min,
    /// Larger ones, as of an accuracy.
    Max,
}

/// What the threshold is a part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ThresholdMode {
    /// Of the best figure.
    #[default]
    Rel,
    /// Nothing: it is a difference.
    Abs,
}

/// Options of [`ReduceLROnPlateau`], with PyTorch's defaults.
#[derive(Clone, Debug)]
pub struct ReduceLROnPlateauOptions {
    /// Which figures are better.
    pub mode: PlateauMode,
    /// The factor of the learning rate, below 1.
    pub factor: f64,
    /// How many epochs without improvement are let pass.
    pub patience: usize,
    /// How much better a figure must be to count.
    pub threshold: f64,
    /// What the threshold is a part of.
    pub threshold_mode: ThresholdMode,
    /// Epochs after a reduction that do not count.
    pub cooldown: usize,
    /// The least learning rate.
    pub min_lr: PerGroup,
    /// A reduction by less than this is left out.
    pub eps: f64,
}

impl Default for ReduceLROnPlateauOptions {
    fn default() -> ReduceLROnPlateauOptions {
        ReduceLROnPlateauOptions {
            mode: PlateauMode::Min,
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            threshold_mode: ThresholdMode::Rel,
            cooldown: 0,
            min_lr: PerGroup::All(0.0),
            eps: 1e-8,
        }
    }
}

/// Reduces the learning rates when a figure, such as the validation loss, no longer improves.
///
/// # Examples
/// ```
/// use wengert_autograd::{Param, tensor::Tensor};
/// use wengert_optim::{ReduceLROnPlateau, ReduceLROnPlateauOptions, Sgd, SgdOptions};
/// let w = Param::new(Tensor::from_vec(vec![3.0f32], [1]));
/// let mut optimizer = Sgd::new([w], SgdOptions { lr: 0.5, ..SgdOptions::default() });
/// let options = ReduceLROnPlateauOptions { patience: 1, ..ReduceLROnPlateauOptions::default() };
/// let mut scheduler = ReduceLROnPlateau::new(&optimizer, options);
/// for loss in [1.0, 0.9, 0.9, 0.9] {
///     scheduler.step(&mut optimizer, loss);
/// }
/// assert_eq!(scheduler.get_last_lr(), [0.05]);
/// ```
#[derive(Clone, Debug)]
pub struct ReduceLROnPlateau {
    options: ReduceLROnPlateauOptions,
    last_epoch: i64,
    last_lr: Vec<f64>,
    best: f64,
    cooldown_counter: i64,
    num_bad_epochs: i64,
}

impl ReduceLROnPlateau {
    /// Watches a figure from here on.
    ///
    /// # Panics
    /// If the factor is not below 1 or the least learning rates are not one for each group, in PyTorch's words.
    #[track_caller]
    pub fn new(optimizer: &Optimizer, options: ReduceLROnPlateauOptions) -> ReduceLROnPlateau {
        if options.factor >= 1.0 {
            bug!("", "Factor should be < 1.0.");
        }
        let last_lr = lrs(optimizer);
        if let PerGroup::Each(list) = &options.min_lr
            && list.len() != last_lr.len()
        {
            bug!("", "expected {} min_lrs, got {}", last_lr.len(), list.len());
        }
        let best = worst(options.mode);
        ReduceLROnPlateau { options, last_epoch: 0, last_lr, best, cooldown_counter: 0, num_bad_epochs: 0 }
    }

    /// Takes the epoch's figure, and reduces the learning rates if it is time.
    ///
    /// # Panics
    /// If groups came to the optimizer and each has a least learning rate of its own, in PyTorch's words.
    #[track_caller]
    pub fn step(&mut self, optimizer: &mut Optimizer, metrics: f64) {
        self.last_epoch = self.last_epoch.saturating_add(1);
        if self.is_better(metrics) {
            self.best = metrics;
            self.num_bad_epochs = 0;
        } else {
            self.num_bad_epochs = self.num_bad_epochs.saturating_add(1);
        }
        if self.cooldown_counter > 0 {
            self.cooldown_counter -= 1;
            self.num_bad_epochs = 0;
        }
        if self.num_bad_epochs > self.options.patience as i64 {
            self.reduce(optimizer);
            self.cooldown_counter = self.options.cooldown as i64;
            self.num_bad_epochs = 0;
        }
        self.last_lr = lrs(optimizer);
    }

    #[track_caller]
    fn reduce(&self, optimizer: &mut Optimizer) {
        let groups = optimizer.param_groups_mut();
        let count = groups.len();
        for (i, group) in groups.iter_mut().enumerate() {
            let least = match &self.options.min_lr {
                PerGroup::All(least) => *least,
                PerGroup::Each(list) if list.len() == count => list[i],
                PerGroup::Each(list) => bug!(
                    "",
                    "The number of param groups in the `optimizer` ({count}) differs from when `ReduceLROnPlateau` was \
                     initialized ({}), usually due to a new param group being added to the optimizer. Please modify the \
                     `min_lrs` field to match the length of the `optimizer` param groups.",
                    list.len()
                ),
            };
            let old = group.lr();
            let new = (old * self.options.factor).max(least);
            if old - new > self.options.eps {
                set_number(&mut group.options, "lr", new);
            }
        }
    }

    fn is_better(&self, figure: f64) -> bool {
        let ReduceLROnPlateauOptions { threshold, threshold_mode, mode, .. } = self.options;
        match (mode, threshold_mode) {
            (PlateauMode::Min, ThresholdMode::Rel) => figure < self.best * (1.0 - threshold),
            (PlateauMode::Min, ThresholdMode::Abs) => figure < self.best - threshold,
            (PlateauMode::Max, ThresholdMode::Rel) => figure > self.best * (threshold + 1.0),
            (PlateauMode::Max, ThresholdMode::Abs) => figure > self.best + threshold,
        }
    }

    /// The learning rate of each group after the last step.
    pub fn get_last_lr(&self) -> &[f64] {
        &self.last_lr
    }

    /// The number of steps so far.
    pub fn last_epoch(&self) -> i64 {
        self.last_epoch
    }

    /// The state as PyTorch's `scheduler.state_dict()`.
    pub fn state_dict(&self) -> Value {
        let options = &self.options;
        let (default_min_lr, min_lrs) = match &options.min_lr {
            PerGroup::All(least) => (int_if_zero(*least), Value::List(vec![int_if_zero(*least); self.last_lr.len()])),
            PerGroup::Each(list) => (Value::None, floats(list)),
        };
        Value::dict([
            ("factor", Value::Float(options.factor)),
            ("default_min_lr", default_min_lr),
            ("min_lrs", min_lrs),
            ("patience", Value::from(options.patience)),
            ("cooldown", Value::from(options.cooldown)),
            ("eps", Value::Float(options.eps)),
            ("last_epoch", Value::Int(self.last_epoch)),
            ("_last_lr", floats(&self.last_lr)),
            ("mode_worse", Value::Float(worst(options.mode))),
            ("mode", Value::from(if options.mode == PlateauMode::Min { "min" } else { "max" })),
            ("threshold", Value::Float(options.threshold)),
            ("threshold_mode", Value::from(if options.threshold_mode == ThresholdMode::Rel { "rel" } else { "abs" })),
            ("best", Value::Float(self.best)),
            ("cooldown_counter", Value::Int(self.cooldown_counter)),
            ("num_bad_epochs", Value::Int(self.num_bad_epochs)),
        ])
    }

    /// Takes over a saved state, PyTorch's or ours: options too, as there. All or nothing.
    ///
    /// # Errors
    /// If the value is not the state of such a scheduler.
    pub fn load_state_dict(&mut self, value: &Value) -> Result<(), Error> {
        let wrong = |key: &str| Error::NotASchedule(format!("entry '{key}' of ReduceLROnPlateau is missing or wrong"));
        let number = |key: &str| value.get(key).and_then(Value::as_float).ok_or_else(|| wrong(key));
        let int = |key: &str| value.get(key).and_then(Value::as_int).ok_or_else(|| wrong(key));
        let count = |key: &str| usize::try_from(int(key)?).map_err(|_| wrong(key));
        let list = |key: &str| {
            let list = value.get(key).and_then(Value::as_slice).ok_or_else(|| wrong(key))?;
            let list: Option<Vec<f64>> = list.iter().map(Value::as_float).collect();
            list.filter(|list| list.len() == self.last_lr.len()).ok_or_else(|| wrong(key))
        };
        let text = |key: &str| value.get(key).and_then(Value::as_str).ok_or_else(|| wrong(key));
        let mode = match text("mode")? {
            "min" => PlateauMode::Min,
            "max" => PlateauMode::Max,
            other => return Err(Error::InvalidOption(format!("mode {other} is unknown!"))),
        };
        let threshold_mode = match text("threshold_mode")? {
            "rel" => ThresholdMode::Rel,
            "abs" => ThresholdMode::Abs,
            other => return Err(Error::InvalidOption(format!("threshold mode {other} is unknown!"))),
        };
        let min_lr = match value.get("default_min_lr") {
            Some(least) if least.as_float().is_some() => PerGroup::All(number("default_min_lr")?),
            _ => PerGroup::Each(list("min_lrs")?),
        };
        let options = ReduceLROnPlateauOptions {
            mode,
            factor: number("factor")?,
            patience: count("patience")?,
            threshold: number("threshold")?,
            threshold_mode,
            cooldown: count("cooldown")?,
            min_lr,
            eps: number("eps")?,
        };
        *self = ReduceLROnPlateau {
            options,
            last_epoch: int("last_epoch")?,
            last_lr: list("_last_lr")?,
            best: number("best")?,
            cooldown_counter: int("cooldown_counter")?,
            num_bad_epochs: int("num_bad_epochs")?,
        };
        Ok(())
    }
}

/// The figure that any other is better than.
fn worst(mode: PlateauMode) -> f64 {
    if mode == PlateauMode::Min { f64::INFINITY } else { f64::NEG_INFINITY }
}
