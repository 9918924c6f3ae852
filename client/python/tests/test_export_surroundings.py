"""What is set around the export, and is in no file: autocast and the default dtype."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import tensorferry

EXAMPLE = torch.linspace(-1, 1, 8).reshape(2, 4)


class Within(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            result: torch.Tensor = self.layer(x)
            return result


class Ones(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ones(1) + x.to(torch.int64)


@pytest.fixture
def float64_by_default() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("format", ["exported", "torchscript"])
def test_autocast_around_the_export_is_told(tmp_path: Path, format: str) -> None:
    linear = torch.nn.Linear(4, 3)
    with (
        torch.autocast("cpu", torch.bfloat16),
        pytest.raises(
            RuntimeError, match=r"torch\.float32 .* torch\.bfloat16 .*put it into the module's forward"
        ),
    ):
        tensorferry.export(linear, [EXAMPLE], tmp_path / "linear", format=format)
    assert not (tmp_path / "linear/1").exists()


def test_autocast_within_the_module_is_exported(tmp_path: Path) -> None:
    file = tensorferry.export(Within(), [EXAMPLE], tmp_path / "within")
    assert torch.export.load(file).module()(x=EXAMPLE).dtype is torch.bfloat16


@pytest.mark.usefixtures("float64_by_default")
def test_a_dtype_that_comes_from_the_default_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        RuntimeError, match=r"default dtype is torch\.float64 here, and torch\.float32 in a server"
    ):
        tensorferry.export(Ones(), [EXAMPLE.float()], tmp_path / "ones")


@pytest.mark.usefixtures("float64_by_default")
def test_another_default_dtype_alone_is_no_fault(tmp_path: Path) -> None:
    tensorferry.export(torch.nn.Linear(4, 3), [EXAMPLE.double()], tmp_path / "linear")
    assert torch.get_default_dtype() is torch.float64
