//! `verify`: is a checkpoint whole.

use crate::tree::{self, Flat};
use crate::{Arguments, Report};
use serde_json::{Value as Json, json};
use wengert_io::tensor::{DType, Tensor};

pub(crate) fn run(arguments: &Arguments) -> Result<Report, String> {
    if arguments.files.is_empty() {
        return Err("verify needs a file".to_owned());
    }
    let (mut text, mut list, mut well) = (String::new(), Vec::new(), true);
    for file in &arguments.files {
        match arguments.load(file) {
            Ok((value, format)) => {
                let flat = Flat::of(&value);
                let strange: Vec<&str> =
                    flat.tensors.iter().filter(|(_, t)| !finite(t)).map(|(n, _)| n.as_str()).collect();
                text += &format!("{}: ok, {format}, {}\n", tree::path(file), tree::count(flat.tensors.len()));
                for name in &strange {
                    text += &format!("  note: {} has infinite values or NaNs\n", tree::plain(name));
                }
                list.push(
                    json!({ "file": file.to_string_lossy(), "ok": true, "format": format, "not_finite": strange }),
                );
            }
            Err(error) => {
                well = false;
                // The error names the file itself.
                text += &format!("bad: {}\n", tree::plain(&error.to_string()));
                list.push(json!({ "file": file.to_string_lossy(), "ok": false, "error": error.to_string() }));
            }
        }
    }
    if arguments.has("--json") {
        text = format!("{:#}\n", Json::Array(list));
    }
    Ok(Report { text, well, ..Report::default() })
}

fn finite(tensor: &Tensor) -> bool {
    if !tensor.dtype().is_float() {
        return true;
    }
    // What is too much repeats itself; then its memory is looked at.
    let elements = tree::distinct(tensor).unwrap_or_else(|| {
        let storage = tensor.storage();
        Tensor::from_parts(storage.clone(), &[storage.len()], &[1], 0).expect("all of a storage")
    });
    elements.to(DType::F64).to_vec::<f64>().iter().all(|x| x.is_finite())
}
