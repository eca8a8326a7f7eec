//! Recording: the one way in which an operation enters the graph. Users can define operations with it too.

use crate::Var;
use crate::node::{Consuming, Edges, Head, Node, NodeOf, Rule, Slot};
use crate::{anomaly, mode};
use smallvec::smallvec;
use std::sync::{Arc, Mutex};
use wengert_tensor::Tensor;

/// What a rule may ask about the operation whose cotangent it got.
pub struct Context<'a> {
    pub(crate) node: &'a Arc<Node>,
    /// One entry per input: the position of its node in the pass, or [`Context::NONE`].
    pub(crate) edges: &'a [u32],
}

impl Context<'_> {
    pub(crate) const NONE: u32 = u32::MAX;

    /// Whether the gradient of input `index` is wanted. A rule returns `None` for the others and saves the work.
    #[inline]
    pub fn needs(&self, index: usize) -> bool {
        self.edges[index] != Context::NONE
    }

    /// The shape of input `index`.
    ///
    /// # Panics
    /// If its gradient is not wanted.
    pub fn shape(&self, index: usize) -> &[usize] {
        &self.input(index).shape
    }

    /// The dtype of input `index`.
    ///
    /// # Panics
    /// If its gradient is not wanted.
    pub fn dtype(&self, index: usize) -> wengert_tensor::DType {
        self.input(index).dtype
    }

    /// The operation's own output as a `Var` of the graph, given its value. A rule that needs the output saves the
    /// `Tensor`: were it to save the `Var`, the node would own itself and never be freed.
    pub fn output(&self, value: &Tensor) -> Var {
        Var::with_node(value.clone(), Some(self.node.clone()))
    }

    fn input(&self, index: usize) -> &Node {
        self.node.inputs[index].as_deref().expect("asked only for inputs whose gradient is wanted")
    }
}

