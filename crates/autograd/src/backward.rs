//! The backward pass: collect the Wengert list, then run it from its end.
//!
//! Nodes reachable from the outputs are taken from a heap by sequence number, so the list is in reverse order of
//! computation and every consumer of a value comes before the value; leaves, which compute nothing, come after all. A position
//! on the list is found by binary search: there is no map, no visited set and no recursion. Nodes that do not lead to a wanted input are passed over.
//! Cotangents are moved into place, later ones added in place, and dropped as soon as they are used; unless the graph is
//! to be retained, so is what each rule saved. Leaves get their gradients after the whole pass has succeeded.

use crate::Var;
use crate::mode::GradMode;
use crate::node::Node;
use crate::op::Context;
use crate::{anomaly, hook};
use std::collections::BinaryHeap;
use std::sync::Arc;
use wengert_tensor::shape::{self, same, size_text};
use wengert_tensor::{Tensor, bug, profile};

/// How [`Var::backward_with`] starts and what it leaves.
///
/// # Examples
/// ```
/// use wengert_autograd::{BackwardOptions, Var, tensor::Tensor};
/// let x = Var::leaf(Tensor::from_vec(vec![3.0f64], [1]));
/// let y = &x * &x;
/// y.backward_with(BackwardOptions { retain_graph: true, ..Default::default() });
/// y.backward();
/// assert_eq!(x.grad().unwrap().item::<f64>(), 12.0);
/// ```
#[derive(Clone, Default)]
pub struct BackwardOptions {
    /// The gradient of the result with respect to this `Var`; none stands for 1 and needs a scalar.
    pub gradient: Option<Tensor>,
    /// Keeps what the graph saved, so that another pass can go through it.
    pub retain_graph: bool,
}

impl From<Tensor> for BackwardOptions {
    fn from(gradient: Tensor) -> BackwardOptions {
        BackwardOptions { gradient: Some(gradient), retain_graph: false }
    }
}
impl From<&Tensor> for BackwardOptions {
    fn from(gradient: &Tensor) -> BackwardOptions {
        gradient.clone().into()
    }
}

/// What [`grad`] does besides computing gradients; the default is PyTorch's.
#[derive(Clone, Default)]
pub struct GradOptions {
    /// Records the pass, so that the gradients can be differentiated again. Implies `retain_graph`.
    pub create_graph: bool,
    /// Keeps what the graph saved, so that another pass can go through it.
    pub retain_graph: bool,
    /// Gives zeros for inputs on which the outputs do not depend, instead of panicking (`materialize_grads` in PyTorch).
    pub allow_unused: bool,
    /// The gradients with respect to the outputs: one for each, or none at all where every output is a scalar.
    pub grad_outputs: Vec<Option<Var>>,
}

/// The gradients of the sum of `outputs` with respect to each of `inputs` (`torch.autograd.grad`).
///
/// Inputs may be leaves or results of operations. The gradients of leaves are returned, not accumulated.
///
/// # Panics
/// If an output is not scalar and has no gradient given, no output is tracked, an input is not tracked or (unless
/// allowed) not used, or the graph was freed; in PyTorch's words.
///
/// # Examples
/// ```
/// use wengert_autograd::{GradOptions, Var, grad, tensor::Tensor};
/// let x = Var::leaf(Tensor::from_vec(vec![2.0f64], [1]));
/// let y = &(&x * &x) * &x;
/// let first = grad(&[&y], &[&x], &GradOptions { create_graph: true, ..Default::default() });
/// let second = grad(&[&first[0]], &[&x], &GradOptions::default());
/// assert_eq!((first[0].item::<f64>(), second[0].item::<f64>()), (12.0, 12.0));
/// ```
#[track_caller]
pub fn grad(outputs: &[&Var], inputs: &[&Var], options: &GradOptions) -> Vec<Var> {
    let found = grad_or_none(outputs, inputs, options);
    found
        .into_iter()
        .zip(inputs)
        .enumerate()
        .map(|(index, (grad, input))| match grad {
            Some(grad) => grad,
            None if options.allow_unused => Var::from(input.value.zeros_like()),
            None => bug!(
                "",
                "The differentiated Tensor at index {index} appears to not have been used in the graph. Set \
                 allow_unused=True if this is the desired behavior."
            ),
        })
        .collect()
}

