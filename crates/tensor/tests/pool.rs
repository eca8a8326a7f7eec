//! Pooling against PyTorch (`golden/pool.json`), in every floating dtype and layout, for any number of threads.

use serde_json::Value as Json;
use wengert_tensor::pool::{
    AvgPool2dOptions, Pool2dOptions, adaptive_avg_pool2d_backward, avg_pool2d_backward, max_pool2d_backward,
    max_pool2d_gather, max_pool2d_values,
};
use wengert_tensor::{DType, Generator, Tensor};

fn numbers(json: &Json) -> Vec<f64> {
    json.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

fn sizes(json: &Json) -> Vec<usize> {
    json.as_array().expect("a list").iter().map(|x| x.as_u64().expect("a size") as usize).collect()
}

fn input(shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    Tensor::from_vec((0..n).map(|i| ((i * 37 + 11) % 101) as f64 / 7.0 - 5.0).collect(), shape)
}

fn pair(options: &Json, key: &str) -> Option<[usize; 2]> {
    match &options[key] {
        Json::Null => None,
        Json::Array(list) => Some([0, 1].map(|i| list[i].as_u64().expect("a size") as usize)),
        one => Some([one.as_u64().expect("a size") as usize; 2]),
    }
}

fn flag(options: &Json, key: &str, default: bool) -> bool {
    options[key].as_bool().unwrap_or(default)
}

fn close(ours: &Tensor, theirs: &[f64], place: &str) {
    let ours = ours.to_vec::<f64>();
    assert_eq!(ours.len(), theirs.len(), "{place}");
    for (a, b) in ours.iter().zip(theirs) {
        assert!((a - b).abs() <= 1e-12, "{place}: {a} instead of {b}");
    }
}

#[test]
fn values_positions_and_gradients_are_pytorchs() {
    let golden: Json = serde_json::from_str(include_str!("golden/pool.json")).expect("valid JSON");
    for row in golden["rows"].as_array().expect("a list") {
        let place = format!("{} {:?} {}", row["kind"], row["shape"], row["options"]);
        let (shape, options) = (sizes(&row["shape"]), &row["options"]);
        let out_shape = sizes(&row["out_shape"]);
        let count: usize = out_shape.iter().product();
        let grad = Tensor::from_vec((0..count).map(|i| (i % 13) as f64 - 5.0).collect(), out_shape.as_slice());
        let dense = input(&shape);
        // The same numbers in another memory order.
        let strided = dense.transpose(-1, -2).copy().transpose(-1, -2);
        for x in [dense, strided] {
            let (out, dx) = match row["kind"].as_str().expect("text") {
                "max" => {
                    let o = Pool2dOptions {
                        stride: pair(options, "stride"),
                        padding: pair(options, "padding").unwrap_or([0, 0]),
                        dilation: pair(options, "dilation").unwrap_or([1, 1]),
                        ceil_mode: flag(options, "ceil_mode", false),
                        ..Pool2dOptions::new(pair(options, "kernel_size").expect("there"))
                    };
                    let (out, at) = x.max_pool2d(&o);
                    assert_eq!(
                        at.to_vec::<i64>().iter().map(|&i| i as f64).collect::<Vec<_>>(),
                        numbers(&row["positions"]),
                        "{place}"
                    );
                    assert!(max_pool2d_gather(&x, &at).equal(&out), "{place}");
                    assert!(max_pool2d_values(&x, &o).equal(&out), "{place}");
                    let size = [shape[shape.len() - 2], shape[shape.len() - 1]];
                    let dx = max_pool2d_backward(&grad, &at, size);
                    (out, dx)
                }
                "avg" => {
                    let o = AvgPool2dOptions {
                        stride: pair(options, "stride"),
                        padding: pair(options, "padding").unwrap_or([0, 0]),
                        ceil_mode: flag(options, "ceil_mode", false),
                        count_include_pad: flag(options, "count_include_pad", true),
                        divisor_override: options["divisor_override"].as_i64(),
                        ..AvgPool2dOptions::new(pair(options, "kernel_size").expect("there"))
                    };
                    (x.avg_pool2d(&o), avg_pool2d_backward(&grad, &shape, &o))
                }
                _ => {
                    let o = [0, 1].map(|i| options[i].as_u64().map(|n| n as usize));
                    (x.adaptive_avg_pool2d(o), adaptive_avg_pool2d_backward(&grad, &shape))
                }
            };
            assert_eq!(out.shape(), out_shape, "{place}");
            close(&out, &numbers(&row["out"]), &place);
            close(&dx, &numbers(&row["grad"]), &place);
        }
    }
}

#[test]
fn a_nan_is_the_largest_and_the_first_of_equals_wins() {
    let nan = f32::NAN;
    let x = Tensor::from_vec(vec![1.0, nan, 3.0, 2.0, 7.0, 7.0, 7.0, 7.0], [1, 2, 4]);
    let (values, at) = x.max_pool2d(&Pool2dOptions::new([2, 2]));
    assert!(values.to_vec::<f32>()[0].is_nan());
    assert_eq!(at.to_vec::<i64>(), [1, 6]);
    let alone = max_pool2d_values(&x, &Pool2dOptions::new([2, 2]));
    assert!(alone.to_vec::<f32>()[0].is_nan() && alone.to_vec::<f32>()[1] == 7.0);
    let (values, at) = x.max_pool2d(&Pool2dOptions { stride: Some([1, 1]), ..Pool2dOptions::new([2, 1]) });
    assert_eq!((values.to_vec::<f32>()[0], at.to_vec::<i64>()), (7.0, vec![4, 1, 6, 7]));
    let equal = Tensor::from_vec(vec![5.0f32; 16], [1, 4, 4]);
    assert_eq!(equal.max_pool2d(&Pool2dOptions::new([2, 2])).1.to_vec::<i64>(), [0, 2, 8, 10]);
}

#[test]
fn halves_and_singles_agree_with_doubles() {
    let x = input(&[2, 3, 9, 8]);
    let options = Pool2dOptions::new([3, 3]);
    for (dtype, tolerance) in [(DType::F32, 1e-6), (DType::F16, 1e-2), (DType::BF16, 1e-1)] {
        let y = x.to(dtype);
        assert_eq!(y.max_pool2d(&options).0.dtype(), dtype);
        let difference = y
            .avg_pool2d(&AvgPool2dOptions::new([3, 3]))
            .to(DType::F64)
            .sub(x.avg_pool2d(&AvgPool2dOptions::new([3, 3])));
        assert!(difference.to_vec::<f64>().iter().all(|d| d.abs() < tolerance), "{dtype}");
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let x = input(&[8, 16, 30, 31]).to(DType::F32);
    let run = || {
        let (values, at) = x.max_pool2d(&Pool2dOptions::new([2, 2]));
        let back = max_pool2d_backward(&values, &at, [30, 31]);
        let mean = x.adaptive_avg_pool2d([Some(1), Some(1)]);
        assert!(max_pool2d_values(&x, &Pool2dOptions::new([2, 2])).equal(&values));
        [values.to_bytes(), at.to_bytes(), back.to_bytes(), mean.to_bytes()]
    };
    let with = |n: usize| rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("a pool").install(run);
    assert!(with(1) == with(3));
}

#[test]
fn mistakes_panic_in_pytorchs_words() {
    let said = |f: fn()| {
        let caught = std::panic::catch_unwind(f).expect_err("should panic");
        caught.downcast_ref::<String>().cloned().unwrap_or_else(|| caught.downcast_ref::<&str>().unwrap().to_string())
    };
    assert_eq!(
        said(|| drop(
            input(&[1, 1, 3, 3]).max_pool2d(&Pool2dOptions { padding: [2, 2], ..Pool2dOptions::new([2, 2]) })
        )),
        "pad should be at most half of effective kernel size, but got pad=2, kernel_size=2 and dilation=1"
    );
    assert_eq!(
        said(|| drop(input(&[1, 1, 3, 3]).max_pool2d(&Pool2dOptions::new([5, 5])))),
        "Given input size: (1x3x3). Calculated output size: (1x0x0). Output size is too small"
    );
    assert_eq!(
        said(|| drop(input(&[3, 3]).max_pool2d(&Pool2dOptions::new([2, 2])))),
        "non-empty 3D or 4D (batch mode) tensor expected for input"
    );
    assert_eq!(
        said(|| drop(input(&[3, 3]).adaptive_avg_pool2d([Some(1), Some(1)]))),
        "adaptive_avg_pool2d(): Expected 3D or 4D tensor, but got [3, 3]"
    );
}

/// The largest under each window by the definition, in f64.
fn slow_max(x: &Tensor, o: &Pool2dOptions, out: [usize; 2]) -> (Vec<f64>, Vec<i64>) {
    let stride = o.stride.unwrap_or(o.kernel);
    let (h, w) = (x.size(-2), x.size(-1));
    let (mut values, mut places) = (Vec::new(), Vec::new());
    for plane in x.to_vec::<f64>().chunks(h * w) {
        for at in 0..out[0] * out[1] {
            let corner = [at / out[1] * stride[0], at % out[1] * stride[1]];
            let mut best: Option<(f64, usize)> = None;
            for tap in 0..o.kernel[0] * o.kernel[1] {
                let r = corner[0] + tap / o.kernel[1] * o.dilation[0];
                let c = corner[1] + tap % o.kernel[1] * o.dilation[1];
                let (Some(r), Some(c)) = (r.checked_sub(o.padding[0]), c.checked_sub(o.padding[1])) else { continue };
                if r < h && c < w {
                    let v = plane[r * w + c];
                    if best.is_none_or(|(b, _)| v > b || v.is_nan()) {
                        best = Some((v, r * w + c));
                    }
                }
            }
            let (v, place) = best.expect("a window sees the image");
            values.push(v);
            places.push(place as i64);
        }
    }
    (values, places)
}

#[test]
fn long_rows_nan_and_ties_agree_with_plain_loops() {
    let mut g = Generator::new(6);
    for (kernel, stride, padding) in
        [([2, 2], [2, 2], [0, 0]), ([3, 3], [2, 2], [1, 1]), ([3, 3], [1, 1], [1, 1]), ([2, 5], [3, 3], [1, 2])]
    {
        for shape in [[2, 3, 57, 131], [1, 1, 4, 300], [3, 1, 64, 64]] {
            let options = Pool2dOptions { stride: Some(stride), padding, ..Pool2dOptions::new(kernel) };
            let mut x = g.randint(-5, 5, shape, DType::F32);
            for i in (0..x.numel()).step_by(37) {
                x.as_mut_slice::<f32>()[i] = [f32::NAN, f32::NEG_INFINITY, f32::INFINITY][i % 3];
            }
            let (y, places) = x.max_pool2d(&options);
            let (want, want_places) = slow_max(&x, &options, [y.size(2), y.size(3)]);
            assert_eq!(places.to_vec::<i64>(), want_places, "{options:?} {shape:?}");
            assert!(y.to_vec::<f64>().iter().zip(&want).all(|(a, b)| a == b || (a.is_nan() && b.is_nan())));
        }
    }
}
