//! Parameters that are computed from others whenever a layer uses them (`torch.nn.utils.parametrize`).

use crate::walk::{self, Members};
use crate::{Buffer, Mode, Module, Param, Tensor, Tree, Var, Visitor};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use wengert_autograd::{Compute, no_grad};
use wengert_tensor::bug;

/// How a parameter is computed.
///
/// A module whose `forward` maps a tensor to the parameter's value needs no more than `impl Parametrization`.
///
/// # Examples
/// ```
/// use wengert_nn::parametrize::{Parametrization, register_parametrization};
/// use wengert_nn::{Linear, Module, Tensor, Tree, Var};
///
/// /// A symmetric matrix from its upper triangle.
/// #[derive(Tree)]
/// struct Symmetric;
/// impl Module for Symmetric {
///     fn forward(&self, x: &Var) -> Var {
///         x.triu(0) + x.triu(1).t()
///     }
/// }
/// impl Parametrization for Symmetric {
///     fn right_inverse(&self, value: &Tensor) -> Vec<Tensor> {
///         vec![value.triu(0)]
///     }
/// }
///
/// let layer = Linear::new(3, 3);
/// register_parametrization(&layer, "weight", Symmetric);
/// let weight = layer.weight.var();
/// assert_eq!(weight.to_vec::<f32>(), weight.t().to_vec::<f32>());
/// let names: Vec<_> = layer.named_parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["bias", "parametrizations.weight.original"]);
/// ```
pub trait Parametrization: Module {
    /// The parameter's value, from what [`right_inverse`](Parametrization::right_inverse) gives.
    #[track_caller]
    fn compute(&self, originals: &[Var]) -> Var {
        self.forward(&originals[0])
    }

    /// The tensors from which the value is computed: one is the parameter's new own value, several are parameters of
    /// their own. Without it, the value itself.
    fn right_inverse(&self, value: &Tensor) -> Vec<Tensor> {
        vec![value.clone()]
    }
}

/// Lets a parameter of a module be computed by `parametrization`, from itself or from parameters in its place.
///
/// The layer sees the computed value at each [`Param::var`]. In the state dict and in [`Module::named_parameters`] stands
/// `parametrizations.weight.original` for `weight`, or `original0`, `original1`, … if there are several. A parameter that
/// is parametrised already is computed by both, one after the other.
///
/// Unlike in PyTorch, a parameter shared by several modules is parametrised in all of them.
///
/// # Panics
/// If the module has no such parameter, or no [`Mode`] field in which parametrisations are kept, or if shape or
/// dtype of the computed value are not the parameter's.
#[track_caller]
pub fn register_parametrization(module: &dyn Module, name: &str, parametrization: impl Parametrization) {
    let module = walk::resolve(module);
    let Some(mode) = Members::of(module).mode else {
        bug!(
            "",
            "{} has no field of type `Mode`, in which parametrisations are kept: add `mode: Mode` to it",
            module.type_name()
        );
    };
    if mode.is_training() {
        parametrization.train()
    } else {
        parametrization.eval()
    }
    if let Some(list) = mode.parametrizations().find(name) {
        let now = list.0.compute();
        check(name, now.value(), parametrization.compute(std::slice::from_ref(&now)).value());
        list.0.steps.push(Box::new(parametrization));
        return;
    }
    let Some(param) = Members::of(module).params.into_iter().find_map(|(own, param)| (own == name).then_some(param))
    else {
        bug!("", "Module '{module}' does not have a parameter, a buffer, or a parametrized element with name '{name}'");
    };
    let before = param.value();
    let mut originals = no_grad(|| parametrization.right_inverse(&before));
    let originals = match originals.len() {
        0 => bug!("", "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got none"),
        1 => {
            param.set(originals.remove(0));
            vec![param.clone()]
        }
        _ => {
            let new = |value| {
                let own = Param::new(value);
                own.requires_grad_(param.requires_grad());
                own
            };
            originals.into_iter().map(new).collect()
        }
    };
    attach(mode, name, param, originals, Box::new(parametrization), None, |list| {
        check(name, &before, no_grad(|| list.compute()).value());
    });
}

