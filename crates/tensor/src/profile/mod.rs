//! The profiler: which operations ran, how often and how long, in what order and inside which others.
//!
//! Every public operation opens a [`span`] (the attribute `#[profiled]` writes it), and so do the rules of a backward
//! pass and optimizers. While no profile is being taken that is one look at a flag of the thread.

mod report;
mod trace;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

pub use report::{Event, Report, Row};

thread_local! {
    /// Whether a profile is being taken on this thread.
    static ON: Cell<bool> = const { Cell::new(false) };
    static RECORDER: RefCell<Recorder> = const { RefCell::new(Recorder::new()) };
}

/// What ran so far.
struct Recorder {
    started: Option<Instant>,
    events: Vec<Event>,
    /// The events that have not ended, outermost first.
    open: Vec<usize>,
    /// How many profiles are being taken, one inside the other.
    profiles: usize,
}

impl Recorder {
    const fn new() -> Recorder {
        Recorder { started: None, events: Vec::new(), open: Vec::new(), profiles: 0 }
    }

    fn now(&mut self) -> Duration {
        self.started.get_or_insert_with(Instant::now).elapsed()
    }

    fn innermost(&mut self) -> Option<&mut Event> {
        self.open.last().map(|&at| &mut self.events[at])
    }
}

/// Runs `f` and reports which operations ran in it, as `with torch.profiler.profile() as prof:` does.
///
/// The report prints as PyTorch's `prof.key_averages().table()`, and [`Report::save_trace`] writes what
/// `prof.export_chrome_trace` does. Operations have PyTorch's names without `aten::`; the rules of a backward pass have
/// theirs (`ReluBackward0`), and an optimizer's step is `Optimizer.step#SGD.step`. Name your own stretches with [`record`].
///
/// Seen is what this thread runs: kernels that use several threads count with the time that this one waits, while
/// operations that other threads call, such as those of a loader, are missing. Profiles may lie inside one another. An
/// operation costs some 100 ns more while it is recorded, and next to nothing otherwise.
///
/// # Examples
/// ```
/// use wengert_tensor::{profile, randn};
/// let (x, w) = (randn([8, 16]), randn([4, 16]));
/// let (y, report) = profile(|| x.linear(&w, None).relu());
/// assert_eq!(y.shape(), [8, 4]);
/// let linear = report.row("linear").unwrap();
/// assert_eq!((linear.calls, linear.flops), (1, 2 * 8 * 16 * 4));
/// assert!(linear.total >= report.row("mm").unwrap().total);
/// println!("{report}"); // a table, sorted by the time spent in each operation itself
/// ```
pub fn profile<R>(f: impl FnOnce() -> R) -> (R, Report) {
    let taking = Taking::start();
    let value = f();
    let report = taking.finish();
    (value, report)
}

/// Runs `f` as one entry of the profile being taken, if one is; as `with torch.profiler.record_function(name):`.
///
/// # Examples
/// ```
/// use wengert_tensor::{profile, profile::record, randn};
/// let (_, report) = profile(|| record("epoch 1", || randn([2, 3]).exp()));
/// assert!(report.row("epoch 1").unwrap().total >= report.row("exp").unwrap().total);
/// ```
pub fn record<R>(name: &str, f: impl FnOnce() -> R) -> R {
    let _span = if ON.get() { open(Cow::Owned(name.to_owned())) } else { Span { open: false } };
    f()
}

/// A profile being taken; it ends when this is dropped, also by a panic.
struct Taking {
    first: usize,
    start: Duration,
}

impl Taking {
    fn start() -> Taking {
        RECORDER.with_borrow_mut(|recorder| {
            recorder.profiles += 1;
            ON.set(true);
            Taking { first: recorder.events.len(), start: recorder.now() }
        })
    }

    fn finish(self) -> Report {
        RECORDER.with_borrow_mut(|recorder| {
            let wall = recorder.now() - self.start;
            // Only the outermost profile may take the events; the others are still to be seen by those around them.
            let mut events = match recorder.profiles {
                1 => std::mem::take(&mut recorder.events),
                _ => recorder.events[self.first..].to_vec(),
            };
            for event in &mut events {
                event.start -= self.start;
                event.parent = event.parent.and_then(|at| at.checked_sub(self.first));
            }
            Report::new(events, wall)
        })
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        RECORDER.with_borrow_mut(|recorder| {
            recorder.profiles -= 1;
            if recorder.profiles == 0 {
                ON.set(false);
                *recorder = Recorder::new();
            }
        });
    }
}

/// An operation under way; it ends when this is dropped.
#[doc(hidden)]
#[must_use = "the operation ends when the span is dropped"]
pub struct Span {
    open: bool,
}

impl Drop for Span {
    #[inline]
    fn drop(&mut self) {
        if self.open {
            close();
        }
    }
}

/// Begins an operation, if a profile is being taken.
#[doc(hidden)]
#[inline]
pub fn span(name: &'static str) -> Span {
    if ON.get() { open(Cow::Borrowed(name)) } else { Span { open: false } }
}

/// As [`span`], with a name that is made only if it is needed.
#[doc(hidden)]
#[inline]
pub fn span_with(name: impl FnOnce() -> String) -> Span {
    if ON.get() { open(Cow::Owned(name())) } else { Span { open: false } }
}

/// Counts floating-point operations of the operation under way.
#[inline]
pub(crate) fn flops(count: impl FnOnce() -> usize) {
    if ON.get() {
        change(|event| event.self_flops += count() as u64);
    }
}

/// Counts memory that a tensor got (or, negative, gave back) during the operation under way.
#[inline]
pub(crate) fn memory(bytes: impl FnOnce() -> isize) {
    // Tensors may outlive the thread's flag.
    if ON.try_with(Cell::get).unwrap_or(false) {
        change(|event| event.self_bytes += bytes() as i64);
    }
}

#[cold]
#[inline(never)]
fn open(name: Cow<'static, str>) -> Span {
    RECORDER.with_borrow_mut(|recorder| {
        let parent = recorder.open.last().copied();
        recorder.open.push(recorder.events.len());
        // The clock is read last here and first at the end, so that recording is not part of what is recorded.
        recorder.events.push(Event::new(name, parent));
        let now = recorder.now();
        recorder.innermost().expect("just pushed").start = now;
    });
    Span { open: true }
}

#[cold]
#[inline(never)]
fn close() {
    RECORDER.with_borrow_mut(|recorder| {
        let now = recorder.now();
        let at = recorder.open.pop().expect("spans end in the reverse order of their beginning");
        let event = &mut recorder.events[at];
        event.duration = now - event.start;
    });
}

#[cold]
#[inline(never)]
fn change(f: impl FnOnce(&mut Event)) {
    RECORDER.with_borrow_mut(|recorder| recorder.innermost().map(f));
}
