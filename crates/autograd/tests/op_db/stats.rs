//! Statistics, norms, scans and distances.

use crate::sample::{KEYWORD, Sample, Value};
use crate::{Row, one};
use wengert_autograd::tensor::Tensor;
use wengert_autograd::{Interpolation, Spacing, Var};

pub(crate) const ROWS: &[Row] = &[
    ("aminmax", |s| {
        let dims: Vec<isize> = s.opt_int(KEYWORD, "dim").into_iter().collect();
        let (low, high) = s.x(0).aminmax(&dims[..]);
        match (s.flag(KEYWORD, "keepdim", false), dims.first()) {
            (true, Some(&d)) if s.x(0).rank() > 0 => vec![low.unsqueeze(d), high.unsqueeze(d)],
            _ => vec![low, high],
        }
    }),
    ("cdist", |s| {
        s.text(3, "compute_mode", "");
        one(s.x(0).cdist(&s.x(1), s.float_or(2, "p", 2.0)))
    }),
    ("corrcoef", |s| one(s.x(0).corrcoef())),
    ("cov", |s| {
        let (f, a) = (s.opt_var(KEYWORD, "fweights"), s.opt_var(KEYWORD, "aweights"));
        one(s.x(0).cov(s.float_or(KEYWORD, "correction", 1.0), f.as_ref().map(Var::value), a.as_ref()))
    }),
    ("count_nonzero", |s| one(s.x(0).count_nonzero(s.opt_ints(1, "dim").unwrap_or_default()))),
    ("cummax", |s| both(s.x(0).cummax(s.int(1, "dim")))),
    ("cummin", |s| both(s.x(0).cummin(s.int(1, "dim")))),
    ("cumulative_trapezoid", |s| one(integral(s, Var::cumulative_trapezoid))),
    ("diff", |s| {
        let (prepend, append) = (s.opt_var(3, "prepend"), s.opt_var(4, "append"));
        one(s.x(0).diff(s.int_or(1, "n", 1) as usize, s.int_or(2, "dim", -1), prepend.as_ref(), append.as_ref()))
    }),
    ("dist", |s| one(s.x(0).dist(&s.x(1), s.float_or(2, "p", 2.0)))),
    ("kthvalue", |s| {
        let dim = s.int_or(2, "dim", -1);
        kept(s, s.x(0).kthvalue(s.int(1, "k") as usize, dim), dim, 3)
    }),
    ("linalg.vector_norm", |s| one(norm(s, s.float_or(1, "ord", 2.0)))),
    ("logcumsumexp", |s| one(s.x(0).logcumsumexp(s.int(1, "dim")))),
    ("median", |s| match s.opt_int(1, "dim") {
        None => one(s.x(0).median()),
        Some(dim) => kept(s, s.x(0).median_dim(dim), dim, 2),
    }),
    ("mode", |s| {
        let dim = s.int_or(1, "dim", -1);
        kept(s, s.x(0).mode(dim), dim, 2)
    }),
    ("nanmean", |s| one(ignoring(s, |x, dims| x.nanmean(dims)))),
    ("nanmedian", |s| match s.opt_int(1, "dim") {
        None => one(s.x(0).nanmedian()),
        Some(dim) => kept(s, s.x(0).nanmedian_dim(dim), dim, 2),
    }),
    ("nansum", |s| one(ignoring(s, |x, dims| x.nansum(dims)))),
    ("nanquantile", |s| one(quantile(s, Var::nanquantile))),
    ("quantile", |s| one(quantile(s, Var::quantile))),
    ("norm", |s| one(order(s))),
    ("norm.fro", |s| one(order(s))),
    ("norm.inf", |s| one(order(s))),
    ("renorm", |s| one(s.x(0).renorm(s.float(1, "p"), s.int(2, "dim"), s.float(3, "maxnorm")))),
    ("nn.functional.cosine_similarity", |s| {
        one(s.x(0).cosine_similarity(&s.x(1), s.int_or(2, "dim", 1), s.float_or(3, "eps", 1e-8)))
    }),
    ("nn.functional.pairwise_distance", |s| {
        let (a, b, p, eps) = (s.x(0), s.x(1), s.float_or(2, "p", 2.0), s.float_or(3, "eps", 1e-6));
        one(match s.flag(4, "keepdim", false) {
            true => a.pairwise_distance_keepdim(&b, p, eps),
            false => a.pairwise_distance(&b, p, eps),
        })
    }),
    ("nn.functional.pdist", |s| one(s.x(0).pdist(s.float_or(1, "p", 2.0)))),
    ("std", |s| one(moments(s, |x, d, c| vec![x.std(d, c)], |x, d, c| vec![x.std_keepdim(d, c)]).remove(0))),
    ("std.unbiased", |s| one(s.x(0).std((), unbiased(s)))),
    ("std_mean", |s| moments(s, |x, d, c| two(x.std_mean(d, c)), |x, d, c| two(x.std_mean_keepdim(d, c)))),
    ("std_mean.unbiased", |s| two(s.x(0).std_mean((), unbiased(s)))),
    ("trapezoid", |s| one(integral(s, Var::trapezoid))),
    ("trapz", |s| one(integral(s, Var::trapezoid))),
    ("var", |s| one(moments(s, |x, d, c| vec![x.var(d, c)], |x, d, c| vec![x.var_keepdim(d, c)]).remove(0))),
    ("var.unbiased", |s| one(s.x(0).var((), unbiased(s)))),
    ("var_mean", |s| moments(s, |x, d, c| two(x.var_mean(d, c)), |x, d, c| two(x.var_mean_keepdim(d, c)))),
    ("var_mean.unbiased", |s| two(s.x(0).var_mean((), unbiased(s)))),
];

