//! Random state dicts survive every format, and random damage to every format is an error or harmless.

use std::path::PathBuf;
use wengert_io::ReadOptions;
use wengert_io::tensor::{DType, StateDict, Tensor, Value};

const DTYPES: [DType; 10] = [
    DType::F64,
    DType::F32,
    DType::F16,
    DType::BF16,
    DType::I64,
    DType::I32,
    DType::I16,
    DType::I8,
    DType::U8,
    DType::Bool,
];

/// A small generator, so that the same inputs are tried every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 16) as usize % limit
    }

    fn tensor(&mut self) -> Tensor {
        let dtype = DTYPES[self.below(DTYPES.len())];
        let shape: Vec<usize> = (0..self.below(5)).map(|_| self.below(5)).collect();
        let bytes: Vec<u8> = (0..shape.iter().product::<usize>() * dtype.size()).map(|_| self.next() as u8).collect();
        Tensor::from_bytes(dtype, &shape, &bytes).expect("as many bytes as the shape has")
    }

    /// A view of the tensor: transposed, cut, stepped, turned around, or widened.
    fn view(&mut self, tensor: &Tensor) -> Tensor {
        if tensor.rank() == 0 {
            return tensor.expand([3, 2]);
        }
        let dim = self.below(tensor.rank());
        let (size, dim) = (tensor.shape()[dim], dim as isize);
        match self.below(5) {
            0 => tensor.transpose(dim, 0),
            1 if size > 0 => tensor.narrow(dim, self.below(size) as isize, 1),
            2 => tensor.slice(dim, Some(1), None, 2),
            3 => tensor.flip([dim]),
            _ if size > 0 => tensor.select(dim, self.below(size) as isize),
            _ => tensor.clone(),
        }
    }

    fn name(&mut self) -> String {
        const LETTERS: [&str; 12] = ["a", "B", "_", ".", "0", "weight", "é", "層", "😀", " ", "\"", "\\"];
        (0..1 + self.below(6)).map(|_| LETTERS[self.below(LETTERS.len())]).collect()
    }

    fn state(&mut self) -> StateDict {
        let mut state = StateDict::new();
        for _ in 0..self.below(12) {
            let known: Vec<Tensor> = state.values().cloned().collect();
            let tensor = match self.below(3) {
                0 if !known.is_empty() => known[self.below(known.len())].clone(),
                1 if !known.is_empty() => {
                    let number = self.below(known.len());
                    self.view(&known[number])
                }
                _ => self.tensor(),
            };
            state.insert(self.name(), tensor);
        }
        for _ in 0..self.below(3) {
            state.metadata.insert(self.name(), self.below(9) as i64);
        }
        state
    }
}

fn rounds(few: usize, full: usize) -> usize {
    if std::env::var_os("WENGERT_FULL").is_some() { full } else { few }
}

fn same(found: &StateDict, wanted: &StateDict, place: &str) {
    assert_eq!(found.len(), wanted.len(), "{place}");
    for (name, tensor) in wanted.iter() {
        let other = found.get(name).unwrap_or_else(|| panic!("{place}: '{name}' is missing"));
        assert_eq!(other.dtype(), tensor.dtype(), "{place}: {name}");
        assert_eq!(other.shape(), tensor.shape(), "{place}: {name}");
        assert_eq!(other.to_bytes(), tensor.to_bytes(), "{place}: {name}");
    }
}

#[test]
fn random_state_dicts_survive_torch_files() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..rounds(300, 10_000) {
        let state = random.state();
        let bytes = wengert_io::to_bytes(&Value::from(&state)).expect("plain tensors");
        let found = wengert_io::from_bytes(&bytes).expect("just written").to_state_dict().expect("a state dict");
        same(&found, &state, &format!("round {round}"));
        assert!(found.keys().eq(state.keys()), "round {round}: the order");
        assert_eq!(found.metadata, state.metadata, "round {round}");
        for (name, tensor) in state.iter() {
            // Negative strides are copied, since PyTorch has none; all others stay, and so does what is shared.
            if tensor.strides().iter().any(|&s| s < 0) {
                continue;
            }
            assert_eq!(found[name].strides(), tensor.strides(), "round {round}: {name}");
            for (other, shared) in state.iter().filter(|(_, t)| t.strides().iter().all(|&s| s >= 0)) {
                let alias = found[name].shares_storage(&found[other]);
                assert_eq!(alias, tensor.shares_storage(shared), "round {round}: {name} and {other}");
            }
        }
    }
}

