//! The comparison as a chart: a bar for each workload and number of threads, on a logarithmic scale.

use super::compare::Measured;
use std::fmt::Write;

const LABELS: f64 = 270.0;
const WIDTH: f64 = 560.0;
const BAR: f64 = 9.0;
/// Colours of the bars, one for each number of threads.
const COLOURS: [&str; 4] = ["#4878a8", "#e08a3c", "#6aa56a", "#a86a98"];

/// Draws the ratios; a tick across a bar is its budget, the line at 1 is the peer.
pub(super) fn svg(measured: &[Measured], peer: &str, by: &str) -> String {
    let mut cases: Vec<&str> = Vec::new();
    let mut threads: Vec<usize> = Vec::new();
    for m in measured {
        if !cases.contains(&m.case.as_str()) {
            cases.push(&m.case);
        }
        if !threads.contains(&m.threads) {
            threads.push(m.threads);
        }
    }
    let ratios: Vec<f64> = measured.iter().map(|m| m.ratio(by)).filter(|r| r.is_finite()).collect();
    let low = ratios.iter().copied().fold(0.5, f64::min).log2().floor();
    let high = ratios.iter().copied().fold(2.0, f64::max).log2().ceil();
    let x = |ratio: f64| LABELS + (ratio.log2().clamp(low, high) - low) / (high - low) * WIDTH;
    let row = BAR * threads.len() as f64 + 6.0;
    let (top, height) = (40.0, 60.0 + row * cases.len() as f64);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{height}\" viewBox=\"0 0 {w} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        w = LABELS + WIDTH + 60.0
    );
    let _ = writeln!(
        out,
        "<text x=\"10\" y=\"16\" font-size=\"13\">Time of {peer} / ours: right of 1 we are faster</text>"
    );
    for (i, t) in threads.iter().enumerate() {
        let at = LABELS + 120.0 * i as f64;
        let plural = if *t == 1 { "" } else { "s" };
        let _ = writeln!(out, "<rect x=\"{at}\" y=\"22\" width=\"10\" height=\"10\" fill=\"{}\"/>", colour(i));
        let _ = writeln!(out, "<text x=\"{}\" y=\"31\">{t} thread{plural}</text>", at + 14.0);
    }
    for power in low as i32..=high as i32 {
        let (ratio, stroke) = (f64::from(power).exp2(), if power == 0 { "#333" } else { "#ddd" });
        let end = height - 20.0;
        let _ = writeln!(out, "<path d=\"M{0:.1} {top}V{end}\" stroke=\"{stroke}\"/>", x(ratio));
        let _ =
            writeln!(out, "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{ratio}x</text>", x(ratio), end + 14.0);
    }
    for (i, case) in cases.iter().enumerate() {
        let y = top + 4.0 + row * i as f64;
        let middle = y + row / 2.0;
        let _ = writeln!(out, "<text x=\"{}\" y=\"{middle:.1}\" text-anchor=\"end\">{case}</text>", LABELS - 8.0);
        for m in measured.iter().filter(|m| m.case == *case && m.ratio(by).is_finite()) {
            let lane = threads.iter().position(|&t| t == m.threads).unwrap_or(0);
            let (from, to) = (x(1.0).min(x(m.ratio(by))), x(1.0).max(x(m.ratio(by))));
            let at = y + BAR * lane as f64;
            let _ = writeln!(
                out,
                "<rect x=\"{from:.1}\" y=\"{at:.1}\" width=\"{:.1}\" height=\"{}\" fill=\"{}\"/>",
                to - from,
                BAR - 1.0,
                colour(lane)
            );
            let budget = x(m.budget);
            let _ =
                writeln!(out, "<path d=\"M{budget:.1} {at:.1}v{}\" stroke=\"black\" stroke-width=\"2\"/>", BAR - 1.0);
        }
    }
    out.push_str("</svg>\n");
    out
}

fn colour(lane: usize) -> &'static str {
    COLOURS[lane % COLOURS.len()]
}
