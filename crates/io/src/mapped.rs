//! Files whose bytes are shown where the system maps them, instead of being copied: the one file here with unsafe code.

use crate::source::{FileSource, Source};
use crate::{Checkpoint, Error, ReadOptions, checkpoint};
use memmap2::Mmap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use wengert_tensor::Value;

/// A mapped file.
pub(crate) struct Mapped(Arc<Mmap>);

impl Mapped {
    /// Maps a file for reading.
    ///
    /// # Safety
    /// As [`load_mapped`].
    unsafe fn open(path: &Path) -> io::Result<Mapped> {
        let file = FileSource::open(path)?.into_file();
        // SAFETY: the caller promises that nobody changes the file as long as the map lives.
        Ok(Mapped(Arc::new(unsafe { Mmap::map(&file)? })))
    }
}

impl Source for Mapped {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<()> {
        crate::source::Bytes(&self.0).read_at(position, buffer)
    }

    fn shown(&self) -> Option<Arc<dyn AsRef<[u8]> + Send + Sync>> {
        Some(self.0.clone())
    }
}

/// Loads a checkpoint without copying its tensors: they show the file's bytes where the system maps them.
///
/// It takes as long as reading the description; bytes come from the disk when they are first used, and the system may
/// drop them again, so that a file larger than memory can be used. Several processes share one copy. A tensor that is
/// written to gets memory of its own first; the file is never changed. What PyTorch's files, safetensors, `.npy` and native
/// files hold as this machine would is shown; everything else (deflated or big-endian records, elements that are not
/// aligned, as in most files of before PyTorch 1.6, `bool` bytes other than 0 and 1, `.npz`) is read as
/// [`load`](crate::load) reads it. Checksums of tensors that are shown are not looked at, as by `torch.load(mmap=True)`.
///
/// # Safety
/// Nobody, in this process or another, may write to the file, cut it short or replace its content in place as long as a
/// tensor of it, or of a view of it, lives. Otherwise tensors change under the program, which is undefined
/// behaviour, and reading behind a new end kills the process (`SIGBUS`). Neither can be detected, so use it for files
/// that stay as they are: weights that were downloaded, not the checkpoint that a running job saves. The saves of this
/// crate are harmless, since they make a new file and leave the old one to those who have it open; writing in place, as
/// `torch.save` does, is not. A file on a network or a removable disk can vanish likewise.
///
/// # Errors
/// As [`load`](crate::load), except for damage to the tensors' own bytes, which nobody looks for.
///
/// # Examples
/// ```
/// use wengert_io::tensor::{StateDict, Tensor, Value};
/// let state: StateDict = [("weight", Tensor::from_vec(vec![1.0f32, 2.0], [2]))].into_iter().collect();
/// let path = std::env::temp_dir().join(format!("wengert-doc-mapped-{}.pt", std::process::id()));
/// wengert_io::save(&path, &state)?;
/// // SAFETY: the file is new, its name is this process's own, and nothing writes to it.
/// let value = unsafe { wengert_io::load_mapped(&path)? };
/// let mut weight = value.get("weight").and_then(Value::as_tensor).unwrap().clone();
/// weight.as_mut_slice::<f32>()[0] = 5.0; // in memory of its own
/// assert_eq!(value.to_state_dict().unwrap()["weight"].to_vec::<f32>(), [1.0, 2.0]);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), wengert_io::Error>(())
/// ```
pub unsafe fn load_mapped(path: impl AsRef<Path>) -> Result<Value, Error> {
    let path = path.as_ref();
    if checkpoint::is_index(path) {
        // SAFETY: the caller promises it for the index's files as well.
        return Ok(unsafe { Checkpoint::open_mapped(path)? }.load(&Default::default())?.into());
    }
    // SAFETY: the caller promises it.
    let file = unsafe { Mapped::open(path) }.map_err(|e| Error::io(path, e))?;
    let extension = path.extension().and_then(|e| e.to_str());
    crate::format::load(&file, extension, ReadOptions::default()).map_err(|e| e.in_file(path))
}

