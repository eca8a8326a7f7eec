//! Recurrent layers over sequences: [`RNN`], [`GRU`], [`LSTM`].
//!
//! The input's part of all gates of a layer is one product for the whole sequence; a step is then one product with the hidden
//! state. A batch of equal lengths is a packed one whose every step has all sequences.

use crate::cells::drawn;
use crate::packed::PackedSequence;
use crate::recurrent_sequence::{Kind, RNNNonlinearity, Weights, recurrent_sequence};
use crate::{Mode, Module, Param, Parts, Rebuild, SpecError, Tree, Var, Visitor, watch};
use wengert_autograd::functional::dropout;
use wengert_tensor::{Dict, Tensor, Value, bug};

/// What recurrent layers take; the defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecurrentOptions {
    /// Size of the input's last axis.
    pub input_size: usize,
    /// Size of the hidden state.
    pub hidden_size: usize,
    /// Layers on top of each other: 1.
    pub num_layers: usize,
    /// Whether to add biases: yes.
    pub bias: bool,
    /// Whether inputs and outputs are `[batch, time, …]` instead of `[time, batch, …]`: no.
    pub batch_first: bool,
    /// The probability with which outputs of all layers but the last are dropped in training: 0.
    pub dropout: f64,
    /// Whether to run from the end too, and put both outputs side by side: no.
    pub bidirectional: bool,
    /// The size to which an LSTM projects its output; 0 does not.
    pub proj_size: usize,
    /// The function of an [`RNN`].
    pub nonlinearity: RNNNonlinearity,
}

impl RecurrentOptions {
    /// The defaults.
    pub const fn new(input_size: usize, hidden_size: usize) -> RecurrentOptions {
        RecurrentOptions {
            input_size,
            hidden_size,
            num_layers: 1,
            bias: true,
            batch_first: false,
            dropout: 0.0,
            bidirectional: false,
            proj_size: 0,
            nonlinearity: RNNNonlinearity::Tanh,
        }
    }
}

/// The parameters of one direction of one layer.
struct Direction {
    weight_ih: Param,
    weight_hh: Param,
    bias_ih: Option<Param>,
    bias_hh: Option<Param>,
    weight_hr: Option<Param>,
}

/// What the three layers share.
struct Stack {
    kind: Kind,
    options: RecurrentOptions,
    /// Layer by layer, in each forward and then backward.
    directions: Vec<Direction>,
    mode: Mode,
}

/// The steps of a batch, ordered by length.
struct Steps<'a> {
    /// `[all steps, …]`.
    data: Var,
    sizes: &'a [usize],
}

impl Stack {
    #[track_caller]
    fn new(class: &str, kind: Kind, options: RecurrentOptions) -> Stack {
        let o = options;
        if !(0.0..=1.0).contains(&o.dropout) {
            bug!(
                "",
                "dropout should be a number in range [0, 1] representing the probability of an element being zeroed, but got {}",
                o.dropout
            );
        }
        if o.proj_size >= o.hidden_size && o.proj_size > 0 {
            bug!("", "proj_size has to be smaller than hidden_size");
        }
        if o.proj_size > 0 && kind != Kind::Lstm {
            bug!("", "proj_size argument is only supported for LSTM, not {class}");
        }
        if o.hidden_size == 0 || o.num_layers == 0 {
            bug!("", "hidden_size and num_layers must be greater than zero");
        }
        let (sides, rows) = (1 + usize::from(o.bidirectional), kind.gates() * o.hidden_size);
        let out = if o.proj_size > 0 { o.proj_size } else { o.hidden_size };
        let draw = |shape: &[usize]| drawn(shape, o.hidden_size);
        let directions = (0..o.num_layers * sides)
            .map(|i| {
                let width = if i < sides { o.input_size } else { out * sides };
                Direction {
                    weight_ih: draw(&[rows, width]),
                    weight_hh: draw(&[rows, out]),
                    bias_ih: o.bias.then(|| draw(&[rows])),
                    bias_hh: o.bias.then(|| draw(&[rows])),
                    weight_hr: (o.proj_size > 0).then(|| draw(&[o.proj_size, o.hidden_size])),
                }
            })
            .collect();
        Stack { kind, options, directions, mode: Mode::default() }
    }

