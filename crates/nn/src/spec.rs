//! Models as data: [`Spec`] says what a module is made of, and a [`Registry`] makes modules of specs.
//!
//! A spec has the form of what `torch.save(net)` writes (class, attributes, `_parameters`, `_buffers`, `_modules`), so
//! that one description of a layer serves our files and PyTorch's, in both directions.

use crate::parts::{Parts, Shared, UNINITIALIZED};
use crate::walk::{self, Members};
use crate::{Mode, Module};
use std::any::TypeId;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use wengert_tensor::{DType, Dict, DictKind, Object, StateDict, Tensor, Value};

/// A module that can be described and made again from the description.
///
/// `#[derive(Rebuild)]` writes it for a struct whose fields are modules, parameters, buffers and plain configuration
/// ([`RebuildField`](crate::RebuildField) says which); others implement it.
///
/// # Examples
/// ```
/// use wengert_nn::{Linear, Module, Rebuild, Registry, Tree, Var};
///
/// #[derive(Tree, Rebuild)]
/// #[rebuild(class = "my_crate.Scaled")]
/// struct Scaled {
///     inner: Linear,
///     factor: f64,
/// }
/// impl Module for Scaled {
///     fn forward(&self, x: &Var) -> Var {
///         self.inner.forward(x) * self.factor
///     }
/// }
///
/// let mut registry = Registry::new();
/// registry.register::<Scaled>();
/// let spec = registry.describe(&Scaled { inner: Linear::new(2, 3), factor: 0.5 }).unwrap();
/// let again = registry.build(&spec).unwrap();
/// assert_eq!(again.to_string(), "Scaled(\n  (inner): Linear(in_features=2, out_features=3, bias=True)\n)");
/// ```
///
/// By hand, for what is checked or computed on the way:
/// ```
/// # use wengert_nn::{Linear, Module, Tree, Var};
/// use wengert_nn::{Dict, Parts, Rebuild, SpecError};
/// # #[derive(Tree)]
/// # struct Scaled { inner: Linear, factor: f64 }
/// # impl Module for Scaled {
/// #     fn forward(&self, x: &Var) -> Var { self.inner.forward(x) * self.factor }
/// # }
/// impl Rebuild for Scaled {
///     const CLASS: &'static str = "my_crate.Scaled";
///     fn config(&self) -> Dict {
///         [("factor", self.factor)].into_iter().collect()
///     }
///     fn rebuild(parts: &mut Parts<'_>) -> Result<Scaled, SpecError> {
///         let factor = parts.get("factor")?;
///         if factor == 0.0 {
///             return parts.invalid("a factor of 0 leaves nothing");
///         }
///         Ok(Scaled { inner: parts.child("inner")?, factor })
///     }
/// }
/// ```
pub trait Rebuild: Module + Sized {
    /// The name of the type in files, which must never change. PyTorch's layers have PyTorch's; yours want a dot.
    const CLASS: &'static str;
    /// The names of all parameters that the type can have: those that an instance lacks are saved as `None`.
    const PARAMS: &'static [&'static str] = &[];
    /// The names of all buffers that the type can have.
    const BUFFERS: &'static [&'static str] = &[];

    /// What it was made with, by name; not its parameters, buffers, children and mode, which are found by themselves.
    fn config(&self) -> Dict {
        Dict::new()
    }

    /// Makes one of its parts.
    ///
    /// # Errors
    /// If a part is missing or does not fit, which `parts` reports.
    fn rebuild(parts: &mut Parts<'_>) -> Result<Self, SpecError>;
}

/// What is wrong with a spec, or with a module that should become one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// A spec names a class that the registry does not have.
    #[error(
        "{place}: class {class} is not known: if it is yours, derive Rebuild and call Registry::register; \
         Spec::state_dict reads its tensors in any case"
    )]
    UnknownClass {
        /// The module's dotted name.
        place: String,
        /// The class.
        class: String,
    },
    /// A module's type is not in the registry.
    #[error("{place}: {type_name} cannot be described: derive Rebuild for it and call Registry::register")]
    UnknownType {
        /// The module's dotted name.
        place: String,
        /// The printed name of the type.
        type_name: String,
    },
    /// Something in the spec is missing, or makes no sense, or is not supported.
    #[error("{place}: {what}")]
    Invalid {
        /// The module's dotted name.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// A value that should be a spec is none.
    #[error("this is no model but other data: {0}")]
    NotAModel(&'static str),
}

/// A module as data: the name of its type, its configuration, tensors and children.
///
/// Parameters that are shared share their memory here, and modules that are shared are the same object.
#[derive(Clone)]
pub struct Spec(Arc<Object>);

/// Attributes that every module of PyTorch has; the others are configuration.
const OWN: &[&str] = &["training", "_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"];
/// What PyTorch keeps functions in that are called with the module.
const HOOKS: &[&str] = &[
    "_backward_pre_hooks",
    "_backward_hooks",
    "_is_full_backward_hook",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
];

/// The entries of an attribute that is a dict with text keys.
pub(crate) fn entries<'a>(object: &'a Object, attribute: &str) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
    let dict = object.attributes.get(attribute).and_then(Value::as_dict);
    dict.into_iter().flat_map(Dict::iter).filter_map(|(key, value)| Some((key.as_str()?, value)))
}

