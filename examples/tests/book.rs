//! The note's listings S1 to S6 as PyTorch 2.15 prints them (`golden/book.json`).
//!
//! Each test builds the whole text and compares it with PyTorch's; lines that only Python can print (exception classes,
//! the unpickler's text) are written out where they stand.

use nets::nets::Mlp;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use wengert_autograd::Var;
use wengert_nn::{AdaptiveAvgPool2d, Flatten, GlobalAvgPool2d, Module};
use wengert_optim::{Sgd, SgdOptions};
use wengert_tensor::{Tensor, Value, manual_seed, rand, randn, shape::size_text};

fn expected(id: &str) -> String {
    let all: serde_json::Value = serde_json::from_str(include_str!("golden/book.json")).expect("valid JSON");
    all[id].as_str().expect("text").to_owned()
}

/// The message of a panic, which is what PyTorch's exception says.
fn message(f: impl FnOnce()) -> String {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let caught = catch_unwind(AssertUnwindSafe(f));
    std::panic::set_hook(hook);
    let payload = caught.expect_err("should panic");
    payload
        .downcast_ref::<String>()
        .cloned()
        .unwrap_or_else(|| payload.downcast_ref::<&str>().expect("text").to_string())
}

fn notes_net() -> Mlp {
    let net = Mlp::new(3, 2, 1);
    net.hidden.weight.set(Tensor::from_vec(vec![-0.1291f32, -0.4541, -0.0159, -0.5555, -0.3319, 0.4285], [2, 3]));
    net.hidden.bias.as_ref().expect("bias").set(Tensor::from_vec(vec![-0.3046f32, -0.0209], [2]));
    net.output.weight.set(Tensor::from_vec(vec![-0.4204f32, 0.4508], [1, 2]));
    net.output.bias.as_ref().expect("bias").set(Tensor::from_vec(vec![-0.5094f32], [1]));
    net
}

#[test]
fn s1_state_dict_of_the_notes_mlp() {
    let state = notes_net().state_dict();
    let mut text = format!("{state}\n--\n{}\n--\n", state.pretty());
    let keys: Vec<String> = state.keys().map(|k| format!("'{k}'")).collect();
    writeln!(text, "[{}]", keys.join(", ")).unwrap();
    let shapes = Value::List(
        state.values().map(|t| Value::Tuple(t.shape().iter().map(|&s| Value::from(s)).collect())).collect(),
    );
    writeln!(text, "{shapes}").unwrap();
    assert_eq!(text, expected("S1"));
}

#[test]
fn s2_state_dict_of_sgd_before_any_step() {
    let net = Mlp::new(3, 2, 1);
    let optimizer = Sgd::new(net.parameters(), SgdOptions { lr: 0.001, momentum: 0.9, ..SgdOptions::default() });
    let state = optimizer.state_dict();
    let group = state.get("param_groups").and_then(|g| g.at(0)).and_then(Value::as_dict).expect("one group");
    let keys = ["lr", "momentum", "dampening", "weight_decay", "nesterov", "params"];
    let six = Value::dict([
        ("state", state.get("state").expect("there").clone()),
        ("param_groups", Value::List(vec![Value::dict(keys.map(|k| (k, group.get(k).expect("there").clone())))])),
    ]);
    let text = format!("{}\n--S2b\n{}\n--print(optimizer)\n{optimizer}\n", state.pretty(), six.pretty());
    assert_eq!(text, expected("S2"));
}

#[test]
fn s3_saved_parameters_give_a_new_net_the_same_outputs() {
    manual_seed(0);
    let net = Mlp::new(3, 2, 1);
    let x = Var::from(randn([2, 3]));
    let y = net.forward(&x);
    let path = std::env::temp_dir().join(format!("wengert-s3-{}.pt", std::process::id()));
    wengert_io::save(&path, net.state_dict()).expect("a writable folder");
    let net2 = Mlp::new(3, 2, 1);
    assert!(!net2.forward(&x).value().equal(y.value()));
    let report = net2.load_state_dict(&wengert_io::load_state_dict(&path).expect("just saved")).expect("fits");
    std::fs::remove_file(path).expect("just saved");
    let text = format!("{report}\n{}\n", net2.forward(&x).value().eq(y.value()));
    // What follows in PyTorch's text is the whole model's pickle, refused by default.
    let all = expected("S3");
    let (values, whole_model) = all.split_at(all.find("UnpicklingError").expect("there"));
    assert_eq!(text, values);
    assert!(whole_model.contains(&format!("{net2}\n")));
}

