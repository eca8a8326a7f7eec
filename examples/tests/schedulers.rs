//! A run with a scheduler goes on from the file that PyTorch saved as it would have there, and PyTorch from ours.

use std::io::Read;
use wengert_autograd::{Var, functional::cross_entropy};
use wengert_io::TrainingState;
use wengert_nn::{Linear, Module};
use wengert_optim::{
    Adadelta, AdadeltaOptions, Adagrad, AdagradOptions, Adam, AdamOptions, AdamW, AdamWOptions, ChainedScheduler,
    ConstantLR, CosineAnnealingLR, CosineAnnealingWarmRestarts, CyclicLR, CyclicLROptions, CyclicMode, ExponentialLR,
    LambdaLR, LinearLR, LinearLROptions, MultiStepLR, MultiplicativeLR, OneCycleLR, OneCycleLROptions, Optimizer,
    ParamGroup, PolynomialLR, ReduceLROnPlateau, ReduceLROnPlateauOptions, RmsProp, RmsPropOptions, SWALR,
    SWALROptions, Scheduler, SequentialLR, Sgd, SgdOptions, StepLR,
};
use wengert_tensor::{DType, Dict, Tensor, Value};

/// A run of `golden/resume.py`.
struct Run {
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
        Run { net, optimizer, scheduler, plateau, dtype, step: 0 }
    }

    fn train(&mut self, steps: usize) -> Vec<f64> {
        let mut losses = Vec::new();
        for _ in 0..steps {
            let first = self.step % 12 * 8;
            let x: Vec<f64> = (first * 4..first * 4 + 32).map(|i| (i as f64).sin()).collect();
            let y: Vec<i64> = (first..first + 8).map(|i| (i * 7 % 3) as i64).collect();
            let x = Var::from(Tensor::from_vec(x, [8, 4]).to(self.dtype));
            let loss = cross_entropy(&self.net.forward(&x), Tensor::from_vec(y, [8]));
            self.optimizer.zero_grad();
            loss.backward();
            self.optimizer.step();
            let loss = loss.item::<f64>();
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
fn runs_of_pytorch_with_schedulers_go_on() {
    let runs = saved();
    assert_eq!(runs.len(), 6 * 17 * 2);
    for (name, state, next) in runs {
        let mut run = Run::new(&name);
        run.load(&state);
        assert_eq!(run.state().scheduler.to_string(), state.scheduler.to_string(), "{name}");
        let tolerance = if run.dtype == DType::F64 { 1e-12 } else { 1e-5 };
        let losses = run.train(10);
        for (a, b) in losses.iter().zip(&next) {
            assert!((a - b).abs() <= tolerance * b.abs(), "{name}: {losses:?} instead of {next:?}");
        }
    }
}

/// `golden/resume.py FOLDER FILE` goes on in PyTorch from the file that this writes.
#[test]
fn runs_of_ours_with_schedulers_go_on_bit_for_bit() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("resume.pt");
    let mut all = Dict::new();
    let mut expected = Vec::new();
    for (name, ..) in saved() {
        let mut run = Run::new(&name);
        run.train(7);
        let Value::Dict(mut state) = Value::from(&run.state()) else { panic!("a dict") };
        let next = run.train(10);
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
