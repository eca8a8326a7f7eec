//! The safetensors format: its header checked once and whole, then every tensor read straight into its own memory.
//!
//! The reference crate would want the file in memory, keeps the last of two tensors of one name, and cannot list a file
//! that names a dtype of a later version of it.

use crate::Error;
use crate::elements::{self, Elements, Wide};
use crate::source::{Source, read_parallel};
use crate::torch::build::Order;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::sync::Arc;
use wengert_tensor::{DType, MAX_RANK, StateDict, Tensor, Value};

/// The largest header that the format allows.
const MAX_HEADER: u64 = 100_000_000;

/// Whether a file begins like safetensors: a plausible header length, then a JSON object.
pub(crate) fn detect(head: &[u8], len: u64) -> bool {
    let Some((length, rest)) = head.split_first_chunk::<8>() else { return false };
    let header = u64::from_le_bytes(*length);
    let brace = rest.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    brace && header <= MAX_HEADER && header.checked_add(8).is_some_and(|end| end <= len)
}

/// A dtype of the format.
#[derive(Debug, PartialEq)]
struct Item {
    name: &'static str,
    /// Bits of one element: tensors of less than a byte each are packed.
    bits: usize,
    dtype: Option<DType>,
    /// What PyTorch calls it, or the format if PyTorch has none, if tensors here do not have it.
    torch: &'static str,
}

const fn own(name: &'static str, dtype: DType) -> Item {
    Item { name, bits: 8 * dtype.size(), dtype: Some(dtype), torch: "" }
}

const fn other(name: &'static str, bits: usize, torch: &'static str) -> Item {
    Item { name, bits, dtype: None, torch }
}

/// All dtypes by rank, which decides the order of tensors in a file.
const ITEMS: &[Item] = &[
    own("BOOL", DType::Bool),
    other("F4", 4, "float4_e2m1fn_x2"),
    other("F6_E2M3", 6, "F6_E2M3"),
    other("F6_E3M2", 6, "F6_E3M2"),
    own("U8", DType::U8),
    own("I8", DType::I8),
    other("F8_E5M2", 8, "float8_e5m2"),
    other("F8_E4M3", 8, "float8_e4m3fn"),
    other("F8_E8M0", 8, "float8_e8m0fnu"),
    other("F8_E4M3FNUZ", 8, "float8_e4m3fnuz"),
    other("F8_E5M2FNUZ", 8, "float8_e5m2fnuz"),
    own("I16", DType::I16),
    other("U16", 16, "uint16"),
    own("F16", DType::F16),
    own("BF16", DType::BF16),
    own("I32", DType::I32),
    other("U32", 32, "uint32"),
    own("F32", DType::F32),
    other("C64", 64, "complex64"),
    own("F64", DType::F64),
    own("I64", DType::I64),
    other("U64", 64, "uint64"),
];

fn fail<T>(what: impl Into<String>) -> Result<T, Error> {
    Err(Error::corrupt("safetensors", what))
}

/// One tensor as the header describes it.
pub(crate) struct Entry {
    pub(crate) name: String,
    item: &'static Item,
    pub(crate) shape: Vec<usize>,
    /// Where its bytes begin in the file. How many there are follows from dtype and shape, which was checked.
    start: u64,
}

impl Entry {
    /// Its dtype, if tensors here have it.
    pub(crate) fn dtype(&self) -> Option<DType> {
        self.item.dtype
    }

    /// What the file calls its dtype.
    pub(crate) fn dtype_name(&self) -> &'static str {
        self.item.name
    }

    /// What its elements become, if they are to be read.
    pub(crate) fn elements(&self, widen: bool) -> Option<Elements> {
        Elements::of(self.item.dtype, Wide::named(self.item.torch), widen)
    }
}

/// A header that agrees with itself and with the length of the file.
pub(crate) struct Header {
    /// In the order of the data.
    pub(crate) entries: Vec<Entry>,
    pub(crate) metadata: BTreeMap<String, String>,
}

