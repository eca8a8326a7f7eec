//! Sums of rows in vector intrinsics, in the order of [`super::reduce`]'s folds.
//!
//! Left to the compiler, the totals live in memory, and each step waits for the last one's store: 256 rows of 1,000 took
//! 39 µs, PyTorch's 14 µs.

#[cfg(target_arch = "x86_64")]
use super::simd::{Isa, isa};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Numbers whose rows may be summed here.
pub(crate) trait RowSums: Sized {
    /// Sums each row of `len` numbers and answers `true`, unless this processor or a row this short has no fast path.
    fn sum_rows(_: &[Self], _: usize, _: &mut [Self]) -> bool {
        false
    }
}
impl RowSums for i64 {}
#[cfg(not(target_arch = "x86_64"))]
impl RowSums for f32 {}
#[cfg(not(target_arch = "x86_64"))]
impl RowSums for f64 {}

#[cfg(target_arch = "x86_64")]
macro_rules! row_sums {
    ($($ty:ty, $rows:ident, $register:ty, $lanes:literal, $zero:ident, $load:ident, $add:ident, $store:ident;)*) => { $(
        impl RowSums for $ty {
            fn sum_rows(x: &[$ty], len: usize, out: &mut [$ty]) -> bool {
                if isa() < Isa::Avx2 || len < $lanes {
                    return false;
                }
                assert!(x.len() >= len * out.len(), "a row is missing");
                // SAFETY: `isa` answers so only if the processor has AVX2, and the rows were just counted.
                unsafe { $rows(x, len, out) };
                true
            }
        }

        /// # Safety
        /// The processor has AVX2, `x` holds `out.len()` rows of `len >= LANES` numbers.
        #[target_feature(enable = "avx2")]
        unsafe fn $rows(x: &[$ty], len: usize, out: &mut [$ty]) {
            const LANES: usize = $lanes;
            for (i, out) in out.iter_mut().enumerate() {
                let mut low: [$register; 4] = [$zero(); 4];
                let mut high: [$register; 4] = [$zero(); 4];
                // SAFETY: row i is x[i·len..][..len]; every load is of LANES numbers inside it.
                let mut total = unsafe {
                    let row = x.as_ptr().add(i * len);
                    let chunks = len / (4 * LANES);
                    for c in 0..chunks {
                        for k in 0..4 {
                            low[k] = $add(low[k], $load(row.add((4 * c + k) * LANES)));
                        }
                        if c % 16 == 15 {
                            for k in 0..4 {
                                high[k] = $add(high[k], low[k]);
                                low[k] = $zero();
                            }
                        }
                    }
                    for k in 0..4 {
                        low[k] = $add(low[k], high[k]);
                    }
                    let vectors = len / LANES;
                    for v in 4 * chunks..vectors {
                        low[0] = $add(low[0], $load(row.add(v * LANES)));
                    }
                    for k in 1..4 {
                        low[0] = $add(low[0], low[k]);
                    }
                    (vectors * LANES..len).fold(0.0, |total, p| total + *row.add(p))
                };
                let mut lanes = [0.0; LANES];
                // SAFETY: the array has room for LANES numbers.
                unsafe { $store(lanes.as_mut_ptr(), low[0]) };
                for lane in lanes {
                    total += lane;
                }
                *out = total;
            }
        }
    )* };
}
#[cfg(target_arch = "x86_64")]
row_sums! {
    f32, sum_rows_f32, __m256, 8, _mm256_setzero_ps, _mm256_loadu_ps, _mm256_add_ps, _mm256_storeu_ps;
    f64, sum_rows_f64, __m256d, 4, _mm256_setzero_pd, _mm256_loadu_pd, _mm256_add_pd, _mm256_storeu_pd;
}
