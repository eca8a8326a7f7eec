//! PyTorch's optimizers and learning-rate schedulers, with state that PyTorch can load and that loads PyTorch's.
//!
//! Constructors such as [`Adam::new`] all make an [`Optimizer`], those such as [`CosineAnnealingLR::new`] a [`Scheduler`].
//! A scheduler does not hold the optimizer: `scheduler.step(&mut optimizer)`. What PyTorch writes `optimizer.step(closure)`
//! is [`Optimizer::step_with`].
//!
//! # Examples
//! ```
//! use wengert_autograd::{Param, Var, tensor::Tensor};
//! use wengert_optim::{Sgd, SgdOptions};
//! let w = Param::new(Tensor::from_vec(vec![3.0f32], [1]));
//! let mut optimizer = Sgd::new([w.clone()], SgdOptions { lr: 0.5, ..SgdOptions::default() });
//! w.set_grad(Some(Tensor::from_vec(vec![2.0f32], [1])));
//! optimizer.step();
//! assert_eq!(w.value().to_vec::<f32>(), [2.0]);
//! ```
#![forbid(unsafe_code)]

mod adadelta;
mod adafactor;
mod adagrad;
mod adam;
mod adamax;
mod asgd;
mod clip;
mod error;
mod lbfgs;
mod muon;
mod nadam;
mod optimizer;
mod radam;
mod rmsprop;
mod rprop;
mod rule;
mod scheduler;
mod sgd;
mod wolfe;

pub use adadelta::{Adadelta, AdadeltaOptions};
pub use adafactor::{Adafactor, AdafactorOptions};
pub use adagrad::{Adagrad, AdagradOptions};
pub use adam::{Adam, AdamOptions, AdamW, AdamWOptions};
pub use adamax::{Adamax, AdamaxOptions};
pub use asgd::{Asgd, AsgdOptions};
pub use clip::{clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm, try_clip_grad_norm_};
pub use error::Error;
pub use lbfgs::{Lbfgs, LbfgsOptions, LineSearch};
pub use muon::{AdjustLr, Muon, MuonOptions};
pub use nadam::{NAdam, NAdamOptions};
pub use optimizer::{Optimizer, ParamGroup};
pub use radam::{RAdam, RAdamOptions};
pub use rmsprop::{RmsProp, RmsPropOptions};
pub use rprop::{Rprop, RpropOptions};
pub use rule::{Joint, Rule, Slots, Update};
pub use scheduler::{
    Anneal, ChainedScheduler, ConstantLR, CosineAnnealingLR, CosineAnnealingWarmRestarts, CyclicLR, CyclicLROptions,
    CyclicMode, ExponentialLR, LambdaLR, LinearLR, LinearLROptions, MultiStepLR, MultiplicativeLR, Now, OneCycleLR,
    OneCycleLROptions, PerGroup, PlateauMode, PolynomialLR, ReduceLROnPlateau, ReduceLROnPlateauOptions, SWALR,
    SWALROptions, ScaleMode, Schedule, Scheduler, SequentialLR, Start, StepLR, ThresholdMode,
};
pub use sgd::{Sgd, SgdOptions};
pub use wengert_autograd as autograd;
