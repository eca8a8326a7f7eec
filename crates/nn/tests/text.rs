//! What modules print, against what PyTorch prints.

use wengert_nn::*;

/// The net of a row of golden/text.json, made as xtask/golden/nn.py makes it.
fn net(name: &str) -> Box<dyn Module> {
    fn boxed(module: impl Module) -> Box<dyn Module> {
        Box::new(module)
    }
    #[derive(Tree)]
    struct Net;
    impl Module for Net {}
    #[derive(Tree)]
    struct Nested {
        features: Sequential,
        head: Linear,
    }
    impl Module for Nested {}
    #[derive(Tree)]
    #[tree(name = "Net")]
    struct Blocks {
        layers: Vec<Sequential>,
        last: Identity,
    }
    impl Module for Blocks {}
    #[derive(Tree)]
    #[tree(name = "Net")]
    struct Parameters {
        params: ParameterList,
    }
    impl Module for Parameters {}
    let ones = |shape: &[usize]| Param::new(Tensor::ones(shape, DType::F32));
    match name {
        "linear" => boxed(Linear::new(3, 2)),
        "linear_no_bias" => boxed(Linear::with(LinearOptions { bias: false, ..LinearOptions::new(3, 2) })),
        "identity" => boxed(Identity::new()),
        "conv1d" => boxed(Conv1d::with(Conv1dOptions {
            stride: 2.into(),
            padding: 1.into(),
            bias: false,
            ..Conv1dOptions::new(2, 3, 3)
        })),
        "conv2d" => boxed(Conv2d::with(Conv2dOptions { padding: 1.into(), ..Conv2dOptions::new(3, 4, 3) })),
        "conv2d_options" => boxed(Conv2d::with(Conv2dOptions {
            stride: (2, 1).into(),
            padding: (1, 2).into(),
            dilation: 2.into(),
            groups: 3,
            bias: false,
            ..Conv2dOptions::new(3, 6, (3, 5))
        })),
        "conv2d_same" => boxed(Conv2d::with(Conv2dOptions { padding: Padding::Same, ..Conv2dOptions::new(1, 1, 3) })),
        "conv2d_valid" => boxed(Conv2d::with(Conv2dOptions { padding: Padding::Valid, ..Conv2dOptions::new(1, 1, 3) })),
        "conv2d_reflect" => boxed(Conv2d::with(Conv2dOptions {
            padding: 1.into(),
            padding_mode: PaddingMode::Reflect,
            ..Conv2dOptions::new(1, 1, 3)
        })),
        "max_pool2d" => boxed(MaxPool2d::new(2)),
        "max_pool2d_options" => boxed(MaxPool2d::with(MaxPool2dOptions {
            stride: Some(2.into()),
            padding: (1, 0).into(),
            dilation: 2.into(),
            ceil_mode: true,
            ..MaxPool2dOptions::new((3, 2))
        })),
        "avg_pool2d" => boxed(AvgPool2d::with(AvgPool2dOptions {
            stride: Some(2.into()),
            padding: (1, 0).into(),
            ..AvgPool2dOptions::new((2, 3))
        })),
        "adaptive_avg_pool2d" => boxed(AdaptiveAvgPool2d::new((2, 3))),
        "adaptive_avg_pool2d_1" => boxed(AdaptiveAvgPool2d::new(1)),
        "adaptive_avg_pool2d_keeping" => boxed(AdaptiveAvgPool2d::keeping(None, Some(2))),
        "global_avg_pool2d" => boxed(GlobalAvgPool2d::new()),
        "flatten" => boxed(Flatten::new()),
        "flatten_dims" => boxed(Flatten::dims(0, -2)),
        "unflatten" => boxed(Unflatten::new(1, [2, 3])),
        "unflatten_one" => boxed(Unflatten::new(1, [6])),
        "batch_norm2d" => boxed(BatchNorm2d::new(6)),
        "batch_norm1d_options" => boxed(BatchNorm1d::with(BatchNormOptions {
            eps: 1e-3,
            momentum: None,
            affine: false,
            track_running_stats: false,
            ..BatchNormOptions::new(3)
        })),
        "batch_norm2d_no_bias" => {
            boxed(BatchNorm2d::with(BatchNormOptions { momentum: Some(0.01), bias: false, ..BatchNormOptions::new(3) }))
        }
        "layer_norm" => boxed(LayerNorm::new([4])),
        "layer_norm_options" => boxed(LayerNorm::with(LayerNormOptions {
            eps: 1e-6,
            elementwise_affine: false,
            ..LayerNormOptions::new([2, 3])
        })),
        "layer_norm_no_bias" => boxed(LayerNorm::with(LayerNormOptions { bias: false, ..LayerNormOptions::new([4]) })),
        "embedding" => boxed(Embedding::new(5, 3)),
        "embedding_padding" => {
            boxed(Embedding::with(EmbeddingOptions { padding_idx: Some(-1), ..EmbeddingOptions::new(5, 3) }))
        }
        "dropout" => boxed(Dropout::default()),
        "dropout_p" => boxed(Dropout::new(0.1)),
        "relu" => boxed(ReLU::new()),
        "sigmoid" => boxed(Sigmoid::new()),
        "tanh" => boxed(Tanh::new()),
        "gelu" => boxed(GELU::new()),
        "silu" => boxed(SiLU::new()),
        "leaky_relu" => boxed(LeakyReLU::default()),
        "elu" => boxed(ELU::default()),
        "softplus" => boxed(Softplus::default()),
        "softmax" => boxed(Softmax::new(1)),
        "log_softmax" => boxed(LogSoftmax::new(-1)),
        "cross_entropy" => boxed(CrossEntropyLoss::new()),
        "nll" => boxed(NLLLoss::new()),
        "mse" => boxed(MSELoss::new()),
        "bce" => boxed(BCELoss::new()),
        "huber" => boxed(HuberLoss::new()),
        "kl_div" => boxed(KLDivLoss::new()),
        "l1" => boxed(L1Loss::new()),
        "smooth_l1" => boxed(SmoothL1Loss::new()),
        "bce_with_logits" => boxed(BCEWithLogitsLoss::new()),
        "empty_net" => boxed(Net),
        "relu_inplace" => boxed(ReLU::new().inplace()),
        "silu_inplace" => boxed(SiLU::new().inplace()),
        "hardswish_inplace" => boxed(Hardswish::new().inplace()),
        "elu_inplace" => boxed(ELU::default().inplace()),
        "hardtanh_inplace" => boxed(Hardtanh::default().inplace()),
        "rrelu_inplace" => boxed(RReLU::default().inplace()),
        "dropout_inplace" => boxed(Dropout::new(0.3).inplace()),
        "softmax_no_dim" => boxed(Softmax::default()),
        "lp_pool2d" => boxed(LPPool2d::new(2, 3)),
        "lp_pool2d_float" => boxed(LPPool2d::new(1.5, (3, 2))),
        "max_unpool1d" => boxed(MaxUnpool1d::new(2)),
        "max_unpool2d" => boxed(MaxUnpool2d::with((2, 3), 1, (0, 1))),
        "sync_batch_norm" => boxed(SyncBatchNorm::new(3)),
        "hardtanh_int" => boxed(Hardtanh::new(-2, 2)),
        "dropout_int" => boxed(Dropout::new(0)),
        "softplus_int" => boxed(Softplus::new(2, 10.5)),
        "empty_sequential" => boxed(Sequential::new()),
        "empty_list" => boxed(ModuleList::new()),
        "nested" => boxed(Nested {
            features: sequential![Conv2d::new(1, 6, 5), ReLU::new(), sequential![MaxPool2d::new(2), Flatten::new()]],
            head: Linear::new(6, 2),
        }),
        "list" => {
            let mut list = ModuleList::new();
            list.push(Linear::new(3, 2)).push(Linear::new(3, 2)).push(ReLU::new()).push(Linear::new(3, 2));
            boxed(list)
        }
        "list_of_blocks" => boxed(Blocks {
            layers: (0..3).map(|_| sequential![Linear::new(2, 2), ReLU::new()]).collect(),
            last: Identity::new(),
        }),
        "repeated_sequential" => boxed(sequential![ReLU::new(), ReLU::new()]),
        "dict" => {
            let mut dict = ModuleDict::new();
            dict.insert("linear", Linear::new(784, 256)).insert("act", ReLU::new());
            boxed(dict)
        }
        "parameter_list" => boxed(Parameters { params: [ones(&[4, 4]), ones(&[4, 1])].into_iter().collect() }),
        "parameter_dict" => {
            let mut dict = ParameterDict::new();
            dict.insert("linear1", ones(&[4, 4])).insert("b", ones(&[4]));
            boxed(dict)
        }
        _ => panic!("no such net: {name}"),
    }
}

#[test]
fn modules_print_as_in_pytorch() {
    let golden: std::collections::BTreeMap<String, String> =
        serde_json::from_str(include_str!("golden/text.json")).expect("the golden file");
    assert!(golden.len() > 50);
    for (name, expected) in golden {
        assert_eq!(net(&name).to_string(), expected, "{name}");
    }
}
