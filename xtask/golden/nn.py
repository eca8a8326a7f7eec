"""Writes crates/nn/tests/golden/{layers,pools,losses,text,init,orthogonal}.json: what PyTorch's layers compute, print and draw.

Run: cargo xtask golden --only nn
"""

import hashlib
import json
import math
import pathlib
import sys
import warnings

import torch
from torch import nn

warnings.filterwarnings("ignore", message="Using padding='same'")
OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2] / "crates/nn/tests/golden")


class GlobalAvgPool2d(nn.Module):
    def forward(self, x):
        return nn.functional.avg_pool2d(x, kernel_size=x.size()[2:])


def number(x):
    return float(f"{x:.12g}")


def numbers(t):
    return [number(x) for x in t.detach().double().flatten().tolist()]


# Layers: made after manual_seed(0) and cast to f64, run on rand(shape) * 4 - 2 after manual_seed(1), in f64 too; the
# gradient of the output is cos(0), cos(1), …. Draws in the forward pass follow manual_seed(2).
LAYERS = {
    "linear": (lambda: nn.Linear(4, 3), [2, 4]),
    "linear_no_bias": (lambda: nn.Linear(4, 3, bias=False), [2, 4]),
    "linear_3d": (lambda: nn.Linear(4, 3), [2, 2, 4]),
    "linear_1d": (lambda: nn.Linear(4, 3), [4]),
    "identity": (lambda: nn.Identity(), [2, 3]),
    "conv1d": (lambda: nn.Conv1d(2, 3, 3, stride=2, padding=1), [2, 2, 7]),
    "conv2d": (lambda: nn.Conv2d(2, 3, 3), [2, 2, 5, 6]),
    "conv2d_unbatched": (lambda: nn.Conv2d(2, 3, 3, padding=1), [2, 4, 4]),
    "conv2d_options": (
        lambda: nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2, bias=False),
        [1, 4, 7, 6],
    ),
    "conv2d_same": (lambda: nn.Conv2d(1, 2, (4, 3), padding="same"), [1, 1, 5, 6]),
    "conv2d_valid": (lambda: nn.Conv2d(1, 2, 3, padding="valid"), [1, 1, 5, 4]),
    "conv2d_reflect": (lambda: nn.Conv2d(1, 2, 3, padding=(2, 1), padding_mode="reflect"), [1, 1, 4, 5]),
    "conv2d_replicate": (lambda: nn.Conv2d(1, 2, 3, padding=2, padding_mode="replicate"), [1, 1, 3, 4]),
    "conv2d_circular": (lambda: nn.Conv2d(1, 2, 3, padding=(1, 2), padding_mode="circular"), [1, 1, 4, 4]),
    "max_pool2d": (lambda: nn.MaxPool2d(2), [2, 2, 5, 6]),
    "max_pool2d_options": (lambda: nn.MaxPool2d((3, 2), stride=(2, 1), padding=1, ceil_mode=True), [1, 2, 6, 5]),
    "max_pool2d_dilated": (lambda: nn.MaxPool2d(2, stride=1, dilation=2), [1, 2, 5, 5]),
    "avg_pool2d": (lambda: nn.AvgPool2d(2), [2, 2, 5, 6]),
    "avg_pool2d_options": (
        lambda: nn.AvgPool2d((3, 2), stride=(2, 1), padding=1, ceil_mode=True, count_include_pad=False),
        [1, 2, 6, 5],
    ),
    "avg_pool2d_divisor": (lambda: nn.AvgPool2d(2, padding=1, divisor_override=3), [1, 1, 4, 4]),
    "adaptive_avg_pool2d": (lambda: nn.AdaptiveAvgPool2d((3, 2)), [2, 2, 7, 5]),
    "adaptive_avg_pool2d_keeping": (lambda: nn.AdaptiveAvgPool2d((2, None)), [2, 2, 7, 5]),
    "global_avg_pool2d": (lambda: GlobalAvgPool2d(), [2, 3, 4, 5]),
    "flatten": (lambda: nn.Flatten(), [2, 3, 2]),
    "unflatten": (lambda: nn.Unflatten(1, (2, 3)), [2, 6]),
    "batch_norm1d": (lambda: nn.BatchNorm1d(3), [4, 3]),
    "batch_norm1d_3d": (lambda: nn.BatchNorm1d(3), [2, 3, 4]),
    "batch_norm2d": (lambda: nn.BatchNorm2d(3), [2, 3, 2, 3]),
    "batch_norm2d_momentum": (lambda: nn.BatchNorm2d(3, eps=1e-3, momentum=0.3), [2, 3, 2, 3]),
    "batch_norm2d_cumulative": (lambda: nn.BatchNorm2d(3, momentum=None), [2, 3, 2, 3]),
    "batch_norm2d_plain": (lambda: nn.BatchNorm2d(3, affine=False), [2, 3, 2, 3]),
    "batch_norm2d_no_bias": (lambda: nn.BatchNorm2d(3, bias=False), [2, 3, 2, 3]),
    "batch_norm2d_untracked": (lambda: nn.BatchNorm2d(3, track_running_stats=False), [2, 3, 2, 3]),
    "layer_norm": (lambda: nn.LayerNorm(4), [2, 3, 4]),
    "layer_norm_2d": (lambda: nn.LayerNorm((3, 4), eps=1e-3, bias=False), [2, 3, 4]),
    "layer_norm_plain": (lambda: nn.LayerNorm(4, elementwise_affine=False), [2, 4]),
    "dropout": (lambda: nn.Dropout(0.3), [3, 5]),
    "relu": (lambda: nn.ReLU(), [2, 5]),
    "sigmoid": (lambda: nn.Sigmoid(), [2, 5]),
    "tanh": (lambda: nn.Tanh(), [2, 5]),
    "gelu": (lambda: nn.GELU(), [2, 5]),
    "silu": (lambda: nn.SiLU(), [2, 5]),
    "leaky_relu": (lambda: nn.LeakyReLU(0.2), [2, 5]),
    "elu": (lambda: nn.ELU(0.5), [2, 5]),
    "softplus": (lambda: nn.Softplus(2.0, 3.0), [2, 5]),
    "softmax": (lambda: nn.Softmax(dim=1), [2, 5]),
    "log_softmax": (lambda: nn.LogSoftmax(dim=0), [3, 4]),
    "sequential": (
        lambda: nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Sequential(nn.ReLU(), nn.Linear(3, 2))),
        [5, 4],
    ),
}


