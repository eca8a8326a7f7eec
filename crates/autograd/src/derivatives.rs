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

/// What PyTorch calls an input's gradient, in its words where strict mode finds none.
#[derive(Clone, Copy)]
enum Stage {
    /// The gradients of outputs.
    Outputs,
    /// Those of output `i`, for the rows of its Jacobian.
    Row(usize),
    /// Those of gradients, which are linear in their cotangents.
    Cotangents,
    /// Those of gradients, which are rows of a Hessian.
    Gradients,
}

impl Stage {
    /// No gradient for an input.
    #[track_caller]
    fn missing(self, input: usize) -> ! {
        match self {
            Stage::Outputs => bug!(
                "",
                "The output of the user-provided function is independent of input {input}. This is not allowed in strict mode."
            ),
            Stage::Row(output) => bug!(
                "",
                "Output {output} of the user-provided function is independent of input {input}. This is not allowed in strict mode."
            ),
            Stage::Cotangents => bug!(
                "",
                "The gradient with respect to the input is independent of entry {input} in the grad_outputs when using the \
                 double backward trick to compute forward mode gradients. This is not allowed in strict mode."
            ),
            Stage::Gradients => bug!(
                "",
                "The jacobian of the user-provided function is independent of input {input}. This is not allowed in strict mode."
            ),
        }
    }

    /// A gradient that does not depend on the inputs, where a graph is asked for.
    #[track_caller]
    fn constant(self, input: usize) -> ! {
        let what = if matches!(self, Stage::Gradients) { "hessian" } else { "jacobian" };
        bug!(
            "",
            "The {what} of the user-provided function is independent of input {input}. This is not allowed in strict mode when \
             create_graph=True."
        )
    }
}

/// The gradients of the outputs, with cotangents; `None` where an input has no part in them.
#[track_caller]
fn found(outputs: &[Var], inputs: &[Var], cotangents: Vec<Option<Var>>, record: bool) -> Vec<Option<Var>> {
    let (roots, seeds): (Vec<&Var>, Vec<Option<Var>>) =
        outputs.iter().zip(cotangents).filter(|(y, _)| y.requires_grad()).unzip();
    let wanted: Vec<&Var> = inputs.iter().collect();
    if roots.is_empty() {
        return vec![None; inputs.len()];
    }
    let options = GradOptions { create_graph: record, retain_graph: true, grad_outputs: seeds, allow_unused: false };
    grad_or_none(&roots, &wanted, &options)
}

/// [`found`] with zeros where there are none, unless that is an error.
#[track_caller]
fn gradients(
    outputs: &[Var],
    inputs: &[Var],
    cotangents: Vec<Option<Var>>,
    options: DerivativeOptions,
    stage: Stage,
) -> Vec<Var> {
    filled(found(outputs, inputs, cotangents, options.create_graph), inputs, options, stage)
}

#[track_caller]
fn filled(found: Vec<Option<Var>>, inputs: &[Var], options: DerivativeOptions, stage: Stage) -> Vec<Var> {
    let mut grads = Vec::with_capacity(inputs.len());
    for (i, (grad, x)) in found.into_iter().zip(inputs).enumerate() {
        grads.push(match grad {
            Some(grad) if options.strict && options.create_graph && !grad.requires_grad() => stage.constant(i),
            Some(grad) => grad,
            None if options.strict => stage.missing(i),
            None => Var::from(x.value().zeros_like()),
        });
    }
    grads
}

/// In strict mode every output must be computed from the inputs.
#[track_caller]
fn check_outputs(outputs: &[Var], options: DerivativeOptions) {
    if let Some(i) = outputs.iter().position(|y| options.strict && !y.requires_grad()) {
        bug!(
            "",
            "Output {i} of the user-provided function does not require gradients. The outputs must be computed in a \
             differentiable manner from the input when running in strict mode."
        );
    }
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
        check_outputs(&y, options);
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
        let products = gradients(&y, &x, seeds, options, Stage::Outputs);
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
        check_outputs(&y, options);
        // The gradient is linear in its cotangents u; the derivative of that by u, towards v, is J v.
        let u: Vec<Var> = y.iter().map(|y| Var::leaf(y.value().zeros_like())).collect();
        let seeds = u.iter().cloned().map(Some).collect();
        // Recorded, but they need not depend on the inputs.
        let strict = DerivativeOptions { create_graph: false, ..options };
        let g = filled(found(&y, &x, seeds, true), &x, strict, Stage::Outputs);
        let products = gradients(&g, &u, directions, options, Stage::Cotangents);
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
        check_outputs(&y, options);
        y.iter().enumerate().map(|(i, y)| finished(rows(i, y, &x, options), options)).collect()
    })
}

