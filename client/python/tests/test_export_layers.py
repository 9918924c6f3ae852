"""A package of what torch compiles in ways of its own: recurrent and attention layers, large kernels."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import tensorferry

ROWS = 20


class Outputs(NamedTuple):
    recurrent: Tensor
    gated: Tensor
    attended: Tensor
    looked_up: Tensor


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
        return module, tensorferry.export(module, tokens(1), folder, dynamic_batch=True, max_batch_size=ROWS)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("rows", [1, 2, 17, ROWS])
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


def test_no_threads_are_compiled_in(layers: tuple[nn.Module, Path]) -> None:
    """By the text: where a check of a caller's index fails in a parallel region, the process ends."""
    with zipfile.ZipFile(layers[1]) as package:
        sources = [package.read(name).decode() for name in package.namelist() if name.endswith(".cpp")]
    text = "\n".join(sources)
    assert "index out of bounds" in text
    assert "Vectorized" in text
    assert not re.search(r"omp\s+parallel|num_threads|omp_get|\btid\b", text)
