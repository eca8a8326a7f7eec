//! [`Optimizer`]: groups of parameters, stepping, and state in PyTorch's layout.

use crate::Error;
use crate::rule::{Options, Rule, Slots};
use std::collections::{HashMap, HashSet};
use wengert_autograd::{Param, Var, enable_grad};
use wengert_tensor::{DType, Dict, Tensor, Value, bug, profile};

/// Parameters with options of their own.
#[derive(Clone)]
pub struct ParamGroup {
    /// The parameters, in the order of the state's indices.
    pub params: Vec<Param>,
    /// Options by PyTorch's names, such as `lr`; what the group does not name has the optimizer's default.
    pub options: Dict,
}

impl ParamGroup {
    /// A group whose options are the optimizer's.
    pub fn new(params: impl IntoIterator<Item = Param>) -> ParamGroup {
        ParamGroup { params: params.into_iter().collect(), options: Dict::new() }
    }

    /// A group whose state has the names too, as `param_names`; all groups of an optimizer have them, or none.
    pub fn named(params: impl IntoIterator<Item = (String, Param)>) -> ParamGroup {
        let (names, params): (Vec<Value>, Vec<Param>) =
            params.into_iter().map(|(name, param)| (Value::Str(name), param)).unzip();
        ParamGroup { params, options: Dict::from_iter([("param_names", names)]) }
    }

    /// The group with an option of its own, such as `.with("lr", 0.1)`.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> ParamGroup {
        self.options.insert(key, value);
        self
    }

    /// The learning rate.
    ///
    /// # Panics
    /// If the group has none yet: groups get it when an optimizer takes them.
    #[track_caller]
    pub fn lr(&self) -> f64 {
        match self.options.number("lr") {
            Ok(lr) => lr,
            Err(_) => bug!("ParamGroup", "no learning rate: add the group to an optimizer first"),
        }
    }
}

/// What optimizers take: parameters, or groups of them.
pub trait IntoParams {
    /// The groups.
    fn into_groups(self) -> Vec<ParamGroup>;
}
impl IntoParams for Vec<Param> {
    fn into_groups(self) -> Vec<ParamGroup> {
        vec![ParamGroup::new(self)]
    }
}
impl IntoParams for Vec<(String, Param)> {
    /// One group that knows its parameters' names, as from `net.named_parameters()`.
    fn into_groups(self) -> Vec<ParamGroup> {
        vec![ParamGroup::named(self)]
    }
}
impl<const N: usize> IntoParams for [Param; N] {
    fn into_groups(self) -> Vec<ParamGroup> {
        vec![ParamGroup::new(self)]
    }
}
impl IntoParams for Vec<ParamGroup> {
    fn into_groups(self) -> Vec<ParamGroup> {
        self
    }
}
impl<const N: usize> IntoParams for [ParamGroup; N] {
    fn into_groups(self) -> Vec<ParamGroup> {
        self.into()
    }
}

/// Updates parameters from their gradients (`torch.optim.Optimizer`).
pub struct Optimizer {
    rule: Box<dyn Rule>,
    defaults: Dict,
    groups: Vec<ParamGroup>,
    state: HashMap<u64, Slots>,
    /// What a rule keeps that moves all parameters at once.
    joint: Dict,
}

impl Optimizer {
    /// An optimizer that follows a rule, which may be your own.
    ///
    /// # Panics
    /// If there are no parameters, one occurs in two groups, or an option is out of range, in PyTorch's words.
    #[track_caller]
    pub fn with_rule(rule: impl Rule + 'static, params: impl IntoParams, options: Dict) -> Optimizer {
        let groups = params.into_groups();
        if groups.is_empty() || groups.len() == 1 && groups[0].params.is_empty() {
            bug!("", "optimizer got an empty parameter list");
        }
        let mut optimizer = Optimizer {
            rule: Box::new(rule),
            defaults: options,
            groups: Vec::new(),
            state: HashMap::new(),
            joint: Dict::new(),
        };
        for group in groups {
            optimizer.add_param_group(group);
        }
        optimizer
    }

    /// Adds parameters, as when a part of a net is unfrozen.
    ///
    /// # Panics
    /// If one is in a group already, or an option is out of range, in PyTorch's words.
    #[track_caller]
    pub fn add_param_group(&mut self, mut group: ParamGroup) {
        // PyTorch puts a group's own options first, then the defaults that it lacks.
        for (key, value) in self.defaults.iter() {
            let name = key.as_str().expect("options have names");
            if group.options.get(name).is_none() {
                group.options.insert(name, value.clone());
            }
        }
        if let Err(error) = self.rule.prepare(&group.options) {
            bug!("", "{error}");
        }
        if self.rule.joint().is_some() && !self.groups.is_empty() {
            bug!("", "{} doesn't support per-parameter options (parameter groups)", self.rule.name());
        }
        let named = |group: &ParamGroup| group.options.get("param_names").is_some();
        if let Some(first) = self.groups.first()
            && named(first) != named(&group)
        {
            let with = if named(&group) { "with" } else { "without" };
            bug!(
                "",
                "all optimizer param groups should be with/without names. cannot add param group {with} names to the \
                 optimizer"
            );
        }
        let taken: HashSet<u64> = self.groups.iter().flat_map(|g| &g.params).map(Param::id).collect();
        if group.params.iter().any(|p| taken.contains(&p.id())) {
            bug!("", "some parameters appear in more than one parameter group");
        }
        for param in &group.params {
            if let Err(error) = self.rule.accepts(&param.value()) {
                bug!("", "{error}");
            }
            let slots = self.rule.initial_state(&group.options, &param.value());
            if !slots.is_empty() {
                self.state.insert(param.id(), slots);
            }
        }
        self.groups.push(group);
    }

