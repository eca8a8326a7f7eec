//! The networks of *Dive into Deep Learning*, and what its programs share: training, evaluation, charts, arguments.
#![forbid(unsafe_code)]

pub mod args;
pub mod chart;
pub mod nets;
pub mod train;
