//! Elementwise operations and reductions: promotion, broadcasting, in-place updates, error wording.

use wengert_tensor::{DType, Tensor, manual_seed, rand, randn};

fn f(data: &[f32]) -> Tensor {
    Tensor::from_slice(data, [data.len()])
}

#[test]
fn numbers_and_0d_tensors_adapt_to_tensors_with_dimensions() {
    let i = Tensor::from_vec(vec![3i64, -4], [2]);
    let h = f(&[1.0, 2.0]).to(DType::F16);
    assert_eq!((&i + 1.5).dtype(), DType::F32);
    assert_eq!((&i + 1).dtype(), DType::I64);
    assert_eq!((&h + 1.5).dtype(), DType::F16);
    assert_eq!((&h + &i).dtype(), DType::F16);
    assert_eq!((&h + Tensor::full((), 1.0, DType::F64)).dtype(), DType::F16);
    assert_eq!((&i + Tensor::full((), 1.0, DType::F64)).dtype(), DType::F64);
    assert_eq!((Tensor::from_vec(vec![1u8], [1]) + 300).to_vec::<u8>(), [45]);
    assert_eq!((Tensor::from_vec(vec![true, false], [2]) + 1).to_vec::<i64>(), [2, 1]);
}

#[test]
fn operators_take_numbers_and_tensors_on_both_sides() {
    let x = f(&[1.0, 2.0]);
    assert_eq!((1.0 - &x).to_vec::<f32>(), [0.0, -1.0]);
    assert_eq!((2 / x.clone()).to_vec::<f32>(), [2.0, 1.0]);
    assert_eq!((-(&x * &x) + x.clone()).to_vec::<f32>(), [0.0, -2.0]);
}

#[test]
fn integer_division_rounds_as_pytorch() {
    let a = Tensor::from_vec(vec![7i32, -7, 7, -7], [4]);
    let b = Tensor::from_vec(vec![2i32, 2, -2, -2], [4]);
    assert_eq!(a.floor_divide(&b).to_vec::<i32>(), [3, -4, -4, 3]);
    assert_eq!(a.remainder(&b).to_vec::<i32>(), [1, 1, -1, -1]);
    assert_eq!(a.fmod(&b).to_vec::<i32>(), [1, -1, 1, -1]);
    assert_eq!(a.div(&b).dtype(), DType::F32);
    assert_eq!(a.pow(2).to_vec::<i32>(), [49; 4]);
}

/// One row per type: PyTorch's definitions of the remainders and floor division, step by step, from C's `fmod`.
macro_rules! division {
    ($($name:ident $t:ident;)*) => { $(
        fn $name(a: $t, b: $t) -> [$t; 3] {
            let fmod = a % b;
            let below = fmod != 0.0 && (b < 0.0) != (fmod < 0.0);
            let remainder = if below { fmod + b } else { fmod };
            if b == 0.0 {
                return [fmod, remainder, a / b];
            }
            let quotient = (a - fmod) / b - if below { 1.0 } else { 0.0 };
            let floor = quotient.floor();
            let whole = if quotient - floor > 0.5 { floor + 1.0 } else { floor };
            [fmod, remainder, if quotient == 0.0 { (0.0 as $t).copysign(a / b) } else { whole }]
        }
    )* };
}
division! {
    division_f32 f32;
    division_f64 f64;
}

#[test]
fn remainders_of_floats_are_exact_whatever_the_quotient() {
    let special = [
        0.0,
        1e-45,
        1e-40,
        1e-30,
        0.1,
        0.5,
        1.0,
        1.5,
        3.0,
        7.0,
        1e4,
        16_777_215.0,
        3e9,
        1e20,
        3e38,
        f64::INFINITY,
        f64::NAN,
    ];
    let special = special.into_iter().flat_map(|x| [x, -x]).collect::<Vec<f64>>();
    manual_seed(0);
    let drawn = (randn([4096]).to(DType::F64) * 100.0).to_vec::<f64>();
    let x: Vec<f64> = special.iter().flat_map(|&x| vec![x; special.len()]).chain(drawn.iter().copied()).collect();
    let y: Vec<f64> =
        special.iter().cycle().take(special.len().pow(2)).chain(drawn[1..].iter()).chain([&0.3]).copied().collect();
    macro_rules! agree {
        ($t:ty, $dtype:expr, $definition:path) => {{
            let [a, b] = [&x, &y].map(|v| Tensor::from_slice(v, [v.len()]).to($dtype));
            let got = [a.fmod(&b), a.remainder(&b), a.floor_divide(&b)].map(|t| t.to_vec::<$t>());
            for i in 0..x.len() {
                let want = $definition(x[i] as $t, y[i] as $t);
                for k in 0..3 {
                    let (got, want) = (got[k][i], want[k]);
                    let same = got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
                    assert!(same, "{k} of {:e} and {:e}: {got:e}, not {want:e}", x[i], y[i]);
                }
            }
        }};
    }
    agree!(f32, DType::F32, division_f32);
    agree!(f64, DType::F64, division_f64);
}

