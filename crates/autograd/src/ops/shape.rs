//! Shapes: what numpy and PyTorch have beside `cat`, `split` and `reshape`, put together from these.

use crate::catalog::Entry;
use crate::op::Context;
use crate::{Var, op};
use std::borrow::Borrow;
use wengert_tensor::shape::{axis, broadcast};
use wengert_tensor::{IntoDims, PadMode, Tensor, bug, moved};

impl Var {
    /// The tensors broadcast to their common shape.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn broadcast_tensors(parts: &[impl Borrow<Var>]) -> Vec<Var> {
        let parts: Vec<&Var> = parts.iter().map(Borrow::borrow).collect();
        let shape = parts.iter().skip(1).fold(parts.first().map_or(vec![], |p| p.shape().to_vec()), |shape, p| {
            broadcast("broadcast_tensors", &shape, p.shape()).to_vec()
        });
        parts.iter().map(|p| p.expand(&shape[..])).collect()
    }

    /// The tensor with at least one axis.
    pub fn atleast_1d(&self) -> Var {
        if self.rank() == 0 { self.reshape([1]) } else { self.clone() }
    }

    /// The tensor with at least two axes: a vector is a row.
    pub fn atleast_2d(&self) -> Var {
        match self.rank() {
            0 => self.reshape([1, 1]),
            1 => self.unsqueeze(0),
            _ => self.clone(),
        }
    }

    /// The tensor with at least three axes: a vector is `[1, n, 1]`, a matrix `[n, m, 1]`.
    pub fn atleast_3d(&self) -> Var {
        match self.rank() {
            0 => self.reshape([1, 1, 1]),
            1 => self.unsqueeze(0).unsqueeze(-1),
            2 => self.unsqueeze(-1),
            _ => self.clone(),
        }
    }

    /// The tensors side by side: along the second axis, vectors along the first.
    #[track_caller]
    pub fn hstack(parts: &[impl Borrow<Var>]) -> Var {
        if parts.is_empty() {
            bug!("", "hstack expects a non-empty TensorList");
        }
        let parts: Vec<Var> = parts.iter().map(|p| p.borrow().atleast_1d()).collect();
        let dim = if parts.first().is_some_and(|p| p.rank() == 1) { 0 } else { 1 };
        Var::cat(&parts, dim)
    }

    /// The tensors one below the other: along the first axis, vectors as rows.
    #[track_caller]
    pub fn vstack(parts: &[impl Borrow<Var>]) -> Var {
        if parts.is_empty() {
            bug!("", "vstack expects a non-empty TensorList");
        }
        let parts: Vec<Var> = parts.iter().map(|p| p.borrow().atleast_2d()).collect();
        Var::cat(&parts, 0)
    }

    /// The tensors one behind the other, along the third axis.
    #[track_caller]
    pub fn dstack(parts: &[impl Borrow<Var>]) -> Var {
        if parts.is_empty() {
            bug!("", "dstack expects a non-empty TensorList");
        }
        let parts: Vec<Var> = parts.iter().map(|p| p.borrow().atleast_3d()).collect();
        Var::cat(&parts, 2)
    }

    /// Vectors as columns of a matrix, other tensors side by side.
    #[track_caller]
    pub fn column_stack(parts: &[impl Borrow<Var>]) -> Var {
        if parts.is_empty() {
            bug!("", "column_stack expects a non-empty TensorList");
        }
        let column = |p: &Var| if p.rank() <= 1 { p.reshape([p.numel(), 1]) } else { p.clone() };
        let parts: Vec<Var> = parts.iter().map(|p| column(p.borrow())).collect();
        Var::cat(&parts, 1)
    }

    /// [`Tensor::tensor_split`].
    #[track_caller]
    pub fn tensor_split(&self, sections: usize, dim: isize) -> Vec<Var> {
        self.parts("SplitWithSizesBackward0", dim, self.value.tensor_split(sections, dim))
    }

    /// [`Tensor::tensor_split_at`].
    #[track_caller]
    pub fn tensor_split_at(&self, indices: &[isize], dim: isize) -> Vec<Var> {
        let parts = self.value.tensor_split_at(indices, dim).len();
        let bound = |i: Option<usize>| i.and_then(|i| indices.get(i).copied());
        (0..parts).map(|i| self.slice(dim, bound(i.checked_sub(1)), bound(Some(i)), 1)).collect()
    }

    /// [`Tensor::hsplit`].
    #[track_caller]
    pub fn hsplit(&self, sections: usize) -> Vec<Var> {
        self.parts("SplitWithSizesBackward0", (self.rank() > 1) as isize, self.value.hsplit(sections))
    }

    /// [`Tensor::vsplit`].
    #[track_caller]
    pub fn vsplit(&self, sections: usize) -> Vec<Var> {
        self.parts("SplitWithSizesBackward0", 0, self.value.vsplit(sections))
    }

    /// [`Tensor::dsplit`].
    #[track_caller]
    pub fn dsplit(&self, sections: usize) -> Vec<Var> {
        self.parts("SplitWithSizesBackward0", 2, self.value.dsplit(sections))
    }

    /// [`Tensor::movedim`].
    #[track_caller]
    pub fn movedim(&self, from: impl IntoDims, to: impl IntoDims) -> Var {
        self.permute(moved(self.rank(), &from.into_dims(), &to.into_dims()))
    }

    /// [`Tensor::swapaxes`].
    #[track_caller]
    pub fn swapaxes(&self, axis0: isize, axis1: isize) -> Var {
        self.transpose(axis0, axis1)
    }

    /// [`Tensor::fliplr`].
    #[track_caller]
    pub fn fliplr(&self) -> Var {
        if self.rank() < 2 {
            bug!("", "Input must be >= 2-d.");
        }
        self.flip([1])
    }

    /// [`Tensor::flipud`].
    #[track_caller]
    pub fn flipud(&self) -> Var {
        if self.rank() == 0 {
            bug!("", "Input must be >= 1-d.");
        }
        self.flip([0])
    }

    /// [`Tensor::rot90`].
    #[track_caller]
    pub fn rot90(&self, k: i64, dims: [isize; 2]) -> Var {
        op::record("Rot90Backward0", self.value.rot90(k, dims), [self], || {
            move |_: &Context<'_>, grad: &Var| [Some(grad.rot90(-k, dims))]
        })
    }

    /// [`Var::repeat`] with ones in front where there are fewer numbers than axes.
    #[track_caller]
    pub fn tile(&self, repeats: &[usize]) -> Var {
        let full = [vec![1; self.rank().saturating_sub(repeats.len())], repeats.to_vec()].concat();
        self.repeat(&full)
    }

    /// [`Tensor::repeat_interleave_each`].
    #[track_caller]
    pub fn repeat_interleave_each(&self, repeats: &Tensor, dim: isize) -> Var {
        let value = self.value.repeat_interleave_each(repeats, dim);
        op::record("IndexSelectBackward0", value, [self], || {
            let size = self.shape().get(axis("repeat_interleave", dim, self.rank())).copied().unwrap_or(1) as i64;
            let index = Tensor::arange(0, size, 1).repeat_interleave_each(repeats, 0);
            move |ctx: &Context<'_>, grad: &Var| {
                let zeros = Tensor::zeros(ctx.shape(0), grad.dtype()).atleast_1d();
                [Some(Var::from(zeros).index_add(dim, &index, grad).reshape(ctx.shape(0)))]
            }
        })
    }

    /// Grids whose element `[i, j, …]` is that of the vector at `i`, `j`, …; the vectors' axes in their order (`indexing="ij"`).
    #[track_caller]
    pub fn meshgrid(parts: &[impl Borrow<Var>]) -> Vec<Var> {
        let parts: Vec<Var> = parts.iter().map(|p| p.borrow().atleast_1d()).collect();
        if let Some(p) = parts.iter().find(|p| p.rank() != 1) {
            bug!(
                "",
                "torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {}",
                wengert_tensor::shape::size_text(p.shape())
            );
        }
        if parts.iter().any(|p| p.dtype() != parts[0].dtype()) {
            bug!("", "meshgrid expects all tensors to have the same dtype");
        }
        let sizes: Vec<usize> = parts.iter().map(Var::numel).collect();
        (0..parts.len())
            .map(|i| {
                let mut shape = vec![1; parts.len()];
                shape[i] = sizes[i];
                parts[i].reshape(&shape[..]).expand(&sizes[..])
            })
            .collect()
    }

    /// [`Var::meshgrid`] with the first two axes exchanged, as for a plot (`indexing="xy"`).
    #[track_caller]
    pub fn meshgrid_xy(parts: &[impl Borrow<Var>]) -> Vec<Var> {
        let grids = Var::meshgrid(parts);
        if grids.len() < 2 { grids } else { grids.iter().map(|g| g.transpose(0, 1)).collect() }
    }

    /// [`Tensor::unfold`]. What lies in several windows gets the sum of their gradients.
    #[track_caller]
    pub fn unfold(&self, dim: isize, size: usize, step: usize) -> Var {
        op::record("UnfoldBackward0", self.value.unfold(dim, size, step), [self], || {
            let d = axis("unfold", dim, self.rank());
            move |ctx: &Context<'_>, grad: &Var| {
                let shape = ctx.shape(0);
                if shape.is_empty() {
                    return [Some(grad.sum(()))];
                }
                let count = grad.shape()[d];
                let index: Vec<i64> = (0..count).flat_map(|i| (0..size).map(move |k| (i * step + k) as i64)).collect();
                let index = Tensor::from_vec(index, [count * size]);
                let side_by_side = grad.movedim(-1, d as isize + 1).flatten(d as isize, d as isize + 1);
                let zeros = Var::from(Tensor::zeros(shape, grad.dtype()));
                [Some(zeros.index_add(d as isize, &index, &side_by_side))]
            }
        })
    }

    /// [`Tensor::take`].
    #[track_caller]
    pub fn take(&self, index: &Tensor) -> Var {
        op::record("TakeBackward0", self.value.take(index), [self], || {
            let index = index.clone();
            move |ctx: &Context<'_>, grad: &Var| {
                let zeros = Var::from(Tensor::zeros(ctx.shape(0), grad.dtype()));
                [Some(zeros.put_accumulate(&index, grad))]
            }
        })
    }

    /// [`Tensor::put`].
    #[track_caller]
    pub fn put(&self, index: &Tensor, source: &Var) -> Var {
        let value = self.value.put(index, &source.value);
        op::record("PutBackward0", value, [self, source], || {
            let index = index.clone();
            move |ctx: &Context<'_>, grad: &Var| {
                let zeros = || Var::from(Tensor::zeros(index.shape(), grad.dtype()));
                [
                    ctx.needs(0).then(|| grad.put(&index, &zeros())),
                    ctx.needs(1).then(|| grad.take(&index).reshape(ctx.shape(1))),
                ]
            }
        })
    }

    /// [`Tensor::put_accumulate`].
    #[track_caller]
    pub fn put_accumulate(&self, index: &Tensor, source: &Var) -> Var {
        let value = self.value.put_accumulate(index, &source.value);
        op::record("PutBackward0", value, [self, source], || {
            let index = index.clone();
            move |ctx: &Context<'_>, grad: &Var| {
                [ctx.needs(0).then(|| grad.clone()), ctx.needs(1).then(|| grad.take(&index).reshape(ctx.shape(1)))]
            }
        })
    }

    /// A copy with one position of an axis replaced by `source` (`torch.select_scatter`).
    #[track_caller]
    pub fn select_scatter(&self, source: &Var, dim: isize, index: isize) -> Var {
        self.with_part(source, move |x| x.select(dim, index))
    }

    /// A copy with a slice of an axis replaced by `source` (`torch.slice_scatter`).
    #[track_caller]
    pub fn slice_scatter(
        &self,
        source: &Var,
        dim: isize,
        start: Option<isize>,
        end: Option<isize>,
        step: usize,
    ) -> Var {
        self.with_part(source, move |x| x.slice(dim, start, end, step))
    }

    /// A copy with a diagonal replaced by `source` (`torch.diagonal_scatter`).
    #[track_caller]
    pub fn diagonal_scatter(&self, source: &Var, offset: isize, dim1: isize, dim2: isize) -> Var {
        self.with_part(source, move |x| x.diagonal(offset, dim1, dim2))
    }

    /// A copy in which what `view` shows is replaced.
    #[track_caller]
    fn with_part(&self, source: &Var, view: impl Fn(&Tensor) -> Tensor + Clone + Send + Sync + 'static) -> Var {
        let part = view(&self.value);
        if part.shape() != source.shape() {
            bug!(
                "",
                "expected src to have a size equal to the slice of self. src size = {}, slice size = {}",
                wengert_tensor::shape::size_text(source.shape()),
                wengert_tensor::shape::size_text(part.shape())
            );
        }
        let mask = Tensor::ones(part.shape(), wengert_tensor::DType::Bool).embed(self.shape(), &view);
        let source = source.to(self.dtype()).embedded(self.shape(), view);
        Var::where_(&mask, source, self)
    }

    /// [`Tensor::as_strided`]. What is named more than once gets the sum of the gradients.
    #[track_caller]
    pub fn as_strided(&self, shape: &[usize], strides: &[usize], offset: usize) -> Var {
        op::record("AsStridedBackward0", self.value.as_strided(shape, strides, offset), [self], || {
            let index = Tensor::arange(0, self.numel() as i64, 1).as_strided(shape, strides, offset);
            move |ctx: &Context<'_>, grad: &Var| {
                let zeros = Var::from(Tensor::zeros(ctx.shape(0), grad.dtype()));
                [Some(zeros.put_accumulate(&index, grad))]
            }
        })
    }

    /// [`Tensor::as_strided_scatter`].
    #[track_caller]
    pub fn as_strided_scatter(&self, source: &Var, shape: &[usize], strides: &[usize], offset: usize) -> Var {
        let value = self.value.as_strided_scatter(&source.value, shape, strides, offset);
        op::record("AsStridedScatterBackward0", value, [self, source], || {
            let (shape, strides) = (shape.to_vec(), strides.to_vec());
            move |ctx: &Context<'_>, grad: &Var| {
                let zeros = || Var::from(Tensor::zeros(&shape[..], grad.dtype()));
                [
                    ctx.needs(0).then(|| grad.as_strided_scatter(&zeros(), &shape, &strides, offset)),
                    ctx.needs(1).then(|| grad.as_strided(&shape, &strides, offset)),
                ]
            }
        })
    }

    /// As [`Var::reshape`] to the shape of another.
    #[track_caller]
    pub fn reshape_as(&self, other: &Var) -> Var {
        self.reshape(other.shape())
    }

    /// [`Tensor::view_as`].
    #[track_caller]
    pub fn view_as(&self, other: &Var) -> Var {
        self.view(other.shape())
    }

    /// All elements as a vector.
    pub fn ravel(&self) -> Var {
        self.reshape([self.numel()])
    }

    /// [`Tensor::mt`]: the last two axes exchanged.
    #[track_caller]
    pub fn mt(&self) -> Var {
        op::record("TransposeBackward0", self.value.mt(), [self], || |_: &Context<'_>, grad: &Var| [Some(grad.mt())])
    }

    /// A tensor of the same shape and dtype in which every element is `value`; nothing flows back.
    #[track_caller]
    pub fn fill(&self, value: impl Into<wengert_tensor::Scalar>) -> Var {
        let filled = self.value.full_like(value);
        op::record("FillBackward0", filled, [self], || {
            |_: &op::Context<'_>, grad: &Var| [Some(Var::from(grad.value.zeros_like()))]
        })
    }

    /// The elements of an axis sorted; [`Var::sort`] along the first axis, without indices (`torch.msort`).
    #[track_caller]
    pub fn msort(&self) -> Var {
        if self.rank() == 0 { self.clone() } else { self.sort(0).0 }
    }
}

