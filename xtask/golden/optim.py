"""Trajectories of PyTorch's optimizers: parameters along ten steps with given gradients, the final state, and where the run
ends whose state was loaded into a new optimizer after five steps.

    python optim.py OUTPUT_DIR

The configurations are those of PyTorch's own tests (`optim_db`) and some more. Writes OUTPUT_DIR/optim.json. Gradients are g[i] = sin(step * 1.7 + i) + 0.1 * param[i], so that the test can make them; LBFGS has a loss instead.
"""
import copy
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
SHAPES = {'Adafactor': [(5,), (2, 3), (3, 2, 2)], 'Muon': [(2, 3), (3, 2), (4, 4)]}

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
    ('Adafactor', dict(lr=0.1, eps=(1e-3, 0.1), d=1.2, maximize=True)),
    ('Muon', dict(lr=0.1, nesterov=False, momentum=0.5, ns_steps=3)),
    ('LBFGS', dict(lr=0.2, history_size=2, max_iter=4)),
    ('LBFGS', dict(line_search_fn='strong_wolfe', history_size=3, max_iter=3)),
    ('LBFGS', dict(line_search_fn='strong_wolfe', max_eval=4, tolerance_change=1e-5)),
    ('LBFGS', dict(line_search_fn='strong_wolfe', tolerance_grad=1.0)),
]
OWN = len(CASES)
for info in optim_db:
    for case in info.optim_inputs_func(device='cpu'):
        CASES.append((info.optim_cls.__name__, case.kwargs))

# Sparse gradients there are not: counted, not run.
NOT_RUN = {'SparseAdam'}
KEEP = (0, 1, 4, 9)


def plain(value):
    if isinstance(value, torch.Tensor):
        return {'tensor': value.item()}
    return list(value) if isinstance(value, tuple) else value


def slot(value):
    """A state's entry: its dtype and numbers, or a number, or the length of a list and its first entry."""
    if isinstance(value, torch.Tensor):
        return [str(value.dtype)[6:], value.double().flatten().tolist()]
    return {'length': len(value), 'first': slot(value[0]) if value else None} if isinstance(value, list) else value