impl Header {
    pub(crate) fn read(source: &dyn Source) -> Result<Header, Error> {
        if source.len() < 8 {
            return fail(format!("{} bytes are too few", source.len()));
        }
        let mut length = [0; 8];
        source.read_at(0, &mut length)?;
        let header = u64::from_le_bytes(length);
        if header > MAX_HEADER || header.checked_add(8).is_none_or(|end| end > source.len()) {
            return fail(format!("a header of {header} bytes does not fit a file of {}", source.len()));
        }
        let text = source.read_vec(8, header as usize)?;
        let damaged = |error: serde_json::Error| Error::corrupt("safetensors header", error.to_string());
        let mut json = serde_json::Deserializer::from_slice(&text);
        let Parsed { mut entries, metadata } = Parsed::deserialize(&mut json).map_err(damaged)?;
        json.end().map_err(damaged)?;
        entries.sort_by_key(|entry| entry.1.data_offsets);
        let data = 8 + header;
        let mut end = 0;
        let mut out = Vec::with_capacity(entries.len());
        for (name, info) in entries {
            let (from, to) = info.data_offsets;
            let Some(item) = ITEMS.iter().find(|item| item.name == info.dtype) else {
                return fail(format!("tensor '{name}' is of dtype '{}', which the format does not have", info.dtype));
            };
            if info.shape.len() > MAX_RANK {
                return fail(format!("tensor '{name}' has {} axes, and {MAX_RANK} are the most", info.shape.len()));
            }
            let bits = info.shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s));
            let bits = bits.and_then(|n| n.checked_mul(item.bits)).filter(|b| b.is_multiple_of(8));
            if from != end || to < from || bits != (to - from).checked_mul(8) {
                let (dtype, shape) = (item.name, info.shape);
                return fail(format!("tensor '{name}' of {dtype} {shape:?} cannot have the bytes {from} to {to}"));
            }
            end = to;
            out.push(Entry { name, item, shape: info.shape, start: data + from as u64 });
        }
        if (end as u64).checked_add(data) != Some(source.len()) {
            return fail(format!("the tensors end at byte {end} of {} of data", source.len() - data));
        }
        Ok(Header { entries: out, metadata })
    }
}

/// The error for tensors whose dtypes are not to be read, if there are such.
pub(crate) fn refuse<'a>(entries: impl IntoIterator<Item = &'a Entry>, widen: bool) -> Result<(), Error> {
    let closed = entries.into_iter().filter(|entry| entry.elements(widen).is_none());
    elements::refuse(closed.map(|entry| (entry.name.as_str(), entry.item.torch)))
}

/// Reads one tensor.
pub(crate) fn tensor(source: &dyn Source, entry: &Entry, widen: bool) -> Result<Tensor, Error> {
    let Some(elements) = entry.elements(widen) else {
        refuse([entry], widen)?;
        return fail("a dtype that is refused without a reason");
    };
    let numel = entry.shape.iter().product();
    let storage = match elements.show(source, entry.start, numel) {
        Some(storage) => storage,
        None => elements.storage(numel, Order::Little, |out| Ok(read_parallel(source, entry.start, out)?))?,
    };
    let mut shape = entry.shape.clone();
    if elements.parts() == 2 {
        shape.push(2);
    }
    let mut strides = vec![1isize; shape.len()];
    for axis in (1..strides.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis].max(1) as isize);
    }
    Tensor::from_parts(Arc::new(storage), &shape, &strides, 0)
        .map_err(|e| Error::corrupt(format!("tensor '{}'", entry.name), e.to_string()))
}

/// A state dict in the order of the data, and the text metadata.
pub(crate) fn read(source: &dyn Source, widen: bool) -> Result<(StateDict, BTreeMap<String, String>), Error> {
    let header = Header::read(source)?;
    refuse(&header.entries, widen)?;
    let mut state = StateDict::new();
    for entry in &header.entries {
        state.insert(&*entry.name, tensor(source, entry, widen)?);
    }
    Ok((state, header.metadata))
}

/// The JSON of one entry. What else it may have is passed over.
#[derive(serde::Deserialize)]
struct TensorInfo<'a> {
    #[serde(borrow)]
    dtype: std::borrow::Cow<'a, str>,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

