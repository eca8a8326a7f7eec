//! [`AveragedModel`]: running averages of a network's parameters (`torch.optim.swa_utils`).

use crate::{BatchNorm, Buffer, Module, Tree};
use std::sync::Arc;
use wengert_autograd::{Var, no_grad};
use wengert_tensor::{DType, Tensor, bug};

/// The next average from the average so far, the present value, and how many were averaged.
pub type AvgFn = Arc<dyn Fn(&Tensor, &Tensor, i64) -> Tensor + Send + Sync>;

/// The mean of all values (`torch.optim.swa_utils.get_swa_avg_fn`).
pub fn get_swa_avg_fn() -> AvgFn {
    Arc::new(|averaged, current, count| averaged.add(current.sub(averaged).div((count + 1) as f64)))
}

/// The exponential average `decay * averaged + (1 - decay) * current` (`torch.optim.swa_utils.get_ema_avg_fn`, whose
/// default for `decay` is 0.999).
///
/// # Panics
/// If the decay is not within 0 and 1, in PyTorch's words.
#[track_caller]
pub fn get_ema_avg_fn(decay: f64) -> AvgFn {
    if !(0.0..=1.0).contains(&decay) {
        bug!(
            "",
            "Invalid decay value {} provided. Please provide a value in [0,1] range.",
            wengert_tensor::Value::Float(decay)
        );
    }
    Arc::new(move |averaged, current, _| averaged.mul(decay).add(current.mul(1.0 - decay)))
}

/// Options of [`AveragedModel`], with PyTorch's defaults.
#[derive(Clone)]
pub struct AveragedModelOptions {
    /// How values are averaged: [`get_swa_avg_fn`] or [`get_ema_avg_fn`] or your own.
    pub avg_fn: AvgFn,
    /// Whether buffers are averaged too; if not, they are the model's.
    pub use_buffers: bool,
}

impl Default for AveragedModelOptions {
    fn default() -> AveragedModelOptions {
        AveragedModelOptions { avg_fn: get_swa_avg_fn(), use_buffers: false }
    }
}

/// A network whose parameters are averages of another's, for stochastic weight averaging or an exponential average.
///
/// Where PyTorch copies the model, it takes a second instance of it. Its state has the names of PyTorch's: `n_averaged`
/// and `module.…`.
///
/// # Examples
/// ```
/// use wengert_nn::{AveragedModel, AveragedModelOptions, Linear, Module, get_ema_avg_fn, tensor::Tensor};
/// let net = Linear::new(2, 1);
/// let options = AveragedModelOptions { avg_fn: get_ema_avg_fn(0.9), ..AveragedModelOptions::default() };
/// let ema = AveragedModel::new(&net, Linear::new(2, 1), options);
/// ema.update_parameters(&net); // after each step of the optimizer
/// assert_eq!(ema.state_dict().keys().collect::<Vec<_>>(), ["n_averaged", "module.weight", "module.bias"]);
/// assert_eq!(ema.module.weight.value().to_vec::<f32>(), net.weight.value().to_vec::<f32>());
/// ```
#[derive(Tree)]
pub struct AveragedModel<M: Module> {
    /// How many were averaged, an `i64`.
    pub n_averaged: Buffer,
    /// The network with the averages.
    pub module: M,
    #[tree(skip)]
    options: AveragedModelOptions,
}

impl<M: Module> AveragedModel<M> {
    /// Averages of the model's parameters, kept in `twin`, which starts as a copy of the model.
    ///
    /// # Panics
    /// If the two differ in names or shapes.
    #[track_caller]
    pub fn new(model: &M, twin: M, options: AveragedModelOptions) -> AveragedModel<M> {
        let dtype = model.parameters().first().map(|param| param.dtype());
        if let Some(dtype) = dtype {
            twin.to(dtype);
        }
        if let Err(error) = twin.load_state_dict(&model.state_dict()) {
            bug!("AveragedModel", "the twin is another network: {error}");
        }
        // Parents come before what is in them.
        for (own, other) in twin.modules().into_iter().zip(model.modules()) {
            if other.training() { own.train() } else { own.eval() }
        }
        AveragedModel { n_averaged: Buffer::new(Tensor::zeros((), DType::I64)), module: twin, options }
    }

    /// Takes the model's present parameters into the averages; the first time they are the averages.
    ///
    /// # Panics
    /// If the model has other parameters or buffers.
    #[track_caller]
    pub fn update_parameters(&self, model: &M) {
        let count = self.n_averaged.value().item::<i64>();
        let next = |averaged: &Tensor, current: &Tensor| match count {
            0 => current.to(averaged.dtype()),
            _ => (self.options.avg_fn)(averaged, current, count).to(averaged.dtype()),
        };
        let (own, others) = (self.module.parameters(), model.parameters());
        if own.len() != others.len() {
            bug!("AveragedModel", "{} parameters for {}", others.len(), own.len());
        }
        for (averaged, current) in own.iter().zip(&others) {
            averaged.set(next(&averaged.value(), &current.value()));
        }
        let (own, others) = (self.module.buffers(), model.buffers());
        if own.len() != others.len() {
            bug!("AveragedModel", "{} buffers for {}", others.len(), own.len());
        }
        for (averaged, current) in own.iter().zip(&others) {
            let (before, now) = (averaged.value(), current.value());
            averaged.set(if self.options.use_buffers { next(&before, &now) } else { now.to(before.dtype()) });
        }
        self.n_averaged.update(|count| {
            count.add_(1);
        });
    }
}

#[wengert_nn_derive::module]
impl<M: Module> Module for AveragedModel<M> {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        self.module.forward(input)
    }
}

/// Computes the running statistics of a network's batch normalisations anew, as means over the batches given
/// (`torch.optim.swa_utils.update_bn`): averaged parameters have others than those that were averaged.
///
/// # Panics
/// If the network cannot take a batch.
#[track_caller]
pub fn update_bn(batches: impl IntoIterator<Item = impl Into<Var>>, model: &dyn Module) {
    let modules = model.modules();
    // Calls a function on each layer, whatever its dimensions.
    let each = |start: bool| {
        fn layer<const AXES: usize>(module: &dyn Module, start: bool) -> bool {
            let Some(norm) = module.downcast_ref::<BatchNorm<AXES>>() else { return false };
            if start {
                norm.reset_running_stats();
            }
            norm.accumulate(start);
            true
        }
        let found = modules.iter().map(|m| layer::<1>(*m, start) || layer::<2>(*m, start) || layer::<3>(*m, start));
        found.filter(|found| *found).count() > 0
    };
    if !each(true) {
        return;
    }
    let training = model.training();
    model.train();
    no_grad(|| {
        for batch in batches {
            model.forward(&batch.into());
        }
    });
    each(false);
    if !training {
        model.eval();
    }
}
