"""`dynamic_shapes`: which sizes stay open, and what is said of those that cannot."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from computed_modules import Computes
from torch import Tensor, nn
from torch.export import Dim

import tensorferry

X = torch.arange(32.0).reshape(8, 4)
LONGER = torch.arange(64.0).reshape(16, 4)
SEQUENCE = Dim("sequence", min=2, max=12)


class Cropped(nn.Module):
    """One input is not longer than the other."""

    def forward(self, x: Tensor, table: Tensor) -> Tensor:
        return x + table[: x.size(0)]


class Sum(nn.Module):
    def forward(self, x: Tensor, table: Tensor) -> Tensor:
        return x + table


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 1)

    def forward(self, token: Tensor, mask: Tensor) -> dict[str, Tensor]:
        words = self.layers(self.table(token), src_key_padding_mask=mask)
        return {"words": words, "text": words.mean(1)}


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTM(4, 8, batch_first=True)

    def forward(self, x: Tensor) -> Any:
        return self.cell(x)[0]


def export(module: nn.Module, inputs: Any, folder: Path, shapes: Any, **options: Any) -> Path:
    options = {"format": "torchscript", **options}
    return tensorferry.export(module, inputs, folder / "model", dynamic_shapes=shapes, **options)


def dims(file: Path) -> list[str]:
    """Those of inputs, outputs and samples."""
    return re.findall(r"dims: \[ (.*?) \]", (file.parents[1] / "config.pbtxt").read_text())


def tokens(rows: int, length: int) -> dict[str, Tensor]:
    token = torch.randint(0, 50, (rows, length), generator=torch.Generator().manual_seed(length))
    return {"token": token, "mask": torch.zeros(rows, length, dtype=torch.bool)}


# Each case is `dynamic_shapes`, and what is said of it.
REFUSED: dict[str, tuple[Any, str]] = {
    "no dictionary": (3, "dynamic_shapes is int, expected a dictionary by the inputs' names, or a list"),
    "text": ("x", "dynamic_shapes is str, expected a dictionary"),
    "other input": ({"y": {0: Dim.AUTO}}, "names 'y', which is no input; the example has ['x', 'table']"),
    "too few": ([{0: Dim.AUTO}], "has 1 entries, expected one for each input: ['x', 'table']"),
    "other dimension": ({"x": {2: Dim.AUTO}}, "names dimension 2 of input 'x', which has 2, numbered from 0"),
    "no number": ({"x": {"rows": Dim.AUTO}}, "names dimension 'rows' of input 'x'"),
    "twice": ({"x": {1: Dim.AUTO, -1: Dim.AUTO}}, "names dimension 1 of input 'x' twice"),
    "too few dimensions": ({"x": [Dim.AUTO]}, "has 1 dimensions for input 'x', which has 2 in the example"),
    "bare Dim": ({"x": Dim.AUTO}, "has _DimHint for input 'x', expected a dictionary by dimensions"),
    "other size": ({"x": {0: 9}}, "dimension 0 of input 'x' is 9, but the example has 8"),
    "no size": ({"x": {0: "n"}}, "dimension 0 of input 'x' is 'n', expected a Dim, Dim.DYNAMIC, Dim.AUTO"),
    "three ends": ({"x": {0: (1, 2, 3)}}, "is (1, 2, 3), expected a Dim"),
    "half a size": ({"x": {0: (1, 8.5)}}, "is (1, 8.5), expected a Dim"),
    "wrong order": ({"x": {0: (9, 1)}}, "x.shape[0] is from 9 to 1, expected a range of sizes"),
    "negative": ({"x": {0: (-1, 9)}}, "x.shape[0] is from -1 to 9, expected a range of sizes"),
    "one size": ({"x": {0: (8, 8)}}, "x.shape[0] is from 8 to 8, expected a range of sizes"),
    "not the example": (
        {"x": {0: Dim("rows", max=7)}},
        "rows is from 1 to 7, but the example has 8 in dimension 0 of input 'x'",
    ),
    "derived": ({"x": {0: 2 * Dim("half")}}, "dimension 0 of input 'x' is 2*half, which no server checks"),
    "two ranges": (
        {"x": {0: Dim("n", max=9)}, "table": {0: Dim("n", max=30)}},
        "dynamic_shapes has two different ranges for n",
    ),
    "two sizes": (
        {"x": {0: Dim("n")}, "table": {0: Dim("n")}},
        "n is 8 in the example at ('x', 0), but 16 at ('table', 0)",
    ),
    "longer than the other": (
        {"x": {0: (1, 17)}},
        "leaves x.shape[0] open, but the module fails on x.shape[0] = 17",
    ),
    "shorter": (
        {"table": {0: (7, 16)}},
        "leaves table.shape[0] open, but the module fails on table.shape[0] = 7",
    ),
    "always the same": ({"x": {1: Dim("width")}}, "leaves width open, but the module fails on width = 5"),
}


@pytest.mark.parametrize("format", ["torchscript", "aotinductor"])
@pytest.mark.parametrize("case", REFUSED)
def test_shapes_that_do_not_fit_are_refused(case: str, format: str, tmp_path: Path) -> None:
    shapes, said = REFUSED[case]
    with pytest.raises(ValueError) as raised:  # noqa: PT011  Its text is looked at.
        export(Cropped(), [X, LONGER], tmp_path, shapes, format=format)
    assert str(raised.value).startswith("dynamic_shapes")
    assert said in str(raised.value)
    assert not (tmp_path / "model").exists()


def test_the_batch_is_open_already(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="dimension 0 of input 'x', which dynamic_batch leaves open already"):
        export(Sum(), [X, X], tmp_path, {"x": {0: Dim.AUTO}}, dynamic_batch=True)


# Each case has `dynamic_shapes` for `Sum`, and the dims of both inputs and the output that follow.
TAKEN: dict[str, tuple[Any, list[str]]] = {
    "none": (None, ["8, 4", "8, 4", "8, 4"]),
    "empty": ({}, ["8, 4", "8, 4", "8, 4"]),
    "static": ({"x": {0: 8, 1: None}, "table": [Dim.STATIC, 4]}, ["8, 4", "8, 4", "8, 4"]),
    "one Dim": ({"x": {0: SEQUENCE}, "table": {0: SEQUENCE}}, ["-1, 4", "-1, 4", "-1, 4"]),
    "in order": ([{0: SEQUENCE}, (SEQUENCE, None)], ["-1, 4", "-1, 4", "-1, 4"]),
    "from the end": ([{-2: SEQUENCE}, {-2: SEQUENCE}], ["-1, 4", "-1, 4", "-1, 4"]),
    "no names": ([{0: Dim.DYNAMIC}, {0: Dim.AUTO}], ["-1, 4", "-1, 4", "-1, 4"]),
    "ranges": ([{0: (2, 12)}, {0: (1, None)}], ["-1, 4", "-1, 4", "-1, 4"]),
    "all": ([[Dim.AUTO] * 2, [Dim.AUTO] * 2], ["-1, -1", "-1, -1", "-1, -1"]),
    "those of one input": ([{0: Dim.AUTO, 1: Dim.AUTO}, {}], ["8, 4", "8, 4", "8, 4"]),
}


@pytest.mark.parametrize("name", TAKEN)
def test_open_sizes_are_in_the_configuration(name: str, tmp_path: Path) -> None:
    shapes, expected = TAKEN[name]
    assert dims(export(Sum(), [X, X], tmp_path, shapes)) == [*expected, "8, 4", "8, 4"]
    assert (tmp_path / "model/warmup/x").read_bytes() == X.numpy().tobytes()


def test_sizes_are_open_beside_the_batch(tmp_path: Path) -> None:
    shapes = {name: {1: SEQUENCE} for name in ("token", "mask")}
    file = export(Encoder(), tokens(1, 5), tmp_path, shapes, dynamic_batch=True)
    assert dims(file) == ["-1", "-1", "-1, 8", "8", "5", "5"]


FROZEN: dict[str, Callable[[Tensor], Any]] = {
    "length": lambda x: x / len(x),
    "loop": lambda x: torch.stack([x[i].sum() for i in range(x.shape[0])]),
    "text": lambda x: x * len(str(x.shape[0])),
    "branch": lambda x: x + 1 if x.shape[0] > 10 else x,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FROZEN)
def test_what_tracing_makes_of_sizes_is_compared(name: str, tmp_path: Path) -> None:
    """Python code that looks at a size is the module's at every size, or refused."""
    module = Computes(FROZEN[name])
    try:
        file = export(module, [X], tmp_path, {"x": {0: (2, 12)}}, allow_tracer_warnings=True)
    except RuntimeError as error:
        assert re.search("is not the module's, for|fails for|with shape", str(error))  # noqa: PT017
        return
    loaded = torch.jit.load(str(file))  # type: ignore[no-untyped-call]
    for size in range(2, 13):
        torch.testing.assert_close(loaded(torch.ones(size, 4)), module(torch.ones(size, 4)))


