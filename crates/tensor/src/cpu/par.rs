//! All thread policy: how work is cut, and above which size it is worth a second thread.
//!
//! Results never depend on the number of threads: the pieces that a caller gets depend on sizes only, and no caller
//! combines partial results in an order that depends on who computed them.

use rayon::prelude::*;

/// Elements of cheap memory-bound work (an add) below which one thread is faster. Waking a worker costs some 10 us,
/// which is 30,000 additions of f32.
pub(crate) const GRAIN: usize = 1 << 15;

/// Whether `work` (in cheap element operations) is worth splitting at all.
#[inline]
pub(crate) fn worth(work: usize) -> bool {
    work >= 2 * GRAIN && rayon::current_num_threads() > 1
}

/// Runs `f(start, piece)` over consecutive pieces of `out`, each a multiple of `unit` elements except the last.
///
/// `cost` is the work per element in cheap operations (1 for an add, 10 for an exp).
#[inline(always)]
pub(crate) fn chunks<T: Send>(out: &mut [T], unit: usize, cost: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    spread_chunks(out, unit, cost, &f);
}

/// [`chunks`], compiled once per element type: rayon's machinery for each caller's closure would be most of this crate's
/// compile time.
#[inline(never)]
fn spread_chunks<T: Send>(out: &mut [T], unit: usize, cost: usize, f: &(dyn Fn(usize, &mut [T]) + Sync)) {
    let unit = unit.max(1);
    if !worth(out.len().saturating_mul(cost)) {
        return f(0, out);
    }
    let size = (GRAIN / cost.max(1)).div_ceil(unit).max(1) * unit;
    out.par_chunks_mut(size).enumerate().for_each(|(i, piece)| f(i * size, piece));
}

/// Runs `f(i, item)` for every item, in parallel if the whole is worth it; `cost` is the work of one.
#[inline(always)]
pub(crate) fn items<I: Send>(items: Vec<I>, cost: usize, f: impl Fn(usize, I) + Sync + Send) {
    spread_items(items, cost, &f);
}

/// [`items`], compiled once per type.
#[inline(never)]
fn spread_items<I: Send>(items: Vec<I>, cost: usize, f: &(dyn Fn(usize, I) + Sync)) {
    if items.len() < 2 || !worth(items.len().saturating_mul(cost)) {
        return items.into_iter().enumerate().for_each(|(i, item)| f(i, item));
    }
    items.into_par_iter().enumerate().for_each(|(i, item)| f(i, item));
}

/// Runs `f(i)` for every `i` in `0..count`, in parallel if the whole is worth it; `cost` is the work of one `i`.
pub(crate) fn each(count: usize, cost: usize, f: impl Fn(usize) + Sync + Send) {
    if count < 2 || !worth(count.saturating_mul(cost)) {
        return (0..count).for_each(f);
    }
    let group = GRAIN.div_ceil(cost.max(1)).max(1);
    spread(count.div_ceil(group), &|g| (g * group..((g + 1) * group).min(count)).for_each(&f));
}

/// The parallel part of [`each`], compiled once.
#[inline(never)]
fn spread(count: usize, f: &(dyn Fn(usize) + Sync)) {
    (0..count).into_par_iter().for_each(f);
}

/// Sets the number of threads that kernels use, as `torch.set_num_threads`. Results do not depend on it.
///
/// The pool is made at its first use and cannot be resized after; for several sizes in one program, run code inside
/// `rayon::ThreadPool::install`.
///
/// # Errors
/// If the pool exists already.
pub fn set_num_threads(threads: usize) -> Result<(), rayon::ThreadPoolBuildError> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()
}

/// The number of threads that kernels use here, as `torch.get_num_threads`.
pub fn num_threads() -> usize {
    rayon::current_num_threads()
}
