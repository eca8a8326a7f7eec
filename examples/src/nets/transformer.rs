//! The Transformer and BERT's encoder from their parts, as chapters 10 and 14 of the newer edition build them.

use wengert_autograd::Var;
use wengert_nn::{
    Buffer, Dropout, Embedding, LayerNorm, Linear, LinearOptions, Module, Param, ReLU, Sequential, Tanh, Tree, module,
    sequential,
};
use wengert_tensor::{Tensor, randn};

/// A softmax over the last axis that sees only the first `valid_lens` entries: one number per sample, or one per row.
pub fn masked_softmax(scores: &Var, valid_lens: Option<&Tensor>) -> Var {
    let Some(lens) = valid_lens else { return scores.softmax(-1) };
    let (batch, rows, columns) = (scores.size(0), scores.size(1), scores.size(2));
    let lens = if lens.rank() == 1 { lens.reshape([batch, 1, 1]) } else { lens.reshape([batch, rows, 1]) };
    let hidden = Tensor::arange(0, columns as i64, 1).ge(&lens).expand([batch, rows, columns]);
    scores.masked_fill(&hidden, -1e6).softmax(-1)
}

/// Attention in several heads, each a product of queries and keys.
#[derive(Tree)]
pub struct MultiHeadAttention {
    dropout: Dropout,
    #[tree(rename = "W_q")]
    w_q: Linear,
    #[tree(rename = "W_k")]
    w_k: Linear,
    #[tree(rename = "W_v")]
    w_v: Linear,
    #[tree(rename = "W_o")]
    w_o: Linear,
    num_heads: usize,
}

impl MultiHeadAttention {
    /// With projections of one size.
    pub fn new(num_hiddens: usize, num_heads: usize, dropout: f64, bias: bool) -> MultiHeadAttention {
        let linear = || Linear::with(LinearOptions { bias, ..LinearOptions::new(num_hiddens, num_hiddens) });
        MultiHeadAttention {
            dropout: Dropout::new(dropout),
            w_q: linear(),
            w_k: linear(),
            w_v: linear(),
            w_o: linear(),
            num_heads,
        }
    }

    /// What queries `[batch, rows, size]` see of values.
    pub fn attend(&self, queries: &Var, keys: &Var, values: &Var, valid_lens: Option<&Tensor>) -> Var {
        let heads = self.num_heads;
        // `[batch · heads, rows, size / heads]`.
        let split = |x: Var| {
            let (batch, rows, size) = (x.size(0), x.size(1), x.size(2));
            x.reshape([batch, rows, heads, size / heads]).permute([0, 2, 1, 3]).reshape([
                batch * heads,
                rows,
                size / heads,
            ])
        };
        let (q, k, v) =
            (split(self.w_q.forward(queries)), split(self.w_k.forward(keys)), split(self.w_v.forward(values)));
        let lens = valid_lens.map(|lens| lens.repeat_interleave(heads, 0));
        let scores = q.bmm(&k.transpose(1, 2)) / (q.size(2) as f64).sqrt();
        let weights = self.dropout.forward(&masked_softmax(&scores, lens.as_ref()));
        let seen = weights.bmm(&v);
        let (batch, rows, size) = (seen.size(0) / heads, seen.size(1), seen.size(2));
        let joined =
            seen.reshape([batch, heads, rows, size]).permute([0, 2, 1, 3]).reshape([batch, rows, heads * size]);
        self.w_o.forward(&joined)
    }
}

#[module]
impl Module for MultiHeadAttention {
    /// What the input sees of itself.
    fn forward(&self, x: &Var) -> Var {
        self.attend(x, x, x, None)
    }
}

/// The sum of a layer's input and its output, normalised.
#[derive(Tree)]
pub struct AddNorm {
    dropout: Dropout,
    ln: LayerNorm,
}

impl AddNorm {
    fn new(size: usize, dropout: f64) -> AddNorm {
        AddNorm { dropout: Dropout::new(dropout), ln: LayerNorm::new(size) }
    }

    fn add(&self, x: &Var, y: &Var) -> Var {
        self.ln.forward(&(self.dropout.forward(y) + x))
    }
}

impl Module for AddNorm {}

/// Two linear layers at each position.
#[derive(Tree)]
#[tree(name = "PositionWiseFFN")]
pub struct PositionWiseFfn {
    dense1: Linear,
    relu: ReLU,
    dense2: Linear,
}

#[module]
impl Module for PositionWiseFfn {
    fn forward(&self, x: &Var) -> Var {
        self.dense2.forward(&self.relu.forward(&self.dense1.forward(x)))
    }
}

