//! Convolutions, pooling, resampling and patches.

use crate::sample::{KEYWORD, Sample};
use crate::{Row, one};
use wengert_autograd::functional::{ConvOptions, ConvTransposeOptions, conv2d};
use wengert_autograd::tensor::pool::{AvgPool2dOptions, Pool2dOptions};
use wengert_autograd::tensor::{Conv2dOptions, Tensor};
use wengert_autograd::{Align, AvgPoolOptions, MaxPoolOptions, OutputSize, Outside, Resample, Sampling, Var};

pub(crate) const ROWS: &[Row] = &[
    ("nn.functional.conv1d", |s| {
        let (stride, dilation) = (many(s, 3, "stride", 1), many(s, 5, "dilation", 1));
        let (x, padding) = padded(s, dilation);
        let options = ConvOptions { stride, padding, dilation, groups: s.int_or(6, "groups", 1) as usize };
        one(x.conv1d(&s.x(1), s.opt_var(2, "bias").as_ref(), &options))
    }),
    ("nn.functional.conv2d", |s| {
        let (stride, dilation) = (many::<2>(s, 3, "stride", 1), many::<2>(s, 5, "dilation", 1));
        let (x, padding) = padded(s, dilation);
        let options = Conv2dOptions { stride, padding, dilation, groups: s.int_or(6, "groups", 1) as usize };
        one(conv2d(&x, &s.x(1), s.opt_var(2, "bias").as_ref(), &options))
    }),
    ("nn.functional.conv3d", |s| {
        let (stride, dilation) = (many::<3>(s, 3, "stride", 1), many::<3>(s, 5, "dilation", 1));
        let (x, padding) = padded(s, dilation);
        let options = ConvOptions { stride, padding, dilation, groups: s.int_or(6, "groups", 1) as usize };
        one(x.conv3d(&s.x(1), s.opt_var(2, "bias").as_ref(), &options))
    }),
    ("nn.functional.conv_transpose1d", |s| {
        one(s.x(0).conv_transpose1d(&s.x(1), s.opt_var(2, "bias").as_ref(), &transposed(s)))
    }),
    ("nn.functional.conv_transpose2d", |s| {
        one(s.x(0).conv_transpose2d(&s.x(1), s.opt_var(2, "bias").as_ref(), &transposed(s)))
    }),
    ("nn.functional.conv_transpose3d", |s| {
        one(s.x(0).conv_transpose3d(&s.x(1), s.opt_var(2, "bias").as_ref(), &transposed(s)))
    }),
    ("nn.functional.max_pool1d", |s| found(s, s.x(0).max_pool1d(&max(s)))),
    ("nn.functional.max_pool2d", |s| {
        let MaxPoolOptions { kernel, stride, padding, dilation, ceil_mode } = max::<2>(s);
        found(s, s.x(0).max_pool2d_with_indices(&Pool2dOptions { kernel, stride, padding, dilation, ceil_mode }))
    }),
    ("nn.functional.max_pool3d", |s| found(s, s.x(0).max_pool3d(&max(s)))),
    ("nn.functional.avg_pool1d", |s| one(s.x(0).avg_pool1d(&avg(s)))),
    ("nn.functional.avg_pool2d", |s| {
        let AvgPoolOptions { kernel, stride, padding, ceil_mode, count_include_pad, divisor_override } = avg::<2>(s);
        let options = AvgPool2dOptions { kernel, stride, padding, ceil_mode, count_include_pad, divisor_override };
        one(s.x(0).avg_pool2d(&options))
    }),
    ("nn.functional.avg_pool3d", |s| one(s.x(0).avg_pool3d(&avg(s)))),
    ("nn.functional.adaptive_avg_pool1d", |s| one(s.x(0).adaptive_avg_pool1d(s.sizes(1, "output_size")[0]))),
    ("nn.functional.adaptive_avg_pool2d", |s| one(s.x(0).adaptive_avg_pool2d(sizes(s)))),
    ("nn.functional.adaptive_avg_pool3d", |s| one(s.x(0).adaptive_avg_pool3d(sizes(s)))),
    ("nn.functional.adaptive_max_pool1d", |s| adaptive(s, s.x(0).adaptive_max_pool(sizes::<1>(s)))),
    ("nn.functional.adaptive_max_pool2d", |s| adaptive(s, s.x(0).adaptive_max_pool(sizes::<2>(s)))),
    ("nn.functional.adaptive_max_pool3d", |s| adaptive(s, s.x(0).adaptive_max_pool(sizes::<3>(s)))),
    ("nn.functional.fractional_max_pool2d", |s| fractional::<2>(s)),
    ("nn.functional.fractional_max_pool3d", |s| fractional::<3>(s)),
    ("nn.functional.max_unpool1d", |s| one(unpool::<1>(s))),
    ("nn.functional.max_unpool2d", |s| one(unpool::<2>(s))),
    ("nn.functional.max_unpool3d", |s| one(unpool::<3>(s))),
    ("nn.functional.max_unpool1d.grad", |s| one(unpool::<1>(s))),
    ("nn.functional.max_unpool2d.grad", |s| one(unpool::<2>(s))),
    ("nn.functional.max_unpool3d.grad", |s| one(unpool::<3>(s))),
    ("nn.functional.unfold", |s| {
        let options = Conv2dOptions {
            dilation: many(s, 2, "dilation", 1),
            padding: many(s, 3, "padding", 0),
            stride: many(s, 4, "stride", 1),
            groups: 1,
        };
        one(s.x(0).im2col(many(s, 1, "kernel_size", 1), &options))
    }),
    ("nn.functional.pixel_shuffle", |s| one(s.x(0).pixel_shuffle(s.int(1, "upscale_factor") as usize))),
    ("nn.functional.pixel_unshuffle", |s| one(s.x(0).pixel_unshuffle(s.int(1, "downscale_factor") as usize))),
    ("nn.functional.channel_shuffle", |s| one(s.x(0).channel_shuffle(s.int(1, "groups") as usize))),
    ("nn.functional.interpolate.area", |s| one(interpolate(s))),
    ("nn.functional.interpolate.bicubic", |s| one(interpolate(s))),
    ("nn.functional.interpolate.bilinear", |s| one(interpolate(s))),
    ("nn.functional.interpolate.linear", |s| one(interpolate(s))),
    ("nn.functional.interpolate.nearest", |s| one(interpolate(s))),
    ("nn.functional.interpolate.nearest-exact", |s| one(interpolate(s))),
    ("nn.functional.interpolate.trilinear", |s| one(interpolate(s))),
    ("nn.functional.upsample_bilinear", |s| one(s.x(0).interpolate(&size(s), Resample::Linear, Align::Corners))),
    ("nn.functional.upsample_nearest", |s| one(s.x(0).interpolate(&size(s), Resample::Nearest, Align::Edges))),
    ("nn.functional.grid_sample", |s| {
        let mode = match &*s.text(2, "mode", "bilinear") {
            "bilinear" => Sampling::Bilinear,
            "nearest" => Sampling::Nearest,
            _ => Sampling::Bicubic,
        };
        let outside = match &*s.text(3, "padding_mode", "zeros") {
            "zeros" => Outside::Zeros,
            "border" => Outside::Border,
            _ => Outside::Reflection,
        };
        one(s.x(0).grid_sample(&s.x(1), mode, outside, align(s, 4)))
    }),
];

