//! Reads and writes PyTorch checkpoints and safetensors: safely, atomically, with nothing but tensors around it.
//!
//! A pickle is read by an allow-list and never executed. Nothing that a file says sizes an allocation before it is
//! checked against the file. Loading is all or nothing; saving replaces a file whole or leaves it as it was.
//!
//! # Examples
//! ```
//! use wengert_io::tensor::{StateDict, Tensor, Value};
//! let mut state = StateDict::new();
//! state.insert("weight", Tensor::from_vec(vec![1.0f32, 2.0], [2]));
//! let checkpoint = Value::dict([("model", Value::from(state)), ("epoch", Value::from(3))]);
//! // What torch.save writes, and torch.load(weights_only=True) reads.
//! let bytes = wengert_io::to_bytes(&checkpoint)?;
//! let loaded = wengert_io::from_bytes(&bytes)?;
//! assert_eq!(loaded.get("epoch").and_then(Value::as_int), Some(3));
//! assert_eq!(loaded.get("model").and_then(Value::to_state_dict).unwrap()["weight"].to_vec::<f32>(), [1.0, 2.0]);
//! # Ok::<(), wengert_io::Error>(())
//! ```
#![deny(unsafe_code)]

mod atomic;
mod checkpoint;
mod elements;
mod error;
mod format;
#[allow(unsafe_code)]
mod mapped;
mod native;
mod npy;
mod npz;
mod safetensors;
mod source;
mod torch;
mod training;

pub use checkpoint::{Checkpoint, LoadOptions, TensorInfo};
pub use error::Error;
pub use format::Format;
pub use mapped::load_mapped;
pub use training::{SamplerState, TrainingState};
pub use wengert_tensor as tensor;

use crate::source::Source;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use wengert_tensor::{StateDict, Value};

/// What to read that is refused otherwise, and as what. By default nothing.
///
/// # Examples
/// ```
/// use wengert_io::{ReadOptions, from_bytes_with};
/// // numpy.save of numpy.array([1, 4294967295], dtype='uint32')
/// let mut file = b"\x93NUMPY\x01\0\x76\0{'descr': '<u4', 'fortran_order': False, 'shape': (2,), }".to_vec();
/// file.resize(127, b' ');
/// file.extend(b"\n\x01\0\0\0\xff\xff\xff\xff");
/// let error = from_bytes_with(&file, ReadOptions::default()).unwrap_err();
/// assert!(error.to_string().contains("the option `widen` reads it as int64"));
/// let value = from_bytes_with(&file, ReadOptions { widen: true, ..Default::default() })?;
/// assert_eq!(value.as_tensor().unwrap().to_vec::<i64>(), [1, 4294967295]);
/// # Ok::<(), wengert_io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadOptions {
    /// Keeps instances of classes that are no data, and functions, as [`Value::Object`](tensor::Object); see
    /// [`load_module_tree`].
    pub objects: bool,
    /// Reads tensors of dtypes that tensors here do not have as tensors that hold the same numbers: `uint16` as `int32`,
    /// `uint32` and `uint64` as `int64` (a number above its range is an error), every `float8` as `float32`, and complex
    /// numbers as their real and imaginary parts along a last axis of 2, as `torch.view_as_real` gives. Other dtypes
    /// (quantized, packed bits) stay errors.
    pub widen: bool,
}

/// Loads a checkpoint; its format (torch zip, torch before 1.6, safetensors, npy, npz, native) is found from the content.
///
/// Tensors that share memory in the file share it here. Devices in the file are ignored: everything is on the CPU.
///
/// # Errors
/// If the file cannot be read, is damaged, or holds something that is no data, with the place and what to do.
pub fn load(path: impl AsRef<Path>) -> Result<Value, Error> {
    load_with(path, ReadOptions::default())
}