fn ffn(size: usize, hidden: usize) -> PositionWiseFfn {
    PositionWiseFfn { dense1: Linear::new(size, hidden), relu: ReLU::new(), dense2: Linear::new(hidden, size) }
}

/// Sines and cosines of the positions, added to vectors.
#[derive(Tree)]
pub struct PositionalEncoding {
    dropout: Dropout,
    table: Buffer,
}

impl PositionalEncoding {
    fn new(size: usize, dropout: f64, max_len: usize) -> PositionalEncoding {
        let at = |i: usize| {
            let (row, column) = (i / size, i % size);
            let angle = row as f64 / 10000f64.powf((column - column % 2) as f64 / size as f64);
            (if column.is_multiple_of(2) { angle.sin() } else { angle.cos() }) as f32
        };
        let table = Tensor::from_vec((0..max_len * size).map(at).collect(), [1, max_len, size]);
        PositionalEncoding { dropout: Dropout::new(dropout), table: Buffer::non_persistent(table) }
    }
}

#[module]
impl Module for PositionalEncoding {
    fn forward(&self, x: &Var) -> Var {
        self.dropout.forward(&(x + Var::from(self.table.value().narrow(1, 0, x.size(1)))))
    }
}

/// Sizes of a Transformer.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Words.
    pub vocab_size: usize,
    /// Numbers per word.
    pub num_hiddens: usize,
    /// Numbers between the two linear layers.
    pub ffn_num_hiddens: usize,
    /// Heads of attention.
    pub num_heads: usize,
    /// Blocks.
    pub num_layers: usize,
    /// The share that is dropped.
    pub dropout: f64,
}

/// Attention to oneself, then two linear layers.
#[derive(Tree)]
pub struct EncoderBlock {
    attention: MultiHeadAttention,
    addnorm1: AddNorm,
    ffn: PositionWiseFfn,
    addnorm2: AddNorm,
}

impl EncoderBlock {
    fn new(s: &Sizes, bias: bool) -> EncoderBlock {
        EncoderBlock {
            attention: MultiHeadAttention::new(s.num_hiddens, s.num_heads, s.dropout, bias),
            addnorm1: AddNorm::new(s.num_hiddens, s.dropout),
            ffn: ffn(s.num_hiddens, s.ffn_num_hiddens),
            addnorm2: AddNorm::new(s.num_hiddens, s.dropout),
        }
    }

    fn run(&self, x: &Var, valid_lens: Option<&Tensor>) -> Var {
        let y = self.addnorm1.add(x, &self.attention.attend(x, x, x, valid_lens));
        self.addnorm2.add(&y, &self.ffn.forward(&y))
    }
}

impl Module for EncoderBlock {}

/// Words to vectors that know of one another.
#[derive(Tree)]
pub struct TransformerEncoder {
    embedding: Embedding,
    pos_encoding: PositionalEncoding,
    blks: Vec<EncoderBlock>,
    num_hiddens: usize,
}

impl TransformerEncoder {
    /// As the book.
    pub fn new(sizes: &Sizes) -> TransformerEncoder {
        TransformerEncoder {
            embedding: Embedding::new(sizes.vocab_size, sizes.num_hiddens),
            pos_encoding: PositionalEncoding::new(sizes.num_hiddens, sizes.dropout, 1000),
            blks: (0..sizes.num_layers).map(|_| EncoderBlock::new(sizes, false)).collect(),
            num_hiddens: sizes.num_hiddens,
        }
    }

    /// Vectors of words `[batch, time]`, of which the first `valid_lens` count.
    pub fn run(&self, words: &Tensor, valid_lens: Option<&Tensor>) -> Var {
        let scaled = self.embedding.forward(&Var::from(words)) * (self.num_hiddens as f64).sqrt();
        self.blks.iter().fold(self.pos_encoding.forward(&scaled), |x, block| block.run(&x, valid_lens))
    }
}

#[module]
impl Module for TransformerEncoder {
    fn forward(&self, words: &Var) -> Var {
        self.run(words.value(), None)
    }
}

/// Attention to the words before, then to the encoder, then two linear layers.
#[derive(Tree)]
pub struct DecoderBlock {
    attention1: MultiHeadAttention,
    addnorm1: AddNorm,
    attention2: MultiHeadAttention,
    addnorm2: AddNorm,
    ffn: PositionWiseFfn,
    addnorm3: AddNorm,
}

