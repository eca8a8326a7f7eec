//! [`Setting`]: configuration values as they stand in files.

use crate::{Reduction, Size};
use wengert_tensor::{Scalar, Value};

/// A type that a configured value of a module may have.
pub trait Setting: Sized {
    /// From what a file holds; `None` if it is something else.
    fn from_value(value: &Value) -> Option<Self>;
}

/// Types, and what each is made of.
macro_rules! settings {
    ($($ty:ty, |$x:ident| $e:expr;)*) => {$(
        impl Setting for $ty {
            fn from_value($x: &Value) -> Option<$ty> {
                $e
            }
        }
    )*};
}
settings! {
    usize, |x| usize::try_from(x.as_int()?).ok();
    isize, |x| isize::try_from(x.as_int()?).ok();
    i64, |x| x.as_int();
    f64, |x| x.as_float();
    bool, |x| x.as_bool();
    Scalar, |x| match x {
        Value::Bool(_) => None,
        _ => x.as_int().map(Scalar::Int).or(x.as_float().map(Scalar::Float)),
    };
    String, |x| x.as_str().map(str::to_owned);
    Vec<usize>, |x| sizes(x);
    Vec<isize>, |x| sizes(x);
    Reduction, |x| match x.as_str()? {
        "mean" => Some(Reduction::Mean),
        "sum" => Some(Reduction::Sum),
        "none" => Some(Reduction::None),
        _ => None,
    };
}

impl<const N: usize> Setting for Size<N> {
    fn from_value(value: &Value) -> Option<Size<N>> {
        match usize::from_value(value) {
            Some(size) => Some(Size::all(size)),
            None => Setting::from_value(value).map(Size::each),
        }
    }
}

impl<T: Setting, const N: usize> Setting for [T; N] {
    fn from_value(value: &Value) -> Option<[T; N]> {
        sizes(value)?.try_into().ok()
    }
}

impl<T: Setting> Setting for Option<T> {
    fn from_value(value: &Value) -> Option<Option<T>> {
        if matches!(value, Value::None) { Some(None) } else { T::from_value(value).map(Some) }
    }
}

/// The numbers of a list, a tuple or a `torch.Size`.
fn sizes<T: Setting>(value: &Value) -> Option<Vec<T>> {
    match value {
        Value::Size(sizes) => sizes.iter().map(|&n| T::from_value(&Value::from(n))).collect(),
        _ => value.as_slice()?.iter().map(T::from_value).collect(),
    }
}

/// A size as PyTorch keeps it: a number if it was given as one.
impl<const N: usize> From<Size<N>> for Value {
    fn from(size: Size<N>) -> Value {
        size.one().map_or_else(|| tuple(size.to_array()), Value::from)
    }
}

/// Numbers as a tuple.
pub(crate) fn tuple<T: Into<Value>>(items: impl IntoIterator<Item = T>) -> Value {
    Value::Tuple(items.into_iter().map(Into::into).collect())
}

/// The name of a reduction.
pub(crate) fn reduction(reduction: Reduction) -> Value {
    match reduction {
        Reduction::None => "none",
        Reduction::Sum => "sum",
        _ => "mean",
    }
    .into()
}

/// A value, or `None`.
pub(crate) fn optional<T: Into<Value>>(value: Option<T>) -> Value {
    value.map_or(Value::None, Into::into)
}
