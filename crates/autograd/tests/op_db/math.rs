//! Element-wise mathematics, reductions, scans and linear algebra.

use crate::sample::{KEYWORD, Sample, Value};
use crate::{Row, one};
use wengert_autograd::tensor::Scalar;
use wengert_autograd::{Arg, Var};

/// Rows of methods that take the operand alone.
macro_rules! unary {
    ($($name:literal $method:ident;)*) => { &[$(($name, |s| one(s.x(0).$method()))),*] };
}

/// Rows of methods that take another operand.
macro_rules! binary {
    ($($name:literal $method:ident;)*) => { &[$(($name, |s| one(s.x(0).$method(s.operand(1, "other"))))),*] };
}

/// A reduction over the axes that the sample names, in the dtype that it asks for.
macro_rules! typed {
    ($s:ident, $drop:ident, $keep:ident) => {{
        let dtype = $s.dtype(KEYWORD, "dtype");
        let x = dtype.map_or($s.x(0), |dtype| $s.x(0).to(dtype));
        let out = reduced!($s, x, $drop, $keep);
        one(dtype.map_or(out.clone(), |dtype| out.to(dtype)))
    }};
}

/// A reduction over the axes that the sample names.
macro_rules! reduced {
    ($s:ident, $x:expr, $drop:ident, $keep:ident) => {{
        let dims = $s.opt_ints(1, "dim").unwrap_or_default();
        if $s.flag(2, "keepdim", false) { $x.$keep(&dims[..]) } else { $x.$drop(&dims[..]) }
    }};
}

pub(crate) const UNARY: &[Row] = unary! {
    "abs" abs;
    "acos" acos;
    "acosh" acosh;
    "asin" asin;
    "asinh" asinh;
    "atan" atan;
    "atanh" atanh;
    "bitwise_not" bitwise_not;
    "ceil" ceil;
    "cos" cos;
    "cosh" cosh;
    "deg2rad" deg2rad;
    "digamma" digamma;
    "erf" erf;
    "erfc" erfc;
    "erfinv" erfinv;
    "exp" exp;
    "exp2" exp2;
    "expm1" expm1;
    "floor" floor;
    "frac" frac;
    "i0" i0;
    "isfinite" isfinite;
    "isinf" isinf;
    "isnan" isnan;
    "isneginf" isneginf;
    "isposinf" isposinf;
    "lgamma" lgamma;
    "log" log;
    "log10" log10;
    "log1p" log1p;
    "log2" log2;
    "logical_not" logical_not;
    "neg" neg;
    "positive" positive;
    "rad2deg" rad2deg;
    "reciprocal" reciprocal;
    "round" round;
    "rsqrt" rsqrt;
    "sgn" sgn;
    "sigmoid" sigmoid;
    "sign" sign;
    "signbit" signbit;
    "sin" sin;
    "sinc" sinc;
    "sinh" sinh;
    "special.entr" entr;
    "special.erfcx" erfcx;
    "special.i0e" i0e;
    "special.i1" i1;
    "special.i1e" i1e;
    "special.log_ndtr" log_ndtr;
    "special.ndtr" ndtr;
    "special.ndtri" ndtri;
    "sqrt" sqrt;
    "square" square;
    "tan" tan;
    "tanh" tanh;
    "trunc" trunc;
};

pub(crate) const BINARY: &[Row] = binary! {
    "atan2" atan2;
    "bitwise_and" bitwise_and;
    "bitwise_left_shift" bitwise_left_shift;
    "bitwise_or" bitwise_or;
    "bitwise_right_shift" bitwise_right_shift;
    "bitwise_xor" bitwise_xor;
    "copysign" copysign;
    "div.no_rounding_mode" div;
    "eq" eq;
    "float_power" float_power;
    "floor_divide" floor_divide;
    "fmax" fmax;
    "fmin" fmin;
    "fmod" fmod;
    "gcd" gcd;
    "ge" ge;
    "gt" gt;
    "heaviside" heaviside;
    "hypot" hypot;
    "lcm" lcm;
    "le" le;
    "logaddexp" logaddexp;
    "logaddexp2" logaddexp2;
    "logical_and" logical_and;
    "logical_or" logical_or;
    "logical_xor" logical_xor;
    "lt" lt;
    "max.binary" maximum;
    "maximum" maximum;
    "min.binary" minimum;
    "minimum" minimum;
    "mul" mul;
    "remainder" remainder;
    "__radd__" add;
    "__rmul__" mul;
    "__rand__" bitwise_and;
    "__ror__" bitwise_or;
    "__rxor__" bitwise_xor;
    "ne" ne;
    "nextafter" nextafter;
    "special.xlog1py" xlog1py;
    "true_divide" div;
    "xlogy" xlogy;
};

