//! A language model over one-hot vectors: sections 6.5 to 6.8, with any recurrent layer.

use wengert_autograd::Var;
use wengert_nn::{GRU, Linear, Module, RNN, RecurrentOptions, Tree, module};
use wengert_tensor::{DType, Tensor};

/// A recurrent layer and a score for every next word.
#[derive(Tree)]
#[tree(name = "RNNModel")]
pub struct RnnModel<Layer> {
    rnn: Layer,
    dense: Linear,
    vocab_size: usize,
}

/// A layer that goes from step to step with one state.
pub trait Recurrent: Module {
    /// The layer for inputs and hidden states of these sizes.
    fn make(input_size: usize, hidden_size: usize) -> Self;
    /// Outputs and the last state.
    fn steps(&self, x: &Var, state: Option<&Var>) -> (Var, Var);
}

macro_rules! recurrent {
    ($($Layer:ident),*) => {$(
        impl Recurrent for $Layer {
            fn make(input_size: usize, hidden_size: usize) -> $Layer {
                $Layer::with(RecurrentOptions::new(input_size, hidden_size))
            }
            fn steps(&self, x: &Var, state: Option<&Var>) -> (Var, Var) {
                self.run(x, state)
            }
        }
    )*};
}
recurrent!(RNN, GRU);

impl<Layer: Recurrent> RnnModel<Layer> {
    /// For a vocabulary of so many words.
    pub fn new(vocab_size: usize, hidden_size: usize) -> RnnModel<Layer> {
        RnnModel { rnn: Layer::make(vocab_size, hidden_size), dense: Linear::new(hidden_size, vocab_size), vocab_size }
    }

    /// The scores after each word of `[batch, time]`, `[time · batch, words]`, and the last state.
    pub fn run(&self, words: &Tensor, state: Option<&Var>, dtype: DType) -> (Var, Var) {
        let x = Var::from(words.transpose(0, 1).contiguous().one_hot(self.vocab_size).to(dtype));
        let (y, state) = self.rnn.steps(&x, state);
        (self.dense.forward(&y.flatten(0, 1)), state)
    }
}

#[module]
impl<Layer: Recurrent> Module for RnnModel<Layer> {
    fn forward(&self, words: &Var) -> Var {
        self.run(words.value(), None, self.dense.weight.dtype()).0
    }
}
