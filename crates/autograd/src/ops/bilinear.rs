//! Forms in two vectors.

use crate::Var;
use crate::catalog::Entry;
use wengert_tensor::bug;

/// `y[o] = Σ a[i] weight[o, i, j] b[j] + bias[o]` (`torch.nn.functional.bilinear`), for operands `[.., i]` and `[.., j]`.
///
/// # Panics
/// If shapes do not fit.
#[track_caller]
pub fn bilinear(a: &Var, b: &Var, weight: &Var, bias: Option<&Var>) -> Var {
    if a.rank() != b.rank() {
        bug!("", "bilinear(): input dimensions do not match: got {} and {}", a.rank(), b.rank());
    }
    if weight.rank() != 3 || a.rank() == 0 {
        bug!("bilinear", "weight {:?} is not of three dimensions or inputs have none", weight.shape());
    }
    let (outer, [o, i, j]) = (&a.shape()[..a.rank() - 1], [0, 1, 2].map(|d| weight.size(d)));
    if let Some(dim) = outer.iter().zip(b.shape()).position(|(n, m)| n != m) {
        let (n, m) = (outer[dim], b.shape()[dim]);
        bug!("", "bilinear(): input batch dimensions do not match at dim {dim}: got {n} and {m}");
    }
    if let Some((name, x, size)) = [("input1", a, i), ("input2", b, j)].into_iter().find(|(_, x, n)| x.size(-1) != *n) {
        bug!("", "bilinear(): {name} size does not match weight size: got {} but expected {size}", x.size(-1));
    }
    if let Some(bias) = bias.filter(|bias| bias.size(0) != o) {
        bug!("", "bilinear(): bias size does not match weight size: got {} but expected {o}", bias.size(0));
    }
    let count: usize = outer.iter().product();
    let forms = weight.permute([1, 0, 2]).reshape([i, o * j]);
    let half = a.reshape([count, i]).matmul(&forms).reshape([count, o, j]);
    let whole = half.matmul(&b.reshape([count, j, 1])).reshape([outer, &[o]].concat());
    match bias {
        Some(bias) => whole + bias,
        None => whole,
    }
}

pub(crate) fn catalog() -> Vec<Entry> {
    let four: &[&[usize]] = &[&[2, 3], &[2, 2], &[4, 3, 2], &[4]];
    vec![Entry::shaped("bilinear", "AddBackward0", four, |x| bilinear(&x[0], &x[1], &x[2], Some(&x[3])))]
}
