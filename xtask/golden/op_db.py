"""Results of PyTorch's operations on the sample inputs of its own tests (`op_db`).

    python op_db.py OUTPUT_DIR [NAME...]

Writes OUTPUT_DIR/NAME.bin for the operations that crates/autograd/tests/op_db/*.rs have a row for, or for NAME.... A file holds
each sample's arguments, its outputs, the gradients of sum(v * output) and the gradients of sum(w * gradient), from f64;
`v` and `w` are small fractions made from positions, so that the test makes them too. Where PyTorch's f32 result is
further from the f64 one than its tolerance for f32, the f32 result is there besides. Integer and bool samples have outputs only.

A file is deflated: four lengths (u32), JSON, the f32 numbers of the arguments, their i64 ones, then the results (f64 or i64), each
as byte planes. Arguments are cut to 14 bits of mantissa where that keeps them distinct, results to 32. Of a result with more than 16
elements, 12 and a checksum are kept.
"""
import glob
import json
import math
import os
import re
import struct
import sys
import types
import warnings
import zlib

import numpy as np
import torch

# The test utilities import a package that the data base does not use.
sys.modules.setdefault('expecttest', types.SimpleNamespace(TestCase=object))
from torch.testing._internal.common_methods_invocations import op_db  # noqa: E402

warnings.filterwarnings('ignore')
torch.set_num_threads(1)
HERE = os.path.dirname(os.path.abspath(__file__))
ROWS = os.path.join(HERE, '../../crates/autograd/tests/op_db/*.rs')
KEEP, WHOLE = 12, 16
# What `all` leaves out.
SELDOM = re.compile(r'fft\.|sparse|masked\.|_|jiterator|torch\.|native_|to_sparse|i?stft|.*svd|geqrf|ormqr|pca_|lu|qr|.*eig|chol|tri.*solve|'
                    r'histogramdd|.*complex|conj|polar|real|imag|resize|grid_sampler|max_pool2d_with|special\.(airy|bessel|cheb|hermite|'
                    r'lag|leg|modified|scaled|shifted|sph|zeta)|linalg\.(lu|ldl|qr|tensor|matrix_rank|pinv|householder|lstsq)|view_as_real|'
                    r'bmm\.triton|.*_aa$|ops\.')
DTYPES = {t: str(t)[6:] for t in (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16,
                                 torch.int8, torch.uint8, torch.bool)}


def weights(n, seed):
    """Fractions in [-1.25, 1.25], exact in every floating dtype."""
    return (((np.arange(n, dtype=np.int64) * 7 + 3 + 5 * seed) % 11) - 5)


def cut(x, bits):
    """f64 numbers with `bits` bits of mantissa."""
    mantissa, exponent = np.frexp(x)
    with np.errstate(invalid='ignore', over='ignore'):
        y = np.ldexp(np.round(mantissa * 2.0**bits) / 2.0**bits, exponent)
    return np.where(np.isfinite(x), y, x)