def layer(make, shape):
    torch.manual_seed(0)
    m = make().double()
    torch.manual_seed(1)
    x = (torch.rand(shape) * 4 - 2).double().requires_grad_()
    torch.manual_seed(2)
    y = m(x)
    y.backward(torch.arange(y.numel(), dtype=torch.float64).cos().reshape(y.shape))
    row = {"shape": list(y.shape), "y": numbers(y), "dx": numbers(x.grad)}
    row["grads"] = {name: numbers(p.grad) for name, p in m.named_parameters()}
    # A second batch moves running statistics again; then the layer's evaluation.
    m(x * 2 + 1)
    row["buffers"] = {name: numbers(b) for name, b in m.named_buffers()}
    m.eval()
    row["eval"] = numbers(m(x))
    return row


# Losses: input rand(shape) * 4 - 2 after manual_seed(1), in f64; the target from the case.
def classes(*shape):
    n = math.prod(shape)
    return (torch.arange(n) * 2 % 3).reshape(shape)


def reals(*shape):
    n = math.prod(shape)
    return ((torch.arange(n) * 5 % 7).double() / 7).reshape(shape)


class SigmoidThenBce(nn.BCELoss):
    def forward(self, x, target):
        return super().forward(x.sigmoid(), target)


LOSSES = {
    "cross_entropy": (lambda: nn.CrossEntropyLoss(), [4, 3], classes(4)),
    "cross_entropy_none": (lambda: nn.CrossEntropyLoss(reduction="none"), [4, 3], classes(4)),
    "cross_entropy_sum": (lambda: nn.CrossEntropyLoss(reduction="sum"), [4, 3], classes(4)),
    "cross_entropy_weight": (
        lambda: nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5]), ignore_index=0),
        [4, 3],
        classes(4),
    ),
    "cross_entropy_smooth": (lambda: nn.CrossEntropyLoss(label_smoothing=0.1), [4, 3], classes(4)),
    "cross_entropy_weight_smooth": (
        lambda: nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5]), ignore_index=2, label_smoothing=0.3),
        [4, 3],
        classes(4),
    ),
    "cross_entropy_probabilities": (lambda: nn.CrossEntropyLoss(label_smoothing=0.2), [2, 3], reals(2, 3)),
    "cross_entropy_images": (lambda: nn.CrossEntropyLoss(), [2, 3, 4], classes(2, 4)),
    "cross_entropy_single": (lambda: nn.CrossEntropyLoss(), [3], torch.tensor(1)),
    "nll": (lambda: nn.NLLLoss(), [4, 3], classes(4)),
    "mse": (lambda: nn.MSELoss(), [2, 3], reals(2, 3)),
    "mse_none": (lambda: nn.MSELoss(reduction="none"), [2, 3], reals(2, 3)),
    "l1": (lambda: nn.L1Loss(), [2, 3], reals(2, 3)),
    "smooth_l1": (lambda: nn.SmoothL1Loss(beta=0.5), [2, 3], reals(2, 3)),
    "huber": (lambda: nn.HuberLoss(delta=0.7, reduction="sum"), [2, 3], reals(2, 3)),
    "bce": (lambda: SigmoidThenBce(), [2, 3], reals(2, 3)),
    "kl_div": (lambda: nn.KLDivLoss(reduction="batchmean"), [2, 3], reals(2, 3)),
    "bce_with_logits": (lambda: nn.BCEWithLogitsLoss(), [2, 3], reals(2, 3)),
}


