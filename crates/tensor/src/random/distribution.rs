//! Other distributions: exponential, Cauchy, geometric, log-normal, and draws by weight, from PyTorch's streams.

use super::sample::{Sample, unit64};
use super::{Generator, MemoryOrder, with_generator};
use crate::shape::Shape;
use crate::{DType, Element, Tensor, bug, match_dtype};
use wengert_tensor_macros::profiled;

/// Whether [`Generator::multinomial`] may draw an element again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Draw {
    /// Each element at most once.
    #[default]
    Once,
    /// Any number of times (`replacement=True`).
    Again,
}

#[profiled]
impl Generator {
    /// `x.exponential_(rate)`: numbers with density `rate · exp(-rate · x)`.
    ///
    /// # Panics
    /// If `rate` is not above 0, or the dtype is not a floating one.
    #[track_caller]
    pub fn exponential_(&mut self, x: &mut Tensor, rate: f64) {
        if rate.is_nan() || rate <= 0.0 {
            bug!("", "exponential_ expects lambda > 0.0, but found lambda={rate}");
        }
        if !x.dtype().is_float() {
            bug!(
                "",
                "Exponential distribution is a continuous probability distribution. dtype must be a floating point but you \
                 specified {}",
                x.dtype().legacy_name()
            );
        }
        self.draw_into(x, |g| -(-unit64(&mut g.engine)).ln_1p() / rate);
    }

    /// `x.cauchy_(median, sigma)`.
    ///
    /// # Panics
    /// If `sigma` is not above 0, or the dtype is not a floating one.
    #[track_caller]
    pub fn cauchy_(&mut self, x: &mut Tensor, median: f64, sigma: f64) {
        if sigma.is_nan() || sigma <= 0.0 {
            bug!("", "cauchy_ expects sigma > 0.0, but found sigma={sigma}");
        }
        if !x.dtype().is_float() {
            bug!(
                "",
                "Cauchy distribution is a continuous probability distribution. dtype must be a floating point but you \
                 specified {}",
                x.dtype().legacy_name()
            );
        }
        self.draw_into(x, |g| sigma.mul_add((std::f64::consts::PI * (unit64(&mut g.engine) - 0.5)).tan(), median));
    }

    /// `x.geometric_(p)`: the number of the first success, of tries that succeed with probability `p`.
    ///
    /// # Panics
    /// If `p` is not between 0 and 1.
    #[track_caller]
    pub fn geometric_(&mut self, x: &mut Tensor, p: f64) {
        if !(p > 0.0 && p < 1.0) {
            bug!("", "geometric_ expects p to be in (0, 1), but got p={p}");
        }
        self.draw_into(x, |g| (unit64(&mut g.engine).ln() / (-p).ln_1p()).ceil());
    }

    /// `x.log_normal_(mean, std)`: the exponential of normal numbers.
    ///
    /// # Panics
    /// If `std` is not above 0, or the dtype is not a floating one.
    #[track_caller]
    pub fn log_normal_(&mut self, x: &mut Tensor, mean: f64, std: f64) {
        if std.is_nan() || std <= 0.0 {
            bug!("", "log_normal_ expects std > 0.0, but found std={std}");
        }
        if !x.dtype().is_float() {
            bug!("", "\"log_normal_cpu\" not implemented for '{}'", x.dtype().legacy_name());
        }
        self.draw_into(x, |g| g.one_normal().mul_add(std, mean).exp());
    }

    /// Replaces the elements one by one, in the order in which they lie in memory.
    fn draw_into(&mut self, x: &mut Tensor, mut f: impl FnMut(&mut Generator) -> f64) {
        let order = MemoryOrder::of(x);
        *x = order.restore(match_dtype!(x.dtype(), T => Tensor::build(&order.shape, |out: &mut [T]| {
            out.iter_mut().for_each(|o| *o = T::from_f64(f(self)));
        })));
    }

    /// The positions of `count` elements of a vector, or of each row of a matrix, drawn by their weights:
    /// `torch.multinomial(weights, count, replacement)`.
    ///
    /// # Panics
    /// If a weight is negative or not finite, a row has too few that are above 0, or the rank is not 1 or 2.
    #[track_caller]
    pub fn multinomial(&mut self, weights: &Tensor, count: usize, draw: Draw) -> Tensor {
        if !matches!(weights.rank(), 1 | 2) {
            bug!("", "prob_dist must be 1 or 2 dim");
        }
        if !weights.dtype().is_float() {
            let name = weights.dtype().legacy_name();
            bug!("", "multinomial only supports floating-point dtypes for input, got: {name}");
        }
        if count == 0 {
            bug!("", "cannot sample n_sample <= 0 samples");
        }
        let size = weights.shape()[weights.rank() - 1];
        if draw == Draw::Once && count > size {
            bug!("", "cannot sample n_sample > prob_dist.size(-1) samples without replacement");
        }
        let rows = weights.to(DType::F64).to_vec::<f64>();
        if rows.iter().any(|w| !w.is_finite() || *w < 0.0) {
            bug!("", "probability tensor contains either `inf`, `nan` or element < 0");
        }
        if rows.chunks(size.max(1)).any(|row| row.iter().sum::<f64>() <= 0.0) {
            bug!("", "invalid multinomial distribution (sum of probabilities <= 0)");
        }
        if draw == Draw::Once {
            // The largest of weights over exponential numbers (Efraimidis and Spirakis, 2006).
            let mut keys = weights.contiguous();
            self.exponential_(&mut keys, 1.0);
            return weights.div(&keys).topk(count, -1).1;
        }
        let mut shape = Shape::from_slice(weights.shape());
        shape[weights.rank() - 1] = count;
        let weights = weights.contiguous();
        match_dtype!(float weights.dtype(), T => Tensor::build(shape, |out: &mut [i64]| {
            let rows = weights.as_slice::<T>().expect("just made contiguous").chunks(size);
            for (row, out) in rows.zip(out.chunks_mut(count)) {
                let sums = cumulated::<T>(row);
                for place in out {
                    let at = unit64(&mut self.engine);
                    *place = sums.partition_point(|&sum| sum < at).min(size - 1) as i64;
                }
            }
        }), _other => unreachable!("checked above"))
    }
}