fn two((a, b): (Var, Var)) -> Vec<Var> {
    vec![a, b]
}

fn both((values, indices): (Var, Tensor)) -> Vec<Var> {
    vec![values, Var::from(indices)]
}

/// Values and indices along an axis, which stays if the sample says so.
fn kept(s: &Sample, (values, indices): (Var, Tensor), dim: isize, position: usize) -> Vec<Var> {
    match s.flag(position, "keepdim", false) && s.x(0).rank() > 0 {
        true => {
            let d = if dim < 0 { dim + s.x(0).rank() as isize } else { dim };
            vec![values.unsqueeze(d), Var::from(indices.unsqueeze(d))]
        }
        false => both((values, indices)),
    }
}

fn ignoring(s: &Sample, f: fn(&Var, &[isize]) -> Var) -> Var {
    let dims = s.opt_ints(1, "dim").unwrap_or_default();
    let dtype = s.dtype(KEYWORD, "dtype");
    let x = dtype.map_or(s.x(0), |dtype| s.x(0).to(dtype));
    let out = f(&x, &dims);
    if !s.flag(2, "keepdim", false) {
        return out;
    }
    let rank = x.rank() as isize;
    let dims: Vec<isize> = dims.iter().map(|d| d.rem_euclid(rank.max(1))).collect();
    let whole = dims.is_empty();
    let shape: Vec<usize> =
        (0..rank).map(|i| if whole || dims.contains(&i) { 1 } else { x.shape()[i as usize] }).collect();
    out.reshape(&shape[..])
}

type Quantile = fn(&Var, &Var, isize, Interpolation) -> Var;

fn quantile(s: &Sample, f: Quantile) -> Var {
    let x = s.x(0);
    let q = match s.get(1, "q") {
        Some(Value::Float(q)) => Var::from(Tensor::scalar(*q)),
        Some(Value::Int(q)) => Var::from(Tensor::scalar(*q as f64)),
        _ => s.var(1, "q"),
    };
    let interpolation = match &*s.text(4, "interpolation", "linear") {
        "linear" => Interpolation::Linear,
        "lower" => Interpolation::Lower,
        "higher" => Interpolation::Higher,
        "nearest" => Interpolation::Nearest,
        _ => Interpolation::Midpoint,
    };
    let keep = s.flag(3, "keepdim", false);
    let dim = s.opt_int(2, "dim");
    let out = match dim {
        Some(dim) => f(&x, &q, dim, interpolation),
        None => f(&x.flatten(0, -1), &q, 0, interpolation),
    };
    if !keep {
        return out;
    }
    let lead = q.rank();
    let mut shape: Vec<usize> = x.shape().to_vec();
    match dim {
        Some(dim) if x.rank() > 0 => shape[dim.rem_euclid(x.rank() as isize) as usize] = 1,
        Some(_) => {}
        None => shape.fill(1),
    }
    let shape: Vec<usize> = q.shape().iter().copied().take(lead).chain(shape).collect();
    out.reshape(&shape[..])
}

fn norm(s: &Sample, p: f64) -> Var {
    let x = s.dtype(KEYWORD, "dtype").map_or(s.x(0), |dtype| s.x(0).to(dtype));
    let dims = s.opt_ints(2, "dim").unwrap_or_default();
    if s.flag(3, "keepdim", false) { x.vector_norm_keepdim(&dims[..], p) } else { x.vector_norm(&dims[..], p) }
}

/// `torch.norm`, whose order may be a name.
fn order(s: &Sample) -> Var {
    match s.get(1, "p") {
        Some(Value::Text(name)) if name == "fro" => norm(s, 2.0),
        Some(Value::Text(name)) => panic!("norm {name}"),
        _ => norm(s, s.float_or(1, "p", 2.0)),
    }
}

type Moments = fn(&Var, &[isize], f64) -> Vec<Var>;

fn moments(s: &Sample, drop: Moments, keep: Moments) -> Vec<Var> {
    let dims = s.opt_ints(1, "dim").unwrap_or_default();
    let mut correction = s.float_or(KEYWORD, "correction", 1.0);
    if let Some(Value::Bool(unbiased)) = s.get(2, "unbiased") {
        correction = if *unbiased { 1.0 } else { 0.0 };
    }
    if s.flag(3, "keepdim", false) { keep(&s.x(0), &dims, correction) } else { drop(&s.x(0), &dims, correction) }
}

fn unbiased(s: &Sample) -> f64 {
    if s.flag(1, "unbiased", true) { 1.0 } else { 0.0 }
}

fn integral(s: &Sample, f: fn(&Var, Spacing<'_, Var>, isize) -> Var) -> Var {
    let dim = s.int_or(KEYWORD, "dim", -1);
    match s.opt_var(1, "x") {
        Some(x) => f(&s.x(0), Spacing::X(&x), dim),
        None => f(&s.x(0), Spacing::Dx(s.float_or(KEYWORD, "dx", 1.0)), dim),
    }
}
