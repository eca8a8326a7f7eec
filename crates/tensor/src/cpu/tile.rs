//! Register tiles: the innermost loops of matrix products and convolutions, in vector intrinsics.
//!
//! Loops over arrays of accumulators do not stay in registers when left to the compiler, and these few decide the speed
//! of everything above; so here, and only here, intrinsics are written out. [`Kernels::of`] chooses the instruction set
//! once; its methods check every bound once per tile, so that callers need no `unsafe`.

// Indices run over several arrays of registers at once.
#![allow(clippy::needless_range_loop)]

use super::simd::{Isa, Real, isa};
pub(crate) use super::tile_args::{Finish, Rows, Size, Start};
use crate::Element;

/// A vector register of numbers.
///
/// # Safety
/// The methods may be called only where the processor has the instructions behind them, and on pointers to `N`
/// readable (`load`) or writable (`store`) numbers.
trait Lanes: Copy {
    type T: Real;
    const N: usize;
    unsafe fn splat(x: Self::T) -> Self;
    unsafe fn load(at: *const Self::T) -> Self;
    unsafe fn store(self, at: *mut Self::T);
    /// `self · b + c`.
    unsafe fn fma(self, b: Self, c: Self) -> Self;
    unsafe fn add(self, b: Self) -> Self;
    /// `self` where it is more, else `b`, also where either is NaN.
    unsafe fn max(self, b: Self) -> Self;
}

/// Four numbers for processors without a written-out path; the compiler finds their registers.
#[derive(Clone, Copy)]
struct Plain<T>([T; 4]);

impl<T: Real> Lanes for Plain<T> {
    type T = T;
    const N: usize = 4;
    #[inline(always)]
    unsafe fn splat(x: T) -> Self {
        Plain([x; 4])
    }
    #[inline(always)]
    unsafe fn load(at: *const T) -> Self {
        // SAFETY: the caller gives a pointer to N readable numbers; an array of them has their alignment.
        Plain(unsafe { *at.cast() })
    }
    #[inline(always)]
    unsafe fn store(self, at: *mut T) {
        // SAFETY: as in `load`, writable.
        unsafe { *at.cast() = self.0 }
    }
    #[inline(always)]
    unsafe fn fma(self, b: Self, c: Self) -> Self {
        const FMA: bool = cfg!(target_arch = "aarch64");
        Plain(std::array::from_fn(|i| super::simd::fma::<FMA, T>(self.0[i], b.0[i], c.0[i])))
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        Plain(std::array::from_fn(|i| self.0[i] + b.0[i]))
    }
    #[inline(always)]
    unsafe fn max(self, b: Self) -> Self {
        Plain(std::array::from_fn(|i| if self.0[i] > b.0[i] { self.0[i] } else { b.0[i] }))
    }
}

#[cfg(target_arch = "x86_64")]
macro_rules! lanes {
    ($($register:ident, $ty:ty, $n:literal, $splat:ident, $load:ident, $store:ident, $fma:ident, $add:ident, $max:ident;)*) => {
        use std::arch::x86_64::*;
        $(impl Lanes for $register {
            type T = $ty;
            const N: usize = $n;
            #[inline(always)]
            // SAFETY: (all six) what the trait demands is what the intrinsic demands.
            unsafe fn splat(x: $ty) -> Self { unsafe { $splat(x) } }
            #[inline(always)]
            // SAFETY: see `splat`.
            unsafe fn load(at: *const $ty) -> Self { unsafe { $load(at) } }
            #[inline(always)]
            // SAFETY: see `splat`.
            unsafe fn store(self, at: *mut $ty) { unsafe { $store(at, self) } }
            #[inline(always)]
            // SAFETY: see `splat`.
            unsafe fn fma(self, b: Self, c: Self) -> Self { unsafe { $fma(self, b, c) } }
            #[inline(always)]
            // SAFETY: see `splat`.
            unsafe fn add(self, b: Self) -> Self { unsafe { $add(self, b) } }
            #[inline(always)]
            // SAFETY: see `splat`.
            unsafe fn max(self, b: Self) -> Self { unsafe { $max(self, b) } }
        })*
    };
}
#[cfg(target_arch = "x86_64")]
lanes! {
    __m512, f32, 16, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_fmadd_ps, _mm512_add_ps, _mm512_max_ps;
    __m512d, f64, 8, _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_fmadd_pd, _mm512_add_pd, _mm512_max_pd;
    __m256, f32, 8, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_fmadd_ps, _mm256_add_ps, _mm256_max_ps;
    __m256d, f64, 4, _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_fmadd_pd, _mm256_add_pd, _mm256_max_pd;
}

