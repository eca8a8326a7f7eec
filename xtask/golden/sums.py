"""The last bits of PyTorch's sums and means (one thread): the order of additions shows in them.

    python sums.py OUTPUT_DIR

Writes OUTPUT_DIR/sums.json: for rows of x[i] = ((i * 37 + 11) % 101) / 7 - 5 their sum and mean, as bits in hexadecimal.
"""
import json
import struct
import sys

import torch

torch.set_num_threads(1)
rows = []
for n in list(range(1, 140)) + [255, 256, 257, 1000, 1024, 1023, 2049, 4095, 4096]:
    x = (((torch.arange(n, dtype=torch.float64) * 37 + 11) % 101) / 7 - 5)
    single = x.float()
    rows.append({'n': n, 'sum_f32': struct.pack('>f', single.sum().item()).hex(), 'mean_f32': struct.pack('>f', single.mean().item()).hex(),
                 'row_f32': struct.pack('>f', torch.stack([single, single]).sum(1)[1].item()).hex(),
                 'sum_f64': struct.pack('>d', x.sum().item()).hex()})
with open(f'{sys.argv[1]}/sums.json', 'w') as file:
    json.dump({'torch': torch.__version__.split('+')[0], 'rows': rows}, file, indent=0)
