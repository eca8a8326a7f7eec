"""Golden cases for joining, indexing and sorting: writes crates/tensor/tests/golden/index.json.

Needs torch 2.15. A case is `[op, tensors, args, outputs]`, where an output that is text is the first line of an error.
"""
import json
import math
import random
import sys

import torch
import torch.nn.functional as F

random.seed(5)
torch.manual_seed(5)
T = torch.tensor
cases = []
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool]


def number(x):
    if isinstance(x, float):
        if math.isnan(x):
            return "nan"
        if x == 0 and math.copysign(1, x) < 0:
            return "-0"
        if math.isinf(x):
            return "inf" if x > 0 else "-inf"
        return int(x) if x == int(x) else x
    return x


def enc(t):
    return [str(t.dtype)[6:], list(t.shape), [number(v) for v in t.flatten().tolist()]]


def case(op, f, *tensors, args=()):
    try:
        out = f(*tensors)
        out = [enc(t) for t in (out if isinstance(out, (tuple, list)) else [out])]
    except Exception as e:
        out = str(e).split("\n")[0]
        if op == "meshgrid":
            out = out.split(" got:")[0]  # what follows is the tensor's values
    cases.append([op, [None if t is None else enc(t) for t in tensors], list(args), out])


def vals(*shape, dtype=torch.float32, lo=-20, hi=20):
    t = torch.randint(lo, hi, shape)
    return (t > 0) if dtype == torch.bool else (t.abs() if dtype == torch.uint8 else t).to(dtype)


def idx(*shape, n, dtype=torch.int64):
    return torch.randint(0, n, shape).to(dtype)


def cat(dim, *ts):
    case("cat", lambda *a: torch.cat(a, dim), *ts, args=[dim])


for d in DTYPES:
    cat(0, vals(2, 3, dtype=d), vals(1, 3, dtype=d))
    cat(1, vals(2, 3, dtype=d), vals(2, 1, dtype=random.choice(DTYPES)), vals(2, 2, dtype=d))
cat(1, vals(2, 3, 2), vals(2, 0, 2), vals(2, 1, 2), vals(0))
cat(-1, vals(3, 2, 2), vals(3, 2, 5))
cat(0, vals(0), vals(0))
cat(1, vals(0), vals(0))
cat(-2, vals(0), vals(2, 3))
cat(0, T(1.0), T(2.0))
cat(0, vals(2), T(1.0))
cat(0, vals(2, 3), vals(2, 4))
cat(0, vals(2, 3), vals(2, 3, 1))
cat(2, vals(2, 3))
cat(0, vals(0, 3), vals(2, 2))
cat(0, vals(0, dtype=torch.float64), vals(2, 2, dtype=torch.float16))


def stack(dim, *ts):
    case("stack", lambda *a: torch.stack(a, dim), *ts, args=[dim])


stack(0, vals(2, 3), vals(2, 3))
stack(1, vals(2, 3), vals(2, 3), vals(2, 3))
stack(-1, vals(2, 3), vals(2, 3, dtype=torch.int64))
stack(0, T(1), T(2))
stack(0, vals(2), vals(3))
stack(3, vals(2), vals(2))
stack(0, vals(0, 2), vals(0, 2))
for r in [(2, 3), (2, 1, 2), (0, 1), (1, 1), (2,)]:
    case("repeat", lambda a: a.repeat(*r), vals(2, 3), args=[list(r)])
    case("tile", lambda a: a.tile(r), vals(2, 3), args=[list(r)])
case("repeat", lambda a: a.repeat(3), T(2.0), args=[[3]])
for d, n in [(0, 2), (1, 3), (-1, 0), (2, 2)]:
    case("repeat_interleave", lambda a: a.repeat_interleave(n, dim=d), vals(2, 3), args=[n, d])
for r in [T([1, 2]), T([0, 3]), T([2]), T(2), T([1, 2, 3]), T([1, -2]), T([[1, 2]]), T([1.0, 2.0]), T([1, 2], dtype=torch.int32)]:
    case("repeat_interleave_each", lambda a, b: a.repeat_interleave(b, dim=0), vals(2, 3), r, args=[0])
