//! The book's networks, each built in the book's order, so that a seed gives PyTorch's initial weights.

mod alexnet;
mod char_lstm;
mod densenet;
mod googlenet;
mod lenet;
mod mlp;
mod nin;
mod resnet;
mod rnn_model;
mod sentiment;
mod seq2seq;
pub mod transformer;
mod vgg;

pub use alexnet::AlexNet;
pub use char_lstm::{CharLstm, States, TIME_MACHINE, Vocabulary, lines};
pub use densenet::{DenseBlock, densenet};
pub use googlenet::{Inception, googlenet};
pub use lenet::{LeNet, lenet_bn};
pub use mlp::{Mlp, mlp};
pub use nin::nin;
pub use resnet::{Residual, resnet18};
pub use rnn_model::{Recurrent, RnnModel};
pub use sentiment::{BiRnn, TextCnn};
pub use seq2seq::{Decoder, Encoder, attention_forward, attention_model};
pub use vgg::{vgg, vgg11};
