//! Parametrisations of weights: [`weight_norm`], [`spectral_norm`] and [`orthogonal`] (`torch.nn.utils.parametrizations`).

use crate::parametrize::{Parametrization, current, register_parametrization};
use crate::walk;
use crate::{Buffer, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, Mode, Module, Tensor, Tree, Var, init};
use wengert_autograd::no_grad;
use wengert_tensor::{bug, with_generator};

/// What [`weight_norm`] takes; the default is PyTorch's.
#[derive(Clone, Debug)]
pub struct WeightNormOptions {
    /// Which parameter: `weight`.
    pub name: String,
    /// The axis along which each slice has a norm of its own: 0. `None` takes one norm over all.
    pub dim: Option<isize>,
}

impl Default for WeightNormOptions {
    fn default() -> WeightNormOptions {
        WeightNormOptions { name: "weight".to_owned(), dim: Some(0) }
    }
}

/// Splits a weight into length and direction, w = g · v / ‖v‖, which are trained instead: `original0` is g, `original1` is v
/// (Salimans and Kingma, 2016; `torch.nn.utils.parametrizations.weight_norm`).
///
/// # Panics
/// If the module has no such parameter, or the axis is out of range.
///
/// # Examples
/// ```
/// use wengert_nn::parametrizations::weight_norm;
/// use wengert_nn::{Linear, Module};
/// let layer = Linear::new(20, 40);
/// let before = layer.weight.value();
/// weight_norm(&layer, Default::default());
/// assert!(layer.weight.var().value().allclose(&before, 1e-5, 1e-6));
/// assert_eq!(layer.state_dict()["parametrizations.weight.original0"].shape(), [40, 1]);
/// ```
#[track_caller]
pub fn weight_norm(module: &dyn Module, options: WeightNormOptions) {
    register_parametrization(module, &options.name, WeightNorm { dim: options.dim, mode: Mode::default() });
}

#[derive(Tree)]
#[tree(name = "_WeightNorm")]
struct WeightNorm {
    #[tree(skip)]
    dim: Option<isize>,
    mode: Mode,
}

impl WeightNorm {
    /// The norm of each slice along the axis, or of all.
    #[track_caller]
    fn norm(&self, v: &Var) -> Var {
        // PyTorch's kernels take -1 for no axis, too.
        let Some(dim) = self.dim.filter(|&dim| dim != -1) else { return v.norm(()) };
        let dim = wengert_tensor::shape::axis("weight_norm", dim, v.rank());
        let others: Vec<isize> = (0..v.rank()).filter(|&axis| axis != dim).map(|axis| axis as isize).collect();
        // No axes would mean all of them.
        if others.is_empty() { v.abs() } else { v.norm_keepdim(&others[..]) }
    }
}

impl Module for WeightNorm {}

impl Parametrization for WeightNorm {
    #[track_caller]
    fn compute(&self, originals: &[Var]) -> Var {
        let [g, v] = originals else { bug!("weight_norm", "expected a length and a direction") };
        v * &(g / &self.norm(v))
    }
    fn right_inverse(&self, value: &Tensor) -> Vec<Tensor> {
        vec![self.norm(&Var::from(value)).into_value(), value.clone()]
    }
}

/// What [`spectral_norm`] takes; the default is PyTorch's.
#[derive(Clone, Debug)]
pub struct SpectralNormOptions {
    /// Which parameter: `weight`.
    pub name: String,
    /// Steps of the power method at each use in training: 1.
    pub n_power_iterations: usize,
    /// Least length that is divided by: 1e-12.
    pub eps: f64,
    /// The axis of the outputs: 0, and 1 for transposed convolutions.
    pub dim: Option<isize>,
}

impl Default for SpectralNormOptions {
    fn default() -> SpectralNormOptions {
        SpectralNormOptions { name: "weight".to_owned(), n_power_iterations: 1, eps: 1e-12, dim: None }
    }
}

