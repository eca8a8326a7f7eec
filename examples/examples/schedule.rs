//! A training loop with all that goes into one: warm-up and cosine schedule, clipped gradients, averaged parameters, and
//! a stop in the middle that leaves no trace.

use nets::args::report;
use std::error::Error;
use std::process::ExitCode;
use wengert_autograd::{Var, functional::mse_loss, no_grad};
use wengert_io::TrainingState;
use wengert_nn::{AveragedModel, AveragedModelOptions, Linear, Module, Sequential, Tanh, get_ema_avg_fn, sequential};
use wengert_optim::{
    AdamW, AdamWOptions, CosineAnnealingLR, LinearLR, LinearLROptions, Optimizer, Scheduler, SequentialLR,
    clip_grad_norm_,
};
use wengert_tensor::{manual_seed, randn};

const EPOCHS: i64 = 60;

fn main() -> ExitCode {
    report(run())
}

/// The network, its optimizer, and five epochs of warm-up before a cosine.
fn make() -> (Sequential, Optimizer, Scheduler) {
    let net = sequential![Linear::new(1, 32), Tanh::new(), Linear::new(32, 1)];
    let mut optimizer = AdamW::new(net.parameters(), AdamWOptions { lr: 0.03, ..AdamWOptions::default() });
    let warm_up = LinearLROptions { start_factor: 0.1, ..LinearLROptions::default() };
    let parts =
        [LinearLR::new(&mut optimizer, warm_up), CosineAnnealingLR::new(&mut optimizer, (EPOCHS - 5) as usize, 0.0)];
    let scheduler = SequentialLR::new(&mut optimizer, parts, [5]);
    (net, optimizer, scheduler)
}

fn run() -> Result<(), Box<dyn Error>> {
    manual_seed(0);
    let x = Var::from(randn([256, 1]));
    let y = x.mul(3.0).sin();
    let (mut net, mut optimizer, mut scheduler) = make();
    let options = AveragedModelOptions { avg_fn: get_ema_avg_fn(0.9), ..AveragedModelOptions::default() };
    let ema = AveragedModel::new(&net, make().0, options);
    let path = std::env::temp_dir().join(format!("wengert-schedule-{}.pt", std::process::id()));

    for epoch in 0..EPOCHS {
        if epoch == EPOCHS / 2 {
            let state = TrainingState {
                model: net.state_dict(),
                optimizer: optimizer.state_dict(),
                scheduler: scheduler.state_dict(),
                epoch,
                ..TrainingState::default()
            };
            state.save(&path)?;
            // As in another process, today or in PyTorch.
            let state = TrainingState::load(&path)?;
            (net, optimizer, scheduler) = make();
            net.load_state_dict(&state.model)?;
            optimizer.load_state_dict(&state.optimizer)?;
            scheduler.load_state_dict(&state.scheduler)?;
        }
        let lr = scheduler.get_last_lr()[0];
        let loss = mse_loss(&net.forward(&x), &y);
        optimizer.zero_grad();
        loss.backward();
        let norm = clip_grad_norm_(&net.parameters(), 0.1, 2.0);
        optimizer.step();
        scheduler.step(&mut optimizer);
        ema.update_parameters(&net);
        if epoch % 10 == 0 || epoch == EPOCHS - 1 {
            let averaged = no_grad(|| mse_loss(&ema.forward(&x), &y));
            let (loss, averaged) = (loss.item::<f32>(), averaged.item::<f32>());
            println!("epoch {epoch:2}  lr {lr:.5}  gradient {norm:.3}  loss {loss:.5}  averaged {averaged:.5}");
        }
    }
    std::fs::remove_file(path)?;
    Ok(())
}
