//! Modules held in lists and dicts that have no forward pass of their own.

use crate::container::{Entries, Key};
use crate::replace::Slot;
use crate::{Mode, Module, Parts, Rebuild, SpecError, Tree, Visitor};
use std::ops::Index;
use std::sync::Arc;

/// Modules of any kinds by position (`torch.nn.ModuleList`). For modules of one type a `Vec` does the same, typed.
///
/// # Examples
/// ```
/// use wengert_nn::{Linear, ModuleList, ReLU};
/// let mut list = ModuleList::new();
/// list.push(Linear::new(784, 256)).push(ReLU::new());
/// assert_eq!(list[-1].to_string(), "ReLU()");
/// ```
#[derive(Default)]
pub struct ModuleList {
    entries: Entries,
    mode: Mode,
}

impl ModuleList {
    /// An empty list.
    pub fn new() -> ModuleList {
        ModuleList::default()
    }

    /// Adds a module at the end.
    pub fn push(&mut self, module: impl Module) -> &mut ModuleList {
        self.entries.add(self.len().to_string(), Arc::new(module));
        self
    }

    /// Puts a module before the one at a position, negative from the end.
    ///
    /// # Panics
    /// If the position is out of range.
    #[track_caller]
    pub fn insert(&mut self, index: isize, module: impl Module) -> &mut ModuleList {
        self.entries.insert(index, Arc::new(module));
        self
    }

    /// Replaces a module, and returns the old one.
    ///
    /// # Panics
    /// If the position is out of range.
    #[track_caller]
    pub fn replace(&mut self, key: impl Key, module: impl Module) -> Arc<dyn Module> {
        let position = key.position("ModuleList", &self.entries);
        std::mem::replace(&mut self.entries.0[position].1, Arc::new(module))
    }

    /// Removes a module; those behind it move up.
    ///
    /// # Panics
    /// If the position is out of range.
    #[track_caller]
    pub fn remove(&mut self, key: impl Key) -> Arc<dyn Module> {
        let position = key.position("ModuleList", &self.entries);
        let (_, module) = self.entries.0.remove(position);
        self.entries.number();
        module
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
        self.entries.0.iter().map(|(_, module)| crate::walk::resolve(module))
    }
}

impl Tree for ModuleList {
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        visitor.mode(&self.mode);
        self.entries.visit(visitor);
    }
    fn child_mut(&mut self, name: &str) -> Option<&mut dyn Slot> {
        self.entries.place(name)
    }
    fn type_name(&self) -> &str {
        "ModuleList"
    }
    fn prints_repeats_once(&self) -> bool {
        true
    }
}

#[wengert_nn_derive::module]
impl Module for ModuleList {}

impl<K: Key> Index<K> for ModuleList {
    type Output = dyn Module;

    /// # Panics
    /// If the position is out of range.
    #[track_caller]
    fn index(&self, key: K) -> &dyn Module {
        self.entries.at("ModuleList", key)
    }
}

impl<M: Module> Extend<M> for ModuleList {
    fn extend<I: IntoIterator<Item = M>>(&mut self, modules: I) {
        for module in modules {
            self.push(module);
        }
    }
}

impl<M: Module> FromIterator<M> for ModuleList {
    fn from_iter<I: IntoIterator<Item = M>>(modules: I) -> ModuleList {
        let mut list = ModuleList::new();
        list.extend(modules);
        list
    }
}

/// Modules of any kinds by name, in order of insertion (`torch.nn.ModuleDict`).
///
/// # Examples
/// ```
/// use wengert_nn::{Linear, ModuleDict, ReLU};
/// let mut dict = ModuleDict::new();
/// dict.insert("linear", Linear::new(784, 256));
/// dict.insert("act", ReLU::new());
/// assert_eq!(dict["act"].to_string(), "ReLU()");
/// assert_eq!(dict.keys().collect::<Vec<_>>(), ["linear", "act"]);
/// ```
#[derive(Default)]
pub struct ModuleDict {
    entries: Entries,
    mode: Mode,
}