    /// The options that groups get where they have none of their own.
    pub fn defaults(&self) -> &Dict {
        &self.defaults
    }

    /// The groups.
    pub fn param_groups(&self) -> &[ParamGroup] {
        &self.groups
    }

    /// The groups, to change their options.
    pub fn param_groups_mut(&mut self) -> &mut [ParamGroup] {
        &mut self.groups
    }

    /// Sets the learning rate of every group.
    pub fn set_lr(&mut self, lr: f64) {
        for group in &mut self.groups {
            group.options.insert("lr", lr);
        }
    }

    /// Updates every parameter that has a gradient; the others stay, and get no state.
    ///
    /// # Panics
    /// If an option was changed to something out of range.
    #[track_caller]
    pub fn step(&mut self) {
        if self.rule.joint().is_some() {
            bug!("", "{}.step() missing 1 required positional argument: 'closure'", self.rule.name());
        }
        let _span = profile::span_with(|| format!("Optimizer.step#{0}.step", self.rule.name()));
        for group in &self.groups {
            let update = match self.rule.prepare(&group.options) {
                Ok(update) => update,
                Err(error) => bug!(self.rule.name(), "{error}"),
            };
            for param in &group.params {
                if let Some(grad) = param.grad() {
                    let slots = self.state.entry(param.id()).or_default();
                    param.update(|value| update(value, &grad, slots));
                }
            }
        }
    }

    /// Steps with a closure that sets the gradients to none, computes the loss, its gradients, and gives the loss:
    /// PyTorch's `step(closure)`. [`Lbfgs`](crate::Lbfgs) calls it several times, others once. Gives the first loss.
    ///
    /// # Panics
    /// As [`step`](Optimizer::step).
    #[track_caller]
    pub fn step_with(&mut self, mut closure: impl FnMut() -> Var) -> Var {
        let mut closure = || enable_grad(&mut closure);
        let Some(joint) = self.rule.joint() else {
            let loss = closure();
            self.step();
            return loss;
        };
        let _span = profile::span_with(|| format!("Optimizer.step#{0}.step", self.rule.name()));
        let group = &self.groups[0];
        match joint.step(&group.options, &group.params, &mut self.joint, &mut closure) {
            Ok(loss) => loss,
            Err(error) => bug!(self.rule.name(), "{error}"),
        }
    }

    /// Sets all gradients to none.
    pub fn zero_grad(&self) {
        let _span = profile::span_with(|| format!("Optimizer.zero_grad#{0}.zero_grad", self.rule.name()));
        self.groups.iter().flat_map(|g| &g.params).for_each(Param::zero_grad);
    }

    /// The state as `{'state': {index: {…}}, 'param_groups': [{…, 'params': [index, …]}]}`, as PyTorch's. Tensors share
    /// memory with the optimizer and yet are a snapshot.
    pub fn state_dict(&self) -> Value {
        let mut state = Dict::new();
        if !self.joint.is_empty() {
            state.insert(0i64, self.joint.clone());
        }
        let mut groups = Vec::new();
        let mut index = 0i64;
        for group in &self.groups {
            let mut options = group.options.clone();
            let first = index;
            for param in &group.params {
                if let Some(slots) = self.state.get(&param.id()).filter(|slots| !slots.is_empty()) {
                    // Indices ascend, so a plain push keeps keys unique.
                    let entry = Value::dict(slots.iter().map(|(name, tensor)| (name, Value::from(tensor))));
                    state.entries.push((Value::Int(index), entry));
                }
                index += 1;
            }
            options.insert("params", (first..index).map(Value::Int).collect::<Vec<_>>());
            groups.push(Value::Dict(options));
        }
        Value::dict([("state", Value::Dict(state)), ("param_groups", Value::List(groups))])
    }