/// Loads a checkpoint with some of what [`load`] refuses.
///
/// # Errors
/// As [`load`], but for what the options allow.
pub fn load_with(path: impl AsRef<Path>, options: ReadOptions) -> Result<Value, Error> {
    let path = path.as_ref();
    if checkpoint::is_index(path) {
        let options = LoadOptions { widen: options.widen, ..LoadOptions::default() };
        return Ok(Checkpoint::open(path)?.load(&options)?.into());
    }
    let file = source::FileSource::open(path).map_err(|e| Error::io(path, e))?;
    let extension = path.extension().and_then(|e| e.to_str());
    // Many small reads cost more than one of everything.
    let value = if file.len() <= source::SMALL {
        let bytes = file.read_all().map_err(|e| Error::io(path, e))?;
        format::load(&source::Bytes(&bytes), extension, options)
    } else {
        format::load(&file, extension, options)
    };
    value.map_err(|e| e.in_file(path))
}

/// Loads a checkpoint from memory; see [`load`].
///
/// # Errors
/// As [`load`].
pub fn from_bytes(bytes: &[u8]) -> Result<Value, Error> {
    from_bytes_with(bytes, ReadOptions::default())
}

/// Loads a checkpoint from memory with some of what [`from_bytes`] refuses.
///
/// # Errors
/// As [`load_with`].
pub fn from_bytes_with(bytes: &[u8], options: ReadOptions) -> Result<Value, Error> {
    format::load(&source::Bytes(bytes), None, options)
}

/// Loads a checkpoint in which classes may occur that are no data: what `torch.save(net)` writes.
///
/// They become [`Value::Object`](tensor::Object): their names, arguments and attributes can be read, and no code of
/// theirs is known here or run. `wengert-nn` makes modules of those of `torch.nn`.
///
/// # Errors
/// As [`load`].
pub fn load_module_tree(path: impl AsRef<Path>) -> Result<Value, Error> {
    load_with(path, ReadOptions { objects: true, ..ReadOptions::default() })
}

/// What a file's format is called, by its content: `PyTorch`, `PyTorch before 1.6`, `safetensors`, `npz`, `npy`,
/// `native` or `unknown`; by its name, `index` for one that names the files of a state dict.
///
/// # Errors
/// If the file cannot be read.
pub fn format_of(path: impl AsRef<Path>) -> Result<&'static str, Error> {
    let path = path.as_ref();
    let file = source::FileSource::open(path).map_err(|e| Error::io(path, e))?;
    if checkpoint::is_index(path) {
        return Ok("index");
    }
    format::name(&file).map_err(|e| e.in_file(path))
}

/// The same of bytes in memory.
pub fn format_of_bytes(bytes: &[u8]) -> &'static str {
    // Memory can always be read.
    format::name(&source::Bytes(bytes)).unwrap_or("unknown")
}

/// Loads a file whose whole content is a state dict.
///
/// # Errors
/// As [`load`], and if the content is something else, which the error describes.
pub fn load_state_dict(path: impl AsRef<Path>) -> Result<StateDict, Error> {
    let path = path.as_ref();
    let value = load(path)?;
    value.to_state_dict().ok_or_else(|| Error::not_a_state_dict(&value).in_file(path))
}

/// Saves data: as safetensors, npz, npy or natively (`.wgt`) if the path ends so, else as `torch.save` does. Replaces the
/// file whole or not at all.
///
/// # Errors
/// If the data cannot be held by the format or the file cannot be written; an existing file is then as it was.
pub fn save(path: impl AsRef<Path>, value: impl Into<Value>) -> Result<(), Error> {
    let path = path.as_ref();
    let value = value.into();
    let extension = path.extension().and_then(|e| e.to_str());
    let write = format::writer(extension);
    atomic::replace(path, |file| write(&value, file, &torch::archive_name(path))).map_err(|e| e.in_file(path))
}

