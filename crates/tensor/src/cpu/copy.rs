//! Copies between layouts and dtypes.

use super::half::{BLOCK, Block, Half, narrow_bf16, narrow_f16, widen_bf16, widen_f16};
use super::par;
use super::simd::{int, int_of_single, long, multiversion};
use super::turn::{SIDE, Turn};
use super::walk::Walk;
use crate::layout::Layout;
use crate::shape::Shape;
use crate::storage::Storage;
use crate::{DType, Element, Tensor, bf16, f16, match_dtype};

/// Elements of the longest row that is copied without a call.
pub(crate) const SHORT: usize = 32;
/// Steps along memory for which squares go together.
const WIDE: usize = 512;

/// A contiguous copy with memory of its own.
pub(crate) fn contiguous(x: &Tensor) -> Tensor {
    match_dtype!(bits x.dtype(), T => {
        Tensor::build_bits(x.dtype(), x.shape(), |out: &mut [T]| gather(x.bits(), x.layout(), out))
    })
}

/// `out[i] = x[i]` for the elements of a layout in C order.
fn gather<T: Turn>(data: &[T], layout: &Layout, out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    let walk = Walk::new(layout.shape(), [layout.strides()]);
    let [step] = walk.row_strides();
    let len = walk.row_len();
    if walk.rows() == 1 && step == 1 {
        let data = &data[layout.offset()..][..len];
        return par::chunks(out, 1, 1, |start, out| out.copy_from_slice(&data[start..][..out.len()]));
    }
    // Where memory runs along another axis than the last one, copy square by square.
    let along = walk.strides[0].iter().position(|&stride| stride == 1);
    if let Some(along) = along
        && step != 1
        && step != 0
        && len >= SIDE
        && walk.shape[along] >= SIDE
    {
        return transpose(data, layout.offset(), &walk, along, out);
    }
    // Three colours of each place become three planes.
    if along.is_some_and(|along| along + 2 == walk.shape.len() && walk.shape[along] == 3) && step == 3 {
        let outer = walk.outer();
        return par::chunks(out, 3 * len, 2, |start, out| {
            let mut images = out.chunks_exact_mut(3 * len);
            let first = start / (3 * len);
            outer.each_row(first..first + images.len(), [layout.offset()], |[at]| {
                planes(&data[at..][..3 * len], images.next().expect("one chunk per image"));
            });
        });
    }
    if len <= if step.abs() <= 2 { SHORT } else { SHORT / 2 } {
        let outer = walk.outer();
        let ([between], high) = (outer.row_strides(), outer.row_len());
        return par::chunks(out, len, 4, |start, mut piece| {
            let mut row = start / len;
            while !piece.is_empty() {
                let (group, skipped) = (row / high, row % high);
                let count = (high - skipped).min(piece.len() / len);
                let (rows, rest) = piece.split_at_mut(count * len);
                outer.each_row(group..group + 1, [layout.offset()], |[at]| {
                    short_rows(data, at as isize + skipped as isize * between, [between, step], len, rows);
                });
                (row, piece) = (row + count, rest);
            }
        });
    }
    par::chunks(out, len, 2, |start, piece| {
        let mut rows = piece.chunks_exact_mut(len);
        walk.each_row(start / len..(start + rows.len() * len) / len, [layout.offset()], |[at]| {
            let row = rows.next().expect("one chunk per row");
            super::map::gather(data, at as isize, step, row);
        });
    });
}

/// `out[r·len + j] = data[first + r·between + j·step]`, without a call for each row.
fn short_rows<T: Copy>(data: &[T], first: isize, [between, step]: [isize; 2], len: usize, out: &mut [T]) {
    for (r, row) in out.chunks_exact_mut(len).enumerate() {
        let at = first + r as isize * between;
        match step {
            1 => short_run(&data[at as usize..][..len], row),
            -1 => row.iter_mut().zip(data[at as usize + 1 - len..][..len].iter().rev()).for_each(|(o, &x)| *o = x),
            2 => {
                let (pairs, last) = data[at as usize..][..2 * len - 1].as_chunks::<2>();
                row.iter_mut().zip(pairs).for_each(|(o, &[x, _])| *o = x);
                row[len - 1] = last[0];
            }
            _ => row.iter_mut().enumerate().for_each(|(j, o)| *o = data[(at + j as isize * step) as usize]),
        }
    }
}

/// [`run`] of a few elements, for which a call would take longer than the copy: by fours, the last of which may overlap the ones
/// before.
#[inline]
pub(crate) fn short_run<T: Copy>(from: &[T], to: &mut [T]) {
    let (Some(last), Some(_)) = (from.last_chunk::<4>(), to.last_chunk::<4>()) else {
        return match (from, to) {
            (&[a], [x, ..]) => *x = a,
            (&[a, b], [x, y, ..]) => (*x, *y) = (a, b),
            (&[a, b, c], [x, y, z, ..]) => (*x, *y, *z) = (a, b, c),
            _ => assert!(from.is_empty(), "no room for a run"),
        };
    };
    for (o, x) in to.as_chunks_mut::<4>().0.iter_mut().zip(from.as_chunks::<4>().0) {
        *o = *x;
    }
    *to.last_chunk_mut().expect("as above") = *last;
}

