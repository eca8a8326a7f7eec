//! Indexing, sorting and sets.

use crate::sample::{KEYWORD, Sample, Value};
use crate::{Row, one};
use wengert_autograd::functional::EmbeddingOptions;
use wengert_autograd::tensor::{
    DType, Ellipsis, HistogramOptions, Index, NewAxis, ScatterReduce, ScatterReduceOptions, SearchOptions, Tensor,
    Unique,
};
use wengert_autograd::{Arg, Var};

pub(crate) const ROWS: &[Row] = &[
    ("__getitem__", |s| {
        let indices = match s.get(1, "") {
            // PyTorch's samples give a list of integers as such, and tuples otherwise.
            Some(list @ Value::List(items)) if items.iter().all(|i| matches!(i, Value::Int(_))) => {
                vec![between_brackets(list)]
            }
            Some(Value::List(items)) => items.iter().map(between_brackets).collect(),
            Some(item) => vec![between_brackets(item)],
            None => vec![],
        };
        one(s.x(0).i(&indices[..]))
    }),
    ("argsort", |s| {
        s.flag(KEYWORD, "stable", false);
        let dim = s.int_or(1, "dim", -1);
        one(match s.flag(2, "descending", false) {
            true => s.x(0).sort_descending(dim).1,
            false => s.x(0).argsort(dim),
        })
    }),
    ("argwhere", |s| one(s.x(0).argwhere())),
    ("bincount", |s| {
        let count = s.int_or(KEYWORD, "minlength", 0) as usize;
        one(match s.opt_var(KEYWORD, "weights") {
            Some(weights) => s.x(0).value().bincount_weighted(weights.value(), count),
            None => s.x(0).value().bincount(count),
        })
    }),
    ("bucketize", |s| {
        let (x, bounds) = (s.x(0), s.var(1, "boundaries"));
        one(position(
            s,
            match s.flag(KEYWORD, "right", false) {
                true => x.bucketize_right(bounds.value()),
                false => x.bucketize(bounds.value()),
            },
        ))
    }),
    ("gather", |s| {
        s.flag(KEYWORD, "sparse_grad", false);
        one(s.x(0).gather(s.int(1, "dim"), s.var(2, "index").value()))
    }),
    ("index_add", |s| {
        let source = s.x(3);
        let source = s.opt_operand(KEYWORD, "alpha").map_or(source.clone(), |alpha| source * alpha);
        one(s.x(0).index_add(s.int(1, "dim"), s.x(2).value(), &source))
    }),
    ("index_copy", |s| one(s.x(0).index_copy(s.int(1, "dim"), s.x(2).value(), &s.x(3)))),
    ("index_fill", |s| {
        one(match s.operand(3, "value") {
            Arg::Scalar(value) => s.x(0).index_fill(s.int(1, "dim"), s.x(2).value(), value),
            Arg::Var(value) => s.x(0).index_fill_tensor(s.int(1, "dim"), s.x(2).value(), &value),
        })
    }),
    ("index_put", |s| {
        let indices = s.vars(1, "");
        let indices: Vec<Option<&Tensor>> = indices.iter().map(|i| Some(i.value())).collect();
        one(match s.flag(KEYWORD, "accumulate", false) {
            true => s.x(0).index_put_accumulate(&indices, &s.x(2)),
            false => s.x(0).index_put(&indices, &s.x(2)),
        })
    }),
    ("index_reduce.amax", |s| one(index_reduce(s))),
    ("index_reduce.amin", |s| one(index_reduce(s))),
    ("index_reduce.mean", |s| one(index_reduce(s))),
    ("index_reduce.prod", |s| one(index_reduce(s))),
    ("index_select", |s| one(s.x(0).index_select(s.int(1, "dim"), s.x(2).value()))),
    ("isin", |s| one(s.x(0).isin(s.x(1).value()))),
    ("masked_fill", |s| {
        one(match s.operand(2, "value") {
            Arg::Scalar(value) => s.x(0).masked_fill(s.x(1).value(), value),
            Arg::Var(value) => s.x(0).masked_fill_tensor(s.x(1).value(), &value),
        })
    }),
    ("masked_scatter", |s| one(s.x(0).masked_scatter(s.x(1).value(), &s.x(2)))),
    ("masked_select", |s| one(s.x(0).masked_select(s.x(1).value()))),
    ("msort", |s| one(s.x(0).msort())),
    ("histogram", |s| {
        let weight = s.opt_var(KEYWORD, "weight");
        let range = s.opt_range(KEYWORD, "range");
        let density = s.flag(KEYWORD, "density", false);
        let options = HistogramOptions { range, weight: weight.as_ref().map(Var::value), density };
        let (counts, edges) = match s.get(1, "bins") {
            Some(Value::Int(bins)) => s.x(0).value().histogram(*bins as usize, &options),
            _ => s.x(0).value().histogram_of(s.x(1).value(), &options),
        };
        vec![Var::from(counts), Var::from(edges)]
    }),
    ("isclose", |s| {
        let (a, b) = (s.x(0), s.x(1));
        let close = a.value().isclose(b.value(), s.float_or(2, "rtol", 1e-5), s.float_or(3, "atol", 1e-8));
        let both = a.value().isnan().logical_and(b.value().isnan());
        one(if s.flag(4, "equal_nan", false) { close.logical_or(both) } else { close })
    }),
    ("equal", |s| one(Tensor::scalar(s.x(0).value().equal(s.x(1).value())))),
    ("histc", |s| {
        one(s.x(0).histc(s.int_or(1, "bins", 100) as usize, s.float_or(2, "min", 0.0), s.float_or(3, "max", 0.0)))
    }),
    ("nn.functional.embedding", |s| {
        s.flag(KEYWORD, "sparse", false);
        one(s.x(0).embedding(
            s.x(1).value(),
            &EmbeddingOptions {
                padding_idx: s.opt_int(KEYWORD, "padding_idx"),
                max_norm: s.opt_float(KEYWORD, "max_norm"),
                norm_type: s.float_or(KEYWORD, "norm_type", 2.0),
                scale_grad_by_freq: s.flag(KEYWORD, "scale_grad_by_freq", false),
            },
        ))
    }),
    ("nn.functional.one_hot", |s| one(s.x(0).one_hot(usize::try_from(s.int_or(1, "num_classes", -1)).ok()))),
    ("nonzero_static", |s| {
        one(s.x(0).nonzero_static(s.int(KEYWORD, "size") as usize, s.int_or(KEYWORD, "fill_value", -1) as i64))
    }),
    ("nonzero", |s| match s.flag(KEYWORD, "as_tuple", false) {
        true => s.x(0).atleast_1d().nonzero().unbind(1).into_iter().map(Var::from).collect(),
        false => one(s.x(0).nonzero()),
    }),
    ("put", |s| {
        one(match s.flag(3, "accumulate", false) {
            true => s.x(0).put_accumulate(s.x(1).value(), &s.x(2)),
            false => s.x(0).put(s.x(1).value(), &s.x(2)),
        })
    }),
    ("scatter", |s| one(scatter(s))),
    ("scatter_add", |s| one(s.x(0).scatter_add(s.int(1, "dim"), s.x(2).value(), &s.x(3)))),
    ("scatter_reduce.amax", |s| one(scatter_reduce(s))),
    ("scatter_reduce.amin", |s| one(scatter_reduce(s))),
    ("scatter_reduce.mean", |s| one(scatter_reduce(s))),
    ("scatter_reduce.prod", |s| one(scatter_reduce(s))),
    ("scatter_reduce.sum", |s| one(scatter_reduce(s))),
    ("searchsorted", |s| {
        let (sorter, values) = (s.opt_var(KEYWORD, "sorter"), s.var(1, "input"));
        let options = SearchOptions {
            right: s.flag(KEYWORD, "right", false) || s.text(KEYWORD, "side", "left") == "right",
            sorter: sorter.as_ref().map(Var::value),
        };
        one(position(s, s.x(0).value().searchsorted_with(values.value(), options)))
    }),
    ("select_scatter", |s| one(s.x(0).select_scatter(&s.x(1), s.int(2, "dim"), s.int(3, "index")))),
    ("slice_scatter", |s| {
        let step = s.int_or(5, "step", 1) as usize;
        one(s.x(0).slice_scatter(&s.x(1), s.int_or(2, "dim", 0), s.opt_int(3, "start"), s.opt_int(4, "end"), step))
    }),
    ("diagonal_scatter", |s| {
        one(s.x(0).diagonal_scatter(&s.x(1), s.int_or(2, "offset", 0), s.int_or(3, "dim1", 0), s.int_or(4, "dim2", 1)))
    }),
    ("sort", |s| {
        s.flag(KEYWORD, "stable", false);
        let dim = s.int_or(1, "dim", -1);
        let (values, indices) = match s.flag(2, "descending", false) {
            true => s.x(0).sort_descending(dim),
            false => s.x(0).sort(dim),
        };
        vec![values, indices.into()]
    }),
    ("take", |s| one(s.x(0).take(s.x(1).value()))),
    ("take_along_dim", |s| {
        one(match s.opt_int(2, "dim") {
            Some(dim) => s.x(0).take_along_dim(s.x(1).value(), dim),
            None => s.x(0).ravel().take_along_dim(&s.x(1).value().reshape([-1isize]), 0),
        })
    }),
    ("topk", |s| {
        s.flag(4, "sorted", true);
        let (k, dim) = (s.int(1, "k") as usize, s.int_or(2, "dim", -1));
        let (values, indices) = match s.flag(3, "largest", true) {
            true => s.x(0).topk(k, dim),
            false => s.x(0).topk_smallest(k, dim),
        };
        vec![values, indices.into()]
    }),
    ("unique", |s| {
        s.flag(KEYWORD, "sorted", true);
        let x = s.x(0).into_value();
        unique(
            s,
            match s.opt_int(KEYWORD, "dim") {
                Some(dim) => x.unique_dim(dim),
                None => x.unique(),
            },
        )
    }),
    ("unique_consecutive", |s| {
        let x = s.x(0).into_value();
        unique(
            s,
            match s.opt_int(KEYWORD, "dim") {
                Some(dim) => x.unique_consecutive_dim(dim),
                None => x.unique_consecutive(),
            },
        )
    }),
    ("unravel_index", |s| s.x(0).value().unravel_index(&s.sizes(1, "shape")).into_iter().map(Var::from).collect()),
    ("where", |s| one(Var::where_(s.x(1).value(), s.operand(0, ""), s.operand(2, "")))),
];

