//! Properties: fast paths give what one element at a time gives, on any layout, dtype and number of threads.

use proptest::prelude::*;
use wengert_tensor::{BINARY, COMPARE, DType, Element, Tensor, UNARY, bf16, f16};

/// A small deterministic source of choices, so that one number describes a case.
struct Choices(u64);

impl Choices {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % below.max(1)
    }

    /// Sizes that reach every path: empty, single, short rows, and rows longer than a vector.
    fn shape(&mut self, longest: usize) -> Vec<usize> {
        let rank = self.next(4);
        (0..rank).map(|_| [1, 2, 3, 5, longest, 0][if self.next(12) == 0 { 5 } else { self.next(5) }]).collect()
    }

    /// A tensor of the shape, as a view with arbitrary strides: permuted, cut, reversed or repeated memory.
    fn tensor(&mut self, shape: &[usize], dtype: DType) -> Tensor {
        let rank = shape.len();
        let mut order: Vec<usize> = (0..rank).collect();
        if self.next(2) == 0 {
            (1..rank).for_each(|i| order.swap(i, self.next(i + 1)));
        }
        // Memory order `order`, with room around some axes.
        let mut strides = vec![0isize; rank];
        let mut len = 1;
        let mut offset = 0;
        for &axis in order.iter().rev() {
            let (step, margin) = (1 + self.next(4) / 3, self.next(4) / 3);
            let repeated = self.next(6) == 0;
            strides[axis] = if repeated { 0 } else { (len * step) as isize };
            if !repeated {
                offset += margin * len;
                if self.next(5) == 0 {
                    offset += len * step * shape[axis].saturating_sub(1);
                    strides[axis] = -strides[axis];
                }
                len *= (shape[axis].max(1) * step) + margin;
            }
        }
        let data: Vec<f64> = (0..len).map(|_| self.value()).collect();
        let storage = Tensor::from_slice(&data, [len]).to(dtype).storage().clone();
        Tensor::from_parts(storage, shape, &strides, offset).expect("inside its storage")
    }

    fn value(&mut self) -> f64 {
        match self.next(20) {
            0 => 0.0,
            1 => -1.0,
            2 => f64::NAN,
            3 => f64::INFINITY,
            _ => (self.next(4001) as f64 - 2000.0) / 250.0,
        }
    }
}

/// Element by element through the strides, without the library's walkers.
fn elements<T: Element>(x: &Tensor) -> Vec<T> {
    let data = x.storage().as_slice::<T>();
    let mut index = vec![0usize; x.rank()];
    (0..x.numel())
        .map(|_| {
            let at: isize = index.iter().zip(x.strides()).map(|(&i, &s)| i as isize * s).sum();
            for axis in (0..x.rank()).rev() {
                index[axis] += 1;
                if index[axis] < x.shape()[axis] {
                    break;
                }
                index[axis] = 0;
            }
            data[(x.layout().offset() as isize + at) as usize]
        })
        .collect()
}

fn singles(x: &Tensor) -> Vec<Tensor> {
    fn each<T: Element>(x: &Tensor) -> Vec<Tensor> {
        elements::<T>(x).into_iter().map(|v| Tensor::from_slice(&[v], [1])).collect()
    }
    match x.dtype() {
        DType::F64 => each::<f64>(x),
        DType::F32 => each::<f32>(x),
        DType::F16 => each::<f16>(x),
        DType::BF16 => each::<bf16>(x),
        DType::I64 => each::<i64>(x),
        DType::I32 => each::<i32>(x),
        DType::I16 => each::<i16>(x),
        DType::I8 => each::<i8>(x),
        DType::U8 => each::<u8>(x),
        DType::Bool => each::<bool>(x),
    }
}

/// Equal bit for bit, but for the sign and payload of NaN.
fn assert_same(what: &str, got: &Tensor, want: &[Tensor]) {
    let want: Vec<f64> = want.iter().map(|t| t.item::<f64>()).collect();
    let got = got.to_vec::<f64>();
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (a, b)) in got.iter().zip(&want).enumerate() {
        assert!(a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()), "{what} [{i}]: {a} instead of {b}");
    }
}

/// Functions that PyTorch refuses on booleans.
const NO_BOOL: &[&str] = &[
    "abs",
    "neg",
    "floor",
    "ceil",
    "round",
    "trunc",
    "relu",
    "sub",
    "floor_divide",
    "div_floor",
    "div_trunc",
    "remainder",
    "fmod",
    "pow",
];

