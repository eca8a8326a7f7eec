//! [`Checkpoint`]: an open file whose tensors are listed at once and read when they are asked for.

use crate::elements::Elements;
use crate::source::{FileSource, Opened, Source};
use crate::{Error, ReadOptions, elements, format, npy, npz, safetensors, torch};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use wengert_tensor::{DType, Device, StateDict, Tensor, Value};

/// A tensor of a file, as described there.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TensorInfo {
    /// The keys and positions that lead to it, joined by dots: `model.0.weight`. A key that is neither text nor a number is
    /// `<key 3>` by its place.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its dtype, or `None` if tensors here do not have it.
    pub dtype: Option<DType>,
    /// What the file calls its dtype.
    pub dtype_name: String,
    /// The dtype that [`LoadOptions::widen`] reads it as: the same unless tensors here do not have it, `None` if it cannot
    /// be read at all.
    pub widened: Option<DType>,
}

impl TensorInfo {
    fn new(
        name: String,
        shape: Vec<usize>,
        dtype: Option<DType>,
        dtype_name: &str,
        wide: Option<Elements>,
    ) -> TensorInfo {
        TensorInfo { name, shape, dtype, dtype_name: dtype_name.to_owned(), widened: wide.map(Elements::dtype) }
    }
}

/// What to load of a checkpoint, and how. By default everything, as it is.
#[derive(Clone, Copy, Default)]
pub struct LoadOptions<'a> {
    /// Which tensors, by their names in the file.
    pub keep: Option<&'a dyn Fn(&str) -> bool>,
    /// What to call them, by their names in the file.
    pub rename: Option<&'a dyn Fn(&str) -> String>,
    /// What to convert floating-point tensors to; others stay as they are.
    pub dtype: Option<DType>,
    /// Whether to read dtypes that tensors here do not have as wider ones; see [`ReadOptions::widen`](crate::ReadOptions).
    pub widen: bool,
    /// Where to put the tensors, as `torch.load(map_location=…)`; by default on the CPU, whatever the file says.
    pub device: Option<Device>,
}

/// A checkpoint whose names, shapes and dtypes are known, and whose tensors are still in the file.
///
/// Only the description is read, whatever the size of the file; native files are read whole. Tensors of dtypes that
/// tensors here do not have are listed like all others, and only asking for them is an error. A path that ends in
/// `.index.json` opens the files that it names, which hold one state dict together.
///
/// # Examples
/// ```
/// use wengert_io::{Checkpoint, LoadOptions, tensor::{DType, StateDict, Tensor}};
/// let mut state = StateDict::new();
/// state.insert("body.weight", Tensor::from_vec(vec![1.0f32, 2.0], [2]));
/// state.insert("head.weight", Tensor::from_vec(vec![3.0f32], [1]));
/// let path = std::env::temp_dir().join(format!("wengert-doc-{}.pt", std::process::id()));
/// wengert_io::save(&path, &state)?;
///
/// let file = Checkpoint::open(&path)?;
/// assert_eq!(file.tensors()[1].name, "head.weight");
/// assert_eq!(file.tensors()[1].shape, [1]);
/// // Only what belongs to the body is read.
/// let body = file.load(&LoadOptions {
///     keep: Some(&|name| name.starts_with("body.")),
///     rename: Some(&|name| name.replacen("body.", "", 1)),
///     dtype: Some(DType::F64),
///     ..LoadOptions::default()
/// })?;
/// assert_eq!(body["weight"].to_vec::<f64>(), [1.0, 2.0]);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), wengert_io::Error>(())
/// ```
pub struct Checkpoint {
    tensors: Vec<TensorInfo>,
    /// The tensors' positions by name.
    places: HashMap<String, usize>,
    content: Content,
    path: std::path::PathBuf,
}

