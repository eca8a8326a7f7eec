//! Joining, indexing and sorting against PyTorch's results and error texts.

#![allow(clippy::unwrap_used)]

use serde_json::Value as Json;
use std::panic::{AssertUnwindSafe, catch_unwind};
use wengert_tensor::{DType, ScatterReduce, ScatterReduceOptions, Tensor};

fn tensor(node: &Json) -> Tensor {
    let dtype = *DType::ALL.iter().find(|d| d.name() == node[0]).unwrap();
    let shape: Vec<usize> = node[1].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
    let number = |v: &Json| match v {
        Json::Bool(b) => *b as i64 as f64,
        Json::String(s) => s.parse().unwrap(),
        other => other.as_f64().unwrap(),
    };
    let data: Vec<f64> = node[2].as_array().unwrap().iter().map(number).collect();
    Tensor::from_vec(data, shape).to(dtype)
}

/// The same values under strides that are not C order, inside a larger storage.
fn strided(x: &Tensor) -> Tensor {
    if x.rank() == 0 {
        return Tensor::from_vec(vec![0.0f64, x.item(), 0.0], [3]).to(x.dtype()).select(0, 1);
    }
    let last = x.rank() as isize - 1;
    let turned = x.transpose(0, last);
    let double = Tensor::stack(&[&turned, &turned], -1).select(-1, 1);
    double.transpose(0, last)
}

/// Dtype, shape and values, for comparison: NaN equals NaN, -0 differs from 0.
fn text(x: &Tensor) -> String {
    format!("{} {:?} {:?}", x.dtype(), x.shape(), x.to_vec::<f64>())
}

struct Case<'a> {
    t: Vec<Option<Tensor>>,
    args: &'a [Json],
}

impl Case<'_> {
    fn t(&self, i: usize) -> &Tensor {
        self.t[i].as_ref().unwrap()
    }
    fn all(&self) -> Vec<Tensor> {
        self.t.iter().map(|t| t.clone().unwrap()).collect()
    }
    fn refs(&self, from: usize) -> Vec<Option<&Tensor>> {
        self.t[from..].iter().map(Option::as_ref).collect()
    }
    fn int(&self, i: usize) -> isize {
        self.args[i].as_i64().unwrap() as isize
    }
    fn ints(&self, i: usize) -> Vec<isize> {
        self.args[i].as_array().unwrap().iter().map(|n| n.as_i64().unwrap() as isize).collect()
    }
    fn sizes(&self, i: usize) -> Vec<usize> {
        self.ints(i).into_iter().map(|n| n as usize).collect()
    }

    /// The results.
    fn run(&self, op: &str) -> Vec<Tensor> {
        let x = self.t.first().and_then(Option::as_ref);
        let x = || x.unwrap();
        vec![match op {
            "cat" => Tensor::cat(&self.all(), self.int(0)),
            "stack" => Tensor::stack(&self.all(), self.int(0)),
            "repeat" => x().repeat(&self.sizes(0)),
            "tile" => x().tile(&self.sizes(0)),
            "repeat_interleave" => x().repeat_interleave(self.int(0) as usize, self.int(1)),
            "repeat_interleave_each" => x().repeat_interleave_each(self.t(1), self.int(0)),
            "roll" => x().roll(self.ints(0), self.ints(1)),
            "index_select" => x().index_select(self.int(0), self.t(1)),
            "gather" => x().gather(self.int(0), self.t(1)),
            "scatter" => x().scatter(self.int(0), self.t(1), self.t(2)),
            "scatter_value" => x().scatter_value(self.int(0), self.t(1), self.int(1) as i64),
            "scatter_add" => x().scatter_add(self.int(0), self.t(1), self.t(2)),
            "scatter_reduce" => {
                let reduce = match self.args[1].as_str().unwrap() {
                    "sum" => ScatterReduce::Sum,
                    "prod" => ScatterReduce::Prod,
                    "mean" => ScatterReduce::Mean,
                    "amax" => ScatterReduce::Amax,
                    _ => ScatterReduce::Amin,
                };
                let options = ScatterReduceOptions { reduce, include_self: self.args[2].as_bool().unwrap() };
                x().scatter_reduce_with(self.int(0), self.t(1), self.t(2), &options)
            }
            "index_add" => x().index_add(self.int(0), self.t(1), self.t(2)),
            "index_copy" => x().index_copy(self.int(0), self.t(1), self.t(2)),
            "index_fill" => x().index_fill(self.int(0), self.t(1), self.int(1) as i64),
            "index" => x().index(&self.refs(1)),
            "index_put" => x().index_put(&self.refs(2), self.t(1)),
            "index_put_accumulate" => x().index_put_accumulate(&self.refs(2), self.t(1)),
            "masked_select" => x().masked_select(self.t(1)),
            "masked_scatter" => x().masked_scatter(self.t(1), self.t(2)),
            "nonzero" => x().nonzero(),
            "take" => x().take(self.t(1)),
            "take_along_dim" => x().take_along_dim(self.t(1), self.int(0)),
            "one_hot" => x().one_hot(self.int(0) as usize),
            "tril" => x().tril(self.int(0)),
            "triu" => x().triu(self.int(0)),
            "diag" => x().diag(self.int(0)),
            "trace" => x().trace(),
            "meshgrid" if self.args[0] == "xy" => return Tensor::meshgrid_xy(&self.all()),
            "meshgrid" => return Tensor::meshgrid(&self.all()),
            "bincount" => x().bincount(self.int(0) as usize),
            "bincount_weighted" => x().bincount_weighted(self.t(1), 0),
            "unique" => {
                let found = x().unique();
                return vec![found.values, found.inverse, found.counts];
            }
            "searchsorted" => x().searchsorted(self.t(1)),
            "searchsorted_right" => x().searchsorted_right(self.t(1)),
            "sort" => return pair(x().sort(self.int(0))),
            "sort_descending" => return pair(x().sort_descending(self.int(0))),
            "argsort" => x().argsort(self.int(0)),
            "topk" => return pair(x().topk(self.int(1) as usize, self.int(0))),
            "topk_smallest" => return pair(x().topk_smallest(self.int(1) as usize, self.int(0))),
            "kthvalue" => return pair(x().kthvalue(self.int(1) as usize, self.int(0))),
            "median_dim" => return pair(x().median_dim(self.int(0))),
            "median" => x().median(),
            other => panic!("no operation {other}"),
        }]
    }
}

