//! How time and memory grow with batch, image size, depth and threads; beside a peer's if one is named.

use super::compare::Plan;
use super::memory::added;
use super::peer::{self, Side};
use super::table::{size, time};
use super::{compare, machine};
use crate::run::{Failed, Options};
use std::fmt::Write;

/// A series: what grows, its values, and the workload with `#` in the value's place.
const SERIES: &[(&str, &[usize], &str)] = &[
    ("batch", &[1, 4, 16, 64, 256], "net/lenet/#x28/step"),
    ("batch", &[1, 2, 4, 8, 16], "net/resnet18/#x96/step"),
    ("batch", &[1, 2, 4, 8, 16], "conv/#x64x56/64k3s1p1/forward"),
    ("image", &[32, 64, 96, 128, 192], "net/resnet18/4x#/step"),
    ("image", &[14, 28, 56, 112, 224], "conv/2x64x#/64k3s1p1/step"),
    ("depth", &[2, 4, 8, 16, 32], "net/deep#/8x32/step"),
    ("depth", &[100, 1_000, 10_000, 100_000], "tape/#/one"),
    ("size", &[64, 128, 256, 512, 1024], "matmul/#x#x#"),
    ("elements", &[1_000, 10_000, 100_000, 1_000_000, 10_000_000], "exp/#"),
];

/// Workloads whose time is shown for each number of threads.
const THREADED: &[&str] = &[
    "matmul/1024x1024x1024",
    "conv/8x64x56/64k3s1p1/step",
    "max_pool/32x64x56/2",
    "exp/1000000",
    "net/lenet/256x28/step",
    "net/resnet18/8x96/step",
];

pub(super) fn run(options: &Options<'_>) -> Result<(), Failed> {
    let plan = Plan::parse(options, 1, 0.2)?;
    let mut sides = vec![Side::ours()?];
    if let Some(peer) = options.value("--against") {
        sides.push(Side::peer(peer, options)?);
    }
    let versions: Vec<&str> = sides.iter().map(|side| side.version.as_str()).collect();
    let mut text = machine::line(&versions);
    let filter = options.value("--filter");
    let threads = plan.threads[0];
    for (what, values, workload) in SERIES {
        if !compare::wanted(workload, filter) && !compare::wanted(what, filter) {
            continue;
        }
        let _ = writeln!(text, "\n**{what}** in {workload}, threads: {threads}\n\n{}", header(what, &sides));
        let mut first = vec![None; sides.len()];
        for &value in *values {
            let case = workload.replace('#', &value.to_string());
            eprint!("\r\x1b[K{case}");
            let mut line = format!("| {value} |");
            for (side, first) in sides.iter().zip(&mut first) {
                // A process of its own: the peak is this workload's.
                let Some(record) = side.start(threads, plan.budget, plan.retries)?.time(&case)? else {
                    line.push_str(" | | |");
                    continue;
                };
                let seconds = record.number(plan.by).unwrap_or(f64::NAN);
                let each = seconds / value as f64;
                let relative = each / *first.get_or_insert(each);
                let _ = write!(line, " {} | {relative:.2} | {} |", time(seconds), size(added(&record)));
            }
            let _ = writeln!(text, "{line}");
        }
    }
    let most = std::thread::available_parallelism().map_or(1, |n| n.get());
    let counts: Vec<usize> = (0..).map(|i| 1usize << i).take_while(|&t| t <= most).collect();
    if compare::wanted("threads", filter) {
        let heads: String = counts.iter().map(|t| format!(" {t} |")).collect();
        let _ = writeln!(text, "\n**threads**\n\n| workload | |{heads}\n|---|---|{}", "---|".repeat(counts.len()));
        for case in THREADED {
            for side in &sides {
                let mut line = format!("| {case} | {} |", side.name);
                for &threads in &counts {
                    eprint!("\r\x1b[K{case}, threads {threads}");
                    let record = side.start(threads, plan.budget, plan.retries)?.time(case)?;
                    let seconds = record.and_then(|r| r.number(plan.by));
                    let _ = write!(line, " {} |", seconds.map_or(String::new(), time));
                }
                let _ = writeln!(text, "{line}");
            }
        }
    }
    eprint!("\r\x1b[K");
    print!("{text}");
    peer::write("scaling.md", &text)
}

/// The head of a series' table: time, time by unit relative to the first row's, memory that the workload added.
fn header(what: &str, sides: &[Side]) -> String {
    let columns: String =
        sides.iter().map(|s| format!(" {}: time | by {what}, first = 1 | memory |", s.name)).collect();
    format!("| {what} |{columns}\n|---|{}", "---|---|---|".repeat(sides.len()))
}
