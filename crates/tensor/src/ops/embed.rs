//! The adjoint of views: elements put back where a view had taken them from, zeros elsewhere.

use crate::cpu::copy::run;
use crate::cpu::par;
use crate::cpu::walk::Walk;
use crate::shape::IntoShape;
use crate::storage::Storage;
use crate::{Element, Tensor, bug, match_dtype};
use wengert_tensor_macros::profiled;

#[profiled]
impl Tensor {
    /// A tensor of zeros of the given shape in which the elements that `view` names hold this tensor's.
    ///
    /// It is the adjoint of a view that names no element twice, such as [`Tensor::select`], [`Tensor::slice`] or
    /// [`Tensor::diagonal`].
    ///
    /// # Panics
    /// If the view's shape is not this tensor's.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::Tensor;
    /// let row = Tensor::from_vec(vec![1.0f32, 2.0], [2]);
    /// assert_eq!(row.embed([2, 2], |x| x.select(0, 1)).to_vec::<f32>(), [0.0, 0.0, 1.0, 2.0]);
    /// ```
    #[track_caller]
    pub fn embed(&self, shape: impl IntoShape, view: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
        let shape = shape.into_shape();
        let base = Tensor::from_storage(Storage::zeroed(self.dtype(), crate::shape::numel(&shape)), shape);
        let target = view(&base);
        self.put_into(base, target)
    }

    /// `base` with this tensor's elements where `target`, a view of it, is.
    #[track_caller]
    fn put_into(&self, mut base: Tensor, target: Tensor) -> Tensor {
        if target.shape() != self.shape() {
            bug!("embed", "the view is of shape {:?} but the tensor of {:?}", target.shape(), self.shape());
        }
        if !target.shares_storage(&base) {
            bug!("embed", "the view copies");
        }
        let layout = target.layout().clone();
        drop(target);
        match_dtype!(bits self.dtype(), T => put::<T>(self, &layout, base.bits_mut()));
        base
    }
}

/// `out[layout] = source`.
fn put<T: Element>(source: &Tensor, layout: &crate::Layout, out: &mut [T]) {
    if source.numel() == 0 {
        return;
    }
    // Where each index of the first axis has a part of `out` of its own, threads share those.
    let (shape, strides, offset) = (layout.shape(), layout.strides(), layout.offset());
    let apart = strides.first().map_or(0, |&step| step.max(0) as usize);
    let reach = |(&size, &step): (&usize, &isize)| (size as isize - 1) * step;
    let last = offset as isize + shape.iter().zip(strides).skip(1).map(reach).sum::<isize>();
    let own = strides.iter().all(|&step| step >= 0) && apart > 0 && offset / apart == last as usize / apart;
    if !own {
        return put_part(source, layout, 0, out);
    }
    let (first, count) = (offset / apart, shape[0]);
    par::chunks(&mut out[first * apart..], apart, 1, |start, part| {
        let from = start / apart;
        let to = (start + part.len()).div_ceil(apart).min(count);
        if from < to {
            let source = source.narrow(0, from as isize, to - from);
            let layout = layout.slice(0, from, to - from, 1);
            put_part(&source, &layout, first * apart + start, part);
        }
    });
}

/// [`put`] for the part of the memory that begins at `start`.
fn put_part<T: Element>(source: &Tensor, layout: &crate::Layout, start: usize, out: &mut [T]) {
    let data = source.bits::<T>();
    let walk = Walk::new(source.shape(), [source.strides(), layout.strides()]);
    let ([from, to], len) = (walk.row_strides(), walk.row_len());
    walk.each_row(0..walk.rows(), [source.layout().offset(), layout.offset() - start], |[a, b]| {
        if from == 1 && to == 1 {
            run(&data[a..][..len], &mut out[b..][..len]);
        } else {
            let (mut a, mut b) = (a as isize, b as isize);
            for _ in 0..len {
                out[b as usize] = data[a as usize];
                a += from;
                b += to;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    #[test]
    fn embedding_a_view_of_a_tensor_keeps_exactly_its_elements() {
        let x = Tensor::from_vec((1..=24).collect::<Vec<i64>>(), [2, 3, 4]);
        let views: [fn(&Tensor) -> Tensor; 4] = [
            |x| x.slice(2, Some(1), None, 2).transpose(0, 1),
            |x| x.diagonal(1, 1, 2),
            |x| x.select(0, 1).narrow(0, 1, 2),
            |x| x.narrow(1, 0, 0),
        ];
        for view in views {
            let taken = view(&x);
            let back = taken.embed(x.shape(), view);
            assert_eq!(view(&back).to_vec::<i64>(), taken.to_vec::<i64>());
            let sum = |x: &Tensor| x.to_vec::<i64>().iter().sum::<i64>();
            assert_eq!(sum(&back), sum(&taken));
        }
    }
}
