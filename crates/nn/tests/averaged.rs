//! Averaged models have PyTorch's values, names and batch statistics (`golden/averaged.json`).

use serde_json::Value as Json;
use wengert_autograd::Var;
use wengert_nn::{
    AveragedModel, AveragedModelOptions, BatchNorm1d, Linear, Module, Sequential, Tanh, get_ema_avg_fn, get_swa_avg_fn,
    sequential, update_bn,
};
use wengert_tensor::{DType, Tensor};

fn wave(shape: &[usize], scale: f64, start: f64, dtype: DType) -> Tensor {
    let count: usize = shape.iter().product();
    Tensor::from_vec((0..count).map(|i| (i as f64 * scale + start).sin()).collect::<Vec<_>>(), shape).to(dtype)
}

fn net(dtype: DType) -> Sequential {
    let net = sequential![Linear::new(3, 4), BatchNorm1d::new(4), Tanh::new(), Linear::new(4, 2)];
    net.to(dtype);
    net
}

fn assert_close(ours: &[f64], want: &Json, dtype: DType, what: &str) {
    let (rtol, atol) = if dtype == DType::F64 { (1e-14, 1e-15) } else { (1.3e-6, 1e-6) };
    let want: Vec<f64> = want.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect();
    assert_eq!(ours.len(), want.len(), "{what}");
    for (a, b) in ours.iter().zip(want) {
        assert!((a - b).abs() <= atol + rtol * b.abs(), "{what}: {a} instead of {b}");
    }
}

fn assert_state(module: &dyn Module, want: &Json, dtype: DType, what: &str) {
    let state = module.state_dict();
    let want = want.as_array().expect("a list");
    assert_eq!(state.keys().collect::<Vec<_>>(), want.iter().map(|e| e[0].as_str().expect("text")).collect::<Vec<_>>());
    for ((name, tensor), entry) in state.iter().zip(want) {
        assert_eq!(tensor.dtype().name(), entry[1].as_str().expect("text"), "{what} {name}");
        let shape: Vec<u64> = entry[2].as_array().expect("a list").iter().filter_map(Json::as_u64).collect();
        assert_eq!(tensor.shape().iter().map(|n| *n as u64).collect::<Vec<_>>(), shape, "{what} {name}");
        assert_close(&tensor.to_vec::<f64>(), &entry[3], dtype, &format!("{what} {name}"));
    }
}

#[test]
fn averages_and_batch_statistics_are_pytorchs() {
    let golden: Json = serde_json::from_str(include_str!("golden/averaged.json")).expect("valid JSON");
    for row in golden.as_array().expect("a list") {
        let dtype = if row["dtype"] == "float64" { DType::F64 } else { DType::F32 };
        let what = format!("{dtype} {} {}", row["ema"], row["use_buffers"]);
        let model = net(dtype);
        let avg_fn = row["ema"].as_f64().map_or_else(get_swa_avg_fn, get_ema_avg_fn);
        let options = AveragedModelOptions { avg_fn, use_buffers: row["use_buffers"] == true };
        let averaged = AveragedModel::new(&model, net(dtype), options);
        for step in 0..4 {
            for (k, param) in model.parameters().iter().enumerate() {
                param.set(wave(&param.shape(), 0.3, (step + 10 * k) as f64, dtype));
            }
            model.forward(&Var::from(wave(&[6, 3], 0.7, step as f64, dtype)));
            averaged.update_parameters(&model);
        }
        assert_state(&averaged, &row["state"], dtype, &what);
        averaged.eval();
        update_bn((0..3).map(|i| wave(&[6, 3], 0.7, f64::from(20 + i), dtype)), &averaged);
        assert!(!averaged.training());
        assert_state(averaged.get("module.1").expect("there"), &row["fresh"], dtype, &what);
        let output = averaged.forward(&Var::from(wave(&[2, 3], 0.7, 40.0, dtype)));
        assert_close(&output.value().to_vec::<f64>(), &row["output"], dtype, &what);
        // The layer's own momentum is back: it goes on as one that never lost it.
        let other = net(dtype);
        other.load_state_dict(&averaged.module.state_dict()).expect("the same network");
        averaged.train();
        let batch = Var::from(wave(&[6, 3], 0.7, 60.0, dtype));
        averaged.forward(&batch);
        other.forward(&batch);
        let mean = |module: &dyn Module| module.state_dict()["1.running_mean"].to_bytes();
        assert!(mean(&averaged.module) == mean(&other), "{what}");
    }
}

#[test]
fn a_twin_starts_as_a_copy_and_its_state_loads() {
    let model = net(DType::F64);
    model.get("1").expect("there").eval();
    let averaged = AveragedModel::new(&model, net(DType::F32), AveragedModelOptions::default());
    let modes: Vec<bool> = averaged.module.modules().iter().map(|m| m.training()).collect();
    assert_eq!(modes, model.modules().iter().map(|m| m.training()).collect::<Vec<_>>());
    assert_eq!(averaged.state_dict()["module.0.weight"].to_bytes(), model.state_dict()["0.weight"].to_bytes());
    averaged.update_parameters(&model);
    let again = AveragedModel::new(&model, net(DType::F64), AveragedModelOptions::default());
    again.load_state_dict(&averaged.state_dict()).expect("the same network");
    assert_eq!(again.n_averaged.value().item::<i64>(), 1);
    assert_eq!(averaged.to_string().lines().next(), Some("AveragedModel("));
}
