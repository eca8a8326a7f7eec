//! The comparison as a Markdown table.

use super::compare::{Measured, least, middle};
use super::peer::Side;
use std::fmt::Write;

/// Prints the table and writes it.
pub(super) fn print(measured: &[Measured], peer: &Side, by: &str) {
    let text = markdown(measured, peer.name, by);
    print!("{text}");
}

pub(super) fn markdown(measured: &[Measured], peer: &str, by: &str) -> String {
    let mut out = format!(
        "| workload | threads | ours, min / median | {peer}, min / median | ratio | budget | |\n|---|---|---|---|---|---|---|\n"
    );
    for m in measured {
        let ratio = m.ratio(by);
        let _ = writeln!(
            out,
            "| {} | {} | {} / {} | {} / {} | {ratio:.2}x | {}x | {}{} |",
            m.case,
            m.threads,
            time(least(&m.ours, "min")),
            time(middle(&m.ours, "median")),
            time(least(&m.peer, "min")),
            time(middle(&m.peer, "median")),
            m.budget,
            if ratio >= m.budget { "met" } else { "**missed**" },
            if m.disturbed() { ", disturbed" } else { "" },
        );
    }
    let logs: f64 = measured.iter().map(|m| m.ratio(by).ln()).sum();
    let met = measured.iter().filter(|m| m.ratio(by) >= m.budget).count();
    let _ = writeln!(
        out,
        "\nGeometric mean {:.2}x; {met} of {} budgets met; ratio = {peer}'s {by} / ours, above 1 we are faster.",
        (logs / measured.len() as f64).exp(),
        measured.len()
    );
    out
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
