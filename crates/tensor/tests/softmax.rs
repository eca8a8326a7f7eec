//! Softmax, log-softmax and cross entropy against slow versions in f64.

use wengert_tensor::softmax::{cross_entropy, cross_entropy_backward, log_softmax_backward, softmax_backward};
use wengert_tensor::{DType, Generator, Tensor};

/// PyTorch's default tolerances of a dtype: relative and absolute.
fn tolerance(dtype: DType) -> (f64, f64) {
    match dtype {
        DType::F64 => (1e-7, 1e-7),
        DType::F32 => (1.3e-6, 1e-5),
        DType::F16 => (1e-3, 1e-5),
        _ => (1.6e-2, 1e-5),
    }
}

fn assert_close(got: &Tensor, want: &[f64], what: &str) {
    let (relative, absolute) = tolerance(got.dtype());
    let got = got.to_vec::<f64>();
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (&g, &w)) in got.iter().zip(want).enumerate() {
        let fits = g == w || (g.is_nan() && w.is_nan()) || (g - w).abs() <= absolute + relative * w.abs();
        assert!(fits, "{what}: element {i} is {g}, not {w}");
    }
}

/// Shapes and axes: last and not, long and short rows, as many of these as are taken at a time and some more, more columns than a tile, empty, 0-d.
const CASES: &[(&[usize], isize)] = &[
    (&[7], 0),
    (&[3, 1], 1),
    (&[5, 31], -1),
    (&[4, 32], 1),
    (&[16, 2], 1),
    (&[37, 3], 1),
    (&[50, 6], 1),
    (&[70, 17], 1),
    (&[3, 100], 1),
    (&[2, 1000], -1),
    (&[300, 70], 1),
    (&[6, 5], 0),
    (&[3, 4, 5], 1),
    (&[2, 10, 300], 1),
    (&[2, 80, 7], 1),
    (&[300, 260], 0),
    (&[7, 3, 2, 9], 1),
    (&[40, 3, 30, 30], 1),
    (&[0, 3], 1),
    (&[2, 0, 3], 1),
    (&[3, 0], 0),
    (&[], 0),
    (&[], -1),
];

/// `x` by `f` over each row along an axis, in f64.
fn by_rows(x: &Tensor, dim: isize, mut f: impl FnMut(&[f64]) -> Vec<f64>) -> Vec<f64> {
    if x.rank() == 0 {
        return f(&x.to_vec::<f64>());
    }
    let turned = x.transpose(dim, -1);
    let len = turned.size(-1);
    if turned.numel() == 0 {
        return Vec::new();
    }
    let out: Vec<f64> = turned.to_vec::<f64>().chunks(len).flat_map(f).collect();
    Tensor::from_vec(out, turned.shape()).transpose(dim, -1).to_vec()
}

fn slow_softmax(x: &[f64]) -> Vec<f64> {
    let top = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let e: Vec<f64> = x.iter().map(|x| (x - top).exp()).collect();
    let sum: f64 = e.iter().sum();
    e.iter().map(|e| e / sum).collect()
}

fn slow_log_softmax(x: &[f64]) -> Vec<f64> {
    let top = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = x.iter().map(|x| (x - top).exp()).sum();
    x.iter().map(|x| x - top - sum.ln()).collect()
}

#[test]
fn forward_is_the_definition_for_every_dtype_axis_and_layout() {
    let mut g = Generator::new(1);
    for &(shape, dim) in CASES {
        for dtype in [DType::F64, DType::F32, DType::F16, DType::BF16] {
            let x = g.normal(shape, 0.0, 5.0, DType::F64).to(dtype);
            let turned = if shape.len() > 1 { x.transpose(0, -1).contiguous().transpose(0, -1) } else { x.clone() };
            for x in [&x, &turned] {
                let what = format!("{shape:?} over {dim}, {dtype}");
                assert_close(&x.softmax(dim), &by_rows(x, dim, slow_softmax), &what);
                assert_close(&x.log_softmax(dim), &by_rows(x, dim, slow_log_softmax), &what);
                assert_eq!(x.softmax(dim).dtype(), dtype);
            }
        }
    }
}

