//! Walks over module trees: who is in them, under which names, once or every time.

use crate::{Buffer, Mode, Module, Tree, Visitor, glob};
use std::any::TypeId;
use std::collections::HashSet;
use wengert_autograd::Param;
use wengert_tensor::{DType, StateDict, bug};

/// The members of one module, by kind, each kind in declaration order.
#[derive(Default)]
pub(crate) struct Members<'a> {
    pub(crate) params: Vec<(String, &'a Param)>,
    pub(crate) buffers: Vec<(String, &'a Buffer)>,
    pub(crate) children: Vec<(String, &'a dyn Module)>,
    pub(crate) mode: Option<&'a Mode>,
}

impl<'a> Members<'a> {
    pub(crate) fn of(tree: &'a dyn Tree) -> Members<'a> {
        let mut members = Members::default();
        tree.visit(&mut members);
        if let Some(all) = members.mode.map(Mode::parametrizations).filter(|all| !all.is_idle()) {
            members.params.retain(|(name, _)| !all.has(name));
            for (name, original, mask) in all.pruned() {
                members.params.push((format!("{name}_orig"), original));
                members.buffers.push((format!("{name}_mask"), mask));
            }
            if !all.is_empty() {
                members.children.push(("parametrizations".to_owned(), all));
            }
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
pub(crate) fn class_name(tree: &dyn Tree) -> std::borrow::Cow<'_, str> {
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
fn member<'a, 'b>(root: &'a dyn Module, path: &'b str) -> (&'a dyn Module, &'b str) {
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    (submodule(root, parent), name)
}

/// Panics: a module has nothing of that name, or something else.
#[track_caller]
fn no_member(module: &dyn Module, name: &str, what: &str) -> ! {
    let Members { params, buffers, children, .. } = Members::of(module);
    let mut names =
        params.iter().map(|p| &p.0).chain(buffers.iter().map(|b| &b.0)).chain(children.iter().map(|c| &c.0));
    if names.any(|own| own == name) {
        let an = if what.starts_with('n') { "an" } else { "a" };
        bug!("", "`{name}` is not {an} {what}");
    }
    bug!("", "{} has no attribute `{name}`", module.type_name())
}

/// The parameter at a path.
#[track_caller]
pub(crate) fn parameter(root: &dyn Module, path: &str) -> Param {
    let (module, name) = member(root, path);
    match Members::of(module).params.into_iter().find(|(own, _)| own == name) {
        Some((_, param)) => param.clone(),
        None => no_member(module, name, "nn.Parameter"),
    }
}

/// The buffer at a path.
#[track_caller]
pub(crate) fn buffer(root: &dyn Module, path: &str) -> Buffer {
    let (module, name) = member(root, path);
    match Members::of(module).buffers.into_iter().find(|(own, _)| own == name) {
        Some((_, buffer)) => buffer.clone(),
        None => no_member(module, name, "buffer"),
    }
}

/// Dotted names and parameters of all modules, in the order of [`named_modules`]; each parameter once.
pub(crate) fn named_parameters(root: &dyn Module) -> Vec<(String, Param)> {
    let mut seen = HashSet::new();
    let mut out = Vec::new();
    for (path, module) in named_modules(root) {
        let params = Members::of(module).params.into_iter().filter(|(_, param)| seen.insert(param.id()));
        out.extend(params.map(|(name, param)| (join(&path, &name), param.clone())));
    }
    out
}

/// Dotted names and buffers of all modules, in the order of [`named_modules`]; each buffer once.
pub(crate) fn named_buffers(root: &dyn Module) -> Vec<(String, Buffer)> {
    let mut seen = HashSet::new();
    let mut out = Vec::new();
    for (path, module) in named_modules(root) {
        let buffers = Members::of(module).buffers.into_iter().filter(|(_, buffer)| seen.insert(buffer.id()));
        out.extend(buffers.map(|(name, buffer)| (join(&path, &name), buffer.clone())));
    }
    out
}

/// The second halves of a walk's pairs.
pub(crate) fn unnamed<T>(named: Vec<(String, T)>) -> Vec<T> {
    named.into_iter().map(|(_, value)| value).collect()
}

pub(crate) fn training(root: &dyn Module) -> bool {
    let modes = named_modules(root).into_iter().find_map(|(_, module)| Members::of(module).mode);
    modes.is_none_or(Mode::is_training)
}

/// Calls `f` with every module, children before their parent.
pub(crate) fn apply(root: &dyn Module, f: &mut dyn FnMut(&dyn Module)) {
    named_children(root).into_iter().for_each(|(_, child)| apply(child, f));
    f(resolve(root));
}

/// Chooses for the parameters whose dotted name matches whether they get gradients; says how many there are.
pub(crate) fn requires_grad_matching(root: &dyn Module, pattern: &str, requires_grad: bool) -> usize {
    let matching = glob::select(named_parameters(root), pattern);
    for param in &matching {
        param.requires_grad_(requires_grad);
    }
    matching.len()
}

/// Converts floating parameters and buffers.
#[track_caller]
pub(crate) fn convert(root: &dyn Module, dtype: DType) {
    if !dtype.is_float() {
        bug!("", "nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}");
    }
    for (_, param) in named_parameters(root) {
        param.set(param.value().to(dtype));
    }
    for (_, buffer) in named_buffers(root) {
        if buffer.value().dtype().is_float() {
            buffer.set(buffer.value().to(dtype));
        }
    }
}

/// The module of that dotted name.
pub(crate) fn find<'a>(root: &'a dyn Module, path: &str) -> Option<&'a dyn Module> {
    let mut module = resolve(root);
    if path.is_empty() {
        return Some(module);
    }
    for name in path.split('.') {
        module = Members::of(module).children.into_iter().find(|(own, _)| own == name)?.1;
    }
    Some(module)
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
