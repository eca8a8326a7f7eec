//! The arguments of one call, as rows ask for them: by position or, where PyTorch's sample used it, by keyword.

#![allow(dead_code)] // An accessor stays when its last row goes.

use crate::file::{Case, dtype};
use serde_json::Value as Json;
use std::cell::RefCell;
use std::collections::BTreeSet;
use wengert_autograd::tensor::{DType, Scalar, Tensor};
use wengert_autograd::{Arg, Var};

/// The position of an argument that is given by keyword only.
pub(crate) const KEYWORD: usize = usize::MAX;

/// Keywords that mean nothing on a CPU with strided tensors.
const IGNORED: [&str; 7] = ["device", "layout", "memory_format", "pin_memory", "requires_grad", "non_blocking", "out"];

/// A call: what a row maps to ours.
pub(crate) struct Sample {
    args: Vec<Value>,
    kwargs: Vec<(String, Value)>,
    leaves: Vec<Var>,
    used: RefCell<BTreeSet<usize>>,
    /// Where floating numbers are made without an input to tell the dtype.
    pub(crate) float: DType,
}

/// An argument.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Var(Var),
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    DType(DType),
    List(Vec<Value>),
    Slice(Option<i64>, Option<i64>, Option<i64>),
    Ellipsis,
    /// What has no form here, such as a complex or sparse tensor.
    Other(String),
}

impl Sample {
    /// Makes the arguments anew, floating ones of f32 in `float`.
    pub(crate) fn new(case: &Case, tensors: &[Tensor], float: DType) -> Sample {
        let mut leaves = Vec::new();
        let mut make = |json: &Json| value(json, tensors, float, &mut leaves);
        let args = case.args.iter().map(&mut make).collect();
        let kwargs = case.kwargs.iter().map(|(k, v)| (k.clone(), make(v))).collect();
        Sample { args, kwargs, leaves, used: RefCell::default(), float }
    }

    /// The inputs that PyTorch differentiates, in its order.
    pub(crate) fn leaves(&self) -> &[Var] {
        &self.leaves
    }

    /// The call in words, for failures.
    pub(crate) fn shown(&self) -> String {
        let args = self.args.iter().map(Value::shown);
        let kwargs = self.kwargs.iter().map(|(name, v)| format!("{name}={}", v.shown()));
        args.chain(kwargs).collect::<Vec<_>>().join(", ")
    }

    /// Arguments that the row did not look at: it cannot have done what they ask.
    pub(crate) fn unused(&self) -> Vec<String> {
        let used = self.used.borrow();
        let positions = (0..self.args.len()).filter(|i| !used.contains(i)).map(|i| format!("argument {i}"));
        let keywords = self
            .kwargs
            .iter()
            .enumerate()
            .filter(|(i, (name, _))| !used.contains(&(self.args.len() + i)) && !IGNORED.contains(&name.as_str()));
        positions.chain(keywords.map(|(_, (name, _))| name.clone())).collect()
    }

    /// The argument at a position or of a name.
    pub(crate) fn get(&self, position: usize, name: &str) -> Option<&Value> {
        if position < self.args.len() {
            self.used.borrow_mut().insert(position);
            return Some(&self.args[position]);
        }
        let at = self.kwargs.iter().position(|(n, _)| n == name)?;
        self.used.borrow_mut().insert(self.args.len() + at);
        Some(&self.kwargs[at].1)
    }

    fn given(&self, position: usize, name: &str) -> Option<&Value> {
        self.get(position, name).filter(|v| !matches!(v, Value::None))
    }

    /// The number of positional arguments.
    pub(crate) fn count(&self) -> usize {
        self.args.len()
    }

    /// A tensor at a position.
    pub(crate) fn x(&self, position: usize) -> Var {
        self.var(position, "")
    }

    /// A tensor; a number becomes a 0-d one.
    pub(crate) fn var(&self, position: usize, name: &str) -> Var {
        self.opt_var(position, name).unwrap_or_else(|| panic!("no argument {position} {name}"))
    }

