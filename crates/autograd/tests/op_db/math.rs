//! Element-wise mathematics, reductions, scans and linear algebra.

use crate::{Row, one};

pub(crate) const ROWS: &[Row] = &[
    ("abs", |s| one(s.x(0).abs())),
    ("add", |s| {
        one(match s.opt_operand(2, "alpha") {
            None => s.x(0) + s.operand(1, "other"),
            Some(alpha) => s.x(0) + s.var(1, "other") * alpha,
        })
    }),
    ("cumsum", |s| {
        let x = s.dtype(2, "dtype").map_or(s.x(0), |dtype| s.x(0).to(dtype));
        one(x.cumsum(s.int(1, "dim")))
    }),
    ("exp", |s| one(s.x(0).exp())),
    ("mm", |s| one(s.x(0).mm(&s.x(1)))),
    ("sigmoid", |s| one(s.x(0).sigmoid())),
];