/// Sums of products over `rows.len()` rows: `c[i][j] = ends(Σ_p a[p][i] · b[at[p] + j])`.
///
/// # Safety
/// `a` holds `MR` numbers per row; each row of `b` has `NV·N` readable numbers; `m <= MR` rows of `c`, at
/// `c + i·step`, have `n <= NV·N` writable numbers, and the rows of `ends.start` likewise.
#[inline(always)]
unsafe fn tile<V: Lanes, const MR: usize, const NV: usize>(
    (a, b, rows): (*const V::T, *const V::T, &[usize]),
    (c, size): (*mut V::T, Size),
    ends: Finish<'_, V::T>,
) {
    // SAFETY: the pointers are in bounds as the caller promises, see each use.
    unsafe {
        let mut acc = [[V::splat(V::T::ZERO); NV]; MR];
        let mut a = a;
        for &at in rows {
            let row = b.add(at);
            let mut x = [V::splat(V::T::ZERO); NV];
            for v in 0..NV {
                x[v] = V::load(row.add(v * V::N));
            }
            for i in 0..MR {
                let s = V::splat(*a.add(i));
                for v in 0..NV {
                    acc[i][v] = s.fma(x[v], acc[i][v]);
                }
            }
            a = a.add(MR);
        }
        finish(acc, (c, size), ends);
    }
}

/// Like [`tile`], with the left factor where it lies: `c[i][j] = ends(Σ_p x[x_at[i] + at[p]] · w[p·NV·N + j])`.
///
/// # Safety
/// All these elements are readable; `c` and `ends` as for [`tile`].
#[inline(always)]
unsafe fn lines<V: Lanes, const MR: usize, const NV: usize>(
    (x, x_at, at): (*const V::T, &[usize], &[usize]),
    w: *const V::T,
    (c, size): (*mut V::T, Size),
    ends: Finish<'_, V::T>,
) {
    // SAFETY: the pointers are in bounds as the caller promises; x_at has at least one element.
    unsafe {
        let mut acc = [[V::splat(V::T::ZERO); NV]; MR];
        let xs: [*const V::T; MR] = std::array::from_fn(|i| x.add(x_at[i.min(x_at.len() - 1)]));
        let mut w = w;
        for &at in at {
            let mut row = [V::splat(V::T::ZERO); NV];
            for v in 0..NV {
                row[v] = V::load(w.add(v * V::N));
            }
            for i in 0..MR {
                let s = V::splat(*xs[i].add(at));
                for v in 0..NV {
                    acc[i][v] = s.fma(row[v], acc[i][v]);
                }
            }
            w = w.add(NV * V::N);
        }
        finish(acc, (c, size), ends);
    }
}

/// Stores the sums of a tile, finished by `ends`.
///
/// # Safety
/// As [`tile`] for `c` and `ends`.
#[inline(always)]
unsafe fn finish<V: Lanes, const MR: usize, const NV: usize>(
    acc: [[V; NV]; MR],
    (c, size): (*mut V::T, Size),
    ends: Finish<'_, V::T>,
) {
    // SAFETY: the promise is passed on.
    unsafe {
        // Where there is no floor, to raise the sums to it would cost a tile of 64 steps 1.5 %.
        if ends.floor > V::T::NEG_INFINITY {
            store::<V, MR, NV, true>(acc, (c, size), ends);
        } else {
            store::<V, MR, NV, false>(acc, (c, size), ends);
        }
    }
}