pub(crate) fn catalog() -> Vec<Entry> {
    let one: &[&[usize]] = &[&[3, 4]];
    let at = Tensor::from_vec(vec![2i64, -1, 2], [3]);
    let places = Tensor::from_vec(vec![5i64, 0], [2]);
    let again = at.clone();
    let counts = Tensor::from_vec(vec![2i64, 0, 1], [3]);
    vec![
        Entry::shaped("hstack", "", &[&[3, 2], &[3, 1]], Var::hstack).sizes("n a, n b"),
        Entry::shaped("vstack", "", &[&[2], &[2]], Var::vstack).sizes("n, n"),
        Entry::shaped("dstack", "", &[&[2], &[2]], Var::dstack).sizes("n, n"),
        Entry::shaped("column_stack", "", &[&[3], &[3, 2]], Var::column_stack).sizes("n, n m"),
        Entry::shaped("tensor_split", "", one, |x| x[0].tensor_split(3, 1)[0].clone()).sizes("n m"),
        Entry::shaped("movedim", "", &[&[2, 3, 2]], |x| x[0].movedim([0], [2])).sizes("a b c0"),
        Entry::shaped("rot90", "", one, |x| x[0].rot90(1, [0, 1])).sizes("n m"),
        Entry::shaped("tile", "", one, |x| x[0].tile(&[2])).sizes("..."),
        Entry::shaped("repeat_interleave_each", "", one, move |x| x[0].repeat_interleave_each(&counts, 0)).sizes("3 m"),
        Entry::shaped("meshgrid", "", &[&[2], &[3]], |x| Var::meshgrid(x)[0].clone()).sizes("n, m"),
        Entry::shaped("unfold", "", one, |x| x[0].unfold(1, 3, 1)).sizes("n m3"),
        Entry::shaped("take", "", one, move |x| x[0].take(&at)).sizes("n m3"),
        Entry::shaped("put", "", &[&[3, 4], &[2]], move |x| x[0].put(&places, &x[1])).sizes("n2 m3, 2"),
        Entry::shaped("select_scatter", "", &[&[3, 4], &[4]], |x| x[0].select_scatter(&x[1], 0, 1)).sizes("n2 m, m"),
        Entry::shaped("slice_scatter", "", &[&[3, 4], &[3, 2]], |x| x[0].slice_scatter(&x[1], 1, Some(1), None, 2))
            .sizes("n 4, n 2"),
        Entry::shaped("diagonal_scatter", "", &[&[3, 4], &[3]], |x| x[0].diagonal_scatter(&x[1], 1, 0, 1)),
        Entry::shaped("as_strided", "", one, |x| x[0].as_strided(&[2, 3], &[1, 2], 1)).sizes("n2 m4"),
        Entry::shaped("as_strided_scatter", "AsStridedScatterBackward0", &[&[3, 4], &[2, 3]], |x| {
            x[0].as_strided_scatter(&x[1], &[2, 3], &[4, 1], 1)
        }),
        Entry::shaped("put_accumulate", "PutBackward0", &[&[3, 4], &[3]], move |x| x[0].put_accumulate(&again, &x[1])),
        Entry::shaped("hsplit", "SplitWithSizesBackward0", one, |x| x[0].hsplit(2)[1].clone()),
        Entry::shaped("mt", "TransposeBackward0", one, |x| x[0].mt()),
        Entry::shaped("swapaxes", "TransposeBackward0", one, |x| x[0].swapaxes(0, -1)).sizes("n m l0"),
        Entry::shaped("broadcast_tensors", "ExpandBackward0", &[&[3, 1], &[4]], |x| {
            Var::broadcast_tensors(x).swap_remove(0)
        })
        .sizes("n 1, m"),
        Entry::shaped("atleast_1d", "", &[&[]], |x| x[0].atleast_1d()),
        Entry::shaped("atleast_2d", "", &[&[3]], |x| x[0].atleast_2d()).sizes("n0"),
        Entry::shaped("atleast_3d", "", one, |x| x[0].atleast_3d()).sizes("n m0"),
        Entry::shaped("tensor_split_at", "SliceBackward0", one, |x| x[0].tensor_split_at(&[1, -1], 1).swap_remove(1))
            .sizes("n m2"),
        Entry::shaped("vsplit", "", &[&[4, 3]], |x| x[0].vsplit(2).swap_remove(1)).sizes("2n m"),
        Entry::shaped("dsplit", "", &[&[2, 1, 4]], |x| x[0].dsplit(2).swap_remove(0)).sizes("n m 2l"),
        Entry::shaped("fliplr", "FlipBackward0", one, |x| x[0].fliplr()).sizes("n m0"),
        Entry::shaped("flipud", "FlipBackward0", one, |x| x[0].flipud()).sizes("n0 ..."),
        Entry::shaped("meshgrid_xy", "", &[&[2], &[3]], |x| Var::meshgrid_xy(x).swap_remove(1)).sizes("n, m"),
        Entry::shaped("sum_to_size", "", one, |x| x[0].sum_to_size(&[1, x[0].size(1)])).sizes("n m"),
        Entry::shaped("reshape_as", "", &[&[3, 4], &[4, 3]], |x| x[0].reshape_as(&x[1])).sizes("n m, m n"),
        Entry::shaped("view_as", "", &[&[3, 4], &[4, 3]], |x| x[0].contiguous().view_as(&x[1])).sizes("n m, m n"),
        Entry::shaped("ravel", "", one, |x| (&x[0] * 2.0).ravel()).sizes("..."),
        Entry::shaped("msort", "SortBackward0", one, |x| x[0].msort()).sizes("n m"),
        Entry::shaped("pad_from_inside", "", one, |x| x[0].pad_from_inside(&[1, 1], PadMode::Reflect)).sizes("n m2"),
        Entry::shaped("fill", "FillBackward0", one, |x| x[0].fill(1.5)).sizes("..."),
        Entry::shaped("pad", "", one, |x| x[0].pad(&[1, 2, -1, 1], 0.5)).sizes("n m"),
        Entry::shaped("pad reflect", "", one, |x| x[0].pad_from_inside(&[2, 1], PadMode::Reflect)).sizes("n m3"),
        Entry::shaped("pad replicate", "", one, |x| x[0].pad_from_inside(&[2, -1, 1, 1], PadMode::Replicate))
            .sizes("n m2"),
        Entry::shaped("pad circular", "", one, |x| x[0].pad_from_inside(&[4, 1], PadMode::Circular)).sizes("n m4"),
    ]
}
