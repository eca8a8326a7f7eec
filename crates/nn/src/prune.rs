//! Pruning: parameters that are 0 where a mask is (`torch.nn.utils.prune`).
//!
//! A pruned `weight` stands in the state dict as `weight_orig`, which an optimizer trains on, and the buffer `weight_mask`; the
//! layer sees their product. Pruning again takes from what is left, as PyTorch's `PruningContainer` does.
//!
//! # Examples
//! ```
//! use wengert_nn::{Linear, Module, prune};
//! let layer = Linear::new(4, 2);
//! prune::l1_unstructured(&layer, "weight", 0.5, None);
//! let zeros = layer.weight.var().value().eq(0.0).sum(()).item::<i64>();
//! assert_eq!(zeros, 4);
//! assert_eq!(layer.state_dict().keys().collect::<Vec<_>>(), ["bias", "weight_orig", "weight_mask"]);
//! prune::remove(&layer, "weight");
//! assert_eq!(layer.state_dict().keys().collect::<Vec<_>>(), ["weight", "bias"]);
//! ```

use crate::parametrize::{attach_mask, detach_mask, is_parametrized};
use crate::utils::parameters_to_vector;
use crate::walk::{self, Members};
use crate::{Buffer, Mode, Module, Param, Tensor};
use wengert_autograd::no_grad;
use wengert_tensor::bug;
use wengert_tensor::shape::{axis, size_text};

/// How much is pruned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// So many entries, or channels.
    Count(usize),
    /// This share of them, rounded, within 0 and 1.
    Share(f64),
}

impl From<usize> for Amount {
    fn from(count: usize) -> Amount {
        Amount::Count(count)
    }
}

impl From<i32> for Amount {
    #[track_caller]
    fn from(count: i32) -> Amount {
        let Ok(count) = usize::try_from(count) else {
            bug!("", "amount={count} should either be a float in the range [0, 1] or a non-negative integer");
        };
        Amount::Count(count)
    }
}

impl From<f64> for Amount {
    fn from(share: f64) -> Amount {
        Amount::Share(share)
    }
}

impl Amount {
    /// The number out of `size`.
    #[track_caller]
    fn of(self, size: usize) -> usize {
        match self {
            Amount::Count(count) if count > size => {
                bug!("", "amount={count} should be smaller than the number of parameters to prune={size}")
            }
            Amount::Count(count) => count,
            Amount::Share(share) if (0.0..=1.0).contains(&share) => (share * size as f64).round_ties_even() as usize,
            Amount::Share(share) => {
                bug!("", "amount={share} should either be a float in the range [0, 1] or a non-negative integer")
            }
        }
    }
}

/// How [`global_unstructured`] chooses entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unstructured {
    /// Those of least magnitude (`L1Unstructured`).
    L1,
    /// At random (`RandomUnstructured`).
    Random,
}

/// A way to make a mask.
enum Method<'a> {
    Unstructured(Unstructured, Amount),
    /// Channels along an axis: those of least norm of order `n`, or random ones if there is none.
    Structured {
        n: Option<f64>,
        amount: Amount,
        dim: isize,
    },
    Mask(&'a Tensor),
}