/// Numbers for each axis: a list of them, one for all, or the default.
fn many<const N: usize>(s: &Sample, position: usize, name: &str, default: usize) -> [usize; N] {
    match s.opt_ints(position, name).unwrap_or_default()[..] {
        [] => [default; N],
        [only] => [only as usize; N],
        ref all => std::array::from_fn(|i| all[i] as usize),
    }
}

/// The input, padded where the two sides differ, and how much is left to pad on both.
fn padded<const N: usize>(s: &Sample, dilation: [usize; N]) -> (Var, [usize; N]) {
    let x = s.x(0);
    let Some(crate::sample::Value::Text(mode)) = s.get(4, "padding") else { return (x, many(s, 4, "padding", 0)) };
    if mode == "valid" {
        return (x, [0; N]);
    }
    let kernel = s.x(1).shape()[2..].to_vec();
    let total: [usize; N] = std::array::from_fn(|i| dilation[i] * (kernel[i] - 1));
    let extra: Vec<isize> = (0..N).rev().flat_map(|i| [0, (total[i] % 2) as isize]).collect();
    let x = if extra.iter().all(|&e| e == 0) { x } else { x.pad(&extra, 0.0) };
    (x, total.map(|t| t / 2))
}

fn transposed<const N: usize>(s: &Sample) -> ConvTransposeOptions<N> {
    ConvTransposeOptions {
        stride: many(s, 3, "stride", 1),
        padding: many(s, 4, "padding", 0),
        output_padding: many(s, 5, "output_padding", 0),
        groups: s.int_or(6, "groups", 1) as usize,
        dilation: many(s, 7, "dilation", 1),
    }
}

fn optional<const N: usize>(s: &Sample, position: usize, name: &str) -> Option<[usize; N]> {
    s.opt_ints(position, name).filter(|list| !list.is_empty()).map(|_| many(s, position, name, 1))
}

