//! Cells that a module changes through `&self`: [`Buffer`] for tensors, [`Mode`] for the training flag.

use crate::hooks::Hooks;
use crate::parametrize::Parametrizations;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use wengert_tensor::{DType, Tensor};

/// A tensor that belongs to a module's state and is no parameter, such as a running mean.
///
/// Clones are the same buffer. A persistent buffer is in the state dict.
///
/// # Examples
/// ```
/// use wengert_nn::{Buffer, tensor::Tensor};
/// let steps = Buffer::new(Tensor::from_vec(vec![0i64], [1]));
/// steps.update(|t| t.as_mut_slice::<i64>()[0] += 1);
/// assert_eq!(steps.value().to_vec::<i64>(), [1]);
/// ```
#[derive(Clone)]
pub struct Buffer {
    value: Arc<RwLock<Tensor>>,
    persistent: bool,
    /// Whether an empty value stands for none yet.
    lazy: bool,
}

impl Buffer {
    /// A buffer that is in the state dict.
    pub fn new(value: Tensor) -> Buffer {
        Buffer { value: Arc::new(RwLock::new(value)), persistent: true, lazy: false }
    }

    /// A buffer without a shape (`torch.nn.parameter.UninitializedBuffer`): [`Buffer::set`] gives it one, and until then its value
    /// is an empty tensor.
    pub fn uninitialized() -> Buffer {
        Buffer { lazy: true, ..Buffer::new(Tensor::zeros([0], DType::F32)) }
    }

    /// Whether the buffer has no shape yet.
    pub fn is_uninitialized(&self) -> bool {
        self.lazy && *self.value().shape() == [0]
    }

    /// A buffer that is not in the state dict (`register_buffer(…, persistent=False)`).
    pub fn non_persistent(value: Tensor) -> Buffer {
        Buffer { persistent: false, ..Buffer::new(value) }
    }

    /// The value now; a later change does not show in it.
    pub fn value(&self) -> Tensor {
        self.value.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the value.
    pub fn set(&self, value: Tensor) {
        *self.value.write().unwrap_or_else(PoisonError::into_inner) = value;
    }

    /// Changes the value in place: without a copy, if no snapshot shares its memory.
    pub fn update<R>(&self, f: impl FnOnce(&mut Tensor) -> R) -> R {
        f(&mut self.value.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the buffer is in the state dict.
    pub fn is_persistent(&self) -> bool {
        self.persistent
    }

    /// What tells living buffers apart; clones have the same.
    pub(crate) fn id(&self) -> usize {
        Arc::as_ptr(&self.value).addr()
    }
}

/// A module's training flag, set by `train()` and `eval()`. A new module is in training mode.
///
/// Layers that behave differently in training have one as a field; a module without one takes the mode of its first
/// descendant that has.
pub struct Mode {
    training: AtomicBool,
    /// Whether the layer was made with `inplace=True`, which its text and its files keep; tensors are values here.
    pub(crate) inplace: bool,
    /// The hooks of the module, once it has had any.
    hooks: OnceLock<Arc<Mutex<Hooks>>>,
    /// The parametrisations of the module's parameters.
    parametrizations: Parametrizations,
}

impl Mode {
    /// Whether the module is in training mode.
    pub fn is_training(&self) -> bool {
        self.training.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, training: bool) {
        self.training.store(training, Ordering::Relaxed);
    }

    /// What a layer prints, and that it was made with `inplace=True`.
    pub(crate) fn inplace_text(&self, text: String) -> String {
        match (self.inplace, text.is_empty()) {
            (false, _) => text,
            (true, true) => "inplace=True".to_owned(),
            (true, false) => text + ", inplace=True",
        }
    }

    /// Takes over the flag and the hooks of another module's.
    pub(crate) fn inherit(&self, other: &Mode) {
        self.set(other.is_training());
        if let Some(hooks) = other.hooks() {
            // A new module has none of its own.
            let _ = self.hooks.set(hooks);
        }
    }

    pub(crate) fn parametrizations(&self) -> &Parametrizations {
        &self.parametrizations
    }

    pub(crate) fn hooks(&self) -> Option<Arc<Mutex<Hooks>>> {
        self.hooks.get().cloned()
    }

    pub(crate) fn hooks_or_new(&self) -> Arc<Mutex<Hooks>> {
        self.hooks.get_or_init(Arc::default).clone()
    }
}

impl std::fmt::Debug for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Mode").field(&self.is_training()).finish()
    }
}

impl Default for Mode {
    /// Training.
    fn default() -> Mode {
        Mode {
            training: AtomicBool::new(true),
            inplace: false,
            hooks: OnceLock::new(),
            parametrizations: Parametrizations::default(),
        }
    }
}
