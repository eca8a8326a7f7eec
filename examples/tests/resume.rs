//! Resuming is exact, and results do not depend on the number of threads: bit for bit, through files on disk.

use nets::nets::lenet_bn;
use nets::train::{accuracy, train_epoch};
use std::path::Path;
use wengert_data::{DataLoader, DataLoaderOptions, FashionMnist, TensorDataset};
use wengert_nn::Module;
use wengert_optim::{Adam, AdamOptions};
use wengert_tensor::{DType, Value, get_rng_state, manual_seed, set_rng_state};

/// Trains until `epochs` are done, from a checkpoint if there is one, and saves; returns the file's parts.
fn program(path: &Path, resume: bool, epochs: i64) -> Value {
    manual_seed(0);
    let net = lenet_bn();
    manual_seed(1);
    let data = FashionMnist::embedded();
    let loader = |images: &wengert_tensor::Tensor, labels: &wengert_tensor::Tensor, shuffle| {
        let dataset = TensorDataset::new([images.narrow(0, 0, 160), labels.narrow(0, 0, 160)]);
        DataLoader::new(dataset, DataLoaderOptions { batch_size: 32, shuffle, ..DataLoaderOptions::default() })
    };
    let mut train = loader(&data.train_images, &data.train_labels, true);
    let mut test = loader(&data.test_images, &data.test_labels, false);
    let mut optimizer = Adam::new(net.parameters(), AdamOptions::default());
    let mut done = 0;
    if resume {
        let saved = wengert_io::load(path).expect("saved before");
        net.load_state_dict(&saved.get("model").and_then(Value::to_state_dict).expect("state")).expect("fits");
        optimizer.load_state_dict(saved.get("optimizer").expect("there")).expect("fits");
        set_rng_state(saved.get("rng_state").and_then(Value::as_tensor).expect("tensor")).expect("valid");
        done = saved.get("epoch").and_then(Value::as_int).expect("int");
    }
    while done < epochs {
        train_epoch(&net, &mut train, &mut optimizer, DType::F32, || {});
        accuracy(&net, &mut test, DType::F32);
        done += 1;
    }
    let checkpoint = Value::dict([
        ("model", Value::from(net.state_dict())),
        ("optimizer", optimizer.state_dict()),
        ("rng_state", Value::from(get_rng_state())),
        ("epoch", Value::from(done)),
    ]);
    wengert_io::save(path, &checkpoint).expect("a writable folder");
    checkpoint
}

fn bytes(value: &Value) -> Vec<u8> {
    wengert_io::to_bytes(value).expect("plain values")
}

#[test]
fn three_epochs_and_two_more_are_five() {
    let folder = std::env::temp_dir().join(format!("wengert-resume-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let (parts, whole) = (folder.join("parts.pt"), folder.join("whole.pt"));
    program(&parts, false, 3);
    let resumed = program(&parts, true, 5);
    let straight = program(&whole, false, 5);
    assert!(bytes(&resumed) == bytes(&straight));
    std::fs::remove_dir_all(folder).expect("ours");
}

#[test]
fn one_thread_gives_the_bits_of_two_and_three() {
    let folder = std::env::temp_dir().join(format!("wengert-threads-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| bytes(&program(&folder.join(format!("{threads}.pt")), false, 2)))
    };
    let one = with(1);
    assert!(one == with(2));
    assert!(one == with(3));
    std::fs::remove_dir_all(folder).expect("ours");
}
