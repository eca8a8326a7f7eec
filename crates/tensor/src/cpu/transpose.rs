//! Rows of operands turned into the columns of panels that tiles read.

#[cfg(target_arch = "x86_64")]
use super::simd::{Isa, isa};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// `out[p·width + i] = from[i·stride + p]` for `i < count`, `p < len`.
pub(super) fn by_elements<T: Copy>(
    from: &[T],
    stride: usize,
    (count, len): (usize, usize),
    width: usize,
    out: &mut [T],
) {
    if count == 0 || len == 0 {
        return;
    }
    // Sixteen steps of all columns at a time: what is read and what is written fit in the first cache.
    for first in (0..len).step_by(16) {
        let some = 16.min(len - first);
        for i in 0..count {
            let column = &from[i * stride + first..][..some];
            let out = &mut out[first * width + i..][..(some - 1) * width + 1];
            for p in 0..some {
                out[p * width] = column[p];
            }
        }
    }
}

/// [`by_elements`] in blocks of 8 by 8, the last of which may overlap the ones before, if there is one at all.
pub(super) fn by_blocks(from: &[f32], stride: usize, size: (usize, usize), width: usize, out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if isa() >= Isa::Avx2 && size.0 >= 8 && size.1 >= 8 {
        return blocks(from, stride, size, width, out);
    }
    by_elements(from, stride, size, width, out);
}

/// # Panics
/// If there is no block, or a slice is too short.
#[cfg(target_arch = "x86_64")]
fn blocks(from: &[f32], stride: usize, (count, len): (usize, usize), width: usize, out: &mut [f32]) {
    assert!(isa() >= Isa::Avx2 && count >= 8 && len >= 8, "no block");
    assert!((count - 1) * stride + len <= from.len(), "columns leave their matrix");
    assert!(count <= width && (len - 1) * width + count <= out.len(), "columns leave their panel");
    for p in (0..len).step_by(8).map(|p| p.min(len - 8)) {
        for i in (0..count).step_by(8).map(|i| i.min(count - 8)) {
            // SAFETY: AVX2 is there. With i <= count - 8 and p <= len - 8 the assertions put the eight reads
            // of eight numbers at from[(i + c)·stride + p] and the writes at out[(p + q)·width + i] inside the slices.
            unsafe { block(from.as_ptr().add(i * stride + p), stride, out.as_mut_ptr().add(p * width + i), width) }
        }
    }
}

/// `out[q·width + c] = from[c·stride + q]` for `c, q < 8`.
///
/// # Safety
/// The processor has AVX2; all these elements are readable and writable.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn block(from: *const f32, stride: usize, out: *mut f32, width: usize) {
    let mut row = [_mm256_setzero_ps(); 8];
    for c in 0..8 {
        // SAFETY: the caller's promise is about exactly these reads.
        row[c] = unsafe { _mm256_loadu_ps(from.add(c * stride)) };
    }
    // quad[4·h + q] holds steps q and q + 4 of columns 4h .. 4h + 4.
    let mut quad = row;
    for h in [0, 4] {
        let (a, b) = (_mm256_unpacklo_ps(row[h], row[h + 1]), _mm256_unpackhi_ps(row[h], row[h + 1]));
        let (c, d) = (_mm256_unpacklo_ps(row[h + 2], row[h + 3]), _mm256_unpackhi_ps(row[h + 2], row[h + 3]));
        quad[h] = _mm256_shuffle_ps::<0x44>(a, c);
        quad[h + 1] = _mm256_shuffle_ps::<0xee>(a, c);
        quad[h + 2] = _mm256_shuffle_ps::<0x44>(b, d);
        quad[h + 3] = _mm256_shuffle_ps::<0xee>(b, d);
    }
    for q in 0..4 {
        let (low, high) = (quad[q], quad[q + 4]);
        // SAFETY: the caller's promise is about exactly these writes.
        unsafe {
            _mm256_storeu_ps(out.add(q * width), _mm256_permute2f128_ps::<0x20>(low, high));
            _mm256_storeu_ps(out.add((q + 4) * width), _mm256_permute2f128_ps::<0x31>(low, high));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::by_blocks;

    #[test]
    fn transposition_moves_every_element() {
        for (count, len, stride, width) in
            [(8, 8, 9, 8), (5, 20, 20, 6), (17, 33, 40, 19), (48, 16, 16, 48), (0, 3, 3, 2)]
        {
            let from: Vec<f32> = (0..count * stride).map(|i| i as f32).collect();
            let mut out = vec![-1.0; len * width];
            by_blocks(&from, stride, (count, len), width, &mut out);
            for (index, &x) in out.iter().enumerate() {
                let (p, i) = (index / width, index % width);
                assert_eq!(x, if i < count { from[i * stride + p] } else { -1.0 });
            }
        }
    }
}