/// [`grad`], with `None` for inputs on which the outputs do not depend (PyTorch's `allow_unused=True`).
///
/// # Panics
/// As [`grad`], but for unused inputs.
#[track_caller]
pub fn grad_or_none(outputs: &[&Var], inputs: &[&Var], options: &GradOptions) -> Vec<Option<Var>> {
    if !options.grad_outputs.is_empty() && options.grad_outputs.len() != outputs.len() {
        bug!("grad", "got {} tensors and {} gradients", outputs.len(), options.grad_outputs.len());
    }
    let mut roots = Vec::new();
    for (index, output) in outputs.iter().enumerate() {
        let given = options.grad_outputs.get(index).cloned().flatten();
        roots.push(root(index, output, given));
    }
    let wanted: Vec<&Arc<Node>> = inputs
        .iter()
        .map(|input| match &input.node {
            Some(node) => node,
            None => bug!("", "One of the differentiated Tensors does not require grad"),
        })
        .collect();
    let _mode = GradMode::set(options.create_graph);
    let list = List::collect(roots.iter().map(|(node, _)| *node));
    let targets: Vec<Option<usize>> = wanted.iter().map(|node| list.position_of(node)).collect();
    let mut capture = vec![false; list.nodes.len()];
    targets.iter().flatten().for_each(|&at| capture[at] = true);
    let pass = Pass { record: options.create_graph, retain: options.create_graph || options.retain_graph };
    let mut slots = pass.run(&list, &capture, roots);
    // The same input may be asked for twice; only its last taker may move the gradient.
    (0..targets.len())
        .map(|i| {
            let at = targets[i]?;
            if targets[i + 1..].contains(&Some(at)) { slots.get(at).cloned() } else { slots.take(at) }
        })
        .collect()
}

/// `Var::backward`: the gradients of all leaves, accumulated.
#[track_caller]
pub(crate) fn backward(output: &Var, options: BackwardOptions) {
    let roots = vec![root(0, output, options.gradient.map(Var::from))];
    let _mode = GradMode::disabled();
    let list = List::collect(roots.iter().map(|(node, _)| *node));
    let mut capture = vec![false; list.nodes.len()];
    capture[list.leaves..].fill(true);
    let pass = Pass { record: false, retain: options.retain_graph };
    let mut slots = pass.run(&list, &capture, roots);
    for (at, node) in list.nodes.iter().enumerate().skip(list.leaves) {
        let (Some(leaf), Some(grad)) = (node.rule.leaf(), slots.take(at)) else { continue };
        let mut cell = leaf.grad();
        match &mut *cell {
            Some(sum) => add(sum, &grad.value),
            None => *cell = Some(own(grad.value)),
        }
        drop(cell);
        if hook::any() {
            let value = Tensor::zeros((), node.dtype).expand(&node.shape[..]);
            hook::accumulated(&Var::with_node(value, Some((*node).clone())));
        }
    }
}

/// The tracked leaves on which `output` depends, as `Var`s whose values are not known here.
pub(crate) fn leaves(output: &Var) -> Vec<Var> {
    let list = List::collect(output.node.iter());
    list.nodes[list.leaves..]
        .iter()
        .map(|node| Var::with_node(Tensor::zeros((), node.dtype).expand(&node.shape[..]), Some((*node).clone())))
        .collect()
}

