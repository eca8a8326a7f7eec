//! All thread policy: how work is cut, above which size it is worth a second thread, and the crew that shares it.
//!
//! Results never depend on the number of threads: what is computed for an element does not depend on the piece that it is in
//! (one caller alone gets all in one), and no caller combines partial results in an order that depends on who computed them.
//!
//! A kernel's caller works too, and helpers take pieces of the work from one queue with it. Waking a thread that sleeps
//! takes some 50 µs, as much as adding 500,000 numbers, so a helper that has finished looks out for more work for a while
//! before it sleeps; while all sleep, work that is smaller than a waking is done by the caller alone, and one is woken for
//! what comes next. A helper works for one caller at a time: who finds them all taken, from within a kernel or from another
//! thread, works alone rather than wait for them.
//!
//! Where other programs keep processors busy, a helper may get one only milliseconds after its caller is through. Who had to
//! wait so long works alone for a while.

use rayon::{Scope, ThreadPool, ThreadPoolBuilder};
use smallvec::SmallVec;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Elements of cheap memory-bound work (an add) that are worth a piece of their own: some 3 µs.
pub(crate) const GRAIN: usize = 1 << 15;
/// Elements of such work that take as long as to wake a thread.
const WAKING: usize = 16 * GRAIN;
/// How long a helper that has finished looks out for more work: some of the gaps between kernels of a training step are
/// as long.
const LINGER: Duration = Duration::from_micros(300);

/// How long a caller waits for helpers before it takes them to have lost their processor.
const LATE: Duration = Duration::from_micros(300);
/// How long callers work alone after a late helper, and the most after many.
const ALONE: Duration = Duration::from_millis(4);
const ALONE_AT_MOST: Duration = Duration::from_millis(64);

/// Whether `work` (in cheap element operations) is enough to be cut in pieces.
#[inline]
pub(crate) fn much(work: usize) -> bool {
    work >= 2 * GRAIN
}

/// Whether `work` (in cheap element operations) is worth splitting at all.
#[inline]
pub(crate) fn worth(work: usize) -> bool {
    much(work) && num_threads() > 1
}

/// Runs `f(start, piece)` over consecutive pieces of `out`, each a multiple of `unit` elements except the last.
///
/// `cost` is the work per element in cheap operations (1 for an add, 10 for an exp).
#[inline(always)]
pub(crate) fn chunks<T: Send>(out: &mut [T], unit: usize, cost: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    spread_chunks(out, unit, cost, &f);
}

/// What is done with a piece, as a trait of its own: the table of a `dyn Fn` also holds the closure as `FnMut` and as `FnOnce`,
/// two more functions that nobody calls, for each of hundreds of kernels.
trait Job<P>: Sync {
    fn run(&self, index: usize, piece: P);
}

impl<P, F: Fn(usize, P) + Sync> Job<P> for F {
    #[inline(always)]
    fn run(&self, index: usize, piece: P) {
        self(index, piece);
    }
}

/// [`Job`] on pieces of a slice.
trait SliceJob<T>: Sync {
    fn run(&self, start: usize, piece: &mut [T]);
}

impl<T, F: Fn(usize, &mut [T]) + Sync> SliceJob<T> for F {
    #[inline(always)]
    fn run(&self, start: usize, piece: &mut [T]) {
        self(start, piece);
    }
}

/// Bytes of results of which the second-level cache still holds a good part when they are written.
pub(crate) const CACHED: usize = 1 << 18;

/// Whether the next sweep over much memory starts at its end: every other one does, since what the last one did at its own
/// end is still in the second-level cache.
fn from_the_end() -> bool {
    static LAST: AtomicBool = AtomicBool::new(true);
    !LAST.fetch_xor(true, Ordering::Relaxed)
}

