//! The native format: any value in one file, described first, its tensors behind at multiples of 64 bytes.
//!
//! A file is 40 bytes of preamble (magic, version, length of the file, length and CRC-32 of the header), the header,
//! and the storages. The header is a list of sections, each a number and its postcard bytes: a reader passes over
//! sections that it does not know, and over fields that were added at the end of one that it knows. What an older
//! reader would misunderstand raises the major version, which it refuses.

use crate::Error;
use crate::source::{Source, crc, read_summed, show};
use crate::torch::build::Order;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;
use wengert_tensor::{DType, Dict, DictKind, Object, Storage, Tensor, Value};

/// As PNG's: a byte beyond ASCII and line ends, so that transfers as text are noticed.
pub(crate) const MAGIC: &[u8; 8] = b"\x89WGT\r\n\x1a\n";
const MAJOR: u16 = 1;
const MINOR: u16 = 0;
const PREAMBLE: usize = 40;
const ALIGNMENT: u64 = 64;
/// As for pickles: recursion over values is bounded by this.
const MAX_DEPTH: usize = 256;

/// The numbers of the sections.
const STORAGES: u32 = 1;
const NODES: u32 = 2;
const PRODUCER: u32 = 3;

/// Names of dtypes in files: positions in this list never change.
const DTYPES: &[DType] = &[
    DType::F64,
    DType::F32,
    DType::F16,
    DType::BF16,
    DType::I64,
    DType::I32,
    DType::I16,
    DType::I8,
    DType::U8,
    DType::Bool,
];

/// One part of the header.
#[derive(Serialize, Deserialize)]
struct Section {
    kind: u32,
    bytes: Vec<u8>,
}

/// Where a storage lies, from the beginning of the file, and what its bytes are.
#[derive(Serialize, Deserialize)]
struct Stored {
    dtype: u8,
    elements: u64,
    position: u64,
    crc: u32,
}

/// A view of a storage.
#[derive(Serialize, Deserialize)]
struct View {
    storage: u32,
    offset: u64,
    shape: Vec<u64>,
    strides: Vec<u64>,
}

/// A value whose parts are nodes before it. All but objects are part of one other node.
#[derive(Serialize, Deserialize)]
enum Node {
    None,
    Bool(bool),
    Int(i64),
    BigInt(Vec<u8>),
    Float(f64),
    Complex(f64, f64),
    Str(String),
    Bytes(Vec<u8>),
    ByteArray(Vec<u8>),
    Tensor(View),
    Grad { view: View, parameter: bool, requires_grad: bool },
    List(Vec<u32>),
    Tuple(Vec<u32>),
    Set(Vec<u32>),
    Dict { kind: u8, entries: Vec<(u32, u32)>, attributes: Vec<(String, u32)> },
    Size(Vec<u64>),
    DType(String),
    Device(String),
    Object { class: String, arguments: Option<Vec<u32>>, attributes: u32 },
}

fn fail<T>(what: impl Into<String>) -> Result<T, Error> {
    Err(Error::corrupt("native file", what))
}

/// Writes a value.
pub(crate) fn save(value: &Value, out: &mut dyn Write, _name: &str) -> Result<(), Error> {
    let mut collector = Collector::default();
    collector.add(value, 0)?;
    let mut stored: Vec<Stored> = Vec::new();
    for storage in &collector.storages {
        let dtype = DTYPES.iter().position(|d| *d == storage.dtype()).expect("the list has all dtypes") as u8;
        let crc = crc(&little_endian(storage));
        stored.push(Stored { dtype, elements: storage.len() as u64, position: 0, crc });
    }
    // Positions depend on the header's length and it on theirs, so they count from the end of the header.
    let mut at = 0;
    for (entry, storage) in stored.iter_mut().zip(&collector.storages) {
        entry.position = at;
        at = (at + storage.as_bytes().len() as u64).next_multiple_of(ALIGNMENT);
    }
    let encode = |bytes: Result<Vec<u8>, postcard::Error>| bytes.map_err(|e| Error::Unwritable(e.to_string()));
    let sections = [
        Section {
            kind: PRODUCER,
            bytes: encode(postcard::to_allocvec(concat!("wengert ", env!("CARGO_PKG_VERSION"))))?,
        },
        Section { kind: STORAGES, bytes: encode(postcard::to_allocvec(&stored))? },
        Section { kind: NODES, bytes: encode(postcard::to_allocvec(&collector.nodes))? },
    ];
    let header = encode(postcard::to_allocvec(&sections[..]))?;
    let start = (PREAMBLE as u64 + header.len() as u64).next_multiple_of(ALIGNMENT);
    let end = stored.last().zip(collector.storages.last());
    let data = end.map_or(0, |(entry, storage)| entry.position + storage.as_bytes().len() as u64);
    let mut head = MAGIC.to_vec();
    head.extend(MAJOR.to_le_bytes());
    head.extend(MINOR.to_le_bytes());
    head.extend([0; 4]);
    head.extend((start + data).to_le_bytes());
    head.extend((header.len() as u64).to_le_bytes());
    head.extend(crc32fast::hash(&header).to_le_bytes());
    head.extend(crc32fast::hash(&head).to_le_bytes());
    debug_assert_eq!(head.len(), PREAMBLE);
    head.extend(&header);
    head.resize(start as usize, 0);
    out.write_all(&head)?;
    let mut at = 0;
    for (entry, storage) in stored.iter().zip(&collector.storages) {
        out.write_all(&vec![0; (entry.position - at) as usize])?;
        out.write_all(&little_endian(storage))?;
        at = entry.position + storage.as_bytes().len() as u64;
    }
    Ok(out.flush()?)
}