/// Saves data in a format, whatever the path ends in. Replaces the file whole or not at all.
///
/// # Errors
/// As [`save`].
pub fn save_as(path: impl AsRef<Path>, value: impl Into<Value>, format: Format) -> Result<(), Error> {
    let (path, value) = (path.as_ref(), value.into());
    let write = format::writer_of(format);
    atomic::replace(path, |file| write(&value, file, &torch::archive_name(path))).map_err(|e| e.in_file(path))
}

/// Writes data in a format to any stream.
///
/// # Errors
/// If the format cannot hold the data or the stream fails.
///
/// # Examples
/// ```
/// use wengert_io::{Format, tensor::{StateDict, Tensor, Value}};
/// let state: StateDict = [("weight", Tensor::from_vec(vec![1.0f32, 2.0], [2]))].into_iter().collect();
/// let mut stream = Vec::new();
/// wengert_io::write_as(&Value::from(&state), Format::Safetensors, &mut stream)?;
/// let loaded = wengert_io::from_bytes(&stream)?.to_state_dict().unwrap();
/// assert_eq!(loaded["weight"].to_vec::<f32>(), [1.0, 2.0]);
/// # Ok::<(), wengert_io::Error>(())
/// ```
pub fn write_as(value: &Value, format: Format, mut stream: impl Write) -> Result<(), Error> {
    format::writer_of(format)(value, &mut stream, "archive")
}

/// The bytes of data in a format.
///
/// # Errors
/// If the format cannot hold the data.
pub fn to_bytes_as(value: &Value, format: Format) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    write_as(value, format, &mut bytes)?;
    Ok(bytes)
}

/// The bytes that [`save`] would write for a `.pt` file.
///
/// # Errors
/// If the format cannot hold the data.
pub fn to_bytes(value: &Value) -> Result<Vec<u8>, Error> {
    to_bytes_as(value, Format::Torch)
}

/// Writes data as `torch.save` does to any stream.
///
/// # Errors
/// If the format cannot hold the data or the stream fails.
pub fn write_to(value: &Value, stream: impl Write) -> Result<(), Error> {
    write_as(value, Format::Torch, stream)
}

/// Saves data natively, whatever the path ends in. Replaces the file whole or not at all.
///
/// # Errors
/// If the file cannot be written; an existing file is then as it was.
pub fn save_native(path: impl AsRef<Path>, value: &Value) -> Result<(), Error> {
    save_as(path, value, Format::Native)
}

/// The bytes that [`save_native`] would write.
///
/// # Errors
/// If the data is nested too deeply.
pub fn to_native_bytes(value: &Value) -> Result<Vec<u8>, Error> {
    to_bytes_as(value, Format::Native)
}

/// Saves a state dict as safetensors with text metadata. Replaces the file whole or not at all.
///
/// # Errors
/// If the file cannot be written; an existing file is then as it was.
pub fn save_safetensors(
    path: impl AsRef<Path>,
    state: &StateDict,
    metadata: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let path = path.as_ref();
    atomic::replace(path, |file| safetensors::write(state, metadata, file)).map_err(|e| e.in_file(path))
}

/// Reads the text metadata of a safetensors file, and no tensor.
///
/// # Errors
/// If the file cannot be read or breaks the format's rules.
pub fn safetensors_metadata(path: impl AsRef<Path>) -> Result<BTreeMap<String, String>, Error> {
    let path = path.as_ref();
    let file = source::FileSource::open(path).map_err(|e| Error::io(path, e))?;
    Ok(safetensors::Header::read(&file).map_err(|e| e.in_file(path))?.metadata)
}

/// Loads a safetensors file with its text metadata.
///
/// # Errors
/// If the file cannot be read or breaks the format's rules.
pub fn load_safetensors(path: impl AsRef<Path>) -> Result<(StateDict, BTreeMap<String, String>), Error> {
    let path = path.as_ref();
    let file = source::FileSource::open(path).map_err(|e| Error::io(path, e))?;
    safetensors::read(&file, false).map_err(|e| e.in_file(path))
}
