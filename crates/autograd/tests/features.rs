//! Hooks, derivatives of whole functions, checkpointing and anomaly mode.

use std::sync::{Arc, Mutex};
use wengert_autograd::functional::dropout;
use wengert_autograd::tensor::{Tensor, manual_seed};
use wengert_autograd::{
    BackwardOptions, DerivativeOptions, GradOptions, Var, checkpoint, checkpoint_sequential, detect_anomaly, grad,
    hessian, hvp, jacobian, jvp, vjp,
};

fn leaf(data: &[f64]) -> Var {
    Var::leaf(Tensor::from_vec(data.to_vec(), [data.len()]))
}

fn values(x: &Var) -> Vec<f64> {
    x.to_vec::<f64>()
}

fn message(f: impl FnOnce() + std::panic::UnwindSafe) -> String {
    *std::panic::catch_unwind(f).expect_err("it panics").downcast::<String>().expect("with a text")
}

#[test]
fn hooks_see_and_change_gradients_in_order() {
    let x = leaf(&[1.0, 2.0]);
    let y = &x * 3.0;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = seen.clone();
    y.register_hook(move |g| {
        notes.lock().unwrap().push(g.to_vec::<f64>());
        Some(g * 2.0)
    });
    let second = y.register_hook(|g| Some(g + 1.0));
    let total = y.sum(());
    total.backward_with(BackwardOptions { retain_graph: true, ..Default::default() });
    // (1 * 2 + 1) * 3
    assert_eq!(x.grad().unwrap().to_vec::<f64>(), [9.0, 9.0]);
    second.remove();
    x.zero_grad();
    total.backward();
    assert_eq!(x.grad().unwrap().to_vec::<f64>(), [6.0, 6.0]);
    assert_eq!(*seen.lock().unwrap(), vec![vec![1.0, 1.0]; 2]);
}

#[test]
fn hooks_on_leaves_come_before_and_after_accumulation() {
    let x = leaf(&[1.0]);
    x.register_hook(|g| Some(g * 5.0));
    let told = Arc::new(Mutex::new(Vec::new()));
    let notes = told.clone();
    x.register_post_accumulate_grad_hook(move |leaf| notes.lock().unwrap().push(leaf.grad().unwrap().item::<f64>()));
    (&x * 2.0).sum(()).backward();
    (&x * 2.0).sum(()).backward();
    assert_eq!(*told.lock().unwrap(), [10.0, 20.0]);
    // `grad` gives what the hook leaves too.
    assert_eq!(values(&grad(&[&(&x * 2.0).sum(())], &[&x], &GradOptions::default())[0]), [10.0]);
}

#[test]
fn gradients_of_inner_nodes_are_kept_on_request() {
    let x = leaf(&[1.0, 2.0]);
    let y = x.square();
    assert!(y.grad().is_none());
    y.retain_grad();
    (&y * 3.0).sum(()).backward();
    assert_eq!(y.grad().unwrap().to_vec::<f64>(), [3.0, 3.0]);
    assert_eq!(
        message(|| Var::from(Tensor::scalar(1.0f64)).retain_grad()),
        "can't retain_grad on Tensor that has requires_grad=False"
    );
}

#[test]
fn hooks_die_with_their_node() {
    let token = Arc::new(());
    let held = token.clone();
    let y = leaf(&[1.0]) * 2.0;
    y.register_hook(move |_| {
        let _ = &held;
        None
    });
    assert_eq!(Arc::strong_count(&token), 2);
    drop(y);
    assert_eq!(Arc::strong_count(&token), 1);
}

