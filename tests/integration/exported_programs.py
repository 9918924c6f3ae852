"""Programs for torch.export.save: modules, their examples, and inputs to compare on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.utils._pytree as pytree
from torch import Tensor, nn
from torch._higher_order_ops.map import map as torch_map
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop
from torch.export import Dim

import oracle
from served_models import from_elements

OPEN = Dim.DYNAMIC


class Calls(nn.Module):
    """A module that is one function."""

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Tensor) -> object:
        return self.function(*args)


class Point(NamedTuple):
    x: Tensor
    y: Tensor


pytree._register_namedtuple(Point, serialized_type_name="exported_programs.Point")


class Nested(nn.Module):
    def forward(self, x: Tensor, more: dict[str, list[Tensor]], *, shift: Tensor) -> dict[str, object]:
        y = more["of"][0] + shift
        return {"sum": x + y, "list": [x, y * 2], "point": Point(x * 3, y), "none": None, "rows": x.shape[0] * 2}


class Counter(nn.Module):
    """Changes a buffer in place, and a view of another."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))
        self.register_buffer("table", torch.arange(6.0).reshape(2, 3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        self.calls.add_(1)
        self.table[0].mul_(2)
        return x + self.calls, self.calls, self.table


class Tied(nn.Module):
    """Two weights in one memory, a constant, and a buffer that is not saved."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(4, 4, bias=False)
        self.other = nn.Linear(4, 4, bias=False)
        self.other.weight = self.one.weight
        self.register_buffer("scale", torch.linspace(0, 1, 4), persistent=False)
        self.constant = torch.tensor([1.0, 2.0, 3.0, 4.0])

    def forward(self, x: Tensor) -> Tensor:
        return self.other(self.one(x)) * self.scale + self.constant + torch.tensor(0.5)


class Branch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cond(x.sum() > 0, lambda y: y.relu() * 2, lambda y: y.exp() - 1, (x,))


class BranchOnSize(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.cond(x.shape[0] > 4, lambda y: (y + 1, y.sum()), lambda y: (y - 1, y.mean()), (x,))


class Loop(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * 2 + i), (torch.tensor(0), x))


class Mapped(nn.Module):
    def forward(self, xs: Tensor, shift: Tensor) -> Tensor:
        return torch_map(lambda x, y: x.sin() + y, xs, shift)


class Scanned(nn.Module):
    def forward(self, start: Tensor, xs: Tensor) -> tuple[Tensor, Tensor]:
        return scan(lambda carry, x: (carry * 0.5 + x, carry.cos()), start, xs)


def _autocast(x: Tensor, y: Tensor) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return x @ y


def _counted(x: Tensor) -> Tensor:
    count = x.sum().item()
    torch._check(count >= 0)
    torch._check(count < 100)
    return torch.arange(count)


def _arithmetic(x: Tensor) -> Tensor:
    rows, columns = x.shape
    cut = x.reshape(-1)[: (rows * columns - 1) // 2 + columns % 3]
    return cut * (rows**2 / 3) + max(rows, columns) - min(rows, columns - 1)


def _views(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    first, *_, last = x.unbind(0)
    return first.t(), last.expand(2, *last.shape), x.permute(2, 0, 1)[::2].flip(0)


def _in_place(x: Tensor) -> tuple[Tensor, Tensor]:
    x[0].add_(1)
    x.t().mul_(2)
    return x, x.sum(0)


def _normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def _images(rows: int) -> Tensor:
    return _normal(rows, 3, 10, 10)


def _of_dtype(name: str) -> Tensor:
    return from_elements(name, (3, 4), oracle.random_bytes(name, 12))


@dataclass(frozen=True)
class Program:
    module: Callable[[], nn.Module]
    args: tuple[object, ...]
    kwargs: Mapping[str, object] = field(default_factory=dict)
    dynamic_shapes: object = None
    others: tuple[tuple[object, ...], ...] = ()  # Arguments besides those of the example.


def _calls(function: Callable[..., object], *args: object, **more: object) -> Program:
    return Program(lambda: Calls(function), args, **more)  # type: ignore[arg-type]


MLP = lambda: nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))  # noqa: E731
CNN = lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2))  # noqa: E731
ATTENTION = lambda: nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)  # noqa: E731
DTYPES = ["bool", "int8", "uint8", "uint16", "uint32", "uint64", "int16", "int32", "int64", "float16", "bfloat16",
          "float32", "float64", "complex64", "complex128", "complex32", "float8_e4m3fn", "float8_e5m2",
          "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"]  # fmt: skip

PROGRAMS: dict[str, Program] = {
    "mlp": Program(MLP, (_normal(5, 16),)),
    "mlp-bfloat16": Program(lambda: MLP().bfloat16(), (_normal(5, 16).bfloat16(),)),
    "cnn": Program(CNN, (_images(2),)),
    "cnn-open": Program(CNN, (_images(2),), dynamic_shapes=({0: OPEN},), others=((_images(1),), (_images(7),))),
    "cnn-training": Program(lambda: CNN().train(), (_images(3),)),
    "lstm": Program(
        lambda: nn.LSTM(6, 7, batch_first=True),
        (_normal(2, 9, 6),),
        dynamic_shapes=({0: OPEN},),
        others=((_normal(5, 9, 6),),),
    ),
    "attention": Program(
        ATTENTION, (_normal(2, 9, 16),), dynamic_shapes=({0: OPEN, 1: OPEN},), others=((_normal(3, 4, 16),),)
    ),
    "attention-of-functions": Program(
        ATTENTION, (_normal(2, 9, 16),), dynamic_shapes=({0: OPEN, 1: OPEN},), others=((_normal(1, 1, 16),),)
    ),
    "embedding": Program(lambda: nn.EmbeddingBag(10, 3), (torch.arange(6).reshape(2, 3),)),
    "empty": _calls(
        lambda x: (x * 2, x.sum(0)), _normal(3, 4), dynamic_shapes=(({0: OPEN},),), others=((_normal(0, 4),),)
    ),
    "nested": Program(Nested, (_normal(3, 4), {"of": [_normal(3, 4)]}), {"shift": _normal(4)}),
    "counter": Program(Counter, (_normal(3),), others=((_normal(3) * 2,),)),
    "counter-of-functions": Program(Counter, (_normal(3),), others=((_normal(3) * 2,),)),
    "tied": Program(Tied, (_normal(5, 4),)),
    "branch": Program(Branch, (torch.ones(3, 4),), others=((-torch.ones(3, 4),),)),
    "branch-on-size": Program(
        BranchOnSize, (_normal(6),), dynamic_shapes=({0: OPEN},), others=((_normal(4),), (_normal(5),))
    ),
    "loop": Program(Loop, (_normal(3),)),
    "map": Program(Mapped, (_normal(3, 4), _normal(4))),
    "scan": Program(Scanned, (_normal(4), _normal(3, 4))),
    "autocast": _calls(_autocast, _normal(3, 4), _normal(4, 5)),
    "without-gradients": _calls(lambda x: torch.no_grad()(lambda y: y.relu() * 2)(x) + 1, _normal(3)),
    "counted": _calls(_counted, torch.tensor([3, 4]), others=((torch.tensor([0, 2]),),)),
    "nonzero": _calls(lambda x: torch.nonzero(x) * 2, torch.tensor([3, 0, 4]), others=((torch.tensor([0, 0, 0]),),)),
    "arithmetic": _calls(
        _arithmetic, _normal(4, 6), dynamic_shapes=(({0: OPEN, 1: OPEN},),), others=((_normal(9, 5),),)
    ),
    "views": _calls(_views, _normal(3, 4, 5)),
    "in-place": _calls(_in_place, _normal(3, 4)),
    "index": _calls(lambda x, i: (x[:, i, None], x[i, :], x[..., 0]), _normal(4, 3), torch.tensor([0, 2])),
    "numbers": _calls(lambda x: (x.double() * (1 + 2j), x / 3, x.clamp(min=-float("inf"), max=0.25)), _normal(3)),
    "lists": _calls(
        lambda x, y: (torch.cat([x, y, x], 1), *torch.split(x, [1, 2], 1), torch.stack([x, y]).norm(dim=[0, 1])),
        _normal(4, 3),
        _normal(4, 3),
    ),
    "sorted": _calls(lambda x: (*torch.sort(x, 1, descending=True), x.topk(2)[1], x.max(0)[0]), _normal(4, 3)),
    **{f"dtype-{name}": _calls(lambda x: (x, x.t().contiguous()), _of_dtype(name)) for name in DTYPES},
}