for s, d in [([1], [0]), ([2], [1]), ([-4], [1]), ([1, 2], [0, 1]), ([1], []), ([-5], []), ([1, 2], [0]), ([1, 1], []), ([1], [5]), ([3, 3], [0, 0])]:
    case("roll", lambda a: a.roll(s, d), vals(3, 4), args=[s, d])
case("roll", lambda a: a.roll([2], [1]), vals(2, 0, 3), args=[[2], [1]])
case("roll", lambda a: a.roll([2], [0]), T(1.0), args=[[2], [0]])


def along(op, f, ts, dim, *rest):
    case(op, lambda a, *t: f(a, dim, *t), *ts, args=[dim, *rest])


sel = lambda a, d, i: a.index_select(d, i)
for d in DTYPES:
    along("index_select", sel, (vals(3, 4, 2, dtype=d), T([2, 0, 2], dtype=torch.int32)), 0)
    along("index_select", sel, (vals(3, 4, 2, dtype=d), T([3, 0])), 1)
    along("index_select", sel, (vals(3, 4, 2, dtype=d), T([1, 1, 0])), -1)
for x, i, d in [(vals(3), T([], dtype=torch.int64), 0), (vals(0, 3), T([1]), 1), (T(5.0), T([0]), 0), (vals(2, 3), T(1), 1), (vals(2, 3), T([2]), 0), (vals(2, 3), T([-1]), 0),
                (vals(2, 3), T([[0]]), 0), (vals(2, 3), T([1.0]), 0), (vals(2, 3), T([0]), 2), (T(5.0), T([0, 0]), 0), (vals(2, 3), T([1], dtype=torch.uint8), 0)]:
    along("index_select", sel, (x, i), d)

gather = lambda a, d, i: a.gather(d, i)
for d in DTYPES:
    along("gather", gather, (vals(3, 4, 2, dtype=d), idx(3, 2, 2, n=4)), 1)
    along("gather", gather, (vals(3, 4, dtype=d), idx(2, 6, n=4, dtype=torch.int32)), -1)
    along("gather", gather, (vals(3, 4, dtype=d), idx(5, 3, n=3)), 0)
for x, i, d in [(T(5.0), T([0, 0]), 0), (T([5.0, 6.0]), T(1), 0), (vals(2, 3), torch.zeros(0, 7, dtype=torch.int64), 0), (vals(2, 3), T([[0, 3]]), 1), (vals(2, 3), T([[0, -1]]), 1), (vals(2, 3), T([0]), 1),
                (vals(2, 3), T([[0], [0], [0]]), 1), (vals(2, 3), T([[0.0]]), 1)]:
    along("gather", gather, (x, i), d)

perm = lambda n, k: torch.stack([torch.randperm(n)[:k] for _ in range(3)])
for d in DTYPES:
    along("scatter", lambda a, d, i, s: a.scatter(d, i, s), (vals(3, 4, dtype=d), perm(4, 2), vals(3, 4, dtype=d)), 1)
    along("scatter_value", lambda a, d, i: a.scatter(d, i, 1), (vals(4, 3, dtype=d), perm(4, 2).T.contiguous(), ), 0, 1)
    along("scatter_add", lambda a, d, i, s: a.scatter_add(d, i, s), (vals(3, 4, dtype=d), idx(3, 5, n=4), vals(3, 5, dtype=d)), 1)
    along("scatter_add", lambda a, d, i, s: a.scatter_add(d, i, s), (vals(3, 4, 2, dtype=d), idx(5, 3, 1, n=3, dtype=torch.int32), vals(6, 3, 2, dtype=d)), 0)
    for r in ["sum", "prod", "mean", "amax", "amin"]:
        for inc in [True, False]:
            if d == torch.bool:
                continue
            lo, hi = (1, 5) if r in ("prod", "mean") else (-20, 20)
            along("scatter_reduce", lambda a, d, i, s: a.scatter_reduce(d, i, s, r, include_self=inc),
                  (vals(3, 4, dtype=d, lo=lo, hi=hi), idx(3, 5, n=4), vals(3, 5, dtype=d, lo=lo, hi=hi)), 1, r, inc)
nan = math.nan
for r in ["sum", "prod", "mean", "amax", "amin"]:
    along("scatter_reduce", lambda a, d, i, s: a.scatter_reduce(d, i, s, r), (T([1.0, nan, 2.0]), T([0, 0, 1, 2]), T([nan, 3.0, 1.0, 5.0])), 0, r, True)
