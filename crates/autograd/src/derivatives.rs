//! Derivatives of functions as wholes, as in `torch.autograd.functional`: products with Jacobians and Hessians, and these themselves.

use crate::{GradOptions, Var, enable_grad, grad_or_none};
use wengert_tensor::shape::size_text;
use wengert_tensor::{Tensor, bug};

/// What a function may return: one `Var`, or several.
pub trait Outputs {
    /// The `Var`s.
    fn into_vars(self) -> Vec<Var>;
}
impl Outputs for Var {
    fn into_vars(self) -> Vec<Var> {
        vec![self]
    }
}
impl Outputs for Vec<Var> {
    fn into_vars(self) -> Vec<Var> {
        self
    }
}
impl<const N: usize> Outputs for [Var; N] {
    fn into_vars(self) -> Vec<Var> {
        self.into()
    }
}
impl Outputs for (Var, Var) {
    fn into_vars(self) -> Vec<Var> {
        vec![self.0, self.1]
    }
}

/// Options of the functions of this module; the default is PyTorch's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DerivativeOptions {
    /// Records the computation, so that the results can be differentiated with respect to the inputs given.
    pub create_graph: bool,
    /// Panics where an output does not depend on an input, instead of giving zeros.
    pub strict: bool,
}

/// The inputs as tracked `Var`s: the given ones if a graph is asked for, else leaves of their values.
fn tracked(inputs: &[Var], options: DerivativeOptions) -> Vec<Var> {
    inputs
        .iter()
        .map(|x| match options.create_graph && x.requires_grad() {
            // Not the given one itself, to which nothing must be accumulated.
            true => x.reshape(x.shape()),
            false => Var::leaf(x.value().clone()),
        })
        .collect()
}

/// The results of a function; without a graph they are constants.
fn finished(results: Vec<Var>, options: DerivativeOptions) -> Vec<Var> {
    if options.create_graph { results } else { results.iter().map(Var::detach).collect() }
}

/// The vectors of a product, which must be like the inputs or outputs.
#[track_caller]
fn check_like(given: &[Var], like: &[Var]) {
    if given.len() != like.len() {
        bug!("", "v is a tuple of invalid length: should be {} but got {}.", like.len(), given.len());
    }
    let unlike = given.iter().zip(like).position(|(v, x)| v.shape() != x.shape());
    if let Some(i) = unlike {
        let entry = if given.len() > 1 { format!("Entry {i} in ") } else { String::new() };
        let (want, have) = (size_text(like[i].shape()), size_text(given[i].shape()));
        bug!("", "{entry}v has invalid size: should be {want} but got {have}.");
    }
}

/// The vectors of a product with the inputs; none stands for 1 where there is one input of one element.
#[track_caller]
fn directions(v: &[Var], inputs: &[Var]) -> Vec<Option<Var>> {
    match (v, inputs) {
        ([], [x]) if x.numel() == 1 => vec![Some(Var::from(x.value().ones_like()))],
        ([], _) => bug!(
            "",
            "The vector v can only be None if the input to the user-provided function is a single Tensor with a single element."
        ),
        _ => {
            check_like(v, inputs);
            v.iter().cloned().map(Some).collect()
        }
    }
}

/// The gradients of the outputs, with cotangents, zeros where there are none.
#[track_caller]
fn gradients(outputs: &[Var], inputs: &[Var], cotangents: Vec<Option<Var>>, record: bool, strict: bool) -> Vec<Var> {
    let (roots, seeds): (Vec<&Var>, Vec<Option<Var>>) =
        outputs.iter().zip(cotangents).filter(|(y, _)| y.requires_grad()).unzip();
    let wanted: Vec<&Var> = inputs.iter().collect();
    let found = match roots.is_empty() {
        true => vec![None; inputs.len()],
        false => {
            let options =
                GradOptions { create_graph: record, retain_graph: true, grad_outputs: seeds, allow_unused: false };
            grad_or_none(&roots, &wanted, &options)
        }
    };
    found
        .into_iter()
        .zip(inputs)
        .enumerate()
        .map(|(i, (grad, x))| match grad {
            Some(grad) => grad,
            None if strict => bug!("", "The output of the user-provided function is independent of input {i}. This is not allowed in strict mode."),
            None => Var::from(x.value().zeros_like()),
        })
        .collect()
}