/// Where the tensors are.
enum Content {
    Torch {
        file: Opened,
        catalog: torch::Catalog,
        ids: Vec<u32>,
    },
    Safetensors {
        file: Opened,
        header: safetensors::Header,
    },
    Npy(Opened),
    Npz {
        file: Opened,
        arrays: npz::Arrays,
    },
    /// Those of formats that are read whole.
    Whole(Vec<Tensor>),
    /// The file of each tensor, and its position there.
    Shards {
        files: Vec<Checkpoint>,
        places: Vec<(usize, usize)>,
    },
}

impl Checkpoint {
    /// Opens a file and reads what it says of its tensors.
    ///
    /// # Errors
    /// As [`crate::load`], except for damage to the tensors' own bytes, which is found when they are read.
    pub fn open(path: impl AsRef<Path>) -> Result<Checkpoint, Error> {
        Checkpoint::open_with(path.as_ref(), &|path| Ok(Box::new(FileSource::open(path)?)))
    }

    /// The same through a way to open files.
    pub(crate) fn open_with(path: &Path, source: Opener<'_>) -> Result<Checkpoint, Error> {
        let (tensors, content) = open(path, source).map_err(|e| e.in_file(path))?;
        let places = tensors.iter().enumerate().map(|(i, info)| (info.name.clone(), i)).collect();
        Ok(Checkpoint { tensors, places, content, path: path.to_owned() })
    }

    /// The tensors in the order of the file.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// Reads one tensor; `None` if the file has none of that name.
    ///
    /// # Errors
    /// If its bytes are damaged or its dtype is not supported.
    pub fn tensor(&self, name: &str) -> Result<Option<Tensor>, Error> {
        let Some(&place) = self.places.get(name) else { return Ok(None) };
        Ok(self.read(&[place], false).map_err(|e| e.in_file(&self.path))?.pop())
    }

    /// Reads some of the tensors. Those that share memory in the file share it here, unless they are converted.
    ///
    /// # Errors
    /// If one of them cannot be read, or if two are given one name; then nothing is loaded.
    pub fn load(&self, options: &LoadOptions<'_>) -> Result<StateDict, Error> {
        let kept = |info: &TensorInfo| options.keep.is_none_or(|keep| keep(&info.name));
        let places: Vec<usize> = (0..self.tensors.len()).filter(|&i| kept(&self.tensors[i])).collect();
        let mut state = StateDict::new();
        for (&place, tensor) in places.iter().zip(self.read(&places, options.widen).map_err(|e| e.in_file(&self.path))?)
        {
            let name = &self.tensors[place].name;
            let name = options.rename.map_or_else(|| name.clone(), |rename| rename(name));
            let tensor = match options.dtype {
                Some(dtype) if tensor.dtype().is_float() => {
                    if elements::is_bomb(&tensor) {
                        let what = format!("converting tensor '{name}', whose shape {:?} repeats", tensor.shape());
                        let what = format!("{what} {} bytes,", tensor.storage().as_bytes().len());
                        let advice = "load it as it is, and convert what it repeats";
                        return Err(Error::Unsupported { what, advice }.in_file(&self.path));
                    }
                    tensor.to(dtype)
                }
                _ => tensor,
            };
            let tensor = match options.device {
                Some(device) => tensor.to_device(device).map_err(Error::Device)?,
                None => tensor,
            };
            if state.contains_key(&name) {
                return Err(Error::NotAStateDict(format!("two tensors are named '{name}'")).in_file(&self.path));
            }
            state.insert(name, tensor);
        }
        Ok(state)
    }

