"""Checkpoints written by PyTorch halfway through a training run, and what PyTorch computes from there on.

    python interop.py OUTPUT_DIR

Writes OUTPUT_DIR/torch_<name>.pt ({'model', 'optimizer', 'epoch', 'rng_state'}) and OUTPUT_DIR/interop.json.
"""
import json
import sys

import torch
from torch import nn

torch.set_num_threads(1)
OUT = sys.argv[1]


def lenet_bn():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.BatchNorm2d(6), nn.Sigmoid(), nn.MaxPool2d(2, 2),
        nn.Conv2d(6, 16, 5), nn.BatchNorm2d(16), nn.Sigmoid(), nn.MaxPool2d(2, 2), nn.Flatten(),
        nn.Linear(256, 120), nn.BatchNorm1d(120), nn.Sigmoid(),
        nn.Linear(120, 84), nn.BatchNorm1d(84), nn.Sigmoid(), nn.Linear(84, 10))


def small_mlp():
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


CASES = {
    'lenet_bn_f32': (lenet_bn, torch.float32, (16, 1, 28, 28), 10, lambda p: torch.optim.Adam(p, lr=0.001)),
    'mlp_adam_f64': (small_mlp, torch.float64, (16, 8), 4, lambda p: torch.optim.Adam(p, lr=0.01)),
    'mlp_sgd_f64': (small_mlp, torch.float64, (16, 8), 4,
                    lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True)),
}

result = {'torch': torch.__version__.split('+')[0], 'cases': {}}
for name, (build, dtype, shape, classes, make) in CASES.items():
    torch.manual_seed(0)
    net = build().to(dtype)
    torch.manual_seed(1)
    x = torch.rand(shape).to(dtype)
    y = torch.arange(shape[0]) % classes
    opt = make(net.parameters())

    def step():
        loss = nn.functional.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss.item()

    before = [step() for _ in range(3)]
    torch.save({'model': net.state_dict(), 'optimizer': opt.state_dict(), 'epoch': 3,
                'rng_state': torch.get_rng_state()}, f'{OUT}/torch_{name}.pt')
    next_random = torch.rand(4).tolist()
    net.eval()
    logits = net(x)[0].tolist()
    net.train()
    after = [step() for _ in range(4)]
    result['cases'][name] = {'before': before, 'logits': logits, 'after': after, 'next_random': next_random}

with open(f'{OUT}/interop.json', 'w') as file:
    json.dump(result, file, indent=1)
