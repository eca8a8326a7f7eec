//! Ten steps of every configuration of PyTorch's own tests (`optim_db`) and some more against PyTorch's
//! (`golden/optim.json`), state layout and resuming. What there is not is listed in `skipped.txt`.

mod spoil;

use serde_json::Value as Json;
use std::sync::LazyLock;
use wengert_autograd::{Param, Var};
use wengert_optim::{
    Adadelta, Adafactor, Adagrad, Adam, AdamOptions, AdamW, AdamWOptions, Adamax, Asgd, Error, Lbfgs, Muon, NAdam,
    Optimizer, ParamGroup, RAdam, RmsProp, Rprop, Rule, Sgd, SgdOptions,
};
use wengert_tensor::{DType, Tensor, Value};

fn golden() -> &'static Json {
    static GOLDEN: LazyLock<Json> =
        LazyLock::new(|| serde_json::from_str(include_str!("golden/optim.json")).expect("valid JSON"));
    &GOLDEN
}

fn numbers(list: &Json) -> Vec<f64> {
    list.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

/// An option as Python had it.
fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::None,
        Json::String(text) => Value::from(text.as_str()),
        Json::Bool(flag) => Value::from(*flag),
        Json::Number(n) => n.as_i64().map_or_else(|| Value::Float(n.as_f64().expect("a number")), Value::Int),
        Json::Array(list) => Value::Tuple(list.iter().map(value).collect()),
        Json::Object(_) => Value::from(&Tensor::from_vec(vec![json["tensor"].as_f64().expect("a number") as f32], ())),
    }
}

/// The row's optimizer, if we have it.
fn make(row: &Json, params: Vec<ParamGroup>) -> Option<Optimizer> {
    let options = row["options"].as_object().expect("a dict");
    fn with(rule: impl Rule + 'static, params: Vec<ParamGroup>, options: &serde_json::Map<String, Json>) -> Optimizer {
        let mut all = rule.defaults();
        options.iter().for_each(|(key, json)| all.insert(key.as_str(), value(json)));
        Optimizer::with_rule(rule, params, all)
    }
    let number = |key: &str, default: f64| options.get(key).and_then(Json::as_f64).unwrap_or(default);
    let flag = |key: &str| options.get(key).and_then(Json::as_bool).unwrap_or(false);
    let betas = options
        .get("betas")
        .map_or((0.9, 0.999), |b| (b[0].as_f64().expect("a number"), b[1].as_f64().expect("a number")));
    let (lr, eps, amsgrad, maximize) = (number("lr", 0.001), number("eps", 1e-8), flag("amsgrad"), flag("maximize"));
    Some(match row["optimizer"].as_str().expect("text") {
        "Adam" => {
            let decoupled_weight_decay = flag("decoupled_weight_decay");
            let weight_decay = number("weight_decay", 0.0);
            let options = AdamOptions { lr, betas, eps, weight_decay, amsgrad, maximize, decoupled_weight_decay };
            Adam::new(params, options)
        }
        "AdamW" => {
            let weight_decay = number("weight_decay", 0.01);
            AdamW::new(params, AdamWOptions { lr, betas, eps, weight_decay, amsgrad, maximize })
        }
        "SGD" => with(Sgd, params, options),
        "RMSprop" => with(RmsProp, params, options),
        "Adagrad" => with(Adagrad, params, options),
        "Adadelta" => with(Adadelta, params, options),
        "NAdam" => with(NAdam, params, options),
        "RAdam" => with(RAdam, params, options),
        "Adamax" => with(Adamax, params, options),
        "Rprop" => with(Rprop, params, options),
        "ASGD" => with(Asgd, params, options),
        "Adafactor" => with(Adafactor, params, options),
        "Muon" => with(Muon, params, options),
        "LBFGS" => {
            // PyTorch's constructor counts the evaluations from the iterations.
            let mut options = options.clone();
            if let (Some(most), None) = (options.get("max_iter").and_then(Json::as_u64), options.get("max_eval")) {
                options.insert("max_eval".to_owned(), Json::from(most * 5 / 4));
            }
            with(Lbfgs, params, &options)
        }
        _ => return None,
    })
}

