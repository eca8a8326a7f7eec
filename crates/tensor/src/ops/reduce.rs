//! Reductions over any set of axes, and running sums and products.

use crate::cpu::extreme::extreme;
use crate::cpu::reduce::{
    Deviations, Exponentials, Folder, Largest, Number, Product, Smallest, Squares, Sum, fold, fold_loaded, folder, scan,
};
use crate::ops::unary::memory_axes;
use crate::shape::{Axes, IntoDims, IntoShape, Shape, axes, axis};
use crate::{DType, Element, Tensor, bug, match_dtype};
use smallvec::SmallVec;
use std::ops::Range;
use wengert_tensor_macros::profiled;

/// Reduces over `axes`, each of which keeps size 1; `param` broadcasts to the result. Elements become `T` on the way.
fn reduce<T: Number>(f: &Folder<T>, x: &Tensor, axes: &[usize], param: Option<&Tensor>) -> Tensor {
    if x.is_contiguous() {
        return reduce_dense(f, x, axes, param);
    }
    in_memory_order(x, axes, param, &|x, axes, param| reduce_dense(f, x, axes, param))
}

/// A reduction of a tensor, its axes and its parameter.
type Reduction<'f> = dyn Fn(&Tensor, &[usize], Option<&Tensor>) -> Tensor + 'f;

/// Axes in memory order make every dense tensor contiguous; the result goes back to the order asked for.
fn in_memory_order(x: &Tensor, axes: &[usize], param: Option<&Tensor>, reduction: &Reduction<'_>) -> Tensor {
    let (order, back) = memory_axes(x.strides());
    let moved: Axes = axes.iter().map(|&i| back[i]).collect();
    let dense = x.with_layout(x.layout().permute(&order)).contiguous();
    let param = param.map(|p| p.with_layout(p.layout().permute(&order)));
    let out = reduction(&dense, &moved, param.as_ref());
    out.with_layout(out.layout().permute(&back)).contiguous()
}

/// [`reduce`] of a contiguous tensor: the innermost run of axes first, then those outside it join partial results.
fn reduce_dense<T: Number>(f: &Folder<T>, x: &Tensor, axes: &[usize], param: Option<&Tensor>) -> Tensor {
    let mut shape = Shape::from_slice(x.shape());
    let mut runs = runs(&shape, axes);
    // Without a run there is one element per result.
    let run = runs.pop().unwrap_or(shape.len()..shape.len());
    let inner: usize = shape[run.end..].iter().product();
    let mut out = if x.dtype() == T::DTYPE {
        step(f, x.as_slice().expect("contiguous"), &mut shape, run, param)
    } else if inner == 1 && param.is_none() {
        let len = shape[run.clone()].iter().product();
        shape[run].fill(1);
        Tensor::build(&shape, |out: &mut [T]| fold_loaded(f, x, len, out))
    } else {
        step(f, x.to(T::DTYPE).as_slice().expect("contiguous"), &mut shape, run, param)
    };
    while let Some(run) = runs.pop() {
        out = step(&f.partial(), out.as_slice().expect("just built"), &mut shape, run, None);
    }
    axes.iter().for_each(|&i| shape[i] = 1);
    if *out.shape() == *shape { out } else { out.view(shape) }
}

/// Maximal runs of adjacent reduced axes, outermost first; axes of size 1 belong to any run.
fn runs(shape: &[usize], axes: &[usize]) -> SmallVec<[Range<usize>; 4]> {
    let mut runs: SmallVec<[Range<usize>; 4]> = SmallVec::new();
    let mut open = false;
    for i in (0..shape.len()).filter(|&i| shape[i] != 1) {
        let reduced = axes.contains(&i);
        match runs.last_mut() {
            Some(run) if reduced && open => run.end = i + 1,
            _ if reduced => runs.push(i..i + 1),
            _ => {}
        }
        open = reduced;
    }
    runs
}