/// [`chunks`], compiled once per element type and not for each caller's closure.
#[inline(never)]
fn spread_chunks<T: Send>(out: &mut [T], unit: usize, cost: usize, f: &dyn SliceJob<T>) {
    let work = out.len().saturating_mul(cost);
    let back = size_of_val(out) >= CACHED && from_the_end();
    let unit = unit.max(1);
    let least = (GRAIN / cost.max(1)).div_ceil(unit).max(1) * unit;
    let helpers = if worth(work) { take(help(work).min(out.len().div_ceil(least) - 1)) } else { 0 };
    if helpers == 0 {
        if !back {
            return f.run(0, out);
        }
        let pieces = out.chunks_mut(least).enumerate();
        return pieces.rev().for_each(|(i, piece)| f.run(i * least, piece));
    }
    // A share of consecutive pieces each, so that a thread finds in its own cache what it did in the last sweep.
    let size = out.len().div_ceil((helpers + 1) * unit) * unit;
    let shares = out.chunks_mut(size).enumerate().map(|(i, rest)| Share { start: i * size, rest });
    let shares: Mutex<SmallVec<[Share<'_, T>; 8]>> = Mutex::new(shares.collect());
    crew(helpers, &|| {
        let own = rayon::current_thread_index().map_or(0, |i| i + 1);
        loop {
            // Apart from the call of `f`, during which the shares must be free.
            let next = next(&mut shares.lock().unwrap_or_else(PoisonError::into_inner), own, back, unit, least);
            let Some(piece) = next else { return };
            f.run(piece.start, piece.rest);
        }
    });
}

/// Elements that are left to do, from index `start` on.
struct Share<'a, T> {
    start: usize,
    rest: &'a mut [T],
}

/// A piece of a thread's own share; where that is done, one of another's, from the end that its owner comes to last.
fn next<'a, T>(shares: &mut [Share<'a, T>], own: usize, back: bool, unit: usize, least: usize) -> Option<Share<'a, T>> {
    let (own, count) = (own % shares.len(), shares.len());
    let k = (0..count).map(|k| (own + k) % count).find(|&k| !shares[k].rest.is_empty())?;
    let Share { start, rest } = &mut shares[k];
    // Large pieces first, small ones last, so that nobody waits long.
    let size = (rest.len() / 4 / unit * unit).clamp(least, rest.len().max(least)).min(rest.len());
    let all = std::mem::take(rest);
    if back == (k == own) {
        let (left, piece) = all.split_at_mut((all.len() - size).next_multiple_of(unit));
        *rest = left;
        Some(Share { start: *start + rest.len(), rest: piece })
    } else {
        let (piece, left) = all.split_at_mut(size);
        let first = *start;
        (*start, *rest) = (first + size, left);
        Some(Share { start: first, rest: piece })
    }
}

/// Runs `f(i, item)` for every item, in parallel if the whole is worth it; `cost` is the work of one.
#[inline(always)]
pub(crate) fn items<I: Send>(items: Vec<I>, cost: usize, f: impl Fn(usize, I) + Sync + Send) {
    let work = items.len().saturating_mul(cost);
    share(items.into_iter(), work, &f);
}

/// Runs `f(i)` for every `i` in `0..count`, in parallel if the whole is worth it; `cost` is the work of one `i`.
#[inline(always)]
pub(crate) fn each(count: usize, cost: usize, f: impl Fn(usize) + Sync + Send) {
    spread(count, cost, &|i: usize, (): ()| f(i));
}

/// [`each`], compiled once.
#[inline(never)]
fn spread(count: usize, cost: usize, f: &dyn Job<()>) {
    let work = count.saturating_mul(cost);
    if !worth(work) {
        return (0..count).for_each(|i| f.run(i, ()));
    }
    let group = GRAIN.div_ceil(cost.max(1)).max(1);
    share(0..count.div_ceil(group), work, &|_, g| (g * group..((g + 1) * group).min(count)).for_each(|i| f.run(i, ())));
}

