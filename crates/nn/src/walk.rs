//! Walks over module trees: who is in them, under which names, once or every time.

use crate::{Buffer, Mode, Module, Tree, Visitor};
use std::any::TypeId;
use std::collections::HashSet;
use wengert_autograd::Param;
use wengert_tensor::{StateDict, bug};

/// The members of one module, by kind, each kind in declaration order.
#[derive(Default)]
pub(crate) struct Members<'a> {
    pub(crate) params: Vec<(String, &'a Param)>,
    pub(crate) buffers: Vec<(String, &'a Buffer)>,
    pub(crate) children: Vec<(String, &'a dyn Module)>,
    pub(crate) mode: Option<&'a Mode>,
}

impl<'a> Members<'a> {
    pub(crate) fn of(tree: &'a (impl Tree + ?Sized)) -> Members<'a> {
        let mut members = Members::default();
        tree.visit(&mut members);
        let parametrizations = members.mode.map(Mode::parametrizations).filter(|all| !all.is_empty());
        if let Some(parametrizations) = parametrizations {
            members.params.retain(|(name, _)| !parametrizations.has(name));
            members.children.push(("parametrizations".to_owned(), parametrizations));
        }
        members
    }
}

impl<'a> Visitor<'a> for Members<'a> {
    fn child(&mut self, name: &str, module: &'a dyn Module) {
        self.children.push((name.to_owned(), resolve(module)));
    }
    fn param(&mut self, name: &str, param: &'a Param) {
        self.params.push((name.to_owned(), param));
    }
    fn buffer(&mut self, name: &str, buffer: &'a Buffer) {
        self.buffers.push((name.to_owned(), buffer));
    }
    fn mode(&mut self, mode: &'a Mode) {
        self.mode.get_or_insert(mode);
    }
}

/// The printed name of a type, as PyTorch changes it for modules with parametrised members.
pub(crate) fn class_name(tree: &(impl Tree + ?Sized)) -> std::borrow::Cow<'_, str> {
    let parametrized = Members::of(tree).mode.is_some_and(|mode| !mode.parametrizations().is_empty());
    if parametrized { format!("Parametrized{}", tree.type_name()).into() } else { tree.type_name().into() }
}

/// The module behind any pointers.
pub(crate) fn resolve(mut module: &dyn Module) -> &dyn Module {
    while let Some(inner) = module.pointee() {
        module = inner;
    }
    module
}

/// What tells two modules of one tree apart: address and type, as a struct has its first field's address. Modules
/// without size have no state and may share an address; they always count as different.
pub(crate) fn identity(module: &dyn Module) -> Option<(usize, TypeId)> {
    let sized = size_of_val(module) > 0;
    sized.then(|| (std::ptr::from_ref(module).cast::<()>().addr(), module.as_any().type_id()))
}

/// The modules that a walk has seen.
#[derive(Default)]
struct Seen(HashSet<(usize, TypeId)>);

impl Seen {
    fn is_new(&mut self, module: &dyn Module) -> bool {
        identity(module).is_none_or(|identity| self.0.insert(identity))
    }
}

/// `parent.name`, or `name` under the root.
pub(crate) fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}

pub(crate) fn named_children(root: &dyn Module) -> Vec<(String, &dyn Module)> {
    let mut seen = Seen::default();
    let children = Members::of(resolve(root)).children;
    children.into_iter().filter(|(_, child)| seen.is_new(*child)).collect()
}

pub(crate) fn named_modules(root: &dyn Module) -> Vec<(String, &dyn Module)> {
    fn walk<'a>(path: String, module: &'a dyn Module, seen: &mut Seen, out: &mut Vec<(String, &'a dyn Module)>) {
        if !seen.is_new(module) {
            return;
        }
        out.push((path.clone(), module));
        for (name, child) in Members::of(module).children {
            walk(join(&path, &name), child, seen, out);
        }
    }
    let mut out = Vec::new();
    walk(String::new(), resolve(root), &mut Seen::default(), &mut out);
    out
}

/// The module at a path.
#[track_caller]
pub(crate) fn submodule<'a>(root: &'a dyn Module, path: &str) -> &'a dyn Module {
    let mut module = resolve(root);
    for name in path.split('.').filter(|_| !path.is_empty()) {
        let members = Members::of(module);
        match members.children.into_iter().find(|(own, _)| own == name) {
            Some((_, child)) => module = child,
            None if members.params.iter().any(|(own, _)| own == name) => bug!("", "`{name}` is not an nn.Module"),
            None => bug!("", "{} has no attribute `{name}`", module.type_name()),
        }
    }
    module
}

/// The module that has what is at a path, and its name there.
#[track_caller]
pub(crate) fn member<'a, 'b>(root: &'a dyn Module, path: &'b str) -> (&'a dyn Module, &'b str) {
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    (submodule(root, parent), name)
}

/// Dotted names of one kind of members of all modules, in the order of [`named_modules`].
pub(crate) fn named_members<'a, T>(
    root: &'a dyn Module,
    kind: impl Fn(Members<'a>) -> Vec<(String, T)>,
) -> Vec<(String, T)> {
    let mut out = Vec::new();
    for (path, module) in named_modules(root) {
        out.extend(kind(Members::of(module)).into_iter().map(|(name, value)| (join(&path, &name), value)));
    }
    out
}

pub(crate) fn set_training(root: &dyn Module, training: bool) {
    for (_, module) in named_modules(root) {
        if let Some(mode) = Members::of(module).mode {
            mode.set(training);
        }
    }
}

/// Parameters, then persistent buffers, then the children's, at every level; shared modules under every name.
pub(crate) fn state_dict(root: &dyn Module) -> StateDict {
    fn walk(path: &str, module: &dyn Module, out: &mut StateDict) {
        let members = Members::of(module);
        out.metadata.insert(path.to_owned(), module.version());
        for (name, param) in members.params {
            out.insert(join(path, &name), param.value());
        }
        for (name, buffer) in members.buffers.into_iter().filter(|(_, buffer)| buffer.is_persistent()) {
            out.insert(join(path, &name), buffer.value());
        }
        for (name, child) in members.children {
            walk(&join(path, &name), child, out);
        }
    }
    let mut out = StateDict::new();
    walk("", resolve(root), &mut out);
    out
}
