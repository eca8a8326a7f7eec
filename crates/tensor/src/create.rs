//! New tensors from sizes, ranges and nested literals.

use crate::cpu::copy;
use crate::shape::{IntoShape, Shape};
use crate::{Category, DType, Element, Scalar, Tensor, bug, match_dtype};
use wengert_tensor_macros::profiled;

#[profiled]
impl Tensor {
    /// A tensor of zeros.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::{DType, Tensor};
    /// assert_eq!(Tensor::zeros([2, 2], DType::F32).to_string(), "tensor([[0., 0.],\n        [0., 0.]])");
    /// ```
    #[track_caller]
    pub fn zeros(shape: impl IntoShape, dtype: DType) -> Tensor {
        Tensor::full(shape, 0, dtype)
    }

    /// A tensor of ones.
    #[track_caller]
    pub fn ones(shape: impl IntoShape, dtype: DType) -> Tensor {
        Tensor::full(shape, 1, dtype)
    }

    /// A tensor of one value.
    #[track_caller]
    pub fn full(shape: impl IntoShape, value: impl Into<Scalar>, dtype: DType) -> Tensor {
        Tensor::filled(shape.into_shape(), value.into(), dtype)
    }

    fn filled(shape: Shape, value: Scalar, dtype: DType) -> Tensor {
        match_dtype!(dtype, T => copy::fill::<T>(shape, value.to()))
    }

    /// Zeros in this tensor's shape and dtype.
    pub fn zeros_like(&self) -> Tensor {
        self.full_like(0)
    }

    /// Ones in this tensor's shape and dtype.
    pub fn ones_like(&self) -> Tensor {
        self.full_like(1)
    }

    /// One value in this tensor's shape and dtype.
    pub fn full_like(&self, value: impl Into<Scalar>) -> Tensor {
        Tensor::full(self.shape(), value, self.dtype())
    }

    /// A tensor of rank 0: `f32` for floats, `i64` for integers, `bool`.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(2.5).to_string(), "tensor(2.5000)");
    /// ```
    pub fn scalar(value: impl Into<Scalar>) -> Tensor {
        let value = value.into();
        Tensor::full((), value, value.default_dtype())
    }

    /// A tensor from a number or nested arrays, slices or vectors, as `torch.tensor` makes it from lists: floats (also
    /// of type `f64`) give `f32`, integers `i64`. The macro [`tensor!`](crate::tensor!) is a shorter way to write it.
    ///
    /// # Panics
    /// If vectors or slices side by side have different lengths.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::{DType, Tensor};
    /// let x = Tensor::new([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    /// assert_eq!((x.shape(), x.dtype()), (&[2, 3][..], DType::F32));
    /// assert_eq!(Tensor::new(vec![vec![1, 2]]).dtype(), DType::I64);
    /// ```
    #[track_caller]
    pub fn new<N: Nested>(data: N) -> Tensor {
        let mut shape = Shape::new();
        data.sizes(&mut shape);
        let mut leaves = Vec::with_capacity(crate::shape::numel(&shape));
        data.leaves(&shape, 0, &mut leaves);
        Tensor::from_vec(leaves, shape)
    }

    /// The numbers `start, start + step, …` below `end` (above, if `step` is negative): `i64` if all three are
    /// integers, else `f32`. There are `ceil((end - start) / step)` of them, by PyTorch's rule.
    ///
    /// # Panics
    /// If `step` is 0 or leads away from `end`.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::Tensor;
    /// assert_eq!(Tensor::arange(1, 6, 2).to_string(), "tensor([1, 3, 5])");
    /// assert_eq!(Tensor::arange(0, 1, 0.25).to_string(), "tensor([0.0000, 0.2500, 0.5000, 0.7500])");
    /// ```
    #[track_caller]
    pub fn arange(start: impl Into<Scalar>, end: impl Into<Scalar>, step: impl Into<Scalar>) -> Tensor {
        let bounds = [start.into(), end.into(), step.into()];
        let float = bounds.iter().any(|b| b.category() == Category::Float);
        range(bounds, if float { DType::F32 } else { DType::I64 })
    }

