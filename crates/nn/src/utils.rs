//! Parameters as one vector (`torch.nn.utils`).

use crate::{Param, Var};
use wengert_tensor::{Tensor, bug};

/// All elements of all parameters in one row, tracked as they are (`torch.nn.utils.parameters_to_vector`).
///
/// # Panics
/// If there are no parameters.
///
/// # Examples
/// ```
/// use wengert_nn::{Linear, Module, utils::{parameters_to_vector, vector_to_parameters}};
/// let layer = Linear::new(3, 2);
/// let vector = parameters_to_vector(&layer.parameters());
/// assert_eq!(vector.shape(), [8]);
/// vector_to_parameters(&(vector.value() * 0.0), &layer.parameters());
/// assert_eq!(layer.weight.value().to_vec::<f32>(), [0.0; 6]);
/// ```
#[track_caller]
pub fn parameters_to_vector(params: &[Param]) -> Var {
    let flat: Vec<Var> = params.iter().map(|param| param.own_var().reshape([-1])).collect();
    Var::cat(&flat, 0)
}

/// Sets all parameters from the elements of a vector in turn (`torch.nn.utils.vector_to_parameters`).
///
/// # Panics
/// If the vector does not have as many elements as the parameters.
#[track_caller]
pub fn vector_to_parameters(vector: &Tensor, params: &[Param]) {
    let total: usize = params.iter().map(Param::numel).sum();
    if vector.rank() != 1 || vector.numel() != total {
        bug!("vector_to_parameters", "expected a vector of {total} elements, but got shape {:?}", vector.shape());
    }
    let mut start = 0;
    for param in params {
        let part = vector.narrow(0, start as isize, param.numel());
        start += param.numel();
        param.set(part.reshape(&param.shape()[..]).to(param.dtype()).copy());
    }
}
