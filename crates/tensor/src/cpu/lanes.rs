//! Vector registers under one trait, so that each register tile is written once.

use super::finish::finish_part;
use super::simd::Real;
use super::tile_args::{Finish, Size};

/// A vector register of numbers.
///
/// # Safety
/// The methods may be called only where the processor has the instructions behind them, and on pointers to `N`
/// readable (`load`) or writable (`store`) numbers, or to `count <= N` of them (`load_some`, `store_some`).
pub(super) trait Lanes: Copy {
    type T: Real;
    const N: usize;
    unsafe fn splat(x: Self::T) -> Self;
    unsafe fn load(at: *const Self::T) -> Self;
    unsafe fn store(self, at: *mut Self::T);
    /// The first `count` numbers; zeros in the other lanes.
    unsafe fn load_some(at: *const Self::T, count: usize) -> Self;
    /// Stores the first `count` lanes.
    unsafe fn store_some(self, at: *mut Self::T, count: usize);
    /// `self · b + c`.
    unsafe fn fma(self, b: Self, c: Self) -> Self;
    unsafe fn add(self, b: Self) -> Self;
    /// `self` where it is more, else `b`, also where either is NaN.
    unsafe fn max(self, b: Self) -> Self;
    /// The sum of all lanes: those of the second half are added to the first, and so on.
    unsafe fn total(self) -> Self::T;
    /// [`finish_part`], whose demands are these, as a function of its own for all tiles: an edge is not worth its code in each.
    unsafe fn finish_part(sums: *const Self, vectors: usize, out: (*mut Self::T, Size), ends: Finish<'_, Self::T>);
}

/// Four numbers for processors without a written-out path; the compiler finds their registers.
#[derive(Clone, Copy)]
pub(super) struct Plain<T>([T; 4]);

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
    unsafe fn load_some(at: *const T, count: usize) -> Self {
        // SAFETY: the caller gives a pointer to `count` readable numbers.
        Plain(std::array::from_fn(|i| if i < count { unsafe { *at.add(i) } } else { T::ZERO }))
    }
    #[inline(always)]
    unsafe fn store_some(self, at: *mut T, count: usize) {
        // SAFETY: as in `load_some`, writable.
        self.0.iter().take(count).enumerate().for_each(|(i, &x)| unsafe { *at.add(i) = x });
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
    #[inline(always)]
    unsafe fn total(self) -> T {
        (self.0[0] + self.0[2]) + (self.0[1] + self.0[3])
    }
    unsafe fn finish_part(sums: *const Self, vectors: usize, out: (*mut T, Size), ends: Finish<'_, T>) {
        // SAFETY: what the trait demands is what the function demands.
        unsafe { finish_part(sums, vectors, out, ends) }
    }
}

#[cfg(target_arch = "x86_64")]
macro_rules! lanes {
    ($($features:literal, $register:ident, $ty:ty, $n:literal, $splat:ident, $load:ident, $store:ident, $load_some:ident, $store_some:ident,
        $fma:ident, $add:ident, $max:ident, $total:ident;)*) => {
        use std::arch::x86_64::*;
        $(impl Lanes for $register {
            type T = $ty;
            const N: usize = $n;
            #[inline(always)]
            // SAFETY: (all of them) what the trait demands is what the intrinsic demands.
            unsafe fn splat(x: $ty) -> Self { unsafe { $splat(x) } }
            #[inline(always)]
            // SAFETY: see `splat`.
            unsafe fn load(at: *const $ty) -> Self { unsafe { $load(at) } }
            #[inline(always)]
            // SAFETY: see `splat`.
            unsafe fn store(self, at: *mut $ty) { unsafe { $store(at, self) } }
            #[inline(always)]
            // SAFETY: see `splat`.
            unsafe fn load_some(at: *const $ty, count: usize) -> Self { unsafe { $load_some(at, count) } }
            #[inline(always)]
            // SAFETY: see `splat`.
            unsafe fn store_some(self, at: *mut $ty, count: usize) { unsafe { $store_some(self, at, count) } }
            #[inline(always)]
            // SAFETY: see `splat`.
            unsafe fn fma(self, b: Self, c: Self) -> Self { unsafe { $fma(self, b, c) } }
            #[inline(always)]
            // SAFETY: see `splat`.
            unsafe fn add(self, b: Self) -> Self { unsafe { $add(self, b) } }
            #[inline(always)]
            // SAFETY: see `splat`.
            unsafe fn max(self, b: Self) -> Self { unsafe { $max(self, b) } }
            #[inline(always)]
            // SAFETY: see `splat`.
            unsafe fn total(self) -> $ty { unsafe { $total(self) } }
            #[target_feature(enable = $features)]
            unsafe fn finish_part(sums: *const Self, vectors: usize, out: (*mut $ty, Size), ends: Finish<'_, $ty>) {
                // SAFETY: what the trait demands is what the function demands.
                unsafe { finish_part(sums, vectors, out, ends) }
            }
        })*
    };
}
#[cfg(target_arch = "x86_64")]
lanes! {
    "avx512f,avx2,fma", __m512, f32, 16, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, load_16, store_16, _mm512_fmadd_ps, _mm512_add_ps, _mm512_max_ps, total_16;
    "avx512f,avx2,fma", __m512d, f64, 8, _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, load_8d, store_8d, _mm512_fmadd_pd, _mm512_add_pd, _mm512_max_pd, total_8d;
    "avx2,fma", __m256, f32, 8, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, load_8, store_8, _mm256_fmadd_ps, _mm256_add_ps, _mm256_max_ps, total_8;
    "avx2,fma", __m256d, f64, 4, _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, load_4d, store_4d, _mm256_fmadd_pd, _mm256_add_pd, _mm256_max_pd, total_4d;
}

/// The first `count` lanes set, the others not: 8 or twice 4 from the middle on.
#[cfg(target_arch = "x86_64")]
static MASKS: [i64; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// [`Lanes::load_some`] and [`Lanes::store_some`] of each register.
///
/// AVX2 stores halves, quarters and single numbers, since AMD's processors take tens of cycles for its masked stores.
///
/// # Safety
/// As the methods.
#[cfg(target_arch = "x86_64")]
macro_rules! some {
    ($($features:literal fn $name:ident($($arg:ident: $ty:ty),*) $(-> $out:ty)? $body:block)*) => { $(
        #[target_feature(enable = $features)]
        #[inline]
        unsafe fn $name($($arg: $ty),*) $(-> $out)? {
            // SAFETY: only the first `count` numbers are touched, `count` at most the lanes.
            unsafe { $body }
        }
    )* };
}
#[cfg(target_arch = "x86_64")]
some! {
    "avx512f" fn load_16(at: *const f32, count: usize) -> __m512 {
        _mm512_maskz_loadu_ps(((1u32 << count) - 1) as u16, at)
    }
    "avx512f" fn store_16(x: __m512, at: *mut f32, count: usize) {
        _mm512_mask_storeu_ps(at, ((1u32 << count) - 1) as u16, x)
    }
    "avx512f" fn load_8d(at: *const f64, count: usize) -> __m512d {
        _mm512_maskz_loadu_pd(((1u32 << count) - 1) as u8, at)
    }
    "avx512f" fn store_8d(x: __m512d, at: *mut f64, count: usize) {
        _mm512_mask_storeu_pd(at, ((1u32 << count) - 1) as u8, x)
    }
    "avx2" fn load_8(at: *const f32, count: usize) -> __m256 {
        let masks = MASKS.as_ptr().cast::<i32>().add(16 - count);
        _mm256_maskload_ps(at, _mm256_loadu_si256(masks.cast()))
    }
    "avx2" fn store_8(x: __m256, at: *mut f32, count: usize) {
        if count == 8 {
            return _mm256_storeu_ps(at, x);
        }
        let (mut at, mut part) = (at, _mm256_castps256_ps128(x));
        if count & 4 != 0 {
            _mm_storeu_ps(at, part);
            (at, part) = (at.add(4), _mm256_extractf128_ps::<1>(x));
        }
        if count & 2 != 0 {
            _mm_storel_pd(at.cast(), _mm_castps_pd(part));
            (at, part) = (at.add(2), _mm_movehl_ps(part, part));
        }
        if count & 1 != 0 {
            _mm_store_ss(at, part);
        }
    }
    "avx2" fn load_4d(at: *const f64, count: usize) -> __m256d {
        _mm256_maskload_pd(at, _mm256_loadu_si256(MASKS.as_ptr().add(8 - count).cast()))
    }
    "avx2" fn store_4d(x: __m256d, at: *mut f64, count: usize) {
        if count == 4 {
            return _mm256_storeu_pd(at, x);
        }
        let (mut at, mut part) = (at, _mm256_castpd256_pd128(x));
        if count & 2 != 0 {
            _mm_storeu_pd(at, part);
            (at, part) = (at.add(2), _mm256_extractf128_pd::<1>(x));
        }
        if count & 1 != 0 {
            _mm_store_sd(at, part);
        }
    }
}

/// [`Lanes::total`] of each register.
#[cfg(target_arch = "x86_64")]
macro_rules! total {
    ($($features:literal fn $name:ident($x:ident: $register:ty) -> $ty:ty $body:block)*) => { $(
        #[target_feature(enable = $features)]
        #[inline]
        fn $name($x: $register) -> $ty $body
    )* };
}
#[cfg(target_arch = "x86_64")]
total! {
    "avx512f,avx2" fn total_16(x: __m512) -> f32 {
        let high = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(x)));
        total_8(_mm256_add_ps(_mm512_castps512_ps256(x), high))
    }
    "avx2" fn total_8(x: __m256) -> f32 {
        let four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
    }
    "avx512f,avx2" fn total_8d(x: __m512d) -> f64 {
        total_4d(_mm256_add_pd(_mm512_castpd512_pd256(x), _mm512_extractf64x4_pd::<1>(x)))
    }
    "avx2" fn total_4d(x: __m256d) -> f64 {
        let two = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd::<1>(x));
        _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
    }
}