/// Whether a value stands for a parameter or a buffer without a shape.
fn is_uninitialized(value: &Value) -> bool {
    value.as_object().is_some_and(|object| UNINITIALIZED.contains(&object.class.as_str()))
}

impl Spec {
    /// The name of the type, such as `torch.nn.modules.linear.Linear`.
    pub fn class(&self) -> &str {
        &self.0.class
    }

    /// What the module was made with, by name.
    pub fn config(&self) -> impl Iterator<Item = (&str, &Value)> {
        let own = |name: &str| OWN.contains(&name) || HOOKS.contains(&name);
        self.0.attributes.iter().filter_map(|(k, v)| Some((k.as_str()?, v))).filter(move |(name, _)| !own(name))
    }

    /// Whether a parameter has no shape yet.
    #[cfg(feature = "io")]
    pub(crate) fn is_uninitialized(&self) -> bool {
        entries(&self.0, "_parameters").chain(entries(&self.0, "_buffers")).any(|(_, value)| is_uninitialized(value))
    }

    /// Names and specs one level down.
    pub fn children(&self) -> Vec<(&str, Spec)> {
        entries(&self.0, "_modules").filter_map(|(name, v)| Some((name, Spec(v.as_object()?.clone())))).collect()
    }

    /// Parameters and persistent buffers under their dotted names, as the module's own `state_dict` would have them:
    /// also of classes that nobody knows.
    pub fn state_dict(&self) -> StateDict {
        fn walk(path: &str, spec: &Spec, out: &mut StateDict) {
            let hidden: Vec<&str> = match spec.0.attributes.get("_non_persistent_buffers_set") {
                Some(Value::Set(names)) => names.iter().filter_map(Value::as_str).collect(),
                _ => Vec::new(),
            };
            let buffers = entries(&spec.0, "_buffers").filter(|(name, _)| !hidden.contains(name));
            for (name, value) in entries(&spec.0, "_parameters").chain(buffers) {
                if let Some(tensor) = value.as_tensor() {
                    out.insert(walk::join(path, name), tensor.clone());
                } else if is_uninitialized(value) {
                    // As in the state dict of a lazy layer.
                    out.insert(walk::join(path, name), Tensor::zeros([0], DType::F32));
                }
            }
            for (name, child) in spec.children() {
                walk(&walk::join(path, name), &child, out);
            }
        }
        let mut out = StateDict::new();
        walk("", self, &mut out);
        out
    }
}

impl From<Spec> for Value {
    fn from(spec: Spec) -> Value {
        Value::Object(spec.0)
    }
}

impl From<&Spec> for Value {
    fn from(spec: &Spec) -> Value {
        spec.clone().into()
    }
}

impl TryFrom<Value> for Spec {
    type Error = SpecError;

    fn try_from(value: Value) -> Result<Spec, SpecError> {
        match value {
            Value::Object(object) if object.attributes.get("_modules").is_some() => Ok(Spec(object)),
            Value::Object(_) => Err(SpecError::NotAModel("an object that is no module")),
            Value::Dict(_) => Err(SpecError::NotAModel("a dict; give a state dict to load_state_dict")),
            _ => Err(SpecError::NotAModel("neither a module nor a dict")),
        }
    }
}

impl std::fmt::Display for Spec {
    /// The tree of names and classes, with the configuration.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        fn walk(spec: &Spec, indent: usize, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            let name = spec.class().rsplit('.').next().unwrap_or_default();
            let config: Vec<_> = spec.config().map(|(name, value)| format!("{name}={value}")).collect();
            write!(f, "{name}({})", config.join(", "))?;
            for (name, child) in spec.children() {
                write!(f, "\n{:indent$}({name}): ", "")?;
                walk(&child, indent + 2, f)?;
            }
            Ok(())
        }
        walk(self, 2, f)
    }
}

