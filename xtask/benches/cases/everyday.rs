//! Everyday operations beyond the table of budgets, which `--sweep` draws from: every elementwise function by its own name,
//! what moves or sorts elements, and layers of sequences with their gradients (`/step`).

use super::{Case, Name, numbers};
use wengert_autograd::{AttentionOptions, GradOptions, Var, functional, functional::EmbeddingOptions, grad};
use wengert_nn::{BatchNorm1d, GRU, LSTM, LayerNorm, Module, RNN, TransformerEncoderLayer, TransformerOptions};
use wengert_optim::{Adam, AdamOptions};
use wengert_tensor::{DType, Tensor, rand, randint, randn};

pub(super) fn find(name: &Name<'_>) -> Option<Case> {
    match *numbers(name.part(0)).as_slice() {
        [n] => elementwise(name.family, n, name.dtype).or_else(|| adam(name.family, n)),
        [rows, columns] if name.part(1) == "step" => rows_step(name.family, rows, columns, name.dtype),
        [rows, columns] => matrix(name.family, rows, columns, name.dtype),
        [batch, k, n] => batched(name.family, batch, k, n, name.dtype),
        [a, b, c, d] => sequence(name.family, [a, b, c, d]),
        _ => None,
    }
}

/// A row of the tables of functions and comparisons, of numbers in 0.1..0.9, where all of them are defined; or a conversion.
fn elementwise(family: &str, n: usize, dtype: DType) -> Option<Case> {
    use wengert_tensor::{BINARY, COMPARE, UNARY};
    let [x, y] = [0, 1].map(|_| (rand([n]) * 0.8 + 0.1).to(dtype));
    if let Some(&(_, op)) = UNARY.iter().find(|(name, _)| *name == family) {
        return Some(Case::new(move || op(&x)));
    }
    if let Some(&(_, op)) = BINARY.iter().chain(COMPARE).find(|(name, _)| *name == family) {
        return Some(Case::new(move || op(&x, &y)));
    }
    type Op = fn(&Tensor, &Tensor, &Tensor) -> Tensor;
    let mask = x.gt(&y);
    let op: Op = match family {
        "pow" => |x, y, _| x.pow(y),
        "pow_scalar" => |x, _, _| x.pow(1.7),
        "where" => |x, y, mask| mask.where_(x, y),
        "masked_fill" => |x, _, mask| x.masked_fill(mask, 0.0),
        "softplus" => |x, _, _| x.softplus(1.0, 20.0),
        "elu" => |x, _, _| x.elu(1.0),
        "leaky_relu" => |x, _, _| x.leaky_relu(0.01),
        "hardswish" => |x, _, _| x.hardswish(),
        "mish" => |x, _, _| x.mish(),
        "gelu_tanh" => |x, _, _| x.gelu_tanh(),
        "clamp" => |x, _, _| x.clamp(0.2, 0.8),
        "lerp" => |x, y, _| x.lerp(y, 0.3),
        "to_f64" => |x, _, _| x.to(DType::F64),
        "to_bf16" => |x, _, _| x.to(DType::BF16),
        "to_f16" => |x, _, _| x.to(DType::F16),
        "to_i64" => |x, _, _| x.to(DType::I64),
        "to_u8" => |x, _, _| x.to(DType::U8),
        "to_bool" => |x, _, _| x.to(DType::Bool),
        "cumsum" => |x, _, _| x.cumsum(0),
        "dot" => |x, y, _| x.dot(y),
        "norm" => |x, _, _| x.norm(()),
        "zeros" => |x, _, _| Tensor::zeros(x.shape(), x.dtype()),
        _ => return None,
    };
    Some(Case::new(move || op(&x, &y, &mask)))
}

fn matrix(family: &str, rows: usize, columns: usize, dtype: DType) -> Option<Case> {
    let x = randn([rows, columns]).to(dtype);
    let index = randint(0, columns as i64, [columns]);
    type Op = fn(&Tensor, &Tensor) -> Tensor;
    let op: Op = match family {
        "cumsum" => |x, _| x.cumsum(-1),
        "sort" => |x, _| x.sort(-1).0,
        "topk" => |x, _| x.topk(x.shape()[1].min(5), -1).0,
        "max_first" => |x, _| x.max_dim(0).0,
        "argmax_first" => |x, _| x.argmax(0),
        "std_last" => |x, _| x.std(-1, 1.0),
        "softmax_first" => |x, _| x.softmax(0),
        "logsumexp" => |x, _| x.logsumexp(-1),
        "index_select" => |x, index| x.index_select(1, index),
        "gather" => |x, index| x.gather(1, &index.unsqueeze(0).expand_as(x)),
        "flip" => |x, _| x.flip([1]),
        "roll" => |x, _| x.roll(3, 1),
        "tril" => |x, _| x.tril(0),
        "half_columns" => |x, _| x.slice(1, None, None, 2).contiguous(),
        "layer_norm" => |x, _| wengert_tensor::norm::layer_norm(x, &x.shape()[1..], None, None, 1e-5).output,
        _ => return None,
    };
    Some(Case::new(move || op(&x, &index)))
}

