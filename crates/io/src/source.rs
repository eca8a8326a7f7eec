//! Where bytes come from: memory, or a file that is read at positions, from several threads at once.

use rayon::prelude::*;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use wengert_tensor::{DType, Storage};

/// Bytes that one thread reads at a time: enough that a system call costs nothing, few enough to be still in the cache
/// when they are summed.
const CHUNK: usize = 1 << 20;

/// A file of at most so many bytes is read whole.
pub(crate) const SMALL: u64 = 16 << 20;

/// Fills a buffer from a position, in parallel if it is large.
pub(crate) fn read_parallel(source: &dyn Source, position: u64, out: &mut [u8]) -> io::Result<()> {
    if out.len() <= CHUNK {
        return source.read_at(position, out);
    }
    out.par_chunks_mut(CHUNK).enumerate().try_for_each(|(i, part)| source.read_at(position + (i * CHUNK) as u64, part))
}

/// The same, and the CRC-32 of what was read.
pub(crate) fn read_summed(source: &dyn Source, position: u64, out: &mut [u8]) -> io::Result<u32> {
    let sum = |at: u64, part: &mut [u8]| {
        source.read_at(at, part)?;
        let mut crc = crc32fast::Hasher::new();
        crc.update(part);
        Ok::<_, io::Error>(crc)
    };
    if out.len() <= CHUNK {
        return Ok(sum(position, out)?.finalize());
    }
    let parts = out.par_chunks_mut(CHUNK).enumerate().map(|(i, part)| sum(position + (i * CHUNK) as u64, part));
    // In order, whatever thread was first: sums of parts are joined by their lengths.
    let sums: Vec<_> = parts.collect::<io::Result<_>>()?;
    let mut all = crc32fast::Hasher::new();
    sums.iter().for_each(|part| all.combine(part));
    Ok(all.finalize())
}

/// The CRC-32 of bytes, in parallel if they are many.
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    if bytes.len() <= CHUNK {
        return crc32fast::hash(bytes);
    }
    let sum = |part: &[u8]| {
        let mut crc = crc32fast::Hasher::new();
        crc.update(part);
        crc
    };
    let sums: Vec<_> = bytes.par_chunks(CHUNK).map(sum).collect();
    let mut all = crc32fast::Hasher::new();
    sums.iter().for_each(|part| all.combine(part));
    all.finalize()
}

/// Bytes of known length that can be read anywhere.
pub(crate) trait Source: Sync {
    /// The number of bytes.
    fn len(&self) -> u64;

    /// Fills a buffer from a position; fails if the source ends before.
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// A part as a vector. The caller has checked that it lies inside, so that the length is at most the source's.
    fn read_vec(&self, position: u64, len: usize) -> io::Result<Vec<u8>> {
        if position.checked_add(len as u64).is_none_or(|end| end > self.len()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut out = vec![0; len];
        self.read_at(position, &mut out)?;
        Ok(out)
    }

    /// What keeps all bytes in memory, if they are to be shown there instead of being copied.
    fn shown(&self) -> Option<Arc<dyn AsRef<[u8]> + Send + Sync>> {
        None
    }
}

/// A source that lives by itself.
pub(crate) type Opened = Box<dyn Source + Send>;

/// A storage that shows the source's own little-endian bytes, where they may be shown and lie as elements must.
pub(crate) fn show(source: &dyn Source, position: u64, dtype: DType, len: usize) -> Option<Storage> {
    if cfg!(target_endian = "big") {
        return None;
    }
    Storage::from_shown(dtype, len, source.shown()?, usize::try_from(position).ok()?)
}

/// Bytes in memory.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Source for Bytes<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(position).ok();
        let part = start.and_then(|s| self.0.get(s..s.checked_add(buffer.len())?));
        buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// A file.
pub(crate) struct FileSource {
    file: File,
    len: u64,
}

impl FileSource {
    pub(crate) fn open(path: &Path) -> io::Result<FileSource> {
        // Before opening: that of a pipe waits for a writer.
        let metadata = std::fs::metadata(path)?;
        if !metadata.is_file() {
            let kind = if metadata.is_dir() { "is a folder, not a file" } else { "is a device or a pipe, not a file" };
            return Err(io::Error::other(kind));
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        Ok(FileSource { len: metadata.len(), file })
    }

    /// All of it, into memory that need not be cleared before.
    pub(crate) fn read_all(self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut &self.file, &mut bytes)?;
        Ok(bytes)
    }

    /// The file itself.
    pub(crate) fn into_file(self) -> File {
        self.file
    }
}

impl Source for FileSource {
    fn len(&self) -> u64 {
        self.len
    }

    #[cfg(unix)]
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, buffer, position)
    }

    #[cfg(windows)]
    fn read_at(&self, mut position: u64, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            match std::os::windows::fs::FileExt::seek_read(&self.file, buffer, position)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => {
                    buffer = &mut buffer[count..];
                    position += count as u64;
                }
            }
        }
        Ok(())
    }
}
