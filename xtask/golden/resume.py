"""Runs with each optimizer and scheduler that PyTorch left after seven steps, and their next ten losses.

    python resume.py OUTPUT_DIR [SAVED_ELSEWHERE]

Writes OUTPUT_DIR/resume.pt.gz, a dict of runs in the form of wengert_io::TrainingState with the losses as a further entry
`next`. With a second argument it goes on from the runs of that file instead, and compares the losses.
"""
import gzip
import io
import math
import sys
import warnings

import torch
from torch import nn
from torch.optim import lr_scheduler
from torch.optim.swa_utils import SWALR

warnings.simplefilter('ignore')
torch.set_num_threads(1)
OUT = sys.argv[1]
DONE, NEXT = 7, 10

OPTIMIZERS = {
    'SGD': dict(lr=0.1, momentum=0.9), 'Adam': dict(lr=0.01), 'AdamW': dict(lr=0.01),
    'RMSprop': dict(lr=0.01, momentum=0.5), 'Adagrad': dict(lr=0.1), 'Adadelta': dict(lr=1.0),
}
# With one scheduler, or none.
OTHERS = {
    'NAdam': dict(lr=0.01), 'RAdam': dict(lr=0.01), 'Adamax': dict(lr=0.01), 'ASGD': dict(lr=0.1, t0=3.0),
    'Rprop': dict(lr=0.01), 'Adafactor': dict(lr=0.1), 'Muon': dict(lr=0.02),
    'LBFGS': dict(lr=0.1, max_iter=3, history_size=5, line_search_fn='strong_wolfe'),
}


def cycles(opt):
    return 'momentum' in opt.defaults or 'betas' in opt.defaults


SCHEDULERS = {
    'None': lambda o: None,
    'StepLR': lambda o: lr_scheduler.StepLR(o, 3, 0.5),
    'MultiStepLR': lambda o: lr_scheduler.MultiStepLR(o, [2, 9, 9, 14], 0.5),
    'ConstantLR': lambda o: lr_scheduler.ConstantLR(o, 0.25, 9),
    'LinearLR': lambda o: lr_scheduler.LinearLR(o, 0.1, 1.0, 12),
    'ExponentialLR': lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    'PolynomialLR': lambda o: lr_scheduler.PolynomialLR(o, 15, 2.0),
    'CosineAnnealingLR': lambda o: lr_scheduler.CosineAnnealingLR(o, 10, 0.001),
    'CosineAnnealingWarmRestarts': lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3, 2),
    'CyclicLR': lambda o: lr_scheduler.CyclicLR(o, 0.001, 0.1, 4, mode='triangular2', cycle_momentum=cycles(o)),
    'OneCycleLR': lambda o: lr_scheduler.OneCycleLR(o, 0.1, 20, cycle_momentum=cycles(o)),
    'LambdaLR': lambda o: lr_scheduler.LambdaLR(o, lambda e: 0.9 ** e),
    'MultiplicativeLR': lambda o: lr_scheduler.MultiplicativeLR(o, lambda e: 1 - 0.01 * e),
    'SequentialLR': lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, 0.1, 1.0, 9), lr_scheduler.ExponentialLR(o, 0.9)], [9]),
    'ChainedScheduler': lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(o, 0.5, 9), lr_scheduler.ExponentialLR(o, 0.9)], o),
    'ReduceLROnPlateau': lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=1, threshold=0.05),
    'SWALR': lambda o: SWALR(o, 0.02, 10),
}
X = torch.tensor([math.sin(i) for i in range(96 * 4)], dtype=torch.float64).reshape(96, 4)
Y = (torch.arange(96) * 7) % 3


class Run:
    def __init__(self, optimizer, scheduler, dtype):
        self.dtype = getattr(torch, dtype)
        self.net = nn.Linear(4, 3, dtype=self.dtype)
        with torch.no_grad():
            self.net.weight.copy_(torch.arange(12).reshape(3, 4) / 10 - 0.5)
            self.net.bias.zero_()
        options = (OPTIMIZERS | OTHERS)[optimizer]
        groups = [{'params': [self.net.weight]}, {'params': [self.net.bias], 'lr': options['lr'] / 2}]
        if optimizer == 'Muon':
            groups.pop()
        if optimizer == 'LBFGS':
            groups = list(self.net.parameters())
        self.opt = getattr(torch.optim, optimizer)(groups, **options)
        self.sched = SCHEDULERS[scheduler](self.opt)
        self.step = 0

    def train(self, steps):
        losses = []
        for _ in range(steps):
            rows = slice(self.step % 12 * 8, self.step % 12 * 8 + 8)
            if isinstance(self.opt, torch.optim.LBFGS):
                rows = slice(0, 96)  # it needs the same loss at each step

            def closure():
                self.net.zero_grad()
                loss = nn.functional.cross_entropy(self.net(X[rows].to(self.dtype)), Y[rows])
                loss.backward()
                return loss
            loss = self.opt.step(closure)
            if isinstance(self.sched, lr_scheduler.ReduceLROnPlateau):
                self.sched.step(loss.item())
            elif self.sched is not None:
                self.sched.step()
            losses.append(loss.item())
            self.step += 1
        return losses

    def state(self):
        return {'model': self.net.state_dict(), 'optimizer': self.opt.state_dict(),
                'scheduler': None if self.sched is None else self.sched.state_dict(), 'rng_state': None, 'epoch': 0,
                'step': self.step, 'sampler': None}

    def load(self, d):
        self.net.load_state_dict(d['model'])
        self.opt.load_state_dict(d['optimizer'])
        if self.sched is not None:
            self.sched.load_state_dict(d['scheduler'])
        self.step = d['step']


if len(sys.argv) > 2:
    worst = {}
    runs = torch.load(sys.argv[2])
    for name, saved in runs.items():
        optimizer, scheduler, dtype = name.split()
        run = Run(optimizer, scheduler, dtype)
        run.load(saved)
        for ours, theirs in zip(run.train(NEXT), saved['next'], strict=True):
            key = f'{optimizer} {dtype}'
            worst[key] = max(worst.get(key, 0.0), abs(ours - theirs) / abs(ours))
    print(len(runs), 'runs; largest relative difference of a loss:')
    for key, difference in worst.items():
        print(f'  {key}: {difference:.1e}')
else:
    runs = {}
    for dtype in ('float64', 'float32'):
        for optimizer in OPTIMIZERS | OTHERS:
            for scheduler in SCHEDULERS if optimizer in OPTIMIZERS else ('None', 'StepLR'):
                run = Run(optimizer, scheduler, dtype)
                run.train(DONE)
                buffer = io.BytesIO()
                torch.save(run.state(), buffer)
                runs[f'{optimizer} {scheduler} {dtype}'] = torch.load(io.BytesIO(buffer.getvalue())) | {
                    'next': run.train(NEXT)}
    buffer = io.BytesIO()
    torch.save(runs, buffer)
    with open(OUT + '/resume.pt.gz', 'wb') as file:
        file.write(gzip.compress(buffer.getvalue(), mtime=0))
