//! What the containers share: an ordered list of named modules, and the keys that index it.

use crate::replace::Slot;
use crate::{Module, Parts, SpecError, Visitor};
use std::sync::Arc;
use wengert_tensor::bug;

/// Named modules in order; names are unique.
#[derive(Clone, Default)]
pub(crate) struct Entries(pub(crate) Vec<(String, Arc<dyn Module>)>);

impl Entries {
    pub(crate) fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        for (name, module) in &self.0 {
            visitor.child(name, module.as_module());
        }
    }

    /// The place of the module of that name.
    pub(crate) fn place(&mut self, name: &str) -> Option<&mut dyn Slot> {
        self.0.iter_mut().find(|(own, _)| own == name).map(|(_, module)| module as &mut dyn Slot)
    }

    /// Adds a module at the end, or replaces the one of that name in its place.
    ///
    /// # Panics
    /// If the name is empty or contains a dot, in PyTorch's words.
    #[track_caller]
    pub(crate) fn add(&mut self, name: String, module: Arc<dyn Module>) {
        check_name("module", &name);
        match self.0.iter_mut().find(|(own, _)| *own == name) {
            Some(entry) => entry.1 = module,
            None => self.0.push((name, module)),
        }
    }

    /// Puts a module before the one at `index` and names all by their positions.
    pub(crate) fn insert(&mut self, index: isize, module: Arc<dyn Module>) {
        let len = self.0.len() as isize;
        if index < -len || index > len {
            bug!("", "Index out of range: {index}");
        }
        self.0.insert(index.rem_euclid(len + isize::from(index >= 0)) as usize, (String::new(), module));
        self.number();
    }

    /// Names all by their positions.
    pub(crate) fn number(&mut self) {
        for (position, (name, _)) in self.0.iter_mut().enumerate() {
            *name = position.to_string();
        }
    }

    /// The children of a module that is made from a file.
    pub(crate) fn rebuild(parts: &mut Parts<'_>) -> Result<Entries, SpecError> {
        let entries = parts.children()?;
        match entries.iter().find(|(name, _)| name.is_empty() || name.contains('.')) {
            Some((name, _)) => parts.invalid(format!("a module cannot be named '{name}'")),
            None => Ok(Entries(entries)),
        }
    }

    #[track_caller]
    pub(crate) fn at(&self, container: &str, key: impl Key) -> &dyn Module {
        crate::walk::resolve(&self.0[key.position(container, self)].1)
    }
}

/// Panics unless a module or parameter may have the name.
#[track_caller]
pub(crate) fn check_name(what: &str, name: &str) {
    if name.contains('.') {
        bug!("", "{what} name can't contain \".\", got: {name}");
    }
    if name.is_empty() {
        bug!("", "{what} name can't be empty string \"\"");
    }
}

/// What indexes a container: a position, negative from the end, or a name.
pub trait Key: sealed::Position {}
impl<K: sealed::Position> Key for K {}

pub(crate) mod sealed {
    use super::{Entries, bug};

    /// Finds the position in a container.
    pub trait Position {
        /// # Panics
        /// If there is none.
        #[doc(hidden)]
        #[track_caller]
        #[allow(private_interfaces)]
        fn position(&self, container: &str, entries: &Entries) -> usize;
    }

    /// A position argument, negative from the end, as an index into `len` items.
    #[track_caller]
    pub(crate) fn index(index: isize, len: usize) -> usize {
        let len = len as isize;
        if index < -len || index >= len {
            bug!("", "index {index} is out of range");
        }
        index.rem_euclid(len) as usize
    }

    macro_rules! integers {
        ($($ty:ty),*) => {$(
            impl Position for $ty {
                #[allow(private_interfaces)]
                fn position(&self, _container: &str, entries: &Entries) -> usize {
                    index(isize::try_from(*self).unwrap_or(isize::MAX), entries.0.len())
                }
            }
        )*};
    }
    integers!(i32, i64, isize, usize);

    impl Position for &str {
        #[allow(private_interfaces)]
        fn position(&self, container: &str, entries: &Entries) -> usize {
            match entries.0.iter().position(|(name, _)| name == self) {
                Some(position) => position,
                None => {
                    let names: Vec<_> = entries.0.iter().map(|(name, _)| name.as_str()).collect();
                    bug!("", "'{container}' object has no attribute '{self}'; its modules are {names:?}")
                }
            }
        }
    }

    impl Position for String {
        #[allow(private_interfaces)]
        fn position(&self, container: &str, entries: &Entries) -> usize {
            self.as_str().position(container, entries)
        }
    }
}
