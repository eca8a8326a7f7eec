//! Vector registers under one trait, so that each register tile is written once.

use super::simd::Real;

/// A vector register of numbers.
///
/// # Safety
/// The methods may be called only where the processor has the instructions behind them, and on pointers to `N`
/// readable (`load`) or writable (`store`) numbers.
pub(super) trait Lanes: Copy {
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
