//! Saving and loading parameters: a new net gives other outputs until it loads the file, then the same.

use nets::args::report;
use nets::nets::Mlp;
use std::error::Error;
use std::process::ExitCode;
use wengert_autograd::Var;
use wengert_nn::Module;
use wengert_tensor::{manual_seed, randn};

fn main() -> ExitCode {
    report(run())
}

fn run() -> Result<(), Box<dyn Error>> {
    manual_seed(0);
    let net = Mlp::new(3, 2, 1);
    let x = Var::from(randn([2, 3]));
    let y = net.forward(&x);

    let path = std::env::temp_dir().join(format!("wengert-{}.pt", std::process::id()));
    wengert_io::save(&path, net.state_dict())?;
    let net2 = Mlp::new(3, 2, 1);
    println!("before loading: {}", net2.forward(&x).value().eq(y.value()));
    println!("{}", net2.load_state_dict(&wengert_io::load_state_dict(&path)?)?);
    println!("after loading: {}", net2.forward(&x).value().eq(y.value()));
    std::fs::remove_file(path)?;
    Ok(())
}
