//! Hooks on the gradients of `Var`s, and gradients that are kept although no leaf holds them.
//!
//! A hook belongs to a node by its sequence number and lives in a table beside the graph, so that nodes without hooks cost
//! nothing: a pass looks at the table only if there is a hook anywhere.

use crate::Var;
use crate::node::lock;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use wengert_tensor::{Tensor, bug};

type Change = Arc<dyn Fn(&Var) -> Option<Var> + Send + Sync>;
type Told = Arc<dyn Fn(&Var) + Send + Sync>;

/// What happens when the gradient of a node is known.
#[derive(Default)]
struct Entry {
    /// Hooks in the order in which they came, with the numbers of their handles.
    changes: Vec<(u64, Change)>,
    /// Called after a leaf's gradient was added to.
    after: Vec<(u64, Told)>,
    /// Where the gradient is kept, if it is.
    retained: Option<Arc<Mutex<Option<Tensor>>>>,
}

/// How many nodes have an entry.
static COUNT: AtomicUsize = AtomicUsize::new(0);
static TABLE: Mutex<Option<HashMap<u64, Entry>>> = Mutex::new(None);

fn with_entry<R>(seq: u64, f: impl FnOnce(&mut Entry) -> R) -> R {
    let mut table = lock(&TABLE);
    let table = table.get_or_insert_default();
    let result = f(table.entry(seq).or_default());
    COUNT.store(table.len(), Ordering::Release);
    result
}

/// Whether there are hooks at all.
#[inline]
pub(crate) fn any() -> bool {
    COUNT.load(Ordering::Acquire) != 0
}

/// The gradient of a node as its hooks leave it; kept if it is to be.
#[track_caller]
pub(crate) fn changed(seq: u64, grad: Var) -> Var {
    let (changes, retained) = {
        let table = lock(&TABLE);
        match table.as_ref().and_then(|t| t.get(&seq)) {
            None => return grad,
            // Not held while hooks run: they may register others.
            Some(entry) => (entry.changes.clone(), entry.retained.clone()),
        }
    };
    let mut grad = grad;
    for (_, change) in changes {
        if let Some(new) = change(&grad) {
            if new.shape() != grad.shape() {
                bug!("", "hook '{}' has changed the size of value", std::any::type_name::<Change>());
            }
            grad = new;
        }
    }
    if let Some(cell) = retained {
        let mut cell = lock(&cell);
        *cell = Some(match cell.take() {
            Some(sum) => sum.add(grad.value()),
            None => grad.value().clone(),
        });
    }
    grad
}

/// Tells those who asked that a leaf's gradient was added to.
pub(crate) fn accumulated(leaf: &Var) {
    let Some(seq) = leaf.node.as_ref().map(|n| n.seq) else { return };
    let after: Vec<Told> = {
        let table = lock(&TABLE);
        table
            .as_ref()
            .and_then(|t| t.get(&seq))
            .map(|e| e.after.iter().map(|(_, f)| f.clone()).collect())
            .unwrap_or_default()
    };
    after.iter().for_each(|f| f(leaf));
}

/// Forgets a node that is gone.
pub(crate) fn forget(seq: u64) {
    if any() {
        // What hooks own is dropped after the lock: it may be nodes, whose drop comes here.
        let gone = {
            let mut table = lock(&TABLE);
            let gone = table.as_mut().and_then(|t| t.remove(&seq));
            COUNT.store(table.as_ref().map_or(0, HashMap::len), Ordering::Release);
            gone
        };
        drop(gone);
    }
}

/// The kept gradient of what is no leaf.
pub(crate) fn retained(seq: u64) -> Option<Tensor> {
    let cell = lock(&TABLE).as_ref().and_then(|t| t.get(&seq)).and_then(|e| e.retained.clone())?;
    lock(&cell).clone()
}

/// A registered hook. Dropping it changes nothing; [`HookHandle::remove`] takes the hook away.
#[derive(Debug)]
pub struct HookHandle {
    seq: u64,
    number: u64,
}

impl HookHandle {
    fn new(seq: u64) -> HookHandle {
        HookHandle { seq, number: crate::node::next_seq() }
    }

    /// Removes the hook; no effect if its `Var` is gone.
    pub fn remove(self) {
        let gone = {
            let mut table = lock(&TABLE);
            let entry = table.as_mut().and_then(|t| t.get_mut(&self.seq));
            entry.map(|entry| {
                let (keep, gone): (Vec<_>, Vec<_>) =
                    std::mem::take(&mut entry.changes).into_iter().partition(|(n, _)| *n != self.number);
                entry.changes = keep;
                entry.after.retain(|(n, _)| *n != self.number);
                gone
            })
        };
        drop(gone);
    }
}

impl Var {
    /// Calls `hook` with the gradient whenever a backward pass has computed it; what the hook returns, if it returns
    /// something, takes its place (`Tensor.register_hook`).
    ///
    /// # Panics
    /// If this is not tracked.
    ///
    /// # Examples
    /// ```
    /// use wengert_autograd::{Var, tensor::Tensor};
    /// let x = Var::leaf(Tensor::from_vec(vec![1.0f32, 2.0], [2]));
    /// let y = &x * 3.0;
    /// y.register_hook(|grad| Some(grad * 10.0));
    /// y.sum(()).backward();
    /// assert_eq!(x.grad().unwrap().to_vec::<f32>(), [30.0, 30.0]);
    /// ```
    #[track_caller]
    pub fn register_hook(&self, hook: impl Fn(&Var) -> Option<Var> + Send + Sync + 'static) -> HookHandle {
        let Some(node) = &self.node else {
            bug!("", "cannot register a hook on a tensor that doesn't require gradient")
        };
        let handle = HookHandle::new(node.seq);
        with_entry(node.seq, |entry| entry.changes.push((handle.number, Arc::new(hook))));
        handle
    }

    /// Calls `hook` with this leaf after a backward pass has added to its gradient
    /// (`Tensor.register_post_accumulate_grad_hook`).
    ///
    /// # Panics
    /// If this is not a tracked leaf.
    #[track_caller]
    pub fn register_post_accumulate_grad_hook(&self, hook: impl Fn(&Var) + Send + Sync + 'static) -> HookHandle {
        let Some(node) = self.node.as_ref().filter(|node| node.rule.leaf().is_some()) else {
            bug!("", "post accumulate grad hooks cannot be registered on non-leaf tensors")
        };
        let handle = HookHandle::new(node.seq);
        with_entry(node.seq, |entry| entry.after.push((handle.number, Arc::new(hook))));
        handle
    }

    /// Keeps the gradient of this `Var`, which no leaf need be, for [`Var::grad`] (`Tensor.retain_grad`).
    ///
    /// # Panics
    /// If this is not tracked.
    #[track_caller]
    pub fn retain_grad(&self) {
        match &self.node {
            None => bug!("", "can't retain_grad on Tensor that has requires_grad=False"),
            Some(node) if node.rule.leaf().is_none() => {
                with_entry(node.seq, |entry| {
                    entry.retained.get_or_insert_default();
                });
            }
            Some(_) => {}
        }
    }
}
