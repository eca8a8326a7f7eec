//! PyTorch's layers in module trees: walk them, run them, save them.
//!
//! A network is a struct whose fields are layers. `#[derive(Tree)]` names what is in it, [`Module`] runs it, and from
//! the two follow names, parameters, state dicts, training modes and printing, all as in PyTorch.
#![forbid(unsafe_code)]

// Lets `#[derive(Tree)]` name this crate from within.
#[allow(unused_extern_crates)]
extern crate self as wengert_nn;

mod activation;
mod activation_with;
mod adaptive_softmax;
mod attention;
mod averaged;
mod bilinear;
mod cells;
mod container;
mod conv;
mod conv_transpose;
mod display;
mod distance;
mod dropout;
mod embedding;
mod embedding_bag;
#[cfg(feature = "io")]
mod file;
mod flatten;
mod fractional_pool;
mod glob;
mod group_norm;
#[doc(hidden)]
pub mod hooks;
pub mod init;
mod instance_norm;
mod layer_norm;
mod lazy;
mod likelihood;
mod linear;
mod list;
mod load;
mod loss;
mod margin;
mod module;
mod norm;
mod packed;
mod padding;
mod parameters;
pub mod parametrizations;
pub mod parametrize;
mod parts;
mod pooling;
mod pooling_nd;
mod prelu;
pub mod prune;
mod rearrange;
mod rebuild_field;
mod recurrent;
mod recurrent_sequence;
mod replace;
mod sequential;
mod setting;
mod size;
mod spec;
mod state;
mod summary;
mod transformer;
mod tree;
pub mod utils;
mod walk;

