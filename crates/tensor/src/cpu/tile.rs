//! Register tiles: the innermost loops of matrix products and convolutions, in vector intrinsics.
//!
//! Loops over arrays of accumulators do not stay in registers when left to the compiler, and these few decide the speed
//! of everything above; so here, and only here, intrinsics are written out. [`Kernels::of`] chooses the instruction set
//! once; its methods check every bound once per tile, so that callers need no `unsafe`.

// Indices run over several arrays of registers at once.
#![allow(clippy::needless_range_loop)]

use super::finish::finish;
use super::lanes::{Lanes, Plain};
use super::simd::Real;
#[cfg(target_arch = "x86_64")]
use super::simd::{Isa, isa};
pub(crate) use super::tile_args::{Finish, Grid, Rows, Size, Start};
use super::transpose;
use crate::Element;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m256d, __m512, __m512d};

/// Sums of products over `rows.len()` rows: `c[i][j] = ends(Σ_p a[p][i] · b[at[p] + j])`.
///
/// # Safety
/// `a` holds `MR` numbers per row; each row of `b` has `NV·N` readable numbers; `m <= MR` rows of `c`, at
/// `c + i·step`, have `n <= NV·N` writable numbers, and the rows of `ends.start` likewise.
#[inline(always)]
unsafe fn tile<V: Lanes, const MR: usize, const NV: usize>(
    (a, b, rows): (*const V::T, *const V::T, &[usize]),
    (c, size): (*mut V::T, Size),
    ends: Finish<'_, V::T>,
) {
    // SAFETY: the pointers are in bounds as the caller promises, see each use.
    unsafe {
        let mut acc = [[V::splat(V::T::ZERO); NV]; MR];
        let mut a = a;
        for &at in rows {
            let row = b.add(at);
            let mut x = [V::splat(V::T::ZERO); NV];
            for v in 0..NV {
                x[v] = V::load(row.add(v * V::N));
            }
            for i in 0..MR {
                let s = V::splat(*a.add(i));
                for v in 0..NV {
                    acc[i][v] = s.fma(x[v], acc[i][v]);
                }
            }
            a = a.add(MR);
        }
        finish(acc, (c, size), ends);
    }
}

/// Like [`tile`], with the left factor where it lies: `c[i][j] = ends(Σ_p x[x_at[i] + at[p]] · w[p·NV·N + j])`.
///
/// # Safety
/// All these elements are readable; `c` and `ends` as for [`tile`].
#[inline(always)]
unsafe fn lines<V: Lanes, const MR: usize, const NV: usize>(
    (x, x_at, at): (*const V::T, &[usize], &[usize]),
    w: *const V::T,
    (c, size): (*mut V::T, Size),
    ends: Finish<'_, V::T>,
) {
    // SAFETY: the pointers are in bounds as the caller promises; x_at has at least one element.
    unsafe {
        let mut acc = [[V::splat(V::T::ZERO); NV]; MR];
        let xs: [*const V::T; MR] = std::array::from_fn(|i| x.add(x_at[i.min(x_at.len() - 1)]));
        let mut w = w;
        for &at in at {
            let mut row = [V::splat(V::T::ZERO); NV];
            for v in 0..NV {
                row[v] = V::load(w.add(v * V::N));
            }
            for i in 0..MR {
                let s = V::splat(*xs[i].add(at));
                for v in 0..NV {
                    acc[i][v] = s.fma(row[v], acc[i][v]);
                }
            }
            w = w.add(NV * V::N);
        }
        finish(acc, (c, size), ends);
    }
}

/// A factor of [`product`] and two numbers: of the left one the distances of rows and of steps, of the right one the distance
/// of steps and their count.
type Strided<T> = (*const T, usize, usize);