multiversion! {
    /// `out[c][i] = pixels[i][c]`.
    fn planes[T: Element](pixels: &[T], out: &mut [T]) {
        let (pixels, _) = pixels.as_chunks::<3>();
        let (red, rest) = out.split_at_mut(pixels.len());
        let (green, blue) = rest.split_at_mut(pixels.len());
        for (((pixel, red), green), blue) in pixels.iter().zip(red).zip(green).zip(blue) {
            [*red, *green, *blue] = *pixel;
        }
    }
}

/// [`gather`] for memory that runs along axis `along`, which is not the last.
fn transpose<T: Turn>(data: &[T], offset: usize, walk: &Walk<1>, along: usize, out: &mut [T]) {
    let rank = walk.shape.len();
    let (size, len, step) = (walk.shape[along], walk.row_len(), walk.strides[0][rank - 1]);
    // Per index on the axes up to `along`, `slab` elements of `out`; a step on `along` is one in memory.
    let middle = Walk::<1> { shape: walk.shape[along + 1..].into(), strides: [walk.strides[0][along + 1..].into()] };
    let slab: usize = middle.shape.iter().product();
    let outer: Walk<1> = Walk { shape: walk.shape[..=along].into(), strides: [walk.strides[0][..=along].into()] };
    // Where lines are a power of two apart they share few places in the caches, so that a line that was fetched ahead is gone
    // when its turn comes: squares beside each other in memory go together. Eight pieces are left for other threads.
    let unit = (out.len() / (8 * SIDE * slab)).clamp(1, WIDE / SIDE) * SIDE;
    par::chunks(out, slab * unit, 2, |start, out| {
        let (mut first, mut out) = (start / slab, out);
        while !out.is_empty() {
            // Up to so many steps on `along` that share the outer axes.
            let side = WIDE.min(size - first % size).min(out.len() / slab);
            let (group, rest) = out.split_at_mut(side * slab);
            let mut base = 0;
            let begin = first - first % size;
            outer.each_row(begin / size..begin / size + 1, [offset], |[at]| base = at + first % size);
            let mut row = 0;
            middle.each_row(0..middle.rows(), [base], |[at]| {
                for j in (0..len).step_by(SIDE) {
                    let from = |j: usize| (at as isize + j as isize * step) as usize;
                    for i in (0..side).step_by(SIDE) {
                        turn(data, |k| from(j + k) + i, &mut group[i * slab..], slab, row + j, [side - i, len - j]);
                    }
                }
                row += len;
            });
            first += side;
            out = rest;
        }
    });
}

/// Turns a square, or what `left` of the two axes there is of one: `out[i * slab + column + k] = data[from(k) + i]`.
#[inline(always)]
fn turn<T: Turn>(
    data: &[T],
    from: impl Fn(usize) -> usize,
    out: &mut [T],
    slab: usize,
    column: usize,
    left: [usize; 2],
) {
    let [side, width] = left.map(|left| left.min(SIDE));
    if side == SIDE && width == SIDE {
        let rows = std::array::from_fn(|k| data[from(k)..].first_chunk().expect("a row of the square"));
        let to = &mut out[column..];
        if !T::turn(&rows, to, slab) {
            // Constant bounds, which the compiler turns into shuffles, and lines that are read once.
            let square = rows.map(|row| *row);
            for i in 0..SIDE {
                let to = &mut to[i * slab..][..SIDE];
                for k in 0..SIDE {
                    to[k] = square[k][i];
                }
            }
        }
    } else {
        for i in 0..side {
            let to = &mut out[i * slab + column..][..width];
            to.iter_mut().enumerate().for_each(|(k, o)| *o = data[from(k) + i]);
        }
    }
}

/// Copies a run.
///
/// Long ones the C library copies by `rep movsb`, which spares reading what is overwritten, but takes ten times as long on Zen 3
/// and 4 where the target lies a few bytes behind the source in its page: then, two KiB at a time.
pub(crate) fn run<T: Copy>(from: &[T], to: &mut [T]) {
    let behind = to.as_ptr().addr().wrapping_sub(from.as_ptr().addr()) % 4096;
    if !(1..64).contains(&behind) {
        let count = from.len().min(to.len());
        return to[..count].copy_from_slice(&from[..count]);
    }
    let size = 2048 / size_of::<T>();
    from.chunks(size).zip(to.chunks_mut(size)).for_each(|(from, to)| to.copy_from_slice(from));
}

