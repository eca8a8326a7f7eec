//! PyTorch's documented semantics, with its numbers.

use wengert_autograd::{
    BackwardOptions, GradMode, GradOptions, Param, Var, grad, grad_or_none, no_grad, tensor::Tensor,
};

fn vector(data: &[f64]) -> Tensor {
    Tensor::from_slice(data, [data.len()])
}

fn leaf(data: &[f64]) -> Var {
    Var::leaf(vector(data))
}

/// The message of the panic that `f` must end in.
fn panic_text(f: impl FnOnce()) -> String {
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).expect_err("must panic");
    payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| payload.downcast_ref::<&str>().map(|s| s.to_string()))
        .expect("text")
}

#[test]
fn gradients_accumulate_until_zeroed() {
    let x = leaf(&[1.0, 2.0]);
    assert!(x.grad().is_none());
    (&x * &x).sum(()).backward();
    (&x * 3.0).sum(()).backward();
    assert_eq!(x.grad().expect("a gradient").to_vec::<f64>(), [5.0, 7.0]);
    x.zero_grad();
    assert!(x.grad().is_none());
}

#[test]
fn a_shared_parameter_collects_from_all_its_uses() {
    let w = Param::new(vector(&[2.0, 3.0]));
    let alias = w.clone();
    (w.var() * alias.var() + w.var()).sum(()).backward();
    assert_eq!(alias.grad().unwrap().to_vec::<f64>(), [5.0, 7.0]);
    assert_eq!(w, alias);
}

#[test]
fn updates_do_not_reach_what_the_graph_saved() {
    let w = Param::new(vector(&[2.0]));
    let y = w.var() * w.var();
    w.update(|value| *value = &*value * 10.0);
    y.sum(()).backward();
    assert_eq!(w.grad().unwrap().item::<f64>(), 4.0);
    assert_eq!(w.value().item::<f64>(), 20.0);
}

#[test]
fn frozen_and_detached_values_are_constants() {
    let w = Param::new(vector(&[2.0]));
    w.requires_grad_(false);
    let x = leaf(&[3.0]);
    let y = w.var() * &x + x.detach() * &x;
    y.backward();
    assert!(w.grad().is_none());
    assert_eq!(x.grad().expect("a gradient").item::<f64>(), 5.0);
    assert!(!no_grad(|| &x * 2.0).requires_grad());
    let _off = GradMode::disabled();
    assert_eq!((&x * 2.0).grad_fn(), None);
}

#[test]
fn derivatives_to_the_third_order_are_exact() {
    let x = leaf(&[1.5]);
    let y = x.pow(3) * x.sin();
    let create = GradOptions { create_graph: true, ..Default::default() };
    let first = grad(&[&y], &[&x], &create).remove(0);
    let second = grad(&[&first], &[&x], &create).remove(0);
    let third = grad(&[&second], &[&x], &GradOptions::default()).remove(0);
    let (s, c, v) = (1.5f64.sin(), 1.5f64.cos(), 1.5f64);
    let close = |a: &Var, b: f64| assert!((a.item::<f64>() - b).abs() < 1e-12, "{a} {b}");
    close(&first, 3.0 * v * v * s + v.powi(3) * c);
    close(&second, 6.0 * v * s + 6.0 * v * v * c - v.powi(3) * s);
    close(&third, 6.0 * s + 18.0 * v * c - 9.0 * v * v * s - v.powi(3) * c);
}

#[test]
fn the_hessian_of_a_polynomial() {
    // f = x0² x1 + x1³; H = [[2 x1, 2 x0], [2 x0, 6 x1]].
    let x = leaf(&[2.0, 3.0]);
    let (a, b) = (x.select(0, 0), x.select(0, 1));
    let f = &a * &a * &b + b.pow(3);
    let g = grad(&[&f], &[&x], &GradOptions { create_graph: true, ..Default::default() }).remove(0);
    let keep = GradOptions { retain_graph: true, ..Default::default() };
    let rows: Vec<Vec<f64>> = (0..2).map(|i| grad(&[&g.select(0, i)], &[&x], &keep)[0].to_vec()).collect();
    assert_eq!(rows, [[6.0, 4.0], [4.0, 18.0]]);
}

