//! [`LayerNorm`].

use crate::setting::tuple;
use crate::{Mode, Module, Param, Parts, Rebuild, Sizes, SpecError, Tree, Var};
use wengert_tensor::{DType, Dict, Tensor, Value};

/// Gives the last axes of every sample mean 0 and variance 1, then scales and shifts them (`torch.nn.LayerNorm`).
///
/// # Examples
/// ```
/// use wengert_nn::LayerNorm;
/// assert_eq!(LayerNorm::new([4]).to_string(), "LayerNorm((4,), eps=1e-05, elementwise_affine=True, bias=True)");
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct LayerNorm {
    /// Scale, at first 1.
    pub weight: Option<Param>,
    /// Shift, at first 0.
    pub bias: Option<Param>,
    #[tree(skip)]
    options: LayerNormOptions,
    mode: Mode,
}

/// What [`LayerNorm::with`] takes.
#[derive(Clone, Debug)]
pub struct LayerNormOptions {
    /// Sizes of the last axes.
    pub normalized_shape: Vec<usize>,
    /// Added to the variance: 1e-5.
    pub eps: f64,
    /// Whether to scale and shift: yes.
    pub elementwise_affine: bool,
    /// Whether to shift, if `elementwise_affine`: yes.
    pub bias: bool,
}

impl LayerNormOptions {
    /// The defaults.
    pub fn new(normalized_shape: impl Sizes) -> LayerNormOptions {
        LayerNormOptions {
            normalized_shape: normalized_shape.into_sizes(),
            eps: 1e-5,
            elementwise_affine: true,
            bias: true,
        }
    }
}

impl LayerNorm {
    /// Over the last axes, which have these sizes.
    pub fn new(normalized_shape: impl Sizes) -> LayerNorm {
        LayerNorm::with(LayerNormOptions::new(normalized_shape))
    }

    /// With options.
    pub fn with(options: LayerNormOptions) -> LayerNorm {
        let filled = |value: f64| Param::new(Tensor::full(options.normalized_shape.clone(), value, DType::F32));
        LayerNorm {
            weight: options.elementwise_affine.then(|| filled(1.0)),
            bias: (options.elementwise_affine && options.bias).then(|| filled(0.0)),
            options,
            mode: Mode::default(),
        }
    }

    /// How it was made.
    pub fn options(&self) -> &LayerNormOptions {
        &self.options
    }

    fn text(&self) -> String {
        let shape = Value::Tuple(self.options.normalized_shape.iter().map(|&n| Value::from(n)).collect());
        format!(
            "{shape}, eps={}, elementwise_affine={}, bias={}",
            Value::from(self.options.eps),
            Value::from(self.options.elementwise_affine),
            Value::from(self.bias.is_some())
        )
    }
}

#[wengert_nn_derive::module]
impl Module for LayerNorm {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        let [weight, bias] = [&self.weight, &self.bias].map(|p| p.as_ref().map(Param::var));
        input.layer_norm(&self.options.normalized_shape, weight.as_ref(), bias.as_ref(), self.options.eps)
    }
}

impl Rebuild for LayerNorm {
    const CLASS: &'static str = "torch.nn.modules.normalization.LayerNorm";
    const PARAMS: &'static [&'static str] = &["weight", "bias"];
    fn config(&self) -> Dict {
        [
            ("normalized_shape", tuple(self.options.normalized_shape.iter().copied())),
            ("eps", Value::from(self.options.eps)),
            ("elementwise_affine", Value::from(self.options.elementwise_affine)),
        ]
        .into_iter()
        .collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<LayerNorm, SpecError> {
        let shape: Vec<usize> = parts.get("normalized_shape")?;
        let weight = parts.optional_param("weight", &shape)?;
        let bias = parts.optional_param("bias", &shape)?;
        let options = LayerNormOptions {
            eps: parts.get("eps")?,
            elementwise_affine: parts.get_or("elementwise_affine", true)?,
            bias: bias.is_some(),
            normalized_shape: shape,
        };
        if weight.is_some() != options.elementwise_affine {
            return parts.invalid("elementwise_affine does not agree with the parameters");
        }
        Ok(LayerNorm { weight, bias, options, mode: parts.mode() })
    }
}
