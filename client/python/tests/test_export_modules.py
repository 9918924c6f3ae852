"""Modules that cannot be served as they are, and what export says of them."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import tensorferry


class Computes(nn.Module):
    """Any function of one tensor."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


def export(module: nn.Module, example: Any, folder: Path, **options: Any) -> Path:
    return tensorferry.export(module, example, folder / "model", **{"format": "torchscript", **options})


TABLE = torch.linspace(-1, 1, 7)

# The rows of these functions depend on each other, or their first dimension is not the batch.
MIXED: dict[str, Callable[[Tensor], Any]] = {
    "mean": lambda x: x - x.mean(0),
    "mean over all": lambda x: x - x.mean(),
    "largest": lambda x: x / x.abs().max(),
    "softmax": lambda x: x.softmax(0),
    "sum so far": lambda x: x.cumsum(0),
    "sorted": lambda x: x.sort(0).values,
    "turned round": lambda x: x.flip(0),
    "neighbour": lambda x: x + x.roll(1, 0),
    "third neighbour": lambda x: x + x.roll(3, 0),
    "number of rows": lambda x: x / len(x),
    "similarity": lambda x: x * (x @ x.T).sum(1, keepdim=True),
    "batch norm in training": lambda x: functional.batch_norm(x, None, None, training=True),
    "attention across rows": lambda x: functional.scaled_dot_product_attention(x[None], x[None], x[None])[0],
    "one of two outputs": lambda x: (x, x - x.mean(0)),
    "small share": lambda x: x + 1e-3 * x.mean(0),
    "transposed": lambda x: x.T,
    "scalar": lambda x: x.sum(),
    "one row for all": lambda x: x.sum(0, keepdim=True),
    "columns": lambda x: x.sum(0),
    "two for each": lambda x: torch.cat([x, x]),
    "always the same": lambda x: TABLE,
    "many rows only": lambda x: x - x.mean(0) if len(x) > 30 else x,
    "not many rows": lambda x: x[:16],
    "no single row": lambda x: x / x.std(0) if len(x) > 1 else x[2],
}


BOTH_FAIL = {("batch norm in training", 1), ("no single row", 1)}  # In Python, too.


