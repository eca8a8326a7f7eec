//! One kernel source, several instruction sets: the run-time choice and the macro that compiles each kernel for all; and the
//! instructions of a processor that safe code does not reach.

use crate::f16;
use std::sync::OnceLock;

/// Instruction sets that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Isa {
    /// What the target guarantees (SSE2 on x86-64, NEON on AArch64).
    Baseline,
    /// AVX2, FMA and F16C.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
}

/// The best instruction set of this processor; `TENSOR_ISA=baseline|avx2|avx512` lowers it, for tests and comparisons.
#[inline]
pub(crate) fn isa() -> Isa {
    static CHOSEN: OnceLock<Isa> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let best = detect();
        match std::env::var("TENSOR_ISA").as_deref() {
            Ok("baseline") => Isa::Baseline,
            Ok("avx2") => best.min(Isa::Avx2),
            _ => best,
        }
    })
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Isa {
    if cfg!(miri) {
        return Isa::Baseline;
    }
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    match (avx2, avx512) {
        (true, true) => Isa::Avx512,
        (true, false) => Isa::Avx2,
        _ => Isa::Baseline,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Isa {
    Isa::Baseline
}

/// Defines a kernel that is compiled once per instruction set and dispatched at run time.
///
/// ```ignore
/// multiversion! {
///     /// `out[i] = f(x[i])`.
///     pub(crate) fn map[T: Element, F: Fn(T) -> T](x: &[T], out: &mut [T], f: F) {
///         for (o, &v) in out.iter_mut().zip(x) { *o = f(v); }
///     }
/// }
/// ```
///
/// Inside the body, `FMA` is a constant that says whether fused multiply-add is one instruction here; use
/// [`fma`]`::<FMA>`. Everything that the body calls must be `#[inline(always)]` to be compiled for the same set.
/// Arguments are plain names with types.
macro_rules! multiversion {
    ($(#[$meta:meta])* $vis:vis fn $name:ident $([$($gen:tt)*])? ($($arg:ident : $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        #[inline]
        $vis fn $name $(<$($gen)*>)? ($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn body<const FMA: bool, $($($gen)*)?>(_: $crate::cpu::simd::Fma<FMA>, $($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2 $(<$($gen)*>)? ($($arg: $ty),*) $(-> $ret)? {
                body($crate::cpu::simd::Fma::<true>, $($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
            fn avx512 $(<$($gen)*>)? ($($arg: $ty),*) $(-> $ret)? {
                body($crate::cpu::simd::Fma::<true>, $($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            match $crate::cpu::simd::isa() {
                // SAFETY: `isa` answers so only if the processor has all the features that `avx512` enables.
                $crate::cpu::simd::Isa::Avx512 => return unsafe { avx512($($arg),*) },
                // SAFETY: `isa` answers so only if the processor has AVX2 and FMA.
                $crate::cpu::simd::Isa::Avx2 => return unsafe { avx2($($arg),*) },
                $crate::cpu::simd::Isa::Baseline => {}
            }
            body($crate::cpu::simd::Fma::<{ cfg!(target_arch = "aarch64") }>, $($arg),*)
        }
    };
}
pub(crate) use multiversion;

/// Carries the constant `FMA` into a kernel's body.
#[derive(Clone, Copy)]
pub(crate) struct Fma<const FMA: bool>;

/// Asks for memory that will soon be read, so that it is in the second cache by then.
#[inline]
pub(crate) fn prefetch<T>(data: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in data.chunks(64 / size_of::<T>()) {
        // SAFETY: a prefetch changes nothing that a program can see, whatever the address; SSE is part of x86-64.
        unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(line.as_ptr().cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = data;
}

/// The whole part as a 64-bit integer, and the smallest for what has none: the processor's own conversion, which is PyTorch's.
///
/// Rust's `as`, which gives the nearest, is not vectorised: 800 µs for a million `f32`, of which this takes 150.
#[inline(always)]
pub(crate) fn long(x: f64) -> i64 {
    // Up to 2⁶³, which is no i64 itself.
    const BOUND: f64 = -(i64::MIN as f64);
    let x = if (-BOUND..BOUND).contains(&x) { x } else { -BOUND };
    // SAFETY: `x` is no NaN and lies within the range of the integers.
    unsafe { x.to_int_unchecked() }
}

/// As [`long`], in 32 bits. Through this PyTorch converts to narrower integers.
#[inline(always)]
pub(crate) fn int(x: f64) -> i32 {
    const BOUND: f64 = -(i32::MIN as f64);
    let x = if x > -BOUND - 1.0 && x < BOUND { x } else { -BOUND };
    // SAFETY: `x` is no NaN and its whole part lies within the range of the integers.
    unsafe { x.to_int_unchecked() }
}

/// [`int`] of an `f32`.
#[inline(always)]
pub(crate) fn int_of_single(x: f32) -> i32 {
    const BOUND: f32 = -(i32::MIN as f32);
    let x = if (-BOUND..BOUND).contains(&x) { x } else { -BOUND };
    // SAFETY: `x` is no NaN and lies within the range of the integers.
    unsafe { x.to_int_unchecked() }
}

/// Widens by the processor's own conversion, and says whether it has one. In integers it takes twice as long, to narrow thrice.
pub(crate) fn widen_halves(from: &[f16], to: &mut [f32]) -> bool {
    #[cfg(target_arch = "x86_64")]
    match isa() {
        // SAFETY: `isa` answers so only if the processor has AVX-512 F.
        Isa::Avx512 => unsafe { f16c::widen_by_16(from, to) },
        // SAFETY: `isa` answers so only if the processor has F16C.
        Isa::Avx2 => unsafe { f16c::widen_by_8(from, to) },
        Isa::Baseline => return false,
    }
    let _ = (from, to);
    cfg!(target_arch = "x86_64")
}

/// Narrows as [`widen_halves`] widens: to the nearest, ties to even.
pub(crate) fn narrow_halves(from: &[f32], to: &mut [f16]) -> bool {
    #[cfg(target_arch = "x86_64")]
    match isa() {
        // SAFETY: `isa` answers so only if the processor has AVX-512 F.
        Isa::Avx512 => unsafe { f16c::narrow_by_16(from, to) },
        // SAFETY: `isa` answers so only if the processor has F16C.
        Isa::Avx2 => unsafe { f16c::narrow_by_8(from, to) },
        Isa::Baseline => return false,
    }
    let _ = (from, to);
    cfg!(target_arch = "x86_64")
}

/// `out[i] = f(x[i], y[i])` in single precision, converted in registers by the processor; says whether it can.
pub(crate) fn zip_halves(x: &[f16], y: &[f16], out: &mut [f16], f: impl Fn(f32, f32) -> f32) -> bool {
    #[cfg(target_arch = "x86_64")]
    if isa() >= Isa::Avx2 {
        // SAFETY: `isa` answers so only if the processor has F16C.
        unsafe { f16c::zip(x, y, out, f) };
        return true;
    }
    let _ = (x, y, out, f);
    false
}

#[cfg(target_arch = "x86_64")]
mod f16c {
    use crate::f16;
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx,f16c")]
    pub(super) fn zip(x: &[f16], y: &[f16], out: &mut [f16], f: impl Fn(f32, f32) -> f32) {
        let step = |x: &[f16; 8], y: &[f16; 8], out: &mut [f16; 8]| {
            let (mut a, mut b) = ([0.0; 8], [0.0; 8]);
            // SAFETY: the arrays hold as many numbers as are loaded and stored.
            unsafe {
                _mm256_storeu_ps(a.as_mut_ptr(), _mm256_cvtph_ps(_mm_loadu_si128(x.as_ptr().cast())));
                _mm256_storeu_ps(b.as_mut_ptr(), _mm256_cvtph_ps(_mm_loadu_si128(y.as_ptr().cast())));
            }
            for i in 0..8 {
                a[i] = f(a[i], b[i]);
            }
            // SAFETY: as above.
            unsafe {
                let halves = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm256_loadu_ps(a.as_ptr()));
                _mm_storeu_si128(out.as_mut_ptr().cast(), halves);
            }
        };
        let ((x, x_rest), (y, y_rest), (out, out_rest)) = (x.as_chunks(), y.as_chunks(), out.as_chunks_mut());
        x.iter().zip(y).zip(out).for_each(|((x, y), out)| step(x, y, out));
        // Fewer at the end are filled up.
        let [mut x, mut y, mut out] = [[f16::ZERO; 8]; 3];
        x[..x_rest.len()].copy_from_slice(x_rest);
        y[..y_rest.len()].copy_from_slice(y_rest);
        step(&x, &y, &mut out);
        out_rest.copy_from_slice(&out[..out_rest.len()]);
    }

    /// One row: a loop, and what it does to so many elements; fewer at the end are filled up.
    macro_rules! loops {
        ($($name:ident $features:literal, $lanes:literal $from:ty => $to:ty, |$at:ident, $out:ident| $step:expr;)*) => { $(
            #[target_feature(enable = $features)]
            pub(super) fn $name(from: &[$from], to: &mut [$to]) {
                let step = |from: &[$from; $lanes], to: &mut [$to; $lanes]| {
                    let ($at, $out) = (from.as_ptr(), to.as_mut_ptr());
                    // SAFETY: the arrays hold as many numbers as are loaded and stored.
                    unsafe { $step }
                };
                let ((from, from_rest), (to, to_rest)) = (from.as_chunks(), to.as_chunks_mut());
                from.iter().zip(to).for_each(|(from, to)| step(from, to));
                let (mut last, mut out) = ([<$from>::default(); $lanes], [<$to>::default(); $lanes]);
                last[..from_rest.len()].copy_from_slice(from_rest);
                step(&last, &mut out);
                to_rest.copy_from_slice(&out[..to_rest.len()]);
            }
        )* };
    }
    loops! {
        widen_by_8 "avx,f16c", 8 f16 => f32, |at, out| _mm256_storeu_ps(out, _mm256_cvtph_ps(_mm_loadu_si128(at.cast())));
        widen_by_16 "avx512f", 16 f16 => f32, |at, out| _mm512_storeu_ps(out, _mm512_cvtph_ps(_mm256_loadu_si256(at.cast())));
        narrow_by_8 "avx,f16c", 8 f32 => f16, |at, out| {
            _mm_storeu_si128(out.cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm256_loadu_ps(at)))
        };
        narrow_by_16 "avx512f", 16 f32 => f16, |at, out| {
            _mm256_storeu_si256(out.cast(), _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm512_loadu_ps(at)))
        };
    }
}

/// `a * b + c`, fused where that is one instruction, else in two roundings (a library call would be 20 times slower).
#[inline(always)]
pub(crate) fn fma<const FMA: bool, T: Real>(a: T, b: T, c: T) -> T {
    if FMA { a.fused(b, c) } else { a * b + c }
}

/// `f32` and `f64`: what kernels compute in.
pub(crate) trait Real:
    crate::Element
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Neg<Output = Self>
    + std::ops::AddAssign
    + std::ops::MulAssign
{
    /// Negative infinity.
    const NEG_INFINITY: Self;
    /// `self * b + c` in one rounding.
    fn fused(self, b: Self, c: Self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// The largest whole number not above.
    fn floor(self) -> Self;
    /// The smallest whole number not below.
    fn ceil(self) -> Self;
    /// The whole part.
    fn trunc(self) -> Self;
    /// The nearest whole number, ties to even.
    fn round_even(self) -> Self;
    /// This magnitude with the sign of `other`.
    fn copysign(self, other: Self) -> Self;
    /// The remainder of truncating division, C's `fmod`.
    fn rem(self, other: Self) -> Self;
    /// From an `f64` constant, rounded.
    fn of(value: f64) -> Self;
}

macro_rules! real {
    ($($ty:ident),*) => {
        $(impl Real for $ty {
            const NEG_INFINITY: Self = $ty::NEG_INFINITY;
            #[inline(always)]
            fn fused(self, b: Self, c: Self) -> Self { self.mul_add(b, c) }
            #[inline(always)]
            fn sqrt(self) -> Self { $ty::sqrt(self) }
            #[inline(always)]
            fn abs(self) -> Self { $ty::abs(self) }
            #[inline(always)]
            fn floor(self) -> Self { $ty::floor(self) }
            #[inline(always)]
            fn ceil(self) -> Self { $ty::ceil(self) }
            #[inline(always)]
            fn trunc(self) -> Self { $ty::trunc(self) }
            #[inline(always)]
            fn round_even(self) -> Self { $ty::round_ties_even(self) }
            #[inline(always)]
            fn copysign(self, other: Self) -> Self { $ty::copysign(self, other) }
            #[inline(always)]
            fn rem(self, other: Self) -> Self { self % other }
            #[inline(always)]
            fn of(value: f64) -> Self { value as $ty }
        })*
    };
}
real!(f32, f64);

#[cfg(test)]
mod tests {
    use super::fma;

    multiversion! {
        /// Sum of products.
        fn dot[T: super::Real](a: &[T], b: &[T]) -> T {
            let mut sum = T::ZERO;
            for (&x, &y) in a.iter().zip(b) {
                sum = fma::<FMA, T>(x, y, sum);
            }
            sum
        }
    }

    #[test]
    fn a_kernel_runs_on_the_chosen_instruction_set() {
        assert_eq!(dot(&[1.0f32, 2.0, 3.0], &[4.0, 5.0, 6.0]), 32.0);
        assert_eq!(dot(&[1.0f64, 2.0], &[4.0, 5.0]), 14.0);
    }
}
