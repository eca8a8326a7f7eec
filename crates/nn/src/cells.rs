//! One step of a recurrent layer: [`RNNCell`], [`GRUCell`], [`LSTMCell`], and the arithmetic that they share with whole layers.

use crate::{Mode, Module, Param, Parts, Rebuild, SpecError, Tree, Var, init};
use wengert_tensor::{DType, Dict, Tensor, Value, bug};

/// The function of a plain recurrent layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RNNNonlinearity {
    /// The hyperbolic tangent.
    #[default]
    Tanh,
    /// max(x, 0).
    ReLU,
}

impl RNNNonlinearity {
    /// PyTorch's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            RNNNonlinearity::Tanh => "tanh",
            RNNNonlinearity::ReLU => "relu",
        }
    }
}

/// What a step computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Rnn(RNNNonlinearity),
    Gru,
    Lstm,
}

impl Kind {
    /// How many rows of weights each hidden unit has.
    pub(crate) fn gates(self) -> usize {
        match self {
            Kind::Rnn(_) => 1,
            Kind::Gru => 3,
            Kind::Lstm => 4,
        }
    }
}

/// The weights of one direction of one layer.
pub(crate) struct Weights {
    pub(crate) hidden: Var,
    pub(crate) hidden_bias: Option<Var>,
    /// Projects the output of an LSTM.
    pub(crate) projection: Option<Var>,
}

/// One step: the part of the gates that comes from the input, hidden state and cell state to the next states.
pub(crate) fn step(kind: Kind, input_gates: &Var, h: &Var, c: Option<&Var>, weights: &Weights) -> (Var, Option<Var>) {
    let hidden_gates = h.linear(&weights.hidden, weights.hidden_bias.as_ref());
    match kind {
        Kind::Rnn(RNNNonlinearity::Tanh) => ((input_gates + hidden_gates).tanh(), None),
        Kind::Rnn(RNNNonlinearity::ReLU) => ((input_gates + hidden_gates).relu(), None),
        Kind::Gru => {
            let size = h.size(-1);
            let both = (input_gates.narrow(-1, 0, 2 * size) + hidden_gates.narrow(-1, 0, 2 * size)).sigmoid();
            let (reset, update) = (both.narrow(-1, 0, size), both.narrow(-1, size as isize, size));
            let last = 2 * size as isize;
            let new = (input_gates.narrow(-1, last, size) + reset * hidden_gates.narrow(-1, last, size)).tanh();
            ((h - &new) * update + new, None)
        }
        Kind::Lstm => {
            let c = c.expect("an LSTM has a cell state");
            let size = c.size(-1);
            let gates = input_gates + hidden_gates;
            let both = gates.narrow(-1, 0, 2 * size).sigmoid();
            let (take, keep) = (both.narrow(-1, 0, size), both.narrow(-1, size as isize, size));
            let new = gates.narrow(-1, 2 * size as isize, size).tanh();
            let show = gates.narrow(-1, 3 * size as isize, size).sigmoid();
            let c = keep * c + take * new;
            let h = show * c.tanh();
            let h = weights.projection.as_ref().map_or(h.clone(), |p| h.linear(p, None));
            (h, Some(c))
        }
    }
}

/// A parameter drawn from U(−1/√hidden, 1/√hidden).
pub(crate) fn drawn(shape: &[usize], hidden: usize) -> Param {
    let param = Param::new(Tensor::zeros(shape, DType::F32));
    let bound = if hidden > 0 { 1.0 / (hidden as f64).sqrt() } else { 0.0 };
    init::uniform_(&param, -bound, bound);
    param
}

/// The members that all cells have.
#[derive(Tree)]
#[tree(no_display)]
struct Cell {
    weight_ih: Param,
    weight_hh: Param,
    bias_ih: Option<Param>,
    bias_hh: Option<Param>,
    input_size: usize,
    hidden_size: usize,
    mode: Mode,
}

impl Cell {
    fn new(kind: Kind, input_size: usize, hidden_size: usize, bias: bool) -> Cell {
        let rows = kind.gates() * hidden_size;
        let draw = |shape: &[usize]| drawn(shape, hidden_size);
        Cell {
            weight_ih: draw(&[rows, input_size]),
            weight_hh: draw(&[rows, hidden_size]),
            bias_ih: bias.then(|| draw(&[rows])),
            bias_hh: bias.then(|| draw(&[rows])),
            input_size,
            hidden_size,
            mode: Mode::default(),
        }
    }

