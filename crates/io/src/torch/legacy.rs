//! The stream that PyTorch wrote before 1.6: five pickles, then the storages.

use super::build::{Order, Storages};
use super::pickle::{Dialect, Graph, Id, Node, StorageRef, Unknown, parse, parse_with};
use crate::Error;
use crate::elements::Elements;
use crate::source::{Source, read_parallel};
use std::collections::HashMap;
use std::sync::Arc;
use wengert_tensor::Storage;

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

/// What a stream says before its storages, and where they lie.
pub(crate) struct Stream {
    pub(crate) graph: Graph,
    pub(crate) root: Id,
    /// Where the bytes of each storage begin, by its key.
    pub(crate) places: HashMap<String, u64>,
}

/// Bytes in which the pickles are looked for first. Nothing tells how long they are.
const WINDOW: u64 = 4 << 20;

impl Stream {
    /// Reads what precedes the storages; classes that are not on the list are refused or kept as objects.
    pub(crate) fn read(source: &dyn Source, unknown: Unknown) -> Result<Stream, Error> {
        let mut window = WINDOW;
        loop {
            let len = source.len().min(window);
            let bytes = source.read_vec(0, usize::try_from(len).or_else(|_| fail("larger than memory"))?)?;
            match Stream::parse(&bytes, source, unknown) {
                // Perhaps the pickles go on: four times as much is read at most as the file has.
                Err(_) if len < source.len() => window *= 4,
                result => return result,
            }
        }
    }

    fn parse(bytes: &[u8], source: &dyn Source, unknown: Unknown) -> Result<Stream, Error> {
        let (graph, version, at) = parse(bytes, after_magic(bytes).unwrap_or(0), Dialect::Plain)?;
        if !matches!(graph.nodes[version as usize], Node::Int(1001)) {
            return fail("its protocol version is not 1001");
        }
        let (graph, system, at) = parse(bytes, at, Dialect::Plain)?;
        if !little_endian(&graph, system) {
            return Err(Error::Unsupported {
                what: "a stream of a big-endian machine".to_owned(),
                advice: "load it there and save it with PyTorch 1.6 or later",
            });
        }
        let (graph, root, at) = parse_with(bytes, at, Dialect::Legacy, unknown)?;
        let (keys_graph, keys, at) = parse(bytes, at, Dialect::Plain)?;
        let mut at = at as u64;
        let Node::List(keys) = &keys_graph.nodes[keys as usize] else { return fail("its list of storages is no list") };
        let wanted: HashMap<&str, &StorageRef> = graph.storages.iter().map(|s| (s.key.as_str(), s)).collect();
        let mut places = HashMap::new();
        for &key in keys {
            let Node::Str(key) = &keys_graph.nodes[key as usize] else { return fail("a storage key that is no text") };
            let Some(storage) = wanted.get(key.as_str()) else {
                return fail(format!("storage '{key}' is used nowhere"));
            };
            let size = storage.numel.checked_mul(storage.item.size);
            let start = at + 8;
            let end = size.and_then(|s| start.checked_add(s)).filter(|&end| end <= source.len());
            let Some(end) = end else { return fail(format!("it ends within storage '{key}'")) };
            let mut count = [0; 8];
            source.read_at(at, &mut count)?;
            let count = i64::from_le_bytes(count);
            if u64::try_from(count) != Ok(storage.numel) {
                let numel = storage.numel;
                return fail(format!("storage '{key}' should have {numel} elements, the stream says {count}"));
            }
            if places.insert(key.clone(), start).is_some() {
                return fail(format!("storage '{key}' is listed twice"));
            }
            at = end;
        }
        if places.len() != wanted.len() {
            return fail("a storage that tensors need is missing");
        }
        if at != source.len() {
            return fail(format!("{} bytes follow its last storage", source.len() - at));
        }
        Ok(Stream { graph, root, places })
    }
}

fn little_endian(graph: &Graph, id: Id) -> bool {
    let Node::Dict { items, .. } = &graph.nodes[id as usize] else { return false };
    items.iter().any(|&(key, value)| {
        matches!(&graph.nodes[key as usize], Node::Str(name) if name == "little_endian")
            && matches!(graph.nodes[value as usize], Node::Bool(true))
    })
}

/// Storages as parts of the stream.
pub(crate) struct Parts<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) places: &'a HashMap<String, u64>,
}

impl Storages for Parts<'_> {
    fn load(&mut self, key: &str, numel: u64, elements: Elements) -> Result<Arc<Storage>, Error> {
        let Some(&position) = self.places.get(key) else { return fail("a storage is missing") };
        if let Some(storage) = elements.show(self.source, position, numel as usize) {
            return Ok(Arc::new(storage));
        }
        let fill = |out: &mut [u8]| Ok(read_parallel(self.source, position, out)?);
        Ok(Arc::new(elements.storage(numel as usize, Order::Little, fill)?))
    }
}