/// Divides a weight, as a matrix with one row per output, by an estimate of its largest singular value, which the power
/// method follows in training (Miyato and others, 2018; `torch.nn.utils.parametrizations.spectral_norm`). A vector is
/// divided by its length.
///
/// # Panics
/// If the module has no such parameter, the axis is out of range, or `n_power_iterations` is 0.
///
/// # Examples
/// ```
/// use wengert_nn::parametrizations::spectral_norm;
/// use wengert_nn::{Linear, Module};
/// let layer = Linear::new(20, 40);
/// spectral_norm(&layer, Default::default());
/// let keys: Vec<_> = layer.state_dict().keys().map(str::to_owned).collect();
/// assert_eq!(keys, ["bias", "parametrizations.weight.original", "parametrizations.weight.0._u", "parametrizations.weight.0._v"]);
/// ```
#[track_caller]
pub fn spectral_norm(module: &dyn Module, options: SpectralNormOptions) {
    let SpectralNormOptions { name, n_power_iterations, eps, dim } = options;
    let module = walk::resolve(module);
    let weight = current(module, &name);
    let Some(weight) = weight else {
        bug!("", "Module '{module}' has no parameter or buffer with name '{name}'");
    };
    let transposed = module.is::<ConvTranspose1d>() || module.is::<ConvTranspose2d>() || module.is::<ConvTranspose3d>();
    let dim = wengert_tensor::shape::axis("spectral_norm", dim.unwrap_or(isize::from(transposed)), weight.rank());
    if n_power_iterations == 0 {
        bug!("", "Expected n_power_iterations to be positive, but got n_power_iterations=0");
    }
    let mut norm = SpectralNorm { _u: None, _v: None, dim, n_power_iterations, eps, mode: Mode::default() };
    if weight.rank() > 1 {
        let matrix = norm.matrix(&weight.detach());
        let draw = |size: usize| {
            let drawn = with_generator(|generator| generator.randn([size], weight.dtype()));
            Buffer::new(Var::from(drawn).normalize(2.0, 0, eps).into_value())
        };
        norm._u = Some(draw(matrix.size(0)));
        norm._v = Some(draw(matrix.size(1)));
        norm.iterate(&matrix, 15);
    }
    register_parametrization(module, &name, norm);
}

#[derive(Tree)]
#[tree(name = "_SpectralNorm")]
struct SpectralNorm {
    /// The singular vectors of the largest singular value, unless the weight is a vector itself.
    _u: Option<Buffer>,
    _v: Option<Buffer>,
    dim: usize,
    n_power_iterations: usize,
    eps: f64,
    mode: Mode,
}

impl SpectralNorm {
    /// The weight with one row per output.
    fn matrix(&self, weight: &Var) -> Var {
        weight.movedim([self.dim as isize], [0]).flatten(1, -1)
    }

    /// Steps of the power method.
    fn iterate(&self, matrix: &Var, steps: usize) {
        let (Some(u), Some(v)) = (&self._u, &self._v) else { return };
        no_grad(|| {
            for _ in 0..steps {
                u.set(matrix.mv(&Var::from(v.value())).normalize(2.0, 0, self.eps).into_value());
                v.set(matrix.t().mv(&Var::from(u.value())).normalize(2.0, 0, self.eps).into_value());
            }
        });
    }
}

#[wengert_nn_derive::module]
impl Module for SpectralNorm {
    #[track_caller]
    fn forward(&self, weight: &Var) -> Var {
        let (Some(u), Some(v)) = (&self._u, &self._v) else { return weight.normalize(2.0, 0, self.eps) };
        let matrix = self.matrix(weight);
        if self.mode.is_training() {
            self.iterate(&matrix, self.n_power_iterations);
        }
        let (u, v) = (Var::from(u.value()), Var::from(v.value()));
        weight / &u.dot(&matrix.mv(&v))
    }
}

impl Parametrization for SpectralNorm {}

/// How [`orthogonal`] computes an orthogonal matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrthogonalMap {
    /// The exponential of a skew-symmetric matrix.
    MatrixExp,
    /// (I − A/2)⁻¹ (I + A/2) of a skew-symmetric matrix A.
    Cayley,
    /// A product of reflections.
    Householder,
}

/// What [`orthogonal`] takes; the default is PyTorch's.
#[derive(Clone, Debug)]
pub struct OrthogonalOptions {
    /// Which parameter: `weight`.
    pub name: String,
    /// How it is computed: by the exponential if it is square, else by reflections.
    pub orthogonal_map: Option<OrthogonalMap>,
}

impl Default for OrthogonalOptions {
    fn default() -> OrthogonalOptions {
        OrthogonalOptions { name: "weight".to_owned(), orthogonal_map: None }
    }
}

/// Keeps a matrix orthogonal: its columns, or its rows if they are fewer, stay orthonormal while it is trained
/// (Lezcano-Casado, 2019; `torch.nn.utils.parametrizations.orthogonal`). It starts at the weight made orthogonal, the buffer
/// `base`.
///
/// Unlike PyTorch's it takes no batches of matrices, and always has a base (`use_trivialization=True`).
///
/// # Panics
/// If the module has no such parameter, or it is no matrix.
///
/// # Examples
/// ```
/// use wengert_nn::parametrizations::orthogonal;
/// use wengert_nn::{Linear, Tensor};
/// let layer = Linear::new(20, 40);
/// orthogonal(&layer, Default::default());
/// let weight = layer.weight.var().into_value();
/// let identity = Tensor::eye(20, weight.dtype());
/// assert!(weight.t().matmul(&weight).allclose(&identity, 1e-5, 1e-5));
/// ```
#[track_caller]
pub fn orthogonal(module: &dyn Module, options: OrthogonalOptions) {
    let module = walk::resolve(module);
    let Some(weight) = current(module, &options.name) else {
        bug!("", "Module '{module}' has no parameter or buffer with name '{}'", options.name);
    };
    if weight.rank() != 2 {
        bug!("", "Expected a matrix or batch of matrices. Got a tensor of {} dimensions.", weight.rank());
    }
    let square = weight.size(0) == weight.size(1);
    let map =
        options.orthogonal_map.unwrap_or(if square { OrthogonalMap::MatrixExp } else { OrthogonalMap::Householder });
    let base = Buffer::new(weight.into_value());
    register_parametrization(module, &options.name, Orthogonal { base, map, mode: Mode::default() });
}