fn little_endian(storage: &Storage) -> std::borrow::Cow<'_, [u8]> {
    let bytes = storage.as_bytes();
    if cfg!(target_endian = "little") || storage.dtype().size() == 1 {
        return bytes.into();
    }
    let mut swapped = bytes.to_vec();
    swapped.chunks_exact_mut(storage.dtype().size()).for_each(<[u8]>::reverse);
    swapped.into()
}

/// Makes nodes of a value and collects its storages.
#[derive(Default)]
struct Collector {
    nodes: Vec<Node>,
    storages: Vec<Arc<Storage>>,
    /// Numbers of storages by address; the vector above keeps them alive.
    keys: HashMap<*const Storage, u32>,
    /// Numbers of objects by address; the value that is saved keeps them alive.
    objects: HashMap<*const Object, u32>,
}

impl Collector {
    fn add(&mut self, value: &Value, depth: usize) -> Result<u32, Error> {
        if depth > MAX_DEPTH {
            return Err(Error::Unwritable(format!("data nested more than {MAX_DEPTH} deep")));
        }
        let node = match value {
            Value::None => Node::None,
            Value::Bool(x) => Node::Bool(*x),
            Value::Int(x) => Node::Int(*x),
            Value::BigInt(x) => Node::BigInt(x.clone()),
            Value::Float(x) => Node::Float(*x),
            Value::Complex(re, im) => Node::Complex(*re, *im),
            Value::Str(x) => Node::Str(x.clone()),
            Value::Bytes(x) => Node::Bytes(x.clone()),
            Value::ByteArray(x) => Node::ByteArray(x.clone()),
            Value::Tensor(tensor) => Node::Tensor(self.view(tensor)),
            Value::Grad { tensor, parameter, requires_grad } => {
                Node::Grad { view: self.view(tensor), parameter: *parameter, requires_grad: *requires_grad }
            }
            Value::List(items) => Node::List(self.all(items, depth)?),
            Value::Tuple(items) => Node::Tuple(self.all(items, depth)?),
            Value::Set(items) => Node::Set(self.all(items, depth)?),
            Value::Dict(dict) => self.dict(dict, depth)?,
            Value::Size(sizes) => Node::Size(sizes.iter().map(|&s| s as u64).collect()),
            Value::DType(name) => Node::DType(name.clone()),
            Value::Device(name) => Node::Device(name.clone()),
            Value::Object(object) => {
                if let Some(&id) = self.objects.get(&Arc::as_ptr(object)) {
                    return Ok(id);
                }
                let arguments = object.arguments.as_ref().map(|a| self.all(a, depth)).transpose()?;
                let attributes = self.dict(&object.attributes, depth + 1)?;
                let attributes = self.push(attributes)?;
                let id = self.push(Node::Object { class: object.class.clone(), arguments, attributes })?;
                self.objects.insert(Arc::as_ptr(object), id);
                return Ok(id);
            }
            _ => return Err(Error::Unwritable("a kind of value that this version does not know".to_owned())),
        };
        self.push(node)
    }

    fn push(&mut self, node: Node) -> Result<u32, Error> {
        self.nodes.push(node);
        u32::try_from(self.nodes.len() - 1).map_err(|_| Error::Unwritable("four billion values".to_owned()))
    }

    fn all(&mut self, items: &[Value], depth: usize) -> Result<Vec<u32>, Error> {
        items.iter().map(|item| self.add(item, depth + 1)).collect()
    }

    fn dict(&mut self, dict: &Dict, depth: usize) -> Result<Node, Error> {
        let kind = match dict.kind {
            DictKind::Plain => 0,
            DictKind::Ordered => 1,
            DictKind::Counter => 2,
            _ => return Err(Error::Unwritable("a kind of dict that this version does not know".to_owned())),
        };
        let mut entries = Vec::with_capacity(dict.len());
        for (key, value) in dict.iter() {
            entries.push((self.add(key, depth + 1)?, self.add(value, depth + 1)?));
        }
        let mut attributes = Vec::new();
        for (name, value) in &dict.attributes {
            attributes.push((name.clone(), self.add(value, depth + 1)?));
        }
        Ok(Node::Dict { kind, entries, attributes })
    }