#[test]
fn gradients_of_intermediate_values_are_available() {
    let x = leaf(&[1.0, 2.0]);
    let y = &x * 3.0;
    let z = (&y * &y).sum(());
    let found = grad(&[&z], &[&y, &x, &y], &GradOptions::default());
    assert_eq!(found[0].to_vec::<f64>(), [6.0, 12.0]);
    assert_eq!(found[1].to_vec::<f64>(), [18.0, 36.0]);
    assert_eq!(found[2].to_vec::<f64>(), [6.0, 12.0]);
    assert!(x.grad().is_none());
}

#[test]
fn unused_inputs_are_none_zero_or_an_error() {
    let (x, y) = (leaf(&[1.0]), leaf(&[2.0, 3.0]));
    let z = (&x * 2.0).sum(());
    let keep = GradOptions { retain_graph: true, ..Default::default() };
    assert!(grad_or_none(&[&z], &[&y], &keep)[0].is_none());
    let zeros = GradOptions { allow_unused: true, ..keep };
    assert_eq!(grad(&[&z], &[&y], &zeros)[0].to_vec::<f64>(), [0.0, 0.0]);
    assert_eq!(
        panic_text(|| drop(grad(&[&z], &[&y], &GradOptions::default()))),
        "The differentiated Tensor at index 0 appears to not have been used in the graph. Set allow_unused=True if this \
         is the desired behavior."
    );
}

#[test]
fn mistakes_are_reported_in_pytorchs_words() {
    let x = leaf(&[1.0, 2.0]);
    let y = &x * &x;
    assert_eq!(panic_text(|| y.backward()), "grad can be implicitly created only for scalar outputs");
    assert_eq!(
        panic_text(|| y.backward_with(vector(&[1.0, 2.0, 3.0]))),
        "Mismatch in shape: grad_output[0] has a shape of torch.Size([3]) and output[0] has a shape of torch.Size([2])."
    );
    assert_eq!(
        panic_text(|| Var::from(vector(&[1.0])).backward()),
        "element 0 of tensors does not require grad and does not have a grad_fn"
    );
    assert_eq!(
        panic_text(|| drop(Var::leaf(Tensor::from_vec(vec![1i64], [1])))),
        "Only Tensors of floating point and complex dtype can require gradients"
    );
    assert_eq!(
        panic_text(|| drop(grad(&[&y.sum(())], &[&Var::from(vector(&[1.0]))], &GradOptions::default()))),
        "One of the differentiated Tensors does not require grad"
    );
    y.backward_with(vector(&[1.0, 1.0]));
    assert!(panic_text(|| y.backward_with(vector(&[1.0, 1.0]))).starts_with(
        "Trying to backward through the graph a second time (or directly access saved tensors after they have already \
         been freed)."
    ));
    assert_eq!(x.grad().expect("a gradient").to_vec::<f64>(), [2.0, 4.0]);
}

#[test]
fn a_graph_that_saved_nothing_runs_twice_as_in_pytorch() {
    let x = leaf(&[1.0, 2.0]);
    let y = (&x + 1.0).sum(());
    y.backward();
    y.backward();
    assert_eq!(x.grad().expect("a gradient").to_vec::<f64>(), [2.0, 2.0]);
}

#[test]
fn a_retained_graph_runs_twice() {
    let x = leaf(&[3.0]);
    let y = &x * &x;
    y.backward_with(BackwardOptions { retain_graph: true, ..Default::default() });
    y.backward();
    assert_eq!(x.grad().expect("a gradient").item::<f64>(), 12.0);
}

#[test]
fn broadcast_and_promoted_operands_get_gradients_of_their_own_shape_and_dtype() {
    let a = Var::leaf(Tensor::from_vec(vec![1.0f32, 2.0, 3.0], [3]));
    let b = Var::leaf(Tensor::from_vec(vec![1.0f64, 2.0], [2, 1]));
    (&a * &b).sum(()).backward();
    let (ga, gb) = (a.grad().unwrap(), b.grad().unwrap());
    assert_eq!((ga.dtype().name(), ga.to_vec::<f32>()), ("float32", vec![3.0; 3]));
    assert_eq!((gb.dtype().name(), gb.shape(), gb.to_vec::<f64>()), ("float64", &[2, 1][..], vec![6.0; 2]));
}

