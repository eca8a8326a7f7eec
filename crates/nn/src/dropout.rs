//! [`Dropout`].

use crate::{Mode, Module, Parts, Rebuild, SpecError, Tree, Var};
use wengert_autograd::functional;
use wengert_tensor::{Dict, Value, bug};

/// In training, zeroes each value with probability `p` and divides the others by 1 − `p` (`torch.nn.Dropout`); in
/// evaluation, returns its input.
///
/// # Examples
/// ```
/// use wengert_nn::{Dropout, Module, Var, tensor::Tensor};
/// let dropout = Dropout::new(0.5);
/// assert_eq!(dropout.to_string(), "Dropout(p=0.5, inplace=False)");
/// dropout.eval();
/// let x = Var::from(Tensor::from_vec(vec![1.0f32, 2.0], [2]));
/// assert_eq!(dropout.forward(&x).value().to_vec::<f32>(), [1.0, 2.0]);
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Dropout {
    p: f64,
    mode: Mode,
}

impl Dropout {
    /// With that probability; PyTorch's default is 0.5.
    ///
    /// # Panics
    /// If it is not between 0 and 1.
    #[track_caller]
    pub fn new(p: f64) -> Dropout {
        if !(0.0..=1.0).contains(&p) {
            bug!("", "dropout probability has to be between 0 and 1, but got {}", Value::from(p));
        }
        Dropout { p, mode: Mode::default() }
    }

    fn text(&self) -> String {
        format!("p={}, inplace=False", Value::from(self.p))
    }
}

impl Default for Dropout {
    /// With probability 0.5.
    fn default() -> Dropout {
        Dropout::new(0.5)
    }
}

#[wengert_nn_derive::module]
impl Module for Dropout {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        if self.mode.is_training() { functional::dropout(input, self.p) } else { input.clone() }
    }
}

impl Rebuild for Dropout {
    const CLASS: &'static str = "torch.nn.modules.dropout.Dropout";
    fn config(&self) -> Dict {
        [("p", Value::from(self.p)), ("inplace", Value::from(false))].into_iter().collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<Dropout, SpecError> {
        let p = parts.get("p")?;
        if !(0.0..=1.0).contains(&p) {
            return parts.invalid(format!("dropout probability has to be between 0 and 1, but got {p}"));
        }
        Ok(Dropout { p, mode: parts.mode() })
    }
}
