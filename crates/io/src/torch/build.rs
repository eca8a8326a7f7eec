//! From a pickle's graph to values: storages are read once each, tensors share them, nesting and size are bounded.

use super::budget::Budget;
use super::global::Global;
use super::pickle::{Graph, Id, Lazy, Node, ObjectNode, TensorNode, Unknown};
use crate::Error;
use crate::elements::{self, Elements, Wide};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use wengert_tensor::{DType, Dict, DictKind, Object, Storage, Tensor, Value};

/// The deepest nesting of containers. Checkpoints have some five levels; recursion below is bounded by this.
const MAX_DEPTH: usize = 256;
/// Logical bytes of one tensor: a stride of 0 can claim any number over four bytes.
const MAX_LOGICAL_BYTES: u64 = 1 << 40;

/// The byte order of a file.
#[derive(Clone, Copy)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    /// Swaps elements of `size` bytes if the machine's order is the other one.
    pub(crate) fn to_native(self, bytes: &mut [u8], size: usize) {
        let same = matches!(self, Order::Little) == cfg!(target_endian = "little");
        if !same && size > 1 {
            bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
    }
}

/// Where storages come from.
pub(crate) trait Storages {
    /// Reads one of so many elements; it is asked once per key.
    fn load(&mut self, key: &str, numel: u64, elements: Elements) -> Result<Arc<Storage>, Error>;
}

/// What tells keys of dicts apart.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    /// A text as it is.
    Text(&'a str),
    /// Anything else, described.
    Other(String),
}