#[test]
fn s4_cat_rules() {
    let iota = |n: f64, shape: [usize; 2]| Tensor::arange(0.0, n, 1.0).view(shape);
    let zeros = |shape: &[usize]| Tensor::zeros(shape, wengert_tensor::DType::F32);
    let (a, b) = (iota(6.0, [2, 3]), -iota(9.0, [3, 3]));
    let mut text = String::new();
    let mut line = |x: String| text.push_str(&(x + "\n"));
    line(Tensor::cat(&[&a, &b], 0).to_string());
    line(size_text(Tensor::cat(&[&a, &b], 0).shape()));
    let b = -iota(4.0, [2, 2]);
    line(Tensor::cat(&[&a, &b], 1).to_string());
    line(size_text(Tensor::cat(&[&a, &b], 1).shape()));
    line(size_text(Tensor::cat(&[&a, &b], -1).shape()));
    // The two texts without an own class in Rust; the class names stand in PyTorch's text only.
    let cases: [(&str, Vec<Tensor>, isize); 5] = [
        ("RuntimeError", vec![a.clone(), zeros(&[3, 4])], 0),
        ("RuntimeError", vec![a.clone(), zeros(&[3, 4])], 1),
        ("RuntimeError", vec![a.clone(), zeros(&[2, 3, 1])], 0),
        ("IndexError", vec![a.clone(), a.clone()], 2),
        ("ValueError", vec![], 0),
    ];
    for (class, tensors, dim) in cases {
        let said = message(|| drop(Tensor::cat(&tensors, dim)));
        line(format!("{class}: {}", said.strip_prefix("cat: ").unwrap_or(&said)));
    }
    let mixed = Tensor::cat(&[Tensor::from_vec(vec![1i64, 2], [2]), Tensor::from_vec(vec![0.5f32], [1])], 0);
    line(format!("{mixed} {}", mixed.dtype()));
    line(size_text(Tensor::cat(&[zeros(&[0]), a], 0).shape()));

    let parts: Vec<Var> =
        (1..=4).map(|c| Var::leaf(Tensor::full([1, c, 2, 2], c as f64, wengert_tensor::DType::F32))).collect();
    let joined = Var::cat(&parts, 1);
    let first: Vec<Value> =
        joined.value().select(0, 0).select(1, 0).select(1, 0).to_vec::<f64>().into_iter().map(Value::from).collect();
    line(format!("{} {}", size_text(joined.shape()), Value::List(first)));
    let weights = Var::from(Tensor::arange(0.0, 10.0, 1.0).view([1, 10, 1, 1]));
    (&joined * &weights).sum(()).backward();
    let grads = parts.iter().map(|p| {
        let grad = p.grad().expect("a leaf").select(0, 0).select(1, 0).select(1, 0).to_vec::<f64>();
        Value::List(grad.into_iter().map(Value::from).collect())
    });
    line(Value::List(grads.collect()).to_string());
    assert_eq!(text, expected("S4"));
}

#[test]
fn s5_global_average_pooling() {
    manual_seed(0);
    let pool = GlobalAvgPool2d::new();
    let x = Var::from(Tensor::arange(0.0, 360.0, 1.0).view([1, 10, 6, 6]));
    let mut text = format!("{} {}\n", size_text(pool.forward(&x).shape()), Flatten::new().forward(&pool.forward(&x)));
    let python = |b: bool| if b { "True" } else { "False" };
    let x = Var::from(rand([4, 512, 7, 7]));
    let y = pool.forward(&x);
    let mean = x.value().mean_keepdim([2, 3]);
    let adaptive = AdaptiveAvgPool2d::new(1).forward(&x);
    writeln!(
        text,
        "{} {} {}",
        size_text(y.shape()),
        python(y.value().allclose(&mean, 1e-5, 1e-8)),
        python(y.value().allclose(adaptive.value(), 1e-5, 1e-8))
    )
    .unwrap();
    writeln!(text, "{pool}").unwrap();
    let x = Var::leaf(Tensor::ones([1, 3, 6, 6], wengert_tensor::DType::F32));
    pool.forward(&x).sum(()).backward();
    let grad = x.grad().expect("a leaf");
    let first = grad.select(0, 0).select(0, 0).select(0, 0).select(0, 0).item::<f64>();
    writeln!(text, "{} {}", Value::from(first), Value::from(grad.sum(()).item::<f64>())).unwrap();
    assert_eq!(text, expected("S5"));
}

#[test]
fn s6_flatten() {
    let flatten = Flatten::new();
    let size = |shape: &[usize]| size_text(flatten.forward(&Var::from(rand(shape))).shape());
    let mut text = format!("{}\n{}\n", size(&[1, 512, 1, 1]), size(&[2, 3, 4, 5]));
    let x = Var::from(rand([1, 512, 1, 1]));
    let equal = flatten.forward(&x).value().equal(&x.value().view([1, -1]));
    writeln!(text, "{}", if equal { "True" } else { "False" }).unwrap();
    assert_eq!(text, expected("S6"));
}
