//! Learning rates over 100 steps are PyTorch's bit for bit, and so are states on the way (`golden/schedulers.json`).

mod spoil;

use serde_json::Value as Json;
use std::sync::{Arc, LazyLock};
use wengert_autograd::Param;
use wengert_optim::{
    Adadelta, Adagrad, Adam, AdamOptions, Anneal, ChainedScheduler, ConstantLR, CosineAnnealingLR,
    CosineAnnealingWarmRestarts, CyclicLR, CyclicLROptions, CyclicMode, ExponentialLR, LambdaLR, LinearLR,
    LinearLROptions, MultiStepLR, MultiplicativeLR, Now, OneCycleLR, OneCycleLROptions, Optimizer, ParamGroup,
    PerGroup, PlateauMode, PolynomialLR, ReduceLROnPlateau, ReduceLROnPlateauOptions, RmsProp, Rule, SWALR,
    SWALROptions, ScaleMode, Schedule, Scheduler, SequentialLR, Sgd, Start, StepLR, ThresholdMode,
};
use wengert_tensor::{DType, Dict, DictKind, Tensor, Value};

fn golden() -> &'static Json {
    static GOLDEN: LazyLock<Json> =
        LazyLock::new(|| serde_json::from_str(include_str!("golden/schedulers.json")).expect("valid JSON"));
    &GOLDEN
}

fn rows() -> impl Iterator<Item = &'static Json> {
    golden()["rows"].as_array().expect("a list").iter()
}

fn float(hex: &str) -> f64 {
    f64::from_bits(u64::from_str_radix(hex, 16).expect("16 digits"))
}

/// Data as the golden script codes it.
fn decoded(json: &Json) -> Value {
    let pairs = |list: &Json| {
        let entries = list.as_array().expect("a list").iter();
        entries.map(|pair| (decoded(&pair[0]), decoded(&pair[1]))).collect::<Vec<_>>()
    };
    match json {
        Json::Null => Value::None,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => Value::Int(number.as_i64().expect("floats are coded")),
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(list) => Value::List(list.iter().map(decoded).collect()),
        Json::Object(object) => match object.iter().next().map(|(tag, inner)| (tag.as_str(), inner)) {
            Some(("f", hex)) => Value::Float(float(hex.as_str().expect("text"))),
            Some(("t", list)) => Value::Tuple(list.as_array().expect("a list").iter().map(decoded).collect()),
            Some(("c", list)) => Value::Dict(Dict { kind: DictKind::Counter, entries: pairs(list), ..Dict::default() }),
            Some(("d", list)) => Value::Dict(Dict { entries: pairs(list), ..Dict::default() }),
            _ => panic!("unknown code {json}"),
        },
    }
}

fn optimizer(case: &Json) -> Optimizer {
    let params: Vec<Param> = (0..4).map(|_| Param::new(Tensor::zeros([2], DType::F32))).collect();
    let groups = vec![
        ParamGroup::new(params[..1].to_vec()),
        ParamGroup::new(params[1..3].to_vec()).with("lr", 0.05),
        ParamGroup::new(params[3..].to_vec()).with("lr", 0.003),
    ];
    fn with(rule: impl Rule + 'static, groups: Vec<ParamGroup>, options: &[(&str, f64)]) -> Optimizer {
        let mut all = rule.defaults();
        options.iter().for_each(|(key, value)| all.insert(*key, *value));
        Optimizer::with_rule(rule, groups, all)
    }
    match case.get("optimizer").and_then(Json::as_str) {
        Some("Adam") => Adam::new(groups, AdamOptions { lr: 0.1, ..AdamOptions::default() }),
        Some("RMSprop") => with(RmsProp, groups, &[("lr", 0.1), ("momentum", 0.9)]),
        Some("Adagrad") => with(Adagrad, groups, &[("lr", 0.1)]),
        Some("Adadelta") => with(Adadelta, groups, &[("lr", 0.1)]),
        _ => with(Sgd, groups, &[("lr", 0.1), ("momentum", 0.9)]),
    }
}

