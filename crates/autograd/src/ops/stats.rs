//! Statistics: moments together, medians, quantiles, covariance, and what ignores NaN.

use super::reduce::Keep;
use crate::catalog::Entry;
use crate::{Var, op};
use wengert_tensor::{DType, IntoDims, Tensor, bug};

/// How [`Var::quantile`] takes a value between two elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interpolation {
    /// In proportion.
    #[default]
    Linear,
    /// The lower one.
    Lower,
    /// The higher one.
    Higher,
    /// The nearest one, of two the even.
    Nearest,
    /// Half way.
    Midpoint,
}

impl Var {
    /// Variance and mean over axes (`torch.var_mean`).
    #[track_caller]
    pub fn var_mean(&self, dims: impl IntoDims, correction: f64) -> (Var, Var) {
        let dims = dims.into_dims();
        (self.var(&dims[..], correction), self.mean(&dims[..]))
    }

    /// As [`Var::var_mean`]; the reduced axes stay, with size 1.
    #[track_caller]
    pub fn var_mean_keepdim(&self, dims: impl IntoDims, correction: f64) -> (Var, Var) {
        let dims = dims.into_dims();
        (self.var_keepdim(&dims[..], correction), self.mean_keepdim(&dims[..]))
    }

    /// Standard deviation and mean over axes (`torch.std_mean`).
    #[track_caller]
    pub fn std_mean(&self, dims: impl IntoDims, correction: f64) -> (Var, Var) {
        let dims = dims.into_dims();
        (self.std(&dims[..], correction), self.mean(&dims[..]))
    }

    /// As [`Var::std_mean`]; the reduced axes stay, with size 1.
    #[track_caller]
    pub fn std_mean_keepdim(&self, dims: impl IntoDims, correction: f64) -> (Var, Var) {
        let dims = dims.into_dims();
        (self.std_keepdim(&dims[..], correction), self.mean_keepdim(&dims[..]))
    }

    /// The smallest and the largest element over axes. Equal ones share the gradient evenly.
    #[track_caller]
    pub fn aminmax(&self, dims: impl IntoDims) -> (Var, Var) {
        let dims = dims.into_dims();
        (self.amin(&dims[..]), self.amax(&dims[..]))
    }

    /// The sum over axes of what is not NaN.
    #[track_caller]
    pub fn nansum(&self, dims: impl IntoDims) -> Var {
        self.masked_fill(&self.value.isnan(), 0.0).sum(dims)
    }

    /// The mean over axes of what is not NaN.
    #[track_caller]
    pub fn nanmean(&self, dims: impl IntoDims) -> Var {
        let dims = dims.into_dims();
        let count = self.value.isnan().logical_not().sum(&dims[..]);
        self.nansum(&dims[..]) / count
    }

    /// The median of all elements, of two in the middle the lower. Elements equal to it share the gradient evenly.
    #[track_caller]
    pub fn median(&self) -> Var {
        self.shared("MedianBackward0", self.value.median())
    }

    /// The median along an axis, of two in the middle the lower, and where it was.
    #[track_caller]
    pub fn median_dim(&self, dim: isize) -> (Var, Tensor) {
        let (values, indices) = self.value.median_dim(dim);
        (self.picked("MedianBackward1", values, &indices, dim, Keep::No), indices)
    }

    /// The median of all elements that are not NaN.
    #[track_caller]
    pub fn nanmedian(&self) -> Var {
        let kept = self.value.masked_select(&self.value.isnan().logical_not());
        let value = if kept.numel() == 0 { self.value.reshape([-1isize]).median() } else { kept.median() };
        self.shared("NanmedianBackward0", value)
    }

