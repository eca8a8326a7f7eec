"""Whole models that PyTorch saves, and what they print and compute.

    python models.py OUTPUT_DIR

Writes OUTPUT_DIR/<name>.pt (torch.save(net)) and OUTPUT_DIR/<name>.expected.pt ({'input', 'output', 'text'}).
"""
import sys
from pathlib import Path

import torch
from torch import nn

torch.set_num_threads(1)
OUT = Path(sys.argv[1])
OUT.mkdir(parents=True, exist_ok=True)


class Block(nn.Module):
    """A class that no reader knows."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 3), nn.Tanh())
        self.scale = nn.Parameter(torch.full((3,), 0.5))
        self.register_buffer('offset', torch.arange(3.0))
        self.register_buffer('cache', torch.zeros(2), persistent=False)
        self.activation = torch.nn.functional.relu
        self.settings = {'depth': 2, 'names': ['a', 'b']}

    def forward(self, x):
        return self.activation(self.body(x)) * self.scale + self.offset


def images():
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(4, 4, (3, 1), padding='same', padding_mode='reflect', groups=2, bias=False), nn.SiLU(), nn.AvgPool2d(2, 1),
        nn.AdaptiveAvgPool2d((None, 2)), nn.Flatten(), nn.LazyLinear(6), nn.LayerNorm(6), nn.GELU(),
        nn.Unflatten(1, (2, 3)), nn.Conv1d(2, 2, 2, padding=1), nn.LeakyReLU(0.1), nn.ELU(), nn.Softplus(),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(8, 5), nn.Identity(), nn.Sigmoid(), nn.LogSoftmax(dim=1))
    x = torch.randn(3, 1, 8, 8)
    net(x)  # moves the running statistics
    return net.eval(), x


def tied():
    net = nn.Sequential(nn.Embedding(6, 4, padding_idx=0), nn.Linear(4, 6, bias=False), nn.Softmax(-1))
    net[1].weight = net[0].weight
    return net, torch.tensor([[1, 2], [0, 5]])


def shared():
    layer = nn.Linear(3, 3)
    layer.bias.requires_grad_(False)
    return nn.Sequential(layer, nn.ReLU(), layer), torch.randn(2, 3)


def unknown():
    return nn.Sequential(nn.Linear(3, 3), Block()), torch.randn(2, 3)


for seed, make in enumerate([images, tied, shared, unknown]):
    torch.manual_seed(seed)
    net, x = make()
    torch.save(net, OUT / f'{make.__name__}.pt')
    if make is shared:
        torch.save(net, OUT / 'legacy.pt', _use_new_zipfile_serialization=False)
    with torch.no_grad():
        expected = {'input': x, 'output': net(x), 'text': str(net)}
    torch.save(expected, OUT / f'{make.__name__}.expected.pt')
torch.save(nn.LSTM(2, 3), OUT / 'lstm.pt')
# A net that has seen no input yet: its parameters have no shapes.
net = nn.Sequential(nn.LazyConv2d(3, (3, 1), bias=False), nn.LazyBatchNorm2d(momentum=None), nn.ReLU(), nn.Flatten(), nn.LazyLinear(4))
net[4].bias = nn.parameter.UninitializedParameter(requires_grad=False)
torch.save(net, OUT / 'lazy.pt')
(OUT / 'lazy.txt').write_text(str(net))
