//! `inspect`: what is in a checkpoint.

use crate::convert::metadata;
use crate::tree::{self, Flat};
use crate::{Arguments, Report};
use serde_json::{Value as Json, json};
use std::path::Path;
use wengert_io::tensor::{DType, Tensor, Value};
use wengert_io::{Checkpoint, TensorInfo};

/// Numbers about a tensor's elements. NaNs count in `nans` alone.
struct Stats {
    min: f64,
    max: f64,
    mean: f64,
    nans: usize,
}

impl Stats {
    /// `None` if the tensor is the same memory too often.
    fn of(tensor: &Tensor) -> Option<Stats> {
        let elements = tree::distinct(tensor)?;
        let repeats = tensor.numel() / elements.numel().max(1);
        let values = elements.to(DType::F64).to_vec::<f64>();
        let numbers = || values.iter().copied().filter(|x| !x.is_nan());
        let count = numbers().count();
        let nan_if_none = |x: f64| if count == 0 { f64::NAN } else { x };
        Some(Stats {
            min: nan_if_none(numbers().fold(f64::INFINITY, f64::min)),
            max: nan_if_none(numbers().fold(f64::NEG_INFINITY, f64::max)),
            mean: nan_if_none(numbers().sum::<f64>() / count as f64),
            nans: (values.len() - count) * repeats,
        })
    }
}

/// A number for a table: as many digits as tell something.
fn digits(x: f64) -> String {
    if x == 0.0 || !x.is_finite() || (1e-4..1e9).contains(&x.abs()) { format!("{x:.6}") } else { format!("{x:.6e}") }
}

