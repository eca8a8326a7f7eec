//! Operations that `wengert-tensor` puts together from others, here put together from operations that record themselves.

use crate::Var;
use std::borrow::Borrow;
use wengert_tensor::composed::conv_nd::{
    check_conv, check_conv_rank, check_conv_transposed, last_two, sizes_of, transposed_size, wider,
};
use wengert_tensor::composed::einsum::{Label, labels, labels_of_output, name};
use wengert_tensor::composed::fold::places;
use wengert_tensor::composed::pool_nd::{PoolWindows, check_pool_rank, even_windows, fractional_windows, windows_of};
use wengert_tensor::composed::resample::{Taps, bytes_between, taps};
use wengert_tensor::composed::stats::Nan;
use wengert_tensor::pool::AvgPool2dOptions;
use wengert_tensor::shape::{axis, broadcast, size_text};
use wengert_tensor::windows::{Window, largest};
use wengert_tensor::{
    Align, AvgPoolOptions, Category, Conv2dOptions, ConvOptions, ConvTransposeOptions, DType, Interpolation, IntoDims,
    LuSolveOptions, MatrixNorm, MaxPoolOptions, OutputSize, Outside, PadMode, Replacement, Resample, Sampling, Scalar,
    Spacing, Tensor, TriangularOptions, bug, common_dtype, cpp_name, with_generator,
};

wengert_tensor::compose_activation!(Var);
wengert_tensor::compose_conv_nd!(Var);
wengert_tensor::compose_einsum!(Var);
wengert_tensor::compose_fold!(Var);
wengert_tensor::compose_linalg!(Var);
wengert_tensor::compose_norms!(Var);
wengert_tensor::compose_pad!(Var);
wengert_tensor::compose_pool!(Var);
wengert_tensor::compose_pool_nd!(Var);
wengert_tensor::compose_resample!(Var);
wengert_tensor::compose_solve!(Var);
wengert_tensor::compose_stats!(Var);
wengert_tensor::compose_ternary!(Var);
