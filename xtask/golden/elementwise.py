"""Writes elementwise.json: what PyTorch gives for elementwise functions and reductions.

Usage: python elementwise.py OUTPUT_DIRECTORY
"""

import functools
import json
import math
import sys
from pathlib import Path

import torch

FLOATS = ["float64", "float32", "float16", "bfloat16"]
DTYPES = FLOATS + ["int64", "int32", "int16", "int8", "uint8", "bool"]
UNARY = """abs neg square sign floor ceil round trunc frac relu reciprocal sqrt rsqrt exp exp2 expm1 log log2 log10 log1p
deg2rad rad2deg sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh erf erfc sigmoid silu gelu logical_not isnan isinf isfinite
""".split()
BINARY = """add sub mul div floor_divide div_floor div_trunc remainder fmod maximum minimum atan2 pow fmax fmin copysign heaviside eq ne lt le gt ge logical_and
logical_or logical_xor""".split()
X = [0.0, -0.0, 0.3, -0.7, 1.0, -1.0, 2.5, -3.5, 0.001, 9.0, -11.0, 1e-7, math.inf, -math.inf, math.nan, 100.0]
Y = [1.0, 2.0, -0.5, 0.25, 3.0, -2.0, 2.5, 2.0, 5.0, -4.0, 3.0, 0.5, 2.0, 1.0, 1.0, -7.0]
INTS = [0, 1, -1, 2, -3, 5, 7, -8, 100, -100, 127, 64]
DIVISORS = [1, 2, 3, -2, 2, -3, 5, 3, 7, 7, -10, 4]


def numbers(tensor):
    """The elements as JSON takes them, with no more digits than the dtype holds."""
    digits = {torch.float64: 17, torch.float32: 9, torch.float16: 6, torch.bfloat16: 5}.get(tensor.dtype)

    def one(value):
        if digits is None:
            return int(value)
        return float(f"{value:.{digits}g}") if math.isfinite(value) else str(value)

    return [one(value) for value in tensor.flatten().tolist()]


def entry(result):
    return {"dtype": str(result.dtype)[6:], "shape": list(result.shape), "data": numbers(result)}


def sample(name, values, ints):
    dtype = getattr(torch, name)
    if dtype.is_floating_point:
        return torch.tensor(values, dtype=dtype)
    if dtype == torch.bool:
        return torch.tensor([value > 1 for value in ints])
    return torch.tensor([abs(value) if dtype == torch.uint8 else value for value in ints], dtype=dtype)


def attempt(function):
    """What the function gives, or None where PyTorch refuses."""
    try:
        return entry(function())
    except (RuntimeError, TypeError, IndexError):
        return None


def main(out):
    F = torch.nn.functional
    unary, binary, scalar, reductions = {}, {}, {}, {}
    for dtype in DTYPES:
        x, y = sample(dtype, X, INTS), sample(dtype, Y, DIVISORS)
        for name in UNARY:
            function = {"silu": F.silu, "gelu": F.gelu}.get(name) or getattr(torch, name)
            unary.setdefault(name, {})[dtype] = attempt(lambda: function(x))
        for name in BINARY:
            rounded = {"div_floor": "floor", "div_trunc": "trunc"}.get(name)
            function = getattr(torch, name) if rounded is None else functools.partial(torch.div, rounding_mode=rounded)
            binary.setdefault(name, {})[dtype] = attempt(lambda: function(x, y))
        for name in ["add", "mul", "div", "remainder", "pow", "maximum", "lt"]:
            for number in [2, 0.3, True]:
                if name == "maximum":
                    result = attempt(lambda: torch.maximum(x, torch.tensor(number)))
                else:
                    result = attempt(lambda: getattr(torch, name)(x, number))
                scalar.setdefault(name, {}).setdefault(dtype, {})[str(number)] = result
        generator = torch.Generator().manual_seed(7)
        z = torch.randn(3, 4, 5, generator=generator, dtype=torch.float64) * 3
        z = (z > 0) if dtype == "bool" else (z.abs() if dtype == "uint8" else z).to(getattr(torch, dtype))
        cases = {"": entry(z)}
        for dims in [[], [0], [1], [-1], [0, 2], [0, 1, 2]]:
            d = dims or None
            each = {
                "sum": lambda: torch.sum(z, dim=d), "mean": lambda: torch.mean(z, dim=d),
                "amax": lambda: torch.amax(z, dim=dims), "amin": lambda: torch.amin(z, dim=dims),
                "any": lambda: torch.any(z, dim=d), "all": lambda: torch.all(z, dim=d),
                "var": lambda: torch.var(z, dim=d), "std": lambda: torch.std(z, dim=d, correction=0),
                "logsumexp": lambda: torch.logsumexp(z, dim=d or [0, 1, 2]), "norm": lambda: torch.norm(z, dim=d),
            }
            if len(dims) == 1:
                each |= {
                    "prod": lambda: torch.prod(z, dim=dims[0]), "argmax": lambda: torch.argmax(z, dim=dims[0]),
                    "argmin": lambda: torch.argmin(z, dim=dims[0]), "cumsum": lambda: torch.cumsum(z, dim=dims[0]),
                    "cumprod": lambda: torch.cumprod(z, dim=dims[0]),
                    "max_dim": lambda: torch.max(z, dim=dims[0]).indices,
                    "min_dim": lambda: torch.min(z, dim=dims[0]).indices,
                }
            cases[json.dumps(dims)] = {name: attempt(function) for name, function in each.items()}
        reductions[dtype] = cases
    inputs = {dtype: {"x": numbers(sample(dtype, X, INTS)), "y": numbers(sample(dtype, Y, DIVISORS))} for dtype in DTYPES}
    golden = {"inputs": inputs, "unary": unary, "binary": binary, "scalar": scalar, "reductions": reductions}
    text = json.dumps(golden, separators=(",", ":")).replace('},"', '},\n"')
    Path(out, "elementwise.json").write_text(text + "\n")


main(sys.argv[1])