    /// A tensor that may be absent.
    pub(crate) fn opt_var(&self, position: usize, name: &str) -> Option<Var> {
        self.given(position, name).map(|v| match v {
            Value::Var(x) => x.clone(),
            Value::Bool(x) => Var::from(Tensor::scalar(*x)),
            Value::Int(x) => Var::from(Tensor::scalar(*x)),
            Value::Float(x) => Var::from(Tensor::scalar(*x)),
            other => panic!("{other:?} is not a tensor"),
        })
    }

    /// A list of tensors.
    pub(crate) fn vars(&self, position: usize, name: &str) -> Vec<Var> {
        match self.given(position, name) {
            Some(Value::List(items)) => items
                .iter()
                .map(|v| match v {
                    Value::Var(x) => x.clone(),
                    other => panic!("{other:?} is not a tensor"),
                })
                .collect(),
            Some(Value::Var(x)) => vec![x.clone()],
            other => panic!("{other:?} is no list of tensors"),
        }
    }

    /// Tensors at a position and after it, or a list of tensors there.
    pub(crate) fn rest_vars(&self, position: usize) -> Vec<Var> {
        (position..self.count()).flat_map(|i| self.vars(i, "")).collect()
    }

    /// A tensor or number beside a tensor.
    pub(crate) fn operand(&self, position: usize, name: &str) -> Arg {
        self.opt_operand(position, name).unwrap_or_else(|| panic!("no argument {position} {name}"))
    }

    /// A tensor or number that may be absent.
    pub(crate) fn opt_operand(&self, position: usize, name: &str) -> Option<Arg> {
        self.given(position, name).map(|v| match v {
            Value::Var(x) => Arg::Var(x.clone()),
            Value::Bool(x) => Arg::Scalar(Scalar::Bool(*x)),
            Value::Int(x) => Arg::Scalar(Scalar::Int(*x)),
            Value::Float(x) => Arg::Scalar(Scalar::Float(*x)),
            other => panic!("{other:?} is no operand"),
        })
    }

    /// An integer, such as a dimension.
    pub(crate) fn int(&self, position: usize, name: &str) -> isize {
        self.opt_int(position, name).unwrap_or_else(|| panic!("no argument {position} {name}"))
    }

    /// An integer that may be absent.
    pub(crate) fn opt_int(&self, position: usize, name: &str) -> Option<isize> {
        self.given(position, name).map(Value::int)
    }

    /// An integer or its default.
    pub(crate) fn int_or(&self, position: usize, name: &str, default: isize) -> isize {
        self.opt_int(position, name).unwrap_or(default)
    }

    /// A list of integers, or one.
    pub(crate) fn ints(&self, position: usize, name: &str) -> Vec<isize> {
        self.opt_ints(position, name).unwrap_or_else(|| panic!("no argument {position} {name}"))
    }

    /// A list of integers that may be absent.
    pub(crate) fn opt_ints(&self, position: usize, name: &str) -> Option<Vec<isize>> {
        self.given(position, name).map(|v| match v {
            Value::List(items) => items.iter().map(Value::int).collect(),
            other => vec![other.int()],
        })
    }

    /// A list of sizes, or one.
    pub(crate) fn sizes(&self, position: usize, name: &str) -> Vec<usize> {
        self.ints(position, name).into_iter().map(|n| n as usize).collect()
    }

    /// Integers at a position and after it, or a list of them there.
    pub(crate) fn rest_ints(&self, position: usize) -> Vec<isize> {
        (position..self.count()).flat_map(|i| self.ints(i, "")).collect()
    }

    /// A number.
    pub(crate) fn float(&self, position: usize, name: &str) -> f64 {
        self.opt_float(position, name).unwrap_or_else(|| panic!("no argument {position} {name}"))
    }

    /// A number that may be absent.
    pub(crate) fn opt_float(&self, position: usize, name: &str) -> Option<f64> {
        self.given(position, name).map(|v| match v {
            Value::Bool(x) => *x as i64 as f64,
            Value::Int(x) => *x as f64,
            Value::Float(x) => *x,
            Value::Var(x) if x.numel() == 1 => x.value().to(DType::F64).item(),
            other => panic!("{other:?} is no number"),
        })
    }

    /// A number or its default.
    pub(crate) fn float_or(&self, position: usize, name: &str, default: f64) -> f64 {
        self.opt_float(position, name).unwrap_or(default)
    }

