//! Squares of memory turned about their diagonal in vector registers, each line of the cache read and written once.
//!
//! The compiler goes element by element through the first-level cache, where lines a power of two apart drive each other out.

use crate::Element;
#[cfg(target_arch = "x86_64")]
use crate::cpu::simd::{Isa, isa};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Side of a square: a line of the cache in elements of four bytes.
pub(super) const SIDE: usize = 16;

/// Elements as they are moved ([`crate::DType::bits`]).
pub(super) trait Turn: Element {
    /// `to[i * step + k] = rows[k][i]`, and `true`, unless there are no instructions for it.
    fn turn(_rows: &[&[Self; SIDE]; SIDE], _to: &mut [Self], _step: usize) -> bool {
        false
    }
}
impl Turn for bool {}
impl Turn for u8 {}
impl Turn for i16 {}
#[cfg(not(target_arch = "x86_64"))]
impl Turn for i32 {}
#[cfg(not(target_arch = "x86_64"))]
impl Turn for i64 {}

/// One row: the type and its kernels.
#[cfg(target_arch = "x86_64")]
macro_rules! turns {
    ($($ty:ty, $avx2:ident, $avx512:ident;)*) => { $(
        impl Turn for $ty {
            fn turn(rows: &[&[Self; SIDE]; SIDE], to: &mut [Self], step: usize) -> bool {
                match isa() {
                    // SAFETY: `isa` answers so only if the processor has AVX-512 F.
                    Isa::Avx512 => unsafe { $avx512(rows, to, step) },
                    // SAFETY: `isa` answers so only if the processor has AVX2.
                    Isa::Avx2 => unsafe { $avx2(rows, to, step) },
                    Isa::Baseline => return false,
                }
                true
            }
        }
    )* };
}
#[cfg(target_arch = "x86_64")]
turns! {
    i32, singles_avx2, singles_avx512;
    i64, doubles_avx2, doubles_avx512;
}

/// Columns `4h..4h + 4` of eight rows at a time.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn singles_avx2(rows: &[&[i32; SIDE]; SIDE], to: &mut [i32], step: usize) {
    for h in 0..4 {
        for k in [0, 8] {
            // Four columns of rows `k` and `k + 4`.
            let both = |k: usize| pair(&rows[k][4 * h..], &rows[k + 4][4 * h..]);
            let [a, b, c, d] = [both(k), both(k + 1), both(k + 2), both(k + 3)];
            let (low, high) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
            let (low2, high2) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
            let columns = [
                _mm256_unpacklo_epi64(low, low2),
                _mm256_unpackhi_epi64(low, low2),
                _mm256_unpacklo_epi64(high, high2),
                _mm256_unpackhi_epi64(high, high2),
            ];
            (0..4).for_each(|i| store_half(columns[i], &mut to[(4 * h + i) * step + k..]));
        }
    }
}

