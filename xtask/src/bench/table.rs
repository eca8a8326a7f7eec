//! The comparison as a Markdown table.

use super::compare::{Measured, least, middle};
use std::fmt::Write;

/// The rows, and how many budgets are met.
pub(super) fn markdown(measured: &[Measured], peer: &str, by: &str) -> String {
    let mut out = rows(measured, peer, by);
    let mut threads: Vec<usize> = measured.iter().map(|m| m.threads).collect();
    threads.dedup();
    for threads in threads {
        let ratios: Vec<f64> = measured.iter().filter(|m| m.threads == threads).map(|m| m.ratio(by)).collect();
        let met = measured.iter().filter(|m| m.threads == threads && m.ratio(by) >= m.budget).count();
        let below: Vec<&str> =
            measured.iter().filter(|m| m.threads == threads && m.ratio(by) < FLOOR).map(|m| m.case.as_str()).collect();
        let mean = (ratios.iter().map(|r| r.ln()).sum::<f64>() / ratios.len() as f64).exp();
        let _ = writeln!(
            out,
            "\n{threads} thread{}: geometric mean {mean:.2}x; {met} of {} budgets met; below {FLOOR}x: {}.",
            if threads == 1 { "" } else { "s" },
            ratios.len(),
            if below.is_empty() { "none".to_owned() } else { below.join(", ") },
        );
    }
    let how = if by == "min" { "the least times" } else { "the median of the rounds" };
    let _ = writeln!(out, "\nThe ratio is {peer}'s time / ours, by {how}: above 1 we are faster.");
    out
}

/// What no row may fall below.
const FLOOR: f64 = 0.9;

/// The rows alone.
pub(super) fn rows(measured: &[Measured], peer: &str, by: &str) -> String {
    let mut out = format!(
        "| workload | threads | ours, min / median | rate | {peer}, min / median | ratio | budget | |\n\
         |---|---|---|---|---|---|---|---|\n"
    );
    for m in measured {
        let ratio = m.ratio(by);
        let _ = writeln!(
            out,
            "| {} | {} | {} / {} | {} | {} / {} | {ratio:.2}x | {}x | {}{} |",
            m.case,
            m.threads,
            time(least(&m.ours, "min")),
            time(middle(&m.ours, "median")),
            rate(m),
            time(least(&m.peer, "min")),
            time(middle(&m.peer, "median")),
            m.budget,
            if ratio >= m.budget { "met" } else { "**missed**" },
            if m.disturbed() { ", disturbed" } else { "" },
        );
    }
    out
}

/// Operations or bytes a second at our best, where they are counted.
fn rate(m: &Measured) -> String {
    let seconds = least(&m.ours, "min");
    let per_second =
        |key: &str| m.ours.first().and_then(|r| r.number(key)).filter(|&n| n > 0.0).map(|n| n / seconds / 1e9);
    match (per_second("flops"), per_second("bytes")) {
        (Some(flops), _) => format!("{flops:.0} GF/s"),
        (None, Some(bytes)) => format!("{bytes:.1} GB/s"),
        _ => String::new(),
    }
}

/// A size with three digits and its unit.
pub(super) fn size(bytes: f64) -> String {
    if bytes >= 1e9 { format!("{:.2} GB", bytes / 1e9) } else { format!("{:.0} MB", bytes / 1e6) }
}

/// A time with three digits and its unit.
pub(super) fn time(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s >= 1.0 => (s, "s"),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        s if s >= 1e-6 => (s * 1e6, "us"),
        s => (s * 1e9, "ns"),
    };
    let digits = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_have_three_digits_and_a_unit() {
        let texts = [2.5, 0.1234, 0.01234, 0.001234, 5.678e-5, 3e-9].map(time);
        assert_eq!(texts, ["2.50 s", "123 ms", "12.3 ms", "1.23 ms", "56.8 us", "3.00 ns"]);
    }
}