/// Conversion between two element types, as PyTorch's casts.
pub(crate) trait Cast<T>: Element {
    fn cast(self) -> T;
    /// Of all elements; the slices have equal length.
    fn cast_all(from: &[Self], to: &mut [T]) {
        cast_each(from, to);
    }
}

multiversion! {
    /// `to[i] = from[i]` in another type.
    fn cast_each[S: Cast<T>, T](from: &[S], to: &mut [T]) {
        to.iter_mut().zip(from).for_each(|(to, &from)| *to = from.cast());
    }
}

macro_rules! cast {
    // Between a float and anything by f64 would be slow and, for f64 to f32 via nothing, exact: spell out the direct way.
    ($from:ty => $($to:ty, |$x:ident| $e:expr);* $(;)?) => {
        $(impl Cast<$to> for $from {
            #[inline(always)]
            fn cast(self) -> $to { let $x = self; $e }
        })*
    };
}
macro_rules! cast_number {
    ($($from:ty),*) => { $(cast! { $from =>
        f64, |x| x as f64; f32, |x| x as f32;
        i64, |x| x as i64; i32, |x| x as i64 as i32; i16, |x| x as i64 as i16; i8, |x| x as i64 as i8; u8, |x| x as i64 as u8;
        bool, |x| x != 0 as $from;
    })* };
}
cast_number!(i64, i32, i16, i8, u8);
cast! { f32 =>
    f64, |x| x as f64; f32, |x| x;
    i64, |x| long(x as f64); i32, |x| int_of_single(x); i16, |x| int_of_single(x) as i16; i8, |x| int_of_single(x) as i8;
    u8, |x| int_of_single(x) as u8; bool, |x| x != 0.0;
}
cast! { f64 =>
    f64, |x| x; f32, |x| x as f32;
    i64, |x| long(x); i32, |x| int(x); i16, |x| int(x) as i16; i8, |x| int(x) as i8; u8, |x| long(x) as u8;
    bool, |x| x != 0.0;
}
cast! { bool =>
    f64, |x| x as u8 as f64; f32, |x| x as u8 as f32;
    i64, |x| x as i64; i32, |x| x as i32; i16, |x| x as i16; i8, |x| x as i8; u8, |x| x as u8;
    bool, |x| x;
}

/// One row: a type of halves, its conversions, and the types that it is converted to and from by way of `f32`, block by block.
macro_rules! cast_half {
    ($half:ty, $widen:ident, $narrow:ident: $($other:ty),*) => {
        impl Cast<f32> for $half {
            #[inline(always)]
            fn cast(self) -> f32 { $widen(self) }
            fn cast_all(from: &[Self], to: &mut [f32]) { <$half>::widen(from, to); }
        }
        cast! { $half => $half, |x| x; }
        impl Cast<$half> for f32 {
            #[inline(always)]
            fn cast(self) -> $half { $narrow(self) }
            fn cast_all(from: &[f32], to: &mut [$half]) { <$half>::narrow(from, to); }
        }
        $(
            impl Cast<$other> for $half {
                #[inline(always)]
                fn cast(self) -> $other { $widen(self).cast() }
                fn cast_all(from: &[Self], to: &mut [$other]) { by_single(from, to); }
            }
            impl Cast<$half> for $other {
                #[inline(always)]
                fn cast(self) -> $half { $narrow(self.cast()) }
                fn cast_all(from: &[Self], to: &mut [$half]) { by_single(from, to); }
            }
        )*
    };
}
cast_half!(f16, widen_f16, narrow_f16: bf16, f64, i64, i32, i16, i8, u8, bool);
cast_half!(bf16, widen_bf16, narrow_bf16: f64, i64, i32, i16, i8, u8, bool);

/// Casts to `f32` and from there.
fn by_single<S: Cast<f32>, T>(from: &[S], to: &mut [T])
where
    f32: Cast<T>,
{
    let mut block = Block::new();
    for (from, to) in from.chunks(BLOCK).zip(to.chunks_mut(BLOCK)) {
        let block = &mut block.0[..from.len()];
        S::cast_all(from, block);
        f32::cast_all(block, to);
    }
}

/// The tensor in another dtype. A dense tensor keeps the order of its axes in memory, as in PyTorch.
pub(crate) fn cast(x: &Tensor, dtype: DType) -> Tensor {
    if let Some((dense, back)) = crate::ops::unary::memory_order(x) {
        let out = cast(&dense, dtype);
        return out.with_layout(out.layout().permute(&back));
    }
    let x = x.contiguous();
    match_dtype!(x.dtype(), S => {
        let data = &x.data::<S>()[x.layout().offset()..][..x.numel()];
        match_dtype!(dtype, T => Tensor::build(x.shape(), |out: &mut [T]| {
            par::chunks(out, 1, 1, |start, out| S::cast_all(&data[start..][..out.len()], out));
        }))
    })
}

