//! Gradient checkpointing: a part of a graph that is forgotten and computed again when its gradient is wanted.

use crate::backward::leaves;
use crate::op::{self, Context};
use crate::{GradOptions, Var, enable_grad, grad_or_none, is_grad_enabled};
use wengert_tensor::{Tensor, get_rng_state, set_rng_state};

/// Computes `f(inputs)` without keeping what its operations save; the backward pass computes it again
/// (`torch.utils.checkpoint.checkpoint`). `f` must do the same again: random numbers are drawn from the same state of the default
/// generator.
///
/// Gradients go to the inputs and to every tracked `Var` that `f` uses, such as parameters, and can be differentiated again.
///
/// # Examples
/// ```
/// use wengert_autograd::{Var, checkpoint, tensor::Tensor};
/// let x = Var::leaf(Tensor::from_vec(vec![1.0f64, 2.0], [2]));
/// let y = checkpoint(|x| x[0].exp().sin(), &[&x]);
/// y.sum(()).backward();
/// let plain = Var::leaf(x.value().clone());
/// plain.exp().sin().sum(()).backward();
/// assert_eq!(x.grad().unwrap().to_vec::<f64>(), plain.grad().unwrap().to_vec::<f64>());
/// ```
#[track_caller]
pub fn checkpoint(f: impl Fn(&[Var]) -> Var + Send + Sync + 'static, inputs: &[&Var]) -> Var {
    let owned: Vec<Var> = inputs.iter().map(|&x| x.clone()).collect();
    if !is_grad_enabled() {
        return f(&owned);
    }
    let state = get_rng_state();
    // Run once with a graph, which tells what else is differentiated, and is dropped at once.
    let apart: Vec<Var> = owned.iter().map(detached).collect();
    let first = f(&apart);
    let mine: Vec<u64> = apart.iter().filter_map(|x| x.node.as_ref()).map(|n| n.seq).collect();
    let others: Vec<Var> =
        leaves(&first).into_iter().filter(|x| x.node.as_ref().is_some_and(|n| !mine.contains(&n.seq))).collect();
    let value = first.into_value();
    let all: Vec<&Var> = owned.iter().chain(&others).collect();
    op::record_many("CheckpointBackward0", value, &all, || {
        let (owned, others) = (owned.clone(), others.clone());
        move |ctx: &Context<'_>, grad: &Var| {
            let record = is_grad_enabled();
            let inputs: Vec<Var> = if record { owned.clone() } else { owned.iter().map(detached).collect() };
            let again = enable_grad(|| with_state(&state, || f(&inputs)));
            let count = inputs.len() + others.len();
            let wanted: Vec<usize> = (0..count).filter(|&i| ctx.needs(i)).collect();
            let at = |i: usize| if i < inputs.len() { &inputs[i] } else { &others[i - inputs.len()] };
            let targets: Vec<&Var> = wanted.iter().map(|&i| at(i)).collect();
            let options =
                GradOptions { create_graph: record, grad_outputs: vec![Some(grad.clone())], ..Default::default() };
            let found = if again.requires_grad() {
                grad_or_none(&[&again], &targets, &options)
            } else {
                vec![None; wanted.len()]
            };
            let mut out = vec![None; count];
            wanted.into_iter().zip(found).for_each(|(i, grad)| out[i] = grad);
            out
        }
    })
}

/// A leaf of the same value where the original is tracked.
fn detached(x: &Var) -> Var {
    if x.requires_grad() { Var::leaf(x.value().clone()) } else { x.clone() }
}

/// Runs `f` with the default generator as it was, and puts it back to what it is.
fn with_state<R>(state: &Tensor, f: impl FnOnce() -> R) -> R {
    let set = |state: &Tensor| set_rng_state(state).expect("a state that a generator gave");
    let now = get_rng_state();
    set(state);
    let result = f();
    set(&now);
    result
}

/// [`checkpoint`] of functions in a row, in `segments` parts of about equal length (`checkpoint_sequential`).
///
/// # Panics
/// If there are no functions or `segments` is 0.
#[track_caller]
pub fn checkpoint_sequential<F>(functions: Vec<F>, segments: usize, input: &Var) -> Var
where
    F: Fn(&Var) -> Var + Send + Sync + 'static,
{
    if segments == 0 || functions.is_empty() {
        wengert_tensor::bug!("", "checkpoint_sequential needs functions and at least one segment");
    }
    let size = (functions.len() / segments).max(1);
    let mut rest = functions;
    let mut x = input.clone();
    for _ in 1..segments {
        if rest.len() <= size {
            break;
        }
        let tail = rest.split_off(size);
        let part = std::mem::replace(&mut rest, tail);
        x = checkpoint(move |x| part.iter().fold(x[0].clone(), |x, f| f(&x)), &[&x]);
    }
    // The last part keeps what it saves, as in PyTorch: its gradient is wanted at once.
    rest.iter().fold(x, |x, f| f(&x))
}
