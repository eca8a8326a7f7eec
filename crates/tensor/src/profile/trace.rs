//! The trace of a profile as Chrome's trace viewer and Perfetto read it.

use super::Report;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

impl Report {
    /// Writes the events as a Chrome trace, as PyTorch's `prof.export_chrome_trace`. Look at it in `chrome://tracing` or
    /// at <https://ui.perfetto.dev>.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_trace(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let mut out = io::BufWriter::new(std::fs::File::create(path)?);
        self.write_trace(&mut out)?;
        out.flush()
    }

    /// [`Report::save_trace`] to any writer.
    ///
    /// # Errors
    /// What the writer returns.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::{profile, randn};
    /// let (_, report) = profile(|| randn([2, 3]).exp());
    /// let mut trace = Vec::new();
    /// report.write_trace(&mut trace)?;
    /// assert!(String::from_utf8_lossy(&trace).contains(r#""name": "exp""#));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_trace(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{{\"displayTimeUnit\": \"ms\", \"traceEvents\": [")?;
        for (at, event) in self.events().iter().enumerate() {
            let comma = if at + 1 < self.events().len() { "," } else { "" };
            let name = text(&event.name);
            let (start, duration) = (micros(event.start), micros(event.duration));
            writeln!(
                out,
                "{{\"ph\": \"X\", \"cat\": \"cpu_op\", \"name\": {name}, \"pid\": 1, \"tid\": 1, \"ts\": {start}, \"dur\": \
                 {duration}, \"args\": {{\"self bytes\": {}, \"self flops\": {}}}}}{comma}",
                event.self_bytes, event.self_flops
            )?;
        }
        writeln!(out, "]}}")
    }
}

/// Microseconds, the unit of traces, with all digits.
fn micros(time: Duration) -> String {
    format!("{}.{:03}", time.as_micros(), time.subsec_nanos() % 1000)
}

/// A string of JSON.
fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len() + 2);
    out.push('"');
    for c in raw.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