    /// As [`Tensor::arange`], in a given dtype.
    ///
    /// # Panics
    /// If `step` is 0 or leads away from `end`.
    #[track_caller]
    pub fn arange_of(
        start: impl Into<Scalar>,
        end: impl Into<Scalar>,
        step: impl Into<Scalar>,
        dtype: DType,
    ) -> Tensor {
        range([start.into(), end.into(), step.into()], dtype)
    }

    /// `steps` numbers from `start` to `end`, both included, at equal distances, in `f32`.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::Tensor;
    /// assert_eq!(Tensor::linspace(-1.0, 1.0, 5).to_string(), "tensor([-1.0000, -0.5000,  0.0000,  0.5000,  1.0000])");
    /// ```
    #[track_caller]
    pub fn linspace(start: f64, end: f64, steps: usize) -> Tensor {
        Tensor::linspace_of(start, end, steps, DType::F32)
    }

    /// As [`Tensor::linspace`], in a given dtype; integers are truncated.
    ///
    /// # Panics
    /// If `dtype` is `bool`.
    #[track_caller]
    pub fn linspace_of(start: f64, end: f64, steps: usize, dtype: DType) -> Tensor {
        // From both ends towards the middle in fused steps, bit for bit as PyTorch: the last number is `end` itself.
        let gaps = steps.max(2) - 1;
        let (start, end) = if dtype.is_int() { (start.trunc(), end.trunc()) } else { (start, end) };
        let wide = |i: usize| {
            let step = (end - start) / gaps as f64;
            if i < steps / 2 || steps == 1 {
                step.mul_add(i as f64, start)
            } else {
                (-step).mul_add((steps - 1 - i) as f64, end)
            }
        };
        let narrow = |i: usize| {
            let (start, end) = (start as f32, end as f32);
            let step = (end - start) / gaps as f32;
            if i < steps / 2 || steps == 1 {
                step.mul_add(i as f32, start)
            } else {
                (-step).mul_add((steps - 1 - i) as f32, end)
            }
        };
        let single = dtype.is_float() && dtype != DType::F64;
        match_dtype!(number dtype, T => {
            Tensor::build([steps], |out: &mut [T]| {
                out.iter_mut().enumerate().for_each(|(i, x)| {
                    *x = T::from_f64(if single { narrow(i) as f64 } else { wide(i) });
                });
            })
        }, _other => bug!("linspace", "\"linspace_cpu\" not implemented for 'Bool'"))
    }

    /// `steps` numbers whose logarithms to `base` go from `start` to `end` at equal distances, in `f32`.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::Tensor;
    /// assert_eq!(Tensor::logspace(0.0, 3.0, 4, 2.0).to_vec::<f32>(), [1.0, 2.0, 4.0, 8.0]);
    /// ```
    #[track_caller]
    pub fn logspace(start: f64, end: f64, steps: usize, base: f64) -> Tensor {
        Tensor::logspace_of(start, end, steps, base, DType::F32)
    }

    /// As [`Tensor::logspace`], in a given dtype; integers are truncated.
    ///
    /// # Panics
    /// If `dtype` is `bool`.
    #[track_caller]
    pub fn logspace_of(start: f64, end: f64, steps: usize, base: f64, dtype: DType) -> Tensor {
        let (start, end) = if dtype.is_int() { (start.trunc(), end.trunc()) } else { (start, end) };
        let step = (end - start) / (steps.max(2) - 1) as f64;
        let exponent = |i: usize| {
            if i < steps / 2 || steps == 1 { start + step * i as f64 } else { end - step * (steps - 1 - i) as f64 }
        };
        match_dtype!(number dtype, T => {
            Tensor::build([steps], |out: &mut [T]| {
                out.iter_mut().enumerate().for_each(|(i, x)| *x = T::from_f64(base.powf(exponent(i))));
            })
        }, _other => bug!("logspace", "\"logspace_cpu\" not implemented for 'Bool'"))
    }

