//! Watching forward passes: hooks on modules, and the path of a module in errors.
//!
//! `#[module]` puts what is here around every `forward`. On the way in that is one thread-local counter; only if there are
//! hooks, or an observer, or this is the outermost of several modules, does more happen.

use crate::walk::{self, Members};
use crate::{Mode, Module, Var, Visitor};
use std::any::TypeId;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use wengert_autograd::op;
use wengert_tensor::{bug, error};

/// Called before a forward pass with the module and its input; what it returns takes the input's place.
pub type ForwardPreHook = Arc<dyn Fn(&dyn Module, &Var) -> Option<Var> + Send + Sync>;
/// Called after a forward pass with the module, its input and its output; what it returns takes the output's place.
pub type ForwardHook = Arc<dyn Fn(&dyn Module, &Var, &Var) -> Option<Var> + Send + Sync>;
/// Called in a backward pass with the gradients of a module's input (if it has one) and output; what it returns takes the place of
/// the input's.
pub type BackwardHook = Arc<dyn Fn(Option<&Var>, &Var) -> Option<Var> + Send + Sync>;

/// The hooks of one module, in the order in which they came, with their numbers.
#[derive(Default)]
pub(crate) struct Hooks {
    pre: Vec<(u64, ForwardPreHook)>,
    post: Vec<(u64, ForwardHook)>,
    backward: Vec<(u64, BackwardHook)>,
}

impl Hooks {
    fn len(&self) -> usize {
        self.pre.len() + self.post.len() + self.backward.len()
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        HOOKS.fetch_sub(self.len(), Ordering::Relaxed);
    }
}

/// How many hooks there are on all modules.
static HOOKS: AtomicUsize = AtomicUsize::new(0);

type Observer = Box<dyn FnMut(&dyn Module, &Var, &Var)>;
type Identity = (usize, TypeId);

thread_local! {
    /// How many forward passes are under way, one within the other.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    static OBSERVER: RefCell<Option<Observer>> = const { RefCell::new(None) };
    /// The module whose pass is under way.
    static INNERMOST: Cell<Option<Identity>> = const { Cell::new(None) };
    static OBSERVING: Cell<bool> = const { Cell::new(false) };
    /// The module in which a panic began, while it unwinds: identity and class.
    static FAILED: RefCell<Option<(Option<Identity>, String)>> = const { RefCell::new(None) };
}

/// A forward pass under way.
#[doc(hidden)]
pub struct Level<'a> {
    module: &'a dyn Module,
    around: Option<Identity>,
}

impl<'a> Level<'a> {
    /// One deeper, until it is dropped.
    pub fn new(module: &'a dyn Module) -> Level<'a> {
        DEPTH.set(DEPTH.get() + 1);
        Level { module, around: INNERMOST.replace(walk::identity(module)) }
    }
}

impl Drop for Level<'_> {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
        INNERMOST.set(self.around);
        if std::thread::panicking() {
            record(self.module);
        }
    }
}

/// Notes the innermost module that a panic leaves.
#[cold]
fn record(module: &dyn Module) {
    FAILED.with_borrow_mut(|failed| {
        failed.get_or_insert_with(|| (walk::identity(module), module.type_name().to_owned()));
    });
}

/// Whether a forward pass needs no more than a [`Level`].
#[doc(hidden)]
pub fn plain(module: &dyn Module) -> bool {
    idle() && (DEPTH.get() > 0 || !has_children(module)) || is_innermost(module)
}

/// Whether there is nothing that wants to see what goes through modules.
pub(crate) fn idle() -> bool {
    HOOKS.load(Ordering::Relaxed) == 0 && !OBSERVING.get()
}

/// Whether the pass that is under way is this module's own, which calls another of its methods.
fn is_innermost(module: &dyn Module) -> bool {
    INNERMOST.get().is_some_and(|innermost| walk::identity(module) == Some(innermost))
}

