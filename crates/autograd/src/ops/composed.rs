//! Operations that `wengert-tensor` puts together from others, here put together from operations that record themselves.

use crate::Var;
use std::borrow::Borrow;
use wengert_tensor::composed::einsum::{Label, labels, labels_of_output, name};
use wengert_tensor::composed::fold::places;
use wengert_tensor::composed::resample::{Taps, taps};
use wengert_tensor::composed::stats::Nan;
use wengert_tensor::shape::{axis, broadcast, size_text};
use wengert_tensor::{
    Align, Category, Conv2dOptions, DType, Interpolation, IntoDims, MatrixNorm, OutputSize, Outside, PadMode,
    Replacement, Resample, Sampling, Scalar, Spacing, Tensor, bug,
};
use wengert_tensor::{common_dtype, cpp_name};

wengert_tensor::compose_einsum!(Var);
wengert_tensor::compose_fold!(Var);
wengert_tensor::compose_linalg!(Var);
wengert_tensor::compose_norms!(Var);
wengert_tensor::compose_pad!(Var);
wengert_tensor::compose_pool!(Var);
wengert_tensor::compose_resample!(Var);
wengert_tensor::compose_solve!(Var);
wengert_tensor::compose_stats!(Var);
wengert_tensor::compose_ternary!(Var);