/// A group of one parameter.
fn one(param: &Param) -> Vec<ParamGroup> {
    vec![ParamGroup::new([param.clone()])]
}

/// The rows of optimizers that we have.
fn rows(all: &Json) -> impl Iterator<Item = &Json> {
    all["rows"].as_array().expect("a list").iter().filter(|row| row.get("track").is_some())
}

#[test]
fn skipped_samples_are_listed_and_listed_ones_are_skipped() {
    let all = golden();
    let mut missing: Vec<&str> = all["rows"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|row| row.get("track").is_none())
        .map(|row| row["optimizer"].as_str().expect("text"))
        .collect();
    missing.sort();
    missing.dedup();
    let mut listed: Vec<&str> =
        include_str!("skipped.txt").lines().map(|l| l.split_once(": ").expect("NAME: reason").0).collect();
    listed.sort();
    assert_eq!(missing, listed);
    let mut samples: Vec<String> = rows(all)
        .filter(|row| row["db"] == true)
        .map(|row| format!("{} {}", row["optimizer"], row["options"]))
        .collect();
    samples.dedup();
    assert_eq!(samples.len(), 91, "samples of PyTorch's data base that run");
}

/// A parameter with the golden start values.
fn start(dtype: DType) -> Param {
    start_of(&Json::Null, dtype)
}

/// A parameter of the row's shape with the golden start values.
fn start_of(row: &Json, dtype: DType) -> Param {
    let shape: Vec<usize> = row.get("shape").map_or(vec![5], |s| numbers(s).iter().map(|n| *n as usize).collect());
    let five = numbers(&golden()["start"]);
    let values = (0..shape.iter().product()).map(|i| five[i % 5] + 0.1 * (i / 5) as f64).collect();
    Param::new(Tensor::from_vec::<f64>(values, &shape[..]).to(dtype))
}

fn dtype_of(row: &Json) -> DType {
    if row["dtype"] == "float64" { DType::F64 } else { DType::F32 }
}

/// The gradient that the golden script gives at a step.
fn set_grad(param: &Param, step: usize) {
    let value = param.value();
    let entries = value.to_vec::<f64>();
    let grad: Vec<f64> =
        entries.iter().enumerate().map(|(i, v)| (step as f64 * 1.7 + i as f64).sin() + 0.1 * v).collect();
    param.set_grad(Some(Tensor::from_vec(grad, value.shape()).to(param.dtype())));
}

/// The step that the golden script takes: with gradients, or with a loss.
fn step_of(row: &Json, optimizer: &mut Optimizer, param: &Param, step: usize) {
    if row["optimizer"] != "LBFGS" {
        set_grad(param, step);
        return optimizer.step();
    }
    let sign = if row["options"]["maximize"] == true { -1.0 } else { 1.0 };
    optimizer.step_with(|| {
        param.zero_grad();
        let p = param.var();
        let loss = if row["db"] == true {
            let weights = Tensor::from_vec((1..=5).map(f64::from).collect(), [5]).to(param.dtype());
            Var::from(weights).mul(p.sub(1.0).pow(2.0)).add(p.pow(4.0).mul(0.1)).sum(())
        } else {
            let (next, this) = (p.narrow(0, 1, 4), p.narrow(0, 0, 4));
            next.sub(this.pow(2.0)).pow(2.0).mul(100.0).add(this.mul(-1.0).add(1.0).pow(2.0)).sum(())
        };
        let loss = loss.mul(sign);
        loss.backward();
        loss
    });
}

/// How far a number may be off: a few roundings, or what up to 200 iterations of L-BFGS make of them.
fn tolerance(row: &Json) -> f64 {
    match (row["optimizer"].as_str(), dtype_of(row)) {
        (Some("LBFGS"), DType::F64) => 1e-9,
        (Some("LBFGS"), _) => {
            if row["db"] == true {
                1e-5
            } else {
                1e-3
            }
        }
        (_, DType::F64) => 1e-13,
        _ => 2e-6,
    }
}

