//! Counting and searching: `histc`, `histogram`, `bucketize`, positions of a triangle.

use crate::{DType, Element, Tensor, bug, match_dtype};
use wengert_tensor_macros::profiled;

/// Options of [`Tensor::searchsorted_with`].
#[derive(Clone, Copy, Debug, Default)]
pub struct SearchOptions<'a> {
    /// Whether a value goes behind its equals.
    pub right: bool,
    /// What sorts the sequence, as `argsort` gives it, if it is not in order itself.
    pub sorter: Option<&'a Tensor>,
}

/// Options of [`Tensor::histogram`] and [`Tensor::histogram_of`].
#[derive(Clone, Copy, Debug, Default)]
pub struct HistogramOptions<'a> {
    /// The ends of the first and the last bin; the smallest and the largest element if `None`.
    pub range: Option<(f64, f64)>,
    /// What each element counts; 1 if `None`.
    pub weight: Option<&'a Tensor>,
    /// Divides counts by the total and the width of the bin, so that the histogram is a density.
    pub density: bool,
}

#[profiled]
impl Tensor {
    /// [`Tensor::searchsorted`] with options.
    ///
    /// # Panics
    /// As [`Tensor::searchsorted`], and if the sorter has another shape than the sequence or a position out of range.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::{SearchOptions, tensor};
    /// let (bounds, order) = (tensor![3.0, 1.0, 2.0], tensor![1, 2, 0]);
    /// let options = SearchOptions { sorter: Some(&order), ..Default::default() };
    /// assert_eq!(bounds.searchsorted_with(&tensor![2.5], options).to_vec::<i64>(), [2]);
    /// ```
    #[track_caller]
    pub fn searchsorted_with(&self, values: &Tensor, options: SearchOptions<'_>) -> Tensor {
        let sorted = options.sorter.map(|sorter| {
            if sorter.shape() != self.shape() {
                bug!(
                    "torch.searchsorted()",
                    "boundary and sorter must have the same size, but got boundary tensor {:?}and got sorter tensor {:?}",
                    self.shape(),
                    sorter.shape()
                );
            }
            if sorter.dtype() != DType::I64 {
                bug!(
                    "torch.searchsorted()",
                    "sorter must be a tensor of long dtype but got dtype {}",
                    sorter.dtype().legacy_name()
                );
            }
            let size = self.shape().last().copied().unwrap_or(1) as i64;
            if sorter.lt(0).logical_or(sorter.ge(size)).any(()).item::<bool>() {
                bug!("torch.searchsorted()", "sorter index out of range");
            }
            self.gather(-1, sorter)
        });
        let bounds = sorted.as_ref().unwrap_or(self);
        if options.right { bounds.searchsorted_right(values) } else { bounds.searchsorted(values) }
    }

    /// For each element the first position in an ascending vector that is not below it.
    ///
    /// # Panics
    /// If `boundaries` is no vector.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// assert_eq!(tensor![3, 6, 9].bucketize(&tensor![1, 3, 5, 7, 9]).to_vec::<i64>(), [1, 3, 4]);
    /// ```
    #[track_caller]
    pub fn bucketize(&self, boundaries: &Tensor) -> Tensor {
        vector_of_boundaries(boundaries);
        boundaries.searchsorted(self)
    }

    /// As [`Tensor::bucketize`], but behind its equals: the first position that is above it.
    ///
    /// # Panics
    /// If `boundaries` is no vector.
    #[track_caller]
    pub fn bucketize_right(&self, boundaries: &Tensor) -> Tensor {
        vector_of_boundaries(boundaries);
        boundaries.searchsorted_right(self)
    }

