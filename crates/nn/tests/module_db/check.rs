//! Runs rows on their samples and compares with PyTorch's results.

use crate::Row;
use crate::case::{Arguments, Case, Inputs};
use crate::file::{Golden, Known, dtype, kept, list, map, text};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use wengert_nn::tensor::{DType, StateDict, Tensor, manual_seed};
use wengert_nn::{Dict, Module, Registry, Value, Var};

thread_local! {
    /// Whether a panic is expected to be caught here and need not be printed.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs every sample; panics with the failures.
pub(crate) fn all(rows: &[Row]) {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !QUIET.get() {
            before(info);
        }
    }));
    let only = std::env::var("MODULE").ok();
    let golden = Golden::read();
    let mut skipped = Skipped::read();
    let (mut modules, mut passed, mut total, mut more, mut report) = (0, 0, 0, 0, String::new());
    for module in golden.modules.iter().filter(|m| only.as_ref().is_none_or(|only| text(&m["name"]) == only)) {
        let name = text(&module["name"]);
        let row = rows.iter().find(|row| row.0 == name);
        let mut failures = Vec::new();
        for (number, sample) in list(&module["samples"]).iter().enumerate() {
            let own = module.get("own").is_some();
            total += usize::from(!own);
            let error = match row {
                Some(row) => caught(|| check(&golden, text(&module["class"]), sample, row)).err(),
                None => Some("no row".to_owned()),
            };
            match (error, skipped.has(name, number)) {
                (None, false) if own => more += 1,
                (None, false) => passed += 1,
                (None, true) => failures.push(format!("{number}: passes, but module_db_skipped.txt lists it")),
                (Some(_), true) => {}
                (Some(error), false) => {
                    let arguments = Value::Dict(arguments(&golden, sample).0).to_string().replace('\n', " ");
                    failures.push(format!("{number} {arguments:.200}: {error}"));
                }
            }
        }
        modules += usize::from(row.is_some() && module.get("own").is_none());
        let shown = if only.is_some() { failures.len() } else { 3 };
        if !failures.is_empty() {
            report += &format!("{name}: {} failures\n", failures.len());
            failures.iter().take(shown).for_each(|failure| report += &format!("    {failure}\n"));
        }
    }
    println!("module_db: {modules} modules, {passed} of {total} samples; {more} samples of ours");
    assert!(report.is_empty(), "\n{report}");
    if only.is_none() {
        skipped.assert_all_named();
    }
}

/// What is left out: lines `NAME: reason` for whole modules and `NAME 3-5,8: reason` for samples by number.
struct Skipped {
    lines: Vec<(String, Option<HashSet<usize>>)>,
    named: HashSet<usize>,
}

impl Skipped {
    fn read() -> Skipped {
        let lines = include_str!("../module_db_skipped.txt").lines().filter(|l| !l.starts_with('#') && !l.is_empty());
        let lines = lines.map(|line| {
            let (what, reason) = line.split_once(": ").expect("NAME: reason");
            assert!(reason.len() > 10, "{line}: a reason");
            let Some((name, numbers)) = what.split_once(' ') else { return (what.to_owned(), None) };
            let number = |text: &str| text.parse::<usize>().expect("a number");
            let ranges = numbers.split(',').flat_map(|range| match range.split_once('-') {
                Some((first, last)) => number(first)..number(last) + 1,
                None => number(range)..number(range) + 1,
            });
            (name.to_owned(), Some(ranges.collect()))
        });
        Skipped { lines: lines.collect(), named: HashSet::new() }
    }

    fn has(&mut self, name: &str, number: usize) -> bool {
        let matches = |line: &(String, Option<HashSet<usize>>)| {
            line.0 == name && line.1.as_ref().is_none_or(|numbers| numbers.contains(&number))
        };
        let line = self.lines.iter().position(matches);
        self.named.extend(line);
        line.is_some()
    }

    fn assert_all_named(&self) {
        for (i, line) in self.lines.iter().enumerate() {
            assert!(
                self.named.contains(&i),
                "module_db_skipped.txt names {}, of which there are no such samples",
                line.0
            );
        }
    }
}

/// The result, or the text of the panic and its place.
fn caught<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    QUIET.set(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    QUIET.set(false);
    result.map_err(|error| match error.downcast::<String>() {
        Ok(text) => *text,
        Err(error) => error.downcast_ref::<&str>().map_or("a panic".to_owned(), |text| (*text).to_owned()),
    })
}