x = vals(2, 3)
for i, s in [(T([[3]]), x), (T([[0, 1, 2, 0]]), x), (T([[0]]), x.double()), (T([0]), x), (T([[0], [0], [1]]), vals(3, 3)), (T([[0.0]]), x), (T([], dtype=torch.int64), x), (T([[-1]]), x)]:
    along("scatter", lambda a, d, i, s: a.scatter(d, i, s), (x, i, s), 1)
    along("scatter_add", lambda a, d, i, s: a.scatter_add(d, i, s), (x, i, s), 1)
along("scatter", lambda a, d, i, s: a.scatter(d, i, s), (T(1.0), T([0]), T([3.0])), 0)

add = lambda a, d, i, s: a.index_add(d, i, s)
cop = lambda a, d, i, s: a.index_copy(d, i, s)
fil = lambda a, d, i: a.index_fill(d, i, 1)
for d in DTYPES:
    along("index_add", add, (vals(3, 4, dtype=d), T([2, 0, 2, 2]), vals(4, 4, dtype=d)), 0)
    along("index_add", add, (vals(2, 3, 2, dtype=d), T([2, 2], dtype=torch.int32), vals(2, 2, 2, dtype=d)), 1)
    along("index_copy", cop, (vals(2, 3, 2, dtype=d), T([2, 0]), vals(2, 2, 2, dtype=d)), 1)
    along("index_fill", fil, (vals(2, 3, dtype=d), T([2, -3])), 1, 1)
for i, s in [([0, 1], (3, 3)), ([0, 2], (2, 3)), ([0, 1], (2, 4)), ([[0, 1]], (2, 3)), ([0.0], (1, 3)), (0, (3,)), ([-1], (1, 3)), ([0], (3,)), ([1], (1, 3))]:
    along("index_add", add, (x, T(i), vals(*s)), 0)
for i, s in [([0, 1], (3, 3)), ([[0, 1]], (2, 3)), ([0, 2], (2, 3)), ([-1], (1, 3))]:
    along("index_copy", cop, (x, T(i), vals(*s)), 0)
along("index_add", add, (x, T([0, 1]), vals(2, 3).double()), 0)
along("index_copy", cop, (x, T([0, 1]), vals(2, 3).double()), 0)
for i in [[2], [-1], [[0]], 1]:
    along("index_fill", fil, (x, T(i)), 0, 1)

# Advanced indexing: None stands for a whole axis.
y = vals(4, 4, 5)
i, j = T([0, 3]), T([[1], [-2]])
for tup in [(i,), (None, i), (None, None, i), (i, j), (i, None, j), (None, i, j), (j, i), (i, i, i), (i, None, i), (T(1), i), (y > 0,), (y[0] > 0,), (None, y[0] > 0), (y[:, 0, 0] > 0, None, i), (y[:, 0, 0] > 100,),
            (T([4]),), (T([-5]),), (None, T([5])), (i, i, i, i), (i, T([0, 1, 2])), (T([0.0]),), (T([True, False]),), (T([[True, False]]),), (T([], dtype=torch.int64),), (T([[0, 1], [2, 3]]), None, T([0, 1])), (i.int(), j.int())]:
    key = tuple(slice(None) if t is None else t for t in tup)
    case("index", lambda a, *t: a[key], y, *tup)
    case("index_put", lambda a, v, *t: torch.ops.aten.index_put(a, list(tup), v), y, T(7.0), *tup)
    try:
        shape = y[key].shape
        n = y[key].numel()
        case("index_put_accumulate", lambda a, v, *t: torch.ops.aten.index_put(a, list(tup), v, True), y, torch.arange(float(n)).view(shape), *tup)
    except Exception:
        pass
