//! L-BFGS (`torch.optim.LBFGS`): Liu and Nocedal 1989, after minFunc.

use crate::Error;
use crate::optimizer::{IntoParams, Optimizer};
use crate::rule::{Joint, Options, Rule, Slots, Update, int_if_whole};
use crate::wolfe::{Point, strong_wolfe};
use wengert_autograd::{Param, Var};
use wengert_tensor::{DType, Dict, Tensor, Value};

/// How [`Lbfgs`] finds the length of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineSearch {
    /// A length that fulfils the strong Wolfe conditions.
    StrongWolfe,
}

/// Options of [`Lbfgs`], with PyTorch's defaults.
#[derive(Clone, Debug)]
pub struct LbfgsOptions {
    /// Learning rate.
    pub lr: f64,
    /// Most iterations per step.
    pub max_iter: usize,
    /// Most evaluations per step; `max_iter * 5 / 4` if none.
    pub max_eval: Option<usize>,
    /// Ends the step if no gradient is larger.
    pub tolerance_grad: f64,
    /// Ends the step if loss and parameters change less.
    pub tolerance_change: f64,
    /// How many changes are kept.
    pub history_size: usize,
    /// How the length of an iteration is found; `lr` if none.
    pub line_search_fn: Option<LineSearch>,
    /// Ascends instead of descending.
    pub maximize: bool,
}

impl Default for LbfgsOptions {
    fn default() -> LbfgsOptions {
        LbfgsOptions {
            lr: 1.0,
            max_iter: 20,
            max_eval: None,
            tolerance_grad: 1e-7,
            tolerance_change: 1e-9,
            history_size: 100,
            line_search_fn: None,
            maximize: false,
        }
    }
}

impl From<LbfgsOptions> for Dict {
    fn from(options: LbfgsOptions) -> Dict {
        let search = options.line_search_fn.map_or(Value::None, |LineSearch::StrongWolfe| Value::from("strong_wolfe"));
        Dict::from_iter([
            ("lr", int_if_whole(options.lr)),
            ("max_iter", Value::from(options.max_iter)),
            ("max_eval", Value::from(options.max_eval.unwrap_or(options.max_iter * 5 / 4))),
            ("tolerance_grad", Value::Float(options.tolerance_grad)),
            ("tolerance_change", Value::Float(options.tolerance_change)),
            ("history_size", Value::from(options.history_size)),
            ("line_search_fn", search),
            ("maximize", Value::Bool(options.maximize)),
        ])
    }
}

/// Makes an [`Optimizer`] that runs L-BFGS; it steps with a closure, [`Optimizer::step_with`].
///
/// # Examples
/// ```
/// use wengert_autograd::{Param, tensor::Tensor};
/// use wengert_optim::{Lbfgs, LbfgsOptions};
/// let w = Param::new(Tensor::from_vec(vec![3.0f64, -2.0], [2]));
/// let mut optimizer = Lbfgs::new([w.clone()], LbfgsOptions::default());
/// optimizer.step_with(|| {
///     w.zero_grad();
///     let loss = w.var().add(1.0).pow(2.0).sum(());
///     loss.backward();
///     loss
/// });
/// assert!(w.value().to_vec::<f64>().iter().all(|x| (x + 1.0).abs() < 1e-6));
/// ```
pub struct Lbfgs;

impl Lbfgs {
    /// Optimizes all parameters together.
    ///
    /// # Panics
    /// If the list is empty, there are several groups, or the learning rate is negative, in PyTorch's words.
    #[expect(clippy::new_ret_no_self, reason = "one type runs every rule")]
    #[track_caller]
    pub fn new(params: impl IntoParams, options: LbfgsOptions) -> Optimizer {
        Optimizer::with_rule(Lbfgs, params, options.into())
    }
}

impl Rule for Lbfgs {
    fn name(&self) -> &'static str {
        "LBFGS"
    }

    fn defaults(&self) -> Dict {
        LbfgsOptions::default().into()
    }

    fn prepare(&self, group: &Dict) -> Result<Update, Error> {
        Settings::new(group)?;
        Ok(Box::new(|_: &mut Tensor, _: &Tensor, _: &mut Slots| {}))
    }

    fn joint(&self) -> Option<&dyn Joint> {
        Some(self)
    }
}

/// The options of a step.
struct Settings {
    lr: f64,
    max_iter: usize,
    max_eval: usize,
    tolerance_grad: f64,
    tolerance_change: f64,
    history_size: usize,
    search: bool,
    maximize: bool,
}

impl Settings {
    fn new(group: &Dict) -> Result<Settings, Error> {
        Ok(Settings {
            lr: group.at_least_zero("lr", "learning rate")?,
            max_iter: group.number("max_iter")? as usize,
            max_eval: group.number("max_eval")? as usize,
            tolerance_grad: group.number("tolerance_grad")?,
            tolerance_change: group.number("tolerance_change")?,
            history_size: group.number("history_size")? as usize,
            search: match group.get("line_search_fn") {
                None | Some(Value::None) => false,
                Some(name) if name.as_str() == Some("strong_wolfe") => true,
                _ => return Err(Error::InvalidOption("only 'strong_wolfe' is supported".to_owned())),
            },
            maximize: group.flag("maximize")?,
        })
    }
}

