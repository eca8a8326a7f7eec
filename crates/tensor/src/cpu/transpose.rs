//! Rows of operands turned into the columns of panels that tiles read.

#[cfg(target_arch = "x86_64")]
use super::simd::{Isa, isa};
use crate::{DType, Element};
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
    match count {
        1 if width == 1 => return out[..len].copy_from_slice(&from[..len]),
        2 if width == 2 => return side_by_side::<T, 2>(from, stride, len, out),
        3 if width == 3 => return side_by_side::<T, 3>(from, stride, len, out),
        _ => {}
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

/// [`by_elements`] of `N` columns and no others, in one pass over what is written.
fn side_by_side<T: Copy, const N: usize>(from: &[T], stride: usize, len: usize, out: &mut [T]) {
    let columns: [&[T]; N] = std::array::from_fn(|i| &from[i * stride..][..len]);
    let out = &mut out.as_chunks_mut::<N>().0[..len];
    for p in 0..len {
        out[p] = std::array::from_fn(|i| columns[i][p]);
    }
}

/// [`by_elements`] in blocks of 8 by 8 or 4 by 4, the last of which may overlap the ones before, if there is one at all.
pub(super) fn singles(from: &[f32], stride: usize, size: (usize, usize), width: usize, out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    match size.0.min(size.1) {
        // SAFETY: the processor has AVX2.
        8.. if isa() >= Isa::Avx2 => return unsafe { blocks::<_, 8>(singles8, from, stride, size, width, out) },
        // SAFETY: every processor of this kind has SSE.
        4.. => return unsafe { blocks::<_, 4>(singles4, from, stride, size, width, out) },
        _ => {}
    }
    by_elements(from, stride, size, width, out);
}

/// [`singles`] of `f64`, in blocks of 4 by 4.
pub(super) fn doubles(from: &[f64], stride: usize, size: (usize, usize), width: usize, out: &mut [f64]) {
    #[cfg(target_arch = "x86_64")]
    if isa() >= Isa::Avx2 && size.0.min(size.1) >= 4 {
        // SAFETY: the processor has AVX2.
        return unsafe { blocks::<_, 4>(doubles4, from, stride, size, width, out) };
    }
    by_elements(from, stride, size, width, out);
}

/// [`by_elements`] by the instructions for its type, if there are any.
pub(super) fn elements<T: Element>(from: &[T], stride: usize, size: (usize, usize), width: usize, out: &mut [T]) {
    match T::DTYPE {
        DType::F32 => {
            // SAFETY: `T` is `f32`.
            let (from, out) = unsafe { operands_as(from, out) };
            singles(from, stride, size, width, out);
        }
        DType::F64 => {
            // SAFETY: `T` is `f64`.
            let (from, out) = unsafe { operands_as(from, out) };
            doubles(from, stride, size, width, out);
        }
        _ => by_elements(from, stride, size, width, out),
    }
}

/// # Safety
/// `T` and `S` are the same type.
unsafe fn operands_as<'a, T, S>(from: &'a [T], out: &'a mut [T]) -> (&'a [S], &'a mut [S]) {
    let (from_len, out_len) = (from.len(), out.len());
    // SAFETY: the same memory as slices of the same type, borrowed for as long.
    unsafe {
        (
            std::slice::from_raw_parts(from.as_ptr().cast(), from_len),
            std::slice::from_raw_parts_mut(out.as_mut_ptr().cast(), out_len),
        )
    }
}