fn arguments(golden: &Golden, sample: &Json) -> Arguments {
    Arguments(map(&sample["arguments"]).iter().map(|(k, v)| (k.as_str(), golden.value(v))).collect())
}

/// Makes the module and puts it in the sample's mode.
fn made(golden: &Golden, sample: &Json, row: &Row) -> Case {
    manual_seed(1);
    let case = row.1(&arguments(golden, sample));
    if let Some(lazy) = sample.get("lazy") {
        assert_eq!(case.module.to_string(), text(lazy), "the text before the first forward pass");
        manual_seed(2);
        // So that no statistics move.
        case.module.eval();
        (case.run)(&Inputs::new(golden, sample, DType::F32));
    }
    match sample["training"].as_bool() {
        Some(true) => case.module.train(),
        _ => case.module.eval(),
    }
    case
}

fn check(golden: &Golden, class: &str, sample: &Json, row: &Row) {
    for precision in [DType::F64, DType::F32] {
        let case = made(golden, sample, row);
        assert_eq!(case.module.to_string(), text(&sample["text"]));
        if precision == DType::F64 {
            check_config(golden, class, sample, &case);
        }
        check_state(golden, sample, &*case.module);
        case.module.to(precision);
        let expected = match precision {
            DType::F32 => sample.get("f32").unwrap_or(&sample["f64"]),
            _ => &sample["f64"],
        };
        let slack = if precision == DType::F32 { sample["slack"].as_f64().unwrap_or(0.5) * 2.0 } else { 1.0 };
        check_run(golden, sample, expected, &case, precision, slack);
    }
}

