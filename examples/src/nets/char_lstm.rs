//! A language model of characters: chapter 8's, with an LSTM of two layers.

use wengert_autograd::{Var, no_grad};
use wengert_nn::{Embedding, LSTM, Linear, Module, RecurrentOptions, Tree, module};
use wengert_tensor::Tensor;

/// The first sentences of *The Time Machine*, in small letters.
pub const TIME_MACHINE: &str = include_str!("../time_machine.txt");

/// Hidden and cell states between two parts of a text.
pub type States = (Var, Var);

/// The characters of a text, in order, and their numbers.
pub struct Vocabulary {
    chars: Vec<char>,
}

impl Vocabulary {
    /// All characters of `text`.
    pub fn new(text: &str) -> Vocabulary {
        let mut chars: Vec<char> = text.chars().collect();
        chars.sort_unstable();
        chars.dedup();
        Vocabulary { chars }
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.chars.len()
    }

    /// The numbers of the characters of `text`.
    ///
    /// # Panics
    /// If one is not in the vocabulary.
    pub fn encode(&self, text: &str) -> Vec<i64> {
        let number = |c: char| self.chars.binary_search(&c).expect("a character of the vocabulary") as i64;
        text.chars().map(number).collect()
    }

    /// The character of a number.
    pub fn decode(&self, number: i64) -> char {
        self.chars[number as usize]
    }
}

/// Characters to vectors, an LSTM, and a score for every next character.
#[derive(Tree)]
#[tree(name = "CharLSTM")]
pub struct CharLstm {
    /// A vector for each character.
    pub embedding: Embedding,
    /// Two layers, with dropout between them.
    pub lstm: LSTM,
    /// Scores of the next character.
    pub output: Linear,
}

impl CharLstm {
    /// For a vocabulary of `size` characters.
    pub fn new(size: usize) -> CharLstm {
        let options = RecurrentOptions { num_layers: 2, dropout: 0.1, ..RecurrentOptions::new(16, 48) };
        CharLstm { embedding: Embedding::new(size, 16), lstm: LSTM::with(options), output: Linear::new(48, size) }
    }

    /// The scores after each character of `[time, batch]`, and the states after the last.
    pub fn run(&self, x: &Tensor, states: Option<&States>) -> (Var, States) {
        let vectors = self.embedding.forward(&Var::from(x.clone()));
        let (hidden, states) = self.lstm.run(&vectors, states.map(|(h, c)| (h, c)));
        (self.output.forward(&hidden), states)
    }

    /// `prefix` and the `count` characters that follow it as the likeliest.
    pub fn continue_text(&self, vocabulary: &Vocabulary, prefix: &str, count: usize) -> String {
        let (mut text, mut input, mut states) = (prefix.to_owned(), vocabulary.encode(prefix), None);
        for _ in 0..count {
            let x = Tensor::from_vec(input.clone(), [input.len(), 1]);
            let (scores, next) = no_grad(|| self.run(&x, states.as_ref()));
            let best = scores.value().select(0, -1).argmax(-1).item::<i64>();
            text.push(vocabulary.decode(best));
            (input, states) = (vec![best], Some(next));
        }
        text
    }
}

#[module]
impl Module for CharLstm {
    /// The scores of [`CharLstm::run`] from zeros.
    fn forward(&self, x: &Var) -> Var {
        self.run(x.value(), None).0
    }
}

/// `text` cut into `batch` equal lines side by side, and the character after each: two tensors `[time, batch]`.
pub fn lines(vocabulary: &Vocabulary, text: &str, batch: usize) -> (Tensor, Tensor) {
    let numbers = vocabulary.encode(text);
    let time = (numbers.len() - 1) / batch;
    let side_by_side = |from: usize| {
        Tensor::from_vec(numbers[from..from + time * batch].to_vec(), [batch, time]).transpose(0, 1).contiguous()
    };
    (side_by_side(0), side_by_side(1))
}
