//! A run with any optimizer and scheduler goes on from PyTorch's file as it would have there, and PyTorch from ours.

use std::io::Read;
use wengert_autograd::{Var, functional::cross_entropy};
use wengert_io::TrainingState;
use wengert_nn::{Linear, Module};
use wengert_optim::{
    Adadelta, AdadeltaOptions, Adafactor, AdafactorOptions, Adagrad, AdagradOptions, Adam, AdamOptions, AdamW,
    AdamWOptions, Adamax, AdamaxOptions, Asgd, AsgdOptions, ChainedScheduler, ConstantLR, CosineAnnealingLR,
    CosineAnnealingWarmRestarts, CyclicLR, CyclicLROptions, CyclicMode, ExponentialLR, LambdaLR, Lbfgs, LbfgsOptions,
    LineSearch, LinearLR, LinearLROptions, MultiStepLR, MultiplicativeLR, Muon, MuonOptions, NAdam, NAdamOptions,
    OneCycleLR, OneCycleLROptions, Optimizer, ParamGroup, PolynomialLR, RAdam, RAdamOptions, ReduceLROnPlateau,
    ReduceLROnPlateauOptions, RmsProp, RmsPropOptions, Rprop, RpropOptions, SWALR, SWALROptions, Scheduler,
    SequentialLR, Sgd, SgdOptions, StepLR,
};
use wengert_tensor::{DType, Dict, Tensor, Value};

/// A run of `golden/resume.py`.
struct Run {
    name: String,
    net: Linear,
    optimizer: Optimizer,
    scheduler: Option<Scheduler>,
    plateau: Option<ReduceLROnPlateau>,
    dtype: DType,
    step: usize,
}

fn optimizer(name: &str, net: &Linear) -> Optimizer {
    let params = net.parameters();
    let groups =
        |lr: f64| vec![ParamGroup::new([params[0].clone()]), ParamGroup::new([params[1].clone()]).with("lr", lr)];
    match name {
        "SGD" => Sgd::new(groups(0.05), SgdOptions { lr: 0.1, momentum: 0.9, ..SgdOptions::default() }),
        "Adam" => Adam::new(groups(0.005), AdamOptions { lr: 0.01, ..AdamOptions::default() }),
        "AdamW" => AdamW::new(groups(0.005), AdamWOptions { lr: 0.01, ..AdamWOptions::default() }),
        "RMSprop" => {
            RmsProp::new(groups(0.005), RmsPropOptions { lr: 0.01, momentum: 0.5, ..RmsPropOptions::default() })
        }
        "Adagrad" => Adagrad::new(groups(0.05), AdagradOptions { lr: 0.1, ..AdagradOptions::default() }),
        "Adadelta" => Adadelta::new(groups(0.5), AdadeltaOptions { lr: 1.0, ..AdadeltaOptions::default() }),
        "NAdam" => NAdam::new(groups(0.005), NAdamOptions { lr: 0.01, ..NAdamOptions::default() }),
        "RAdam" => RAdam::new(groups(0.005), RAdamOptions { lr: 0.01, ..RAdamOptions::default() }),
        "Adamax" => Adamax::new(groups(0.005), AdamaxOptions { lr: 0.01, ..AdamaxOptions::default() }),
        "ASGD" => Asgd::new(groups(0.05), AsgdOptions { lr: 0.1, t0: 3.0, ..AsgdOptions::default() }),
        "Rprop" => Rprop::new(groups(0.005), RpropOptions { lr: 0.01, ..RpropOptions::default() }),
        "Adafactor" => Adafactor::new(groups(0.05), AdafactorOptions { lr: 0.1, ..AdafactorOptions::default() }),
        "Muon" => Muon::new([params[0].clone()], MuonOptions { lr: 0.02, ..MuonOptions::default() }),
        "LBFGS" => {
            let line_search_fn = Some(LineSearch::StrongWolfe);
            let options = LbfgsOptions { lr: 0.1, max_iter: 3, history_size: 5, line_search_fn, ..Default::default() };
            Lbfgs::new(params, options)
        }
        other => panic!("unknown optimizer {other}"),
    }
}

