//! Reductions and scans.

use crate::catalog::Entry;
use crate::op::Context;
use crate::{Var, op};
use smallvec::SmallVec;
use wengert_tensor::shape::{Axes, Shape, axes, axis};
use wengert_tensor::{IntoDims, Tensor};

type Dims = SmallVec<[isize; 6]>;

/// The reduced axes, and whether they stay with size 1.
#[derive(Clone)]
struct Over {
    dims: Dims,
    keep: bool,
}

impl Over {
    /// A reduced value (or its gradient) with its axes restored at size 1.
    fn restore(&self, x: &Var, rank: usize) -> Var {
        if self.keep || rank == 0 {
            return x.clone();
        }
        let axes = axes("", &self.dims, rank);
        x.reshape(ones_at(x.shape(), &axes, rank))
    }

    /// The number of elements that were reduced to each one.
    fn count(&self, shape: &[usize]) -> usize {
        axes("", &self.dims, shape.len()).iter().map(|&a| shape[a]).product()
    }

    fn kept_dims(&self) -> Dims {
        self.dims.clone()
    }
}

/// `shape` with ones inserted at `axes`.
fn ones_at(shape: &[usize], axes: &Axes, rank: usize) -> Shape {
    let mut rest = shape.iter();
    (0..rank).map(|i| if axes.contains(&i) { 1 } else { *rest.next().expect("the other axes") }).collect()
}

/// One row: method, its keepdim form, `grad_fn` without and with axes, further arguments, and the rule, which gets the
/// gradient `g` and the value `y` with the reduced axes at size 1, the operand `x` and what was reduced over.
macro_rules! reductions {
    ($($name:ident $keep:ident $whole:literal $some:literal ($($arg:ident: $ty:ty)?)
       |$g:ident, $x:ident, $y:ident, $over:ident| $rule:expr;)*) => {
        impl Var { $(
            #[doc = concat!("[`Tensor::", stringify!($name), "`].")]
            #[track_caller]
            pub fn $name(&self, dims: impl IntoDims $(, $arg: $ty)?) -> Var {
                let over = Over { dims: dims.into_dims(), keep: false };
                let value = self.value.$name(&over.dims[..] $(, $arg)?);
                reduce([$whole, $some], self, over, value, move |$g, $x, $y, $over| { let _ = ($x, $y, $over); $rule })
            }

            #[doc = concat!("[`Tensor::", stringify!($keep), "`].")]
            #[track_caller]
            pub fn $keep(&self, dims: impl IntoDims $(, $arg: $ty)?) -> Var {
                let over = Over { dims: dims.into_dims(), keep: true };
                let value = self.value.$keep(&over.dims[..] $(, $arg)?);
                reduce([$whole, $some], self, over, value, move |$g, $x, $y, $over| { let _ = ($x, $y, $over); $rule })
            }
        )* }

        #[cfg(test)]
        const NAMES: &[&str] = &[$(stringify!($name), stringify!($keep)),*];
    };
}

reductions! {
    prod prod_keepdim "ProdBackward0" "ProdBackward1" () |g, x, y, over| prod_rule(g, x, over);
    amax amax_keepdim "AmaxBackward0" "AmaxBackward0" () |g, x, y, over| extreme_rule(g, x, y, over);
    amin amin_keepdim "AminBackward0" "AminBackward0" () |g, x, y, over| extreme_rule(g, x, y, over);
    var var_keepdim "VarBackward0" "VarBackward0" (correction: f64) |g, x, y, over| {
        let mean = x.mean_keepdim(&over.dims[..]);
        // PyTorch gives NaN or infinity where fewer elements than `correction` were reduced.
        let degrees = over.count(x.shape()) as f64 - correction;
        g * (x - mean) * (2.0 / degrees.max(0.0))
    };
    std std_keepdim "StdBackward0" "StdBackward0" (correction: f64) |g, x, y, over| {
        let mean = x.mean_keepdim(&over.dims[..]);
        let degrees = over.count(x.shape()) as f64 - correction;
        // Equal elements have no deviation, and gradient 0.
        (g / (y * degrees.max(0.0))).masked_fill(&y.value().eq(0.0), 0.0) * (x - mean)
    };
    logsumexp logsumexp_keepdim "LogsumexpBackward0" "LogsumexpBackward0" () |g, x, y, over| g * (x - y).exp();
    norm norm_keepdim "LinalgVectorNormBackward0" "LinalgVectorNormBackward0" () |g, x, y, over| {
        // At 0 the subgradient of least norm, as in PyTorch.
        let zero = &y.value().eq(0.0);
        (g / y.masked_fill(zero, 1.0)).masked_fill(zero, 0.0) * x
    };
}

