//! Recycled memory: blocks that tensors gave back wait here for the next tensor of their size class.
//!
//! A fresh block costs page faults, which on large tensors cost more than the arithmetic, and a trip to the allocator,
//! which on small ones does. Blocks up to [`SMALL`] bytes are kept per thread without a lock, larger ones in one
//! shared pool of at most [`LIMIT`] bytes; beyond that they return to the system. All memory handed out is
//! initialised: it is either zeroed by the system or holds the bytes of an earlier tensor.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::Mutex;

/// Alignment of every block: a cache line, and the widest vector register.
pub(crate) const ALIGN: usize = 64;
/// The largest block kept per thread.
const SMALL: usize = 32 * 1024;
/// Bytes in blocks of one class that a thread keeps, as long as they are more than [`FEWEST`] blocks: a graph of thousands of
/// small tensors is dropped at once, and the next one wants as many.
const PER_CLASS: usize = 256 * 1024;
/// Blocks of one class that a thread keeps in any case.
const FEWEST: usize = 32;
/// Bytes that the shared pool keeps.
const LIMIT: usize = 1 << 30;
/// Four classes per power of two, from 64 bytes to the whole address space.
const CLASSES: usize = 4 * 58;

/// A block of memory: aligned to [`ALIGN`], initialised, owned.
pub(crate) struct Block {
    ptr: NonNull<u8>,
    class: u8,
    /// Bytes between the allocation's start and `ptr`.
    shift: u8,
}

// SAFETY: a block is exclusively owned memory; nothing about it depends on a thread.
unsafe impl Send for Block {}
// SAFETY: a shared reference to a block gives read access only.
unsafe impl Sync for Block {}

/// The class of a size: the smallest whose blocks hold `bytes`.
pub(crate) const fn class_of(bytes: usize) -> usize {
    let bytes = if bytes < 64 { 64 } else { bytes };
    let log = (bytes - 1).ilog2() as usize;
    // Within [2^log, 2^(log+1)) there are four steps; `bytes - 1` picks the one at or above.
    let quarter = ((bytes - 1) >> (log - 2)) & 3;
    (log + 1 - 6) * 4 + quarter + 1 - 4
}

/// Bytes that a block of this class holds.
pub(crate) const fn class_bytes(class: usize) -> usize {
    let log = class.div_ceil(4) + 5;
    let quarter = (class + 3) % 4;
    (1 << log) + ((quarter + 1) << (log - 2))
}

/// The number of classes up to [`SMALL`].
pub(crate) const SMALL_CLASSES: usize = class_of(SMALL) + 1;

/// How many blocks of a small class a thread keeps.
#[inline]
pub(crate) fn kept_of(class: usize) -> usize {
    (PER_CLASS >> (class / 4 + 6)).max(FEWEST)
}

thread_local! {
    static LOCAL: RefCell<[Vec<Block>; SMALL_CLASSES]> = const { RefCell::new([const { Vec::new() }; SMALL_CLASSES]) };
}

struct Pool {
    classes: Vec<Vec<Block>>,
    bytes: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { classes: Vec::new(), bytes: 0 });

