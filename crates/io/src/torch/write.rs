//! Writing what `torch.save` writes: the pickle, and the archive around it byte by byte as PyTorch lays it out.

use super::global::{LAYOUTS, storage_class};
use crate::Error;
use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;
use wengert_tensor::{Dict, DictKind, Object, Storage, Tensor, Value};

/// Storages begin at multiples of this.
const ALIGNMENT: u64 = 64;
/// The deepest nesting that is written; readers refuse more.
const MAX_DEPTH: usize = 256;

/// Writes a value as an archive whose records lie in the folder `name`.
pub(crate) fn write(value: &Value, out: &mut dyn Write, name: &str) -> Result<(), Error> {
    let mut pickler = Pickler::default();
    pickler.bytes.extend([0x80, 2]);
    pickler.value(value, 0)?;
    pickler.bytes.push(b'.');
    let mut archive =
        ArchiveWriter { out, folder: name, at: 0, entries: Vec::new(), names: Vec::new(), head: Vec::new() };
    archive.record("data.pkl", &pickler.bytes)?;
    archive.record(".format_version", b"1")?;
    archive.record(".storage_alignment", ALIGNMENT.to_string().as_bytes())?;
    archive.record("byteorder", if cfg!(target_endian = "little") { b"little" } else { b"big" })?;
    for (i, storage) in pickler.storages.iter().enumerate() {
        let mut digits = [0; 20];
        archive.record_of(&[b"data/", decimal(i, &mut digits)], storage.as_bytes())?;
    }
    archive.record("version", b"3\n")?;
    archive.finish()
}

/// Makes the pickle and collects the storages in the order of their first use.
#[derive(Default)]
struct Pickler {
    bytes: Vec<u8>,
    storages: Vec<Arc<Storage>>,
    /// Numbers of the storages by address; the vector above keeps them alive.
    keys: HashMap<*const Storage, usize>,
    /// Memo numbers of class names and short texts, which repeat for every tensor, by their opcodes, and of objects by
    /// texts that are no opcodes.
    memo: HashMap<Vec<u8>, u32>,
    /// Memo numbers of what every tensor mentions, found without a look into the map.
    usual: [Option<u32>; USUAL],
}

/// Places among the usual numbers; those of storage classes follow, by the number of the dtype.
const REBUILD: usize = 0;
const ORDERED_DICT: usize = 1;
const STORAGE: usize = 2;
const CPU: usize = 3;
const CLASSES: usize = 4;
const USUAL: usize = CLASSES + 16;

