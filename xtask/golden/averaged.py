"""Averages of a network's parameters by PyTorch, and batch statistics computed anew.

    python averaged.py OUTPUT_DIR

Writes OUTPUT_DIR/averaged.json. Parameter k has the values sin(0.3 * i + step + 10 * k), a batch sin(0.7 * i + step).
"""
import json
import sys

import torch
from torch import nn
from torch.optim import swa_utils

OUT = sys.argv[1]


def wave(shape, scale, start, dtype):
    count = torch.Size(shape).numel()
    return torch.sin(torch.arange(count, dtype=torch.float64) * scale + start).reshape(shape).to(dtype)


def described(module):
    return [[name, str(value.dtype)[6:], list(value.shape), value.double().flatten().tolist()]
            for name, value in module.state_dict().items()]


rows = []
for dtype in (torch.float64, torch.float32):
    for ema, use_buffers in ((None, False), (None, True), (0.9, False), (0.75, True)):
        net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2)).to(dtype)
        avg_fn = None if ema is None else swa_utils.get_ema_avg_fn(ema)
        averaged = swa_utils.AveragedModel(net, avg_fn=avg_fn, use_buffers=use_buffers)
        for step in range(4):
            with torch.no_grad():
                for k, p in enumerate(net.parameters()):
                    p.copy_(wave(p.shape, 0.3, step + 10 * k, dtype))
                net(wave((6, 3), 0.7, step, dtype))
            averaged.update_parameters(net)
        row = {'dtype': str(dtype)[6:], 'ema': ema, 'use_buffers': use_buffers, 'state': described(averaged)}
        averaged.eval()
        swa_utils.update_bn([[wave((6, 3), 0.7, 20 + i, dtype)] for i in range(3)], averaged)
        assert not averaged.training and averaged.module[1].momentum == 0.1
        rows.append(row | {'fresh': described(averaged.module[1]),
                           'output': averaged(wave((2, 3), 0.7, 40, dtype)).double().flatten().tolist()})
with open(f'{OUT}/averaged.json', 'w') as file:
    lines = ',\n'.join(json.dumps(row, separators=(',', ':')) for row in rows)
    file.write('[\n' + lines + '\n]\n')