fn pool() -> std::sync::MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Block {
    /// A block of at least `bytes` bytes, initialised with unspecified values, or with zeros if it had to be made.
    /// The flag says which: `true` for all zeros.
    pub(crate) fn new(bytes: usize) -> (Block, bool) {
        let class = class_of(bytes);
        let recycled = if class < SMALL_CLASSES {
            LOCAL.try_with(|bins| bins.borrow_mut()[class].pop()).ok().flatten()
        } else {
            let mut pool = pool();
            let block = pool.classes.get_mut(class).and_then(Vec::pop);
            if block.is_some() {
                pool.bytes -= class_bytes(class);
            }
            block
        };
        match recycled {
            Some(block) => (block, false),
            None => (Block::fresh(class), true),
        }
    }

    fn allocation(class: usize) -> Layout {
        // Asking for 16 rather than 64 lets the system allocator use `calloc`, whose large blocks are zero pages that
        // cost nothing until touched; `posix_memalign` would be cleared by hand.
        let size = class_bytes(class) + ALIGN - 16;
        Layout::from_size_align(size, 16).expect("class sizes are far below isize::MAX")
    }

    fn fresh(class: usize) -> Block {
        let layout = Block::allocation(class);
        // SAFETY: the layout's size is that of a class and more, so not zero.
        let base = unsafe { alloc_zeroed(layout) };
        let Some(base) = NonNull::new(base) else { handle_alloc_error(layout) };
        advise_huge_pages(base, layout.size());
        let shift = base.as_ptr().align_offset(ALIGN);
        assert!(shift <= ALIGN - 16);
        // SAFETY: the allocation is so many bytes longer than the class that the whole block is inside it.
        let ptr = unsafe { base.add(shift) };
        Block { ptr, class: class as u8, shift: shift as u8 }
    }

    /// The first byte, aligned to [`ALIGN`].
    #[inline]
    pub(crate) fn ptr(&self) -> NonNull<u8> {
        self.ptr
    }

    /// Its size class.
    #[inline]
    pub(crate) fn class(&self) -> usize {
        self.class as usize
    }

    /// Bytes in the block, at least what was asked for.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        class_bytes(self.class as usize)
    }

    /// Gives the block back to the cache, or to the system if the cache is full.
    pub(crate) fn recycle(self) {
        let class = self.class as usize;
        if class < SMALL_CLASSES {
            // What is not kept is dropped, as the block of a thread that is being torn down.
            let _ = LOCAL.try_with(|bins| {
                let bin = &mut bins.borrow_mut()[class];
                if bin.len() < kept_of(class) {
                    bin.push(self);
                }
            });
            return;
        }
        let bytes = class_bytes(class);
        let mut pool = pool();
        if pool.bytes + bytes > LIMIT {
            return;
        }
        if pool.classes.is_empty() {
            pool.classes.resize_with(CLASSES, Vec::new);
        }
        pool.bytes += bytes;
        pool.classes[class].push(self);
    }
}

/// Asks for huge pages where a block has room for them: touching 512 MB for the first time is then three times faster, and
/// later passes miss fewer translations.
#[cfg(all(target_os = "linux", not(miri)))]
fn advise_huge_pages(base: NonNull<u8>, len: usize) {
    const HUGE: usize = 2 << 20;
    if len < 2 * HUGE {
        return;
    }
    let start = base.as_ptr().align_offset(HUGE);
    let whole = len.saturating_sub(start) / HUGE * HUGE;
    if whole > 0 {
        // SAFETY: the range is inside the allocation, which nobody else knows yet; the advice changes no contents, and a
        // kernel that does not take it answers with an error that is of no consequence.
        unsafe { libc::madvise(base.as_ptr().add(start).cast(), whole, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
fn advise_huge_pages(_: NonNull<u8>, _: usize) {}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: `fresh` got this pointer, `shift` bytes further on, from `alloc_zeroed` with the same layout, and a
        // block is dropped once.
        unsafe { dealloc(self.ptr.as_ptr().sub(self.shift as usize), Block::allocation(self.class as usize)) }
    }
}

/// Bytes that the cache holds for reuse: the shared pool plus this thread's small blocks.
pub fn cached_bytes() -> usize {
    let local = LOCAL.with(|bins| {
        bins.borrow().iter().enumerate().map(|(class, blocks)| blocks.len() * class_bytes(class)).sum::<usize>()
    });
    local + crate::storage::kept_bytes() + pool().bytes
}

/// Returns all cached memory (the shared pool's and this thread's) to the system.
///
/// Tensors that are alive are not touched. As `torch.cuda.empty_cache()`, for host memory.
pub fn empty_cache() {
    // First these, whose blocks come to the others.
    crate::storage::drop_kept();
    LOCAL.with(|bins| bins.borrow_mut().iter_mut().for_each(|bin| *bin = Vec::new()));
    let mut pool = pool();
    pool.classes.clear();
    pool.bytes = 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_what_was_asked_and_wastes_at_most_a_quarter() {
        for bytes in (1..5000).chain([SMALL, SMALL + 1, 1 << 20, (1 << 20) + 1, 553_000_000]) {
            let size = class_bytes(class_of(bytes));
            assert!(size >= bytes, "{bytes} in {size}");
            assert!(size <= 64 || size * 4 <= bytes * 5 + 4, "{bytes} in {size}");
            assert!(bytes <= 64 || class_bytes(class_of(bytes) - 1) < bytes);
        }
    }

    #[test]
    fn blocks_are_aligned_and_come_back() {
        for bytes in [1, 100, 4096, 100_000] {
            let (block, _) = Block::new(bytes);
            assert_eq!(block.ptr().as_ptr() as usize % ALIGN, 0);
            assert!(block.capacity() >= bytes);
            block.recycle();
        }
        empty_cache();
    }
}