/// Turns nodes into values.
pub(crate) struct Builder<'a> {
    graph: &'a Graph,
    source: &'a mut dyn Storages,
    /// Whether dtypes that tensors here do not have are read as wider ones.
    widen: bool,
    storages: Vec<Option<Arc<Storage>>>,
    /// A shared list counts each time, so that nested sharing cannot explode.
    budget: Budget,
    /// Objects that are done, so that every mention is the same one, and what each cost.
    objects: HashMap<Id, (Arc<Object>, Budget)>,
    /// Objects that are being made.
    open: HashSet<Id>,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(graph: &'a Graph, source: &'a mut dyn Storages, widen: bool) -> Builder<'a> {
        let storages = vec![None; graph.storages.len()];
        let (objects, open) = (HashMap::new(), HashSet::new());
        Builder { graph, source, widen, storages, budget: graph.budget.clone(), objects, open }
    }

    /// The value of a node.
    pub(crate) fn value(&mut self, root: Id) -> Result<Value, Error> {
        // Descriptions are checked before any data is read.
        for node in &self.graph.nodes {
            if let Node::Tensor(tensor) = node {
                self.check(tensor)?;
            }
        }
        self.refuse(root)?;
        self.expand(root, 0)
    }

    /// Some of the tensors.
    pub(crate) fn tensors(&mut self, ids: &[Id]) -> Result<Vec<Tensor>, Error> {
        let graph = self.graph;
        ids.iter()
            .map(|&id| match &graph.nodes[id as usize] {
                Node::Tensor(node) => {
                    self.check(node)?;
                    self.tensor(node)
                }
                _ => Err(Error::corrupt("pickle", "something else where a tensor was listed")),
            })
            .collect()
    }

    /// What becomes of a tensor's elements, if they are to be read.
    fn elements(&self, tensor: &TensorNode) -> Option<Elements> {
        self.graph.storages[tensor.storage].elements_are().elements(self.widen)
    }

    /// Names the tensors whose dtypes are not to be read, if there are any.
    fn refuse(&self, root: Id) -> Result<(), Error> {
        let closed = |node: &Node| matches!(node, Node::Tensor(tensor) if self.elements(tensor).is_none());
        if !self.graph.nodes.iter().any(closed) {
            return Ok(());
        }
        let mut named = Vec::new();
        list(self.graph, root, &mut named)?;
        elements::refuse(named.iter().filter_map(|(name, id)| match &self.graph.nodes[*id as usize] {
            Node::Tensor(tensor) if self.elements(tensor).is_none() => {
                Some((name.as_str(), self.graph.storages[tensor.storage].elements_are().name))
            }
            _ => None,
        }))
    }

    fn check(&self, tensor: &TensorNode) -> Result<(), Error> {
        let stored = &self.graph.storages[tensor.storage];
        let fail = |what: String| Err(Error::corrupt(format!("a tensor of storage '{}'", stored.key), what));
        let size = stored.elements_are().size;
        if tensor.lazy.conjugate && !matches!(Wide::named(stored.elements_are().name), Some(Wide::Complex(_))) {
            return fail("only complex numbers have a conjugate".to_owned());
        }
        let len = if stored.untyped_as.is_some() {
            if !stored.numel.is_multiple_of(size) {
                return fail(format!("{} bytes are no whole number of elements", stored.numel));
            }
            stored.numel / size
        } else {
            stored.numel
        };
        let numel = tensor.shape.iter().try_fold(1u64, |a, &s| a.checked_mul(s.max(1)));
        let logical = numel.and_then(|n| n.checked_mul(size)).filter(|&b| b < MAX_LOGICAL_BYTES);
        if logical.is_none() {
            return fail(format!("shape {:?} is absurdly large", tensor.shape));
        }
        let reach = tensor.shape.iter().zip(&tensor.strides).try_fold(tensor.offset, |at, (&size, &stride)| {
            at.checked_add(size.saturating_sub(1).checked_mul(stride)?)
        });
        // No element, no place: PyTorch writes views of nothing with any offset.
        let empty = tensor.shape.contains(&0);
        if !empty && reach.is_none_or(|last| last >= len) {
            return fail(format!(
                "shape {:?}, strides {:?} and offset {} reach outside its {len} elements",
                tensor.shape, tensor.strides, tensor.offset
            ));
        }
        Ok(())
    }

    fn expand(&mut self, id: Id, depth: usize) -> Result<Value, Error> {
        if depth > MAX_DEPTH {
            let what = format!("nested more than {MAX_DEPTH} deep, or containing itself");
            return Err(Error::corrupt("pickle", what));
        }
        let node = &self.graph.nodes[id as usize];
        self.budget.spend(owned(node))?;
        Ok(match node {
            Node::None => Value::None,
            Node::Bool(x) => Value::Bool(*x),
            Node::Int(x) => Value::Int(*x),
            Node::BigInt(x) => Value::BigInt(x.clone()),
            Node::Float(x) => Value::Float(*x),
            Node::Complex(re, im) => Value::Complex(*re, *im),
            Node::Str(x) => Value::Str(x.clone()),
            Node::Bytes(x) => Value::Bytes(x.clone()),
            Node::ByteArray(x) => Value::ByteArray(x.clone()),
            Node::Size(x) => Value::Size(x.clone()),
            Node::Device(x) => Value::Device(x.clone()),
            Node::List(items) => Value::List(self.all(items, depth)?),
            Node::Tuple(items) => Value::Tuple(self.all(items, depth)?),
            Node::Set(items) => {
                let mut seen = HashSet::new();
                let mut members = Vec::new();
                for &item in items {
                    // As in Python: what cannot be hashed is no member, and of equal members the first stays.
                    if seen.insert(self.key(item, 0)?) {
                        members.push(self.expand(item, depth + 1)?);
                    }
                }
                Value::Set(members)
            }
            Node::Dict { kind, items, attributes } => Value::Dict(self.dict(*kind, items, *attributes, depth)?),
            Node::Global(Global::Dtype(item)) => Value::DType(item.name.to_owned()),
            Node::Class(class) => Value::Object(Arc::new(Object { class: class.clone(), ..Object::default() })),
            Node::Object(object) => Value::Object(self.object(id, object, depth)?),
            Node::Layout(name) => Value::DType((*name).to_owned()),
            Node::Global(Global::Factory(name)) if self.graph.unknown == Unknown::Keep => {
                Value::Object(Arc::new(Object { class: format!("builtins.{name}"), ..Object::default() }))
            }
            Node::Global(_) => {
                return Err(Error::Unsupported {
                    what: "a class or a function among the data".to_owned(),
                    advice: "save its name, or what it returns",
                });
            }
            Node::Storage { .. } => {
                return Err(Error::Unsupported {
                    what: "a storage without a tensor".to_owned(),
                    advice: "save the tensor itself",
                });
            }
            Node::Tensor(node) => {
                let tensor = Box::new(self.tensor(node)?);
                match node.parameter || node.requires_grad {
                    false => Value::Tensor(tensor),
                    true => Value::Grad { tensor, parameter: node.parameter, requires_grad: node.requires_grad },
                }
            }
        })
    }

    fn object(&mut self, id: Id, node: &ObjectNode, depth: usize) -> Result<Arc<Object>, Error> {
        if let Some((object, cost)) = self.objects.get(&id) {
            self.budget.pay(cost)?;
            return Ok(object.clone());
        }
        if !self.open.insert(id) {
            // A part refers to what it is part of, as hooks do that are methods. Only that it does is kept.
            return Ok(Arc::new(Object { class: node.class.clone(), ..Object::default() }));
        }
        let before = self.budget.clone();
        let arguments = self.all(&node.arguments, depth)?;
        let mut attributes = match node.state.map(|state| self.expand(state, depth + 1)).transpose()? {
            None => Dict::new(),
            Some(Value::Dict(attributes)) => attributes,
            // Named after the methods that Python would have called with them.
            Some(other) => [("__setstate__", other)].into_iter().collect(),
        };
        if !node.list.is_empty() {
            attributes.insert("extend", Value::List(self.all(&node.list, depth)?));
        }
        if !node.dict.is_empty() {
            attributes.insert("update", Value::Dict(self.dict(DictKind::Plain, &node.dict, None, depth)?));
        }
        let object = Arc::new(Object { class: node.class.clone(), arguments: Some(arguments), attributes });
        self.open.remove(&id);
        self.objects.insert(id, (object.clone(), self.budget.since(&before)));
        Ok(object)
    }

    fn all(&mut self, items: &[Id], depth: usize) -> Result<Vec<Value>, Error> {
        items.iter().map(|&item| self.expand(item, depth + 1)).collect()
    }

    fn dict(
        &mut self,
        kind: DictKind,
        items: &[(Id, Id)],
        attributes: Option<Id>,
        depth: usize,
    ) -> Result<Dict, Error> {
        let mut out = Dict { kind, ..Dict::default() };
        let mut places: HashMap<Key<'_>, usize> = HashMap::with_capacity(items.len());
        out.entries.reserve(items.len());
        for &(key, value) in items {
            // As in Python: an equal key keeps its place and takes the new value.
            let name = self.key(key, 0)?;
            let value = self.expand(value, depth + 1)?;
            match places.get(&name) {
                Some(&place) => out.entries[place].1 = value,
                None => {
                    places.insert(name, out.entries.len());
                    let key = self.expand(key, depth + 1)?;
                    out.entries.push((key, value));
                }
            }
        }
        if let Some(attributes) = attributes
            && let Value::Dict(found) = self.expand(attributes, depth + 1)?
        {
            for (key, value) in found.entries {
                if let Value::Str(name) = key {
                    out.attributes.push((name, value));
                }
            }
        }
        Ok(out)
    }

    /// What two keys share if and only if Python finds them equal.
    fn key(&mut self, id: Id, depth: usize) -> Result<Key<'a>, Error> {
        let graph = self.graph;
        let node = &graph.nodes[id as usize];
        self.budget.spend(owned(node))?;
        Ok(Key::Other(match node {
            Node::Str(x) => return Ok(Key::Text(x)),
            Node::None => "none".to_owned(),
            Node::Bool(x) => format!("n{}", *x as i64),
            Node::Int(x) => format!("n{x}"),
            Node::Float(x) if x.fract() == 0.0 && x.abs() < 9e15 => format!("n{}", *x as i64),
            Node::Float(x) => format!("f{:016x}", x.to_bits()),
            Node::Complex(re, im) if *im == 0.0 && re.fract() == 0.0 && re.abs() < 9e15 => format!("n{}", *re as i64),
            Node::Complex(re, im) if *im == 0.0 => format!("f{:016x}", re.to_bits()),
            // Adding 0 makes the zero that equals the other one the same.
            Node::Complex(re, im) => format!("j{:016x}{:016x}", (re + 0.0).to_bits(), (im + 0.0).to_bits()),
            Node::BigInt(x) => format!("i{x:x?}"),
            Node::Bytes(x) => format!("b{x:?}"),
            Node::Tuple(items) if depth < 8 => {
                let mut parts = String::from("(");
                for &item in items {
                    let part = match self.key(item, depth + 1)? {
                        Key::Text(text) => format!("s{text}"),
                        Key::Other(other) => other,
                    };
                    self.budget.spend(part.len())?;
                    parts.push_str(&format!("{}:{part}", part.len()));
                }
                parts
            }
            Node::Global(Global::Dtype(item)) => format!("d{}", item.name),
            Node::Device(x) => format!("v{x}"),
            Node::Size(x) => format!("z{x:?}"),
            Node::Layout(x) => format!("l{x}"),
            // By what they are: modules' parameters, for example, to which an optimizer object maps its state.
            Node::Class(x) if self.graph.unknown == Unknown::Keep => format!("c{x}"),
            Node::Object(_) if self.graph.unknown == Unknown::Keep => format!("o{id}"),
            Node::Tensor(_) => format!("o{id}"),
            Node::Set(_) => {
                return Err(Error::Unsupported {
                    what: "a frozenset as a key of a dict or a member of a set".to_owned(),
                    advice: "save tuple(x) in its place",
                });
            }
            _ => return Err(Error::corrupt("pickle", "a key of a dict or a member of a set that cannot be one")),
        }))
    }

    fn tensor(&mut self, node: &TensorNode) -> Result<Tensor, Error> {
        let request = &self.graph.storages[node.storage];
        let item = request.elements_are();
        let Some(elements) = self.elements(node) else {
            // Of an object's: the others have names, and were refused by them.
            let (what, advice) = (format!("a tensor of dtype {}", item.name), elements::advice(item.name));
            return Err(Error::Unsupported { what, advice });
        };
        let numel = if request.untyped_as.is_some() { request.numel / item.size } else { request.numel };
        let storage = match &self.storages[node.storage] {
            Some(storage) => storage.clone(),
            None => {
                let storage = self.source.load(&request.key, numel, elements)?;
                self.storages[node.storage] = Some(storage.clone());
                storage
            }
        };
        let mut shape: Vec<usize> = node.shape.iter().map(|&s| s as usize).collect();
        let mut strides: Vec<isize> = node.strides.iter().map(|&s| isize::try_from(s).unwrap_or(0)).collect();
        let place = || format!("a tensor of storage '{}'", request.key);
        let mut offset = if shape.contains(&0) { 0 } else { node.offset as usize };
        if elements.parts() == 2 {
            // In halves of the elements that the file counts.
            strides.iter_mut().for_each(|stride| *stride = stride.saturating_mul(2));
            strides.push(1);
            shape.push(2);
            offset *= 2;
        }
        let tensor = Tensor::from_parts(storage, &shape, &strides, offset)
            .map_err(|e| Error::corrupt(place(), e.to_string()))?;
        if node.lazy == Lazy::default() {
            return Ok(tensor);
        }
        if tensor.dtype() == DType::Bool {
            return Err(Error::corrupt(place(), "truth values cannot be negative"));
        }
        // It gets memory of its own, which its storage must be as large as: a stride of 0 may claim any size.
        if tensor.numel() / elements.parts() > numel as usize {
            return Err(Error::corrupt(place(), "it is negative or conjugate, and larger than its storage"));
        }
        let tensor = if node.lazy.negative { tensor.neg() } else { tensor };
        Ok(match node.lazy.conjugate {
            false => tensor,
            true => tensor.mul(Tensor::from_vec(vec![1.0f32, -1.0], [2]).to(tensor.dtype())),
        })
    }
}