/// Folds one run of axes of a contiguous tensor; in `shape` they become 1.
fn step<T: Number>(f: &Folder<T>, x: &[T], shape: &mut Shape, run: Range<usize>, param: Option<&Tensor>) -> Tensor {
    let len: usize = shape[run.clone()].iter().product();
    let inner: usize = shape[run.end..].iter().product();
    shape[run].fill(1);
    let param = param.map(|p| p.broadcast_to(&*shape).contiguous());
    let params = param.as_ref().map_or(&[][..], |p| p.as_slice().expect("contiguous"));
    Tensor::build(&*shape, |out: &mut [T]| fold(f, x, len, inner, params, out))
}

/// Removes the axes of a result that kept them.
fn drop_axes(x: Tensor, axes: &[usize]) -> Tensor {
    let shape: Shape = (0..x.rank()).filter(|i| !axes.contains(i)).map(|i| x.shape()[i]).collect();
    x.view(shape)
}

/// Folds in the type that PyTorch accumulates in: halves in `f32`, integers and booleans in `i64`.
macro_rules! fold_number {
    ($Fold:ident, $x:expr, $axes:expr) => {
        match $x.dtype() {
            DType::F64 => reduce(&folder::<f64, $Fold>(), $x, $axes, None),
            dtype if dtype.is_float() => reduce(&folder::<f32, $Fold>(), $x, $axes, None),
            _ => reduce(&folder::<i64, $Fold>(), $x, $axes, None),
        }
    };
}

/// Folds floats only, with a parameter.
macro_rules! fold_float {
    ($Fold:ident, $x:expr, $axes:expr, $param:expr) => {
        if $x.dtype() == DType::F64 {
            reduce(&folder::<f64, $Fold>(), $x, $axes, $param)
        } else {
            reduce(&folder::<f32, $Fold>(), $x, $axes, $param)
        }
    };
}

/// The number of elements that go into one result.
fn count(x: &Tensor, axes: &[usize]) -> usize {
    axes.iter().map(|&i| x.shape()[i]).product()
}

/// The float dtype in which a reduction computes: `f32` for halves.
fn wide(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}

fn sum(x: &Tensor, axes: &[usize]) -> Tensor {
    fold_number!(Sum, x, axes).to(x.dtype().accumulate())
}

#[track_caller]
fn mean(x: &Tensor, axes: &[usize]) -> Tensor {
    if !x.dtype().is_float() {
        bug!(
            "",
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: {}",
            x.dtype().legacy_name()
        );
    }
    fold_number!(Sum, x, axes).div(count(x, axes) as f64).to(x.dtype())
}

fn prod(x: &Tensor, axes: &[usize]) -> Tensor {
    fold_number!(Product, x, axes).to(x.dtype().accumulate())
}

/// Panics as PyTorch if a result would have no elements to choose from.
#[track_caller]
fn check_not_empty(op: &str, x: &Tensor, axes: &[usize], whole: bool) {
    if x.numel() > 0 {
        return;
    }
    if whole {
        bug!(
            "",
            "{op}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' \
             argument."
        );
    }
    if let Some(&i) = axes.iter().find(|&&i| x.shape()[i] == 0) {
        bug!("", "{op}(): Expected reduction dim {i} to have non-zero size.");
    }
}

#[track_caller]
fn amax(x: &Tensor, axes: &[usize]) -> Tensor {
    fold_number!(Largest, x, axes).to(x.dtype())
}

#[track_caller]
fn amin(x: &Tensor, axes: &[usize]) -> Tensor {
    fold_number!(Smallest, x, axes).to(x.dtype())
}

fn any(x: &Tensor, axes: &[usize]) -> Tensor {
    truth(x, amax(&x.to(DType::Bool), axes), axes, false)
}

fn all(x: &Tensor, axes: &[usize]) -> Tensor {
    truth(x, amin(&x.to(DType::Bool), axes), axes, true)
}

