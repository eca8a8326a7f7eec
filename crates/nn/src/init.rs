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

/// Sets the kernels of a convolution so that it passes on its input, channel by channel and in each group as many as both
/// sides have; PyTorch's default is one group.
///
/// # Panics
/// If the parameter has not 3, 4 or 5 axes, or the groups do not divide the first.
#[track_caller]
pub fn dirac_(param: &Param, groups: usize) {
    let shape = param.shape();
    if !(3..=5).contains(&shape.len()) {
        bug!("", "Only tensors with 3, 4, or 5 dimensions are supported");
    }
    if groups == 0 || !shape[0].is_multiple_of(groups) {
        bug!("", "dim 0 must be divisible by groups");
    }
    let area: usize = shape[2..].iter().product();
    let centre = shape[2..].iter().fold(0, |at, &size| at * size + size / 2);
    let outputs = shape[0] / groups;
    let mut values = vec![0.0; shape[0] * shape[1] * area];
    for group in 0..groups {
        for channel in 0..outputs.min(shape[1]) {
            values[((group * outputs + channel) * shape[1] + channel) * area + centre] = 1.0;
        }
    }
    param.set(Tensor::from_vec::<f64>(values, shape).to(param.dtype()));
}

/// Draws from N(`mean`, `std`²), again where a value is not between `low` and `high`. PyTorch's defaults are 0, 1, −2, 2.
///
/// Where the interval holds more than 0.3 of the distribution, the whole tensor is drawn until no value is outside, else by
/// rejection from the uniform distribution, as PyTorch does.
pub fn trunc_normal_(param: &Param, mean: f64, std: f64, low: f64, high: f64) {
    let (shape, dtype) = (param.shape(), param.dtype());
    let below = |x: f64| (1.0 + Tensor::scalar((x - mean) / std / 2f64.sqrt()).erf().item::<f64>()) / 2.0;
    if below(high) - below(low) > 0.3 {
        let normal = || with_generator(|g| g.normal(shape.clone(), mean, std, dtype));
        let mut result = normal();
        loop {
            let outside = result.lt(low).logical_or(result.gt(high));
            if !outside.any(()).item::<bool>() {
                break param.set(result);
            }
            result = Tensor::where_(&outside, normal(), &result);
        }
    } else {
        let uniform = |low, high| with_generator(|g| g.uniform(shape.clone(), low, high, dtype));
        // The density is highest here within the interval: relative to it, a candidate is kept.
        let peak = (mean.clamp(low, high) - mean) / std;
        let rejected = |candidate: &Tensor| {
            let scaled = (candidate - mean) / std;
            let log_density = &scaled * &scaled * -0.5 - (-0.5 * peak * peak);
            uniform(0.0, 1.0).log().gt(&log_density)
        };
        let mut result = uniform(low, high);
        let mut pending = rejected(&result);
        while pending.any(()).item::<bool>() {
            let candidate = uniform(low, high);
            result = Tensor::where_(&pending, &candidate, &result);
            pending = pending.logical_and(rejected(&candidate));
        }
        param.set(result);
    }
}

/// Draws from N(0, `std`²), then zeroes a share `sparsity` of each column, after Martens (2010). PyTorch's default
/// deviation is 0.01.
///
/// # Panics
/// If the parameter has not two axes.
#[track_caller]
pub fn sparse_(param: &Param, sparsity: f64, std: f64) {
    let shape = param.shape();
    if shape.len() != 2 {
        bug!("", "Only tensors with 2 dimensions are supported");
    }
    let (rows, columns) = (shape[0], shape[1]);
    let zeros = (sparsity * rows as f64).ceil() as usize;
    normal_(param, 0.0, std);
    let mut zero = vec![false; rows * columns];
    for column in 0..columns {
        let order = wengert_tensor::randperm(rows).to_vec::<i64>();
        order.iter().take(zeros).for_each(|&row| zero[row as usize * columns + column] = true);
    }
    let drawn = param.value();
    param.set(drawn.masked_fill(&Tensor::from_vec(zero, [rows, columns]), 0.0));
}

/// Draws a matrix with orthonormal rows or columns, whichever are fewer, times `gain`, after Saxe et al. (2013); the axes
/// after the first count as one. PyTorch's default gain is 1.
///
/// The draws are PyTorch's, and the factor of their QR decomposition is unique; it is computed by Householder reflections in
/// f64, so it equals PyTorch's to rounding.
///
/// # Panics
/// If the parameter has fewer than two axes.
#[track_caller]
pub fn orthogonal_(param: &Param, gain: f64) {
    let (shape, dtype) = (param.shape(), param.dtype());
    if shape.len() < 2 {
        bug!("", "Only tensors with 2 or more dimensions are supported");
    }
    let numel: usize = shape.iter().product();
    if numel == 0 {
        return;
    }
    let (rows, columns) = (shape[0], numel / shape[0]);
    let result = orthonormal(&with_generator(|g| g.normal([rows, columns], 0.0, 1.0, dtype)));
    let sizes: Vec<isize> = shape.iter().map(|&size| size as isize).collect();
    param.set(result.reshape(sizes) * gain);
}