    /// How many elements fall into each of `bins` intervals of equal width from `min` to `max`; those outside are not
    /// counted. If both bounds are equal, they are the smallest and the largest element.
    ///
    /// # Panics
    /// If there are no bins, a bound is not finite, or `max` is below `min`.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// assert_eq!(tensor![1.0, 2.0, 1.0].histc(4, 0.0, 3.0).to_vec::<f32>(), [0.0, 2.0, 1.0, 0.0]);
    /// ```
    #[track_caller]
    pub fn histc(&self, bins: usize, min: f64, max: f64) -> Tensor {
        if bins == 0 {
            bug!("", "torch.histc(): bins must be > 0");
        }
        match_dtype!(number self.dtype(), T => {
            let x = self.to_vec::<T>();
            let (mut low, mut high) = (T::from_f64(min).to_f64(), T::from_f64(max).to_f64());
            if low == high && !x.is_empty() {
                low = x.iter().fold(f64::INFINITY, |low, x| low.min(x.to_f64()));
                high = x.iter().fold(f64::NEG_INFINITY, |high, x| high.max(x.to_f64()));
            }
            if low == high {
                (low, high) = (low - 1.0, high + 1.0);
            }
            if !low.is_finite() || !high.is_finite() {
                bug!("", "range of [{low}, {high}] is not finite");
            }
            if low > high {
                bug!("", "max must be larger than min");
            }
            let mut counts = vec![0i64; bins];
            for x in x.iter().map(|x| x.to_f64()).filter(|x| (low..=high).contains(x)) {
                let at = (x - low) * bins as f64 / (high - low);
                counts[(at as usize).min(bins - 1)] += 1;
            }
            Tensor::from_vec(counts, [bins]).to(T::DTYPE)
        }, other => bug!("", "\"histogram_cpu\" not implemented for '{}'", other.legacy_name()))
    }

    /// How many elements fall into each of `bins` bins of equal width, and the edges of the bins. A bin has its lower edge in it, the
    /// last one both (`torch.histogram`).
    ///
    /// # Panics
    /// If there are no bins, the range is not finite or upside down, the weights have another shape, or the dtype is not `f32` or
    /// `f64`.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::{HistogramOptions, tensor};
    /// let (counts, edges) = tensor![1.0, 2.0, 1.0].histogram(4, &HistogramOptions { range: Some((0.0, 3.0)), ..Default::default() });
    /// assert_eq!(counts.to_vec::<f32>(), [0.0, 2.0, 1.0, 0.0]);
    /// assert_eq!(edges.to_vec::<f32>(), [0.0, 0.75, 1.5, 2.25, 3.0]);
    /// ```
    #[track_caller]
    pub fn histogram(&self, bins: usize, options: &HistogramOptions<'_>) -> (Tensor, Tensor) {
        if bins == 0 {
            bug!("", "torch.histogram(): bins must be > 0, but got 0 for dimension 0");
        }
        let (mut low, mut high) = options.range.unwrap_or_else(|| match self.numel() {
            0 => (0.0, 1.0),
            _ => (self.min().to(DType::F64).item(), self.max().to(DType::F64).item()),
        });
        if !low.is_finite() || !high.is_finite() {
            bug!("", "torch.histogramdd: dimension 0's range [{low}, {high}] is not finite");
        }
        if low > high {
            bug!("", "torch.histogramdd: min should not exceed max, but got min {low} max {high} for dimension 0");
        }
        if low == high {
            (low, high) = (low - 0.5, high + 0.5);
        }
        let dtype = if self.dtype().is_float() { self.dtype() } else { DType::F32 };
        self.histogram_of(&Tensor::linspace_of(low, high, bins + 1, dtype), options)
    }

