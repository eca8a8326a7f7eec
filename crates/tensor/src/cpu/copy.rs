//! Copies between layouts and dtypes.

use super::par;
use super::walk::Walk;
use crate::layout::Layout;
use crate::shape::Shape;
use crate::{DType, Element, Tensor, bf16, f16, match_dtype};

/// A contiguous copy with memory of its own.
pub(crate) fn contiguous(x: &Tensor) -> Tensor {
    match_dtype!(x.dtype(), T => Tensor::build(x.shape(), |out: &mut [T]| gather(x.data(), x.layout(), out, |v: T| v)))
}

/// `out[i] = convert(x[i])` for the elements of a layout in C order.
fn gather<S: Element, T: Element>(data: &[S], layout: &Layout, out: &mut [T], convert: impl Fn(S) -> T + Sync + Copy) {
    if out.is_empty() {
        return;
    }
    let walk = Walk::new(layout.shape(), [layout.strides()]);
    let [step] = walk.row_strides();
    let len = walk.row_len();
    let row = |out: &mut [T], at: usize| match step {
        1 => out.iter_mut().zip(&data[at..at + len]).for_each(|(o, &v)| *o = convert(v)),
        0 => out.fill(convert(data[at])),
        _ => {
            let mut index = at as isize;
            for o in out {
                *o = convert(data[index as usize]);
                index += step;
            }
        }
    };
    if walk.rows() == 1 && step == 1 {
        let at = layout.offset();
        return par::chunks(out, 1, 1, |start, piece| {
            let source = &data[at + start..][..piece.len()];
            piece.iter_mut().zip(source).for_each(|(o, &v)| *o = convert(v));
        });
    }
    par::chunks(out, len, 2, |start, piece| {
        let first = start / len;
        let last = first + piece.len() / len;
        let mut rows = piece.chunks_exact_mut(len);
        walk.each_row(first..last, [layout.offset()], |[at]| {
            row(rows.next().expect("one chunk per row"), at);
        });
    });
}

/// Conversion between two element types, as PyTorch's casts.
trait Cast<T>: Element {
    fn cast(self) -> T;
}

macro_rules! cast {
    // Between a float and anything by f64 would be slow and, for f64 to f32 via nothing, exact: spell out the direct way.
    ($from:ty => $($to:ty, |$x:ident| $e:expr);* $(;)?) => {
        $(impl Cast<$to> for $from {
            #[inline(always)]
            fn cast(self) -> $to { let $x = self; $e }
        })*
    };
}
macro_rules! cast_number {
    ($($from:ty),*) => { $(cast! { $from =>
        f64, |x| x as f64; f32, |x| x as f32; f16, |x| f16::from_f32(x as f32); bf16, |x| bf16::from_f32(x as f32);
        i64, |x| x as i64; i32, |x| x as i64 as i32; i16, |x| x as i64 as i16; i8, |x| x as i64 as i8; u8, |x| x as i64 as u8;
        bool, |x| x != 0 as $from;
    })* };
}
cast_number!(f32, i64, i32, i16, i8, u8);
cast! { f64 =>
    f64, |x| x; f32, |x| x as f32; f16, |x| f16::from_f64(x); bf16, |x| bf16::from_f64(x);
    i64, |x| x as i64; i32, |x| x as i64 as i32; i16, |x| x as i64 as i16; i8, |x| x as i64 as i8; u8, |x| x as i64 as u8;
    bool, |x| x != 0.0;
}
macro_rules! cast_through {
    ($($from:ty, |$v:ident| $via:expr);*) => { $(
        impl<T> Cast<T> for $from where f32: Cast<T> {
            #[inline(always)]
            fn cast(self) -> T { let $v = self; <f32 as Cast<T>>::cast($via) }
        }
    )* };
}
cast_through!(f16, |v| v.to_f32(); bf16, |v| v.to_f32());
impl<T> Cast<T> for bool
where
    u8: Cast<T>,
{
    #[inline(always)]
    fn cast(self) -> T {
        <u8 as Cast<T>>::cast(self as u8)
    }
}

/// The tensor in another dtype, contiguous.
pub(crate) fn cast(x: &Tensor, dtype: DType) -> Tensor {
    match_dtype!(x.dtype(), S => match_dtype!(dtype, T => {
        Tensor::build(x.shape(), |out: &mut [T]| gather(x.data::<S>(), x.layout(), out, |v: S| Cast::<T>::cast(v)))
    }))
}

/// A contiguous tensor of one value.
pub(crate) fn fill<T: Element>(shape: Shape, value: T) -> Tensor {
    Tensor::build(shape, |out: &mut [T]| par::chunks(out, 1, 1, |_, piece| piece.fill(value)))
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    #[test]
    fn casts_truncate_and_test_for_zero() {
        let x = Tensor::from_vec(vec![-1.7f32, 0.0, 2.9, 300.0], [4]);
        assert_eq!(x.to_vec::<i64>(), [-1, 0, 2, 300]);
        assert_eq!(x.to_vec::<bool>(), [true, false, true, true]);
        assert_eq!(x.to(DType::U8).to_vec::<u8>()[1..], [0, 2, 44]);
        assert_eq!(x.to(DType::BF16).to_vec::<f64>()[3], 300.0);
        assert_eq!(x.expand([2, 4]).t().to_vec::<f32>()[..3], [-1.7, -1.7, 0.0]);
    }
}