/// What stands between the brackets of `x[…]`.
fn between_brackets(item: &Value) -> Index {
    match item {
        Value::Int(at) => Index::from(*at as isize),
        Value::Slice(start, end, step) => {
            let bound = |x: &Option<i64>| x.map(|x| x as isize);
            Index::Slice { start: bound(start), end: bound(end), step: step.unwrap_or(1) as usize }
        }
        Value::Ellipsis => Index::from(Ellipsis),
        Value::None => Index::from(NewAxis),
        Value::Var(at) => Index::from(at.value()),
        Value::Bool(mask) => Index::from(Tensor::scalar(*mask)),
        Value::List(items) => Index::from(items.iter().map(Value::int).collect::<Vec<isize>>()),
        other => panic!("{other:?} is no index"),
    }
}

/// Positions as `i64`, or as the sample asks.
fn position(s: &Sample, at: Tensor) -> Tensor {
    if s.flag(KEYWORD, "out_int32", false) { at.to(DType::I32) } else { at }
}

fn unique(s: &Sample, found: Unique) -> Vec<Var> {
    let inverse = s.flag(KEYWORD, "return_inverse", false).then_some(found.inverse);
    let counts = s.flag(KEYWORD, "return_counts", false).then_some(found.counts);
    [Some(found.values), inverse, counts].into_iter().flatten().map(Var::from).collect()
}

