//! Products and quotients added, scales by powers of two, and sums of special functions.

use crate::ops::operand::common_dtype;
use crate::{Scalar, Tensor, bug};
use wengert_tensor_macros::{composed, profiled};

#[composed(compose_ternary)]
#[profiled]
impl Tensor {
    /// `self + value * a * b`.
    #[track_caller]
    pub fn addcmul(&self, a: &Self, b: &Self, value: impl Into<Scalar>) -> Self {
        // In the dtype of all three; halves are rounded once.
        let dtype = common_dtype(&[self.value(), a.value(), b.value()]);
        let wide = dtype.unrounded();
        let product = a.to(wide) * b.to(wide);
        let scaled = match value.into() {
            Scalar::Int(1) => product,
            value => product * value,
        };
        (self.to(wide) + scaled).to(dtype)
    }

    /// `self + value * a / b`.
    ///
    /// # Panics
    /// If `a` and `b` are integers, as in PyTorch.
    #[track_caller]
    pub fn addcdiv(&self, a: &Self, b: &Self, value: impl Into<Scalar>) -> Self {
        if !a.dtype().is_float() && !b.dtype().is_float() {
            bug!(
                "",
                "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a true \
                 division of tensor1 and tensor2. Convert the operands to a floating dtype first"
            );
        }
        let dtype = common_dtype(&[self.value(), a.value(), b.value()]);
        let wide = dtype.unrounded();
        let quotient = a.to(wide) / b.to(wide);
        let scaled = match value.into() {
            Scalar::Int(1) => quotient,
            value => quotient * value,
        };
        (self.to(wide) + scaled).to(dtype)
    }

    /// `self * 2^other`.
    #[track_caller]
    pub fn ldexp(&self, other: &Self) -> Self {
        // A floating operand keeps its dtype beside integers.
        let dtype = match (self.dtype().is_float(), other.dtype().is_float()) {
            (_, true) => other.dtype(),
            (true, false) => self.dtype(),
            _ => other.dtype().to_float(),
        };
        self * Self::pow_of(2.0, &other.to(dtype))
    }

    /// The logarithm of the multivariate gamma function of dimension `p` (`torch.mvlgamma`).
    ///
    /// # Panics
    /// If `p` is 0.
    #[doc(alias = "multigammaln")]
    #[track_caller]
    pub fn mvlgamma(&self, p: usize) -> Self {
        if p == 0 {
            bug!("", "p has to be greater than or equal to 1");
        }
        let constant = (p * (p - 1)) as f64 / 4.0 * std::f64::consts::PI.ln();
        (1..p).fold(self.lgamma(), |sum, j| sum + (self - j as f64 / 2.0).lgamma()) + constant
    }
}
