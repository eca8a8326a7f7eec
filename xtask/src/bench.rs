//! `cargo xtask bench`.

use crate::run::{Failed, Options, cargo, step};

pub(crate) const HELP: &str = "\
Runs the criterion benchmarks of xtask/benches.

Options:
  --filter TEXT     only benchmarks whose name contains TEXT
  --save NAME       saves the result under a name
  --baseline NAME   compares with a saved result
  --threads N       threads to compute with (RAYON_NUM_THREADS)";

pub(crate) fn run(args: &[String]) -> Result<(), Failed> {
    let options = Options::parse(args, &[], &["--filter", "--save", "--baseline", "--threads"])?;
    let mut command = cargo(&["bench", "--package", "wengert-xtask", "--features", "bench", "--"]);
    for (name, criterion) in [("--save", "--save-baseline"), ("--baseline", "--baseline")] {
        if let Some(value) = options.value(name) {
            command.arg(criterion).arg(value);
        }
    }
    if let Some(filter) = options.value("--filter") {
        command.arg(filter);
    }
    if let Some(threads) = options.value("--threads") {
        command.env("RAYON_NUM_THREADS", threads);
    }
    step("benchmarks", &mut command)
}