/// Like [`tile`], with steps at even distances in both factors, for a grid of tiles: `c[i][j] = ends(Σ_p a[i·rs + p·cs] ·
/// b[p·bs + j])`. Each tile below starts `MR` rows of `a` and `c` further, each beside `apart` numbers of `b` and `NV·N` of `c`.
///
/// # Safety
/// All these elements are readable for `i < m`, `j < NV·N`, `p < steps` in each tile; `c` and `ends` as for [`tile`], `m >= 1`,
/// and `m` is `MR` if there are tiles below, `n` is `NV·N` if there are some beside.
#[inline(always)]
unsafe fn product<V: Lanes, const MR: usize, const NV: usize>(
    (a, rs, cs): Strided<V::T>,
    (b, bs, steps): Strided<V::T>,
    (c, size): (*mut V::T, Size),
    grid: Grid,
    ends: Finish<'_, V::T>,
) {
    for down in 0..grid.down {
        // SAFETY: the pointers are in bounds as the caller promises; where `m` is less than MR, its last row is read again.
        unsafe {
            let first = down * MR;
            let rows: [*const V::T; MR] = std::array::from_fn(|i| a.add((first + i.min(size.m - 1)) * rs));
            for across in 0..grid.across {
                let mut acc = [[V::splat(V::T::ZERO); NV]; MR];
                let (mut at, mut b) = (0, b.add(across * grid.apart));
                for _ in 0..steps {
                    let mut x = [V::splat(V::T::ZERO); NV];
                    for v in 0..NV {
                        x[v] = V::load(b.add(v * V::N));
                    }
                    for i in 0..MR {
                        let s = V::splat(*rows[i].add(at));
                        for v in 0..NV {
                            acc[i][v] = s.fma(x[v], acc[i][v]);
                        }
                    }
                    at += cs;
                    b = b.wrapping_add(bs);
                }
                let column = across * NV * V::N;
                finish(acc, (c.add(first * size.step + column), size), ends.from(first, column));
            }
        }
    }
}

/// Sums of products along both operands, for `MR` rows of one and `NT` of the other: for `i < MR`, `t < NT`
/// `sums[i·NT + t] += Σ_s Σ_j d[s·d_step + d_at[i] + j] · x[s·x_step + x_at[t] + j]`, `j < steps·N + rest`, `s < segments`,
/// where `rest < N`.
///
/// # Safety
/// All these elements are readable, `sums` has room.
#[inline(always)]
unsafe fn dots<V: Lanes, const MR: usize, const NT: usize>(
    (x, x_at, x_step): (*const V::T, &[usize], usize),
    (d, d_at, d_step): (*const V::T, &[usize], usize),
    (segments, steps, rest): (usize, usize, usize),
    sums: &mut [V::T],
) {
    // SAFETY: the pointers are in bounds as the caller promises.
    unsafe {
        let mut acc = [[V::splat(V::T::ZERO); NT]; MR];
        for s in 0..segments {
            let (x, d) = (x.add(s * x_step), d.add(s * d_step));
            let xs: [*const V::T; NT] = std::array::from_fn(|t| x.add(x_at[t]));
            let ds: [*const V::T; MR] = std::array::from_fn(|i| d.add(d_at[i]));
            for j in 0..steps {
                let mut row = [V::splat(V::T::ZERO); NT];
                for t in 0..NT {
                    row[t] = V::load(xs[t].add(j * V::N));
                }
                for i in 0..MR {
                    let d = V::load(ds[i].add(j * V::N));
                    for t in 0..NT {
                        acc[i][t] = d.fma(row[t], acc[i][t]);
                    }
                }
            }
            if rest > 0 {
                let end = steps * V::N;
                let row: [V; NT] = std::array::from_fn(|t| V::load_some(xs[t].add(end), rest));
                for i in 0..MR {
                    let d = V::load_some(ds[i].add(end), rest);
                    for t in 0..NT {
                        acc[i][t] = d.fma(row[t], acc[i][t]);
                    }
                }
            }
        }
        // Out of the registers first: a longer loop over these would not be unrolled, and keep them in memory throughout.
        let mut sums_of_lanes = [[V::splat(V::T::ZERO); NT]; MR];
        for i in 0..MR {
            for t in 0..NT {
                sums_of_lanes[i][t] = acc[i][t];
            }
        }
        for (sum, lanes) in sums.iter_mut().zip(sums_of_lanes.as_flattened()) {
            *sum += lanes.total();
        }
    }
}