#[test]
fn backward_is_the_derivative_of_the_definition() {
    let mut g = Generator::new(2);
    for &(shape, dim) in CASES {
        for dtype in [DType::F64, DType::F32] {
            let (x, dy) = (g.randn(shape, dtype), g.randn(shape, dtype));
            let (y, l) = (x.softmax(dim), x.log_softmax(dim));
            // In f64 by the formula, over both tensors stacked along the axis.
            let pairs = |y: &Tensor, f: fn(&[f64], &[f64]) -> Vec<f64>| -> Vec<f64> {
                let mut grads = Vec::new();
                by_rows(&dy, dim, |row| {
                    grads.push(row.to_vec());
                    row.to_vec()
                });
                let grads = std::cell::RefCell::new(grads.into_iter());
                by_rows(y, dim, |y| f(y, &grads.borrow_mut().next().expect("as many rows")))
            };
            let want = pairs(&y, |y, dy| {
                let total: f64 = y.iter().zip(dy).map(|(y, dy)| y * dy).sum();
                y.iter().zip(dy).map(|(y, dy)| y * (dy - total)).collect()
            });
            assert_close(&softmax_backward(&dy, &y, dim), &want, &format!("softmax {shape:?} over {dim}"));
            let want = pairs(&l, |l, dy| {
                let total: f64 = dy.iter().sum();
                l.iter().zip(dy).map(|(l, dy)| dy - l.exp() * total).collect()
            });
            assert_close(&log_softmax_backward(&dy, &l, dim), &want, &format!("log_softmax {shape:?} over {dim}"));
        }
    }
}

#[test]
fn infinities_and_nan_come_out_as_in_pytorch() {
    const INF: f32 = f32::INFINITY;
    const NAN: f64 = f64::NAN;
    let rows: [(&[f32], &[f64], &[f64]); 4] = [
        (&[-INF, -INF], &[NAN, NAN], &[NAN, NAN]),
        (&[INF, 1.0], &[NAN, NAN], &[NAN, NAN]),
        (&[f32::NAN, 1.0], &[NAN, NAN], &[NAN, NAN]),
        (&[-INF, 1.0], &[0.0, 1.0], &[f64::NEG_INFINITY, 0.0]),
    ];
    for (x, softmax, log_softmax) in rows {
        let x = Tensor::from_slice(x, [2]);
        for dim in [0, 1] {
            let x = if dim == 0 { x.unsqueeze(1).expand([2, 1]) } else { x.unsqueeze(0) };
            assert_close(&x.softmax(dim), softmax, "softmax");
            assert_close(&x.log_softmax(dim), log_softmax, "log_softmax");
        }
    }
}

#[test]
fn cross_entropy_picks_from_log_softmax() {
    let mut g = Generator::new(3);
    for shape in [&[5usize][..], &[6, 4], &[200, 10], &[70, 33], &[2, 3, 7], &[2, 3, 4, 5], &[0, 3]] {
        let classes = if shape.len() == 1 { shape[0] } else { shape[1] };
        let rest: Vec<usize> = if shape.len() == 1 { vec![] } else { [&shape[..1], &shape[2..]].concat() };
        let logits = g.normal(shape, 0.0, 3.0, DType::F64);
        let mut target = g.randint(0, classes as i64, &rest[..], DType::I64);
        if target.numel() > 1 {
            target.as_mut_slice::<i64>()[1] = -100;
        }
        let axis = isize::from(shape.len() > 1);
        let (log, soft) = (logits.log_softmax(axis), logits.softmax(axis));
        let grad = g.randn(&rest[..], DType::F64);
        let mut losses = Vec::new();
        let mut want = vec![0.0; logits.numel()];
        // Samples in C order of the target; the class's position is found by indices.
        let inner: usize = rest.iter().skip(1).product();
        for (i, &class) in target.to_vec::<i64>().iter().enumerate() {
            let at = |c: usize| (i / inner) * classes * inner + c * inner + i % inner;
            if class == -100 {
                losses.push(0.0);
                continue;
            }
            losses.push(-log.to_vec::<f64>()[at(class as usize)]);
            for c in 0..classes {
                let hit = if c == class as usize { 1.0 } else { 0.0 };
                want[at(c)] = (soft.to_vec::<f64>()[at(c)] - hit) * grad.to_vec::<f64>()[i];
            }
        }
        assert_close(&cross_entropy(&logits, &target, -100), &losses, &format!("{shape:?}"));
        assert_close(&cross_entropy_backward(&grad, &logits, &target, -100), &want, &format!("{shape:?} backward"));
        let single = cross_entropy(&logits.to(DType::F32), &target, -100);
        assert_close(&single, &losses, "f32");
    }
}