/// `inputs` with their gradients from a random one of what `run` gives.
fn step(inputs: Vec<Var>, run: impl Fn(&[Var]) -> Var + 'static) -> Case {
    let out = run(&inputs);
    let upstream = Var::from(randn(out.shape()).to(out.dtype()));
    Case::new(move || {
        let options = GradOptions { grad_outputs: vec![Some(upstream.clone())], ..GradOptions::default() };
        grad(&[&run(&inputs)], &inputs.iter().collect::<Vec<_>>(), &options)
    })
}

/// The gradients of a layer's parameters and of its input.
fn layer(net: impl Module + 'static, x: Tensor) -> Case {
    let x = Var::leaf(x);
    let out = net.forward(&x);
    let upstream = Var::from(randn(out.shape()).to(out.dtype()));
    Case::new(move || {
        let parameters: Vec<Var> = net.parameters().iter().map(|p| p.var()).collect();
        let inputs: Vec<&Var> = parameters.iter().chain([&x]).collect();
        let options = GradOptions { grad_outputs: vec![Some(upstream.clone())], ..GradOptions::default() };
        grad(&[&net.forward(&x)], &inputs, &options)
    })
}

fn rows_step(family: &str, rows: usize, columns: usize, dtype: DType) -> Option<Case> {
    let x = randn([rows, columns]).to(dtype);
    let of = |run: fn(&Var) -> Var| step(vec![Var::leaf(x.clone())], move |x| run(&x[0]));
    Some(match family {
        "layer_norm" => layer(LayerNorm::new([columns]), x),
        "batch_norm" => layer(BatchNorm1d::new(columns), x),
        "softmax" => of(|x| x.softmax(-1)),
        "relu" => of(Var::relu),
        "gelu" => of(Var::gelu),
        "silu" => of(Var::silu),
        "tanh" => of(Var::tanh),
        "dropout" => of(|x| functional::dropout(x, 0.5)),
        "cross_entropy" => {
            let target = randint(0, columns as i64, [rows]);
            step(vec![Var::leaf(x)], move |x| functional::cross_entropy(&x[0], &target))
        }
        "mse" => {
            let target = Var::from(randn([rows, columns]));
            step(vec![Var::leaf(x)], move |x| functional::mse_loss(&x[0], &target))
        }
        "embedding" => {
            let index = randint(0, rows as i64, [64, 32]);
            step(vec![Var::leaf(x)], move |x| x[0].embedding(&index, &EmbeddingOptions::default()))
        }
        _ => return None,
    })
}

fn adam(family: &str, n: usize) -> Option<Case> {
    let ("adam", mut parameters) = (family, vec![]) else { return None };
    for _ in 0..8 {
        let parameter = wengert_autograd::Param::new(randn([n]));
        parameter.set_grad(Some(randn([n])));
        parameters.push(parameter);
    }
    let mut optimizer = Adam::new(parameters, AdamOptions::default());
    Some(Case::new(move || optimizer.step()))
}

fn batched(family: &str, batch: usize, k: usize, n: usize, dtype: DType) -> Option<Case> {
    match family {
        "bmm" => {
            let (a, b) = (randn([batch, n, k]).to(dtype), randn([batch, k, n]).to(dtype));
            Some(Case::new(move || a.bmm(&b)).flops(2 * batch * n * k * n))
        }
        // `[time, batch, features]` permuted, as attention does.
        "permute" => {
            let x = randn([batch, k, n]).to(dtype);
            Some(Case::new(move || x.permute([1, 0, 2]).contiguous()))
        }
        _ => None,
    }
}

/// Layers of sequences: `lstm/TIMExBATCHxINPUTSxHIDDEN`, `attention/BATCHxHEADSxTIMExSIZE`, `encoder/TIMExBATCHxSIZExHIDDEN`.
fn sequence(family: &str, sizes: [usize; 4]) -> Option<Case> {
    let [time, batch, inputs, hidden] = sizes;
    let x = randn([time, batch, inputs]);
    Some(match family {
        "rnn" => layer(RNN::new(inputs, hidden), x),
        "gru" => layer(GRU::new(inputs, hidden), x),
        "lstm" => layer(LSTM::new(inputs, hidden), x),
        "encoder" => {
            let options =
                TransformerOptions { dim_feedforward: hidden, dropout: 0.0, ..TransformerOptions::new(inputs, 8) };
            layer(TransformerEncoderLayer::new(options), x)
        }
        "attention" => {
            let inputs = (0..3).map(|_| Var::leaf(randn(sizes))).collect();
            step(inputs, |x| x[0].scaled_dot_product_attention(&x[1], &x[2], &AttentionOptions::default()))
        }
        _ => return None,
    })
}