    /// A matrix with ones on the diagonal: `n` by `n` for a number, any shape for two.
    ///
    /// # Panics
    /// If there are more than two sizes.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::{DType, Tensor};
    /// assert_eq!(Tensor::eye(2, DType::I64).to_string(), "tensor([[1, 0],\n        [0, 1]])");
    /// assert_eq!(Tensor::eye([2, 3], DType::F32).shape(), [2, 3]);
    /// ```
    #[track_caller]
    pub fn eye(sizes: impl IntoShape, dtype: DType) -> Tensor {
        let sizes = sizes.into_shape();
        let (rows, cols) = match sizes[..] {
            [n] => (n, n),
            [rows, cols] => (rows, cols),
            _ => bug!("eye", "expected one or two sizes, but got {sizes:?}"),
        };
        match_dtype!(dtype, T => Tensor::build([rows, cols], |out: &mut [T]| {
            out.fill(T::ZERO);
            (0..rows.min(cols)).for_each(|i| out[i * cols + i] = T::ONE);
        }))
    }
}

/// The numbers of a half-open range.
#[track_caller]
fn range([start, end, step]: [Scalar; 3], dtype: DType) -> Tensor {
    let float = [start, end, step].iter().any(|b| b.category() == Category::Float);
    let (low, high, by) = (start.to_f64(), end.to_f64(), step.to_f64());
    if !low.is_finite() || !high.is_finite() {
        bug!("arange", "unsupported range: {low} -> {high}");
    }
    if by == 0.0 || by.is_nan() {
        bug!("arange", "step must be nonzero");
    }
    if (by > 0.0) != (high >= low) && high != low {
        bug!("arange", "upper bound and lower bound inconsistent with step sign");
    }
    let len = if float {
        ((high - low) / by).ceil()
    } else {
        let (low, high, by) = (start.to_i64() as i128, end.to_i64() as i128, step.to_i64() as i128);
        ((high - low + by - by.signum()) / by) as f64
    };
    if len >= isize::MAX as f64 {
        bug!("arange", "invalid size, possible overflow? {len}");
    }
    match_dtype!(dtype, T => Tensor::build([len as usize], |out: &mut [T]| {
        for (i, x) in out.iter_mut().enumerate() {
            // Where integers are asked for, PyTorch truncates the bounds and the step, not the numbers.
            *x = if float && dtype.is_float() {
                T::from_f64(low + by * i as f64)
            } else {
                T::from_i64(start.to_i64().wrapping_add(step.to_i64().wrapping_mul(i as i64)))
            };
        }
    }))
}

/// Numbers, and arrays, slices and vectors of these to any depth: what [`Tensor::new`] takes.
pub trait Nested {
    /// The element type that the tensor gets.
    type Leaf: Element;
    /// Appends the sizes, outermost first.
    fn sizes(&self, shape: &mut Shape);
    /// Appends the elements in C order after checking sizes from axis `dim` on.
    #[doc(hidden)]
    #[track_caller]
    fn leaves(&self, shape: &[usize], dim: usize, out: &mut Vec<Self::Leaf>);
}

macro_rules! nested {
    (leaf $($ty:ty => $leaf:ty),*) => {
        $(impl Nested for $ty {
            type Leaf = $leaf;
            fn sizes(&self, _: &mut Shape) {}
            fn leaves(&self, _: &[usize], _: usize, out: &mut Vec<$leaf>) { out.push(*self as $leaf) }
        })*
    };
    (list $([$($gen:tt)*] $ty:ty),*) => {
        $(impl<$($gen)*> Nested for $ty {
            type Leaf = N::Leaf;
            fn sizes(&self, shape: &mut Shape) {
                shape.push(self.len());
                if let Some(first) = self.first() {
                    first.sizes(shape);
                }
            }
            fn leaves(&self, shape: &[usize], dim: usize, out: &mut Vec<N::Leaf>) {
                if self.len() != shape[dim] {
                    bug!("", "expected sequence of length {} at dim {dim} (got {})", shape[dim], self.len());
                }
                self.iter().for_each(|x| x.leaves(shape, dim + 1, out));
            }
        })*
    };
}
nested!(leaf f32 => f32, f64 => f32, i64 => i64, i32 => i64, i16 => i64, i8 => i64, u8 => i64, usize => i64, bool => bool);
nested!(list [N: Nested, const LEN: usize] [N; LEN], [N: Nested] Vec<N>, [N: Nested] &[N]);

