//! A strict zip reader: the central directory decides, and every entry must agree with it.

use crate::Error;
use crate::source::{Source, crc, read_parallel, read_summed};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many times larger than its compressed form a record of `torch.save` may be.
const MAX_RATIO: u64 = 200;
/// The same for NumPy's archives: arrays of zeros are ordinary there, and deflate cannot do better than this. Their
/// reader inflates no record whose array does not need all of it.
const DEFLATE_RATIO: u64 = 1032;
/// All that an archive of `torch.save` may inflate to, besides a multiple of the file's size.
const INFLATED: u64 = 64 << 20;
/// That multiple: PyTorch never deflates, and weights that another program deflated hardly shrink.
const INFLATED_PER_BYTE: u64 = 16;

/// A record's place.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
    header: u64,
    data: u64,
}

impl Entry {
    /// The record's size.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Where its bytes are, if they lie in the file as they are.
    pub(crate) fn position(&self) -> Option<u64> {
        (self.method == 0).then_some(self.data)
    }
}

/// The records of an archive, by their names below the archive's folder.
pub(crate) struct Archive<'a> {
    source: &'a dyn Source,
    records: Arc<Records>,
}

/// What the directory says, apart from the file, so that a reader that keeps the file can keep it too.
pub(crate) struct Records {
    entries: HashMap<Arc<str>, Entry>,
    /// The keys of `entries` in the order of the directory.
    names: Vec<Arc<str>>,
    /// Bytes that records may still inflate to.
    inflatable: AtomicU64,
}

/// Where in the archive the records lie.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// In the folder of the first one, as `torch.save` puts them.
    Folder,
    /// Anywhere; their names are whole paths.
    Flat,
}

fn fail<T>(what: impl Into<String>) -> Result<T, Error> {
    Err(Error::corrupt("archive", what))
}

/// Little-endian fields of a checked buffer.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }
    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.0[at..at + 4].try_into().expect("four bytes"))
    }
    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.0[at..at + 8].try_into().expect("eight bytes"))
    }
}

/// Where the central directory is.
struct Directory {
    offset: u64,
    size: u64,
    count: u64,
}

