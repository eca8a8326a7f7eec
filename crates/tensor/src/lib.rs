//! N-dimensional arrays with PyTorch's semantics: dtypes at run time, strided views, CPU kernels, random numbers.
//!
//! [`Tensor`] is a value: clones and views share memory, and no write is ever visible through another tensor.
//! Mistakes that only editing the program can mend panic in PyTorch's words; whatever depends on outside data returns
//! a [`Result`].

mod cache;
mod cpu;
mod create;
mod device;
pub mod display;
mod dtype;
#[doc(hidden)]
pub mod error;
mod layout;
mod ops;
mod precision;
mod pretty;
pub mod profile;
mod random;
mod repr;
pub mod shape;
mod state;
mod storage;
mod tensor;
mod value;

pub use cache::{cached_bytes, empty_cache};
pub use cpu::par::{num_threads, set_num_threads};
#[doc(hidden)]
pub use cpu::update::update;
pub use create::Nested;
pub use device::Device;
pub use dtype::{Category, DType, Element, Scalar};
pub use error::Error;
pub use half::{bf16, f16};
pub use layout::{Layout, MAX_RANK};
pub use ops::activation;
pub use ops::binary::BINARY;
pub use ops::bins::{HistogramOptions, SearchOptions};
pub use ops::compare::COMPARE;
#[doc(hidden)]
pub use ops::composed;
pub use ops::composed::conv_nd::{ConvOptions, ConvTransposeOptions};
pub use ops::composed::linalg::Replacement;
pub use ops::composed::norms::{MatrixNorm, Spacing};
pub use ops::composed::pad::PadMode;
pub use ops::composed::pool_nd::{AvgPoolOptions, MaxPoolOptions};
pub use ops::composed::resample::{Align, OutputSize, Outside, Resample, Sampling};
pub use ops::composed::solve::{LuSolveOptions, Triangle};
pub use ops::composed::stats::Interpolation;
pub use ops::conv::{self, Conv2dOptions};
pub use ops::ctc;
pub use ops::decompose::Factors;
pub use ops::index::{ScatterReduce, ScatterReduceOptions};
pub use ops::indexing::{Ellipsis, Index, Indices, NewAxis, Step};
#[doc(hidden)]
pub use ops::indexing::{IndexStep, steps as index_steps};
pub use ops::linalg::TriangularOptions;
#[doc(hidden)]
pub use ops::matmul::cpp_name;
pub use ops::norm;
#[doc(hidden)]
pub use ops::operand::common_dtype;
pub use ops::operand::{Operand, OperandRef};
pub use ops::pool;
pub use ops::shape::broadcast_shapes;
#[doc(hidden)]
pub use ops::shape::moved;
pub use ops::signal;
pub use ops::softmax;
pub use ops::sort::Unique;
pub use ops::unary::UNARY;
pub use ops::view::IntoSizes;
pub use ops::windows;
pub use precision::{MatmulPrecision, float32_matmul_precision, set_float32_matmul_precision};
pub use profile::profile;
pub use random::*;
pub use shape::{IntoDims, IntoShape, Shape};
pub use state::StateDict;
pub use storage::Storage;
pub use tensor::Tensor;
pub use value::{Dict, DictKind, Object, Value};
