"""A model's folder, and the next version in it."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from tensorferry._arguments import wrong_type
from tensorferry._exporting.config_merge import write_config

_MODEL_FILES = ("model.pt", "model.pt2")
_LARGEST_VERSION = 2**63 - 1


def checked_folder(path: str | os.PathLike[str]) -> Path:
    """A model's folder; refuses one that a server would leave out, or take for something else."""
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise wrong_type("path", "a str or an os.PathLike of one", path)
    if not os.fspath(path):
        raise ValueError("path is empty: it is the model's folder, such as 'models/mlp'")
    folder = Path(path)
    if folder.name in ("", ".."):  # It is somewhere, and has a name there.
        folder = Path(os.path.abspath(folder))
    name = folder.name
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}", name):
        raise ValueError(
            f"{name!r} is no model's name: it may have letters of ASCII, digits, '.', '_' and '-', at most "
            "128, and must not begin with '.'"
        )
    if os.path.lexists(folder) and not folder.is_dir():
        raise ValueError(f"{folder} is no folder, and a model is one")
    for suffix in (".pt", ".pt2"):
        if folder.with_name(name + suffix).is_file():
            raise ValueError(f"{name}{suffix} lies beside {folder}: two models of one name")
    for file in _MODEL_FILES:
        if (folder / file).exists():
            raise ValueError(f"{folder} holds a {file} of no version: move it into {folder / '1'}")
    if (folder.parent / "config.pbtxt").exists():
        raise ValueError(f"{folder} lies in the folder of another model, {folder.parent}")
    if folder.is_symlink() and folder.parent.resolve() not in folder.resolve().parents:
        raise ValueError(f"{folder} is a link that leads out of the repository, where no server follows it")
    _next_version(folder)
    return folder


def _next_version(folder: Path) -> int:
    numbers = [int(entry.name) for entry in folder.glob("*") if re.fullmatch("[0-9]+", entry.name)]
    version = max((number for number in numbers if number <= _LARGEST_VERSION), default=0) + 1
    if version > _LARGEST_VERSION:
        raise ValueError(f"{folder} has the version {version - 1}, and there is no higher one")
    return version


@dataclass
class NewVersion:
    number: int
    files: Path  # A folder for the model file.
    config: str = ""  # The text of config.pbtxt,
    written: str = ""  # and what it would be if nobody had changed it.
    samples: Mapping[str, torch.Tensor] = field(default_factory=dict)


@contextmanager
def new_version(folder: Path) -> Iterator[NewVersion]:
    """A version that appears under its number once it is complete; that of a new model appears together with
    all the rest."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    is_new = not folder.exists()
    version = _next_version(folder)
    temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent if is_new else folder))
    try:
        temporary.chmod(0o755)
        new = NewVersion(version, temporary / str(version))
        new.files.mkdir()
        yield new
        _write_around(temporary if is_new else folder, new)
        if is_new:
            temporary.rename(folder)
        else:
            new.files.rename(folder / str(version))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_around(folder: Path, new: NewVersion) -> None:
    (folder / "warmup").mkdir(exist_ok=True)
    for name, tensor in new.samples.items():
        elements = tensor.detach().cpu().contiguous().reshape(-1)
        _replace(
            folder / "warmup" / name, elements.view(torch.uint8).numpy().tobytes() if len(elements) else b""
        )
    write_config(folder, new.config, new.written)


def _replace(file: Path, content: bytes) -> None:
    new = file.with_name(f".{file.name}.new")
    new.write_bytes(content)
    new.replace(file)
