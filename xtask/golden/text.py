"""Golden texts: writes crates/tensor/tests/golden/text.json with PyTorch's tensor text, Python's repr and IPython's layout.

Needs torch 2.15 and IPython 8. Values are encoded as nodes `[kind, data]`.
"""
import collections
import json
import math
import random
import struct
import sys

import torch
from IPython.lib.pretty import pretty

random.seed(11)
torch.manual_seed(11)


def raw(t):
    return t.contiguous().flatten().view(torch.uint8).numpy().tobytes().hex() if t.numel() else ""


def bits(x):
    return struct.pack(">d", x).hex()


tensors = []


def tensor_case(t, **options):
    with torch._tensor_str.printoptions(**options):
        text = repr(t)
    tensors.append(dict(dtype=str(t.dtype)[6:], shape=list(t.shape), hex=raw(t.detach()), requires_grad=t.requires_grad and t.is_leaf,
                        grad_fn=None if t.grad_fn is None else t.grad_fn.name(), parameter=isinstance(t, torch.nn.Parameter), options=options, text=text))


F = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
I = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]
special = [0.0, -0.0, math.inf, -math.inf, math.nan, 1e-5, 1e8, 1.00000001e8, 0.5, 2.5, 0.00005, 1000.0, 1000.5, 1e-40, 0.125, 0.00015]
for dtype in F + I + [torch.bool]:
    for shape in [(), (1,), (0,), (2, 0), (5,), (2, 3), (2, 1, 3), (40,)]:
        t = torch.randn(shape) * 10 ** random.randint(-3, 4)
        tensor_case(t.to(dtype) if dtype != torch.bool else t > 0)
for dtype in F:
    for _ in range(12):
        tensor_case(torch.tensor([random.choice(special + [random.gauss(0, 1)]) for _ in range(random.randint(1, 9))], dtype=torch.float64).to(dtype))
for x in [2.5, 0.125, 0.5, 1.5, 0.03125, 1e300, 5e-324]:
    tensor_case(torch.tensor([x, 0.25, -1.0], dtype=torch.float64), precision=0)
    tensor_case(torch.tensor([x, 0.25], dtype=torch.float64), precision=2)
tensor_case(torch.arange(1200).view(30, 40))
tensor_case((torch.arange(1200) % 3 == 0).view(2, 600))
tensor_case(torch.randn(4, 3, 2, 70).half())
tensor_case(torch.randint(-2**62, 2**62, (3, 3)))
tensor_case(torch.tensor([2**63 - 1, -2**63]))
tensor_case(torch.randn(7, 30, 8), threshold=100, edgeitems=2)
tensor_case(torch.randn(7, 30), threshold=10, edgeitems=4, precision=1, linewidth=60)
tensor_case(torch.randn(3, 3), sci_mode=True, precision=1)
tensor_case(torch.randn(30), linewidth=20)
tensor_case(torch.nn.Parameter(torch.randn(2, 6)))
tensor_case(torch.nn.Parameter(torch.randn(13), requires_grad=False))
x = torch.randn(2, 6, requires_grad=True)
tensor_case(x)
tensor_case(x * 2)
tensor_case((x * 2).sum())
tensor_case(x @ torch.randn(6, 30))
tensor_case(x.double())
tensor_case((x[0, :5] * 1e-3).double())

values = []


