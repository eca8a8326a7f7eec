//! [`Module`]: a tree with a forward pass, and everything that can be asked of it.

use crate::hooks::{self, BackwardHook, ForwardHook, ForwardPreHook, ModuleHook};
use crate::load::{self, IncompatibleKeys, LoadError};
use crate::replace::{self, Slot};
use crate::walk;
use crate::{Buffer, Tree, Visitor};
use std::any::Any;
use std::sync::Arc;
use wengert_autograd::{Param, Var};
use wengert_tensor::{DType, StateDict, bug};

/// A [`Tree`] that maps a value to a value. Only `forward` is yours to write; the rest follows from the tree.
///
/// Modules change through `&self` (parameters, buffers and the training flag are cells), so one may be shared with
/// `Arc`: then it appears under every name in [`state_dict`](Module::state_dict), and once in
/// [`named_parameters`](Module::named_parameters), [`named_modules`](Module::named_modules) and
/// [`named_children`](Module::named_children), as in PyTorch.
///
/// # Examples
/// ```
/// use wengert_nn::{Linear, Module, ReLU, sequential};
/// let net = sequential![Linear::new(4, 3), ReLU::new(), Linear::new(3, 1)];
/// let names: Vec<_> = net.named_parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["0.weight", "0.bias", "2.weight", "2.bias"]);
/// assert_eq!(net.num_parameters(), 19);
/// ```
pub trait Module: Tree + AsModule + Send + Sync {
    /// Computes the module's output.
    ///
    /// # Panics
    /// If the module has no forward pass, as the lists have not; layers panic on inputs of a wrong shape.
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        let _ = input;
        bug!("", "Module [{}] is missing the required \"forward\" function", self.type_name())
    }

    /// The output through a ReLU: the values, gradients and hooks of `self.forward(input).relu()`. Layers that can do both in one
    /// pass over their output do; [`Sequential`](crate::Sequential) asks for it where a [`ReLU`](crate::ReLU) follows.
    ///
    /// A layer of yours need not have it. If it does, `#[module]` sees to it that what is watched runs [`forward`](Module::forward).
    ///
    /// # Panics
    /// As [`forward`](Module::forward).
    ///
    /// # Examples
    /// ```
    /// use wengert_nn::{Conv2d, Module, Var, tensor::{DType, Tensor}};
    /// let (conv, x) = (Conv2d::new(1, 2, 3), Var::from(Tensor::ones([1, 1, 4, 4], DType::F32)));
    /// let (one, two) = (conv.forward_relu(&x), conv.forward(&x).relu());
    /// assert_eq!(one.value().to_vec::<f32>(), two.value().to_vec::<f32>());
    /// ```
    #[track_caller]
    fn forward_relu(&self, input: &Var) -> Var {
        match self.pointee() {
            Some(module) => module.forward_relu(input),
            None => self.forward(input).relu(),
        }
    }

    /// Names and modules one level down.
    fn named_children(&self) -> Vec<(String, &dyn Module)> {
        walk::named_children(self.as_module())
    }

    /// The modules one level down.
    fn children(&self) -> Vec<&dyn Module> {
        walk::unnamed(self.named_children())
    }

    /// Dotted names and modules of the whole tree: the root first, under `""`, then depth first.
    fn named_modules(&self) -> Vec<(String, &dyn Module)> {
        walk::named_modules(self.as_module())
    }

    /// The modules of the whole tree, in the order of [`named_modules`](Module::named_modules).
    fn modules(&self) -> Vec<&dyn Module> {
        walk::unnamed(self.named_modules())
    }

    /// Dotted names and parameters; a parameter that occurs several times has its first name.
    fn named_parameters(&self) -> Vec<(String, Param)> {
        walk::named_parameters(self.as_module())
    }

    /// The parameters, each once: what optimizers take.
    fn parameters(&self) -> Vec<Param> {
        walk::unnamed(self.named_parameters())
    }

    /// Dotted names and buffers, those outside the state dict too; a buffer that occurs several times has its first name.
    fn named_buffers(&self) -> Vec<(String, Buffer)> {
        walk::named_buffers(self.as_module())
    }

    /// The buffers, each once.
    fn buffers(&self) -> Vec<Buffer> {
        walk::unnamed(self.named_buffers())
    }

    /// The number of trained and frozen numbers, shared ones counted once.
    fn num_parameters(&self) -> usize {
        self.parameters().iter().map(Param::numel).sum()
    }

    /// A snapshot of all parameters and persistent buffers. It shares memory with them, yet never changes.
    fn state_dict(&self) -> StateDict {
        walk::state_dict(self.as_module())
    }

    /// Takes all parameters and persistent buffers from a state dict, converted to the dtypes they have here.
    ///
    /// # Errors
    /// [`LoadError`] lists every missing, unexpected and mismatched key at once; nothing is changed then.
    ///
    /// # Examples
    /// ```
    /// use wengert_nn::{Linear, Module};
    /// let (trained, fresh) = (Linear::new(3, 2), Linear::new(3, 2));
    /// let report = fresh.load_state_dict(&trained.state_dict()).unwrap();
    /// assert_eq!(report.to_string(), "<All keys matched successfully>");
    /// ```
    fn load_state_dict(&self, state: &StateDict) -> Result<IncompatibleKeys, LoadError> {
        load::load(self.as_module(), state, load::Strictness::Strict)
    }

    /// Takes what fits by name, and reports what did not (`load_state_dict(…, strict=False)`).
    ///
    /// # Errors
    /// [`LoadError`] lists the keys whose shapes differ; nothing is changed then.
    fn load_state_dict_partial(&self, state: &StateDict) -> Result<IncompatibleKeys, LoadError> {
        load::load(self.as_module(), state, load::Strictness::Partial)
    }

    /// Puts the module and its descendants in training mode.
    fn train(&self) {
        walk::set_training(self.as_module(), true);
    }

    /// Puts the module and its descendants in evaluation mode.
    fn eval(&self) {
        walk::set_training(self.as_module(), false);
    }

    /// Whether the module is in training mode: by its own [`Mode`](crate::Mode) or its first descendant's that has one,
    /// and true if none has.
    fn training(&self) -> bool {
        walk::training(self.as_module())
    }

    /// Chooses for all parameters whether they get gradients.
    fn requires_grad_(&self, requires_grad: bool) {
        walk::requires_grad_matching(self.as_module(), "*", requires_grad);
    }

    /// Stops gradients to all parameters.
    fn freeze(&self) {
        self.requires_grad_(false);
    }

    /// Lets all parameters have gradients again.
    fn unfreeze(&self) {
        self.requires_grad_(true);
    }

    /// Stops gradients to the parameters whose dotted name matches, where `*` stands for any text; returns how many.
    ///
    /// # Examples
    /// ```
    /// use wengert_nn::{Linear, Module, sequential};
    /// let net = sequential! { "features" => Linear::new(4, 4), "head" => Linear::new(4, 2) };
    /// assert_eq!(net.freeze_matching("features.*"), 2);
    /// ```
    fn freeze_matching(&self, pattern: &str) -> usize {
        walk::requires_grad_matching(self.as_module(), pattern, false)
    }

    /// Lets the parameters whose dotted name matches have gradients again; returns how many.
    fn unfreeze_matching(&self, pattern: &str) -> usize {
        walk::requires_grad_matching(self.as_module(), pattern, true)
    }

    /// Sets all gradients to none.
    fn zero_grad(&self) {
        self.parameters().iter().for_each(Param::zero_grad);
    }

    /// Calls `f` with every module of the tree, children before their parent.
    ///
    /// # Examples
    /// ```
    /// use wengert_nn::{Linear, Module, init, sequential};
    /// let net = sequential![Linear::new(4, 3), Linear::new(3, 1)];
    /// net.apply(&mut |module| {
    ///     if let Some(linear) = module.downcast_ref::<Linear>() {
    ///         init::constant_(&linear.weight, 1.0);
    ///     }
    /// });
    /// assert_eq!(net.parameters()[0].value().to_vec::<f32>(), [1.0; 12]);
    /// ```
    fn apply(&self, f: &mut dyn FnMut(&dyn Module)) {
        walk::apply(self.as_module(), f);
    }

    /// Converts floating parameters and buffers to a floating dtype.
    ///
    /// # Panics
    /// If the dtype is not a floating one.
    #[track_caller]
    fn to(&self, dtype: DType) {
        walk::convert(self.as_module(), dtype);
    }

    /// Calls `hook` before each forward pass of this module; what it returns takes the input's place
    /// (`register_forward_pre_hook`).
    ///
    /// # Panics
    /// If the module has no [`Mode`](crate::Mode), in which hooks are kept, or there is no `#[module]` on its `impl Module`.
    #[track_caller]
    fn register_forward_pre_hook(&self, hook: ForwardPreHook) -> ModuleHook {
        hooks::register(self.as_module(), hooks::add_pre(hook))
    }

    /// Calls `hook` after each forward pass of this module; what it returns takes the output's place
    /// (`register_forward_hook`).
    ///
    /// # Panics
    /// As [`register_forward_pre_hook`](Module::register_forward_pre_hook).
    ///
    /// # Examples
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use wengert_nn::{Linear, Module, ReLU, Var, sequential, tensor::Tensor};
    /// let net = sequential![Linear::new(4, 3), ReLU::new(), Linear::new(3, 1)];
    /// let shapes = Arc::new(Mutex::new(Vec::new()));
    /// let seen = shapes.clone();
    /// let hook = net[0].register_forward_hook(Arc::new(move |_, _, output| {
    ///     seen.lock().unwrap().push(output.shape().to_vec());
    ///     None
    /// }));
    /// let x = Var::from(Tensor::zeros([2, 4], wengert_nn::tensor::DType::F32));
    /// net.forward(&x);
    /// hook.remove();
    /// net.forward(&x);
    /// assert_eq!(*shapes.lock().unwrap(), [[2, 3]]);
    /// ```
    #[track_caller]
    fn register_forward_hook(&self, hook: ForwardHook) -> ModuleHook {
        hooks::register(self.as_module(), hooks::add_post(hook))
    }

    /// Calls `hook` in backward passes with the gradients of this module's input and output; what it returns takes the place of
    /// the input's (`register_full_backward_hook`).
    ///
    /// # Panics
    /// As [`register_forward_pre_hook`](Module::register_forward_pre_hook).
    #[track_caller]
    fn register_full_backward_hook(&self, hook: BackwardHook) -> ModuleHook {
        hooks::register(self.as_module(), hooks::add_backward(hook))
    }

    /// The module of that dotted name; `""` is this one.
    fn get(&self, path: &str) -> Option<&dyn Module> {
        walk::find(self.as_module(), path)
    }

    /// The module of that dotted name (`get_submodule`).
    ///
    /// # Panics
    /// If there is none. [`get`](Module::get) gives `None` then.
    ///
    /// # Examples
    /// ```
    /// use wengert_nn::{Linear, Module, ReLU, sequential};
    /// let net = sequential! { "body" => sequential![Linear::new(4, 3), ReLU::new()], "head" => Linear::new(3, 1) };
    /// assert_eq!(net.get_submodule("body.1").to_string(), "ReLU()");
    /// assert_eq!(net.get_parameter("head.bias").shape()[..], [1]);
    /// ```
    #[track_caller]
    fn get_submodule(&self, path: &str) -> &dyn Module {
        walk::submodule(self.as_module(), path)
    }

    /// The parameter of that dotted name (`get_parameter`).
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    fn get_parameter(&self, path: &str) -> Param {
        walk::parameter(self.as_module(), path)
    }

    /// The buffer of that dotted name (`get_buffer`).
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    fn get_buffer(&self, path: &str) -> Buffer {
        walk::buffer(self.as_module(), path)
    }

    /// Puts another module in the place of the one of that dotted name (`set_submodule`).
    ///
    /// A container takes modules of any type, a field those of its own: a `Box<dyn Module>` any. A field that is at hand is
    /// assigned more simply: `net.head = Linear::new(512, 2)`.
    ///
    /// # Panics
    /// If there is no such module, or it is shared with another tree, or the new one is of a type that has no place there.
    ///
    /// # Examples
    /// ```
    /// use wengert_nn::{Linear, Module, ReLU, Tanh, sequential};
    /// let mut net = sequential! { "body" => sequential![Linear::new(4, 3), ReLU::new()], "head" => Linear::new(3, 1) };
    /// net.set_submodule("body.1", Tanh::new());
    /// assert_eq!(net.get_submodule("body.1").to_string(), "Tanh()");
    /// ```
    #[track_caller]
    fn set_submodule<M: Module>(&mut self, path: &str, module: M)
    where
        Self: Sized,
    {
        let class = module.type_name().to_owned();
        replace::set(self, path, &mut Some(module), &class);
    }

    /// Whether hooks, summaries and errors see the forward pass: `#[module]` says so.
    #[doc(hidden)]
    fn is_watched(&self) -> bool {
        false
    }

    /// What a pointer points to: `Box` and `Arc` of a module stand for that module.
    #[doc(hidden)]
    fn pointee(&self) -> Option<&dyn Module> {
        None
    }
}

