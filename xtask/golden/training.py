"""A training run that PyTorch left within an epoch, and its next ten losses.

    python training.py OUTPUT_DIR [SAVED_ELSEWHERE]

Writes OUTPUT_DIR/training.pt in the form of wengert_io::TrainingState and OUTPUT_DIR/training.json. With a second
argument it goes on from that file instead and prints the losses.
"""
import json
import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
OUT = sys.argv[1]

rows = torch.arange(60 * 6, dtype=torch.float64).reshape(60, 6)
x = torch.sin(rows)
y = (torch.arange(60) * 7) % 3


def make():
    net = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Dropout(0.25), nn.Linear(16, 3)).double()
    return net, torch.optim.Adam(net.parameters(), lr=0.01, weight_decay=0.001)


class Run:
    def __init__(self):
        torch.manual_seed(3)
        self.net, self.opt = make()
        self.loader = DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True)
        self.epoch, self.step, self.batch, self.start = 0, 0, 0, None
        self.batches = None

    def train(self, steps):
        losses = []
        for _ in range(steps):
            if self.batches is None:
                self.start, self.batch = torch.get_rng_state(), 0
                self.batches = iter(self.loader)
            inputs, targets = next(self.batches)
            loss = nn.functional.cross_entropy(self.net(inputs), targets)
            self.opt.zero_grad()
            loss.backward()
            self.opt.step()
            losses.append(loss.item())
            self.step, self.batch = self.step + 1, self.batch + 1
            if self.batch == len(self.loader):
                self.epoch, self.batches = self.epoch + 1, None
        return losses

    def save(self, path):
        sampler = None if self.batches is None else {'rng_state': self.start, 'batch': self.batch}
        torch.save({
            'model': self.net.state_dict(), 'optimizer': self.opt.state_dict(), 'scheduler': None,
            'rng_state': torch.get_rng_state(), 'epoch': self.epoch, 'step': self.step, 'sampler': sampler}, path)

    def load(self, path):
        d = torch.load(path)
        self.net.load_state_dict(d['model'])
        self.opt.load_state_dict(d['optimizer'])
        self.epoch, self.step = d['epoch'], d['step']
        if d['sampler']:
            self.start, self.batch = d['sampler']['rng_state'], d['sampler']['batch']
            torch.set_rng_state(self.start)
            self.batches = iter(self.loader)
            for _ in range(self.batch):
                next(self.batches)
        torch.set_rng_state(d['rng_state'])


run = Run()
if len(sys.argv) > 2:
    run.load(sys.argv[2])
    print(json.dumps(run.train(10)))
else:
    run.train(11)  # one epoch of eight steps, and three more
    run.save(OUT + '/training.pt')
    with open(OUT + '/training.json', 'w') as f:
        json.dump({'next': run.train(10)}, f)
        f.write('\n')
    again = Run()
    again.load(OUT + '/training.pt')
    assert again.train(10) == json.load(open(OUT + '/training.json'))['next']