def node(v):
    if v is None:
        return ["none", None]
    if isinstance(v, bool):
        return ["bool", v]
    if isinstance(v, int):
        n = (v.bit_length() // 8) + 1
        return ["int", v] if -2**63 <= v < 2**63 else ["bigint", v.to_bytes(n, "little", signed=True).hex()]
    if isinstance(v, float):
        return ["float", bits(v)]
    if isinstance(v, complex):
        return ["complex", [bits(v.real), bits(v.imag)]]
    if isinstance(v, str):
        return ["str", v]
    if isinstance(v, bytes):
        return ["bytes", v.hex()]
    if isinstance(v, bytearray):
        return ["bytearray", v.hex()]
    if isinstance(v, torch.Tensor):
        return ["tensor", [str(v.dtype)[6:], list(v.shape), raw(v.detach()), v.requires_grad, isinstance(v, torch.nn.Parameter)]]
    if isinstance(v, torch.Size):
        return ["size", list(v)]
    if isinstance(v, torch.dtype):
        return ["dtype", str(v)[6:]]
    if isinstance(v, torch.device):
        return ["device", str(v)]
    if isinstance(v, (list, tuple, set)):
        return [type(v).__name__, [node(x) for x in v]]
    if isinstance(v, dict):
        return [type(v).__name__, [[node(k), node(x)] for k, x in v.items()]]
    raise TypeError(type(v))


def value_case(v):
    values.append(dict(node=node(v), repr=repr(v), pretty=pretty(v)))


floats = [0.0, -0.0, 1.0, 0.1, 1e-4, 9.999e-5, 1e-8, 1e15, 1e16, 123456789012345680.0, 1.5e300, 5e-324, math.inf, -math.inf, math.nan, 0.001, 1 / 3, 100.0, -2.5e-7]
value_case(floats)
value_case([complex(a, b) for a, b in [(0, 1), (1, 0), (-0.0, 1.5), (0.5, -2), (1e20, 1e-9), (math.nan, math.inf), (0, -0.0)]])
value_case([2**63, -2**63, -2**63 - 1, 2**200, -2**200 + 1, 10**40, 256, -1, 0, -(2**64)])
strings = ["", "a", "it's", 'say "x"', "both ' and \"", "tab\there\n\r\\", "\x00\x1f\x7f\x80\xa0\xad", "é日本e\u0301", "\u200b\u2028\ufeff", "\U0001f600\U000e0001\ue000\u0378"]
value_case(strings)
value_case([s.encode() for s in strings] + [bytearray(b""), bytearray(b"'\"\xff")])
value_case([None, True, False, (), (1,), (1, 2), [], {}, set(), collections.OrderedDict(), collections.Counter(), torch.Size([2, 3]), torch.Size([]), torch.Size([4])])
value_case([torch.float32, torch.bool, torch.bfloat16, torch.device("cpu"), torch.device("cuda", 1)])
value_case(collections.Counter({"a": 1, "b": 5, "c": 5, "d": 2}))
value_case({1, 2, 3})
value_case({"b", "a", "c"})
value_case({i: collections.Counter({j: j * i for j in range(8)}) for i in range(5)})
value_case(torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1)).state_dict())
value_case(collections.OrderedDict(w=torch.randn(3)))
value_case({"p": torch.nn.Parameter(torch.randn(2, 3)), "q": torch.randn(2, requires_grad=True), "r": torch.nn.Parameter(torch.ones(1), requires_grad=False)})
value_case(list(range(1003)))
value_case([torch.randn(2, 2), [torch.randn(2, 2, 2), {"a": torch.randn(3)}]])
net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
for opt in [torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9), torch.optim.Adam(net.parameters(), lr=1e-3)]:
    value_case(opt.state_dict())
    net(torch.randn(4, 2)).sum().backward()
    opt.step()
    value_case({"epoch": 3, "model": net.state_dict(), "optimizer": opt.state_dict(), "loss": 0.25})


def grow(depth):
    kind = random.randrange(11 if depth else 6)
    if kind == 0:
        return random.randrange(10 ** random.randint(1, 12))
    if kind == 1:
        return random.gauss(0, 1) * 10 ** random.randint(-9, 9)
    if kind in (2, 3):
        return "".join(random.choices("abcdefgh ", k=random.randint(0, 30)))
    if kind == 4:
        return random.choice([None, True, False])
    if kind == 5:
        return torch.randn(random.choice([(), (2,), (2, 2), (1, 2, 2)]))
    n = random.randint(0, 7)
    if kind == 6:
        return tuple(grow(depth - 1) for _ in range(n))
    if kind in (7, 8):
        return [grow(depth - 1) for _ in range(n)]
    pairs = [(random.choice(["key", "a_longer_key_name", "k"]) + str(i) if random.random() < 0.7 else i, grow(depth - 1)) for i in range(n)]
    return collections.OrderedDict(pairs) if kind == 9 else dict(pairs)


for _ in range(120):
    value_case(grow(4))

with open(sys.argv[1] if len(sys.argv) > 1 else "crates/tensor/tests/golden/text.json", "w") as f:
    json.dump(dict(tensors=tensors, values=values), f, separators=(",", ":"), ensure_ascii=True)
print(len(tensors), len(values))
