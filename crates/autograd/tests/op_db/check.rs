//! Runs rows on their samples and compares with PyTorch's results.

use crate::Row;
use crate::file::{Case, Elements, Expected, Golden, Result as Known, kept, weight};
use crate::sample::Sample;
use crate::skipped::Skipped;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use wengert_autograd::tensor::{DType, Tensor, manual_seed};
use wengert_autograd::{GradOptions, Var, grad_or_none};

thread_local! {
    /// Whether a panic is expected to be caught here and need not be printed.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs every sample of the rows; panics with the failures.
pub(crate) fn rows(rows: &[Row]) {
    let only = std::env::var("OP").ok();
    let skipped = Skipped::read();
    let mut report = String::new();
    for row in rows.iter().filter(|row| only.as_ref().is_none_or(|o| o == row.0)) {
        let failures = failures(row, &skipped);
        let shown = if only.is_some() { failures.len() } else { 3 };
        if !failures.is_empty() {
            report += &format!("{}: {} failures\n", row.0, failures.len());
            failures.iter().take(shown).for_each(|f| report += &format!("    {f}\n"));
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

/// Prints how many operations and samples there are, and that the list of those left out is short.
pub(crate) fn counts(rows: &[Row]) {
    let skipped = Skipped::read();
    let (mut samples, mut left) = (0, 0);
    for (name, _) in rows {
        assert!(rows.iter().filter(|(other, _)| other == name).count() == 1, "two rows for {name}");
        numbered(&Golden::read(name)).for_each(|(number, case, _)| {
            samples += 1;
            left += skipped.has(name, &case.kind, number) as usize;
        });
    }
    for op in skipped.ops() {
        assert!(rows.iter().any(|(name, _)| *name == op), "skipped.txt names {op}, which has no row");
    }
    println!("op_db: {} operations, {} of {samples} samples", rows.len(), samples - left);
    assert!(left * 100 <= samples, "{left} of {samples} samples are left out: more than 1 %");
}

/// The samples with their number among those of their kind.
fn numbered(golden: &Golden) -> impl Iterator<Item = (usize, &Case, &Expected)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    golden.samples.iter().map(move |(case, expected)| {
        let count = counts.entry(&case.kind).or_default();
        *count += 1;
        (*count - 1, case, expected)
    })
}

fn failures((name, row): &Row, skipped: &Skipped) -> Vec<String> {
    let golden = Golden::read(name);
    let mut failures = Vec::new();
    for (number, case, expected) in numbered(&golden) {
        let floats: &[DType] = if case.kind == "float32" { &[DType::F64, DType::F32] } else { &[DType::F64] };
        let results: Vec<Result<(), String>> = floats
            .iter()
            .map(|&float| caught(|| sample(row, &Sample::new(case, &golden.tensors, float), expected, float)))
            .collect();
        let failed = results.iter().any(Result::is_err);
        if skipped.has(name, &case.kind, number) {
            if !failed && !skipped.may_pass(name, &case.kind, number) {
                failures.push(format!("{} {number}: is listed in skipped.txt and passes", case.kind));
            }
            continue;
        }
        for (float, result) in floats.iter().zip(results) {
            if let Err(error) = result {
                let call = Sample::new(case, &golden.tensors, *float).shown();
                failures.push(format!("{} {number} ({}): {error}; call: {call}", case.kind, float.name()));
            }
        }
    }
    failures
}

/// Runs a check; a panic of an operation is its error.
fn caught(check: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                usual(info);
            }
        }));
    });
    QUIET.set(true);
    let result = catch_unwind(AssertUnwindSafe(check));
    QUIET.set(false);
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.or(panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or("panic".to_owned()))
    })
}

fn sample(row: &fn(&Sample) -> Vec<Var>, call: &Sample, expected: &Expected, float: DType) -> Result<(), String> {
    manual_seed(0);
    let out = row(call);
    let unused = call.unused();
    if !unused.is_empty() {
        return Err(format!("the row does not look at {}", unused.join(", ")));
    }
    if out.len() != expected.out.len() {
        return Err(format!("{} results, PyTorch has {}", out.len(), expected.out.len()));
    }
    for (i, (ours, theirs)) in out.iter().zip(&expected.out).enumerate() {
        near(ours.value(), theirs.as_ref().expect("an output is a tensor"), float)
            .map_err(|e| format!("output {i}: {e}"))?;
    }
    let Some(grads) = &expected.grad else { return Ok(()) };
    let leaves: Vec<&Var> = call.leaves().iter().collect();
    // Both gradients are wanted, so the pass is recorded in f64 and fused kernels run in f32.
    let ours = gradients(&out, &leaves, float == DType::F64 && expected.twice.is_some());
    compare(&ours, grads, float, "gradient")?;
    let Some(twice) = expected.twice.as_ref().filter(|_| float == DType::F64) else { return Ok(()) };
    let total = ours.iter().enumerate().filter_map(|(i, g)| g.as_ref().filter(|g| g.requires_grad()).map(|g| (i, g)));
    let total = total.map(|(i, g)| (g * &cotangent(g, i + 1)).sum(())).reduce(|a, b| a + b);
    let second = match &total {
        Some(total) => grad_or_none(&[total], &leaves, &GradOptions::default()),
        None => vec![None; leaves.len()],
    };
    compare(&second, twice, float, "second gradient")
}