/// The types that can be described and made again: all layers of this crate, and those that you register.
pub struct Registry {
    rows: Vec<Row>,
    classes: HashMap<&'static str, usize>,
    types: HashMap<TypeId, usize>,
}

/// What the registry knows of a type.
struct Row {
    class: &'static str,
    params: &'static [&'static str],
    buffers: &'static [&'static str],
    config: fn(&dyn Module) -> Option<Dict>,
    build: Constructor,
}

/// What makes a module of its parts.
pub(crate) type Constructor = fn(&mut Parts<'_>) -> Result<Arc<dyn Module>, SpecError>;

impl Default for Registry {
    fn default() -> Registry {
        Registry::new()
    }
}

impl Registry {
    /// With all layers of this crate.
    pub fn new() -> Registry {
        let mut registry = Registry { rows: Vec::new(), classes: HashMap::new(), types: HashMap::new() };
        crate::register_layers(&mut registry);
        registry
    }

    /// Adds a type; one of the same class gives way to it.
    pub fn register<M: Rebuild>(&mut self) -> &mut Registry {
        let index = self.rows.len();
        self.rows.push(Row {
            class: M::CLASS,
            params: M::PARAMS,
            buffers: M::BUFFERS,
            config: |module| module.downcast_ref::<M>().map(M::config),
            build: |parts| Ok(Arc::new(M::rebuild(parts)?)),
        });
        self.classes.insert(M::CLASS, index);
        self.types.insert(TypeId::of::<M>(), index);
        self
    }

    /// The classes that are known, in the order in which they were registered.
    pub fn classes(&self) -> impl Iterator<Item = &'static str> {
        self.rows.iter().map(|row| row.class)
    }

    pub(crate) fn constructor(&self, class: &str) -> Option<Constructor> {
        self.classes.get(class).map(|&index| self.rows[index].build)
    }

    /// A module as data. It shares the tensors' memory, yet is a snapshot.
    ///
    /// # Errors
    /// [`SpecError::UnknownType`] if a type in the tree is not registered.
    ///
    /// # Examples
    /// ```
    /// use wengert_nn::{Linear, Module, ReLU, Registry, sequential};
    /// let net = sequential![Linear::new(4, 3), ReLU::new(), Linear::new(3, 1)];
    /// let registry = Registry::new();
    /// let spec = registry.describe(&net)?;
    /// assert_eq!(spec.children()[0].1.class(), "torch.nn.modules.linear.Linear");
    /// assert_eq!(registry.build(&spec)?.to_string(), net.to_string());
    /// # Ok::<(), wengert_nn::SpecError>(())
    /// ```
    pub fn describe(&self, module: &dyn Module) -> Result<Spec, SpecError> {
        let mut describer =
            Describer { registry: self, done: HashMap::new(), tensors: Tensors::default(), shapeless: HashMap::new() };
        describer.module("", walk::resolve(module)).map(Spec)
    }

    /// The module that a spec describes, with its tensors, training flags and what its parts share.
    ///
    /// # Errors
    /// If a class is not registered or the spec does not fit together.
    pub fn build(&self, spec: &Spec) -> Result<Arc<dyn Module>, SpecError> {
        let mut shared = Shared::default();
        Parts { registry: self, object: &spec.0, path: String::new(), shared: &mut shared }.module()
    }
}

/// The place of a module in messages.
pub(crate) fn place(path: &str) -> String {
    if path.is_empty() { "the model".to_owned() } else { format!("module '{path}'") }
}

/// Which cell each storage belongs to, so that only what is shared in the model shares memory in the spec.
#[derive(Default)]
struct Tensors {
    cells: HashMap<(bool, u64), Tensor>,
    storages: HashSet<usize>,
}

impl Tensors {
    fn tensor(&mut self, cell: (bool, u64), value: Tensor) -> Tensor {
        if let Some(known) = self.cells.get(&cell) {
            return known.clone();
        }
        let address = |tensor: &Tensor| Arc::as_ptr(tensor.storage()).addr();
        let own = if self.storages.contains(&address(&value)) { value.copy() } else { value };
        self.storages.insert(address(&own));
        self.cells.insert(cell, own.clone());
        own
    }
}