    fn sides(&self) -> usize {
        1 + usize::from(self.options.bidirectional)
    }

    /// Size of the hidden state as it is put out.
    fn out(&self) -> usize {
        if self.options.proj_size > 0 { self.options.proj_size } else { self.options.hidden_size }
    }

    fn text(&self) -> String {
        let o = &self.options;
        let mut text = format!("{}, {}", o.input_size, o.hidden_size);
        let mut add = |shown: bool, part: String| {
            if shown {
                text += &part;
            }
        };
        add(o.proj_size != 0, format!(", proj_size={}", o.proj_size));
        add(o.num_layers != 1, format!(", num_layers={}", o.num_layers));
        add(!o.bias, ", bias=False".to_owned());
        add(o.batch_first, ", batch_first=True".to_owned());
        add(o.dropout != 0.0, format!(", dropout={}", Value::from(o.dropout)));
        add(o.bidirectional, ", bidirectional=True".to_owned());
        text
    }

    /// Runs all layers on steps; states are `[layers · sides, batch, size]`, in the order of the steps.
    #[track_caller]
    fn run(&self, steps: Steps<'_>, h: Option<&Var>, c: Option<&Var>) -> (Var, Var, Option<Var>) {
        let batch = steps.sizes.first().copied().unwrap_or(0);
        let sides = self.sides();
        let (mut last_h, mut last_c) = (Vec::new(), Vec::new());
        let mut data = steps.data;
        let zeros = |size: usize| Var::from(Tensor::zeros([batch, size], data.dtype()));
        let (no_h, no_c) = (zeros(self.out()), zeros(self.options.hidden_size));
        for (layer, directions) in self.directions.chunks(sides).enumerate() {
            let mut outputs = Vec::new();
            for (side, direction) in directions.iter().enumerate() {
                let at = (layer * sides + side) as isize;
                let start = |state: Option<&Var>, none: &Var| state.map_or(none.clone(), |s| s.select(0, at));
                let c0 = (self.kind == Kind::Lstm).then(|| start(c, &no_c));
                let (output, h1, c1) = self.direction(direction, &data, steps.sizes, start(h, &no_h), c0, side == 1);
                outputs.push(output);
                last_h.push(h1);
                last_c.extend(c1);
            }
            data = if sides == 1 { outputs.remove(0) } else { Var::cat(&outputs, -1) };
            if self.options.dropout > 0.0 && layer + 1 < self.options.num_layers && self.mode.is_training() {
                data = dropout(&data, self.options.dropout);
            }
        }
        let c = (self.kind == Kind::Lstm).then(|| Var::stack(&last_c, 0));
        (data, Var::stack(&last_h, 0), c)
    }

    /// One direction of one layer: outputs in the order of the steps, and the last states of each sequence.
    fn direction(
        &self,
        direction: &Direction,
        data: &Var,
        sizes: &[usize],
        h0: Var,
        c0: Option<Var>,
        backward: bool,
    ) -> (Var, Var, Option<Var>) {
        let kind = self.kind;
        let [input_bias, hidden_bias] = [&direction.bias_ih, &direction.bias_hh].map(|b| b.as_ref().map(Param::var));
        let gates = kind.input_gates(data, &direction.weight_ih.var(), input_bias.as_ref(), hidden_bias.as_ref());
        let weights = Weights {
            hidden: direction.weight_hh.var(),
            hidden_bias: hidden_bias.filter(|_| kind == Kind::Gru),
            projection: direction.weight_hr.as_ref().map(Param::var),
        };
        recurrent_sequence(kind, &gates, (&h0, c0.as_ref()), weights, sizes, backward)
    }

