"""Writes checkpoints of rarer kinds as PyTorch, numpy and safetensors do, for crates/io/tests/files.

The files `wide_*` hold tensors of dtypes that we do not have under `x`, and under `want` what they are to be read as.
"""
import io
import re
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)


def bits(dtype):
    return torch.arange(256, dtype=torch.uint8).view(dtype)


base = torch.complex(torch.arange(6.0), torch.tensor([0.5, -0.0, -3, 7, 1, 2])).reshape(2, 3)
wide = OrderedDict()
wide["uint16"] = (torch.tensor([0, 1, 65535]).to(torch.uint16), torch.tensor([0, 1, 65535], dtype=torch.int32))
wide["uint32"] = (torch.tensor([[0, 2**32 - 1]]).to(torch.uint32), torch.tensor([[0, 2**32 - 1]]))
wide["uint64"] = (torch.tensor([5, 2**63 - 1]).to(torch.uint64), torch.tensor([5, 2**63 - 1]))
for name in ["float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"]:
    x = bits(getattr(torch, name))
    wide[name] = (x, x.float())
wide["complex64"] = (base, torch.view_as_real(base))
wide["complex128"] = (base.to(torch.complex128), torch.view_as_real(base.to(torch.complex128)))
wide["complex32"] = (base.to(torch.complex32), torch.view_as_real(base.to(torch.complex32)))
wide["bcomplex32"] = (base.to(torch.bcomplex32), torch.view_as_real(base.to(torch.bcomplex32)))
for name, (x, want) in wide.items():
    want = want.clone(memory_format=torch.contiguous_format)
    torch.save(OrderedDict(x=x, want=want), out / f"wide_{name}.pt")
    if name not in {"bcomplex32", "complex32", "complex128"}:
        (out / f"wide_{name}.safetensors").write_bytes(save({"x": x, "want": want}))
views = {"x": base.t()[1:], "want": torch.view_as_real(base.t()[1:]).clone()}
torch.save(views, out / "wide_views.pt")
torch.save({"x": base.conj(), "want": torch.view_as_real(base.conj().resolve_conj())}, out / "wide_conjugate.pt")
# The name of a storage is an address there.
legacy = io.BytesIO()
torch.save({"x": base}, legacy, _use_new_zipfile_serialization=False)
legacy = re.sub(rb"X\x0f\0\0\0\d{15}|X\x0e\0\0\0\d{14}", b"X\x01\0\0\x001", legacy.getvalue())
(out / "legacy_complex.pt").write_bytes(legacy)
for code in ["<u2", ">u2", "<u4", ">u4", "<u8", ">u8", "<c8", ">c8", "<c16", ">c16"]:
    x = np.array([[0, 1, 2], [3, 4, 5]], dtype=code)
    want = np.stack([x.real, x.imag], -1) if "c" in code else x.astype({"2": "<i4"}.get(code[2], "<i8"))
    name = code.replace("<", "le_").replace(">", "be_")
    np.savez(out / f"wide_{name}.npz", x=np.asfortranarray(x), want=want.astype(want.dtype.newbyteorder("<")))
mixed = {"text": np.array(["ab", "c"]), "fields": np.zeros(2, [("a", "<f4"), ("b", "<i4", (2,))]), "y": np.ones(1, "<f4")}
np.savez(out / "refuse_mixed.npz", **mixed)
torch.save(torch.tensor([-(2**63)]).view(torch.uint64), out / "too_large.pt")

# What ordinary programs rarely write, but PyTorch loads.
torch.save([torch.empty(3, 0, 2)[1:], torch.empty(0, 3).t(), torch.empty(0).expand(7, 0)], out / "views_of_nothing.pt")
key = torch.ones(1)
torch.save({1j: "imaginary", complex(2, 0): "two", key: "a tensor", (1.5, None): key}, out / "keys.pt")

# What has no place here.
torch.save({"x": torch.zeros(4, dtype=torch.uint8).view(torch.bits8), "y": torch.ones(1)}, out / "refuse_bits.pt")
u = torch.arange(4).to(torch.uint16)
torch.save({"a": u, "b": u.view(torch.float8_e4m3fn)}, out / "refuse_two_dtypes.pt")
torch.save({frozenset([1]): 1}, out / "refuse_frozenset_key.pt")
torch.save({"q": torch.quantize_per_tensor(torch.ones(2), 0.5, 0, torch.quint8), "y": torch.ones(1)}, out / "objects_quantized.pt")
nested = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged)
torch.save({"n": nested, "y": torch.ones(1)}, out / "objects_nested.pt")
torch.save({"best": np.float64(0.5), "y": torch.ones(1)}, out / "objects_numpy.pt")
torch.save({"class": int, "y": torch.ones(1)}, out / "objects_class.pt")
