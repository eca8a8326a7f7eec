//! Times the workloads that it reads from its input, one name a line, and answers each with a line of JSON.
//!
//! `--list` prints the rows of the table instead. `--budget SECONDS` is the time for each, `--retries N` how often a
//! workload is repeated that other processes disturbed.
#![forbid(unsafe_code)]

mod cases;
mod timing;

use std::io::{BufRead, Write};

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1));
    let mut out = std::io::stdout().lock();
    if args.iter().any(|a| a == "--list") {
        for row in cases::ROWS {
            let memory = row.memory.map_or(String::new(), |m| format!(",\"memory\":{m}"));
            writeln!(out, "{{\"case\":\"{}\",\"budget\":{}{memory}}}", row.name, row.budget)?;
        }
        return Ok(());
    }
    let budget = value("--budget").and_then(|v| v.parse().ok()).unwrap_or(0.3);
    let retries = value("--retries").and_then(|v| v.parse().ok()).unwrap_or(3);
    for name in std::io::stdin().lock().lines() {
        let name = name?;
        let start = timing::peak_memory();
        let answer = match cases::find(&name) {
            Some(mut case) => {
                let time = timing::measure(&mut case.run, budget, retries);
                format!(
                    "\"min\":{:e},\"median\":{:e},\"samples\":{},\"foreign\":{:.3},\"flops\":{},\"bytes\":{},\"start\":{start},\"peak\":{}",
                    time.min,
                    time.median,
                    time.samples,
                    time.foreign,
                    case.flops,
                    case.bytes,
                    timing::peak_memory()
                )
            }
            None => "\"missing\":1".to_owned(),
        };
        writeln!(out, "{{\"case\":\"{name}\",{answer}}}")?;
        out.flush()?;
    }
    Ok(())
}