/// A tensor from nested literals, as `torch.tensor`: floats give `f32`, integers `i64`.
///
/// # Examples
/// ```
/// use wengert_tensor::tensor;
/// let x = tensor![[1.0, 2.0], [3.0, 4.0]];
/// assert_eq!(x.to_string(), "tensor([[1., 2.],\n        [3., 4.]])");
/// assert_eq!(tensor![true, false].to_string(), "tensor([ True, False])");
/// ```
#[macro_export]
macro_rules! tensor {
    () => { $crate::Tensor::zeros([0], $crate::DType::F32) };
    ($($x:expr),+ $(,)?) => { $crate::Tensor::new([$($x),+]) };
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    #[test]
    fn arange_counts_as_pytorch() {
        // torch.arange(...).numel(), values of the integers as lists.
        let ints = |a: i64, b: i64, c: i64| Tensor::arange(a, b, c).to_vec::<i64>();
        assert_eq!(ints(0, 5, 1), [0, 1, 2, 3, 4]);
        assert_eq!(ints(5, 0, -2), [5, 3, 1]);
        assert_eq!(ints(-3, 4, 3), [-3, 0, 3]);
        assert_eq!(ints(2, 2, -1), []);
        assert_eq!(ints(0, -6, -3), [0, -3]);
        assert_eq!(Tensor::arange(0, 1, 0.1).numel(), 10);
        assert_eq!(Tensor::arange(1.0, 2.5, 0.5).to_vec::<f32>(), [1.0, 1.5, 2.0]);
        assert_eq!(Tensor::arange(0.0, 0.3, 0.1).numel(), 3);
        assert_eq!(Tensor::arange(1, 1.3, 0.1).numel(), 4);
        assert_eq!(Tensor::arange_of(0, 3, 1, DType::F16).to_vec::<f64>(), [0.0, 1.0, 2.0]);
        for (a, b, c) in [(0, 5, 0), (0, 5, -1), (5, 0, 1)] {
            assert!(std::panic::catch_unwind(|| Tensor::arange(a, b, c)).is_err());
        }
    }

    #[test]
    fn linspace_ends_on_its_end() {
        let x = Tensor::linspace(0.1, 0.7, 7).to_vec::<f32>();
        assert_eq!((x[0], x[6], x.len()), (0.1, 0.7, 7));
        // torch.linspace(0, 5.7, 64)[[2, 8, 61]], where plain f64 arithmetic rounds otherwise.
        let x = Tensor::linspace(0.0, 5.7, 64).to_vec::<f32>();
        assert_eq!([x[2], x[8], x[61]].map(f32::to_bits), [0x3e394b94, 0x3f394b94, 0x40b09c09]);
        assert_eq!(Tensor::linspace(3.0, 5.0, 1).to_vec::<f32>(), [3.0]);
        assert_eq!(Tensor::linspace(3.0, 5.0, 0).numel(), 0);
        assert_eq!(Tensor::linspace_of(0.0, 10.0, 4, DType::I64).to_vec::<i64>(), [0, 3, 6, 10]);
    }

    #[test]
    fn nested_data_gives_its_shape() {
        assert_eq!(Tensor::new([[[1, 2], [3, 4]]]).shape(), [1, 2, 2]);
        assert_eq!(Tensor::new(2.5).shape(), [0usize; 0]);
        assert_eq!(Tensor::new(vec![[true], [false]]).dtype(), DType::Bool);
        let ragged = std::panic::catch_unwind(|| Tensor::new(vec![vec![1.0, 2.0], vec![3.0]])).unwrap_err();
        assert_eq!(*ragged.downcast::<String>().unwrap(), "expected sequence of length 2 at dim 1 (got 1)");
    }
}
