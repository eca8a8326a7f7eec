//! Saving a whole model: architecture, tensors, modes and what is shared, in one file that names no type of ours.

use nets::args::report;
use std::error::Error;
use std::process::ExitCode;
use wengert_autograd::Var;
use wengert_nn::{Linear, Module, ReLU, load_model, save_model, sequential};
use wengert_tensor::{manual_seed, randn};

fn main() -> ExitCode {
    report(run())
}

fn run() -> Result<(), Box<dyn Error>> {
    manual_seed(0);
    let first = Linear::new(4, 4);
    let mut tied = Linear::new(4, 4);
    tied.weight = first.weight.clone();
    let net = sequential! { "first" => first, "act" => ReLU::new(), "tied" => tied };
    net.eval();
    let x = Var::from(randn([2, 4]));

    // `.wgt` is our own format; PyTorch reads the `.pt` with torch.load(path, weights_only=False).
    for ending in ["wgt", "pt"] {
        let path = std::env::temp_dir().join(format!("wengert-{}.{ending}", std::process::id()));
        save_model(&path, &net)?;
        let again = load_model(&path)?;
        println!("{again}");
        println!("training: {}, parameters: {}", again.training(), again.parameters().len());
        println!("same output: {}", again.forward(&x).value().to_bytes() == net.forward(&x).value().to_bytes());
        std::fs::remove_file(path)?;
    }
    Ok(())
}
