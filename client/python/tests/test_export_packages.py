"""Packages that AOTInductor compiles. Compiling takes long: each looks at several things."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import tensorferry

MOST_ROWS = 20

X = torch.arange(12.0).reshape(4, 3)


class Outputs(NamedTuple):
    recurrent: Tensor
    gated: Tensor
    attended: Tensor
    looked_up: Tensor


@dataclass
class Fields:
    zeta: Tensor
    alpha: Tensor


class Formed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Any:
        y = self.layer(x)
        return Fields(y, 2 * y)


class Layers(nn.Module):
    """Layers that ask whether there is one row, and a kernel that is large enough for several threads."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(100, 8)
        self.large_table = nn.Embedding(100, 4096)
        self.recurrent = nn.LSTM(8, 8, batch_first=True)
        self.gated = nn.GRU(8, 8, batch_first=True)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.attention = nn.TransformerEncoder(layer, 1)

    def forward(self, token: Tensor, mask: Tensor) -> Any:
        x = self.table(token)
        return Outputs(
            looked_up=self.large_table(token).sin(),
            recurrent=self.recurrent(x)[0],
            gated=self.gated(x)[0],
            attended=self.attention(x, src_key_padding_mask=mask),
        )


def tokens(rows: int) -> dict[str, Tensor]:
    return {"token": torch.randint(0, 100, (rows, 3)), "mask": torch.zeros(rows, 3, dtype=torch.bool)}


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    """The module, and a package that was compiled by a process of several threads."""
    torch.manual_seed(0)
    module = Layers().eval()
    threads = torch.get_num_threads()
    torch.set_num_threads(7)
    try:
        folder = tmp_path_factory.mktemp("repository") / "layers"
        return module, tensorferry.export(
            module, tokens(1), folder, format="aotinductor", dynamic_batch=True, max_batch_size=MOST_ROWS
        )
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("rows", [1, 2, 17, MOST_ROWS])
def test_layers_that_look_at_the_batch_take_any(rows: int, layers: tuple[nn.Module, Path]) -> None:
    module, file = layers
    inputs = tokens(rows)
    with torch.no_grad():
        actual = torch._inductor.aoti_load_package(str(file))(**inputs)
        torch.testing.assert_close(actual, module(**inputs)._asdict())


def test_fields_are_the_outputs_names(layers: tuple[nn.Module, Path]) -> None:
    _, file = layers
    names = list(Outputs._fields)
    metadata = torch._inductor.aoti_load_package(str(file)).loader.get_metadata()
    assert [output["name"] for output in json.loads(metadata["tensorferry"])["outputs"]] == names
    config = (file.parents[1] / "config.pbtxt").read_text()
    assert re.findall(r'output {\n  name: "(\w+)"', config) == names


def test_torchs_version_is_told(layers: tuple[nn.Module, Path]) -> None:
    metadata = torch._inductor.aoti_load_package(str(layers[1])).loader.get_metadata()
    assert json.loads(metadata["tensorferry"])["torch"] == torch.__version__


class Unweighted(nn.Module):
    """Has a parameter, but none that weighs anything."""

    def __init__(self) -> None:
        super().__init__()
        self.none = nn.Parameter(torch.zeros(0))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.reshape(-1), self.none])


def members(file: Path, suffix: str) -> list[bytes]:
    with zipfile.ZipFile(file) as package:
        return [package.read(name) for name in package.namelist() if name.endswith(suffix)]


def test_weights_are_a_file_of_their_own(layers: tuple[nn.Module, Path]) -> None:
    module, file = layers
    table = module.get_parameter("large_table.weight").detach().numpy().tobytes()
    (weights,), (library,) = members(file, ".blob"), members(file, ".so")
    assert table in weights
    assert table not in library


@pytest.fixture
def no_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's headers are not there, as where Debian's python3 is without python3-dev."""
    path_of = sysconfig.get_path

    def moved(name: str, *more: Any, **options: Any) -> str:
        return str(tmp_path) if name == "include" else path_of(name, *more, **options)

    monkeypatch.setattr(sysconfig, "get_path", moved)


@pytest.mark.usefixtures("no_headers")
def test_a_package_without_weights_has_no_file_of_them(tmp_path: Path) -> None:
    """Torch warns that it finds no Python.h, which the package does not include."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        file = tensorferry.export(Unweighted(), [X], tmp_path / "unweighted", format="aotinductor")
    assert not members(file, ".blob"), "torch cannot read an empty one"
    assert torch.equal(torch._inductor.aoti_load_package(str(file))(x=X), X.reshape(-1))


