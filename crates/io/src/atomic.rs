//! Replacing a file whole or not at all: write a sibling, flush it to the disk, rename it over the old one.

use crate::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

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
            return Err(Error::io(path, std::io::Error::other(kind)));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(Error::io(path, error)),
    };
    let name = target.file_name().ok_or_else(|| Error::io(path, std::io::Error::other("the path names no file")))?;
    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let (file, temporary) = create(&folder, name).map_err(|e| Error::io(path, e))?;
    let mut guard = Temporary(Some(temporary.clone()));
    if let Some(old) = old {
        file.set_permissions(old.permissions()).map_err(|e| Error::io(path, e))?;
    }
    let mut buffered = BufWriter::with_capacity(1 << 20, file);
    fill(&mut buffered)?;
    let file = buffered.into_inner().map_err(|e| Error::io(path, e.into_error()))?;
    file.sync_all().map_err(|e| Error::io(path, e))?;
    drop(file);
    fs::rename(&temporary, &target).map_err(|e| Error::io(path, e))?;
    guard.0 = None;
    // The rename itself must reach the disk. Not every system can open a folder for this.
    if let Ok(folder) = File::open(&folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// The path behind symbolic links, which need not exist.
fn follow(path: &Path) -> std::io::Result<PathBuf> {
    let mut target = path.to_owned();
    // As many links as Linux follows.
    for _ in 0..40 {
        match fs::read_link(&target) {
            // A relative link is relative to the folder that it lies in; an absolute one replaces all of it.
            Ok(link) => target = target.parent().unwrap_or(Path::new("")).join(link),
            Err(_) => return Ok(target),
        }
    }
    Err(std::io::Error::other("too many symbolic links"))
}

/// A new file beside the target, under a name that no other writer has.
fn create(folder: &Path, name: &std::ffi::OsStr) -> std::io::Result<(File, PathBuf)> {
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
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}