#[track_caller]
fn reduce(
    names: [&'static str; 2],
    x: &Var,
    over: Over,
    value: Tensor,
    rule: impl Fn(&Var, &Var, &Var, &Over) -> Var + Send + Sync + 'static,
) -> Var {
    let name = names[!over.dims.is_empty() as usize];
    let saved = op::records(&[x]).then(|| value.clone());
    op::record(name, value, [x], || {
        let x = x.clone();
        let value = saved.expect("made under the same condition");
        move |ctx: &Context<'_>, grad: &Var| {
            let grad = over.restore(grad, x.rank());
            let output = over.restore(&ctx.output(&value), x.rank());
            [Some(rule(&grad, &x, &output, &over))]
        }
    })
}

/// Equal elements share the gradient evenly.
fn extreme_rule(grad: &Var, x: &Var, y: &Var, over: &Over) -> Var {
    let mask = x.value.eq(y.value()).to(x.dtype());
    let shares = &mask / mask.sum_keepdim(&over.dims[..]);
    grad * shares
}

/// [`extreme_rule`] over all elements, where PyTorch gives the gradient of a NaN to those that are NaN.
fn whole_extreme_rule(grad: &Var, x: &Var, y: &Var, _: &Over) -> Var {
    let nan = y.value().isnan().any(()).item::<bool>();
    let mask = if nan { x.value.isnan() } else { x.value.eq(y.value()) };
    let count = mask.to(x.dtype()).sum(());
    (grad / count).expand_as(x).masked_fill(&mask.logical_not(), 0.0)
}

/// The product of the others: exact also where elements are zero, by products from both sides.
fn prod_rule(grad: &Var, x: &Var, over: &Over) -> Var {
    if x.rank() == 0 {
        return grad.clone();
    }
    let reduced = axes("", &over.kept_dims(), x.rank());
    // The reduced axes last, as one.
    let order: Vec<isize> =
        (0..x.rank()).filter(|i| !reduced.contains(i)).chain(reduced.iter().copied()).map(|i| i as isize).collect();
    let moved = x.permute(&order);
    let kept = x.rank() - reduced.len();
    let mut shape: Vec<usize> = moved.shape()[..kept].to_vec();
    shape.push(over.count(x.shape()));
    let flat = moved.reshape(&shape[..]);
    let others = products_of_others(&flat).reshape(moved.shape());
    let mut inverse = vec![0isize; order.len()];
    order.iter().enumerate().for_each(|(to, &from)| inverse[from as usize] = to as isize);
    grad * others.permute(&inverse)
}

/// Along the last axis, the product of all elements but one, for each.
fn products_of_others(x: &Var) -> Var {
    let count = x.size(-1) as isize;
    if count == 0 {
        return x.clone();
    }
    let exclusive = |x: &Var| {
        let one = x.narrow(-1, 0, 1).value.ones_like();
        let head = x.narrow(-1, 0, count as usize - 1);
        Var::cat(&[Var::from(one), head], -1).cumprod(-1)
    };
    exclusive(x) * exclusive(&x.flip([-1])).flip([-1])
}

