//! The sum of products of two long vectors.

use super::par;
use super::simd::{Real, fma, multiversion};

/// Elements whose products one thread adds up; the sums of such blocks are joined pairwise.
const BLOCK: usize = 1 << 14;
/// Sums side by side: with less than four vectors of AVX-512 each waits for the last addition.
const LANES: usize = 64;

/// Whether vectors of this length have more than one block.
pub(crate) fn long(len: usize) -> bool {
    len > BLOCK
}

/// `Σ a[i] · b[i]` for slices of equal length, in an order that the length decides.
pub(crate) fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let mut sums = vec![T::ZERO; a.len().div_ceil(BLOCK)];
    par::chunks(&mut sums, 1, BLOCK, |start, sums| {
        let from = start * BLOCK;
        for ((sum, a), b) in sums.iter_mut().zip(a[from..].chunks(BLOCK)).zip(b[from..].chunks(BLOCK)) {
            *sum = products(a, b);
        }
    });
    join(&sums)
}

fn join<T: Real>(sums: &[T]) -> T {
    match sums {
        [] => T::ZERO,
        &[one] => one,
        _ => {
            let (left, right) = sums.split_at(sums.len() / 2);
            join(left) + join(right)
        }
    }
}

multiversion! {
    fn products[T: Real](a: &[T], b: &[T]) -> T {
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        let mut sums = [T::ZERO; LANES];
        for (a, b) in a.iter().zip(b) {
            for i in 0..LANES {
                sums[i] = fma::<FMA, T>(a[i], b[i], sums[i]);
            }
        }
        let mut width = LANES / 2;
        while width > 0 {
            for i in 0..width {
                let other = sums[i + width];
                sums[i] += other;
            }
            width /= 2;
        }
        a_rest.iter().zip(b_rest).fold(sums[0], |sum, (&a, &b)| fma::<FMA, T>(a, b, sum))
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    #[test]
    fn long_vectors_give_the_sum_of_a_loop() {
        for len in [16_384usize, 16_385, 50_001, 1 << 17] {
            let x = Tensor::arange(0, len as i64, 1).remainder(17).sub(8);
            let y = x.flip([0]).mul(3).add(1);
            let expected: i64 = x.to_vec::<i64>().iter().zip(y.to_vec::<i64>()).map(|(a, b)| a * b).sum();
            for dtype in [DType::F64, DType::F32] {
                let (x, y) = (x.to(dtype), y.to(dtype));
                assert_eq!(x.dot(&y).item::<f64>(), expected as f64, "{len} of {dtype}");
            }
        }
    }
}
