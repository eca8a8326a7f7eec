//! [`Param`]: a leaf with a value that changes, as optimizers and modules need it.

use crate::Var;
use crate::node::{self, Node};
use crate::var::check_floating;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use wengert_tensor::{DType, Tensor};

/// A trainable tensor: identity, value, gradient, `requires_grad` (`torch.nn.Parameter`).
///
/// Clones are the same parameter. [`Param::var`] is a snapshot of the value that is tracked if `requires_grad`; a later
/// [`Param::update`] does not change it, nor anything the graph saved.
///
/// # Examples
/// ```
/// use wengert_autograd::{Param, tensor::Tensor};
/// let w = Param::new(Tensor::from_vec(vec![1.0f32, 2.0], [2]));
/// w.var().reshape([2, 1]).backward_with(&Tensor::from_vec(vec![3.0f32, 4.0], [2, 1]));
/// assert_eq!(w.grad().unwrap().to_vec::<f32>(), [3.0, 4.0]);
/// w.zero_grad();
/// assert!(w.grad().is_none());
/// ```
#[derive(Clone)]
pub struct Param(Arc<Inner>);

struct Inner {
    id: u64,
    /// Whether an empty value stands for none yet.
    lazy: bool,
    requires_grad: AtomicBool,
    state: RwLock<State>,
}

struct State {
    value: Tensor,
    /// The leaf of graphs; another one if shape or dtype change.
    leaf: Arc<Node>,
    /// What computes the value that users of the parameter see, if it is parametrised.
    parametrization: Option<Weak<dyn Compute>>,
}

/// What [`Param::var`] gives while a parameter is parametrised.
#[doc(hidden)]
pub trait Compute: Send + Sync {
    /// The value, with its history.
    fn compute(&self) -> Var;
    /// Whether the parameter's own value has no part in it.
    fn replaces(&self) -> bool;
}

impl Param {
    /// A parameter that requires a gradient.
    ///
    /// # Panics
    /// If the dtype is not a floating one.
    #[track_caller]
    pub fn new(value: Tensor) -> Param {
        Param::make(value, false)
    }

    /// A parameter without a shape (`torch.nn.parameter.UninitializedParameter`): [`Param::set`] gives it one, and until then its
    /// value is an empty tensor that only says its dtype, and what computes with it panics.
    ///
    /// # Examples
    /// ```
    /// use wengert_autograd::{Param, tensor::{DType, Tensor}};
    /// let w = Param::uninitialized();
    /// assert!(w.is_uninitialized());
    /// w.set(Tensor::ones([2, 3], DType::F32));
    /// assert_eq!(w.var().shape(), [2, 3]);
    /// ```
    pub fn uninitialized() -> Param {
        Param::make(Tensor::zeros([0], DType::F32), true)
    }

    #[track_caller]
    fn make(value: Tensor, lazy: bool) -> Param {
        check_floating(value.dtype());
        let leaf = node::leaf(value.shape(), value.dtype());
        let id = leaf.seq;
        let state = RwLock::new(State { value, leaf, parametrization: None });
        Param(Arc::new(Inner { id, lazy, requires_grad: AtomicBool::new(true), state }))
    }

    /// Whether the parameter has no shape yet.
    pub fn is_uninitialized(&self) -> bool {
        self.0.lazy && *self.read().value.shape() == [0]
    }

    #[track_caller]
    fn check_initialized(&self, state: &State, what: &str) {
        if self.0.lazy && *state.value.shape() == [0] {
            wengert_tensor::bug!(
                "",
                "Attempted to use an uninitialized parameter in {what}. This error happens when you are using a `LazyModule` or \
                 explicitly manipulating `Param::uninitialized` parameters. When using LazyModules Call `forward` with a dummy \
                 batch to initialize the parameters before calling torch functions"
            );
        }
    }

    /// The value now, tracked if the parameter requires a gradient. A parametrised one is computed.
    ///
    /// # Panics
    /// If the parameter is [uninitialised](Param::uninitialized).
    #[track_caller]
    pub fn var(&self) -> Var {
        let state = self.read();
        self.check_initialized(&state, "an operation");
        if let Some(by) = &state.parametrization
            && let Some(by) = by.upgrade()
        {
            drop(state);
            return by.compute();
        }
        self.tracked(&state)
    }

    /// [`Param::var`] without the parametrisation.
    #[doc(hidden)]
    #[track_caller]
    pub fn own_var(&self) -> Var {
        let state = self.read();
        self.check_initialized(&state, "an operation");
        self.tracked(&state)
    }

    fn tracked(&self, state: &State) -> Var {
        let node = self.requires_grad().then(|| state.leaf.clone());
        Var::with_node(state.value.clone(), node)
    }

    /// Lets [`Param::var`] be computed, or again be the value.
    #[doc(hidden)]
    pub fn parametrize(&self, by: Option<Weak<dyn Compute>>) {
        self.write().parametrization = by;
    }

    /// Whether [`Param::var`] is computed.
    #[doc(hidden)]
    pub fn is_parametrized(&self) -> bool {
        self.read().parametrization.as_ref().is_some_and(|by| by.strong_count() > 0)
    }