/// Checks one output and makes the cotangent with which the pass starts.
#[track_caller]
fn root(index: usize, output: &Var, given: Option<Var>) -> (&Arc<Node>, Var) {
    let Some(node) = &output.node else {
        bug!("", "element {index} of tensors does not require grad and does not have a grad_fn")
    };
    let cotangent = match given {
        Some(grad) if grad.shape() != output.shape() => bug!(
            "",
            "Mismatch in shape: grad_output[{index}] has a shape of {} and output[{index}] has a shape of {}.",
            size_text(grad.shape()),
            size_text(output.shape())
        ),
        Some(grad) if grad.dtype() != output.dtype() => grad.to(output.dtype()),
        Some(grad) => grad,
        None if output.numel() == 1 => Var::from(output.value.ones_like()),
        None => bug!("", "grad can be implicitly created only for scalar outputs"),
    };
    (node, cotangent)
}

/// The reachable nodes, and where their inputs are.
struct List<'a> {
    /// Operations, latest first, then leaves, latest first.
    nodes: Vec<&'a Arc<Node>>,
    /// The nodes' sequence numbers, falling among operations and among leaves.
    seqs: Vec<u64>,
    /// Where the leaves begin.
    leaves: usize,
    /// The positions of all nodes' inputs, one node after the other; `Context::NONE` for constants.
    edges: Vec<u32>,
    /// Where each node's edges begin, and the end.
    starts: Vec<u32>,
}

/// Orders the heap by sequence number alone.
struct Entry<'a>(&'a Arc<Node>, u64);
impl PartialEq for Entry<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.1 == other.1
    }
}
impl Eq for Entry<'_> {}
impl PartialOrd for Entry<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.1.cmp(&other.1)
    }
}

impl<'a> List<'a> {
    fn collect(roots: impl Iterator<Item = &'a Arc<Node>>) -> List<'a> {
        let mut heap = BinaryHeap::new();
        let (mut nodes, mut seqs, mut leaves) = (Vec::new(), Vec::new(), Vec::new());
        let mut next = None;
        roots.for_each(|root| follow(root, &mut next, &mut heap, &mut leaves));
        while let Some(Entry(node, seq)) = next.take().or_else(|| heap.pop()) {
            if seqs.last() == Some(&seq) {
                continue;
            }
            nodes.push(node);
            seqs.push(seq);
            node.inputs.iter().flatten().for_each(|input| follow(input, &mut next, &mut heap, &mut leaves));
            // The latest of all goes on: most often it is an input of this node, and the heap is not touched.
            if next.as_ref().zip(heap.peek()).is_some_and(|(next, top)| next < top) {
                heap.extend(next.take());
            }
        }
        leaves.sort_unstable_by_key(|leaf| std::cmp::Reverse(leaf.seq));
        leaves.dedup_by_key(|leaf| leaf.seq);
        let mut list = List { leaves: nodes.len(), nodes, seqs, edges: Vec::new(), starts: Vec::new() };
        list.seqs.extend(leaves.iter().map(|leaf| leaf.seq));
        list.nodes.extend(leaves);
        (list.edges, list.starts) = (Vec::with_capacity(2 * list.leaves), Vec::with_capacity(list.nodes.len() + 1));
        for at in 0..list.nodes.len() {
            list.starts.push(list.edges.len() as u32);
            for input in &list.nodes[at].inputs {
                // Most often the input is the very next node.
                let edge = input.as_ref().map_or(Context::NONE, |input| match list.seqs.get(at + 1) {
                    Some(&next) if next == input.seq => at as u32 + 1,
                    _ => list.position_of(input).expect("inputs of listed nodes are listed") as u32,
                });
                list.edges.push(edge);
            }
        }
        list.starts.push(list.edges.len() as u32);
        list
    }

    /// Where a node is.
    fn position_of(&self, node: &Node) -> Option<usize> {
        let (start, end) = if node.inputs.is_empty() { (self.leaves, self.seqs.len()) } else { (0, self.leaves) };
        self.seqs[start..end].binary_search_by(|probe| node.seq.cmp(probe)).ok().map(|at| start + at)
    }
}

/// Puts a node where it waits for its turn: a leaf on its list, any other on the heap or, if it is the latest so far, aside.
#[inline]
fn follow<'a>(
    node: &'a Arc<Node>,
    next: &mut Option<Entry<'a>>,
    heap: &mut BinaryHeap<Entry<'a>>,
    leaves: &mut Vec<&'a Arc<Node>>,
) {
    if node.inputs.is_empty() {
        // A leaf that many operations share comes again and again.
        if !leaves.iter().rev().take(4).any(|leaf| leaf.seq == node.seq) {
            leaves.push(node);
        }
        return;
    }
    let entry = Entry(node, node.seq);
    match next {
        None => *next = Some(entry),
        Some(other) if *other < entry => heap.extend(next.replace(entry)),
        Some(_) => heap.push(entry),
    }
}

