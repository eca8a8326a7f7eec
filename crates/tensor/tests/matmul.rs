//! Matrix products against plain loops in f64, over ranks, shapes, strides and dtypes, and in PyTorch's words.

use proptest::prelude::*;
use wengert_tensor::{DType, Tensor};

/// Numbers in [-1, 1) that depend on the seed alone.
fn noise(seed: u64, len: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as f64 / (1u64 << 30) as f64 - 1.0
        })
        .collect()
}

/// A tensor of the shape whose strides are made odd in one of several ways.
fn tensor(seed: u64, shape: &[usize], dtype: DType, way: u8) -> Tensor {
    let make = |shape: &[usize]| Tensor::from_vec(noise(seed, shape.iter().product()), shape).to(dtype);
    let last = shape.len() - 1;
    match way % 4 {
        1 if shape.len() >= 2 => {
            let mut swapped = shape.to_vec();
            swapped.swap(last - 1, last);
            make(&swapped).transpose(-1, -2)
        }
        2 => {
            let wide: Vec<usize> = shape.iter().map(|&s| 2 * s + 1).collect();
            (0..shape.len()).fold(make(&wide), |x, d| x.slice(d as isize, Some(1), None, 2))
        }
        3 => {
            let mut thin = shape.to_vec();
            thin[0] = thin[0].min(1);
            make(&thin).expand(shape)
        }
        _ => make(shape),
    }
}

/// `a·b` of two matrices by the definition.
fn naive(a: &Tensor, b: &Tensor) -> Vec<f64> {
    let (m, k, n) = (a.size(0), a.size(1), b.size(1));
    let (a, b) = (a.to_vec::<f64>(), b.to_vec::<f64>());
    (0..m * n).map(|i| (0..k).map(|p| a[i / n * k + p] * b[p * n + i % n]).sum()).collect()
}

fn assert_close(found: &Tensor, expected: &[f64], inner: usize) {
    let unit = match found.dtype() {
        DType::F64 => 1e-14,
        DType::F32 => 2e-6,
        DType::F16 => 2e-3,
        _ => 1.6e-2,
    };
    let found = found.to_vec::<f64>();
    assert_eq!(found.len(), expected.len());
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= unit * (1.0 + inner as f64 / 16.0), "element {i}: {f} for {e}");
    }
}

const FLOATS: [DType; 4] = [DType::F32, DType::F64, DType::F16, DType::BF16];

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 0usize..6, 3 => 6usize..70, 1 => 70usize..300]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn a_product_of_matrices_is_its_definition(m in size(), k in size(), n in size(), ways in any::<(u8, u8, u8)>(), pick in 0usize..4) {
        let dtype = FLOATS[pick];
        let (a, b) = (tensor(1, &[m, k], dtype, ways.0), tensor(2, &[k, n], dtype, ways.1));
        let expected = naive(&a, &b);
        assert_close(&a.mm(&b), &expected, k);
        let bias = tensor(3, &[m, n], dtype, ways.2);
        let sum: Vec<f64> = expected.iter().zip(bias.to_vec::<f64>()).map(|(x, y)| x + y).collect();
        assert_close(&bias.addmm(&a, &b), &sum, k);
        assert_close(&a.linear(&b.t(), None), &expected, k);
    }

    #[test]
    fn batches_broadcast(batch in 0usize..5, m in 0usize..20, k in 0usize..20, n in 0usize..20, ways in any::<(u8, u8)>()) {
        let a = tensor(4, &[batch, 1, m, k], DType::F32, ways.0);
        let b = tensor(5, &[3, k, n], DType::F32, ways.1);
        let out = a.matmul(&b);
        prop_assert_eq!(out.shape(), &[batch, 3, m, n]);
        for i in 0..batch {
            for j in 0..3 {
                let (x, y) = (a.select(0, i as isize).select(0, 0), b.select(0, j));
                assert_close(&out.select(0, i as isize).select(0, j), &naive(&x, &y), k);
            }
        }
        let square = tensor(6, &[batch, m, k], DType::F64, ways.0);
        let other = tensor(7, &[batch, k, n], DType::F64, ways.1);
        let product = square.bmm(&other);
        for i in 0..batch as isize {
            assert_close(&product.select(0, i), &naive(&square.select(0, i), &other.select(0, i)), k);
        }
    }

    #[test]
    fn integer_products_wrap(m in 0usize..9, k in 0usize..40, n in 0usize..9, ways in any::<(u8, u8)>()) {
        let scaled = |seed, shape: &[usize], way| tensor(seed, shape, DType::F64, way).to_vec::<f64>().iter().map(|x| (x * 128.0) as i8).collect::<Vec<_>>();
        let (a, b) = (scaled(1, &[m, k], ways.0), scaled(2, &[k, n], ways.1));
        let expected: Vec<i8> = (0..m * n)
            .map(|i| (0..k).fold(0i8, |s, p| s.wrapping_add(a[i / n * k + p].wrapping_mul(b[p * n + i % n]))))
            .collect();
        let (a, b) = (Tensor::from_vec(a, [m, k]), Tensor::from_vec(b, [k, n]));
        prop_assert_eq!(a.mm(&b).to_vec::<i8>(), expected.clone());
        let wide = a.to(DType::I64).mm(&b.to(DType::I64));
        prop_assert_eq!(wide.to(DType::I8).to_vec::<i8>(), expected);
    }
}

