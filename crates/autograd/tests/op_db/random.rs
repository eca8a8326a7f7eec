//! Random numbers: the same seed (42 in PyTorch's tests) gives the same numbers.

use crate::sample::{KEYWORD, Sample, Value};
use crate::{Row, one};
use wengert_autograd::Var;
use wengert_autograd::tensor::{DType, Draw, Tensor, bernoulli, manual_seed, multinomial, with_generator};

pub(crate) const ROWS: &[Row] = &[
    ("bernoulli", |s| drawn(|| bernoulli(s.x(0).value()))),
    ("cauchy", |s| drawn(|| filled(s, |x, [a, b]| x.cauchy_(a, b)))),
    ("exponential", |s| drawn(|| filled(s, |x, [rate, _]| x.exponential_(rate)))),
    ("geometric", |s| drawn(|| filled(s, |x, [p, _]| x.geometric_(p)))),
    ("log_normal", |s| drawn(|| filled(s, |x, [mean, std]| x.log_normal_(mean, std)))),
    ("multinomial", |s| {
        let draw = if s.flag(2, "replacement", false) { Draw::Again } else { Draw::Once };
        drawn(|| multinomial(s.x(0).value(), s.int(1, "num_samples") as usize, draw))
    }),
    ("normal", |s| {
        drawn(|| match s.get(1, "std") {
            Some(Value::Var(std)) => s.x(0).value().normal_with(std.value()),
            _ => s.x(0).value().normal_with(s.float(1, "std")),
        })
    }),
    ("normal.in_place", |s| drawn(|| filled(s, |x, [mean, std]| x.normal_(mean, std)))),
    // PyTorch's tests give the standard deviation first here.
    ("normal.number_mean", |s| {
        let std = s.float(0, "std");
        drawn(|| match s.get(1, "mean") {
            Some(Value::Var(mean)) => mean.value().normal_with(std),
            _ => {
                let (shape, dtype) = (s.sizes(2, "size"), s.dtype(KEYWORD, "dtype").unwrap_or(DType::F32));
                with_generator(|g| g.normal(shape, s.float(1, "mean"), std, dtype))
            }
        })
    }),
    ("rand_like", |s| drawn(|| like(s).rand_like())),
    ("randint", |s| {
        let (low, high, shape) = match s.get(1, "") {
            Some(Value::List(_)) => (0, s.int(0, "high"), s.sizes(1, "size")),
            _ => (s.int(0, "low"), s.int(1, "high"), s.sizes(2, "size")),
        };
        let dtype = s.dtype(KEYWORD, "dtype").unwrap_or(DType::I64);
        drawn(|| with_generator(|g| g.randint(low as i64, high as i64, shape, dtype)))
    }),
    ("randint_like", |s| {
        let (low, high) = match s.opt_int(2, "high") {
            Some(high) => (s.int(1, "low"), high),
            None => (0, s.int(1, "high")),
        };
        drawn(|| like(s).randint_like(low as i64, high as i64))
    }),
    ("randn", |s| {
        let dtype = s.dtype(KEYWORD, "dtype").unwrap_or(DType::F32);
        drawn(|| with_generator(|g| g.randn(s.sizes(0, "size"), dtype)))
    }),
    ("randn_like", |s| drawn(|| like(s).randn_like())),
    ("uniform", |s| drawn(|| filled(s, |x, [low, high]| x.uniform_(low, high)))),
];

/// What is drawn after seeding.
fn drawn(f: impl FnOnce() -> Tensor) -> Vec<Var> {
    manual_seed(42);
    one(f())
}

/// The operand in the dtype that the sample asks for.
fn like(s: &Sample) -> Tensor {
    let x = s.x(0).into_value();
    s.dtype(KEYWORD, "dtype").map_or(x.clone(), |dtype| x.to(dtype))
}

/// A tensor like the operand, filled by a method that takes one or two numbers.
fn filled(s: &Sample, f: fn(&mut Tensor, [f64; 2])) -> Tensor {
    let mut x = s.x(0).into_value();
    f(&mut x, [s.float(1, ""), s.opt_float(2, "").unwrap_or(0.0)]);
    x
}
