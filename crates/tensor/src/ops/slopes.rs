//! Activations whose slope below a bound is given element by element: `threshold`, `prelu`, `rrelu`.

use super::binary::{Binary, binary};
use super::operand::OperandRef;
use crate::cpu::kernel::BinaryOp;
use crate::cpu::math::{Int, Math};
use crate::{DType, Tensor, bug, with_generator};
use wengert_tensor_macros::profiled;

#[profiled]
impl Tensor {
    /// The element where it is above `threshold`, else `value`. Integers stay integers.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// assert_eq!(tensor![-1.0, 0.5, 2.0].threshold(0.5, 9.0).to_vec::<f32>(), [9.0, 9.0, 2.0]);
    /// ```
    #[track_caller]
    pub fn threshold(&self, threshold: f64, value: f64) -> Tensor {
        if self.dtype().is_float() {
            return self.masked_fill(&self.le(threshold), value);
        }
        // As numbers of the dtype, both lose their fractions.
        self.masked_fill(&self.le(threshold.trunc()), value.trunc() as i64)
    }

    /// The element above 0, `weight` times it elsewhere: one weight, or one for each channel (axis 1).
    ///
    /// # Panics
    /// If the number of weights is not 1 or that of the channels, or they have another dtype.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// assert_eq!(tensor![-2.0, 3.0].prelu(&tensor![0.25]).to_vec::<f32>(), [-0.5, 3.0]);
    /// ```
    #[track_caller]
    pub fn prelu(&self, weight: &Tensor) -> Tensor {
        if weight.dtype() != self.dtype() {
            let (x, w) = (self.dtype().legacy_name(), weight.dtype().legacy_name());
            bug!("", "prelu: Type promoting not supported. Got {x} and {w}");
        }
        if weight.rank() > 1 {
            bug!("", "prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {}", weight.rank());
        }
        let count = weight.numel();
        if count == 1 {
            return match self.dtype() {
                DType::F64 => self.leaky_relu(weight.item::<f64>()),
                DType::F32 => self.leaky_relu(f64::from(weight.item::<f32>())),
                _ => self.sloped(&weight.reshape([0usize; 0])),
            };
        }
        if self.rank() == 0 {
            bug!("", "Not allow zero-dim input tensor.");
        }
        let channels = self.shape().get(1).copied().unwrap_or(1);
        if channels != count {
            bug!(
                "",
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = {count} and channel size = \
                 {channels}."
            );
        }
        let mut along = vec![1; self.rank() - 1];
        along[0] = count;
        self.sloped(&weight.reshape(&along[..]))
    }

    /// The element above 0, elsewhere it times `slope`, which is broadcast.
    #[track_caller]
    fn sloped(&self, slope: &Tensor) -> Tensor {
        struct Sloped;
        impl BinaryOp for Sloped {
            #[inline(always)]
            fn float<T: Math, const FMA: bool>(x: T, slope: T) -> T {
                if x > T::ZERO { x } else { x * slope }
            }
            fn int<I: Int>(x: I, _: I) -> I {
                x
            }
            fn bool(x: bool, _: bool) -> bool {
                x
            }
            const FAR: bool = false;
            fn far<T: Math>(x: T, _: T) -> T {
                x
            }
        }
        const KERNELS: Binary = Binary::of_floats::<Sloped>("prelu", 1);
        if !self.dtype().is_float() {
            return self.gt(0).where_(self, self.mul(slope));
        }
        binary(&KERNELS, OperandRef::Tensor(self), OperandRef::Tensor(slope))
    }

    /// The element above 0, elsewhere a slope times it that is drawn for each between `lower` and `upper`, as
    /// `torch.nn.functional.rrelu` does in training (PyTorch's defaults are 1/8 and 1/3). In evaluation it is
    /// [`Tensor::leaky_relu`] with their mean.
    ///
    /// # Panics
    /// If `lower` is above `upper`.
    #[track_caller]
    pub fn rrelu(&self, lower: f64, upper: f64) -> Tensor {
        self.mul(self.rrelu_slopes(lower, upper))
    }

    /// What [`Tensor::rrelu`] multiplies the elements by.
    #[doc(hidden)]
    #[track_caller]
    pub fn rrelu_slopes(&self, lower: f64, upper: f64) -> Tensor {
        if lower > upper {
            bug!("", "Lower bound should be less than or equal to the upper bound");
        }
        // PyTorch draws an f64 for each value that is not positive, in their order.
        let positive = self.gt(0).reshape([-1isize]).to_vec::<bool>();
        let count = positive.iter().filter(|&&p| !p).count();
        let drawn = with_generator(|g| g.uniform([count], lower, upper, DType::F64)).to_vec::<f64>();
        let mut drawn = drawn.into_iter();
        let slopes: Vec<f64> =
            positive.iter().map(|&p| if p { 1.0 } else { drawn.next().expect("one for each") }).collect();
        Tensor::from_vec(slopes, self.shape()).to(self.dtype())
    }
}
