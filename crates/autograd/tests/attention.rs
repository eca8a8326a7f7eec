//! Attention where a query sees no key, as PyTorch has it.

use wengert_autograd::{AttentionOptions, Var};
use wengert_tensor::{DType, Tensor};

fn attend(q: f32, options: &AttentionOptions) -> Vec<f32> {
    let [k, v] = [1.0, 2.0].map(|x| Var::from(Tensor::full([3, 4], x, DType::F32)));
    let mut q = vec![q; 8];
    q[4..].fill(1.0);
    let q = Var::from(Tensor::from_vec(q, [2, 4]));
    q.scaled_dot_product_attention(&k, &v, options).value().select(1, 0).to_vec()
}

#[test]
fn a_query_that_sees_no_key_gets_zeros() {
    let mask = Tensor::from_vec(vec![false, false, false, true, false, true], [2, 3]);
    let masked = AttentionOptions { mask: Some(Var::from(mask)), ..AttentionOptions::default() };
    assert_eq!(attend(1.0, &masked), [0.0, 2.0]);
    for causal in [false, true] {
        let options = AttentionOptions { causal, ..AttentionOptions::default() };
        assert_eq!(attend(1.0, &options), [2.0, 2.0]);
        // All scores are infinitely low.
        assert_eq!(attend(f32::NEG_INFINITY, &options), [0.0, 2.0]);
    }
}

#[test]
fn a_query_that_is_no_number_stays_none() {
    let out = attend(f32::NAN, &AttentionOptions::default());
    assert!(out[0].is_nan() && out[1] == 2.0);
}
