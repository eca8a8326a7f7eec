//! Our workloads and a peer's, in turn, in one session.

use super::peer::{self, Side};
use super::record::Record;
use super::{chart, machine, memory, number, table};
use crate::run::{Failed, Options};

/// All measurements of one workload at one number of threads: one record a round.
#[derive(Default)]
pub(super) struct Measured {
    pub(super) case: String,
    pub(super) threads: usize,
    pub(super) budget: f64,
    pub(super) ours: Vec<Record>,
    pub(super) peer: Vec<Record>,
}

impl Measured {
    /// The peer's time divided by ours: of the least times, or the median of the rounds' ratios of medians.
    pub(super) fn ratio(&self, by: &str) -> f64 {
        if by == "min" {
            return least(&self.peer, by) / least(&self.ours, by);
        }
        median(self.ours.iter().zip(&self.peer).filter_map(|(o, p)| Some(p.number(by)? / o.number(by)?)).collect())
    }

    /// Whether others disturbed a round on either side.
    pub(super) fn disturbed(&self) -> bool {
        self.ours.iter().chain(&self.peer).any(|r| r.number("foreign").is_some_and(|f| f >= 0.08))
    }
}

/// The smallest of a field over the rounds.
pub(super) fn least(records: &[Record], key: &str) -> f64 {
    records.iter().filter_map(|r| r.number(key)).fold(f64::INFINITY, f64::min)
}

/// The median of a field over the rounds.
pub(super) fn middle(records: &[Record], key: &str) -> f64 {
    median(records.iter().filter_map(|r| r.number(key)).collect())
}

/// The middle value, or the mean of the two in the middle.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[half],
        _ => (values[half - 1] + values[half]) / 2.0,
    }
}

/// How a comparison runs.
pub(super) struct Plan<'a> {
    pub(super) rounds: usize,
    pub(super) budget: f64,
    pub(super) retries: usize,
    pub(super) threads: Vec<usize>,
    pub(super) by: &'a str,
}

impl<'a> Plan<'a> {
    /// Reads the options; `rounds` and `budget` are what holds without them.
    pub(super) fn parse(options: &Options<'a>, rounds: usize, budget: f64) -> Result<Plan<'a>, Failed> {
        let threads = options.value("--threads").unwrap_or("1,2");
        let threads: Result<Vec<usize>, _> = threads.split(',').map(str::parse).collect();
        let by = options.value("--by").unwrap_or("median");
        if by != "min" && by != "median" {
            return Err(Failed(format!("option '--by' takes min or median, not '{by}'")));
        }
        Ok(Plan {
            rounds: number(options, "--rounds", rounds)?,
            budget: number(options, "--budget", budget)?,
            retries: number(options, "--retries", 3)?,
            threads: threads.map_err(|_| Failed("option '--threads' takes numbers separated by commas".to_owned()))?,
            by,
        })
    }
}

/// Whether the name passes the filter.
pub(super) fn wanted(case: &str, filter: Option<&str>) -> bool {
    filter.is_none_or(|filter| filter.split(',').any(|part| case.contains(part)))
}

pub(super) fn run(options: &Options<'_>) -> Result<(), Failed> {
    let plan = Plan::parse(options, 5, 0.2)?;
    let peer = Side::peer(options.value("--against").unwrap_or_default(), options)?;
    let ours = Side::ours()?;
    let rows = peer::rows(&ours)?;
    let mut measured = Vec::new();
    for &threads in &plan.threads {
        for row in &rows {
            let case = row.text("case").unwrap_or_default().to_owned();
            if wanted(&case, options.value("--filter")) {
                let budget = budget(peer.name, &case, row);
                measured.push(Measured { case, threads, budget, ..Measured::default() });
            }
        }
    }
    alternate(&plan, &ours, &peer, &mut measured)?;
    measured.retain(|m| !m.ours.is_empty() && !m.peer.is_empty());
    if measured.is_empty() {
        return Err(Failed("no workload that both sides have passes the filter".to_owned()));
    }
    let mut text = machine::line(&[&ours.version, &peer.version]);
    text.push('\n');
    text.push_str(&table::markdown(&measured, peer.name, plan.by));
    text.push_str(&memory::compare(&rows, &plan, &ours, &peer, options.value("--filter"))?);
    // The checkpoints that were written to be timed.
    let _ = std::fs::remove_dir_all(peer::folder().join("data"));
    print!("{text}");
    peer::write(&format!("{}.md", peer.name), &text)?;
    peer::write(&format!("{}.svg", peer.name), &chart::svg(&measured, peer.name, plan.by))
}

/// The table's budgets are PyTorch's; no Rust library may be faster, and convolutional networks must be far ahead of it.
fn budget(peer: &str, case: &str, row: &Record) -> f64 {
    match peer {
        "torch" => row.number("budget").unwrap_or(0.0),
        _ if case.starts_with("net/") && !case.starts_with("net/mlp/") => 3.0,
        _ => 1.0,
    }
}

/// Times every workload on both sides, in turn; who begins changes from round to round.
pub(super) fn alternate(plan: &Plan<'_>, ours: &Side, peer: &Side, measured: &mut [Measured]) -> Result<(), Failed> {
    for round in 0..plan.rounds {
        for &threads in &plan.threads {
            let mut sides =
                [ours.start(threads, plan.budget, plan.retries)?, peer.start(threads, plan.budget, plan.retries)?];
            for entry in measured.iter_mut().filter(|m| m.threads == threads) {
                eprint!("\r\x1b[Kround {}/{}, threads {threads}: {}", round + 1, plan.rounds, entry.case);
                for turn in 0..2 {
                    let side = (round + turn) % 2;
                    if let Some(record) = sides[side].time(&entry.case)? {
                        if side == 0 { entry.ours.push(record) } else { entry.peer.push(record) }
                    }
                }
            }
        }
    }
    eprintln!("\r\x1b[K");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Measured, Record, median, wanted};

    #[test]
    fn a_ratio_is_of_the_rounds_or_of_the_least_times() {
        let rounds = |times: [f64; 3]| {
            times.map(|t| Record::parse(&format!("{{\"min\":{},\"median\":{t}}}", t / 2.0)).expect("flat")).to_vec()
        };
        let measured = Measured { ours: rounds([1.0, 2.0, 4.0]), peer: rounds([3.0, 2.0, 4.0]), ..Measured::default() };
        assert_eq!((measured.ratio("median"), measured.ratio("min")), (1.0, 2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn a_filter_takes_any_of_its_parts() {
        assert!(wanted("conv/8x64", None) && wanted("conv/8x64", Some("matmul,conv")));
        assert!(!wanted("tape/1000", Some("matmul,conv")));
    }
}
