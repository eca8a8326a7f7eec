//! [`Tensor`]: a shared storage and a layout. Access, construction from memory, copy-on-write.

use crate::bug;
use crate::error::Error;
use crate::layout::Layout;
use crate::shape::{IntoShape, Shape, numel};
use crate::storage::{Shared, Storage};
use crate::{DType, Device, Element, Scalar, match_dtype};
use std::sync::Arc;

/// An N-dimensional array whose element type is known at run time.
///
/// A tensor is a value: cloning shares memory, views share memory, and no write is ever visible through another
/// tensor, because writing through `&mut Tensor` first makes the memory unique. (Here Rust differs from PyTorch, where
/// a view writes through to its base.)
///
/// # Examples
/// ```
/// use wengert_tensor::Tensor;
/// let a = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]);
/// assert_eq!(a.transpose(0, 1).shape(), [3, 2]);
/// assert_eq!(a.select(0, 1).to_vec::<f32>(), [4.0, 5.0, 6.0]);
/// ```
#[derive(Clone)]
pub struct Tensor {
    storage: Shared,
    layout: Layout,
}

/// What writes a new tensor, once. The table of a `dyn FnMut` would hold another function for each of hundreds of closures.
trait Fill<T> {
    fn fill(&mut self, out: &mut [T]);
}

impl<T, F: FnOnce(&mut [T])> Fill<T> for Option<F> {
    fn fill(&mut self, out: &mut [T]) {
        if let Some(fill) = self.take() {
            fill(out);
        }
    }
}

impl Tensor {
    /// A tensor over a whole storage in C order. The caller gives a storage of exactly the shape's elements.
    pub(crate) fn from_storage(storage: Storage, shape: Shape) -> Tensor {
        debug_assert_eq!(storage.len(), numel(&shape));
        Tensor { storage: Arc::new(storage).into(), layout: Layout::contiguous(&shape) }
    }

    /// A view of a shared storage, checked: how checkpoint readers rebuild strided and aliased tensors.
    ///
    /// # Errors
    /// [`Error::OutOfStorage`] or [`Error::TooLarge`].
    pub fn from_parts(
        storage: Arc<Storage>,
        shape: &[usize],
        strides: &[isize],
        offset: usize,
    ) -> Result<Tensor, Error> {
        let layout = Layout::new(Shape::from_slice(shape), strides.iter().copied().collect(), offset, storage.len())?;
        Ok(Tensor { storage: storage.into(), layout })
    }

    /// The same storage seen through another layout that a view method derived from this one's.
    #[inline]
    pub(crate) fn with_layout(&self, layout: Layout) -> Tensor {
        Tensor { storage: self.storage.clone(), layout }
    }

    /// A new contiguous tensor that `fill` writes. Before, its contents are unspecified: `fill` must write all of it.
    #[inline]
    #[track_caller]
    pub(crate) fn build<T: Element>(shape: impl IntoShape, fill: impl FnOnce(&mut [T])) -> Tensor {
        Tensor::build_of(shape.into_shape(), &mut Some(fill))
    }

    /// [`Tensor::build`], compiled once per element type.
    #[inline(never)]
    #[track_caller]
    fn build_of<T: Element>(shape: Shape, fill: &mut dyn Fill<T>) -> Tensor {
        let layout = Layout::contiguous(&shape);
        let storage = Shared::build(layout.numel(), |out: &mut [T]| fill.fill(out));
        Tensor { storage, layout }
    }

    /// [`Tensor::build`] of elements that are moved as `T`s ([`DType::bits`]).
    #[inline]
    #[track_caller]
    pub(crate) fn build_bits<T: Element>(dtype: DType, shape: impl IntoShape, fill: impl FnOnce(&mut [T])) -> Tensor {
        Tensor::build_bits_of(dtype, shape.into_shape(), &mut Some(fill))
    }

    #[inline(never)]
    #[track_caller]
    fn build_bits_of<T: Element>(dtype: DType, shape: Shape, fill: &mut dyn Fill<T>) -> Tensor {
        let layout = Layout::contiguous(&shape);
        let storage = Shared::build_bits(dtype, layout.numel(), |out: &mut [T]| fill.fill(out));
        Tensor { storage, layout }
    }

    /// A new contiguous tensor of this shape that `fill` writes, as [`Tensor::build`].
    #[inline]
    pub(crate) fn build_like<T: Element>(&self, fill: impl FnOnce(&mut [T])) -> Tensor {
        let layout = self.layout.fresh();
        let storage = Shared::build(layout.numel(), fill);
        Tensor { storage, layout }
    }

