"""Every module of PyTorch's own test-suite (`module_db`), with its sample inputs: what it is, prints, computes.

    python modules.py OUTPUT_DIR

Writes OUTPUT_DIR/modules.txt, the names of the classes, and modules.bin, which zlib has packed: the length of the head as u64, the head as JSON, the tensors'
bytes. Inputs are the samples of `module_db` in f32; the module is made in f32 after manual_seed(1), and run after
manual_seed(2), once as it is and once with everything in f64. What is stored is the result in f64. Where the result in
f32 is farther from it than half the tolerance of f32, the sample says how far ("slack"); where it is another one,
because the forward pass draws numbers, it is stored besides ("f32"). The gradient of output i is cos(i), in the order
of its elements.

Of a tensor of more than KEEP elements, KEEP are stored, and the sum of all, weighed by cos(1 + i).
"""
import dataclasses
import hashlib
import inspect
import json
import math
import struct
import sys
import types
import warnings
import zlib

import torch

# The test utilities import a package that the data base does not use.
sys.modules.setdefault('expecttest', types.SimpleNamespace(TestCase=object))
from torch.testing._internal.common_modules import module_db  # noqa: E402

warnings.filterwarnings('ignore')
KEEP = 24
BASE = set(torch.nn.Module().__dict__) | {'training'}
LETTERS = {torch.float32: 'f32', torch.float64: 'f64', torch.int64: 'i64', torch.int32: 'i32', torch.bool: 'bool'}
pool, blobs, size = {}, [], 0


def store(data):
    """The place of these bytes, which are kept once."""
    global size
    if data not in pool:
        pool[data] = size
        blobs.append(data)
        size += len(data)
    return pool[data]


def raw(t):
    return t.detach().contiguous().numpy().tobytes()


def tensor(t):
    """A tensor in full: inputs."""
    return {'tensor': [LETTERS[t.dtype], list(t.shape), store(raw(t)), t.requires_grad]}


def value(x):
    """An argument as JSON."""
    if isinstance(x, torch.Tensor):
        return tensor(x)
    if isinstance(x, (torch.Size, tuple)):
        return {'tuple': [value(y) for y in x]}
    if isinstance(x, list):
        return [value(y) for y in x]
    if isinstance(x, dict):
        return {'dict': {k: value(v) for k, v in x.items()}}
    if isinstance(x, float) and not math.isfinite(x):
        return {'float': repr(x)}
    if isinstance(x, torch.nn.Module):
        # Its text, and the configuration of its parts by name.
        return {'tuple': [repr(x), {'dict': {name: {'dict': config(m)} for name, m in x.named_modules()}}]}
    if x is None or isinstance(x, (bool, int, float, str)):
        return x
    if dataclasses.is_dataclass(x):
        cls = type(x)
        fields = [value(getattr(x, field.name)) for field in dataclasses.fields(x)]
        return {'object': [f'{cls.__module__}.{cls.__qualname__}', fields]}
    return {'other': str(getattr(x, '__name__', type(x).__name__))}


def config(m):
    return {k: value(v) for k, v in m.__dict__.items() if k not in BASE}


def floats(cls, given):
    """The same constructor arguments with floats where a float is wanted: `2` prints as `2` in Python, `2.0` here."""
    signature = inspect.signature(cls)
    bound = signature.bind(*given.args, **given.kwargs)
    for name, x in bound.arguments.items():
        parameter = signature.parameters[name]
        if type(x) is int and (parameter.annotation in ('float', float) or type(parameter.default) is float):
            bound.arguments[name] = float(x)
    return bound


def arguments(cls, given):
    """All arguments of the constructor by name, with the defaults."""
    bound = floats(cls, given)
    bound.apply_defaults()
    named = {}
    for name, x in bound.arguments.items():
        kind = inspect.signature(cls).parameters[name].kind
        if kind == inspect.Parameter.VAR_KEYWORD:
            named |= x
        elif kind != inspect.Parameter.VAR_POSITIONAL or x:
            named[name] = x
    return {k: value(v) for k, v in named.items() if k not in ('device', 'dtype')}


def flat(x):
    """The tensors in nested tuples, lists and dicts, in order."""
    if isinstance(x, torch.Tensor):
        return [x]
    if isinstance(x, dict):
        x = list(x.values())
    return [t for y in x for t in flat(y)] if isinstance(x, (list, tuple)) else []


def cast(x, dtype):
    if isinstance(x, torch.Tensor):
        return x.detach().clone().to(dtype if x.is_floating_point() else x.dtype).requires_grad_(x.requires_grad)
    if isinstance(x, dict):
        return {k: cast(v, dtype) for k, v in x.items()}
    return type(x)(cast(y, dtype) for y in x) if type(x) in (list, tuple) else x


