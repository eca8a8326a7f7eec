//! Initial values: `torch.nn.init`, on parameters.

use crate::Param;
use wengert_tensor::{DType, Tensor, bug, with_generator};

/// Which fan a Kaiming initialisation keeps the variance of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FanMode {
    /// The inputs': of the values going forward.
    #[default]
    FanIn,
    /// The outputs': of the gradients going backward.
    FanOut,
}

/// The function after a layer, which its weights should make up for.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Nonlinearity {
    /// None, or a convolution or the like.
    Linear,
    /// The logistic function.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// max(x, 0).
    ReLU,
    /// max(x, 0) + slope · min(x, 0). PyTorch's default slope is 0.01 for a gain and 0 for a Kaiming initialisation.
    LeakyReLU(f64),
    /// The self-normalising exponential unit.
    SELU,
}

/// The factor by which the weights before a function should be larger (`calculate_gain`).
///
/// # Examples
/// ```
/// use wengert_nn::init::{Nonlinearity, calculate_gain};
/// assert_eq!(calculate_gain(Nonlinearity::ReLU), 2f64.sqrt());
/// ```
pub fn calculate_gain(nonlinearity: Nonlinearity) -> f64 {
    match nonlinearity {
        Nonlinearity::Linear | Nonlinearity::Sigmoid => 1.0,
        Nonlinearity::Tanh => 5.0 / 3.0,
        Nonlinearity::ReLU => 2f64.sqrt(),
        Nonlinearity::LeakyReLU(slope) => (2.0 / (1.0 + slope * slope)).sqrt(),
        Nonlinearity::SELU => 0.75,
    }
}

/// Draws from U(`low`, `high`).
pub fn uniform_(param: &Param, low: f64, high: f64) {
    param.set(with_generator(|g| g.uniform(param.shape(), low, high, param.dtype())));
}

/// Draws from N(`mean`, `std`²).
pub fn normal_(param: &Param, mean: f64, std: f64) {
    param.set(with_generator(|g| g.normal(param.shape(), mean, std, param.dtype())));
}

/// Sets all elements.
pub fn constant_(param: &Param, value: f64) {
    param.set(Tensor::full(param.shape(), value, param.dtype()));
}

/// Sets all elements to 1.
pub fn ones_(param: &Param) {
    constant_(param, 1.0);
}

/// Sets all elements to 0.
pub fn zeros_(param: &Param) {
    constant_(param, 0.0);
}

/// Sets the diagonal of a matrix to 1 and the rest to 0.
///
/// # Panics
/// If it has not two axes.
#[track_caller]
pub fn eye_(param: &Param) {
    let shape = param.shape();
    if shape.len() != 2 {
        bug!("", "Only tensors with 2 dimensions are supported");
    }
    let values = (0..shape[0] * shape[1]).map(|i| f64::from(i / shape[1] == i % shape[1])).collect();
    param.set(Tensor::from_vec::<f64>(values, shape).to(param.dtype()));
}

/// Draws from U(−b, b) with b = `gain` · √(6 / (fan in + fan out)), after Glorot and Bengio (2010). PyTorch's default
/// gain is 1.
///
/// # Panics
/// If the parameter has fewer than two axes.
#[track_caller]
pub fn xavier_uniform_(param: &Param, gain: f64) {
    let bound = 3f64.sqrt() * xavier_std(param, gain);
    uniform_(param, -bound, bound);
}

/// Draws from N(0, s²) with s = `gain` · √(2 / (fan in + fan out)). PyTorch's default gain is 1.
///
/// # Panics
/// If the parameter has fewer than two axes.
#[track_caller]
pub fn xavier_normal_(param: &Param, gain: f64) {
    normal_(param, 0.0, xavier_std(param, gain));
}

/// Draws from U(−b, b) with b = gain · √(3 / fan), after He et al. (2015). PyTorch's defaults are `FanIn` and
/// `LeakyReLU(0.0)`.
///
/// # Panics
/// If the parameter has fewer than two axes.
#[track_caller]
pub fn kaiming_uniform_(param: &Param, mode: FanMode, nonlinearity: Nonlinearity) {
    let bound = 3f64.sqrt() * kaiming_std(&param.shape(), mode, nonlinearity);
    uniform_(param, -bound, bound);
}

/// Draws from N(0, s²) with s = gain / √fan, after He et al. (2015). PyTorch's defaults are `FanIn` and
/// `LeakyReLU(0.0)`.
///
/// # Panics
/// If the parameter has fewer than two axes.
#[track_caller]
pub fn kaiming_normal_(param: &Param, mode: FanMode, nonlinearity: Nonlinearity) {
    normal_(param, 0.0, kaiming_std(&param.shape(), mode, nonlinearity));
}

/// Weight and bias of a linear layer or convolution as PyTorch draws them: the weight first, by `kaiming_uniform_`
/// with a = √5, which is U(−1/√fan, 1/√fan) computed the long way round; then the bias from the same range.
pub(crate) fn affine(shape: &[usize], bias: bool) -> (Param, Option<Param>) {
    let weight = Param::new(Tensor::zeros(shape, DType::F32));
    kaiming_uniform_(&weight, FanMode::FanIn, Nonlinearity::LeakyReLU(5f64.sqrt()));
    let bias = bias.then(|| {
        let [fan_in, _] = fans(shape);
        let bound = if fan_in > 0 { 1.0 / (fan_in as f64).sqrt() } else { 0.0 };
        Param::new(wengert_tensor::uniform(&shape[..1], -bound, bound))
    });
    (weight, bias)
}

/// Inputs and outputs of one unit of a layer with such a weight: (out, in, kernel…).
#[track_caller]
fn fans(shape: &[usize]) -> [usize; 2] {
    if shape.len() < 2 {
        bug!("", "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions");
    }
    let area: usize = shape[2..].iter().product();
    [shape[1] * area, shape[0] * area]
}

#[track_caller]
fn xavier_std(param: &Param, gain: f64) -> f64 {
    let [fan_in, fan_out] = fans(&param.shape());
    gain * (2.0 / (fan_in + fan_out) as f64).sqrt()
}

#[track_caller]
fn kaiming_std(shape: &[usize], mode: FanMode, nonlinearity: Nonlinearity) -> f64 {
    let [fan_in, fan_out] = fans(shape);
    let fan = if mode == FanMode::FanIn { fan_in } else { fan_out };
    calculate_gain(nonlinearity) / (fan as f64).sqrt()
}
