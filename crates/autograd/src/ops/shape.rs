//! Shapes: what numpy and PyTorch have beside `cat`, `split` and `reshape`, put together from these.

use crate::catalog::Entry;
use crate::{Var, op};
use std::borrow::Borrow;
use wengert_tensor::shape::{axis, broadcast};
use wengert_tensor::{Tensor, bug};

/// Axes moved to other places, as an order for `permute`.
#[track_caller]
fn moved(op: &str, rank: usize, from: &[isize], to: &[isize]) -> Vec<isize> {
    if from.len() != to.len() {
        bug!(
            "",
            "{op}: Invalid source or destination dims: source ({} dims) should contain the same number of dims as destination ({} dims)",
            from.len(),
            to.len()
        );
    }
    let axes = |dims: &[isize]| -> Vec<usize> { dims.iter().map(|&d| axis(op, d, rank)).collect() };
    let (from, to) = (axes(from), axes(to));
    let mut order: Vec<Option<usize>> = vec![None; rank];
    to.iter().zip(&from).for_each(|(&t, &f)| order[t] = Some(f));
    let mut rest = (0..rank).filter(|i| !from.contains(i));
    order.into_iter().map(|i| i.or_else(|| rest.next()).expect("as many places as axes") as isize).collect()
}

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
        let parts: Vec<Var> = parts.iter().map(|p| p.borrow().atleast_1d()).collect();
        let dim = if parts.first().is_some_and(|p| p.rank() == 1) { 0 } else { 1 };
        Var::cat(&parts, dim)
    }

    /// The tensors one below the other: along the first axis, vectors as rows.
    #[track_caller]
    pub fn vstack(parts: &[impl Borrow<Var>]) -> Var {
        let parts: Vec<Var> = parts.iter().map(|p| p.borrow().atleast_2d()).collect();
        Var::cat(&parts, 0)
    }

    /// The tensors one behind the other, along the third axis.
    #[track_caller]
    pub fn dstack(parts: &[impl Borrow<Var>]) -> Var {
        let parts: Vec<Var> = parts.iter().map(|p| p.borrow().atleast_3d()).collect();
        Var::cat(&parts, 2)
    }

    /// Vectors as columns of a matrix, other tensors side by side.
    #[track_caller]
    pub fn column_stack(parts: &[impl Borrow<Var>]) -> Var {
        let column = |p: &Var| if p.rank() <= 1 { p.reshape([p.numel(), 1]) } else { p.clone() };
        let parts: Vec<Var> = parts.iter().map(|p| column(p.borrow())).collect();
        Var::cat(&parts, 1)
    }

    /// `sections` parts along an axis, of which the first are one longer where it does not divide evenly.
    ///
    /// # Panics
    /// If `sections` is 0 or the axis is out of range.
    #[track_caller]
    pub fn tensor_split(&self, sections: usize, dim: isize) -> Vec<Var> {
        if sections == 0 {
            bug!("", "number of sections must be larger than 0, got 0");
        }
        let len = self.size(dim);
        let sizes: Vec<usize> = (0..sections).map(|i| len / sections + usize::from(i < len % sections)).collect();
        self.split_with_sizes(&sizes, dim)
    }

    /// The parts of an axis between the indices, as slices `x[..i0]`, `x[i0..i1]`, …, `x[in..]`.
    #[track_caller]
    pub fn tensor_split_at(&self, indices: &[isize], dim: isize) -> Vec<Var> {
        let starts = [None].into_iter().chain(indices.iter().map(|&i| Some(i)));
        let ends = indices.iter().map(|&i| Some(i)).chain([None]);
        starts.zip(ends).map(|(start, end)| self.slice(dim, start, end, 1)).collect()
    }

    /// Parts of equal size along an axis, which must divide evenly: `hsplit`, `vsplit` and `dsplit` in PyTorch.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn split_evenly(&self, sections: usize, dim: isize) -> Vec<Var> {
        let len = self.size(dim);
        if sections == 0 || !len.is_multiple_of(sections) {
            bug!(
                "",
                "the size of dimension {dim} ({len}) is not divisible by the split_size {sections}: use `tensor_split` for parts of \
                 unequal size"
            );
        }
        self.tensor_split(sections, dim)
    }

    /// Axes moved to other places; the rest keep their order.
    #[track_caller]
    pub fn movedim(&self, from: &[isize], to: &[isize]) -> Var {
        self.permute(moved("movedim", self.rank(), from, to))
    }

    /// Turned by `k` quarters, from the first of the axes towards the second.
    #[track_caller]
    pub fn rot90(&self, k: i64, dims: [isize; 2]) -> Var {
        let [a, b] = dims;
        if axis("rot90", a, self.rank()) == axis("rot90", b, self.rank()) {
            bug!("", "expected rotation dims to be different, but got dim0 = {a} and dim1 = {b}");
        }
        match k.rem_euclid(4) {
            1 => self.flip([b]).transpose(a, b),
            2 => self.flip([a, b]),
            3 => self.flip([a]).transpose(a, b),
            _ => self.copy(),
        }
    }

    /// [`Var::repeat`] with ones in front where there are fewer numbers than axes.
    #[track_caller]
    pub fn tile(&self, repeats: &[usize]) -> Var {
        let full = [vec![1; self.rank().saturating_sub(repeats.len())], repeats.to_vec()].concat();
        self.repeat(&full)
    }

    /// Each element along an axis as often as `repeats` says (one number for each, or one for all).
    ///
    /// # Panics
    /// If a number is negative, or there are as many numbers as elements neither.
    #[track_caller]
    pub fn repeat_interleave_each(&self, repeats: &Tensor, dim: isize) -> Var {
        let len = self.size(dim);
        let counts = repeats.to(wengert_tensor::DType::I64).to_vec::<i64>();
        if counts.iter().any(|&n| n < 0) {
            bug!("", "repeats can not be negative");
        }
        if counts.len() != len && counts.len() != 1 {
            bug!(
                "",
                "repeats must have the same size as input along dim, but got repeats.size(0) = {} and input.size({dim}) = {len}",
                counts.len()
            );
        }
        let count = |i: usize| counts[if counts.len() == 1 { 0 } else { i }];
        let index: Vec<i64> = (0..len).flat_map(|i| (0..count(i)).map(move |_| i as i64)).collect();
        let total = index.len();
        self.index_select(dim, &Tensor::from_vec(index, [total]))
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

    /// Windows of `size` elements along an axis, `step` apart, as a new last axis.
    ///
    /// # Panics
    /// If the axis is shorter than a window or out of range, or `step` is 0.
    #[track_caller]
    pub fn unfold(&self, dim: isize, size: usize, step: usize) -> Var {
        if self.rank() == 0 {
            axis("unfold", dim, 0);
            if size > 1 {
                bug!("", "maximum size for tensor at dimension 0 is 1 but size is {size}");
            }
            return self.reshape([1]).narrow(0, 0, size);
        }
        let len = self.size(dim);
        if size > len {
            bug!("", "maximum size for tensor at dimension {dim} is {len} but size is {size}");
        }
        if step == 0 {
            bug!("", "step is 0 but must be > 0");
        }
        let d = axis("unfold", dim, self.rank()) as isize;
        let count = (len - size) / step + 1;
        let index: Vec<i64> = (0..count).flat_map(|i| (0..size).map(move |k| (i * step + k) as i64)).collect();
        let picked = self.index_select(d, &Tensor::from_vec(index, [count * size]));
        let split = picked.unflatten(d, [count, size]);
        let order: Vec<isize> = (0..split.rank() as isize).filter(|&i| i != d + 1).chain([d + 1]).collect();
        split.permute(order)
    }

    /// The elements at positions of the flattened tensor, in the shape of `index`; negative ones count from the end.
    #[track_caller]
    pub fn take(&self, index: &Tensor) -> Var {
        let count = self.numel() as i64;
        let flat = index.to(wengert_tensor::DType::I64);
        let positive = flat.lt(0).where_(flat.add(count), &flat);
        self.reshape([self.numel()]).index_select(0, &positive.reshape([positive.numel()])).reshape(index.shape())
    }

    /// A copy with elements of the flattened tensor replaced by those of `source`.
    #[track_caller]
    pub fn put(&self, index: &Tensor, source: &Var) -> Var {
        self.put_with(index, source, |flat, index, source| flat.index_put(&[Some(index)], source))
    }

    /// A copy with the elements of `source` added to elements of the flattened tensor.
    #[track_caller]
    pub fn put_accumulate(&self, index: &Tensor, source: &Var) -> Var {
        self.put_with(index, source, |flat, index, source| flat.index_put_accumulate(&[Some(index)], source))
    }

    #[track_caller]
    fn put_with(&self, index: &Tensor, source: &Var, f: impl Fn(&Var, &Tensor, &Var) -> Var) -> Var {
        if index.numel() != source.numel() {
            bug!(
                "",
                "put_(): Expected source and index to have the same number of elements, but got source.numel() = {}, index.numel() = {}",
                source.numel(),
                index.numel()
            );
        }
        if index.numel() == 0 {
            return self.copy();
        }
        let flat = self.reshape([self.numel()]);
        f(&flat, &index.reshape([index.numel()]), &source.reshape([source.numel()])).reshape(self.shape())
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
                "expected src to have a size equal to the part of self. src size = {}, part size = {}",
                wengert_tensor::shape::size_text(source.shape()),
                wengert_tensor::shape::size_text(part.shape())
            );
        }
        let mask = Tensor::ones(part.shape(), wengert_tensor::DType::Bool).embed(self.shape(), &view);
        let source = source.to(self.dtype()).embedded(self.shape(), view);
        Var::where_(&mask, source, self)
    }

    /// The elements counted along as in memory by `strides`, from `offset` on, of the flattened tensor (`torch.as_strided`, for
    /// tensors in C order: ours are values, so there is no other memory to see).
    ///
    /// # Panics
    /// If an element would lie outside.
    #[track_caller]
    pub fn as_strided(&self, shape: &[usize], strides: &[usize], offset: usize) -> Var {
        self.take(&strided_positions(self.numel(), shape, strides, offset))
    }

    /// Only what broadcasting from `shape` to this tensor's shape added is summed (`Tensor.sum_to_size`): [`Var::sum_to`].
    #[track_caller]
    pub fn sum_to_size(&self, sizes: &[usize]) -> Var {
        // Booleans are counted, unless there is nothing to sum.
        let counts = self.dtype() == wengert_tensor::DType::Bool && (self.rank() == 0 || self.shape() != sizes);
        let x = if counts { self.to(wengert_tensor::DType::I64) } else { self.clone() };
        x.sum_to(sizes)
    }

    /// As [`Var::reshape`] to the shape of another.
    #[track_caller]
    pub fn reshape_as(&self, other: &Var) -> Var {
        self.reshape(other.shape())
    }

    /// All elements as a vector.
    pub fn ravel(&self) -> Var {
        self.reshape([self.numel()])
    }

    /// The last two axes exchanged.
    #[track_caller]
    pub fn mt(&self) -> Var {
        if self.rank() < 2 {
            bug!("", "tensor.mT is only supported on matrices or batches of matrices. Got {}-D tensor.", self.rank());
        }
        self.transpose(-1, -2)
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

    /// Padding by a number in front of and behind the last axes: `(last front, last behind, second last front, …)`; negative
    /// numbers cut (`torch.nn.functional.pad`, mode `constant`).
    ///
    /// # Panics
    /// If there is an odd number of them, more than two for each axis, or more is cut than there is.
    #[track_caller]
    pub fn pad(&self, widths: &[isize], value: f64) -> Var {
        if widths.len() % 2 == 1 {
            bug!("", "Padding length must be divisible by 2");
        }
        if widths.len() / 2 > self.rank() {
            bug!(
                "",
                "Padding length should be less than or equal to two times the input dimension but got padding length {} and input of \
                 dimension {}",
                widths.len(),
                self.rank()
            );
        }
        let mut x = self.clone();
        let mut shape = self.shape().to_vec();
        let mut starts = vec![0isize; self.rank()];
        for (i, pair) in widths.chunks_exact(2).enumerate() {
            let d = self.rank() - 1 - i;
            let new = shape[d] as isize + pair[0] + pair[1];
            if new < 0 {
                bug!(
                    "",
                    "The input size {}, plus negative padding {} and {} resulted in a negative output size, which is invalid. Check \
                     dimension {d} of your input.",
                    shape[d],
                    pair[0],
                    pair[1]
                );
            }
            let (cut_front, cut_behind) = ((-pair[0]).max(0), (-pair[1]).max(0));
            let left = (shape[d] as isize - cut_front - cut_behind).max(0);
            if cut_front + cut_behind > 0 {
                x = x.narrow(d as isize, cut_front.min(shape[d] as isize), left as usize);
            }
            starts[d] = pair[0].max(0);
            shape[d] = new as usize;
        }
        let inner = x.shape().to_vec();
        if shape == inner {
            return x.copy();
        }
        let view = move |t: &Tensor| {
            inner.iter().enumerate().fold(t.clone(), |t, (d, &len)| t.narrow(d as isize, starts[d], len))
        };
        if value == 0.0 {
            return x.embedded(&shape, view);
        }
        let mask = Tensor::ones(x.shape(), wengert_tensor::DType::Bool).embed(&shape, &view).logical_not();
        x.embedded(&shape, view).masked_fill(&mask, value)
    }

    /// Padding of the last axes by what lies inside them: widths as for [`Var::pad`]; `mode` says how
    /// (`torch.nn.functional.pad`, modes `reflect`, `replicate` and `circular`).
    ///
    /// # Panics
    /// If an axis is too short, or there are more widths than axes allow.
    #[track_caller]
    pub fn pad_from_inside(&self, widths: &[isize], mode: PadMode) -> Var {
        if widths.len() % 2 == 1 || widths.len() / 2 > self.rank() {
            bug!(
                "",
                "Padding length must be divisible by 2 and at most twice the number of axes, got {}",
                widths.len()
            );
        }
        let mut x = self.clone();
        for (i, pair) in widths.chunks_exact(2).enumerate() {
            let d = self.rank() - 1 - i;
            let len = self.shape()[d] as isize;
            let limit = match mode {
                PadMode::Reflect => len - 1,
                PadMode::Circular => len,
                PadMode::Replicate => isize::MAX,
            };
            if pair.iter().any(|&w| w > limit) || (len == 0 && pair.iter().any(|&w| w > 0)) {
                match mode {
                    PadMode::Circular => bug!("", "Padding value causes wrapping around more than once."),
                    _ => bug!(
                        "",
                        "Padding size should be less than the corresponding input dimension, but got: padding ({}, {}) at dimension {d} \
                         of input {:?}",
                        pair[0],
                        pair[1],
                        self.shape()
                    ),
                }
            }
            if pair == [0, 0] {
                continue;
            }
            // What is cut off does not come round again.
            let (first, rest) = ((-pair[0]).max(0), len - (-pair[0]).max(0) - (-pair[1]).max(0));
            let source = |i: isize| match mode {
                PadMode::Replicate => i.clamp(0, len - 1),
                PadMode::Circular => first + (i - first).rem_euclid(rest.max(1)),
                PadMode::Reflect if i < 0 => -i,
                PadMode::Reflect if i >= len => 2 * (len - 1) - i,
                PadMode::Reflect => i,
            };
            let index: Vec<i64> = (-pair[0]..len + pair[1]).map(|i| source(i) as i64).collect();
            let count = index.len();
            x = x.index_select(d as isize, &Tensor::from_vec(index, [count]));
        }
        x
    }
}