def result(t):
    """A result: all of it, or a part and a sum."""
    if t is None:
        return None
    t = t.detach().double() if t.is_floating_point() else t.detach()
    data = t.flatten()
    row = [LETTERS[t.dtype], list(t.shape)]
    if data.numel() <= KEEP:
        return row + [store(raw(data))]
    at = torch.tensor([(k * 0x9E3779B1) % 2**32 * data.numel() >> 32 for k in range(KEEP)])
    total = (data.double() * (1 + torch.arange(data.numel(), dtype=torch.float64)).cos()).sum().item()
    return row + [store(raw(data[at])), total if math.isfinite(total) else None]


def run(m, sample, dtype):
    """Outputs, gradients and buffers."""
    args, kwargs = cast(sample.args, dtype), cast(sample.kwargs, dtype)
    torch.manual_seed(2)
    out = flat(m(*args, **kwargs))
    roots = [y for y in out if y.requires_grad]
    if roots:
        torch.autograd.backward(roots, [torch.arange(y.numel(), dtype=y.dtype).cos().reshape(y.shape) for y in roots])
    return {
        'out': out,
        'in': [x.grad for x in flat([args, kwargs])],
        'params': {k: p.grad for k, p in m.named_parameters()},
        'buffers': dict(m.named_buffers()),
    }


def distance(a, b):
    """How far results in f32 are from those in f64, in tolerances of f32."""
    a, b = flat(a), flat(b)
    worst = 0.0
    for x, y in zip(a, b):
        if x.shape != y.shape or (x.isnan() != y.isnan()).any():
            return math.inf
        d = (x.double() - y.double()).abs() / (1e-5 + 1.3e-6 * y.double().abs())
        d[x.double() == y.double()] = 0
        worst = max([worst] + d[~x.isnan()].flatten().tolist())
    return worst


def nothing_missing(r):
    return [r['out'], [g for g in r['in'] if g is not None], [g for g in r['params'].values() if g is not None],
            r['buffers']]


def stored(r):
    return {'out': [result(t) for t in r['out']], 'in': [result(t) for t in r['in']],
            'params': {k: result(t) for k, t in r['params'].items()},
            'buffers': {k: result(t) for k, t in r['buffers'].items()}}


def state(m, whole):
    """Names, and what tells the values apart."""
    return [[k, LETTERS[t.dtype], list(t.shape), tensor(t) if whole else hashlib.sha256(raw(t)).hexdigest()[:16]]
            for k, t in m.state_dict().items() if not isinstance(t, torch.nn.parameter.UninitializedTensorMixin)]


def made(info, sample, training):
    torch.manual_seed(1)
    bound = floats(info.module_cls, sample.constructor_input)
    m = info.module_cls(*bound.args, **bound.kwargs)
    m.train(training)
    return m


def materialise(m, sample, training):
    """The first pass: in f32, so that there is one draw of parameters, and in evaluation, so that no statistics move."""
    torch.manual_seed(2)
    m.eval()(*sample.forward_input.args, **sample.forward_input.kwargs)
    m.train(training)


def row(info, sample, training):
    m = made(info, sample, training)
    given = sample.constructor_input
    row = {'training': training, 'arguments': arguments(info.module_cls, given), 'text': repr(m)}
    if sample.forward_input is None:
        return row
    row |= {'args': value(tuple(sample.forward_input.args)), 'kwargs': value(sample.forward_input.kwargs)}
    if info.is_lazy:
        materialise(m, sample, training)
        row['lazy'] = row['text']
        row['text'] = repr(m)
    whole = any(isinstance(x, torch.nn.Module) for x in (*given.args, *given.kwargs.values()))
    row['config'] = config(m)
    row['state'] = state(m, whole)
    single = run(m.float(), sample.forward_input, torch.float32)
    m = made(info, sample, training)
    if info.is_lazy:
        materialise(m, sample, training)
    double = run(m.double(), sample.forward_input, torch.float64)
    row['f64'] = stored(double)
    far = distance(nothing_missing(single), nothing_missing(double))
    if far > 1000:
        row['f32'] = stored(single)
    elif far > 0.5:
        row['slack'] = math.ceil(far)
    return row


def entry(cls, samples, **more):
    return {'name': cls.__name__, 'class': f'{cls.__module__}.{cls.__qualname__}', 'samples': samples} | more


modules = []
for info in module_db:
    samples = []
    for training in (True, False) if info.train_and_eval_differ else (True,):
        torch.manual_seed(0)
        inputs = info.module_inputs_func(info, device='cpu', dtype=torch.float32, requires_grad=True, training=training)
        samples += [row(info, sample, training) for sample in inputs]
    modules.append(entry(info.module_cls, samples))


