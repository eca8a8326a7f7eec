//! Batch normalisation against PyTorch's numbers (`golden/norm.json`) and against the definition.

use serde_json::Value as Json;
use wengert_tensor::norm::{
    batch_norm, batch_norm_backward, batch_norm_eval, batch_norm_eval_backward, layer_norm, layer_norm_backward,
};
use wengert_tensor::{DType, Generator, Tensor};

fn numbers(json: &Json) -> Option<Vec<f64>> {
    json.as_array().map(|list| list.iter().map(|x| x.as_f64().expect("a number")).collect())
}

fn assert_close(got: &Tensor, want: &[f64], tolerance: f64, what: &str) {
    let got = got.to_vec::<f64>();
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance * (1.0 + w.abs()), "{what}: element {i} is {g}, not {w}");
    }
}

#[test]
fn outputs_and_gradients_are_pytorchs() {
    let golden: Vec<Json> = serde_json::from_str(include_str!("golden/norm.json")).expect("valid JSON");
    assert_eq!(golden.len(), 24);
    for case in &golden {
        let shape: Vec<usize> = numbers(&case["shape"]).expect("a list").iter().map(|&s| s as usize).collect();
        for (dtype, tolerance) in [(DType::F64, 1e-10), (DType::F32, 1e-5), (DType::BF16, 0.1)] {
            let what = format!("{shape:?}, training {}, {dtype}", case["training"]);
            let image = |key: &str| {
                let dense = Tensor::from_vec(numbers(&case[key]).expect("a list"), &shape).to(dtype);
                dense.transpose(0, -1).copy().transpose(0, -1)
            };
            let vector = |key: &str| numbers(&case[key]).map(|v| Tensor::from_slice(&v, [v.len()]));
            let (x, dy, weight, bias) = (image("x"), image("dy"), vector("weight"), vector("bias"));
            let (mean, var) = (vector("mean").expect("there"), vector("var").expect("there"));
            let (y, grads) = if case["training"] == true {
                let out = batch_norm(&x, weight.as_ref(), bias.as_ref(), 1e-3);
                let grads = batch_norm_backward(&dy, &x, &out.mean, &out.var, weight.as_ref(), 1e-3);
                (out.output, grads)
            } else {
                let y = batch_norm_eval(&x, &mean, &var, weight.as_ref(), bias.as_ref(), 1e-3);
                (y, batch_norm_eval_backward(&dy, &x, &mean, &var, weight.as_ref(), 1e-3))
            };
            assert_eq!((y.dtype(), y.shape()), (dtype, &shape[..]));
            assert_close(&y, &numbers(&case["y"]).expect("a list"), tolerance, &what);
            assert_close(&grads.input, &numbers(&case["dx"]).expect("a list"), 4.0 * tolerance, &what);
            if let (Some(dweight), Some(dbias)) = (numbers(&case["dweight"]), numbers(&case["dbias"])) {
                assert_close(&grads.weight, &dweight, 4.0 * tolerance, &what);
                assert_close(&grads.bias, &dbias, 4.0 * tolerance, &what);
            }
        }
    }
}

#[test]
fn statistics_of_f32_are_as_good_as_f64s() {
    // A mean a thousand times the deviation: one pass in f32 would lose the variance.
    let mut g = Generator::new(1);
    let x = g.normal([8, 3, 41, 37], 1000.0, 1.0, DType::F32);
    let out = batch_norm(&x, None, None, 1e-5);
    let wide = x.to(DType::F64);
    let mean = wide.mean([0, 2, 3]);
    let var = wide.var([0, 2, 3], 0.0);
    assert_close(&out.mean, &mean.to_vec::<f64>(), 1e-7, "mean");
    assert_close(&out.var, &var.to_vec::<f64>(), 1e-6, "var");
}

#[test]
fn empty_batches_pass_and_threads_do_not_matter() {
    for shape in [&[0usize, 3, 2, 2][..], &[2, 0, 2, 2], &[0, 3], &[2, 3, 0]] {
        let x = Tensor::zeros(shape, DType::F32);
        let out = batch_norm(&x, None, None, 1e-5);
        assert_eq!(out.output.shape(), shape);
        assert_eq!(batch_norm_backward(&x, &x, &out.mean, &out.var, None, 1e-5).input.shape(), shape);
        assert_eq!(batch_norm_eval(&x, &out.mean, &out.var, None, None, 1e-5).shape(), shape);
    }
    let mut g = Generator::new(2);
    let (x, dy) = (g.randn([16, 8, 30, 30], DType::F32), g.randn([16, 8, 30, 30], DType::F32));
    let all = || {
        let out = batch_norm(&x, None, None, 1e-5);
        let grads = batch_norm_backward(&dy, &x, &out.mean, &out.var, None, 1e-5);
        [out.output, out.mean, out.var, grads.input, grads.weight, grads.bias].map(|t| t.to_bytes())
    };
    let with = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool").install(all);
    assert!(with(1) == with(3));
}

