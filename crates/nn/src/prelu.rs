//! Leaky rectifiers whose slope is learnt or drawn: [`PReLU`] and [`RReLU`].

use crate::{Mode, Module, Param, Parts, Rebuild, SpecError, Tree, Var};
use wengert_tensor::{DType, Dict, Tensor, Value, bug};

/// x where positive, else a learnt slope times x, one for all or one per channel, which is axis 1 (`torch.nn.PReLU`).
///
/// # Examples
/// ```
/// use wengert_nn::{Module, PReLU, Var, tensor::Tensor};
/// let layer = PReLU::default();
/// assert_eq!(layer.to_string(), "PReLU(num_parameters=1)");
/// assert_eq!(layer.forward(&Var::from(Tensor::new([-2.0f32, 3.0]))).value().to_vec::<f32>(), [-0.5, 3.0]);
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct PReLU {
    /// (1) or (channels).
    pub weight: Param,
    num_parameters: usize,
    init: f64,
    mode: Mode,
}

impl PReLU {
    /// With one slope or one per channel, and what they are at first; PyTorch's defaults are 1 and 0.25.
    pub fn new(num_parameters: usize, init: f64) -> PReLU {
        let weight = Param::new(Tensor::full([num_parameters], init, DType::F32));
        PReLU { weight, num_parameters, init, mode: Mode::default() }
    }

    fn text(&self) -> String {
        format!("num_parameters={}", self.num_parameters)
    }
}

impl Default for PReLU {
    fn default() -> PReLU {
        PReLU::new(1, 0.25)
    }
}

#[wengert_nn_derive::module]
impl Module for PReLU {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.prelu(&self.weight.var())
    }
}

/// x where positive, else a slope times x that is drawn for each value between `lower` and `upper` in training, and their
/// mean in evaluation (`torch.nn.RReLU`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct RReLU {
    lower: f64,
    upper: f64,
    mode: Mode,
}

impl RReLU {
    /// With slopes between these; PyTorch's defaults are 1/8 and 1/3.
    ///
    /// # Panics
    /// If the first is greater than the second.
    #[track_caller]
    pub fn new(lower: f64, upper: f64) -> RReLU {
        if lower > upper {
            bug!("", "Lower bound should be less than or equal to the upper bound");
        }
        RReLU { lower, upper, mode: Mode::default() }
    }

    fn text(&self) -> String {
        let text = format!("lower={}, upper={}", Value::from(self.lower), Value::from(self.upper));
        self.mode.inplace_text(text)
    }
}

impl Default for RReLU {
    fn default() -> RReLU {
        RReLU::new(1.0 / 8.0, 1.0 / 3.0)
    }
}

#[wengert_nn_derive::module]
impl Module for RReLU {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        match self.mode.is_training() {
            true => input.rrelu(self.lower, self.upper),
            false => input.leaky_relu((self.lower + self.upper) / 2.0),
        }
    }
}

impl Rebuild for PReLU {
    const CLASS: &'static str = "torch.nn.modules.activation.PReLU";
    const PARAMS: &'static [&'static str] = &["weight"];
    fn config(&self) -> Dict {
        [("num_parameters", Value::from(self.num_parameters)), ("init", Value::from(self.init))].into_iter().collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<PReLU, SpecError> {
        let num_parameters = parts.get("num_parameters")?;
        let weight = parts.param("weight", &[num_parameters])?;
        Ok(PReLU { weight, num_parameters, init: parts.get_or("init", 0.25)?, mode: parts.mode() })
    }
}

crate::activation::inplace!(RReLU);
crate::activation::rebuild! {
    RReLU { lower, upper } also inplace;
}
