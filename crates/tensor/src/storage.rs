//! The memory behind tensors: one aligned, always initialised byte buffer with its dtype.

use crate::cache::Block;
use crate::{DType, Device, Element};

/// A buffer of `len` elements of one dtype, aligned to 64 bytes.
///
/// Invariants: the block holds at least `len * dtype.size()` bytes; all of them are initialised; in a `Bool` storage
/// each of the first `len` bytes is 0 or 1.
pub struct Storage {
    block: Option<Block>,
    len: usize,
    dtype: DType,
}

impl Storage {
    /// A storage whose contents are unspecified (but initialised): for kernels that write every element.
    pub(crate) fn stale(dtype: DType, len: usize) -> Storage {
        let bytes = len.checked_mul(dtype.size()).expect("layouts bound the number of bytes");
        let (block, zero) = Block::new(bytes);
        crate::profile::memory(|| bytes as isize);
        let mut storage = Storage { block: Some(block), len, dtype };
        if dtype == DType::Bool && !zero {
            // Bytes of another tensor need not be booleans.
            storage.bytes_mut().fill(0);
        }
        storage
    }

    /// A storage of zeros.
    pub(crate) fn zeroed(dtype: DType, len: usize) -> Storage {
        let bytes = len.checked_mul(dtype.size()).expect("layouts bound the number of bytes");
        let (block, zero) = Block::new(bytes);
        crate::profile::memory(|| bytes as isize);
        let mut storage = Storage { block: Some(block), len, dtype };
        if !zero {
            storage.bytes_mut().fill(0);
        }
        storage
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

    /// Where the memory is.
    pub fn device(&self) -> Device {
        Device::Cpu
    }

    #[inline]
    fn ptr(&self) -> *mut u8 {
        self.block.as_ref().expect("taken only by drop").ptr().as_ptr()
    }

    /// All elements.
    ///
    /// # Panics
    /// If `T` is not the dtype.
    #[inline]
    #[track_caller]
    pub fn as_slice<T: Element>(&self) -> &[T] {
        self.check::<T>();
        // SAFETY: the block is aligned to 64, holds `len` elements of `T` (checked dtype, struct invariant), all
        // initialised and, for bool, valid; the borrow of self keeps it alive and unwritten.
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
        // SAFETY: as in `as_slice`, and the borrow is exclusive. What is written through it are values of `T`, so the
        // invariant on bools holds.
        unsafe { std::slice::from_raw_parts_mut(self.ptr().cast(), self.len) }
    }

    /// The contents as bytes, in the machine's order.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: any initialised memory may be read as bytes; the length is the struct's invariant.
        unsafe { std::slice::from_raw_parts(self.ptr(), self.len * self.dtype.size()) }
    }

    /// The contents as bytes, for filling from a file. Private: a caller could break the invariant on bools.
    fn bytes_mut(&mut self) -> &mut [u8] {
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
