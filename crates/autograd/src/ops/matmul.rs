//! Matrix products.

use crate::catalog::Entry;
use crate::op::Context;
use crate::ops::activation::through_relu;
use crate::{Var, op};
use wengert_tensor::Tensor;

impl Var {
    /// [`Tensor::matmul`](wengert_tensor::Tensor::matmul): products of vectors, matrices and batches of them.
    #[track_caller]
    pub fn matmul(&self, other: &Var) -> Var {
        let name = match (self.rank(), other.rank()) {
            (1, 1) => "DotBackward0",
            (2, 1) => "MvBackward0",
            (2, 2) => "MmBackward0",
            _ => "UnsafeViewBackward0",
        };
        product(name, self.value.matmul(&other.value), self, other)
    }

    /// [`Tensor::mm`](wengert_tensor::Tensor::mm).
    #[track_caller]
    pub fn mm(&self, other: &Var) -> Var {
        product("MmBackward0", self.value.mm(&other.value), self, other)
    }

    /// [`Tensor::bmm`](wengert_tensor::Tensor::bmm).
    #[track_caller]
    pub fn bmm(&self, other: &Var) -> Var {
        product("BmmBackward0", self.value.bmm(&other.value), self, other)
    }

    /// [`Tensor::mv`](wengert_tensor::Tensor::mv).
    #[track_caller]
    pub fn mv(&self, vec: &Var) -> Var {
        product("MvBackward0", self.value.mv(&vec.value), self, vec)
    }

    /// [`Tensor::dot`](wengert_tensor::Tensor::dot).
    #[track_caller]
    pub fn dot(&self, other: &Var) -> Var {
        product("DotBackward0", self.value.dot(&other.value), self, other)
    }

    /// [`Tensor::outer`](wengert_tensor::Tensor::outer).
    #[track_caller]
    pub fn outer(&self, other: &Var) -> Var {
        let value = self.value.outer(&other.value);
        op::record("MulBackward0", value, [self, other], || {
            let (x, y) = (self.clone(), other.clone());
            move |ctx: &Context<'_>, grad: &Var| {
                let of = |x: &Var| x.to(grad.dtype());
                [ctx.needs(0).then(|| grad.matmul(&of(&y))), ctx.needs(1).then(|| grad.t().matmul(&of(&x)))]
            }
        })
    }

    /// [`Tensor::addmm`](wengert_tensor::Tensor::addmm): `self + mat1·mat2`.
    #[track_caller]
    pub fn addmm(&self, mat1: &Var, mat2: &Var) -> Var {
        let value = self.value.addmm(&mat1.value, &mat2.value);
        op::record("AddmmBackward0", value, [self, mat1, mat2], || {
            let (a, b) = (mat2.node.is_some().then(|| mat1.clone()), mat1.node.is_some().then(|| mat2.clone()));
            move |ctx: &Context<'_>, grad: &Var| {
                let left = b.as_ref().filter(|_| ctx.needs(1)).map(|b| grad.mm(&b.t()));
                let right = a.as_ref().filter(|_| ctx.needs(2)).map(|a| a.t().mm(grad));
                [ctx.needs(0).then(|| grad.clone()), left, right]
            }
        })
    }

    /// [`Tensor::linear`](wengert_tensor::Tensor::linear): `self·weightᵀ + bias` over the last axis.
    #[track_caller]
    pub fn linear(&self, weight: &Var, bias: Option<&Var>) -> Var {
        let value = self.value.linear(&weight.value, bias.map(|b| &b.value));
        if weight.rank() == 1 {
            let out = self.matmul(weight);
            return bias.map_or(out.clone(), |bias| &out + bias);
        }
        self.mapped(value, weight, bias)
    }

    /// [`Tensor::linear_relu`](wengert_tensor::Tensor::linear_relu): [`Var::linear`] followed by [`Var::relu`], in one pass over
    /// the result. Values, gradients and graph are the same.
    #[track_caller]
    pub fn linear_relu(&self, weight: &Var, bias: Option<&Var>) -> Var {
        if weight.rank() == 1 {
            return self.linear(weight, bias).relu();
        }
        let value = self.value.linear_relu(&weight.value, bias.map(|b| &b.value));
        through_relu(&self.mapped(value, weight, bias))
    }

    /// Records `value` as the result of [`Var::linear`].
    #[track_caller]
    fn mapped(&self, value: Tensor, weight: &Var, bias: Option<&Var>) -> Var {
        let name = match (self.rank(), bias) {
            (2, Some(_)) => "AddmmBackward0",
            (2, None) => "MmBackward0",
            _ => "UnsafeViewBackward0",
        };
        let nodes = [bias.and_then(|b| b.node.as_ref()), self.node.as_ref(), weight.node.as_ref()];
        op::record_nodes(name, value, nodes, || {
            let x = weight.node.is_some().then(|| self.clone());
            let w = self.node.is_some().then(|| weight.clone());
            move |ctx: &Context<'_>, grad: &Var| {
                let input = w.as_ref().filter(|_| ctx.needs(1)).map(|w| grad.matmul(w));
                let weight = x.as_ref().filter(|_| ctx.needs(2)).map(|x| rows(grad).t().mm(&rows(x)));
                [ctx.needs(0).then(|| rows(grad).sum(0)), input, weight]
            }
        })
    }
}

/// All axes but the last as one.
#[track_caller]
fn rows(x: &Var) -> Var {
    match x.shape() {
        [_, _] => x.clone(),
        [rows @ .., columns] => x.reshape([rows.iter().product(), *columns]),
        [] => x.reshape([1, 1]),
    }
}