class File:
    def __init__(self):
        self.blobs, self.known, self.singles, self.ints, self.words = [], {}, [], [], []

    def argument(self, t):
        """The number of a tensor argument: dtype, shape and how its axes lie in memory; its elements go to a stream."""
        t = t.detach()
        dtype = DTYPES[t.dtype]
        order = sorted(range(t.dim()), key=lambda d: (-t.stride(d) if t.size(d) > 1 else 0, d))
        lies = t.permute(order)
        flat = lies.contiguous().reshape(-1)
        order = None if t.is_contiguous() or not lies.is_contiguous() else order
        if order is None:
            flat = t.contiguous().reshape(-1)
        data = flat.double().numpy() if t.dtype.is_floating_point else flat.to(torch.int64).numpy()
        key = (dtype, tuple(t.shape), tuple(order or ()), data.tobytes())
        if key not in self.known:
            self.known[key] = len(self.blobs)
            self.blobs.append([dtype, list(t.shape), order])
            if t.dtype.is_floating_point:
                self.singles.append(data.astype(np.float32))
            else:
                self.ints.append(data)
        return self.known[key]

    def value(self, v):
        """An argument as JSON."""
        if isinstance(v, torch.Tensor):
            if v.layout != torch.strided or v.dtype not in DTYPES or v.is_quantized:
                return {'other': f'{v.layout} {v.dtype}'}
            return {'t': self.argument(v), 'g': bool(v.requires_grad)}
        if v is None or isinstance(v, (bool, str, int)):
            return v
        if isinstance(v, float):
            return v if math.isfinite(v) else {'f': str(v)}
        if isinstance(v, torch.dtype):
            return {'dtype': DTYPES.get(v, str(v))}
        if isinstance(v, (list, tuple)):
            return [self.value(x) for x in v]
        if isinstance(v, slice):
            return {'slice': [v.start, v.stop, v.step]}
        if v is Ellipsis:
            return {'ellipsis': True}
        return {'other': str(v)[:60]}

    def result(self, t):
        """Stores the elements of a result, or some and a checksum."""
        t = t.detach().contiguous().reshape(-1)
        t = t.clone() if t._is_zerotensor() else t
        n = t.numel()
        ints = not t.dtype.is_floating_point
        data = t.to(torch.int64).numpy() if ints else cut(t.double().numpy(), 32)
        if n > WHOLE:
            at = np.array([(i * 2654435761) % n for i in range(KEEP)])
            if ints:
                with np.errstate(over='ignore'):
                    total = np.array([np.sum(data * weights(n, 0))], dtype=np.int64)
            else:
                total = np.array([np.sum(data * (weights(n, 0) / 4))])
            data = np.concatenate([data[at], total])
        self.words.append(data.view(np.uint64))

    def write(self, path, head):
        head = json.dumps(head | {'tensors': self.blobs}, separators=(',', ':')).encode()
        singles = np.concatenate(self.singles + [np.zeros(0, np.float32)]).astype('<f4')
        ints = np.concatenate(self.ints + [np.zeros(0, np.int64)]).astype('<i8')
        words = np.concatenate(self.words + [np.zeros(0, np.uint64)]).astype('<u8')
        streams = ((singles, 4), (ints, 8), (words, 8))
        planes = [np.ascontiguousarray(x.view(np.uint8).reshape(-1, k).T).tobytes() for x, k in streams]
        body = struct.pack('<IIII', len(head), *[x.size for x, _ in streams]) + head + b''.join(planes)
        squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
        with open(path, 'wb') as f:
            f.write(squeeze.compress(body) + squeeze.flush())


def walk(v, f):
    """`v` with every tensor mapped by `f`."""
    if isinstance(v, torch.Tensor):
        return f(v)
    if isinstance(v, tuple) and hasattr(v, '_fields'):
        return type(v)(*[walk(x, f) for x in v])
    if isinstance(v, (list, tuple)):
        return type(v)(walk(x, f) for x in v)
    if isinstance(v, dict):
        return {k: walk(x, f) for k, x in v.items()}
    return v


def tensors(v):
    found = []
    walk(v, lambda t: found.append(t) or t)
    return found


def outputs(v):
    """The tensors of a result; numbers and bools are 0-d tensors."""
    if isinstance(v, (bool, int, float)):
        return [torch.tensor(v, dtype=torch.float64 if isinstance(v, float) else None)]
    if isinstance(v, torch.Size):
        return [torch.tensor(list(v))]
    if isinstance(v, (list, tuple)):
        return [t for x in v for t in outputs(x)]
    return [v] if isinstance(v, torch.Tensor) else []


def layout_of(t):
    """A copy of `t` that lies in memory as it does."""
    return torch.empty_like(t).copy_(t) if t.layout == torch.strided else t


def cast(v, dtype):
    """Floating tensors of `v` as leaves of another dtype."""
    def one(t):
        if t.layout != torch.strided:
            raise NotImplementedError('layout')
        needs = t.requires_grad
        t = t.detach()
        t = layout_of(t.to(dtype) if t.dtype == torch.float32 else t)
        return t.requires_grad_(needs and t.dtype.is_floating_point)
    return walk(v, one)


def short(v):
    """Arguments of f32 with fewer bits, unless two elements would become one."""
    def one(t):
        if t.dtype != torch.float32 or t.layout != torch.strided or t.numel() == 0:
            return t
        with torch.no_grad():
            x = t.detach().double().numpy()
            y = cut(x, 14)
            if np.unique(x).size != np.unique(y).size or not np.array_equal(np.sign(x), np.sign(y)):
                return t
            s = torch.empty_like(t).copy_(torch.from_numpy(y))
        return s.requires_grad_(t.requires_grad)
    return walk(v, one)


