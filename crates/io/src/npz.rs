//! NumPy's `.npz`: a zip archive with one `.npy` per array.

use crate::source::Source;
use crate::torch::zip::{Archive, Records};
use crate::{Error, npy};
use std::io::Write;
use std::sync::Arc;
use wengert_tensor::{StateDict, Tensor, Value};

/// Whether an archive's first record is an array, or there is none at all, as in an empty `.npz`.
pub(crate) fn detect(head: &[u8], _len: u64) -> bool {
    if head.starts_with(b"PK\x05\x06") {
        return true;
    }
    let Some(len) = head.get(26..28) else { return false };
    let name = head.get(30..30 + u16::from_le_bytes([len[0], len[1]]) as usize);
    head.starts_with(b"PK\x03\x04") && name.is_some_and(|name| name.ends_with(b".npy"))
}

/// An archive whose arrays are read when they are asked for.
pub(crate) struct Arrays {
    records: Arc<Records>,
    /// In the order of the archive.
    pub(crate) names: Vec<String>,
}

impl Arrays {
    pub(crate) fn open(source: &dyn Source) -> Result<Arrays, Error> {
        let archive = Archive::open_flat(source)?;
        let name = |record: &Arc<str>| match record.strip_suffix(".npy") {
            Some(name) => Ok(name.to_owned()),
            None => Err(Error::corrupt("npz", format!("record '{record}' is no .npy"))),
        };
        let names = archive.names().iter().map(name).collect::<Result<_, _>>()?;
        Ok(Arrays { records: archive.records().clone(), names })
    }

    /// What one says of itself.
    pub(crate) fn header(&self, source: &dyn Source, name: &str) -> Result<npy::Header, Error> {
        let (archive, record) = (Archive::with(source, &self.records), format!("{name}.npy"));
        // Nearly all are this short, and inflating more of thousands of records takes its time.
        if let Ok(header) = npy::parse(&archive.head(&record, 256)?) {
            return Ok(header);
        }
        npy::parse(&archive.head(&record, npy::MAX_HEAD)?).map_err(|error| in_array(name, error))
    }

    /// Reads one.
    pub(crate) fn read(&self, source: &dyn Source, name: &str, widen: bool) -> Result<Tensor, Error> {
        let archive = Archive::with(source, &self.records);
        let record = format!("{name}.npy");
        let size = archive.size(&record).unwrap_or_default();
        let head = archive.head(&record, npy::MAX_HEAD)?;
        let tensor = npy::read(&head, size, widen, |start, out| archive.read_behind(&record, start, out));
        tensor.map_err(|error| in_array(name, error))
    }
}

/// An error of one array with its name.
fn in_array(name: &str, error: Error) -> Error {
    match error {
        Error::Corrupt { place, what } if place == "npy" => Error::corrupt(format!("array '{name}'"), what),
        Error::Unsupported { what, advice } => Error::Unsupported { what: format!("array '{name}': {what}"), advice },
        other => other,
    }
}

/// The arrays by name, in the order of the archive.
pub(crate) fn load(source: &dyn Source, widen: bool) -> Result<Value, Error> {
    let arrays = Arrays::open(source)?;
    let mut state = StateDict::new();
    for name in &arrays.names {
        state.insert(name.as_str(), arrays.read(source, name, widen)?);
    }
    Ok(state.into())
}

const WIDE: u64 = 0xffff_ffff;

/// Writes a value that is a state dict: stored, not compressed, as `numpy.savez` does.
pub(crate) fn save(value: &Value, out: &mut dyn Write, _name: &str) -> Result<(), Error> {
    let state = value
        .to_state_dict()
        .ok_or_else(|| Error::Unwritable("an .npz file holds only named tensors; save other data as .pt".to_owned()))?;
    let mut at = 0u64;
    let mut directory = Vec::new();
    for (name, tensor) in state.iter() {
        let data = npy::encode(name, tensor)?;
        let name = format!("{name}.npy");
        let len = u16::try_from(name.len()).map_err(|_| Error::Unwritable("a name of 64 KiB or more".to_owned()))?;
        let (crc, size, position) = (crc32fast::hash(&data), data.len() as u64, at);
        let narrow = |x: u64| (x.min(WIDE) as u32).to_le_bytes();
        // What both headers have in common: zip64, UTF-8 names, stored, the first day that the format knows.
        let mut common = vec![45, 0, 0, 8, 0, 0, 0, 0, 0x21, 0];
        common.extend(crc.to_le_bytes());
        let mut local = b"PK\x03\x04".to_vec();
        local.extend(&common);
        local.extend([0xff; 8]);
        local.extend(len.to_le_bytes());
        local.extend(20u16.to_le_bytes());
        local.extend(name.as_bytes());
        local.extend([1, 0, 16, 0]);
        local.extend(size.to_le_bytes());
        local.extend(size.to_le_bytes());
        out.write_all(&local)?;
        out.write_all(&data)?;
        at += local.len() as u64 + size;

        let mut extra = Vec::new();
        for field in [size, size, position] {
            if field >= WIDE {
                extra.extend(field.to_le_bytes());
            }
        }
        directory.extend(b"PK\x01\x02");
        directory.extend([45, 0]);
        directory.extend(&common);
        directory.extend(narrow(size));
        directory.extend(narrow(size));
        directory.extend(len.to_le_bytes());
        directory.extend((if extra.is_empty() { 0u16 } else { extra.len() as u16 + 4 }).to_le_bytes());
        directory.extend([0; 2 + 2 + 2 + 4]);
        directory.extend(narrow(position));
        directory.extend(name.as_bytes());
        if !extra.is_empty() {
            directory.extend([1, 0]);
            directory.extend((extra.len() as u16).to_le_bytes());
            directory.extend(extra);
        }
    }
    let (count, size) = (state.len() as u64, directory.len() as u64);
    if count >= 0xffff || at >= WIDE {
        let end = at + size;
        directory.extend(b"PK\x06\x06");
        directory.extend(44u64.to_le_bytes());
        directory.extend([45, 0, 45, 0]);
        directory.extend([0; 8]);
        for field in [count, count, size, at] {
            directory.extend(field.to_le_bytes());
        }
        directory.extend(b"PK\x06\x07");
        directory.extend([0; 4]);
        directory.extend(end.to_le_bytes());
        directory.extend(1u32.to_le_bytes());
    }
    directory.extend(b"PK\x05\x06");
    directory.extend([0; 4]);
    let short = (count.min(0xffff) as u16).to_le_bytes();
    directory.extend(short);
    directory.extend(short);
    directory.extend((size.min(WIDE) as u32).to_le_bytes());
    directory.extend((at.min(WIDE) as u32).to_le_bytes());
    directory.extend([0; 2]);
    out.write_all(&directory)?;
    Ok(out.flush()?)
}