def loss(make, shape, target):
    torch.manual_seed(1)
    x = (torch.rand(shape) * 4 - 2).double().requires_grad_()
    y = make().double()(x, target)
    y.backward(torch.arange(y.numel(), dtype=torch.float64).cos().reshape(y.shape))
    return {"input": shape, "shape": list(y.shape), "y": numbers(y), "dx": numbers(x.grad)}


# Text: what print(net) gives.
class Net(nn.Module):
    def __init__(self):
        super().__init__()


def net(name, **children):
    m = type(name, (Net,), {})()
    for key, child in children.items():
        setattr(m, key, child)
    return m


TEXT = {
    "linear": nn.Linear(3, 2),
    "linear_no_bias": nn.Linear(3, 2, bias=False),
    "identity": nn.Identity(),
    "conv1d": nn.Conv1d(2, 3, 3, stride=2, padding=1, bias=False),
    "conv2d": nn.Conv2d(3, 4, 3, padding=1),
    "conv2d_options": nn.Conv2d(3, 6, (3, 5), stride=(2, 1), padding=(1, 2), dilation=2, groups=3, bias=False),
    "conv2d_same": nn.Conv2d(1, 1, 3, padding="same"),
    "conv2d_valid": nn.Conv2d(1, 1, 3, padding="valid"),
    "conv2d_reflect": nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"),
    "max_pool2d": nn.MaxPool2d(2),
    "max_pool2d_options": nn.MaxPool2d((3, 2), stride=2, padding=(1, 0), dilation=2, ceil_mode=True),
    "avg_pool2d": nn.AvgPool2d((2, 3), 2, padding=(1, 0)),
    "adaptive_avg_pool2d": nn.AdaptiveAvgPool2d((2, 3)),
    "adaptive_avg_pool2d_1": nn.AdaptiveAvgPool2d(1),
    "adaptive_avg_pool2d_keeping": nn.AdaptiveAvgPool2d((None, 2)),
    "global_avg_pool2d": GlobalAvgPool2d(),
    "flatten": nn.Flatten(),
    "flatten_dims": nn.Flatten(0, -2),
    "unflatten": nn.Unflatten(1, (2, 3)),
    "unflatten_one": nn.Unflatten(1, (6,)),
    "batch_norm2d": nn.BatchNorm2d(6),
    "batch_norm1d_options": nn.BatchNorm1d(3, eps=1e-3, momentum=None, affine=False, track_running_stats=False),
    "batch_norm2d_no_bias": nn.BatchNorm2d(3, momentum=0.01, bias=False),
    "layer_norm": nn.LayerNorm(4),
    "layer_norm_options": nn.LayerNorm((2, 3), eps=1e-6, elementwise_affine=False),
    "layer_norm_no_bias": nn.LayerNorm(4, bias=False),
    "embedding": nn.Embedding(5, 3),
    "embedding_padding": nn.Embedding(5, 3, padding_idx=-1),
    "dropout": nn.Dropout(),
    "dropout_p": nn.Dropout(0.1),
    "relu": nn.ReLU(),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "gelu": nn.GELU(),
    "silu": nn.SiLU(),
    "leaky_relu": nn.LeakyReLU(),
    "elu": nn.ELU(),
    "softplus": nn.Softplus(),
    "softmax": nn.Softmax(dim=1),
    "log_softmax": nn.LogSoftmax(dim=-1),
    "cross_entropy": nn.CrossEntropyLoss(),
    "nll": nn.NLLLoss(),
    "mse": nn.MSELoss(),
    "bce": nn.BCELoss(),
    "huber": nn.HuberLoss(),
    "kl_div": nn.KLDivLoss(),
    "l1": nn.L1Loss(),
    "smooth_l1": nn.SmoothL1Loss(),
    "bce_with_logits": nn.BCEWithLogitsLoss(),
    "relu_inplace": nn.ReLU(inplace=True),
    "silu_inplace": nn.SiLU(inplace=True),
    "hardswish_inplace": nn.Hardswish(inplace=True),
    "elu_inplace": nn.ELU(inplace=True),
    "hardtanh_inplace": nn.Hardtanh(inplace=True),
    "rrelu_inplace": nn.RReLU(inplace=True),
    "dropout_inplace": nn.Dropout(0.3, inplace=True),
    "softmax_no_dim": nn.Softmax(),
    "lp_pool2d": nn.LPPool2d(2, 3),
    "lp_pool2d_float": nn.LPPool2d(1.5, (3, 2)),
    "max_unpool1d": nn.MaxUnpool1d(2),
    "max_unpool2d": nn.MaxUnpool2d((2, 3), 1, (0, 1)),
    "sync_batch_norm": nn.SyncBatchNorm(3),
    "hardtanh_int": nn.Hardtanh(-2, 2),
    "dropout_int": nn.Dropout(0),
    "softplus_int": nn.Softplus(2, 10.5),
    "empty_net": net("Net"),
    "empty_sequential": nn.Sequential(),
    "empty_list": nn.ModuleList(),
    "nested": net(
        "Nested",
        features=nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.Sequential(nn.MaxPool2d(2), nn.Flatten())),
        head=nn.Linear(6, 2),
    ),
    "list": nn.ModuleList([nn.Linear(3, 2), nn.Linear(3, 2), nn.ReLU(), nn.Linear(3, 2)]),
    "list_of_blocks": net(
        "Net",
        layers=nn.ModuleList(nn.Sequential(nn.Linear(2, 2), nn.ReLU()) for _ in range(3)),
        last=nn.Identity(),
    ),
    "repeated_sequential": nn.Sequential(nn.ReLU(), nn.ReLU()),
    "dict": nn.ModuleDict({"linear": nn.Linear(784, 256), "act": nn.ReLU()}),
    "parameter_list": net("Net", params=nn.ParameterList([torch.rand(4, 4), torch.rand(4, 1)])),
    "parameter_dict": nn.ParameterDict([("linear1", torch.rand(4, 4)), ("b", torch.rand(4))]),
}