#[test]
fn mistakes_are_named_in_pytorchs_words() {
    let x = || Tensor::zeros([2, 3, 2, 2], DType::F32);
    let v = |n: usize| Tensor::zeros([n], DType::F32);
    type Mistake<'a> = &'a (dyn Fn() + std::panic::RefUnwindSafe);
    let rows: [(Mistake<'_>, &str); 5] = [
        (&|| drop(batch_norm(&x(), Some(&v(4)), None, 0.1)), "weight should contain 3 elements not 4"),
        (&|| drop(batch_norm(&x(), None, Some(&v(2)), 0.1)), "bias should contain 3 elements not 2"),
        (&|| drop(batch_norm_eval(&x(), &v(3), &v(4), None, None, 0.1)), "running_var should contain 3 elements not 4"),
        (&|| drop(batch_norm(&x().to(DType::I64), None, None, 0.1)), "\"batch_norm\" not implemented for 'Long'"),
        (
            &|| drop(batch_norm(&v(3), None, None, 0.1)),
            "batch_norm: Dimension out of range (expected to be in range of [-1, 0], but got 1)",
        ),
    ];
    for (mistake, words) in rows {
        let panic = std::panic::catch_unwind(mistake).expect_err(words);
        let said = panic.downcast_ref::<String>().expect("a formatted panic");
        assert!(said.starts_with(words), "{said}");
    }
}

#[test]
fn layer_norm_is_its_definition() {
    let mut g = Generator::new(3);
    for (shape, axes) in [(&[5usize, 7][..], 1), (&[3, 4, 67], 1), (&[2, 150, 5, 8], 2), (&[130, 33], 1), (&[6], 1)] {
        let x = g.normal(shape, 3.0, 2.0, DType::F64);
        let dy = g.randn(shape, DType::F64);
        let inner = &shape[shape.len() - axes..];
        let (weight, bias) = (g.randn(inner, DType::F64), g.randn(inner, DType::F64));
        let over: Vec<isize> = (1..=axes as isize).map(|axis| -axis).collect();
        let outer: Vec<isize> = (0..(shape.len() - axes) as isize).collect();
        let sum_outer = |t: &Tensor| if outer.is_empty() { t.clone() } else { t.sum(outer.as_slice()) };
        let rstd = (x.var_keepdim(over.as_slice(), 0.0) + 1e-3).rsqrt();
        let normal = (&x - x.mean_keepdim(over.as_slice())) * &rstd;
        let upstream = &dy * &weight;
        let along = (&upstream * &normal).mean_keepdim(over.as_slice());
        let dx = (&upstream - upstream.mean_keepdim(over.as_slice()) - &normal * along) * rstd;
        let wants = [&normal * &weight + &bias, dx, sum_outer(&(&dy * &normal)), sum_outer(&dy)];
        for (dtype, tolerance) in [(DType::F64, 1e-10), (DType::F32, 2e-5), (DType::BF16, 0.1)] {
            let [x, dy] = [&x, &dy].map(|t| t.to(dtype).transpose(0, -1).copy().transpose(0, -1));
            let out = layer_norm(&x, inner, Some(&weight), Some(&bias), 1e-3);
            let grads = layer_norm_backward(&dy, &x, axes, &out.mean, &out.rstd, Some(&weight));
            let gots = [out.output, grads.input, grads.weight, grads.bias];
            for (got, want) in gots.iter().zip(&wants) {
                assert_eq!(got.shape(), want.shape());
                // Sums over many rows of halves are as inexact as the halves are many.
                let scale = if dtype == DType::BF16 { 5.0 } else { 1.0 };
                assert_close(got, &want.to_vec::<f64>(), scale * tolerance, &format!("{shape:?} {dtype}"));
            }
        }
    }
}

#[test]
fn layer_norm_does_not_depend_on_threads_and_takes_nothing() {
    let mut g = Generator::new(4);
    let (x, dy) = (g.randn([700, 130], DType::F32), g.randn([700, 130], DType::F32));
    let all = || {
        let out = layer_norm(&x, &[130], None, None, 1e-5);
        let grads = layer_norm_backward(&dy, &x, 1, &out.mean, &out.rstd, None);
        [out.output, out.mean, out.rstd, grads.input, grads.weight, grads.bias].map(|t| t.to_bytes())
    };
    let with = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool").install(all);
    assert!(with(1) == with(3));
    for (shape, inner) in [([0usize, 3], 3usize), ([2, 0], 0)] {
        let x = Tensor::zeros(shape, DType::F32);
        let out = layer_norm(&x, &[inner], None, None, 1e-5);
        let grads = layer_norm_backward(&x, &x, 1, &out.mean, &out.rstd, None);
        assert_eq!(
            (out.output.shape(), grads.input.shape(), grads.weight.shape()),
            (&shape[..], &shape[..], &[inner][..])
        );
    }
}

#[test]
fn many_points_are_planes_of_one_element() {
    // More rows than one section of sums, and channels that fill no vector.
    let mut g = Generator::new(3);
    let mut normal = |shape: [usize; 2]| g.normal(shape, 3.0, 2.0, DType::F32);
    let (x, dy) = (normal([5000, 17]), normal([5000, 17]));
    // Each element twice: the same means, and sums twice as large.
    let twice = |t: &Tensor| t.unsqueeze(2).expand([5000, 17, 2]).contiguous();
    let (points, planes) = (batch_norm(&x, None, None, 1e-5), batch_norm(&twice(&x), None, None, 1e-5));
    assert_close(&points.mean, &planes.mean.to_vec::<f64>(), 1e-6, "mean");
    assert_close(&points.var, &planes.var.to_vec::<f64>(), 1e-6, "var");
    assert_close(&points.output, &planes.output.select(2, 0).to_vec::<f64>(), 1e-6, "output");
    let back = |dy: &Tensor, x: &Tensor| batch_norm_backward(dy, x, &points.mean, &points.var, None, 1e-5);
    let (points, planes) = (back(&dy, &x), back(&twice(&dy), &twice(&x)));
    assert_close(&points.input, &planes.input.select(2, 0).to_vec::<f64>(), 1e-5, "input");
    assert_close(&points.weight.mul(2.0), &planes.weight.to_vec::<f64>(), 1e-5, "weight");
    assert_close(&points.bias.mul(2.0), &planes.bias.to_vec::<f64>(), 1e-5, "bias");
}