/// The state dict: keys, dtypes, shapes, values.
fn check_state(golden: &Golden, sample: &Json, module: &dyn Module) {
    let state = module.state_dict();
    let expected = list(&sample["state"]);
    let keys: Vec<&str> = expected.iter().map(|entry| text(&entry[0])).collect();
    assert_eq!(state.keys().collect::<Vec<_>>(), keys, "the state dict's keys");
    let mut given = StateDict::new();
    for entry in expected {
        let (key, value) = (text(&entry[0]), &state[text(&entry[0])]);
        assert_eq!((value.dtype(), serde_json::json!(value.shape())), (dtype(&entry[1]), entry[2].clone()), "{key}");
        match entry[3].as_str() {
            Some(digest) => {
                let own: String = Sha256::digest(value.to_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(own[..16], *digest, "the initial values of {key}");
            }
            None => {
                given.insert(key, golden.input(&entry[3]["tensor"]).value);
            }
        }
    }
    if !given.is_empty() {
        module.load_state_dict(&given).expect("PyTorch's state");
    }
}

/// What a whole-model file says of the module is what PyTorch's would, and makes the same module.
fn check_config(golden: &Golden, class: &str, sample: &Json, case: &Case) {
    let registry = Registry::new();
    let spec = registry.describe(&*case.module).expect("it is registered");
    let class = class.replace(".Lazy", ".");
    assert_eq!(spec.class(), class);
    let own: Dict = spec.config().collect();
    let pytorchs: Dict = map(&sample["config"]).iter().map(|(k, v)| (k.as_str(), golden.value(v))).collect();
    let sorted = |dict: Dict| {
        // Lists of a recurrent layer's parameters, which PyTorch makes anew when it reads `_all_weights` without names.
        let kept = dict.iter().filter(|(k, _)| {
            let name = k.to_string();
            // And a transformer's function, which no file of ours holds: PyTorch takes ReLU.
            !["_flat_weight", "_all_weights", "'activation'"].iter().any(|made_anew| name.contains(made_anew))
        });
        let mut lines: Vec<String> = kept.map(|(k, v)| format!("{k}={v}")).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(own), sorted(pytorchs), "the configuration");
    let again = registry.build(&spec).expect("its own description");
    assert_eq!(again.to_string(), case.module.to_string(), "the text of what was rebuilt");
    assert_eq!(again.training(), case.module.training());
    let bytes = |state: StateDict| state.iter().map(|(k, v)| (k.to_owned(), v.to_bytes())).collect::<Vec<_>>();
    assert_eq!(bytes(again.state_dict()), bytes(case.module.state_dict()), "the tensors of what was rebuilt");
    let second = Value::from(registry.describe(&*again).expect("the same type")).to_string();
    assert_eq!(second, Value::from(&spec).to_string(), "the description of what was rebuilt");
}

fn check_run(golden: &Golden, sample: &Json, expected: &Json, case: &Case, precision: DType, slack: f64) {
    let inputs = Inputs::new(golden, sample, precision);
    manual_seed(2);
    let out = (case.run)(&inputs);
    let close = |what: &str, own: Option<&Tensor>, json: &Json| {
        let what = format!("{precision} {what}");
        match (own, golden.known(json)) {
            (None, None) => {}
            (Some(own), Some(known)) => assert_close(&what, own, &known, golden.keep, precision, slack),
            (own, known) => panic!("{what}: is {}, should be {}", own.is_some(), known.is_some()),
        }
    };
    let outs = list(&expected["out"]);
    assert_eq!(out.len(), outs.len(), "the number of outputs");
    for (i, (own, json)) in out.iter().zip(outs).enumerate() {
        close(&format!("output {i}"), Some(own.value()), json);
    }
    let roots: Vec<&Var> = out.iter().filter(|y| y.requires_grad()).collect();
    if !roots.is_empty() {
        let grads: Vec<Tensor> = roots.iter().map(|y| cotangent(y.value())).collect();
        backward(&roots, &grads);
    }
    for (i, (input, json)) in inputs.tensors.iter().zip(list(&expected["in"])).enumerate() {
        let grad = if input.requires_grad() { input.grad() } else { None };
        close(&format!("gradient of input {i}"), grad.as_ref(), json);
    }
    let params = case.module.named_parameters();
    assert_eq!(params.len(), map(&expected["params"]).len(), "the number of parameters");
    for (name, param) in params {
        close(&format!("gradient of {name}"), param.grad().as_ref(), &expected["params"][&name]);
    }
    let buffers = case.module.named_buffers();
    assert_eq!(buffers.len(), map(&expected["buffers"]).len(), "the number of buffers");
    for (name, buffer) in buffers {
        close(&name, Some(&buffer.value()), &expected["buffers"][&name]);
    }
}

/// cos(0), cos(1), …
fn cotangent(like: &Tensor) -> Tensor {
    let data: Vec<f64> = (0..like.numel()).map(|i| (i as f64).cos()).collect();
    Tensor::from_vec(data, like.shape()).to(like.dtype())
}

fn backward(roots: &[&Var], grads: &[Tensor]) {
    let total =
        roots.iter().zip(grads).map(|(root, grad)| (*root * Var::from(grad.clone())).sum(())).reduce(|a, b| a + b);
    total.expect("an output").backward();
}

fn assert_close(what: &str, own: &Tensor, known: &Known, keep: usize, precision: DType, slack: f64) {
    let is_float = known.dtype.is_float();
    let dtype = if is_float { precision } else { known.dtype };
    assert_eq!((own.dtype(), own.shape()), (dtype, &known.shape[..]), "{what}: dtype and shape");
    let (absolute, relative) = match precision {
        DType::F64 => (1e-7, 1e-7),
        _ => (1e-5 * slack, 1.3e-6 * slack),
    };
    let (absolute, relative) = if is_float { (absolute, relative) } else { (0.0, 0.0) };
    let all = own.to_vec::<f64>();
    let places = if all.len() <= keep { (0..all.len()).collect() } else { kept(keep, all.len()) };
    for (&at, &expected) in places.iter().zip(&known.elements) {
        let actual = all[at];
        let near = (actual - expected).abs() <= absolute + relative * expected.abs();
        let same = actual == expected || (actual.is_nan() && expected.is_nan());
        assert!(near || same, "{what}[{at}]: {actual} is not {expected}");
    }
    if let Some(expected) = known.sum {
        let weighed = |i: usize| all[i] * (1.0 + i as f64).cos();
        let (sum, size) = (0..all.len()).fold((0.0, 0.0), |(s, a), i| (s + weighed(i), a + all[i].abs()));
        // Integers are exact, and their sum in f64 nearly so.
        let bound = absolute * all.len() as f64 + relative.max(1e-12) * size;
        assert!((sum - expected).abs() <= bound, "{what}: the sum {sum} is not {expected}");
    }
}