/// Functions that PyTorch refuses on all but floats.
const FLOATS_ONLY: &[&str] = &["silu", "gelu"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn unary_functions_do_not_see_the_layout(seed: u64) {
        let mut choices = Choices(seed);
        let dtype = DType::ALL[choices.next(DType::ALL.len())];
        let shape = choices.shape(40);
        let x = choices.tensor(&shape, dtype);
        let (name, function) = UNARY[choices.next(UNARY.len())];
        let refused =
            dtype == DType::Bool && NO_BOOL.contains(&name) || !dtype.is_float() && FLOATS_ONLY.contains(&name);
        if !refused {
            let want: Vec<Tensor> = singles(&x).iter().map(function).collect();
            assert_same(name, &function(&x), &want);
        }
        let want: Vec<Tensor> = singles(&x);
        assert_same("copy", &x.copy(), &want);
        let to = DType::ALL[choices.next(DType::ALL.len())];
        let want: Vec<Tensor> = want.iter().map(|v| v.to(to)).collect();
        assert_same("to", &x.to(to), &want);
    }

    #[test]
    fn binary_functions_do_not_see_the_layout(seed: u64) {
        let mut choices = Choices(seed);
        let dtype = DType::ALL[choices.next(DType::ALL.len())];
        let shape = choices.shape(40);
        // Each side drops leading axes and shrinks others to 1.
        let side = |choices: &mut Choices| {
            let drop = if choices.next(3) == 0 { choices.next(shape.len() + 1) } else { 0 };
            let sizes: Vec<usize> = shape[drop..].iter().map(|&s| if choices.next(5) == 0 { 1 } else { s }).collect();
            choices.tensor(&sizes, dtype)
        };
        let (a, b) = (side(&mut choices), side(&mut choices));
        let all: Vec<_> = BINARY.iter().chain(COMPARE).collect();
        let (name, function) = all[choices.next(all.len())];
        let divides = matches!(*name, "floor_divide" | "div_floor" | "div_trunc" | "remainder" | "fmod") && !dtype.is_float();
        if divides || (dtype == DType::Bool && NO_BOOL.contains(name)) {
            return Ok(());
        }
        let got = function(&a, &b);
        let (x, y) = (a.broadcast_to(got.shape()), b.broadcast_to(got.shape()));
        let want: Vec<Tensor> = singles(&x).iter().zip(&singles(&y)).map(|(x, y)| function(x, y)).collect();
        assert_same(name, &got, &want);
        // A condition of the same shapes picks the same elements.
        let mask = choices.tensor(got.shape(), DType::Bool);
        let want: Vec<Tensor> = singles(&mask).iter().zip(singles(&x).into_iter().zip(singles(&y)))
            .map(|(m, (x, y))| if m.item() { x } else { y }).collect();
        assert_same("where", &mask.where_(&a, &b), &want);
        // In place, where the result has the shape and dtype of the left side.
        if a.shape() == got.shape() && matches!(*name, "add" | "mul") {
            let mut c = a.clone();
            if *name == "add" { c.add_(&b); } else { c.mul_(&b); }
            assert_same("in place", &c, &singles(&got));
            let mut c = a.copy();
            if *name == "add" { c.add_(&b); } else { c.mul_(&b); }
            assert_same("in place, unique", &c, &singles(&got));
        }
    }

    #[test]
    fn reductions_agree_with_plain_loops(seed: u64) {
        let mut choices = Choices(seed);
        let dtype = DType::ALL[choices.next(DType::ALL.len())];
        let shape = choices.shape(90);
        let x = choices.tensor(&shape, dtype);
        // Finite values: sums of infinities are another matter.
        let x = if dtype == DType::Bool { x } else { x.to(DType::F64).abs().lt(100.0).where_(&x, 1).to(dtype) };
        let dims: Vec<isize> = (0..shape.len() as isize).filter(|_| choices.next(2) == 0).collect();
        let axes: Vec<usize> =
            if dims.is_empty() { (0..shape.len()).collect() } else { dims.iter().map(|&d| d as usize).collect() };
        // The obvious way: reduced axes last, then one plain loop per result.
        let mut order: Vec<isize> = (0..shape.len() as isize).filter(|d| !axes.contains(&(*d as usize))).collect();
        let kept: Vec<usize> = order.iter().map(|&d| shape[d as usize]).collect();
        order.extend(axes.iter().map(|&d| d as isize));
        let flat: Vec<f64> = singles(&x.permute(&order)).iter().map(|v| v.item::<f64>()).collect();
        let results: usize = kept.iter().product();
        let len: usize = axes.iter().map(|&a| shape[a]).product();
        let groups: Vec<&[f64]> = (0..results).map(|i| &flat[i * len..][..len]).collect();
        let eps = match dtype { DType::F64 => 1e-12, DType::F32 => 1e-4, DType::F16 => 4e-3, _ => 3e-2 };
        let close = |what: &str, got: Tensor, want: Vec<f64>| {
            assert_eq!(got.shape(), kept, "{what}");
            for (a, b) in got.to_vec::<f64>().iter().zip(&want) {
                let same = a == b || (a.is_nan() && b.is_nan()) || (dtype.is_float() && (a - b).abs() <= eps * (1.0 + b.abs()));
                assert!(same, "{what} of {dtype} {shape:?} over {dims:?}: {a} instead of {b}");
            }
        };
        let dims = &dims[..];
        let size = |g: &&[f64]| g.iter().map(|v| v.abs()).sum::<f64>();
        let scale = groups.iter().map(size).fold(1.0, f64::max);
        if !dtype.is_float() || scale < 1e3 {
            close("sum", x.sum(dims), groups.iter().map(|g| g.iter().sum()).collect());
        }
        close("any", x.any(dims), groups.iter().map(|g| g.iter().any(|&v| v != 0.0) as u8 as f64).collect());
        close("all", x.all(dims), groups.iter().map(|g| g.iter().all(|&v| v != 0.0) as u8 as f64).collect());
        if len > 0 {
            close("amax", x.amax(dims), groups.iter().map(|g| g.iter().copied().fold(f64::MIN, f64::max)).collect());
            close("amin", x.amin(dims), groups.iter().map(|g| g.iter().copied().fold(f64::MAX, f64::min)).collect());
        }
        if dtype.is_float() {
            let mean = |g: &[f64]| g.iter().sum::<f64>() / g.len() as f64;
            let var = |g: &[f64]| { let m = mean(g); g.iter().map(|v| (v - m).powi(2)).sum::<f64>() / g.len() as f64 };
            close("mean", x.mean(dims), groups.iter().map(|g| mean(g)).collect());
            close("var", x.var(dims, 0.0), groups.iter().map(|g| var(g)).collect());
            close("norm", x.norm(dims), groups.iter().map(|g| g.iter().map(|v| v * v).sum::<f64>().sqrt()).collect());
            close("logsumexp", x.logsumexp(dims), groups.iter().map(|g| g.iter().map(|v| v.exp()).sum::<f64>().ln()).collect());
        }
        if let [dim] = *dims && len > 0 && dtype != DType::Bool {
            let first = |g: &&[f64], best: f64| g.iter().position(|&v| v == best).expect("it is one of them") as f64;
            let largest = |g: &&[f64]| first(g, g.iter().copied().fold(f64::MIN, f64::max));
            let smallest = |g: &&[f64]| first(g, g.iter().copied().fold(f64::MAX, f64::min));
            close("argmax", x.argmax(dim), groups.iter().map(largest).collect());
            close("argmin", x.argmin(dim), groups.iter().map(smallest).collect());
            close("max_dim", x.max_dim(dim).1, groups.iter().map(largest).collect());
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let mut choices = Choices(3);
    let all = |x: &Tensor| -> Vec<Vec<u8>> {
        let wide = x.view([300, 10, 100]);
        let f = [
            x.sum(()),
            x.sum(0),
            x.sum(1),
            wide.sum([0, 2]),
            wide.var(0, 1.0),
            x.logsumexp(1),
            x.norm(()),
            x.prod(1),
            x.view([-1, 3]).sum(0),
            x.view([3, -1]).sum(1),
            x.cumsum(1),
            x.t().contiguous(),
            x.exp(),
            x.t().add(x.view([-1, 300])),
            x.gt(0.0),
            x.amax(0),
            x.to(DType::BF16).mul(2.5),
            wide.permute([2, 1, 0]).contiguous(),
        ];
        f.iter().map(Tensor::to_bytes).collect()
    };
    let data: Vec<f32> = (0..300_000).map(|_| choices.next(2001) as f32 / 1000.0 - 1.0).collect();
    let x = Tensor::from_slice(&data, [300, 1000]);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| all(&x))
    };
    let (one, three) = (with(1), with(3));
    for (i, (a, b)) in one.iter().zip(&three).enumerate() {
        assert!(a == b, "result {i} depends on the number of threads");
    }
}