impl dyn Module {
    /// The module as its own type, if it is that.
    pub fn downcast_ref<M: Module>(&self) -> Option<&M> {
        walk::resolve(self).as_any().downcast_ref()
    }

    /// Whether the module is of that type.
    pub fn is<M: Module>(&self) -> bool {
        self.downcast_ref::<M>().is_some()
    }
}

/// Modules as `dyn Module` and `dyn Any`; every module has it.
pub trait AsModule: 'static {
    /// The module as a trait object.
    fn as_module(&self) -> &dyn Module;
    /// The module as `dyn Any`.
    fn as_any(&self) -> &dyn Any;
}

impl<M: Module> AsModule for M {
    fn as_module(&self) -> &dyn Module {
        self
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl std::fmt::Display for dyn Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        crate::format_tree(walk::resolve(self), f)
    }
}

impl std::fmt::Debug for dyn Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// Lets a pointer to a module stand for the module.
macro_rules! pointer {
    ($($pointer:ident, |$place:ident| $inner:expr;)*) => {$(
        impl<M: Module + ?Sized> Tree for $pointer<M> {
            fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
                (**self).visit(visitor)
            }
            fn type_name(&self) -> &str {
                (**self).type_name()
            }
            fn extra_repr(&self) -> String {
                (**self).extra_repr()
            }
            fn version(&self) -> i64 {
                (**self).version()
            }
            fn since(&self, name: &str) -> i64 {
                (**self).since(name)
            }
            fn child_mut(&mut self, name: &str) -> Option<&mut dyn Slot> {
                let $place = self;
                $inner.child_mut(name)
            }
            fn prints_repeats_once(&self) -> bool {
                (**self).prints_repeats_once()
            }
        }

        impl<M: Module + ?Sized> Module for $pointer<M> {
            #[track_caller]
            fn forward(&self, input: &Var) -> Var {
                (**self).forward(input)
            }
            fn is_watched(&self) -> bool {
                (**self).is_watched()
            }
            fn pointee(&self) -> Option<&dyn Module> {
                Some((**self).as_module())
            }
        }
    )*};
}
pointer! {
    Box, |place| (**place);
    Arc, |place| Arc::get_mut(place)?;
}
