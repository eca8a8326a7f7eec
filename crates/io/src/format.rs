//! The formats, one row each, and which of them a file is.

use crate::source::Source;
use crate::{Error, ReadOptions, native, npy, npz, safetensors, torch};
use std::io::Write;
use wengert_tensor::Value;

type Load = fn(&dyn Source, ReadOptions) -> Result<Value, Error>;
type Save = fn(&Value, &mut dyn Write, &str) -> Result<(), Error>;

/// A format that data can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// What `torch.save` writes: any data.
    Torch,
    /// Named tensors, as the package safetensors writes them.
    Safetensors,
    /// Named tensors, as `numpy.savez` writes them.
    Npz,
    /// One tensor, as `numpy.save` writes it.
    Npy,
    /// This crate's own: any data, with checksums.
    Native,
}

/// What is known of a format.
struct Row {
    /// Its name for writing; `None` if it is only read.
    format: Option<Format>,
    /// What people call it.
    name: &'static str,
    /// File endings that choose it for saving, and for loading what no content identifies.
    extensions: &'static [&'static str],
    /// Whether the first bytes of a file, and its length, are this format's.
    detect: fn(&[u8], u64) -> bool,
    load: Load,
    /// `None` if it is only read.
    save: Option<Save>,
}

/// All formats. The first is what files are saved in if no ending says otherwise.
const FORMATS: &[Row] = &[
    Row {
        format: Some(Format::Torch),
        name: "PyTorch",
        extensions: &["pt", "pth"],
        detect: torch::detect,
        load: torch::load_zip,
        save: Some(torch::write::write),
    },
    Row {
        format: None,
        name: "PyTorch before 1.6",
        extensions: &[],
        detect: |head, _| torch::legacy::after_magic(head).is_some(),
        load: torch::load_stream,
        save: None,
    },
    Row {
        format: Some(Format::Safetensors),
        name: "safetensors",
        extensions: &["safetensors"],
        detect: safetensors::detect,
        load: |source, options| safetensors::load(source, options.widen),
        save: Some(safetensors::save),
    },
    Row {
        format: Some(Format::Npz),
        name: "npz",
        extensions: &["npz"],
        detect: npz::detect,
        load: |source, options| npz::load(source, options.widen),
        save: Some(npz::save),
    },
    Row {
        format: Some(Format::Npy),
        name: "npy",
        extensions: &["npy"],
        detect: |head, _| head.starts_with(npy::MAGIC),
        load: |source, options| npy::load(source, options.widen),
        save: Some(npy::save),
    },
    Row {
        format: Some(Format::Native),
        name: "native",
        extensions: &["wgt"],
        detect: |head, _| head.starts_with(native::MAGIC),
        load: |source, _| native::load(source),
        save: Some(native::save),
    },
];

/// What other files, which people take for checkpoints, have at a position: what they are, and what to do.
const FOREIGN: &[(usize, &[u8], &str, &str)] = &[
    (257, b"ustar", "a tar checkpoint (PyTorch before 0.2)", "load it with an old PyTorch and save it again"),
    (0, b"L119547037146038801333356L\n.", "pickle protocol 0 or 1", "save it with torch.save's default protocol"),
    (0, b"\x80\x02", PICKLE, UNPICKLE),
    (0, b"\x80\x03", PICKLE, UNPICKLE),
    (0, b"\x80\x04", PICKLE, UNPICKLE),
    (0, b"\x80\x05", PICKLE, UNPICKLE),
    (0, b"\x1f\x8b", "a file compressed by gzip", "unpack it with gunzip"),
    (0, b"\xfd7zXZ\0", "a file compressed by xz", "unpack it with unxz"),
    (0, b"BZh", "a file compressed by bzip2", "unpack it with bunzip2"),
    (0, b"\x28\xb5\x2f\xfd", "a file compressed by zstd", "unpack it with unzstd"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes", "save the weights with torch.save or as safetensors"),
    (0, b"GGUF", "a GGUF file, as llama.cpp reads", "take the safetensors that it was made from"),
    (0, b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "fetch it with git lfs pull"),
    (0, b"<!DOCTYPE", WEB_PAGE, DOWNLOAD),
    (0, b"<!doctype", WEB_PAGE, DOWNLOAD),
    (0, b"<html", WEB_PAGE, DOWNLOAD),
];
const PICKLE: &str = "a pickle that torch.save did not write";
const UNPICKLE: &str = "load it in Python with pickle and save it with torch.save";
const WEB_PAGE: &str = "a web page (HTML), perhaps an error message,";
const DOWNLOAD: &str = "download the file again";

/// The format that a file's content has, if it is one of these.
fn find(source: &dyn Source) -> Result<(Option<&'static Row>, Vec<u8>), Error> {
    let head = source.read_vec(0, source.len().min(512) as usize)?;
    Ok((FORMATS.iter().find(|f| (f.detect)(&head, source.len())), head))
}

/// Loads a file in whatever format its content is.
pub(crate) fn load(source: &dyn Source, extension: Option<&str>, options: ReadOptions) -> Result<Value, Error> {
    let (found, head) = find(source)?;
    let by_name = named(extension);
    let is = |row: &Row, format| row.format == Some(format);
    // An archive whose first record says little is what its ending says.
    let npz = by_name.filter(|row| is(row, Format::Npz) && found.is_some_and(|found| is(found, Format::Torch)));
    if let Some(format) = npz.or(found) {
        return (format.load)(source, options);
    }
    match by_name {
        // The ending says what it should be, so its own reader says best what is wrong.
        Some(format) if is(format, Format::Safetensors) => (format.load)(source, options),
        _ if head.is_empty() => Err(Error::UnknownFormat("the file is empty")),
        _ => match FOREIGN.iter().find(|(at, magic, ..)| head.get(*at..).is_some_and(|h| h.starts_with(magic))) {
            Some((_, _, what, advice)) => Err(Error::Unsupported { what: (*what).to_owned(), advice }),
            None => {
                Err(Error::UnknownFormat("the content is neither PyTorch's nor safetensors nor NumPy's nor native"))
            }
        },
    }
}

/// The name of a file's format.
pub(crate) fn name(source: &dyn Source) -> Result<&'static str, Error> {
    Ok(find(source)?.0.map_or("unknown", |format| format.name))
}

/// The format that a file ending names, in letters of any case.
fn named(extension: Option<&str>) -> Option<&'static Row> {
    FORMATS.iter().find(|f| extension.is_some_and(|e| f.extensions.iter().any(|own| own.eq_ignore_ascii_case(e))))
}

/// The writer for a file ending; PyTorch's format where none is named.
pub(crate) fn writer(extension: Option<&str>) -> Save {
    named(extension).and_then(|f| f.save).unwrap_or(torch::write::write)
}

/// The writer of a format.
pub(crate) fn writer_of(format: Format) -> Save {
    let row = FORMATS.iter().find(|row| row.format == Some(format)).and_then(|row| row.save);
    row.expect("every format that has a name for writing has a writer")
}