fn cotangent(of: &Var, seed: usize) -> Var {
    let data: Vec<f64> = (0..of.numel()).map(|i| weight(i, seed) as f64 / 4.0).collect();
    Var::from(Tensor::from_vec(data, of.shape()).to(of.dtype()))
}

fn gradients(out: &[Var], leaves: &[&Var], create_graph: bool) -> Vec<Option<Var>> {
    let (seeds, roots): (Vec<_>, Vec<&Var>) =
        out.iter().enumerate().filter(|(_, x)| x.requires_grad()).map(|(j, x)| (Some(cotangent(x, j)), x)).unzip();
    if roots.is_empty() {
        return vec![None; leaves.len()];
    }
    grad_or_none(&roots, leaves, &GradOptions { create_graph, grad_outputs: seeds, ..Default::default() })
}

fn compare(ours: &[Option<Var>], theirs: &[Option<Known>], float: DType, what: &str) -> Result<(), String> {
    if ours.len() != theirs.len() {
        return Err(format!("{} inputs to differentiate, PyTorch has {}", ours.len(), theirs.len()));
    }
    for (i, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        let context = |e: String| format!("{what} {i}: {e}");
        match (ours, theirs) {
            (Some(ours), Some(theirs)) => near(ours.value(), theirs, float).map_err(context)?,
            // No gradient and a gradient of zeros are the same.
            (Some(ours), None)
                if ours.value().to(DType::F64).to_vec::<f64>().iter().any(|&x| x.is_nan() || x.abs() > 1e-7) =>
            {
                return Err(context(format!("{ours}, PyTorch has none")));
            }
            (None, Some(theirs)) if !theirs.is_zero() => return Err(context("none, PyTorch has one".to_owned())),
            _ => {}
        }
    }
    Ok(())
}

impl Known {
    fn is_zero(&self) -> bool {
        match &self.elements {
            Elements::Floats(x) => x.iter().all(|&x| x.abs() <= 1e-7),
            Elements::Ints(x) => x.iter().all(|&x| x == 0),
        }
    }
}

/// PyTorch's relative and absolute tolerance for a dtype (`torch.testing.assert_close`).
fn tolerance(dtype: DType) -> (f64, f64) {
    match dtype {
        DType::F64 => (1e-7, 1e-7),
        DType::F32 => (1.3e-6, 1e-5),
        DType::F16 => (1e-3, 1e-5),
        DType::BF16 => (1.6e-2, 1e-5),
        _ => (0.0, 0.0),
    }
}

fn near(ours: &Tensor, theirs: &Known, float: DType) -> Result<(), String> {
    let dtype = theirs.dtypes[(float == DType::F32) as usize];
    if ours.shape() != theirs.shape {
        return Err(format!("shape {:?}, PyTorch's {:?}", ours.shape(), theirs.shape));
    }
    if ours.dtype() != dtype {
        return Err(format!("dtype {}, PyTorch's {}", ours.dtype().name(), dtype.name()));
    }
    let first = elements(ours, &theirs.elements, dtype);
    match &theirs.single {
        Some(single) if first.is_err() && float == DType::F32 => elements(ours, single, dtype),
        _ => first,
    }
}

fn elements(ours: &Tensor, theirs: &Elements, dtype: DType) -> Result<(), String> {
    let count = ours.numel();
    let at = kept(count);
    match theirs {
        Elements::Ints(theirs) => {
            let ours = ours.to(DType::I64).to_vec::<i64>();
            let positions: Vec<usize> = at.clone().unwrap_or((0..count).collect());
            if let Some((p, t)) = positions.iter().zip(theirs).find(|&(&p, &t)| ours[p] != t) {
                return Err(format!("element {p} is {}, PyTorch's {t}", ours[*p]));
            }
            let sum = ours.iter().enumerate().fold(0i64, |s, (i, x)| s.wrapping_add(x.wrapping_mul(weight(i, 0))));
            match at {
                Some(_) if theirs.last() != Some(&sum) => {
                    Err(format!("weighted sum {sum}, PyTorch's {:?}", theirs.last()))
                }
                _ => Ok(()),
            }
        }
        Elements::Floats(theirs) => {
            let (rtol, atol) = tolerance(dtype);
            let ours = ours.to(DType::F64).to_vec::<f64>();
            let close = |a: f64, b: f64, slack: f64| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= slack;
            let positions: Vec<usize> = at.clone().unwrap_or((0..count).collect());
            let far = positions.iter().zip(theirs).find(|&(&p, &t)| !close(ours[p], t, atol + rtol * t.abs()));
            if let Some((p, t)) = far {
                return Err(format!("element {p} is {}, PyTorch's {t}", ours[*p]));
            }
            let Some(total) = at.and(theirs.last()).filter(|t| t.is_finite()) else { return Ok(()) };
            let weighted = |f: &dyn Fn(f64) -> f64, w: &dyn Fn(f64) -> f64| -> f64 {
                ours.iter().enumerate().map(|(i, &x)| f(x) * w(weight(i, 0) as f64 / 4.0)).sum()
            };
            let sum = weighted(&|x| x, &|w| w);
            let slack = weighted(&|x| atol + rtol * x.abs(), &f64::abs);
            if close(sum, *total, slack) { Ok(()) } else { Err(format!("weighted sum {sum}, PyTorch's {total}")) }
        }
    }
}
