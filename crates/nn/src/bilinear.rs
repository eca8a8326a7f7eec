//! [`Bilinear`].

use crate::cells::drawn;
use crate::{Mode, Module, Param, Parts, Rebuild, SpecError, Tree, Var, watch};
use wengert_tensor::{Dict, Value, bug};

/// `y_k = x₁ᵀ A_k x₂ + b_k` over the last axes of two inputs (`torch.nn.Bilinear`).
///
/// `weight` is (out, in1, in2) and `bias` (out), both drawn from U(−1/√in1, 1/√in1).
///
/// # Examples
/// ```
/// use wengert_nn::{Bilinear, Var, tensor::{DType, Tensor}};
/// let layer = Bilinear::new(3, 4, 5);
/// assert_eq!(layer.to_string(), "Bilinear(in1_features=3, in2_features=4, out_features=5, bias=True)");
/// let ones = |n: usize| Var::from(Tensor::ones([2, n], DType::F32));
/// assert_eq!(layer.apply_to(&ones(3), &ones(4)).shape(), [2, 5]);
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Bilinear {
    /// (out, in1, in2).
    pub weight: Param,
    /// (out).
    pub bias: Option<Param>,
    in1_features: usize,
    in2_features: usize,
    out_features: usize,
    mode: Mode,
}

impl Bilinear {
    /// With a bias.
    pub fn new(in1_features: usize, in2_features: usize, out_features: usize) -> Bilinear {
        Bilinear::with(in1_features, in2_features, out_features, true)
    }

    /// With or without a bias.
    ///
    /// # Panics
    /// If the first size is 0.
    #[track_caller]
    pub fn with(in1_features: usize, in2_features: usize, out_features: usize, bias: bool) -> Bilinear {
        if in1_features == 0 {
            bug!("", "in1_features must be > 0, but got 0");
        }
        let draw = |shape: &[usize]| drawn(shape, in1_features);
        let weight = draw(&[out_features, in1_features, in2_features]);
        let bias = bias.then(|| draw(&[out_features]));
        Bilinear { weight, bias, in1_features, in2_features, out_features, mode: Mode::default() }
    }

    /// The layer on two inputs with the same leading axes.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn apply_to(&self, a: &Var, b: &Var) -> Var {
        watch(self, a, |a| (self.applied(a, b), ())).0
    }

    #[track_caller]
    fn applied(&self, a: &Var, b: &Var) -> Var {
        if a.rank() == 0 || a.rank() != b.rank() {
            bug!("", "bilinear(): input dimensions do not match: got {} and {}", a.rank(), b.rank());
        }
        let differs = (0..a.rank() - 1).find(|&dim| a.shape()[dim] != b.shape()[dim]);
        if let Some(dim) = differs {
            let (a, b) = (a.shape()[dim], b.shape()[dim]);
            bug!("", "bilinear(): input batch dimensions do not match at dim {dim}: got {a} and {b}");
        }
        if a.size(-1) != self.in1_features || b.size(-1) != self.in2_features {
            bug!(
                "",
                "bilinear(): input sizes do not match the weight's: got {} and {} but expected {} and {}",
                a.size(-1),
                b.size(-1),
                self.in1_features,
                self.in2_features
            );
        }
        let lead = a.shape()[..a.rank() - 1].to_vec();
        let rows: usize = lead.iter().product();
        let (n, m, k) = (self.in1_features, self.in2_features, self.out_features);
        let (a, b) = (a.reshape([rows, n]), b.reshape([rows, m]));
        // x₁ᵀ A for all k at once, then the products with x₂.
        let left = a.mm(&self.weight.var().transpose(0, 1).reshape([n, k * m])).reshape([rows, k, m]);
        let out = left.bmm(&b.unsqueeze(-1)).squeeze([-1]);
        let out = self.bias.as_ref().map_or(out.clone(), |bias| out + bias.var());
        let shape: Vec<usize> = lead.into_iter().chain([k]).collect();
        out.reshape(&shape[..])
    }

    fn text(&self) -> String {
        format!(
            "in1_features={}, in2_features={}, out_features={}, bias={}",
            self.in1_features,
            self.in2_features,
            self.out_features,
            Value::from(self.bias.is_some())
        )
    }
}

#[wengert_nn_derive::module]
impl Module for Bilinear {
    /// The layer on an input and itself.
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        self.apply_to(input, input)
    }
}

impl Rebuild for Bilinear {
    const CLASS: &'static str = "torch.nn.modules.linear.Bilinear";
    const PARAMS: &'static [&'static str] = &["weight", "bias"];
    fn config(&self) -> Dict {
        [("in1_features", self.in1_features), ("in2_features", self.in2_features), ("out_features", self.out_features)]
            .into_iter()
            .collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<Bilinear, SpecError> {
        let (n, m, k) = (parts.get("in1_features")?, parts.get("in2_features")?, parts.get("out_features")?);
        Ok(Bilinear {
            weight: parts.param("weight", &[k, n, m])?,
            bias: parts.optional_param("bias", &[k])?,
            in1_features: n,
            in2_features: m,
            out_features: k,
            mode: parts.mode(),
        })
    }
}
