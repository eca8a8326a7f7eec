//! The list of samples that are left out.

use std::collections::BTreeSet;

/// The lines of `skipped.txt`.
pub(crate) struct Skipped(Vec<Entry>);

/// Operation, kind (`float32`, `int64`, `bool` or `*`), samples (`0,3-7` or `*`, after `~` if they may pass), reason.
struct Entry {
    op: String,
    kind: String,
    samples: Option<BTreeSet<usize>>,
    may_pass: bool,
}

impl Skipped {
    pub(crate) fn read() -> Skipped {
        let lines = include_str!("skipped.txt").lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
        Skipped(lines.map(entry).collect())
    }

    /// Whether a sample is listed.
    pub(crate) fn has(&self, op: &str, kind: &str, number: usize) -> bool {
        self.find(op, kind, number).is_some()
    }

    /// Whether a listed sample may pass on some processors.
    pub(crate) fn may_pass(&self, op: &str, kind: &str, number: usize) -> bool {
        self.find(op, kind, number).is_some_and(|entry| entry.may_pass)
    }

    fn find(&self, op: &str, kind: &str, number: usize) -> Option<&Entry> {
        self.0.iter().find(|entry| {
            let of_kind = entry.kind == "*" || entry.kind == kind;
            entry.op == op && of_kind && entry.samples.as_ref().is_none_or(|s| s.contains(&number))
        })
    }

    /// The operations that are listed.
    pub(crate) fn ops(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|entry| entry.op.as_str())
    }
}

fn entry(line: &str) -> Entry {
    let mut words = line.splitn(4, ' ');
    let mut next = || words.next().unwrap_or_else(|| panic!("{line}: operation, kind, samples, reason"));
    let (op, kind, samples, reason) = (next(), next(), next(), next());
    assert!(!reason.trim().is_empty(), "{line}: no reason");
    let (may_pass, samples) = samples.strip_prefix('~').map_or((false, samples), |samples| (true, samples));
    let range = |part: &str| {
        let number = |t: &str| t.parse::<usize>().unwrap_or_else(|_| panic!("{line}: {t} is no number"));
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        number(first)..=number(last)
    };
    let samples = (samples != "*").then(|| samples.split(',').flat_map(range).collect());
    Entry { op: op.to_owned(), kind: kind.to_owned(), samples, may_pass }
}
