//! Gradients against central differences, for any function (`torch.autograd.gradcheck`).

use crate::mode::enable_grad;
use crate::{GradOptions, Var, grad_or_none};
use wengert_tensor::{DType, Tensor, bug};

/// Step and tolerances of [`gradcheck`]; the default is PyTorch's.
#[derive(Clone, Copy, Debug)]
pub struct GradcheckOptions {
    /// The step of the differences.
    pub eps: f64,
    /// The absolute tolerance.
    pub atol: f64,
    /// The relative tolerance.
    pub rtol: f64,
}

impl Default for GradcheckOptions {
    fn default() -> GradcheckOptions {
        GradcheckOptions { eps: 1e-6, atol: 1e-5, rtol: 1e-3 }
    }
}

/// One derivative that disagrees with its difference quotient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mismatch {
    /// Which input.
    pub input: usize,
    /// Which of its elements, in C order.
    pub element: usize,
    /// Which element of the output, in C order.
    pub output: usize,
    /// The gradient that the rules give.
    pub analytic: f64,
    /// The difference quotient.
    pub numeric: f64,
}

/// What [`gradcheck`] found wrong.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GradcheckError {
    /// Derivatives that disagree, all of them.
    #[error("{}", jacobian_text(.0))]
    Jacobian(Vec<Mismatch>),
    /// A gradient is not of its input's shape.
    #[error("the gradient of input {input} has shape {got:?} but the input {expected:?}")]
    Shape {
        /// Which input.
        input: usize,
        /// The gradient's shape.
        got: Vec<usize>,
        /// The input's shape.
        expected: Vec<usize>,
    },
}

fn jacobian_text(mismatches: &[Mismatch]) -> String {
    use std::fmt::Write;
    let mut text = format!("{} derivatives disagree:", mismatches.len());
    for m in mismatches.iter().take(5) {
        let Mismatch { input, element, output, analytic, numeric } = m;
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n  output[{output}] by input {input}[{element}]: the rule gives {analytic:e}, the difference {numeric:e}"
        );
    }
    text
}

/// Checks the gradients of `f` at `inputs` (of `f64`) against central differences, element by element.
///
/// # Errors
/// [`GradcheckError`] with every derivative that disagrees.
///
/// # Panics
/// If an input is not of `f64`, in which alone differences are accurate enough.
///
/// # Examples
/// ```
/// use wengert_autograd::{GradcheckOptions, gradcheck, tensor::Tensor};
/// let x = Tensor::from_vec(vec![0.5f64, 1.5, -2.0], [3]);
/// gradcheck(|x| (&x[0] * &x[0]).sin(), &[x], &GradcheckOptions::default()).unwrap();
/// ```
#[track_caller]
pub fn gradcheck(
    f: impl Fn(&[Var]) -> Var,
    inputs: &[Tensor],
    options: &GradcheckOptions,
) -> Result<(), GradcheckError> {
    if let Some(x) = inputs.iter().find(|x| x.dtype() != DType::F64) {
        bug!("gradcheck", "expected inputs of torch.float64, but got {}", x.dtype());
    }
    let mut mismatches = Vec::new();
    enable_grad(|| {
        let leaves: Vec<Var> = inputs.iter().cloned().map(Var::leaf).collect();
        let output = f(&leaves);
        let rules = jacobian(&output, &leaves)?;
        for (input, (tensor, rows)) in inputs.iter().zip(&rules).enumerate() {
            for element in 0..tensor.numel() {
                let quotient = difference(&f, inputs, input, element, options.eps);
                for (output, (&numeric, row)) in quotient.iter().zip(rows).enumerate() {
                    let analytic = row[element];
                    // A NaN is close to nothing.
                    let near = (analytic - numeric).abs() <= options.atol + options.rtol * numeric.abs();
                    if !near {
                        mismatches.push(Mismatch { input, element, output, analytic, numeric });
                    }
                }
            }
        }
        Ok(())
    })?;
    if mismatches.is_empty() { Ok(()) } else { Err(GradcheckError::Jacobian(mismatches)) }
}

