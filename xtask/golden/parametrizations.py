"""Writes crates/nn/tests/golden/parametrizations.json: weight and spectral normalisation and orthogonal weights, trained for some steps.

Run: cargo xtask golden --only parametrizations
"""

import json
import pathlib
import sys

import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2] / "crates/nn/tests/golden")

# name: (layer, what is done to it, shape of the input). The Rust side makes the same rows.
ROWS = {
    "weight_norm linear": (lambda: nn.Linear(4, 3), lambda m: parametrizations.weight_norm(m), [2, 4]),
    "weight_norm linear, all": (lambda: nn.Linear(4, 3), lambda m: parametrizations.weight_norm(m, dim=None), [2, 4]),
    "weight_norm linear, columns": (lambda: nn.Linear(4, 3), lambda m: parametrizations.weight_norm(m, dim=1), [2, 4]),
    "weight_norm conv": (lambda: nn.Conv2d(2, 3, 2), lambda m: parametrizations.weight_norm(m), [1, 2, 3, 3]),
    "weight_norm bias": (lambda: nn.Linear(4, 3), lambda m: parametrizations.weight_norm(m, "bias"), [2, 4]),
    "spectral_norm linear": (lambda: nn.Linear(4, 3), lambda m: parametrizations.spectral_norm(m), [2, 4]),
    "spectral_norm conv": (lambda: nn.Conv2d(2, 3, 2), lambda m: parametrizations.spectral_norm(m, n_power_iterations=2), [1, 2, 3, 3]),
    "spectral_norm transposed": (
        lambda: nn.ConvTranspose2d(2, 3, 2),
        lambda m: parametrizations.spectral_norm(m),
        [1, 2, 3, 3],
    ),
    "spectral_norm bias": (lambda: nn.Linear(4, 3), lambda m: parametrizations.spectral_norm(m, "bias"), [2, 4]),
    "orthogonal linear": (lambda: nn.Linear(4, 3), lambda m: parametrizations.orthogonal(m), [2, 4]),
    "orthogonal linear, tall": (lambda: nn.Linear(4, 6), lambda m: parametrizations.orthogonal(m), [2, 4]),
    "orthogonal linear, square": (lambda: nn.Linear(4, 4), lambda m: parametrizations.orthogonal(m), [2, 4]),
    "orthogonal linear, exponential": (
        lambda: nn.Linear(4, 3),
        lambda m: parametrizations.orthogonal(m, orthogonal_map="matrix_exp"),
        [2, 4],
    ),
    "orthogonal linear, cayley": (
        lambda: nn.Linear(4, 6),
        lambda m: parametrizations.orthogonal(m, orthogonal_map="cayley"),
        [2, 4],
    ),
    "both": (
        lambda: nn.Linear(4, 3),
        lambda m: parametrizations.spectral_norm(parametrizations.weight_norm(m)),
        [2, 4],
    ),
}


def numbers(t):
    return [float(f"{x:.9g}") for x in t.detach().double().flatten().tolist()]


rows = {}
for name, (make, change, shape) in ROWS.items():
    torch.manual_seed(0)
    net = nn.Sequential(make(), nn.Tanh())
    change(net[0])
    x = torch.rand(shape)
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for _ in range(3):
        opt.zero_grad()
        loss = net(x).square().sum()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    net.eval()
    row = {
        "losses": losses,
        "text": str(net),
        "parameters": [key for key, _ in net.named_parameters()],
        "state": [[key, list(value.shape), numbers(value)] for key, value in net.state_dict().items()],
        "output": numbers(net(x)),
    }
    parametrize.remove_parametrizations(net[0], "bias" if "bias" in name else "weight")
    row["removed"] = [[key, list(value.shape), numbers(value)] for key, value in net.state_dict().items()]
    row["removed text"] = str(net)
    rows[name] = row

lines = [f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items()]
(OUT / "parametrizations.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
