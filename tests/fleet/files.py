"""Makes what the Ray job works on: files.py FOLDER. It runs with torch, which the job has not.

FOLDER/rows has .npy files, FOLDER/models two models, and expected.npy is what torch makes of all rows, in order.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

FILES, ROWS, WIDTH = 8, 250, 16


def main(folder: Path) -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(WIDTH, 32), torch.nn.ReLU(), torch.nn.Linear(32, 4)).eval()
    for name in ("rows", "models"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    torch.jit.script(module).save(folder / "models/mlp.pt")
    slow = torch.nn.Sequential(torch.nn.Linear(WIDTH, 2048), torch.nn.ReLU(), torch.nn.Linear(2048, 32)).eval()
    torch.jit.script(slow).save(folder / "models/slow.pt")  # A millisecond or so for 256 rows on one core.
    rows = torch.randn(FILES * ROWS, WIDTH)
    for i, part in enumerate(rows.split(ROWS)):
        np.save(folder / f"rows/{i}.npy", part.numpy())
    with torch.no_grad():
        np.save(folder / "expected.npy", module(rows).numpy())
    np.save(folder / "all.npy", rows.numpy())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