def start(shape, dtype):
    count = math.prod(shape)
    return torch.tensor([START[i % 5] + 0.1 * (i // 5) for i in range(count)], dtype=dtype).reshape(shape)


def move(opt, p, step, sign, own):
    """A step with the gradients of the test, or with the loss: a bowl, or Rosenbrock's valley."""
    if isinstance(opt, torch.optim.LBFGS):
        def closure():
            opt.zero_grad()
            if own:
                loss = (100 * (p[1:] - p[:-1] ** 2) ** 2 + (1 - p[:-1]) ** 2).sum()
            else:
                weights = torch.arange(1, p.numel() + 1, dtype=p.dtype)
                loss = (weights * (p - 1) ** 2 + 0.1 * p ** 4).sum()
            loss = sign * loss
            loss.backward()
            return loss
        return opt.step(closure)
    base = torch.tensor([math.sin(step * 1.7 + i) for i in range(p.numel())], dtype=torch.float64).reshape(p.shape)
    p.grad = (base + 0.1 * p.detach().double()).to(p.dtype)
    opt.step()


rows = []
for number, (name, options) in enumerate(CASES):
    shown = {'optimizer': name, 'db': number >= OWN, 'options': {k: plain(v) for k, v in options.items()}}
    if name in NOT_RUN:
        rows.append(shown)
        continue
    sign = -1 if options.get('maximize') else 1
    for shape in SHAPES.get(name, [(5,)]):
        for dtype in (torch.float64, torch.float32):
            p = torch.nn.Parameter(start(shape, dtype))
            opt = getattr(torch.optim, name)([p], **options)
            text = repr(opt)
            track, resumed = [], None
            for step in range(10):
                if step == 5:
                    q = torch.nn.Parameter(p.detach().clone())
                    resumed = getattr(torch.optim, name)([q], **options)
                    resumed.load_state_dict(copy.deepcopy(opt.state_dict()))
                move(opt, p, step, sign, number < OWN)
                if step in KEEP:
                    track.append(p.detach().double().flatten().tolist())
                if resumed:
                    move(resumed, q, step, sign, number < OWN)
            saved = opt.state_dict()['state'].get(0, {})
            rows.append(shown | {
                'shape': shape, 'dtype': str(dtype)[6:], 'track': track, 'resumed': q.detach().double().flatten().tolist(),
                'state': [[k, slot(v)] for k, v in saved.items()],
                'group_keys': list(opt.state_dict()['param_groups'][0]), 'text': text})

def said(make):
    try:
        make()
    except (ValueError, TypeError, RuntimeError) as error:
        return str(error)


# Options out of range: those of PyTorch's own tests that are not about kinds of tensors that there are not, and more.
MORE = [
    ('SGD', dict(lr=-1.0)), ('SGD', dict(momentum=-0.5)), ('SGD', dict(weight_decay=-0.1)), ('SGD', dict(nesterov=True)),
    ('Adam', dict(eps=-1e-8)), ('AdamW', dict(betas=(0.9, 1.5))), ('NAdam', dict(lr=-0.1)), ('NAdam', dict(eps=-1.0)),
    ('NAdam', dict(weight_decay=-2.0)), ('RAdam', dict(lr=-0.1)), ('RAdam', dict(betas=(0.5, -0.5))),
    ('Adamax', dict(lr=-0.1)), ('Adamax', dict(weight_decay=-0.5)), ('RMSprop', dict(alpha=-1.0)),
    ('Adagrad', dict(initial_accumulator_value=-1.0)), ('Adadelta', dict(eps=-1.0)), ('Rprop', dict(lr=-0.5)),
    ('ASGD', dict(lr=-0.5)), ('Adafactor', dict(lr=-0.5)), ('Adafactor', dict(eps=(None, -1.0))),
    ('Adafactor', dict(weight_decay=-0.5)), ('Muon', dict(lr=-0.5)), ('Muon', dict(momentum=-0.5)),
    ('Muon', dict(weight_decay=-0.5)), ('LBFGS', dict(lr=-0.5)),
]
errors = []
for info in optim_db:
    for case in info.optim_error_inputs_func('cpu', torch.float64):
        kwargs = {k: float(v) if type(v) is int else v for k, v in case.optimizer_error_input.kwargs.items()}
        if kwargs.get('eps') == (-1e-30, 1e-3):
            kwargs['eps'] = (-0.5, 1e-3)  # the test's reader of JSON rounds
        pairs = [v for v in kwargs.values() if isinstance(v, tuple)]
        if kwargs and not any(isinstance(x, torch.Tensor) for x in [*kwargs.values(), *(x for p in pairs for x in p)]):
            MORE.append((info.optim_cls.__name__, kwargs))
for name, options in MORE:
    if name not in NOT_RUN:
        p = torch.nn.Parameter(torch.zeros(2, 2))
        text = said(lambda: getattr(torch.optim, name)([p], **options))
        if text:
            errors.append({'optimizer': name, 'options': {k: plain(v) for k, v in options.items()}, 'text': text})

# Two groups, a third after three steps, and a gradient that is missing at every other step.
grouped = []
for info in optim_db:
    name = info.optim_cls.__name__
    if name in NOT_RUN or name == 'LBFGS':
        continue
    params = [torch.nn.Parameter(start((2, 3), torch.float64)) for _ in range(4)]
    opt = info.optim_cls([{'params': params[:1]}, {'params': params[1:3], 'lr': 0.05}], lr=0.01)
    for step in range(6):
        if step == 3:
            opt.add_param_group({'params': params[3:], 'lr': 0.1})
        for i, p in enumerate(params):
            base = torch.tensor([math.sin(step * 1.7 + j + i) for j in range(6)], dtype=torch.float64).reshape(2, 3)
            p.grad = base + 0.1 * p.detach() if i != 2 or step % 2 else None
        opt.step()
    grouped.append({'optimizer': name, 'end': [p.detach().flatten().tolist() for p in params],
                    'steps': [v.get('step', torch.tensor(0.0)).item() for v in opt.state.values()]})
with open(f'{OUT}/optim.json', 'w') as file:
    head = {'torch': torch.__version__.split('+')[0], 'start': START, 'steps': KEEP, 'errors': errors, 'grouped': grouped}
    lines = ',\n'.join(json.dumps(row, separators=(',', ':')) for row in rows)
    file.write(json.dumps(head)[:-1] + ', "rows": [\n' + lines + '\n]}\n')