fn assert_close(ours: &[f64], want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(ours.len(), want.len(), "{what}");
    for (a, b) in ours.iter().zip(want) {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{what}: {a} instead of {b}");
    }
}

/// Compares a state's entry with the golden script's description.
fn assert_slot(ours: &Value, want: &Json, tolerance: f64, what: &str) {
    match want {
        Json::Array(pair) => {
            let tensor = ours.as_tensor().unwrap_or_else(|| panic!("{what}: no tensor: {ours}"));
            assert_eq!(tensor.dtype(), if pair[0] == "float64" { DType::F64 } else { DType::F32 }, "{what}");
            assert_close(&tensor.to_vec::<f64>(), &numbers(&pair[1]), tolerance, what);
        }
        Json::Object(list) => {
            let list_of_ours = ours.as_slice().unwrap_or_else(|| panic!("{what}: no list: {ours}"));
            assert_eq!(list_of_ours.len() as u64, list["length"].as_u64().expect("a count"), "{what}");
            list_of_ours.iter().take(1).for_each(|first| assert_slot(first, &list["first"], tolerance, what));
        }
        Json::Number(number) if number.is_f64() => {
            assert!(matches!(ours, Value::Float(_)), "{what}: {ours}");
            assert_close(&[ours.as_float().expect("a number")], &[number.as_f64().expect("one")], tolerance, what);
        }
        _ => assert_eq!(ours.to_string(), value(want).to_string(), "{what}"),
    }
}

#[test]
fn ten_steps_are_pytorchs() {
    let all = golden();
    for row in rows(all) {
        let (dtype, tolerance) = (dtype_of(row), tolerance(row));
        let name = format!("{} {} {} {dtype}", row["optimizer"], row["options"], row["shape"]);
        let param = start_of(row, dtype);
        let mut optimizer = make(row, one(&param)).expect("ours");
        assert_eq!(optimizer.to_string(), row["text"].as_str().expect("text"), "{name}");
        let mut track = row["track"].as_array().expect("a list").iter();
        for step in 0..10 {
            step_of(row, &mut optimizer, &param, step);
            if numbers(&all["steps"]).contains(&(step as f64)) {
                let want = numbers(track.next().expect("one for each step kept"));
                assert_close(&param.value().to_vec::<f64>(), &want, tolerance, &format!("{name} step {step}"));
            }
        }
        let state = optimizer.state_dict();
        let group = state.get("param_groups").and_then(|g| g.at(0)).and_then(Value::as_dict).expect("a group");
        let keys: Vec<&str> = group.iter().filter_map(|(k, _)| k.as_str()).collect();
        let want: Vec<&str> = row["group_keys"].as_array().expect("a list").iter().filter_map(Json::as_str).collect();
        assert_eq!(keys, want, "{name}");
        let slots = state.get("state").and_then(Value::as_dict).and_then(|s| s.get_int(0)).and_then(Value::as_dict);
        let want = row["state"].as_array().expect("a list");
        let keys = |d: &wengert_tensor::Dict| d.iter().filter_map(|(k, _)| k.as_str().map(str::to_owned)).collect();
        let keys: Vec<String> = slots.map(keys).unwrap_or_default();
        assert_eq!(keys, want.iter().map(|entry| entry[0].as_str().expect("text")).collect::<Vec<_>>(), "{name}");
        for entry in want {
            let key = entry[0].as_str().expect("text");
            let ours = slots.and_then(|s| s.get(key)).expect("there");
            // What the history of L-BFGS holds near the optimum are differences of roundings.
            let loose = if row["optimizer"] == "LBFGS" { f64::INFINITY } else { tolerance };
            assert_slot(ours, &entry[1], loose, &format!("{name} {key}"));
        }
    }
}