#[test]
fn the_text_shows_how_a_value_came_to_be() {
    let x = Var::leaf(Tensor::from_vec(vec![1.0f32, 2.0], [2]));
    assert_eq!(x.to_string(), "tensor([1., 2.], requires_grad=True)");
    assert_eq!((&x + 1.0).to_string(), "tensor([2., 3.], grad_fn=<AddBackward0>)");
    assert_eq!(x.sum(()).to_string(), "tensor(3., grad_fn=<SumBackward0>)");
    assert_eq!(x.detach().to_string(), "tensor([1., 2.])");
    let w = Param::new(Tensor::from_vec(vec![1.0f32, 2.0], [2]));
    assert_eq!(w.to_string(), "Parameter containing:\ntensor([1., 2.], requires_grad=True)");
}

#[test]
fn a_parameter_changes_dtype_and_keeps_its_gradient() {
    let w = Param::new(vector(&[2.0]));
    (w.var() * 3.0).backward();
    let id = w.id();
    w.set(w.value().to(wengert_autograd::tensor::DType::F32));
    assert_eq!((w.id(), w.grad().unwrap().dtype().name()), (id, "float32"));
    (w.var() * 3.0).backward();
    assert_eq!(w.grad().unwrap().item::<f32>(), 6.0);
}

#[test]
fn gradients_at_kinks_are_pytorchs() {
    let at = |f: fn(&Var) -> Var, x: &[f64]| {
        let x = leaf(x);
        f(&x).sum(()).backward();
        x.grad().expect("a gradient").to_vec::<f64>()
    };
    assert_eq!(at(|x| x.relu(), &[-1.0, 0.0, 1.0]), [0.0, 0.0, 1.0]);
    assert_eq!(at(|x| x.abs(), &[-1.0, 0.0, 1.0]), [-1.0, 0.0, 1.0]);
    assert_eq!(at(|x| x.clamp(0.0, 1.0), &[-1.0, 0.0, 0.5, 1.0, 2.0, f64::NAN]), [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    let bounds = |x: &Var| x.clamp_tensor(Some(&Var::from(vector(&[0.0; 4]))), Some(&Var::from(vector(&[1.0; 4]))));
    assert_eq!(at(bounds, &[-1.0, 0.0, 0.5, 1.0]), [0.0, 0.5, 1.0, 0.5]);
    assert_eq!(at(|x| x.clamp_tensor(Some(x), None), &[2.0]), [1.0]);
    assert_eq!(at(|x| x.fmax(Var::from(vector(&[1.0, 1.0, f64::NAN]))), &[1.0, 0.0, 1.0]), [0.5, 0.0, 1.0]);
    assert_eq!(at(|x| x.fmin(Var::from(vector(&[1.0, 1.0, 1.0]))), &[1.0, 0.0, f64::NAN]), [0.5, 1.0, 0.0]);
    assert_eq!(at(|x| x.maximum(1.0), &[0.0, 1.0, 2.0]), [0.0, 0.5, 1.0]);
    assert_eq!(at(|x| x.max(), &[1.0, 2.0, 2.0]), [0.0, 0.5, 0.5]);
    assert_eq!(at(|x| x.max_dim(0).0, &[1.0, 2.0, 2.0]), [0.0, 1.0, 0.0]);
    assert_eq!(at(|x| x.pow(0), &[0.0, 2.0]), [0.0, 0.0]);
    assert_eq!(at(|x| x.pow(Var::from(vector(&[0.0, 2.0]))), &[0.0, 2.0]), [0.0, 4.0]);
    assert_eq!(at(|y| Var::pow_of(0.0, y), &[0.0, 2.0]), [0.0, 0.0]);
    assert_eq!(at(|x| x.norm(()), &[0.0, 0.0]), [0.0, 0.0]);
    assert_eq!(at(|x| x.std((), 1.0), &[2.0, 2.0]), [0.0, 0.0]);
    assert_eq!(at(|x| x.prod(()), &[0.0, 3.0, 4.0]), [12.0, 0.0, 0.0]);
    assert_eq!(at(|x| x.prod(()), &[0.0, 0.0, 4.0]), [0.0, 0.0, 0.0]);
    assert_eq!(at(|x| x.cumprod(0), &[2.0, 0.0, 4.0]), [1.0, 10.0, 0.0]);
    assert_eq!(at(|x| x.leaky_relu(0.1), &[-1.0, 0.0]), [0.1, 0.1]);
    assert_eq!(at(|x| x.elu(1.0), &[0.0, 1000.0]), [1.0, 1.0]);
}
