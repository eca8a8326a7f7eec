//! The transforms of [`winograd`](super::winograd): values of polynomials at its points, and outputs from values.

use super::simd::{Real, fma, multiversion};
use super::winograd::SIDE;

/// The points besides 0 and infinity are ±A and ±B.
const A: f64 = 0.75;
const B: f64 = 1.5;

/// What a row of a tile is transformed to: [`input_values`] of all six elements, or [`filter_values`] of `count`.
pub(super) fn values<'a, T: Real>(count: usize, row: impl Fn(usize) -> &'a [T], out: [&mut [T]; SIDE]) {
    let [o0, o1, o2, o3, o4, o5] = out;
    match count {
        2 => filter_values::<T, 2>(std::array::from_fn(row), o0, o1, o2, o3, o4, o5),
        3 => filter_values::<T, 3>(std::array::from_fn(row), o0, o1, o2, o3, o4, o5),
        4 => filter_values::<T, 4>(std::array::from_fn(row), o0, o1, o2, o3, o4, o5),
        5 => filter_values::<T, 5>(std::array::from_fn(row), o0, o1, o2, o3, o4, o5),
        _ => input_values(std::array::from_fn(row), o0, o1, o2, o3, o4, o5),
    }
}

multiversion! {
    /// The values of the polynomial with `N` coefficients `c` at the six points, each over the product of its distances
    /// to the others; at infinity, the last coefficient.
    pub(super) fn filter_values[T: Real, const N: usize](
        c: [&[T]; N], o0: &mut [T], o1: &mut [T], o2: &mut [T], o3: &mut [T], o4: &mut [T], o5: &mut [T],
    ) {
        let n = o0.len();
        let c = c.map(|c| &c[..n]);
        let (o1, o2, o3, o4, o5) = (&mut o1[..n], &mut o2[..n], &mut o3[..n], &mut o4[..n], &mut o5[..n]);
        let zero = T::of(1.0 / (A * A * B * B));
        let (near, far) = (T::of(0.5 / (A * A * (A * A - B * B))), T::of(0.5 / (B * B * (B * B - A * A))));
        let (near_b, far_b) = (T::of(0.5 / (A * (A * A - B * B))), T::of(0.5 / (B * (B * B - A * A))));
        let (aa, bb) = (T::of(A * A), T::of(B * B));
        for i in 0..n {
            let x: [T; N] = std::array::from_fn(|k| c[k][i]);
            // The even and the odd coefficients, as polynomials of the point's square `s`.
            let even = |s: T| match N {
                2 => x[0],
                3 | 4 => fma::<FMA, T>(s, x[2 % N], x[0]),
                _ => fma::<FMA, T>(s, fma::<FMA, T>(s, x[4 % N], x[2 % N]), x[0]),
            };
            let odd = |s: T| if N > 3 { fma::<FMA, T>(s, x[3 % N], x[1]) } else { x[1] };
            o0[i] = x[0] * zero;
            let (sum, difference) = (even(aa) * near, odd(aa) * near_b);
            o1[i] = sum + difference;
            o2[i] = sum - difference;
            let (sum, difference) = (even(bb) * far, odd(bb) * far_b);
            o3[i] = sum + difference;
            o4[i] = sum - difference;
            o5[i] = x[N - 1];
        }
    }
}

multiversion! {
    /// The values of six elements, as the coefficients that the points' interpolation takes them for (`B^T·d`).
    pub(super) fn input_values[T: Real](
        d: [&[T]; 6], o0: &mut [T], o1: &mut [T], o2: &mut [T], o3: &mut [T], o4: &mut [T], o5: &mut [T],
    ) {
        let n = o0.len();
        let [d0, d1, d2, d3, d4, d5] = d.map(|d| &d[..n]);
        let (o1, o2, o3, o4, o5) = (&mut o1[..n], &mut o2[..n], &mut o3[..n], &mut o4[..n], &mut o5[..n]);
        let (sum, product) = (T::of(-(A * A + B * B)), T::of(A * A * B * B));
        let (a, b, aa, bb) = (T::of(A), T::of(B), T::of(-A * A), T::of(-B * B));
        for i in 0..n {
            let [x0, x1, x2, x3, x4, x5] = [d0[i], d1[i], d2[i], d3[i], d4[i], d5[i]];
            o0[i] = fma::<FMA, T>(product, x0, fma::<FMA, T>(sum, x2, x4));
            let (even, odd) = (fma::<FMA, T>(bb, x2, x4), fma::<FMA, T>(bb, x1, x3));
            o1[i] = fma::<FMA, T>(a, odd, even);
            o2[i] = fma::<FMA, T>(-a, odd, even);
            let (even, odd) = (fma::<FMA, T>(aa, x2, x4), fma::<FMA, T>(aa, x1, x3));
            o3[i] = fma::<FMA, T>(b, odd, even);
            o4[i] = fma::<FMA, T>(-b, odd, even);
            o5[i] = fma::<FMA, T>(product, x1, fma::<FMA, T>(sum, x3, x5));
        }
    }
}

/// [`output_values`] of as many outputs as `out` has rows.
pub(super) fn outputs<T: Real, const M: usize>(m: [&[T]; SIDE], bias: T, out: [&mut [T]; M]) {
    let mut rows = out.into_iter();
    let [o0, o1, o2, o3, o4] = std::array::from_fn(|_| rows.next().unwrap_or_default());
    output_values([(); M], m, bias, o0, o1, o2, o3, o4);
}

multiversion! {
    /// The first `M` outputs of six values (`A^T·m`), plus `bias`.
    pub(super) fn output_values[T: Real, const M: usize](
        _count: [(); M], m: [&[T]; 6], bias: T, o0: &mut [T], o1: &mut [T], o2: &mut [T], o3: &mut [T], o4: &mut [T],
    ) {
        let n = o0.len();
        let [m0, m1, m2, m3, m4, m5] = m.map(|m| &m[..n]);
        let o1 = &mut o1[..n];
        let (o2, o3) = (&mut o2[..if M > 2 { n } else { 0 }], &mut o3[..if M > 3 { n } else { 0 }]);
        let o4 = &mut o4[..if M > 4 { n } else { 0 }];
        let power = |k: i32| (T::of(A.powi(k)), T::of(B.powi(k)));
        let ((a1, b1), (a2, b2), (a3, b3), (a4, b4)) = (power(1), power(2), power(3), power(4));
        for i in 0..n {
            let (near, far) = (m1[i] + m2[i], m3[i] + m4[i]);
            let (steep, steeper) = (m1[i] - m2[i], m3[i] - m4[i]);
            // The value at infinity is part of the last output.
            let last = m5[i];
            o0[i] = ((m0[i] + near) + far) + bias;
            let at = |k: usize, a: T, b: T, x: T, y: T| match k + 1 == M {
                true => fma::<FMA, T>(a, x, fma::<FMA, T>(b, y, last)) + bias,
                false => fma::<FMA, T>(a, x, fma::<FMA, T>(b, y, bias)),
            };
            o1[i] = at(1, a1, b1, steep, steeper);
            if M > 2 {
                o2[i] = at(2, a2, b2, near, far);
            }
            if M > 3 {
                o3[i] = at(3, a3, b3, steep, steeper);
            }
            if M > 4 {
                o4[i] = at(4, a4, b4, near, far);
            }
        }
    }
}
