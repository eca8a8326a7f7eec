//! Samples of the distributions, to the bit as PyTorch's AVX2 kernels make them.
//!
//! Every function draws in the order of its output. Where a product and a sum are written as [`f32::mul_add`], one
//! rounding is part of the result.

use super::mt19937::Mt19937;
use crate::cpu::simd::{Real, multiversion};
use crate::{Element, bf16, f16};

/// Words drawn at a time.
const BLOCK: usize = 512;
/// Normals from this many contiguous elements on are made in blocks of 16, with fewer one by one.
pub(super) const BOX: usize = 16;

/// A floating dtype's way of sampling.
pub(super) trait Sample: Element {
    /// Largest finite value.
    const MAX: f64;
    /// One above the largest integer up to which all are exact; what `random_` draws below.
    const INTEGERS: u64;
    /// The name in PyTorch's messages about bounds.
    const CPP: &'static str;
    /// Uniform in `[low, high)`.
    fn uniform(engine: &mut Mt19937, out: &mut [Self], low: f64, high: f64);
    /// Normal, for at least [`BOX`] contiguous elements.
    fn boxes(engine: &mut Mt19937, out: &mut [Self], mean: f64, std: f64);
    /// One uniform in `[0, 1)` in the precision of probabilities of this dtype.
    fn unit(engine: &mut Mt19937) -> f64;
}

impl Sample for f32 {
    const MAX: f64 = f32::MAX as f64;
    const INTEGERS: u64 = (1 << 24) + 1;
    const CPP: &'static str = "float";

    fn uniform(engine: &mut Mt19937, out: &mut [f32], low: f64, high: f64) {
        let (low, high) = (low as f32, high as f32);
        let mut words = [0u32; BLOCK];
        for piece in out.chunks_mut(BLOCK) {
            let words = &mut words[..piece.len()];
            engine.fill(words);
            uniform_f32(words, piece, high - low, low);
        }
    }

    fn boxes(engine: &mut Mt19937, out: &mut [f32], mean: f64, std: f64) {
        let (mean, std) = (mean as f32, std as f32);
        f32::uniform(engine, out, 0.0, 1.0);
        boxes_f32(out, mean, std);
        if !out.len().is_multiple_of(BOX) {
            let start = out.len() - BOX;
            f32::uniform(engine, &mut out[start..], 0.0, 1.0);
            boxes_f32(&mut out[start..], mean, std);
        }
    }

    #[inline(always)]
    fn unit(engine: &mut Mt19937) -> f64 {
        (engine.word() & 0xff_ffff) as f64 * (1.0 / (1u64 << 24) as f64)
    }
}

impl Sample for f64 {
    const MAX: f64 = f64::MAX;
    const INTEGERS: u64 = (1 << 53) + 1;
    const CPP: &'static str = "double";

    fn uniform(engine: &mut Mt19937, out: &mut [f64], low: f64, high: f64) {
        for o in out {
            *o = unit64(engine).mul_add(high - low, low);
        }
    }

    fn boxes(engine: &mut Mt19937, out: &mut [f64], mean: f64, std: f64) {
        f64::uniform(engine, out, 0.0, 1.0);
        out.chunks_exact_mut(BOX).for_each(|block| box_f64(block, mean, std));
        if !out.len().is_multiple_of(BOX) {
            let start = out.len() - BOX;
            f64::uniform(engine, &mut out[start..], 0.0, 1.0);
            box_f64(&mut out[start..], mean, std);
        }
    }

    #[inline(always)]
    fn unit(engine: &mut Mt19937) -> f64 {
        unit64(engine)
    }
}

macro_rules! half {
    ($($ty:ident, $max:expr, $integers:expr, $name:literal;)*) => { $(
        impl Sample for $ty {
            const MAX: f64 = $max;
            const INTEGERS: u64 = $integers;
            const CPP: &'static str = $name;

            fn uniform(engine: &mut Mt19937, out: &mut [$ty], low: f64, high: f64) {
                let (start, end) = ($ty::from_f64(low), $ty::from_f64(high));
                let mut wide = [0f32; BLOCK];
                for piece in out.chunks_mut(BLOCK) {
                    let wide = &mut wide[..piece.len()];
                    f32::uniform(engine, wide, low, high);
                    for (o, &v) in piece.iter_mut().zip(&*wide) {
                        // Rounding may reach the upper bound, which is excluded.
                        let rounded = $ty::from_f32(v);
                        *o = if rounded == end { start } else { rounded };
                    }
                }
            }

            fn boxes(engine: &mut Mt19937, out: &mut [$ty], mean: f64, std: f64) {
                let full = out.len() - out.len() % BOX;
                let mut block = |at: &mut [$ty]| {
                    let mut wide = [0f32; BOX];
                    f32::uniform(engine, &mut wide, 0.0, 1.0);
                    boxes_f32(&mut wide, mean as f32, std as f32);
                    at.iter_mut().zip(wide).for_each(|(o, v)| *o = $ty::from_f32(v));
                };
                out[..full].chunks_exact_mut(BOX).for_each(&mut block);
                if full < out.len() {
                    let start = out.len() - BOX;
                    block(&mut out[start..]);
                }
            }

            #[inline(always)]
            fn unit(engine: &mut Mt19937) -> f64 {
                f32::unit(engine)
            }
        }
    )* };
}
half! {
    f16, 65504.0, (1 << 11) + 1, "c10::Half";
    bf16, 3.3895313892515355e38, (1 << 8) + 1, "c10::BFloat16";
}

