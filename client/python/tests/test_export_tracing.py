"""Modules that cannot be scripted: what tracing would freeze of their Python code is refused."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from computed_modules import Computes
from torch import Tensor, nn
from torch.jit import TracerWarning  # type: ignore[attr-defined]

import tensorferry


def export(function: Callable[[Tensor], Any], example: Tensor, folder: Path, **options: Any) -> Path:
    return tensorferry.export(Computes(function), [example], folder / "m", format="torchscript", **options)


def load(file: Path, extra: dict[str, Any] | None = None) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(str(file), _extra_files=extra)  # type: ignore[no-untyped-call]


def by_rows(x: Tensor) -> Tensor:
    scale = torch.stack([x[i].abs().max() for i in range(len(x))])
    return x / scale[:, None]


# Python code may look at these; the second value says whether torch says so while it traces.
LOOKS: dict[str, Callable[[Tensor], Any]] = {
    "branch": lambda x: x / x.abs().max() if x.abs().max() > 1 else x,
    "number": lambda x: x * x.max().item(),
    "float": lambda x: x * float(x.max()),
    "whole number": lambda x: x[int(x[0, 0] > 0)],
    "list": lambda x: x + torch.tensor(x.tolist()),
    "array": lambda x: x + torch.from_numpy(x.numpy()),
    "array of NumPy's": lambda x: x + torch.from_numpy(np.asarray(x)),
    "in": lambda x: x * 2 if 5 in x else x,
    "any": lambda x: x * 2 if any(x[0] > 1) else x,
    "text": lambda x: x * len(f"{x.sum() > 0}"),
    "loop": lambda x: sum((x for _ in range(int(x.max()))), start=x),
    "while": lambda x: next(y for y in (x / 2**n for n in range(99)) if y.abs().max() < 1),
}
SILENT: dict[str, Callable[[Tensor], Any]] = {
    "copy": lambda x: x + copy.deepcopy(x),
    "data": lambda x: x * x.data,
    "exchange": lambda x: x + torch.utils.dlpack.from_dlpack(x.__dlpack__()),
    "equal": lambda x: x + 1 if torch.equal(x, torch.zeros_like(x)) else x,
    "close": lambda x: x + 1 if torch.allclose(x, torch.zeros_like(x), atol=0.5) else x,
    "not zero": lambda x: x if torch.is_nonzero(x[0, 0] < 0) else -x,
}


@pytest.mark.parametrize("name", LOOKS)
def test_code_that_looks_at_values_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="looks at values") as raised:
        export(LOOKS[name], torch.rand(2, 4), tmp_path)
    line = LOOKS[name].__code__.co_firstlineno
    places = (
        f"{__file__}:{line}: ",
        "_tensor.py:",
    )  # torch names its own line for what NumPy or `in` asks for.
    assert any(place in str(raised.value) for place in places)
    assert "cannot be scripted: " in str(raised.value)
    assert not (tmp_path / "m").exists()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SILENT)
def test_what_torch_does_not_tell_of_is_found_by_other_values(name: str, tmp_path: Path) -> None:
    with pytest.raises(
        RuntimeError, match=r"of the exported model is not the module's, for (the example|zeros)"
    ):
        export(SILENT[name], torch.rand(2, 4), tmp_path)
    assert not (tmp_path / "m").exists()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["branch", "number", "float", "list", "array", "any", "while"])
def test_allowed_warnings_do_not_allow_wrong_values(name: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="exported model is not the module's, for the example times"):
        export(LOOKS[name], torch.rand(2, 4), tmp_path, allow_tracer_warnings=True)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("rows", [1, 2, 64])
def test_a_frozen_batch_is_refused(rows: int, tmp_path: Path) -> None:
    example = torch.rand(rows, 4)
    with pytest.raises(RuntimeError, match="Using len to get tensor shape"):
        export(by_rows, example, tmp_path, dynamic_batch=True)
    with pytest.warns(TracerWarning), pytest.raises(RuntimeError, match="exported model"):
        export(by_rows, example, tmp_path, dynamic_batch=True, allow_tracer_warnings=True)
    assert not (tmp_path / "m").exists()


def test_allowed_warnings_reach_the_user(tmp_path: Path) -> None:
    """A shape that is always the same."""
    with pytest.warns(TracerWarning, match="Using len") as seen:
        file = export(lambda x: x / len(x), torch.rand(2, 4), tmp_path, allow_tracer_warnings=True)
    (tracer,) = (each for each in seen if each.category is TracerWarning)
    assert tracer.filename == __file__
    x = torch.rand(2, 4) * 100
    torch.testing.assert_close(load(file)(x), x / 2)


class Warns(nn.Module):
    def forward(self, x: Tensor, **others: Tensor) -> Tensor:
        warnings.warn("mind the gap", stacklevel=1)
        return x


def test_other_warnings_reach_the_user(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="mind the gap") as seen:
        tensorferry.export(Warns(), [torch.rand(2, 4)], tmp_path / "m", format="torchscript")
    assert any(each.filename == __file__ for each in seen)


def test_it_is_said_that_a_module_was_traced(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="cannot be scripted, so it was traced") as seen:
        file = export(lambda x: x * 2, torch.rand(2, 4), tmp_path)
    assert seen[0].filename == __file__
    extra = {"tensorferry.json": ""}
    load(file, extra)
    assert json.loads(extra["tensorferry.json"]) == {"method": "traced", "torch": torch.__version__}


def test_nothing_is_said_of_a_module_that_was_scripted(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        file = tensorferry.export(nn.ReLU(), [torch.rand(2, 4)], tmp_path / "m", format="torchscript")
    extra = {"tensorferry.json": ""}
    load(file, extra)
    assert json.loads(extra["tensorferry.json"]) == {"method": "scripted", "torch": torch.__version__}


# This code needs no Python: whatever the values, the file computes what the module does.
GOOD: dict[str, Callable[[Tensor], Tensor]] = {
    "where": lambda x: torch.where(x.abs() > 1, x / x.abs().max(), x),
    "clamp": lambda x: x.clamp(-1, 1),
    "unrolled": lambda x: sum((x**n for n in range(3)), start=x),
    "loop over columns": lambda x: torch.stack([x[:, i] * i for i in range(x.shape[1])], 1),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("name", GOOD)
def test_what_is_traced_computes_what_the_module_does(name: str, rows: int, tmp_path: Path) -> None:
    loaded = load(export(GOOD[name], torch.rand(rows, 4), tmp_path))
    for scale in (0.01, 1.0, -5.0, 1000.0):
        x = torch.rand(rows, 4) * scale
        torch.testing.assert_close(loaded(x), GOOD[name](x))
