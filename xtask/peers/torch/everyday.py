"""PyTorch's side of xtask/benches/cases/everyday.rs."""
import torch
import torch.nn.functional as F

ELEMENTWISE = {
    "pow_scalar": lambda x, y, m: x.pow(1.7), "where": lambda x, y, m: torch.where(m, x, y),
    "masked_fill": lambda x, y, m: x.masked_fill(m, 0.0), "softplus": lambda x, y, m: F.softplus(x),
    "elu": lambda x, y, m: F.elu(x), "leaky_relu": lambda x, y, m: F.leaky_relu(x),
    "hardswish": lambda x, y, m: F.hardswish(x), "mish": lambda x, y, m: F.mish(x), "silu": lambda x, y, m: F.silu(x),
    "gelu": lambda x, y, m: F.gelu(x), "gelu_tanh": lambda x, y, m: F.gelu(x, approximate="tanh"),
    "clamp": lambda x, y, m: x.clamp(0.2, 0.8), "lerp": lambda x, y, m: x.lerp(y, 0.3),
    "to_f64": lambda x, y, m: x.to(torch.float64), "to_bf16": lambda x, y, m: x.to(torch.bfloat16),
    "to_f16": lambda x, y, m: x.to(torch.float16), "to_i64": lambda x, y, m: x.to(torch.int64),
    "to_u8": lambda x, y, m: x.to(torch.uint8), "to_bool": lambda x, y, m: x.to(torch.bool),
    "cumsum": lambda x, y, m: x.cumsum(0), "dot": lambda x, y, m: x.dot(y), "norm": lambda x, y, m: x.norm(),
    "zeros": lambda x, y, m: torch.zeros(x.shape),
}
MATRIX = {
    "cumsum": lambda x, i: x.cumsum(-1), "sort": lambda x, i: x.sort(-1).values,
    "topk": lambda x, i: x.topk(min(x.shape[1], 5), -1).values, "max_first": lambda x, i: x.max(0).values,
    "argmax_first": lambda x, i: x.argmax(0), "std_last": lambda x, i: x.std(-1),
    "softmax_first": lambda x, i: x.softmax(0), "logsumexp": lambda x, i: x.logsumexp(-1),
    "index_select": lambda x, i: x.index_select(1, i), "gather": lambda x, i: x.gather(1, i[None].expand_as(x)),
    "flip": lambda x, i: x.flip(1), "roll": lambda x, i: x.roll(3, 1), "tril": lambda x, i: x.tril(),
    "half_columns": lambda x, i: x[:, ::2].contiguous(), "layer_norm": lambda x, i: F.layer_norm(x, x.shape[1:]),
}
STEPS = {
    "softmax": lambda x: x.softmax(-1), "relu": torch.relu, "gelu": F.gelu, "silu": F.silu, "tanh": torch.tanh,
    "dropout": lambda x: F.dropout(x, 0.5, True),
}


def find(family, sizes, what):
    """The workload, and whether it has gradients; None if unknown."""
    if len(sizes) == 1:
        x, y = torch.rand(*sizes) * 0.8 + 0.1, torch.rand(*sizes) * 0.8 + 0.1
        mask = x > y
        if family == "adam":
            return adam(sizes[0])
        if family in ELEMENTWISE:
            op = ELEMENTWISE[family]
            return (lambda: op(x, y, mask)), False
        op = getattr(torch, family, None)
        if op is None:
            return None
        try:
            op(x)
            return (lambda: op(x)), False
        except TypeError:
            return (lambda: op(x, y)), False
    if len(sizes) == 2 and what == "step":
        return rows_step(family, *sizes)
    if len(sizes) == 2 and family in MATRIX:
        x, i, op = torch.randn(*sizes), torch.randint(0, sizes[1], (sizes[1],)), MATRIX[family]
        return (lambda: op(x, i)), False
    if len(sizes) == 3 and family == "bmm":
        batch, k, n = sizes
        a, b = torch.randn(batch, n, k), torch.randn(batch, k, n)
        return (lambda: a.bmm(b)), False
    if len(sizes) == 3 and family == "permute":
        x = torch.randn(*sizes)
        return (lambda: x.permute(1, 0, 2).contiguous()), False
    if len(sizes) == 4:
        return sequence(family, sizes)
    return None


def step(inputs, run):
    inputs = [x.requires_grad_() for x in inputs]
    upstream = torch.randn_like(run(*inputs))
    return (lambda: torch.autograd.grad(run(*inputs), inputs, upstream)), True


def layer(net, x):
    x.requires_grad_()
    first = lambda out: out[0] if isinstance(out, tuple) else out
    upstream = torch.randn_like(first(net(x)))
    return (lambda: torch.autograd.grad(first(net(x)), [*net.parameters(), x], upstream)), True


def rows_step(family, rows, columns):
    x = torch.randn(rows, columns)
    if family in STEPS:
        return step([x], STEPS[family])
    if family == "layer_norm":
        return layer(torch.nn.LayerNorm(columns), x)
    if family == "batch_norm":
        return layer(torch.nn.BatchNorm1d(columns), x)
    if family == "cross_entropy":
        target = torch.randint(0, columns, (rows,))
        return step([x], lambda x: F.cross_entropy(x, target))
    if family == "mse":
        target = torch.randn(rows, columns)
        return step([x], lambda x: F.mse_loss(x, target))
    if family == "embedding":
        index = torch.randint(0, rows, (64, 32))
        return step([x], lambda x: F.embedding(index, x))
    return None


def adam(n):
    parameters = [torch.randn(n).requires_grad_() for _ in range(8)]
    for p in parameters:
        p.grad = torch.randn(n)
    optimizer = torch.optim.Adam(parameters)
    return optimizer.step, True


def sequence(family, sizes):
    time, batch, inputs, hidden = sizes
    if family == "attention":
        return step([torch.randn(*sizes) for _ in range(3)], F.scaled_dot_product_attention)
    layers = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
    x = torch.randn(time, batch, inputs)
    if family in layers:
        return layer(layers[family](inputs, hidden), x)
    if family == "encoder":
        return layer(torch.nn.TransformerEncoderLayer(inputs, 8, hidden, 0.0), x)
    return None