#[test]
fn products_with_jacobians_agree_with_the_jacobian() {
    let f = |x: &[Var]| [x[0].sin() * &x[1], (&x[0] * &x[1]).sum(())];
    let x = [leaf(&[0.3, 0.7]), leaf(&[1.5, -2.0])];
    let j = jacobian(f, &x, DerivativeOptions::default());
    assert_eq!((j[0][1].shape(), j[1][0].shape()), (&[2, 2][..], &[2][..]));
    let v = [leaf(&[2.0, 3.0]).detach(), Var::from(Tensor::scalar(0.5f64))];
    let (_, left) = vjp(f, &x, &v, DerivativeOptions::default());
    for i in 0..2 {
        let want = v[0].matmul(&j[0][i]) + &v[1] * &j[1][i];
        assert!(left[i].value().allclose(want.value(), 1e-12, 1e-12), "{} {want}", left[i]);
    }
    let w = [leaf(&[1.0, -1.0]).detach(), leaf(&[0.25, 4.0]).detach()];
    let (y, right) = jvp(f, &x, &w, DerivativeOptions::default());
    assert_eq!(y.len(), 2);
    let want = j[0][0].mv(&w[0]) + j[0][1].mv(&w[1]);
    assert!(right[0].value().allclose(want.value(), 1e-12, 1e-12));
    let want = j[1][0].dot(&w[0]) + j[1][1].dot(&w[1]);
    assert!(right[1].value().allclose(want.value(), 1e-12, 1e-12));
    assert!(!right[0].requires_grad());
}

#[test]
fn hessians_are_derivatives_of_gradients() {
    let f = |x: &[Var]| (x[0].pow(3) * &x[1]).sum(());
    let x = [leaf(&[1.0, 2.0]), leaf(&[3.0, 5.0])];
    let h = hessian(f, &x, DerivativeOptions::default());
    assert_eq!(values(&h[0][0]), [18.0, 0.0, 0.0, 60.0]);
    assert_eq!(values(&h[0][1]), [3.0, 0.0, 0.0, 12.0]);
    assert_eq!(values(&h[1][1]), [0.0; 4]);
    let v = [leaf(&[1.0, 1.0]), leaf(&[0.0, 2.0])];
    let (_, products) = hvp(f, &x, &v, DerivativeOptions::default());
    assert_eq!(values(&products[0]), [18.0, 84.0]);
    // With a graph the Hessian can be differentiated with respect to the inputs.
    let options = DerivativeOptions { create_graph: true, ..Default::default() };
    let h = hessian(f, &x, options);
    h[0][0].sum(()).backward();
    assert_eq!(x[0].grad().unwrap().to_vec::<f64>(), [18.0, 30.0]);
}

#[test]
fn strict_derivatives_refuse_what_does_not_depend_on_the_inputs() {
    // What PyTorch says to each.
    const CONSTANT: &str = "Output 0 of the user-provided function does not require gradients. The outputs must be computed \
        in a differentiable manner from the input when running in strict mode.";
    const UNUSED: &str = "The output of the user-provided function is independent of input 1. This is not allowed in strict \
        mode.";
    const LINEAR: &str = "The jacobian of the user-provided function is independent of input 0. This is not allowed in \
        strict mode when create_graph=True.";
    const FLAT: [&str; 2] = [
        "While computing the hessian, found that the jacobian of the user-provided function with respect to input",
        "is independent of the input. This is not allowed in strict mode. You should ensure that your function is twice \
         differentiable and that the jacobian depends on the inputs (this would be violated by a linear function for example).",
    ];
    let strict = DerivativeOptions { strict: true, ..Default::default() };
    let graph = DerivativeOptions { create_graph: true, ..strict };
    let constant = |_: &[Var]| leaf(&[1.0]).detach();
    let twice = |x: &[Var]| &x[0] * 2.0;
    let square = |x: &[Var]| x[0].square().sum(());
    let apart = |x: &[Var]| x[0].square().sum(()) + x[1].pow(3).sum(());
    let ([x, y], one) = ([leaf(&[1.0]), leaf(&[3.0])], leaf(&[1.0]).detach());
    let (single, both) = ([x.clone()], [x, y]);
    let (v, two) = ([one.clone()], [one.clone(), one]);
    let flat = |i: usize| format!("{} {i} {}", FLAT[0], FLAT[1]);
    let rows: [(String, &dyn Fn()); 15] = [
        (CONSTANT.into(), &|| drop(jacobian(constant, &single, strict))),
        (
            "Output 0 of the user-provided function is independent of input 1. This is not allowed in strict mode."
                .into(),
            &|| {
                drop(jacobian(twice, &both, strict));
            },
        ),
        (LINEAR.into(), &|| drop(jacobian(twice, &single, graph))),
        (CONSTANT.into(), &|| drop(vjp(constant, &single, &v, strict))),
        (UNUSED.into(), &|| drop(vjp(twice, &both, &v, strict))),
        (LINEAR.into(), &|| drop(vjp(twice, &single, &v, graph))),
        (CONSTANT.into(), &|| drop(jvp(constant, &single, &v, strict))),
        (UNUSED.into(), &|| drop(jvp(twice, &both, &two, strict))),
        (LINEAR.into(), &|| drop(jvp(twice, &single, &v, graph))),
        (CONSTANT.into(), &|| drop(hessian(constant, &single, strict))),
        (flat(0), &|| drop(hessian(|x| twice(x).sum(()), &single, strict))),
        (flat(1), &|| drop(hessian(square, &both, strict))),
        (
            "Output 0 of the user-provided function is independent of input 1. This is not allowed in strict mode."
                .into(),
            &|| {
                drop(hessian(apart, &both, strict));
            },
        ),
        (flat(0), &|| drop(hvp(|x| twice(x).sum(()), &single, &v, strict))),
        (UNUSED.into(), &|| drop(hvp(square, &both, &two, strict))),
    ];
    for (i, (expected, call)) in rows.iter().enumerate() {
        let text = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).expect_err("it is refused");
        assert_eq!(text.downcast_ref::<String>(), Some(expected), "row {i}");
    }
    assert_eq!(values(&hvp(apart, &both, &two, strict).1[1]), [18.0]);
}

