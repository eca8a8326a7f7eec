//! Elementwise functions and reductions against values from PyTorch (xtask/golden/elementwise.py).

use serde_json::Value;
use wengert_tensor::{BINARY, COMPARE, DType, Scalar, Tensor, UNARY};

type Unary = (&'static str, fn(&Tensor) -> Tensor);
type Binary = (&'static str, fn(&Tensor, &Tensor) -> Tensor);

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/elementwise.json")).expect("valid JSON")
}

fn dtype(name: &str) -> DType {
    *DType::ALL.iter().find(|d| d.name() == name).expect("a dtype's name")
}

fn numbers(data: &Value) -> Vec<f64> {
    let number = |v: &Value| match v {
        Value::String(text) => text.parse().expect("inf, -inf or nan"),
        number => number.as_f64().expect("a number"),
    };
    data.as_array().expect("a list").iter().map(number).collect()
}

fn tensor(data: &Value, dtype: DType) -> Tensor {
    let data = numbers(data);
    Tensor::from_slice(&data, [data.len()]).to(dtype)
}

/// PyTorch's `assert_close` defaults, as (rtol, atol); tighter for f64, whose functions promise 1e-13.
fn tolerance(dtype: DType) -> (f64, f64) {
    match dtype {
        DType::F64 => (1e-13, 1e-15),
        DType::F32 => (1.3e-6, 1e-5),
        DType::F16 => (1e-3, 1e-5),
        DType::BF16 => (1.6e-2, 1e-5),
        _ => (0.0, 0.0),
    }
}

/// Compares with an entry of the golden file; `null` stands where PyTorch refuses.
fn check(what: &str, got: impl FnOnce() -> Tensor, want: &Value, failures: &mut Vec<String>) {
    if want.is_null() {
        return;
    }
    let got = got();
    let dtype = dtype(want["dtype"].as_str().expect("dtype"));
    let shape: Vec<usize> =
        want["shape"].as_array().expect("shape").iter().map(|s| s.as_u64().expect("size") as usize).collect();
    if got.dtype() != dtype || got.shape() != shape {
        return failures.push(format!("{what}: {} {:?} instead of {dtype} {shape:?}", got.dtype(), got.shape()));
    }
    let (rtol, atol) = tolerance(dtype);
    for (i, (a, b)) in got.to_vec::<f64>().into_iter().zip(numbers(&want["data"])).enumerate() {
        // PyTorch's vectorised gelu gives NaN at infinity, its scalar one the limit.
        let limit = what.starts_with("gelu") && a == f64::INFINITY && b.is_nan();
        // PyTorch rounds the steps of logsumexp to half one by one.
        let steps = if what.starts_with("logsumexp float16") { 1e-3 } else { 0.0 };
        let same = limit
            || (a - b).abs() <= steps
            || a == b
            || (a.is_nan() && b.is_nan())
            || (a - b).abs() <= atol + rtol * b.abs();
        if !same {
            failures.push(format!("{what} [{i}]: {a} instead of {b}"));
        }
    }
}

fn report(failures: Vec<String>) {
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_unary_row_agrees_with_pytorch_on_every_dtype() {
    let golden = golden();
    let mut failures = Vec::new();
    let more: [Unary; 4] = [
        ("logical_not", Tensor::logical_not),
        ("isnan", Tensor::isnan),
        ("isinf", Tensor::isinf),
        ("isfinite", Tensor::isfinite),
    ];
    for (name, function) in UNARY.iter().chain(&more) {
        let rows = golden["unary"][name].as_object().unwrap_or_else(|| panic!("{name} has no golden values"));
        for (kind, want) in rows {
            let x = tensor(&golden["inputs"][kind]["x"], dtype(kind));
            check(&format!("{name} {kind}"), || function(&x), want, &mut failures);
        }
    }
    report(failures);
}

#[test]
fn every_binary_row_agrees_with_pytorch_on_every_dtype() {
    let golden = golden();
    let mut failures = Vec::new();
    let more: [Binary; 3] = [
        ("logical_and", |a, b| a.logical_and(b)),
        ("logical_or", |a, b| a.logical_or(b)),
        ("logical_xor", |a, b| a.logical_xor(b)),
    ];
    for (name, function) in BINARY.iter().chain(COMPARE).chain(&more) {
        let rows = golden["binary"][name].as_object().unwrap_or_else(|| panic!("{name} has no golden values"));
        for (kind, want) in rows {
            let input = |side: &str| tensor(&golden["inputs"][kind][side], dtype(kind));
            check(&format!("{name} {kind}"), || function(&input("x"), &input("y")), want, &mut failures);
        }
    }
    report(failures);
}

#[test]
fn numbers_beside_tensors_agree_with_pytorch() {
    let golden = golden();
    let mut failures = Vec::new();
    for (name, kinds) in golden["scalar"].as_object().expect("names") {
        for (kind, rows) in kinds.as_object().expect("dtypes") {
            let x = tensor(&golden["inputs"][kind]["x"], dtype(kind));
            for (text, want) in rows.as_object().expect("numbers") {
                let number = match text.as_str() {
                    "True" => Scalar::Bool(true),
                    "2" => Scalar::Int(2),
                    other => Scalar::Float(other.parse().expect("a number")),
                };
                let run = || match name.as_str() {
                    "add" => x.add(number),
                    "mul" => x.mul(number),
                    "div" => x.div(number),
                    "remainder" => x.remainder(number),
                    "pow" => x.pow(number),
                    "maximum" => x.maximum(Tensor::full((), number, number.default_dtype())),
                    "lt" => x.lt(number),
                    other => panic!("{other} is not in this test"),
                };
                check(&format!("{name} {kind} {text}"), run, want, &mut failures);
            }
        }
    }
    report(failures);
}

#[test]
fn every_reduction_agrees_with_pytorch_on_every_dtype() {
    let golden = golden();
    let mut failures = Vec::new();
    for (kind, cases) in golden["reductions"].as_object().expect("dtypes") {
        let z = tensor(&cases[""]["data"], dtype(kind)).view([3, 4, 5]);
        for (dims, rows) in cases.as_object().expect("cases").iter().filter(|(dims, _)| !dims.is_empty()) {
            let dims: Vec<isize> = serde_json::from_str(dims).expect("a list of axes");
            // The same through another order in memory.
            let moved = z.permute([2, 0, 1]).contiguous().permute([1, 2, 0]);
            for x in [&z, &moved] {
                for (name, want) in rows.as_object().expect("rows") {
                    let first = dims.first().copied().unwrap_or(0);
                    let dims = &dims[..];
                    let run = || match name.as_str() {
                        "sum" => x.sum(dims),
                        "mean" => x.mean(dims),
                        "amax" => x.amax(dims),
                        "amin" => x.amin(dims),
                        "any" => x.any(dims),
                        "all" => x.all(dims),
                        "var" => x.var(dims, 1.0),
                        "std" => x.std(dims, 0.0),
                        "logsumexp" => x.logsumexp(dims),
                        "norm" => x.norm(dims),
                        "prod" => x.prod(dims),
                        "argmax" => x.argmax(first),
                        "argmin" => x.argmin(first),
                        "cumsum" => x.cumsum(first),
                        "cumprod" => x.cumprod(first),
                        "max_dim" => x.max_dim(first).1,
                        "min_dim" => x.min_dim(first).1,
                        other => panic!("{other} is not in this test"),
                    };
                    check(&format!("{name} {kind} {dims:?}"), run, want, &mut failures);
                }
            }
        }
    }
    report(failures);
}
