//! Views and their adjoints. Values share memory as on [`Tensor`]; gradients come back through the opposite view.

use crate::catalog::Entry;
use crate::{Var, op};
use wengert_tensor::shape::{IntoShape, axis};
use wengert_tensor::{IntoSizes, Shape, Tensor};

impl Var {
    /// [`Tensor::view`].
    #[track_caller]
    pub fn view(&self, sizes: impl IntoSizes) -> Var {
        self.reshaped("ViewBackward0", self.value.view(sizes))
    }

    /// [`Tensor::reshape`].
    #[track_caller]
    pub fn reshape(&self, sizes: impl IntoSizes) -> Var {
        let value = self.value.reshape(sizes);
        self.reshaped(self.view_name(&value), value)
    }

    /// [`Tensor::flatten`].
    #[track_caller]
    pub fn flatten(&self, start: isize, end: isize) -> Var {
        let value = self.value.flatten(start, end);
        self.reshaped(self.view_name(&value), value)
    }

    /// [`Tensor::unflatten`].
    #[track_caller]
    pub fn unflatten(&self, dim: isize, sizes: impl IntoSizes) -> Var {
        self.reshaped("ViewBackward0", self.value.unflatten(dim, sizes))
    }

    /// [`Tensor::squeeze`].
    #[track_caller]
    pub fn squeeze(&self, dims: impl AsRef<[isize]>) -> Var {
        let name = match dims.as_ref().len() {
            0 => "SqueezeBackward0",
            1 => "SqueezeBackward1",
            _ => "SqueezeBackward2",
        };
        self.reshaped(name, self.value.squeeze(dims))
    }

    /// [`Tensor::unsqueeze`].
    #[track_caller]
    pub fn unsqueeze(&self, dim: isize) -> Var {
        self.reshaped("UnsqueezeBackward0", self.value.unsqueeze(dim))
    }