/// The JSON of a header, in its own order.
struct Parsed<'a> {
    entries: Vec<(String, TensorInfo<'a>)>,
    metadata: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for Parsed<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Parsed<'de>, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Parsed<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of tensors")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parsed<'de>, A::Error> {
                let mut parsed = Parsed { entries: Vec::new(), metadata: BTreeMap::new() };
                // The reference keeps the last of two equal names, and which is meant nobody knows.
                let mut seen = HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if !seen.insert(name.clone()) {
                        return Err(serde::de::Error::custom(format!("the name '{name}' occurs twice")));
                    }
                    if name == "__metadata__" {
                        parsed.metadata = map.next_value::<Option<BTreeMap<String, String>>>()?.unwrap_or_default();
                    } else {
                        parsed.entries.push((name, map.next_value()?));
                    }
                }
                Ok(parsed)
            }
        }
        json.deserialize_map(Entries)
    }
}

/// The tensors as an ordered dict.
pub(crate) fn load(source: &dyn Source, widen: bool) -> Result<Value, Error> {
    Ok(read(source, widen)?.0.into())
}

/// Writes tensors as the reference does: by descending alignment, then by name.
pub(crate) fn write(state: &StateDict, metadata: &BTreeMap<String, String>, out: &mut dyn Write) -> Result<(), Error> {
    // Each with the rank of its dtype.
    let mut parts: Vec<(&str, usize, &Tensor)> = Vec::with_capacity(state.len());
    for (name, tensor) in state.iter() {
        if name == "__metadata__" {
            return Err(Error::Unwritable("safetensors keeps the name '__metadata__' for itself".to_owned()));
        }
        if elements::is_bomb(tensor) {
            return Err(elements::bomb(name, tensor));
        }
        let rank = ITEMS.iter().position(|item| item.dtype == Some(tensor.dtype())).expect("the table has all dtypes");
        parts.push((name, rank, tensor));
    }
    parts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let quoted = |text: &str| serde_json::to_string(text).map_err(|e| Error::Unwritable(e.to_string()));
    let mut header = String::from("{");
    if !metadata.is_empty() {
        let text = serde_json::to_string(metadata).map_err(|e| Error::Unwritable(e.to_string()))?;
        header.push_str(&format!("\"__metadata__\":{text}"));
    }
    let mut end = 0;
    for (name, rank, tensor) in &parts {
        let dtype = ITEMS[*rank].name;
        let comma = if header.len() > 1 { "," } else { "" };
        let start = end;
        end += tensor.numel() * tensor.dtype().size();
        let sizes: Vec<_> = tensor.shape().iter().map(usize::to_string).collect();
        header.push_str(&format!(
            "{comma}{}:{{\"dtype\":\"{dtype}\",\"shape\":[{}],\"data_offsets\":[{start},{end}]}}",
            quoted(name)?,
            sizes.join(",")
        ));
    }
    header.push('}');
    let padding = header.len().next_multiple_of(8) - header.len();
    header.extend(std::iter::repeat_n(' ', padding));
    if header.len() as u64 > MAX_HEADER {
        return Err(Error::Unwritable(format!("a header of {} bytes", header.len())));
    }
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    for (_, _, tensor) in &parts {
        let size = tensor.dtype().size();
        if tensor.is_contiguous() && cfg!(target_endian = "little") {
            let start = tensor.layout().offset() * size;
            out.write_all(&tensor.storage().as_bytes()[start..][..tensor.numel() * size])?;
        } else {
            let mut bytes = tensor.to_bytes();
            if cfg!(target_endian = "big") {
                bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
            }
            out.write_all(&bytes)?;
        }
    }
    Ok(out.flush()?)
}

/// Writes a value that is a state dict.
pub(crate) fn save(value: &Value, out: &mut dyn Write, _name: &str) -> Result<(), Error> {
    let state = value
        .to_state_dict()
        .ok_or_else(|| Error::Unwritable("safetensors holds only named tensors; save other data as .pt".to_owned()))?;
    write(&state, &BTreeMap::new(), out)
}