pub(crate) const ROWS: &[Row] = &[
    ("add", |s| one(s.x(0) + scaled(s))),
    ("sub", |s| one(s.x(0) - scaled(s))),
    ("clamp", |s| one(clamp(s, s.opt_operand(1, "min"), s.opt_operand(2, "max")))),
    ("clamp_min", |s| one(clamp(s, s.opt_operand(1, "min"), None))),
    ("clamp_max", |s| one(clamp(s, None, s.opt_operand(1, "max")))),
    ("lerp", |s| one(s.x(0).lerp(&s.x(1), s.operand(2, "weight")))),
    ("addcmul", |s| one(s.x(0).addcmul(&s.x(1), &s.x(2), factor(s)))),
    ("addcdiv", |s| one(s.x(0).addcdiv(&s.x(1), &s.x(2), factor(s)))),
    ("rsub", |s| {
        let (x, other) = (s.x(0), s.operand(1, "other"));
        let x = s.opt_operand(2, "alpha").map_or(x.clone(), |alpha| x * alpha);
        one(match other {
            Arg::Var(other) => other - x,
            Arg::Scalar(other) => -(x - other),
        })
    }),
    ("div.floor_rounding", divided),
    ("div.trunc_rounding", divided),
    ("ldexp", |s| one(s.x(0).ldexp(&s.x(1)))),
    ("logit", |s| one(s.x(0).logit(s.opt_float(1, "eps")))),
    ("nan_to_num", |s| {
        one(s.x(0).nan_to_num(s.opt_float(1, "nan"), s.opt_float(2, "posinf"), s.opt_float(3, "neginf")))
    }),
    ("round.decimals_0", |s| one(s.x(0).round_decimals(s.int(1, "decimals") as i32))),
    ("round.decimals_3", |s| one(s.x(0).round_decimals(s.int(1, "decimals") as i32))),
    ("round.decimals_neg_3", |s| one(s.x(0).round_decimals(s.int(1, "decimals") as i32))),
    ("mvlgamma.mvlgamma_p_1", |s| one(s.x(0).mvlgamma(s.int(1, "p") as usize))),
    ("mvlgamma.mvlgamma_p_3", |s| one(s.x(0).mvlgamma(s.int(1, "p") as usize))),
    ("mvlgamma.mvlgamma_p_5", |s| one(s.x(0).mvlgamma(s.int(1, "p") as usize))),
    ("polygamma.polygamma_n_0", polygamma),
    ("polygamma.polygamma_n_1", polygamma),
    ("polygamma.polygamma_n_2", polygamma),
    ("polygamma.polygamma_n_3", polygamma),
    ("polygamma.polygamma_n_4", polygamma),
    ("special.polygamma.special_polygamma_n_0", polygamma),
    ("igamma", |s| one(s.x(0).value().igamma(s.x(1).value()))),
    ("igammac", |s| one(s.x(0).value().igammac(s.x(1).value()))),
    ("cumprod", |s| one(typed(s, 2).cumprod(s.int(1, "dim")))),
    ("cumsum", |s| one(typed(s, 2).cumsum(s.int(1, "dim")))),
    ("pow", |s| {
        one(match (s.get(0, ""), s.operand(1, "exponent")) {
            (Some(Value::Float(base)), Arg::Var(exponent)) => Var::pow_of(*base, &exponent),
            (_, exponent) => s.x(0).pow(exponent),
        })
    }),
    ("amax", |s| one(reduced!(s, s.x(0), amax, amax_keepdim))),
    ("amin", |s| one(reduced!(s, s.x(0), amin, amin_keepdim))),
    ("logsumexp", |s| one(reduced!(s, s.x(0), logsumexp, logsumexp_keepdim))),
    ("mean", |s| typed!(s, mean, mean_keepdim)),
    ("sum", |s| typed!(s, sum, sum_keepdim)),
    ("prod", |s| typed!(s, prod, prod_keepdim)),
    ("all", |s| {
        one(match s.opt_ints(1, "dim") {
            Some(dims) if s.flag(2, "keepdim", false) => s.x(0).value().all_keepdim(&dims[..]),
            dims => s.x(0).all(&dims.unwrap_or_default()[..]),
        })
    }),
    ("any", |s| {
        one(match s.opt_ints(1, "dim") {
            Some(dims) if s.flag(2, "keepdim", false) => s.x(0).value().any_keepdim(&dims[..]),
            dims => s.x(0).any(&dims.unwrap_or_default()[..]),
        })
    }),
    ("argmax", |s| {
        one(match s.opt_int(1, "dim") {
            Some(dim) if s.flag(2, "keepdim", false) => s.x(0).argmax_keepdim(dim),
            Some(dim) => s.x(0).argmax(dim),
            None => s.x(0).argmax_all(),
        })
    }),
    ("argmin", |s| {
        one(match s.opt_int(1, "dim") {
            Some(dim) if s.flag(2, "keepdim", false) => s.x(0).argmin_keepdim(dim),
            Some(dim) => s.x(0).argmin(dim),
            None => s.x(0).argmin_all(),
        })
    }),
    ("max.reduction_no_dim", |s| one(s.x(0).max())),
    ("min.reduction_no_dim", |s| one(s.x(0).min())),
    ("max.reduction_with_dim", |s| {
        pair(match s.flag(2, "keepdim", false) {
            true => s.x(0).max_dim_keepdim(s.int(1, "dim")),
            false => s.x(0).max_dim(s.int(1, "dim")),
        })
    }),
    ("min.reduction_with_dim", |s| {
        pair(match s.flag(2, "keepdim", false) {
            true => s.x(0).min_dim_keepdim(s.int(1, "dim")),
            false => s.x(0).min_dim(s.int(1, "dim")),
        })
    }),
    ("bmm", |s| one(s.x(0).bmm(&s.x(1)))),
    ("dot", |s| one(s.x(0).dot(&s.x(1)))),
    ("matmul", |s| one(s.x(0).matmul(&s.x(1)))),
    ("mm", |s| one(s.x(0).mm(&s.x(1)))),
    ("mv", |s| one(s.x(0).mv(&s.x(1)))),
    ("outer", |s| one(s.x(0).outer(&s.x(1)))),
    ("tril", |s| one(s.x(0).tril(s.int_or(1, "diagonal", 0)))),
    ("triu", |s| one(s.x(0).triu(s.int_or(1, "diagonal", 0)))),
    ("diagonal", |s| one(s.x(0).diagonal(s.int_or(1, "offset", 0), s.int_or(2, "dim1", 0), s.int_or(3, "dim2", 1)))),
];