/// Columns `2h` and `2h + 1` of four rows at a time.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn doubles_avx2(rows: &[&[i64; SIDE]; SIDE], to: &mut [i64], step: usize) {
    for h in 0..8 {
        for k in [0, 4, 8, 12] {
            let [a, b] = [k, k + 1].map(|k| pair(&rows[k][2 * h..], &rows[k + 2][2 * h..]));
            store_half(_mm256_unpacklo_epi64(a, b), &mut to[2 * h * step + k..]);
            store_half(_mm256_unpackhi_epi64(a, b), &mut to[(2 * h + 1) * step + k..]);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn singles_avx512(rows: &[&[i32; SIDE]; SIDE], to: &mut [i32], step: usize) {
    let row = |k: usize| load(&rows[k][..]);
    // Within each quarter of a register, four by four; then the quarters.
    let mut turned = [_mm512_setzero_si512(); SIDE];
    for g in (0..SIDE).step_by(4) {
        let [a, b, c, d] = [row(g), row(g + 1), row(g + 2), row(g + 3)];
        let (low, high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let (low2, high2) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        turned[g] = _mm512_unpacklo_epi64(low, low2);
        turned[g + 1] = _mm512_unpackhi_epi64(low, low2);
        turned[g + 2] = _mm512_unpacklo_epi64(high, high2);
        turned[g + 3] = _mm512_unpackhi_epi64(high, high2);
    }
    for c in 0..4 {
        let lines = turn_quarters([turned[c], turned[4 + c], turned[8 + c], turned[12 + c]]);
        (0..4).for_each(|q| store(lines[q], &mut to[(4 * q + c) * step..]));
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn doubles_avx512(rows: &[&[i64; SIDE]; SIDE], to: &mut [i64], step: usize) {
    for i in [0, 8] {
        for k in [0, 8] {
            let row = |j: usize| load(&rows[k + j][i..]);
            let pairs = [(row(0), row(1)), (row(2), row(3)), (row(4), row(5)), (row(6), row(7))];
            let even = turn_quarters(pairs.map(|(a, b)| _mm512_unpacklo_epi64(a, b)));
            let odd = turn_quarters(pairs.map(|(a, b)| _mm512_unpackhi_epi64(a, b)));
            for q in 0..4 {
                store(even[q], &mut to[(i + 2 * q) * step + k..]);
                store(odd[q], &mut to[(i + 2 * q + 1) * step + k..]);
            }
        }
    }
}

/// Quarter `j` of register `k` becomes quarter `k` of register `j`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[inline]
fn turn_quarters([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    let (low, high) = (_mm512_shuffle_i32x4::<0x44>(a, b), _mm512_shuffle_i32x4::<0xee>(a, b));
    let (low2, high2) = (_mm512_shuffle_i32x4::<0x44>(c, d), _mm512_shuffle_i32x4::<0xee>(c, d));
    [
        _mm512_shuffle_i32x4::<0x88>(low, low2),
        _mm512_shuffle_i32x4::<0xdd>(low, low2),
        _mm512_shuffle_i32x4::<0x88>(high, high2),
        _mm512_shuffle_i32x4::<0xdd>(high, high2),
    ]
}

/// Integers: any bits are one.
#[cfg(target_arch = "x86_64")]
trait Whole {}
#[cfg(target_arch = "x86_64")]
impl Whole for i32 {}
#[cfg(target_arch = "x86_64")]
impl Whole for i64 {}

/// The first 16 bytes of two slices.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn pair<T: Whole>(a: &[T], b: &[T]) -> __m256i {
    assert!(size_of_val(a) >= 16 && size_of_val(b) >= 16);
    // SAFETY: both hold 16 bytes, all of them initialised, as integers have no padding.
    unsafe {
        let low = _mm256_castsi128_si256(_mm_loadu_si128(a.as_ptr().cast()));
        _mm256_inserti128_si256::<1>(low, _mm_loadu_si128(b.as_ptr().cast()))
    }
}

/// Writes the first 32 bytes of a slice.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn store_half<T: Whole>(x: __m256i, to: &mut [T]) {
    assert!(size_of_val(to) >= 32);
    // SAFETY: it holds 32 bytes, and any are integers.
    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), x) }
}

/// The first 64 bytes of a slice.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[inline]
fn load<T: Whole>(from: &[T]) -> __m512i {
    assert!(size_of_val(from) >= 64);
    // SAFETY: it holds 64 bytes, all of them initialised, as integers have no padding.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}

/// Writes the first 64 bytes of a slice.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[inline]
fn store<T: Whole>(x: __m512i, to: &mut [T]) {
    assert!(size_of_val(to) >= 64);
    // SAFETY: it holds 64 bytes, and any are integers.
    unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), x) }
}

#[cfg(test)]
mod tests {
    use super::{SIDE, Turn};

    #[test]
    fn every_element_of_a_square_comes_to_its_place() {
        fn check<T: Turn>() {
            let data: Vec<T> = (0..SIDE * SIDE).map(|i| T::from_i64(i as i64)).collect();
            let rows = std::array::from_fn(|k| data[k * SIDE..].first_chunk().expect("a row"));
            let step = SIDE + 3;
            let mut to = vec![T::ZERO; SIDE * step];
            if T::turn(&rows, &mut to, step) {
                let at =
                    |i: usize| if i % step < SIDE { T::from_i64((i % step * SIDE + i / step) as i64) } else { T::ZERO };
                assert!((0..to.len()).all(|i| to[i] == at(i)));
            }
        }
        check::<i32>();
        check::<i64>();
    }
}