/// Running sums over the total, rounded as the dtype rounds; the last is 1.
fn cumulated<T: Sample>(row: &[T]) -> Vec<f64> {
    let round = |x: f64| T::from_f64(x).to_f64();
    let mut sum = 0.0;
    let mut sums: Vec<f64> = row
        .iter()
        .map(|w| {
            sum = round(sum + w.to_f64());
            sum
        })
        .collect();
    sums.iter_mut().for_each(|s| *s = round(*s / sum));
    if let Some(last) = sums.last_mut() {
        *last = 1.0;
    }
    sums
}

/// Draws by weight from the default generator; see [`Generator::multinomial`].
///
/// # Panics
/// As [`Generator::multinomial`].
///
/// # Examples
/// ```
/// use wengert_tensor::{Draw, manual_seed, multinomial, tensor};
/// manual_seed(0);
/// // torch.multinomial(torch.tensor([.1, .2, .3, .4]), 6, replacement=True)
/// assert_eq!(multinomial(&tensor![0.1, 0.2, 0.3, 0.4], 6, Draw::Again).to_vec::<i64>(), [3, 3, 2, 3, 3, 3]);
/// ```
#[track_caller]
pub fn multinomial(weights: &Tensor, count: usize, draw: Draw) -> Tensor {
    with_generator(|g| g.multinomial(weights, count, draw))
}

/// In the shape and dtype of another tensor, or in its place, from the default generator.
impl Tensor {
    /// Uniform numbers in `[0, 1)` in this tensor's shape and dtype: `torch.rand_like`.
    ///
    /// # Panics
    /// If the dtype is not a floating one.
    #[track_caller]
    pub fn rand_like(&self) -> Tensor {
        let mut out = self.clone();
        out.uniform_(0.0, 1.0);
        out
    }

    /// Standard normal numbers in this tensor's shape and dtype: `torch.randn_like`.
    ///
    /// # Panics
    /// If the dtype is not a floating one.
    #[track_caller]
    pub fn randn_like(&self) -> Tensor {
        // Not drawn for `self`, whose elements may lie apart: what is new is dense.
        let order = MemoryOrder::of(self);
        let mut out = order.restore(Tensor::zeros(&order.shape, self.dtype()));
        out.normal_(0.0, 1.0);
        out
    }

    /// Integers in `[low, high)` in this tensor's shape and dtype: `torch.randint_like`.
    ///
    /// # Panics
    /// If `low >= high`, or the dtype does not hold them.
    #[track_caller]
    pub fn randint_like(&self, low: i64, high: i64) -> Tensor {
        let order = MemoryOrder::of(self);
        order.restore(with_generator(|g| g.randint(low, high, &order.shape, self.dtype())))
    }

    /// Normal numbers with this tensor's elements as means: `torch.normal(mean, std)` for a `mean` that is a tensor.
    ///
    /// # Panics
    /// If `std` does not broadcast with it or is negative somewhere, or the dtype is not a floating one.
    #[track_caller]
    pub fn normal_with(&self, std: impl crate::Operand) -> Tensor {
        let zeros = self.zeros_like().add(std);
        if zeros.lt(0).any(()).item::<bool>() {
            bug!("", "normal expects all elements of std >= 0.0");
        }
        zeros.randn_like().mul(&zeros).add(self)
    }

    /// Replaces the elements by exponential numbers: `x.exponential_(lambd)`.
    ///
    /// # Panics
    /// As [`Generator::exponential_`].
    #[track_caller]
    pub fn exponential_(&mut self, rate: f64) {
        with_generator(|g| g.exponential_(self, rate));
    }

    /// Replaces the elements by Cauchy's: `x.cauchy_(median, sigma)`.
    ///
    /// # Panics
    /// As [`Generator::cauchy_`].
    #[track_caller]
    pub fn cauchy_(&mut self, median: f64, sigma: f64) {
        with_generator(|g| g.cauchy_(self, median, sigma));
    }

    /// Replaces the elements by geometric numbers: `x.geometric_(p)`.
    ///
    /// # Panics
    /// As [`Generator::geometric_`].
    #[track_caller]
    pub fn geometric_(&mut self, p: f64) {
        with_generator(|g| g.geometric_(self, p));
    }

    /// Replaces the elements by exponentials of normal numbers: `x.log_normal_(mean, std)`.
    ///
    /// # Panics
    /// As [`Generator::log_normal_`].
    #[track_caller]
    pub fn log_normal_(&mut self, mean: f64, std: f64) {
        with_generator(|g| g.log_normal_(self, mean, std));
    }
}