/// What a state holds between iterations. Numbers are as exact as PyTorch's, which keeps them as tensors.
struct History {
    direction: Option<Tensor>,
    /// The length of the last iteration, an option's number or a tensor.
    length: Value,
    /// Changes of the gradient, of the parameters, and the inverse of their products.
    dirs: Vec<Tensor>,
    steps: Vec<Tensor>,
    ro: Vec<f64>,
    /// The scale of the first guess; none is the integer 1.
    diagonal: Option<f64>,
    gradient: Option<Tensor>,
    loss: f64,
}

impl History {
    fn new(state: &Dict) -> History {
        let tensor = |key: &str| state.get(key).and_then(Value::as_tensor).cloned();
        let list = |key: &str| state.get(key).and_then(Value::as_slice).unwrap_or_default();
        let tensors = |key: &str| list(key).iter().filter_map(Value::as_tensor).cloned().collect();
        History {
            direction: tensor("d"),
            length: state.get("t").cloned().unwrap_or_default(),
            dirs: tensors("old_dirs"),
            steps: tensors("old_stps"),
            ro: list("ro").iter().filter_map(Value::as_float).collect(),
            diagonal: tensor("H_diag").map(|t| t.item::<f64>()),
            gradient: tensor("prev_flat_grad"),
            loss: state.get("prev_loss").and_then(Value::as_float).unwrap_or(0.0),
        }
    }

    fn save(self, state: &mut Dict, dtype: DType) {
        let number = |x: f64| Value::from(Tensor::from_vec(vec![x], ()).to(dtype));
        let tensors = |list: Vec<Tensor>| Value::List(list.into_iter().map(Value::from).collect());
        let optional = |tensor: Option<Tensor>| tensor.map_or(Value::None, Value::from);
        state.insert("d", optional(self.direction));
        state.insert("t", self.length);
        state.insert("old_dirs", tensors(self.dirs));
        state.insert("old_stps", tensors(self.steps));
        state.insert("ro", Value::List(self.ro.into_iter().map(number).collect()));
        state.insert("H_diag", self.diagonal.map_or(Value::Int(1), number));
        state.insert("prev_flat_grad", optional(self.gradient));
        state.insert("prev_loss", self.loss);
    }

    /// The direction of the next iteration by the two-loop recursion; the factors of the first loop go to the state.
    fn turn(&mut self, grad: &Tensor, limit: usize, state: &mut Dict, round: impl Fn(f64) -> f64) -> Tensor {
        let (before, direction) = (self.gradient.take(), self.direction.take());
        let (before, direction) = before.zip(direction).expect("kept by the iteration before");
        let y = grad.sub(&before);
        let s = direction.mul(self.length.as_float().expect("kept by the iteration before"));
        let ys = dot(&y, &s);
        if ys > 1e-10 {
            if self.dirs.len() >= limit.max(1) {
                self.dirs.remove(0);
                self.steps.remove(0);
                self.ro.remove(0);
            }
            self.ro.push(round(1.0 / ys));
            self.diagonal = Some(round(ys / dot(&y, &y)));
            self.dirs.push(y);
            self.steps.push(s);
        }
        let count = self.dirs.len();
        let mut al: Vec<Value> = state.get("al").and_then(Value::as_slice).unwrap_or_default().to_vec();
        // One for each change that may be kept; a size from a file is not believed.
        al.resize(limit.clamp(count, count.max(1 << 16)), Value::None);
        let mut factors = vec![0.0; count];
        let mut q = grad.neg();
        for i in (0..count).rev() {
            factors[i] = round(dot(&self.steps[i], &q) * self.ro[i]);
            q.add_scaled_(-factors[i], &self.dirs[i]);
            al[i] = Value::from(Tensor::from_vec(vec![factors[i]], ()).to(grad.dtype()));
        }
        state.insert("al", al);
        let mut r = q.mul(self.diagonal.unwrap_or(1.0));
        for i in 0..count {
            let be = round(dot(&self.dirs[i], &r) * self.ro[i]);
            r.add_scaled_(round(factors[i] - be), &self.steps[i]);
        }
        r
    }
}

/// The product of two vectors.
fn dot(a: &Tensor, b: &Tensor) -> f64 {
    a.dot(b).item()
}

/// The largest size of an entry.
pub(crate) fn largest(tensor: &Tensor) -> f64 {
    tensor.abs().max().item()
}

/// All gradients in one vector; those that are none count as zeros.
fn gather(params: &[Param], maximize: bool) -> Tensor {
    let grad = |p: &Param| p.grad().unwrap_or_else(|| Tensor::zeros(p.shape(), p.dtype())).reshape([-1]);
    let flat = Tensor::cat(&params.iter().map(grad).collect::<Vec<_>>(), 0);
    if maximize { flat.neg() } else { flat }
}

/// Moves the parameters by a vector times a factor.
fn move_by(params: &[Param], factor: f64, flat: &Tensor) {
    let mut start = 0;
    for param in params {
        let part = flat.narrow(0, start as isize, param.numel());
        start += param.numel();
        param.update(|value| {
            let part = part.reshape(value.shape());
            value.add_scaled_(factor, &part);
        });
    }
}

