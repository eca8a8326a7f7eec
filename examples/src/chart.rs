//! A line chart as SVG text: loss on the left axis, accuracy on the right one, as the book draws them.

use std::fmt::Write;

/// One curve.
pub struct Series<'a> {
    /// Its name in the legend.
    pub name: &'a str,
    /// A CSS colour.
    pub color: &'a str,
    /// One value per epoch.
    pub values: Vec<f64>,
    /// Whether the right axis (0 to 1) is its scale; else the left one.
    pub right: bool,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 580.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 350.0;

/// The chart of some curves over epochs 1, 2, ….
pub fn svg(title: &str, series: &[Series<'_>]) -> String {
    let epochs = series.iter().map(|s| s.values.len()).max().unwrap_or(0);
    let top = series.iter().filter(|s| !s.right).flat_map(|s| &s.values).cloned().fold(0.0, f64::max);
    let top = if top > 0.0 { (top * 2.0).ceil() / 2.0 } else { 1.0 };
    let x = |i: usize| LEFT + (RIGHT - LEFT) * if epochs < 2 { 0.5 } else { i as f64 / (epochs - 1) as f64 };
    let y = |v: f64, scale: f64| BOTTOM - (BOTTOM - TOP) * (v / scale).clamp(0.0, 1.0);
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">"
    ));
    line(format!("<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>"));
    line(format!(
        "<text x=\"{}\" y=\"18\" text-anchor=\"middle\" font-size=\"14\">{}</text>",
        WIDTH / 2.0,
        escape(title)
    ));
    for i in 0..=5 {
        let part = i as f64 / 5.0;
        let at = y(part, 1.0);
        line(format!("<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{RIGHT}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>"));
        line(format!("<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{:.2}</text>", LEFT - 6.0, at + 4.0, part * top));
        line(format!("<text x=\"{}\" y=\"{:.1}\">{part:.1}</text>", RIGHT + 6.0, at + 4.0));
    }
    let every = epochs.div_ceil(12).max(1);
    for i in (0..epochs).step_by(every) {
        line(format!("<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>", x(i), BOTTOM + 18.0, i + 1));
    }
    line(format!("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">epoch</text>", (LEFT + RIGHT) / 2.0, BOTTOM + 38.0));
    line(format!(
        "<text x=\"14\" y=\"{0}\" transform=\"rotate(-90 14 {0})\" text-anchor=\"middle\">loss</text>",
        (TOP + BOTTOM) / 2.0
    ));
    line(format!(
        "<text x=\"628\" y=\"{0}\" transform=\"rotate(90 628 {0})\" text-anchor=\"middle\">accuracy</text>",
        (TOP + BOTTOM) / 2.0
    ));
    for (k, s) in series.iter().enumerate() {
        let scale = if s.right { 1.0 } else { top };
        let mut points = String::new();
        for (i, &v) in s.values.iter().enumerate().filter(|(_, v)| v.is_finite()) {
            let _ = write!(points, "{:.1},{:.1} ", x(i), y(v, scale));
        }
        line(format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>",
            points.trim_end(),
            s.color
        ));
        for (i, &v) in s.values.iter().enumerate().filter(|(_, v)| v.is_finite()) {
            line(format!("<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\" fill=\"{}\"/>", x(i), y(v, scale), s.color));
        }
        let at = TOP + 18.0 + 18.0 * k as f64;
        line(format!(
            "<line x1=\"{0}\" y1=\"{at}\" x2=\"{1}\" y2=\"{at}\" stroke=\"{2}\" stroke-width=\"2\"/>",
            LEFT + 12.0,
            LEFT + 36.0,
            s.color
        ));
        line(format!("<text x=\"{}\" y=\"{}\">{}</text>", LEFT + 42.0, at + 4.0, escape(s.name)));
    }
    out.push_str("</svg>\n");
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_one_point_per_finite_value() {
        let text = svg(
            "a < b",
            &[
                Series { name: "loss", color: "#c00", values: vec![2.0, f64::NAN, 1.0], right: false },
                Series { name: "acc", color: "#00c", values: vec![0.5, 0.6, 0.7], right: true },
            ],
        );
        assert_eq!(text.matches("<circle").count(), 5);
        assert!(text.contains("a &lt; b"));
        assert!(svg("", &[]).ends_with("</svg>\n"));
    }
}
