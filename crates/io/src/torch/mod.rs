//! PyTorch's own formats: the zip archive of 1.6 and later, and the stream of before.

pub(crate) mod budget;
pub(crate) mod build;
pub(crate) mod global;
pub(crate) mod legacy;
pub(crate) mod pickle;
pub(crate) mod write;
pub(crate) mod zip;

use crate::elements::Elements;
use crate::source::Source;
use crate::{Error, ReadOptions};
use build::{Builder, Order, Storages};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use wengert_tensor::{Storage, Tensor, Value};
use zip::Archive;

/// The folder inside the archive, as `torch.save` names it: the file's name without its last ending.
pub(crate) fn archive_name(path: &Path) -> String {
    match path.file_stem().and_then(|stem| stem.to_str()) {
        Some(stem) if stem.is_ascii() && !stem.starts_with('.') => stem.to_owned(),
        _ => "archive".to_owned(),
    }
}

/// Whether a file begins as an archive whose records are not NumPy's.
pub(crate) fn detect(head: &[u8], len: u64) -> bool {
    head.starts_with(b"PK\x03\x04") && !crate::npz::detect(head, len)
}

/// Reads a zip archive.
pub(crate) fn load_zip(source: &dyn Source, options: ReadOptions) -> Result<Value, Error> {
    Catalog::archive(source, unknown(options))?.value(source, options.widen)
}

/// What becomes of classes that are not on the list.
fn unknown(options: ReadOptions) -> pickle::Unknown {
    if options.objects { pickle::Unknown::Keep } else { pickle::Unknown::Refuse }
}

/// The same for the stream of before 1.6.
pub(crate) fn load_stream(source: &dyn Source, options: ReadOptions) -> Result<Value, Error> {
    Catalog::stream(source, unknown(options))?.value(source, options.widen)
}

/// What a file holds besides its storages.
pub(crate) struct Catalog {
    graph: pickle::Graph,
    root: pickle::Id,
    data: Data,
}

/// Where the storages are.
enum Data {
    Archive { records: Arc<zip::Records>, order: Order },
    Stream(HashMap<String, u64>),
}

impl Catalog {
    /// Reads what precedes the storages of a stream.
    pub(crate) fn stream(source: &dyn Source, unknown: pickle::Unknown) -> Result<Catalog, Error> {
        let legacy::Stream { graph, root, places } = legacy::Stream::read(source, unknown)?;
        Ok(Catalog { graph, root, data: Data::Stream(places) })
    }

    /// Reads an archive's directory and pickle.
    pub(crate) fn archive(source: &dyn Source, unknown: pickle::Unknown) -> Result<Catalog, Error> {
        let archive = Archive::open(source)?;
        if archive.size("constants.pkl").is_some() {
            return Err(Error::Unsupported {
                what: "a TorchScript archive".to_owned(),
                advice: "it holds a program; in Python, load it with torch.jit.load and save its state_dict()",
            });
        }
        let Some(pickle) = archive.read("data.pkl")? else {
            let any = |start: &str| archive.names().iter().any(|name| name.starts_with(start));
            return Err(if archive.size("archive_format").is_some() {
                Error::Unsupported {
                    what: "a program of torch.export (PT2 archive)".to_owned(),
                    advice: "in Python, load it with torch.export.load and save its state_dict",
                }
            } else if any(".data/extern_modules") || any(".data/python_version") {
                Error::Unsupported {
                    what: "a torch.package archive".to_owned(),
                    advice: "in Python, load it with torch.package.PackageImporter and save the state_dict()",
                }
            } else {
                Error::corrupt("archive", "it has no record data.pkl, so torch.save did not write it")
            });
        };
        check_version(&archive)?;
        let order = match archive.read("byteorder")?.as_deref() {
            None | Some(b"little") => Order::Little,
            Some(b"big") => Order::Big,
            Some(_) => return Err(Error::corrupt("record byteorder", "it is neither 'little' nor 'big'")),
        };
        let stored = archive.packed("data.pkl").unwrap_or(0);
        let budget = budget::Budget::new(stored, pickle.len() as u64);
        let (graph, root, _) = pickle::parse_within(&pickle, 0, pickle::Dialect::Zip, budget, unknown)?;
        Ok(Catalog { graph, root, data: Data::Archive { records: archive.records().clone(), order } })
    }

