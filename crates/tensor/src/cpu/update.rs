//! In-place updates of several slices by one pass over a gradient: what optimizers are made of.

use super::par;
use super::simd::multiversion;
use crate::Element;

multiversion! {
    /// One thread's share of [`update`].
    fn run[T: Element, const N: usize, F: Fn([T; N], T) -> [T; N]](slices: [&mut [T]; N], grad: &[T], f: F) {
        let len = grad.len();
        let slices = slices.map(|s| &mut s[..len]);
        for i in 0..len {
            let new = f(std::array::from_fn(|k| slices[k][i]), grad[i]);
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
    if grad.len() <= par::GRAIN || !par::worth(grad.len() * N) {
        return run(slices, grad, f);
    }
    let middle = grad.len() / 2;
    let mut low: Vec<&mut [T]> = Vec::with_capacity(N);
    let mut high: Vec<&mut [T]> = Vec::with_capacity(N);
    for slice in slices {
        let (a, b) = slice.split_at_mut(middle);
        low.push(a);
        high.push(b);
    }
    let (low, high) = (array(low), array(high));
    rayon::join(|| update(low, &grad[..middle], f), || update(high, &grad[middle..], f));
}

fn array<T, const N: usize>(list: Vec<T>) -> [T; N] {
    list.try_into().ok().expect("one part of each slice")
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
