//! Sets of elements or slices: what is in another tensor, different slices along an axis, and runs of equal ones.

use crate::shape::{axis, size_text};
use crate::{DType, Tensor, Unique, bug, match_dtype};
use wengert_tensor_macros::profiled;

/// The slices along an axis as rows of a matrix, and the shape of one.
fn rows(x: &Tensor, d: usize) -> (Tensor, Vec<usize>) {
    let order: Vec<isize> = [d].into_iter().chain((0..x.rank()).filter(|&i| i != d)).map(|i| i as isize).collect();
    let front = if x.rank() == 0 { x.reshape([1usize]) } else { x.permute(&order).contiguous() };
    let shape = front.shape()[1..].to_vec();
    let count = front.shape()[0];
    (front.reshape([count, shape.iter().product()]), shape)
}

/// Groups of equal rows, given the order in which they are looked at: the first row of each group, where each row went, and how
/// many there are.
fn groups(rows: &Tensor, order: &[usize]) -> (Vec<i64>, Vec<i64>, Vec<i64>) {
    let width = rows.shape()[1];
    match_dtype!(rows.dtype(), T => {
        let data = rows.as_slice::<T>().expect("made contiguous");
        let row = |i: usize| &data[i * width..][..width];
        let (mut firsts, mut inverse, mut counts) = (Vec::new(), vec![0i64; order.len()], Vec::<i64>::new());
        let mut last = None;
        for &i in order {
            if last.is_some_and(|l: usize| row(l) == row(i)) {
                *counts.last_mut().expect("one count for each group") += 1;
            } else {
                firsts.push(i as i64);
                counts.push(1);
            }
            inverse[i] = counts.len() as i64 - 1;
            last = Some(i);
        }
        (firsts, inverse, counts)
    })
}

fn found(x: &Tensor, d: usize, shape: &[usize], rows: &Tensor, order: &[usize]) -> Unique {
    let (firsts, inverse, counts) = groups(rows, order);
    let count = firsts.len();
    let sizes: Vec<usize> = [&[count][..], shape].concat();
    let values = rows.index_select(0, &Tensor::from_vec(firsts, [count])).reshape(sizes.as_slice());
    // The axis goes back to its place.
    let back: Vec<isize> = (1..=d).chain([0]).chain(d + 1..x.rank()).map(|i| i as isize).collect();
    let values = if x.rank() == 0 { values } else { values.permute(&back).contiguous() };
    Unique { values, inverse: Tensor::from_vec(inverse, [order.len()]), counts: Tensor::from_vec(counts, [count]) }
}

#[profiled]
impl Tensor {
    /// The different slices along an axis in ascending order, where each slice went, and how often each occurs
    /// (`torch.unique(x, dim=d)`).
    ///
    /// # Panics
    /// If the axis is out of range, or the slices are empty but there are some.
    #[track_caller]
    pub fn unique_dim(&self, dim: isize) -> Unique {
        let d = axis("unique", dim, self.rank());
        let (rows, shape) = rows(self, d);
        if rows.shape()[1] == 0 && rows.shape()[0] > 0 {
            bug!(
                "",
                "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied: {}",
                size_text(self.shape())
            );
        }
        let width = rows.shape()[1];
        let mut order: Vec<usize> = (0..rows.shape()[0]).collect();
        // One sort for all dtypes, to compile once.
        let compare: Box<dyn Fn(usize, usize) -> Option<std::cmp::Ordering>> = match_dtype!(rows.dtype(), T => {
            let data = rows.as_slice::<T>().expect("made contiguous");
            let row = move |i: usize| &data[i * width..][..width];
            Box::new(move |a, b| row(a).partial_cmp(row(b)))
        });
        order.sort_by(|&a, &b| compare(a, b).unwrap_or(std::cmp::Ordering::Equal));
        found(self, d, &shape, &rows, &order)
    }

    /// The elements without those equal to their predecessor, where each went, and how many each stands for.
    pub fn unique_consecutive(&self) -> Unique {
        let flat = self.reshape([-1isize]);
        let order: Vec<usize> = (0..flat.numel()).collect();
        let rows = flat.contiguous().reshape([order.len(), 1]);
        let mut out = found(&flat, 0, &[], &rows, &order);
        out.inverse = out.inverse.reshape(self.shape());
        out
    }

    /// The slices along an axis without those equal to their predecessor, where each went, and how many each stands for.
    ///
    /// # Panics
    /// As [`Tensor::unique_dim`].
    #[track_caller]
    pub fn unique_consecutive_dim(&self, dim: isize) -> Unique {
        let d = axis("unique_consecutive", dim, self.rank());
        let (rows, shape) = rows(self, d);
        if rows.shape()[1] == 0 && rows.shape()[0] > 0 {
            bug!(
                "",
                "There are 0 sized dimensions, and they aren't selected, so unique_consecutive cannot be applied: {}",
                size_text(self.shape())
            );
        }
        let order: Vec<usize> = (0..rows.shape()[0]).collect();
        found(self, d, &shape, &rows, &order)
    }

    /// For each element whether `set` holds it.
    pub fn isin(&self, set: &Tensor) -> Tensor {
        if set.numel() == 0 {
            return Tensor::full(self.shape(), false, DType::Bool);
        }
        let dtype = self.dtype().promote(set.dtype());
        let sorted = set.to(dtype).reshape([-1isize]).sort(0).0;
        let x = self.to(dtype);
        let at = sorted.searchsorted(&x.reshape([-1isize])).clamp(None, (set.numel() - 1) as f64);
        sorted.index_select(0, &at).reshape(self.shape()).eq(&x)
    }

    /// The positions in a tensor of shape `sizes` of flat positions: one tensor for each axis.
    ///
    /// # Panics
    /// If a position is out of range.
    #[track_caller]
    pub fn unravel_index(&self, sizes: &[usize]) -> Vec<Tensor> {
        let count: i64 = sizes.iter().product::<usize>() as i64;
        let flat = self.to(DType::I64);
        if flat.numel() > 0 && (flat.ge(count).any(()).item::<bool>() || flat.lt(-count).any(()).item::<bool>()) {
            bug!("", "unravel_index: an index is out of bounds for a tensor of shape {}", size_text(sizes));
        }
        let flat = flat.remainder(count.max(1));
        let mut rest = count;
        sizes
            .iter()
            .map(|&n| {
                rest /= (n as i64).max(1);
                flat.floor_divide(rest.max(1)).remainder((n as i64).max(1))
            })
            .collect()
    }
}
