//! Putting another module in the place of a child ([`Module::set_submodule`]).

use crate::Module;
use std::any::Any;
use std::sync::Arc;
use wengert_tensor::bug;

/// The place of a child: a field, or an entry of a container. All modules are places of their own kind.
#[doc(hidden)]
pub trait Slot {
    /// The place of a child of what is here.
    fn child(&mut self, name: &str) -> Option<&mut dyn Slot>;
    /// Puts a module here, if it is of the type that the place has.
    fn put(&mut self, new: &mut dyn New) -> bool;
    /// What is here.
    fn class(&self) -> String;
}

/// A module that waits for its place.
#[doc(hidden)]
pub trait New {
    /// An `Option<M>` of the module.
    fn own(&mut self) -> &mut dyn Any;
    /// The module as one of any type.
    fn shared(&mut self) -> Arc<dyn Module>;
}

impl<M: Module> New for Option<M> {
    fn own(&mut self) -> &mut dyn Any {
        self
    }
    fn shared(&mut self) -> Arc<dyn Module> {
        Arc::new(self.take().expect("a module is placed once"))
    }
}

impl<M: Module> Slot for M {
    fn child(&mut self, name: &str) -> Option<&mut dyn Slot> {
        self.child_mut(name)
    }
    fn put(&mut self, new: &mut dyn New) -> bool {
        if let Some(own) = new.own().downcast_mut::<Option<M>>() {
            *self = own.take().expect("a module is placed once");
            return true;
        }
        let place: &mut dyn Any = self;
        if let Some(place) = place.downcast_mut::<Arc<dyn Module>>() {
            *place = new.shared();
            return true;
        }
        if let Some(place) = place.downcast_mut::<Box<dyn Module>>() {
            *place = Box::new(new.shared());
            return true;
        }
        false
    }
    fn class(&self) -> String {
        self.type_name().to_owned()
    }
}

/// Puts a module at a path.
#[track_caller]
pub(crate) fn set(root: &mut dyn Slot, path: &str, new: &mut dyn New, class: &str) {
    if path.is_empty() {
        bug!("", "Cannot set the submodule without a target name!");
    }
    let mut at = root;
    for name in path.split('.') {
        let parent = at.class();
        let Some(next) = at.child(name) else {
            bug!("", "`{parent}` has no attribute `{name}` that can be replaced (a shared module cannot)");
        };
        at = next;
    }
    let here = at.class();
    if !at.put(new) {
        bug!("", "`{path}` is a field of type {here}, in which a {class} has no place: make it a `Box<dyn Module>`");
    }
}