    /// Checks a state: `[layers · sides, batch, size]`, or without `batch`.
    #[track_caller]
    fn check_state(&self, state: &Var, batch: Option<usize>, size: usize, what: &str) {
        let layers = self.options.num_layers * self.sides();
        let want: Vec<usize> = [layers].into_iter().chain(batch).chain([size]).collect();
        if state.rank() != want.len() {
            let (rank, kind) = if batch.is_some() { (3, "batched 3-D") } else { (2, "unbatched 2-D") };
            bug!("", "For {kind} input, hx should also be {rank}-D but got {}-D tensor", state.rank());
        }
        if state.shape() != want {
            bug!("", "Expected {what} size {}, got {:?}", crate::setting::tuple(want), state.shape());
        }
    }

    /// Runs a batch `[time, batch, …]` (or the other way round), or a single sequence `[time, …]`.
    #[track_caller]
    fn sequence(&self, class: &str, input: &Var, h: Option<&Var>, c: Option<&Var>) -> (Var, Var, Option<Var>) {
        let rank = input.rank();
        if rank != 2 && rank != 3 {
            bug!("", "{class}: Expected input to be 2D or 3D, got {rank}D instead");
        }
        if input.size(-1) != self.options.input_size {
            bug!(
                "",
                "input.size(-1) must be equal to input_size. Expected {}, got {}",
                self.options.input_size,
                input.size(-1)
            );
        }
        let batched = rank == 3;
        let x = match (batched, self.options.batch_first) {
            (false, _) => input.unsqueeze(1),
            (true, true) => input.transpose(0, 1),
            (true, false) => input.clone(),
        };
        let (time, batch) = (x.size(0), x.size(1));
        let given = |state: Option<&Var>, size: usize, what: &str| {
            state.map(|state| {
                self.check_state(state, batched.then_some(batch), size, what);
                if batched { state.clone() } else { state.unsqueeze(1) }
            })
        };
        let lstm = self.kind == Kind::Lstm;
        let h = given(h, self.out(), if lstm { "hidden[0]" } else { "hidden" });
        let c = given(c, self.options.hidden_size, "hidden[1]");
        let sizes = vec![batch; time];
        let steps = Steps { data: x.flatten(0, 1), sizes: &sizes };
        let (output, h, c) = self.run(steps, h.as_ref(), c.as_ref());
        let output = output.reshape([time, batch, output.size(-1)]);
        let output = match (batched, self.options.batch_first) {
            (false, _) => output.squeeze([1]),
            (true, true) => output.transpose(0, 1),
            (true, false) => output,
        };
        let state = |s: Var| if batched { s } else { s.squeeze([1]) };
        (output, state(h), c.map(state))
    }

    /// Runs a packed batch, whose data is given besides. States are in the order in which the sequences came.
    #[track_caller]
    fn packed(&self, data: &Var, input: &PackedSequence, h: Option<&Var>, c: Option<&Var>) -> (Var, Var, Option<Var>) {
        let batch = input.batch_sizes.first().copied().unwrap_or(0);
        if data.size(-1) != self.options.input_size {
            bug!(
                "",
                "input.size(-1) must be equal to input_size. Expected {}, got {}",
                self.options.input_size,
                data.size(-1)
            );
        }
        let moved =
            |state: &Var, at: &Option<Tensor>| at.as_ref().map_or(state.clone(), |at| state.index_select(1, at));
        let given = |state: Option<&Var>, size: usize, what: &str| {
            state.map(|state| {
                self.check_state(state, Some(batch), size, what);
                moved(state, &input.sorted_indices)
            })
        };
        let (h, c) = (given(h, self.out(), "hidden[0]"), given(c, self.options.hidden_size, "hidden[1]"));
        let steps = Steps { data: data.clone(), sizes: &input.batch_sizes };
        let (data, h, c) = self.run(steps, h.as_ref(), c.as_ref());
        let back = |state: Var| moved(&state, &input.unsorted_indices);
        (data, back(h), c.map(back))
    }
}