    /// The names of the tensors, keys and positions joined by dots, and their nodes.
    pub(crate) fn tensors(&self) -> Result<Vec<(String, pickle::Id)>, Error> {
        let mut list = Vec::new();
        build::list(&self.graph, self.root, &mut list)?;
        Ok(list)
    }

    /// Shape and dtype.
    pub(crate) fn describe(&self, id: pickle::Id) -> (Vec<usize>, global::Item) {
        match &self.graph.nodes[id as usize] {
            pickle::Node::Tensor(node) => {
                let item = self.graph.storages[node.storage].elements_are();
                (node.shape.iter().map(|&s| s as usize).collect(), item)
            }
            _ => (Vec::new(), global::UNTYPED),
        }
    }

    /// Everything.
    fn value(&self, source: &dyn Source, widen: bool) -> Result<Value, Error> {
        self.build(source, widen, |mut builder| builder.value(self.root))
    }

    /// Reads some of the tensors; those that share a storage share it here.
    pub(crate) fn load(&self, source: &dyn Source, ids: &[pickle::Id], widen: bool) -> Result<Vec<Tensor>, Error> {
        self.build(source, widen, |mut builder| builder.tensors(ids))
    }

    fn build<T>(&self, source: &dyn Source, widen: bool, make: impl FnOnce(Builder<'_>) -> T) -> T {
        match &self.data {
            Data::Archive { records, order } => {
                let archive = Archive::with(source, records);
                make(Builder::new(&self.graph, &mut DataRecords { archive: &archive, order: *order }, widen))
            }
            Data::Stream(places) => make(Builder::new(&self.graph, &mut legacy::Parts { source, places }, widen)),
        }
    }
}

fn check_version(archive: &Archive<'_>) -> Result<(), Error> {
    let text = archive.read("version")?.unwrap_or_default();
    let version = std::str::from_utf8(&text).ok().and_then(|t| t.trim().parse::<u32>().ok());
    match version {
        Some(1..=10) => Ok(()),
        Some(other) => Err(Error::Unsupported {
            what: format!("version {other} of PyTorch's file format"),
            advice: "versions 1 to 10 are known; save it with PyTorch 2.x",
        }),
        None => Err(Error::corrupt("record version", "it is missing or no number")),
    }
}

/// Storages as records `data/KEY`.
struct DataRecords<'a, 'b> {
    archive: &'a Archive<'b>,
    order: Order,
}

impl Storages for DataRecords<'_, '_> {
    fn load(&mut self, key: &str, numel: u64, elements: Elements) -> Result<Arc<Storage>, Error> {
        let record = format!("data/{key}");
        let place = || format!("record {record}");
        let entry = self
            .archive
            .find(&record)
            .ok_or_else(|| Error::corrupt(place(), "a tensor needs it, but it is missing"))?;
        let size = entry.size();
        if numel.checked_mul(elements.size() as u64) != Some(size) {
            let what = format!("it has {size} bytes, but {numel} elements of {} bytes are expected", elements.size());
            return Err(Error::corrupt(place(), what));
        }
        if matches!(self.order, Order::Little)
            && let Some(position) = entry.position()
            && let Some(storage) = elements.show(self.archive.source(), position, numel as usize)
        {
            return Ok(Arc::new(storage));
        }
        let fill = |out: &mut [u8]| self.archive.read_into(&record, entry, out);
        Ok(Arc::new(elements.storage(numel as usize, self.order, fill)?))
    }
}