    /// A tensor that takes the elements of a vector in C order.
    ///
    /// # Panics
    /// If their number is not the shape's.
    #[track_caller]
    pub fn from_vec<T: Element>(data: Vec<T>, shape: impl IntoShape) -> Tensor {
        Tensor::from_slice(&data, shape)
    }

    /// A tensor that copies the elements of a slice in C order.
    ///
    /// # Panics
    /// If their number is not the shape's.
    #[track_caller]
    pub fn from_slice<T: Element>(data: &[T], shape: impl IntoShape) -> Tensor {
        let shape = shape.into_shape();
        if numel(&shape) != data.len() {
            bug!("", "shape '{shape:?}' is invalid for input of size {}", data.len());
        }
        Tensor::build(shape, |out: &mut [T]| out.copy_from_slice(data))
    }

    /// A tensor from bytes in the machine's order, such as a file's.
    ///
    /// # Errors
    /// [`Error::PartialElement`], [`Error::InvalidShape`] or [`Error::TooLarge`].
    pub fn from_bytes(dtype: DType, shape: &[usize], bytes: &[u8]) -> Result<Tensor, Error> {
        if !bytes.len().is_multiple_of(dtype.size()) {
            return Err(Error::PartialElement { bytes: bytes.len(), dtype });
        }
        let len = bytes.len() / dtype.size();
        if shape.iter().try_fold(1usize, |a, &s| a.checked_mul(s)) != Some(len) {
            return Err(Error::InvalidShape { shape: shape.to_vec(), size: len });
        }
        let shape = Shape::from_slice(shape);
        let strides = crate::shape::contiguous_strides(&shape);
        let layout = Layout::new(shape, strides, 0, len)?;
        let storage = Storage::from_bytes_with(dtype, len, |out| {
            out.copy_from_slice(bytes);
            Ok::<(), Error>(())
        })?;
        Ok(Tensor { storage: Arc::new(storage).into(), layout })
    }

    /// The element type.
    #[inline]
    pub fn dtype(&self) -> DType {
        self.storage.dtype()
    }

    /// Where the memory is.
    pub fn device(&self) -> Device {
        self.storage.device()
    }

    /// The tensor on another device; on its own device, itself.
    ///
    /// # Errors
    /// [`Error::DeviceUnavailable`] for any device but the CPU.
    pub fn to_device(&self, device: Device) -> Result<Tensor, Error> {
        device.check()?;
        Ok(self.clone())
    }

    /// Sizes per axis.
    #[inline]
    pub fn shape(&self) -> &[usize] {
        self.layout.shape()
    }

    /// The size of one axis, negative counts from the end.
    ///
    /// # Panics
    /// If the axis is out of range.
    #[track_caller]
    pub fn size(&self, dim: isize) -> usize {
        self.shape()[crate::shape::axis("size", dim, self.rank())]
    }

    /// Strides per axis, in elements.
    #[doc(alias = "stride")]
    #[inline]
    pub fn strides(&self) -> &[isize] {
        self.layout.strides()
    }

    /// The number of axes (`Tensor.dim()` in PyTorch).
    #[doc(alias = "dim")]
    #[doc(alias = "ndim")]
    #[inline]
    pub fn rank(&self) -> usize {
        self.layout.rank()
    }

    /// The bytes of one element.
    #[doc(alias = "itemsize")]
    #[inline]
    pub fn element_size(&self) -> usize {
        self.dtype().size()
    }

    /// The bytes of all elements.
    #[inline]
    pub fn nbytes(&self) -> usize {
        self.numel() * self.element_size()
    }

    /// The number of elements.
    #[doc(alias = "nelement")]
    #[inline]
    pub fn numel(&self) -> usize {
        self.layout.numel()
    }

    /// The layout: shape, strides and offset.
    #[inline]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The shared storage.
    #[inline]
    pub fn storage(&self) -> &Arc<Storage> {
        &self.storage
    }