impl Stack {
    /// The names of the parameters of one direction, without those that are not there.
    fn names(&self, at: usize) -> Vec<String> {
        let sides = self.sides();
        let suffix = format!("l{}{}", at / sides, if at % sides == 1 { "_reverse" } else { "" });
        let direction = &self.directions[at];
        [
            ("weight_ih", true),
            ("weight_hh", true),
            ("bias_ih", direction.bias_ih.is_some()),
            ("bias_hh", direction.bias_hh.is_some()),
            ("weight_hr", direction.weight_hr.is_some()),
        ]
        .into_iter()
        .filter(|(_, there)| *there)
        .map(|(name, _)| format!("{name}_{suffix}"))
        .collect()
    }

    fn config(&self) -> Dict {
        let o = &self.options;
        let mode = match self.kind {
            Kind::Rnn(RNNNonlinearity::Tanh) => "RNN_TANH",
            Kind::Rnn(RNNNonlinearity::ReLU) => "RNN_RELU",
            Kind::Gru => "GRU",
            Kind::Lstm => "LSTM",
        };
        // PyTorch makes what it keeps beside the parameters anew where it finds no names in `_all_weights`.
        let stale = Value::List(vec![Value::List(vec![Value::None])]);
        let pairs: [(&str, Value); 10] = [
            ("mode", mode.into()),
            ("input_size", o.input_size.into()),
            ("hidden_size", o.hidden_size.into()),
            ("num_layers", o.num_layers.into()),
            ("bias", o.bias.into()),
            ("batch_first", o.batch_first.into()),
            ("dropout", o.dropout.into()),
            ("bidirectional", o.bidirectional.into()),
            ("proj_size", o.proj_size.into()),
            ("_all_weights", stale),
        ];
        let mut config: Dict = pairs.into_iter().collect();
        if let Kind::Rnn(nonlinearity) = self.kind {
            config.insert("nonlinearity", Value::from(nonlinearity.name()));
        }
        config
    }

    fn rebuild(parts: &mut Parts<'_>, lstm: fn(&str) -> Option<Kind>) -> Result<Stack, SpecError> {
        let mode: String = parts.get("mode")?;
        let Some(kind) = lstm(&mode) else { return parts.invalid(format!("mode '{mode}' is not one of this layer")) };
        let nonlinearity = match kind {
            Kind::Rnn(nonlinearity) => nonlinearity,
            _ => RNNNonlinearity::Tanh,
        };
        let options = RecurrentOptions {
            input_size: parts.get("input_size")?,
            hidden_size: parts.get("hidden_size")?,
            num_layers: parts.get("num_layers")?,
            bias: parts.get("bias")?,
            batch_first: parts.get("batch_first")?,
            dropout: parts.get("dropout")?,
            bidirectional: parts.get("bidirectional")?,
            proj_size: parts.get_or("proj_size", 0)?,
            nonlinearity,
        };
        let o = options;
        let (sides, rows) = (1 + usize::from(o.bidirectional), kind.gates().saturating_mul(o.hidden_size));
        let out = if o.proj_size > 0 { o.proj_size } else { o.hidden_size };
        let mut directions = Vec::new();
        for at in 0..o.num_layers.saturating_mul(sides) {
            let suffix = format!("l{}{}", at / sides, if at % sides == 1 { "_reverse" } else { "" });
            let width = if at < sides { o.input_size } else { out * sides };
            let bias = |parts: &mut Parts<'_>, name: &str| match o.bias {
                true => parts.param(&format!("{name}_{suffix}"), &[rows]).map(Some),
                false => Ok(None),
            };
            directions.push(Direction {
                weight_ih: parts.param(&format!("weight_ih_{suffix}"), &[rows, width])?,
                weight_hh: parts.param(&format!("weight_hh_{suffix}"), &[rows, out])?,
                bias_ih: bias(parts, "bias_ih")?,
                bias_hh: bias(parts, "bias_hh")?,
                weight_hr: match o.proj_size {
                    0 => None,
                    size => Some(parts.param(&format!("weight_hr_{suffix}"), &[size, o.hidden_size])?),
                },
            });
        }
        Ok(Stack { kind, options, directions, mode: parts.mode() })
    }
}