/// # Panics
/// If there is no whole block, or a slice is too short.
///
/// # Safety
/// The processor has the instructions of `block`, which turns `S` rows of `S` elements.
#[cfg(target_arch = "x86_64")]
unsafe fn blocks<T, const S: usize>(
    block: unsafe fn(*const T, usize, *mut T, usize),
    from: &[T],
    stride: usize,
    (count, len): (usize, usize),
    width: usize,
    out: &mut [T],
) {
    assert!(count >= S && len >= S, "no block");
    assert!((count - 1) * stride + len <= from.len(), "columns leave their matrix");
    assert!(count <= width && (len - 1) * width + count <= out.len(), "columns leave their panel");
    for p in (0..len).step_by(S).map(|p| p.min(len - S)) {
        for i in (0..count).step_by(S).map(|i| i.min(count - S)) {
            // SAFETY: with i <= count - S and p <= len - S the assertions put the S reads of S numbers at
            // from[(i + c)·stride + p] and the writes at out[(p + q)·width + i] inside the slices.
            unsafe { block(from.as_ptr().add(i * stride + p), stride, out.as_mut_ptr().add(p * width + i), width) }
        }
    }
}

/// `out[q·width + c] = from[c·stride + q]` for `c, q < 4`.
///
/// # Safety
/// All these elements are readable and writable.
#[cfg(target_arch = "x86_64")]
unsafe fn singles4(from: *const f32, stride: usize, out: *mut f32, width: usize) {
    // SAFETY: SSE is always there; the caller's promise is about exactly these reads and writes.
    unsafe {
        let [a, b, c, d] = [0, 1, 2, 3].map(|i| _mm_loadu_ps(from.add(i * stride)));
        let (low, high) = (_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
        let (low2, high2) = (_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
        _mm_storeu_ps(out, _mm_movelh_ps(low, low2));
        _mm_storeu_ps(out.add(width), _mm_movehl_ps(low2, low));
        _mm_storeu_ps(out.add(2 * width), _mm_movelh_ps(high, high2));
        _mm_storeu_ps(out.add(3 * width), _mm_movehl_ps(high2, high));
    }
}

/// [`singles4`] of `f64`.
///
/// # Safety
/// The processor has AVX2; all these elements are readable and writable.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn doubles4(from: *const f64, stride: usize, out: *mut f64, width: usize) {
    // SAFETY: the caller's promise is about exactly these reads and writes.
    unsafe {
        let [a, b, c, d] = [0, 1, 2, 3].map(|i| _mm256_loadu_pd(from.add(i * stride)));
        let (low, high) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
        let (low2, high2) = (_mm256_unpacklo_pd(c, d), _mm256_unpackhi_pd(c, d));
        _mm256_storeu_pd(out, _mm256_permute2f128_pd::<0x20>(low, low2));
        _mm256_storeu_pd(out.add(width), _mm256_permute2f128_pd::<0x20>(high, high2));
        _mm256_storeu_pd(out.add(2 * width), _mm256_permute2f128_pd::<0x31>(low, low2));
        _mm256_storeu_pd(out.add(3 * width), _mm256_permute2f128_pd::<0x31>(high, high2));
    }
}

/// `out[q·width + c] = from[c·stride + q]` for `c, q < 8`.
///
/// # Safety
/// The processor has AVX2; all these elements are readable and writable.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn singles8(from: *const f32, stride: usize, out: *mut f32, width: usize) {
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
    use super::{doubles, singles};
    use crate::Element;

    fn check<T: Element>(transpose: impl Fn(&[T], usize, (usize, usize), usize, &mut [T])) {
        for (count, len, stride, width) in
            [(8, 8, 9, 8), (5, 20, 20, 6), (17, 33, 40, 19), (48, 16, 16, 48), (6, 9, 9, 6), (0, 3, 3, 2)]
                .into_iter()
                .chain([(1, 9, 12, 1), (2, 9, 12, 2), (3, 9, 9, 3), (3, 9, 9, 4)])
        {
            let from: Vec<T> = (0..count * stride).map(|i| T::from_i64(i as i64)).collect();
            let nothing = T::from_i64(-1);
            let mut out = vec![nothing; len * width];
            transpose(&from, stride, (count, len), width, &mut out);
            for (index, &x) in out.iter().enumerate() {
                let (p, i) = (index / width, index % width);
                assert_eq!(x, if i < count { from[i * stride + p] } else { nothing });
            }
        }
    }

    #[test]
    fn transposition_moves_every_element() {
        check::<f32>(singles);
        check::<f64>(doubles);
    }
}
