"""Recurrent layers on sequences of different lengths, and with dropout: what PyTorch gives.

    python sequence.py OUTPUT_DIR

Writes OUTPUT_DIR/sequence.json. Inputs are sin(0.7 i) so that the test can make them; parameters come from a seed.
"""
import json
import sys

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

OUT = sys.argv[1]


def waves(*shape):
    n = 1
    for s in shape:
        n *= s
    return torch.sin(torch.arange(n, dtype=torch.float64) * 0.7).reshape(shape)


def flat(t):
    return t.detach().double().flatten().tolist()


CASES = [
    ('RNN', dict(input_size=3, hidden_size=4, nonlinearity='relu', batch_first=True), True),
    ('GRU', dict(input_size=3, hidden_size=4, num_layers=2, bidirectional=True), True),
    ('LSTM', dict(input_size=3, hidden_size=4, num_layers=2, bidirectional=True, proj_size=2), True),
    ('LSTM', dict(input_size=3, hidden_size=4, num_layers=3, dropout=0.4, bias=False), False),
    ('GRU', dict(input_size=3, hidden_size=4, num_layers=2, dropout=0.3, batch_first=True), True),
]
LENGTHS = [2, 5, 1, 4]
rows = []
for name, options, packed in CASES:
    torch.manual_seed(11)
    net = getattr(torch.nn, name)(**options).double()
    x = waves(4, 5, 3) if options.get('batch_first') else waves(5, 4, 3)
    x.requires_grad_()
    torch.manual_seed(12)
    if packed:
        batch_first = bool(options.get('batch_first'))
        given = pack_padded_sequence(x, torch.tensor(LENGTHS), batch_first=batch_first, enforce_sorted=False)
        out, state = net(given)
        y, lengths = pad_packed_sequence(out, batch_first=batch_first, padding_value=-1.5, total_length=6)
        assert lengths.tolist() == LENGTHS
    else:
        y, state = net(x)
    states = list(state) if isinstance(state, tuple) else [state]
    total = (y * waves(*y.shape)).sum() + sum((s * s).sum() for s in states)
    total.backward()
    rows.append({
        'class': name, 'options': options, 'packed': packed, 'text': str(net), 'shape': list(y.shape), 'output': flat(y),
        'states': [flat(s) for s in states], 'input_grad': flat(x.grad),
        'grads': [[n, flat(p.grad)] for n, p in net.named_parameters()],
    })
with open(f'{OUT}/sequence.json', 'w') as f:
    json.dump({'lengths': LENGTHS, 'rows': rows}, f)
