"""Programs whose sizes are open, empty or found in values, and such as branch and loop."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.nn import functional

from exported_program import BATCH, LENGTH, ROWS, WIDTH, Program, floats, of, seeded, whole

SIZES = {
    "two-dimensions": of(
        lambda x: x.softmax(-1).sum(0),
        floats(3, 5),
        shapes=[{0: BATCH, 1: WIDTH}],
        others=[(floats(2, 40),), (floats(64, 4),)],
    ),
    "three-dimensions": of(
        lambda x, y: x @ y,
        floats(3, 5),
        floats(5, 7),
        shapes=[{0: BATCH, 1: WIDTH}, {0: WIDTH, 1: LENGTH}],
        others=[(floats(2, 4), floats(4, 40)), (floats(9, 30), floats(30, 2))],
    ),
    "joined": of(
        lambda x, y: torch.cat([x, y]),
        floats(3, 4),
        floats(5, 4),
        shapes=[{0: BATCH}, {0: LENGTH}],
        others=[(floats(2, 4), floats(2, 4)), (floats(40, 4), floats(3, 4))],
    ),
    "multiplied": of(
        lambda x: x.reshape(-1) + x.size(0) * x.size(1),
        floats(3, 5),
        shapes=[{0: BATCH, 1: WIDTH}],
        others=[(floats(7, 11),)],
    ),
    "halved": of(
        lambda x: (x[:, :, : x.size(2) // 2], x[:, :, ::2]),
        floats(2, 3, 9),
        shapes=[{2: WIDTH}],
        others=[(floats(2, 3, n),) for n in (4, 8, 40)],
    ),
    "counted": of(
        lambda x: x * torch.arange(x.size(0)).unsqueeze(1) + torch.ones(x.size(1)),
        floats(3, 5),
        shapes=[{0: BATCH, 1: WIDTH}],
        others=[(floats(9, 4),)],
    ),
    "cut": of(
        lambda x, y: x + y[: x.size(0)],
        floats(3, 4),
        floats(40, 4),
        shapes=[{0: LENGTH}, {}],
        others=[(floats(40, 4), floats(40, 4))],
    ),
    "windows": of(
        lambda x: x.unfold(1, 3, 2).mean(-1),
        floats(2, 9),
        shapes=[{1: WIDTH}],
        others=[(floats(2, 5),), (floats(2, 40),)],
    ),
    "padded": of(
        lambda x: functional.pad(x, (1, 64 - x.size(1))), floats(2, 9), shapes=[{1: WIDTH}], others=[(floats(2, 40),)]
    ),
    "rolled": of(
        lambda x: (x.roll(1, 0), x.flip(0), x.repeat(2, 1)), floats(3, 2), shapes=[ROWS], others=[(floats(8, 2),)]
    ),
    "mean-of-rows": of(lambda x: x.sum(0) / x.size(0), floats(3, 4), shapes=[ROWS], others=[(floats(31, 4),)]),
    "true-division": of(
        lambda x: x * (x.size(0) / 7) + x.size(0) ** 2, floats(3), shapes=[ROWS], others=[(floats(31),)]
    ),
    "triangle": of(
        lambda x: x.tril() + torch.eye(x.size(0)), floats(5, 5), shapes=[{0: WIDTH, 1: WIDTH}], others=[(floats(9, 9),)]
    ),
    "empty": of(lambda x: (x + 1, x.sum(0), x.reshape(3, 0)), torch.zeros(0, 3)),
    "empty-product": of(lambda x, y: x @ y, torch.zeros(2, 0), torch.zeros(0, 3)),
    "no-rows": of(
        lambda x: x * 2,
        floats(3, 2),
        shapes=[{0: Dim("n", min=0, max=9)}],
        others=[(torch.zeros(0, 2),), (floats(1, 2),)],
    ),
    "chosen": of(lambda x: x[x > 0], floats(9), others=[(-floats(9).abs(),), (floats(9).abs(),)]),
    "where-they-are": of(lambda x: torch.nonzero(x > 0), floats(4, 4), others=[(-floats(4, 4),)]),
    "repeated": of(
        lambda x, n: torch.repeat_interleave(x, n),
        floats(4),
        whole(4, below=5),
        others=[(floats(4), whole(4, below=2))],
    ),
}


def _read(x: Tensor) -> Tensor:
    number = x[0].item()
    torch._check(number >= 2)
    torch._check(number <= 9)
    return torch.ones(number) * number


def _nested(x: Tensor) -> Tensor:
    def inner(x: Tensor) -> Tensor:
        return torch.cond(x.max() > 1, lambda x: x * 10, lambda x: x / 10, (x,))

    return torch.cond(x.sum() > 0, inner, lambda x: x - 1, (x,))


class Branches(nn.Module):
    """A branch with weights in it, and two results."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Linear(4, 4)
        self.right = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Any:
        def one(x: Tensor) -> tuple[Tensor, Tensor]:
            return self.left(x), x + 1

        def other(x: Tensor) -> tuple[Tensor, Tensor]:
            return self.right(x).relu(), x - 1

        return torch.cond(x.sum() > 0, one, other, (x,))


FLOW = {
    "branch": of(
        lambda x: torch.cond(x.sum() > 0, lambda x: x.sin(), lambda x: x.cos(), (x,)),
        floats(3).abs(),
        others=[(-floats(3).abs(),)],
    ),
    "branch-in-a-branch": of(_nested, floats(3).abs() + 1, others=[(-floats(3).abs(),), (floats(3).abs() / 100,)]),
    "branch-with-weights": Program(seeded(Branches), (floats(2, 4).abs(),), None, [(-floats(2, 4).abs(),)]),
    "branch-of-any-size": of(
        lambda x: torch.cond(x.sum() > 0, lambda x: x * x.size(0), lambda x: x - x.size(0), (x,)),
        floats(3).abs(),
        shapes=[ROWS],
        others=[(-floats(5).abs(),), (floats(17).abs(),)],
    ),
    "branch-by-size": of(
        lambda x: torch.cond(x.size(0) > 4, lambda x: x + 1, lambda x: x - 1, (x,)),
        floats(3),
        shapes=[ROWS],
        others=[(floats(5),)],
    ),
    "number-read": of(_read, torch.tensor([3, 1]), others=[(torch.tensor([9, 0]),)]),
    "loop": of(
        lambda x: torch._higher_order_ops.while_loop(
            lambda n, x: n < 5, lambda n, x: (n + 1, x * 1.5), (torch.tensor(0), x)
        ),
        floats(3),
    ),
    "map": of(lambda x, y: torch._higher_order_ops.map(lambda row, y: row * y + 1, x, y), floats(4, 3), floats(3)),
    "scan": of(
        lambda x: torch._higher_order_ops.scan(lambda total, row: (total + row, total * row), torch.zeros(3), x, dim=0),
        floats(4, 3),
    ),
}
