"""A model's folder, and the next version in it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch


@contextmanager
def new_version(folder: Path, config: str, samples: Mapping[str, torch.Tensor]) -> Iterator[tuple[int, Path]]:
    """A number, and a folder for the model file that appears under it once it is complete; that of a new
    model appears together with all the rest."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    is_new = not folder.exists()
    taken = [int(entry.name) for entry in folder.glob("*") if entry.name.isdecimal()]
    version = max(taken, default=0) + 1
    temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent if is_new else folder))
    try:
        temporary.chmod(0o755)
        new = temporary / str(version)
        new.mkdir()
        yield version, new
        _write_around(temporary if is_new else folder, config, samples)
        if is_new:
            temporary.rename(folder)
        else:
            new.rename(folder / str(version))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_around(folder: Path, config: str, samples: Mapping[str, torch.Tensor]) -> None:
    (folder / "warmup").mkdir(exist_ok=True)
    for name, tensor in samples.items():
        elements = tensor.detach().cpu().contiguous().reshape(-1)
        _replace(
            folder / "warmup" / name, elements.view(torch.uint8).numpy().tobytes() if len(elements) else b""
        )
    _replace(folder / "config.pbtxt", config.encode())


def _replace(file: Path, content: bytes) -> None:
    new = file.with_name(f".{file.name}.new")
    new.write_bytes(content)
    new.replace(file)
