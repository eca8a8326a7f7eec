//! Loading a state dict: all problems found first and reported together, then everything set.

use crate::walk::{self, Members};
use crate::{Buffer, Module};
use std::fmt;
use wengert_autograd::Param;
use wengert_tensor::shape::size_text;
use wengert_tensor::{StateDict, Tensor, Value};

/// What a state dict and a module did not have in common, after a load that did not fail.
///
/// It prints as PyTorch's: `<All keys matched successfully>` or
/// `_IncompatibleKeys(missing_keys=['hidden.bias'], unexpected_keys=[])`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncompatibleKeys {
    /// Names that the module has and the state dict lacks.
    pub missing_keys: Vec<String>,
    /// Names in the state dict that the module lacks.
    pub unexpected_keys: Vec<String>,
}

impl fmt::Display for IncompatibleKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.missing_keys.is_empty() && self.unexpected_keys.is_empty() {
            return f.write_str("<All keys matched successfully>");
        }
        let list =
            |keys: &[String]| keys.iter().map(|k| Value::from(k.as_str()).to_string()).collect::<Vec<_>>().join(", ");
        let (missing, unexpected) = (list(&self.missing_keys), list(&self.unexpected_keys));
        write!(f, "_IncompatibleKeys(missing_keys=[{missing}], unexpected_keys=[{unexpected}])")
    }
}

/// A state dict does not fit a module. Prints as PyTorch's error, all problems in one text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadError {
    /// The type name of the module.
    pub module: String,
    /// Names that the module has and the state dict lacks; empty for a partial load.
    pub missing_keys: Vec<String>,
    /// Names in the state dict that the module lacks; empty for a partial load.
    pub unexpected_keys: Vec<String>,
    /// Entries whose shape is not the module's.
    pub size_mismatches: Vec<SizeMismatch>,
}

/// One entry of a state dict whose shape is not the module's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SizeMismatch {
    /// Its name.
    pub key: String,
    /// The shape in the state dict.
    pub found: Vec<usize>,
    /// The shape in the module.
    pub expected: Vec<usize>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error(s) in loading state_dict for {}:", self.module)?;
        for (what, keys) in [("Missing", &self.missing_keys), ("Unexpected", &self.unexpected_keys)] {
            if !keys.is_empty() {
                let keys: Vec<_> = keys.iter().map(|key| format!("\"{key}\"")).collect();
                write!(f, "\n\t{what} key(s) in state_dict: {}. ", keys.join(", "))?;
            }
        }
        for SizeMismatch { key, found, expected } in &self.size_mismatches {
            let (found, expected) = (size_text(found), size_text(expected));
            write!(
                f,
                "\n\tsize mismatch for {key}: copying a param with shape {found} from checkpoint, \
                 the shape in current model is {expected}."
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

/// Whether keys must match exactly.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    Strict,
    Partial,
}

pub(crate) fn load(
    root: &dyn Module,
    state: &StateDict,
    strictness: Strictness,
) -> Result<IncompatibleKeys, LoadError> {
    let root = walk::resolve(root);
    let mut plan = Plan { state, keys: IncompatibleKeys::default(), mismatches: Vec::new(), writes: Vec::new() };
    plan.module("", root, state.keys().collect());
    let strict = strictness == Strictness::Strict;
    let IncompatibleKeys { missing_keys, unexpected_keys } = plan.keys.clone();
    if !plan.mismatches.is_empty() || strict && !(missing_keys.is_empty() && unexpected_keys.is_empty()) {
        return Err(LoadError {
            module: walk::class_name(root).into_owned(),
            missing_keys: if strict { missing_keys } else { Vec::new() },
            unexpected_keys: if strict { unexpected_keys } else { Vec::new() },
            size_mismatches: plan.mismatches,
        });
    }
    for (target, value) in plan.writes {
        target.set(value);
    }
    Ok(plan.keys)
}

/// A parameter or buffer that a load writes.
enum Target<'a> {
    Param(&'a Param),
    Buffer(&'a Buffer),
}

impl Target<'_> {
    fn value(&self) -> Tensor {
        match self {
            Target::Param(param) => param.value(),
            Target::Buffer(buffer) => buffer.value(),
        }
    }

    fn is_uninitialized(&self) -> bool {
        match self {
            Target::Param(param) => param.is_uninitialized(),
            Target::Buffer(buffer) => buffer.is_uninitialized(),
        }
    }

    fn set(&self, value: Tensor) {
        match self {
            Target::Param(param) => param.set(value),
            Target::Buffer(buffer) => buffer.set(value),
        }
    }
}

/// What a load found out, and what it will write if all is well.
struct Plan<'a> {
    state: &'a StateDict,
    keys: IncompatibleKeys,
    mismatches: Vec<SizeMismatch>,
    writes: Vec<(Target<'a>, Tensor)>,
}

impl<'a> Plan<'a> {
    /// One module and, after it, its children: PyTorch's order, which the lists of keys show.
    ///
    /// `keys` are the names under this module's path.
    fn module(&mut self, path: &str, module: &'a dyn Module, keys: Vec<&'a str>) {
        let members = Members::of(module);
        let params = members.params.into_iter().map(|(name, param)| (name, Target::Param(param)));
        let persistent = members.buffers.into_iter().filter(|(_, buffer)| buffer.is_persistent());
        let buffers = persistent.map(|(name, buffer)| (name, Target::Buffer(buffer)));
        let mut own = Vec::new();
        for (name, target) in params.chain(buffers) {
            self.member(path, module, &name, target);
            own.push(name);
        }
        let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
        for key in &keys {
            let known = match key[prefix.len()..].split_once('.') {
                Some((child, _)) => members.children.iter().any(|(name, _)| name == child),
                None => own.iter().any(|name| *name == key[prefix.len()..]),
            };
            if !known {
                self.keys.unexpected_keys.push((*key).to_owned());
            }
        }
        for (name, child) in members.children {
            let prefix = format!("{prefix}{name}.");
            let below = keys.iter().copied().filter(|key| key.starts_with(&prefix)).collect();
            self.module(&walk::join(path, &name), child, below);
        }
    }

    fn member(&mut self, path: &str, module: &dyn Module, name: &str, target: Target<'a>) {
        let key = walk::join(path, name);
        let Some(found) = self.state.get(&key) else {
            let saved = self.state.metadata.get(path).copied().unwrap_or(1);
            if module.since(name) <= saved {
                self.keys.missing_keys.push(key);
            }
            return;
        };
        let current = target.value();
        // Before version 0.4 PyTorch had no 0-d tensors and saved them with one axis.
        let found = if current.rank() == 0 && *found.shape() == [1] { found.select(0, 0) } else { found.clone() };
        if found.shape() != current.shape() && !target.is_uninitialized() {
            let (found, expected) = (found.shape().to_vec(), current.shape().to_vec());
            self.mismatches.push(SizeMismatch { key, found, expected });
            return;
        }
        self.writes.push((target, found.to(current.dtype()).contiguous()));
    }
}
