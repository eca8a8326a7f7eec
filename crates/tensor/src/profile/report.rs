//! What a profile found: its events, their sums by name, and PyTorch's table of them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

/// One run of one operation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// The operation.
    pub name: Cow<'static, str>,
    /// When it began, since the profile did.
    pub start: Duration,
    /// How long it took, with the operations inside it.
    pub duration: Duration,
    /// The event inside which it ran, by its index.
    pub parent: Option<usize>,
    /// Bytes that tensors got, less those given back, outside the operations inside it.
    pub self_bytes: i64,
    /// Floating-point operations, outside the operations inside it.
    pub self_flops: u64,
}

impl Event {
    pub(super) fn new(name: Cow<'static, str>, parent: Option<usize>) -> Event {
        Event { name, start: Duration::ZERO, duration: Duration::ZERO, parent, self_bytes: 0, self_flops: 0 }
    }
}

/// All runs of one operation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Row {
    /// The operation.
    pub name: String,
    /// How often it ran.
    pub calls: usize,
    /// The time spent in it, without the operations inside it.
    pub self_time: Duration,
    /// The time spent in it, with the operations inside it.
    pub total: Duration,
    /// Bytes that tensors got, less those given back, without the operations inside it.
    pub self_bytes: i64,
    /// Bytes that tensors got, less those given back, with the operations inside it.
    pub bytes: i64,
    /// Floating-point operations, with those of the operations inside it: a multiply-add counts as two. Known for
    /// products, convolutions and the arithmetic of two tensors; 0 for all else.
    pub flops: u64,
}

impl Row {
    /// The mean time of a run, with the operations inside it.
    pub fn mean(&self) -> Duration {
        self.total.div_f64(self.calls as f64)
    }

    /// Floating-point operations per second, if they are known.
    pub fn flops_per_second(&self) -> Option<f64> {
        (self.flops > 0 && !self.total.is_zero()).then(|| self.flops as f64 / self.total.as_secs_f64())
    }
}

/// What [`profile`](crate::profile()) found. It prints as PyTorch's `prof.key_averages().table(sort_by="self_cpu_time_total")`.
#[derive(Clone, Debug)]
pub struct Report {
    events: Vec<Event>,
    rows: Vec<Row>,
    wall: Duration,
}

impl Report {
    pub(super) fn new(events: Vec<Event>, wall: Duration) -> Report {
        Report { rows: sum(&events), events, wall }
    }

    /// One row per operation, by falling self time.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row of an operation, if it ran.
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// Every run of every operation, in the order in which they began.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The time spent in operations.
    pub fn self_time(&self) -> Duration {
        self.rows.iter().map(|row| row.self_time).sum()
    }

    /// The time from the beginning to the end of the profile.
    pub fn wall_time(&self) -> Duration {
        self.wall
    }
}

/// Sums events by name.
fn sum(events: &[Event]) -> Vec<Row> {
    // Events come after those that they lie in, so from the back every event is complete when its turn comes.
    let mut inside = vec![Duration::ZERO; events.len()];
    let mut totals: Vec<(i64, u64)> = events.iter().map(|event| (event.self_bytes, event.self_flops)).collect();
    for (at, event) in events.iter().enumerate().rev() {
        if let Some(parent) = event.parent {
            inside[parent] += event.duration;
            totals[parent].0 += totals[at].0;
            totals[parent].1 += totals[at].1;
        }
    }
    let mut rows: Vec<Row> = Vec::new();
    let mut index: HashMap<&str, usize> = HashMap::new();
    for (at, event) in events.iter().enumerate() {
        let row = *index.entry(&event.name).or_insert_with(|| {
            rows.push(Row {
                name: event.name.to_string(),
                calls: 0,
                self_time: Duration::ZERO,
                total: Duration::ZERO,
                self_bytes: 0,
                bytes: 0,
                flops: 0,
            });
            rows.len() - 1
        });
        let row = &mut rows[row];
        row.calls += 1;
        row.self_time += event.duration.saturating_sub(inside[at]);
        row.self_bytes += event.self_bytes;
        // An operation inside another run of itself is part of that run's total.
        if !ancestors(events, event).any(|outer| outer.name == event.name) {
            row.total += event.duration;
            row.bytes += totals[at].0;
            row.flops += totals[at].1;
        }
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.self_time));
    rows
}

fn ancestors<'a>(events: &'a [Event], event: &'a Event) -> impl Iterator<Item = &'a Event> {
    std::iter::successors(event.parent.map(|at| &events[at]), |outer| outer.parent.map(|at| &events[at]))
}

const HEADERS: [&str; 8] =
    ["Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg", "CPU Mem", "Self CPU Mem", "# of Calls"];