/// Lets a parameter be computed from now on, after a look at what that gives.
fn attach(
    mode: &Mode,
    name: &str,
    param: &Param,
    originals: Vec<Param>,
    step: Box<dyn Parametrization>,
    mask: Option<Buffer>,
    check: impl FnOnce(&List),
) {
    let steps: Chain<Box<dyn Parametrization>> = Chain::default();
    steps.push(step);
    let list = Arc::new(List { originals, steps });
    check(&list);
    let by: Arc<dyn Compute> = list.clone();
    param.parametrize(Some(Arc::downgrade(&by) as Weak<dyn Compute>));
    let (name, param, active) = (name.to_owned(), param.clone(), AtomicBool::new(true));
    mode.parametrizations().0.push(Entry { name, param, list: ParametrizationList(list), mask, active });
}

/// Lets a parameter be itself times a mask: `weight_orig` and the buffer `weight_mask` stand in its place.
pub(crate) fn attach_mask(mode: &Mode, name: &str, param: &Param, mask: Buffer) {
    let step = Box::new(Masked { mask: mask.clone() });
    attach(mode, name, param, vec![param.clone()], step, Some(mask), |_| {});
}

/// Lets a parameter that a mask was attached to be a parameter again, with 0 where the mask is.
pub(crate) fn detach_mask(mode: &Mode, name: &str) {
    let entry = mode.parametrizations().entry(name).expect("a mask is attached");
    let value = no_grad(|| entry.list.0.compute()).into_value();
    entry.param.parametrize(None);
    entry.param.set(value);
    entry.active.store(false, Ordering::Release);
}

/// What is left of a parameter by a mask.
#[derive(Tree)]
struct Masked {
    mask: Buffer,
}

impl Module for Masked {}

impl Parametrization for Masked {
    fn compute(&self, originals: &[Var]) -> Var {
        &originals[0] * self.mask.value()
    }
}

#[track_caller]
fn check(name: &str, before: &Tensor, after: &Tensor) {
    if after.dtype() != before.dtype() {
        bug!(
            "",
            "Registering a parametrization may not change the dtype of the tensor.\nmodule.{name}.dtype: {}\n\
             parametrization(module.{name}).dtype: {}",
            before.dtype(),
            after.dtype()
        );
    }
    if after.shape() != before.shape() {
        bug!(
            "",
            "Registering a parametrization may not change the shape of the tensor.\nmodule.{name}.shape: {:?}\n\
             parametrization(module.{name}).shape: {:?}",
            before.shape(),
            after.shape()
        );
    }
}

/// What a parameter is when its parametrisations are removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leave {
    /// The value that was computed last of all (`leave_parametrized=True`).
    #[default]
    Computed,
    /// The value from which it was computed (`leave_parametrized=False`).
    Original,
}

/// Lets a parameter be a parameter again, under its own name.
///
/// # Panics
/// If it is not parametrised, or if there are several originals and one should be left.
#[track_caller]
pub fn remove_parametrizations(module: &dyn Module, name: &str, leave: Leave) {
    let module = walk::resolve(module);
    let found = Members::of(module).mode.and_then(|mode| mode.parametrizations().entry(name));
    let Some(Entry { param, list, active, .. }) = found else {
        bug!("", "Module {module} does not have a parametrization on {name}");
    };
    match leave {
        Leave::Computed => {
            let value = no_grad(|| list.0.compute()).into_value();
            let tracked = list.0.originals.iter().any(Param::requires_grad);
            param.parametrize(None);
            param.set(value);
            param.requires_grad_(tracked);
        }
        Leave::Original if list.0.originals.len() > 1 => bug!(
            "",
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a sequence \
             of tensors."
        ),
        Leave::Original => param.parametrize(None),
    }
    active.store(false, Ordering::Release);
}

/// Sets what a parametrised parameter is computed from, so that it gets that value, or comes as near as
/// [`Parametrization::right_inverse`] can (`module.weight = value` in PyTorch).
///
/// # Panics
/// If the parameter is not parametrised, or a right inverse gives another number of tensors than before.
#[track_caller]
pub fn assign(module: &dyn Module, name: &str, value: &Tensor) {
    let module = walk::resolve(module);
    let Some(list) = Members::of(module).mode.and_then(|mode| mode.parametrizations().find(name)) else {
        bug!("", "Module {module} does not have a parametrization on {name}");
    };
    let list = &list.0;
    let mut values = vec![value.clone()];
    for step in list.steps.iter().collect::<Vec<_>>().into_iter().rev() {
        values = no_grad(|| step.right_inverse(&values[0]));
    }
    if values.len() != list.originals.len() {
        bug!(
            "",
            "'right_inverse' must return a sequence of tensors of length {}. Got a sequence of length {}.",
            list.originals.len(),
            values.len()
        );
    }
    list.originals.iter().zip(values).for_each(|(original, value)| original.set(value));
}