#[test]
fn ranks_follow_pytorch() {
    let x = |shape: &[usize]| tensor(9, shape, DType::F32, 0);
    let shape = |a: &[usize], b: &[usize]| x(a).matmul(&x(b)).shape().to_vec();
    assert_eq!(shape(&[3], &[3]), [0usize; 0]);
    assert_eq!(shape(&[2, 3], &[3]), [2]);
    assert_eq!(shape(&[3], &[3, 4]), [4]);
    assert_eq!(shape(&[3], &[2, 3, 4]), [2, 4]);
    assert_eq!(shape(&[5, 2, 3], &[3]), [5, 2]);
    assert_eq!(shape(&[5, 2, 3], &[3, 4]), [5, 2, 4]);
    assert_eq!(shape(&[2, 3], &[5, 3, 4]), [5, 2, 4]);
    assert_eq!(shape(&[5, 1, 2, 3], &[4, 3, 6]), [5, 4, 2, 6]);
    assert_eq!(shape(&[0, 2, 3], &[3, 4]), [0, 2, 4]);
    assert_eq!(shape(&[2, 0], &[0]), [2]);
    let linear = |a: &[usize], w: &[usize]| x(a).linear(&x(w), None).shape().to_vec();
    assert_eq!(linear(&[3], &[2, 3]), [2]);
    assert_eq!(linear(&[5], &[5]), [0usize; 0]);
    assert_eq!(linear(&[7, 4, 3], &[2, 3]), [7, 4, 2]);
    assert_eq!(x(&[3]).linear(&x(&[2, 3]), Some(&x(&[2]))).shape(), [2]);
    assert_eq!(x(&[5, 4, 3]).linear(&x(&[2, 3]), Some(&x(&[1]))).shape(), [5, 4, 2]);
}