impl Var {
    /// [`Tensor::sum`].
    #[track_caller]
    pub fn sum(&self, dims: impl IntoDims) -> Var {
        let over = Over { dims: dims.into_dims(), keep: false };
        let value = self.value.sum(&over.dims[..]);
        self.summed(["SumBackward0", "SumBackward1"], value, over, None)
    }

    /// [`Tensor::sum_keepdim`].
    #[track_caller]
    pub fn sum_keepdim(&self, dims: impl IntoDims) -> Var {
        let over = Over { dims: dims.into_dims(), keep: true };
        let value = self.value.sum_keepdim(&over.dims[..]);
        self.summed(["SumBackward0", "SumBackward1"], value, over, None)
    }

    /// [`Tensor::mean`].
    #[track_caller]
    pub fn mean(&self, dims: impl IntoDims) -> Var {
        let over = Over { dims: dims.into_dims(), keep: false };
        let value = self.value.mean(&over.dims[..]);
        let count = over.count(self.shape());
        self.summed(["MeanBackward0", "MeanBackward1"], value, over, Some(count))
    }

    /// [`Tensor::mean_keepdim`].
    #[track_caller]
    pub fn mean_keepdim(&self, dims: impl IntoDims) -> Var {
        let over = Over { dims: dims.into_dims(), keep: true };
        let value = self.value.mean_keepdim(&over.dims[..]);
        let count = over.count(self.shape());
        self.summed(["MeanBackward0", "MeanBackward1"], value, over, Some(count))
    }

    /// Sums and means: the gradient is the same for all elements, and nothing is saved.
    #[track_caller]
    fn summed(&self, names: [&'static str; 2], value: Tensor, over: Over, count: Option<usize>) -> Var {
        let rank = self.rank();
        let name = names[!over.dims.is_empty() as usize];
        let rule = move |ctx: &Context<'_>, grad: &Var, over: Option<&Over>| {
            // Divided while it is small.
            let grad = count.map_or(grad.clone(), |count| grad / count as f64);
            let restored = over.map_or(grad.clone(), |over| over.restore(&grad, rank));
            [Some(restored.expand(ctx.shape(0)))]
        };
        if over.dims.is_empty() {
            // Apart, because a rule that owns nothing may run twice.
            return op::record(name, value, [self], || {
                move |ctx: &Context<'_>, grad: &Var| rule(ctx, &grad.reshape(()), None)
            });
        }
        op::record(name, value, [self], || move |ctx: &Context<'_>, grad: &Var| rule(ctx, grad, Some(&over)))
    }

    /// [`Tensor::max`]. Equal largest elements share the gradient evenly.
    #[track_caller]
    pub fn max(&self) -> Var {
        self.whole_extreme("MaxBackward1", self.value.max())
    }

    /// [`Tensor::min`]. Equal smallest elements share the gradient evenly.
    #[track_caller]
    pub fn min(&self) -> Var {
        self.whole_extreme("MinBackward1", self.value.min())
    }

    #[track_caller]
    fn whole_extreme(&self, name: &'static str, value: Tensor) -> Var {
        let over = Over { dims: Dims::new(), keep: false };
        reduce([name, name], self, over, value, whole_extreme_rule)
    }

    /// [`Tensor::max_dim`]. The gradient goes to the element whose index is returned.
    #[track_caller]
    pub fn max_dim(&self, dim: isize) -> (Var, Tensor) {
        let (values, indices) = self.value.max_dim(dim);
        (self.picked("MaxBackward0", values, &indices, dim, Keep::No), indices)
    }

    /// [`Tensor::max_dim_keepdim`].
    #[track_caller]
    pub fn max_dim_keepdim(&self, dim: isize) -> (Var, Tensor) {
        let (values, indices) = self.value.max_dim_keepdim(dim);
        (self.picked("MaxBackward0", values, &indices, dim, Keep::Yes), indices)
    }

    /// [`Tensor::min_dim`]. The gradient goes to the element whose index is returned.
    #[track_caller]
    pub fn min_dim(&self, dim: isize) -> (Var, Tensor) {
        let (values, indices) = self.value.min_dim(dim);
        (self.picked("MinBackward0", values, &indices, dim, Keep::No), indices)
    }

    /// [`Tensor::min_dim_keepdim`].
    #[track_caller]
    pub fn min_dim_keepdim(&self, dim: isize) -> (Var, Tensor) {
        let (values, indices) = self.value.min_dim_keepdim(dim);
        (self.picked("MinBackward0", values, &indices, dim, Keep::Yes), indices)
    }

    /// Values that were taken at `indices` along an axis, as by `gather`.
    #[track_caller]
    pub(crate) fn picked(&self, name: &'static str, values: Tensor, indices: &Tensor, dim: isize, keep: Keep) -> Var {
        op::record(name, values, [self], || {
            let indices = indices.clone();
            move |ctx: &Context<'_>, grad: &Var| {
                let shape = ctx.shape(0);
                if shape.is_empty() {
                    // The one element, however often it was taken.
                    return [Some(if grad.rank() == 0 { grad.clone() } else { grad.sum(()) })];
                }
                let zeros = Var::from(Tensor::zeros(shape, grad.dtype()));
                if indices.numel() == 0 {
                    return [Some(zeros)];
                }
                let (index, grad) = match keep {
                    Keep::Yes => (indices.clone(), grad.clone()),
                    Keep::No => {
                        let d = axis("", dim, shape.len()) as isize;
                        (indices.unsqueeze(d), grad.unsqueeze(d))
                    }
                };
                [Some(zeros.scatter_add(dim, &index, &grad))]
            }
        })
    }