#[test]
fn reductions_over_any_axes() {
    let x = Tensor::from_vec((0..24).map(|v| v as f32).collect(), [2, 3, 4]);
    assert_eq!(x.sum(()).item::<f32>(), 276.0);
    assert_eq!(x.sum([0, 2]).to_vec::<f32>(), [60.0, 92.0, 124.0]);
    assert_eq!(x.sum_keepdim(1).shape(), [2, 1, 4]);
    assert_eq!(x.mean(-1).to_vec::<f32>()[..2], [1.5, 5.5]);
    assert_eq!(x.permute([2, 0, 1]).sum([0, 2]).to_vec::<f32>(), [66.0, 210.0]);
    assert_eq!(x.amax(0).to_vec::<f32>()[..2], [12.0, 13.0]);
    assert_eq!(x.argmax(1).to_vec::<i64>(), [2; 8]);
    assert_eq!(x.max_dim(2).0.to_vec::<f32>(), [3.0, 7.0, 11.0, 15.0, 19.0, 23.0]);
    assert_eq!(x.var(2, 1.0).to_vec::<f32>(), [5.0f32 / 3.0; 6]);
    assert_eq!(x.sum_to([3, 1]).to_vec::<f32>(), [60.0, 92.0, 124.0]);
    assert_eq!(x.cumsum(2).to_vec::<f32>()[..4], [0.0, 1.0, 3.0, 6.0]);
    for rows in 1..10 {
        let x = Tensor::from_vec((0..rows * 3).map(|i| i as f32).collect(), [rows, 3]);
        let want = (0..rows * 3).map(|i| (i / 3 * 3..=i).map(|j| j as f32).sum()).collect::<Vec<f32>>();
        assert_eq!(x.cumsum(1).to_vec::<f32>(), want);
    }
    assert_eq!(x.gt(5.0).sum(()).item::<i64>(), 18);
    assert!(x.ge(0.0).all(()).item::<bool>());
    assert!(!x.lt(0.0).any(()).item::<bool>());
}

#[test]
fn in_place_changes_are_private_and_keep_the_dtype() {
    let x = f(&[1.0, 2.0]);
    let mut y = x.clone();
    y.add_(1.0).mul_(&x).add_scaled_(0.5, &x);
    assert_eq!(y.to_vec::<f32>(), [2.5, 7.0]);
    assert_eq!(x.to_vec::<f32>(), [1.0, 2.0]);
    y.mul_(2.0).sub_(1).div_(2);
    assert_eq!(y.to_vec::<f32>(), [2.0, 6.5]);
    y.add_(Tensor::from_vec(vec![0.5f64, 1.0], [2]));
    assert_eq!((y.dtype(), y.to_vec::<f32>()), (DType::F32, vec![2.5, 7.5]));
    y.zero_();
    assert_eq!(y.to_vec::<f32>(), [0.0, 0.0]);
}

#[test]
fn select_and_compare_whole_tensors() {
    let x = f(&[-1.0, f32::NAN, 3.0]);
    let mask = x.gt(0.0);
    assert_eq!(mask.where_(&x, 0).to_vec::<f32>(), [0.0, 0.0, 3.0]);
    assert_eq!(x.masked_fill(&mask, 7).to_vec::<f32>()[2], 7.0);
    assert!(!x.equal(&x));
    assert!(mask.equal(&mask));
    assert!(!x.allclose(&x, 1e-5, 1e-8));
    let y = f(&[1.0, f32::INFINITY]);
    assert!(y.allclose(&y, 1e-5, 1e-8));
    assert!(f(&[1.0]).allclose(&f(&[1.000001]), 1e-5, 1e-8));
    assert!(!f(&[1.0]).allclose(&f(&[1.001]), 1e-5, 1e-8));
}

#[test]
fn not_a_number_wins_extremes_and_the_first_of_equals_is_named() {
    let x = f(&[1.0, f32::NAN, 3.0, f32::NAN]);
    assert!(x.max().item::<f32>().is_nan());
    assert!(x.amin(0).item::<f32>().is_nan());
    assert_eq!(x.argmax_all().item::<i64>(), 1);
    assert_eq!(f(&[1.0, 2.0, 2.0]).argmax(0).item::<i64>(), 1);
    assert!(x.maximum(0.0).to_vec::<f32>()[1].is_nan());
    assert!(x.clamp(0.0, 1.0).to_vec::<f32>()[1].is_nan());
}