    fn read(&self, places: &[usize], widen: bool) -> Result<Vec<Tensor>, Error> {
        let infos = || places.iter().map(|&place| &self.tensors[place]);
        match &self.content {
            Content::Torch { file, catalog, ids } => {
                let closed = infos().filter(|info| if widen { info.widened } else { info.dtype }.is_none());
                elements::refuse(closed.map(|info| (info.name.as_str(), info.dtype_name.as_str())))?;
                catalog.load(&**file, &places.iter().map(|&place| ids[place]).collect::<Vec<_>>(), widen)
            }
            Content::Safetensors { file, header } => {
                safetensors::refuse(places.iter().map(|&place| &header.entries[place]), widen)?;
                places.iter().map(|&place| safetensors::tensor(&**file, &header.entries[place], widen)).collect()
            }
            Content::Npy(file) => infos().map(|_| npy::tensor(&**file, widen)).collect(),
            Content::Npz { file, arrays } => infos().map(|info| arrays.read(&**file, &info.name, widen)).collect(),
            Content::Whole(tensors) => Ok(places.iter().map(|&place| tensors[place].clone()).collect()),
            Content::Shards { files, places: of } => {
                let mut out = vec![None; places.len()];
                for (number, file) in files.iter().enumerate() {
                    // Together, so that tensors of one file still share their storages.
                    let mine: Vec<usize> = (0..places.len()).filter(|&i| of[places[i]].0 == number).collect();
                    let there: Vec<usize> = mine.iter().map(|&i| of[places[i]].1).collect();
                    let tensors = file.read(&there, widen).map_err(|e| e.in_file(&file.path))?;
                    mine.into_iter().zip(tensors).for_each(|(i, tensor)| out[i] = Some(tensor));
                }
                Ok(out.into_iter().map(|tensor| tensor.expect("every place is in one of the files")).collect())
            }
        }
    }
}

/// How a file is opened.
type Opener<'a> = &'a dyn Fn(&Path) -> std::io::Result<Opened>;

fn open(path: &Path, opener: Opener<'_>) -> Result<(Vec<TensorInfo>, Content), Error> {
    if is_index(path) {
        return open_shards(path, opener);
    }
    let file = opener(path)?;
    let mut head = vec![0; file.len().min(512) as usize];
    file.read_at(0, &mut head)?;
    let unknown = torch::pickle::Unknown::Refuse;
    let catalog = if torch::detect(&head, file.len()) {
        Some(torch::Catalog::archive(&*file, unknown)?)
    } else if torch::legacy::after_magic(&head).is_some() {
        Some(torch::Catalog::stream(&*file, unknown)?)
    } else {
        None
    };
    if let Some(catalog) = catalog {
        let (mut tensors, mut ids) = (Vec::new(), Vec::new());
        for (name, id) in catalog.tensors()? {
            let (shape, item) = catalog.describe(id);
            tensors.push(TensorInfo::new(name, shape, item.dtype, item.name, item.elements(true)));
            ids.push(id);
        }
        return Ok((tensors, Content::Torch { file, catalog, ids }));
    }
    if safetensors::detect(&head, file.len()) {
        let header = safetensors::Header::read(&*file)?;
        let describe = |entry: &safetensors::Entry| {
            let (name, shape) = (entry.name.clone(), entry.shape.clone());
            TensorInfo::new(name, shape, entry.dtype(), entry.dtype_name(), entry.elements(true))
        };
        return Ok((header.entries.iter().map(describe).collect(), Content::Safetensors { file, header }));
    }
    let array = |name: &str, header: npy::Header| {
        let (dtype, wide) = (header.dtype(), header.elements(true));
        TensorInfo::new(name.to_owned(), header.shape.clone(), dtype, header.dtype_name(), wide)
    };
    if npz::detect(&head, file.len()) {
        let arrays = npz::Arrays::open(&*file)?;
        let infos = arrays.names.iter().map(|name| Ok(array(name, arrays.header(&*file, name)?)));
        let infos = infos.collect::<Result<_, Error>>()?;
        return Ok((infos, Content::Npz { file, arrays }));
    }
    if head.starts_with(npy::MAGIC) {
        let info = array("", npy::header(&*file)?);
        return Ok((vec![info], Content::Npy(file)));
    }
    let value = format::load(&*file, path.extension().and_then(|e| e.to_str()), ReadOptions::default())?;
    let (mut infos, mut tensors) = (Vec::new(), Vec::new());
    flatten(&value, "", &mut |name, tensor: &Tensor| {
        let (shape, dtype) = (tensor.shape().to_vec(), tensor.dtype());
        infos.push(TensorInfo::new(name, shape, Some(dtype), dtype.name(), Some(Elements::Own(dtype))));
        tensors.push(tensor.clone());
    });
    Ok((infos, Content::Whole(tensors)))
}