/// Adds the tensors below a node in the order of the file, named by the keys and positions that lead to them.
pub(crate) fn list(graph: &Graph, root: Id, out: &mut Vec<(String, Id)>) -> Result<(), Error> {
    struct Walk<'a> {
        graph: &'a Graph,
        budget: Budget,
        out: &'a mut Vec<(String, Id)>,
    }
    impl Walk<'_> {
        fn visit(&mut self, id: Id, name: &str, depth: usize) -> Result<(), Error> {
            if depth > MAX_DEPTH {
                let what = format!("nested more than {MAX_DEPTH} deep, or containing itself");
                return Err(Error::corrupt("pickle", what));
            }
            self.budget.spend(name.len())?;
            let below = |part: &str| if name.is_empty() { part.to_owned() } else { format!("{name}.{part}") };
            match &self.graph.nodes[id as usize] {
                Node::Tensor(_) => self.out.push((name.to_owned(), id)),
                Node::List(items) | Node::Tuple(items) | Node::Set(items) => {
                    for (i, &item) in items.iter().enumerate() {
                        self.visit(item, &below(&i.to_string()), depth + 1)?;
                    }
                }
                Node::Dict { items, .. } => {
                    for (i, &(key, value)) in items.iter().enumerate() {
                        let name = match &self.graph.nodes[key as usize] {
                            Node::Str(key) => below(key),
                            Node::Int(key) => below(&key.to_string()),
                            Node::Float(key) => below(&Value::Float(*key).to_string()),
                            _ => below(&format!("<key {i}>")),
                        };
                        self.visit(value, &name, depth + 1)?;
                    }
                }
                _ => {}
            }
            Ok(())
        }
    }
    Walk { graph, budget: graph.budget.clone(), out }.visit(root, "", 0)
}

/// Bytes of the heap that a copy of the node takes, without those of its children.
fn owned(node: &Node) -> usize {
    match node {
        Node::BigInt(x) | Node::Bytes(x) | Node::ByteArray(x) => x.len(),
        Node::Str(x) | Node::Device(x) | Node::Class(x) => x.len(),
        Node::Object(x) => x.class.len(),
        Node::Size(x) => size_of_val(&x[..]),
        Node::Tensor(x) => size_of_val(&x.shape[..]) * 2,
        _ => 0,
    }
}
