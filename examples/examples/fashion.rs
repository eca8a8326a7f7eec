//! Trains LeNet with batch norm on Fashion-MNIST, saves everything, reloads it and compares.
//!
//! `cargo run --release --example fashion -- --help` lists the options. With the same seed and settings, PyTorch prints
//! the same lines.

use indicatif::{ProgressBar, ProgressStyle};
use nets::args::{Args, report};
use nets::nets::lenet_bn;
use nets::train::{Epoch, accuracy, chart, history_from_value, history_to_value, train_epoch};
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use wengert_autograd::{Var, no_grad};
use wengert_data::{DataLoader, DataLoaderOptions, FashionMnist, TensorDataset};
use wengert_nn::Module;
use wengert_optim::{Adam, AdamOptions};
use wengert_tensor::{DType, Tensor, Value, get_rng_state, manual_seed, set_rng_state};

fn main() -> ExitCode {
    report(run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let args = Args::parse(
        "Trains the book's LeNet with batch norm on Fashion-MNIST.",
        &[
            ("data", "", "folder with the four IDX files of the full set; without it, the embedded 512 + 256 images"),
            ("epochs", "5", "train until this many epochs are done"),
            ("batch-size", "32", "images per step"),
            ("lr", "0.001", "learning rate of Adam"),
            ("seed", "0", "seed of the weights; the order of images uses the next one"),
            ("dtype", "float32", "float32 or float64"),
            ("threads", "0", "threads to compute with; 0 for all cores"),
            ("resume", "", "a checkpoint of this program to go on from"),
            ("out", "fashion.pt", "where to save the checkpoint; the chart goes beside it as .svg"),
        ],
    );
    let dtype = match args.text("dtype") {
        "float32" => DType::F32,
        "float64" => DType::F64,
        other => return Err(format!("--dtype must be float32 or float64, not '{other}'").into()),
    };
    match args.get::<usize>("threads") {
        0 => {}
        threads => wengert_tensor::set_num_threads(threads),
    }
    let batch_size: usize = args.get("batch-size");
    if batch_size == 0 {
        return Err("--batch-size must be at least 1".into());
    }

    // The order of draws is PyTorch's: weights from one seed, then the loaders' orders from the next.
    let seed: i64 = args.get("seed");
    manual_seed(seed);
    let net = lenet_bn();
    net.to(dtype);
    manual_seed(seed + 1);
    let mut optimizer = Adam::new(net.parameters(), AdamOptions { lr: args.get("lr"), ..AdamOptions::default() });

    let data = match args.text("data") {
        "" => FashionMnist::embedded(),
        folder => FashionMnist::open(folder)?,
    };
    let loader = |images: &Tensor, labels: &Tensor, shuffle| {
        let dataset = TensorDataset::new([images.clone(), labels.clone()]);
        DataLoader::new(dataset, DataLoaderOptions { batch_size, shuffle, ..DataLoaderOptions::default() })
    };
    let mut train = loader(&data.train_images, &data.train_labels, true);
    let mut test = loader(&data.test_images, &data.test_labels, false);
    println!("{net}");
    println!("{} training and {} test images", data.train_labels.numel(), data.test_labels.numel());

    let mut history: Vec<Epoch> = Vec::new();
    if !args.text("resume").is_empty() {
        let checkpoint = wengert_io::load(args.text("resume"))?;
        let part = |key: &str| checkpoint.get(key).ok_or(format!("{}: no entry '{key}'", args.text("resume")));
        net.load_state_dict(&part("model")?.to_state_dict().ok_or("entry 'model' is no state dict")?)?;
        optimizer.load_state_dict(part("optimizer")?)?;
        set_rng_state(part("rng_state")?.as_tensor().ok_or("entry 'rng_state' is no tensor")?)?;
        history = history_from_value(part("history")?).ok_or("entry 'history' is not this program's")?;
        for (i, epoch) in history.iter().enumerate() {
            print_epoch(i + 1, epoch, None);
        }
    }

    for number in history.len() + 1..=args.get("epochs") {
        let start = Instant::now();
        let bar = ProgressBar::new(train.len() as u64).with_style(
            ProgressStyle::with_template("epoch {msg} [{bar:40}] {pos}/{len} {per_sec}")?.progress_chars("=> "),
        );
        bar.set_message(number.to_string());
        let (loss, train_acc) = train_epoch(&net, &mut train, &mut optimizer, dtype, || bar.inc(1));
        bar.finish_and_clear();
        let test_acc = accuracy(&net, &mut test, dtype);
        let epoch = Epoch { loss, train_acc, test_acc };
        print_epoch(number, &epoch, Some(start.elapsed().as_secs_f64()));
        history.push(epoch);
    }

    let out = Path::new(args.text("out"));
    let checkpoint = Value::dict([
        ("model", Value::from(net.state_dict())),
        ("optimizer", optimizer.state_dict()),
        ("epoch", Value::from(history.len())),
        ("rng_state", Value::from(get_rng_state())),
        ("history", history_to_value(&history)),
    ]);
    wengert_io::save(out, &checkpoint)?;
    let svg = out.with_extension("svg");
    std::fs::write(&svg, chart("LeNet with batch norm on Fashion-MNIST", &history))?;

    // A fresh net with other weights gives other answers until it loads the file.
    let fresh = lenet_bn();
    fresh.to(dtype);
    let loaded = wengert_io::load(out)?;
    let state = loaded.get("model").and_then(Value::to_state_dict).ok_or("entry 'model' is no state dict")?;
    println!("saved {}; loading it into a fresh net: {}", out.display(), fresh.load_state_dict(&state)?);
    let sample = Var::from(data.test_images.narrow(0, 0, data.test_images.size(0).min(256)).to(dtype));
    let predict = |net: &dyn Module| {
        net.eval();
        no_grad(|| net.forward(&sample).value().clone())
    };
    let (ours, theirs) = (predict(&net), predict(&fresh));
    println!("equal predictions: {}", if ours.equal(&theirs) { "True" } else { "False" });
    let names: Vec<&str> =
        theirs.argmax(1).narrow(0, 0, 6).to_vec::<i64>().iter().map(|&i| FashionMnist::CLASSES[i as usize]).collect();
    println!("first test images: {}", names.join(", "));
    println!("curves drawn in {}", svg.display());
    Ok(())
}

/// The book's line.
fn print_epoch(number: usize, epoch: &Epoch, seconds: Option<f64>) {
    let time = seconds.map_or("before".to_owned(), |s| format!("{s:.1} sec"));
    println!(
        "epoch {number}, loss {:.4}, train acc {:.3}, test acc {:.3}, time {time}",
        epoch.loss, epoch.train_acc, epoch.test_acc
    );
}
