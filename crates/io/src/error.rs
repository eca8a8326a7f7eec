//! What can go wrong with a checkpoint, where, and what to do about it.

use std::path::{Path, PathBuf};
use wengert_tensor::Value;

/// An error of reading or writing a checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused to read or write.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A stream failed.
    #[error("the stream failed: {0}")]
    Stream(#[from] std::io::Error),
    /// An error in a file.
    #[error("{path}: {source}", path = path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// The content is no checkpoint that is known here.
    #[error("not a checkpoint: {0}")]
    UnknownFormat(&'static str),
    /// The file is one of a kind that is not data, or of data that tensors here cannot hold.
    #[error("{what} is not supported: {advice}")]
    Unsupported {
        /// What was found.
        what: String,
        /// What to do.
        advice: &'static str,
    },
    /// The file holds an object of a class, or a function, that is no data. [`load_module_tree`](crate::load_module_tree)
    /// reads such files.
    #[error("{what} is not supported: {advice}, or read the file with load_module_tree")]
    NotData {
        /// What was found.
        what: String,
        /// What to do.
        advice: &'static str,
    },
    /// The file is damaged, or was made to mislead.
    #[error("damaged checkpoint: {place}: {what}")]
    Corrupt {
        /// The record and, in a pickle, the byte.
        place: String,
        /// What is wrong there.
        what: String,
    },
    /// A file that should be a state dict holds something else.
    #[error("not a state dict: {0}")]
    NotAStateDict(String),
    /// Tensors should go where there is nothing.
    #[error("cannot load to this device: {0}")]
    Device(#[source] wengert_tensor::Error),
    /// Data that the format cannot hold.
    #[error("cannot be saved in this format: {0}")]
    Unwritable(String),
}

/// A text of a file in a message, which need not be as long as the file.
pub(crate) fn short(mut text: String) -> String {
    const LEN: usize = 1000;
    if text.len() > LEN {
        text.truncate(text.floor_char_boundary(LEN));
        text.push('…');
    }
    text
}

impl Error {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Error {
        Error::Io { path: path.to_owned(), source }
    }

    /// The error with the file's name in front, unless it has one.
    pub(crate) fn in_file(self, path: &Path) -> Error {
        match self {
            Error::Io { .. } | Error::InFile { .. } => self,
            Error::Stream(source) => Error::io(path, source),
            other => Error::InFile { path: path.to_owned(), source: Box::new(other) },
        }
    }

    pub(crate) fn corrupt(place: impl Into<String>, what: impl Into<String>) -> Error {
        Error::Corrupt { place: short(place.into()), what: short(what.into()) }
    }

    /// Describes what a file holds instead of a state dict.
    pub(crate) fn not_a_state_dict(value: &Value) -> Error {
        let Some(dict) = value.as_dict() else {
            return Error::NotAStateDict("the file holds no dict".to_owned());
        };
        // A state dict but for some entries, such as a module's extra state.
        let others: Vec<String> = dict
            .iter()
            .filter(|(key, entry)| key.as_str().is_none() || entry.as_tensor().is_none())
            .map(|(key, _)| match key.as_tensor() {
                None => key.to_string(),
                Some(_) => "a tensor".to_owned(),
            })
            .collect();
        if 2 * others.len() <= dict.len() && !others.is_empty() {
            let more = if others.len() > 8 { ", …" } else { "" };
            let list = others.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ");
            return Error::NotAStateDict(format!(
                "{} of the {} entries are no tensors under names: {list}{more}; read the others with \
                 `Checkpoint::open`, or everything with `load`",
                others.len(),
                dict.len()
            ));
        }
        let mut parts = Vec::new();
        for (key, entry) in dict.iter().take(8) {
            let inner = if entry.to_state_dict().is_some_and(|s| !s.is_empty()) { " (a state dict)" } else { "" };
            parts.push(match key.as_str() {
                Some(key) => format!("'{key}'{inner}"),
                None => format!("a key that is no text{inner}"),
            });
        }
        let more = if dict.len() > 8 { ", …" } else { "" };
        let list = parts.join(", ");
        Error::NotAStateDict(format!("the file is a dict with {list}{more}; load it with `load` and take the entry"))
    }
}
