//! The formats, one row each, and which of them a file is.

use crate::source::Source;
use crate::{Error, npy, npz, safetensors, torch};
use std::io::Write;
use wengert_tensor::Value;

type Load = fn(&dyn Source) -> Result<Value, Error>;
type Save = fn(&Value, &mut dyn Write, &str) -> Result<(), Error>;

/// One format.
struct Format {
    /// File endings that choose it for saving, and for loading what no content identifies.
    extensions: &'static [&'static str],
    /// Whether the first bytes of a file, and its length, are this format's.
    detect: fn(&[u8], u64) -> bool,
    load: Load,
    /// `None` if it is only read.
    save: Option<Save>,
}

/// All formats. The first is what files are saved in if no ending says otherwise.
const FORMATS: &[Format] = &[
    Format {
        extensions: &["pt", "pth"],
        detect: torch::detect,
        load: torch::load_zip,
        save: Some(torch::write::write),
    },
    Format {
        extensions: &[],
        detect: |head, _| torch::legacy::after_magic(head).is_some(),
        load: torch::legacy::load,
        save: None,
    },
    Format {
        extensions: &["safetensors"],
        detect: safetensors::detect,
        load: safetensors::load,
        save: Some(safetensors::save),
    },
    Format { extensions: &["npz"], detect: npz::detect, load: npz::load, save: Some(npz::save) },
    Format {
        extensions: &["npy"],
        detect: |head, _| head.starts_with(npy::MAGIC),
        load: npy::load,
        save: Some(npy::save),
    },
];

/// Loads a file in whatever format its content is.
pub(crate) fn load(source: &dyn Source, extension: Option<&str>) -> Result<Value, Error> {
    let mut head = [0u8; 512];
    let len = source.len().min(512) as usize;
    source.read_at(0, &mut head[..len])?;
    let head = &head[..len];
    if let Some(format) = FORMATS.iter().find(|f| (f.detect)(head, source.len())) {
        return (format.load)(source);
    }
    let by_name = FORMATS.iter().find(|f| extension.is_some_and(|e| f.extensions.contains(&e)));
    match by_name {
        // The ending says what it should be, so its own reader says best what is wrong.
        Some(format) if extension == Some("safetensors") => (format.load)(source),
        _ if head.is_empty() => Err(Error::UnknownFormat("the file is empty")),
        _ if head.get(257..262) == Some(b"ustar") => Err(Error::Unsupported {
            what: "a tar checkpoint (PyTorch before 0.2)".to_owned(),
            advice: "load it with an old PyTorch and save it again",
        }),
        _ => Err(Error::UnknownFormat("the content is neither a PyTorch file nor safetensors nor NumPy's")),
    }
}

/// The writer for a file ending; PyTorch's format where none is named.
pub(crate) fn writer(extension: Option<&str>) -> Save {
    let named = FORMATS.iter().find(|f| extension.is_some_and(|e| f.extensions.contains(&e))).and_then(|f| f.save);
    named.unwrap_or(torch::write::write)
}