/// Whether a parameter of a module is parametrised (`torch.nn.utils.parametrize.is_parametrized`).
pub fn is_parametrized(module: &dyn Module, name: &str) -> bool {
    Members::of(walk::resolve(module)).mode.is_some_and(|mode| mode.parametrizations().has(name))
}

/// What a layer sees of a parameter, whether it is parametrised or not.
pub(crate) fn current(module: &dyn Module, name: &str) -> Option<Var> {
    let members = Members::of(module);
    if let Some(list) = members.mode.and_then(|mode| mode.parametrizations().find(name)) {
        return Some(list.0.compute());
    }
    members.params.into_iter().find(|(own, _)| own == name).map(|(_, param)| param.var())
}

/// Originals and what is computed of them, in order.
struct List {
    originals: Vec<Param>,
    steps: Chain<Box<dyn Parametrization>>,
}

impl Compute for List {
    fn compute(&self) -> Var {
        let originals: Vec<Var> = self.originals.iter().map(Param::own_var).collect();
        let mut steps = self.steps.iter();
        let first = steps.next().expect("a list is made with its first step");
        steps.fold(first.compute(&originals), |value, step| step.compute(&[value]))
    }
    fn replaces(&self) -> bool {
        self.originals.len() > 1
    }
}

/// The originals and parametrisations of one parameter.
struct ParametrizationList(Arc<List>);

impl Tree for ParametrizationList {
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        match &self.0.originals[..] {
            [original] => visitor.param("original", original),
            many => many.iter().enumerate().for_each(|(i, param)| visitor.param(&format!("original{i}"), param)),
        }
        for (i, step) in self.0.steps.iter().enumerate() {
            visitor.child(&i.to_string(), step.as_module());
        }
    }
    fn type_name(&self) -> &str {
        "ParametrizationList"
    }
    fn prints_repeats_once(&self) -> bool {
        true
    }
}

impl Module for ParametrizationList {}

/// A parameter that is or was parametrised.
struct Entry {
    name: String,
    param: Param,
    list: ParametrizationList,
    /// What prunes the parameter, if that is how it is computed.
    mask: Option<Buffer>,
    active: AtomicBool,
}

/// The parametrised parameters of a module, a child that prints as PyTorch's `ModuleDict` of them.
#[derive(Default)]
pub(crate) struct Parametrizations(Chain<Entry>);

impl Parametrizations {
    fn active(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter().filter(|entry| entry.active.load(Ordering::Acquire))
    }
    fn entry(&self, name: &str) -> Option<&Entry> {
        self.active().find(|entry| entry.name == name)
    }
    fn find(&self, name: &str) -> Option<&ParametrizationList> {
        self.entry(name).map(|entry| &entry.list)
    }
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }
    /// Whether there is none but for pruned parameters.
    pub(crate) fn is_empty(&self) -> bool {
        self.active().all(|entry| entry.mask.is_some())
    }
    /// Whether every parameter is itself.
    pub(crate) fn is_idle(&self) -> bool {
        self.active().next().is_none()
    }
    /// The pruned parameters: name, original, mask.
    pub(crate) fn pruned(&self) -> impl Iterator<Item = (&str, &Param, &Buffer)> {
        self.active().filter_map(|entry| entry.mask.as_ref().map(|mask| (&*entry.name, &entry.param, mask)))
    }
}

impl Tree for Parametrizations {
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        let shown = self.active().filter(|entry| entry.mask.is_none());
        shown.for_each(|entry| visitor.child(&entry.name, &entry.list));
    }
    fn type_name(&self) -> &str {
        "ModuleDict"
    }
}

impl Module for Parametrizations {}

/// A list to which one adds through `&self`, and whose items stay where they are: a tree may lend them out.
struct Chain<T>(OnceLock<Box<(T, Chain<T>)>>);

impl<T> Default for Chain<T> {
    fn default() -> Chain<T> {
        Chain(OnceLock::new())
    }
}

impl<T> Chain<T> {
    fn push(&self, item: T) {
        let mut end = self;
        let mut link = Box::new((item, Chain::default()));
        // Another thread may have been quicker: then its item is passed, too.
        while let Err(back) = end.0.set(link) {
            link = back;
            end = &end.0.get().expect("it was just found set").1;
        }
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        let mut at = self;
        std::iter::from_fn(move || {
            let (item, next) = &**at.0.get()?;
            at = next;
            Some(item)
        })
    }
}
