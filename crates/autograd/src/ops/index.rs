//! Joining, selecting and updating along an axis. Indices are tensors: nothing flows to them.

use crate::catalog::Entry;
use crate::op::Context;
use crate::{Var, op};
use std::borrow::Borrow;
use wengert_tensor::shape::axis;
use wengert_tensor::{Scalar, Tensor};

impl Var {
    /// [`Tensor::cat`].
    #[track_caller]
    pub fn cat(parts: &[impl Borrow<Var>], dim: isize) -> Var {
        let vars: Vec<&Var> = parts.iter().map(Borrow::borrow).collect();
        let values: Vec<&Tensor> = vars.iter().map(|x| &x.value).collect();
        let value = Tensor::cat(&values, dim);
        op::record_many("CatBackward0", value, &vars, || {
            // Where each part lies; PyTorch lets vectors of no elements stand beside anything.
            let rank = vars.iter().map(|x| x.rank()).max().unwrap_or(0);
            let skip = |x: &Var| x.shape() == [0] && rank > 1;
            let d = axis("cat", dim, rank);
            let lens: Vec<Option<usize>> = vars.iter().map(|x| (!skip(x)).then(|| x.shape()[d])).collect();
            move |ctx: &Context<'_>, grad: &Var| {
                let mut start = 0;
                let piece = |(index, len): (usize, &Option<usize>)| {
                    let Some(len) = *len else {
                        return ctx.needs(index).then(|| Var::from(Tensor::zeros([0], grad.dtype())));
                    };
                    let from = start;
                    start += len;
                    ctx.needs(index).then(|| grad.narrow(d as isize, from as isize, len))
                };
                lens.iter().enumerate().map(piece).collect()
            }
        })
    }

    /// [`Tensor::stack`].
    #[track_caller]
    pub fn stack(parts: &[impl Borrow<Var>], dim: isize) -> Var {
        let vars: Vec<&Var> = parts.iter().map(Borrow::borrow).collect();
        let values: Vec<&Tensor> = vars.iter().map(|x| &x.value).collect();
        let value = Tensor::stack(&values, dim);
        let count = vars.len();
        op::record_many("StackBackward0", value, &vars, || {
            move |ctx: &Context<'_>, grad: &Var| {
                (0..count).map(|i| ctx.needs(i).then(|| grad.select(dim, i as isize))).collect()
            }
        })
    }

    /// [`Tensor::gather`].
    #[track_caller]
    pub fn gather(&self, dim: isize, index: &Tensor) -> Var {
        self.picked("GatherBackward0", self.value.gather(dim, index), index, dim, super::reduce::Keep::Yes)
    }

    /// [`Tensor::index_select`].
    #[track_caller]
    pub fn index_select(&self, dim: isize, index: &Tensor) -> Var {
        op::record("IndexSelectBackward0", self.value.index_select(dim, index), [self], || {
            let index = index.clone();
            move |ctx: &Context<'_>, grad: &Var| {
                let zeros = Var::from(Tensor::zeros(ctx.shape(0), grad.dtype()));
                [Some(zeros.index_add(dim, &index, grad))]
            }
        })
    }

    /// [`Tensor::scatter`]. Where a position is written twice, the gradient of all its sources is that of the last.
    #[track_caller]
    pub fn scatter(&self, dim: isize, index: &Tensor, source: &Var) -> Var {
        let value = self.value.scatter(dim, index, &source.value);
        op::record("ScatterBackward0", value, [self, source], || {
            let index = index.clone();
            move |ctx: &Context<'_>, grad: &Var| {
                [
                    ctx.needs(0).then(|| grad.scatter_value(dim, &index, 0.0)),
                    ctx.needs(1).then(|| grad.gather(dim, &index).padded(ctx.shape(1))),
                ]
            }
        })
    }

    /// [`Tensor::scatter_value`].
    #[track_caller]
    pub fn scatter_value(&self, dim: isize, index: &Tensor, value: impl Into<Scalar>) -> Var {
        op::record("ScatterBackward1", self.value.scatter_value(dim, index, value), [self], || {
            let index = index.clone();
            move |_: &Context<'_>, grad: &Var| [Some(grad.scatter_value(dim, &index, 0.0))]
        })
    }

    /// [`Tensor::scatter_add`].
    #[track_caller]
    pub fn scatter_add(&self, dim: isize, index: &Tensor, source: &Var) -> Var {
        let value = self.value.scatter_add(dim, index, &source.value);
        op::record("ScatterAddBackward0", value, [self, source], || {
            let index = index.clone();
            move |ctx: &Context<'_>, grad: &Var| {
                [
                    ctx.needs(0).then(|| grad.clone()),
                    ctx.needs(1).then(|| grad.gather(dim, &index).padded(ctx.shape(1))),
                ]
            }
        })
    }

    /// Zeros behind each axis, up to `shape`: for sources larger than the index.
    #[track_caller]
    fn padded(&self, shape: &[usize]) -> Var {
        if self.shape() == shape {
            return self.clone();
        }
        let sizes = self.shape().to_vec();
        self.embedded(shape, move |x| {
            sizes.iter().enumerate().fold(x.clone(), |x, (d, &len)| x.narrow(d as isize, 0, len))
        })
    }

    /// [`Tensor::index_add`].
    #[track_caller]
    pub fn index_add(&self, dim: isize, index: &Tensor, source: &Var) -> Var {
        let value = self.value.index_add(dim, index, &source.value);
        op::record("IndexAddBackward0", value, [self, source], || {
            let index = index.clone();
            move |ctx: &Context<'_>, grad: &Var| {
                [ctx.needs(0).then(|| grad.clone()), ctx.needs(1).then(|| grad.index_select(dim, &index))]
            }
        })
    }

    /// [`Tensor::index_copy`].
    #[track_caller]
    pub fn index_copy(&self, dim: isize, index: &Tensor, source: &Var) -> Var {
        let value = self.value.index_copy(dim, index, &source.value);
        op::record("IndexCopyBackward0", value, [self, source], || {
            let index = index.clone();
            move |ctx: &Context<'_>, grad: &Var| {
                [
                    ctx.needs(0).then(|| grad.index_fill(dim, &index, 0.0)),
                    ctx.needs(1).then(|| grad.index_select(dim, &index)),
                ]
            }
        })
    }

    /// [`Tensor::index_fill`].
    #[track_caller]
    pub fn index_fill(&self, dim: isize, index: &Tensor, value: impl Into<Scalar>) -> Var {
        op::record("IndexFillBackward0", self.value.index_fill(dim, index, value), [self], || {
            let index = index.clone();
            move |_: &Context<'_>, grad: &Var| [Some(grad.index_fill(dim, &index, 0.0))]
        })
    }

    /// [`Tensor::repeat`]: the gradient is summed over the copies.
    #[track_caller]
    pub fn repeat(&self, repeats: &[usize]) -> Var {
        op::record("RepeatBackward0", self.value.repeat(repeats), [self], || {
            let repeats = repeats.to_vec();
            move |ctx: &Context<'_>, grad: &Var| {
                let shape = ctx.shape(0);
                let lead = repeats.len() - shape.len();
                // Every axis as copies times size, then the copies summed.
                let mut split = Vec::new();
                let mut copies = Vec::new();
                for (d, &times) in repeats.iter().enumerate() {
                    copies.push(split.len() as isize);
                    split.push(times);
                    split.extend((d >= lead).then(|| shape[d - lead]));
                }
                let whole = grad.reshape(&split[..]);
                [Some(if copies.is_empty() { whole } else { whole.sum(&copies[..]) })]
            }
        })
    }

    /// [`Tensor::repeat_interleave`].
    #[track_caller]
    pub fn repeat_interleave(&self, repeats: usize, dim: isize) -> Var {
        op::record("RepeatInterleaveBackward0", self.value.repeat_interleave(repeats, dim), [self], || {
            move |ctx: &Context<'_>, grad: &Var| {
                let d = axis("repeat_interleave", dim, ctx.shape(0).len()) as isize;
                let sizes = [ctx.shape(0).get(d as usize).copied().unwrap_or(1), repeats];
                [Some(grad.unflatten(d, sizes).sum(d + 1).reshape(ctx.shape(0)))]
            }
        })
    }

    /// [`Tensor::roll`].
    #[track_caller]
    pub fn roll(&self, shifts: impl AsRef<[isize]>, dims: impl AsRef<[isize]>) -> Var {
        op::record("RollBackward0", self.value.roll(shifts.as_ref(), dims.as_ref()), [self], || {
            let back: Vec<isize> = shifts.as_ref().iter().map(|s| -s).collect();
            let dims = dims.as_ref().to_vec();
            move |_: &Context<'_>, grad: &Var| [Some(grad.roll(&back, &dims))]
        })
    }
}

