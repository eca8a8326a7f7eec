//! Classifiers of texts: sections 10.7 (both ways through an LSTM) and 10.8 (convolutions over words).

use wengert_autograd::Var;
use wengert_nn::{Conv1d, Dropout, Embedding, LSTM, Linear, Module, RecurrentOptions, Tree, module};

/// An LSTM in both directions; its first and last outputs decide.
#[derive(Tree)]
#[tree(name = "BiRNN")]
pub struct BiRnn {
    embedding: Embedding,
    encoder: LSTM,
    decoder: Linear,
}

impl BiRnn {
    /// For so many words.
    pub fn new(vocab_size: usize, embed_size: usize, hidden_size: usize, num_layers: usize) -> BiRnn {
        let options =
            RecurrentOptions { num_layers, bidirectional: true, ..RecurrentOptions::new(embed_size, hidden_size) };
        BiRnn {
            embedding: Embedding::new(vocab_size, embed_size),
            encoder: LSTM::with(options),
            decoder: Linear::new(4 * hidden_size, 2),
        }
    }
}

#[module]
impl Module for BiRnn {
    /// Scores of texts `[batch, words]`.
    fn forward(&self, words: &Var) -> Var {
        let vectors = self.embedding.forward(&words.permute([1, 0]));
        let outputs = self.encoder.forward(&vectors);
        self.decoder.forward(&Var::cat(&[outputs.select(0, 0), outputs.select(0, -1)], -1))
    }
}

/// Convolutions of several widths; the largest output of each channel over all words decides.
#[derive(Tree)]
#[tree(name = "TextCNN")]
pub struct TextCnn {
    embedding: Embedding,
    constant_embedding: Embedding,
    dropout: Dropout,
    decoder: Linear,
    convs: Vec<Conv1d>,
}

impl TextCnn {
    /// For so many words; `kernels` are widths and channels.
    pub fn new(vocab_size: usize, embed_size: usize, kernels: &[(usize, usize)]) -> TextCnn {
        TextCnn {
            embedding: Embedding::new(vocab_size, embed_size),
            constant_embedding: Embedding::new(vocab_size, embed_size),
            dropout: Dropout::new(0.5),
            decoder: Linear::new(kernels.iter().map(|(_, channels)| channels).sum(), 2),
            convs: kernels.iter().map(|&(width, channels)| Conv1d::new(2 * embed_size, channels, width)).collect(),
        }
    }
}

#[module]
impl Module for TextCnn {
    /// Scores of texts `[batch, words]`.
    fn forward(&self, words: &Var) -> Var {
        let both = [self.embedding.forward(words), self.constant_embedding.forward(words)];
        let vectors = Var::cat(&both, 2).permute([0, 2, 1]);
        let largest: Vec<Var> = self.convs.iter().map(|conv| conv.forward(&vectors).relu().amax(-1)).collect();
        self.decoder.forward(&self.dropout.forward(&Var::cat(&largest, -1)))
    }
}
