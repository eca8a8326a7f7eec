//! Linear algebra.

use crate::sample::{KEYWORD, Sample, Value};
use crate::{Row, one};
use wengert_autograd::tensor::{DType, Scalar, Tensor};
use wengert_autograd::{Arg, Factors, LuSolveOptions, MatrixNorm, Replacement, Triangle, TriangularOptions, Var};

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
    ("cholesky_inverse", |s| one(s.x(0).cholesky_inverse(triangle(s, 1)))),
    ("cholesky_solve", |s| one(s.x(0).cholesky_solve(&s.x(1), triangle(s, 2)))),
    ("linalg.cond", |s| one(s.x(0).cond(matrix_order(s)))),
    ("linalg.inv_ex", |s| vec![s.x(0).inv(), Var::from(Tensor::zeros(batch(&s.x(0)), DType::I32))]),
    ("linalg.lstsq.grad_oriented", |s| {
        // One of LAPACK's drivers gives no residuals.
        let residuals = s.text(KEYWORD, "driver", "gelsy") != "gelsy";
        let (a, b) = (s.x(0), s.x(1));
        let x = a.lstsq(&b);
        let residuals = match residuals && a.size(-2) > a.size(-1) {
            true => (a.matmul(&x) - b).square().sum(-2),
            false => Var::from(Tensor::zeros([0], x.dtype())),
        };
        vec![x, residuals]
    }),
    ("linalg.matrix_norm", |s| {
        let x = s.dtype(KEYWORD, "dtype").map_or(s.x(0), |dtype| s.x(0).to(dtype));
        let dims = s.opt_ints(2, "dim").unwrap_or(vec![-2, -1]);
        let (kind, dims) = (matrix_order(s).unwrap_or(MatrixNorm::Fro), [dims[0], dims[1]]);
        one(if s.flag(3, "keepdim", false) { x.matrix_norm_keepdim(kind, dims) } else { x.matrix_norm(kind, dims) })
    }),
    ("linalg.matrix_rank", |s| one(s.x(0).matrix_rank(s.opt_float(KEYWORD, "atol"), s.opt_float(KEYWORD, "rtol")))),
    ("linalg.norm", |s| one(norm(s))),
    ("linalg.norm.subgradients_at_zero", |s| one(norm(s))),
    ("linalg.pinv", |s| one(s.x(0).pinv(s.opt_float(KEYWORD, "rtol")))),
    ("linalg.qr", |s| {
        let factors = if s.text(1, "mode", "reduced") == "complete" { Factors::Complete } else { Factors::Reduced };
        let (q, r) = s.x(0).qr(factors);
        vec![q, r]
    }),
    ("linalg.lu", |s| {
        assert!(s.flag(KEYWORD, "pivot", true));
        let (p, l, u) = s.x(0).lu();
        vec![Var::from(p), l, u]
    }),
    ("linalg.lu_factor", |s| lu_factor(s, false)),
    ("linalg.lu_factor_ex", |s| lu_factor(s, true)),
    ("lu", |s| lu_factor(s, s.flag(2, "get_infos", false))),
    ("linalg.lu_solve", |s| {
        let options =
            LuSolveOptions { right: !s.flag(KEYWORD, "left", true), adjoint: s.flag(KEYWORD, "adjoint", false) };
        one(s.x(0).lu_solve(s.x(1).value(), &s.x(2), options))
    }),
    ("lu_solve", |s| one(s.x(1).lu_solve(s.x(2).value(), &s.x(0), LuSolveOptions::default()))),
    ("lu_unpack", |s| {
        let (p, l, u) = s.x(0).lu_unpack(s.x(1).value());
        let empty = |x: &Var| Var::from(Tensor::zeros([0], x.dtype()));
        let (data, pivots) = (s.flag(2, "unpack_data", true), s.flag(3, "unpack_pivots", true));
        let p = Var::from(p);
        vec![
            if pivots { p } else { empty(&p) },
            if data { l.clone() } else { empty(&l) },
            if data { u.clone() } else { empty(&u) },
        ]
    }),
    ("linalg.svdvals", |s| one(s.x(0).svdvals())),
    ("linalg.tensorinv", |s| one(s.x(0).tensorinv(s.int_or(1, "ind", 2) as usize))),
    ("linalg.tensorsolve", |s| one(s.x(0).tensorsolve(&s.x(1), &s.opt_ints(2, "dims").unwrap_or_default()))),
    ("matrix_exp", |s| one(s.x(0).matrix_exp())),
    ("pinverse", |s| one(s.x(0).pinv(1e-15))),
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

/// Factors, pivots and, if asked for, that nothing was wrong.
fn lu_factor(s: &Sample, infos: bool) -> Vec<Var> {
    assert!(s.flag(1, "pivot", true) && !s.flag(KEYWORD, "check_errors", false));
    let (factors, pivots) = s.x(0).lu_factor();
    let none = Var::from(Tensor::zeros(batch(&factors), DType::I32));
    [vec![factors, Var::from(pivots)], if infos { vec![none] } else { vec![] }].concat()
}

fn triangle(s: &Sample, position: usize) -> Triangle {
    if s.flag(position, "upper", false) { Triangle::Upper } else { Triangle::Lower }
}

fn batch(x: &Var) -> &[usize] {
    &x.shape()[..x.rank() - 2]
}

/// The norm of matrices that the sample names.
fn matrix_order(s: &Sample) -> Option<MatrixNorm> {
    Some(match s.get(1, "ord")? {
        Value::Text(name) if name == "nuc" => MatrixNorm::Nuc,
        Value::Text(_) => MatrixNorm::Fro,
        Value::None => return None,
        _ => match s.float(1, "ord") {
            2.0 => MatrixNorm::Two,
            -2.0 => MatrixNorm::NegTwo,
            1.0 => MatrixNorm::One,
            -1.0 => MatrixNorm::NegOne,
            p if p > 0.0 => MatrixNorm::Inf,
            _ => MatrixNorm::NegInf,
        },
    })
}

/// `torch.linalg.norm`: of matrices where two axes are named, or an order and no axes of a matrix.
fn norm(s: &Sample) -> Var {
    let x = s.dtype(KEYWORD, "dtype").map_or(s.x(0), |dtype| s.x(0).to(dtype));
    let (dims, order, keep) =
        (s.opt_ints(2, "dim"), s.get(1, "ord").is_some_and(|v| !matches!(v, Value::None)), s.flag(3, "keepdim", false));
    let dims = match (dims, order) {
        (None, true) if x.rank() == 2 => vec![0, 1],
        (dims, _) => dims.unwrap_or_default(),
    };
    match (order, &dims[..]) {
        (true, &[row, column]) => {
            let kind = matrix_order(s).expect("an order");
            if keep { x.matrix_norm_keepdim(kind, [row, column]) } else { x.matrix_norm(kind, [row, column]) }
        }
        _ => {
            let p = s.float_or(1, "ord", 2.0);
            if keep { x.vector_norm_keepdim(&dims[..], p) } else { x.vector_norm(&dims[..], p) }
        }
    }
}

/// `alpha` or `beta`.
fn scale(s: &Sample, name: &str) -> Scalar {
    match s.opt_operand(KEYWORD, name) {
        Some(Arg::Scalar(value)) => value,
        _ => Scalar::Int(1),
    }
}