/// Where the values of [`Var::pad_from_inside`] come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PadMode {
    /// The mirror image; the element at the edge is not repeated.
    Reflect,
    /// The element at the edge.
    Replicate,
    /// The other end.
    Circular,
}

/// Positions in a flattened tensor that strides reach.
#[track_caller]
fn strided_positions(count: usize, shape: &[usize], strides: &[usize], offset: usize) -> Tensor {
    if shape.len() != strides.len() {
        bug!("", "mismatch in length of strides and shape");
    }
    let mut at = vec![offset as i64];
    for (&n, &stride) in shape.iter().zip(strides) {
        at = at.iter().flat_map(|&base| (0..n).map(move |i| base + (i * stride) as i64)).collect();
    }
    if let Some(&last) = at.iter().max().filter(|&&last| last >= count as i64) {
        bug!("", "as_strided: element {last} is out of bounds for a tensor of {count} elements");
    }
    Tensor::from_vec(at, shape)
}

pub(crate) fn catalog() -> Vec<Entry> {
    let one: &[&[usize]] = &[&[3, 4]];
    let at = Tensor::from_vec(vec![2i64, -1, 2], [3]);
    let places = Tensor::from_vec(vec![5i64, 0], [2]);
    let counts = Tensor::from_vec(vec![2i64, 0, 1], [3]);
    vec![
        Entry::shaped("hstack", "", &[&[3, 2], &[3, 1]], Var::hstack),
        Entry::shaped("vstack", "", &[&[2], &[2]], Var::vstack),
        Entry::shaped("dstack", "", &[&[2], &[2]], Var::dstack),
        Entry::shaped("column_stack", "", &[&[3], &[3, 2]], Var::column_stack),
        Entry::shaped("tensor_split", "", one, |x| x[0].tensor_split(3, 1)[0].clone()),
        Entry::shaped("movedim", "", &[&[2, 3, 2]], |x| x[0].movedim(&[0], &[2])),
        Entry::shaped("rot90", "", one, |x| x[0].rot90(1, [0, 1])),
        Entry::shaped("tile", "", one, |x| x[0].tile(&[2])),
        Entry::shaped("repeat_interleave_each", "", one, move |x| x[0].repeat_interleave_each(&counts, 0)),
        Entry::shaped("meshgrid", "", &[&[2], &[3]], |x| Var::meshgrid(x)[0].clone()),
        Entry::shaped("unfold", "", one, |x| x[0].unfold(1, 3, 1)),
        Entry::shaped("take", "", one, move |x| x[0].take(&at)),
        Entry::shaped("put", "", &[&[3, 4], &[2]], move |x| x[0].put(&places, &x[1])),
        Entry::shaped("select_scatter", "", &[&[3, 4], &[4]], |x| x[0].select_scatter(&x[1], 0, 1)),
        Entry::shaped("slice_scatter", "", &[&[3, 4], &[3, 2]], |x| x[0].slice_scatter(&x[1], 1, Some(1), None, 2)),
        Entry::shaped("diagonal_scatter", "", &[&[3, 4], &[3]], |x| x[0].diagonal_scatter(&x[1], 1, 0, 1)),
        Entry::shaped("as_strided", "", one, |x| x[0].as_strided(&[2, 3], &[1, 2], 1)),
        Entry::shaped("fill", "FillBackward0", one, |x| x[0].fill(1.5)),
        Entry::shaped("pad", "", one, |x| x[0].pad(&[1, 2, -1, 1], 0.5)),
        Entry::shaped("pad reflect", "", one, |x| x[0].pad_from_inside(&[2, 1], PadMode::Reflect)),
        Entry::shaped("pad replicate", "", one, |x| x[0].pad_from_inside(&[2, -1, 1, 1], PadMode::Replicate)),
        Entry::shaped("pad circular", "", one, |x| x[0].pad_from_inside(&[4, 1], PadMode::Circular)),
    ]
}