#[derive(Tree)]
#[tree(name = "_Orthogonal")]
struct Orthogonal {
    /// Where it starts: square, but for reflections of a matrix that is not.
    base: Buffer,
    #[tree(skip)]
    map: OrthogonalMap,
    mode: Mode,
}

/// The exponential of a matrix: of a part of it so small that the Taylor series is exact to rounding after 18 terms, squared
/// until it is whole (Higham, *Functions of Matrices*, 2008, chapter 10; 1.09 is the bound for f64).
fn matrix_exp(matrix: &Var) -> Var {
    let norm = matrix.value().abs().sum(0).to_vec::<f64>().into_iter().fold(0.0, f64::max);
    let halvings = if norm > 1.09 && norm.is_finite() { (norm / 1.09).log2().ceil() as i32 } else { 0 };
    let part = matrix * 0.5f64.powi(halvings);
    let identity = Var::from(Tensor::eye(matrix.size(0), matrix.dtype()));
    let series = (1..=18).rev().fold(identity.clone(), |sum, k| &identity + part.mm(&sum) * (1.0 / f64::from(k)));
    (0..halvings).fold(series, |power, _| power.mm(&power))
}

/// The product of the reflections whose vectors stand below the diagonal, where each has a 1: its first columns.
fn reflections(below: &Var) -> Var {
    let (rows, columns) = (below.size(0), below.size(1));
    let identity = Var::from(Tensor::eye(rows, below.dtype()).narrow(1, 0, columns));
    let vectors = below + &identity;
    let twice = 2.0 / below.square().sum(0).add(1.0);
    (0..columns as isize).rev().fold(identity, |product, k| {
        let vector = vectors.narrow(1, k, 1);
        &product - (&vector * twice.narrow(0, k, 1)).mm(&vector.t().mm(&product))
    })
}

#[wengert_nn_derive::module]
impl Module for Orthogonal {
    #[track_caller]
    fn forward(&self, original: &Var) -> Var {
        let wide = original.size(0) < original.size(1);
        let x = if wide { original.t() } else { original.clone() };
        let (rows, columns) = (x.size(0), x.size(1));
        let q = match self.map {
            OrthogonalMap::Householder => {
                let signs = Tensor::from_vec(
                    x.value().diagonal(0, 0, 1).to_vec::<f64>().into_iter().map(f64::trunc).collect(),
                    [columns],
                );
                reflections(&x.tril(-1)) * Var::from(signs.to(x.dtype()))
            }
            map => {
                let lower = x.tril(0).pad(&[0, (rows - columns) as isize], 0.0);
                let skew = &lower - lower.t();
                let whole = if map == OrthogonalMap::MatrixExp {
                    matrix_exp(&skew)
                } else {
                    let identity = Var::from(Tensor::eye(rows, x.dtype()));
                    (&identity - &skew * 0.5).solve(&(&identity + &skew * 0.5))
                };
                whole.narrow(1, 0, columns)
            }
        };
        let q = Var::from(self.base.value()).mm(&q);
        if wide { q.t() } else { q }
    }
}

impl Parametrization for Orthogonal {
    /// Sets the base to the value made orthogonal, from where minus the identity stands for no step.
    fn right_inverse(&self, value: &Tensor) -> Vec<Tensor> {
        let tall = if value.shape()[0] < value.shape()[1] { value.t() } else { value.clone() };
        let (rows, columns) = (tall.shape()[0], tall.shape()[1]);
        let square = match rows - columns {
            0 => tall,
            more => {
                let drawn = with_generator(|generator| generator.randn([rows, more], value.dtype()));
                Tensor::cat(&[&tall, &drawn], 1)
            }
        };
        // Which leaves alone what is orthogonal already.
        self.base.set(init::orthonormal(&square));
        let identity = Tensor::eye(rows, value.dtype()).narrow(0, 0, value.shape()[0]).narrow(1, 0, value.shape()[1]);
        vec![(identity * -1.0).contiguous()]
    }
}