/// The result of `any` or `all`: empty axes give `empty`, and bytes stay bytes, as in PyTorch.
fn truth(x: &Tensor, found: Tensor, axes: &[usize], empty: bool) -> Tensor {
    let found = if count(x, axes) == 0 { Tensor::full(found.shape(), empty, DType::Bool) } else { found };
    if x.dtype() == DType::U8 { found.to(DType::U8) } else { found }
}

#[track_caller]
fn var(x: &Tensor, axes: &[usize], correction: f64) -> Tensor {
    if !x.dtype().is_float() {
        bug!("", "std and var only support floating point and complex dtypes");
    }
    let wide = x.to(wide(x.dtype()));
    let mean = mean(&wide, axes);
    let squares = fold_float!(Deviations, &wide, axes, Some(&mean));
    squares.div((count(x, axes) as f64 - correction).max(0.0)).to(x.dtype())
}

#[track_caller]
fn logsumexp(x: &Tensor, axes: &[usize]) -> Tensor {
    let dtype = x.dtype().to_float();
    let x = x.to(wide(dtype));
    if let [axis] = *axes
        && axis + 1 == x.rank()
        && x.shape()[axis] <= SHORT
        && x.numel() > SHORT * SHORT
    {
        // Down columns, some rows are worked on side by side.
        let columns = x.movedim(axis as isize, 0).contiguous();
        return logsumexp_of(&columns, &[0]).movedim(0, axis as isize).to(dtype);
    }
    logsumexp_of(&x, axes).to(dtype)
}

/// Elements of rows that are better turned to columns than each gone through.
const SHORT: usize = 32;

#[track_caller]
fn logsumexp_of(x: &Tensor, axes: &[usize]) -> Tensor {
    let largest = amax(x, axes);
    // An infinite maximum would give infinity minus infinity.
    let largest = largest.isfinite().where_(&largest, 0.0);
    let sum = fold_float!(Exponentials, x, axes, Some(&largest));
    sum.log().add(&largest)
}

#[track_caller]
fn norm(x: &Tensor, axes: &[usize]) -> Tensor {
    if !x.dtype().is_float() {
        bug!(
            "",
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got {}",
            x.dtype().legacy_name()
        );
    }
    let wide = x.to(wide(x.dtype()));
    fold_float!(Squares, &wide, axes, None).sqrt().to(x.dtype())
}

/// One row per reduction: docs, the method and its `_keepdim` twin, the function above, extra arguments.
macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident $keep:ident ($($arg:ident: $ty:ty),*);)*) => {
        #[profiled]
        impl Tensor { $(
            $(#[$doc])*
            ///
            /// `dims` is one axis, several, or `()` for all; negative ones count from the end.
            ///
            /// # Panics
            /// If an axis is out of range or named twice.
            #[track_caller]
            pub fn $name(&self, dims: impl IntoDims $(, $arg: $ty)*) -> Tensor {
                let axes = axes("", &dims.into_dims(), self.rank());
                drop_axes($name(self, &axes $(, $arg)*), &axes)
            }

            #[doc = concat!("As [`Tensor::", stringify!($name), "`]; the reduced axes stay, with size 1.")]
            ///
            /// # Panics
            /// If an axis is out of range or named twice.
            #[track_caller]
            pub fn $keep(&self, dims: impl IntoDims $(, $arg: $ty)*) -> Tensor {
                $name(self, &axes("", &dims.into_dims(), self.rank()) $(, $arg)*)
            }
        )* }
    };
}

reductions! {
    /// The sum over axes. Integers and booleans add up in `i64`; halves in `f32`, rounded once.
    sum sum_keepdim ();
    /// The mean over axes; NaN over no elements. Floats only.
    mean mean_keepdim ();
    /// The product over axes. Integers and booleans multiply in `i64`.
    prod prod_keepdim ();
    /// Whether any element is not zero.
    any any_keepdim ();
    /// Whether all elements are not zero.
    all all_keepdim ();
    /// The variance over axes: squared deviations over the count less `correction` (1 in PyTorch's default).
    var var_keepdim (correction: f64);
    /// The natural logarithm of the sum of exponentials, without overflow.
    logsumexp logsumexp_keepdim ();
    /// The Euclidean norm over axes: the square root of the sum of squares.
    norm norm_keepdim ();
}

