//! One step of a recurrent layer: [`RNNCell`], [`GRUCell`], [`LSTMCell`].

pub use crate::recurrent_sequence::RNNNonlinearity;
use crate::recurrent_sequence::{Kind, Weights, recurrent_sequence};
use crate::{Mode, Module, Param, Parts, Rebuild, SpecError, Tree, Var, init, watch};
use wengert_tensor::{DType, Dict, Tensor, Value, bug};

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
        let [input_bias, hidden_bias] = [&self.bias_ih, &self.bias_hh].map(|bias| bias.as_ref().map(Param::var));
        let gates = kind.input_gates(&x, &self.weight_ih.var(), input_bias.as_ref(), hidden_bias.as_ref());
        let hidden_bias = hidden_bias.filter(|_| kind == Kind::Gru);
        let weights = Weights { hidden: self.weight_hh.var(), hidden_bias, projection: None };
        let h = state(states[0]);
        let c = (kind == Kind::Lstm).then(|| state(states[1]));
        let (_, h, c) = recurrent_sequence(kind, &gates, (&h, c.as_ref()), weights, &[h.size(0)], false);
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
        watch(self, input, |input| self.cell.run("RNNCell", Kind::Rnn(self.kind), input, &[hidden])).0
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
        watch(self, input, |input| self.cell.run("GRUCell", Kind::Gru, input, &[hidden])).0
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
        let states = [states.map(|s| s.0), states.map(|s| s.1)];
        let (h, c) = watch(self, input, |input| self.cell.run("LSTMCell", Kind::Lstm, input, &states));
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