/// The width of every column but the first, as in PyTorch; so is the longest name.
const WIDTH: usize = 12;
const LONGEST: usize = 55;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.rows.iter().map(|row| row.name.chars().count() + 4).max().unwrap_or(8).min(LONGEST);
        let (scale, unit) = flop_unit(&self.rows);
        let whole = self.self_time();
        let rule = |f: &mut fmt::Formatter<'_>| {
            write!(f, "{}", "-".repeat(names))?;
            (0..HEADERS.len() + 2).try_for_each(|_| write!(f, "  {}", "-".repeat(WIDTH)))?;
            writeln!(f)
        };
        rule(f)?;
        write!(f, "{:>names$}", "Name")?;
        HEADERS.iter().try_for_each(|header| write!(f, "  {header:>WIDTH$}"))?;
        writeln!(f, "  {:>WIDTH$}  {:>WIDTH$}", format!("Total {unit}FLOPs"), "GFLOP/s")?;
        rule(f)?;
        for row in &self.rows {
            let mut name = row.name.clone();
            if name.chars().count() >= LONGEST - 3 {
                name = name.chars().take(LONGEST - 3).chain("...".chars()).collect();
            }
            write!(f, "{name:>names$}")?;
            let (flops, speed) = match row.flops_per_second() {
                Some(speed) => (format!("{:.3}", row.flops as f64 / scale), format!("{:.3}", speed / 1e9)),
                None => ("--".to_owned(), "--".to_owned()),
            };
            for cell in [
                share(row.self_time, whole),
                time(row.self_time),
                share(row.total, whole),
                time(row.total),
                time(row.mean()),
                size(row.bytes),
                size(row.self_bytes),
                row.calls.to_string(),
                flops,
                speed,
            ] {
                write!(f, "  {cell:>WIDTH$}")?;
            }
            writeln!(f)?;
        }
        rule(f)?;
        writeln!(f, "Self CPU time total: {}", time(whole))?;
        write!(f, "Wall time total: {}", time(self.wall))
    }
}

/// The unit in which the smallest count is at least 1, as PyTorch chooses it.
fn flop_unit(rows: &[Row]) -> (f64, &'static str) {
    let smallest = rows.iter().map(|row| row.flops).filter(|&flops| flops > 0).min().unwrap_or(1) as f64;
    let mut unit = (1.0, "");
    for (scale, name) in [(1e3, "K"), (1e6, "M"), (1e9, "G"), (1e12, "T"), (1e15, "P")] {
        if smallest >= scale {
            unit = (scale, name);
        }
    }
    unit
}

fn share(part: Duration, whole: Duration) -> String {
    let share = if whole.is_zero() { 0.0 } else { part.as_secs_f64() / whole.as_secs_f64() };
    format!("{:.2}%", 100.0 * share)
}

/// `1.234s`, `1.234ms` or `1.234us`.
fn time(time: Duration) -> String {
    let us = time.as_secs_f64() * 1e6;
    match us {
        1e6.. => format!("{:.3}s", us / 1e6),
        1e3.. => format!("{:.3}ms", us / 1e3),
        _ => format!("{us:.3}us"),
    }
}

/// `1.00 KB` and so on.
fn size(bytes: i64) -> String {
    match bytes.unsigned_abs() {
        n if n >= 1 << 30 => format!("{:.2} GB", bytes as f64 / (1u64 << 30) as f64),
        n if n >= 1 << 20 => format!("{:.2} MB", bytes as f64 / (1u64 << 20) as f64),
        n if n >= 1 << 10 => format!("{:.2} KB", bytes as f64 / (1u64 << 10) as f64),
        _ => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &'static str, parent: Option<usize>, us: u64) -> Event {
        Event {
            duration: Duration::from_micros(us),
            self_bytes: 1024,
            self_flops: 500,
            ..Event::new(name.into(), parent)
        }
    }

    #[test]
    fn totals_hold_what_is_inside_and_count_recursion_once() {
        // linear(100) holds t(10) and mm(60), which holds mm(50).
        let events = vec![
            event("linear", None, 100),
            event("t", Some(0), 10),
            event("mm", Some(0), 60),
            event("mm", Some(2), 50),
        ];
        let report = Report::new(events, Duration::from_micros(120));
        let row = |name| {
            let row = report.row(name).expect("ran");
            (row.calls, row.self_time.as_micros(), row.total.as_micros(), row.self_bytes, row.bytes, row.flops)
        };
        assert_eq!(row("linear"), (1, 30, 100, 1024, 4096, 2000));
        assert_eq!(row("mm"), (2, 60, 60, 2048, 2048, 1000));
        assert_eq!(row("t"), (1, 10, 10, 1024, 1024, 500));
        assert_eq!(report.self_time(), Duration::from_micros(100));
        let names: Vec<&str> = report.rows().iter().map(|row| &row.name[..]).collect();
        assert_eq!(names, ["mm", "linear", "t"]);
    }

    #[test]
    fn the_table_is_pytorchs() {
        let mut events = vec![event("conv2d", None, 1_500), event("aten", Some(0), 500)];
        events[1].self_flops = 0;
        let text = Report::new(events, Duration::from_millis(2)).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[1],
            "      Name    Self CPU %      Self CPU   CPU total %     CPU total  CPU time avg       CPU Mem  Self CPU Mem    \
             # of Calls   Total FLOPs       GFLOP/s"
        );
        assert_eq!(
            lines[3],
            "    conv2d        66.67%       1.000ms       100.00%       1.500ms       1.500ms       2.00 KB       1.00 KB             \
             1       500.000         0.000"
        );
        assert_eq!(
            lines[4],
            "      aten        33.33%     500.000us        33.33%     500.000us     500.000us       1.00 KB       1.00 KB             \
             1            --            --"
        );
        assert!(lines.iter().take(6).all(|line| line.len() == lines[0].len()), "{text}");
        assert_eq!(lines[6..], ["Self CPU time total: 1.500ms", "Wall time total: 2.000ms"]);
    }
}
