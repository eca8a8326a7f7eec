//! Replacing a file whole or not at all: write a sibling, flush it to the disk, rename it over the old one.
//!
//! The flush takes longer than the writing, and to give back the space of a large old file takes long on some systems. So
//! another thread flushes while this one writes, and the old file is closed for the last time by one that nobody waits for.

use crate::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Bytes of a file that are worth another thread.
const MANY: usize = 4 << 20;

/// Removes a temporary file unless it became the real one.
struct Temporary(Option<PathBuf>);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // Nothing more can be done about a file that cannot be removed; the error that led here is reported.
            let _ = fs::remove_file(path);
        }
    }
}

/// Writes a file through `fill`; at every moment the path holds the old content or the new one, whole.
///
/// If the path is a symbolic link, it stays one, and the file that it points to is replaced or made. An existing file's
/// permissions are kept. What is neither a file nor absent (a folder, a device, a pipe) is refused.
pub(crate) fn replace(path: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<(), Error>) -> Result<(), Error> {
    let target = follow(path).map_err(|e| Error::io(path, e))?;
    let old = match fs::symlink_metadata(&target) {
        Ok(metadata) if metadata.is_file() => Some(metadata),
        Ok(metadata) => {
            let kind = if metadata.is_dir() { "is a folder, not a file" } else { "is a device or a pipe, not a file" };
            return Err(Error::io(path, io::Error::other(kind)));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(Error::io(path, error)),
    };
    let name = target.file_name().ok_or_else(|| Error::io(path, io::Error::other("the path names no file")))?;
    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let (file, temporary) = create(&folder, name).map_err(|e| Error::io(path, e))?;
    let mut guard = Temporary(Some(temporary.clone()));
    if let Some(old) = &old {
        file.set_permissions(old.permissions()).map_err(|e| Error::io(path, e))?;
    }
    let mut buffered = BufWriter::with_capacity(1 << 20, Flushed::new(file));
    fill(&mut buffered)?;
    let file = buffered.into_inner().map_err(|e| Error::io(path, e.into_error()))?;
    file.finish().map_err(|e| Error::io(path, e))?;
    // Elsewhere than on Unix a file that is open may be in the way of the new one.
    let large = old.filter(|old| cfg!(unix) && old.len() >= MANY as u64);
    let old = large.and_then(|_| File::open(&target).ok());
    fs::rename(&temporary, &target).map_err(|e| Error::io(path, e))?;
    guard.0 = None;
    // The rename itself must reach the disk. Not every system can open a folder for this.
    if let Ok(folder) = File::open(&folder) {
        let _ = folder.sync_all();
    }
    if let Some(old) = old {
        // Closes it in any case: here and now if there can be no other thread.
        let _ = thread::Builder::new().spawn(move || drop(old));
    }
    Ok(())
}

/// A file that goes to the disk while it is being written.
struct Flushed {
    file: Arc<File>,
    /// Bytes that were written since the other thread was told last.
    fresh: usize,
    /// There once there is something to do for it.
    flusher: Option<Flusher>,
}

/// The other thread, and how it is told that there is more.
struct Flusher {
    more: SyncSender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Flushed {
    fn new(file: File) -> Flushed {
        Flushed { file: Arc::new(file), fresh: 0, flusher: None }
    }

    /// Has another thread flush what was written so far. If there can be none, `finish` does it all.
    fn flush_on(&mut self) {
        self.fresh = 0;
        if self.flusher.is_none() {
            let (more, told) = sync_channel(1);
            let file = self.file.clone();
            let thread = thread::Builder::new().spawn(move || told.iter().try_for_each(|()| file.sync_data()));
            self.flusher = thread.ok().map(|thread| Flusher { more, thread });
        }
        if let Some(flusher) = &self.flusher {
            // If it was told before and has not begun, it will see this too; if it failed, `finish` says so.
            let _ = flusher.more.try_send(());
        }
    }

    /// Waits until all of the file is on the disk.
    fn finish(mut self) -> io::Result<()> {
        if let Some(Flusher { more, thread }) = self.flusher.take() {
            drop(more);
            // The system reports a failure once: what that thread was told would not be told here.
            thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that flushes the file panicked")))?;
        }
        self.file.sync_all()
    }
}

impl Write for Flushed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Of a large tensor a part, so that the disk can begin with it.
        let count = self.file.as_ref().write(&bytes[..bytes.len().min(MANY)])?;
        self.fresh += count;
        if self.fresh >= MANY {
            self.flush_on();
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The path behind symbolic links, which need not exist.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_owned();
    // As many links as Linux follows.
    for _ in 0..40 {
        match fs::read_link(&target) {
            // A relative link is relative to the folder that it lies in; an absolute one replaces all of it.
            Ok(link) => target = target.parent().unwrap_or(Path::new("")).join(link),
            Err(_) => return Ok(target),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// A new file beside the target, under a name that no other writer has.
fn create(folder: &Path, name: &std::ffi::OsStr) -> io::Result<(File, PathBuf)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let mut temporary = std::ffi::OsString::from(".");
        // Systems allow names of 255 bytes; a long one leaves no room for more.
        if name.len() <= 200 {
            temporary.push(name);
        }
        temporary.push(format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        let path = folder.join(temporary);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}
