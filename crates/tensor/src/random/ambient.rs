//! This thread's default generator, and the functions that draw from it.

use super::Generator;
use crate::error::Error;
use crate::shape::IntoShape;
use crate::{DType, Tensor};
use std::cell::RefCell;

thread_local! {
    static DEFAULT: RefCell<Generator> = RefCell::new(Generator::default());
}

/// Runs a function with this thread's default generator, which the free functions draw from.
///
/// # Panics
/// If called from inside itself.
#[track_caller]
pub fn with_generator<R>(f: impl FnOnce(&mut Generator) -> R) -> R {
    DEFAULT.with(|generator| f(&mut generator.borrow_mut()))
}

/// Seeds this thread's default generator (`torch.manual_seed`).
pub fn manual_seed(seed: impl Into<i128>) {
    with_generator(|g| g.manual_seed(seed));
}

/// The state of this thread's default generator: 5056 bytes (`torch.get_rng_state`).
pub fn get_rng_state() -> Tensor {
    with_generator(|g| g.state())
}

/// Sets the state of this thread's default generator (`torch.set_rng_state`).
///
/// # Errors
/// [`Error::InvalidGeneratorState`].
pub fn set_rng_state(state: &Tensor) -> Result<(), Error> {
    with_generator(|g| g.set_state(state))
}

/// Uniform numbers in `[0, 1)`, f32 (`torch.rand`).
pub fn rand(shape: impl IntoShape) -> Tensor {
    with_generator(|g| g.rand(shape, DType::F32))
}

/// Uniform numbers in `[low, high)`, f32.
///
/// # Panics
/// If `low > high`.
#[track_caller]
pub fn uniform(shape: impl IntoShape, low: f64, high: f64) -> Tensor {
    with_generator(|g| g.uniform(shape, low, high, DType::F32))
}

/// Standard normal numbers, f32 (`torch.randn`).
pub fn randn(shape: impl IntoShape) -> Tensor {
    with_generator(|g| g.randn(shape, DType::F32))
}

/// Normal numbers, f32.
///
/// # Panics
/// If `std` is negative.
#[track_caller]
pub fn normal(shape: impl IntoShape, mean: f64, std: f64) -> Tensor {
    with_generator(|g| g.normal(shape, mean, std, DType::F32))
}

/// Ones with the probabilities that a tensor holds, else zeros (`torch.bernoulli`).
///
/// # Panics
/// As [`Generator::bernoulli_from`].
#[track_caller]
pub fn bernoulli(probabilities: &Tensor) -> Tensor {
    with_generator(|g| g.bernoulli_from(probabilities))
}

/// Integers in `low..high`, i64 (`torch.randint`).
///
/// # Panics
/// If the range is empty.
#[track_caller]
pub fn randint(low: i64, high: i64, shape: impl IntoShape) -> Tensor {
    with_generator(|g| g.randint(low, high, shape, DType::I64))
}

/// The integers `0..n` in random order, i64 (`torch.randperm`).
///
/// # Panics
/// As [`Generator::randperm`].
#[track_caller]
pub fn randperm(n: usize) -> Tensor {
    with_generator(|g| g.randperm(n))
}