/// The Jacobians of output `number` with respect to every input.
#[track_caller]
fn rows(number: usize, y: &Var, x: &[Var], options: DerivativeOptions) -> Vec<Var> {
    let count = y.numel();
    let mut rows: Vec<Vec<Var>> = x.iter().map(|_| Vec::with_capacity(count)).collect();
    for i in 0..count {
        let seed = Tensor::zeros([count], y.dtype()).index_fill(0, &Tensor::from_vec(vec![i as i64], [1]), 1.0);
        let seed = vec![Some(Var::from(seed.reshape(y.shape())))];
        let grads = gradients(std::slice::from_ref(y), x, seed, options, Stage::Row(number));
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
fn scalar(name: &str, y: Var, x: &[Var], options: DerivativeOptions) -> (Var, Vec<Var>) {
    check_outputs(std::slice::from_ref(&y), options);
    if y.numel() != 1 {
        bug!("", "The Tensor returned by the function given to {name} should contain a single element");
    }
    let seed = vec![Some(Var::from(y.value().ones_like()))];
    let found = found(std::slice::from_ref(&y), x, seed, true);
    // A Hessian takes zeros for a gradient that is not there, a product refuses them at once.
    let products = name != "hessian";
    for (i, grad) in found.iter().enumerate().filter(|_| options.strict) {
        match grad {
            None if products => Stage::Outputs.missing(i),
            Some(grad) if grad.requires_grad() => {}
            _ => bug!(
                "",
                "While computing the hessian, found that the jacobian of the user-provided function with respect to input {i} \
                 is independent of the input. This is not allowed in strict mode. You should ensure that your function is \
                 twice differentiable and that the jacobian depends on the inputs (this would be violated by a linear \
                 function for example)."
            ),
        }
    }
    (y, filled(found, x, DerivativeOptions::default(), Stage::Outputs))
}

/// The Hessian of a scalar function: for each pair of inputs a `Var` whose shape is that of the first and then that of the second.
///
/// # Panics
/// If the function does not return a single element.
#[track_caller]
pub fn hessian(f: impl Fn(&[Var]) -> Var, inputs: &[Var], options: DerivativeOptions) -> Vec<Vec<Var>> {
    enable_grad(|| {
        let x = tracked(inputs, options);
        let (_, g) = scalar("hessian", f(&x), &x, options);
        g.iter().enumerate().map(|(i, g)| finished(rows(i, g, &x, options), options)).collect()
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
    product("hvp", &f, inputs, v, options)
}

/// The value of a scalar function, and the products `vᵀ H` of its Hessian with `v`, one for each input.
///
/// # Panics
/// As [`hvp`].
#[track_caller]
pub fn vhp(f: impl Fn(&[Var]) -> Var, inputs: &[Var], v: &[Var], options: DerivativeOptions) -> (Var, Vec<Var>) {
    product("vhp", &f, inputs, v, options)
}

#[track_caller]
fn product(
    name: &str,
    f: &dyn Fn(&[Var]) -> Var,
    inputs: &[Var],
    v: &[Var],
    options: DerivativeOptions,
) -> (Var, Vec<Var>) {
    enable_grad(|| {
        let x = tracked(inputs, options);
        let directions = directions(v, &x);
        let (y, g) = scalar(name, f(&x), &x, options);
        let products = gradients(&g, &x, directions, options, Stage::Gradients);
        let y = if options.create_graph { y } else { y.detach() };
        (y, finished(products, options))
    })
}