/// A number for JSON, which has no NaN and no infinity.
pub(crate) fn number(x: f64) -> Json {
    if x.is_finite() { json!(x) } else { json!(x.to_string()) }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Report, String> {
    if arguments.files.is_empty() {
        return Err("inspect needs a file".to_owned());
    }
    let (stats, list_only) = (arguments.has("--stats"), arguments.has("--list"));
    if stats && list_only {
        return Err("--list reads no tensor, and --stats needs them".to_owned());
    }
    let mut report = Report { well: true, ..Report::default() };
    let mut list = Vec::new();
    for file in &arguments.files {
        if list_only {
            match Checkpoint::open(file) {
                Ok(open) => {
                    report.text += &listed(file, open.tensors());
                    list.push(json!({ "file": file.to_string_lossy(), "tensors": listed_json(open.tensors()) }));
                }
                Err(error) => {
                    report.error(&error.to_string());
                    list.push(json!({ "file": file.to_string_lossy(), "error": error.to_string() }));
                }
            }
            continue;
        }
        let loaded = arguments.load(file).and_then(|(value, format)| Ok((value, format, metadata(file, format)?)));
        match loaded {
            Ok((value, format, metadata)) => {
                let mut flat = Flat::of(&value);
                // Where the file has it, too.
                let named =
                    metadata.into_iter().map(|(key, text)| (format!("__metadata__.{key}"), format!("'{text}'")));
                flat.values.extend(named);
                if arguments.has("--json") {
                    list.push(as_json(file, format, &flat, stats));
                } else {
                    report.text += &as_text(file, format, &flat, stats);
                }
            }
            Err(error) => {
                report.error(&error.to_string());
                let tensors = described(file);
                if !tensors.is_empty() {
                    report.text += &listed(file, &tensors);
                }
                let tensors = listed_json(&tensors);
                let (file, error) = (file.to_string_lossy(), error.to_string());
                list.push(json!({ "file": file, "error": error, "tensors": tensors }));
            }
        }
    }
    if arguments.has("--json") {
        report.text = format!("{:#}\n", Json::Array(list));
    }
    Ok(report)
}

/// What a file that cannot be loaded says of its tensors, if it says that much.
fn described(file: &Path) -> Vec<TensorInfo> {
    Checkpoint::open(file).map(|open| open.tensors().to_vec()).unwrap_or_default()
}

fn listed_json(tensors: &[TensorInfo]) -> Vec<Json> {
    tensors
        .iter()
        .map(|t| json!({ "name": t.name, "dtype": t.dtype_name, "shape": t.shape, "readable": t.dtype.is_some() }))
        .collect()
}

fn listed(file: &Path, tensors: &[TensorInfo]) -> String {
    let mut rows = vec![["name", "dtype", "shape", "can be read"].map(str::to_owned).to_vec()];
    for info in tensors {
        let shape = Value::Tuple(info.shape.iter().map(|&n| Value::from(n)).collect()).to_string();
        let readable = match (info.dtype, info.widened) {
            (Some(_), _) => "yes",
            (None, Some(_)) => "with --widen",
            (None, None) => "no",
        };
        rows.push(vec![tree::plain(&info.name), tree::plain(&info.dtype_name), shape, readable.to_owned()]);
    }
    format!("{}: {}\n{}", tree::path(file), tree::count(tensors.len()), tree::table(&rows, &[]))
}

fn as_text(file: &Path, format: &str, flat: &Flat, stats: bool) -> String {
    let total: u64 =
        flat.tensors.iter().zip(flat.shared()).filter(|(_, s)| s.is_none()).map(|((_, t), _)| tree::bytes(t)).sum();
    let mut out = format!(
        "{}: {format}, {}, {}, {} other values\n",
        tree::path(file),
        tree::count(flat.tensors.len()),
        tree::human(total),
        flat.values.len()
    );
    if !flat.tensors.is_empty() {
        let mut rows = vec![vec!["name".to_owned(), "dtype".to_owned(), "shape".to_owned(), "bytes".to_owned()]];
        if stats {
            rows[0].extend(["min", "max", "mean", "NaNs"].map(str::to_owned));
        }
        rows[0].push("shares memory with".to_owned());
        for ((name, tensor), shared) in flat.tensors.iter().zip(flat.shared()) {
            let mut row = vec![
                tree::plain(name),
                tensor.dtype().name().to_owned(),
                tree::shape(tensor),
                tree::bytes(tensor).to_string(),
            ];
            if stats {
                match Stats::of(tensor) {
                    Some(s) => {
                        row.extend([s.min, s.max, s.mean].map(digits));
                        row.push(s.nans.to_string());
                    }
                    None => row.extend(["?"; 4].map(str::to_owned)),
                }
            }
            row.push(shared.map(tree::plain).unwrap_or_default());
            rows.push(row);
        }
        out += &tree::table(&rows, if stats { &[3, 4, 5, 6, 7] } else { &[3] });
    }
    let values: Vec<_> = flat.values.iter().map(|(name, text)| vec![tree::plain(name), tree::short(text)]).collect();
    if !values.is_empty() {
        out.push('\n');
        out += &tree::table(&values, &[]);
    }
    out
}

fn as_json(file: &Path, format: &str, flat: &Flat, stats: bool) -> Json {
    let tensors: Vec<Json> = flat
        .tensors
        .iter()
        .zip(flat.shared())
        .map(|((name, tensor), shared)| {
            let mut out = json!({
                "name": name,
                "dtype": tensor.dtype().name(),
                "shape": tensor.shape(),
                "bytes": tree::bytes(tensor),
                "shares_memory_with": shared,
            });
            if let Some(s) = Some(tensor).filter(|_| stats).and_then(Stats::of) {
                out["min"] = number(s.min);
                out["max"] = number(s.max);
                out["mean"] = number(s.mean);
                out["nans"] = json!(s.nans);
            }
            out
        })
        .collect();
    let values: Vec<Json> = flat.values.iter().map(|(name, text)| json!({ "name": name, "value": text })).collect();
    json!({ "file": file.to_string_lossy(), "format": format, "tensors": tensors, "values": values })
}