/// `alpha * other` of `add` and `sub`.
fn scaled(s: &Sample) -> Arg {
    match (s.operand(1, "other"), s.opt_operand(2, "alpha")) {
        (other, None) => other,
        (Arg::Var(other), Some(alpha)) => Arg::Var(other * alpha),
        (Arg::Scalar(other), Some(_)) => Arg::Scalar((other.to_f64() * s.float(2, "alpha")).into()),
    }
}

fn clamp(s: &Sample, min: Option<Arg>, max: Option<Arg>) -> Var {
    if is_number(&min) && is_number(&max) {
        let number = |bound: Option<Arg>| match bound {
            Some(Arg::Scalar(x)) => Some(x.to_f64()),
            _ => None,
        };
        return s.x(0).clamp(number(min), number(max));
    }
    let tensor = |bound: Option<Arg>| match bound {
        Some(Arg::Var(x)) => Some(x),
        _ => None,
    };
    s.x(0).clamp_tensor(tensor(min).as_ref(), tensor(max).as_ref())
}

/// `value` of `addcmul` and `addcdiv`.
fn factor(s: &Sample) -> Scalar {
    match s.opt_operand(KEYWORD, "value") {
        Some(Arg::Scalar(value)) => value,
        _ => Scalar::Int(1),
    }
}

fn divided(s: &Sample) -> Vec<Var> {
    one(match &*s.text(KEYWORD, "rounding_mode", "") {
        "floor" => s.x(0).div_floor(s.operand(1, "other")),
        "trunc" => s.x(0).div_trunc(s.operand(1, "other")),
        mode => panic!("rounding_mode {mode}"),
    })
}

/// The order comes first.
fn polygamma(s: &Sample) -> Vec<Var> {
    match s.get(0, "n") {
        Some(Value::Int(n)) => one(s.x(1).polygamma(*n as u32)),
        _ => one(s.x(0).polygamma(s.int(1, "n") as u32)),
    }
}

fn is_number(operand: &Option<Arg>) -> bool {
    !matches!(operand, Some(Arg::Var(_)))
}

fn pair<T: Into<Var>>((values, indices): (Var, T)) -> Vec<Var> {
    vec![values, indices.into()]
}

/// The operand, converted if the sample asks for it.
fn typed(s: &Sample, position: usize) -> Var {
    s.dtype(position, "dtype").map_or(s.x(0), |dtype| s.x(0).to(dtype))
}

/// All rows.
pub(crate) fn rows() -> Vec<Row> {
    [UNARY, BINARY, ROWS].concat()
}
