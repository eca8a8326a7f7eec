//! Indexing by positions, ranges, tensors and masks; sorting and ranks. Nothing flows to indices.

use super::reduce::Keep;
use crate::catalog::{Entry, mask};
use crate::op::Context;
use crate::{Var, op};
use wengert_tensor::shape::{axis, broadcast};
use wengert_tensor::{IndexStep, Indices, Tensor, index_steps};

/// Index tensors that a rule owns.
type Owned = Vec<Option<Tensor>>;

fn owned(indices: &[Option<&Tensor>]) -> Owned {
    indices.iter().map(|index| index.cloned()).collect()
}

fn refs(indices: &Owned) -> Vec<Option<&Tensor>> {
    indices.iter().map(Option::as_ref).collect()
}

impl Var {
    /// [`Tensor::i`]: `x[…]`.
    #[track_caller]
    pub fn i(&self, index: impl Indices) -> Var {
        index_steps(self.shape(), index).into_iter().fold(self.clone(), |x, step| match step {
            IndexStep::Select { dim, index } => x.select(dim, index),
            IndexStep::Slice { dim, start, end, step } => x.slice(dim, start, end, step),
            IndexStep::Unsqueeze { dim } => x.unsqueeze(dim),
            IndexStep::Index(tensors) => x.index(&refs(&tensors)),
        })
    }

    /// [`Tensor::index`].
    #[track_caller]
    pub fn index(&self, indices: &[Option<&Tensor>]) -> Var {
        op::record("IndexBackward0", self.value.index(indices), [self], || {
            let indices = owned(indices);
            move |ctx: &Context<'_>, grad: &Var| {
                let zeros = Var::from(Tensor::zeros(ctx.shape(0), grad.dtype()));
                [Some(zeros.index_put_accumulate(&refs(&indices), grad))]
            }
        })
    }

    /// [`Tensor::index_put`].
    #[track_caller]
    pub fn index_put(&self, indices: &[Option<&Tensor>], values: &Var) -> Var {
        let value = self.value.index_put(indices, &values.value);
        op::record("IndexPutBackward0", value, [self, values], || {
            let indices = owned(indices);
            move |ctx: &Context<'_>, grad: &Var| {
                let zero = || Var::from(Tensor::zeros((), grad.dtype()));
                [
                    ctx.needs(0).then(|| grad.index_put(&refs(&indices), &zero())),
                    ctx.needs(1).then(|| grad.index(&refs(&indices))),
                ]
            }
        })
    }

    /// [`Tensor::index_put_accumulate`].
    #[track_caller]
    pub fn index_put_accumulate(&self, indices: &[Option<&Tensor>], values: &Var) -> Var {
        let value = self.value.index_put_accumulate(indices, &values.value);
        op::record("IndexPutBackward0", value, [self, values], || {
            let indices = owned(indices);
            move |ctx: &Context<'_>, grad: &Var| {
                [ctx.needs(0).then(|| grad.clone()), ctx.needs(1).then(|| grad.index(&refs(&indices)))]
            }
        })
    }

    /// [`Tensor::masked_select`].
    #[track_caller]
    pub fn masked_select(&self, mask: &Tensor) -> Var {
        op::record("MaskedSelectBackward0", self.value.masked_select(mask), [self], || {
            let mask = mask.clone();
            move |ctx: &Context<'_>, grad: &Var| {
                let shape = broadcast("masked_select", ctx.shape(0), mask.shape());
                let zeros = Var::from(Tensor::zeros(shape, grad.dtype()));
                [Some(zeros.masked_scatter(&mask, grad))]
            }
        })
    }

    /// [`Tensor::masked_scatter`].
    #[track_caller]
    pub fn masked_scatter(&self, mask: &Tensor, source: &Var) -> Var {
        let value = self.value.masked_scatter(mask, &source.value);
        op::record("MaskedScatterBackward0", value, [self, source], || {
            let mask = mask.clone();
            move |ctx: &Context<'_>, grad: &Var| {
                let source = ctx.needs(1).then(|| {
                    // The source may hold more than was taken from it.
                    let taken = grad.masked_select(&mask);
                    let (used, all) = (taken.numel(), ctx.shape(1).iter().product::<usize>());
                    taken.embedded(&[all], move |x| x.narrow(0, 0, used)).reshape(ctx.shape(1))
                });
                [ctx.needs(0).then(|| grad.masked_fill(&mask, 0.0)), source]
            }
        })
    }

    /// [`Tensor::take_along_dim`].
    #[track_caller]
    pub fn take_along_dim(&self, index: &Tensor, dim: isize) -> Var {
        // The checks are the tensor's.
        let value = self.value.take_along_dim(index, dim);
        if !op::records(&[self]) {
            return Var::from(value);
        }
        let d = axis("take_along_dim", dim, self.rank());
        let with = |size: usize| {
            let mut shape = value.shape().to_vec();
            shape[d] = size;
            shape
        };
        let index = index.from_end(self.size(dim)).expand(with(index.shape()[d]));
        self.expand(with(self.shape()[d])).gather(dim, &index)
    }

    /// [`Tensor::tril`].
    #[track_caller]
    pub fn tril(&self, k: isize) -> Var {
        op::record("TrilBackward0", self.value.tril(k), [self], || {
            move |_: &Context<'_>, grad: &Var| [Some(grad.tril(k))]
        })
    }

    /// [`Tensor::triu`].
    #[track_caller]
    pub fn triu(&self, k: isize) -> Var {
        op::record("TriuBackward0", self.value.triu(k), [self], || {
            move |_: &Context<'_>, grad: &Var| [Some(grad.triu(k))]
        })
    }

    /// [`Tensor::sort`]: values and indices.
    #[track_caller]
    pub fn sort(&self, dim: isize) -> (Var, Tensor) {
        self.ranked("SortBackward0", self.value.sort(dim), dim)
    }

    /// [`Tensor::sort_descending`]: values and indices.
    #[track_caller]
    pub fn sort_descending(&self, dim: isize) -> (Var, Tensor) {
        self.ranked("SortBackward0", self.value.sort_descending(dim), dim)
    }

    /// [`Tensor::topk`]: values and indices.
    #[track_caller]
    pub fn topk(&self, k: usize, dim: isize) -> (Var, Tensor) {
        self.ranked("TopkBackward0", self.value.topk(k, dim), dim)
    }

    /// [`Tensor::topk_smallest`]: values and indices.
    #[track_caller]
    pub fn topk_smallest(&self, k: usize, dim: isize) -> (Var, Tensor) {
        self.ranked("TopkBackward0", self.value.topk_smallest(k, dim), dim)
    }

    #[track_caller]
    fn ranked(&self, name: &'static str, found: (Tensor, Tensor), dim: isize) -> (Var, Tensor) {
        let (values, indices) = found;
        (self.picked(name, values, &indices, dim, Keep::Yes), indices)
    }
}