fn scheduler(name: &str, o: &mut Optimizer) -> Option<Scheduler> {
    let cycle_momentum = o.defaults().get("momentum").or(o.defaults().get("betas")).is_some();
    let warm_up = |total_iters| LinearLROptions { start_factor: 0.1, end_factor: 1.0, total_iters };
    Some(match name {
        "StepLR" => StepLR::new(o, 3, 0.5),
        "MultiStepLR" => MultiStepLR::new(o, [2, 9, 9, 14], 0.5),
        "ConstantLR" => ConstantLR::new(o, 0.25, 9),
        "LinearLR" => LinearLR::new(o, warm_up(12)),
        "ExponentialLR" => ExponentialLR::new(o, 0.9),
        "PolynomialLR" => PolynomialLR::new(o, 15, 2.0),
        "CosineAnnealingLR" => CosineAnnealingLR::new(o, 10, 0.001),
        "CosineAnnealingWarmRestarts" => CosineAnnealingWarmRestarts::new(o, 3, 2, 0.0),
        "CyclicLR" => {
            let options =
                CyclicLROptions { step_size_up: 4, mode: CyclicMode::Triangular2, ..CyclicLROptions::default() };
            CyclicLR::new(o, 0.001, 0.1, CyclicLROptions { cycle_momentum, ..options })
        }
        "OneCycleLR" => {
            OneCycleLR::new(o, 0.1, 20, OneCycleLROptions { cycle_momentum, ..OneCycleLROptions::default() })
        }
        "LambdaLR" => LambdaLR::new(o, |epoch| 0.9f64.powf(epoch as f64)),
        "MultiplicativeLR" => MultiplicativeLR::new(o, |epoch| 1.0 - 0.01 * epoch as f64),
        "SequentialLR" => {
            let parts = [LinearLR::new(&mut *o, warm_up(9)), ExponentialLR::new(&mut *o, 0.9)];
            SequentialLR::new(o, parts, [9])
        }
        "ChainedScheduler" => {
            let parts = [ConstantLR::new(&mut *o, 0.5, 9), ExponentialLR::new(&mut *o, 0.9)];
            ChainedScheduler::new(o, parts)
        }
        "SWALR" => SWALR::new(o, 0.02, SWALROptions::default()),
        "None" | "ReduceLROnPlateau" => return None,
        other => panic!("unknown scheduler {other}"),
    })
}

impl Run {
    /// The run of a name such as `SGD StepLR float32`, at its start.
    fn new(name: &str) -> Run {
        let names: Vec<&str> = name.split(' ').collect();
        let dtype = if names[2] == "float64" { DType::F64 } else { DType::F32 };
        let net = Linear::new(4, 3);
        net.to(dtype);
        let weight = Tensor::from_vec((0..12).map(|i| f64::from(i as f32 / 10.0) - 0.5).collect::<Vec<f64>>(), [3, 4]);
        net.parameters()[0].set(weight.to(dtype));
        net.parameters()[1].set(Tensor::zeros([3], dtype));
        let mut optimizer = optimizer(names[0], &net);
        let scheduler = scheduler(names[1], &mut optimizer);
        let plateau = (names[1] == "ReduceLROnPlateau").then(|| {
            let options = ReduceLROnPlateauOptions { patience: 1, threshold: 0.05, ..Default::default() };
            ReduceLROnPlateau::new(&optimizer, options)
        });
        Run { name: name.to_owned(), net, optimizer, scheduler, plateau, dtype, step: 0 }
    }

    fn train(&mut self, steps: usize) -> Vec<f64> {
        let mut losses = Vec::new();
        for _ in 0..steps {
            let first = self.step % 12 * 8;
            // L-BFGS needs the same loss at each step.
            let rows = if self.name.starts_with("LBFGS") { 0..96 } else { first..first + 8 };
            let x: Vec<f64> = (rows.start * 4..rows.end * 4).map(|i| (i as f64).sin()).collect();
            let y: Vec<i64> = rows.clone().map(|i| (i * 7 % 3) as i64).collect();
            let x = Var::from(Tensor::from_vec(x, [rows.len(), 4]).to(self.dtype));
            let y = Tensor::from_vec(y, [rows.len()]);
            let closure = || {
                self.net.zero_grad();
                let loss = cross_entropy(&self.net.forward(&x), &y);
                loss.backward();
                loss
            };
            let loss = self.optimizer.step_with(closure).item::<f64>();
            if let Some(scheduler) = &mut self.scheduler {
                scheduler.step(&mut self.optimizer);
            }
            if let Some(plateau) = &mut self.plateau {
                plateau.step(&mut self.optimizer, loss);
            }
            losses.push(loss);
            self.step += 1;
        }
        losses
    }