    fn view(&mut self, tensor: &Tensor) -> View {
        if tensor.strides().iter().any(|&s| s < 0) {
            return self.view(&tensor.copy());
        }
        let storage = tensor.storage();
        let next = self.storages.len() as u32;
        let key = *self.keys.entry(Arc::as_ptr(storage)).or_insert(next);
        if key == next {
            self.storages.push(storage.clone());
        }
        View {
            storage: key,
            offset: tensor.layout().offset() as u64,
            shape: tensor.shape().iter().map(|&s| s as u64).collect(),
            strides: tensor.strides().iter().map(|&s| s as u64).collect(),
        }
    }
}

/// Reads a file: everything is checked before it is used, and no size is believed that the file cannot hold.
pub(crate) fn load(source: &dyn Source) -> Result<Value, Error> {
    if source.len() < PREAMBLE as u64 {
        return fail("it ends within its preamble");
    }
    let head = source.read_vec(0, PREAMBLE)?;
    let wide = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
    let narrow = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes"));
    let major = u16::from_le_bytes([head[8], head[9]]);
    if !head.starts_with(MAGIC) || narrow(36) != crc32fast::hash(&head[..36]) {
        return fail("its preamble is damaged");
    }
    if major != MAJOR {
        return Err(Error::Unsupported {
            what: format!("version {major} of the native format"),
            advice: "this library reads version 1; update it, or save the file as .pt with the library that wrote it",
        });
    }
    let (len, header_len) = (wide(16), wide(24));
    if len != source.len() {
        return fail(format!("it has {} bytes, but was written with {len}", source.len()));
    }
    let header_end = header_len.checked_add(PREAMBLE as u64).filter(|&end| end <= len);
    let Some(header_end) = header_end else { return fail("its header is longer than the file") };
    let header = source.read_vec(PREAMBLE as u64, header_len as usize)?;
    if crc32fast::hash(&header) != narrow(32) {
        return fail("its header is damaged: the CRC-32 differs");
    }
    let sections: Vec<Section> = decode(&header)?;
    let find = |kind: u32| match sections.iter().find(|s| s.kind == kind) {
        Some(section) => Ok(&section.bytes[..]),
        None => fail(format!("section {kind} is missing")),
    };
    let stored: Vec<Stored> = decode(find(STORAGES)?)?;
    let nodes: Vec<Node> = decode(find(NODES)?)?;
    let start = header_end.next_multiple_of(ALIGNMENT);
    let mut storages = Vec::with_capacity(stored.len());
    let mut end = start;
    for (i, entry) in stored.iter().enumerate() {
        let Some(&dtype) = DTYPES.get(entry.dtype as usize) else { return fail(format!("storage {i} has no dtype")) };
        let position = start.checked_add(entry.position).filter(|p| p.is_multiple_of(ALIGNMENT) && *p >= end);
        let size = entry.elements.checked_mul(dtype.size() as u64);
        let place = position.zip(size).and_then(|(p, size)| Some((p, p.checked_add(size).filter(|&e| e <= len)?)));
        let Some((position, storage_end)) = place else { return fail(format!("storage {i} lies outside the file")) };
        end = storage_end;
        let storage = match show(source, position, dtype, entry.elements as usize) {
            Some(storage) => storage,
            None => Storage::from_bytes_with(dtype, entry.elements as usize, |out| {
                if read_summed(source, position, out)? != entry.crc {
                    return fail(format!("storage {i} is damaged: the CRC-32 differs"));
                }
                Order::Little.to_native(out, dtype.size());
                Ok::<(), Error>(())
            })?,
        };
        storages.push(Arc::new(storage));
    }
    Reader { budget: 100_000 + 8 * nodes.len() as u64, storages, done: Vec::with_capacity(nodes.len()) }.all(nodes)
}

/// Postcard, whatever follows: fields of a later version.
fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Error> {
    postcard::take_from_bytes(bytes)
        .map(|(value, _)| value)
        .or_else(|e| fail(format!("its header makes no sense: {e}")))
}

/// A finished node: its value until it is taken, how deep it is, and how many values it expands to.
struct Done {
    value: Option<Value>,
    depth: usize,
    size: u64,
}

struct Reader {
    storages: Vec<Arc<Storage>>,
    done: Vec<Done>,
    /// The most values that the root may expand to: shared objects count every time.
    budget: u64,
}

/// What the parts of the node that is being made add up to.
#[derive(Default)]
struct Sum {
    depth: usize,
    size: u64,
}