    /// The value now. Of a parametrised parameter it is what the parametrisation starts from, unless that has parameters
    /// of its own.
    pub fn value(&self) -> Tensor {
        let state = self.read();
        if let Some(by) = &state.parametrization
            && let Some(by) = by.upgrade()
            && by.replaces()
        {
            drop(state);
            return crate::no_grad(|| by.compute()).into_value();
        }
        state.value.clone()
    }

    /// Replaces the value. If shape or dtype change, graphs of the old value no longer reach the gradient, and the
    /// gradient so far is converted to the new dtype, or dropped if the shape is another.
    ///
    /// # Panics
    /// If the dtype is not a floating one.
    #[track_caller]
    pub fn set(&self, value: Tensor) {
        check_floating(value.dtype());
        let mut state = self.write();
        state.value = value;
        state.refit();
    }

    /// Changes the value in place: without a copy, if no graph and no snapshot holds it.
    ///
    /// # Panics
    /// If `f` leaves a value whose dtype is not a floating one.
    #[track_caller]
    pub fn update<R>(&self, f: impl FnOnce(&mut Tensor) -> R) -> R {
        let mut state = self.write();
        let result = f(&mut state.value);
        check_floating(state.value.dtype());
        state.refit();
        result
    }

    /// The accumulated gradient; `None` before the first backward pass and after [`Param::zero_grad`].
    pub fn grad(&self) -> Option<Tensor> {
        self.read().cell().grad().clone()
    }

    /// Replaces the gradient.
    ///
    /// # Panics
    /// If its shape or dtype is not the parameter's.
    #[track_caller]
    pub fn set_grad(&self, grad: Option<Tensor>) {
        let state = self.read();
        if let Some(grad) = &grad {
            if grad.shape() != state.value.shape() {
                wengert_tensor::bug!(
                    "",
                    "assigned grad has data of a different size: {:?} for a parameter of {:?}",
                    grad.shape(),
                    state.value.shape()
                );
            }
            if grad.dtype() != state.value.dtype() {
                wengert_tensor::bug!(
                    "",
                    "assigned grad has data of a different type: {} for a parameter of {}",
                    grad.dtype(),
                    state.value.dtype()
                );
            }
        }
        *state.cell().grad() = grad;
    }

    /// Changes the gradient in place, if there is one.
    pub fn update_grad<R>(&self, f: impl FnOnce(&mut Tensor) -> R) -> Option<R> {
        self.read().cell().grad().as_mut().map(f)
    }

    /// Sets the gradient to none.
    pub fn zero_grad(&self) {
        *self.read().cell().grad() = None;
    }

    /// Whether [`Param::var`] is tracked.
    pub fn requires_grad(&self) -> bool {
        self.0.requires_grad.load(Ordering::Relaxed)
    }

    /// Chooses whether [`Param::var`] is tracked; `false` freezes the parameter. The gradient so far stays.
    pub fn requires_grad_(&self, requires_grad: bool) -> &Param {
        self.0.requires_grad.store(requires_grad, Ordering::Relaxed);
        self
    }

    /// What tells parameters apart: clones have the same, no other parameter of the program has it.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// The shape of the value.
    ///
    /// # Panics
    /// If the parameter is [uninitialised](Param::uninitialized).
    #[track_caller]
    pub fn shape(&self) -> wengert_tensor::Shape {
        let state = self.read();
        if self.0.lazy && *state.value.shape() == [0] {
            wengert_tensor::bug!(
                "",
                "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in \
                 `load_state_dict` when trying to load an uninitialized parameter into an initialized one. Call `forward` to \
                 initialize the parameters before accessing their attributes."
            );
        }
        wengert_tensor::Shape::from_slice(state.value.shape())
    }

    /// The dtype of the value.
    pub fn dtype(&self) -> DType {
        self.read().value.dtype()
    }

    /// The number of elements.
    ///
    /// # Panics
    /// If the parameter is [uninitialised](Param::uninitialized).
    #[track_caller]
    pub fn numel(&self) -> usize {
        let state = self.read();
        self.check_initialized(&state, "numel");
        state.value.numel()
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn cell(&self) -> &node::Leaf {
        self.leaf.rule.leaf().expect("made by node::leaf")
    }

    /// Gives a value of another shape or dtype a leaf of its own.
    #[track_caller]
    fn refit(&mut self) {
        if self.leaf.shape[..] == *self.value.shape() && self.leaf.dtype == self.value.dtype() {
            return;
        }
        let leaf = node::leaf(self.value.shape(), self.value.dtype());
        let grad = self.cell().grad().take().filter(|grad| grad.shape() == self.value.shape());
        *leaf.rule.leaf().expect("made by node::leaf").grad() = grad.map(|grad| grad.to(self.value.dtype()));
        self.leaf = leaf;
    }
}

impl PartialEq for Param {
    /// Whether both are the same parameter, whatever their values.
    fn eq(&self, other: &Param) -> bool {
        self.id() == other.id()
    }
}
impl Eq for Param {}
