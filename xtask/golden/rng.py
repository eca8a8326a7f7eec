"""Random draws of every dtype and memory order, as hashes: crates/tensor/tests/golden/rng_dtypes.json.

Usage, on a processor with AVX2: python rng.py OUTPUT_DIRECTORY
"""

import hashlib
import json
import sys

import torch

D = {
    "f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "i64": torch.int64,
    "i32": torch.int32, "i16": torch.int16, "i8": torch.int8, "u8": torch.uint8, "bool": torch.bool,
}
FLOATS = ["f64", "f32", "f16", "bf16"]
out = []


def sha(x):
    return hashlib.sha256(bytes(x.contiguous().view(torch.uint8).flatten().tolist())).hexdigest()


def case(name, make, **parameters):
    seed = 101 + len(out)
    g = torch.Generator().manual_seed(seed)
    values = sha(make(g))
    out.append(dict(op=name, seed=seed, sha256=values, state=sha(g.get_state()), **parameters))


for d in FLOATS:
    for n in [1, 3, 15, 16, 17, 31, 32, 100, 1000]:
        new = lambda: torch.empty(n, dtype=D[d])
        case("uniform", lambda g: new().uniform_(-0.3, 0.7, generator=g), dtype=d, n=n, low=-0.3, high=0.7)
        case("normal", lambda g: new().normal_(0.5, 2.5, generator=g), dtype=d, n=n, mean=0.5, std=2.5)
        case("rand", lambda g: torch.rand(n, dtype=D[d], generator=g), dtype=d, n=n)
        case("randn", lambda g: torch.randn(n, dtype=D[d], generator=g), dtype=d, n=n)
for d in D:
    n = 1000
    new = lambda: torch.empty(n, dtype=D[d])
    lo, hi = (0 if d in ("bool", "u8") else -7), (2 if d == "bool" else 100)
    case("bernoulli_", lambda g: new().bernoulli_(0.3, generator=g), dtype=d, n=n, p=0.3)
    case("random_", lambda g: new().random_(generator=g), dtype=d, n=n)
    case("randint", lambda g: torch.randint(lo, hi, (n,), dtype=D[d], generator=g), dtype=d, n=n, low=lo, high=hi)
    if d != "bool":
        case("randperm", lambda g: torch.randperm(100, dtype=D[d], generator=g), dtype=d, n=100)
for d in FLOATS:
    chances = (torch.arange(1000) / 1000).to(D[d])
    case("bernoulli", lambda g: torch.bernoulli(chances, generator=g), dtype=d, n=1000)
    for shape, perm in [((5, 7), (1, 0)), ((2, 3, 4), (2, 0, 1)), ((3, 4, 5), (1, 0, 2))]:
        new = lambda: torch.empty(shape, dtype=D[d]).permute(perm)
        where = dict(dtype=d, shape=shape, perm=perm)
        case("uniform_strided", lambda g: new().uniform_(-1, 2, generator=g), **where)
        case("normal_strided", lambda g: new().normal_(1, 2, generator=g), **where)
        case("bernoulli_strided", lambda g: new().bernoulli_(0.5, generator=g), **where)
    new = lambda: torch.empty(6, 8, dtype=D[d])[:, ::2]
    case("normal_sliced", lambda g: new().normal_(1, 2, generator=g), dtype=d)
    case("uniform_sliced", lambda g: new().uniform_(-1, 2, generator=g), dtype=d)
for lo, hi in [(0, (1 << 28) - 1), (0, 1 << 28), (-5, 1 << 28), (0, 1 << 40), (-(2**63), 2**63 - 1)]:
    case("randint", lambda g: torch.randint(lo, hi, (100,), generator=g), dtype="i64", n=100, low=lo, high=hi)
with open(f"{sys.argv[1]}/rng_dtypes.json", "w") as file:
    json.dump(out, file, indent=0)
