#!/usr/bin/env bash
# In torch a matrix product has other bits if the weight requires gradients, also where no gradient is kept:
# requires_grad_(False) on the weights of a model changes its answers under torch.inference_mode(). It is so where the
# first dimensions of the input are not one behind the other in memory, as with batch_first=True behind an exchange of
# two dimensions. (should_fold in ATen/native/LinearAlgebra.cpp then makes one product of all rows, else one for each.)
#
# Expected, before it was run: the same bits. requires_grad says what autograd is to record, and under no_grad() and
# inference_mode() it records nothing.
# Found on 2026-11-29 with Python 3.11.7 on x86-64.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0+cpu numpy==2.4.6

"$folder/venv/bin/python" - <<'END'
import sys

import torch

print(f"torch {torch.__version__}, Python {sys.version.split()[0]}, {torch.backends.cpu.get_cpu_capability()}")
torch.set_num_threads(1)
generator = torch.Generator().manual_seed(0)
x, weight = torch.randn(3, 9, 32, generator=generator), torch.randn(32, 48, generator=generator)
INPUTS = {"in one piece": x, "dimensions exchanged": x.transpose(0, 1)}

seen = {}
for name, rows in INPUTS.items():
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            fixed = torch.matmul(rows, weight)
            trained = torch.matmul(rows, torch.nn.Parameter(weight.clone(), requires_grad=True))
        different = (fixed != trained).sum().item()
        seen[name, mode.__name__] = different == 0
        print(f"  {name}, {mode.__name__}: {different} of {fixed.numel()} elements differ with requires_grad")

recorded = {key: key[0] == "in one piece" for key in seen}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: whether a weight requires gradients decides about bits where no gradient is kept.")
END
