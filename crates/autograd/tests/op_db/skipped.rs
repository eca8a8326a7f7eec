//! The list of samples that are left out.

use std::collections::BTreeSet;

/// Lines of `skipped.txt`: operation, kind (`float32`, `int64`, `bool` or `*`), samples (`0,3-7` or `*`), reason.
pub(crate) struct Skipped(Vec<(String, String, Option<BTreeSet<usize>>)>);

impl Skipped {
    pub(crate) fn read() -> Skipped {
        let lines = include_str!("skipped.txt").lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
        Skipped(lines.map(entry).collect())
    }

    /// Whether a sample is listed.
    pub(crate) fn has(&self, op: &str, kind: &str, number: usize) -> bool {
        self.0.iter().any(|(o, k, samples)| {
            o == op && (k == "*" || k == kind) && samples.as_ref().is_none_or(|s| s.contains(&number))
        })
    }

    /// The operations that are listed.
    pub(crate) fn ops(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(op, ..)| op.as_str())
    }
}

fn entry(line: &str) -> (String, String, Option<BTreeSet<usize>>) {
    let mut words = line.splitn(4, ' ');
    let mut next = || words.next().unwrap_or_else(|| panic!("{line}: operation, kind, samples, reason"));
    let (op, kind, samples, reason) = (next(), next(), next(), next());
    assert!(!reason.trim().is_empty(), "{line}: no reason");
    let range = |part: &str| {
        let number = |t: &str| t.parse::<usize>().unwrap_or_else(|_| panic!("{line}: {t} is no number"));
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        number(first)..=number(last)
    };
    let samples = (samples != "*").then(|| samples.split(',').flat_map(range).collect());
    (op.to_owned(), kind.to_owned(), samples)
}