pub use activation::{
    Hardsigmoid, Hardswish, LogSigmoid, Mish, ReLU, ReLU6, SELU, SiLU, Sigmoid, Softmax2d, Softsign, Tanh, Tanhshrink,
};
pub use activation_with::{
    CELU, ELU, GELU, GLU, Hardshrink, Hardtanh, LeakyReLU, LogSoftmax, Softmax, Softmin, Softplus, Softshrink,
    Threshold,
};
pub use adaptive_softmax::{AdaptiveLogSoftmaxOptions, AdaptiveLogSoftmaxWithLoss};
pub use attention::{Attend, MultiheadAttention, MultiheadAttentionOptions, NonDynamicallyQuantizableLinear};
pub use averaged::{AveragedModel, AveragedModelOptions, AvgFn, get_ema_avg_fn, get_swa_avg_fn, update_bn};
pub use bilinear::Bilinear;
pub use cells::{GRUCell, LSTMCell, RNNCell, RNNNonlinearity};
pub use container::Key;
pub use conv::{Conv, Conv1d, Conv1dOptions, Conv2d, Conv2dOptions, Conv3d, Conv3dOptions, ConvOptions};
pub use conv_transpose::{ConvTranspose, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, ConvTransposeOptions};
pub use display::format_tree;
pub use distance::{
    CosineEmbeddingLoss, CosineSimilarity, Distance, MarginRankingLoss, PairwiseDistance, PairwiseDistanceOptions,
    TripletMarginLoss, TripletMarginOptions, TripletMarginWithDistanceLoss,
};
pub use dropout::{AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, FeatureAlphaDropout};
pub use embedding::{Embedding, EmbeddingOptions};
pub use embedding_bag::{EmbeddingBag, EmbeddingBagOptions};
#[cfg(feature = "io")]
pub use file::{ModelError, load_model, save_model};
pub use flatten::{Flatten, Unflatten};
pub use fractional_pool::{FractionalMaxPool, FractionalMaxPool2d, FractionalMaxPool3d};
pub use group_norm::{
    GroupNorm, GroupNormOptions, LocalResponseNorm, LocalResponseNormOptions, RMSNorm, RMSNormOptions,
};
pub use hooks::{BackwardHook, ForwardHook, ForwardPreHook, ModuleHook, watch};
pub use instance_norm::{InstanceNorm, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, InstanceNormOptions};
pub use layer_norm::{LayerNorm, LayerNormOptions};
pub use lazy::{
    Lazy, LazyBatchNorm1d, LazyBatchNorm2d, LazyBatchNorm3d, LazyConv1d, LazyConv2d, LazyConv3d, LazyConvTranspose1d,
    LazyConvTranspose2d, LazyConvTranspose3d, LazyInstanceNorm1d, LazyInstanceNorm2d, LazyInstanceNorm3d, LazyLayer,
    LazyLinear,
};
pub use likelihood::{
    CTCLoss, CtcOptions, GaussianNLLLoss, GaussianNLLOptions, LinearCrossEntropyLoss, LinearCrossEntropyLossOptions,
    LinearCrossEntropyOptions, PoissonNLLLoss, PoissonNLLOptions, ZeroInfinity,
};
pub use linear::{Identity, Linear, LinearOptions};
pub use list::{ModuleDict, ModuleList};
pub use load::{IncompatibleKeys, LoadError, SizeMismatch};
pub use loss::{
    BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, HuberLoss, KLDivLoss, L1Loss, MSELoss, NLLLoss, SmoothL1Loss,
};
pub use margin::{
    HingeEmbeddingLoss, MultiLabelMarginLoss, MultiLabelSoftMarginLoss, MultiMarginLoss, MultiMarginOptions,
    SoftMarginLoss,
};
pub use module::{AsModule, Module};
pub use norm::{BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d, BatchNormOptions, SyncBatchNorm};
pub use packed::{
    Axes, Order, PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence, pad_sequence,
    unpack_sequence, unpad_sequence,
};
pub use padding::{
    CircularPad, CircularPad1d, CircularPad2d, CircularPad3d, ConstantPad, ConstantPad1d, ConstantPad2d, ConstantPad3d,
    Pads, ReflectionPad, ReflectionPad1d, ReflectionPad2d, ReflectionPad3d, ReplicationPad, ReplicationPad1d,
    ReplicationPad2d, ReplicationPad3d, ZeroPad, ZeroPad1d, ZeroPad2d, ZeroPad3d,
};
pub use parameters::{ParameterDict, ParameterList};
pub use parts::{NamedModules, Parts};
pub use pooling::{AdaptiveAvgPool2d, AvgPool2d, AvgPool2dOptions, GlobalAvgPool2d, MaxPool2d, MaxPool2dOptions};
pub use pooling_nd::{
    AdaptiveAvgPool1d, AdaptiveAvgPool3d, AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d, AvgPool1d,
    AvgPool3d, AvgPool3dOptions, LPPool1d, LPPool2d, LPPool3d, MaxPool1d, MaxPool1dOptions, MaxPool3d,
    MaxPool3dOptions,
};
pub use prelu::{PReLU, RReLU};
pub use rearrange::{
    ChannelShuffle, Fold, FoldOptions, MaxUnpool, MaxUnpool1d, MaxUnpool2d, MaxUnpool3d, PixelShuffle, PixelUnshuffle,
    Unfold, Upsample, UpsamplingBilinear2d, UpsamplingNearest2d,
};
pub use rebuild_field::RebuildField;
pub use recurrent::{GRU, LSTM, RNN, RecurrentOptions};
#[doc(hidden)]
pub use replace::{New, Slot};
pub use sequential::Sequential;
pub use setting::Setting;
pub use size::{Padding, PaddingMode, Pair, Single, Size, Sizes, Triple};
pub use spec::{Rebuild, Registry, Spec, SpecError};
pub use state::{Buffer, Mode};
pub use summary::{Row, Summary, summary};
pub use transformer::{
    Masks, Transformer, TransformerActivation, TransformerDecoder, TransformerDecoderLayer, TransformerEncoder,
    TransformerEncoderLayer, TransformerMasks, TransformerOptions, generate_square_subsequent_mask,
};
pub use tree::{Field, Tree, Visitor};
pub use wengert_autograd as autograd;
pub use wengert_autograd::functional::{self, CrossEntropyOptions, KlDivOptions, Reduction};
pub use wengert_autograd::{AvgPoolOptions, BagMode, Param, Var};
pub use wengert_nn_derive::{Rebuild, Tree, module};
pub use wengert_tensor as tensor;
pub use wengert_tensor::{DType, Dict, StateDict, Tensor, Value};