impl DecoderBlock {
    fn new(s: &Sizes) -> DecoderBlock {
        let attention = || MultiHeadAttention::new(s.num_hiddens, s.num_heads, s.dropout, false);
        let addnorm = || AddNorm::new(s.num_hiddens, s.dropout);
        DecoderBlock {
            attention1: attention(),
            addnorm1: addnorm(),
            attention2: attention(),
            addnorm2: addnorm(),
            ffn: ffn(s.num_hiddens, s.ffn_num_hiddens),
            addnorm3: addnorm(),
        }
    }

    fn run(&self, x: &Var, encoded: &Var, valid_lens: Option<&Tensor>) -> Var {
        let (batch, time) = (x.size(0), x.size(1));
        // Each word sees itself and those before it.
        let before = Tensor::arange(1, time as i64 + 1, 1).expand([batch, time]).contiguous();
        let y = self.addnorm1.add(x, &self.attention1.attend(x, x, x, Some(&before)));
        let z = self.addnorm2.add(&y, &self.attention2.attend(&y, encoded, encoded, valid_lens));
        self.addnorm3.add(&z, &self.ffn.forward(&z))
    }
}

impl Module for DecoderBlock {}

/// Scores of each next word, from those before it and what the encoder gave.
#[derive(Tree)]
pub struct TransformerDecoder {
    embedding: Embedding,
    pos_encoding: PositionalEncoding,
    blks: Vec<DecoderBlock>,
    dense: Linear,
    num_hiddens: usize,
}

impl TransformerDecoder {
    /// As the book, for training: all words at once.
    pub fn new(sizes: &Sizes) -> TransformerDecoder {
        TransformerDecoder {
            embedding: Embedding::new(sizes.vocab_size, sizes.num_hiddens),
            pos_encoding: PositionalEncoding::new(sizes.num_hiddens, sizes.dropout, 1000),
            blks: (0..sizes.num_layers).map(|_| DecoderBlock::new(sizes)).collect(),
            dense: Linear::new(sizes.num_hiddens, sizes.vocab_size),
            num_hiddens: sizes.num_hiddens,
        }
    }

    /// Scores `[batch, time, words]`.
    pub fn run(&self, words: &Tensor, encoded: &Var, valid_lens: Option<&Tensor>) -> Var {
        let scaled = self.embedding.forward(&Var::from(words)) * (self.num_hiddens as f64).sqrt();
        let start = self.pos_encoding.forward(&scaled);
        self.dense.forward(&self.blks.iter().fold(start, |x, block| block.run(&x, encoded, valid_lens)))
    }
}

impl Module for TransformerDecoder {}

/// BERT's encoder and its head for masked words (Devlin and others, 2018).
#[derive(Tree)]
#[tree(name = "BERT")]
pub struct Bert {
    token_embedding: Embedding,
    segment_embedding: Embedding,
    blks: Vec<EncoderBlock>,
    pos_embedding: Param,
    mlp: Sequential,
    hidden: Sequential,
    nsp: Linear,
}

impl Bert {
    /// For texts of at most `max_len` words.
    pub fn new(s: &Sizes, max_len: usize) -> Bert {
        let size = s.num_hiddens;
        Bert {
            token_embedding: Embedding::new(s.vocab_size, size),
            segment_embedding: Embedding::new(2, size),
            blks: (0..s.num_layers).map(|_| EncoderBlock::new(s, true)).collect(),
            pos_embedding: Param::new(randn([1, max_len, size])),
            mlp: sequential![
                Linear::new(size, size),
                ReLU::new(),
                LayerNorm::new(size),
                Linear::new(size, s.vocab_size)
            ],
            hidden: sequential![Linear::new(size, size), Tanh::new()],
            nsp: Linear::new(size, 2),
        }
    }

    /// Scores of the words at `positions`, `[batch, count, words]`, and whether the second part follows the first, `[batch, 2]`.
    pub fn run(
        &self,
        tokens: &Tensor,
        segments: &Tensor,
        valid_lens: Option<&Tensor>,
        positions: &Tensor,
    ) -> (Var, Var) {
        let vectors =
            self.token_embedding.forward(&Var::from(tokens)) + self.segment_embedding.forward(&Var::from(segments));
        let placed = vectors + self.pos_embedding.var().narrow(1, 0, tokens.shape()[1]);
        let encoded = self.blks.iter().fold(placed, |x, block| block.run(&x, valid_lens));
        let (batch, count, size) = (tokens.shape()[0], positions.shape()[1], encoded.size(2));
        let masked = encoded.gather(1, &positions.unsqueeze(-1).expand([batch, count, size]).contiguous());
        (self.mlp.forward(&masked), self.nsp.forward(&self.hidden.forward(&encoded.select(1, 0))))
    }
}

impl Module for Bert {}
