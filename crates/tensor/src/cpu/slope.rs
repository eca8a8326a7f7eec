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

/// `out[i] = pull(grad[i], v[i])` on slices of equal length, where `out` comes last.
///
/// Not in place: what a rule leaves as it is would then be stored under a mask, for which some processors take ten times as long.
pub(crate) type Pull<T> = fn(&[T], &[T], [T; 2], &mut [T]);

multiversion! {
    fn pull_as[T: Math, F: SlopeOp](_op: PhantomData<F>, grad: &[T], v: &[T], p: [T; 2], out: &mut [T]) {
        for (o, (&g, &v)) in out.iter_mut().zip(grad.iter().zip(v)) {
            *o = F::pull::<T, FMA>(g, v, p);
        }
    }
}

/// [`SlopeOp::pull`] of slices.
pub(crate) fn pull<T: Math, F: SlopeOp>(grad: &[T], v: &[T], p: [T; 2], out: &mut [T]) {
    pull_as(PhantomData::<F>, grad, v, p, out);
}

/// Runs a kernel over `grad`, which it replaces: block by block, so that a copy stays in the first-level cache.
pub(crate) fn in_place<T: Math>(kernel: Pull<T>, cost: usize, grad: &mut [T], v: &[T], p: [T; 2]) {
    const BLOCK: usize = 512;
    par::chunks(grad, 1, cost, |start, grad| {
        let mut memory = [T::ZERO; BLOCK];
        for (out, v) in grad.chunks_mut(BLOCK).zip(v[start..].chunks(BLOCK)) {
            let grad = &mut memory[..out.len()];
            grad.copy_from_slice(out);
            kernel(grad, &v[..out.len()], p, out);
        }
    });
}

/// The same into other memory.
pub(crate) fn copied<T: Math>(kernel: Pull<T>, cost: usize, (grad, v): (&[T], &[T]), p: [T; 2], out: &mut [T]) {
    par::chunks(out, 1, cost, |start, out| {
        let [grad, v] = [grad, v].map(|x| &x[start..][..out.len()]);
        kernel(grad, v, p, out);
    });
}