    fn state(&self) -> TrainingState {
        let scheduler = self.scheduler.as_ref().map(Scheduler::state_dict);
        TrainingState {
            model: self.net.state_dict(),
            optimizer: self.optimizer.state_dict(),
            scheduler: scheduler.or(self.plateau.as_ref().map(ReduceLROnPlateau::state_dict)).unwrap_or_default(),
            step: self.step as i64,
            ..TrainingState::default()
        }
    }

    fn load(&mut self, state: &TrainingState) {
        self.net.load_state_dict(&state.model).expect("the same network");
        self.optimizer.load_state_dict(&state.optimizer).expect("the same optimizer");
        if let Some(scheduler) = &mut self.scheduler {
            scheduler.load_state_dict(&state.scheduler).expect("the same scheduler");
        }
        if let Some(plateau) = &mut self.plateau {
            plateau.load_state_dict(&state.scheduler).expect("the same scheduler");
        }
        self.step = state.step as usize;
    }
}

/// The runs that PyTorch saved: names, states, and the losses that followed.
fn saved() -> Vec<(String, TrainingState, Vec<f64>)> {
    let mut bytes = Vec::new();
    let packed = include_bytes!("golden/resume.pt.gz");
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut bytes).expect("a gzip file");
    let runs = wengert_io::from_bytes(&bytes).expect("a file of PyTorch");
    let run = |(name, value): (&Value, &Value)| {
        let next = value.get("next").and_then(Value::as_slice).expect("losses");
        let next = next.iter().map(|loss| loss.as_float().expect("a number")).collect();
        (name.as_str().expect("a name").to_owned(), TrainingState::from_value(value).expect("a run"), next)
    };
    runs.as_dict().expect("a dict").iter().map(run).collect()
}

#[test]
fn runs_of_pytorch_go_on() {
    let runs = saved();
    assert_eq!(runs.len(), (6 * 17 + 8 * 2) * 2);
    for (name, state, next) in runs {
        let mut run = Run::new(&name);
        run.load(&state);
        assert_eq!(run.state().scheduler.to_string(), state.scheduler.to_string(), "{name}");
        let tolerance = match run.dtype {
            DType::F64 => 1e-12,
            // Near the optimum its line search compares losses that differ in their last bit.
            _ if name.starts_with("LBFGS") => 1e-3,
            _ => 1e-5,
        };
        let losses = run.train(10);
        for (a, b) in losses.iter().zip(&next) {
            assert!((a - b).abs() <= tolerance * b.abs(), "{name}: {losses:?} instead of {next:?}");
        }
    }
}

/// `golden/resume.py FOLDER FILE` goes on in PyTorch from the file that this writes.
#[test]
fn runs_of_ours_go_on_bit_for_bit() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("resume.pt");
    let mut all = Dict::new();
    let mut expected = Vec::new();
    for (name, ..) in saved() {
        let mut run = Run::new(&name);
        run.train(7);
        let state = run.state();
        let mut resumed = Run::new(&name);
        resumed.load(&state);
        let next = resumed.train(10);
        // NAdam keeps a number in f32 until it is loaded, as in PyTorch.
        if !name.starts_with("NAdam") {
            assert_eq!(run.train(10), next, "{name}");
        }
        let Value::Dict(mut state) = Value::from(&state) else { panic!("a dict") };
        state.insert("next", next.iter().copied().map(Value::Float).collect::<Vec<_>>());
        all.insert(name.as_str(), Value::Dict(state));
        expected.push((name, next));
    }
    wengert_io::save(&path, Value::Dict(all)).expect("a writable folder");
    let loaded = wengert_io::load(&path).expect("just written");
    for (name, next) in expected {
        let mut run = Run::new(&name);
        run.load(&TrainingState::from_value(loaded.get(&name).expect("saved")).expect("a run"));
        assert_eq!(run.train(10), next, "{name}");
    }
}