    /// [`Tensor::cumsum`].
    #[track_caller]
    pub fn cumsum(&self, dim: isize) -> Var {
        op::record("CumsumBackward0", self.value.cumsum(dim), [self], || {
            move |_: &Context<'_>, grad: &Var| [Some(suffix_sums(grad, dim))]
        })
    }

    /// [`Tensor::cumprod`]. The gradient is exact where elements are zero, at a cost quadratic in the axis then.
    #[track_caller]
    pub fn cumprod(&self, dim: isize) -> Var {
        let value = self.value.cumprod(dim);
        let saved = op::records(&[self]).then(|| value.clone());
        op::record("CumprodBackward0", value, [self], || {
            let x = self.clone();
            let value = saved.expect("made under the same condition");
            move |ctx: &Context<'_>, grad: &Var| {
                if x.rank() == 0 || x.numel() == 0 || x.size(dim) == 1 {
                    return [Some(grad.clone())];
                }
                let smooth = !x.value.eq(0.0).any(()).item::<bool>();
                [Some(if smooth {
                    suffix_sums(&(grad * ctx.output(&value)), dim) / &x
                } else {
                    cumprod_rule(grad, &x, dim)
                })]
            }
        })
    }
}

/// Whether a reduced axis stays.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Keep {
    Yes,
    No,
}

/// Sums from each element to the end of an axis.
fn suffix_sums(x: &Var, dim: isize) -> Var {
    if x.rank() == 0 { x.clone() } else { x.flip([dim]).cumsum(dim).flip([dim]) }
}

/// `dx[k] = sum over n >= k of g[n] * product of x[i], i <= n, i != k`.
fn cumprod_rule(grad: &Var, x: &Var, dim: isize) -> Var {
    let count = x.size(dim);
    let slices: Vec<Var> = (0..count)
        .map(|k| {
            // The products with x[k] replaced by 1 are those by x[k], from k on.
            let at = k as isize;
            let one = Var::from(x.narrow(dim, at, 1).value.ones_like());
            let parts = [x.narrow(dim, 0, k), one, x.narrow(dim, at + 1, count - k - 1)];
            let products = Var::cat(&parts, dim).cumprod(dim);
            (grad * products).narrow(dim, at, count - k).sum_keepdim(dim)
        })
        .collect();
    Var::cat(&slices, dim)
}

