"""Golden cases for batch normalisation.

Usage: python norm.py OUTPUT_DIRECTORY
"""
import json
import sys

import torch
import torch.nn.functional as F

torch.manual_seed(1)
cases = []
for shape in [(4, 3), (2, 3, 5), (3, 2, 4, 5), (2, 1, 3, 3, 2), (5, 4, 1, 1), (1, 2, 3, 3)]:
    for affine in [True, False]:
        for training in [True, False]:
            c = shape[1]
            x = (torch.randn(shape, dtype=torch.float64) * 3 + 1).requires_grad_()
            w, b = [torch.randn(c, dtype=torch.float64).requires_grad_() if affine else None for _ in "wb"]
            mean, var = torch.randn(c, dtype=torch.float64), torch.rand(c, dtype=torch.float64)
            y = F.batch_norm(x, mean.clone(), var.clone(), w, b, training, 0.1, 1e-3)
            dy = torch.randn(shape, dtype=torch.float64)
            y.backward(dy)
            flat = lambda t: None if t is None else t.detach().flatten().tolist()
            cases.append(dict(
                shape=shape, training=training, x=flat(x), weight=flat(w), bias=flat(b), mean=flat(mean), var=flat(var),
                y=flat(y), dy=flat(dy), dx=flat(x.grad), dweight=flat(w.grad) if affine else None,
                dbias=flat(b.grad) if affine else None,
            ))
with open(f"{sys.argv[1]}/norm.json", "w") as file:
    json.dump(cases, file)
