//! What draws from the default generator, held against numbers that PyTorch drew with the same seed.

use wengert_autograd::Var;
use wengert_autograd::functional::{self, EmbeddingOptions, GumbelOptions};
use wengert_autograd::tensor::{DType, Tensor, manual_seed};

#[test]
fn gumbel_softmax_draws_as_pytorch_does() {
    let logits = Var::leaf(Tensor::new([[0.1f32, 0.2, 0.7], [1.0, -1.0, 0.5]]));
    manual_seed(7);
    let soft = logits.gumbel_softmax(&GumbelOptions { tau: 0.5, ..Default::default() });
    let expected = [0.421409, 0.5403249, 0.0382662, 0.8859, 0.0028347, 0.1112653];
    for (ours, theirs) in soft.to_vec::<f64>().into_iter().zip(expected) {
        assert!((ours - theirs).abs() < 2e-6, "{ours} is not {theirs}");
    }
    manual_seed(7);
    let hard = logits.gumbel_softmax(&GumbelOptions { tau: 0.5, hard: true, dim: 0 });
    assert_eq!(hard.value().round().to_vec::<f32>(), [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
    (hard * Tensor::new([[1.0f32], [0.0]])).sum(()).backward();
    assert!(logits.grad().expect("a leaf").to_vec::<f32>()[0] > 0.0, "the gradient is that of the soft sample");
}

#[test]
fn dropout_of_channels_takes_a_missing_batch_for_one() {
    manual_seed(7);
    let x = Var::from(Tensor::ones([4, 2], DType::F32));
    assert_eq!(functional::dropout1d(&x, 0.5).to_vec::<f32>(), [2.0, 2.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0]);
    let x = Var::from(Tensor::ones([4, 1, 1, 2], DType::F32));
    assert_eq!(functional::dropout3d(&x, 0.5).to_vec::<f32>(), [0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 0.0, 0.0]);
}

#[test]
fn embedding_scales_long_rows_down_and_shares_gradients_by_count() {
    let table = Var::leaf(Tensor::new([[3.0f32, 4.0], [0.3, 0.4], [6.0, 8.0]]));
    let index = Tensor::from_vec(vec![0i64, 1], [2]);
    let found = functional::embedding(&index, &table, &EmbeddingOptions { max_norm: Some(1.0), ..Default::default() });
    for (ours, theirs) in found.to_vec::<f64>().into_iter().zip([0.6, 0.8, 0.3, 0.4]) {
        assert!((ours - theirs).abs() < 1e-6, "{ours} is not {theirs}");
    }
    let written = functional::embedding_renorm(table.value(), &index, 1.0, 2.0);
    assert_eq!(written.select(0, 2).to_vec::<f32>(), [6.0, 8.0], "a row that is not looked up stays as it is");
    let options = EmbeddingOptions { padding_idx: Some(1), scale_grad_by_freq: true, ..Default::default() };
    functional::embedding(&Tensor::from_vec(vec![0i64, 1, 0], [3]), &table, &options).sum(()).backward();
    assert_eq!(table.grad().expect("a leaf").to_vec::<f32>(), [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
}