/// Runs a forward pass of any form under watch, as `#[module]` does with [`Module::forward`]: hooks see `input` and the first
/// output, a [`summary`](crate::summary()) lists the module, and errors say where in the net they came from.
///
/// For nets of yours that take or give more than one value:
///
/// ```
/// use wengert_nn::{GRU, Linear, Module, Tree, Var, tensor::{DType, Tensor}, watch};
///
/// #[derive(Tree)]
/// struct Net {
///     rnn: GRU,
///     output: Linear,
/// }
/// impl Module for Net {}
/// impl Net {
///     fn run(&self, x: &Var, state: Option<&Var>) -> (Var, Var) {
///         watch(self, x, |x| {
///             let (outputs, state) = self.rnn.run(x, state);
///             (self.output.forward(&outputs), state)
///         })
///     }
/// }
///
/// let net = Net { rnn: GRU::new(3, 4), output: Linear::new(4, 2) };
/// let x = Var::from(Tensor::ones([5, 1, 3], DType::F32));
/// assert_eq!(net.run(&x, None).0.shape(), [5, 1, 2]);
/// let wrong = Var::from(Tensor::ones([5, 1, 7], DType::F32));
/// let run = std::panic::AssertUnwindSafe(|| net.run(&wrong, None));
/// let error = std::panic::catch_unwind(run).unwrap_err();
/// assert_eq!(
///     *error.downcast::<String>().unwrap(),
///     "in rnn (GRU): input.size(-1) must be equal to input_size. Expected 3, got 7"
/// );
/// ```
#[track_caller]
pub fn watch<T>(module: &dyn Module, input: &Var, forward: impl Fn(&Var) -> (Var, T)) -> (Var, T) {
    if is_innermost(module) {
        return forward(input);
    }
    if DEPTH.get() > 0 && idle() {
        let _level = Level::new(module);
        return forward(input);
    }
    let rest = Cell::new(None);
    let output = watched(module, input, &|input| {
        let (output, more) = forward(input);
        rest.set(Some(more));
        output
    });
    (output, rest.take().expect("the forward pass ran"))
}

fn has_children(tree: &dyn Module) -> bool {
    struct Any(bool);
    impl<'a> Visitor<'a> for Any {
        fn child(&mut self, _: &str, _: &'a dyn Module) {
            self.0 = true;
        }
    }
    let mut any = Any(false);
    tree.visit(&mut any);
    any.0
}

/// Runs a forward pass with hooks and observer; if it is the outermost, names the module in which a panic began.
#[doc(hidden)]
#[track_caller]
pub fn watched(module: &dyn Module, input: &Var, forward: &dyn Fn(&Var) -> Var) -> Var {
    if DEPTH.get() > 0 || !cfg!(panic = "unwind") {
        let _level = Level::new(module);
        return hooked(module, input, forward);
    }
    let outcome = {
        let _silent = error::Silent::new();
        catch_unwind(AssertUnwindSafe(|| {
            let _level = Level::new(module);
            hooked(module, input, forward)
        }))
    };
    let panic = match outcome {
        Ok(output) => return output,
        Err(panic) => panic,
    };
    let failed = FAILED.take();
    let place = failed.and_then(|(identity, class)| {
        let found =
            walk::named_modules(module).into_iter().find(|(_, m)| identity.is_some() && walk::identity(*m) == identity);
        found.filter(|(path, _)| !path.is_empty()).map(|(path, _)| format!("in {path} ({class}): "))
    });
    match panic.downcast::<error::Silenced>() {
        // Not shown yet: its place is the call of the outermost module.
        Ok(silenced) => panic!("{}{}", place.unwrap_or_default(), silenced.message),
        Err(panic) => resume_unwind(panic),
    }
}

#[track_caller]
fn hooked(module: &dyn Module, input: &Var, forward: &dyn Fn(&Var) -> Var) -> Var {
    let hooks = match HOOKS.load(Ordering::Relaxed) {
        0 => None,
        _ => Members::of(module).mode.and_then(Mode::hooks),
    };
    let Some(hooks) = hooks else {
        let output = forward(input);
        observe(module, input, &output);
        return output;
    };
    // Copied, so that hooks may add and remove hooks.
    let (pre, post, backward) = {
        let hooks = hooks.lock().unwrap_or_else(PoisonError::into_inner);
        (hooks.pre.clone(), hooks.post.clone(), hooks.backward.clone())
    };
    let mut input = input.clone();
    for (_, hook) in pre {
        input = hook(module, &input).unwrap_or(input);
    }
    let cell = Arc::new(Mutex::new(None::<Var>));
    let seen = if backward.is_empty() { input.clone() } else { gate_in(&input, &cell, &backward) };
    let mut output = forward(&seen);
    for (_, hook) in post {
        output = hook(module, &input, &output).unwrap_or(output);
    }
    if !backward.is_empty() {
        output = gate_out(&output, &cell, &backward, input.requires_grad());
    }
    observe(module, &input, &output);
    output
}

