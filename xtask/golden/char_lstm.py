"""The losses of a language model of characters in training, and how it goes on with a text.

    python char_lstm.py OUTPUT_DIR

Writes OUTPUT_DIR/char_lstm.json.
"""
import json
import sys

import torch
from torch import nn

torch.set_num_threads(1)
OUT = sys.argv[1]

text = open('examples/src/time_machine.txt').read().rstrip()
chars = sorted(set(text))
ids = torch.tensor([chars.index(c) for c in text])
time = (len(text) - 1) // 4
x, y = (ids[start:start + 4 * time].view(4, time).t().contiguous() for start in (0, 1))


class CharLSTM(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.embedding = nn.Embedding(size, 16)
        self.lstm = nn.LSTM(16, 48, num_layers=2, dropout=0.1)
        self.output = nn.Linear(48, size)

    def forward(self, x, states=None):
        hidden, states = self.lstm(self.embedding(x), states)
        return self.output(hidden), states


@torch.no_grad()
def continue_text(net, prefix, count):
    net.eval()
    out, states = prefix, None
    x = torch.tensor([[chars.index(c)] for c in prefix])
    for _ in range(count):
        scores, states = net(x, states)
        x = scores[-1:].argmax(-1)
        out += chars[x.item()]
    return out


def run(dtype, epochs):
    torch.manual_seed(0)
    net = CharLSTM(len(chars)).to(dtype)
    opt = torch.optim.Adam(net.parameters(), lr=0.01)
    losses = []
    for _ in range(epochs):
        states = None
        for start in range(0, time - 15, 16):
            scores, states = net(x[start:start + 16], states)
            states = tuple(s.detach() for s in states)
            loss = nn.functional.cross_entropy(scores.flatten(0, 1), y[start:start + 16].flatten())
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            opt.step()
            losses.append(loss.item())
    return {'repr': repr(net), 'losses': losses, 'text': continue_text(net, 'the time', 40)}


with open(OUT + '/char_lstm.json', 'w') as f:
    json.dump({'float64': run(torch.float64, 40), 'float32': run(torch.float32, 40)}, f, indent=1)
    f.write('\n')
