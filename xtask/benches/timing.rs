//! Timing of one workload, with a guard against what else the machine is doing.

use std::time::{Duration, Instant};

/// The times of one workload, in seconds.
pub(crate) struct Timing {
    /// The shortest sample.
    pub(crate) min: f64,
    /// The middle sample.
    pub(crate) median: f64,
    /// How many samples there are.
    pub(crate) samples: usize,
    /// What other processes took meanwhile, in cores.
    pub(crate) foreign: f64,
}

/// What other processes may take, in cores, before the measurement is repeated.
const QUIET: f64 = 0.08;
/// A sample takes at least this long, so that reading the clock costs nothing.
const SAMPLE: f64 = 2e-4;

/// Times `run` for `budget` seconds, at least three samples; again, up to `retries` times, if others disturbed it.
pub(crate) fn measure(run: &mut dyn FnMut(), budget: f64, retries: usize) -> Timing {
    let mut once = 0.0;
    let warming = Instant::now();
    for _ in 0..3 {
        let start = Instant::now();
        run();
        once = start.elapsed().as_secs_f64();
        if warming.elapsed().as_secs_f64() > budget {
            break;
        }
    }
    let inner = ((SAMPLE / once.max(1e-9)) as usize).max(1);
    let mut best: Option<Timing> = None;
    for attempt in 0..=retries {
        if attempt > 0 {
            std::thread::sleep(Duration::from_millis(500));
        }
        let (before, start) = (ticks(), Instant::now());
        let mut times = Vec::new();
        while times.len() < 3 || start.elapsed().as_secs_f64() < budget {
            let sample = Instant::now();
            for _ in 0..inner {
                run();
            }
            times.push(sample.elapsed().as_secs_f64() / inner as f64);
        }
        let (after, wall) = (ticks(), start.elapsed().as_secs_f64());
        times.sort_by(f64::total_cmp);
        let foreign = match (before, after) {
            // The counters move in hundredths of a second: two of them may be rounding.
            (Some((all, own)), Some((all2, own2))) => (((all2 - all) - (own2 - own) - 2.0) / 100.0 / wall).max(0.0),
            _ => 0.0,
        };
        let timing = Timing { min: times[0], median: times[times.len() / 2], samples: times.len(), foreign };
        if best.as_ref().is_none_or(|best| timing.foreign < best.foreign) {
            best = Some(timing);
        }
        if foreign < QUIET {
            break;
        }
    }
    best.expect("at least one attempt was made")
}

/// Hundredths of a second that the whole machine and this process have worked, where the system says so.
fn ticks() -> Option<(f64, f64)> {
    let machine = std::fs::read_to_string("/proc/stat").ok()?;
    let counts: Vec<f64> = machine.lines().next()?.split_whitespace().skip(1).take(8).flat_map(str::parse).collect();
    // Columns: user, nice, system, idle, waiting for a disk, interrupts, soft interrupts, stolen.
    let busy = counts.iter().sum::<f64>() - counts.get(3)? - counts.get(4)?;
    let own = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = own.rsplit(')').next()?.split_whitespace().collect();
    Some((busy, fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?))
}

/// The largest resident size of this process so far, in bytes; 0 where the system does not say.
pub(crate) fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok()).map_or(0.0, |kb| kb * 1024.0)
}