impl Tree for Stack {
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        for (at, d) in self.directions.iter().enumerate() {
            let params =
                [Some(&d.weight_ih), Some(&d.weight_hh), d.bias_ih.as_ref(), d.bias_hh.as_ref(), d.weight_hr.as_ref()];
            self.names(at)
                .iter()
                .zip(params.into_iter().flatten())
                .for_each(|(name, param)| visitor.param(name, param));
        }
        visitor.mode(&self.mode);
    }
    fn type_name(&self) -> &str {
        "RNNBase"
    }
}

/// A plain recurrent layer (`torch.nn.RNN`): `h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh)`.
///
/// # Examples
/// ```
/// use wengert_nn::{Module, RNN, RecurrentOptions, Var, tensor::{DType, Tensor}};
/// let rnn = RNN::with(RecurrentOptions { num_layers: 2, ..RecurrentOptions::new(10, 20) });
/// assert_eq!(rnn.to_string(), "RNN(10, 20, num_layers=2)");
/// let (output, h) = rnn.run(&Var::from(Tensor::zeros([5, 3, 10], DType::F32)), None);
/// assert_eq!((output.shape(), h.shape()), (&[5, 3, 20][..], &[2, 3, 20][..]));
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct RNN {
    #[tree(flatten)]
    stack: Stack,
}

/// A gated recurrent unit (`torch.nn.GRU`).
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct GRU {
    #[tree(flatten)]
    stack: Stack,
}

/// A long short-term memory (`torch.nn.LSTM`).
///
/// # Examples
/// ```
/// use wengert_nn::{LSTM, Module, Var, tensor::{DType, Tensor}};
/// let lstm = LSTM::new(10, 20);
/// let names: Vec<_> = lstm.named_parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]);
/// let (output, (h, c)) = lstm.run(&Var::from(Tensor::zeros([5, 3, 10], DType::F32)), None);
/// assert_eq!((output.shape(), h.shape(), c.shape()), (&[5, 3, 20][..], &[1, 3, 20][..], &[1, 3, 20][..]));
/// ```
#[derive(Tree)]
#[tree(extra_repr = Self::text)]
pub struct LSTM {
    #[tree(flatten)]
    stack: Stack,
}

macro_rules! layer {
    ($Layer:ident, $class:literal, $kind:expr) => {
        impl $Layer {
            /// With the defaults.
            #[track_caller]
            pub fn new(input_size: usize, hidden_size: usize) -> $Layer {
                $Layer::with(RecurrentOptions::new(input_size, hidden_size))
            }

            /// With options.
            ///
            /// # Panics
            /// In PyTorch's words if they make no sense.
            #[track_caller]
            pub fn with(options: RecurrentOptions) -> $Layer {
                let kind: fn(&RecurrentOptions) -> Kind = $kind;
                $Layer { stack: Stack::new($class, kind(&options), options) }
            }

            /// What it was made with.
            pub fn options(&self) -> &RecurrentOptions {
                &self.stack.options
            }

            fn text(&self) -> String {
                self.stack.text()
            }
        }

        #[wengert_nn_derive::module]
        impl Module for $Layer {
            /// The outputs of `run` from zeros, without the last states.
            #[track_caller]
            fn forward(&self, input: &Var) -> Var {
                self.stack.sequence($class, input, None, None).0
            }
        }
    };
}
layer!(RNN, "RNN", |o| Kind::Rnn(o.nonlinearity));
layer!(GRU, "GRU", |_| Kind::Gru);
layer!(LSTM, "LSTM", |_| Kind::Lstm);

