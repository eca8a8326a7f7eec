//! The book's networks, each built in the book's order, so that a seed gives PyTorch's initial weights.

mod char_lstm;
mod googlenet;
mod lenet;
mod mlp;
mod nin;
mod resnet;
mod vgg;

pub use char_lstm::{CharLstm, States, TIME_MACHINE, Vocabulary, lines};
pub use googlenet::{Inception, googlenet};
pub use lenet::{LeNet, lenet_bn};
pub use mlp::{Mlp, mlp};
pub use nin::nin;
pub use resnet::{Residual, resnet18};
pub use vgg::{vgg, vgg11};
