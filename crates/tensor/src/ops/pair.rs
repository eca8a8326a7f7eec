//! Two operands, promoted and lined up for the kernels of two.

use super::binary::Binary;
use super::operand::OperandRef;
use super::unary::memory_order_of;
use crate::cpu::half;
use crate::cpu::map::{self, Zip};
use crate::layout::Layout;
use crate::shape::{Axes, Shape, broadcast};
use crate::{DType, Element, Scalar, Tensor};

/// Two operands of one dtype, ready for kernels.
pub(super) enum Pair<'a> {
    Tensors(&'a Tensor, &'a Tensor, Shape),
    /// A tensor and a number; the flag says that the number comes first.
    Scalar(&'a Tensor, Scalar, bool),
}

/// Promotes and pairs two operands, then calls `f`.
#[track_caller]
pub(super) fn paired<R>(
    name: &str,
    a: OperandRef<'_>,
    b: OperandRef<'_>,
    dtype: DType,
    f: impl FnOnce(Pair<'_>) -> R,
) -> R {
    let (store_a, store_b);
    let cast = |x: OperandRef<'_>| match x {
        OperandRef::Tensor(t) if t.dtype() == dtype => None,
        x => Some(x.to_tensor(dtype)),
    };
    // A 0-d tensor beside another tensor is a number to the kernels.
    let number = |x: OperandRef<'_>| match x {
        OperandRef::Scalar(s) => Some(s),
        OperandRef::Tensor(t) if t.rank() == 0 => Some(t.scalar_at(t.layout().offset())),
        _ => None,
    };
    match (a, b) {
        (OperandRef::Tensor(x), _) if number(b).is_some() => {
            store_a = cast(a);
            f(Pair::Scalar(store_a.as_ref().unwrap_or(x), number(b).expect("just seen"), false))
        }
        (_, OperandRef::Tensor(y)) if number(a).is_some() => {
            store_b = cast(b);
            f(Pair::Scalar(store_b.as_ref().unwrap_or(y), number(a).expect("just seen"), true))
        }
        (OperandRef::Tensor(x), OperandRef::Tensor(y)) => {
            (store_a, store_b) = (cast(a), cast(b));
            let (x, y) = (store_a.as_ref().unwrap_or(x), store_b.as_ref().unwrap_or(y));
            let shape = if x.shape() == y.shape() {
                Shape::from_slice(x.shape())
            } else {
                broadcast(name, x.shape(), y.shape())
            };
            f(Pair::Tensors(x, y, shape))
        }
        (a, b) => {
            let (x, y) = (a.to_tensor(dtype), b.to_tensor(dtype));
            f(Pair::Tensors(&x, &y, Shape::new()))
        }
    }
}

impl Pair<'_> {
    /// Runs a kernel on elements of type `T`.
    pub(super) fn run<T: Element, O: Element>(&self, cost: usize, kernel: Zip<T, O>) -> Tensor {
        match self {
            Pair::Tensors(x, y, shape) => tensors(x, y, shape, cost, &|[x, y], out| kernel(x, y, out)),
            Pair::Scalar(x, c, first) => {
                let c: T = c.to();
                super::unary::elementwise(x, cost, &|[x], out| map::with_scalar(x, c, *first, out, kernel))
            }
        }
    }

    /// Runs an `f32` kernel on halves. For arithmetic a number is not rounded to half first, as in PyTorch.
    pub(super) fn run_half<H: half::Half>(&self, op: &Binary) -> Tensor {
        let (cost, kernel) = (op.cost, op.f32);
        match self {
            Pair::Tensors(x, y, shape) => tensors(x, y, shape, cost + 2, &|[x, y], out| {
                let done = match op.name {
                    "add" => H::zip(x, y, out, |a, b| a + b),
                    "sub" => H::zip(x, y, out, |a, b| a - b),
                    "mul" => H::zip(x, y, out, |a, b| a * b),
                    _ => false,
                };
                if !done {
                    half::half_zip::<H>(x, y, out, kernel);
                }
            }),
            Pair::Scalar(x, c, first) => {
                let exact = matches!(op.name, "add" | "sub" | "mul" | "div" | "pow");
                let c: f32 = if exact { c.to() } else { c.to::<H>().to_f64() as f32 };
                super::unary::elementwise(x, cost + 2, &|[x], out| {
                    half::half_map::<H>(x, out, |x, out| map::with_scalar(x, c, *first, out, kernel));
                })
            }
        }
    }
}

/// A kernel of two tensors that broadcast to `shape`.
pub(super) fn tensors<T: Element, O: Element>(
    x: &Tensor,
    y: &Tensor,
    shape: &Shape,
    cost: usize,
    kernel: &map::Kernel<'_, T, O, 2>,
) -> Tensor {
    let Lined { layouts: [at_x, at_y], shape, back } = lined(x.layout(), y.layout(), shape);
    let out = Tensor::build(&shape, |out: &mut [O]| {
        map::run(&shape, [(x.data(), &at_x), (y.data(), &at_y)], out, cost, kernel);
    });
    match back {
        Some(back) => out.with_layout(out.layout().permute(&back)),
        None => out,
    }
}

/// Two operands as the kernels go through them.
struct Lined {
    layouts: [Layout; 2],
    shape: Shape,
    /// The way back to the order of the axes, if that was changed.
    back: Option<Axes>,
}

/// Lines two operands up: the axes in memory order if both fill their memory in the same one, else broadcast.
fn lined(x: &Layout, y: &Layout, shape: &Shape) -> Lined {
    if x.shape() == y.shape() {
        if x.strides() == y.strides()
            && let Some((order, back)) = memory_order_of(x)
        {
            let layouts = [x.permute(&order), y.permute(&order)];
            let shape = Shape::from_slice(layouts[0].shape());
            return Lined { layouts, shape, back: Some(back) };
        }
        return Lined { layouts: [x.clone(), y.clone()], shape: shape.clone(), back: None };
    }
    let expand = |x: &Layout| x.expand(shape).expect("shapes were broadcast");
    Lined { layouts: [expand(x), expand(y)], shape: shape.clone(), back: None }
}
