//! Nodes of the graph: one per recorded operation, one per leaf.
//!
//! A node is one allocation: a header and, as its unsized tail, the rule with what it saved (or the gradient cell of a
//! leaf). Its sequence number is larger than those of all its inputs, so sequence numbers order the graph.

use crate::Var;
use crate::backward::Sink;
use crate::op::Context;
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wengert_tensor::shape::{self, Shape};
use wengert_tensor::{DType, Tensor};

/// A node whose rule's type is known only to the node.
pub(crate) type Node = NodeOf<dyn Slot>;
/// The edge from an operation to what made one of its inputs; `None` for constants.
pub(crate) type Edge = Option<Arc<Node>>;
/// The edges of an operation.
pub(crate) type Edges = SmallVec<[Edge; 2]>;

/// Header and rule of a node.
pub(crate) struct NodeOf<R: Slot + ?Sized> {
    pub(crate) head: Head,
    pub(crate) rule: R,
}

impl<R: Slot + ?Sized> std::ops::Deref for NodeOf<R> {
    type Target = Head;

    #[inline]
    fn deref(&self) -> &Head {
        &self.head
    }
}

/// What a node has whatever its rule.
pub(crate) struct Head {
    /// Position on the Wengert list; larger than that of every input.
    pub(crate) seq: u64,
    /// PyTorch's `grad_fn` name.
    pub(crate) name: &'static str,
    /// Where the operation was called.
    pub(crate) location: &'static Location<'static>,
    /// Shape of the value.
    pub(crate) shape: Shape,
    /// Dtype of the value.
    pub(crate) dtype: DType,
    pub(crate) inputs: Edges,
}

impl Head {
    /// With the next sequence number and the caller's location.
    #[track_caller]
    pub(crate) fn new(name: &'static str, shape: &[usize], dtype: DType, inputs: Edges) -> Head {
        Head { seq: next_seq(), name, location: Location::caller(), shape: shape::copied(shape), dtype, inputs }
    }

    /// Puts the inputs on the work list; says whether there are any, and the list.
    fn doom_inputs(&mut self) -> bool {
        crate::hook::forget(self.seq);
        if self.inputs.is_empty() {
            return false;
        }
        // A thread that is being torn down has no work list any more; then nested drops are all that is left.
        let listed = DOOMED.try_with(|doomed| {
            let mut nodes = doomed.nodes.borrow_mut();
            self.inputs.iter_mut().filter_map(Option::take).for_each(|node| nodes.push(node));
        });
        listed.is_ok()
    }
}

/// Nodes that wait to be dropped, and whether that is under way.
struct Doomed {
    nodes: RefCell<Vec<Arc<Node>>>,
    draining: Cell<bool>,
}

/// Drops what is on the work list, unless that is under way.
fn drain() {
    DOOMED.with(|doomed| {
        if doomed.draining.get() {
            return;
        }
        doomed.draining.set(true);
        loop {
            // Apart from the drop, which puts others on the list.
            let Some(node) = doomed.nodes.borrow_mut().pop() else { break };
            drop(node);
        }
        doomed.draining.set(false);
    });
}

/// What a node holds in its tail: a rule that runs, or a leaf's gradient.
pub(crate) trait Slot: Send + Sync {
    /// Gives the cotangents of the inputs to `out`; `false` if the rule was given up by an earlier pass.
    /// Unless `retain`, gives up the rule and all it saved.
    fn run(&self, context: &Context<'_>, cotangent: Var, retain: bool, out: &mut Sink<'_>) -> bool;
    /// Gives up the rule and all it saved.
    fn clear(&mut self);
    /// The leaf, if this is one.
    fn leaf(&self) -> Option<&Leaf> {
        None
    }
}

/// A rule that may have been given up.
pub(crate) struct Rule<R>(pub(crate) Mutex<Option<R>>);

/// A rule that takes the cotangent by value, so that it may write its result over it.
pub(crate) struct Consuming<R>(pub(crate) Mutex<Option<R>>);