impl<'a> Archive<'a> {
    /// Reads and checks the directory; no record is read.
    pub(crate) fn open(source: &'a dyn Source) -> Result<Archive<'a>, Error> {
        Archive::open_in(source, Place::Folder)
    }

    /// The same for an archive without a folder around its records.
    pub(crate) fn open_flat(source: &'a dyn Source) -> Result<Archive<'a>, Error> {
        Archive::open_in(source, Place::Flat)
    }

    /// The names of the records in the order of the directory.
    pub(crate) fn names(&self) -> &[Arc<str>] {
        &self.records.names
    }

    /// The archive whose directory was read before.
    pub(crate) fn with(source: &'a dyn Source, records: &Arc<Records>) -> Archive<'a> {
        Archive { source, records: records.clone() }
    }

    /// The directory.
    pub(crate) fn records(&self) -> &Arc<Records> {
        &self.records
    }

    fn open_in(source: &'a dyn Source, place: Place) -> Result<Archive<'a>, Error> {
        let ratio = match place {
            Place::Flat => DEFLATE_RATIO,
            Place::Folder => MAX_RATIO,
        };
        let inflatable = AtomicU64::new(INFLATED.saturating_add(source.len().saturating_mul(INFLATED_PER_BYTE)));
        let directory = find_directory(source)?;
        let size = usize::try_from(directory.size).or_else(|_| fail("the directory is larger than memory"))?;
        let bytes = source.read_vec(directory.offset, size)?;
        let mut all: Vec<(String, Entry)> = Vec::new();
        let mut at = 0;
        for _ in 0..directory.count {
            let (name, entry, next) = parse_entry(&bytes, at, ratio)?;
            at = next;
            all.push((name, entry));
        }
        if at != bytes.len() {
            return fail("the directory is longer than its entries");
        }
        let mut header = Vec::new();
        for (name, entry) in &mut all {
            check_local(source, name, entry, directory.offset, &mut header)?;
        }
        // No two records may overlap, and none may have the name of another.
        let mut order: Vec<&(String, Entry)> = all.iter().collect();
        order.sort_by_key(|(_, entry)| entry.header);
        for pair in order.windows(2) {
            if pair[1].1.header < pair[0].1.data + pair[0].1.packed {
                return fail(format!("records '{}' and '{}' overlap", pair[0].0, pair[1].0));
            }
        }
        let folder = match all.first().and_then(|(name, _)| name.split_once('/')) {
            _ if place == Place::Flat => String::new(),
            Some((folder, _)) => format!("{folder}/"),
            None => return fail("its first record lies in no folder, so torch.save did not write it"),
        };
        let mut seen = HashSet::with_capacity(all.len());
        for (name, _) in &all {
            let small = match name.bytes().any(|b| b.is_ascii_uppercase()) {
                true => Cow::Owned(name.to_ascii_lowercase()),
                false => Cow::Borrowed(name.as_str()),
            };
            if !seen.insert(small) {
                return fail(format!("two records are named '{name}'"));
            }
        }
        let mut entries = HashMap::with_capacity(all.len());
        let mut names = Vec::with_capacity(all.len());
        for (name, entry) in &all {
            if let Some(short) = name.strip_prefix(&folder).filter(|short| !short.ends_with('/')) {
                let short: Arc<str> = short.into();
                names.push(short.clone());
                entries.insert(short, entry.clone());
            }
        }
        Ok(Archive { source, records: Arc::new(Records { entries, names, inflatable }) })
    }

    /// The size of a record, if it is there.
    pub(crate) fn size(&self, name: &str) -> Option<u64> {
        self.records.entries.get(name).map(|e| e.size)
    }

    /// The bytes that a record takes in the file, if it is there.
    pub(crate) fn packed(&self, name: &str) -> Option<u64> {
        self.records.entries.get(name).map(|e| e.packed)
    }

    /// A record, if it is there.
    pub(crate) fn find(&self, name: &str) -> Option<&Entry> {
        self.records.entries.get(name)
    }

    /// The file.
    pub(crate) fn source(&self) -> &dyn Source {
        self.source
    }

    /// Pays for inflating a record.
    fn inflate(&self, name: &str, size: u64) -> Result<(), Error> {
        let rest =
            self.records.inflatable.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |rest| rest.checked_sub(size));
        match rest {
            Ok(_) => Ok(()),
            Err(rest) => fail(format!("record '{name}' inflates to {size} bytes, but only {rest} more are allowed")),
        }
    }

    /// A whole record, if it is there.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(entry) = self.find(name) else { return Ok(None) };
        // Bounded by the file: directly if stored, by the ratio if deflated (`parse_entry`). Zeros cost nothing yet.
        let mut out = vec![0; entry.size as usize];
        self.read_into(name, entry, &mut out)?;
        Ok(Some(out))
    }

    /// Fills a buffer of exactly the record's size and checks its CRC, unless none was computed. What is inflated is
    /// paid for.
    pub(crate) fn read_into(&self, name: &str, entry: &Entry, out: &mut [u8]) -> Result<(), Error> {
        if entry.method != 0 {
            self.inflate(name, entry.size)?;
        }
        self.fill(name, entry, 0, out)
    }

    /// A record's first bytes: so many, or all that it has.
    pub(crate) fn head(&self, name: &str, len: usize) -> Result<Vec<u8>, Error> {
        let entry = self.entry(name)?;
        let len = entry.size.min(len as u64) as usize;
        if entry.method == 0 {
            return Ok(self.source.read_vec(entry.data, len)?);
        }
        // Deflate's worst case is a little more than the data.
        let packed = self.source.read_vec(entry.data, entry.packed.min(2 * len as u64 + 1024) as usize)?;
        let mut out = vec![0; len];
        let mut inflate = flate2::read::DeflateDecoder::new(&packed[..]);
        inflate.read_exact(&mut out).map_err(|e| damaged(name, e))?;
        Ok(out)
    }

    /// Fills a buffer with what follows a record's first bytes, to its end, and checks the CRC of all of it, unless none
    /// was computed. What is inflated is not paid for: the caller knows that the buffer is needed.
    pub(crate) fn read_behind(&self, name: &str, skip: usize, out: &mut [u8]) -> Result<(), Error> {
        self.fill(name, self.entry(name)?, skip, out)
    }

    fn fill(&self, name: &str, entry: &Entry, skip: usize, out: &mut [u8]) -> Result<(), Error> {
        if (skip + out.len()) as u64 != entry.size {
            return Err(Error::corrupt(format!("record {name}"), "it has another size than expected"));
        }
        let mut before = vec![0; skip];
        let crc = if entry.method == 0 {
            self.source.read_at(entry.data, &mut before)?;
            let start = entry.data + skip as u64;
            if entry.crc == 0 {
                read_parallel(self.source, start, out)?;
                0
            } else {
                joined(&before, read_summed(self.source, start, out)?, out.len())
            }
        } else {
            let packed = self.source.read_vec(entry.data, entry.packed as usize)?;
            let mut inflate = flate2::read::DeflateDecoder::new(&packed[..]);
            inflate.read_exact(&mut before).map_err(|e| damaged(name, e))?;
            inflate.read_exact(out).map_err(|e| damaged(name, e))?;
            if inflate.read(&mut [0]).map_err(|e| damaged(name, e))? != 0 {
                return Err(Error::corrupt(format!("record {name}"), "it inflates to more than its size"));
            }
            if entry.crc == 0 { 0 } else { joined(&before, crc(out), out.len()) }
        };
        if crc != entry.crc {
            let what = format!("its CRC-32 is {crc:08x}, the archive says {:08x}", entry.crc);
            return Err(Error::corrupt(format!("record {name}"), what));
        }
        Ok(())
    }

    fn entry(&self, name: &str) -> Result<&Entry, Error> {
        self.find(name).ok_or_else(|| Error::corrupt(format!("record {name}"), "missing"))
    }
}

fn damaged(name: &str, error: std::io::Error) -> Error {
    Error::corrupt(format!("record {name}"), format!("cannot be inflated: {error}"))
}

/// The CRC-32 of some bytes and of others behind them, whose own is known.
fn joined(before: &[u8], behind: u32, len: usize) -> u32 {
    if before.is_empty() {
        return behind;
    }
    let mut all = crc32fast::Hasher::new();
    all.update(before);
    all.combine(&crc32fast::Hasher::new_with_initial_len(behind, len as u64));
    all.finalize()
}

/// Finds the directory from the end of the file, with the zip64 record if there is one.
fn find_directory(source: &dyn Source) -> Result<Directory, Error> {
    let len = source.len();
    let tail_len = len.min(65_557) as usize;
    let start = len - tail_len as u64;
    let tail = source.read_vec(start, tail_len)?;
    let fields = Fields(&tail);
    let end = (0..tail_len.saturating_sub(21))
        .rev()
        .find(|&i| tail[i..].starts_with(b"PK\x05\x06") && i + 22 + fields.u16(i + 20) as usize == tail_len);
    let Some(end) = end else {
        return fail("its end is missing: the file is truncated, or something was added to it");
    };
    let disks = [fields.u16(end + 4), fields.u16(end + 6)];
    let counts = [fields.u16(end + 8), fields.u16(end + 10)];
    let mut directory =
        Directory { count: counts[1] as u64, size: fields.u32(end + 12) as u64, offset: fields.u32(end + 16) as u64 };
    if counts[0] != counts[1] || disks.iter().any(|&d| d != 0 && d != 0xffff) {
        return fail("it is split over several files");
    }
    let mut directory_end = start + end as u64;
    if end >= 20 && tail[end - 20..].starts_with(b"PK\x06\x07") {
        let position = fields.u64(end - 12);
        if position.checked_add(56).is_none_or(|e| e > directory_end - 20) {
            return fail("its zip64 end lies outside the file");
        }
        let record = source.read_vec(position, 56)?;
        let wide = Fields(&record);
        if !record.starts_with(b"PK\x06\x06") || wide.u32(16) != 0 || wide.u32(20) != 0 || wide.u64(24) != wide.u64(32)
        {
            return fail("its zip64 end is damaged");
        }
        let found = Directory { count: wide.u64(32), size: wide.u64(40), offset: wide.u64(48) };
        let agree = |narrow: u64, limit: u64, wide: u64| narrow == limit || narrow == wide;
        if !agree(directory.count, 0xffff, found.count)
            || !agree(directory.size, 0xffff_ffff, found.size)
            || !agree(directory.offset, 0xffff_ffff, found.offset)
        {
            return fail("its two ends disagree");
        }
        directory = found;
        directory_end = position;
    }
    if directory.offset.checked_add(directory.size) != Some(directory_end) {
        return fail("its directory does not end where the end record begins");
    }
    if directory.count > directory.size / 46 {
        return fail("its directory is too short for its entries");
    }
    Ok(directory)
}

/// One entry of the directory: name, place, and where the next begins.
fn parse_entry(bytes: &[u8], at: usize, ratio: u64) -> Result<(String, Entry, usize), Error> {
    let short = || Error::corrupt("archive", "its directory ends within an entry");
    let fixed = bytes.get(at..at + 46).ok_or_else(short)?;
    let f = Fields(fixed);
    if !fixed.starts_with(b"PK\x01\x02") {
        return fail("its directory is damaged");
    }
    let (name_len, extra_len, comment_len) = (f.u16(28) as usize, f.u16(30) as usize, f.u16(32) as usize);
    let name_end = at + 46 + name_len;
    let extra_end = name_end + extra_len;
    let next = extra_end + comment_len;
    let name = bytes.get(at + 46..name_end).ok_or_else(short)?;
    let extra = bytes.get(name_end..extra_end).ok_or_else(short)?;
    if next > bytes.len() {
        return Err(short());
    }
    let name = std::str::from_utf8(name).or_else(|_| fail("a record's name is not UTF-8"))?.to_owned();
    let (flags, method) = (f.u16(8), f.u16(10));
    if flags & 1 != 0 {
        return fail(format!("record '{name}' is encrypted"));
    }
    if method != 0 && method != 8 {
        return Err(Error::Unsupported {
            what: format!("record '{name}', which is compressed by method {method},"),
            advice: "only stored and deflated records are read; unpack the archive and zip it again without compression",
        });
    }
    let mut entry = Entry {
        method,
        crc: f.u32(16),
        packed: f.u32(20) as u64,
        size: f.u32(24) as u64,
        header: f.u32(42) as u64,
        data: 0,
    };
    let wide = zip64_extra(extra);
    let mut rest = wide.unwrap_or(&[]);
    for field in [&mut entry.size, &mut entry.packed, &mut entry.header] {
        if *field == 0xffff_ffff && wide.is_some() {
            let Some((value, tail)) = rest.split_first_chunk::<8>() else {
                return fail(format!("the zip64 sizes of record '{name}' are missing"));
            };
            *field = u64::from_le_bytes(*value);
            rest = tail;
        }
    }
    if method == 0 && entry.packed != entry.size {
        return fail(format!("record '{name}' is stored but its two sizes differ"));
    }
    if method == 8 && entry.size > entry.packed.saturating_mul(ratio).saturating_add(1024) {
        let (size, packed) = (entry.size, entry.packed);
        return fail(format!("record '{name}' claims to inflate from {packed} to {size} bytes: refused"));
    }
    Ok((name, entry, next))
}

/// The contents of the zip64 field among the extra fields.
fn zip64_extra(mut extra: &[u8]) -> Option<&[u8]> {
    while let Some((head, rest)) = extra.split_first_chunk::<4>() {
        let len = u16::from_le_bytes([head[2], head[3]]) as usize;
        let field = rest.get(..len)?;
        if head[..2] == [1, 0] {
            return Some(field);
        }
        extra = &rest[len..];
    }
    None
}

/// Checks a record's local header, which it reads into a buffer, against the directory and finds its data.
fn check_local(
    source: &dyn Source,
    name: &str,
    entry: &mut Entry,
    directory: u64,
    header: &mut Vec<u8>,
) -> Result<(), Error> {
    let outside = || Error::corrupt("archive", format!("record '{name}' lies outside the file"));
    let fixed_len = 30 + name.len();
    if entry.header.checked_add(fixed_len as u64).is_none_or(|end| end > directory) {
        return Err(outside());
    }
    header.resize(fixed_len, 0);
    source.read_at(entry.header, header)?;
    let f = Fields(header);
    if !header.starts_with(b"PK\x03\x04") || f.u16(26) as usize != name.len() || header[30..] != *name.as_bytes() {
        return fail(format!("the header of record '{name}' does not agree with the directory"));
    }
    let described_later = f.u16(6) & 8 != 0;
    let agree = |narrow: u32, wide: u64| narrow == u32::MAX || narrow as u64 == wide;
    if f.u16(8) != entry.method
        || f.u16(6) & 1 != 0
        || !described_later
            && (f.u32(14) != entry.crc || !agree(f.u32(18), entry.packed) || !agree(f.u32(22), entry.size))
    {
        return fail(format!("the header of record '{name}' does not agree with the directory"));
    }
    entry.data = entry.header + (fixed_len + f.u16(28) as usize) as u64;
    if entry.data.checked_add(entry.packed).is_none_or(|end| end > directory) {
        return Err(outside());
    }
    Ok(())
}
