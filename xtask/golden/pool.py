"""Pooling as PyTorch computes it: outputs, positions and input gradients.

    python pool.py OUTPUT_DIR

Writes OUTPUT_DIR/pool.json. Inputs are x[i] = ((i * 37 + 11) % 101) / 7 - 5, gradients g[i] = (i % 13) - 5, in f64.
"""
import json
import sys

import torch
import torch.nn.functional as F

OUT = sys.argv[1]


def numbers(shape):
    n = torch.Size(shape).numel()
    return (((torch.arange(n, dtype=torch.float64) * 37 + 11) % 101) / 7 - 5).view(shape)


MAX = [
    ([2, 3, 6, 6], dict(kernel_size=2)), ([3, 7, 5], dict(kernel_size=2)), ([1, 2, 7, 8], dict(kernel_size=3, stride=2)),
    ([1, 1, 7, 8], dict(kernel_size=[3, 2], stride=[2, 1], padding=1)), ([2, 1, 8, 7], dict(kernel_size=3, stride=2, padding=1, ceil_mode=True)),
    ([1, 1, 9, 9], dict(kernel_size=2, dilation=3)), ([1, 2, 9, 8], dict(kernel_size=3, stride=2, padding=1, dilation=2, ceil_mode=True)),
    ([0, 2, 4, 4], dict(kernel_size=2)), ([1, 1, 1, 1], dict(kernel_size=1)), ([2, 2, 5, 33], dict(kernel_size=2)),
]
AVG = [
    ([2, 3, 6, 6], dict(kernel_size=2)), ([3, 7, 5], dict(kernel_size=[3, 2])), ([1, 2, 7, 8], dict(kernel_size=3, stride=2, padding=1)),
    ([1, 1, 7, 8], dict(kernel_size=3, stride=2, padding=1, count_include_pad=False)),
    ([1, 1, 7, 8], dict(kernel_size=3, stride=2, padding=1, ceil_mode=True)),
    ([1, 1, 7, 6], dict(kernel_size=[4, 2], stride=3, padding=[2, 1], ceil_mode=True, count_include_pad=False)),
    ([1, 2, 5, 5], dict(kernel_size=2, divisor_override=3)), ([0, 2, 4, 4], dict(kernel_size=2)),
]
ADAPTIVE = [([2, 3, 6, 6], [1, 1]), ([3, 7, 5], [3, 2]), ([1, 2, 7, 8], [None, 3]), ([1, 1, 2, 3], [4, 5]), ([0, 1, 2, 2], [1, 2])]

rows = []


def row(kind, shape, options, f):
    x = numbers(shape).requires_grad_()
    out = f(x)
    positions = None
    if isinstance(out, tuple):
        out, positions = out
    grad = (torch.arange(out.numel(), dtype=torch.float64) % 13 - 5).view(out.shape)
    out.backward(grad)
    rows.append({'kind': kind, 'shape': shape, 'options': options, 'out_shape': list(out.shape), 'out': out.flatten().tolist(),
                 'positions': None if positions is None else positions.flatten().tolist(), 'grad': x.grad.flatten().tolist()})


for shape, o in MAX:
    row('max', shape, o, lambda x: F.max_pool2d(x, **o, return_indices=True))
for shape, o in AVG:
    row('avg', shape, o, lambda x: F.avg_pool2d(x, **o))
for shape, o in ADAPTIVE:
    row('adaptive', shape, o, lambda x: F.adaptive_avg_pool2d(x, o))
with open(f'{OUT}/pool.json', 'w') as file:
    json.dump({'torch': torch.__version__.split('+')[0], 'rows': rows}, file)
