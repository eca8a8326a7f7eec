//! The cost of a node of the graph: a chain of operations on one number, forward and backward.

use super::{Case, Name, numbers};
use wengert_autograd::{Var, no_grad};
use wengert_tensor::{DType, Tensor};

pub(super) fn find(name: &Name<'_>) -> Option<Case> {
    let ("tape", &[nodes]) = (name.family, numbers(name.part(0)).as_slice()) else { return None };
    let [start, factor, term] = [0.5, 1.0001, 1e-4].map(|v| Tensor::full([1], v, DType::F32));
    let (c, d) = (Var::from(factor), Var::from(term));
    match name.part(1) {
        // One operand needs a gradient.
        "one" => Some(Case::new(move || {
            let x = Var::leaf(start.clone());
            let mut y = x.clone();
            for _ in 0..nodes / 2 {
                y = &(&y * &c) + &d;
            }
            y.backward();
            x.grad()
        })),
        // Both do, and their gradients add up.
        "two" => Some(Case::new(move || {
            let w = Var::leaf(Tensor::full([1], 0.999, DType::F32));
            let x = Var::leaf(start.clone());
            let mut y = x.clone();
            for _ in 0..nodes / 2 {
                y = &(&y * &w) + &x;
            }
            y.backward();
            w.grad()
        })),
        "untracked" => Some(Case::new(move || {
            no_grad(|| {
                let mut y = Var::from(start.clone());
                for _ in 0..nodes / 2 {
                    y = &(&y * &c) + &d;
                }
                y
            })
        })),
        _ => None,
    }
}