impl ModuleDict {
    /// An empty dict.
    pub fn new() -> ModuleDict {
        ModuleDict::default()
    }

    /// Adds a module at the end, or replaces the one of that name in its place.
    ///
    /// # Panics
    /// If the name is empty or contains a dot.
    #[track_caller]
    pub fn insert(&mut self, name: impl Into<String>, module: impl Module) -> &mut ModuleDict {
        self.entries.add(name.into(), Arc::new(module));
        self
    }

    /// Removes the module of that name.
    pub fn remove(&mut self, name: &str) -> Option<Arc<dyn Module>> {
        let position = self.entries.0.iter().position(|(own, _)| own == name)?;
        Some(self.entries.0.remove(position).1)
    }

    /// Whether there is a module of that name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.keys().any(|own| own == name)
    }

    /// Names in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.0.iter().map(|(name, _)| name.as_str())
    }

    /// Names and modules in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &dyn Module)> {
        self.entries.0.iter().map(|(name, module)| (name.as_str(), crate::walk::resolve(module)))
    }

    /// The number of modules.
    pub fn len(&self) -> usize {
        self.entries.0.len()
    }

    /// Whether there are no modules.
    pub fn is_empty(&self) -> bool {
        self.entries.0.is_empty()
    }
}

impl Tree for ModuleDict {
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        visitor.mode(&self.mode);
        self.entries.visit(visitor);
    }
    fn child_mut(&mut self, name: &str) -> Option<&mut dyn Slot> {
        self.entries.place(name)
    }
    fn type_name(&self) -> &str {
        "ModuleDict"
    }
}

#[wengert_nn_derive::module]
impl Module for ModuleDict {}

impl Index<&str> for ModuleDict {
    type Output = dyn Module;

    /// # Panics
    /// If there is no module of that name.
    #[track_caller]
    fn index(&self, name: &str) -> &dyn Module {
        self.entries.at("ModuleDict", name)
    }
}

/// A `Vec` of modules is a list of them, as if it were a [`ModuleList`].
impl<M: Module> Tree for Vec<M> {
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        self.as_slice().iter().enumerate().for_each(|(i, module)| visitor.child(&i.to_string(), module));
    }
    fn child_mut(&mut self, name: &str) -> Option<&mut dyn Slot> {
        self.get_mut(name.parse::<usize>().ok()?).map(|module| module as &mut dyn Slot)
    }
    fn type_name(&self) -> &str {
        "ModuleList"
    }
    fn prints_repeats_once(&self) -> bool {
        true
    }
}

#[wengert_nn_derive::module]
impl<M: Module> Module for Vec<M> {}

/// An array of modules is a list of them, as if it were a [`ModuleList`].
impl<M: Module, const N: usize> Tree for [M; N] {
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        self.iter().enumerate().for_each(|(i, module)| visitor.child(&i.to_string(), module));
    }
    fn child_mut(&mut self, name: &str) -> Option<&mut dyn Slot> {
        self.get_mut(name.parse::<usize>().ok()?).map(|module| module as &mut dyn Slot)
    }
    fn type_name(&self) -> &str {
        "ModuleList"
    }
    fn prints_repeats_once(&self) -> bool {
        true
    }
}

#[wengert_nn_derive::module]
impl<M: Module, const N: usize> Module for [M; N] {}

crate::display::display!(ModuleList, ModuleDict);

impl Rebuild for ModuleList {
    const CLASS: &'static str = "torch.nn.modules.container.ModuleList";
    fn rebuild(parts: &mut Parts<'_>) -> Result<ModuleList, SpecError> {
        Ok(ModuleList { entries: Entries::rebuild(parts)?, mode: parts.mode() })
    }
}

impl Rebuild for ModuleDict {
    const CLASS: &'static str = "torch.nn.modules.container.ModuleDict";
    fn rebuild(parts: &mut Parts<'_>) -> Result<ModuleDict, SpecError> {
        Ok(ModuleDict { entries: Entries::rebuild(parts)?, mode: parts.mode() })
    }
}