# What module_db lacks: modules, and arguments.
class Own(types.SimpleNamespace):
    """A row of MORE in the form of those of module_db."""
    is_lazy = property(lambda self: issubclass(self.module_cls, torch.nn.modules.lazy.LazyModuleMixin))


def called(*args, **kwargs):
    return types.SimpleNamespace(args=args, kwargs=kwargs)


def x(*shape):
    """Numbers on both sides of 0, none of them near it."""
    t = torch.rand(shape) * 4 - 2
    return (t + t.sign() * 0.05).requires_grad_()


nn = torch.nn
torch.manual_seed(0)
MORE = [
    (nn.RReLU, called(), [x(4, 5)]),
    (nn.RReLU, called(0.2, 0.4), [x(3, 7, 2)]),
    (nn.Hardsigmoid, called(), [(x(4, 5) * 3).detach().requires_grad_()]),
    (nn.GELU, called('tanh'), [x(4, 5)]),
    (nn.CELU, called(0.7), [x(4, 5)]),
    (nn.Softplus, called(3.0, 2.0), [x(4, 5)]),
    (nn.Hardtanh, called(-0.4, 1.3), [x(4, 5)]),
    (nn.GLU, called(1), [x(3, 4, 2)]),
    (nn.Conv1d, called(4, 6, 3, stride=2, padding=1, dilation=2, groups=2, bias=False), [x(2, 4, 9)]),
    (nn.Conv1d, called(2, 3, 4, padding=2, padding_mode='circular'), [x(2, 2, 5)]),
    (nn.Conv2d, called(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2), [x(2, 4, 7, 6)]),
    (nn.Conv2d, called(1, 2, (4, 3), padding='same', padding_mode='reflect'), [x(1, 1, 5, 6)]),
    (nn.Conv3d, called(4, 2, (2, 3, 2), stride=(2, 1, 2), padding=(1, 0, 2), dilation=(2, 1, 1), groups=2), [x(2, 4, 5, 4, 3)]),
    (nn.Conv3d, called(1, 2, (3, 2, 4), padding='same', padding_mode='replicate'), [x(1, 1, 4, 3, 4)]),
    (nn.ConvTranspose1d, called(4, 6, 3, 2, 1, 1, 2, False, 2), [x(2, 4, 5)]),
    (nn.ConvTranspose2d, called(4, 6, (3, 2), (2, 3), (1, 0), (1, 2), 2), [x(2, 4, 3, 4)]),
    (nn.ConvTranspose2d, called(3, 2, 3, 2, 1), called(x(2, 3, 4, 5), (8, 10))),
    (nn.ConvTranspose3d, called(2, 4, (2, 3, 1), (2, 1, 3), (1, 1, 0), (1, 0, 2), 2, True, (1, 2, 1)), [x(2, 2, 3, 2, 3)]),
    (nn.ConstantPad2d, called((-1, 2, 0, -2), 0.5), [x(2, 3, 4, 5)]),
    (nn.ZeroPad2d, called(2), [x(3, 4)]),
    (nn.ReflectionPad2d, called((1, 0, 2, 3)), [x(2, 4, 5)]),
    (nn.ReplicationPad1d, called((-1, 3)), [x(2, 3, 4)]),
    (nn.Dropout, called(0.3), [x(4, 5)]),
    (nn.Dropout1d, called(), [x(3, 4, 5)]),
    (nn.Dropout1d, called(0.3), [x(4, 5)]),
    (nn.Dropout2d, called(0.3), [x(3, 6, 2, 3)]),
    (nn.Dropout2d, called(0.3), [x(3, 4, 5)]),
    (nn.Dropout3d, called(0.3), [x(3, 6, 2, 2, 2)]),
    (nn.Dropout3d, called(0.6), [x(6, 2, 2, 2)]),
    (nn.AlphaDropout, called(0.3), [x(4, 5)]),
    (nn.FeatureAlphaDropout, called(0.3), [x(3, 6, 2, 3)]),
    (nn.RMSNorm, called((3, 4)), [x(2, 3, 4)]),
    (nn.LocalResponseNorm, called(4, alpha=0.3), [x(2, 7, 3, 2)]),
    (nn.CosineSimilarity, called(), [x(4, 5), x(4, 5)]),
    (nn.CosineSimilarity, called(dim=-1, eps=1e-3), [x(4, 5), x(5)]),
    (nn.PairwiseDistance, called(), [x(4, 5), x(4, 5)]),
    (nn.PairwiseDistance, called(1.0, keepdim=True), [x(4, 5), x(5)]),
    (nn.PairwiseDistance, called(3.0, eps=0.1), [x(5), x(5)]),
    (nn.TripletMarginLoss, called(), [x(4, 5), x(4, 5), x(4, 5)]),
    (nn.TripletMarginLoss, called(0.3, p=3.0, swap=True, reduction='none'), [x(4, 5), x(4, 5), x(4, 5)]),
    (nn.BCEWithLogitsLoss, called(weight=torch.rand(5), pos_weight=torch.rand(5), reduction='sum'), [x(4, 5), torch.rand(4, 5)]),
    (nn.MultiMarginLoss, called(p=2, margin=0.7, reduction='sum'), [x(3, 5), torch.tensor([1, 4, 0])]),
    (nn.MultiMarginLoss, called(), [x(5), torch.tensor(2)]),
    (nn.LazyLinear, called(3), [x(4, 5)]),
    (nn.LazyLinear, called(3, bias=False), [x(5)]),
    (nn.LazyConv2d, called(6, (3, 2), stride=2, groups=2, bias=False), [x(2, 4, 7, 6)]),
    (nn.LazyConvTranspose2d, called(6, 3, 2, 1, groups=2), [x(4, 5, 3)]),
    (nn.LazyBatchNorm1d, called(), [x(4, 3)]),
    (nn.LazyBatchNorm2d, called(momentum=None), [x(4, 3, 2, 2)]),
    (nn.LazyBatchNorm3d, called(affine=False), [x(2, 3, 2, 2, 1)]),
    (nn.LazyInstanceNorm1d, called(), [x(2, 3, 4)]),
    (nn.LazyInstanceNorm2d, called(affine=False), [x(2, 3, 2, 3)]),
    (nn.LazyInstanceNorm3d, called(track_running_stats=False), [x(2, 3, 2, 2, 3)]),
    (nn.UpsamplingNearest2d, called(size=(5, 3)), [x(1, 2, 3, 4)]),
    (nn.UpsamplingBilinear2d, called(scale_factor=1.5), [x(1, 2, 3, 4)]),
    (nn.FractionalMaxPool2d, called(2, output_size=(3, 4)), [x(2, 3, 6, 7)]),
    (nn.FractionalMaxPool3d, called(2, output_ratio=(0.5, 0.6, 0.7)), [x(1, 2, 6, 5, 4)]),
    (nn.AdaptiveLogSoftmaxWithLoss, called(16, 20, [4, 10]), [x(6, 16), torch.tensor([0, 5, 19, 11, 3, 10])]),
    (nn.AdaptiveLogSoftmaxWithLoss, called(8, 9, [2, 5], div_value=2.0, head_bias=True), [x(8), torch.tensor(3)]),
    (nn.EmbeddingBag, called(7, 3), [torch.tensor([[1, 4, 6], [0, 0, 2]])]),
    (nn.EmbeddingBag, called(7, 3, mode='sum', padding_idx=1), called(torch.tensor([1, 4, 6, 0, 1]), torch.tensor([0, 2, 2]))),
    (nn.EmbeddingBag, called(7, 3, mode='sum'), called(torch.tensor([1, 4, 6, 0]), torch.tensor([0, 3]), x(4))),
    (nn.EmbeddingBag, called(7, 3, mode='max', include_last_offset=True), called(torch.tensor([1, 4, 6, 0]), torch.tensor([0, 3, 4]))),
    (nn.EmbeddingBag, called(7, 3, max_norm=1.0, scale_grad_by_freq=True), [torch.tensor([[1, 4, 1], [0, 0, 2]])]),
    (nn.Embedding, called(7, 3, max_norm=1.0, norm_type=1.0, scale_grad_by_freq=True, padding_idx=-2), [torch.tensor([[1, 4, 5], [0, 0, 2]])]),
    (nn.CosineEmbeddingLoss, called(margin=0.2), [x(6), x(6), torch.tensor(-1.0)]),
    (nn.GaussianNLLLoss, called(full=True, reduction='none'), [x(4, 3), x(4, 3), torch.rand(4).requires_grad_()]),
    (nn.PoissonNLLLoss, called(full=True, reduction='sum'), [x(4, 3), torch.tensor([[0.0, 1, 2], [5, 9, 3], [1, 1, 7], [4, 0, 2]])]),
]
for cls, constructor, forward in MORE:
    info = Own(module_cls=cls)
    sample = types.SimpleNamespace(
        constructor_input=constructor, forward_input=forward if hasattr(forward, 'kwargs') else called(*forward))
    modules.append(entry(cls, [row(info, sample, training) for training in (True, False)], own=True))

with open(f'{sys.argv[1]}/modules.txt', 'w') as file:
    file.write(''.join(f'{c}\n' for c in dict.fromkeys(m['class'] for m in modules)))
head = {'torch': torch.__version__.split('+')[0], 'keep': KEEP, 'modules': modules}
head = json.dumps(head, separators=(',', ':')).encode()
packed = zlib.compress(struct.pack('<Q', len(head)) + head + b''.join(blobs), 9)
with open(f'{sys.argv[1]}/modules.bin', 'wb') as file:
    file.write(packed)
