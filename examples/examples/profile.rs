//! Where a training step of LeNet spends its time: a table, and a trace for <https://ui.perfetto.dev>.

use nets::nets::LeNet;
use std::io::Result;
use wengert_autograd::{Var, functional::cross_entropy};
use wengert_nn::Module;
use wengert_optim::{Sgd, SgdOptions};
use wengert_tensor::{manual_seed, profile, profile::record, randint, randn};

fn main() -> Result<()> {
    manual_seed(0);
    let net = LeNet::new();
    let mut optimizer = Sgd::new(net.parameters(), SgdOptions { lr: 0.1, ..SgdOptions::default() });
    let (x, y) = (Var::from(randn([64, 1, 28, 28])), randint(0, 10, [64]));
    let mut step = || {
        let loss = record("forward", || cross_entropy(&net.forward(&x), &y));
        optimizer.zero_grad();
        record("backward", || loss.backward());
        optimizer.step();
        loss
    };
    step(); // The first step fetches its memory from the system.
    let (loss, report) = profile(step);
    println!("{report}");
    println!("loss {:.4}", loss.item::<f64>());
    let path = std::env::args().nth(1).unwrap_or_else(|| "trace.json".to_owned());
    report.save_trace(&path)?;
    println!("wrote {path}: open it at https://ui.perfetto.dev");
    Ok(())
}