impl Method<'_> {
    /// The mask for importances `t`, of which `old` are left.
    #[track_caller]
    fn mask(&self, t: &Tensor, old: &Tensor) -> Tensor {
        match *self {
            Method::Mask(mask) => old.mul(mask.to(old.dtype())),
            Method::Unstructured(how, amount) => {
                let count = amount.of(t.numel());
                if count == 0 {
                    return old.clone();
                }
                let flat = old.reshape([-1isize]);
                let (_, gone) = match how {
                    Unstructured::L1 => t.abs().reshape([-1isize]).topk_smallest(count, 0),
                    Unstructured::Random => t.rand_like().reshape([-1isize]).topk(count, 0),
                };
                flat.index_fill(0, &gone, 0).reshape(old.shape())
            }
            Method::Structured { n, amount, dim } => {
                if t.rank() <= 1 {
                    bug!(
                        "",
                        "Structured pruning can only be applied to multidimensional tensors. Found tensor of shape {} with \
                         {} dims",
                        size_text(t.shape()),
                        t.rank()
                    );
                }
                let at = axis("prune", dim, t.rank());
                let size = t.shape()[at];
                let count = amount.of(size);
                if count == 0 {
                    return old.clone();
                }
                let kept = match n {
                    Some(n) => {
                        let others: Vec<isize> = (0..t.rank()).filter(|&d| d != at).map(|d| d as isize).collect();
                        let (_, best) = t.vector_norm(&others[..], n).topk(size - count, 0);
                        Tensor::zeros([size], old.dtype()).index_fill(0, &best, 1)
                    }
                    None => {
                        let drawn = wengert_tensor::rand([size]);
                        let (threshold, _) = drawn.kthvalue(count, 0);
                        drawn.gt(&threshold).to(old.dtype())
                    }
                };
                let mut along = vec![1; t.rank()];
                along[at] = size;
                old.mul(kept.reshape(&along[..]))
            }
        }
    }

    /// The mask for importances `t` that takes from what `old` left.
    #[track_caller]
    fn again(&self, t: &Tensor, old: &Tensor) -> Tensor {
        match *self {
            Method::Mask(_) => self.mask(t, old),
            Method::Unstructured(..) => {
                let left = old.eq(1.0);
                let part = self.mask(&t.masked_select(&left), &old.masked_select(&left));
                old.masked_scatter(&left, &part)
            }
            Method::Structured { dim, .. } => {
                let at = axis("prune", dim, t.rank());
                let others: Vec<isize> = (0..t.rank()).filter(|&d| d != at).map(|d| d as isize).collect();
                let left = old.sum(&others[..]).ne(0.0).nonzero().reshape([-1isize]);
                let part = self.mask(&t.index_select(dim, &left), &old.index_select(dim, &left));
                old.index_copy(dim, &left, &part)
            }
        }
    }
}

/// The cell that keeps masks, and the parameter; panics if there is none.
#[track_caller]
fn find<'a>(module: &'a dyn Module, name: &str) -> (&'a Mode, Param, Option<&'a Buffer>) {
    let members = Members::of(module);
    let Some(mode) = members.mode else {
        bug!("", "{} has no field of type `Mode`, in which masks are kept: add `mode: Mode` to it", module.type_name());
    };
    if let Some((_, param, mask)) = mode.parametrizations().pruned().find(|(own, ..)| *own == name) {
        return (mode, param.clone(), Some(mask));
    }
    if is_parametrized(module, name) {
        bug!("", "parameter '{name}' is parametrized: remove that before it is pruned");
    }
    match members.params.into_iter().find(|(own, _)| own == name) {
        Some((_, param)) => (mode, param.clone(), None),
        None => bug!("", "'{}' object has no attribute '{name}'", module.type_name()),
    }
}

#[track_caller]
fn apply(module: &dyn Module, name: &str, method: &Method<'_>, scores: Option<&Tensor>) {
    let module = walk::resolve(module);
    let (mode, param, mask) = find(module, name);
    let value = no_grad(|| param.var()).into_value();
    if let Some(scores) = scores.filter(|scores| scores.shape() != value.shape()) {
        bug!(
            "",
            "importance_scores should have the same shape as parameter {name} of {module}, got {:?} vs {:?}",
            scores.shape(),
            value.shape()
        );
    }
    let scores = scores.unwrap_or(&value);
    match mask {
        Some(mask) => mask.set(method.again(scores, &mask.value())),
        None => attach_mask(mode, name, &param, Buffer::new(method.mask(scores, &value.ones_like()))),
    }
}

/// Adds a mask of ones (`prune.identity`).
///
/// # Panics
/// If the module has no such parameter or no [`Mode`] field. So do all functions here.
#[track_caller]
pub fn identity(module: &dyn Module, name: &str) {
    let ones = Tensor::ones((), wengert_tensor::DType::F32);
    apply(module, name, &Method::Mask(&ones), None);
}