def test_no_threads_are_compiled_in(layers: tuple[nn.Module, Path]) -> None:
    """The text is searched: if a check of a caller's index fails in a parallel region, the process ends."""
    with zipfile.ZipFile(layers[1]) as package:
        sources = [package.read(name).decode() for name in package.namelist() if name.endswith(".cpp")]
    text = "\n".join(sources)
    assert "index out of bounds" in text
    assert "Vectorized" in text
    assert not re.search(r"omp\s+parallel|num_threads|omp_get|\btid\b", text)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    """A module for which torch has several kernels, by the rows of a batch, and what was compiled from it."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.Flatten()).eval()
    folder = tmp_path_factory.mktemp("repository") / "model"
    example = torch.rand(2, 3, 8, 8)
    return module, tensorferry.export(
        module, [example], folder, format="aotinductor", dynamic_batch=True, max_batch_size=MOST_ROWS
    )


def test_a_package_names_its_inputs_and_outputs(package: tuple[nn.Module, Path]) -> None:
    _, file = package
    assert file.name == "model.pt2"
    metadata = torch._inductor.aoti_load_package(str(file)).loader.get_metadata()
    said = json.loads(metadata["tensorferry"])
    assert said["inputs"] == [{"name": "input", "dtype": "float32", "shape": [-1, 3, 8, 8]}]
    assert said["outputs"] == [{"name": "OUTPUT__0", "dtype": "float32", "shape": [-1, 32]}]
    assert set(said["processor"]) == {
        name for name, has in torch.cpu.get_capabilities().items() if has is True
    }
    config = (file.parents[1] / "config.pbtxt").read_text()
    assert config.startswith(f'platform: "torch_aoti"\nmax_batch_size: {MOST_ROWS}\ndynamic_batching {{}}\n')


CHECKED = """
import sys, torch
model = torch._inductor.aoti_load_package(sys.argv[1])
for rows in map(int, sys.argv[2:]):
    assert model(input=torch.rand(rows, 3, 8, 8)).shape == (rows, 32)
"""


def test_a_package_takes_as_many_rows_as_its_configuration_says(package: tuple[nn.Module, Path]) -> None:
    module, file = package
    image = torch.rand(MOST_ROWS, 3, 8, 8)
    with torch.no_grad():
        actual = torch._inductor.aoti_load_package(str(file))(input=image)
        torch.testing.assert_close(actual, module(image))
    environment = {**os.environ, "AOTI_RUNTIME_CHECK_INPUTS": "1"}  # As the server has it.
    command = [sys.executable, "-c", CHECKED, str(file), "1", "2", "3", "15", "16", str(MOST_ROWS)]
    checked = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.skipif(platform.machine() != "x86_64", reason="portable is of x86-64")
def test_a_portable_package_runs_where_there_is_avx2(tmp_path: Path) -> None:
    """It returns a dataclass, which torch.export does not know."""
    module = Formed().eval()
    file = tensorferry.export(module, [X], tmp_path / "model", format="aotinductor", portable=True)
    outputs = torch._inductor.aoti_load_package(str(file))(x=X)
    assert list(outputs) == ["zeta", "alpha"]
    torch.testing.assert_close(outputs["zeta"], module(X).zeta)
    metadata = torch._inductor.aoti_load_package(str(file)).loader.get_metadata()
    assert metadata["AOTI_CPU_ISA"] == "AVX2"
    assert set(json.loads(metadata["tensorferry"])["processor"]) <= {
        "avx2",
        "bmi",
        "bmi2",
        "f16c",
        "fma3",
        "lzcnt",
        "movbe",
    }
    with zipfile.ZipFile(file) as package:
        (library,) = (name for name in package.namelist() if name.endswith(".so"))
        code = subprocess.run(
            ["objdump", "-d", package.extract(library, tmp_path)], capture_output=True, text=True, check=True
        )
    assert "%ymm" in code.stdout
    assert "%zmm" not in code.stdout
