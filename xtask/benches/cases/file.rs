//! Checkpoints: VGG-16's 553 MB, and 10,000 tensors of 1 KB, in the folder `BENCH_DATA`; `vgg16.safetensors` as such.
//!
//! `write` leaves the file to the system's cache, as PyTorch does; `save` has it on the disk.

use super::{Case, Name};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use wengert_io::{Checkpoint, Format};
use wengert_tensor::{StateDict, Tensor, Value};

pub(super) fn find(name: &Name<'_>) -> Option<Case> {
    if name.family != "file" {
        return None;
    }
    let folder = std::env::var_os("BENCH_DATA").map_or_else(std::env::temp_dir, PathBuf::from);
    std::fs::create_dir_all(&folder).ok()?;
    // PyTorch's format if the name has no ending.
    let (content, ending) = name.part(0).split_once('.').unwrap_or((name.part(0), "pt"));
    let path = folder.join(format!("wengert-{content}.{ending}"));
    let state = match content {
        "vgg16" => vgg16(),
        count => (0..count.parse::<usize>().ok()?).map(|i| (format!("layer{i}.weight"), filled(&[256]))).collect(),
    };
    let bytes: usize = state.values().map(|t| t.numel() * 4).sum();
    let value = Value::from(&state);
    let save = move || wengert_io::save(&path, state.clone()).expect("the folder can be written");
    let saved = folder.join(format!("wengert-{content}.{ending}"));
    let run = match name.part(1) {
        "save" => return Some(Case::new(save).bytes(bytes)),
        "write" => {
            let format = if ending == "pt" { Format::Torch } else { Format::Safetensors };
            let write = move || {
                let mut stream = BufWriter::new(File::create(&saved).expect("the folder can be written"));
                wengert_io::write_as(&value, format, &mut stream).expect("the file can be written");
                stream.flush().expect("the file can be written");
            };
            return Some(Case::new(write).bytes(bytes));
        }
        "load" => Case::new(move || wengert_io::load_state_dict(&saved).expect("just saved")),
        "lazy" => Case::new(move || Checkpoint::open(&saved).expect("just saved")),
        "mapped" => Case::new(move || {
            let state = mapped(&saved);
            // Look at every number: what is mapped has not been read before.
            state.values().map(|tensor| tensor.sum(()).item::<f64>()).sum::<f64>()
        }),
        _ => return None,
    };
    save();
    Some(run.bytes(bytes))
}

/// The benches' one piece of unsafe code: a promise that only whoever knows the file can give.
#[allow(unsafe_code)]
fn mapped(path: &Path) -> StateDict {
    // SAFETY: this process alone knows the file, and writes it only as a new one.
    let value = unsafe { wengert_io::load_mapped(path) }.expect("just saved");
    value.to_state_dict().expect("a state dict was saved")
}

fn filled(shape: &[usize]) -> Tensor {
    let n = shape.iter().product();
    Tensor::from_vec((0..n).map(|i: usize| i as f32 * 1e-9).collect(), shape)
}

/// The shapes of torchvision's VGG-16.
fn vgg16() -> StateDict {
    let mut state = StateDict::new();
    let (mut inputs, mut index) = (3, 0);
    for (convs, outputs) in [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)] {
        for _ in 0..convs {
            state.insert(format!("features.{index}.weight"), filled(&[outputs, inputs, 3, 3]));
            state.insert(format!("features.{index}.bias"), filled(&[outputs]));
            (inputs, index) = (outputs, index + 2);
        }
        index += 1;
    }
    for (index, outputs, inputs) in [(0, 4096, 25088), (3, 4096, 4096), (6, 1000, 4096)] {
        state.insert(format!("classifier.{index}.weight"), filled(&[outputs, inputs]));
        state.insert(format!("classifier.{index}.bias"), filled(&[outputs]));
    }
    state
}
