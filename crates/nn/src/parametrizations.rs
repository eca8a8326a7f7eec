//! Parametrisations of weights: [`weight_norm`] and [`spectral_norm`] (`torch.nn.utils.parametrizations`).

use crate::parametrize::{Parametrization, current, register_parametrization};
use crate::walk;
use crate::{Buffer, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, Mode, Module, Tensor, Tree, Var};
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