macro_rules! rebuild {
    ($Layer:ident, $class:literal, $modes:expr) => {
        impl Rebuild for $Layer {
            const CLASS: &'static str = $class;
            fn config(&self) -> Dict {
                self.stack.config()
            }
            fn rebuild(parts: &mut Parts<'_>) -> Result<$Layer, SpecError> {
                Ok($Layer { stack: Stack::rebuild(parts, $modes)? })
            }
        }
    };
}
rebuild!(RNN, "torch.nn.modules.rnn.RNN", |mode| match mode {
    "RNN_TANH" => Some(Kind::Rnn(RNNNonlinearity::Tanh)),
    "RNN_RELU" => Some(Kind::Rnn(RNNNonlinearity::ReLU)),
    _ => None,
});
rebuild!(GRU, "torch.nn.modules.rnn.GRU", |mode| (mode == "GRU").then_some(Kind::Gru));
rebuild!(LSTM, "torch.nn.modules.rnn.LSTM", |mode| (mode == "LSTM").then_some(Kind::Lstm));

macro_rules! single_state {
    ($Layer:ident, $class:literal) => {
        impl $Layer {
            /// Outputs and last hidden states of sequences `[time, batch, in]` (with `batch_first`, `[batch, time, in]`; of a
            /// single one, `[time, in]`), from hidden states `[layers · directions, batch, hidden]` or zeros.
            ///
            /// # Panics
            /// In PyTorch's words if ranks or sizes do not fit.
            #[track_caller]
            pub fn run(&self, input: &Var, hidden: Option<&Var>) -> (Var, Var) {
                watch(self, input, |input| {
                    let (output, h, _) = self.stack.sequence($class, input, hidden, None);
                    (output, h)
                })
            }

            /// As `run`, of sequences of different lengths.
            ///
            /// # Panics
            /// In PyTorch's words if sizes do not fit.
            #[track_caller]
            pub fn run_packed(&self, input: &PackedSequence, hidden: Option<&Var>) -> (PackedSequence, Var) {
                let (data, h) = watch(self, &input.data, |data| {
                    let (data, h, _) = self.stack.packed(data, input, hidden, None);
                    (data, h)
                });
                (PackedSequence { data, ..input.clone() }, h)
            }
        }
    };
}
single_state!(RNN, "RNN");
single_state!(GRU, "GRU");

impl LSTM {
    /// Outputs and last hidden and cell states of sequences `[time, batch, in]` (with `batch_first`, `[batch, time, in]`; of a
    /// single one, `[time, in]`), from states `[layers · directions, batch, size]` or zeros.
    ///
    /// # Panics
    /// In PyTorch's words if ranks or sizes do not fit.
    #[track_caller]
    pub fn run(&self, input: &Var, states: Option<(&Var, &Var)>) -> (Var, (Var, Var)) {
        watch(self, input, |input| {
            let (output, h, c) = self.stack.sequence("LSTM", input, states.map(|s| s.0), states.map(|s| s.1));
            (output, (h, c.expect("an LSTM has cell states")))
        })
    }

    /// As [`LSTM::run`], of sequences of different lengths.
    ///
    /// # Panics
    /// In PyTorch's words if sizes do not fit.
    #[track_caller]
    pub fn run_packed(&self, input: &PackedSequence, states: Option<(&Var, &Var)>) -> (PackedSequence, (Var, Var)) {
        let (data, states) = watch(self, &input.data, |data| {
            let (data, h, c) = self.stack.packed(data, input, states.map(|s| s.0), states.map(|s| s.1));
            (data, (h, c.expect("an LSTM has cell states")))
        });
        (PackedSequence { data, ..input.clone() }, states)
    }
}