/// The values of `f`, and the products `vᵀ J` of its Jacobian with `v`, one for each input. Of a scalar function `v` may be
/// empty, which stands for 1.
///
/// # Panics
/// If `v` does not have the shapes of the outputs.
///
/// # Examples
/// ```
/// use wengert_autograd::{DerivativeOptions, Var, tensor::Tensor, vjp};
/// let x = Var::from(Tensor::from_vec(vec![1.0f64, 2.0], [2]));
/// let v = Var::from(Tensor::from_vec(vec![1.0f64, 10.0], [2]));
/// let (_, products) = vjp(|x| x[0].square(), &[x], &[v], DerivativeOptions::default());
/// assert_eq!(products[0].to_vec::<f64>(), [2.0, 40.0]);
/// ```
#[track_caller]
pub fn vjp<O: Outputs>(
    f: impl Fn(&[Var]) -> O,
    inputs: &[Var],
    v: &[Var],
    options: DerivativeOptions,
) -> (Vec<Var>, Vec<Var>) {
    enable_grad(|| {
        let x = tracked(inputs, options);
        let y = f(&x).into_vars();
        let seeds = match (v, y.len()) {
            ([], 1) if y[0].numel() == 1 => vec![None],
            ([], _) => bug!(
                "",
                "The vector v can only be None if the user-provided function returns a single Tensor with a single element."
            ),
            _ => {
                check_like(v, &y);
                v.iter().cloned().map(Some).collect()
            }
        };
        let products = gradients(&y, &x, seeds, options.create_graph, options.strict);
        (finished(y, options), finished(products, options))
    })
}

/// The values of `f`, and the products `J v` of its Jacobian with `v`, one for each output; by differentiating twice. Of one input
/// of one element `v` may be empty, which stands for 1; so it may for [`hvp`] and [`vhp`].
///
/// # Panics
/// If `v` does not have the shapes of the inputs.
#[track_caller]
pub fn jvp<O: Outputs>(
    f: impl Fn(&[Var]) -> O,
    inputs: &[Var],
    v: &[Var],
    options: DerivativeOptions,
) -> (Vec<Var>, Vec<Var>) {
    enable_grad(|| {
        let x = tracked(inputs, options);
        let directions = directions(v, &x);
        let y = f(&x).into_vars();
        // The gradient is linear in its cotangents u; the derivative of that by u, towards v, is J v.
        let u: Vec<Var> = y.iter().map(|y| Var::leaf(y.value().zeros_like())).collect();
        let seeds = u.iter().cloned().map(Some).collect();
        let g = gradients(&y, &x, seeds, true, options.strict);
        let products = gradients(&g, &u, directions, options.create_graph, options.strict);
        (finished(y, options), finished(products, options))
    })
}

/// The Jacobians of `f`: for each output and each input a `Var` whose shape is that of the output and then that of the input.
///
/// # Examples
/// ```
/// use wengert_autograd::{DerivativeOptions, Var, jacobian, tensor::Tensor};
/// let x = Var::from(Tensor::from_vec(vec![1.0f64, 2.0], [2]));
/// let j = jacobian(|x| x[0].square(), &[x], DerivativeOptions::default());
/// assert_eq!(j[0][0].to_vec::<f64>(), [2.0, 0.0, 0.0, 4.0]);
/// ```
#[track_caller]
pub fn jacobian<O: Outputs>(f: impl Fn(&[Var]) -> O, inputs: &[Var], options: DerivativeOptions) -> Vec<Vec<Var>> {
    enable_grad(|| {
        let x = tracked(inputs, options);
        let y = f(&x).into_vars();
        y.iter().map(|y| finished(rows(y, &x, options), options)).collect()
    })
}