#[test]
fn an_empty_inner_axis_gives_the_bias() {
    let empty = |shape: [usize; 2]| Tensor::from_vec(Vec::<f32>::new(), shape);
    let bias = Tensor::from_vec(vec![1.0f32, 2.0], [2]);
    assert_eq!(bias.addmm(&empty([3, 0]), &empty([0, 2])).to_vec::<f32>(), [1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
    assert_eq!(empty([2, 0]).mm(&empty([0, 2])).to_vec::<f32>(), [0.0; 4]);
    assert_eq!(empty([2, 0]).select(0, 0).dot(&empty([2, 0]).select(0, 1)).item::<f32>(), 0.0);
}

#[test]
fn infinities_and_nans_of_the_output_memory_do_not_leak_in() {
    // The memory of a result is recycled and may hold anything.
    for _ in 0..4 {
        drop(Tensor::from_vec(vec![f32::NAN; 64], [8, 8]));
        assert_eq!(
            Tensor::from_vec(vec![1.0f32; 64], [8, 8]).mm(&Tensor::from_vec(vec![1.0f32; 64], [8, 8])).to_vec::<f32>(),
            [8.0; 64]
        );
    }
}

#[test]
fn outer_multiplies_every_pair() {
    let a = Tensor::from_vec(vec![1.0f32, -0.0], [2]);
    let b = Tensor::from_vec(vec![2i64, 3], [2]);
    let out = a.outer(&b);
    assert_eq!(out.to_vec::<f32>(), [2.0, 3.0, 0.0, 0.0]);
    assert!(out.to_vec::<f32>()[2].is_sign_negative());
    let truth = Tensor::from_vec(vec![true, false], [2]);
    assert_eq!(truth.outer(&truth).to_vec::<bool>(), [true, false, false, false]);
}

#[test]
fn products_do_not_depend_on_the_number_of_threads() {
    let bits = |threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool").install(|| {
            let mut all = Vec::new();
            for (m, k, n) in [
                (300, 300, 300),
                (3, 700, 4000),
                (2000, 60, 5),
                (1, 3000, 1000),
                (1000, 3000, 1),
                (1, 300000, 1),
                (1, 9000, 60),
                (9000, 40, 1),
            ] {
                let (a, b) = (tensor(1, &[m, k], DType::F32, 0), tensor(2, &[k, n], DType::F32, 0));
                all.extend(a.mm(&b).to_vec::<f32>().into_iter().map(f32::to_bits));
            }
            let (a, b) = (tensor(1, &[40, 30, 50], DType::F32, 0), tensor(2, &[40, 50, 30], DType::F32, 0));
            all.extend(a.bmm(&b).to_vec::<f32>().into_iter().map(f32::to_bits));
            all
        })
    };
    let one = bits(1);
    assert!(one == bits(2) && one == bits(3));
}

/// The text of a panic.
fn message(f: impl FnOnce() -> Tensor + std::panic::UnwindSafe) -> String {
    let cause = std::panic::catch_unwind(f).expect_err("a panic");
    cause
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| cause.downcast_ref::<&str>().map(|s| s.to_string()))
        .expect("text")
}

