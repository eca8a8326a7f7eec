//! Parameters held in lists and dicts.

use crate::container::check_name;
use crate::container::sealed::index;
use crate::{Mode, Module, Param, Parts, Rebuild, SpecError, Tree, Var, Visitor};
use std::ops::Index;
use wengert_tensor::{Dict, Shape, Value, bug};

/// Parameters by position (`torch.nn.ParameterList`).
///
/// # Examples
/// ```
/// use wengert_nn::{Module, Param, ParameterList, tensor::Tensor};
/// let list: ParameterList = (0..2).map(|_| Param::new(Tensor::from_vec(vec![0f32; 4], [2, 2]))).collect();
/// assert_eq!(list.named_parameters()[1].0, "1");
/// assert_eq!(list[-1].shape()[..], [2, 2]);
/// ```
#[derive(Default)]
pub struct ParameterList(Vec<Param>, Mode);

impl ParameterList {
    /// An empty list.
    pub fn new() -> ParameterList {
        ParameterList::default()
    }

    /// Adds a parameter at the end.
    pub fn push(&mut self, param: Param) -> &mut ParameterList {
        self.0.push(param);
        self
    }

    /// The number of parameters.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The parameters in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Param> {
        self.0.iter()
    }
}

impl Tree for ParameterList {
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        self.0.visit(visitor);
        visitor.mode(&self.1);
    }
    fn type_name(&self) -> &str {
        "ParameterList"
    }
    fn extra_repr(&self) -> String {
        self.0.extra_repr()
    }
}

#[wengert_nn_derive::module]
impl Module for ParameterList {
    #[track_caller]
    fn forward(&self, _input: &Var) -> Var {
        bug!("", "ParameterList should not be called.")
    }
}

impl Index<isize> for ParameterList {
    type Output = Param;

    /// # Panics
    /// If the position, negative from the end, is out of range.
    #[track_caller]
    fn index(&self, position: isize) -> &Param {
        &self.0[index(position, self.0.len())]
    }
}

impl FromIterator<Param> for ParameterList {
    fn from_iter<I: IntoIterator<Item = Param>>(params: I) -> ParameterList {
        ParameterList(params.into_iter().collect(), Mode::default())
    }
}

/// Parameters by name, in order of insertion (`torch.nn.ParameterDict`).
///
/// # Examples
/// ```
/// use wengert_nn::{Param, ParameterDict, tensor::Tensor};
/// let mut dict = ParameterDict::new();
/// dict.insert("linear1", Param::new(Tensor::from_vec(vec![0f32; 4], [4, 1])));
/// assert_eq!(dict["linear1"].shape()[..], [4, 1]);
/// ```
#[derive(Default)]
pub struct ParameterDict(Vec<(String, Param)>, Mode);

impl ParameterDict {
    /// An empty dict.
    pub fn new() -> ParameterDict {
        ParameterDict::default()
    }

    /// Adds a parameter at the end, or replaces the one of that name in its place.
    ///
    /// # Panics
    /// If the name is empty or contains a dot.
    #[track_caller]
    pub fn insert(&mut self, name: impl Into<String>, param: Param) -> &mut ParameterDict {
        let name = name.into();
        check_name("parameter", &name);
        match self.0.iter_mut().find(|(own, _)| *own == name) {
            Some(entry) => entry.1 = param,
            None => self.0.push((name, param)),
        }
        self
    }

    /// Whether there is a parameter of that name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.0.iter().any(|(own, _)| own == name)
    }

    /// Names and parameters in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Param)> {
        self.0.iter().map(|(name, param)| (name.as_str(), param))
    }

    /// The number of parameters.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Tree for ParameterDict {
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        for (name, param) in &self.0 {
            visitor.param(name, param);
        }
        visitor.mode(&self.1);
    }
    fn type_name(&self) -> &str {
        "ParameterDict"
    }
    fn extra_repr(&self) -> String {
        // PyTorch names the dtype by its legacy tensor class here, and by itself in a ParameterList.
        let class = |param: &Param| format!("torch.{}Tensor", param.dtype().legacy_name());
        parameters_text(self.0.iter().map(|(name, param)| (name.clone(), class(param), param.shape())))
    }
}

#[wengert_nn_derive::module]
impl Module for ParameterDict {
    #[track_caller]
    fn forward(&self, _input: &Var) -> Var {
        bug!("", "ParameterDict should not be called.")
    }
}

impl Index<&str> for ParameterDict {
    type Output = Param;

    /// # Panics
    /// If there is no parameter of that name.
    #[track_caller]
    fn index(&self, name: &str) -> &Param {
        match self.0.iter().find(|(own, _)| own == name) {
            Some((_, param)) => param,
            None => {
                let names: Vec<_> = self.0.iter().map(|(name, _)| name.as_str()).collect();
                bug!("", "'ParameterDict' object has no attribute '{name}'; its parameters are {names:?}")
            }
        }
    }
}

/// A `Vec` of parameters is a list of them, as if it were a [`ParameterList`].
impl Tree for Vec<Param> {
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        self.iter().enumerate().for_each(|(i, param)| visitor.param(&i.to_string(), param));
    }
    fn type_name(&self) -> &str {
        "ParameterList"
    }
    fn extra_repr(&self) -> String {
        let dtype = |param: &Param| format!("torch.{}", param.dtype().name());
        parameters_text(self.iter().enumerate().map(|(i, param)| (i.to_string(), dtype(param), param.shape())))
    }
}

#[wengert_nn_derive::module]
impl Module for Vec<Param> {}

/// One line per parameter, indented as PyTorch does.
fn parameters_text(params: impl Iterator<Item = (String, String, Shape)>) -> String {
    let lines: Vec<_> = params
        .map(|(name, kind, shape)| {
            let sizes: Vec<_> = shape.iter().map(usize::to_string).collect();
            format!("  ({name}): Parameter containing: [{kind} of size {}]", sizes.join("x"))
        })
        .collect();
    lines.join("\n")
}

crate::display::display!(ParameterList, ParameterDict);

impl Rebuild for ParameterList {
    const CLASS: &'static str = "torch.nn.modules.container.ParameterList";
    fn config(&self) -> Dict {
        [("_size", self.len())].into_iter().collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<ParameterList, SpecError> {
        let params = parts.params()?;
        if params.len() != parts.get_or("_size", params.len())? {
            return parts.invalid("a list of which some items are no parameters");
        }
        Ok(ParameterList(params.into_iter().map(|(_, param)| param).collect(), parts.mode()))
    }
}

impl Rebuild for ParameterDict {
    const CLASS: &'static str = "torch.nn.modules.container.ParameterDict";
    fn config(&self) -> Dict {
        let keys: Dict = self.iter().map(|(name, _)| (name, Value::None)).collect();
        [("_keys", keys)].into_iter().collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<ParameterDict, SpecError> {
        Ok(ParameterDict(parts.params()?, parts.mode()))
    }
}