fn max<const N: usize>(s: &Sample) -> MaxPoolOptions<N> {
    MaxPoolOptions {
        kernel: many(s, 1, "kernel_size", 1),
        stride: optional(s, 2, "stride"),
        padding: many(s, 3, "padding", 0),
        dilation: many(s, 4, "dilation", 1),
        ceil_mode: s.flag(KEYWORD, "ceil_mode", false),
    }
}

fn avg<const N: usize>(s: &Sample) -> AvgPoolOptions<N> {
    AvgPoolOptions {
        kernel: many(s, 1, "kernel_size", 1),
        stride: optional(s, 2, "stride"),
        padding: many(s, 3, "padding", 0),
        ceil_mode: s.flag(4, "ceil_mode", false),
        count_include_pad: s.flag(5, "count_include_pad", true),
        divisor_override: s.opt_int(6, "divisor_override").map(|d| d as i64),
    }
}

fn found(s: &Sample, (values, indices): (Var, Tensor)) -> Vec<Var> {
    if s.flag(KEYWORD, "return_indices", false) { vec![values, Var::from(indices)] } else { vec![values] }
}

fn adaptive(s: &Sample, (values, indices): (Var, Tensor)) -> Vec<Var> {
    if s.flag(2, "return_indices", false) { vec![values, Var::from(indices)] } else { vec![values] }
}

/// Sizes of adaptive pooling; `None` stays.
fn sizes<const N: usize>(s: &Sample) -> [Option<usize>; N] {
    use crate::sample::Value;
    match s.get(1, "output_size") {
        Some(Value::List(list)) if list.len() == N => std::array::from_fn(|i| match &list[i] {
            Value::None => None,
            other => Some(other.int() as usize),
        }),
        _ => [Some(s.sizes(1, "output_size")[0]); N],
    }
}

fn fractional<const N: usize>(s: &Sample) -> Vec<Var> {
    crate::nn::seed();
    let x = s.x(0);
    let lens = &x.shape()[x.rank() - N..];
    let output: [usize; N] = match s.get(KEYWORD, "output_ratio") {
        Some(crate::sample::Value::List(list)) => std::array::from_fn(|i| match list[i] {
            crate::sample::Value::Float(r) => (lens[i] as f64 * r) as usize,
            _ => lens[i],
        }),
        Some(crate::sample::Value::Float(r)) => std::array::from_fn(|i| (lens[i] as f64 * r) as usize),
        _ => many(s, 2, "output_size", 1),
    };
    let samples = s.opt_var(KEYWORD, "_random_samples");
    found(s, x.fractional_max_pool(many(s, 1, "kernel_size", 1), output, samples.as_ref().map(Var::value)))
}

fn unpool<const N: usize>(s: &Sample) -> Var {
    let (x, kernel) = (s.x(0), many::<N>(s, 2, "kernel_size", 1));
    let stride = optional::<N>(s, 3, "stride").unwrap_or(kernel);
    let padding = many::<N>(s, 4, "padding", 0);
    let output: [usize; N] = match s.opt_ints(5, "output_size") {
        Some(all) => std::array::from_fn(|i| all[all.len() - N + i] as usize),
        None => {
            let lens = &x.shape()[x.rank() - N..];
            std::array::from_fn(|i| (lens[i] - 1) * stride[i] + kernel[i] - 2 * padding[i])
        }
    };
    x.max_unpool(s.x(1).value(), output)
}

fn align(s: &Sample, position: usize) -> Align {
    if s.flag(position, "align_corners", false) { Align::Corners } else { Align::Edges }
}

fn size(s: &Sample) -> OutputSize {
    use crate::sample::Value;
    if let Some(sizes) = s.opt_ints(1, "size") {
        s.get(2, "scale_factor");
        return OutputSize::Size(sizes.into_iter().map(|n| n as usize).collect());
    }
    let number = |v: &Value| match v {
        Value::Float(x) => *x,
        other => other.int() as f64,
    };
    let factors: Vec<f64> = match s.get(2, "scale_factor").expect("a size or a factor") {
        Value::List(list) => list.iter().map(number).collect(),
        other => vec![number(other)],
    };
    if s.flag(5, "recompute_scale_factor", false) {
        OutputSize::RecomputedScale(factors)
    } else {
        OutputSize::Scale(factors)
    }
}

fn interpolate(s: &Sample) -> Var {
    let mode = match &*s.text(3, "mode", "nearest") {
        "nearest" => Resample::Nearest,
        "nearest-exact" => Resample::NearestExact,
        "bicubic" => Resample::Bicubic,
        "area" => Resample::Area,
        _ => Resample::Linear,
    };
    s.x(0).interpolate(&size(s), mode, align(s, 4))
}
