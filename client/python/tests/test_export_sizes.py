"""Packages whose sizes are open. Compiling takes long: each looks at several things."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from test_export_dims import LONGER, Cropped, Encoder, X, dims, tokens
from torch import Tensor
from torch.export import Dim

import tensorferry

LONGEST = 12
MOST_ROWS = 5


def run(file: Path, **inputs: Tensor) -> dict[str, Tensor] | Tensor:
    with torch.no_grad():
        return torch._inductor.aoti_load_package(str(file))(**inputs)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Encoder, Path]:
    """torch's encoder asks whether there is one row, or one word."""
    torch.manual_seed(0)
    module = Encoder().eval()
    length = Dim("length", min=1, max=LONGEST)
    file = tensorferry.export(
        module,
        tokens(1, 5),
        tmp_path_factory.mktemp("repository") / "encoder",
        format="aotinductor",
        dynamic_shapes={"token": {1: length}, "mask": {1: length}},
        dynamic_batch=True,
        max_batch_size=MOST_ROWS,
    )
    return module, file


@pytest.mark.parametrize("length", range(1, LONGEST + 1))
@pytest.mark.parametrize("rows", [1, 2, MOST_ROWS])
def test_a_package_takes_every_size_of_the_range(
    rows: int, length: int, encoder: tuple[Encoder, Path]
) -> None:
    module, file = encoder
    inputs = tokens(rows, length)
    with torch.no_grad():
        torch.testing.assert_close(run(file, **inputs), module(**inputs))


CHECKED = """
import sys, torch
model = torch._inductor.aoti_load_package(sys.argv[1])
for rows, length in (map(int, pair.split("x")) for pair in sys.argv[2:]):
    model(token=torch.zeros(rows, length, dtype=torch.int64), mask=torch.zeros(rows, length, dtype=bool))
"""


def test_a_packages_own_checks_are_the_ranges(encoder: tuple[Encoder, Path]) -> None:
    _, file = encoder
    assert dims(file) == ["-1", "-1", "-1, 8", "8", "5", "5"]
    metadata = torch._inductor.aoti_load_package(str(file)).loader.get_metadata()
    shapes = [
        each["shape"] for kind in ("inputs", "outputs") for each in json.loads(metadata["tensorferry"])[kind]
    ]
    assert shapes == [[-1, -1], [-1, -1], [-1, -1, 8], [-1, 8]]
    environment = {**os.environ, "AOTI_RUNTIME_CHECK_INPUTS": "1"}  # As the server has it.

    def is_taken(*sizes: str) -> bool:
        command = [sys.executable, "-c", CHECKED, str(file), *sizes]
        return subprocess.run(command, env=environment, capture_output=True).returncode == 0

    assert is_taken("1x1", f"1x{LONGEST}", f"{MOST_ROWS}x1", f"{MOST_ROWS}x{LONGEST}")
    assert not is_taken(f"1x{LONGEST + 1}")
    assert not is_taken("1x0")


@pytest.fixture(scope="module")
def cropped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shapes = {"x": {0: Dim.DYNAMIC(min=4, max=16)}, "table": {0: Dim("table", min=8, max=20)}}
    folder = tmp_path_factory.mktemp("repository") / "cropped"
    return tensorferry.export(Cropped(), [X, LONGER], folder, format="aotinductor", dynamic_shapes=shapes)


def test_what_sizes_must_be_to_each_other_is_checked(cropped: Path) -> None:
    """torch.export drops such a relation between two sizes, and the package then reads what is no input."""
    for rows, most in ((4, 8), (8, 8), (7, 13), (16, 20), (16, 16)):
        x, table = torch.rand(rows, 4), torch.rand(most, 4)
        result = run(cropped, x=x, table=table)
        assert isinstance(result, Tensor)
        torch.testing.assert_close(result, x + table[:rows])
    with pytest.raises(RuntimeError):
        run(cropped, x=torch.rand(9, 4), table=torch.rand(8, 4))
