//! Products, convolutions and batch normalisation with a ReLU in them give the bits of the two operations one after the other.

use wengert_tensor::conv::Conv2dOptions;
use wengert_tensor::norm::{batch_norm, batch_norm_eval, batch_norm_eval_relu, batch_norm_relu};
use wengert_tensor::{DType, Tensor};

/// Numbers in [-1, 1) that depend on the seed alone; where `odd` is set, some are NaN, infinite or zeros of either sign.
fn noise(seed: u64, shape: &[usize], dtype: DType, odd: bool) -> Tensor {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let number = |_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        match state >> 58 {
            0 if odd => f64::NAN,
            1 if odd => -0.0,
            2 if odd => 0.0,
            3 if odd => f64::NEG_INFINITY,
            _ => (state >> 33) as f64 / (1u64 << 30) as f64 - 1.0,
        }
    };
    let data: Vec<f64> = (0..shape.iter().product()).map(number).collect();
    Tensor::from_vec(data, shape).to(dtype)
}

#[track_caller]
fn assert_same(what: &str, fused: &Tensor, apart: &Tensor) {
    assert_eq!((fused.shape(), fused.dtype()), (apart.shape(), apart.dtype()), "{what}");
    let bits = |x: &Tensor| x.to_vec::<f64>().into_iter().map(f64::to_bits).collect::<Vec<_>>();
    assert_eq!(bits(fused), bits(apart), "{what}, {}", fused.dtype());
}

const DTYPES: [DType; 5] = [DType::F32, DType::F64, DType::F16, DType::BF16, DType::I64];

#[test]
fn linear() {
    // Blocks of one and more chains, edges, dots, vectors, no terms, nothing at all, batches, and more than one piece.
    let shapes: [(&[usize], usize); 13] = [
        (&[7, 5], 9),
        (&[64, 300], 50),
        (&[33, 513], 49),
        (&[8, 700], 97),
        (&[300, 300], 200),
        (&[3, 200], 70),
        (&[1, 20], 30),
        (&[20, 9], 1),
        (&[4, 0], 5),
        (&[1, 0], 3),
        (&[0, 6], 5),
        (&[2, 3, 17], 4),
        (&[17], 6),
    ];
    for dtype in DTYPES {
        for (shape, out) in shapes {
            for odd in [false, true] {
                let x = noise(1, shape, dtype, odd);
                let w = noise(2, &[out, shape[shape.len() - 1]], dtype, odd);
                let bias = noise(3, &[out], dtype, odd);
                for bias in [None, Some(&bias)] {
                    let what = format!("{shape:?} to {out}, bias {}, odd {odd}", bias.is_some());
                    assert_same(&what, &x.linear_relu(&w, bias), &x.linear(&w, bias).relu());
                }
            }
        }
    }
    // A weight of one axis, and one whose columns lie side by side.
    let x = noise(1, &[5, 6], DType::F32, true);
    let (vector, turned) = (noise(2, &[6], DType::F32, true), noise(2, &[6, 40], DType::F32, true).t());
    assert_same("a vector", &x.linear_relu(&vector, None), &x.linear(&vector, None).relu());
    assert_same("turned", &x.linear_relu(&turned, None), &x.linear(&turned, None).relu());
}

#[test]
fn convolution() {
    let moving = |stride, padding| Conv2dOptions { stride: [stride; 2], padding: [padding; 2], ..Default::default() };
    let grouped = |groups, stride, padding| Conv2dOptions { groups, ..moving(stride, padding) };
    let rows: [(&str, &[usize], &[usize], Conv2dOptions); 19] = [
        ("Winograd, 3x3", &[2, 32, 15, 17], &[40, 32, 3, 3], moving(1, 1)),
        ("Winograd in many blocks", &[8, 33, 30, 31], &[37, 33, 3, 3], moving(1, 1)),
        ("Winograd in groups", &[2, 80, 14, 14], &[82, 40, 3, 3], grouped(2, 1, 1)),
        ("Winograd, 5x5", &[3, 32, 13, 11], &[33, 32, 5, 5], moving(1, 2)),
        ("product", &[2, 70, 12, 12], &[50, 70, 1, 1], moving(1, 0)),
        ("product of more than one chain", &[1, 300, 12, 11], &[17, 300, 1, 1], moving(1, 0)),
        ("lines", &[2, 5, 13, 13], &[24, 5, 3, 3], moving(1, 1)),
        ("lines of more than one chain", &[2, 24, 9, 9], &[48, 24, 3, 3], moving(2, 1)),
        ("patches", &[2, 12, 5, 4], &[170, 12, 3, 2], moving(2, 1)),
        ("lines of small images", &[5, 60, 4, 4], &[40, 60, 1, 1], moving(1, 0)),
        ("lines in groups", &[3, 8, 9, 7], &[32, 4, 3, 2], grouped(2, 1, 0)),
        ("depthwise", &[3, 16, 14, 14], &[16, 1, 3, 3], grouped(16, 1, 1)),
        ("depthwise, two each", &[2, 9, 20, 31], &[18, 1, 7, 7], grouped(9, 2, 3)),
        ("planes", &[9, 1, 28, 28], &[6, 1, 5, 5], moving(1, 2)),
        ("planes of more than one chain", &[2, 6, 12, 13], &[7, 6, 5, 5], moving(1, 0)),
        ("planes with dilation", &[2, 3, 11, 9], &[4, 3, 2, 3], Conv2dOptions { dilation: [2, 1], ..moving(3, 1) }),
        ("no channels", &[2, 0, 3, 3], &[4, 0, 2, 2], moving(1, 0)),
        ("no images", &[0, 32, 9, 9], &[32, 32, 3, 3], moving(1, 1)),
        ("one image", &[6, 9, 9], &[5, 6, 3, 3], moving(1, 1)),
    ];
    for dtype in DTYPES {
        for (what, x, w, options) in &rows {
            for odd in [false, true] {
                let (input, weight) = (noise(1, x, dtype, odd), noise(2, w, dtype, odd));
                let bias = noise(3, &w[..1], dtype, odd);
                for bias in [None, Some(&bias)] {
                    let apart = input.conv2d(&weight, bias, options).relu();
                    assert_same(what, &input.conv2d_relu(&weight, bias, options), &apart);
                }
            }
        }
    }
}

#[test]
fn batch_normalisation() {
    for dtype in &DTYPES[..4] {
        for shape in [&[3, 5, 7, 6][..], &[40, 3], &[2, 4, 33], &[0, 3, 2], &[2, 1, 3, 1, 5]] {
            for odd in [false, true] {
                let x = noise(1, shape, *dtype, odd);
                let channels = &shape[1..2];
                let [mean, var, w, b] = [2, 3, 4, 5].map(|seed| noise(seed, channels, *dtype, odd));
                for (w, b) in [(None, None), (Some(&w), Some(&b))] {
                    let (fused, apart) = (batch_norm_relu(&x, w, b, 1e-5), batch_norm(&x, w, b, 1e-5));
                    assert_same("batch_norm", &fused.output, &apart.output.relu());
                    assert_same("mean", &fused.mean, &apart.mean);
                    assert_same("var", &fused.var, &apart.var);
                    let apart = batch_norm_eval(&x, &mean, &var, w, b, 2.0).relu();
                    assert_same("batch_norm_eval", &batch_norm_eval_relu(&x, &mean, &var, w, b, 2.0), &apart);
                }
            }
        }
    }
}
