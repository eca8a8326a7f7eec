//! The CPU backend: the only code that touches elements. `ops` above it checks shapes and dtypes; a second device
//! would implement the same entry points.

pub(crate) mod conv;
pub(crate) mod conv_depthwise;
pub(crate) mod conv_layout;
pub(crate) mod conv_lines;
pub(crate) mod conv_weight;
pub(crate) mod copy;
pub(crate) mod elementary;
pub(crate) mod extreme;
pub(crate) mod finish;
pub(crate) mod floor;
pub(crate) mod gemm;
pub(crate) mod group_norm;
pub(crate) mod half;
pub(crate) mod index;
pub(crate) mod lanes;
pub(crate) mod layer_norm;
pub(crate) mod map;
pub(crate) mod math;
pub(crate) mod norm;
pub(crate) mod par;
pub(crate) mod pool;
pub(crate) mod reduce;
pub(crate) mod simd;
pub(crate) mod slope;
pub(crate) mod softmax;
pub(crate) mod sort;
pub(crate) mod special;
pub(crate) mod sums;
pub(crate) mod tile;
pub(crate) mod tile_args;
pub(crate) mod update;
pub(crate) mod walk;
pub(crate) mod winograd;
pub(crate) mod winograd_filter;
pub(crate) mod winograd_weight;