/// Shapes that reach the blocked, the side-by-side and the converting paths of reductions.
#[test]
fn long_reductions_agree_with_plain_loops() {
    let mut choices = Choices(11);
    for (shape, axis) in [
        ([1, 10_007, 1], 1),
        ([1, 5003, 3], 1),
        ([3, 3001, 7], 1),
        ([2, 8500, 70], 1),
        ([700, 1, 37], 2),
        ([2, 3, 9000], 2),
        ([1, 8300, 300], 1),
    ] {
        let [outer, len, inner] =
            [shape[..axis].iter().product::<usize>(), shape[axis], shape[axis + 1..].iter().product::<usize>()];
        let data: Vec<f64> = (0..outer * len * inner).map(|_| choices.next(201) as f64 / 100.0 - 1.0).collect();
        for dtype in [DType::F64, DType::F32, DType::BF16, DType::I32, DType::Bool] {
            let x = Tensor::from_slice(&data, shape).to(dtype);
            let values = x.to_vec::<f64>();
            let fold = |f: &dyn Fn(&mut dyn Iterator<Item = f64>) -> f64| -> Vec<f64> {
                let at = |o: usize, j: usize| (0..len).map(move |r| (o * len + r) * inner + j);
                (0..outer * inner).map(|i| f(&mut at(i / inner, i % inner).map(|k| values[k]))).collect()
            };
            let eps = match dtype {
                DType::F64 => 1e-13,
                DType::F32 => 2e-6,
                _ => 8e-3,
            };
            let check = |what: &str, got: Tensor, want: Vec<f64>, scale: f64| {
                for (a, b) in got.to_vec::<f64>().iter().zip(&want) {
                    let bound = if dtype.is_float() { eps * (b.abs() + scale) } else { 0.0 };
                    assert!((a - b).abs() <= bound, "{what} of {dtype} {shape:?} over {axis}: {a} instead of {b}");
                }
            };
            let root = (len as f64).sqrt();
            check("sum", x.sum(axis as isize), fold(&|v| v.sum()), if dtype == DType::BF16 { 1e-2 } else { root });
            check("amax", x.amax(axis as isize), fold(&|v| v.fold(f64::MIN, f64::max)), 0.0);
            check("any", x.any(axis as isize), fold(&|v| (v.fold(0.0, |a, b| a + b.abs()) > 0.0) as u8 as f64), 0.0);
            if dtype.is_float() {
                let var = fold(&|v| {
                    let (n, sum, squares) = v.fold((0.0, 0.0, 0.0), |(n, s, q), x| (n + 1.0, s + x, q + x * x));
                    squares / n - (sum / n) * (sum / n)
                });
                check("var", x.var(axis as isize, 0.0), var, 0.0);
                check("logsumexp", x.logsumexp(axis as isize), fold(&|v| v.map(f64::exp).sum::<f64>().ln()), 1.0);
            }
        }
    }
}