    /// Takes over a saved state, PyTorch's or ours: options and slots. All or nothing.
    ///
    /// Slots take the parameter's dtype, except `step`. Options that the group lacks get their defaults.
    ///
    /// # Errors
    /// If the value is no optimizer's state, or its groups, options or shapes do not fit.
    pub fn load_state_dict(&mut self, value: &Value) -> Result<(), Error> {
        let missing = |key: &str| Error::NotAState(format!("no entry '{key}'"));
        let saved_groups =
            value.get("param_groups").and_then(Value::as_slice).ok_or_else(|| missing("param_groups"))?;
        let saved_state = value.get("state").and_then(Value::as_dict).ok_or_else(|| missing("state"))?;
        if saved_groups.len() != self.groups.len() {
            return Err(Error::GroupCount);
        }
        let mut groups = Vec::new();
        let mut by_index: HashMap<i64, &Param> = HashMap::new();
        for (saved, own) in saved_groups.iter().zip(&self.groups) {
            let saved = saved.as_dict().ok_or_else(|| Error::NotAState("a parameter group is no dict".to_owned()))?;
            let indices = saved.get("params").and_then(Value::as_slice).ok_or_else(|| missing("params"))?;
            if indices.len() != own.params.len() {
                return Err(Error::GroupSize);
            }
            for (index, param) in indices.iter().zip(&own.params) {
                let index =
                    index.as_int().ok_or_else(|| Error::NotAState("a parameter index is no integer".to_owned()))?;
                by_index.insert(index, param);
            }
            let mut options = saved.clone();
            options.entries.retain(|(key, _)| key.as_str() != Some("params"));
            for (key, default) in self.rule.defaults().iter() {
                let name = key.as_str().expect("options have names");
                if options.get(name).is_none() {
                    options.insert(name, default.clone());
                }
            }
            if let (Some(names), None) = (own.options.get("param_names"), options.get("param_names")) {
                options.insert("param_names", names);
            }
            drop(self.rule.prepare(&options)?);
            groups.push(ParamGroup { params: own.params.clone(), options });
        }
        if let Some(rule) = self.rule.joint() {
            let mut joint = Dict::new();
            let params = &self.groups[0].params;
            let first = by_index.iter().find(|(_, param)| param.id() == params[0].id()).map(|(index, _)| *index);
            if let Some(entry) = first.and_then(|index| saved_state.get_int(index)).and_then(Value::as_dict) {
                joint = entry.clone();
                joint.entries.iter_mut().for_each(|(_, value)| cast(value, params[0].dtype()));
                rule.check(&joint, params)?;
            }
            (self.groups, self.joint) = (groups, joint);
            return Ok(());
        }
        let mut state = HashMap::new();
        for (key, entry) in saved_state.iter() {
            // State of parameters that no group names is kept by PyTorch and never used.
            let Some((index, param)) = key.as_int().and_then(|i| Some((i, *by_index.get(&i)?))) else { continue };
            state.insert(param.id(), load_slots(index as usize, entry, &param.value(), self.rule.as_ref())?);
        }
        self.groups = groups;
        self.state = state;
        Ok(())
    }
}

/// Casts the tensors of a value, as PyTorch does with what it loads.
fn cast(value: &mut Value, dtype: DType) {
    match value {
        Value::Tensor(tensor) => **tensor = tensor.to(dtype),
        Value::List(list) | Value::Tuple(list) => list.iter_mut().for_each(|value| cast(value, dtype)),
        _ => {}
    }
}

/// One parameter's saved slots, checked against its shape and cast to its dtype.
fn load_slots(index: usize, entry: &Value, param: &Tensor, rule: &dyn Rule) -> Result<Slots, Error> {
    let entry =
        entry.as_dict().ok_or_else(|| Error::NotAState(format!("the state of parameter {index} is no dict")))?;
    let mut slots = Slots::default();
    for (key, value) in entry.iter() {
        let name = key.as_str().ok_or_else(|| Error::NotAState(format!("a state of parameter {index} has no name")))?;
        let tensor = match value {
            // Older PyTorch saved `momentum_buffer: None` and integer steps.
            Value::None => continue,
            Value::Int(_) | Value::Float(_) => Tensor::from_vec(vec![value.as_float().expect("a number") as f32], ()),
            _ => match value.as_tensor() {
                Some(tensor) => tensor.clone(),
                None => return Err(Error::NotAState(format!("state '{name}' of parameter {index} is no tensor"))),
            },
        };
        let expected = rule.slot_shape(name, param.shape());
        let fits = if expected.is_empty() { tensor.numel() == 1 } else { tensor.shape() == &expected[..] };
        if !fits {
            return Err(Error::SlotShape { index, slot: name.to_owned(), found: tensor.shape().to_vec(), expected });
        }
        slots.insert(name, tensor.to(if name == "step" { DType::F32 } else { param.dtype() }));
    }
    Ok(slots)
}

impl std::fmt::Display for Optimizer {
    /// As `print(optimizer)` in PyTorch: options in alphabetic order.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (", self.rule.name())?;
        for (i, group) in self.groups.iter().enumerate() {
            write!(f, "\nParameter Group {i}\n")?;
            let mut lines: Vec<(&str, &Value)> =
                group.options.iter().filter_map(|(k, v)| Some((k.as_str()?, v))).collect();
            lines.sort_by_key(|(key, _)| *key);
            for (key, value) in lines {
                // Python formats a 0-d tensor as its number, and a text as it is.
                match (value, value.as_tensor().filter(|t| t.shape().is_empty())) {
                    (_, Some(tensor)) => writeln!(f, "    {key}: {}", Value::Float(tensor.item::<f64>()))?,
                    (Value::Str(text), _) => writeln!(f, "    {key}: {text}")?,
                    _ => writeln!(f, "    {key}: {value}")?,
                }
            }
        }
        f.write_str(")")
    }
}

impl std::fmt::Debug for Optimizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}