    fn rebuild(parts: &mut Parts<'_>, kind: Kind) -> Result<Cell, SpecError> {
        let (input_size, hidden_size) = (parts.get("input_size")?, parts.get("hidden_size")?);
        let rows = kind.gates() * hidden_size;
        Ok(Cell {
            weight_ih: parts.param("weight_ih", &[rows, input_size])?,
            weight_hh: parts.param("weight_hh", &[rows, hidden_size])?,
            bias_ih: parts.optional_param("bias_ih", &[rows])?,
            bias_hh: parts.optional_param("bias_hh", &[rows])?,
            input_size,
            hidden_size,
            mode: parts.mode(),
        })
    }

    fn config(&self) -> Dict {
        let mut config: Dict =
            [("input_size", Value::from(self.input_size)), ("hidden_size", Value::from(self.hidden_size))]
                .into_iter()
                .collect();
        config.insert("bias", Value::from(self.bias_ih.is_some()));
        config
    }

    fn text(&self) -> String {
        let bias = if self.bias_ih.is_some() { "" } else { ", bias=False" };
        format!("{}, {}{bias}", self.input_size, self.hidden_size)
    }

    /// The next states of a batch, or of one sample.
    #[track_caller]
    fn run(&self, class: &str, kind: Kind, input: &Var, states: &[Option<&Var>]) -> (Var, Option<Var>) {
        if input.rank() != 1 && input.rank() != 2 {
            bug!("", "{class}: Expected input to be 1D or 2D, got {}D instead", input.rank());
        }
        if input.size(-1) != self.input_size {
            bug!("", "input has inconsistent input_size: got {} expected {}", input.size(-1), self.input_size);
        }
        let batched = input.rank() == 2;
        let x = if batched { input.clone() } else { input.unsqueeze(0) };
        let state = |given: Option<&Var>| match given {
            None => Var::from(Tensor::zeros([x.size(0), self.hidden_size], x.dtype())),
            Some(h) if h.rank() != input.rank() => {
                bug!("", "{class}: Expected hidden to be {}D, got {}D instead", input.rank(), h.rank())
            }
            Some(h) if h.size(-1) != self.hidden_size => {
                bug!("", "hidden0 has inconsistent hidden_size: got {}, expected {}", h.size(-1), self.hidden_size)
            }
            Some(h) => {
                if batched {
                    h.clone()
                } else {
                    h.unsqueeze(0)
                }
            }
        };
        let gates = x.linear(&self.weight_ih.var(), self.bias_ih.as_ref().map(Param::var).as_ref());
        let weights = Weights {
            hidden: self.weight_hh.var(),
            hidden_bias: self.bias_hh.as_ref().map(Param::var),
            projection: None,
        };
        let h = state(states[0]);
        let c = (kind == Kind::Lstm).then(|| state(states[1]));
        let (h, c) = step(kind, &gates, &h, c.as_ref(), &weights);
        let out = |x: Var| if batched { x } else { x.squeeze([0]) };
        (out(h), c.map(out))
    }
}

/// One step of a plain recurrent layer (`torch.nn.RNNCell`): `h' = tanh(W_ih x + b_ih + W_hh h + b_hh)`.
///
/// # Examples
/// ```
/// use wengert_nn::{RNNCell, Var, tensor::{DType, Tensor}};
/// let cell = RNNCell::new(10, 20);
/// assert_eq!(cell.to_string(), "RNNCell(10, 20)");
/// let h = cell.step(&Var::from(Tensor::zeros([3, 10], DType::F32)), None);
/// assert_eq!(h.shape(), [3, 20]);
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct RNNCell {
    #[tree(flatten)]
    cell: Cell,
    nonlinearity: &'static str,
    #[tree(skip)]
    kind: RNNNonlinearity,
}

impl RNNCell {
    /// With biases and the hyperbolic tangent.
    pub fn new(input_size: usize, hidden_size: usize) -> RNNCell {
        RNNCell::with(input_size, hidden_size, true, RNNNonlinearity::Tanh)
    }

    /// With or without biases, and another function.
    pub fn with(input_size: usize, hidden_size: usize, bias: bool, nonlinearity: RNNNonlinearity) -> RNNCell {
        let cell = Cell::new(Kind::Rnn(nonlinearity), input_size, hidden_size, bias);
        RNNCell { cell, nonlinearity: nonlinearity.name(), kind: nonlinearity }
    }

    /// The next hidden state of an input `[n, in]` or `[in]`; zeros if none is given.
    ///
    /// # Panics
    /// In PyTorch's words if ranks or sizes do not fit.
    #[track_caller]
    pub fn step(&self, input: &Var, hidden: Option<&Var>) -> Var {
        self.cell.run("RNNCell", Kind::Rnn(self.kind), input, &[hidden]).0
    }