fn lock<T>(cell: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    cell.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The input as it is; its gradient goes through the hooks.
fn gate_in(input: &Var, of_output: &Arc<Mutex<Option<Var>>>, hooks: &[(u64, BackwardHook)]) -> Var {
    op::record("BackwardHookFunctionBackward", input.value().clone(), [input], || {
        let (of_output, hooks) = (of_output.clone(), hooks.to_vec());
        move |_: &op::Context<'_>, grad: &Var| {
            let output = lock(&of_output).take();
            let mut grad = grad.clone();
            if let Some(output) = output {
                for (_, hook) in &hooks {
                    grad = hook(Some(&grad), &output).unwrap_or(grad);
                }
            }
            [Some(grad)]
        }
    })
}

/// The output as it is; its gradient is noted for the input's gate, or goes to the hooks at once where there is none.
fn gate_out(output: &Var, cell: &Arc<Mutex<Option<Var>>>, hooks: &[(u64, BackwardHook)], has_input: bool) -> Var {
    op::record("BackwardHookFunctionBackward", output.value().clone(), [output], || {
        let (cell, hooks) = (cell.clone(), hooks.to_vec());
        move |_: &op::Context<'_>, grad: &Var| {
            if has_input {
                *lock(&cell) = Some(grad.clone());
            } else {
                for (_, hook) in &hooks {
                    hook(None, grad);
                }
            }
            [Some(grad.clone())]
        }
    })
}

fn observe(module: &dyn Module, input: &Var, output: &Var) {
    if OBSERVING.get() {
        // Taken out while it runs: what it runs itself is not observed.
        let observer = OBSERVER.take();
        if let Some(mut observer) = observer {
            observer(module, input, output);
            OBSERVER.set(Some(observer));
        }
    }
}

/// Runs `f`, during which `observer` is shown every forward pass of this thread when it is done.
pub(crate) fn observing<R>(observer: impl FnMut(&dyn Module, &Var, &Var) + 'static, f: impl FnOnce() -> R) -> R {
    struct Stop;
    impl Drop for Stop {
        fn drop(&mut self) {
            OBSERVING.set(false);
            OBSERVER.set(None);
        }
    }
    OBSERVER.set(Some(Box::new(observer)));
    OBSERVING.set(true);
    let _stop = Stop;
    f()
}

/// A registered hook. Dropping it changes nothing; [`ModuleHook::remove`] takes the hook away.
pub struct ModuleHook {
    hooks: Weak<Mutex<Hooks>>,
    number: u64,
}

impl ModuleHook {
    /// Removes the hook; no effect if its module is gone.
    pub fn remove(self) {
        if let Some(hooks) = self.hooks.upgrade() {
            let mut hooks = lock(&hooks);
            let before = hooks.len();
            hooks.pre.retain(|(n, _)| *n != self.number);
            hooks.post.retain(|(n, _)| *n != self.number);
            hooks.backward.retain(|(n, _)| *n != self.number);
            HOOKS.fetch_sub(before - hooks.len(), Ordering::Relaxed);
        }
    }
}

/// Adds a hook to a module.
#[track_caller]
pub(crate) fn register(module: &dyn Module, add: impl FnOnce(&mut Hooks, u64)) -> ModuleHook {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let module = walk::resolve(module);
    let Some(mode) = Members::of(module).mode else {
        bug!(
            "",
            "{} has no field of type `Mode`, in which hooks are kept: add `mode: Mode` to it and `#[module]` to its `impl Module`",
            module.type_name()
        );
    };
    if !module.is_watched() {
        bug!(
            "",
            "hooks of {} would never run: put `#[module]` on its `impl Module`, so that its forward pass is seen",
            module.type_name()
        );
    }
    let hooks = mode.hooks_or_new();
    let number = NUMBER.fetch_add(1, Ordering::Relaxed) as u64;
    add(&mut lock(&hooks), number);
    HOOKS.fetch_add(1, Ordering::Relaxed);
    ModuleHook { hooks: Arc::downgrade(&hooks), number }
}

pub(crate) fn add_pre(hook: ForwardPreHook) -> impl FnOnce(&mut Hooks, u64) {
    move |hooks, number| hooks.pre.push((number, hook))
}

pub(crate) fn add_post(hook: ForwardHook) -> impl FnOnce(&mut Hooks, u64) {
    move |hooks, number| hooks.post.push((number, hook))
}

pub(crate) fn add_backward(hook: BackwardHook) -> impl FnOnce(&mut Hooks, u64) {
    move |hooks, number| hooks.backward.push((number, hook))
}
