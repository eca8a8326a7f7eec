"""Writes .npy and .npz files as numpy does, for crates/io/tests/numpy.

Every array holds 0, 1, 2, ... in its logical order (C), bools 0, 1, 1, ...
"""
import io
import struct
import sys
from pathlib import Path

import numpy as np

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
for code in ["<f8", "<f4", "<f2", "<i8", "<i4", "<i2", "|i1", "|u1", "|b1", ">f8", ">f4", ">f2", ">i8", ">i4", ">i2"]:
    name = code.replace("<", "le_").replace(">", "be_").replace("|", "")
    np.save(out / f"{name}.npy", np.arange(6).reshape(2, 3).astype(code))
np.save(out / "fortran.npy", np.asfortranarray(np.arange(24, dtype="<f4").reshape(2, 3, 4)))
np.save(out / "scalar.npy", np.array(0.0))
np.save(out / "empty.npy", np.zeros((3, 0, 2), "<f4"))
np.save(out / "one.npy", np.arange(5, dtype="<i8"))
for version in [(1, 0), (2, 0), (3, 0)]:
    with open(out / f"version{version[0]}.npy", "wb") as f:
        np.lib.format.write_array(f, np.arange(6, dtype="<f4").reshape(2, 3), version=version)
np.save(out / "refuse_object.npy", np.array([{}, None], dtype=object), allow_pickle=True)
np.save(out / "refuse_structured.npy", np.zeros(2, [("a", "<f4"), ("b", "<i4")]))
np.save(out / "refuse_text.npy", np.array(["ab", "c"]))
np.save(out / "refuse_complex.npy", np.zeros(2, "<c8"))
np.save(out / "refuse_u4.npy", np.zeros(2, "<u4"))
np.save(out / "refuse_time.npy", np.zeros(2, "<M8[s]"))
arrays = {"weight": np.arange(6, dtype="<f4").reshape(2, 3), "a/b.c": np.arange(2, dtype="<i8"), "z": np.array(0.0)}
np.savez(out / "stored.npz", **arrays)
np.savez_compressed(out / "deflated.npz", **arrays)
np.savez_compressed(out / "zeros.npz", zeros=np.zeros(100_000, "<f4"))
np.savez(out / "none.npz")