    fn text(&self) -> String {
        let other = if self.kind == RNNNonlinearity::ReLU { ", nonlinearity=relu" } else { "" };
        format!("{}{other}", self.cell.text())
    }
}

/// One step of a gated recurrent unit (`torch.nn.GRUCell`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct GRUCell {
    #[tree(flatten)]
    cell: Cell,
}

impl GRUCell {
    /// With biases.
    pub fn new(input_size: usize, hidden_size: usize) -> GRUCell {
        GRUCell::with(input_size, hidden_size, true)
    }

    /// With or without biases.
    pub fn with(input_size: usize, hidden_size: usize, bias: bool) -> GRUCell {
        GRUCell { cell: Cell::new(Kind::Gru, input_size, hidden_size, bias) }
    }

    /// The next hidden state of an input `[n, in]` or `[in]`; zeros if none is given.
    ///
    /// # Panics
    /// In PyTorch's words if ranks or sizes do not fit.
    #[track_caller]
    pub fn step(&self, input: &Var, hidden: Option<&Var>) -> Var {
        self.cell.run("GRUCell", Kind::Gru, input, &[hidden]).0
    }

    fn text(&self) -> String {
        self.cell.text()
    }
}

/// One step of a long short-term memory (`torch.nn.LSTMCell`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct LSTMCell {
    #[tree(flatten)]
    cell: Cell,
}

impl LSTMCell {
    /// With biases.
    pub fn new(input_size: usize, hidden_size: usize) -> LSTMCell {
        LSTMCell::with(input_size, hidden_size, true)
    }

    /// With or without biases.
    pub fn with(input_size: usize, hidden_size: usize, bias: bool) -> LSTMCell {
        LSTMCell { cell: Cell::new(Kind::Lstm, input_size, hidden_size, bias) }
    }

    /// The next hidden and cell state of an input `[n, in]` or `[in]`; zeros if none are given.
    ///
    /// # Panics
    /// In PyTorch's words if ranks or sizes do not fit.
    #[track_caller]
    pub fn step(&self, input: &Var, states: Option<(&Var, &Var)>) -> (Var, Var) {
        let (h, c) = self.cell.run("LSTMCell", Kind::Lstm, input, &[states.map(|s| s.0), states.map(|s| s.1)]);
        (h, c.expect("an LSTM has a cell state"))
    }

    fn text(&self) -> String {
        self.cell.text()
    }
}

#[wengert_nn_derive::module]
impl Module for RNNCell {
    /// [`RNNCell::step`] from zeros.
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        self.step(input, None)
    }
}

#[wengert_nn_derive::module]
impl Module for GRUCell {
    /// [`GRUCell::step`] from zeros.
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        self.step(input, None)
    }
}

#[wengert_nn_derive::module]
impl Module for LSTMCell {
    /// The hidden state of [`LSTMCell::step`] from zeros.
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        self.step(input, None).0
    }
}

const PARAMS: &[&str] = &["weight_ih", "weight_hh", "bias_ih", "bias_hh"];

impl Rebuild for RNNCell {
    const CLASS: &'static str = "torch.nn.modules.rnn.RNNCell";
    const PARAMS: &'static [&'static str] = PARAMS;
    fn config(&self) -> Dict {
        let mut config = self.cell.config();
        config.insert("nonlinearity", Value::from(self.nonlinearity));
        config
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<RNNCell, SpecError> {
        let name: String = parts.get("nonlinearity")?;
        let kind = if name == "relu" { RNNNonlinearity::ReLU } else { RNNNonlinearity::Tanh };
        Ok(RNNCell { cell: Cell::rebuild(parts, Kind::Rnn(kind))?, nonlinearity: kind.name(), kind })
    }
}

impl Rebuild for GRUCell {
    const CLASS: &'static str = "torch.nn.modules.rnn.GRUCell";
    const PARAMS: &'static [&'static str] = PARAMS;
    fn config(&self) -> Dict {
        self.cell.config()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<GRUCell, SpecError> {
        Ok(GRUCell { cell: Cell::rebuild(parts, Kind::Gru)? })
    }
}

impl Rebuild for LSTMCell {
    const CLASS: &'static str = "torch.nn.modules.rnn.LSTMCell";
    const PARAMS: &'static [&'static str] = PARAMS;
    fn config(&self) -> Dict {
        self.cell.config()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<LSTMCell, SpecError> {
        Ok(LSTMCell { cell: Cell::rebuild(parts, Kind::Lstm)? })
    }
}