/// The factor Q of a matrix QR in which the diagonal of R is positive; of a wide matrix, that of its transpose, transposed.
pub(crate) fn orthonormal(matrix: &Tensor) -> Tensor {
    let (rows, columns) = (matrix.shape()[0], matrix.shape()[1]);
    // Columns one after another: the tall matrix's, which the wide one has as rows.
    let wide = rows < columns;
    let mut values = if wide { matrix.to_vec::<f64>() } else { matrix.t().to_vec::<f64>() };
    orthonormalise(&mut values, rows.max(columns), rows.min(columns));
    let result = if wide {
        Tensor::from_vec(values, [rows, columns])
    } else {
        Tensor::from_vec(values, [columns, rows]).t().contiguous()
    };
    result.to(matrix.dtype())
}

/// Replaces `count` columns of `length`, one after another, by the factor Q of their decomposition QR in which the diagonal
/// of R is positive; where it is 0, by 0.
fn orthonormalise(columns: &mut [f64], length: usize, count: usize) {
    fn reflect(vector: &[f64], column: &mut [f64]) {
        let twice = 2.0 * vector.iter().zip(&*column).map(|(a, b)| a * b).sum::<f64>();
        column.iter_mut().zip(vector).for_each(|(x, v)| *x -= twice * v);
    }
    // Column k becomes the unit vector of reflection k, from element k on.
    let mut signs = vec![0.0; count];
    for k in 0..count {
        let (done, rest) = columns.split_at_mut((k + 1) * length);
        let vector = &mut done[k * length + k..];
        let norm = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        if norm == 0.0 {
            continue;
        }
        // The reflected column is −sign(x₀) · norm · e₀, so that nothing cancels.
        signs[k] = -1f64.copysign(vector[0]);
        vector[0] -= signs[k] * norm;
        let scale = 1.0 / vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        vector.iter_mut().for_each(|x| *x *= scale);
        rest.chunks_exact_mut(length).for_each(|column| reflect(vector, &mut column[k..]));
    }
    // Q is the product of all reflections, applied to the columns of the identity from the last one.
    for k in (0..count).rev() {
        let (done, rest) = columns.split_at_mut((k + 1) * length);
        let column = &mut done[k * length..];
        let vector = column[k..].to_vec();
        column.fill(0.0);
        column[k] = 1.0;
        if signs[k] != 0.0 {
            rest.chunks_exact_mut(length).for_each(|column| reflect(&vector, &mut column[k..]));
            reflect(&vector, &mut column[k..]);
        }
    }
    for (column, sign) in columns.chunks_exact_mut(length).zip(signs) {
        column.iter_mut().for_each(|x| *x *= sign);
    }
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
    if param.numel() == 0 {
        return;
    }
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
    if param.numel() == 0 {
        return;
    }
    normal_(param, 0.0, kaiming_std(&param.shape(), mode, nonlinearity));
}

/// Weight and bias of a linear layer or convolution as PyTorch draws them: the weight first, by `kaiming_uniform_`
/// with a = √5, which is U(−1/√fan, 1/√fan) computed the long way round; then the bias from the same range.
pub(crate) fn affine(shape: &[usize], bias: bool) -> (Param, Option<Param>) {
    affine_with(shape, bias.then(|| shape[0]))
}

/// As [`affine`], with a bias of so many numbers.
pub(crate) fn affine_with(shape: &[usize], bias: Option<usize>) -> (Param, Option<Param>) {
    let weight = Param::new(Tensor::zeros(shape, DType::F32));
    let bias = bias.map(|count| Param::new(Tensor::zeros([count], DType::F32)));
    draw_affine(&weight, bias.as_ref());
    (weight, bias)
}

/// Draws weight and bias that are there, as [`affine`] does.
pub(crate) fn draw_affine(weight: &Param, bias: Option<&Param>) {
    kaiming_uniform_(weight, FanMode::FanIn, Nonlinearity::LeakyReLU(5f64.sqrt()));
    if let Some(bias) = bias {
        let [fan_in, _] = fans(&weight.shape());
        let bound = if fan_in > 0 { 1.0 / (fan_in as f64).sqrt() } else { 0.0 };
        uniform_(bias, -bound, bound);
    }
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