#[test]
fn five_steps_a_state_dict_and_five_more_are_pytorchs_and_mostly_ten() {
    let all = golden();
    for row in rows(all) {
        let dtype = dtype_of(row);
        let straight = start_of(row, dtype);
        let mut optimizer = make(row, one(&straight)).expect("ours");
        (0..10).for_each(|step| step_of(row, &mut optimizer, &straight, step));

        let first = start_of(row, dtype);
        let mut optimizer = make(row, one(&first)).expect("ours");
        (0..5).for_each(|step| step_of(row, &mut optimizer, &first, step));
        let (saved, value) = (optimizer.state_dict(), first.value());
        // A snapshot: further steps of the first run do not reach it.
        step_of(row, &mut optimizer, &first, 5);
        let second = Param::new(value);
        let mut resumed = make(row, one(&second)).expect("ours");
        resumed.load_state_dict(&saved).expect("fits");
        (5..10).for_each(|step| step_of(row, &mut resumed, &second, step));
        let name = format!("{} {} {} {dtype}", row["optimizer"], row["options"], row["shape"]);
        assert_close(&second.value().to_vec::<f64>(), &numbers(&row["resumed"]), tolerance(row), &name);
        // PyTorch keeps `mu_product` in f32, but casts it to the parameter's dtype when it loads it.
        if !(row["optimizer"] == "NAdam" && dtype == DType::F64) {
            assert_eq!(straight.value().to_bytes(), second.value().to_bytes(), "{name}");
        }
    }
}

#[test]
fn groups_have_options_of_their_own_and_frozen_parameters_no_state() {
    let (a, b, c) = (start(DType::F64), start(DType::F64), start(DType::F64));
    let groups = [ParamGroup::new([a.clone()]), ParamGroup::new([b.clone(), c.clone()]).with("lr", 1.0)];
    let mut optimizer = Sgd::new(groups, SgdOptions { lr: 0.1, momentum: 0.9, ..SgdOptions::default() });
    for p in [&a, &c] {
        p.set_grad(Some(Tensor::from_vec(vec![1.0; 5], [5])));
    }
    optimizer.step();
    assert_eq!(a.value().to_vec::<f64>()[0], 0.4);
    assert_eq!(b.value().to_vec::<f64>()[0], 0.5);
    assert_eq!(c.value().to_vec::<f64>()[0], -0.5);
    let state = optimizer.state_dict();
    let keys: Vec<i64> =
        state.get("state").and_then(Value::as_dict).expect("dict").iter().filter_map(|(k, _)| k.as_int()).collect();
    assert_eq!(keys, [0, 2]);
    assert_eq!(optimizer.param_groups()[1].lr(), 1.0);
    optimizer.zero_grad();
    assert!(a.grad().is_none());
}

#[test]
fn a_state_that_does_not_fit_changes_nothing() {
    let p = start(DType::F32);
    let mut optimizer = Adam::new([p.clone()], AdamOptions::default());
    set_grad(&p, 0);
    optimizer.step();
    let before = optimizer.state_dict().to_string();
    let other = Adam::new([start(DType::F32), start(DType::F32)], AdamOptions::default()).state_dict();
    assert_eq!(optimizer.load_state_dict(&other), Err(Error::GroupSize));
    let groups = [ParamGroup::new([start(DType::F32)]), ParamGroup::new([start(DType::F32)])];
    let other = Adam::new(groups, AdamOptions::default()).state_dict();
    assert_eq!(optimizer.load_state_dict(&other), Err(Error::GroupCount));
    let short = Param::new(Tensor::from_vec(vec![1.0f32], [1]));
    let mut other = Adam::new([short.clone()], AdamOptions::default());
    short.set_grad(Some(Tensor::from_vec(vec![1.0f32], [1])));
    other.step();
    assert!(matches!(optimizer.load_state_dict(&other.state_dict()), Err(Error::SlotShape { .. })));
    assert!(optimizer.load_state_dict(&Value::from(3)).is_err());
    assert_eq!(optimizer.state_dict().to_string(), before);
}

/// The message of a panic.
fn said<R>(run: impl FnOnce() -> R) -> String {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(run()))).expect_err("should panic");
    caught.downcast_ref::<String>().cloned().unwrap_or_else(|| caught.downcast_ref::<&str>().expect("text").to_string())
}