case("index_put_accumulate", lambda a, v, *t: a.index_put(t, v, accumulate=True), T([1.0, 2.0]), T([1.0, 10.0, 100.0]), T([1, 1, 0]))
case("index_put", lambda a, v, *t: a.index_put(t, v), x, vals(4), T([0]))
case("index_put", lambda a, v, *t: a.index_put(t, v), x, T(1), T([0]))
case("index", lambda a, t: a[t], vals(0, 3), T([], dtype=torch.int64))
for d in DTYPES:
    z = vals(3, 4, dtype=d)
    case("index", lambda a, t: a[t], z, T([2, -1]))
    case("masked_select", lambda a, m: a.masked_select(m), z, z > 0 if d != torch.bool else z)
    case("index_put_accumulate", lambda a, v, *t: a.index_put(t, v, accumulate=True), z, vals(3, 4, dtype=d), T([0, 0, 2]))
    case("nonzero", lambda a: a.nonzero(), z)
    case("take", lambda a, t: a.take(t), z, T([[0, 11], [-1, 5]]))
for m in [T([True, False]), T([1, 0, 1]), T([True, False, True]), T([[True], [False]]), T(True)]:
    case("masked_select", lambda a, m: a.masked_select(m), x, m)
for m, s in [(x > 200, T([1.0])), (x > -200, T([1.0])), (x > -200, T([1])), (x, T([1.0])), (T([True, False, True]), vals(5)), (x > 0, vals(2, 4))]:
    case("masked_scatter", lambda a, m, s: a.masked_scatter(m, s), x, m, s)
for t in [T(1.0), T(0.0), vals(0), vals(2, 0), T([nan, 0.0, -0.0])]:
    case("nonzero", lambda a: a.nonzero(), t)
for t in [T([6]), T([-7]), T([0.0]), T(0)]:
    case("take", lambda a, t: a.take(t), x, t)
case("take", lambda a, t: a.take(t), vals(0), T([0]))
for i, d in [(T([[0]]), 1), (T([[2], [1]]), 1), (T([[0, 1, 1]]), 0), (T([0]), 1)]:
    along("take_along_dim", lambda a, d, i: a.take_along_dim(i, d), (x, i), d)
for t, n in [(T([[0, 2], [1, 1]]), 3), (T(1), 3), (T([], dtype=torch.int64), 3), (T([3]), 3), (T([-1]), 3), (T([1.0]), 3)]:
    case("one_hot", lambda a: F.one_hot(a, n), t, args=[n])
for k in [0, 1, -1, 5, -7, 2, -2]:
    for d in [torch.float32, torch.int64, torch.bool]:
        z = vals(2, 3, 4, dtype=d)
        case("tril", lambda a: a.tril(k), z, args=[k])
        case("triu", lambda a: a.triu(k), z, args=[k])
    case("diag", lambda a: a.diag(k), vals(2), args=[k])
    case("diag", lambda a: a.diag(k), vals(3, 4), args=[k])
case("tril", lambda a: a.tril(), vals(2), args=[0])
case("triu", lambda a: a.triu(), vals(0, 3), args=[0])
case("diag", lambda a: a.diag(), T(1.0), args=[0])
case("diag", lambda a: a.diag(), vals(1, 1, 1), args=[0])
for t in [vals(3, 4), vals(2, 2, dtype=torch.int32), vals(0, 0), vals(2), T([[True, False], [False, True]]), vals(3, 3, dtype=torch.float16)]:
    case("trace", lambda a: a.trace(), t)
for ind in ["ij", "xy"]:
    for ts in [(vals(2), vals(3)), (vals(2), vals(3), vals(4)), (T(1.0), vals(3)), (vals(2, 2),), (vals(2), vals(3).double())]:
        case("meshgrid", lambda *a: torch.meshgrid(*a, indexing=ind), *ts, args=[ind])
for t, m in [(T([1, 3, 1]), 0), (T([1, 3, 1]), 6), (T([], dtype=torch.int64), 0), (T([], dtype=torch.int64), 2), (T([-1]), 0), (T([[1]]), 0), (T([1.0]), 0), (T([1, 2], dtype=torch.uint8), 0)]:
    case("bincount", lambda a: torch.bincount(a, minlength=m), t, args=[m])
for w in [T([0.5, 0.25, 2.0]), T([1, 2, 3]), T([0.5]), T([0.5, 0.25, 2.0]).double()]:
    case("bincount_weighted", lambda a, w: torch.bincount(a, w), T([1, 3, 1]), w, args=[0])
for d in DTYPES:
    case("unique", lambda a: torch.unique(a, return_inverse=True, return_counts=True), vals(3, 5, dtype=d, lo=-3, hi=4))