type DotsFn<T> = unsafe fn((*const T, &[usize], usize), (*const T, &[usize], usize), (usize, usize, usize), &mut [T]);
type LinesFn<T> = unsafe fn((*const T, &[usize], &[usize]), *const T, (*mut T, Size), Finish<'_, T>);
type ProductFn<T> = unsafe fn(Strided<T>, Strided<T>, (*mut T, Size), Grid, Finish<'_, T>);
type TileFn<T> = unsafe fn((*const T, *const T, &[usize]), (*mut T, Size), Finish<'_, T>);

/// The register tiles of one element type on this processor.
pub(crate) struct Kernels<T: 'static> {
    /// Numbers in a vector.
    pub(crate) lanes: usize,
    /// Rows of the largest tile.
    pub(crate) mr: usize,
    /// `tiles[(rows+1)/2 - 1][vectors - 1]`.
    tiles: &'static [&'static [TileFn<T>]],
    /// `products[(rows+1)/2 - 1][vectors - 1]`.
    products: &'static [&'static [ProductFn<T>]],
    /// `lines[vectors - 1]`, `mr` rows high.
    lines: &'static [LinesFn<T>],
    /// The widest of `dots`, less one: `dots[rows - 1][0]` takes so many rows of the second operand, `[1]` one more.
    pub(crate) dot_width: usize,
    dots: &'static [[DotsFn<T>; 2]],
}

/// An element type with register tiles.
pub(crate) trait Tiled: Real {
    /// The tiles for this processor.
    fn kernels() -> &'static Kernels<Self>;

    /// `out[p·width + i] = from[i·stride + p]` for `i < count`, `p < len`.
    fn transpose(from: &[Self], stride: usize, size: (usize, usize), width: usize, out: &mut [Self]);
}