fn reduce(name: &str) -> ScatterReduce {
    match name {
        "sum" | "add" => ScatterReduce::Sum,
        "prod" | "multiply" => ScatterReduce::Prod,
        "mean" => ScatterReduce::Mean,
        "amax" => ScatterReduce::Amax,
        "amin" => ScatterReduce::Amin,
        other => panic!("reduce {other}"),
    }
}

fn scatter(s: &Sample) -> Var {
    let (x, dim, index) = (s.x(0), s.int(1, "dim"), s.x(2).into_value());
    let mode = s.text(KEYWORD, "reduce", "");
    match (s.get(3, "src"), mode.as_str()) {
        (Some(Value::Var(source)), "") => x.scatter(dim, &index, source),
        (_, "") => match s.operand(3, "value") {
            Arg::Scalar(value) => x.scatter_value(dim, &index, value),
            Arg::Var(_) => unreachable!("the source is no tensor"),
        },
        (_, mode) => {
            let source = match s.operand(3, "value") {
                Arg::Var(source) => source,
                Arg::Scalar(value) => Var::from(Tensor::full(index.shape(), value, x.dtype())),
            };
            x.scatter_reduce(dim, &index, &source, &ScatterReduceOptions { reduce: reduce(mode), include_self: true })
        }
    }
}

fn options(s: &Sample) -> ScatterReduceOptions {
    ScatterReduceOptions {
        reduce: reduce(&s.text(4, "reduce", "")),
        include_self: s.flag(KEYWORD, "include_self", true),
    }
}

fn scatter_reduce(s: &Sample) -> Var {
    s.x(0).scatter_reduce(s.int(1, "dim"), s.x(2).value(), &s.x(3), &options(s))
}

fn index_reduce(s: &Sample) -> Var {
    s.x(0).index_reduce(s.int(1, "dim"), s.x(2).value(), &s.x(3), &options(s))
}
