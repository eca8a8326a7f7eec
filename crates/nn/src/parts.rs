//! [`Parts`]: what a module is made again from, with everything that it shares with others.

use crate::conv::class_name;
use crate::setting::Setting;
use crate::spec::{Registry, SpecError, entries, place};
use crate::{Buffer, Mode, Module, Rebuild, walk};
use std::collections::HashMap;
use std::sync::Arc;
use wengert_autograd::Param;
use wengert_tensor::shape::list;
use wengert_tensor::{Dict, Object, Tensor, Value};

/// A tensor's place in memory, by which what was shared is found again.
type Memory = (usize, usize, Vec<usize>, Vec<isize>);

/// What several modules of a model may have in common.
#[derive(Default)]
pub(crate) struct Shared {
    params: HashMap<Memory, Param>,
    buffers: HashMap<Memory, Buffer>,
    modules: HashMap<usize, Arc<dyn Module>>,
    /// Parameters without a shape, by the object that stands for each.
    shapeless: HashMap<usize, Param>,
}

/// What stands for a parameter without a shape, and for a buffer.
pub(crate) const UNINITIALIZED: [&str; 2] =
    ["torch.nn.parameter.UninitializedParameter", "torch.nn.parameter.UninitializedBuffer"];

/// The object that stands for a parameter or a buffer without a shape.
fn shapeless<'a>(value: &'a Value, class: &str) -> Option<&'a Arc<Object>> {
    value.as_object().filter(|object| object.class == class)
}

fn memory(tensor: &Tensor) -> Memory {
    let address = Arc::as_ptr(tensor.storage()).addr();
    (address, tensor.layout().offset(), tensor.shape().to_vec(), tensor.strides().to_vec())
}

/// Modules with their names, which can be shared.
pub type NamedModules = Vec<(String, Arc<dyn Module>)>;

/// The parts of one module, which [`Rebuild::rebuild`] takes.
pub struct Parts<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) object: &'a Arc<Object>,
    pub(crate) path: String,
    pub(crate) shared: &'a mut Shared,
}