#[test]
fn results_do_not_depend_on_threads() {
    let mut g = Generator::new(4);
    let x = g.randn([300, 500], DType::F32);
    let target = g.randint(0, 500, [300], DType::I64);
    let all = || {
        let y = x.softmax(1);
        let back = softmax_backward(&x, &y, 1);
        let losses = cross_entropy(&x, &target, -100);
        let short = x.reshape([30_000, 5]);
        let classes = target.remainder(5).repeat(&[100]);
        let grad = short.sum(1);
        let results = [
            softmax_backward(&short, &short.softmax(1), 1),
            log_softmax_backward(&short, &short.log_softmax(1), 1),
            cross_entropy(&short, &classes, -100),
            cross_entropy_backward(&grad, &short, &classes, -100),
            cross_entropy_backward(&losses, &x, &target, -100),
            x.log_softmax(0),
            y,
            back,
        ];
        results.map(|t| t.to_bytes())
    };
    let with = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool").install(all);
    assert!(with(1) == with(4) && with(1) == with(3));
}

#[test]
fn mistakes_are_named_in_pytorchs_words() {
    let x = || Tensor::zeros([4, 3], DType::F32);
    let t = |values: &[i64]| Tensor::from_slice(values, [values.len()]);
    type Mistake<'a> = &'a (dyn Fn() -> Tensor + std::panic::RefUnwindSafe);
    let rows: [(Mistake<'_>, &str); 9] = [
        (&|| x().softmax(2), "softmax: Dimension out of range (expected to be in range of [-2, 1], but got 2)"),
        (&|| t(&[1]).softmax(0), "\"softmax_lastdim_kernel_impl\" not implemented for 'Long'"),
        (&|| t(&[1]).log_softmax(0), "\"log_softmax_lastdim_kernel_impl\" not implemented for 'Long'"),
        (&|| cross_entropy(&x(), &t(&[0, 1, 5, 2]), -100), "cross_entropy: Target 5 is out of bounds."),
        (&|| cross_entropy(&x(), &t(&[0, 1, -1, 2]), -100), "cross_entropy: Target -1 is out of bounds."),
        (
            &|| cross_entropy(&x(), &t(&[0, 1, 2]), -100),
            "Expected input batch_size (4) to match target batch_size (3).",
        ),
        (
            &|| cross_entropy(&x(), &t(&[0, 1, 2, 1]).to(DType::F32), -100),
            "expected target dtype to be Long or Byte, but got Float",
        ),
        (
            &|| cross_entropy(&Tensor::zeros([4, 3, 2], DType::F32), &Tensor::zeros([4, 3], DType::I64), -100),
            "Expected target size [4, 2], got [4, 3]",
        ),
        (
            &|| cross_entropy(&x(), &Tensor::zeros([4, 2], DType::I64), -100),
            "cross_entropy: 0D or 1D target tensor expected, multi-target not supported",
        ),
    ];
    for (mistake, words) in rows {
        let panic = std::panic::catch_unwind(mistake).expect_err(words);
        let said = panic.downcast_ref::<String>().expect("a formatted panic");
        assert!(said.starts_with(words), "{said}");
    }
}
