//! Normal numbers in blocks of 16: PyTorch's vectorised Box-Muller, step by step and rounding by rounding.
//!
//! The polynomials are those of Cephes' `logf` and `sincosf` as `avx_mathfun.h` has them. Every `mul_add` is one
//! rounding; which products are fused follows the compiled PyTorch, since another choice differs in some 0.1 % of values.

use crate::cpu::simd::multiversion;

multiversion! {
    /// Turns blocks of 16 uniform numbers in `[0, 1)` into normal ones. Where fused multiply-add is an instruction, it is
    /// one; elsewhere `mul_add` is a slow but equal library call.
    pub(super) fn blocks_f32(blocks: &mut [f32], mean: f32, std: f32) {
        blocks.chunks_exact_mut(16).for_each(|block| box16_f32(block, mean, std));
    }
}

/// 16 uniform numbers into 16 normal ones: `u1` in the first half, `u2` in the second.
#[inline(always)]
fn box16_f32(block: &mut [f32], mean: f32, std: f32) {
    let (first, second) = block.split_at_mut(8);
    for (a, b) in first.iter_mut().zip(second) {
        let radius = (-2.0 * log(1.0 - *a)).sqrt();
        let (sin, cos) = sin_cos((2.0 * std::f64::consts::PI) as f32 * *b);
        *a = (radius * cos).mul_add(std, mean);
        *b = (radius * sin).mul_add(std, mean);
    }
}

/// The same in f64, with the functions of libm.
pub(super) fn box16_f64(block: &mut [f64], mean: f64, std: f64) {
    let (first, second) = block.split_at_mut(8);
    for (a, b) in first.iter_mut().zip(second) {
        let radius = (-2.0 * (1.0 - *a).ln()).sqrt();
        let (sin, cos) = (2.0 * std::f64::consts::PI * *b).sin_cos();
        *a = (radius * cos).mul_add(std, mean);
        *b = (radius * sin).mul_add(std, mean);
    }
}

#[expect(clippy::excessive_precision, reason = "as the source has them")]
#[inline(always)]
fn log(x: f32) -> f32 {
    let x = x.max(f32::MIN_POSITIVE);
    let bits = x.to_bits();
    let mut exponent = ((bits >> 23) as i32 - 127) as f32 + 1.0;
    let mantissa = f32::from_bits(bits & !0x7f80_0000 | 0x3f00_0000);
    let small = mantissa < std::f32::consts::FRAC_1_SQRT_2;
    exponent -= if small { 1.0 } else { 0.0 };
    let x = (mantissa - 1.0) + if small { mantissa } else { 0.0 };
    let z = x * x;
    let mut y = 7.0376836292e-2_f32;
    for c in [
        -1.1514610310e-1_f32,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    ] {
        y = y.mul_add(x, c);
    }
    y *= x;
    y = y.mul_add(z, exponent * -2.12194440e-4);
    y = (-z).mul_add(0.5, y);
    exponent.mul_add(0.693359375, x + y)
}

/// Sine and cosine of a number that is not negative.
#[expect(clippy::excessive_precision, reason = "as the source has them")]
#[inline(always)]
fn sin_cos(t: f32) -> (f32, f32) {
    let j = ((t * 1.27323954473516_f32) as i32 + 1) & !1;
    let y = j as f32;
    let x = y.mul_add(-0.78515625, t);
    let x = y.mul_add(-2.4187564849853515625e-4, x);
    let x = y.mul_add(-3.77489497744594108e-8, x);
    let z = x * x;
    let c = 2.443315711809948e-5_f32.mul_add(z, -1.388731625493765e-3);
    let c = c.mul_add(z, 4.166664568298827e-2) * z;
    let c = c.mul_add(z, -(z * 0.5)) + 1.0;
    let s = (-1.9515295891e-4_f32).mul_add(z, 8.3321608736e-3);
    let s = s.mul_add(z, -1.6666654611e-1) * z;
    let s = s.mul_add(x, x);
    let (sin, cos) = if j & 2 == 0 { (s, c) } else { (c, s) };
    (if j & 4 != 0 { -sin } else { sin }, if !(j - 2) & 4 != 0 { -cos } else { cos })
}