/// A uniform `f64` in `[0, 1)`.
#[inline(always)]
pub(super) fn unit64(engine: &mut Mt19937) -> f64 {
    (engine.word64() & ((1 << 53) - 1)) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// `hit` with probability `p`, else zero: a uniform `f64` below `p`.
pub(super) fn chances<T: Element>(engine: &mut Mt19937, out: &mut [T], p: f64, hit: T) {
    // The 53 bits as an integer are below p·2^53 just if the number in [0, 1) is below p.
    let below = (p * (1u64 << 53) as f64).ceil() as u64;
    let mut words = [0u32; BLOCK];
    for piece in out.chunks_mut(BLOCK / 2) {
        let words = &mut words[..2 * piece.len()];
        engine.fill(words);
        choose(words, piece, below, hit);
    }
}

/// A pair of standard normals (Box and Muller, 1958).
pub(super) fn pair(engine: &mut Mt19937) -> (f64, f64) {
    let (u1, u2) = (unit64(engine), unit64(engine));
    let radius = (-2.0 * (-u2).ln_1p()).sqrt();
    let (sin, cos) = (2.0 * std::f64::consts::PI * u1).sin_cos();
    (radius * cos, radius * sin)
}

multiversion! {
    fn uniform_f32(words: &[u32], out: &mut [f32], width: f32, low: f32) {
        for (o, &w) in out.iter_mut().zip(words) {
            let unit = (w & 0xff_ffff) as i32 as f32 * (1.0 / 16_777_216.0);
            *o = unit.fused(width, low);
        }
    }
}

multiversion! {
    fn choose[T: Element](words: &[u32], out: &mut [T], below: u64, hit: T) {
        for (o, pair) in out.iter_mut().zip(words.as_chunks::<2>().0) {
            let bits = ((pair[0] as u64 & 0x1f_ffff) << 32) | pair[1] as u64;
            *o = if bits < below { hit } else { T::ZERO };
        }
    }
}

multiversion! {
    /// Turns each full block of 16 uniforms into normals: the first 8 give radii, the last 8 angles.
    fn boxes_f32(data: &mut [f32], mean: f32, std: f32) {
        for block in data.chunks_exact_mut(BOX) {
            let (first, second) = block.split_at_mut(8);
            let mut radius = [0f32; 8];
            let mut sin = [0f32; 8];
            let mut cos = [0f32; 8];
            for j in 0..8 {
                radius[j] = (-2.0 * log(1.0 - first[j])).sqrt();
                (sin[j], cos[j]) = sin_cos(std::f32::consts::TAU * second[j]);
            }
            for j in 0..8 {
                first[j] = (radius[j] * cos[j]).fused(std, mean);
                second[j] = (radius[j] * sin[j]).fused(std, mean);
            }
        }
    }
}

fn box_f64(block: &mut [f64], mean: f64, std: f64) {
    for j in 0..8 {
        let radius = (-2.0 * (1.0 - block[j]).ln()).sqrt();
        let (sin, cos) = (2.0 * std::f64::consts::PI * block[j + 8]).sin_cos();
        block[j] = (radius * cos).mul_add(std, mean);
        block[j + 8] = (radius * sin).mul_add(std, mean);
    }
}

/// Natural logarithm of a positive, normal number: Cephes `logf` with the fusions of PyTorch's binary.
#[inline(always)]
fn log(x: f32) -> f32 {
    let bits = x.to_bits() as i32;
    let exponent = ((bits >> 23) - 127) as f32 + 1.0;
    let mantissa = f32::from_bits((bits & 0x007f_ffff | 0x3f00_0000) as u32);
    let small = mantissa < std::f32::consts::FRAC_1_SQRT_2;
    let e = exponent - if small { 1.0 } else { 0.0 };
    let x = (mantissa - 1.0) + if small { mantissa } else { 0.0 };
    let z = x * x;
    let mut y = 7.037_683_6e-2f32;
    for c in [
        -1.151_461e-1f32,
        1.167_699_84e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_4e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ] {
        y = y.fused(x, c);
    }
    y *= x;
    y = y.fused(z, e * -2.121_944_4e-4);
    y = (-z).fused(0.5, y);
    e.fused(0.693_359_4, x + y)
}

/// Sine and cosine of a number in `[0, 2π]`: Cephes `sinf`, as above.
#[inline(always)]
fn sin_cos(t: f32) -> (f32, f32) {
    let j = ((t * (4.0 / std::f32::consts::PI)) as i32 + 1) & !1;
    let y = j as f32;
    let x = y.fused(-0.785_156_25, t);
    let x = y.fused(-2.418_756_5e-4, x);
    let x = y.fused(-3.774_895e-8, x);
    let z = x * x;
    let mut c = 2.443_315_7e-5f32.fused(z, -1.388_731_6e-3);
    c = c.fused(z, 4.166_664_6e-2);
    c *= z;
    c = c.fused(z, -(z * 0.5)) + 1.0;
    let mut s = (-1.951_529_6e-4f32).fused(z, 8.332_161e-3);
    s = s.fused(z, -1.666_665_5e-1);
    s *= z;
    s = s.fused(x, x);
    let (sin, cos) = if j & 2 == 0 { (s, c) } else { (c, s) };
    let flip = |v: f32, sign: i32| f32::from_bits(v.to_bits() ^ ((sign as u32) << 29));
    (flip(sin, j & 4), flip(cos, !(j - 2) & 4))
}