/// One of the functions that the golden script knows by name.
fn function(name: &Json) -> Box<dyn Fn(f64) -> f64 + Send + Sync> {
    match name.as_str().expect("text") {
        "power" => Box::new(|x| 0.95f64.powf(x)),
        "inverse" => Box::new(|x| 1.0 / (1.0 + x / 10.0)),
        "near" => Box::new(|x| 1.0 - 0.001 * x),
        "sine" => Box::new(|x| 0.5 * (1.0 + (x * std::f64::consts::PI / 2.0).sin())),
        other => panic!("unknown function {other}"),
    }
}

/// A scheduler of either kind.
enum Any {
    Scheduler(Box<Scheduler>),
    Plateau(ReduceLROnPlateau),
}

impl Any {
    fn new(case: &Json, optimizer: &mut Optimizer) -> Any {
        if case["kind"] != "ReduceLROnPlateau" {
            return Any::Scheduler(Box::new(make(case, optimizer, None)));
        }
        let mut options = ReduceLROnPlateauOptions::default();
        for (key, value) in case.as_object().expect("a dict") {
            let number = value.as_f64();
            match (key.as_str(), value.as_str().unwrap_or_default()) {
                ("mode", "max") => options.mode = PlateauMode::Max,
                ("threshold_mode", "abs") => options.threshold_mode = ThresholdMode::Abs,
                ("factor", _) => options.factor = number.expect("a number"),
                ("patience", _) => options.patience = number.expect("a number") as usize,
                ("cooldown", _) => options.cooldown = number.expect("a number") as usize,
                ("threshold", _) => options.threshold = number.expect("a number"),
                ("eps", _) => options.eps = number.expect("a number"),
                ("min_lr", _) => options.min_lr = per_group(value),
                _ => assert_eq!(key, "kind"),
            }
        }
        Any::Plateau(ReduceLROnPlateau::new(optimizer, options))
    }

    /// The step that the golden script takes.
    fn step(&mut self, optimizer: &mut Optimizer, case: &Json, step: usize) {
        match self {
            Any::Scheduler(scheduler) => match case.get("to").and_then(Json::as_f64) {
                Some(to) => scheduler.step_to(optimizer, to * (step + 1) as f64),
                None => scheduler.step(optimizer),
            },
            Any::Plateau(plateau) => plateau.step(optimizer, golden()["metrics"][step].as_f64().expect("a number")),
        }
    }

    fn state_dict(&self) -> Value {
        match self {
            Any::Scheduler(scheduler) => scheduler.state_dict(),
            Any::Plateau(plateau) => plateau.state_dict(),
        }
    }

    fn load_state_dict(&mut self, state: &Value) -> Result<(), wengert_optim::Error> {
        match self {
            Any::Scheduler(scheduler) => scheduler.load_state_dict(state),
            Any::Plateau(plateau) => plateau.load_state_dict(state),
        }
    }
}

fn per_group(json: &Json) -> PerGroup {
    match json.as_array() {
        Some(list) => PerGroup::Each(list.iter().map(|x| x.as_f64().expect("a number")).collect()),
        None => PerGroup::All(json.as_f64().expect("a number")),
    }
}

/// The optimizer as it is, or after an epoch.
fn start(optimizer: &mut Optimizer, last_epoch: Option<i64>) -> Start<'_> {
    match last_epoch {
        Some(epoch) => Start::after(optimizer, epoch),
        None => Start::from(optimizer),
    }
}

