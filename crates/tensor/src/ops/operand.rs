//! What may stand beside a tensor, and how the dtypes of two operands decide that of a result.

use crate::{DType, Scalar, Tensor, bf16, f16};

/// What may stand beside a tensor in an operation: tensors, references to them, and Rust numbers.
///
/// A number adapts to the tensor's dtype as far as its category (boolean, integer, float) allows; a 0-d tensor yields
/// to tensors with dimensions in the same way.
pub trait Operand {
    /// The operand, borrowed.
    fn operand(&self) -> OperandRef<'_>;
}

/// A borrowed [`Operand`].
#[derive(Clone, Copy)]
pub enum OperandRef<'a> {
    /// A tensor.
    Tensor(&'a Tensor),
    /// A number.
    Scalar(Scalar),
}

impl Operand for Tensor {
    #[inline]
    fn operand(&self) -> OperandRef<'_> {
        OperandRef::Tensor(self)
    }
}
impl<T: Operand + ?Sized> Operand for &T {
    #[inline]
    fn operand(&self) -> OperandRef<'_> {
        (**self).operand()
    }
}
impl Operand for Scalar {
    fn operand(&self) -> OperandRef<'_> {
        OperandRef::Scalar(*self)
    }
}
macro_rules! operand {
    ($($ty:ty),*) => { $(
        impl Operand for $ty {
            #[inline]
            fn operand(&self) -> OperandRef<'_> { OperandRef::Scalar((*self).into()) }
        }
    )* };
}
operand!(f64, f32, i64, i32, i16, i8, u8, usize, bool, f16, bf16);

impl OperandRef<'_> {
    pub(crate) fn shape(&self) -> &[usize] {
        match self {
            OperandRef::Tensor(t) => t.shape(),
            OperandRef::Scalar(_) => &[],
        }
    }

    /// The dtype, and who prevails: 0 for numbers, 1 for 0-d tensors, 2 for tensors with dimensions.
    fn rank_and_dtype(&self) -> (u8, DType) {
        match self {
            OperandRef::Tensor(t) => (if t.rank() == 0 { 1 } else { 2 }, t.dtype()),
            OperandRef::Scalar(s) => (0, s.default_dtype()),
        }
    }

    /// As a tensor; a number becomes a 0-d tensor.
    pub(crate) fn to_tensor(self, dtype: DType) -> Tensor {
        match self {
            OperandRef::Tensor(t) => t.to(dtype),
            OperandRef::Scalar(s) => Tensor::full((), s, dtype),
        }
    }
}

/// The dtype of a result, as `torch.result_type`.
pub(crate) fn result_type(a: OperandRef<'_>, b: OperandRef<'_>) -> DType {
    let ((rank_a, a), (rank_b, b)) = (a.rank_and_dtype(), b.rank_and_dtype());
    if a == b {
        return a;
    }
    let (high, low) = match rank_a.cmp(&rank_b) {
        std::cmp::Ordering::Equal => return a.promote(b),
        std::cmp::Ordering::Greater => (a, b),
        std::cmp::Ordering::Less => (b, a),
    };
    // The lower operand counts only if its category is higher.
    if low.category() > high.category() { high.promote(low) } else { high }
}

/// The dtype of a result of several tensors: 0-d ones count only if their category is higher.
#[doc(hidden)]
pub fn common_dtype(all: &[&Tensor]) -> DType {
    let of = |scalars: bool| {
        all.iter().filter(|x| (x.rank() == 0) == scalars).map(|x| x.dtype()).reduce(|a, b| a.promote(b))
    };
    match (of(false), of(true)) {
        (Some(high), Some(low)) if low.category() > high.category() => high.promote(low),
        (Some(dtype), _) | (None, Some(dtype)) => dtype,
        (None, None) => unreachable!("there is an operand"),
    }
}