/// Runs `f(i, item)` for every item; the threads take one after the other. `work` is that of all, in cheap operations.
pub(crate) fn share<I>(items: impl ExactSizeIterator<Item = I> + Send, work: usize, f: &(dyn Fn(usize, I) + Sync)) {
    let wanted = if worth(work) { help(work).min(items.len().saturating_sub(1)) } else { 0 };
    let helpers = take(wanted);
    if helpers == 0 {
        return items.enumerate().for_each(|(i, item)| f(i, item));
    }
    let queue = Mutex::new(items.enumerate());
    crew(helpers, &|| {
        loop {
            // Apart from the call of `f`, during which the queue must be free.
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((i, item)) = next else { return };
            f(i, item);
        }
    });
}

/// The crew's own threads: one fewer than [`num_threads`], as the caller works too.
#[derive(Clone)]
struct Crew {
    threads: usize,
    pool: Option<Arc<ThreadPool>>,
}

static CREW: RwLock<Option<Crew>> = RwLock::new(None);
/// [`Crew::threads`]; 0 before the first use.
static THREADS: AtomicUsize = AtomicUsize::new(0);
/// Counts the kernels that asked for help: what a helper that looks out for work sees change.
static CALLS: AtomicUsize = AtomicUsize::new(0);
/// How many helpers work for a caller, or are about to.
static TAKEN: AtomicUsize = AtomicUsize::new(0);
/// How many helpers look out for work.
static LINGERING: AtomicUsize = AtomicUsize::new(0);
/// Whether one was woken to look out, and is not there yet.
static WOKEN: AtomicBool = AtomicBool::new(false);

fn engage(threads: usize) -> Crew {
    let threads = threads.max(1);
    let pool = (threads > 1).then(|| {
        let pool = ThreadPoolBuilder::new().num_threads(threads - 1).thread_name(|i| format!("wengert-{i}")).build();
        pool.map(Arc::new)
    });
    // Without threads to be had, the caller works alone.
    let pool = pool.and_then(Result::ok);
    let crew = Crew { threads: if pool.is_some() { threads } else { 1 }, pool };
    THREADS.store(crew.threads, Ordering::Relaxed);
    crew
}

fn crew_of_program() -> Crew {
    if let Some(crew) = &*CREW.read().unwrap_or_else(PoisonError::into_inner) {
        return crew.clone();
    }
    let mut crew = CREW.write().unwrap_or_else(PoisonError::into_inner);
    crew.get_or_insert_with(|| engage(default_threads())).clone()
}

/// `RAYON_NUM_THREADS`, else as many as there are processors.
fn default_threads() -> usize {
    static DEFAULT: OnceLock<usize> = OnceLock::new();
    *DEFAULT.get_or_init(|| {
        let asked = std::env::var("RAYON_NUM_THREADS").ok().and_then(|n| n.parse().ok()).filter(|&n| n > 0);
        asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    })
}

/// How many helpers there are for `work` now: none if it would be done before the first is awake.
fn help(work: usize) -> usize {
    let all = num_threads() - 1;
    if all > 0 && rayon::current_thread_index().is_none() && helpers_lack_processors() {
        return 0;
    }
    if all == 0 || work >= WAKING || LINGERING.load(Ordering::Relaxed) > 0 || rayon::current_thread_index().is_some() {
        return all;
    }
    if !WOKEN.swap(true, Ordering::Relaxed)
        && let Some(pool) = crew_of_program().pool
    {
        let call = CALLS.load(Ordering::Relaxed);
        pool.spawn(move || linger(call));
    }
    0
}

/// Takes up to so many helpers that work for nobody.
fn take(wanted: usize) -> usize {
    if rayon::current_thread_index().is_some() {
        // A pool shares its threads out itself.
        return wanted;
    }
    let all = num_threads() - 1;
    let mut taken = TAKEN.load(Ordering::Relaxed);
    loop {
        let more = wanted.min(all.saturating_sub(taken));
        if more == 0 {
            return 0;
        }
        match TAKEN.compare_exchange_weak(taken, taken + more, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return more,
            Err(now) => taken = now,
        }
    }
}

/// Nanoseconds from the first look at the clock until which callers work alone; 0 for no such time.
static ALONE_UNTIL: AtomicU64 = AtomicU64::new(0);
/// How long they do next time, in nanoseconds: grows with late helpers, and shrinks with others.
static PENALTY: AtomicU64 = AtomicU64::new(0);