impl Parts<'_> {
    pub(crate) fn module(&mut self) -> Result<Arc<dyn Module>, SpecError> {
        let key = Arc::as_ptr(self.object).addr();
        if let Some(known) = self.shared.modules.get(&key) {
            return Ok(known.clone());
        }
        let Some(build) = self.registry.constructor(&self.object.class) else {
            return Err(SpecError::UnknownClass { place: place(&self.path), class: self.object.class.clone() });
        };
        self.check_hooks()?;
        let module = build(self)?;
        self.shared.modules.insert(key, module.clone());
        Ok(module)
    }

    fn check_hooks(&self) -> Result<(), SpecError> {
        for hooks in ["_forward_hooks", "_forward_pre_hooks"] {
            let hooks_of = self.object.attributes.get(hooks).and_then(Value::as_dict);
            if !hooks_of.into_iter().flat_map(Dict::iter).all(|(_, hook)| self.is_lazy() && infers(hook)) {
                return self.invalid(format!("it has {hooks}, which are programs; remove them before saving"));
            }
        }
        Ok(())
    }

    fn is_lazy(&self) -> bool {
        class_name(&self.object.class).starts_with("Lazy")
    }

    /// An error about this module.
    ///
    /// # Errors
    /// Always.
    pub fn invalid<T>(&self, what: impl Into<String>) -> Result<T, SpecError> {
        Err(SpecError::Invalid { place: place(&self.path), what: what.into() })
    }

    /// The training flag; a field of your module, if it has one.
    pub fn mode(&self) -> Mode {
        let flag = |name| self.object.attributes.get(name).and_then(Value::as_bool);
        let mut mode = Mode::default();
        mode.inplace = flag("inplace").unwrap_or(false);
        mode.set(flag("training").unwrap_or(true));
        mode
    }

    /// A configured value.
    ///
    /// # Errors
    /// If it is missing or of another kind.
    pub fn get<T: Setting>(&self, name: &str) -> Result<T, SpecError> {
        let Some(value) = self.object.attributes.get(name) else {
            return self.invalid(format!("'{name}' is missing"));
        };
        match T::from_value(value) {
            Some(value) => Ok(value),
            None => self.invalid(format!("'{name}' cannot be {}", text(value))),
        }
    }

    /// A configured value, or what it was before it existed.
    ///
    /// # Errors
    /// If it is of another kind.
    pub fn get_or<T: Setting>(&self, name: &str, default: T) -> Result<T, SpecError> {
        if self.object.attributes.get(name).is_none() { Ok(default) } else { self.get(name) }
    }

    /// Refuses a configuration that is not supported: `name` may be missing or have this value, no other.
    ///
    /// # Errors
    /// If it is another.
    pub fn only<T: Setting + PartialEq>(&self, name: &str, supported: T) -> Result<(), SpecError> {
        match self.object.attributes.get(name) {
            Some(value) if T::from_value(value).as_ref() != Some(&supported) => {
                self.invalid(format!("{name}={} is not supported", text(value)))
            }
            _ => Ok(()),
        }
    }

    /// A parameter of that shape; one that is shared is the same everywhere.
    ///
    /// # Errors
    /// If it is missing or of another shape.
    pub fn param(&mut self, name: &str, shape: &[usize]) -> Result<Param, SpecError> {
        match self.optional_param(name, shape)? {
            Some(param) => Ok(param),
            None => self.invalid(format!("parameter '{name}' is missing")),
        }
    }

    /// A parameter of that shape, if there is one.
    ///
    /// # Errors
    /// If it is of another shape.
    pub fn optional_param(&mut self, name: &str, shape: &[usize]) -> Result<Option<Param>, SpecError> {
        let Some((_, value)) = entries(self.object, "_parameters").find(|(own, _)| *own == name) else {
            return Ok(None);
        };
        let Some(param) = self.any_param(name, &value.clone())? else { return Ok(None) };
        if !param.is_uninitialized() && param.shape()[..] != *shape {
            let what = format!("parameter '{name}' has shape {}, not {}", list(&param.shape()), list(shape));
            return self.invalid(what);
        }
        Ok(Some(param))
    }

    fn any_param(&mut self, name: &str, value: &Value) -> Result<Option<Param>, SpecError> {
        if let Some(object) = shapeless(value, UNINITIALIZED[0]) {
            if !self.is_lazy() {
                return self.invalid(format!("parameter '{name}' has no shape"));
            }
            let requires = object.arguments.iter().flatten().next().and_then(Value::as_bool).unwrap_or(true);
            let param = self.shared.shapeless.entry(Arc::as_ptr(object).addr()).or_insert_with(|| {
                let param = Param::uninitialized();
                param.requires_grad_(requires);
                param
            });
            return Ok(Some(param.clone()));
        }
        let requires = match value {
            Value::None => return Ok(None),
            Value::Grad { requires_grad, .. } => *requires_grad,
            _ => false,
        };
        let Some(tensor) = value.as_tensor().filter(|tensor| tensor.dtype().is_float()) else {
            return self.invalid(format!("parameter '{name}' is no floating tensor"));
        };
        let param = self.shared.params.entry(memory(tensor)).or_insert_with(|| {
            let param = Param::new(tensor.contiguous());
            param.requires_grad_(requires);
            param
        });
        Ok(Some(param.clone()))
    }

    /// All parameters by name, for lists of them.
    ///
    /// # Errors
    /// If one is no floating tensor.
    pub fn params(&mut self) -> Result<Vec<(String, Param)>, SpecError> {
        let object = self.object.clone();
        let mut out = Vec::new();
        for (name, value) in entries(&object, "_parameters") {
            if let Some(param) = self.any_param(name, value)? {
                out.push((name.to_owned(), param));
            }
        }
        Ok(out)
    }

    /// A buffer of any shape, if there is one.
    ///
    /// # Errors
    /// If it is no tensor.
    pub fn any_buffer(&mut self, name: &str) -> Result<Option<Buffer>, SpecError> {
        let Some((_, value)) = entries(self.object, "_buffers").find(|(own, _)| *own == name) else { return Ok(None) };
        let tensor = match value.as_tensor() {
            Some(tensor) => tensor,
            None if matches!(value, Value::None) => return Ok(None),
            None if self.is_lazy() && shapeless(value, UNINITIALIZED[1]).is_some() => {
                return Ok(Some(Buffer::uninitialized()));
            }
            None => return self.invalid(format!("buffer '{name}' is no tensor")),
        };
        let hidden = match self.object.attributes.get("_non_persistent_buffers_set") {
            Some(Value::Set(names)) => names.iter().any(|own| own.as_str() == Some(name)),
            _ => false,
        };
        let new = || if hidden { Buffer::non_persistent(tensor.clone()) } else { Buffer::new(tensor.clone()) };
        Ok(Some(self.shared.buffers.entry(memory(tensor)).or_insert_with(new).clone()))
    }

    /// A buffer of that shape, if there is one.
    ///
    /// # Errors
    /// If it is of another shape or no tensor.
    pub fn optional_buffer(&mut self, name: &str, shape: &[usize]) -> Result<Option<Buffer>, SpecError> {
        let Some(buffer) = self.any_buffer(name)? else { return Ok(None) };
        let found = buffer.value();
        if !buffer.is_uninitialized() && found.shape() != shape {
            return self.invalid(format!("buffer '{name}' has shape {}, not {}", list(found.shape()), list(shape)));
        }
        Ok(Some(buffer))
    }

    /// Refuses a buffer that is not supported.
    ///
    /// # Errors
    /// If there is one of that name.
    pub fn no_buffer(&mut self, name: &str) -> Result<(), SpecError> {
        match self.any_buffer(name)? {
            None => Ok(()),
            Some(_) => self.invalid(format!("'{name}' is not supported")),
        }
    }

    /// A buffer of that shape.
    ///
    /// # Errors
    /// If it is missing or of another shape.
    pub fn buffer(&mut self, name: &str, shape: &[usize]) -> Result<Buffer, SpecError> {
        match self.optional_buffer(name, shape)? {
            Some(buffer) => Ok(buffer),
            None => self.invalid(format!("buffer '{name}' is missing")),
        }
    }

    /// All children by name, of whatever registered types; one that is shared is the same everywhere.
    ///
    /// # Errors
    /// If one cannot be made.
    pub fn children(&mut self) -> Result<NamedModules, SpecError> {
        let object = self.object.clone();
        let mut out = Vec::new();
        for (name, value) in entries(&object, "_modules") {
            let Some(child) = value.as_object() else { continue };
            out.push((name.to_owned(), self.part(name, child).module()?));
        }
        Ok(out)
    }

    /// A child of any registered type, for a field that is an `Arc<dyn Module>` or a `Box` of it.
    ///
    /// # Errors
    /// If it is missing or cannot be made.
    pub fn any_child(&mut self, name: &str) -> Result<Arc<dyn Module>, SpecError> {
        let object = self.object.clone();
        match entries(&object, "_modules").find(|(own, _)| *own == name).and_then(|(_, value)| value.as_object()) {
            Some(child) => self.part(name, child).module(),
            None => self.invalid(format!("child '{name}' is missing")),
        }
    }

    /// Whether there is a child of that name that is not `None`.
    pub fn has_child(&self, name: &str) -> bool {
        entries(self.object, "_modules").any(|(own, value)| own == name && !matches!(value, Value::None))
    }

    /// A child of a type that is known here.
    ///
    /// # Errors
    /// If it is missing, of another class, or cannot be made.
    pub fn child<M: Rebuild>(&mut self, name: &str) -> Result<M, SpecError> {
        let object = self.object.clone();
        let child = entries(&object, "_modules").find(|(own, _)| *own == name).and_then(|(_, value)| value.as_object());
        match child {
            Some(child) if child.class == M::CLASS => {
                let mut parts = self.part(name, child);
                parts.check_hooks()?;
                M::rebuild(&mut parts)
            }
            Some(child) => self.invalid(format!("child '{name}' is a {}, not a {}", child.class, M::CLASS)),
            None => self.invalid(format!("child '{name}' is missing")),
        }
    }

    fn part<'b>(&'b mut self, name: &str, object: &'b Arc<Object>) -> Parts<'b> {
        Parts { registry: self.registry, object, path: walk::join(&self.path, name), shared: self.shared }
    }
}

/// Whether a hook is the method by which PyTorch's lazy modules learn the size of their input.
fn infers(hook: &Value) -> bool {
    let method = hook.as_object().filter(|object| class_name(&object.class) == "getattr");
    let arguments = method.and_then(|object| object.arguments.as_deref());
    arguments.and_then(|arguments| arguments.get(1)).and_then(Value::as_str) == Some("_infer_parameters")
}

/// A value in a message: short, whatever it is.
fn text(value: &Value) -> String {
    match value {
        Value::None | Value::Bool(_) | Value::Int(_) | Value::Float(_) => value.to_string(),
        Value::Str(text) if text.len() < 100 => format!("'{text}'"),
        Value::Tuple(items) if items.len() < 10 => value.to_string(),
        Value::Object(object) => object.class.clone(),
        _ => "this".to_owned(),
    }
}
