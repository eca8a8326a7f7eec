//! Half-width floats: conversions that vectorise, and block-wise use of `f32` kernels.

use super::simd::multiversion;
use crate::{Element, bf16, f16};

/// Elements per block: scratch stays in the first-level cache.
const BLOCK: usize = 512;

/// The value of an `f16`.
#[inline(always)]
pub(crate) fn widen_f16(x: f16) -> f32 {
    let (bits, sign) = (x.to_bits() as u32 & 0x7fff, (x.to_bits() as u32 & 0x8000) << 16);
    // The exponent is rebiased by a product, which also makes subnormal numbers normal.
    let value = f32::from_bits(bits << 13) * f32::from_bits((254 - 15) << 23);
    let special = if bits >= 0x7c00 { 0x7f80_0000 } else { 0 };
    f32::from_bits(value.to_bits() | special | sign)
}

/// The nearest `f16`, ties to even. The method is Fabian Giesen's `float_to_half_fast3_rtne`.
#[inline(always)]
pub(crate) fn narrow_f16(x: f32) -> f16 {
    let (bits, sign) = (x.to_bits() & 0x7fff_ffff, (x.to_bits() >> 16) & 0x8000);
    // Adding 1/2 lets the hardware round where the result is subnormal.
    let small = (f32::from_bits(bits) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits());
    let odd = (bits >> 13) & 1;
    let normal = bits.wrapping_add(0xc800_0fff).wrapping_add(odd) >> 13;
    let finite = if bits < 0x3880_0000 { small } else { normal };
    let special = if bits > 0x7f80_0000 { 0x7e00 } else { 0x7c00 };
    let result = if bits >= 0x4780_0000 { special } else { finite };
    f16::from_bits((result | sign) as u16)
}

/// The value of a `bf16`.
#[inline(always)]
pub(crate) fn widen_bf16(x: bf16) -> f32 {
    f32::from_bits((x.to_bits() as u32) << 16)
}

/// The nearest `bf16`, ties to even.
#[inline(always)]
pub(crate) fn narrow_bf16(x: f32) -> bf16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    let result = if bits & 0x7fff_ffff > 0x7f80_0000 { (bits >> 16) | 0x40 } else { rounded };
    bf16::from_bits(result as u16)
}

/// Half-width floats: stored in 16 bits, computed in `f32`.
pub(crate) trait Half: Element {
    /// Widens; the slices have equal length.
    fn widen(from: &[Self], to: &mut [f32]);
    /// Rounds to nearest, ties to even; the slices have equal length.
    fn narrow(from: &[f32], to: &mut [Self]);
}

/// One row: type, its two conversions, the names of their kernels.
macro_rules! half {
    ($($ty:ident $widen:ident $narrow:ident $widen_all:ident $narrow_all:ident;)*) => { $(
        multiversion! {
            /// Widens a slice.
            fn $widen_all(from: &[$ty], to: &mut [f32]) {
                from.iter().zip(to).for_each(|(&x, o)| *o = $widen(x));
            }
        }
        multiversion! {
            /// Narrows a slice.
            fn $narrow_all(from: &[f32], to: &mut [$ty]) {
                from.iter().zip(to).for_each(|(&x, o)| *o = $narrow(x));
            }
        }
        impl Half for $ty {
            fn widen(from: &[Self], to: &mut [f32]) {
                $widen_all(from, to);
            }
            fn narrow(from: &[f32], to: &mut [Self]) {
                $narrow_all(from, to);
            }
        }
    )* };
}
half! {
    f16 widen_f16 narrow_f16 widen_all_f16 narrow_all_f16;
    bf16 widen_bf16 narrow_bf16 widen_all_bf16 narrow_all_bf16;
}

/// Runs a unary `f32` kernel on halves, block by block.
pub(crate) fn half_map<H: Half>(x: &[H], out: &mut [H], kernel: impl Fn(&[f32], &mut [f32])) {
    let (mut a, mut o) = ([0.0f32; BLOCK], [0.0f32; BLOCK]);
    for (x, out) in x.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
        let n = x.len();
        H::widen(x, &mut a[..n]);
        kernel(&a[..n], &mut o[..n]);
        H::narrow(&o[..n], out);
    }
}

/// Runs a unary `f32` kernel that does not give floats on halves, block by block.
pub(crate) fn half_test<H: Half, O>(x: &[H], out: &mut [O], kernel: impl Fn(&[f32], &mut [O])) {
    let mut a = [0.0f32; BLOCK];
    for (x, out) in x.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
        H::widen(x, &mut a[..x.len()]);
        kernel(&a[..x.len()], out);
    }
}

/// Runs a binary `f32` kernel on halves, block by block.
pub(crate) fn half_zip<H: Half>(x: &[H], y: &[H], out: &mut [H], kernel: impl Fn(&[f32], &[f32], &mut [f32])) {
    let (mut a, mut b, mut o) = ([0.0f32; BLOCK], [0.0f32; BLOCK], [0.0f32; BLOCK]);
    for ((x, y), out) in x.chunks(BLOCK).zip(y.chunks(BLOCK)).zip(out.chunks_mut(BLOCK)) {
        let n = x.len();
        H::widen(x, &mut a[..n]);
        H::widen(y, &mut b[..n]);
        kernel(&a[..n], &b[..n], &mut o[..n]);
        H::narrow(&o[..n], out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_agree_with_the_half_crate_on_every_pattern() {
        for bits in 0..=u16::MAX {
            let (a, b) = (widen_f16(f16::from_bits(bits)), f16::from_bits(bits).to_f32());
            assert!(
                a == b && a.is_sign_negative() == b.is_sign_negative() || a.is_nan() && b.is_nan(),
                "f16 {bits:#x}"
            );
            let (a, b) = (widen_bf16(bf16::from_bits(bits)), bf16::from_bits(bits).to_f32());
            assert!(a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(), "bf16 {bits:#x}");
        }
        // Every 509th pattern of f32, and the neighbourhoods of those that halves hold exactly.
        let spread = (0..=u32::MAX).step_by(509);
        let near = (0..=u16::MAX).flat_map(|h| {
            let centre = f16::from_bits(h).to_f32().to_bits();
            [0u32.wrapping_sub(1), 0, 1, 0x0fff, 0x1000, 0x1001, 0x2fff, 0x3000, 0x3001].map(|d| centre.wrapping_add(d))
        });
        for bits in spread.chain(near) {
            let x = f32::from_bits(bits);
            let (a, b) = (narrow_f16(x), f16::from_f32(x));
            assert!(a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(), "f16 of {x:e}: {a} instead of {b}");
            let (a, b) = (narrow_bf16(x), bf16::from_f32(x));
            assert!(a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(), "bf16 of {x:e}: {a} instead of {b}");
        }
    }
}
