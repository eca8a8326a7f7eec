//! What can be wrong with a data file.

use std::path::PathBuf;

/// A data file that cannot be read, or is not what it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be opened or read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// None of the names under which a file is looked for exists.
    #[error("no {name} or {name}.gz in {folder}; put the four IDX files of the data set there")]
    Missing {
        /// The file's usual name.
        name: String,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// The compressed data is damaged.
    #[error("{path}: damaged gzip data: {source}")]
    Gzip {
        /// The file, or what the bytes are.
        path: PathBuf,
        /// What the decoder says.
        source: std::io::Error,
    },
    /// The contents are not in the expected format.
    #[error("{path}: {what}")]
    Format {
        /// The file, or what the bytes are.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}
