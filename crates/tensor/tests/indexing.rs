//! The syntax of `x[…]` and `x[…] = v` against PyTorch's results.

#![allow(clippy::unwrap_used)]
// `1..=-1` ends at the last element.
#![allow(clippy::reversed_empty_ranges)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use wengert_tensor::{DType, Ellipsis, Indices, NewAxis, Step, Tensor, tensor};

fn x() -> Tensor {
    Tensor::arange(0, 24, 1).view([2, 3, 4])
}

/// The same numbers, not in C order and in memory shared with another tensor.
fn turned() -> Tensor {
    x().transpose(0, 2).copy().transpose(0, 2)
}

/// What is read; and that writing different numbers to the same place changes that and nothing else.
fn check<I: Indices>(index: impl Fn() -> I, shape: &[usize], values: &[i64]) {
    for x in [x(), turned()] {
        let read = x.i(index());
        assert_eq!(read.shape(), shape);
        assert_eq!(read.to_vec::<i64>(), values);
        let new = Tensor::arange_of(-1, -1 - values.len() as i64, -1, DType::I32).reshape(shape);
        let mut want = x.to_vec::<i64>();
        for (&at, &v) in values.iter().zip(&new.to_vec::<i64>()) {
            want[at as usize] = v;
        }
        let (mut written, before) = (x.clone(), x.to_vec::<i64>());
        written.set(index(), &new);
        assert_eq!(written.to_vec::<i64>(), want);
        assert_eq!(x.to_vec::<i64>(), before, "a write showed through another tensor");
        values.iter().for_each(|&at| want[at as usize] = 99);
        written.fill_at(index(), 99);
        assert_eq!(written.to_vec::<i64>(), want);
    }
}

/// Rows `(index) => shape, values`: `x[index]` of `torch.arange(24).view(2, 3, 4)`.
macro_rules! rows {
    ($(($index:expr) => $shape:expr, $values:expr;)*) => { $(check(|| $index, &$shape, &$values);)* };
}

#[test]
fn reads_and_writes_name_pytorchs_elements() {
    rows! {
        (1) => [3, 4], [12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23];
        ((1, -2)) => [4], [16, 17, 18, 19];
        ((0, 1, 2)) => [], [6];
        (..) => [2, 3, 4], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23];
        ((.., 1..3)) => [2, 2, 4], [4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19, 20, 21, 22, 23];
        ((.., -2..)) => [2, 2, 4], [4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19, 20, 21, 22, 23];
        ((Ellipsis, ..-1)) => [2, 3, 3], [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 16, 17, 18, 20, 21, 22];
        ((0..9, 5..)) => [2, 0, 4], [];
        ((.., ..=1)) => [2, 2, 4], [0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15, 16, 17, 18, 19];
        ((Ellipsis, 1..=-1)) => [2, 3, 3], [1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19, 21, 22, 23];
        ((Ellipsis, 0)) => [2, 3], [0, 4, 8, 12, 16, 20];
        ((0, Ellipsis, 1)) => [3], [1, 5, 9];
        ((NewAxis, 1, NewAxis)) => [1, 1, 3, 4], [12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23];
        ((Ellipsis, NewAxis)) => [2, 3, 4, 1], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23];
        ((.., .., Step(1.., 2))) => [2, 3, 2], [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23];
        (Step(.., 5)) => [1, 3, 4], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
        ([1, 0, 1]) => [3, 3, 4], [12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23];
        ((.., vec![-1, 0])) => [2, 2, 4], [8, 9, 10, 11, 0, 1, 2, 3, 20, 21, 22, 23, 12, 13, 14, 15];
        ((0, .., tensor![1, 2])) => [3, 2], [1, 2, 5, 6, 9, 10];
        ((tensor![0, 1], .., tensor![3, 0])) => [2, 3], [3, 7, 11, 12, 16, 20];
        ((tensor![0, 1], NewAxis, tensor![2, 0])) => [2, 1, 4], [8, 9, 10, 11, 12, 13, 14, 15];
        ((NewAxis, [1])) => [1, 1, 3, 4], [12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23];
        ((1, tensor![true, false, true])) => [2, 4], [12, 13, 14, 15, 20, 21, 22, 23];
        ((tensor![[true, false, true], [false, false, true]], 1..3)) => [3, 2], [1, 2, 9, 10, 21, 22];
        ((tensor![[true, false, true], [false, false, true]], tensor![3, 0, 0])) => [3], [3, 8, 20];
        ((.., Tensor::scalar(2))) => [2, 4], [8, 9, 10, 11, 20, 21, 22, 23];
        ((Tensor::scalar(true), 0)) => [1, 3, 4], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
        ((Tensor::scalar(false), 1)) => [0, 3, 4], [];
        ((tensor![[0, 1], [1, 1]], -1, 1..)) => [2, 2, 3], [9, 10, 11, 21, 22, 23, 21, 22, 23, 21, 22, 23];
        ((.., tensor![2], tensor![[0], [1]])) => [2, 2, 1], [8, 9, 20, 21];
        ((Ellipsis, tensor![0, 3], NewAxis)) => [2, 3, 2, 1], [0, 3, 4, 7, 8, 11, 12, 15, 16, 19, 20, 23];
        ((1..1, 0)) => [0, 4], [];
        ((-5..1, 0, Step(-3..-1, 1))) => [1, 2], [1, 2];
    }
}