fn make(case: &Json, optimizer: &mut Optimizer, last_epoch: Option<i64>) -> Scheduler {
    let number = |key: &str, default: f64| case.get(key).and_then(Json::as_f64).unwrap_or(default);
    let whole = |key: &str, default: usize| number(key, default as f64) as usize;
    let flag = |key: &str, default: bool| case.get(key).and_then(Json::as_bool).unwrap_or(default);
    let each = |key: &str, default: f64| case.get(key).map_or(PerGroup::All(default), per_group);
    let text = |key: &str| case.get(key).and_then(Json::as_str).unwrap_or_default();
    let milestones =
        || case["milestones"].as_array().expect("a list").iter().map(|m| m.as_u64().expect("a count") as usize);
    let inner = |optimizer: &mut Optimizer| {
        case["schedulers"].as_array().expect("a list").iter().map(|c| make(c, optimizer, None)).collect::<Vec<_>>()
    };
    let factors = || {
        let wrap = |name: &Json| {
            let f = function(name);
            Box::new(move |epoch: i64| f(epoch as f64)) as _
        };
        Some(case["lr_lambda"].as_array()?.iter().map(wrap).collect())
    };
    let single = || {
        let f = function(&case["lr_lambda"]);
        move |epoch: i64| f(epoch as f64)
    };
    let anneal = if text("anneal_strategy") == "linear" { Anneal::Linear } else { Anneal::Cos };
    match case["kind"].as_str().expect("text") {
        "StepLR" => StepLR::new(start(optimizer, last_epoch), whole("step_size", 0), number("gamma", 0.1)),
        "MultiStepLR" => MultiStepLR::new(start(optimizer, last_epoch), milestones(), number("gamma", 0.1)),
        "ConstantLR" => {
            ConstantLR::new(start(optimizer, last_epoch), number("factor", 1.0 / 3.0), whole("total_iters", 5))
        }
        "LinearLR" => {
            let start_factor = number("start_factor", 1.0 / 3.0);
            let (end_factor, total_iters) = (number("end_factor", 1.0), whole("total_iters", 5));
            LinearLR::new(start(optimizer, last_epoch), LinearLROptions { start_factor, end_factor, total_iters })
        }
        "ExponentialLR" => ExponentialLR::new(start(optimizer, last_epoch), number("gamma", 0.0)),
        "PolynomialLR" => {
            PolynomialLR::new(start(optimizer, last_epoch), whole("total_iters", 5), number("power", 1.0))
        }
        "CosineAnnealingLR" => {
            CosineAnnealingLR::new(start(optimizer, last_epoch), whole("T_max", 0), number("eta_min", 0.0))
        }
        "CosineAnnealingWarmRestarts" => CosineAnnealingWarmRestarts::new(
            start(optimizer, last_epoch),
            whole("T_0", 0),
            whole("T_mult", 1),
            number("eta_min", 0.0),
        ),
        "CyclicLR" => {
            let defaults = CyclicLROptions::default();
            let options = CyclicLROptions {
                step_size_up: whole("step_size_up", 2000),
                step_size_down: case.get("step_size_down").map(|_| whole("step_size_down", 0)),
                mode: match text("mode") {
                    "triangular2" => CyclicMode::Triangular2,
                    "exp_range" => CyclicMode::ExpRange,
                    _ => CyclicMode::Triangular,
                },
                gamma: number("gamma", 1.0),
                scale_fn: case.get("scale_fn").map(|name| Arc::from(function(name))),
                scale_mode: if text("scale_mode") == "iterations" { ScaleMode::Iterations } else { ScaleMode::Cycle },
                cycle_momentum: flag("cycle_momentum", defaults.cycle_momentum),
                base_momentum: each("base_momentum", 0.8),
                max_momentum: each("max_momentum", 0.9),
            };
            CyclicLR::new(start(optimizer, last_epoch), each("base_lr", 0.0), each("max_lr", 0.0), options)
        }
        "OneCycleLR" => {
            let options = OneCycleLROptions {
                pct_start: number("pct_start", 0.3),
                anneal_strategy: anneal,
                cycle_momentum: flag("cycle_momentum", true),
                base_momentum: each("base_momentum", 0.85),
                max_momentum: each("max_momentum", 0.95),
                div_factor: number("div_factor", 25.0),
                final_div_factor: number("final_div_factor", 1e4),
                three_phase: flag("three_phase", false),
            };
            OneCycleLR::new(start(optimizer, last_epoch), each("max_lr", 0.0), whole("total_steps", 0), options)
        }
        "LambdaLR" => match factors() {
            Some(factors) => LambdaLR::per_group(start(optimizer, last_epoch), factors),
            None => LambdaLR::new(start(optimizer, last_epoch), single()),
        },
        "MultiplicativeLR" => match factors() {
            Some(factors) => MultiplicativeLR::per_group(start(optimizer, last_epoch), factors),
            None => MultiplicativeLR::new(start(optimizer, last_epoch), single()),
        },
        "SWALR" => {
            let options = SWALROptions { anneal_epochs: whole("anneal_epochs", 10), anneal_strategy: anneal };
            SWALR::new(start(optimizer, last_epoch), each("swa_lr", 0.0), options)
        }
        "SequentialLR" => {
            let schedulers = inner(optimizer);
            SequentialLR::new(optimizer, schedulers, milestones())
        }
        "ChainedScheduler" => {
            let schedulers = inner(optimizer);
            ChainedScheduler::new(optimizer, schedulers)
        }
        other => panic!("unknown scheduler {other}"),
    }
}