    /// PyTorch's name for a reshape: a view, or the view of a copy.
    fn view_name(&self, value: &Tensor) -> &'static str {
        if value.shares_storage(&self.value) { "ViewBackward0" } else { "UnsafeViewBackward0" }
    }

    /// The same elements in the same order under another shape.
    #[track_caller]
    fn reshaped(&self, name: &'static str, value: Tensor) -> Var {
        op::record(name, value, [self], || |ctx: &op::Context<'_>, grad: &Var| [Some(grad.reshape(ctx.shape(0)))])
    }

    /// [`Tensor::transpose`].
    #[track_caller]
    pub fn transpose(&self, dim0: isize, dim1: isize) -> Var {
        op::record("TransposeBackward0", self.value.transpose(dim0, dim1), [self], || {
            move |_: &op::Context<'_>, grad: &Var| [Some(grad.transpose(dim0, dim1))]
        })
    }

    /// [`Tensor::t`].
    #[track_caller]
    pub fn t(&self) -> Var {
        op::record("TBackward0", self.value.t(), [self], || |_: &op::Context<'_>, grad: &Var| [Some(grad.t())])
    }

    /// [`Tensor::permute`].
    #[track_caller]
    pub fn permute(&self, dims: impl AsRef<[isize]>) -> Var {
        let value = self.value.permute(dims.as_ref());
        op::record("PermuteBackward0", value, [self], || {
            let mut inverse = vec![0isize; self.rank()];
            for (to, &from) in dims.as_ref().iter().enumerate() {
                inverse[axis("permute", from, self.rank())] = to as isize;
            }
            move |_: &op::Context<'_>, grad: &Var| [Some(grad.permute(&inverse))]
        })
    }

    /// [`Tensor::expand`]. The gradient is summed over what was repeated.
    #[track_caller]
    pub fn expand(&self, sizes: impl IntoSizes) -> Var {
        let value = self.value.expand(sizes);
        op::record("ExpandBackward0", value, [self], || |_: &op::Context<'_>, grad: &Var| [Some(grad.clone())])
    }

    /// [`Tensor::expand_as`].
    #[track_caller]
    pub fn expand_as(&self, other: &Var) -> Var {
        self.expand(other.shape())
    }

    /// [`Tensor::broadcast_to`].
    #[track_caller]
    pub fn broadcast_to(&self, shape: impl IntoShape) -> Var {
        self.expand(shape.into_shape())
    }

    /// [`Tensor::narrow`].
    #[track_caller]
    pub fn narrow(&self, dim: isize, start: isize, len: usize) -> Var {
        self.part("SliceBackward0", move |x| x.narrow(dim, start, len))
    }

    /// [`Tensor::slice`].
    #[track_caller]
    pub fn slice(&self, dim: isize, start: Option<isize>, end: Option<isize>, step: usize) -> Var {
        self.part("SliceBackward0", move |x| x.slice(dim, start, end, step))
    }

    /// [`Tensor::select`].
    #[track_caller]
    pub fn select(&self, dim: isize, index: isize) -> Var {
        self.part("SelectBackward0", move |x| x.select(dim, index))
    }

    /// [`Tensor::diagonal`].
    #[track_caller]
    pub fn diagonal(&self, offset: isize, dim1: isize, dim2: isize) -> Var {
        self.part("DiagonalBackward0", move |x| x.diagonal(offset, dim1, dim2))
    }

    /// [`Tensor::unbind`].
    #[track_caller]
    pub fn unbind(&self, dim: isize) -> Vec<Var> {
        let count = self.value.unbind(dim).len();
        (0..count).map(|i| self.part("UnbindBackward0", move |x| x.select(dim, i as isize))).collect()
    }

    /// [`Tensor::split`].
    #[track_caller]
    pub fn split(&self, size: usize, dim: isize) -> Vec<Var> {
        let parts = self.value.split(size, dim);
        self.parts("SplitBackward0", dim, parts)
    }

    /// [`Tensor::split_with_sizes`].
    #[track_caller]
    pub fn split_with_sizes(&self, sizes: &[usize], dim: isize) -> Vec<Var> {
        let parts = self.value.split_with_sizes(sizes, dim);
        self.parts("SplitWithSizesBackward0", dim, parts)
    }

    /// [`Tensor::chunk`].
    #[track_caller]
    pub fn chunk(&self, chunks: usize, dim: isize) -> Vec<Var> {
        let parts = self.value.chunk(chunks, dim);
        self.parts("SplitBackward0", dim, parts)
    }

    /// Consecutive parts of an axis, given their values.
    #[track_caller]
    pub(crate) fn parts(&self, name: &'static str, dim: isize, parts: Vec<Tensor>) -> Vec<Var> {
        let d = axis("split", dim, self.rank());
        let mut start = 0;
        let mut out = Vec::with_capacity(parts.len());
        for part in parts {
            let (from, len) = (start as isize, part.shape()[d]);
            // Chunks of an empty axis all begin at its start.
            start += len;
            out.push(self.part(name, move |x| x.narrow(d as isize, from, len)));
        }
        out
    }

    /// A view that names no element twice; its adjoint puts the gradient back among zeros.
    #[track_caller]
    fn part<F>(&self, name: &'static str, view: F) -> Var
    where
        F: Fn(&Tensor) -> Tensor + Clone + Send + Sync + 'static,
    {
        op::record(name, view(&self.value), [self], || {
            move |ctx: &op::Context<'_>, grad: &Var| [Some(grad.embedded(ctx.shape(0), view.clone()))]
        })
    }

    /// The adjoint of [`Var::part`], whose own adjoint is the view again.
    #[track_caller]
    pub(crate) fn embedded<F>(&self, shape: &[usize], view: F) -> Var
    where
        F: Fn(&Tensor) -> Tensor + Clone + Send + Sync + 'static,
    {
        op::record("EmbedBackward0", self.value.embed(shape, &view), [self], || {
            move |_: &op::Context<'_>, grad: &Var| [Some(grad.part("EmbedBackward1", view.clone()))]
        })
    }

    /// [`Tensor::flip`].
    #[track_caller]
    pub fn flip(&self, dims: impl AsRef<[isize]>) -> Var {
        op::record("FlipBackward0", self.value.flip(dims.as_ref()), [self], || {
            let dims = dims.as_ref().to_vec();
            move |_: &op::Context<'_>, grad: &Var| [Some(grad.flip(&dims))]
        })
    }

    /// [`Tensor::contiguous`]: itself, or a copy in C order.
    #[track_caller]
    pub fn contiguous(&self) -> Var {
        if self.value.is_contiguous() { self.clone() } else { self.copy() }
    }

    /// [`Tensor::copy`]: a tracked copy (`clone()` in PyTorch).
    #[track_caller]
    pub fn copy(&self) -> Var {
        op::record("CloneBackward0", self.value.copy(), [self], || {
            |_: &op::Context<'_>, grad: &Var| [Some(grad.clone())]
        })
    }

    /// [`Tensor::to`]: another dtype, itself if it has it. The gradient comes back in this one's; a conversion to
    /// integers or booleans is a constant.
    #[track_caller]
    pub fn to(&self, dtype: wengert_tensor::DType) -> Var {
        self.converted(self.value.to(dtype))
    }

    #[track_caller]
    fn converted(&self, value: Tensor) -> Var {
        if value.dtype() == self.dtype() {
            return self.clone();
        }
        op::record("ToCopyBackward0", value, [self], || |_: &op::Context<'_>, grad: &Var| [Some(grad.clone())])
    }

    /// [`Tensor::sum_to`]: summed over the axes along which `shape` would be broadcast to this shape.
    #[track_caller]
    pub fn sum_to(&self, shape: impl IntoShape) -> Var {
        let shape: Shape = shape.into_shape();
        if *self.shape() == shape[..] {
            return self.clone();
        }
        op::record("SumToBackward0", self.value.sum_to(&shape), [self], || {
            |ctx: &op::Context<'_>, grad: &Var| [Some(grad.expand(ctx.shape(0)))]
        })
    }
}

/// One row per method of the same name on [`Tensor`].
macro_rules! conversions {
    ($($name:ident)*) => {
        impl Var { $(
            #[doc = concat!("[`Tensor::", stringify!($name), "`], as [`Var::to`] converts.")]
            #[track_caller]
            pub fn $name(&self) -> Var {
                self.converted(self.value.$name())
            }
        )* }
    };
}
conversions! { double float half bfloat16 long int short char byte bool }

pub(crate) fn catalog() -> Vec<Entry> {
    type F = fn(&Var) -> Var;
    let rows: &[(&'static str, &'static str, &str, F)] = &[
        ("view", "ViewBackward0", "a 3 c", |x| x.contiguous().view([3, -1])),
        ("reshape", "ViewBackward0", "2a b c", |x| x.contiguous().reshape([-1, 2])),
        ("reshape with a copy", "UnsafeViewBackward0", "2a b c", |x| x.contiguous().transpose(0, 2).reshape([-1, 2])),
        ("flatten", "ViewBackward0", "a b c0", |x| x.contiguous().flatten(1, -1)),
        ("unflatten", "ViewBackward0", "a b 4", |x| x.unflatten(2, [2, 2])),
        ("squeeze", "SqueezeBackward1", "a b c", |x| x.narrow(1, 0, 1).squeeze([1])),
        ("unsqueeze", "UnsqueezeBackward0", "a b c0", |x| x.unsqueeze(1)),
        ("transpose", "TransposeBackward0", "a b c0", |x| x.transpose(0, 2)),
        ("t", "TBackward0", "a b c", |x| x.select(0, 0).t()),
        ("permute", "PermuteBackward0", "a0 b c", |x| x.permute([2, 0, 1])),
        ("expand", "ExpandBackward0", "2 b 4", |x| x.narrow(1, 0, 1).expand([2, 2, 3, 4])),
        ("expand_as", "ExpandBackward0", "a b c", |x| x.narrow(1, 0, 1).expand_as(x)),
        ("broadcast_to", "ExpandBackward0", "2 b 4", |x| x.narrow(1, 0, 1).broadcast_to([2usize, 2, 3, 4])),
        ("narrow", "SliceBackward0", "a b3 c", |x| x.narrow(1, 1, 2)),
        ("slice", "SliceBackward0", "a b c", |x| x.slice(2, Some(1), None, 2)),
        ("select", "SelectBackward0", "a b c", |x| x.select(1, -1)),
        ("diagonal", "DiagonalBackward0", "a b c2", |x| x.diagonal(1, 1, 2)),
        ("unbind", "UnbindBackward0", "a b2 c", |x| x.unbind(1).swap_remove(1)),
        ("split", "SplitBackward0", "a b3 c", |x| x.split(2, 1).swap_remove(1)),
        ("split_with_sizes", "SplitWithSizesBackward0", "a 3 c", |x| x.split_with_sizes(&[1, 2], 1).swap_remove(1)),
        ("chunk", "SplitBackward0", "a b c", |x| x.chunk(2, 2).swap_remove(0)),
        ("flip", "FlipBackward0", "a b0 c", |x| x.flip([0, 2])),
        ("contiguous", "CloneBackward0", "a b c0", |x| x.transpose(0, 1).contiguous()),
        ("copy", "CloneBackward0", "*", |x| x.copy()),
        // Through f32 no difference of f64 would be seen.
        ("to", "CloneBackward0", "*", |x| x.to(x.dtype()).copy()),
        ("double", "CloneBackward0", "*", |x| x.double().copy()),
    ];
    let row = |&(name, grad_fn, sizes, f): &(_, _, &str, F)| {
        Entry::shaped(name, grad_fn, &[&[2, 3, 4]], move |x| f(&x[0])).sizes(sizes)
    };
    rows.iter().map(row).collect()
}