/// Calls for each tensor below a value, whose depth its reader has bounded.
fn flatten(value: &Value, name: &str, each: &mut impl FnMut(String, &Tensor)) {
    let below = |part: &str| if name.is_empty() { part.to_owned() } else { format!("{name}.{part}") };
    if let Some(tensor) = value.as_tensor() {
        each(name.to_owned(), tensor);
    }
    for (i, item) in value.as_slice().into_iter().flatten().enumerate() {
        flatten(item, &below(&i.to_string()), each);
    }
    for (i, (key, item)) in value.as_dict().into_iter().flat_map(|dict| dict.iter()).enumerate() {
        let part = match key {
            Value::Str(key) => key.clone(),
            Value::Int(_) | Value::Float(_) => key.to_string(),
            _ => format!("<key {i}>"),
        };
        flatten(item, &below(&part), each);
    }
}

/// Whether a path names the index of a state dict that lies in several files.
pub(crate) fn is_index(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(".index.json"))
}

/// The largest index that is read: a million names.
const MAX_INDEX: u64 = 256 << 20;

/// A JSON object whose keys are all different: of two equal ones nobody knows which is meant.
fn unique<'de, D: serde::Deserializer<'de>>(json: D) -> Result<BTreeMap<String, String>, D::Error> {
    struct Entries;
    impl<'de> serde::de::Visitor<'de> for Entries {
        type Value = BTreeMap<String, String>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object of file names")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut out = BTreeMap::new();
            while let Some((name, file)) = map.next_entry::<String, String>()? {
                if let Some((name, _)) = out.remove_entry(&name) {
                    return Err(serde::de::Error::custom(format!("the name '{name}' occurs twice")));
                }
                out.insert(name, file);
            }
            Ok(out)
        }
    }
    json.deserialize_map(Entries)
}

fn open_shards(path: &Path, opener: Opener<'_>) -> Result<(Vec<TensorInfo>, Content), Error> {
    let fail = |what: String| Err(Error::corrupt("index", what));
    let source = FileSource::open(path)?;
    if source.len() > MAX_INDEX {
        return fail(format!("{} bytes", source.len()));
    }
    let text = source.read_vec(0, source.len() as usize)?;
    #[derive(serde::Deserialize)]
    struct Index {
        #[serde(deserialize_with = "unique")]
        weight_map: BTreeMap<String, String>,
    }
    let index: Index = serde_json::from_slice(&text).map_err(|e| Error::corrupt("index", e.to_string()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut files = Vec::new();
    for name in index.weight_map.values() {
        if numbers.contains_key(name.as_str()) {
            continue;
        }
        // A name beside the index, and nothing else: an index must not reach into other folders.
        let plain = Path::new(name).file_name() == Some(std::ffi::OsStr::new(name)) && !name.contains(['/', '\\', ':']);
        if !plain || is_index(Path::new(name)) {
            return fail(format!("'{name}' is no name of a file beside it"));
        }
        numbers.insert(name, files.len());
        files.push(Checkpoint::open_with(&folder.join(name), opener)?);
    }
    let (mut tensors, mut places) = (Vec::new(), Vec::new());
    for (number, file) in files.iter().enumerate() {
        for (place, info) in file.tensors.iter().enumerate() {
            let wanted = index.weight_map.get(&info.name).and_then(|name| numbers.get(name.as_str()));
            if wanted == Some(&number) {
                tensors.push(info.clone());
                places.push((number, place));
            }
        }
    }
    if let Some(missing) = index.weight_map.iter().find(|(name, file)| {
        numbers.get(file.as_str()).is_none_or(|&number| !files[number].places.contains_key(name.as_str()))
    }) {
        return fail(format!("tensor '{}' is not in '{}'", missing.0, missing.1));
    }
    Ok((tensors, Content::Shards { files, places }))
}
