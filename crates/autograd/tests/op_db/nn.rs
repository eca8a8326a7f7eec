//! `torch.nn.functional`: convolutions, pooling, normalisation, activations, losses, attention.

use crate::{Row, one};

pub(crate) const ROWS: &[Row] = &[("nn.functional.relu", |s| one(s.x(0).relu()))];
