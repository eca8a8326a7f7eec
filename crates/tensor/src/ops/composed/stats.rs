//! Statistics: moments together, quantiles, covariance, and what ignores NaN.

use crate::{DType, IntoDims, Tensor, bug};
use wengert_tensor_macros::{composed, profiled};

/// How [`Tensor::quantile`] takes a value between two elements.
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

/// What a NaN does to a quantile.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Nan {
    Wins,
    Ignored,
}

#[composed(compose_stats)]
#[profiled]
impl Tensor {
    /// Variance and mean over axes (`torch.var_mean`).
    #[track_caller]
    pub fn var_mean(&self, dims: impl IntoDims, correction: f64) -> (Self, Self) {
        let dims = dims.into_dims();
        (self.var(&dims[..], correction), self.mean(&dims[..]))
    }

    /// As [`Self::var_mean`]; the reduced axes stay, with size 1.
    #[track_caller]
    pub fn var_mean_keepdim(&self, dims: impl IntoDims, correction: f64) -> (Self, Self) {
        let dims = dims.into_dims();
        (self.var_keepdim(&dims[..], correction), self.mean_keepdim(&dims[..]))
    }

    /// Standard deviation and mean over axes (`torch.std_mean`).
    #[track_caller]
    pub fn std_mean(&self, dims: impl IntoDims, correction: f64) -> (Self, Self) {
        let dims = dims.into_dims();
        (self.std(&dims[..], correction), self.mean(&dims[..]))
    }

    /// As [`Self::std_mean`]; the reduced axes stay, with size 1.
    #[track_caller]
    pub fn std_mean_keepdim(&self, dims: impl IntoDims, correction: f64) -> (Self, Self) {
        let dims = dims.into_dims();
        (self.std_keepdim(&dims[..], correction), self.mean_keepdim(&dims[..]))
    }

    /// The smallest and the largest element over axes. Equal ones share the gradient evenly.
    #[track_caller]
    pub fn aminmax(&self, dims: impl IntoDims) -> (Self, Self) {
        let dims = dims.into_dims();
        (self.amin(&dims[..]), self.amax(&dims[..]))
    }

    /// The sum over axes of what is not NaN.
    #[track_caller]
    pub fn nansum(&self, dims: impl IntoDims) -> Self {
        self.masked_fill(&self.value().isnan(), 0.0).sum(dims)
    }

    /// The mean over axes of what is not NaN.
    #[track_caller]
    pub fn nanmean(&self, dims: impl IntoDims) -> Self {
        let dims = dims.into_dims();
        let count = self.value().isnan().logical_not().sum(&dims[..]);
        self.nansum(&dims[..]) / count
    }

    /// The quantiles `q` (a number or a list of them, in `0..=1`) along an axis, which is removed; of a list, one after the
    /// other along a new first axis. NaN wins.
    ///
    /// # Panics
    /// If the dtype is not `f32` or `f64`, `q` is not within `0..=1`, or the axis is empty or out of range.
    #[track_caller]
    pub fn quantile(&self, q: &Self, dim: isize, interpolation: Interpolation) -> Self {
        Self::quantiles("quantile", self, q, dim, interpolation, Nan::Wins)
    }

    /// [`Self::quantile`] of what is not NaN.
    ///
    /// # Panics
    /// As [`Self::quantile`].
    #[track_caller]
    pub fn nanquantile(&self, q: &Self, dim: isize, interpolation: Interpolation) -> Self {
        Self::quantiles("nanquantile", self, q, dim, interpolation, Nan::Ignored)
    }

    /// The covariance of variables (rows) over observations (columns), with repetitions `fweights` and weights `aweights` of
    /// the observations.
    ///
    /// # Panics
    /// If the operand has more than two axes, or the weights do not fit.
    #[track_caller]
    pub fn cov(&self, correction: f64, fweights: Option<&Tensor>, aweights: Option<&Self>) -> Self {
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
        let given = [("fweights", fweights), ("aweights", aweights.map(Self::value))];
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
            (Some(f), None) => Some(Self::from(f)),
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
    /// As [`Self::cov`].
    #[track_caller]
    pub fn corrcoef(&self) -> Self {
        let c = self.cov(1.0, None, None);
        if c.rank() == 0 {
            // 1, or NaN where nothing varies.
            return c.div(&c);
        }
        let d = c.diagonal(0, 0, 1).sqrt();
        (c / d.unsqueeze(1) / d.unsqueeze(0)).clamp(-1.0, 1.0)
    }

    #[track_caller]
    fn quantiles(op: &str, x: &Self, q: &Self, dim: isize, interpolation: Interpolation, nan: Nan) -> Self {
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
        let ranks = Self::from(&last) * q.to(x.dtype()).reshape([-1isize]);
        let ranks = match nan {
            // As if every position had the rank of the first NaN, which is last in order.
            Nan::Wins => Self::where_(&sorted.value().isnan().any_keepdim(-1), &last, &ranks),
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
                    Interpolation::Midpoint => Self::from(Tensor::full(ranks.shape(), 0.5, x.dtype())),
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
}
