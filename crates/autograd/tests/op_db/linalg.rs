//! Linear algebra.

use crate::sample::{KEYWORD, Sample, Value};
use crate::{Row, one};
use wengert_autograd::tensor::Scalar;
use wengert_autograd::{Arg, Replacement, TriangularOptions, Var};

pub(crate) const ROWS: &[Row] = &[
    ("addbmm", |s| one(s.x(0).addbmm(&s.x(1), &s.x(2), scale(s, "beta"), scale(s, "alpha")))),
    ("addmm", |s| one(s.x(0).addmm_scaled(&s.x(1), &s.x(2), scale(s, "beta"), scale(s, "alpha")))),
    ("addmm.decomposed", |s| one(s.x(0).addmm_scaled(&s.x(1), &s.x(2), scale(s, "beta"), scale(s, "alpha")))),
    ("addmv", |s| one(s.x(0).addmv(&s.x(1), &s.x(2), scale(s, "beta"), scale(s, "alpha")))),
    ("addr", |s| one(s.x(0).addr(&s.x(1), &s.x(2), scale(s, "beta"), scale(s, "alpha")))),
    ("baddbmm", |s| one(s.x(0).baddbmm(&s.x(1), &s.x(2), scale(s, "beta"), scale(s, "alpha")))),
    ("block_diag", |s| one(Var::block_diag(&s.rest_vars(0)))),
    ("cartesian_prod", |s| one(Var::cartesian_prod(&s.rest_vars(0)))),
    ("combinations", |s| {
        let again = if s.flag(2, "with_replacement", false) { Replacement::Yes } else { Replacement::No };
        one(s.x(0).combinations(s.int_or(1, "r", 2) as usize, again))
    }),
    ("cross", |s| {
        let (a, b) = (s.x(0), s.x(1));
        // Without an axis PyTorch's old function takes the first of size 3.
        let dim = s
            .opt_int(2, "dim")
            .unwrap_or_else(|| a.shape().iter().position(|&n| n == 3).expect("an axis of size 3") as isize);
        one(a.cross(&b, dim))
    }),
    ("diag", |s| one(s.x(0).diag(s.int_or(1, "diagonal", 0)))),
    ("diag_embed", |s| {
        one(s.x(0).diag_embed(s.int_or(1, "offset", 0), s.int_or(2, "dim1", -2), s.int_or(3, "dim2", -1)))
    }),
    ("diagflat", |s| one(s.x(0).diagflat(s.int_or(1, "offset", 0)))),
    ("einsum", |s| {
        let (operands, equation) = match s.get(0, "") {
            Some(Value::Text(equation)) => (s.rest_vars(1), equation.clone()),
            _ => (s.vars(0, ""), s.text(1, "", "")),
        };
        one(Var::einsum(&equation, &operands))
    }),
    ("inner", |s| one(s.x(0).inner(&s.x(1)))),
    ("kron", |s| one(s.x(0).kron(&s.x(1)))),
    ("linalg.cholesky", |s| {
        if s.flag(KEYWORD, "upper", false) { one(s.x(0).cholesky().transpose(-1, -2)) } else { one(s.x(0).cholesky()) }
    }),
    ("linalg.cross", |s| one(s.x(0).cross(&s.x(1), s.int_or(2, "dim", -1)))),
    ("linalg.det", |s| one(s.x(0).det())),
    ("linalg.diagonal", |s| {
        let (offset, dim1, dim2) = (s.int_or(1, "offset", 0), s.int_or(2, "dim1", -2), s.int_or(3, "dim2", -1));
        one(s.x(0).diagonal(offset, dim1, dim2))
    }),
    ("linalg.inv", |s| one(s.x(0).inv())),
    ("linalg.matrix_power", |s| one(s.x(0).matrix_power(s.int(1, "n") as i64))),
    ("linalg.multi_dot", |s| one(Var::multi_dot(&s.vars(0, "")))),
    ("linalg.slogdet", |s| {
        let (sign, log) = s.x(0).slogdet();
        vec![Var::from(sign), log]
    }),
    ("linalg.solve", |s| match s.flag(KEYWORD, "left", true) {
        true => one(s.x(0).solve(&s.x(1))),
        false => one(s.x(0).transpose(-1, -2).solve(&s.x(1).transpose(-1, -2)).transpose(-1, -2)),
    }),
    ("linalg.solve_triangular", |s| {
        let options = TriangularOptions {
            upper: s.flag(KEYWORD, "upper", false),
            right: !s.flag(KEYWORD, "left", true),
            unitriangular: s.flag(KEYWORD, "unitriangular", false),
        };
        one(s.x(0).solve_triangular(&s.x(1), options))
    }),
    ("linalg.vander", |s| {
        let x = s.x(0);
        let n = s.opt_int(KEYWORD, "N").unwrap_or_else(|| x.size(-1) as isize);
        one(x.vander(n as usize))
    }),
    ("linalg.vecdot", |s| one(s.x(0).vecdot(&s.x(1), s.int_or(KEYWORD, "dim", -1)))),
    ("logdet", |s| one(s.x(0).logdet())),
    ("tensordot", |s| match s.get(2, "dims") {
        Some(Value::List(lists)) if lists.len() == 2 => {
            let axes = |v: &Value| -> Vec<isize> {
                match v {
                    Value::List(items) => items.iter().map(Value::int).collect(),
                    other => vec![other.int()],
                }
            };
            one(s.x(0).tensordot_axes(&s.x(1), &axes(&lists[0]), &axes(&lists[1])))
        }
        _ => one(s.x(0).tensordot(&s.x(1), s.int_or(2, "dims", 2) as usize)),
    }),
    ("trace", |s| one(s.x(0).trace())),
    ("vdot", |s| one(s.x(0).dot(&s.x(1)))),
];

/// `alpha` or `beta`.
fn scale(s: &Sample, name: &str) -> Scalar {
    match s.opt_operand(KEYWORD, name) {
        Some(Arg::Scalar(value)) => value,
        _ => Scalar::Int(1),
    }
}
