//! [`Value`]: the nested data that a checkpoint is: numbers, text, tensors, lists and dicts of these.

use crate::{DType, StateDict, Tensor};
use std::sync::Arc;

/// Data as Python's `torch.save` and `torch.load` exchange it.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Value {
    /// `None`.
    #[default]
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of up to 64 bits.
    Int(i64),
    /// An integer beyond 64 bits: little-endian two's complement, as pickles hold it.
    BigInt(Vec<u8>),
    /// A float.
    Float(f64),
    /// A complex number: real and imaginary part.
    Complex(f64, f64),
    /// Text.
    Str(String),
    /// `bytes`.
    Bytes(Vec<u8>),
    /// `bytearray`.
    ByteArray(Vec<u8>),
    /// A tensor without gradient. Boxed, as it is twice as large as anything else: a list may have a value per byte of its
    /// file.
    Tensor(Box<Tensor>),
    /// A tensor saved with `requires_grad=True`, or an `nn.Parameter` (then `parameter` is set).
    Grad {
        /// The values.
        tensor: Box<Tensor>,
        /// Whether it is an `nn.Parameter`.
        parameter: bool,
        /// Whether gradients are wanted (parameters may be frozen).
        requires_grad: bool,
    },
    /// A list.
    List(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A set, in the order of the file.
    Set(Vec<Value>),
    /// A dict, OrderedDict or Counter with keys of any hashable kind.
    Dict(Dict),
    /// `torch.Size`.
    Size(Vec<usize>),
    /// A dtype, by PyTorch's name, such as `float32`: also those that tensors here do not have.
    DType(String),
    /// A device by name, such as `cuda:0`.
    Device(String),
    /// An instance of a class, such as a module of a whole-model save. Clones are the same instance.
    Object(Arc<Object>),
}

/// An instance of a class that is no data by itself, as data: what it is called and what was stored of it.
#[derive(Clone, Default)]
pub struct Object {
    /// The dotted name of the class or function, such as `torch.nn.modules.linear.Linear`.
    pub class: String,
    /// What it was called with; `None` for the class or function itself. Modules are made without arguments.
    pub arguments: Option<Vec<Value>>,
    /// Its attributes (`__dict__`).
    pub attributes: Dict,
}

/// Which of Python's dict classes a [`Dict`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DictKind {
    /// `dict`.
    #[default]
    Plain,
    /// `collections.OrderedDict`.
    Ordered,
    /// `collections.Counter`.
    Counter,
}

/// Key-value pairs in order. Keys follow Python's equality: `1`, `1.0` and `True` are one key.
#[derive(Clone, Default)]
pub struct Dict {
    /// The class.
    pub kind: DictKind,
    /// Pairs in order of insertion; keys are unique.
    pub entries: Vec<(Value, Value)>,
    /// Python attributes, such as a state dict's `_metadata`.
    pub attributes: Vec<(String, Value)>,
}

impl Dict {
    /// An empty `dict`.
    pub fn new() -> Dict {
        Dict::default()
    }

    /// Adds a pair at the end, or replaces the value under an equal key. Linear in the size of the dict.
    pub fn insert(&mut self, key: impl Into<Value>, value: impl Into<Value>) {
        let (key, value) = (key.into(), value.into());
        match self.entries.iter_mut().find(|(k, _)| k.key_eq(&key)) {
            Some(entry) => entry.1 = value,
            None => self.entries.push((key, value)),
        }
    }

    /// The value under a text key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.iter().find_map(|(k, v)| matches!(k, Value::Str(s) if s == key).then_some(v))
    }

    /// The value under an integer key.
    pub fn get_int(&self, key: i64) -> Option<&Value> {
        self.entries.iter().find_map(|(k, v)| (k.as_int() == Some(key)).then_some(v))
    }

    /// The number of pairs.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Pairs in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Value, &Value)> {
        self.entries.iter().map(|(k, v)| (k, v))
    }
}

impl<K: Into<Value>, V: Into<Value>> FromIterator<(K, V)> for Dict {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(iter: I) -> Dict {
        let mut out = Dict::new();
        iter.into_iter().for_each(|(k, v)| out.insert(k, v));
        out
    }
}

impl Value {
    /// A plain dict from pairs.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::Value;
    /// let v = Value::dict([("epoch", Value::from(3)), ("loss", Value::from(0.5))]);
    /// assert_eq!(v.get("epoch").and_then(Value::as_int), Some(3));
    /// ```
    pub fn dict<K: Into<Value>>(pairs: impl IntoIterator<Item = (K, Value)>) -> Value {
        Value::Dict(pairs.into_iter().collect())
    }