#[test]
fn wrong_options_panic_in_pytorchs_words() {
    let matrix = || Param::new(Tensor::zeros([2, 2], DType::F32));
    for row in golden()["errors"].as_array().expect("a list") {
        let text = said(|| make(row, one(&matrix())));
        assert_eq!(text, row["text"].as_str().expect("text"), "{} {}", row["optimizer"], row["options"]);
    }
    let named = |optimizer: &str, groups: Vec<ParamGroup>| {
        make(&serde_json::json!({"optimizer": optimizer, "options": {}}), groups)
    };
    let p = matrix();
    let twice = || vec![ParamGroup::new([p.clone()]), ParamGroup::new([p.clone()])];
    assert_eq!(said(|| named("SGD", vec![ParamGroup::new([])])), "optimizer got an empty parameter list");
    assert_eq!(said(|| named("SGD", twice())), "some parameters appear in more than one parameter group");
    let two = vec![ParamGroup::new([matrix()]), ParamGroup::new([matrix()])];
    assert_eq!(said(|| named("LBFGS", two)), "LBFGS doesn't support per-parameter options (parameter groups)");
    assert_eq!(
        said(|| named("LBFGS", one(&p)).expect("ours").step()),
        "LBFGS.step() missing 1 required positional argument: 'closure'"
    );
    let cube = Param::new(Tensor::zeros([2, 3, 4], DType::F32));
    assert_eq!(
        said(|| named("Muon", one(&cube))),
        "Muon only supports 2D parameters whereas we found a parameter with size: torch.Size([2, 3, 4])"
    );
    let mixed = vec![ParamGroup::new([p.clone()]), ParamGroup::named([("w".to_owned(), matrix())])];
    assert_eq!(
        said(|| named("SGD", mixed)),
        "all optimizer param groups should be with/without names. cannot add param group with names to the optimizer"
    );
    let long = Value::from(&Tensor::zeros([2], DType::F32));
    let groups = vec![ParamGroup::new([p.clone()]).with("lr", long)];
    assert_eq!(said(|| named("SGD", groups)), "Tensor lr must be 1-element");
}

#[test]
fn groups_keep_their_options_and_one_may_come_later() {
    for row in golden()["grouped"].as_array().expect("a list") {
        let name = row["optimizer"].as_str().expect("text");
        let params: Vec<Param> = (0..4).map(|_| start_of(&serde_json::json!({"shape": [2, 3]}), DType::F64)).collect();
        let case = serde_json::json!({"optimizer": name, "options": {"lr": 0.01}});
        let groups =
            vec![ParamGroup::new([params[0].clone()]), ParamGroup::new(params[1..3].to_vec()).with("lr", 0.05)];
        let mut optimizer = make(&case, groups).expect("ours");
        for step in 0..6 {
            if step == 3 {
                optimizer.add_param_group(ParamGroup::new([params[3].clone()]).with("lr", 0.1));
            }
            for (i, param) in params.iter().enumerate() {
                let value = param.value().to_vec::<f64>();
                let grad = value.iter().enumerate().map(|(j, v)| (step as f64 * 1.7 + (j + i) as f64).sin() + 0.1 * v);
                let grad = Tensor::from_vec(grad.collect(), [2, 3]);
                param.set_grad((i != 2 || step % 2 == 1).then_some(grad));
            }
            optimizer.step();
        }
        for (i, param) in params.iter().enumerate() {
            assert_close(&param.value().to_vec::<f64>(), &numbers(&row["end"][i]), 1e-13, &format!("{name} {i}"));
        }
        let state = optimizer.state_dict();
        let state = state.get("state").and_then(Value::as_dict).expect("a dict");
        let count = |entry: &Value| entry.get("step").and_then(Value::as_float).unwrap_or(0.0);
        assert_eq!(state.iter().map(|(_, entry)| count(entry)).collect::<Vec<_>>(), numbers(&row["steps"]), "{name}");
        // A new optimizer with the same groups takes it all over.
        let fresh = params.iter().map(|p| Param::new(p.value()));
        let groups = fresh.collect::<Vec<_>>();
        let groups = [&groups[..1], &groups[1..3], &groups[3..]].map(|group| ParamGroup::new(group.to_vec()));
        let mut second = make(&case, groups.into()).expect("ours");
        second.load_state_dict(&optimizer.state_dict()).expect("fits");
        assert_eq!(second.param_groups().iter().map(ParamGroup::lr).collect::<Vec<_>>(), [0.01, 0.05, 0.1], "{name}");
    }
}