fn message(f: impl FnOnce()) -> String {
    *catch_unwind(AssertUnwindSafe(f)).unwrap_err().downcast::<String>().unwrap()
}

#[test]
fn mistakes_are_told_in_pytorchs_words() {
    let x = Tensor::zeros([2, 3], DType::F32);
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32);
    let read = |f: fn(&Tensor) -> Tensor| message(|| drop(f(&x)));
    assert_eq!(read(|x| x.i(2)), "index 2 is out of bounds for dimension 0 with size 2");
    assert_eq!(read(|x| x.i((0, 3))), "index 3 is out of bounds for dimension 1 with size 3");
    assert_eq!(read(|x| x.i((0, 0, 0))), "too many indices for tensor of dimension 2");
    assert_eq!(read(|x| x.i(Step(.., 0))), "slice step cannot be zero");
    assert!(read(|x| x.i(tensor![5])).contains("index 5 is out of bounds for dimension 0 with size 2"));
    assert!(read(|_| Tensor::scalar(1.0).i(0)).starts_with("invalid index of a 0-dim tensor."));
    let write = |shape: &[usize]| message(|| drop(x.clone().set(0, &zeros(shape)).clone()));
    assert_eq!(
        write(&[4]),
        "The expanded size of the tensor (3) must match the existing size (4) at non-singleton dimension 0.  Target \
         sizes: [3].  Tensor sizes: [4]"
    );
    assert!(
        write(&[2, 3]).starts_with("expand(torch.FloatTensor{[2, 3]}, size=[3]): the number of sizes provided (1)")
    );
    assert_eq!(
        message(|| drop(x.clone().set(tensor![0, 1], &zeros(&[4])).clone())),
        "shape mismatch: value tensor of shape [4] cannot be broadcast to indexing result of shape [2, 3]"
    );
}

#[test]
fn values_are_broadcast_and_converted() {
    let mut x = Tensor::zeros([2, 3], DType::F32);
    x.set(0, &tensor![1, 2, 3]).set((.., 2), &tensor![[7.5]]).set((1, 0), &Tensor::scalar(true));
    assert_eq!(x.to_vec::<f32>(), [1.0, 2.0, 7.5, 1.0, 0.0, 7.5]);
    x.set(.., &Tensor::zeros([1, 1, 1, 3], DType::I64)).fill_at((.., Step(.., 2)), 2.5);
    assert_eq!(x.to_vec::<f32>(), [2.5, 0.0, 2.5, 2.5, 0.0, 2.5]);
    let mut scalar = Tensor::scalar(1.0);
    scalar.set(Ellipsis, &Tensor::scalar(3.0));
    assert_eq!(scalar.item::<f64>(), 3.0);
}
