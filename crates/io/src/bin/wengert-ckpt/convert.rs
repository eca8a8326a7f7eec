//! `convert`: the same data in another format.

use crate::tree::{self, Flat};
use crate::{Arguments, Report};
use serde_json::json;
use wengert_io::tensor::{StateDict, Value};

pub(crate) fn run(arguments: &Arguments) -> Result<Report, String> {
    let [input, output] = &arguments.files[..] else { return Err("convert needs two files".to_owned()) };
    let mut report = Report { well: true, ..Report::default() };
    let result = convert(input, output, arguments);
    let json = match &result {
        Ok((format, tensors)) => {
            report.text = format!("{}: {format}, {tensors} tensors\n", tree::plain(output));
            json!({ "file": output, "format": format, "tensors": tensors })
        }
        Err(message) => {
            report.error(message);
            json!({ "file": output, "error": message })
        }
    };
    if arguments.has("--json") {
        report.text = format!("{json:#}\n");
    }
    Ok(report)
}

/// The format that was written and the number of tensors.
fn convert(input: &str, output: &str, arguments: &Arguments) -> Result<(&'static str, usize), String> {
    let mut value = arguments.load(input).map_err(|e| e.to_string())?;
    if let Some(key) = arguments.option("--key") {
        let found = tree::select(&value, key).cloned();
        value = found.ok_or_else(|| {
            let names: Vec<String> =
                value.as_dict().into_iter().flat_map(|d| d.iter()).map(|(k, _)| k.to_string()).collect();
            format!("{input}: it has no entry {key}; its entries are {}", names.join(", "))
        })?;
    }
    let ending = std::path::Path::new(output).extension().and_then(|e| e.to_str()).unwrap_or_default();
    let only_tensors = matches!(ending, "safetensors" | "npz");
    if only_tensors && value.to_state_dict().is_none() {
        value = tensors_only(&value).map_err(|what| format!("{output}: {what}"))?;
    }
    let tensors = Flat::of(&value).tensors.len();
    wengert_io::save(output, value)
        .and_then(|()| wengert_io::format_of(output))
        .map_or_else(|error| Err(error.to_string()), |format| Ok((format, tensors)))
}

/// A whole model as its state dict, and one tensor as an entry of a dict; all else must be chosen from.
fn tensors_only(value: &Value) -> Result<Value, String> {
    if value.as_object().is_some() {
        return Ok(Flat::of(value).tensors.into_iter().collect::<StateDict>().into());
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