    /// The median along an axis of what is not NaN, and where it was.
    #[track_caller]
    pub fn nanmedian_dim(&self, dim: isize) -> (Var, Tensor) {
        if self.rank() == 0 {
            return (self.clone(), Tensor::zeros((), DType::I64));
        }
        // NaN is last in order.
        let (sorted, places) = self.value.sort(dim);
        let count = self.value.isnan().logical_not().sum_keepdim(dim);
        let at = count.sub(1).clamp(0.0, None).floor_divide(2);
        let (values, indices) = (sorted.gather(dim, &at).squeeze([dim]), places.gather(dim, &at).squeeze([dim]));
        (self.picked("NanmedianBackward1", values, &indices, dim, Keep::No), indices)
    }

    /// The most frequent element along an axis (the smallest of several) and where it is last.
    #[track_caller]
    pub fn mode(&self, dim: isize) -> (Var, Tensor) {
        let (values, indices) = self.value.mode(dim);
        (self.picked("ModeBackward0", values, &indices, dim, Keep::No), indices)
    }

    /// The `k`-th smallest element along an axis, counted from 1, and where it was.
    #[track_caller]
    pub fn kthvalue(&self, k: usize, dim: isize) -> (Var, Tensor) {
        let (values, indices) = self.value.kthvalue(k, dim);
        (self.picked("KthvalueBackward0", values, &indices, dim, Keep::No), indices)
    }

    /// A value of all elements; those equal to it share its gradient.
    #[track_caller]
    fn shared(&self, name: &'static str, value: Tensor) -> Var {
        op::record(name, value.clone(), [self], || {
            let mask = self.value.eq(&value).logical_or(self.value.isnan().logical_and(value.isnan()));
            let count = mask.sum(()).to(DType::F64).item::<f64>();
            move |_: &op::Context<'_>, grad: &Var| [Some(Var::where_(&mask, grad / count, 0.0))]
        })
    }

    /// The quantiles `q` (a number or a list of them, in `0..=1`) along an axis, which is removed; of a list, one after the
    /// other along a new first axis. NaN wins.
    ///
    /// # Panics
    /// If the dtype is not `f32` or `f64`, `q` is not within `0..=1`, or the axis is empty or out of range.
    #[track_caller]
    pub fn quantile(&self, q: &Var, dim: isize, interpolation: Interpolation) -> Var {
        quantiles("quantile", self, q, dim, interpolation, Nan::Wins)
    }

    /// [`Var::quantile`] of what is not NaN.
    ///
    /// # Panics
    /// As [`Var::quantile`].
    #[track_caller]
    pub fn nanquantile(&self, q: &Var, dim: isize, interpolation: Interpolation) -> Var {
        quantiles("nanquantile", self, q, dim, interpolation, Nan::Ignored)
    }

    /// The covariance of variables (rows) over observations (columns), with repetitions `fweights` and weights `aweights` of
    /// the observations.
    ///
    /// # Panics
    /// If the operand has more than two axes, or the weights do not fit.
    #[track_caller]
    pub fn cov(&self, correction: f64, fweights: Option<&Tensor>, aweights: Option<&Var>) -> Var {
        if self.rank() > 2 {
            bug!(
                "",
                "cov(): expected input to have two or fewer dimensions but got an input with {} dimensions",
                self.rank()
            );
        }
        if self.dtype() == DType::Bool {
            bug!("", "cov(): bool dtype is not supported for input");
        }
        let observations = self.shape().last().copied().unwrap_or(1);
        let given = [("fweights", fweights), ("aweights", aweights.map(Var::value))];
        for (name, w) in given.iter().filter_map(|&(name, w)| Some((name, w?))) {
            if w.rank() > 1 {
                bug!(
                    "",
                    "cov(): expected {name} to have one or fewer dimensions but got {name} with {} dimensions",
                    w.rank()
                );
            }
            if w.dtype().is_float() != (name == "aweights") {
                let kind = if name == "aweights" { "floating point" } else { "integral" };
                bug!(
                    "",
                    "cov(): expected {name} to have {kind} dtype but got {name} with {} dtype",
                    w.dtype().legacy_name()
                );
            }
            if w.numel() != observations {
                bug!(
                    "",
                    "cov(): expected {name} to have the same numel as there are observations in the input but got {} != \
                     {observations}",
                    w.numel()
                );
            }
            if w.lt(0).any(()).item::<bool>() {
                bug!("", "cov(): {name} cannot be negative");
            }
        }
        let x = if self.rank() < 2 { self.reshape([1, self.numel()]) } else { self.clone() };
        let x = &x.to(x.dtype().to_float());
        let weights = match (fweights, aweights) {
            (None, None) => None,
            (Some(f), None) => Some(Var::from(f)),
            (None, Some(a)) => Some(a.clone()),
            (Some(f), Some(a)) => Some(a * f),
        };
        let mut out = match &weights {
            None => {
                let centred = x - x.mean_keepdim(1);
                let norm = (x.size(1) as f64 - correction).max(0.0);
                centred.mm(&centred.t()) / norm
            }
            Some(w) => {
                let total = w.sum(());
                let centred = x - (x * w).sum_keepdim(1) / &total;
                let norm = match aweights {
                    Some(a) if correction != 0.0 => &total - (w * a).sum(()) / &total * correction,
                    _ => &total - correction,
                };
                let norm = norm.to(DType::F64).clamp(0.0, None).to(x.dtype());
                (&centred * w).mm(&centred.t()) / norm
            }
        };
        if out.numel() == 1 {
            out = out.reshape(());
        }
        out
    }

