//! [`Sequential`]: modules that run one after another.

use crate::container::{Entries, Key};
use crate::hooks::{self, Level};
use crate::replace::Slot;
use crate::walk::resolve;
use crate::{Mode, Module, Parts, ReLU, Rebuild, SpecError, Tree, Var, Visitor};
use std::ops::{Index, RangeBounds};
use std::sync::Arc;

/// Modules that run one after another, named by position or by you (`torch.nn.Sequential`).
///
/// A [`ReLU`] runs in one pass with the layer before it ([`Module::forward_relu`]), unless hooks or a summary want to see both.
///
/// # Examples
/// ```
/// use wengert_nn::{Linear, Module, ReLU, Sequential, sequential};
/// let mut net = sequential! { "hidden" => Linear::new(4, 3), "act" => ReLU::new() };
/// net.add_module("output", Linear::new(3, 1));
/// assert_eq!(net["output"].to_string(), "Linear(in_features=3, out_features=1, bias=True)");
/// assert_eq!(net[-1].to_string(), net[2].to_string());
/// assert_eq!(net.state_dict().keys().next(), Some("hidden.weight"));
/// ```
#[derive(Default)]
pub struct Sequential {
    entries: Entries,
    mode: Mode,
}

/// A [`Sequential`] from modules in order: `sequential![a, b]`, or with names, `sequential! { "a" => a, "b" => b }`.
#[macro_export]
macro_rules! sequential {
    () => { $crate::Sequential::new() };
    ($($name:expr => $module:expr),+ $(,)?) => {{
        let mut net = $crate::Sequential::new();
        $(net.add_module($name, $module);)+
        net
    }};
    ($($module:expr),+ $(,)?) => {{
        let mut net = $crate::Sequential::new();
        $(net.push($module);)+
        net
    }};
}

impl Sequential {
    /// An empty one: it returns its input.
    pub fn new() -> Sequential {
        Sequential::default()
    }

    /// Adds a module at the end, named by its position. An `Arc` of a module is shared, not copied.
    pub fn push(&mut self, module: impl Module) -> &mut Sequential {
        self.entries.add(self.len().to_string(), Arc::new(module));
        self
    }

    /// Adds a named module at the end, or replaces the one of that name in its place.
    ///
    /// # Panics
    /// If the name is empty or contains a dot.
    #[track_caller]
    pub fn add_module(&mut self, name: impl Into<String>, module: impl Module) -> &mut Sequential {
        self.entries.add(name.into(), Arc::new(module));
        self
    }

    /// Puts a module before the one at a position, negative from the end, and names all by their positions.
    ///
    /// # Panics
    /// If the position is out of range.
    #[track_caller]
    pub fn insert(&mut self, index: isize, module: impl Module) -> &mut Sequential {
        self.entries.insert(index, Arc::new(module));
        self
    }

    /// Replaces a module, and returns the old one.
    ///
    /// # Panics
    /// If there is none at that position or of that name.
    #[track_caller]
    pub fn replace(&mut self, key: impl Key, module: impl Module) -> Arc<dyn Module> {
        let position = key.position("Sequential", &self.entries);
        std::mem::replace(&mut self.entries.0[position].1, Arc::new(module))
    }

    /// Removes a module, and names those that are left by their positions.
    ///
    /// # Panics
    /// If there is none at that position or of that name.
    #[track_caller]
    pub fn remove(&mut self, key: impl Key) -> Arc<dyn Module> {
        let position = key.position("Sequential", &self.entries);
        let (_, module) = self.entries.0.remove(position);
        self.entries.number();
        module
    }

    /// A part of it, with the names it has here; the modules are shared.
    ///
    /// # Panics
    /// If the range reaches beyond the end.
    #[track_caller]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Sequential {
        let range = (range.start_bound().cloned(), range.end_bound().cloned());
        Sequential { entries: Entries(self.entries.0[range].to_vec()), mode: Mode::default() }
    }

    /// The number of modules.
    pub fn len(&self) -> usize {
        self.entries.0.len()
    }

    /// Whether there are no modules.
    pub fn is_empty(&self) -> bool {
        self.entries.0.is_empty()
    }

    /// The modules in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &dyn Module> + ExactSizeIterator {
        self.entries.0.iter().map(|(_, module)| resolve(module))
    }
}

impl Tree for Sequential {
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        visitor.mode(&self.mode);
        self.entries.visit(visitor);
    }
    fn child_mut(&mut self, name: &str) -> Option<&mut dyn Slot> {
        self.entries.place(name)
    }
    fn type_name(&self) -> &str {
        "Sequential"
    }
}

#[wengert_nn_derive::module]
impl Module for Sequential {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        let mut modules = self.entries.0.iter().map(|(_, module)| &**module).peekable();
        let mut value = input.clone();
        while let Some(module) = modules.next() {
            value = match modules.next_if(|next| hooks::idle() && next.is::<ReLU>()) {
                Some(relu) => {
                    // What fails outside of the module's own pass fails in the ReLU.
                    let _level = Level::new(resolve(relu));
                    module.forward_relu(&value)
                }
                None => module.forward(&value),
            };
        }
        value
    }
}

impl<K: Key> Index<K> for Sequential {
    type Output = dyn Module;

    /// # Panics
    /// If there is no module at that position or of that name.
    #[track_caller]
    fn index(&self, key: K) -> &dyn Module {
        self.entries.at("Sequential", key)
    }
}

impl<M: Module> Extend<M> for Sequential {
    fn extend<I: IntoIterator<Item = M>>(&mut self, modules: I) {
        for module in modules {
            self.push(module);
        }
    }
}

impl<M: Module> FromIterator<M> for Sequential {
    fn from_iter<I: IntoIterator<Item = M>>(modules: I) -> Sequential {
        let mut net = Sequential::new();
        net.extend(modules);
        net
    }
}

crate::display::display!(Sequential);

impl Rebuild for Sequential {
    const CLASS: &'static str = "torch.nn.modules.container.Sequential";
    fn rebuild(parts: &mut Parts<'_>) -> Result<Sequential, SpecError> {
        Ok(Sequential { entries: Entries::rebuild(parts)?, mode: parts.mode() })
    }
}