    /// Two numbers that may be absent.
    pub(crate) fn opt_range(&self, position: usize, name: &str) -> Option<(f64, f64)> {
        self.given(position, name)?;
        match self.floats(position, name)[..] {
            [low, high] => Some((low, high)),
            ref other => panic!("{other:?} is no range"),
        }
    }

    /// A list of numbers.
    pub(crate) fn floats(&self, position: usize, name: &str) -> Vec<f64> {
        match self.given(position, name) {
            Some(Value::List(items)) => items
                .iter()
                .map(|v| match v {
                    Value::Int(x) => *x as f64,
                    Value::Float(x) => *x,
                    other => panic!("{other:?} is no number"),
                })
                .collect(),
            other => panic!("{other:?} is no list of numbers"),
        }
    }

    /// A switch.
    pub(crate) fn flag(&self, position: usize, name: &str, default: bool) -> bool {
        match self.given(position, name) {
            None => default,
            Some(Value::Bool(x)) => *x,
            Some(Value::Int(x)) => *x != 0,
            Some(other) => panic!("{other:?} is no bool"),
        }
    }

    /// A text or its default.
    pub(crate) fn text(&self, position: usize, name: &str, default: &str) -> String {
        match self.given(position, name) {
            None => default.to_owned(),
            Some(Value::Text(x)) => x.clone(),
            Some(other) => panic!("{other:?} is no text"),
        }
    }

    /// A dtype that may be absent.
    pub(crate) fn dtype(&self, position: usize, name: &str) -> Option<DType> {
        self.given(position, name).map(|v| match v {
            Value::DType(x) => *x,
            other => panic!("{other:?} is no dtype"),
        })
    }
}

impl Value {
    fn shown(&self) -> String {
        match self {
            Value::Var(x) if x.numel() <= 3 => format!("{} {:?} {}", x.dtype().name(), x.shape(), x.detach()),
            Value::Var(x) => format!("{} {:?}", x.dtype().name(), x.shape()),
            Value::List(items) => format!("[{}]", items.iter().map(Value::shown).collect::<Vec<_>>().join(", ")),
            other => format!("{other:?}"),
        }
    }

    pub(crate) fn int(&self) -> isize {
        match self {
            Value::Int(x) => *x as isize,
            Value::Bool(x) => *x as isize,
            Value::Var(x) if x.numel() == 1 && !x.dtype().is_float() => x.value().to(DType::I64).item::<i64>() as isize,
            other => panic!("{other:?} is no integer"),
        }
    }
}

fn value(json: &Json, tensors: &[Tensor], float: DType, leaves: &mut Vec<Var>) -> Value {
    match json {
        Json::Null => Value::None,
        Json::Bool(x) => Value::Bool(*x),
        Json::Number(x) => x.as_i64().map_or_else(|| Value::Float(x.as_f64().expect("a number")), Value::Int),
        Json::String(x) => Value::Text(x.clone()),
        Json::Array(items) => Value::List(items.iter().map(|v| value(v, tensors, float, leaves)).collect()),
        Json::Object(fields) => {
            let (name, inner) = fields.iter().next_back().expect("an argument has a form");
            match name.as_str() {
                // {"g": whether it is differentiated, "t": number}
                "t" => {
                    let number = inner.as_u64().expect("a number of a tensor") as usize;
                    let tensor = &tensors[number];
                    let tensor = if tensor.dtype() == DType::F32 { tensor.to(float) } else { tensor.clone() };
                    if fields["g"] == Json::Bool(true) {
                        let leaf = Var::leaf(tensor);
                        leaves.push(leaf.clone());
                        Value::Var(leaf)
                    } else {
                        Value::Var(Var::from(tensor))
                    }
                }
                "f" => Value::Float(inner.as_str().and_then(|t| t.parse().ok()).expect("inf or nan")),
                "dtype" => {
                    let name = inner.as_str().expect("a dtype's name");
                    match DType::ALL.iter().any(|d| d.name() == name) {
                        true => Value::DType(dtype(name)),
                        false => Value::Other(name.to_owned()),
                    }
                }
                "slice" => {
                    let part = |i: usize| inner[i].as_i64();
                    Value::Slice(part(0), part(1), part(2))
                }
                "ellipsis" => Value::Ellipsis,
                _ => Value::Other(inner.to_string()),
            }
        }
    }
}