    /// The correlation coefficients of variables (rows) over observations (columns).
    ///
    /// # Panics
    /// As [`Var::cov`].
    #[track_caller]
    pub fn corrcoef(&self) -> Var {
        let c = self.cov(1.0, None, None);
        if c.rank() == 0 {
            // 1, or NaN where nothing varies.
            return c.div(&c);
        }
        let d = c.diagonal(0, 0, 1).sqrt();
        (c / d.unsqueeze(1) / d.unsqueeze(0)).clamp(-1.0, 1.0)
    }
}

/// What a NaN does to a quantile.
#[derive(Clone, Copy, PartialEq)]
enum Nan {
    Wins,
    Ignored,
}

#[track_caller]
fn quantiles(op: &str, x: &Var, q: &Var, dim: isize, interpolation: Interpolation, nan: Nan) -> Var {
    if !matches!(x.dtype(), DType::F32 | DType::F64) {
        bug!("", "{op}() input tensor must be either float or double dtype");
    }
    if q.rank() > 1 {
        bug!("", "{op}() q must be a scalar or 1D tensor");
    }
    let numbers = q.value().to(DType::F64).to_vec::<f64>();
    if numbers.iter().any(|q| !(0.0..=1.0).contains(q)) {
        bug!("", "{op}() q values must be in the range [0, 1]");
    }
    if x.numel() == 0 {
        bug!("", "{op}() input tensor must be non-empty");
    }
    let line = if x.rank() == 0 { x.reshape([1]) } else { x.transpose(dim, -1) };
    let sorted = line.sort(-1).0;
    let last = match nan {
        Nan::Wins => Tensor::full(sorted.value().narrow(-1, 0, 1).shape(), sorted.size(-1) as i64 - 1, DType::I64),
        Nan::Ignored => sorted.value().isnan().logical_not().sum_keepdim(-1).sub(1).clamp(0.0, None),
    };
    let last = last.to(x.dtype());
    let ranks = Var::from(&last) * q.to(x.dtype()).reshape([-1isize]);
    let ranks = match nan {
        // As if every position had the rank of the first NaN, which is last in order.
        Nan::Wins => Var::where_(&sorted.value().isnan().any_keepdim(-1), &last, &ranks),
        Nan::Ignored => ranks,
    };
    let at = match interpolation {
        Interpolation::Higher => ranks.value().ceil(),
        Interpolation::Nearest => ranks.value().round(),
        _ => ranks.value().floor(),
    };
    let values = sorted.gather(-1, &at.to(DType::I64));
    let out = match interpolation {
        Interpolation::Linear | Interpolation::Midpoint => {
            let weight = match interpolation {
                Interpolation::Midpoint => Var::from(Tensor::full(ranks.shape(), 0.5, x.dtype())),
                _ => &ranks - &at,
            };
            let above = sorted.gather(-1, &ranks.value().ceil().to(DType::I64));
            values.lerp(&above, weight)
        }
        _ => values,
    };
    // The quantiles come first, then the other axes in their order.
    let out = if x.rank() == 0 { out } else { out.transpose(dim, -1) };
    let d = if dim < 0 { dim + x.rank().max(1) as isize } else { dim };
    let mut order: Vec<isize> = (0..out.rank() as isize).filter(|&i| i != d).collect();
    order.insert(0, d);
    let out = out.permute(order);
    let out = if x.rank() == 0 { out.reshape([numbers.len()]) } else { out };
    if q.rank() == 0 { out.squeeze([0]) } else { out }
}

