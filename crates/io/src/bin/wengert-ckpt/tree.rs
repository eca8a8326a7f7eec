//! A checkpoint as two lists: its tensors and its other values, under dotted names.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use wengert_io::tensor::{Dict, Tensor, Value};

/// A checkpoint, flat.
#[derive(Default)]
pub(crate) struct Flat {
    pub(crate) tensors: Vec<(String, Tensor)>,
    pub(crate) values: Vec<(String, String)>,
}

impl Flat {
    pub(crate) fn of(value: &Value) -> Flat {
        let mut flat = Flat::default();
        flat.add("", value);
        flat
    }

    fn add(&mut self, path: &str, value: &Value) {
        match value {
            Value::Dict(dict) if !dict.is_empty() => self.entries(path, dict),
            Value::List(items) | Value::Tuple(items) if items.iter().any(holds_more) => {
                items.iter().enumerate().for_each(|(i, item)| self.add(&join(path, &i.to_string()), item));
            }
            // A module: its parts under the names of its state dict, without what every module has.
            Value::Object(object) if object.attributes.get("_modules").is_some() => {
                self.values.push((join(path, "class"), object.class.clone()));
                for (key, value) in object.attributes.iter() {
                    match (key.as_str().unwrap_or_default(), value) {
                        ("_parameters" | "_buffers" | "_modules", Value::Dict(parts)) => self.entries(path, parts),
                        ("training", _) => self.add(&join(path, "training"), value),
                        (name, _) if name.starts_with('_') => {}
                        (name, _) => self.add(&join(path, name), value),
                    }
                }
            }
            Value::Object(object) if !object.attributes.is_empty() => {
                self.values.push((join(path, "class"), object.class.clone()));
                self.entries(path, &object.attributes);
            }
            _ => match value.as_tensor() {
                Some(tensor) => self.tensors.push((path.to_owned(), tensor.clone())),
                None => self.values.push((path.to_owned(), value.to_string())),
            },
        }
    }

    fn entries(&mut self, path: &str, dict: &Dict) {
        for (i, (key, value)) in dict.iter().enumerate() {
            let name = match key {
                Value::Str(key) => key.clone(),
                // Its text is long, and that of two may be one.
                Value::Tensor(_) | Value::Grad { .. } | Value::Object(_) => format!("<key {i}>"),
                _ => key.to_string(),
            };
            self.add(&join(path, &name), value);
        }
    }

    /// For each tensor, the first one before it that uses the same memory.
    pub(crate) fn shared(&self) -> Vec<Option<&str>> {
        let mut first: HashMap<usize, &str> = HashMap::new();
        let address = |tensor: &Tensor| Arc::as_ptr(tensor.storage()).addr();
        let mut out = Vec::with_capacity(self.tensors.len());
        for (name, tensor) in &self.tensors {
            out.push(first.get(&address(tensor)).copied());
            first.entry(address(tensor)).or_insert(name);
        }
        out
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Whether a list is worth taking apart: one of numbers and texts is not.
fn holds_more(value: &Value) -> bool {
    value.as_tensor().is_some() || matches!(value, Value::Dict(_) | Value::Object(_)) || {
        value.as_slice().is_some_and(|items| items.iter().any(holds_more))
    }
}

/// The value under a dotted name: keys of dicts, which may contain dots themselves, and positions in lists.
pub(crate) fn select<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return Some(value);
    }
    if let Some(items) = value.as_slice() {
        let (index, rest) = path.split_once('.').unwrap_or((path, ""));
        return select(items.get(index.parse::<usize>().ok()?)?, rest);
    }
    value.as_dict()?.iter().find_map(|(key, entry)| {
        let name = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
        let rest = path.strip_prefix(name.as_str())?;
        if rest.is_empty() { Some(entry) } else { select(entry, rest.strip_prefix('.')?) }
    })
}

/// A text for a terminal: control characters of hostile names are shown, not obeyed, and so are those that reorder what is
/// printed, or have no width.
pub(crate) fn plain(text: &str) -> String {
    let shown = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().flat_map(|c| if shown(c) { c.escape_default().collect() } else { vec![c] }).collect()
}

/// A path for a terminal.
pub(crate) fn path(path: &Path) -> String {
    plain(&path.to_string_lossy())
}

/// How many tensors there are, in words.
pub(crate) fn count(tensors: usize) -> String {
    if tensors == 1 { "1 tensor".to_owned() } else { format!("{tensors} tensors") }
}

/// Elements that a tensor may have for each of its memory before it only repeats itself.
const REPEATS: usize = 8;

/// The tensor without the repetitions along axes that an expansion made: all its numbers. `None` if what is left is still
/// far more than its memory.
pub(crate) fn distinct(tensor: &Tensor) -> Option<Tensor> {
    Some(distinct_both(tensor, tensor)?.0)
}

/// Two tensors of one shape without the axes along which both repeat themselves.
pub(crate) fn distinct_both(a: &Tensor, b: &Tensor) -> Option<(Tensor, Tensor)> {
    let (mut a, mut b) = (a.clone(), b.clone());
    for axis in 0..a.rank() {
        if a.shape()[axis] > 1 && a.strides()[axis] == 0 && b.strides()[axis] == 0 {
            [a, b] = [a, b].map(|t| t.narrow(axis as isize, 0, 1));
        }
    }
    let memory = a.storage().len().max(b.storage().len());
    (a.numel() <= memory.saturating_mul(REPEATS)).then_some((a, b))
}

/// A text in one line of a table.
pub(crate) fn short(text: &str) -> String {
    let line = plain(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    if line.chars().count() <= 80 { line } else { line.chars().take(79).collect::<String>() + "…" }
}

/// `(2, 3)`, as Python writes shapes.
pub(crate) fn shape(tensor: &Tensor) -> String {
    Value::Tuple(tensor.shape().iter().map(|&n| Value::from(n)).collect()).to_string()
}

/// Bytes that the elements take.
pub(crate) fn bytes(tensor: &Tensor) -> u64 {
    tensor.numel() as u64 * tensor.dtype().size() as u64
}

/// A size that people can read.
pub(crate) fn human(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut size, mut unit) = (bytes as f64, 0);
    while size >= 1024.0 && unit + 1 < units.len() {
        (size, unit) = (size / 1024.0, unit + 1);
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{size:.1} {}", units[unit]) }
}

/// The widest that a column becomes; what is wider pushes the rest of its line aside.
const MAX_WIDTH: usize = 80;

/// Columns side by side; those in `right` end at the same place.
pub(crate) fn table(rows: &[Vec<String>], right: &[usize]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    // A single long name must not make every line as long.
    let short = |cell: &String| Some(cell.chars().count()).filter(|&width| width <= MAX_WIDTH);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).filter_map(short).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(c, cell)| {
                let pad = " ".repeat(widths[c].saturating_sub(cell.chars().count()));
                if right.contains(&c) { pad + cell } else { cell.clone() + &pad }
            })
            .collect();
        out += cells.join("  ").trim_end();
        out.push('\n');
    }
    out
}
