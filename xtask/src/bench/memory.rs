//! Peak memory of training steps, each in a process of its own.

use super::compare::{Plan, wanted};
use super::peer::Side;
use super::record::Record;
use super::table::size;
use crate::run::Failed;
use std::fmt::Write;

/// The rows that have a memory budget, as a table; empty if none passes the filter.
///
/// Judged is what a workload adds to its process: an interpreter and its libraries are there before it.
pub(super) fn compare(
    rows: &[Record],
    plan: &Plan<'_>,
    ours: &Side,
    peer: &Side,
    filter: Option<&str>,
) -> Result<String, Failed> {
    let mut out = String::new();
    for row in rows {
        let (Some(case), Some(budget)) = (row.text("case"), row.number("memory")) else { continue };
        if !wanted(case, filter) {
            continue;
        }
        for &threads in &plan.threads {
            let (Some(mine), Some(theirs)) = (ours.alone(case, threads)?, peer.alone(case, threads)?) else { continue };
            if out.is_empty() {
                let _ = writeln!(
                    out,
                    "\n| peak memory | threads | ours, whole | {0}, whole | ours, added | {0}, added | ours / {0} | budget | |\n\
                     |---|---|---|---|---|---|---|---|---|",
                    peer.name
                );
            }
            let ratio = added(&mine) / added(&theirs);
            let _ = writeln!(
                out,
                "| {case} | {threads} | {} | {} | {} | {} | {ratio:.2}x | {budget}x | {} |",
                size(whole(&mine)),
                size(whole(&theirs)),
                size(added(&mine)),
                size(added(&theirs)),
                if ratio <= budget { "met" } else { "**missed**" },
            );
        }
    }
    Ok(out)
}

/// The largest resident size.
pub(super) fn whole(record: &Record) -> f64 {
    record.number("peak").unwrap_or(f64::NAN)
}

/// The same, less what the process held before the workload.
pub(super) fn added(record: &Record) -> f64 {
    whole(record) - record.number("start").unwrap_or(0.0)
}