/// The learning rates in full precision, and what the momentum is.
fn figures(optimizer: &Optimizer) -> Vec<f64> {
    let momentum = |group: &ParamGroup| match group.options.get("betas") {
        Some(betas) => betas.at(0).and_then(Value::as_float).expect("a number"),
        None => group.options.get("momentum").and_then(Value::as_float).unwrap_or(0.0),
    };
    optimizer.param_groups().iter().flat_map(|group| [group.lr(), momentum(group)]).collect()
}

#[test]
fn a_hundred_steps_are_pytorchs_bit_for_bit() {
    let saved_at = golden()["saved_at"].as_u64().expect("a count") as usize;
    let mut kinds: Vec<&str> = Vec::new();
    for row in rows() {
        let case = &row["case"];
        kinds.push(case["kind"].as_str().expect("text"));
        let mut optimizer = optimizer(case);
        let mut scheduler = Any::new(case, &mut optimizer);
        let mut first = row["first"].as_str().expect("text").split(' ').map(float);
        assert_eq!(Some(optimizer.param_groups()[0].lr()), first.next(), "{case} at first");
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        for step in 0..100 {
            if step == saved_at && case["anew"] == true {
                scheduler = Any::Scheduler(Box::new(make(case, &mut optimizer, Some(step as i64))));
            }
            if step == saved_at {
                let want = decoded(&row["saved"]["scheduler"]).to_string();
                assert_eq!(scheduler.state_dict().to_string(), want, "{case}");
                let groups = optimizer.state_dict().get("param_groups").expect("there").to_string();
                assert_eq!(groups, decoded(&row["saved"]["groups"]).to_string(), "{case}");
            }
            scheduler.step(&mut optimizer, case, step);
            assert_eq!(Some(optimizer.param_groups()[0].lr()), first.next(), "{case} at step {step}");
            for byte in figures(&optimizer).iter().flat_map(|x| x.to_le_bytes()) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        assert_eq!(format!("{hash:016x}"), row["hash"].as_str().expect("text"), "{case}: other groups or momenta");
        assert_eq!(scheduler.state_dict().to_string(), decoded(&row["end"]).to_string(), "{case}");
    }
    kinds.sort();
    kinds.dedup();
    assert_eq!(kinds.len(), 16, "{kinds:?}");
}

#[test]
fn what_pytorch_saved_goes_on_as_it_did() {
    let saved_at = golden()["saved_at"].as_u64().expect("a count") as usize;
    for row in rows() {
        let case = &row["case"];
        let mut optimizer = optimizer(case);
        let mut scheduler = Any::new(case, &mut optimizer);
        let groups = decoded(&row["saved"]["groups"]);
        let state = Value::dict([("state", Value::Dict(Dict::new())), ("param_groups", groups)]);
        optimizer.load_state_dict(&state).expect("fits");
        scheduler.load_state_dict(&decoded(&row["saved"]["scheduler"])).expect("fits");
        let first: Vec<f64> = row["first"].as_str().expect("text").split(' ').map(float).collect();
        for step in saved_at..100 {
            scheduler.step(&mut optimizer, case, step);
            assert_eq!(optimizer.param_groups()[0].lr(), first[step + 1], "{case} at step {step}");
        }
        assert_eq!(scheduler.state_dict().to_string(), decoded(&row["end"]).to_string(), "{case}");
    }
}

#[test]
fn a_constant_of_the_saved_state_wins_and_a_wrong_state_changes_nothing() {
    let mut sgd = optimizer(&Json::Null);
    let saved = StepLR::new(&mut sgd, 3, 0.5).state_dict();
    let mut scheduler = StepLR::new(&mut sgd, 30, 0.1);
    scheduler.load_state_dict(&saved).expect("fits");
    assert_eq!(scheduler.state_dict().to_string(), saved.to_string());
    let Value::Dict(saved) = saved else { panic!("a dict") };
    let bad = [
        ("step_size", Value::Int(0)),
        ("gamma", Value::from("much")),
        ("base_lrs", Value::List(vec![Value::Float(0.1)])),
        ("_last_lr", Value::None),
        ("last_epoch", Value::Float(1.5)),
    ];
    for (key, value) in bad {
        let mut state = saved.clone();
        state.insert(key, value);
        let refused = scheduler.load_state_dict(&Value::Dict(state));
        assert!(refused.is_err(), "{key}");
        assert_eq!(scheduler.state_dict().to_string(), Value::Dict(saved.clone()).to_string(), "{key}");
    }
    let mut chain = ChainedScheduler::new(&sgd, [scheduler]);
    assert!(chain.load_state_dict(&Value::Dict(saved)).is_err());
    let mut plateau = ReduceLROnPlateau::new(&sgd, ReduceLROnPlateauOptions::default());
    assert!(plateau.load_state_dict(&chain.state_dict()).is_err());
}

#[test]
fn a_scheduler_starts_after_an_epoch_if_the_groups_know_their_first_learning_rate() {
    // torch.optim.lr_scheduler.CosineAnnealingLR(opt, 10, last_epoch=4) with initial_lr 0.1 and lr 0.06.
    let mut sgd = optimizer(&Json::Null);
    for group in sgd.param_groups_mut() {
        group.options.insert("initial_lr", 0.1);
        group.options.insert("lr", 0.06);
    }
    let mut scheduler = CosineAnnealingLR::new(Start::after(&mut sgd, 4), 10, 0.0);
    assert_eq!((scheduler.last_epoch(), scheduler.get_last_lr()[0]), (5, 0.06));
    scheduler.step(&mut sgd);
    assert_eq!((scheduler.last_epoch(), scheduler.get_last_lr()[0]), (6, 0.04145898033750316));
}

/// The message of a panic.
fn said(run: impl FnOnce()) -> String {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).expect_err("should panic");
    caught
        .downcast_ref::<String>()
        .cloned()
        .unwrap_or_else(|| caught.downcast_ref::<&str>().expect("a text").to_string())
}