/// How a pass runs its rules.
struct Pass {
    /// Sums of cotangents are recorded (rules record by the grad mode, which the caller has set).
    record: bool,
    retain: bool,
}

impl Pass {
    /// Runs the list. What is returned has the cotangents of the nodes in `capture`, where they have one.
    #[track_caller]
    fn run(&self, list: &List<'_>, capture: &[bool], roots: Vec<(&Arc<Node>, Var)>) -> Slots {
        let count = list.nodes.len();
        // A node is live if it leads to a captured one; nodes come after their consumers, so from the back.
        let mut live = capture.to_vec();
        let mut edges = list.edges.clone();
        for at in (0..count).rev() {
            for edge in &mut edges[list.starts[at] as usize..list.starts[at + 1] as usize] {
                match *edge {
                    Context::NONE => {}
                    to if live[to as usize] => live[at] = true,
                    _ => *edge = Context::NONE,
                }
            }
        }
        let mut slots = Slots { places: vec![Context::NONE; count], cotangents: Vec::new(), free: Vec::new() };
        for (node, cotangent) in roots {
            let at = list.position_of(node).expect("roots are listed");
            slots.add(at, cotangent, self.record);
        }
        let (hooks, anomaly) = (hook::any(), anomaly::is_on());
        for at in 0..count {
            if hooks && let Some(cotangent) = slots.take(at) {
                slots.add(at, hook::changed(list.seqs[at], cotangent), false);
            }
            let inputs = &edges[list.starts[at] as usize..list.starts[at + 1] as usize];
            if !live[at] || inputs.iter().all(|&edge| edge == Context::NONE) {
                if !capture[at] {
                    slots.take(at);
                }
                continue;
            }
            let cotangent = if capture[at] { slots.get(at).cloned() } else { slots.take(at) };
            let Some(cotangent) = cotangent else { continue };
            let node = list.nodes[at];
            let context = Context { node, edges: inputs };
            let mut out =
                Sink { slots: &mut slots, nodes: &list.nodes, edges: inputs, record: self.record, anomaly, odd: None };
            let span = profile::span(node.name);
            if !node.rule.run(&context, cotangent, self.retain, &mut out) {
                bug!(
                    "",
                    "Trying to backward through the graph a second time (or directly access saved tensors after they \
                     have already been freed). Saved intermediate values of the graph are freed when you call \
                     .backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the \
                     graph a second time or if you need to access saved tensors after calling backward."
                );
            }
            drop(span);
            if let Some((index, grad)) = out.odd {
                refuse(&grad, node, index, anomaly);
            }
        }
        slots
    }
}

/// The cotangents that wait for their nodes' turn. There are few at a time, so they lie side by side and nodes say where.
struct Slots {
    /// The place of each node's cotangent, or `Context::NONE`.
    places: Vec<u32>,
    cotangents: Vec<Option<Var>>,
    /// Places that are free again.
    free: Vec<u32>,
}

impl Slots {
    fn get(&self, at: usize) -> Option<&Var> {
        match self.places[at] {
            Context::NONE => None,
            place => self.cotangents[place as usize].as_ref(),
        }
    }

