//! Statistics: moments together, medians, quantiles, covariance, and what ignores NaN.

use super::reduce::Keep;
use crate::catalog::Entry;
use crate::{Var, op};
use wengert_tensor::{DType, Interpolation, Tensor};

impl Var {
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
        self.shared("NanmedianBackward0", self.value.nanmedian())
    }

    /// The median along an axis of what is not NaN, and where it was.
    #[track_caller]
    pub fn nanmedian_dim(&self, dim: isize) -> (Var, Tensor) {
        let (values, indices) = self.value.nanmedian_dim(dim);
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
