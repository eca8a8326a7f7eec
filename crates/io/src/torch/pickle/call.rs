//! What the names of a pickle make of their arguments: values of our own, by a table, with nothing called.

use super::{Dialect, Id, Lazy, Machine, Node, ObjectNode, Stop, StorageRef, TensorNode, Unknown, bad};
use crate::Error;
use crate::torch::global::{Global, Item, LAYOUTS, UNTYPED};
use wengert_tensor::DictKind;

impl Machine<'_> {
    fn items(&self, id: Id) -> Result<&[Id], Stop> {
        match self.node(id) {
            Node::Tuple(items) => Ok(items),
            _ => bad("arguments that are no tuple"),
        }
    }

    pub(super) fn string(&self, id: Id) -> Result<&str, Stop> {
        match self.node(id) {
            Node::Str(text) => Ok(text),
            _ => bad("something else where a text should be"),
        }
    }

    fn count(&self, id: Id) -> Result<u64, Stop> {
        match self.node(id) {
            Node::Int(value) if *value >= 0 => Ok(*value as u64),
            Node::Int(value) => bad(format!("{value} where a count should be")),
            _ => bad("something else where a count should be"),
        }
    }

    fn counts(&mut self, id: Id) -> Result<Vec<u64>, Stop> {
        let len = self.items(id)?.len();
        if len > wengert_tensor::MAX_RANK {
            return bad(format!("{len} axes"));
        }
        self.budget.spend(len * size_of::<u64>())?;
        let items = self.items(id)?;
        items.iter().map(|&item| self.count(item)).collect()
    }

    fn device(&self, id: Id) -> Result<String, Stop> {
        match self.string(id)? {
            // `cpu`, `cuda`, `mps`, … with or without a number.
            name if name.len() <= 64 => Ok(name.to_owned()),
            name => bad(format!("a device of {} letters", name.len())),
        }
    }

    fn flag(&self, id: Id) -> Result<bool, Stop> {
        match self.node(id) {
            Node::Bool(value) => Ok(*value),
            _ => bad("something else where True or False should be"),
        }
    }

    fn float(&self, id: Id) -> Result<f64, Stop> {
        match self.node(id) {
            Node::Float(value) => Ok(*value),
            Node::Int(value) => Ok(*value as f64),
            _ => bad("something else where a number should be"),
        }
    }

    /// REDUCE: what a listed name makes of its arguments.
    pub(super) fn call(&mut self, function: Id, arguments: Id) -> Result<(), Stop> {
        if let Node::Class(class) = self.node(function) {
            let (class, arguments) = (class.clone(), self.items(arguments)?.to_vec());
            self.budget.spend(class.len() + size_of_val(&arguments[..]))?;
            let object = ObjectNode { class, arguments, state: None, list: Vec::new(), dict: Vec::new() };
            return self.push(Node::Object(Box::new(object)));
        }
        let Node::Global(function) = *self.node(function) else { return bad("a call of what is no function") };
        let arguments = self.items(arguments)?;
        if arguments.len() > 8 {
            return bad(format!("{function:?} with {} arguments", arguments.len()));
        }
        let arguments = arguments.to_vec();
        let node = match (function, &arguments[..]) {
            (Global::OrderedDict, []) => Node::Dict { kind: DictKind::Ordered, items: Vec::new(), attributes: None },
            (Global::OrderedDict, &[list]) => {
                // Python 2 gave the entries as a list of pairs.
                let Node::List(pairs) = self.node(list) else { return bad("OrderedDict of what is no list") };
                let pairs = pairs.clone();
                self.budget.spend(size_of_val(&pairs[..]) * 3)?;
                let mut items = Vec::with_capacity(pairs.len());
                for pair in pairs {
                    match self.node(pair) {
                        Node::Tuple(kv) | Node::List(kv) if kv.len() == 2 => items.push((kv[0], kv[1])),
                        _ => return bad("OrderedDict of what are no pairs"),
                    }
                }
                Node::Dict { kind: DictKind::Ordered, items, attributes: None }
            }
            (Global::Counter, []) => Node::Dict { kind: DictKind::Counter, items: Vec::new(), attributes: None },
            (Global::Counter, &[dict]) => match &self.graph.nodes[dict as usize] {
                Node::Dict { items, .. } => {
                    self.budget.spend(size_of_val(&items[..]))?;
                    Node::Dict { kind: DictKind::Counter, items: items.clone(), attributes: None }
                }
                _ => return bad("Counter of what is no dict"),
            },
            // The factory of a defaultdict is dropped: it makes entries, and reading a file asks for none.
            (Global::DefaultDict, []) => Node::Dict { kind: DictKind::Plain, items: Vec::new(), attributes: None },
            (Global::DefaultDict, &[factory]) if matches!(self.node(factory), Node::None | Node::Global(_)) => {
                Node::Dict { kind: DictKind::Plain, items: Vec::new(), attributes: None }
            }
            (Global::Set, []) => Node::Set(Vec::new()),
            (Global::Set, &[list]) => match &self.graph.nodes[list as usize] {
                Node::List(items) | Node::Tuple(items) => {
                    self.budget.spend(size_of_val(&items[..]))?;
                    Node::Set(items.clone())
                }
                _ => return bad("set of what is no list"),
            },
            (Global::Encode, &[text, encoding]) => {
                let encoding = self.string(encoding)?;
                if encoding != "latin1" {
                    return bad(format!("bytes encoded as '{encoding}' instead of latin1"));
                }
                let len = self.string(text)?.len();
                self.budget.spend(len)?;
                let bytes: Option<Vec<u8>> = self.string(text)?.chars().map(|c| u8::try_from(c as u32).ok()).collect();
                match bytes {
                    Some(bytes) => Node::Bytes(bytes),
                    None => return bad("bytes with a character above 255"),
                }
            }
            (Global::Bytes, []) => Node::Bytes(Vec::new()),
            (Global::ByteArray, []) => Node::ByteArray(Vec::new()),
            (Global::ByteArray, &[bytes]) => match &self.graph.nodes[bytes as usize] {
                Node::Bytes(bytes) => {
                    self.budget.spend(bytes.len())?;
                    Node::ByteArray(bytes.clone())
                }
                _ => return bad("bytearray of what are no bytes"),
            },
            (Global::Complex, &[re, im]) => Node::Complex(self.float(re)?, self.float(im)?),
            (Global::Size, &[dims]) => Node::Size(self.counts(dims)?.into_iter().map(|d| d as usize).collect()),
            (Global::Device, &[kind]) => Node::Device(self.device(kind)?),
            (Global::Device, &[kind, index]) => Node::Device(format!("{}:{}", self.device(kind)?, self.count(index)?)),
            (Global::Layout, &[name]) => {
                let name = self.string(name)?;
                let known = LAYOUTS.iter().find(|known| name.strip_prefix("torch.") == Some(**known));
                let Some(known) = known else { return bad("a layout that is none") };
                Node::Layout(known)
            }
            (Global::RebuildV1, &[storage, offset, shape, strides]) => {
                self.tensor(storage, offset, shape, strides, false, None, Lazy::default())?
            }
            (Global::RebuildV2, &[storage, offset, shape, strides, requires_grad, hooks, ref rest @ ..])
                if rest.len() <= 1 =>
            {
                self.hooks(hooks)?;
                let lazy = self.metadata(rest)?;
                let requires_grad = self.flag(requires_grad)?;
                self.tensor(storage, offset, shape, strides, requires_grad, None, lazy)?
            }
            (Global::RebuildV3, &[storage, offset, shape, strides, requires_grad, hooks, dtype, ref rest @ ..])
                if rest.len() <= 1 =>
            {
                self.hooks(hooks)?;
                let lazy = self.metadata(rest)?;
                let Node::Global(Global::Dtype(item)) = *self.node(dtype) else { return bad("a dtype that is none") };
                let requires_grad = self.flag(requires_grad)?;
                self.tensor(storage, offset, shape, strides, requires_grad, Some(item), lazy)?
            }
            (Global::RebuildParameter, &[tensor, requires_grad, hooks])
            | (Global::RebuildParameterWithState, &[tensor, requires_grad, hooks, _]) => {
                self.hooks(hooks)?;
                let requires_grad = self.flag(requires_grad)?;
                match &self.graph.nodes[tensor as usize] {
                    Node::Tensor(inner) => {
                        self.budget.spend(size_of_val(&inner.shape[..]) * 2)?;
                        Node::Tensor(Box::new(TensorNode {
                            requires_grad,
                            parameter: true,
                            ..TensorNode::clone(inner)
                        }))
                    }
                    _ => return bad("a parameter of what is no tensor"),
                }
            }
            (Global::RebuildFromType, &[inner, class, inner_arguments, _state]) => {
                // Of a class that is not known only the tensor is kept, as of one that is.
                let kept = |id| self.unknown == Unknown::Keep && matches!(self.node(id), Node::Class(_));
                let known = matches!(self.node(class), Node::Global(Global::TensorClass)) || kept(class);
                let rebuilds = matches!(
                    self.node(inner),
                    Node::Global(
                        Global::RebuildV2
                            | Global::RebuildV3
                            | Global::RebuildParameter
                            | Global::RebuildParameterWithState
                    )
                ) || kept(inner);
                if !known || !rebuilds {
                    return bad("a tensor of an unknown class");
                }
                return self.call(inner, inner_arguments);
            }
            (function, arguments) => return bad(format!("{function:?} with {} arguments", arguments.len())),
        };
        self.push(node)
    }

    /// Hooks are never saved: PyTorch writes an empty dict in their place.
    fn hooks(&self, id: Id) -> Result<(), Stop> {
        match self.node(id) {
            Node::None | Node::Dict { .. } => Ok(()),
            _ => bad("hooks of a tensor that are no dict"),
        }
    }

    /// The bits of a tensor that is stored conjugated or negated.
    fn metadata(&self, rest: &[Id]) -> Result<Lazy, Stop> {
        let mut lazy = Lazy::default();
        let items = match rest.first().map(|&id| self.node(id)) {
            None | Some(Node::None) => return Ok(lazy),
            Some(Node::Dict { items, .. }) => items,
            Some(_) => return bad("tensor metadata that is no dict"),
        };
        // More than these two would be repeated keys.
        for &(key, value) in items.iter().take(3) {
            let (key, value) = (self.string(key)?, self.flag(value)?);
            match key {
                "conj" => lazy.conjugate = value,
                "neg" => lazy.negative = value,
                other => return bad(format!("tensor metadata '{other}'")),
            }
        }
        Ok(lazy)
    }

    fn tensor(
        &mut self,
        storage: Id,
        offset: Id,
        shape: Id,
        strides: Id,
        requires_grad: bool,
        dtype: Option<Item>,
        lazy: Lazy,
    ) -> Result<Node, Stop> {
        let Node::Storage { index, start } = *self.node(storage) else { return bad("a tensor without a storage") };
        let (shape, strides) = (self.counts(shape)?, self.counts(strides)?);
        if shape.len() != strides.len() {
            return bad(format!("{} sizes but {} strides", shape.len(), strides.len()));
        }
        let offset = self.count(offset)?.checked_add(start);
        let Some(offset) = offset else { return bad("an offset beyond all storages") };
        let stored = &mut self.graph.storages[index];
        match (stored.item == UNTYPED, dtype) {
            (false, None) => {}
            (true, Some(item)) if stored.untyped_as.is_none_or(|old| old == item) => stored.untyped_as = Some(item),
            (true, Some(_)) => {
                return Err(Stop::Because(Error::Unsupported {
                    what: "memory that tensors of two dtypes share".to_owned(),
                    advice: "save x.clone() of one of them",
                }));
            }
            _ => return bad("a storage that is used with two dtypes, or none"),
        }
        let node = TensorNode { storage: index, offset, shape, strides, requires_grad, parameter: false, lazy };
        Ok(Node::Tensor(Box::new(node)))
    }

    /// BINPERSID: a storage.
    pub(super) fn persistent(&mut self, id: Id) -> Result<(), Stop> {
        let fields = self.items(id)?;
        if fields.len() > 6 {
            return bad(format!("a persistent id of {} fields", fields.len()));
        }
        let fields = fields.to_vec();
        let kind = match fields.first() {
            Some(&first) => self.string(first)?,
            None => return bad("an empty persistent id"),
        };
        if kind == "module" && self.dialect == Dialect::Legacy && self.unknown == Unknown::Keep && fields.len() == 4 {
            // The class; the two others are its source text.
            self.stack.push(fields[1]);
            return Ok(());
        }
        if kind == "module" && self.dialect == Dialect::Legacy {
            return Err(Stop::Because(Error::Unsupported {
                what: "a whole-model save".to_owned(),
                advice: "save model.state_dict() instead of the model",
            }));
        }
        let (class, key, numel, view) = match (self.dialect, &fields[1..]) {
            (Dialect::Zip, &[class, key, _location, numel]) => (class, key, numel, None),
            (Dialect::Legacy, &[class, key, _location, numel, view]) => (class, key, numel, Some(view)),
            _ => return bad(format!("a persistent id of {} fields", fields.len())),
        };
        if kind != "storage" {
            return bad("a persistent id that is no storage");
        }
        let item = match self.node(class) {
            Node::Global(Global::Storage(item)) => *item,
            // Elements that are not known, as of quantized tensors: what is told of them.
            Node::Class(class) if self.unknown == Unknown::Keep => {
                let (class, arguments) = (class.clone(), fields[2..].to_vec());
                self.budget.spend(class.len())?;
                let object = ObjectNode { class, arguments, state: None, list: Vec::new(), dict: Vec::new() };
                return self.push(Node::Object(Box::new(object)));
            }
            _ => return bad("a storage of no storage class"),
        };
        // A number in practice. Longer ones are no names of records, and would be hashed again and again.
        let key = match self.string(key)? {
            key if key.len() <= 256 => key.to_owned(),
            key => return bad(format!("a storage key of {} letters", key.len())),
        };
        let numel = self.count(numel)?;
        let start = match view.map(|v| self.node(v)) {
            None | Some(Node::None) => 0,
            Some(Node::Tuple(parts)) if parts.len() == 3 => {
                let (offset, size) = (self.count(parts[1])?, self.count(parts[2])?);
                if offset.checked_add(size).is_none_or(|end| end > numel) {
                    return bad("a view outside its storage");
                }
                offset
            }
            Some(_) => return bad("a storage view that is none"),
        };
        let index = match self.keys.get(&key) {
            Some(&index) => {
                let old = &self.graph.storages[index];
                if old.item != item || old.numel != numel {
                    return bad(format!("storage '{key}' is described in two ways"));
                }
                index
            }
            None => {
                let index = self.graph.storages.len();
                self.graph.storages.push(StorageRef { key: key.clone(), item, numel, untyped_as: None });
                self.keys.insert(key, index);
                index
            }
        };
        self.push(Node::Storage { index, start })
    }
}
