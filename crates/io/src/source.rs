//! Where bytes come from: memory, or a file that is read at positions.

use std::fs::File;
use std::io;
use std::path::Path;

/// Bytes of known length that can be read anywhere.
pub(crate) trait Source {
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
}

impl Source for FileSource {
    fn len(&self) -> u64 {
        self.len
    }

    #[cfg(unix)]
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, buffer, position)
    }

    #[cfg(not(unix))]
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = &self.file;
        file.seek(SeekFrom::Start(position))?;
        file.read_exact(buffer)
    }
}