FORMS: dict[str, Callable[[Tensor], Any]] = {
    "number": lambda x: [x] * (1 + (x.shape[0] > 10)),
    "dtype": lambda x: x if x.shape[0] > 10 else x.double(),
    "dimensions": lambda x: x if x.shape[0] > 10 else x[None],
}


@pytest.mark.parametrize("name", FORMS)
def test_outputs_whose_form_depends_on_sizes_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"for the example, but .* x.shape\[0\] = 12"):
        export(Computes(FORMS[name]), [X], tmp_path, {"x": {0: (2, 12)}})
    assert not (tmp_path / "model").exists()


# Each case has a module, examples, `dynamic_shapes`, and what is said before torch's words.
NOT_OPEN: dict[str, tuple[nn.Module, list[Tensor], Any, str]] = {
    "loop": (
        Recurrent(),
        [torch.rand(2, 6, 4)],
        [{1: Dim("steps", min=2)}],
        "dynamic_shapes leaves steps open",
    ),
    "loop without a name": (Recurrent(), [torch.rand(2, 6, 4)], [{1: (2, 9)}], "leaves x.shape[1] open"),
    "multiple": (
        Computes(lambda x: x * 2 if x.shape[0] % 8 == 0 else x),
        [X],
        {"x": {0: (2, 64)}},
        "dynamic_shapes leaves x.shape[0] open, but the module's code, as torch.export records it, does not "
        "take every size in the range. Narrow the range, leave it out, or use format='torchscript'. torch",
    ),
}


@pytest.mark.parametrize("name", NOT_OPEN)
def test_a_size_that_torch_fixes_is_named(name: str, tmp_path: Path) -> None:
    module, inputs, shapes, said = NOT_OPEN[name]
    with pytest.raises(ValueError, match=r"^dynamic_shapes leaves") as raised:
        export(module, inputs, tmp_path, shapes, format="aotinductor")
    assert said in str(raised.value)
    assert not (tmp_path / "model").exists()
