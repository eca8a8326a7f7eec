"""Writes crates/tensor/tests/golden/conv.json: PyTorch's convolution and its gradients on a few configurations.

Inputs are small integers over 8, a function of the index, so that the test can make them itself.
Run: python xtask/golden/conv.py
"""

import json
import pathlib

import torch
import torch.nn.functional as F


def fill(shape, a, b):
    n = torch.Size(shape).numel()
    return ((torch.arange(n) * a + b) % 17 - 8).double().div(8).reshape(shape).requires_grad_()


CONFIGS = [
    # input, weight, stride, padding, dilation, groups
    ([2, 1, 8, 8], [3, 1, 5, 5], [1, 1], [0, 0], [1, 1], 1),
    ([2, 3, 6, 7], [4, 3, 3, 3], [1, 1], [1, 1], [1, 1], 1),
    ([1, 4, 9, 6], [6, 2, 3, 2], [2, 1], [1, 2], [1, 2], 2),
    ([3, 5, 7], [2, 3, 1, 1], [1, 1], [0, 0], [1, 1], 1),
    ([1, 3, 12, 11], [2, 3, 7, 7], [2, 2], [3, 3], [1, 1], 1),
    ([2, 4, 5, 5], [8, 1, 3, 3], [1, 1], [1, 1], [1, 1], 4),
]

rows = []
for x_shape, w_shape, stride, padding, dilation, groups in CONFIGS:
    x, w, b = fill(x_shape, 5, 3), fill(w_shape, 7, 1), fill(w_shape[:1], 3, 2)
    y = F.conv2d(x, w, b, stride, padding, dilation, groups)
    dy = fill(list(y.shape), 11, 4)
    dx, dw, db = torch.autograd.grad(y, (x, w, b), dy)
    rows.append({
        "x": x_shape, "w": w_shape, "stride": stride, "padding": padding, "dilation": dilation, "groups": groups,
        "shape": list(y.shape), "y": y.flatten().tolist(), "dx": dx.flatten().tolist(), "dw": dw.flatten().tolist(),
    })

out = pathlib.Path(__file__).parents[2] / "crates/tensor/tests/golden/conv.json"
out.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