#[test]
fn rows_beside_one_that_all_share_are_computed_one_by_one() {
    let mut choices = Choices(23);
    for (rows, len) in [(2, 1), (3, 5), (700, 7), (33, 64), (40, 100), (5, 1000), (9, 1024), (3, 2048), (3, 5000)] {
        for dtype in [DType::F32, DType::F64, DType::F16, DType::I32] {
            let values: Vec<f64> =
                (0..(rows + 2) * len).map(|_| choices.value()).map(|v| if v.is_finite() { v } else { 1.0 }).collect();
            let all = Tensor::from_vec(values, [rows + 2, len]).to(dtype);
            let (x, row) = (all.narrow(0, 1, rows), all.select(0, rows as isize + 1));
            // A row along memory, one against it, one number for all, and one per row.
            for y in
                [row.clone(), row.flip([0]), row.narrow(0, 0, 1).expand([len]), all.narrow(1, 0, 1).narrow(0, 0, rows)]
            {
                let spread = y.expand([rows, len]).copy();
                for (got, expected) in
                    [(x.mul(&y), x.mul(&spread)), (y.sub(&x), spread.sub(&x)), (x.lt(&y), x.lt(&spread))]
                {
                    assert_eq!(got.to_vec::<f64>(), expected.to_vec::<f64>(), "{rows} rows of {len}, {dtype}");
                }
                let mut own = x.copy();
                assert_eq!(own.add_(&y).to_vec::<f64>(), x.add(&spread).to_vec::<f64>());
            }
        }
    }
}