struct Describer<'a> {
    registry: &'a Registry,
    done: HashMap<(usize, TypeId), Arc<Object>>,
    tensors: Tensors,
    /// What stands for parameters without a shape, by their numbers.
    shapeless: HashMap<u64, Arc<Object>>,
}

/// What stands for a parameter or a buffer without a shape.
fn uninitialized(class: &str, requires_grad: bool) -> Object {
    Object { class: class.to_owned(), arguments: Some(vec![Value::from(requires_grad)]), ..Object::default() }
}

impl Describer<'_> {
    fn module(&mut self, path: &str, module: &dyn Module) -> Result<Arc<Object>, SpecError> {
        let identity = walk::identity(module);
        if let Some(known) = identity.and_then(|id| self.done.get(&id)) {
            return Ok(known.clone());
        }
        let row = self.registry.types.get(&module.as_any().type_id()).map(|&index| &self.registry.rows[index]);
        let described = row.and_then(|row| Some((row, (row.config)(module)?)));
        let Some((row, config)) = described else {
            return Err(SpecError::UnknownType { place: place(path), type_name: module.type_name().to_owned() });
        };
        let members = Members::of(module);
        if members.mode.is_some_and(|mode| !mode.parametrizations().is_idle()) {
            let what = "parametrised modules are saved by their state_dict only, as in PyTorch".to_owned();
            return Err(SpecError::Invalid { place: place(path), what });
        }
        let mut params: Vec<(Value, Value)> = Vec::new();
        for name in names(row.params, &members.params) {
            let value = members.params.iter().find(|(own, _)| own == name).map_or(Value::None, |(_, param)| {
                let requires_grad = param.requires_grad();
                if param.is_uninitialized() {
                    let known = self.shapeless.entry(param.id());
                    let object = known.or_insert_with(|| Arc::new(uninitialized(UNINITIALIZED[0], requires_grad)));
                    return Value::Object(object.clone());
                }
                let tensor = Box::new(self.tensors.tensor((true, param.id()), param.value()));
                Value::Grad { tensor, parameter: true, requires_grad }
            });
            params.push((name.into(), value));
        }
        let mut buffers: Vec<(Value, Value)> = Vec::new();
        for name in names(row.buffers, &members.buffers) {
            let value = members.buffers.iter().find(|(own, _)| own == name).map_or(Value::None, |(_, buffer)| {
                if buffer.is_uninitialized() {
                    return Value::Object(Arc::new(uninitialized(UNINITIALIZED[1], false)));
                }
                Value::from(self.tensors.tensor((false, buffer.id() as u64), buffer.value()))
            });
            buffers.push((name.into(), value));
        }
        let hidden = members.buffers.iter().filter(|(_, buffer)| !buffer.is_persistent());
        let hidden = Value::Set(hidden.map(|(name, _)| name.as_str().into()).collect());
        let mut modules: Vec<(Value, Value)> = Vec::new();
        for (name, child) in &members.children {
            modules.push((name.as_str().into(), Value::Object(self.module(&walk::join(path, name), *child)?)));
        }
        let dict = |entries| Value::Dict(Dict { entries, ..Dict::default() });
        let training = members.mode.map_or_else(|| module.training(), Mode::is_training);
        let mut attributes: Vec<(Value, Value)> = vec![
            ("training".into(), training.into()),
            ("_parameters".into(), dict(params)),
            ("_buffers".into(), dict(buffers)),
            ("_non_persistent_buffers_set".into(), hidden),
        ];
        for hook in HOOKS {
            let none = Value::Dict(Dict { kind: DictKind::Ordered, ..Dict::default() });
            attributes.push(((*hook).into(), if hook.starts_with("_is") { Value::None } else { none }));
        }
        attributes.push(("_modules".into(), dict(modules)));
        attributes.extend(config.entries);
        let attributes = Dict { entries: attributes, ..Dict::default() };
        let object = Arc::new(Object { class: row.class.to_owned(), arguments: Some(Vec::new()), attributes });
        if let Some(identity) = identity {
            self.done.insert(identity, object.clone());
        }
        Ok(object)
    }
}

/// The names that a type can have, then those that only this instance has.
fn names<'a, T>(known: &'a [&'static str], members: &'a [(String, T)]) -> Vec<&'a str> {
    let more = members.iter().map(|(name, _)| name.as_str()).filter(|name| !known.contains(name));
    known.iter().copied().chain(more).collect()
}