#[test]
fn empty_reductions_give_the_neutral_element() {
    let x = Tensor::zeros([0, 3], DType::F32);
    assert_eq!(x.sum(0).to_vec::<f32>(), [0.0; 3]);
    assert_eq!(x.prod(0).to_vec::<f32>(), [1.0; 3]);
    assert!(x.mean(()).item::<f32>().is_nan());
    assert_eq!(x.amax(1).shape(), [0]);
    assert!(x.var((), 1.0).item::<f32>().is_nan());
    assert_eq!(x.logsumexp(0).to_vec::<f32>(), [f32::NEG_INFINITY; 3]);
    assert!(x.all(()).item::<bool>());
    assert!(!x.any(()).item::<bool>());
}

/// The message that `f` panics with.
fn panic_text(f: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let error = std::panic::catch_unwind(f).expect_err("should have panicked");
    error.downcast_ref::<String>().cloned().unwrap_or_else(|| (*error.downcast_ref::<&str>().expect("text")).to_owned())
}

#[test]
fn mistakes_are_told_in_pytorchs_words() {
    let (x, y) = (f(&[1.0; 3]), f(&[1.0; 4]));
    let text = panic_text(|| drop(&x + &y));
    assert_eq!(text, "add: The size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 0");
    let text = panic_text(|| drop(Tensor::zeros([2, 3], DType::F32).sum(2)));
    assert_eq!(text, "Dimension out of range (expected to be in range of [-2, 1], but got 2)");
    let text = panic_text(|| drop(Tensor::zeros([2, 3], DType::F32).sum([0, 0])));
    assert_eq!(text, "dim 0 appears multiple times in the list of dims");
    let text = panic_text(|| drop(Tensor::zeros([0, 3], DType::F32).amax(0)));
    assert_eq!(text, "amax(): Expected reduction dim 0 to have non-zero size.");
    let text = panic_text(|| drop(Tensor::zeros([3], DType::I64).floor_divide(0)));
    assert_eq!(text, "ZeroDivisionError");
    let text = panic_text(|| {
        Tensor::zeros([3], DType::I64).add_(1.5);
    });
    assert_eq!(text, "result type Float can't be cast to the desired output type Long");
    let text = panic_text(|| {
        Tensor::zeros([3], DType::F32).add_(Tensor::zeros([2, 3], DType::F32));
    });
    assert_eq!(text, "output with shape [3] doesn't match the broadcast shape [2, 3]");
    let text = panic_text(|| drop(Tensor::from_vec(vec![1i64, 2], [2]).mean(())));
    assert_eq!(
        text,
        "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: Long"
    );
}

#[test]
fn large_operands_that_are_given_away_lend_their_memory_and_change_nothing_else() {
    type Owned = fn(Tensor, &Tensor) -> Tensor;
    type Borrowed = fn(&Tensor, &Tensor) -> Tensor;
    let rows: [(Owned, Borrowed); 8] = [
        (|x, y| x + y, |x, y| x + y),
        (|x, y| x - y, |x, y| x - y),
        (|x, y| x * y, |x, y| x * y),
        (|x, y| x / y, |x, y| x / y),
        (|x, _| x + 1.25, |x, _| x + 1.25),
        (|x, _| x - 3, |x, _| x - 3),
        (|x, _| x * 0.1, |x, _| x * 0.1),
        (|x, _| x / 3.0, |x, _| x / 3.0),
    ];
    manual_seed(5);
    for dtype in [DType::F32, DType::F64, DType::F16, DType::I64] {
        let [x, y] = [0; 2].map(|_| (randn([300, 401]) * 50.0).to(dtype) * 2 + 1);
        let views = [
            (x.copy(), y.copy()),
            (x.copy(), y.narrow(0, 0, 1)),
            (x.copy(), y.t().copy().t()),
            (x.t(), y.t()),
            (x.narrow(0, 1, 299), y.narrow(0, 0, 299)),
            (x.copy(), y.to(DType::F64)),
            (x.narrow(0, 0, 1), y.copy()),
        ];
        for (x, y) in &views {
            for (owned, borrowed) in rows {
                let expected = borrowed(x, y);
                let before = x.to_vec::<f64>();
                // Alone, shared with another tensor, and as a view that is given away.
                for operand in [x.copy(), x.clone(), x.copy().clone()] {
                    let shared = operand.clone();
                    let got = owned(operand, y);
                    assert_eq!((got.dtype(), got.shape()), (expected.dtype(), expected.shape()));
                    assert_eq!(got.to_vec::<f64>(), expected.to_vec::<f64>());
                    assert_eq!(shared.to_vec::<f64>(), before);
                }
                let got = owned(x.copy(), y);
                assert_eq!((got.dtype(), got.shape()), (expected.dtype(), expected.shape()));
                assert_eq!(got.to_vec::<f64>(), expected.to_vec::<f64>());
            }
        }
    }
    let x = rand([1 << 18]);
    let memory = x.as_slice::<f32>().map(<[f32]>::as_ptr);
    assert_eq!((x * 2.0 + 1.0).as_slice::<f32>().map(<[f32]>::as_ptr), memory);
}
