//! A chain of a million operations, on a small stack.

use wengert_autograd::{Var, tensor::Tensor};

const LENGTH: usize = 1_000_000;

fn on_a_small_stack(f: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(f).expect("a thread");
    thread.join().expect("no overflow");
}

#[test]
fn a_chain_of_a_million_nodes_runs_backward() {
    on_a_small_stack(|| {
        let x = Var::leaf(Tensor::from_vec(vec![2.0f32], [1]));
        let c = Var::from(Tensor::from_vec(vec![1.0f32], [1]));
        let y = (0..LENGTH / 2).fold(x.clone(), |y, _| (y * &c).reshape([1]));
        y.backward();
        assert_eq!(x.grad().unwrap().item::<f32>(), 1.0);
    });
}

#[test]
fn a_chain_of_a_million_nodes_drops_without_running() {
    on_a_small_stack(|| {
        let x = Var::leaf(Tensor::from_vec(vec![2.0f32], [1]));
        // A square saves the value that is its input, so values are held twice over.
        let y = (0..LENGTH).fold(x.clone(), |y, _| &y * &y);
        drop(y);
        assert!(x.grad().is_none());
    });
}
