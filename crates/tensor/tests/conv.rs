//! Convolution and its adjoints against plain loops in f64 and PyTorch's values, and in PyTorch's words.

use proptest::prelude::*;
use wengert_tensor::conv::{Conv2dOptions, conv2d_input_grad, conv2d_weight_grad};
use wengert_tensor::{DType, Tensor};

/// Numbers in [-1, 1) that depend on the seed alone.
fn noise(seed: u64, shape: &[usize]) -> Tensor {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let data: Vec<f64> = (0..shape.iter().product())
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as f64 / (1u64 << 30) as f64 - 1.0
        })
        .collect();
    Tensor::from_vec(data, shape)
}

/// The same elements with other strides.
fn restride(x: &Tensor, way: u8) -> Tensor {
    match way % 3 {
        1 => x.transpose(-1, -2).contiguous().transpose(-1, -2),
        2 => x.transpose(0, 1).contiguous().transpose(0, 1),
        _ => x.clone(),
    }
}

/// Calls `f(index of x, index of w, index of y)` for every product in a convolution of 4-D shapes.
fn each_product(x: &[usize], w: &[usize], y: &[usize], o: &Conv2dOptions, mut f: impl FnMut(usize, usize, usize)) {
    let per_group = w[0] / o.groups;
    for (i, (n, co, oy, ox)) in (0..y[0])
        .flat_map(|n| {
            (0..y[1]).flat_map(move |c| (0..y[2]).flat_map(move |oy| (0..y[3]).map(move |ox| (n, c, oy, ox))))
        })
        .enumerate()
    {
        for (ci, ky, kx) in (0..w[1]).flat_map(|c| (0..w[2]).flat_map(move |ky| (0..w[3]).map(move |kx| (c, ky, kx)))) {
            let iy = (oy * o.stride[0] + ky * o.dilation[0]).wrapping_sub(o.padding[0]);
            let ix = (ox * o.stride[1] + kx * o.dilation[1]).wrapping_sub(o.padding[1]);
            if iy < x[2] && ix < x[3] {
                let channel = co / per_group * w[1] + ci;
                let at_w = ((co * w[1] + ci) * w[2] + ky) * w[3] + kx;
                f(((n * x[1] + channel) * x[2] + iy) * x[3] + ix, at_w, i);
            }
        }
    }
}

fn assert_close(what: &str, found: &Tensor, expected: &[f64], terms: usize) {
    let unit = match found.dtype() {
        DType::F64 => 1e-14,
        DType::F32 => 1e-6,
        DType::F16 => 2e-3,
        _ => 1.6e-2,
    };
    let found = found.to_vec::<f64>();
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= unit * (2.0 + terms as f64 / 8.0), "{what}, element {i}: {f} for {e}");
    }
}

/// Forward and both adjoints of one configuration against the definition.
fn check(x: &[usize], w: &[usize], options: &Conv2dOptions, dtype: DType, ways: (u8, u8, u8)) {
    let make = |seed, shape: &[usize], way| restride(&noise(seed, shape).to(dtype), way);
    let (input, weight, bias) = (make(1, x, ways.0), make(2, w, ways.1), noise(3, &w[..1]).to(dtype));
    let out = input.conv2d(&weight, Some(&bias), options);
    let y = out.shape().to_vec();
    let (xs, ws, bs) = (input.to_vec::<f64>(), weight.to_vec::<f64>(), bias.to_vec::<f64>());
    let plane = y[2] * y[3];
    let mut expected: Vec<f64> = (0..out.numel()).map(|i| bs[i / plane % y[1]]).collect();
    each_product(x, w, &y, options, |i, j, k| expected[k] += xs[i] * ws[j]);
    let taps = w[1] * w[2] * w[3];
    assert_close("output", &out, &expected, taps);

    let grad = make(4, &y, ways.2);
    let gs = grad.to_vec::<f64>();
    let (mut dx, mut dw) = (vec![0.0; xs.len()], vec![0.0; ws.len()]);
    each_product(x, w, &y, options, |i, j, k| {
        dx[i] += gs[k] * ws[j];
        dw[j] += gs[k] * xs[i];
    });
    assert_close("input gradient", &conv2d_input_grad(x, &weight, &grad, options), &dx, w[0] * w[2] * w[3]);
    assert_close("weight gradient", &conv2d_weight_grad(&input, w, &grad, options), &dw, y[0] * plane);
}

