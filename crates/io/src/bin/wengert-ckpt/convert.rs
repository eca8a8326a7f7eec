//! `convert`: the same data in another format.

use crate::tree::{self, Flat};
use crate::{Arguments, Report};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use wengert_io::Error;
use wengert_io::tensor::{StateDict, Value};

pub(crate) fn run(arguments: &Arguments) -> Result<Report, String> {
    let [input, output] = &arguments.files[..] else { return Err("convert needs two files".to_owned()) };
    let mut report = Report { well: true, ..Report::default() };
    let result = convert(input, output, arguments);
    let json = match &result {
        Ok((format, tensors)) => {
            report.text = format!("{}: {format}, {}\n", tree::path(output), tree::count(*tensors));
            json!({ "file": output.to_string_lossy(), "format": format, "tensors": tensors })
        }
        Err(message) => {
            report.error(message);
            json!({ "file": output.to_string_lossy(), "error": message })
        }
    };
    if arguments.has("--json") {
        report.text = format!("{json:#}\n");
    }
    Ok(report)
}

/// The format that was written and the number of tensors.
fn convert(input: &Path, output: &Path, arguments: &Arguments) -> Result<(&'static str, usize), String> {
    if output == Path::new("-") {
        return Err(
            "the ending of a file's name says what to write: name one, or ./- for a file of that name".to_owned()
        );
    }
    let (mut value, format) = arguments.load(input).map_err(|e| e.to_string())?;
    if let Some(key) = arguments.option("--key") {
        let found = tree::select(&value, key).cloned();
        value = found.ok_or_else(|| {
            let names: Vec<String> =
                value.as_dict().into_iter().flat_map(|d| d.iter()).map(|(k, _)| k.to_string()).collect();
            format!("{}: it has no entry {key}; its entries are {}", input.display(), names.join(", "))
        })?;
    }
    let ending = output.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let only_tensors = matches!(ending.as_str(), "safetensors" | "npz");
    if only_tensors && value.to_state_dict().is_none() {
        value = tensors_only(&value).map_err(|what| format!("{}: {what}", output.display()))?;
    }
    let tensors = Flat::of(&value).tensors.len();
    let metadata = match (ending.as_str(), value.to_state_dict()) {
        ("safetensors", Some(state)) => Some((state, metadata(input, format).map_err(|e| e.to_string())?)),
        _ => None,
    };
    match metadata {
        Some((state, metadata)) => wengert_io::save_safetensors(output, &state, &metadata),
        None => wengert_io::save(output, value),
    }
    .and_then(|()| wengert_io::format_of(output))
    .map_or_else(|error| Err(error.to_string()), |format| Ok((format, tensors)))
}

/// The text that a safetensors file has besides its tensors.
pub(crate) fn metadata(file: &Path, format: &str) -> Result<BTreeMap<String, String>, Error> {
    match format {
        "safetensors" if file != Path::new("-") => wengert_io::safetensors_metadata(file),
        _ => Ok(BTreeMap::new()),
    }
}

/// A whole model as its state dict, and one tensor as an entry of a dict; all else must be chosen from.
fn tensors_only(value: &Value) -> Result<Value, String> {
    if value.as_object().is_some() {
        let tensors = Flat::of(value).tensors;
        return match tensors.is_empty() {
            true => Err("the format holds only named tensors, and the entry is an object without any".to_owned()),
            false => Ok(tensors.into_iter().collect::<StateDict>().into()),
        };
    }
    if let Some(tensor) = value.as_tensor() {
        return Ok([("tensor", tensor.clone())].into_iter().collect::<StateDict>().into());
    }
    let states: Vec<String> = value
        .as_dict()
        .into_iter()
        .flat_map(|dict| dict.iter())
        .filter(|(_, entry)| {
            entry.to_state_dict().is_some_and(|state| !state.is_empty()) || entry.as_object().is_some()
        })
        .filter_map(|(key, _)| key.as_str().map(|key| format!("--key {key}")))
        .collect();
    let advice = if states.is_empty() { "write .pt or .wgt".to_owned() } else { states.join(" or ") };
    Err(format!("the format holds only named tensors, and the file has other data: {advice}"))
}
