//! Operations as functions, as in `torch.nn.functional`.

use crate::Var;
use wengert_tensor::Conv2dOptions;

pub use crate::ops::activation::GumbelOptions;
pub use crate::ops::bilinear::bilinear;
pub use crate::ops::ctc::{CtcOptions, ctc_loss};
pub use crate::ops::dropout::{alpha_dropout, dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout};
pub use crate::ops::embedding::{EmbeddingOptions, embedding_renorm};
pub use crate::ops::likelihood::{
    GaussianNLLOptions, PoissonNLLOptions, gaussian_nll_loss, linear_cross_entropy, poisson_nll_loss,
};
pub use crate::ops::loss::{
    CrossEntropyOptions, KlDivOptions, Reduction, binary_cross_entropy, binary_cross_entropy_with_logits,
    cross_entropy, cross_entropy_with, huber_loss, kl_div, l1_loss, l1_loss_with, mse_loss, mse_loss_with, nll_loss,
    nll_loss_with, smooth_l1_loss,
};
pub use crate::ops::margin::{
    MultiMarginOptions, TripletMarginOptions, cosine_embedding_loss, hinge_embedding_loss, margin_ranking_loss,
    multi_margin_loss, multilabel_margin_loss, multilabel_soft_margin_loss, soft_margin_loss, triplet_margin_loss,
    triplet_margin_with_distance_loss,
};
pub use crate::ops::multihead::{MultiheadOptions, multi_head_attention_forward};
pub use crate::ops::norm::BatchNorm;
pub use wengert_tensor::ctc::ZeroInfinity;
pub use wengert_tensor::{ConvOptions, ConvTransposeOptions};

/// [`Var::linear`].
#[track_caller]
pub fn linear(input: &Var, weight: &Var, bias: Option<&Var>) -> Var {
    input.linear(weight, bias)
}

/// [`Var::conv2d`].
#[track_caller]
pub fn conv2d(input: &Var, weight: &Var, bias: Option<&Var>, options: &Conv2dOptions) -> Var {
    input.conv2d(weight, bias, options)
}

/// [`Var::embedding`].
#[track_caller]
pub fn embedding(input: &wengert_tensor::Tensor, weight: &Var, options: &EmbeddingOptions) -> Var {
    weight.embedding(input, options)
}
