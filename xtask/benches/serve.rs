//! Answers names of workloads with their times: names come by standard input, one a line, answers are lines of JSON.
//!
//! `--budget SECONDS` is the time for each, `--retries N` how often a workload is repeated that others disturbed.

use crate::timing::{measure, peak_memory};
use std::io::{BufRead, Write};

/// A workload: one repetition, and the floating-point operations and bytes of it.
pub(crate) type Work = (Box<dyn FnMut()>, f64, f64);

/// Serves until the input ends; `find` prepares the workload of a name, if it knows it.
pub(crate) fn serve(find: impl Fn(&str) -> Option<Work>) -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1));
    let budget = value("--budget").and_then(|v| v.parse().ok()).unwrap_or(0.3);
    let retries = value("--retries").and_then(|v| v.parse().ok()).unwrap_or(3);
    let mut out = std::io::stdout().lock();
    for name in std::io::stdin().lock().lines() {
        let name = name?;
        let start = peak_memory();
        let answer = match find(&name) {
            Some((mut run, flops, bytes)) => {
                let time = measure(&mut run, budget, retries);
                format!(
                    "\"min\":{:e},\"median\":{:e},\"samples\":{},\"foreign\":{:.3},\"flops\":{flops},\"bytes\":{bytes},\
                     \"start\":{start},\"peak\":{}",
                    time.min,
                    time.median,
                    time.samples,
                    time.foreign,
                    peak_memory()
                )
            }
            None => "\"missing\":1".to_owned(),
        };
        writeln!(out, "{{\"case\":\"{name}\",{answer}}}")?;
        out.flush()?;
    }
    Ok(())
}
