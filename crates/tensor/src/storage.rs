//! The memory behind tensors: one aligned, always initialised byte buffer with its dtype.

use crate::cache::{self, Block};
use crate::cpu::par;
use crate::{DType, Device, Element};
use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::Arc;

/// A buffer of `len` elements of one dtype, aligned to 64 bytes, or to its elements if the memory is another's.
///
/// Invariants: the block, or the memory of another, holds at least `len * dtype.size()` bytes; all of them are
/// initialised; in a `Bool` storage each of the first `len` bytes is 0 or 1. Exactly one of `block` and `shown` is there.
pub struct Storage {
    block: Option<Block>,
    shown: Option<Box<Shown>>,
    len: usize,
    dtype: DType,
}

/// Memory that is another's: it is read, and copied before it is written.
struct Shown {
    ptr: NonNull<u8>,
    /// Keeps the memory alive.
    _owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
}

// SAFETY: the pointer is used as a shared slice of the owner, which is `Send` and `Sync`, and so is `[u8]`.
unsafe impl Send for Shown {}
// SAFETY: as above.
unsafe impl Sync for Shown {}

// Nothing is written here, so that no panic can leave it half done.
impl std::panic::UnwindSafe for Shown {}
impl std::panic::RefUnwindSafe for Shown {}

/// Zeroes memory, by several threads where it is much.
fn clear(bytes: &mut [u8]) {
    let (blocks, rest) = bytes.as_chunks_mut::<16>();
    if !par::much(blocks.len()) {
        return bytes.fill(0);
    }
    par::chunks(blocks, 1, 1, |_, blocks| blocks.as_flattened_mut().fill(0));
    rest.fill(0);
}

impl Storage {
    /// A storage whose contents are unspecified (but initialised): for kernels that write every element.
    pub(crate) fn stale(dtype: DType, len: usize) -> Storage {
        let bytes = len.checked_mul(dtype.size()).expect("layouts bound the number of bytes");
        let (block, zero) = Block::new(bytes);
        crate::profile::memory(|| bytes as isize);
        let mut storage = Storage { block: Some(block), shown: None, len, dtype };
        if dtype == DType::Bool && !zero {
            // Bytes of another tensor need not be booleans.
            clear(storage.bytes_mut());
        }
        storage
    }

    /// A storage of zeros.
    pub(crate) fn zeroed(dtype: DType, len: usize) -> Storage {
        let bytes = len.checked_mul(dtype.size()).expect("layouts bound the number of bytes");
        let (block, zero) = Block::new(bytes);
        crate::profile::memory(|| bytes as isize);
        let mut storage = Storage { block: Some(block), shown: None, len, dtype };
        if !zero {
            clear(storage.bytes_mut());
        }
        storage
    }

    /// A storage that shows bytes of something else from `start` on, without a copy. They are never written: who writes
    /// to a tensor of this storage gets memory of its own first. `None` if there are fewer bytes than the elements
    /// need, if they are not aligned for the dtype, or if they are to be `bool` and not all 0 or 1.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// use wengert_tensor::{DType, Storage, Tensor};
    /// let file: Arc<Vec<u8>> = Arc::new(vec![0, 1, 1]);
    /// let flags = Storage::from_shown(DType::Bool, 2, file.clone(), 1).unwrap();
    /// let mut flags = Tensor::from_parts(Arc::new(flags), &[2], &[1], 0)?;
    /// flags.as_mut_slice::<bool>()[0] = false;
    /// assert_eq!(flags.to_vec::<bool>(), [false, true]);
    /// assert_eq!(*file, [0, 1, 1]);
    /// assert!(Storage::from_shown(DType::F32, 1, file, 0).is_none());
    /// # Ok::<(), wengert_tensor::Error>(())
    /// ```
    pub fn from_shown(
        dtype: DType,
        len: usize,
        owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
        start: usize,
    ) -> Option<Storage> {
        let bytes = (*owner).as_ref().get(start..start.checked_add(len.checked_mul(dtype.size())?)?)?;
        let aligned = bytes.as_ptr().addr().is_multiple_of(dtype.size());
        if !aligned || dtype == DType::Bool && bytes.iter().any(|&b| b > 1) {
            return None;
        }
        // The slice is borrowed from what the `Arc` holds. It stays as good as while this borrow lasts: the storage
        // keeps the `Arc`, so that nobody can get a unique reference to the owner, and safe code that has only shared
        // ones cannot move, free or write what it lent.
        let ptr = NonNull::from(bytes).cast();
        Some(Storage { block: None, shown: Some(Box::new(Shown { ptr, _owner: owner })), len, dtype })
    }