def run(op, call, differentiable):
    """Outputs, gradients and double gradients (`None` where there are none)."""
    (first, args, kwargs) = call
    torch.manual_seed(0)
    out = outputs(op.op(first, *args, **kwargs))
    leaves = [t for t in tensors((first, args, kwargs)) if t.requires_grad]
    roots = [(j, t) for j, t in enumerate(out) if t.requires_grad and t.dtype.is_floating_point]
    if not differentiable or not roots or not leaves:
        return [t.detach() for t in out], None, None
    seeds = [torch.from_numpy(weights(t.numel(), j) / 4).reshape(t.shape).to(t.dtype) for j, t in roots]
    grads = torch.autograd.grad([t for _, t in roots], leaves, seeds, allow_unused=True, create_graph=op.supports_gradgrad)
    twice = None
    if op.supports_gradgrad:
        total = [(g * torch.from_numpy(weights(g.numel(), i + 1) / 4).reshape(g.shape).to(g.dtype)).sum()
                 for i, g in enumerate(grads) if g is not None and g.requires_grad]
        try:
            twice = torch.autograd.grad(sum(total), leaves, allow_unused=True) if total else None
        except RuntimeError:  # "derivative is not implemented", against what the data base says
            pass
    plain = lambda ts: None if ts is None else [None if t is None else t.detach() for t in ts]
    return plain(out), plain(grads), plain(twice)


def near(a, b):
    if not a.dtype.is_floating_point:
        return torch.equal(a, b.to(a.dtype))
    return a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=1.3e-6, atol=1e-5, equal_nan=True)


def shapes(file, results, single):
    """JSON of a list of results, and which of them have an f32 form of their own; their elements go to the stream."""
    if results is None:
        return None
    rows = []
    for i, t in enumerate(results):
        if t is None:
            rows.append(None)
            continue
        other = single[i] if single and i < len(single) else None
        apart = other is not None and not near(t, other)
        kind = None if other is None else DTYPES[other.dtype]
        rows.append([list(t.shape), DTYPES[t.dtype], kind, int(apart)])
        file.result(t)
        if apart:
            file.result(other)
    return rows


def picks(sample):
    """Whether a function picks outputs, as those of decompositions whose gradients depend on a choice of signs do."""
    probe = (torch.zeros(1),)
    try:
        return sample.output_process_fn_grad(probe) is not probe
    except IndexError:  # Of three results it leaves out the first, the permutation, which has no gradient.
        return False


def operation(op, folder):
    name = op.name + ('.' + op.variant_test_name if op.variant_test_name else '')
    file, samples, failed = File(), [], 0
    for dtype in (torch.float32, torch.int64, torch.bool):
        if dtype not in op.dtypes:
            continue
        floating = dtype == torch.float32
        torch.manual_seed(0)
        np.random.seed(0)
        for sample in op.sample_inputs('cpu', dtype, requires_grad=floating and op.supports_autograd):
            call = short((sample.input, sample.args, sample.kwargs))
            head = {'kind': DTYPES[dtype], 'args': [file.value(call[0])] + [file.value(x) for x in call[1]],
                    'kwargs': [[k, file.value(v)] for k, v in call[2].items()]}
            try:
                differentiable = op.supports_autograd and not picks(sample)
                if floating:
                    double = run(op, cast(call, torch.float64), differentiable)
                    single = run(op, cast(call, torch.float32), differentiable)
                else:
                    double, single = run(op, cast(call, torch.float64), False), (None, None, None)
                if any(t.dtype not in DTYPES for t in double[0]):
                    failed += 1
                    continue
            except Exception:  # PyTorch has no f64 or no gradient for it.
                failed += 1
                continue
            head['out'] = shapes(file, double[0], single[0])
            head['grad'] = shapes(file, double[1], single[1])
            head['twice'] = shapes(file, double[2], None)
            samples.append({k: v for k, v in head.items() if v is not None and v != []})
    if samples:
        file.write(os.path.join(folder, name + '.bin'), {'op': name, 'samples': samples})
    return name, len(samples), failed


def main():
    folder, names = sys.argv[1], set(sys.argv[2:])
    if not names:
        for path in glob.glob(ROWS):
            names |= set(re.findall(r'^\s*\(?"([\w.-]+)"', open(path).read(), re.M))
    for op in op_db:
        name = op.name + ('.' + op.variant_test_name if op.variant_test_name else '')
        if name in names or names == {'all'} and not SELDOM.match(name):
            try:
                print('%s: %d samples, %d without a result' % operation(op, folder), flush=True)
            except Exception as error:
                print(f'{name}: {type(error).__name__} {str(error)[:200]}', file=sys.stderr)


main()