pub(crate) fn catalog() -> Vec<Entry> {
    let index = |data: Vec<i64>, shape: &[usize]| Tensor::from_vec(data, shape);
    let (two, grid) = (index(vec![2, 0, 2], &[3]), index(vec![0, 2, 1, 1, 0, 2], &[2, 3]));
    let (unique, cells) = (index(vec![2, 0], &[2]), index(vec![1, 2, 0, 0, 1, 2], &[2, 3]));
    let one: &'static [&'static [usize]] = &[&[2, 3]];
    let mut out = vec![
        Entry::shaped("cat", "CatBackward0", &[&[2, 3], &[2, 1], &[2, 2]], |x| Var::cat(x, 1)),
        Entry::shaped("stack", "StackBackward0", &[&[2, 3], &[2, 3]], |x| Var::stack(x, -1)),
        Entry::shaped("repeat", "RepeatBackward0", one, |x| x[0].repeat(&[2, 1, 2])),
        Entry::shaped("repeat_interleave", "RepeatInterleaveBackward0", one, |x| x[0].repeat_interleave(2, -1)),
        Entry::shaped("roll", "RollBackward0", one, |x| x[0].roll([1, -1], [0, 1])),
    ];
    type F = fn(&[Var], &Tensor) -> Var;
    type Row<'a> = (&'static str, &'static str, &'static [&'static [usize]], &'a Tensor, F);
    let rows: [Row<'_>; 8] = [
        ("gather", "GatherBackward0", one, &grid, |x, i| x[0].gather(1, i)),
        ("index_select", "IndexSelectBackward0", one, &two, |x, i| x[0].index_select(1, i)),
        ("scatter", "ScatterBackward0", &[&[2, 3], &[3, 3]], &cells, |x, i| x[0].scatter(1, i, &x[1])),
        ("scatter_value", "ScatterBackward1", one, &grid, |x, i| x[0].scatter_value(1, i, 1.5)),
        ("scatter_add", "ScatterAddBackward0", &[&[2, 3], &[2, 4]], &grid, |x, i| x[0].scatter_add(1, i, &x[1])),
        ("index_add", "IndexAddBackward0", &[&[2, 3], &[2, 3]], &two, |x, i| x[0].index_add(1, i, &x[1])),
        ("index_copy", "IndexCopyBackward0", &[&[2, 3], &[2, 2]], &unique, |x, i| x[0].index_copy(1, i, &x[1])),
        ("index_fill", "IndexFillBackward0", one, &two, |x, i| x[0].index_fill(1, i, 0.5)),
    ];
    for (name, grad_fn, shapes, index, f) in rows {
        let index = index.clone();
        out.push(Entry::shaped(name, grad_fn, shapes, move |x| f(x, &index)));
    }
    out
}