impl Pickler {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::Unwritable(format!("data nested more than {MAX_DEPTH} deep")));
        }
        match value {
            Value::None => self.bytes.push(b'N'),
            Value::Bool(x) => self.bytes.push(if *x { 0x88 } else { 0x89 }),
            Value::Int(x) => self.int(*x),
            Value::BigInt(x) if x.len() < 256 => {
                self.bytes.extend([0x8a, x.len() as u8]);
                self.bytes.extend(x);
            }
            Value::BigInt(_) => return Err(Error::Unwritable("an integer of more than 255 bytes".to_owned())),
            Value::Float(x) => self.float(*x),
            Value::Complex(re, im) => {
                self.global("__builtin__", "complex");
                self.float(*re);
                self.float(*im);
                self.bytes.extend([0x86, b'R']);
            }
            Value::Str(x) => self.text(x)?,
            Value::Bytes(x) => self.encoded(x)?,
            Value::ByteArray(x) => {
                self.global("__builtin__", "bytearray");
                self.encoded(x)?;
                self.bytes.extend([0x85, b'R']);
            }
            Value::List(items) => self.list(items, depth)?,
            Value::Tuple(items) => self.tuple(items.len(), |p, i| p.value(&items[i], depth + 1))?,
            Value::Set(items) => {
                self.global("__builtin__", "set");
                self.list(items, depth)?;
                self.bytes.extend([0x85, b'R']);
            }
            Value::Dict(dict) => self.dict(dict, depth)?,
            Value::Size(dims) => {
                self.global("torch", "Size");
                self.tuple(dims.len(), |p, i| {
                    p.int(dims[i] as i64);
                    Ok(())
                })?;
                self.bytes.extend([0x85, b'R']);
            }
            Value::DType(name) => {
                if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                    return Err(Error::Unwritable(format!("'{name}' is no dtype")));
                }
                if LAYOUTS.contains(&name.as_str()) {
                    self.global("torch.serialization", "_get_layout");
                    self.text(&format!("torch.{name}"))?;
                    self.bytes.extend([0x85, b'R']);
                } else {
                    self.global("torch", name);
                }
            }
            Value::Device(name) => {
                self.global("torch", "device");
                match name.split_once(':').map(|(kind, index)| (kind, index.parse::<u32>())) {
                    Some((kind, Ok(index))) => {
                        self.text(kind)?;
                        self.int(index as i64);
                        self.bytes.extend([0x86, b'R']);
                    }
                    _ => {
                        self.text(name)?;
                        self.bytes.extend([0x85, b'R']);
                    }
                }
            }
            Value::Tensor(tensor) => self.tensor(tensor, false)?,
            Value::Grad { tensor, parameter: false, requires_grad } => self.tensor(tensor, *requires_grad)?,
            Value::Object(object) => self.object(object, depth)?,
            Value::Grad { tensor, parameter: true, requires_grad } => {
                // The same parameter again is the same object in Python too: optimizers count on it.
                let mut key = format!("parameter {:p} {requires_grad} ", Arc::as_ptr(tensor.storage()));
                key += &format!("{:?} {:?} {}", tensor.shape(), tensor.strides(), tensor.layout().offset());
                let key = key.into_bytes();
                if let Some(&index) = self.memo.get(&key) {
                    self.recall(index);
                    return Ok(());
                }
                self.global("torch._utils", "_rebuild_parameter");
                self.tensor(tensor, false)?;
                self.bytes.push(if *requires_grad { 0x88 } else { 0x89 });
                self.empty_ordered_dict();
                self.bytes.extend([0x87, b'R']);
                self.remember(key);
            }
            _ => return Err(Error::Unwritable("a kind of value that this version does not know".to_owned())),
        }
        Ok(())
    }

    fn int(&mut self, x: i64) {
        if let Ok(x) = u8::try_from(x) {
            self.bytes.extend_from_slice(&[b'K', x]);
        } else if let Ok(x) = u16::try_from(x) {
            let [low, high] = x.to_le_bytes();
            self.bytes.extend_from_slice(&[b'M', low, high]);
        } else if let Ok(x) = i32::try_from(x) {
            self.bytes.push(b'J');
            self.bytes.extend_from_slice(&x.to_le_bytes());
        } else {
            // The shortest two's complement.
            let bytes = x.to_le_bytes();
            let fill = if x < 0 { 0xff } else { 0 };
            let mut len = 8;
            while len > 1 && bytes[len - 1] == fill && (bytes[len - 2] ^ fill) & 0x80 == 0 {
                len -= 1;
            }
            self.bytes.extend([0x8a, len as u8]);
            self.bytes.extend(&bytes[..len]);
        }
    }

    fn float(&mut self, x: f64) {
        self.bytes.push(b'G');
        self.bytes.extend(x.to_be_bytes());
    }

    /// Puts the opcodes from a position on into the memo, or what recalls them in their place if they were written before.
    fn memoise(&mut self, start: usize) -> u32 {
        match self.memo.get(&self.bytes[start..]) {
            Some(&index) => {
                self.bytes.truncate(start);
                self.recall(index);
                index
            }
            None => self.remember(self.bytes[start..].to_vec()),
        }
    }

    /// Writes what every tensor mentions.
    fn usual(&mut self, place: usize, write: impl FnOnce(&mut Pickler) -> u32) {
        match self.usual[place] {
            Some(index) => self.recall(index),
            None => self.usual[place] = Some(write(self)),
        }
    }

    /// Fetches what was remembered under a number.
    fn recall(&mut self, index: u32) {
        match u8::try_from(index) {
            Ok(index) => self.bytes.extend_from_slice(&[b'h', index]),
            Err(_) => {
                self.bytes.push(b'j');
                self.bytes.extend_from_slice(&index.to_le_bytes());
            }
        }
    }

    /// Puts what is on top of the stack into the memo. A key is the opcodes themselves, or a text that is none.
    fn remember(&mut self, key: Vec<u8>) -> u32 {
        let index = self.memo.len() as u32;
        match u8::try_from(index) {
            Ok(index) => self.bytes.extend_from_slice(&[b'q', index]),
            Err(_) => {
                self.bytes.push(b'r');
                self.bytes.extend_from_slice(&index.to_le_bytes());
            }
        }
        self.memo.insert(key, index);
        index
    }

    /// An instance of a class: made without arguments and given its attributes, or a call.
    fn object(&mut self, object: &Arc<Object>, depth: usize) -> Result<(), Error> {
        let plain =
            |text: &str| text.split('.').all(|p| !p.is_empty() && p.chars().all(|c| c == '_' || c.is_alphanumeric()));
        let Some((module, name)) = object.class.rsplit_once('.').filter(|_| plain(&object.class)) else {
            let what = format!("an object of class '{}', which is no dotted name of Python's", object.class);
            return Err(Error::Unwritable(what));
        };
        let Some(arguments) = &object.arguments else {
            self.global(module, name);
            return Ok(());
        };
        let key = format!("object {:p}", Arc::as_ptr(object)).into_bytes();
        if let Some(&index) = self.memo.get(&key) {
            self.recall(index);
            return Ok(());
        }
        self.global(module, name);
        self.tuple(arguments.len(), |p, i| p.value(&arguments[i], depth + 1))?;
        self.bytes.push(if arguments.is_empty() { 0x81 } else { b'R' });
        self.remember(key);
        if !object.attributes.is_empty() {
            self.dict(&object.attributes, depth + 1)?;
            self.bytes.push(b'b');
        }
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> u32 {
        let start = self.bytes.len();
        for part in ["c", module, "\n", name, "\n"] {
            self.bytes.extend_from_slice(part.as_bytes());
        }
        self.memoise(start)
    }

    fn text(&mut self, text: &str) -> Result<(), Error> {
        let len = u32::try_from(text.len()).map_err(|_| Error::Unwritable("a text of 4 GiB or more".to_owned()))?;
        let start = self.bytes.len();
        self.bytes.push(b'X');
        self.bytes.extend_from_slice(&len.to_le_bytes());
        self.bytes.extend_from_slice(text.as_bytes());
        if text.len() <= 64 {
            self.memoise(start);
        }
        Ok(())
    }

    /// A text of a few letters.
    fn word(&mut self, word: &'static str) -> u32 {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[b'X', word.len() as u8, 0, 0, 0]);
        self.bytes.extend_from_slice(word.as_bytes());
        self.memoise(start)
    }

    /// Bytes, which protocol 2 holds as text that is to be encoded.
    fn encoded(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.global("_codecs", "encode");
        let text: String = bytes.iter().map(|&b| b as char).collect();
        self.text(&text)?;
        self.text("latin1")?;
        self.bytes.extend([0x86, b'R']);
        Ok(())
    }

    fn list(&mut self, items: &[Value], depth: usize) -> Result<(), Error> {
        self.bytes.push(b']');
        for batch in items.chunks(1000) {
            self.bytes.push(b'(');
            for item in batch {
                self.value(item, depth + 1)?;
            }
            self.bytes.push(b'e');
        }
        Ok(())
    }

    fn tuple(
        &mut self,
        len: usize,
        mut item: impl FnMut(&mut Pickler, usize) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if len > 3 {
            self.bytes.push(b'(');
        }
        for i in 0..len {
            item(self, i)?;
        }
        self.bytes.push(match len {
            0 => b')',
            1..=3 => 0x84 + len as u8,
            _ => b't',
        });
        Ok(())
    }

    fn empty_ordered_dict(&mut self) {
        self.usual(ORDERED_DICT, |p| p.global("collections", "OrderedDict"));
        self.bytes.extend_from_slice(b")R");
    }

    fn dict(&mut self, dict: &Dict, depth: usize) -> Result<(), Error> {
        match dict.kind {
            DictKind::Ordered => self.empty_ordered_dict(),
            DictKind::Counter => {
                self.global("collections", "Counter");
                self.bytes.push(b'}');
            }
            _ => self.bytes.push(b'}'),
        }
        for batch in dict.entries.chunks(1000) {
            self.bytes.push(b'(');
            for (key, value) in batch {
                if !hashable(key) {
                    return Err(Error::Unwritable("a dict with a key that Python cannot hash".to_owned()));
                }
                self.value(key, depth + 1)?;
                self.value(value, depth + 1)?;
            }
            self.bytes.push(b'u');
        }
        if dict.kind == DictKind::Counter {
            self.bytes.extend([0x85, b'R']);
        }
        if dict.kind == DictKind::Ordered && !dict.attributes.is_empty() {
            self.bytes.extend(b"}(");
            for (name, value) in &dict.attributes {
                self.text(name)?;
                self.value(value, depth + 1)?;
            }
            self.bytes.extend(b"ub");
        }
        Ok(())
    }

    fn tensor(&mut self, tensor: &Tensor, requires_grad: bool) -> Result<(), Error> {
        if tensor.strides().iter().any(|&s| s < 0) {
            return self.tensor(&tensor.copy(), requires_grad);
        }
        let storage = tensor.storage();
        let next = self.storages.len();
        let key = *self.keys.entry(Arc::as_ptr(storage)).or_insert(next);
        if key == next {
            self.storages.push(storage.clone());
        }
        self.usual(REBUILD, |p| p.global("torch._utils", "_rebuild_tensor_v2"));
        self.bytes.extend_from_slice(b"((");
        self.usual(STORAGE, |p| p.word("storage"));
        let dtype = storage.dtype();
        self.usual(CLASSES + dtype as usize, |p| p.global("torch", storage_class(dtype)));
        // Not through the memo: every key occurs once per tensor and would fill it.
        let mut digits = [0; 20];
        let digits = decimal(key, &mut digits);
        self.bytes.extend_from_slice(&[b'X', digits.len() as u8, 0, 0, 0]);
        self.bytes.extend_from_slice(digits);
        self.usual(CPU, |p| p.word("cpu"));
        self.int(storage.len() as i64);
        self.bytes.extend_from_slice(b"tQ");
        self.int(tensor.layout().offset() as i64);
        self.tuple(tensor.rank(), |p, i| {
            p.int(tensor.shape()[i] as i64);
            Ok(())
        })?;
        self.tuple(tensor.rank(), |p, i| {
            p.int(tensor.strides()[i] as i64);
            Ok(())
        })?;
        self.bytes.push(if requires_grad { 0x88 } else { 0x89 });
        self.empty_ordered_dict();
        self.bytes.extend_from_slice(b"tR");
        Ok(())
    }
}

