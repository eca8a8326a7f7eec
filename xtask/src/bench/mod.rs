//! `cargo xtask bench`: our workloads under criterion, or against a peer.

mod chart;
mod compare;
mod machine;
mod memory;
mod peer;
mod record;
mod scaling;
mod sweep;
mod table;

use crate::run::{Failed, Options, cargo, step};

pub(crate) const HELP: &str = "\
Runs the workloads of xtask/benches under criterion, or side by side with a peer.

Options:
  --filter TEXT     only workloads whose name contains TEXT; several separated by commas
  --threads N       threads to compute with; with --against several, separated by commas (1,2)
With criterion:
  --save NAME       saves the result under a name
  --baseline NAME   compares with a saved result
Against a peer; the result also goes to target/bench:
  --against PEER    torch, which a Python finds; candle or burn, which are built first (minutes, and the network)
  --python PATH     that Python, else the environment's PYTHON, else python3
  --rounds N        rounds (5); the ratio is the median of theirs
  --budget SECONDS  time for each workload, round and side (0.2)
  --retries N       repetitions of a workload that other processes disturbed (3)
  --by median|min   the median ratio of the rounds' medians (median), or all samples' least times: for a busy machine
  --sweep N         N random convolutions, products and reductions instead (200), drawn from --seed (1)
Alone, or against a peer:
  --scaling         how time and memory grow with batch, image, depth and threads";

pub(crate) fn run(args: &[String]) -> Result<(), Failed> {
    let values = [
        "--filter",
        "--threads",
        "--save",
        "--baseline",
        "--against",
        "--python",
        "--rounds",
        "--budget",
        "--retries",
        "--by",
        "--sweep",
        "--seed",
    ];
    let options = Options::parse(args, &["--scaling"], &values)?;
    if options.flag("--scaling") {
        scaling::run(&options)
    } else if options.value("--sweep").is_some() {
        sweep::run(&options)
    } else if options.value("--against").is_some() {
        compare::run(&options)
    } else {
        criterion(&options)
    }
}

fn criterion(options: &Options<'_>) -> Result<(), Failed> {
    let mut command =
        cargo(&["bench", "--package", "wengert-xtask", "--features", "bench", "--bench", "workloads", "--"]);
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

/// A number that an option gives, or its default.
fn number<T: std::str::FromStr>(options: &Options<'_>, name: &str, default: T) -> Result<T, Failed> {
    let Some(text) = options.value(name) else { return Ok(default) };
    text.parse().map_err(|_| Failed(format!("option '{name}' takes a number, not '{text}'")))
}
