//! [`TrainingState`]: everything that a training run needs to go on, in one file.

use crate::Error;
use std::path::Path;
use wengert_tensor::{StateDict, Tensor, Value};

/// A training run at rest, as PyTorch's programs save it: a dict with the entries `model`, `optimizer`, `scheduler`,
/// `rng_state`, `epoch`, `step` and `sampler`, so that either side goes on with the other's run.
///
/// In Python, `torch.load(path)` gives the dict, `net.load_state_dict(d['model'])`, `opt.load_state_dict(d['optimizer'])`
/// and `torch.set_rng_state(d['rng_state'])` take it. To go on within an epoch, set the generator to the state of
/// `d['sampler']['rng_state']`, begin the loader's epoch, pass over `d['sampler']['batch']` batches, and then set the
/// generator to `d['rng_state']`.
///
/// # Examples
/// ```
/// use wengert_io::{TrainingState, tensor::{StateDict, Value, get_rng_state}};
/// let path = std::env::temp_dir().join(format!("wengert-doc-run-{}.pt", std::process::id()));
/// let run = TrainingState { epoch: 3, step: 1200, rng_state: Some(get_rng_state()), ..TrainingState::default() };
/// run.save(&path)?;
/// assert_eq!(TrainingState::load(&path)?.step, 1200);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), wengert_io::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct TrainingState {
    /// `net.state_dict()`.
    pub model: StateDict,
    /// `optimizer.state_dict()`; `None` if the run has none.
    pub optimizer: Value,
    /// `scheduler.state_dict()`; `None` if the run has none.
    pub scheduler: Value,
    /// The default generator's state, from `get_rng_state()`.
    pub rng_state: Option<Tensor>,
    /// Epochs that are done.
    pub epoch: i64,
    /// Steps of the optimizer that are done.
    pub step: i64,
    /// Where the run is within an epoch, if it is.
    pub sampler: Option<SamplerState>,
}

/// A place within an epoch.
#[derive(Clone)]
pub struct SamplerState {
    /// The default generator's state before the loader drew the epoch's order.
    pub rng_state: Tensor,
    /// Batches of the epoch that are done.
    pub batch: i64,
}

impl TrainingState {
    /// Saves the run. Replaces the file whole or not at all.
    ///
    /// # Errors
    /// As [`save`](crate::save).
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        crate::save(path, self)
    }

    /// Loads a run that either side saved; entries that are missing are as by default, and unknown ones are passed over.
    ///
    /// # Errors
    /// As [`load`](crate::load), and if an entry is not what its name says.
    pub fn load(path: impl AsRef<Path>) -> Result<TrainingState, Error> {
        let path = path.as_ref();
        TrainingState::from_value(&crate::load(path)?).map_err(|e| e.in_file(path))
    }

    /// The run that a dict describes.
    ///
    /// # Errors
    /// If an entry is not what its name says.
    pub fn from_value(value: &Value) -> Result<TrainingState, Error> {
        let wrong = |name: &str, what: &str| Error::corrupt(format!("entry '{name}'"), format!("it is no {what}"));
        if value.as_dict().is_none() {
            return Err(Error::corrupt("training state", "it is no dict"));
        }
        let entry = |name: &str| value.get(name).filter(|v| !matches!(v, Value::None));
        let count = |name: &str| match entry(name) {
            None => Ok(0),
            Some(value) => value.as_int().ok_or_else(|| wrong(name, "number")),
        };
        let tensor = |value: &Value, name: &str| value.as_tensor().cloned().ok_or_else(|| wrong(name, "tensor"));
        let model = match entry("model") {
            None => StateDict::new(),
            Some(value) => value.to_state_dict().ok_or_else(|| wrong("model", "state dict"))?,
        };
        let sampler = match entry("sampler") {
            None => None,
            Some(value) => Some(SamplerState {
                rng_state: tensor(value.get("rng_state").unwrap_or(&Value::None), "sampler.rng_state")?,
                batch: value.get("batch").and_then(Value::as_int).ok_or_else(|| wrong("sampler.batch", "number"))?,
            }),
        };
        Ok(TrainingState {
            model,
            optimizer: entry("optimizer").cloned().unwrap_or_default(),
            scheduler: entry("scheduler").cloned().unwrap_or_default(),
            rng_state: entry("rng_state").map(|value| tensor(value, "rng_state")).transpose()?,
            epoch: count("epoch")?,
            step: count("step")?,
            sampler,
        })
    }
}

impl From<&TrainingState> for Value {
    fn from(state: &TrainingState) -> Value {
        let sampler = state.sampler.as_ref().map_or(Value::None, |sampler| {
            Value::dict([("rng_state", Value::from(&sampler.rng_state)), ("batch", Value::from(sampler.batch))])
        });
        Value::dict([
            ("model", Value::from(&state.model)),
            ("optimizer", state.optimizer.clone()),
            ("scheduler", state.scheduler.clone()),
            ("rng_state", state.rng_state.as_ref().map_or(Value::None, Value::from)),
            ("epoch", Value::from(state.epoch)),
            ("step", Value::from(state.step)),
            ("sampler", sampler),
        ])
    }
}
