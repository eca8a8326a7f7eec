//! What rows are made of: the constructor's [`Arguments`], the forward pass's [`Inputs`], and a [`Case`] that has both.

use crate::file::{Golden, Input, list, map};
use serde_json::Value as Json;
use std::sync::Arc;
use wengert_nn::tensor::{DType, Tensor, Value};
use wengert_nn::{Dict, Module, Setting, Var};

/// A module and how it is called.
pub(crate) struct Case {
    pub(crate) module: Arc<dyn Module>,
    pub(crate) run: Run,
}

/// From inputs to outputs.
pub(crate) type Run = Box<dyn Fn(&Inputs) -> Vec<Var>>;

/// A module of one input and one output.
pub(crate) fn layer<M: Module>(module: M) -> Case {
    call(module, |module, inputs| vec![module.forward(&inputs.x(0))])
}

/// A module with a call of its own. Outputs are in the order of PyTorch's, flattened.
pub(crate) fn call<M: Module>(module: M, run: impl Fn(&M, &Inputs) -> Vec<Var> + 'static) -> Case {
    let module = Arc::new(module);
    let own = module.clone();
    Case { module, run: Box::new(move |inputs| run(&own, inputs)) }
}

/// The constructor's arguments by name.
pub(crate) struct Arguments(pub(crate) Dict);

impl Arguments {
    /// An argument as PyTorch's signature has it.
    #[track_caller]
    pub(crate) fn value(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or_else(|| panic!("no argument '{name}'"))
    }

    /// An argument of a type that configured values have.
    #[track_caller]
    pub(crate) fn get<T: Setting>(&self, name: &str) -> T {
        let value = self.value(name);
        T::from_value(value).unwrap_or_else(|| panic!("argument {name}={value}"))
    }

    /// A tensor, or `None`.
    #[track_caller]
    pub(crate) fn tensor(&self, name: &str) -> Option<Tensor> {
        self.value(name).as_tensor().cloned()
    }
}

/// An argument of the forward pass.
enum Argument {
    Tensor(usize),
    Many(Vec<Argument>),
    Value(Value),
}

/// The forward pass's arguments, in f32 or f64.
pub(crate) struct Inputs {
    /// All tensors in order, those in tuples too.
    pub(crate) tensors: Vec<Var>,
    positional: Vec<Argument>,
    named: Vec<(String, Argument)>,
}

impl Inputs {
    pub(crate) fn new(golden: &Golden, sample: &Json, dtype: DType) -> Inputs {
        let mut inputs = Inputs { tensors: Vec::new(), positional: Vec::new(), named: Vec::new() };
        for json in list(&sample["args"]["tuple"]) {
            let argument = inputs.read(golden, json, dtype);
            inputs.positional.push(argument);
        }
        for (name, json) in map(&sample["kwargs"]["dict"]) {
            let argument = inputs.read(golden, json, dtype);
            inputs.named.push((name.clone(), argument));
        }
        inputs
    }

    fn read(&mut self, golden: &Golden, json: &Json, dtype: DType) -> Argument {
        if let Some(json) = json.get("tensor") {
            let Input { value, requires_grad } = golden.input(json);
            let value = if value.dtype().is_float() { value.to(dtype) } else { value };
            self.tensors.push(if requires_grad { Var::leaf(value) } else { Var::from(value) });
            return Argument::Tensor(self.tensors.len() - 1);
        }
        match json.get("tuple").or_else(|| json.is_array().then_some(json)) {
            Some(json) if json.to_string().contains("tensor") => {
                Argument::Many(list(json).iter().map(|x| self.read(golden, x, dtype)).collect())
            }
            _ => Argument::Value(golden.value(json)),
        }
    }

    fn var(&self, argument: &Argument) -> Option<Var> {
        match argument {
            Argument::Tensor(at) => Some(self.tensors[*at].clone()),
            Argument::Many(_) => panic!("a tuple, not a tensor"),
            Argument::Value(_) => None,
        }
    }

    /// The tensor at a position.
    #[track_caller]
    pub(crate) fn x(&self, position: usize) -> Var {
        self.opt(position).unwrap_or_else(|| panic!("no tensor at {position}"))
    }

    /// The tensor at a position, or `None`. Named arguments follow those without a name.
    pub(crate) fn opt(&self, position: usize) -> Option<Var> {
        self.at(position).and_then(|argument| self.var(argument))
    }

    fn at(&self, position: usize) -> Option<&Argument> {
        let named = |position: usize| self.named.get(position).map(|(_, argument)| argument);
        self.positional.get(position).or_else(|| named(position - self.positional.len()))
    }

    /// The tensors of the tuple at a position.
    #[allow(dead_code)]
    pub(crate) fn many(&self, position: usize) -> Option<Vec<Var>> {
        match self.at(position)? {
            Argument::Many(items) => items.iter().map(|item| self.var(item)).collect(),
            _ => None,
        }
    }

    /// The tensor of that name, or `None`.
    #[allow(dead_code)]
    pub(crate) fn named(&self, name: &str) -> Option<Var> {
        self.named.iter().find(|(own, _)| own == name).and_then(|(_, argument)| self.var(argument))
    }

    /// The argument of that name that is no tensor.
    pub(crate) fn named_value(&self, name: &str) -> Option<&Value> {
        self.named.iter().find(|(own, _)| own == name).and_then(|(_, argument)| match argument {
            Argument::Value(value) => Some(value),
            _ => None,
        })
    }

    /// The argument at a position that is no tensor.
    #[allow(dead_code)]
    pub(crate) fn value(&self, position: usize) -> Option<&Value> {
        match self.at(position)? {
            Argument::Value(value) => Some(value),
            _ => None,
        }
    }
}
