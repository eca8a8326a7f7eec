//! Half-width floats: conversions that vectorise, and block-wise use of `f32` kernels.

use super::simd::{multiversion, narrow_halves, widen_halves, zip_halves};
use crate::{Element, bf16, f16};

/// Elements per block: scratch stays in the first-level cache.
pub(super) const BLOCK: usize = 1024;

/// A block of elements that lies as cache lines do: vectors across two of them take twice as long to load and to store.
#[repr(align(64))]
pub(super) struct Block(pub(super) [f32; BLOCK]);

impl Block {
    pub(super) fn new() -> Block {
        Block([0.0; BLOCK])
    }
}

/// The value of an `f16`.
#[inline(always)]
pub(crate) fn widen_f16(x: f16) -> f32 {
    let (bits, sign) = (x.to_bits() as u32 & 0x7fff, (x.to_bits() as u32 & 0x8000) << 16);
    // The exponent is rebiased by a product, which also makes subnormal numbers normal.
    let value = f32::from_bits(bits << 13) * f32::from_bits((254 - 15) << 23);
    let special = if bits >= 0x7c00 { 0x7f80_0000 } else { 0 };
    let quiet = if bits > 0x7c00 { 0x0040_0000 } else { 0 };
    f32::from_bits(value.to_bits() | special | quiet | sign)
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
    let special = if bits > 0x7f80_0000 { 0x7e00 | ((bits >> 13) & 0x3ff) } else { 0x7c00 };
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
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
    let result = if x.is_nan() { bits | 0x0040_0000 } else { rounded };
    bf16::from_bits((result >> 16) as u16)
}

/// Half-width floats: stored in 16 bits, computed in `f32`.
pub(crate) trait Half: Element {
    /// Widens; the slices have equal length.
    fn widen(from: &[Self], to: &mut [f32]);
    /// Rounds to nearest, ties to even; the slices have equal length.
    fn narrow(from: &[f32], to: &mut [Self]);
    /// `out[i] = f(x[i], y[i])`, for what takes less time than blocks of `f32` in between would; says whether it can.
    fn zip(x: &[Self], y: &[Self], out: &mut [Self], f: impl Fn(f32, f32) -> f32) -> bool;
}

impl Half for f16 {
    fn widen(from: &[f16], to: &mut [f32]) {
        if !widen_halves(from, to) {
            from.iter().zip(to).for_each(|(&x, o)| *o = widen_f16(x));
        }
    }
    fn narrow(from: &[f32], to: &mut [f16]) {
        if !narrow_halves(from, to) {
            from.iter().zip(to).for_each(|(&x, o)| *o = narrow_f16(x));
        }
    }
    fn zip(x: &[f16], y: &[f16], out: &mut [f16], f: impl Fn(f32, f32) -> f32) -> bool {
        zip_halves(x, y, out, f)
    }
}

impl Half for bf16 {
    fn widen(from: &[bf16], to: &mut [f32]) {
        widen_all_bf16(from, to);
    }
    fn narrow(from: &[f32], to: &mut [bf16]) {
        narrow_all_bf16(from, to);
    }
    fn zip(x: &[bf16], y: &[bf16], out: &mut [bf16], f: impl Fn(f32, f32) -> f32) -> bool {
        zip_all_bf16(x, y, out, f);
        true
    }
}

multiversion! {
    /// Widens a slice.
    fn widen_all_bf16(from: &[bf16], to: &mut [f32]) {
        from.iter().zip(to).for_each(|(&x, o)| *o = widen_bf16(x));
    }
}
multiversion! {
    /// `out[i] = f(x[i], y[i])`.
    fn zip_all_bf16[F: Fn(f32, f32) -> f32](x: &[bf16], y: &[bf16], out: &mut [bf16], f: F) {
        for ((o, &x), &y) in out.iter_mut().zip(x).zip(y) {
            *o = narrow_bf16(f(widen_bf16(x), widen_bf16(y)));
        }
    }
}
multiversion! {
    /// Narrows a slice.
    fn narrow_all_bf16(from: &[f32], to: &mut [bf16]) {
        from.iter().zip(to).for_each(|(&x, o)| *o = narrow_bf16(x));
    }
}

/// Runs a unary `f32` kernel on halves, block by block.
pub(crate) fn half_map<H: Half>(x: &[H], out: &mut [H], kernel: impl Fn(&[f32], &mut [f32])) {
    let (mut a, mut o) = (Block::new(), Block::new());
    for (x, out) in x.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
        let n = x.len();
        H::widen(x, &mut a.0[..n]);
        kernel(&a.0[..n], &mut o.0[..n]);
        H::narrow(&o.0[..n], out);
    }
}