#[derive(Debug, Clone)]
struct Config {
    x: [usize; 4],
    w: [usize; 4],
    options: Conv2dOptions,
}

fn config() -> impl Strategy<Value = Config> {
    let pair = |r: std::ops::Range<usize>| (r.clone(), r).prop_map(|(a, b)| [a, b]);
    let channels = prop_oneof![1usize..5, 5usize..20];
    ((0usize..9, 1usize..4, channels.clone(), channels), pair(1..6), pair(1..4), pair(0..4), pair(1..4), pair(0..24))
        .prop_map(|((batch, groups, depth, out), kernel, stride, padding, dilation, extra)| {
            let size = |i: usize| {
                let reach = dilation[i] * (kernel[i] - 1) + 1;
                (reach + extra[i]).saturating_sub(2 * padding[i]).max(1).max(reach.saturating_sub(2 * padding[i]))
            };
            Config {
                x: [batch, groups * depth, size(0), size(1)],
                w: [groups * out, depth, kernel[0], kernel[1]],
                options: Conv2dOptions { stride, padding, dilation, groups },
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_convolution_and_its_adjoints_are_their_definitions(
        config in config(), ways in any::<(u8, u8, u8)>(), pick in 0usize..8,
    ) {
        let dtype = [DType::F32, DType::F32, DType::F32, DType::F32, DType::F64, DType::F64, DType::F16, DType::BF16][pick];
        // With one thread more images share a block of columns.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1 + ways.0 as usize / 128).build().expect("a pool");
        pool.install(|| check(&config.x, &config.w, &config.options, dtype, ways));
    }
}

#[test]
fn shapes_of_well_known_layers() {
    let options = |stride, padding| Conv2dOptions { stride: [stride; 2], padding: [padding; 2], ..Default::default() };
    let depthwise = |groups, stride, padding| Conv2dOptions { groups, ..options(stride, padding) };
    let rows: [(&[usize], &[usize], Conv2dOptions); 33] = [
        (&[9, 1, 28, 28], &[6, 1, 5, 5], options(1, 2)),
        (&[9, 1, 28, 28], &[6, 1, 5, 5], options(1, 0)),
        (&[9, 6, 12, 12], &[16, 6, 5, 5], options(1, 0)),
        (&[2, 3, 37, 37], &[24, 3, 7, 7], options(2, 3)),
        (&[1, 3, 59, 59], &[40, 3, 11, 11], options(4, 1)),
        (&[2, 41, 14, 14], &[40, 41, 3, 3], options(1, 1)),
        (&[2, 70, 7, 7], &[50, 70, 1, 1], options(1, 0)),
        (&[2, 32, 9, 9], &[48, 32, 1, 1], options(2, 0)),
        (&[1, 300, 5, 5], &[270, 300, 1, 1], options(1, 0)),
        (&[3, 5, 37, 36], &[29, 5, 1, 1], Conv2dOptions { stride: [2, 3], ..options(1, 0) }),
        (&[2, 0, 3, 3], &[4, 0, 2, 2], options(1, 0)),
        // Many filters and few places.
        (&[1, 37, 5, 6], &[130, 37, 3, 3], options(1, 1)),
        (
            &[2, 10, 7, 6],
            &[102, 5, 3, 2],
            Conv2dOptions { stride: [2, 3], padding: [1, 0], dilation: [1, 2], groups: 2 },
        ),
        (&[1, 20, 4, 4], &[64, 20, 4, 4], options(1, 0)),
        (&[3, 16, 14, 14], &[16, 1, 3, 3], depthwise(16, 1, 1)),
        (&[3, 24, 15, 13], &[24, 1, 3, 3], depthwise(24, 2, 1)),
        (&[2, 9, 20, 31], &[18, 1, 7, 7], depthwise(9, 2, 3)),
        (&[1, 5, 33, 30], &[15, 1, 5, 5], depthwise(5, 4, 2)),
        (&[2, 6, 19, 19], &[6, 1, 7, 7], Conv2dOptions { dilation: [2, 3], ..depthwise(6, 3, 6) }),
        (&[40, 3, 5, 6], &[3, 1, 1, 2], depthwise(3, 1, 0)),
        (&[3, 35, 9, 7], &[35, 1, 3, 3], depthwise(35, 1, 1)),
        (&[40, 13, 7, 7], &[13, 1, 3, 3], depthwise(13, 2, 1)),
        (&[2, 19, 21, 12], &[19, 1, 5, 4], Conv2dOptions { dilation: [2, 1], stride: [1, 3], ..depthwise(19, 1, 3) }),
        (&[1, 16, 30, 30], &[16, 1, 2, 5], depthwise(16, 1, 0)),
        // One large image.
        (&[1, 6, 61, 57], &[26, 3, 3, 2], Conv2dOptions { groups: 2, ..options(1, 1) }),
        // Many channels to few.
        (&[3, 30, 9, 8], &[5, 30, 3, 2], options(2, 1)),
        (&[9, 93, 12, 11], &[2, 93, 3, 3], Conv2dOptions { dilation: [1, 2], ..options(3, 1) }),
        (&[1, 290, 7, 9], &[11, 290, 5, 5], Conv2dOptions { dilation: [2, 1], ..options(1, 4) }),
        (&[2, 32, 5, 6], &[6, 16, 3, 3], Conv2dOptions { groups: 2, ..options(1, 1) }),
        (&[5, 1100, 4, 4], &[3, 1100, 1, 4], options(1, 0)),
        // Small images of many channels, whose gradient is laid out like them.
        (&[2, 61, 19, 22], &[5, 61, 3, 2], Conv2dOptions { dilation: [1, 2], ..options(2, 1) }),
        (&[1, 30, 9, 7], &[270, 15, 3, 3], Conv2dOptions { groups: 2, ..options(3, 1) }),
        (&[5, 110, 8, 5], &[3, 110, 1, 2], Conv2dOptions { stride: [2, 3], padding: [0, 1], ..Default::default() }),
    ];
    for (x, w, options) in rows {
        for dtype in [DType::F32, DType::F64] {
            check(x, w, &options, dtype, (0, 0, 0));
        }
    }
}

/// `(a·i + b) mod 17 - 8` over 8, as the script that made the golden values fills its tensors.
fn fill(shape: &[usize], a: usize, b: usize) -> Tensor {
    let count = shape.iter().product();
    Tensor::from_vec((0..count).map(|i| ((i * a + b) % 17) as f64 / 8.0 - 1.0).collect(), shape)
}

#[test]
fn values_are_pytorchs() {
    let rows: serde_json::Value = serde_json::from_str(include_str!("golden/conv.json")).expect("valid JSON");
    for row in rows.as_array().expect("a list") {
        let numbers = |key: &str| -> Vec<f64> {
            row[key].as_array().expect("a list").iter().map(|v| v.as_f64().expect("a number")).collect()
        };
        let sizes = |key: &str| -> Vec<usize> { numbers(key).iter().map(|&v| v as usize).collect() };
        let pair = |key: &str| -> [usize; 2] { sizes(key).try_into().expect("two") };
        let options = Conv2dOptions {
            stride: pair("stride"),
            padding: pair("padding"),
            dilation: pair("dilation"),
            groups: row["groups"].as_u64().expect("a number") as usize,
        };
        let (x, w) = (fill(&sizes("x"), 5, 3), fill(&sizes("w"), 7, 1));
        let y = x.conv2d(&w, Some(&fill(&sizes("w")[..1], 3, 2)), &options);
        assert_eq!(y.shape(), sizes("shape"));
        assert_close("y", &y, &numbers("y"), 1);
        let dy = fill(y.shape(), 11, 4);
        assert_close("dx", &conv2d_input_grad(x.shape(), &w, &dy, &options), &numbers("dx"), 1);
        assert_close("dw", &conv2d_weight_grad(&x, w.shape(), &dy, &options), &numbers("dw"), 1);
    }
}

#[test]
fn integers_convolve_and_wrap() {
    let x = Tensor::from_vec(vec![100i8; 9], [1, 1, 3, 3]);
    let w = Tensor::from_vec(vec![1i8; 4], [1, 1, 2, 2]);
    assert_eq!(x.conv2d(&w, None, &Conv2dOptions::default()).to_vec::<i8>(), [-112; 4]);
}

/// Their input gradients are products of all taps, some rows of outputs at a time, which are then added up.
#[test]
fn few_input_channels_and_many_output_channels() {
    for (x, w, stride, padding, dilation) in [
        ([2, 1, 72, 71], [16, 1, 3, 3], [1, 1], [1, 0], [1, 1]),
        ([1, 1, 40, 41], [20, 1, 5, 3], [2, 3], [2, 1], [1, 2]),
        ([3, 4, 9, 12], [50, 2, 4, 4], [2, 1], [1, 1], [1, 1]),
        ([1, 3, 12, 9], [37, 3, 2, 3], [3, 2], [0, 2], [2, 1]),
        ([2, 4, 7, 5], [48, 4, 7, 5], [1, 1], [0, 0], [1, 1]),
        ([2, 2, 6, 7], [24, 2, 1, 1], [2, 2], [0, 0], [1, 1]),
    ] {
        let options = Conv2dOptions { stride, padding, dilation, groups: x[1] / w[1] };
        for dtype in [DType::F32, DType::F64] {
            check(&x, &w, &options, dtype, (0, 0, 0));
        }
    }
}

#[test]
fn convolutions_do_not_depend_on_the_number_of_threads() {
    let bits = |threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool").install(|| {
            let mut all = Vec::new();
            for (x, w, stride, padding) in [
                ([40, 1, 28, 28], [6, 1, 5, 5], 1, 2),
                ([40, 6, 14, 14], [16, 6, 5, 5], 1, 0),
                ([1, 40, 40, 40], [64, 40, 3, 3], 1, 1),
                ([4, 64, 8, 8], [70, 64, 3, 3], 1, 1),
                ([40, 33, 12, 12], [50, 33, 3, 3], 1, 1),
                ([5, 32, 12, 13], [40, 32, 5, 5], 1, 2),
                ([6, 20, 9, 9], [24, 20, 1, 1], 1, 0),
                ([2, 7, 17, 17], [30, 7, 5, 5], 1, 2),
                ([9, 70, 14, 14], [70, 1, 3, 3], 1, 1),
                ([1, 150, 10, 10], [5, 150, 4, 4], 1, 0),
                ([9, 150, 10, 10], [3, 150, 4, 4], 1, 0),
                ([12, 40, 14, 14], [16, 40, 5, 5], 3, 2),
                ([30, 3, 40, 40], [16, 3, 1, 1], 2, 0),
                ([1, 5, 61, 57], [13, 5, 3, 3], 1, 1),
                ([1, 1, 86, 86], [463, 1, 3, 3], 2, 0),
                ([3, 4, 31, 57], [48, 2, 4, 4], 2, 1),
                ([2, 5, 61, 57], [6, 5, 3, 3], 1, 1),
                ([1, 3, 90, 70], [9, 3, 5, 5], 2, 1),
                ([1, 24, 60, 61], [8, 6, 3, 3], 1, 0),
                ([6, 74, 9, 9], [72, 74, 3, 3], 1, 1),
                ([32, 202, 3, 3], [200, 202, 3, 3], 1, 1),
                ([3, 11, 34, 33], [11, 11, 7, 7], 3, 3),
                ([1, 50, 6, 6], [300, 50, 3, 3], 1, 1),
                ([1, 30, 9, 9], [30, 30, 1, 1], 1, 0),
            ] {
                let options = Conv2dOptions {
                    stride: [stride; 2],
                    padding: [padding; 2],
                    groups: x[1] / w[1],
                    ..Default::default()
                };
                let (x, w) = (noise(1, &x).to(DType::F32), noise(2, &w).to(DType::F32));
                let y = x.conv2d(&w, None, &options);
                let dy = noise(3, y.shape()).to(DType::F32);
                for out in [
                    conv2d_input_grad(x.shape(), &w, &dy, &options),
                    conv2d_weight_grad(&x, w.shape(), &dy, &options),
                    y,
                ] {
                    all.extend(out.to_vec::<f32>().into_iter().map(f32::to_bits));
                }
            }
            all
        })
    };
    let one = bits(1);
    assert!(one == bits(2) && one == bits(3) && one == bits(8));
}