fn pair((values, indices): (Tensor, Tensor)) -> Vec<Tensor> {
    vec![values, indices]
}

/// What PyTorch says, where it differs from what we say by more than the operation's name in front.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("\"repeat_interleave_cpu\" not implemented for 'Float'", "repeats has to be Long or Int tensor"),
    ("index_copy_(): index ", "index_copy: index "),
    ("scatter(): Expected", "(): Expected"),
    ("gotFloat and Long", "got Float and Long"),
    // PyTorch counts axes after it moved the indexed ones to the front.
    ("index 5 is out of bounds for dimension 0", "index 5 is out of bounds for dimension 1"),
];

#[test]
fn results_and_errors_are_pytorchs() {
    let cases: Vec<Json> = serde_json::from_str(include_str!("golden/index.json")).unwrap();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut failures = Vec::new();
    for case in &cases {
        let op = case[0].as_str().unwrap();
        let given: Vec<Option<Tensor>> =
            case[1].as_array().unwrap().iter().map(|t| (!t.is_null()).then(|| tensor(t))).collect();
        for (kind, turn) in [("", false), (" strided", true)] {
            let t = given.iter().map(|t| t.as_ref().map(|t| if turn { strided(t) } else { t.clone() })).collect();
            let case_run = Case { t, args: case[2].as_array().unwrap() };
            let got = catch_unwind(AssertUnwindSafe(|| case_run.run(op)));
            let got = match got {
                Ok(out) => out.iter().map(text).collect::<Vec<_>>().join("; "),
                Err(payload) => payload.downcast::<String>().map_or_else(|_| "?".to_owned(), |s| *s),
            };
            let fine = match &case[3] {
                Json::String(message) => {
                    let mut message = message.clone();
                    OTHER_WORDS.iter().for_each(|(theirs, ours)| message = message.replace(theirs, ours));
                    got.contains(&message)
                }
                out => {
                    let want: Vec<_> = out.as_array().unwrap().iter().map(|t| text(&tensor(t))).collect();
                    got == want.join("; ")
                }
            };
            if !fine {
                failures.push(format!("{case}{kind}\ngot {got}\n"));
            }
        }
    }
    std::panic::set_hook(hook);
    assert!(failures.is_empty(), "{} of {} differ\n{}", failures.len(), cases.len() * 2, failures.join("\n"));
}
