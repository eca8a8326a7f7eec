//! Windows of signals (`torch.signal.windows`), by the formulas of Harris, "On the use of windows for harmonic analysis with the
//! discrete Fourier transform", 1978.

use crate::{DType, Tensor, bug};
use std::f64::consts::{PI, SQRT_2};
use wengert_tensor_macros::profiled;

/// How a window meets its repetition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cycle {
    /// The last value mirrors the first (`sym=True`): for the design of filters.
    #[default]
    Symmetric,
    /// The last value is left out, as the next period begins with it (`sym=False`): for spectra.
    Periodic,
}

impl Cycle {
    /// The number of steps that the full window is divided into.
    fn steps(self, count: usize) -> f64 {
        match self {
            Cycle::Symmetric => count as f64 - 1.0,
            Cycle::Periodic => count as f64,
        }
    }
}

/// `count` values of a function of the position; one is 1.
#[track_caller]
fn window(name: &str, count: usize, dtype: DType, f: impl Fn(f64) -> f64) -> Tensor {
    if !matches!(dtype, DType::F32 | DType::F64) {
        bug!("", "{name} expects float32 or float64 dtypes, got: torch.{}", dtype.name());
    }
    let values = if count == 1 { vec![1.0] } else { (0..count).map(|i| f(i as f64)).collect() };
    Tensor::from_vec(values, [count]).to(dtype)
}

/// A sum of cosines with alternating signs and these weights.
///
/// # Panics
/// If there are no weights or the dtype is not `f32` or `f64`.
///
/// # Examples
/// ```
/// use wengert_tensor::{DType, signal, signal::Cycle};
/// assert_eq!(signal::hann(5, Cycle::Symmetric, DType::F64).to_vec::<f32>(), [0.0, 0.5, 1.0, 0.5, 0.0]);
/// ```
#[profiled]
#[track_caller]
pub fn general_cosine(count: usize, weights: &[f64], cycle: Cycle, dtype: DType) -> Tensor {
    if weights.is_empty() {
        bug!("", "Coefficients cannot be empty");
    }
    let step = 2.0 * PI / cycle.steps(count);
    window("general_cosine", count, dtype, |i| {
        let terms =
            weights.iter().enumerate().map(|(k, w)| if k % 2 == 0 { *w } else { -w } * (k as f64 * step * i).cos());
        terms.sum()
    })
}

/// `alpha - (1 - alpha) cos`.
///
/// # Panics
/// If the dtype is not `f32` or `f64`.
#[profiled]
#[track_caller]
pub fn general_hamming(count: usize, alpha: f64, cycle: Cycle, dtype: DType) -> Tensor {
    general_cosine(count, &[alpha, 1.0 - alpha], cycle, dtype)
}

/// [`general_hamming`] with 0.54.
///
/// # Panics
/// If the dtype is not `f32` or `f64`.
#[profiled]
#[track_caller]
pub fn hamming(count: usize, cycle: Cycle, dtype: DType) -> Tensor {
    general_hamming(count, 0.54, cycle, dtype)
}

/// [`general_hamming`] with 1/2: a raised cosine.
///
/// # Panics
/// If the dtype is not `f32` or `f64`.
#[profiled]
#[track_caller]
pub fn hann(count: usize, cycle: Cycle, dtype: DType) -> Tensor {
    general_hamming(count, 0.5, cycle, dtype)
}

/// Blackman's three cosines.
///
/// # Panics
/// If the dtype is not `f32` or `f64`.
#[profiled]
#[track_caller]
pub fn blackman(count: usize, cycle: Cycle, dtype: DType) -> Tensor {
    general_cosine(count, &[0.42, 0.5, 0.08], cycle, dtype)
}

/// Nuttall's four cosines.
///
/// # Panics
/// If the dtype is not `f32` or `f64`.
#[profiled]
#[track_caller]
pub fn nuttall(count: usize, cycle: Cycle, dtype: DType) -> Tensor {
    general_cosine(count, &[0.3635819, 0.4891775, 0.1365995, 0.0106411], cycle, dtype)
}

/// A triangle.
///
/// # Panics
/// If the dtype is not `f32` or `f64`.
#[profiled]
#[track_caller]
pub fn bartlett(count: usize, cycle: Cycle, dtype: DType) -> Tensor {
    let step = 2.0 / cycle.steps(count);
    window("bartlett", count, dtype, |i| 1.0 - (i * step - 1.0).abs())
}

/// Half a period of a sine.
///
/// # Panics
/// If the dtype is not `f32` or `f64`.
#[profiled]
#[track_caller]
pub fn cosine(count: usize, cycle: Cycle, dtype: DType) -> Tensor {
    let step = PI / (cycle.steps(count) + 1.0);
    window("cosine", count, dtype, |i| ((i + 0.5) * step).sin())
}

/// Decay with `tau` (PyTorch's default is 1) from the middle, or from `center`.
///
/// # Panics
/// If `tau` is not positive, a symmetric window has a centre, or the dtype is not `f32` or `f64`.
#[profiled]
#[track_caller]
pub fn exponential(count: usize, center: impl Into<Option<f64>>, tau: f64, cycle: Cycle, dtype: DType) -> Tensor {
    let center = center.into();
    if tau <= 0.0 {
        bug!("", "Tau must be positive, got: {tau:?} instead.");
    }
    if cycle == Cycle::Symmetric && center.is_some() {
        bug!("", "Center must be None for symmetric windows");
    }
    let center = center.unwrap_or(cycle.steps(count) / 2.0);
    window("exponential", count, dtype, |i| (-((i - center) / tau).abs()).exp())
}

/// The bell of a normal distribution with a standard deviation (PyTorch's default is 1).
///
/// # Panics
/// If the deviation is not positive or the dtype is not `f32` or `f64`.
#[profiled]
#[track_caller]
pub fn gaussian(count: usize, std: f64, cycle: Cycle, dtype: DType) -> Tensor {
    if std <= 0.0 {
        bug!("", "Standard deviation must be positive, got: {std:?} instead.");
    }
    let center = cycle.steps(count) / 2.0;
    window("gaussian", count, dtype, |i| {
        let x = (i - center) / (std * SQRT_2);
        (-x * x).exp()
    })
}

/// Kaiser's window, narrower with larger `beta` (PyTorch's default is 12).
///
/// # Panics
/// If `beta` is negative or the dtype is not `f32` or `f64`.
#[profiled]
#[track_caller]
pub fn kaiser(count: usize, beta: f64, cycle: Cycle, dtype: DType) -> Tensor {
    if beta < 0.0 {
        bug!("", "beta must be non-negative, got: {beta:?} instead.");
    }
    let step = 2.0 * beta / cycle.steps(count);
    let i0 = |x: f64| Tensor::full((), x, DType::F64).i0().item::<f64>();
    let most = i0(beta);
    window("kaiser", count, dtype, |i| {
        let x = (i * step - beta).min(beta);
        i0((beta * beta - x * x).max(0.0).sqrt()) / most
    })
}