#[test]
fn parameters_may_have_names() {
    // torch.optim.SGD(net.named_parameters(), lr=0.1).state_dict()['param_groups'][0]
    let params = vec![("weight".to_owned(), start(DType::F32)), ("bias".to_owned(), start(DType::F32))];
    let mut optimizer = Sgd::new(params, SgdOptions { lr: 0.1, ..SgdOptions::default() });
    let group = |optimizer: &Optimizer| {
        optimizer.state_dict().get("param_groups").and_then(|g| g.at(0)).expect("one").to_string()
    };
    let want = "{'param_names': ['weight', 'bias'], 'lr': 0.1, 'momentum': 0, 'dampening': 0, 'weight_decay': 0, \
                'nesterov': False, 'maximize': False, 'foreach': None, 'differentiable': False, 'fused': None, \
                'params': [0, 1]}";
    assert_eq!(group(&optimizer), want);
    let nameless = Sgd::new([start(DType::F32), start(DType::F32)], SgdOptions { lr: 0.2, ..SgdOptions::default() });
    optimizer.load_state_dict(&nameless.state_dict()).expect("fits");
    assert!(group(&optimizer).contains("'lr': 0.2") && group(&optimizer).contains("'param_names': ['weight', 'bias']"));
}

#[test]
fn a_fresh_state_reads_as_in_python() {
    let params: Vec<Param> = (0..4).map(|_| start(DType::F32)).collect();
    let optimizer = Sgd::new(params, SgdOptions { lr: 0.001, momentum: 0.9, ..SgdOptions::default() });
    let want = "{'state': {}, 'param_groups': [{'lr': 0.001, 'momentum': 0.9, 'dampening': 0, 'weight_decay': 0, \
                'nesterov': False, 'maximize': False, 'foreach': None, 'differentiable': False, 'fused': None, \
                'params': [0, 1, 2, 3]}]}";
    assert_eq!(optimizer.state_dict().to_string(), want);
    let pretty = "{'state': {},\n 'param_groups': [{'lr': 0.001,\n   'momentum': 0.9,\n   'dampening': 0,\n   \
                  'weight_decay': 0,\n   'nesterov': False,\n   'maximize': False,\n   'foreach': None,\n   \
                  'differentiable': False,\n   'fused': None,\n   'params': [0, 1, 2, 3]}]}";
    assert_eq!(optimizer.state_dict().pretty(), pretty);
}