/// A contiguous tensor of one value.
pub(crate) fn fill<T: Element>(shape: Shape, value: T) -> Tensor {
    let numel = crate::shape::numel(&shape);
    if par::much(numel) && value.to_f64().to_bits() == 0 {
        // Memory that comes zeroed from the system need not be written at all.
        return Tensor::from_storage(Storage::zeroed(T::DTYPE, numel), shape);
    }
    Tensor::build(shape, |out: &mut [T]| par::chunks(out, 1, 1, |_, piece| piece.fill(value)))
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    #[test]
    fn pixels_become_planes() {
        for size in [1i64, 5, 16, 67] {
            let x = Tensor::arange(0, 6 * size, 1).reshape([2, size as usize, 3]);
            let expected: Vec<i64> =
                (0..2).flat_map(|n| (0..3).flat_map(move |c| (0..size).map(move |i| (n * size + i) * 3 + c))).collect();
            for dtype in [DType::I64, DType::F32, DType::F16, DType::U8] {
                let planes = x.remainder(251).to(dtype).transpose(1, 2).copy();
                let expected: Vec<i64> = expected.iter().map(|v| v % 251).collect();
                assert_eq!((planes.is_contiguous(), planes.to_vec::<i64>()), (true, expected), "{size} of {dtype}");
            }
        }
    }

    #[test]
    fn casts_truncate_and_test_for_zero() {
        let x = Tensor::from_vec(vec![-1.7f32, 0.0, 2.9, 300.0], [4]);
        assert_eq!(x.to_vec::<i64>(), [-1, 0, 2, 300]);
        assert_eq!(x.to_vec::<bool>(), [true, false, true, true]);
        assert_eq!(x.to(DType::U8).to_vec::<u8>()[1..], [0, 2, 44]);
        assert_eq!(x.to(DType::BF16).to_vec::<f64>()[3], 300.0);
        assert_eq!(x.expand([2, 4]).t().to_vec::<f32>()[..3], [-1.7, -1.7, 0.0]);
    }

    #[test]
    fn whole_numbers_come_through_every_pair_of_dtypes() {
        // More than a block, and no whole number of vectors.
        let x = Tensor::arange(0, 1003, 1).remainder(101);
        let (numbers, truths) = (x.to_vec::<i64>(), x.ne(0).to_vec::<i64>());
        for &from in DType::ALL {
            for &to in DType::ALL {
                let expected = if DType::Bool == from || DType::Bool == to { &truths } else { &numbers };
                assert_eq!(&x.to(from).to(to).to_vec::<i64>(), expected, "{from} to {to}");
            }
        }
    }

    #[test]
    fn halves_are_rounded_by_way_of_single_precision() {
        // Beyond a tie by less than an `f32` holds: 1 as `torch.to` gives it, not the next number.
        for (dtype, digits) in [(DType::F16, 11), (DType::BF16, 8)] {
            let x = 1.0 + 2f64.powi(-digits) + 2f64.powi(-40);
            assert_eq!(Tensor::from_vec(vec![x], [1]).to(dtype).to_vec::<f64>(), [1.0]);
            assert_eq!(Tensor::full((), x, dtype).to_vec::<f64>(), [1.0]);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has not this processor's conversions")]
    fn casts_of_what_does_not_fit_are_those_of_the_processor() {
        // Of NaN, inf, -inf, 3e9, -3e9, 1e10, 1e19, 70000 and -2⁶³ by `tensor.to` on x86-64.
        let x = Tensor::from_vec(
            vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 3e9, -3e9, 1e10, 1e19, 7e4, -(2f64.powi(63))],
            [9],
        );
        let (long, int) = (i64::MIN, i32::MIN);
        let whole = [3_000_000_000, -3_000_000_000, 10_000_000_000];
        assert_eq!(
            x.to(DType::I64).to_vec::<i64>(),
            [long, long, long, whole[0], whole[1], whole[2], long, 70_000, long]
        );
        for float in [DType::F64, DType::F32] {
            let x = x.to(float);
            assert_eq!(x.to(DType::I32).to_vec::<i32>(), [int, int, int, int, int, int, int, 70_000, int]);
            assert_eq!(x.to(DType::I16).to_vec::<i16>(), [0, 0, 0, 0, 0, 0, 0, 4464, 0]);
            assert_eq!(x.to(DType::I8).to_vec::<i8>(), [0, 0, 0, 0, 0, 0, 0, 112, 0]);
            assert_eq!(x.to(DType::BF16).to(DType::I32).to_vec::<i32>()[..4], [int; 4]);
        }
        assert_eq!(x.narrow(0, 0, 3).to(DType::F16).to(DType::I64).to_vec::<i64>(), [long; 3]);
    }
}