# Initial values: sha256 of every parameter's bytes, after manual_seed(3) for each case.
def modules():
    yield "linear", lambda: nn.Linear(4, 3)
    yield "linear_large", lambda: nn.Linear(784, 256, bias=False)
    yield "conv1d", lambda: nn.Conv1d(2, 3, 3)
    yield "conv2d", lambda: nn.Conv2d(6, 16, 5)
    yield "conv2d_groups", lambda: nn.Conv2d(4, 6, (3, 1), groups=2)
    yield "batch_norm2d", lambda: nn.BatchNorm2d(3)
    yield "layer_norm", lambda: nn.LayerNorm((2, 3))
    yield "embedding_small", lambda: nn.Embedding(3, 4)
    yield "embedding", lambda: nn.Embedding(5, 7, padding_idx=2)
    yield "sequential", lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1)))


def functions():
    i = nn.init
    yield "uniform_", [5, 7], lambda t: i.uniform_(t, -0.3, 0.7)
    yield "normal_", [5, 7], lambda t: i.normal_(t, 0.5, 0.01)
    yield "normal_small", [3, 4], lambda t: i.normal_(t, 0.0, 0.01)
    yield "constant_", [3], lambda t: i.constant_(t, 0.1)
    yield "ones_", [3], lambda t: i.ones_(t)
    yield "zeros_", [3], lambda t: i.zeros_(t)
    yield "eye_", [3, 4], lambda t: i.eye_(t)
    yield "xavier_uniform_", [5, 7], lambda t: i.xavier_uniform_(t)
    yield "xavier_uniform_gain", [4, 2, 3, 3], lambda t: i.xavier_uniform_(t, gain=i.calculate_gain("relu"))
    yield "xavier_normal_", [5, 7], lambda t: i.xavier_normal_(t)
    yield "kaiming_uniform_", [5, 7], lambda t: i.kaiming_uniform_(t)
    yield "kaiming_uniform_out", [4, 2, 3, 3], lambda t: i.kaiming_uniform_(t, mode="fan_out", nonlinearity="relu")
    yield "kaiming_normal_", [5, 7], lambda t: i.kaiming_normal_(t)
    yield "kaiming_normal_out", [4, 2, 3, 3], lambda t: i.kaiming_normal_(t, a=0.2, mode="fan_out")
    yield "trunc_normal_", [5, 7], lambda t: i.trunc_normal_(t, std=0.02, a=-0.03, b=0.03)
    yield "trunc_normal_default", [3, 4], lambda t: i.trunc_normal_(t)
    yield "trunc_normal_tail", [5, 7], lambda t: i.trunc_normal_(t, 0.5, 2.0, 4.0, 6.0)
    yield "trunc_normal_narrow", [3, 3], lambda t: i.trunc_normal_(t, 0.0, 1.0, -0.1, 0.2)
    yield "dirac_1d", [4, 2, 3], lambda t: i.dirac_(t)
    yield "dirac_2d_groups", [4, 3, 3, 4], lambda t: i.dirac_(t, 2)
    yield "dirac_3d", [2, 3, 3, 1, 2], lambda t: i.dirac_(t)
    yield "sparse_", [10, 7], lambda t: i.sparse_(t, 0.25)
    yield "kaiming_normal_tanh", [5, 7], lambda t: i.kaiming_normal_(t, nonlinearity="tanh")


