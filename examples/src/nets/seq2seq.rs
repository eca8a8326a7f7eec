//! Translation by an encoder, and a decoder that looks back at it: section 10.12.

use wengert_autograd::Var;
use wengert_nn::{
    Embedding, GRU, Linear, LinearOptions, Module, RecurrentOptions, Sequential, Tanh, Tree, module, sequential,
};
use wengert_tensor::Tensor;

/// Words to the states of a GRU.
#[derive(Tree)]
pub struct Encoder {
    embedding: Embedding,
    rnn: GRU,
}

impl Encoder {
    /// For so many words.
    pub fn new(vocab_size: usize, embed_size: usize, hidden_size: usize, num_layers: usize) -> Encoder {
        Encoder {
            embedding: Embedding::new(vocab_size, embed_size),
            rnn: GRU::with(RecurrentOptions { num_layers, ..RecurrentOptions::new(embed_size, hidden_size) }),
        }
    }

    /// The outputs `[time, batch, hidden]` for words `[batch, time]`, and the last state.
    pub fn run(&self, words: &Tensor, state: Option<&Var>) -> (Var, Var) {
        let vectors = self.embedding.forward(&Var::from(words)).permute([1, 0, 2]);
        self.rnn.run(&vectors, state)
    }
}

#[module]
impl Module for Encoder {
    fn forward(&self, words: &Var) -> Var {
        self.run(words.value(), None).0
    }
}

/// What scores a state of the encoder beside one of the decoder (Bahdanau and others, 2014).
pub fn attention_model(input_size: usize, attention_size: usize) -> Sequential {
    let linear = |inputs, outputs| Linear::with(LinearOptions { bias: false, ..LinearOptions::new(inputs, outputs) });
    sequential![linear(input_size, attention_size), Tanh::new(), linear(attention_size, 1)]
}

/// A mean of the encoder's states `[time, batch, hidden]`, by what the model says of each beside the decoder's `[batch, hidden]`.
pub fn attention_forward(model: &Sequential, encoder_states: &Var, decoder_state: &Var) -> Var {
    let beside = decoder_state.unsqueeze(0).expand_as(encoder_states);
    let scores = model.forward(&Var::cat(&[encoder_states, &beside], 2));
    (scores.softmax(0) * encoder_states).sum(0)
}

/// One word after the other, with attention to the encoder.
#[derive(Tree)]
pub struct Decoder {
    embedding: Embedding,
    attention: Sequential,
    rnn: GRU,
    out: Linear,
}

impl Decoder {
    /// For so many words.
    pub fn new(
        vocab_size: usize,
        embed_size: usize,
        hidden_size: usize,
        num_layers: usize,
        attention_size: usize,
    ) -> Decoder {
        Decoder {
            embedding: Embedding::new(vocab_size, embed_size),
            attention: attention_model(2 * hidden_size, attention_size),
            rnn: GRU::with(RecurrentOptions {
                num_layers,
                ..RecurrentOptions::new(hidden_size + embed_size, hidden_size)
            }),
            out: Linear::new(hidden_size, vocab_size),
        }
    }

    /// Scores of the next word after `words`, `[batch]`, and the next state.
    pub fn step(&self, words: &Tensor, state: &Var, encoder_states: &Var) -> (Var, Var) {
        let context = attention_forward(&self.attention, encoder_states, &state.select(0, -1));
        let both = Var::cat(&[self.embedding.forward(&Var::from(words)), context], 1);
        let (output, state) = self.rnn.run(&both.unsqueeze(0), Some(state));
        (self.out.forward(&output).squeeze([0]), state)
    }
}

impl Module for Decoder {}