    /// Whether the elements lie in C order without gaps.
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        self.layout.is_contiguous()
    }

    /// Whether two tensors look at the same memory (`Tensor.data_ptr`'s storage in PyTorch).
    pub fn shares_storage(&self, other: &Tensor) -> bool {
        Arc::ptr_eq(&self.storage, &other.storage)
    }

    /// The elements in C order, if they lie so in memory.
    ///
    /// # Panics
    /// If `T` is not the dtype.
    #[inline]
    #[track_caller]
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        let all = self.storage.as_slice::<T>();
        self.is_contiguous().then(|| &all[self.layout.offset()..][..self.numel()])
    }

    /// The whole storage's elements; index with the layout's offset and strides.
    #[inline]
    pub(crate) fn data<T: Element>(&self) -> &[T] {
        self.storage.as_slice()
    }

    /// The whole storage's elements as what is moved in their place ([`DType::bits`]).
    #[inline]
    pub(crate) fn bits<T: Element>(&self) -> &[T] {
        self.storage.bits()
    }

    /// [`Tensor::as_slice`] of a contiguous tensor, as what is moved in the elements' place.
    #[inline]
    pub(crate) fn bits_slice<T: Element>(&self) -> &[T] {
        debug_assert!(self.is_contiguous());
        &self.storage.bits()[self.layout.offset()..][..self.numel()]
    }

    /// [`Tensor::as_mut_slice`], as what is moved in the elements' place.
    pub(crate) fn bits_mut<T: Element>(&mut self) -> &mut [T] {
        let range = self.make_own();
        let storage = Arc::get_mut(&mut self.storage).expect("just made unique");
        &mut storage.bits_mut()[range]
    }

    /// Makes the memory this tensor's own and contiguous; gives the range of its elements.
    pub(crate) fn make_own(&mut self) -> std::ops::Range<usize> {
        if Arc::strong_count(&self.storage) != 1 || Arc::weak_count(&self.storage) != 0 || !self.is_contiguous() {
            *self = self.copy();
        }
        self.layout.offset()..self.layout.offset() + self.numel()
    }

    /// The elements in C order for writing, after making the memory this tensor's own and contiguous.
    ///
    /// No other tensor sees what is written: if the storage is shared, it is copied first.
    ///
    /// # Panics
    /// If `T` is not the dtype.
    #[track_caller]
    pub fn as_mut_slice<T: Element>(&mut self) -> &mut [T] {
        let range = self.make_own();
        let storage = Arc::get_mut(&mut self.storage).expect("just made unique");
        &mut storage.as_mut_slice()[range]
    }

    /// A contiguous copy with memory of its own (`clone().contiguous()` in PyTorch; Rust's `clone` shares).
    #[wengert_tensor_macros::profiled]
    pub fn copy(&self) -> Tensor {
        crate::cpu::copy::contiguous(self)
    }

    /// The tensor in C order: itself if it lies so, else a copy.
    pub fn contiguous(&self) -> Tensor {
        if self.is_contiguous() { self.clone() } else { self.copy() }
    }

    /// The elements in C order, converted to `T` as [`Tensor::to`] converts.
    #[doc(alias = "tolist")]
    #[doc(alias = "numpy")]
    pub fn to_vec<T: Element>(&self) -> Vec<T> {
        let same = self.to(T::DTYPE).contiguous();
        same.as_slice().expect("contiguous").to_vec()
    }

    /// The elements' bytes in C order and the machine's byte order.
    pub fn to_bytes(&self) -> Vec<u8> {
        let dense = self.contiguous();
        let size = self.dtype().size();
        dense.storage.as_bytes()[dense.layout.offset() * size..][..self.numel() * size].to_vec()
    }

    /// The only element, converted to `T`.
    ///
    /// # Panics
    /// If there is not exactly one.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::Tensor;
    /// assert_eq!(Tensor::from_vec(vec![2.5f32], [1, 1]).item::<f64>(), 2.5);
    /// ```
    #[track_caller]
    pub fn item<T: Element>(&self) -> T {
        if self.numel() != 1 {
            bug!("item", "a Tensor with {} elements cannot be converted to Scalar", self.numel());
        }
        match self.scalar_at(self.layout.offset()) {
            Scalar::Int(x) => T::from_i64(x),
            other => T::from_f64(other.to_f64()),
        }
    }

    /// The element at a storage index, widened.
    pub(crate) fn scalar_at(&self, index: usize) -> Scalar {
        match_dtype!(self.dtype(), T => {
            let x = self.data::<T>()[index];
            match T::DTYPE.category() {
                crate::Category::Float => Scalar::Float(x.to_f64()),
                crate::Category::Int => Scalar::Int(x.to_i64()),
                crate::Category::Bool => Scalar::Bool(x.to_i64() != 0),
            }
        })
    }

    /// Converts to another dtype; to its own, itself. Floats to integers truncate, to `bool` test for zero. NaN and what is
    /// out of range become what PyTorch makes of them on x86-64: the smallest `i64` or `i32`, 0 in narrower integers.
    pub fn to(&self, dtype: DType) -> Tensor {
        if dtype == self.dtype() {
            return self.clone();
        }
        let _span = crate::profile::span("to");
        crate::cpu::copy::cast(self, dtype)
    }
}
