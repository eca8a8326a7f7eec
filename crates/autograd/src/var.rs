//! [`Var`]: a tensor and its place in the graph.

use crate::backward::{self, BackwardOptions};
use crate::node::{self, Node};
use std::sync::Arc;
use wengert_tensor::{DType, Element, Tensor, bug};

/// A tensor that remembers how it was computed: a `torch.Tensor` with its `grad_fn`.
///
/// A `Var` is immutable and cheap to clone. Operations on it have the names they have on [`Tensor`] and record a node if
/// the grad mode is on and an operand is tracked. [`Var::from`] a tensor is a constant, [`Var::leaf`] is tracked
/// (`requires_grad=True`).
///
/// # Examples
/// ```
/// use wengert_autograd::{Var, tensor::Tensor};
/// let x = Var::leaf(Tensor::from_vec(vec![1.0f32, 2.0], [2]));
/// let y = (&x * &x).sum(());
/// y.backward();
/// assert_eq!(x.grad().unwrap().to_vec::<f32>(), [2.0, 4.0]);
/// ```
#[derive(Clone)]
pub struct Var {
    pub(crate) value: Tensor,
    pub(crate) node: Option<Arc<Node>>,
}

impl Var {
    /// A tracked leaf: `tensor.requires_grad_()` in PyTorch. Gradients of [`Var::backward`] accumulate in it.
    ///
    /// # Panics
    /// If the dtype is not a floating one.
    #[track_caller]
    pub fn leaf(value: Tensor) -> Var {
        check_floating(value.dtype());
        let node = node::leaf(value.shape(), value.dtype());
        Var { value, node: Some(node) }
    }

    #[inline]
    pub(crate) fn with_node(value: Tensor, node: Option<Arc<Node>>) -> Var {
        Var { value, node }
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> &Tensor {
        &self.value
    }

    /// The value, without the graph.
    pub fn into_value(self) -> Tensor {
        self.value
    }

    /// Sizes per axis.
    #[inline]
    pub fn shape(&self) -> &[usize] {
        self.value.shape()
    }

    /// The size of one axis, negative counts from the end.
    ///
    /// # Panics
    /// If the axis is out of range.
    #[track_caller]
    pub fn size(&self, dim: isize) -> usize {
        self.value.size(dim)
    }

    /// The element type.
    #[inline]
    pub fn dtype(&self) -> DType {
        self.value.dtype()
    }

    /// The number of axes.
    #[inline]
    pub fn rank(&self) -> usize {
        self.value.rank()
    }

    /// The number of elements.
    #[inline]
    pub fn numel(&self) -> usize {
        self.value.numel()
    }

    /// The only element.
    ///
    /// # Panics
    /// If there is not exactly one.
    #[track_caller]
    pub fn item<T: Element>(&self) -> T {
        self.value.item()
    }

    /// The elements in C order, converted to `T`.
    pub fn to_vec<T: Element>(&self) -> Vec<T> {
        self.value.to_vec()
    }

    /// Whether operations on it are recorded.
    #[inline]
    pub fn requires_grad(&self) -> bool {
        self.node.is_some()
    }

    /// Whether no operation made it (or none that recorded).
    pub fn is_leaf(&self) -> bool {
        self.node.as_ref().is_none_or(|node| node.rule.leaf().is_some())
    }

    /// The name of the operation that made it, as PyTorch names it: `AddBackward0`. `None` for leaves.
    pub fn grad_fn(&self) -> Option<&'static str> {
        self.node.as_ref().filter(|node| node.rule.leaf().is_none()).map(|node| node.name)
    }

    /// The same value as a constant: shares memory, has no history.
    pub fn detach(&self) -> Var {
        Var::from(self.value.clone())
    }

    /// The accumulated gradient of a leaf, or of what [`Var::retain_grad`] was called on; `None` before the first
    /// [`Var::backward`], and for anything else.
    pub fn grad(&self) -> Option<Tensor> {
        let node = self.node.as_ref()?;
        match node.rule.leaf() {
            Some(leaf) => leaf.grad().clone(),
            None => crate::hook::retained(node.seq),
        }
    }

    /// Sets the gradient of a leaf to none. No effect on anything else.
    pub fn zero_grad(&self) {
        if let Some(leaf) = self.node.as_ref().and_then(|node| node.rule.leaf()) {
            *leaf.grad() = None;
        }
    }

    /// Computes the gradients of this scalar with respect to all leaves it depends on, and adds them to theirs.
    ///
    /// What the graph saved is freed on the way; a second call panics (see [`BackwardOptions::retain_graph`]).
    ///
    /// # Panics
    /// If it has more than one element, is not tracked, or its graph was freed; in PyTorch's words.
    #[track_caller]
    pub fn backward(&self) {
        self.backward_with(BackwardOptions::default());
    }

    /// [`Var::backward`] with options, or with the gradient of this `Var` (a `&Tensor` or `Tensor` of its shape).
    ///
    /// # Panics
    /// As [`Var::backward`], and if the gradient has another shape.
    #[track_caller]
    pub fn backward_with(&self, options: impl Into<BackwardOptions>) {
        backward::backward(self, options.into());
    }
}

/// PyTorch's refusal of leaves that cannot have a gradient.
#[track_caller]
pub(crate) fn check_floating(dtype: DType) {
    if !dtype.is_float() {
        bug!("", "Only Tensors of floating point and complex dtype can require gradients");
    }
}

impl From<Tensor> for Var {
    /// A constant.
    #[inline]
    fn from(value: Tensor) -> Var {
        Var { value, node: None }
    }
}
impl From<&Tensor> for Var {
    /// A constant that shares the tensor's memory.
    fn from(value: &Tensor) -> Var {
        Var { value: value.clone(), node: None }
    }
}
impl From<&Var> for Var {
    fn from(value: &Var) -> Var {
        value.clone()
    }
}