/// The Jacobians of one output with respect to every input.
#[track_caller]
fn rows(y: &Var, x: &[Var], options: DerivativeOptions) -> Vec<Var> {
    let count = y.numel();
    let mut rows: Vec<Vec<Var>> = x.iter().map(|_| Vec::with_capacity(count)).collect();
    for i in 0..count {
        let seed = Tensor::zeros([count], y.dtype()).index_fill(0, &Tensor::from_vec(vec![i as i64], [1]), 1.0);
        let seed = vec![Some(Var::from(seed.reshape(y.shape())))];
        let grads = gradients(std::slice::from_ref(y), x, seed, options.create_graph, options.strict);
        grads.into_iter().zip(&mut rows).for_each(|(grad, rows)| rows.push(grad));
    }
    rows.into_iter()
        .zip(x)
        .map(|(rows, x)| {
            let shape = [y.shape(), x.shape()].concat();
            if rows.is_empty() {
                Var::from(Tensor::zeros(&shape[..], x.dtype()))
            } else {
                Var::stack(&rows, 0).reshape(&shape[..])
            }
        })
        .collect()
}

/// The scalar output of a function, and its gradients, recorded.
#[track_caller]
fn scalar(name: &str, f: impl Fn(&[Var]) -> Var, x: &[Var], strict: bool) -> (Var, Vec<Var>) {
    let y = f(x);
    if y.numel() != 1 {
        bug!("", "The Tensor returned by the function given to {name} should contain a single element");
    }
    let seed = vec![Some(Var::from(y.value().ones_like()))];
    let g = gradients(std::slice::from_ref(&y), x, seed, true, strict);
    (y, g)
}

/// The Hessian of a scalar function: for each pair of inputs a `Var` whose shape is that of the first and then that of the second.
///
/// # Panics
/// If the function does not return a single element.
#[track_caller]
pub fn hessian(f: impl Fn(&[Var]) -> Var, inputs: &[Var], options: DerivativeOptions) -> Vec<Vec<Var>> {
    enable_grad(|| {
        let x = tracked(inputs, options);
        let (_, g) = scalar("hessian", f, &x, options.strict);
        g.iter().map(|g| finished(rows(g, &x, options), options)).collect()
    })
}

/// The value of a scalar function, and the products `H v` of its Hessian with `v`, one for each input.
///
/// # Panics
/// If the function does not return a single element, or `v` does not have the shapes of the inputs.
///
/// # Examples
/// ```
/// use wengert_autograd::{DerivativeOptions, Var, hvp, tensor::Tensor};
/// let x = Var::from(Tensor::from_vec(vec![1.0f64, 2.0], [2]));
/// let v = Var::from(Tensor::from_vec(vec![1.0f64, 1.0], [2]));
/// let (_, products) = hvp(|x| x[0].pow(3).sum(()), &[x], &[v], DerivativeOptions::default());
/// assert_eq!(products[0].to_vec::<f64>(), [6.0, 12.0]);
/// ```
#[track_caller]
pub fn hvp(f: impl Fn(&[Var]) -> Var, inputs: &[Var], v: &[Var], options: DerivativeOptions) -> (Var, Vec<Var>) {
    // A Hessian is symmetric.
    vhp(f, inputs, v, options)
}

/// The value of a scalar function, and the products `vᵀ H` of its Hessian with `v`, one for each input.
///
/// # Panics
/// As [`hvp`].
#[track_caller]
pub fn vhp(f: impl Fn(&[Var]) -> Var, inputs: &[Var], v: &[Var], options: DerivativeOptions) -> (Var, Vec<Var>) {
    enable_grad(|| {
        let x = tracked(inputs, options);
        let directions = directions(v, &x);
        let (y, g) = scalar("hvp", f, &x, options.strict);
        let products = gradients(&g, &x, directions, options.create_graph, options.strict);
        let y = if options.create_graph { y } else { y.detach() };
        (y, finished(products, options))
    })
}
