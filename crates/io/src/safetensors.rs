//! The safetensors format, through its reference crate, with the checks that it leaves out.

use crate::Error;
use crate::source::Source;
use ::safetensors::tensor::{Dtype, TensorView};
use ::safetensors::{SafeTensorError, SafeTensors, serialize};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write;
use wengert_tensor::{DType, StateDict, Tensor, Value};

/// The largest header that the format allows.
const MAX_HEADER: u64 = 100_000_000;

/// Whether a file begins like safetensors: a plausible header length, then a JSON object.
pub(crate) fn detect(head: &[u8], len: u64) -> bool {
    let Some((length, rest)) = head.split_first_chunk::<8>() else { return false };
    let header = u64::from_le_bytes(*length);
    let brace = rest.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    brace && header <= MAX_HEADER && header.checked_add(8).is_some_and(|end| end <= len)
}

const DTYPES: &[(Dtype, DType)] = &[
    (Dtype::F64, DType::F64),
    (Dtype::F32, DType::F32),
    (Dtype::F16, DType::F16),
    (Dtype::BF16, DType::BF16),
    (Dtype::I64, DType::I64),
    (Dtype::I32, DType::I32),
    (Dtype::I16, DType::I16),
    (Dtype::I8, DType::I8),
    (Dtype::U8, DType::U8),
    (Dtype::BOOL, DType::Bool),
];

fn corrupt(error: SafeTensorError) -> Error {
    Error::corrupt("safetensors", error.to_string())
}

/// A state dict in the order of the data, and the text metadata.
pub(crate) fn read(source: &dyn Source) -> Result<(StateDict, BTreeMap<String, String>), Error> {
    if source.len() < 8 {
        return Err(Error::corrupt("safetensors", format!("{} bytes are too few", source.len())));
    }
    let mut length = [0; 8];
    source.read_at(0, &mut length)?;
    let header = u64::from_le_bytes(length);
    if header > MAX_HEADER || header.checked_add(8).is_none_or(|end| end > source.len()) {
        let what = format!("a header of {header} bytes does not fit a file of {}", source.len());
        return Err(Error::corrupt("safetensors", what));
    }
    let len = usize::try_from(source.len()).map_err(|_| Error::corrupt("safetensors", "larger than memory"))?;
    let bytes = source.read_vec(0, len)?;
    check_names(&bytes[8..8 + header as usize])?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(corrupt)?;
    let file = SafeTensors::deserialize(&bytes).map_err(corrupt)?;
    let mut state = StateDict::new();
    for name in metadata.offset_keys() {
        let view = file.tensor(&name).map_err(corrupt)?;
        let Some((_, dtype)) = DTYPES.iter().find(|(theirs, _)| *theirs == view.dtype()) else {
            return Err(Error::Unsupported {
                what: format!("dtype {:?} of tensor '{name}'", view.dtype()),
                advice: "convert it to one of f64 f32 f16 bf16 i64 i32 i16 i8 u8 bool",
            });
        };
        let tensor = from_little_endian(*dtype, view.shape(), view.data())
            .map_err(|e| Error::corrupt(format!("tensor '{name}'"), e.to_string()))?;
        state.insert(name, tensor);
    }
    let text = metadata.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    Ok((state, text))
}

fn from_little_endian(dtype: DType, shape: &[usize], bytes: &[u8]) -> Result<Tensor, wengert_tensor::Error> {
    if cfg!(target_endian = "little") {
        return Tensor::from_bytes(dtype, shape, bytes);
    }
    let mut native = bytes.to_vec();
    native.chunks_exact_mut(dtype.size()).for_each(<[u8]>::reverse);
    Tensor::from_bytes(dtype, shape, &native)
}

/// Refuses a header in which a name occurs twice: the reference keeps the last, and which is meant nobody knows.
fn check_names(header: &[u8]) -> Result<(), Error> {
    struct Names;
    impl<'de> Visitor<'de> for Names {
        type Value = Option<String>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object of tensors")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<String>, A::Error> {
            let mut seen = HashSet::new();
            let mut twice = None;
            while let Some((name, _)) = map.next_entry::<String, IgnoredAny>()? {
                if !seen.insert(name.clone()) {
                    twice = Some(name);
                }
            }
            Ok(twice)
        }
    }
    let mut json = serde_json::Deserializer::from_slice(header);
    let twice = json.deserialize_map(Names).and_then(|twice| json.end().map(|()| twice));
    match twice {
        Ok(None) => Ok(()),
        Ok(Some(name)) => Err(Error::corrupt("safetensors header", format!("the name '{name}' occurs twice"))),
        Err(error) => Err(Error::corrupt("safetensors header", error.to_string())),
    }
}

/// The tensors as an ordered dict.
pub(crate) fn load(source: &dyn Source) -> Result<Value, Error> {
    Ok(read(source)?.0.into())
}

/// Writes tensors as the reference does: by descending alignment, then by name.
pub(crate) fn write(state: &StateDict, metadata: &BTreeMap<String, String>, out: &mut dyn Write) -> Result<(), Error> {
    let mut parts = Vec::with_capacity(state.len());
    for (name, tensor) in state.iter() {
        let (theirs, _) = DTYPES.iter().find(|(_, ours)| *ours == tensor.dtype()).expect("the table has all dtypes");
        let mut bytes = tensor.to_bytes();
        if cfg!(target_endian = "big") {
            bytes.chunks_exact_mut(tensor.dtype().size()).for_each(<[u8]>::reverse);
        }
        parts.push((name, *theirs, tensor.shape().to_vec(), bytes));
    }
    let mut views = Vec::with_capacity(parts.len());
    for (name, dtype, shape, bytes) in &parts {
        views.push((*name, TensorView::new(*dtype, shape.clone(), bytes).map_err(corrupt)?));
    }
    let text: Option<HashMap<String, String>> =
        (!metadata.is_empty()).then(|| metadata.iter().map(|(k, v)| (k.clone(), v.clone())).collect());
    let bytes = serialize(views, text).map_err(corrupt)?;
    Ok(out.write_all(&bytes)?)
}

/// Writes a value that is a state dict.
pub(crate) fn save(value: &Value, out: &mut dyn Write, _name: &str) -> Result<(), Error> {
    let state = value
        .to_state_dict()
        .ok_or_else(|| Error::Unwritable("safetensors holds only named tensors; save other data as .pt".to_owned()))?;
    write(&state, &BTreeMap::new(), out)
}
