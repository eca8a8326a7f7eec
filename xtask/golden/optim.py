"""Trajectories of PyTorch's optimizers: parameters after each of ten steps with given gradients, and the final state.

    python optim.py OUTPUT_DIR

Writes OUTPUT_DIR/optim.json. Gradients are g[i] = sin(step * 1.7 + i) + 0.1 * param[i], so that the test can make them.
"""
import json
import math
import sys

import torch

OUT = sys.argv[1]
START = [0.5, -1.25, 2.0, 0.0, 3.5]

CASES = [
    ('SGD', dict(lr=0.1)),
    ('SGD', dict(lr=0.1, weight_decay=0.01)),
    ('SGD', dict(lr=0.1, momentum=0.9)),
    ('SGD', dict(lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.02)),
    ('SGD', dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.02)),
    ('SGD', dict(lr=0.1, momentum=0.5, maximize=True)),
    ('Adam', dict(lr=0.01)),
    ('Adam', dict(lr=0.01, betas=(0.3, 0.5), eps=1e-3)),
    ('Adam', dict(lr=0.01, weight_decay=0.1)),
    ('Adam', dict(lr=0.01, amsgrad=True, maximize=True)),
    ('Adam', dict(lr=0.01, weight_decay=0.1, decoupled_weight_decay=True)),
    ('AdamW', dict(lr=0.01)),
    ('AdamW', dict(lr=0.01, weight_decay=0.2, amsgrad=True)),
]

rows = []
for name, options in CASES:
    for dtype in (torch.float64, torch.float32):
        p = torch.nn.Parameter(torch.tensor(START, dtype=dtype))
        opt = getattr(torch.optim, name)([p], **options)
        track = []
        for step in range(10):
            base = torch.tensor([math.sin(step * 1.7 + i) for i in range(len(START))], dtype=torch.float64)
            p.grad = (base + 0.1 * p.detach().double()).to(dtype)
            opt.step()
            track.append(p.detach().double().tolist())
        state = {k: v.double().tolist() for k, v in opt.state_dict()['state'].get(0, {}).items()}
        rows.append({'optimizer': name, 'options': {k: list(v) if isinstance(v, tuple) else v for k, v in options.items()},
                     'dtype': str(dtype)[6:], 'track': track, 'state': state,
                     'group_keys': list(opt.state_dict()['param_groups'][0]), 'text': repr(opt)})
with open(f'{OUT}/optim.json', 'w') as file:
    json.dump({'torch': torch.__version__.split('+')[0], 'start': START, 'rows': rows}, file, indent=0)