/// [`finish`], with a floor if `RAISED`.
///
/// # Safety
/// As [`tile`] for `c` and `ends`.
#[inline(always)]
unsafe fn store<V: Lanes, const MR: usize, const NV: usize, const RAISED: bool>(
    acc: [[V; NV]; MR],
    (c, Size { m, n, step }): (*mut V::T, Size),
    Finish { start, floor }: Finish<'_, V::T>,
) {
    // SAFETY: the pointers are in bounds as the caller promises, see each use.
    unsafe {
        let floors = V::splat(floor);
        for i in 0..MR {
            if i >= m {
                break;
            }
            let out = c.add(i * step);
            let (from, splat) = match start {
                Start::Zero => (std::ptr::null(), None),
                Start::Keep => (out.cast_const(), None),
                Start::Rows(data, stride) => (data.as_ptr().add(i * stride), None),
                Start::Splat(data, stride) => (std::ptr::null(), Some(V::splat(*data.as_ptr().add(i * stride)))),
            };
            for v in 0..NV {
                let (first, sum) = (v * V::N, acc[i][v]);
                let sum = splat.map_or(sum, |s| s.add(sum));
                if first + V::N <= n {
                    let sum = if from.is_null() { sum } else { V::load(from.add(first)).add(sum) };
                    let sum = if RAISED { floors.max(sum) } else { sum };
                    sum.store(out.add(first));
                } else if first < n {
                    let mut part = [V::T::ZERO; 16];
                    sum.store(part.as_mut_ptr());
                    for j in first..n {
                        let value = part[j - first];
                        let value = if from.is_null() { value } else { *from.add(j) + value };
                        *out.add(j) = if RAISED && value < floor { floor } else { value };
                    }
                }
            }
        }
    }
}

/// Sums of products along both operands, for `MR` rows of one and `NT` of the other: for `i < MR`, `t < NT`
/// `sums[i·NT + t] += Σ_s Σ_j d[s·d_step + d_at[i] + j] · x[s·x_step + x_at[t] + j]`, `j < steps·N`, `s < segments`.
///
/// # Safety
/// All these elements are readable, `sums` has room.
#[inline(always)]
unsafe fn dots<V: Lanes, const MR: usize, const NT: usize>(
    (x, x_at, x_step): (*const V::T, &[usize], usize),
    (d, d_at, d_step): (*const V::T, &[usize], usize),
    (segments, steps): (usize, usize),
    sums: &mut [V::T],
) {
    // SAFETY: the pointers are in bounds as the caller promises.
    unsafe {
        let mut acc = [[V::splat(V::T::ZERO); NT]; MR];
        for s in 0..segments {
            let (x, d) = (x.add(s * x_step), d.add(s * d_step));
            let xs: [*const V::T; NT] = std::array::from_fn(|t| x.add(x_at[t]));
            let ds: [*const V::T; MR] = std::array::from_fn(|i| d.add(d_at[i]));
            for j in 0..steps {
                let mut row = [V::splat(V::T::ZERO); NT];
                for t in 0..NT {
                    row[t] = V::load(xs[t].add(j * V::N));
                }
                for i in 0..MR {
                    let d = V::load(ds[i].add(j * V::N));
                    for t in 0..NT {
                        acc[i][t] = d.fma(row[t], acc[i][t]);
                    }
                }
            }
        }
        for i in 0..MR {
            for t in 0..NT {
                let mut parts = [V::T::ZERO; 16];
                acc[i][t].store(parts.as_mut_ptr());
                let mut half = V::N / 2;
                while half > 0 {
                    for l in 0..half {
                        let other = parts[l + half];
                        parts[l] += other;
                    }
                    half /= 2;
                }
                sums[i * NT + t] += parts[0];
            }
        }
    }
}