#[test]
fn checkpoints_give_the_same_gradients_to_inputs_and_what_is_captured() {
    let run = |apart: bool| {
        manual_seed(3);
        let (x, w) = (leaf(&[0.5, -1.0, 2.0]), leaf(&[1.0, 2.0, 3.0]));
        let weight = w.clone();
        let f = move |x: &[Var]| dropout(&(&x[0] * &weight).tanh(), 0.5) * &x[0];
        let y = if apart { checkpoint(f, &[&x]) } else { f(std::slice::from_ref(&x)) };
        let after = wengert_autograd::tensor::rand([2]).to_vec::<f64>();
        (&y * &y).sum(()).backward();
        // The generator goes on as if nothing had been computed again.
        let later = wengert_autograd::tensor::rand([2]).to_vec::<f64>();
        (values(&y), x.grad().unwrap().to_vec::<f64>(), w.grad().unwrap().to_vec::<f64>(), after, later)
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn checkpoints_nest_and_differentiate_twice() {
    let x = leaf(&[0.5, 1.5]);
    let inner = |x: &[Var]| checkpoint(|x| x[0].exp() * &x[0], &[&x[0]]).sin();
    let second = |y: Var| {
        let g = grad(&[&y.sum(())], &[&x], &GradOptions { create_graph: true, ..Default::default() });
        values(&grad(&[&g[0].sum(())], &[&x], &GradOptions::default())[0])
    };
    let nested = second(checkpoint(inner, &[&x]));
    let plain = second((x.exp() * &x).sin());
    nested.iter().zip(&plain).for_each(|(a, b)| assert!((a - b).abs() < 1e-12, "{a} {b}"));
    let parts: Vec<_> = (1..=5).map(|k| move |x: &Var| (x * k as f64).sin()).collect();
    let whole = (1..=5).fold(x.clone(), |x, k| (x * k as f64).sin());
    let sum = checkpoint_sequential(parts, 2, &x);
    assert_eq!(values(&sum), values(&whole));
    let gradient = |y: &Var| values(&grad(&[&y.sum(())], &[&x], &GradOptions::default())[0]);
    assert_eq!(gradient(&sum), gradient(&whole));
}

#[test]
fn anomaly_mode_names_the_operation_and_the_line() {
    let text = message(|| {
        detect_anomaly(|| {
            let x = leaf(&[0.0]);
            (x.sqrt() * 0.0).sum(()).backward();
        });
    });
    assert!(text.starts_with("Function 'SqrtBackward0' returned nan values in its 0th output."), "{text}");
    assert!(text.contains("features.rs"), "{text}");
    let text = message(|| drop(detect_anomaly(|| leaf(&[-1.0]).log())));
    assert!(text.contains("'LogBackward0' made nan values in the forward pass"), "{text}");
    // Outside of it nothing is checked.
    assert!(leaf(&[-1.0]).log().item::<f64>().is_nan());
}
