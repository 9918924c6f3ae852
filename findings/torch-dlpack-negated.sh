#!/usr/bin/env bash
# torch gives away a negated tensor by DLPack as if it were not negated: NumPy's from_dlpack, and torch's own, read 2
# where the tensor is -2. The imaginary part of a conjugated tensor is such a tensor, as conj() and imag only make
# notes. The conjugated tensor itself is refused ("Can't export tensors with the conjugate bit set"), and so is the
# negated one by numpy().
#
# Expected, before it was run: DLPack refuses the negated tensor as it does the conjugated one.
# Found on 2026-11-30 with Python 3.11.7 on x86-64.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0+cpu numpy==2.4.6

"$folder/venv/bin/python" - <<'END'
import sys
from collections.abc import Callable

import numpy as np
import torch

print(f"torch {torch.__version__}, numpy {np.__version__}, Python {sys.version.split()[0]}")
conjugated = torch.tensor([1 + 2j, 3 - 4j]).conj()
negated = conjugated.imag
assert negated.is_neg()


def told(read: Callable[[], object]) -> str:
    try:
        return str(read())
    except (RuntimeError, BufferError) as error:
        return f"refused: {str(error).split('. ')[0]}"


seen = {
    "conj().imag, by tolist()": told(lambda: negated.tolist()),
    "conj().imag, by numpy()": told(lambda: negated.numpy()),
    "conj().imag, by np.from_dlpack": told(lambda: np.from_dlpack(negated)),
    "conj().imag, by torch.from_dlpack": told(lambda: torch.from_dlpack(negated)),
    "conj().imag.resolve_neg(), by np.from_dlpack": told(lambda: np.from_dlpack(negated.resolve_neg())),
    "conj(), by np.from_dlpack": told(lambda: np.from_dlpack(conjugated)),
}
for name, text in seen.items():
    print(f"  {name}: {text}")

recorded = {
    "conj().imag, by tolist()": "[-2.0, 4.0]",
    "conj().imag, by numpy()": "refused: Can't call numpy() on Tensor that has negative bit set",
    "conj().imag, by np.from_dlpack": "[ 2. -4.]",
    "conj().imag, by torch.from_dlpack": "tensor([ 2., -4.])",
    "conj().imag.resolve_neg(), by np.from_dlpack": "[-2.  4.]",
    "conj(), by np.from_dlpack": "refused: Can't export tensors with the conjugate bit set",
}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: by DLPack every number has the other sign, without a word.")
END
