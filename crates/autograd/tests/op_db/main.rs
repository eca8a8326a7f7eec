//! PyTorch's operations on the sample inputs of its own tests (`op_db`): outputs, gradients, and gradients of these.
//!
//! `golden/NAME.bin` holds the samples of an operation; `cargo xtask golden --only op_db` writes one for each row here. A row
//! maps PyTorch's name to ours, asking the [`Sample`] for arguments as PyTorch's signature has them:
//! `("cumsum", |s| one(s.x(0).cumsum(s.int(1, "dim"))))`. A row that does not look at an argument fails. Every sample runs in
//! f64 (with second gradients) and f32, or as it is for integers and bools, at PyTorch's own tolerances.
//! `skipped.txt` lists what is left out, with the reason; a listed sample that passes fails the test.
//!
//! `OP=cumsum cargo test -p wengert-autograd --test op_db` runs one operation and prints every failure.

mod check;
mod file;
mod index;
mod linalg;
mod losses;
mod math;
mod nn;
mod random;
mod sample;
mod shape;
mod skipped;
mod spatial;
mod stats;

use sample::Sample;
use wengert_autograd::Var;

/// An operation by PyTorch's name, and the call of ours that does the same. Results are in the order of PyTorch's.
pub(crate) type Row = (&'static str, fn(&Sample) -> Vec<Var>);

/// One result.
pub(crate) fn one(x: impl Into<Var>) -> Vec<Var> {
    vec![x.into()]
}

#[test]
fn math() {
    check::rows(&math::rows());
}

#[test]
fn stats() {
    check::rows(stats::ROWS);
}

#[test]
fn linalg() {
    check::rows(linalg::ROWS);
}

#[test]
fn index() {
    check::rows(index::ROWS);
}

#[test]
fn shape() {
    check::rows(shape::ROWS);
}

#[test]
fn random() {
    check::rows(random::ROWS);
}

#[test]
fn nn() {
    check::rows(nn::ROWS);
}

#[test]
fn losses() {
    check::rows(losses::ROWS);
}

#[test]
fn spatial() {
    check::rows(spatial::ROWS);
}

#[test]
fn counts() {
    let rows: Vec<Row> = [
        math::rows(),
        stats::ROWS.to_vec(),
        linalg::ROWS.to_vec(),
        index::ROWS.to_vec(),
        shape::ROWS.to_vec(),
        random::ROWS.to_vec(),
        nn::ROWS.to_vec(),
        losses::ROWS.to_vec(),
        spatial::ROWS.to_vec(),
    ]
    .concat();
    check::counts(&rows);
}
