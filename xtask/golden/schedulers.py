"""Learning rates of PyTorch's schedulers over 100 steps, and their state on the way.

    python schedulers.py OUTPUT_DIR

Writes OUTPUT_DIR/schedulers.json. Learning rates are the bits of their f64; the first group's are in full, and a hash
holds those of all groups and the momenta. Data is written as `coded` says, so that its kinds are kept.
"""
import collections
import json
import math
import struct
import sys
import warnings

import torch
from torch.optim import lr_scheduler
from torch.optim.swa_utils import SWALR

warnings.simplefilter('ignore')
OUT = sys.argv[1]
STEPS, SAVED_AT = 100, 37

FUNCTIONS = {
    'power': lambda x: 0.95 ** x, 'inverse': lambda x: 1 / (1 + x / 10), 'near': lambda x: 1 - 0.001 * x,
    'sine': lambda x: 0.5 * (1 + math.sin(x * math.pi / 2)),
}
STEP = dict(kind='StepLR', step_size=7, gamma=0.5)
CONSTANT = dict(kind='ConstantLR', factor=0.25, total_iters=9)
WARM = dict(kind='LinearLR', start_factor=0.1, total_iters=10)
DECAY = dict(kind='ExponentialLR', gamma=0.97)
COSINE = dict(kind='CosineAnnealingLR', T_max=40, eta_min=0.001)
RESTARTS = dict(kind='CosineAnnealingWarmRestarts', T_0=10, T_mult=2)
MULTI = dict(kind='MultiStepLR', milestones=[30, 3, 11, 11, 60], gamma=0.3)
CYCLE = dict(kind='CyclicLR', base_lr=0.001, max_lr=[0.1, 0.2, 0.3], step_size_up=6)
ONE = dict(kind='OneCycleLR', max_lr=[0.1, 0.2, 0.05], total_steps=101)
PLATEAU = dict(kind='ReduceLROnPlateau', patience=2)
CASES = [
    STEP, STEP | dict(step_size=30, gamma=0.1), STEP | dict(step_size=1, gamma=1.01), MULTI,
    MULTI | dict(milestones=[], gamma=0.1), CONSTANT, dict(kind='ConstantLR'), CONSTANT | dict(factor=1.0), WARM,
    dict(kind='LinearLR'), dict(kind='LinearLR', start_factor=0.7, end_factor=0.1, total_iters=33), DECAY,
    DECAY | dict(gamma=1.02), dict(kind='PolynomialLR'), dict(kind='PolynomialLR', total_iters=90, power=2.5),
    COSINE, dict(kind='CosineAnnealingLR', T_max=7), dict(kind='CosineAnnealingLR', T_max=1), RESTARTS,
    RESTARTS | dict(T_mult=1, eta_min=0.002), RESTARTS | dict(T_0=3, T_mult=3),
    dict(RESTARTS, to=0.25), dict(RESTARTS, T_mult=1, to=0.3), dict(STEP, to=1.0), dict(MULTI, to=2.0),
    dict(CONSTANT, to=1.0), dict(WARM, to=1.0), dict(DECAY, to=3.0), dict(COSINE, to=1.0),
    dict(kind='PolynomialLR', total_iters=90, power=2.5, to=1.0), dict(kind='LambdaLR', lr_lambda='power', to=1.0),
    CYCLE, CYCLE | dict(mode='triangular2', step_size_down=9, base_momentum=0.7, max_momentum=0.95),
    CYCLE | dict(mode='exp_range', gamma=0.99, base_lr=[0.01, 0.001, 0.002]), CYCLE | dict(scale_fn='sine'),
    CYCLE | dict(scale_fn='power', scale_mode='iterations', cycle_momentum=False),
    CYCLE | dict(optimizer='Adam'), CYCLE | dict(optimizer='Adadelta', cycle_momentum=False),
    ONE, ONE | dict(anneal_strategy='linear', optimizer='Adam'), ONE | dict(three_phase=True, max_lr=0.3),
    ONE | dict(three_phase=True, pct_start=0.2, div_factor=10.0, final_div_factor=100.0, optimizer='RMSprop',
               base_momentum=[0.5, 0.6, 0.7], max_momentum=0.9),
    ONE | dict(cycle_momentum=False, optimizer='Adagrad'),
    dict(kind='LambdaLR', lr_lambda='power'), dict(kind='LambdaLR', lr_lambda=['power', 'inverse', 'near']),
    dict(kind='MultiplicativeLR', lr_lambda='near'),
    dict(kind='MultiplicativeLR', lr_lambda=['near', 'inverse', 'near']),
    dict(kind='SequentialLR', schedulers=[CONSTANT, DECAY], milestones=[5]),
    dict(kind='SequentialLR', schedulers=[WARM, COSINE], milestones=[10]),
    dict(kind='SequentialLR', schedulers=[WARM, RESTARTS, STEP], milestones=[10, 50]),
    dict(kind='SequentialLR', schedulers=[WARM, dict(kind='LambdaLR', lr_lambda='power'), MULTI,
                                          dict(kind='MultiplicativeLR', lr_lambda='near')], milestones=[10, 40, 60]),
    dict(kind='SequentialLR', schedulers=[dict(kind='SequentialLR', schedulers=[CONSTANT, DECAY], milestones=[5]),
                                          STEP], milestones=[50]),
    dict(kind='SequentialLR', schedulers=[dict(kind='ChainedScheduler', schedulers=[CONSTANT, DECAY]), STEP],
         milestones=[40]),
    dict(kind='SequentialLR', schedulers=[WARM, CYCLE], milestones=[20]),
    dict(kind='SequentialLR', schedulers=[CONSTANT, ONE], milestones=[5]),
    dict(kind='SequentialLR', schedulers=[DECAY, dict(kind='SWALR', swa_lr=0.05), dict(kind='PolynomialLR')],
         milestones=[30, 60]),
    dict(kind='ChainedScheduler', schedulers=[CONSTANT, DECAY]),
    dict(kind='ChainedScheduler', schedulers=[WARM, COSINE, STEP]),
    dict(kind='ChainedScheduler',
         schedulers=[dict(kind='SequentialLR', schedulers=[WARM, DECAY], milestones=[12]), MULTI]),
    PLATEAU, PLATEAU | dict(factor=0.5, cooldown=4, min_lr=[0.001, 0.02, 0.0]),
    PLATEAU | dict(mode='max', threshold=0.05, threshold_mode='abs', min_lr=0.001, factor=0.7),
    PLATEAU | dict(mode='max', patience=0, threshold=0.1, eps=0.002), PLATEAU | dict(threshold_mode='abs', factor=0.9),
    dict(kind='SWALR', swa_lr=0.05), dict(kind='SWALR', swa_lr=[0.05, 0.1, 0.2], anneal_strategy='linear'),
    dict(kind='SWALR', swa_lr=0.03, anneal_epochs=0), dict(kind='SWALR', swa_lr=0.03, anneal_epochs=60),
    dict(kind='ChainedScheduler', schedulers=[DECAY, dict(kind='SWALR', swa_lr=0.05)]),
]
# Those that are made anew on the way with the argument `last_epoch`.
CASES += [case | dict(anew=True) for case in (
    STEP, MULTI, CONSTANT, WARM, DECAY, dict(kind='PolynomialLR', total_iters=90), COSINE, RESTARTS, CYCLE, ONE,
    dict(kind='LambdaLR', lr_lambda='power'), dict(kind='MultiplicativeLR', lr_lambda='near'),
    dict(kind='SWALR', swa_lr=0.05, anneal_epochs=60))]
