//! Kernels of slices from functions of one or two elements, compiled for each instruction set.

use super::elementary::QUOTIENT_LIMIT;
use super::math::{Int, Math};
use super::simd::multiversion;
use crate::Element;
use std::marker::PhantomData;

/// Elements between which a function's choice is made anew: they stay in the first-level cache.
const BLOCK: usize = 512;

/// A unary kernel on slices of equal length, with up to two parameters (such as the bounds of `clamp`).
pub(crate) type Map<T> = fn(&[T], &mut [T], [T; 2]);
/// A magnitude, and the function to call beyond it.
pub(crate) type Rare = Option<(f64, fn(f64) -> f64)>;

/// A unary function: how it computes on floats and, if it keeps integers, on those.
pub(crate) trait UnaryOp {
    /// On `f32` and `f64`.
    fn float<T: Math, const FMA: bool>(x: T, p: [T; 2]) -> T;
    /// On integers.
    fn int<I: Int>(x: I) -> I;
    /// The magnitude beyond which `float` must not be used, and what to call there.
    const RARE: Rare;
    /// Whether what is above 0 stays as it is, while the rest takes far longer.
    const KEEPS_POSITIVE: bool;
}

multiversion! {
    /// `out[i] = op(x[i])`.
    fn map_as[T: Math, F: UnaryOp](_op: PhantomData<F>, x: &[T], out: &mut [T], p: [T; 2]) {
        if F::KEEPS_POSITIVE {
            for (x, out) in x.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
                let positive = x.iter().fold(true, |all, &x| all & (x > T::ZERO));
                if positive {
                    out.copy_from_slice(x);
                } else {
                    out.iter_mut().zip(x).for_each(|(o, &x)| *o = F::float::<T, FMA>(x, p));
                }
            }
            return;
        }
        let Some((limit, exact)) = F::RARE else {
            for (o, &x) in out.iter_mut().zip(x) {
                *o = F::float::<T, FMA>(x, p);
            }
            return;
        };
        let limit = T::of(limit);
        for (x, out) in x.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
            let mut any = false;
            for (o, &x) in out.iter_mut().zip(x) {
                *o = F::float::<T, FMA>(x, p);
                any |= x.abs() > limit;
            }
            if any {
                for (o, &x) in out.iter_mut().zip(x) {
                    if x.abs() > limit {
                        *o = T::of(exact(x.to_f64()));
                    }
                }
            }
        }
    }
}

/// `out[i] = op(x[i])`, as a [`Map`].
pub(crate) fn map<T: Math, F: UnaryOp>(x: &[T], out: &mut [T], p: [T; 2]) {
    map_as(PhantomData::<F>, x, out, p);
}

/// `out[i] = op(x[i])` on integers.
pub(crate) fn map_int<I: Int, F: UnaryOp>(x: &[I], out: &mut [I], _: [I; 2]) {
    for (o, &x) in out.iter_mut().zip(x) {
        *o = F::int(x);
    }
}

/// A binary function on floats and, where PyTorch has it, on integers and booleans.
pub(crate) trait BinaryOp {
    /// On `f32` and `f64`.
    fn float<T: Math, const FMA: bool>(a: T, b: T) -> T;
    /// On integers.
    fn int<I: Int>(a: I, b: I) -> I;
    /// On booleans.
    fn bool(a: bool, b: bool) -> bool;
    /// Whether `float` must not be used where `a` is more than [`QUOTIENT_LIMIT`] times `b`.
    const FAR: bool;
    /// What to call there.
    fn far<T: Math>(a: T, b: T) -> T;
}

multiversion! {
    /// `out[i] = op(x[i], y[i])`.
    fn zip_as[T: Math, F: BinaryOp](_op: PhantomData<F>, x: &[T], y: &[T], out: &mut [T]) {
        let (x, y) = (&x[..out.len()], &y[..out.len()]);
        if !F::FAR {
            for i in 0..out.len() {
                out[i] = F::float::<T, FMA>(x[i], y[i]);
            }
            return;
        }
        let far = |a: T, b: T| a.abs() > b.abs() * T::of(QUOTIENT_LIMIT);
        for (out, (x, y)) in out.chunks_mut(BLOCK).zip(x.chunks(BLOCK).zip(y.chunks(BLOCK))) {
            let (x, y) = (&x[..out.len()], &y[..out.len()]);
            let mut any = false;
            for i in 0..out.len() {
                out[i] = F::float::<T, FMA>(x[i], y[i]);
                any |= far(x[i], y[i]);
            }
            if any {
                for i in (0..out.len()).filter(|&i| far(x[i], y[i])) {
                    out[i] = F::far(x[i], y[i]);
                }
            }
        }
    }
}

/// `out[i] = op(x[i], y[i])`, as a [`Zip`](super::map::Zip).
pub(crate) fn zip<T: Math, F: BinaryOp>(x: &[T], y: &[T], out: &mut [T]) {
    zip_as(PhantomData::<F>, x, y, out);
}

/// `out[i] = op(x[i], y[i])` on integers.
pub(crate) fn zip_int<I: Int, F: BinaryOp>(x: &[I], y: &[I], out: &mut [I]) {
    for ((o, &x), &y) in out.iter_mut().zip(x).zip(y) {
        *o = F::int(x, y);
    }
}

/// `out[i] = op(x[i], y[i])` on booleans.
pub(crate) fn zip_bool<F: BinaryOp>(x: &[bool], y: &[bool], out: &mut [bool]) {
    for ((o, &x), &y) in out.iter_mut().zip(x).zip(y) {
        *o = F::bool(x, y);
    }
}

/// A comparison.
pub(crate) trait CompareOp {
    /// Whether it holds.
    fn test<T: PartialOrd>(a: T, b: T) -> bool;
}

multiversion! {
    /// `out[i] = x[i] op y[i]`.
    fn compare_as[T: Element, F: CompareOp](_op: PhantomData<F>, x: &[T], y: &[T], out: &mut [bool]) {
        for ((o, &x), &y) in out.iter_mut().zip(x).zip(y) {
            *o = F::test(x, y);
        }
    }
}

/// `out[i] = x[i] op y[i]`, as a [`Zip`](super::map::Zip).
pub(crate) fn compare<T: Element, F: CompareOp>(x: &[T], y: &[T], out: &mut [bool]) {
    compare_as(PhantomData::<F>, x, y, out);
}

/// `out[i] = x[i] op y[i]` where speed matters less.
pub(crate) fn compare_plain<T: Element, F: CompareOp>(x: &[T], y: &[T], out: &mut [bool]) {
    for ((o, &x), &y) in out.iter_mut().zip(x).zip(y) {
        *o = F::test(x, y);
    }
}