impl Reader {
    fn all(mut self, nodes: Vec<Node>) -> Result<Value, Error> {
        for node in nodes {
            let mut sum = Sum::default();
            let value = self.value(node, &mut sum)?;
            let (depth, size) = (sum.depth + 1, sum.size.saturating_add(1));
            if depth > MAX_DEPTH + 2 || size > self.budget {
                return fail("values nested or shared beyond all measure");
            }
            self.done.push(Done { value: Some(value), depth, size });
        }
        match self.done.pop() {
            Some(Done { value: Some(value), .. }) => Ok(value),
            _ => fail("it holds no value"),
        }
    }

    /// A node before this one. Objects may be taken again; all else belongs to the first that asks.
    fn take(&mut self, id: u32, sum: &mut Sum) -> Result<Value, Error> {
        let Some(done) = self.done.get_mut(id as usize) else { return fail("a value refers to a later one") };
        sum.depth = sum.depth.max(done.depth);
        sum.size = sum.size.saturating_add(done.size);
        match &done.value {
            Some(Value::Object(object)) => Ok(Value::Object(object.clone())),
            _ => done.value.take().map_or_else(|| fail("a value is part of two others"), Ok),
        }
    }

    fn items(&mut self, ids: Vec<u32>, sum: &mut Sum) -> Result<Vec<Value>, Error> {
        ids.into_iter().map(|id| self.take(id, sum)).collect()
    }

    fn value(&mut self, node: Node, sum: &mut Sum) -> Result<Value, Error> {
        Ok(match node {
            Node::None => Value::None,
            Node::Bool(x) => Value::Bool(x),
            Node::Int(x) => Value::Int(x),
            Node::BigInt(x) => Value::BigInt(x),
            Node::Float(x) => Value::Float(x),
            Node::Complex(re, im) => Value::Complex(re, im),
            Node::Str(x) => Value::Str(x),
            Node::Bytes(x) => Value::Bytes(x),
            Node::ByteArray(x) => Value::ByteArray(x),
            Node::Tensor(view) => Value::from(self.tensor(&view)?),
            Node::Grad { view, parameter, requires_grad } => {
                Value::Grad { tensor: Box::new(self.tensor(&view)?), parameter, requires_grad }
            }
            Node::List(ids) => Value::List(self.items(ids, sum)?),
            Node::Tuple(ids) => Value::Tuple(self.items(ids, sum)?),
            Node::Set(ids) => Value::Set(self.items(ids, sum)?),
            Node::Dict { kind, entries, attributes } => {
                let kind = match kind {
                    0 => DictKind::Plain,
                    1 => DictKind::Ordered,
                    2 => DictKind::Counter,
                    other => return fail(format!("dict of kind {other}")),
                };
                let mut dict = Dict { kind, ..Dict::default() };
                for (key, value) in entries {
                    dict.entries.push((self.take(key, sum)?, self.take(value, sum)?));
                }
                for (name, value) in attributes {
                    dict.attributes.push((name, self.take(value, sum)?));
                }
                Value::Dict(dict)
            }
            Node::Size(sizes) => Value::Size(sizes.into_iter().map(|s| s as usize).collect()),
            Node::DType(name) => Value::DType(name),
            Node::Device(name) => Value::Device(name),
            Node::Object { class, arguments, attributes } => {
                let arguments = arguments.map(|ids| self.items(ids, sum)).transpose()?;
                let Value::Dict(attributes) = self.take(attributes, sum)? else {
                    return fail("an object whose attributes are no dict");
                };
                Value::Object(Arc::new(Object { class, arguments, attributes }))
            }
        })
    }

    fn tensor(&self, view: &View) -> Result<Tensor, Error> {
        let Some(storage) = self.storages.get(view.storage as usize) else { return fail("a tensor without a storage") };
        let within = |&x: &u64| isize::try_from(x).is_ok();
        if view.shape.len() != view.strides.len()
            || view.shape.len() > wengert_tensor::MAX_RANK
            || !view.shape.iter().chain(&view.strides).all(within)
        {
            return fail("a tensor whose strides make no sense");
        }
        // As for pickles: a stride of 0 can claim any number of elements over one.
        let logical = view.shape.iter().try_fold(storage.dtype().size() as u64, |a, &s| a.checked_mul(s.max(1)));
        if logical.is_none_or(|bytes| bytes >= 1 << 40) {
            return fail(format!("a tensor of shape {:?} is absurdly large", view.shape));
        }
        let shape: Vec<usize> = view.shape.iter().map(|&s| s as usize).collect();
        let strides: Vec<isize> = view.strides.iter().map(|&s| s as isize).collect();
        let Ok(offset) = usize::try_from(view.offset) else { return fail("a tensor outside its storage") };
        Tensor::from_parts(storage.clone(), &shape, &strides, offset).or_else(|e| fail(e.to_string()))
    }
}