/// Both results in one.
fn sum_of((a, b): (Var, Var)) -> Var {
    a + b * 2.0
}

pub(crate) fn catalog() -> Vec<Entry> {
    let one: &[&[usize]] = &[&[3, 4]];
    let q = Var::from(Tensor::from_vec(vec![0.2, 0.55, 0.9], [3]));
    let (q1, q2) = (q.clone(), q);
    vec![
        Entry::shaped("nansum", "SumBackward1", one, |x| x[0].nansum(0)).sizes("n m"),
        Entry::shaped("var_mean", "", one, |x| sum_of(x[0].var_mean(1, 1.0))).sizes("n m2"),
        Entry::shaped("var_mean_keepdim", "", one, |x| sum_of(x[0].var_mean_keepdim(0, 0.0))).sizes("n m"),
        Entry::shaped("std_mean", "", one, |x| sum_of(x[0].std_mean(1, 1.0))).sizes("n m2"),
        Entry::shaped("std_mean_keepdim", "", one, |x| sum_of(x[0].std_mean_keepdim(0, 1.0))).sizes("n2 m"),
        Entry::shaped("aminmax", "", one, |x| sum_of(x[0].aminmax(1))).sizes("n m"),
        Entry::shaped("nanmean", "DivBackward0", one, |x| x[0].nanmean(1)).sizes("n m"),
        Entry::shaped("median", "MedianBackward0", one, |x| x[0].median()).sizes("...+"),
        Entry::shaped("median_dim", "MedianBackward1", one, |x| x[0].median_dim(1).0).sizes("n m"),
        Entry::shaped("nanmedian", "NanmedianBackward0", one, |x| x[0].nanmedian()).sizes("...+"),
        Entry::shaped("nanmedian_dim", "NanmedianBackward1", one, |x| x[0].nanmedian_dim(0).0).sizes("n m"),
        Entry::shaped("mode", "ModeBackward0", one, |x| x[0].mode(1).0).sizes("n m"),
        Entry::shaped("kthvalue", "KthvalueBackward0", one, |x| x[0].kthvalue(2, 1).0).sizes("n m2"),
        Entry::shaped("quantile", "PermuteBackward0", one, move |x| x[0].quantile(&q1, 1, Interpolation::Linear))
            .sizes("n m"),
        Entry::shaped("nanquantile", "PermuteBackward0", one, move |x| {
            x[0].nanquantile(&q2, 0, Interpolation::Midpoint)
        })
        .sizes("n m"),
        Entry::shaped("cov", "DivBackward0", one, |x| x[0].cov(1.0, None, None)).sizes("n m2"),
        Entry::shaped("cov with weights", "DivBackward0", &[&[3, 4], &[4]], |x| {
            x[0].cov(1.0, None, Some(&(&x[1] + 3.0)))
        })
        .sizes("n m2, m"),
        Entry::shaped("corrcoef", "ClampBackward1", one, |x| x[0].corrcoef()).sizes("n m3"),
    ]
}