fn clock() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// Whether helpers were late not long ago.
#[inline]
fn helpers_lack_processors() -> bool {
    let until = ALONE_UNTIL.load(Ordering::Relaxed);
    if until == 0 {
        return false;
    }
    if clock() < until {
        return true;
    }
    ALONE_UNTIL.store(0, Ordering::Relaxed);
    false
}

/// Takes note of whether helpers were late.
fn note(late: bool) {
    let penalty = PENALTY.load(Ordering::Relaxed);
    if late {
        let longer = (penalty + ALONE.as_nanos() as u64).min(ALONE_AT_MOST.as_nanos() as u64);
        PENALTY.store(longer, Ordering::Relaxed);
        ALONE_UNTIL.store(clock() + longer, Ordering::Relaxed);
    } else if penalty > 0 {
        PENALTY.store(penalty - penalty.div_ceil(16), Ordering::Relaxed);
    }
}

/// Runs `work` here and on `helpers` other threads, which were taken, until all are through.
fn crew(helpers: usize, work: &(dyn Fn() + Sync)) {
    let call = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    let through = AtomicUsize::new(0);
    // Inside a pool of the program's own, that pool is the crew.
    if rayon::current_thread_index().is_some() {
        return rayon::in_place_scope(|scope| {
            hire(scope, helpers, work, None, &through);
            work();
        });
    }
    let Some(pool) = crew_of_program().pool else {
        TAKEN.fetch_sub(helpers, Ordering::Relaxed);
        return work();
    };
    let (start, mut own) = (Instant::now(), Duration::ZERO);
    pool.in_place_scope(|scope| {
        hire(scope, helpers, work, Some(call), &through);
        work();
        own = start.elapsed();
        // To sleep until the last helper is through would take longer than most need.
        for _ in 0..20_000 {
            if through.load(Ordering::Acquire) == helpers {
                break;
            }
            std::hint::spin_loop();
        }
    });
    // A helper's last piece takes no longer than all that the caller did meanwhile, unless it lost its processor.
    let waited = start.elapsed() - own;
    note(waited > LATE && waited > own);
}

/// Has helpers do `work`, and then look out for a call after this one, if it has a number.
fn hire<'s>(
    scope: &Scope<'s>,
    helpers: usize,
    work: &'s (dyn Fn() + Sync),
    call: Option<usize>,
    through: &'s AtomicUsize,
) {
    for _ in 0..helpers {
        scope.spawn(move |_| {
            let _done = Done { call, through };
            work();
        });
    }
}

/// A helper that works; in the end, also if its work panics, it is free.
struct Done<'s> {
    call: Option<usize>,
    through: &'s AtomicUsize,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call {
            TAKEN.fetch_sub(1, Ordering::Relaxed);
            rayon::spawn(move || linger(call));
        }
        self.through.fetch_add(1, Ordering::Release);
    }
}

/// Looks out for a call later than `call`; the pool then finds its work.
fn linger(call: usize) {
    LINGERING.fetch_add(1, Ordering::Relaxed);
    WOKEN.store(false, Ordering::Relaxed);
    let start = Instant::now();
    while CALLS.load(Ordering::Relaxed) == call && start.elapsed() < LINGER {
        (0..32).for_each(|_| std::hint::spin_loop());
        std::thread::yield_now();
    }
    LINGERING.fetch_sub(1, Ordering::Relaxed);
}

/// Sets the number of threads that kernels use, as `torch.set_num_threads`; at least one. Results do not depend on it.
///
/// Kernels called in a `rayon::ThreadPool` use that pool's threads.
pub fn set_num_threads(threads: usize) {
    let mut crew = CREW.write().unwrap_or_else(PoisonError::into_inner);
    if crew.as_ref().is_none_or(|crew| crew.threads != threads.max(1)) {
        *crew = Some(engage(threads));
    }
}

