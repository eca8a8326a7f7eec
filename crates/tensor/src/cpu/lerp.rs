//! Linear interpolation from the nearer end, in one pass.

use super::math::Math;
use super::simd::{fma, multiversion};

/// From `a` to `b` by a weight, in PyTorch's formula: one product, added to the end that is nearer.
#[inline(always)]
fn between<T: Math, const FMA: bool>(a: T, b: T, weight: T) -> T {
    let near = weight.abs() < T::of(0.5);
    let (from, share) = if near { (a, weight) } else { (b, weight - T::ONE) };
    fma::<FMA, T>(share, b - a, from)
}

multiversion! {
    /// `out[i] = a[i] + weight[i] * (b[i] - a[i])`.
    pub(crate) fn by_each[T: Math](a: &[T], b: &[T], weight: &[T], out: &mut [T]) {
        for (((o, &a), &b), &weight) in out.iter_mut().zip(a).zip(b).zip(weight) {
            *o = between::<T, FMA>(a, b, weight);
        }
    }
}
multiversion! {
    /// `out[i] = a[i] + weight * (b[i] - a[i])`.
    pub(crate) fn by_one[T: Math](a: &[T], b: &[T], weight: T, out: &mut [T]) {
        for ((o, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *o = between::<T, FMA>(a, b, weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::cpu::simd::{Isa, isa};
    use crate::{DType, Tensor};

    #[test]
    fn products_are_not_rounded_before_they_are_added() {
        // Bits of `torch.lerp`.
        for (weight, a, b, expected) in [
            (0.3, 0x3f3c_1448, 0x3eeb_1aea, 0x3f26_ebd5),
            (0.3, 0x3cef_dfe0, 0x3f4a_f1d1, 0x3e84_42e3),
            (0.7, 0x3ea0_a9fc, 0x3d4b_8560, 0x3e04_03bb),
            (0.7, 0x3f4c_4dea, 0x3e82_be88, 0x3ed6_1a85),
        ] {
            let [a, b, expected] = [a, b, expected].map(f32::from_bits);
            let [x, y] = [a, b].map(|v| Tensor::full([3], v, DType::F32));
            let weights = Tensor::full([2, 1], weight, DType::F32);
            for out in [x.lerp(&y, weight), x.lerp(&y, &weights), x.lerp(&y, Tensor::full((), weight, DType::F64))] {
                for got in out.to_vec::<f32>() {
                    let exact = isa() >= Isa::Avx2;
                    assert!(
                        got == expected || !exact && (got - expected).abs() < 1e-7,
                        "{a} to {b} by {weight}: {got}"
                    );
                }
            }
        }
    }
}
