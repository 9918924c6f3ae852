"""Finds libtorch in the installed torch, without importing it, and runs the programs of this package with it."""

from __future__ import annotations

import os
import sys
from importlib import metadata, util
from pathlib import Path
from typing import NoReturn

from tensorferry_server._build import TORCH, VERSION

__version__ = VERSION
__all__ = ["WrongTorchError", "environment", "program", "run_command", "run_server"]


class WrongTorchError(RuntimeError):
    """torch is not installed, or is not known to be the one that the server was compiled with."""


def program(name: str) -> Path:
    """The path of `tensorferry-server` or `tensorferry`."""
    return Path(__file__).parent / "bin" / name


def environment() -> dict[str, str]:
    """This process's environment, with libtorch's folder first where the loader looks for libraries.

    Raises:
        WrongTorchError: torch is not installed, or is of another version than the server was compiled with, or
            nothing says its version.
    """
    inherited = os.environ.get("LD_LIBRARY_PATH")
    folders = [str(_torch_library_folder()), *([inherited] if inherited else [])]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(folders)}


def _torch_library_folder() -> Path:
    wanted = ".".join(TORCH.split(".")[:2])
    remedy = f"pip install 'torch=={wanted}.*'"
    spec = util.find_spec("torch")
    if spec is None or not spec.submodule_search_locations:
        raise WrongTorchError(f"torch is not installed: {remedy}")
    folder = Path(spec.submodule_search_locations[0])
    try:
        installed = metadata.version("torch")
    except metadata.PackageNotFoundError:
        raise WrongTorchError(
            f"the torch in {folder} has no package metadata, which says its version: {remedy}"
        ) from None
    if installed.split("+")[0].split(".")[:2] != wanted.split("."):
        raise WrongTorchError(
            f"tensorferry-server {VERSION} was compiled with torch {TORCH} and needs torch {wanted}.*, "
            f"but torch {installed} is installed: {remedy}"
        )
    return folder / "lib"


def run_server() -> NoReturn:
    """Becomes the server: the same process, with its signals and its exit code."""
    try:
        variables = environment()
    except WrongTorchError as error:
        sys.exit(f"tensorferry-server: {error}")
    _become("tensorferry-server", variables)


def run_command() -> NoReturn:
    """Becomes the command, which needs no torch."""
    _become("tensorferry", dict(os.environ))


def _become(name: str, variables: dict[str, str]) -> NoReturn:
    path = str(program(name))
    os.execve(path, [path, *sys.argv[1:]], variables)