/// Makes the result of an operation, and its node if one is due.
///
/// `value` is the result, `name` what [`Var::grad_fn`] shows, `inputs` are the operands. If the grad mode is on, the
/// value is of a floating dtype and an input is tracked, `rule` is asked for the operation's rule, which owns clones of
/// what it needs. The rule maps the cotangent of the result to one cotangent per input. It is written in operations on
/// `Var`, so that it can be differentiated again; unless a graph of it is asked for, it runs with the grad mode off.
/// A cotangent may have the shape and dtype to which its input was broadcast: it is summed and converted for the rule.
///
/// What the rule saves must be inputs of the operation or constants; its own output it saves as a `Tensor`
/// ([`Context::output`]).
///
/// # Examples
/// ```
/// use wengert_autograd::{Var, op, tensor::Tensor};
/// fn double(x: &Var) -> Var {
///     let value = x.value() * 2.0;
///     op::record("DoubleBackward", value, [x], || |_: &op::Context, grad: &Var| [Some(grad * 2.0)])
/// }
/// let x = Var::leaf(Tensor::from_vec(vec![3.0f32], [1]));
/// double(&x).backward();
/// assert_eq!(x.grad().unwrap().item::<f32>(), 2.0);
/// ```
#[inline]
#[track_caller]
pub fn record<const N: usize, R>(name: &'static str, value: Tensor, inputs: [&Var; N], rule: impl FnOnce() -> R) -> Var
where
    R: Fn(&Context<'_>, &Var) -> [Option<Var>; N] + Send + Sync + 'static,
{
    record_nodes(name, value, nodes(inputs), rule)
}

/// [`record`] given the operands' nodes; `None` for constants that are no `Var`.
#[inline]
#[track_caller]
pub(crate) fn record_nodes<const N: usize, R>(
    name: &'static str,
    value: Tensor,
    inputs: [Option<&Arc<Node>>; N],
    rule: impl FnOnce() -> R,
) -> Var
where
    R: Fn(&Context<'_>, &Var) -> [Option<Var>; N] + Send + Sync + 'static,
{
    if !due(&inputs, &value) {
        return Var::from(value);
    }
    attach(name, value, edges(inputs), Rule(Mutex::new(Some(rule()))))
}

/// Whether an operation with such operands and result enters the graph.
#[inline]
pub(crate) fn due(inputs: &[Option<&Arc<Node>>], value: &Tensor) -> bool {
    inputs.iter().any(Option::is_some) && mode::is_grad_enabled() && value.dtype().is_float()
}

/// [`record_nodes`] where a node is [`due`], for rules that take operands by value.
#[inline]
#[track_caller]
pub(crate) fn record_edges<const N: usize, R>(name: &'static str, value: Tensor, inputs: Edges, rule: R) -> Var
where
    R: Fn(&Context<'_>, &Var) -> [Option<Var>; N] + Send + Sync + 'static,
{
    attach(name, value, inputs, Rule(Mutex::new(Some(rule))))
}

/// [`record_edges`] for rules that take the cotangent by value too, to pass it on.
#[inline]
#[track_caller]
pub(crate) fn record_passing<const N: usize, R>(name: &'static str, value: Tensor, inputs: Edges, rule: R) -> Var
where
    R: Fn(&Context<'_>, Var) -> [Option<Var>; N] + Send + Sync + 'static,
{
    attach(name, value, inputs, Consuming(Mutex::new(Some(rule))))
}

/// [`record`] for operations of one input whose rule takes the cotangent by value, to write its result over it.
#[inline]
#[track_caller]
pub(crate) fn record_consuming<R>(name: &'static str, value: Tensor, x: &Var, rule: impl FnOnce() -> R) -> Var
where
    R: Fn(&Context<'_>, Var) -> Var + Send + Sync + 'static,
{
    match &x.node {
        Some(node) if mode::is_grad_enabled() && value.dtype().is_float() => {
            attach(name, value, smallvec![Some(node.clone())], Consuming(Mutex::new(Some(rule()))))
        }
        _ => Var::from(value),
    }
}

/// [`record`] for operations with any number of inputs, such as `cat`.
#[inline]
#[track_caller]
pub fn record_many<R>(name: &'static str, value: Tensor, inputs: &[&Var], rule: impl FnOnce() -> R) -> Var
where
    R: Fn(&Context<'_>, &Var) -> Vec<Option<Var>> + Send + Sync + 'static,
{
    if !records(inputs) || !value.dtype().is_float() {
        return Var::from(value);
    }
    attach(name, value, all_edges(inputs), Rule(Mutex::new(Some(rule()))))
}

/// Whether [`record`] would record: so that an operation can choose a fused kernel when it would not.
#[inline]
pub fn records(inputs: &[&Var]) -> bool {
    mode::is_grad_enabled() && inputs.iter().any(|x| x.node.is_some())
}

/// The new node of a result, which it is put on. What does not depend on the rule's type is compiled once.
#[inline]
#[track_caller]
fn attach<S: Slot + 'static>(name: &'static str, value: Tensor, inputs: Edges, rule: S) -> Var {
    let head = Head::new(name, value.shape(), value.dtype(), inputs);
    finish(value, Arc::new(NodeOf { head, rule }))
}

fn finish(value: Tensor, node: Arc<Node>) -> Var {
    let (name, location) = (node.name, node.location);
    let out = Var::with_node(value, Some(node));
    if anomaly::is_on() {
        anomaly::check_forward(name, location, &out);
    }
    out
}

#[inline]
fn nodes<const N: usize>(inputs: [&Var; N]) -> [Option<&Arc<Node>>; N] {
    let mut out = [None; N];
    for k in 0..N {
        out[k] = inputs[k].node.as_ref();
    }
    out
}

#[inline]
pub(crate) fn edges<const N: usize>(inputs: [Option<&Arc<Node>>; N]) -> Edges {
    if N > 2 {
        return inputs.iter().map(|node| node.cloned()).collect();
    }
    let mut few = [None, None];
    for k in 0..N {
        few[k] = inputs[k].cloned();
    }
    Edges::from_buf_and_len(few, N)
}

fn all_edges(inputs: &[&Var]) -> Edges {
    inputs.iter().map(|x| x.node.clone()).collect()
}