METRICS = [round(1 / (1 + (i - i % 6) / 5) + 0.01 * (i * 7 % 5), 4) for i in range(STEPS)]


def make(case, optimizer, **more):
    options = {k: v for k, v in case.items() if k not in ('kind', 'optimizer', 'to', 'anew')} | more
    for key in ('lr_lambda', 'scale_fn'):
        if key in options:
            names = options[key]
            options[key] = [FUNCTIONS[n] for n in names] if isinstance(names, list) else FUNCTIONS[names]
    if 'schedulers' in options:
        options['schedulers'] = [make(inner, optimizer) for inner in options['schedulers']]
    if case['kind'] == 'ChainedScheduler':
        return lr_scheduler.ChainedScheduler(options['schedulers'], optimizer)
    return (SWALR if case['kind'] == 'SWALR' else getattr(lr_scheduler, case['kind']))(optimizer, **options)


def optimizer_of(case):
    params = [torch.nn.Parameter(torch.zeros(2)) for _ in range(4)]
    groups = [{'params': params[:1]}, {'params': params[1:3], 'lr': 0.05}, {'params': params[3:], 'lr': 0.003}]
    name = case.get('optimizer', 'SGD')
    return getattr(torch.optim, name)(groups, lr=0.1, **({'momentum': 0.9} if name in ('SGD', 'RMSprop') else {}))


def bits(x):
    return struct.unpack('<Q', struct.pack('<d', x))[0]


def coded(value):
    if isinstance(value, float):
        return {'f': f'{bits(value):016x}'}
    if isinstance(value, tuple):
        return {'t': [coded(v) for v in value]}
    if isinstance(value, dict):
        tag = 'c' if isinstance(value, collections.Counter) else 'd'
        return {tag: [[k, coded(v)] for k, v in value.items()]}
    return [coded(v) for v in value] if isinstance(value, list) else value


def momentum(group):
    return group['betas'][0] if 'betas' in group else group.get('momentum', 0.0)


rows = []
for case in CASES:
    opt = optimizer_of(case)
    sched = make(case, opt)
    first, digest, saved = [f"{bits(opt.param_groups[0]['lr']):016x}"], 0xcbf29ce484222325, None
    for step in range(STEPS):
        if step == SAVED_AT and 'anew' in case:
            sched = make(case, opt, last_epoch=step)
        if step == SAVED_AT:
            saved = {'groups': coded(opt.state_dict()['param_groups']), 'scheduler': coded(sched.state_dict())}
        opt.step()
        if case['kind'] == 'ReduceLROnPlateau':
            sched.step(METRICS[step])
        elif 'to' in case:
            to = case['to'] * (step + 1)
            sched.step(to if case['kind'] == RESTARTS['kind'] else int(to))
        else:
            sched.step()
        assert sched.get_last_lr() == [g['lr'] for g in opt.param_groups] or case['kind'] == 'SequentialLR'
        first.append(f"{bits(opt.param_groups[0]['lr']):016x}")
        for group in opt.param_groups:
            for number in (group['lr'], momentum(group)):
                for byte in struct.pack('<d', number):
                    digest = (digest ^ byte) * 0x100000001b3 % 2 ** 64
    rows.append({'case': case, 'first': ' '.join(first), 'hash': f'{digest:016x}', 'saved': saved,
                 'end': coded(sched.state_dict())})
with open(f'{OUT}/schedulers.json', 'w') as file:
    head = {'torch': torch.__version__.split('+')[0], 'saved_at': SAVED_AT, 'metrics': METRICS}
    lines = ',\n'.join(json.dumps(row, separators=(',', ':')) for row in rows)
    file.write(json.dumps(head)[:-1] + ', "rows": [\n' + lines + '\n]}\n')
