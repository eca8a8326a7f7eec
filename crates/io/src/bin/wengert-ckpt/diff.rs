//! `diff`: where two checkpoints differ, and by how much.

use crate::inspect::number;
use crate::tree::{self, Flat};
use crate::{Arguments, Report};
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::path::Path;
use wengert_io::tensor::{DType, Tensor};

/// What is different about an entry that both have.
struct Difference {
    name: String,
    what: String,
    /// The largest distance, and the largest in relation to the second file's value.
    distance: Option<(f64, f64)>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Report, String> {
    let [a, b] = &arguments.files[..] else { return Err("diff needs two files".to_owned()) };
    let tolerance = |name: &str| match arguments.option(name).map(str::parse::<f64>) {
        None => Ok(0.0),
        Some(Ok(x)) if x >= 0.0 => Ok(x),
        Some(_) => Err(format!("{name} needs a number that is not negative")),
    };
    let tolerances = (tolerance("--rtol")?, tolerance("--atol")?);
    let load = |file: &Path| arguments.load(file).map(|(value, _)| Flat::of(&value));
    let (left, right) = match (load(a), load(b)) {
        (Ok(left), Ok(right)) => (left, right),
        (Err(error), _) | (_, Err(error)) => {
            let mut report = Report::default();
            report.error(&error.to_string());
            if arguments.has("--json") {
                report.text = format!("{:#}\n", json!({ "error": error.to_string() }));
            }
            return Ok(report);
        }
    };
    let mut differences = Vec::new();
    let (mut only_a, mut only_b) = (Vec::new(), Vec::new());
    let tensors: HashMap<&str, &Tensor> = right.tensors.iter().map(|(n, t)| (n.as_str(), t)).collect();
    for (name, tensor) in &left.tensors {
        match tensors.get(name.as_str()) {
            None => only_a.push(name.as_str()),
            Some(other) => differences.extend(compare(name, tensor, other, tolerances)),
        }
    }
    let values: HashMap<&str, &str> = right.values.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    for (name, value) in &left.values {
        match values.get(name.as_str()) {
            None => only_a.push(name.as_str()),
            Some(other) if other == value => {}
            Some(other) => {
                let what = format!("{} and {}", tree::short(value), tree::short(other));
                differences.push(Difference { name: name.clone(), what, distance: None });
            }
        }
    }
    let mine: HashMap<&str, ()> = left
        .tensors
        .iter()
        .map(|(n, _)| n)
        .chain(left.values.iter().map(|(n, _)| n))
        .map(|n| (n.as_str(), ()))
        .collect();
    let theirs = right.tensors.iter().map(|(n, _)| n).chain(right.values.iter().map(|(n, _)| n));
    only_b.extend(theirs.map(String::as_str).filter(|name| !mine.contains_key(name)));
    // A name that is a tensor in one and a value in the other is in both, and differs.
    for name in only_a.extract_if(.., |name| tensors.contains_key(name) || values.contains_key(name)) {
        let what = "a tensor in one and another value in the other".to_owned();
        differences.push(Difference { name: name.to_owned(), what, distance: None });
    }
    let well = differences.is_empty() && only_a.is_empty() && only_b.is_empty();
    let text = if arguments.has("--json") {
        let different: Vec<Json> = differences
            .iter()
            .map(|d| {
                let mut out = json!({ "name": d.name, "what": d.what });
                if let Some((absolute, relative)) = d.distance {
                    out["max_abs"] = number(absolute);
                    out["max_rel"] = number(relative);
                }
                out
            })
            .collect();
        let json = json!({ "same": well, "only_in_a": only_a, "only_in_b": only_b, "different": different });
        format!("{json:#}\n")
    } else if well {
        format!("the same: {}, {} other values\n", tree::count(left.tensors.len()), left.values.len())
    } else {
        let mut text = String::new();
        for (file, names) in [(a, &only_a), (b, &only_b)] {
            for name in names.iter() {
                text += &format!("only in {}: {}\n", tree::path(file), tree::plain(name));
            }
        }
        let rows: Vec<_> = differences.iter().map(|d| vec![tree::plain(&d.name), d.what.clone()]).collect();
        text + &tree::table(&rows, &[])
    };
    Ok(Report { text, well, ..Report::default() })
}

fn compare(name: &str, a: &Tensor, b: &Tensor, (rtol, atol): (f64, f64)) -> Option<Difference> {
    let difference = |what: String, distance| Some(Difference { name: name.to_owned(), what, distance });
    if a.shape() != b.shape() {
        return difference(format!("shapes {} and {}", tree::shape(a), tree::shape(b)), None);
    }
    if a.dtype() != b.dtype() {
        return difference(format!("dtypes {} and {}", a.dtype(), b.dtype()), None);
    }
    let whole = a.numel();
    let Some((a, b)) = tree::distinct_both(a, b) else {
        return difference("too many elements that are the same memory to compare".to_owned(), None);
    };
    if a.to_bytes() == b.to_bytes() {
        return None;
    }
    let (mut count, mut absolute, mut relative) = (0usize, 0f64, 0f64);
    let mut see = |y: f64, distance: f64| {
        if distance.is_nan() || distance > atol + rtol * y.abs() || distance.is_infinite() {
            count += 1;
        }
        let worst = if distance.is_nan() { f64::INFINITY } else { distance };
        absolute = absolute.max(worst);
        relative = relative.max(if y == 0.0 || worst.is_infinite() { f64::INFINITY } else { worst / y.abs() });
    };
    if a.dtype().is_float() {
        let [left, right] = [&a, &b].map(|t| t.to(DType::F64).to_vec::<f64>());
        for (&x, &y) in left.iter().zip(&right) {
            // NaN is as good as NaN here, and infinity as the same infinity.
            if x != y && !(x.is_nan() && y.is_nan()) {
                see(y, (x - y).abs());
            }
        }
    } else {
        // Exactly: f64 does not tell large integers apart.
        let [left, right] = [&a, &b].map(|t| t.to(DType::I64).to_vec::<i64>());
        for (&x, &y) in left.iter().zip(&right).filter(|(x, y)| x != y) {
            see(y as f64, x.abs_diff(y) as f64);
        }
    }
    if count == 0 {
        return None;
    }
    let repeats = whole / a.numel().max(1);
    let what = format!(
        "{} of {whole} elements differ, by at most {absolute:.3e} absolute, {relative:.3e} relative",
        count * repeats
    );
    difference(what, Some((absolute, relative)))
}