/// Adds to a count in the state.
fn count(state: &mut Dict, key: &str, by: usize) -> i64 {
    let total = state.get(key).and_then(Value::as_int).unwrap_or(0).saturating_add(by as i64);
    state.insert(key, total);
    total
}

impl Joint for Lbfgs {
    fn step(
        &self,
        group: &Dict,
        params: &[Param],
        state: &mut Dict,
        closure: &mut dyn FnMut() -> Var,
    ) -> Result<Var, Error> {
        let Settings { lr, max_iter, max_eval, tolerance_grad, tolerance_change, history_size, search, maximize } =
            Settings::new(group)?;
        let sign = if maximize { -1.0 } else { 1.0 };
        let dtype = params[0].dtype();
        // What PyTorch keeps as a tensor of one number is rounded.
        let round = |x: f64| if dtype == DType::F64 { x } else { f64::from(x as f32) };
        let number = |x: f64| Value::from(Tensor::from_vec(vec![x], ()).to(dtype));
        count(state, "func_evals", 0);
        count(state, "n_iter", 0);
        let first = closure();
        let mut loss = sign * first.item::<f64>();
        let mut evals = 1;
        count(state, "func_evals", 1);
        let mut grad = gather(params, maximize);
        if largest(&grad) <= tolerance_grad {
            return Ok(first);
        }
        let mut history = History::new(state);
        for iteration in 1..=max_iter {
            let fresh = count(state, "n_iter", 1) == 1;
            let d = if fresh { grad.neg() } else { history.turn(&grad, history_size, state, round) };
            history.gradient = Some(grad.clone());
            history.loss = loss;
            history.length = match (fresh, round(1.0 / grad.abs().sum(()).item::<f64>())) {
                (true, short) if short < 1.0 => number(round(short * lr)),
                _ => group.get("lr").cloned().unwrap_or(Value::Float(lr)),
            };
            let mut t = history.length.as_float().expect("a number");
            let slope = dot(&grad, &d);
            history.direction = Some(d.clone());
            if slope > -tolerance_change {
                break;
            }
            let mut calls = 0;
            if search {
                let start: Vec<Tensor> = params.iter().map(Param::value).collect();
                let mut evaluate = |t: f64| {
                    move_by(params, t, &d);
                    let loss = sign * closure().item::<f64>();
                    let grad = gather(params, maximize);
                    params.iter().zip(&start).for_each(|(param, value)| param.set(value.clone()));
                    Point { t, loss, slope: dot(&grad, &d), grad }
                };
                let here = Point { t: 0.0, loss, slope, grad: grad.clone() };
                let limit = max_eval.saturating_sub(evals);
                let found = strong_wolfe(&mut evaluate, here, t, largest(&d), tolerance_change, limit, &round);
                (loss, grad, calls) = (found.point.loss, found.point.grad, found.evals);
                if found.point.t != t {
                    t = found.point.t;
                    history.length = number(t);
                }
                move_by(params, t, &d);
            } else {
                move_by(params, t, &d);
                if iteration != max_iter {
                    loss = sign * closure().item::<f64>();
                    grad = gather(params, maximize);
                    calls = 1;
                }
            }
            evals += calls;
            count(state, "func_evals", calls);
            if iteration == max_iter
                || evals >= max_eval
                || largest(&grad) <= tolerance_grad
                || largest(&d.mul(t)) <= tolerance_change
                || (loss - history.loss).abs() < tolerance_change
            {
                break;
            }
        }
        history.save(state, dtype);
        Ok(first)
    }

    fn check(&self, state: &Dict, params: &[Param]) -> Result<(), Error> {
        let wrong = |key: &str| Error::NotAState(format!("entry '{key}' of LBFGS is missing or wrong"));
        let numel = params.iter().map(Param::numel).sum::<usize>();
        let flat = |value: &Value| value.as_tensor().is_some_and(|tensor| *tensor.shape() == [numel][..]);
        for key in ["func_evals", "n_iter"] {
            state.get(key).and_then(Value::as_int).ok_or_else(|| wrong(key))?;
        }
        if state.get("n_iter").and_then(Value::as_int) == Some(0) {
            return Ok(());
        }
        let list = |key: &str| state.get(key).and_then(Value::as_slice).ok_or_else(|| wrong(key));
        let history = list("ro")?.len();
        for key in ["old_dirs", "old_stps"] {
            if list(key)?.len() != history || !list(key)?.iter().all(flat) {
                return Err(wrong(key));
            }
        }
        for key in ["t", "H_diag", "prev_loss"] {
            state.get(key).and_then(Value::as_float).ok_or_else(|| wrong(key))?;
        }
        if list("ro")?.iter().any(|value| value.as_float().is_none()) {
            return Err(wrong("ro"));
        }
        match ["d", "prev_flat_grad"].into_iter().find(|key| !state.get(key).is_some_and(flat)) {
            Some(key) => Err(wrong(key)),
            None => Ok(()),
        }
    }
}
