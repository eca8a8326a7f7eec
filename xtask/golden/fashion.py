"""What PyTorch prints for the `fashion` example: LeNet with batch norm on the embedded Fashion-MNIST images.

    python fashion.py OUTPUT_DIR

Writes OUTPUT_DIR/fashion.json: per dtype the epochs' mean loss, training accuracy and test accuracy.
"""
import gzip
import json
import os
import struct
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
OUT = sys.argv[1]
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../crates/data/data/fashion-mnist-sub')


def idx(name):
    raw = gzip.open(os.path.join(DATA, name)).read()
    rank = raw[3]
    dims = struct.unpack('>' + 'I' * rank, raw[4:4 + 4 * rank])
    return torch.tensor(np.frombuffer(raw[4 + 4 * rank:], dtype=np.uint8).reshape(dims).copy())


def split(part):
    images = idx(f'{part}-images-idx3-ubyte.gz').float().div(255).unsqueeze(1)
    return images, idx(f'{part}-labels-idx1-ubyte.gz').long()


def lenet_bn():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.BatchNorm2d(6), nn.Sigmoid(), nn.MaxPool2d(2, 2),
        nn.Conv2d(6, 16, 5), nn.BatchNorm2d(16), nn.Sigmoid(), nn.MaxPool2d(2, 2), nn.Flatten(),
        nn.Linear(256, 120), nn.BatchNorm1d(120), nn.Sigmoid(),
        nn.Linear(120, 84), nn.BatchNorm1d(84), nn.Sigmoid(), nn.Linear(84, 10))


def run(dtype, epochs=5, batch_size=32, lr=0.001, seed=0):
    torch.manual_seed(seed)
    net = lenet_bn().to(dtype)
    torch.manual_seed(seed + 1)
    (train_x, train_y), (test_x, test_y) = split('train512'), split('test256')
    train = DataLoader(TensorDataset(train_x.to(dtype), train_y), batch_size, shuffle=True)
    test = DataLoader(TensorDataset(test_x.to(dtype), test_y), batch_size)
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    rows = []
    for _ in range(epochs):
        net.train()
        total, right, seen = 0.0, 0, 0
        for x, y in train:
            output = net(x)
            loss = nn.functional.cross_entropy(output, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
            right += (output.argmax(1) == y).sum().item()
            seen += len(y)
        net.eval()
        with torch.no_grad():
            test_right = sum((net(x).argmax(1) == y).sum().item() for x, y in test)
        rows.append({'loss': total / len(train), 'train_acc': right / seen, 'test_acc': test_right / len(test_y)})
    return rows


with open(f'{OUT}/fashion.json', 'w') as file:
    json.dump({'torch': torch.__version__.split('+')[0], 'float32': run(torch.float32), 'float64': run(torch.float64)},
              file, indent=1)