/// `{'state': {0: {slots}}, 'param_groups': [{options, 'params': [0]}]}`.
fn state<'a>(
    slots: impl IntoIterator<Item = (&'a str, Value)>,
    options: impl IntoIterator<Item = (&'a str, Value)>,
) -> Value {
    let params = ("params", Value::List(vec![Value::Int(0)]));
    let group = Value::dict(options.into_iter().chain([params]));
    let mut states = wengert_tensor::Dict::new();
    states.entries.push((Value::Int(0), Value::dict(slots)));
    Value::dict([("state", Value::Dict(states)), ("param_groups", Value::List(vec![group]))])
}

#[test]
fn old_states_load_and_impossible_ones_do_not() {
    let moment = |dtype| Value::from(&Tensor::from_vec(vec![0.5f64; 5], [5]).to(dtype));
    let lr = || ("lr", Value::from(&Tensor::from_vec(vec![0.25f32], ())));
    let mut optimizer = Adam::new([start(DType::F32)], AdamOptions::default());
    // An integer step, moments of another dtype, a tensor as learning rate, and no options that came later.
    let old = [("step", Value::Int(7)), ("exp_avg", moment(DType::F64)), ("exp_avg_sq", moment(DType::F64))];
    optimizer.load_state_dict(&state(old, [lr()])).expect("fits");
    assert_eq!(optimizer.param_groups()[0].lr(), 0.25);
    let loaded = optimizer.state_dict();
    let slots = loaded.get("state").and_then(Value::as_dict).and_then(|s| s.get_int(0)).expect("a state");
    let slot = |name: &str| slots.get(name).and_then(Value::as_tensor).expect("a tensor");
    assert_eq!((slot("step").dtype(), slot("step").shape(), slot("step").item::<f64>()), (DType::F32, &[][..], 7.0));
    assert_eq!(slot("exp_avg").dtype(), DType::F32);
    for bad in [("step", moment(DType::F32)), ("exp_avg", Value::Float(1.0))] {
        let refused = optimizer.load_state_dict(&state([bad], [lr()]));
        assert!(matches!(refused, Err(Error::SlotShape { .. })), "{refused:?}");
    }
    assert!(optimizer.load_state_dict(&state([], [("lr", Value::Float(-1.0))])).is_err());
    assert_eq!(optimizer.state_dict().to_string(), loaded.to_string());
}

#[test]
fn spoiled_states_are_refused_or_harmless() {
    let mut seen = Vec::new();
    for row in rows(golden()).filter(|row| row["dtype"] == "float32" && row["options"]["maximize"] != true) {
        // One row for each optimizer, and for L-BFGS one with a line search.
        let kind = (&row["optimizer"], row["options"].get("line_search_fn"), &row["shape"]);
        if seen.contains(&kind) {
            continue;
        }
        seen.push(kind);
        let param = start_of(row, DType::F32);
        let mut optimizer = make(row, one(&param)).expect("ours");
        (0..3).for_each(|step| step_of(row, &mut optimizer, &param, step));
        let mut told = Vec::new();
        for state in spoil::spoiled(&optimizer.state_dict()) {
            // More iterations than anyone waits for are no mistake.
            let group = state.get("param_groups").and_then(|groups| groups.at(0));
            let many = |key: &str| group.and_then(|g| g.get(key)?.as_float()).is_some_and(|n| n > 1e6);
            let param = start_of(row, DType::F32);
            let mut optimizer = make(row, one(&param)).expect("ours");
            let before = optimizer.state_dict().to_string();
            told.extend(spoil::message(|| match optimizer.load_state_dict(&state) {
                Err(_) => assert_eq!(optimizer.state_dict().to_string(), before, "{}", row["optimizer"]),
                Ok(()) if many("max_iter") || many("ns_steps") => {}
                Ok(()) => (0..2).for_each(|step| step_of(row, &mut optimizer, &param, step)),
            }));
        }
        assert!(told.is_empty(), "{}: {told:#?}", row["optimizer"]);
    }
}

#[test]
fn scalars_transposed_views_and_empty_parameters_step() {
    let mut seen = Vec::new();
    for row in rows(golden()).filter(|row| row["dtype"] == "float64" && row["options"] == serde_json::json!({})) {
        let name = row["optimizer"].as_str().expect("text");
        if seen.contains(&name) || name == "LBFGS" {
            continue;
        }
        seen.push(name);
        let run = |value: Tensor| {
            let param = Param::new(value);
            let mut optimizer = make(row, one(&param)).expect("ours");
            for step in 0..4 {
                set_grad(&param, step);
                optimizer.step();
            }
            let fresh = Param::new(param.value());
            make(row, one(&fresh)).expect("ours").load_state_dict(&optimizer.state_dict()).expect("fits");
            param.value()
        };
        let number = Tensor::from_vec(vec![0.5f64], ());
        if name != "Muon" {
            let (scalar, vector) = (run(number.clone()), run(number.reshape([1])));
            assert!(scalar.shape().is_empty(), "{name}");
            assert_eq!(scalar.to_bytes(), vector.to_bytes(), "{name}");
        }
        let matrix = start_of(&serde_json::json!({"shape": [2, 3]}), DType::F64).value();
        let (view, copy) = (run(matrix.t()), run(matrix.t().contiguous()));
        assert_eq!(view.to_bytes(), copy.to_bytes(), "{name}");
        // PyTorch divides by the number of elements there.
        if !["Muon", "Adafactor"].contains(&name) {
            assert_eq!(run(Tensor::zeros([0, 3], DType::F64)).numel(), 0, "{name}");
        }
    }
    assert_eq!(seen.len(), 13, "{seen:?}");
}