type DotsFn<T> = unsafe fn((*const T, &[usize], usize), (*const T, &[usize], usize), (usize, usize), &mut [T]);
type LinesFn<T> = unsafe fn((*const T, &[usize], &[usize]), *const T, (*mut T, Size), Finish<'_, T>);
type TileFn<T> = unsafe fn((*const T, *const T, &[usize]), (*mut T, Size), Finish<'_, T>);

/// The register tiles of one element type on this processor.
pub(crate) struct Kernels<T: 'static> {
    /// Numbers in a vector.
    pub(crate) lanes: usize,
    /// Rows of the largest tile.
    pub(crate) mr: usize,
    /// `tiles[(rows+1)/2 - 1][vectors - 1]`.
    tiles: &'static [[TileFn<T>; 3]],
    /// `lines[vectors - 1]`, `mr` rows high.
    lines: [LinesFn<T>; 3],
    /// The widest of `dots`, less one: `dots[rows - 1][0]` takes so many rows of the second operand, `[1]` one more.
    pub(crate) dot_width: usize,
    dots: &'static [[DotsFn<T>; 2]],
}

/// An element type with register tiles.
pub(crate) trait Tiled: Real {
    /// The tiles for this processor.
    fn kernels() -> &'static Kernels<Self>;

    /// `out[p·width + i] = from[i·stride + p]` for `i < count`, `p < len`.
    fn transpose(from: &[Self], stride: usize, size: (usize, usize), width: usize, out: &mut [Self]) {
        transpose_part(from, stride, size, width, out);
    }
}

/// [`Tiled::transpose`] in plain code.
fn transpose_part<T: Copy>(from: &[T], stride: usize, (count, len): (usize, usize), width: usize, out: &mut [T]) {
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

/// Transposes in blocks of 8 by 8, the last of which may overlap the ones before, if there is one at all.
#[cfg(target_arch = "x86_64")]
fn transpose_blocks(from: &[f32], stride: usize, (count, len): (usize, usize), width: usize, out: &mut [f32]) -> bool {
    if isa() < Isa::Avx2 || count < 8 || len < 8 {
        return false;
    }
    assert!((count - 1) * stride + len <= from.len(), "columns leave their matrix");
    assert!(count <= width && (len - 1) * width + count <= out.len(), "columns leave their panel");
    for p in (0..len).step_by(8).map(|p| p.min(len - 8)) {
        for i in (0..count).step_by(8).map(|i| i.min(count - 8)) {
            // SAFETY: AVX2 was asked for above. With i <= count - 8 and p <= len - 8 the assertions put the eight reads
            // of eight numbers at from[(i + c)·stride + p] and the writes at out[(p + q)·width + i] inside the slices.
            unsafe {
                transpose_block(from.as_ptr().add(i * stride + p), stride, out.as_mut_ptr().add(p * width + i), width)
            }
        }
    }
    true
}

/// `out[q·width + c] = from[c·stride + q]` for `c, q < 8`.
///
/// # Safety
/// The processor has AVX2; all these elements are readable and writable.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn transpose_block(from: *const f32, stride: usize, out: *mut f32, width: usize) {
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

macro_rules! tiled {
    ($($ty:ty, $r512:ident, $r256:ident, $v512:ident, $v256:ident, $plain:ident, $l512:ident, $l256:ident, $lplain:ident, $d512:ident, $d256:ident, $dplain:ident, {$($more:tt)*};)*) => { $(
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx2,fma")]
        unsafe fn $v512<const MR: usize, const NV: usize>(
            ab: (*const $ty, *const $ty, &[usize]), c: (*mut $ty, Size), ends: Finish<'_, $ty>,
        ) {
            // SAFETY: the caller promises what `tile` demands; the features are enabled here.
            unsafe { tile::<$r512, MR, NV>(ab, c, ends) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn $v256<const MR: usize, const NV: usize>(
            ab: (*const $ty, *const $ty, &[usize]), c: (*mut $ty, Size), ends: Finish<'_, $ty>,
        ) {
            // SAFETY: as above.
            unsafe { tile::<$r256, MR, NV>(ab, c, ends) }
        }
        unsafe fn $plain<const MR: usize, const NV: usize>(
            ab: (*const $ty, *const $ty, &[usize]), c: (*mut $ty, Size), ends: Finish<'_, $ty>,
        ) {
            // SAFETY: the caller promises what `tile` demands; plain lanes need no feature.
            unsafe { tile::<Plain<$ty>, MR, NV>(ab, c, ends) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx2,fma")]
        unsafe fn $d512<const MR: usize, const NT: usize>(
            x: (*const $ty, &[usize], usize), d: (*const $ty, &[usize], usize), n: (usize, usize), sums: &mut [$ty],
        ) {
            // SAFETY: the caller promises what `dots` demands; the features are enabled here.
            unsafe { dots::<$r512, MR, NT>(x, d, n, sums) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn $d256<const MR: usize, const NT: usize>(
            x: (*const $ty, &[usize], usize), d: (*const $ty, &[usize], usize), n: (usize, usize), sums: &mut [$ty],
        ) {
            // SAFETY: as above.
            unsafe { dots::<$r256, MR, NT>(x, d, n, sums) }
        }
        unsafe fn $dplain<const MR: usize, const NT: usize>(
            x: (*const $ty, &[usize], usize), d: (*const $ty, &[usize], usize), n: (usize, usize), sums: &mut [$ty],
        ) {
            // SAFETY: the caller promises what `dots` demands; plain lanes need no feature.
            unsafe { dots::<Plain<$ty>, MR, NT>(x, d, n, sums) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx2,fma")]
        unsafe fn $l512<const NV: usize>(
            x: (*const $ty, &[usize], &[usize]), w: *const $ty, c: (*mut $ty, Size), ends: Finish<'_, $ty>,
        ) {
            // SAFETY: the caller promises what `lines` demands, and has the features that are enabled here.
            unsafe { lines::<$r512, 8, NV>(x, w, c, ends) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn $l256<const NV: usize>(
            x: (*const $ty, &[usize], &[usize]), w: *const $ty, c: (*mut $ty, Size), ends: Finish<'_, $ty>,
        ) {
            // SAFETY: the caller promises what `lines` demands, and has the features that are enabled here.
            unsafe { lines::<$r256, 4, NV>(x, w, c, ends) }
        }

        unsafe fn $lplain<const NV: usize>(
            x: (*const $ty, &[usize], &[usize]), w: *const $ty, c: (*mut $ty, Size), ends: Finish<'_, $ty>,
        ) {
            // SAFETY: the caller promises what `lines` demands, and has the features that are enabled here.
            unsafe { lines::<Plain<$ty>, 4, NV>(x, w, c, ends) }
        }
        impl Tiled for $ty {
            $($more)*

            fn kernels() -> &'static Kernels<$ty> {
                #[cfg(target_arch = "x86_64")]
                {
                    // 24 sums, three vectors and a factor fill the 32 registers of AVX-512; 12 and 4 the 16 of AVX2.
                    static WIDE: Kernels<$ty> = Kernels { lanes: $r512::N, mr: 8, tiles: &[
                        [$v512::<2, 1>, $v512::<2, 2>, $v512::<2, 3>],
                        [$v512::<4, 1>, $v512::<4, 2>, $v512::<4, 3>],
                        [$v512::<6, 1>, $v512::<6, 2>, $v512::<6, 3>],
                        [$v512::<8, 1>, $v512::<8, 2>, $v512::<8, 3>],
                    ], lines: [$l512::<1>, $l512::<2>, $l512::<3>], dot_width: 5, dots: &[
                        [$d512::<1, 5>, $d512::<1, 6>], [$d512::<2, 5>, $d512::<2, 6>],
                        [$d512::<3, 5>, $d512::<3, 6>], [$d512::<4, 5>, $d512::<4, 6>],
                    ] };
                    static MIDDLE: Kernels<$ty> = Kernels { lanes: $r256::N, mr: 4, tiles: &[
                        [$v256::<2, 1>, $v256::<2, 2>, $v256::<2, 3>],
                        [$v256::<4, 1>, $v256::<4, 2>, $v256::<4, 3>],
                    ], lines: [$l256::<1>, $l256::<2>, $l256::<3>], dot_width: 4, dots: &[[$d256::<1, 4>, $d256::<1, 5>], [$d256::<2, 4>, $d256::<2, 5>]] };
                    match isa() {
                        Isa::Avx512 => return &WIDE,
                        Isa::Avx2 => return &MIDDLE,
                        Isa::Baseline => {}
                    }
                }
                static NARROW: Kernels<$ty> = Kernels { lanes: 4, mr: 4, tiles: &[
                    [$plain::<2, 1>, $plain::<2, 2>, $plain::<2, 3>],
                    [$plain::<4, 1>, $plain::<4, 2>, $plain::<4, 3>],
                ], lines: [$lplain::<1>, $lplain::<2>, $lplain::<3>], dot_width: 4, dots: &[[$dplain::<1, 4>, $dplain::<1, 5>], [$dplain::<2, 4>, $dplain::<2, 5>]] };
                &NARROW
            }
        }
    )* };
}
tiled! {
    f32, __m512, __m256, f32_avx512, f32_avx2, f32_plain, f32_lines_avx512, f32_lines_avx2, f32_lines_plain, f32_dots_avx512, f32_dots_avx2, f32_dots_plain, {
        #[cfg(target_arch = "x86_64")]
        fn transpose(from: &[f32], stride: usize, (count, len): (usize, usize), width: usize, out: &mut [f32]) {
            if !transpose_blocks(from, stride, (count, len), width, out) {
                transpose_part(from, stride, (count, len), width, out);
            }
        }
    };
    f64, __m512d, __m256d, f64_avx512, f64_avx2, f64_plain, f64_lines_avx512, f64_lines_avx2, f64_lines_plain, f64_dots_avx512, f64_dots_avx2, f64_dots_plain, {};
}

impl<T: Tiled> Kernels<T> {
    /// Columns of the widest tile.
    pub(crate) fn nr(&self) -> usize {
        3 * self.lanes
    }

    /// Rows that a tile of `m` rows computes: its packed factor has so many numbers per step.
    pub(crate) fn padded(&self, m: usize) -> usize {
        m.next_multiple_of(2).min(self.mr)
    }

    /// Columns that a tile of `n` columns reads.
    pub(crate) fn read(&self, n: usize) -> usize {
        n.next_multiple_of(self.lanes)
    }

    /// One tile: `c[i·step + j] = ends(Σ_p a[p·padded(m) + i] · b[rows[p] + j])` for `i < m`, `j < n`.
    ///
    /// # Panics
    /// If a slice is too short for that (each row of `b` is read up to [`Kernels::read`]`(n)`).
    #[inline]
    pub(crate) fn tile<'a>(
        &self,
        a: &[T],
        b: &[T],
        rows: Rows<'_>,
        c: &mut [T],
        size: Size,
        ends: impl Into<Finish<'a, T>>,
    ) {
        assert!(size.end() <= c.len(), "a tile leaves its output");
        // SAFETY: just checked for the output; the rest is checked by `tile_at`.
        unsafe { self.tile_at(a, b, rows, c.as_mut_ptr(), size, ends.into()) }
    }

    /// [`Kernels::tile`] with a raw output.
    ///
    /// # Safety
    /// `c + i·step` points to `n` numbers that may be written, and that nothing else reads or writes meanwhile.
    #[inline]
    pub(crate) unsafe fn tile_at(&self, a: &[T], b: &[T], rows: Rows<'_>, c: *mut T, size: Size, ends: Finish<'_, T>) {
        let (m, n, wide) = (size.m, size.n, self.read(size.n));
        if m == 0 || n == 0 {
            return;
        }
        assert!(m <= self.mr && wide <= self.nr(), "a tile is too large");
        let (mr, vectors) = (self.padded(m), wide / self.lanes);
        assert!(a.len() >= rows.at().len() * mr, "a factor is too short");
        assert!(rows.at().is_empty() || rows.last() + wide <= b.len(), "a factor's rows leave it");
        ends.start.check(m, n);
        // SAFETY: the assertions give `tile` what it demands of a, b and ends (m <= mr rows and n <= wide columns, mr
        // the constant MR and vectors the constant NV of the chosen entry), the caller the rest; the table was chosen
        // for this processor's instructions.
        unsafe { self.tiles[mr / 2 - 1][vectors - 1]((a.as_ptr(), b.as_ptr(), rows.at()), (c, size), ends) }
    }

    /// One tile whose left factor is read where it lies: `c[i·step + j] = ends(Σ_p x[x_at[i] + taps[p]] · w[p][j])` for
    /// `i < m = x_at.len() <= mr`, `j < n`; `w` has rows of [`Kernels::read`]`(n)` numbers.
    ///
    /// # Panics
    /// If a slice is too short for that.
    #[inline]
    pub(crate) fn lines<'a>(
        &self,
        (x, x_at, taps): (&[T], Rows<'_>, Rows<'_>),
        w: &[T],
        c: &mut [T],
        size: Size,
        ends: impl Into<Finish<'a, T>>,
    ) {
        let ends = ends.into();
        let (m, n, wide) = (size.m, size.n, self.read(size.n));
        if m == 0 || n == 0 {
            return;
        }
        assert!(m <= self.mr && m == x_at.len() && wide <= self.nr(), "a tile is too large");
        assert!(taps.at().is_empty() || x_at.last() + taps.last() < x.len(), "a factor's rows leave it");
        assert!(taps.at().len() * wide <= w.len(), "a factor is too short");
        assert!(size.end() <= c.len(), "a tile leaves its output");
        ends.start.check(m, n);
        let kernel = self.lines[wide / self.lanes - 1];
        // SAFETY: the assertions keep all reads in x, w and ends and all writes in c; the table was chosen for this
        // processor's instructions.
        unsafe { kernel((x.as_ptr(), x_at.at(), taps.at()), w.as_ptr(), (c.as_mut_ptr(), size), ends) }
    }

    /// The most rows of the first operand of [`Kernels::dots`].
    pub(crate) fn dot_rows(&self) -> usize {
        self.dots.len()
    }

    /// Sums of products along two operands of which each row is read in `segments` pieces, `x_step` or `d_step` apart,
    /// of `steps` vectors each: `sums[i·x_at.len() + t] += Σ d[.. d_at[i] ..] · x[.. x_at[t] ..]`.
    ///
    /// # Panics
    /// If a slice is too short, or there is no tile of so many rows.
    pub(crate) fn dots(
        &self,
        (x, x_at, x_step): (&[T], &[usize], usize),
        (d, d_at, d_step): (&[T], &[usize], usize),
        (segments, steps): (usize, usize),
        sums: &mut [T],
    ) {
        if segments == 0 || steps == 0 || d_at.is_empty() {
            return;
        }
        let end = |at: &[usize], step: usize| {
            at.iter().copied().max().unwrap_or(0) + (segments - 1) * step + steps * self.lanes
        };
        assert!(end(x_at, x_step) <= x.len() && end(d_at, d_step) <= d.len(), "rows leave their operand");
        assert!(sums.len() >= d_at.len() * x_at.len(), "no room for the sums");
        let kernel = self.dots[d_at.len() - 1][x_at.len() - self.dot_width];
        // SAFETY: the assertions keep every read inside x and d; the table's entry is for exactly these numbers of rows
        // and was chosen for this processor's instructions.
        unsafe { kernel((x.as_ptr(), x_at, x_step), (d.as_ptr(), d_at, d_step), (segments, steps), sums) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64, len: usize) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let next = |_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as f32 / (1u64 << 30) as f32 - 1.0
        };
        (0..len).map(next).collect()
    }

    #[test]
    fn a_tile_of_any_size_is_its_sum_and_writes_nothing_else() {
        let kernels = f32::kernels();
        for (m, n, k) in [
            (1, 1, 1),
            (2, 3, 5),
            (3, kernels.lanes, 2),
            (kernels.mr, kernels.nr(), 7),
            (kernels.mr, kernels.nr() - 1, 3),
            (1, 2, 0),
        ] {
            let (mr, wide) = (kernels.padded(m), kernels.read(n));
            let (a, b) = (noise(1, k * mr), noise(2, k * 3 + wide));
            let at: Vec<usize> = (0..k).map(|p| (p * 2) % 5).collect();
            let size = Size { m, n, step: n + 2 };
            let addend = noise(4, m * (n + 1));
            for start in [Start::Zero, Start::Keep, Start::Rows(&addend, n + 1), Start::Splat(&addend, 2)] {
                let before = noise(3, m * (n + 2));
                let mut c = before.clone();
                kernels.tile(&a, &b, Rows::new(&at), &mut c, size, start);
                for (index, (&now, &old)) in c.iter().zip(&before).enumerate() {
                    let (i, j) = (index / (n + 2), index % (n + 2));
                    let first = match start {
                        Start::Zero => 0.0,
                        Start::Keep => old,
                        Start::Rows(..) if j < n => addend[i * (n + 1) + j],
                        Start::Rows(..) => 0.0,
                        Start::Splat(..) => addend[i * 2],
                    };
                    let sum: f32 = (0..k).filter(|_| j < n).map(|p| a[p * mr + i] * b[at[p] + j]).sum();
                    let expected = if j < n { first + sum } else { old };
                    assert!((now - expected).abs() < 1e-5, "{m}x{n}x{k}, element {i}, {j}: {now} for {expected}");
                }
            }
        }
    }

    #[test]
    fn dots_sum_over_segments() {
        let kernels = f32::kernels();
        let (segments, steps) = (2, 2);
        let len = steps * kernels.lanes;
        for rows in 1..=kernels.dot_rows() {
            for width in [kernels.dot_width, kernels.dot_width + 1] {
                let (x, d) = (noise(1, 3 * len + 20), noise(2, 3 * len + 20));
                let x_at: Vec<usize> = (0..width).collect();
                let d_at: Vec<usize> = (0..rows).map(|i| i * 3).collect();
                let mut sums = vec![1.0; rows * width];
                kernels.dots((&x, &x_at, len + 1), (&d, &d_at, len), (segments, steps), &mut sums);
                for (index, &found) in sums.iter().enumerate() {
                    let (i, t) = (index / width, index % width);
                    let sum: f32 = (0..segments * len)
                        .map(|j| d[j / len * len + d_at[i] + j % len] * x[j / len * (len + 1) + x_at[t] + j % len])
                        .sum();
                    assert!((found - 1.0 - sum).abs() < 1e-4, "{found} for {sum}");
                }
            }
        }
    }

    #[test]
    fn transposition_moves_every_element() {
        for (count, len, stride, width) in
            [(8, 8, 9, 8), (5, 20, 20, 6), (17, 33, 40, 19), (48, 16, 16, 48), (0, 3, 3, 2)]
        {
            let from: Vec<f32> = (0..count * stride).map(|i| i as f32).collect();
            let mut out = vec![-1.0; len * width];
            f32::transpose(&from, stride, (count, len), width, &mut out);
            for (index, &x) in out.iter().enumerate() {
                let (p, i) = (index / width, index % width);
                assert_eq!(x, if i < count { from[i * stride + p] } else { -1.0 });
            }
        }
    }

    #[test]
    #[should_panic(expected = "leave")]
    fn a_tile_outside_its_factor_is_refused() {
        let kernels = f32::kernels();
        let (a, b) = (vec![0.0; 64], vec![0.0; 64]);
        kernels.tile(&a, &b, Rows::new(&[0, 64]), &mut [0.0; 8], Size { m: 1, n: 1, step: 0 }, Start::Zero);
    }
}