#[test]
fn mistakes_are_told_in_pytorchs_words() {
    let f = |shape: &[usize]| tensor(1, shape, DType::F32, 0);
    let long = |shape: &[usize]| f(shape).to(DType::I64);
    let truth = |shape: &[usize]| f(shape).to(DType::Bool);
    let scalar = || f(&[1]).select(0, 0);
    let cases: Vec<(String, &str)> = vec![
        (message(|| f(&[2, 3]).matmul(&f(&[4, 5]))), "mm: mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"),
        (message(|| f(&[2, 3, 4]).mm(&f(&[4, 5]))), "mm: self must be a matrix, got 3-D tensor"),
        (message(|| f(&[2, 2]).mm(&f(&[2]))), "mm: mat2 must be a matrix, got 1-D tensor"),
        (message(|| f(&[3]).matmul(&f(&[4, 5]))), "mm: mat1 and mat2 shapes cannot be multiplied (1x3 and 4x5)"),
        (
            message(|| scalar().matmul(&f(&[2]))),
            "both arguments to matmul need to be at least 1D, but they are 0D and 1D",
        ),
        (
            message(|| f(&[3]).matmul(&f(&[4]))),
            "inconsistent tensor size, expected tensor [3] and src [4] to have the same number of elements, but got 3 and 4 elements respectively",
        ),
        (message(|| f(&[3, 1]).dot(&f(&[3]))), "1D tensors expected, but got 2D and 1D tensors"),
        (message(|| f(&[2, 3]).matmul(&f(&[4]))), "size mismatch, got input (2), mat (2x3), vec (4)"),
        (message(|| f(&[2, 3, 4]).matmul(&f(&[5]))), "size mismatch, got input (6), mat (6x4), vec (5)"),
        (message(|| f(&[2]).mv(&f(&[4]))), "vector + matrix @ vector expected, got 1, 1, 1"),
        (
            message(|| f(&[3]).matmul(&f(&[2, 4, 5]))),
            "Expected size for first two dimensions of batch2 tensor to be: [2, 3] but got: [2, 4].",
        ),
        (message(|| f(&[2, 3, 4]).matmul(&f(&[5, 6]))), "mm: mat1 and mat2 shapes cannot be multiplied (6x4 and 5x6)"),
        (
            message(|| f(&[2, 3, 4]).matmul(&f(&[2, 5, 6]))),
            "Expected size for first two dimensions of batch2 tensor to be: [2, 4] but got: [2, 5].",
        ),
        (
            message(|| f(&[2, 3, 4]).matmul(&f(&[3, 4, 6]))),
            "The size of tensor a (2) must match the size of tensor b (3) at non-singleton dimension 0",
        ),
        (message(|| f(&[2, 2]).bmm(&f(&[2, 2, 2]))), "batch1 must be a 3D tensor"),
        (
            message(|| f(&[2, 3, 4]).bmm(&f(&[3, 4, 6]))),
            "Expected size for first two dimensions of batch2 tensor to be: [2, 4] but got: [3, 4].",
        ),
        (
            message(|| f(&[5]).addmm(&f(&[2, 3]), &f(&[4, 5]))),
            "addmm: mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)",
        ),
        (
            message(|| f(&[4]).addmm(&f(&[2, 3]), &f(&[3, 5]))),
            "The expanded size of the tensor (5) must match the existing size (4) at non-singleton dimension 1.  Target sizes: [2, 5].  Tensor sizes: [4]",
        ),
        (
            message(|| f(&[4, 5]).linear(&f(&[2, 3]), None)),
            "mm: mat1 and mat2 shapes cannot be multiplied (4x5 and 3x2)",
        ),
        (
            message(|| f(&[4, 5]).linear(&f(&[2, 3]), Some(&f(&[2])))),
            "addmm: mat1 and mat2 shapes cannot be multiplied (4x5 and 3x2)",
        ),
        (
            message(|| f(&[7, 4, 5]).linear(&f(&[2, 3]), Some(&f(&[2])))),
            "addmm: mat1 and mat2 shapes cannot be multiplied (28x5 and 3x2)",
        ),
        (
            message(|| f(&[7, 4, 3]).linear(&f(&[2, 3]), Some(&f(&[3])))),
            "The expanded size of the tensor (2) must match the existing size (3) at non-singleton dimension 1.  Target sizes: [28, 2].  Tensor sizes: [3]",
        ),
        (message(|| f(&[2, 5]).linear(&f(&[5]), Some(&f(&[1])))), "addmm: mat2 must be a matrix, got 1-D tensor"),
        (
            message(|| f(&[2, 5]).linear(&f(&[3, 2, 5]), None)),
            "t() expects a tensor with <= 2 dimensions, but self is 3D",
        ),
        (
            message(|| scalar().linear(&f(&[5]), None)),
            "both arguments to linear need to be at least 1D, but they are 0D and 1D",
        ),
        (
            message(|| f(&[2, 3]).mm(&f(&[3, 2]).to(DType::F64))),
            "expected m1 and m2 to have the same dtype, but got: float != double",
        ),
        (
            message(|| f(&[2, 3]).mm(&long(&[3, 2]))),
            "expected m1 and m2 to have the same dtype, but got: float != long int",
        ),
        (
            message(|| f(&[3]).dot(&long(&[3]))),
            "dot : expected both vectors to have same dtype, but found Float and Long",
        ),
        (
            message(|| f(&[2, 3]).mv(&long(&[3]))),
            "addmv input tensors must have the same dtype, but got Long, Float, and Long",
        ),
        (message(|| f(&[2, 2, 3]).bmm(&long(&[2, 3, 2]))), "expected scalar type Float but found Long"),
        (
            message(|| long(&[2]).addmm(&f(&[2, 3]), &f(&[3, 2]))),
            "self and mat2 must have the same dtype, but got Long and Float",
        ),
        (
            message(|| f(&[2, 3]).to(DType::F64).linear(&f(&[2, 3]), Some(&f(&[2])))),
            "mat1 and mat2 must have the same dtype, but got Double and Float",
        ),
        (message(|| truth(&[2, 3]).mm(&truth(&[3, 2]))), "\"addmm_impl_cpu_\" not implemented for 'Bool'"),
        (message(|| truth(&[3]).dot(&truth(&[3]))), "\"dot\" not implemented for 'Bool'"),
        (message(|| truth(&[2, 3]).mv(&truth(&[3]))), "\"addmv_impl_cpu\" not implemented for 'Bool'"),
        (message(|| truth(&[2, 2, 3]).bmm(&truth(&[2, 3, 2]))), "\"bmm\" not implemented for 'Bool'"),
        (message(|| f(&[3, 1]).outer(&f(&[4]))), "outer: Expected 1-D argument self, but got 2-D"),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}