case("unique", lambda a: torch.unique(a, return_inverse=True, return_counts=True), vals(0))
for s, v in [(T([1.0, 2.0, 2.0, 3.0]), T([[2.0, 0.0], [4.0, 2.5]])), (T([1, 2, 3]), T([2, 5])), (T([[1.0, 2.0, 3.0], [0.0, 0.0, 9.0]]), T([[2.0, 9.0], [0.0, 10.0]])), (T([1.0, 2.0]), T(2.0)), (vals(0), T([1.0])),
             (torch.zeros(2, 3), torch.zeros(3, 2)), (T([1.0]), T([nan, 1.0])), (T(1.0), T(1.0)), (torch.zeros(2, 3), T(1.0))]:
    case("searchsorted", lambda a, b: torch.searchsorted(a, b), s, v)
    case("searchsorted_right", lambda a, b: torch.searchsorted(a, b, right=True), s, v)


# Sorting: indices only where they are defined (stable, or all different).
def distinct(*shape, dtype=torch.float32):
    n = math.prod(shape)
    return (torch.randperm(n) - n // 2 * (dtype != torch.uint8)).view(shape).to(dtype)


inf = math.inf
for t in [vals(6), vals(3, 4, 5), T([3.0, nan, 1.0, -0.0, 0.0, nan, inf, -inf, -nan]), T(5.0), vals(3, 0), vals(0, 3), T([True, False, True]), *[vals(3, 7, dtype=d, lo=-4, hi=5) for d in DTYPES]]:
    for d in range(-1, max(t.dim() - 1, 0)):
        along("sort", lambda a, d: a.sort(dim=d, stable=True), (t,), d)
        along("sort_descending", lambda a, d: a.sort(dim=d, stable=True, descending=True), (t,), d)
        along("argsort", lambda a, d: a.argsort(dim=d, stable=True), (t,), d)
along("sort", lambda a, d: a.sort(dim=d), (x,), 3)
for d in DTYPES[:-1]:
    for k in [0, 1, 3, 5]:
        t = distinct(3, 5, dtype=d)
        along("topk", lambda a, d: a.topk(k, d), (t,), 1, k)
        along("topk_smallest", lambda a, d: a.topk(k, d, largest=False), (t,), -1, k)
    along("kthvalue", lambda a, d: a.kthvalue(2, d), (distinct(3, 4, dtype=d),), 0, 2)
    along("median_dim", lambda a, d: a.median(d), (distinct(4, 4, dtype=d),), 1)
    case("median", lambda a: a.median(), vals(3, 4, dtype=d))
along("topk", lambda a, d: a.topk(2, d), (distinct(4, 3, 2),), 0, 2)
along("topk", lambda a, d: a.topk(2, d), (T([3.0, nan, 1.0]),), 0, 2)
along("topk_smallest", lambda a, d: a.topk(3, d, largest=False), (T([3.0, nan, 1.0]),), 0, 3)
along("topk", lambda a, d: a.topk(1, d), (T(5.0),), 0, 1)
along("topk", lambda a, d: a.topk(2, d), (T(5.0),), 0, 2)
along("topk", lambda a, d: a.topk(6, d), (x,), 1, 6)
along("topk", lambda a, d: a.topk(0, d), (vals(3, 0),), 1, 0)
for k in [0, 4]:
    along("kthvalue", lambda a, d: a.kthvalue(k, d), (x,), 1, k)
along("kthvalue", lambda a, d: a.kthvalue(1, d), (T(4.0),), 0, 1)
along("kthvalue", lambda a, d: a.kthvalue(2, d), (T([1.0, nan, 0.0]),), 0, 2)
along("kthvalue", lambda a, d: a.kthvalue(1, d), (vals(0, 3),), 0, 1)
along("median_dim", lambda a, d: a.median(d), (T([1.0, nan, 0.0]),), 0)
along("median_dim", lambda a, d: a.median(d), (vals(1, 0),), 1)
for t in [T([1.0, nan, 0.0]), vals(0), T(3.0), T([1.0, 2.0, 3.0, 4.0])]:
    case("median", lambda a: a.median(), t)

with open(sys.argv[1] if len(sys.argv) > 1 else "crates/tensor/tests/golden/index.json", "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")
print(len(cases))