/// A rule maps the cotangent of the output to those of the inputs; `Cotangents` is what it may return.
pub(crate) trait Cotangents {
    /// Gives one for each input whose cotangent there is.
    fn give(self, out: &mut Sink<'_>);
}
impl Cotangents for Var {
    #[inline]
    fn give(self, out: &mut Sink<'_>) {
        out.give(0, self);
    }
}
impl<const N: usize> Cotangents for [Option<Var>; N] {
    #[inline]
    fn give(self, out: &mut Sink<'_>) {
        for (index, grad) in self.into_iter().enumerate() {
            if let Some(grad) = grad {
                out.give(index, grad);
            }
        }
    }
}
impl Cotangents for Vec<Option<Var>> {
    fn give(self, out: &mut Sink<'_>) {
        debug_assert_eq!(self.len(), out.inputs(), "too few or too many gradients");
        for (index, grad) in self.into_iter().enumerate() {
            if let Some(grad) = grad {
                out.give(index, grad);
            }
        }
    }
}

impl<R, C> Slot for Rule<R>
where
    R: Fn(&Context<'_>, &Var) -> C + Send + Sync,
    C: Cotangents,
{
    fn run(&self, context: &Context<'_>, cotangent: Var, retain: bool, out: &mut Sink<'_>) -> bool {
        with_rule(&self.0, retain, |rule| rule(context, &cotangent).give(out))
    }

    fn clear(&mut self) {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl<R, C> Slot for Consuming<R>
where
    R: Fn(&Context<'_>, Var) -> C + Send + Sync,
    C: Cotangents,
{
    fn run(&self, context: &Context<'_>, cotangent: Var, retain: bool, out: &mut Sink<'_>) -> bool {
        with_rule(&self.0, retain, |rule| rule(context, cotangent).give(out))
    }

    fn clear(&mut self) {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Runs `f` on the rule, unless it was given up: then `false`. Unless `retain`, it is given up now.
#[inline]
fn with_rule<R>(cell: &Mutex<Option<R>>, retain: bool, f: impl FnOnce(&R)) -> bool {
    // The lock is held while the rule runs; a rule never runs its own node.
    let mut cell = lock(cell);
    let Some(rule) = &*cell else { return false };
    f(rule);
    // A rule that saved nothing is kept in any case: as in PyTorch, it may run again.
    if !retain && std::mem::needs_drop::<R>() {
        *cell = None;
    }
    true
}

/// The tail of a leaf: where gradients accumulate.
#[derive(Default)]
pub(crate) struct Leaf {
    grad: Mutex<Option<Tensor>>,
}

impl Leaf {
    pub(crate) fn grad(&self) -> MutexGuard<'_, Option<Tensor>> {
        lock(&self.grad)
    }
}

impl Slot for Leaf {
    fn run(&self, _: &Context<'_>, _: Var, _: bool, _: &mut Sink<'_>) -> bool {
        unreachable!("a leaf has no inputs")
    }
    fn clear(&mut self) {}
    fn leaf(&self) -> Option<&Leaf> {
        Some(self)
    }
}

/// The next sequence number. One counter for all threads: a `Var` may travel, and its users must come after it.
pub(crate) fn next_seq() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The node of a new leaf.
#[track_caller]
pub(crate) fn leaf(shape: &[usize], dtype: DType) -> Arc<Node> {
    Arc::new(NodeOf { head: Head::new("AccumulateGrad", shape, dtype, Edges::new()), rule: Leaf::default() })
}

/// A lock that outlives panics: what it guards is replaced whole, never left half written.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    static DOOMED: Doomed = const { Doomed { nodes: RefCell::new(Vec::new()), draining: Cell::new(false) } };
}

/// Dropping a node must not drop its inputs from within: a chain of a million nodes would overflow the stack. Inputs go
/// to a work list instead, which the outermost drop works off. What a rule saved are its node's inputs or constants, so
/// clearing the rule after the inputs were put on the list never drops a node.
impl<R: Slot + ?Sized> Drop for NodeOf<R> {
    fn drop(&mut self) {
        let listed = self.head.doom_inputs();
        self.rule.clear();
        if listed {
            drain();
        }
    }
}
