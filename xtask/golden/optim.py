"""Trajectories of PyTorch's optimizers: parameters along ten steps with given gradients, and the final state.

    python optim.py OUTPUT_DIR

The configurations are those of PyTorch's own tests (`optim_db`) and some more. Writes OUTPUT_DIR/optim.json. Gradients are g[i] = sin(step * 1.7 + i) + 0.1 * param[i], so that the test can make them.
"""
import json
import math
import sys
import types

import torch

# The test utilities import a package that the data base does not use.
sys.modules.setdefault('expecttest', types.SimpleNamespace(TestCase=object))
from torch.testing._internal.common_optimizers import optim_db  # noqa: E402

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
    ('RMSprop', dict(alpha=0.3, momentum=0.9)),
    ('RMSprop', dict(lr=0.02, alpha=0.3, centered=True)),
    ('Adagrad', dict(lr=0.1, eps=1e-3)),
    ('Adadelta', dict(rho=0.5, eps=1e-3)),
    ('NAdam', dict(betas=(0.4, 0.7), eps=1e-3, maximize=True)),
    ('RAdam', dict(betas=(0.4, 0.95), weight_decay=0.1, maximize=True, decoupled_weight_decay=True)),
    ('Adamax', dict(betas=(0.4, 0.7), eps=1e-3)),
    ('Rprop', dict(lr=0.3, etas=(0.3, 2.5), step_sizes=(0.05, 0.4))),
    ('ASGD', dict(lr=0.1, lambd=0.2, alpha=0.5, t0=3.0, weight_decay=0.1)),
]
OWN = len(CASES)
for info in optim_db:
    for case in info.optim_inputs_func(device='cpu'):
        CASES.append((info.optim_cls.__name__, case.kwargs))

# What takes closures, sparse gradients or matrices only: counted, not run.
NOT_RUN = {'LBFGS', 'SparseAdam', 'Muon', 'Adafactor'}
KEEP = (0, 1, 4, 9)


def plain(value):
    if isinstance(value, torch.Tensor):
        return {'tensor': value.item()}
    return list(value) if isinstance(value, tuple) else value


rows = []
for number, (name, options) in enumerate(CASES):
    shown = {'optimizer': name, 'db': number >= OWN, 'options': {k: plain(v) for k, v in options.items()}}
    if name in NOT_RUN:
        rows.append(shown)
        continue
    for dtype in (torch.float64, torch.float32):
        p = torch.nn.Parameter(torch.tensor(START, dtype=dtype))
        opt = getattr(torch.optim, name)([p], **options)
        track = []
        for step in range(10):
            base = torch.tensor([math.sin(step * 1.7 + i) for i in range(len(START))], dtype=torch.float64)
            p.grad = (base + 0.1 * p.detach().double()).to(dtype)
            opt.step()
            if step in KEEP:
                track.append(p.detach().double().tolist())
        saved = opt.state_dict()['state'].get(0, {})
        rows.append(shown | {
            'dtype': str(dtype)[6:], 'track': track,
            'state': [[k, str(v.dtype)[6:], v.double().flatten().tolist()] for k, v in saved.items()],
            'group_keys': list(opt.state_dict()['param_groups'][0]), 'text': repr(opt)})
with open(f'{OUT}/optim.json', 'w') as file:
    head = {'torch': torch.__version__.split('+')[0], 'start': START, 'steps': KEEP}
    lines = ',\n'.join(json.dumps(row, separators=(',', ':')) for row in rows)
    file.write(json.dumps(head)[:-1] + ', "rows": [\n' + lines + '\n]}\n')
