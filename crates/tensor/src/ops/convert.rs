//! Conversions by name, and new tensors that take their dtype from another.

use crate::{DType, IntoShape, Scalar, Tensor};
use wengert_tensor_macros::profiled;

/// One row per method: its name and the dtype that it converts to.
macro_rules! conversions {
    ($($name:ident $dtype:ident;)*) => {
        impl Tensor { $(
            #[doc = concat!("[`Tensor::to`] in [`DType::", stringify!($dtype), "`].")]
            pub fn $name(&self) -> Tensor {
                self.to(DType::$dtype)
            }
        )* }
    };
}
conversions! {
    double F64;
    float F32;
    half F16;
    bfloat16 BF16;
    long I64;
    int I32;
    short I16;
    char I8;
    byte U8;
    bool Bool;
}

#[profiled]
impl Tensor {
    /// Converted to another tensor's dtype.
    pub fn type_as(&self, other: &Tensor) -> Tensor {
        self.to(other.dtype())
    }

    /// Zeros in this tensor's dtype.
    #[track_caller]
    pub fn new_zeros(&self, shape: impl IntoShape) -> Tensor {
        Tensor::zeros(shape, self.dtype())
    }

    /// Ones in this tensor's dtype.
    #[track_caller]
    pub fn new_ones(&self, shape: impl IntoShape) -> Tensor {
        Tensor::ones(shape, self.dtype())
    }

    /// One value in this tensor's dtype.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::tensor;
    /// assert_eq!(tensor![1.0].new_full([2], 3).to_vec::<f32>(), [3.0, 3.0]);
    /// ```
    #[track_caller]
    pub fn new_full(&self, shape: impl IntoShape, value: impl Into<Scalar>) -> Tensor {
        Tensor::full(shape, value, self.dtype())
    }
}