#[test]
fn random_state_dicts_survive_the_other_formats_and_match_the_reference_writer() {
    let folder = std::env::temp_dir().join(format!("wengert-io-props-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for round in 0..rounds(20, 500) {
        let state = random.state();
        let path = folder.join("state.safetensors");
        wengert_io::save(&path, &state).expect("plain tensors");
        same(&wengert_io::load_state_dict(&path).expect("just written"), &state, &format!("round {round}"));
        let parts: Vec<_> = state.iter().map(|(name, t)| (name, t.dtype(), t.shape().to_vec(), t.to_bytes())).collect();
        let views = parts.iter().map(|(name, dtype, shape, bytes)| {
            use safetensors::Dtype::*;
            let theirs = [F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL];
            let theirs = theirs[DTYPES.iter().position(|d| d == dtype).expect("all are there")];
            (*name, safetensors::tensor::TensorView::new(theirs, shape.clone(), bytes).expect("plain tensors"))
        });
        let reference = safetensors::serialize(views, None).expect("plain tensors");
        assert!(std::fs::read(&path).expect("just written") == reference, "round {round}");
        // A name of an archive's record takes no bfloat16 apart from ml_dtypes' own; the rest is NumPy's.
        let path = folder.join("state.npz");
        wengert_io::save(&path, &state).expect("plain tensors");
        match wengert_io::load_state_dict(&path) {
            Ok(found) => same(&found, &state, &format!("round {round}, npz")),
            // Archives know no case, so names may not differ by it alone.
            Err(error) => assert!(error.to_string().contains("two records are named"), "round {round}: {error}"),
        }
    }
    std::fs::remove_dir_all(&folder).expect("ours");
}

/// Files of every kind that is read.
fn seeds() -> Vec<(PathBuf, Vec<u8>)> {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut paths = Vec::new();
    for folder in ["corpus/good", "corpus/refuse", "corpus/hostile", "files"] {
        for entry in std::fs::read_dir(tests.join(folder)).expect("the corpus") {
            paths.push(entry.expect("readable").path());
        }
    }
    paths.retain(|path| path.extension().is_some_and(|e| e != "json"));
    // In an order that no file system decides.
    paths.sort();
    let read = |path: PathBuf| (path.clone(), std::fs::read(path).expect("readable"));
    paths.into_iter().map(read).filter(|(_, bytes)| bytes.len() < 40_000).collect()
}

#[test]
fn random_damage_to_every_format_gives_errors_in_time() {
    let seeds = seeds();
    assert!(seeds.len() > 20, "{} seeds", seeds.len());
    let mut random = Random(0x1234_5678_9abc_def1);
    for round in 0..rounds(20_000, 300_000) {
        let (path, bytes) = &seeds[random.below(seeds.len())];
        let mut damaged = bytes.clone();
        for _ in 0..1 + random.below(4) {
            if damaged.is_empty() {
                break;
            }
            let at = random.below(damaged.len());
            match random.below(6) {
                0 => damaged[at] ^= 1 << random.below(8),
                1 => damaged[at] = random.next() as u8,
                2 => damaged[at] = [0, 1, 0x7f, 0x80, 0xff, b'(', b'R', b'h'][random.below(8)],
                3 => damaged.truncate(at),
                4 => drop(damaged.remove(at)),
                _ => {
                    // A part of it once more, elsewhere.
                    let part = damaged[at..damaged.len().min(at + 1 + random.below(64))].to_vec();
                    let to = random.below(damaged.len());
                    damaged.splice(to..to, part);
                }
            }
        }
        // CRCs would hide what lies behind them: most rounds claim that none was computed.
        if random.below(4) > 0 {
            clear_crcs(&mut damaged);
        }
        // Twice, since a machine that was suspended meanwhile is none of its doing.
        let slow = || {
            let start = std::time::Instant::now();
            let _ = wengert_io::from_bytes(&damaged);
            let _ = wengert_io::from_bytes_with(&damaged, ReadOptions { objects: true, widen: true });
            start.elapsed().as_secs() >= 5
        };
        assert!(!slow() || !slow(), "round {round} of {} takes too long", path.display());
    }
}

/// Sets the CRCs of an archive's directory and headers to 0, which says that there are none.
fn clear_crcs(bytes: &mut [u8]) {
    for i in 0..bytes.len().saturating_sub(30) {
        let field = match &bytes[i..i + 4] {
            b"PK\x01\x02" => i + 16,
            b"PK\x03\x04" => i + 14,
            _ => continue,
        };
        bytes[field..field + 4].fill(0);
    }
}
