//! Norms of any order, running extremes, counts, modes and what ignores NaN.

use crate::shape::{IntoDims, Shape, axis};
use crate::{DType, Element, Tensor, bug, match_dtype};
use wengert_tensor_macros::profiled;

/// Runs `f` on every line along `dim` (a 0-d tensor is one line): the elements, and where to write as many values and indices.
#[track_caller]
fn lines<T: Element>(x: &Tensor, dim: isize, f: impl Fn(&[T], &mut [T], &mut [i64])) -> (Tensor, Tensor) {
    let d = axis("", dim, x.rank()) as isize;
    let last = if x.rank() == 0 { x.reshape([1usize]) } else { x.transpose(d, -1).contiguous() };
    let len = last.shape().last().copied().unwrap_or(1).max(1);
    let mut values = Tensor::zeros(last.shape(), T::DTYPE);
    let indices = Tensor::build(last.shape(), |indices: &mut [i64]| {
        let x = last.as_slice::<T>().expect("contiguous");
        let lines = x.chunks_exact(len).zip(values.as_mut_slice::<T>().chunks_exact_mut(len));
        lines.zip(indices.chunks_exact_mut(len)).for_each(|((x, v), i)| f(x, v, i));
    });
    let back = |t: Tensor| if x.rank() == 0 { t.reshape(()) } else { t.transpose(d, -1).contiguous() };
    (back(values), back(indices))
}

/// Running extremes and where they were: of equal ones the last, and NaN from the first on.
#[track_caller]
fn running(x: &Tensor, dim: isize, wins: impl Fn(std::cmp::Ordering) -> bool) -> (Tensor, Tensor) {
    match_dtype!(x.dtype(), T => lines::<T>(x, dim, |x, values, indices| {
        #[allow(clippy::eq_op)]
        let nan = |x: T| x != x;
        let mut best = 0;
        for i in 0..x.len() {
            let order = x[i].partial_cmp(&x[best]);
            if nan(x[i]) || (!nan(x[best]) && order.is_some_and(&wins)) {
                best = i;
            }
            (values[i], indices[i]) = (x[best], best as i64);
        }
    }))
}

#[profiled]
impl Tensor {
    /// The largest elements so far along an axis, and where they were (of equal ones the last).
    ///
    /// # Panics
    /// If the axis is out of range.
    #[track_caller]
    pub fn cummax(&self, dim: isize) -> (Tensor, Tensor) {
        running(self, dim, |order| order.is_ge())
    }

    /// The smallest elements so far along an axis, and where they were (of equal ones the last).
    ///
    /// # Panics
    /// If the axis is out of range.
    #[track_caller]
    pub fn cummin(&self, dim: isize) -> (Tensor, Tensor) {
        running(self, dim, |order| order.is_le())
    }

    /// Running [`Tensor::logsumexp`] along an axis.
    ///
    /// # Panics
    /// If the axis is out of range.
    #[track_caller]
    pub fn logcumsumexp(&self, dim: isize) -> Tensor {
        let dtype = self.dtype().to_float();
        let add = |a: f64, b: f64| crate::cpu::special::logaddexp(a, b);
        let wide = lines::<f64>(&self.to(DType::F64), dim, |x, values, _| {
            let mut total = f64::NEG_INFINITY;
            for (v, &x) in values.iter_mut().zip(x) {
                total = add(total, x);
                *v = total;
            }
        });
        wide.0.to(dtype)
    }

    /// The most frequent element along an axis (the smallest of several) and where it is last.
    ///
    /// # Panics
    /// If the axis is empty or out of range.
    #[track_caller]
    pub fn mode(&self, dim: isize) -> (Tensor, Tensor) {
        let d = axis("mode", dim, self.rank());
        if self.rank() > 0 && self.shape()[d] == 0 {
            bug!("", "mode(): Expected reduction dim {d} to have non-zero size.");
        }
        let (sorted, places) = self.sort(dim);
        let (_, runs) = match_dtype!(self.dtype(), T => lines::<T>(&sorted, dim, |x, _, at| {
            let (mut best, mut most, mut start) = (0, 0, 0);
            for i in 0..x.len() {
                if x[i] != x[start] {
                    start = i;
                }
                if i + 1 - start > most {
                    (best, most) = (i, i + 1 - start);
                }
            }
            at[0] = best as i64;
        }));
        if self.rank() == 0 {
            return (self.clone(), Tensor::zeros((), DType::I64));
        }
        let at = runs.narrow(dim, 0, 1);
        (sorted.gather(dim, &at).squeeze([dim]), places.gather(dim, &at).squeeze([dim]))
    }

    /// The median of all elements that are not NaN, of two in the middle the lower.
    #[track_caller]
    pub fn nanmedian(&self) -> Tensor {
        let kept = self.masked_select(&self.isnan().logical_not());
        if kept.numel() == 0 { self.reshape([-1isize]).median() } else { kept.median() }
    }

    /// The median along an axis of what is not NaN, and where it was.
    ///
    /// # Panics
    /// If the axis is empty or out of range.
    #[track_caller]
    pub fn nanmedian_dim(&self, dim: isize) -> (Tensor, Tensor) {
        if self.rank() == 0 {
            return (self.clone(), Tensor::zeros((), DType::I64));
        }
        // NaN is last in order.
        let (sorted, places) = self.sort(dim);
        let count = self.isnan().logical_not().sum_keepdim(dim);
        let at = count.sub(1).clamp(0.0, None).floor_divide(2);
        (sorted.gather(dim, &at).squeeze([dim]), places.gather(dim, &at).squeeze([dim]))
    }

    /// How many elements over the axes are not zero.
    ///
    /// # Panics
    /// If an axis is out of range.
    #[track_caller]
    pub fn count_nonzero(&self, dims: impl IntoDims) -> Tensor {
        self.to(DType::Bool).sum(dims)
    }

    /// The norm `(Σ |x|^p)^(1/p)` over axes (`torch.linalg.vector_norm`), which stay with size 1. `p` may be 0 (a count) or
    /// infinite (the extremes).
    ///
    /// # Panics
    /// If the dtype is not floating, an axis is out of range, or an extreme of no elements is asked for.
    #[track_caller]
    pub fn vector_norm_keepdim(&self, dims: impl IntoDims, p: f64) -> Tensor {
        let dims = dims.into_dims();
        let dims = &dims[..];
        if !self.dtype().is_float() {
            // The Euclidean norm has the error text.
            return self.norm_keepdim(dims);
        }
        match p {
            2.0 => self.norm_keepdim(dims),
            1.0 => self.abs().sum_keepdim(dims),
            0.0 => self.to(DType::Bool).sum_keepdim(dims).to(self.dtype()),
            f64::INFINITY => self.abs().amax_keepdim(dims),
            f64::NEG_INFINITY => self.abs().amin_keepdim(dims),
            _ => {
                let wide = if self.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
                self.to(wide).abs().pow(p).sum_keepdim(dims).pow(1.0 / p).to(self.dtype())
            }
        }
    }

    /// As [`Tensor::vector_norm_keepdim`], without the reduced axes.
    ///
    /// # Panics
    /// As [`Tensor::vector_norm_keepdim`].
    #[track_caller]
    pub fn vector_norm(&self, dims: impl IntoDims, p: f64) -> Tensor {
        let dims = dims.into_dims();
        let axes = crate::shape::axes("", &dims, self.rank());
        let shape: Shape = (0..self.rank()).filter(|i| !axes.contains(i)).map(|i| self.shape()[i]).collect();
        self.vector_norm_keepdim(&dims[..], p).reshape(shape)
    }
}