pub(crate) fn catalog() -> Vec<Entry> {
    type F = fn(&Var) -> Var;
    let rows: &[(&'static str, &'static str, &str, F)] = &[
        ("sum", "SumBackward0", "*", |x| x.sum(())),
        ("sum over axes", "SumBackward1", "a0 b c", |x| x.sum([0, -1])),
        ("sum_keepdim", "SumBackward1", "a b0 c", |x| x.sum_keepdim(1)),
        ("mean", "MeanBackward0", "...+", |x| x.mean(())),
        ("mean over axes", "MeanBackward1", "a b c", |x| x.mean(1)),
        ("mean_keepdim", "MeanBackward1", "a b c", |x| x.mean_keepdim([0, 2])),
        ("prod", "ProdBackward0", "*", |x| x.prod(())),
        ("prod over axes", "ProdBackward1", "a b c", |x| x.prod([0, 2])),
        ("prod_keepdim", "ProdBackward1", "a b c", |x| x.prod_keepdim(1)),
        ("amax", "AmaxBackward0", "...+", |x| x.amax(())),
        ("amax over axes", "AmaxBackward0", "a b c", |x| x.amax([0, 2])),
        ("amin_keepdim", "AminBackward0", "a b c", |x| x.amin_keepdim(1)),
        ("amax_keepdim", "AmaxBackward0", "a b c", |x| x.amax_keepdim([1, 2])),
        ("amin", "AminBackward0", "a b c", |x| x.amin(2)),
        ("max", "MaxBackward1", "...+", |x| x.max()),
        ("min", "MinBackward1", "...+", |x| x.min()),
        ("max_dim", "MaxBackward0", "a b c", |x| x.max_dim(1).0),
        ("min_dim_keepdim", "MinBackward0", "a b c", |x| x.min_dim_keepdim(-1).0),
        ("max_dim_keepdim", "MaxBackward0", "a b c", |x| x.max_dim_keepdim(0).0),
        ("min_dim", "MinBackward0", "a b c", |x| x.min_dim(1).0),
        ("var", "VarBackward0", "...+ n2", |x| x.var((), 1.0)),
        ("var over axes", "VarBackward0", "a b c", |x| x.var([0, 2], 0.0)),
        ("var_keepdim", "VarBackward0", "a b2 c", |x| x.var_keepdim(1, 1.0)),
        ("std", "StdBackward0", "...+ n2", |x| x.std((), 1.0)),
        ("std_keepdim", "StdBackward0", "a b2 c", |x| x.std_keepdim(1, 0.0)),
        ("logsumexp", "LogsumexpBackward0", "a b c", |x| x.logsumexp(1)),
        ("logsumexp_keepdim", "LogsumexpBackward0", "a b c", |x| x.logsumexp_keepdim([0, 2])),
        ("norm", "LinalgVectorNormBackward0", "...+", |x| x.norm(())),
        ("norm_keepdim", "LinalgVectorNormBackward0", "a b c", |x| x.norm_keepdim([0, 1])),
        ("cumsum", "CumsumBackward0", "a b0 c", |x| x.cumsum(1)),
        ("cumprod", "CumprodBackward0", "a b0 c", |x| x.cumprod(1)),
        ("sum_to", "SumToBackward0", "a 3 c", |x| x.sum_to([3, 1])),
    ];
    let row = |&(name, grad_fn, sizes, f): &(_, _, &str, F)| {
        Entry::shaped(name, grad_fn, &[&[2, 3, 2]], move |x| f(&x[0])).sizes(sizes)
    };
    rows.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_reduction_of_the_table_has_a_row() {
        let rows: Vec<&str> = super::catalog().iter().map(|entry| entry.name).collect();
        super::NAMES.iter().for_each(|name| assert!(rows.contains(name), "{name}"));
    }
}
