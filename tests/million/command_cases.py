"""Runs of the command `tensorferry convert`: `.npy` and `.npz` files, one process for a few of them."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import ml_dtypes
import numpy as np

import cli
from arrays import Sent, expect, npy_file, random_array
from dtypes import DTYPES, Descr, DType, descr_of
from oracle import Expected

NAMED = [dtype for dtype in DTYPES if not dtype.in_from_numpy]
WITHOUT_TENSOR = [np.array(["a", "bc"]), np.array([b"x"]), np.zeros(2, "M8[s]"), np.zeros(3, [("a", "<f4")]),
                  np.zeros(2, np.longdouble), np.zeros((2, 2), "V3")]  # fmt: skip


@dataclass
class Member:
    """One array in a file."""

    name: str
    content: bytes
    expected: Expected | None  # None: it is to be refused.
    reasons: set[str] = field(default_factory=set)


@dataclass
class CommandCase:
    files: list[tuple[str, list[Member]]]  # By the files' names.
    options: list[str]
    saves: bool


def _describe(rng: Random, named: str, only: bool) -> tuple[Descr, DType, set[str]]:
    """A dtype with its descr, and why it is refused under `--dtype named`."""
    dtype = rng.choice(DTYPES)
    descr = descr_of(rng, dtype)
    reasons: set[str] = set()
    if descr.source == descr.text:  # The file says what it holds.
        if only and named and named != dtype.name:
            reasons = {"CONFLICTING_FIELDS"}
    elif not named:
        reasons = {"AMBIGUOUS_DTYPE"}
    else:
        wanted = next(other for other in NAMED if other.name == named)
        if wanted.itemsize != dtype.itemsize:
            reasons = {"CONFLICTING_FIELDS"}
        dtype = wanted
        descr = Descr(descr.text, named, wanted.is_big(descr.text[0]), named)
    return descr, dtype, reasons


def _member(rng: Random, name: str, options: list[str], only: bool) -> Member:
    named = options[options.index("--dtype") + 1] if "--dtype" in options else ""
    if rng.random() < 0.03 and not (only and named):
        file = io.BytesIO()
        np.save(file, rng.choice(WITHOUT_TENSOR))
        return Member(name, file.getvalue(), None, {"UNSUPPORTED_DTYPE", "BYTE_ORDER"})
    descr, dtype, reasons = _describe(rng, named, only)
    sent = random_array(rng, name, dtype=dtype, descr=descr)
    content = npy_file(rng, sent, descr.text)
    if "--strict" in options and (refusal := sent.strict_refusal()):
        reasons.add(refusal)
    if rng.random() < 0.03:
        content += b"more"
        reasons.add("TRAILING_BYTES")
    elif rng.random() < 0.03 and sent.data:
        content = content[:-1]
        reasons.add("SIZE_MISMATCH")
    return Member(name, content, None if reasons else expect(_as_read(sent, descr)), reasons)


def _as_read(sent: Sent, descr: Descr) -> Sent:
    return Sent(sent.name, sent.dtype, sent.big, descr.source, sent.shape, sent.fortran, sent.data)


def make(rng: Random) -> CommandCase:
    options = ["--json"]
    if rng.random() < 0.1:
        options.append("--strict")
    if rng.random() < 0.8:
        options += ["--dtype", rng.choice(NAMED).name]
    counts = [rng.choice([1, 1, 2, 3, 8]) for _ in range(rng.choice([1, 1, 2, 4, 8]))]
    files = []
    for number, count in enumerate(counts):
        only = len(counts) == 1 and count == 1
        archive = count > 1 or rng.random() < 0.3
        name = f"f{number}.npz" if archive else f"f{number}.npy"
        labels = [f"f{number}m{i}" for i in range(count)] if archive else [f"f{number}"]
        files.append((name, [_member(rng, label, options, only) for label in labels]))
    return CommandCase(files, options, saves=rng.random() < 0.3)


def _write(folder: Path, case: CommandCase) -> Iterable[Path]:
    for name, members in case.files:
        if name.endswith(".npy"):
            (folder / name).write_bytes(members[0].content)
        else:
            with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
                for member in members:
                    archive.writestr(f"{member.name}.npy", member.content)
        yield folder / name


def _check_saved(file: Path, expected: Expected) -> None:
    """What the command has saved is what NumPy reads: the elements, under a dtype of their size."""
    array = np.load(file)
    ours = getattr(ml_dtypes, expected.numpy_dtype, None)
    elements = array.view(ours) if ours is not None else array
    assert elements.dtype.name == expected.numpy_dtype, elements.dtype
    assert (elements.shape, elements.tobytes()) == (expected.shape, expected.data), file.name


def _check_file(printed: dict[str, Any], members: list[Member]) -> None:
    wanted = [cli.tensor_json(m.name, m.expected) for m in members if m.expected is not None]
    assert printed["tensors"] == wanted, f"{printed['tensors']}, not {wanted}"
    refused = [(one["name"], one["error"]["reason"]) for one in printed["refused"]]
    reasons = [(member.name, member.reasons) for member in members if member.expected is None]
    assert [name for name, _ in refused] == [name for name, _ in reasons], (refused, reasons)
    for (name, reason), (_, allowed) in zip(refused, reasons, strict=True):
        assert reason in allowed, f"{name}: {reason} is not among {allowed}"


def run(case: CommandCase, address: str) -> tuple[int, int]:
    """Runs and checks one case; returns how many arrays were converted and refused. Raises AssertionError."""
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        files = list(_write(folder, case))
        output = ["-o", folder / "out"] if case.saves else []
        if case.saves:
            (folder / "out").mkdir()
        ran = cli.run("convert", *case.options, *output, *files, server=address)
        try:
            lines = [json.loads(line) for line in ran.stdout.splitlines()]
        except ValueError as error:
            raise AssertionError(f"no JSON: {ran}") from error
        members = [member for _, many in case.files for member in many]
        refused = sum(member.expected is None for member in members)
        assert ran.code == (cli.REFUSED if refused else cli.OK), ran
        assert len(lines) == len(files), ran.stdout
        for printed, (_, many) in zip(lines, case.files, strict=True):
            _check_file(printed, many)
        for member in members:
            if case.saves and member.expected is not None:
                _check_saved(folder / f"out/{member.name}.npy", member.expected)
    return len(members) - refused, refused