/// The innermost loops, compiled for an instruction set.
macro_rules! compiled {
    ($set:ident $(, #[$attribute:meta])*) => {
        mod $set {
            use super::{Finish, Grid, Lanes, Size, Strided};

            $(#[$attribute])*
            pub(super) unsafe fn tile<V: Lanes, const MR: usize, const NV: usize>(
                ab: (*const V::T, *const V::T, &[usize]),
                c: (*mut V::T, Size),
                ends: Finish<'_, V::T>,
            ) {
                // SAFETY: (all four) the caller promises what is demanded, and has the features that are enabled here.
                unsafe { super::tile::<V, MR, NV>(ab, c, ends) }
            }

            $(#[$attribute])*
            pub(super) unsafe fn lines<V: Lanes, const MR: usize, const NV: usize>(
                x: (*const V::T, &[usize], &[usize]),
                w: *const V::T,
                c: (*mut V::T, Size),
                ends: Finish<'_, V::T>,
            ) {
                // SAFETY: see `tile`.
                unsafe { super::lines::<V, MR, NV>(x, w, c, ends) }
            }

            $(#[$attribute])*
            pub(super) unsafe fn product<V: Lanes, const MR: usize, const NV: usize>(
                a: Strided<V::T>,
                b: Strided<V::T>,
                c: (*mut V::T, Size),
                grid: Grid,
                ends: Finish<'_, V::T>,
            ) {
                // SAFETY: see `tile`.
                unsafe { super::product::<V, MR, NV>(a, b, c, grid, ends) }
            }

            $(#[$attribute])*
            pub(super) unsafe fn dots<V: Lanes, const MR: usize, const NT: usize>(
                x: (*const V::T, &[usize], usize),
                d: (*const V::T, &[usize], usize),
                n: (usize, usize, usize),
                sums: &mut [V::T],
            ) {
                // SAFETY: see `tile`.
                unsafe { super::dots::<V, MR, NT>(x, d, n, sums) }
            }
        }
    };
}
#[cfg(target_arch = "x86_64")]
compiled!(avx512, #[target_feature(enable = "avx512f,avx2,fma")]);
#[cfg(target_arch = "x86_64")]
compiled!(avx2, #[target_feature(enable = "avx2,fma")]);
compiled!(plain);

/// 24 sums, three vectors and a factor fill the 32 registers of AVX-512.
#[cfg(target_arch = "x86_64")]
const fn wide<V: Lanes>() -> Kernels<V::T> {
    use avx512::{dots, lines, product, tile};
    Kernels {
        lanes: V::N,
        mr: 8,
        tiles: &[
            &[tile::<V, 2, 1>, tile::<V, 2, 2>, tile::<V, 2, 3>],
            &[tile::<V, 4, 1>, tile::<V, 4, 2>, tile::<V, 4, 3>],
            &[tile::<V, 6, 1>, tile::<V, 6, 2>, tile::<V, 6, 3>],
            &[tile::<V, 8, 1>, tile::<V, 8, 2>, tile::<V, 8, 3>],
        ],
        products: &[
            &[product::<V, 2, 1>, product::<V, 2, 2>, product::<V, 2, 3>, product::<V, 2, 4>],
            &[product::<V, 4, 1>, product::<V, 4, 2>, product::<V, 4, 3>, product::<V, 4, 4>],
            &[product::<V, 6, 1>, product::<V, 6, 2>, product::<V, 6, 3>, product::<V, 6, 4>],
        ],
        lines: &[lines::<V, 8, 1>, lines::<V, 8, 2>, lines::<V, 8, 3>],
        dot_width: 5,
        dots: &[
            [dots::<V, 1, 5>, dots::<V, 1, 6>],
            [dots::<V, 2, 5>, dots::<V, 2, 6>],
            [dots::<V, 3, 5>, dots::<V, 3, 6>],
            [dots::<V, 4, 5>, dots::<V, 4, 6>],
        ],
    }
}

/// 12 sums, two vectors and a factor fit in the 16 registers of AVX2. With three vectors they would fill them, and the
/// compiler, which reads the next factor early, keeps a sum in memory: that takes twice the time.
#[cfg(target_arch = "x86_64")]
const fn middle<V: Lanes>() -> Kernels<V::T> {
    use avx2::{dots, lines, product, tile};
    Kernels {
        lanes: V::N,
        mr: 6,
        tiles: &[
            &[tile::<V, 2, 1>, tile::<V, 2, 2>],
            &[tile::<V, 4, 1>, tile::<V, 4, 2>],
            &[tile::<V, 6, 1>, tile::<V, 6, 2>],
        ],
        products: &[
            &[product::<V, 2, 1>, product::<V, 2, 2>],
            &[product::<V, 4, 1>, product::<V, 4, 2>],
            &[product::<V, 6, 1>, product::<V, 6, 2>],
        ],
        lines: &[lines::<V, 6, 1>, lines::<V, 6, 2>],
        dot_width: 4,
        dots: &[[dots::<V, 1, 4>, dots::<V, 1, 5>], [dots::<V, 2, 4>, dots::<V, 2, 5>]],
    }
}

const fn narrow<V: Lanes>() -> Kernels<V::T> {
    use plain::{dots, lines, product, tile};
    Kernels {
        lanes: V::N,
        mr: 4,
        tiles: &[
            &[tile::<V, 2, 1>, tile::<V, 2, 2>, tile::<V, 2, 3>],
            &[tile::<V, 4, 1>, tile::<V, 4, 2>, tile::<V, 4, 3>],
        ],
        products: &[
            &[product::<V, 2, 1>, product::<V, 2, 2>, product::<V, 2, 3>],
            &[product::<V, 4, 1>, product::<V, 4, 2>, product::<V, 4, 3>],
        ],
        lines: &[lines::<V, 4, 1>, lines::<V, 4, 2>, lines::<V, 4, 3>],
        dot_width: 4,
        dots: &[[dots::<V, 1, 4>, dots::<V, 1, 5>], [dots::<V, 2, 4>, dots::<V, 2, 5>]],
    }
}

impl Tiled for f32 {
    fn kernels() -> &'static Kernels<f32> {
        #[cfg(target_arch = "x86_64")]
        match isa() {
            Isa::Avx512 => return const { &wide::<__m512>() },
            Isa::Avx2 => return const { &middle::<__m256>() },
            Isa::Baseline => {}
        }
        const { &narrow::<Plain<f32>>() }
    }

    fn transpose(from: &[f32], stride: usize, size: (usize, usize), width: usize, out: &mut [f32]) {
        transpose::singles(from, stride, size, width, out);
    }
}

impl Tiled for f64 {
    fn kernels() -> &'static Kernels<f64> {
        #[cfg(target_arch = "x86_64")]
        match isa() {
            Isa::Avx512 => return const { &wide::<__m512d>() },
            Isa::Avx2 => return const { &middle::<__m256d>() },
            Isa::Baseline => {}
        }
        const { &narrow::<Plain<f64>>() }
    }

    fn transpose(from: &[f64], stride: usize, size: (usize, usize), width: usize, out: &mut [f64]) {
        transpose::doubles(from, stride, size, width, out);
    }
}

impl<T: Tiled> Kernels<T> {
    /// Columns of the widest tile.
    pub(crate) fn nr(&self) -> usize {
        self.lines.len() * self.lanes
    }

    /// Rows that a tile of `m` rows computes: its packed factor has so many numbers per step.
    pub(crate) fn padded(&self, m: usize) -> usize {
        m.next_multiple_of(2).min(self.mr)
    }

    /// Columns that a tile of `n` columns reads.
    pub(crate) fn read(&self, n: usize) -> usize {
        // A power of two, which spares a division per tile.
        (n + self.lanes - 1) & !(self.lanes - 1)
    }

    /// One tile: `c[i·step + j] = ends(Σ_p a[p·padded(m) + i] · b[rows[p] + j])` for `i < m`, `j < n`.
    ///
    /// # Panics
    /// If a slice is too short for that (each row of `b` is read up to [`Kernels::read`]`(n)`).
    #[inline]
    pub(crate) fn tile<'a>(
        &self,
        a: &[T],
        b: &[T],
        rows: Rows<'_>,
        c: &mut [T],
        size: Size,
        ends: impl Into<Finish<'a, T>>,
    ) {
        assert!(size.end() <= c.len(), "a tile leaves its output");
        // SAFETY: just checked for the output; the rest is checked by `tile_at`.
        unsafe { self.tile_at(a, b, rows, c.as_mut_ptr(), size, ends.into()) }
    }

    /// [`Kernels::tile`] with a raw output.
    ///
    /// # Safety
    /// `c + i·step` points to `n` numbers that may be written, and that nothing else reads or writes meanwhile.
    #[inline]
    pub(crate) unsafe fn tile_at(&self, a: &[T], b: &[T], rows: Rows<'_>, c: *mut T, size: Size, ends: Finish<'_, T>) {
        let (m, n, wide) = (size.m, size.n, self.read(size.n));
        if m == 0 || n == 0 {
            return;
        }
        assert!(m <= self.mr && wide <= self.nr(), "a tile is too large");
        let (mr, vectors) = (self.padded(m), wide >> self.lanes.trailing_zeros());
        assert!(a.len() >= rows.at().len() * mr, "a factor is too short");
        assert!(rows.at().is_empty() || rows.last() + wide <= b.len(), "a factor's rows leave it");
        ends.start.check(m, n);
        // SAFETY: the assertions give `tile` what it demands of a, b and ends (m <= mr rows and n <= wide columns, mr
        // the constant MR and vectors the constant NV of the chosen entry), the caller the rest; the table was chosen
        // for this processor's instructions.
        unsafe { self.tiles[mr / 2 - 1][vectors - 1]((a.as_ptr(), b.as_ptr(), rows.at()), (c, size), ends) }
    }

    /// Rows and columns of the largest [`Kernels::product`].
    pub(crate) fn product_size(&self) -> (usize, usize) {
        (2 * self.products.len(), self.products[0].len() * self.lanes)
    }

    /// Tiles of a product of matrices, `size` each: `c[i·step + j] = ends(Σ_p a[i·rs + p·cs] · b[p·bs + j])` for `i < m`,
    /// `j < n` and `p < steps`, where `a` comes with `(rs, cs)`, and `b` with `bs`; for tiles below and beside as [`Grid`] says.
    ///
    /// # Panics
    /// If a slice is too short for that (each row of `b` is read up to [`Kernels::read`]`(n)`), or if there are tiles below or
    /// beside one that is not whole.
    ///
    /// # Safety
    /// `c + i·step` points to as many numbers that may be written as all tiles beside have, and that nothing else reads or
    /// writes meanwhile, for each row of all tiles below.
    #[inline]
    pub(crate) unsafe fn product_at(
        &self,
        (a, rs, cs): (&[T], usize, usize),
        (b, bs): (&[T], usize),
        steps: usize,
        (c, size): (*mut T, Size),
        grid: Grid,
        ends: Finish<'_, T>,
    ) {
        let (m, n, wide) = (size.m, size.n, self.read(size.n));
        let Grid { down, across, apart } = grid;
        if m == 0 || n == 0 || down == 0 || across == 0 {
            return;
        }
        let (high, widest) = self.product_size();
        assert!(m <= high && wide <= widest, "a tile is too large");
        assert!((down == 1 || m.is_multiple_of(2)) && (across == 1 || n == wide), "a tile is not whole");
        let (rows, columns) = (m * down, n * across);
        if let Some(last) = steps.checked_sub(1) {
            let end = |x: usize, y: usize, z: usize| x.checked_mul(y).and_then(|xy| xy.checked_add(z));
            let of_a = end(rows - 1, rs, 1).and_then(|row| end(last, cs, row));
            assert!(of_a.is_some_and(|end| end <= a.len()), "a factor is too short");
            let of_b = end(last, bs, wide).and_then(|tile| end(across - 1, apart, tile));
            assert!(of_b.is_some_and(|end| end <= b.len()), "a factor's rows leave it");
        }
        ends.start.check(rows, columns);
        let kernel = self.products[m.div_ceil(2) - 1][(wide >> self.lanes.trailing_zeros()) - 1];
        // SAFETY: the assertions give `product` what it demands of a, b, grid and ends, the caller the rest; the table was
        // chosen for this processor's instructions.
        unsafe { kernel((a.as_ptr(), rs, cs), (b.as_ptr(), bs, steps), (c, size), grid, ends) }
    }

    /// One tile whose left factor is read where it lies: `c[i·step + j] = ends(Σ_p x[x_at[i] + taps[p]] · w[p][j])` for
    /// `i < m = x_at.len() <= mr`, `j < n`; `w` has rows of [`Kernels::read`]`(n)` numbers.
    ///
    /// # Panics
    /// If a slice is too short for that.
    #[inline]
    pub(crate) fn lines<'a>(
        &self,
        (x, x_at, taps): (&[T], Rows<'_>, Rows<'_>),
        w: &[T],
        c: &mut [T],
        size: Size,
        ends: impl Into<Finish<'a, T>>,
    ) {
        let ends = ends.into();
        let (m, n, wide) = (size.m, size.n, self.read(size.n));
        if m == 0 || n == 0 {
            return;
        }
        assert!(m <= self.mr && m == x_at.len() && wide <= self.nr(), "a tile is too large");
        assert!(taps.at().is_empty() || x_at.last() + taps.last() < x.len(), "a factor's rows leave it");
        assert!(taps.at().len() * wide <= w.len(), "a factor is too short");
        assert!(size.end() <= c.len(), "a tile leaves its output");
        ends.start.check(m, n);
        let kernel = self.lines[wide / self.lanes - 1];
        // SAFETY: the assertions keep all reads in x, w and ends and all writes in c; the table was chosen for this
        // processor's instructions.
        unsafe { kernel((x.as_ptr(), x_at.at(), taps.at()), w.as_ptr(), (c.as_mut_ptr(), size), ends) }
    }

    /// The most rows of the first operand of [`Kernels::dots`].
    pub(crate) fn dot_rows(&self) -> usize {
        self.dots.len()
    }

    /// Sums of products along two operands of which each row is read in `segments` pieces, `x_step` or `d_step` apart,
    /// of `steps` vectors each: `sums[i·x_at.len() + t] += Σ d[.. d_at[i] ..] · x[.. x_at[t] ..]`.
    ///
    /// # Panics
    /// If a slice is too short, or there is no tile of so many rows.
    pub(crate) fn dots(
        &self,
        x: (&[T], &[usize], usize),
        d: (&[T], &[usize], usize),
        (segments, steps): (usize, usize),
        sums: &mut [T],
    ) {
        let ((x, x_at, x_step), (d, d_at, d_step)) = (x, d);
        if segments == 0 || steps == 0 || d_at.is_empty() {
            return;
        }
        let end = |at: &[usize], step: usize| {
            at.iter().copied().max().unwrap_or(0) + (segments - 1) * step + steps * self.lanes
        };
        assert!(end(x_at, x_step) <= x.len() && end(d_at, d_step) <= d.len(), "rows leave their operand");
        assert!(sums.len() >= d_at.len() * x_at.len(), "no room for the sums");
        let kernel = self.dots[d_at.len() - 1][x_at.len() - self.dot_width];
        // SAFETY: the assertions keep every read inside x and d; the table's entry is for exactly these numbers of rows
        // and was chosen for this processor's instructions.
        unsafe { kernel((x.as_ptr(), x_at, x_step), (d.as_ptr(), d_at, d_step), (segments, steps, 0), sums) }
    }

    /// Sums of products along up to `dot_width + 1` rows of `x` and up to [`Kernels::dot_rows`] of `d`, each of `len` numbers; the
    /// operands come with how many there are and how far apart: `sums[i·(dot_width + 1) + t] += Σ_j d[i·d_step + j] · x[t·x_step
    /// + j]`. Sums of rows that `x` lacks are those of its last.
    ///
    /// # Panics
    /// If a slice is too short, or there is no tile of so many rows.
    #[inline]
    pub(crate) fn dots_of_rows(
        &self,
        (x, columns, x_step): (&[T], usize, usize),
        (d, rows, d_step): (&[T], usize, usize),
        len: usize,
        sums: &mut [T],
    ) {
        let width = self.dot_width + 1;
        assert!((1..=width).contains(&columns) && (1..=self.dot_rows()).contains(&rows), "no tile of so many rows");
        let end = |count: usize, step: usize| (count - 1).checked_mul(step).and_then(|at| at.checked_add(len));
        assert!(end(columns, x_step).is_some_and(|end| end <= x.len()), "rows leave their operand");
        assert!(end(rows, d_step).is_some_and(|end| end <= d.len()), "rows leave their operand");
        assert!(sums.len() >= rows * width, "no room for the sums");
        let x_at: [usize; 8] = std::array::from_fn(|t| t.min(columns - 1) * x_step);
        let d_at: [usize; 8] = std::array::from_fn(|i| i.min(rows - 1) * d_step);
        // Lanes are a power of two.
        let size = (1, len >> self.lanes.trailing_zeros(), len & (self.lanes - 1));
        // SAFETY: the assertions keep every read inside x and d; the table's entry is for exactly these numbers of rows
        // and was chosen for this processor's instructions.
        unsafe {
            self.dots[rows - 1][1]((x.as_ptr(), &x_at[..width], 0), (d.as_ptr(), &d_at[..rows], 0), size, sums);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64, len: usize) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let next = |_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as f32 / (1u64 << 30) as f32 - 1.0
        };
        (0..len).map(next).collect()
    }

    #[test]
    fn a_tile_of_any_size_is_its_sum_and_writes_nothing_else() {
        let kernels = f32::kernels();
        for (m, n, k) in [
            (1, 1, 1),
            (2, 3, 5),
            (3, kernels.lanes, 2),
            (kernels.mr, kernels.nr(), 7),
            (kernels.mr, kernels.nr() - 1, 3),
            (1, 2, 0),
        ] {
            let (mr, wide) = (kernels.padded(m), kernels.read(n));
            let (a, b) = (noise(1, k * mr), noise(2, k * 3 + wide));
            let at: Vec<usize> = (0..k).map(|p| (p * 2) % 5).collect();
            let size = Size { m, n, step: n + 2 };
            let addend = noise(4, m * (n + 1));
            for start in [Start::Zero, Start::Keep, Start::Rows(&addend, n + 1), Start::Splat(&addend, 2)] {
                let before = noise(3, m * (n + 2));
                let mut c = before.clone();
                kernels.tile(&a, &b, Rows::new(&at), &mut c, size, start);
                for (index, (&now, &old)) in c.iter().zip(&before).enumerate() {
                    let (i, j) = (index / (n + 2), index % (n + 2));
                    let first = match start {
                        Start::Zero => 0.0,
                        Start::Keep => old,
                        Start::Rows(..) if j < n => addend[i * (n + 1) + j],
                        Start::Rows(..) => 0.0,
                        Start::Splat(..) => addend[i * 2],
                    };
                    let sum: f32 = (0..k).filter(|_| j < n).map(|p| a[p * mr + i] * b[at[p] + j]).sum();
                    let expected = if j < n { first + sum } else { old };
                    assert!((now - expected).abs() < 1e-5, "{m}x{n}x{k}, element {i}, {j}: {now} for {expected}");
                }
            }
        }
    }

    #[test]
    fn dots_sum_over_segments() {
        let kernels = f32::kernels();
        let (segments, steps) = (2, 2);
        let len = steps * kernels.lanes;
        for rows in 1..=kernels.dot_rows() {
            for width in [kernels.dot_width, kernels.dot_width + 1] {
                let (x, d) = (noise(1, 3 * len + 20), noise(2, 3 * len + 20));
                let x_at: Vec<usize> = (0..width).collect();
                let d_at: Vec<usize> = (0..rows).map(|i| i * 3).collect();
                let mut sums = vec![1.0; rows * width];
                kernels.dots((&x, &x_at, len + 1), (&d, &d_at, len), (segments, steps), &mut sums);
                for (index, &found) in sums.iter().enumerate() {
                    let (i, t) = (index / width, index % width);
                    let sum: f32 = (0..segments * len)
                        .map(|j| d[j / len * len + d_at[i] + j % len] * x[j / len * (len + 1) + x_at[t] + j % len])
                        .sum();
                    assert!((found - 1.0 - sum).abs() < 1e-4, "{found} for {sum}");
                }
            }
        }
    }

    #[test]
    fn dots_of_rows_of_any_length_are_their_sums() {
        let kernels = f32::kernels();
        let width = kernels.dot_width + 1;
        for len in [1, kernels.lanes - 1, kernels.lanes, 2 * kernels.lanes + 1] {
            for (columns, rows) in [(width, kernels.dot_rows()), (1, 1), (width - 1, 1)] {
                let (x, d) = (noise(1, columns * (len + 1) - 1), noise(2, rows * len));
                let mut sums = vec![1.0; rows * width];
                kernels.dots_of_rows((&x, columns, len + 1), (&d, rows, len), len, &mut sums);
                for (index, &found) in sums.iter().enumerate() {
                    let (i, t) = (index / width, (index % width).min(columns - 1));
                    let sum: f32 = (0..len).map(|j| d[i * len + j] * x[t * (len + 1) + j]).sum();
                    assert!((found - 1.0 - sum).abs() < 1e-4, "{found} for {sum}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "leave")]
    fn a_tile_outside_its_factor_is_refused() {
        let kernels = f32::kernels();
        let (a, b) = (vec![0.0; 64], vec![0.0; 64]);
        kernels.tile(&a, &b, Rows::new(&[0, 64]), &mut [0.0; 8], Size { m: 1, n: 1, step: 0 }, Start::Zero);
    }
}
