//! [`Flatten`] and [`Unflatten`].

use crate::setting::tuple;
use crate::{Mode, Module, Parts, Rebuild, SpecError, Tree, Var};
use wengert_tensor::{Dict, Value};

/// Joins a range of axes into one; by default all but the first, the batch (`torch.nn.Flatten`).
///
/// # Examples
/// ```
/// use wengert_nn::{Flatten, Module, Var, tensor::Tensor};
/// let x = Var::from(Tensor::from_vec(vec![0f32; 24], [2, 3, 4]));
/// assert_eq!(Flatten::new().forward(&x).shape(), [2, 12]);
/// assert_eq!(Flatten::dims(0, -2).forward(&x).shape(), [6, 4]);
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Flatten {
    start_dim: isize,
    end_dim: isize,
    mode: Mode,
}

impl Flatten {
    /// Keeps the first axis.
    pub fn new() -> Flatten {
        Flatten::dims(1, -1)
    }

    /// Joins the axes from `start_dim` to `end_dim`, both included, negative from the end.
    pub fn dims(start_dim: isize, end_dim: isize) -> Flatten {
        Flatten { start_dim, end_dim, mode: Mode::default() }
    }

    fn text(&self) -> String {
        format!("start_dim={}, end_dim={}", self.start_dim, self.end_dim)
    }
}

impl Default for Flatten {
    fn default() -> Flatten {
        Flatten::new()
    }
}

#[wengert_nn_derive::module]
impl Module for Flatten {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.flatten(self.start_dim, self.end_dim)
    }
}

/// Splits an axis into several (`torch.nn.Unflatten`).
///
/// # Examples
/// ```
/// use wengert_nn::{Module, Unflatten, Var, tensor::Tensor};
/// let x = Var::from(Tensor::from_vec(vec![0f32; 24], [2, 12]));
/// assert_eq!(Unflatten::new(1, [3, 4]).forward(&x).shape(), [2, 3, 4]);
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct Unflatten {
    dim: isize,
    unflattened_size: Vec<isize>,
    mode: Mode,
}

impl Unflatten {
    /// Splits axis `dim` into these sizes; one of them may be -1 and follows from the rest.
    pub fn new(dim: isize, unflattened_size: impl Into<Vec<isize>>) -> Unflatten {
        Unflatten { dim, unflattened_size: unflattened_size.into(), mode: Mode::default() }
    }

    fn text(&self) -> String {
        let sizes: Vec<_> = self.unflattened_size.iter().map(isize::to_string).collect();
        let comma = if sizes.len() == 1 { "," } else { "" };
        format!("dim={}, unflattened_size=({}{comma})", self.dim, sizes.join(", "))
    }
}

#[wengert_nn_derive::module]
impl Module for Unflatten {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        input.unflatten(self.dim, self.unflattened_size.as_slice())
    }
}

impl Rebuild for Flatten {
    const CLASS: &'static str = "torch.nn.modules.flatten.Flatten";
    fn config(&self) -> Dict {
        [("start_dim", self.start_dim as i64), ("end_dim", self.end_dim as i64)].into_iter().collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<Flatten, SpecError> {
        Ok(Flatten { start_dim: parts.get("start_dim")?, end_dim: parts.get("end_dim")?, mode: parts.mode() })
    }
}

impl Rebuild for Unflatten {
    const CLASS: &'static str = "torch.nn.modules.flatten.Unflatten";
    fn config(&self) -> Dict {
        let sizes = tuple(self.unflattened_size.iter().map(|&size| size as i64));
        [("dim", Value::from(self.dim as i64)), ("unflattened_size", sizes)].into_iter().collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<Unflatten, SpecError> {
        Ok(Unflatten { dim: parts.get("dim")?, unflattened_size: parts.get("unflattened_size")?, mode: parts.mode() })
    }
}
