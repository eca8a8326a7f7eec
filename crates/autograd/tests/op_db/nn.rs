//! Activations, normalisation, dropout, embeddings and attention of `torch.nn.functional`.

use crate::sample::{KEYWORD, Sample};
use crate::{Row, one};
use wengert_autograd::functional::{
    MultiheadOptions, alpha_dropout, bilinear, dropout, dropout2d, dropout3d, feature_alpha_dropout, linear,
    multi_head_attention_forward,
};
use wengert_autograd::tensor::manual_seed;
use wengert_autograd::{AttentionOptions, BagMode, BagOptions, Var};

pub(crate) const ROWS: &[Row] = &[
    ("log_softmax", |s| one(s.x(0).log_softmax(s.int(1, "dim")))),
    ("log_softmax.with_dtype", |s| one(typed(s).log_softmax(s.int(1, "dim")))),
    ("softmax", |s| one(s.x(0).softmax(s.int(1, "dim")))),
    ("softmax.with_dtype", |s| one(typed(s).softmax(s.int(1, "dim")))),
    ("nn.functional.elu", |s| one(s.x(0).elu(s.float_or(1, "alpha", 1.0)))),
    ("nn.functional.gelu", |s| {
        one(match &*s.text(1, "approximate", "none") {
            "none" => s.x(0).gelu(),
            _ => s.x(0).gelu_tanh(),
        })
    }),
    ("nn.functional.leaky_relu", |s| one(s.x(0).leaky_relu(s.float_or(1, "negative_slope", 0.01)))),
    ("nn.functional.relu", |s| one(s.x(0).relu())),
    ("nn.functional.silu", |s| one(s.x(0).silu())),
    ("nn.functional.softplus", |s| one(s.x(0).softplus(s.float_or(1, "beta", 1.0), s.float_or(2, "threshold", 20.0)))),
    ("nn.functional.celu", |s| one(s.x(0).celu(s.float_or(1, "alpha", 1.0)))),
    ("nn.functional.glu", |s| one(s.x(0).glu(s.int_or(1, "dim", -1)))),
    ("nn.functional.hardshrink", |s| one(s.x(0).hardshrink(s.float_or(1, "lambd", 0.5)))),
    ("nn.functional.hardsigmoid", |s| one(s.x(0).hardsigmoid())),
    ("nn.functional.hardswish", |s| one(s.x(0).hardswish())),
    ("nn.functional.hardtanh", |s| one(s.x(0).hardtanh(s.float_or(1, "min_val", -1.0), s.float_or(2, "max_val", 1.0)))),
    ("nn.functional.logsigmoid", |s| one(s.x(0).logsigmoid())),
    ("nn.functional.mish", |s| one(s.x(0).mish())),
    ("nn.functional.prelu", |s| one(s.x(0).prelu(&s.var(1, "weight")))),
    ("nn.functional.relu6", |s| one(s.x(0).relu6())),
    ("nn.functional.rrelu", |s| {
        seed();
        let (lower, upper) = (s.float_or(1, "lower", 1.0 / 8.0), s.float_or(2, "upper", 1.0 / 3.0));
        one(match s.flag(3, "training", false) {
            true => s.x(0).rrelu(lower, upper),
            false => s.x(0).leaky_relu((lower + upper) / 2.0),
        })
    }),
    ("nn.functional.selu", |s| one(s.x(0).selu())),
    ("nn.functional.softmin", |s| one(s.x(0).softmin(s.int(1, "dim")))),
    ("nn.functional.softmin.with_dtype", |s| one(typed(s).softmin(s.int(1, "dim")))),
    ("nn.functional.softshrink", |s| one(s.x(0).softshrink(s.float_or(1, "lambd", 0.5)))),
    ("nn.functional.softsign", |s| one(s.x(0).softsign())),
    ("nn.functional.tanhshrink", |s| one(s.x(0).tanhshrink())),
    ("nn.functional.threshold", |s| one(s.x(0).threshold(s.float(1, "threshold"), s.float(2, "value")))),
    ("nn.functional.alpha_dropout", |s| dropped(s, false, alpha_dropout)),
    ("nn.functional.dropout", |s| dropped(s, true, dropout)),
    ("nn.functional.dropout2d", |s| dropped(s, true, dropout2d)),
    ("nn.functional.dropout3d", |s| dropped(s, true, dropout3d)),
    ("nn.functional.feature_alpha_dropout.with_train", |s| dropped(s, false, feature_alpha_dropout)),
    ("nn.functional.feature_alpha_dropout.without_train", |s| dropped(s, false, feature_alpha_dropout)),
    ("nn.functional.batch_norm", |s| {
        let (mean, var) = (s.opt_var(1, "running_mean"), s.opt_var(2, "running_var"));
        let (weight, bias) = (s.opt_var(3, "weight"), s.opt_var(4, "bias"));
        s.float_or(6, "momentum", 0.1);
        let eps = s.float_or(7, "eps", 1e-5);
        one(match (s.flag(5, "training", false), mean, var) {
            (false, Some(mean), Some(var)) => {
                s.x(0).batch_norm_eval(mean.value(), var.value(), weight.as_ref(), bias.as_ref(), eps)
            }
            _ => s.x(0).batch_norm(weight.as_ref(), bias.as_ref(), eps).output,
        })
    }),
    ("nn.functional.group_norm", |s| {
        let (weight, bias) = (s.opt_var(2, "weight"), s.opt_var(3, "bias"));
        one(s.x(0).group_norm(
            s.int(1, "num_groups") as usize,
            weight.as_ref(),
            bias.as_ref(),
            s.float_or(4, "eps", 1e-5),
        ))
    }),
    ("nn.functional.instance_norm", |s| {
        s.flag(KEYWORD, "use_input_stats", true);
        // The statistics that are kept do not change the result of training.
        let _kept = (s.opt_var(1, "running_mean"), s.opt_var(2, "running_var"), s.float_or(6, "momentum", 0.1));
        let (weight, bias) = (s.opt_var(3, "weight"), s.opt_var(4, "bias"));
        one(s.x(0).instance_norm(weight.as_ref(), bias.as_ref(), s.float_or(7, "eps", 1e-5)))
    }),
    ("nn.functional.layer_norm", |s| {
        let (weight, bias) = (s.opt_var(2, "weight"), s.opt_var(3, "bias"));
        one(s.x(0).layer_norm(
            &s.sizes(1, "normalized_shape"),
            weight.as_ref(),
            bias.as_ref(),
            s.float_or(4, "eps", 1e-5),
        ))
    }),
    ("nn.functional.rms_norm", |s| {
        one(s.x(0).rms_norm(&s.sizes(1, "normalized_shape"), s.opt_var(2, "weight").as_ref(), s.opt_float(3, "eps")))
    }),
    ("nn.functional.local_response_norm", |s| {
        let (alpha, beta, k) = (s.float_or(2, "alpha", 1e-4), s.float_or(3, "beta", 0.75), s.float_or(4, "k", 1.0));
        one(s.x(0).local_response_norm(s.int(1, "size") as usize, alpha, beta, k))
    }),
    ("nn.functional.normalize", |s| {
        one(s.x(0).normalize(s.float_or(1, "p", 2.0), s.int_or(2, "dim", 1), s.float_or(3, "eps", 1e-12)))
    }),
    ("nn.functional.linear", |s| one(linear(&s.x(0), &s.x(1), s.opt_var(2, "bias").as_ref()))),
    ("nn.functional.bilinear", |s| one(bilinear(&s.x(0), &s.x(1), &s.x(2), s.opt_var(3, "bias").as_ref()))),
    ("nn.functional.embedding_bag", |s| {
        let mode = match &*s.text(6, "mode", "mean") {
            "sum" => BagMode::Sum,
            "mean" => BagMode::Mean,
            _ => BagMode::Max,
        };
        s.flag(KEYWORD, "sparse", false);
        let options = BagOptions {
            mode,
            padding_idx: s.opt_int(KEYWORD, "padding_idx").map(|i| i.rem_euclid(s.x(0).size(0) as isize) as usize),
            include_last_offset: s.flag(KEYWORD, "include_last_offset", false),
            scale_grad_by_freq: s.flag(KEYWORD, "scale_grad_by_freq", false),
            max_norm: s.opt_float(KEYWORD, "max_norm"),
            ..BagOptions::default()
        };
        let (offsets, weights) = (s.opt_var(KEYWORD, "offsets"), s.opt_var(KEYWORD, "per_sample_weights"));
        one(s.x(0).embedding_bag(s.x(1).value(), offsets.as_ref().map(Var::value), weights.as_ref(), &options))
    }),
    ("nn.functional.multi_head_attention_forward", |s| {
        seed();
        let trains = s.flag(KEYWORD, "training", true);
        assert_eq!(s.int(3, "embed_dim_to_check") as usize, s.x(0).size(-1));
        assert!(!s.flag(KEYWORD, "use_separate_proj_weight", false));
        let separate = ["q_proj_weight", "k_proj_weight", "v_proj_weight"].map(|name| s.opt_var(KEYWORD, name));
        assert!(separate.iter().all(Option::is_none), "no sample has separate projections");
        let options = MultiheadOptions {
            in_proj_bias: s.opt_var(6, "in_proj_bias"),
            bias_k: s.opt_var(7, "bias_k"),
            bias_v: s.opt_var(8, "bias_v"),
            add_zero_attn: s.flag(9, "add_zero_attn", false),
            dropout: Some(s.float(10, "dropout_p")).filter(|_| trains).unwrap_or(0.0),
            out_proj_bias: s.opt_var(12, "out_proj_bias"),
            attn_mask: s.opt_var(KEYWORD, "attn_mask"),
            key_padding_mask: s.opt_var(KEYWORD, "key_padding_mask"),
            need_weights: s.flag(KEYWORD, "need_weights", true),
            ..MultiheadOptions::new(s.int(4, "num_heads") as usize, s.x(5), s.x(11))
        };
        let (output, weights) = multi_head_attention_forward(&s.x(0), &s.x(1), &s.x(2), &options);
        [Some(output), weights].into_iter().flatten().collect()
    }),
    ("nn.functional.scaled_dot_product_attention", |s| {
        seed();
        let options = AttentionOptions {
            mask: s.opt_var(3, "attn_mask"),
            dropout: s.float_or(4, "dropout_p", 0.0),
            causal: s.flag(5, "is_causal", false),
            scale: s.opt_float(KEYWORD, "scale"),
            grouped: s.flag(KEYWORD, "enable_gqa", false),
        };
        one(s.x(0).scaled_dot_product_attention(&s.x(1), &s.x(2), &options))
    }),
];

/// The seed that PyTorch's tests set before they call what is random.
pub(crate) fn seed() {
    manual_seed(42);
}

/// Dropout, whose training is the default of some forms.
fn dropped(s: &Sample, training: bool, drop: fn(&Var, f64) -> Var) -> Vec<Var> {
    seed();
    let p = s.float_or(1, "p", 0.5);
    one(if s.flag(2, "training", training) { drop(&s.x(0), p) } else { s.x(0) })
}

fn typed(s: &Sample) -> Var {
    s.dtype(2, "dtype").map_or(s.x(0), |dtype| s.x(0).to(dtype))
}