    fn get_mut(&mut self, at: usize) -> Option<&mut Var> {
        match self.places[at] {
            Context::NONE => None,
            place => self.cotangents[place as usize].as_mut(),
        }
    }

    #[inline]
    fn take(&mut self, at: usize) -> Option<Var> {
        match std::mem::replace(&mut self.places[at], Context::NONE) {
            Context::NONE => None,
            place => {
                self.free.push(place);
                self.cotangents[place as usize].take()
            }
        }
    }

    /// Adds to the cotangent of a node.
    #[inline]
    fn add(&mut self, at: usize, grad: Var, record: bool) {
        if let Some(sum) = self.get_mut(at) {
            return match record {
                true => *sum = &*sum + &grad,
                false => add(&mut sum.value, &grad.value),
            };
        }
        self.places[at] = match self.free.pop() {
            Some(place) => {
                self.cotangents[place as usize] = Some(grad);
                place
            }
            None => {
                self.cotangents.push(Some(grad));
                self.cotangents.len() as u32 - 1
            }
        };
    }
}

/// Takes the cotangents of a node's inputs to where they are summed.
pub(crate) struct Sink<'p> {
    slots: &'p mut Slots,
    nodes: &'p [&'p Arc<Node>],
    /// Where the inputs are.
    edges: &'p [u32],
    record: bool,
    anomaly: bool,
    /// The first that cannot be taken, for a panic at the place of the pass.
    odd: Option<(usize, Var)>,
}

impl Sink<'_> {
    /// How many inputs there are.
    pub(crate) fn inputs(&self) -> usize {
        self.edges.len()
    }

    /// Takes the cotangent of input `index`, if it is wanted.
    pub(crate) fn give(&mut self, index: usize, grad: Var) {
        let edge = self.edges[index];
        if edge == Context::NONE || self.odd.is_some() {
            return;
        }
        let input = self.nodes[edge as usize];
        if self.anomaly && anomaly::has_nan(&grad) {
            self.odd = Some((index, grad));
            return;
        }
        let grad = if grad.dtype() == input.dtype { grad } else { grad.to(input.dtype) };
        let grad = if same(grad.shape(), &input.shape) {
            grad
        } else if expands(&input.shape, grad.shape()) {
            // The input was broadcast.
            grad.sum_to(&input.shape)
        } else {
            self.odd = Some((index, grad));
            return;
        };
        self.slots.add(edge as usize, grad, self.record);
    }
}

/// Panics for a gradient that has a NaN, in anomaly mode, or another shape than its input.
#[cold]
#[track_caller]
fn refuse(grad: &Var, node: &Node, index: usize, anomaly: bool) {
    if anomaly {
        anomaly::check_backward(node.name, node.location, index, grad);
    }
    bug!(
        "",
        "Function {} (called at {}) returned an invalid gradient at index {index} - got {:?} but expected shape compatible \
         with {:?}",
        node.name,
        node.location,
        grad.shape(),
        node.inputs[index].as_ref().map_or(&[][..], |input| &input.shape[..])
    );
}

/// Whether `from` broadcasts to exactly `to`.
fn expands(from: &[usize], to: &[usize]) -> bool {
    from.len() <= to.len() && from.iter().rev().zip(to.iter().rev()).all(|(&a, &b)| a == b || a == 1)
}

/// Adds to a cotangent: in place if nobody else sees its memory, else into new memory, in one pass either way.
fn add(sum: &mut Tensor, grad: &Tensor) {
    if Arc::strong_count(sum.storage()) == 1 && sum.is_contiguous() {
        sum.add_(grad);
    } else {
        *sum = &*sum + grad;
    }
}

/// A gradient that a leaf may keep: dense, and not a part of a larger buffer.
fn own(grad: Tensor) -> Tensor {
    if grad.is_contiguous() && grad.storage().len() == shape::numel(grad.shape()) { grad } else { grad.copy() }
}