/// Checks the gradients of the gradients of `f`, by its inputs and by the gradient of its output.
///
/// # Errors
/// As [`gradcheck`].
///
/// # Panics
/// As [`gradcheck`].
#[track_caller]
pub fn gradgradcheck(
    f: impl Fn(&[Var]) -> Var,
    inputs: &[Tensor],
    options: &GradcheckOptions,
) -> Result<(), GradcheckError> {
    let leaves: Vec<Var> = inputs.iter().map(Var::from).collect();
    let output = f(&leaves);
    // Any weights do, if they are all different.
    let weights = (0..output.numel()).map(|i| 0.5 + (i as f64 * 0.754_877_666).fract()).collect();
    let mut all = inputs.to_vec();
    all.push(Tensor::from_vec(weights, output.shape()));
    let first = |x: &[Var]| {
        let (x, weights) = x.split_at(inputs.len());
        let output = f(x);
        let options =
            GradOptions { create_graph: true, grad_outputs: vec![Some(weights[0].clone())], ..Default::default() };
        let wanted: Vec<&Var> = x.iter().collect();
        let grads =
            if output.requires_grad() { grad_or_none(&[&output], &wanted, &options) } else { vec![None; wanted.len()] };
        let flat: Vec<Var> = grads
            .into_iter()
            .zip(x)
            .map(|(grad, x)| grad.unwrap_or_else(|| Var::from(x.value.zeros_like())).reshape([-1isize]))
            .collect();
        Var::cat(&flat, 0)
    };
    gradcheck(first, &all, options)
}

/// Per input, per element of the output: the gradient, element by element.
#[track_caller]
fn jacobian(output: &Var, leaves: &[Var]) -> Result<Vec<Vec<Vec<f64>>>, GradcheckError> {
    let mut all: Vec<Vec<Vec<f64>>> = vec![Vec::new(); leaves.len()];
    let wanted: Vec<&Var> = leaves.iter().collect();
    for at in 0..output.numel() {
        let mut one = vec![0.0; output.numel()];
        one[at] = 1.0;
        let one = Var::from(Tensor::from_vec(one, output.shape()));
        let options = GradOptions { retain_graph: true, grad_outputs: vec![Some(one)], ..Default::default() };
        let grads =
            if output.requires_grad() { grad_or_none(&[output], &wanted, &options) } else { vec![None; leaves.len()] };
        for (input, (grad, leaf)) in grads.into_iter().zip(leaves).enumerate() {
            let row = match grad {
                None => vec![0.0; leaf.numel()],
                Some(grad) if grad.shape() != leaf.shape() => {
                    let (got, expected) = (grad.shape().to_vec(), leaf.shape().to_vec());
                    return Err(GradcheckError::Shape { input, got, expected });
                }
                Some(grad) => grad.to_vec(),
            };
            all[input].push(row);
        }
    }
    Ok(all)
}

/// The central difference quotient of every element of the output by one element of one input.
fn difference(f: &impl Fn(&[Var]) -> Var, inputs: &[Tensor], input: usize, element: usize, eps: f64) -> Vec<f64> {
    let moved = |step: f64| {
        let mut shifted = inputs.to_vec();
        shifted[input].as_mut_slice::<f64>()[element] += step;
        let leaves: Vec<Var> = shifted.into_iter().map(Var::leaf).collect();
        f(&leaves).to_vec::<f64>()
    };
    moved(eps).iter().zip(moved(-eps)).map(|(up, down)| (up - down) / (2.0 * eps)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op;

    #[test]
    fn a_wrong_rule_is_found() {
        let wrong = |x: &[Var]| {
            let value = x[0].value.square();
            op::record("WrongBackward", value, [&x[0]], || {
                let x = x[0].clone();
                move |_: &op::Context<'_>, grad: &Var| [Some(grad * &x)]
            })
        };
        let x = Tensor::from_vec(vec![1.0f64, 2.0], [2]);
        let error = gradcheck(wrong, std::slice::from_ref(&x), &GradcheckOptions::default()).unwrap_err();
        let GradcheckError::Jacobian(found) = &error else { panic!("{error}") };
        assert_eq!(found.len(), 2);
        assert_eq!((found[1].input, found[1].element, found[1].output, found[1].analytic), (0, 1, 1, 2.0));
    }

    #[test]
    fn a_rule_that_is_wrong_only_at_order_two_is_found() {
        // The gradient is right, but depends on a constant.
        let wrong = |x: &[Var]| {
            let value = x[0].value.square();
            op::record("WrongBackward", value, [&x[0]], || {
                let x = x[0].detach();
                move |_: &op::Context<'_>, grad: &Var| [Some(grad * (&x * 2.0))]
            })
        };
        let x = [Tensor::from_vec(vec![1.0f64, 2.0], [2])];
        assert!(gradcheck(wrong, &x, &GradcheckOptions::default()).is_ok());
        assert!(gradgradcheck(wrong, &x, &GradcheckOptions::default()).is_err());
    }
}