    /// The value under a text key of a dict; `None` if this is no dict or has no such key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_dict()?.get(key)
    }

    /// The element of a list or tuple.
    pub fn at(&self, index: usize) -> Option<&Value> {
        self.as_slice()?.get(index)
    }

    /// The dict.
    pub fn as_dict(&self) -> Option<&Dict> {
        if let Value::Dict(d) = self { Some(d) } else { None }
    }

    /// The elements of a list, tuple or set.
    pub fn as_slice(&self) -> Option<&[Value]> {
        match self {
            Value::List(v) | Value::Tuple(v) | Value::Set(v) => Some(v),
            _ => None,
        }
    }

    /// The integer; `bool` is none here.
    pub fn as_int(&self) -> Option<i64> {
        if let Value::Int(i) = self { Some(*i) } else { None }
    }

    /// The number as `f64`: a float, an integer, or a tensor of one element.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Value::Float(x) => Some(*x),
            Value::Int(x) => Some(*x as f64),
            Value::Tensor(t) if t.numel() == 1 => Some(t.item()),
            _ => None,
        }
    }

    /// The truth value.
    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Bool(b) = self { Some(*b) } else { None }
    }

    /// The text.
    pub fn as_str(&self) -> Option<&str> {
        if let Value::Str(s) = self { Some(s) } else { None }
    }

    /// The tensor, with or without gradient.
    pub fn as_tensor(&self) -> Option<&Tensor> {
        match self {
            Value::Tensor(t) | Value::Grad { tensor: t, .. } => Some(t),
            _ => None,
        }
    }

    /// The instance of a class.
    pub fn as_object(&self) -> Option<&Arc<Object>> {
        if let Value::Object(object) = self { Some(object) } else { None }
    }

    /// The dict as a state dict: every key text, every value a tensor. `None` if it is not one.
    pub fn to_state_dict(&self) -> Option<StateDict> {
        let dict = self.as_dict()?;
        let mut out = StateDict::new();
        for (key, value) in dict.iter() {
            out.insert(key.as_str()?, value.as_tensor()?.clone());
        }
        let metadata = dict.attributes.iter().find(|(name, _)| name == "_metadata").and_then(|(_, v)| v.as_dict());
        for (path, entry) in metadata.into_iter().flat_map(Dict::iter) {
            if let (Some(path), Some(version)) = (path.as_str(), entry.get("version").and_then(Value::as_int)) {
                out.metadata.insert(path.to_owned(), version);
            }
        }
        Some(out)
    }

    /// Python's `==` for dict keys.
    fn key_eq(&self, other: &Value) -> bool {
        let number = |v: &Value| match v {
            Value::Bool(b) => Some(*b as i64 as f64),
            Value::Int(i) => Some(*i as f64),
            Value::Float(x) => Some(*x),
            _ => None,
        };
        match (self, other) {
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Str(a), Value::Str(b)) => a == b,
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::BigInt(a), Value::BigInt(b)) => a == b,
            (Value::None, Value::None) => true,
            (Value::Tuple(a), Value::Tuple(b)) => a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.key_eq(y)),
            _ => matches!((number(self), number(other)), (Some(a), Some(b)) if a == b),
        }
    }
}

macro_rules! value_from {
    ($($ty:ty, |$x:ident| $e:expr);* $(;)?) => {
        $(impl From<$ty> for Value {
            fn from($x: $ty) -> Value { $e }
        })*
    };
}
value_from! {
    bool, |x| Value::Bool(x);
    i64, |x| Value::Int(x);
    i32, |x| Value::Int(x as i64);
    usize, |x| Value::Int(x as i64);
    f64, |x| Value::Float(x);
    crate::Scalar, |x| match x {
        crate::Scalar::Float(x) => Value::Float(x),
        crate::Scalar::Int(x) => Value::Int(x),
        crate::Scalar::Bool(x) => Value::Bool(x),
    };
    &str, |x| Value::Str(x.to_owned());
    String, |x| Value::Str(x);
    Tensor, |x| Value::Tensor(Box::new(x));
    &Tensor, |x| Value::Tensor(Box::new(x.clone()));
    Vec<Value>, |x| Value::List(x);
    Dict, |x| Value::Dict(x);
    DType, |x| Value::DType(x.name().to_owned());
    (), |_x| Value::None;
}

impl From<&Value> for Value {
    fn from(value: &Value) -> Value {
        value.clone()
    }
}

impl From<StateDict> for Value {
    /// An OrderedDict with `_metadata`, as `Module.state_dict()` gives.
    fn from(state: StateDict) -> Value {
        let mut metadata = Dict { kind: DictKind::Ordered, ..Dict::default() };
        metadata.entries = state
            .metadata
            .iter()
            .map(|(path, &v)| (Value::from(path.as_str()), Value::dict([("version", Value::Int(v))])))
            .collect();
        let attributes =
            if metadata.is_empty() { Vec::new() } else { vec![("_metadata".to_owned(), Value::Dict(metadata))] };
        let entries = state.into_iter().map(|(k, v)| (Value::Str(k), Value::from(v))).collect();
        Value::Dict(Dict { kind: DictKind::Ordered, entries, attributes })
    }
}
impl From<&StateDict> for Value {
    fn from(state: &StateDict) -> Value {
        state.clone().into()
    }
}

/// A list may have a value per byte of its file.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Value>() <= 56);