impl Checkpoint {
    /// Opens a file as [`Checkpoint::open`] does, for tensors that show its bytes instead of copying them: see
    /// [`load_mapped`], of which all holds here.
    ///
    /// # Safety
    /// As [`load_mapped`]; if the path names an index, for the files that it names.
    ///
    /// # Errors
    /// As [`load_mapped`].
    pub unsafe fn open_mapped(path: impl AsRef<Path>) -> Result<Checkpoint, Error> {
        Checkpoint::open_with(path.as_ref(), &|path| {
            // SAFETY: the caller promises it for every file that is opened here.
            Ok(Box::new(unsafe { Mapped::open(path)? }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use wengert_tensor::{DType, StateDict, Tensor};

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("wengert-io-mapped-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        path
    }

    fn map(path: &Path) -> Result<Value, Error> {
        // SAFETY: nothing writes to the files of these tests while they are mapped.
        unsafe { load_mapped(path) }
    }

    fn is_shown(tensor: &Tensor) -> bool {
        tensor.storage().is_shown()
    }

    #[test]
    fn mapped_files_equal_those_that_are_read() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
        let mut count = 0;
        for folder in ["good", "refuse", "hostile"] {
            for entry in std::fs::read_dir(corpus.join(folder)).expect("the corpus") {
                let path = entry.expect("readable").path();
                if path.extension().is_none_or(|e| e == "json") {
                    continue;
                }
                match (crate::load(&path), map(&path)) {
                    (Ok(read), Ok(mapped)) => {
                        let bytes = |value: &Value| crate::to_native_bytes(value).expect("plain data");
                        assert!(bytes(&read) == bytes(&mapped), "{}", path.display());
                        count += 1;
                    }
                    // What is not looked at is not found.
                    (Err(error), Ok(_)) => assert!(error.to_string().contains("CRC-32"), "{error}"),
                    (Ok(_), Err(error)) => panic!("{error}"),
                    (Err(read), Err(mapped)) => assert_eq!(read.to_string(), mapped.to_string()),
                }
            }
        }
        assert!(count > 40, "{count} files");
    }

    #[test]
    fn tensors_show_the_file_until_they_are_written() {
        let folder = folder("shown");
        let weight = Tensor::from_vec((0..6).map(|i| i as f32).collect(), [2, 3]);
        let flags = Tensor::from_vec(vec![true, false], [2]);
        let state: StateDict =
            [("weight", weight.clone()), ("tied", weight.t()), ("flags", flags)].into_iter().collect();
        for ending in ["pt", "safetensors", "wgt"] {
            let path = folder.join(format!("net.{ending}"));
            crate::save(&path, &state).expect("writable");
            let before = std::fs::read(&path).expect("just written");
            let mut found = map(&path).expect("just written").to_state_dict().expect("a state dict");
            assert!(["weight", "tied", "flags"].iter().all(|name| is_shown(&found[*name])), "{ending}");
            let mut own = found["weight"].clone();
            own.as_mut_slice::<f32>()[0] = 9.0;
            // The only one that has its storage.
            let mut flags = found.remove("flags").expect("there");
            flags.as_mut_slice::<bool>()[1] = true;
            assert!(!is_shown(&own) && !is_shown(&flags), "{ending}");
            assert_eq!(own.to_vec::<f32>(), [9.0, 1.0, 2.0, 3.0, 4.0, 5.0], "{ending}");
            assert_eq!(found["tied"].to_vec::<f32>(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0], "{ending}");
            assert_eq!(flags.to_vec::<bool>(), [true, true], "{ending}");
            assert!(std::fs::read(&path).expect("there") == before, "{ending}");
        }
        let path = folder.join("one.npy");
        crate::save(&path, weight).expect("writable");
        assert!(is_shown(map(&path).expect("just written").as_tensor().expect("a tensor")));
        std::fs::remove_dir_all(&folder).expect("ours");
    }

    #[test]
    fn what_is_saved_over_a_mapped_file_leaves_it_as_it_was() {
        let folder = folder("replaced");
        let path = folder.join("net.pt");
        let state = |x: f32| [("w", Tensor::from_vec(vec![x; 100], [100]))].into_iter().collect::<StateDict>();
        crate::save(&path, state(1.0)).expect("writable");
        let old = map(&path).expect("just written").to_state_dict().expect("a state dict");
        // A mapped state goes back to the path it came from.
        crate::save(&path, &old).expect("writable");
        crate::save(&path, state(2.0)).expect("writable");
        assert_eq!(old["w"].to_vec::<f32>(), [1.0; 100]);
        assert_eq!(crate::load_state_dict(&path).expect("just written")["w"].to_vec::<f32>(), [2.0; 100]);
        std::fs::remove_dir_all(&folder).expect("ours");
    }

    #[test]
    fn parts_of_mapped_checkpoints_are_shown_and_bytes_that_do_not_fit_are_copied() {
        let folder = folder("parts");
        let state: StateDict = [("a", Tensor::from_vec(vec![1i64, 2], [2])), ("b", Tensor::from_vec(vec![3i16], [1]))]
            .into_iter()
            .collect();
        crate::save(folder.join("part.safetensors"), &state).expect("writable");
        let index = r#"{"weight_map": {"a": "part.safetensors", "b": "part.safetensors"}}"#;
        std::fs::write(folder.join("model.safetensors.index.json"), index).expect("writable");
        // SAFETY: nothing writes to the files while they are mapped.
        let file =
            unsafe { Checkpoint::open_mapped(folder.join("model.safetensors.index.json")) }.expect("just written");
        assert!(is_shown(&file.tensor("a").expect("undamaged").expect("there")));
        let options = crate::LoadOptions { dtype: Some(DType::F32), ..Default::default() };
        assert_eq!(file.load(&options).expect("undamaged")["b"].to_vec::<i16>(), [3]);
        // A header that is not padded leaves numbers at odd places.
        let header = br#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
        let odd = [&(header.len() as u64 + 1).to_le_bytes()[..], header, b" ", &2.5f32.to_le_bytes()].concat();
        std::fs::write(folder.join("odd.safetensors"), odd).expect("writable");
        let odd = map(&folder.join("odd.safetensors")).expect("legal").to_state_dict().expect("a state dict");
        assert!(!is_shown(&odd["x"]));
        assert_eq!(odd["x"].to_vec::<f32>(), [2.5]);
        std::fs::remove_dir_all(&folder).expect("ours");
    }
}