    /// The number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The element type.
    #[inline]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Whether the memory is another's, which [`Storage::from_shown`] shows.
    pub fn is_shown(&self) -> bool {
        self.block.is_none()
    }

    /// Where the memory is.
    pub fn device(&self) -> Device {
        Device::Cpu
    }

    #[inline]
    fn ptr(&self) -> *mut u8 {
        match &self.block {
            Some(block) => block.ptr().as_ptr(),
            None => self.shown.as_ref().expect("what has no block shows another's memory").ptr.as_ptr(),
        }
    }

    /// Makes the memory the storage's own, so that it may be written.
    #[inline]
    fn own(&mut self) {
        if self.block.is_none() {
            *self = self.clone();
        }
    }

    /// All elements.
    ///
    /// # Panics
    /// If `T` is not the dtype.
    #[inline]
    #[track_caller]
    pub fn as_slice<T: Element>(&self) -> &[T] {
        self.check::<T>();
        // SAFETY: the memory is aligned for `T`, holds `len` elements of it (checked dtype, struct invariant), all
        // initialised and, for bool, valid; the borrow of self keeps it alive and unwritten, and its owner if it is
        // another's (`from_shown`).
        unsafe { std::slice::from_raw_parts(self.ptr().cast(), self.len) }
    }

    /// All elements, for writing.
    ///
    /// # Panics
    /// If `T` is not the dtype.
    #[inline]
    #[track_caller]
    pub fn as_mut_slice<T: Element>(&mut self) -> &mut [T] {
        self.check::<T>();
        self.own();
        // SAFETY: as in `as_slice`; the memory is the storage's own block, since that is what `own` sees to; and the borrow is exclusive. What is written through it are values of `T`, so the
        // invariant on bools holds.
        unsafe { std::slice::from_raw_parts_mut(self.ptr().cast(), self.len) }
    }

    /// All elements as what is moved in their place ([`DType::bits`]), or as what they are.
    #[inline]
    pub(crate) fn bits<T: Element>(&self) -> &[T] {
        self.check_bits::<T>();
        // SAFETY: as in `as_slice`; `T` is of the dtype's size, and any bits are a `T`, unless both are the same type.
        unsafe { std::slice::from_raw_parts(self.ptr().cast(), self.len) }
    }

    /// [`Storage::bits`], for writing.
    #[inline]
    pub(crate) fn bits_mut<T: Element>(&mut self) -> &mut [T] {
        self.check_bits::<T>();
        self.own();
        // SAFETY: as in `bits` and `as_mut_slice`; any bits of a `T` are an element of the dtype too, since both are `bool` if
        // either is.
        unsafe { std::slice::from_raw_parts_mut(self.ptr().cast(), self.len) }
    }

    fn check_bits<T: Element>(&self) {
        assert!(T::DTYPE == self.dtype || T::DTYPE == self.dtype.bits(), "elements of another size");
    }

    /// The contents as bytes, in the machine's order.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: any initialised memory may be read as bytes; the length is the struct's invariant.
        unsafe { std::slice::from_raw_parts(self.ptr(), self.len * self.dtype.size()) }
    }

    /// The contents as bytes, for filling from a file. Private: a caller could break the invariant on bools.
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.own();
        let bytes = self.len * self.dtype.size();
        // SAFETY: as in `as_mut_slice`; u8 has no invalid values.
        unsafe { std::slice::from_raw_parts_mut(self.ptr(), bytes) }
    }

    /// A storage whose bytes `fill` writes, in the machine's order. Booleans are normalised to 0 and 1 afterwards.
    ///
    /// # Errors
    /// What `fill` returns.
    pub fn from_bytes_with<E>(
        dtype: DType,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Storage, E> {
        // Bytes, so that no reference to bool exists while they are arbitrary.
        let mut raw = Storage::stale(DType::U8, len.checked_mul(dtype.size()).expect("checked by the caller"));
        fill(raw.bytes_mut())?;
        if dtype == DType::Bool {
            raw.bytes_mut().iter_mut().for_each(|b| *b = (*b != 0) as u8);
        }
        raw.len = len;
        raw.dtype = dtype;
        Ok(raw)
    }

    #[inline]
    #[track_caller]
    fn check<T: Element>(&self) {
        if T::DTYPE != self.dtype {
            crate::bug!("", "expected a tensor of {} but found {}", T::DTYPE, self.dtype);
        }
    }
}

/// A tensor's hold on its storage. The last one of a small storage is kept for the next small tensor of the thread, which spares
/// both an allocation: half of what such a tensor costs.
#[derive(Clone)]
pub(crate) struct Shared(Option<Arc<Storage>>);

