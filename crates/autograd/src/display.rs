//! The text of `Var` and `Param`, as PyTorch prints tensors with a gradient's side.

use crate::{Param, Var};
use std::fmt;
use wengert_tensor::display::{Suffix, format};

impl fmt::Display for Var {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = Suffix { grad_fn: self.grad_fn(), requires_grad: self.requires_grad(), parameter: false };
        f.write_str(&format(&self.value, &suffix))
    }
}
impl fmt::Debug for Var {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_uninitialized() {
            return f.write_str("<UninitializedParameter>");
        }
        let suffix = Suffix { grad_fn: None, requires_grad: self.requires_grad(), parameter: true };
        f.write_str(&format(&self.value(), &suffix))
    }
}
impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
