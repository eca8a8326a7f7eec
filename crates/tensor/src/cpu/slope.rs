//! Gradients through functions of one element: one pass over memory, in place on the incoming gradient.

use super::math::Math;
use super::par;
use super::simd::multiversion;
use std::marker::PhantomData;

/// The gradient of a function's operand from that of its result, element by element.
pub(crate) trait SlopeOp {
    /// `grad` times the derivative at `v`, the operand or the result as the function prefers; `p` are its parameters.
    fn pull<T: Math, const FMA: bool>(grad: T, v: T, p: [T; 2]) -> T;
}

/// `grad[i] = pull(grad[i], v[i])` on slices of equal length.
pub(crate) type Pull<T> = fn(&mut [T], &[T], [T; 2]);

multiversion! {
    fn pull_as[T: Math, F: SlopeOp](_op: PhantomData<F>, grad: &mut [T], v: &[T], p: [T; 2]) {
        for (g, &v) in grad.iter_mut().zip(v) {
            *g = F::pull::<T, FMA>(*g, v, p);
        }
    }
}

/// [`SlopeOp::pull`] of slices.
pub(crate) fn pull<T: Math, F: SlopeOp>(grad: &mut [T], v: &[T], p: [T; 2]) {
    pull_as(PhantomData::<F>, grad, v, p);
}

/// Runs a kernel over `grad`, which it replaces.
pub(crate) fn in_place<T: Math>(kernel: Pull<T>, cost: usize, grad: &mut [T], v: &[T], p: [T; 2]) {
    par::chunks(grad, 1, cost, |start, grad| {
        let v = &v[start..][..grad.len()];
        kernel(grad, v, p);
    });
}

/// The same into other memory: block by block, so that the copy stays in the first-level cache.
pub(crate) fn copied<T: Math>(kernel: Pull<T>, cost: usize, (grad, v): (&[T], &[T]), p: [T; 2], out: &mut [T]) {
    const BLOCK: usize = 1024;
    par::chunks(out, 1, cost, |start, out| {
        let given = grad[start..][..out.len()].chunks(BLOCK).zip(v[start..][..out.len()].chunks(BLOCK));
        for (out, (grad, v)) in out.chunks_mut(BLOCK).zip(given) {
            out.copy_from_slice(grad);
            kernel(out, v, p);
        }
    });
}