pub(crate) fn catalog() -> Vec<Entry> {
    let one: &[&[usize]] = &[&[2, 3]];
    let rows = Tensor::from_vec(vec![1i64, 0, 1], [3]);
    let columns = Tensor::from_vec(vec![2i64, 0, 2], [3]);
    let distinct = Tensor::from_vec(vec![2i64, 0, 1], [3]);
    let grid = Tensor::from_vec(vec![2i64, 0], [2, 1]);
    let (r, c) = ([rows.clone(), rows.clone(), rows], [columns.clone(), columns]);
    let ([r1, r2, r3], [c1, c2]) = (r, c);
    vec![
        Entry::shaped("i", "SliceBackward0", &[&[2, 3, 2]], |x| x[0].i((1, 1..))).sizes("a2 b2 c0"),
        Entry::shaped("index", "IndexBackward0", one, move |x| x[0].index(&[Some(&r1), Some(&c1)])).sizes("n2 m3"),
        Entry::shaped("index by a mask", "IndexBackward0", one, |x| x[0].i(mask(x[0].shape()))).sizes("n m"),
        Entry::shaped("index_put", "IndexPutBackward0", &[&[2, 3], &[3]], move |x| {
            x[0].index_put(&[Some(&r2), Some(&distinct)], &x[1])
        })
        .sizes("n2 m3, 3"),
        Entry::shaped("index_put_accumulate", "IndexPutBackward0", &[&[2, 3], &[1]], move |x| {
            x[0].index_put_accumulate(&[Some(&r3), Some(&c2)], &x[1])
        })
        .sizes("n2 m3, 1"),
        Entry::shaped("masked_select", "MaskedSelectBackward0", &[&[3]], |x| {
            x[0].masked_select(&mask(&[2, x[0].size(-1)]))
        })
        .sizes("n"),
        Entry::shaped("masked_scatter", "MaskedScatterBackward0", &[&[2, 3], &[5]], |x| {
            x[0].masked_scatter(&mask(x[0].shape()), &x[1])
        })
        .sizes("n m, 16"),
        Entry::shaped("take_along_dim", "GatherBackward0", one, move |x| x[0].take_along_dim(&grid, 1)).sizes("2 m3"),
        Entry::shaped("tril", "TrilBackward0", one, |x| x[0].tril(0)).sizes("... n m"),
        Entry::shaped("triu", "TriuBackward0", one, |x| x[0].triu(1)).sizes("... n m"),
        Entry::shaped("sort", "SortBackward0", one, |x| x[0].sort(1).0).sizes("n m0"),
        Entry::shaped("sort_descending", "SortBackward0", one, |x| x[0].sort_descending(0).0).sizes("n m"),
        Entry::shaped("topk", "TopkBackward0", one, |x| x[0].topk(2, 1).0).sizes("n m2"),
        Entry::shaped("topk_smallest", "TopkBackward0", one, |x| x[0].topk_smallest(1, 0).0).sizes("n m"),
    ]
}