# Equal to rounding only: the numbers themselves.
def orthogonal():
    for name, shape, gain in [("square", [4, 4], 1), ("tall", [7, 3], 2.5), ("wide", [3, 2, 4], 1), ("large", [40, 20], 1)]:
        torch.manual_seed(3)
        yield name, {"shape": shape, "gain": gain, "values": numbers(nn.init.orthogonal_(torch.empty(shape), gain))}


def digest(t):
    return hashlib.sha256(t.detach().contiguous().numpy().tobytes()).hexdigest()


def init():
    out = {}
    for name, make in modules():
        torch.manual_seed(3)
        out[name] = {key: digest(t) for key, t in make().state_dict().items()}
    for name, shape, fill in functions():
        torch.manual_seed(3)
        out[name] = {"": digest(fill(torch.empty(shape)))}
    return out


def write_rows(name, rows):
    body = ",\n".join(f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in rows.items())
    (OUT / name).write_text("{\n" + body + "\n}\n")


write_rows("layers.json", {name: layer(*case) for name, case in LAYERS.items() if "pool" not in name})
write_rows("pools.json", {name: layer(*case) for name, case in LAYERS.items() if "pool" in name})
write_rows("losses.json", {name: loss(*case) for name, case in LOSSES.items()})
write_rows("text.json", {name: str(m) for name, m in TEXT.items()})
write_rows("init.json", init())
write_rows("orthogonal.json", dict(orthogonal()))