/// Prunes entries at random (`prune.random_unstructured`).
///
/// # Panics
/// If the amount is out of range.
#[track_caller]
pub fn random_unstructured(module: &dyn Module, name: &str, amount: impl Into<Amount>) {
    apply(module, name, &Method::Unstructured(Unstructured::Random, amount.into()), None);
}

/// Prunes the entries of least magnitude, or of least score if there are scores (`prune.l1_unstructured`).
///
/// # Panics
/// If the amount is out of range, or the scores have another shape.
#[track_caller]
pub fn l1_unstructured(module: &dyn Module, name: &str, amount: impl Into<Amount>, scores: Option<&Tensor>) {
    apply(module, name, &Method::Unstructured(Unstructured::L1, amount.into()), scores);
}

/// Prunes channels along an axis at random (`prune.random_structured`).
///
/// # Panics
/// If the amount is out of range, or the parameter has one axis only.
#[track_caller]
pub fn random_structured(module: &dyn Module, name: &str, amount: impl Into<Amount>, dim: isize) {
    apply(module, name, &Method::Structured { n: None, amount: amount.into(), dim }, None);
}

/// Prunes the channels along an axis whose norm of order `n` is least (`prune.ln_structured`).
///
/// # Panics
/// If the amount is out of range, or the parameter has one axis only.
#[track_caller]
pub fn ln_structured(module: &dyn Module, name: &str, amount: impl Into<Amount>, n: f64, dim: isize) {
    apply(module, name, &Method::Structured { n: Some(n), amount: amount.into(), dim }, None);
}

/// Prunes where `mask` is 0 (`prune.custom_from_mask`).
///
/// # Panics
/// If the mask does not broadcast to the parameter.
#[track_caller]
pub fn custom_from_mask(module: &dyn Module, name: &str, mask: &Tensor) {
    apply(module, name, &Method::Mask(mask), None);
}

/// Prunes entries of several parameters, chosen among all of them (`prune.global_unstructured`).
///
/// # Panics
/// If the amount is out of range, or there are no parameters.
#[track_caller]
pub fn global_unstructured(parameters: &[(&dyn Module, &str)], method: Unstructured, amount: impl Into<Amount>) {
    let (values, masks): (Vec<Param>, Vec<Param>) = parameters
        .iter()
        .map(|(module, name)| {
            let (_, param, mask) = find(walk::resolve(*module), name);
            let value = no_grad(|| param.var()).into_value();
            let mask = mask.map_or_else(|| value.ones_like(), Buffer::value);
            (Param::new(value), Param::new(mask))
        })
        .unzip();
    let flat = |params: &[Param]| no_grad(|| parameters_to_vector(params)).into_value();
    let all = Method::Unstructured(method, amount.into()).again(&flat(&values), &flat(&masks));
    let mut start = 0;
    for ((module, name), value) in parameters.iter().zip(&values) {
        let part = all.narrow(0, start as isize, value.numel()).reshape(&value.shape()[..]);
        start += value.numel();
        custom_from_mask(*module, name, &part);
    }
}

/// Makes what is left the parameter's value, and the parameter a parameter again (`prune.remove`). In PyTorch it comes last then.
///
/// # Panics
/// If the parameter is not pruned.
#[track_caller]
pub fn remove(module: &dyn Module, name: &str) {
    let module = walk::resolve(module);
    let pruned = Members::of(module).mode.filter(|m| m.parametrizations().pruned().any(|(own, ..)| own == name));
    let Some(mode) = pruned else {
        bug!("", "Parameter '{name}' of module {module} has to be pruned before pruning can be removed");
    };
    detach_mask(mode, name);
}

/// Whether a parameter of the module, or of a module in it, is pruned (`prune.is_pruned`).
pub fn is_pruned(module: &dyn Module) -> bool {
    let prunes = |module: &dyn Module| {
        Members::of(walk::resolve(module)).mode.is_some_and(|mode| mode.parametrizations().pruned().next().is_some())
    };
    prunes(module) || module.named_modules().into_iter().any(|(_, module)| prunes(module))
}