#[track_caller]
fn product(name: &'static str, value: Tensor, a: &Var, b: &Var) -> Var {
    op::record(name, value, [a, b], || {
        let (rank_a, rank_b) = (a.rank(), b.rank());
        let (x, y) = (b.node.is_some().then(|| a.clone()), a.node.is_some().then(|| b.clone()));
        move |ctx: &Context<'_>, grad: &Var| {
            // Vectors are matrices of one row (left) or column (right), whose axis the product lacks.
            let grad = if rank_b == 1 { grad.unsqueeze(-1) } else { grad.clone() };
            let grad = if rank_a == 1 { grad.unsqueeze(-2) } else { grad };
            let left = y.as_ref().filter(|_| ctx.needs(0)).map(|y| {
                let y = if rank_b == 1 { y.unsqueeze(-1) } else { y.clone() };
                grad.matmul(&y.transpose(-1, -2))
            });
            let right = x.as_ref().filter(|_| ctx.needs(1)).map(|x| {
                let x = if rank_a == 1 { x.unsqueeze(0) } else { x.clone() };
                let full = if rank_b <= 2 && x.rank() == grad.rank() {
                    rows(&x).t().matmul(&rows(&grad))
                } else {
                    x.transpose(-1, -2).matmul(&grad)
                };
                if rank_b == 1 { full.squeeze([-1]) } else { full }
            });
            [left, right]
        }
    })
}

pub(crate) fn catalog() -> Vec<Entry> {
    type F = fn(&Var, &Var) -> Var;
    type Row = (&'static str, &'static str, &'static str, [&'static [usize]; 2], F);
    let rows: &[Row] = &[
        ("mm", "MmBackward0", "n k0, k m", [&[2, 3], &[3, 4]], |a, b| a.mm(b)),
        ("matmul of matrices", "MmBackward0", "n k, k m0", [&[2, 3], &[3, 4]], |a, b| a.matmul(b)),
        ("bmm", "BmmBackward0", "b n k, b k m", [&[2, 2, 3], &[2, 3, 2]], |a, b| a.bmm(b)),
        ("mv", "MvBackward0", "n k, k", [&[2, 3], &[3]], |a, b| a.mv(b)),
        ("dot", "DotBackward0", "n0, n", [&[4], &[4]], |a, b| a.dot(b)),
        ("outer", "MulBackward0", "n, m", [&[3], &[2]], |a, b| a.outer(b)),
        ("matmul of a batch", "UnsafeViewBackward0", "... n k, k m", [&[2, 2, 3], &[3, 2]], |a, b| a.matmul(b)),
        ("matmul of a matrix and a batch", "UnsafeViewBackward0", "n k, ... k m", [&[2, 3], &[2, 3, 2]], |a, b| {
            a.matmul(b)
        }),
        (
            "matmul of batches that broadcast",
            "UnsafeViewBackward0",
            "b 1 n k, c k m",
            [&[2, 1, 2, 3], &[2, 3, 2]],
            |a, b| a.matmul(b),
        ),
        ("matmul of a batch and a vector", "UnsafeViewBackward0", "... n k, k", [&[2, 2, 3], &[3]], |a, b| a.matmul(b)),
        ("matmul of a vector and a batch", "UnsafeViewBackward0", "k, ... k m", [&[3], &[2, 3, 2]], |a, b| a.matmul(b)),
        ("matmul of a vector and a matrix", "UnsafeViewBackward0", "k, k m", [&[3], &[3, 2]], |a, b| a.matmul(b)),
        ("linear without bias", "MmBackward0", "... k, m k", [&[2, 3], &[4, 3]], |x, w| x.linear(w, None)),
    ];
    let mut out: Vec<Entry> = rows
        .iter()
        .map(|&(name, grad_fn, sizes, shapes, f)| {
            Entry::shaped(name, grad_fn, &shapes, move |x| f(&x[0], &x[1])).sizes(sizes)
        })
        .collect();
    out.push(
        Entry::shaped("linear", "AddmmBackward0", &[&[2, 3], &[4, 3], &[4]], |x| x[0].linear(&x[1], Some(&x[2])))
            .sizes("... k, m k, m"),
    );
    let batch: &[&[usize]] = &[&[2, 2, 3], &[2, 3], &[2]];
    out.push(
        Entry::shaped("linear of a batch", "UnsafeViewBackward0", batch, |x| x[0].linear(&x[1], Some(&x[2])))
            .sizes("a b k, m k, m"),
    );
    let vector: &[&[usize]] = &[&[3], &[2, 3], &[2]];
    out.push(
        Entry::shaped("linear of a vector", "UnsafeViewBackward0", vector, |x| x[0].linear(&x[1], Some(&x[2])))
            .sizes("k, m k, m"),
    );
    let fused: [(&str, &str, &[&[usize]]); 3] = [
        ("linear_relu", "n k, m k, m", &[&[2, 3], &[4, 3], &[4]]),
        ("linear_relu of a batch, without bias", "a b k, m k", &[&[2, 2, 3], &[2, 3]]),
        ("linear_relu of a vector", "k, m k, m", &[&[3], &[2, 3], &[2]]),
    ];
    out.extend(fused.map(|(name, sizes, shapes)| {
        Entry::shaped(name, "ReluBackward0", shapes, |x| x[0].linear_relu(&x[1], x.get(2))).sizes(sizes)
    }));
    out.push(
        Entry::shaped("addmm", "AddmmBackward0", &[&[4], &[2, 3], &[3, 4]], |x| x[0].addmm(&x[1], &x[2]))
            .sizes("m, n k, k m"),
    );
    out
}