    /// [`Tensor::histogram`] with ascending edges of bins; the range of the options is not looked at.
    ///
    /// # Panics
    /// As [`Tensor::histogram`], and if the edges are no vector of the elements' dtype.
    #[track_caller]
    pub fn histogram_of(&self, edges: &Tensor, options: &HistogramOptions<'_>) -> (Tensor, Tensor) {
        if !matches!(self.dtype(), DType::F32 | DType::F64) {
            bug!("", "\"histogramdd\" not implemented for '{}'", self.dtype().legacy_name());
        }
        if edges.rank() != 1 {
            bug!(
                "",
                "torch.histogramdd: bins tensor should have one dimension, but got {} dimensions in the bins tensor for dimension 0",
                edges.rank()
            );
        }
        if edges.dtype() != self.dtype() {
            bug!(
                "",
                "torch.histogramdd: input tensor and bins tensors should have the same dtype, but got input with dtype {} and bins \
                 for dimension 0 with dtype {}",
                self.dtype().legacy_name().to_lowercase(),
                edges.dtype().legacy_name().to_lowercase()
            );
        }
        if let Some(weight) = options.weight.filter(|w| w.shape() != self.shape()) {
            bug!(
                "",
                "torch.histogramdd: if weight tensor is provided it should have the same shape as the input tensor excluding its \
                 innermost dimension, but got input with shape [{}, 1] and weight with shape {:?}",
                self.numel(),
                weight.shape()
            );
        }
        let bounds = edges.to_vec::<f64>();
        let bins = bounds.len().saturating_sub(1);
        let weights = options.weight.map(|w| w.to(DType::F64).to_vec::<f64>());
        let mut counts = vec![0.0; bins];
        for (i, x) in self.to_vec::<f64>().into_iter().enumerate() {
            let Some((first, last)) = bounds.first().zip(bounds.last()) else { break };
            if bins == 0 || !(*first..=*last).contains(&x) {
                continue;
            }
            let at = bounds.partition_point(|&edge| edge <= x) - 1;
            counts[at.min(bins - 1)] += weights.as_ref().map_or(1.0, |w| w[i]);
        }
        if options.density {
            let total: f64 = counts.iter().sum();
            counts.iter_mut().zip(bounds.windows(2)).for_each(|(count, edge)| *count /= total * (edge[1] - edge[0]));
        }
        (Tensor::from_vec(counts, [bins]).to(self.dtype()), edges.clone())
    }

    /// Rows and columns, as the rows of a `[2, n]` tensor, of the lower triangle of a matrix, with the first `offset`
    /// diagonals above the main one.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::Tensor;
    /// assert_eq!(Tensor::tril_indices(2, 2, 0).to_vec::<i64>(), [0, 1, 1, 0, 0, 1]);
    /// ```
    pub fn tril_indices(rows: usize, cols: usize, offset: isize) -> Tensor {
        triangle(rows, |row| 0..(row + offset + 1).clamp(0, cols as isize))
    }

    /// Rows and columns, as the rows of a `[2, n]` tensor, of the upper triangle of a matrix, without the first `offset`
    /// diagonals from the main one on.
    pub fn triu_indices(rows: usize, cols: usize, offset: isize) -> Tensor {
        triangle(rows, |row| (row + offset).clamp(0, cols as isize)..cols as isize)
    }

    /// [`Tensor::nonzero`]: `torch.argwhere`.
    pub fn argwhere(&self) -> Tensor {
        self.nonzero()
    }

    /// The first `size` rows of [`Tensor::nonzero`]; where there are fewer, rows of `fill` follow.
    pub fn nonzero_static(&self, size: usize, fill: i64) -> Tensor {
        let found = self.nonzero();
        let have = found.shape()[0].min(size);
        let rest = Tensor::full([size - have, self.rank()], fill, DType::I64);
        Tensor::cat(&[found.narrow(0, 0, have), rest], 0)
    }
}

#[track_caller]
fn vector_of_boundaries(boundaries: &Tensor) {
    if boundaries.rank() != 1 {
        bug!("", "boundaries tensor must be 1 dimension, but got dim({})", boundaries.rank());
    }
}

/// The positions of the chosen columns of each row.
fn triangle(rows: usize, columns: impl Fn(isize) -> std::ops::Range<isize>) -> Tensor {
    let places = (0..rows as isize).flat_map(|row| columns(row).map(move |col| (row as i64, col as i64)));
    let (rows, cols): (Vec<i64>, Vec<i64>) = places.unzip();
    let len = rows.len();
    Tensor::from_vec([rows, cols].concat(), [2, len])
}
