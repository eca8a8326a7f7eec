//! Indexing, sorting, shapes, joining, padding and creation.

use crate::{Row, one};

pub(crate) const ROWS: &[Row] = &[("roll", |s| {
    one(match s.opt_ints(2, "dims") {
        Some(dims) => s.x(0).roll(s.ints(1, "shifts"), dims),
        None => s.x(0).flatten(0, -1).roll(s.ints(1, "shifts"), [0]).reshape(s.x(0).shape()),
    })
})];