/// 3x3 and 5x5 kernels of stride 1 with many channels are computed through transforms, whose error is relative to the
/// largest output.
#[test]
fn transformed_convolutions_are_their_definitions() {
    for (x, w, padding, dtype) in [
        ([1, 32, 16, 16], [32, 32, 3, 3], [1, 1], DType::F32),
        ([4, 75, 7, 7], [78, 75, 3, 3], [1, 1], DType::F32),
        ([5, 51, 4, 10], [70, 51, 3, 3], [2, 2], DType::F32),
        ([2, 100, 15, 13], [106, 50, 3, 3], [0, 1], DType::F32),
        ([1, 50, 6, 70], [41, 50, 3, 3], [1, 0], DType::F32),
        ([3, 270, 8, 9], [38, 270, 3, 3], [1, 1], DType::F32),
        ([4, 51, 7, 9], [50, 51, 3, 3], [1, 2], DType::F64),
        ([40, 45, 9, 10], [50, 45, 3, 3], [1, 1], DType::F32),
        ([2, 32, 9, 11], [48, 32, 5, 5], [2, 2], DType::F32),
        ([1, 50, 8, 37], [33, 50, 5, 5], [0, 4], DType::F32),
        ([9, 64, 12, 13], [66, 32, 5, 5], [1, 2], DType::F32),
        ([3, 100, 6, 7], [35, 100, 5, 5], [3, 3], DType::F64),
        // Tiles that are filled in part.
        ([30, 205, 3, 3], [200, 205, 3, 3], [1, 1], DType::F32),
        ([28, 140, 2, 2], [143, 140, 5, 5], [2, 2], DType::F32),
    ] {
        let options = Conv2dOptions { padding, groups: x[1] / w[1], ..Default::default() };
        let make = |seed, shape: &[usize]| noise(seed, shape).to(dtype);
        let (input, weight, bias) = (make(1, &x), make(2, &w), make(3, &w[..1]));
        let out = input.conv2d(&weight, Some(&bias), &options);
        let y = out.shape().to_vec();
        let grad = make(4, &y);
        let (xs, ws, gs) = (input.to_vec::<f64>(), weight.to_vec::<f64>(), grad.to_vec::<f64>());
        let bs = bias.to_vec::<f64>();
        let mut expected: Vec<f64> = (0..out.numel()).map(|i| bs[i / (y[2] * y[3]) % y[1]]).collect();
        let (mut dx, mut dw) = (vec![0.0; xs.len()], vec![0.0; ws.len()]);
        each_product(&x, &w, &y, &options, |i, j, k| {
            expected[k] += xs[i] * ws[j];
            dx[i] += gs[k] * ws[j];
            dw[j] += gs[k] * xs[i];
        });
        let unit = if dtype == DType::F64 { 1e-14 } else { 4e-6 };
        for (what, found, expected) in [
            ("output", out, expected),
            ("input gradient", conv2d_input_grad(x, &weight, &grad, &options), dx),
            ("weight gradient", conv2d_weight_grad(&input, w, &grad, &options), dw),
        ] {
            let largest = expected.iter().fold(0.0, |m: f64, e| m.max(e.abs()));
            for (i, (f, e)) in found.to_vec::<f64>().iter().zip(&expected).enumerate() {
                assert!((f - e).abs() <= unit * largest, "{x:?} {what}, element {i}: {f} for {e}, largest {largest}");
            }
        }
    }
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
    let f = |shape: &[usize]| noise(1, shape).to(DType::F32);
    let plain = Conv2dOptions::default();
    let conv = |x: &[usize], w: &[usize], options: Conv2dOptions| message(|| f(x).conv2d(&f(w), None, &options));
    let biased = |bias: Tensor| message(|| f(&[1, 4, 3, 3]).conv2d(&f(&[4, 4, 2, 2]), Some(&bias), &plain));
    let rows = [
        (
            conv(&[1, 4, 5, 5], &[2, 3, 3, 3], plain),
            "Given groups=1, weight of size [2, 3, 3, 3], expected input[1, 4, 5, 5] to have 3 channels, but got 4 channels instead",
        ),
        (
            conv(&[3, 3, 3], &[4, 4, 2, 2], plain),
            "Given groups=1, weight of size [4, 4, 2, 2], expected input[1, 3, 3, 3] to have 4 channels, but got 3 channels instead",
        ),
        (
            conv(&[5, 5], &[2, 3, 3, 3], plain),
            "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [5, 5]",
        ),
        (
            conv(&[1, 1, 3, 3], &[1, 1, 5, 5], plain),
            "Calculated padded input size per channel: (3 x 3). Kernel size: (5 x 5). Kernel size can't be greater than actual input size",
        ),
        (
            conv(&[1, 1, 3, 3], &[1, 1, 2, 2], Conv2dOptions { dilation: [3, 3], ..plain }),
            "Calculated padded input size per channel: (3 x 3). Kernel size: (4 x 4). Kernel size can't be greater than actual input size",
        ),
        (
            conv(&[1, 1, 3, 3], &[1, 1, 2, 2], Conv2dOptions { stride: [0, 0], ..plain }),
            "non-positive stride is not supported",
        ),
        (
            conv(&[1, 1, 3, 3], &[1, 1, 2, 2], Conv2dOptions { dilation: [0, 0], ..plain }),
            "dilation should be greater than zero, but got [0, 0]",
        ),
        (
            conv(&[1, 4, 3, 3], &[3, 2, 2, 2], Conv2dOptions { groups: 2, ..plain }),
            "Given groups=2, expected weight to be divisible by 2 at dimension 0, but got weight of size [[3, 2, 2, 2]] instead",
        ),
        (
            conv(&[1, 4, 3, 3], &[4, 2, 2, 2], Conv2dOptions { groups: 0, ..plain }),
            "non-positive groups is not supported",
        ),
        (
            conv(&[1, 5, 3, 3], &[4, 2, 2, 2], Conv2dOptions { groups: 2, ..plain }),
            "Given groups=2, weight of size [4, 2, 2, 2], expected input[1, 5, 3, 3] to have 4 channels, but got 5 channels instead",
        ),
        (
            conv(&[1, 4, 3, 3], &[0, 4, 2, 2], plain),
            "Given groups=1, expected weight to be at least 1 at dimension 0, but got weight of size [0, 4, 2, 2] instead",
        ),
        (
            conv(&[1, 4, 3, 3], &[4, 4, 0, 2], plain),
            "kernel size should be greater than zero, but got kernel_height: 0 kernel_width: 2",
        ),
        (
            biased(f(&[3])),
            "Given weight of size [4, 4, 2, 2], expected bias to be 1-dimensional with 4 elements, but got bias of size [3] instead",
        ),
        (
            biased(f(&[4, 1])),
            "Given weight of size [4, 4, 2, 2], expected bias to be 1-dimensional with 4 elements, but got bias of size [4, 1] instead",
        ),
        (biased(f(&[4]).to(DType::F64)), "Input type (float) and bias type (double) should be the same"),
        (
            message(|| f(&[1, 4, 3, 3]).to(DType::F64).conv2d(&f(&[4, 4, 2, 2]), Some(&f(&[4])), &plain)),
            "Input type (double) and bias type (float) should be the same",
        ),
        (
            message(|| f(&[1, 4, 3, 3]).conv2d(&f(&[4, 4, 2, 2]).to(DType::F64), None, &plain)),
            "expected scalar type Float but found Double",
        ),
        (
            message(|| conv2d_input_grad([1, 4, 3, 3], &f(&[4, 4, 2, 2]), &f(&[1, 4, 2, 3]), &plain)),
            "Expected a tensor of dimension 4 and tensor.size[3] == 2 but got: dimension 4 and tensor.size[3] = 3",
        ),
        (
            message(|| conv2d_weight_grad(&f(&[1, 4, 3, 3]), [4, 4, 2, 2], &f(&[1, 5, 2, 2]), &plain)),
            "Expected a tensor of dimension 4 and tensor.size[1] == 4 but got: dimension 4 and tensor.size[1] = 5",
        ),
    ];
    for (found, expected) in rows {
        assert_eq!(found, expected);
    }
}