/// The number of threads that kernels use here, as `torch.get_num_threads`: unless set, `RAYON_NUM_THREADS`, else as many
/// as there are processors.
#[inline]
pub fn num_threads() -> usize {
    if rayon::current_thread_index().is_some() {
        return rayon::current_num_threads();
    }
    match THREADS.load(Ordering::Relaxed) {
        0 => crew_of_program().threads,
        threads => threads,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// More work than waking a helper costs.
    const MUCH: usize = 4 * WAKING;

    fn squares(count: usize, work: usize) -> Vec<usize> {
        let mut out = vec![0; count];
        share(out.iter_mut(), work, &|i, o| *o += i * i);
        out
    }

    #[test]
    fn every_item_is_done_once_whoever_calls() {
        let expected: Vec<_> = (0..1000).map(|i| i * i).collect();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..50).for_each(|_| assert_eq!(squares(1000, MUCH), expected)));
            }
        });
        for threads in [1, 2, 3] {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            assert_eq!(pool.install(|| squares(1000, MUCH)), expected);
        }
    }

    #[test]
    fn chunks_cover_every_element_once() {
        // Small and large enough for sweeps from either end, whole units and a rest.
        for (len, unit) in [(0, 1), (1, 7), (MUCH, 1), (MUCH + 5, 3), (MUCH, 1000), (MUCH + 1, MUCH), (999, 2000)] {
            for cost in [1, 8] {
                let mut out = vec![0u32; len];
                for sweep in 1..=4 {
                    chunks(&mut out, unit, cost, |start, piece| {
                        assert!(
                            start.is_multiple_of(unit)
                                && (piece.len().is_multiple_of(unit) || start + piece.len() == len)
                        );
                        piece.iter_mut().enumerate().for_each(|(i, o)| *o += (start + i) as u32);
                    });
                    assert!(out.iter().enumerate().all(|(i, &o)| o == sweep * i as u32), "{len} by {unit}");
                }
            }
        }
    }

    #[test]
    fn shares_are_done_from_one_end_and_taken_over_from_the_other() {
        for back in [false, true] {
            for (len, unit, least) in [(1000, 1, 10), (1000, 7, 21), (95, 10, 20), (3, 10, 10)] {
                let mut out = vec![0; len];
                let size = len.div_ceil(2 * unit) * unit;
                let shares = out.chunks_mut(size).enumerate().map(|(i, rest)| Share { start: i * size, rest });
                let mut shares: Vec<_> = shares.collect();
                let (mut turn, mut edges) = (0, [None; 2]);
                while let Some(piece) = next(&mut shares, turn % 3, back, unit, least) {
                    assert!(!piece.rest.is_empty() && piece.start.is_multiple_of(unit));
                    assert!(piece.rest.len().is_multiple_of(unit) || piece.start + piece.rest.len() == len);
                    piece.rest.iter_mut().for_each(|o| *o += 1);
                    if turn < 2 {
                        edges[turn] = Some((piece.start, piece.start + piece.rest.len()));
                    }
                    turn += 1;
                }
                assert!(out.iter().all(|&o| o == 1), "{len} by {unit}");
                let first = edges[0].expect("there is something to do");
                assert_eq!(if back { first.1 } else { first.0 }, if back { size.min(len) } else { 0 });
            }
        }
    }

    #[test]
    fn work_within_work_ends() {
        let mut sums = vec![0; 8];
        share(sums.iter_mut(), MUCH, &|i, sum| *sum = i + squares(100, MUCH).len());
        assert_eq!(sums, [100, 101, 102, 103, 104, 105, 106, 107]);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_helpers_are_free_again() {
        for _ in 0..20 {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                share(0..64, MUCH, &|_, i: usize| assert!(i.is_multiple_of(2), "odd"));
            }));
            assert!(outcome.is_err());
        }
        assert_eq!(squares(64, MUCH)[63], 63 * 63);
        if num_threads() > 1 {
            // Other tests may have taken them for a moment.
            let free = (0..10_000).any(|_| {
                std::thread::sleep(Duration::from_micros(100));
                TAKEN.load(Ordering::Relaxed) == 0
            });
            assert!(free, "helpers stay taken");
        }
    }
}