@pytest.mark.parametrize(
    ("name", "rows"), [(name, rows) for name in MIXED for rows in (1, 2, 64) if (name, rows) not in BOTH_FAIL]
)
def test_rows_that_depend_on_each_other_are_refused(name: str, rows: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^dynamic_batch: ") as raised:
        export(Computes(MIXED[name]), [torch.rand(rows, 7)], tmp_path, dynamic_batch=True)
    assert not (tmp_path / "model").exists()
    reasons = ("depends on the rows beside it", "it is no batch", "no dimension for the batch", "must take")
    assert any(reason in str(raised.value) for reason in reasons)


def test_it_is_said_what_was_compared(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="dynamic_batch") as raised:
        export(Computes(MIXED["mean"]), {"x": torch.rand(4, 7)}, tmp_path, dynamic_batch=True)
    assert (
        "output 'OUTPUT__0' of a row depends on the rows beside it: that of the example was compared "
        "with what the module gives for each row alone: mismatched elements: 7 / 7"
    ) in str(raised.value)


def test_whole_numbers_are_rows_too(tmp_path: Path) -> None:
    module = Computes(lambda x: x - x.max(0).values)
    for example in (torch.tensor([[3, 1, 2]]), torch.tensor([5]), torch.tensor([4, 4])):
        with pytest.raises(ValueError, match="depends on the rows beside it"):
            export(module, [example], tmp_path, dynamic_batch=True)


def test_rows_that_are_equal_prove_nothing(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="rows of the example are equal"):
        export(nn.ReLU(), [torch.zeros(2, 3)], tmp_path / "equal", dynamic_batch=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        export(nn.ReLU(), [torch.rand(1, 3)], tmp_path / "other", dynamic_batch=True)


class PositiveOnly(nn.Module):
    def forward(self, x: Tensor) -> Any:
        if bool((x < 0).any()):
            raise ValueError("negative")
        return x.sqrt()


class Indices(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(8, 2)

    def forward(self, x: Tensor) -> Any:
        return self.table(x)


def deep() -> nn.Module:
    """Values that grow from layer to layer, so that another order of adding gives other last bits."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Linear(1024, 1024) for _ in range(3)]
    return nn.Sequential(nn.Linear(64, 1024), *(part for layer in layers for part in (nn.ReLU(), layer)))


GOOD = {
    "deep": (deep(), torch.randn(2, 64, generator=torch.Generator().manual_seed(0)) * 100),
    "positive": (PositiveOnly(), torch.rand(2, 3)),
    "indices": (Indices(), torch.tensor([[7, 0, 3], [1, 1, 1]])),
    "one index": (Indices(), torch.tensor([7])),
    "not contiguous": (nn.Linear(2, 3), torch.rand(2, 4).T),
    "image": (nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2)), torch.rand(1, 3, 8, 8)),
    "not a number": (nn.Softmax(-1), torch.full((2, 3), float("-inf"))),
    "no elements": (nn.ReLU(), torch.rand(2, 0)),
    "half": (nn.Linear(3, 2).half(), torch.rand(2, 3).half()),
    "bool": (nn.Identity(), torch.tensor([[True, False]])),
    "unsigned": (nn.Identity(), torch.tensor([[7, 60000]]).to(torch.uint16)),
    "float8": (nn.Identity(), torch.rand(2, 3).to(torch.float8_e5m2fnuz)),
    "complex": (nn.Identity(), torch.rand(2, 3, dtype=torch.complex64).conj()),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dynamic_batch", [False, True])
@pytest.mark.parametrize("name", GOOD)
def test_good_modules_are_written(name: str, dynamic_batch: bool, tmp_path: Path) -> None:
    module, example = GOOD[name]
    assert export(module, [example], tmp_path, dynamic_batch=dynamic_batch).exists()


class CountsInBuffer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.total: Any
        self.register_buffer("total", torch.zeros(3))

    def forward(self, x: Tensor) -> Any:
        self.total.add_(x[0])
        return self.total


class WorksInBuffer(nn.Module):
    """Its answers are right: as long as there is one caller."""

    def __init__(self) -> None:
        super().__init__()
        self.scratch: Any
        self.register_buffer("scratch", torch.zeros(4, 3))

    def forward(self, x: Tensor) -> Any:
        return self.scratch.copy_(x) + 1


class CountsInNumber(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.runs = 0

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        return torch.where(x > 1, float("-inf"), x + (1000.0 if self.runs > 1 else 0.0))


class KeepsAll(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.mean())
        return x


class Learns(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Any:
        self.inner.weight.mul_(0.5)
        return self.inner(x)


class Previous(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = torch.zeros(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        last, self.last = self.last, x
        return x + last


STATEFUL = {
    "buffer": (CountsInBuffer, "buffer 'total'"),
    "scratch": (WorksInBuffer, "buffer 'scratch'"),
    "number": (CountsInNumber, "attribute 'runs'"),
    "list": (KeepsAll, "attribute 'seen'"),
    "parameter": (Learns, "parameter 'inner.weight'"),
    "previous": (Previous, "attribute 'last'"),
    "inside": (lambda: nn.Sequential(nn.ReLU(), CountsInNumber()), "attribute '1.runs'"),
}


@pytest.mark.parametrize("name", STATEFUL)
def test_a_module_that_changes_itself_is_named_so(name: str, tmp_path: Path) -> None:
    make, said = STATEFUL[name]
    with pytest.raises(RuntimeError, match=f"^the module changes itself: .* its {said}"):
        export(make(), [torch.rand(4, 3)], tmp_path)
    assert not (tmp_path / "model").exists()


class Caches(nn.Module):
    """What it keeps is the same after each call."""

    def __init__(self) -> None:
        super().__init__()
        self.scale: Tensor | None = None
        self.seen: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.scale is None:
            self.scale = torch.full((3,), 2.0)
        self.seen = x
        return x * self.scale


@pytest.mark.filterwarnings("ignore")
def test_a_cache_is_no_state(tmp_path: Path) -> None:
    assert export(Caches(), [torch.rand(4, 3)], tmp_path).exists()


CHANCE: dict[str, Callable[[Tensor], Any]] = {
    "softmax of noise": lambda x: torch.softmax(torch.randn(len(x), 1000) * 0.1, -1),
    "noise": lambda x: x + torch.randn_like(x) * 1e-2,
    "dropout in training": lambda x: functional.dropout(x, 0.5, training=True),
    "coins": lambda x: torch.rand(64) < 0.5,
    "time": lambda x: x + time.perf_counter_ns() % 10_000_000,
    "noise for large values": lambda x: torch.where(x.abs() > 1, torch.rand_like(x), x),
    "number of outputs": lambda x: [x] * int(torch.randint(1, 1000, ())),
    "shape": lambda x: x.new_zeros(int(torch.randint(1, 100000, ()))),
}


@pytest.mark.parametrize("name", CHANCE)
def test_chance_is_named_so(name: str, tmp_path: Path) -> None:
    example = [torch.rand(4, 3)]
    state = torch.get_rng_state()
    with pytest.raises(
        RuntimeError, match=r"^the module answers differently from call to call, for the example"
    ):
        export(Computes(CHANCE[name]), example, tmp_path)
    assert not (tmp_path / "model").exists()
    assert torch.equal(torch.get_rng_state(), state)


def test_the_users_module_is_not_called(tmp_path: Path) -> None:
    """What is run is a copy; the parameters are the same, as there may be gigabytes of them."""
    module = CountsInNumber()
    with pytest.raises(RuntimeError):
        export(module, [torch.rand(4, 3)], tmp_path)
    assert module.runs == 0


SHAPES: dict[str, Callable[[Tensor], Any]] = {
    "chosen": lambda x: x[x > 0],
    "names": lambda x: {"positive" if x.min() >= 0 else "mixed": x},
    "number": lambda x: [x] if x.min() >= 0 else [x, x],
    "dtype": lambda x: x if x.min() >= 0 else x.double(),
    "size": lambda x: x.new_zeros(1 + int(x.abs().max())),
}


MASKS = {
    "bool": torch.tensor([[True, False, False]]),
    "whole numbers": torch.tensor([[1, 1, 0]]),
    "none": torch.zeros(1, 3, dtype=torch.bool),
}


@pytest.mark.parametrize("dynamic_batch", [False, True])
@pytest.mark.parametrize("name", MASKS)
def test_an_output_whose_shape_depends_on_a_mask_is_refused(
    name: str, dynamic_batch: bool, tmp_path: Path
) -> None:
    """Other numbers of 0 and 1 are tried, too: in another order they would give the same shape."""
    chosen = Computes(lambda x: x.nonzero().T if not dynamic_batch else x[:, x[0] != 0])
    with pytest.raises(ValueError, match="it depends on the inputs' values, which a model's config"):
        export(chosen, [MASKS[name]], tmp_path, dynamic_batch=dynamic_batch)
    assert not (tmp_path / "model").exists()


def test_a_size_that_no_example_shows_is_refused(tmp_path: Path) -> None:
    """torch.export knows that the size depends on values, though it is the same for all that are tried."""
    module = Computes(lambda x: (x, x[x > 1e9]))
    with pytest.raises(ValueError, match="output 'OUTPUT__1' has a size that depends on the inputs' values"):
        export(module, [torch.rand(4, 3)], tmp_path, format="aotinductor")
    assert not (tmp_path / "model").exists()


def test_a_module_that_fails_on_another_mask_is_written(tmp_path: Path) -> None:
    module = Computes(lambda x: x if bool(x.any()) else x.reshape(-1, 2, 2))
    with pytest.warns(UserWarning, match="traced"):
        export(module, [torch.ones(1, 3, dtype=torch.bool)], tmp_path, allow_tracer_warnings=True)


@pytest.mark.parametrize("name", SHAPES)
def test_outputs_whose_form_depends_on_values_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"for the example, but .* for the example times -3"):
        export(Computes(SHAPES[name]), [torch.ones(4, 3)], tmp_path)
    assert not (tmp_path / "model").exists()