/// The types that [`Registry::new`] knows, one row per layer.
macro_rules! layers {
    ($($Layer:ty),* $(,)?) => {
        pub(crate) fn register_layers(registry: &mut Registry) {
            $(registry.register::<$Layer>();)*
        }
    };
}
layers! {
    Identity,
    Linear,
    LazyLinear,
    LazyConv1d,
    LazyConv2d,
    LazyConv3d,
    LazyConvTranspose1d,
    LazyConvTranspose2d,
    LazyConvTranspose3d,
    LazyBatchNorm1d,
    LazyBatchNorm2d,
    LazyBatchNorm3d,
    LazyInstanceNorm1d,
    LazyInstanceNorm2d,
    LazyInstanceNorm3d,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    ZeroPad1d,
    ZeroPad2d,
    ZeroPad3d,
    ConstantPad1d,
    ConstantPad2d,
    ConstantPad3d,
    ReflectionPad1d,
    ReflectionPad2d,
    ReflectionPad3d,
    ReplicationPad1d,
    ReplicationPad2d,
    ReplicationPad3d,
    CircularPad1d,
    CircularPad2d,
    CircularPad3d,
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    SyncBatchNorm,
    LayerNorm,
    GroupNorm,
    RMSNorm,
    LocalResponseNorm,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    Dropout,
    Dropout1d,
    Dropout2d,
    Dropout3d,
    AlphaDropout,
    FeatureAlphaDropout,
    Embedding,
    EmbeddingBag,
    MultiheadAttention,
    NonDynamicallyQuantizableLinear,
    TransformerEncoderLayer,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerDecoder,
    Transformer,
    RNNCell,
    GRUCell,
    LSTMCell,
    RNN,
    GRU,
    LSTM,
    Flatten,
    Unflatten,
    MaxPool2d,
    AvgPool2d,
    AdaptiveAvgPool2d,
    GlobalAvgPool2d,
    AdaptiveAvgPool1d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    AvgPool1d,
    AvgPool3d,
    LPPool1d,
    LPPool2d,
    LPPool3d,
    FractionalMaxPool2d,
    FractionalMaxPool3d,
    MaxPool1d,
    MaxPool3d,
    MaxUnpool1d,
    MaxUnpool2d,
    MaxUnpool3d,
    Bilinear,
    PixelShuffle,
    PixelUnshuffle,
    ChannelShuffle,
    Upsample,
    UpsamplingNearest2d,
    UpsamplingBilinear2d,
    Unfold,
    Fold,
    ReLU,
    ReLU6,
    Sigmoid,
    LogSigmoid,
    Hardsigmoid,
    Tanh,
    Tanhshrink,
    SiLU,
    Mish,
    Hardswish,
    SELU,
    Softsign,
    Softmax2d,
    LeakyReLU,
    ELU,
    CELU,
    GELU,
    Softplus,
    Hardtanh,
    Threshold,
    Hardshrink,
    Softshrink,
    GLU,
    PReLU,
    RReLU,
    Softmax,
    LogSoftmax,
    Softmin,
    Sequential,
    ModuleList,
    ModuleDict,
    ParameterList,
    ParameterDict,
    CrossEntropyLoss,
    NLLLoss,
    MSELoss,
    L1Loss,
    BCELoss,
    BCEWithLogitsLoss,
    SmoothL1Loss,
    HuberLoss,
    KLDivLoss,
    LinearCrossEntropyLoss,
    PoissonNLLLoss,
    GaussianNLLLoss,
    CTCLoss,
    AdaptiveLogSoftmaxWithLoss,
    HingeEmbeddingLoss,
    SoftMarginLoss,
    MultiMarginLoss,
    MultiLabelMarginLoss,
    MultiLabelSoftMarginLoss,
    CosineEmbeddingLoss,
    MarginRankingLoss,
    TripletMarginLoss,
    CosineSimilarity,
    PairwiseDistance,
}
