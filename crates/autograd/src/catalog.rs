//! Every differentiable operation with sample operands, for tests that cover all of them.

use crate::{Sizes, Var};
use std::sync::Arc;
use wengert_tensor::Tensor;

/// An interval from which sample elements are taken.
#[derive(Clone, Copy, Debug)]
pub struct Domain {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

pub(crate) const fn domain(low: f64, high: f64) -> Domain {
    Domain { low, high }
}

/// The function under test.
pub type Function = Arc<dyn Fn(&[Var]) -> Var + Send + Sync>;

/// One operation with what a test needs to try it.
#[derive(Clone)]
pub struct Entry {
    /// The method.
    pub name: &'static str,
    /// The `grad_fn` that its result shows; empty for compositions, whose last step is nobody's concern.
    pub grad_fn: &'static str,
    /// The operation on its differentiable operands.
    pub function: Function,
    /// Shapes of the operands; `None` if the operation takes any shape.
    pub shapes: Option<Vec<Vec<usize>>>,
    /// How many operands.
    pub operands: usize,
    /// The family that random shapes are drawn from; none if the operation takes only `shapes`.
    pub sizes: Option<Sizes>,
    /// Where samples lie.
    pub domain: Domain,
}

impl Entry {
    pub(crate) fn unary(
        name: &'static str,
        grad_fn: &'static str,
        domain: Domain,
        f: impl Fn(&Var) -> Var + Send + Sync + 'static,
    ) -> Entry {
        let sizes = Some(Sizes::parse("*"));
        Entry { name, grad_fn, function: Arc::new(move |x| f(&x[0])), shapes: None, operands: 1, sizes, domain }
    }

    pub(crate) fn binary(
        name: &'static str,
        grad_fn: &'static str,
        domain: Domain,
        f: impl Fn(&Var, &Var) -> Var + Send + Sync + 'static,
    ) -> Entry {
        let sizes = Some(Sizes::parse("*, *"));
        Entry { name, grad_fn, function: Arc::new(move |x| f(&x[0], &x[1])), shapes: None, operands: 2, sizes, domain }
    }

    pub(crate) fn shaped(
        name: &'static str,
        grad_fn: &'static str,
        shapes: &[&[usize]],
        f: impl Fn(&[Var]) -> Var + Send + Sync + 'static,
    ) -> Entry {
        Entry {
            name,
            grad_fn,
            function: Arc::new(f),
            shapes: Some(shapes.iter().map(|s| s.to_vec()).collect()),
            operands: shapes.len(),
            sizes: None,
            domain: domain(-2.0, 2.0),
        }
    }

    /// Lets shapes be drawn at random from a family, such as `"n k, k m"`; see [`Sizes::parse`].
    pub(crate) fn sizes(mut self, family: &str) -> Entry {
        self.sizes = Some(Sizes::parse(family));
        self
    }

    pub(crate) fn within(mut self, low: f64, high: f64) -> Entry {
        self.domain = domain(low, high);
        self
    }
}

/// Every differentiable operation.
#[doc(hidden)]
#[cfg(feature = "catalog")]
pub fn catalog() -> Vec<Entry> {
    crate::ops::catalog()
}

/// Sample number `index` of a domain: spread over it, distinct, never at a kink such as 0 or a whole number.
#[doc(hidden)]
pub fn sample(domain: Domain, shape: &[usize], seed: usize) -> Tensor {
    let count: usize = shape.iter().product();
    // Steps of the golden ratio are spread evenly and never meet.
    let data: Vec<f64> = (0..count)
        .map(|i| {
            let at = ((i + 7 * seed + 1) as f64 * 0.618_033_988_749_895).fract();
            let x = domain.low + (domain.high - domain.low) * (0.02 + 0.96 * at);
            if (x - x.round()).abs() < 0.02 { x + 0.037 } else { x }
        })
        .collect();
    Tensor::from_vec(data, shape)
}

/// Some true and some false.
pub(crate) fn mask(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    Tensor::from_vec((0..count).map(|i| i % 3 != 1).collect(), shape)
}

/// What random numbers give from one seed: a function, as far as derivatives go.
pub(crate) fn seeded<R>(f: impl FnOnce() -> R) -> R {
    wengert_tensor::manual_seed(7);
    f()
}