thread_local! {
    static KEPT: RefCell<[Vec<Arc<Storage>>; cache::SMALL_CLASSES]> =
        const { RefCell::new([const { Vec::new() }; cache::SMALL_CLASSES]) };
}

impl Shared {
    /// A storage of so many elements that `fill` writes; before, they are unspecified.
    #[inline]
    #[track_caller]
    pub(crate) fn build<T: Element>(len: usize, fill: impl FnOnce(&mut [T])) -> Shared {
        let mut storage = Shared::kept(T::DTYPE, len).unwrap_or_else(|| Arc::new(Storage::stale(T::DTYPE, len)));
        let own = Arc::get_mut(&mut storage).expect("nobody else has it");
        (own.len, own.dtype) = (len, T::DTYPE);
        if T::DTYPE == DType::Bool {
            // Bytes of another tensor need not be booleans.
            own.bytes_mut().fill(0);
        }
        fill(own.as_mut_slice());
        Shared(Some(storage))
    }

    /// [`Shared::build`] of elements that are moved as `T`s ([`DType::bits`]).
    #[inline]
    pub(crate) fn build_bits<T: Element>(dtype: DType, len: usize, fill: impl FnOnce(&mut [T])) -> Shared {
        let mut storage = Shared::build(len, fill);
        let own = Arc::get_mut(&mut storage).expect("nobody else has it");
        assert!(T::DTYPE == dtype || T::DTYPE == dtype.bits(), "elements of another size");
        own.dtype = dtype;
        storage
    }

    /// A storage that was kept: unique, but with the length and the dtype of another.
    #[inline(never)]
    fn kept(dtype: DType, len: usize) -> Option<Arc<Storage>> {
        let bytes = len.checked_mul(dtype.size()).expect("layouts bound the number of bytes");
        let class = cache::class_of(bytes);
        if class >= cache::SMALL_CLASSES {
            return None;
        }
        let kept = KEPT.try_with(|kept| kept.borrow_mut()[class].pop()).ok().flatten();
        if kept.is_some() {
            crate::profile::memory(|| bytes as isize);
        }
        kept
    }

    /// Keeps a storage if it is small and has its own memory, and nobody else has it; else drops it.
    #[inline(never)]
    fn keep(mut storage: Arc<Storage>) {
        let Some(own) = Arc::get_mut(&mut storage) else { return };
        let Some(class) = own.block.as_ref().map(Block::class).filter(|&class| class < cache::SMALL_CLASSES) else {
            return;
        };
        crate::profile::memory(|| -((own.len * own.dtype.size()) as isize));
        (own.len, own.dtype) = (0, DType::U8);
        // What is not kept is dropped, as that of a thread that is being torn down.
        let _ = KEPT.try_with(|kept| {
            let bin = &mut kept.borrow_mut()[class];
            if bin.len() < cache::kept_of(class) {
                bin.push(storage);
            }
        });
    }
}

/// Bytes in this thread's small storages that wait for a tensor.
pub(crate) fn kept_bytes() -> usize {
    KEPT.with(|kept| {
        kept.borrow().iter().enumerate().map(|(class, bin)| bin.len() * cache::class_bytes(class)).sum::<usize>()
    })
}

/// Gives them back.
pub(crate) fn drop_kept() {
    KEPT.with(|kept| kept.borrow_mut().iter_mut().for_each(|bin| *bin = Vec::new()));
}

impl Drop for Shared {
    #[inline]
    fn drop(&mut self) {
        if let Some(storage) = self.0.take()
            && Arc::strong_count(&storage) == 1
        {
            Shared::keep(storage);
        }
    }
}

impl From<Arc<Storage>> for Shared {
    #[inline]
    fn from(storage: Arc<Storage>) -> Shared {
        Shared(Some(storage))
    }
}

impl std::ops::Deref for Shared {
    type Target = Arc<Storage>;

    #[inline]
    fn deref(&self) -> &Arc<Storage> {
        self.0.as_ref().expect("there until it is dropped")
    }
}

impl std::ops::DerefMut for Shared {
    #[inline]
    fn deref_mut(&mut self) -> &mut Arc<Storage> {
        self.0.as_mut().expect("there until it is dropped")
    }
}

impl Clone for Storage {
    fn clone(&self) -> Storage {
        let mut out = Storage::stale(self.dtype, self.len);
        out.bytes_mut().copy_from_slice(self.as_bytes());
        out
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        if let Some(block) = self.block.take() {
            crate::profile::memory(|| -((self.len * self.dtype.size()) as isize));
            block.recycle();
        }
    }
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Storage({}, {} elements)", self.dtype, self.len)
    }
}
