"""What export has to say while it works: its own warnings, and torch's."""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch


def warn(text: str) -> None:
    """A warning that names the line which called export."""
    level = 1
    frame = sys._getframe(0)
    while frame.f_back and str(frame.f_globals.get("__name__")).startswith("tensorferry."):
        level += 1
        frame = frame.f_back
    warnings.warn(text, stacklevel=level)


@contextmanager
def recorded() -> Iterator[list[warnings.WarningMessage]]:
    """All warnings, whatever the filters say, into a list."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        yield seen


def pass_on(seen: list[warnings.WarningMessage]) -> None:
    """Passes warnings to the user as if they came now, except for those about which the user need do nothing:
    that torch.jit is deprecated, that torch's own recurrent layers renew their list of weights, and that
    Python's headers, which no package includes, are not installed."""
    for one in {(each.category, str(each.message), each.lineno): each for each in seen}.values():
        is_deprecation = issubclass(one.category, (DeprecationWarning, FutureWarning))
        is_idle = any(text in str(one.message) for text in ("._flat_weights[", "Can't find Python.h in "))
        if not is_deprecation and not is_idle:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


def first_line(error: BaseException) -> str:
    """What an error says first, which is often all that helps."""
    lines = (line.strip().rstrip(".:") for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)


def last_line(error: BaseException) -> str:
    """What an error says behind the traces of a TorchScript file."""
    return str(error).strip().rpartition("\n")[2].strip() or type(error).__name__


def users_line(error: BaseException) -> str:
    """Where in the user's own code an error arose, to stand behind a word; empty: nowhere."""
    ours = (str(Path(torch.__file__).parent), str(Path(__file__).parents[1]), "<")
    frames = traceback.extract_tb(error.__traceback__)
    users = [frame for frame in frames if not frame.filename.startswith(ours)]
    return f" at {users[-1].filename}:{users[-1].lineno}" if users else ""
