//! Joining, selecting and updating along an axis. Indices are tensors: nothing flows to them.

use crate::catalog::Entry;
use crate::op::Context;
use crate::{Var, op};
use std::borrow::Borrow;
use wengert_tensor::shape::axis;
use wengert_tensor::{DType, IntoDims, Scalar, ScatterReduce, ScatterReduceOptions, Tensor, bug};

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

    /// [`Tensor::scatter_reduce_with`]. Of equal extremes all share the gradient evenly.
    #[track_caller]
    pub fn scatter_reduce(&self, dim: isize, index: &Tensor, source: &Var, options: &ScatterReduceOptions) -> Var {
        let value = self.value.scatter_reduce_with(dim, index, &source.value, options);
        let saved = op::records(&[self, source]).then(|| value.clone());
        op::record("ScatterReduceBackward0", value, [self, source], || {
            let (x, source, index, options) = (self.clone(), source.clone(), index.clone(), *options);
            let value = saved.expect("made under the same condition");
            move |ctx: &Context<'_>, grad: &Var| {
                let y = &ctx.output(&value);
                let (of_x, of_source) = match options.reduce {
                    ScatterReduce::Sum => (grad.clone(), grad.gather(dim, &index)),
                    ScatterReduce::Mean => {
                        let start = if options.include_self { x.value.ones_like() } else { x.value.zeros_like() };
                        let ones = Tensor::ones(index.shape(), x.dtype());
                        let count = start.scatter_add(dim, &index, &ones);
                        let share = grad / count.masked_fill(&count.eq(0.0), 1.0);
                        let of_source = share.gather(dim, &index);
                        (share, of_source)
                    }
                    ScatterReduce::Amax | ScatterReduce::Amin => {
                        let dtype = x.dtype();
                        let same = x.value.eq(y.value()).to(dtype);
                        let same = if options.include_self { same } else { same.scatter_value(dim, &index, 0.0) };
                        let taken = shrunk(&source.value, index.shape()).eq(y.value().gather(dim, &index)).to(dtype);
                        let count = same.scatter_add(dim, &index, &taken);
                        let share = grad / count.masked_fill(&count.eq(0.0), 1.0);
                        (&share * &same, share.gather(dim, &index) * &taken)
                    }
                    ScatterReduce::Prod => products(grad, &x, &source, y, dim, &index, &options),
                };
                let of_x = match options.include_self {
                    true => of_x,
                    false => of_x.scatter_value(dim, &index, 0.0),
                };
                [ctx.needs(0).then_some(of_x), ctx.needs(1).then(|| of_source.padded(ctx.shape(1)))]
            }
        })
    }

    /// Slices of `source` combined with those of an axis at the positions that `index` names (`torch.index_reduce`).
    #[track_caller]
    pub fn index_reduce(&self, dim: isize, index: &Tensor, source: &Var, options: &ScatterReduceOptions) -> Var {
        if self.rank() == 0 {
            return self.reshape([1]).index_reduce(0, index, &source.reshape([1]), options).reshape(());
        }
        let d = axis("index_reduce", dim, self.rank());
        check_index_reduce(self, d, index, source);
        let mut shape = vec![1; self.rank()];
        shape[d] = index.numel();
        let full = index.reshape(&shape[..]).expand(source.shape());
        self.scatter_reduce(dim, &full, source, options)
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

    /// [`Var::index_fill`] with a 0-d tensor, which gets the sum of the gradients of what it filled.
    #[track_caller]
    pub fn index_fill_tensor(&self, dim: isize, index: &Tensor, value: &Var) -> Var {
        if value.rank() != 0 {
            wengert_tensor::bug!(
                "",
                "index_fill_ only supports a 0-dimensional value tensor, but got tensor with {} dimension(s).",
                value.rank()
            );
        }
        let mask = Tensor::full(self.shape(), false, wengert_tensor::DType::Bool).index_fill(dim, index, true);
        self.masked_fill_tensor(&mask, value)
    }

    /// [`Var::masked_fill`] with a 0-d tensor, which gets the sum of the gradients of what it filled.
    #[track_caller]
    pub fn masked_fill_tensor(&self, mask: &Tensor, value: &Var) -> Var {
        if value.rank() != 0 {
            wengert_tensor::bug!(
                "",
                "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {} dimension(s).",
                value.rank()
            );
        }
        Var::where_(mask, value.to(self.dtype()), self)
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
    pub fn roll(&self, shifts: impl IntoDims, dims: impl IntoDims) -> Var {
        let (shifts, dims) = (shifts.into_dims(), dims.into_dims());
        op::record("RollBackward0", self.value.roll(&shifts[..], &dims[..]), [self], || {
            let back: Vec<isize> = shifts.iter().map(|s| -s).collect();
            move |_: &Context<'_>, grad: &Var| [Some(grad.roll(&back[..], &dims[..]))]
        })
    }
}

/// The first elements along each axis, as many as the index has.
fn shrunk(x: &Tensor, shape: &[usize]) -> Tensor {
    shape
        .iter()
        .enumerate()
        .fold(x.clone(), |x, (d, &len)| if x.rank() == 0 { x } else { x.narrow(d as isize, 0, len) })
}

/// The gradients of a product of what met, exact where there is one zero.
fn products(
    grad: &Var,
    x: &Var,
    source: &Var,
    y: &Var,
    dim: isize,
    index: &Tensor,
    options: &ScatterReduceOptions,
) -> (Var, Var) {
    let no_zero = x.masked_fill(&x.value.eq(0.0), 1.0);
    let without = no_zero.scatter_reduce(dim, index, source, options);
    let of_x = grad * without / no_zero;
    let zero = shrunk(&source.value, index.shape()).eq(0.0);
    let zeros = x.value.zeros_like().scatter_add(dim, index, &zero.to(x.dtype())).gather(dim, index);
    let only = zero.logical_and(zeros.eq(1.0));
    let part = |t: &Var| {
        let sizes = index.shape().to_vec();
        sizes
            .iter()
            .enumerate()
            .fold(t.clone(), |t, (d, &len)| if t.rank() == 0 { t } else { t.narrow(d as isize, 0, len) })
    };
    let taken = part(source);
    let others = x.scatter_reduce(dim, index, &taken.masked_fill(&only, 1.0), options).gather(dim, index);
    let ratio = y.gather(dim, index) / taken.masked_fill(&zero, 1.0);
    (of_x, grad.gather(dim, index) * Var::where_(&only, others, ratio))
}

/// PyTorch's checks, in its order.
#[track_caller]
fn check_index_reduce(x: &Var, d: usize, index: &Tensor, source: &Var) {
    let (kind, count) = (index.dtype().legacy_name(), index.numel());
    if index.rank() > 1 {
        let (rank, size) = (index.rank(), index.shape());
        bug!(
            "",
            "index_reduce_(): Index is supposed to be a vector, but got dim: {rank} with type: {kind} and size: {size:?}"
        );
    }
    if !matches!(index.dtype(), DType::I32 | DType::I64) {
        bug!("", "index_reduce_(): Expected dtype int32/int64 for index but got: {kind}");
    }
    if x.dtype() != source.dtype() {
        let (own, other) = (x.dtype().legacy_name(), source.dtype().legacy_name());
        bug!("", "index_reduce_(): self ({own}) and source ({other}) must have the same scalar type");
    }
    let len = source.shape().get(d).copied().unwrap_or(1);
    if count != len {
        bug!(
            "",
            "index_reduce_(): Number of indices ({count}) should be equal to source.size(dim): ({len}), for dim: {d}"
        );
    }
    let fits = x.rank() == source.rank() && (0..x.rank()).all(|k| k == d || x.shape()[k] == source.shape()[k]);
    if !fits {
        bug!(
            "",
            "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = {:?} \
             source.shape = {:?}",
            x.shape(),
            source.shape()
        );
    }
}

pub(crate) fn catalog() -> Vec<Entry> {
    let index = |data: Vec<i64>, shape: &[usize]| Tensor::from_vec(data, shape);
    fn reduced(x: &[Var], index: &Tensor, reduce: ScatterReduce) -> Var {
        x[0].scatter_reduce(1, index, &x[1], &ScatterReduceOptions { reduce, include_self: true })
    }
    let (two, grid) = (index(vec![2, 0, 2], &[3]), index(vec![0, 2, 1, 1, 0, 2], &[2, 3]));
    let (unique, cells) = (index(vec![2, 0], &[2]), index(vec![1, 2, 0, 0, 1, 2], &[2, 3]));
    let one: &'static [&'static [usize]] = &[&[2, 3]];
    let mut out = vec![
        Entry::shaped("cat", "CatBackward0", &[&[2, 3], &[2, 1], &[2, 2]], |x| Var::cat(x, 1)).sizes("n a0, n b, n c0"),
        Entry::shaped("stack", "StackBackward0", &[&[2, 3], &[2, 3]], |x| Var::stack(x, -1)).sizes("..., ..."),
        Entry::shaped("repeat", "RepeatBackward0", one, |x| x[0].repeat(&[2, 1, 2])).sizes("n0 m"),
        Entry::shaped("repeat_interleave", "RepeatInterleaveBackward0", one, |x| x[0].repeat_interleave(2, -1))
            .sizes("... n"),
        Entry::shaped("roll", "RollBackward0", one, |x| x[0].roll([1, -1], [0, 1])).sizes("n m l0"),
        Entry::shaped("masked_fill_tensor", "WhereBackward0", &[&[2, 3], &[]], |x| {
            x[0].masked_fill_tensor(&crate::catalog::mask(x[0].shape()), &x[1])
        })
        .sizes("..., "),
        Entry::shaped("index_fill_tensor", "WhereBackward0", &[&[2, 3], &[]], |x| {
            x[0].index_fill_tensor(1, &Tensor::from_vec(vec![2i64, 0], [2]), &x[1])
        })
        .sizes("n m3, "),
    ];
    type F = fn(&[Var], &Tensor) -> Var;
    type Row<'a> = (&'static str, &'static str, &'static str, &'static [&'static [usize]], &'a Tensor, F);
    let rows: [Row<'_>; 13] = [
        ("gather", "GatherBackward0", "n2 m3", one, &grid, |x, i| x[0].gather(1, i)),
        ("index_select", "IndexSelectBackward0", "n m3", one, &two, |x, i| x[0].index_select(1, i)),
        ("scatter", "ScatterBackward0", "n2 m3, p2 q3", &[&[2, 3], &[3, 3]], &cells, |x, i| x[0].scatter(1, i, &x[1])),
        ("scatter_value", "ScatterBackward1", "n2 m3", one, &grid, |x, i| x[0].scatter_value(1, i, 1.5)),
        ("scatter_add", "ScatterAddBackward0", "n2 m3, p2 q3", &[&[2, 3], &[2, 4]], &grid, |x, i| {
            x[0].scatter_add(1, i, &x[1])
        }),
        ("index_add", "IndexAddBackward0", "n m3, n 3", &[&[2, 3], &[2, 3]], &two, |x, i| x[0].index_add(1, i, &x[1])),
        ("index_copy", "IndexCopyBackward0", "n m3, n 2", &[&[2, 3], &[2, 2]], &unique, |x, i| {
            x[0].index_copy(1, i, &x[1])
        }),
        ("scatter_reduce mean", "", "n2 m3, p2 q3", &[&[2, 3], &[2, 4]], &grid, |x, i| {
            reduced(x, i, ScatterReduce::Mean)
        }),
        ("scatter_reduce prod", "", "n2 m3, p2 q3", &[&[2, 3], &[2, 4]], &grid, |x, i| {
            reduced(x, i, ScatterReduce::Prod)
        }),
        ("scatter_reduce amax", "", "n2 m3, p2 q3", &[&[2, 3], &[2, 4]], &grid, |x, i| {
            reduced(x, i, ScatterReduce::Amax)
        }),
        ("scatter_reduce amin", "", "n2 m3, p2 q3", &[&[2, 3], &[2, 3]], &cells, |x, i| {
            reduced(x, i, ScatterReduce::Amin)
        }),
        ("index_reduce", "", "n m3, n 3", &[&[2, 3], &[2, 3]], &two, |x, i| {
            let options = ScatterReduceOptions { reduce: ScatterReduce::Mean, include_self: false };
            x[0].index_reduce(1, i, &x[1], &options)
        }),
        ("index_fill", "IndexFillBackward0", "n m3", one, &two, |x, i| x[0].index_fill(1, i, 0.5)),
    ];
    for (name, grad_fn, sizes, shapes, index, f) in rows {
        let index = index.clone();
        out.push(Entry::shaped(name, grad_fn, shapes, move |x| f(x, &index)).sizes(sizes));
    }
    out
}