/// The decimal digits of a number.
fn decimal(mut number: usize, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}

/// Whether Python accepts the value as a key of a dict.
fn hashable(key: &Value) -> bool {
    match key {
        Value::List(_) | Value::Set(_) | Value::Dict(_) | Value::ByteArray(_) => false,
        Value::Tuple(items) => items.iter().all(hashable),
        _ => true,
    }
}

/// One entry of the directory to come.
struct Entry {
    /// Where its name ends among all of them.
    name: usize,
    flags: u16,
    crc: u32,
    size: u64,
    header: u64,
}

/// Writes an archive in one pass, so that it can go to any stream.
struct ArchiveWriter<'a> {
    out: &'a mut dyn Write,
    folder: &'a str,
    at: u64,
    entries: Vec<Entry>,
    /// The names of the entries, one behind the other.
    names: Vec<u8>,
    /// What precedes the record that is being written.
    head: Vec<u8>,
}

const WIDE: u64 = 0xffff_ffff;

impl ArchiveWriter<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.out.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// A record: header with zeros for what is not known yet, padding, data, descriptor.
    fn record(&mut self, name: &str, data: &[u8]) -> Result<(), Error> {
        self.record_of(&[name.as_bytes()], data)
    }

    /// The same, with its name in parts.
    fn record_of(&mut self, name: &[&[u8]], data: &[u8]) -> Result<(), Error> {
        let first = self.names.len();
        self.names.extend_from_slice(self.folder.as_bytes());
        self.names.push(b'/');
        name.iter().for_each(|part| self.names.extend_from_slice(part));
        let name = &self.names[first..];
        let (header, size) = (self.at, data.len() as u64);
        // Bit 3: sizes follow the data. Bit 11: the name is UTF-8. PyTorch's writer adds no descriptor to nothing.
        let flags: u16 = if size == 0 { 0x0800 } else { 0x0808 };
        let wide = size >= WIDE || header >= WIDE;
        // What follows a tag of two bytes and a length of two: none, one or two numbers of eight bytes.
        let numbers = match (size >= WIDE, header >= WIDE) {
            (true, _) => 20,
            (false, true) => 12,
            (false, false) => 0,
        };
        let start = header + 30 + name.len() as u64 + numbers as u64 + 4;
        let padding = (start.next_multiple_of(ALIGNMENT) - start) as usize;
        let head = &mut self.head;
        head.clear();
        head.extend_from_slice(b"PK\x03\x04\0\0");
        head.extend_from_slice(&flags.to_le_bytes());
        head.extend_from_slice(&[0; 2 + 4 + 12]);
        head.extend_from_slice(&(name.len() as u16).to_le_bytes());
        head.extend_from_slice(&((numbers + 4 + padding) as u16).to_le_bytes());
        head.extend_from_slice(name);
        if size >= WIDE {
            head.extend_from_slice(&[1, 0, 16, 0]);
            head.extend_from_slice(&size.to_le_bytes());
            head.extend_from_slice(&[0; 8]);
        } else if header >= WIDE {
            head.extend_from_slice(&[1, 0, 8, 0]);
            head.extend_from_slice(&header.to_le_bytes());
        }
        head.extend_from_slice(&[b'F', b'B', padding as u8, 0]);
        head.extend_from_slice(&[b'Z'; ALIGNMENT as usize][..padding]);
        self.out.write_all(&self.head)?;
        self.at += self.head.len() as u64;
        let mut crc = 0;
        if size < 1 << 20 {
            self.put(data)?;
            crc = crate::source::crc(data);
        } else {
            // The sum is for other threads while this one waits for the system.
            rayon::in_place_scope(|scope| {
                scope.spawn(|_| crc = crate::source::crc(data));
                self.put(data)
            })?;
        }
        if size > 0 {
            let mut descriptor = *b"PK\x07\x08....................";
            descriptor[4..8].copy_from_slice(&crc.to_le_bytes());
            let len = if wide { 8 } else { 4 };
            for at in [8, 8 + len] {
                descriptor[at..at + len].copy_from_slice(&size.to_le_bytes()[..len]);
            }
            self.put(&descriptor[..8 + 2 * len])?;
        }
        self.entries.push(Entry { name: self.names.len(), flags, crc, size, header });
        Ok(())
    }

    /// The directory and the three end records.
    fn finish(mut self) -> Result<(), Error> {
        let start = self.at;
        let mut directory = Vec::with_capacity(64 * self.entries.len() + self.names.len());
        let mut first = 0;
        for entry in &self.entries {
            let name = &self.names[first..entry.name];
            first = entry.name;
            let size_wide = entry.size >= WIDE;
            let numbers = 16 * usize::from(size_wide) + 8 * usize::from(entry.header >= WIDE);
            let extra = if numbers > 0 { numbers + 4 } else { 0 };
            let narrow = |x: u64| (x.min(WIDE) as u32).to_le_bytes();
            let mut fixed = *b"PK\x01\x02..........................................";
            fixed[4..].fill(0);
            fixed[8..10].copy_from_slice(&entry.flags.to_le_bytes());
            fixed[16..20].copy_from_slice(&entry.crc.to_le_bytes());
            fixed[20..24].copy_from_slice(&narrow(entry.size));
            fixed[24..28].copy_from_slice(&narrow(entry.size));
            fixed[28..30].copy_from_slice(&(name.len() as u16).to_le_bytes());
            fixed[30..32].copy_from_slice(&(extra as u16).to_le_bytes());
            fixed[42..46].copy_from_slice(&narrow(entry.header));
            directory.extend_from_slice(&fixed);
            directory.extend_from_slice(name);
            if extra > 0 {
                directory.extend_from_slice(&[1, 0, numbers as u8, 0]);
                if size_wide {
                    directory.extend_from_slice(&entry.size.to_le_bytes());
                    directory.extend_from_slice(&entry.size.to_le_bytes());
                }
                if entry.header >= WIDE {
                    directory.extend_from_slice(&entry.header.to_le_bytes());
                }
            }
        }
        let (count, size) = (self.entries.len() as u64, directory.len() as u64);
        let end = start + size;
        directory.extend(b"PK\x06\x06");
        directory.extend(44u64.to_le_bytes());
        directory.extend(0x031eu16.to_le_bytes());
        directory.extend(45u16.to_le_bytes());
        directory.extend([0; 8]);
        for field in [count, count, size, start] {
            directory.extend(field.to_le_bytes());
        }
        directory.extend(b"PK\x06\x07");
        directory.extend(0u32.to_le_bytes());
        directory.extend(end.to_le_bytes());
        directory.extend(1u32.to_le_bytes());
        directory.extend(b"PK\x05\x06");
        directory.extend([0; 4]);
        let short = (count.min(0xffff) as u16).to_le_bytes();
        directory.extend(short);
        directory.extend(short);
        directory.extend((size.min(WIDE) as u32).to_le_bytes());
        directory.extend((start.min(WIDE) as u32).to_le_bytes());
        directory.extend(0u16.to_le_bytes());
        self.put(&directory)?;
        Ok(self.out.flush()?)
    }
}
