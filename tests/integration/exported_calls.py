"""Programs whose weights, inputs and outputs share memory, and forms of calls and results."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from exported_program import Program, floats, of, seeded, whole


class Table(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.arange(40.0).reshape(10, 4))
        self.register_buffer("scale", torch.tensor(3), persistent=False)
        self.weight = nn.Parameter(floats(4))
        self.constant = torch.tensor([1.5, -2.0, 0.25, 8.0])

    def forward(self, x: Tensor) -> Any:
        return self.table[x] * self.weight + self.constant * self.scale, self.table, self.weight, self.scale


class Shared(nn.Module):
    """One weight under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4, bias=False)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


class WithoutGradients(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            y = self.layer(x)
        return y * 2


class Named(nn.Module):
    def forward(self, x: Tensor, scale: float = 1.0, *, mask: Tensor | None = None, bias: Tensor | None = None) -> Any:
        y = x * scale
        y = y if mask is None else y.masked_fill(mask, -1.0)
        return {"plain": y, "biased": y if bias is None else y + bias}


MEMORY = {
    "buffers": Program(seeded(Table), (whole(5, below=10),)),
    "shared-weight": Program(seeded(Shared), (floats(2, 4),)),
    "no-gradients": Program(seeded(WithoutGradients), (floats(2, 4),)),
    "input-given-back": of(lambda x: x, floats(2, 3)),
    "input-given-back-twice": of(lambda x: (x, x), floats(2, 3)),
    "one-output-twice": of(lambda x: (lambda y: (y, y))(x + 1), floats(2, 3)),
    "view-of-an-input": of(lambda x: (x[1:], x.t(), x.reshape(-1)), floats(3, 4)),
    "views-of-an-output": of(lambda x: (lambda y: (y, y[0], y[:, 1:], y.t()))(x * 2), floats(3, 4)),
    "expanded": of(lambda x: x[:, :1].expand(3, 5), floats(3, 4)),
    "permuted": of(lambda x: (x + 1).permute(2, 0, 1), floats(2, 3, 4)),
    "diagonal": of(lambda x: (torch.diagonal(x), x.unfold(0, 2, 1), torch.as_strided(x, (2, 2), (1, 2))), floats(4, 4)),
    "channels-last": of(lambda x: x.to(memory_format=torch.channels_last) * 2, floats(2, 3, 4, 4)),
    "written-in-place": of(lambda x: (lambda y: y.add_(1).mul_(y))(x.clone()), floats(2, 3)),
    "view-written-in-place": of(lambda x: (lambda y: (y[0].fill_(7.0), y))(x.clone())[1], floats(2, 3)),
    "input-written-in-place": of(lambda x, y: x.add_(y) * 2, floats(2, 3), floats(3)),
    "conjugated": of(lambda x: (x.conj(), x.conj().imag, x.mH), torch.complex(floats(2, 3), floats(3, 2).t())),
    "constant": of(lambda x: (x + 1, torch.full((2, 2), 3.5), torch.arange(4), torch.tensor([1, 2])), floats(2)),
    "no-input": of(lambda: torch.arange(6).reshape(2, 3) * 2),
}

CALLS = {
    "scalar": of(lambda x, y: (x * y, x.sum() + y), floats(3), torch.tensor(2.5)),
    "nested": of(lambda x: {"sum": x + 1, "pair": (x * 2, [x - 1, {"last": x / 3}])}, floats(2, 3)),
    "nested-arguments": of(
        lambda x: x["left"] @ x["pair"][0] + x["pair"][1], {"left": floats(2, 3), "pair": [floats(3, 4), floats(4)]}
    ),
    "none-among-results": of(lambda x: (x + 1, None, x * 2), floats(2)),
    "numbers-among-results": of(lambda x: (x + 1, 3, 2.5, True, x * 2), floats(2)),
    "one-in-a-tuple": of(lambda x: (x + 1,), floats(2)),
    "keywords": Program(Named, (floats(2, 3), 2.0), None, (), {"mask": floats(2, 3) > 0, "bias": floats(3)}),
    "argument-left-out": Program(Named, (floats(2, 3), 2.0), None, (), {"bias": floats(3)}),
    "none-among-arguments": of(lambda x, none, y: x + y if none is None else x, floats(3), None, floats(3)),
    "unused-input": of(lambda x, y: x + 1, floats(3), floats(2)),
    "many-inputs": of(lambda *xs: sum(x * n for n, x in enumerate(xs)), *(floats(3) for _ in range(40))),
    "many-outputs": of(lambda x: tuple(x + n for n in range(40)), floats(3)),
}
