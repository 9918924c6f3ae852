"""The models of W7 and W8, in a repository for the server: made once, and again when what makes them changes."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

import tensorferry
from tensorferry import _export

FOLDER = Path(__file__).resolve().parents[2] / "build/bench/models"


class Perceptron(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class SmallConvolution(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 7, stride=4), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )
        self.classes = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.classes(self.features(x).flatten(1))


class ManyOperators(nn.Module):
    """Costs by the call, hardly by the row: two hundred small operators."""

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(100):
            x = (x + 1) * 0.5
        return x


EXAMPLES = {
    "mlp": (Perceptron, (2, 256)),
    "cnn": (SmallConvolution, (2, 3, 224, 224)),
    "calls": (ManyOperators, (2, 16)),
}


def make(folder: Path) -> None:
    torch.manual_seed(0)
    for name, (module, shape) in EXAMPLES.items():
        example = (torch.randn(shape),)
        tensorferry.export(module(), example, folder / f"{name}_ts", format="torchscript", dynamic_batch=True)
        if name != "calls":
            tensorferry.export(module(), example, folder / f"{name}_aoti", format="aotinductor", dynamic_batch=True)
    unbatched = folder / "calls_ts_unbatched"
    shutil.copytree(folder / "calls_ts", unbatched)
    config = unbatched / "config.pbtxt"
    config.write_text(config.read_text().replace("dynamic_batching {}\n", ""))


def main() -> None:
    client = Path(_export.__file__)
    exporting = sorted(client.parent.glob("_exporting/*.py"))
    made_by = "".join(file.read_text() for file in (Path(__file__), client, *exporting))
    key = hashlib.sha256((torch.__version__ + made_by).encode()).hexdigest()
    stamp = FOLDER / ".made"
    if stamp.exists() and stamp.read_text() == key:
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    print("==> Making the models of W7 and W8", file=sys.stderr, flush=True)
    make(FOLDER)
    stamp.write_text(key)


if __name__ == "__main__":
    main()
