//! What may stand beside a `Var` in an operation.

use crate::Var;
use crate::node::Node;
use std::sync::Arc;
use wengert_tensor::{Operand as TensorOperand, OperandRef, Scalar, Tensor};

/// An operand: a `Var`, a tensor (a constant), references to them, or a Rust number that adapts to the other dtype.
pub trait Operand {
    /// The operand as it takes part and is saved.
    fn into_arg(self) -> Arg;

    /// The operand without a copy of what is borrowed: most operations save only one of two.
    #[doc(hidden)]
    #[inline]
    fn given<'a>(self) -> Given<'a>
    where
        Self: Sized + 'a,
    {
        Given::Own(self.into_arg())
    }
}

/// An operand that is borrowed or not.
#[doc(hidden)]
pub enum Given<'a> {
    /// A `Var` of the caller's.
    Ref(&'a Var),
    /// A value.
    Own(Arg),
}

impl Given<'_> {
    #[inline]
    pub(crate) fn node(&self) -> Option<&Arc<Node>> {
        match self {
            Given::Ref(x) => x.node.as_ref(),
            Given::Own(x) => x.node(),
        }
    }

    #[inline]
    pub(crate) fn into_arg(self) -> Arg {
        match self {
            Given::Ref(x) => Arg::Var(x.clone()),
            Given::Own(x) => x,
        }
    }
}

impl TensorOperand for Given<'_> {
    #[inline]
    fn operand(&self) -> OperandRef<'_> {
        match self {
            Given::Ref(x) => OperandRef::Tensor(&x.value),
            Given::Own(x) => x.operand(),
        }
    }
}

/// An operand by value.
#[derive(Clone)]
pub enum Arg {
    /// A `Var`; tensors are constants.
    Var(Var),
    /// A number.
    Scalar(Scalar),
}

impl Arg {
    pub(crate) fn node(&self) -> Option<&Arc<Node>> {
        match self {
            Arg::Var(x) => x.node.as_ref(),
            Arg::Scalar(_) => None,
        }
    }
}

impl TensorOperand for Arg {
    #[inline]
    fn operand(&self) -> OperandRef<'_> {
        match self {
            Arg::Var(x) => OperandRef::Tensor(&x.value),
            Arg::Scalar(x) => OperandRef::Scalar(*x),
        }
    }
}

macro_rules! operand {
    ($($ty:ty, |$x:ident| $arg:expr;)*) => { $(
        impl Operand for $ty {
            #[inline]
            fn into_arg(self) -> Arg { let $x = self; $arg }
        }
    )* };
}
operand! {
    Arg, |x| x;
    Var, |x| Arg::Var(x);
    Tensor, |x| Arg::Var(Var::from(x));
    &Tensor, |x| Arg::Var(Var::from(x));
    Scalar, |x| Arg::Scalar(x);
    f64, |x| Arg::Scalar(x.into());
    f32, |x| Arg::Scalar(x.into());
    i64, |x| Arg::Scalar(x.into());
    i32, |x| Arg::Scalar(x.into());
    usize, |x| Arg::Scalar((x as i64).into());
    bool, |x| Arg::Scalar(x.into());
}

impl Operand for &Var {
    #[inline]
    fn into_arg(self) -> Arg {
        Arg::Var(self.clone())
    }

    #[inline]
    fn given<'a>(self) -> Given<'a>
    where
        Self: 'a,
    {
        Given::Ref(self)
    }
}

impl Operand for &Arg {
    #[inline]
    fn into_arg(self) -> Arg {
        self.clone()
    }

    #[inline]
    fn given<'a>(self) -> Given<'a>
    where
        Self: 'a,
    {
        match self {
            Arg::Var(x) => Given::Ref(x),
            Arg::Scalar(x) => Given::Own(Arg::Scalar(*x)),
        }
    }
}
