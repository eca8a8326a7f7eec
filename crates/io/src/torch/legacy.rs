//! The stream that PyTorch wrote before 1.6: five pickles, then the storages.

use super::build::{Builder, Order, Storages};
use super::pickle::{Dialect, Graph, Id, Node, StorageRef, Unknown, parse, parse_with};
use crate::Error;
use crate::source::Source;
use std::collections::HashMap;
use std::sync::Arc;
use wengert_tensor::{Storage, Value};

/// PyTorch's magic number as a pickle, behind the protocol.
const MAGIC: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e";

/// Where the first pickle ends, if it is PyTorch's magic number. From protocol 4 on a frame's length precedes it.
pub(crate) fn after_magic(head: &[u8]) -> Option<usize> {
    let start = match head {
        [0x80, 4..=5, 0x95, ..] => 11,
        [0x80, 1..=5, ..] => 2,
        _ => return None,
    };
    head.get(start..)?.starts_with(MAGIC).then_some(start + MAGIC.len())
}

fn fail<T>(what: impl Into<String>) -> Result<T, Error> {
    Err(Error::corrupt("legacy stream", what))
}

/// Reads the stream; classes that are not on the list are refused or kept as objects.
pub(crate) fn load(source: &dyn Source, unknown: Unknown) -> Result<Value, Error> {
    // The storages lie behind pickles whose length nothing tells, so the file is read whole, once.
    let len = usize::try_from(source.len()).or_else(|_| fail("larger than memory"))?;
    let bytes = source.read_vec(0, len)?;
    let (graph, version, at) = parse(&bytes, after_magic(&bytes).unwrap_or(0), Dialect::Plain)?;
    if !matches!(graph.nodes[version as usize], Node::Int(1001)) {
        return fail("its protocol version is not 1001");
    }
    let (graph, system, at) = parse(&bytes, at, Dialect::Plain)?;
    if !little_endian(&graph, system) {
        return Err(Error::Unsupported {
            what: "a stream of a big-endian machine".to_owned(),
            advice: "load it there and save it with PyTorch 1.6 or later",
        });
    }
    let (graph, root, at) = parse_with(&bytes, at, Dialect::Legacy, unknown)?;
    let (keys_graph, keys, mut at) = parse(&bytes, at, Dialect::Plain)?;
    let Node::List(keys) = &keys_graph.nodes[keys as usize] else { return fail("its list of storages is no list") };
    let wanted: HashMap<&str, &StorageRef> = graph.storages.iter().map(|s| (s.key.as_str(), s)).collect();
    let mut places = HashMap::new();
    for &key in keys {
        let Node::Str(key) = &keys_graph.nodes[key as usize] else { return fail("a storage key that is no text") };
        let Some(storage) = wanted.get(key.as_str()) else { return fail(format!("storage '{key}' is used nowhere")) };
        let count = bytes.get(at..at + 8).map(|b| u64::from_le_bytes(b.try_into().expect("eight bytes")));
        if count != Some(storage.numel) {
            return fail(format!("storage '{key}' should have {} elements, the stream says {count:?}", storage.numel));
        }
        let size = storage.numel.checked_mul(storage.item.size).and_then(|s| usize::try_from(s).ok());
        let end = size.and_then(|s| (at + 8).checked_add(s)).filter(|&end| end <= bytes.len());
        let Some(end) = end else { return fail(format!("it ends within storage '{key}'")) };
        if places.insert(key.as_str(), at + 8..end).is_some() {
            return fail(format!("storage '{key}' is listed twice"));
        }
        at = end;
    }
    if places.len() != wanted.len() {
        return fail("a storage that tensors need is missing");
    }
    if at != bytes.len() {
        return fail(format!("{} bytes follow its last storage", bytes.len() - at));
    }
    Builder::new(&graph, &mut Slices { bytes: &bytes, places }).value(root)
}

fn little_endian(graph: &Graph, id: Id) -> bool {
    let Node::Dict { items, .. } = &graph.nodes[id as usize] else { return false };
    items.iter().any(|&(key, value)| {
        matches!(&graph.nodes[key as usize], Node::Str(name) if name == "little_endian")
            && matches!(graph.nodes[value as usize], Node::Bool(true))
    })
}

/// Storages as parts of the stream.
struct Slices<'a> {
    bytes: &'a [u8],
    places: HashMap<&'a str, std::ops::Range<usize>>,
}

impl Storages for Slices<'_> {
    fn load(&mut self, request: &StorageRef) -> Result<Arc<Storage>, Error> {
        let dtype = request.dtype()?;
        let Some(place) = self.places.get(request.key.as_str()) else { return fail("a storage is missing") };
        let part = &self.bytes[place.clone()];
        let storage = Storage::from_bytes_with(dtype, request.numel as usize, |out| {
            out.copy_from_slice(part);
            Order::Little.to_native(out, dtype.size());
            Ok::<(), Error>(())
        })?;
        Ok(Arc::new(storage))
    }
}