/// As `reductions!`, for those that refuse empty axes.
macro_rules! extremes {
    ($($(#[$doc:meta])* $name:ident $keep:ident;)*) => {
        #[profiled]
        impl Tensor { $(
            $(#[$doc])*
            ///
            /// # Panics
            /// If an axis is out of range or named twice, or has size 0.
            #[track_caller]
            pub fn $name(&self, dims: impl IntoDims) -> Tensor {
                let dims = dims.into_dims();
                let axes = axes("", &dims, self.rank());
                check_not_empty(stringify!($name), self, &axes, dims.is_empty());
                drop_axes($name(self, &axes), &axes)
            }

            #[doc = concat!("As [`Tensor::", stringify!($name), "`]; the reduced axes stay, with size 1.")]
            ///
            /// # Panics
            /// If an axis is out of range or named twice, or has size 0.
            #[track_caller]
            pub fn $keep(&self, dims: impl IntoDims) -> Tensor {
                let dims = dims.into_dims();
                let axes = axes("", &dims, self.rank());
                check_not_empty(stringify!($name), self, &axes, dims.is_empty());
                $name(self, &axes)
            }
        )* }
    };
}
extremes! {
    /// The largest element over axes; NaN if one is.
    amax amax_keepdim;
    /// The smallest element over axes; NaN if one is.
    amin amin_keepdim;
}

/// Values and indices of the extremes along one axis, which keeps size 1.
#[track_caller]
fn extreme_dim(op: &str, x: &Tensor, dim: isize, largest: bool) -> (Tensor, Tensor) {
    let axis = axis("", dim, x.rank());
    check_not_empty(op, x, &[axis][..x.rank().min(1)], false);
    let x = x.contiguous();
    let mut shape = Shape::from_slice(x.shape());
    let (len, inner) = match shape.get(axis) {
        Some(&len) => (len, shape[axis + 1..].iter().product()),
        None => (1, 1),
    };
    if let Some(size) = shape.get_mut(axis) {
        *size = 1;
    }
    // Narrow types are compared in wider ones, which hold all their values in the same order: a kernel less for each.
    let dtype = x.dtype();
    let x = match dtype {
        DType::F16 | DType::BF16 => x.to(DType::F32),
        DType::I16 | DType::I8 | DType::U8 | DType::Bool => x.to(DType::I32),
        _ => x,
    };
    let (values, indices) = match_dtype!(wide x.dtype(), T => {
        let mut values = Tensor::zeros(&shape, T::DTYPE);
        let indices = Tensor::build(&shape, |indices: &mut [i64]| {
            let (x, values) = (x.as_slice().expect("contiguous"), values.as_mut_slice::<T>());
            if largest {
                extreme::<T, true>(x, len, inner, values, indices);
            } else {
                extreme::<T, false>(x, len, inner, values, indices);
            }
        });
        (values, indices)
    });
    (values.to(dtype), indices)
}

#[profiled]
impl Tensor {
    /// The standard deviation over axes: the square root of [`Tensor::var`].
    ///
    /// # Panics
    /// As [`Tensor::var`].
    #[track_caller]
    pub fn std(&self, dims: impl IntoDims, correction: f64) -> Tensor {
        deviation(self, |x| x.var(dims, correction))
    }

    /// As [`Tensor::std`]; the reduced axes stay, with size 1.
    ///
    /// # Panics
    /// As [`Tensor::var`].
    #[track_caller]
    pub fn std_keepdim(&self, dims: impl IntoDims, correction: f64) -> Tensor {
        deviation(self, |x| x.var_keepdim(dims, correction))
    }

    /// The largest element of all, as a 0-d tensor; NaN if one is.
    ///
    /// # Panics
    /// If there are no elements.
    #[track_caller]
    pub fn max(&self) -> Tensor {
        check_not_empty("max", self, &[], true);
        self.amax(())
    }

    /// The smallest element of all, as a 0-d tensor; NaN if one is.
    ///
    /// # Panics
    /// If there are no elements.
    #[track_caller]
    pub fn min(&self) -> Tensor {
        check_not_empty("min", self, &[], true);
        self.amin(())
    }

    /// The largest elements along an axis and their indices (`i64`, the first of equals; NaN counts as largest).
    ///
    /// # Panics
    /// If the axis is out of range or has size 0.
    #[track_caller]
    pub fn max_dim(&self, dim: isize) -> (Tensor, Tensor) {
        let (values, indices) = extreme_dim("max", self, dim, true);
        (squeeze(values, dim), squeeze(indices, dim))
    }

    /// As [`Tensor::max_dim`]; the axis stays, with size 1.
    ///
    /// # Panics
    /// As [`Tensor::max_dim`].
    #[track_caller]
    pub fn max_dim_keepdim(&self, dim: isize) -> (Tensor, Tensor) {
        extreme_dim("max", self, dim, true)
    }

    /// The smallest elements along an axis and their indices (`i64`, the first of equals; NaN counts as smallest).
    ///
    /// # Panics
    /// If the axis is out of range or has size 0.
    #[track_caller]
    pub fn min_dim(&self, dim: isize) -> (Tensor, Tensor) {
        let (values, indices) = extreme_dim("min", self, dim, false);
        (squeeze(values, dim), squeeze(indices, dim))
    }

    /// As [`Tensor::min_dim`]; the axis stays, with size 1.
    ///
    /// # Panics
    /// As [`Tensor::min_dim`].
    #[track_caller]
    pub fn min_dim_keepdim(&self, dim: isize) -> (Tensor, Tensor) {
        extreme_dim("min", self, dim, false)
    }

    /// The index of the largest element along an axis: `i64`, the first of equals, NaN before all.
    ///
    /// # Panics
    /// If the axis is out of range or has size 0, or for booleans.
    #[track_caller]
    pub fn argmax(&self, dim: isize) -> Tensor {
        squeeze(self.argmax_keepdim(dim), dim)
    }

    /// As [`Tensor::argmax`]; the axis stays, with size 1.
    ///
    /// # Panics
    /// As [`Tensor::argmax`].
    #[track_caller]
    pub fn argmax_keepdim(&self, dim: isize) -> Tensor {
        self.no_bool("argmax");
        extreme_dim("argmax", self, dim, true).1
    }

    /// The index of the smallest element along an axis: `i64`, the first of equals, NaN before all.
    ///
    /// # Panics
    /// If the axis is out of range or has size 0, or for booleans.
    #[track_caller]
    pub fn argmin(&self, dim: isize) -> Tensor {
        squeeze(self.argmin_keepdim(dim), dim)
    }

    /// As [`Tensor::argmin`]; the axis stays, with size 1.
    ///
    /// # Panics
    /// As [`Tensor::argmin`].
    #[track_caller]
    pub fn argmin_keepdim(&self, dim: isize) -> Tensor {
        self.no_bool("argmin");
        extreme_dim("argmin", self, dim, false).1
    }

    /// The index of the largest element in C order, as a 0-d `i64` tensor.
    ///
    /// # Panics
    /// If there are no elements, or for booleans.
    #[track_caller]
    pub fn argmax_all(&self) -> Tensor {
        self.index_of("argmax", true)
    }

    /// The index of the smallest element in C order, as a 0-d `i64` tensor.
    ///
    /// # Panics
    /// If there are no elements, or for booleans.
    #[track_caller]
    pub fn argmin_all(&self) -> Tensor {
        self.index_of("argmin", false)
    }

    #[track_caller]
    fn index_of(&self, op: &str, largest: bool) -> Tensor {
        if self.numel() == 0 {
            bug!("", "{op}(): Expected reduction dim to be specified for input.numel() == 0.");
        }
        self.no_bool(op);
        squeeze(extreme_dim(op, &self.reshape([-1isize]), 0, largest).1, 0)
    }

    #[track_caller]
    fn no_bool(&self, op: &str) {
        if self.dtype() == DType::Bool {
            bug!("", "{op}(): does not support bool input");
        }
    }

    /// Running sums along an axis. Integers and booleans add up in `i64`, `f32` in `f64`, as in PyTorch.
    ///
    /// # Panics
    /// If the axis is out of range.
    #[track_caller]
    pub fn cumsum(&self, dim: isize) -> Tensor {
        running(self, dim, |a, b| a + b, |a, b| a.wrapping_add(b))
    }

    /// Running products along an axis. Integers and booleans multiply in `i64`, `f32` in `f64`, as in PyTorch.
    ///
    /// # Panics
    /// If the axis is out of range.
    #[track_caller]
    pub fn cumprod(&self, dim: isize) -> Tensor {
        running(self, dim, |a, b| a * b, |a, b| a.wrapping_mul(b))
    }

    /// Sums out what broadcasting from `shape` to this tensor's shape added (`Tensor.sum_to_size`).
    ///
    /// # Panics
    /// If `shape` does not broadcast to this tensor's shape.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::Tensor;
    /// let x = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0], [2, 2]);
    /// assert_eq!(x.sum_to([2]).to_vec::<f32>(), [4.0, 6.0]);
    /// assert_eq!(x.sum_to([2, 1]).to_vec::<f32>(), [3.0, 7.0]);
    /// ```
    #[track_caller]
    pub fn sum_to(&self, shape: impl IntoShape) -> Tensor {
        let shape = shape.into_shape();
        if shape[..] == *self.shape() {
            return self.clone();
        }
        let lead = self.rank().wrapping_sub(shape.len());
        let fits = lead <= self.rank()
            && shape.iter().zip(&self.shape()[lead..]).all(|(&want, &have)| want == have || want == 1);
        if !fits {
            bug!("", "size {{{:?}}} is not expandable to size {{{:?}}}.", &shape[..], self.shape());
        }
        let axes: Axes =
            (0..self.rank()).filter(|&i| i < lead || (shape[i - lead] == 1 && self.shape()[i] != 1)).collect();
        if axes.is_empty() {
            return self.view(shape);
        }
        sum(self, &axes).to(self.dtype()).view(shape)
    }
}

/// Removes the axis that a reduction kept; a 0-d tensor has none.
fn squeeze(x: Tensor, dim: isize) -> Tensor {
    if x.rank() == 0 { x } else { x.select(dim, 0) }
}

#[track_caller]
fn running(
    x: &Tensor,
    dim: isize,
    float: impl Fn(f64, f64) -> f64 + Sync,
    int: impl Fn(i64, i64) -> i64 + Sync,
) -> Tensor {
    let axis = axis("", dim, x.rank());
    let dtype = x.dtype();
    let half = matches!(dtype, DType::F16 | DType::BF16);
    let x = x.to(if half { DType::F32 } else { dtype.accumulate() }).contiguous();
    let shape = Shape::from_slice(x.shape());
    let (len, inner) = match shape.get(axis) {
        Some(&len) => (len, shape[axis + 1..].iter().product()),
        None => (1, 1),
    };
    let out = match_dtype!(compute x.dtype(), T => Tensor::build(shape, |out: &mut [T]| {
        scan(x.as_slice::<T>().expect("contiguous"), len, inner, out, |v| v.to_f64(), T::from_f64, float);
    }), _other => Tensor::build(shape, |out: &mut [i64]| {
        scan(x.as_slice::<i64>().expect("contiguous"), len, inner, out, |v| v, |v| v, int);
    }));
    out.to(if half { dtype } else { out.dtype() })
}

/// The root of a variance; of halves, whose squares may be too large for them, before it is rounded.
fn deviation(x: &Tensor, var: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
    let wide = x.dtype().unrounded();
    if wide == x.dtype() { var(x).sqrt() } else { var(&x.to(wide)).sqrt().to(x.dtype()) }
}