#[test]
fn wrong_constants_panic_in_pytorchs_words() {
    let sgd = || optimizer(&Json::Null);
    let one = OneCycleLROptions::default;
    type Row = (&'static str, Box<dyn FnOnce()>);
    let rows: [Row; 12] = [
        (
            "Constant multiplicative factor expected to be between 0 and 1.",
            Box::new(move || drop(ConstantLR::new(&mut sgd(), 1.5, 5))),
        ),
        (
            "Starting multiplicative factor expected to be greater than 0 and less or equal to 1.",
            Box::new(move || {
                let options = LinearLROptions { start_factor: 0.0, ..LinearLROptions::default() };
                drop(LinearLR::new(&mut sgd(), options))
            }),
        ),
        (
            "Expected positive integer T_0, but got 0",
            Box::new(move || drop(CosineAnnealingWarmRestarts::new(&mut sgd(), 0, 1, 0.0))),
        ),
        (
            "Expected integer T_mult >= 1, but got 0",
            Box::new(move || drop(CosineAnnealingWarmRestarts::new(&mut sgd(), 3, 0, 0.0))),
        ),
        (
            "Expected non-negative epoch, but got -1.0",
            Box::new(move || {
                let mut sgd = sgd();
                CosineAnnealingWarmRestarts::new(&mut sgd, 3, 1, 0.0).step_to(&mut sgd, -1.0);
            }),
        ),
        (
            "max_lr must have the same length as optimizer.param_groups. max_lr has 2 values, param_groups has 3.",
            Box::new(move || drop(OneCycleLR::new(&mut sgd(), [0.1, 0.2], 10, one()))),
        ),
        (
            "Tried to step 3 times. The specified number of total steps is 2",
            Box::new(move || {
                let mut sgd = sgd();
                let mut scheduler = OneCycleLR::new(&mut sgd, 0.1, 2, OneCycleLROptions { pct_start: 0.1, ..one() });
                (0..3).for_each(|_| scheduler.step(&mut sgd));
            }),
        ),
        (
            "optimizer must support momentum or beta1 with `cycle_momentum` option enabled",
            Box::new(move || {
                let mut adadelta = optimizer(&serde_json::json!({"optimizer": "Adadelta"}));
                drop(CyclicLR::new(&mut adadelta, 0.1, 0.2, CyclicLROptions::default()))
            }),
        ),
        (
            "Expected 3 lr_lambdas, but got 1",
            Box::new(move || drop(LambdaLR::per_group(&mut sgd(), vec![Box::new(|_| 1.0)]))),
        ),
        (
            "Factor should be < 1.0.",
            Box::new(move || {
                let options = ReduceLROnPlateauOptions { factor: 1.0, ..ReduceLROnPlateauOptions::default() };
                drop(ReduceLROnPlateau::new(&sgd(), options))
            }),
        ),
        (
            "Sequential Schedulers expects number of schedulers provided to be one more than the number of milestone \
             points, but got number of schedulers 1 and the number of milestones to be equal to 1",
            Box::new(move || {
                let mut sgd = sgd();
                let only = StepLR::new(&mut sgd, 3, 0.1);
                drop(SequentialLR::new(&mut sgd, [only], [2]))
            }),
        ),
        (
            "ChainedScheduler expects at least one scheduler to be chained, but got no scheduler.",
            Box::new(move || drop(ChainedScheduler::new(&sgd(), []))),
        ),
    ];
    for (want, run) in rows {
        assert_eq!(said(run), want);
    }
    let resumed = said(move || drop(StepLR::new(Start::after(&mut sgd(), 3), 3, 0.1)));
    assert!(resumed.starts_with("param 'initial_lr' is not specified in param_groups[0] when resuming"), "{resumed}");
}

#[test]
fn spoiled_states_are_refused_or_harmless() {
    let mut loaded = 0;
    let mut told = Vec::new();
    for row in rows() {
        let case = &row["case"];
        for state in spoil::spoiled(&decoded(&row["saved"]["scheduler"])) {
            let mut optimizer = optimizer(case);
            let mut scheduler = Any::new(case, &mut optimizer);
            let before = scheduler.state_dict().to_string();
            told.extend(spoil::message(|| match scheduler.load_state_dict(&state) {
                Err(_) => assert_eq!(scheduler.state_dict().to_string(), before, "{case}"),
                Ok(()) => {
                    loaded += 1;
                    (0..3).for_each(|i| scheduler.step(&mut optimizer, case, i));
                }
            }));
        }
    }
    // What is not known before a step is told in PyTorch's words.
    let known = ["Tried to step ", "Expected ", "float division by zero"];
    told.retain(|text| !known.iter().any(|start| text.starts_with(start)));
    assert!(told.is_empty(), "{told:#?}");
    assert!(loaded > 1000, "{loaded}");
}

/// The inverse square root of the epoch, as for transformers: what a user would write.
struct InverseRoot;

impl Schedule for InverseRoot {
    fn name(&self) -> &'static str {
        "InverseRoot"
    }

    fn lr(&self, now: &Now<'_>, options: &mut Dict) -> Result<f64, wengert_optim::Error> {
        options.insert("epoch", now.last_epoch);
        let warm = now.attributes.get("warm").and_then(Value::as_float).unwrap_or(1.0);
        Ok(now.base_lr / (now.last_epoch as f64 + warm).sqrt())
    }
}

#[test]
fn a_schedule_of_ones_own_steps_saves_and_loads() {
    let mut sgd = optimizer(&Json::Null);
    let attributes = |warm: f64| Dict::from_iter([("warm", warm)]);
    let mut scheduler = Scheduler::with_schedule(InverseRoot, &mut sgd, attributes(4.0));
    assert_eq!(scheduler.get_last_lr(), [0.05, 0.025, 0.0015]);
    (0..5).for_each(|_| scheduler.step(&mut sgd));
    assert_eq!(scheduler.get_last_lr(), [0.1 / 3.0, 0.05 / 3.0, 0.003 / 3.0]);
    assert_eq!(sgd.param_groups()[2].options.get("epoch").and_then(Value::as_int), Some(5));
    let mut second = Scheduler::with_schedule(InverseRoot, &mut sgd, attributes(1.0));
    second.load_state_dict(&scheduler.state_dict()).expect("the same schedule");
    second.step(&mut sgd);
    assert_eq!((second.last_epoch(), sgd.param_groups()[0].lr()), (6, 0.1 / 10f64.sqrt()));
}
