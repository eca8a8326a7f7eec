"""Writes examples/tests/golden/nets.json: the first losses of the book's other networks, trained in f64.

Run: cargo xtask golden --only nets

Each net is made after manual_seed(0) and converted to f64, its inputs are drawn after manual_seed(1), and it is trained by SGD
after manual_seed(2). The code is the book's, but for sizes.
"""

import json
import math
import pathlib
import sys

import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)
OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2] / "examples/tests/golden")
STEPS = 4


class AlexNet(nn.Module):
    def __init__(self, by):
        super().__init__()
        a, b, c, h = 96 // by, 256 // by, 384 // by, 4096 // by
        self.conv = nn.Sequential(
            nn.Conv2d(1, a, 11, 4), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(a, b, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(b, c, 3, 1, 1), nn.ReLU(),
            nn.Conv2d(c, c, 3, 1, 1), nn.ReLU(),
            nn.Conv2d(c, b, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(3, 2))
        self.fc = nn.Sequential(
            nn.Linear(b * 5 * 5, h), nn.ReLU(), nn.Dropout(0.5), nn.Linear(h, h), nn.ReLU(), nn.Dropout(0.5), nn.Linear(h, 10))

    def forward(self, x):
        return self.fc(self.conv(x).view(x.shape[0], -1))


class DenseBlock(nn.Module):
    def __init__(self, convs, inputs, growth):
        super().__init__()
        self.net = nn.ModuleList([
            nn.Sequential(nn.BatchNorm2d(inputs + i * growth), nn.ReLU(),
                          nn.Conv2d(inputs + i * growth, growth, kernel_size=3, padding=1)) for i in range(convs)])

    def forward(self, x):
        for block in self.net:
            x = torch.cat((x, block(x)), dim=1)
        return x


class GlobalAvgPool2d(nn.Module):
    def forward(self, x):
        return F.avg_pool2d(x, kernel_size=x.size()[2:])


def densenet(channels, growth, blocks):
    net = nn.Sequential(nn.Conv2d(1, channels, 7, 2, 3), nn.BatchNorm2d(channels), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    for i, convs in enumerate(blocks):
        net.add_module(f"DenseBlock_{i}", DenseBlock(convs, channels, growth))
        channels += convs * growth
        if i != len(blocks) - 1:
            net.add_module(f"transition_block_{i}", nn.Sequential(
                nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, channels // 2, 1), nn.AvgPool2d(2, 2)))
            channels //= 2
    net.add_module("BN", nn.BatchNorm2d(channels))
    net.add_module("relu", nn.ReLU())
    net.add_module("global_avg_pool", GlobalAvgPool2d())
    net.add_module("fc", nn.Sequential(nn.Flatten(), nn.Linear(channels, 10)))
    return net


class RNNModel(nn.Module):
    def __init__(self, layer, vocab, hidden):
        super().__init__()
        self.rnn = layer(vocab, hidden)
        self.dense = nn.Linear(hidden, vocab)
        self.vocab = vocab

    def forward(self, x, state=None):
        x = F.one_hot(x.T, self.vocab).to(self.dense.weight.dtype)
        y, state = self.rnn(x, state)
        return self.dense(y.reshape(-1, y.shape[-1])), state


class BiRNN(nn.Module):
    def __init__(self, vocab, embed, hidden, layers):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.encoder = nn.LSTM(embed, hidden, layers, bidirectional=True)
        self.decoder = nn.Linear(4 * hidden, 2)

    def forward(self, x):
        out, _ = self.encoder(self.embedding(x.permute(1, 0)))
        return self.decoder(torch.cat((out[0], out[-1]), -1))


class TextCNN(nn.Module):
    def __init__(self, vocab, embed, kernels):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.constant_embedding = nn.Embedding(vocab, embed)
        self.dropout = nn.Dropout(0.5)
        self.decoder = nn.Linear(sum(c for _, c in kernels), 2)
        self.convs = nn.ModuleList([nn.Conv1d(2 * embed, c, k) for k, c in kernels])

    def forward(self, x):
        e = torch.cat((self.embedding(x), self.constant_embedding(x)), dim=2).permute(0, 2, 1)
        e = torch.cat([F.max_pool1d(F.relu(c(e)), c(e).shape[2]).squeeze(-1) for c in self.convs], dim=-1)
        return self.decoder(self.dropout(e))


class Encoder(nn.Module):
    def __init__(self, vocab, embed, hidden, layers):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.GRU(embed, hidden, layers)

    def forward(self, x, state=None):
        return self.rnn(self.embedding(x.long()).permute(1, 0, 2), state)


class Decoder(nn.Module):
    def __init__(self, vocab, embed, hidden, layers, attention):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.attention = nn.Sequential(
            nn.Linear(2 * hidden, attention, bias=False), nn.Tanh(), nn.Linear(attention, 1, bias=False))
        self.rnn = nn.GRU(hidden + embed, hidden, layers)
        self.out = nn.Linear(hidden, vocab)

    def forward(self, x, state, enc):
        beside = state[-1].unsqueeze(dim=0).expand_as(enc)
        alpha = F.softmax(self.attention(torch.cat((enc, beside), dim=2)), dim=0)
        both = torch.cat((self.embedding(x), (alpha * enc).sum(dim=0)), dim=1)
        out, state = self.rnn(both.unsqueeze(0), state)
        return self.out(out).squeeze(dim=0), state


def masked_softmax(x, lens):
    if lens is None:
        return x.softmax(-1)
    lens = lens.reshape(x.shape[0], 1, 1) if lens.dim() == 1 else lens.reshape(x.shape[0], x.shape[1], 1)
    return x.masked_fill(torch.arange(x.shape[2]) >= lens, -1e6).softmax(-1)


class MultiHeadAttention(nn.Module):
    def __init__(self, size, heads, dropout, bias=False):
        super().__init__()
        self.heads = heads
        self.dropout = nn.Dropout(dropout)
        for name in ("W_q", "W_k", "W_v", "W_o"):
            setattr(self, name, nn.Linear(size, size, bias=bias))

    def forward(self, q, k, v, lens):
        def split(x):
            x = x.reshape(x.shape[0], x.shape[1], self.heads, -1).permute(0, 2, 1, 3)
            return x.reshape(-1, x.shape[2], x.shape[3])
        q, k, v = split(self.W_q(q)), split(self.W_k(k)), split(self.W_v(v))
        if lens is not None:
            lens = lens.repeat_interleave(self.heads, dim=0)
        x = torch.bmm(self.dropout(masked_softmax(torch.bmm(q, k.transpose(1, 2)) / math.sqrt(q.shape[-1]), lens)), v)
        x = x.reshape(-1, self.heads, x.shape[1], x.shape[2]).permute(0, 2, 1, 3)
        return self.W_o(x.reshape(x.shape[0], x.shape[1], -1))


class AddNorm(nn.Module):
    def __init__(self, size, dropout):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.ln = nn.LayerNorm(size)

    def forward(self, x, y):
        return self.ln(self.dropout(y) + x)


class PositionWiseFFN(nn.Module):
    def __init__(self, size, hidden):
        super().__init__()
        self.dense1 = nn.Linear(size, hidden)
        self.relu = nn.ReLU()
        self.dense2 = nn.Linear(hidden, size)

    def forward(self, x):
        return self.dense2(self.relu(self.dense1(x)))


class PositionalEncoding(nn.Module):
    def __init__(self, size, dropout, max_len=1000):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        x = torch.arange(max_len, dtype=torch.float64).reshape(-1, 1)
        x = x / torch.pow(10000, torch.arange(0, size, 2, dtype=torch.float64) / size)
        self.P = torch.zeros((1, max_len, size))
        self.P[:, :, 0::2], self.P[:, :, 1::2] = torch.sin(x), torch.cos(x)

    def forward(self, x):
        return self.dropout(x + self.P[:, :x.shape[1], :])


class EncoderBlock(nn.Module):
    def __init__(self, size, hidden, heads, dropout, bias=False):
        super().__init__()
        self.attention = MultiHeadAttention(size, heads, dropout, bias)
        self.addnorm1 = AddNorm(size, dropout)
        self.ffn = PositionWiseFFN(size, hidden)
        self.addnorm2 = AddNorm(size, dropout)

    def forward(self, x, lens):
        y = self.addnorm1(x, self.attention(x, x, x, lens))
        return self.addnorm2(y, self.ffn(y))


class TransformerEncoder(nn.Module):
    def __init__(self, vocab, size, hidden, heads, layers, dropout):
        super().__init__()
        self.size = size
        self.embedding = nn.Embedding(vocab, size)
        self.pos_encoding = PositionalEncoding(size, dropout)
        self.blks = nn.ModuleList([EncoderBlock(size, hidden, heads, dropout) for _ in range(layers)])

    def forward(self, x, lens):
        x = self.pos_encoding(self.embedding(x) * math.sqrt(self.size))
        for block in self.blks:
            x = block(x, lens)
        return x


class DecoderBlock(nn.Module):
    def __init__(self, size, hidden, heads, dropout):
        super().__init__()
        self.attention1 = MultiHeadAttention(size, heads, dropout)
        self.addnorm1 = AddNorm(size, dropout)
        self.attention2 = MultiHeadAttention(size, heads, dropout)
        self.addnorm2 = AddNorm(size, dropout)
        self.ffn = PositionWiseFFN(size, hidden)
        self.addnorm3 = AddNorm(size, dropout)

    def forward(self, x, enc, lens):
        before = torch.arange(1, x.shape[1] + 1).repeat(x.shape[0], 1)
        y = self.addnorm1(x, self.attention1(x, x, x, before))
        z = self.addnorm2(y, self.attention2(y, enc, enc, lens))
        return self.addnorm3(z, self.ffn(z))


class TransformerDecoder(nn.Module):
    def __init__(self, vocab, size, hidden, heads, layers, dropout):
        super().__init__()
        self.size = size
        self.embedding = nn.Embedding(vocab, size)
        self.pos_encoding = PositionalEncoding(size, dropout)
        self.blks = nn.ModuleList([DecoderBlock(size, hidden, heads, dropout) for _ in range(layers)])
        self.dense = nn.Linear(size, vocab)

    def forward(self, x, enc, lens):
        x = self.pos_encoding(self.embedding(x) * math.sqrt(self.size))
        for block in self.blks:
            x = block(x, enc, lens)
        return self.dense(x)


class BERT(nn.Module):
    def __init__(self, vocab, size, hidden, heads, layers, dropout, max_len):
        super().__init__()
        self.token_embedding = nn.Embedding(vocab, size)
        self.segment_embedding = nn.Embedding(2, size)
        self.blks = nn.ModuleList([EncoderBlock(size, hidden, heads, dropout, True) for _ in range(layers)])
        self.pos_embedding = nn.Parameter(torch.randn(1, max_len, size))
        self.mlp = nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.LayerNorm(size), nn.Linear(size, vocab))
        self.hidden = nn.Sequential(nn.Linear(size, size), nn.Tanh())
        self.nsp = nn.Linear(size, 2)

    def forward(self, tokens, segments, lens, positions):
        x = self.token_embedding(tokens) + self.segment_embedding(segments) + self.pos_embedding[:, :tokens.shape[1], :]
        for block in self.blks:
            x = block(x, lens)
        rows = torch.arange(x.shape[0]).repeat_interleave(positions.shape[1])
        masked = x[rows, positions.reshape(-1)].reshape(x.shape[0], positions.shape[1], -1)
        return self.mlp(masked), self.nsp(self.hidden(x[:, 0, :]))


def words(*shape):
    """Numbers of words, the same without a generator."""
    count = math.prod(shape)
    return ((torch.arange(count) * 7 + torch.arange(count) // 3) % 11).reshape(shape)


def images(batch, size):
    x = torch.rand(batch, 1, size, size).double()
    return lambda net: F.cross_entropy(net(x), torch.arange(batch) % 10)


def language(net):
    x, y = words(3, 6), words(3, 7)[:, 1:]
    first, state = net(x)
    second, _ = net(y, state.detach())
    return F.cross_entropy(first, y.T.reshape(-1)) + F.cross_entropy(second, x.T.reshape(-1))


def texts(net):
    return F.cross_entropy(net(words(4, 9)), torch.tensor([0, 1, 1, 0]))


def translation(net):
    encoder, decoder = net
    enc, state = encoder(words(3, 5))
    target, x, loss = words(3, 4), torch.ones(3, dtype=torch.long), 0.0
    for t in range(4):
        out, state = decoder(x, state, enc)
        loss = loss + F.cross_entropy(out, target[:, t])
        x = target[:, t]
    return loss / 4


def transformer(net):
    encoder, decoder = net
    lens = torch.tensor([5, 3, 2])
    out = decoder(words(3, 4), encoder(words(3, 5), lens), lens)
    return F.cross_entropy(out.reshape(12, -1), words(12))


def bert(net):
    mlm, nsp = net(words(3, 8), words(3, 8) % 2, torch.tensor([8, 5, 6]), torch.tensor([[1, 4], [2, 3], [0, 5]]))
    return F.cross_entropy(mlm.reshape(6, -1), words(6)) + F.cross_entropy(nsp, torch.tensor([0, 1, 0]))


SIZES = (11, 8, 16, 4, 2, 0.1)
ROWS = {
    "AlexNet": (lambda: AlexNet(16), lambda: images(2, 224)),
    "DenseNet": (lambda: densenet(8, 4, [2, 3]), lambda: images(4, 32)),
    "RNN": (lambda: RNNModel(nn.RNN, 11, 8), lambda: language),
    "GRU": (lambda: RNNModel(nn.GRU, 11, 8), lambda: language),
    "BiRNN": (lambda: BiRNN(11, 6, 5, 2), lambda: texts),
    "TextCNN": (lambda: TextCNN(11, 6, [(3, 4), (4, 4), (5, 4)]), lambda: texts),
    "attention": (lambda: nn.ModuleList([Encoder(11, 6, 8, 2), Decoder(11, 6, 8, 2, 10)]), lambda: translation),
    "Transformer": (lambda: nn.ModuleList([TransformerEncoder(*SIZES), TransformerDecoder(*SIZES)]), lambda: transformer),
    "BERT": (lambda: BERT(*SIZES, 20), lambda: bert),
}

rows = {}
for name, (make, inputs) in ROWS.items():
    torch.manual_seed(0)
    net = make().double()
    torch.manual_seed(1)
    loss_of = inputs()
    torch.manual_seed(2)
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for _ in range(STEPS):
        opt.zero_grad()
        loss = loss_of(net)
        loss.backward()
        opt.step()
        losses.append(loss.item())
    rows[name] = {"losses": losses, "parameters": [[k, list(p.shape)] for k, p in net.named_parameters()]}

lines = [f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items()]
(OUT / "nets.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