/// Runs a unary `f32` kernel that does not give floats on halves, block by block.
pub(crate) fn half_test<H: Half, O>(x: &[H], out: &mut [O], kernel: impl Fn(&[f32], &mut [O])) {
    let mut a = Block::new();
    for (x, out) in x.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
        H::widen(x, &mut a.0[..x.len()]);
        kernel(&a.0[..x.len()], out);
    }
}

/// Runs a binary `f32` kernel on halves, block by block.
pub(crate) fn half_zip<H: Half>(x: &[H], y: &[H], out: &mut [H], kernel: impl Fn(&[f32], &[f32], &mut [f32])) {
    let (mut a, mut b, mut o) = (Block::new(), Block::new(), Block::new());
    for ((x, y), out) in x.chunks(BLOCK).zip(y.chunks(BLOCK)).zip(out.chunks_mut(BLOCK)) {
        let n = x.len();
        H::widen(x, &mut a.0[..n]);
        H::widen(y, &mut b.0[..n]);
        kernel(&a.0[..n], &b.0[..n], &mut o.0[..n]);
        H::narrow(&o.0[..n], out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_agree_with_the_half_crate_on_every_pattern() {
        fn widened<H: Half>(every: &[H], one: fn(H) -> f32, expected: fn(H) -> f32) {
            let mut all = vec![0.0; every.len()];
            H::widen(every, &mut all);
            for (&h, wide) in every.iter().zip(all) {
                assert_eq!([wide, one(h)].map(f32::to_bits), [expected(h).to_bits(); 2], "{h:?}");
            }
        }
        // Not whole vectors, to go through the rest of a slice too.
        let patterns = (0..=u16::MAX).chain(0..5);
        widened(&patterns.clone().map(f16::from_bits).collect::<Vec<_>>(), widen_f16, f16::to_f32);
        widened(&patterns.map(bf16::from_bits).collect::<Vec<_>>(), widen_bf16, |h| {
            f32::from_bits((h.to_bits() as u32) << 16)
        });
        // Every 509th pattern of f32, and the neighbourhoods of those that halves hold exactly.
        let spread = (0..=u32::MAX).step_by(509);
        let near = (0..=u16::MAX).flat_map(|h| {
            let centre = f16::from_bits(h).to_f32().to_bits();
            [0u32.wrapping_sub(1), 0, 1, 0x0fff, 0x1000, 0x1001, 0x2fff, 0x3000, 0x3001].map(|d| centre.wrapping_add(d))
        });
        let singles: Vec<f32> = spread.chain(near).map(f32::from_bits).collect();
        let (mut f16s, mut bf16s) = (vec![f16::ZERO; singles.len()], vec![bf16::ZERO; singles.len()]);
        f16::narrow(&singles, &mut f16s);
        bf16::narrow(&singles, &mut bf16s);
        for ((&x, f), b) in singles.iter().zip(f16s).zip(bf16s) {
            assert_eq!([f, narrow_f16(x)].map(f16::to_bits), [f16::from_f32(x).to_bits(); 2], "f16 of {x:e}");
            assert_eq!([b, narrow_bf16(x)].map(bf16::to_bits), [bf16::from_f32(x).to_bits(); 2], "bf16 of {x:e}");
        }
    }

    #[test]
    fn what_is_done_in_registers_is_what_blocks_give() {
        fn check<H: Half>(number: fn(u16) -> H) {
            let x: Vec<H> = (0..=u16::MAX).map(number).chain((0..5).map(number)).collect();
            let y: Vec<H> = (0..x.len()).map(|i| number((i * 40_503) as u16)).collect();
            let (mut fused, mut apart) = (vec![H::ZERO; x.len()], vec![H::ZERO; x.len()]);
            half_zip(&x, &y, &mut apart, |x, y, out| {
                out.iter_mut().zip(x.iter().zip(y)).for_each(|(o, (x, y))| *o = x * y - x)
            });
            if H::zip(&x, &y, &mut fused, |x, y| x * y - x) {
                let same = |(a, b): (&H, &H)| {
                    a.to_f64().to_bits() == b.to_f64().to_bits() || a.to_f64().is_nan() && b.to_f64().is_nan()
                };
                assert!(fused.iter().zip(&apart).all(same));
            }
        }
        check(f16::from_bits);
        check(bf16::from_bits);
    }
}
