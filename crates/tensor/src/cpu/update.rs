//! In-place updates of several slices by one pass over a gradient: what optimizers are made of.

use super::par;
use super::simd::multiversion;
use crate::Element;

multiversion! {
    /// One thread's share of [`update`].
    fn run[T: Element, const N: usize, F: Fn([T; N], T) -> [T; N]](slices: [&mut [T]; N], grad: &[T], f: F) {
        let len = grad.len();
        let mut slices = slices;
        for slice in &mut slices {
            *slice = &mut std::mem::take(slice)[..len];
        }
        for i in 0..len {
            // In loops: the closures of `map` and `from_fn` would not always be compiled for this instruction set.
            let mut old = [T::ZERO; N];
            for k in 0..N {
                old[k] = slices[k][i];
            }
            let new = f(old, grad[i]);
            for k in 0..N {
                slices[k][i] = new[k];
            }
        }
    }
}

/// Replaces `(a[i], b[i], …)` by `f((a[i], b[i], …), grad[i])` for every `i`, in one pass over memory.
///
/// # Panics
/// If a slice is shorter than the gradient.
pub fn update<T: Element, const N: usize, F>(slices: [&mut [T]; N], grad: &[T], f: F)
where
    F: Fn([T; N], T) -> [T; N] + Sync + Send + Copy,
{
    let work = grad.len() * N;
    if grad.len() <= par::GRAIN || !par::worth(work) {
        return run(slices, grad, f);
    }
    let mut rest = slices.map(|slice| slice.chunks_mut(par::GRAIN));
    let pieces: Vec<_> = grad
        .chunks(par::GRAIN)
        .map(|grad| (rest.each_mut().map(|slice| slice.next().expect("as long as the gradient")), grad))
        .collect();
    par::share(pieces.into_iter(), work, &|_, (slices, grad)| run(slices, grad, f));
}

#[cfg(test)]
mod tests {
    use super::update;

    #[test]
    fn every_element_is_updated_once_however_it_is_split() {
        let n = 300_001;
        let grad: Vec<f32> = (0..n).map(|i| i as f32).collect();
        let (mut a, mut b) = (vec![1.0f32; n], vec![2.0f32; n]);
        update([&mut a, &mut b], &grad, |[a, b], g| [a + g, b * g]);
        assert!((0..n).all(|i| a[i] == 1.0 + i as f32 && b[i] == 2.0 * i as f32));
    }
}
