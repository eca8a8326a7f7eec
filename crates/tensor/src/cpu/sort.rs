//! The order of the elements of rows: sorting and selection over keys that carry their position.
//!
//! Each element becomes an unsigned integer that orders as the element does, with its position behind it. So all
//! keys differ, an unstable sort is stable, and the result is the same however the work is shared out.

use super::par;
use crate::{Element, bf16, f16};

/// Elements with a total order: NaN is the largest and equal to itself, -0 equals 0.
pub(crate) trait SortKey: Element {
    /// A number that orders as the element, in 32 bits if the element has at most as many.
    fn key(self) -> u64;

    /// Whether this is NaN.
    fn is_nan(self) -> bool {
        false
    }
}

macro_rules! sort_key {
    (float $($ty:ty, $bits:ty, |$x:ident| $as_float:expr;)*) => { $(impl SortKey for $ty {
        #[inline(always)]
        fn key(self) -> u64 {
            let $x = self;
            let x = $as_float;
            if x.is_nan() {
                return <$bits>::MAX as u64;
            }
            // Positive numbers order as their bits, negative ones backwards; adding 0 turns -0 into 0.
            let bits = (x + 0.0).to_bits();
            let top = 1 << (<$bits>::BITS - 1);
            (if bits & top == 0 { bits | top } else { !bits }) as u64
        }
        #[inline(always)]
        fn is_nan(self) -> bool {
            let $x = self;
            $as_float.is_nan()
        }
    })* };
    (int $($ty:ty, |$x:ident| $key:expr;)*) => { $(impl SortKey for $ty {
        #[inline(always)]
        fn key(self) -> u64 {
            let $x = self;
            $key
        }
    })* };
}
sort_key! { float
    f64, u64, |x| x;
    f32, u32, |x| x;
    f16, u32, |x| x.to_f32();
    bf16, u32, |x| x.to_f32();
}
sort_key! { int
    i64, |x| x as u64 ^ 1 << 63;
    i32, |x| (x as u32 ^ 1 << 31) as u64;
    i16, |x| (x as i32 as u32 ^ 1 << 31) as u64;
    i8, |x| (x as i32 as u32 ^ 1 << 31) as u64;
    u8, |x| x as u64;
    bool, |x| x as u64;
}

/// A key and a position in one comparable value.
trait Packed: Ord + Copy {
    fn pack(key: u64, position: usize, descending: bool) -> Self;
    fn position(self) -> usize;
}
/// A key of 32 bits and a position of 32.
impl Packed for u64 {
    #[inline(always)]
    fn pack(key: u64, position: usize, descending: bool) -> u64 {
        let key = if descending { !(key as u32) } else { key as u32 };
        (key as u64) << 32 | position as u64
    }
    #[inline(always)]
    fn position(self) -> usize {
        self as u32 as usize
    }
}
impl Packed for (u64, usize) {
    #[inline(always)]
    fn pack(key: u64, position: usize, descending: bool) -> (u64, usize) {
        (if descending { !key } else { key }, position)
    }
    #[inline(always)]
    fn position(self) -> usize {
        self.1
    }
}

/// Which elements of each row to name.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    /// The first `k` in order.
    First(usize),
    /// Only the one at this place of the order.
    At(usize),
}

impl Part {
    /// How many positions there are for each row.
    pub(crate) fn len(self) -> usize {
        match self {
            Part::First(k) => k,
            Part::At(_) => 1,
        }
    }
}

/// For each row of `n` elements, the positions of a part of its elements in order. `n` is not 0, and the part exists.
pub(crate) fn order<T: SortKey>(x: &[T], n: usize, part: Part, descending: bool, out: &mut [i64]) {
    if size_of::<T>() <= 4 && n <= u32::MAX as usize {
        order_packed::<T, u64>(x, n, part, descending, out);
    } else {
        order_packed::<T, (u64, usize)>(x, n, part, descending, out);
    }
}

fn order_packed<T: SortKey, P: Packed>(x: &[T], n: usize, part: Part, descending: bool, out: &mut [i64]) {
    let len = part.len();
    if out.is_empty() {
        return;
    }
    // Sorting costs some log2(n) comparisons per element; selection a few.
    let cost = n / len * 4 + 4 * n.ilog2() as usize;
    par::chunks(out, len, cost, |start, piece| {
        let mut keys: Vec<P> = Vec::with_capacity(n);
        let rows = x[start / len * n..].chunks_exact(n);
        for (places, row) in piece.chunks_exact_mut(len).zip(rows) {
            keys.clear();
            keys.extend(row.iter().enumerate().map(|(i, v)| P::pack(v.key(), i, descending)));
            let chosen = match part {
                Part::First(k) => {
                    if k < n {
                        keys.select_nth_unstable(k - 1);
                    }
                    keys[..k].sort_unstable();
                    &keys[..k]
                }
                Part::At(k) => {
                    keys.select_nth_unstable(k);
                    &keys[k..k + 1]
                }
            };
            places.iter_mut().zip(chosen).for_each(|(place, key)| *place = key.position() as i64);
        }
    });
}

/// The elements of each row of `n` at the given positions, `len` of them per row.
pub(crate) fn pick<T: Element>(x: &[T], n: usize, positions: &[i64], len: usize, out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    par::chunks(out, len, 2, |start, piece| {
        let positions = positions[start..start + piece.len()].chunks_exact(len);
        for (row, (values, places)) in (start / len..).zip(piece.chunks_exact_mut(len).zip(positions)) {
            let row = &x[row * n..(row + 1) * n];
            values.iter_mut().zip(places).for_each(|(v, &i)| *v = row[i as usize]);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::SortKey;

    #[test]
    fn keys_order_as_their_elements() {
        let floats = [f64::NEG_INFINITY, -3.5, -1e-310, 0.0, 1e-310, 2.0, f64::INFINITY, f64::NAN];
        assert!(floats.windows(2).all(|w| w[0].key() < w[1].key()));
        assert!(floats.windows(2).all(|w| (w[0] as f32).key() <= (w[1] as f32).key()));
        assert_eq!((-0.0f32).key(), 0.0f32.key());
        assert_eq!((-f64::NAN).key(), f64::NAN.key());
        assert!([i64::MIN, -1, 0, 7, i64::MAX].windows(2).all(|w| w[0].key() < w[1].key()));
        assert!([i8::MIN, -1, 0, 7].windows(2).all(|w| w[0].key() < w[1].key()));
        assert!([-300i16, -1, 5].windows(2).all(|w| w[0].key() < w[1].key()));
    }
}
